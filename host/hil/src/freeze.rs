//! Stops single threads of another process, as a thread that hangs would: ptrace can, signals cannot.

use crate::BenchError;
use crate::process::{Process, threads};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::process::Command;
use std::sync::mpsc::channel;

/// Stops thread `id`. It stays stopped until its process is killed, or this process ends.
///
/// # Errors
/// When this system does not allow it.
pub fn freeze(id: u32) -> Result<(), BenchError> {
    let (sender, told) = channel();
    // The thread that stops another one has to wait for its end: until then nobody else can.
    std::thread::Builder::new()
        .name("freeze".to_owned())
        .spawn(move || {
            let thread = Pid::from_raw(id.cast_signed());
            let stopped = ptrace::seize(thread, ptrace::Options::empty()).and_then(|()| ptrace::interrupt(thread));
            let is_stopped = stopped.is_ok();
            let _ = sender.send(stopped);
            if is_stopped {
                // It is stopped: what is told of it but its end changes nothing.
                while !matches!(
                    waitpid(thread, Some(WaitPidFlag::__WALL)),
                    Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_)
                ) {}
            }
        })
        .map_err(BenchError::system("start a thread"))?;
    match told.recv() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(errno)) => Err(BenchError::System { what: format!("stop thread {id}"), source: errno.into() }),
        Err(_) => Err(BenchError::Board(format!("thread {id} was not stopped"))),
    }
}

/// Why no thread can be stopped here; `None` when it works.
pub fn cannot_freeze() -> Option<String> {
    let mut command = Command::new("sleep");
    command.arg("60");
    let tried = Process::start(command).and_then(|process| freeze(process.id()));
    tried.err().map(|error| format!("this system allows no ptrace: {error}"))
}

/// Ids of the threads called `name` in process `process`.
///
/// # Errors
/// When there are none.
pub fn named(process: u32, name: &str) -> Result<Vec<u32>, BenchError> {
    let found: Vec<u32> = threads(process)?.into_iter().filter(|(_, n)| n == name).map(|(id, _)| id).collect();
    match found.is_empty() {
        true => Err(BenchError::Board(format!("process {process} has no thread called {name}"))),
        false => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::runs;
    use std::time::{Duration, Instant};

    #[test]
    fn a_frozen_process_stands_still_and_dies_when_it_is_killed() {
        if let Some(why) = cannot_freeze() {
            return println!("skipped: freezing, because {why}");
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "while :; do echo x; sleep 0.02; done"]);
        let mut process = Process::start(command).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while process.lines().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
        freeze(process.id()).unwrap();
        // What it said before may still be on its way here; what runs says something every 20 ms.
        let mut before = 0;
        while process.lines().len() != before {
            assert!(Instant::now() < end, "it goes on");
            before = process.lines().len();
            std::thread::sleep(Duration::from_millis(400));
        }
        process.kill_all();
        assert!(!runs(process.id()));
    }
}
