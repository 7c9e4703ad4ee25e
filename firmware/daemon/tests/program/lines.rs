//! Serial lines that answer, come late, go away, or are never read.

use super::firmware::{Bench, PATIENCE};
use super::robot::{Robot, Socket};
use mtcae_wire::{
    CameraAction, CameraOrder, CameraState, Down, Level, Mode, Ping, Reason, Request, SetTime, Subscribe, Up,
};
use std::io::{PipeReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const STDOUT: &str = "[[sink]]\nkind = \"stdout\"\n";

#[test]
fn requests_are_answered() {
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &socket.sink());
    let _firmware = bench.start(&[]);
    let hello = |m| if let Up::Hello(h) = m { Some(h) } else { None };
    let first = robot.next();
    let Some(first) = hello(first.clone()) else { panic!("not a hello: {first:?}") };
    robot.ask(Down::Hello);
    assert_eq!(robot.next_that(hello), first);
    robot.ask(Down::Ping(Ping { token: 77 }));
    robot.next_that(|m| matches!(m, Up::Pong(p) if p.token == 77 && p.board_us > 0).then_some(()));
    robot.ask(Down::SetTime(SetTime { token: 5, unix_us: 1_900_000_000_000_000 }));
    robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == 5).then_some(()));
    robot.next_that(|m| match m {
        Up::Status(s) => s.unix_offset_us.filter(|o| (1_899_990_000_000_000..1_900_000_000_000_000).contains(o)),
        _ => None,
    });
    robot.ask(Down::SetTime(SetTime { token: 6, unix_us: 3 }));
    robot.next_that(|m| matches!(m, Up::Nack(n) if n.token == 6 && n.reason == Reason::BadValue).then_some(()));
}

/// Microseconds since 1970 of this machine's clock.
fn unix_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_micros() as u64
}

/// The way of the fastest of a few pings, there and back, and what the board's clock then lacks to this one's.
fn compare_clocks(robot: &mut Robot, token: u32) -> (u64, i64) {
    let ping = |i| {
        let sent = unix_us();
        robot.ask(Down::Ping(Ping { token: token + i }));
        let board =
            robot.next_that(|m| if let Up::Pong(p) = m { (p.token == token + i).then_some(p.board_us) } else { None });
        let way = unix_us() - sent;
        (way, (sent + way / 2) as i64 - board as i64)
    };
    (0..8).map(ping).min_by_key(|(way, _)| *way).unwrap()
}

/// As a robot does it (firmware/wire/README.md): half the way of the fastest ping is added to the time that is sent.
#[test]
fn the_time_of_a_report_can_be_placed_on_the_robots_clock() {
    const TIMES: u32 = 10;
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &socket.sink());
    let _firmware = bench.start(&[]);
    robot.next_that(|m| matches!(m, Up::Status(_)).then_some(()));
    let (mut errors, mut ways) = (Vec::new(), Vec::new());
    for i in 0..TIMES {
        let (way, _) = compare_clocks(&mut robot, 1000 + i * 100);
        robot.ask(Down::SetTime(SetTime { token: i, unix_us: unix_us() + way / 2 }));
        robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == i).then_some(()));
        let set = robot.next_that(|m| if let Up::Status(s) = m { s.unix_offset_us } else { None });
        let (check, truth) = compare_clocks(&mut robot, 1050 + i * 100);
        errors.push(set.abs_diff(truth));
        ways.push(way.max(check));
    }
    errors.sort_unstable();
    ways.sort_unstable();
    println!("{TIMES} times set: error {errors:?} us, way there and back {ways:?} us");
    // The time a message takes is halved: it may all have been spent on one of the two ways. A busy machine may let the
    // program wait between a message and the look at its clock.
    assert!(errors[errors.len() / 2] <= 3_000 + ways[ways.len() - 1], "{errors:?} us");
    assert!(errors[errors.len() - 1] <= 100_000, "{errors:?} us");
}

#[test]
fn the_camera_obeys_and_says_why_when_it_does_not() {
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &socket.sink());
    let _firmware = bench.start(&[]);
    let camera = |token, action| Down::Camera(CameraOrder { token, action });
    let state = |wanted| move |m| matches!(m, Up::Status(s) if s.camera == wanted).then_some(());
    let report = |m| if let Up::Report(r) = m { Some(r) } else { None };
    robot.next_that(report);

    robot.ask(camera(1, CameraAction::Stop));
    robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == 1).then_some(()));
    robot.next_that(state(CameraState::Off));
    // Whatever was under way has been sent before the state that follows on the next ping.
    for token in 2..12 {
        robot.ask(Down::Ping(Ping { token }));
        loop {
            match robot.next() {
                Up::Pong(pong) if pong.token == token => break,
                Up::Report(report) => panic!("of a closed camera: {report:?}"),
                _ => {}
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }

    robot.ask(camera(20, CameraAction::Start));
    robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == 20).then_some(()));
    robot.next_that(report);

    robot.ask(Down::CameraModesQuery(Request { token: 21 }));
    let mode = robot.next_that(|m| if let Up::CameraMode(mode) = m { Some(mode) } else { None });
    assert!((mode.token, mode.index, mode.count, mode.current) == (21, 0, 1, true), "{mode:?}");
    robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == 21).then_some(()));
    robot.ask(camera(22, CameraAction::Choose(mode.mode.clone())));
    robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == 22).then_some(()));
    robot.ask(camera(23, CameraAction::Choose(Mode { width: 7, ..mode.mode })));
    let why = robot.next_that(|m| if let Up::Nack(n) = m { Some(n) } else { None });
    assert_eq!((why.token, why.reason), (23, Reason::BadValue));
    assert!(why.detail.as_str().starts_with("the camera has no mode"), "{why:?}");
    robot.next_that(report);
}

