//! What a board's shell is told, and what it answers: pure text.

use crate::found::{Found, State, TrustedFile};
use crate::item::{Item, Kind};
use crate::layout::{CONFIGURATION, DEVICE_PUBLIC, LAUNCHER, LINE_PUBLIC, SLOTS, TRUSTED, beside};
use crate::{Action, Owners, Plan, Processor, Step};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// In front of each line that is for us; a shell may say other things when it starts.
const OURS: &str = "mtcae|";

/// Functions for looking, in the shell of POSIX with the tools of coreutils or busybox.
const LOOK: &str = r#"LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin; export PATH
say() { printf 'mtcae|%s\n' "$1"; }
look() {
  if [ -h "$2" ]; then say "$1|link|$(readlink -- "$2")"
  elif [ -d "$2" ]; then say "$1|folder|$(stat -c '%a %u %g' -- "$2")"
  elif [ -f "$2" ]; then say "$1|file|$(stat -c '%a %u %g' -- "$2") $(sha256sum <"$2" | cut -d ' ' -f 1)"
  elif [ -e "$2" ]; then say "$1|other|"
  else say "$1|absent|"; fi
}
trusted() {
  text=none
  case $1 in *.pub | *.rotation) if [ -f "$1" ] && [ -r "$1" ]; then text=text$(head -c 1000 <"$1" | tr '\n|\000' '\001\002\002'); fi ;; esac
  say "trusted|$text|${1##*/}"
}
line() { if [ -f "$2" ]; then say "line|$1 $(head -c 200 <"$2" | head -n 1)"; fi; }
"#;

/// Functions for changes: what is new is made beside its place, whole and with its mode and owner, and then renamed.
const CHANGE: &str = r#"set -eu
umask 077
clear() { if [ -d "$1" ]; then rmdir "$1"; else rm -f "$1"; fi; }
own() { if [ "$1" != - ]; then chown -h "$1:$1" "$2"; fi; }
put() {
  clear "$5"; cp "$here/$1" "$5"; own "$3" "$5"; chmod "$2" "$5"; sync "$5"; mv -fT "$5" "$4"
}
folder() { clear "$4"; mkdir "$4"; own "$2" "$4"; chmod "$1" "$4"; mv -T "$4" "$3"; }
attributes() { own "$2" "$3"; chmod "$1" "$3"; }
link() { clear "$3"; ln -s "$1" "$3"; mv -fT "$3" "$2"; }
"#;

/// A word that no shell looks into.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Looks at `paths` below `prefix`.
pub fn look(paths: &BTreeSet<String>, prefix: &str) -> String {
    let mut script = LOOK.to_owned();
    look_at(&mut script, paths, prefix);
    script
}

fn look_at(script: &mut String, paths: &BTreeSet<String>, prefix: &str) {
    let at = |path: &str| quoted(&format!("{prefix}{path}"));
    script.push_str(
        "say \"system|$(uname -m)|$(id -u mtcae 2>/dev/null) $(id -g mtcae 2>/dev/null)|$(test -d /run/systemd/system && echo systemd)\"\n",
    );
    // Writing to a String cannot fail.
    for (number, path) in paths.iter().enumerate() {
        let _ = writeln!(script, "look {number} {}", at(path));
    }
    for path in [DEVICE_PUBLIC, LINE_PUBLIC] {
        let _ = writeln!(script, "line {} {}", quoted(path), at(path));
    }
    let _ = writeln!(
        script,
        "for file in {}/*; do if [ -e \"$file\" ] || [ -h \"$file\" ]; then trusted \"$file\"; fi; done",
        at(TRUSTED)
    );
    script.push_str("say end\n");
}

/// Does what `plan` has left to do below `prefix`, with the files that lie beside the script under their step's number, and looks
/// again. Without owners nobody's files change hands.
pub fn apply(plan: &Plan, prefix: &str) -> String {
    let mut script = format!("{LOOK}{CHANGE}here=$1\n");
    for (number, step) in plan.steps.iter().enumerate() {
        let command = command(number, step, plan.owners, prefix);
        if !command.is_empty() {
            let _ = writeln!(script, "say 'step|{number}'; {command}");
        }
    }
    script.push_str("say changed\n");
    look_at(&mut script, &plan.paths(), prefix);
    script
}

