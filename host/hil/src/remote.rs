//! The targets `serial:` and `tcp:`: a board that somebody else has set up and started. The suite talks to it and damages
//! the line; it does not touch the board.

use crate::terminal::open_raw;
use crate::{Ability, Bench, BenchError, Plug, Setup};
use mtcae_boards::Target;
use std::path::Path;

/// The board behind a line.
#[derive(Debug)]
pub struct Remote {
    target: Target,
}

impl Remote {
    /// The board at `target`.
    ///
    /// # Errors
    /// For a folder, which does not answer.
    pub fn new(target: Target) -> Result<Remote, BenchError> {
        match target {
            Target::Directory(_) => Err(BenchError::Board("a folder is no board that could answer".to_owned())),
            target => Ok(Remote { target }),
        }
    }
}

impl Bench for Remote {
    fn name(&self) -> String {
        self.target.to_string()
    }

    fn lacks(&self, ability: Ability) -> Option<String> {
        let by_hand =
            |what: &str| Some(format!("nothing here can {what} of a real board; do it by hand (host/hil/ORIN.md)"));
        match ability {
            Ability::Line | Ability::Pace => None,
            Ability::LineFaults if matches!(self.target, Target::Serial { .. }) => None,
            Ability::LineFaults => Some("TCP carries no damaged bytes".to_owned()),
            Ability::Frames => by_hand("choose the frames, or start the daemon,"),
            Ability::Unplug => by_hand("pull the line"),
            Ability::CameraFaults => by_hand("take away the camera"),
            Ability::DriverFaults => by_hand("break the camera's driver"),
            Ability::Formats => by_hand("change the camera's format"),
            Ability::Privacy => by_hand("flip the switch"),
            Ability::Light => by_hand("see the light"),
            Ability::Trigger => by_hand("pulse the frame trigger"),
            Ability::Heat => by_hand("change the temperature"),
            Ability::Kill | Ability::Freeze => by_hand("reach the processes"),
            Ability::PowerCuts => by_hand("cut the power"),
            Ability::Updates => Some("the suite has no key that a real board trusts; use `mtcae flash`".to_owned()),
            Ability::Holdings => by_hand("count the descriptors"),
            Ability::Reset => by_hand("hang the whole system"),
            Ability::Broker => Some("its board file names a broker of its own, or none".to_owned()),
        }
    }

    fn start(&mut self, _: &Setup) -> Result<(), BenchError> {
        Err(BenchError::Lacks(Ability::Frames))
    }

    fn plug_in(&mut self) -> Result<Plug, BenchError> {
        match &self.target {
            Target::Serial { port, baud } => open_raw(Path::new(port), Some(*baud)).map(Plug::Descriptor),
            target => Ok(Plug::Target(target.clone())),
        }
    }

    fn stop(&mut self) -> Result<(), BenchError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_board_is_only_talked_to() {
        let serial = Remote::new("serial:/dev/ttyUSB0:921600".parse().unwrap()).unwrap();
        let can: Vec<Ability> = Ability::ALL.into_iter().filter(|a| serial.lacks(*a).is_none()).collect();
        assert_eq!(can, [Ability::Line, Ability::LineFaults, Ability::Pace]);
        let tcp = Remote::new("tcp:board.local:7452".parse().unwrap()).unwrap();
        assert!(tcp.lacks(Ability::LineFaults).is_some() && tcp.lacks(Ability::Line).is_none());
        assert!(Remote::new("dir:/mnt".parse().unwrap()).is_err());
    }
}
