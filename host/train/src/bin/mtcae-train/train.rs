//! `mtcae-train train`.

use crate::answer::all_answers;
use crate::bar::Bar;
use crate::fold::{FoldArgs, TrainedOn, check_init};
use crate::learnt::Learnt;
use crate::lock;
use crate::plot::plot_losses;
use crate::run_of::{Means, RunOf, cut_log};
use crate::shared::WithoutArgs;
use crate::value::at_least_one;
use crate::{open, read_checkpoint};
use anyhow::{Context, Result, anyhow, bail};
use mtcae_data::{FACE_MARGIN, Folds, Stills, check_apart};
use mtcae_network::{Checkpoint, Network, NetworkConfig, StoredAs};
use mtcae_train::{
    Place, Precision, Progress, Recipe, Scores, Setting, State, View, best_file, evaluate, held_out, train,
};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What is done where no recipe is given.
const DEFAULT_RECIPE: &str = include_str!("../../../recipes/stills.toml");

#[derive(clap::Args)]
pub struct Args {
    /// How to train; when not given, as the recipe `stills.toml` that ships.
    #[arg(long)]
    recipe: Option<PathBuf>,
    /// Shard to train on, without its number, for example `shards/fer2013-train`; may be given again.
    #[arg(long = "data", required = true)]
    data: Vec<PathBuf>,
    /// Shards to score on now and then, with nobody in them who is in the others.
    #[arg(long = "test")]
    test: Vec<PathBuf>,
    #[command(flatten)]
    without: WithoutArgs,
    /// Folder for state, log and checkpoint; with --folds, the folders fold-1, fold-2, ... in it.
    #[arg(long)]
    out: PathBuf,
    /// Start from this checkpoint instead of random weights.
    #[arg(long)]
    init: Option<PathBuf>,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2, value_parser = at_least_one)]
    workers: usize,
    /// Updates between two scores and two saved states.
    #[arg(long, default_value_t = 200, value_parser = at_least_one)]
    every: usize,
    /// Where it is computed: cpu, or cuda for the first NVIDIA card (a trainer built with the feature `cuda`).
    #[arg(long, default_value_t)]
    device: Place,
    /// In what format layers compute: f32, or bf16 on a card.
    #[arg(long, default_value_t)]
    precision: Precision,
    #[command(flatten)]
    fold: FoldArgs,
}

impl Args {
    /// Trains to the recipe's end, once or for each fold, and writes the averaged weights.
    pub fn run(&self) -> Result<()> {
        // Before data is read: what is not there should be said at once.
        self.device.check(self.precision)?;
        self.device.open()?;
        let recipe = match &self.recipe {
            Some(path) => Recipe::read(path)?,
            None => Recipe::from_toml(DEFAULT_RECIPE).map_err(|why| anyhow!("the recipe that ships: {why}"))?,
        };
        let data = open(&self.data)?;
        if self.without.is_given() && self.test.is_empty() {
            bail!("--without leaves pictures out of --test, which was not given");
        }
        let test = (!self.test.is_empty()).then(|| open(&self.test)).transpose()?;
        if let Some(test) = &test {
            let all = |data: &Stills| (0..data.len()).collect::<Vec<_>>();
            check_apart(&data, &all(&data), test, &all(test)).context("--test")?;
        }
        let test = test.map(|test| self.tested(&data, test)).transpose()?;
        if let (Some(init), Some(test)) = (&self.init, &test) {
            check_init(init, test, None)?;
        }
        let Some(folds) = self.fold.folds else {
            let run = self.one(&recipe, &data, test.as_ref(), &self.out);
            sayln!("wrote {}", train_run(&run)?.display());
            return Ok(());
        };
        let numbers = self.fold.numbers(folds, &data)?;
        let parts = numbers.into_iter().map(|k| Ok((k, folds.fold(&data, k)?))).collect::<Result<Vec<_>>>()?;
        // All of them before the first is trained, which may take days.
        if let Some(init) = &self.init {
            for (k, fold) in &parts {
                check_init(init, &data.select(&fold.test)?, Some((folds, *k)))?;
            }
        }
        for (k, fold) in parts {
            sayln!(
                "fold {k}/{}: {} samples to train on, {} to test on",
                folds.count(),
                fold.train.len(),
                fold.test.len()
            );
            let out = self.out.join(format!("fold-{k}"));
            let (train, unseen) = (data.select(&fold.train)?, data.select(&fold.test)?);
            warn_of_shared(&train, &unseen, "");
            let tested = test.as_ref().or(Some(&unseen));
            let run = Run { fold: Some((folds, k)), ..self.one(&recipe, &train, tested, &out) };
            sayln!("wrote {}", train_run(&run)?.display());
        }
        Ok(())
    }

