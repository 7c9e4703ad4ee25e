//! A face model: a mesh, and how persons and expressions move its vertices.

use crate::checkout::Checkout;
use crate::layout::{Layout, Surface};
use crate::vector::{Vec3, add, length, scale};
use crate::{SynthError, npz};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// Offsets shorter than this are left out, centimetres: a fiftieth of a pixel on a face of a hundred.
const SMALLEST_OFFSET: f32 = 2e-3;

/// One expression shape: where its full weight moves vertices.
#[derive(Debug, Clone)]
pub struct Shape {
    name: String,
    offsets: Vec<(u32, Vec3)>,
}

/// A head whose form is a weighted sum: mean + persons' shapes + expression shapes.
#[derive(Debug, Clone)]
pub struct FaceModel {
    layout: Layout,
    neutral: Vec<Vec3>,
    /// Triangles of the parts that the layout names, with what they are made of.
    triangles: Vec<([u32; 3], Surface)>,
    expressions: Vec<Shape>,
    by_name: HashMap<String, usize>,
    identities: Vec<Vec<Vec3>>,
}

impl FaceModel {
    /// ICT-FaceKit, as an `.npz` or as a checkout.
    ///
    /// The `.npz` has `N` `[V, 3]` neutral mean face, centimetres; `T` `[F, 3]` triangles; `ex` names of the expression
    /// shapes; `E` `[shapes, V, 3]` and `I` `[persons, V, 3]` offsets. A checkout is the repository or its folder `FaceXModel`:
    /// `generic_neutral_mesh.obj`, `identity000.obj` and on, and each other OBJ file an expression of its name.
    ///
    /// # Errors
    /// When a file cannot be read, or an array or a file is missing, of another shape or not finite; the message names it.
    pub fn read(path: &Path) -> Result<FaceModel, SynthError> {
        if path.is_dir() { Checkout::find(path)?.read(Layout::ict()) } else { FaceModel::read_npz(path) }
    }

    /// The files that [`FaceModel::read`] reads: `path` itself, or those of the checkout in a fixed order.
    ///
    /// # Errors
    /// When `path` is a folder, but not of a checkout.
    pub fn files(path: &Path) -> Result<Vec<PathBuf>, SynthError> {
        if path.is_dir() { Ok(Checkout::find(path)?.files()) } else { Ok(vec![path.to_owned()]) }
    }

    fn read_npz(path: &Path) -> Result<FaceModel, SynthError> {
        let file = std::fs::File::open(path).map_err(|cause| SynthError::Io { path: path.to_owned(), cause })?;
        let wrong = |why: String| SynthError::Model { path: path.to_owned(), why };
        let mut archive = ZipArchive::new(std::io::BufReader::new(file)).map_err(|e| wrong(e.to_string()))?;
        let mut array = |name: &str| npz::read(&mut archive, name).map_err(wrong);
        let [n, t, ex, e, i] = [array("N")?, array("T")?, array("ex")?, array("E")?, array("I")?];
        let named = |name: &str, why: String| wrong(format!("array `{name}`: {why}"));
        let neutral = points(n.floats().map_err(|w| named("N", w))?);
        let triangles = t.indices().map_err(|w| named("T", w))?.as_chunks().0.to_vec();
        let names = ex.strings().map_err(|w| named("ex", w))?;
        let v = neutral.len();
        for (name, found, expected) in [
            ("N", &n.shape, vec![v, 3]),
            ("T", &t.shape, vec![triangles.len(), 3]),
            ("E", &e.shape, vec![names.len(), v, 3]),
            ("I", &i.shape, vec![i.shape.first().copied().unwrap_or(0), v, 3]),
        ] {
            if *found != expected {
                return Err(named(name, format!("shape {found:?}; expected {expected:?}")));
            }
        }
        let offsets = |floats: Vec<f32>| -> Vec<Vec<Vec3>> {
            points(floats).chunks_exact(v.max(1)).map(<[Vec3]>::to_vec).collect()
        };
        let expressions = names.into_iter().zip(offsets(e.floats().map_err(|w| named("E", w))?)).collect();
        let identities = offsets(i.floats().map_err(|w| named("I", w))?);
        FaceModel::from_parts(Layout::ict(), neutral, triangles, expressions, identities).map_err(|e| e.of(path))
    }

