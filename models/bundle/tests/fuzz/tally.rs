//! How far executions came, and whether that is far enough.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// What is being executed, for the case that it panics.
#[derive(Default)]
pub struct Cause {
    what: &'static str,
    bytes: Vec<u8>,
}

impl Cause {
    pub fn note(&mut self, what: &'static str, bytes: &[u8]) {
        self.what = what;
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
    }
}

impl Display for Cause {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "panicked at {} of {} bytes: ", self.what, self.bytes.len())?;
        self.bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A stage, and how many of a million executions must reach it: about half of what did when this was written.
const LEAST: [(&str, u64); 18] = [
    ("front: signatures computed", 40_000),
    ("manifest: refused by the validator", 8_000),
    ("manifest: taken", 20_000),
    ("bundle: manifest validator", 24_000),
    ("bundle: parts", 20_000),
    ("bundle: bytes in the sink", 11_000),
    ("bundle: commit", 4_500),
    ("changed part: at the sink", 3_000),
    ("changed part: at the decompressor", 3_000),
    ("changed part: at the decryptor", 6_000),
    ("changed part: at the decompressor behind the decryptor", 2_400),
    ("sealed: recipients tried", 1_800),
    ("sealed: bytes behind a good header", 800),
    ("key: taken", 8_000),
    ("rotation: signature computed", 19_000),
    ("rotation: applied to the keys", 500),
    ("permit: signature computed", 15_000),
    ("permit: counts", 100),
];

#[derive(Default)]
pub struct Tally {
    pub executions: u64,
    reached: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// One more execution came to `stage`.
    pub fn reach(&mut self, stage: &'static str) {
        *self.reached.entry(stage).or_default() += 1;
    }

    pub fn report(&self, seed: u64, elapsed: Duration) -> String {
        let rate = self.executions as f64 / elapsed.as_secs_f64();
        let head = format!(
            "{} executions in {:.0} s, {rate:.0} a second, seed {seed:#x}, 0 panics; reached:",
            self.executions,
            elapsed.as_secs_f64()
        );
        let line = |(stage, count): (&&str, &u64)| format!("\n  {count:>10} {stage}");
        head + &self.reached.iter().map(line).collect::<String>()
    }

    /// # Panics
    /// When a stage was reached too rarely.
    pub fn check(&self) {
        for (stage, least) in LEAST {
            let reached = self.reached.get(stage).copied().unwrap_or(0);
            let needed = self.executions * least / 1_000_000;
            assert!(reached >= needed.max(1), "{stage}: {reached} of {} executions; needed: {needed}", self.executions);
        }
    }
}
