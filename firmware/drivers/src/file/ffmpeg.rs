//! Any video at all, through an installed `ffmpeg` that writes Y4M into a pipe.

use super::y4m::Header;
use super::{Coding, Found, ReadError, Reader};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

/// Longest wait for the first picture, or for the rest of one that has begun.
pub(super) const STALL: Duration = Duration::from_secs(10);
/// Longest part of ffmpeg's last line that is kept, bytes.
const MAX_LINE: usize = 300;

pub(super) struct Ffmpeg {
    path: PathBuf,
    program: PathBuf,
    header: Header,
    run: Run,
}

impl Ffmpeg {
    pub(super) fn open(path: &Path, program: &Path) -> Result<Ffmpeg, ReadError> {
        let mut run = Run::start(path, program)?;
        let header = run.header()?;
        Ok(Ffmpeg { path: path.to_owned(), program: program.to_owned(), header, run })
    }
}

impl Reader for Ffmpeg {
    fn format(&self) -> &'static str {
        "ffmpeg"
    }

    fn coding(&self) -> Coding {
        self.header.coding()
    }

    fn fps(&self) -> Option<f32> {
        self.header.fps
    }

    fn read(&mut self, frame: &mut Vec<u8>, timeout: Duration) -> Result<Found, ReadError> {
        if !self.run.out.wait(timeout)? {
            return Ok(Found::NotYet);
        }
        if self.header.frame(&mut self.run.out, frame)? {
            return Ok(Found::Frame);
        }
        match self.run.finish() {
            Some(line) => Err(ReadError::Broken(format!("ffmpeg stopped early: {line}"))),
            None => Ok(Found::End),
        }
    }

    fn rewind(&mut self) -> Result<(), ReadError> {
        self.run = Run::start(&self.path, &self.program)?;
        self.header = self.run.header()?;
        Ok(())
    }
}

/// One run of the child process; killed and reaped when dropped.
struct Run {
    child: Child,
    out: Pipe,
    /// Gives ffmpeg's last line.
    errors: Option<JoinHandle<String>>,
}

impl Run {
    fn start(path: &Path, program: &Path) -> Result<Run, ReadError> {
        // An absolute path cannot be taken for an option or for a protocol, as `concat:` or `http:` would be.
        let path = std::path::absolute(path)?;
        let mut child = Command::new(program)
            .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-i"])
            .arg(path)
            .args(["-map", "0:v:0", "-vf", "scale=out_color_matrix=bt601:out_range=tv", "-pix_fmt", "yuv420p"])
            .args(["-f", "yuv4mpegpipe", "pipe:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| not_started(program, &e))?;
        let missing = || ReadError::Broken("ffmpeg gave no pipe".into());
        let out = Pipe(BufReader::with_capacity(1 << 16, child.stdout.take().ok_or_else(missing)?));
        let errors = child.stderr.take().map(|pipe| std::thread::spawn(move || last_line(pipe)));
        Ok(Run { child, out, errors })
    }

    fn header(&mut self) -> Result<Header, ReadError> {
        Header::read(&mut self.out).map_err(|e| match self.finish() {
            Some(line) => ReadError::Broken(format!("ffmpeg cannot read it: {line}")),
            None => e,
        })
    }

    /// Ends the child; its last line when it failed by itself.
    fn finish(&mut self) -> Option<String> {
        // Its output has ended, so that it is about to exit; nothing is lost when it is not.
        let status = (0..50).find_map(|_| {
            let status = self.child.try_wait().ok().flatten();
            if status.is_none() {
                std::thread::sleep(Duration::from_millis(10));
            }
            status
        });
        self.stop();
        let line = self.errors.take().and_then(|t| t.join().ok()).unwrap_or_default();
        let status = status.filter(|s| !s.success())?;
        Some(if line.is_empty() { status.to_string() } else { line })
    }

    fn stop(&mut self) {
        // Either fails only when the child is reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.errors.take() {
            let _ = thread.join();
        }
    }
}

fn not_started(program: &Path, error: &std::io::Error) -> ReadError {
    let program = program.display();
    ReadError::Broken(match error.kind() {
        ErrorKind::NotFound => format!(
            "this kind of video is read through ffmpeg, and ffmpeg is not installed ({program} was not found); \
             install it (`sudo apt install ffmpeg`), or convert the video elsewhere to AVI with MJPEG"
        ),
        _ => format!("{program} could not be started: {error}"),
    })
}

/// Reads everything, keeping little.
fn last_line(pipe: ChildStderr) -> String {
    let mut pipe = BufReader::new(pipe);
    let (mut last, mut line) = (String::new(), Vec::new());
    loop {
        line.clear();
        match pipe.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let text: String = String::from_utf8_lossy(&line).chars().filter(|c| !c.is_control()).collect();
        if !text.trim().is_empty() {
            last = text.trim().to_owned();
        }
    }
}

/// The child's output, which is never waited for longer than [`STALL`].
struct Pipe(BufReader<ChildStdout>);

impl Pipe {
    /// Waits for bytes or for the end; false when the time is up.
    fn wait(&self, timeout: Duration) -> Result<bool, ReadError> {
        if !self.0.buffer().is_empty() {
            return Ok(true);
        }
        let timeout = Timespec { tv_sec: timeout.as_secs() as _, tv_nsec: timeout.subsec_nanos() as _ };
        match poll(&mut [PollFd::new(self.0.get_ref(), PollFlags::IN)], Some(&timeout)) {
            Ok(n) => Ok(n > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(e) => Err(ReadError::Io(e.into())),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.wait(STALL) {
            Ok(true) => self.0.read(into),
            _ => {
                Err(std::io::Error::new(ErrorKind::TimedOut, format!("ffmpeg gave nothing for {} s", STALL.as_secs())))
            }
        }
    }
}

impl BufRead for Pipe {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        match self.wait(STALL) {
            Ok(true) => self.0.fill_buf(),
            _ => {
                Err(std::io::Error::new(ErrorKind::TimedOut, format!("ffmpeg gave nothing for {} s", STALL.as_secs())))
            }
        }
    }

    fn consume(&mut self, n: usize) {
        self.0.consume(n);
    }
}
