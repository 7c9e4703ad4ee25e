//! Every pixel format that vivid plays and the daemon reads, and the camera's modes chosen over the line.

use crate::answers::{of_board, of_file};
use crate::bench::{Bench, same_size};
use crate::pictures::{Picture, shown};
use mtcae_wire::{CameraAction, CameraOrder, CameraState, Down, Mode, Request, Text, Up};

/// Chroma is shared by more pixels, or not there at all; the labels must not care.
const NEAR: f64 = 0.05;

#[test]
fn every_format_of_the_screen_gives_the_same_answer() {
    let Some(mut bench) = Bench::start("pixel formats") else { return };
    let picture = &shown()[0];
    let here = of_file(picture, bench.dir.path());
    type Make = fn(&Picture) -> Vec<u8>;
    let formats: [(&str, Make); 3] = [("YUYV", Picture::yuyv), ("UYVY", Picture::uyvy), ("NV12", Picture::nv12)];
    for (format, make) in formats {
        let said = bench.plug_in(format);
        assert!(said.contains(format), "{said}");
        bench.show(&make(picture));
        bench.daemon(&same_size(format), "");
        let there = of_board(&mut bench);
        println!("{format}: {:?}, at most {:.4} from YUYV of a file", there.label, here.off(&there));
        assert_eq!(there.label, here.label, "{format}: {there:?} {here:?}");
        assert!(here.off(&there) < NEAR, "{format}: {there:?} {here:?}");
        bench.end_daemon();
        bench.blank();
    }
}

#[test]
fn modes_are_listed_and_chosen_over_the_line_also_while_the_camera_is_closed() {
    let Some(mut bench) = Bench::start("modes") else { return };
    bench.show(&shown()[0].yuyv());
    bench.daemon(&same_size("YUYV"), "");
    bench.robot.face();
    let token = bench.robot.token();
    bench.robot.say(&Down::CameraModesQuery(Request { token }));
    let mut modes = Vec::new();
    bench.robot.until("end of the list", |m| match m {
        Up::CameraMode(mode) => {
            modes.push((mode.mode.format.as_str().to_owned(), mode.readable, mode.current));
            None
        }
        Up::Ack(ack) => (ack.token == token).then_some(()),
        _ => None,
    });
    println!("{} modes: {modes:?}", modes.len());
    assert!(modes.contains(&("YUYV".to_owned(), true, true)), "{modes:?}");
    assert!(modes.iter().any(|m| m.0 == "NV12" && m.1) && modes.iter().any(|m| !m.1), "{modes:?}");

    let order = |bench: &mut Bench, action: CameraAction| {
        bench.robot.order(|token| Down::Camera(CameraOrder { token, action }))
    };
    let mode = |format: &str| Mode { format: Text::new(format), width: 640, height: 480, fps_tenths: 0 };
    let state = |bench: &mut Bench, wanted: CameraState| {
        bench.robot.until("state of the camera", |m| matches!(m, Up::Status(s) if s.camera == wanted).then_some(()))
    };
    order(&mut bench, CameraAction::Stop).unwrap();
    state(&mut bench, CameraState::Off);
    let before = bench.descriptors();
    order(&mut bench, CameraAction::Choose(mode("UYVY"))).unwrap();
    state(&mut bench, CameraState::Off);
    assert_eq!(bench.descriptors(), before, "a closed camera was opened");
    order(&mut bench, CameraAction::Start).unwrap();
    state(&mut bench, CameraState::Streaming);
    // The screen still shows YUYV, so that vivid makes its test pattern: pictures come, faces do not.
    let refused = order(&mut bench, CameraAction::Choose(mode("XXXX"))).unwrap_err();
    assert!(refused.contains("no mode XXXX"), "{refused}");
    order(&mut bench, CameraAction::Choose(mode("YUYV"))).unwrap();
    let (_, face) = bench.robot.face();
    assert!(face.confidence.to_f32() > 0.5);
}
