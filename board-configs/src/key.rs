//! What one key accepts, how its value is read from TOML, and the macro that declares a section's keys once.

use core::net::SocketAddr;
use toml::de::{DeInteger, DeValue};

/// One key of a section, as data.
pub(crate) struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// What it is, one sentence.
    pub about: &'static str,
    /// What it may be set to.
    pub accepts: Accepts,
    /// The default as TOML; none for a key that must be given.
    pub default: Option<fn() -> String>,
}

/// What a key may be set to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Accepts {
    /// A short identifier.
    Name,
    /// One line of text, at most this many characters.
    Line { max: usize },
    /// A path.
    Path,
    /// A device file, or `auto`.
    Camera,
    /// A device file.
    Device,
    /// A GPIO line.
    Pin,
    /// An IP address and a port.
    Listen,
    /// Another machine.
    Host,
    /// The beginning of MQTT topics.
    Topic,
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Integer { min: u32, max: u32, unit: &'static str },
    /// A number.
    Number { min: f32, max: f32, unit: &'static str },
    /// Three numbers.
    Three { min: f32, max: f32 },
    /// One word of a list.
    OneOf(&'static [&'static str]),
    /// Several words of a list, none twice.
    SomeOf(&'static [&'static str]),
}

const MAX_NAME: usize = 32;
const MAX_PATH: usize = 1024;
const MAX_HOST: usize = 253;
const MAX_TOPIC: usize = 64;

impl Accepts {
    /// For error messages and the README.
    pub(crate) fn describe(&self) -> String {
        match self {
            Accepts::Name => format!("1 to {MAX_NAME} of a-z, 0-9 and -, in quotes"),
            Accepts::Line { max } => format!("text of at most {max} characters on one line"),
            Accepts::Path => format!("a path of 1 to {MAX_PATH} characters, in quotes"),
            Accepts::Camera => "\"auto\" or a path below /dev/, for example \"/dev/v4l/by-id/...\"".to_owned(),
            Accepts::Device => "a path below /dev/, for example \"/dev/ttyTHS1\"".to_owned(),
            Accepts::Pin => "\"/dev/gpiochipN:LINE\", or the absolute path of a file that holds 0 or 1".to_owned(),
            Accepts::Listen => {
                "an IP address and a port from 1 to 65535, for example \"0.0.0.0:7452\" or \"[::]:7452\"".to_owned()
            }
            Accepts::Host => "a host's name or IPv4 address, in quotes".to_owned(),
            Accepts::Topic => {
                format!("1 to {MAX_TOPIC} of a-z, A-Z, 0-9, -, _ and, between them, /, in quotes")
            }
            Accepts::Switch => "true or false".to_owned(),
            Accepts::Integer { min, max, unit } => format!("a whole number from {min} to {max}{}", in_unit(unit)),
            Accepts::Number { min, max, unit } => format!("a number from {min} to {max}{}", in_unit(unit)),
            Accepts::Three { min, max } => format!("a list of 3 numbers from {min} to {max}"),
            Accepts::OneOf(words) => format!("one of {}", quoted(words)),
            Accepts::SomeOf(words) => format!("a list of one or more of {}, none twice", quoted(words)),
        }
    }

    fn accepts_text(&self, text: &str) -> bool {
        match self {
            Accepts::Name => {
                (1..=MAX_NAME).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            }
            Accepts::Line { max } => text.chars().count() <= *max && !text.contains(char::is_control),
            Accepts::Path => is_path(text),
            Accepts::Camera => text == "auto" || Accepts::Device.accepts_text(text),
            Accepts::Device => is_path(text) && text.starts_with("/dev/") && !text.split('/').any(|part| part == ".."),
            Accepts::Pin => is_pin(text),
            Accepts::Host => text.len() <= MAX_HOST && text.split('.').all(|part| is_word(part) && !part.contains('_')),
            Accepts::Topic => text.len() <= MAX_TOPIC && text.split('/').all(is_word),
            Accepts::OneOf(words) | Accepts::SomeOf(words) => words.contains(&text),
            _ => false,
        }
    }
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && text.chars().count() <= MAX_PATH && !text.contains(char::is_control)
}

/// A line of a chip, or else a file.
fn is_pin(text: &str) -> bool {
    let line = |line: &str| (1..=3).contains(&line.len()) && line.bytes().all(|b| b.is_ascii_digit());
    match text.rsplit_once(':') {
        Some((chip, number)) => Accepts::Device.accepts_text(chip) && line(number),
        None => is_path(text) && text.starts_with('/'),
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn in_unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" ({unit})") }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// A type a key's value can have.
pub(crate) trait Value: Sized {
    /// `None` when `accepts` does not allow it.
    fn from_toml(value: &DeValue<'_>, accepts: &Accepts) -> Option<Self>;
    /// As it would be written in a board file.
    fn to_toml(&self) -> String;
}

impl Value for String {
    fn from_toml(value: &DeValue<'_>, accepts: &Accepts) -> Option<Self> {
        value.as_str().filter(|text| accepts.accepts_text(text)).map(str::to_owned)
    }

