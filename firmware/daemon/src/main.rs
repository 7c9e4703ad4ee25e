//! The program `mtcae-firmware`: arguments, signals, lines on the error output, exit codes; the library does the rest.

// The comments of arguments are their help: what stands in brackets there is optional, and no link.
#![allow(rustdoc::broken_intra_doc_links)]

mod error_output;

use clap::Parser;
use error_output::ErrorOutput;
use mtcae_board_configs::{Board, EngineChoice, MAX_BYTES, PrecisionChoice, load, load_builtin};
use mtcae_daemon::{DaemonError, Event, OnEvent, Overrides, SinkChoice, SourceChoice, Summary, Watch, check, run};
use mtcae_wire::Level;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Watches faces and tells a robot what they express: camera in, messages out.
///
/// Ends with 0 after SIGTERM, SIGINT or the end of a file; 2 when the board file or an argument is wrong; 3 when a
/// camera or model cannot be used; 1 otherwise.
#[derive(Parser)]
#[command(name = "mtcae-firmware", version)]
struct Arguments {
    /// Board file, or the name of a board that ships.
    #[arg(long, value_name = "FILE|NAME")]
    board: String,
    /// Source in place of the board's: v4l2:auto, v4l2:/dev/..., file:PATH.
    #[arg(long)]
    source: Option<SourceChoice>,
    /// Sink in place of the board's: stdout, serial:/dev/...[:BAUD], tcp:ADDRESS:PORT, mqtt:HOST[:PORT]; may be given
    /// several times.
    #[arg(long = "sink")]
    sinks: Vec<SinkChoice>,
    /// Model folder in place of the board's.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
    /// Number format in place of the board's: auto, fp32, fp16, int8.
    #[arg(long, value_parser = precision)]
    precision: Option<PrecisionChoice>,
    /// Engine in place of the board's: auto, cuda, tensorrt, cpu-ort, tract. ONNX Runtime's library is model.onnxruntime,
    /// else where ORT_DYLIB_PATH points, else in the usual folders.
    #[arg(long, value_parser = engine)]
    engine: Option<EngineChoice>,
    /// Open everything but the sinks, run the model once, say what would run, and end.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    let (arguments, output) = (Arguments::parse(), ErrorOutput::start());
    let done = start(arguments, &output);
    let code = match done {
        Ok(last_words) => {
            output.line(last_words);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output.line(format!("mtcae-firmware: {error}"));
            ExitCode::from(error.exit_code())
        }
    };
    output.finish();
    code
}

/// Runs, and gives the last words.
fn start(arguments: Arguments, output: &ErrorOutput) -> Result<String, DaemonError> {
    let board = read_board(&arguments.board)?;
    let overrides = Overrides {
        source: arguments.source,
        sinks: arguments.sinks,
        model: arguments.model,
        precision: arguments.precision,
        engine: arguments.engine,
        onnxruntime: std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from),
        watch: watch(),
    };
    if arguments.check {
        return check(board, &overrides).map(|report| report.to_string());
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))
            .map_err(|e| DaemonError::Internal(format!("no handler for signal {signal}: {e}")))?;
    }
    run(board, &overrides, stop, on_event(output.clone())).map(|summary| farewell(&summary))
}

fn precision(word: &str) -> Result<PrecisionChoice, String> {
    PrecisionChoice::from_word(word).ok_or_else(|| format!("accepted: {}", PrecisionChoice::WORDS.join(", ")))
}

fn engine(word: &str) -> Result<EngineChoice, String> {
    EngineChoice::from_word(word).ok_or_else(|| format!("accepted: {}", EngineChoice::WORDS.join(", ")))
}

/// What systemd, or the launcher, says in the environment.
fn watch() -> Option<Watch> {
    let socket = std::env::var_os("NOTIFY_SOCKET")?;
    let microseconds = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
    Some(Watch { socket, within: microseconds.map(Duration::from_micros) })
}

/// A name that is a shipped board's, unless a file of that name is there.
fn read_board(name: &str) -> Result<Board, DaemonError> {
    let refused = |e: &dyn std::fmt::Display| DaemonError::Configuration(e.to_string());
    let path = Path::new(name);
    if !path.exists() && !name.contains(['/', '.']) {
        return load_builtin(name).map_err(|e| refused(&e));
    }
    let mut text = String::new();
    // One byte more than is accepted, so that `load` sees that it is too long.
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text));
    read.map_err(|e| {
        refused(&format!("board file {name}: {e}; give a readable file or the name of a board that ships"))
    })?;
    load(name, &text).map_err(|e| refused(&e))
}

/// The standard output belongs to the sink of that name, so all of it goes to the error output.
fn on_event(output: ErrorOutput) -> OnEvent {
    Arc::new(move |event| match event {
        Event::Started { report, .. } => output.line(report.to_string()),
        Event::Log { level, text } => {
            let level = match level {
                Level::Error => "error",
                Level::Warn => "warning",
                Level::Info => "info",
                Level::Debug => "debug",
            };
            output.line(format!("{level}: {text}"));
        }
    })
}

fn farewell(summary: &Summary) -> String {
    let sent: u64 = summary.sinks.iter().map(|s| s.counts.sent_reports).sum();
    let dropped: u64 = summary.sinks.iter().map(|s| s.counts.dropped_reports).sum();
    format!(
        "ended after {:.1} s: {} frames, {} bad, {} clips, {} reports made, {sent} sent, {dropped} dropped",
        summary.uptime.as_secs_f32(),
        summary.counts.frames.received,
        summary.bad_frames,
        summary.counts.clips_answered,
        summary.counts.reports,
    )
}
