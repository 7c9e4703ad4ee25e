//! What is wrong with a board or with this machine, each thing with its next step. Gathering is apart from judging.

mod board;
mod root;

pub use board::{BoardFacts, examine, judge_board, mode_text};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Good,
    /// Works, and could be better.
    Warning,
    /// Does not work.
    Bad,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, one or two words.
    pub topic: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub says: String,
    /// What to do; empty when there is nothing to do.
    pub next: String,
}

fn good(topic: &'static str, says: impl Into<String>) -> Finding {
    Finding { topic, severity: Severity::Good, says: says.into(), next: String::new() }
}

fn warning(topic: &'static str, says: impl Into<String>, next: &str) -> Finding {
    Finding { topic, severity: Severity::Warning, says: says.into(), next: next.to_owned() }
}

fn bad(topic: &'static str, says: impl Into<String>, next: &str) -> Finding {
    Finding { topic, severity: Severity::Bad, says: says.into(), next: next.to_owned() }
}

/// A serial port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFact {
    /// Its path.
    pub name: String,
    /// Whether this user may read and write it.
    pub usable: bool,
}

/// What was found on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Its serial ports.
    pub ports: Vec<PortFact>,
    /// Path of ffmpeg.
    pub ffmpeg: Option<String>,
    /// Path of ONNX Runtime's library.
    pub onnx_runtime: Option<String>,
    /// Key files, and what they are or what is wrong with them.
    pub keys: Vec<(String, Result<String, String>)>,
}

/// Judges this machine.
pub fn judge_host(facts: &HostFacts) -> Vec<Finding> {
    let mut findings = vec![ports(&facts.ports)];
    findings.push(match &facts.ffmpeg {
        Some(path) => good("ffmpeg", format!("{path} (videos other than MJPEG and Y4M)")),
        None => warning(
            "ffmpeg",
            "not in PATH: of videos only MJPEG, AVI with MJPEG, and Y4M are read",
            "`sudo apt-get install ffmpeg`, if you have others",
        ),
    });
    findings.push(match &facts.onnx_runtime {
        Some(path) => good("onnx runtime", path),
        None => good("onnx runtime", "not found, and not needed: `tract` runs models without it"),
    });
    for (path, held) in &facts.keys {
        findings.push(match held {
            Ok(what) => good("key", format!("{path}: {what}")),
            Err(why) => bad("key", why, "`mtcae keys show` says more about a key file"),
        });
    }
    if facts.keys.is_empty() {
        let next = "`mtcae keys new release.key` makes one; bundles are signed with it";
        findings.push(warning("key", "no key file in this folder", next));
    }
    findings
}

fn ports(ports: &[PortFact]) -> Finding {
    let locked: Vec<&str> = ports.iter().filter(|port| !port.usable).map(|port| port.name.as_str()).collect();
    if ports.is_empty() {
        return warning(
            "ports",
            "no serial port here",
            "plug the board's cable in; `mtcae devices` shows what answers",
        );
    }
    if locked.is_empty() {
        let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
        return good("ports", names.join(", "));
    }
    let next = "`sudo usermod -aG dialout $USER`, then log in again";
    bad("ports", format!("you may not use {}", locked.join(", ")), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn shown(findings: &[Finding]) -> String {
        let line = |f: &Finding| {
            format!("{:?} {}: {}{}{}", f.severity, f.topic, f.says, if f.next.is_empty() { "" } else { " -> " }, f.next)
        };
        findings.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn this_machine_is_judged() {
        insta::assert_snapshot!("a_bare_machine", shown(&judge_host(&HostFacts::default())));
        let port = |name: &str, usable| PortFact { name: name.to_owned(), usable };
        let facts = HostFacts {
            ports: vec![port("/dev/ttyUSB0", true), port("/dev/ttyUSB1", false)],
            ffmpeg: Some("/usr/bin/ffmpeg".to_owned()),
            onnx_runtime: Some("/usr/lib/libonnxruntime.so".to_owned()),
            keys: vec![
                ("release.key".to_owned(), Ok("signing key 34750f98bd59fcfc".to_owned())),
                ("x.key".to_owned(), Err("x.key can be read by others (mode 644)".to_owned())),
            ],
        };
        insta::assert_snapshot!("a_machine_with_locked_ports", shown(&judge_host(&facts)));
        let open = HostFacts { ports: vec![port("/dev/ttyUSB0", true)], ..facts };
        assert_eq!(judge_host(&open)[0], good("ports", "/dev/ttyUSB0"));
    }
}
