//! Rendered clips through the whole job, and rendered faces before MTCNN.

use mtcae_contract::{Expression, LabelSet, Rect};
use mtcae_data::{DataError, Stills, SynthJob, clip_sheet, synthesize};
use mtcae_detect::{Detector, DetectorConfig, TractNets};
use mtcae_synth::{ClipSpec, FaceModel, Renderer};
use std::path::{Path, PathBuf};

fn job(out: &Path) -> SynthJob {
    SynthJob {
        model: None,
        out: out.to_owned(),
        name: "made".to_owned(),
        clips: 9,
        identities: 4,
        size: 64,
        side: 32,
        frames: 4,
        seed: 3,
        labels: LabelSet::seven(),
        workers: 2,
    }
}

#[test]
fn clips_become_shards_once_and_the_same_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let job = job(dir.path());
    let mut last = None;
    let outcome = synthesize(&job, |p| last = Some(p)).unwrap();
    assert_eq!(last.map(|p| (p.done, p.total)), Some((9, 9)));
    assert_eq!(
        (outcome.counts.samples, outcome.counts.per_label["neutral"], outcome.counts.per_label["sad"]),
        (9, 2, 1)
    );
    let one = frames(&outcome.shards);

    let again = synthesize(&job, |_| {}).unwrap();
    assert_eq!((again.skipped, again.counts), (1, outcome.counts));
    let alone = SynthJob { workers: 1, name: "alone".to_owned(), ..job.clone() };
    let alone = synthesize(&alone, |_| {}).unwrap();
    assert!(frames(&alone.shards) == one, "another number of threads gave other clips");
    let other = SynthJob { seed: 4, ..job };
    assert_eq!(synthesize(&other, |_| {}).unwrap().skipped, 0);
    assert!(frames(&outcome.shards) != one);
}

/// Pixels, label and box of every frame.
fn frames(shards: &[PathBuf]) -> Vec<(Vec<u8>, usize, Rect)> {
    let clips = Stills::open(shards).unwrap();
    let all = (0..clips.len()).flat_map(|i| (0..clips.frames(i)).map(move |t| (i, t)));
    all.map(|(i, t)| clips.frame(i, t)).map(|f| (f.image.to_vec(), f.label, f.face)).collect()
}

#[test]
fn a_clip_is_read_frame_by_frame_and_as_a_still() {
    let dir = tempfile::tempdir().unwrap();
    synthesize(&job(dir.path()), |_| {}).unwrap();
    let clips = Stills::open_named(dir.path(), "made").unwrap();
    assert_eq!((clips.len(), clips.frames(0)), (9, 4));
    for i in 0..clips.len() {
        let (first, middle) = (clips.frame(i, 0), clips.frame(i, 2));
        assert_eq!(clips.sample(i).image, middle.image);
        assert_eq!((middle.image.len(), middle.side, middle.channels, middle.label), (32 * 32 * 3, 32, 3, i % 7));
        assert!(first.image != middle.image && first.face != middle.face && first.has_face);
        assert!(middle.landmarks[0].x < middle.landmarks[1].x && middle.landmarks[3].y > middle.landmarks[0].y);
        assert!(middle.face.center().distance(mtcae_contract::Point { x: 0.5, y: 0.5 }) < 0.1, "{:?}", middle.face);
    }
    let subjects: std::collections::BTreeSet<u64> = (0..9).map(|i| clips.sample(i).subject).collect();
    assert!((2..=4).contains(&subjects.len()));
    let sheet = dir.path().join("sheet.png");
    clip_sheet(&clips, 4, &sheet).unwrap();
    assert_eq!(image::image_dimensions(&sheet).unwrap(), (8 * 128, 2 * 128));
}

#[test]
fn what_cannot_be_rendered_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let job = job(dir.path());
    let said = |job: SynthJob| synthesize(&job, |_| {}).unwrap_err();
    assert_eq!(said(SynthJob { clips: 0, ..job.clone() }).to_string(), "clips is 0; accepted: 1 to 1000000");
    assert_eq!(said(SynthJob { size: 20, ..job.clone() }).to_string(), "size is 20; accepted: 48 to 1024 pixels");
    assert_eq!(
        said(SynthJob { name: "a/b".to_owned(), ..job.clone() }).to_string().split(';').next(),
        Some("name is \"a/b\"")
    );
    let missing = said(SynthJob { model: Some("nowhere.npz".into()), ..job.clone() });
    assert!(matches!(missing, DataError::Io { .. }), "{missing}");
    let wrong = dir.path().join("wrong.npz");
    std::fs::write(&wrong, b"no archive").unwrap();
    let wrong = said(SynthJob { model: Some(wrong), ..job });
    assert!(matches!(wrong, DataError::Synth(_)), "{wrong}");
}

/// The face model, when it is where it is kept for development.
fn ict() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ict-facekit/ict.npz");
    if !path.is_file() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn rendered_faces_are_found_where_they_are() {
    let Some(path) = ict() else { return };
    let model = FaceModel::read(&path).unwrap();
    let renderer = Renderer::new(&model);
    let mut detector = Detector::new(TractNets::new().unwrap(), DetectorConfig::default()).unwrap();
    let (mut found, mut iou, mut off) = (0, 0.0, 0.0);
    let labels = [Expression::Neutral, Expression::Happy, Expression::Surprise, Expression::Angry];
    for i in 0..24u64 {
        let spec = ClipSpec { label: labels[i as usize % 4], subject: i, size: 160, frames: 1 };
        let clip = renderer.render(&spec, 1000 + i).unwrap();
        let faces = detector.detect(&clip.frames[0]).unwrap();
        let best = faces.iter().max_by(|a, b| a.face.iou(&clip.boxes[0]).total_cmp(&b.face.iou(&clip.boxes[0])));
        let Some(best) = best.filter(|d| d.face.iou(&clip.boxes[0]) > 0.3) else { continue };
        found += 1;
        iou += best.face.iou(&clip.boxes[0]);
        let eyes = clip.landmarks[0][0].distance(clip.landmarks[0][1]);
        off += best.landmarks.iter().zip(&clip.landmarks[0]).map(|(a, b)| a.distance(*b) / eyes).sum::<f32>() / 5.0;
    }
    let n = found as f32;
    println!("found in {found} of 24; mean IoU {:.3}, landmarks {:.3} eye distances off", iou / n, off / n);
    assert!(found >= 23 && iou / n > 0.75 && off / n < 0.12);
}
