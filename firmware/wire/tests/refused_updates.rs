//! Whole frames about updates, right checksum, and yet refused; and who takes the long ones.

mod common;
#[path = "common/samples.rs"]
mod samples;

use common::{body_of, frame_of, stuff};
use mtcae_wire::*;

fn from_host(frame: &[u8]) -> Result<FromHost, DecodeError> {
    let mut got: Vec<_> = Decoder::<FromHost>::new().feed(frame).collect();
    assert_eq!(got.len(), 1, "{got:?}");
    got.remove(0)
}

fn refusal(frame: &[u8]) -> String {
    from_host(frame).expect_err("refused").to_string()
}

fn chunk_frame(body: &[u8]) -> Vec<u8> {
    frame_of(VERSION | DOWN_BIT, &[&[CHUNK_KIND], body].concat())
}

#[test]
fn a_decoder_without_room_for_pieces_says_so_and_goes_on() {
    let mut decoder = Decoder::<Down>::new();
    let ping = Down::Ping(Ping { token: 3 });
    let short = UpdateChunk { data: [5].into_iter().collect(), ..samples::chunk() };
    let mut bytes = encode_chunk(&samples::largest_chunk()).unwrap().to_vec();
    bytes.extend(encode_chunk(&short).unwrap().as_bytes());
    bytes.extend(encode(&ping).unwrap().as_bytes());
    let got: Vec<_> = decoder.feed(&bytes).collect();
    let (overlong, unknown) = (DecodeError::Overlong { limit: MAX_FRAME }, DecodeError::UnknownKind { kind: 64 });
    assert_eq!(got, [Err(overlong), Err(unknown), Ok(ping.clone())]);
    assert_eq!(from_host(&encode(&ping).unwrap()), Ok(FromHost::Request(ping)));
}

#[test]
fn bytes_without_end_are_refused_once_and_the_next_frame_comes() {
    let chunk = samples::largest_chunk();
    let mut bytes = vec![1; 5000];
    bytes.push(0);
    bytes.extend(encode_chunk(&chunk).unwrap().as_bytes());
    let mut decoder = Decoder::<FromHost>::new();
    let got: Vec<_> = decoder.feed(&bytes).collect();
    assert_eq!(got, [Err(DecodeError::Overlong { limit: MAX_LONG_FRAME }), Ok(FromHost::Chunk(chunk))]);
    assert_eq!(decoder.counts(), Counts { good: 1, bad: 1, overlong: 1 });
}

#[test]
fn a_piece_must_be_whole_and_in_its_one_form() {
    let piece = |fields: &[u8]| from_host(&chunk_frame(fields));
    assert!(matches!(piece(&[7, 9, 2, 1, 2]), Ok(FromHost::Chunk(chunk)) if chunk.data == [1, 2]));
    insta::assert_snapshot!(refusal(&chunk_frame(&[7, 9, 0])), @"message refused: `UpdateChunk.data`: must not be empty");
    for fields in [[7, 9, 2, 1].as_slice(), &[7, 9, 2, 1, 2, 3], &[7, 9, 0x82, 0, 1, 2], &[7], &[]] {
        assert_eq!(piece(fields), Err(DecodeError::Body { kind: 64 }), "{fields:?}");
    }
    let long = [&[7, 9, 0x81, 0x08], [1; CHUNK + 1].as_slice()].concat();
    assert_eq!(piece(&long), Err(DecodeError::Body { kind: 64 }));
    assert!(piece(&[&[7, 9, 0x80, 0x08], [1; CHUNK].as_slice()].concat()).is_ok());
    let empty = UpdateChunk { transfer: 1, index: 0, data: Default::default() };
    assert!(encode_chunk(&empty).is_err());
}

#[test]
fn kinds_behind_the_piece_are_unknown() {
    assert_eq!(
        refusal(&frame_of(VERSION | DOWN_BIT, &[65, 1])),
        "message kind 65 is unknown to this build; the peer is newer"
    );
    assert_eq!(
        refusal(&frame_of(VERSION | DOWN_BIT, &[14, 1])),
        "message kind 14 is unknown to this build; the peer is newer"
    );
}

#[test]
fn every_shortened_piece_is_refused() {
    let chunk = samples::largest_chunk();
    let body = body_of(&encode_chunk(&chunk).unwrap());
    for len in 1..body.len() {
        let error = from_host(&frame_of(VERSION | DOWN_BIT, &body[..len]));
        assert_eq!(error, Err(DecodeError::Body { kind: 64 }), "{len}");
    }
}

