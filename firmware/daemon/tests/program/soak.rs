//! Ten minutes on a looped clip: memory stays flat, nothing queues, reports stay in order.

use super::firmware::{Bench, in_order};
use super::robot::Socket;
use mtcae_wire::Up;
use std::time::{Duration, Instant};

/// Until then caches fill and plans are made.
const WARM_UP: Duration = Duration::from_secs(60);
const LENGTH: Duration = Duration::from_secs(600);
/// Growth after the warm-up that counts as flat, KiB.
const FLAT: u64 = 8 * 1024;

#[test]
#[ignore = "takes ten minutes"]
fn ten_minutes_of_a_looped_clip() {
    let socket = Socket::new();
    let mut robot = socket.plug_in();
    let sinks = socket.sink() + "[[sink]]\nkind = \"stdout\"\n";
    let bench = Bench::on_clip(true, &sinks);
    let mut firmware = bench.start(&[]);
    let (begin, mut warm, mut most, mut last, mut reports, mut faces) = (Instant::now(), 0, 0, None, 0u64, 0u64);
    let mut kept = Vec::new();
    while begin.elapsed() < LENGTH {
        if let Up::Report(report) = robot.next() {
            assert!(last < Some(report.seq), "{last:?} then {}", report.seq);
            last = Some(report.seq);
            reports += 1;
            faces += u64::from(report.face.is_some());
            assert_eq!(report.dropped, 0);
            kept.push(firmware.next_of("report"));
            in_order(&kept);
            kept.drain(..kept.len() - 1);
        }
        let rss = firmware.rss_kib();
        if begin.elapsed() < WARM_UP {
            warm = warm.max(rss);
        } else {
            most = most.max(rss);
            assert!(rss <= warm + FLAT, "{rss} KiB, after the warm-up {warm} KiB");
        }
    }
    firmware.terminate();
    assert_eq!(firmware.wait().code(), Some(0));
    println!("{reports} reports, {faces} with a face; {warm} KiB after a minute, at most {most} KiB afterwards");
    println!("{}", firmware.says("ended after"));
    assert!(reports > 1000 && faces * 10 > reports * 8);
}
