//! `mtcae doctor`.

use crate::boards::{self, host_facts, json_line};
use crate::failure::Failure;
use crate::known::known_boards;
use crate::say::verdict;
use clap::ValueHint;
use mtcae_boards::{Finding, Root, Session, Severity, Target, examine, judge_board, judge_host};
use serde_json::json;
use std::path::PathBuf;

/// Look for what is wrong, here and on a board, and say what to do
#[derive(clap::Args)]
#[command(after_help = "\
Here: serial ports and whether you may use them, ffmpeg, ONNX Runtime, key files. On a board:
whether frames come, in which of the camera's modes, what engine really answers, reports that are \
lost, temperature, clock, slots and space. The exit code is 1 when something does not work.

Examples:
  mtcae doctor
  mtcae doctor /dev/ttyUSB0
  mtcae doctor /dev/ttyUSB0 --json | jq -r 'select(.severity == \"bad\") | .next'")]
pub struct Args {
    /// A board: serial:PORT[:BAUD] or the port's path, tcp:HOST:PORT, dir:PATH
    #[arg(value_name = "TARGET", value_hint = ValueHint::FilePath)]
    target: Option<Target>,
    /// A key file to look at, in place of every *.key of this folder; may be repeated
    #[arg(long = "key", value_name = "FILE", value_hint = ValueHint::FilePath)]
    keys: Vec<PathBuf>,
    /// Print one JSON object for each finding
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Looks, and prints what it finds.
    pub fn run(self) -> Result<(), Failure> {
        let here = judge_host(&host_facts(&self.keys));
        let (mut bad, mut printed) = (bad_ones(&here), self.show("this machine", &here));
        if let Some(target) = &self.target {
            let findings = match target {
                Target::Directory(path) => Root::open(path)?.examine(),
                _ => judge_board(&examine(&mut Session::open(target, &known_boards())?)?),
            };
            bad += bad_ones(&findings);
            printed = printed.and_then(|()| self.show(&target.to_string(), &findings));
        }
        verdict(printed, if bad == 0 { Ok(()) } else { Err(Failure::Unwell { bad }) })
    }

    fn show(&self, at: &str, findings: &[Finding]) -> Result<(), Failure> {
        if !self.json {
            boards::print(&format!("{at}\n"))?;
        }
        for finding in findings {
            if self.json {
                json_line(&object(at, finding))?;
            } else {
                boards::print(&text(finding))?;
            }
        }
        Ok(())
    }
}

/// The number of things that do not work.
fn bad_ones(findings: &[Finding]) -> usize {
    findings.iter().filter(|finding| finding.severity == Severity::Bad).count()
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Good => "good",
        Severity::Warning => "warning",
        Severity::Bad => "bad",
    }
}

fn text(finding: &Finding) -> String {
    let next = if finding.next.is_empty() { String::new() } else { format!("{:24}next: {}\n", "", finding.next) };
    format!("  {:8} {:12} {}\n{next}", word(finding.severity), finding.topic, finding.says)
}

fn object(at: &str, finding: &Finding) -> serde_json::Value {
    json!({
        "type": "finding", "at": at, "topic": finding.topic, "severity": word(finding.severity), "says": finding.says,
        "next": finding.next,
    })
}
