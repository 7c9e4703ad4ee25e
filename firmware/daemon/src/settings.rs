//! From a board file to the settings of core and detector.

use mtcae_board_configs::{Board, FirstChoice};
use mtcae_core::{Choice, GapSettings, GazeSettings, OutboxLimits, ScheduleSettings, Settings, SmoothingSettings};
use mtcae_detect::DetectorConfig;

/// Reports that may wait for one sink: a second of them, about; older ones are of no use to a robot.
const REPORTS_WAITING: usize = 8;

fn us_from_ms(ms: u32) -> u64 {
    u64::from(ms) * 1000
}

/// What the pipeline is told. A face is not forgotten while an answer about it would still be sent.
pub(crate) fn pipeline_settings(board: &Board) -> Settings {
    let usual = GazeSettings::default();
    Settings {
        gap: GapSettings::default(),
        gaze: GazeSettings {
            faces: board.detector.faces as usize,
            choice: match board.detector.first {
                FirstChoice::Largest => Choice::Largest,
                FirstChoice::Central => Choice::Central,
            },
            forget_after: usual.forget_after.max(us_from_ms(board.report.max_age_ms)),
            ..usual
        },
        schedule: ScheduleSettings {
            detect_every: us_from_ms(board.detector.every_ms),
            follow_every: us_from_ms(board.detector.follow_ms),
            search_every: us_from_ms(board.detector.search_ms),
            max_hz: board.report.max_hz,
            triggered: board.pins.trigger.is_some(),
            ..ScheduleSettings::default()
        },
        smoothing: SmoothingSettings {
            tau: us_from_ms(board.estimate.ema_ms),
            enter: board.estimate.enter,
            leave: board.estimate.leave,
            lead: board.estimate.lead,
            dwell: us_from_ms(board.estimate.min_dwell_ms),
        },
        ..Settings::default()
    }
}

/// Side of the smallest face that the detector's first network knows, pixels.
const FIRST_NET_SIDE: f32 = 12.0;

/// What the detector is told. A limit on the picture it sees is a limit on the largest level of its pyramid.
pub(crate) fn detector_config(board: &Board) -> DetectorConfig {
    let shrunk = board.camera.max_side as f32 / board.detector.max_side as f32;
    DetectorConfig {
        min_face: (board.detector.min_face_px as f32).max(FIRST_NET_SIDE * shrunk),
        min_face_fraction: board.detector.min_face_fraction,
        scale_factor: board.detector.scale_factor,
        thresholds: board.detector.thresholds,
        max_candidates: candidates(board.detector.faces as usize),
    }
}

/// What each net passes on: room for the faces that are followed and for others, of which the largest are chosen.
fn candidates(faces: usize) -> [usize; 3] {
    let [first, second, _] = DetectorConfig::fast().max_candidates;
    let second = second.max(3 * faces);
    [first.max(12 * faces), second, second]
}

/// How much may wait for a sink of which the board file allows `messages`, and how old a report may get.
pub(crate) fn outbox_limits(messages: u32, max_age_ms: u32) -> OutboxLimits {
    let messages = messages as usize;
    OutboxLimits { reports: REPORTS_WAITING.min(messages), messages, report_age: us_from_ms(max_age_ms) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_board_configs::builtin;

    #[test]
    fn more_faces_are_found_than_are_followed() {
        assert_eq!([1, 4, 16].map(candidates), [[48, 12, 12], [48, 12, 12], [192, 48, 48]]);
    }

    #[test]
    fn every_board_that_ships_gives_valid_settings() {
        for shipped in builtin() {
            let board = mtcae_board_configs::load(shipped.name, shipped.text).unwrap();
            pipeline_settings(&board).validate().unwrap();
            detector_config(&board).validate().unwrap();
        }
    }

    #[test]
    fn milliseconds_become_microseconds() {
        let board = mtcae_board_configs::load_builtin("jetson-orin-nano").unwrap();
        let settings = pipeline_settings(&board);
        assert_eq!((settings.schedule.detect_every, settings.schedule.follow_every), (1_500_000, 300_000));
        assert_eq!((settings.gaze.faces, settings.gaze.choice), (2, Choice::Largest));
        let slow = "[board]\nname = \"a\"\nfamily = \"pc\"\n[report]\nmax_age_ms = 9000\n";
        let slow = pipeline_settings(&mtcae_board_configs::load("slow", slow).unwrap());
        assert_eq!((settings.gaze.forget_after, slow.gaze.forget_after), (5_000_000, 9_000_000));
        assert_eq!(outbox_limits(3, 700), OutboxLimits { reports: 3, messages: 3, report_age: 700_000 });
    }
}
