//! The dependency rules of the workspace, from `cargo metadata`, and who may print, read the environment or exit.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A crate that must be there; the rest of the pure ones are checked once they exist.
const PURE: [&str; 5] = ["mtcae-contract", "mtcae-core", "mtcae-wire", "mtcae-update", "mtcae-transfer"];

/// Crates that take time, bytes and frames as arguments and touch nothing outside.
const SANS_IO: [&str; 9] = [
    "models/contract/src",
    "models/detect/src",
    "models/network/src",
    "board-configs/src",
    "firmware/core/src",
    "firmware/wire/src",
    "firmware/json/src",
    "firmware/transfer/src",
    "firmware/update/src",
];

/// Heavy or unportable dependencies: the start of the name, and the folders whose crates may have it.
const HEAVY: [(&str, &[&str]); 11] = [
    ("burn", &["host/train"]),
    ("cubecl", &["host/train"]),
    ("cudarc", &["host/train"]),
    ("v4l", &["firmware/drivers"]),
    ("bindgen", &[]),
    ("libudev", &[]),
    ("tract", &["firmware/drivers", "firmware/kernels", "models/detect", "host/"]),
    ("ort", &["firmware/drivers", "host/deploy"]),
    ("rumqttc", &["firmware/mqtt"]),
    ("rumqttd", &["host/broker"]),
    ("rustls", &["firmware/tls", "firmware/mqtt"]),
];

/// Crates that hold pixels and cannot write any type: `mtcae-contract`, which can, is tried by programs that do not compile.
const NOTHING_IS_WRITTEN: [&str; 3] = ["mtcae-core", "mtcae-detect", "mtcae-drivers"];

/// What the newcomer's build must not wait for.
const NOT_IN_THE_DEMO: [&str; 10] = [
    "aws-lc-sys",
    "burn",
    "v4l",
    "v4l2-sys-mit",
    "bindgen",
    "clang-sys",
    "libudev",
    "libudev-sys",
    "openssl-sys",
    "rumqttd",
];

/// Code that only a program may run.
const ONLY_PROGRAMS: [&str; 10] = [
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
    "dbg!",
    "env::var",
    "env::args",
    "env::set_var",
    "process::exit",
    "process::abort",
];

const PROGRAMS: [&str; 5] =
    ["firmware/daemon/src", "firmware/launcher/src", "host/cli/src", "host/train/src/bin", "host/broker/src"];

/// Code that has no place where time, files and sockets are passed in.
const OUTSIDE_WORLD: [&str; 7] =
    ["Instant::now", "SystemTime", "std::fs", "std::net", "std::thread", "std::process", "File::open"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().expect("cargo metadata runs")
}

/// Folder of a crate below the workspace, with `/` between.
fn folder(package: &Package, root: &Path) -> String {
    let folder = package.manifest_path.parent().expect("a manifest lies in a folder");
    folder.as_std_path().strip_prefix(root).expect("a member lies in the workspace").to_string_lossy().into_owned()
}

