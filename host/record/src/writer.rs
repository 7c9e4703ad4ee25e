//! An MCAP file being written: chunks of messages, each written whole, and at the end what makes them easy to find.

use crate::format::{MAGIC, Record, code};
use lz4_flex::frame::FrameEncoder;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

/// Fixed parts of the end: statistics, six offsets, footer, magic.
const END_BYTES: u64 = 256;

/// A message on its way into a file.
pub struct Message<'a> {
    /// Where it belongs to.
    pub topic: &'a str,
    /// Name and text of its JSON schema; the same name has the same text.
    pub schema: (&'static str, &'a str),
    /// Nanoseconds since 1970.
    pub log_time: u64,
    /// Nanoseconds since 1970.
    pub publish_time: u64,
    /// JSON.
    pub data: &'a [u8],
}

/// The file.
pub struct Writer<W> {
    out: W,
    /// Bytes written.
    at: u64,
    crc: crc32fast::Hasher,
    chunk: Chunk,
    schemas: Vec<(&'static str, Vec<u8>)>,
    channels: HashMap<String, u16>,
    /// The records of all channels, for the end.
    channel_records: Vec<u8>,
    /// Messages of each channel, in the order of their numbers.
    counts: Vec<u64>,
    /// The records of all chunks' indexes, for the end.
    chunk_indexes: Vec<u8>,
    chunks: u32,
    span: Option<(u64, u64)>,
}

/// Messages that are not written yet.
#[derive(Default)]
struct Chunk {
    records: Vec<u8>,
    span: Option<(u64, u64)>,
    /// Time and place of each channel's messages.
    index: BTreeMap<u16, Vec<(u64, u64)>>,
}

impl<W: Write> Writer<W> {
    /// Begins a file in `out`; `library` says who writes it.
    pub fn new(out: W, library: &str) -> io::Result<Self> {
        let mut writer = Self {
            out,
            at: 0,
            crc: crc32fast::Hasher::new(),
            chunk: Chunk::default(),
            schemas: Vec::new(),
            channels: HashMap::new(),
            channel_records: Vec::new(),
            counts: Vec::new(),
            chunk_indexes: Vec::new(),
            chunks: 0,
            span: None,
        };
        let header = Record::new(code::HEADER).text("").text(library).into_bytes();
        writer.write_data(&[&MAGIC[..], &header].concat())?;
        Ok(writer)
    }

    /// Adds a message to the chunk. False when its topic is new and there can be no more topics.
    pub fn add(&mut self, message: &Message) -> bool {
        let Some(channel) = self.channel(message.topic, message.schema) else { return false };
        self.counts[usize::from(channel)] += 1;
        let place = self.chunk.records.len() as u64;
        self.chunk.index.entry(channel).or_default().push((message.log_time, place));
        self.chunk.span = Some(wider(self.chunk.span, message.log_time));
        self.span = Some(wider(self.span, message.log_time));
        let number = self.counts[usize::from(channel)] as u32;
        let record = Record::new(code::MESSAGE).u16(channel).u32(number).u64(message.log_time);
        self.chunk.records.extend(record.u64(message.publish_time).bytes(message.data).into_bytes());
        true
    }

