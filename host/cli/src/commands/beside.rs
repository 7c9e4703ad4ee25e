//! What a monitor does beside showing: a recording, a page for a browser. Arguments of several commands.

use crate::failure::Failure;
use crate::monitor::recording::Recording;
use crate::monitor::web::{self, Page};
use crate::monitor::{Surface, Surfaces};
use crate::values::whole;
use clap::ValueHint;
use std::path::PathBuf;

/// Where everything that comes is recorded.
#[derive(clap::Args)]
pub struct Record {
    /// Also record everything into this MCAP file, for `mtcae replay` and other tools
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    record: Option<PathBuf>,
    /// The recording's largest size in bytes, or with K, M or G; the monitor then ends
    #[arg(long, value_name = "SIZE", default_value = "1G", allow_negative_numbers = true, value_parser = size, requires = "record")]
    max_size: u64,
    /// Put the recording in the place of one that is there
    #[arg(long, requires = "record")]
    force: bool,
}

/// Where a browser finds it.
#[derive(clap::Args)]
pub struct Web {
    /// Also serve a page for a browser on this machine, at 127.0.0.1
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = web::PORT, value_parser = whole::<u16>(0..=65_535))]
    web: Option<u16>,
}

impl Record {
    /// Begins the recording of `port`, if there is to be one.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub fn open(&self, port: &str) -> Result<Option<Box<dyn Surface>>, Failure> {
        let Some(path) = &self.record else { return Ok(None) };
        Ok(Some(Box::new(Recording::create(path, self.force, port, self.max_size)?)))
    }
}

impl Web {
    /// Opens the page, if there is to be one.
    ///
    /// # Errors
    /// When its port cannot be had.
    pub fn open(&self) -> Result<Option<Box<dyn Surface>>, Failure> {
        self.web.map(|port| Page::open(port).map(|page| Box::new(page) as Box<dyn Surface>)).transpose()
    }
}

/// All that goes on beside the person's own surface.
pub fn surfaces(record: &Record, web: &Web, port: &str) -> Result<Surfaces, Failure> {
    Ok([record.open(port)?, web.open()?].into_iter().flatten().collect())
}

fn size(text: &str) -> Result<u64, String> {
    let accepted = || "accepted is a number of bytes, or one with K, M or G, for example 500M".to_owned();
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().map_err(|_| accepted())?;
    number.checked_mul(unit).ok_or_else(accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [("12", 12), ("4k", 4096), ("500M", 500 << 20), ("2G", 2 << 30)] {
            assert_eq!(size(text), Ok(bytes));
        }
        for text in ["", "M", "-1", "1.5G", "1T", "99999999999G", "1 G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
