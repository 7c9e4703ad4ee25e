//! What the machine under the daemon says: memory, temperature, the wall clock, a little chance.

use mtcae_core::Heat;
use mtcae_wire::Condition;
use rustix::fs::StatVfsMountFlags;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// 2024-01-01 in Unix microseconds: a clock before it has never been set.
const PLAUSIBLE_UNIX_US: u64 = 1_704_067_200_000_000;
/// 2200-01-01; a time after it is a mistake of the sender.
const LATEST_UNIX_US: u64 = 7_258_118_400_000_000;

/// Less than a bundle with a model takes, bytes.
const LITTLE_ROOM: u64 = 256 << 20;
/// Processors of boards slow down from about here on, degrees Celsius.
const HOT_C: f32 = 80.0;
/// They switch themselves off soon after, degrees Celsius.
const TOO_HOT_C: f32 = 95.0;
/// Below this a board that was hot may work more again, degrees Celsius.
const COOL_C: f32 = 75.0;
/// Zones and coolers looked at, at most.
const MOST_THERMAL: usize = 256;

/// Resident memory of this process, KiB; 0 where `/proc` does not say.
pub(crate) fn rss_kib() -> u32 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    (pages * rustix::param::page_size() as u64 / 1024).min(u64::from(u32::MAX)) as u32
}

/// What the sensors and the coolers below `folder` (Linux's `/sys/class/thermal`) say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Thermal {
    /// The hottest zone, degrees Celsius, when there is a sensor.
    pub celsius: Option<f32>,
    /// The system slows processors down because of the heat.
    pub slowed: bool,
}

/// Reads all zones and coolers.
pub(crate) fn thermal(folder: &str) -> Thermal {
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MOST_THERMAL).flatten();
    let mut thermal = Thermal { celsius: None, slowed: false };
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let read = |file: &str| std::fs::read_to_string(path.join(file)).ok();
        let number = |file: &str| read(file)?.trim().parse::<i32>().ok();
        let name = name.to_string_lossy();
        if name.starts_with("thermal_zone") {
            if read("type").is_some_and(|kind| is_no_thermometer(&kind)) {
                continue;
            }
            let celsius = number("temp").map(|milli| milli as f32 / 1000.0).filter(|c| (-60.0..200.0).contains(c));
            thermal.celsius = thermal.celsius.into_iter().chain(celsius).reduce(f32::max);
        } else if name.starts_with("cooling_device") {
            let slows = read("type").is_some_and(|kind| slows_down(&kind));
            thermal.slowed |= slows && number("cur_state").is_some_and(|state| state > 0);
        }
    }
    thermal
}

/// The power chip of older Jetsons says 100 degrees, always.
fn is_no_thermometer(kind: &str) -> bool {
    kind.trim().eq_ignore_ascii_case("PMIC-Die")
}

/// Whether a cooler of this kind cools by having a processor do less. Others are at work without any heat: a fan that turns, the
/// dimmed light of a screen (`LCD`), a set limit (`TCC Offset`).
fn slows_down(kind: &str) -> bool {
    let kind = kind.trim().to_lowercase();
    ["cpufreq", "devfreq", "throttle", "powerclamp", "cpuidle"].iter().any(|part| kind.contains(part))
        || kind == "processor"
}

impl Thermal {
    /// How hot the board is, all taken together.
    pub fn heat(&self) -> Heat {
        match self.celsius {
            Some(c) if c >= TOO_HOT_C => Heat::Critical,
            Some(c) if c >= HOT_C => Heat::Hot,
            _ if self.slowed => Heat::Hot,
            Some(c) if c >= COOL_C => Heat::Warm,
            _ => Heat::Cool,
        }
    }

    /// The same for a status.
    pub fn condition(&self) -> Condition {
        match (self.heat(), self.celsius) {
            (Heat::Critical, _) => Condition::Bad,
            (Heat::Hot, _) => Condition::Strained,
            (_, None) => Condition::Unknown,
            (Heat::Cool | Heat::Warm, Some(_)) => Condition::Good,
        }
    }
}