fn command(number: usize, Step { action, item }: &Step, owners: Owners, prefix: &str) -> String {
    let (place, new) = (quoted(&format!("{prefix}{}", item.path)), quoted(&format!("{prefix}{}", beside(&item.path))));
    let Item { kind, mode, owner, .. } = item;
    let owner = if owners == Owners::Left { "-" } else { owner.name() };
    match (kind, action) {
        (Kind::Command { .. } | Kind::Nothing, Action::Fine) => String::new(),
        // What a run left that was cut.
        (_, Action::Fine) => format!("clear {new}"),
        (Kind::Folder, Action::Create) => format!("folder {mode:o} {owner} {place} {new}"),
        (Kind::File(_), Action::Create | Action::Replace) => format!("put {number} {mode:o} {owner} {place} {new}"),
        (Kind::Link(to), _) => format!("link {} {place} {new}", quoted(to)),
        (Kind::Nothing, _) => {
            let disks = [CONFIGURATION, LAUNCHER, SLOTS].map(|path| quoted(&format!("{prefix}{path}")));
            format!("sync -f {} || sync; rm -f {place}", disks.join(" "))
        }
        (Kind::Command { words, may_fail }, _) => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            // What they say is no answer.
            format!("{} >&2{}", words.join(" "), if *may_fail { " || :" } else { "" })
        }
        (_, _) => format!("attributes {mode:o} {owner} {place}"),
    }
}

/// What a board answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What was found; `None` unless it came to the end.
    pub found: Option<Found>,
    /// Whether it runs systemd.
    pub systemd: bool,
    /// The step that was begun last.
    pub step: Option<usize>,
}

/// Reads what a board said to a look at `paths`.
///
/// # Errors
/// The line that cannot be, for a message.
pub fn answer(text: &str, paths: &BTreeSet<String>) -> Result<Answer, String> {
    let paths: Vec<&String> = paths.iter().collect();
    let mut answer = Answer::default();
    let mut found = Found::default();
    for line in text.lines().filter_map(|line| line.strip_prefix(OURS)) {
        let wrong = || format!("the line {:?}", line.chars().take(80).collect::<String>());
        let (word, rest) = line.split_once('|').unwrap_or((line, ""));
        match word {
            "step" => answer.step = Some(rest.parse().map_err(|_| wrong())?),
            "changed" => answer.step = None,
            "system" => system(rest, &mut found, &mut answer.systemd).ok_or_else(wrong)?,
            "line" => {
                let (path, line) = rest.split_once(' ').ok_or_else(wrong)?;
                found.lines.insert(path.to_owned(), line.to_owned());
            }
            "trusted" => found.trusted.push(trusted(rest).ok_or_else(wrong)?),
            "end" => {
                if found.states.len() != paths.len() {
                    return Err(format!("{} of {} paths", found.states.len(), paths.len()));
                }
                answer.found = Some(std::mem::take(&mut found));
            }
            number => {
                let path = number.parse().ok().and_then(|number: usize| paths.get(number)).ok_or_else(wrong)?;
                found.states.insert((*path).clone(), state(rest).ok_or_else(wrong)?);
            }
        }
    }
    Ok(answer)
}

/// A key's text has no `|`, and its end of a line is one here.
fn trusted(text: &str) -> Option<TrustedFile> {
    let (text, name) = text.split_once('|')?;
    let text = match text.strip_prefix("text") {
        Some(text) => Some(text.replace('\u{1}', "\n").replace('\u{2}', "|")),
        None if text == "none" => None,
        None => return None,
    };
    Some(TrustedFile { name: name.to_owned(), text })
}

fn system(text: &str, found: &mut Found, systemd: &mut bool) -> Option<()> {
    let mut fields = text.split('|');
    found.processor = Processor::named(fields.next()?);
    let mut ids = fields.next()?.split(' ').map(str::parse);
    found.service = match (ids.next(), ids.next()) {
        (Some(Ok(user)), Some(Ok(group))) => Some((user, group)),
        _ => None,
    };
    *systemd = fields.next()? == "systemd";
    Some(())
}

