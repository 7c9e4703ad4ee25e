//! The lamp on a Cortex-M4: Arm's MPS2 board with the image AN386, which QEMU emulates. UART 0 is the line to the board that
//! sees faces, LED 0 is the lamp, and UART 1 says what the lamp does and how much stack was used. For another microcontroller
//! this file and `memory.x` are what changes.
#![allow(unsafe_code)]
#![no_std]
#![no_main]

use core::convert::Infallible;
use core::panic::PanicInfo;
use core::ptr::{read_volatile, with_exposed_provenance_mut, write_volatile};
use cortex_m_rt::{STACK_PAINT_VALUE, entry};
use embedded_hal::digital::{ErrorType, OutputPin};
use mtcae_lamp::Lamp;

#[entry]
fn main() -> ! {
    let (line, said) = (Uart::open(0x4000_4000), Uart::open(0x4000_5000));
    let Ok(mut lamp) = Lamp::new(Led { said });
    loop {
        let now_ms = CLOCK_100HZ.read().wrapping_mul(10);
        while let Some(byte) = line.read() {
            let Ok(()) = lamp.take(byte, now_ms);
        }
        let Ok(request) = lamp.tick(now_ms);
        line.write(request.as_ref().map_or(&[], |frame| frame.as_bytes()));
    }
}

/// A 32-bit register of the board.
#[derive(Clone, Copy)]
struct Register(usize);

const LEDS: Register = Register(0x4002_8000);
const CLOCK_100HZ: Register = Register(0x4002_8014);

impl Register {
    fn read(self) -> u32 {
        // SAFETY: only the board's own registers are named in this file, and each may be read at any time.
        unsafe { read_volatile(with_exposed_provenance_mut::<u32>(self.0)) }
    }

    fn write(self, value: u32) {
        // SAFETY: as above; what is written changes no memory.
        unsafe { write_volatile(with_exposed_provenance_mut(self.0), value) }
    }
}

/// A serial port of Arm's CMSDK.
#[derive(Clone, Copy)]
struct Uart(usize);

impl Uart {
    const FULL_OUT: u32 = 1;
    const FULL_IN: u32 = 2;

    fn open(base: usize) -> Self {
        // 25 MHz to 115,200 baud; send and receive.
        Register(base + 0x10).write(25_000_000 / 115_200);
        Register(base + 0x08).write(3);
        Self(base)
    }

    fn state(self) -> u32 {
        Register(self.0 + 0x04).read()
    }

    fn read(self) -> Option<u8> {
        (self.state() & Self::FULL_IN != 0).then(|| Register(self.0).read() as u8)
    }

    fn write(self, bytes: &[u8]) {
        for &byte in bytes {
            while self.state() & Self::FULL_OUT != 0 {}
            Register(self.0).write(byte.into());
        }
    }
}

/// LED 0, and a line about it on a UART.
struct Led {
    said: Uart,
}

impl Led {
    fn set(&mut self, lit: bool) -> Result<(), Infallible> {
        LEDS.write(lit.into());
        self.said.write(if lit { b"lit, stack " } else { b"dark, stack " });
        let mut digits = [b'0'; 6];
        let mut rest = stack_used();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.said.write(&digits);
        self.said.write(b"\n");
        Ok(())
    }
}

impl ErrorType for Led {
    type Error = Infallible;
}

impl OutputPin for Led {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.set(false)
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.set(true)
    }
}

/// The most bytes of stack that were in use since the start: what is no longer as it was painted before `main`.
fn stack_used() -> usize {
    unsafe extern "C" {
        static __sheap: u32;
        static _stack_start: u32;
    }
    let (mut at, end) = (&raw const __sheap, &raw const _stack_start);
    // SAFETY: the linker lays both in the RAM, the first before the second, and every word between them may be read.
    unsafe {
        while at < end && read_volatile(at) == STACK_PAINT_VALUE {
            at = at.add(1);
        }
    }
    end.addr() - at.addr()
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // A lamp that is dark for ever is noticed; a real one lets its watchdog start it anew.
    LEDS.write(0);
    loop {}
}
