//! What the threads share: the pipeline behind its lock, the state of the camera and of each sink, and the way to stop.

use crate::DaemonError;
use crate::camera::CameraDesk;
use crate::event::{Event, OnEvent};
use crate::subscription::Subscription;
use mtcae_contract::Micros;
use mtcae_core::{Clock, Facts, Health, Heat, Outbox, OutboxCounts, OutboxLimits, Pipeline, RecentTimes, Throttle};
use mtcae_drivers::MonotonicClock;
use mtcae_wire::{self as wire, CameraState, Hello, Level, Log, Parts, SinkState, Text, Up};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Log lines kept for those who ask later.
const LINES: usize = 256;
/// Reports whose cost is remembered until a sink takes them; of an older one it is not counted.
const COSTS: usize = 64;
/// Kinds of repeated complaints remembered, at most.
const COMPLAINTS: usize = 64;
/// The same complaint is told again after this long, microseconds.
const COMPLAIN_AGAIN: Micros = 60_000_000;
/// Another one about the same thing is told after this long; texts may hold a frame's number.
const COMPLAIN_ANEW: Micros = 10_000_000;

/// Locks; a thread that panicked while it held the lock is reported by the supervisor, so the others go on.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How much the board works for its heat.
struct Cooling {
    throttle: Throttle,
    /// Of the configured rate.
    share: f32,
}

/// Camera, worst sink, parts.
pub(crate) type Condition = (CameraState, SinkState, Parts);

/// What capture and inference work on.
pub(crate) struct Work {
    pub pipeline: Pipeline,
    pub health: Health,
    pub camera: CameraState,
    /// Whether the network answers.
    pub engine: wire::Condition,
    /// Times the camera was opened again.
    pub reopened: u64,
    /// Frames that could not be decoded.
    pub bad_frames: u64,
    /// Frames given to the pipeline, and how many of them the inference thread has known of.
    pub given: u64,
    pub known: u64,
    /// How long the newest frame took to read, microseconds.
    pub decode_us: u64,
    /// Times of full detections and of cheap looks.
    pub detect: RecentTimes,
    pub follow: RecentTimes,
}

/// What a report has cost beside the network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub seq: u32,
    /// Reading its newest frame and cutting its clip, microseconds.
    pub before_us: u64,
    /// When the network had answered.
    pub answered: Micros,
}

/// One sink's part: what waits for it, and how it is.
pub(crate) struct Mail {
    pub name: String,
    pub state: Mutex<MailState>,
    pub arrived: Condvar,
}

pub(crate) struct MailState {
    pub outbox: Outbox,
    pub sink: SinkState,
    /// Times the sink was opened again.
    pub reconnects: u64,
    /// Bad frames received, from all openings.
    pub bad_received: u64,
    /// Ages of reports when the sink took them.
    pub age: RecentTimes,
    /// What the board itself added to the network's time, of each report that the sink took.
    pub beyond: RecentTimes,
    /// Who is at the other side, as [`Line::session`](crate::line::Line::session) tells them apart.
    pub session: Option<u64>,
    /// What the other side wants to hear.
    pub subscription: Subscription,
}

impl Mail {
    pub fn new(name: String, limits: OutboxLimits) -> Mail {
        let state = MailState {
            outbox: Outbox::new(limits),
            sink: SinkState::Connecting,
            reconnects: 0,
            bad_received: 0,
            age: RecentTimes::default(),
            beyond: RecentTimes::default(),
            session: None,
            subscription: Subscription::default(),
        };
        Mail { name, state: Mutex::new(state), arrived: Condvar::new() }
    }

