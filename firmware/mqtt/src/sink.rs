//! A broker as a sink: reports out, nothing in.

use crate::connection::{self, Connection, Stage, WAITING, give};
use crate::{MqttError, MqttOptions, discovery};
use mtcae_core::{Sink, SinkError};
use mtcae_json::{MOST_AT_ONCE, Translator};
use mtcae_wire::{FromHost, Up};
use std::time::Duration;

/// Longest wait for the farewell to go out.
const FAREWELL: Duration = Duration::from_millis(300);

/// One connection to a broker. Its owner drops it after [`SinkError::Lost`] and opens a new one later; a new one begins
/// with nothing from the old, so that no message comes twice or late.
pub struct MqttSink {
    name: String,
    translator: Translator,
    home_assistant: bool,
    /// Always there but while it is dropped.
    connection: Option<Connection>,
}

impl MqttSink {
    /// Reads the files, and begins to connect in a thread of its own; whether that works, [`Sink::poll`] and
    /// [`MqttSink::session`] say.
    ///
    /// # Errors
    /// [`SinkError::Lost`] when a file cannot be used, with the next step.
    pub fn open(options: &MqttOptions) -> Result<MqttSink, SinkError> {
        let name = options.name();
        let mut translator = Translator::new(&options.prefix, &options.device);
        translator.set_unix_offset(options.unix_offset_us);
        let connection = connection::start(options, translator.topics()).map_err(|e| lost(&name, &e))?;
        Ok(MqttSink { name, translator, home_assistant: options.home_assistant, connection: Some(connection) })
    }

    /// 1 while it is connected, none before and after.
    pub fn session(&self) -> Option<u64> {
        let connected = |stage: &Stage, _| matches!(stage, Stage::Connected).then_some(1);
        self.connection.as_ref().and_then(|c| c.shared.look(connected))
    }

    /// Publications that the connection's thread has not yet written; never more than 16 and a birth.
    pub fn waiting(&self) -> usize {
        self.connection.as_ref().map_or(0, |c| c.shared.look(|_, waiting| waiting))
    }

    /// Whether there is room for all that one message becomes.
    fn room(&self) -> Result<bool, SinkError> {
        let Some(connection) = &self.connection else { return Ok(false) };
        connection.shared.look(|stage, waiting| match stage {
            Stage::Connecting => Ok(false),
            Stage::Connected => Ok(waiting + MOST_AT_ONCE <= WAITING),
            Stage::Ended(why) => Err(SinkError::Lost(format!("{}: {why}", self.name))),
        })
    }
}

impl Sink for MqttSink {
    fn name(&self) -> &str {
        &self.name
    }

    /// Never waits. Busy before the broker has answered, and while it takes less than it is given.
    fn send(&mut self, message: &Up) -> Result<(), SinkError> {
        if !self.room()? {
            return Err(SinkError::Busy);
        }
        let Some(connection) = &self.connection else { return Err(SinkError::Busy) };
        let mut publications = self.translator.publications(message);
        if let Up::Hello(hello) = message
            && self.home_assistant
        {
            publications.extend(discovery::configurations(self.translator.topics(), hello));
        }
        for publication in publications {
            // There was room for all of it, so the connection has ended this moment; the next poll says why.
            if !give(&connection.client, &connection.shared, publication) {
                return Err(SinkError::Busy);
            }
        }
        Ok(())
    }

    fn poll(&mut self) -> Result<Option<FromHost>, SinkError> {
        self.room().map(|_| None)
    }
}

impl Drop for MqttSink {
    /// Says that the board goes, for at most 300 ms; if that fails, the broker says it by the last will.
    fn drop(&mut self) {
        let Some(Connection { shared, client, stop }) = self.connection.take() else { return };
        if shared.look(|stage, _| matches!(stage, Stage::Connected)) {
            give(&client, &shared, self.translator.topics().available(false));
            if client.try_disconnect().is_ok() {
                shared.wait_for_end(FAREWELL);
            }
        }
        drop(stop);
    }
}

fn lost(name: &str, error: &MqttError) -> SinkError {
    SinkError::Lost(format!("{name}: {error}"))
}
