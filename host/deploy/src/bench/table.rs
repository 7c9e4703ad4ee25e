//! The figures as lines of text.

use super::figures::{Against, Figures, Run, median, ratio};
use mtcae_contract::Precision;
use std::fmt::Write;

/// How the machine was while it measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// Its processor.
    pub processor: String,
    /// Cores that may be used.
    pub cores: usize,
    /// Processes that were ready to run, on average over a minute, before and after.
    pub load: [f32; 2],
    /// Whether it reports energy.
    pub energy: bool,
}

/// A core that is taken away more often than this, a second, is shared with others.
const MANY_SWITCHES: f64 = 20.0;

impl Machine {
    /// Looks at the machine; `before` is its load then, if that was asked.
    pub fn look(before: Option<f32>) -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (cpu, load) = (read("/proc/cpuinfo"), read("/proc/loadavg"));
        let name = cpu.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
        let load = load.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
        Machine {
            processor: name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load: [before.unwrap_or(load), load],
            energy: false,
        }
    }

    /// Whether others wanted the processors, too. The bench itself adds one to the load for each thread.
    pub fn is_busy(&self, runs: &[Run]) -> bool {
        let threads = runs.iter().map(|r| r.setting.threads * r.setting.streams).max().unwrap_or(1);
        let others = self.load[0].max(self.load[1] - threads as f32);
        let switches = runs.iter().filter_map(Run::figures).map(|f| f.switches_per_s).fold(0.0, f64::max);
        others > 0.5 || switches > MANY_SWITCHES
    }
}

const HEAD: [&str; 16] = [
    "model",
    "engine",
    "file",
    "thr",
    "str",
    "best ms",
    "p50",
    "p90",
    "p99",
    "CPU ms",
    "clips/s",
    "x ORT CPU",
    "x ORT p50",
    "load ms",
    "first ms",
    "first CPU",
];

/// A table with a line for each setting, and what is to be known of it. `markdown` draws it for a README.
pub fn table(runs: &[Run], machine: &Machine, markdown: bool) -> String {
    let mut head: Vec<String> = HEAD.iter().map(|h| (*h).to_owned()).collect();
    head.push("peak MiB".into());
    if machine.energy {
        head.push("J/clip".into());
    }
    let mut rows = vec![head];
    rows.extend((0..runs.len()).map(|i| row(runs, i, machine.energy)));
    let mut text = aligned(&rows, markdown);
    for run in runs.iter().filter(|run| run.failure.is_some()) {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{} has no figures: {}", name(run), run.failure.as_deref().unwrap_or_default());
    }
    text += &scaling(runs);
    let _ = writeln!(
        text,
        "{}, {} cores, load {:.1} before and {:.1} after{}",
        machine.processor,
        machine.cores,
        machine.load[0],
        machine.load[1],
        if machine.energy { "" } else { "; energy: this machine reports none" }
    );
    if machine.is_busy(runs) {
        let most = runs.iter().filter_map(Run::figures).map(|f| f.switches_per_s).fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "the machine was busy (a core was taken away up to {most:.0} times a second): compare processor times and ratios, not times by the clock"
        );
    }
    text
}

fn name(run: &Run) -> String {
    let s = &run.setting;
    format!("{} in {}, {}, {} threads, {} streams", s.model, s.engine, precision(s.precision), s.threads, s.streams)
}

pub(super) fn precision(precision: Precision) -> &'static str {
    match precision {
        Precision::Fp32 => "fp32",
        Precision::Fp16 => "fp16",
        Precision::Int8 => "int8",
    }
}

fn row(runs: &[Run], i: usize, energy: bool) -> Vec<String> {
    let run = &runs[i];
    let s = &run.setting;
    let mut cells = vec![
        s.model.clone(),
        s.engine.clone(),
        precision(s.precision).to_owned(),
        s.threads.to_string(),
        s.streams.to_string(),
    ];
    let Some(f) = run.figures() else {
        cells.resize(HEAD.len() + 1 + usize::from(energy), "-".into());
        return cells;
    };
    let times = |figure: &dyn Fn(&Figures) -> f64| {
        ratio(runs, i, Against::OnnxRuntime, figure).map_or("-".to_owned(), |r| format!("{r:.2}"))
    };
    cells.extend([f.best_ms, f.p50_ms, f.p90_ms, f.p99_ms, f.cpu_ms, f.clips_per_s].map(digits));
    cells.extend([times(&|f| f.cpu_ms), times(&|f| f.p50_ms)]);
    cells.extend(
        [&run.load_ms, &run.first_ms, &run.first_cpu_ms].map(|ms| median(ms.clone()).map_or("-".into(), digits)),
    );
    cells.push((run.peak_kib / 1024).to_string());
    if energy {
        cells.push(f.joules.map_or("-".into(), |joules| format!("{joules:.3}")));
    }
    cells
}

/// Three digits that count.
fn digits(value: f64) -> String {
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$}")
}

fn aligned(rows: &[Vec<String>], markdown: bool) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for (i, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            // Names to the left, numbers to the right.
            if column < 3 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        });
        let cells: Vec<String> = cells.collect();
        text += &if markdown {
            format!("| {} |\n", cells.join(" | "))
        } else {
            format!("{}\n", cells.join("  ").trim_end())
        };
        if markdown && i == 0 {
            text += &format!("|{}\n", "---|".repeat(row.len()));
        }
    }
    text
}

/// How much faster more threads and more streams are.
fn scaling(runs: &[Run]) -> String {
    let mut text = String::new();
    for (i, run) in runs.iter().enumerate().filter(|(_, run)| run.setting.threads > 1) {
        let Some(slower) = ratio(runs, i, Against::OneThread, &|f| f.best_ms) else { continue };
        let by_half = ratio(runs, i, Against::OneThread, &|f| f.p50_ms).unwrap_or(slower);
        let s = &run.setting;
        let _ = writeln!(
            text,
            "{} in {}, {}: {} threads are {:.2} times as fast as one (best clip; {:.2} times by p50)",
            s.model,
            s.engine,
            precision(s.precision),
            s.threads,
            1.0 / slower,
            1.0 / by_half
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::run;
    use super::*;
    use Precision::{Fp32, Int8};

    fn quiet() -> Machine {
        Machine { processor: "a processor".into(), cores: 2, load: [0.1, 0.9], energy: false }
    }

    #[test]
    fn the_table_reads_well() {
        let mut failed = run("cuda", Fp32, 1, &[]);
        failed.failure = Some("there is no GPU".into());
        let runs = [
            run("tract", Fp32, 1, &[20_000, 22_000]),
            run("tract", Fp32, 2, &[11_000, 12_100]),
            run("tract", Int8, 1, &[5_000]),
            run("cpu-ort", Fp32, 1, &[10_000, 120_000]),
            failed,
        ];
        insta::assert_snapshot!(table(&runs, &quiet(), false));
        insta::assert_snapshot!(table(&runs[2..4], &Machine { energy: true, ..quiet() }, true));
    }

    #[test]
    fn a_busy_machine_is_said() {
        let calm = |machine: Machine| {
            let mut run = run("tract", Fp32, 1, &[1_000_000]);
            run.turns[0].switches = 0;
            !machine.is_busy(&[run])
        };
        assert!(calm(quiet()));
        assert!(!calm(Machine { load: [3.0, 1.0], ..quiet() }));
        assert!(!calm(Machine { load: [0.0, 2.0], ..quiet() }));
        assert!(quiet().is_busy(&[run("tract", Fp32, 1, &[1000])]), "3 switches in a millisecond are many");
        assert!(Machine::look(None).cores >= 1);
    }
}
