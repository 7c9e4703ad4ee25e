//! How the board is: what each stage took lately, and the Status message.

use crate::{OutboxCounts, PipelineCounts};
use mtcae_contract::Micros;
use mtcae_wire::{CameraState, Counters, Latencies, Parts, Percentiles, SinkState, Status, Text};
use std::collections::VecDeque;

/// Times kept of each stage.
const KEPT: usize = 512;
/// Frames are counted over this time for the frame rate, microseconds.
const RATE_SPAN: Micros = 2_000_000;
/// Most arrival times kept for it.
const RATE_FRAMES: usize = 1024;

/// A part of the way from camera bytes to wire bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Camera bytes to pixels.
    Decode,
    /// Cutting and resizing the clip ([`crate::Pipeline::next`] when it gives a clip).
    Crop,
    /// The network.
    Infer,
    /// The network's outputs to a report ([`crate::Pipeline::on_output`]).
    Outputs,
    /// The report to wire bytes.
    Encode,
}

impl Stage {
    /// All of them, in the order of the way.
    pub const ALL: [Stage; 5] = [Stage::Decode, Stage::Crop, Stage::Infer, Stage::Outputs, Stage::Encode];

    /// The name people read.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Decode => "decode",
            Stage::Crop => "crop",
            Stage::Infer => "infer",
            Stage::Outputs => "outputs",
            Stage::Encode => "encode",
        }
    }
}

/// The last times one stage took; bounded.
#[derive(Debug, Clone, Default)]
pub struct RecentTimes {
    times: VecDeque<u32>,
}

impl RecentTimes {
    /// Adds one, microseconds; the oldest goes when there are too many.
    pub fn add(&mut self, us: u32) {
        if self.times.len() == KEPT {
            self.times.pop_front();
        }
        self.times.push_back(us);
    }

    /// Median and 99th percentile (nearest rank); 0 when there are none.
    pub fn percentiles(&self) -> Percentiles {
        let mut sorted: Vec<u32> = self.times.iter().copied().collect();
        sorted.sort_unstable();
        let rank = |percent: usize| {
            let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
            sorted.get(at).copied().unwrap_or(0)
        };
        Percentiles { p50_us: rank(50), p99_us: rank(99) }
    }
}

/// What only the daemon knows, for a Status.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Random number of this start.
    pub boot: u32,
    /// What to add to board time to get Unix time, microseconds, if known.
    pub unix_offset_us: Option<i64>,
    /// The engine that really runs the model.
    pub engine: String,
    /// The camera's state.
    pub camera: CameraState,
    /// The worst sink's state.
    pub sink: SinkState,
    /// Bad frames received from the host.
    pub bad_received: u64,
    /// Times that the camera or the sink was opened again.
    pub reconnects: u64,
    /// Processor temperature, degrees Celsius, if there is a sensor.
    pub temperature_c: Option<f32>,
    /// Resident memory of the daemon, KiB.
    pub rss_kib: u32,
    /// How the parts are.
    pub parts: Parts,
    /// Most clips a second as of now.
    pub max_clips: f32,
}

/// Times of the stages and the rate of frames.
#[derive(Debug, Clone, Default)]
pub struct Health {
    stages: [RecentTimes; 5],
    arrivals: VecDeque<Micros>,
}

impl Health {
    /// Nothing measured yet.
    pub fn new() -> Health {
        Health::default()
    }

    /// `stage` took `us` microseconds.
    pub fn record(&mut self, stage: Stage, us: u64) {
        self.stages[stage as usize].add(us.min(u64::from(u32::MAX)) as u32);
    }

    /// A frame has come at `now`.
    pub fn frame(&mut self, now: Micros) {
        if self.arrivals.len() == RATE_FRAMES {
            self.arrivals.pop_front();
        }
        self.arrivals.push_back(now);
        while self.arrivals.front().is_some_and(|&at| at > now || now - at > RATE_SPAN) {
            self.arrivals.pop_front();
        }
    }

    /// Frames a second lately.
    pub fn fps(&self, now: Micros) -> f32 {
        let recent = || self.arrivals.iter().filter(|&&at| at <= now && now - at <= RATE_SPAN);
        let (n, first) = (recent().count(), recent().next().copied().unwrap_or(now));
        // Less than two seconds after the start the span is shorter; a single frame is no rate.
        let span = (now - first).max(RATE_SPAN / 4);
        if n < 2 { 0.0 } else { n as f32 * 1e6 / span as f32 }
    }

