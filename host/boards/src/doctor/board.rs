//! What is wrong with a board, from what it says.

use super::{Finding, bad, good, warning};
use crate::BoardError;
use crate::admission::slots_of;
use crate::ask::{Clock, Patience};
use crate::session::{LineCounts, Session};
use crate::watch::running;
use mtcae_wire::{CameraMode, CameraState, Hello, Mode, SinkState, SlotState, Slots, Status};
use std::time::Duration;

/// A board tells how it is at least this often unless its file says otherwise.
const STATUS_WITHIN: Duration = Duration::from_secs(6);
/// Less free space than a bundle with a model takes, bytes.
const FEW_BYTES: u64 = 256 << 20;
/// The daemon slows down from here on, as processors soon do, tenths of a degree Celsius.
const WARM: i16 = 800;
/// They switch off soon after, tenths of a degree Celsius.
const HOT: i16 = 950;
/// Clocks further apart than this make time stamps useless, microseconds.
const APART_US: i64 = 1_000_000;

/// What was found on a board.
#[derive(Debug)]
pub struct BoardFacts {
    /// Who it is.
    pub hello: Hello,
    /// How it is; `None` when it did not say so in time.
    pub status: Option<Status>,
    /// What its slots hold, or why that is not known.
    pub slots: Result<Slots, BoardError>,
    /// Its camera's modes, or why they are not known.
    pub modes: Result<Vec<CameraMode>, BoardError>,
    /// Its clock against this machine's.
    pub clock: Option<Clock>,
    /// The line's counters.
    pub line: LineCounts,
}

/// Asks a board for all that [`judge_board`] wants; takes up to half a minute.
///
/// # Errors
/// When it does not say who it is.
pub fn examine(session: &mut Session) -> Result<BoardFacts, BoardError> {
    let hello = session.hello(Patience::NORMAL)?;
    let clock = session.clock().ok();
    let slots = session.slots();
    let modes = session.camera_modes();
    let status = session.status(STATUS_WITHIN)?;
    Ok(BoardFacts { hello, status, slots, modes, clock, line: session.counts() })
}

/// Judges a board.
pub fn judge_board(facts: &BoardFacts) -> Vec<Finding> {
    let hello = &facts.hello;
    let who = format!("{}, firmware {}, model {} {}", hello.device, hello.firmware, hello.model, hello.model_version);
    let mut findings = vec![good("board", who), line(facts)];
    match &facts.status {
        Some(status) => findings.extend(health(status, facts)),
        None => {
            let says = format!("it did not say within {} s how it is", STATUS_WITHIN.as_secs());
            findings.push(bad("status", says, "`mtcae logs` says what it does; start its daemon anew"));
        }
    }
    findings.push(modes(&facts.modes));
    match &facts.slots {
        Ok(held) => findings.extend(slots(held)),
        Err(error @ BoardError::NoUpdates { .. }) => findings.push(warning("slots", error.to_string(), &error.help())),
        Err(error) => findings.push(bad("slots", error.to_string(), &error.help())),
    }
    findings
}

fn line(facts: &BoardFacts) -> Finding {
    let LineCounts { bad: damaged, good: whole, .. } = facts.line;
    let received = facts.status.as_ref().map_or(0, |status| status.counters.bad_received);
    // One is the rest of what was under way when the line was opened.
    if damaged <= 1 && received <= 1 {
        let round_trip = facts
            .clock
            .map_or(String::new(), |clock| format!(", round trip {:.1} ms", clock.round_trip_us as f64 / 1e3));
        return good("line", format!("{whole} messages, none damaged{round_trip}"));
    }
    let says =
        format!("{damaged} of {} frames came damaged, and {received} at the board", damaged.saturating_add(whole));
    warning("line", says, "a shorter or better cable, or a lower speed; noise is repaired, and costs time")
}

fn health(status: &Status, facts: &BoardFacts) -> Vec<Finding> {
    vec![camera(status), engine(status, &facts.hello), sink(status), temperature(status), clock(status, facts)]
}

fn camera(status: &Status) -> Finding {
    let fps = f64::from(status.fps_tenths) / 10.0;
    match status.camera {
        CameraState::Streaming if status.fps_tenths > 0 => {
            good("camera", format!("streaming, {fps:.1} frames a second"))
        }
        CameraState::Streaming => {
            bad("camera", "streaming, and no frame comes", "unplug the camera and plug it in again")
        }
        CameraState::Starting => warning("camera", "being opened", "ask again in a moment"),
        CameraState::Lost => {
            bad("camera", "gone, and being opened again", "check its cable; `mtcae logs` says what the board tried")
        }
        CameraState::Ended => warning("camera", "the file in its place is over", "`camera.loop = true` begins it anew"),
        CameraState::Off => {
            warning("camera", "switched off on request", "`mtcae camera` with `start` switches it on again")
        }
        CameraState::Private => warning("camera", "switched off by the privacy switch", "flip the switch to see"),
    }
}

