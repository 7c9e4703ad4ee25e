//! Serial lines that answer, come late, go away, or are never read.

use super::firmware::Bench;
use super::robot::Socket;
use mtcae_wire::{Down, Ping, Reason, SetTime, Up};

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