fn state(text: &str) -> Option<State> {
    let (kind, rest) = text.split_once('|')?;
    let mut words = rest.split(' ');
    let mut attributes = || {
        let mode = u32::from_str_radix(words.next()?, 8).ok()?;
        Some((mode, (words.next()?.parse().ok()?, words.next()?.parse().ok()?)))
    };
    Some(match kind {
        "absent" => State::Absent,
        "other" => State::Other,
        "link" => State::Link(rest.to_owned()),
        "folder" => {
            let (mode, owner) = attributes()?;
            State::Folder { mode, owner }
        }
        "file" => {
            let (mode, owner) = attributes()?;
            let sha256 = words.next().filter(|sum| sum.len() == 64)?.to_owned();
            State::File { mode, owner, sha256 }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Owner;

    #[test]
    fn nothing_in_a_name_reaches_the_shell() {
        assert_eq!(quoted("a'; rm -rf /'$x"), r"'a'\''; rm -rf /'\''$x'");
        let paths = ["/etc/$(touch x)'`".to_owned()].into();
        assert!(look(&paths, "").contains("look 0 '/etc/$(touch x)'\\''`'\n"));
    }

    #[test]
    fn each_kind_of_step_is_one_line() {
        let link = Item { kind: Kind::Link("/to".into()), ..Item::text("", "/l", "") };
        let items = vec![
            Item::folder("", "/etc/mtcae", Owner::Root),
            Item::text("", "/etc/mtcae/key", "x").mode(0o600).owner(Owner::Service),
            link,
            Item::command("", &["systemctl", "stop", "a b"], true),
        ];
        let plan = Plan::new(items, &Found::default(), Owners::Names(None)).unwrap();
        let script = apply(&plan, "");
        let steps: Vec<&str> = script.lines().filter(|line| line.starts_with("say 'step")).collect();
        insta::assert_snapshot!(steps.join("\n"), @r"
        say 'step|0'; folder 755 root '/etc/mtcae' '/etc/.mtcae.mtcae-new'
        say 'step|1'; put 1 644 root '/etc/mtcae/unfinished' '/etc/mtcae/.unfinished.mtcae-new'
        say 'step|2'; put 2 600 mtcae '/etc/mtcae/key' '/etc/mtcae/.key.mtcae-new'
        say 'step|3'; link '/to' '/l' '/.l.mtcae-new'
        say 'step|4'; 'systemctl' 'stop' 'a b' >&2 || :
        say 'step|5'; sync -f '/etc/mtcae' '/usr/lib/mtcae/mtcae-launcher' '/var/lib/mtcae' || sync; rm -f '/etc/mtcae/unfinished'
        ");
        assert!(
            apply(&plan, "/tmp/x")
                .contains("put 1 644 root '/tmp/x/etc/mtcae/unfinished' '/tmp/x/etc/mtcae/.unfinished.mtcae-new'")
        );
    }

    #[test]
    fn answers_read_back_and_nonsense_is_none() {
        let paths = ["/a", "/b", "/c", "/d", "/e"].map(str::to_owned).into();
        let sum = "0".repeat(64);
        let text = format!(
            "Welcome!\nmtcae|system|aarch64|990 980|systemd\nmtcae|0|absent|\nmtcae|1|folder|755 0 0\nmtcae|2|file|4755 0 990 {sum}\n\
             mtcae|3|link|/x y|z\nmtcae|4|other|\nmtcae|line|/p age1x\nmtcae|trusted|textx\u{1}\u{2}|a.pub\nmtcae|trusted|none|b|c\nmtcae|end\nbye\n"
        );
        let answer = answer(&text, &paths).unwrap();
        let found = answer.found.unwrap();
        assert!(answer.systemd && answer.step.is_none());
        assert_eq!((found.service, found.processor), (Some((990, 980)), Processor::named("aarch64")));
        assert_eq!(*found.at("/c"), State::File { mode: 0o4755, owner: (0, 990), sha256: sum });
        assert_eq!(*found.at("/d"), State::Link("/x y|z".into()));
        let key = TrustedFile { name: "a.pub".into(), text: Some("x\n|".into()) };
        let other = TrustedFile { name: "b|c".into(), text: None };
        assert_eq!((found.lines["/p"].as_str(), found.trusted), ("age1x", vec![key, other]));

        let without_end = super::answer("mtcae|system|z80| |\nmtcae|step|7\n", &paths).unwrap();
        assert_eq!((without_end.found, without_end.step), (None, Some(7)));
        for nonsense in [
            "mtcae|9|absent|",
            "mtcae|0|file|755 0 0 12",
            "mtcae|0|what|",
            "mtcae|end",
            "mtcae|step|x",
            "mtcae|system|",
            "mtcae|trusted|a.pub",
        ] {
            assert!(super::answer(nonsense, &paths).is_err(), "{nonsense}");
        }
    }
}
