//! What a simulated board does with what it hears.

use super::{Happened, frame};
use mtcae_transfer::{File, Receiver, Storage, StorageError};
use mtcae_wire::*;
use std::collections::VecDeque;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// How an installed version ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its self-test is good.
    Confirm,
    /// It crashes until it is gone.
    GoBack,
    /// It waits for a person.
    Hold,
    /// It is refused when it is to be installed.
    Refuse(Refusal),
    /// The line is cut when the file is verified, and comes back when the version is on trial, or later.
    CutMeanwhile { away_ms: u64 },
    /// The power goes when the file is verified, once; then its self-test is good.
    LosePower,
}

/// A fault that waits for its turn.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// After so many bytes heard.
    pub after: u64,
    pub line: bool,
    pub power: bool,
    pub away_ms: u64,
}

/// What kind of board it is.
#[derive(Debug, Clone)]
pub struct Script {
    pub ending: Ending,
    pub family: &'static str,
    pub counter: u32,
    pub free_bytes: u64,
    pub faults: Vec<Fault>,
    /// It reads about a kilobyte in 2 ms, no faster.
    pub slow: bool,
    /// One of so many bytes heard is damaged.
    pub damage_one_in: Option<u64>,
    /// Noise before each answer.
    pub noise: bool,
    pub mute: bool,
    pub updates: bool,
    /// The answer to this many `Confirm` and `Rollback` requests is lost.
    pub lost_answers: u32,
    /// The line is cut for a moment by a `Rollback`, which is carried out.
    pub cut_by_rollback: bool,
    /// So long after a `Rollback` the daemon ends.
    pub ends_after_ms: u64,
    /// A version is on trial from the start.
    pub on_trial: bool,
    /// It runs a version that is confirmed, before which one with an older counter was.
    pub older_before: bool,
    /// No permit counts.
    pub takes_no_permit: bool,
    pub log_lines: u64,
    /// It says now and then how it is.
    pub status: bool,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            ending: Ending::Confirm,
            family: "pc",
            counter: 1,
            free_bytes: 1 << 30,
            faults: Vec::new(),
            slow: false,
            damage_one_in: None,
            noise: false,
            mute: false,
            updates: true,
            lost_answers: 0,
            cut_by_rollback: false,
            ends_after_ms: 0,
            on_trial: false,
            older_before: false,
            takes_no_permit: false,
            log_lines: 12,
            status: true,
        }
    }
}

/// Keeps the file in memory; what was not synced is lost with the power.
#[derive(Default)]
struct Memory {
    file: Option<File>,
    bytes: Vec<u8>,
    durable: usize,
}

impl Storage for Memory {
    fn begin(&mut self, file: &File) -> Result<u64, StorageError> {
        if self.file != Some(*file) {
            *self = Memory { file: Some(*file), ..Memory::default() };
        }
        self.bytes.truncate(self.durable);
        Ok(self.durable as u64)
    }

