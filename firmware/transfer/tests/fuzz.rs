//! Update messages with anything in them, from a seed, to decoders and to both ends: nothing panics, what is decoded
//! encodes to the same bytes, every bound holds, and at the end both still work.
//!
//! One execution is one mutated message: its body is damaged, gets a right checksum (so that it is looked at), goes through
//! the decoder, and what comes out goes to an end.

mod common;

use common::disk::Disk;
use common::{dice::Dice, offer_of};
use mtcae_transfer::{Action, Receiver, Sender, WINDOW};
use mtcae_wire::*;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long the everyday run lasts; bundles are fuzzed for as long again.
const LENGTH: Duration = Duration::from_secs(30);
const SEED: u64 = 0x6675_7a7a;
/// Messages to one pair of ends before it is replaced.
const LIFE: u64 = 5_000;
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);

#[derive(Default)]
struct Tally {
    executions: u64,
    /// Messages that were decoded, by kind.
    decoded: BTreeMap<&'static str, u64>,
    refused: u64,
    verified: u64,
    chunks_taken: u64,
    actions: u64,
}

/// A frame around any body, and the body's own bytes.
fn frame_of(first: u8, body: &[u8]) -> Vec<u8> {
    let mut content = vec![first];
    content.extend(body);
    content.extend(CRC.checksum(&content).to_le_bytes());
    let (mut frame, mut code) = (vec![0], 0);
    for byte in content {
        if frame.len() - code == 255 {
            frame[code] = 255;
            code = frame.len();
            frame.push(0);
        }
        if byte == 0 {
            frame[code] = (frame.len() - code) as u8;
            code = frame.len();
        }
        frame.push(byte);
    }
    frame[code] = (frame.len() - code) as u8;
    frame.push(0);
    frame
}

/// The body of a frame.
fn body_of(frame: &[u8]) -> Vec<u8> {
    let (mut content, mut at) = (Vec::new(), 0);
    while at + 1 < frame.len() {
        let next = at + usize::from(frame[at]);
        content.extend(&frame[at + 1..next]);
        if frame[at] < 255 && next + 1 < frame.len() {
            content.push(0);
        }
        at = next;
    }
    content[1..content.len() - 4].to_vec()
}

fn mutate(dice: &mut Dice, body: &mut Vec<u8>) {
    const EDGES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff];
    for _ in 0..dice.below(4) {
        let at = dice.below(body.len() as u64) as usize;
        match dice.below(7) {
            0 => body[at] ^= 1 << dice.below(8),
            1 => body[at] = dice.next() as u8,
            2 => body[at] = EDGES[dice.below(8) as usize],
            3 => body.insert(at, EDGES[dice.below(8) as usize]),
            4 if body.len() > 1 => drop(body.remove(at)),
            5 => body.truncate(at.max(1)),
            _ => {
                let end = (at + 1 + dice.below(9) as usize).min(body.len());
                body[at..end].fill(EDGES[dice.below(8) as usize]);
            }
        }
    }
}

/// Both ends, the file between them, and bodies to start from.
struct Pair {
    bytes: Vec<u8>,
    offer: Offer,
    receiver: Receiver<Disk>,
    sender: Sender,
    board: Decoder<FromHost>,
    host: Decoder<Up>,
    now: u64,
    /// Of messages that the ends really sent.
    to_board: Vec<Vec<u8>>,
    to_host: Vec<Vec<u8>>,
}

/// Bodies of each direction to start from, and bodies kept of what was really sent.
const SAMPLES: usize = 7;
const KEPT: usize = 16;

fn keep(dice: &mut Dice, pool: &mut Vec<Vec<u8>>, body: Vec<u8>) {
    if pool.len() < SAMPLES + KEPT {
        pool.push(body);
    } else {
        pool[SAMPLES + dice.below(KEPT as u64) as usize] = body;
    }
}

