//! Figures of a running or finished daemon.

use crate::shared::{Shared, lock};
use mtcae_core::{OutboxCounts, PipelineCounts};
use mtcae_wire::{CameraState, Latencies, Percentiles, SinkState};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What happened since the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Time since the start.
    pub uptime: Duration,
    /// The engine that ran the model.
    pub engine: String,
    /// The camera's state.
    pub camera: CameraState,
    /// Frames a second lately.
    pub fps: f32,
    /// Frames, detections, clips, reports.
    pub counts: PipelineCounts,
    /// Frames skipped because they could not be decoded.
    pub bad_frames: u64,
    /// Times the camera was opened again.
    pub camera_reopened: u64,
    /// Time of each stage lately, as in a Status.
    pub latencies: Latencies,
    /// Time of a look at the whole picture lately.
    pub detect: Percentiles,
    /// Time of a cheap look at the followed face lately.
    pub follow: Percentiles,
    /// One for each sink, in the board file's order.
    pub sinks: Vec<SinkSummary>,
    /// Resident memory, KiB.
    pub rss_kib: u32,
    /// Most resident memory seen, KiB.
    pub rss_peak_kib: u32,
}

/// One sink's figures.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkSummary {
    /// The port or place.
    pub name: String,
    /// How it is.
    pub state: SinkState,
    /// Messages pushed, sent and dropped.
    pub counts: OutboxCounts,
    /// Messages waiting.
    pub waiting: usize,
    /// Times it was opened again.
    pub reconnects: u64,
    /// Bad frames received.
    pub bad_received: u64,
    /// From a report's capture to the sink taking it, lately.
    pub age: Percentiles,
    /// Of that, what is not the network's: reading the newest frame, cutting the clip, and everything between the network's
    /// answer and the sink taking the report. For each report, then the percentile.
    pub beyond: Percentiles,
}

/// A window on the running daemon; it stays valid when that has ended.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl Live {
    pub(crate) fn new(shared: Arc<Shared>) -> Live {
        Live(shared)
    }

    /// The figures now.
    pub fn summary(&self) -> Summary {
        let shared = &self.0;
        let now = shared.now();
        let sinks = shared.mail.iter().map(|mail| {
            let state = lock(&mail.state);
            SinkSummary {
                name: mail.name.clone(),
                state: state.sink,
                counts: state.outbox.counts(),
                waiting: state.outbox.len(),
                reconnects: state.reconnects,
                bad_received: state.bad_received,
                age: state.age.percentiles(),
                beyond: state.beyond.percentiles(),
            }
        });
        let sinks = sinks.collect();
        let work = lock(&shared.work);
        Summary {
            uptime: Duration::from_micros(now),
            engine: shared.hello.engine.as_str().to_owned(),
            camera: work.camera,
            fps: work.health.fps(now),
            counts: work.pipeline.counts(),
            bad_frames: work.bad_frames,
            camera_reopened: work.reopened,
            latencies: work.health.latencies(),
            detect: work.detect.percentiles(),
            follow: work.follow.percentiles(),
            sinks,
            rss_kib: shared.rss_kib.load(Ordering::Relaxed),
            rss_peak_kib: shared.rss_peak_kib.load(Ordering::Relaxed),
        }
    }
}
