//! The virtual board as a bench.

use super::VirtualBoard;
use super::guest::Guest;
use super::picture::FORMATS;
use super::share::format_of;
use crate::process::WATCHED;
use crate::{Ability, Bench, BenchError, BundleKind, DriverFault, Holdings, Plug, Setup, View};
use std::path::PathBuf;
use std::time::Duration;

/// How long the watchdog is fed before a board hangs: longer than it waits.
const FED: Duration = Duration::from_secs(7);

/// How long the launcher waits for a version's self-test.
const TRIAL_MS: u32 = 30_000;
/// Between two reminders that a line has changed.
const NOTICE: Duration = Duration::from_millis(20);

impl VirtualBoard {
    fn guest(&mut self) -> Result<&mut Guest, BenchError> {
        self.guest.as_mut().ok_or_else(|| BenchError::Board("no board runs".to_owned()))
    }

    /// Switches the board on with the disk and line that it has.
    fn boot(&mut self) -> Result<(), BenchError> {
        let mut setup = mtcae_uml::Setup::new(self.dir.path(), &self.share());
        setup.programs = [
            Some(&self.parts.daemon),
            Some(&self.parts.player),
            self.parts.launcher.as_ref(),
            self.parts.freezer.as_ref(),
        ]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
        setup.memory_mib = self.parts.machine.memory_mib();
        setup.serial = Some(self.port().display().to_string());
        setup.disk = self.setup.slots.then(|| self.disk());
        self.guest = Some(Guest::boot(&self.kernel, &setup, self.parts.machine.patience())?);
        self.furnish()
    }

    /// What a board does at its start: its camera sees something, its daemon runs.
    fn furnish(&mut self) -> Result<(), BenchError> {
        let format = format_of(&self.setup);
        let order = self.order(&self.setup.view, format)?;
        let slower = self.parts.machine.slower();
        let (heartbeat, trial) = (self.setup.heartbeat.as_millis() as u32 * slower, TRIAL_MS * slower);
        let launcher = self.setup.slots.then(|| {
            format!(
                "run --restart-ms 50 --trial-ms {trial} --stop-ms 1000 --heartbeat-ms {heartbeat} --root /disk/slots -- \
                 --board /mnt/etc/board.toml"
            )
        });
        let dropped = self.parts.machine.dropped_percent();
        let guest = self.guest()?;
        guest.furnish(format, &order.text, dropped)?;
        guest.start(launcher.as_deref())
    }
}

impl Bench for VirtualBoard {
    fn name(&self) -> String {
        self.parts.machine.name().to_owned()
    }

    fn lacks(&self, ability: Ability) -> Option<String> {
        let none = |what: &str| Some(what.to_owned());
        match ability {
            Ability::Kill | Ability::Updates | Ability::PowerCuts | Ability::Freeze
                if self.parts.launcher.is_none() =>
            {
                none("the program mtcae-launcher is not beside the daemon; build it")
            }
            Ability::Kill | Ability::Updates | Ability::PowerCuts | Ability::Freeze if self.mke2fs.is_err() => {
                self.mke2fs.clone().err()
            }
            Ability::Freeze if self.parts.freezer.is_none() => {
                none("its program `freeze` is missing: cargo build --release -p mtcae-uml --example freeze")
            }
            _ => self.parts.machine.lacks(ability).map(str::to_owned),
        }
    }

    fn start(&mut self, setup: &Setup) -> Result<(), BenchError> {
        self.guest = None;
        self.setup = setup.clone();
        self.write_board_file(setup)?;
        if setup.slots {
            self.fresh_disk()?;
        }
        self.ready = Some(self.fresh_line()?);
        self.boot()
    }

    fn plug_in(&mut self) -> Result<Plug, BenchError> {
        match self.ready.take() {
            Some(line) => Ok(Plug::Descriptor(line)),
            None => {
                // It may have missed that the line before was pulled out.
                self.guest.iter().for_each(Guest::notice);
                let line = self.fresh_line()?;
                std::thread::sleep(NOTICE);
                self.guest.iter().for_each(Guest::notice);
                Ok(Plug::Descriptor(line))
            }
        }
    }

    fn unplug(&mut self) -> Result<(), BenchError> {
        self.near = None;
        let port = self.port();
        std::fs::remove_file(&port).map_err(BenchError::system(format!("remove {}", port.display())))
    }

    fn stop(&mut self) -> Result<(), BenchError> {
        self.ready = None;
        let Some(mut guest) = self.guest.take() else { return Ok(()) };
        match guest.end()? {
            0 => Ok(()),
            code => Err(BenchError::Board(format!("it ended with {code}, not with 0"))),
        }
    }

    fn camera(&mut self, there: bool) -> Result<(), BenchError> {
        self.guest()?.camera(there)
    }

    fn show(&mut self, view: &View) -> Result<(), BenchError> {
        let order = self.order(view, format_of(&self.setup))?;
        self.setup.view = view.clone();
        self.guest()?.show(&order.text)
    }

    fn driver_fault(&mut self, fault: DriverFault, then: &View) -> Result<(), BenchError> {
        let order = self.order(then, format_of(&self.setup))?;
        self.setup.view = then.clone();
        self.guest()?.fault(fault, &order.text)
    }

    fn driver_mended(&mut self) -> Result<(), BenchError> {
        self.guest()?.mend()
    }

    fn formats(&self) -> &'static [&'static str] {
        &FORMATS
    }

    fn seen(&mut self, setup: &Setup) -> Result<PathBuf, BenchError> {
        self.y4m(setup)
    }

    fn privacy(&mut self, private: bool) -> Result<(), BenchError> {
        self.guest()?.privacy(private)
    }

    fn lit(&mut self) -> Result<bool, BenchError> {
        self.guest()?.lit()
    }

    fn pulse(&mut self) -> Result<(), BenchError> {
        self.guest()?.pulse()
    }

    fn heat(&mut self, celsius: f32) -> Result<(), BenchError> {
        self.guest()?.heat(celsius)
    }

    fn kill(&mut self) -> Result<(), BenchError> {
        self.guest()?.kill()
    }

    fn threads(&mut self) -> Result<Vec<String>, BenchError> {
        let found = self.guest()?.threads()?;
        let there = |name: &&&str| found.iter().any(|thread| thread == **name);
        Ok(WATCHED.iter().filter(there).map(|name| (*name).to_owned()).collect())
    }

    fn freeze(&mut self, thread: &str) -> Result<(), BenchError> {
        self.guest()?.freeze(thread)
    }

    fn power_cut(&mut self) -> Result<(), BenchError> {
        self.guest = None;
        Ok(())
    }

    fn power_on(&mut self) -> Result<(), BenchError> {
        self.boot()
    }

    fn bundle(&mut self, counter: u32, kind: BundleKind) -> Result<PathBuf, BenchError> {
        self.first.packer()?.pack(counter, kind, None)
    }

    fn holdings(&mut self) -> Result<Holdings, BenchError> {
        self.guest()?.holdings()
    }

    fn hang(&mut self) -> Result<Duration, BenchError> {
        let took = self.guest()?.hang(FED)?;
        self.furnish()?;
        Ok(took)
    }

    fn slack(&self) -> Option<f64> {
        self.parts.machine.slack()
    }

    fn console(&mut self) -> Vec<String> {
        self.guest.as_mut().map_or_else(Vec::new, Guest::console)
    }
}
