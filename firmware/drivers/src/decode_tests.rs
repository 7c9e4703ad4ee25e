use super::*;
use insta::assert_snapshot;

fn yuyv(width: u32, height: u32, stride: u32) -> FrameLayout {
    FrameLayout { format: PixelFormat::Yuyv, width, height, stride, range: Range::Full }
}

const FACE: &[u8] = include_bytes!("../tests/fixtures/face.jpg");

/// [`FACE`] without its Huffman tables, which are the standard ones.
fn without_tables() -> Vec<u8> {
    let mut out = FACE[..2].to_vec();
    let mut at = 2;
    while FACE[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([FACE[at + 2], FACE[at + 3]]));
        if FACE[at + 1] != 0xc4 {
            out.extend_from_slice(&FACE[at..end]);
        }
        at = end;
    }
    out.extend_from_slice(&FACE[at..]);
    out
}

#[test]
fn a_webcams_frame_needs_no_tables() {
    let mut decoder = PictureDecoder::new(640);
    let whole = decoder.jpeg(FACE).unwrap();
    assert_eq!((whole.width(), whole.height()), (128, 96));
    let bare = without_tables();
    assert!(bare.len() + 400 < FACE.len());
    assert!(decoder.jpeg(&bare).unwrap() == whole);
    let padded = [FACE, &[0; 5000]].concat();
    assert!(decoder.jpeg(&padded).unwrap() == whole);
}

#[test]
fn stray_bytes_before_the_end_marker_do_no_harm() {
    let (picture, end) = FACE.split_at(FACE.len() - 2);
    let stray = [picture, &[0x12, 0x34, 0x56], end].concat();
    assert!(PictureDecoder::new(640).jpeg(&stray).unwrap() == PictureDecoder::new(640).jpeg(FACE).unwrap());
}

#[test]
fn cut_pictures_are_refused() {
    let mut decoder = PictureDecoder::new(640);
    for len in (0..FACE.len() - 1).step_by(97) {
        assert!(matches!(decoder.jpeg(&FACE[..len]), Err(DecodeError::Truncated { .. })), "{len}");
    }
    assert_snapshot!(decoder.jpeg(&FACE[..1000]).unwrap_err(), @"JPEG of 1000 bytes breaks off before its end");
    assert!(decoder.jpeg(FACE).is_ok());
}

#[test]
fn a_thousand_mutations_never_panic() {
    let mut decoder = PictureDecoder::new(64);
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize
    };
    let mut refused = 0;
    for _ in 0..1000 {
        let mut bytes = FACE.to_vec();
        for _ in 0..1 + next() % 3 {
            let at = next() % bytes.len();
            bytes[at] = next() as u8;
        }
        refused += usize::from(decoder.jpeg(&bytes).is_err());
    }
    assert!(refused >= 100, "only {refused} of 1000 were refused");
}

#[test]
fn large_pictures_are_shrunk_and_keep_their_aspect() {
    let mut decoder = PictureDecoder::new(64);
    let small = decoder.jpeg(FACE).unwrap();
    assert_eq!((small.width(), small.height()), (64, 48));
    assert_eq!(decoder.size(), (128, 96));
    assert_eq!(PictureDecoder::new(10_000).max_side, MAX_SIDE);
    let wide = decoder.planar(&[128; 1000 * 2], 1000, 2, None, Range::Full).unwrap();
    assert_eq!((wide.width(), wide.height()), (64, 1));
}

#[test]
fn yuv_means_what_bt601_says() {
    let mut decoder = PictureDecoder::new(640);
    let mut pixel = |y, u, v, range| {
        let packed = decoder.frame(&[y, u, y, v], &FrameLayout { range, ..yuyv(2, 1, 4) }).unwrap();
        let planar = decoder.planar(&[y, y, u, v], 2, 1, Some(Chroma { x: 1, y: 0 }), range).unwrap();
        assert!(packed == planar);
        packed.pixel(1, 0)
    };
    assert_eq!(pixel(16, 128, 128, Range::Limited), [0; 3]);
    assert_eq!(pixel(235, 128, 128, Range::Limited), [255; 3]);
    assert_eq!(pixel(128, 128, 128, Range::Full), [128; 3]);
    // Pure red is (81, 90, 240) limited and (76, 85, 255) full.
    for (got, want) in
        [(pixel(81, 90, 240, Range::Limited), [255, 0, 0]), (pixel(76, 85, 255, Range::Full), [254, 0, 0])]
    {
        assert!(got.iter().zip(want).all(|(g, w)| g.abs_diff(w) <= 1), "{got:?} {want:?}");
    }
}

#[test]
fn strides_odd_sides_and_missing_bytes() {
    let mut decoder = PictureDecoder::new(640);
    let rows = [[9, 128, 9, 128, 77, 77], [200, 128, 200, 128, 77, 77]].concat();
    let image = decoder.frame(&rows[..10], &yuyv(3, 2, 6)).unwrap();
    assert_eq!((image.width(), image.pixel(1, 0), image.pixel(1, 1)), (2, [9; 3], [200; 3]));
    assert_snapshot!(decoder.frame(&rows[..9], &yuyv(2, 2, 6)).unwrap_err(), @"YUYV frame of 2x2 needs 10 bytes, got 9");
    assert_eq!(PictureDecoder::planar_len(5, 3, Some(Chroma { x: 1, y: 1 })), 15 + 2 * 3 * 2);
    let odd = decoder.planar(&[100; 27], 5, 3, Some(Chroma { x: 1, y: 1 }), Range::Full).unwrap();
    assert_eq!((odd.width(), odd.height()), (5, 3));
    assert!(decoder.planar(&[0; 26], 5, 3, Some(Chroma { x: 1, y: 1 }), Range::Full).is_err());
    assert!(matches!(decoder.frame(&[], &yuyv(0, 0, 0)), Err(DecodeError::Image(_))));
    assert!(matches!(decoder.planar(&[], 9000, 1, None, Range::Full), Err(DecodeError::Image(_))));
}
