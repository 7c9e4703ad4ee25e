//! Runs one suite of scenarios on a board, real or not, and says what passed, what failed and what was not tried: it
//! never knows how a network computes, and never prints.
//!
//! ```text
//!  suite() --Scenario--> run --Rig--> Bench: start, camera, switch, heat, kill, freeze, power, bundles
//!                                |                (local, a virtual board, a real one)
//!                                '--> Listener <-- Session <-- Proxy (Faults: pace, noise, cuts) <-- the board's line
//!  Run (verdicts, figures, marks, ages) --> JUnit XML, HTML, JSON, text
//! ```
//!
//! A scenario says what it needs ([`Ability`]); where a bench lacks that, it is skipped with the reason, never silently.

mod ability;
mod bench;
mod broker;
mod channel;
mod clip;
mod dice;
mod fault;
mod first;
mod freeze;
mod kind;
mod listener;
mod local;
mod noise;
mod outcome;
mod packing;
mod process;
mod proxy;
mod remote;
mod report;
mod rig;
mod run;
mod scenario;
mod subscriber;
mod suite;
mod terminal;
mod untried;
mod virtual_board;

pub use ability::Ability;
pub use bench::{Bench, BenchError, BundleKind, Holdings, Plug, Setup, View};
pub use channel::{Channel, ChannelCounts, Faults, PIECE};
pub use clip::frames;
pub use dice::Dice;
pub use fault::DriverFault;
pub use kind::{Kind, KindError};
pub use listener::{Listener, Tally};
pub use local::{Local, Parts};
pub use noise::{Noise, NoiseCounts, NoiseKind};
pub use outcome::{Figure, Lane, Mark, Outcome, Run, Verdict};
pub use process::Eye;
pub use proxy::{Proxy, ProxyCounts};
pub use remote::Remote;
pub use report::{html, json, junit, list, outcome_line, scenario_json, summary};
pub use rig::{Evaluate, Expected, PATIENCE, Rig, Settings};
pub use run::{Progress, run};
pub use scenario::{Failed, Scenario, claim};
pub use suite::{scenarios, suites};
pub use terminal::{Terminal, open_raw};
pub use untried::untried;
pub use virtual_board::{Machine, VirtualBoard, VirtualParts};
