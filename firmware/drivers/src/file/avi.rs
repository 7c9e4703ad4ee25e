//! AVI files whose video is MJPEG: the RIFF tree, no further than frames need.

use super::{Coding, Found, ReadError, Reader};
use crate::jpeg;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// Largest header chunk that is looked into, bytes; they are some dozens long.
const MAX_HEADER: u64 = 4096;
/// Chunks looked at before the pictures begin.
const MAX_CHUNKS: usize = 10_000;
/// Streams a file may have; their number is written with two digits.
const MAX_STREAMS: usize = 100;

/// A chunk's name, and where its content begins and ends.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    id: [u8; 4],
    begin: u64,
    end: u64,
}

/// A video stream of MJPEG.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Video {
    /// The digits that its chunks' names begin with.
    stream: [u8; 2],
    fps: Option<f32>,
}

pub(super) struct Avi {
    input: BufReader<File>,
    len: u64,
    /// Where the chunk to be read next begins.
    at: u64,
    /// Where the pictures begin.
    movi: u64,
    video: Video,
}

impl Avi {
    /// `None` when the file is AVI and its video is something other than MJPEG.
    pub(super) fn open(path: &Path) -> Result<Option<Avi>, ReadError> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let video = Video { stream: *b"00", fps: None };
        let mut avi = Avi { input: BufReader::new(file), len, at: 12, movi: 0, video };
        let Some(video) = avi.headers()? else { return Ok(None) };
        avi.video = video;
        avi.at = avi.movi;
        Ok(Some(avi))
    }

    /// Walks to the list of pictures; `None` when there is a video stream, but none of MJPEG.
    fn headers(&mut self) -> Result<Option<Video>, ReadError> {
        let (mut streams, mut found, mut other, mut rate) = (0, None, false, None);
        for _ in 0..MAX_CHUNKS {
            let Some(chunk) = self.chunk()? else { break };
            match &chunk.id {
                b"LIST" => match &self.head::<4>(chunk)? {
                    b"movi" => {
                        self.movi = chunk.begin + 4;
                        break;
                    }
                    b"hdrl" | b"strl" => self.at = chunk.begin + 4,
                    _ => {}
                },
                b"strh" => {
                    let head = self.head::<28>(chunk)?;
                    rate = (&head[..4] == b"vids").then(|| fps(word(&head, 20), word(&head, 24)));
                    streams += 1;
                }
                b"strf" if rate.is_some() && streams <= MAX_STREAMS => {
                    let head = self.head::<20>(chunk)?;
                    let mjpeg = [b"MJPG", b"mjpg", b"AVRn", b"JPEG", b"jpeg"]
                        .contains(&&[head[16], head[17], head[18], head[19]]);
                    other |= !mjpeg;
                    if mjpeg && found.is_none() {
                        let n = (streams - 1) as u8;
                        found = Some(Video { stream: [b'0' + n / 10, b'0' + n % 10], fps: rate.take().flatten() });
                    }
                }
                _ => {}
            }
        }
        match (found, other) {
            (None, true) => Ok(None),
            (None, false) => Err(ReadError::Broken("AVI: there is no video stream".into())),
            (Some(_), _) if self.movi == 0 => Err(ReadError::Broken("AVI: there is no list of pictures (movi)".into())),
            (found, _) => Ok(found),
        }
    }

    /// The chunk at `at`, which moves behind it; `None` at the end of the file.
    fn chunk(&mut self) -> Result<Option<Chunk>, ReadError> {
        if self.at + 8 > self.len {
            return Ok(None);
        }
        let mut head = [0; 8];
        self.input.seek(SeekFrom::Start(self.at))?;
        if let Err(e) = self.input.read_exact(&mut head) {
            return if e.kind() == std::io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(e.into()) };
        }
        let begin = self.at + 8;
        let size = u64::from(word(&head, 4));
        // Content is padded to an even length.
        self.at = begin + size + size % 2;
        Ok(Some(Chunk { id: [head[0], head[1], head[2], head[3]], begin, end: begin + size }))
    }

    /// The first `N` bytes of a chunk, zeros standing in for what it lacks.
    fn head<const N: usize>(&mut self, chunk: Chunk) -> Result<[u8; N], ReadError> {
        let mut bytes = Vec::new();
        self.input.seek(SeekFrom::Start(chunk.begin))?;
        let len = (chunk.end - chunk.begin).min(N as u64).min(MAX_HEADER);
        self.input.by_ref().take(len).read_to_end(&mut bytes)?;
        bytes.resize(N, 0);
        let mut head = [0; N];
        head.copy_from_slice(&bytes);
        Ok(head)
    }
}

impl Reader for Avi {
    fn format(&self) -> &'static str {
        "MJPEG"
    }

    fn coding(&self) -> Coding {
        Coding::Jpeg
    }

    fn fps(&self) -> Option<f32> {
        self.video.fps
    }

    fn read(&mut self, frame: &mut Vec<u8>, _timeout: Duration) -> Result<Found, ReadError> {
        while let Some(chunk) = self.chunk()? {
            let size = chunk.end - chunk.begin;
            let [a, b, kind @ ..] = chunk.id;
            if (&chunk.id == b"LIST" || &chunk.id == b"RIFF") && size >= 4 {
                // A group of pictures, or the next part of a long file: look inside.
                if matches!(&self.head::<4>(chunk)?, b"rec " | b"AVIX" | b"movi") {
                    self.at = chunk.begin + 4;
                }
                continue;
            }
            if [a, b] != self.video.stream || !matches!(&kind, b"dc" | b"db") {
                continue;
            }
            if size > jpeg::MAX_BYTES as u64 {
                return Err(ReadError::Bad(format!(
                    "AVI: a picture of {size} bytes; at most {} are read",
                    jpeg::MAX_BYTES
                )));
            }
            frame.clear();
            self.input.seek(SeekFrom::Start(chunk.begin))?;
            let got = self.input.by_ref().take(size).read_to_end(frame)? as u64;
            return match got {
                0 => Err(ReadError::Bad("AVI: an empty picture, which means the one before it again".into())),
                _ if got < size => {
                    Err(ReadError::Bad(format!("AVI: the file ends after {got} of a picture's {size} bytes")))
                }
                _ => Ok(Found::Frame),
            };
        }
        Ok(Found::End)
    }

    fn rewind(&mut self) -> Result<(), ReadError> {
        self.at = self.movi;
        Ok(())
    }
}

fn fps(scale: u32, rate: u32) -> Option<f32> {
    (scale > 0 && rate > 0).then(|| (f64::from(rate) / f64::from(scale)) as f32)
}

/// Four bytes, the least first; the slice is long enough wherever this is called.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