/// Names a crate depends on directly, optional ones included; development dependencies only when asked for.
fn direct(package: &Package, with_dev: bool) -> BTreeSet<String> {
    let wanted = |kind| with_dev || kind != DependencyKind::Development;
    package.dependencies.iter().filter(|d| wanted(d.kind)).map(|d| d.name.to_string()).collect()
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// The workspace's own crates, and which of them each depends on outside its tests.
fn graph(metadata: &Metadata) -> Graph {
    let members: BTreeSet<String> = metadata.packages.iter().map(|p| p.name.to_string()).collect();
    let own = |p: &Package| direct(p, false).intersection(&members).cloned().collect();
    metadata.packages.iter().map(|p| (p.name.to_string(), own(p))).collect()
}

/// Everything `from` depends on, at any depth.
fn reachable(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

#[test]
fn crates_that_hold_pixels_do_not_depend_on_serde() {
    let metadata = metadata();
    for name in NOTHING_IS_WRITTEN {
        let package = metadata.packages.iter().find(|p| p.name.as_str() == name).expect("the crate is there");
        assert!(!direct(package, false).contains("serde"), "{name} could write pixels");
    }
}

#[test]
fn depth_is_searched() {
    let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")];
    let mut graph = Graph::new();
    for (from, to) in edges {
        graph.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    assert_eq!(reachable(&graph, "a"), ["a", "b", "c"].map(str::to_owned).into());
    assert_eq!(reachable(&graph, "e"), BTreeSet::new());
}

#[test]
fn the_pure_crates_exist_and_names_follow_folders() {
    let metadata = metadata();
    for package in &metadata.packages {
        let folder = folder(package, &root());
        let expected = format!("mtcae-{}", folder.rsplit('/').next().unwrap_or(&folder));
        assert_eq!(package.name.as_str(), expected, "the crate in {folder}");
    }
    for name in PURE {
        assert!(metadata.packages.iter().any(|p| p.name.as_str() == name), "{name} is gone");
    }
}

#[test]
fn the_contract_depends_on_no_crate_of_the_workspace() {
    let metadata = metadata();
    let contract = metadata.packages.iter().find(|p| p.name.as_str() == "mtcae-contract").expect("it exists");
    let own: Vec<String> = direct(contract, true).into_iter().filter(|name| name.starts_with("mtcae-")).collect();
    assert_eq!(own, Vec::<String>::new());
}

#[test]
fn the_bundle_depends_on_the_contract_alone() {
    let found = reachable(&graph(&metadata()), "mtcae-bundle");
    assert_eq!(found, ["mtcae-contract".to_owned()].into());
}

#[test]
fn the_line_does_not_know_what_is_said_on_it() {
    // The bundle for its key files.
    let found = reachable(&graph(&metadata()), "mtcae-tls");
    assert_eq!(found, ["mtcae-bundle", "mtcae-contract"].map(str::to_owned).into());
}

#[test]
fn logic_never_depends_on_drivers() {
    let graph = graph(&metadata());
    for name in [
        "mtcae-contract",
        "mtcae-network",
        "mtcae-core",
        "mtcae-wire",
        "mtcae-transfer",
        "mtcae-update",
        "mtcae-board-configs",
    ] {
        let found = reachable(&graph, name);
        for forbidden in ["mtcae-drivers", "mtcae-daemon", "mtcae-launcher", "mtcae-cli"] {
            assert!(!found.contains(forbidden), "{name} depends on {forbidden}: {found:?}");
        }
    }
}

#[test]
fn firmware_never_depends_on_the_network_or_the_host() {
    let metadata = metadata();
    let graph = graph(&metadata);
    let in_folder = |prefix: &str| -> Vec<String> {
        let inside = |p: &&Package| folder(p, &root()).starts_with(prefix);
        metadata.packages.iter().filter(inside).map(|p| p.name.to_string()).collect()
    };
    let (firmware, mut forbidden) = (in_folder("firmware/"), in_folder("host/"));
    assert!(firmware.len() >= 4 && forbidden.len() >= 4, "the folders are gone");
    forbidden.push("mtcae-network".to_owned());
    for name in firmware {
        let found = reachable(&graph, &name);
        let wrong: Vec<&String> = forbidden.iter().filter(|f| found.contains(*f)).collect();
        assert!(wrong.is_empty(), "{name} depends on {wrong:?}");
    }
}

#[test]
fn heavy_dependencies_stay_in_their_crates() {
    let root = root();
    for package in &metadata().packages {
        let folder = folder(package, &root);
        for dependency in direct(package, true) {
            let same = |start: &str| dependency == start || dependency.starts_with(&format!("{start}-"));
            for (start, allowed) in HEAVY.iter().filter(|(start, _)| same(start)) {
                let fine = allowed.iter().any(|a| folder.starts_with(a));
                assert!(fine, "{folder} depends on {dependency}; {start} may only be in {allowed:?}");
            }
        }
    }
}

#[test]
fn the_default_build_has_no_trainer_and_needs_no_libclang() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "mtcae-cli", "--edges", "normal,build", "--prefix", "none"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8_lossy(&tree.stdout).into_owned();
    let names: BTreeSet<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains("mtcae-cli") && names.contains("clap"), "not a list of crates: {text}");
    let wrong: Vec<&&str> = NOT_IN_THE_DEMO.iter().filter(|name| names.contains(**name)).collect();
    assert!(wrong.is_empty(), "the build of mtcae has {wrong:?}; `cargo tree -p mtcae-cli -i <name>` says why");
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    for package in &metadata().packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("readable");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", package.manifest_path);
    }
}

