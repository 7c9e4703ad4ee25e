//! Programs that do not compile: each would write pixels with serde. `cargo test -p mtcae-core --doc` tries them.
//!
//! They differ in one word from one that compiles, so that it is this word that is wrong with them; a compiler of the nightly
//! channel also checks the number of the error, "the trait bound is not satisfied". Types of crates that do not depend on serde
//! cannot be written at all; `tests/e2e` holds `mtcae-core`, `mtcae-drivers` and `mtcae-detect` to that.

/// What may leave the board:
/// ```
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_contract::ClipSpec>();
/// ```
/// All types below are there:
/// ```
/// fn stay<T>() {}
/// stay::<mtcae_contract::Image>();
/// stay::<mtcae_contract::Frame>();
/// stay::<mtcae_contract::Clip>();
/// stay::<mtcae_contract::Cropper>();
/// stay::<mtcae_core::Captured>();
/// stay::<mtcae_core::Action>();
/// stay::<mtcae_core::Ring>();
/// stay::<mtcae_core::CropCache>();
/// stay::<mtcae_core::Assembled>();
/// stay::<mtcae_core::Assembler>();
/// stay::<mtcae_core::Pipeline>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_contract::Image>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_contract::Frame>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_contract::Clip>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_contract::Cropper>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_core::Captured>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_core::Action>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_core::Ring>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_core::CropCache>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_core::Assembled>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_core::Assembler>();
/// ```
/// ```compile_fail,E0277
/// fn leave<T: serde::Serialize>() {}
/// leave::<mtcae_core::Pipeline>();
/// ```
/// Nor does anything that holds one, for a derive asks it of each field:
/// ```compile_fail,E0277
/// #[derive(serde::Serialize)]
/// struct Snapshot {
///     image: mtcae_contract::Image,
/// }
/// ```
struct PixelsStay;
