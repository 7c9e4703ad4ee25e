//! A board that runs, reached by the system's `ssh`: at most one connection at a time, one for each look and one for all changes.

use crate::found::Found;
use crate::script::{self, Answer};
use crate::target::SshHost;
use crate::{Done, Owners, Place, Plan, ProvisionError, Watch};
use mtcae_bundle::DeviceKey;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for a look, with the time somebody takes to type a password.
const LOOK_LIMIT: Duration = Duration::from_secs(180);
/// Longest wait for all changes.
const APPLY_LIMIT: Duration = Duration::from_secs(1800);
/// Between two looks at the child process.
const BETWEEN: Duration = Duration::from_millis(20);
/// Most that is read of an answer, and of what is said beside it, bytes.
const MAX_ANSWER: u64 = 256 * 1024;
const MAX_SAID: u64 = 16 * 1024;

/// What the commands below end with when the board does not let us go on.
const NO_SUDO: i32 = 96;
const NO_FOLDER: i32 = 97;
const NO_ARCHIVE: i32 = 98;
/// What ssh itself ends with.
const NO_CONNECTION: i32 = 255;

/// The archive goes into a private folder; the script in it does the rest. `AS_ROOT` is a command or nothing, `PREFIX` a path
/// of letters or nothing.
const RECEIVE: &str = "sh -c 'umask 077; here=$(mktemp -d PREFIX/var/tmp/mtcae.XXXXXX) || exit 97; \
     trap \"rm -rf \\\"$here\\\"\" EXIT; trap \"exit 99\" HUP INT TERM; tar -xf - -C \"$here\" || exit 98; \
     AS_ROOT sh \"$here/script\" \"$here\"'";
const LISTEN: &str = "sh -c 'AS_ROOT sh -s'";
const AS_ROOT: &str =
    "as_root=; if [ \"$(id -u)\" != 0 ]; then sudo -n true </dev/null || exit 96; as_root=\"sudo -n\"; fi; $as_root";

/// How to connect.
#[derive(Debug, Clone, Default)]
pub struct SshOptions {
    /// Configuration in place of ssh's own, as `ssh -F` takes it.
    pub configuration: Option<PathBuf>,
    /// Whether somebody is there to be asked for a password, or whether a new host is the right one.
    pub asks: bool,
    /// Everything goes below this folder of the board; owners are left, nothing is told to the system, and nobody becomes
    /// root. For tests.
    pub prefix: Option<String>,
}

/// A board that runs.
pub struct Ssh {
    host: SshHost,
    options: SshOptions,
}

/// What a command gave.
struct Heard {
    status: ExitStatus,
    answer: String,
    /// The last line of what was said beside the answer.
    said: String,
}

impl Ssh {
    /// The board at `host`. Connects to nothing yet.
    pub fn new(host: SshHost, options: SshOptions) -> Ssh {
        Ssh { host, options }
    }

    fn prefix(&self) -> &str {
        self.options.prefix.as_deref().unwrap_or_default()
    }

    fn arguments(&self, command: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            ["-T", "-x", "-a", "-oClearAllForwardings=yes", "-oConnectTimeout=15"].map(Into::into).into();
        words.extend(["-oServerAliveInterval=15", "-oServerAliveCountMax=4"].map(OsString::from));
        if !self.options.asks {
            words.push("-oBatchMode=yes".into());
        }
        if let Some(file) = &self.options.configuration {
            words.extend(["-F".into(), file.into()]);
        }
        if let Some(port) = self.host.port {
            words.extend(["-p".into(), port.to_string().into()]);
        }
        if let Some(user) = &self.host.user {
            words.extend(["-l".into(), user.into()]);
        }
        let as_root = if self.options.prefix.is_some() { "" } else { AS_ROOT };
        let command = command.replace("AS_ROOT", as_root).replace("PREFIX", self.prefix());
        words.extend(["--".into(), self.host.host.clone().into(), command.into()]);
        words
    }

