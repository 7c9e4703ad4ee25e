//! The hardware watchdog's stand-in resets a board that hangs, and it comes up and reports again.

use crate::bench::{Bench, PATIENCE, same_size};
use crate::pictures::shown;
use std::time::{Duration, Instant};

/// `Setup::watchdog_s` of the bench.
const MARGIN: Duration = Duration::from_secs(5);
const FED: Duration = Duration::from_secs(8);

#[test]
fn a_board_that_hangs_is_reset_and_reports_again() {
    let Some(mut bench) = Bench::start("the watchdog") else { return };
    let frame = shown()[0].yuyv();
    bench.show(&frame);
    bench.daemon(&same_size("YUYV"), "");
    let (before, _) = bench.robot.face();
    // What systemd does with RuntimeWatchdogSec.
    bench.sh("(while echo -n 1; do sleep 1; done) >/dev/watchdog 2>/dev/null & echo $! >/tmp/feeder");
    std::thread::sleep(FED);
    assert_eq!(bench.sh("pidof mtcae-firmware | wc -w"), "1", "reset although it was fed");
    let begin = Instant::now();
    bench.sh("kill -STOP $(cat /tmp/feeder)");
    bench.board().wait_until_up(PATIENCE).unwrap();
    let took = begin.elapsed();
    println!("reset and up again {took:?} after the last feeding, of which {MARGIN:?} are the watchdog's");
    assert!(took > MARGIN - Duration::from_secs(2), "something else reset it after {took:?}");
    bench.plug_in("YUYV");
    bench.show(&frame);
    bench.robot.forget();
    bench.daemon(&same_size("YUYV"), "");
    let (after, _) = bench.robot.face();
    assert_ne!(after.boot, before.boot);
}
