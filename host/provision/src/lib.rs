//! Makes a board of a Jetson or a PC: what has to be on its disk, and the way there, mounted or over SSH. It never knows a
//! terminal, an argument or the environment, and never what a model or a daemon does.
//!
//! ```text
//! Recipe (board file, launcher, keys, first version) --> paths to look at --> Place::look --> Found
//!                                                    '--> Plan: steps, each with what is there and what has to be <--'
//!                                                          '--> Place::apply --> looked at again: nothing is left to do
//! ```
//!
//! A [`Plan`] is data, made without touching anything. A place is a mounted root ([`Root`]) or a running board ([`Ssh`]); both
//! put a file beside its place, whole and with its mode and owner, and then rename it. A run that is cut leaves a mark
//! on the board, and the next run finishes what it began.

mod blob;
mod board_file;
mod error;
mod first;
mod found;
mod item;
mod layout;
mod plan;
mod processor;
mod recipe;
mod root;
mod script;
mod ssh;
mod target;
mod trust;

pub use blob::Blob;
pub use board_file::BoardFile;
pub use error::ProvisionError;
pub use first::FirstVersion;
pub use found::{Found, State, TrustedFile};
pub use item::{Item, Kind, Owner, Rule};
pub use layout::*;
pub use plan::{Action, Owners, Plan, Step};
pub use processor::Processor;
pub use recipe::{KeyPair, KeyWish, Recipe};
pub use root::Root;
pub use ssh::{Ssh, SshOptions};
pub use target::{SshHost, Target};

use mtcae_bundle::DeviceKey;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// How far an [`apply`](Place::apply) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Bytes of files that are there, or on their way.
    pub bytes: u64,
    /// Bytes of files in all.
    pub of: u64,
}

/// Asked before every change, and all the time while a board works: whether to go on.
pub type Watch<'a> = dyn FnMut(Done) -> ControlFlow<()> + 'a;

/// Where a board's files are.
pub trait Place {
    /// What is at `paths`, and what the system is. Changes nothing.
    ///
    /// # Errors
    /// When it cannot be reached or read, or is no board's system.
    fn look(&mut self, paths: &BTreeSet<String>) -> Result<Found, ProvisionError>;

    /// Whose files they become.
    fn owners(&self, found: &Found) -> Owners;

    /// Whether a system runs there, which has to be told.
    fn runs(&self) -> bool;

    /// The device key that it has, where that can be read from here: a running board keeps its own to itself.
    ///
    /// # Errors
    /// When it is there and no good.
    fn device_key(&self) -> Result<Option<DeviceKey>, ProvisionError>;

    /// Does what the plan has left to do, and looks whether it is as it has to be.
    ///
    /// # Errors
    /// The first step that fails, or what was not kept; what was done before stays, and the next run goes on from there.
    fn apply(&mut self, plan: &Plan, watch: &mut Watch<'_>) -> Result<(), ProvisionError>;
}