fn modes(modes: &Result<Vec<CameraMode>, BoardError>) -> Finding {
    let modes = match modes {
        Ok(modes) => modes,
        Err(error) => return warning("modes", error.to_string(), "`mtcae status` shows which firmware it runs"),
    };
    let Some(used) = modes.iter().find(|mode| mode.current) else {
        let next = "`mtcae camera TARGET` lists them, `mtcae camera TARGET use MODE` chooses one";
        return warning("modes", format!("{} modes, none of them in use", modes.len()), next);
    };
    let others = match modes.len() - 1 {
        0 => "the only one".to_owned(),
        others => format!("{others} others, {} of them readable", modes.iter().filter(|m| m.readable).count() - 1),
    };
    good("modes", format!("{} in use, {others}", mode_text(&used.mode)))
}

/// A mode as `mtcae camera` shows and takes it: `YUYV:1280x720@10`, without the rate when the driver does not say.
pub fn mode_text(mode: &Mode) -> String {
    let Mode { format, width, height, fps_tenths } = mode;
    let rate = if *fps_tenths > 0 { format!("@{}", f64::from(*fps_tenths) / 10.0) } else { String::new() };
    format!("{format}:{width}x{height}{rate}")
}

fn engine(status: &Status, hello: &Hello) -> Finding {
    let (engine, infer) = (&status.engine, status.latency.infer);
    if engine != &hello.engine {
        let says = format!("it said {}, and runs {engine}", hello.engine);
        return warning("engine", says, "start its daemon anew");
    }
    if status.counters.clips == 0 {
        let next = "hold a face before the camera and ask again";
        return warning("engine", format!("{engine}, and it has answered nothing yet"), next);
    }
    let ms = |us: u32| f64::from(us) / 1e3;
    let (p50, p99) = (ms(infer.p50_us), ms(infer.p99_us));
    good("engine", format!("{engine}, {} clips, {p50:.0} ms each (p99 {p99:.0} ms)", status.counters.clips))
}

fn sink(status: &Status) -> Finding {
    let dropped = status.counters.dropped_reports;
    match status.sink {
        SinkState::Connected if dropped == 0 => {
            good("reports", format!("{} sent, none dropped", status.counters.reports))
        }
        SinkState::Connected => warning(
            "reports",
            format!("{} sent, {dropped} dropped", status.counters.reports),
            "a faster line, or a lower `report.max_hz` in the board file",
        ),
        SinkState::Connecting => warning("reports", "a sink is being opened", "ask again in a moment"),
        SinkState::Lost => bad("reports", "a sink is gone", "`mtcae logs` says which one"),
    }
}

fn temperature(status: &Status) -> Finding {
    let Some(tenths) = status.temperature_tenths_c else {
        return good("temperature", "the board has no sensor");
    };
    let says = format!("{:.1} degrees Celsius", f64::from(tenths) / 10.0);
    match tenths {
        HOT.. => bad("temperature", says, "it will switch off: check its fan, and give it air"),
        WARM.. => warning("temperature", says, "it slows down from here on: check its fan"),
        _ => good("temperature", says),
    }
}

fn clock(status: &Status, facts: &BoardFacts) -> Finding {
    let next =
        "`timedatectl` on the board shows whether it keeps time; one without network needs a clock chip's battery";
    let (Some(board), Some(host)) = (status.unix_offset_us, facts.clock) else {
        return warning("clock", "the board knows no time of day", next);
    };
    let apart = board.saturating_sub(host.host_offset_us);
    let (seconds, way) = (apart.unsigned_abs() as f64 / 1e6, if apart < 0 { "behind" } else { "ahead of" });
    let says = format!("{seconds:.3} s {way} this machine's");
    if apart.unsigned_abs() > APART_US as u64 { warning("clock", says, next) } else { good("clock", says) }
}

