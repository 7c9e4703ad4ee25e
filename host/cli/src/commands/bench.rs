//! `mtcae bench`.

use super::bench_engine::EngineWord;
use crate::boards;
use crate::failure::{Failure, sentence};
use crate::monitor::stop_on_signals;
use crate::say::{tell, verdict};
use crate::values::whole;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, ValueHint};
use indicatif::{ProgressBar, ProgressStyle};
use mtcae_contract::Precision;
use mtcae_deploy::bench::{self, Machine, Plan, PowerMeter, Run, Setting, Step};
use mtcae_deploy::read_manifest;
use mtcae_drivers::find_onnxruntime;
use mtcae_network::{Checkpoint, NetworkConfig};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Between two looks whether a signal came.
const LOOK: Duration = Duration::from_millis(50);
/// Where ONNX Runtime's own tools look for the library.
const LIBRARY: &str = "ORT_DYLIB_PATH";

/// Time engines side by side: clips, processor time, memory, load, energy
#[derive(clap::Args)]
#[command(group(ArgGroup::new("measured").args(["models", "presets"]).required(true).multiple(true)))]
#[command(after_help = "\
Each engine, number format, number of threads and of streams has a process of its own. They are \
loaded, warmed up, and then take turns, one turn each in a round, so that a busy machine treats them \
alike. `x ORT` is the ratio to ONNX Runtime, fp32, on the processor, with as many threads and \
streams: of processor time, and of the median by the clock. `first ms` is the time from the start of \
the process to the first answer, `first CPU` the processor time of that. Without --engines: tract, \
and ONNX Runtime where it is found. A folder that lists int8 alone, as those in models/zoo, has no \
ratio, as nothing of it runs in fp32: --preset edge --precision fp32,int8 has one.

Examples:
  mtcae bench models/zoo/edge
  mtcae bench --preset edge --precision fp32,int8
  mtcae bench models/zoo/edge --engines tract,cpu-ort --threads 1,2 --streams 1,2 --plot edge.svg
  mtcae bench --preset small --size 112 --preset tiny:112 --precision fp32,int8 --rounds 20")]
pub struct Args {
    /// Model folders
    #[arg(value_name = "MODEL", value_hint = ValueHint::DirPath)]
    models: Vec<PathBuf>,
    /// A network of this preset with random weights; may be given again, and with a size of its own, as in small:224
    #[arg(long = "preset", value_name = "NAME[:SIZE]")]
    presets: Vec<Preset>,
    /// Side of the frames of presets that say none, in place of the preset's own
    #[arg(long, value_name = "PIXELS", requires = "presets", allow_negative_numbers = true, value_parser = whole::<usize>(1..=4096))]
    size: Option<usize>,
    /// Folder in which models of presets are kept, in place of one that is gone afterwards; one that is there is used again
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    keep: Option<PathBuf>,
    /// Engines, with commas between: tract, cpu-ort, cuda, tensorrt
    #[arg(long, value_name = "NAMES", value_delimiter = ',', hide_possible_values = true)]
    engines: Vec<EngineWord>,
    /// Number formats, with commas between: fp32, fp16, int8; else those that a model folder lists, and fp32 of presets
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = precision(), hide_possible_values = true)]
    precision: Vec<Precision>,
    /// Threads that work on one clip, with commas between
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1", allow_negative_numbers = true, value_parser = whole::<u16>(1..=64))]
    threads: Vec<u16>,
    /// Clips at once, each in an engine of its own, with commas between
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', default_value = "1", allow_negative_numbers = true, value_parser = whole::<u16>(1..=64))]
    streams: Vec<u16>,
    /// Turns of each
    #[arg(long, value_name = "N", default_value_t = 10, allow_negative_numbers = true, value_parser = whole::<u16>(1..=10_000))]
    rounds: u16,
    /// Time of one turn; it ends with a clip
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5, allow_negative_numbers = true, value_parser = seconds)]
    seconds: f64,
    /// Starts of each process, of which the medians of `load` and `first` are
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = whole::<u16>(1..=100))]
    starts: u16,
    /// ONNX Runtime's library; else where ORT_DYLIB_PATH points, else in the usual folders
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    onnxruntime: Option<PathBuf>,
    /// Write a picture of the figures, an SVG
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    plot: Option<PathBuf>,
    /// Print the table in Markdown
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// A model and where it is.
struct Candidate {
    name: String,
    folder: PathBuf,
    precisions: Vec<Precision>,
}

