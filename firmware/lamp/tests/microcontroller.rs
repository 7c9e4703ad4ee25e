//! The lamp as a microcontroller's program: how big it is, and what it does on an emulated one.

use mtcae_wire::{Decoder, Down, Report, Up, encode};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const TARGET: &str = "thumbv7em-none-eabihf";

/// Code and constants, of the 64 KiB that memory.x gives: some more than measured.
const MOST_FLASH: u32 = 40 * 1024;
/// All that is not stack.
const MOST_STATIC: u32 = 64;
/// Stack of a run with every kind of frame; the lamp and its decoder lie there too.
const MOST_STACK: usize = 5 * 1024;

fn target_is_there() -> bool {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let Ok(output) = output else { return false };
    output.status.success() && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
}

fn build() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lamp");
    let output = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--package", "mtcae-lamp", "--features", "board", "--target", TARGET])
        .args(["--profile", "microcontroller", "--target-dir"])
        .arg(&folder)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        // What the host's tests are built with is not for this one.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder.join(TARGET).join("microcontroller/mtcae-lamp")
}

/// Bytes of flash and of static RAM of a 32-bit little-endian ELF file.
fn sizes(elf: &[u8]) -> (u32, u32) {
    let u32_at = |at: usize| u32::from_le_bytes(elf[at..at + 4].try_into().expect("four bytes"));
    let u16_at = |at: usize| usize::from(u16::from_le_bytes(elf[at..at + 2].try_into().expect("two bytes")));
    assert_eq!(&elf[..6], b"\x7fELF\x01\x01", "not a 32-bit little-endian ELF file");
    let (start, size, count) = (u32_at(32) as usize, u16_at(46), u16_at(48));
    let (mut flash, mut ram) = (0, 0);
    for section in (0..count).map(|index| start + index * size) {
        let [kind, flags, bytes] = [4, 8, 20].map(|field| u32_at(section + field));
        let (no_bits, allocated, writable) = (kind == 8, flags & 2 != 0, flags & 1 != 0);
        flash += if allocated && !no_bits { bytes } else { 0 };
        ram += if allocated && writable { bytes } else { 0 };
    }
    (flash, ram)
}

/// The emulated board; ended when dropped.
struct Board {
    qemu: Child,
    line: Receiver<u8>,
    said: PathBuf,
    decoder: Decoder<Down>,
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

impl Board {
    /// The board with `program`; `None` when there is no QEMU.
    fn start(program: &Path) -> Option<Self> {
        let said = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lamp-said.txt");
        File::create(&said).expect("a writable folder");
        let started = Command::new("qemu-system-arm")
            .args(["-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "stdio", "-serial"])
            .arg(format!("file:{}", said.display()))
            .arg("-kernel")
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut qemu = match started {
            Ok(qemu) => qemu,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("qemu-system-arm does not start: {error}"),
        };
        let (bytes, line) = channel();
        let stdout = qemu.stdout.take().expect("piped");
        std::thread::spawn(move || {
            BufReader::with_capacity(1, stdout).bytes().map_while(Result::ok).try_for_each(|byte| bytes.send(byte))
        });
        Some(Self { qemu, line, said, decoder: Decoder::new() })
    }

    fn send(&mut self, bytes: &[u8]) {
        let line = self.qemu.stdin.as_mut().expect("piped");
        line.write_all(bytes).and_then(|()| line.flush()).expect("the board takes bytes");
    }

    /// Waits for the next request.
    fn request(&mut self) -> Down {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let byte = self.line.recv_timeout(left).expect("a request in time");
            if let Some(request) = self.decoder.push(byte) {
                return request.expect("a whole frame");
            }
        }
    }

    /// Forgets the requests of a board that was not answered yet.
    fn forget_requests(&mut self) {
        std::thread::sleep(Duration::from_millis(1500));
        while self.line.try_recv().is_ok() {}
        self.decoder.reset();
    }

    /// Waits until the lamp has been set `count` times, and gives what it was set to and the most stack used.
    fn lamp(&self, count: usize) -> (Vec<String>, usize) {
        let end = Instant::now() + PATIENCE;
        loop {
            let said = std::fs::read_to_string(&self.said).expect("QEMU's file");
            let whole = said.matches('\n').count();
            if whole >= count {
                let lines: Vec<_> = said.lines().take(whole).filter_map(|line| line.split_once(", stack ")).collect();
                let stack = lines.iter().map(|(_, stack)| stack.parse().expect("a number")).max();
                return (lines.iter().map(|(lamp, _)| (*lamp).to_owned()).collect(), stack.unwrap_or_default());
            }
            assert!(Instant::now() < end, "the lamp was set {whole} times and not {count}: {said}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/../wire/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let hex = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

#[test]
fn it_is_small_and_lights_on_an_emulated_microcontroller() {
    if !target_is_there() {
        println!("skipped: the microcontroller's program, because its target is missing: rustup target add {TARGET}");
        return;
    }
    let program = build();
    let (flash, ram) = sizes(&std::fs::read(&program).expect("the program"));
    println!("{TARGET}: {flash} bytes of flash, {ram} of static RAM");
    assert!(flash > 4096, "{flash} bytes cannot hold a decoder");
    assert!(flash <= MOST_FLASH && ram <= MOST_STATIC, "{flash} bytes of flash, {ram} of static RAM");
    let Some(mut board) = Board::start(&program) else {
        println!("skipped: running the microcontroller's program, because qemu-system-arm is missing");
        return;
    };
    assert_eq!(board.request(), Down::Hello);
    board.send(&[golden("up-hello"), golden("up-report-no-face")].concat());
    for name in ["up-status", "up-slots", "up-log", "up-nack", "up-update-state", "up-update-refused", "up-camera-mode"]
    {
        board.send(&golden(name));
    }
    board.send(&encode(&Down::Hello).expect("valid"));
    board.forget_requests();
    let report = golden("up-report");
    for bit in 0..8 * (report.len() - 1) {
        let mut bad = report.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        board.send(&bad);
    }
    // When it asks again it has read all before the report of a board that started anew.
    let Some(Ok(Up::Report(anew))) = Decoder::<Up>::new().feed(&report).next() else { panic!("no report") };
    board.send(&encode(&Up::Report(Report { boot: 1, ..anew })).expect("valid"));
    assert_eq!(board.request(), Down::Hello);
    assert_eq!(board.lamp(1).0, ["dark"], "before a good report");
    board.send(&[golden("up-hello"), report.clone()].concat());
    assert_eq!(board.lamp(3).0, ["dark", "lit", "dark"], "and a second later");
    board.send(&report);
    let (lamp, stack) = board.lamp(5);
    assert_eq!(lamp, ["dark", "lit", "dark", "lit", "dark"]);
    println!("QEMU mps2-an386: lit twice, dark again each time, at most {stack} bytes of stack");
    assert!((200..=MOST_STACK).contains(&stack), "{stack} bytes of stack");
}
