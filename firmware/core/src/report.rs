//! From an answer to the message a robot reads.

use crate::{Certainty, Smoothed, Track};
use mtcae_contract::{LANDMARKS, Micros, Point, Rect};
use mtcae_wire::{self as wire, FaceReport, Quality, Report, Share, Smoothing};

/// The picture a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    pub captured: Micros,
    pub width: u32,
    pub height: u32,
}

impl View {
    /// The picture's bounds, pixels.
    pub fn bounds(&self) -> Rect {
        Rect::whole(self.width, self.height)
    }
}

/// Numbers reports and writes them in fractions of the picture.
#[derive(Debug, Clone)]
pub struct Reporter {
    boot: u32,
    seq: u32,
}

impl Reporter {
    /// Reports of the start `boot`, from number 0.
    pub fn new(boot: u32) -> Reporter {
        Reporter { boot, seq: 0 }
    }

    /// Reports written so far.
    pub fn written(&self) -> u32 {
        self.seq
    }

    /// A report that no face is in view.
    pub(crate) fn absent(&mut self, view: View, now: Micros) -> Report {
        self.report(view, now, 0, None)
    }

    /// A report of one of `faces` faces. `None` when a number is not finite or there are too many classes.
    pub(crate) fn face(
        &mut self,
        view: View,
        now: Micros,
        faces: usize,
        track: &Track,
        smoothed: &Smoothed,
        quality: Quality,
    ) -> Option<Report> {
        let face = face_report(view, track, smoothed, quality)?;
        Some(self.report(view, now, faces.clamp(1, 255) as u8, Some(face)))
    }

    fn report(&mut self, view: View, now: Micros, faces: u8, face: Option<FaceReport>) -> Report {
        let seq = self.seq;
        self.seq = self.seq.wrapping_add(1);
        Report {
            boot: self.boot,
            seq,
            captured_us: view.captured,
            age_us: now.saturating_sub(view.captured).min(u64::from(u32::MAX)) as u32,
            width: view.width.min(u32::from(u16::MAX)) as u16,
            height: view.height.min(u32::from(u16::MAX)) as u16,
            dropped: 0,
            faces,
            face,
        }
    }
}

fn face_report(view: View, track: &Track, smoothed: &Smoothed, quality: Quality) -> Option<FaceReport> {
    let whole = view.bounds();
    let area = whole.rect_to_fraction(track.face);
    let mut landmarks = [wire::Point::default(); LANDMARKS];
    for (to, &from) in landmarks.iter_mut().zip(&track.landmarks) {
        let Point { x, y } = whole.to_fraction(from);
        *to = wire::Point::from_f32([x, y])?;
    }
    Some(FaceReport {
        id: track.id,
        area: wire::Area::from_f32([area.x, area.y, area.w, area.h])?,
        landmarks,
        confidence: Share::from_f32(track.score)?,
        scores: wire::scores_from_f32(&smoothed.probabilities)?,
        label: smoothed.label.and_then(|l| u8::try_from(l).ok()),
        smoothing: match smoothed.certainty {
            Certainty::Unsure => Smoothing::Unsure,
            Certainty::Holding => Smoothing::Holding,
            Certainty::Stable => Smoothing::Stable,
        },
        quality,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::{Up, encode};

    const VIEW: View = View { captured: 1_000, width: 640, height: 320 };

    fn track() -> Track {
        let face = Rect { x: 160.0, y: 80.0, w: 64.0, h: 32.0 };
        Track::found(5, face, [Point { x: 320.0, y: 80.0 }; LANDMARKS], 0.75)
    }

    fn smoothed(probabilities: Vec<f32>) -> Smoothed {
        Smoothed { probabilities, label: Some(1), certainty: Certainty::Stable }
    }

    #[test]
    fn coordinates_are_fractions_of_the_picture() {
        let mut reporter = Reporter::new(9);
        assert_eq!(reporter.absent(VIEW, 500).age_us, 0);
        let report = reporter.face(VIEW, 3_500, 2, &track(), &smoothed(vec![0.25, 0.75]), Quality::SMALL).unwrap();
        assert_eq!((report.boot, report.seq, report.age_us, report.width), (9, 1, 2_500, 640));
        let face = report.face.as_ref().unwrap();
        assert_eq!(face.area.to_f32(), [0.25, 0.25, 0.1, 0.1].map(|v: f32| (v * 8192.0).round() / 8192.0));
        assert_eq!(face.landmarks[4].to_f32(), [0.5, 0.25]);
        assert_eq!((face.label, face.smoothing, face.scores.len()), (Some(1), Smoothing::Stable, 2));
        assert!(encode(&Up::Report(report)).is_ok());
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        let mut reporter = Reporter::new(9);
        let mut far = track();
        far.face.x = f32::INFINITY;
        assert!(reporter.face(VIEW, 0, 1, &far, &smoothed(vec![0.25, 0.75]), Quality::GOOD).is_none());
        assert!(reporter.face(VIEW, 0, 1, &track(), &smoothed(vec![0.1; 9]), Quality::GOOD).is_none());
        assert_eq!(reporter.written(), 0, "no number is used up");
    }
}
