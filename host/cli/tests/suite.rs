//! `mtcae hil run` as a program: what it refuses before anything is tried.

mod common;

use common::{mtcae, transcript};

#[test]
fn what_cannot_be_tried_is_refused_before_anything_is() {
    let folder = tempfile::tempdir().unwrap();
    let said = |more: &[&str]| {
        let local = ["hil", "run", "--target", "local", "--junit", "junit.xml", "--html", "report.html"];
        transcript(&mtcae(&[&local, more].concat()).current_dir(folder.path()).output().unwrap())
    };
    let none = said(&["--suite", "line", "--scenario", "cold-start"]);
    assert!(
        none.starts_with("exit code: 2\nerror: no scenario is in both: --suite line, --scenario cold-start"),
        "{none}"
    );
    let launcher = said(&["--scenario", "cold-start", "--daemon", "/bin/true", "--launcher", "no-launcher"]);
    assert!(
        launcher.starts_with("exit code: 1\n") && launcher.contains("`--launcher no-launcher` is no file"),
        "{launcher}"
    );
    // An earlier report stays, and no empty one comes.
    std::fs::write(folder.path().join("report.html"), "earlier").unwrap();
    let daemon = said(&["--scenario", "cold-start", "--daemon", "no-daemon"]);
    assert!(daemon.contains("`--daemon no-daemon` is no file"), "{daemon}");
    assert!(!folder.path().join("junit.xml").exists());
    assert_eq!(std::fs::read(folder.path().join("report.html")).unwrap(), b"earlier");
    let nowhere = said(&["--scenario", "cold-start", "--out", "report.html/lab"]);
    assert!(nowhere.contains("mtcae::write"), "{nowhere}");
}
