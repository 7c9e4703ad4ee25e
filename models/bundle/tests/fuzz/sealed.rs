//! Sealed files: their headers, which are parsed before anything in them is authenticated, and their bytes.

use crate::common::{DEVICE_KEY, Rng, weights};
use crate::mutate::mutate;
use crate::tally::{Cause, Tally};
use mtcae_bundle::*;
use std::io::Read as _;

/// About the length of a header for two recipients.
const HEADER: usize = 300;

pub struct Pool {
    plain: Vec<u8>,
    files: Vec<Vec<u8>>,
    keys: [DeviceKey; 1],
}

impl Pool {
    pub fn new() -> Pool {
        let key = DeviceKey::from_secret_text(DEVICE_KEY).expect("it is one");
        let other = DeviceKey::generate().expect("a key").recipient();
        let plain = weights(400, 3);
        let sealed = |recipients: &[Recipient]| {
            let mut file = Vec::new();
            seal(&mut plain.as_slice(), &mut file, recipients).expect("sealed");
            file
        };
        let files = vec![sealed(&[key.recipient()]), sealed(&[other.clone(), key.recipient()]), sealed(&[other])];
        Pool { plain, files, keys: [key] }
    }

    pub fn open(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let good = &self.files[rng.below(self.files.len())];
        let mut bytes = good.clone();
        if rng.below(4) == 0 {
            mutate(rng, &mut bytes);
        } else {
            let rest = bytes.split_off(HEADER.min(bytes.len()));
            mutate(rng, &mut bytes);
            bytes.extend(rest);
        }
        cause.note("a sealed file", &bytes);
        let mut logged = 0;
        let opened = open(bytes.as_slice(), "a file", &self.keys, &mut |_| {
            logged += 1;
            Ok(())
        });
        let (mut plain, opens) = (Vec::new(), opened.is_ok());
        let ended = opened.map(|mut opened| opened.read_to_end(&mut plain));
        assert_eq!(logged, usize::from(opens), "opened and logged are one");
        assert!(self.plain.starts_with(&plain), "bytes that nobody has sealed");
        match ended {
            Ok(Ok(_)) => assert!(plain == self.plain && bytes == *good, "damaged, and yet whole"),
            Ok(Err(_)) => tally.reach("sealed: bytes behind a good header"),
            Err(SealError::NoKey { .. }) => tally.reach("sealed: recipients tried"),
            Err(_) => tally.reach("sealed: header"),
        }
    }
}
