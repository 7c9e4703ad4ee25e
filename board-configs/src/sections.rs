//! The schema: every section's keys, with their units, ranges and defaults. The README's table is made from here.

use crate::choice::{
    CameraKind, ConfirmChoice, EngineChoice, FirstChoice, LevelChoice, MainsChoice, PixelFormat, PrecisionChoice,
    SinkName,
};
use crate::key::{Accepts, section};
use core::net::{Ipv4Addr, SocketAddr};

/// Where a TCP sink listens that does not say: reachable from the board itself alone, through a tunnel for example.
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(core::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7452);
/// Where its keys are.
const DEFAULT_LINE_KEY: &str = "/etc/mtcae/line.key";
const DEFAULT_CLIENTS: &str = "/etc/mtcae/clients";
/// Where MQTT brokers listen without TLS.
const DEFAULT_BROKER_PORT: u32 = 1883;
const DEFAULT_PREFIX: &str = "mtcae";
/// Formats that every driver reads well, the ones that need the least of USB first.
const DEFAULT_FORMATS: [PixelFormat; 4] = [PixelFormat::Mjpg, PixelFormat::Yuyv, PixelFormat::Uyvy, PixelFormat::Nv12];
/// Messages that may wait for a sink that does not say.
pub(crate) const DEFAULT_OUTBOX: u32 = 64;

section! {
    /// `[board]`: which board this is.
    About {
        /// Name of the board; messages carry it as the device id.
        name: String, Accepts::Name;
        /// Family of boards, for example `pc`, `jetson-orin-nano`, `jetson-agx-orin`; a bundle says which families it is for.
        family: String, Accepts::Name;
        /// What a person should know of it.
        description: String = String::new(), Accepts::Line { max: 200 };
        /// Memory the daemon may take; above it the daemon says so in its status.
        memory_limit_mib: u32 = 256, Accepts::Integer { min: 64, max: 65_536, unit: "MiB" };
        /// Folder with the machine's thermal zones and cooling devices.
        thermal: String = String::from("/sys/class/thermal"), Accepts::Path;
    }
}

section! {
    /// The keys of `[camera]` that every source has.
    CameraCommon {
        /// Where frames come from.
        source: CameraKind = CameraKind::V4l2, Accepts::OneOf(CameraKind::WORDS);
        /// Long side of the frames kept in memory; larger frames are made smaller on arrival.
        max_side: u32 = 640, Accepts::Integer { min: 160, max: 640, unit: "px" };
    }
}

section! {
    /// `[camera]` with `source = "v4l2"`: a Video4Linux2 device.
    V4l2 {
        /// Device file; `auto` takes the first one that can capture. A path below `/dev/v4l/by-id/` survives re-plugging.
        device: String = String::from("auto"), Accepts::Camera;
        /// Pixel formats that may be used, by V4L2's four letters; among modes as good the first wins. Raw ones (from `RGGB` on) are developed at half their size.
        formats: Vec<PixelFormat> = DEFAULT_FORMATS.to_vec(), Accepts::SomeOf(PixelFormat::WORDS);
        /// Frame width to ask for; the camera may give the nearest it has.
        width: u32 = 640, Accepts::Integer { min: 160, max: 4_096, unit: "px" };
        /// Frame height to ask for; the camera may give the nearest it has.
        height: u32 = 480, Accepts::Integer { min: 120, max: 3_072, unit: "px" };
        /// Frame rate to ask for.
        fps: u32 = 30, Accepts::Integer { min: 1, max: 240, unit: "frames/s" };
        /// Wait for a frame; after it the device counts as gone and is closed.
        timeout_ms: u32 = 2_000, Accepts::Integer { min: 100, max: 60_000, unit: "ms" };
        /// Wait before a closed device is opened again.
        reopen_ms: u32 = 1_000, Accepts::Integer { min: 50, max: 60_000, unit: "ms" };
        /// Exposure time; 0 leaves it to the camera, or, for raw formats, to the firmware.
        exposure_us: u32 = 0, Accepts::Integer { min: 0, max: 1_000_000, unit: "us" };
        /// Mains frequency of the lamps, so that pictures do not flicker with them.
        mains: MainsChoice = MainsChoice::Auto, Accepts::OneOf(MainsChoice::WORDS);
        /// Black of raw formats as a share of the largest sample; 64 of 1023 for most sensors.
        black_level: f32 = 0.0625, Accepts::Number { min: 0.0, max: 0.5, unit: "" };
    }
}

