//! Time of a clip in tract, of several files side by side.

use crate::error::ExportError;
use crate::tract::TractModel;
use rustix::time::{ClockId, clock_gettime};

/// Median processor time of one clip in each of `models`, milliseconds; they take turns, so that a busy machine treats them
/// alike.
///
/// # Errors
/// When one does not run.
pub fn side_by_side(models: &[&TractModel], clip: &[u8], rounds: usize) -> Result<Vec<f64>, ExportError> {
    let mut times = vec![Vec::with_capacity(rounds); models.len()];
    // The first run of each fills its caches.
    for model in models {
        model.run(clip)?;
    }
    for _ in 0..rounds.max(1) {
        for (model, times) in models.iter().zip(&mut times) {
            let begin = thread_ms();
            model.run(clip)?;
            times.push(thread_ms() - begin);
        }
    }
    Ok(times
        .into_iter()
        .map(|mut t| {
            t.sort_by(f64::total_cmp);
            t[t.len() / 2]
        })
        .collect())
}

/// This thread's time on a processor so far; tract works on it alone.
fn thread_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}
