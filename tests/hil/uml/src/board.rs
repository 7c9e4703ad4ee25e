//! The virtual board as a process: start, order, cut its power.

use crate::console::Line;
use crate::{Kernel, Setup, UmlError};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Lines of the console that are kept.
const KEPT: usize = 500;

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// Its output and error output, line by line.
    pub lines: Vec<String>,
}

/// A board that runs. Its power is cut with its value.
pub struct Board {
    child: Child,
    orders: ChildStdin,
    console: Receiver<Line>,
    last: Vec<String>,
}

impl Board {
    /// Starts the board and waits until it takes orders.
    ///
    /// # Errors
    /// [`UmlError`], when a file is missing or the kernel does not come up: a process within a minute, an emulated one
    /// within four.
    pub fn start(kernel: &Kernel, setup: &Setup) -> Result<Board, UmlError> {
        let initrd = setup.folder.join("initrd");
        let bytes = kernel.initrd(setup)?;
        std::fs::write(&initrd, bytes).map_err(|e| UmlError::host(initrd.display().to_string(), e))?;
        let mut command = kernel.command(setup, &initrd);
        let program = command.get_program().to_string_lossy().into_owned();
        let host = |e| UmlError::host(program.clone(), e);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().map_err(host)?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, output) = pipes.ok_or_else(|| host(std::io::Error::other("no pipes")))?;
        let (lines, console) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while matches!(output.read_until(b'\n', &mut line), Ok(1..)) {
                if lines.send(Line::parse(&String::from_utf8_lossy(&line))).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let mut board = Board { child, orders, console, last: Vec::new() };
        board.wait_until_up(kernel.patience())?;
        Ok(board)
    }

    /// Waits until it takes orders (again, after a reset), at most `within`.
    ///
    /// # Errors
    /// [`UmlError::Silent`], [`UmlError::Ended`].
    pub fn wait_until_up(&mut self, within: Duration) -> Result<(), UmlError> {
        let end = Instant::now() + within;
        while self.next("start", end, within)? != Line::Ready {}
        Ok(())
    }

    /// Runs a line of shell there and waits for its end, at most `within`; what is to go on belongs in the background,
    /// its output in a file.
    ///
    /// # Errors
    /// [`UmlError::Silent`], [`UmlError::Ended`].
    pub fn run(&mut self, command: &str, within: Duration) -> Result<Answer, UmlError> {
        let end = Instant::now() + within;
        if writeln!(self.orders, "{command}").is_err() {
            return Err(UmlError::Ended { asked: command.to_owned(), last: self.last_words() });
        }
        let mut lines = Vec::new();
        loop {
            match self.next(command, end, within)? {
                Line::Said(line) => lines.push(line),
                Line::Done(code) => return Ok(Answer { code, lines }),
                Line::Ready | Line::Kernel(_) => {}
            }
        }
    }

    /// Pulls the plug: what the board has not written to its disk is lost.
    pub fn cut_power(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    /// Has the kernel look at its lines of this machine: now and then it misses that one was hung up, and keeps what is
    /// dead.
    pub fn notice(&self) {
        if let Some(kernel) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself.
            let _ = kill_process(kernel, Signal::IO);
        }
    }

    /// Whether it runs.
    pub fn is_on(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn next(&mut self, asked: &str, end: Instant, within: Duration) -> Result<Line, UmlError> {
        let line = self.console.recv_timeout(end.saturating_duration_since(Instant::now()));
        let asked = || asked.to_owned();
        let line = match line {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                let last = self.last_words();
                return Err(UmlError::Silent { asked: asked(), seconds: within.as_secs(), last });
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(UmlError::Ended { asked: asked(), last: self.last_words() });
            }
        };
        if self.last.len() == KEPT {
            self.last.remove(0);
        }
        self.last.push(format!("{line:?}"));
        Ok(line)
    }

    fn last_words(&self) -> String {
        let from = self.last.len().saturating_sub(20);
        self.last[from..].join(" / ")
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.cut_power();
    }
}
