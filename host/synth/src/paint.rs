//! One frame: which triangle is where, how it is lit, and what colour it has there.

use crate::backdrop::{Backdrop, fabric};
use crate::camera::Camera;
use crate::creases::{Creases, Pull};
use crate::figure::{Figure, Posed, is_behind};
use crate::layout::Surface;
use crate::light::Light;
use crate::person::Person;
use crate::raster::{Corner, NOBODY, Raster, shares};
use crate::skin::{Sheet, strand_light};
use crate::vector::{Vec3, add, lerp, mix, scale, smooth, times};

/// Samples along a pixel's side.
pub const SAMPLES: usize = 2;

/// Everything that stays the same during a clip.
pub struct Scene<'a> {
    pub person: &'a Person,
    pub figure: &'a Figure<'a>,
    pub sheet: &'a Sheet,
    pub creases: &'a Creases,
    pub light: &'a Light,
    pub backdrop: &'a Backdrop,
    /// Seed and colour of the clothes.
    pub cloth: (u32, Vec3),
    pub size: usize,
}

/// A point of the figure as the light and the camera see it.
#[derive(Clone, Copy, Default)]
struct Seen {
    corner: Corner,
    scattered: Vec3,
    mirrored: Vec3,
}

impl Scene<'_> {
    /// The light that falls on each pixel, rows from the top. `raster` is of `SAMPLES * size` samples a side.
    pub fn frame(
        &self,
        raster: &mut Raster,
        posed: &Posed,
        pull: &Pull,
        camera: &Camera,
        shake: [f32; 2],
    ) -> Vec<Vec3> {
        let seen = self.look(posed, camera, shake);
        raster.clear();
        for (id, (t, surface)) in self.figure.triangles.iter().enumerate() {
            let both = matches!(surface, Surface::Hair | Surface::Cloth | Surface::Rim);
            raster.draw(id as u32, t.map(|i| seen[i as usize].corner), both);
        }
        let mut film = Vec::with_capacity(self.size * self.size);
        for y in 0..self.size {
            for x in 0..self.size {
                let mut sum = [0.0; 3];
                for k in 0..SAMPLES * SAMPLES {
                    let (sx, sy) = (SAMPLES * x + k % SAMPLES, SAMPLES * y + k / SAMPLES);
                    let light = match raster.owner(sx, sy) {
                        NOBODY => self.backdrop.at(x, y, shake),
                        id => self.color(id as usize, sx, sy, &seen, pull),
                    };
                    sum = add(sum, light);
                }
                film.push(scale(sum, 1.0 / (SAMPLES * SAMPLES) as f32));
            }
        }
        film
    }

    fn look(&self, posed: &Posed, camera: &Camera, shake: [f32; 2]) -> Vec<Seen> {
        let dims = posed.points.iter().zip(&posed.normals).zip(&posed.dim);
        let seen = dims.map(|((p, normal), dim)| {
            let [x, y, near] = camera.see(*p, shake);
            let corner = [x * SAMPLES as f32, y * SAMPLES as f32, near];
            let eye = camera.from(*p);
            let facing = normal[0] * eye[0] + normal[1] * eye[1] + normal[2] * eye[2];
            // What looks away is not seen, save hair and clothes from inside, which may be as they are.
            if facing < -0.6 {
                return Seen { corner, scattered: [0.2; 3], mirrored: [0.0; 3] };
            }
            let (scattered, mirrored) = self.light.at(*normal, eye);
            Seen { corner, scattered: scale(scattered, *dim), mirrored: scale(mirrored, *dim) }
        });
        seen.collect()
    }

    /// The light that triangle `id` sends to a sample.
    fn color(&self, id: usize, sx: usize, sy: usize, seen: &[Seen], pull: &Pull) -> Vec3 {
        let (t, surface) = self.figure.triangles[id];
        let [a, b, c] = t.map(|i| &seen[i as usize]);
        let w = shares(sx, sy, [a.corner, b.corner, c.corner]);
        let sum = |a: Vec3, b: Vec3, c: Vec3| std::array::from_fn(|i| w[0] * a[i] + w[1] * b[i] + w[2] * c[i]);
        let scattered: Vec3 = sum(a.scattered, b.scattered, c.scattered);
        let mirrored: Vec3 = sum(a.mirrored, b.mirrored, c.mirrored);
        let mut p = t.map(|i| self.figure.places[i as usize]);
        if surface == Surface::Skin && p.iter().any(|p| is_behind(p[0])) {
            p.iter_mut().filter(|p| p[0] < 0.5).for_each(|p| p[0] += 1.0);
        }
        let [u, v] = [0, 1].map(|i| w[0] * p[0][i] + w[1] * p[1][i] + w[2] * p[2][i]);
        let (color, shine) = self.surface(surface, [u, v], pull);
        add(times(color, scattered), scale(mirrored, shine))
    }

    /// Colour and shine of a surface at a place.
    fn surface(&self, surface: Surface, [u, v]: [f32; 2], pull: &Pull) -> (Vec3, f32) {
        match surface {
            Surface::Skin => {
                let [r, g, b, shine] = self.sheet.at(u, v);
                let k = self.creases.at(u, v, pull);
                ([r * k, g * k * k.sqrt(), b * k * k.sqrt()], shine)
            }
            Surface::Cavity => ([0.20, 0.05, 0.045], 0.1),
            Surface::Gums => ([0.42, 0.14, 0.14], 0.5),
            Surface::Teeth => ([0.72, 0.68, 0.58], 0.8),
            Surface::Eye(_) => iris(self.person.iris, [u, v]),
            Surface::Hair => (scale(self.person.hair.color, strand_light(self.person, [u, v])), 0.25),
            Surface::Rim => (self.person.glasses.as_ref().map_or([0.02; 3], |g| g.color), 1.2),
            Surface::Cloth => (scale(self.cloth.1, fabric(self.cloth.0, [u, v])), 0.05),
        }
    }
}

/// The eyeball at a direction from its middle.
fn iris(color: Vec3, [x, y]: [f32; 2]) -> (Vec3, f32) {
    let r = x.hypot(y);
    let white = mix([0.62, 0.58, 0.55], [0.5, 0.3, 0.27], smooth(0.5, 0.95, r));
    let rays = 1.0 + 0.25 * (14.0 * y.atan2(x)).sin();
    let ring = scale(color, rays * lerp(1.25, 0.45, smooth(0.28, 0.44, r)));
    let color = mix(ring, white, smooth(0.42, 0.47, r));
    let color = mix([0.004; 3], color, smooth(0.15, 0.2, r));
    // The spot that makes an eye look alive.
    let spot = smooth(0.11, 0.06, (x + 0.14).hypot(y - 0.16));
    (mix(color, [0.9; 3], 0.85 * spot), 1.5)
}
