//! Pictures made worse on purpose, to see what a model still reads from them.

use mtcae_contract::Point;
use mtcae_data::StillRef;
use mtcae_network::SplitMix;
use std::f32::consts::TAU;

/// One way to make a picture worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Harm {
    /// Less light: brightness times the amount, 0 to 1.
    Dark,
    /// Out of focus: a Gaussian of so many hundredths of the face's width.
    Blurred,
    /// Far away: the face has so many pixels across.
    Small,
    /// Turned in the picture by so many degrees.
    Rotated,
    /// A grey patch over this share of the face's box, at a random place.
    Occluded,
    /// Grain of so many grey levels (standard deviation).
    Noisy,
}

impl Harm {
    /// All of them.
    pub const ALL: [Harm; 6] = [Harm::Dark, Harm::Blurred, Harm::Small, Harm::Rotated, Harm::Occluded, Harm::Noisy];

    /// As a command line has it.
    pub fn name(self) -> &'static str {
        match self {
            Harm::Dark => "dark",
            Harm::Blurred => "blurred",
            Harm::Small => "small",
            Harm::Rotated => "rotated",
            Harm::Occluded => "occluded",
            Harm::Noisy => "noisy",
        }
    }

    /// What an amount of it means.
    pub fn unit(self) -> &'static str {
        match self {
            Harm::Dark => "of the light",
            Harm::Blurred => "% of the face's width",
            Harm::Small => "pixels across the face",
            Harm::Rotated => "degrees",
            Harm::Occluded => "% of the face's box",
            Harm::Noisy => "grey levels",
        }
    }

    /// The amounts a curve has, from mild to hard.
    pub fn amounts(self) -> [f32; 4] {
        match self {
            Harm::Dark => [0.5, 0.25, 0.12, 0.06],
            Harm::Blurred => [2.0, 4.0, 8.0, 16.0],
            Harm::Small => [32.0, 24.0, 16.0, 10.0],
            Harm::Rotated => [10.0, 20.0, 30.0, 45.0],
            Harm::Occluded => [10.0, 20.0, 35.0, 50.0],
            Harm::Noisy => [8.0, 16.0, 32.0, 64.0],
        }
    }
}

/// A still that was made worse; box and landmarks are where they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoiled {
    image: Vec<u8>,
    landmarks: [Point; 5],
}

impl Spoiled {
    /// `still` with `amount` of `harm`; `seed` says where a patch lies and what the grain is.
    pub fn new(still: &StillRef<'_>, harm: Harm, amount: f32, seed: u64) -> Spoiled {
        let mut random = SplitMix::new(seed);
        let face = still.face.w.max(1e-3) * still.side as f32;
        let mut landmarks = still.landmarks;
        let each = |f: &mut dyn FnMut(f32) -> f32| -> Vec<u8> {
            still.image.iter().map(|v| f(f32::from(*v)).round().clamp(0.0, 255.0) as u8).collect()
        };
        let image = match harm {
            Harm::Dark => each(&mut |v| v * amount),
            Harm::Noisy => each(&mut |v| v + amount * normal(&mut random)),
            Harm::Blurred => blurred(still, amount / 100.0 * face),
            Harm::Small => small(still, (amount / face).min(1.0)),
            Harm::Rotated => {
                let (sin, cos) = amount.to_radians().sin_cos();
                let c = still.face.center();
                let turn = |p: Point, sin: f32| Point {
                    x: c.x + cos * (p.x - c.x) - sin * (p.y - c.y),
                    y: c.y + sin * (p.x - c.x) + cos * (p.y - c.y),
                };
                landmarks = landmarks.map(|p| turn(p, sin));
                sampled(still, still.side, |p| turn(p, -sin))
            }
            Harm::Occluded => {
                let share = (amount / 100.0).sqrt();
                let (w, h) = (still.face.w * share, still.face.h * share);
                let x = still.face.x + random.unit() * (still.face.w - w);
                let y = still.face.y + random.unit() * (still.face.h - h);
                covered(still, (x, x + w), (y, y + h))
            }
        };
        Spoiled { image, landmarks }
    }