impl Pair {
    fn new(dice: &mut Dice) -> Pair {
        let length = 1 + dice.below(60_000) as usize;
        let bytes: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
        let offer = offer_of(&bytes);
        let request = Request { token: 9 };
        let transfer = offer.transfer();
        let slot = Slot { transfer, version: "1.4.0".into(), security_counter: 3, state: SlotState::Trial };
        let pair = SlotPair { active: Some(SlotName::A), slots: [Some(slot), None] };
        let slots = Slots {
            token: 9,
            family: "pc".into(),
            model: pair.clone(),
            daemon: pair,
            trial_starts_left: Some(2),
            security_counter: 3,
            free_bytes: 1 << 40,
        };
        let refused = UpdateRefused { token: 9, transfer, refusal: Refusal::Damaged, detail: "damaged".into() };
        let down: [Down; SAMPLES] = [
            Down::SlotsQuery(request),
            Down::UpdateQuery(request),
            Down::UpdateFinish(UpdateFinish { token: 9, transfer }),
            Down::Confirm(request),
            Down::Rollback(request),
            Down::LogsQuery(LogsQuery { token: 9, lines: 5 }),
            Down::UpdateBegin(UpdateBegin { token: 9, offer: offer.clone() }),
        ];
        let ack = Up::Ack(Ack { token: 9 });
        let nack = Up::Nack(Nack { token: 9, reason: Reason::Busy, detail: "busy".into() });
        let state = Up::UpdateState(Receiver::new(Disk::default()).state());
        let up: [Up; SAMPLES] =
            [Up::Slots(slots.clone()), Up::Slots(slots), Up::UpdateRefused(refused), ack, nack, state.clone(), state];
        Pair {
            receiver: Receiver::new(Disk::default()),
            sender: Sender::new(offer.clone(), dice.next() as u32),
            board: Decoder::new(),
            host: Decoder::new(),
            now: dice.next() >> (1 + dice.below(63)),
            to_board: down.iter().map(|down| body_of(&encode(down).expect("valid"))).collect(),
            to_host: up.iter().map(|up| body_of(&encode(up).expect("valid"))).collect(),
            bytes,
            offer,
        }
    }

    /// What the host sends next, undamaged; most of it arrives, some of it is only kept to be damaged.
    fn host_speaks(&mut self, dice: &mut Dice, tally: &mut Tally) {
        tally.actions += 1;
        let (frame, message) = match self.sender.poll(self.now) {
            Action::Send(down) => (encode(&down).expect("valid").to_vec(), FromHost::Request(down)),
            Action::Chunk { index } => {
                let start = index as usize * CHUNK;
                let data = self.bytes[start..start + self.offer.chunk_len(index)].iter().copied().collect();
                let chunk = UpdateChunk { transfer: self.offer.transfer(), index, data };
                (encode_chunk(&chunk).expect("valid").to_vec(), FromHost::Chunk(chunk))
            }
            Action::Wait(us) => return self.now = self.now.saturating_add(us),
            Action::End(_) => return self.sender = Sender::new(self.offer.clone(), dice.next() as u32),
        };
        // A whole chunk is kept now and then only: its length would leave little time for the rest.
        if frame.len() < 300 || dice.one_in(40) {
            keep(dice, &mut self.to_board, body_of(&frame));
        }
        if !dice.one_in(8) {
            self.receiver.take(self.now, &message, |_| Ok(()));
        }
        self.board_speaks(dice, tally);
    }

    fn board_speaks(&mut self, dice: &mut Dice, tally: &mut Tally) {
        for _ in 0..4 {
            self.receiver.storage().now = self.now;
            let Some(up) = self.receiver.poll(self.now) else { break };
            // It would be a bug of the receiver if it said what the wire does not let pass.
            let frame = encode(&up).expect("valid");
            keep(dice, &mut self.to_host, body_of(&frame));
            if !dice.one_in(8) {
                self.sender.take(self.now, &up);
            }
        }
        let state = self.receiver.state();
        assert!(state.durable <= state.received && state.received <= state.durable + u32::from(WINDOW));
        assert!(self.receiver.storage().bytes().len() <= (state.received as usize + 1) * CHUNK || state.transfer == 0);
        if self.receiver.verified().is_some_and(|offer| offer.sha256 == self.offer.sha256) {
            assert!(self.receiver.storage().bytes() == self.bytes);
            tally.verified += 1;
            self.receiver.installed(self.now);
        }
    }

