//! Which target a run is for, as a person types it.

use mtcae_boards::Target;
use std::str::FromStr;
use thiserror::Error;

/// A target of `mtcae hil run`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Processes of this machine.
    Local,
    /// User-Mode Linux with a virtual camera.
    Uml,
    /// A virtual board with a board's own processor.
    QemuArm64,
    /// A real board.
    Board(Target),
}

/// A text that is no target of a run.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{value:?} is no target of the suite; accepted: local, uml, qemu-arm64, serial:PORT[:BAUD], tcp:HOST:PORT")]
pub struct KindError {
    /// As given.
    pub value: String,
}

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Kind, KindError> {
        match text {
            "local" => Ok(Kind::Local),
            "uml" => Ok(Kind::Uml),
            "qemu-arm64" => Ok(Kind::QemuArm64),
            _ => match text.parse() {
                Ok(target @ (Target::Serial { .. } | Target::Tcp { .. })) => Ok(Kind::Board(target)),
                _ => Err(KindError { value: text.chars().take(80).collect() }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_or_a_line_is_a_target_and_nothing_else() {
        assert_eq!("local".parse(), Ok(Kind::Local));
        assert_eq!("qemu-arm64".parse(), Ok(Kind::QemuArm64));
        assert!(matches!("serial:/dev/ttyUSB0".parse(), Ok(Kind::Board(Target::Serial { baud: 115_200, .. }))));
        assert!(matches!("tcp:board:7452".parse(), Ok(Kind::Board(Target::Tcp { .. }))));
        for wrong in ["", "orin", "dir:/mnt", "serial:ttyUSB0"] {
            let error = wrong.parse::<Kind>().unwrap_err().to_string();
            assert!(error.contains("accepted: local, uml"), "{error}");
        }
    }
}
