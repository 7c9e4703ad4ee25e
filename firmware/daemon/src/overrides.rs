//! What a command line may say instead of the board file.

use crate::DaemonError;
use mtcae_board_configs::{
    Board, EngineChoice, Mqtt, PrecisionChoice, Serial, Sink, SinkKind, Source, Tcp, V4l2, VideoFile, load,
};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Messages that may wait for a sink named on the command line.
const OUTBOX: u32 = 64;
/// As in a board file.
const BAUD: std::ops::RangeInclusive<u32> = 9_600..=4_000_000;
const DEFAULT_BAUD: u32 = 115_200;
const DEFAULT_BROKER_PORT: u16 = 1883;

/// What replaces parts of a board file; everything else stays as the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Another source of frames.
    pub source: Option<SourceChoice>,
    /// Other sinks; empty leaves the file's.
    pub sinks: Vec<SinkChoice>,
    /// Another model folder.
    pub model: Option<PathBuf>,
    /// Another number format of the model.
    pub precision: Option<PrecisionChoice>,
    /// Another engine.
    pub engine: Option<EngineChoice>,
    /// ONNX Runtime's library, for a board file that does not say where it is.
    pub onnxruntime: Option<PathBuf>,
    /// Who wants signs of life.
    pub watch: Option<Watch>,
}

/// Who wants signs of life, in systemd's notify protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The value of `NOTIFY_SOCKET`.
    pub socket: OsString,
    /// Longest time between two signs, the value of `WATCHDOG_USEC`; `None` wants none after the first.
    pub within: Option<Duration>,
}

/// A source as it is written on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceChoice {
    /// `v4l2:DEVICE`, a path or `auto`.
    V4l2(String),
    /// `file:PATH`.
    File(PathBuf),
}

/// A sink as it is written on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkChoice {
    /// `serial:PORT` or `serial:PORT:BAUD`.
    Serial {
        /// Device file.
        port: String,
        /// Speed, 9600 to 4000000 baud.
        baud: u32,
    },
    /// `stdout`.
    Stdout,
    /// `tcp:ADDRESS:PORT`; keys are where the board file's TCP sink has them, or where one has them by default.
    Tcp(SocketAddr),
    /// `mqtt:HOST` or `mqtt:HOST:PORT`; everything else is as the board file's MQTT sink has it, or as one has it by
    /// default.
    Mqtt {
        /// Name or IPv4 address of the broker.
        host: String,
        /// Its port, where one is given.
        port: Option<u16>,
    },
}

impl FromStr for SourceChoice {
    type Err = DaemonError;

    fn from_str(text: &str) -> Result<Self, DaemonError> {
        match text.split_once(':') {
            Some(("v4l2", device)) if device == "auto" || device.starts_with("/dev/") => {
                Ok(SourceChoice::V4l2(device.to_owned()))
            }
            Some(("file", path)) if !path.is_empty() => Ok(SourceChoice::File(path.into())),
            _ => Err(DaemonError::Configuration(format!(
                "source {text:?}; accepted: v4l2:auto, v4l2:/dev/..., file:PATH"
            ))),
        }
    }
}

impl FromStr for SinkChoice {
    type Err = DaemonError;

    fn from_str(text: &str) -> Result<Self, DaemonError> {
        let wrong = || {
            DaemonError::Configuration(format!(
                "sink {text:?}; accepted: stdout, tcp:ADDRESS:PORT with an IP address, mqtt:HOST, mqtt:HOST:PORT, serial:/dev/..., serial:/dev/...:BAUD with 9600 to 4000000 baud"
            ))
        };
        if text == "stdout" {
            return Ok(SinkChoice::Stdout);
        }
        if let Some(address) = text.strip_prefix("tcp:") {
            let address = address.parse().ok().filter(|address: &SocketAddr| address.port() > 0);
            return address.map(SinkChoice::Tcp).ok_or_else(wrong);
        }
        if let Some(broker) = text.strip_prefix("mqtt:") {
            return mqtt_choice(broker).ok_or_else(wrong);
        }
        let rest = text.strip_prefix("serial:").filter(|rest| rest.starts_with("/dev/")).ok_or_else(wrong)?;
        // Names below /dev/serial/by-id may hold colons; only digits after the last one are a speed.
        let (port, baud) = match rest.rsplit_once(':') {
            Some((port, digits)) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                (port, digits.parse().map_err(|_| wrong())?)
            }
            _ => (rest, DEFAULT_BAUD),
        };
        if !BAUD.contains(&baud) {
            return Err(wrong());
        }
        Ok(SinkChoice::Serial { port: port.to_owned(), baud })
    }
}

