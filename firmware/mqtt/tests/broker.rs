//! A real mosquitto: whole sessions, brokers that die, brokers that freeze, brokers that want to know who it is.

mod common;

use common::{Broker, Heard, LONG, Listener, hello, mosquitto, report, status};
use mtcae_core::{Outbox, OutboxLimits, Sink, SinkError};
use mtcae_mqtt::{MqttOptions, MqttSink};
use mtcae_wire::Up;
use rustix::process::Signal;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Times the broker is killed.
const KILLS: u32 = 100;
/// Longest time from a broker that is there again to a connection.
const RECOVERY: Duration = Duration::from_secs(3);
/// Reports under way when a broker dies, at most: in the sink, in both kernels' buffers, in the broker.
const UNDER_WAY: u32 = 12;

fn options(port: u16) -> MqttOptions {
    MqttOptions {
        host: "127.0.0.1".into(),
        port,
        prefix: "mtcae".into(),
        device: "desk".into(),
        user: None,
        password_file: None,
        tls: None,
        home_assistant: false,
        unix_offset_us: None,
    }
}

/// A sink that is connected.
fn connected(options: &MqttOptions) -> MqttSink {
    let mut sink = MqttSink::open(options).unwrap();
    let end = Instant::now() + LONG;
    while sink.session().is_none() {
        sink.poll().unwrap();
        assert!(Instant::now() < end, "no connection");
        std::thread::sleep(Duration::from_millis(2));
    }
    sink
}

/// Sends, trying again while the line is busy.
fn deliver(sink: &mut MqttSink, message: &Up) {
    let end = Instant::now() + LONG;
    loop {
        match sink.send(message) {
            Ok(()) => return,
            Err(SinkError::Busy) => std::thread::sleep(Duration::from_millis(1)),
            Err(lost) => panic!("{lost}"),
        }
        assert!(Instant::now() < end, "busy for ever");
    }
}

/// `(seq, dropped)` of every report heard.
fn reports(heard: &[Heard]) -> Vec<(u64, u64)> {
    let scores = heard.iter().filter(|h| h.topic.ends_with("/scores")).map(Heard::json);
    scores.map(|json| (json["seq"].as_u64().unwrap(), json["dropped"].as_u64().unwrap())).collect()
}

fn is_report(heard: &Heard, seq: u32) -> bool {
    heard.topic.ends_with("/scores") && heard.json()["seq"] == seq
}

#[test]
fn a_whole_session() {
    let Some(program) = mosquitto() else { return };
    let broker = Broker::open(&program);
    let listener = Listener::new("listener", broker.port);
    let mut sink = connected(&options(broker.port));
    assert_eq!(sink.name(), format!("mqtt:127.0.0.1:{}", broker.port));
    deliver(&mut sink, &hello());
    deliver(&mut sink, &status(500));
    for seq in 0..200 {
        deliver(&mut sink, &Up::Report(report(seq, 0x2a, Some((seq % 8) as u8))));
        assert!(sink.waiting() <= 17);
    }
    listener.wait("the last report", |h| is_report(h, 199));
    let heard = listener.heard();
    let seqs: Vec<u64> = reports(&heard).iter().map(|r| r.0).collect();
    assert_eq!(seqs, (0..200).collect::<Vec<_>>(), "all of them, in order");
    for end in ["tracked", "f0000002a/roi", "f0000002a/landmarks", "f0000002a/expression"] {
        assert_eq!(heard.iter().filter(|h| h.topic == format!("mtcae/desk/faces/{end}")).count(), 200, "{end}");
    }
    assert_eq!(heard.len(), 2 + 5 * 200, "birth and status besides");
    assert_eq!((heard[0].topic.as_str(), heard[0].payload.as_str()), ("mtcae/desk/available", "online"));

    // Whoever comes later is told how the board is, and of no old face.
    let late = Listener::new("late", broker.port);
    late.wait("the state that was kept", |h| h.topic == "mtcae/desk/status" && h.json()["uptime_ms"] == 500);
    late.wait("the birth that was kept", |h| h.payload == "online");
    assert!(late.heard().len() == 2 && late.heard().iter().all(|h| h.kept), "{:?}", late.heard());

    drop(sink);
    listener.wait("the farewell", |h| h.topic == "mtcae/desk/available" && h.payload == "offline");
}

