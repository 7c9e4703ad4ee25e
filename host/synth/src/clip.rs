//! A clip from its seed: person, performance, light, camera, sixteen frames, and where the face is in each.

use crate::backdrop::Backdrop;
use crate::camera::{Camera, five, pixel};
use crate::creases::{Creases, Pull};
use crate::figure::{Figure, Posed};
use crate::light::Light;
use crate::map::FaceMap;
use crate::paint::{SAMPLES, Scene};
use crate::performance::perform;
use crate::person::{Person, dull};
use crate::photo::Photo;
use crate::random::Random;
use crate::raster::Raster;
use crate::skin::Sheet;
use crate::{FaceModel, SynthError};
use mtcae_contract::{Expression, Image, LANDMARKS, Point, Rect};

/// What a face box goes around, on the sheet of the mean head: half its width, and from the brows up and from the chin down,
/// centimetres. Chosen so that boxes agree best with MTCNN's (README).
const BOX: [f32; 3] = [9.5, 4.4, 0.0];

/// What to render.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipSpec {
    /// The expression.
    pub label: Expression,
    /// Which person: the seed of who it is.
    pub subject: u64,
    /// Side of a frame, pixels, 48 to 1024.
    pub size: usize,
    /// Frames, 1 to 256.
    pub frames: usize,
}

/// A rendered clip. Boxes and points are in pixels of the frames.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledClip {
    /// The frames.
    pub frames: Vec<Image>,
    /// Face box of each frame, about what MTCNN would give; may reach outside.
    pub boxes: Vec<Rect>,
    /// Left eye, right eye, nose, left and right mouth corner of each frame, as seen in the image.
    pub landmarks: Vec<[Point; LANDMARKS]>,
    /// How much of the expression shows in each frame, 0 (none, and always for neutral) to about 1.
    pub intensity: Vec<f32>,
    /// The expression.
    pub label: Expression,
    /// Which person.
    pub subject: u64,
}

/// Renders clips of one model. Each thread takes its own.
pub struct Renderer<'m> {
    model: &'m FaceModel,
    map: FaceMap,
    creases: Creases,
    /// Vertices that the face box goes around.
    face: Vec<u32>,
}

impl<'m> Renderer<'m> {
    /// A renderer for `model`.
    pub fn new(model: &'m FaceModel) -> Renderer<'m> {
        let map = FaceMap::new(model.neutral(), model.layout());
        let [half, up, down] = BOX;
        let (top, low) = (map.brow_height() + up, map.chin() - down);
        let inside = |v: &u32| {
            let [s, y] = map.places[*v as usize];
            s.abs() <= half && (low..=top).contains(&y)
        };
        let face = model.layout().skin.clone().filter(inside).collect();
        Renderer { creases: Creases::draw(&map), face, map, model }
    }

    /// The clip of this `spec` and `seed`: the same bytes each time.
    ///
    /// # Errors
    /// When a value of `spec` is out of range; the message names it.
    pub fn render(&self, spec: &ClipSpec, seed: u64) -> Result<LabelledClip, SynthError> {
        spec.validate()?;
        let (model, size) = (self.model, spec.size);
        let person = Person::draw(spec.subject, model);
        let moments = perform(model, &person, spec.label, spec.frames, seed);
        let mut r = Random::new(seed, "scene");
        let figure = Figure::new(model, &self.map, &person, r.chance(0.8));
        let light = Light::draw(&mut r);
        let camera = Camera::draw(&mut r, size, &self.map);
        let photo = Photo::draw(&mut r, size, person.skin);
        let backdrop = Backdrop::draw(&mut Random::new(seed, "backdrop"), size);
        let cloth = (r.bits() as u32, dull(&mut r));
        let sheet = Sheet::draw(&self.map, &person);
        let (person, figure, sheet) = (&person, &figure, &sheet);
        let scene =
            Scene { person, figure, sheet, creases: &self.creases, light: &light, backdrop: &backdrop, cloth, size };
        let mut raster = Raster::new(SAMPLES * size, SAMPLES * size);
        let mut grain = Random::new(seed, "grain");
        let mut clip = LabelledClip::empty(spec);
        for (i, moment) in moments.iter().enumerate() {
            let (posed, shake) = (figure.pose(moment), camera.shake(i));
            let pull = Pull::new(model, &moment.weights, 0.25 + 0.4 * person.age);
            let mut film = scene.frame(&mut raster, &posed, &pull, &camera, shake);
            let bytes = photo.develop(&mut film, size, &mut grain);
            let side = size as u32;
            clip.frames.push(Image::from_rgb(side, side, bytes).map_err(|e| SynthError::Parts(e.to_string()))?);
            clip.boxes.push(self.face_box(&posed, &camera, shake));
            clip.landmarks.push(self.landmarks(&posed, &camera, shake));
            clip.intensity.push(moment.intensity);
        }
        Ok(clip)
    }

    fn landmarks(&self, posed: &Posed, camera: &Camera, shake: [f32; 2]) -> [Point; LANDMARKS] {
        five(|i| pixel(camera.see(posed.points[self.model.layout().landmarks[i] as usize], shake)))
    }

    /// The extent of the face's vertices in the picture.
    fn face_box(&self, posed: &Posed, camera: &Camera, shake: [f32; 2]) -> Rect {
        let mut low = [f32::INFINITY; 2];
        let mut high = [f32::NEG_INFINITY; 2];
        for v in &self.face {
            let [x, y, _] = camera.see(posed.points[*v as usize], shake);
            (low, high) = ([low[0].min(x), low[1].min(y)], [high[0].max(x), high[1].max(y)]);
        }
        Rect { x: low[0], y: low[1], w: high[0] - low[0], h: high[1] - low[1] }
    }
}

impl ClipSpec {
    fn validate(&self) -> Result<(), SynthError> {
        let bad = |what, value: usize, accepted| Err(SynthError::Spec { what, value: value.to_string(), accepted });
        if !(48..=1024).contains(&self.size) {
            return bad("size", self.size, "48 to 1024 pixels");
        }
        if !(1..=256).contains(&self.frames) {
            return bad("frames", self.frames, "1 to 256");
        }
        Ok(())
    }
}

impl LabelledClip {
    fn empty(spec: &ClipSpec) -> LabelledClip {
        LabelledClip {
            frames: Vec::with_capacity(spec.frames),
            boxes: Vec::with_capacity(spec.frames),
            landmarks: Vec::with_capacity(spec.frames),
            intensity: Vec::with_capacity(spec.frames),
            label: spec.label,
            subject: spec.subject,
        }
    }
}