impl Overrides {
    /// `board` with these in place of its own.
    pub fn apply(&self, board: &mut Board) {
        match &self.source {
            Some(SourceChoice::V4l2(device)) => {
                if !matches!(board.camera.source, Source::V4l2(_))
                    && let Some(defaults) = camera_defaults()
                {
                    board.camera.source = Source::V4l2(defaults);
                }
                if let Source::V4l2(camera) = &mut board.camera.source {
                    camera.device.clone_from(device);
                }
            }
            Some(SourceChoice::File(path)) => {
                let path = path.to_string_lossy().into_owned();
                match &mut board.camera.source {
                    Source::File(file) => file.path = path,
                    other => *other = Source::File(VideoFile { path, repeat: false, realtime: true }),
                }
            }
            None => {}
        }
        if !self.sinks.is_empty() {
            let (tcp, mqtt) = (tcp_sink(board).cloned(), mqtt_sink(board).cloned());
            board.sinks = self.sinks.iter().map(|sink| sink.to_sink(tcp.as_ref(), mqtt.as_ref())).collect();
        }
        if let Some(path) = &self.model {
            board.model.path = path.to_string_lossy().into_owned();
        }
        if let Some(precision) = self.precision {
            board.model.precision = precision;
        }
        if let Some(engine) = self.engine {
            board.model.engine = engine;
        }
        if let (None, Some(path)) = (&board.model.onnxruntime, &self.onnxruntime) {
            board.model.onnxruntime = Some(path.to_string_lossy().into_owned());
        }
    }
}

impl SinkChoice {
    fn to_sink(&self, keys: Option<&Tcp>, broker: Option<&Mqtt>) -> Sink {
        let kind = match self {
            SinkChoice::Serial { port, baud } => SinkKind::Serial(Serial { port: port.clone(), baud: *baud }),
            SinkChoice::Stdout => SinkKind::Stdout,
            SinkChoice::Tcp(listen) => {
                SinkKind::Tcp(keys.map_or_else(|| Tcp::on(*listen), |keys| Tcp { listen: *listen, ..keys.clone() }))
            }
            SinkChoice::Mqtt { host, port } => {
                let mut mqtt = broker.cloned().unwrap_or_else(|| Mqtt::at(host, DEFAULT_BROKER_PORT));
                mqtt.host.clone_from(host);
                mqtt.port = port.map_or(mqtt.port, u32::from);
                SinkKind::Mqtt(mqtt)
            }
        };
        Sink { outbox: OUTBOX, kind }
    }
}

/// The first TCP sink of `board`.
fn tcp_sink(board: &Board) -> Option<&Tcp> {
    board.sinks.iter().find_map(|sink| if let SinkKind::Tcp(tcp) = &sink.kind { Some(tcp) } else { None })
}

/// The first MQTT sink of `board`.
fn mqtt_sink(board: &Board) -> Option<&Mqtt> {
    board.sinks.iter().find_map(|sink| if let SinkKind::Mqtt(mqtt) = &sink.kind { Some(mqtt) } else { None })
}

/// `HOST` or `HOST:PORT`, the host as a board file accepts it.
fn mqtt_choice(text: &str) -> Option<SinkChoice> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok().filter(|&port: &u16| port > 0)?)),
        None => (text, None),
    };
    let file = format!("[board]\nname = \"x\"\nfamily = \"x\"\n[[sink]]\nkind = \"mqtt\"\nhost = {host:?}\n");
    load("defaults", &file).ok().map(|_| SinkChoice::Mqtt { host: host.to_owned(), port })
}

