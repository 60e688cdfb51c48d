//! The two copies of the system, as RAUC tells them.
//!
//! The hub asks RAUC's command line, which is a client of its D-Bus service: that one is root, the hub is not. A machine
//! without RAUC has no slots.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// One of the two copies, by the name that the boot loader knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SlotName {
    /// As shipped.
    A,
    /// Made at the first boot, filled by the first update.
    B,
}

impl SlotName {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            SlotName::A => SlotName::B,
            SlotName::B => SlotName::A,
        }
    }
    fn parse(text: &str) -> Option<Self> {
        match text {
            "A" => Some(SlotName::A),
            "B" => Some(SlotName::B),
            _ => None,
        }
    }
}

impl fmt::Display for SlotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SlotName::A => "A",
            SlotName::B => "B",
        })
    }
}

/// How both copies are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// What an update must be for.
    pub compatible: String,
    /// The copy that runs.
    pub booted: SlotName,
    /// The copy that is started next, if the boot loader finds one that is good.
    pub next: Option<SlotName>,
    /// The copy A.
    pub a: Slot,
    /// The copy B.
    pub b: Slot,
}

impl Slots {
    /// One of them.
    pub fn slot(&self, name: SlotName) -> &Slot {
        match name {
            SlotName::A => &self.a,
            SlotName::B => &self.b,
        }
    }
    /// The copy that runs has not shown yet that it is good: the boot loader falls back at the next start.
    pub fn on_trial(&self) -> bool {
        !self.slot(self.booted).good
    }

    /// Reads what `rauc status --detailed --output-format=json` prints.
    ///
    /// # Errors
    /// It is something else, or has not the slots that our images have.
    pub fn parse(json: &str) -> Result<Self, SlotsError> {
        let told: Told = serde_json::from_str(json).map_err(SlotsError::Unreadable)?;
        let find = |name: SlotName| {
            let mut all = told.slots.iter().flat_map(|slot| slot.values());
            let found = all.find(|slot| slot.bootname.as_deref().and_then(SlotName::parse) == Some(name));
            let found = found.ok_or_else(|| SlotsError::Other(format!("it has no slot with the bootname {name}")))?;
            let version = found.slot_status.as_ref().and_then(|s| s.bundle.as_ref()?.version.clone());
            Ok(Slot { good: found.boot_status.as_deref() == Some("good"), version })
        };
        let booted = told.booted.as_deref().and_then(SlotName::parse);
        let booted = booted.ok_or_else(|| SlotsError::Other("it does not say which slot runs".into()))?;
        let next = told.boot_primary.as_deref().and_then(|primary| {
            let slot = told.slots.iter().find_map(|slot| slot.get(primary))?;
            SlotName::parse(slot.bootname.as_deref()?)
        });
        let (a, b) = (find(SlotName::A)?, find(SlotName::B)?);
        Ok(Self { compatible: told.compatible, booted, next, a, b })
    }
}

/// One copy of the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// It was marked as good and is not being tried.
    pub good: bool,
    /// The version that an update wrote into it; unknown for what was shipped.
    pub version: Option<String>,
}

