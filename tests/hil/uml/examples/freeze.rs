//! Stops the threads of a process that have a name, as threads that hang would, until that process is killed:
//! `freeze PID NAME`. Says how many it stopped; runs on the virtual board, where no program from outside can reach.

use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::error::Error;
use std::io::Write;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [process, name] = &words[..] else { return Err("accepted: PID NAME".into()) };
    let mut stopped = Vec::new();
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?;
        // A thread may have ended meanwhile.
        if std::fs::read_to_string(thread.path().join("comm")).unwrap_or_default().trim() == name {
            let id = Pid::from_raw(thread.file_name().to_string_lossy().parse()?);
            ptrace::seize(id, ptrace::Options::empty())?;
            ptrace::interrupt(id)?;
            stopped.push(id);
        }
    }
    println!("stopped {}", stopped.len());
    std::io::stdout().flush()?;
    for thread in stopped {
        // It is stopped: what is told of it but its end changes nothing.
        while !matches!(
            waitpid(thread, Some(WaitPidFlag::__WALL)),
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_)
        ) {}
    }
    Ok(())
}
