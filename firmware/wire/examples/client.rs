//! Prints each face's expression: `cargo run -p mtcae-wire --example client -- /dev/ttyUSB0`, or frames from stdin.

use mtcae_wire::{Decoder, Down, Up, encode};
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut input: Box<dyn Read> = match std::env::args().nth(1) {
        None => Box::new(std::io::stdin()),
        Some(path) => {
            let mut port = serialport::new(path, 115_200).timeout(Duration::from_secs(1)).open()?;
            port.write_all(&[&[0], encode(&Down::Hello)?.as_bytes()].concat())?;
            Box::new(port)
        }
    };
    let (mut decoder, mut labels, mut bytes) = (Decoder::<Up>::new(), Default::default(), [0; 256]);
    loop {
        let count = match input.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Err(error) if error.kind() != ErrorKind::TimedOut => return Err(error.into()),
            read => read.unwrap_or(0),
        };
        for message in decoder.feed(&bytes[..count]) {
            match message {
                Ok(Up::Hello(hello)) => labels = hello.labels,
                Ok(Up::Report(report)) => {
                    let face = report.face.as_ref();
                    let label = face.and_then(|face| labels.get(usize::from(face.label?)));
                    println!("{:>8.3} s  {label:?}", report.captured_us as f64 / 1e6);
                }
                Ok(_) => {}
                Err(error) => eprintln!("{error}"),
            }
        }
    }
}
