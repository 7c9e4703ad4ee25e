//! What an evaluation found, as a table, as JSON, and as a page. Pure.

mod html;
mod svg;

use crate::calibrate::{Bin, calibration_bins, expected_error, fit_temperature};
use crate::constant::{Constant, Truth};
use crate::metrics::{Answered, Interval, Intervals, Scores, intervals, person_count, score};
use serde_json::{Value, json};
use std::fmt::Write;

/// Seed of the bootstraps.
const SEED: u64 = 2412;

/// What was evaluated.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Subject {
    /// Models, as they were given.
    pub models: Vec<String>,
    /// Shards, as they were given.
    pub data: Vec<String>,
    /// Name of the folds, where there were some.
    pub folds: Option<String>,
    /// Classes in the order of the logits.
    pub labels: Vec<String>,
    /// Temperature that the models' manifests say; 1 for a checkpoint.
    pub temperature: f32,
    /// Whether the data holds clips.
    pub clips: bool,
    /// Whether boxes and landmarks are those of faces off the middle.
    pub off_centre: bool,
    /// Samples left out as their pictures are elsewhere, too, where that was asked for.
    pub left_out: Option<usize>,
    /// Whether the model learnt from these very persons.
    pub trained_on: bool,
    /// Whether it learnt from some of them without labels.
    pub pretrained_on: bool,
}

/// Scores of a part of the samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// For example `fold 1/5`.
    pub name: String,
    /// Different persons.
    pub persons: usize,
    /// Its scores.
    pub scores: Scores,
    /// How sure they are; nothing of one person.
    pub intervals: Option<Intervals>,
}

/// How far probabilities can be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// Expected calibration error at the model's temperature.
    pub ece: f32,
    /// The temperature that explains the answers best.
    pub best_temperature: f32,
    /// Expected calibration error there.
    pub best_ece: f32,
    /// Confidence against accuracy at the model's temperature.
    pub bins: Vec<Bin>,
}

/// What an evaluation found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was evaluated.
    pub subject: Subject,
    /// All samples together.
    pub pooled: Group,
    /// Each fold; empty without folds.
    pub groups: Vec<Group>,
    /// Of all samples.
    pub calibration: Calibration,
    /// Box IoU of every frame whose face is known.
    pub ious: Vec<f32>,
    /// Landmark error of these frames, in eye distances.
    pub nmes: Vec<f32>,
    /// What an answer that is always the same would score there.
    pub constant: Option<Constant>,
}

