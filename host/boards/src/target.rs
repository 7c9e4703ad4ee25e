//! Where a board is, as a person types it.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use thiserror::Error;

/// Bits per second of a serial line unless the target says otherwise.
pub const DEFAULT_BAUD: u32 = 115_200;
/// Speeds a target may name.
pub const BAUDS: RangeInclusive<u32> = 300..=4_000_000;
/// Longest target, bytes.
pub const MAX_LEN: usize = 1024;

/// Where a board is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// `serial:PORT[:BAUD]`, or the port's path alone.
    Serial {
        /// Absolute path of the device.
        port: String,
        /// Bits per second, one of [`BAUDS`].
        baud: u32,
    },
    /// `tcp:HOST:PORT`.
    Tcp {
        /// A name in lower case, an IPv4 address, or an IPv6 address (typed in square brackets, kept without) in its shortest
        /// form: what is known of a board is found however its address is typed.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// `dir:PATH`: the root of a board's file system, mounted here.
    Directory(PathBuf),
}

/// A text that is no target.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{value:?} is no target: {reason}; accepted: serial:PORT[:BAUD] or a path below /dev/, tcp:HOST:PORT, \
     dir:PATH"
)]
pub struct TargetError {
    /// As given, cut to 80 characters.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Target, TargetError> {
        parse(text).map_err(|reason| TargetError { value: text.chars().take(80).collect(), reason })
    }
}