section! {
    /// `[camera]` with `source = "file"`: a recorded clip or a folder of pictures.
    VideoFile {
        /// The clip (MJPEG, MJPEG in AVI, Y4M, or anything an installed ffmpeg reads) or folder; a relative path starts at the daemon's working directory.
        path: String, Accepts::Path;
        /// Start again at the end; else the daemon ends there.
        repeat as "loop": bool = false, Accepts::Switch;
        /// Play at the clip's own rate; else as fast as frames are taken.
        realtime: bool = true, Accepts::Switch;
    }
}

section! {
    /// `[model]`: the network to run.
    Model {
        /// Folder with the model's `manifest.toml`; a relative path starts at the daemon's working directory.
        path: String = String::from("/var/lib/mtcae/model"), Accepts::Path;
        /// Number format of the file to run; auto is fp32, or int8 of a model without fp32.
        precision: PrecisionChoice = PrecisionChoice::Auto, Accepts::OneOf(PrecisionChoice::WORDS);
        /// What runs it; a named engine that is not there is a start-up error.
        engine: EngineChoice = EngineChoice::Auto, Accepts::OneOf(EngineChoice::WORDS);
        /// ONNX Runtime's `libonnxruntime.so`, for every engine but tract; else where `ORT_DYLIB_PATH` points, else the usual folders.
        onnxruntime: Option<String> = None, Accepts::Path;
        /// Folder where engines that TensorRT builds, for minutes, are kept for later starts, readable for the daemon's user; a kept engine holds the weights, so that none of an encrypted model is kept. The unit that ships lets the daemon write below `/var/lib/mtcae` alone.
        engine_cache: Option<String> = None, Accepts::Path;
        /// Threads of one inference.
        threads: u32 = 1, Accepts::Integer { min: 1, max: 16, unit: "threads" };
        /// Clips of different faces inferred side by side, with the same weights in memory; 0 is one for each core (or `threads` cores) but one, and no more than `detector.faces`.
        streams: u32 = 0, Accepts::Integer { min: 0, max: 16, unit: "streams" };
        /// Each clip also seen in a mirror, and both answers averaged: up to a point better, twice the time.
        mirror: bool = false, Accepts::Switch;
    }
}

section! {
    /// `[detector]`: how faces are found in the kept frames.
    Detector {
        /// Time from one look at the whole picture to the next while faces are followed.
        every_ms: u32 = 1_000, Accepts::Integer { min: 10, max: 60_000, unit: "ms" };
        /// Time from one cheap look at a followed face to the next.
        follow_ms: u32 = 200, Accepts::Integer { min: 10, max: 60_000, unit: "ms" };
        /// Most faces followed at once; they take turns with the network, or with the streams of it.
        faces: u32 = 4, Accepts::Integer { min: 1, max: 16, unit: "" };
        /// Which faces are followed when there are more.
        first: FirstChoice = FirstChoice::Largest, Accepts::OneOf(FirstChoice::WORDS);
        /// Time from one look at the whole picture to the next while no face is known, or one is missing.
        search_ms: u32 = 150, Accepts::Integer { min: 0, max: 60_000, unit: "ms" };
        /// Smallest face to look for, in pixels of the kept frame; twice as large is about four times as cheap.
        min_face_px: u32 = 40, Accepts::Integer { min: 12, max: 400, unit: "px" };
        /// Smallest face to look for as a share of the picture's shorter side; the larger of the two rules.
        min_face_fraction: f32 = 0.125, Accepts::Number { min: 0.0, max: 1.0, unit: "" };
        /// Step of the image pyramid; smaller is cheaper and misses more.
        scale_factor: f32 = 0.6, Accepts::Number { min: 0.3, max: 0.9, unit: "" };
        /// Scores that pass the three stages of the cascade.
        thresholds: [f32; 3] = [0.7, 0.7, 0.7], Accepts::Three { min: 0.0, max: 1.0 };
        /// Long side of the picture the detector sees.
        max_side: u32 = 640, Accepts::Integer { min: 64, max: 640, unit: "px" };
    }
}

