use super::*;
use crate::Rotation;
use proptest::prelude::*;

const MADE: u64 = 1_800_000_000;
const DAY: u64 = 24 * 3600;

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32])
}

fn permit() -> Permit {
    Permit::sign(&key(1), "robot-17", 5, MADE, MADE + 7 * DAY).unwrap()
}

fn trust() -> Trust {
    Trust::new(&[key(1).public()]).unwrap()
}

#[test]
fn it_counts_on_its_board_in_its_time() {
    let (permit, trust) = (permit(), trust());
    for now in [MADE, MADE + DAY, MADE + 7 * DAY - 1] {
        assert_eq!(permit.check(&trust, "robot-17", Some(now)), Ok(5));
    }
    assert_eq!(permit.to_string().parse(), Ok(permit.clone()));
    assert_eq!(format!("{permit}\n").parse(), Ok(permit.clone()));
    insta::assert_snapshot!(permit.to_string().rsplit_once(':').unwrap().0, @"mtcae-permit-v1:robot-17:5:1800000000:1800604800:8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
}

#[test]
fn otherwise_it_does_not_and_says_why() {
    let refusal = |trust: &Trust, device: &str, now| permit().check(trust, device, now).unwrap_err().to_string();
    let now = Some(MADE + DAY);
    insta::assert_snapshot!(refusal(&trust(), "robot-18", now), @r#"the permit is for the board "robot-17"; this one is "robot-18"; make one for it with `mtcae keys permit --device robot-18`"#);
    insta::assert_snapshot!(refusal(&trust(), "robot-17", None), @"a permit expires, and this board does not know what time it is; set its clock and try again");
    insta::assert_snapshot!(refusal(&trust(), "robot-17", Some(MADE - 1)), @"this board's clock is at 1799999999 s (Unix), and the permit was made at 1800000000 s; set the clock and try again");
    insta::assert_snapshot!(refusal(&trust(), "robot-17", Some(MADE + 7 * DAY)), @"the permit expired at 1800604800 s (Unix), 0 s ago; make a new one with `mtcae keys permit`");
    let others = Trust::new(&[key(2).public()]).unwrap();
    insta::assert_snapshot!(refusal(&others, "robot-17", now), @"the permit is signed by 34750f98bd59fcfc, which does not count here; trusted: 6a3803d5f059902a; have it signed with one of these");
    assert!(refusal(&Trust::nobody(), "robot-17", now).contains("trusted: nobody"));
}

#[test]
fn a_key_that_was_replaced_signs_none() {
    // The counter is one that the old key still counts for on a bundle.
    let rotation = Rotation::sign(&key(1), key(2).public(), 100).unwrap();
    let trust = trust().rotated(&[rotation]).unwrap();
    assert_eq!(trust.standing(key(1).public().as_bytes(), 5), Standing::Trusted);
    let refusal = permit().check(&trust, "robot-17", Some(MADE)).unwrap_err();
    insta::assert_snapshot!(refusal, @"the permit is signed by 34750f98bd59fcfc, which a rotation has replaced; have it signed with the key that took its place");
    let new = Permit::sign(&key(2), "robot-17", 5, MADE, MADE + DAY).unwrap();
    assert_eq!(new.check(&trust, "robot-17", Some(MADE)), Ok(5));
}

#[test]
fn nonsense_is_not_signed() {
    let refusal = |device: &str, expires| Permit::sign(&key(1), device, 0, MADE, expires).unwrap_err().to_string();
    insta::assert_snapshot!(refusal("Robot 17", MADE + DAY), @r#""Robot 17" is no name of a board; accepted: 1 to 32 of a-z, 0-9 and -, as `board.name` in its board file"#);
    insta::assert_snapshot!(refusal("robot-17", MADE), @"a permit of 0 s; accepted: 1 s to 7776000 s, which is 90 days");
    let long = "a".repeat(33);
    for (device, expires) in [("", MADE + 1), (&long, MADE + 1), ("a", MADE - 1), ("a", MADE + MAX_PERMIT_S + 1)] {
        assert!(Permit::sign(&key(1), device, 0, MADE, expires).is_err(), "{device} {expires}");
    }
    assert!(Permit::sign(&key(1), &long[1..], 0, MADE, MADE + MAX_PERMIT_S).is_ok());
}

#[test]
fn every_changed_character_and_bit_is_refused() {
    let (text, bytes) = (permit().to_string(), permit().to_bytes());
    let mut refused = 0;
    for at in 0..text.len() {
        for other in [b'0', b'9', b'a', b'F', b'-', b':', b' '] {
            let mut changed = text.clone().into_bytes();
            if changed[at] != other {
                changed[at] = other;
                let changed = String::from_utf8(changed).unwrap();
                assert!(changed.parse::<Permit>().is_err(), "{changed}");
                refused += 1;
            }
        }
    }
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(Permit::from_bytes(&changed).is_err(), "bit {bit}");
        refused += 1;
    }
    for len in 0..bytes.len() {
        assert!(Permit::from_bytes(&bytes[..len]).is_err(), "{len} bytes");
        refused += 1;
    }
    assert!(Permit::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    println!("{refused} changed permits refused");
    assert!(refused >= 2_700, "fewer changes tried: {refused}");
    let refusal = |text: &str| text.parse::<Permit>().unwrap_err().to_string();
    insta::assert_snapshot!(refusal(&text.replace(":5:", ":05:")), @"not a permit: its counter is malformed; accepted: what `mtcae keys permit` writes; copy it again from where it was made");
    insta::assert_snapshot!(refusal(&text.replace(":5:", ":4:")), @"not a permit: its signature does not fit; accepted: what `mtcae keys permit` writes; copy it again from where it was made");
    insta::assert_snapshot!(refusal("robot-17"), @"not a permit: it is not mtcae-permit-v1:DEVICE:LOWEST:MADE:EXPIRES:KEY:SIGNATURE; accepted: what `mtcae keys permit` writes; copy it again from where it was made");
    insta::assert_snapshot!(Permit::from_bytes(&[2, 0]).unwrap_err(), @"not a permit: form 2, accepted: 1; accepted: what `mtcae keys permit` writes; copy it again from where it was made");
}

#[test]
fn a_signature_for_another_purpose_is_none() {
    let mut other = permit();
    other.signature = key(1).sign("bundle v1", &other.message());
    assert!(Permit::from_bytes(&other.to_bytes()).is_err());
}

proptest! {
    #[test]
    fn both_forms_read_back(
        device in "[a-z0-9-]{1,32}", lowest: u32, made in 0..u64::MAX - MAX_PERMIT_S, lasts in 1..=MAX_PERMIT_S, seed: u8,
    ) {
        let permit = Permit::sign(&key(seed), &device, lowest, made, made + lasts).unwrap();
        let bytes = permit.to_bytes();
        prop_assert!(bytes.len() <= MAX_PERMIT && bytes.len() <= 160);
        prop_assert_eq!(Permit::from_bytes(&bytes), Ok(permit.clone()));
        prop_assert_eq!(permit.to_string().parse(), Ok(permit.clone()));
        let trust = Trust::new(&[key(seed).public()]).unwrap();
        prop_assert_eq!(permit.check(&trust, &device, Some(made)), Ok(lowest));
    }

    #[test]
    fn no_bytes_and_no_text_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,200}") {
        prop_assert!(Permit::from_bytes(&bytes).is_err());
        prop_assert!(text.parse::<Permit>().is_err());
    }
}
