//! From arguments to a plan: reads files and keys, looks at the board, installs a first version where there is none.

use super::failure::failed;
use super::report::{PublicKey, Report};
use crate::failure::Failure;
use crate::keyring::{self, TrustedKeys};
use crate::progress::Progress;
use crate::{assets, text};
use mtcae_board_configs::{ConfirmChoice, Sink, SinkKind, builtin_named, load_builtin};
use mtcae_bundle::{BundleError, DeviceKey, KeyError, Recipient};
use mtcae_install::{InstallError, Rules};
use mtcae_provision::{
    Blob, BoardFile, DEVICE_KEY, DEVICE_PUBLIC, FirstVersion, Found, KeyPair, KeyWish, LINE_KEY, LINE_PUBLIC, Place,
    Plan, Processor, ProvisionError, Recipe, State,
};
use mtcae_tls::{LineKey, PublicLineKey};
use mtcae_update::Confirm;
use std::path::{Path, PathBuf};

/// The arguments that say what a board gets.
pub struct Wishes<'a> {
    pub board: &'a str,
    pub name: Option<&'a str>,
    pub launcher: Option<&'a Path>,
    pub bundle: Option<&'a Path>,
    pub trust: &'a [String],
    pub device_key: Option<&'a Path>,
    pub no_device_key: bool,
    pub clients: &'a [String],
}

/// All that was read for a board.
pub struct Order {
    board: BoardFile,
    launcher: PathBuf,
    processor: Processor,
    trusted: TrustedKeys,
    /// The key, and whether it has to be this one.
    device: Option<(DeviceKey, bool)>,
    line: Option<LineKey>,
    clients: Vec<(String, String)>,
    bundle: Option<PathBuf>,
}

impl Order {
    /// Reads everything that the wishes name.
    ///
    /// # Errors
    /// The first thing that is not what it has to be.
    pub fn read(wishes: &Wishes<'_>) -> Result<Order, Failure> {
        let launcher = wishes.launcher.map_or_else(own_launcher, |path| Ok(path.to_owned()))?;
        let unreadable = |reason| Failure::Read { path: launcher.clone(), reason };
        std::fs::File::open(&launcher).map_err(unreadable)?;
        let no_program = || failed(ProvisionError::NoProgram { path: launcher.clone() });
        let processor = Processor::of_program(&launcher).ok_or_else(no_program)?;
        let device = match (wishes.device_key, wishes.no_device_key) {
            (Some(path), _) => Some((keyring::device_key(path)?, true)),
            (None, true) => None,
            (None, false) => Some((DeviceKey::generate().map_err(made)?, false)),
        };
        let line = if wishes.clients.is_empty() { None } else { Some(LineKey::generate().map_err(line_key)?) };
        Ok(Order {
            board: board_file(wishes.board, wishes.name)?,
            processor,
            launcher,
            trusted: keyring::trusted(wishes.trust)?,
            device,
            line,
            clients: wishes.clients.iter().map(|argument| client(argument)).collect::<Result<_, _>>()?,
            bundle: wishes.bundle.map(Path::to_owned),
        })
    }

    /// Looks at the board, and plans. `stage` is an empty folder that stays until the plan is carried out.
    ///
    /// # Errors
    /// When the board cannot be reached, or is not one for all this.
    pub fn plan(self, place: &mut dyn Place, stage: &Path, progress: &mut Progress) -> Result<(Plan, Report), Failure> {
        let mut recipe = self.recipe()?;
        progress.step("looking", None);
        let mut found = place.look(&recipe.paths()).map_err(failed)?;
        if let Some(accepted) = found.processor.filter(|accepted| *accepted != self.processor) {
            let what = format!("the launcher {}", self.launcher.display());
            let error = ProvisionError::Processor { what, found: self.processor, accepted: accepted.to_string() };
            return Err(failed(error));
        }
        let mut report = self.report(&found);
        match &self.bundle {
            _ if Recipe::has_version(&found) => report.version = "kept as it is".to_owned(),
            None => {
                report.version = "none".to_owned();
                report.notes.push("the board has no version: give it one with --bundle".to_owned());
            }
            Some(bundle) => {
                let keys = self.keys(&found, &*place);
                let first = self.stage(stage, bundle, keys.as_deref().unwrap_or_default(), progress);
                let first = first.map_err(|error| failed(without_key(error, keys, &found)))?;
                report.version = format!("{}, on trial at its first start", first.version);
                recipe.first = Some(first);
                progress.step("looking", None);
                found = place.look(&recipe.paths()).map_err(failed)?;
            }
        }
        progress.step_done();
        let items = recipe.into_items(&found, place.runs()).map_err(failed)?;
        Ok((Plan::new(items, &found, place.owners(&found)).map_err(failed)?, report))
    }

