//! CREMA-D (Cao et al. 2014): actor, sentence, emotion, level.

use super::{NameFault, Named, misnamed, number, stem};
use mtcae_contract::Expression;

/// The twelve sentences.
const SENTENCES: [&str; 12] = ["IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI"];

/// Low, medium, high, unspecified; `X` is one file's way to write the last.
const LEVELS: [&str; 5] = ["LO", "MD", "HI", "XX", "X"];

pub(super) fn read(path: &str) -> Result<Named, NameFault> {
    let stem = stem(path);
    let fields: Vec<&str> = stem.split('_').collect();
    let [actor, sentence, emotion, level] = fields[..] else {
        return Err(misnamed("name", stem, "four fields, actor_sentence_emotion_level"));
    };
    let actor = number("actor", actor, 4, 1001, 1091)?;
    if !SENTENCES.contains(&sentence) {
        return Err(misnamed("sentence", sentence, &SENTENCES.join(", ")));
    }
    let expression = match emotion {
        "ANG" => Expression::Angry,
        "DIS" => Expression::Disgust,
        "FEA" => Expression::Fear,
        "HAP" => Expression::Happy,
        "NEU" => Expression::Neutral,
        "SAD" => Expression::Sad,
        _ => return Err(misnamed("emotion", emotion, "ANG, DIS, FEA, HAP, NEU, SAD")),
    };
    if !LEVELS.contains(&level) {
        return Err(misnamed("level", level, &LEVELS.join(", ")));
    }
    Ok(Named { expression, subject: format!("cremad-{actor}"), recording: stem.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_checked() {
        let said = [
            "1001_DFA_ANG_XX.flv",
            "1091_IEO_HAP_HI.mp4",
            "1040_ITH_SAD_X.flv",
            "1000_DFA_ANG_XX.flv",
            "1092_DFA_ANG_XX.flv",
            "1001_dfa_ANG_XX.flv",
            "1001_DFA_SUR_XX.flv",
            "1001_DFA_ANG_ZZ.flv",
            "1001_DFA_ANG.flv",
        ]
        .map(|path| match read(path) {
            Ok(n) => format!("{} {}", n.expression, n.subject),
            Err(fault) => format!("{fault:?}"),
        });
        insta::assert_snapshot!(said.join("\n"), @r#"
        angry cremad-1001
        happy cremad-1091
        sad cremad-1040
        Misnamed("actor is \"1000\"; accepted: 1001 to 1091")
        Misnamed("actor is \"1092\"; accepted: 1001 to 1091")
        Misnamed("sentence is \"dfa\"; accepted: IEO, TIE, IOM, IWW, TAI, MTI, IWL, ITH, DFA, ITS, TSI, WSI")
        Misnamed("emotion is \"SUR\"; accepted: ANG, DIS, FEA, HAP, NEU, SAD")
        Misnamed("level is \"ZZ\"; accepted: LO, MD, HI, XX, X")
        Misnamed("name is \"1001_DFA_ANG\"; accepted: four fields, actor_sentence_emotion_level")
        "#);
    }
}
