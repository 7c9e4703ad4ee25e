//! The one file that carries models and firmware to a board: built, signed, sealed, verified and unpacked.
//!
//! Works over `Read` and `Write` and must never know of slots, lines, engines or what a part means: a part's bytes are
//! hashed, decrypted and decompressed here, never interpreted.
//!
//! ```text
//! parts -> Builder: sum, compress, encrypt, stage -> sign the manifest -> bundle
//! bundle -> Reader::open: signature, then manifest -> accept: board, counter -> unpack: chunk sums, decrypt, decompress,
//!           sums, end of file -> PartSink::commit (or abort)
//! ```

mod accept;
mod builder;
mod chunks;
mod device;
mod digest;
mod error;
mod folder;
mod header;
mod inspection;
mod key_error;
mod key_file;
mod limits;
mod manifest;
mod permit;
mod reader;
mod seal;
mod signing;
mod sink;
mod trust;
mod unpack;
mod validate;

pub use accept::{Refusal, Target, accept};
pub use builder::{Builder, Description};
pub use device::{DeviceKey, Recipient, RecipientId};
pub use digest::Digest;
pub use error::BundleError;
pub use folder::Folder;
pub use header::{FIXED_LEN, MAGIC, SIGNER_LEN};
pub use inspection::Inspection;
pub use key_error::KeyError;
pub use key_file::{read_public, read_secret, write_public, write_secret};
pub use limits::*;
pub use manifest::{BundleManifest, Compression, Content, FORMAT, Licence, Metric, ModelDescription, Part, Provenance};
pub use permit::{Permit, PermitError};
pub use reader::{Accepted, Reader, SignedBy};
pub use seal::{Opened, Opening, OpeningLog, SealError, open, seal};
pub use semver::Version;
pub use signing::{KeyId, PublicKey, SIGNATURE_LEN, SigningKey};
pub use sink::{Discard, PartSink};
pub use trust::{Rotation, Standing, Trust};
