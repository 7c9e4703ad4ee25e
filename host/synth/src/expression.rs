//! What a feeling does to a face: weights of expression shapes, different each time.

use crate::FaceModel;
use crate::random::Random;
use mtcae_contract::Expression;

/// Largest weight of a shape; a little over 1 is a strong face that still holds together.
const MOST: f32 = 1.15;

/// Shape names without their side, and weights.
type Recipe = Vec<(&'static str, f32)>;

/// Weights of all of a model's shapes for `label` at full intensity.
pub fn weights(label: Expression, model: &FaceModel, gains: &[f32], r: &mut Random) -> Vec<f32> {
    let mut weights = vec![0.0; model.expressions()];
    let recipe = recipe(label, r);
    // Faces are a little lopsided, and not always to the same side.
    let lean = r.around(0.12);
    for (name, weight) in recipe {
        let weight = weight * (1.0 + 0.12 * r.normal(2.0));
        add(model, &mut weights, name, weight * (1.0 + lean), weight * (1.0 - lean));
    }
    if label == Expression::Contempt {
        contempt(model, &mut weights, r);
    }
    weights.iter_mut().zip(gains).for_each(|(w, g)| *w = (*w * g).clamp(0.0, MOST));
    weights
}

/// Adds to the shape `name`, or to its halves `name_L` and `name_R`. A shape that the model lacks is left out.
pub fn add(model: &FaceModel, weights: &mut [f32], name: &str, left: f32, right: f32) {
    let mut one = |name: &str, w: f32| {
        if let Some(slot) = model.expression(name).and_then(|i| weights.get_mut(i)) {
            *slot += w;
        }
    };
    one(name, (left + right) / 2.0);
    one(&format!("{name}_L"), left);
    one(&format!("{name}_R"), right);
}

fn recipe(label: Expression, r: &mut Random) -> Recipe {
    let mut all: Recipe = match label {
        Expression::Neutral | Expression::Calm => {
            vec![("mouthPress", r.range(0.0, 0.15)), ("eyeSquint", r.range(0.0, 0.15))]
        }
        Expression::Happy => vec![("mouthSmile", 0.9), ("cheekRaiser", 0.8), ("eyeSquint", 0.4), ("mouthDimple", 0.1)],
        Expression::Sad => vec![
            ("mouthFrown", 0.95),
            ("browInnerUp", 0.95),
            ("mouthShrugLower", 0.6),
            ("browDown", 0.15),
            ("eyeLookDown", r.range(0.0, 0.35)),
            ("eyeBlink", r.range(0.0, 0.15)),
        ],
        Expression::Angry => vec![("browDown", 1.1), ("noseSneer", 0.45), ("eyeWide", 0.3), ("cheekSquint", 0.2)],
        Expression::Fear => vec![
            ("browInnerUp", 1.0),
            ("browOuterUp", 0.3),
            ("browDown", 0.4),
            ("eyeWide", 1.0),
            ("mouthStretch", 0.9),
            ("mouthLowerDown", 0.5),
            ("jawOpen", r.range(0.05, 0.3)),
        ],
        Expression::Disgust => vec![
            ("noseSneer", 1.0),
            ("mouthUpperUp", 0.8),
            ("browDown", 0.6),
            ("eyeSquint", 0.5),
            ("cheekRaiser", 0.3),
            ("mouthShrugLower", r.range(0.0, 0.5)),
            ("mouthFrown", r.range(0.1, 0.5)),
        ],
        Expression::Surprise => vec![
            ("browInnerUp", 1.0),
            ("browOuterUp", 1.0),
            ("eyeWide", 1.0),
            ("jawOpen", r.range(0.4, 0.85)),
            ("mouthFunnel", r.range(0.0, 0.3)),
        ],
        Expression::Contempt => vec![("eyeBlink", r.range(0.05, 0.25))],
    };
    match label {
        // A smile with teeth, and laughter.
        Expression::Happy if r.chance(0.6) => {
            let open = r.range(0.2, 1.0);
            all.extend([("mouthUpperUp", 0.35 * open), ("mouthLowerDown", 0.5 * open), ("jawOpen", 0.3 * open * open)]);
        }
        // Lips pressed together, or teeth shown.
        Expression::Angry if r.chance(0.6) => {
            all.extend([("mouthPress", 0.7), ("mouthFrown", 0.35), ("mouthRollUpper", 0.3)])
        }
        Expression::Angry => {
            let open = r.range(0.4, 1.0);
            all.extend([
                ("mouthLowerDown", open),
                ("mouthUpperUp", 0.6 * open),
                ("jawOpen", 0.3 * open),
                ("mouthStretch", 0.3),
            ]);
        }
        _ => {}
    }
    all
}

/// One corner of the mouth.
fn contempt(model: &FaceModel, weights: &mut [f32], r: &mut Random) {
    let (left, right) = if r.chance(0.5) { (1.0, 0.0) } else { (0.0, 1.0) };
    for (name, w) in
        [("mouthSmile", 0.65), ("mouthDimple", 0.85), ("cheekSquint", 0.4), ("noseSneer", r.range(0.0, 0.25))]
    {
        add(model, weights, name, w * left, w * right);
    }
    add(model, weights, if left > 0.0 { "mouthLeft" } else { "mouthRight" }, 0.2, 0.2);
    // Often a raised brow on the other side.
    if r.chance(0.4) {
        add(model, weights, "browOuterUp", 0.5 * right, 0.5 * left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smile_raises_both_corners_and_contempt_one() {
        let model = FaceModel::sketch();
        let gains = vec![1.0; model.expressions()];
        let [left, right] = ["mouthSmile_L", "mouthSmile_R"].map(|n| model.expression(n).unwrap());
        for seed in 0..50 {
            let mut r = Random::new(seed, "test");
            let happy = weights(Expression::Happy, &model, &gains, &mut r);
            assert!(happy[left] > 0.5 && happy[right] > 0.5 && happy.iter().all(|w| (0.0..=MOST).contains(w)));
            let contempt = weights(Expression::Contempt, &model, &gains, &mut r);
            assert!((contempt[left] > 0.4) != (contempt[right] > 0.4), "{contempt:?}");
        }
    }

    #[test]
    fn feelings_differ() {
        let model = FaceModel::sketch();
        let gains = vec![1.0; model.expressions()];
        let of = |label| weights(label, &model, &gains, &mut Random::new(1, "test"));
        let at = |w: &[f32], n: &str| w[model.expression(n).unwrap()];
        assert!(at(&of(Expression::Angry), "browDown_L") > 0.6 && at(&of(Expression::Sad), "browInnerUp_L") > 0.5);
        assert!(at(&of(Expression::Surprise), "jawOpen") > 0.3 && at(&of(Expression::Neutral), "jawOpen") == 0.0);
    }
}
