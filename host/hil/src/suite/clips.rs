//! Known frames, known answers.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Listener, Rig, Setup, View};
use mtcae_boards::Patience;
use mtcae_wire::{CameraAction, CameraMode, CameraState, FaceReport, Hello, Mode, Smoothing, Text, Up};
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stills",
        suite: "clips",
        proves: "For stills, a board gives the label and the probabilities that the host computes from the same frames.",
        untried: "Other engines than tract, and pictures through a real sensor.",
        needs: &[Ability::Line, Ability::Frames],
        minutes: 4,
        quick: true,
        run: stills,
    },
    Scenario {
        name: "pixel-formats",
        suite: "clips",
        proves: "In every pixel format that the bench's camera can show, a board gives the label and the probabilities that the host computes from the same numbers; raw pictures show a face.",
        untried: "Real sensors: their noise, their lenses, and exposure of raw pictures.",
        needs: &[Ability::Line, Ability::Frames, Ability::Formats],
        minutes: 4,
        quick: true,
        run: pixel_formats,
    },
    Scenario {
        name: "camera-modes",
        suite: "clips",
        proves: "A board lists its camera's modes, changes to one over the line, also while the camera is closed, and refuses one that is not there.",
        untried: "Cameras whose modes are not what they say.",
        needs: &[Ability::Line, Ability::Frames, Ability::Formats],
        minutes: 2,
        quick: false,
        run: camera_modes,
    },
    Scenario {
        name: "clips-with-faces",
        suite: "clips",
        proves: "In the clips that ship a face is found in at least half of the reports, and reports flow in order.",
        untried: "A living person before the camera.",
        needs: &[Ability::Line, Ability::Frames, Ability::Pace],
        minutes: 2,
        quick: false,
        run: clips_with_faces,
    },
];

/// Frames that stand still for a while.
const STILLS: [(&str, usize); 6] =
    [("astronaut", 0), ("carphone", 0), ("carphone", 40), ("astronaut", 90), ("carphone", 80), ("carphone", 119)];
/// Reports after which the smoothed answer has come to rest.
const SETTLE: Duration = Duration::from_secs(2);

fn stills(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let count = rig.times(STILLS.len() as u32, 2) as usize;
    let mut worst = 0.0f64;
    for (clip, frame) in STILLS.into_iter().take(count) {
        worst = worst.max(compare(rig, &Setup { view: View::Still { clip, frame }, ..Setup::default() })?);
    }
    rig.figure("stills compared", count as f64, "stills");
    let tolerance = rig.bench.tolerance();
    rig.at_most("largest difference of a probability", worst, tolerance.into(), "")
}

/// Lets a board and the host look at the same still; the largest difference of a probability.
fn compare(rig: &mut Rig<'_>, setup: &Setup) -> Result<f64, Failed> {
    let Some(evaluate) = rig.settings.evaluate else {
        return Err(Failed::Skip(
            "this program has no model to evaluate the stills with; give it with `--model`".into(),
        ));
    };
    let (seen, what) = (rig.bench.seen(setup)?, named(setup));
    let expected = evaluate(&seen).map_err(|why| Failed::Claim(format!("the host's evaluation of {what}: {why}")))?;
    let mut robot = rig.start(setup)?;
    let hello = robot.session.hello(Patience { tries: 6, first: Duration::from_secs(1) })?;
    let (model, version) = &expected.model;
    if (hello.model.as_str(), hello.model_version.as_str()) != (model, version) {
        let runs = format!("the board runs {} {}, the host {model} {version}", hello.model, hello.model_version);
        return Err(Failed::Skip(runs));
    }
    let face = at_rest(&mut robot)?;
    let scores = scores(&face);
    claim(scores.len() == expected.scores.len(), || format!("{what}: {} probabilities", scores.len()))?;
    let (apart, tolerance) = (apart(&scores, &expected.scores), f64::from(rig.bench.tolerance()));
    claim(apart <= tolerance, || format!("{what}: board {scores:?}, host {:?}", expected.scores))?;
    let label = label(&hello, &face);
    let (leader, score) = expected.leader();
    // A board names no label that is not likely enough; the host's leader says which one it would be.
    claim(label.is_empty() || label == leader || score - tolerance as f32 * 2.0 < second(&expected.scores), || {
        format!("{what}: the board says {label}, the host {leader}")
    })?;
    rig.note(format!("{what}: {} ({score:.3} {leader} on the host), {apart:.4} apart", or_none(label)));
    rig.heard(&mut robot)?;
    Ok(apart)
}

/// What a setup shows, for a person.
fn named(setup: &Setup) -> String {
    let view = match &setup.view {
        View::Still { clip, frame } => format!("frame {frame} of {clip}"),
        View::Clip(clip) => (*clip).to_owned(),
        View::Removable => "a face".to_owned(),
    };
    setup.format.map_or(view.clone(), |format| format!("{view} in {format}"))
}

/// Probabilities of a face.
pub(super) fn scores(face: &FaceReport) -> Vec<f32> {
    face.scores.iter().map(|share| share.to_f32()).collect()
}

/// The largest difference between two lists of probabilities.
pub(super) fn apart(one: &[f32], other: &[f32]) -> f64 {
    one.iter().zip(other).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
}

/// A raw picture that is developed: what comes out has no counterpart in a file.
fn is_raw(format: &str) -> bool {
    !["YUYV", "UYVY", "NV12", "GREY"].contains(&format)
}

