//! One sink's thread: what waits for it goes out, requests come in, and a lost line is opened again.

use crate::camera::Order;
use crate::line::Line;
use crate::machine::offset_from_unix;
use crate::shared::{Condition, Mail, Shared, lock};
use crate::subscription::Subscription;
use crate::updates::Updates;
use mtcae_board_configs::SinkKind;
use mtcae_contract::Micros;
use mtcae_core::{Outbox, SinkError};
use mtcae_wire::{
    Ack, CameraOrder, Down, FromHost, Level, LogsQuery, Nack, PermitOffer, Pong, Reason, Request, SetTime, SinkState,
    Text, Up, UpdateBegin, UpdateFinish,
};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest wait between two looks for a request.
const POLL: Duration = Duration::from_millis(10);
/// The same while a file comes in, and for a while after a request.
const AT_WORK: Duration = Duration::from_millis(1);
/// Who has asked something may ask again, or set the clock: its next message is looked for quickly so long, microseconds.
const CONVERSATION: Micros = 300_000;
/// First pause before a lost line is opened again, microseconds; doubles with every try.
const FIRST_RETRY: Micros = 250_000;
/// Longest such pause, microseconds.
const LONGEST_RETRY: Micros = 4_000_000;
/// Requests answered before the outbox has its turn.
const REQUESTS_AT_ONCE: usize = 16;
/// Wait before the first status, so that there is something to tell, microseconds.
const FIRST_STATUS: Micros = 500_000;
/// Time between two looks whether a status is due, microseconds.
const LOOK_EVERY: Micros = 50_000;
/// Log lines, or modes of a camera, in one answer, at most: as many as a usual outbox has room for, and some to spare.
const ANSWERS_AT_ONCE: usize = 48;
/// Messages sent before requests have their turn.
const SENDS_AT_ONCE: usize = 16;
/// At the end, what waits is sent for at most this long, microseconds.
const FAREWELL: Micros = 500_000;

/// The thread's own things.
pub(crate) struct Link<'a> {
    shared: &'a Shared,
    /// Place of its mail.
    at: usize,
    mail: &'a Mail,
    kind: &'a SinkKind,
    updates: Option<&'a Updates>,
    status_every: Micros,
    line: Option<Line>,
    /// It has turned out to work.
    settled: bool,
    /// Who listens on the line.
    session: Option<u64>,
    /// A Hello has to go out before anything else.
    hello_due: bool,
    /// Bad frames received by openings before this one.
    bad_before: u64,
    retry_at: Micros,
    pause: Micros,
    /// When the last status was told.
    status_at: Micros,
    look_at: Micros,
    condition: Option<Condition>,
    /// When the last request came.
    asked_at: Option<Micros>,
}

