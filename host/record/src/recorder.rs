//! A recording being made: what came, when, on which topics, and when to write.

use crate::error::WriteError;
use crate::schemas::{self, Schemas};
use crate::writer::{Message, Writer};
use mtcae_json::{Publication, Translator};
use mtcae_wire::{Hello, Log, Up};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt;
use std::io::Write;
use std::time::Duration;

/// The topic of everything that `mtcae monitor --json` prints, in that form; what [`Reader`](crate::Reader) reads.
pub const MESSAGES: &str = "mtcae/messages";

/// A chunk is written when it has so many bytes before compression.
const CHUNK: usize = 1 << 20;
/// Or when its first message is so old: what a kill costs at most.
const CHUNK_AGE: Duration = Duration::from_secs(5);
/// Near its largest size a chunk is written earlier, to see how large it really is, when it has so many bytes.
const WORTH_PACKING: (u64, u64) = (2 << 10, 32 << 10);
/// JSON of a first Hello, Report and Status with all their topics at its longest, and what stands around it, bytes.
const FIRST: usize = 12 << 10;
/// The most bytes that may wait in memory for the file's end.
const KEPT: usize = 16 << 20;
/// The prefix of all topics.
const PREFIX: &str = "mtcae";

/// Why a recording takes no more, though nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The bound of its size is reached.
    Size,
    /// There are as many faces, or hours, in it as one file can list.
    Index,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "it has its largest size",
            Self::Index => "one file cannot list more faces and hours",
        })
    }
}

/// What a recording holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Entries of [`MESSAGES`].
    pub entries: u64,
    /// Bytes of the file, as far as it is written.
    pub bytes: u64,
}

/// Writes a recording into `W`. It has at most one chunk and an index in memory, 32 MiB together.
pub struct Recorder<W: Write> {
    /// Taken at the end, which leaves the file.
    writer: Option<Writer<W>>,
    out: Option<W>,
    schemas: Schemas,
    began_unix_ns: u64,
    max_bytes: u64,
    translator: Option<(String, Translator)>,
    /// Of the start of the board that was heard last.
    boot: Option<u32>,
    /// Told since then.
    unix_offset_us: Option<i64>,
    chunk_began: Option<Duration>,
    written: Written,
    full: Option<Full>,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording of `port` in `out`, of at most `max_bytes`; `began_unix_ns` is the time now, nanoseconds since
    /// 1970. Its first bytes are written at once.
    ///
    /// # Errors
    /// [`WriteError`] when `max_bytes` is too small, or `out` takes nothing.
    pub fn new(out: W, port: &str, began_unix_ns: u64, max_bytes: u64) -> Result<Self, WriteError> {
        let library = concat!("mtcae ", env!("CARGO_PKG_VERSION"));
        let mut recorder = Self {
            writer: Some(Writer::new(out, library)?),
            out: None,
            schemas: Schemas::default(),
            began_unix_ns,
            max_bytes: u64::MAX,
            translator: None,
            boot: None,
            unix_offset_us: None,
            chunk_began: None,
            written: Written::default(),
            full: None,
        };
        let first = json!({ "type": "recording", "port": port, "by": library, "began_unix_ns": began_unix_ns });
        recorder.take(Duration::ZERO, None, &first)?;
        let first = 2 * recorder.schemas.bytes() + FIRST;
        let least = recorder.writer.as_ref().map_or(0, |writer| writer.size_with(first));
        if max_bytes < least {
            return Err(WriteError::TooSmall { max: max_bytes, least });
        }
        recorder.max_bytes = max_bytes;
        recorder.flush()?;
        Ok(recorder)
    }

