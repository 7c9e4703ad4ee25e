//! `mtcae-train curves`: what a model still reads from pictures that were made worse.

use crate::answer::around_faces;
use crate::bar::Bar;
use crate::fold::check_model;
use crate::learnt::Seen;
use crate::page;
use crate::shared::WithoutArgs;
use crate::value::at_least_one;
use crate::{labelled_for, open, precision};
use anyhow::Result;
use mtcae_contract::Cropper;
use mtcae_data::{StillRef, Stills};
use mtcae_drivers::ModelFile;
use mtcae_train::{
    Answered, Constant, Harm, Scores, Spoiled, View, answered_frames, answers_to, face_margin, score, still_clip,
};
use std::fmt::Write;
use std::path::PathBuf;

/// Score a model on faces that are dark, blurred, small, rotated, occluded or noisy.
#[derive(clap::Args)]
#[command(after_help = "\
Every amount of every harm is done to the same samples, evenly spread over the data set; the board's own engine and \
preprocessing answer. The first row is the samples as they are. Expressions are scored with the face in the middle of what the network \
sees; boxes and landmarks with the face off the middle, as far as a board's may be.

Example:
  mtcae curves models/zoo/edge --data shards/mine --samples 500 --plot curves.svg")]
pub struct Args {
    /// Model folder
    model: PathBuf,
    /// Shards to take samples from
    #[arg(long = "data", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    without: WithoutArgs,
    /// Faces in the middle for boxes and landmarks, too, as older figures are: half the time, and of little worth
    #[arg(long)]
    centred: bool,
    /// Samples for each amount; fewer are faster and less sure
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// Only these harms
    #[arg(long, value_delimiter = ',', value_parser = Harm::ALL.map(Harm::name))]
    harms: Vec<String>,
    /// File of the model folder to run; auto is fp32, or int8 where that is all there is
    #[arg(long, default_value = "auto", value_parser = ["auto", "fp32", "int8"])]
    precision: String,
    /// Processor cores to use
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    workers: usize,
    /// Also draw the curves into this SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// A point of a curve.
struct Point {
    /// `None` for the samples as they are.
    harm: Option<(Harm, f32)>,
    scores: Scores,
    /// What an answer that is always the same would score.
    constant: Option<Constant>,
}

impl Args {
    /// Answers all samples under all harms and prints the scores.
    pub fn run(&self) -> Result<()> {
        page::check(self.plot.as_deref())?;
        let data = labelled_for(&self.model, open(&self.data)?)?;
        let (data, left_out) = self.without.leave_out(data)?;
        let seen = check_model(&self.model, &data, None)?;
        seen.warn(&self.model);
        let file = ModelFile::read(&self.model, precision(&self.model, &self.precision)?)?;
        let n = (self.samples as usize).min(data.len());
        let samples: Vec<usize> = (0..n).map(|i| i * data.len() / n).collect();
        let wanted = |harm: &Harm| self.harms.is_empty() || self.harms.iter().any(|name| name == harm.name());
        let harms = Harm::ALL.into_iter().filter(wanted);
        let cases: Vec<_> =
            std::iter::once(None).chain(harms.flat_map(|h| h.amounts().map(|amount| Some((h, amount))))).collect();
        let bar = Bar::new(cases.len() * n * self.views(&data).len(), "clips", "")?;
        let score = |harm| self.score(&file, &data, &samples, harm, &bar);
        let points = cases.into_iter().map(score).collect::<Result<Vec<_>>>()?;
        bar.clear();
        let left_out = self.without.is_given().then_some(left_out);
        say!(
            "{}",
            if self.json {
                format!("{}\n", json(&points, self.views(&data).len() > 1, left_out, seen))
            } else {
                table(&points, left_out)
            }
        );
        if let Some(path) = &self.plot {
            page::write(path, &plot(&points))?;
        }
        Ok(())
    }

    /// Who sees a sample: for the expression, and for box and landmarks where that is another one.
    fn views(&self, data: &Stills) -> &'static [fn(f32) -> View] {
        if around_faces(data) && !self.centred { &[View::centred, View::off_centre] } else { &[View::centred] }
    }

    fn score(
        &self,
        file: &ModelFile,
        data: &Stills,
        samples: &[usize],
        harm: Option<(Harm, f32)>,
        bar: &Bar,
    ) -> Result<Point> {
        let margin = face_margin(&file.manifest, data)?;
        let mut seen = self.views(data).iter().map(|view| self.seen(file, data, samples, harm, view(margin), bar));
        let mut answered = seen.next().transpose()?.unwrap_or_default();
        if let Some(off) = seen.next() {
            answered.iter_mut().zip(off?).for_each(|(one, off)| one.take_boxes(off));
        }
        let scores = score(&answered, data.labels().len());
        Ok(Point { harm, scores, constant: Constant::of(&answered) })
    }

