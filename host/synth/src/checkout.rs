//! A checkout of ICT-FaceKit: a folder of OBJ files, the mean face and one for each shape.

use crate::obj::{self, Mesh};
use crate::vector::Vec3;
use crate::{FaceModel, Layout, SynthError};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The mean face; each other file is it with one shape at full weight.
const NEUTRAL: &str = "generic_neutral_mesh";

/// Where the files are in the repository.
const FOLDER: &str = "FaceXModel";

/// Most bytes of a file, six times ICT-FaceKit's; most shapes, half as many again as its; most files in memory at once.
const MAX_BYTES: u64 = 1 << 24;
const MAX_SHAPES: usize = 256;
const MAX_THREADS: usize = 16;

/// The files of a checkout.
#[derive(Debug)]
pub struct Checkout {
    folder: PathBuf,
    /// Expression shapes in the order of their names, byte by byte.
    expressions: Vec<String>,
    /// Persons' shapes, numbered from 0 without a gap.
    identities: Vec<String>,
}

impl Checkout {
    /// Looks for the files in `path`, the repository or its folder `FaceXModel`.
    ///
    /// # Errors
    /// When a folder cannot be read, there are too many files, or the mean face, expressions or persons are missing.
    pub fn find(path: &Path) -> Result<Checkout, SynthError> {
        let here = [path.to_owned(), path.join(FOLDER)].into_iter().find(|f| f.join(file(NEUTRAL)).is_file());
        let folder =
            here.ok_or_else(|| wrong(path, format!("neither {0} nor {FOLDER}/{0} is there", file(NEUTRAL))))?;
        let (mut expressions, mut identities) = (Vec::new(), Vec::new());
        for name in names(&folder)?.into_iter().filter(|name| name != NEUTRAL) {
            let person = name.strip_prefix("identity").is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
            if person { identities.push(name) } else { expressions.push(name) }
        }
        if expressions.is_empty() {
            return Err(wrong(&folder, "no expression, such as jawOpen.obj, is there".to_owned()));
        }
        // Behind a gap each person would be another one.
        for i in 0..identities.len().max(1) {
            let due = format!("identity{i:03}");
            if identities.get(i) != Some(&due) {
                return Err(wrong(&folder, format!("{} is not there", file(&due))));
            }
        }
        Ok(Checkout { folder, expressions, identities })
    }

    /// All files, the mean face first.
    pub fn files(&self) -> Vec<PathBuf> {
        let shapes = self.expressions.iter().chain(&self.identities).map(String::as_str);
        [NEUTRAL].into_iter().chain(shapes).map(|name| self.folder.join(file(name))).collect()
    }

    /// Reads all files, as many at once as there are cores.
    ///
    /// # Errors
    /// The first file, in the order of [`Checkout::files`], that cannot be read or is another mesh; or parts that do not fit.
    pub fn read(self, layout: Layout) -> Result<FaceModel, SynthError> {
        let files = self.files();
        let neutral = read_mesh(&self.folder.join(file(NEUTRAL)))?;
        let shapes = &files[1..];
        let next = AtomicUsize::new(0);
        let work = || {
            let mine = std::iter::from_fn(|| {
                let i = next.fetch_add(1, Ordering::Relaxed);
                Some((i, offsets(shapes.get(i)?, &neutral)))
            });
            mine.collect::<Vec<_>>()
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        let mut read: Vec<_> = std::thread::scope(|s| {
            let others: Vec<_> = (1..threads).map(|_| s.spawn(work)).collect();
            let here = work();
            let joined = others.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
            joined.flatten().chain(here).collect()
        });
        read.sort_by_key(|(i, _)| *i);
        let mut offsets = read.into_iter().map(|(_, shape)| shape).collect::<Result<Vec<_>, _>>()?;
        let identities = offsets.split_off(self.expressions.len());
        let expressions = self.expressions.into_iter().zip(offsets).collect();
        let vertices = neutral.vertices.iter().map(|p| p.map(|x| x as f32)).collect();
        FaceModel::from_parts(layout, vertices, neutral.triangles, expressions, identities)
            .map_err(|e| e.of(&self.folder))
    }
}

fn file(name: &str) -> String {
    format!("{name}.obj")
}

fn wrong(path: &Path, why: String) -> SynthError {
    SynthError::Model { path: path.to_owned(), why }
}

fn wrong_mesh(path: &Path, why: String) -> SynthError {
    SynthError::Mesh { path: path.to_owned(), why }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> SynthError {
    |cause| SynthError::Io { path: path.to_owned(), cause }
}

/// Names of the OBJ files in a folder, without their ending, sorted.
fn names(folder: &Path) -> Result<Vec<String>, SynthError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".obj"));
        if let Some(name) = name.filter(|_| path.is_file()) {
            names.push(name.to_owned());
        }
        if names.len() > MAX_SHAPES + 1 {
            return Err(wrong(folder, format!("too many OBJ files; at most {MAX_SHAPES} shapes and the mean face")));
        }
    }
    names.sort();
    Ok(names)
}

