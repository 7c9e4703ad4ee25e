//! One part from its stored bytes to its sink: checked, decrypted, decompressed, and never more than was announced.

use crate::chunks::ChunkReader;
use crate::digest::Summing;
use crate::limits::MAX_WINDOW_LOG;
use crate::seal::{SealError, names, opening};
use crate::{BundleError, BundleManifest, Compression, DeviceKey, Part, PartSink};
use std::io::{self, BufRead, BufReader, Read};

/// Bytes handed to a sink at once.
const STEP: usize = 64 * 1024;

/// Unpacks one part from `source`, which stands at its first stored byte.
pub(crate) fn unpack(
    source: &mut dyn Read,
    chunk: &mut Vec<u8>,
    manifest: &BundleManifest,
    part: &Part,
    keys: &[DeviceKey],
    sink: &mut dyn PartSink,
) -> Result<(), BundleError> {
    let mut chunks = ChunkReader::new(source, part, chunk);
    let outcome = decode(&mut chunks, manifest, part, keys, sink);
    // A bad chunk is the cause of whatever the decoders made of it.
    match chunks.take_failure() {
        Some(failure) => return Err(failure),
        None => outcome?,
    }
    match chunks.skip_rest()? {
        0 => Ok(()),
        rest => Err(differs(part, format!("{rest} stored byte(s) are left over"))),
    }
}

fn decode(
    chunks: &mut ChunkReader<'_>,
    manifest: &BundleManifest,
    part: &Part,
    keys: &[DeviceKey],
    sink: &mut dyn PartSink,
) -> Result<(), BundleError> {
    if !manifest.is_encrypted() {
        return decompress(chunks, part, sink);
    }
    let plain = opening(chunks, keys, &mut |_| Ok(())).map_err(|error| match error {
        SealError::NoKey { .. } => BundleError::NoKey {
            part: part.name.clone(),
            recipients: manifest.recipients.iter().map(|r| r.to_string()).collect::<Vec<_>>().join(", "),
            keys: names(keys),
        },
        other => differs(part, other.to_string()),
    })?;
    decompress(BufReader::with_capacity(STEP, plain), part, sink)
}

fn decompress(mut stored: impl BufRead, part: &Part, sink: &mut dyn PartSink) -> Result<(), BundleError> {
    match part.compression {
        Compression::None => copy(&mut stored, part, sink)?,
        Compression::Zstd => {
            let failed = |error: io::Error| differs(part, error.to_string());
            let mut decoder = zstd::Decoder::with_buffer(&mut stored).map_err(failed)?;
            decoder.window_log_max(MAX_WINDOW_LOG).map_err(failed)?;
            copy(&mut decoder.single_frame(), part, sink)?;
        }
    }
    match stored.fill_buf() {
        Ok([]) => Ok(()),
        Ok(_) => Err(differs(part, "bytes follow its end".to_owned())),
        Err(error) => Err(differs(part, error.to_string())),
    }
}

/// Hands the plain bytes to the sink, and stops at the first one too many.
fn copy(plain: &mut dyn Read, part: &Part, sink: &mut dyn PartSink) -> Result<(), BundleError> {
    let (mut sum, mut len) = (Summing::default(), 0_u64);
    let mut step = vec![0; STEP];
    loop {
        let read = match plain.read(&mut step) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(differs(part, error.to_string())),
        };
        len += read as u64;
        if len > part.plain {
            return Err(differs(part, format!("it is longer than the {} bytes announced", part.plain)));
        }
        sum.update(&step[..read]);
        sink.write(&step[..read]).map_err(|error| BundleError::Sink { part: part.name.clone(), error })?;
    }
    if len < part.plain {
        return Err(differs(part, format!("it has {len} bytes; announced: {}", part.plain)));
    }
    let found = sum.finish();
    if found != part.plain_sha256 {
        return Err(differs(part, format!("its SHA-256 is {found}; announced: {}", part.plain_sha256)));
    }
    Ok(())
}

fn differs(part: &Part, reason: String) -> BundleError {
    BundleError::Contents { part: part.name.clone(), reason }
}