fn slots(held: &Slots) -> Vec<Finding> {
    let mut findings = Vec::new();
    let with = |state| slots_of(held).find(move |(slot, _)| slot.state == state).map(|(slot, _)| slot.version.as_str());
    findings.push(match (with(SlotState::Trial), with(SlotState::Failed)) {
        (Some(version), _) => {
            let waits = || ", has passed its self-test, and waits for you".to_owned();
            let left = held.trial_starts_left.map_or_else(waits, |left| format!(", {left} more starts"));
            let next = "`mtcae confirm` keeps it, `mtcae rollback` gives it up";
            warning("slots", format!("{version} is on trial{left}"), next)
        }
        (None, Some(version)) => {
            let next = "`mtcae logs` says why; flash a better one";
            warning("slots", format!("{} runs; {version} was given up", running(held)), next)
        }
        (None, None) => good("slots", format!("{} runs, confirmed", running(held))),
    });
    let mib = held.free_bytes >> 20;
    findings.push(if held.free_bytes < FEW_BYTES {
        warning("space", format!("{mib} MiB free for a bundle"), "free some on the board; a larger bundle is refused")
    } else {
        good("space", format!("{mib} MiB free for a bundle"))
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;
    use crate::doctor::tests::shown;
    use mtcae_wire::{Counters, Latencies, Percentiles, Slot, SlotName, SlotPair};

    fn hello() -> Hello {
        Hello {
            protocol: 1,
            boot: 7,
            device: "bench".into(),
            firmware: "0.1.0".into(),
            model: "edge".into(),
            model_version: "1.0.0".into(),
            engine: "tract".into(),
            labels: Default::default(),
        }
    }

    fn status() -> Status {
        let infer = Percentiles { p50_us: 41_000, p99_us: 55_000 };
        Status {
            boot: 7,
            uptime_ms: 60_000,
            unix_offset_us: Some(1_000_000_250_000),
            engine: "tract".into(),
            camera: CameraState::Streaming,
            sink: SinkState::Connected,
            counters: Counters { frames: 900, clips: 300, reports: 300, ..Counters::default() },
            fps_tenths: 299,
            temperature_tenths_c: Some(481),
            rss_kib: 90_000,
            latency: Latencies { infer, ..Latencies::default() },
            parts: mtcae_wire::Parts::default(),
            clips_tenths: 100,
        }
    }

    fn slots(state: SlotState) -> Slots {
        let slot =
            |version: &str, state| Some(Slot { transfer: 1, version: version.into(), security_counter: 1, state });
        let pair = || SlotPair {
            active: Some(SlotName::A),
            slots: [slot("edge 1.0.0", SlotState::Confirmed), slot("edge 1.1.0", state)],
        };
        let (model, daemon) = (pair(), pair());
        let (family, trial_starts_left) = ("pc".into(), None);
        Slots { token: 0, family, model, daemon, trial_starts_left, security_counter: 1, free_bytes: 1 << 30 }
    }

    fn modes() -> Vec<CameraMode> {
        let mode = |index, format: &str, fps_tenths, readable| CameraMode {
            token: 1,
            index,
            count: 3,
            mode: Mode { format: format.into(), width: 1280, height: 720, fps_tenths },
            current: index == 1,
            readable,
        };
        vec![mode(0, "H264", 300, false), mode(1, "MJPG", 300, true), mode(2, "YUYV", 75, true)]
    }

    fn facts() -> BoardFacts {
        let clock = Some(Clock { round_trip_us: 4_200, host_offset_us: 1_000_000_000_000 });
        let line = LineCounts { reconnects: 0, bad: 0, good: 12 };
        BoardFacts {
            hello: hello(),
            status: Some(status()),
            slots: Ok(slots(SlotState::Confirmed)),
            modes: Ok(modes()),
            clock,
            line,
        }
    }

    #[test]
    fn a_good_board() {
        insta::assert_snapshot!(shown(&judge_board(&facts())));
    }

    #[test]
    fn each_trouble_has_its_next_step() {
        let with = |change: &dyn Fn(&mut Status)| {
            let mut facts = facts();
            change(facts.status.as_mut().unwrap());
            judge_board(&facts).into_iter().filter(|f| f.severity > Severity::Good).collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        for camera in
            [CameraState::Starting, CameraState::Lost, CameraState::Ended, CameraState::Off, CameraState::Private]
        {
            all.extend(with(&|status| status.camera = camera));
        }
        all.extend(with(&|status| status.fps_tenths = 0));
        all.extend(with(&|status| status.engine = "ort-cuda".into()));
        all.extend(with(&|status| status.counters.clips = 0));
        all.extend(with(&|status| status.counters.dropped_reports = 5));
        all.extend(with(&|status| status.counters.bad_received = 9));
        all.extend(with(&|status| status.sink = SinkState::Lost));
        all.extend(with(&|status| status.temperature_tenths_c = Some(800)));
        all.extend(with(&|status| status.temperature_tenths_c = Some(950)));
        all.extend(with(&|status| status.unix_offset_us = None));
        all.extend(with(&|status| status.unix_offset_us = Some(0)));
        for state in [SlotState::Trial, SlotState::Failed] {
            let found = judge_board(&BoardFacts { slots: Ok(slots(state)), ..facts() });
            all.extend(found.into_iter().filter(|f| f.severity > Severity::Good));
        }
        let full = Slots { free_bytes: 1 << 20, ..slots(SlotState::Confirmed) };
        let (silent, none) =
            (BoardFacts { status: None, ..facts() }, || BoardError::NoUpdates { target: "/dev/ttyUSB0".into() });
        for facts in [BoardFacts { slots: Ok(full), ..facts() }, silent, BoardFacts { slots: Err(none()), ..facts() }] {
            all.extend(judge_board(&facts).into_iter().filter(|f| f.severity > Severity::Good));
        }
        let unused = modes().into_iter().map(|mode| CameraMode { current: false, ..mode }).collect();
        for modes in [
            Ok(unused),
            Err(BoardError::Silent { target: "/dev/ttyUSB0".into(), asked: "for its camera's modes".into(), bad: 0 }),
        ] {
            let found = judge_board(&BoardFacts { modes, ..facts() });
            all.extend(found.into_iter().filter(|f| f.severity > Severity::Good));
        }
        assert!(all.iter().all(|finding| !finding.next.is_empty()));
        assert_eq!(all.len(), 22, "{}", shown(&all));
        insta::assert_snapshot!(shown(&all));
    }
}