    fn to_toml(&self) -> String {
        format!("\"{self}\"")
    }
}

/// A text that may be left out.
impl Value for Option<String> {
    fn from_toml(value: &DeValue<'_>, accepts: &Accepts) -> Option<Self> {
        String::from_toml(value, accepts).map(Some)
    }

    fn to_toml(&self) -> String {
        self.as_ref().map_or("none".to_owned(), Value::to_toml)
    }
}

impl Value for SocketAddr {
    fn from_toml(value: &DeValue<'_>, accepts: &Accepts) -> Option<Self> {
        let text = value.as_str().filter(|_| matches!(accepts, Accepts::Listen))?;
        text.parse().ok().filter(|address: &SocketAddr| address.port() > 0)
    }

    fn to_toml(&self) -> String {
        format!("\"{self}\"")
    }
}

impl Value for bool {
    fn from_toml(value: &DeValue<'_>, accepts: &Accepts) -> Option<Self> {
        value.as_bool().filter(|_| matches!(accepts, Accepts::Switch))
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Value for u32 {
    fn from_toml(value: &DeValue<'_>, accepts: &Accepts) -> Option<Self> {
        let Accepts::Integer { min, max, .. } = accepts else { return None };
        value.as_integer().and_then(u32_from_integer).filter(|n| (min..=max).contains(&n))
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}

impl Value for f32 {
    fn from_toml(value: &DeValue<'_>, accepts: &Accepts) -> Option<Self> {
        let Accepts::Number { min, max, .. } = accepts else { return None };
        number(value).filter(|n| (min..=max).contains(&n))
    }

    fn to_toml(&self) -> String {
        format!("{self:?}")
    }
}

impl Value for [f32; 3] {
    fn from_toml(value: &DeValue<'_>, accepts: &Accepts) -> Option<Self> {
        let Accepts::Three { min, max } = accepts else { return None };
        let list = value.as_array()?;
        let numbers: Vec<f32> = list.iter().filter_map(|v| number(v.get_ref())).collect();
        if numbers.len() != list.len() || !numbers.iter().all(|n| (min..=max).contains(&n)) {
            return None;
        }
        numbers.try_into().ok()
    }

    fn to_toml(&self) -> String {
        format!("{self:?}")
    }
}

fn u32_from_integer(integer: &DeInteger<'_>) -> Option<u32> {
    u32::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A whole number is a number too: `enter = 1` means 1.0.
fn number(value: &DeValue<'_>) -> Option<f32> {
    match value {
        DeValue::Integer(integer) => u32_from_integer(integer).map(|n| n as f32),
        DeValue::Float(float) => float.as_str().parse().ok().filter(|n: &f32| n.is_finite()),
        _ => None,
    }
}

/// A value of a file as one short line, for error messages.
pub(crate) fn show(value: &DeValue<'_>) -> String {
    let text = match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(n) => n.to_string(),
        DeValue::Float(n) => n.to_string(),
        DeValue::Boolean(b) => b.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(list) if list.iter().any(|item| item.get_ref().is_table()) => format!("{} tables", list.len()),
        DeValue::Array(list) => {
            let items: Vec<String> = list.iter().take(9).map(|item| show_within(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(_) => "a table".to_owned(),
    };
    shortened(text)
}

fn show_within(value: &DeValue<'_>) -> String {
    if value.is_array() { "a list".to_owned() } else { show(value) }
}

fn shortened(text: String) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain("...".chars()).collect()
}

/// A key of a file, for error messages: as written when it is a bare key, in quotes when not.
pub(crate) fn show_name(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    shortened(if bare { name.to_owned() } else { format!("{name:?}") })
}

/// Declares a section: one struct, with each key's name, type, default, range and documentation written once.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident {
        $(
            $(#[doc = $doc:literal])+
            $field:ident $(as $key:literal)?: $type:ty $(= $default:expr)?, $accepts:expr;
        )+
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[doc = ""]
                #[doc = concat!("Accepted: `", stringify!($accepts), "`.")]
                $(#[doc = concat!("Default: `", stringify!($default), "`.")])?
                pub $field: $type,
            )+
        }

        impl $name {
            pub(crate) const KEYS: &'static [$crate::key::Key] = &[$(
                $crate::key::Key {
                    name: $crate::key::first_of(&[$($key,)? stringify!($field)]),
                    about: concat!($($doc),+),
                    accepts: $accepts,
                    default: {
                        #[allow(unused_mut, unused_assignments)]
                        let mut default: Option<fn() -> String> = None;
                        $(default = Some(|| <$type as $crate::key::Value>::to_toml(&$default));)?
                        default
                    },
                },
            )+];

            pub(crate) fn read(section: &$crate::section::Section<'_>) -> Result<Self, $crate::BoardError> {
                let [$($field),+] = Self::KEYS else { unreachable!("one key a field") };
                Ok(Self {
                    $($field: {
                        #[allow(unused_mut, unused_assignments)]
                        let mut default: Option<$type> = None;
                        $(default = Some($default);)?
                        section.take($field, default)?
                    },)+
                })
            }
        }
    };
}
pub(crate) use section;

/// The key's own name when it has one (`loop` is no name for a Rust field), else the field's.
pub(crate) const fn first_of(names: &[&'static str]) -> &'static str {
    names[0]
}
