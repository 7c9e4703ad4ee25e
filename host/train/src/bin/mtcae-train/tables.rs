//! `mtcae-train tables`: the paper's tables beside ours.

use crate::ablation::{Ablation, with_interval};
use anyhow::{Context, Result};
use mtcae_network::Strategy;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// What the paper says, with where it was read.
const PAPER: &str = include_str!("../../../paper.toml");

#[derive(clap::Args)]
#[command(after_help = "\
Only figures of the paper with a source that was read are shown; the others are `-`. Ours say what data they come from:
they may be compared with the paper's only where that is the paper's data.

Example:
  mtcae evaluate run --data shards/ravdess --folds paper-5fold --json > ravdess.json
  mtcae tables --ablation ablation/ablation.json --ravdess ravdess.json")]
pub struct Args {
    /// `ablation.json` of `mtcae ablate`, for Table I.
    #[arg(long, value_name = "FILE")]
    ablation: Option<PathBuf>,
    /// Output of `mtcae evaluate --json` for Table II.
    #[arg(long, value_name = "FILE")]
    ravdess: Option<PathBuf>,
    /// The same for Table III.
    #[arg(long, value_name = "FILE")]
    cremad: Option<PathBuf>,
    /// The same for Table IV.
    #[arg(long, value_name = "FILE")]
    mead: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Paper {
    figure: Vec<Figure>,
}

/// One number of the paper, in per cent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    table: String,
    row: String,
    war: Option<f32>,
    uar: Option<f32>,
    source: String,
}

impl Args {
    /// Prints the four tables.
    pub fn run(&self) -> Result<()> {
        let paper: Paper = toml::from_str(PAPER).context("paper.toml")?;
        let ablation = self.ablation.as_deref().map(Ablation::read).transpose()?;
        let mut text = one(&paper, ablation.as_ref());
        for (name, title, file) in
            [("II", "RAVDESS", &self.ravdess), ("III", "CREMA-D", &self.cremad), ("IV", "MEAD", &self.mead)]
        {
            let ours = file.as_deref().map(read_evaluation).transpose()?;
            text += &one_set(&paper, name, title, ours.as_ref());
        }
        text += &sources(&paper);
        say!("{text}");
        Ok(())
    }
}

fn read_evaluation(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    let value: Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("{}: not the output of `mtcae evaluate --json`", path.display()))?;
    Ok(value)
}

fn line(cells: [&str; 6]) -> String {
    let [a, b, c, d, e, f] = cells;
    format!("{a:18}  {b:>9}  {c:>9}  {d:22}  {e:22}  {f}").trim_end().to_owned() + "\n"
}

fn heads() -> String {
    line(["", "paper WAR", "paper UAR", "our WAR", "our UAR", "our data"])
}

impl Paper {
    fn get(&self, table: &str, row: &str) -> (String, String) {
        let found = self.figure.iter().find(|f| f.table == table && f.row == row);
        let text = |v: Option<f32>| v.map_or("-".to_owned(), |v| format!("{v:.2}"));
        (text(found.and_then(|f| f.war)), text(found.and_then(|f| f.uar)))
    }
}

/// Table I: the strategies.
fn one(paper: &Paper, ablation: Option<&Ablation>) -> String {
    let mut text = format!("Table I: strategies, per cent [95 % interval]\n{}", heads());
    for strategy in Strategy::ALL {
        let (war, uar) = paper.get("I", strategy.name());
        let ours =
            ablation.and_then(|a| a.rows.iter().find(|r| r.strategy == strategy.name()).map(|r| (a.origin(), r)));
        text += &match ours {
            Some((origin, r)) => {
                let (w, u) = (with_interval(r.war, r.war_interval), with_interval(r.uar, r.uar_interval));
                line([strategy.name(), &war, &uar, &w, &u, &origin])
            }
            None => line([strategy.name(), &war, &uar, "-", "-", ""]),
        };
    }
    text
}

/// Tables II to IV: one data set each.
fn one_set(paper: &Paper, table: &str, title: &str, ours: Option<&Value>) -> String {
    let (war, uar) = paper.get(table, "MTCAE-DFER");
    let number = |v: &Value| v.as_f64().unwrap_or(0.0) as f32;
    let row = match ours {
        None => line(["MTCAE-DFER", &war, &uar, "-", "-", ""]),
        Some(o) => {
            let cell = |key: &str| {
                let interval = o["intervals"][key].as_array().map(|i| [0, 1].map(|end| number(&i[end])));
                with_interval(number(&o[key]), interval)
            };
            let list = |key: &str| -> Vec<&str> {
                o[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
            };
            let folds = o["fold_names"].as_str().unwrap_or("no folds");
            let origin = format!("{}; {}; {folds}", list("data").join(", "), list("models").join(", "));
            line(["MTCAE-DFER", &war, &uar, &cell("war"), &cell("uar"), &origin])
        }
    };
    format!("\nTable {table}: {title}, per cent [95 % interval]\n{}{row}", heads())
}

fn sources(paper: &Paper) -> String {
    let mut text = String::from("\nSources of the paper's figures\n");
    for f in &paper.figure {
        // Writing to a String does not fail.
        let _ = writeln!(text, "Table {}, {}: {}", f.table, f.row, f.source);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_of_the_paper_has_a_source_and_a_table() {
        let paper: Paper = toml::from_str(PAPER).unwrap();
        assert!(
            paper.figure.iter().all(|f| f.source.len() > 10 && ["I", "II", "III", "IV"].contains(&f.table.as_str()))
        );
        assert_eq!(paper.get("II", "MTCAE-DFER"), ("83.69".to_owned(), "-".to_owned()));
        assert_eq!(paper.get("IV", "MTCAE-DFER"), ("-".to_owned(), "-".to_owned()));
    }
}