/// A preset, and the side of its frames in pixels where that is said.
#[derive(Clone)]
struct Preset {
    name: String,
    size: Option<usize>,
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, size) = text.split_once(':').map_or((text, None), |(name, size)| (name, Some(size)));
        NetworkConfig::preset(name).map_err(|error| error.to_string())?;
        let pixels = |size: &str| size.parse().map_err(|_| format!("the size {size:?} is no number of pixels"));
        Ok(Self { name: name.to_owned(), size: size.map(pixels).transpose()? })
    }
}

impl Args {
    /// Measures and prints.
    pub fn run(self) -> Result<(), Failure> {
        // A signal ends this in order: the models of presets go with it.
        let stop = stop_on_signals()?;
        let made = tempfile::tempdir().map_err(|reason| Failure::System { what: "make a folder", reason })?;
        let candidates = self.candidates(self.keep.as_deref().unwrap_or(made.path()), &stop)?;
        let given = self.onnxruntime.clone().or_else(|| std::env::var_os(LIBRARY).map(PathBuf::from));
        let library = find_onnxruntime(given.as_deref());
        let engines = match (self.engines.is_empty(), &library) {
            (false, _) => self.engines.clone(),
            (true, Ok(_)) => vec![EngineWord::Tract, EngineWord::CpuOrt],
            (true, Err(why)) => {
                tell!("only tract is measured: {why}");
                vec![EngineWord::Tract]
            }
        };
        let (settings, folders) = self.settings(&candidates, &engines);
        let program =
            std::env::current_exe().map_err(|reason| Failure::System { what: "find this program", reason })?;
        let plan = Plan {
            rounds: usize::from(self.rounds),
            turn: Duration::from_secs_f64(self.seconds),
            starts: usize::from(self.starts),
        };
        let load = Machine::look(None).load[1];
        let runs = measure(settings, plan, &stop, move |at, setting| {
            command(&program, setting, &folders[at], given.as_deref())
        })?;
        let machine = Machine { energy: PowerMeter::find(Path::new("/sys")).is_some(), ..Machine::look(Some(load)) };
        if let Some(path) = &self.plot {
            std::fs::write(path, bench::plot(&runs, &machine))
                .map_err(|reason| Failure::Write { path: path.clone(), reason })?;
        }
        let text = match self.json {
            true => format!("{}\n", json_text(&runs, &machine, plan)),
            false => bench::table(&runs, &machine, self.markdown),
        };
        verdict(boards::print(&text), verdict_of(&runs))
    }

