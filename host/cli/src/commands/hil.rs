//! `mtcae hil`.

use crate::failure::Failure;
use crate::hil::{Chosen, bench};
use crate::known::known_boards;
use crate::say::{tell, verdict};
use crate::values::whole;
use crate::{boards, monitor, new_file};
use clap::ValueHint;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use mtcae_hil::{Kind, Progress, Run, Scenario, Settings, scenarios, suites};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Try a board, real or not: scenarios with faults, and a report of what passed, failed and was not tried
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  mtcae hil list                                        what each scenario needs and proves
  mtcae hil run --target local --quick                  processes of this machine, a few minutes
  mtcae hil run --target uml --quick                    a virtual board with a kernel of its own
  mtcae hil run --target serial:/dev/ttyUSB0 --out lab  a real board: lab/report.html, lab/junit.xml
  mtcae hil untried                                     what only real hardware can show")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    Run(Box<RunArgs>),
    List(ListArgs),
    Untried(UntriedArgs),
}

impl Args {
    /// Does what was asked for.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Run(args) => args.run(),
            Action::List(args) => show(&of(&args.suites), args.json),
            Action::Untried(_) => boards::print(&mtcae_hil::untried(&scenarios())),
        }
    }
}

/// List the scenarios: what each needs, what it proves, and how long it takes at most
#[derive(clap::Args)]
struct ListArgs {
    /// Only those of this suite; may be repeated
    #[arg(long = "suite", value_name = "NAME", value_parser = PossibleValuesParser::new(suites()))]
    suites: Vec<String>,
    /// Print one JSON object for each scenario (fields: host/hil/README.md)
    #[arg(long)]
    json: bool,
}

/// Print the page about what has never been tried on real hardware, made from the list of scenarios
#[derive(clap::Args)]
struct UntriedArgs {}

/// Run scenarios on a target, one after another
#[derive(clap::Args)]
#[command(after_help = "\
TARGET is local (the real daemon and launcher as processes of this machine, with files for a \
camera and a pseudo-terminal for a line), uml (the same under a Linux kernel of its own, with a \
camera, GPIO lines, a watchdog, a disk and a serial line of that kernel's; the kernel is built on \
the first run), qemu-arm64 (the same on an emulated arm64 processor, under a distribution's kernel; \
no time is held to anything there), serial:PORT[:BAUD] or tcp:HOST:PORT (a real board, which is \
only talked to). What a target cannot do is skipped, and named with the reason. Exit code 0:
nothing failed.

The same seed breaks the same things in the same order; when they happen depends on the machine.

Examples:
  mtcae hil run --target local --quick --junit junit.xml
  mtcae hil run --target local --suite update --seed 7
  mtcae hil run --target serial:/dev/ttyTHS1:921600 --model models/zoo/edge --out lab")]
struct RunArgs {
    /// The board, or what stands for one
    #[arg(long, value_name = "TARGET", value_hint = ValueHint::Other)]
    target: Kind,
    /// Only scenarios of this suite; may be repeated
    #[arg(long = "suite", value_name = "NAME", value_parser = PossibleValuesParser::new(suites()))]
    suites: Vec<String>,
    /// Only this scenario; may be repeated
    #[arg(long = "scenario", value_name = "NAME", value_hint = ValueHint::Other, value_parser = scenario)]
    scenarios: Vec<&'static str>,
    /// List the scenarios instead of running them
    #[arg(long)]
    list: bool,
    /// Few repetitions, and only the scenarios marked as quick
    #[arg(long)]
    quick: bool,
    /// The seed of all chance; any if not given, and it is printed
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, allow_negative_numbers = true, value_parser = whole::<u64>(0..=u64::MAX))]
    seed: Option<u64>,
    /// How long the soak lasts
    #[arg(long, value_name = "N", default_value_t = 10, allow_negative_numbers = true, value_parser = whole::<u64>(1..=10_080))]
    minutes: u64,
    /// Folder for report.html, junit.xml and run.json; those of an earlier run are replaced
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
    /// Write JUnit XML here
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    junit: Option<PathBuf>,
    /// Write the HTML page here
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    html: Option<PathBuf>,
    /// Print the run as a JSON object, or the list as one for each scenario (fields: host/hil/README.md)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    chosen: Chosen,
}

