//! `mtcae demo`: the board's pipeline in this process, and the monitor at the other end of a pseudo-terminal.
//!
//! ```text
//! clip -> mtcae-daemon (threads) -> wire bytes -> pseudo-terminal -> monitor
//! ```

use super::beside::{Record, Web, surfaces};
use super::broker::Broker;
use crate::assets;
use crate::failure::Failure;
use crate::monitor::link::{Line, Opener};
use crate::monitor::{self, Output};
use crate::say::tell;
use crate::stats;
use crate::values::whole;
use clap::ValueHint;
use mtcae_board_configs::{Board, Source, load, load_builtin};
use mtcae_daemon::{DaemonError, Event, Overrides, SinkChoice, SourceChoice, StartUp, Summary};
use serialport::{SerialPort, TTYPort};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a read of the pseudo-terminal waits.
const WAIT: Duration = Duration::from_millis(100);
/// A pseudo-terminal does not pace; the daemon wants a number.
const BAUD: u32 = 4_000_000;

/// See it work: the board's whole pipeline on a recorded clip, shown live
#[derive(clap::Args)]
#[command(after_help = "\
Runs what a board runs, from frames to bytes on a serial line; only the camera is a recording and the line is a \
pseudo-terminal. In a terminal it draws until `q`; into a pipe it prints a line for each report.

Examples:
  mtcae demo
  mtcae demo --clip my-video.mp4          any video, if ffmpeg is installed
  mtcae demo --seconds 20 --stats         and how long each stage takes
  mtcae demo --web                        and in a browser
  mtcae demo --mqtt                       and as a robot gets it; beside it: mosquitto_sub -v -t 'mtcae/#'
  mtcae demo --json --seconds 6")]
pub struct Args {
    /// carphone (a man who talks), astronaut (a camera that moves over a portrait), or a video file
    #[arg(long, value_name = "NAME|PATH", value_hint = ValueHint::FilePath, default_value = "carphone")]
    clip: String,
    /// Folder of another model
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    model: Option<PathBuf>,
    /// Board file, or the name of a board that ships; its camera and sinks are replaced
    #[arg(long, value_name = "FILE|NAME", value_hint = ValueHint::FilePath, default_value = "demo")]
    board: String,
    /// Print one JSON object for each message (fields: host/cli/MONITOR.md)
    #[arg(long)]
    json: bool,
    /// Stop after this many seconds
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(1..=31_536_000))]
    seconds: Option<u64>,
    /// At the end print the time of each stage and the memory
    #[arg(long)]
    stats: bool,
    /// Also publish to an MQTT broker, which runs at this port of 127.0.0.1 as long as the demo does; 0 for any that is free
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "1883", value_parser = whole::<u16>(0..=65_535))]
    mqtt: Option<u16>,
    #[command(flatten)]
    record: Record,
    #[command(flatten)]
    web: Web,
}

impl Args {
    /// Runs the pipeline and the monitor until the person, a signal, the time or a failure ends them.
    pub fn run(self) -> Result<(), Failure> {
        let board = self.board()?;
        let (mut ours, theirs) = TTYPort::pair()
            .map_err(|e| Failure::System { what: "make a pseudo-terminal", reason: io::Error::from(e) })?;
        ours.set_timeout(WAIT).map_err(|e| Failure::System { what: "set up a pseudo-terminal", reason: e.into() })?;
        let port = theirs
            .name()
            .ok_or_else(|| Failure::System { what: "name a pseudo-terminal", reason: ErrorKind::NotFound.into() })?;
        let broker = self.mqtt.map(Broker::start).transpose()?;
        let mut sinks = vec![SinkChoice::Serial { port, baud: BAUD }];
        if let Some(Broker { address, .. }) = &broker {
            sinks.push(SinkChoice::Mqtt { host: address.ip().to_string(), port: Some(address.port()) });
        }
        let overrides = Overrides {
            source: Some(SourceChoice::File(self.clip()?)),
            sinks,
            model: Some(self.model(&board)?),
            ..Overrides::default()
        };
        let stop = monitor::stop_on_signals()?;
        let name = format!("demo {}", self.clip);
        let beside = surfaces(&self.record, &self.web, &name)?;
        let daemon = Daemon::start(board, overrides, &stop)?;
        let Some(report) = daemon.wait() else {
            return daemon.end().map(drop);
        };
        if !self.json {
            tell!("{report}\n");
        }
        if let Some(Broker { address, .. }) = &broker {
            tell!("MQTT at {address}; look with: mosquitto_sub -p {} -v -t 'mtcae/#'\n", address.port());
        }
        let settings = monitor::Settings {
            port: name,
            output: Output::choose(self.json),
            length: self.seconds.map(Duration::from_secs),
            stop,
        };
        let monitored = monitor::run(Box::new(ours), never_again(), &settings, beside);
        // The daemon's own error tells more than what the monitor saw of it.
        let summary = daemon.end()?;
        drop(theirs);
        monitored?;
        if self.stats { Ok(stats::print(&summary, self.json)?) } else { Ok(()) }
    }