fn read_mesh(path: &Path) -> Result<Mesh, SynthError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io(path))?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(io(path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(wrong_mesh(path, format!("more than {MAX_BYTES} bytes")));
    }
    obj::parse(&bytes).map_err(|why| wrong_mesh(path, why))
}

/// How far a shape's vertices are from the mean face's.
fn offsets(path: &Path, neutral: &Mesh) -> Result<Vec<Vec3>, SynthError> {
    let mesh = read_mesh(path)?;
    for (what, found, expected) in [
        ("vertices", mesh.vertices.len(), neutral.vertices.len()),
        ("triangles", mesh.triangles.len(), neutral.triangles.len()),
    ] {
        if found != expected {
            return Err(wrong(
                path,
                format!("{found} {what}, the mean face has {expected}; cut short or another mesh"),
            ));
        }
    }
    let pairs = mesh.vertices.iter().zip(&neutral.vertices);
    Ok(pairs.map(|(p, n)| [0, 1, 2].map(|i| (p[i] - n[i]) as f32)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClipSpec, Renderer};
    use mtcae_contract::Expression;
    use std::fs::write;
    use tempfile::TempDir;

    /// Writes a model with its first `persons` as a checkout into `folder`.
    fn check_out(model: &FaceModel, folder: &Path, persons: usize) {
        let triangles: Vec<_> = model.triangles().iter().map(|(t, _)| *t).collect();
        let wide = |p: &Vec3| p.map(f64::from);
        let neutral: Vec<_> = model.neutral().iter().map(wide).collect();
        let save = |name: &str, offsets: Vec<Vec3>| {
            let moved = neutral.iter().zip(&offsets).map(|(n, o)| [0, 1, 2].map(|i| n[i] + wide(o)[i]));
            let mesh = Mesh { vertices: moved.collect(), triangles: triangles.clone() };
            write(folder.join(file(name)), obj::tests::write(&mesh)).unwrap();
        };
        save(NEUTRAL, vec![[0.0; 3]; neutral.len()]);
        for (name, offsets) in model.expression_offsets() {
            save(name, offsets);
        }
        for (i, offsets) in model.identity_offsets().iter().take(persons).enumerate() {
            save(&format!("identity{i:03}"), offsets.clone());
        }
    }

    fn sketch() -> (TempDir, FaceModel) {
        let (dir, model) = (tempfile::tempdir().unwrap(), FaceModel::sketch());
        check_out(&model, dir.path(), 2);
        (dir, model)
    }

    fn clip(model: &FaceModel) -> crate::LabelledClip {
        let spec = ClipSpec { label: Expression::Happy, subject: 3, size: 64, frames: 4 };
        Renderer::new(model).render(&spec, 9).unwrap()
    }

    #[test]
    fn a_model_written_as_files_renders_the_same_clip() {
        let (dir, model) = sketch();
        let back = Checkout::find(dir.path()).unwrap().read(model.layout().clone()).unwrap();
        assert_eq!((back.neutral(), back.triangles()), (model.neutral(), model.triangles()));
        assert_eq!((back.expressions(), back.identities()), (9, 2));
        // Files have the order of their names, and sums of floats depend on the order.
        let mut shapes: Vec<_> = model.expression_offsets().map(|(name, o)| (name.to_owned(), o)).collect();
        shapes.sort_by(|a, b| a.0.cmp(&b.0));
        let triangles = model.triangles().iter().map(|(t, _)| *t).collect();
        let (neutral, persons) = (model.neutral().to_vec(), model.identity_offsets().to_vec());
        let sorted = FaceModel::from_parts(model.layout().clone(), neutral, triangles, shapes, persons).unwrap();
        assert!(clip(&back) == clip(&sorted));
        let root = tempfile::tempdir().unwrap();
        std::fs::rename(dir.path(), root.path().join(FOLDER)).unwrap();
        assert_eq!(Checkout::find(root.path()).unwrap().files().len(), 12);
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_named() {
        let (dir, model) = sketch();
        let path = |name: &str| dir.path().join(file(name));
        let said = || {
            let read = Checkout::find(dir.path()).and_then(|c| c.read(model.layout().clone()));
            read.unwrap_err().to_string()
        };
        let text = std::fs::read_to_string(path("jawOpen")).unwrap();
        let v = model.neutral().len();
        let t = model.triangles().len();
        for (broken, why) in [
            (text[..text.find("\nvt").unwrap()].into(), &*format!("0 triangles, the mean face has {t}; cut")),
            (text[..text.rfind("\nf ").unwrap()].into(), &*format!("{} triangles, the mean face has {t}; cut", t - 1)),
            (text.replacen("v ", "v 1 2 3\nv ", 1).into(), &*format!("{} vertices, the mean face has {v}; cut", v + 1)),
            (text.replacen("v ", "v nan ", 1).into(), "line 4: coordinate \"nan\"; accepted: a finite number"),
            (text.replacen("v ", "v 1e9 ", 1).into(), "jawOpen: a coordinate of"),
            (vec![b'#', 0xff], "jawOpen.obj: line 1: byte 2 is no UTF-8 text"),
            (vec![b'\n'; MAX_BYTES as usize + 1], "jawOpen.obj: more than 16777216 bytes"),
        ] {
            write(path("jawOpen"), broken).unwrap();
            assert!(said().contains(why), "{} is not {why}", said());
        }
        write(path("jawOpen"), text).unwrap();
        std::fs::remove_file(path("identity000")).unwrap();
        assert!(said().contains("identity000.obj is not there"), "{}", said());
        std::fs::remove_file(path("identity001")).unwrap();
        assert!(said().contains("identity000.obj is not there"), "{}", said());
        std::fs::remove_file(path(NEUTRAL)).unwrap();
        assert!(said().contains("neither generic_neutral_mesh.obj nor FaceXModel/generic_neutral_mesh.obj is there"));
        write(path(NEUTRAL), "").unwrap();
        (0..MAX_SHAPES).for_each(|i| write(path(&format!("shape{i}")), "").unwrap());
        assert!(said().contains("too many OBJ files; at most 256 shapes"), "{}", said());
        let empty = tempfile::tempdir().unwrap();
        write(empty.path().join(file(NEUTRAL)), "").unwrap();
        let said = Checkout::find(empty.path()).unwrap_err().to_string();
        assert!(said.contains("no expression, such as jawOpen.obj, is there"), "{said}");
    }

    #[test]
    fn ict_facekit_comes_back_from_files() {
        let npz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ict-facekit/ict.npz");
        if !npz.is_file() {
            println!("skipped: {} is not there", npz.display());
            return;
        }
        let model = FaceModel::read(&npz).unwrap();
        let dir = tempfile::tempdir().unwrap();
        check_out(&model, dir.path(), 3);
        let back = FaceModel::read(dir.path()).unwrap();
        assert_eq!((back.expressions(), back.identities()), (57, 3));
        assert_eq!((back.neutral(), back.triangles()), (model.neutral(), model.triangles()));
        let near =
            |a: &[Vec3], b: &[Vec3]| a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-6);
        for ((name, a), (other, b)) in back.expression_offsets().zip(model.expression_offsets()) {
            assert!(name == other && near(&a, &b), "{name} {other}");
        }
        assert!(back.identity_offsets().iter().zip(model.identity_offsets()).all(|(a, b)| near(a, b)));
    }
}
