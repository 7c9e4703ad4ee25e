//! A whole board file: its sections put together, and the rules between keys.

use crate::choice::{CameraKind, SinkName};
use crate::key::Key;
use crate::section::{File, Section};
use crate::sections::{
    About, CameraCommon, DEFAULT_OUTBOX, Detector, Estimate, Model, Mqtt, Pins, Report, Serial, SinkCommon, Tcp,
    Update, V4l2, VideoFile,
};
use crate::{BoardError, MAX_BYTES};
use toml::de::DeTable;

/// The most `[[sink]]` tables of one file.
pub const MAX_SINKS: usize = 8;

/// A validated board file.
#[derive(Debug, Clone, PartialEq)]
pub struct Board {
    /// `[board]`.
    pub about: About,
    /// `[camera]`.
    pub camera: Camera,
    /// `[model]`.
    pub model: Model,
    /// `[detector]`.
    pub detector: Detector,
    /// `[estimate]`.
    pub estimate: Estimate,
    /// `[report]`.
    pub report: Report,
    /// `[update]`.
    pub update: Update,
    /// `[pins]`.
    pub pins: Pins,
    /// `[[sink]]`, 1 to [`MAX_SINKS`]; a file without one gets `stdout`.
    pub sinks: Vec<Sink>,
}

/// `[camera]`: where frames come from, and how they are kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Long side of the frames kept in memory, pixels, 160 to 640.
    pub max_side: u32,
    /// Where they come from.
    pub source: Source,
}

/// A source of frames with its keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// `source = "v4l2"`.
    V4l2(V4l2),
    /// `source = "file"`.
    File(VideoFile),
}

/// One `[[sink]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sink {
    /// Most messages that wait for it, 1 to 1024.
    pub outbox: u32,
    /// Where they go.
    pub kind: SinkKind,
}

/// A kind of sink with its keys.
#[derive(Debug, Clone, PartialEq)]
pub enum SinkKind {
    /// `kind = "serial"`.
    Serial(Serial),
    /// `kind = "stdout"`.
    Stdout,
    /// `kind = "tcp"`.
    Tcp(Tcp),
    /// `kind = "mqtt"`.
    Mqtt(Mqtt),
}

/// Reads and validates a board file. `name_or_path` is what error messages call it; `text` is its content.
///
/// # Errors
/// The first thing that is wrong: file, line, key, value, and what is accepted.
pub fn load(name_or_path: &str, text: &str) -> Result<Board, BoardError> {
    let file = File { name: name_or_path, text };
    if text.len() > MAX_BYTES {
        return Err(BoardError::TooLong { file: name_or_path.into(), bytes: text.len(), limit: MAX_BYTES });
    }
    let table = DeTable::parse(text).map_err(|error| BoardError::Syntax {
        file: name_or_path.into(),
        line: file.line(error.span().map_or(0, |span| span.start)),
        reason: error.message().lines().collect::<Vec<_>>().join("; "),
    })?;
    Board::read(&Section::whole(&file, table.get_ref()))
}

/// Every plain section with its keys, in the order of a well-kept file.
pub(crate) const SECTIONS: [(&str, &[&[Key]]); 9] = [
    ("board", &[About::KEYS]),
    ("camera", &[CameraCommon::KEYS, V4l2::KEYS, VideoFile::KEYS]),
    ("model", &[Model::KEYS]),
    ("detector", &[Detector::KEYS]),
    ("estimate", &[Estimate::KEYS]),
    ("report", &[Report::KEYS]),
    ("update", &[Update::KEYS]),
    ("pins", &[Pins::KEYS]),
    ("sink", &[SinkCommon::KEYS, Serial::KEYS, Tcp::KEYS, Mqtt::KEYS]),
];

fn names(groups: &[&'static [Key]]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in groups.iter().flat_map(|keys| keys.iter()) {
        // Kinds of sinks share some.
        if !names.contains(&key.name) {
            names.push(key.name);
        }
    }
    names
}

/// The dotted key that `name` alone stands for, when just one section has it.
fn home_of(name: &str) -> Option<String> {
    let mut homes = SECTIONS.iter().filter(|(_, groups)| names(groups).contains(&name));
    let home = homes.next()?;
    homes.next().is_none().then(|| format!("{}.{name}", home.0))
}

/// Hints that a key of `keys` would be right beside `choice`.
fn fits(keys: &'static [Key], choice: &'static str) -> impl Fn(&str) -> Option<String> {
    move |name| names(&[keys]).contains(&name).then(|| choice.to_owned())
}

/// The same for any kind of sink.
fn fits_a_sink(name: &str) -> Option<String> {
    fits(Serial::KEYS, "kind = \"serial\"")(name)
        .or_else(|| fits(Tcp::KEYS, "kind = \"tcp\"")(name))
        .or_else(|| fits(Mqtt::KEYS, "kind = \"mqtt\"")(name))
}

impl Board {
    fn read(file: &Section<'_>) -> Result<Board, BoardError> {
        file.only(&SECTIONS.map(|(name, _)| name), home_of)?;
        let section = |name: &str, keys: &'static [Key]| {
            let section = file.table(name)?;
            section.only(&names(&[keys]), home_of)?;
            Ok(section)
        };
        Ok(Board {
            about: About::read(&section("board", About::KEYS)?)?,
            camera: Camera::read(&file.table("camera")?)?,
            model: Model::read(&section("model", Model::KEYS)?)?,
            detector: Detector::read(&section("detector", Detector::KEYS)?)?,
            estimate: Estimate::read_consistent(&section("estimate", Estimate::KEYS)?)?,
            report: Report::read(&section("report", Report::KEYS)?)?,
            update: Update::read(&section("update", Update::KEYS)?)?,
            pins: Pins::read(&section("pins", Pins::KEYS)?)?,
            sinks: Sink::read_all(&file.tables("sink", MAX_SINKS)?)?,
        })
    }
}

