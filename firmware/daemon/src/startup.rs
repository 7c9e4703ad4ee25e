//! What the daemon says when everything is open.

use mtcae_board_configs::Board;
use mtcae_contract::{Framing, Manifest};
use mtcae_core::SourceInfo;
use std::fmt;

/// What runs, for a person and for a log.
#[derive(Debug, Clone, PartialEq)]
pub struct StartUp {
    /// Version of the firmware.
    pub firmware: String,
    /// Name of the board, its family, its description.
    pub board: [String; 3],
    /// The source as it was really opened; of no size when it was not.
    pub source: SourceInfo,
    /// Why the source was opened so; empty where there was nothing to choose.
    pub choice: String,
    /// The model's name and version.
    pub model: [String; 2],
    /// Hash of the model's contract: everything that decides what the network sees and answers.
    pub model_hash: String,
    /// The model's input, in words.
    pub clip: String,
    /// The engine that really runs it, its number format and threads.
    pub engine: String,
    /// Its library, where operators really ran, and why no better engine runs it; may be empty.
    pub engine_note: String,
    /// Number format of the file that runs.
    pub precision: String,
    /// Threads of one inference.
    pub threads: u32,
    /// Time of the trial inference, milliseconds.
    pub trial_ms: f32,
    /// The sinks by name.
    pub sinks: Vec<String>,
}

impl StartUp {
    pub(crate) fn new(board: &Board, source: SourceInfo, manifest: &Manifest) -> StartUp {
        let about = &board.about;
        let clip = &manifest.clip;
        let framing = match manifest.framing {
            Framing::Whole => "whole picture".to_owned(),
            Framing::Face { margin } => format!("face with a margin of {margin}"),
        };
        StartUp {
            firmware: env!("CARGO_PKG_VERSION").to_owned(),
            board: [about.name.clone(), about.family.clone(), about.description.clone()],
            source,
            choice: String::new(),
            model: [manifest.name.clone(), manifest.version.clone()],
            model_hash: manifest.contract_hash(),
            clip: format!("{} frames of {}x{} in {} s, {framing}", clip.frames, clip.size, clip.size, clip.seconds),
            engine: String::new(),
            engine_note: String::new(),
            precision: String::new(),
            threads: board.model.threads,
            trial_ms: 0.0,
            sinks: Vec::new(),
        }
    }
}

impl fmt::Display for StartUp {
    /// Six short lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, family, description] = &self.board;
        let about = if description.is_empty() { String::new() } else { format!(": {description}") };
        let SourceInfo { name: source, format, width, height, fps } = &self.source;
        let [model, version] = &self.model;
        let hash: String = self.model_hash.chars().take(12).collect();
        let threads = if self.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", self.threads) };
        writeln!(f, "mtcae-firmware {}", self.firmware)?;
        writeln!(f, "board   {name} ({family}){about}")?;
        let choice = if self.choice.is_empty() { String::new() } else { format!(" ({})", self.choice) };
        match width {
            0 => writeln!(f, "source  {source}, {format}")?,
            _ => writeln!(f, "source  {source}, {format}, {width}x{height}, {fps:.1} frames/s{choice}")?,
        }
        writeln!(f, "model   {model} {version} ({hash}), {}", self.clip)?;
        let note = if self.engine_note.is_empty() { String::new() } else { format!(" ({})", self.engine_note) };
        writeln!(f, "engine  {}, {}, {threads}, {:.1} ms in trial{note}", self.engine, self.precision, self.trial_ms)?;
        write!(f, "sinks   {}", self.sinks.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_well() {
        let info = SourceInfo { name: "clip.mjpeg".into(), format: "MJPEG".into(), width: 640, height: 480, fps: 25.0 };
        let report = StartUp {
            firmware: "0.1.0".into(),
            board: ["demo".into(), "pc".into(), "A recorded clip".into()],
            source: info,
            choice: "best of 4 modes; exposure by the camera".into(),
            model: ["edge".into(), "1.0.0".into()],
            model_hash: "0123456789abcdef".repeat(4),
            clip: "16 frames of 112x112 in 1 s, face with a margin of 0.2".into(),
            engine: "tract".into(),
            engine_note: "not cuda: there is none".into(),
            precision: "fp32".into(),
            threads: 1,
            trial_ms: 31.25,
            sinks: vec!["stdout".into(), "/dev/ttyUSB0".into()],
        };
        insta::assert_snapshot!(report, @r"
        mtcae-firmware 0.1.0
        board   demo (pc): A recorded clip
        source  clip.mjpeg, MJPEG, 640x480, 25.0 frames/s (best of 4 modes; exposure by the camera)
        model   edge 1.0.0 (0123456789ab), 16 frames of 112x112 in 1 s, face with a margin of 0.2
        engine  tract, fp32, 1 thread, 31.2 ms in trial (not cuda: there is none)
        sinks   stdout, /dev/ttyUSB0
        ");
    }
}