    /// For the other side, when it wants to hear that.
    pub fn push(&self, message: Up) {
        let mut state = lock(&self.state);
        if state.subscription.wants(&message) {
            state.outbox.push(message);
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// For the other side, which asked for it.
    pub fn answer(&self, message: Up) {
        lock(&self.state).outbox.push(message);
        self.arrived.notify_one();
    }

    /// The same for who asked in `session`; somebody else would take it for an answer of their own.
    pub fn answer_to(&self, session: Option<u64>, message: Up) {
        let mut state = lock(&self.state);
        if state.session == session {
            state.outbox.push(message);
            drop(state);
            self.arrived.notify_one();
        }
    }

    /// Another one is at the other side, or nobody: what the one before asked for and subscribed to goes.
    pub fn begin(&self, session: Option<u64>) {
        let mut state = lock(&self.state);
        state.session = session;
        state.subscription = Subscription::default();
        state.outbox.forget_answers();
        state.outbox.resume();
    }

    /// How many messages an answer may have, with one to end it.
    pub fn room(&self) -> usize {
        lock(&self.state).outbox.room().saturating_sub(1)
    }
}

/// When each kind of thread last showed that it does not hang.
pub(crate) struct Beats {
    pub capture: AtomicU64,
    /// A thread for each stream.
    pub infer: Vec<AtomicU64>,
    /// That of the pins; as far as can be where nothing is wired.
    pub pins: AtomicU64,
    /// The sinks' threads; one that lives is enough, since one may wait for a pipe that nobody reads.
    pub sinks: AtomicU64,
}

impl Beats {
    pub fn new(streams: usize) -> Beats {
        let infer = (0..streams).map(|_| AtomicU64::new(0)).collect();
        Beats { capture: AtomicU64::new(0), infer, pins: AtomicU64::new(Micros::MAX), sinks: AtomicU64::new(0) }
    }

    /// The longest silence of them, microseconds.
    pub fn silence(&self, now: Micros) -> Micros {
        let beats = [&self.capture, &self.pins, &self.sinks].into_iter().chain(&self.infer);
        now.saturating_sub(beats.map(|beat| beat.load(Ordering::Relaxed)).min().unwrap_or(now))
    }
}

/// Everything the threads share.
pub(crate) struct Shared {
    pub clock: Arc<MonotonicClock>,
    pub hello: Hello,
    pub work: Mutex<Work>,
    /// A frame has come, or it is time to look whether to stop.
    pub frame: Condvar,
    /// Held while a report is made and put into the outboxes. Taken before `work`.
    pub publishing: Mutex<()>,
    /// The inference thread knows of all frames given.
    pub caught_up: Condvar,
    pub mail: Vec<Mail>,
    /// Clips a second at most, on a board that is not too hot.
    max_clips: f32,
    heat: Mutex<Cooling>,
    /// Of the newest reports; a sink that is behind takes older ones.
    costs: Mutex<VecDeque<Cost>>,
    pub camera: CameraDesk,
    /// What to add to the board's time to get Unix time.
    pub unix_offset_us: Mutex<Option<i64>>,
    /// A client has said what time it is, which counts from then on.
    time_told: AtomicBool,
    pub rss_kib: AtomicU32,
    pub rss_peak_kib: AtomicU32,
    pub temperature_c: Mutex<Option<f32>>,
    /// Storage, temperature and memory as measured last.
    pub measured: Mutex<Parts>,
    pub beats: Beats,
    lines: Mutex<VecDeque<Log>>,
    /// When the daemon ends by itself, for another version to start.
    end_at: AtomicU64,
    on_event: OnEvent,
    stop: Arc<AtomicBool>,
    /// The source has ended, or something failed: as good as a request to stop.
    pub ended: AtomicBool,
    failure: Mutex<Option<DaemonError>>,
    complaints: Mutex<BTreeMap<&'static str, (String, Micros)>>,
}

impl Shared {
    pub fn new(
        clock: Arc<MonotonicClock>,
        hello: Hello,
        pipeline: Pipeline,
        mail: Vec<Mail>,
        (max_clips, streams): (f32, usize),
        stop: Arc<AtomicBool>,
        on_event: OnEvent,
    ) -> Shared {
        let work = Work {
            pipeline,
            health: Health::new(),
            camera: CameraState::Starting,
            engine: wire::Condition::Unknown,
            reopened: 0,
            bad_frames: 0,
            given: 0,
            known: 0,
            decode_us: 0,
            detect: RecentTimes::default(),
            follow: RecentTimes::default(),
        };
        let unix_offset_us = crate::machine::unix_offset_us(clock.now());
        Shared {
            clock,
            hello,
            work: Mutex::new(work),
            frame: Condvar::new(),
            publishing: Mutex::new(()),
            caught_up: Condvar::new(),
            mail,
            max_clips,
            heat: Mutex::new(Cooling { throttle: Throttle::default(), share: 1.0 }),
            costs: Mutex::new(VecDeque::with_capacity(COSTS)),
            camera: CameraDesk::default(),
            unix_offset_us: Mutex::new(unix_offset_us),
            time_told: AtomicBool::new(false),
            rss_kib: AtomicU32::new(0),
            rss_peak_kib: AtomicU32::new(0),
            temperature_c: Mutex::new(None),
            measured: Mutex::new(Parts::default()),
            beats: Beats::new(streams),
            lines: Mutex::new(VecDeque::with_capacity(LINES)),
            end_at: AtomicU64::new(Micros::MAX),
            on_event,
            stop,
            ended: AtomicBool::new(false),
            failure: Mutex::new(None),
            complaints: Mutex::new(BTreeMap::new()),
        }
    }

    /// Takes a client's word for what time it is.
    pub fn set_time(&self, offset: i64) {
        let mut known = lock(&self.unix_offset_us);
        self.time_told.store(true, Ordering::Relaxed);
        *known = Some(offset);
    }

    /// Follows the machine's clock, which is set and corrected while the daemon runs, unless a client's word counts.
    pub fn follow_clock(&self) {
        let mut known = lock(&self.unix_offset_us);
        if !self.time_told.load(Ordering::Relaxed) {
            *known = crate::machine::unix_offset_us(self.now());
        }
    }

    /// Remembers what a report has cost.
    pub fn spent(&self, cost: Cost) {
        let mut costs = lock(&self.costs);
        if costs.len() == COSTS {
            costs.pop_front();
        }
        costs.push_back(cost);
    }

    /// What report `seq` has cost, if it is among the newest.
    pub fn cost(&self, seq: u32) -> Option<Cost> {
        lock(&self.costs).iter().find(|cost| cost.seq == seq).copied()
    }

    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    /// Whether nobody may look: the privacy switch says so, or it is not known what it says.
    pub fn private(&self) -> bool {
        self.camera.private() || self.camera.blind(self.now())
    }

    /// True when the threads that make reports have to end at once.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.over() || lock(&self.failure).is_some()
    }

    /// The daemon ends at `time`, as if it were asked to.
    pub fn end_at(&self, time: Micros) {
        self.end_at.fetch_min(time, Ordering::Relaxed);
    }

    /// Whether the time to end has come.
    pub fn over(&self) -> bool {
        self.now() >= self.end_at.load(Ordering::Relaxed)
    }

    /// The newest `most` lines of the log, oldest first.
    pub fn lines(&self, most: usize) -> Vec<Log> {
        let lines = lock(&self.lines);
        lines.iter().skip(lines.len().saturating_sub(most)).cloned().collect()
    }

    /// The daemon cannot go on; the first reason counts.
    pub fn fail(&self, error: DaemonError) {
        lock(&self.failure).get_or_insert(error);
        self.frame.notify_all();
        self.caught_up.notify_all();
    }

    pub fn failure(&self) -> Option<DaemonError> {
        lock(&self.failure).clone()
    }

    /// Waits `time`, or less when the daemon stops.
    pub fn sleep(&self, time: Duration) {
        const STEP: Duration = Duration::from_millis(20);
        let end = self.now() + time.as_micros() as Micros;
        while !self.stopping() && self.now() < end {
            std::thread::sleep(STEP.min(Duration::from_micros(end.saturating_sub(self.now()))));
        }
    }

    /// Tells whoever runs the daemon, and every sink's other side.
    pub fn log(&self, level: Level, text: &str) {
        (self.on_event)(Event::Log { level, text: text.to_owned() });
        let line = Log { level, at_us: self.now(), text: Text::new(text) };
        let mut lines = lock(&self.lines);
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line.clone());
        drop(lines);
        self.mail.iter().for_each(|mail| mail.push(Up::Log(line.clone())));
    }

