//! A recording being read: chunk by chunk, each checked before anything in it is believed, where it has a checksum.

use crate::error::ReadError;
use crate::format::{Fields, HEAD, MAGIC, code};
use crate::recorder::MESSAGES;
use lz4_flex::frame::FrameDecoder;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::time::Duration;

/// The largest chunk, packed or not, bytes; those of a [`Recorder`](crate::Recorder) have little more than one MiB.
const MOST: u64 = 64 << 20;

/// What was recorded at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When it came, since the first entry; never less than that of the entry before.
    pub at: Duration,
    /// When it came, nanoseconds since 1970.
    pub unix_ns: u64,
    /// An object with a `type`.
    pub line: Value,
}

/// Reads entries until the file's end, its damage, or the place where it was cut.
pub struct Reader<R> {
    input: R,
    /// Bytes read.
    at: u64,
    chunk: Vec<u8>,
    /// Where in `chunk` the next record begins.
    next: usize,
    /// Where in the file the chunk begins.
    chunk_at: u64,
    /// Numbers of channels with the topic [`MESSAGES`].
    channels: BTreeSet<u16>,
    first: Option<u64>,
    latest: Duration,
    ahead: Option<Entry>,
    ended: bool,
    cut: Option<u64>,
}

impl<R: Read> Reader<R> {
    /// Begins to read `input`, up to its first entry.
    ///
    /// # Errors
    /// [`ReadError`] when it is no recording, or is damaged before its first entry.
    pub fn new(input: R) -> Result<Self, ReadError> {
        let mut reader = Self {
            input,
            at: 0,
            chunk: Vec::new(),
            next: 0,
            chunk_at: 0,
            channels: BTreeSet::new(),
            first: None,
            latest: Duration::ZERO,
            ahead: None,
            ended: false,
            cut: None,
        };
        let mut magic = [0; MAGIC.len()];
        if !reader.fill(&mut magic)? || magic != MAGIC {
            return Err(ReadError::NotMcap);
        }
        reader.ahead = reader.entry()?;
        match (&reader.ahead, reader.cut) {
            (Some(_), _) => Ok(reader),
            (None, Some(at)) => Err(damaged(at, "it ends there, before anything was recorded")),
            (None, None) => Err(ReadError::Foreign { topic: MESSAGES }),
        }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] when the file is damaged; what came before is as it was recorded.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        match self.ahead.take() {
            Some(entry) => Ok(Some(entry)),
            None => self.entry(),
        }
    }

    /// The byte of the file at which it stops within something, when it was cut short; known at the end.
    pub fn cut_at(&self) -> Option<u64> {
        self.cut
    }

    fn entry(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            while self.next < self.chunk.len() {
                if let Some(entry) = self.chunk_record()? {
                    return Ok(Some(entry));
                }
            }
            if self.ended || !self.file_record()? {
                self.ended = true;
                return Ok(None);
            }
        }
    }

    /// Takes the next record of the chunk; an entry when it is one.
    fn chunk_record(&mut self) -> Result<Option<Entry>, ReadError> {
        let at = self.chunk_at;
        let mut rest = Fields(&self.chunk[self.next..]);
        let (code, mut fields) = rest.record().ok_or_else(|| damaged(at, "a record goes beyond its chunk"))?;
        self.next = self.chunk.len() - rest.0.len();
        match code {
            code::CHANNEL => {
                let channel = fields.u16().zip(fields.u16()).zip(fields.text());
                let ((channel, _), topic) = channel.ok_or_else(|| damaged(at, "a topic without a name"))?;
                if topic == MESSAGES {
                    self.channels.insert(channel);
                }
                Ok(None)
            }
            code::MESSAGE => {
                let times = (fields.u16(), fields.u32(), fields.u64(), fields.u64());
                let (Some(channel), Some(_), Some(_), Some(publish_time)) = times else {
                    return Err(damaged(at, "a message without a time"));
                };
                if !self.channels.contains(&channel) {
                    return Ok(None);
                }
                let line = serde_json::from_slice(fields.0)
                    .map_err(|error| damaged(at, &format!("a message that is no JSON: {error}")))?;
                Ok(Some(self.timed(publish_time, line)))
            }
            _ => Ok(None),
        }
    }

    fn timed(&mut self, unix_ns: u64, line: Value) -> Entry {
        let first = *self.first.get_or_insert(unix_ns);
        self.latest = self.latest.max(Duration::from_nanos(unix_ns.saturating_sub(first)));
        Entry { at: self.latest, unix_ns, line }
    }

    /// Takes the next record of the file; false when there are no more.
    fn file_record(&mut self) -> Result<bool, ReadError> {
        let at = self.at;
        let mut head = [0; HEAD];
        if !self.fill(&mut head)? {
            self.cut = Some(at);
            return Ok(false);
        }
        let length = Fields(&head[1..]).u64().unwrap_or_default();
        match head[0] {
            code::DATA_END | code::FOOTER => return Ok(false),
            code::CHUNK | code::CHANNEL | code::MESSAGE => {}
            _ => {
                let skipped = io::copy(&mut (&mut self.input).take(length), &mut io::sink())?;
                self.at += skipped;
                self.cut = (skipped < length).then_some(at);
                return Ok(skipped == length);
            }
        }
        if length > MOST {
            return Err(damaged(at, &format!("a record of {length} bytes; accepted are at most {MOST}")));
        }
        let mut content = Vec::new();
        (&mut self.input).take(length).read_to_end(&mut content)?;
        self.at += content.len() as u64;
        if (content.len() as u64) < length {
            self.cut = Some(at);
            return Ok(false);
        }
        self.chunk_at = at;
        self.next = 0;
        // A message outside of chunks is read as one that is alone in its chunk.
        self.chunk = if head[0] == code::CHUNK { unpacked(at, &content)? } else { [&head[..], &content].concat() };
        Ok(true)
    }

    /// False when the file ends before `bytes` are full.
    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        let mut filled = 0;
        while filled < bytes.len() {
            match self.input.read(&mut bytes[filled..]) {
                Ok(0) => return Ok(false),
                Ok(got) => filled += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.at += filled as u64;
        Ok(true)
    }
}

