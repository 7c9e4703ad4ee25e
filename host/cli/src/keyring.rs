//! Keys as a person gives them: public ones as a text or a file, secret ones as a file only.

use crate::failure::Failure;
use mtcae_bundle::{
    DeviceKey, KeyError, Permit, PublicKey, Recipient, Rotation, SigningKey, Trust, read_public, read_secret,
};
use mtcae_tls::{LineKey, PublicLineKey, TlsError};
use std::io::ErrorKind;
use std::path::Path;

const SECRET_PREFIXES: [&str; 3] = ["mtcae-signing-secret-", "mtcae-line-secret-", "AGE-SECRET-KEY-"];
const ROTATION_PREFIX: &str = "mtcae-rotation-";
const PUBLIC_PREFIXES: [&str; 4] = ["mtcae-signing-key-", "mtcae-line-key-", "age1", ROTATION_PREFIX];

/// What a key file holds, without its secret.
#[allow(clippy::large_enum_variant)] // one exists at a time
pub enum Held {
    /// A signing key.
    Signing {
        /// Its public half.
        key: PublicKey,
        /// Whether the file holds the secret half.
        secret: bool,
    },
    /// A device key.
    Device {
        /// Whom to encrypt to.
        recipient: Recipient,
        /// Whether the file holds the secret half.
        secret: bool,
    },
    /// A line key.
    Line {
        /// Its public half.
        key: PublicLineKey,
        /// Whether the file holds the secret half.
        secret: bool,
    },
    /// A rotation.
    Rotation(Rotation),
    /// A downgrade permit.
    Permit(Permit),
}

/// What the file holds.
///
/// # Errors
/// When it holds no key, or a secret one that others may read.
pub fn identify(path: &Path) -> Result<Held, Failure> {
    let refuse = |error| refused(&path.display().to_string(), error);
    match read_secret(path) {
        Ok(text) => held(&text).ok_or_else(|| no_key(path)),
        // Anybody may read a public key's file, so it is for what is inside to say whether that is wrong.
        Err(lax @ KeyError::Mode { .. }) => match held(&read_public(path).map_err(refuse)?) {
            Some(
                Held::Signing { secret: true, .. }
                | Held::Device { secret: true, .. }
                | Held::Line { secret: true, .. },
            ) => Err(refuse(lax)),
            Some(public) => Ok(public),
            None => Err(no_key(path)),
        },
        Err(error) => Err(refuse(error)),
    }
}

fn held(text: &str) -> Option<Held> {
    if let Ok(key) = text.parse() {
        return Some(Held::Signing { key, secret: false });
    }
    if let Ok(key) = text.parse() {
        return Some(Held::Line { key, secret: false });
    }
    if let Ok(recipient) = text.parse() {
        return Some(Held::Device { recipient, secret: false });
    }
    if let Ok(rotation) = text.parse() {
        return Some(Held::Rotation(rotation));
    }
    if let Ok(permit) = text.parse() {
        return Some(Held::Permit(permit));
    }
    if let Ok(key) = SigningKey::from_secret_text(text) {
        return Some(Held::Signing { key: key.public(), secret: true });
    }
    if let Ok(key) = LineKey::from_secret_text(text) {
        return Some(Held::Line { key: key.public(), secret: true });
    }
    DeviceKey::from_secret_text(text).ok().map(|key| Held::Device { recipient: key.recipient(), secret: true })
}

fn no_key(path: &Path) -> Failure {
    let reason =
        format!("{} holds no signing key, device key, recipient, line key, rotation or permit", path.display());
    Failure::Key { reason, help: "give a file that `mtcae keys new`, `rotate` or `permit` wrote".to_owned() }
}

/// The signing key in a file.
///
/// # Errors
/// When there is none, or others may read it.
pub fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let refuse = |error| refused(&path.display().to_string(), error);
    SigningKey::from_secret_text(&read_secret(path).map_err(refuse)?).map_err(refuse)
}

/// The device key in a file.
///
/// # Errors
/// When there is none, or others may read it.
pub fn device_key(path: &Path) -> Result<DeviceKey, Failure> {
    let refuse = |error| refused(&path.display().to_string(), error);
    DeviceKey::from_secret_text(&read_secret(path).map_err(refuse)?).map_err(refuse)
}

/// The public signing key of a text or a file.
///
/// # Errors
/// When it is none.
pub fn public_key(argument: &str) -> Result<PublicKey, Failure> {
    public_text(argument)?.parse().map_err(|error| refused(&named(argument), error))
}

/// The public line key of a text or a file.
///
/// # Errors
/// When it is none.
pub fn line_key(argument: &str) -> Result<PublicLineKey, Failure> {
    let refuse = |error| refused_line(&named(argument), error);
    public_text(argument)?.parse().map_err(refuse)
}

/// A line key's error as the tool says it; `from` is the file or the text it comes from.
pub fn refused_line(from: &str, error: TlsError) -> Failure {
    match error {
        TlsError::KeyFile(error) => refused(from, error),
        error => {
            let help = "`mtcae keys new --line FILE` writes a line key's public half to FILE.pub, `mtcae keys show FILE` prints it";
            Failure::Key { reason: format!("{from}: {error}"), help: help.to_owned() }
        }
    }
}

