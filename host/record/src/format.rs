//! The records of MCAP (<https://mcap.dev/spec>), as far as a recording has them: a code, a length, and fields of little-endian
//! numbers and counted texts.

/// First and last bytes of a file.
pub const MAGIC: [u8; 8] = [0x89, b'M', b'C', b'A', b'P', b'0', b'\r', b'\n'];
/// Code and length in front of each record.
pub const HEAD: usize = 9;

/// Codes of the records.
pub mod code {
    pub const HEADER: u8 = 0x01;
    pub const FOOTER: u8 = 0x02;
    pub const SCHEMA: u8 = 0x03;
    pub const CHANNEL: u8 = 0x04;
    pub const MESSAGE: u8 = 0x05;
    pub const CHUNK: u8 = 0x06;
    pub const MESSAGE_INDEX: u8 = 0x07;
    pub const CHUNK_INDEX: u8 = 0x08;
    pub const STATISTICS: u8 = 0x0b;
    pub const SUMMARY_OFFSET: u8 = 0x0e;
    pub const DATA_END: u8 = 0x0f;
}

/// A record on its way out: `Record::new(code)`, then its fields in order, then [`Record::into_bytes`].
pub struct Record(Vec<u8>);

impl Record {
    pub fn new(code: u8) -> Self {
        let mut bytes = vec![code];
        bytes.extend([0; 8]);
        Self(bytes)
    }

    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn text(self, text: &str) -> Self {
        self.counted(text.as_bytes())
    }

    /// Bytes with their count in front.
    pub fn counted(self, bytes: &[u8]) -> Self {
        self.u32(bytes.len() as u32).bytes(bytes)
    }

    /// Bytes to the record's end.
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub fn into_bytes(mut self) -> Vec<u8> {
        let length = (self.0.len() - HEAD) as u64;
        self.0[1..HEAD].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

/// The fields of a record, read in order; each is `None` when the record has no more bytes for it.
#[derive(Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        let count = self.u32()?;
        std::str::from_utf8(self.take(count as usize)?).ok()
    }

    /// The next whole record: its code and its fields.
    pub fn record(&mut self) -> Option<(u8, Fields<'a>)> {
        let code = self.u8()?;
        let length = usize::try_from(self.u64()?).ok()?;
        Some((code, Fields(self.take(length)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let bytes = Record::new(7).u16(513).text("ä").u64(1 << 40).counted(&[9]).bytes(&[1, 2]).into_bytes();
        assert_eq!(bytes[..HEAD], [7, 23, 0, 0, 0, 0, 0, 0, 0]);
        let mut all = Fields(&bytes);
        let (code, mut fields) = all.record().unwrap();
        assert_eq!((code, fields.u16(), fields.text(), fields.u64()), (7, Some(513), Some("ä"), Some(1 << 40)));
        assert_eq!((fields.u32(), fields.u8(), fields.0), (Some(1), Some(9), &[1, 2][..]));
        assert!(all.0.is_empty() && all.record().is_none());
    }

    #[test]
    fn what_is_too_short_is_nothing() {
        assert!(Fields(&[1, 2]).u32().is_none());
        assert!(Fields(&[255, 255, 255, 255, b'a']).text().is_none());
        assert!(Fields(&[2, 0, 0, 0, 0xc3, 0x28]).text().is_none());
        assert!(Fields(&[6, 255, 255, 255, 255, 255, 255, 255, 255]).record().is_none());
    }
}
