//! MEAD (Wang et al. 2020): the folders say it all.

use super::{NameFault, Named, misnamed, number, stem};
use mtcae_contract::Expression;

/// The cameras; the first is the one in front of the person.
const VIEWS: [&str; 7] = ["front", "down", "left_30", "left_60", "right_30", "right_60", "top"];

/// `actor[/video]/view/emotion/level/number`, anywhere below the root.
pub(super) fn read(path: &str, all_views: bool) -> Result<Named, NameFault> {
    let parts: Vec<&str> = path.split('/').filter(|p| *p != "video").collect();
    let [.., actor, view, emotion, level, _] = parts[..] else {
        return Err(misnamed("path", path, "actor/video/view/emotion/level/number"));
    };
    let sex = actor.strip_prefix(['M', 'W']).ok_or_else(|| misnamed("actor", actor, "M000 to M999, W000 to W999"))?;
    number("actor", sex, 3, 0, 999)?;
    if !VIEWS.contains(&view) {
        return Err(misnamed("view", view, &VIEWS.join(", ")));
    }
    let expression = match emotion {
        "angry" => Expression::Angry,
        "contempt" => Expression::Contempt,
        "disgusted" => Expression::Disgust,
        "fear" => Expression::Fear,
        "happy" => Expression::Happy,
        "neutral" => Expression::Neutral,
        "sad" => Expression::Sad,
        "surprised" => Expression::Surprise,
        _ => {
            let accepted = "angry, contempt, disgusted, fear, happy, neutral, sad, surprised";
            return Err(misnamed("emotion", emotion, accepted));
        }
    };
    if !["level_1", "level_2", "level_3"].contains(&level) {
        return Err(misnamed("level", level, "level_1, level_2, level_3"));
    }
    number("number", stem(path), 3, 1, 999)?;
    if view != VIEWS[0] && !all_views {
        return Err(NameFault::Unwanted(format!("view {view}")));
    }
    let recording = format!("{actor}/{view}/{emotion}/{level}/{}", stem(path));
    Ok(Named { expression, subject: format!("mead-{actor}"), recording })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_checked() {
        let said = [
            "M003/video/front/angry/level_1/001.mp4",
            "part0/W011/front/surprised/level_3/030.mp4",
            "M003/video/left_30/angry/level_1/001.mp4",
            "X003/video/front/angry/level_1/001.mp4",
            "M3/video/front/angry/level_1/001.mp4",
            "M003/video/behind/angry/level_1/001.mp4",
            "M003/video/front/bored/level_1/001.mp4",
            "M003/video/front/angry/level_4/001.mp4",
            "M003/video/front/angry/level_1/000.mp4",
            "front/angry/level_1/001.mp4",
        ]
        .map(|path| match read(path, false) {
            Ok(n) => format!("{} {} {}", n.expression, n.subject, n.recording),
            Err(fault) => format!("{fault:?}"),
        });
        insta::assert_snapshot!(said.join("\n"), @r#"
        angry mead-M003 M003/front/angry/level_1/001
        surprise mead-W011 W011/front/surprised/level_3/030
        Unwanted("view left_30")
        Misnamed("actor is \"X003\"; accepted: M000 to M999, W000 to W999")
        Misnamed("actor is \"3\"; accepted: 000 to 999")
        Misnamed("view is \"behind\"; accepted: front, down, left_30, left_60, right_30, right_60, top")
        Misnamed("emotion is \"bored\"; accepted: angry, contempt, disgusted, fear, happy, neutral, sad, surprised")
        Misnamed("level is \"level_4\"; accepted: level_1, level_2, level_3")
        Misnamed("number is \"000\"; accepted: 001 to 999")
        Misnamed("path is \"front/angry/level_1/001.mp4\"; accepted: actor/video/view/emotion/level/number")
        "#);
        assert!(read("M003/video/left_30/angry/level_1/001.mp4", true).is_ok());
    }
}
