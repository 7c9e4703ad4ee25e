//! How a board is, for people and as JSON.

use mtcae_boards::{RootStatus, Session};
use mtcae_json::json_from_up;
use mtcae_update::Standing;
use mtcae_wire::{CameraState, Hello, Slot, SlotState, Slots, Status, Up, UpdatePhase, UpdateState};
use serde_json::{Value, json};
use std::fmt::Write;

/// All that `mtcae status` shows of a board.
pub struct Shown {
    /// Who it is.
    pub hello: Hello,
    /// How it is, when it said so in time.
    pub status: Option<Status>,
    /// What its slots hold; `None` when it takes no updates.
    pub slots: Option<Slots>,
    /// The bundle that is on its way to it.
    pub update: Option<UpdateState>,
}

impl Shown {
    /// One object.
    pub fn object(&self, target: &str) -> Value {
        json!({
            "type": "board", "target": target, "hello": hello_object(&self.hello),
            "status": self.status.as_ref().map(|status| json_from_up(&Up::Status(status.clone()), &[])),
            "slots": self.slots.as_ref().map(slots_object),
            "update": self.update.as_ref().map(|state| json_from_up(&Up::UpdateState(*state), &[])),
        })
    }

    /// Lines for a person.
    pub fn text(&self, session: &Session) -> String {
        let hello = &self.hello;
        let family = self.slots.as_ref().map_or(String::new(), |slots| format!(", family {}", slots.family));
        let mut text = format!("board        {} on {}{family}\n", hello.device, session.name());
        let _ = writeln!(
            text,
            "runs         firmware {}, model {} {}, {}",
            hello.firmware, hello.model, hello.model_version, hello.engine
        );
        match &self.status {
            Some(status) => health(&mut text, status),
            None => text += "health       it did not say\n",
        }
        match &self.slots {
            Some(slots) => describe(&mut text, slots),
            None => text += "slots        it takes no updates over this line\n",
        }
        if let Some(state) = self.update.as_ref().filter(|state| state.phase != UpdatePhase::Idle) {
            let phase = format!("{:?}", state.phase).to_lowercase();
            let _ = writeln!(text, "update       {phase}, {} of {} chunks there", state.received, state.chunks);
        }
        text
    }
}

fn health(text: &mut String, status: &Status) {
    let minutes = status.uptime_ms / 60_000;
    let _ = writeln!(text, "up           {} h {} min, boot {:08x}", minutes / 60, minutes % 60, status.boot);
    let camera = match status.camera {
        CameraState::Streaming => format!("streaming, {:.1} frames a second", f64::from(status.fps_tenths) / 10.0),
        other => format!("{other:?}").to_lowercase(),
    };
    let _ = writeln!(text, "camera       {camera}");
    let ms = f64::from(status.latency.infer.p50_us) / 1e3;
    let _ = writeln!(text, "engine       {}, {} clips, {ms:.0} ms each", status.engine, status.counters.clips);
    if let Some(tenths) = status.temperature_tenths_c {
        let _ = writeln!(text, "temperature  {:.1} degrees Celsius", f64::from(tenths) / 10.0);
    }
    let _ = writeln!(text, "memory       {} MiB", status.rss_kib / 1024);
}

fn describe(text: &mut String, slots: &Slots) {
    for (kind, pair) in [("model", &slots.model), ("daemon", &slots.daemon)] {
        for (name, slot) in ["A", "B"].iter().zip(&pair.slots) {
            let active = pair.active.is_some_and(|active| format!("{active:?}") == *name);
            let _ = writeln!(text, "{:12} {}", format!("{kind} {name}"), one_slot(slot.as_ref(), active));
        }
    }
    let mut held = [&slots.model, &slots.daemon].into_iter().flat_map(|pair| pair.slots.iter().flatten());
    if held.any(|slot| slot.state == SlotState::Trial) {
        let passed = || "its self-test was good".to_owned();
        let how = slots.trial_starts_left.map_or_else(passed, |left| format!("{left} more starts"));
        let _ = writeln!(text, "trial        {how}; `mtcae confirm` keeps it, `mtcae rollback` gives it up");
    }
    let _ = write!(text, "accepts      security counter {} and above", slots.security_counter);
    for (kind, lowest) in ["model", "daemon"].iter().zip(mtcae_boards::lowest_counters(slots)) {
        if let Some(lowest) = lowest.filter(|lowest| *lowest < slots.security_counter) {
            let _ = write!(text, ", {lowest} for a {kind} alone");
        }
    }
    text.push('\n');
    let _ = writeln!(text, "free         {} MiB", slots.free_bytes >> 20);
}