/// The keys of a camera that a board file says nothing about.
fn camera_defaults() -> Option<V4l2> {
    match load("defaults", "[board]\nname = \"x\"\nfamily = \"x\"\n").ok()?.camera.source {
        Source::V4l2(camera) => Some(camera),
        Source::File(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_board_configs::load_builtin;

    #[test]
    fn what_is_written_is_understood() {
        assert_eq!("v4l2:/dev/video0".parse(), Ok(SourceChoice::V4l2("/dev/video0".into())));
        assert_eq!("file:a:b.avi".parse(), Ok(SourceChoice::File("a:b.avi".into())));
        assert_eq!("serial:/dev/ttyS1:9600".parse(), Ok(SinkChoice::Serial { port: "/dev/ttyS1".into(), baud: 9600 }));
        let by_id = SinkChoice::Serial { port: "/dev/serial/by-id/usb-a:if0".into(), baud: 115_200 };
        assert_eq!("serial:/dev/serial/by-id/usb-a:if0".parse(), Ok(by_id));
        assert_eq!("tcp:[::1]:7452".parse(), Ok(SinkChoice::Tcp("[::1]:7452".parse().unwrap())));
        for wrong in ["tcp:", "tcp:7452", "tcp:localhost:7452", "tcp:127.0.0.1:0", "tcp:127.0.0.1:70000"] {
            assert!(wrong.parse::<SinkChoice>().is_err(), "{wrong}");
        }
        let broker = |host: &str, port| Ok(SinkChoice::Mqtt { host: host.into(), port });
        assert_eq!("mqtt:broker.local".parse(), broker("broker.local", None));
        assert_eq!("mqtt:10.0.0.2:8883".parse(), broker("10.0.0.2", Some(8883)));
        for wrong in ["mqtt:", "mqtt::1883", "mqtt:a:0", "mqtt:a:70000", "mqtt:a b", "mqtt:a\"\nb", "mqtt:[::1]:1883"] {
            assert!(wrong.parse::<SinkChoice>().is_err(), "{wrong}");
        }
        for wrong in ["", "video0", "v4l2:", "file:"] {
            assert!(wrong.parse::<SourceChoice>().is_err(), "{wrong}");
        }
        insta::assert_snapshot!("serial:/dev/ttyS1:1".parse::<SinkChoice>().unwrap_err(), @r#"sink "serial:/dev/ttyS1:1"; accepted: stdout, tcp:ADDRESS:PORT with an IP address, mqtt:HOST, mqtt:HOST:PORT, serial:/dev/..., serial:/dev/...:BAUD with 9600 to 4000000 baud"#);
        insta::assert_snapshot!("webcam".parse::<SourceChoice>().unwrap_err(), @r#"source "webcam"; accepted: v4l2:auto, v4l2:/dev/..., file:PATH"#);
    }

    #[test]
    fn a_tcp_sink_has_the_boards_keys() {
        let over = Overrides { sinks: vec!["tcp:127.0.0.1:7000".parse().unwrap()], ..Overrides::default() };
        let keys = |board: &Board| match &board.sinks[..] {
            [Sink { kind: SinkKind::Tcp(tcp), .. }] => (tcp.listen.port(), tcp.key.clone(), tcp.clients.clone()),
            other => panic!("{other:?}"),
        };
        let mut board = load_builtin("demo").unwrap();
        over.apply(&mut board);
        assert_eq!(keys(&board), (7000, "/etc/mtcae/line.key".into(), "/etc/mtcae/clients".into()));
        let SinkKind::Tcp(tcp) = &mut board.sinks[0].kind else { panic!() };
        tcp.key = "mine".into();
        over.apply(&mut board);
        assert_eq!(keys(&board), (7000, "mine".into(), "/etc/mtcae/clients".into()));
    }

    #[test]
    fn an_mqtt_sink_has_what_the_board_says_of_its_broker() {
        let over = |sink: &str| Overrides { sinks: vec![sink.parse().unwrap()], ..Overrides::default() };
        let mut board = load_builtin("demo").unwrap();
        over("mqtt:a").apply(&mut board);
        assert_eq!(board.sinks[0].kind, SinkKind::Mqtt(Mqtt::at("a", 1883)));
        let SinkKind::Mqtt(mqtt) = &mut board.sinks[0].kind else { panic!() };
        (mqtt.port, mqtt.ca) = (8883, Some("ca.pem".into()));
        over("mqtt:b").apply(&mut board);
        assert_eq!(board.sinks[0].kind, SinkKind::Mqtt(Mqtt { ca: Some("ca.pem".into()), ..Mqtt::at("b", 8883) }));
        over("mqtt:b:1").apply(&mut board);
        assert!(matches!(&board.sinks[0].kind, SinkKind::Mqtt(mqtt) if mqtt.port == 1 && mqtt.ca.is_some()));
    }

    #[test]
    fn the_rest_of_the_board_stays() {
        let mut board = load_builtin("demo").unwrap();
        let before = board.clone();
        Overrides::default().apply(&mut board);
        assert_eq!(board, before);
        let int8 = Overrides { precision: Some(PrecisionChoice::Int8), ..Overrides::default() };
        int8.apply(&mut board);
        assert_eq!((board.model.precision, &board.model.path), (PrecisionChoice::Int8, &before.model.path));
        let library = |path: &str| Overrides {
            engine: Some(EngineChoice::CpuOrt),
            onnxruntime: Some(path.into()),
            ..Overrides::default()
        };
        library("a.so").apply(&mut board);
        library("b.so").apply(&mut board);
        assert_eq!((board.model.engine, board.model.onnxruntime.as_deref()), (EngineChoice::CpuOrt, Some("a.so")));
        let file = Overrides { source: Some(SourceChoice::File("x.y4m".into())), ..Overrides::default() };
        file.apply(&mut board);
        let Source::File(clip) = &board.camera.source else { panic!("{:?}", board.camera) };
        assert!(clip.path == "x.y4m" && clip.repeat, "the file's other keys stay: {clip:?}");
        let camera = Overrides { source: Some(SourceChoice::V4l2("/dev/video7".into())), ..Overrides::default() };
        camera.apply(&mut board);
        assert!(matches!(&board.camera.source, Source::V4l2(c) if c.device == "/dev/video7" && c.fps == 30));
    }
}
