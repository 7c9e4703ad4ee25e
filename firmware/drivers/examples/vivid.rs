//! Plays known frames into Linux's virtual camera and pulls its levers; runs on the virtual board of tests/hil.
//!
//! ```text
//! vivid connect OUTPUT CAPTURE FORMAT TIMINGS    cable from the output node to the capture node, equal timings
//! vivid play OUTPUT FILE BYTES HOLD_MS TIMES     frames of BYTES bytes, each for HOLD_MS (0: one after another)
//! vivid screen OUTPUT ORDER                      what the file ORDER names, `FILE BYTES HOLD_MS`, again and again; another
//!                                                picture when ORDER changes, an end when it is gone
//! vivid check CAPTURE FORMAT FILE BYTES COUNT    captures and finds each picture among the frames of FILE, byte for byte
//! vivid set DEVICE CONTROL [VALUE]               a control by its number (0x...); without a value it is a button
//! ```

#![allow(unsafe_code)]

use rustix::ioctl::{Updater, ioctl, opcode};
use std::collections::HashMap;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};
use v4l::buffer::{Flags, Type};
use v4l::control::{Control, Value};
use v4l::format::{Format, FourCC};
use v4l::io::mmap::Stream;
use v4l::io::traits::CaptureStream;
use v4l::memory::Memory;
use v4l::v4l_sys::{v4l2_buffer, v4l2_requestbuffers};
use v4l::v4l2::vidioc::{VIDIOC_DQBUF, VIDIOC_QBUF, VIDIOC_QUERYBUF, VIDIOC_REQBUFS, VIDIOC_STREAMON};
use v4l::video::{Capture, Output};
use v4l::{Device, v4l2};

type Outcome = Result<(), Box<dyn Error>>;

/// `struct v4l2_enum_dv_timings` (index, pad, two words reserved, timings) and `struct v4l2_dv_timings`, as bytes.
type EnumTimings = [u8; 148];
type Timings = [u8; 132];
const TIMINGS_AT: usize = 16;

/// Numbers of the kernel's vivid-ctrls.c.
const OSD_TEXT_MODE: u32 = 0x00f0_f001;
const HDMI_0_IS_CONNECTED_TO: u32 = 0x00f0_f000 + 113;
/// Neither the test pattern nor nothing, but the first output.
const FIRST_OUTPUT: i64 = 2;
const NO_TEXT: i64 = 2;
const BUFFERS: u32 = 4;
/// `V4L2_FIELD_NONE`, `POLLOUT`, `PROT_READ | PROT_WRITE`, `MAP_SHARED`.
const NO_FIELDS: u32 = 1;
const WRITABLE: i16 = 4;
const READ_WRITE: i32 = 3;
const SHARED: i32 = 1;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["connect", output, capture, format, timings] => connect(output, capture, format, timings.parse()?),
        ["play", output, file, bytes, hold, times] => {
            play(output, file, bytes.parse()?, Duration::from_millis(hold.parse()?), times.parse()?)
        }
        ["screen", output, order] => screen(output, order),
        ["check", capture, format, file, bytes, count] => check(capture, format, file, bytes.parse()?, count.parse()?),
        ["set", device, control] => set(device, control, Value::None),
        ["set", device, control, value] => set(device, control, Value::Integer(value.parse()?)),
        _ => Err("accepted: connect, play, screen, check, set; the head of this file says with what".into()),
    }
}

fn connect(output: &str, capture: &str, format: &str, timings: u32) -> Outcome {
    for device in [output, capture] {
        set_timings(device, timings).map_err(|e| format!("{device}: DV timings {timings}: {e}"))?;
    }
    let (out, cap) = (Device::with_path(output)?, Device::with_path(capture)?);
    cap.set_control(Control { id: HDMI_0_IS_CONNECTED_TO, value: Value::Integer(FIRST_OUTPUT) })?;
    cap.set_control(Control { id: OSD_TEXT_MODE, value: Value::Integer(NO_TEXT) })?;
    let now = Output::format(&out)?;
    let asked = Format::new(now.width, now.height, four(format)?);
    let taken = Output::set_format(&out, &asked)?;
    if taken.fourcc != asked.fourcc {
        return Err(format!("{output} plays no {format}; it took {}", taken.fourcc).into());
    }
    println!("{output} plays {} {}x{}, {} bytes a frame", taken.fourcc, taken.width, taken.height, taken.size);
    Ok(())
}

fn four(format: &str) -> Result<FourCC, String> {
    let letters: [u8; 4] = format.as_bytes().try_into().map_err(|_| format!("{format}: not four letters"))?;
    Ok(FourCC::new(&letters))
}

