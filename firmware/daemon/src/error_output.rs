//! Lines for the error output, written by a thread of their own: one that is closed, full or not read holds up nobody.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Lines that wait, at most.
const WAITING: usize = 256;
/// At the end the last lines get this long.
const LAST_LINES: Duration = Duration::from_secs(1);

enum Entry {
    Line(String),
    /// Everything before it is written.
    Mark(SyncSender<()>),
}

/// Where lines go.
#[derive(Clone)]
pub struct ErrorOutput {
    entries: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

impl ErrorOutput {
    /// Starts the thread that writes. Without one nothing is written.
    pub fn start() -> ErrorOutput {
        ErrorOutput::to(io::stderr())
    }

    fn to(out: impl Write + Send + 'static) -> ErrorOutput {
        let (entries, coming) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let _ =
            std::thread::Builder::new().name("error-output".to_owned()).spawn(move || write(out, &coming, &counted));
        ErrorOutput { entries, lost }
    }

    /// Writes a line as soon as it can be; one for which there is no room is counted.
    pub fn line(&self, text: String) {
        if self.entries.try_send(Entry::Line(text)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all lines are written, a second at most.
    pub fn finish(&self) {
        let (end, (mark, written)) = (Instant::now() + LAST_LINES, sync_channel(1));
        let mut entry = Entry::Mark(mark);
        while let Err(TrySendError::Full(again)) = self.entries.try_send(entry) {
            if Instant::now() >= end {
                return;
            }
            entry = again;
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = written.recv_timeout(end.saturating_duration_since(Instant::now()));
    }
}

fn write(mut out: impl Write, coming: &Receiver<Entry>, lost: &AtomicU64) {
    for entry in coming {
        match entry {
            // Whoever closed it does not want to know.
            Entry::Line(text) => {
                let _ = out.write_all(format!("{text}\n").as_bytes());
            }
            Entry::Mark(mark) => {
                let _ = mark.try_send(());
            }
        }
        let missing = lost.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let text = format!("warning: {missing} lines are missing here, as nobody took the ones before\n");
            let _ = out.write_all(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    /// Takes a line for each permission.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if bytes.contains(&b'\n') {
                let _ = self.0.recv();
            }
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_writes_never_waits_and_what_is_lost_is_told() {
        let ((permit, permission), taken) = (channel(), Arc::new(Mutex::new(Vec::new())));
        let output = ErrorOutput::to(Slow(permission, Arc::clone(&taken)));
        for n in 0..WAITING + 100 {
            output.line(format!("line {n}"));
        }
        drop(permit);
        output.finish();
        output.line("later".to_owned());
        output.finish();
        let text = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let missing: usize = lines[1].split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!((lines[0], lines.last()), ("line 0", Some(&"later")));
        assert_eq!(lines.len() - 2 + missing, WAITING + 100, "{}", lines[1]);
    }

    #[test]
    fn a_closed_output_ends_nothing() {
        let output = ErrorOutput::to(std::fs::File::open("/dev/null").unwrap());
        output.line("not writable".to_owned());
        output.finish();
    }
}
