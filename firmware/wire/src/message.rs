//! What a board and its host say to each other.

use crate::MAX_FRAME;
use crate::decode::{Buffer, DecodeError, parse};
use crate::update::{LogsQuery, PermitOffer, Request, Slots, UpdateBegin, UpdateFinish, UpdateRefused, UpdateState};
use crate::value::{Area, Coord, Point, Quality, Share, Text};
use serde::{Deserialize, Serialize};

/// The most expression labels a model may have.
pub const MAX_LABELS: usize = 8;

/// Landmarks of a face, in this order, *as seen in the image*: left eye, right eye, nose, left mouth corner,
/// right mouth corner.
pub const LANDMARKS: usize = 5;

/// Scores in the order of [`Hello::labels`].
pub type Scores = heapless::Vec<Share, MAX_LABELS>;

/// `values` as [`Scores`]; `None` when there are more than [`MAX_LABELS`] or one is not finite.
pub fn scores_from_f32(values: &[f32]) -> Option<Scores> {
    let mut scores = Scores::new();
    for &value in values {
        scores.push(Share::from_f32(value)?).ok()?;
    }
    Some(scores)
}

/// From the board to the host. Append-only: new variants go to the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Up {
    /// Who the board is; sent at start, and as the answer to [`Down::Hello`].
    Hello(Hello),
    /// One answer of the network: a face, or that there is none.
    Report(Report),
    /// How the board is; sent every few seconds.
    Status(Status),
    /// A line of the board's log.
    Log(Log),
    /// The answer to [`Down::Ping`].
    Pong(Pong),
    /// A request was carried out.
    Ack(Ack),
    /// A request was refused.
    Nack(Nack),
    /// What the board's slots hold; the answer to [`Down::SlotsQuery`].
    Slots(Slots),
    /// How far the board is with an update; the answer to [`Down::UpdateBegin`], [`Down::UpdateQuery`] and
    /// [`Down::UpdateFinish`], and sent while chunks come in.
    UpdateState(UpdateState),
    /// An update was refused; the other answer to [`Down::UpdateBegin`] and [`Down::UpdateFinish`].
    UpdateRefused(UpdateRefused),
    /// One of the camera's modes; several are the answer to [`Down::CameraModesQuery`].
    CameraMode(CameraMode),
}

/// From the host to the board. Append-only: new variants go to the end. The chunks of an update are not among them,
/// so that a host that only asks needs no room for one: see [`FromHost`](crate::FromHost).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "there is no allocator")]
pub enum Down {
    /// Asks for [`Up::Hello`].
    Hello,
    /// Asks for [`Up::Pong`].
    Ping(Ping),
    /// Tells the board the time; answered by [`Up::Ack`] or [`Up::Nack`].
    SetTime(SetTime),
    /// Asks for [`Up::Slots`].
    SlotsQuery(Request),
    /// Offers a bundle, or goes on with it; answered by [`Up::UpdateState`] or [`Up::UpdateRefused`].
    UpdateBegin(UpdateBegin),
    /// Asks for [`Up::UpdateState`].
    UpdateQuery(Request),
    /// All is sent: check and install it; answered by [`Up::UpdateState`] or [`Up::UpdateRefused`].
    UpdateFinish(UpdateFinish),
    /// Keeps the version on trial; answered by [`Up::Ack`] or [`Up::Nack`].
    Confirm(Request),
    /// Goes back to the version before; answered by [`Up::Ack`] or [`Up::Nack`].
    Rollback(Request),
    /// Asks for the newest lines of the log; answered by [`Up::Log`]s, oldest first, and then [`Up::Ack`].
    LogsQuery(LogsQuery),
    /// Hands over a signed leave to install, or go back to, an older version; answered by [`Up::Ack`] or [`Up::Nack`].
    Permit(PermitOffer),
    /// Asks for the camera's modes; answered by [`Up::CameraMode`]s and then [`Up::Ack`], or by [`Up::Nack`].
    CameraModesQuery(Request),
    /// Starts or stops the camera, or chooses its mode; answered by [`Up::Ack`] when that is done, or [`Up::Nack`].
    Camera(CameraOrder),
    /// What is to be sent over this line, until the next [`Down::Hello`] or another peer; answered by [`Up::Ack`] or [`Up::Nack`].
    Subscribe(Subscribe),
}

