//! `mtcae keys`.

use super::trust_board;
use crate::failure::Failure;
use crate::keyring::{self, Held};
use crate::values::whole;
use clap::ValueHint;
use mtcae_bundle::{DeviceKey, Permit, Rotation, SigningKey, write_public, write_secret};
use mtcae_tls::LineKey;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 24 * 3600;

/// Make, show and rotate keys: those that sign bundles, and those that open what is encrypted
#[derive(clap::Args)]
#[command(after_help = "\
A signing key says who made a bundle; boards are given its public half. A device key opens what \
was encrypted to it; its public half is called the recipient. A line key says who a desk or a board \
is on the network, and signs nothing else. Each has an id of 16 digits, by which messages name it.

Examples:
  mtcae keys new release.key               release.key, and its public half in release.key.pub
  mtcae keys new --device board-17.key     board-17.key, and its recipient in board-17.key.pub
  mtcae keys new --line                    this desk's line key, in ~/.config/mtcae
  mtcae keys show release.key
  mtcae keys trust-board tcp:board-17.local:7452 board-17.line.pub
  mtcae keys rotate --old release.key --new next.key.pub --counter 5 --out next.rotation
  mtcae keys permit --key release.key --device robot-17 --lowest 3 --days 2 --out robot-17.permit")]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    New(New),
    Show(Show),
    Rotate(Rotate),
    Permit(PermitArgs),
    TrustBoard(trust_board::Args),
}

impl Args {
    /// Does what was asked for.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::New(new) => new.run(),
            Action::Show(show) => show.run(),
            Action::Rotate(rotate) => rotate.run(),
            Action::Permit(permit) => permit.run(),
            Action::TrustBoard(board) => board.run(),
        }
    }
}

/// Make a key: the secret half in FILE, the public half in FILE.pub
#[derive(clap::Args)]
#[command(after_help = "\
FILE gets mode 600, and neither file is ever overwritten. Keep a copy of a signing key where \
only you get at it: without it, boards that trust it take no new bundle.

Examples:
  mtcae keys new release.key
  mtcae keys new --device board-17.key
  mtcae keys new --line                          who this desk is to boards on the network")]
struct New {
    /// Where the secret half goes; left out with --line, it is where this desk keeps its own line key
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "line")]
    file: Option<PathBuf>,
    /// A device key, for a board or for data at rest, and not a signing key
    #[arg(long)]
    device: bool,
    /// A line key, for a desk or a board on the network, and not a signing key
    #[arg(long, conflicts_with = "device")]
    line: bool,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl New {
    fn run(self) -> Result<(), Failure> {
        let file = match self.file {
            Some(file) => file,
            None => trust_board::own_key_file()?,
        };
        let mut name = file.clone().into_os_string();
        name.push(".pub");
        let public_file = PathBuf::from(name);
        if public_file.symlink_metadata().is_ok() {
            return Err(Failure::Exists { path: public_file });
        }
        let refuse = |error| keyring::refused("the new key", error);
        let (secret, held) = if self.device {
            let key = DeviceKey::generate().map_err(refuse)?;
            (key.to_secret_text(), Held::Device { recipient: key.recipient(), secret: true })
        } else if self.line {
            let key = LineKey::generate().map_err(|error| keyring::refused_line("the new key", error))?;
            (key.to_secret_text(), Held::Line { key: key.public(), secret: true })
        } else {
            let key = SigningKey::generate().map_err(refuse)?;
            (key.to_secret_text(), Held::Signing { key: key.public(), secret: true })
        };
        write_secret(&file, &secret).map_err(refuse)?;
        write_public(&public_file, &text(&held)).map_err(|error| {
            // A key that nobody can name is no use, and it would be in the way of the next try.
            let _ = std::fs::remove_file(&file);
            refuse(error)
        })?;
        if self.json {
            let mut object = object(&held);
            object["secret_file"] = json!(file.display().to_string());
            object["public_file"] = json!(public_file.display().to_string());
            return print(&format!("{object}\n"));
        }
        let files = format!("secret  {}\npublic  {}\n", file.display(), public_file.display());
        print(&format!("{}\n{files}{}\n", title(&held), text(&held)))
    }
}

/// Show the public half and the id of a key, or what a rotation or a permit says
#[derive(clap::Args)]
#[command(after_help = "\
FILE may hold a secret key, a public one, a recipient, a rotation or a permit. The last line of the \
output is the public text.

Examples:
  mtcae keys show release.key
  mtcae keys show board-17.key | tail -1         the recipient
  mtcae keys show next.rotation --json")]
struct Show {
    /// A key file, a rotation or a permit
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self) -> Result<(), Failure> {
        let held = keyring::identify(&self.file)?;
        if self.json {
            return print(&format!("{}\n", object(&held)));
        }
        print(&format!("{}\n{}\n", title(&held), text(&held)))
    }
}

/// Have an old signing key introduce a new one
#[derive(clap::Args)]
#[command(after_help = "\
Writes one line, signed by the old key. Who trusts the old key and has this line also trusts the \
new one; for bundles with a security counter of N or more the old key then no longer counts. \
Sign the next bundle with both keys and give it at least counter N, so that boards that have not \
heard of the rotation take it too.

A device key is not rotated: make a new one, and encrypt to both until the old one is gone.

Examples:
  mtcae keys rotate --old release.key --new next.key.pub --counter 5 --out next.rotation
  mtcae inspect edge-1.1.0.mtcb --trust release.key.pub --trust next.rotation")]
