//! RAVDESS (Livingstone and Russo 2018): seven numbers of two digits.

use super::{NameFault, Named, misnamed, number, stem};
use mtcae_contract::Expression;

/// Emotion 01, 02, ...
const EMOTIONS: [Expression; 8] = [
    Expression::Neutral,
    Expression::Calm,
    Expression::Happy,
    Expression::Sad,
    Expression::Angry,
    Expression::Fear,
    Expression::Disgust,
    Expression::Surprise,
];

/// Modality, channel, emotion, intensity, statement, repetition, actor.
pub(super) fn read(path: &str, calm: bool, song: bool) -> Result<Named, NameFault> {
    let stem = stem(path);
    let fields: Vec<&str> = stem.split('-').collect();
    let [modality, channel, emotion, intensity, statement, repetition, actor] = fields[..] else {
        let accepted = "seven numbers, modality-channel-emotion-intensity-statement-repetition-actor";
        return Err(misnamed("name", stem, accepted));
    };
    let modality = number("modality", modality, 2, 1, 3)?;
    let sung = number("channel", channel, 2, 1, 2)? == 2;
    let emotion = number("emotion", emotion, 2, 1, 8)?;
    let strong = number("intensity", intensity, 2, 1, 2)? == 2;
    number("statement", statement, 2, 1, 2)?;
    number("repetition", repetition, 2, 1, 2)?;
    let actor = number("actor", actor, 2, 1, 24)?;
    if emotion == 1 && strong {
        return Err(misnamed("intensity", intensity, "01, as neutral has no strong form"));
    }
    if modality == 3 {
        return Err(NameFault::Unwanted("modality 03, audio only".to_owned()));
    }
    if sung && !song {
        return Err(NameFault::Unwanted("channel 02, song".to_owned()));
    }
    let expression = match EMOTIONS[emotion as usize - 1] {
        Expression::Calm if !calm => Expression::Neutral,
        expression => expression,
    };
    // With and without sound, modality 01 and 02, is one recording.
    let recording = stem[3..].to_owned();
    Ok(Named { expression, subject: format!("ravdess-{actor:02}"), recording })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str) -> String {
        match read(path, false, false) {
            Ok(n) => format!("{} {} {}", n.expression, n.subject, n.recording),
            Err(NameFault::Misnamed(why)) => why,
            Err(NameFault::Unwanted(what)) => format!("unwanted: {what}"),
        }
    }

    #[test]
    fn every_field_is_checked() {
        let said = [
            "Actor_11/01-01-03-02-01-02-11.mp4",
            "02-01-02-01-02-01-24.mp4",
            "02-01-01-02-02-01-24.mp4",
            "03-01-03-02-01-02-11.mp4",
            "01-02-03-02-01-02-11.mp4",
            "00-01-03-02-01-02-11.mp4",
            "01-03-03-02-01-02-11.mp4",
            "01-01-09-02-01-02-11.mp4",
            "01-01-03-03-01-02-11.mp4",
            "01-01-03-02-03-02-11.mp4",
            "01-01-03-02-01-00-11.mp4",
            "01-01-03-02-01-02-25.mp4",
            "1-01-03-02-01-02-11.mp4",
            "01-01-03-02-01-02.mp4",
            "01-01-+3-02-01-02-11.mp4",
        ]
        .map(said);
        insta::assert_snapshot!(said.join("\n"), @r#"
        happy ravdess-11 01-03-02-01-02-11
        neutral ravdess-24 01-02-01-02-01-24
        intensity is "02"; accepted: 01, as neutral has no strong form
        unwanted: modality 03, audio only
        unwanted: channel 02, song
        modality is "00"; accepted: 01 to 03
        channel is "03"; accepted: 01 to 02
        emotion is "09"; accepted: 01 to 08
        intensity is "03"; accepted: 01 to 02
        statement is "03"; accepted: 01 to 02
        repetition is "00"; accepted: 01 to 02
        actor is "25"; accepted: 01 to 24
        modality is "1"; accepted: 01 to 03
        name is "01-01-03-02-01-02"; accepted: seven numbers, modality-channel-emotion-intensity-statement-repetition-actor
        emotion is "+3"; accepted: 01 to 08
        "#);
    }

    #[test]
    fn calm_and_song_are_there_on_demand() {
        let calm = read("01-02-02-01-01-01-03.mp4", true, true).unwrap();
        assert_eq!((calm.expression, calm.subject.as_str()), (Expression::Calm, "ravdess-03"));
    }
}
