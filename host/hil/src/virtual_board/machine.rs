//! What one kind of virtual board has, and how slow it is.

use crate::Ability;
use mtcae_uml::{Kernel, UmlError};
use std::path::Path;
use std::time::Duration;

/// A kind of virtual board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// Linux as a process of this machine, at its own speed.
    Uml,
    /// An emulated arm64 processor with a distribution's kernel, some hundred times slower.
    QemuArm64,
}

impl Machine {
    /// The target's name.
    pub fn name(self) -> &'static str {
        match self {
            Machine::Uml => "uml",
            Machine::QemuArm64 => "qemu-arm64",
        }
    }

    /// What it is started with, from the folder that its script printed.
    pub(super) fn kernel(self, folder: &Path) -> Result<Kernel, UmlError> {
        match self {
            Machine::Uml => Kernel::in_folder(folder),
            Machine::QemuArm64 => Kernel::emulated(folder),
        }
    }

    /// Memory, MiB.
    pub(super) fn memory_mib(self) -> u32 {
        match self {
            Machine::Uml => 512,
            Machine::QemuArm64 => 768,
        }
    }

    /// Target triple of the programs that run there.
    pub(super) fn triple(self) -> String {
        match self {
            Machine::Uml => crate::packing::target(),
            Machine::QemuArm64 => "aarch64-unknown-linux-gnu".to_owned(),
        }
    }

    /// Bits per second that its line can be set to; bytes pass as fast as it can, whatever it is set to.
    pub(super) fn fastest_baud(self) -> u32 {
        match self {
            Machine::Uml => 4_000_000,
            // A 16550A.
            Machine::QemuArm64 => 115_200,
        }
    }

    /// Of a hundred frames of the camera so many are dropped: making and decoding sixty a second would leave an emulated
    /// processor no time for anything else.
    pub(super) fn dropped_percent(self) -> u32 {
        match self {
            Machine::Uml => 0,
            Machine::QemuArm64 => 85,
        }
    }

    /// What takes longer than a board would, it takes so many times as long.
    pub(super) fn slower(self) -> u32 {
        match self {
            Machine::Uml => 1,
            Machine::QemuArm64 => 10,
        }
    }

    /// How many times as long as on a board things may take; `None` where times say nothing of one.
    pub(super) fn slack(self) -> Option<f64> {
        match self {
            // It shares a machine that has other work to do.
            Machine::Uml => Some(3.0),
            Machine::QemuArm64 => None,
        }
    }

    /// More than any order takes on a busy machine.
    pub(super) fn patience(self) -> Duration {
        match self {
            Machine::Uml => Duration::from_secs(120),
            Machine::QemuArm64 => Duration::from_secs(300),
        }
    }

    /// Why it cannot do this, whatever it is given.
    pub(super) fn lacks(self, ability: Ability) -> Option<&'static str> {
        const SLOW: &str = "each try takes minutes on an emulated processor; `--target uml` breaks the same driver";
        match (self, ability) {
            (_, Ability::Broker) => Some("the virtual board has no network"),
            (Machine::QemuArm64, Ability::Privacy | Ability::Light | Ability::Trigger) => {
                Some("the distribution's arm64 kernel comes without gpio-sim, which would flip its pins")
            }
            (Machine::QemuArm64, Ability::Unplug) => Some("an emulated UART does not see that its line was pulled out"),
            (Machine::QemuArm64, Ability::CameraFaults | Ability::DriverFaults) => Some(SLOW),
            (Machine::QemuArm64, Ability::Pace) => {
                Some("its processor is emulated, some hundred times slower than a board's")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulated_board_lacks_what_needs_pins_or_speed() {
        let lacks = |machine: Machine| Ability::ALL.into_iter().filter(move |a| machine.lacks(*a).is_some());
        assert_eq!(lacks(Machine::Uml).collect::<Vec<_>>(), [Ability::Broker]);
        let emulated: Vec<Ability> = lacks(Machine::QemuArm64).collect();
        use Ability::{Broker, CameraFaults, DriverFaults, Light, Pace, Privacy, Trigger, Unplug};
        assert_eq!(emulated, [Unplug, CameraFaults, DriverFaults, Privacy, Light, Trigger, Broker, Pace]);
        assert!(Machine::QemuArm64.slack().is_none() && Machine::Uml.slack().is_some());
    }
}
