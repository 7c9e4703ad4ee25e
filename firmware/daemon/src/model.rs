//! Opening the model, its engine and the face detector that a board file names.

use crate::DaemonError;
use crate::engine::{Chosen, Paths, choose};
use crate::settings::detector_config;
use crate::updates::device_keys;
use mtcae_board_configs::{Board, PrecisionChoice, Update};
use mtcae_contract::{Clip, ClipSpec, Manifest, Precision, Rect, ReferenceAnswer};
use mtcae_core::{Engine, EngineError, FaceFinder, Mirrored};
use mtcae_drivers::{ModelError, ModelFile, MtcnnFinder};
use mtcae_install::{SEALED_FILE, Unsealed, trusted_in, unseal};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::Instant;

/// Names of the self-test's parts.
const REFERENCE_CLIP: &str = "reference.clip";
const REFERENCE_ANSWER: &str = "reference.json";

/// What the inference threads think with.
pub(crate) struct Minds {
    /// One for each thread, never empty.
    pub engines: Vec<Box<dyn Engine>>,
    pub finder: Box<dyn FaceFinder>,
}

/// A model that was opened and has run once.
pub(crate) struct Opened {
    pub minds: Minds,
    pub manifest: Manifest,
    pub engine_name: String,
    /// What a person should know of the engine; may be empty.
    pub engine_note: String,
    pub precision: String,
    /// Time of a run on a black clip, milliseconds.
    pub trial_ms: f32,
    /// Whether the reference clip gives the reference answer, when that was asked for.
    pub self_test: Option<Result<(), String>>,
}

/// Where a model's files are.
enum Files<'a> {
    Folder(&'a Path),
    /// Of an encrypted bundle; plain in memory only.
    Sealed(&'a Path, Unsealed),
}

impl Opened {
    pub fn open(board: &Board, self_test: bool) -> Result<Opened, DaemonError> {
        let model = |e: EngineError| DaemonError::Model(e.to_string());
        let folder = Path::new(&board.model.path);
        let files = Files::open(folder, &board.update)?;
        let file = files.chosen(board.model.precision).map_err(|e| DaemonError::Model(e.to_string()))?;
        let precision = file.precision;
        // An engine that is kept holds the weights, and an encrypted model's lie plain in memory only.
        let kept_in = match files {
            Files::Folder(_) => board.model.engine_cache.as_deref().map(Path::new),
            Files::Sealed(..) => None,
        };
        let paths = Paths { library: board.model.onnxruntime.as_deref().map(Path::new), kept_in };
        let Chosen { mut engine, note } = choose(board.model.engine, &file, board.model.threads as usize, paths)?;
        let manifest = file.manifest.clone();
        drop(file);
        let spec = manifest.clip;
        let bytes = vec![0; spec.frames * spec.size * spec.size * 3];
        let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Rect::default() };
        let self_test = self_test.then(|| check_reference(engine.as_mut(), manifest.clip, &files));
        let mut engine: Box<dyn Engine> = if board.model.mirror { Box::new(Mirrored::new(engine)) } else { engine };
        let begin = Instant::now();
        let raw = engine.infer(&clip).map_err(model)?;
        let trial_ms = begin.elapsed().as_secs_f32() * 1e3;
        raw.validate(spec.frames, manifest.labels.len())
            .map_err(|e| DaemonError::Model(format!("model in {}: {e}; export it again", folder.display())))?;
        let finder = MtcnnFinder::new(detector_config(board)).map_err(model)?;
        let engines = side_by_side(engine, streams(board, cores()));
        let fewer = fewer_streams(board, engines.len());
        Ok(Opened {
            engine_name: engine_name(engines[0].name(), engines.len()),
            engine_note: [note, fewer].into_iter().filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; "),
            minds: Minds { engines, finder: Box::new(finder) },
            manifest,
            precision: format!("{precision:?}").to_lowercase(),
            trial_ms,
            self_test,
        })
    }
}

/// Cores of this machine that the daemon may use.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Clips side by side that `board` asks for, or that `cores` leave room for: one stays for everything else.
fn streams(board: &Board, cores: usize) -> usize {
    match board.model.streams as usize {
        0 => (cores.saturating_sub(1) / board.model.threads.max(1) as usize).clamp(1, board.detector.faces as usize),
        asked => asked,
    }
}

/// `engine` and as many more of its streams as are wanted, or as it has.
fn side_by_side(engine: Box<dyn Engine>, wanted: usize) -> Vec<Box<dyn Engine>> {
    let more: Vec<_> = (1..wanted).map_while(|_| engine.stream()).collect();
    std::iter::once(engine).chain(more).collect()
}

/// What to say when a board file asks for more streams than there are; else nothing.
fn fewer_streams(board: &Board, got: usize) -> String {
    let asked = board.model.streams as usize;
    if asked > got { format!("{got} of {asked} streams: only tract runs several") } else { String::new() }
}

/// As every Status says it.
fn engine_name(name: &str, streams: usize) -> String {
    if streams == 1 { name.to_owned() } else { format!("{name}, {streams} streams") }
}