    /// A model from its parts: mean face, triangles, expression shapes by name, persons' shapes; offsets one a vertex.
    ///
    /// # Errors
    /// When a list has another length than `neutral`, a number is not finite, an index is out of range, or a part is empty.
    pub fn from_parts(
        layout: Layout,
        neutral: Vec<Vec3>,
        triangles: Vec<[u32; 3]>,
        expressions: Vec<(String, Vec<Vec3>)>,
        identities: Vec<Vec<Vec3>>,
    ) -> Result<FaceModel, SynthError> {
        let wrong = |why: String| Err(SynthError::Parts(why));
        let v = neutral.len();
        if (layout.end() as usize) > v {
            return wrong(format!("{v} vertices; its parts need {}", layout.end()));
        }
        if let Some(t) = triangles.iter().flatten().find(|i| **i as usize >= v) {
            return wrong(format!("a triangle at vertex {t} of {v}"));
        }
        let mean = [("mean face".to_owned(), &neutral)].into_iter();
        let expressed = expressions.iter().map(|(name, o)| (name.clone(), o));
        let persons = identities.iter().enumerate().map(|(i, o)| (format!("person {i}"), o));
        for (name, offsets) in mean.chain(expressed).chain(persons) {
            let odd = offsets.iter().flatten().find(|x| !x.is_finite() || x.abs() > 100.0);
            if let (true, Some(x)) = (offsets.len() == v, odd) {
                return wrong(format!("{name}: a coordinate of {x}; accepted: -100 to 100 cm"));
            } else if offsets.len() != v {
                return wrong(format!("{name}: {} vertices of {v}", offsets.len()));
            }
        }
        let triangles: Vec<_> = triangles.into_iter().filter_map(|t| Some((t, whole_surface(&layout, t)?))).collect();
        if !triangles.iter().any(|(_, s)| *s == Surface::Skin) {
            return wrong("no skin".to_owned());
        }
        let expressions: Vec<Shape> = expressions.into_iter().map(|(name, all)| Shape::new(name, &all)).collect();
        let by_name = expressions.iter().enumerate().map(|(i, s)| (s.name.clone(), i)).collect();
        Ok(FaceModel { layout, neutral, triangles, expressions, by_name, identities })
    }

    /// Where the parts are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The mean face, centimetres.
    pub fn neutral(&self) -> &[Vec3] {
        &self.neutral
    }

    /// Triangles, counter-clockwise from outside, and what they are made of.
    pub fn triangles(&self) -> &[([u32; 3], Surface)] {
        &self.triangles
    }

    /// Number of persons' shapes.
    pub fn identities(&self) -> usize {
        self.identities.len()
    }

    /// Number of expression shapes.
    pub fn expressions(&self) -> usize {
        self.expressions.len()
    }

    /// Names of the expression shapes, in the order of their weights.
    pub fn expression_names(&self) -> impl Iterator<Item = &str> {
        self.expressions.iter().map(|shape| shape.name.as_str())
    }

    /// The index of an expression shape.
    pub fn expression(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The resting face of the person with these `weights` (about standard normal; missing ones are 0).
    pub fn person(&self, weights: &[f32]) -> Vec<Vec3> {
        let mut face = self.neutral.clone();
        for (shape, w) in self.identities.iter().zip(weights) {
            face.iter_mut().zip(shape).for_each(|(p, o)| *p = add(*p, scale(*o, *w)));
        }
        face
    }

    /// Adds expression shapes to `face`, `weights` in the order of the shapes.
    pub fn express(&self, face: &mut [Vec3], weights: &[f32]) {
        for (shape, w) in self.expressions.iter().zip(weights).filter(|(_, w)| **w != 0.0) {
            for (i, o) in &shape.offsets {
                if let Some(p) = face.get_mut(*i as usize) {
                    *p = add(*p, scale(*o, *w));
                }
            }
        }
    }
}

#[cfg(test)]
impl FaceModel {
    /// Expression shapes, offsets one a vertex.
    pub(crate) fn expression_offsets(&self) -> impl Iterator<Item = (&str, Vec<Vec3>)> {
        self.expressions.iter().map(|shape| {
            let mut all = vec![[0.0; 3]; self.neutral.len()];
            shape.offsets.iter().for_each(|(i, o)| all[*i as usize] = *o);
            (shape.name.as_str(), all)
        })
    }

