//! How the board's parts are, in words: the worst first.

use super::DIM;
use mtcae_wire::{Condition, Parts};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// The parts in lines of at most `width` cells; a line is broken between two states.
pub fn lines(parts: &Parts, width: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    for (text, style) in states(parts) {
        let last = lines.len() - 1;
        let used = lines[last].width();
        if used > 0 && used + 3 + text.chars().count() > width {
            lines.push(Line::styled(text, style));
            continue;
        }
        if used > 0 {
            lines[last].push_span(Span::styled(" · ", DIM));
        }
        lines[last].push_span(Span::styled(text, style));
    }
    lines
}

/// Each state that some part has, with those parts.
fn states(parts: &Parts) -> Vec<(String, Style)> {
    let named = [
        ("engine", parts.engine),
        ("storage", parts.storage),
        ("temperature", parts.temperature),
        ("memory", parts.memory),
        ("clock", parts.clock),
    ];
    let of = |state| named.iter().filter(move |(_, is)| *is == state).map(|(name, _)| *name).collect::<Vec<_>>();
    let known = [Condition::Bad, Condition::Strained, Condition::Good].map(|state| (state, of(state)));
    let mut states: Vec<_> = known
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(state, names)| (format!("{} {}", word(state), names.join(", ")), style(state)))
        .collect();
    match of(Condition::Unknown) {
        names if names.is_empty() => {}
        names if names.len() == named.len() => states.push(("parts unknown".to_owned(), DIM)),
        // With nothing else to say about them their names only take room.
        names if names.len() > 1 => states.push(("rest unknown".to_owned(), DIM)),
        names => states.push((format!("unknown {}", names.join(", ")), DIM)),
    }
    states
}

fn word(state: Condition) -> &'static str {
    match state {
        Condition::Unknown => "unknown",
        Condition::Good => "good",
        Condition::Strained => "strained",
        Condition::Bad => "bad",
    }
}

fn style(state: Condition) -> Style {
    match state {
        Condition::Unknown => DIM,
        Condition::Good => Style::new().fg(Color::Green),
        Condition::Strained => Style::new().fg(Color::Yellow),
        Condition::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Condition::{Bad, Good, Strained};

    fn text(parts: Parts, width: usize) -> Vec<String> {
        lines(&parts, width).iter().map(Line::to_string).collect()
    }

    #[test]
    fn the_worst_comes_first_and_lines_break_between_states() {
        let well = Parts { engine: Good, storage: Good, temperature: Good, memory: Good, clock: Good };
        assert_eq!(text(well, 60), ["good engine, storage, temperature, memory, clock"]);
        let mixed = Parts { storage: Bad, temperature: Strained, memory: Strained, ..well };
        assert_eq!(text(mixed, 44), ["bad storage · strained temperature, memory", "good engine, clock"]);
        assert_eq!(text(mixed, 80), ["bad storage · strained temperature, memory · good engine, clock"]);
        assert_eq!(lines(&mixed, 80)[0].spans[0].style.fg, Some(Color::Red));
        assert_eq!(text(Parts::default(), 40), ["parts unknown"]);
        assert_eq!(text(Parts { engine: Good, ..Parts::default() }, 40), ["good engine · rest unknown"]);
        let but_one = Parts { clock: Condition::Unknown, ..well };
        assert_eq!(text(but_one, 44), ["good engine, storage, temperature, memory", "unknown clock"]);
    }
}
