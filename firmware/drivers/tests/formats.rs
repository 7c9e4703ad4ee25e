//! Every pixel format: pictures through an encoder and back, golden bytes of V4L2's documentation, padding, what is
//! refused, and raw pictures of a colour chart.
#![cfg(feature = "decode")]

use insta::assert_snapshot;
use mtcae_contract::Image;
use mtcae_drivers::{Bayer, FrameLayout, PictureDecoder, PixelFormat, Range, Samples};
use proptest::prelude::*;

const RAW: usize = 20;

fn layout(format: PixelFormat, width: u32, height: u32) -> FrameLayout {
    FrameLayout { format, width, height, stride: 0, range: Range::Full }
}

/// Smooth in every colour, so that shared chroma and halved sides lose little; grey on average.
fn scene(x: f64, y: f64) -> [f64; 3] {
    let wave = |fx: f64, fy: f64, phase: f64| 0.5 + 0.35 * (fx * x + fy * y + phase).sin();
    let turn = std::f64::consts::TAU;
    [wave(turn, turn, 0.0), wave(turn, -turn, 2.0), wave(-turn, 2.0 * turn, 4.0)]
}

fn linear_from_srgb(v: f64) -> f64 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn srgb_from_linear(light: f64) -> f64 {
    if light <= 0.0031308 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

/// Encodes pictures given by their colour (sRGB, 0 to 1) at each pixel.
struct Encoder {
    layout: FrameLayout,
    bytes: Vec<u8>,
}

impl Encoder {
    fn encode(layout: FrameLayout, colour: impl Fn(u32, u32) -> [f64; 3]) -> Vec<u8> {
        // Padding is full of ones, which nothing may read.
        let len = layout.checked_len().unwrap();
        let mut encoder = Encoder { layout, bytes: vec![0xff; len] };
        let (w, h) = (layout.width, layout.height);
        for (x, y) in (0..h).flat_map(|y| (0..w).map(move |x| (x, y))) {
            match layout.format {
                PixelFormat::Raw(bayer, samples) => encoder.raw(bayer, samples, x, y, colour(x, y)),
                _ => encoder.yuv(x, y, &colour),
            }
        }
        encoder.bytes
    }

    fn at(&self, y: u32) -> usize {
        y as usize * self.layout.checked_stride().unwrap()
    }

    fn yuv(&mut self, x: u32, y: u32, colour: &impl Fn(u32, u32) -> [f64; 3]) {
        let (w, h) = (self.layout.width, self.layout.height);
        // Chroma is the mean of the pixels that share it.
        let rows = if self.layout.format == PixelFormat::Nv12 { y / 2 * 2..(y / 2 * 2 + 2).min(h) } else { y..y + 1 };
        let columns = x / 2 * 2..(x / 2 * 2 + 2).min(w);
        let count = (rows.len() * columns.len()) as f64;
        let luma = self.yuv_of(colour(x, y))[0];
        let mut chroma = [0.0; 2];
        for (column, row) in rows.flat_map(|row| columns.clone().map(move |column| (column, row))) {
            let shared = self.yuv_of(colour(column, row));
            chroma[0] += shared[1] / count;
            chroma[1] += shared[2] / count;
        }
        let [luma, u, v] = [luma, chroma[0], chroma[1]].map(|v| v.round().clamp(0.0, 255.0) as u8);
        let (row, x) = (self.at(y), x as usize);
        let group = row + x / 2 * 4;
        let second = self.at(h) + self.at(y / 2) + x / 2 * 2;
        let samples = match self.layout.format {
            PixelFormat::Yuyv => [(group + x % 2 * 2, luma), (group + 1, u), (group + 3, v)],
            PixelFormat::Uyvy => [(group + x % 2 * 2 + 1, luma), (group, u), (group + 2, v)],
            PixelFormat::Nv12 => [(row + x, luma), (second, u), (second + 1, v)],
            _ => [(row + x, luma); 3],
        };
        samples.into_iter().for_each(|(at, sample)| self.bytes[at] = sample);
    }

    /// BT.601's definition, not its inverse that the decoder has.
    fn yuv_of(&self, [r, g, b]: [f64; 3]) -> [f64; 3] {
        let y = 0.299 * r + 0.587 * g + 0.114 * b;
        let (u, v) = ((b - y) / 1.772, (r - y) / 1.402);
        match self.layout.range {
            Range::Full => [255.0 * y, 128.0 + 255.0 * u, 128.0 + 255.0 * v],
            Range::Limited => [16.0 + 219.0 * y, 128.0 + 224.0 * u, 128.0 + 224.0 * v],
        }
    }

    /// One sample as a sensor with black at a sixteenth sees it.
    fn raw(&mut self, bayer: Bayer, samples: Samples, x: u32, y: u32, colour: [f64; 3]) {
        let letters = match bayer {
            Bayer::Rggb => [0, 1, 1, 2],
            Bayer::Grbg => [1, 0, 2, 1],
            Bayer::Gbrg => [1, 2, 0, 1],
            Bayer::Bggr => [2, 1, 1, 0],
        };
        let light = linear_from_srgb(colour[letters[(y % 2 * 2 + x % 2) as usize]]);
        let most = f64::from((1 << samples.bits()) - 1);
        let v = ((0.0625 + 0.9375 * light).clamp(0.0, 1.0) * most).round() as u16;
        let (row, x) = (self.at(y), x as usize);
        let bytes = &mut self.bytes[row..];
        match samples {
            Samples::Bits8 => bytes[x] = v as u8,
            Samples::Bits10 | Samples::Bits12 => bytes[2 * x..][..2].copy_from_slice(&v.to_le_bytes()),
            Samples::Packed10 => put(bytes, x / 4 * 5, 4, x % 4, v >> 2, v & 3),
            Samples::Packed12 => put(bytes, x / 2 * 3, 2, x % 2, v >> 4, v & 15),
        }
    }
}

/// High bits to a byte of their own, low bits into the group's last one.
fn put(bytes: &mut [u8], group: usize, samples: usize, i: usize, high: u16, low: u16) {
    let bits = 8 / samples;
    bytes[group + i] = high as u8;
    let last = &mut bytes[group + samples];
    *last = *last & !(((1 << bits) - 1) << (bits * i)) | (low as u8) << (bits * i);
}

fn psnr(image: &Image, want: impl Fn(u32, u32) -> [f64; 3]) -> f64 {
    let mut error = 0.0;
    for (i, pixel) in image.rgb().chunks_exact(3).enumerate() {
        let (x, y) = (i as u32 % image.width(), i as u32 / image.width());
        error += want(x, y).iter().zip(pixel).map(|(w, &p)| (w * 255.0 - f64::from(p)).powi(2)).sum::<f64>();
    }
    10.0 * (255.0 * 255.0 / (error / image.rgb().len() as f64).max(1e-9)).log10()
}

/// The scene as `format` can show it.
fn seen(format: PixelFormat, x: f64, y: f64) -> [f64; 3] {
    let [r, g, b] = scene(x, y);
    match format {
        PixelFormat::Grey => [0.299 * r + 0.587 * g + 0.114 * b; 3],
        _ => [r, g, b],
    }
}

/// Encodes the scene, decodes it, and compares with what it should look like at the size it came out.
fn round_trip(layout: FrameLayout, max_side: u32) -> (Image, f64) {
    let (w, h) = (f64::from(layout.width), f64::from(layout.height));
    let colour = |x: u32, y: u32| seen(layout.format, (f64::from(x) + 0.5) / w, (f64::from(y) + 0.5) / h);
    let bytes = Encoder::encode(layout, colour);
    let mut decoder = PictureDecoder::new(max_side);
    let mut image = decoder.frame(&bytes, &layout).unwrap();
    if layout.format.is_raw() {
        // White balance knows the scene from the second picture on.
        image = decoder.frame(&bytes, &layout).unwrap();
    }
    let (iw, ih) = (f64::from(image.width()), f64::from(image.height()));
    let want = |x: u32, y: u32| seen(layout.format, (f64::from(x) + 0.5) / iw, (f64::from(y) + 0.5) / ih);
    let psnr = psnr(&image, want);
    (image, psnr)
}

fn readable() -> impl Iterator<Item = PixelFormat> {
    PixelFormat::ALL.iter().copied().filter(|f| *f != PixelFormat::Mjpg)
}

#[test]
fn every_format_survives_the_way_there_and_back() {
    let mut tried = 0;
    for format in readable() {
        let ranges = if format.is_raw() { &[Range::Full][..] } else { &[Range::Full, Range::Limited] };
        for &range in ranges {
            for (max_side, padding) in [(640, 0), (320, 6), (100, 33), (64, 0)] {
                let (w, h) = (320, 240);
                let stride = if padding == 0 { 0 } else { format.row_bytes(w) as u32 + padding };
                let (image, psnr) = round_trip(FrameLayout { format, width: w, height: h, stride, range }, max_side);
                let long = max_side.min(if format.is_raw() { w / 2 } else { w });
                assert_eq!((image.width(), image.height()), (long, long * 3 / 4), "{format:?}");
                let bound = if format.is_raw() { 30.0 } else { 38.0 };
                assert!(psnr > bound, "{} {range:?} to {max_side}: {psnr:.1} dB", format.code());
                tried += 1;
            }
        }
    }
    println!("{tried} ways there and back");
    assert_eq!(tried, (4 * 2 + RAW) * 4);
}

#[test]
fn names_are_v4l2s_and_none_is_missing_or_twice() {
    assert_eq!(readable().filter(|f| f.is_raw()).count(), RAW);
    for (i, format) in PixelFormat::ALL.iter().enumerate() {
        assert_eq!(PixelFormat::ALL.iter().position(|f| f == format), Some(i));
        assert_eq!(PixelFormat::from_code(format.code().as_bytes()), Some(*format));
    }
    assert_eq!(PixelFormat::from_code(b"H264"), None);
    // linux/videodev2.h: SGRBG10 is 'B', 'A', '1', '0', and the packed ones differ in one letter's case.
    let raw = |code: &[u8]| PixelFormat::from_code(code).unwrap();
    assert_eq!(raw(b"BA10"), PixelFormat::Raw(Bayer::Grbg, Samples::Bits10));
    assert_eq!(raw(b"pgAA"), PixelFormat::Raw(Bayer::Grbg, Samples::Packed10));
    assert_eq!(raw(b"pGCC"), PixelFormat::Raw(Bayer::Gbrg, Samples::Packed12));
}

/// The same samples in each way of storing them, byte for byte as the kernel's pages pixfmt-srggb10, -srggb10p,
/// -srggb12 and -srggb12p lay them out.
#[test]
fn packings_are_those_of_the_documentation() {
    // Rows of B G B G and G R G R.
    let blue_row = [0x3a5u16, 0x0c6, 0x17f, 0x2b0];
    let red_row = [0x301u16, 0x1fe, 0x08d, 0x3ff];
    let low = |r: [u16; 4]| (r[0] & 3 | (r[1] & 3) << 2 | (r[2] & 3) << 4 | (r[3] & 3) << 6) as u8;
    assert_eq!((low(blue_row), low(red_row)), (0b00_11_10_01, 0b11_01_10_01));
    let packed = [0xe9, 0x31, 0x5f, 0xac, 0b00_11_10_01, 0xc0, 0x7f, 0x23, 0xff, 0b11_01_10_01];
    let unpacked = [0xa5, 0x03, 0xc6, 0x00, 0x7f, 0x01, 0xb0, 0x02, 0x01, 0x03, 0xfe, 0x01, 0x8d, 0x00, 0xff, 0x03];
    same(b"pBAA", &packed, b"BG10", &unpacked);
    // 0xabc, 0x123 | 0x456, 0xdef.
    let packed = [0xab, 0x12, 0x3c, 0x45, 0xde, 0xf6];
    let unpacked = [0xbc, 0x0a, 0x23, 0x01, 0x56, 0x04, 0xef, 0x0d];
    same(b"pRCC", &packed, b"RG12", &unpacked);
}

fn same(packed: &[u8], packed_bytes: &[u8], unpacked: &[u8], unpacked_bytes: &[u8]) {
    let read = |code: &[u8], bytes: &[u8]| {
        let format = PixelFormat::from_code(code).unwrap();
        let per_row = bytes.len() / 2;
        let width = if per_row == format.row_bytes(4) { 4 } else { 2 };
        PictureDecoder::new(640).frame(bytes, &layout(format, width, 2)).unwrap()
    };
    let (a, b) = (read(packed, packed_bytes), read(unpacked, unpacked_bytes));
    assert_eq!(a.rgb(), b.rgb());
    assert!(a.rgb().iter().any(|&v| v != a.rgb()[0]), "{:?}", a.rgb());
}

#[test]
fn a_colours_place_in_the_square_is_its_formats() {
    // Pure red, green and blue in each order; without a second picture white balance changes nothing.
    for format in readable().filter(|f| f.is_raw()) {
        for channel in 0..3 {
            let colour = |_: u32, _: u32| [0, 1, 2].map(|c| f64::from(c == channel) * 0.8);
            let bytes = Encoder::encode(layout(format, 16, 8), colour);
            let image = PictureDecoder::new(640).frame(&bytes, &layout(format, 16, 8)).unwrap();
            let pixel = image.pixel(3, 2);
            let right =
                [0, 1, 2].iter().all(|&c| if c == channel { pixel[c].abs_diff(204) <= 2 } else { pixel[c] <= 12 });
            assert!(right, "{} {channel}: {pixel:?}", format.code());
        }
    }
}

#[test]
fn samples_at_the_top_of_two_bytes_are_found_out() {
    // As Jetson Xavier stores 10 bits: at the top, their own high bits repeated below.
    let plain = layout(PixelFormat::from_code(b"RG10").unwrap(), 64, 48);
    let low = Encoder::encode(plain, |x, y| scene(f64::from(x) / 64.0, f64::from(y) / 48.0));
    let (pairs, _) = low.as_chunks::<2>();
    let high: Vec<u8> = pairs
        .iter()
        .flat_map(|&p| {
            let v = u16::from_le_bytes(p);
            (v << 6 | v >> 4).to_le_bytes()
        })
        .collect();
    let read = |bytes: &[u8]| PictureDecoder::new(640).frame(bytes, &plain).unwrap();
    assert_eq!(read(&low).rgb(), read(&high).rgb());
}

#[test]
fn what_cannot_be_right_is_refused_by_name() {
    let mut decoder = PictureDecoder::new(640);
    let mut refused = |code: &[u8], width, height, stride, len: usize| {
        let layout = FrameLayout { stride, ..layout(PixelFormat::from_code(code).unwrap(), width, height) };
        decoder.frame(&vec![0; len], &layout).expect_err("refused").to_string()
    };
    assert_snapshot!(refused(b"UYVY", 640, 480, 0, 1000), @"UYVY frame of 640x480 needs 614400 bytes, got 1000");
    assert_snapshot!(refused(b"NV12", 640, 480, 0, 460_799), @"NV12 frame of 640x480 needs 460800 bytes, got 460799");
    assert_snapshot!(refused(b"NV12", 640, 480, 704, 460_800), @"NV12 frame of 640x480 needs 506816 bytes, got 460800");
    assert_snapshot!(refused(b"GREY", 640, 480, 600, 999_999), @"GREY rows of 640 pixels have 640 bytes; 600 from one row to the next are too few");
    assert_snapshot!(refused(b"RG10", 1920, 1080, 1920, 9_999_999), @"RG10 rows of 1920 pixels have 3840 bytes; 1920 from one row to the next are too few");
    assert_snapshot!(refused(b"pRAA", 1640, 1232, 2080, 100), @"pRAA frame of 1640x1232 needs 2562530 bytes, got 100");
    assert_snapshot!(refused(b"pGCC", 2, 2, 0, 5), @"pGCC frame of 2x2 needs 6 bytes, got 5");
    assert_snapshot!(refused(b"RGGB", 1, 480, 0, 9999), @"image of 1x480 pixels; each side must be 1 to 8192");
    assert_snapshot!(refused(b"YUYV", 9000, 480, 0, 9999), @"image of 9000x480 pixels; each side must be 1 to 8192");
    assert_snapshot!(refused(b"MJPG", 640, 480, 0, 3), @"JPEG of 3 bytes breaks off before its end");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a driver says and sends, the answer is a picture of a size that fits or an error.
    #[test]
    fn no_length_or_stride_panics(
        format in 0..PixelFormat::ALL.len(),
        (width, height) in (0u32..90, 0u32..40),
        padding in prop_oneof![Just(None), (-9i32..40).prop_map(Some)],
        missing in prop_oneof![Just(0), -3i32..200],
        max_side in 1u32..700,
        fill in any::<u8>(),
    ) {
        let format = PixelFormat::ALL[format];
        let stride = padding.map_or(0, |p| (format.row_bytes(width) as i32 + p).max(0) as u32);
        let layout = FrameLayout { format, width, height, stride, range: Range::Limited };
        let need = layout.checked_len();
        let len = need.as_ref().map_or(100, |&n| (n as i32 - missing).max(0) as usize);
        let image = PictureDecoder::new(max_side).frame(&vec![fill; len], &layout);
        let enough = need.is_ok_and(|n| len >= n) && format != PixelFormat::Mjpg;
        prop_assert_eq!(image.is_ok(), enough);
        if let Ok(image) = image {
            prop_assert!(image.width().max(image.height()) <= max_side.min(640));
        }
    }

    #[test]
    fn huge_layouts_are_refused_not_multiplied_out(width in any::<u32>(), height in any::<u32>(), stride in any::<u32>()) {
        for format in readable() {
            let layout = FrameLayout { format, width, height, stride, range: Range::Full };
            if layout.checked_len().is_ok_and(|n| n > 64) {
                prop_assert!(PictureDecoder::new(640).frame(&[0; 64], &layout).is_err());
            }
        }
    }
}

/// The 24 patches of the usual chart, sRGB.
const CHART: [[u8; 3]; 24] = [
    [115, 82, 68],
    [194, 150, 130],
    [98, 122, 157],
    [87, 108, 67],
    [133, 128, 177],
    [103, 189, 170],
    [214, 126, 44],
    [80, 91, 166],
    [193, 90, 99],
    [94, 60, 108],
    [157, 188, 64],
    [224, 163, 46],
    [56, 61, 150],
    [70, 148, 73],
    [175, 54, 60],
    [231, 199, 31],
    [187, 86, 149],
    [8, 133, 161],
    [243, 243, 242],
    [200, 200, 200],
    [160, 160, 160],
    [122, 122, 121],
    [85, 85, 85],
    [52, 52, 52],
];

/// Shares of red, green and blue in a colour's light.
fn shares(colour: [u8; 3]) -> [f64; 3] {
    let light = colour.map(|v| linear_from_srgb(f64::from(v) / 255.0));
    light.map(|l| l / light.iter().sum::<f64>())
}

#[test]
fn a_colour_chart_under_coloured_light_comes_out_in_its_colours() {
    let format = PixelFormat::from_code(b"pBAA").unwrap();
    let mut pictures = Vec::new();
    // A sensor that sees half the red in daylight, and half the blue under a bulb.
    for cast in [[1.0, 1.0, 1.0], [0.5, 1.0, 0.65], [0.8, 1.0, 0.4]] {
        let lit = |x: u32, y: u32| {
            let patch = CHART[(y / 40 * 6 + x / 40) as usize].map(|v| linear_from_srgb(f64::from(v) / 255.0));
            [0, 1, 2].map(|c| srgb_from_linear(patch[c] * cast[c]))
        };
        let chart = layout(format, 240, 160);
        let bytes = Encoder::encode(chart, lit);
        let mut decoder = PictureDecoder::new(640);
        decoder.frame(&bytes, &chart).unwrap();
        let image = decoder.frame(&bytes, &chart).unwrap();
        let shown =
            [0, 1, 2, 3].map(|row| [0, 1, 2, 3, 4, 5].map(|column| image.pixel(column * 20 + 10, row * 20 + 10)));
        let shown: Vec<[u8; 3]> = shown.concat();
        let off = |a: &[[u8; 3]], b: &[[u8; 3]]| {
            let each = a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| f64::from(a.abs_diff(*b)));
            each.sum::<f64>() / (3 * a.len()) as f64
        };
        let truth = off(&shown, &CHART);
        println!("light {cast:?}: {truth:.1} of 255 off the chart on average, greys {:?}", &shown[18..]);
        // The chart is not grey on average, so that grey world makes its greys a little blue.
        assert!(truth < 14.0, "{truth}");
        for grey in &shown[18..] {
            assert!(grey.iter().max().unwrap() - grey.iter().min().unwrap() <= 36, "{grey:?} under {cast:?}");
        }
        pictures.push(shown);
        for (first, now) in pictures[0].iter().zip(&pictures[pictures.len() - 1]) {
            let change = shares(*first).iter().zip(shares(*now)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(change < 0.03 || first.contains(&255), "under {cast:?} {first:?} turns to {now:?}");
        }
        let metered = decoder.metered().unwrap();
        assert!(metered.light > 0.05 && metered.light < 0.4 && metered.clipped < 0.2, "{metered:?}");
    }
}

#[test]
fn white_balance_is_slow_limited_and_keeps_white_white() {
    let format = PixelFormat::from_code(b"RG12").unwrap();
    let flat = |colour: [f64; 3]| Encoder::encode(layout(format, 64, 48), move |_, _| colour);
    let mut decoder = PictureDecoder::new(640);
    let mut show = |bytes: &[u8]| decoder.frame(bytes, &layout(format, 64, 48)).unwrap().pixel(9, 9);
    let (grey, orange) = (flat([0.5, 0.5, 0.5]), flat([0.7, 0.5, 0.3]));
    show(&grey);
    assert!(show(&grey).iter().all(|v| v.abs_diff(128) <= 1));
    // One picture changes it by a tenth of the way, many change it wholly.
    show(&orange);
    let soon = show(&orange);
    assert!(soon[0] > 165 && soon[2] < 95, "{soon:?}");
    let late = (0..120).map(|_| show(&orange)).last().unwrap();
    assert!(late[0].abs_diff(late[2]) <= 3, "{late:?}");
    // What the sensor cut off is white, whatever the gains are.
    assert_eq!(show(&flat([1.0; 3])), [255; 3]);
    // A red wall does not turn grey: gains end at four.
    let wall = flat([0.9, 0.2, 0.2]);
    let wall_late = (0..200).map(|_| show(&wall)).last().unwrap();
    assert!(i32::from(wall_late[0]) - i32::from(wall_late[1]) > 20, "{wall_late:?}");
}
