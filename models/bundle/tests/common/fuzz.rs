//! One attempt of a fuzzer: any bytes, read in every way there is. Panics when a promise is broken.

use super::{Kept, take, trust};
use mtcae_bundle::*;

/// Reads `bytes` as a bundle, as an inspection and as a sealed file. `Err` is the bundle's refusal.
pub fn attempt(bytes: &[u8], keys: &[DeviceKey]) -> Result<BundleManifest, BundleError> {
    let mut kept = Kept::default();
    let outcome = take(bytes, keys, &mut kept);
    match &outcome {
        Ok(manifest) => {
            assert_eq!((kept.committed, kept.aborted), (1, 0));
            // Accepted means signed for, to the byte.
            for (part, (name, plain)) in manifest.parts.iter().zip(&kept.parts) {
                assert_eq!((name, Digest::of(plain)), (&part.name, part.plain_sha256));
            }
            assert_eq!(BundleManifest::from_bytes(&manifest.to_bytes().expect("valid")).expect("valid"), *manifest);
        }
        Err(_) => assert_eq!(kept.committed, 0),
    }
    let inspected = Inspection::read(bytes, &trust());
    assert!(outcome.is_err() || inspected.is_ok_and(|inspection| inspection.trusted));
    outcome
}
