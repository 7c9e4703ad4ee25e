//! Numbers and texts as they cross the wire: whole numbers of a fixed unit, and bounded printable text.

use core::fmt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many steps make 1.0 in a [`Coord`] or a [`Share`]: a step is 0.08 pixels of a 640-pixel image,
/// and every value from 0 to just below 1 takes at most two bytes on the wire.
pub const SCALE: u16 = 8192;

/// A number came over the wire that its type does not admit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{value} is out of range; accepted are {min} to {max}")]
pub struct OutOfRange {
    /// The number that came.
    pub value: i32,
    /// The smallest accepted number.
    pub min: i32,
    /// The largest accepted number.
    pub max: i32,
}

/// A text holds a control character, for example an escape sequence of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text holds the control character U+{:04X}; accepted are printable characters only", *.0 as u32)]
pub struct NotPrintable(pub char);

/// A place or length in the camera image as a fraction of its width or height, -1 to 2 in steps of
/// 1/[`SCALE`]; below 0 and above 1 lie outside the image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i16")]
pub struct Coord(i16);

impl Coord {
    /// The smallest coordinate, -1.0.
    pub const MIN: Self = Self(-(SCALE as i16));
    /// The largest coordinate, 2.0.
    pub const MAX: Self = Self(2 * SCALE as i16);

    /// The nearest coordinate, clamped to -1..=2; `None` when `value` is not finite.
    pub fn from_f32(value: f32) -> Option<Self> {
        let steps = steps(value, -1.0, 2.0)?;
        Some(Self(steps as i16))
    }

    /// The coordinate as a fraction, -1.0 to 2.0.
    pub fn to_f32(self) -> f32 {
        f32::from(self.0) / f32::from(SCALE)
    }

    /// The coordinate in steps of 1/[`SCALE`], as it crosses the wire.
    pub fn steps(self) -> i16 {
        self.0
    }
}

impl TryFrom<i16> for Coord {
    type Error = OutOfRange;

    fn try_from(steps: i16) -> Result<Self, OutOfRange> {
        let coord = Self(steps);
        if (Self::MIN..=Self::MAX).contains(&coord) {
            return Ok(coord);
        }
        Err(OutOfRange { value: steps.into(), min: Self::MIN.0.into(), max: Self::MAX.0.into() })
    }
}

/// A probability, confidence or score, 0 to 1 in steps of 1/[`SCALE`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16")]
pub struct Share(u16);

impl Share {
    /// 1.0.
    pub const ONE: Self = Self(SCALE);

    /// The nearest share, clamped to 0..=1; `None` when `value` is not finite.
    pub fn from_f32(value: f32) -> Option<Self> {
        let steps = steps(value, 0.0, 1.0)?;
        Some(Self(steps as u16))
    }

    /// The share as a fraction, 0.0 to 1.0.
    pub fn to_f32(self) -> f32 {
        f32::from(self.0) / f32::from(SCALE)
    }

    /// The share in steps of 1/[`SCALE`], as it crosses the wire.
    pub fn steps(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Share {
    type Error = OutOfRange;

    fn try_from(steps: u16) -> Result<Self, OutOfRange> {
        if steps <= SCALE {
            return Ok(Self(steps));
        }
        Err(OutOfRange { value: steps.into(), min: 0, max: SCALE.into() })
    }
}

/// What makes a face's answer doubtful: a set, empty when there is nothing to say against it. A set of one byte on the
/// wire, a list of words in JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quality(u8);

impl Quality {
    /// Nothing to say against it.
    pub const GOOD: Self = Self(0);
    /// The face has too few pixels.
    pub const SMALL: Self = Self(1);
    /// Too dark, or without contrast.
    pub const DARK: Self = Self(2);
    /// Turned too far away.
    pub const OBLIQUE: Self = Self(4);
    /// Partly hidden, or partly outside the image.
    pub const OCCLUDED: Self = Self(8);
    /// The clip is not full yet: its oldest picture repeats.
    pub const PARTIAL: Self = Self(16);

    /// Each flag and its word.
    pub const WORDS: [(Self, &'static str); 5] = [
        (Self::SMALL, "small"),
        (Self::DARK, "dark"),
        (Self::OBLIQUE, "oblique"),
        (Self::OCCLUDED, "occluded"),
        (Self::PARTIAL, "partial"),
    ];

    /// These flags and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all flags of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags in one byte, as they cross the wire.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The words of the flags that are set.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.into_iter().filter(move |(flag, _)| self.has(*flag)).map(|(_, word)| word)
    }
}

impl TryFrom<u8> for Quality {
    type Error = OutOfRange;

    fn try_from(bits: u8) -> Result<Self, OutOfRange> {
        const MAX: u8 = 31;
        if bits <= MAX { Ok(Self(bits)) } else { Err(OutOfRange { value: bits.into(), min: 0, max: MAX.into() }) }
    }
}

impl Serialize for Quality {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_seq(self.words())
        } else {
            serializer.serialize_u8(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Quality {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Self::try_from(u8::deserialize(deserializer)?).map_err(D::Error::custom);
        }
        let words = heapless::Vec::<Text<12>, 5>::deserialize(deserializer)?;
        words.iter().try_fold(Self::GOOD, |all, word| {
            let known = Self::WORDS.iter().find(|(_, known)| *known == word.as_str());
            known.map(|(flag, _)| all.with(*flag)).ok_or_else(|| D::Error::custom("an unknown quality"))
        })
    }
}

/// Rounds half away from zero; `f32::round` is not in `core`.
fn steps(value: f32, min: f32, max: f32) -> Option<i32> {
    if !value.is_finite() {
        return None;
    }
    let scaled = value.clamp(min, max) * f32::from(SCALE);
    Some(if scaled < 0.0 { (scaled - 0.5) as i32 } else { (scaled + 0.5) as i32 })
}

/// A point of the camera image, top-left origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// From the left edge, fraction of the image's width.
    pub x: Coord,
    /// From the top edge, fraction of the image's height.
    pub y: Coord,
}

impl Point {
    /// The nearest point to `[x, y]` in fractions; `None` when a number is not finite.
    pub fn from_f32([x, y]: [f32; 2]) -> Option<Self> {
        Some(Self { x: Coord::from_f32(x)?, y: Coord::from_f32(y)? })
    }

