//! A real mosquitto, someone who listens to it, and a board's messages.
#![allow(dead_code, unused_imports, reason = "each test file uses a part of it")]

#[path = "../../../json/tests/common/mod.rs"]
mod board;

mod mosquitto;

pub use board::*;
pub use mosquitto::*;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A message as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub topic: String,
    pub payload: String,
    /// It is the one that the broker had kept.
    pub kept: bool,
}

impl Heard {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.payload).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Someone who has subscribed to everything.
pub struct Listener {
    client: Client,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Listener {
    /// Connects and subscribes; returns when the broker has acknowledged that.
    pub fn new(name: &str, port: u16) -> Listener {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(60));
        let (client, mut connection) = Client::new(options, 16);
        client.subscribe("#", QoS::AtLeastOnce).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (ready, is_ready) = std::sync::mpsc::channel();
        let into = Arc::clone(&heard);
        std::thread::spawn(move || {
            // The first error is the end.
            for event in connection.iter().map_while(Result::ok) {
                match event {
                    Event::Incoming(Packet::SubAck(_)) => ready.send(()).unwrap(),
                    Event::Incoming(Packet::Publish(p)) => into.lock().unwrap().push(Heard {
                        topic: p.topic.clone(),
                        payload: String::from_utf8(p.payload.to_vec()).unwrap(),
                        kept: p.retain,
                    }),
                    _ => {}
                }
            }
        });
        is_ready.recv_timeout(LONG).expect("the broker acknowledges a subscription");
        Listener { client, heard }
    }

    /// Says something itself, as any client of the broker may.
    pub fn say(&self, topic: &str, payload: &str) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload).unwrap();
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until a message is as `wanted`.
    pub fn wait(&self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Heard {
        let end = Instant::now() + LONG;
        loop {
            if let Some(found) = self.heard.lock().unwrap().iter().rev().find(|h| wanted(h)) {
                return found.clone();
            }
            assert!(Instant::now() < end, "never heard: {what}; heard {} messages", self.heard.lock().unwrap().len());
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.client.disconnect();
    }
}
