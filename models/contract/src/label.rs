//! Expressions and the ordered sets of them that models answer with.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// A facial expression, by the name used in files, on the wire and on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expression {
    /// No particular expression.
    Neutral,
    /// RAVDESS' second class; merged into neutral by the paper.
    Calm,
    /// Happiness.
    Happy,
    /// Sadness.
    Sad,
    /// Anger.
    Angry,
    /// Fear.
    Fear,
    /// Disgust.
    Disgust,
    /// Surprise.
    Surprise,
    /// Contempt.
    Contempt,
}

/// Why a name or a list of names is not a label or a label set.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum LabelError {
    /// Not one of the names.
    #[error("unknown expression {0:?}; accepted: {all}", all = Expression::ALL.map(Expression::name).join(", "))]
    Unknown(String),
    /// Empty, too long, or a name twice.
    #[error("label set {0:?}: needs 2 to {max} different expressions", max = LabelSet::MAX)]
    Set(Vec<Expression>),
}

impl Expression {
    /// All of them, in the order of the enumeration.
    pub const ALL: [Expression; 9] = [
        Self::Neutral,
        Self::Calm,
        Self::Happy,
        Self::Sad,
        Self::Angry,
        Self::Fear,
        Self::Disgust,
        Self::Surprise,
        Self::Contempt,
    ];

    /// The name in files and on the wire, for example `happy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Calm => "calm",
            Self::Happy => "happy",
            Self::Sad => "sad",
            Self::Angry => "angry",
            Self::Fear => "fear",
            Self::Disgust => "disgust",
            Self::Surprise => "surprise",
            Self::Contempt => "contempt",
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Expression {
    type Err = LabelError;

    /// The name, or one of the spellings that data sets use for it (`happiness`, `fearful`, `HAP`, ...).
    fn from_str(name: &str) -> Result<Self, LabelError> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "neutral" | "neu" => Self::Neutral,
            "calm" => Self::Calm,
            "happy" | "happiness" | "hap" => Self::Happy,
            "sad" | "sadness" => Self::Sad,
            "angry" | "anger" | "ang" => Self::Angry,
            "fear" | "fearful" | "fea" | "scared" => Self::Fear,
            "disgust" | "disgusted" | "dis" => Self::Disgust,
            "surprise" | "surprised" => Self::Surprise,
            "contempt" => Self::Contempt,
            _ => return Err(LabelError::Unknown(name.to_owned())),
        })
    }
}

/// The expressions a model tells apart, in the order of its logits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Expression>", into = "Vec<Expression>")]
pub struct LabelSet(Vec<Expression>);

impl LabelSet {
    /// Most labels a set may have (what a report on the wire has room for).
    pub const MAX: usize = 8;

    /// A set in the given order.
    ///
    /// # Errors
    /// When there are fewer than 2, more than [`LabelSet::MAX`], or the same one twice.
    pub fn new(labels: Vec<Expression>) -> Result<LabelSet, LabelError> {
        let twice = labels.iter().enumerate().any(|(i, l)| labels[..i].contains(l));
        if labels.len() < 2 || labels.len() > Self::MAX || twice {
            return Err(LabelError::Set(labels));
        }
        Ok(LabelSet(labels))
    }

    /// The seven classes of FER2013 and of the paper's RAVDESS runs.
    pub fn seven() -> LabelSet {
        use Expression::*;
        LabelSet(vec![Neutral, Happy, Sad, Angry, Fear, Disgust, Surprise])
    }

    /// The expressions in order.
    pub fn labels(&self) -> &[Expression] {
        &self.0
    }

    /// How many there are.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The place of `label` in the logits, if the set has it.
    pub fn index_of(&self, label: Expression) -> Option<usize> {
        self.0.iter().position(|l| *l == label)
    }
}

impl TryFrom<Vec<Expression>> for LabelSet {
    type Error = LabelError;

    fn try_from(labels: Vec<Expression>) -> Result<Self, LabelError> {
        LabelSet::new(labels)
    }
}

impl From<LabelSet> for Vec<Expression> {
    fn from(set: LabelSet) -> Self {
        set.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for e in Expression::ALL {
            assert_eq!(e.name().parse(), Ok(e));
        }
        assert_eq!("HAP".parse(), Ok(Expression::Happy));
        insta::assert_snapshot!("smug".parse::<Expression>().unwrap_err(), @r#"unknown expression "smug"; accepted: neutral, calm, happy, sad, angry, fear, disgust, surprise, contempt"#);
    }

    #[test]
    fn sets_refuse_repeats() {
        assert!(LabelSet::new(vec![Expression::Happy, Expression::Happy]).is_err());
        assert!(LabelSet::new(vec![Expression::Happy]).is_err());
        assert_eq!(LabelSet::seven().index_of(Expression::Surprise), Some(6));
    }
}
