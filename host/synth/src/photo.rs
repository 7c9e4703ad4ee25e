//! From light to bytes: exposure, white balance, lens blur, noise, compression.

use crate::random::Random;
use crate::vector::{Vec3, scale};
use image::ExtendedColorType::Rgb8;
use image::codecs::jpeg::JpegEncoder;

/// Steps of the tone curve's table, from black to [`WHITE`].
const STEPS: usize = 4096;

/// Light at which everything is white.
const WHITE: f32 = 1.25;

/// A camera's sensor and what follows it.
#[derive(Debug, Clone)]
pub struct Photo {
    /// Bytes for light, from 0 to [`WHITE`] in [`STEPS`] steps.
    curve: Vec<f32>,
    exposure: Vec3,
    /// Weights of a pixel's neighbours from the pixel itself outwards; they sum to 1 over both sides.
    kernel: Vec<f32>,
    /// Standard deviation of noise in the dark and what light adds to it, of 255.
    noise: [f32; 2],
    grey: bool,
    quality: Option<u8>,
}

impl Photo {
    /// Draws a camera that is exposed for a face of this `skin`, half way as cameras do, and not always well.
    pub fn draw(r: &mut Random, size: usize, skin: Vec3) -> Photo {
        let bright = 0.3 * skin[0] + 0.6 * skin[1] + 0.1 * skin[2];
        let exposure = (0.25 * r.normal(2.0)).exp() * (0.28 / bright.max(0.02)).powf(0.45);
        let (warm, green) = (r.around(0.12), r.around(0.04));
        let contrast = r.range(0.95, 1.3);
        let lift = r.range(0.0, 10.0);
        let sigma = if r.chance(0.6) { r.range(0.0, 0.006) * size as f32 } else { 0.0 };
        let loud = r.unit() * r.unit();
        Photo {
            curve: (0..STEPS).map(|i| tone(WHITE * i as f32 / (STEPS - 1) as f32, contrast, lift)).collect(),
            exposure: scale([1.0 + warm, 1.0 + green, 1.0 - warm], exposure),
            kernel: kernel(sigma),
            noise: [4.5 * loud, 6.0 * loud],
            grey: r.chance(0.1),
            quality: r.chance(0.75).then(|| r.range(35.0, 96.0) as u8),
        }
    }

    /// The bytes, `size * size * 3`, of the light that fell on `size * size` pixels.
    pub fn develop(&self, film: &mut [Vec3], size: usize, r: &mut Random) -> Vec<u8> {
        self.blur(film, size);
        let mut bytes = Vec::with_capacity(film.len() * 3);
        for light in film.iter() {
            let mut rgb = [0.0; 3];
            for (c, v) in rgb.iter_mut().enumerate() {
                let step = (light[c] * self.exposure[c] * ((STEPS - 1) as f32 / WHITE)) as usize;
                *v = self.curve[step.min(STEPS - 1)];
            }
            if self.grey {
                rgb = [0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]; 3];
            }
            bytes
                .extend(rgb.map(|v| (v + (self.noise[0] + self.noise[1] * (v / 255.0)) * rough_normal(r) + 0.5) as u8));
        }
        match self.quality {
            Some(quality) => compressed(bytes, size, quality),
            None => bytes,
        }
    }

    fn blur(&self, film: &mut [Vec3], size: usize) {
        let reach = self.kernel.len() - 1;
        if reach == 0 {
            return;
        }
        let mut line = vec![[0.0; 3]; size];
        for (along, across) in [(1, size), (size, 1)] {
            for k in 0..size {
                for (i, out) in line.iter_mut().enumerate() {
                    *out = scale(film[k * across + i * along], self.kernel[0]);
                    for (d, w) in self.kernel.iter().enumerate().skip(1) {
                        let (a, b) = (i.saturating_sub(d), (i + d).min(size - 1));
                        let (a, b) = (film[k * across + a * along], film[k * across + b * along]);
                        *out = std::array::from_fn(|c| out[c] + w * (a[c] + b[c]));
                    }
                }
                line.iter().enumerate().for_each(|(i, c)| film[k * across + i * along] = *c);
            }
        }
    }
}