    /// As [`Shared::log`], but about the same thing only every ten seconds, and with the same text only once a minute.
    pub fn complain(&self, about: &'static str, level: Level, text: &str) {
        let now = self.now();
        {
            let mut complaints = lock(&self.complaints);
            let pause = |last: &str| if last == text { COMPLAIN_AGAIN } else { COMPLAIN_ANEW };
            if complaints.get(about).is_some_and(|(last, at)| now < at + pause(last)) {
                return;
            }
            if complaints.len() < COMPLAINTS || complaints.contains_key(about) {
                complaints.insert(about, (text.to_owned(), now));
            }
        }
        self.log(level, text);
    }

    /// Works less while the board is hot, and says so.
    pub fn throttle(&self, heat: Heat) {
        let mut cooling = lock(&self.heat);
        let share = cooling.throttle.look(heat, self.now());
        let before = std::mem::replace(&mut cooling.share, share);
        drop(cooling);
        if share == before {
            return;
        }
        let clips = self.max_clips * share;
        lock(&self.work).pipeline.limit_rate(clips);
        match share < before {
            true => self.log(Level::Warn, &format!("the board is too hot: at most {clips:.1} clips a second")),
            false => self.log(Level::Info, &format!("the board is cooler: up to {clips:.1} clips a second")),
        }
    }