fn parse(text: &str) -> Result<Target, String> {
    if text.len() > MAX_LEN {
        return Err(format!("it is {} bytes long, and {MAX_LEN} are the most", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    match text.split_once(':') {
        Some(("serial", rest)) => serial(rest),
        Some(("tcp", rest)) => tcp(rest),
        Some(("dir", "")) => Err("the path after `dir:` is empty".to_owned()),
        Some(("dir", path)) => Ok(Target::Directory(path.into())),
        _ if text.starts_with("/dev/") => serial(text),
        _ if text.starts_with('/') => Err(format!("a folder is typed as dir:{text}")),
        Some((kind, _)) => Err(format!("`{kind}:` is no kind of target")),
        None => Err("it says neither a kind nor a path below /dev/".to_owned()),
    }
}

/// A path may hold colons itself; what follows the last one is a speed when it is all digits.
fn serial(text: &str) -> Result<Target, String> {
    let (port, baud) = match text.rsplit_once(':') {
        Some((port, digits)) if all_digits(digits) => (port, speed(digits)?),
        _ => (text, DEFAULT_BAUD),
    };
    if !port.starts_with('/') || port.ends_with('/') {
        return Err(format!("the serial port {port:?} is no absolute path of a device, such as /dev/ttyUSB0"));
    }
    Ok(Target::Serial { port: port.to_owned(), baud })
}

fn speed(digits: &str) -> Result<u32, String> {
    let fits = |baud: &u32| BAUDS.contains(baud);
    let refuse = || format!("the speed {digits} is not from {} to {} baud", BAUDS.start(), BAUDS.end());
    digits.parse().ok().filter(fits).ok_or_else(refuse)
}

fn tcp(text: &str) -> Result<Target, String> {
    let (host, port) = text.rsplit_once(':').ok_or("the port after `tcp:HOST:` is missing")?;
    let number = || format!("the TCP port {port:?} is not from 1 to 65535");
    let port = Some(port).filter(|port| all_digits(port)).and_then(|port| port.parse().ok());
    let port = port.filter(|&port| port != 0).ok_or_else(number)?;
    let host = match host.strip_prefix('[').map(|host| host.strip_suffix(']')) {
        Some(Some(address)) => address.parse::<Ipv6Addr>().ok().map(|address| address.to_string()),
        None if is_host_name(host) => Some(host.to_ascii_lowercase()),
        _ => None,
    }
    .ok_or_else(|| format!("{host:?} is no host: a name, an IPv4 address, or an IPv6 address in [ ]"))?;
    Ok(Target::Tcp { host, port })
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(inside) && !label.starts_with('-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

impl fmt::Display for Target {
    /// As it may be typed: reading it back gives the same target.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Serial { port, baud } => {
                let ends_like_a_speed = port.rsplit_once(':').is_some_and(|(_, end)| all_digits(end));
                let kind = if port.starts_with("/dev/") { "" } else { "serial:" };
                match *baud {
                    DEFAULT_BAUD if !ends_like_a_speed => write!(f, "{kind}{port}"),
                    baud => write!(f, "serial:{port}:{baud}"),
                }
            }
            Target::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Target::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            Target::Directory(path) => write!(f, "dir:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn serial(port: &str, baud: u32) -> Target {
        Target::Serial { port: port.to_owned(), baud }
    }

    #[test]
    fn what_people_type_is_understood() {
        let tcp = |host: &str, port| Target::Tcp { host: host.to_owned(), port };
        for (text, target) in [
            ("/dev/ttyUSB0", serial("/dev/ttyUSB0", 115_200)),
            ("/dev/ttyUSB0:921600", serial("/dev/ttyUSB0", 921_600)),
            ("serial:/dev/ttyTHS1", serial("/dev/ttyTHS1", 115_200)),
            ("serial:/dev/ttyTHS1:3000000", serial("/dev/ttyTHS1", 3_000_000)),
            ("serial:/run/board", serial("/run/board", 115_200)),
            (
                "/dev/serial/by-path/pci-0:14.0-usb-0:2:1.0",
                serial("/dev/serial/by-path/pci-0:14.0-usb-0:2:1.0", 115_200),
            ),
            ("tcp:board-17.local:7411", tcp("board-17.local", 7411)),
            ("tcp:10.0.0.7:1", tcp("10.0.0.7", 1)),
            ("tcp:[fe80::1]:7411", tcp("fe80::1", 7411)),
            ("tcp:Board-17.LOCAL:7411", tcp("board-17.local", 7411)),
            ("tcp:[FE80:0:0:0::0001]:7411", tcp("fe80::1", 7411)),
            ("dir:/mnt/sd card", Target::Directory("/mnt/sd card".into())),
            ("dir:relative", Target::Directory("relative".into())),
        ] {
            assert_eq!(text.parse(), Ok(target), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refusal = |text: &str| text.parse::<Target>().unwrap_err().reason;
        insta::assert_snapshot!("ttyUSB0".parse::<Target>().unwrap_err(), @r#""ttyUSB0" is no target: it says neither a kind nor a path below /dev/; accepted: serial:PORT[:BAUD] or a path below /dev/, tcp:HOST:PORT, dir:PATH"#);
        insta::assert_snapshot!(refusal("/mnt"), @"a folder is typed as dir:/mnt");
        insta::assert_snapshot!(refusal("usb:/dev/ttyUSB0"), @"`usb:` is no kind of target");
        insta::assert_snapshot!(refusal("serial:ttyUSB0"), @r#"the serial port "ttyUSB0" is no absolute path of a device, such as /dev/ttyUSB0"#);
        insta::assert_snapshot!(refusal("/dev/ttyUSB0:42"), @"the speed 42 is not from 300 to 4000000 baud");
        insta::assert_snapshot!(refusal("/dev/ttyUSB0:99999999999"), @"the speed 99999999999 is not from 300 to 4000000 baud");
        insta::assert_snapshot!(refusal("tcp:board"), @"the port after `tcp:HOST:` is missing");
        insta::assert_snapshot!(refusal("tcp:board:0"), @r#"the TCP port "0" is not from 1 to 65535"#);
        insta::assert_snapshot!(refusal("tcp:fe80::1:7411"), @r#""fe80::1" is no host: a name, an IPv4 address, or an IPv6 address in [ ]"#);
        insta::assert_snapshot!(refusal("dir:"), @"the path after `dir:` is empty");
        insta::assert_snapshot!(refusal("/dev/tty\x1b[2J"), @"it holds a control character");
        assert!(refusal(&"x".repeat(2000)).contains("2000 bytes"));
        assert!("/dev/".parse::<Target>().is_err() && "".parse::<Target>().is_err());
    }

    fn any_target() -> impl Strategy<Value = Target> {
        prop_oneof![
            ("/[a-z0-9:./_-]{0,40}[a-zA-Z0-9._-]", 300u32..=4_000_000)
                .prop_map(|(port, baud)| Target::Serial { port, baud }),
            "/dev/[a-zA-Z0-9:]{0,20}[a-z0-9]".prop_map(|port| serial(&port, DEFAULT_BAUD)),
            ("[a-z0-9]{1,20}(\\.[a-z0-9]{1,20}){0,3}", 1u16..).prop_map(|(host, port)| Target::Tcp { host, port }),
            (any::<Ipv6Addr>(), 1u16..).prop_map(|(host, port)| Target::Tcp { host: host.to_string(), port }),
            "[a-zA-Z0-9 :./äß-]{1,40}".prop_map(|path| Target::Directory(path.into())),
        ]
    }

    proptest! {
        #[test]
        fn a_target_reads_back_as_it_was_shown(target in any_target()) {
            prop_assert_eq!(target.to_string().parse(), Ok(target));
        }

        #[test]
        fn any_text_is_a_target_or_an_error_that_names_it(text in "\\PC{0,60}") {
            match text.parse::<Target>() {
                Ok(target) => prop_assert_eq!(target.to_string().parse(), Ok(target)),
                Err(error) => prop_assert!(error.to_string().contains("accepted: serial:PORT[:BAUD]")),
            }
        }

        #[test]
        fn near_targets_never_panic(kind in "(serial|tcp|dir|)", rest in "[:/\\[\\]0-9a-z.]{0,30}") {
            if let Ok(target) = format!("{kind}:{rest}").parse::<Target>() {
                prop_assert_eq!(target.to_string().parse(), Ok(target));
            }
        }
    }
}
