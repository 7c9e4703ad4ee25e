//! Host, line and board; time jumps from one event to the next.

use super::dice::Dice;
use super::disk::Disk;
use super::line::Line;
use mtcae_transfer::{Action, Micros, READ_AT_ONCE, Receiver, SendError, Sender, WINDOW};
use mtcae_wire::{
    Decoder, FaceReport, FromHost, Offer, Report, Up, UpdateChunk, UpdatePhase, encode, encode_chunk, scores_from_f32,
};

/// How fast a board reads back and hashes, bytes a microsecond.
const HASHING: u64 = 100;

pub struct Link {
    pub baud: u64,
    /// There and back.
    pub round_trip_us: Micros,
    pub error_rate: f64,
    /// Between two reports of the board; none when 0.
    pub report_every_us: Micros,
}

pub struct World {
    pub now: Micros,
    pub down: Line,
    pub up: Line,
    pub dice: Dice,
    pub bytes: Vec<u8>,
    pub offer: Offer,
    pub sender: Sender,
    host: Decoder<Up>,
    /// `None` while the board is off.
    receiver: Option<Receiver<Disk>>,
    /// The disk of a board that is off.
    disk: Option<Disk>,
    board: Decoder<FromHost>,
    board_busy_until: Micros,
    pub line_back_at: Micros,
    pub board_back_at: Micros,
    report_every: Micros,
    report_at: Micros,
    seq: u32,
    pub report_times: Vec<Micros>,
    /// Chunks the board took, over all its starts; and those it took or was sent for nothing.
    pub taken: u64,
    pub for_nothing: u64,
    /// Chunks the board was ever seen to have, and the most it ever called durable.
    pub most_received: u32,
    pub most_durable: u32,
    /// Chunks sent, over all senders.
    pub sent: u64,
    pub ended: Option<Result<UpdatePhase, SendError>>,
    wake: Micros,
}

impl World {
    pub fn new(link: &Link, bytes: Vec<u8>, offer: Offer, seed: u64) -> World {
        let mut dice = Dice(seed);
        let delay = link.round_trip_us / 2;
        let down = Line::new(link.baud, delay, link.error_rate, dice.next());
        let up = Line::new(link.baud, delay, link.error_rate, dice.next());
        let mut disk = Disk::default();
        disk.sync_us = 30_000;
        World {
            now: 0,
            down,
            up,
            sender: Sender::new(offer.clone(), dice.next() as u32),
            dice,
            bytes,
            offer,
            host: Decoder::new(),
            receiver: Some(Receiver::new(disk)),
            disk: None,
            board: Decoder::new(),
            board_busy_until: 0,
            line_back_at: 0,
            board_back_at: 0,
            report_every: link.report_every_us,
            report_at: link.report_every_us,
            seq: 0,
            report_times: Vec::new(),
            taken: 0,
            for_nothing: 0,
            most_received: 0,
            most_durable: 0,
            sent: 0,
            ended: None,
            wake: 0,
        }
    }

    pub fn disk(&mut self) -> &mut Disk {
        match &mut self.receiver {
            Some(receiver) => receiver.storage(),
            None => self.disk.as_mut().expect("a board that is off has a disk"),
        }
    }

    /// Whether the whole file lies on the board's disk, and nothing else.
    pub fn arrived(&mut self) -> bool {
        let bytes = std::mem::take(&mut self.bytes);
        let same = self.disk().bytes() == bytes;
        self.bytes = bytes;
        same
    }

    /// Runs until `end`, or until the transfer ends.
    pub fn run_until(&mut self, end: Micros) {
        while self.now < end && self.ended.is_none() {
            self.step();
            if self.ended.is_none() {
                self.now = self.next_event().clamp(self.now + 1, end.max(self.now + 1));
            }
        }
    }

    fn next_event(&self) -> Micros {
        let speaks = (self.now + self.up.busy(self.now)).max(self.board_busy_until);
        let board = self.receiver.as_ref().map_or(self.board_back_at, |receiver| {
            let report = if self.report_every > 0 { self.report_at } else { u64::MAX };
            let work = receiver.wait(self.now).map_or(u64::MAX, |wait| self.now + wait);
            report.min(work).max(speaks)
        });
        let line = (self.line_back_at > self.now).then_some(self.line_back_at);
        let events = [self.down.arrival(), self.up.arrival(), Some(board), line, Some(self.wake)];
        events.into_iter().flatten().min().unwrap_or(self.wake)
    }

    fn step(&mut self) {
        let now = self.now;
        if self.receiver.is_none() && now >= self.board_back_at {
            self.receiver = self.disk.take().map(Receiver::new);
            self.board = Decoder::new();
            self.report_at = now + self.report_every;
        }
        if self.line_back_at != 0 && now >= self.line_back_at {
            self.line_back_at = 0;
            self.sender.reconnected(now);
        }
        self.board_hears();
        self.board_speaks();
        self.host_hears();
        self.host_speaks();
    }

    fn board_hears(&mut self) {
        let bytes = self.down.read(self.now);
        let Some(receiver) = &mut self.receiver else { return };
        receiver.storage().now = self.now;
        for message in self.board.feed(&bytes).flatten() {
            assert!(receiver.take(self.now, &message, |_| Ok(())));
        }
    }

