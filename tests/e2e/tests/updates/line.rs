//! A serial line of a given speed and delay between two pseudo-terminals.

use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes moved at a time.
const PIECE: usize = 512;
/// Bits of a byte with its start and stop bit.
const BITS: f64 = 10.0;

/// One end: the side that a program opens is at `path`.
struct End {
    far: Arc<OwnedFd>,
    path: String,
    /// Held open so that a program that ends does not hang the line up.
    _near: OwnedFd,
}

impl End {
    fn new() -> End {
        let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&far).unwrap();
        unlockpt(&far).unwrap();
        fcntl_setfl(&far, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
        let path = ptsname(&far, Vec::new()).unwrap().into_string().unwrap();
        let near = open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let mut settings = tcgetattr(&near).unwrap();
        settings.make_raw();
        tcsetattr(&near, OptionalActions::Now, &settings).unwrap();
        End { far: Arc::new(far), path, _near: near }
    }
}

/// The line. It ends with its value.
pub struct SerialLine {
    board: End,
    host: End,
    /// Bytes that went to the board, and to the host.
    down: Arc<AtomicU64>,
    up: Arc<AtomicU64>,
    baud: u32,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl SerialLine {
    /// `baud` both ways, and `delay` before a byte arrives.
    pub fn new(baud: u32, delay: Duration) -> SerialLine {
        let (board, host) = (End::new(), End::new());
        let (stop, down) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let one_way = |from: &End, to: &End, count: Arc<AtomicU64>| {
            let (from, to, stop) = (Arc::clone(&from.far), Arc::clone(&to.far), Arc::clone(&stop));
            std::thread::spawn(move || carry(&from, &to, baud, delay, &count, &stop))
        };
        let up = Arc::new(AtomicU64::new(0));
        let threads = vec![one_way(&host, &board, Arc::clone(&down)), one_way(&board, &host, Arc::clone(&up))];
        SerialLine { board, host, down, up, baud, stop, threads }
    }

    /// What the board opens.
    pub fn board(&self) -> &str {
        &self.board.path
    }

    /// What the host opens.
    pub fn host(&self) -> &str {
        &self.host.path
    }

    /// Its speed.
    pub fn baud(&self) -> u32 {
        self.baud
    }

    /// Bytes that went to the host so far.
    pub fn up(&self) -> u64 {
        self.up.load(Ordering::Relaxed)
    }

    /// Bytes that went to the board so far.
    pub fn down(&self) -> u64 {
        self.down.load(Ordering::Relaxed)
    }
}

impl Drop for SerialLine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Bytes take their time, and what the far end does not read in time is lost, as on a UART without flow control.
fn carry(from: &OwnedFd, to: &OwnedFd, baud: u32, delay: Duration, count: &AtomicU64, stop: &AtomicBool) {
    let per_byte = BITS / f64::from(baud);
    let mut on_the_way: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
    let mut free_at = Instant::now();
    let mut idle = true;
    let mut buffer = [0; PIECE];
    while !stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= free_at {
            match rustix::io::read(from, &mut buffer) {
                Ok(got @ 1..) => {
                    count.fetch_add(got as u64, Ordering::Relaxed);
                    // A line that was idle starts now; a busy one has gone on without a gap, however late this thread is.
                    let begins = if idle { now } else { free_at };
                    free_at = begins + Duration::from_secs_f64(per_byte * got as f64);
                    on_the_way.push_back((free_at + delay, buffer[..got].to_vec()));
                    idle = false;
                }
                _ => idle = true,
            }
        }
        while let Some((_, bytes)) = on_the_way.front().filter(|(due, _)| *due <= now) {
            match rustix::io::write(to, bytes) {
                Ok(_) | Err(Errno::AGAIN) | Err(Errno::IO) => drop(on_the_way.pop_front()),
                Err(Errno::INTR) => {}
                Err(error) => panic!("the line: {error}"),
            }
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}