fn set_timings(device: &str, index: u32) -> Result<(), Box<dyn Error>> {
    let node = OpenOptions::new().read(true).write(true).open(device)?;
    let mut listed: EnumTimings = [0; 148];
    listed[..4].copy_from_slice(&index.to_ne_bytes());
    // SAFETY: both ioctls read and write exactly the bytes of their structures, which the arrays are as long as.
    unsafe { ioctl(&node, Updater::<{ opcode::read_write::<EnumTimings>(b'V', 98) }, EnumTimings>::new(&mut listed))? };
    let mut timings: Timings = [0; 132];
    timings.copy_from_slice(&listed[TIMINGS_AT..]);
    // SAFETY: as above.
    unsafe { ioctl(&node, Updater::<{ opcode::read_write::<Timings>(b'V', 87) }, Timings>::new(&mut timings))? };
    Ok(())
}

fn set(device: &str, control: &str, value: Value) -> Outcome {
    let id = u32::from_str_radix(control.trim_start_matches("0x"), 16)?;
    Ok(Device::with_path(device)?.set_control(Control { id, value })?)
}

fn frames(file: &str, bytes: usize) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut all = Vec::new();
    File::open(file)?.read_to_end(&mut all)?;
    if bytes == 0 || all.is_empty() || all.len() % bytes != 0 {
        return Err(format!("{file}: {} bytes are not whole frames of {bytes}", all.len()).into());
    }
    Ok(all.chunks_exact(bytes).map(<[u8]>::to_vec).collect())
}

/// Says each held frame once it is shown. The driver shows the last one until this program ends.
fn play(output: &str, file: &str, bytes: usize, hold: Duration, times: usize) -> Outcome {
    let frames = frames(file, bytes)?;
    let mut screen = Screen::open(output)?;
    for round in 0..times {
        for (i, frame) in frames.iter().enumerate() {
            screen.show(frame)?;
            if round + i == 0 {
                println!("plays");
            }
            if !hold.is_zero() {
                println!("round {round} frame {i}");
                std::thread::sleep(hold);
            }
        }
    }
    println!("played {} frames", times * frames.len());
    Ok(())
}

/// Between two looks at an order, and two tries to open an output that is gone.
const LOOK: Duration = Duration::from_millis(10);

/// Shows what `order` names and says so; the output is opened again when it is lost.
fn screen(output: &str, order: &str) -> Outcome {
    let (mut screen, mut reel) = (None, Reel::default());
    while let Ok(text) = std::fs::read_to_string(order) {
        if text != reel.order {
            reel = Reel::open(text)?;
        }
        let shown = match &mut screen {
            Some(open) => reel.next(open),
            None => Screen::open(output).map(|open| screen = Some(open)),
        };
        if shown.is_err() {
            // A node that was unregistered comes back once nobody holds it.
            screen = None;
            std::thread::sleep(LOOK);
        }
        let next = Instant::now() + reel.hold;
        while screen.is_some() && Instant::now() < next && std::fs::read_to_string(order).is_ok_and(|t| t == reel.order)
        {
            std::thread::sleep(LOOK.min(next.saturating_duration_since(Instant::now())));
        }
    }
    Ok(())
}

/// Frames of a file, one after the other and from the start again.
#[derive(Default)]
struct Reel {
    order: String,
    file: Option<File>,
    frame: Vec<u8>,
    count: u64,
    at: u64,
    hold: Duration,
}

impl Reel {
    fn open(order: String) -> Result<Reel, Box<dyn Error>> {
        let words: Vec<&str> = order.split_whitespace().collect();
        let [file, bytes, hold] = words[..] else { return Err(format!("{order:?} is no FILE BYTES HOLD_MS").into()) };
        let (file, frame) = (File::open(file)?, vec![0; bytes.parse()?]);
        let count = file.metadata()?.len() / frame.len().max(1) as u64;
        let hold = Duration::from_millis(hold.parse()?);
        Ok(Reel { file: Some(file), frame, count: count.max(1), at: 0, hold, order })
    }

    fn next(&mut self, screen: &mut Screen) -> Outcome {
        let Some(file) = &self.file else { return Ok(()) };
        let place = self.at % self.count * self.frame.len() as u64;
        file.read_exact_at(&mut self.frame, place)?;
        screen.show(&self.frame)?;
        if self.at == 0 {
            println!("shows {}", self.order.trim());
            std::io::stdout().flush()?;
        }
        self.at += 1;
        Ok(())
    }
}

/// Buffers of an output. v4l's own output stream waits for each before the next is queued, which vivid, showing the last
/// one on, never gives back.
struct Screen {
    device: Device,
    buffers: Vec<&'static mut [u8]>,
    queued: usize,
}

