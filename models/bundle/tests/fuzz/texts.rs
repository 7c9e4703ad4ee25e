//! Keys, rotations and permits: one line each, from a file, a command line or a wire.

use crate::common::{DEVICE_KEY, Rng, key};
use crate::mutate::{mutate, mutate_text};
use crate::tally::{Cause, Tally};
use mtcae_bundle::*;

/// Keys that take part; key 0 is trusted.
const KEYS: usize = 4;
const BOARD: &str = "bench-17";
/// Times and counters around the limits.
const EDGES: [u64; 8] = [0, 1, 3, 1_767_225_600, MAX_PERMIT_S, MAX_PERMIT_S + 1, u32::MAX as u64, u64::MAX];

pub struct Pool {
    keys: Vec<SigningKey>,
    trust: Trust,
    /// One of each kind of key, as text.
    texts: [String; 4],
    rotations: Vec<Rotation>,
    permit: Permit,
}

impl Pool {
    pub fn new() -> Pool {
        let keys: Vec<SigningKey> = (1..=KEYS as u8).map(key).collect();
        let device = DeviceKey::from_secret_text(DEVICE_KEY).expect("it is one");
        let texts = [
            keys[0].to_secret_text().to_string(),
            keys[0].public().to_string(),
            DEVICE_KEY.to_owned(),
            device.recipient().to_string(),
        ];
        let pairs = (0..KEYS).flat_map(|old| (0..KEYS).map(move |new| (old, new))).filter(|(old, new)| old != new);
        let rotations = pairs.map(|(old, new)| {
            Rotation::sign(&keys[old], keys[new].public(), 5 + old as u32).expect("two different keys")
        });
        let rotations = rotations.collect();
        let permit = Permit::sign(&keys[0], BOARD, 3, 1_767_225_600, 1_767_312_000).expect("a good one");
        Pool { trust: Trust::new(&[keys[0].public()]).expect("one key"), keys, texts, rotations, permit }
    }

    /// A key's text to a parser of keys, mostly its own.
    pub fn key(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let which = rng.below(4);
        let text = mutate_text(rng, &self.texts[which]);
        cause.note("the text of a key", text.as_bytes());
        let parser = if rng.below(4) == 0 { rng.below(4) } else { which };
        let taken = match parser {
            0 => SigningKey::from_secret_text(&text).map(|key| *key.to_secret_text() == text.trim_end()),
            1 => text.parse::<PublicKey>().map(|key| key.to_string() == text.trim_end()),
            2 => DeviceKey::from_secret_text(&text).map(|key| text.contains(key.to_secret_text().as_str())),
            // The text of a recipient may be in capital letters.
            _ => text.parse::<Recipient>().map(|key| key.to_string() == text.trim_end().to_ascii_lowercase()),
        };
        match taken {
            Ok(same) => {
                tally.reach("key: taken");
                assert!(same, "another key than the text says");
            }
            Err(_) => tally.reach("key: refused"),
        }
    }

    pub fn rotation(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        if rng.below(8) == 0 {
            return self.rotations_applied(rng, tally, cause);
        }
        let good = self.rotations[rng.below(self.rotations.len())].to_string();
        let text = mutate_text(rng, &good);
        cause.note("a rotation", text.as_bytes());
        match text.parse::<Rotation>() {
            Ok(_) => assert_eq!(text.trim_end(), good, "changed, and yet a rotation"),
            Err(error) if error.to_string().contains("signature does not fit") => {
                tally.reach("rotation: signature computed");
            }
            Err(_) => tally.reach("rotation: refused"),
        }
    }

    /// Some rotations at once, one of them new, in any order.
    fn rotations_applied(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let [old, new] = [(); 2].map(|()| rng.below(KEYS));
        let counter = EDGES[rng.below(EDGES.len())] as u32;
        let Ok(rotation) = Rotation::sign(&self.keys[old], self.keys[new].public(), counter) else {
            assert_eq!(old, new);
            return tally.reach("rotation: refused");
        };
        let text = rotation.to_string();
        cause.note("a rotation among others", text.as_bytes());
        let mut all = vec![text.parse::<Rotation>().expect("what was written is read")];
        (0..rng.below(4)).for_each(|_| all.push(self.rotations[rng.below(self.rotations.len())]));
        match self.trust.clone().rotated(&all) {
            Ok(trust) => {
                tally.reach("rotation: applied to the keys");
                let newest = |key: &&SigningKey| trust.standing(key.public().as_bytes(), u32::MAX) == Standing::Trusted;
                assert_eq!(self.keys.iter().filter(newest).count(), 1, "one root has one newest key");
            }
            Err(_) => tally.reach("rotation: not applied to the keys"),
        }
    }

    pub fn permit(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let taken = match rng.below(8) {
            0 => return self.permit_checked(rng, tally, cause),
            1..=3 => {
                let text = mutate_text(rng, &self.permit.to_string());
                cause.note("the text of a permit", text.as_bytes());
                text.parse::<Permit>()
            }
            _ => {
                let mut bytes = self.permit.to_bytes();
                mutate(rng, &mut bytes);
                cause.note("the bytes of a permit", &bytes);
                Permit::from_bytes(&bytes)
            }
        };
        match taken {
            Ok(permit) => assert_eq!(permit, self.permit, "changed, and yet a permit"),
            Err(PermitError::Malformed { reason }) if reason.contains("does not fit") => {
                tally.reach("permit: signature computed");
            }
            Err(_) => tally.reach("permit: refused"),
        }
    }

    /// A permit with any values in it, well signed: what it is worth on a board.
    fn permit_checked(&self, rng: &mut Rng, tally: &mut Tally, cause: &mut Cause) {
        let mut edge = || EDGES[rng.below(EDGES.len())];
        let (made, lasts, now) = (edge(), edge(), edge());
        let signer = &self.keys[rng.below(2)];
        let board = if rng.below(4) == 0 { mutate_text(rng, BOARD) } else { BOARD.to_owned() };
        let Ok(permit) = Permit::sign(signer, &board, rng.next() as u32, made, made.saturating_add(lasts)) else {
            return tally.reach("permit: not made");
        };
        let bytes = permit.to_bytes();
        cause.note("a permit of any values", &bytes);
        assert!(bytes.len() <= MAX_PERMIT && Permit::from_bytes(&bytes).is_ok_and(|again| again == permit));
        let now = Some(now).filter(|_| rng.below(8) > 0);
        match permit.check(&self.trust, BOARD, now) {
            Ok(lowest) => {
                tally.reach("permit: counts");
                let in_time = now.is_some_and(|now| made <= now && now < permit.expires_unix_s());
                assert!(in_time && board == BOARD && lowest == permit.lowest_counter());
                assert_eq!(permit.signed_by(), self.keys[0].public());
            }
            Err(_) => tally.reach("permit: does not count"),
        }
    }
}