/// A board's side of a session: what waits, what the sink took, what it says.
struct Board {
    outbox: Outbox,
    next: u32,
    taken: Vec<u64>,
}

impl Board {
    fn now(&self) -> u64 {
        u64::from(self.next) * 66_000
    }

    fn make_report(&mut self) {
        self.outbox.push(Up::Report(report(self.next, 0x2a, Some(1))));
        self.next += 1;
    }

    /// Gives the sink what it takes now.
    fn pump(&mut self, sink: &mut MqttSink) -> Result<(), SinkError> {
        sink.poll()?;
        self.outbox.resume();
        while let Some(message) = self.outbox.front(self.now()).cloned() {
            match sink.send(&message) {
                Ok(()) => self.outbox.sent(),
                Err(SinkError::Busy) => break,
                Err(lost) => return Err(lost),
            }
            if let Up::Report(report) = message {
                self.taken.push(report.seq.into());
            }
        }
        Ok(())
    }

    fn pump_until_empty(&mut self, sink: &mut MqttSink) {
        let end = Instant::now() + LONG;
        while !self.outbox.is_empty() {
            self.pump(sink).unwrap();
            assert!(Instant::now() < end, "the outbox never gets empty");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_broker_that_dies_loses_what_is_under_way_and_nothing_comes_out_of_order() {
    let Some(program) = mosquitto() else { return };
    let mut broker = Broker::open(&program);
    let mut board = Board { outbox: Outbox::new(OutboxLimits::default()), next: 0, taken: Vec::new() };
    let mut heard: Vec<(u64, u64)> = Vec::new();
    let (mut slowest, mut lost) = (Duration::ZERO, 0);
    for kill in 0..KILLS {
        let listener = Listener::new("listener", broker.port);
        let begun = Instant::now();
        let mut sink = connected(&options(broker.port));
        slowest = slowest.max(begun.elapsed());
        deliver(&mut sink, &hello());
        for _ in 0..10 {
            board.make_report();
            board.pump_until_empty(&mut sink);
        }
        let last = board.next - 1;
        listener.wait("the last report before the kill", |h| is_report(h, last));
        let before = board.taken.len();
        for _ in 0..3 {
            board.make_report();
            board.pump(&mut sink).unwrap();
        }
        broker.kill();
        let end = Instant::now() + LONG;
        while board.pump(&mut sink).is_ok() {
            assert!(Instant::now() < end, "kill {kill} was never noticed");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(matches!(sink.send(&hello()), Err(SinkError::Lost(_))));
        let under_way = (board.taken.len() - before) as u32;
        assert!(under_way <= UNDER_WAY, "{under_way} reports were under way");
        // More than the outbox has room for.
        (0..20).for_each(|_| board.make_report());
        let arrived = reports(&listener.heard());
        lost += board.taken.len() - heard.len() - arrived.len();
        heard.extend(arrived);
        board.taken = heard.iter().map(|r| r.0).collect();
        broker.start_again();
    }
    let counts = board.outbox.counts();
    println!("{KILLS} kills: {counts:?}, {lost} reports were under way and lost, slowest connection {slowest:?}");
    assert!(slowest <= RECOVERY, "{slowest:?}");
    assert!(heard.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order: {heard:?}");
    assert!(heard.windows(2).all(|pair| pair[0].1 <= pair[1].1), "the count of dropped ones went back: {heard:?}");
    assert_eq!(counts.pushed_reports, u64::from(board.next));
    assert_eq!(counts.sent_reports, (heard.len() + lost) as u64);
    assert_eq!(counts.dropped_reports, counts.pushed_reports - counts.sent_reports - board.outbox.reports() as u64);
    assert!(counts.dropped_reports >= u64::from(KILLS) * 12, "{counts:?}");
    assert!(lost <= (KILLS * UNDER_WAY) as usize && heard.last().unwrap().1 >= u64::from(KILLS - 1) * 12);
}

#[test]
fn a_frozen_broker_makes_the_line_busy_and_then_lost() {
    let Some(program) = mosquitto() else { return };
    let broker = Broker::open(&program);
    let listener = Listener::new("listener", broker.port);
    let mut sink = connected(&options(broker.port));
    let mut slowest = Duration::ZERO;
    let mut next = 0;
    // Until it has been busy for a whole second, or is lost.
    let mut fill = |sink: &mut MqttSink, until: Duration| -> Result<u32, SinkError> {
        let mut busy_since: Option<Instant> = None;
        loop {
            let begun = Instant::now();
            let result = sink.send(&Up::Report(report(next, 1, Some(1))));
            slowest = slowest.max(begun.elapsed());
            match result {
                Ok(()) => {
                    next += 1;
                    busy_since = None;
                }
                Err(SinkError::Busy) if busy_since.is_some_and(|since| since.elapsed() > until) => return Ok(next),
                Err(SinkError::Busy) => {
                    busy_since.get_or_insert_with(Instant::now);
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(lost) => return Err(lost),
            }
            assert!(next < 1_000_000, "it is never busy");
        }
    };
    broker.signal(Signal::STOP);
    let taken = fill(&mut sink, Duration::from_secs(1)).expect("busy is not lost");
    broker.signal(Signal::CONT);
    listener.wait("what the broker had not read", |h| is_report(h, taken - 1));
    let seqs: Vec<u64> = reports(&listener.heard()).iter().map(|r| r.0).collect();
    assert_eq!(seqs, (0..u64::from(taken)).collect::<Vec<_>>(), "all of them, in order");
    broker.signal(Signal::STOP);
    let lost = fill(&mut sink, LONG).expect_err("a broker that takes nothing for 5 s is lost");
    broker.signal(Signal::CONT);
    println!("{taken} reports fit before the line was busy; slowest send {slowest:?}");
    assert!(lost.to_string().ends_with("the broker took nothing for 5 s"), "{lost}");
    assert!(slowest < Duration::from_secs(2), "a send has waited: {slowest:?}");
}

#[test]
fn nobody_there() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    insta::assert_snapshot!(why_not(&options(port)).replace(&port.to_string(), "PORT"), @"mqtt:127.0.0.1:PORT: nobody answers there; is the broker running, and `port` right?");
    // A listener that never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut sink = MqttSink::open(&options(silent.local_addr().unwrap().port())).unwrap();
    assert_eq!((sink.session(), sink.send(&hello()), sink.poll()), (None, Err(SinkError::Busy), Ok(None)));
    let begun = Instant::now();
    drop(sink);
    assert!(begun.elapsed() < Duration::from_secs(1), "a connection that is not there holds nobody up");
}

/// Why there is no connection with `options`.
fn why_not(options: &MqttOptions) -> String {
    let mut sink = match MqttSink::open(options) {
        Ok(sink) => sink,
        Err(why) => return why.to_string(),
    };
    let end = Instant::now() + LONG;
    loop {
        match sink.poll() {
            Ok(_) => assert!(sink.session().is_none() && Instant::now() < end, "there is a connection, or no end"),
            Err(SinkError::Lost(why)) => return why,
            Err(SinkError::Busy) => panic!("busy is no answer to a poll"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_last_will_is_heard_when_a_board_is_killed() {
    let Some(program) = mosquitto() else { return };
    let broker = Broker::open(&program);
    let listener = Listener::new("listener", broker.port);
    let mut board = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "a_board_that_lives_until_it_is_killed"])
        .env("MTCAE_TEST_PORT", broker.port.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    listener.wait("the birth", |h| h.topic == "mtcae/desk/available" && h.payload == "online");
    board.kill().unwrap();
    board.wait().unwrap();
    listener.wait("the last will", |h| h.topic == "mtcae/desk/available" && h.payload == "offline");
    let late = Listener::new("late", broker.port);
    late.wait("the last will, kept", |h| h.topic == "mtcae/desk/available" && h.payload == "offline" && h.kept);
}

#[test]
#[ignore = "it is the process that another test kills"]
fn a_board_that_lives_until_it_is_killed() {
    let Some(port) = std::env::var("MTCAE_TEST_PORT").ok().and_then(|port| port.parse().ok()) else { return };
    let _sink = connected(&options(port));
    std::thread::sleep(3 * LONG);
}