/// The slots are not known.
#[derive(Debug, thiserror::Error)]
pub enum SlotsError {
    /// There is no RAUC on this machine.
    #[error("there is no RAUC on this machine")]
    None,
    /// RAUC could not be started.
    #[error("{program} could not be started", program = program.display())]
    Start {
        /// Which program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// RAUC said no.
    #[error("rauc {action} failed: {said}")]
    Refused {
        /// What was asked for.
        action: &'static str,
        /// Its last words.
        said: String,
    },
    /// What it printed is no status.
    #[error("the status that RAUC printed cannot be read")]
    Unreadable(#[source] serde_json::Error),
    /// It is the status of another kind of machine.
    #[error("RAUC's status is none of a Keepsight image: {0}")]
    Other(String),
}

/// RAUC's command line.
#[derive(Debug, Clone)]
pub struct Rauc {
    program: PathBuf,
}

impl Default for Rauc {
    fn default() -> Self {
        Self::new("rauc")
    }
}

impl Rauc {
    /// By the program's path, or its name in `PATH`.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }
    /// How the slots are. Blocks.
    pub fn status(&self) -> Result<Slots, SlotsError> {
        Slots::parse(&self.run("status", &["status", "--detailed", "--output-format=json"])?)
    }
    /// Writes a bundle (an address or a file) into the slot that does not run, and makes that the next one. Blocks, for minutes.
    pub fn install(&self, bundle: &str) -> Result<(), SlotsError> {
        self.run("install", &["install", bundle]).map(drop)
    }
    /// The slot that runs is good. Blocks.
    pub fn mark_good(&self) -> Result<(), SlotsError> {
        self.run("status mark-good", &["status", "mark-good", "booted"]).map(drop)
    }
    /// The slot that runs is not good: the next start takes the other one. Blocks.
    pub fn mark_bad(&self) -> Result<(), SlotsError> {
        self.run("status mark-bad", &["status", "mark-bad", "booted"]).map(drop)
    }

    fn run(&self, action: &'static str, arguments: &[&str]) -> Result<String, SlotsError> {
        let out = Command::new(&self.program).args(arguments).stdin(Stdio::null()).output();
        let out = out.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => SlotsError::None,
            _ => SlotsError::Start { program: self.program.clone(), source },
        })?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
            return Err(SlotsError::Refused { action, said: said.trim().chars().take(300).collect() });
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
}

/// RAUC's own words; what is not needed here is passed over, since newer versions add to it.
#[derive(Deserialize)]
struct Told {
    compatible: String,
    booted: Option<String>,
    boot_primary: Option<String>,
    /// A list of objects with one member each: the slot's name.
    slots: Vec<std::collections::BTreeMap<String, ToldSlot>>,
}

#[derive(Deserialize)]
struct ToldSlot {
    bootname: Option<String>,
    boot_status: Option<String>,
    slot_status: Option<ToldStatus>,
}

#[derive(Deserialize)]
struct ToldStatus {
    bundle: Option<ToldBundle>,
}

#[derive(Deserialize)]
struct ToldBundle {
    version: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TRIAL: &str = include_str!("../tests/rauc/on-trial.json");

    #[test]
    fn the_status_of_an_image_is_read() {
        let slots = Slots::parse(TRIAL).unwrap();
        assert_eq!((slots.booted, slots.next, slots.on_trial()), (SlotName::B, Some(SlotName::A), true));
        assert_eq!(slots.a, Slot { good: true, version: None });
        assert_eq!(slots.b, Slot { good: false, version: Some("0.2.0".into()) });
        let good = Slots::parse(&TRIAL.replace("\"bad\"", "\"good\"")).unwrap();
        assert!(!good.on_trial());
    }

    #[test]
    fn another_machines_status_is_refused_with_what_is_missing() {
        for (from, to, said) in [
            ("\"booted\":\"B\"", "\"booted\":\"system0\"", "which slot runs"),
            ("\"bootname\":\"A\"", "\"bootname\":null", "no slot with the bootname A"),
            ("\"slots\"", "\"slot\"", "cannot be read"),
        ] {
            let error = Slots::parse(&TRIAL.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn a_machine_without_rauc_says_so() {
        assert!(matches!(Rauc::new("/nowhere/rauc").status(), Err(SlotsError::None)));
    }

    #[test]
    fn what_rauc_refuses_is_told_in_its_own_last_words() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("rauc");
        std::fs::write(&program, "#!/bin/sh\necho working >&2\necho 'signature verification failed' >&2\nexit 1\n")
            .unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = Rauc::new(program).install("https://example.org/a.raucb").unwrap_err().to_string();
        assert_eq!(error, "rauc install failed: signature verification failed");
    }

    proptest! {
        #[test]
        fn any_text_is_a_status_or_refused(text in "\\PC{0,300}") {
            let _ = Slots::parse(&text);
        }
    }
}