    fn board_speaks(&mut self) {
        let Some(receiver) = &mut self.receiver else { return };
        receiver.storage().now = self.now;
        while self.up.busy(self.now) == 0 && self.now >= self.board_busy_until {
            if self.report_every > 0 && self.now >= self.report_at {
                self.report_at += self.report_every;
                self.seq += 1;
                self.up.write(self.now, &encode(&report(self.seq)).expect("valid"));
                continue;
            }
            let verifying = receiver.state().phase == UpdatePhase::Verifying;
            let message = receiver.poll(self.now);
            if verifying {
                self.board_busy_until = self.now + READ_AT_ONCE as u64 / HASHING;
            }
            let state = receiver.state();
            assert!(state.received <= state.durable + u32::from(WINDOW));
            if state.phase >= UpdatePhase::Receiving {
                assert!(state.durable >= self.most_durable, "what was durable is gone: {state:?}");
                assert!(
                    state.received + u32::from(WINDOW) >= self.most_received,
                    "more than a window is gone: {state:?}"
                );
                self.most_durable = state.durable;
                self.most_received = self.most_received.max(state.received);
            }
            match message {
                Some(message) => self.up.write(self.now, &encode(&message).expect("valid")),
                None => break,
            }
        }
    }

    fn host_hears(&mut self) {
        let bytes = self.up.read(self.now);
        for message in self.host.feed(&bytes).flatten() {
            match &message {
                Up::Report(_) => self.report_times.push(self.now),
                message => self.sender.take(self.now, message),
            }
        }
    }

    fn host_speaks(&mut self) {
        while self.line_back_at == 0 && self.down.busy(self.now) == 0 {
            match self.sender.poll(self.now) {
                Action::Send(request) => self.down.write(self.now, &encode(&request).expect("valid")),
                Action::Chunk { index } => {
                    self.sent += 1;
                    let frame = encode_chunk(&self.chunk(index)).expect("valid");
                    self.down.write(self.now, &frame);
                }
                Action::Wait(us) => {
                    self.wake = self.now + us;
                    return;
                }
                Action::End(end) => {
                    self.ended = Some(end);
                    return;
                }
            }
        }
        self.wake = (self.now + self.down.busy(self.now)).max(self.line_back_at);
    }

    fn chunk(&self, index: u32) -> UpdateChunk {
        let start = index as usize * mtcae_wire::CHUNK;
        let data = self.bytes[start..start + self.offer.chunk_len(index)].iter().copied().collect();
        UpdateChunk { transfer: self.offer.transfer(), index, data }
    }

    /// The line breaks, loses what is on it, and is back after a while; the host notices.
    pub fn cut_line(&mut self, for_us: Micros) {
        self.down.cut(self.now);
        self.up.cut(self.now);
        self.line_back_at = self.now + for_us;
    }

    /// The line loses what is on it and nobody notices.
    pub fn lose_bytes(&mut self) {
        self.down.cut(self.now);
        self.up.cut(self.now);
    }

    pub fn noise(&mut self) {
        let len = 1 + self.dice.below(3000);
        self.down.noise(self.now, len);
        self.up.noise(self.now, len);
    }

    pub fn board_loses_power(&mut self, for_us: Micros) {
        self.count();
        if let Some(mut receiver) = self.receiver.take() {
            let mut disk = std::mem::take(receiver.storage());
            disk.now = self.now;
            disk.lose_power(&mut self.dice);
            self.disk = Some(disk);
        }
        self.board_back_at = self.now + for_us;
        // What the line carries to a board that is off is lost as it arrives.
    }

    pub fn host_starts_anew(&mut self) {
        self.sender = Sender::new(self.offer.clone(), self.dice.next() as u32);
        self.host = Decoder::new();
        self.wake = self.now;
    }

    /// Takes the board's counts over; called before it forgets them.
    pub fn count(&mut self) {
        if let Some(receiver) = &self.receiver {
            let counts = receiver.counts();
            self.taken += counts.chunks;
            self.for_nothing += counts.again + counts.strange;
        }
    }
}

fn report(seq: u32) -> Up {
    let face = FaceReport {
        id: 51_234,
        area: mtcae_wire::Area::from_f32([0.41, 0.18, 0.16, 0.37]).expect("finite"),
        landmarks: [mtcae_wire::Point::from_f32([0.45, 0.32]).expect("finite"); 5],
        confidence: mtcae_wire::Share::ONE,
        scores: scores_from_f32(&[0.11, 0.79, 0.02, 0.01, 0.02, 0.01, 0.04]).expect("seven finite numbers"),
        label: Some(1),
        smoothing: mtcae_wire::Smoothing::Stable,
        quality: mtcae_wire::Quality::GOOD,
    };
    let (captured_us, age_us) = (432_100_000, 96_250);
    Up::Report(Report {
        boot: 1,
        seq,
        captured_us,
        age_us,
        width: 640,
        height: 360,
        dropped: 0,
        faces: 1,
        face: Some(face),
    })
}
