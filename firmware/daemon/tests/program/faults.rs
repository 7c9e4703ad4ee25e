//! Cameras and lines that go and come back, again and again: how long until reports flow, that nothing is left behind and
//! nothing comes twice or out of order. `MTCAE_FAULTS=100` for a hundred of each, as for a release.

use super::firmware::{Bench, Firmware, shipped};
use super::robot::{Robot, Socket};
use mtcae_wire::{CameraState, Report, Up};
use std::time::{Duration, Instant};

/// How soon reports flow again.
const RECOVERY: Duration = Duration::from_secs(3);
/// Memory that may come on top of what it had after the first few faults, KiB: caches are still filling then.
const FLAT: u64 = 16 * 1024;

/// Faults of each kind in one run.
pub fn faults() -> usize {
    std::env::var("MTCAE_FAULTS").ok().map_or(10, |n| n.parse().expect("MTCAE_FAULTS is a number"))
}

/// Descriptors, threads and memory that the program has now.
pub fn holdings(firmware: &Firmware) -> (usize, usize, u64) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", firmware.id())).unwrap().count();
    (count("fd"), count("task"), firmware.rss_kib())
}

/// Compares with what it had after its first faults, when everything had been opened again once.
struct Watch {
    first: Option<(usize, usize, u64)>,
    most: (usize, usize, u64),
}

impl Watch {
    fn new() -> Watch {
        Watch { first: None, most: (0, 0, 0) }
    }

    fn look(&mut self, fault: usize, firmware: &Firmware) {
        let now = holdings(firmware);
        self.most = (self.most.0.max(now.0), self.most.1.max(now.1), self.most.2.max(now.2));
        match self.first {
            None if fault >= 3 => self.first = Some(now),
            None => {}
            Some((fds, threads, rss)) => {
                // One descriptor may be on its way in or out.
                assert!(
                    now.0 <= fds + 1 && now.1 <= threads,
                    "{now:?} after {fault} faults, {:?} at first",
                    self.first
                );
                assert!(now.2 <= rss + FLAT, "{now:?} after {fault} faults, {:?} at first", self.first);
            }
        }
    }
}

/// Reports in the order of arrival, across everything that happens.
struct Order {
    last: Option<Report>,
    reports: u64,
    missing: u64,
}

impl Order {
    fn take(&mut self, report: Report) {
        if let Some(last) = &self.last {
            assert!(report.seq > last.seq && report.boot == last.boot, "{last:?} then {report:?}");
            assert!(report.captured_us >= last.captured_us, "{last:?} then {report:?}");
            self.missing += u64::from(report.seq - last.seq - 1);
        }
        self.last = Some(report);
        self.reports += 1;
    }
}

fn next_report(robot: &mut Robot, order: &mut Order) -> Report {
    let report = robot.next_that(|m| if let Up::Report(r) = m { Some(r) } else { None });
    order.take(report.clone());
    report
}

/// Waits for a Status that says so of the camera.
fn until(robot: &mut Robot, order: &mut Order, camera: CameraState) {
    loop {
        match robot.next() {
            Up::Status(status) if status.camera == camera => return,
            Up::Report(report) => order.take(report),
            _ => {}
        }
    }
}

fn start() -> Order {
    Order { last: None, reports: 0, missing: 0 }
}

#[test]
fn a_line_may_be_unplugged_again_and_again() {
    let (socket, n) = (Socket::new(), faults());
    let mut robot = socket.plug_in();
    let bench = Bench::on_clip(true, &socket.sink());
    let firmware = bench.start(&[]);
    let (mut order, mut watch, mut slowest) = (start(), Watch::new(), Duration::ZERO);
    for fault in 0..n {
        (0..3).for_each(|_| drop(next_report(&mut robot, &mut order)));
        watch.look(fault, &firmware);
        socket.unplug(robot);
        std::thread::sleep(Duration::from_millis(50 + 37 * (fault as u64 % 11)));
        let begun = Instant::now();
        robot = socket.plug_in();
        robot.next_that(|m| matches!(m, Up::Hello(_)).then_some(()));
        next_report(&mut robot, &mut order);
        slowest = slowest.max(begun.elapsed());
    }
    let dropped = robot.next_that(|m| if let Up::Status(s) = m { Some(s.counters.dropped_reports) } else { None });
    println!(
        "{n} times unplugged; slowest recovery {slowest:?}; {} reports, {} of them missing, {dropped} said to be dropped; {:?}",
        order.reports, order.missing, watch.most
    );
    assert!(slowest <= RECOVERY, "{slowest:?}");
    // What was written into a line that had just been unplugged is neither received nor known to be lost.
    assert!(order.missing >= u64::from(dropped) && order.missing <= u64::from(dropped) + 64 * n as u64);
}

#[test]
fn a_camera_may_go_and_come_back_again_and_again() {
    let (socket, n) = (Socket::new(), faults());
    let mut robot = socket.plug_in();
    let bench = Bench::new("source = \"file\"\npath = \"pictures\"\nloop = true\nrealtime = true", &socket.sink());
    let (folder, away) = (bench.dir.path().join("pictures"), bench.dir.path().join("away"));
    std::fs::create_dir(&folder).unwrap();
    let jpeg = shipped("firmware/drivers/tests/fixtures/face.jpg");
    for i in 0..5 {
        std::fs::copy(&jpeg, folder.join(format!("{i}.jpg"))).unwrap();
    }
    let firmware = bench.start(&["--source", &format!("file:{}", folder.display())]);
    let (mut order, mut watch, mut slowest) = (start(), Watch::new(), Duration::ZERO);
    for fault in 0..n {
        (0..3).for_each(|_| drop(next_report(&mut robot, &mut order)));
        watch.look(fault, &firmware);
        std::fs::rename(&folder, &away).unwrap();
        // It says so at once, not with the next regular status.
        until(&mut robot, &mut order, CameraState::Lost);
        std::fs::rename(&away, &folder).unwrap();
        let begun = Instant::now();
        until(&mut robot, &mut order, CameraState::Streaming);
        next_report(&mut robot, &mut order);
        slowest = slowest.max(begun.elapsed());
    }
    let status = robot.next_that(|m| if let Up::Status(s) = m { Some(s) } else { None });
    println!("{n} times away; slowest recovery {slowest:?}; {} reports; {:?}", order.reports, watch.most);
    assert!(slowest <= RECOVERY, "{slowest:?}");
    assert_eq!(order.missing, u64::from(status.counters.dropped_reports));
    assert_eq!(status.counters.reconnects as usize, n);
}