/// The records of a chunk, when their checksum is right or they have none.
fn unpacked(at: u64, content: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut fields = Fields(content);
    let head = (fields.u64(), fields.u64(), fields.u64(), fields.u32(), fields.text(), fields.u64());
    let (_, _, Some(size), Some(crc), Some(compression), Some(packed)) = head else {
        return Err(damaged(at, "a chunk without a beginning"));
    };
    let packed = usize::try_from(packed).ok().and_then(|packed| fields.take(packed));
    let packed = packed.ok_or_else(|| damaged(at, "a chunk that is longer than its record"))?;
    if size > MOST {
        return Err(damaged(at, &format!("a chunk of {size} bytes; accepted are at most {MOST}")));
    }
    let mut records = Vec::new();
    match compression {
        "" => records.extend(packed),
        // One byte more than there should be is enough to see that there are too many.
        "lz4" => {
            let read = FrameDecoder::new(packed).take(size + 1).read_to_end(&mut records);
            read.map_err(|error| damaged(at, &format!("a chunk that cannot be unpacked: {error}")))?;
        }
        other => return Err(ReadError::Packed { at, by: other.escape_debug().to_string() }),
    }
    // 0 says that there is none.
    let wrong = crc != 0 && crc32fast::hash(&records) != crc;
    if records.len() as u64 != size || wrong {
        return Err(damaged(at, "a chunk with a wrong checksum"));
    }
    Ok(records)
}

fn damaged(at: u64, reason: &str) -> ReadError {
    ReadError::Damaged { at, reason: reason.to_owned() }
}
