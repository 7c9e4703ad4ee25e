//! JPEG pictures one after another, with or without something between them.

use super::{Coding, Found, ReadError, Reader};
use crate::jpeg::{self, Front};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;
use std::time::Duration;

/// Bytes first asked for at a time.
const CHUNK: usize = 64 << 10;

pub(super) struct Mjpeg {
    file: File,
    /// Bytes read and, from `at` on, not yet given out.
    buffer: Vec<u8>,
    at: usize,
    end: bool,
}

impl Mjpeg {
    pub(super) fn open(path: &Path) -> Result<Mjpeg, ReadError> {
        Ok(Mjpeg { file: File::open(path)?, buffer: Vec::new(), at: 0, end: false })
    }

    /// As many bytes again as are there, so that a long picture is not looked through too often.
    fn fill(&mut self) -> Result<(), ReadError> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let more = self.buffer.len().max(CHUNK) as u64;
        self.end = self.file.by_ref().take(more).read_to_end(&mut self.buffer)? == 0;
        Ok(())
    }
}

impl Reader for Mjpeg {
    fn format(&self) -> &'static str {
        "MJPEG"
    }

    fn coding(&self) -> Coding {
        Coding::Jpeg
    }

    fn fps(&self) -> Option<f32> {
        None
    }

    fn read(&mut self, frame: &mut Vec<u8>, _timeout: Duration) -> Result<Found, ReadError> {
        loop {
            let rest = &self.buffer[self.at..];
            match jpeg::front(rest) {
                Front::Whole(n) => {
                    frame.clear();
                    frame.extend_from_slice(&rest[..n]);
                    self.at += n;
                    return Ok(Found::Frame);
                }
                Front::Junk(n) => self.at += n,
                Front::Broken(n) => {
                    self.at += n;
                    return Err(ReadError::Bad(format!("a JPEG picture breaks off after {n} bytes")));
                }
                Front::Short if self.end => {
                    let left = rest.len();
                    self.at = self.buffer.len();
                    return if left < 4 {
                        Ok(Found::End)
                    } else {
                        Err(ReadError::Bad(format!("the last JPEG picture breaks off after {left} bytes")))
                    };
                }
                Front::Short if rest.len() >= jpeg::MAX_BYTES => {
                    self.at += 2;
                    return Err(ReadError::Bad(format!("a JPEG picture has no end within {} bytes", jpeg::MAX_BYTES)));
                }
                Front::Short => self.fill()?,
            }
        }
    }

    fn rewind(&mut self) -> Result<(), ReadError> {
        self.file.rewind()?;
        self.buffer.clear();
        (self.at, self.end) = (0, false);
        Ok(())
    }
}
