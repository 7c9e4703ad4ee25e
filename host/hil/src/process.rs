//! A program that runs for a bench: what it says, its children and threads, and its end.

use crate::{BenchError, Holdings};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Threads of the daemon that must not hang, by their names; the first is its own.
pub const WATCHED: [&str; 5] = ["mtcae-firmware", "capture", "inference", "pins", "sink"];
/// Lines kept of what a program says.
const LINES: usize = 200;
/// Between two looks whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// An eye on a program.
#[derive(Debug, Clone)]
pub struct Eye {
    id: u32,
    name: String,
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Eye {
    /// That it has ended, and its last line; `None` while it runs.
    pub fn ended(&self) -> Option<String> {
        if runs(self.id) {
            return None;
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let last = lines.back().map_or(String::new(), |line| format!("; its last line: {line}"));
        Some(format!("{} has ended{last}", self.name))
    }
}

/// A program in a process group of its own. It is killed with its value, and so are its children.
pub struct Process {
    child: Child,
    name: String,
    lines: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `command`; what it says is kept.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(mut command: Command) -> Result<Process, BenchError> {
        let name = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().map_err(BenchError::system(format!("start {name}")))?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let out = child.stdout.take().map(|out| keep(out, &lines));
        let err = child.stderr.take().map(|err| keep(err, &lines));
        Ok(Process { child, name, lines, readers: out.into_iter().chain(err).collect() })
    }

    /// For somebody else to see whether it runs.
    pub fn eye(&self) -> Eye {
        Eye { id: self.id(), name: self.name.clone(), lines: Arc::clone(&self.lines) }
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The last lines that it said.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Ids of the processes that it started and that run.
    pub fn children(&self) -> Vec<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|id| id.parse().ok()).collect()
    }

    /// How it ended, if it has within `wait`.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn wait(&mut self, wait: Duration) -> Result<Option<ExitStatus>, BenchError> {
        let end = Instant::now() + wait;
        loop {
            let status = self.child.try_wait().map_err(BenchError::system(format!("wait for {}", self.name)))?;
            if let Some(status) = status {
                self.readers.drain(..).for_each(|reader| drop(reader.join()));
                return Ok(Some(status));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Asks it to end, and waits for that.
    ///
    /// # Errors
    /// When it does not end within `patience`, or not with 0.
    pub fn terminate(mut self, patience: Duration) -> Result<(), BenchError> {
        signal(self.id(), Signal::TERM);
        match self.wait(patience)? {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(BenchError::Board(format!("{} ended with {status}, not with 0", self.name))),
            None => Err(BenchError::Board(format!("{} did not end within {} s", self.name, patience.as_secs()))),
        }
    }

    /// Kills it and its children, and waits until all of them are gone.
    pub fn kill_all(&mut self) {
        // Its id may be another program's by now.
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Stopped, it starts no child between the look at them and its end.
        signal(self.id(), Signal::STOP);
        let end = Instant::now() + Duration::from_secs(2);
        while Instant::now() < end && state(self.id()) != Some('T') {
            std::thread::sleep(Duration::from_millis(1));
        }
        let children = self.children();
        for child in &children {
            // A child has a group of its own, or is about to make one.
            let _ = kill_process_group(pid(*child), Signal::KILL);
            signal(*child, Signal::KILL);
        }
        let _ = kill_process_group(pid(self.id()), Signal::KILL);
        let _ = self.child.wait();
        let end = Instant::now() + Duration::from_secs(60);
        while Instant::now() < end && children.iter().any(|child| runs(*child)) {
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_all();
    }
}

/// Sends `signal` to one process; nobody there is as good.
pub fn signal(id: u32, signal: Signal) {
    let _ = kill_process(pid(id), signal);
}

fn pid(id: u32) -> Pid {
    // Ids come from the system, which has none that are too large or 0.
    i32::try_from(id).ok().and_then(Pid::from_raw).unwrap_or(Pid::INIT)
}

/// Whether the process runs; one that has ended and was not waited for does not.
pub fn runs(id: u32) -> bool {
    // The first thread counts as ended while another one, in the middle of a write, still holds all that is open.
    let threads = || std::fs::read_dir(format!("/proc/{id}/task")).map_or(0, Iterator::count);
    state(id).is_some_and(|state| !matches!(state, 'Z' | 'X') || threads() > 1)
}

/// The letter by which the system says what a process is at; `None` when there is none.
fn state(id: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // It stands behind the name, which may hold anything.
    stat.rsplit_once(") ")?.1.chars().next()
}

/// The threads of process `id`: thread id and name.
///
/// # Errors
/// When it is gone.
pub fn threads(id: u32) -> Result<Vec<(u32, String)>, BenchError> {
    let folder = format!("/proc/{id}/task");
    let entries = std::fs::read_dir(&folder).map_err(BenchError::system(format!("list {folder}")))?;
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    let name = |thread: u32| std::fs::read_to_string(format!("{folder}/{thread}/comm")).ok();
    Ok(ids.filter_map(|thread| Some((thread, name(thread)?.trim().to_owned()))).collect())
}

/// What process `id` holds.
///
/// # Errors
/// When it is gone.
pub fn holdings(id: u32) -> Result<Holdings, BenchError> {
    let cannot = || BenchError::system(format!("look into /proc/{id}"));
    let count = |what: &str| std::fs::read_dir(format!("/proc/{id}/{what}")).map(Iterator::count);
    let mut text = String::new();
    std::fs::File::open(format!("/proc/{id}/status")).and_then(|mut f| f.read_to_string(&mut text)).map_err(cannot())?;
    let rss = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    Ok(Holdings {
        descriptors: count("fd").map_err(cannot())?,
        threads: count("task").map_err(cannot())?,
        rss_kib: rss.unwrap_or(0),
    })
}

fn keep(from: impl Read + Send + 'static, lines: &Arc<Mutex<VecDeque<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(line);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::start(command).unwrap()
    }

    #[test]
    fn what_it_says_is_kept_and_how_it_ends_is_told() {
        let mut echo = shell("echo out; echo err >&2; exit 3");
        let status = echo.wait(Duration::from_secs(20)).unwrap().unwrap();
        assert_eq!(status.code(), Some(3));
        let mut lines = echo.lines();
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
        let failed = shell("trap 'exit 5' TERM; echo x; while :; do sleep 0.05; done");
        while failed.lines().is_empty() {
            std::thread::sleep(LOOK);
        }
        let error = failed.terminate(Duration::from_secs(20)).unwrap_err().to_string();
        assert!(error.contains("sh ended with exit status: 5"), "{error}");
    }

    #[test]
    fn children_go_with_it() {
        let parent = shell("sleep 1000 & sleep 1000 & wait");
        while parent.children().len() < 2 {
            std::thread::sleep(LOOK);
        }
        let children = parent.children();
        assert!(children.iter().all(|child| runs(*child)) && !threads(children[0]).unwrap().is_empty());
        assert!(holdings(parent.id()).unwrap().rss_kib > 0);
        drop(parent);
        let end = Instant::now() + Duration::from_secs(10);
        while children.iter().any(|child| runs(*child)) {
            assert!(Instant::now() < end);
            std::thread::sleep(LOOK);
        }
    }
}
