//! The process of one setting, from the side of the one that measures.

use super::line::{Line, Turn};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Longest wait for a line: a large model is loaded in seconds, TensorRT builds for minutes.
const PATIENCE: Duration = Duration::from_secs(900);
/// Most of a process's error output that is told.
const SAID: usize = 400;

/// Why a setting has no figures.
#[derive(Debug, Error)]
pub enum BenchError {
    /// Its process does not start.
    #[error("its process does not start: {0}")]
    Start(std::io::Error),
    /// The engine or the model is no good.
    #[error("{0}")]
    Engine(String),
    /// It ended, crashed or said what nobody asked for.
    #[error("its process ended or said nothing of use{0}")]
    Lost(String),
    /// It said nothing for a quarter of an hour.
    #[error("its process has said nothing for {} s", PATIENCE.as_secs())]
    Silent,
}

/// A setting's process that has answered one clip; killed when dropped.
pub struct Child {
    process: std::process::Child,
    lines: Receiver<String>,
    /// Time it took to load the model, milliseconds.
    pub load_ms: f64,
    /// Time from the start of the process to its first answer, milliseconds.
    pub first_ms: f64,
    /// Processor time that it took for that, milliseconds.
    pub first_cpu_ms: f64,
    /// What the engine says of itself.
    pub note: String,
}

impl Child {
    /// Starts `command` and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start, or its engine or model is no good.
    pub fn start(mut command: Command) -> Result<Child, BenchError> {
        let begin = Instant::now();
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = process.map_err(BenchError::Start)?;
        let (sender, lines) = channel();
        if let Some(out) = process.stdout.take() {
            std::thread::spawn(move || {
                BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
            });
        }
        let mut child = Child { process, lines, load_ms: 0.0, first_ms: 0.0, first_cpu_ms: 0.0, note: String::new() };
        match child.next()? {
            Line::Ready { load_us, cpu_us, note } => {
                child.first_ms = begin.elapsed().as_secs_f64() * 1e3;
                child.load_ms = load_us as f64 / 1e3;
                child.first_cpu_ms = cpu_us as f64 / 1e3;
                child.note = note;
                Ok(child)
            }
            other => Err(BenchError::Lost(format!(": {other}"))),
        }
    }

    /// Lets it run clips for `time`.
    ///
    /// # Errors
    /// When it fails, ends or is silent.
    pub fn turn(&mut self, time: Duration) -> Result<Turn, BenchError> {
        let asked = self.process.stdin.as_mut().map(|stdin| writeln!(stdin, "{}", time.as_millis()));
        if !matches!(asked, Some(Ok(()))) {
            return Err(self.lost());
        }
        match self.next()? {
            Line::Turn(turn) => Ok(turn),
            other => Err(BenchError::Lost(format!(": {other}"))),
        }
    }

    /// Ends it and gives the most memory that it has had, KiB.
    ///
    /// # Errors
    /// When it crashed.
    pub fn end(mut self) -> Result<u64, BenchError> {
        drop(self.process.stdin.take());
        match self.next()? {
            Line::Peak(kib) => Ok(kib),
            other => Err(BenchError::Lost(format!(": {other}"))),
        }
    }

    fn next(&mut self) -> Result<Line, BenchError> {
        loop {
            match self.lines.recv_timeout(PATIENCE).map(|line| Line::parse(&line)) {
                Ok(Some(Line::Failed(why))) => return Err(BenchError::Engine(why)),
                Ok(Some(line)) => return Ok(line),
                // A library's own words.
                Ok(None) => {}
                Err(RecvTimeoutError::Timeout) => return Err(BenchError::Silent),
                Err(RecvTimeoutError::Disconnected) => return Err(self.lost()),
            }
        }
    }

    /// How it ended, with what it said.
    fn lost(&mut self) -> BenchError {
        let _ = self.process.kill();
        let how = self.process.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
        let mut said = String::new();
        if let Some(err) = self.process.stderr.take() {
            let _ = err.take(SAID as u64).read_to_string(&mut said);
        }
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        BenchError::Lost(format!(" ({how}) {said}").trim_end().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_process_that_keeps_to_it_is_measured() {
        let script = "echo hello; echo ready 1500 900 it; read t; echo turn 5 6 7 $t; read t; echo peak 42";
        let mut child = Child::start(shell(script)).unwrap();
        assert_eq!((child.load_ms, child.first_cpu_ms, child.note.as_str()), (1.5, 0.9, "it"));
        assert!(child.first_ms > 0.0);
        let want = Turn { wall_us: vec![250], cpu_us: 5, elapsed_us: 6, switches: 7 };
        assert_eq!(child.turn(Duration::from_millis(250)).unwrap(), want);
        assert_eq!(child.end().unwrap(), 42);
    }

    #[test]
    fn one_that_does_not_says_why() {
        let why = |script: &str| Child::start(shell(script)).err().unwrap().to_string();
        insta::assert_snapshot!(why("echo failed no such engine"), @"no such engine");
        insta::assert_snapshot!(why("echo it broke >&2; exit 3"), @"its process ended or said nothing of use (exit status: 3) it broke");
        insta::assert_snapshot!(why("kill -9 $$"), @"its process ended or said nothing of use (signal: 9 (SIGKILL))");
        insta::assert_snapshot!(why("echo peak 3"), @"its process ended or said nothing of use: peak 3");
        let mut child = Child::start(shell("echo ready 1 1 a; read t; exit 0")).unwrap();
        let error = child.turn(Duration::from_millis(1)).unwrap_err().to_string();
        assert!(error.starts_with("its process ended or said nothing of use (exit status: 0)"), "{error}");
    }
}