impl Report {
    /// The report on `folds`, each a name and its answers; one without a name when there are no folds.
    pub fn new(subject: Subject, folds: &[(String, Vec<Answered>)]) -> Report {
        let classes = subject.labels.len();
        let group = |name: &str, answered: &[Answered]| Group {
            name: name.to_owned(),
            persons: person_count(answered),
            scores: score(answered, classes),
            intervals: intervals(answered, classes, SEED),
        };
        let all: Vec<Answered> = folds.iter().flat_map(|(_, answered)| answered.iter().cloned()).collect();
        let groups = match subject.folds {
            Some(_) => folds.iter().map(|(name, answered)| group(name, answered)).collect(),
            None => Vec::new(),
        };
        let logits: Vec<&[f32]> = all.iter().map(|a| &a.logits[..]).collect();
        let labels: Vec<usize> = all.iter().map(|a| a.label).collect();
        let best_temperature = fit_temperature(&logits, &labels);
        let calibration = Calibration {
            ece: expected_error(&logits, &labels, subject.temperature),
            best_temperature,
            best_ece: expected_error(&logits, &labels, best_temperature),
            bins: calibration_bins(&logits, &labels, subject.temperature),
        };
        let flat = |f: fn(&Answered) -> &[f32]| all.iter().flat_map(f).copied().collect();
        Report {
            pooled: group("all", &all),
            groups,
            calibration,
            ious: flat(|a| &a.ious),
            nmes: flat(|a| &a.nmes),
            constant: Constant::of(&all),
            subject,
        }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let (s, i) = (&self.pooled.scores, self.pooled.intervals);
        let mut text = format!(
            "{} {} of {} persons  WAR {:.4}{}  UAR {:.4}{}\n",
            s.samples,
            if self.subject.clips { "clips" } else { "samples" },
            self.pooled.persons,
            s.war,
            span(i.map(|i| i.war)),
            s.uar,
            span(i.map(|i| i.uar))
        );
        let (iou, nme) = (span(i.map(|i| i.box_iou)), span(i.map(|i| i.landmark_nme)));
        // Writing to a String does not fail.
        let _ = match self.ious.is_empty() {
            true => writeln!(text, "no boxes and landmarks to score"),
            false => {
                writeln!(text, "box IoU {:.3}{iou}  landmark NME {:.3}{nme} eye distances", s.box_iou, s.landmark_nme)
            }
        };
        if let Some(c) = &self.constant {
            let seen = if self.subject.off_centre { "off the middle" } else { "in the middle" };
            let _ = writeln!(
                text,
                "  of faces {seen}; the same box and points always: IoU {:.3}, NME {:.3}",
                c.box_iou, c.landmark_nme
            );
        }
        let c = &self.calibration;
        let _ = writeln!(
            text,
            "calibration error {:.3} at temperature {}, {:.3} at the best, {:.3}",
            c.ece, self.subject.temperature, c.best_ece, c.best_temperature
        );
        for g in &self.groups {
            let (s, i) = (&g.scores, g.intervals);
            let _ = writeln!(
                text,
                "{:12} {:6} of {:3}  WAR {:.4}{}  UAR {:.4}{}  IoU {:.3}  NME {:.3}",
                g.name,
                s.samples,
                g.persons,
                s.war,
                span(i.map(|i| i.war)),
                s.uar,
                span(i.map(|i| i.uar)),
                s.box_iou,
                s.landmark_nme
            );
        }
        if let Some(n) = self.subject.left_out {
            let _ = writeln!(text, "{n} left out, whose pictures are in --without, too");
        }
        for (label, (recall, row)) in self.subject.labels.iter().zip(s.recall.iter().zip(&s.confusion)) {
            let recall = if recall.is_nan() { "-".to_owned() } else { format!("{recall:.3}") };
            let _ = writeln!(text, "{label:10} recall {recall:5}  answers {row:?}");
        }
        text
    }

    /// For programs: the pooled scores, then `intervals`, `folds`, calibration.
    pub fn json(&self) -> Value {
        let mut object = group_json(&self.pooled);
        let c = &self.calibration;
        object["models"] = json!(self.subject.models);
        object["data"] = json!(self.subject.data);
        object["labels"] = json!(self.subject.labels);
        object["temperature"] = self.subject.temperature.into();
        object["ece"] = c.ece.into();
        object["best_temperature"] = c.best_temperature.into();
        object["best_ece"] = c.best_ece.into();
        let bin = |b: &Bin| json!({ "samples": b.samples, "confidence": b.confidence, "accuracy": b.accuracy });
        object["bins"] = c.bins.iter().map(bin).collect();
        let constant = |c: &Constant| {
            let Truth { face, landmarks } = c.answer;
            json!({
                "box_iou": c.box_iou, "landmark_nme": c.landmark_nme, "box": [face.x, face.y, face.w, face.h],
                "landmarks": landmarks.map(|p| [p.x, p.y]),
            })
        };
        object["constant"] = self.constant.as_ref().map(constant).into();
        object["off_centre"] = self.subject.off_centre.into();
        object["left_out"] = json!(self.subject.left_out);
        object["trained_on"] = self.subject.trained_on.into();
        object["pretrained_on"] = self.subject.pretrained_on.into();
        object["fold_names"] = json!(self.subject.folds);
        object["folds"] = self.groups.iter().map(group_json).collect();
        object
    }

    /// One HTML file with everything in it.
    pub fn html(&self) -> String {
        html::page(self)
    }
}

/// What stands behind a figure.
fn span(i: Option<Interval>) -> String {
    i.map_or(String::new(), |i| format!(" [{:.3}, {:.3}]", i.low, i.high))
}

