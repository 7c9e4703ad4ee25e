//! The line between board and host as a thread: it paces, damages, cuts, splits and delays as [`Faults`] say.

use crate::BenchError;
use crate::channel::{Channel, ChannelCounts, Faults, PIECE};
use crate::terminal::Terminal;
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at both ends.
const LOOK: Duration = Duration::from_micros(300);

/// A line between a board's descriptor and a pseudo-terminal that the host opens. It ends with its value.
pub struct Proxy {
    host: Terminal,
    /// Held open, so that a host's program that ends does not hang up.
    _near: OwnedFd,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    board: Option<OwnedFd>,
    up: Channel,
    down: Channel,
    /// The board's end has gone by itself.
    stop: bool,
}

/// What the proxy did, to the host and to the board.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// From the board to the host.
    pub up: ChannelCounts,
    /// From the host to the board.
    pub down: ChannelCounts,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// A line to `board` with the same faults both ways.
    ///
    /// # Errors
    /// When there is no pseudo-terminal or thread.
    pub fn new(board: OwnedFd, faults: Faults, seed: u64) -> Result<Proxy, BenchError> {
        let host = Terminal::new()?;
        let near = host.hold()?;
        let far = rustix::io::dup(&host.far).map_err(BenchError::system("copy a descriptor"))?;
        let (up, down) = (Channel::new(faults, seed), Channel::new(faults, seed ^ 0xD0_0D));
        let shared = Arc::new(Mutex::new(Shared { board: Some(board), up, down, stop: false }));
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("line".to_owned())
            .spawn(move || carry(&far, &for_thread))
            .map_err(BenchError::system("start a thread"))?;
        Ok(Proxy { host, _near: near, shared, thread: Some(thread) })
    }

    /// What the host opens.
    pub fn path(&self) -> &str {
        &self.host.path
    }

    /// Other faults from now on, both ways.
    pub fn set(&self, faults: Faults) {
        let mut shared = lock(&self.shared);
        shared.up.set(faults);
        shared.down.set(faults);
    }

    /// Pulls the plug at the board's end; what is on its way is lost.
    pub fn unplug(&self) {
        let mut shared = lock(&self.shared);
        shared.board = None;
        shared.up.cut(true);
        shared.down.cut(true);
    }

    /// Puts it back in.
    pub fn plug_in(&self, board: OwnedFd) {
        let mut shared = lock(&self.shared);
        shared.board = Some(board);
        shared.up.cut(false);
        shared.down.cut(false);
    }

    /// What went through, and what was done to it.
    pub fn counts(&self) -> ProxyCounts {
        let shared = lock(&self.shared);
        ProxyCounts { up: shared.up.counts(), down: shared.down.counts() }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        lock(&self.shared).stop = true;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn carry(host: &OwnedFd, shared: &Mutex<Shared>) {
    let began = Instant::now();
    loop {
        {
            let mut shared = lock(shared);
            if shared.stop {
                return;
            }
            let now = began.elapsed().as_micros() as u64;
            let Shared { board, up, down, .. } = &mut *shared;
            let gone = match board {
                Some(board) => {
                    let gone = fill(board, up, now) | fill_from_host(host, down, now);
                    empty(host, up, now);
                    empty(board, down, now);
                    gone
                }
                None => fill_from_host(host, down, now),
            };
            if gone {
                *board = None;
                up.cut(true);
                down.cut(true);
            }
        }
        std::thread::sleep(LOOK);
    }
}

/// Reads what the line takes now; true when the end is gone.
fn fill(from: &OwnedFd, channel: &mut Channel, now: u64) -> bool {
    let mut buffer = [0; PIECE];
    while channel.is_free(now) {
        match rustix::io::read(from, &mut buffer) {
            Ok(got @ 1..) => channel.take(now, &buffer[..got]),
            // The far side of a pseudo-terminal that nobody has open says so; a program may yet open it.
            Ok(_) | Err(Errno::AGAIN | Errno::INTR | Errno::IO) => {
                channel.rest();
                return false;
            }
            Err(_) => return true,
        }
    }
    false
}

/// The same for the host's end, which never goes.
fn fill_from_host(from: &OwnedFd, channel: &mut Channel, now: u64) -> bool {
    fill(from, channel, now);
    false
}

/// Writes what has arrived, as far as the other end takes it.
fn empty(to: &OwnedFd, channel: &mut Channel, now: u64) {
    while let Some(bytes) = channel.give(now) {
        let written = rustix::io::write(to, &bytes).unwrap_or(0);
        if written < bytes.len() {
            channel.refused(&bytes[written..]);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::open_raw;
    use std::path::Path;

    fn read_all(fd: &OwnedFd, wanted: usize) -> Vec<u8> {
        let (mut got, end) = (Vec::new(), Instant::now() + Duration::from_secs(20));
        let mut buffer = [0; 4096];
        while got.len() < wanted && Instant::now() < end {
            match rustix::io::read(fd, &mut buffer) {
                Ok(n) => got.extend_from_slice(&buffer[..n]),
                Err(_) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        got
    }

    #[test]
    fn bytes_go_both_ways_at_the_lines_pace_and_not_while_it_is_cut() {
        let board = Terminal::new().unwrap();
        let daemon = board.hold().unwrap();
        let again = rustix::io::dup(&board.far).unwrap();
        let proxy = Proxy::new(board.far, Faults { baud: 19_200, ..Faults::default() }, 1).unwrap();
        let host = open_raw(Path::new(proxy.path()), None).unwrap();
        let began = Instant::now();
        let sent: Vec<u8> = (1..=192).collect();
        rustix::io::write(&daemon, &sent).unwrap();
        assert_eq!(read_all(&host, 192), sent);
        // 192 bytes of ten bits are a tenth of a second.
        assert!(began.elapsed() >= Duration::from_millis(95), "{:?}", began.elapsed());
        rustix::io::write(&host, b"down").unwrap();
        assert_eq!(read_all(&daemon, 4), b"down");

        proxy.unplug();
        rustix::io::write(&host, b"nobody").unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while proxy.counts().down.lost < 6 && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(proxy.counts().down.lost, 6);
        proxy.plug_in(again);
        rustix::io::write(&host, b"back").unwrap();
        assert_eq!(read_all(&daemon, 4), b"back");
        assert_eq!((proxy.counts().up.bytes, proxy.counts().down.bytes), (192, 14));
    }
}
