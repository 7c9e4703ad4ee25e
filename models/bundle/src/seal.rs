//! Data at rest: any stream encrypted to named recipients, and opened with a log entry before the first byte.
//!
//! A sealed file is a plain age file, so the `age` program opens it too.

use crate::limits::{MAX_RECIPIENTS, MAX_SEAL_HEADER};
use crate::{BundleError, DeviceKey, Recipient, RecipientId};
use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, Encryptor};
use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::rc::Rc;
use thiserror::Error;

/// Why a sealed file is not written or not opened.
#[derive(Debug, Error)]
pub enum SealError {
    /// Nobody, or too many, to encrypt to.
    #[error("{found} recipient(s); accepted: 1 to {MAX_RECIPIENTS} different ones")]
    Recipients {
        /// How many.
        found: usize,
    },
    /// None of the keys opens it.
    #[error("none of the keys opens it; keys at hand: {keys}")]
    NoKey {
        /// Ids of the keys at hand, or `none`.
        keys: String,
    },
    /// Not a sealed file, or a damaged one.
    #[error("not a sealed file, or a damaged one: {reason}")]
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// The opening could not be logged, so it did not happen.
    #[error("not opened, because the opening could not be logged: {0}")]
    NotLogged(#[source] io::Error),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An opening that is about to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening<'a> {
    /// What is opened, as its opener calls it.
    pub what: &'a str,
    /// The key that opens it.
    pub key: RecipientId,
}

/// Where openings are written down. An error keeps the file shut.
pub type OpeningLog<'a> = &'a mut dyn FnMut(&Opening<'_>) -> io::Result<()>;

/// Encrypts all of `plain` to `recipients`; any of their keys opens it. Returns the bytes read.
///
/// # Errors
/// When there are no recipients or too many, or reading or writing fails; what was written until then is no use.
pub fn seal(plain: &mut dyn Read, sealed: &mut dyn Write, recipients: &[Recipient]) -> Result<u64, SealError> {
    let mut writer = sealing(sealed, recipients)?;
    let len = io::copy(plain, &mut writer)?;
    writer.finish()?.flush()?;
    Ok(len)
}

/// A writer that encrypts; [`StreamWriter::finish`] must be called at the end.
pub(crate) fn sealing<W: Write>(sealed: W, recipients: &[Recipient]) -> Result<StreamWriter<W>, SealError> {
    let twice = recipients.iter().enumerate().any(|(i, r)| recipients[..i].contains(r));
    if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS || twice {
        return Err(SealError::Recipients { found: recipients.len() });
    }
    let encryptor = Encryptor::with_recipients(recipients.iter().map(|r| &r.0 as &dyn age::Recipient))
        .map_err(|error| SealError::Damaged { reason: error.to_string() })?;
    Ok(encryptor.wrap_output(sealed)?)
}

/// Opens a sealed stream: `log` hears of it first, then the plain bytes can be read.
///
/// Each 64 KiB are authenticated before they are given out, and a stream cut short is an error at its end: what was read
/// counts only once reading has ended without one.
///
/// # Errors
/// When no key fits, the header is damaged or longer than [`MAX_SEAL_HEADER`], or `log` fails.
pub fn open<R: Read>(sealed: R, what: &str, keys: &[DeviceKey], log: OpeningLog<'_>) -> Result<Opened<R>, SealError> {
    opening(BufReader::new(sealed), keys, &mut |key| log(&Opening { what, key })).map(Opened)
}

/// The plain bytes of a sealed stream.
pub struct Opened<R: Read>(Plain<BufReader<R>>);

impl<R: Read> Read for Opened<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// The plain bytes of a sealed stream that is read through `B`.
pub(crate) type Plain<B> = StreamReader<HeaderLimit<B>>;

pub(crate) fn opening<B: BufRead>(
    sealed: B,
    keys: &[DeviceKey],
    log: &mut dyn FnMut(RecipientId) -> io::Result<()>,
) -> Result<Plain<B>, SealError> {
    let left = Rc::new(Cell::new(MAX_SEAL_HEADER));
    let decryptor = Decryptor::new_buffered(HeaderLimit { inner: sealed, left: left.clone() }).map_err(damaged)?;
    left.set(u64::MAX);
    // age takes the first key that fits and asks for no other, so the last one asked for is the one that opened.
    let asked = Cell::new(None);
    let identities = keys.iter().map(|key| {
        asked.set(Some(key));
        &key.0 as &dyn age::Identity
    });
    let plain = decryptor.decrypt(identities).map_err(|error| match error {
        DecryptError::NoMatchingKeys => SealError::NoKey { keys: names(keys) },
        other => damaged(other),
    })?;
    if let Some(key) = asked.get() {
        log(key.recipient().id()).map_err(SealError::NotLogged)?;
    }
    Ok(plain)
}

fn damaged(error: DecryptError) -> SealError {
    match error {
        DecryptError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            SealError::Damaged { reason: error.to_string() }
        }
        DecryptError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            SealError::Damaged { reason: "it ends inside its header".to_owned() }
        }
        DecryptError::Io(error) => SealError::Io(error),
        other => SealError::Damaged { reason: other.to_string() },
    }
}

pub(crate) fn names(keys: &[DeviceKey]) -> String {
    let ids: Vec<String> = keys.iter().map(|key| key.recipient().id().to_string()).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

/// Ends a header that goes on for ever: the parser would hold all of it in memory.
pub(crate) struct HeaderLimit<B> {
    inner: B,
    left: Rc<Cell<u64>>,
}

impl<B: BufRead> BufRead for HeaderLimit<B> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let left = usize::try_from(self.left.get()).unwrap_or(usize::MAX);
        if left == 0 {
            let reason = format!("its header is longer than {MAX_SEAL_HEADER} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let bytes = self.inner.fill_buf()?;
        Ok(&bytes[..bytes.len().min(left)])
    }

    fn consume(&mut self, len: usize) {
        self.left.set(self.left.get().saturating_sub(len as u64));
        self.inner.consume(len);
    }
}

impl<B: BufRead> Read for HeaderLimit<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        self.consume(len);
        Ok(len)
    }
}

impl From<SealError> for BundleError {
    fn from(error: SealError) -> BundleError {
        match error {
            SealError::Io(error) => BundleError::Io { doing: "sealing".to_owned(), error },
            SealError::Recipients { found } => BundleError::Limit {
                what: "the number of recipients".to_owned(),
                found: found as u64,
                accepted: format!("1 to {MAX_RECIPIENTS} different ones"),
            },
            other => BundleError::Io { doing: "sealing".to_owned(), error: io::Error::other(other.to_string()) },
        }
    }
}