impl Camera {
    fn read(section: &Section<'_>) -> Result<Camera, BoardError> {
        section.only(&names(&[CameraCommon::KEYS, V4l2::KEYS, VideoFile::KEYS]), home_of)?;
        let common = CameraCommon::read(section)?;
        let source = match common.source {
            CameraKind::V4l2 => {
                section.only(
                    &names(&[CameraCommon::KEYS, V4l2::KEYS]),
                    fits(VideoFile::KEYS, "camera.source = \"file\""),
                )?;
                Source::V4l2(V4l2::read(section)?)
            }
            CameraKind::File => {
                section.only(
                    &names(&[CameraCommon::KEYS, VideoFile::KEYS]),
                    fits(V4l2::KEYS, "camera.source = \"v4l2\""),
                )?;
                Source::File(VideoFile::read(section)?)
            }
        };
        Ok(Camera { max_side: common.max_side, source })
    }
}

impl Estimate {
    fn read_consistent(section: &Section<'_>) -> Result<Estimate, BoardError> {
        let estimate = Estimate::read(section)?;
        if estimate.leave > estimate.enter {
            let accepted = format!("a number from 0 to estimate.enter, which is {}", estimate.enter);
            return Err(section.conflict("leave", &estimate.leave, accepted));
        }
        Ok(estimate)
    }
}

impl Mqtt {
    fn read_consistent(section: &Section<'_>) -> Result<Mqtt, BoardError> {
        let mqtt = Mqtt::read(section)?;
        let needs = [
            ("password_file", &mqtt.password_file, "user", &mqtt.user),
            ("certificate", &mqtt.certificate, "key", &mqtt.key),
            ("key", &mqtt.key, "certificate", &mqtt.certificate),
            ("certificate", &mqtt.certificate, "ca", &mqtt.ca),
        ];
        match needs.iter().find(|(_, value, _, needed)| value.is_some() && needed.is_none()) {
            Some((name, value, needed, _)) => {
                Err(section.conflict(name, *value, format!("a path, with `{needed}` beside it")))
            }
            None => Ok(mqtt),
        }
    }
}

impl Sink {
    fn read_all(sections: &[Section<'_>]) -> Result<Vec<Sink>, BoardError> {
        if sections.is_empty() {
            return Ok(vec![Sink { outbox: DEFAULT_OUTBOX, kind: SinkKind::Stdout }]);
        }
        let mut sinks: Vec<Sink> = Vec::new();
        for section in sections {
            let sink = Sink::read(section)?;
            if sinks.iter().any(|earlier| earlier.same_target(&sink)) {
                return Err(sink.taken(section));
            }
            sinks.push(sink);
        }
        Ok(sinks)
    }

    fn read(section: &Section<'_>) -> Result<Sink, BoardError> {
        section.only(&names(&[SinkCommon::KEYS, Serial::KEYS, Tcp::KEYS, Mqtt::KEYS]), home_of)?;
        let common = SinkCommon::read(section)?;
        let keys = match common.kind {
            SinkName::Serial => Serial::KEYS,
            SinkName::Stdout => &[],
            SinkName::Tcp => Tcp::KEYS,
            SinkName::Mqtt => Mqtt::KEYS,
        };
        section.only(&names(&[SinkCommon::KEYS, keys]), fits_a_sink)?;
        let kind = match common.kind {
            SinkName::Serial => SinkKind::Serial(Serial::read(section)?),
            SinkName::Stdout => SinkKind::Stdout,
            SinkName::Tcp => SinkKind::Tcp(Tcp::read(section)?),
            SinkName::Mqtt => SinkKind::Mqtt(Mqtt::read_consistent(section)?),
        };
        Ok(Sink { outbox: common.outbox, kind })
    }

    fn same_target(&self, other: &Sink) -> bool {
        match (&self.kind, &other.kind) {
            (SinkKind::Serial(a), SinkKind::Serial(b)) => a.port == b.port,
            (SinkKind::Stdout, SinkKind::Stdout) => true,
            (SinkKind::Tcp(a), SinkKind::Tcp(b)) => a.listen == b.listen,
            // The broker knows the board by its name, and would end the first connection for the second.
            (SinkKind::Mqtt(a), SinkKind::Mqtt(b)) => a.host == b.host && a.port == b.port,
            _ => false,
        }
    }

    fn taken(&self, section: &Section<'_>) -> BoardError {
        match &self.kind {
            SinkKind::Serial(serial) => {
                section.conflict("port", &serial.port, "a port that no [[sink]] above has".to_owned())
            }
            SinkKind::Stdout => {
                section.conflict("kind", &SinkName::Stdout, "\"stdout\" for one [[sink]] at most".to_owned())
            }
            SinkKind::Tcp(tcp) => {
                section.conflict("listen", &tcp.listen, "an address that no [[sink]] above has".to_owned())
            }
            SinkKind::Mqtt(mqtt) => {
                section.conflict("host", &mqtt.host, "a broker (host and port) that no [[sink]] above has".to_owned())
            }
        }
    }
}
