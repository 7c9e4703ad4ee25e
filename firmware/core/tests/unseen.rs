//! A face that was not found again: its label is held, whatever the network makes of what is there now.

mod common;

use common::manifest;
use mtcae_contract::{Clip, Image, Micros, Point, RawOutput, Rect};
use mtcae_core::{Action, Captured, FoundFace, Pipeline, Settings};
use mtcae_wire::{Quality, Report, Smoothing};

const FACE: Rect = Rect { x: 40.0, y: 30.0, w: 40.0, h: 40.0 };

fn found_if(visible: bool) -> Vec<FoundFace> {
    let found = FoundFace { face: FACE, score: 0.99, landmarks: [Point { x: 60.0, y: 50.0 }; 5] };
    if visible { vec![found] } else { vec![] }
}

/// The face in the middle of the crop, and one class that leads by far.
fn answer(clip: &Clip, class: usize) -> RawOutput {
    let inside = clip.crop.to_fraction(Point { x: FACE.x, y: FACE.y });
    let [w, h] = [FACE.w / clip.crop.w, FACE.h / clip.crop.h];
    RawOutput {
        boxes: [inside.x, inside.y, w, h].repeat(16),
        landmarks: vec![0.5; 160],
        logits: (0..7).map(|i| if i == class { 4.0 } else { 0.0 }).collect(),
    }
}

/// Frames at 30 a second up to `until`; looks find the face while `visible`, the network says `class`. Everything reported.
fn watch(pipeline: &mut Pipeline, now: &mut Micros, visible: bool, class: usize, until: Micros) -> Vec<Report> {
    let mut reports = Vec::new();
    while *now < until {
        *now += 33_333;
        let image = Image::filled(128, 96, [90; 3]).unwrap();
        pipeline.on_frame(Captured { image, captured: *now, seq: (*now / 33_333) as u32, decode_us: 0 }, *now);
        loop {
            let report = match pipeline.next(*now) {
                Action::Detect(_) => pipeline.on_faces(&found_if(visible), *now),
                Action::Follow(..) => pipeline.on_follow(found_if(visible).pop(), *now),
                Action::Infer(clip, ticket) => {
                    let raw = answer(&clip, class);
                    pipeline.on_output(ticket, clip, &raw, *now).unwrap()
                }
                Action::Wait(_) => break,
            };
            reports.extend(report);
        }
    }
    reports
}

#[test]
fn what_is_not_found_again_keeps_its_label_and_gets_no_other() {
    let mut pipeline = Pipeline::new(Settings::default(), &manifest(), 5, 1).unwrap();
    let mut now = 1_000_000;
    let seen = watch(&mut pipeline, &mut now, true, 1, 3_000_000);
    let last = seen.last().and_then(|r| r.face.clone()).expect("a face");
    assert_eq!((last.label, last.smoothing, last.quality.has(Quality::OCCLUDED)), (Some(1), Smoothing::Stable, false));
    // It goes; the network is sure of something else.
    let gone = watch(&mut pipeline, &mut now, false, 2, 5_000_000);
    let faces: Vec<_> = gone.iter().filter_map(|r| r.face.as_ref()).collect();
    let unseen: Vec<_> = faces.iter().filter(|f| f.quality.has(Quality::OCCLUDED)).collect();
    assert!(unseen.len() >= 5, "{} of {} reports while it is looked for", unseen.len(), faces.len());
    for face in &unseen {
        assert_eq!((face.label, face.smoothing, &face.scores), (Some(1), Smoothing::Holding, &unseen[0].scores));
    }
    assert!(gone.last().is_some_and(|r| r.face.is_none()), "at last nobody is there");
    // It comes back, and what the network says counts again.
    let back = watch(&mut pipeline, &mut now, true, 2, 7_000_000);
    let last = back.last().and_then(|r| r.face.clone()).expect("a face");
    assert_eq!((last.label, last.smoothing), (Some(2), Smoothing::Stable));
}
