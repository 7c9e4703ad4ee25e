//! Seeded mutations of the shipped boards: none may panic, and every error names the file and the key or the line.

use mtcae_board_configs::{BoardError, builtin, load};

const SEEDS: u64 = 4_000;
const FILE: &str = "some/robot.toml";
const TCP_SINK: &str =
    "\n[[sink]]\nkind = \"tcp\"\nlisten = \"0.0.0.0:7452\"\nkey = \"a.key\"\nclients = \"clients\"\n";
const MQTT_SINK: &str = "\n[[sink]]\nkind = \"mqtt\"\nhost = \"broker.local\"\nport = 8883\nuser = \"a\"\n\
                         password_file = \"p\"\nca = \"ca.pem\"\ncertificate = \"c.pem\"\nkey = \"c.key\"\n";

/// splitmix64: small, seeded, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

const VALUES: &[&str] = &[
    "0",
    "-1",
    "1e400",
    "nan",
    "-inf",
    "true",
    "\"\"",
    "\"auto\"",
    "\"/dev/x\"",
    "[]",
    "[1, \"a\"]",
    "{}",
    "{ a = 1 }",
    "99999999999999999999",
    "0x7fffffffffffffff",
    "1979-05-27T07:32:00Z",
    "\"\\u0007\"",
    "'''\n'''",
    "",
    "=",
    "\"",
    "3.5",
    "[[1]]",
    "\"é\"",
    "\"MJPG\"",
    "4096",
    "\"file\"",
    "\"serial\"",
    "\"tcp\"",
    "\"mqtt\"",
    "\"0.0.0.0:7452\"",
];

const NAMES: &[&str] =
    &["", "fps", "fsp", "\"a b\"", "\"\\u0000\"", "é", "board", "a.b.c", "kind", "listen", "_", "-", "[", "0"];

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=dice.below(3) {
        let at = dice.below(lines.len());
        match dice.below(8) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => lines[at] = renamed(&lines[at], dice),
            3 | 4 => lines[at] = revalued(&lines[at], dice),
            5 => lines[at] = flipped(&lines[at], dice),
            6 => lines.insert(at, format!("{} = {}", dice.pick(NAMES), dice.pick(VALUES))),
            _ => {
                let other = dice.below(lines.len());
                lines.swap(at, other);
            }
        }
        if lines.is_empty() {
            break;
        }
    }
    lines.join("\n")
}

fn renamed(line: &str, dice: &mut Dice) -> String {
    let name = dice.pick(NAMES);
    match line.split_once('=') {
        Some((_, value)) => format!("{name} ={value}"),
        None if line.starts_with("[[") => format!("[[{name}]]"),
        None if line.starts_with('[') => format!("[{name}]"),
        None => name.to_owned(),
    }
}

fn revalued(line: &str, dice: &mut Dice) -> String {
    line.split_once('=').map_or_else(|| line.to_owned(), |(key, _)| format!("{key}= {}", dice.pick(VALUES)))
}

fn flipped(line: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = line.chars().collect();
    if !letters.is_empty() {
        let at = dice.below(letters.len());
        letters[at] = char::from_u32(dice.below(0x180) as u32).unwrap_or('?');
    }
    letters.into_iter().collect()
}

/// What an error is, after checking that it says everything it must.
fn checked(error: &BoardError, text: &str) -> &'static str {
    let message = error.to_string();
    let lines = text.lines().count().max(1);
    assert!(message.starts_with(FILE), "no file in: {message}");
    assert!(!message.contains(char::is_control), "not one clean line: {message:?}");
    assert!(message.len() < 1_200, "too long: {message}");
    let line_exists = |line: usize| assert!((1..=lines + 1).contains(&line), "line {line} of {lines}: {message}");
    match error {
        BoardError::Syntax { line, reason, .. } => {
            line_exists(*line);
            assert!(!reason.is_empty());
            "syntax"
        }
        BoardError::UnknownKey { line, key, accepted, .. } => {
            line_exists(*line);
            assert!(!key.is_empty() && message.contains(key.as_str()) && !accepted.is_empty());
            "unknown key"
        }
        BoardError::MissingKey { key, accepted, .. } => {
            assert!(message.contains(key.as_str()) && key.contains('.') && !accepted.is_empty());
            "missing key"
        }
        BoardError::Value { line, key, value, accepted, .. } => {
            line.iter().copied().for_each(line_exists);
            assert!(message.contains(key.as_str()) && message.contains(value.as_str()) && !accepted.is_empty());
            "value"
        }
        BoardError::TooLong { .. } | BoardError::UnknownBoard { .. } => panic!("cannot happen here: {message}"),
    }
}

#[test]
fn mutated_boards_are_refused_with_a_name_or_accepted() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..SEEDS {
        let board = builtin()[seed as usize % builtin().len()];
        // No board that ships opens a TCP port or knows a broker.
        let whole = match seed % 3 {
            0 => format!("{}{TCP_SINK}", board.text),
            1 => format!("{}{MQTT_SINK}", board.text),
            _ => board.text.to_owned(),
        };
        let text = mutate(&whole, &mut Dice(seed));
        let outcome = match load(FILE, &text) {
            Ok(_) => "valid",
            Err(error) => checked(&error, &text),
        };
        *seen.entry(outcome).or_insert(0) += 1;
    }
    println!("{SEEDS} mutated boards: {seen:?}");
    for outcome in ["valid", "syntax", "unknown key", "missing key", "value"] {
        assert!(seen.get(outcome).is_some_and(|&n| n >= 100), "too few of `{outcome}` to prove anything: {seen:?}");
    }
}
