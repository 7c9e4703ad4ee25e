//! The slots below a mounted root: a flash, a trial, a way back, and what is refused.

mod common;

use common::bundle::{Recipe, key, read};
use mtcae_boards::{BoardError, Root, RootCourse, RootFlashed};
use mtcae_bundle::{Permit, SigningKey};
use mtcae_drivers::DirStore;
use mtcae_update::{State, Updater, Verdict};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

struct Mounted {
    folder: TempDir,
}

impl Mounted {
    fn new() -> Mounted {
        let mounted = Mounted { folder: tempfile::tempdir().unwrap() };
        mounted
            .write("etc/mtcae/board.toml", b"[board]\nname = \"bench\"\nfamily = \"pc\"\n[update]\nenabled = true\n");
        mounted.write("etc/mtcae/trusted/release.pub", format!("{}\n", key().public()).as_bytes());
        mounted
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn root(&self) -> Root {
        Root::open(&self.path()).unwrap()
    }

    fn flash(&self, recipe: &Recipe) -> Result<RootFlashed, BoardError> {
        self.flash_with(recipe, None)
    }

    fn flash_with(&self, recipe: &Recipe, permit: Option<&Permit>) -> Result<RootFlashed, BoardError> {
        let bundle = read(&recipe.write(self.folder.path()));
        let mut told = Vec::new();
        let result =
            self.root().flash(&bundle, permit, &AtomicBool::new(false), &mut |done, total| told.push((done, total)));
        assert!(told.is_sorted() && told.iter().all(|(done, total)| done <= total));
        result
    }

    /// What the board does at its next start.
    fn start(&self, verdict: Verdict) {
        let mut updater = Updater::new(DirStore::open(&self.path().join("var/lib/mtcae")).unwrap());
        updater.choose(mtcae_update::Depth::Bytes).unwrap();
        updater.self_test(verdict).unwrap();
    }

    fn refused(&self, recipe: &Recipe) -> String {
        let error = self.flash(recipe).unwrap_err();
        format!("{}: {error}", error.code()).replace(&*self.path().canonicalize().unwrap().to_string_lossy(), "ROOT")
    }
}

fn names(root: &Root) -> Vec<Option<String>> {
    root.status().unwrap().slots.iter().flatten().map(|held| held.as_ref().map(|held| held.version.clone())).collect()
}

#[test]
fn flashed_tried_confirmed_and_gone_back_from() {
    let mounted = Mounted::new();
    assert_eq!(mounted.flash(&Recipe::new(1)).unwrap(), RootFlashed::Installed);
    assert_eq!(mounted.flash(&Recipe::new(1)).unwrap(), RootFlashed::OnTrial);
    mounted.start(Verdict::Good);
    assert_eq!(mounted.flash(&Recipe::new(1)).unwrap(), RootFlashed::AlreadyThere);
    assert_eq!(mounted.flash(&Recipe::new(2)).unwrap(), RootFlashed::Installed);
    let root = mounted.root();
    assert_eq!(root.status().unwrap().status.state, State::Trial);
    let kept = root.confirm().unwrap();
    assert_eq!((kept.status.state, kept.family.as_deref()), (State::Running, Some("pc")));
    assert_eq!(names(&root)[1].as_deref(), Some("edge 0.2.0"));
    // Confirmed twice is confirmed.
    root.confirm().unwrap();
    // The version before has an older counter.
    let older = root.rollback(None).unwrap_err();
    assert_eq!(older.code(), "mtcae::slots");
    assert!(older.help().contains("`--permit FILE`") && older.help().contains("--lowest 1 "), "{}", older.help());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let permit = |device, key: &SigningKey| Permit::sign(key, device, 1, now - 10, now + 1000).unwrap();
    assert_eq!(root.rollback(Some(&permit("other", &key()))).unwrap_err().code(), "mtcae::permit");
    assert_eq!(
        root.rollback(Some(&permit("bench", &SigningKey::from_seed(&[9; 32])))).unwrap_err().code(),
        "mtcae::permit"
    );
    let back = root.rollback(Some(&permit("bench", &key()))).unwrap();
    let runs = back.status.confirmed.unwrap().names;
    assert_eq!(runs, ["edge 0.1.0", "edge 0.1.0"]);
}

#[test]
fn a_look_says_what_a_flash_would_do_and_changes_nothing() {
    let mounted = Mounted::new();
    let look = |recipe: &Recipe, permit: Option<&Permit>| {
        let before = files(&mounted.path());
        let looked = mounted.root().check(&read(&recipe.write(mounted.folder.path())), permit);
        assert_eq!(files(&mounted.path()), before);
        looked.map_err(|error| error.code().to_owned() + ": " + &error.to_string())
    };
    let stranger = || Recipe { signer: SigningKey::from_seed(&[9; 32]), ..Recipe::new(2) };
    let bytes = |looked| match looked {
        Ok(RootCourse::Install { bytes }) => bytes,
        other => panic!("{other:?}"),
    };
    // Without slots, which a flash makes.
    assert!(bytes(look(&Recipe::new(2), None)) > 1_000);
    assert!(look(&stranger(), None).unwrap_err().contains("none of which is trusted"));
    mounted.flash(&Recipe::new(2)).unwrap();
    assert_eq!(look(&Recipe::new(2), None), Ok(RootCourse::OnTrial));
    assert!(look(&Recipe::new(3), None).unwrap_err().starts_with("mtcae::refused: "));
    mounted.start(Verdict::Good);
    assert_eq!(look(&Recipe::new(2), None), Ok(RootCourse::AlreadyThere));
    assert!(look(&stranger(), None).unwrap_err().contains("none of which is trusted"));
    let older = look(&Recipe::new(1), None).unwrap_err();
    assert!(older.contains("security counter 1, and this board accepts 2 or more"), "{older}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let permit = |device| Permit::sign(&key(), device, 1, now - 10, now + 1000).unwrap();
    assert!(bytes(look(&Recipe::new(1), Some(&permit("bench")))) > 1_000);
    assert!(look(&Recipe::new(1), Some(&permit("other"))).unwrap_err().starts_with("mtcae::permit: "));
}

#[test]
fn only_a_flash_makes_slots() {
    let mounted = Mounted::new();
    let said = |mounted: &Mounted| {
        let before = files(&mounted.path());
        let errors = [mounted.root().confirm().unwrap_err(), mounted.root().rollback(None).unwrap_err()];
        assert_eq!(files(&mounted.path()), before);
        let errors = errors.map(|error| format!("{}: {error}", error.code()));
        assert_eq!(errors[0], errors[1]);
        errors[0].replace(&*mounted.path().canonicalize().unwrap().to_string_lossy(), "ROOT")
    };
    insta::assert_snapshot!(said(&mounted), @"mtcae::root: there are no slots at ROOT/var/lib/mtcae");
    // Where the board's file system is not mounted.
    std::fs::remove_dir_all(mounted.path().join("etc")).unwrap();
    insta::assert_snapshot!(said(&mounted), @"mtcae::root: there is no /etc/mtcae/board.toml below ROOT, so nothing says what board it is");
}

/// All that is below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_not_for_it_is_refused_and_touches_nothing() {
    let mounted = Mounted::new();
    mounted.write("usr/lib/mtcae/mtcae-launcher", &[b"\x7fELF\x02\x01\x01".as_slice(), &[0; 11], &[183, 0]].concat());
    let arm = |recipe: Recipe| Recipe { target: "aarch64-unknown-linux-gnu", ..recipe };
    let mut said = vec![
        mounted.refused(&Recipe { board: "jetson-agx", ..Recipe::new(3) }),
        mounted.refused(&Recipe::new(3)),
        mounted.refused(&arm(Recipe { signer: SigningKey::from_seed(&[9; 32]), ..Recipe::new(3) })),
    ];
    assert_eq!(mounted.root().status().map(|status| status.status.state).unwrap_or(State::Empty), State::Empty);
    mounted.flash(&arm(Recipe::new(3))).unwrap();
    said.push(mounted.refused(&arm(Recipe::new(4))).split("; possible").next().unwrap().to_owned());
    mounted.start(Verdict::Good);
    said.push(mounted.refused(&arm(Recipe::new(2))));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn a_root_that_is_none_has_its_next_step() {
    let mounted = Mounted::new();
    let error = Root::open(Path::new("/no/such/root")).unwrap_err();
    assert!(error.to_string().starts_with("cannot open /no/such/root: "), "{error}");
    std::fs::remove_file(mounted.path().join("etc/mtcae/board.toml")).unwrap();
    let said = mounted.refused(&Recipe::new(1));
    insta::assert_snapshot!(said, @"mtcae::root: there is no /etc/mtcae/board.toml below ROOT, so nothing says what board it is");
    mounted.write("etc/mtcae/board.toml", b"[board]\nname = 3\n");
    let error = Root::open(&mounted.path()).unwrap_err();
    assert!(error.to_string().contains("board.toml:2") && error.code() == "mtcae::root", "{error}");
}

#[test]
fn a_link_does_not_lead_into_this_machine() {
    let mounted = Mounted::new();
    let outside = mounted.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::create_dir_all(mounted.path().join("var")).unwrap();
    std::os::unix::fs::symlink(&outside, mounted.path().join("var/lib")).unwrap();
    let error = Root::open(&mounted.path()).unwrap_err();
    assert!(error.to_string().contains("leads out of the mounted root"), "{error}");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    // Nor does one among the trusted keys.
    let mounted = Mounted::new();
    let stranger = mounted.folder.path().join("stranger.pub");
    std::fs::write(&stranger, format!("{}\n", SigningKey::from_seed(&[9; 32]).public())).unwrap();
    let link = mounted.path().join("etc/mtcae/trusted/link.pub");
    std::os::unix::fs::symlink(&stranger, &link).unwrap();
    let said = mounted.refused(&Recipe { signer: SigningKey::from_seed(&[9; 32]), ..Recipe::new(1) });
    assert!(said.starts_with("mtcae::root: ROOT/etc/mtcae/trusted/link.pub leads out of the mounted root"), "{said}");
    assert_eq!(mounted.root().trusted().unwrap_err().code(), "mtcae::root");
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("release.pub", &link).unwrap();
    assert_eq!(mounted.root().trusted().unwrap().len(), 1, "within the root a link is what it is on the board");
}

#[test]
fn no_link_among_the_slots_is_followed() {
    let mounted = Mounted::new();
    mounted.flash(&Recipe::new(1)).unwrap();
    mounted.start(Verdict::Good);
    let (slots, outside) = (mounted.path().join("var/lib/mtcae"), mounted.folder.path().join("outside"));
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("letter"), "of this desk").unwrap();
    let links = [
        ("model-b", "outside"),
        ("lock", "outside/lock"),
        ("journal", "outside/letter"),
        ("daemon-b/part", "outside/letter"),
    ];
    for (name, to) in links {
        let at = slots.join(name);
        let _ = std::fs::remove_dir_all(&at).or_else(|_| std::fs::remove_file(&at));
        std::os::unix::fs::symlink(mounted.folder.path().join(to), &at).unwrap();
        let said = mounted.refused(&Recipe::new(2));
        let expected = format!("ROOT/var/lib/mtcae/{name} is a link, and nothing among the slots may be one");
        assert_eq!(said, format!("mtcae::root: {expected}"));
        assert_eq!(mounted.root().status().unwrap_err().code(), "mtcae::root");
        std::fs::remove_file(&at).unwrap();
    }
    let files: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["letter"]);
    assert_eq!(std::fs::read_to_string(outside.join("letter")).unwrap(), "of this desk");
    assert_eq!(mounted.flash(&Recipe::new(2)).unwrap(), RootFlashed::Installed);
}

#[test]
fn stopping_leaves_what_runs() {
    let mounted = Mounted::new();
    mounted.flash(&Recipe::new(1)).unwrap();
    mounted.start(Verdict::Good);
    let bundle = read(&Recipe { firmware: 400_000, ..Recipe::new(2) }.write(mounted.folder.path()));
    let stop = AtomicBool::new(false);
    let result = mounted.root().flash(&bundle, None, &stop, &mut |done, _| {
        stop.store(done > 200_000, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(result.unwrap_err().code(), "mtcae::stopped");
    let status = mounted.root().status().unwrap().status;
    assert_eq!(status.confirmed.unwrap().names[0], "edge 0.1.0");
    assert_eq!(mounted.flash(&Recipe { firmware: 400_000, ..Recipe::new(2) }).unwrap(), RootFlashed::Installed);
}