    fn recipe(&self) -> Result<Recipe, Failure> {
        let device_key = match &self.device {
            None => KeyWish::None,
            Some((key, exactly)) => {
                let pair = KeyPair { secret: key.to_secret_text(), public: key.recipient().to_string() };
                if *exactly { KeyWish::This(pair) } else { KeyWish::Unless(pair) }
            }
        };
        let pair = |key: &LineKey| KeyPair { secret: key.to_secret_text(), public: key.public().to_string() };
        Ok(Recipe {
            board: self.board.clone(),
            launcher: Blob::file(&self.launcher).map_err(failed)?,
            trusted: self.trusted.files.clone(),
            device_key,
            line_key: self.line.as_ref().map_or(KeyWish::None, |key| KeyWish::Unless(pair(key))),
            clients: self.clients.clone(),
            first: None,
        })
    }

    /// What opens the first version: the key that the board has already, unless it has to be the one given, else the one it gets.
    fn keys(&self, found: &Found, place: &dyn Place) -> Result<Vec<DeviceKey>, ProvisionError> {
        let given = self.device.as_ref().filter(|(_, exactly)| *exactly || !found.has_file(DEVICE_KEY));
        match given {
            Some((key, _)) => Ok(vec![key.clone()]),
            None => Ok(place.device_key()?.into_iter().collect()),
        }
    }

    fn stage(
        &self,
        stage: &Path,
        bundle: &Path,
        keys: &[DeviceKey],
        progress: &mut Progress,
    ) -> Result<FirstVersion, ProvisionError> {
        let rules = Rules {
            family: &self.board.board.about.family,
            target: None,
            trust: &self.trusted.trust,
            keys,
            confirm: match self.board.board.update.confirm {
                ConfirmChoice::SelfTest => Confirm::BySelfTest,
                ConfirmChoice::User => Confirm::ByUser,
            },
            permit: None,
        };
        progress.step("installing", Some(bundle.metadata().map_or(0, |about| about.len())));
        let mut seen = 0;
        FirstVersion::stage(stage, bundle, &rules, self.processor, &mut |done, _| {
            progress.advance(done.saturating_sub(seen));
            seen = done;
        })
    }

    /// Which keys the board has or gets, and what a person should know.
    fn report(&self, found: &Found) -> Report {
        let mut report = Report { name: self.board.board.about.name.clone(), ..Report::default() };
        let new = self.device.as_ref().map(|(key, _)| key.recipient().to_string());
        let known = |line: &str| line.parse::<Recipient>().ok().map(|key| key.to_string());
        report.device = of_the_board(found, DEVICE_KEY, DEVICE_PUBLIC, new, known, &mut report.notes);
        let new = self.line.as_ref().map(|key| key.public().to_string());
        let known = |line: &str| line.parse::<PublicLineKey>().ok().map(|key| key.to_string());
        report.line = of_the_board(found, LINE_KEY, LINE_PUBLIC, new, known, &mut report.notes);
        if !self.board.board.update.enabled {
            report.notes.push("its board file takes no updates over a line: [update] enabled = false".to_owned());
        }
        report.notes.extend(self.unreachable(found));
        let others = found.trusted.iter().map(|file| file.name.as_str());
        let others: Vec<&str> =
            others.filter(|name| !self.trusted.files.iter().any(|(known, _)| known == name)).collect();
        if !others.is_empty() {
            report.notes.push(format!("it trusts these too, which are left as they are: {}", others.join(", ")));
        }
        report
    }

