//! Good videos among bad ones.

use crate::desk::Desk;
use crate::made::{SIDE, encode, encode_sound, ffmpeg, portrait};
use mtcae_contract::{Expression, Image, Point};
use mtcae_data::{Stills, Stored};

#[test]
fn bad_videos_are_listed_and_good_ones_become_clips() {
    if !ffmpeg() {
        return;
    }
    let desk = Desk::new();
    desk.video("in/Actor_01/01-01-03-01-01-01-01.mp4", 20);
    desk.video("in/Actor_01/02-01-02-01-01-01-01.mp4", 5);
    desk.file("in/Actor_01/01-01-04-01-01-01-01.mp4", b"");
    desk.file("in/Actor_01/01-01-05-01-01-01-01.mp4", b"<html>404</html>");
    desk.file("in/Actor_01/01-01-09-01-01-01-01.mp4", b"x");
    desk.file("in/readme.txt", b"x");
    desk.video("in/Actor_02/01-01-06-02-01-01-02.mp4", 20);
    let whole = std::fs::read(desk.path("in/Actor_02/01-01-06-02-01-01-02.mp4")).unwrap();
    desk.file("in/Actor_02/01-01-06-02-01-02-02.mp4", &whole[..whole.len() / 2]);
    encode_sound(&desk.path("in/Actor_02/01-01-07-01-01-01-02.mp4"));
    let grey = vec![Image::filled(SIDE as u32, SIDE as u32, [99; 3]).unwrap(); 16];
    encode(&desk.path("in/Actor_02/01-01-08-01-01-01-02.mp4"), &grey);
    // The face is there in the first and the last third only.
    let gone: Vec<Image> = portrait(18)
        .into_iter()
        .enumerate()
        .map(|(t, f)| if (6..12).contains(&t) { grey[0].clone() } else { f })
        .collect();
    encode(&desk.path("in/Actor_02/01-01-01-01-01-01-02.mp4"), &gone);

    let said = desk.done("data prepare ravdess --root in --out out --side 64");
    // What ffmpeg says of a broken file differs from version to version.
    let lines = said.lines().map(|line| {
        match line.split_once("-05-01-01-01-01.mp4: ").or(line.split_once("-02-01-02-02.mp4: ")) {
            Some((name, why)) if !why.is_empty() => format!("{name} ...\n"),
            _ => format!("{line}\n"),
        }
    });
    insta::assert_snapshot!(lines.collect::<String>(), @r#"
    4 clips of 16 frames, 2 persons; 6 of 64 faces taken from frames beside; 1 shard(s), 0 video(s) dealt with before
    fear             1
    happy            1
    neutral          2
    ravdess-01          2   ravdess-02          2
    refused, misnamed: 1
      Actor_01/01-01-09-01-01-01-01.mp4: emotion is "09"; accepted: 01 to 08
    refused, empty: 1
      Actor_01/01-01-04-01-01-01-01.mp4: 0 bytes
    refused, no video: 1
      Actor_02/01-01-07-01-01-01-02.mp4: no pictures in it, sound at most
    refused, broken: 2
      Actor_01/01-01 ...
      Actor_02/01-01-06 ...
    refused, few faces: 1
      Actor_02/01-01-08-01-01-01-02.mp4: a face in 0 of 16 frames; accepted: at least 8
    look at out/ravdess.png before training on it
    "#);

    let clips = Stills::open_named(&desk.path("out"), "ravdess").unwrap();
    let labels = clips.labels().labels().to_vec();
    let shown: Vec<_> = (0..clips.len()).map(|i| labels[clips.sample(i).label]).collect();
    assert_eq!(shown, [Expression::Happy, Expression::Neutral, Expression::Neutral, Expression::Fear]);
    assert_eq!((clips.frames(0), clips.sample(0).side), (16, 64));
    let names: Vec<_> = (0..4).map(|i| clips.subject_name(clips.sample(i).subject).unwrap()).collect();
    assert_eq!(names, ["ravdess-01", "ravdess-01", "ravdess-02", "ravdess-02"]);
    // The view moves right, so the face moves left in it; the square stays where it is.
    let [first, last] = [0, 15].map(|t| clips.frame(0, t).face.center());
    assert!(first.x > last.x + 0.05 && (first.y - last.y).abs() < 0.03, "{first:?} {last:?}");
    assert!(clips.framing(0, 0.1).center().distance(Point { x: 0.5, y: 0.5 }) < 1e-3);
    // A short video repeats frames.
    assert_eq!(clips.frame(1, 0).image, clips.frame(1, 1).image);
    let filled: Vec<bool> = (0..16).map(|t| clips.frame(2, t).filled).collect();
    assert_eq!(filled.iter().filter(|f| **f).count(), 6, "{filled:?}");
    assert!(!filled[0] && !filled[15] && clips.frame(2, 8).has_face);
    assert!(image::image_dimensions(desk.path("out/ravdess.png")).is_ok());

    let again = desk.done("data prepare ravdess --root in --out out --side 64");
    assert!(again.contains("1 shard(s), 8 video(s) dealt with before"), "{again}");
    let eight = desk.done("data prepare ravdess --root in --out out --side 48 --classes 8 --framing whole --frames 4");
    assert!(eight.contains("calm             1\n") && eight.contains("0 video(s) dealt with before"), "{eight}");
    let whole = Stills::open_named(&desk.path("out"), "ravdess").unwrap();
    assert_eq!((whole.sample(0).stored, whole.sample(0).side, whole.frames(0)), (Stored::Whole, 48, 4));
    assert_eq!(whole.framing(0, 0.1), mtcae_contract::Rect { x: 0.0, y: 0.0, w: 1.0, h: 1.0 });
}

#[test]
fn what_cannot_be_prepared_says_why() {
    let desk = Desk::new();
    desk.file("none/notes.txt", b"x");
    desk.file("wrong/1001_DFA_ANG.flv", b"x");
    desk.file("broken/1001_DFA_ANG_XX.flv", b"x");
    let mut said = String::new();
    for arguments in [
        "cremad --root none --out out",
        "cremad --root gone --out out",
        "cremad --root wrong --out out",
        "mead --root broken --out out",
        "cremad --root broken --out out --frames 1",
        "cremad --root broken --out out --name a/b",
        "cremad --root broken --out out --ffmpeg no-such-ffmpeg",
    ] {
        said += &desk.said(&format!("data prepare {arguments}"));
    }
    insta::assert_snapshot!(said, @r#"
    exit code: 1
    Error: none: no videos below it; accepted extensions: mp4, flv, avi, mov, mkv, webm, m4v, mpg, mpeg, wmv
    exit code: 1
    Error: gone: No such file or directory (os error 2)
    exit code: 1
    Error: wrong: none of its 1 video(s) becomes a clip: 1001_DFA_ANG.flv: name is "1001_DFA_ANG"; accepted: four fields, actor_sentence_emotion_level
    exit code: 1
    Error: broken: none of its 1 video(s) becomes a clip: 1001_DFA_ANG_XX.flv: path is "1001_DFA_ANG_XX.flv"; accepted: actor/video/view/emotion/level/number
    exit code: 1
    Error: frames is 1; accepted: 2 to 64
    exit code: 1
    Error: name is "a/b"; accepted: letters, digits, `-`, `_` and `.`
    exit code: 1
    Error: no-such-ffmpeg was not found; videos are read through ffmpeg: install it (`sudo apt install ffmpeg`)
    "#);
    if ffmpeg() {
        let said = desk.said("data prepare cremad --root broken --out out");
        assert!(
            said.starts_with(
                "exit code: 1\nError: broken: none of its 1 video(s) becomes a clip: 1001_DFA_ANG_XX.flv: "
            ),
            "{said}"
        );
    }
    assert!(!desk.path("out/cremad-000.safetensors").exists());
}
