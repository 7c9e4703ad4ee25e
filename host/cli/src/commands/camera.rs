//! `mtcae camera`.

use crate::boards::{self, json_line};
use crate::failure::Failure;
use crate::known::known_boards;
use clap::{Subcommand, ValueHint};
use mtcae_boards::{Session, Target, mode_text};
use mtcae_wire::{CameraAction, CameraMode, Mode, Text};
use serde_json::json;
use std::str::FromStr;

/// List a board's camera modes, choose one, stop and start its camera
#[derive(clap::Args)]
#[command(after_help = "\
Without an order it lists the modes. What is chosen or stopped holds until the board's daemon \
starts anew; the board file says what it starts with. A privacy switch is stronger than `start`.

Examples:
  mtcae camera /dev/ttyUSB0
  mtcae camera /dev/ttyUSB0 use YUYV:1280x720@10
  mtcae camera tcp:robot.local:7452 stop
  mtcae camera /dev/ttyUSB0 --json | jq -r 'select(.readable) | .format'")]
pub struct Args {
    /// The board: serial:PORT[:BAUD] or the port's path, tcp:HOST:PORT
    #[arg(value_name = "TARGET", value_hint = ValueHint::FilePath)]
    target: Target,
    #[command(subcommand)]
    order: Option<Order>,
    /// Print one JSON object for each mode
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Order {
    /// Close the camera and forget all pictures
    Stop,
    /// Open the camera again
    Start,
    /// Use one of the modes listed
    Use {
        /// FORMAT:WIDTHxHEIGHT[@RATE], for example YUYV:1280x720@10
        #[arg(value_name = "MODE")]
        mode: Wanted,
    },
}

/// A mode as it is typed.
#[derive(Clone)]
struct Wanted(Mode);

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text)
            .map(Wanted)
            .ok_or_else(|| "accepted is FORMAT:WIDTHxHEIGHT[@RATE], for example YUYV:1280x720@10".to_owned())
    }
}

fn parse(text: &str) -> Option<Mode> {
    let (format, size) = text.split_once(':')?;
    let (size, rate) = size.split_once('@').map_or((size, None), |(size, rate)| (size, Some(rate)));
    let (width, height) = size.split_once('x')?;
    let fits = (1..=8).contains(&format.len()) && format.bytes().all(|b| b.is_ascii_graphic());
    let rate: f32 = rate.map_or(Some(0.0), |rate| rate.parse().ok().filter(|r| (0.1..=1000.0).contains(r)))?;
    let (width, height) = (width.parse().ok().filter(|w| *w > 0)?, height.parse().ok().filter(|h| *h > 0)?);
    fits.then(|| Mode { format: Text::new(format), width, height, fps_tenths: (rate * 10.0).round() as u16 })
}

impl Args {
    /// Gives the order, or lists the modes.
    pub fn run(self) -> Result<(), Failure> {
        let mut session = Session::open(&self.target, &known_boards())?;
        let Some(order) = self.order else {
            let modes = session.camera_modes()?;
            return modes.iter().try_for_each(|mode| if self.json { json_line(&object(mode)) } else { show(mode) });
        };
        let (action, said) = match order {
            Order::Stop => (CameraAction::Stop, "camera closed; `mtcae camera TARGET start` opens it".to_owned()),
            Order::Start => (CameraAction::Start, "camera open".to_owned()),
            Order::Use { mode: Wanted(mode) } => {
                let said = format!("camera uses {}", mode_text(&mode));
                (CameraAction::Choose(mode), said)
            }
        };
        session.camera(&action)?;
        if self.json {
            json_line(&json!({ "type": "camera", "said": said }))
        } else {
            boards::print(&format!("{said}\n"))
        }
    }
}

fn show(mode: &CameraMode) -> Result<(), Failure> {
    let note = match (mode.current, mode.readable) {
        (true, _) => "  in use",
        (false, true) => "",
        (false, false) => "  cannot be read",
    };
    boards::print(&format!("{}{note}\n", mode_text(&mode.mode)))
}

fn object(mode: &CameraMode) -> serde_json::Value {
    json!({
        "type": "camera_mode", "format": mode.mode.format.as_str(), "width": mode.mode.width,
        "height": mode.mode.height, "fps": f64::from(mode.mode.fps_tenths) / 10.0, "current": mode.current,
        "readable": mode.readable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_typed_as_they_are_shown() {
        let mode = parse("YUYV:1280x720@7.5").unwrap();
        assert_eq!((mode.format.as_str(), mode.width, mode.height, mode.fps_tenths), ("YUYV", 1280, 720, 75));
        for text in ["YUYV:1280x720@7.5", "pRAA:3280x2464", "MJPG:640x480@30"] {
            assert_eq!(mode_text(&parse(text).unwrap()), text);
        }
        assert_eq!(parse("pRAA:3280x2464").unwrap().fps_tenths, 0);
        let wrong =
            ["", "YUYV", "YUYV:", "YUYV:640", "YUYV:640x", "YUYV:0x480", "YUYV:640x480@", "YUYV:640x480@0", ":1x1"];
        for text in wrong.into_iter().chain(["TOOLONGNAME:640x480", "YUYV:70000x480", "YUYV:640x480@NaN"]) {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
