//! What a person is told beside the output, and what a command comes to when nobody reads it.

use crate::failure::Failure;
use std::fmt;
use std::io::{self, Write};

/// A line on the error output, as `eprintln!` takes it.
macro_rules! tell {
    ($($text:tt)*) => { $crate::say::line(format_args!($($text)*)) };
}
pub(crate) use tell;

/// For [`tell!`]: whether anybody still reads it changes nothing of what is done.
pub fn line(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What a command comes to that has `printed` its findings: a verdict stands whether or not somebody read them.
pub fn verdict(printed: Result<(), Failure>, verdict: Result<(), Failure>) -> Result<(), Failure> {
    verdict.and(printed)
}

/// What two things that were both done come to: the first failure that is more than a reader who left.
pub fn both(one: Result<(), Failure>, other: Result<(), Failure>) -> Result<(), Failure> {
    match one {
        Err(left) if left.is_closed_pipe() => other.and(Err(left)),
        one => one.and(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;

    #[test]
    fn a_bad_verdict_is_stronger_than_a_reader_who_left() {
        let left = || Err(Failure::Output(ErrorKind::BrokenPipe.into()));
        let bad = || Err(Failure::Unwell { bad: 1 });
        assert!(matches!(verdict(left(), bad()), Err(Failure::Unwell { bad: 1 })));
        assert!(matches!(verdict(left(), Ok(())), Err(Failure::Output(_))));
        assert!(matches!(verdict(Ok(()), bad()), Err(Failure::Unwell { .. })));
        assert!(verdict(Ok(()), Ok(())).is_ok());
        assert!(matches!(both(left(), bad()), Err(Failure::Unwell { .. })));
        assert!(matches!(both(bad(), left()), Err(Failure::Unwell { .. })));
        assert!(matches!(both(left(), Ok(())), Err(Failure::Output(_))));
    }
}
