//! Whatever is encoded comes back; whatever comes in is either a message to the last bit or an error.

mod common;

use common::{any_chunk, any_down, any_up, frame_of, stuff, unstuff};
use mtcae_wire::*;
use proptest::collection::vec;
use proptest::prelude::*;

type Outcome = Result<Up, DecodeError>;

fn outcomes(decoder: &mut Decoder<Up>, bytes: &[u8]) -> Vec<Outcome> {
    decoder.feed(bytes).collect()
}

/// Frames, noise and delimiters one after another.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => any_up().prop_map(|up| encode(&up).unwrap().to_vec()),
        1 => vec(any::<u8>(), 0..40),
        1 => vec(1..=255u8, 0..600),
        1 => Just(vec![0]),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn up_comes_back(up in any_up()) {
        let frame = encode(&up).unwrap();
        prop_assert!(frame.len() <= MAX_FRAME);
        prop_assert_eq!(frame.iter().position(|&b| b == 0), Some(frame.len() - 1));
        prop_assert_eq!(outcomes(&mut Decoder::new(), &frame), vec![Ok(up)]);
    }

    #[test]
    fn down_comes_back(down in any_down()) {
        let frame = encode(&down).unwrap();
        let got: Vec<_> = Decoder::<Down>::new().feed(&frame).collect();
        prop_assert_eq!(got, vec![Ok(down)]);
        let echoed = outcomes(&mut Decoder::new(), &frame);
        prop_assert_eq!(echoed, vec![Err(DecodeError::Direction)]);
    }

    #[test]
    fn a_piece_comes_back(chunk in any_chunk(), down in any_down()) {
        let frame = encode_chunk(&chunk).unwrap();
        prop_assert!(frame.len() <= MAX_LONG_FRAME);
        prop_assert_eq!(frame.iter().position(|&b| b == 0), Some(frame.len() - 1));
        // Another hand's COBS gives the same bytes.
        prop_assert_eq!(&stuff(&unstuff(&frame).unwrap()), frame.as_bytes());
        let both = [frame.as_bytes(), &encode(&down).unwrap()].concat();
        let got: Vec<_> = Decoder::<FromHost>::new().feed(&both).collect();
        prop_assert_eq!(got, vec![Ok(FromHost::Chunk(chunk)), Ok(FromHost::Request(down))]);
    }

    #[test]
    fn any_bytes_to_a_board_give_a_canonical_message_or_an_error(
        kind in prop_oneof![0..12u8, 63..66u8], body in vec(any::<u8>(), 0..1060), short in any::<bool>(),
    ) {
        let body = body.iter().map(|&b| if short { b % 4 } else { b });
        let body: Vec<u8> = [kind].into_iter().chain(body).collect();
        let frame = frame_of(VERSION | DOWN_BIT, &body);
        let got: Vec<_> = Decoder::<FromHost>::new().feed(&frame).collect();
        prop_assert_eq!(got.len(), 1);
        match &got[0] {
            Ok(FromHost::Request(down)) => prop_assert_eq!(encode(down).unwrap().to_vec(), frame),
            Ok(FromHost::Chunk(chunk)) => prop_assert_eq!(encode_chunk(chunk).unwrap().to_vec(), frame),
            Err(_) => {}
        }
    }

    #[test]
    fn any_bytes_give_only_messages_that_are_in_them(bytes in stream()) {
        let mut decoder = Decoder::new();
        let got = outcomes(&mut decoder, &bytes);
        let good = got.iter().flatten().count();
        for up in got.iter().flatten() {
            let frame = encode(up).unwrap();
            prop_assert!(bytes.windows(frame.len()).any(|window| window == frame.as_bytes()));
        }
        let counts = decoder.counts();
        prop_assert_eq!((counts.good as usize, counts.bad as usize), (good, got.len() - good));
    }

    #[test]
    fn any_body_with_a_right_checksum_is_a_canonical_message_or_an_error(
        kind in 0..11u8, body in vec(any::<u8>(), 0..120), short in any::<bool>(),
    ) {
        // Small numbers make whole messages likely.
        let body = body.iter().map(|&b| if short { b % 4 } else { b });
        let body: Vec<u8> = [kind].into_iter().chain(body).collect();
        let frame = frame_of(VERSION, &body);
        let got = outcomes(&mut Decoder::new(), &frame);
        prop_assert_eq!(got.len(), 1);
        if let Ok(up) = &got[0] {
            let canonical = encode(up).unwrap();
            prop_assert_eq!(canonical.as_bytes(), frame.as_slice());
        }
    }

    #[test]
    fn pieces_do_not_matter(bytes in stream(), cuts in vec(any::<prop::sample::Index>(), 0..8)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut decoder = Decoder::new();
        let pieces: Vec<_> = cuts.windows(2).flat_map(|cut| outcomes(&mut decoder, &bytes[cut[0]..cut[1]])).collect();
        prop_assert_eq!(pieces, outcomes(&mut Decoder::new(), &bytes));
    }

    #[test]
    fn after_noise_the_next_delimiter_is_enough(noise in vec(any::<u8>(), 0..700), up in any_up()) {
        let mut decoder = Decoder::new();
        let _ = outcomes(&mut decoder, &noise);
        let _ = outcomes(&mut decoder, &[0]);
        prop_assert_eq!(outcomes(&mut decoder, &encode(&up).unwrap()), vec![Ok(up)]);
    }

    #[test]
    fn scores_and_places_survive_within_half_a_step(values in vec(0f32..=1.0, 0..=MAX_LABELS), x in -1f32..=2.0) {
        let scores = scores_from_f32(&values).unwrap();
        for (score, value) in scores.iter().zip(&values) {
            prop_assert!((score.to_f32() - value).abs() <= 0.5001 / f32::from(SCALE));
        }
        prop_assert!((Coord::from_f32(x).unwrap().to_f32() - x).abs() <= 0.5001 / f32::from(SCALE));
    }
}
