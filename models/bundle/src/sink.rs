//! Where the parts of a bundle go.

use crate::{BundleManifest, Part};
use std::io;

/// Where the parts of a bundle go while they are unpacked.
///
/// The calls come in this order, and exactly one of `commit` and `abort` ends them:
///
/// ```text
/// (begin write* end)*  commit          every hash was right and the file ends where it should
/// any beginning of it  abort           everything else; what was written must not be used
/// ```
pub trait PartSink {
    /// A part begins.
    ///
    /// # Errors
    /// Any; the bundle is then refused.
    fn begin(&mut self, part: &Part) -> io::Result<()>;

    /// Its next unpacked bytes.
    ///
    /// # Errors
    /// Any; the bundle is then refused.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// The part is whole and its hashes are right. The bundle as a whole may still be refused.
    ///
    /// # Errors
    /// Any; the bundle is then refused.
    fn end(&mut self, part: &Part) -> io::Result<()>;

    /// The whole bundle is good: only now may anything be used.
    ///
    /// # Errors
    /// Any; `abort` follows.
    fn commit(&mut self, manifest: &BundleManifest) -> io::Result<()>;

    /// The bundle was refused: what was written must not be used.
    fn abort(&mut self);
}

/// Keeps nothing: for checking a bundle.
#[derive(Debug, Default, Clone, Copy)]
pub struct Discard;

impl PartSink for Discard {
    fn begin(&mut self, _: &Part) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn end(&mut self, _: &Part) -> io::Result<()> {
        Ok(())
    }

    fn commit(&mut self, _: &BundleManifest) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) {}
}
