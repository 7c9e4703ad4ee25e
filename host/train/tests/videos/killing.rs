//! A run that is killed goes on.

use crate::desk::Desk;
use crate::made::ffmpeg;
use mtcae_data::Stills;
use std::process::Stdio;
use std::time::{Duration, Instant};

const VIDEOS: usize = 10;

fn parts(desk: &Desk) -> usize {
    let Ok(entries) = std::fs::read_dir(desk.path("out/cremad.parts")) else { return 0 };
    entries.filter(|e| e.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|e| e == "safetensors"))).count()
}

#[test]
fn a_killed_run_goes_on_and_ends_the_same() {
    if !ffmpeg() {
        return;
    }
    let desk = Desk::new();
    for i in 0..VIDEOS {
        desk.video(
            &format!("in/10{:02}_DFA_{}_XX.flv", i + 1, if i.is_multiple_of(2) { "HAP" } else { "SAD" }),
            12 + i,
        );
    }
    let prepare = "data prepare cremad --root in --workers 1 --side 48 --out";
    desk.done(&format!("{prepare} whole"));
    let mut kills = 0;
    let begin = Instant::now();
    while kills < 3 {
        let mut child =
            desk.trainer(&format!("{prepare} out")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let before = parts(&desk);
        while parts(&desk) < before + 2 && child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < Duration::from_secs(300), "no progress");
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
    }
    let kept = parts(&desk);
    println!("{kills} kills, {kept} of {VIDEOS} videos kept");
    assert!((6..VIDEOS).contains(&kept), "{kept} kept");
    let said = desk.done(&format!("{prepare} out"));
    assert!(said.contains(&format!("{kept} video(s) dealt with before")), "{said}");
    assert!(!desk.path("out/cremad.parts").exists());
    let [a, b] = ["whole", "out"].map(|out| Stills::open_named(&desk.path(out), "cremad").unwrap());
    assert_eq!((a.len(), b.len()), (VIDEOS, VIDEOS));
    for (i, t) in (0..VIDEOS).flat_map(|i| (0..16).map(move |t| (i, t))) {
        let (a, b) = (a.frame(i, t), b.frame(i, t));
        assert!(a.image == b.image && a.face == b.face && a.label == b.label && a.subject == b.subject);
    }
}
