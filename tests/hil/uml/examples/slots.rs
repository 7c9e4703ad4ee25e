//! Updates of the slots below a folder, one after the other without an end, until the power goes: `slots ROOT`.
//!
//! Each step is a line of the output, before and after it happens; the test looks whether what starts after a power cut
//! is what these lines allow.

use mtcae_bundle::{
    Builder, Compression, Content, Description, Licence, ModelDescription, Provenance, SigningKey, Trust, Version,
};
use mtcae_contract::{ClipSpec, Framing, LabelSet, Manifest, Precision, Sampling};
use mtcae_drivers::DirStore;
use mtcae_install::{Rules, install};
use mtcae_update::{Choice, Confirm, DAEMON_FILE, Depth, Updater, Verdict};
use std::error::Error;
use std::io::{Cursor, Write};
use std::path::Path;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Bytes of a daemon, which cannot be compressed.
const LEN: usize = 1 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args().nth(1).ok_or("accepted: slots ROOT")?;
    let key = SigningKey::from_seed(&[7; 32]);
    let trust = Trust::new(&[key.public()])?;
    let mut updater = Updater::new(DirStore::open(Path::new(&root))?);
    loop {
        // As the launcher does at power-on: every byte is looked at.
        let trial = match updater.choose(Depth::Bytes)? {
            Choice::Start { trial, note, .. } => {
                note.iter().for_each(|note| say(&format!("note {note:?}")));
                trial.is_some()
            }
            Choice::Nothing(why) => {
                say(&format!("nothing {why:?}"));
                false
            }
        };
        if trial {
            say("trial");
            updater.self_test(Verdict::Good)?;
        }
        let confirmed = updater.status()?.confirmed.map_or_else(String::new, |version| version.names[1].clone());
        let number = confirmed.rsplit('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        say(&format!("starts {number}"));
        let next = number + 1;
        let bundle = bundle(next, &key)?;
        say(&format!("installs {next}"));
        let rules = Rules {
            family: "pc",
            target: Some(TARGET),
            trust: &trust,
            keys: &[],
            confirm: Confirm::BySelfTest,
            permit: None,
        };
        install(&mut updater, &mut Cursor::new(bundle), &rules, &mut |_, _| {})?;
        say(&format!("ready {next}"));
        updater.switch()?;
        say(&format!("switched {next}"));
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    // Nobody to tell when that fails.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn bundle(number: u32, key: &SigningKey) -> Result<Vec<u8>, Box<dyn Error>> {
    let version = Version::new(0, 1, number.into());
    let manifest = model(number);
    let description = Description {
        name: "slots".into(),
        version: version.clone(),
        security_counter: number,
        boards: vec!["pc".into()],
        model: Some(ModelDescription::from(&manifest)),
        metrics: Vec::new(),
        provenance: Provenance { built_unix_s: 0, builder: "test".into(), revision: String::new(), data: Vec::new() },
        licences: vec![Licence { covers: "daemon".into(), terms: "MIT".into() }],
    };
    let mut state = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let daemon: Vec<u8> = (0..LEN / 8).flat_map(|_| noise().to_le_bytes()).collect();
    let mut builder = Builder::new(description, &[], Cursor::new(Vec::new()));
    let network = Content::Model { precision: Precision::Fp32, engines: vec!["tract".into()] };
    let parts = [
        ("manifest.toml", Content::ModelManifest, manifest.to_toml()?.into_bytes()),
        ("slots.onnx", network, daemon[..4096].to_vec()),
        ("reference.clip", Content::ReferenceClip, daemon[..80].to_vec()),
        ("reference.json", Content::ReferenceAnswer, daemon[..50].to_vec()),
        (DAEMON_FILE, Content::Firmware { target: TARGET.into(), version }, daemon),
    ];
    for (name, content, bytes) in parts {
        builder.add(name, content, Compression::None, &mut bytes.as_slice())?;
    }
    let mut bytes = Vec::new();
    builder.finish(&[key], &mut bytes)?;
    Ok(bytes)
}

/// The manifest of a model that nobody runs.
fn model(number: u32) -> Manifest {
    Manifest {
        format: 1,
        name: "slots".into(),
        version: format!("0.1.{number}"),
        preset: "edge".into(),
        labels: LabelSet::seven(),
        sampling: Sampling::Uniform,
        temperature: 1.0,
        clip: ClipSpec { frames: 16, size: 64, seconds: 1.0 },
        framing: Framing::Face { margin: 0.1 },
        mean: [0.5; 3],
        std: [0.5; 3],
        artifacts: Vec::new(),
    }
}
