//! Bundles into the slots of a simulated board: good ones arrive whole, bad ones touch nothing, power cuts cost nothing.

use mtcae_bundle::*;
use mtcae_contract::{ClipSpec, Framing, LabelSet, Manifest, Precision, Sampling};
use mtcae_install::{InstallError, Installed, Rules, SEALED_FILE, install, plan, unseal};
use mtcae_update::sim::{CutMode, SimStore, Trouble};
use mtcae_update::{
    Choice, Confirm, DAEMON_FILE, DIRECTORIES, Depth, Kind, Permit, State, UpdateError, Updater, Verdict,
};
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::LazyLock;

const TARGET: &str = "aarch64-unknown-linux-gnu";

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn trust() -> Trust {
    Trust::new(&[key(1).public()]).unwrap()
}

/// What a bundle is made of, to be varied.
struct Recipe {
    counter: u32,
    board: &'static str,
    signer: u8,
    target: &'static str,
    with: [bool; 2],
    recipients: Vec<Recipient>,
    document: Option<&'static str>,
}

impl Recipe {
    fn new(counter: u32) -> Recipe {
        let recipients = Vec::new();
        Recipe { counter, board: "pc", signer: 1, target: TARGET, with: [true; 2], recipients, document: None }
    }

    fn manifest(&self) -> Manifest {
        Manifest {
            format: 1,
            name: "edge".into(),
            version: format!("0.{}.0", self.counter),
            preset: "edge".into(),
            labels: LabelSet::seven(),
            sampling: Sampling::Uniform,
            temperature: 1.0,
            clip: ClipSpec { frames: 16, size: 112, seconds: 1.0 },
            framing: Framing::Face { margin: 0.2 },
            mean: [0.5; 3],
            std: [0.5; 3],
            artifacts: Vec::new(),
        }
    }

    fn description(&self) -> Description {
        Description {
            name: "edge".into(),
            version: Version::new(0, self.counter.into(), 0),
            security_counter: self.counter,
            boards: vec![self.board.into()],
            model: self.with[0].then(|| ModelDescription::from(&self.manifest())),
            metrics: Vec::new(),
            provenance: Provenance {
                built_unix_s: 1_767_225_600,
                builder: "test".into(),
                revision: String::new(),
                data: Vec::new(),
            },
            licences: vec![Licence { covers: "weights".into(), terms: "MIT".into() }],
        }
    }

    fn build(&self) -> Vec<u8> {
        let [model, daemon] = self.with;
        let bytes =
            |len: usize| -> Vec<u8> { (0..len).map(|i| (i * 7 + i / 251) as u8 ^ self.counter as u8).collect() };
        let mut parts = Vec::new();
        if model {
            let precision = Content::Model { precision: Precision::Fp32, engines: vec!["tract".into()] };
            parts.push(("manifest.toml", Content::ModelManifest, self.manifest().to_toml().unwrap().into_bytes()));
            parts.push(("edge.fp32.onnx", precision, bytes(900)));
            parts.push(("reference.clip", Content::ReferenceClip, bytes(80)));
            parts.push(("reference.json", Content::ReferenceAnswer, bytes(50)));
        }
        if daemon {
            let firmware = Content::Firmware { target: self.target.into(), version: Version::new(0, 1, 0) };
            parts.push((DAEMON_FILE, firmware, bytes(400)));
        }
        parts.extend(self.document.map(|name| (name, Content::Document, bytes(30))));
        let mut builder = Builder::new(self.description(), &self.recipients, Cursor::new(Vec::new()));
        for (name, content, bytes) in parts {
            builder.add(name, content, Compression::Zstd, &mut bytes.as_slice()).unwrap();
        }
        let mut bundle = Vec::new();
        builder.finish(&[&key(self.signer)], &mut bundle).unwrap();
        bundle
    }
}

struct Board {
    updater: Updater<SimStore>,
    keys: Vec<DeviceKey>,
}

impl Board {
    fn new() -> Board {
        Board { updater: Updater::new(SimStore::new(1)), keys: Vec::new() }
    }