    /// What of `test` is scored on, with a word on pictures that are trained on as well.
    fn tested(&self, data: &Stills, test: Stills) -> Result<Stills> {
        if self.without.is_given() {
            let all = test.len();
            let (test, left_out) = self.without.leave_out(test)?;
            sayln!("{left_out} of {all} test pictures left out, as they are in --without, too");
            return Ok(test);
        }
        warn_of_shared(data, &test, "; `--without DATA` leaves them out");
        Ok(test)
    }

    fn one<'a>(&'a self, recipe: &'a Recipe, data: &'a Stills, test: Option<&'a Stills>, out: &'a Path) -> Run<'a> {
        let (init, workers, every) = (self.init.as_deref(), self.workers, self.every);
        let (place, precision) = (self.device, self.precision);
        Run { recipe, data, test, out, init, fold: None, workers, every, place, precision }
    }
}

/// One training run.
pub struct Run<'a> {
    /// How to train.
    pub recipe: &'a Recipe,
    /// What to train on.
    pub data: &'a Stills,
    /// What to score on now and then.
    pub test: Option<&'a Stills>,
    /// Folder for state, log and checkpoint.
    pub out: &'a Path,
    /// Where the weights start; random ones when not given.
    pub init: Option<&'a Path>,
    /// The fold that it does not see, from 1.
    pub fold: Option<(Folds, usize)>,
    /// Threads.
    pub workers: usize,
    /// Updates between two scores and two saved states.
    pub every: usize,
    /// Where it is computed.
    pub place: Place,
    /// In what format.
    pub precision: Precision,
}

impl Run<'_> {
    /// What decides what it learns.
    pub fn of(&self) -> RunOf {
        // Scores set a plateau's clock; without one they change nothing.
        let every = self.recipe.plateau.is_some().then_some(self.every);
        let means = Means { workers: self.workers, every, device: self.place, precision: self.precision };
        RunOf::new(self.recipe, self.data, self.init, means)
    }
}

/// Trains to the recipe's end and writes the averaged weights into the checkpoint whose path it gives.
pub fn train_run(args: &Run<'_>) -> Result<PathBuf> {
    let (recipe, data) = (args.recipe, args.data);
    let run_of = args.of();
    std::fs::create_dir_all(args.out).with_context(|| args.out.display().to_string())?;
    let _held = lock::hold(args.out)?;
    run_of.check(args.out)?;
    let config = recipe.network(data.labels().len())?;
    let network = Network::new(config.clone())?;
    let state_file = args.out.join("state.safetensors");
    let mut state = first_state(args, &config, &network, &state_file)?;
    // The weights that a run began with may be gone when it goes on.
    if !(state_file.exists() && Learnt::is_kept(args.out)) {
        Learnt::keep(args.out, data, true, args.init, args.fold)?;
    }
    if let Some((folds, k)) = args.fold {
        TrainedOn::new(folds, k, data).write(args.out)?;
    }
    run_of.keep(args.out)?;
    let bar = Bar::new(recipe.phase.iter().map(|p| p.steps).sum(), "updates", "  {msg}")?;
    bar.begin(state.updates);
    let (watched, data) = watched(recipe, data)?;
    let data = &data;
    let log_file = args.out.join("log.jsonl");
    cut_log(&log_file, state.updates)?;
    let mut log = std::fs::OpenOptions::new().create(true).append(true).open(&log_file);
    let log = log.as_mut().map_err(|e| anyhow!("{}: {e}", log_file.display()))?;
    let device = args.place.open()?;
    let mut report = |p: Progress, state: &State| {
        bar.set(state.updates, format!("loss {:.3}, {:.0} % loading", p.losses.total, 100.0 * p.loading));
        let line = serde_json::json!({
            "update": state.updates, "phase": p.phase, "lr": p.lr, "loss": p.losses.total,
            "boxes": p.losses.boxes, "landmarks": p.losses.landmarks, "expression": p.losses.expression,
            "loading": p.loading,
        });
        let mut lines = format!("{line}\n");
        let due = state.updates.is_multiple_of(args.every) || p.step == p.steps;
        let phase = &recipe.phase[p.phase];
        // Hours of training are worth more than a score.
        let score = |test: &Stills| {
            let view = View::centred(FACE_MARGIN);
            let network = phase.network(&config);
            let answers = all_answers(&network, state, (test, view), phase.still, args.workers, &device, &|_| ());
            let failed = |e| bar.print(&format!("update {}: not scored: {e}", state.updates));
            answers.map_err(failed).ok().map(|answers| evaluate(test, &answers, view))
        };
        if let Some(scores) = args.test.filter(|_| due).and_then(score) {
            let line = scores_json(&scores);
            bar.print(&format!(
                "update {}: WAR {:.4} UAR {:.4} IoU {:.3} NME {:.3}",
                state.updates, scores.war, scores.uar, scores.box_iou, scores.landmark_nme
            ));
            lines += &format!("{{\"update\":{},\"scores\":{line}}}\n", state.updates);
        }
        let watch = watched.as_ref().filter(|_| due).and_then(|held| Some(score(held)?.uar));
        if let Some(uar) = watch {
            lines += &format!("{{\"update\":{},\"held_out_uar\":{uar}}}\n", state.updates);
        }
        // A full disk must not end a run that still holds its state in memory.
        let _ = log.write_all(lines.as_bytes());
        watch
    };
    let Run { place, precision, workers, every: save_every, .. } = *args;
    let stop = crate::stop::on_signals()?;
    let setting = Setting { recipe, data, state_file: &state_file, save_every, workers, place, precision, stop };
    train(&setting, &mut state, &mut report)?;
    bar.finish();
    plot_losses(&log_file, &args.out.join("loss.svg"))?;
    let best = best_file(&state_file);
    if watched.is_some() && best.exists() {
        state = State::read(&best, &network)?;
        sayln!("the best held-out score came at update {}", state.updates);
    }
    let checkpoint = args.out.join("checkpoint.safetensors");
    // What it was last trained on is what it is good at.
    let size = recipe.phase.last().and_then(|p| p.size).unwrap_or(config.size);
    let trained = state.averaged(&NetworkConfig { size, ..config })?.with_labels(args.data.labels().labels());
    write_checkpoint(&checkpoint, &trained)?;
    Ok(checkpoint)
}

