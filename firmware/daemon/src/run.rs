//! Opens everything a board names, starts the threads, watches over them, and ends them in order.

use crate::capture::capture;
use crate::event::{Event, OnEvent};
use crate::infer::{Thinker, infer};
use crate::line::{sink_name, unsupported};
use crate::link::Link;
use crate::model::{Minds, Opened};
use crate::notify::Signs;
use crate::pins::Pins;
use crate::settings::{outbox_limits, pipeline_settings};
use crate::shared::{Mail, Shared, lock};
use crate::source::{Opener, start_error};
use crate::updates::trial::{self, Trial};
use crate::updates::{Place, Updates};
use crate::{DaemonError, Live, Overrides, StartUp, Summary, machine};
use mtcae_board_configs::{Board, ConfirmChoice, MAX_SINKS};
use mtcae_contract::Manifest;
use mtcae_core::{Clock, FrameSource, Pipeline};
use mtcae_drivers::MonotonicClock;
use mtcae_update::Confirm;
use mtcae_wire::{Condition, Hello, Level, Parts, Text, VERSION};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle as Task;

/// Time between two looks of the supervisor.
const LOOK: Duration = Duration::from_millis(50);
/// The machine is asked about memory and temperature every so many looks.
const LOOKS_BETWEEN_MEASURES: u32 = 10;
/// Sinks that have not ended by then (a pipe nobody reads) are left behind.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// What outlives the start.
struct Opening {
    opener: Opener,
    source: Option<Box<dyn FrameSource>>,
    pins: Pins,
    model: Opened,
    report: StartUp,
    clock: Arc<MonotonicClock>,
}

/// Opens source, model and detector of `board`, runs the model once, and closes them again. Sinks are not opened.
///
/// # Errors
/// As [`run`] before it starts.
pub fn check(mut board: Board, overrides: &Overrides) -> Result<StartUp, DaemonError> {
    overrides.apply(&mut board);
    open(&board, Start::Check, &AtomicBool::new(false)).map(|opening| opening.report)
}

/// Runs the daemon in the calling thread and three kinds of threads more (capture, inference, each of one or more) until
/// `stop` is set or the source ends. Prints nothing, installs no signal handlers, and leaves no thread behind except
/// one that hangs in a write to a pipe nobody reads.
///
/// # Errors
/// At the start: a source, model or engine that cannot be used; a sink that is not there is opened later. Afterwards:
/// a source that turns out not to work as configured, or a fault of the daemon itself.
pub fn run(
    mut board: Board,
    overrides: &Overrides,
    stop: Arc<AtomicBool>,
    on_event: OnEvent,
) -> Result<Summary, DaemonError> {
    overrides.apply(&mut board);
    let trial = trial::find(&board)?;
    let signs = Signs::new(overrides.watch.clone());
    if let Some(trial) = &trial {
        signs.needs(trial.left(0));
    }
    let parts = open(&board, Start::Run { self_test: trial.is_some() }, &stop)?;
    if let (Some(trial), Some(Err(why))) = (&trial, &parts.model.self_test) {
        return Err(trial.wrong(why));
    }
    let manifest = parts.model.manifest.clone();
    let boot = machine::random() as u32;
    let mut settings = pipeline_settings(&board);
    let streams = parts.model.minds.engines.len();
    settings.schedule.streams = streams;
    let rate = (settings.schedule.max_hz, streams);
    let pipeline = Pipeline::new(settings, &manifest, machine::random(), boot)
        .map_err(|e| DaemonError::Configuration(format!("board {}: {e}", board.about.name)))?;
    let hello = hello(&board, &manifest, &parts.model.engine_name, boot);
    let limits = |messages| outbox_limits(messages, board.report.max_age_ms);
    let mail = board.sinks.iter().map(|s| Mail::new(sink_name(&s.kind), limits(s.outbox))).collect();
    let shared = Arc::new(Shared::new(parts.clock, hello, pipeline, mail, rate, stop, on_event.clone()));
    let live = Live::new(Arc::clone(&shared));
    measure(&shared, &board);
    on_event(Event::Started { report: parts.report, live: live.clone() });
    let talk = Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(MAX_SINKS)
        .thread_name("sink")
        .build()
        .map_err(|e| DaemonError::Internal(format!("no threads for the sinks: {e}")))?;
    let workers = Workers::start(&shared, parts.opener, parts.source, parts.pins, parts.model.minds)?;
    let updates = updates(&shared, &board)?;
    let watched = Watched { trial, signs };
    supervise(&talk, &shared, &board, updates, workers, watched);
    // Without waiting: a sink's thread may hang in a write to a pipe that nobody reads.
    talk.shutdown_background();
    match shared.failure() {
        Some(error) => Err(error),
        None => Ok(live.summary()),
    }
}

/// What it is opened for.
#[derive(Clone, Copy)]
enum Start {
    /// To see whether all of it can be opened.
    Check,
    /// To run.
    Run { self_test: bool },
}

