//! Pictures stay on the board: nothing that holds pixels can be written by serde, and none of it prints them.

use mtcae_contract::{Clip, ClipSpec, Cropper, Frame, Image, Rect};
use mtcae_core::{Action, Assembler, Captured, CropCache, Pipeline, Ring};
use static_assertions::{assert_impl_one, assert_not_impl_any};

// Does not compile when somebody derives it.
assert_not_impl_any!(Image: serde::Serialize);
assert_not_impl_any!(Frame: serde::Serialize);
assert_not_impl_any!(Clip: serde::Serialize);
assert_not_impl_any!(Cropper: serde::Serialize);
assert_not_impl_any!(Captured: serde::Serialize);
assert_not_impl_any!(Action: serde::Serialize);
assert_not_impl_any!(Ring: serde::Serialize);
assert_not_impl_any!(CropCache: serde::Serialize);
assert_not_impl_any!(Assembler: serde::Serialize);
assert_not_impl_any!(Pipeline: serde::Serialize);
// The assertion above can tell: this one can be written.
assert_impl_one!(ClipSpec: serde::Serialize);

/// Long lists of numbers in a log would be pictures.
#[test]
fn printing_shows_no_pixels() {
    let image = Image::filled(8, 8, [201, 202, 203]).unwrap();
    let clip = Clip { bytes: vec![201; 3 * 8 * 8], frames: 1, size: 8, crop: Rect::whole(8, 8) };
    let frame = Frame { image: std::sync::Arc::new(image.clone()), captured: 1, seq: 1 };
    let captured = Captured { image: image.clone(), captured: 1, seq: 1, decode_us: 0 };
    let texts = [
        format!("{image:?}"),
        format!("{clip:?}"),
        format!("{frame:?}"),
        format!("{captured:?}"),
        format!("{:?}", Action::Detect(std::sync::Arc::new(image.clone()))),
    ];
    for text in texts {
        assert!(!text.contains("201") && !text.contains("203"), "{text}");
        assert!(text.len() < 300, "{text}");
    }
}