impl Screen {
    fn open(path: &str) -> Result<Screen, Box<dyn Error>> {
        let mut screen = Screen { device: Device::with_path(path)?, buffers: Vec::new(), queued: 0 };
        // SAFETY: plain structures of integers, of which 0 is a value.
        let mut request: v4l2_requestbuffers = unsafe { std::mem::zeroed() };
        (request.count, request.type_, request.memory) = (BUFFERS, Type::VideoOutput as u32, Memory::Mmap as u32);
        screen.call(VIDIOC_REQBUFS, &mut request)?;
        for index in 0..request.count {
            let mut buffer = descriptor(index);
            screen.call(VIDIOC_QUERYBUF, &mut buffer)?;
            // SAFETY: the driver made a buffer of that length at that offset; it is mapped until this value is dropped.
            let mapped = unsafe {
                let (len, fd, at) = (buffer.length as usize, screen.device.handle().fd(), buffer.m.offset);
                let start = v4l2::mmap(std::ptr::null_mut(), len, READ_WRITE, SHARED, fd, at.into())?;
                std::slice::from_raw_parts_mut(start.cast::<u8>(), len)
            };
            screen.buffers.push(mapped);
        }
        Ok(screen)
    }

    /// Hands a frame over, waiting until there is room.
    fn show(&mut self, frame: &[u8]) -> Outcome {
        let mut buffer = descriptor(self.queued as u32);
        if self.queued >= self.buffers.len() {
            self.device.handle().poll(WRITABLE, 5000)?;
            self.call(VIDIOC_DQBUF, &mut buffer)?;
        }
        let mapped = self.buffers.get_mut(buffer.index as usize).ok_or("the driver has no such buffer")?;
        mapped.get_mut(..frame.len()).ok_or("the frame is longer than a buffer")?.copy_from_slice(frame);
        (buffer.bytesused, buffer.field) = (frame.len() as u32, NO_FIELDS);
        self.call(VIDIOC_QBUF, &mut buffer)?;
        if self.queued == 0 {
            self.call(VIDIOC_STREAMON, &mut (Type::VideoOutput as u32))?;
        }
        self.queued += 1;
        Ok(())
    }

    fn call<T>(&self, request: v4l2::vidioc::_IOC_TYPE, argument: &mut T) -> std::io::Result<()> {
        // SAFETY: each caller gives the structure that the request takes.
        unsafe { v4l2::ioctl(self.device.handle().fd(), request, std::ptr::from_mut(argument).cast()) }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for buffer in self.buffers.drain(..) {
            // SAFETY: mapped by `open` with this length, and used by nobody any more. A mapping would keep the node open.
            let _ = unsafe { v4l2::munmap(buffer.as_mut_ptr().cast(), buffer.len()) };
        }
    }
}

fn descriptor(index: u32) -> v4l2_buffer {
    // SAFETY: a plain structure of integers, of which 0 is a value.
    let mut buffer: v4l2_buffer = unsafe { std::mem::zeroed() };
    (buffer.index, buffer.type_, buffer.memory) = (index, Type::VideoOutput as u32, Memory::Mmap as u32);
    buffer
}

fn check(capture: &str, format: &str, file: &str, bytes: usize, count: usize) -> Outcome {
    let frames = frames(file, bytes)?;
    let known: HashMap<&[u8], usize> = frames.iter().enumerate().map(|(i, f)| (f.as_slice(), i)).collect();
    let device = Device::with_path(capture)?;
    let now = Capture::format(&device)?;
    let format = Capture::set_format(&device, &Format::new(now.width, now.height, four(format)?))?;
    let mut stream = Stream::with_buffers(&device, Type::VideoCapture, 4)?;
    stream.set_timeout(Duration::from_secs(5));
    let (mut exact, mut other, mut order) = (0, 0, Vec::new());
    let begin = Instant::now();
    for _ in 0..count {
        let (picture, meta) = stream.next()?;
        let picture = &picture[..(meta.bytesused as usize).min(picture.len())];
        match known.get(picture) {
            Some(i) if !meta.flags.contains(Flags::ERROR) => {
                exact += 1;
                order.push(*i);
            }
            _ => other += 1,
        }
    }
    let fps = count as f32 / begin.elapsed().as_secs_f32();
    let steps = order.windows(2).map(|w| (w[1] + frames.len() - w[0]) % frames.len());
    let (same, next) = steps.fold((0, 0), |(s, n), step| (s + usize::from(step == 0), n + usize::from(step == 1)));
    println!(
        "captured {count} of {} {}x{} at {fps:.1} frames/s: {exact} exact, {other} other; {next} follow the one before, {same} repeat it",
        format.fourcc, format.width, format.height
    );
    Ok(())
}