    /// One execution to the board.
    fn damage_down(&mut self, dice: &mut Dice, tally: &mut Tally) {
        let mut body = self.to_board[dice.below(self.to_board.len() as u64) as usize].clone();
        mutate(dice, &mut body);
        let frame = frame_of(VERSION | DOWN_BIT, &body);
        let message = match self.board.feed(&frame).next() {
            Some(Ok(message)) => message,
            _ => return tally.refused += 1,
        };
        let again = match &message {
            FromHost::Request(down) => encode(down).map(|frame| frame.to_vec()),
            FromHost::Chunk(chunk) => encode_chunk(chunk).map(|frame| frame.to_vec()),
        };
        assert_eq!(again.as_ref(), Ok(&frame), "{message:?}");
        *tally.decoded.entry(kind(&message)).or_default() += 1;
        self.receiver.take(self.now, &message, |_| Ok(()));
        self.board_speaks(dice, tally);
    }

    /// One execution to the host.
    fn damage_up(&mut self, dice: &mut Dice, tally: &mut Tally) {
        let mut body = self.to_host[dice.below(self.to_host.len() as u64) as usize].clone();
        mutate(dice, &mut body);
        let frame = frame_of(VERSION, &body);
        let message = match self.host.feed(&frame).next() {
            Some(Ok(message)) => message,
            _ => return tally.refused += 1,
        };
        assert_eq!(encode(&message).map(|frame| frame.to_vec()).as_ref(), Ok(&frame), "{message:?}");
        let kind = match &message {
            Up::Slots(_) => "Slots",
            Up::UpdateState(_) => "UpdateState",
            Up::UpdateRefused(_) => "UpdateRefused",
            _ => "others up",
        };
        *tally.decoded.entry(kind).or_default() += 1;
        self.sender.take(self.now, &message);
        let progress = self.sender.progress();
        assert!(progress.durable <= progress.received && progress.received <= progress.length);
    }
}

fn kind(message: &FromHost) -> &'static str {
    match message {
        FromHost::Chunk(_) => "UpdateChunk",
        FromHost::Request(down) => match down {
            Down::SlotsQuery(_) => "SlotsQuery",
            Down::UpdateBegin(_) => "UpdateBegin",
            Down::UpdateQuery(_) => "UpdateQuery",
            Down::UpdateFinish(_) => "UpdateFinish",
            Down::Confirm(_) => "Confirm",
            Down::Rollback(_) => "Rollback",
            Down::LogsQuery(_) => "LogsQuery",
            _ => "others down",
        },
    }
}

/// Goes on while `more` says so of the executions and the time so far.
fn fuzz(more: impl Fn(u64, Duration) -> bool) {
    let started = Instant::now();
    let mut dice = Dice(SEED);
    let mut tally = Tally::default();
    while more(tally.executions, started.elapsed()) {
        let mut pair = Pair::new(&mut dice);
        for _ in 0..LIFE {
            match dice.below(8) {
                0 => pair.host_speaks(&mut dice, &mut tally),
                1 => pair.now = pair.now.saturating_add(dice.next() >> (24 + dice.below(40))),
                2..5 => {
                    tally.executions += 1;
                    pair.damage_down(&mut dice, &mut tally);
                }
                _ => {
                    tally.executions += 1;
                    pair.damage_up(&mut dice, &mut tally);
                }
            }
        }
        tally.chunks_taken += pair.receiver.counts().chunks;
    }
    let Tally { executions: done, refused, verified, chunks_taken, actions, decoded } = tally;
    println!("{done} executions in {:.0} s, seed {SEED:#x}, 0 panics", started.elapsed().as_secs_f64());
    println!("  {refused} refused by a decoder; delivered to the ends:");
    decoded.iter().for_each(|(kind, count)| println!("  {count:>10} {kind}"));
    println!("  in between {actions} undamaged messages; {chunks_taken} chunks taken, {verified} files verified");
    assert_eq!(decoded.len(), 13, "a kind of message no longer gets through: {decoded:?}");
    let least = decoded.iter().filter(|(kind, _)| !kind.starts_with("others")).map(|(_, count)| *count).min();
    assert!(least.is_some_and(|least| least >= done / 2_000), "too few of a kind: {decoded:?}");
    assert!(refused >= done / 10 && verified >= done / 100_000 && chunks_taken > 0, "{refused} {verified}");
}

#[test]
fn nothing_that_passes_the_checksum_harms_an_end() {
    fuzz(|_, elapsed| elapsed < LENGTH);
}

#[test]
#[ignore = "a hundred million executions: cargo test --release -p mtcae-transfer --test fuzz -- --ignored --nocapture"]
fn nothing_of_a_hundred_million_harms_an_end() {
    fuzz(|executions, _| executions < 100_000_000);
}
