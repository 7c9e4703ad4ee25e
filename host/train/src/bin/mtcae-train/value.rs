//! Values of arguments.

/// A whole number from 1 on.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "accepted: a whole number from 1 on".to_owned())
}

/// A number, neither `nan` nor `inf`.
pub fn finite(text: &str) -> Result<f32, String> {
    text.parse::<f32>().ok().filter(|n| n.is_finite()).ok_or_else(|| "accepted: a number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_such_number_is_refused() {
        assert_eq!((at_least_one("3"), finite("0.5")), (Ok(3), Ok(0.5)));
        assert!(["0", "-1", "1.5", "x"].iter().all(|text| at_least_one(text).is_err()));
        assert!(["nan", "inf", "x"].iter().all(|text| finite(text).is_err()));
    }
}
