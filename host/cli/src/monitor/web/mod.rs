//! The monitor's picture as a page for a browser on this machine: everything that comes, as server-sent events.
//!
//! ```text
//! Surface (Page) --event text--> Audience (backlog, listeners) --bounded queue--> connection (thread) --> browser
//! ```

mod audience;
mod http;
mod server;

use super::Surface;
use super::json::object;
use super::view::{LinkEvent, View};
use crate::failure::Failure;
use crate::say::tell;
use audience::Audience;
use mtcae_wire::Up;
use server::Server;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Where the page is unless told otherwise.
pub const PORT: &str = "7480";

/// A page that goes on while the monitor does.
pub struct Page {
    port: u16,
    audience: Arc<Audience>,
    _server: Server,
}

impl Page {
    /// Serves the page on 127.0.0.1 at `port`; 0 takes a free one. Says on standard error where it is.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn open(port: u16) -> Result<Self, Failure> {
        let failed = |reason| Failure::Page { port, reason };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let audience = Arc::new(Audience::default());
        let server = Server::start(listener, port, Arc::clone(&audience)).map_err(failed)?;
        tell!("page: http://127.0.0.1:{port}/");
        Ok(Self { port, audience, _server: server })
    }
}

impl Surface for Page {
    fn note(&self) -> Option<String> {
        Some(format!("page http://127.0.0.1:{}/", self.port))
    }

    fn event(&mut self, _now: Duration, event: &LinkEvent, view: &View) -> Result<(), Failure> {
        // Who comes later must know these, and the newest of each is enough.
        let lasting = match event {
            LinkEvent::Connected | LinkEvent::Lost(_) => Some("link"),
            LinkEvent::Message(message) => match **message {
                Up::Hello(_) => Some("hello"),
                Up::Status(_) => Some("status"),
                _ => None,
            },
            LinkEvent::Bad(_) | LinkEvent::RoundTrip(_) => None,
        };
        self.audience.tell(&object(event, view).to_string(), lasting);
        Ok(())
    }

    fn finish(&mut self, _now: Duration, _view: &View) -> Result<(), Failure> {
        Ok(())
    }
}