    fn append(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StorageError> {
        assert_eq!(offset, self.bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        self.durable = self.bytes.len();
        Ok(())
    }

    fn durable(&mut self) -> Result<u64, StorageError> {
        Ok(self.durable as u64)
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        buffer.copy_from_slice(&self.bytes[offset as usize..][..buffer.len()]);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), StorageError> {
        *self = Memory::default();
        Ok(())
    }
}

/// What comes of a file, in microseconds of the board's clock.
enum Next {
    Installed,
    Restart,
    TrialEnds(u32),
    DaemonEnds,
}

pub struct Brain {
    script: Script,
    began: Instant,
    boot: u32,
    receiver: Receiver<Memory>,
    slots: Slots,
    answers: VecDeque<Vec<u8>>,
    next: Option<(u64, Next)>,
    lost_power: bool,
    dice: u64,
    begins: u32,
    installs: u32,
    rollbacks: u32,
    before: (u64, u64),
    next_status: u64,
}

fn slot(transfer: u32, version: &str, state: SlotState) -> Option<Slot> {
    Some(Slot { transfer, version: version.into(), security_counter: 1, state })
}

impl Brain {
    pub fn new(script: Script) -> Brain {
        let pair = SlotPair { active: Some(SlotName::A), slots: [slot(1, "0.1.0", SlotState::Confirmed), None] };
        let mut slots = Slots {
            token: 0,
            family: script.family.into(),
            model: pair.clone(),
            daemon: pair,
            trial_starts_left: None,
            security_counter: script.counter,
            free_bytes: script.free_bytes,
        };
        if script.on_trial {
            put(&mut slots, slot(2, "0.2.0", SlotState::Trial), SlotName::B);
        }
        if script.older_before {
            let newer = slot(2, "0.2.0", SlotState::Confirmed).map(|slot| Slot { security_counter: 2, ..slot });
            put(&mut slots, newer, SlotName::B);
        }
        Brain {
            script,
            began: Instant::now(),
            boot: 100,
            receiver: Receiver::new(Memory::default()),
            slots,
            answers: VecDeque::new(),
            next: None,
            lost_power: false,
            dice: 1,
            begins: 0,
            installs: 0,
            rollbacks: 0,
            before: (0, 0),
            next_status: 0,
        }
    }

    fn now(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.dice >> 33
    }

    pub fn is_slow(&self) -> bool {
        self.script.slow
    }

    /// Flips a bit now and then.
    pub fn damage(&mut self, bytes: &mut [u8], happened: &mut Happened) {
        let Some(one_in) = self.script.damage_one_in else { return };
        for byte in bytes {
            if self.roll().is_multiple_of(one_in) {
                *byte ^= 1 << (self.dice % 8);
                happened.noise += 1;
            }
        }
    }

    /// The next fault, when its turn has come.
    pub fn fault(&mut self, bytes: u64) -> Option<Fault> {
        let due = self.script.faults.first().is_some_and(|fault| bytes >= fault.after);
        due.then(|| self.script.faults.remove(0))
    }

    /// What is durable survives; the daemon starts anew.
    pub fn power_cut(&mut self) {
        let counts = self.receiver.counts();
        self.before = (self.before.0 + counts.chunks, self.before.1 + counts.again);
        let storage = std::mem::take(self.receiver.storage());
        self.receiver = Receiver::new(storage);
        self.boot += 1;
        self.answers.clear();
        // What was not durable yet did not happen.
        self.next.take_if(|(_, next)| matches!(next, Next::Installed));
        self.say(&self.hello());
    }

    pub fn count(&self, happened: &mut Happened) {
        let counts = self.receiver.counts();
        happened.chunks = self.before.0 + counts.chunks;
        happened.again = self.before.1 + counts.again;
        (happened.begins, happened.installs, happened.rollbacks) = (self.begins, self.installs, self.rollbacks);
    }

    fn say(&mut self, up: &Up) {
        if self.script.mute {
            return;
        }
        if self.script.noise {
            self.answers.push_back(b"\xff\x01kernel: what another baud rate sounds like\0\x07\x07\0".to_vec());
        }
        self.answers.push_back(frame(up));
    }

    /// What is to be sent.
    pub fn says(&mut self) -> Vec<Vec<u8>> {
        let now = self.now();
        while let Some(up) = self.receiver.poll(now) {
            self.say(&up);
        }
        self.go_on(now);
        if self.script.status && now >= self.next_status {
            self.next_status = now + 300_000;
            self.say(&self.status(now));
        }
        self.answers.drain(..).collect()
    }

    /// From a whole file to its end.
    fn go_on(&mut self, now: u64) {
        if self.receiver.verified().is_some() && self.next.is_none() {
            match self.script.ending {
                Ending::Refuse(refusal) => self.receiver.refuse(now, refusal, "the board says why"),
                Ending::LosePower if !self.lost_power => {
                    self.lost_power = true;
                    self.power_cut();
                }
                ending => {
                    if let Ending::CutMeanwhile { away_ms } = ending {
                        self.answers.clear();
                        self.script.faults = vec![Fault { after: 0, line: true, power: false, away_ms }];
                    }
                    self.installs += 1;
                    self.receiver.installing(now);
                    self.next = Some((now + 30_000, Next::Installed));
                }
            }
        }
        if self.next.as_ref().is_some_and(|(at, _)| now >= *at)
            && let Some((_, next)) = self.next.take()
        {
            self.happen(now, &next);
        }
    }

    fn happen(&mut self, now: u64, next: &Next) {
        match next {
            Next::Installed => {
                self.receiver.installed(now);
                let transfer = self.receiver.state().transfer;
                put(&mut self.slots, slot(transfer, "0.5.0", SlotState::Trial), SlotName::B);
                self.next = Some((now + 60_000, Next::Restart));
            }
            Next::Restart => {
                self.power_cut();
                self.slots.trial_starts_left = Some(2);
                self.next = Some((now + 300_000, Next::TrialEnds(2)));
            }
            Next::TrialEnds(left) => self.end_trial(now, *left),
            Next::DaemonEnds => self.power_cut(),
        }
    }

    fn end_trial(&mut self, now: u64, left: u32) {
        match (self.script.ending, left) {
            (Ending::Hold, _) => {}
            (Ending::GoBack, 1..) => {
                self.power_cut();
                self.slots.trial_starts_left = Some(left as u8 - 1);
                self.next = Some((now + 1_200_000, Next::TrialEnds(left - 1)));
            }
            (Ending::GoBack, 0) => {
                self.power_cut();
                set(&mut self.slots, SlotState::Failed, SlotName::A);
            }
            _ => set(&mut self.slots, SlotState::Confirmed, SlotName::B),
        }
    }

    fn status(&self, now: u64) -> Up {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
        let infer = Percentiles { p50_us: 41_000, p99_us: 55_000 };
        Up::Status(Status {
            boot: self.boot,
            uptime_ms: now / 1000,
            unix_offset_us: Some(unix - now as i64),
            engine: "tract".into(),
            camera: CameraState::Streaming,
            sink: SinkState::Connected,
            counters: Counters { frames: 900, clips: 300, reports: 300, ..Counters::default() },
            fps_tenths: 299,
            temperature_tenths_c: Some(481),
            rss_kib: 90_000,
            latency: Latencies { infer, ..Latencies::default() },
            parts: Parts::default(),
            clips_tenths: 100,
        })
    }

    fn hello(&self) -> Up {
        Up::Hello(Hello {
            protocol: 1,
            boot: self.boot,
            device: "bench".into(),
            firmware: "0.1.0".into(),
            model: "edge".into(),
            model_version: "0.1.0".into(),
            engine: "tract".into(),
            labels: heapless::Vec::from_slice(&["neutral", "happy"].map(Text::from)).unwrap(),
        })
    }

    pub fn take(&mut self, message: &FromHost) {
        if matches!(message, FromHost::Request(Down::UpdateBegin(_))) {
            self.begins += 1;
        }
        let now = self.now();
        let slot = self.slots.model.slots[1].clone().map(|slot| (slot.state, slot.transfer));
        let admit = |offer: &Offer| match slot {
            Some((SlotState::Trial, _)) => Err((Refusal::Busy, "a version is on trial".to_owned())),
            Some((SlotState::Confirmed, there)) if there == offer.transfer() => {
                Err((Refusal::AlreadyInstalled, "this very file is confirmed here".to_owned()))
            }
            _ => Ok(()),
        };
        if self.script.updates && self.receiver.take(now, message, admit) {
            return;
        }
        let FromHost::Request(down) = message else { return };
        match down {
            Down::Hello => self.say(&self.hello()),
            Down::Ping(ping) => self.say(&Up::Pong(Pong { token: ping.token, board_us: now })),
            Down::Permit(permit) if self.script.takes_no_permit => {
                self.nack(permit.token, Reason::BadValue, "the permit expired at 86400 s (Unix)");
            }
            Down::Permit(permit) => self.say(&Up::Ack(Ack { token: permit.token })),
            Down::LogsQuery(query) => self.logs(*query),
            Down::Camera(order) => match &order.action {
                CameraAction::Choose(mode) if mode.format.as_str() != "MJPG" => {
                    let asked = format!("the camera has no mode {} {}x{}", mode.format, mode.width, mode.height);
                    self.nack(order.token, Reason::BadValue, &asked);
                }
                _ => self.say(&Up::Ack(Ack { token: order.token })),
            },
            Down::CameraModesQuery(Request { token }) => {
                let mode = Mode { format: "MJPG".into(), width: 1280, height: 720, fps_tenths: 300 };
                let (token, current) = (*token, true);
                self.say(&Up::CameraMode(CameraMode { token, index: 0, count: 1, mode, current, readable: true }));
                self.say(&Up::Ack(Ack { token }));
            }
            Down::SlotsQuery(request) if self.script.updates => {
                self.slots.token = request.token;
                self.say(&Up::Slots(self.slots.clone()));
            }
            Down::Confirm(request) if self.script.updates => self.confirm(request.token),
            Down::Rollback(request) if self.script.updates => self.roll_back(request.token),
            Down::SlotsQuery(Request { token })
            | Down::UpdateQuery(Request { token })
            | Down::Confirm(Request { token })
            | Down::Rollback(Request { token }) => {
                self.nack(*token, Reason::Unsupported, "this board takes no updates over this line");
            }
            _ => {}
        }
    }

    fn nack(&mut self, token: u32, reason: Reason, detail: &str) {
        self.say(&Up::Nack(Nack { token, reason, detail: detail.into() }));
    }

    fn acknowledge(&mut self, token: u32) {
        match self.script.lost_answers.checked_sub(1) {
            Some(left) => self.script.lost_answers = left,
            None => self.say(&Up::Ack(Ack { token })),
        }
    }

    fn logs(&mut self, query: LogsQuery) {
        let first = self.script.log_lines.saturating_sub(query.lines.into());
        for line in first..self.script.log_lines {
            let text = Text::new(&format!("line {line}"));
            self.say(&Up::Log(Log { level: Level::Info, at_us: line * 1000, text }));
        }
        self.say(&Up::Ack(Ack { token: query.token }));
    }

    fn confirm(&mut self, token: u32) {
        if self.slots.model.slots[1].as_ref().is_some_and(|slot| slot.state == SlotState::Trial) {
            set(&mut self.slots, SlotState::Confirmed, SlotName::B);
            self.acknowledge(token);
        } else {
            self.nack(token, Reason::Failed, "confirm is not possible now");
        }
    }

    fn roll_back(&mut self, token: u32) {
        if self.slots.model.slots[1].is_none() {
            return self.nack(token, Reason::Failed, "there is no version to go back to");
        }
        if self.script.older_before {
            let why = "the model has security counter 1, and this board accepts 2 or more";
            return self.nack(token, Reason::BadValue, why);
        }
        let to = if self.slots.model.active == Some(SlotName::A) { SlotName::B } else { SlotName::A };
        let trial = self.slots.model.slots[1].as_ref().is_some_and(|slot| slot.state == SlotState::Trial);
        set(&mut self.slots, if trial { SlotState::Failed } else { SlotState::Confirmed }, to);
        self.rollbacks += 1;
        self.acknowledge(token);
        if self.script.cut_by_rollback {
            self.answers.clear();
            self.script.faults = vec![Fault { after: 0, line: true, power: false, away_ms: 300 }];
        }
        if self.script.ends_after_ms > 0 {
            self.next = Some((self.now() + self.script.ends_after_ms * 1000, Next::DaemonEnds));
            return;
        }
        // Its daemon ends, and the launcher starts the other one.
        let mut answers = std::mem::take(&mut self.answers);
        self.power_cut();
        answers.append(&mut self.answers);
        self.answers = answers;
    }
}

/// Puts a slot beside the one that runs, as the one that starts next.
fn put(slots: &mut Slots, slot: Option<Slot>, active: SlotName) {
    for pair in [&mut slots.model, &mut slots.daemon] {
        pair.slots[1] = slot.clone();
        pair.active = Some(active);
    }
}

/// The second slot's new state, and what runs from now on.
fn set(slots: &mut Slots, state: SlotState, active: SlotName) {
    slots.trial_starts_left = None;
    for pair in [&mut slots.model, &mut slots.daemon] {
        if let Some(slot) = &mut pair.slots[1] {
            slot.state = state;
        }
        pair.active = Some(active);
    }
}