    fn candidates(&self, made: &Path, stop: &AtomicBool) -> Result<Vec<Candidate>, Failure> {
        let mut all = Vec::new();
        for folder in &self.models {
            let refused = |e: mtcae_deploy::ExportError| Failure::Measure {
                reason: sentence(&e),
                help: "give a folder that `mtcae export` or `mtcae quantize` wrote".to_owned(),
            };
            let manifest = read_manifest(folder).map_err(refused)?;
            let name = format!("{} {} px", manifest.name, manifest.clip.size);
            let listed = manifest.artifacts.iter().map(|a| a.precision).collect();
            all.push(Candidate { name, folder: folder.clone(), precisions: listed });
        }
        for preset in &self.presets {
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::Stopped);
            }
            all.push(self.random(preset, made)?);
        }
        Ok(all)
    }

    /// A preset with random weights.
    fn random(&self, preset: &Preset, made: &Path) -> Result<Candidate, Failure> {
        let refused = |e: &dyn std::fmt::Display| Failure::Network(e.to_string());
        let Preset { name, size } = preset;
        let mut config = NetworkConfig::preset(name).map_err(|e| refused(&e))?;
        config.size = size.or(self.size).unwrap_or(config.size);
        let label = format!("{name} {} px", config.size);
        let folder = made.join(label.replace(' ', "-"));
        if !has(&folder, &self.precision) {
            std::fs::create_dir_all(&folder).map_err(|reason| Failure::Write { path: folder.clone(), reason })?;
            let checkpoint = Checkpoint::random(config, 1).map_err(|e| refused(&e))?;
            bench::random_model(&checkpoint, name, &self.precision, &folder).map_err(|e| refused(&e))?;
        }
        Ok(Candidate { name: label, folder, precisions: vec![Precision::Fp32] })
    }

    /// What is measured, and the folder of each.
    fn settings(&self, candidates: &[Candidate], engines: &[EngineWord]) -> (Vec<Setting>, Vec<PathBuf>) {
        let (mut settings, mut folders) = (Vec::new(), Vec::new());
        for candidate in candidates {
            let precisions = if self.precision.is_empty() { &candidate.precisions } else { &self.precision };
            for (precision, engine) in precisions.iter().flat_map(|p| engines.iter().map(move |e| (*p, e))) {
                for (threads, streams) in self.threads.iter().flat_map(|t| self.streams.iter().map(move |s| (*t, *s))) {
                    let setting = Setting {
                        model: candidate.name.clone(),
                        engine: engine.name().to_owned(),
                        precision,
                        threads: usize::from(threads),
                        streams: usize::from(streams),
                    };
                    if !settings.contains(&setting) {
                        settings.push(setting);
                        folders.push(candidate.folder.clone());
                    }
                }
            }
        }
        (settings, folders)
    }
}

/// Measures in a thread of its own, which a signal leaves behind: a turn, or the start of a large model, takes long. The
/// processes end by themselves when nobody gives them turns.
fn measure(
    settings: Vec<Setting>,
    plan: Plan,
    stop: &AtomicBool,
    command: impl Fn(usize, &Setting) -> Command + Send + 'static,
) -> Result<Vec<Run>, Failure> {
    let bar = progress_bar(&settings, plan);
    let (sender, done) = channel();
    let shown = bar.clone();
    let work = move || {
        let command =
            |setting: &Setting| command(settings.iter().position(|s| s == setting).unwrap_or_default(), setting);
        let runs = bench::run(&settings, plan, &command, &mut |step| show(&shown, &settings, step));
        // Nobody waits for it after a signal.
        let _ = sender.send(runs);
    };
    let thread = std::thread::Builder::new().name("bench".into()).spawn(work);
    thread.map_err(|reason| Failure::System { what: "start a thread", reason })?;
    let runs = loop {
        match done.recv_timeout(LOOK) {
            // A signal of the terminal ends the processes, too.
            _ if stop.load(Ordering::Relaxed) => break Err(Failure::Stopped),
            Ok(runs) => break Ok(runs),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let help = "please report this".to_owned();
                break Err(Failure::Measure { reason: "the bench panicked".to_owned(), help });
            }
        }
    };
    bar.finish_and_clear();
    runs
}

fn verdict_of(runs: &[Run]) -> Result<(), Failure> {
    let failed = runs.iter().filter(|run| run.failure.is_some()).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::Measure {
        reason: match runs.len() {
            1 => "the only setting has no figures".to_owned(),
            all => format!("{failed} of {all} settings {} no figures", if failed == 1 { "has" } else { "have" }),
        },
        help: "why is above; leave them out with `--engines` and `--precision`".to_owned(),
    })
}

/// Whether `folder` has a model in all of `precisions`.
fn has(folder: &Path, precisions: &[Precision]) -> bool {
    read_manifest(folder).is_ok_and(|m| precisions.iter().all(|p| m.artifact(*p).is_some()))
}

