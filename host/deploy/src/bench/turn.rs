//! One turn inside the process of a setting.

use super::line::Turn;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Answers one clip; a stream has its own.
pub type Stream<'a> = Box<dyn FnMut() -> Result<(), String> + Send + 'a>;

/// Lets all streams run clips side by side until `at_least` is over; each ends with a whole clip, and runs at least one.
///
/// # Errors
/// The first failure of a stream.
pub fn turn(streams: &mut [Stream<'_>], at_least: Duration) -> Result<Turn, String> {
    let (cpu, begin) = (cpu_us(), Instant::now());
    let answers: Vec<Result<(Vec<u32>, u64), String>> = match streams {
        [one] => vec![clips(one, begin, at_least)],
        many => std::thread::scope(|scope| {
            let all: Vec<_> =
                many.iter_mut().map(|stream| scope.spawn(move || clips(stream, begin, at_least))).collect();
            all.into_iter().map(|t| t.join().unwrap_or_else(|_| Err("a stream panicked".to_owned()))).collect()
        }),
    };
    let mut turn = Turn { elapsed_us: us(begin.elapsed()), cpu_us: cpu_us() - cpu, ..Turn::default() };
    for answer in answers {
        let (wall_us, switches) = answer?;
        turn.wall_us.extend(wall_us);
        turn.switches += switches;
    }
    Ok(turn)
}

fn clips(stream: &mut Stream<'_>, begin: Instant, at_least: Duration) -> Result<(Vec<u32>, u64), String> {
    let (mut wall_us, switches) = (Vec::new(), involuntary_switches());
    while wall_us.is_empty() || begin.elapsed() < at_least {
        let clip = Instant::now();
        stream()?;
        wall_us.push(us(clip.elapsed()).min(u64::from(u32::MAX)) as u32);
    }
    Ok((wall_us, involuntary_switches().saturating_sub(switches)))
}

fn us(time: Duration) -> u64 {
    time.as_micros() as u64
}

/// Processor time of this process so far, microseconds.
pub fn cpu_us() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1000
}

/// How often this thread has lost its processor without giving it up; 0 where the system does not say.
fn involuntary_switches() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_run_side_by_side_and_end_with_a_clip() {
        let nap = |ms| {
            move || {
                std::thread::sleep(Duration::from_millis(ms));
                Ok(())
            }
        };
        let found = turn(&mut [Box::new(nap(30))], Duration::ZERO).unwrap();
        assert_eq!(found.wall_us.len(), 1);
        assert!(found.wall_us[0] >= 30_000 && found.elapsed_us >= 30_000, "{found:?}");
        let begin = Instant::now();
        let mut two: [Stream<'_>; 2] = [Box::new(nap(20)), Box::new(nap(40))];
        let found = turn(&mut two, Duration::from_millis(100)).unwrap();
        assert!(found.wall_us.len() >= 4 && found.elapsed_us >= 100_000, "{found:?}");
        // One after the other they would take as long as their clips together.
        let sum: u64 = found.wall_us.iter().map(|us| u64::from(*us)).sum();
        assert!(us(begin.elapsed()) < sum, "{found:?}");
    }

    #[test]
    fn a_stream_that_fails_ends_the_turn() {
        let mut two: [Stream<'_>; 2] = [Box::new(|| Ok(())), Box::new(|| Err("no answer".to_owned()))];
        assert_eq!(turn(&mut two, Duration::from_millis(1)), Err("no answer".to_owned()));
    }
}
