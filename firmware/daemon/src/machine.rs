//! What the machine under the daemon says: memory, temperature, the wall clock, a little chance.

use mtcae_wire::Condition;
use rustix::fs::StatVfsMountFlags;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// 2024-01-01 in Unix microseconds: a clock before it has never been set.
const PLAUSIBLE_UNIX_US: u64 = 1_704_067_200_000_000;
/// 2200-01-01; a time after it is a mistake of the sender.
const LATEST_UNIX_US: u64 = 7_258_118_400_000_000;

/// Less than a bundle with a model takes, bytes.
const LITTLE_ROOM: u64 = 64 << 20;
/// Processors of boards slow down from about here on, degrees Celsius.
const HOT_C: f32 = 80.0;
/// They switch themselves off soon after, degrees Celsius.
const TOO_HOT_C: f32 = 95.0;

/// Resident memory of this process, KiB; 0 where `/proc` does not say.
pub(crate) fn rss_kib() -> u32 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
    (pages * rustix::param::page_size() as u64 / 1024).min(u64::from(u32::MAX)) as u32
}

/// The hottest thermal zone, degrees Celsius, when there is a sensor.
pub(crate) fn temperature_c() -> Option<f32> {
    let zones = std::fs::read_dir("/sys/class/thermal").ok()?;
    let read = |zone: std::fs::DirEntry| std::fs::read_to_string(zone.path().join("temp")).ok();
    let degrees = |text: String| text.trim().parse::<i32>().ok().map(|milli| milli as f32 / 1000.0);
    let hottest = zones.take(64).flatten().filter_map(read).filter_map(degrees);
    hottest.filter(|c| (-60.0..200.0).contains(c)).max_by(f32::total_cmp)
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

/// How hot `celsius` is.
pub(crate) fn heat(celsius: Option<f32>) -> Condition {
    match celsius {
        None => Condition::Unknown,
        Some(c) if c >= TOO_HOT_C => Condition::Bad,
        Some(c) if c >= HOT_C => Condition::Strained,
        Some(_) => Condition::Good,
    }
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
        assert!(temperature_c().is_none_or(|c| c > -60.0));
    }

    #[test]
    fn parts_are_judged() {
        let dir = tempfile::tempdir().unwrap();
        assert!(storage(dir.path().to_str().unwrap()) >= Condition::Good);
        assert_eq!(storage("/nowhere/at/all"), Condition::Bad);
        assert_eq!([Some(40.0), Some(85.0), Some(99.0), None].map(heat), {
            use Condition::*;
            [Good, Strained, Bad, Unknown]
        });
    }

    #[test]
    fn only_plausible_times_are_taken() {
        assert_eq!(offset_from_unix(1_764_000_000_000_000, 5), Some(1_763_999_999_999_995));
        for wrong in [0, 5, PLAUSIBLE_UNIX_US - 1, LATEST_UNIX_US, u64::MAX] {
            assert_eq!(offset_from_unix(wrong, 5), None, "{wrong}");
        }
    }
}
