//! Whole clips, of the head drawn by hand and, where it is there, of ICT-FaceKit.

use mtcae_contract::Expression;
use mtcae_synth::{ClipSpec, FaceModel, LabelledClip, Renderer};

fn spec(label: Expression, subject: u64, frames: usize) -> ClipSpec {
    ClipSpec { label, subject, size: 96, frames }
}

/// How much two frames differ on average, 0 to 255, within the box of the first.
fn apart(clip: &LabelledClip, a: usize, b: usize) -> f32 {
    let (x, y) = (clip.frames[a].rgb(), clip.frames[b].rgb());
    x.iter().zip(y).map(|(x, y)| f32::from(x.abs_diff(*y))).sum::<f32>() / x.len() as f32
}

#[test]
fn the_same_seed_gives_the_same_clip_on_any_thread() {
    let model = FaceModel::sketch();
    let renderer = Renderer::new(&model);
    let here = renderer.render(&spec(Expression::Happy, 1, 3), 5).unwrap();
    let there = std::thread::scope(|s| {
        let render = |_| s.spawn(|| renderer.render(&spec(Expression::Happy, 1, 3), 5).unwrap());
        let threads: Vec<_> = (0..2).map(render).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(there.iter().all(|c| *c == here));
    assert!(renderer.render(&spec(Expression::Happy, 1, 3), 6).unwrap() != here);
    assert!(renderer.render(&spec(Expression::Happy, 2, 3), 5).unwrap() != here);
}

#[test]
fn labels_are_where_the_face_is() {
    let model = FaceModel::sketch();
    let renderer = Renderer::new(&model);
    for seed in 0..24 {
        let clip = renderer.render(&spec(Expression::Neutral, seed, 2), seed).unwrap();
        for (face, [left, right, nose, low_left, low_right]) in clip.boxes.iter().zip(&clip.landmarks) {
            let c = face.center();
            assert!(face.is_proper() && (0.0..96.0).contains(&c.x) && (0.0..96.0).contains(&c.y), "{seed}: {face:?}");
            assert!(left.x < right.x && left.y < nose.y + 2.0 && nose.y < low_left.y.max(low_right.y) + 2.0);
            for p in [left, right, nose, low_left, low_right] {
                let inside = p.x > face.x && p.x < face.x + face.w && p.y > face.y && p.y < face.y + face.h;
                assert!(inside, "{seed}: {p:?} is outside {face:?}");
            }
        }
    }
}

#[test]
fn clips_move() {
    let model = FaceModel::sketch();
    let renderer = Renderer::new(&model);
    let clip = renderer.render(&spec(Expression::Surprise, 3, 16), 3).unwrap();
    assert_eq!((clip.frames.len(), clip.boxes.len(), clip.landmarks.len(), clip.intensity.len()), (16, 16, 16, 16));
    assert!(apart(&clip, 0, 15) > 0.5, "{}", apart(&clip, 0, 15));
    assert_ne!(clip.boxes[0], clip.boxes[15]);
}

#[test]
fn values_out_of_range_are_named() {
    let model = FaceModel::sketch();
    let renderer = Renderer::new(&model);
    let said = |spec: ClipSpec| renderer.render(&spec, 1).unwrap_err().to_string();
    let fine = spec(Expression::Sad, 1, 1);
    assert_eq!(said(ClipSpec { size: 47, ..fine }), "size is 47; accepted: 48 to 1024 pixels");
    assert_eq!(said(ClipSpec { frames: 0, ..fine }), "frames is 0; accepted: 1 to 256");
}

/// Width of the mouth in distances between the eyes, the mean of 12 persons.
fn mouth(renderer: &Renderer, label: Expression) -> f32 {
    let of = |seed: u64| {
        let clip = renderer.render(&ClipSpec { label, subject: seed, size: 48, frames: 3 }, seed).unwrap();
        let [left, right, _, a, b] = clip.landmarks[1];
        a.distance(b) / left.distance(right)
    };
    (0..12).map(of).sum::<f32>() / 12.0
}

/// Nothing is as wide as a smile.
fn mouths_do_what_the_label_says(model: &FaceModel) {
    let renderer = Renderer::new(model);
    let [happy, sad, neutral] = [Expression::Happy, Expression::Sad, Expression::Neutral].map(|l| mouth(&renderer, l));
    assert!(happy > neutral + 0.05 && happy > sad + 0.05, "happy {happy}, neutral {neutral}, sad {sad}");
}

#[test]
fn mouths_of_the_sketch_do_what_the_label_says() {
    mouths_do_what_the_label_says(&FaceModel::sketch());
}

#[test]
fn mouths_of_ict_facekit_do_what_the_label_says() {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/ict-facekit/ict.npz").into();
    let path = std::env::var_os("MTCAE_ICT").map_or_else(beside, std::path::PathBuf::from);
    if !path.is_file() {
        return println!(
            "skipped: ICT-FaceKit's mouths because {} is not there; MTCAE_ICT says where it is",
            path.display()
        );
    }
    mouths_do_what_the_label_says(&FaceModel::read(&path).unwrap());
}