/// The recipients of texts and files.
///
/// # Errors
/// When one of them is none.
pub fn recipients(arguments: &[String]) -> Result<Vec<Recipient>, Failure> {
    let recipient = |argument: &String| -> Result<Recipient, Failure> {
        public_text(argument)?.parse().map_err(|error| refused(&named(argument), error))
    };
    arguments.iter().map(recipient).collect()
}

/// The trust that public keys and rotations, as texts and files, make up; nobody without any.
///
/// # Errors
/// When one of them is neither, or they do not fit together.
pub fn trust(arguments: &[String]) -> Result<Trust, Failure> {
    if arguments.is_empty() {
        return Ok(Trust::nobody());
    }
    Ok(trusted(arguments)?.trust)
}

/// Keys that count, and the files from which a board reads them.
pub struct TrustedKeys {
    /// What they make up.
    pub trust: Trust,
    /// Name and text of each.
    pub files: Vec<(String, String)>,
}

/// The keys and rotations of texts and files.
///
/// # Errors
/// When one of them is neither, or they do not fit together.
pub fn trusted(arguments: &[String]) -> Result<TrustedKeys, Failure> {
    let (mut keys, mut rotations) = (Vec::<PublicKey>::new(), Vec::<Rotation>::new());
    for argument in arguments {
        let text = public_text(argument)?;
        let refuse = |error| refused(&named(argument), error);
        if text.starts_with(ROTATION_PREFIX) {
            rotations.push(text.parse().map_err(refuse)?);
        } else {
            keys.push(text.parse().map_err(refuse)?);
        }
    }
    let trust = Trust::new(&keys).and_then(|trust| trust.rotated(&rotations));
    let trust = trust.map_err(|error| refused("`--trust`", error))?;
    let name = |rotation: &Rotation| format!("{}-{}.rotation", rotation.old().id(), rotation.new_key().id());
    let rotations = rotations.iter().map(|rotation| (name(rotation), rotation.to_string()));
    let files = keys.iter().map(|key| (format!("{}.pub", key.id()), key.to_string())).chain(rotations).collect();
    Ok(TrustedKeys { trust, files })
}

/// Refuses an argument that is, or holds, a secret key, without showing it.
///
/// # Errors
/// When it does.
pub fn no_secret(argument: &str) -> Result<(), Failure> {
    if !SECRET_PREFIXES.iter().any(|prefix| argument.contains(prefix)) {
        return Ok(());
    }
    let reason = "a secret key was given as an argument (it is not shown)".to_owned();
    let help = "others can read arguments, and the shell keeps them: consider this key leaked and make a new one; \
                what is wanted is the file that holds a key, or its public half, as `mtcae keys show FILE` prints it"
        .to_owned();
    Err(Failure::Key { reason, help })
}

/// The text itself, or that of the file it names.
///
/// # Errors
/// When no such file can be read.
pub fn public_text(argument: &str) -> Result<String, Failure> {
    if PUBLIC_PREFIXES.iter().any(|prefix| argument.starts_with(prefix)) {
        return Ok(argument.to_owned());
    }
    read_public(Path::new(argument)).map_err(|error| refused(argument, error))
}

/// An argument in a message: a file by its path, a text by its beginning.
fn named(argument: &str) -> String {
    match PUBLIC_PREFIXES.iter().find(|prefix| argument.starts_with(*prefix)) {
        Some(prefix) => format!("the text {prefix}..."),
        None => argument.to_owned(),
    }
}

/// A key's error as the tool says it; `from` is the file or the text it comes from.
pub fn refused(from: &str, error: KeyError) -> Failure {
    let help = help(&error).to_owned();
    let reason = match &error {
        // These name their file themselves.
        KeyError::File { .. } | KeyError::Mode { .. } => error.to_string(),
        _ => format!("{from}: {error}"),
    };
    Failure::Key { reason, help }
}

fn help(error: &KeyError) -> &'static str {
    match error {
        KeyError::Public { .. } => {
            "`mtcae keys new FILE` writes a signing key's public half to FILE.pub, `mtcae keys show FILE` prints it"
        }
        KeyError::Secret { .. } => {
            "a signing key comes from `mtcae keys new FILE`, a device key from `mtcae keys new --device FILE`"
        }
        KeyError::Recipient { .. } => {
            "`mtcae keys new --device FILE` writes a device key's recipient to FILE.pub, `mtcae keys show FILE` prints it"
        }
        KeyError::Rotation { .. } => "copy the rotation again from where it was made",
        KeyError::UnknownOldKey { .. } => "give the key that the rotation starts from as well",
        KeyError::Conflict { .. } => "ask who signs your bundles which of the two is right",
        KeyError::Count { .. } => "give at least one key, and each of them once",
        KeyError::File { error, .. } => match error.kind() {
            ErrorKind::AlreadyExists => "a key is never overwritten: give another name",
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "its disk is full: free some space, or give another folder"
            }
            ErrorKind::NotFound => "check the path; `mtcae keys new` makes a key",
            _ => "is it a file that you may read, or for a new key, may you write to its folder?",
        },
        KeyError::Mode { .. } => {
            "if somebody may have read it, make a new one: `mtcae keys rotate` puts it in a signing key's place; to a new device key \
             bundles are encrypted anew, and a new line key's .pub goes where the old one's was"
        }
        KeyError::Random(_) => "try again; if it stays, the machine's random device is broken",
    }
}
