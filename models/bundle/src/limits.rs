//! Every bound of the format. README.md has them as a table, and a test holds the two together.

/// Longest manifest, bytes.
pub const MAX_MANIFEST: u32 = 256 * 1024;
/// Most signatures on one bundle.
pub const MAX_SIGNERS: u16 = 4;
/// Most parts in one bundle.
pub const MAX_PARTS: usize = 32;
/// Stored bytes that are hashed together, and therefore held in memory at once.
pub const CHUNK: usize = 1024 * 1024;
/// Longest part, bytes, both as stored and when unpacked.
pub const MAX_PART: u64 = 2 * 1024 * 1024 * 1024;
/// Largest window of a compressed part, as a power of two: what the decoder allocates at most (8 MiB).
pub const MAX_WINDOW_LOG: u32 = 23;
/// Longest header of an encrypted part or file, bytes; it grows with the number of recipients.
pub const MAX_SEAL_HEADER: u64 = 64 * 1024;
/// Most recipients of a bundle or of a sealed file.
pub const MAX_RECIPIENTS: usize = 32;
/// Longest name of a bundle, a preset or an engine, bytes.
pub const MAX_NAME: usize = 24;
/// Longest name of a family of boards, bytes; a board file's bound.
pub const MAX_FAMILY: usize = 32;
/// Longest name of a part, bytes.
pub const MAX_PART_NAME: usize = 64;
/// Longest version of a bundle that is made, bytes: what the line to a board has room for. Older ones are read all the same.
pub const MAX_VERSION: usize = 20;
/// Longest free text and longest version that is read, bytes.
pub const MAX_TEXT: usize = 200;
/// Most board families a bundle is for.
pub const MAX_BOARDS: usize = 16;
/// Most engines that one model file is for.
pub const MAX_ENGINES: usize = 8;
/// Most metrics.
pub const MAX_METRICS: usize = 64;
/// Most licences, and most data sets in the provenance.
pub const MAX_LICENCES: usize = 32;
/// Most keys a verifier trusts at once, rotated ones included.
pub const MAX_TRUSTED_KEYS: usize = 32;
/// Longest key file or rotation file, bytes.
pub const MAX_KEY_FILE: u64 = 4096;
/// Longest binary form of a downgrade permit, bytes.
pub const MAX_PERMIT: usize = 150;
/// Longest time a downgrade permit lasts, seconds: 90 days.
pub const MAX_PERMIT_S: u64 = 90 * 24 * 3600;
