//! Damaged and hostile ONNX files through each engine, in processes of bounded memory and time: every one is a named error or
//! a model that runs. Sixty in every run, `MTCAE_MUTANTS=1000` for as many as one likes; they are the same for the same number.
#![cfg(all(feature = "ort", feature = "tract"))]

#[path = "../common/mod.rs"]
mod common;
mod mutants;

use common::{file, library, manifest, network};
use mtcae_contract::{Manifest, Precision};
use mtcae_drivers::{ModelFile, OrtDevice, OrtEngine, OrtLibrary, TractEngine};
use mutants::{Kind, mutant};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Says to the process of [`engine_process`] which engine it is, and which mutants are its own: `tract 0 60`.
const TASK: &str = "MTCAE_MUTANTS_TASK";
/// Address space of a process with an engine: tract and ONNX Runtime take less than half of it for these models.
const MEMORY: u64 = 2 << 30;
/// Longest time for one file. They take milliseconds; 45 s was seen on a machine with a load of 35.
const PATIENCE: Duration = Duration::from_secs(180);

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Runs,
    /// With the error.
    Refused(String),
    /// With the error, which is not as errors are.
    Unnamed(String),
    /// With how the process ended.
    Died(String),
    Hung,
}

/// The models that files are made of.
fn bases() -> Vec<ModelFile> {
    vec![file(manifest(), common::TINY), network(Precision::Fp32), network(Precision::Int8)]
}

#[test]
#[ignore = "the process that the other tests of this file start"]
fn engine_process() {
    let Ok(task) = std::env::var(TASK) else { return };
    let words: Vec<&str> = task.split(' ').collect();
    let [engine, from, to] = words.as_slice() else { panic!("{task}") };
    let limit = rustix::process::Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    rustix::process::setrlimit(rustix::process::Resource::As, limit).unwrap();
    let library = (*engine == "cpu-ort").then(|| OrtLibrary::load(&library("").unwrap()).unwrap());
    // What a panic says on its way to being caught is of no interest.
    std::panic::set_hook(Box::new(|_| {}));
    let bases = bases();
    for number in from.parse::<u64>().unwrap()..to.parse().unwrap() {
        let (_, model) = mutant(&bases, number);
        println!("\nbegin {number}");
        let loaded = match library {
            Some(library) => {
                OrtEngine::load_file(&model, library, OrtDevice::Cpu, 1).map(|_| ()).map_err(|e| e.to_string())
            }
            None => TractEngine::load_file(&model, 1).map(|_| ()).map_err(|e| e.to_string()),
        };
        println!("\nend {number} {}", loaded.err().unwrap_or_else(|| "runs".to_owned()).replace('\n', "\\n"));
    }
}

/// Fates of the mutants from 0 to `count`, and the longest time that one took.
fn fates(engine: &str, count: u64) -> (Vec<Fate>, Duration) {
    let (mut fates, mut longest) = (Vec::new(), Duration::ZERO);
    while (fates.len() as u64) < count {
        let from = fates.len() as u64;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "engine_process", "--ignored", "--nocapture", "--test-threads=1"])
            .env(TASK, format!("{engine} {from} {count}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.split(b'\n').map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut begun = Instant::now();
        let fate = loop {
            let line = match lines.recv_timeout(PATIENCE) {
                Ok(line) => String::from_utf8_lossy(&line).into_owned(),
                Err(RecvTimeoutError::Timeout) => break Some(Fate::Hung),
                Err(RecvTimeoutError::Disconnected) => break None,
            };
            if line.starts_with("begin ") {
                begun = Instant::now();
            } else if let Some(verdict) = line.strip_prefix("end ") {
                longest = longest.max(begun.elapsed());
                fates.push(fate_of(verdict.split_once(' ').unwrap().1));
            }
        };
        let _ = child.kill();
        let status = child.wait().unwrap();
        if let Some(hung) = fate {
            fates.push(hung);
        } else if (fates.len() as u64) < count {
            fates.push(Fate::Died(status.to_string()));
        }
    }
    (fates, longest)
}

fn fate_of(verdict: &str) -> Fate {
    if verdict == "runs" {
        return Fate::Runs;
    }
    let named = verdict.starts_with("model file DIR/tiny.onnx cannot be used: ")
        || verdict.starts_with("cpu-ort does not run: out of memory");
    if named && !verdict.contains("\\n") {
        Fate::Refused(verdict.to_owned())
    } else {
        Fate::Unnamed(verdict.to_owned())
    }
}

fn survive(engine: &str) {
    let count = std::env::var("MTCAE_MUTANTS").map_or(60, |text| text.parse().unwrap());
    let (fates, longest) = fates(engine, count);
    let bases = bases();
    let mut table: BTreeMap<Kind, [u64; 3]> = BTreeMap::new();
    let mut examples: BTreeMap<Kind, String> = BTreeMap::new();
    for (number, fate) in fates.iter().enumerate() {
        let (kind, _) = mutant(&bases, number as u64);
        let column = match fate {
            Fate::Runs => 0,
            Fate::Refused(why) => {
                let why = why.trim_start_matches("model file DIR/tiny.onnx cannot be used: ");
                examples.entry(kind).or_insert_with(|| why.chars().take(90).collect());
                1
            }
            _ => 2,
        };
        table.entry(kind).or_default()[column] += 1;
        if column == 2 {
            println!("{engine}: mutant {number} ({kind:?}): {fate:?}");
        }
    }
    println!("{engine}: {count} mutants, {:.1} s for one at most", longest.as_secs_f32());
    println!("{:12} {:>6} {:>8} {:>6}  one of the reasons", "kind", "runs", "refused", "other");
    let mut sums = [0; 3];
    for (kind, row) in &table {
        let example = examples.get(kind).map_or("", String::as_str);
        println!("{:12} {:>6} {:>8} {:>6}  {example}", format!("{kind:?}"), row[0], row[1], row[2]);
        sums.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
    }
    assert_eq!(table.len().min(count as usize), Kind::ALL.len().min(count as usize), "a kind is missing");
    assert!(sums[1] * 4 >= count, "only {} of {count} are refused: do the mutants do harm?", sums[1]);
    assert_eq!(sums[2], 0, "what is neither refused by name nor runs");
}

#[test]
fn tract_survives() {
    survive("tract");
}

#[test]
fn onnxruntime_survives() {
    if library("damaged files are not given to ONNX Runtime").is_some() {
        survive("cpu-ort");
    }
}

#[test]
fn a_mutant_is_another_file_and_always_the_same() {
    let bases = bases();
    for number in 0..24 {
        let (kind, first) = mutant(&bases, number);
        let (again, second) = mutant(&bases, number);
        assert!(kind == again && first.bytes == second.bytes, "{number}");
        let unchanged = |base: &ModelFile| base.bytes == first.bytes;
        assert!(!bases.iter().any(unchanged), "{number} ({kind:?}) is no other file");
        let of = |manifest: &Manifest| manifest.clip == first.manifest.clip;
        assert!(bases.iter().any(|base| of(&base.manifest)));
    }
}
