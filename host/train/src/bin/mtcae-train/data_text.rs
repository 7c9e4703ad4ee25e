//! What `data prepare` says of videos when it is done.

use mtcae_data::{ClipsOutcome, Reason};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Refused videos named for each reason; the report beside the shards has all of them.
const NAMED: usize = 10;

/// Persons in a row of the table.
const COLUMNS: usize = 4;

/// Clips by class and person, refused videos by reason.
pub fn clips_text(outcome: &ClipsOutcome, frames: usize) -> String {
    let c = &outcome.counts;
    let mut text = format!(
        "{} clips of {frames} frames, {} persons; {} of {} faces taken from frames beside; {} shard(s), {} video(s) dealt with before\n",
        c.samples,
        c.per_subject.len(),
        c.filled,
        c.samples * frames,
        outcome.shards.len(),
        outcome.resumed,
    );
    for (label, n) in &c.per_label {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{label:10} {n:7}");
    }
    let persons: Vec<_> = c.per_subject.iter().collect();
    for row in persons.chunks(COLUMNS) {
        let cells: Vec<String> = row.iter().map(|(name, n)| format!("{name:16} {n:4}")).collect();
        let _ = writeln!(text, "{}", cells.join("   "));
    }
    let mut by_reason: BTreeMap<Reason, Vec<String>> = BTreeMap::new();
    for r in &outcome.refused {
        by_reason.entry(r.reason).or_default().push(format!("{}: {}", r.file, r.why));
    }
    for (reason, files) in by_reason {
        let _ = writeln!(text, "refused, {}: {}", reason.name(), files.len());
        files.iter().take(NAMED).for_each(|file| text += &format!("  {file}\n"));
        if files.len() > NAMED {
            let _ = writeln!(text, "  and {} more; the .json file beside the shards names them", files.len() - NAMED);
        }
    }
    text
}