/// Who the board is and what it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The highest [`VERSION`](crate::VERSION) the board speaks.
    pub protocol: u8,
    /// A random number, new at every start of the daemon.
    pub boot: u32,
    /// The board's own name, unique among a robot's boards.
    pub device: Text<32>,
    /// Version of the firmware.
    pub firmware: Text<24>,
    /// Name of the model.
    pub model: Text<24>,
    /// Version of the model.
    pub model_version: Text<20>,
    /// The engine that really runs the model, for example `tract` or `cuda`.
    pub engine: Text<24>,
    /// The model's expressions, in the order of [`FaceReport::scores`]; no two are equal.
    pub labels: heapless::Vec<Text<12>, MAX_LABELS>,
}

/// One answer of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// [`Hello::boot`] of the board that sent it; another number means that the board started anew.
    pub boot: u32,
    /// Counts reports from 0 since the start; a gap means lost reports, or ones that [`Subscribe::report_every_ms`] left
    /// out: [`Report::dropped`] then tells of losses on the board alone.
    pub seq: u32,
    /// When the newest frame of the clip was captured: microseconds of the board's monotonic clock.
    pub captured_us: u64,
    /// From that capture to the encoding of this message, in microseconds, at most `u32::MAX` (71 minutes).
    pub age_us: u32,
    /// Width of the camera image, in pixels.
    pub width: u16,
    /// Height of the camera image, in pixels.
    pub height: u16,
    /// Reports the board made since its start and could not send; wraps.
    pub dropped: u32,
    /// Faces followed at that moment: each has reports of its own, in turn. 0 exactly when there is no `face`.
    pub faces: u8,
    /// The face, or `None` when there is none in view.
    pub face: Option<FaceReport>,
}

/// A face, its place in the camera image, and its expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaceReport {
    /// The track: the same number for the same face while it is followed; random and short-lived.
    pub id: u32,
    /// The face's box.
    pub area: Area,
    /// The five points in the order of [`LANDMARKS`].
    pub landmarks: [Point; LANDMARKS],
    /// How sure the detector is that this is a face.
    pub confidence: Share,
    /// Smoothed probability of each of [`Hello::labels`].
    pub scores: Scores,
    /// Index into [`Hello::labels`]; `None` exactly when [`FaceReport::smoothing`] is `Unsure`.
    pub label: Option<u8>,
    /// How the label came about.
    pub smoothing: Smoothing,
    /// What makes the answer doubtful.
    pub quality: Quality,
}

/// How a face's label came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Smoothing {
    /// No expression is likely enough to be named: there is no label.
    Unsure,
    /// Another expression leads at the moment, not by enough or not for long enough, or the last look did not find the face:
    /// the old label is held.
    Holding,
    /// The label is the leading expression.
    Stable,
}

/// How the board is. Counters count from the daemon's start and wrap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`Hello::boot`].
    pub boot: u32,
    /// Time since the daemon's start, in milliseconds.
    pub uptime_ms: u64,
    /// What to add to [`Report::captured_us`] to get Unix time in microseconds; `None` while the board knows no
    /// wall-clock time.
    pub unix_offset_us: Option<i64>,
    /// The engine that really runs the model.
    pub engine: Text<24>,
    /// The camera, or what stands in for it.
    pub camera: CameraState,
    /// The sink of reports; the worst one's state when there are several.
    pub sink: SinkState,
    /// What was counted since the start.
    pub counters: Counters,
    /// Frames captured per second lately, in tenths.
    pub fps_tenths: u16,
    /// Temperature of the processor in tenths of a degree Celsius, when the board has a sensor.
    pub temperature_tenths_c: Option<i16>,
    /// Resident memory of the daemon, in KiB.
    pub rss_kib: u32,
    /// Time each stage took lately.
    pub latency: Latencies,
    /// How the parts are that have no state of their own above.
    pub parts: Parts,
    /// Clips a second at most, in tenths, as of now: fewer than the board file says while the board is too hot.
    pub clips_tenths: u16,
}

/// How the parts of a board are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The network's engine: [`Condition::Bad`] when its last answers failed.
    pub engine: Condition,
    /// Room and health of the disk that holds the slots.
    pub storage: Condition,
    /// [`Condition::Strained`] while the board is so hot that it works less.
    pub temperature: Condition,
    /// The daemon's memory against its limit, and the machine's.
    pub memory: Condition,
    /// The clock: [`Condition::Strained`] while the board knows no wall-clock time.
    pub clock: Condition,
}

