//! The line to the board: a thread that reads, decodes, asks, and opens the port again when it is gone.

use super::requests::Requests;
use super::view::LinkEvent;
use mtcae_wire::{Decoder, Up, encode};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Events that may wait for the screen; when it is full, the port's own buffer waits.
const WAITING: usize = 1024;
/// Between two attempts to open a port that is gone.
const REOPEN_EVERY: Duration = Duration::from_millis(500);
/// How often a pause looks whether to stop.
const GLANCE: Duration = Duration::from_millis(50);

/// An open port whose reads and writes give up after a short time-out.
pub trait Line: Read + Write + Send {}
impl<T: Read + Write + Send> Line for T {}

/// Opens the port again.
pub type Opener = Box<dyn FnMut() -> io::Result<Box<dyn Line>> + Send>;

/// The running thread; dropping it stops and joins it.
pub struct LinkThread {
    events: Option<Receiver<(Instant, LinkEvent)>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl LinkThread {
    /// Starts reading `line`; `open` is for when it is lost.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(line: Box<dyn Line>, open: Opener) -> io::Result<Self> {
        let (sender, events) = sync_channel(WAITING);
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker { sender, stop: stop.clone(), began: Instant::now(), requests: Requests::default() };
        let thread = thread::Builder::new().name("mtcae-link".into()).spawn(move || worker.run(line, open))?;
        Ok(Self { events: Some(events), stop, thread: Some(thread) })
    }

    /// The next event and when it came; `None` when there is none within `timeout`.
    pub fn next(&self, timeout: Duration) -> Option<(Instant, LinkEvent)> {
        match self.events.as_ref()?.recv_timeout(timeout) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                // Only a panic ends the thread early; it has been printed, and there is nothing to spin for.
                thread::sleep(timeout);
                None
            }
        }
    }
}

impl Drop for LinkThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Frees a thread that waits for room in the channel.
        self.events = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Why the worker stopped using a line.
enum End {
    Stopped,
    Lost(String),
}

struct Worker {
    sender: SyncSender<(Instant, LinkEvent)>,
    stop: Arc<AtomicBool>,
    began: Instant,
    requests: Requests,
}

impl Worker {
    fn run(mut self, mut line: Box<dyn Line>, mut open: Opener) {
        while let End::Lost(why) = self.listen(&mut *line) {
            // Closed before it is opened again: a serial port has one user.
            drop(line);
            if !self.send(LinkEvent::Lost(why)) {
                return;
            }
            line = match self.reopen(&mut open) {
                Some(line) => line,
                None => return,
            };
            if !self.send(LinkEvent::Connected) {
                return;
            }
        }
    }

    fn reopen(&self, open: &mut Opener) -> Option<Box<dyn Line>> {
        loop {
            let until = Instant::now() + REOPEN_EVERY;
            while Instant::now() < until {
                if self.stop.load(Ordering::Relaxed) {
                    return None;
                }
                thread::sleep(GLANCE);
            }
            if let Ok(line) = open() {
                return Some(line);
            }
        }
    }

    fn listen(&mut self, line: &mut dyn Line) -> End {
        let mut decoder = Decoder::<Up>::new();
        let mut bytes = [0; 512];
        self.requests.reopened();
        // Ends whatever the board has heard before.
        let mut outgoing = vec![0];
        while !self.stop.load(Ordering::Relaxed) {
            let due = self.requests.due(self.began.elapsed());
            outgoing.extend(due.iter().filter_map(|down| encode(down).ok()).flat_map(|frame| frame.to_vec()));
            if let Err(error) = send_all(line, &mut outgoing) {
                return End::Lost(error.to_string());
            }
            let got = match line.read(&mut bytes) {
                Ok(0) => return End::Lost("the other end has closed the line".to_owned()),
                Ok(got) => got,
                Err(error) if passes(&error) => continue,
                Err(error) => return End::Lost(error.to_string()),
            };
            for result in decoder.feed(&bytes[..got]) {
                let event = result
                    .map_or_else(|error| LinkEvent::Bad(error.to_string()), |up| LinkEvent::Message(Box::new(up)));
                if !self.deliver(event) {
                    return End::Stopped;
                }
            }
        }
        End::Stopped
    }