    /// What a status is told for at once when it changes.
    pub fn condition(&self) -> Condition {
        let sink = self.worst_sink(self.mail.iter().map(|mail| lock(&mail.state).sink));
        // One lock at a time: the parts need the same one.
        let camera = lock(&self.work).camera;
        (camera, sink, self.parts())
    }

    fn worst_sink(&self, sinks: impl Iterator<Item = SinkState>) -> SinkState {
        sinks.max_by_key(|state| badness(*state)).unwrap_or(SinkState::Connected)
    }

    /// How the parts are.
    fn parts(&self) -> Parts {
        let known = lock(&self.unix_offset_us).is_some();
        let clock = if known { wire::Condition::Good } else { wire::Condition::Strained };
        let engine = lock(&self.work).engine;
        Parts { engine, clock, ..*lock(&self.measured) }
    }

    /// The Status message for the sink of `mail`, whose counts these are.
    pub fn status(&self, now: Micros, outbox: &OutboxCounts) -> Up {
        let sinks: Vec<(SinkState, u64, u64)> = self.mail.iter().map(Mail::condition).collect();
        let parts = self.parts();
        let work = lock(&self.work);
        let facts = Facts {
            boot: self.hello.boot,
            unix_offset_us: *lock(&self.unix_offset_us),
            engine: self.hello.engine.as_str().to_owned(),
            camera: work.camera,
            sink: self.worst_sink(sinks.iter().map(|s| s.0)),
            bad_received: sinks.iter().map(|s| s.2).sum(),
            reconnects: work.reopened + sinks.iter().map(|s| s.1).sum::<u64>(),
            temperature_c: *lock(&self.temperature_c),
            rss_kib: self.rss_kib.load(Ordering::Relaxed),
            parts,
            max_clips: self.max_clips * lock(&self.heat).share,
        };
        Up::Status(work.health.status(now, &facts, &work.pipeline.counts(), outbox))
    }
}

impl Mail {
    /// State, reconnects and bad frames received.
    fn condition(&self) -> (SinkState, u64, u64) {
        let state = lock(&self.state);
        (state.sink, state.reconnects, state.bad_received)
    }
}

fn badness(state: SinkState) -> u8 {
    match state {
        SinkState::Connected => 0,
        SinkState::Connecting => 1,
        SinkState::Lost => 2,
    }
}