    /// One that runs version 5 and has version 4 to go back to.
    fn running() -> Board {
        static STORE: LazyLock<SimStore> = LazyLock::new(|| {
            let mut board = Board::new();
            for counter in [4, 5] {
                board.take(&Recipe::new(counter).build()).unwrap();
                board.try_out();
            }
            board.updater.into_store()
        });
        Board { updater: Updater::new(STORE.clone()), keys: Vec::new() }
    }

    fn take(&mut self, bundle: &[u8]) -> Result<Installed, InstallError> {
        self.take_with(bundle, None)
    }

    fn take_with(&mut self, bundle: &[u8], permit: Option<Permit>) -> Result<Installed, InstallError> {
        let trust = trust();
        let confirm = Confirm::BySelfTest;
        let rules = Rules { family: "pc", target: Some(TARGET), trust: &trust, keys: &self.keys, confirm, permit };
        install(&mut self.updater, &mut Cursor::new(bundle), &rules, &mut |_, _| {})
    }

    fn try_out(&mut self) {
        self.updater.switch().unwrap();
        self.updater.choose(Depth::Bytes).unwrap();
        assert_eq!(self.updater.self_test(Verdict::Good).unwrap(), State::Running);
    }

    /// Every file but the journals.
    fn files(&mut self) -> BTreeMap<String, Vec<u8>> {
        let store = self.updater.store_mut();
        let mut files = BTreeMap::new();
        for folder in DIRECTORIES {
            for name in mtcae_update::Store::list(store, folder).unwrap() {
                let path = format!("{folder}/{name}");
                files.insert(path.clone(), store.bytes(&path).unwrap().to_vec());
            }
        }
        for record in ["slots.0", "slots.1"] {
            files.insert(record.into(), store.bytes(record).unwrap_or_default().to_vec());
        }
        files
    }

    /// Path of a file of the version that starts, and its bytes.
    fn runs(&mut self, kind: Kind, name: &str) -> Option<Vec<u8>> {
        let Choice::Start { pair, .. } = self.updater.choose(Depth::Bytes).unwrap() else { return None };
        let folder = if kind == Kind::Model { pair.model_folder() } else { pair.daemon_folder() };
        self.updater.store_mut().bytes(&format!("{folder}/{name}")).map(<[u8]>::to_vec)
    }
}

#[test]
fn a_bundle_gets_into_its_slots_and_runs() {
    let mut board = Board::new();
    let installed = board.take(&Recipe::new(4).build()).unwrap();
    assert_eq!((installed.plan.version.as_str(), installed.plan.counter), ("edge 0.4.0", 4));
    board.try_out();
    assert_eq!(board.runs(Kind::Daemon, DAEMON_FILE).map(|bytes| bytes.len()), Some(400));
    assert_eq!(board.runs(Kind::Model, "edge.fp32.onnx").map(|bytes| bytes.len()), Some(900));
    // A model alone, with the daemon that is there; and the same file again.
    let model_alone = Recipe { with: [true, false], ..Recipe::new(6) }.build();
    board.take(&model_alone).unwrap();
    board.try_out();
    let again = board.take(&model_alone).unwrap_err();
    insta::assert_snapshot!(again, @"edge 0.6.0 of this very file is confirmed here; there is nothing to do");
    let held = board.updater.slots().unwrap();
    assert_eq!(held.iter().flatten().flatten().count(), 3);
}

#[test]
fn a_file_is_there_already_only_while_all_that_it_brought_runs() {
    let mut board = Board::new();
    let both = Recipe::new(4).build();
    let origin = board.take(&both).unwrap().plan.origin;
    board.try_out();
    assert_eq!(board.updater.confirmed_from(origin).unwrap().as_deref(), Some("edge 0.4.0"));
    for counter in [5, 6] {
        let daemon_alone = Recipe { with: [false, true], ..Recipe::new(counter) }.build();
        let alone = board.take(&daemon_alone).unwrap().plan.origin;
        board.try_out();
        assert!(board.updater.confirmed_from(alone).unwrap().is_some());
        // Its model runs still.
        assert_eq!(board.updater.confirmed_from(origin).unwrap(), None);
    }
    board.take_with(&both, Some(Permit { lowest_counter: 4 })).unwrap();
    board.try_out();
    assert!(matches!(board.take(&both), Err(InstallError::Already { .. })));
}