    /// A port that nobody can connect to, or clients without a port.
    fn unreachable(&self, found: &Found) -> Option<String> {
        let tcp = |sink: &Sink| if let SinkKind::Tcp(tcp) = &sink.kind { Some(tcp.key.clone()) } else { None };
        let keys: Vec<String> = self.board.board.sinks.iter().filter_map(tcp).collect();
        let keyless = self.line.is_none() && !found.has_file(LINE_KEY);
        if keyless && keys.iter().any(|key| key == LINE_KEY) {
            let what = "its [[sink]] with kind = \"tcp\" lacks the board's line key and lets nobody in";
            return Some(format!("{what}: give it a client with --client"));
        }
        let what = "its board file has no [[sink]] with kind = \"tcp\", so its clients cannot connect";
        (keys.is_empty() && !self.clients.is_empty()).then(|| what.to_owned())
    }
}

/// Why there was no key for what is encrypted; for a plain bundle it does not matter.
fn without_key(error: ProvisionError, keys: Result<Vec<DeviceKey>, ProvisionError>, found: &Found) -> ProvisionError {
    match (error, keys) {
        (ProvisionError::First(InstallError::Bundle(BundleError::NoKey { .. })), Err(unread)) => unread,
        (ProvisionError::First(InstallError::Bundle(BundleError::NoKey { .. })), Ok(keys))
            if keys.is_empty() && found.has_file(DEVICE_KEY) =>
        {
            ProvisionError::KeyStays
        }
        (error, _) => error,
    }
}

/// The public half of a key of the board: that of the one it has, else that of the new one.
fn of_the_board(
    found: &Found,
    secret: &str,
    public: &str,
    new: Option<String>,
    known: impl Fn(&str) -> Option<String>,
    notes: &mut Vec<String>,
) -> Option<PublicKey> {
    let new = new?;
    if !matches!(found.at(secret), State::File { .. }) {
        return Some(PublicKey { text: new, made: true });
    }
    let text = found.lines.get(public).and_then(|line| known(line));
    if text.is_none() {
        notes.push(format!("the board has a key in {secret}, and {public} does not say its public half"));
    }
    text.map(|text| PublicKey { text, made: false })
}

fn own_launcher() -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("mtcae-launcher"));
    beside.filter(|path| path.is_file()).ok_or_else(|| Failure::Asset {
        path: "mtcae-launcher".to_owned(),
        looked: vec!["the folder of this program".to_owned()],
        help: "build it for the board and give it with --launcher:\n  cargo build --release -p mtcae-launcher --target aarch64-unknown-linux-gnu",
    })
}

fn board_file(argument: &str, name: Option<&str>) -> Result<BoardFile, Failure> {
    let text = match builtin_named(argument) {
        Some(board) if !Path::new(argument).is_file() => board.text.to_owned(),
        None if !assets::is_path(argument) => {
            // It has none of that name, and says which there are.
            load_builtin(argument).map_err(|error| failed(error.into()))?;
            String::new()
        }
        _ => text::read(Path::new(argument))?,
    };
    BoardFile::new(argument, &text, name).map_err(failed)
}

fn client(argument: &str) -> Result<(String, String), Failure> {
    let text = keyring::public_text(argument)?;
    let key: PublicLineKey = text.parse().map_err(line_key)?;
    Ok((format!("{}.pub", key.id()), key.to_string()))
}

fn line_key(error: mtcae_tls::TlsError) -> Failure {
    let help = "`mtcae keys new --line FILE` makes a line key and writes its public half to FILE.pub".to_owned();
    Failure::Key { reason: error.to_string(), help }
}

fn made(error: KeyError) -> Failure {
    keyring::refused("the new device key", error)
}
