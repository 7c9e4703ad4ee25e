//! The page "what has never been tried on real hardware", from the suite's own list.

use crate::scenario::Scenario;
use std::fmt::Write as _;

/// What no scenario can reach without a real board, and why it may be different there.
const BEYOND: [(&str, &str); 9] = [
    (
        "MIPI/CSI cameras and their drivers",
        "no virtual board has one; frames come through V4L2's virtual driver or from files",
    ),
    ("Argus, the image processor of a Jetson", "it is closed, and there is no model of it"),
    ("CUDA on a Jetson, and TensorRT", "CUDA ran on a data-centre GPU only; TensorRT never ran anywhere"),
    (
        "the speed of an arm64 processor",
        "arm64 programs ran on an emulated one only (`qemu-arm64`): what is computed there, not how fast",
    ),
    ("latency from light to report", "a virtual camera has no exposure; times of a busy desk say little of a board"),
    ("heat, power and their limits", "the suite writes a number where a thermometer would stand"),
    ("electricity on the line", "levels, cables, grounds and connectors; damage is injected as turned-over bits"),
    (
        "a disk that loses power in the middle of a write",
        "processes or a virtual board are killed; what this machine's system had taken over is written all the same",
    ),
    (
        "systemd, and the hardware watchdog below it",
        "the launcher stands in for the one, a timer in the virtual board's kernel for the other",
    ),
];

/// The page, as Markdown.
pub fn untried(scenarios: &[&Scenario]) -> String {
    let mut page = String::from(
        "# What has never been tried on real hardware\n\n\
         Nothing in this project has run on a Jetson, or with a real camera. This page is made from the list of scenarios\n\
         (`mtcae hil untried`; `UPDATE_UNTRIED=1 cargo test -p mtcae-hil` rewrites it). A row goes when somebody has run the suite\n\
         on a board and has written down what came of it.\n\n\
         | scenario | passes without hardware when | still untried |\n|---|---|---|\n",
    );
    for scenario in scenarios.iter().filter(|scenario| !scenario.untried.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{}` | {} | {} |", scenario.name, cell(scenario.proves), cell(scenario.untried));
    }
    page.push_str("\n## Out of reach of every scenario\n\n| what | why |\n|---|---|\n");
    for (what, why) in BEYOND {
        let _ = writeln!(page, "| {} | {} |", cell(what), cell(why));
    }
    page
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_committed_page_is_that_of_the_list() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("UNTRIED.md");
        let page = untried(&crate::scenarios());
        if std::env::var_os("UPDATE_UNTRIED").is_some() {
            return std::fs::write(&path, page).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        assert_eq!(committed, page, "run `UPDATE_UNTRIED=1 cargo test -p mtcae-hil` and commit");
    }
}
