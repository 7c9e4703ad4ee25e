//! The codec behind a bad line: nothing wrong is accepted, the second delimiter is always found, and little more is lost than
//! was damaged. `MTCAE_FRAMES=10000000 cargo test --release -p mtcae-hil --test codec -- --nocapture` for ten million frames.

use mtcae_hil::{Channel, Dice, Faults, NoiseKind};
use mtcae_wire::{
    Area, Coord, Decoder, FaceReport, LANDMARKS, Point, Quality, Report, Scores, Share, Smoothing, Up, encode,
    scores_from_f32,
};

/// Frames in one run.
fn frames() -> u32 {
    std::env::var("MTCAE_FRAMES").ok().map_or(200_000, |n| n.parse().expect("MTCAE_FRAMES is a number"))
}

/// A report that is different from every other, and hard to tell from them: only numbers differ.
fn report(seq: u32, dice: &mut Dice) -> Report {
    let mut coord = || Coord::from_f32(dice.below(8000) as f32 / 8192.0).expect("finite");
    let area = Area { x: coord(), y: coord(), w: coord(), h: coord() };
    let landmarks: [Point; LANDMARKS] = std::array::from_fn(|_| Point { x: coord(), y: coord() });
    let scores: Scores = scores_from_f32(&[0.5, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05]).expect("seven shares");
    let face = FaceReport {
        id: dice.number() as u32,
        area,
        landmarks,
        confidence: Share::ONE,
        scores,
        label: Some(0),
        smoothing: Smoothing::Stable,
        quality: Quality::default(),
    };
    Report {
        boot: 0xB007,
        seq,
        captured_us: u64::from(seq) * 66_667,
        age_us: dice.below(100_000) as u32,
        width: 640,
        height: 480,
        dropped: 0,
        faces: 1,
        face: Some(face),
    }
}

#[derive(Debug, Default)]
struct Found {
    frames: u64,
    damaged: u64,
    lost: u64,
    wrong: u64,
    /// Whole frames that were lost although the one before them was whole, too.
    late: u64,
    bad: u32,
    flips: u64,
    bytes: u64,
}

/// Sends frames one by one through a channel, and looks at what comes out.
fn send(noise: NoiseKind, frames: u32, seed: u64) -> Found {
    let mut channel = Channel::new(Faults { noise, split: 60, ..Faults::default() }, seed);
    let (mut decoder, mut dice) = (Decoder::<Up>::new(), Dice::new(seed));
    let (mut found, mut before_was_whole) = (Found::default(), true);
    for seq in 0..frames {
        let sent = report(seq, &mut dice);
        let frame = encode(&Up::Report(sent.clone())).expect("a report fits");
        channel.take(0, &frame);
        found.bytes += frame.len() as u64;
        let mut bytes = Vec::with_capacity(frame.len());
        while let Some(piece) = channel.give(0) {
            bytes.extend(piece);
        }
        let whole = bytes == frame[..];
        let mut came = false;
        for message in decoder.feed(&bytes) {
            match message {
                Ok(Up::Report(report)) if report == sent => came = true,
                // Also an earlier report twice: nothing but what was just sent may come.
                Ok(_) => found.wrong += 1,
                Err(_) => found.bad += 1,
            }
        }
        found.frames += 1;
        found.damaged += u64::from(!whole);
        found.lost += u64::from(!came);
        // A delimiter that was damaged takes the next frame along, and not the one after it.
        found.late += u64::from(whole && !came && before_was_whole);
        before_was_whole = whole;
    }
    found.flips = channel.counts().flips;
    found
}

fn hold(what: &str, noise: NoiseKind) {
    let found = send(noise, frames(), 20_241_218);
    let ratio = found.lost as f64 / found.damaged as f64;
    println!("{what}: {found:?}; lost / damaged {ratio:.4}");
    // The test is worth nothing without damage.
    assert!(found.damaged * 50 > found.frames, "{found:?}");
    assert_eq!((found.wrong, found.late), (0, 0), "{found:?}");
    assert!(ratio <= 1.03, "{found:?}");
}

#[test]
fn one_bit_in_ten_thousand() {
    hold("1e-4", NoiseKind::Bits { rate: 1e-4 });
}

#[test]
fn one_bit_in_a_thousand_in_bursts() {
    hold("1e-3 in bursts of 24 bits", NoiseKind::Bursts { rate: 1e-3, length: 24 });
}

#[test]
fn a_clean_line_loses_nothing() {
    let found = send(NoiseKind::None, 2_000, 1);
    assert_eq!((found.lost, found.bad, found.wrong), (0, 0, 0), "{found:?}");
}