impl RunArgs {
    fn run(self) -> Result<(), Failure> {
        let wanted = self.wanted();
        if wanted.is_empty() {
            let names = |option: &str, names: &[&str]| {
                names.iter().map(|name| format!("{option} {name}")).collect::<Vec<_>>().join(", ")
            };
            let suites: Vec<&str> = self.suites.iter().map(String::as_str).collect();
            let (suites, scenarios) = (names("--suite", &suites), names("--scenario", &self.scenarios));
            let text =
                format!("no scenario is in both: {suites}, {scenarios}; `mtcae hil list` shows what is in which\n");
            clap::Error::raw(ErrorKind::ValueValidation, text).exit();
        }
        if self.list {
            return show(&wanted, self.json);
        }
        self.can_write()?;
        let mut bench = bench(&self.target, &self.chosen)?;
        let (known, evaluate) = (known_boards(), bench.evaluate());
        let stop = monitor::stop_tidily_on_signals()?;
        let settings = Settings {
            seed: self.seed.unwrap_or_else(any_seed),
            quick: self.quick,
            soak: Duration::from_secs(60 * self.minutes),
            evaluate: evaluate.as_deref(),
            known: &known,
            stop: Arc::clone(&stop),
        };
        // On the error output: a run takes long, and the standard output is for what comes of it.
        let mut follow = |progress: Progress<'_>| match progress {
            Progress::Begins(scenario) => tell!("...      {}", scenario.name),
            Progress::Ended(outcome) => tell!("{}", mtcae_hil::outcome_line(outcome)),
        };
        let run = mtcae_hil::run(&mut *bench.board, &wanted, &settings, &mut follow);
        self.write(&run)?;
        let printed = if self.json {
            boards::json_line(&mtcae_hil::json(&run))
        } else {
            boards::print(&format!("\n{}", mtcae_hil::summary(&run)))
        };
        verdict(printed, verdict_of(&run, stop.load(Ordering::Relaxed)))
    }

    fn wanted(&self) -> Vec<&'static Scenario> {
        let mut wanted = of(&self.suites);
        wanted.retain(|scenario| self.scenarios.is_empty() || self.scenarios.contains(&scenario.name));
        wanted
    }

    /// A run takes long: whether its reports can be written is found out first.
    fn can_write(&self) -> Result<(), Failure> {
        if let Some(folder) = &self.out {
            std::fs::create_dir_all(folder).map_err(|reason| Failure::Write { path: folder.clone(), reason })?;
            [JUNIT, HTML, JSON].into_iter().try_for_each(|name| new_file::can_replace(&folder.join(name)))?;
        }
        [&self.junit, &self.html].into_iter().flatten().try_for_each(|path| new_file::can_replace(path))
    }

    fn write(&self, run: &Run) -> Result<(), Failure> {
        if let Some(folder) = &self.out {
            std::fs::create_dir_all(folder).map_err(|reason| Failure::Write { path: folder.clone(), reason })?;
            new_file::replace(&folder.join(JUNIT), &mtcae_hil::junit(run))?;
            new_file::replace(&folder.join(HTML), &mtcae_hil::html(run))?;
            new_file::replace(&folder.join(JSON), &format!("{}\n", mtcae_hil::json(run)))?;
        }
        let wanted = [(&self.junit, mtcae_hil::junit as fn(&Run) -> String), (&self.html, mtcae_hil::html)];
        wanted
            .iter()
            .try_for_each(|(path, text)| path.as_ref().map_or(Ok(()), |path| new_file::replace(path, &text(run))))
    }
}

fn verdict_of(run: &Run, stopped: bool) -> Result<(), Failure> {
    if stopped {
        let help = "what was tried until then is above".to_owned();
        return Err(Failure::Hil { reason: "stopped by a signal".into(), help });
    }
    match run.counts() {
        (0, 0, _) => Err(Failure::Hil { reason: "nothing was tried".into(), help: NOTHING.into() }),
        (_, 0, _) => Ok(()),
        (_, failed, _) => {
            let help = format!("the reasons are above; `--seed {}` breaks the same things again", run.seed);
            let scenarios = if failed == 1 { "1 scenario" } else { &format!("{failed} scenarios") };
            Err(Failure::Hil { reason: format!("{scenarios} failed"), help })
        }
    }
}

/// The files in the folder of `--out`.
const JUNIT: &str = "junit.xml";
const HTML: &str = "report.html";
const JSON: &str = "run.json";

const NOTHING: &str = "every scenario was skipped; the reasons are above";

fn any_seed() -> u64 {
    // Short enough to be typed again.
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |time| time.as_secs() % 1_000_000)
}

fn scenario(name: &str) -> Result<&'static str, String> {
    let known = scenarios().into_iter().find(|scenario| scenario.name == name);
    known
        .map(|scenario| scenario.name)
        .ok_or_else(|| "no scenario has this name; `mtcae hil list` shows them".to_owned())
}

fn show(scenarios: &[&Scenario], json: bool) -> Result<(), Failure> {
    if !json {
        return boards::print(&mtcae_hil::list(scenarios));
    }
    scenarios.iter().try_for_each(|scenario| boards::json_line(&mtcae_hil::scenario_json(scenario)))
}

/// The scenarios of these suites; all when none is named.
fn of(names: &[String]) -> Vec<&'static Scenario> {
    let in_them = |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.suite);
    scenarios().into_iter().filter(in_them).collect()
}