#[test]
fn who_subscribes_hears_what_was_asked_for() {
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &(socket.sink() + STDOUT));
    let firmware = bench.start(&[]);
    let log = Some(Level::Error);
    // Before that the line echoes.
    assert!(matches!(robot.next(), Up::Hello(_)));
    robot.ask(Down::Subscribe(Subscribe { token: 1, report_every_ms: Some(400), status_every_ms: None, log }));
    robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == 1).then_some(()));
    let report = |m| if let Up::Report(r) = m { Some(r) } else { None };
    let face = |r: &mtcae_wire::Report| r.face.as_ref().map(|f| f.id);
    let mut before = robot.next_that(report);
    for _ in 0..5 {
        let next = robot.next_that(report);
        let apart = next.captured_us - before.captured_us;
        assert!(face(&next) != face(&before) || apart >= 400_000, "{apart} us apart");
        before = next;
    }
    robot.ask(Down::Subscribe(Subscribe { token: 2, report_every_ms: None, status_every_ms: Some(100), log: None }));
    robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == 2).then_some(()));
    let mut statuses = 0;
    while statuses < 10 {
        match robot.next() {
            Up::Status(_) => statuses += 1,
            other => panic!("not asked for: {other:?}"),
        }
    }
    // The other line hears everything meanwhile.
    let seq = firmware.next_of("report")["seq"].as_u64().unwrap();
    firmware.next_that(|m| m["seq"].as_u64() == Some(seq + 1));
    robot.ask(Down::Hello);
    robot.next_that(report);
}

#[test]
fn a_line_may_come_late_and_go_away_for_a_while() {
    let socket = Socket::new();
    let bench = Bench::on_clip(true, &(socket.sink() + STDOUT));
    let mut firmware = bench.start(&[]);
    let gone = firmware.says("there is no such device");
    assert!(gone.starts_with("warning: serial port") && gone.contains("tried again"), "{gone}");
    firmware.next_that(|m| m["type"] == "status" && m["sink"] == "connecting" && m["counters"]["reports"] != 0);
    let report = |m| if let Up::Report(r) = m { Some(r) } else { None };
    let mut robot = socket.plug_in();
    assert!(matches!(robot.next(), Up::Hello(_)));
    let first = robot.next_that(report);
    socket.unplug(robot);
    firmware.says("sink lost: ");
    firmware.next_that(|m| m["type"] == "status" && m["sink"] == "lost");
    // Long enough for more reports than the outbox holds.
    let seen = firmware.next_of("report")["seq"].as_u64().unwrap();
    firmware.next_that(|m| m["seq"].as_u64() > Some(seen + 20));
    let mut robot = socket.plug_in();
    assert!(matches!(robot.next(), Up::Hello(_)));
    let later = robot.next_that(|m| report(m).filter(|r| r.dropped > 0));
    assert!(later.seq > first.seq && later.boot == first.boot, "{first:?} {later:?}");
    let reconnects = robot.next_that(|m| if let Up::Status(s) = m { Some(s.counters.reconnects) } else { None });
    assert_eq!(reconnects, 1);
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
}

#[test]
fn a_line_nobody_reads_holds_up_no_other() {
    let socket = Socket::new();
    let _robot = socket.plug_in();
    let bench = Bench::on_clip(true, &(socket.sink() + STDOUT));
    let mut firmware = bench.start(&[]);
    let mut messages = Vec::new();
    while messages.iter().filter(|m: &&serde_json::Value| m["type"] == "report").count() < 60 {
        messages.push(firmware.next());
    }
    super::firmware::in_order(&messages);
    assert_eq!(messages.last().map(|m| m["dropped"].clone()), Some(0.into()), "the other line lost nothing");
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
}

/// A pipe that takes nothing any more, as nobody reads it.
fn full_pipe() -> (PipeReader, Stdio) {
    let (unread, mut pipe) = std::io::pipe().unwrap();
    pipe.write_all(&[b'\n'; 1 << 16]).unwrap();
    (unread, pipe.into())
}

#[test]
fn pipes_that_nobody_reads_hold_up_neither_reports_nor_the_end() {
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &(socket.sink() + STDOUT));
    let ((_unread, out), (_unread_too, errors)) = (full_pipe(), full_pipe());
    let mut program = Command::new(env!("CARGO_BIN_EXE_mtcae-firmware"));
    let mut child =
        program.args(["--board", bench.board().to_str().unwrap()]).stdout(out).stderr(errors).spawn().unwrap();
    robot.next_that(|m| matches!(m, Up::Report(_)).then_some(()));
    // A few log lines, for which there is no room.
    for token in 0..10 {
        robot.ask(Down::Camera(CameraOrder {
            token,
            action: if token % 2 == 0 { CameraAction::Stop } else { CameraAction::Start },
        }));
        robot.next_that(|m| matches!(m, Up::Ack(a) if a.token == token).then_some(()));
    }
    robot.next_that(|m| matches!(m, Up::Report(_)).then_some(()));
    let id = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    let asked = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if asked.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("it does not end");
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "{status}");
}

#[test]
fn an_error_output_that_was_closed_ends_nothing() {
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &socket.sink());
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    let mut program = Command::new(env!("CARGO_BIN_EXE_mtcae-firmware"));
    let mut child = program.args(["--board", bench.board().to_str().unwrap()]).stderr(closed).spawn().unwrap();
    robot.next_that(|m| matches!(m, Up::Report(_)).then_some(()));
    let id = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
