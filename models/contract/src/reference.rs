//! The self-test of a model: one clip and what the network must answer to it, on whatever engine.

use crate::{ClipSpec, LANDMARKS, LabelSet, Manifest, RawOutput, RawOutputError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The format of a reference answer that this crate reads and writes.
const FORMAT: u32 = 1;

/// The three outputs of the exported network for the clip of the self-test, and how far an answer may be from them.
///
/// The clip itself is a file of bytes `[T, S, S, 3]`, just as the network eats them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceAnswer {
    /// Always 1.
    format: u32,
    /// As in [`RawOutput`]: flat `T * 4`, fractions of the clip's frame.
    pub boxes: Vec<f32>,
    /// As in [`RawOutput`]: flat `T * 5 * 2`, fractions of the clip's frame.
    pub landmarks: Vec<f32>,
    /// As in [`RawOutput`]: `C`, before the temperature.
    pub logits: Vec<f32>,
    /// Largest difference accepted in each output.
    pub tolerances: Tolerances,
}

/// Largest absolute difference of a single number, in the output's own unit. Above 0 and below the largest absolute
/// value of the output, so that a dead network, which answers zeros, never passes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerances {
    /// Of `boxes`, in fractions of the clip's frame.
    pub boxes: f32,
    /// Of `landmarks`, in fractions of the clip's frame.
    pub landmarks: f32,
    /// Of `logits`.
    pub logits: f32,
}

/// Why a reference answer is of no use.
#[derive(Debug, Error, PartialEq)]
pub enum ReferenceError {
    /// Longer than [`ReferenceAnswer::MAX_BYTES`].
    #[error("reference answer of {found} bytes; accepted: up to {max}", max = ReferenceAnswer::MAX_BYTES)]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// Not JSON, an unknown or a missing key, or a value of the wrong type.
    #[error("reference answer: {0}")]
    Syntax(String),
    /// A value outside what is accepted.
    #[error("reference answer key `{key}` is {value}; accepted: {accepted}")]
    Value {
        /// Dotted key.
        key: String,
        /// The value found.
        value: String,
        /// What would be accepted.
        accepted: String,
    },
}

/// Why an answer is not the reference answer.
#[derive(Debug, Error, PartialEq)]
pub enum Difference {
    /// It is no answer of this network at all.
    #[error(transparent)]
    Shape(#[from] RawOutputError),
    /// A number is too far away; of all of them the one that exceeds its tolerance most.
    #[error("output {output}[{index}] is {got}; the reference answer has {wanted}; accepted: {tolerance} more or less")]
    Value {
        /// Name of the output.
        output: &'static str,
        /// Place in the flat output.
        index: usize,
        /// What the engine answered.
        got: f32,
        /// What the reference answer has.
        wanted: f32,
        /// Largest difference accepted.
        tolerance: f32,
    },
}

impl ReferenceAnswer {
    /// Longest text that is read, bytes; the largest networks accepted need about 16 KiB.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// `answer` as the reference, each tolerance being `relative` times the largest absolute value of its output.
    ///
    /// # Errors
    /// When `relative` is not between 0 and 1 (exclusive), an output is not finite or nothing but zeros, or there are more
    /// or fewer numbers than a network may have.
    pub fn new(answer: RawOutput, relative: f32) -> Result<ReferenceAnswer, ReferenceError> {
        let RawOutput { boxes, landmarks, logits } = answer;
        let [b, l, g] = [&boxes, &landmarks, &logits].map(|values| largest(values) * relative);
        let tolerances = Tolerances { boxes: b, landmarks: l, logits: g };
        let reference = ReferenceAnswer { format: FORMAT, boxes, landmarks, logits, tolerances };
        reference.validate()?;
        Ok(reference)
    }

    /// Reads and validates. Whether it fits a model is for [`ReferenceAnswer::fits`].
    ///
    /// # Errors
    /// When the text is too long, is not the JSON of a reference answer, or a value is out of bounds.
    pub fn from_json(text: &str) -> Result<ReferenceAnswer, ReferenceError> {
        if text.len() > Self::MAX_BYTES {
            return Err(ReferenceError::TooLong { found: text.len() });
        }
        let reference: ReferenceAnswer =
            serde_json::from_str(text).map_err(|e| ReferenceError::Syntax(e.to_string()))?;
        reference.validate()?;
        Ok(reference)
    }

    /// As JSON, one line.
    ///
    /// # Errors
    /// When a value is out of bounds, so that it would not be read back.
    pub fn to_json(&self) -> Result<String, ReferenceError> {
        self.validate()?;
        serde_json::to_string(self).map_err(|e| ReferenceError::Syntax(e.to_string()))
    }

    /// Checks that it has as many numbers as the network of `manifest` answers.
    ///
    /// # Errors
    /// The first output with more or fewer.
    pub fn fits(&self, manifest: &Manifest) -> Result<(), ReferenceError> {
        let frames = manifest.clip.frames;
        let needs = [frames * 4, frames * LANDMARKS * 2, manifest.labels.len()];
        for ((key, values, _), need) in self.outputs().into_iter().zip(needs) {
            value(key, format!("a list of {}", values.len()), values.len() == need, format!("a list of {need}"))?;
        }
        Ok(())
    }

