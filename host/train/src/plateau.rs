//! When learning gets slower and when it ends: by the score on persons held out of training. Pure.

use serde::Deserialize;

/// The rule.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    /// Share of the persons that are held out to score on, 0.01 to 0.5.
    pub held_out: f32,
    /// The learning rate is multiplied by this when the score stands still, 0.01 to 0.99.
    pub factor: f32,
    /// Scores without a better one until then.
    pub patience: usize,
    /// Scores without a better one until training ends.
    pub stop: usize,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Standing {
    /// Best score so far; 0 before the first.
    pub best: f32,
    /// Scores since then.
    pub waited: usize,
    /// How often the learning rate was lowered.
    pub eased: usize,
}

/// What a score means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The best so far: these weights are worth keeping.
    Better,
    /// Go on.
    Wait,
    /// Go on with a lower learning rate.
    Ease,
    /// It is over.
    Stop,
}

impl Standing {
    /// Takes in a score; higher is better.
    pub fn judge(&mut self, score: f32, rule: &Plateau) -> Verdict {
        if score > self.best {
            (self.best, self.waited) = (score, 0);
            return Verdict::Better;
        }
        self.waited += 1;
        if self.waited >= rule.stop {
            return Verdict::Stop;
        }
        if self.waited.is_multiple_of(rule.patience.max(1)) {
            self.eased += 1;
            return Verdict::Ease;
        }
        Verdict::Wait
    }

    /// What the learning rate is multiplied by.
    pub fn scale(&self, rule: &Plateau) -> f32 {
        rule.factor.powi(self.eased as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_eases_and_stops() {
        let rule = Plateau { held_out: 0.1, factor: 0.5, patience: 2, stop: 5 };
        let mut standing = Standing::default();
        let mut judge = |score| standing.judge(score, &rule);
        use Verdict::{Better, Ease, Stop, Wait};
        let scores = [0.2, 0.2, 0.3, 0.1, 0.3, 0.2, 0.2, 0.2];
        let verdicts = scores.map(&mut judge);
        assert_eq!(verdicts, [Better, Wait, Better, Wait, Ease, Wait, Ease, Stop]);
        assert_eq!(standing, Standing { best: 0.3, waited: 5, eased: 2 });
        assert_eq!(standing.scale(&rule), 0.25);
    }
}