fn one_slot(slot: Option<&Slot>, active: bool) -> String {
    let Some(slot) = slot else { return "empty".to_owned() };
    let state = match slot.state {
        SlotState::Writing => "being written",
        SlotState::Ready => "ready",
        SlotState::Trial => "on trial",
        SlotState::Confirmed => "confirmed",
        SlotState::Failed => "given up",
    };
    let runs = if active { ", runs" } else { "" };
    format!("{}, counter {}, {state}{runs}", slot.version, slot.security_counter)
}

/// A board's `Hello` in the daemon's own JSON form.
pub fn hello_object(hello: &Hello) -> Value {
    json_from_up(&Up::Hello(hello.clone()), &[])
}

/// The same of its slots.
pub fn slots_object(slots: &Slots) -> Value {
    json_from_up(&Up::Slots(slots.clone()), &[])
}

/// Lines for a person about the slots below a mounted root.
pub fn root_text(target: &str, root: &RootStatus) -> String {
    let status = &root.status;
    let family = root.family.as_deref().unwrap_or("unknown: there is no board file");
    let mut text = format!("root         {target}\nfamily       {family}\n");
    for (kind, slots) in ["model", "daemon"].iter().zip(&root.slots) {
        for (name, held) in ["A", "B"].iter().zip(slots) {
            let says = held.as_ref().map_or("empty".to_owned(), |held| {
                format!("{}, counter {}, {}", held.version, held.counter, standing(held.standing))
            });
            let _ = writeln!(text, "{:12} {says}", format!("{kind} {name}"));
        }
    }
    let state = format!("{:?}", status.state).to_lowercase();
    let _ = writeln!(text, "state        {state}");
    if let Some(confirmed) = &status.confirmed {
        let _ = writeln!(text, "starts       model {}, daemon {}", confirmed.names[0], confirmed.names[1]);
    }
    if let Some(new) = &status.new {
        let held = if status.held { ", waits to be confirmed" } else { "" };
        let _ = writeln!(
            text,
            "new          model {}, daemon {}, {} starts{held}",
            new.names[0], new.names[1], status.starts
        );
    }
    let _ = writeln!(text, "last update  {}", status.last);
    let _ = writeln!(
        text,
        "accepts      security counter {} (model), {} (daemon) and above",
        status.lowest[0], status.lowest[1]
    );
    let _ = writeln!(text, "free         {} MiB", root.free_bytes >> 20);
    text
}

fn standing(standing: Standing) -> &'static str {
    match standing {
        Standing::Ready => "ready",
        Standing::Trial => "on trial",
        Standing::Confirmed => "confirmed",
        Standing::Failed => "given up",
    }
}

/// In the word of a board that runs.
fn standing_word(standing: Standing) -> &'static str {
    match standing {
        Standing::Ready => "ready",
        Standing::Trial => "trial",
        Standing::Confirmed => "confirmed",
        Standing::Failed => "failed",
    }
}

/// The same as one object.
pub fn root_object(target: &str, root: &RootStatus) -> Value {
    let status = &root.status;
    let slot = |held: &Option<mtcae_update::Held>| {
        held.as_ref().map(|held| {
            json!({ "version": held.version, "security_counter": held.counter, "state": standing_word(held.standing), "origin": held.origin.to_string() })
        })
    };
    let pair = |slots: &[Option<mtcae_update::Held>; 2]| json!({ "a": slot(&slots[0]), "b": slot(&slots[1]) });
    let version = |version: &Option<mtcae_update::Version>| {
        version.as_ref().map(|version| json!({ "model": version.names[0], "daemon": version.names[1] }))
    };
    json!({
        "type": "root", "target": target, "family": root.family, "state": format!("{:?}", status.state).to_lowercase(),
        "model": pair(&root.slots[0]), "daemon": pair(&root.slots[1]), "confirmed": version(&status.confirmed),
        "previous": version(&status.previous), "new": version(&status.new), "starts": status.starts, "held": status.held,
        "lowest": { "model": status.lowest[0], "daemon": status.lowest[1] }, "last": status.last.to_string(),
        "free_bytes": root.free_bytes,
    })
}

/// Rows with columns of the same width; the last one is not filled up.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text += line.join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_as_wide_as_it_must_be() {
        let rows = [vec!["a".to_owned(), "long".to_owned()], vec!["wider".to_owned(), "x".to_owned()]];
        assert_eq!(table(&rows), "a      long\nwider  x\n");
        assert_eq!(table(&[]), "");
    }
}