/// How the disk is that holds `folder`: bad when it cannot be written, strained when there is no room for a bundle.
pub(crate) fn storage(folder: &str) -> Condition {
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Condition::Bad };
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Condition::Bad;
    }
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < LITTLE_ROOM { Condition::Strained } else { Condition::Good }
}

/// Seconds since 1970 by the machine's wall clock, when that has been set.
pub(crate) fn unix_s() -> Option<u64> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_micros();
    let unix = u64::try_from(unix).ok()?;
    (PLAUSIBLE_UNIX_US..LATEST_UNIX_US).contains(&unix).then_some(unix / 1_000_000)
}

/// What to add to the board's time `now` to get Unix time, when the machine's wall clock has been set.
pub(crate) fn unix_offset_us(now: u64) -> Option<i64> {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_micros();
    offset_from_unix(u64::try_from(unix).ok()?, now)
}

/// The offset that makes `unix_us` the time at `now`; `None` when that is no time of today's world.
pub(crate) fn offset_from_unix(unix_us: u64, now: u64) -> Option<i64> {
    let plausible = (PLAUSIBLE_UNIX_US..LATEST_UNIX_US).contains(&unix_us);
    plausible.then(|| i64::try_from(unix_us).ok()?.checked_sub(i64::try_from(now).ok()?)).flatten()
}

/// A number that differs from one start to the next.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_and_numbers_differ() {
        assert!(rss_kib() > 500, "{}", rss_kib());
        assert_ne!(random(), random());
        let here = thermal("/sys/class/thermal");
        assert!(here.celsius.is_none_or(|c| c > -60.0));
    }

    #[test]
    fn parts_are_judged() {
        let dir = tempfile::tempdir().unwrap();
        assert!(storage(dir.path().to_str().unwrap()) >= Condition::Good);
        assert_eq!(storage("/nowhere/at/all"), Condition::Bad);
    }

    #[test]
    fn the_hottest_zone_and_a_cooler_at_work_count() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        let write = |name: &str, file: &str, text: &str| {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join(file), text).unwrap();
        };
        assert_eq!((thermal(folder).heat(), thermal(folder).condition()), (Heat::Cool, Condition::Unknown));
        write("thermal_zone0", "temp", "41500\n");
        write("thermal_zone1", "temp", "78250\n");
        write("thermal_zone2", "temp", "broken\n");
        write("thermal_zone3", "temp", "-256000\n");
        write("thermal_zone4", "temp", "100000\n");
        write("thermal_zone4", "type", "PMIC-Die\n");
        write("cooling_device0", "type", "pwm-fan\n");
        write("cooling_device0", "cur_state", "3\n");
        assert_eq!(thermal(folder), Thermal { celsius: Some(78.25), slowed: false });
        assert_eq!((thermal(folder).heat(), thermal(folder).condition()), (Heat::Warm, Condition::Good));
        for idle in ["LCD", "TCC Offset", "iwlwifi_1"] {
            write("cooling_device1", "type", &format!("{idle}\n"));
            write("cooling_device1", "cur_state", "4\n");
            assert!(!thermal(folder).slowed, "{idle}");
        }
        for slow in ["Processor", "intel_powerclamp", "devfreq-17000000.gpu", "cpu-throttle-alert"] {
            write("cooling_device1", "type", &format!("{slow}\n"));
            assert!(thermal(folder).slowed, "{slow}");
        }
        write("cooling_device1", "type", "cpufreq-cpu0\n");
        write("cooling_device1", "cur_state", "2\n");
        assert_eq!((thermal(folder).heat(), thermal(folder).condition()), (Heat::Hot, Condition::Strained));
        write("thermal_zone1", "temp", "97000\n");
        assert_eq!((thermal(folder).heat(), thermal(folder).condition()), (Heat::Critical, Condition::Bad));
    }

    #[test]
    fn only_plausible_times_are_taken() {
        assert_eq!(offset_from_unix(1_764_000_000_000_000, 5), Some(1_763_999_999_999_995));
        for wrong in [0, 5, PLAUSIBLE_UNIX_US - 1, LATEST_UNIX_US, u64::MAX] {
            assert_eq!(offset_from_unix(wrong, 5), None, "{wrong}");
        }
    }
}
