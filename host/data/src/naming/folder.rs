//! A folder for each expression.

use super::{NameFault, Named, misnamed, stem};
use crate::Naming;
use mtcae_contract::Expression;

/// `expression/name`, anywhere below the root.
pub(super) fn read(path: &str, naming: Naming, contempt: bool) -> Result<Named, NameFault> {
    let mut folders = path.rsplit('/').skip(1);
    let Some(class) = folders.next() else {
        return Err(misnamed("path", path, "a folder named by expression, such as happy/0001.mp4"));
    };
    let expression: Expression = class.parse().map_err(|e| NameFault::Misnamed(format!("folder: {e}")))?;
    if expression == Expression::Calm || (expression == Expression::Contempt && !contempt) {
        return Err(NameFault::Unwanted(format!("expression {expression}")));
    }
    let stem = stem(path);
    let person = match naming {
        Naming::File => stem,
        Naming::PersonNumber => stem.rsplit_once('_').map_or(stem, |(person, _)| person),
    };
    if person.is_empty() {
        return Err(misnamed("name", stem, "a name before the underscore and the extension"));
    }
    // Two files may be called alike in two folders.
    let subject = if naming == Naming::File { path } else { person };
    Ok(Named { expression, subject: subject.to_owned(), recording: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folder_and_person_are_read() {
        let said =
            ["happiness/Ann_Lee_0001.mp4", "set/sad/x.mp4", "contempt/x_1.mp4", "smug/x_1.mp4", "x.mp4", "sad/_1.mp4"]
                .map(|path| match read(path, Naming::PersonNumber, false) {
                    Ok(n) => format!("{} {}", n.expression, n.subject),
                    Err(fault) => format!("{fault:?}"),
                });
        insta::assert_snapshot!(said.join("\n"), @r#"
        happy Ann_Lee
        sad x
        Unwanted("expression contempt")
        Misnamed("folder: unknown expression \"smug\"; accepted: neutral, calm, happy, sad, angry, fear, disgust, surprise, contempt")
        Misnamed("path is \"x.mp4\"; accepted: a folder named by expression, such as happy/0001.mp4")
        Misnamed("name is \"_1\"; accepted: a name before the underscore and the extension")
        "#);
        assert_eq!(read("set/sad/Bo_2.mp4", Naming::File, false).unwrap().subject, "set/sad/Bo_2.mp4");
        assert_eq!(read("contempt/Bo_2.mp4", Naming::File, true).unwrap().expression, Expression::Contempt);
    }
}
