//! A checkout of ICT-FaceKit: a folder of OBJ files, the mean face and one for each shape.

use crate::obj::{self, Mesh};
use crate::vector::Vec3;
use crate::{FaceModel, Layout, SynthError};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The mean face; each other file is it with one shape at full weight.
const NEUTRAL: &str = "generic_neutral_mesh";

/// Where the files are in the repository.
const FOLDER: &str = "FaceXModel";

/// Most bytes of a file, six times ICT-FaceKit's; most files, half as many again as its; most of them in memory at once.
const MAX_BYTES: u64 = 1 << 24;
const MAX_FILES: usize = 256;
const MAX_THREADS: usize = 16;

/// A checkout by the names of its files, without `.obj`.
#[derive(Debug)]
pub struct Checkout {
    folder: PathBuf,
    /// Expressions in the order of their names, byte by byte, as the `.npz` has them.
    expressions: Vec<String>,
    /// Persons in the order of their numbers, from 0 without a gap.
    persons: Vec<String>,
}

impl Checkout {
    /// Looks for the files in `path`: the repository, or its folder `FaceXModel`.
    ///
    /// # Errors
    /// When a folder cannot be read, has too many files, or the mean face, all expressions or a person is missing.
    pub fn find(path: &Path) -> Result<Checkout, SynthError> {
        let wrong = |why: String| Err(SynthError::Model { path: path.to_owned(), why });
        let folders = [path.to_owned(), path.join(FOLDER)];
        let Some(folder) = folders.into_iter().find(|f| file(f, NEUTRAL).is_file()) else {
            return wrong(format!("neither {NEUTRAL}.obj nor {FOLDER}/{NEUTRAL}.obj is there"));
        };
        let shapes = names(&folder)?.into_iter().filter(|name| name != NEUTRAL);
        let (persons, expressions): (Vec<_>, Vec<_>) = shapes.partition(|name| is_person(name));
        if expressions.is_empty() {
            return wrong("no expression, such as jawOpen.obj, is there".to_owned());
        }
        // Behind a gap each person would be another one.
        let due = (0..persons.len().max(1)).map(|i| format!("identity{i:03}"));
        match due.enumerate().find(|(i, due)| persons.get(*i) != Some(due)) {
            Some((_, missing)) => wrong(format!("{missing}.obj is not there")),
            None => Ok(Checkout { folder, expressions, persons }),
        }
    }

    /// The files: mean face, expressions, persons.
    pub fn files(&self) -> Vec<PathBuf> {
        let shapes = self.expressions.iter().chain(&self.persons).map(String::as_str);
        [NEUTRAL].into_iter().chain(shapes).map(|name| file(&self.folder, name)).collect()
    }

    /// The model, whose parts are where `layout` says.
    ///
    /// # Errors
    /// When a file cannot be read, is no OBJ file, or has other vertices or faces than the mean face.
    pub fn read(self, layout: Layout) -> Result<FaceModel, SynthError> {
        let files = self.files();
        let neutral = read_mesh(&file(&self.folder, NEUTRAL))?;
        let mut shapes = read_shapes(&files[1..], &neutral)?;
        let persons = shapes.split_off(self.expressions.len());
        let expressions = self.expressions.into_iter().zip(shapes).collect();
        let mean = neutral.vertices.iter().map(|p| p.map(|x| x as f32)).collect();
        FaceModel::from_parts(layout, mean, neutral.triangles, expressions, persons).map_err(|e| e.of(&self.folder))
    }
}

fn is_person(name: &str) -> bool {
    name.strip_prefix("identity").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.obj"))
}

fn wrong(path: &Path, why: String) -> SynthError {
    SynthError::Mesh { path: path.to_owned(), why }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> SynthError {
    |cause| SynthError::Io { path: path.to_owned(), cause }
}

/// Names of the OBJ files of a folder in their order; hidden files are passed over.
fn names(folder: &Path) -> Result<Vec<String>, SynthError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if path.extension().is_none_or(|e| e != "obj") || !path.is_file() {
            continue;
        }
        match path.file_stem().and_then(|name| name.to_str()) {
            Some(name) if name.starts_with('.') => continue,
            Some(name) => names.push(name.to_owned()),
            None => return Err(wrong(&path, "its name is no UTF-8 text".to_owned())),
        }
        if names.len() > MAX_FILES {
            return Err(wrong(folder, format!("too many OBJ files; accepted: at most {MAX_FILES}")));
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
        return Err(wrong(path, format!("too large; accepted: at most {MAX_BYTES} bytes")));
    }
    obj::parse(&bytes).map_err(|why| wrong(path, why))
}

/// How far each of the shapes in `files` moves the vertices of the mean face; as many are read at once as there are cores.
fn read_shapes(files: &[PathBuf], neutral: &Mesh) -> Result<Vec<Vec<Vec3>>, SynthError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
    let read = |files: &[PathBuf]| files.iter().map(|f| read_shape(f, neutral)).collect::<Result<Vec<_>, _>>();
    let parts: Result<Vec<_>, _> = std::thread::scope(|scope| {
        let shares = files.chunks(files.len().div_ceil(threads).max(1));
        let threads: Vec<_> = shares.map(|files| scope.spawn(move || read(files))).collect();
        threads.into_iter().map(|t| t.join().unwrap_or_else(|p| std::panic::resume_unwind(p))).collect()
    });
    Ok(parts?.into_iter().flatten().collect())
}

