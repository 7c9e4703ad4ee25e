//! A flash as it goes on: a bar in a terminal, lines without one, JSON for programs.

use crate::failure::Failure;
use crate::say::tell;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mtcae_boards::{Phase, Stage};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between two JSON objects of the same stage.
const JSON_EVERY: Duration = Duration::from_millis(200);
/// Between two lines of the same stage, in parts of a hundred.
const PERCENT_EVERY: u64 = 10;
/// Silence of a board that is worth a word, seconds.
const QUIET_S: u64 = 5;

/// The form of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Bars on the terminal.
    Bars,
    /// Lines of text to the error output.
    Lines,
    /// JSON objects, one a line, to standard output.
    Json,
}

impl Form {
    /// JSON when asked for, else bars if there is a terminal.
    pub fn choose(json: bool) -> Form {
        match (json, io::stderr().is_terminal()) {
            (true, _) => Form::Json,
            (false, true) => Form::Bars,
            (false, false) => Form::Lines,
        }
    }
}

/// What is going on, in one word, and how far it is.
struct Now {
    word: &'static str,
    about: String,
    bytes: Option<(u64, u64)>,
}

impl Now {
    fn new(word: &'static str) -> Now {
        Now { word, about: String::new(), bytes: None }
    }

    fn of(stage: &Stage) -> Now {
        match stage {
            Stage::Asking => Now::new("asking"),
            Stage::LineLost => Now { about: "it is opened again when it is back".to_owned(), ..Now::new("line lost") },
            Stage::Sending(progress) => {
                Now { bytes: Some((progress.received, progress.length)), ..Now::new("sending") }
            }
            Stage::Verifying(progress) => {
                Now { bytes: Some((progress.checked, progress.length)), ..Now::new("verifying") }
            }
            Stage::Board { phase, quiet_s } => {
                let (word, mut about) = match phase {
                    Phase::Installing => ("installing", String::new()),
                    Phase::Restarting => ("restarting", String::new()),
                    Phase::Trial { starts_left } => ("on trial", format!("{starts_left} more starts")),
                };
                if *quiet_s >= QUIET_S {
                    let gap = if about.is_empty() { "" } else { ", " };
                    about += &format!("{gap}nothing heard for {quiet_s} s");
                }
                Now { word, about, bytes: None }
            }
        }
    }
}

/// Shows one flash.
pub struct Track {
    form: Form,
    target: String,
    bar: ProgressBar,
    word: &'static str,
    percent: u64,
    shown: Option<Instant>,
}

impl Track {
    /// For the board at `target`; `all` is where the bars of several stand.
    pub fn new(form: Form, target: String, all: Option<&MultiProgress>) -> Track {
        let bar = match form {
            Form::Bars => ProgressBar::no_length().with_prefix(target.clone()),
            Form::Lines | Form::Json => ProgressBar::hidden(),
        };
        let bar = match all {
            Some(all) if form == Form::Bars => all.add(bar),
            _ => bar,
        };
        Track { form, target, bar, word: "", percent: 0, shown: None }
    }

    /// Shows what goes on at the board.
    pub fn stage(&mut self, stage: &Stage) {
        self.show(&Now::of(stage));
    }

    /// Shows bytes written into the slots of a mounted root.
    pub fn writing(&mut self, done: u64, total: u64) {
        self.show(&Now { bytes: Some((done, total)), ..Now::new("writing") });
    }

    fn show(&mut self, now: &Now) {
        let new = now.word != self.word;
        self.word = now.word;
        match self.form {
            Form::Bars => self.show_bar(now, new),
            Form::Lines => self.show_line(now, new),
            Form::Json => self.show_json(now, new),
        }
    }

    fn show_bar(&mut self, now: &Now, new: bool) {
        if new {
            let template = match now.bytes {
                Some(_) => {
                    "{prefix} {msg:10} {bar:24} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left"
                }
                None => "{prefix} {msg}",
            };
            // A template that is not one leaves the style of before.
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
        }
        match now.bytes {
            Some((done, total)) => {
                self.bar.set_message(now.word);
                self.bar.set_length(total);
                self.bar.set_position(done);
                if new {
                    // What was there before says nothing about the line.
                    self.bar.reset_eta();
                }
            }
            None => {
                let about = if now.about.is_empty() { String::new() } else { format!(" ({})", now.about) };
                self.bar.set_message(format!("{}{about}", now.word));
            }
        }
        self.bar.tick();
    }

    fn show_line(&mut self, now: &Now, new: bool) {
        let percent = now.bytes.map_or(0, |(done, total)| done * 100 / total.max(1));
        if !new && percent < self.percent + PERCENT_EVERY {
            return;
        }
        self.percent = percent - percent % PERCENT_EVERY;
        let how_far = now.bytes.map_or(String::new(), |(_, total)| format!(", {percent} % of {total} bytes"));
        tell!("{}: {}{how_far}", self.target, now.word);
    }

    fn show_json(&mut self, now: &Now, new: bool) {
        if !new && self.shown.is_some_and(|shown| shown.elapsed() < JSON_EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let mut object = json!({ "type": "progress", "target": self.target, "stage": now.word });
        if let Some((done, total)) = now.bytes {
            object["done"] = json!(done);
            object["total"] = json!(total);
        }
        if !now.about.is_empty() {
            object["about"] = json!(now.about);
        }
        // Whether somebody reads it is seen when the result is printed.
        let _ = writeln!(io::stdout(), "{object}");
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Leaves a last word in place of the bar.
    pub fn finish_with(&self, word: &str) {
        if let Ok(style) = ProgressStyle::with_template("{prefix} {msg}") {
            self.bar.set_style(style);
        }
        self.bar.finish_with_message(word.to_owned());
        if self.form == Form::Lines {
            tell!("{}: {word}", self.target);
        }
    }
}

/// Prints one JSON object as a line.
///
/// # Errors
/// When nobody reads it.
pub fn json_line(object: &serde_json::Value) -> Result<(), Failure> {
    Ok(writeln!(io::stdout(), "{object}")?)
}
