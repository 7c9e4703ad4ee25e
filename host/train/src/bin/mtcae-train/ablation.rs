//! The table of an ablation: what is written, read and printed.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::Path;

/// Six strategies under one budget.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ablation {
    /// Shards, as they were given.
    pub data: Vec<String>,
    /// What the shards say they were made from.
    pub sources: Vec<String>,
    /// Preset of the network.
    pub preset: String,
    /// Updates of each training run.
    pub updates: usize,
    /// Name of the folds.
    pub folds: String,
    /// Folds that were tested, from 1.
    pub tested: Vec<usize>,
    /// One a strategy.
    pub rows: Vec<Row>,
}

/// One strategy's scores, pooled over the folds. Intervals: 95 % of a bootstrap over persons.
#[derive(Debug, Serialize, Deserialize)]
pub struct Row {
    pub strategy: String,
    pub parameters: usize,
    pub samples: usize,
    pub war: f32,
    /// Nothing where one person was tested.
    pub war_interval: Option<[f32; 2]>,
    pub uar: f32,
    pub uar_interval: Option<[f32; 2]>,
    /// Nothing in a strategy without boxes.
    pub box_iou: Option<f32>,
    /// Eye distances.
    pub landmark_nme: Option<f32>,
    /// Intervals of WAR and UAR minus the cascade's on the same persons.
    pub minus_cascade: Option<[[f32; 2]; 2]>,
}

impl Ablation {
    /// Reads `ablation.json`.
    pub fn read(path: &Path) -> Result<Ablation> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&bytes).with_context(|| format!("{}: not a table of `mtcae ablate`", path.display()))
    }

    /// Writes `ablation.json` into `folder`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let (path, partial) = (folder.join("ablation.json"), folder.join("ablation.partial"));
        std::fs::write(&partial, serde_json::to_vec_pretty(self)?).with_context(|| partial.display().to_string())?;
        std::fs::rename(&partial, &path).with_context(|| path.display().to_string())
    }

    /// What the figures come from.
    pub fn origin(&self) -> String {
        let (data, tested) = (self.sources.join(", "), self.tested.len());
        format!("{data}; {}; {} updates; {tested} fold(s) of {}", self.preset, self.updates, self.folds)
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.origin());
        let heads = ["strategy", "parameters", "WAR", "UAR", "IoU", "NME", "WAR minus cascade"];
        let line = |c: [String; 7]| {
            format!("{:18} {:>10}  {:22}  {:22}  {:>6}  {:>6}  {}", c[0], c[1], c[2], c[3], c[4], c[5], c[6])
                .trim_end()
                .to_owned()
                + "\n"
        };
        text += &line(heads.map(str::to_owned));
        for r in &self.rows {
            let number = |v: Option<f32>| v.map_or("-".to_owned(), |v| format!("{v:.3}"));
            text += &line([
                r.strategy.clone(),
                r.parameters.to_string(),
                with_interval(r.war, r.war_interval),
                with_interval(r.uar, r.uar_interval),
                number(r.box_iou),
                number(r.landmark_nme),
                r.minus_cascade.map_or(String::new(), |[war, _]| format!("[{:+.3}, {:+.3}]", war[0], war[1])),
            ]);
        }
        let samples = self.rows.first().map_or(0, |r| r.samples);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{samples} clips tested; intervals: 95 % of a bootstrap over persons");
        text
    }
}

/// Per cent, with its interval where there is one.
pub fn with_interval(value: f32, interval: Option<[f32; 2]>) -> String {
    let interval = interval.map(|[low, high]| format!(" [{:.2}, {:.2}]", 100.0 * low, 100.0 * high));
    format!("{:.2}{}", 100.0 * value, interval.unwrap_or_default())
}