struct Rotate {
    /// Secret file of the key that is replaced
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    old: PathBuf,
    /// Public half of the key that takes its place, as text or file
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    new: String,
    /// First security counter the old key no longer counts for
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, allow_negative_numbers = true, value_parser = whole::<u32>(0..=u64::from(u32::MAX)))]
    counter: u32,
    /// Where the rotation goes
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl Rotate {
    fn run(self) -> Result<(), Failure> {
        let old = keyring::signing_key(&self.old)?;
        let new = keyring::public_key(&self.new)?;
        if old.public() == new {
            return Err(Failure::Key {
                reason: format!("`--old` and `--new` are the same key, {}", new.id()),
                help: "make the key that takes its place: `mtcae keys new next.key`, and give its next.key.pub"
                    .to_owned(),
            });
        }
        let refuse = |path: &Path, error| keyring::refused(&path.display().to_string(), error);
        let rotation = Rotation::sign(&old, new, self.counter).map_err(|error| refuse(&self.old, error))?;
        let held = Held::Rotation(rotation);
        write_public(&self.out, &text(&held)).map_err(|error| refuse(&self.out, error))?;
        if self.json {
            return print(&format!("{}\n", object(&held)));
        }
        print(&format!("{}\n{}\n", title(&held), text(&held)))
    }
}

/// Allow one board to go back to an older security counter, for some days
#[derive(clap::Args)]
#[command(after_help = "\
A board refuses bundles whose security counter is lower than what it has confirmed. With this \
file, signed by a key it trusts, the board of that name takes counters from N on until the permit \
expires. It needs a clock that is set. A key that a rotation has replaced signs no permit that \
counts.

Old versions have old holes: allow as few boards, counters and days as will do.

Examples:
  mtcae keys permit --key release.key --device robot-17 --lowest 3 --days 2 --out robot-17.permit
  mtcae keys show robot-17.permit")]
struct PermitArgs {
    /// Secret file of a signing key that the board trusts
    #[arg(long, value_name = "KEY", value_hint = ValueHint::FilePath)]
    key: PathBuf,
    /// The board, by `board.name` of its board file
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
    device: String,
    /// Lowest security counter it then takes
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, allow_negative_numbers = true, value_parser = whole::<u32>(0..=u64::from(u32::MAX)))]
    lowest: u32,
    /// Days until it expires, 1 to 90
    #[arg(long, value_name = "D", value_hint = ValueHint::Other, allow_negative_numbers = true, value_parser = whole::<u64>(1..=90))]
    days: u64,
    /// Where the permit goes
    #[arg(long, alias = "output", value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl PermitArgs {
    fn run(self) -> Result<(), Failure> {
        let key = keyring::signing_key(&self.key)?;
        let made = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let permit =
            Permit::sign(&key, &self.device, self.lowest, made, made + self.days * DAY_S).map_err(|error| {
                let help = "the board says its name in its board file, and `mtcae monitor` shows it".to_owned();
                Failure::Key { reason: error.to_string(), help }
            })?;
        let held = Held::Permit(permit);
        write_public(&self.out, &text(&held))
            .map_err(|error| keyring::refused(&self.out.display().to_string(), error))?;
        if self.json {
            return print(&format!("{}\n", object(&held)));
        }
        print(&format!("{}\n{}\n", title(&held), text(&held)))
    }
}

fn title(held: &Held) -> String {
    let half = |secret: &bool| if *secret { "secret and public half" } else { "public half" };
    match held {
        Held::Signing { key, secret } => format!("signing key {}, {}", key.id(), half(secret)),
        Held::Device { recipient, secret } => format!("device key {}, {}", recipient.id(), half(secret)),
        Held::Line { key, secret } => format!("line key {}, {}", key.id(), half(secret)),
        Held::Rotation(rotation) => format!(
            "rotation: {} takes the place of {} for security counters from {}",
            rotation.new_key().id(),
            rotation.old().id(),
            rotation.from_counter()
        ),
        Held::Permit(permit) => format!(
            "permit for {} by {}: security counters from {}, for {} days from {} (Unix)",
            permit.device(),
            permit.signed_by().id(),
            permit.lowest_counter(),
            (permit.expires_unix_s() - permit.made_unix_s()).div_ceil(DAY_S),
            permit.made_unix_s()
        ),
    }
}

/// What others may know of it.
fn text(held: &Held) -> String {
    match held {
        Held::Signing { key, .. } => key.to_string(),
        Held::Device { recipient, .. } => recipient.to_string(),
        Held::Line { key, .. } => key.to_string(),
        Held::Rotation(rotation) => rotation.to_string(),
        Held::Permit(permit) => permit.to_string(),
    }
}

fn object(held: &Held) -> Value {
    let text = text(held);
    match held {
        Held::Signing { key, secret } => {
            json!({ "kind": "signing-key", "id": key.id().to_string(), "secret": secret, "text": text })
        }
        Held::Device { recipient, secret } => {
            json!({ "kind": "device-key", "id": recipient.id().to_string(), "secret": secret, "text": text })
        }
        Held::Line { key, secret } => {
            json!({ "kind": "line-key", "id": key.id().to_string(), "secret": secret, "text": text })
        }
        Held::Rotation(rotation) => json!({
            "kind": "rotation", "old": rotation.old().id().to_string(), "new": rotation.new_key().id().to_string(),
            "from_counter": rotation.from_counter(), "text": text,
        }),
        Held::Permit(permit) => json!({
            "kind": "permit", "device": permit.device(), "signed_by": permit.signed_by().id().to_string(),
            "lowest_counter": permit.lowest_counter(), "made_unix_s": permit.made_unix_s(),
            "expires_unix_s": permit.expires_unix_s(), "text": text,
        }),
    }
}

fn print(text: &str) -> Result<(), Failure> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}
