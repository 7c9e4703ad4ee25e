//! What the process of one setting says, a line each.

use std::fmt;

/// One turn: clips that were run, one after the other in each stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turn {
    /// Time of each clip by the clock, microseconds.
    pub wall_us: Vec<u32>,
    /// Processor time of the whole process, microseconds.
    pub cpu_us: u64,
    /// Time of the turn by the clock, microseconds.
    pub elapsed_us: u64,
    /// How often the system took the processor away from the threads that ask for answers.
    pub switches: u64,
}

/// A line of a setting's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The model is loaded and has answered once.
    Ready {
        /// From the first byte of the file that was read to an engine that is ready, microseconds.
        load_us: u64,
        /// Processor time that the process has taken until then, microseconds.
        cpu_us: u64,
        /// What the engine says of itself.
        note: String,
    },
    /// A turn is over.
    Turn(Turn),
    /// The most memory that the process has had, KiB; its last line.
    Peak(u64),
    /// It cannot go on.
    Failed(String),
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Line::Ready { load_us, cpu_us, note } => write!(f, "ready {load_us} {cpu_us} {}", flat(note)),
            Line::Turn(turn) => {
                write!(f, "turn {} {} {}", turn.cpu_us, turn.elapsed_us, turn.switches)?;
                turn.wall_us.iter().try_for_each(|us| write!(f, " {us}"))
            }
            Line::Peak(kib) => write!(f, "peak {kib}"),
            Line::Failed(why) => write!(f, "failed {}", flat(why)),
        }
    }
}

/// Without line breaks.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Line {
    /// Reads a line; `None` for what is none.
    pub fn parse(line: &str) -> Option<Line> {
        let (word, rest) = line.trim_end().split_once(' ')?;
        match word {
            "ready" => {
                let (load, rest) = rest.split_once(' ')?;
                let (cpu, note) = rest.split_once(' ').unwrap_or((rest, ""));
                Some(Line::Ready { load_us: load.parse().ok()?, cpu_us: cpu.parse().ok()?, note: note.to_owned() })
            }
            "turn" => {
                let mut words = rest.split(' ');
                let mut number = || words.next()?.parse::<u64>().ok();
                let (cpu_us, elapsed_us, switches) = (number()?, number()?, number()?);
                let wall_us: Option<Vec<u32>> = words.map(|word| word.parse().ok()).collect();
                Some(Line::Turn(Turn { wall_us: wall_us?, cpu_us, elapsed_us, switches }))
            }
            "peak" => rest.parse().ok().map(Line::Peak),
            "failed" => Some(Line::Failed(rest.to_owned())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines() -> impl Strategy<Value = Line> {
        let turn = (prop::collection::vec(any::<u32>(), 1..20), any::<[u64; 3]>());
        prop_oneof![
            (any::<[u64; 2]>(), "[a-z]{1,9}( [a-z0-9/.]{1,9}){0,3}")
                .prop_map(|([load_us, cpu_us], note)| Line::Ready { load_us, cpu_us, note }),
            turn.prop_map(|(wall_us, [cpu_us, elapsed_us, switches])| {
                Line::Turn(Turn { wall_us, cpu_us, elapsed_us, switches })
            }),
            any::<u64>().prop_map(Line::Peak),
            "[a-z]{1,9}( [a-z]{1,9}){0,3}".prop_map(Line::Failed),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(line in lines()) {
            prop_assert_eq!(Line::parse(&line.to_string()), Some(line));
        }

        #[test]
        fn anything_can_be_read(text in ".{0,60}") {
            let _ = Line::parse(&text);
        }
    }

    #[test]
    fn other_lines_are_none() {
        for line in ["", "ready", "ready soon", "ready 5", "turn 1 2", "turn 1 2 3 x", "peak -1", "running 3 tests"] {
            assert_eq!(Line::parse(line), None, "{line}");
        }
        assert_eq!(Line::parse("ready 5 6\n"), Some(Line::Ready { load_us: 5, cpu_us: 6, note: String::new() }));
        assert_eq!(Line::Failed("a\nb".into()).to_string(), "failed a b");
    }
}