    /// Whether `answer` is this one, each number within its output's tolerance.
    ///
    /// # Errors
    /// The output that has another length or a number that is not finite, else the number that exceeds its tolerance most.
    pub fn check(&self, answer: &RawOutput) -> Result<(), Difference> {
        answer.validate(self.boxes.len() / 4, self.logits.len())?;
        let mut worst = None;
        let mut most = 1.0;
        let got = [&answer.boxes, &answer.landmarks, &answer.logits];
        for ((output, wanted, tolerance), got) in self.outputs().into_iter().zip(got) {
            for (index, (&got, &wanted)) in got.iter().zip(wanted).enumerate() {
                let excess = (got - wanted).abs() / tolerance;
                if excess > most {
                    most = excess;
                    worst = Some(Difference::Value { output, index, got, wanted, tolerance });
                }
            }
        }
        worst.map_or(Ok(()), Err)
    }

    /// Name, numbers and tolerance of each output.
    fn outputs(&self) -> [(&'static str, &[f32], f32); 3] {
        [
            ("boxes", &self.boxes, self.tolerances.boxes),
            ("landmarks", &self.landmarks, self.tolerances.landmarks),
            ("logits", &self.logits, self.tolerances.logits),
        ]
    }

    fn validate(&self) -> Result<(), ReferenceError> {
        value("format", self.format, self.format == FORMAT, FORMAT)?;
        let frames = self.boxes.len() / 4;
        let list = |len: usize| format!("a list of {len}");
        let even = self.boxes.len().is_multiple_of(8) && ClipSpec::FRAMES.contains(&frames);
        value(
            "boxes",
            list(self.boxes.len()),
            even,
            "four numbers for each of 2 to 64 frames, an even number of frames",
        )?;
        let need = frames * LANDMARKS * 2;
        value("landmarks", list(self.landmarks.len()), self.landmarks.len() == need, list(need))?;
        let classes = self.logits.len();
        value("logits", list(classes), (2..=LabelSet::MAX).contains(&classes), "2 to 8 numbers")?;
        for (key, values, tolerance) in self.outputs() {
            if let Some((index, bad)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
                value(&format!("{key}[{index}]"), bad, false, "a finite number")?;
            }
            let largest = largest(values);
            value(key, "all zeros", largest > 0.0, "an answer; this network is dead")?;
            let good = tolerance > 0.0 && tolerance < largest;
            let accepted = format!("above 0 and below {largest}, the largest value of the output");
            value(&format!("tolerances.{key}"), tolerance, good, accepted)?;
        }
        Ok(())
    }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |top, v| top.max(v.abs()))
}

fn value(key: &str, value: impl ToString, good: bool, accepted: impl ToString) -> Result<(), ReferenceError> {
    if good {
        return Ok(());
    }
    Err(ReferenceError::Value { key: key.to_owned(), value: value.to_string(), accepted: accepted.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer() -> RawOutput {
        RawOutput {
            boxes: [0.25, 0.25, 0.5, 0.5].repeat(2),
            landmarks: [0.5, 0.75].repeat(10),
            logits: vec![0.5, -2.0, 1.0],
        }
    }

    fn reference() -> ReferenceAnswer {
        ReferenceAnswer::new(answer(), 0.01).unwrap()
    }

    #[test]
    fn the_text_is_plain() {
        let mut short = reference();
        short.landmarks.truncate(2);
        insta::assert_snapshot!(serde_json::to_string(&short).unwrap(), @r#"{"format":1,"boxes":[0.25,0.25,0.5,0.5,0.25,0.25,0.5,0.5],"landmarks":[0.5,0.75],"logits":[0.5,-2.0,1.0],"tolerances":{"boxes":0.005,"landmarks":0.0075,"logits":0.02}}"#);
    }

    #[test]
    fn a_tolerance_is_a_share_of_the_largest_value() {
        assert_eq!(reference().tolerances, Tolerances { boxes: 0.005, landmarks: 0.0075, logits: 0.02 });
    }

    #[test]
    fn the_worst_number_is_named() {
        let reference = reference();
        reference.check(&answer()).unwrap();
        let mut near = answer();
        near.boxes[3] += 0.004;
        near.logits[1] += 0.019;
        reference.check(&near).unwrap();
        near.landmarks[6] -= 0.01;
        near.logits[1] = -1.0;
        insta::assert_snapshot!(reference.check(&near).unwrap_err(), @"output logits[1] is -1; the reference answer has -2; accepted: 0.02 more or less");
        near.logits.pop();
        insta::assert_snapshot!(reference.check(&near).unwrap_err(), @"output logits has 2 values, the model's manifest asks for 3");
        let mut nan = answer();
        nan.boxes[0] = f32::NAN;
        insta::assert_snapshot!(reference.check(&nan).unwrap_err(), @"output boxes holds NaN, a finite number is needed");
    }

    #[test]
    fn a_dead_network_never_passes() {
        let zeros = RawOutput { boxes: vec![0.0; 8], landmarks: vec![0.0; 20], logits: vec![0.0; 3] };
        let loosest = ReferenceAnswer::new(answer(), 0.999).unwrap();
        assert!(loosest.check(&zeros).is_err());
        insta::assert_snapshot!(ReferenceAnswer::new(zeros, 0.01).unwrap_err(), @"reference answer key `boxes` is all zeros; accepted: an answer; this network is dead");
    }

    #[test]
    fn bad_values_are_named() {
        let text = reference().to_json().unwrap();
        let said = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} is not in {text}");
            ReferenceAnswer::from_json(&text.replacen(from, to, 1)).unwrap_err().to_string()
        };
        insta::assert_snapshot!(said("\"logits\":0.02", "\"logits\":2.0"), @"reference answer key `tolerances.logits` is 2; accepted: above 0 and below 2, the largest value of the output");
        insta::assert_snapshot!(said("\"logits\":0.02", "\"logits\":-0.02"), @"reference answer key `tolerances.logits` is -0.02; accepted: above 0 and below 2, the largest value of the output");
        insta::assert_snapshot!(said("0.25,", "1e39,"), @"reference answer: number out of range at line 1 column 25");
        insta::assert_snapshot!(said("0.25,", ""), @"reference answer key `boxes` is a list of 7; accepted: four numbers for each of 2 to 64 frames, an even number of frames");
        insta::assert_snapshot!(said("0.5,0.75,", ""), @"reference answer key `landmarks` is a list of 18; accepted: a list of 20");
        insta::assert_snapshot!(said("\"format\":1", "\"format\":2"), @"reference answer key `format` is 2; accepted: 1");
        insta::assert_snapshot!(said("{", "{\"more\":1,"), @"reference answer: unknown field `more`, expected one of `format`, `boxes`, `landmarks`, `logits`, `tolerances` at line 1 column 7");
        insta::assert_snapshot!(ReferenceAnswer::from_json(&" ".repeat(65_537)).unwrap_err(), @"reference answer of 65537 bytes; accepted: up to 65536");
        for relative in [0.0, -1.0, 1.0, f32::NAN, f32::INFINITY] {
            assert!(ReferenceAnswer::new(answer(), relative).is_err(), "{relative}");
        }
    }

    #[test]
    fn it_fits_one_network() {
        let mut manifest = crate::Manifest {
            format: 1,
            name: "edge".into(),
            version: "0.1.0".into(),
            preset: "edge".into(),
            labels: LabelSet::new(crate::Expression::ALL[..3].to_vec()).unwrap(),
            sampling: crate::Sampling::Uniform,
            temperature: 1.0,
            clip: ClipSpec { frames: 2, size: 16, seconds: 1.0 },
            framing: crate::Framing::Whole,
            mean: [0.5; 3],
            std: [0.5; 3],
            artifacts: vec![],
        };
        assert_eq!(manifest.clip.bytes(), 1536);
        reference().fits(&manifest).unwrap();
        manifest.labels = LabelSet::seven();
        insta::assert_snapshot!(reference().fits(&manifest).unwrap_err(), @"reference answer key `logits` is a list of 3; accepted: a list of 7");
        manifest.clip.frames = 4;
        insta::assert_snapshot!(reference().fits(&manifest).unwrap_err(), @"reference answer key `boxes` is a list of 8; accepted: a list of 16");
    }

    #[test]
    fn the_largest_network_fits_into_the_limit() {
        let long = -1.234_567_9e-30;
        let mut largest =
            RawOutput { boxes: vec![long; 64 * 4], landmarks: vec![long; 64 * 10], logits: vec![long; 8] };
        let text = ReferenceAnswer::new(largest.clone(), 0.01).unwrap().to_json().unwrap();
        assert!(text.len() <= ReferenceAnswer::MAX_BYTES / 2, "{}", text.len());
        largest.boxes.extend([long; 8]);
        assert!(ReferenceAnswer::new(largest, 0.01).is_err());
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(
            boxes in prop::collection::vec(-2f32..2.0, 16),
            landmarks in prop::collection::vec(-2f32..2.0, 40),
            logits in prop::collection::vec(-1e30f32..1e30, 8),
            relative in 1e-6f32..0.9,
        ) {
            let reference = ReferenceAnswer::new(RawOutput { boxes, landmarks, logits }, relative).unwrap();
            prop_assert_eq!(ReferenceAnswer::from_json(&reference.to_json().unwrap()).unwrap(), reference);
        }

        #[test]
        fn any_text_is_survived(text in "[\\[\\]{}\",:0-9.e-]{0,200}") {
            let _ = ReferenceAnswer::from_json(&text);
        }
    }
}