#[test]
fn what_is_not_for_this_board_touches_nothing() {
    let mut board = Board::running();
    let before = board.files();
    let mut refused = |recipe: Recipe| {
        let error = board.take(&recipe.build()).unwrap_err();
        assert_eq!(board.files(), before, "{error}");
        error.to_string()
    };
    insta::assert_snapshot!(refused(Recipe { board: "toaster", ..Recipe::new(6) }), @r#"this board's family is "pc"; the bundle is for toaster"#);
    insta::assert_snapshot!(refused(Recipe { target: "x86_64-unknown-linux-gnu", ..Recipe::new(6) }), @"the daemon inside is for x86_64-unknown-linux-gnu; this board takes aarch64-unknown-linux-gnu; build the bundle with that one");
    insta::assert_snapshot!(refused(Recipe { signer: 2, ..Recipe::new(6) }), @"signed by 6a3803d5f059902a, none of which is trusted; trusted: 34750f98bd59fcfc");
    insta::assert_snapshot!(refused(Recipe::new(3)), @"the model has security counter 3, and this board accepts 5 or more; take a newer version, or a permit");
    let stranger = DeviceKey::generate().unwrap().recipient();
    let sealed = refused(Recipe { recipients: vec![stranger], ..Recipe::new(6) });
    assert!(sealed.contains("is encrypted to") && sealed.ends_with("keys at hand: none"), "{sealed}");
    board.updater.store_mut().set_capacity(9000);
    let full = board.take(&Recipe::new(6).build()).unwrap_err();
    assert!(matches!(full, InstallError::Slots(UpdateError::NoRoom { .. })), "{full}");
    assert_eq!(board.files(), before);
}

#[test]
fn a_permit_opens_the_way_back() {
    let mut board = Board::running();
    let older = Recipe::new(3).build();
    assert!(board.take_with(&older, Some(Permit { lowest_counter: 4 })).is_err());
    board.take_with(&older, Some(Permit { lowest_counter: 3 })).unwrap();
    board.try_out();
    assert_eq!(board.updater.status().unwrap().lowest, [3, 3]);
}

#[test]
fn damaged_bundles_are_refused_and_touch_nothing() {
    let mut board = Board::running();
    let before = board.files();
    let good = Recipe::new(6).build();
    let other = Recipe::new(7).build();
    let (mut flips, mut cuts, mut mixes) = (0, 0, 0);
    let mut refuse = |bundle: &[u8], what: &str| {
        let error = board.take(bundle).map(|_| ()).expect_err(what);
        assert!(matches!(error, InstallError::Bundle(_)), "{what}: {error}");
        assert_eq!(board.files(), before, "{what}: {error}");
    };
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1 << (at % 8);
        refuse(&changed, &format!("bit {} of byte {at}", at % 8));
        flips += 1;
        refuse(&good[..at], &format!("cut at {at}"));
        cuts += 1;
        // The rest of another signed bundle.
        if at % 7 == 0 && at < other.len() && other[..at] != good[..at] && other[at..] != good[at..] {
            refuse(&[&good[..at], &other[at..]].concat(), &format!("mixed at {at}"));
            mixes += 1;
        }
    }
    refuse(&[good.as_slice(), &[0]].concat(), "a byte too many");
    println!("{flips} flips, {cuts} cuts, {mixes} mixes refused, slots untouched");
    assert!(flips >= 2000 && cuts >= 2000 && mixes >= 250, "{flips} {cuts} {mixes}");
    board.take(&good).unwrap();
}