#[test]
fn a_piece_cut_anywhere_on_the_line_is_refused() {
    let frame = encode_chunk(&samples::chunk()).unwrap();
    for len in 1..frame.len() - 1 {
        let mut decoder = Decoder::<FromHost>::new();
        let cut = [&frame[..len], &[0], frame.as_bytes()].concat();
        let good = decoder.feed(&cut).flatten().count();
        assert_eq!((good, decoder.counts().bad), (1, 1), "{len}");
    }
}

#[test]
fn the_groups_of_long_frames_are_those_of_cobs() {
    for chunk in [samples::chunk(), samples::largest_chunk()] {
        let frame = encode_chunk(&chunk).unwrap();
        let content = common::unstuff(&frame).unwrap();
        assert_eq!(stuff(&content), frame.as_bytes());
    }
}

#[test]
fn offers_that_cannot_be_are_refused_on_both_ends() {
    let Some(Down::UpdateBegin(begin)) = samples::down().into_iter().map(|(_, down)| down).nth(4) else {
        panic!("the samples' order changed");
    };
    let with = |length, families| {
        let offer = Offer { length, families, ..begin.offer.clone() };
        Down::UpdateBegin(UpdateBegin { offer, ..begin })
    };
    let families = begin.offer.families.clone();
    let none = with(0, families.clone());
    insta::assert_snapshot!(encode(&none).unwrap_err(), @"message not sent: `UpdateBegin.offer.length`: must be 1 to 2^42 - 1024");
    insta::assert_snapshot!(refusal(&frame_of(VERSION | DOWN_BIT, &postcard::to_allocvec(&none).unwrap())), @"message refused: `UpdateBegin.offer.length`: must be 1 to 2^42 - 1024");
    assert!(encode(&with(Offer::MAX_LENGTH + 1, families)).is_err());
    insta::assert_snapshot!(encode(&with(1, Default::default())).unwrap_err(), @"message not sent: `UpdateBegin.offer.families`: must name at least one family of boards");
}

#[test]
fn states_that_contradict_themselves_are_refused() {
    let good = UpdateState {
        token: 1,
        transfer: 2,
        phase: UpdatePhase::Receiving,
        chunks: 10,
        durable: 3,
        received: 5,
        later: 0b1111,
        window: 128,
        checked: 2,
    };
    let send = |state| encode(&Up::UpdateState(state));
    assert!(send(good).is_ok());
    let said = |state| send(state).unwrap_err().to_string();
    insta::assert_snapshot!(said(UpdateState { received: 11, ..good }), @"message not sent: `UpdateState.received`: must be at most `chunks`");
    insta::assert_snapshot!(said(UpdateState { durable: 6, ..good }), @"message not sent: `UpdateState.durable`: must be at most `received`");
    insta::assert_snapshot!(said(UpdateState { checked: 4, ..good }), @"message not sent: `UpdateState.checked`: must be at most `durable`");
    insta::assert_snapshot!(said(UpdateState { window: 129, ..good }), @"message not sent: `UpdateState.window`: must be at most 128");
    insta::assert_snapshot!(said(UpdateState { later: 0b1_0000, ..good }), @"message not sent: `UpdateState.later`: must not count chunks that the file does not have");
    assert!(send(UpdateState { received: 10, later: 1, ..good }).is_err());
    assert!(send(UpdateState { received: 10, later: 0, ..good }).is_ok());
}

#[test]
fn a_state_knows_which_chunks_are_there() {
    let state = UpdateState {
        token: 0,
        transfer: 1,
        phase: UpdatePhase::Receiving,
        chunks: 1000,
        durable: 0,
        received: 5,
        later: 1 | 1 << 127,
        window: 128,
        checked: 0,
    };
    let there: Vec<u32> = (0..1000).filter(|&index| state.has(index)).collect();
    assert_eq!(there, [0, 1, 2, 3, 4, 6, 133]);
    let offer = Offer { length: 2049, ..offer() };
    assert_eq!((offer.chunks(), [0, 1, 2, 3].map(|i| offer.chunk_len(i))), (3, [1024, 1024, 1, 0]));
    assert_eq!(Offer { length: Offer::MAX_LENGTH, ..offer }.chunks(), u32::MAX);
}

fn offer() -> Offer {
    let Some(Down::UpdateBegin(begin)) = samples::down().into_iter().map(|(_, down)| down).nth(4) else {
        panic!("the samples' order changed");
    };
    begin.offer
}