fn open(board: &Board, start: Start, stop: &AtomicBool) -> Result<Opening, DaemonError> {
    if let Some(why) = board.sinks.iter().find_map(|s| unsupported(&s.kind)) {
        return Err(DaemonError::Configuration(format!("board {}: {why}", board.about.name)));
    }
    let clock = MonotonicClock::shared();
    let opener = Opener::new(board, Arc::clone(&clock));
    let model = Opened::open(board, matches!(start, Start::Run { self_test: true }))?;
    let mut pins = Pins::open(board, matches!(start, Start::Check))?;
    // A camera may take seconds to give a picture, and nobody else looks at the switch yet.
    let source = match pins.private_at_start(&*clock) {
        true => None,
        false => opener
            .open(&mut || !stop.load(Ordering::Relaxed) && !pins.private(clock.now()))
            .map_err(|e| start_error(&e))?,
    };
    let info = source.as_ref().map_or_else(|| opener.unopened(), |source| source.info());
    let mut report = StartUp::new(board, info, &model.manifest);
    report.choice = source.as_ref().and_then(|source| source.choice()).unwrap_or_default();
    report.engine.clone_from(&model.engine_name);
    report.engine_note.clone_from(&model.engine_note);
    report.precision.clone_from(&model.precision);
    report.trial_ms = model.trial_ms;
    report.sinks = board.sinks.iter().map(|s| sink_name(&s.kind)).collect();
    Ok(Opening { opener, source, pins, model, report, clock })
}

fn hello(board: &Board, manifest: &Manifest, engine: &str, boot: u32) -> Hello {
    Hello {
        protocol: VERSION,
        boot,
        device: Text::new(&board.about.name),
        firmware: Text::new(env!("CARGO_PKG_VERSION")),
        model: Text::new(&manifest.name),
        model_version: Text::new(&manifest.version),
        engine: Text::new(engine),
        labels: manifest.labels.labels().iter().map(|l| Text::new(l.name())).collect(),
    }
}

/// The threads that make reports.
struct Workers {
    capture: JoinHandle<()>,
    /// One for each stream.
    infer: Vec<JoinHandle<()>>,
    /// Where pins are wired.
    pins: Option<JoinHandle<()>>,
}

impl Workers {
    fn start(
        shared: &Arc<Shared>,
        opener: Opener,
        source: Option<Box<dyn FrameSource>>,
        pins: Pins,
        minds: Minds,
    ) -> Result<Workers, DaemonError> {
        let (for_capture, for_pins) = (Arc::clone(shared), Arc::clone(shared));
        // Until the thread has looked, what the start saw holds.
        shared.camera.set_private(source.is_none());
        if pins.has_switch() {
            shared.camera.looked(shared.now());
        }
        let pins = if pins.is_empty() { None } else { Some(thread("pins", move || pins.run(&for_pins))?) };
        let infer = think(shared, minds).inspect_err(|e| shared.fail(e.clone()))?;
        let capture = thread("capture", move || capture(&for_capture, opener, source)).inspect_err(|e| {
            shared.fail(e.clone());
        })?;
        Ok(Workers { capture, infer, pins })
    }

    /// A stream of the network has ended.
    fn thought(&self) -> bool {
        self.infer.iter().any(JoinHandle::is_finished)
    }

    /// Waits for all; a panic in one is the daemon's failure.
    fn join(self, shared: &Shared) {
        let named = |name| move |handle| (name, handle);
        let workers = self.infer.into_iter().map(named("inference"));
        let workers = workers.chain([("capture", self.capture)]).chain(self.pins.map(named("pins")));
        for (name, handle) in workers {
            if handle.join().is_err() {
                shared.fail(DaemonError::Internal(format!("the {name} thread panicked; please report this")));
            }
        }
    }
}

