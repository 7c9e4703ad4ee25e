//! Known frames, known answers.

use crate::rig::PATIENCE;
use crate::scenario::{Failed, Scenario, claim};
use crate::{Ability, Listener, Rig, Setup, View, clip};
use mtcae_boards::Patience;
use mtcae_wire::{FaceReport, Hello, Smoothing, Up};
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stills",
        suite: "clips",
        proves: "For stills, a board gives the label and the probabilities that the host computes from the same frames.",
        untried: "Other engines and number formats than tract's f32, and pictures through a real sensor.",
        needs: &[Ability::Line, Ability::Frames],
        minutes: 4,
        quick: true,
        run: stills,
    },
    Scenario {
        name: "clips-with-faces",
        suite: "clips",
        proves: "In the clips that ship a face is found in at least half of the reports, and reports flow in order.",
        untried: "A living person before the camera.",
        needs: &[Ability::Line, Ability::Frames],
        minutes: 2,
        quick: false,
        run: clips_with_faces,
    },
];

/// Frames that stand still for a while.
const STILLS: [(&str, usize); 6] =
    [("astronaut", 0), ("carphone", 0), ("carphone", 40), ("astronaut", 90), ("carphone", 80), ("carphone", 119)];
/// Reports after which the smoothed answer has come to rest.
const SETTLE: Duration = Duration::from_secs(4);

fn stills(rig: &mut Rig<'_>) -> Result<(), Failed> {
    let Some(evaluate) = rig.settings.evaluate else {
        return Err(Failed::Skip(
            "this program has no model to evaluate the stills with; give it with `--model`".into(),
        ));
    };
    let tolerance = f64::from(rig.bench.tolerance());
    let (mut worst, mut compared) = (0.0f64, 0);
    let count = rig.times(STILLS.len() as u32, 2) as usize;
    for (name, frame) in STILLS.into_iter().take(count) {
        let expected = rig.still(name, frame, evaluate)?;
        let mut robot = rig.start(&Setup { view: View::Still { clip: name, frame }, ..Setup::default() })?;
        let hello = robot.session.hello(Patience { tries: 6, first: Duration::from_secs(1) })?;
        let (model, version) = &expected.model;
        if (hello.model.as_str(), hello.model_version.as_str()) != (model, version) {
            let runs = format!("the board runs {} {}, the host {model} {version}", hello.model, hello.model_version);
            return Err(Failed::Skip(runs));
        }
        let face = at_rest(&mut robot)?;
        let scores: Vec<f32> = face.scores.iter().map(|share| share.to_f32()).collect();
        let what = format!("frame {frame} of {name}");
        claim(scores.len() == expected.scores.len(), || format!("{what}: {} probabilities", scores.len()))?;
        let apart = scores.iter().zip(&expected.scores).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max);
        worst = worst.max(apart);
        claim(apart <= tolerance, || format!("{what}: board {scores:?}, host {:?}", expected.scores))?;
        let label = label(&hello, &face);
        let (leader, score) = expected.leader();
        // A board names no label that is not likely enough; the host's leader says which one it would be.
        claim(
            label.is_empty() || label == leader || score - tolerance as f32 * 2.0 < second(&expected.scores),
            || format!("{what}: the board says {label}, the host {leader}"),
        )?;
        rig.note(format!("{what}: {} ({score:.3} {leader} on the host), {apart:.4} apart", or_none(label)));
        compared += 1;
        rig.heard(&mut robot)?;
    }
    rig.figure("stills compared", f64::from(compared), "stills");
    rig.at_most("largest difference of a probability", worst, tolerance, "")
}

/// The face once its smoothed answer has come to rest.
fn at_rest(robot: &mut Listener) -> Result<FaceReport, Failed> {
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

impl Rig<'_> {
    /// What the host makes of one frame of a clip that ships.
    fn still(&self, name: &str, frame: usize, evaluate: crate::Evaluate<'_>) -> Result<crate::Expected, Failed> {
        let Some(clips) = &self.settings.clips else {
            return Err(Failed::Skip("the clips that ship are not here".into()));
        };
        let frames = clip::frames(&clips.join(format!("{name}.avi")))?;
        let Some(jpeg) = frames.get(frame) else {
            return Err(Failed::Claim(format!("{name} has {} frames, and no frame {frame}", frames.len())));
        };
        let folder = tempfile::tempdir().map_err(crate::BenchError::system("make a folder"))?;
        let path = folder.path().join("still.jpg");
        std::fs::write(&path, jpeg).map_err(crate::BenchError::system("write a still"))?;
        evaluate(&path).map_err(|why| Failed::Claim(format!("the host's evaluation of a frame of {name}: {why}")))
    }
}
