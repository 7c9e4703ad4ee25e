//! Energy, where the machine reports it: Intel's and AMD's counters, or the power sensors of a Jetson.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Time between two looks at a sensor of power.
const LOOK: Duration = Duration::from_millis(20);

/// Adds up the energy of the machine.
pub struct PowerMeter {
    kind: Kind,
}

enum Kind {
    /// Counters of microjoules that start again at their largest value.
    Counters(Vec<Counter>),
    /// Sensors of volts and amperes, read all the time.
    Sensors { millijoules: Arc<AtomicU64>, stop: Arc<AtomicBool>, reader: Option<JoinHandle<()>> },
}

struct Counter {
    path: PathBuf,
    range: u64,
    /// The value last read, and the sum so far.
    seen: std::sync::Mutex<(u64, u64)>,
}

/// A sensor's two files, millivolts and milliamperes.
type Rail = (PathBuf, PathBuf);

impl PowerMeter {
    /// Looks below `sys`, which is `/sys`; `None` where nothing can be read.
    pub fn find(sys: &Path) -> Option<PowerMeter> {
        let counters = counters(sys);
        if !counters.is_empty() {
            return Some(PowerMeter { kind: Kind::Counters(counters) });
        }
        let rails = rails(sys);
        if rails.is_empty() {
            return None;
        }
        let (millijoules, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (sum, end) = (Arc::clone(&millijoules), Arc::clone(&stop));
        let reader = std::thread::spawn(move || add_up(&rails, &sum, &end));
        Some(PowerMeter { kind: Kind::Sensors { millijoules, stop, reader: Some(reader) } })
    }

    /// Joules since it was made.
    pub fn joules(&self) -> f64 {
        match &self.kind {
            Kind::Counters(counters) => counters.iter().map(Counter::microjoules).sum::<u64>() as f64 / 1e6,
            Kind::Sensors { millijoules, .. } => millijoules.load(Ordering::Relaxed) as f64 / 1e3,
        }
    }
}

impl Drop for PowerMeter {
    fn drop(&mut self) {
        if let Kind::Sensors { stop, reader, .. } = &mut self.kind {
            stop.store(true, Ordering::Relaxed);
            if let Some(reader) = reader.take() {
                let _ = reader.join();
            }
        }
    }
}

fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    all.sort();
    all
}

/// The packages of RAPL; their parts are in them.
fn counters(sys: &Path) -> Vec<Counter> {
    let packages = folders(&sys.join("class/powercap")).into_iter().filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("intel-rapl:") && name.matches(':').count() == 1
    });
    let counter = |folder: PathBuf| {
        let path = folder.join("energy_uj");
        let (now, range) = (number(&path)?, number(&folder.join("max_energy_range_uj"))?);
        Some(Counter { path, range, seen: std::sync::Mutex::new((now, 0)) })
    };
    packages.filter_map(counter).collect()
}

impl Counter {
    fn microjoules(&self) -> u64 {
        let mut seen = self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(now) = number(&self.path) {
            let since = if now >= seen.0 { now - seen.0 } else { self.range.saturating_sub(seen.0) + now };
            *seen = (now, seen.1 + since);
        }
        seen.1
    }
}

/// The rail of the whole board, else all rails, of each INA sensor.
fn rails(sys: &Path) -> Vec<Rail> {
    let mut all = Vec::new();
    for folder in folders(&sys.join("class/hwmon")) {
        let name = std::fs::read_to_string(folder.join("name")).unwrap_or_default();
        if !name.trim().starts_with("ina") {
            continue;
        }
        let mut here = Vec::new();
        for channel in 1..=4 {
            let rail: Rail = (folder.join(format!("in{channel}_input")), folder.join(format!("curr{channel}_input")));
            if number(&rail.0).is_none() || number(&rail.1).is_none() {
                continue;
            }
            let label = std::fs::read_to_string(folder.join(format!("in{channel}_label"))).unwrap_or_default();
            if label.trim() == "VDD_IN" {
                return vec![rail];
            }
            here.push(rail);
        }
        all.extend(here);
    }
    all
}

fn add_up(rails: &[Rail], sum: &AtomicU64, stop: &AtomicBool) {
    let (mut last, mut millijoules) = (Instant::now(), 0.0);
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
        let milliwatts: f64 = rails.iter().filter_map(|(v, a)| Some(number(v)? as f64 * number(a)? as f64 / 1e3)).sum();
        millijoules += milliwatts * last.elapsed().as_secs_f64();
        last = Instant::now();
        sum.store(millijoules as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn a_machine_without_meters_has_none() {
        let sys = tempfile::tempdir().unwrap();
        assert!(PowerMeter::find(sys.path()).is_none());
        write(&sys.path().join("class/hwmon/hwmon0/name"), "coretemp\n");
        write(&sys.path().join("class/hwmon/hwmon0/in1_input"), "5000\n");
        write(&sys.path().join("class/hwmon/hwmon0/curr1_input"), "2000\n");
        assert!(PowerMeter::find(sys.path()).is_none());
    }

    #[test]
    fn counters_go_round() {
        let sys = tempfile::tempdir().unwrap();
        let package = sys.path().join("class/powercap/intel-rapl:0");
        write(&package.join("max_energy_range_uj"), "10000000\n");
        write(&package.join("energy_uj"), "9000000\n");
        // A part of the package is not counted again.
        write(&sys.path().join("class/powercap/intel-rapl:0:0/energy_uj"), "5\n");
        let meter = PowerMeter::find(sys.path()).unwrap();
        assert_eq!(meter.joules(), 0.0);
        write(&package.join("energy_uj"), "9500000\n");
        assert_eq!(meter.joules(), 0.5);
        write(&package.join("energy_uj"), "1000000\n");
        assert_eq!(meter.joules(), 2.0);
    }

    #[test]
    fn sensors_of_power_are_added_up() {
        let sys = tempfile::tempdir().unwrap();
        let ina = sys.path().join("class/hwmon/hwmon3");
        write(&ina.join("name"), "ina3221\n");
        for (channel, label, volts) in [(1, "VDD_IN", "5000"), (2, "VDD_CPU_GPU_CV", "4000")] {
            write(&ina.join(format!("in{channel}_label")), label);
            write(&ina.join(format!("in{channel}_input")), volts);
            write(&ina.join(format!("curr{channel}_input")), "2000");
        }
        let begin = Instant::now();
        let meter = PowerMeter::find(sys.path()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        // Ten watts: the rail of the whole board, not the sum of it and its parts.
        let (joules, most) = (meter.joules(), begin.elapsed().as_secs_f64() * 10.0);
        assert!(joules > 1.0 && joules <= most, "{joules} of {most}");
    }
}