    fn deliver(&mut self, event: LinkEvent) -> bool {
        if let LinkEvent::Message(message) = &event
            && let Some(took) = self.requests.take(self.began.elapsed(), message)
            && !self.send(LinkEvent::RoundTrip(took))
        {
            return false;
        }
        self.send(event)
    }

    /// False when nobody listens any more.
    fn send(&self, event: LinkEvent) -> bool {
        self.sender.send((Instant::now(), event)).is_ok()
    }
}

/// Sends what the line takes now. A board that does not read is no reason to stop listening to it: what it does not
/// take is dropped, all of it, so that nothing piles up.
fn send_all(line: &mut dyn Line, outgoing: &mut Vec<u8>) -> io::Result<()> {
    let result = if outgoing.is_empty() { Ok(()) } else { line.write_all(outgoing) };
    outgoing.clear();
    match result {
        Err(error) if !passes(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Whether the line is fine and had only nothing to give or to take.
fn passes(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::sample;
    use std::collections::VecDeque;
    use std::sync::mpsc::{Sender, channel};

    /// Plays a script: `Some` bytes are read, `None` is a broken line; after the script nothing comes.
    struct Played {
        script: VecDeque<Option<Vec<u8>>>,
        written: Sender<u8>,
    }

    impl Read for Played {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            match self.script.pop_front() {
                Some(Some(bytes)) => {
                    buf[..bytes.len()].copy_from_slice(&bytes);
                    Ok(bytes.len())
                }
                Some(None) => Err(io::Error::other("unplugged")),
                None => {
                    thread::sleep(Duration::from_millis(1));
                    Err(ErrorKind::TimedOut.into())
                }
            }
        }
    }

    impl Write for Played {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            buf.iter().try_for_each(|&byte| self.written.send(byte)).map_err(io::Error::other)?;
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn frame(message: &Up) -> Option<Vec<u8>> {
        Some(encode(message).unwrap().to_vec())
    }

    fn next(link: &LinkThread) -> LinkEvent {
        link.next(Duration::from_secs(10)).expect("an event").1
    }

    #[test]
    fn reads_survives_garbage_and_reconnects() {
        let (written, asked) = channel();
        let lines = [
            vec![frame(&Up::Report(sample::report(1, None))), Some(vec![9, 9, 0]), None],
            vec![frame(&Up::Report(sample::report(5, None)))],
        ];
        let mut lines: VecDeque<_> =
            lines.into_iter().map(|script| Played { script: script.into(), written: written.clone() }).collect();
        let first = Box::new(lines.pop_front().unwrap());
        let mut failures = 2;
        let open: Opener = Box::new(move || {
            failures -= 1;
            let line = if failures > 0 { None } else { lines.pop_front() };
            line.map(|line| Box::new(line) as Box<dyn Line>).ok_or_else(|| ErrorKind::NotFound.into())
        });
        let link = LinkThread::start(first, open).unwrap();
        assert_eq!(next(&link), LinkEvent::Message(Box::new(Up::Report(sample::report(1, None)))));
        assert!(matches!(next(&link), LinkEvent::Bad(_)));
        assert_eq!(next(&link), LinkEvent::Lost("unplugged".into()));
        assert_eq!(next(&link), LinkEvent::Connected);
        assert_eq!(next(&link), LinkEvent::Message(Box::new(Up::Report(sample::report(5, None)))));
        drop(link);
        let mut decoder = Decoder::<mtcae_wire::Down>::new();
        let asked: Vec<u8> = asked.try_iter().collect();
        assert_eq!(asked[0], 0);
        assert_eq!(decoder.feed(&asked).filter(|down| *down == Ok(mtcae_wire::Down::Hello)).count(), 2);
    }
}
