//! `mtcae-train ablate`.

use crate::ablation::{Ablation, Row};
use crate::answer::{How, model_answers};
use crate::fold::FoldArgs;
use crate::open;
use crate::train::{Run, train_run};
use crate::value::at_least_one;
use anyhow::{Context, Result, bail};
use mtcae_contract::Precision;
use mtcae_data::{Folds, Stills};
use mtcae_network::{Network, Strategy, count};
use mtcae_train::{Answered, Place, Recipe, difference, intervals, score};
use std::path::PathBuf;

/// Seed of the bootstraps.
const SEED: u64 = 2412;

#[derive(clap::Args)]
#[command(after_help = "\
Each strategy has the same recipe, data, folds and seed. OUT/STRATEGY/fold-K holds each run; one that was cut goes on, one \
that is done is not done again. OUT/ablation.json is what `mtcae tables --ablation` reads.

Example:
  mtcae ablate --recipe small.toml --data shards/made --folds subject:5 --out ablation")]
pub struct Args {
    /// How to train; its `strategy` is replaced.
    #[arg(long)]
    recipe: PathBuf,
    /// Shard to train and test on, without its number; may be given again.
    #[arg(long = "data", required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    fold: FoldArgs,
    /// Folder for the runs and the table.
    #[arg(long)]
    out: PathBuf,
    /// Strategies, with commas between; all six when not given.
    #[arg(long, value_delimiter = ',')]
    strategies: Vec<Strategy>,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    workers: usize,
    /// Updates between two saved states.
    #[arg(long, default_value_t = 200, value_parser = at_least_one)]
    every: usize,
    /// Where it is trained: cpu, or cuda for the first NVIDIA card (a trainer built with the feature `cuda`).
    #[arg(long, default_value_t)]
    device: Place,
    /// One JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Trains what is not trained yet, scores everything, prints and writes the table.
    pub fn run(&self) -> Result<()> {
        let Some(folds) = self.fold.folds else {
            bail!("no folds; say how persons are divided with `--folds NAME`, such as subject:5")
        };
        let recipe = Recipe::read(&self.recipe)?;
        let data = open(&self.data)?;
        let numbers = self.fold.numbers(folds, &data)?;
        let strategies = if self.strategies.is_empty() { Strategy::ALL.to_vec() } else { self.strategies.clone() };
        let mut results: Vec<(Strategy, usize, Vec<Answered>)> = Vec::new();
        let mut ablation = self.heading(&recipe, &data, folds, &numbers);
        for strategy in strategies {
            let recipe = Recipe { strategy, ..recipe.clone() };
            let parameters = count(&Network::new(recipe.network(data.labels().len())?)?).parameters();
            let answered = self.strategy(&recipe, &data, folds, &numbers)?;
            results.push((strategy, parameters, answered));
            // Written after each strategy: what is there can be looked at while the others train.
            ablation.rows = rows(&results, data.labels().len());
            ablation.write(&self.out)?;
        }
        match self.json {
            true => sayln!("{}", serde_json::to_string(&ablation)?),
            false => say!("{}", ablation.text()),
        }
        Ok(())
    }

    fn heading(&self, recipe: &Recipe, data: &Stills, folds: Folds, numbers: &[usize]) -> Ablation {
        let mut sources: Vec<String> = data.shards().iter().map(|s| s.info().source.clone()).collect();
        sources.dedup();
        Ablation {
            data: self.data.iter().map(|d| d.display().to_string()).collect(),
            sources,
            preset: recipe.preset.clone(),
            updates: recipe.phase.iter().map(|p| p.steps).sum(),
            folds: folds.to_string(),
            tested: numbers.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Trains one strategy on every fold and answers what each has not seen.
    fn strategy(&self, recipe: &Recipe, data: &Stills, folds: Folds, numbers: &[usize]) -> Result<Vec<Answered>> {
        let mut all = Vec::new();
        for k in numbers {
            let fold = folds.fold(data, *k)?;
            let out = self.out.join(recipe.strategy.name()).join(format!("fold-{k}"));
            let checkpoint = out.join("checkpoint.safetensors");
            let train = data.select(&fold.train)?;
            let run = Run {
                recipe,
                data: &train,
                test: None,
                out: &out,
                init: None,
                fold: Some((folds, *k)),
                workers: self.workers,
                every: self.every,
                place: self.device,
                precision: Default::default(),
            };
            run.of().check(&out)?;
            if !checkpoint.exists() {
                tell!("{}, fold {k}/{}", recipe.strategy, folds.count());
                train_run(&run)?;
            }
            let test = data.select(&fold.test)?;
            let how = How { precision: Precision::Fp32, mirror: false, centred: false, workers: self.workers };
            let answers = model_answers(&checkpoint, how, &test, &|_| ());
            all.extend(answers.with_context(|| checkpoint.display().to_string())?.answered);
        }
        Ok(all)
    }
}

/// A row a strategy; each beside the cascade, where that is there.
fn rows(results: &[(Strategy, usize, Vec<Answered>)], classes: usize) -> Vec<Row> {
    let cascade = results.iter().find(|(s, ..)| *s == Strategy::CascadedVit);
    let row = |(strategy, parameters, answered): &(Strategy, usize, Vec<Answered>)| {
        let (s, i) = (score(answered, classes), intervals(answered, classes, SEED));
        let beside = cascade.filter(|(c, ..)| c != strategy);
        let pair = |i: mtcae_train::Interval| [i.low, i.high];
        let minus =
            beside.and_then(|(.., c)| difference(answered, c, classes, SEED)).map(|(war, uar)| [pair(war), pair(uar)]);
        let boxes = answered.iter().any(|a| !a.ious.is_empty());
        Row {
            strategy: strategy.name().to_owned(),
            parameters: *parameters,
            samples: s.samples,
            war: s.war,
            war_interval: i.map(|i| pair(i.war)),
            uar: s.uar,
            uar_interval: i.map(|i| pair(i.uar)),
            box_iou: boxes.then_some(s.box_iou),
            landmark_nme: boxes.then_some(s.landmark_nme),
            minus_cascade: minus,
        }
    };
    results.iter().map(row).collect()
}