/// A thread for each stream of the network.
fn think(shared: &Arc<Shared>, minds: Minds) -> Result<Vec<JoinHandle<()>>, DaemonError> {
    let finder = Arc::new(Mutex::new(minds.finder));
    let threads = minds.engines.into_iter().enumerate().map(|(at, engine)| {
        let (shared, mut thinker) = (Arc::clone(shared), Thinker { at, engine, finder: Arc::clone(&finder) });
        let name = if at == 0 { "inference".to_owned() } else { format!("inference-{}", at + 1) };
        thread(&name, move || infer(&shared, &mut thinker))
    });
    threads.collect()
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, DaemonError> {
    let builder = std::thread::Builder::new().name(name.to_owned());
    builder.spawn(body).map_err(|e| DaemonError::Internal(format!("no thread for {name}: {e}")))
}

/// The thread of the slots, on a board that takes updates.
fn updates(shared: &Arc<Shared>, board: &Board) -> Result<Option<Arc<Updates>>, DaemonError> {
    let update = &board.update;
    if !update.enabled {
        return Ok(None);
    }
    let place = Place {
        root: update.root.clone().into(),
        trusted: update.trusted.clone().into(),
        device_key: update.device_key.clone().into(),
        family: board.about.family.clone(),
        device: board.about.name.clone(),
        confirm: match update.confirm {
            ConfirmChoice::SelfTest => Confirm::BySelfTest,
            ConfirmChoice::User => Confirm::ByUser,
        },
    };
    Updates::start(shared, place).map(|updates| Some(Arc::new(updates)))
}

/// What the supervisor looks after besides the threads.
struct Watched {
    trial: Option<Trial>,
    signs: Signs,
}

/// Looks after the threads until the daemon has to end, and ends them.
fn supervise(
    talk: &Runtime,
    shared: &Arc<Shared>,
    board: &Board,
    updates: Option<Arc<Updates>>,
    workers: Workers,
    watched: Watched,
) {
    let closing = Arc::new(AtomicBool::new(false));
    let Watched { mut trial, mut signs } = watched;
    signs.ready();
    talk.block_on(async {
        let mut links = start_links(shared, board, &updates, &closing);
        let mut looks: u32 = 0;
        // The inference threads are the last to end after the source has ended.
        while !shared.stopping() && !workers.thought() {
            signs.look(shared, trial.as_ref().map(|trial| trial.left(shared.now())));
            self_test(&mut trial, shared);
            if let Some(updates) = &updates {
                updates.advance(shared.now(), shared);
            }
            if looks.is_multiple_of(LOOKS_BETWEEN_MEASURES) {
                measure(shared, board);
            }
            if workers.pins.as_ref().is_some_and(JoinHandle::is_finished) && !shared.ended.load(Ordering::Relaxed) {
                // Nobody would see the switch being flipped.
                break;
            }
            if workers.capture.is_finished() && !shared.ended.load(Ordering::Relaxed) {
                break;
            }
            if links.iter().any(Task::is_finished) {
                shared.fail(DaemonError::Internal("a sink's thread ended by itself; please report this".into()));
            }
            looks = looks.wrapping_add(1);
            tokio::time::sleep(LOOK).await;
        }
        stop(shared, workers);
        signs.stopping();
        closing.store(true, Ordering::Relaxed);
        let _ = tokio::time::timeout(LAST_WORDS, join_links(&mut links, shared)).await;
    });
}

/// One look at the version on trial, if there is one.
fn self_test(trial: &mut Option<Trial>, shared: &Shared) {
    match trial.as_mut().map(|trial| trial.look(shared)) {
        None | Some(Ok(false)) => {}
        Some(Ok(true)) => *trial = None,
        Some(Err(error)) => shared.fail(error),
    }
}

/// Ends capture and inference. They look at `ended` and at the failure, never longer apart than a tenth of a second.
fn stop(shared: &Shared, workers: Workers) {
    if workers.capture.is_finished() && !shared.ended.load(Ordering::Relaxed) && !shared.stopping() {
        shared.fail(DaemonError::Internal("the capture thread ended by itself; please report this".into()));
    }
    let pins = workers.pins.as_ref().is_some_and(JoinHandle::is_finished);
    if pins && !shared.ended.load(Ordering::Relaxed) && !shared.stopping() {
        shared.fail(DaemonError::Internal("the thread of the pins ended by itself; please report this".into()));
    }
    if workers.thought() && !shared.ended.load(Ordering::Relaxed) && !shared.stopping() {
        shared.fail(DaemonError::Internal("the inference thread ended by itself; please report this".into()));
    }
    workers.join(shared);
}

fn start_links(
    shared: &Arc<Shared>,
    board: &Board,
    updates: &Option<Arc<Updates>>,
    closing: &Arc<AtomicBool>,
) -> Vec<Task<()>> {
    let every = u64::from(board.report.status_every_ms) * 1000;
    let links = board.sinks.iter().enumerate().map(|(i, sink)| {
        let (shared, closing, kind) = (Arc::clone(shared), Arc::clone(closing), sink.kind.clone());
        let updates = updates.clone();
        tokio::task::spawn_blocking(move || Link::new(&shared, i, &kind, every, updates.as_deref()).run(&closing))
    });
    links.collect()
}

async fn join_links(links: &mut Vec<Task<()>>, shared: &Shared) {
    for link in links.drain(..) {
        if link.await.is_err_and(|e| e.is_panic()) {
            shared.fail(DaemonError::Internal("a sink's thread panicked; please report this".into()));
        }
    }
}

fn measure(shared: &Shared, board: &Board) {
    shared.follow_clock();
    let rss = machine::rss_kib();
    shared.rss_kib.store(rss, Ordering::Relaxed);
    shared.rss_peak_kib.fetch_max(rss, Ordering::Relaxed);
    let limit = board.about.memory_limit_mib;
    let thermal = machine::thermal(&board.about.thermal);
    *lock(&shared.temperature_c) = thermal.celsius;
    shared.throttle(thermal.heat());
    *lock(&shared.measured) = Parts {
        storage: if board.update.enabled { machine::storage(&board.update.root) } else { Condition::Unknown },
        temperature: thermal.condition(),
        memory: if rss / 1024 > limit { Condition::Bad } else { Condition::Good },
        ..Parts::default()
    };
    if rss / 1024 > limit {
        // Without the figure, which would make each complaint a new one.
        let text = format!("memory is above board.memory_limit_mib, which is {limit}; the status says how much");
        shared.complain("memory", Level::Warn, &text);
    }
}