/// Says how many pictures of `test` are in `data`, too, under whatever names; `next` is what can be done.
fn warn_of_shared(data: &Stills, test: &Stills, next: &str) {
    match test.also_in(data) {
        Ok(shared) if shared.is_empty() => {}
        Ok(shared) => tell!(
            "warning: {} of {} test pictures are trained on, too: their scores say nothing of other pictures{next}",
            shared.len(),
            test.len()
        ),
        Err(unknown) => tell!("warning: test pictures may be trained on, too: {unknown}"),
    }
}

/// The persons that a recipe with a plateau scores on, and those that it trains on.
fn watched(recipe: &Recipe, data: &Stills) -> Result<(Option<Stills>, Stills)> {
    let Some(rule) = &recipe.plateau else { return Ok((None, data.clone())) };
    let (held, rest) = held_out(data, rule.held_out);
    if held.is_empty() || rest.is_empty() {
        bail!("plateau.held_out is {}: too few persons in this data for a share of them to score on", rule.held_out);
    }
    Ok((Some(data.select(&held)?), data.select(&rest)?))
}

fn scores_json(s: &Scores) -> serde_json::Value {
    serde_json::json!({
        "samples": s.samples, "war": s.war, "uar": s.uar, "recall": s.recall, "confusion": s.confusion,
        "box_iou": s.box_iou, "landmark_nme": s.landmark_nme,
    })
}

fn first_state(args: &Run<'_>, config: &NetworkConfig, network: &Network, file: &Path) -> Result<State> {
    if file.exists() {
        let state = State::read(file, network)?;
        sayln!("goes on at update {} from {}", state.updates, file.display());
        return Ok(state);
    }
    let checkpoint = match args.init {
        None => Checkpoint::random(config.clone(), args.recipe.seed)?,
        Some(path) => {
            let checkpoint = read_checkpoint(path)?;
            let named = || format!("--init {}", path.display());
            checkpoint.check_labels(args.data.labels().labels()).with_context(named)?;
            checkpoint
        }
    };
    // Positions are computed, so weights take any size.
    if (NetworkConfig { size: config.size, ..checkpoint.config.clone() }) != *config {
        let init = args.init.map(|path| path.display().to_string()).unwrap_or_default();
        let (preset, strategy, has) = (&args.recipe.preset, args.recipe.strategy, &checkpoint.config);
        bail!(
            "--init {init} is of strategy {}, {} classes, an encoder of {} x {} and decoders of {} x {}; the recipe's preset {preset} and \
             strategy {strategy} with {} classes are another network",
            has.strategy,
            has.classes,
            has.encoder.depth,
            has.encoder.width,
            has.decoder.layers,
            has.decoder.width,
            config.classes
        );
    }
    Ok(State::from_checkpoint(&checkpoint)?)
}

fn write_checkpoint(path: &Path, checkpoint: &Checkpoint) -> Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, checkpoint.to_bytes(StoredAs::F16)?)?;
    std::fs::rename(&partial, path).with_context(|| path.display().to_string())
}
