//! A small MQTT broker on this machine alone, for demonstrations and tests of what a board publishes.
//!
//! It listens on 127.0.0.1, says so in one line, and ends when its standard input does: so it never outlives what started it.

use clap::Parser;
use rumqttd::{Broker, Config, ConnectionSettings, RouterConfig, ServerSettings};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Clients at a time.
const CLIENTS: usize = 32;
/// Bytes of one message; the largest that a board sends has a few hundred.
const PAYLOAD: usize = 64 * 1024;
/// How long it may take until the port answers.
const START: Duration = Duration::from_secs(10);

/// An MQTT 3.1.1 broker at 127.0.0.1, without accounts, which keeps nothing on disk
#[derive(Parser)]
#[command(
    name = "mtcae-broker",
    version,
    after_help = "\
Prints `listening on ADDRESS` once clients may come, and ends when its standard input is closed.

Example:
  mtcae-broker --port 1883        and beside it: mosquitto_sub -v -t 'mtcae/#'"
)]
struct Args {
    /// Port at 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 1883)]
    port: u16,
}

fn main() -> ExitCode {
    match serve(Args::parse().port) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mtcae-broker: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(port: u16) -> Result<(), String> {
    // The broker says nothing of a port that is taken; so it is asked for first.
    let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let address = TcpListener::bind(wanted)
        .and_then(|listener| listener.local_addr())
        .map_err(|e| format!("cannot listen on {wanted}: {e}; give another port, or 0 for any that is free"))?;
    let mut broker = Broker::new(config(address));
    let (ended, end) = channel();
    thread::spawn(move || ended.send(broker.start().map_err(|e| e.to_string())));
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        match end.recv_timeout(Duration::from_millis(20)) {
            Ok(Err(error)) => return Err(format!("the broker did not start: {error}")),
            Ok(Ok(())) | Err(RecvTimeoutError::Disconnected) => {
                return Err(format!("the broker ended before {address} answered"));
            }
            Err(RecvTimeoutError::Timeout) if started.elapsed() > START => {
                return Err(format!("{address} did not answer within {} s", START.as_secs()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
    let mut out = io::stdout();
    let told = writeln!(out, "listening on {address}").and_then(|()| out.flush());
    told.map_err(|e| format!("cannot write to standard output: {e}"))?;
    let mut byte = [0];
    while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
    Ok(())
}

fn config(listen: SocketAddr) -> Config {
    let connections = ConnectionSettings {
        connection_timeout_ms: 5_000,
        max_payload_size: PAYLOAD,
        max_inflight_count: 100,
        auth: None,
        external_auth: None,
        dynamic_filters: true,
    };
    let server =
        ServerSettings { name: "mqtt".to_owned(), listen, tls: None, next_connection_delay_ms: 1, connections };
    let router = RouterConfig {
        max_connections: CLIENTS,
        max_outgoing_packet_count: 200,
        max_segment_size: 1024 * 1024,
        max_segment_count: 10,
        ..RouterConfig::default()
    };
    Config { router, v4: Some(HashMap::from([("local".to_owned(), server)])), ..Config::default() }
}
