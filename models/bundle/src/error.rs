//! Why a bundle is not built, not opened or not taken.

use crate::Refusal;
use std::io;
use thiserror::Error;

/// Why a bundle is not built, not opened or not taken. One variant per reaction; each names what was found and what
/// is accepted.
#[derive(Debug, Error)]
pub enum BundleError {
    /// The source, the stage or the output gave an error of its own: try again.
    #[error("{doing}: {error}")]
    Io {
        /// What was being done.
        doing: String,
        /// What the system said.
        #[source]
        error: io::Error,
    },
    /// The place the parts go to gave an error: make room there, then try again.
    #[error("part {part:?} not kept: {error}")]
    Sink {
        /// The part, or `whole bundle` at the end.
        part: String,
        /// What the sink said.
        #[source]
        error: io::Error,
    },
    /// Another kind of file.
    #[error("not a bundle: it starts with {found}; accepted: a file that starts with {accepted}")]
    NotABundle {
        /// The first bytes, hexadecimal.
        found: String,
        /// The magic, hexadecimal.
        accepted: String,
    },
    /// Made by another version of these programs.
    #[error("bundle format {found}; accepted: {accepted}; update the older of tool and board")]
    Format {
        /// The version found.
        found: u16,
        /// The version this build reads.
        accepted: u16,
    },
    /// A length or a count outside its bounds.
    #[error("{what} is {found}; accepted: {accepted}")]
    Limit {
        /// What has the bound.
        what: String,
        /// The value.
        found: u64,
        /// The bounds.
        accepted: String,
    },
    /// The file ends too early: get it again.
    #[error("the bundle ends inside {inside}, {missing} byte(s) before its end; copy it again")]
    Truncated {
        /// Where.
        inside: String,
        /// How much was still expected there.
        missing: u64,
    },
    /// The file goes on after its last part.
    #[error("bytes follow the last part, where the bundle should end after {len} bytes; copy it again")]
    Trailing {
        /// Where the bundle ends.
        len: u64,
    },
    /// None of the signers is trusted.
    #[error("signed by {found}, none of which is trusted; trusted: {trusted}")]
    UnknownKey {
        /// Key ids of the signers.
        found: String,
        /// Key ids that are trusted.
        trusted: String,
    },
    /// Signed only by a key that a rotation has replaced.
    #[error(
        "signed by {key}, which a rotation replaced for security counters from {from}; this bundle has {counter}; sign it with the new key"
    )]
    RetiredKey {
        /// Key id of the signer.
        key: String,
        /// First counter the key no longer counts for.
        from: u32,
        /// The bundle's counter.
        counter: u32,
    },
    /// A signature does not fit: the manifest or the signature was changed.
    #[error("the signature of {key} does not fit the manifest; the bundle was changed or damaged after signing")]
    Signature {
        /// Key id of the signer.
        key: String,
    },
    /// Signed, and yet not a manifest: made by a faulty tool.
    #[error("bundle manifest: {reason}")]
    Syntax {
        /// The parser's reason.
        reason: String,
    },
    /// A value of the manifest outside what is accepted.
    #[error("bundle manifest key `{key}` is {value}; accepted: {accepted}")]
    Value {
        /// Dotted key.
        key: String,
        /// The value found.
        value: String,
        /// What would be accepted.
        accepted: String,
    },
    /// The stored bytes are not those that were signed for: get the file again.
    #[error("part {part:?} is damaged within its bytes {from} to {to}; copy the bundle again")]
    Damaged {
        /// Name of the part.
        part: String,
        /// First stored byte of the chunk.
        from: u64,
        /// Byte after the chunk.
        to: u64,
    },
    /// Signed and intact, and yet it does not unpack to what the manifest says: made by a faulty tool.
    #[error("part {part:?} does not unpack to what its manifest says: {reason}")]
    Contents {
        /// Name of the part.
        part: String,
        /// What differs.
        reason: String,
    },
    /// Encrypted, and no key given opens it.
    #[error("part {part:?} is encrypted to {recipients}; keys at hand: {keys}")]
    NoKey {
        /// Name of the part.
        part: String,
        /// Ids of the recipients.
        recipients: String,
        /// Ids of the keys at hand.
        keys: String,
    },
    /// A good bundle that is not for this board or not for now.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl BundleError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> BundleError {
        let doing = doing.into();
        move |error| BundleError::Io { doing, error }
    }
}
