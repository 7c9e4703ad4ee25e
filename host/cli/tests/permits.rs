//! Downgrade permits, from the key to what a board would say to one.

mod common;

use common::desk::Desk;
use mtcae_bundle::{Permit, SigningKey, Trust};
use serde_json::Value;

const WISHES: [&str; 12] = [
    "keys",
    "permit",
    "--key",
    "release.key",
    "--device",
    "robot-17",
    "--lowest",
    "3",
    "--days",
    "2",
    "--out",
    "17.permit",
];

/// Without what changes from one day to the next.
fn steady(text: &str, permit: &Permit) -> String {
    let (_, signature) = permit.to_string().rsplit_once(':').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let text = text.replace(&signature, "SIGNATURE");
    text.replace(&permit.made_unix_s().to_string(), "MADE").replace(&permit.expires_unix_s().to_string(), "EXPIRES")
}

#[test]
fn a_permit_is_for_one_board_and_some_days() {
    let desk = Desk::new();
    let written = desk.good(&WISHES);
    let permit: Permit = String::from_utf8(desk.read("17.permit")).unwrap().parse().unwrap();
    assert_eq!(permit.expires_unix_s() - permit.made_unix_s(), 2 * 86_400);
    assert_eq!(written, desk.good(&["keys", "show", "17.permit"]));
    insta::assert_snapshot!("permit", steady(&written, &permit));
    let shown: Value = serde_json::from_str(&desk.good(&["keys", "show", "17.permit", "--json"])).unwrap();
    assert_eq!(
        (&shown["kind"], &shown["device"], &shown["lowest_counter"]),
        (&"permit".into(), &"robot-17".into(), &3.into())
    );
    assert_eq!(shown["expires_unix_s"], permit.expires_unix_s());

    let trust = Trust::new(&[SigningKey::from_seed(&[1; 32]).public()]).unwrap();
    assert_eq!(permit.check(&trust, "robot-17", Some(permit.made_unix_s())), Ok(3));
    assert!(permit.check(&trust, "robot-18", Some(permit.made_unix_s())).is_err());
}

#[test]
fn what_makes_no_permit_is_named() {
    let desk = Desk::new();
    let with = |at: usize, value: &'static str| {
        let mut arguments = WISHES;
        arguments[at] = value;
        desk.said(&arguments)
    };
    let mut said = with(5, "Robot 17") + &with(3, "release.key.pub") + &with(3, "lab.key");
    desk.good(&WISHES);
    said += &desk.said(&WISHES);
    insta::assert_snapshot!("permit_refused", said);
    for days in ["0", "91"] {
        let text = with(9, days);
        assert!(text.starts_with("exit code: 2\n") && text.contains("accepted: a whole number, 1 to 90"), "{text}");
    }
}