#[test]
fn a_power_cut_at_every_operation_leaves_a_board_that_starts() {
    let bundle = Recipe::new(6).build();
    let operations = {
        let mut board = Board::running();
        let before = board.updater.store_mut().operations();
        board.take(&bundle).unwrap();
        board.updater.store_mut().operations() - before
    };
    let mut cuts = 0;
    for trouble in CutMode::ALL.map(Trouble::Cut).into_iter().chain([Trouble::Kill, Trouble::Io]) {
        for after in 0..operations {
            let mut board = Board::running();
            board.updater.store_mut().inject(after, trouble);
            let result = board.take(&bundle);
            assert!(result.is_err() || !matches!(trouble, Trouble::Cut(_)), "{trouble:?} {after}");
            let mut store = board.updater.into_store();
            if matches!(trouble, Trouble::Cut(_)) {
                store.power_on()
            } else {
                store.restart()
            }
            let mut board = Board { updater: Updater::new(store), keys: Vec::new() };
            assert_eq!(
                board.runs(Kind::Daemon, DAEMON_FILE).map(|b| b[0]),
                Some(5),
                "{trouble:?} {after}: old one starts"
            );
            board.take(&bundle).unwrap_or_else(|e| panic!("{trouble:?} {after}: {e}"));
            board.try_out();
            assert_eq!(board.runs(Kind::Model, "edge.fp32.onnx").map(|b| b[0]), Some(6), "{trouble:?} {after}");
            cuts += 1;
        }
    }
    println!("{operations} operations, {cuts} faults: the old version started after each, and the retry went in");
    assert!(cuts >= 300, "{cuts}");
}

#[test]
fn an_encrypted_model_lies_sealed_in_its_slot() {
    let device = DeviceKey::generate().unwrap();
    let bundle = Recipe { recipients: vec![device.recipient()], ..Recipe::new(6) }.build();
    let mut board = Board::running();
    board.keys = vec![device];
    board.take(&bundle).unwrap();
    board.try_out();
    let sealed = board.runs(Kind::Model, SEALED_FILE).unwrap();
    assert_eq!(sealed, bundle);
    assert_eq!(board.runs(Kind::Model, "edge.fp32.onnx"), None, "nothing plain of a model in a slot");
    assert_eq!(board.runs(Kind::Daemon, DAEMON_FILE).map(|b| b[0]), Some(6));
    let mut model = unseal(sealed.as_slice(), &trust(), &board.keys).unwrap();
    assert_eq!(model.part("edge.fp32.onnx").map(|b| (b.len(), b[0])), Some((900, 6)));
    assert!(model.take(DAEMON_FILE).is_none() && model.take("reference.clip").is_some());
    assert!(unseal(sealed.as_slice(), &trust(), &[]).is_err());
    let mut flips = 0;
    for at in (0..sealed.len()).step_by(37) {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(unseal(changed.as_slice(), &trust(), &board.keys).is_err(), "byte {at}");
        flips += 1;
    }
    assert!(flips >= 60, "{flips}");
}

#[test]
fn a_rotation_leaves_an_encrypted_model_that_runs_alone() {
    let device = DeviceKey::generate().unwrap();
    let recipe = |counter| Recipe { recipients: vec![device.recipient()], ..Recipe::new(counter) };
    let mut board = Board::running();
    let keys = std::slice::from_ref(&device);
    let sealed = recipe(6).build();
    let rotated = |from| trust().rotated(&[Rotation::sign(&key(1), key(2).public(), from).unwrap()]).unwrap();
    for from in [0, 6, 7] {
        let model = unseal(sealed.as_slice(), &rotated(from), keys).unwrap();
        assert!(model.part("edge.fp32.onnx").is_some(), "from {from}");
    }
    // What is installed is judged by the rotation still, and a key that was never trusted opens nothing.
    let (trust, confirm) = (rotated(6), Confirm::BySelfTest);
    let rules = Rules { family: "pc", target: Some(TARGET), trust: &trust, keys, confirm, permit: None };
    let again = install(&mut board.updater, &mut Cursor::new(recipe(7).build()), &rules, &mut |_, _| {}).unwrap_err();
    assert!(matches!(again, InstallError::Bundle(BundleError::RetiredKey { .. })), "{again}");
    let stranger = Recipe { signer: 3, ..recipe(6) }.build();
    let unknown = unseal(stranger.as_slice(), &trust, keys).map(|_| ()).unwrap_err();
    assert!(matches!(unknown, InstallError::Bundle(BundleError::UnknownKey { .. })), "{unknown}");
    let mut forged = sealed;
    forged[FIXED_LEN + 32] ^= 1;
    let forged = unseal(forged.as_slice(), &trust, keys).map(|_| ()).unwrap_err();
    assert!(matches!(forged, InstallError::Bundle(BundleError::Signature { .. })), "{forged}");
}