    /// As the sample `still` that it was made of.
    pub fn still<'a>(&'a self, still: &StillRef<'a>) -> StillRef<'a> {
        StillRef { image: &self.image, landmarks: self.landmarks, ..*still }
    }
}

/// A standard normal number (Box and Muller).
fn normal(random: &mut SplitMix) -> f32 {
    (-2.0 * random.unit().max(1e-7).ln()).sqrt() * (TAU * random.unit()).cos()
}

/// A picture of `side` pixels a side, every one from where `from` (fractions of the picture) says; beyond the border the
/// border repeats.
fn sampled(still: &StillRef<'_>, side: usize, from: impl Fn(Point) -> Point) -> Vec<u8> {
    let (has, n) = (still.side, still.channels);
    let mut out = Vec::with_capacity(side * side * n);
    for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
        let p = from(Point { x: (x as f32 + 0.5) / side as f32, y: (y as f32 + 0.5) / side as f32 });
        let at = |v: f32| (v * has as f32 - 0.5).clamp(0.0, (has - 1) as f32);
        let (fx, fy) = (at(p.x), at(p.y));
        let (x0, y0) = (fx as usize, fy as usize);
        let (x1, y1) = ((x0 + 1).min(has - 1), (y0 + 1).min(has - 1));
        let (fx, fy) = (fx.fract(), fy.fract());
        for c in 0..n {
            let v = |x: usize, y: usize| f32::from(still.image[(y * has + x) * n + c]);
            let (top, low) = (v(x0, y0) * (1.0 - fx) + v(x1, y0) * fx, v(x0, y1) * (1.0 - fx) + v(x1, y1) * fx);
            out.push((top * (1.0 - fy) + low * fy).round() as u8);
        }
    }
    out
}

/// A separable Gaussian of `sigma` pixels; beyond the border the border repeats.
fn blurred(still: &StillRef<'_>, sigma: f32) -> Vec<u8> {
    let reach = (3.0 * sigma).ceil() as isize;
    let weights: Vec<f32> = (-reach..=reach).map(|i| (-0.5 * (i as f32 / sigma.max(1e-3)).powi(2)).exp()).collect();
    let sum: f32 = weights.iter().sum();
    let (side, n) = (still.side as isize, still.channels);
    let pass = |image: &[f32], step: (isize, isize)| -> Vec<f32> {
        let mut out = Vec::with_capacity(image.len());
        for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
            for c in 0..n {
                let one = |(weight, i): (&f32, isize)| {
                    let (x, y) = ((x + i * step.0).clamp(0, side - 1), (y + i * step.1).clamp(0, side - 1));
                    weight * image[(y * side + x) as usize * n + c]
                };
                out.push(weights.iter().zip(-reach..).map(one).sum::<f32>() / sum);
            }
        }
        out
    };
    let image: Vec<f32> = still.image.iter().map(|v| f32::from(*v)).collect();
    pass(&pass(&image, (1, 0)), (0, 1)).into_iter().map(|v| v.round() as u8).collect()
}

/// Shrunk to `scale` of its side by means of areas, and drawn large again.
fn small(still: &StillRef<'_>, scale: f32) -> Vec<u8> {
    let (side, n) = (still.side, still.channels);
    let few = ((side as f32 * scale).round() as usize).clamp(1, side);
    let edge = |i: usize| i * side / few;
    let mut shrunk = Vec::with_capacity(few * few * n);
    for (y, x) in (0..few).flat_map(|y| (0..few).map(move |x| (y, x))) {
        for c in 0..n {
            let rows = edge(y)..edge(y + 1);
            let sum: usize = rows
                .clone()
                .flat_map(|r| (edge(x)..edge(x + 1)).map(move |q| (r, q)))
                .map(|(r, q)| usize::from(still.image[(r * side + q) * n + c]))
                .sum();
            let count = rows.len() * (edge(x + 1) - edge(x));
            shrunk.push((sum as f32 / count as f32).round() as u8);
        }
    }
    sampled(&StillRef { image: &shrunk, side: few, ..*still }, side, |p| p)
}