/// How a part is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Condition {
    /// Nobody can say, for want of a sensor, or because nothing has happened yet.
    #[default]
    Unknown,
    /// As it should be.
    Good,
    /// Works, and less well than it should.
    Strained,
    /// Does not work.
    Bad,
}

/// One of a camera's modes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraMode {
    /// Of the request.
    pub token: u32,
    /// Place of this mode in the list, from 0; below `count`.
    pub index: u16,
    /// Modes in the list.
    pub count: u16,
    /// Which.
    pub mode: Mode,
    /// It is the one in use.
    pub current: bool,
    /// The board can read its format; the others can only be looked at.
    pub readable: bool,
}

/// Format, size and rate of a camera's pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mode {
    /// The pixel format's four letters, as V4L2 names it, or what stands for it in a file.
    pub format: Text<8>,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
    /// Most pictures a second, in tenths; 0 where the driver does not say.
    pub fps_tenths: u16,
}

/// Tells the camera what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraOrder {
    /// Comes back in the answer.
    pub token: u32,
    /// What.
    pub action: CameraAction,
}

/// What a camera is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CameraAction {
    /// Close it and forget all pictures, until [`CameraAction::Start`].
    Stop,
    /// Open it again. A privacy switch is stronger.
    Start,
    /// Use the mode nearest to this one, until the daemon starts anew; the board file is not changed.
    Choose(Mode),
}

/// What is to be sent over a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// Comes back in the answer.
    pub token: u32,
    /// Least time between two reports of the same face, in milliseconds: 0 for every report, `None` for none at all.
    pub report_every_ms: Option<u16>,
    /// Time between two [`Status`]es, in milliseconds, at least 100; `None` for none but those on a change.
    pub status_every_ms: Option<u32>,
    /// Log lines as serious as this one or more; `None` for none.
    pub log: Option<Level>,
}

/// State of the camera, or of the file that stands in for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CameraState {
    /// Being opened for the first time.
    Starting,
    /// Frames come.
    Streaming,
    /// Gone or silent; being opened again.
    Lost,
    /// A file came to its end.
    Ended,
    /// Switched off on request.
    Off,
    /// Switched off by the privacy switch.
    Private,
}

/// State of a sink of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SinkState {
    /// Being opened for the first time.
    Connecting,
    /// Takes what it is given.
    Connected,
    /// Gone or stuck; being opened again, reports are dropped and counted.
    Lost,
}

/// Counted since the daemon's start; each wraps at 2^32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Frames captured.
    pub frames: u32,
    /// Clips the engine answered.
    pub clips: u32,
    /// Reports written to the sink.
    pub reports: u32,
    /// Frames dropped: broken, or overtaken by newer ones.
    pub dropped_frames: u32,
    /// Reports that could not be sent.
    pub dropped_reports: u32,
    /// Bad frames received from the host.
    pub bad_received: u32,
    /// Times that the camera or the sink was opened again.
    pub reconnects: u32,
}

/// Time each stage took lately, in the order of the pipeline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latencies {
    /// Camera bytes to pixels.
    pub decode: Percentiles,
    /// Cutting and resizing the clip.
    pub crop: Percentiles,
    /// The network.
    pub infer: Percentiles,
    /// The network's outputs to a report.
    pub outputs: Percentiles,
    /// The report to wire bytes.
    pub encode: Percentiles,
}

/// Median and 99th percentile, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Half of the times were at most this.
    pub p50_us: u32,
    /// 99 of 100 times were at most this.
    pub p99_us: u32,
}

/// A line of the board's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// How serious it is.
    pub level: Level,
    /// When it was logged: microseconds of the board's monotonic clock; [`Log::HAVE_TO_WAIT`] where it was not.
    pub at_us: u64,
    /// The line, cut to its bound.
    pub text: Text<200>,
}

impl Log {
    /// The time of what is said to one client alone: that another one has the line, and that it has to wait for its turn.
    pub const HAVE_TO_WAIT: u64 = 0;
}

/// How serious a [`Log`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is worse than it should be; the board goes on.
    Warn,
    /// What happens.
    Info,
    /// For the developer.
    Debug,
}

/// Asks for a sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Comes back in the [`Pong`].
    pub token: u32,
}

/// The answer to a [`Ping`]. With the times of sending and receiving it gives the offset between the clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Of the [`Ping`].
    pub token: u32,
    /// When the [`Ping`] was read: microseconds of the board's monotonic clock.
    pub board_us: u64,
}

