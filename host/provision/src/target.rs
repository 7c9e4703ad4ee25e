//! Which board: as a person types it.

use crate::ProvisionError;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Which board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `dir:PATH`: the root of its disk is mounted there.
    Dir(PathBuf),
    /// `ssh:[USER@]HOST[:PORT]`: it runs, and is reached over SSH.
    Ssh(SshHost),
}

/// A host as the program `ssh` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshHost {
    /// Who logs in; ssh's own choice when none.
    pub user: Option<String>,
    /// Name, address, or an alias of ssh's configuration.
    pub host: String,
    /// Port; ssh's own choice when none.
    pub port: Option<u16>,
}

impl FromStr for Target {
    type Err = ProvisionError;

    fn from_str(text: &str) -> Result<Target, ProvisionError> {
        let wrong = |reason: String| ProvisionError::Target { target: text.chars().take(200).collect(), reason };
        match text.split_once(':') {
            Some(("dir", "")) => Err(wrong("the path is missing".to_owned())),
            Some(("dir", path)) => Ok(Target::Dir(path.into())),
            Some(("ssh", host)) => host.parse().map(Target::Ssh).map_err(wrong),
            Some(("serial" | "tcp", _)) => {
                Err(wrong("nothing answers on a line before a board is provisioned".to_owned()))
            }
            _ => Err(wrong("it does not say how to get there".to_owned())),
        }
    }
}

impl FromStr for SshHost {
    type Err = String;

    fn from_str(text: &str) -> Result<SshHost, String> {
        let (user, rest) = text.rsplit_once('@').map_or((None, text), |(user, rest)| (Some(user.to_owned()), rest));
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or("a `]` is missing")?;
                (host, port.strip_prefix(':').or((!port.is_empty()).then_some(port)))
            }
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(format!("{port:?} is no port; accepted: 1 to 65535")),
            Ok(port) => Ok(port),
        });
        // A dash in front would be an option of ssh.
        let word = |text: &str, others: &str| {
            let letter = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
            (1..=255).contains(&text.len()) && !text.starts_with('-') && text.chars().all(letter)
        };
        if !word(host, "._-:%") {
            return Err(format!("{host:?} is no name or address of a host"));
        }
        if user.as_deref().is_some_and(|user| !word(user, "._-$\\@")) {
            return Err("its user is no name of one".to_owned());
        }
        Ok(SshHost { user, host: host.to_owned(), port: port.transpose()? })
    }
}

impl fmt::Display for SshHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Dir(path) => write!(f, "dir:{}", path.display()),
            Target::Ssh(host) => write!(f, "ssh:{host}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(user: Option<&str>, host: &str, port: Option<u16>) -> Target {
        Target::Ssh(SshHost { user: user.map(str::to_owned), host: host.to_owned(), port })
    }

    #[test]
    fn targets_as_people_type_them() {
        for (text, target) in [
            ("dir:/mnt/board", Target::Dir("/mnt/board".into())),
            ("dir:relative:odd", Target::Dir("relative:odd".into())),
            ("ssh:board-17", ssh(None, "board-17", None)),
            ("ssh:nvidia@board-17.local:2222", ssh(Some("nvidia"), "board-17.local", Some(2222))),
            ("ssh:root@192.168.55.1", ssh(Some("root"), "192.168.55.1", None)),
            ("ssh:[fe80::1%usb0]:22", ssh(None, "fe80::1%usb0", Some(22))),
            ("ssh:[::1]", ssh(None, "::1", None)),
        ] {
            assert_eq!(text.parse::<Target>().unwrap(), target, "{text}");
        }
    }

    #[test]
    fn others_are_refused() {
        let refusal = |text: &str| text.parse::<Target>().unwrap_err().to_string();
        insta::assert_snapshot!(refusal("board-17"), @r#""board-17" is no target: it does not say how to get there; accepted: dir:PATH (a mounted root) or ssh:[USER@]HOST[:PORT]"#);
        insta::assert_snapshot!(refusal("serial:/dev/ttyUSB0"), @r#""serial:/dev/ttyUSB0" is no target: nothing answers on a line before a board is provisioned; accepted: dir:PATH (a mounted root) or ssh:[USER@]HOST[:PORT]"#);
        insta::assert_snapshot!(refusal("ssh:a:99999"), @r#""ssh:a:99999" is no target: "99999" is no port; accepted: 1 to 65535; accepted: dir:PATH (a mounted root) or ssh:[USER@]HOST[:PORT]"#);
        for text in [
            "",
            "dir:",
            "ssh:",
            "ssh:-oProxyCommand=x",
            "ssh:a b",
            "ssh:-l@a",
            "ssh:a:0",
            "ssh:[::1",
            "ssh:[::1]22x",
            "ssh:a;b",
            "ssh:@a",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