section! {
    /// `[estimate]`: how single answers become a steady label.
    Estimate {
        /// Time constant of the exponential smoothing of the probabilities; 0 switches it off.
        ema_ms: u32 = 350, Accepts::Integer { min: 0, max: 10_000, unit: "ms" };
        /// Smoothed probability at which a label is taken; without one the answer is `unsure`.
        enter: f32 = 0.45, Accepts::Number { min: 0.0, max: 1.0, unit: "probability" };
        /// Smoothed probability below which a label is given up; at most `enter`.
        leave: f32 = 0.35, Accepts::Number { min: 0.0, max: 1.0, unit: "probability" };
        /// A new label must lead the old one by this much smoothed probability.
        lead: f32 = 0.1, Accepts::Number { min: 0.0, max: 1.0, unit: "probability" };
        /// Time a label is kept at least.
        min_dwell_ms: u32 = 400, Accepts::Integer { min: 0, max: 10_000, unit: "ms" };
    }
}

section! {
    /// `[report]`: how often messages are sent.
    Report {
        /// Most answers of the network, and so reports, a second.
        max_hz: f32 = 15.0, Accepts::Number { min: 0.1, max: 60.0, unit: "1/s" };
        /// Time from one status message to the next.
        status_every_ms: u32 = 2_000, Accepts::Integer { min: 200, max: 60_000, unit: "ms" };
        /// Age, from its frame on, above which a report is dropped instead of sent: a robot has no use for it. A board whose network takes longer reports nothing; a face that nobody has confirmed for longer than this, and 5 s, is forgotten.
        max_age_ms: u32 = 5_000, Accepts::Integer { min: 100, max: 600_000, unit: "ms" };
    }
}

section! {
    /// `[update]`: new versions that come over a line.
    Update {
        /// Take them; only a daemon that a launcher started, in a slot, can.
        enabled: bool = false, Accepts::Switch;
        /// Folder with the slots, the launcher's `--root`.
        root: String = String::from("/var/lib/mtcae"), Accepts::Path;
        /// Folder with the keys that may sign a bundle, one a file (`*.pub`), and their rotations (`*.rotation`).
        trusted: String = String::from("/etc/mtcae/trusted"), Accepts::Path;
        /// The board's own key, which opens encrypted bundles; a board without that file has none.
        device_key: String = String::from("/etc/mtcae/device.key"), Accepts::Path;
        /// Who decides that a new version stays, once its self-test was good.
        confirm: ConfirmChoice = ConfirmChoice::SelfTest, Accepts::OneOf(ConfirmChoice::WORDS);
        /// Time from the start of a new version to the end of its self-test.
        self_test_ms: u32 = 60_000, Accepts::Integer { min: 1_000, max: 600_000, unit: "ms" };
    }
}

section! {
    /// `[pins]`: what is wired to the board.
    Pins {
        /// Input of the privacy switch; a board without one has none.
        privacy: Option<String> = None, Accepts::Pin;
        /// Its level while nobody may look; choose the one that a broken wire gives.
        private_when: LevelChoice = LevelChoice::Low, Accepts::OneOf(LevelChoice::WORDS);
        /// Output of the status light.
        light: Option<String> = None, Accepts::Pin;
        /// The level at which it is on.
        light_when: LevelChoice = LevelChoice::High, Accepts::OneOf(LevelChoice::WORDS);
        /// Input of the frame trigger: the network runs once a pulse, of at least 5 ms, and not by itself.
        trigger: Option<String> = None, Accepts::Pin;
        /// The level of a pulse.
        trigger_when: LevelChoice = LevelChoice::High, Accepts::OneOf(LevelChoice::WORDS);
    }
}

