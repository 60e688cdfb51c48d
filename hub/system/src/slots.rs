//! The two copies of the system, as RAUC tells them.
//!
//! The hub asks RAUC's command line, which is a client of its D-Bus service: that one is root, the hub is not. A machine
//! without RAUC has no slots.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

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
    /// Writes a bundle (an address or a file) into the slot that does not run, and makes that the next one. Takes minutes. Who
    /// stops waiting stops RAUC's command line only: the service behind it goes on.
    pub async fn install(&self, bundle: &str, mut progress: impl FnMut(Progress)) -> Result<(), SlotsError> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(["install", bundle]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().map_err(|source| self.not_started(source))?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let mut out = Lines::of(out);
        let mut err = Lines::of(err);
        let mut said = LastWords::default();
        while out.is_open() || err.is_open() {
            let line = tokio::select! {
                line = out.next() => line,
                line = err.next() => line,
            };
            let Some(line) = line else { continue };
            match Progress::parse(&line) {
                Some(step) => progress(step),
                None => said.hear(&line),
            }
        }
        let status = child.wait().await.map_err(|source| self.not_started(source))?;
        match status.success() {
            true => Ok(()),
            false => Err(SlotsError::Refused { action: "install", said: said.told() }),
        }
    }
    /// The slot that runs is the one that starts next: what was written into the other one is not tried. Blocks.
    pub fn mark_active(&self) -> Result<(), SlotsError> {
        self.run("status mark-active", &["status", "mark-active", "booted"]).map(drop)
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
        let out = out.map_err(|source| self.not_started(source))?;
        if !out.status.success() {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
            return Err(SlotsError::Refused { action, said: said.trim().chars().take(MAX_SAID).collect() });
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }

    fn not_started(&self, source: io::Error) -> SlotsError {
        match source.kind() {
            io::ErrorKind::NotFound => SlotsError::None,
            _ => SlotsError::Start { program: self.program.clone(), source },
        }
    }
}

/// How far an installation is, as RAUC prints it: ` 80% Updating slots`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// From 0 to 100.
    pub percent: u8,
    /// What it does, in its own words.
    pub doing: String,
}

impl Progress {
    fn parse(line: &str) -> Option<Self> {
        let (number, doing) = line.trim().split_once('%')?;
        let percent = number.parse().ok().filter(|percent| *percent <= 100)?;
        Some(Self { percent, doing: doing.trim().chars().take(MAX_SAID).collect() })
    }
}

/// So many characters of what a program says are kept.
const MAX_SAID: usize = 300;

/// One stream of a program that talks.
struct Lines<R>(Option<tokio::io::Lines<BufReader<R>>>);

impl<R: AsyncRead + Unpin> Lines<R> {
    fn of(stream: Option<R>) -> Self {
        Self(stream.map(|stream| BufReader::new(stream).lines()))
    }
    fn is_open(&self) -> bool {
        self.0.is_some()
    }
    /// The next line; `None` at its end, or for what is no text. Of a stream that has ended there never is one.
    async fn next(&mut self) -> Option<String> {
        let Some(lines) = &mut self.0 else { return std::future::pending().await };
        let line = lines.next_line().await.ok().flatten();
        if line.is_none() {
            self.0 = None;
        }
        line
    }
}

/// Why an installation failed: RAUC says it in a line of its own, and more about it after that.
#[derive(Default)]
struct LastWords {
    error: Option<String>,
    last: Option<String>,
}

impl LastWords {
    fn hear(&mut self, line: &str) {
        let line = line.trim();
        if let Some(error) = line.strip_prefix("LastError:") {
            self.error = Some(error.trim().to_owned());
        } else if !line.is_empty() && line != "idle" && line != "installing" {
            self.last = Some(line.to_owned());
        }
    }
    fn told(self) -> String {
        let said = self.error.or(self.last).unwrap_or_else(|| "it gave no reason".to_owned());
        said.chars().take(MAX_SAID).collect()
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

    /// A program in RAUC's place.
    fn program(folder: &std::path::Path, script: &str) -> Rauc {
        use std::os::unix::fs::PermissionsExt;
        let program = folder.join("rauc");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Rauc::new(program)
    }

    #[tokio::test]
    async fn what_rauc_refuses_is_told_in_its_own_last_words() {
        let folder = tempfile::tempdir().unwrap();
        for (script, said) in [
            ("echo working >&2; echo 'signature verification failed' >&2; exit 1", "signature verification failed"),
            (
                "echo installing; echo 'LastError: no space left'; echo idle; echo 'Installing `a` failed' >&2; exit 1",
                "no space left",
            ),
            ("exit 1", "it gave no reason"),
        ] {
            let rauc = program(folder.path(), script);
            let error = rauc.install("https://example.org/a.raucb", |_| {}).await.unwrap_err().to_string();
            assert_eq!(error, format!("rauc install failed: {said}"));
        }
    }

    #[tokio::test]
    async fn how_far_an_installation_is_is_told_as_it_goes() {
        let folder = tempfile::tempdir().unwrap();
        let script = r#"test "$*" = "install /media/a.raucb" || exit 1
            echo installing; echo "  0% Installing"; echo " 40% Verifying signature done."; echo " 900% x"; echo "a% b"
            echo "100% Installing done."; echo idle; echo "Installing \`/media/a.raucb\` succeeded""#;
        let rauc = program(folder.path(), script);
        let mut told = Vec::new();
        rauc.install("/media/a.raucb", |step| told.push((step.percent, step.doing))).await.unwrap();
        let said = |percent, doing: &str| (percent, doing.to_owned());
        assert_eq!(
            told,
            [said(0, "Installing"), said(40, "Verifying signature done."), said(100, "Installing done."),]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_a_status_or_refused(text in "\\PC{0,300}") {
            let _ = Slots::parse(&text);
            let _ = Progress::parse(&text);
        }
    }
}