/// Tells the board the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetTime {
    /// Comes back in the answer.
    pub token: u32,
    /// Microseconds since 1970-01-01 00:00 UTC at the moment of sending.
    pub unix_us: u64,
}

/// A request was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Of the request.
    pub token: u32,
}

/// A request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nack {
    /// Of the request.
    pub token: u32,
    /// Why, for the program.
    pub reason: Reason,
    /// Why, for a person.
    pub detail: Text<96>,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// The board cannot do this.
    Unsupported,
    /// A value of the request is not acceptable.
    BadValue,
    /// Not at the moment; ask again later.
    Busy,
    /// It was tried and failed.
    Failed,
}

/// Fields of a message contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: {rule}")]
pub struct Invalid {
    /// The field, from the message down.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

/// What a frame can carry: [`Up`], [`Down`] or [`FromHost`](crate::FromHost), and nothing outside this crate.
pub trait Message: Sized + sealed::Sealed {
    /// How many kinds of message this version knows.
    const KINDS: u8;
    /// The first byte of a frame: version and direction.
    const FIRST_BYTE: u8;
    /// Room for a frame without its delimiter.
    type Buffer: Buffer;
    /// The message of a body of at least one byte.
    ///
    /// # Errors
    /// [`DecodeError::UnknownKind`] and [`DecodeError::Body`].
    fn from_body(body: &[u8]) -> Result<Self, DecodeError>;
    /// Whether the fields agree with each other; the fields' own types see to their ranges.
    ///
    /// # Errors
    /// The field and its rule.
    fn check(&self) -> Result<(), Invalid>;
}

impl Message for Up {
    const KINDS: u8 = 11;
    const FIRST_BYTE: u8 = crate::VERSION;
    type Buffer = [u8; MAX_FRAME - 1];

    fn from_body(body: &[u8]) -> Result<Self, DecodeError> {
        parse(body, Self::KINDS)
    }

    fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::Hello(hello) => hello.check(),
            Self::Report(report) => report.check(),
            Self::UpdateState(state) => state.check(),
            Self::CameraMode(mode) => rule(mode.index < mode.count, "CameraMode.index", "must be below `count`"),
            _ => Ok(()),
        }
    }
}

impl Message for Down {
    const KINDS: u8 = 14;
    const FIRST_BYTE: u8 = crate::VERSION | crate::DOWN_BIT;
    type Buffer = [u8; MAX_FRAME - 1];

    fn from_body(body: &[u8]) -> Result<Self, DecodeError> {
        parse(body, Self::KINDS)
    }

    fn check(&self) -> Result<(), Invalid> {
        match self {
            Self::UpdateBegin(begin) => begin.offer.check(),
            Self::Subscribe(subscribe) => {
                let often = subscribe.status_every_ms.is_some_and(|ms| ms < Subscribe::LEAST_STATUS_MS);
                rule(!often, "Subscribe.status_every_ms", "must be at least 100")
            }
            _ => Ok(()),
        }
    }
}

impl Subscribe {
    /// The shortest time between two [`Status`]es that may be asked for, in milliseconds.
    pub const LEAST_STATUS_MS: u32 = 100;
}

impl Report {
    fn check(&self) -> Result<(), Invalid> {
        let agrees = (self.faces == 0) == self.face.is_none();
        rule(agrees, "Report.faces", "must be 0 exactly when there is no face")?;
        self.face.as_ref().map_or(Ok(()), FaceReport::check)
    }
}

impl Hello {
    fn check(&self) -> Result<(), Invalid> {
        let twice = |(i, label)| self.labels[..i].contains(label);
        rule(!self.labels.iter().enumerate().any(twice), "Hello.labels", "no label may come twice")
    }
}

impl FaceReport {
    fn check(&self) -> Result<(), Invalid> {
        let zero = Coord::default();
        rule(self.area.w >= zero, "Report.face.area.w", "must not be negative")?;
        rule(self.area.h >= zero, "Report.face.area.h", "must not be negative")?;
        let known = self.label.is_none_or(|label| usize::from(label) < self.scores.len());
        rule(known, "Report.face.label", "must be an index into `scores`")?;
        let unsure = self.smoothing == Smoothing::Unsure;
        rule(unsure == self.label.is_none(), "Report.face.smoothing", "must be `Unsure` exactly when there is no label")
    }
}

pub(crate) fn rule(holds: bool, field: &'static str, rule: &'static str) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid { field, rule }) }
}

pub(crate) mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Up {}
    impl Sealed for super::Down {}
}
