//! Values of arguments: each refuses what is wrong before anything is done, and says what is accepted.

use mtcae_bundle::{MAX_FAMILY, MAX_NAME, Version};
use std::ops::RangeInclusive;

/// Takes a whole number of `range`.
pub fn whole<T: TryFrom<u64> + Clone + Send + Sync + 'static>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let accepted = || format!("accepted: a whole number, {} to {}", range.start(), range.end());
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(accepted)
    }
}

/// Takes the speed of a serial line.
pub fn baud(text: &str) -> Result<u32, String> {
    let range = mtcae_boards::BAUDS;
    whole(u64::from(*range.start())..=u64::from(*range.end()))(text)
}

/// Takes a version.
pub fn version(text: &str) -> Result<Version, String> {
    text.parse().map_err(|_| "accepted: three numbers, such as 1.0.0".to_owned())
}

/// Takes the name of a bundle.
pub fn bundle_name(text: &str) -> Result<String, String> {
    word(text, MAX_NAME)
}

/// Takes a family of boards.
pub fn family(text: &str) -> Result<String, String> {
    word(text, MAX_FAMILY)
}

fn word(text: &str, longest: usize) -> Result<String, String> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    let fits = (1..=longest).contains(&text.len()) && text.bytes().all(fine);
    if fits { Ok(text.to_owned()) } else { Err(format!("accepted: 1 to {longest} of a-z, 0-9, - and _")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_said() {
        let rounds = whole::<u16>(1..=10_000);
        assert_eq!(rounds("10000"), Ok(10_000));
        for wrong in ["0", "10001", "-1", "1.5", "abc", "", "99999999999999999999999"] {
            assert_eq!(rounds(wrong), Err("accepted: a whole number, 1 to 10000".to_owned()), "{wrong}");
        }
        assert_eq!(baud("115200"), Ok(115_200));
        assert_eq!(baud("abc"), Err("accepted: a whole number, 300 to 4000000".to_owned()));
        assert!(version("1.0.0").is_ok() && version("1.0").is_err());
        assert!(bundle_name("edge-2_x").is_ok() && family(&"f".repeat(32)).is_ok());
        assert!(["", "Edge", "P C", &"n".repeat(25)].iter().all(|name| bundle_name(name).is_err()));
    }
}