/// `bundle` with a part of another name of the same length, signed again: by a tool that did not know of reserved names.
fn renamed(bundle: &[u8], from: &str, to: &str) -> Vec<u8> {
    let manifest = FIXED_LEN + SIGNER_LEN;
    let end = manifest + u32::from_le_bytes(bundle[12..16].try_into().unwrap()) as usize;
    let text = std::str::from_utf8(&bundle[manifest..end]).unwrap();
    assert_eq!((text.matches(from).count(), from.len()), (1, to.len()));
    let text = text.replace(from, to);
    let message = [&bundle[..FIXED_LEN], key(1).public().as_bytes(), text.as_bytes()].concat();
    let signature = key(1).sign("bundle v1", &message);
    [&bundle[..FIXED_LEN + 32], &signature, text.as_bytes(), &bundle[end..]].concat()
}

#[test]
fn a_part_cannot_take_the_name_of_a_file_of_the_slots() {
    let mut board = Board::running();
    let before = board.files();
    board.keys = vec![DeviceKey::generate().unwrap()];
    for (name, like) in
        [(SEALED_FILE, "model.card"), ("seal", "card"), ("seal.new", "card.new"), ("seal.with", "card-with")]
    {
        for recipients in [Vec::new(), vec![board.keys[0].recipient()]] {
            let recipe = Recipe { recipients, document: Some(like), ..Recipe::new(6) };
            let refused = board.take(&renamed(&recipe.build(), like, name)).unwrap_err();
            assert!(matches!(refused, InstallError::Bundle(BundleError::Value { .. })), "{refused}");
            assert_eq!(board.files(), before, "{refused}");
        }
        let mut builder = Builder::new(Recipe::new(6).description(), &[], Cursor::new(Vec::new()));
        let refused = builder.add(name, Content::Document, Compression::None, &mut &b"x"[..]).unwrap_err();
        let said = refused.to_string().replace(&format!("{name:?}"), "NAME");
        insta::allow_duplicates! {
            insta::assert_snapshot!(said, @"bundle manifest key `parts.name` is NAME; accepted: any other than model.mtcb, seal, seal.new, seal.with, which are files of a slot itself");
        }
    }
}

#[test]
fn the_name_is_cut_and_never_the_version() {
    let bundle = Recipe::new(6).build();
    let manifest = Reader::open(bundle.as_slice(), &trust()).unwrap().manifest().clone();
    let planned = |name: &str, version: &str| {
        let manifest = BundleManifest { name: name.into(), version: version.parse().unwrap(), ..manifest.clone() };
        plan(&manifest, 1, mtcae_update::Digest::of(b""), Confirm::BySelfTest)
    };
    let name = "a-name-of-24-characters-";
    assert_eq!(planned("edge", "0.4.0").version, "edge 0.4.0");
    assert_eq!(planned(name, "10.20.30-rc.11").version, "a-name-of-24-char 10.20.30-rc.11");
    assert_eq!(planned(name, "1.0.0-rc.1+20261128a").version, "a-name-of-2 1.0.0-rc.1+20261128a");
    for (len, fits) in [(30, true), (31, true), (32, true), (33, false)] {
        let version = format!("1.0.0-{}", "r".repeat(len - 6));
        let planned = planned(name, &version);
        assert!(planned.version.ends_with(&version), "{}", planned.version);
        assert_eq!(planned.check().is_ok(), fits, "{}", planned.version);
    }
}
