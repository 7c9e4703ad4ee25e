//! A simulated camera: modes that cannot be had, and one that takes its time to give a first picture.

use super::*;
use crate::event::Event;
use crate::shared::Mail;
use crate::source::Opening;
use mtcae_board_configs::V4l2;
use mtcae_contract::{ClipSpec, Framing, Image, LabelSet, Manifest, Sampling};
use mtcae_core::{OfferedMode, OutboxLimits, Pipeline, Settings, SourceInfo};
use mtcae_drivers::MonotonicClock;
use mtcae_wire::Hello;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// The camera offers this width and never gives it.
const REFUSED: u32 = 1280;
const SLOW: Duration = Duration::from_secs(5);

/// What the camera does, and how it is.
#[derive(Default)]
struct Camera {
    /// It gives no picture until it is given up.
    slow: AtomicBool,
    /// It gives nothing but damaged frames until it is opened again.
    damaged: AtomicBool,
    /// Descriptors of it that are open.
    open: AtomicUsize,
    /// Width of the mode it gave last.
    width: AtomicUsize,
}

/// An open descriptor of it.
struct Opened(Arc<Camera>);

impl Opened {
    fn new(camera: &Arc<Camera>) -> Opened {
        camera.open.fetch_add(1, Ordering::SeqCst);
        Opened(Arc::clone(camera))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Pictures {
    opened: Opened,
    clock: Arc<MonotonicClock>,
    width: u32,
    seq: u32,
}

impl FrameSource for Pictures {
    fn info(&self) -> SourceInfo {
        SourceInfo { name: "simulated".into(), format: "YUYV".into(), width: self.width, height: 480, fps: 100.0 }
    }

    fn modes(&self) -> Vec<OfferedMode> {
        let mode = |width| OfferedMode {
            format: "YUYV".into(),
            width,
            height: 480,
            fps: Some(30.0),
            readable: true,
            current: width == self.width,
        };
        vec![mode(320), mode(640), mode(REFUSED)]
    }

    fn next_frame(&mut self, timeout: Duration) -> Result<Option<Captured>, SourceError> {
        std::thread::sleep(timeout.min(Duration::from_millis(10)));
        self.seq += 1;
        if self.opened.0.damaged.load(Ordering::SeqCst) {
            return Err(SourceError::BadFrame("half of it is missing".into()));
        }
        let image = Image::filled(self.width, 480, [9; 3]).map_err(|e| SourceError::BadFrame(e.to_string()))?;
        Ok(Some(Captured { image, captured: mtcae_core::Clock::now(&*self.clock), seq: self.seq, decode_us: 1 }))
    }
}

fn open(camera: &Arc<Camera>, clock: &Arc<MonotonicClock>, asked: &V4l2, wanted: &mut dyn FnMut() -> bool) -> Opening {
    let opened = Opened::new(camera);
    let begin = Instant::now();
    while camera.slow.load(Ordering::SeqCst) {
        if !wanted() {
            return Ok(None);
        }
        if begin.elapsed() >= SLOW {
            return Err(SourceError::Lost("it gave no good picture".into()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    if asked.width == REFUSED {
        return Err(SourceError::Refused("the driver does not give 1280x480".into()));
    }
    camera.width.store(asked.width as usize, Ordering::SeqCst);
    camera.damaged.store(false, Ordering::SeqCst);
    Ok(Some(Box::new(Pictures { opened, clock: Arc::clone(clock), width: asked.width, seq: 0 })))
}

struct Bench {
    shared: Arc<Shared>,
    camera: Arc<Camera>,
    log: Receiver<(String, Instant)>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    token: u32,
}

impl Bench {
    /// The capture thread with a camera that may be slow, and a switch that may be private.
    fn start(slow: bool, private: bool) -> Bench {
        let (clock, camera, stop) = (MonotonicClock::shared(), Arc::new(Camera::default()), Arc::default());
        let (sender, log) = channel();
        let sender = std::sync::Mutex::new(sender);
        let on_event = move |event| {
            if let Event::Log { text, .. } = event {
                let _ = lock(&sender).send((text, Instant::now()));
            }
        };
        let pipeline = Pipeline::new(Settings::default(), &manifest(), 1, 1).unwrap();
        let mail = vec![Mail::new("test".into(), OutboxLimits::default())];
        let shared =
            Shared::new(Arc::clone(&clock), hello(), pipeline, mail, (15.0, 1), Arc::clone(&stop), Arc::new(on_event));
        shared.camera.set_private(private);
        camera.slow.store(slow, Ordering::SeqCst);
        let board = mtcae_board_configs::load_builtin("pc-webcam").unwrap();
        let mut opener = Opener::new(&board, Arc::clone(&clock));
        let simulated = Arc::clone(&camera);
        opener.pretend = Some(Arc::new(move |asked, wanted| open(&simulated, &clock, asked, wanted)));
        let shared = Arc::new(shared);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || capture(&for_thread, opener, None));
        Bench { shared, camera, log, stop, thread: Some(thread), token: 0 }
    }

    fn order(&mut self, action: CameraAction) -> u32 {
        self.token += 1;
        assert!(self.shared.camera.order(Order { mail: 0, session: None, token: self.token, action }));
        self.token
    }

    /// The reason of a refusal; `None` when the order was carried out.
    fn answer(&self, to: u32) -> Option<String> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let mut state = lock(&self.shared.mail[0].state);
            while let Some(message) = state.outbox.front(self.shared.now()).cloned() {
                state.outbox.sent();
                match message {
                    Up::Ack(ack) if ack.token == to => return None,
                    Up::Nack(nack) if nack.token == to => return Some(nack.detail.as_str().to_owned()),
                    _ => {}
                }
            }
            drop(state);
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no answer");
    }

    fn obey(&mut self, action: CameraAction) -> Option<String> {
        let token = self.order(action);
        self.answer(token)
    }

    /// Waits for a line of the log, and says when it came.
    fn says(&self, text: &str) -> Instant {
        loop {
            let (line, at) = self.log.recv_timeout(PATIENCE).unwrap_or_else(|e| panic!("it never said {text:?}: {e}"));
            if line.contains(text) {
                return at;
            }
        }
    }

    fn until(&self, what: &str, is: impl Fn(&Bench) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is(self) {
            assert!(Instant::now() < end, "{what}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Frames come, of this width.
    fn streams(&self, width: usize) {
        let given = || lock(&self.shared.work).given;
        let before = given();
        self.until("no frames come", |_| given() > before + 2);
        assert_eq!(self.camera.width.load(Ordering::SeqCst), width);
        assert_eq!(self.camera.open.load(Ordering::SeqCst), 1);
    }

    fn opening(&self) {
        self.until("it is not being opened", |bench| bench.camera.open.load(Ordering::SeqCst) == 1);
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.thread.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            assert_eq!(self.camera.open.load(Ordering::SeqCst), 0, "a descriptor is left");
        }
    }
}

fn manifest() -> Manifest {
    Manifest {
        format: 1,
        name: "sim".into(),
        version: "0.0.1".into(),
        preset: "tiny".into(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 16, size: 16, seconds: 1.0 },
        framing: Framing::Face { margin: 0.2 },
        mean: [0.5; 3],
        std: [0.2; 3],
        artifacts: vec![],
    }
}

fn hello() -> Hello {
    let text = || Text::new("sim");
    let (device, firmware, model) = (Text::new("sim"), text(), Text::new("sim"));
    let (model_version, engine) = (Text::new("0"), Text::new("none"));
    let labels = std::iter::empty::<Text<12>>().collect();
    Hello { protocol: 2, boot: 1, device, firmware, model, model_version, engine, labels }
}

fn wide(width: u32) -> CameraAction {
    CameraAction::Choose(Mode { format: Text::new("YUYV"), width: width as u16, height: 480, fps_tenths: 300 })
}

#[test]
fn a_mode_that_cannot_be_had_is_refused_and_the_one_before_comes_back() {
    let mut bench = Bench::start(false, false);
    bench.streams(640);
    let why = bench.obey(wide(REFUSED)).expect("a refusal");
    assert!(why.contains("the driver does not give 1280x480; back to the mode before"), "{why}");
    bench.streams(640);
    assert_eq!(bench.obey(wide(320)), None);
    bench.streams(320);
    bench.obey(wide(REFUSED)).expect("a refusal");
    bench.streams(320);
    let why = bench.obey(wide(77)).expect("a refusal");
    assert_eq!(why, "the camera has no mode YUYV 77x480");
}

#[test]
fn a_mode_chosen_while_the_camera_is_closed_is_refused_by_the_start_that_tries_it() {
    let mut bench = Bench::start(false, false);
    bench.streams(640);
    assert_eq!(bench.obey(CameraAction::Stop), None);
    assert_eq!(bench.obey(wide(REFUSED)), None, "nobody knows yet");
    assert_eq!(bench.camera.open.load(Ordering::SeqCst), 0, "it was opened to find out");
    let why = bench.obey(CameraAction::Start).expect("a refusal");
    assert!(why.contains("the driver does not give 1280x480; back to the mode before"), "{why}");
    bench.streams(640);
}

#[test]
fn a_mode_chosen_behind_the_privacy_switch_is_tried_when_it_opens() {
    let mut bench = Bench::start(false, false);
    bench.streams(640);
    bench.shared.camera.set_private(true);
    bench.says("closed by the privacy switch, no picture is left");
    assert_eq!(bench.obey(wide(REFUSED)), None, "nobody knows yet");
    bench.shared.camera.set_private(false);
    bench.says("the driver does not give 1280x480; back to the mode before");
    bench.streams(640);
}

/// Fifty flips of the switch while the camera is being opened.
#[test]
fn a_camera_that_gives_no_picture_yet_is_closed_at_once() {
    let bench = Bench::start(true, true);
    let mut times: Vec<Duration> = (0..50)
        .map(|i| {
            bench.says("closed by the privacy switch");
            bench.shared.camera.set_private(false);
            bench.opening();
            std::thread::sleep(Duration::from_millis(i * 7 % 31));
            let flipped = Instant::now();
            bench.shared.camera.set_private(true);
            bench.until("it stays open", |bench| bench.camera.open.load(Ordering::SeqCst) == 0);
            flipped.elapsed()
        })
        .collect();
    times.sort();
    println!("50 flips while opening: closed after {:?} (median), {:?} at most", times[25], times[49]);
    assert_eq!(lock(&bench.shared.work).given, 0, "a picture came");
    // The promise is 100 ms; this machine may be busy with other tests. Without the mend it is 5 s.
    assert!(times[25] <= Duration::from_millis(100) && times[49] < Duration::from_secs(1), "{times:?}");
}

#[test]
fn orders_do_not_wait_for_a_first_picture() {
    let mut bench = Bench::start(true, false);
    bench.opening();
    assert_eq!(bench.obey(CameraAction::Stop), None);
    assert_eq!(bench.camera.open.load(Ordering::SeqCst), 0);
    // A start that a flip, or a stop, ends before there is a picture says so.
    let start = bench.order(CameraAction::Start);
    bench.opening();
    bench.shared.camera.set_private(true);
    assert_eq!(bench.answer(start).as_deref(), Some("the privacy switch keeps the camera closed"));
    bench.shared.camera.set_private(false);
    bench.opening();
    assert_eq!(bench.obey(CameraAction::Stop), None);
    let start = bench.order(CameraAction::Start);
    bench.opening();
    let stop = bench.order(CameraAction::Stop);
    assert_eq!(bench.answer(start).as_deref(), Some("the camera was stopped before it gave a picture"));
    assert_eq!(bench.answer(stop), None);
    bench.camera.slow.store(false, Ordering::SeqCst);
    assert_eq!(bench.obey(CameraAction::Start), None);
    bench.streams(640);
}

#[test]
fn a_camera_that_gives_only_damaged_frames_is_opened_again() {
    let bench = Bench::start(false, false);
    bench.streams(640);
    bench.camera.damaged.store(true, Ordering::SeqCst);
    bench.says("camera simulated gives damaged frames only; it is opened again");
    bench.says("camera simulated is open again");
    bench.streams(640);
}

#[test]
fn a_switch_that_nobody_looks_at_any_more_closes_the_camera() {
    let bench = Bench::start(false, false);
    bench.streams(640);
    bench.shared.camera.looked(bench.shared.now());
    bench.says("the privacy switch was not looked at for two seconds, and counts as private");
    bench.until("it stays open", |bench| bench.camera.open.load(Ordering::SeqCst) == 0);
    assert_eq!(lock(&bench.shared.work).camera, CameraState::Private);
}

#[test]
fn an_answer_is_for_who_asked() {
    let mut bench = Bench::start(false, false);
    bench.streams(640);
    let mail = &bench.shared.mail[0];
    mail.begin(Some(2));
    let before = bench.order(CameraAction::Stop);
    bench.until("it stays open", |bench| bench.camera.open.load(Ordering::SeqCst) == 0);
    bench.token += 1;
    let order = Order { mail: 0, session: Some(2), token: bench.token, action: CameraAction::Start };
    assert!(bench.shared.camera.order(order));
    let answers = std::cell::RefCell::new(Vec::new());
    bench.until("no answer", |bench| {
        let mut state = lock(&bench.shared.mail[0].state);
        while let Some(message) = state.outbox.front(bench.shared.now()).cloned() {
            state.outbox.sent();
            if let Up::Ack(ack) = message {
                answers.borrow_mut().push(ack.token);
            }
        }
        !answers.borrow().is_empty()
    });
    assert_eq!(answers.into_inner(), [before + 1], "the first one was asked by somebody who has left");
}

#[test]
fn a_clients_word_about_the_time_counts_more_than_the_machines_clock() {
    let bench = Bench::start(false, false);
    bench.shared.follow_clock();
    let own = *lock(&bench.shared.unix_offset_us);
    assert!(own.is_none_or(|own| own > 0));
    bench.shared.set_time(7);
    bench.shared.follow_clock();
    assert_eq!(*lock(&bench.shared.unix_offset_us), Some(7));
}