    /// Runs `command` on the board with what `feed` writes; asks `go_on` all the time.
    fn call(
        &self,
        command: &str,
        feed: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
        limit: Duration,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<Heard, ProvisionError> {
        let mut child = Command::new("ssh")
            .args(self.arguments(command))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(ProvisionError::NoSsh)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut input), Some(output), Some(errors)) = pipes else {
            return Err(ProvisionError::NoSsh(io::Error::from(ErrorKind::BrokenPipe)));
        };
        thread::scope(|scope| {
            let feeding = scope.spawn(move || feed(&mut input));
            let answer = scope.spawn(move || drained(output, MAX_ANSWER));
            let said = scope.spawn(move || drained(errors, MAX_SAID));
            let status = self.wait(&mut child, limit, go_on);
            // A board that hangs up early has said why.
            let fed = feeding.join().unwrap_or_else(|_| Err(io::Error::from(ErrorKind::Other)));
            let (answer, said) = (answer.join().unwrap_or_default(), said.join().unwrap_or_default());
            let status = status?;
            match fed {
                Err(error) if status.success() => Err(self.nonsense(format!("it took no more: {error}"))),
                _ => Ok(Heard { status, answer, said: last_line(&said) }),
            }
        })
    }

    fn wait(
        &self,
        child: &mut Child,
        limit: Duration,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<ExitStatus, ProvisionError> {
        let until = Instant::now() + limit;
        let stopped = loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => {}
                Err(error) => break ProvisionError::NoSsh(error),
            }
            if go_on().is_break() {
                break ProvisionError::Stopped;
            }
            if Instant::now() > until {
                break ProvisionError::Silent { host: self.host.to_string(), seconds: limit.as_secs() };
            }
            thread::sleep(BETWEEN);
        };
        // Gone already is as good.
        let _ = child.kill();
        let _ = child.wait();
        Err(stopped)
    }

    fn nonsense(&self, reason: String) -> ProvisionError {
        ProvisionError::Nonsense { host: self.host.to_string(), reason }
    }

    /// What an answer means when the command did not end well before it changed anything.
    fn refusal(&self, heard: &Heard) -> ProvisionError {
        let host = self.host.to_string();
        match heard.status.code() {
            Some(NO_CONNECTION) => ProvisionError::Connect { host, reason: heard.said.clone() },
            Some(NO_SUDO) => ProvisionError::NoSudo { host },
            Some(NO_FOLDER) => self.nonsense(format!("it makes no folder in /var/tmp: {}", heard.said)),
            Some(NO_ARCHIVE) => self.nonsense(format!("it does not unpack what was sent: {}", heard.said)),
            _ => self.nonsense(format!("{}: {}", heard.status, heard.said)),
        }
    }

    fn found(&self, answer: Answer) -> Result<Found, ProvisionError> {
        let found = answer.found.ok_or_else(|| self.nonsense("its answer has no end".to_owned()))?;
        if self.runs() && !answer.systemd {
            let reason = "it does not run systemd, which starts the launcher".to_owned();
            return Err(ProvisionError::NoSystem { place: self.host.to_string(), reason });
        }
        Ok(found)
    }
}

impl Place for Ssh {
    fn look(&mut self, paths: &BTreeSet<String>) -> Result<Found, ProvisionError> {
        let script = script::look(paths, self.prefix());
        let feed = |input: &mut dyn Write| input.write_all(script.as_bytes());
        let heard = self.call(LISTEN, feed, LOOK_LIMIT, &mut || ControlFlow::Continue(()))?;
        if !heard.status.success() {
            return Err(self.refusal(&heard));
        }
        self.found(script::answer(&heard.answer, paths).map_err(|reason| self.nonsense(reason))?)
    }

    fn owners(&self, found: &Found) -> Owners {
        if self.runs() { Owners::Names(found.service) } else { Owners::Left }
    }

    fn runs(&self) -> bool {
        self.options.prefix.is_none()
    }

    fn device_key(&self) -> Result<Option<DeviceKey>, ProvisionError> {
        Ok(None)
    }

    fn apply(&mut self, plan: &Plan, watch: &mut Watch<'_>) -> Result<(), ProvisionError> {
        let script = script::apply(plan, self.prefix());
        let (sent, of) = (AtomicU64::new(0), plan.bytes());
        let mut go_on = || watch(Done { bytes: sent.load(Ordering::Relaxed).min(of), of });
        let feed = |input: &mut dyn Write| archive(plan, &script, &mut Counted { input, sent: &sent });
        let heard = self.call(RECEIVE, feed, APPLY_LIMIT, &mut go_on)?;
        let answer = script::answer(&heard.answer, &plan.paths()).map_err(|reason| self.nonsense(reason))?;
        if let (false, Some(at)) = (heard.status.success(), answer.step)
            && let Some(step) = plan.steps.get(at)
        {
            let what = format!("{} {}", step.item.what, step.item.path).trim_end().to_owned();
            let reason = if heard.said.is_empty() { heard.status.to_string() } else { heard.said };
            return Err(ProvisionError::Step { step: at + 1, of: plan.steps.len(), what, reason });
        }
        if !heard.status.success() {
            return Err(self.refusal(&heard));
        }
        let found = self.found(answer)?;
        plan.verify(&found, self.owners(&found))
    }
}

/// The script, and the files of all steps that put one.
fn archive(plan: &Plan, script: &str, output: &mut impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(output);
    let mut add = |name: String, len: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(len);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, content)
    };
    add("script".to_owned(), script.len() as u64, &mut script.as_bytes())?;
    for (number, step) in plan.steps.iter().enumerate() {
        if let Some(blob) = step.puts() {
            add(number.to_string(), blob.len(), &mut blob.open()?)?;
        }
    }
    archive.finish()
}

/// Counts what is sent.
struct Counted<'a> {
    input: &'a mut dyn Write,
    sent: &'a AtomicU64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.input.write(bytes)?;
        self.sent.fetch_add(written as u64, Ordering::Relaxed);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.flush()
    }
}

/// The first `most` bytes of `source` as text; the rest is read and dropped, so that nobody waits.
fn drained(mut source: impl Read, most: u64) -> String {
    let mut bytes = Vec::new();
    // What came before an error counts.
    let _ = source.by_ref().take(most).read_to_end(&mut bytes);
    let _ = io::copy(&mut source, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn last_line(text: &str) -> String {
    let printable = |line: &str| line.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
    text.lines().map(printable).rfind(|line| !line.trim().is_empty()).unwrap_or_default()
}