/// A mid-grey patch over `xs` and `ys`, fractions of the picture.
fn covered(still: &StillRef<'_>, xs: (f32, f32), ys: (f32, f32)) -> Vec<u8> {
    let mut out = still.image.to_vec();
    let inside = |i: usize, (from, to): (f32, f32)| {
        let at = (i as f32 + 0.5) / still.side as f32;
        at >= from && at < to
    };
    for (i, pixel) in out.chunks_mut(still.channels).enumerate() {
        if inside(i % still.side, xs) && inside(i / still.side, ys) {
            pixel.fill(128);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::Rect;

    const SIDE: usize = 40;

    /// A bright square on the left of a grey picture.
    fn picture() -> Vec<u8> {
        (0..SIDE * SIDE)
            .map(|i| if (8..14).contains(&(i % SIDE)) && (16..24).contains(&(i / SIDE)) { 240 } else { 80 })
            .collect()
    }

    fn still(image: &[u8]) -> StillRef<'_> {
        StillRef {
            image,
            side: SIDE,
            channels: 1,
            face: Rect { x: 0.25, y: 0.25, w: 0.5, h: 0.5 },
            landmarks: [Point { x: 0.3, y: 0.5 }; 5],
            has_face: true,
            filled: false,
            stored: mtcae_data::Stored::Face,
            label: 0,
            subject: 7,
        }
    }

    fn mean(v: &[u8]) -> f32 {
        v.iter().map(|v| f32::from(*v)).sum::<f32>() / v.len() as f32
    }

    fn spread(v: &[u8]) -> f32 {
        let m = mean(v);
        (v.iter().map(|v| (f32::from(*v) - m).powi(2)).sum::<f32>() / v.len() as f32).sqrt()
    }

    #[test]
    fn each_harm_does_what_it_says() {
        let image = picture();
        let of = |harm, amount| Spoiled::new(&still(&image), harm, amount, 3);
        assert!((mean(&of(Harm::Dark, 0.25).image) - mean(&image) / 4.0).abs() < 0.5);
        let noise: Vec<u8> =
            of(Harm::Noisy, 16.0).image.iter().zip(&image).map(|(a, b)| a.wrapping_sub(*b).wrapping_add(128)).collect();
        assert!((spread(&noise) - 16.0).abs() < 1.5, "{}", spread(&noise));
        for harm in [Harm::Blurred, Harm::Small] {
            let spreads = harm.amounts().map(|amount| spread(&of(harm, amount).image));
            // The light is the same, its edges are softer, and the more the harder.
            // Edges that fall between two large pixels are softer than those that do not.
            assert!(
                spreads.is_sorted_by(|a, b| a + 0.5 >= *b) && spreads[3] < 0.9 * spread(&image),
                "{harm:?} {spreads:?}"
            );
            assert!((mean(&of(harm, harm.amounts()[2]).image) - mean(&image)).abs() < 2.0);
        }
        let patch = of(Harm::Occluded, 25.0).image.iter().filter(|v| **v == 128).count();
        assert!((patch as f32 / (SIDE * SIDE) as f32 - 0.25 * 0.25).abs() < 0.02, "{patch}");
    }

    #[test]
    fn a_turned_face_keeps_its_points_on_it() {
        let image = picture();
        let turned = Spoiled::new(&still(&image), Harm::Rotated, 90.0, 3);
        // From the left of the middle to above it: the picture's y goes down.
        let p = turned.landmarks[0];
        assert!((p.x - 0.5).abs() < 1e-5 && (p.y - 0.3).abs() < 1e-5, "{p:?}");
        let at = |x: f32, y: f32| turned.image[(y * SIDE as f32) as usize * SIDE + (x * SIDE as f32) as usize];
        assert!(at(0.5, 0.28) > 200 && at(0.28, 0.5) < 100);
    }

    #[test]
    fn nothing_is_changed_by_no_harm_and_the_same_seed_gives_the_same() {
        let image = picture();
        assert_eq!(Spoiled::new(&still(&image), Harm::Dark, 1.0, 1).image, image);
        assert_eq!(Spoiled::new(&still(&image), Harm::Small, 900.0, 1).image, image);
        for harm in Harm::ALL {
            let of = |seed| Spoiled::new(&still(&image), harm, harm.amounts()[1], seed);
            assert_eq!(of(5), of(5), "{harm:?}");
        }
    }
}
