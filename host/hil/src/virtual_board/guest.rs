//! Orders to a virtual board that runs: lines of shell over its console.

use crate::{BenchError, DriverFault, Holdings};
use mtcae_uml::{Board, Kernel};
use std::time::{Duration, Instant};

/// The capture node, and the output that is plugged into it.
const CAMERA: &str = "/dev/video0";
const SCREEN: &str = "/dev/video1";
/// vivid's timings of 640x480 at 59.94 frames/s.
const TIMINGS: u32 = 0;
/// The lines of gpio-sim: the switch, the light and the trigger.
const PINS: &str = "/sys/devices/platform/gpio-sim.0/gpiochip0";
/// A temperature at which nothing is throttled, degrees Celsius.
const COOL: f32 = 45.0;

/// vivid's levers, by their numbers in the kernel's vivid-ctrls.c.
const BASE: u32 = 0x00f0_f000;
const SEQUENCE_WRAP: u32 = BASE + 38;
const TIME_WRAP: u32 = BASE + 39;
const PERCENT_DROPPED: u32 = BASE + 64;
const DISCONNECT: u32 = BASE + 65;
const DQBUF_ERROR: u32 = BASE + 66;
const QUEUE_SETUP_ERROR: u32 = BASE + 67;
const BUF_PREPARE_ERROR: u32 = BASE + 68;
const START_ERROR: u32 = BASE + 69;
const QUEUE_ERROR: u32 = BASE + 70;

/// Gives the player another order.
fn swap(order: &str) -> String {
    format!("echo '{order}' >/tmp/order.new; mv /tmp/order.new /tmp/order")
}

/// Waits until it is what the player shows.
fn seen(order: &str) -> String {
    format!("until tail -n 1 /tmp/screen.log | grep -q '{order}'; do sleep 0.02; done")
}

/// A virtual board that runs.
pub(super) struct Guest {
    board: Board,
    /// What watches over the daemon, or the daemon itself.
    program: &'static str,
    /// More than any order takes.
    patience: Duration,
}

impl Guest {
    /// Switches a board on; nothing runs on it yet. It has `patience` for each order.
    pub fn boot(kernel: &Kernel, setup: &mtcae_uml::Setup, patience: Duration) -> Result<Guest, BenchError> {
        Ok(Guest { board: Board::start(kernel, setup)?, program: "mtcae-firmware", patience })
    }

    /// Runs a line of shell, which must end well; what it says.
    pub fn sh(&mut self, command: &str) -> Result<String, BenchError> {
        let answer = self.board.run(command, self.patience)?;
        let said = answer.lines.join("\n");
        if answer.code == 0 {
            return Ok(said);
        }
        Err(BenchError::Board(format!("on the virtual board {command:?} ended with {}: {said}", answer.code)))
    }

    /// Plugs the screen into the camera, of whose 60 frames a second so many percent are dropped, and shows something; sets the
    /// pins and the thermometer.
    pub fn furnish(&mut self, format: &str, order: &str, dropped: u32) -> Result<(), BenchError> {
        let lose = self.levers(&[(PERCENT_DROPPED, Some(dropped))]);
        self.sh(&format!("vivid connect {SCREEN} {CAMERA} {format} {TIMINGS} && {lose}"))?;
        self.sh("mkdir -p /tmp/thermal/thermal_zone0")?;
        self.heat(COOL)?;
        // A board without pins has no switch.
        self.sh(&format!("[ ! -e {PINS} ] || echo pull-up >{PINS}/sim_gpio0/pull"))?;
        self.sh(&format!(
            "echo '{order}' >/tmp/order; vivid screen {SCREEN} /tmp/order >/tmp/screen.log 2>&1 & \
             until grep -q shows /tmp/screen.log; do sleep 0.02; done"
        ))
        .map(drop)
    }

    /// Starts the daemon alone, or below a launcher with this argument list.
    pub fn start(&mut self, launcher: Option<&str>) -> Result<(), BenchError> {
        let (program, arguments) = match launcher {
            Some(arguments) => ("mtcae-launcher", arguments),
            None => ("mtcae-firmware", "--board /mnt/etc/board.toml"),
        };
        self.program = program;
        self.sh(&format!("rm -f /tmp/code; ({program} {arguments} >/tmp/daemon.log 2>&1; echo $? >/tmp/code) &"))
            .map(drop)
    }

    /// Asks what was started to end; its exit code.
    pub fn end(&mut self) -> Result<i32, BenchError> {
        let program = self.program;
        let code =
            self.sh(&format!("killall {program}; until [ -s /tmp/code ]; do sleep 0.05; done; cat /tmp/code"))?;
        code.trim().parse().map_err(|_| BenchError::Board(format!("{program} ended with {code:?}")))
    }

    /// Shows something else from now on.
    pub fn show(&mut self, order: &str) -> Result<(), BenchError> {
        self.sh(&format!("{}; {}", swap(order), seen(order))).map(drop)
    }

    /// Holds the camera away from everybody, or lets it come back.
    pub fn camera(&mut self, there: bool) -> Result<(), BenchError> {
        if there {
            return self.sh("rm -f /tmp/gone").map(drop);
        }
        // A node that is gone comes back once nobody has it open.
        self.sh(&format!(
            "touch /tmp/gone; rm -f /tmp/held; (exec 3<{SCREEN}; touch /tmp/held; while [ -e /tmp/gone ]; do sleep 0.02; done) & \
             until [ -e /tmp/held ]; do sleep 0.01; done; vivid set {CAMERA} {DISCONNECT:#x}"
        ))
        .map(drop)
    }