    /// Takes what came at `now` (since the beginning): `line` is what `mtcae monitor --json` prints of it, `message` the
    /// board's message in it, if any. Nothing when the recording is [full](Recorder::full) already.
    ///
    /// # Errors
    /// [`WriteError`] when the disk takes no more.
    pub fn take(&mut self, now: Duration, message: Option<&Up>, line: &Value) -> Result<(), WriteError> {
        if let Some(message) = message {
            self.learn(message);
        }
        let text = line.to_string();
        let publications = self.publications(message);
        let size = text.len() + publications.iter().map(|p| p.payload.len() + p.topic.len() * 2 + 128).sum::<usize>();
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let names: BTreeSet<_> = publications.iter().map(|p| schemas::of(p.part)).chain([schemas::MESSAGE]).collect();
        let new = names.into_iter().filter(|name| !writer.has_schema(name)).map(|name| self.schemas.bytes_of(name));
        // Schemas that are new come twice: in the chunk and at the end.
        let most = size + 512 + 2 * new.sum::<usize>();
        let worth = (self.max_bytes / 16).clamp(WORTH_PACKING.0, WORTH_PACKING.1);
        if writer.size_with(most) > self.max_bytes && writer.pending() as u64 >= worth {
            // What waits may be much smaller than it seems.
            writer.flush()?;
            self.chunk_began = None;
        }
        if writer.size_with(most) > self.max_bytes {
            return self.end(Full::Size);
        }
        if writer.kept() + most > KEPT {
            return self.end(Full::Index);
        }
        let arrival = self.began_unix_ns.saturating_add(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
        let captured = message.and_then(|message| self.captured(message)).unwrap_or(arrival);
        let mut fits = self.add(MESSAGES, schemas::MESSAGE, (captured, arrival), text.as_bytes());
        self.written.entries += u64::from(fits);
        for publication in &publications {
            let schema = schemas::of(publication.part);
            fits &= self.add(&publication.topic, schema, (captured, arrival), publication.payload.as_bytes());
        }
        if !fits {
            return self.end(Full::Index);
        }
        self.chunk_began.get_or_insert(now);
        self.tick(now)
    }

    /// To be called now and then: writes what has waited for long enough.
    ///
    /// # Errors
    /// [`WriteError`] when the disk takes no more.
    pub fn tick(&mut self, now: Duration) -> Result<(), WriteError> {
        let old = self.chunk_began.is_some_and(|began| now.saturating_sub(began) >= CHUNK_AGE);
        let large = self.writer.as_ref().is_some_and(|writer| writer.pending() >= CHUNK);
        if old || large { self.flush() } else { Ok(()) }
    }

    /// Why it takes no more; `None` while it does.
    pub fn full(&self) -> Option<Full> {
        self.full
    }

    /// What it holds so far.
    pub fn written(&self) -> Written {
        let bytes = self.writer.as_ref().map_or(self.written.bytes, Writer::written);
        Written { bytes, ..self.written }
    }

    /// Ends the recording; a second time does nothing.
    ///
    /// # Errors
    /// [`WriteError`] when the disk takes no more; what was written before can be read.
    pub fn finish(&mut self) -> Result<(), WriteError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let (out, bytes) = writer.finish()?;
        self.written.bytes = bytes;
        self.out = Some(out);
        Ok(())
    }

    /// The file, once the recording is finished.
    pub fn into_file(self) -> Option<W> {
        self.out
    }

    fn end(&mut self, why: Full) -> Result<(), WriteError> {
        self.full = Some(why);
        self.finish()
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.chunk_began = None;
        match &mut self.writer {
            Some(writer) => Ok(writer.flush()?),
            None => Ok(()),
        }
    }

    /// Remembers what later messages need.
    fn learn(&mut self, message: &Up) {
        match message {
            Up::Hello(hello) => {
                self.hear_from(hello.boot);
                self.meet(hello);
            }
            Up::Report(report) => self.hear_from(report.boot),
            Up::Status(status) => {
                self.hear_from(status.boot);
                self.unix_offset_us = status.unix_offset_us;
            }
            _ => {}
        }
    }

    /// A board that has started anew counts its time from zero again: nothing of what was told before it holds.
    fn hear_from(&mut self, boot: u32) {
        if self.boot.replace(boot).is_none_or(|known| known == boot) {
            return;
        }
        self.unix_offset_us = None;
        if let Some((device, translator)) = &mut self.translator {
            *translator = Translator::new(PREFIX, device);
        }
    }

    fn meet(&mut self, hello: &Hello) {
        let device = topic_word(hello.device.as_str());
        if self.translator.as_ref().is_none_or(|(known, _)| *known != device) {
            let mut translator = Translator::new(PREFIX, &device);
            translator.set_unix_offset(self.unix_offset_us);
            self.translator = Some((device, translator));
        }
    }

    /// What `message` is in the words of `hri_msgs`; nothing before a Hello has told who speaks.
    fn publications(&mut self, message: Option<&Up>) -> Vec<Publication> {
        let (Some(message), Some((_, translator))) = (message, &mut self.translator) else { return Vec::new() };
        match message {
            Up::Log(log) => vec![translator.log(log)],
            message => translator.publications(message),
        }
    }

    /// When the board captured what `message` tells of, where it knows the time; nanoseconds since 1970.
    fn captured(&self, message: &Up) -> Option<u64> {
        let board_us = match message {
            Up::Report(report) => report.captured_us,
            Up::Log(log) if log.at_us != Log::HAVE_TO_WAIT => log.at_us,
            _ => return None,
        };
        let unix_us = i64::try_from(board_us).ok()?.checked_add(self.unix_offset_us?)?;
        u64::try_from(unix_us).ok()?.checked_mul(1_000)
    }

    fn add(&mut self, topic: &str, schema: &'static str, (log_time, publish_time): (u64, u64), data: &[u8]) -> bool {
        let Some(writer) = &mut self.writer else { return false };
        let schema = (schema, self.schemas.text(schema));
        writer.add(&Message { topic, schema, log_time, publish_time, data })
    }
}

/// A device's name as a part of a topic.
fn topic_word(device: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let word: String = device.chars().map(|c| if fine(c) { c } else { '_' }).collect();
    if word.is_empty() { "board".to_owned() } else { word }
}