section! {
    /// The keys of `[[sink]]` that every kind has.
    SinkCommon {
        /// Where messages go.
        kind: SinkName, Accepts::OneOf(SinkName::WORDS);
        /// Most messages that wait for it, at most 8 of them reports; the oldest is dropped and counted when one more comes. An answer of
        /// several messages, as one about the camera's modes, is cut to what fits.
        outbox: u32 = DEFAULT_OUTBOX, Accepts::Integer { min: 1, max: 1_024, unit: "messages" };
    }
}

section! {
    /// `[[sink]]` with `kind = "serial"`: a serial line.
    Serial {
        /// Device file of the line; a path below `/dev/serial/by-id/` survives re-plugging.
        port: String, Accepts::Device;
        /// Speed of the line; USB lines ignore it.
        baud: u32 = 115_200, Accepts::Integer { min: 9_600, max: 4_000_000, unit: "baud" };
    }
}

section! {
    /// `[[sink]]` with `kind = "tcp"`: a TCP port, encrypted, for one client at a time of those that are known.
    Tcp {
        /// Address and port to listen on; `0.0.0.0` is every address of the board.
        listen: SocketAddr = DEFAULT_LISTEN, Accepts::Listen;
        /// The board's secret line key, as `mtcae keys new --line` makes it.
        key: String = DEFAULT_LINE_KEY.to_owned(), Accepts::Path;
        /// Folder with the public line keys of those who may connect, one a file (`*.pub`).
        clients: String = DEFAULT_CLIENTS.to_owned(), Accepts::Path;
    }
}

impl Tcp {
    /// One that listens there and says nothing else.
    pub fn on(listen: SocketAddr) -> Tcp {
        Tcp { listen, key: DEFAULT_LINE_KEY.to_owned(), clients: DEFAULT_CLIENTS.to_owned() }
    }
}

section! {
    /// `[[sink]]` with `kind = "mqtt"`: an MQTT broker.
    Mqtt {
        /// The broker, on another machine or on this one; with `ca`, a name or address in its certificate.
        host: String, Accepts::Host;
        /// The broker's port; with TLS usually 8883.
        port: u32 = DEFAULT_BROKER_PORT, Accepts::Integer { min: 1, max: 65_535, unit: "" };
        /// First part of every topic; the second one is `board.name`.
        prefix: String = DEFAULT_PREFIX.to_owned(), Accepts::Topic;
        /// User at the broker.
        user: Option<String> = None, Accepts::Line { max: 128 };
        /// File with the user's password on one line, of mode 600.
        password_file: Option<String> = None, Accepts::Path;
        /// File with the certificate (PEM) of the authority that vouches for the broker; switches TLS on.
        ca: Option<String> = None, Accepts::Path;
        /// File with the board's certificate (PEM), for a broker that asks for one.
        certificate: Option<String> = None, Accepts::Path;
        /// File with the private key (PEM) of `certificate`, of mode 600.
        key: Option<String> = None, Accepts::Path;
        /// Tell Home Assistant of the board.
        home_assistant: bool = false, Accepts::Switch;
    }
}

impl Mqtt {
    /// The broker there, and nothing else said.
    pub fn at(host: &str, port: u16) -> Mqtt {
        Mqtt {
            host: host.to_owned(),
            port: port.into(),
            prefix: DEFAULT_PREFIX.to_owned(),
            user: None,
            password_file: None,
            ca: None,
            certificate: None,
            key: None,
            home_assistant: false,
        }
    }
}