fn pixel_formats(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let (mut worst, formats) = (0.0f64, rig.bench.formats());
    // Of the raw ones, which are developed on the board alone: the first answer, and how far the others are from it.
    let (mut raw, mut raws_apart) = (None, 0.0f64);
    let count = rig.times(formats.len() as u32, 5).min(formats.len() as u32);
    for format in formats.iter().copied().take(count as usize) {
        let view = View::Still { clip: "astronaut", frame: 0 };
        let setup = Setup { view, format: Some(format), ..Setup::default() };
        if is_raw(format) {
            let mut robot = rig.start(&setup)?;
            let face = at_rest(&mut robot)?;
            rig.figure(format!("{format}: confidence of the face"), face.confidence.to_f32().into(), "");
            let (answer, first) = (scores(&face), raw.get_or_insert_with(|| scores(&face)));
            raws_apart = raws_apart.max(apart(&answer, first));
            rig.heard(&mut robot)?;
        } else {
            let apart = compare(rig, &setup)?;
            rig.figure(format!("{format}: largest difference of a probability"), apart, "");
            worst = worst.max(apart);
        }
    }
    rig.figure("largest difference between raw formats", raws_apart, "");
    rig.figure("formats", count.into(), "formats");
    let tolerance = rig.bench.tolerance();
    rig.at_most("largest difference of a probability", worst, tolerance.into(), "")
}

fn camera_modes(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let mut robot = rig.start(&Setup::default())?;
    robot.report(PATIENCE)?;
    let modes = robot.session.camera_modes()?;
    let has =
        |format: &str, readable: bool| modes.iter().any(|m| m.mode.format.as_str() == format && m.readable == readable);
    claim(modes.iter().filter(|mode| mode.current).count() == 1, || format!("{} modes, not one current", modes.len()))?;
    rig.figure("modes", modes.len() as f64, "modes");
    let formats = rig.bench.formats();
    let [usual, other, ..] = formats else { return Err(Failed::Skip("the bench has one format only".into())) };
    claim(formats.iter().all(|format| has(format, true)), || {
        format!("not all of {formats:?} are readable: {modes:?}")
    })?;
    let mode = |format: &str| Mode { format: Text::new(format), width: 640, height: 480, fps_tenths: 0 };
    robot.session.camera(&CameraAction::Stop)?;
    state(&mut robot, CameraState::Off)?;
    robot.session.camera(&CameraAction::Choose(mode(other)))?;
    state(&mut robot, CameraState::Off)?;
    robot.session.camera(&CameraAction::Start)?;
    state(&mut robot, CameraState::Streaming)?;
    let current =
        |modes: &[CameraMode]| modes.iter().find(|mode| mode.current).map(|mode| mode.mode.format.as_str().to_owned());
    let now = current(&robot.session.camera_modes()?);
    claim(now.as_deref() == Some(*other), || format!("{other} was chosen, {now:?} is current"))?;
    let refused = robot.session.camera(&CameraAction::Choose(mode("XXXX")));
    claim(refused.is_err(), || "a mode that is not there was taken".to_owned())?;
    robot.session.camera(&CameraAction::Choose(mode(usual)))?;
    robot.until("a face", PATIENCE, |up| matches!(up, Up::Report(r) if r.face.is_some()).then_some(()))?;
    rig.heard(&mut robot)
}

fn state(robot: &mut Listener, wanted: CameraState) -> Result<(), Failed> {
    let what = format!("a status with the camera {wanted:?}");
    robot.until(&what, PATIENCE, |up| matches!(up, Up::Status(s) if s.camera == wanted).then_some(()))
}

/// The face once its smoothed answer has come to rest.
pub(super) fn at_rest(robot: &mut Listener) -> Result<FaceReport, Failed> {
    let face = |up: &Up| match up {
        Up::Report(report) => report.face.clone(),
        _ => None,
    };
    robot.until("a face in a still", PATIENCE, face)?;
    robot.listen(SETTLE, |_| Ok(()))?;
    robot.until("a face in a still", PATIENCE, face)
}

fn label<'a>(hello: &'a Hello, face: &FaceReport) -> &'a str {
    let at = face.label.filter(|_| face.smoothing != Smoothing::Unsure).map(usize::from);
    at.and_then(|at| hello.labels.get(at)).map_or("", |label| label.as_str())
}

fn or_none(label: &str) -> &str {
    if label.is_empty() { "no label" } else { label }
}

/// The second largest.
fn second(scores: &[f32]) -> f32 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    sorted.get(1).copied().unwrap_or(0.0)
}

fn clips_with_faces(rig: &mut Rig<'_>) -> Result<(), Failed> {
    for name in ["astronaut", "carphone"] {
        let mut robot = rig.start(&Setup { view: View::Clip(name), ..Setup::default() })?;
        let hello = robot.session.hello(Patience { tries: 6, first: Duration::from_secs(1) })?;
        robot.report(PATIENCE)?;
        let mut named = vec![0u32; hello.labels.len() + 1];
        robot.listen(Duration::from_secs(if rig.settings.quick { 6 } else { 20 }), |up| {
            if let Up::Report(report) = up
                && let Some(face) = &report.face
            {
                let at = face.label.map_or(hello.labels.len(), usize::from).min(hello.labels.len());
                named[at] += 1;
            }
            Ok(())
        })?;
        let (reports, faces) = (robot.tally.reports, robot.tally.faces);
        claim(reports >= 10, || format!("{name}: only {reports} reports"))?;
        let share = faces as f64 / reports as f64;
        rig.figure(format!("{name}: reports with a face"), share * 100.0, "%");
        claim(share >= 0.5, || format!("{name}: a face in {faces} of {reports} reports"))?;
        let most = named.iter().max().copied().unwrap_or(0);
        rig.figure(format!("{name}: share of the commonest label"), f64::from(most) * 100.0 / faces.max(1) as f64, "%");
        rig.heard(&mut robot)?;
    }
    Ok(())
}
