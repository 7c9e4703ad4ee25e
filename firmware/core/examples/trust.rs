//! What smoothing costs and brings: lag against flicker, for many settings, on answers that were recorded without any.
//!
//! ```text
//! cargo run --release -p mtcae-core --example trust -- REPORTS.jsonl TRUTH.txt
//! ```
//!
//! REPORTS.jsonl is what `mtcae-firmware --sink stdout` wrote with `ema_ms = 0` on a video of `make_sequences.py`, TRUTH.txt
//! what that said. Each segment of the video shows one picture. What the network sees there is the class that leads in the mean of
//! its answers of the segment's second half; **lag** is the time from the segment's begin until the label is that class,
//! **flicker** every change of the label after that, and a segment whose label never gets there is **missed**. **Right when named** is
//! the share of the second half's answers that name the picture's own label, of those that name any.

use mtcae_core::{Smoother, SmoothingSettings};
use serde_json::Value;

struct Answer {
    at: u64,
    scores: Vec<f32>,
}

struct Segment {
    answers: Vec<Answer>,
    begin: u64,
    /// What the network sees.
    sees: usize,
    /// What the picture is labelled with.
    is: Option<usize>,
}

#[derive(Default)]
struct Outcome {
    lags: Vec<u64>,
    flicker: u64,
    missed: u64,
    unsure: u64,
    /// Answers of a segment's second half that name a class, and those that name the right one.
    named: u64,
    right: u64,
    answers: u64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, reports, truth] = &arguments[..] else { return Err("give REPORTS.jsonl and TRUTH.txt".into()) };
    let segments = read(&std::fs::read_to_string(reports)?, &std::fs::read_to_string(truth)?)?;
    let right = segments.iter().filter(|s| s.is == Some(s.sees)).count();
    let minutes: f64 =
        segments.iter().map(|s| (s.answers.last().map_or(s.begin, |a| a.at) - s.begin) as f64 / 6e7).sum();
    println!(
        "{} segments, {minutes:.1} minutes; in {right} the network sees what the picture is labelled with",
        segments.len()
    );
    println!(
        "| ema_ms | enter | lead | min_dwell_ms | lag p50 ms | lag p90 ms | flicker a minute | missed | unsure | right when named |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let default = SmoothingSettings::default();
    for tau in [0, 150, 250, 350, 500, 700, 1000] {
        for (enter, lead, dwell) in [
            (0.0, 0.0, 0),
            (0.35, 0.1, 400),
            (0.45, 0.0, 400),
            (0.45, 0.1, 0),
            (0.45, 0.1, 400),
            (0.45, 0.1, 800),
            (0.45, 0.2, 400),
            (0.55, 0.1, 400),
        ] {
            let leave = (enter - 0.1f32).max(0.0);
            let settings = SmoothingSettings { tau: tau * 1000, enter, leave, lead, dwell: dwell * 1000 };
            let mark = if settings == default { "**" } else { "" };
            let o = smooth(&segments, &settings);
            let lag = |percent: usize| o.lags.get(o.lags.len() * percent / 100).map_or(0, |us| us / 1000);
            println!(
                "| {mark}{tau}{mark} | {enter} | {lead} | {dwell} | {} | {} | {:.1} | {:.1} % | {:.1} % | {:.1} % |",
                lag(50),
                lag(90),
                o.flicker as f64 / minutes,
                100.0 * o.missed as f64 / segments.len() as f64,
                100.0 * o.unsure as f64 / o.answers as f64,
                100.0 * o.right as f64 / o.named.max(1) as f64
            );
        }
    }
    Ok(())
}

fn smooth(segments: &[Segment], settings: &SmoothingSettings) -> Outcome {
    let classes = segments[0].answers[0].scores.len();
    let mut smoother = Smoother::new(settings.clone(), classes);
    let mut outcome = Outcome::default();
    for segment in segments {
        let (mut arrived, mut label) = (None, None);
        for answer in &segment.answers {
            let state = smoother.update(&answer.scores, answer.at);
            outcome.answers += 1;
            outcome.unsure += u64::from(state.label.is_none());
            outcome.flicker += u64::from(arrived.is_some() && state.label != label);
            label = state.label;
            if answer.at >= segment.begin + 2_000_000 {
                outcome.named += u64::from(label.is_some());
                outcome.right += u64::from(label.is_some() && label == segment.is);
            }
            if arrived.is_none() && label == Some(segment.sees) {
                arrived = Some(answer.at - segment.begin);
            }
        }
        match arrived {
            Some(lag) => outcome.lags.push(lag),
            None => outcome.missed += 1,
        }
    }
    outcome.lags.sort_unstable();
    outcome
}

/// The answers of each segment; segments without a face in their second half are left out.
fn read(reports: &str, truth: &str) -> Result<Vec<Segment>, Box<dyn std::error::Error>> {
    let (mut labels, mut answers, mut begin) = (Vec::<String>::new(), Vec::new(), None);
    for line in reports.lines() {
        let message: Value = serde_json::from_str(line)?;
        if message["type"] == "hello" {
            let of = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            labels = message["labels"].as_array().map(|l| l.iter().map(of).collect()).unwrap_or_default();
        }
        let Some(at) = message["captured_us"].as_u64().filter(|_| message["type"] == "report") else { continue };
        begin.get_or_insert(at);
        if message["face"].is_object() {
            let score = |label: &String| message["face"]["scores"][label].as_f64().unwrap_or(0.0) as f32;
            answers.push(Answer { at, scores: labels.iter().map(score).collect() });
        }
    }
    let begin = begin.ok_or("no reports")?;
    let starts: Vec<(u64, &str)> = truth
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((begin + words.next()?.parse::<u64>().ok()? * 1_000_000, words.next()?))
        })
        .collect();
    let mut segments = Vec::new();
    let mut answers = answers.into_iter().peekable();
    for (i, (start, label)) in starts.iter().enumerate() {
        let end = starts.get(i + 1).map_or(start + 4_000_000, |next| next.0);
        let mut own = Vec::new();
        while let Some(answer) = answers.next_if(|a| a.at < end) {
            own.push(answer);
        }
        let steady: Vec<&Answer> = own.iter().filter(|a| a.at >= (start + end) / 2).collect();
        if steady.is_empty() {
            continue;
        }
        let sum = |class: usize| steady.iter().map(|a| a.scores[class]).sum::<f32>();
        let sees = (0..labels.len()).max_by(|a, b| sum(*a).total_cmp(&sum(*b))).ok_or("no labels")?;
        let is = labels.iter().position(|l| l == label);
        segments.push(Segment { begin: *start, sees, is, answers: own });
    }
    Ok(segments)
}
