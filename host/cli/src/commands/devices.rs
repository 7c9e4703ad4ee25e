//! `mtcae devices`.

use crate::boards::{self, hello_object, json_line, table};
use crate::failure::Failure;
use crate::known::known_boards;
use crate::values::baud;
use clap::ValueHint;
use mtcae_boards::{Device, Target, devices, serial_targets};
use serde_json::json;

/// List serial ports and boards, and who answers on them
#[derive(clap::Args)]
#[command(after_help = "\
Every serial port here is asked who is there, all at once, at 115200 and then at 921600 baud; each \
has about a second to answer. A board that talks at another speed answers with --baud alone. Boards \
on the network are asked when they are named.

Examples:
  mtcae devices
  mtcae devices --baud 3000000
  mtcae devices --tcp board-17.local:7452 --json")]
pub struct Args {
    /// A board on the network; may be repeated
    #[arg(long, value_name = "HOST:PORT", value_hint = ValueHint::Hostname, value_parser = tcp)]
    tcp: Vec<Target>,
    /// Bits per second on the serial ports, if neither 115200 nor 921600
    #[arg(long, allow_negative_numbers = true, value_parser = baud)]
    baud: Option<u32>,
    /// Print one JSON object for each port and board
    #[arg(long)]
    json: bool,
}

fn tcp(text: &str) -> Result<Target, String> {
    let text = text.strip_prefix("tcp:").unwrap_or(text);
    format!("tcp:{text}").parse().map_err(|error: mtcae_boards::TargetError| error.reason)
}

impl Args {
    /// Asks, and prints who answered.
    pub fn run(self) -> Result<(), Failure> {
        let named = self.tcp.into_iter().map(|target| vec![target]);
        let places: Vec<Vec<Target>> = serial_targets(self.baud).into_iter().chain(named).collect();
        let none = places.is_empty();
        let found = devices(places, &known_boards());
        if self.json {
            return found.iter().try_for_each(|device| json_line(&object(device)));
        }
        if none {
            return boards::print("no serial port here; plug a board in, or name one with --tcp HOST:PORT\n");
        }
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        boards::print(&table(&rows))
    }
}

fn row(device: &Device) -> Vec<String> {
    let says = match &device.answer {
        Ok(hello) => {
            return vec![
                device.target.to_string(),
                hello.device.to_string(),
                format!("firmware {}", hello.firmware),
                format!("model {} {}", hello.model, hello.model_version),
                hello.engine.to_string(),
            ];
        }
        Err(mtcae_boards::BoardError::Silent { bad: 0, .. }) => "no answer".to_owned(),
        Err(error) => format!("no answer: {error}"),
    };
    vec![device.target.to_string(), "-".to_owned(), says]
}

fn object(device: &Device) -> serde_json::Value {
    let target = device.target.to_string();
    match &device.answer {
        Ok(hello) => json!({ "type": "device", "target": target, "hello": hello_object(hello) }),
        Err(error) => json!({
            "type": "device", "target": target, "hello": null, "code": error.code(), "reason": error.to_string(),
        }),
    }
}
