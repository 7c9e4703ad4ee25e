//! Letters of 3 x 5 dots for pictures that people look at. Pure.

/// Dots of a letter: five rows from the top, an octal digit each, its highest bit on the left.
fn rows(letter: char) -> u32 {
    match letter.to_ascii_lowercase() {
        'a' => 0o25755,
        'b' => 0o65656,
        'c' => 0o34443,
        'd' => 0o65556,
        'e' => 0o74647,
        'f' => 0o74644,
        'g' => 0o34553,
        'h' => 0o55755,
        'i' => 0o72227,
        'j' => 0o11152,
        'k' => 0o55655,
        'l' => 0o44447,
        'm' => 0o57755,
        'n' => 0o65555,
        'o' => 0o25552,
        'p' => 0o65644,
        'q' => 0o25563,
        'r' => 0o65655,
        's' => 0o34216,
        't' => 0o72222,
        'u' => 0o55557,
        'v' => 0o55552,
        'w' => 0o55775,
        'x' => 0o55255,
        'y' => 0o55222,
        'z' => 0o71247,
        '0' => 0o75557,
        '1' => 0o26227,
        '2' => 0o71747,
        '3' => 0o71317,
        '4' => 0o55711,
        '5' => 0o74717,
        '6' => 0o74757,
        '7' => 0o71122,
        '8' => 0o75757,
        '9' => 0o75717,
        '-' => 0o00700,
        _ => 0,
    }
}

/// The dots of `text`, right and down from its first letter's corner; letters are four apart.
pub(crate) fn dots(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    text.chars().enumerate().flat_map(|(i, letter)| {
        let rows = rows(letter);
        (0..15).filter(move |k| rows >> (14 - k) & 1 == 1).map(move |k| (4 * i + k % 3, k / 3))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_look_like_letters() {
        let mut picture = vec![vec!['.'; 11]; 5];
        dots("T-4").for_each(|(x, y)| picture[y][x] = '#');
        let lines: Vec<String> = picture.iter().map(|row| row.iter().collect()).collect();
        assert_eq!(lines, ["###.....#.#", ".#......#.#", ".#..###.###", ".#........#", ".#........#"]);
        assert_eq!(dots(" ?").count(), 0);
    }
}