    pub(crate) fn identity_offsets(&self) -> &[Vec<Vec3>] {
        &self.identities
    }
}

impl Shape {
    fn new(name: String, all: &[Vec3]) -> Shape {
        let moved = all.iter().enumerate().filter(|(_, o)| length(**o) > SMALLEST_OFFSET);
        Shape { name, offsets: moved.map(|(i, o)| (i as u32, *o)).collect() }
    }
}

fn points(floats: Vec<f32>) -> Vec<Vec3> {
    floats.as_chunks().0.to_vec()
}

/// What a triangle is made of, when all its corners agree or are within the head.
fn whole_surface(layout: &Layout, [a, b, c]: [u32; 3]) -> Option<Surface> {
    let [a, b, c] = [layout.surface(a)?, layout.surface(b)?, layout.surface(c)?];
    if a == b && b == c { Some(a) } else { [a, b, c].into_iter().find(|s| *s != Surface::Skin) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npz::tests::{npy, npz};

    fn file(arrays: &[(&str, Vec<u8>)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), npz(arrays, false)).unwrap();
        file
    }

    #[test]
    fn weights_move_vertices() {
        let model = FaceModel::sketch();
        let smile = model.expression("mouthSmile_L").unwrap();
        let corner = model.layout().landmarks[54] as usize;
        let mut face = model.person(&[]);
        let mut weights = vec![0.0; model.expressions()];
        weights[smile] = 1.0;
        model.express(&mut face, &weights);
        assert!(face[corner][1] > model.neutral()[corner][1] + 0.3);
        assert_eq!(face[model.layout().landmarks[48] as usize], model.neutral()[model.layout().landmarks[48] as usize]);
        assert_ne!(model.person(&[1.0])[0], model.neutral()[0]);
        assert_eq!(model.expression("earWiggle"), None);
    }

    #[test]
    fn files_that_are_no_model_are_refused_by_name() {
        let missing = FaceModel::read(Path::new("nowhere.npz")).unwrap_err().to_string();
        assert!(missing.starts_with("nowhere.npz: "), "{missing}");
        let empty = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(FaceModel::read(empty.path()), Err(SynthError::Model { .. })));
        let arrays = |e_shape: &[usize], bytes: usize| {
            let names: Vec<u8> = "a".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
            [
                ("N", npy("<f4", &[2, 3], &[0; 24])),
                ("T", npy("<i4", &[1, 3], &[0; 12])),
                ("ex", npy("<U1", &[1], &names)),
                ("E", npy("<f2", e_shape, &vec![0; bytes])),
                ("I", npy("<f2", &[1, 2, 3], &[0; 12])),
            ]
        };
        let said = |f: tempfile::NamedTempFile| FaceModel::read(f.path()).unwrap_err().to_string();
        let shape = said(file(&arrays(&[2, 1, 3], 12)));
        assert!(shape.contains("array `E`: shape [2, 1, 3]; expected [1, 2, 3]"), "{shape}");
        let few = said(file(&arrays(&[1, 2, 3], 12)));
        assert!(few.contains("2 vertices; its parts need"), "{few}");
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let model = FaceModel::sketch();
        let n = model.neutral().to_vec();
        let with = |n: Vec<Vec3>, t, i| FaceModel::from_parts(model.layout().clone(), n, t, vec![], i);
        assert!(with(n.clone(), vec![[0, 1, u32::MAX]], vec![]).is_err());
        assert!(with(n.clone(), vec![[0, 1, 2]], vec![vec![[0.0; 3]; 2]]).is_err());
        assert!(with(n.clone(), vec![], vec![]).is_err());
        let mut odd = n.clone();
        odd[3][1] = f32::NAN;
        assert!(with(odd, vec![[0, 1, 2]], vec![]).is_err());
        assert!(with(n, vec![[0, 1, 2]], vec![]).is_ok());
    }
}