    /// `[x, y]` in fractions of the image.
    pub fn to_f32(self) -> [f32; 2] {
        [self.x.to_f32(), self.y.to_f32()]
    }
}

/// An upright box of the camera image; width and height are never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Area {
    /// Left edge, fraction of the image's width.
    pub x: Coord,
    /// Top edge, fraction of the image's height.
    pub y: Coord,
    /// Width, fraction of the image's width, 0 to 2.
    pub w: Coord,
    /// Height, fraction of the image's height, 0 to 2.
    pub h: Coord,
}

impl Area {
    /// The nearest box to `[x, y, w, h]` in fractions, negative sizes taken as 0; `None` when a number is
    /// not finite.
    pub fn from_f32([x, y, w, h]: [f32; 4]) -> Option<Self> {
        let size = |v: f32| Coord::from_f32(v).map(|c| c.max(Coord(0)));
        Some(Self { x: Coord::from_f32(x)?, y: Coord::from_f32(y)?, w: size(w)?, h: size(h)? })
    }

    /// `[x, y, w, h]` in fractions of the image.
    pub fn to_f32(self) -> [f32; 4] {
        [self.x.to_f32(), self.y.to_f32(), self.w.to_f32(), self.h.to_f32()]
    }
}

/// Printable text of at most `N` bytes of UTF-8, stored inline. It never holds a control character, so
/// that a receiver may print it on a terminal.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "heapless::String<N>")]
pub struct Text<const N: usize>(heapless::String<N>);

impl<const N: usize> Text<N> {
    /// `text` cut to at most `N` bytes at the end of a character, each control character replaced by a space.
    pub fn new(text: &str) -> Self {
        let mut kept = heapless::String::new();
        for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            if kept.push(c).is_err() {
                break;
            }
        }
        Self(kept)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<const N: usize> TryFrom<heapless::String<N>> for Text<N> {
    type Error = NotPrintable;

    fn try_from(text: heapless::String<N>) -> Result<Self, NotPrintable> {
        match text.chars().find(|c| c.is_control()) {
            Some(c) => Err(NotPrintable(c)),
            None => Ok(Self(text)),
        }
    }
}

impl<const N: usize> From<&str> for Text<N> {
    /// As [`Text::new`].
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_round_to_the_nearest_step_and_clamp() {
        for (value, steps) in [(0.0, 0), (1.0, 8192), (0.5, 4096), (-0.25, -2048), (9.0, 16384), (-9.0, -8192)] {
            assert_eq!(Coord::from_f32(value).map(Coord::steps), Some(steps), "{value}");
        }
        let near = Coord::from_f32(0.123_45).unwrap().to_f32();
        assert!((near - 0.123_45).abs() <= 0.5 / 8192.0, "{near}");
        assert_eq!(Coord::from_f32(f32::NAN), None);
        assert_eq!(Share::from_f32(f32::INFINITY), None);
        assert_eq!(Share::from_f32(1.7), Some(Share::ONE));
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert!(Coord::try_from(-8193).is_err());
        assert!(Coord::try_from(16385).is_err());
        assert!(Share::try_from(8193).is_err());
        assert_eq!(Share::try_from(8192), Ok(Share::ONE));
    }

    #[test]
    fn an_area_never_has_a_negative_size() {
        let area = Area::from_f32([-0.1, 0.2, -0.5, 0.3]).unwrap();
        assert_eq!(area.w, Coord(0));
        assert!(area.x.to_f32() < -0.09);
    }

    #[test]
    fn text_is_cut_between_characters_and_printable() {
        assert_eq!(Text::<4>::new("aäöü").as_str(), "aä");
        assert_eq!(Text::<8>::new("a\x1b[2J\n").as_str(), "a [2J ");
        let escape = heapless::String::<8>::try_from("\x1b[2J").unwrap();
        assert_eq!(Text::try_from(escape), Err(NotPrintable('\x1b')));
    }
}