impl<'a> Link<'a> {
    pub fn new(
        shared: &'a Shared,
        at: usize,
        kind: &'a SinkKind,
        status_every: Micros,
        updates: Option<&'a Updates>,
    ) -> Link<'a> {
        Link {
            shared,
            at,
            mail: &shared.mail[at],
            kind,
            updates,
            status_every,
            line: None,
            settled: false,
            session: None,
            hello_due: false,
            bad_before: 0,
            retry_at: 0,
            pause: FIRST_RETRY,
            status_at: 0,
            look_at: FIRST_STATUS.min(status_every),
            condition: None,
            asked_at: None,
        }
    }

    /// Runs until `closing`, and then until nothing waits any more or the time for that is over.
    pub fn run(mut self, closing: &AtomicBool) {
        let mut deadline = None;
        loop {
            let now = self.shared.now();
            self.shared.beats.sinks.store(now, Ordering::Relaxed);
            if closing.load(Ordering::Relaxed) {
                let end = *deadline.get_or_insert(now + FAREWELL);
                if now >= end || !self.is_heard() || lock(&self.mail.state).outbox.is_empty() {
                    return;
                }
            }
            if self.line.is_none() && now >= self.retry_at {
                self.connect(now);
            }
            if !self.settled && self.line.as_ref().is_some_and(Line::is_open) {
                self.settle();
            }
            self.tell_status(now);
            if let Err(why) = self.talk() {
                self.lose(&why);
            }
            self.rest();
        }
    }

    fn connect(&mut self, now: Micros) {
        match Line::open(self.kind, self.shared) {
            Ok(line) => {
                self.line = Some(line);
                self.settled = false;
                self.session = None;
                self.hello_due = false;
            }
            Err(why) => self.retry_later(&why, now),
        }
    }

    /// The line just opened works.
    fn settle(&mut self) {
        let mut state = lock(&self.mail.state);
        let again = state.sink == SinkState::Lost;
        state.reconnects += u64::from(again);
        state.sink = SinkState::Connected;
        state.outbox.resume();
        drop(state);
        self.settled = true;
        // Standard output can always be opened, and is none the better for it.
        if !self.is_stdout() {
            self.pause = FIRST_RETRY;
        }
        if (again || self.retry_at > 0) && self.pause == FIRST_RETRY {
            self.shared.log(Level::Info, &format!("sink {} is connected", self.mail.name));
        }
    }

    /// It could not be opened, or did not work once it was.
    fn retry_later(&mut self, why: &SinkError, now: Micros) {
        if self.pause == FIRST_RETRY {
            self.shared.log(Level::Warn, &format!("{why}; tried again every few seconds"));
        }
        self.retry_at = now + self.pause;
        self.pause = (2 * self.pause).min(LONGEST_RETRY);
    }

    fn lose(&mut self, why: &SinkError) {
        self.bad_before += self.line.take().map_or(0, |line| line.bad_received());
        if !self.settled {
            self.retry_later(why, self.shared.now());
            return;
        }
        lock(&self.mail.state).sink = SinkState::Lost;
        self.retry_at = self.shared.now() + self.pause;
        if self.pause == FIRST_RETRY {
            self.shared.log(Level::Warn, &format!("sink lost: {why}"));
        }
        if self.is_stdout() {
            self.pause = (2 * self.pause).min(LONGEST_RETRY);
        }
    }

    fn is_stdout(&self) -> bool {
        matches!(self.kind, SinkKind::Stdout)
    }

    fn is_heard(&self) -> bool {
        self.line.is_some() && self.session.is_some()
    }

    /// A status when it is time for one, and when something has changed.
    fn tell_status(&mut self, now: Micros) {
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK_EVERY;
        let every = lock(&self.mail.state).subscription.status_every(self.status_every);
        let condition = self.shared.condition();
        let changed = self.condition.replace(condition) != Some(condition);
        if changed || every.is_some_and(|every| now >= self.status_at + every || now < self.status_at) {
            self.status_at = now;
            self.push_status(now);
        }
    }

    fn push_status(&self, now: Micros) {
        // While nobody listens only the newest state counts; older ones would take the room of other messages.
        if !self.is_heard() {
            return;
        }
        let counts = lock(&self.mail.state).outbox.counts();
        self.mail.push(self.shared.status(now, &counts));
    }

    /// Requests in, messages out, as far as the line goes without waiting.
    fn talk(&mut self) -> Result<(), SinkError> {
        let Some(line) = self.line.as_mut() else { return Ok(()) };
        for _ in 0..REQUESTS_AT_ONCE {
            let message = line.poll()?;
            // Before the first word of somebody new.
            if line.session() != self.session {
                self.session = line.session();
                self.hello_due = self.session.is_some();
                self.mail.begin(self.session);
            }
            let Some(message) = message else { break };
            let now = self.shared.now();
            self.asked_at = Some(now);
            if let Some(updates) = self.updates {
                let (taken, answer) = updates.take(self.at, now, &message);
                answer.into_iter().for_each(|answer| self.mail.answer(answer));
                if taken {
                    continue;
                }
            }
            // Pieces of a file that nobody has offered.
            let FromHost::Request(request) = message else { continue };
            if matches!(request, Down::Hello) {
                // Whoever asks this knows nothing of what another one subscribed to.
                lock(&self.mail.state).subscription = Subscription::default();
                self.hello_due = true;
            } else if let Some(answer) = answer(self.shared, self.at, self.mail, request) {
                self.mail.answer(answer);
            }
        }
        if let Some(updates) = self.updates {
            while let Some(message) = updates.poll(self.at, self.shared.now()) {
                self.mail.push(message);
            }
        }
        lock(&self.mail.state).bad_received = self.bad_before + line.bad_received();
        while let Some(news) = line.news() {
            self.shared.log(news.level, &news.text);
        }
        if self.session.is_none() {
            // What waits grows old, and is dropped and counted.
            return Ok(());
        }
        if self.hello_due {
            match line.send(&Up::Hello(self.shared.hello.clone())) {
                Ok(()) => self.hello_due = false,
                Err(SinkError::Busy) => return Ok(()),
                Err(lost) => return Err(lost),
            }
        }
        send_waiting(self.shared, self.mail, line)
    }

    /// Until a message arrives, or it is time to look for requests.
    fn rest(&self) {
        let state = lock(&self.mail.state);
        let busy = state.outbox.wait(self.shared.now());
        let time = match (self.is_heard(), busy) {
            // More waits and the line takes it.
            (true, Some(0)) if !self.hello_due => return,
            (true, Some(us)) if us > 0 => POLL.min(Duration::from_micros(us)),
            _ => POLL,
        };
        // A file fills the line's buffer in a few milliseconds.
        let at_work = self.updates.is_some_and(|updates| updates.at_work(self.at));
        let talking = self.asked_at.is_some_and(|at| self.shared.now().saturating_sub(at) < CONVERSATION);
        let time = if at_work || talking { time.min(AT_WORK) } else { time };
        if !self.is_heard() || self.hello_due || busy.is_some() {
            drop(state);
            std::thread::sleep(time);
        } else {
            drop(self.mail.arrived.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Sends the oldest messages until the line is busy.
fn send_waiting(shared: &Shared, mail: &Mail, line: &mut Line) -> Result<(), SinkError> {
    for _ in 0..SENDS_AT_ONCE {
        let Some(message) = lock(&mail.state).outbox.front(shared.now()).cloned() else { break };
        // Not under the lock: the line may take its time, and reports must not wait for it.
        let result = line.send(&message);
        let mut state = lock(&mail.state);
        match result {
            Ok(()) => took(&mut state.outbox, &message, shared.now()),
            Err(SinkError::Busy) => {
                state.outbox.busy(shared.now());
                break;
            }
            Err(lost) => return Err(lost),
        }
        if let Up::Report(report) = &message {
            let now = shared.now();
            let short = |us: Micros| us.min(u64::from(u32::MAX)) as u32;
            state.age.add(short(now.saturating_sub(report.captured_us)));
            drop(state);
            if let Some(cost) = shared.cost(report.seq) {
                let us = short(cost.before_us + now.saturating_sub(cost.answered));
                lock(&mail.state).beyond.add(us);
            }
        }
    }
    Ok(())
}

/// Takes `message` out, unless it was overtaken (dropped and counted) while the line took it.
fn took(outbox: &mut Outbox, message: &Up, now: Micros) {
    let still_first = match (outbox.front(now), message) {
        // Age and count of dropped ones change from look to look.
        (Some(Up::Report(first)), Up::Report(sent)) => first.seq == sent.seq,
        (first, sent) => first == Some(sent),
    };
    if still_first {
        outbox.sent();
    }
}

/// The answer to a request that is at hand at once.
fn answer(shared: &Shared, at: usize, mail: &Mail, request: Down) -> Option<Up> {
    match request {
        Down::Hello => Some(Up::Hello(shared.hello.clone())),
        Down::Ping(ping) => Some(Up::Pong(Pong { token: ping.token, board_us: shared.now() })),
        Down::SetTime(SetTime { token, unix_us }) => Some(match offset_from_unix(unix_us, shared.now()) {
            Some(offset) => {
                shared.set_time(offset);
                Up::Ack(Ack { token })
            }
            None => {
                let detail = Text::new("unix_us is not a time between 2024 and 2200");
                Up::Nack(Nack { token, reason: Reason::BadValue, detail })
            }
        }),
        Down::LogsQuery(LogsQuery { token, lines }) => {
            let most = ANSWERS_AT_ONCE.min(mail.room());
            shared.lines(usize::from(lines).min(most)).into_iter().for_each(|line| mail.answer(Up::Log(line)));
            Some(Up::Ack(Ack { token }))
        }
        Down::CameraModesQuery(Request { token }) => {
            shared
                .camera
                .listed(token, ANSWERS_AT_ONCE.min(mail.room()))
                .into_iter()
                .for_each(|mode| mail.answer(Up::CameraMode(mode)));
            Some(Up::Ack(Ack { token }))
        }
        Down::Camera(CameraOrder { token, action }) => {
            let session = lock(&mail.state).session;
            let taken = shared.camera.order(Order { mail: at, session, token, action });
            let detail = Text::new("the camera has other orders to carry out; ask again");
            (!taken).then_some(Up::Nack(Nack { token, reason: Reason::Busy, detail }))
        }
        Down::Subscribe(asked) => {
            lock(&mail.state).subscription = Subscription::new(asked);
            Some(Up::Ack(Ack { token: asked.token }))
        }
        Down::SlotsQuery(Request { token })
        | Down::UpdateBegin(UpdateBegin { token, .. })
        | Down::UpdateQuery(Request { token })
        | Down::UpdateFinish(UpdateFinish { token, .. })
        | Down::Confirm(Request { token })
        | Down::Rollback(Request { token })
        | Down::Permit(PermitOffer { token, .. }) => {
            let detail = Text::new("this board takes no updates over a line; `update.enabled` in its file says so");
            Some(Up::Nack(Nack { token, reason: Reason::Unsupported, detail }))
        }
    }
}
