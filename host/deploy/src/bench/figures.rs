//! What the turns of a setting come to.

use super::Setting;
use super::line::Turn;
use mtcae_contract::Precision;

/// What was seen of one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// What ran.
    pub setting: Setting,
    /// Time to load the model, each start, milliseconds.
    pub load_ms: Vec<f64>,
    /// Time from the start of the process to its first answer, each start, milliseconds.
    pub first_ms: Vec<f64>,
    /// Processor time that it took for that, milliseconds.
    pub first_cpu_ms: Vec<f64>,
    /// What the engine says of itself.
    pub note: String,
    /// Its turns, without the one that warms up.
    pub turns: Vec<Turn>,
    /// The most memory its process has had, KiB; 0 when it did not come to its end.
    pub peak_kib: u64,
    /// Energy of the machine during its turns, joules, where the board reports it.
    pub joules: Option<f64>,
    /// Why it has no figures, or not all.
    pub failure: Option<String>,
}

/// The figures of one setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Clips that were run.
    pub clips: usize,
    /// The shortest time of a clip by the clock, milliseconds.
    pub best_ms: f64,
    /// Half of the clips take no longer, milliseconds by the clock.
    pub p50_ms: f64,
    /// Nine in ten take no longer.
    pub p90_ms: f64,
    /// Ninety-nine in a hundred take no longer.
    pub p99_ms: f64,
    /// Processor time of a clip, milliseconds: the median of the turns.
    pub cpu_ms: f64,
    /// Clips a second of all streams together: the median of the turns.
    pub clips_per_s: f64,
    /// Involuntary switches a second.
    pub switches_per_s: f64,
    /// Energy of a clip, joules, where the board reports it.
    pub joules: Option<f64>,
}

impl Run {
    /// Nothing seen yet.
    pub fn new(setting: Setting) -> Run {
        Run {
            setting,
            load_ms: Vec::new(),
            first_ms: Vec::new(),
            first_cpu_ms: Vec::new(),
            note: String::new(),
            turns: Vec::new(),
            peak_kib: 0,
            joules: None,
            failure: None,
        }
    }

    /// Its figures; `None` when no clip was run.
    pub fn figures(&self) -> Option<Figures> {
        let mut wall: Vec<f64> = self.turns.iter().flat_map(|t| &t.wall_us).map(|us| f64::from(*us) / 1e3).collect();
        wall.sort_by(f64::total_cmp);
        let elapsed_s: f64 = self.turns.iter().map(|t| t.elapsed_us as f64 / 1e6).sum();
        let each = |of: &dyn Fn(&Turn, f64) -> f64| -> Vec<f64> {
            let counted = self.turns.iter().filter(|t| !t.wall_us.is_empty());
            counted.map(|t| of(t, t.wall_us.len() as f64)).collect()
        };
        Some(Figures {
            clips: wall.len(),
            best_ms: *wall.first()?,
            p50_ms: share(&wall, 0.5),
            p90_ms: share(&wall, 0.9),
            p99_ms: share(&wall, 0.99),
            cpu_ms: median(each(&|t, clips| t.cpu_us as f64 / 1e3 / clips))?,
            clips_per_s: median(each(&|t, clips| clips * 1e6 / t.elapsed_us.max(1) as f64))?,
            switches_per_s: self.turns.iter().map(|t| t.switches as f64).sum::<f64>() / elapsed_s.max(1e-9),
            joules: self.joules.map(|joules| joules / wall.len() as f64),
        })
    }
}

/// The value that this share of `sorted` does not exceed (nearest rank).
fn share(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The middle one; the upper of two.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// What a setting is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The same model in ONNX Runtime, fp32, on the processor, with as many threads and streams.
    OnnxRuntime,
    /// Itself with one thread.
    OneThread,
}

/// The run among `runs` that run number `of` is compared with, when it is there and another one.
pub fn against(runs: &[Run], of: usize, what: Against) -> Option<usize> {
    let own = &runs.get(of)?.setting;
    let want = match what {
        Against::OnnxRuntime => Setting { engine: "cpu-ort".into(), precision: Precision::Fp32, ..own.clone() },
        Against::OneThread => Setting { threads: 1, ..own.clone() },
    };
    runs.iter().position(|run| run.setting == want).filter(|at| *at != of)
}

/// Ratio of a figure of run number `of` to the same of the run that it is compared with.
pub fn ratio(runs: &[Run], of: usize, what: Against, figure: &dyn Fn(&Figures) -> f64) -> Option<f64> {
    let other = runs[against(runs, of, what)?].figures()?;
    let ratio = figure(&runs.get(of)?.figures()?) / figure(&other);
    ratio.is_finite().then_some(ratio)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn run(engine: &str, precision: Precision, threads: usize, wall_us: &[u32]) -> Run {
        let setting = Setting { model: "tiny".into(), engine: engine.into(), precision, threads, streams: 1 };
        let elapsed_us = wall_us.iter().map(|us| u64::from(*us)).sum();
        let turn = Turn { wall_us: wall_us.to_vec(), cpu_us: elapsed_us / 2, elapsed_us, switches: 3 };
        Run {
            load_ms: vec![90.0, 80.0, 100.0],
            first_ms: vec![200.0],
            first_cpu_ms: vec![110.0],
            turns: vec![turn],
            peak_kib: 51_200,
            ..Run::new(setting)
        }
    }

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let wall: Vec<u32> = (1..=100).map(|i| i * 1000).collect();
        let figures = run("tract", Precision::Fp32, 1, &wall).figures().unwrap();
        let ends = (figures.best_ms, figures.p50_ms, figures.p90_ms, figures.p99_ms);
        assert_eq!(ends, (1.0, 50.0, 90.0, 99.0));
        assert_eq!((figures.clips, figures.cpu_ms), (100, 25.25));
        assert!((figures.clips_per_s - 19.8).abs() < 0.01 && (figures.switches_per_s - 0.594).abs() < 0.01);
        let one = run("tract", Precision::Fp32, 1, &[7000]).figures().unwrap();
        assert_eq!((one.p50_ms, one.p99_ms), (7.0, 7.0));
        assert_eq!(run("tract", Precision::Fp32, 1, &[]).figures(), None);
    }

    #[test]
    fn each_is_compared_with_its_own_kind() {
        use Precision::{Fp32, Int8};
        let runs = [
            run("tract", Fp32, 1, &[20_000]),
            run("tract", Fp32, 2, &[12_000]),
            run("tract", Int8, 1, &[5_000]),
            run("cpu-ort", Fp32, 1, &[10_000]),
        ];
        let p50 = |f: &Figures| f.p50_ms;
        assert_eq!(ratio(&runs, 0, Against::OnnxRuntime, &p50), Some(2.0));
        assert_eq!(ratio(&runs, 2, Against::OnnxRuntime, &p50), Some(0.5));
        assert_eq!(ratio(&runs, 1, Against::OnnxRuntime, &p50), None, "none with two threads");
        assert_eq!(ratio(&runs, 1, Against::OneThread, &p50), Some(0.6));
        assert_eq!(ratio(&runs, 3, Against::OnnxRuntime, &p50), None, "it is that one");
    }
}