    /// Median and 99th percentile of each stage.
    pub fn latencies(&self) -> Latencies {
        let of = |stage: Stage| self.stages[stage as usize].percentiles();
        Latencies {
            decode: of(Stage::Decode),
            crop: of(Stage::Crop),
            infer: of(Stage::Infer),
            outputs: of(Stage::Outputs),
            encode: of(Stage::Encode),
        }
    }

    /// The Status message at `now`.
    pub fn status(&self, now: Micros, facts: &Facts, pipeline: &PipelineCounts, outbox: &OutboxCounts) -> Status {
        Status {
            boot: facts.boot,
            uptime_ms: now / 1000,
            unix_offset_us: facts.unix_offset_us,
            engine: Text::new(&facts.engine),
            camera: facts.camera,
            sink: facts.sink,
            counters: Counters {
                frames: pipeline.frames.received as u32,
                clips: pipeline.clips_answered as u32,
                reports: outbox.sent_reports as u32,
                dropped_frames: (pipeline.frames.refused + pipeline.frames.lost) as u32,
                dropped_reports: outbox.dropped_reports as u32,
                bad_received: facts.bad_received as u32,
                reconnects: facts.reconnects as u32,
            },
            fps_tenths: (self.fps(now) * 10.0).round() as u16,
            temperature_tenths_c: facts.temperature_c.map(|c| (c * 10.0).round() as i16),
            rss_kib: facts.rss_kib,
            latency: self.latencies(),
            parts: facts.parts,
            clips_tenths: (facts.max_clips * 10.0).round() as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::{Condition, Up, encode};

    #[test]
    fn percentiles_of_the_last_times_only() {
        let mut times = RecentTimes::default();
        assert_eq!(times.percentiles(), Percentiles { p50_us: 0, p99_us: 0 });
        (0..1000).for_each(|_| times.add(9_000_000));
        (1..=KEPT as u32).for_each(|us| times.add(us));
        assert_eq!(times.percentiles(), Percentiles { p50_us: 256, p99_us: 507 });
    }

    #[test]
    fn the_rate_follows_and_falls_to_nothing() {
        let mut health = Health::new();
        (0..120).for_each(|i| health.frame(i * 33_333));
        assert!((health.fps(4_000_000) - 30.0).abs() < 1.5, "{}", health.fps(4_000_000));
        assert_eq!(health.fps(9_000_000), 0.0);
        health.frame(5);
        assert!(health.fps(5) < 3.0, "a clock that went back");
    }

    #[test]
    fn a_status_is_complete_and_encodes() {
        let mut health = Health::new();
        Stage::ALL.iter().enumerate().for_each(|(i, &stage)| health.record(stage, i as u64 + 1));
        let facts = Facts {
            boot: 3,
            unix_offset_us: None,
            engine: "tract".into(),
            camera: CameraState::Streaming,
            sink: SinkState::Connected,
            bad_received: 1,
            reconnects: 2,
            temperature_c: Some(45.26),
            rss_kib: 90_000,
            parts: Parts { engine: Condition::Good, ..Parts::default() },
            max_clips: 12.5,
        };
        let mut counts = PipelineCounts { clips_answered: 4, ..PipelineCounts::default() };
        (counts.frames.received, counts.frames.refused, counts.frames.lost) = (10, 1, 2);
        let outbox = OutboxCounts { sent_reports: 5, dropped_reports: 6, ..OutboxCounts::default() };
        let status = health.status(7_000_000, &facts, &counts, &outbox);
        assert_eq!((status.uptime_ms, status.temperature_tenths_c), (7_000, Some(453)));
        assert_eq!((status.parts.engine, status.clips_tenths), (Condition::Good, 125));
        assert_eq!(status.latency.outputs, Percentiles { p50_us: 4, p99_us: 4 });
        let c = status.counters;
        assert_eq!((c.frames, c.clips, c.reports, c.dropped_frames, c.dropped_reports), (10, 4, 5, 3, 6));
        assert!(encode(&Up::Status(status)).is_ok());
    }
}