/// Takes a number format by its name.
pub(super) fn precision() -> impl TypedValueParser<Value = Precision> {
    PossibleValuesParser::new(["fp32", "fp16", "int8"]).map(|word| match word.as_str() {
        "fp16" => Precision::Fp16,
        "int8" => Precision::Int8,
        _ => Precision::Fp32,
    })
}

fn name(precision: Precision) -> &'static str {
    match precision {
        Precision::Fp32 => "fp32",
        Precision::Fp16 => "fp16",
        Precision::Int8 => "int8",
    }
}

fn seconds(word: &str) -> Result<f64, String> {
    let time = word.parse().ok().filter(|s: &f64| (0.0..=600.0).contains(s));
    time.ok_or_else(|| "accepted: 0 to 600".to_owned())
}

/// This program as the process of one setting.
fn command(program: &Path, setting: &Setting, folder: &Path, library: Option<&Path>) -> Command {
    let mut command = Command::new(program);
    command.args(["bench-engine", "--engine", &setting.engine, "--precision", name(setting.precision)]);
    command.args(["--threads", &setting.threads.to_string(), "--streams", &setting.streams.to_string()]);
    if let Some(library) = library {
        command.arg("--onnxruntime").arg(library);
    }
    command.arg("--").arg(folder);
    command
}

fn progress_bar(settings: &[Setting], plan: Plan) -> ProgressBar {
    let bar = ProgressBar::new((settings.len() * (plan.rounds + 1)) as u64);
    // A template that is not one leaves the style of the library.
    match ProgressStyle::with_template("{msg:46} {bar:24} {pos} of {len} turns, {eta} left") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, settings: &[Setting], step: Step) {
    let (Step::Start(i) | Step::Turn(_, i)) = step;
    let s = &settings[i];
    let doing = if matches!(step, Step::Start(_)) { "starting " } else { "" };
    bar.set_message(format!("{doing}{}, {} {}", s.model, s.engine, name(s.precision)));
    bar.set_position(match step {
        Step::Start(i) => i as u64,
        Step::Turn(round, i) => ((round + 1) * settings.len() + i) as u64,
    });
}

fn json_text(runs: &[Run], machine: &Machine, plan: Plan) -> Value {
    use bench::{Against, ratio};
    let one = |(i, run): (usize, &Run)| {
        let s = &run.setting;
        let figures = run.figures().map(|f| {
            json!({
                "clips": f.clips, "best_ms": f.best_ms, "p50_ms": f.p50_ms, "p90_ms": f.p90_ms, "p99_ms": f.p99_ms,
                "cpu_ms": f.cpu_ms, "clips_per_s": f.clips_per_s, "switches_per_s": f.switches_per_s, "joules": f.joules,
                "cpu_against_ort": ratio(runs, i, Against::OnnxRuntime, &|f| f.cpu_ms),
                "p50_against_ort": ratio(runs, i, Against::OnnxRuntime, &|f| f.p50_ms),
                "p50_against_one_thread": ratio(runs, i, Against::OneThread, &|f| f.p50_ms),
            })
        });
        json!({
            "model": s.model, "engine": s.engine, "precision": name(s.precision), "threads": s.threads,
            "streams": s.streams, "note": run.note, "load_ms": run.load_ms, "first_ms": run.first_ms,
            "first_cpu_ms": run.first_cpu_ms,
            "peak_kib": run.peak_kib, "figures": figures, "failure": run.failure,
        })
    };
    json!({
        "machine": {
            "processor": machine.processor, "cores": machine.cores, "load_before": machine.load[0],
            "load_after": machine.load[1], "busy": machine.is_busy(runs), "energy": machine.energy,
        },
        "rounds": plan.rounds, "turn_s": plan.turn.as_secs_f64(),
        "runs": runs.iter().enumerate().map(one).collect::<Vec<_>>(),
    })
}
