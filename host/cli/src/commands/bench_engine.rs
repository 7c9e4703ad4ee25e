//! `mtcae bench-engine`: the process of one setting of `mtcae bench`; it talks to that and to nobody else.

use super::bench::precision;
use crate::failure::Failure;
use clap::ValueEnum;
use mtcae_contract::{Clip, Precision, Rect};
use mtcae_core::Engine;
use mtcae_deploy::bench::{Line, Stream, cpu_us, turn};
use mtcae_deploy::seeded_clip;
use mtcae_drivers::{ModelFile, OrtDevice, OrtEngine, OrtLibrary, TractEngine, find_onnxruntime};
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// An engine by its name in a board file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineWord {
    Tract,
    CpuOrt,
    Cuda,
    Tensorrt,
}

impl EngineWord {
    /// As in a board file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tract => "tract",
            Self::CpuOrt => OrtDevice::Cpu.name(),
            Self::Cuda => OrtDevice::Cuda.name(),
            Self::Tensorrt => OrtDevice::Tensorrt.name(),
        }
    }
}

/// Run clips for `mtcae bench`, which starts it
#[derive(clap::Args)]
pub struct Args {
    /// Model folder
    model: PathBuf,
    #[arg(long)]
    engine: EngineWord,
    #[arg(long, value_parser = precision())]
    precision: Precision,
    #[arg(long)]
    threads: usize,
    #[arg(long)]
    streams: usize,
    #[arg(long)]
    onnxruntime: Option<PathBuf>,
}

impl Args {
    /// Loads, answers once, and then runs clips for as many milliseconds as each line of the input says.
    pub fn run(self) -> Result<(), Failure> {
        match self.measure() {
            Ok(()) => Ok(()),
            Err(why) => Ok(say(&Line::Failed(why))?),
        }
    }

    fn measure(&self) -> Result<(), String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let begin = Instant::now();
        let file = ModelFile::read(&self.model, self.precision).map_err(|e| text(&e))?;
        let mut engines = Vec::new();
        let mut note = String::new();
        for _ in 0..self.streams {
            let (engine, said) = self.load(&file)?;
            engines.push(engine);
            note = said;
        }
        let load_us = begin.elapsed().as_micros() as u64;
        let spec = file.manifest.clip;
        drop(file);
        let bytes = seeded_clip(spec.frames, spec.size, 1);
        let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Rect::default() };
        let mut streams: Vec<Stream<'_>> = Vec::new();
        for engine in &mut engines {
            let clip = &clip;
            streams.push(Box::new(move || engine.infer(clip).map(drop).map_err(|e| e.to_string())));
        }
        streams.iter_mut().try_for_each(|stream| stream())?;
        say(&Line::Ready { load_us, cpu_us: cpu_us(), note }).map_err(|e| text(&e))?;
        for line in io::stdin().lock().lines() {
            let line = line.map_err(|e| text(&e))?;
            let ms = line.trim().parse().map_err(|_| format!("{line:?} is no time"))?;
            say(&Line::Turn(turn(&mut streams, Duration::from_millis(ms))?)).map_err(|e| text(&e))?;
        }
        say(&Line::Peak(peak_kib())).map_err(|e| text(&e))
    }

    /// An engine with the model, and what it says of itself.
    fn load(&self, file: &ModelFile) -> Result<(Box<dyn Engine>, String), String> {
        let device = match self.engine {
            EngineWord::Tract => {
                let engine = TractEngine::load_file(file, self.threads).map_err(|e| e.to_string())?;
                return Ok((Box::new(engine), String::new()));
            }
            EngineWord::CpuOrt => OrtDevice::Cpu,
            EngineWord::Cuda => OrtDevice::Cuda,
            EngineWord::Tensorrt => OrtDevice::Tensorrt,
        };
        let library = find_onnxruntime(self.onnxruntime.as_deref()).and_then(|path| OrtLibrary::load(&path));
        let library = library.map_err(|e| e.to_string())?;
        let engine = OrtEngine::load_file(file, library, device, self.threads).map_err(|e| e.to_string())?;
        let placement = engine.placement().map(|p| format!(", {p}")).unwrap_or_default();
        Ok((Box::new(engine), format!("ONNX Runtime {}{placement}", library.version())))
    }
}

fn say(line: &Line) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// The most memory that this process has had, KiB; 0 where the system does not say.
fn peak_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