    /// The answers in one view.
    fn seen(
        &self,
        file: &ModelFile,
        data: &Stills,
        samples: &[usize],
        harm: Option<(Harm, f32)>,
        view: View,
        bar: &Bar,
    ) -> Result<Vec<Answered>> {
        let spoiled = |i: usize| harm.map(|(harm, amount)| Spoiled::new(&data.sample(i), harm, amount, i as u64));
        let shown = |i: usize, act: &mut dyn FnMut(&StillRef<'_>)| match spoiled(i) {
            Some(worse) => act(&worse.still(&data.sample(i))),
            None => act(&data.sample(i)),
        };
        let clip = |i: usize, cropper: &mut Cropper| {
            let mut bytes = Vec::new();
            shown(i, &mut |still| bytes = still_clip(still, view.of(data, i), file.manifest.clip, cropper));
            bytes
        };
        let answers = answers_to(file, samples, self.workers.max(1), &clip, &|n| bar.inc(n))?;
        let mut answered = Vec::with_capacity(answers.len());
        for (i, answer) in samples.iter().zip(&answers) {
            shown(*i, &mut |still| {
                answered.push(answered_frames(still, std::slice::from_ref(still), view.of(data, *i), answer));
            });
        }
        Ok(answered)
    }
}

fn table(points: &[Point], left_out: Option<usize>) -> String {
    let mut text = format!("{:34}{:>8}{:>8}{:>9}{:>9}\n", "", "WAR", "UAR", "box IoU", "NME");
    for Point { harm, scores, .. } in points {
        let what = harm.map_or("as they are".to_owned(), |(h, a)| format!("{:9} {a} {}", h.name(), h.unit()));
        let _ = writeln!(
            text,
            "{what:34}{:>8.3}{:>8.3}{:>9.3}{:>9.3}",
            scores.war, scores.uar, scores.box_iou, scores.landmark_nme
        );
    }
    if let Some(c) = points.first().and_then(|p| p.constant) {
        let what = "the same box always, as they are";
        let _ = writeln!(text, "{what:34}{:>8}{:>8}{:>9.3}{:>9.3}", "", "", c.box_iou, c.landmark_nme);
    }
    if let Some(n) = left_out {
        let _ = writeln!(text, "{n} left out, whose pictures are in --without, too");
    }
    text
}

fn json(points: &[Point], off_centre: bool, left_out: Option<usize>, seen: Seen) -> serde_json::Value {
    let one = |Point { harm, scores, constant }: &Point| {
        serde_json::json!({
            "harm": harm.map(|(h, _)| h.name()), "amount": harm.map(|(_, a)| a), "unit": harm.map(|(h, _)| h.unit()),
            "samples": scores.samples, "war": scores.war, "uar": scores.uar, "recall": scores.recall,
            "box_iou": scores.box_iou, "landmark_nme": scores.landmark_nme,
            "constant_box_iou": constant.map(|c| c.box_iou), "constant_landmark_nme": constant.map(|c| c.landmark_nme),
        })
    };
    let points: Vec<_> = points.iter().map(one).collect();
    serde_json::json!({
        "curves": points, "off_centre": off_centre, "left_out": left_out, "trained_on": seen.labelled.is_same_people(),
        "pretrained_on": seen.unlabelled.is_any(),
    })
}

/// One small picture a harm: WAR (dark) and UAR (light) over the amounts, from the samples as they are on the left.
fn plot(points: &[Point]) -> String {
    const W: f32 = 150.0;
    const H: f32 = 110.0;
    let harms: Vec<Harm> =
        Harm::ALL.into_iter().filter(|h| points.iter().any(|p| p.harm.is_some_and(|(one, _)| one == *h))).collect();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"9\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        (W + 40.0) * harms.len().clamp(1, 3) as f32 + 10.0,
        (H + 50.0) * harms.len().div_ceil(3).max(1) as f32 + 10.0,
    );
    for (i, harm) in harms.iter().enumerate() {
        let (left, top) = (35.0 + (i % 3) as f32 * (W + 40.0), 22.0 + (i / 3) as f32 * (H + 50.0));
        let of: Vec<&Point> = points.iter().filter(|p| p.harm.is_none_or(|(one, _)| one == *harm)).collect();
        let x = |k: usize| left + W * k as f32 / (of.len() - 1).max(1) as f32;
        let y = |v: f32| top + H * (1.0 - v);
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{0}\" font-weight=\"bold\">{1}</text><text x=\"{2}\" y=\"{0}\" text-anchor=\"end\">\
             <tspan fill=\"#1f4e8c\">WAR</tspan> <tspan fill=\"#e08a2e\">UAR</tspan></text>",
            top - 8.0,
            harm.name(),
            left + W
        );
        for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let at = y(share);
            let _ = writeln!(
                svg,
                "<path d=\"M{left} {at}h{W}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{}\" text-anchor=\"end\">{share}</text>",
                left - 4.0,
                at + 3.0
            );
        }
        for (k, p) in of.iter().enumerate() {
            let text = p.harm.map_or("as is".to_owned(), |(_, amount)| amount.to_string());
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{text}</text>", x(k), top + H + 12.0);
        }
        let _ = writeln!(svg, "<text x=\"{left}\" y=\"{}\" fill=\"#666\">{}</text>", top + H + 23.0, harm.unit());
        for (colour, value) in [("#1f4e8c", (|s: &Scores| s.war) as fn(&Scores) -> f32), ("#e08a2e", |s| s.uar)] {
            let line: Vec<String> =
                of.iter().enumerate().map(|(k, p)| format!("{:.1},{:.1}", x(k), y(value(&p.scores)))).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>",
                line.join(" ")
            );
        }
    }
    svg + "</svg>\n"
}
