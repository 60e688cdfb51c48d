//! What a person says to a hub before it starts: `first-boot.toml` on the card's small partition, which every computer can
//! write. Described in `docs/first-boot.md`.
//!
//! A file changes what it names and leaves the rest. It is taken as a whole or not at all: everything that is wrong with it
//! is said, a line each, and what was set before stays. No value of the file is repeated in what is said of it: it has a
//! password in it.

use std::fmt;

mod machine;
mod read;
mod values;

pub use machine::{Machine, Outcome};
pub use values::{BadValue, Country, MachineName, SshKey, Ssid, WifiPassword, ZoneName};

/// More keys than that are a mistake.
pub const MAX_SSH_KEYS: usize = 16;

/// A `first-boot.toml`: what it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirstBoot {
    /// `name`
    pub name: Option<MachineName>,
    /// `time_zone`
    pub time_zone: Option<ZoneName>,
    /// `[wifi]`
    pub wifi: Change<Wifi>,
    /// `[ssh]`
    pub ssh: Change<Vec<SshKey>>,
}

impl FirstBoot {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, in the order of its lines; never empty.
    pub fn parse(text: &str) -> Result<Self, Vec<Wrong>> {
        read::first_boot(text)
    }
}

/// What a file says about one of its sections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Nothing: as it was.
    #[default]
    Keep,
    /// `false`: not any more.
    Off,
    /// This from now on.
    To(T),
}

impl<T> Change<T> {
    /// What is from now on, if something is.
    pub fn into_option(self) -> Option<T> {
        match self {
            Change::To(new) => Some(new),
            Change::Keep | Change::Off => None,
        }
    }
}

/// A Wi-Fi network to join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wifi {
    /// Its name.
    pub ssid: Ssid,
    /// Its password.
    pub password: WifiPassword,
    /// Whose rules of radio hold.
    pub country: Country,
    /// It does not say its name by itself, so it has to be called.
    pub hidden: bool,
}

/// One thing that is wrong with a file, as a sentence without its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Wrong {
    /// Where, from 1.
    pub line: usize,
    /// What, and what is right.
    pub what: String,
}

impl Wrong {
    fn new(line: usize, what: impl fmt::Display) -> Self {
        Self { line, what: what.to_string() }
    }
}
