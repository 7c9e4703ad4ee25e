//! Power cuts at random moments of real updates on a real file system: whatever starts afterwards is whole, and is what
//! it may be.

use crate::bench::{PATIENCE, alone, kernel, program};
use mtcae_uml::{Board, Setup, Terminal};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Power cuts in all; `MTCAE_CUTS` sets another number.
const CUTS: usize = 12;
/// Latest cut after the board's first word, ms; an update takes about a fifth of it on a machine at rest.
const LATEST: u64 = 900;
const DISK_MIB: u64 = 64;

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n
    }
}

/// An empty ext4 file system in a file, or why there is none.
fn disk(path: &Path) -> Result<(), String> {
    let file = std::fs::File::create(path).map_err(|e| e.to_string())?;
    file.set_len(DISK_MIB << 20).map_err(|e| e.to_string())?;
    let made = ["/usr/sbin/mke2fs", "/sbin/mke2fs"].iter().find(|p| Path::new(p).exists());
    let made = made.ok_or("mke2fs is missing (package e2fsprogs)")?;
    let said = Command::new(made).args(["-q", "-F", "-t", "ext4"]).arg(path).output().map_err(|e| e.to_string())?;
    said.status.success().then_some(()).ok_or_else(|| String::from_utf8_lossy(&said.stderr).into_owned())
}

/// What the lines of one life of the board say it had done when its power was cut.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Life {
    /// The version it ran last, once it said so.
    runs: Option<u32>,
    /// The version that was ready for its trial, or may have been.
    next: Option<u32>,
    updates: usize,
}

/// Reads the lines of a life; an error is a line that may never be there.
fn life(lines: &str, before: Life) -> Result<Life, String> {
    let mut life = Life { runs: before.runs, next: before.next, updates: 0 };
    let mut first = true;
    // The last line may be half written.
    let whole = lines.rfind('\n').map_or("", |end| &lines[..end]);
    for line in whole.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = rest.parse::<u32>().ok();
        match (word, number) {
            ("starts", Some(number)) => {
                let may = [life.runs.unwrap_or(0), life.next.unwrap_or(0)];
                if !may.contains(&number) {
                    return Err(format!("{number} starts, where {may:?} may"));
                }
                life.updates += usize::from(!first);
                first = false;
                (life.runs, life.next) = (Some(number), None);
            }
            ("installs", Some(number)) => life.next = Some(number),
            ("ready" | "switched" | "trial", _) => {}
            ("nothing", _) if rest == "Empty" && life.runs.unwrap_or(0) == 0 => {}
            _ => return Err(line.to_owned()),
        }
    }
    Ok(life)
}

/// What has come over the line.
fn read(line: &Terminal) -> String {
    let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
    while let count @ 1.. = line.read(&mut bytes).unwrap() {
        all.extend_from_slice(&bytes[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[test]
fn only_what_may_start_passes() {
    let fresh = Life::default();
    let one = life("nothing Empty\nstarts 0\ninstalls 1\nready 1\nswitched 1\ntrial\nstarts 1\ninst", fresh).unwrap();
    assert_eq!(one, Life { runs: Some(1), next: None, updates: 1 });
    let cut = life("starts 1\ninstalls 2\nrea", one).unwrap();
    assert_eq!(cut, Life { runs: Some(1), next: Some(2), updates: 0 });
    assert_eq!(life("starts 2\n", cut).unwrap().runs, Some(2));
    assert_eq!(life("starts 1\n", cut).unwrap().runs, Some(1));
    for wrong in
        ["starts 0\n", "starts 3\n", "nothing Empty\n", "nothing Damaged(\"a\")\n", "note Anyway\n", "Error: x\n"]
    {
        assert!(life(wrong, cut).is_err(), "{wrong}");
    }
}

#[test]
fn power_cuts_during_updates_leave_a_version_that_starts() {
    let Some(kernel) = kernel("power cuts") else { return };
    let cuts = std::env::var("MTCAE_CUTS").ok().and_then(|n| n.parse().ok()).unwrap_or(CUTS);
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let share = dir.path().join("share");
    std::fs::create_dir_all(share.join("bin")).unwrap();
    std::fs::copy(program("examples/slots"), share.join("bin/slots")).unwrap();
    std::fs::write(share.join("start"), "slots /disk/slots >/dev/ttyS0 2>&1 &\n").unwrap();
    let mut setup = Setup::new(dir.path(), &share);
    setup.programs = vec![program("examples/slots")];
    setup.memory_mib = 128;
    let line = Terminal::new().unwrap();
    setup.serial = Some(line.path().to_owned());
    setup.disk = Some(dir.path().join("disk"));
    if let Err(why) = disk(setup.disk.as_ref().unwrap()) {
        return println!("skipped: power cuts on the virtual board because its disk cannot be made: {why}");
    }
    let (mut dice, mut before, mut updates, mut inside) = (Dice(0x5EED), Life::default(), 0, 0);
    let mut cut = 0;
    // How long an update takes is the machine's affair: until enough of the cuts were inside one, within a bound.
    while cut < cuts || (inside < cuts / 4 && cut < 4 * cuts) {
        cut += 1;
        let mut board = Board::start(&kernel, &setup).unwrap();
        let (mut lines, begin) = (String::new(), Instant::now());
        while !lines.contains("starts") {
            assert!(begin.elapsed() < PATIENCE && !lines.contains("Error"), "cut {cut}: {lines}");
            std::thread::sleep(Duration::from_millis(5));
            lines += &read(&line);
        }
        std::thread::sleep(Duration::from_millis(dice.below(LATEST)));
        board.cut_power();
        lines += &read(&line);
        before = life(&lines, before).unwrap_or_else(|wrong| panic!("cut {cut}: {wrong:?} in\n{lines}"));
        (updates, inside) = (updates + before.updates, inside + usize::from(before.next.is_some()));
    }
    println!("{cut} power cuts, {inside} of them inside an update, {updates} updates between them, every start whole");
    assert!(inside >= cuts / 4 && updates > 0, "{inside} {updates}");
}