/// The Rust files below `folder` that are part of a library or a program.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.map(|entry| entry.expect("a readable entry").path()) {
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_stem().is_some_and(|s| s != "tests") {
            found.push(path);
        }
    }
}

/// Lines of a file that use one of `forbidden`, outside comments and the tests at its end.
fn uses(text: &str, forbidden: &[&str]) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    // A single function of tests may stand anywhere: only a module of them ends the code.
    let tests = |at: &usize| {
        let after = lines[*at..].iter().find(|line| !line.trim_start().starts_with("#["));
        lines[*at].starts_with("#[cfg(test)]")
            && after.is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = (0..lines.len()).find(tests).unwrap_or(lines.len());
    let code = lines[..end].iter().enumerate();
    let code = code.filter(|(_, line)| !line.trim_start().starts_with("//"));
    let hit = |line: &str| forbidden.iter().any(|word| has_word(line, word));
    code.filter(|(_, line)| hit(line)).map(|(i, line)| format!("{}: {}", i + 1, line.trim())).collect()
}

/// Whether `word` stands in `line` and is not the end of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    let inside_longer = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(inside_longer))
}

#[test]
fn the_scan_sees_code_and_skips_comments_and_tests() {
    let text = "// println!(a)\nfn f() { std::env::var(x); }\nwriteprint!(x);\n#[cfg(test)]\nfn g() {}\neprint!(y)\n\
                #[cfg(test)]\nmod tests {\nprintln!(b)";
    assert_eq!(uses(text, &ONLY_PROGRAMS), ["2: fn f() { std::env::var(x); }", "6: eprint!(y)"]);
}

#[test]
fn only_programs_print_read_the_environment_and_exit() {
    let root = root();
    let mut files = Vec::new();
    for package in &metadata().packages {
        sources(&root.join(folder(package, &root)).join("src"), &mut files);
    }
    let program = |file: &&PathBuf| PROGRAMS.iter().any(|p| file.starts_with(root.join(p)));
    let (programs, libraries): (Vec<&PathBuf>, Vec<&PathBuf>) = files.iter().partition(program);
    assert!(!programs.is_empty() && libraries.len() >= 20, "too few files to prove anything: {files:?}");
    refuse(&libraries, &ONLY_PROGRAMS, "is for the programs alone");
}

#[test]
fn logic_has_no_clock_file_or_socket_of_its_own() {
    let mut files = Vec::new();
    SANS_IO.iter().for_each(|folder| sources(&root().join(folder), &mut files));
    assert!(files.len() >= 15, "too few files to prove anything: {files:?}");
    refuse(&files.iter().collect::<Vec<_>>(), &OUTSIDE_WORLD, "reaches outside");
}

fn refuse(files: &[&PathBuf], forbidden: &[&str], why: &str) {
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).expect("readable");
        wrong.extend(uses(&text, forbidden).into_iter().map(|line| format!("{}:{line}", file.display())));
    }
    assert!(wrong.is_empty(), "what stands here {why}:\n{}", wrong.join("\n"));
}