    pub fn fault(&mut self, fault: DriverFault, order: &str) -> Result<(), BenchError> {
        let levers: &[(u32, Option<u32>)] = match fault {
            DriverFault::Disconnected => &[(DISCONNECT, None)],
            DriverFault::Queue => &[(QUEUE_ERROR, None)],
            DriverFault::Qbuf => &[(BUF_PREPARE_ERROR, None)],
            DriverFault::StreamOn => &[(QUEUE_ERROR, None), (START_ERROR, None)],
            DriverFault::Reqbufs => &[(QUEUE_ERROR, None), (QUEUE_SETUP_ERROR, None)],
            DriverFault::CorruptFrame => &[(DQBUF_ERROR, None)],
            DriverFault::BuffersDropped => &[(PERCENT_DROPPED, Some(100))],
            DriverFault::ClockWraps => &[(SEQUENCE_WRAP, Some(1)), (TIME_WRAP, Some(1)), (QUEUE_ERROR, None)],
        };
        // In one go, so that the next picture is there before the camera is opened again. Two of them hit whoever comes
        // next, the player, too: it stands still meanwhile.
        let (set, swap, seen) = (self.levers(levers), swap(order), seen(order));
        let all = match fault {
            DriverFault::Qbuf | DriverFault::CorruptFrame => {
                format!("killall -STOP vivid; {set}; sleep 0.2; {swap}; killall -CONT vivid; {seen}")
            }
            _ => format!("{set}; {swap}; {seen}"),
        };
        self.sh(&all).map(drop)
    }

    pub fn mend(&mut self) -> Result<(), BenchError> {
        let set = self.levers(&[(PERCENT_DROPPED, Some(0)), (SEQUENCE_WRAP, Some(0)), (TIME_WRAP, Some(0))]);
        self.sh(&set).map(drop)
    }

    /// A line of shell that pulls them; without a value one is a button.
    fn levers(&self, levers: &[(u32, Option<u32>)]) -> String {
        let set = levers.iter().map(|(lever, value)| {
            let value = value.map_or_else(String::new, |value| format!(" {value}"));
            format!("vivid set {CAMERA} {lever:#x}{value}")
        });
        set.collect::<Vec<_>>().join(" && ")
    }

    pub fn privacy(&mut self, private: bool) -> Result<(), BenchError> {
        let pull = if private { "pull-down" } else { "pull-up" };
        self.sh(&format!("echo {pull} >{PINS}/sim_gpio0/pull")).map(drop)
    }

    pub fn lit(&mut self) -> Result<bool, BenchError> {
        Ok(self.sh(&format!("cat {PINS}/sim_gpio1/value"))?.trim() == "1")
    }

    pub fn pulse(&mut self) -> Result<(), BenchError> {
        let pull = format!("{PINS}/sim_gpio2/pull");
        self.sh(&format!("echo pull-up >{pull}; sleep 0.03; echo pull-down >{pull}; sleep 0.03")).map(drop)
    }

    pub fn heat(&mut self, celsius: f32) -> Result<(), BenchError> {
        let zone = "/tmp/thermal/thermal_zone0";
        self.sh(&format!("echo {:.0} >{zone}/new; mv {zone}/new {zone}/temp", celsius * 1000.0)).map(drop)
    }

    /// Has it look at what its line has come to.
    pub fn notice(&self) {
        self.board.notice();
    }

    pub fn kill(&mut self) -> Result<(), BenchError> {
        self.sh("killall -9 mtcae-firmware").map(drop)
    }

    pub fn threads(&mut self) -> Result<Vec<String>, BenchError> {
        let said = self.sh("cat /proc/$(pidof mtcae-firmware)/task/*/comm")?;
        Ok(said.lines().map(|line| line.trim().to_owned()).collect())
    }

    pub fn freeze(&mut self, thread: &str) -> Result<(), BenchError> {
        let said = self.sh(&format!(
            "rm -f /tmp/freeze.log; freeze $(pidof mtcae-firmware) {thread} >/tmp/freeze.log 2>&1 & \
             until [ -s /tmp/freeze.log ]; do sleep 0.02; done; cat /tmp/freeze.log"
        ))?;
        let stopped = said.trim().strip_prefix("stopped ").and_then(|count| count.parse::<u32>().ok());
        match stopped {
            Some(1..) => Ok(()),
            _ => Err(BenchError::Board(format!("thread {thread} was not stopped: {said}"))),
        }
    }

    pub fn holdings(&mut self) -> Result<Holdings, BenchError> {
        let said = self.sh(
            "cd /proc/$(pidof mtcae-firmware) && ls fd | wc -l && ls task | wc -l && sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' status",
        )?;
        let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [descriptors, threads, rss_kib] => {
                Ok(Holdings { descriptors: descriptors as usize, threads: threads as usize, rss_kib })
            }
            _ => Err(BenchError::Board(format!("the daemon's holdings: {said}"))),
        }
    }

    /// Feeds the watchdog for a while, as the system does, then stops; the time from then until the board is up again.
    pub fn hang(&mut self, fed: Duration) -> Result<Duration, BenchError> {
        self.sh("(while echo -n 1; do sleep 1; done) >/dev/watchdog 2>/dev/null & echo $! >/tmp/feeder")?;
        std::thread::sleep(fed);
        let begin = Instant::now();
        self.sh("kill -STOP $(cat /tmp/feeder)")?;
        self.board.wait_until_up(self.patience)?;
        Ok(begin.elapsed())
    }

    /// The last lines that the daemon and its launcher, the player and the kernel said.
    pub fn console(&mut self) -> Vec<String> {
        match self
            .board
            .run("tail -n 60 /tmp/daemon.log; tail -n 3 /tmp/screen.log; dmesg | tail -n 20", Duration::from_secs(10))
        {
            Ok(answer) => answer.lines,
            Err(why) => vec![why.to_string()],
        }
    }
}