    fn channel(&mut self, topic: &str, (name, text): (&'static str, &str)) -> Option<u16> {
        if let Some(channel) = self.channels.get(topic) {
            return Some(*channel);
        }
        let channel = u16::try_from(self.counts.len()).ok()?;
        let known = self.schemas.iter().position(|(known, _)| *known == name);
        let schema = known.unwrap_or_else(|| {
            let id = self.schemas.len() as u16 + 1;
            let record = Record::new(code::SCHEMA).u16(id).text(name).text("jsonschema").counted(text.as_bytes());
            let record = record.into_bytes();
            self.chunk.records.extend(&record);
            self.schemas.push((name, record));
            self.schemas.len() - 1
        });
        let record = Record::new(code::CHANNEL).u16(channel).u16(schema as u16 + 1).text(topic).text("json").u32(0);
        let record = record.into_bytes();
        self.chunk.records.extend(&record);
        self.channel_records.extend(record);
        self.channels.insert(topic.to_owned(), channel);
        self.counts.push(0);
        Some(channel)
    }

    /// Bytes of the chunk that is not written yet, before compression.
    pub fn pending(&self) -> usize {
        self.chunk.records.len()
    }

    /// Bytes written.
    pub fn written(&self) -> u64 {
        self.at
    }

    /// Whether the schema of that name is in use.
    pub fn has_schema(&self, name: &str) -> bool {
        self.schemas.iter().any(|(known, _)| *known == name)
    }

    /// Bytes that are kept in memory until the end, and grow with the file.
    pub fn kept(&self) -> usize {
        self.channel_records.len() + self.chunk_indexes.len()
    }

    /// The most bytes that the file will have when it is finished now, with `more` bytes of a message added before.
    pub fn size_with(&self, more: usize) -> u64 {
        let (topics, messages) = (self.chunk.index.len() as u64 + 2, self.index_entries() + 8);
        let records = (self.chunk.records.len() + more) as u64;
        // Bytes that cannot be compressed are framed: 4 a block of 64 KiB.
        let chunk = records + records / 8_192 + 128 + 15 * topics + 16 * messages;
        let index = 128 + 10 * topics;
        let schemas: usize = self.schemas.iter().map(|(_, record)| record.len()).sum();
        let statistics = 10 * self.counts.len() + 10;
        self.at + chunk + index + (schemas + self.kept() + statistics) as u64 + END_BYTES
    }

    fn index_entries(&self) -> u64 {
        self.chunk.index.values().map(|entries| entries.len() as u64).sum()
    }

    /// Writes the chunk, all of it at once.
    ///
    /// # Errors
    /// When the disk takes it not, or not all; what was written before stays readable.
    pub fn flush(&mut self) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.records.is_empty() {
            return Ok(());
        }
        let (start, end) = chunk.span.unwrap_or_default();
        let mut encoder = FrameEncoder::new(Vec::new());
        encoder.write_all(&chunk.records)?;
        let compressed = encoder.finish().map_err(io::Error::other)?;
        let (size, packed) = (chunk.records.len() as u64, compressed.len() as u64);
        let record = Record::new(code::CHUNK).u64(start).u64(end).u64(size).u32(crc32fast::hash(&chunk.records));
        let mut bytes = record.text("lz4").u64(packed).bytes(&compressed).into_bytes();
        let (begin, length) = (self.at, bytes.len() as u64);
        let mut offsets = Vec::new();
        for (channel, entries) in &chunk.index {
            offsets.extend(channel.to_le_bytes());
            offsets.extend((begin + bytes.len() as u64).to_le_bytes());
            let entries: Vec<u8> =
                entries.iter().flat_map(|(time, place)| [time.to_le_bytes(), place.to_le_bytes()].concat()).collect();
            bytes.extend(Record::new(code::MESSAGE_INDEX).u16(*channel).counted(&entries).into_bytes());
        }
        let indexes = bytes.len() as u64 - length;
        let index = Record::new(code::CHUNK_INDEX).u64(start).u64(end).u64(begin).u64(length);
        let index = index.counted(&offsets).u64(indexes).text("lz4").u64(packed).u64(size);
        self.chunk_indexes.extend(index.into_bytes());
        self.chunks += 1;
        self.write_data(&bytes)
    }

    fn write_data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.crc.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Writes what is left, and the end; gives the file back, and its bytes.
    ///
    /// # Errors
    /// When the disk takes it not, or not all.
    pub fn finish(mut self) -> io::Result<(W, u64)> {
        self.flush()?;
        let data_end = Record::new(code::DATA_END).u32(self.crc.clone().finalize()).into_bytes();
        let start = self.at + data_end.len() as u64;
        let schemas: Vec<u8> = self.schemas.iter().flat_map(|(_, record)| record.clone()).collect();
        let statistics = self.statistics();
        let groups = [
            (code::SCHEMA, &schemas),
            (code::CHANNEL, &self.channel_records),
            (code::STATISTICS, &statistics),
            (code::CHUNK_INDEX, &self.chunk_indexes),
        ];
        let (mut summary, mut offsets) = (Vec::new(), Vec::new());
        for (code, group) in groups.into_iter().filter(|(_, group)| !group.is_empty()) {
            let record = Record::new(code::SUMMARY_OFFSET).u8(code).u64(start + summary.len() as u64);
            offsets.extend(record.u64(group.len() as u64).into_bytes());
            summary.extend(group);
        }
        let offsets_start = start + summary.len() as u64;
        summary.extend(offsets);
        let footer = Record::new(code::FOOTER).u64(start).u64(offsets_start).u32(0).into_bytes();
        // The checksum is of everything up to itself.
        summary.extend(&footer[..footer.len() - 4]);
        let crc = crc32fast::hash(&summary).to_le_bytes();
        let end = [&data_end[..], &summary, &crc, &MAGIC].concat();
        self.out.write_all(&end)?;
        self.out.flush()?;
        Ok((self.out, self.at + end.len() as u64))
    }

    fn statistics(&self) -> Vec<u8> {
        let (start, end) = self.span.unwrap_or_default();
        let numbered = self.counts.iter().enumerate();
        let counts: Vec<u8> = numbered
            .flat_map(|(channel, count)| [&(channel as u16).to_le_bytes()[..], &count.to_le_bytes()].concat())
            .collect();
        let record = Record::new(code::STATISTICS).u64(self.counts.iter().sum()).u16(self.schemas.len() as u16);
        let record = record.u32(self.counts.len() as u32).u32(0).u32(0).u32(self.chunks);
        record.u64(start).u64(end).counted(&counts).into_bytes()
    }
}

fn wider(span: Option<(u64, u64)>, time: u64) -> (u64, u64) {
    span.map_or((time, time), |(start, end)| (start.min(time), end.max(time)))
}