    fn board(&self) -> Result<Board, Failure> {
        let refused = |error: mtcae_board_configs::BoardError| Failure::Daemon(error.to_string());
        let mut board = if assets::is_path(&self.board) {
            let path = PathBuf::from(&self.board);
            let text = std::fs::read_to_string(&path).map_err(|reason| Failure::Read { path, reason })?;
            load(&self.board, &text).map_err(refused)?
        } else {
            load_builtin(&self.board).map_err(refused)?
        };
        board.update.enabled = false;
        // A demo that ends by itself after a few seconds shows little, whatever the board's own source does.
        if let Source::File(file) = &mut board.camera.source {
            (file.repeat, file.realtime) = (true, true);
        }
        Ok(board)
    }

    fn clip(&self) -> Result<PathBuf, Failure> {
        match self.clip.as_str() {
            name @ ("carphone" | "astronaut") => {
                assets::find(&format!("tests/data/{name}.avi"), "run it in a checkout, or give `--clip` a video file")
            }
            // The daemon says what is wrong with it.
            path => Ok(path.into()),
        }
    }

    fn model(&self, board: &Board) -> Result<PathBuf, Failure> {
        match &self.model {
            Some(folder) => Ok(folder.clone()),
            None => assets::find(&board.model.path, "run it in a checkout, or give `--model` the folder of a model"),
        }
    }
}

/// The far end of a pseudo-terminal cannot be opened again; it goes only with this program.
fn never_again() -> Opener {
    Box::new(|| -> io::Result<Box<dyn Line>> { Err(ErrorKind::Unsupported.into()) })
}

/// The running pipeline.
struct Daemon {
    thread: JoinHandle<Result<Summary, DaemonError>>,
    started: Receiver<StartUp>,
    stop: Arc<AtomicBool>,
}

impl Daemon {
    fn start(board: Board, overrides: Overrides, stop: &Arc<AtomicBool>) -> Result<Self, Failure> {
        let (sender, started) = channel();
        let flag = stop.clone();
        let thread = std::thread::Builder::new()
            .name("mtcae-daemon".into())
            .spawn(move || {
                let on_event = Arc::new(move |event| {
                    // Log lines reach the monitor over the wire.
                    if let Event::Started { report, .. } = event {
                        let _ = sender.send(report);
                    }
                });
                let result = mtcae_daemon::run(board, &overrides, flag.clone(), on_event);
                flag.store(true, Ordering::Relaxed);
                result
            })
            .map_err(|reason| Failure::System { what: "start a thread", reason })?;
        Ok(Self { thread, started, stop: stop.clone() })
    }

    /// Waits until everything is open; `None` when it has ended instead.
    fn wait(&self) -> Option<StartUp> {
        self.started.recv().ok()
    }

    /// Ends it, and gives its figures or its error.
    fn end(self) -> Result<Summary, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.join() {
            Ok(result) => result.map_err(|error| Failure::Daemon(error.to_string())),
            Err(_) => Err(Failure::Daemon("the pipeline panicked; please report this".to_owned())),
        }
    }
}
