//! The real binary, and a pseudo-terminal whose far end plays the board.
#![allow(dead_code, reason = "each test file takes what it needs")]

pub mod desk;

use mtcae_wire::{
    Area, FaceReport, Hello, Point, Quality, Report, Share, Smoothing, Text, Up, encode, heapless, scores_from_f32,
};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

/// The binary with no colours.
pub fn mtcae(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mtcae"));
    command.args(arguments).env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE").env_remove("FORCE_COLOR");
    command
}

/// An output whose reader has left.
pub fn nobody_reads() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// Exit code, standard output and error as one text.
pub fn transcript(output: &Output) -> String {
    let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("exit code: {code}\n{}{}", text(&output.stdout), text(&output.stderr))
}

/// A pseudo-terminal: this side is the board.
pub struct Board {
    master: File,
    /// Held open, so that the line stays up while nobody else has it.
    _slave: File,
    /// The port's path.
    pub port: String,
}

impl Board {
    /// A new line, raw. Its end here is closed in child processes, else the port would never go.
    pub fn new() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let port = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(&port).unwrap();
        let mut modes = rustix::termios::tcgetattr(&slave).unwrap();
        modes.make_raw();
        rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &modes).unwrap();
        Self { master: master.into(), _slave: slave, port }
    }

    /// The far end, for reading.
    pub fn reader(&mut self) -> &mut File {
        &mut self.master
    }

    /// Waits for the monitor's first bytes.
    pub fn wait_for_the_monitor(&mut self) -> Vec<u8> {
        let mut bytes = [0; 64];
        let got = self.master.read(&mut bytes).unwrap();
        bytes[..got].to_vec()
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.master.write_all(bytes).unwrap();
    }

    /// Sends one message.
    pub fn send(&mut self, message: &Up) {
        self.send_bytes(encode(message).unwrap().as_bytes());
    }
}

/// A board with three labels, boot 7.
pub fn hello() -> Up {
    Up::Hello(Hello {
        protocol: 1,
        boot: 7,
        device: "bench".into(),
        firmware: "0.1.0".into(),
        model: "edge".into(),
        model_version: "1.0.0".into(),
        engine: "tract".into(),
        labels: heapless::Vec::from_slice(&["neutral", "happy", "sad"].map(Text::from)).unwrap(),
    })
}

/// A happy face of boot 7.
pub fn report(seq: u32) -> Up {
    let point = |x, y| Point::from_f32([x, y]).unwrap();
    Up::Report(Report {
        boot: 7,
        seq,
        captured_us: 1_000_000,
        age_us: 42_000,
        width: 640,
        height: 360,
        dropped: 0,
        faces: 1,
        face: Some(FaceReport {
            id: 3,
            area: Area::from_f32([0.25, 0.25, 0.25, 0.5]).unwrap(),
            landmarks: [point(0.3, 0.4), point(0.45, 0.4), point(0.375, 0.5), point(0.3, 0.6), point(0.45, 0.6)],
            confidence: Share::ONE,
            scores: scores_from_f32(&[0.25, 0.75, 0.0]).unwrap(),
            label: Some(1),
            smoothing: Smoothing::Stable,
            quality: Quality::GOOD,
        }),
    })
}
