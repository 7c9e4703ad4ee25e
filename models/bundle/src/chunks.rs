//! The stored bytes of a part: handed on only chunk by chunk, each after its sum was checked.

use crate::digest::Summing;
use crate::header::fill;
use crate::limits::CHUNK;
use crate::{BundleError, Digest, Part};
use std::io::{self, BufRead, Read, Write};

/// Reads a part's stored bytes. No decoder behind it ever sees a byte that was not signed for.
pub(crate) struct ChunkReader<'a> {
    source: &'a mut dyn Read,
    part: &'a Part,
    chunk: &'a mut Vec<u8>,
    at: usize,
    next: usize,
    failure: Option<BundleError>,
}

impl<'a> ChunkReader<'a> {
    /// `chunk` is memory that one part after another uses.
    pub(crate) fn new(source: &'a mut dyn Read, part: &'a Part, chunk: &'a mut Vec<u8>) -> ChunkReader<'a> {
        chunk.clear();
        ChunkReader { source, part, chunk, at: 0, next: 0, failure: None }
    }

    /// What went wrong in here, if anything did: decoders only know that reading failed.
    pub(crate) fn take_failure(&mut self) -> Option<BundleError> {
        self.failure.take()
    }

    /// Reads and checks the rest, and returns how many bytes it was.
    pub(crate) fn skip_rest(&mut self) -> Result<u64, BundleError> {
        let mut skipped = 0;
        loop {
            let len = match self.fill_buf() {
                Ok(bytes) => bytes.len(),
                Err(error) => return Err(self.take_failure().unwrap_or_else(|| BundleError::io("reading")(error))),
            };
            if len == 0 {
                return Ok(skipped);
            }
            skipped += len as u64;
            self.consume(len);
        }
    }

    /// Fetches the next chunk, if there is one.
    fn advance(&mut self) -> Result<(), BundleError> {
        self.chunk.clear();
        self.at = 0;
        let Some((from, to, expected)) = self.part.chunk(self.next) else { return Ok(()) };
        self.chunk.resize((to - from) as usize, 0);
        let read = fill(self.source, self.chunk, &format!("part {:?}", self.part.name));
        if read.is_err() || Digest::of(self.chunk) != expected {
            self.chunk.clear();
            // The other chunks must not be reached past a bad one.
            self.next = usize::MAX;
            return read.and(Err(BundleError::Damaged { part: self.part.name.clone(), from, to }));
        }
        self.next += 1;
        Ok(())
    }
}

impl BufRead for ChunkReader<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.failure.is_some() {
            return Err(io::Error::other("a chunk is damaged"));
        }
        if self.at == self.chunk.len()
            && let Err(failure) = self.advance()
        {
            let said = io::Error::other(failure.to_string());
            self.failure = Some(failure);
            return Err(said);
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, len: usize) {
        self.at = self.chunk.len().min(self.at + len);
    }
}

impl Read for ChunkReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        self.consume(len);
        Ok(len)
    }
}

/// Writes stored bytes and sums up each chunk of them.
pub(crate) struct ChunkWriter<'a> {
    target: &'a mut dyn Write,
    sum: Summing,
    in_chunk: usize,
    len: u64,
    sums: Vec<Digest>,
}

impl<'a> ChunkWriter<'a> {
    pub(crate) fn new(target: &'a mut dyn Write) -> ChunkWriter<'a> {
        ChunkWriter { target, sum: Summing::default(), in_chunk: 0, len: 0, sums: Vec::new() }
    }

    /// How many bytes were written, and the sum of each chunk.
    pub(crate) fn finish(mut self) -> (u64, Vec<Digest>) {
        if self.in_chunk > 0 {
            self.sums.push(self.sum.finish());
        }
        (self.len, self.sums)
    }
}

impl Write for ChunkWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.in_chunk;
        let len = self.target.write(&bytes[..bytes.len().min(room)])?;
        self.sum.update(&bytes[..len]);
        self.in_chunk += len;
        self.len += len as u64;
        if self.in_chunk == CHUNK {
            self.sums.push(std::mem::take(&mut self.sum).finish());
            self.in_chunk = 0;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush()
    }
}
