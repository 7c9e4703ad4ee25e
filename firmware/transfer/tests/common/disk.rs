//! A board's disk that syncs in the background, loses power, fills up, fails and lies.

use super::dice::Dice;
use mtcae_transfer::{File, Micros, Storage, StorageError};

#[derive(Default)]
pub struct Disk {
    pub now: Micros,
    /// How long a sync takes.
    pub sync_us: Micros,
    file: Option<File>,
    bytes: Vec<u8>,
    durable: usize,
    /// Ends of syncs under way: when, and what is durable then.
    syncs: Vec<(Micros, usize)>,
    /// Operations until one fails; none when 0.
    pub fail_in: u32,
    /// Bytes it has room for; none is unlimited.
    pub room: Option<u64>,
    /// A byte that is not stored as it was written, once.
    pub flip_at: Option<usize>,
    pub operations: u64,
    pub syncs_done: u64,
}

impl Disk {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn durable_bytes(&self) -> usize {
        self.durable
    }

    /// What was not durable is gone; of what was, or is being, synced more may have got there than was promised.
    pub fn lose_power(&mut self, dice: &mut Dice) {
        self.settle();
        let more = match dice.below(3) {
            0 => 0,
            1 => self.syncs.last().map_or(0, |(_, end)| end - self.durable),
            _ => dice.below((self.bytes.len() - self.durable) as u64 + 1) as usize,
        };
        self.durable += more;
        self.bytes.truncate(self.durable);
        self.syncs.clear();
    }

    fn settle(&mut self) {
        let now = self.now;
        for (_, end) in self.syncs.extract_if(.., |(at, _)| *at <= now) {
            self.durable = self.durable.max(end);
            self.syncs_done += 1;
        }
    }

    fn operation(&mut self, what: &str) -> Result<(), StorageError> {
        self.operations += 1;
        if self.fail_in > 0 {
            self.fail_in -= 1;
            if self.fail_in == 0 {
                return Err(StorageError::Failed(format!("{what}: input/output error")));
            }
        }
        Ok(())
    }
}

impl Storage for Disk {
    fn begin(&mut self, file: &File) -> Result<u64, StorageError> {
        self.operation("begin")?;
        if self.room.is_some_and(|room| file.length > room) {
            return Err(StorageError::NoSpace(format!("the file has {} bytes", file.length)));
        }
        if self.file != Some(*file) {
            self.clear()?;
            self.file = Some(*file);
        }
        // As after any error: what is not durable counts for nothing.
        self.settle();
        self.bytes.truncate(self.durable);
        self.syncs.clear();
        Ok(self.durable as u64)
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        assert_eq!(offset, self.bytes.len() as u64, "not at the end");
        self.operation("append")?;
        self.bytes.extend(bytes);
        if let Some(at) = self.flip_at.filter(|at| *at < self.bytes.len()) {
            self.bytes[at] ^= 1;
            self.flip_at = None;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.operation("sync")?;
        self.syncs.push((self.now + self.sync_us, self.bytes.len()));
        Ok(())
    }

    fn durable(&mut self) -> Result<u64, StorageError> {
        self.settle();
        Ok(self.durable as u64)
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.operation("read")?;
        let from = offset as usize;
        assert!(from + buffer.len() <= self.durable, "reads what is not durable");
        buffer.copy_from_slice(&self.bytes[from..from + buffer.len()]);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StorageError> {
        self.operation("clear")?;
        self.file = None;
        self.bytes.clear();
        self.durable = 0;
        self.syncs.clear();
        Ok(())
    }
}