impl Files<'_> {
    fn open<'a>(folder: &'a Path, update: &Update) -> Result<Files<'a>, DaemonError> {
        let path = folder.join(SEALED_FILE);
        if !path.is_file() {
            return Ok(Files::Folder(folder));
        }
        let model = |e: &dyn std::fmt::Display| DaemonError::Model(format!("{}: {e}", path.display()));
        let trust = trusted_in(Path::new(&update.trusted)).map_err(|e| model(&e))?;
        let keys = device_keys(Path::new(&update.device_key)).map_err(|e| model(&e))?;
        let file = File::open(&path).map_err(|e| model(&e))?;
        let unsealed = unseal(BufReader::new(file), &trust, &keys).map_err(|e| model(&e))?;
        Ok(Files::Sealed(folder, unsealed))
    }

    fn model(&self, precision: Precision) -> Result<ModelFile, ModelError> {
        match self {
            Files::Folder(folder) => ModelFile::read(folder, precision),
            Files::Sealed(folder, unsealed) => {
                ModelFile::from_parts(folder, precision, |name| unsealed.part(name).map(<[u8]>::to_vec))
            }
        }
    }

    /// The file of the precision asked for; `auto` is fp32, which every engine runs well, or int8 where that is all there is.
    fn chosen(&self, choice: PrecisionChoice) -> Result<ModelFile, ModelError> {
        match choice {
            PrecisionChoice::Auto => match self.model(Precision::Fp32) {
                // Only a model without such a file; a damaged one is said, not passed over.
                Err(ModelError::NoPrecision { .. }) => self.model(Precision::Int8),
                read => read,
            },
            PrecisionChoice::Fp32 => self.model(Precision::Fp32),
            PrecisionChoice::Fp16 => self.model(Precision::Fp16),
            PrecisionChoice::Int8 => self.model(Precision::Int8),
        }
    }

    fn bytes(&self, name: &str, most: u64) -> Result<Vec<u8>, String> {
        match self {
            Files::Folder(folder) => {
                let path = folder.join(name);
                let mut bytes = Vec::new();
                File::open(&path)
                    .and_then(|file| file.take(most).read_to_end(&mut bytes))
                    .map_err(|e| format!("{}: {e}", path.display()))?;
                Ok(bytes)
            }
            Files::Sealed(_, unsealed) => {
                unsealed.part(name).map(<[u8]>::to_vec).ok_or_else(|| format!("the sealed model has no part {name}"))
            }
        }
    }
}

/// Whether the reference clip gives the reference answer on this board's engine.
fn check_reference(engine: &mut dyn Engine, spec: ClipSpec, files: &Files<'_>) -> Result<(), String> {
    let len = spec.frames * spec.size * spec.size * 3;
    let bytes = files.bytes(REFERENCE_CLIP, len as u64 + 1)?;
    if bytes.len() != len {
        return Err(format!("{REFERENCE_CLIP} has {} bytes; the model's clip has {len}", bytes.len()));
    }
    let text = files.bytes(REFERENCE_ANSWER, ReferenceAnswer::MAX_BYTES as u64 + 1)?;
    let text = String::from_utf8(text).map_err(|_| format!("{REFERENCE_ANSWER} is no text"))?;
    let reference = ReferenceAnswer::from_json(&text).map_err(|e| e.to_string())?;
    let clip = Clip { bytes, frames: spec.frames, size: spec.size, crop: Rect::default() };
    let answer = engine.infer(&clip).map_err(|e| e.to_string())?;
    reference.check(&answer).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_core::EngineError;

    #[test]
    fn streams_are_as_many_as_asked_or_as_cores_to_spare() {
        let mut board = mtcae_board_configs::load_builtin("pc-webcam").unwrap();
        (board.model.threads, board.detector.faces) = (1, 4);
        assert_eq!([1, 2, 3, 4, 16].map(|cores| streams(&board, cores)), [1, 1, 2, 3, 4]);
        board.model.threads = 2;
        assert_eq!([1, 2, 4, 6, 12].map(|cores| streams(&board, cores)), [1, 1, 1, 2, 4]);
        board.model.streams = 6;
        assert_eq!(streams(&board, 1), 6);
    }

    /// Runs so many streams.
    struct Counted(usize);

    impl Engine for Counted {
        fn name(&self) -> &str {
            "counted"
        }

        fn infer(&mut self, _: &Clip) -> Result<mtcae_contract::RawOutput, EngineError> {
            Err(EngineError::Failed("it only counts".into()))
        }

        fn stream(&self) -> Option<Box<dyn Engine>> {
            (self.0 > 1).then(|| Box::new(Counted(1)) as Box<dyn Engine>)
        }
    }

    #[test]
    fn what_an_engine_does_not_have_is_not_said() {
        let engines = side_by_side(Box::new(Counted(2)), 3);
        assert_eq!(engine_name("tract", engines.len()), "tract, 3 streams");
        let mut board = mtcae_board_configs::load_builtin("pc-webcam").unwrap();
        board.model.streams = 3;
        assert_eq!(fewer_streams(&board, 3), "");
        assert_eq!(fewer_streams(&board, 1), "1 of 3 streams: only tract runs several");
        board.model.streams = 0;
        assert_eq!(fewer_streams(&board, 1), "", "nobody asked for more");
        let engines = side_by_side(Box::new(Counted(1)), 3);
        assert_eq!(engine_name("cpu-ort", engines.len()), "cpu-ort");
    }
}
