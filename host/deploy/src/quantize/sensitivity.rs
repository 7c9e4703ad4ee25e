//! What each layer alone costs in int8, and which ones are left in f32.

use super::{Job, QuantizeError, Step};
use crate::export::options;
use crate::tract::{Outputs, TractModel};
use mtcae_network::onnx::{Int8Layers, Quantizable, emit_int8};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Which layers are left in f32, beside those that are named.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Keep {
    /// None.
    #[default]
    None,
    /// The so many that alone move the logits most.
    Worst(usize),
    /// Those that alone move the logits by more than this: root mean square of the difference over that of the logits.
    Above(f32),
    /// As few as it takes, the worst ones first, until all others together move the logits by no more than this.
    Budget(f32),
}

impl Keep {
    /// Of layers with these `errors`, which ones stay in f32; in [`Keep::Budget`] that is not known from them alone: none.
    pub fn kept(self, errors: &[f32]) -> Vec<bool> {
        match self {
            Keep::None | Keep::Budget(_) => vec![false; errors.len()],
            Keep::Above(limit) => {
                errors.iter().map(|e| !matches!(e.partial_cmp(&limit), Some(o) if o.is_le())).collect()
            }
            Keep::Worst(n) => {
                let mut order: Vec<usize> = (0..errors.len()).collect();
                order.sort_by(|a, b| errors[*b].total_cmp(&errors[*a]));
                let mut kept = vec![false; errors.len()];
                order.into_iter().take(n).for_each(|i| kept[i] = true);
                kept
            }
        }
    }
}

/// Root mean square of `got - want` over that of `want`, of the logits of all clips together.
pub fn logits_apart(got: &[Outputs], want: &[Outputs]) -> f32 {
    let pairs = || got.iter().zip(want).flat_map(|(g, w)| g.logits.iter().zip(&w.logits));
    let apart: f64 = pairs().map(|(g, w)| f64::from(g - w).powi(2)).sum();
    let size: f64 = pairs().map(|(_, w)| f64::from(*w).powi(2)).sum();
    (apart / size.max(f64::MIN_POSITIVE)).sqrt() as f32
}

/// Which of `layers` stay in f32 so that the rest in int8 as `all` says moves the logits by no more than `limit`: as few as possible,
/// those of the largest `errors` first. Halves the number in question with each graph that it tries.
///
/// # Errors
/// When a graph cannot be written or run.
pub(super) fn fewest(
    job: &Job<'_>,
    layers: &[Quantizable],
    all: &Int8Layers,
    (errors, want): (&[f32], &[Outputs]),
    limit: f32,
    progress: &(dyn Fn(Step) + Sync),
) -> Result<Vec<bool>, QuantizeError> {
    // With none left in int8 it is the fp32 file: always enough.
    let (mut enough, mut too_few) = (layers.len(), None);
    let mut next = 0;
    loop {
        let kept = Keep::Worst(next).kept(errors);
        let names = layers.iter().zip(&kept).filter(|(_, kept)| !**kept).map(|(layer, _)| &layer.name);
        let int8: Int8Layers = names.filter_map(|name| Some((name.clone(), *all.get(name)?))).collect();
        progress(Step::Search(next));
        let model = TractModel::load(&emit_int8(job.checkpoint, &options(job.manifest), &int8)?)?;
        let got: Result<Vec<Outputs>, _> = job.probes().iter().map(|clip| model.run(clip)).collect();
        if logits_apart(&got?, want) <= limit {
            enough = next
        } else {
            too_few = Some(next)
        }
        let least = too_few.map_or(0, |n| n + 1);
        if least >= enough {
            return Ok(Keep::Worst(enough).kept(errors));
        }
        next = least + (enough - least) / 2;
    }
}

/// Error of the logits with each of `layers` alone in int8 as `all` says, in their order, found in `workers` threads.
///
/// # Errors
/// When a graph cannot be written or run.
pub(super) fn alone(
    job: &Job<'_>,
    layers: &[Quantizable],
    all: &Int8Layers,
    want: &[Outputs],
    progress: &(dyn Fn(Step) + Sync),
) -> Result<Vec<f32>, QuantizeError> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let one = |layer: &Quantizable| -> Result<f32, QuantizeError> {
        let only: Int8Layers = all.iter().filter(|(n, _)| **n == layer.name).map(|(n, a)| (n.clone(), *a)).collect();
        let model = TractModel::load(&emit_int8(job.checkpoint, &options(job.manifest), &only)?)?;
        let got: Result<Vec<Outputs>, _> = job.probes().iter().map(|clip| model.run(clip)).collect();
        Ok(logits_apart(&got?, want))
    };
    let worker = || -> Result<Vec<(usize, f32)>, QuantizeError> {
        let mut found = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(layer) = layers.get(i) else { return Ok(found) };
            found.push((i, one(layer)?));
            progress(Step::Layer(done.fetch_add(1, Ordering::Relaxed) + 1, layers.len()));
        }
    };
    let worker = &worker;
    let parts: Result<Vec<_>, _> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..job.workers.max(1)).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    let mut errors = vec![f32::INFINITY; layers.len()];
    parts?.into_iter().flatten().for_each(|(i, error)| errors[i] = error);
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_are_kept() {
        let errors = [0.1, 0.3, f32::NAN, 0.2];
        assert_eq!(Keep::None.kept(&errors), [false; 4]);
        assert_eq!(Keep::Worst(2).kept(&errors), [false, true, true, false]);
        assert_eq!(Keep::Worst(9).kept(&errors), [true; 4]);
        assert_eq!(Keep::Above(0.2).kept(&errors), [false, true, true, false]);
    }

    #[test]
    fn the_error_is_of_all_clips_together() {
        let answer = |logits: &[f32]| Outputs { boxes: None, landmarks: None, logits: logits.to_vec() };
        let want = [answer(&[3.0, 0.0]), answer(&[0.0, 4.0])];
        let got = [answer(&[3.0, 1.0]), answer(&[0.0, 4.0])];
        assert!((logits_apart(&got, &want) - 0.2).abs() < 1e-6);
        assert_eq!(logits_apart(&want, &want), 0.0);
    }
}