/// sRGB's curve with more or less contrast, and a black that is not quite black; 0 to 255.
fn tone(light: f32, contrast: f32, lift: f32) -> f32 {
    // Highlights roll off instead of clipping.
    let l = if light > 0.7 { 0.7 + (1.0 - (-(light - 0.7) / 0.3).exp()) * 0.3 } else { light };
    let v = if l <= 0.003_130_8 { 12.92 * l } else { 1.055 * l.powf(1.0 / 2.4) - 0.055 };
    let v = 0.5 + (v - 0.5) * contrast;
    lift + v.clamp(0.0, 1.0) * (255.0 - lift)
}

/// A Gaussian's weights from its middle outwards.
fn kernel(sigma: f32) -> Vec<f32> {
    let reach = if sigma < 0.2 { 0 } else { (2.5 * sigma).ceil() as usize };
    let raw: Vec<f32> = (0..=reach).map(|i| (-0.5 * (i as f32 / sigma.max(1e-3)).powi(2)).exp()).collect();
    let sum = raw[0] + 2.0 * raw[1..].iter().sum::<f32>();
    raw.into_iter().map(|w| w / sum).collect()
}

/// Near enough to a standard normal number for noise, from one draw.
fn rough_normal(r: &mut Random) -> f32 {
    let b = r.bits();
    let sum = (b & 0xffff) + ((b >> 16) & 0xffff) + ((b >> 32) & 0xffff) + (b >> 48);
    (sum as f32 - 131_070.0) / 37_837.0
}

/// A picture that was a JPEG. As it is, should the codec refuse: there is no such case for a whole RGB picture.
fn compressed(bytes: Vec<u8>, size: usize, quality: u8) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let written = JpegEncoder::new_with_quality(&mut jpeg, quality).encode(&bytes, size as u32, size as u32, Rgb8);
    let read = written.and_then(|()| image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg));
    read.map_or(bytes, |picture| picture.into_rgb8().into_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Photo {
        Photo {
            curve: (0..STEPS).map(|i| tone(WHITE * i as f32 / (STEPS - 1) as f32, 1.0, 0.0)).collect(),
            exposure: [1.0; 3],
            kernel: kernel(0.0),
            noise: [0.0; 2],
            grey: false,
            quality: None,
        }
    }

    #[test]
    fn light_becomes_srgb() {
        let mut r = Random::new(1, "photo");
        let bytes = plain().develop(&mut [[0.0, 0.2140, 9.0]; 4], 2, &mut r);
        assert!(bytes[0] == 0 && (126..=129).contains(&bytes[1]) && bytes[2] >= 250, "{bytes:?}");
    }

    #[test]
    fn blur_spreads_and_keeps_light() {
        let photo = Photo { kernel: kernel(1.0), ..plain() };
        let mut film = vec![[0.0; 3]; 81];
        film[40] = [1.0; 3];
        photo.blur(&mut film, 9);
        let sum: f32 = film.iter().map(|p| p[0]).sum();
        assert!((sum - 1.0).abs() < 1e-3 && film[41][0] > 0.05 && film[40][0] < 0.3, "{sum}");
    }

    #[test]
    fn noise_and_compression_change_little() {
        let mut r = Random::new(2, "photo");
        let grey = vec![[0.2; 3]; 32 * 32];
        let noisy = Photo { noise: [4.0, 0.0], quality: Some(90), ..plain() }.develop(&mut grey.clone(), 32, &mut r);
        let still = plain().develop(&mut grey.clone(), 32, &mut r);
        let apart = noisy.iter().zip(&still).map(|(a, b)| f32::from(a.abs_diff(*b))).sum::<f32>() / still.len() as f32;
        assert!((1.0..8.0).contains(&apart), "{apart}");
    }
}
