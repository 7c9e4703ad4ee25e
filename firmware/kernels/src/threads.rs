//! Rows of a result, shared among tract's threads.

use rayon::prelude::*;
use std::ops::Range;
use tract_linalg::multithread::{Executor, current_tract_executor};

/// Fewer multiply-adds than this are not worth waking a thread for.
const WORTH_IT: usize = 200_000;

/// Runs `work` on `count` things, cut into ranges that start at multiples of `step`; several at once when there are threads and
/// `cost`, in multiply-adds, is worth it.
pub(crate) fn share(count: usize, step: usize, cost: usize, work: impl Fn(Range<usize>) + Sync) {
    let threads = match (cost > WORTH_IT).then(current_tract_executor) {
        Some(Executor::MultiThread(pool)) => pool.current_num_threads().max(1),
        _ => 1,
    };
    let steps = count.div_ceil(step.max(1));
    if threads == 1 || steps < 2 {
        return work(0..count);
    }
    // Two parts for each thread, so that one that is held up does not hold up all; all of one size, or one step more.
    let parts = steps.min(2 * threads);
    let start = |part: usize| count.min(steps * part / parts * step);
    let run = || (0..parts).into_par_iter().for_each(|i| work(start(i)..start(i + 1)));
    match current_tract_executor() {
        Executor::MultiThread(pool) => pool.install(run),
        _ => run(),
    }
}
