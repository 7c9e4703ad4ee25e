//! How long each stage took and how much memory there was, as a table or in JSON.

use crate::monitor;
use mtcae_daemon::Summary;
use mtcae_wire::Percentiles;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Prints the figures of a daemon that has ended.
///
/// # Errors
/// When standard output does not take them.
pub fn print(summary: &Summary, json: bool) -> io::Result<()> {
    let mut out = io::stdout();
    if json { monitor::json_line(&mut out, &object(summary)) } else { out.write_all(table(summary).as_bytes()) }
}

fn stages(summary: &Summary) -> [(&'static str, Percentiles); 5] {
    let latency = &summary.latencies;
    [
        ("decode", latency.decode),
        ("crop", latency.crop),
        ("infer", latency.infer),
        ("outputs", latency.outputs),
        ("encode", latency.encode),
    ]
}

/// From capture to the serial line, less the network's own time, of each report.
fn beyond(summary: &Summary) -> Percentiles {
    summary.sinks.first().map_or(Percentiles::default(), |sink| sink.beyond)
}

fn object(summary: &Summary) -> Value {
    let times = |stage: Percentiles| json!({ "p50": stage.p50_us, "p99": stage.p99_us });
    let latency: serde_json::Map<_, _> =
        stages(summary).into_iter().map(|(name, stage)| (name.to_owned(), times(stage))).collect();
    json!({
        "type": "stats", "engine": summary.engine, "latency_us": latency, "detect_us": times(summary.detect),
        "follow_us": times(summary.follow), "beyond_inference_us": times(beyond(summary)),
        "rss_kib": summary.rss_kib, "rss_peak_kib": summary.rss_peak_kib,
    })
}

fn table(summary: &Summary) -> String {
    let mut text = format!("\n{:18}{:>10}{:>10}\n", "stage", "p50 ms", "p99 ms");
    let mut row = |name: &str, stage: Percentiles| {
        let ms = |us: u32| f64::from(us) / 1e3;
        text += &format!("{name:18}{:>10.3}{:>10.3}\n", ms(stage.p50_us), ms(stage.p99_us));
    };
    stages(summary).into_iter().for_each(|(name, stage)| row(name, stage));
    row("find faces", summary.detect);
    row("follow a face", summary.follow);
    row("beyond inference", beyond(summary));
    text + &format!(
        "memory of this program, monitor included: {} MiB, at most {} MiB; engine {}\n",
        summary.rss_kib / 1024,
        summary.rss_peak_kib / 1024,
        summary.engine
    )
}