fn group_json(g: &Group) -> Value {
    let s = &g.scores;
    let pair = |i: Interval| json!([i.low, i.high]);
    let intervals = |i: Intervals| {
        json!({
            "war": pair(i.war), "uar": pair(i.uar), "box_iou": pair(i.box_iou), "landmark_nme": pair(i.landmark_nme),
        })
    };
    json!({
        "name": g.name, "samples": s.samples, "persons": g.persons, "war": s.war, "uar": s.uar, "recall": s.recall,
        "confusion": s.confusion, "box_iou": s.box_iou, "landmark_nme": s.landmark_nme,
        "intervals": g.intervals.map(intervals),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::Rect;

    fn report() -> Report {
        let answered = |subject: u64, label: usize, best: usize| Answered {
            label,
            subject,
            logits: (0..2).map(|c| if c == best { 2.0 } else { 0.0 }).collect(),
            ious: vec![0.8],
            nmes: vec![0.05],
            truths: vec![Truth { face: Rect { x: 0.2, y: 0.1, w: 0.6, h: 0.8 }, ..Truth::default() }],
        };
        let subject = Subject {
            models: vec!["a<b>".to_owned()],
            data: vec!["shards/x".to_owned()],
            folds: Some("subject:2".to_owned()),
            labels: vec!["happy".to_owned(), "sad".to_owned()],
            temperature: 1.0,
            clips: true,
            off_centre: true,
            left_out: Some(2),
            trained_on: true,
            pretrained_on: true,
        };
        let one = vec![answered(1, 0, 0), answered(1, 1, 1), answered(2, 1, 0)];
        let two = vec![answered(3, 0, 0), answered(4, 1, 1)];
        Report::new(subject, &[("fold 1/2".to_owned(), one), ("fold 2/2".to_owned(), two)])
    }

    #[test]
    fn the_table_has_pooled_scores_folds_and_classes() {
        let text = report().text();
        assert!(text.starts_with("5 clips of 4 persons  WAR 0.8000 ["), "{text}");
        assert!(
            text.contains("\n  of faces off the middle; the same box and points always: IoU 1.000, NME 0.000\n"),
            "{text}"
        );
        assert!(text.contains("\n2 left out, whose pictures are in --without, too\n"), "{text}");
        assert!(text.contains("\nfold 1/2          3 of   2  WAR 0.6667 ["), "{text}");
        assert!(
            text.ends_with("happy      recall 1.000  answers [2, 0]\nsad        recall 0.667  answers [1, 2]\n"),
            "{text}"
        );
    }

    #[test]
    fn one_person_has_no_interval() {
        let answered = |label: usize| Answered { label, subject: 7, logits: vec![1.0, 0.0], ..Answered::default() };
        let labels = vec!["happy".to_owned(), "sad".to_owned()];
        let subject = Subject { labels, temperature: 1.0, ..Subject::default() };
        let report = Report::new(subject, &[(String::new(), vec![answered(0), answered(1)])]);
        let text = report.text();
        assert!(text.starts_with("2 samples of 1 persons  WAR 0.5000  UAR 0.5000\n"), "{text}");
        assert!(report.json()["intervals"].is_null());
        let page = report.html();
        assert!(page.contains("<td>0.5000</td>") && !page.contains("NaN"), "{page}");
    }

    #[test]
    fn json_holds_what_the_table_holds() {
        let object = report().json();
        assert_eq!(object["samples"], 5);
        assert_eq!(object["folds"][1]["war"], 1.0);
        assert_eq!(object["constant"]["box_iou"], 1.0);
        assert_eq!(
            [&object["off_centre"], &object["left_out"], &object["trained_on"], &object["pretrained_on"]],
            [&json!(true), &json!(2), &json!(true), &json!(true)]
        );
        assert_eq!(object["confusion"], json!([[2, 0], [1, 2]]));
        assert!(object["intervals"]["war"][0].as_f64() <= object["war"].as_f64());
        assert_eq!(object["bins"].as_array().map(Vec::len), Some(15));
    }

    #[test]
    fn the_page_is_whole_and_needs_nothing_else() {
        let page = report().html();
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        assert!(page.contains("a&lt;b&gt;") && !page.contains("a<b>"));
        for tag in ["svg", "g", "section", "table", "text", "main"] {
            let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert_eq!(page.matches("<svg").count(), 6);
        assert!(
            !page.contains("http")
                || page.matches("http").count() == page.matches("http://www.w3.org/2000/svg").count()
        );
        assert!(!page.contains("NaN") && !page.contains("<script"));
    }
}