fn read_shape(path: &Path, neutral: &Mesh) -> Result<Vec<Vec3>, SynthError> {
    let shape = read_mesh(path)?;
    let (found, expected) = (shape.vertices.len(), neutral.vertices.len());
    if found != expected {
        return Err(wrong(path, format!("{found} vertices; accepted: {expected}, as in {NEUTRAL}.obj")));
    }
    // Other faces mean that the vertices may be in another order.
    if shape.triangles != neutral.triangles {
        return Err(wrong(path, format!("other faces than in {NEUTRAL}.obj; accepted: the same in the same order")));
    }
    let pairs = shape.vertices.iter().zip(&neutral.vertices);
    Ok(pairs.map(|(to, from)| [0, 1, 2].map(|i| (to[i] - from[i]) as f32)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obj::tests::write;
    use crate::{ClipSpec, LabelledClip, Renderer};
    use mtcae_contract::Expression;

    fn triangles(model: &FaceModel) -> Vec<[u32; 3]> {
        model.triangles().iter().map(|(t, _)| *t).collect()
    }

    /// Writes a model with its first `persons` into `folder`.
    fn check_out(model: &FaceModel, persons: usize, folder: &Path) {
        let wide = |p: Vec3| p.map(f64::from);
        let save = |name: &str, offsets: &[Vec3]| {
            let pairs = model.neutral().iter().zip(offsets);
            let vertices = pairs.map(|(n, o)| [0, 1, 2].map(|i| wide(*n)[i] + wide(*o)[i])).collect();
            std::fs::write(file(folder, name), write(&Mesh { vertices, triangles: triangles(model) })).unwrap();
        };
        save(NEUTRAL, &vec![[0.0; 3]; model.neutral().len()]);
        model.expression_offsets().for_each(|(name, offsets)| save(name, &offsets));
        let persons = model.identity_offsets().iter().take(persons).enumerate();
        persons.for_each(|(i, offsets)| save(&format!("identity{i:03}"), offsets));
    }

    fn assert_equal(found: &FaceModel, expected: &FaceModel, persons: usize) {
        assert_eq!((found.neutral(), found.triangles()), (expected.neutral(), expected.triangles()));
        let near = |a: &[Vec3], b: &[Vec3]| {
            a.len() == b.len() && a.as_flattened().iter().zip(b.as_flattened()).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        assert_eq!((found.expressions(), found.identities()), (expected.expressions(), persons));
        for ((name, a), (other, b)) in found.expression_offsets().zip(expected.expression_offsets()) {
            assert!(name == other && near(&a, &b), "{name} {other}");
        }
        assert!(found.identity_offsets().iter().zip(expected.identity_offsets()).all(|(a, b)| near(a, b)));
    }

    /// The sketch with its shapes in the order of their names, as a checkout gives them.
    fn sketch() -> FaceModel {
        let model = FaceModel::sketch();
        let mut expressions: Vec<_> = model.expression_offsets().map(|(name, o)| (name.to_owned(), o)).collect();
        expressions.sort_by(|a, b| a.0.cmp(&b.0));
        let (layout, neutral) = (model.layout().clone(), model.neutral().to_vec());
        let persons = model.identity_offsets().to_vec();
        FaceModel::from_parts(layout, neutral, triangles(&model), expressions, persons).unwrap()
    }

    fn read(folder: &Path) -> Result<FaceModel, SynthError> {
        Checkout::find(folder)?.read(FaceModel::sketch().layout().clone())
    }

    fn clip(model: &FaceModel) -> LabelledClip {
        let spec = ClipSpec { label: Expression::Happy, subject: 1, size: 64, frames: 3 };
        Renderer::new(model).render(&spec, 5).unwrap()
    }

    #[test]
    fn a_model_in_files_is_the_model_and_renders_the_same_clip() {
        let repository = tempfile::tempdir().unwrap();
        let folder = repository.path().join(FOLDER);
        std::fs::create_dir_all(folder.join("folder.obj")).unwrap();
        for passed_over in ["README.md", "._jawOpen.obj", "ICTFaceModelMaterial.mtl"] {
            std::fs::write(folder.join(passed_over), [0, 255]).unwrap();
        }
        let model = sketch();
        check_out(&model, 2, &folder);
        for path in [repository.path(), &folder] {
            let found = read(path).unwrap();
            assert_equal(&found, &model, 2);
            assert!(clip(&found) == clip(&model));
            let files = FaceModel::files(path).unwrap();
            assert_eq!(files.len(), 1 + 9 + 2);
            assert!(files[0].ends_with("generic_neutral_mesh.obj") && files[11].ends_with("identity001.obj"));
        }
        std::fs::copy(file(&folder, "identity001"), file(&folder, "identity000")).unwrap();
        assert!(clip(&read(&folder).unwrap()) != clip(&model), "what is in the files must matter");
        let said = FaceModel::read(repository.path()).unwrap_err().to_string();
        assert!(said.contains(": not a face model: 4808 vertices; its parts need "), "{said}");
        assert_eq!(FaceModel::files(Path::new("ict.npz")).unwrap(), [PathBuf::from("ict.npz")]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let said = || read(dir.path()).unwrap_err().to_string();
        let no_model = |why: &str| {
            let accepted = "an .npz with the arrays N, T, ex, E and I of ICT-FaceKit, or a checkout of it";
            format!("{}: not a face model: {why}; accepted: {accepted}", dir.path().display())
        };
        let save = |name: &str| std::fs::write(file(dir.path(), name), "").unwrap();
        assert_eq!(
            said(),
            no_model("neither generic_neutral_mesh.obj nor FaceXModel/generic_neutral_mesh.obj is there")
        );
        save(NEUTRAL);
        assert_eq!(said(), no_model("no expression, such as jawOpen.obj, is there"));
        save("jawOpen");
        assert_eq!(said(), no_model("identity000.obj is not there"));
        save("identity001");
        assert_eq!(said(), no_model("identity000.obj is not there"));
        save("identity000");
        save("identity003");
        assert_eq!(said(), no_model("identity002.obj is not there"));
        (0..MAX_FILES).for_each(|i| save(&format!("shape{i}")));
        assert_eq!(said(), format!("{}: too many OBJ files; accepted: at most 256", dir.path().display()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        check_out(&FaceModel::sketch(), 2, dir.path());
        let said = |name: &str, bytes: &[u8]| {
            let path = file(dir.path(), name);
            let before = std::fs::read(&path).unwrap();
            std::fs::write(&path, bytes).unwrap();
            let said = read(dir.path()).unwrap_err().to_string();
            std::fs::write(&path, before).unwrap();
            said.replace(&path.display().to_string(), name)
        };
        let jaw = std::fs::read_to_string(file(dir.path(), "jawOpen")).unwrap();
        let first = |line: &str| jaw.replacen("\nv ", &format!("\n{line}\nv "), 1).into_bytes();
        let faces = "other faces than in generic_neutral_mesh.obj; accepted: the same in the same order";
        for (bytes, why) in [
            (first("v 1 2 3"), "4809 vertices; accepted: 4808, as in generic_neutral_mesh.obj"),
            (first("v 1 2"), "line 4: a vertex of 2 coordinates; accepted: 3"),
            (first("v 1 NaN 2"), "line 4: coordinate \"NaN\"; accepted: a finite number"),
            (jaw[..jaw.rfind("\nf ").unwrap()].into(), faces),
            (jaw[..jaw.find("\nvt ").unwrap()].into(), faces),
            (b"v 1 2 3\nv \xff".into(), "line 2: byte 3 is no UTF-8 text"),
            (vec![b'\n'; MAX_BYTES as usize + 1], "too large; accepted: at most 16777216 bytes"),
        ] {
            assert_eq!(said("jawOpen", &bytes), format!("jawOpen: {why}"));
            assert_eq!(said("identity001", &bytes), format!("identity001: {why}"));
        }
        let face = said(NEUTRAL, (jaw.clone() + "f 1 2 4809").as_bytes());
        let range = "1 to 4808 or -1 to -4808, the vertices before it";
        assert!(face.ends_with(&format!(": corner \"4809\"; accepted: {range}")), "{face}");
        let far = jaw.replacen("\nv ", "\nv 1e300 ", 1);
        for (name, named) in [("jawOpen", "jawOpen"), ("identity001", "person 1"), (NEUTRAL, "mean face")] {
            let said = said(name, far.as_bytes());
            assert!(said.contains(&format!("not a face model: {named}: a coordinate of ")), "{said}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_no_text_is_refused() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(file(dir.path(), NEUTRAL), "").unwrap();
        std::fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"jaw\xff.obj")), "").unwrap();
        let said = Checkout::find(dir.path()).unwrap_err().to_string();
        assert!(said.ends_with(".obj: its name is no UTF-8 text"), "{said}");
    }

    #[test]
    fn ict_facekit_comes_back_from_files() {
        let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/ict-facekit/ict.npz").into();
        let path = std::env::var_os("MTCAE_ICT").map_or_else(beside, PathBuf::from);
        if !path.is_file() {
            let path = path.display();
            return println!(
                "skipped: a checkout of ICT-FaceKit because {path} is not there; MTCAE_ICT says where it is"
            );
        }
        let npz = FaceModel::read(&path).unwrap();
        let dir = tempfile::tempdir().unwrap();
        check_out(&npz, 3, dir.path());
        let found = FaceModel::read(dir.path()).unwrap();
        assert_eq!((found.expressions(), found.identities()), (57, 3));
        assert_equal(&found, &npz, 3);
    }
}
