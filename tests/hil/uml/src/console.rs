//! What the virtual board's first process says on its console, line by line.

/// A line of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// The board is up, for the first time or again.
    Ready,
    /// A line of a command's output.
    Said(String),
    /// A command ended with this code.
    Done(i32),
    /// The kernel's own words.
    Kernel(String),
}

impl Line {
    /// Reads one line, with or without its end.
    pub fn parse(line: &str) -> Line {
        let line = line.trim_end_matches(['\r', '\n']);
        if line == "@ready" {
            return Line::Ready;
        }
        if let Some(text) = line.strip_prefix("@| ").or_else(|| (line == "@|").then_some("")) {
            return Line::Said(text.to_owned());
        }
        match line.strip_prefix("@done ").and_then(|code| code.parse().ok()) {
            Some(code) => Line::Done(code),
            None => Line::Kernel(line.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_the_kernels_words() {
        assert_eq!(Line::parse("@ready\r\n"), Line::Ready);
        assert_eq!(Line::parse("@| video0 \n"), Line::Said("video0 ".to_owned()));
        assert_eq!(Line::parse("@| \n"), Line::Said(String::new()));
        assert_eq!(Line::parse("@done 137\n"), Line::Done(137));
        for other in ["@done soon", "Kernel panic - not syncing", ""] {
            assert_eq!(Line::parse(other), Line::Kernel(other.to_owned()));
        }
    }
}
