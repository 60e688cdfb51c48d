//! How the machine is: disks and their wear, temperature, throttling, power, clock, the two copies of the system. Each as
//! a state with words, and each off where the machine does not tell it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::state::{Health, Reason};
use base::{Mono, Problem, ProblemKind, SharedClock, TimeSource};
use serde::{Deserialize, Serialize};

use crate::{Board, Image, Rauc, SlotsError};

/// Above it boards of every make slow down.
const HOT_MILLIDEGREES: i64 = 80_000;
/// Of its life a disk has used so many percent: time for another one.
const WORN_PERCENT: u32 = 90;
/// Facts of the machine change slowly, and the app asks every few seconds.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Longer files of sysfs are none that are read here.
const MAX_BYTES: u64 = 4096;

/// One fact of the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Of what: one word.
    pub name: String,
    /// How it is.
    #[serde(flatten)]
    pub health: Health,
    /// In words, whatever the state.
    pub said: String,
}

impl Fact {
    fn ok(name: &str, said: impl Into<String>) -> Self {
        Self { name: name.into(), health: Health::Ok, said: said.into() }
    }
    /// The machine does not tell it.
    fn off(name: &str, said: impl Into<String>) -> Self {
        Self { name: name.into(), health: Health::Off, said: said.into() }
    }
    fn degraded(name: &str, reason: Reason, kind: ProblemKind, said: impl Into<String>) -> Self {
        let said = said.into();
        let detail = Problem::with(kind, &said).to_string();
        Self { name: name.into(), health: Health::Degraded { reason, detail }, said }
    }
}

/// Looks at the machine below a root: the real one, or a test's folder.
#[derive(Debug, Clone)]
pub struct Doctor {
    root: PathBuf,
    rauc: Rauc,
    /// Asks a disk about its health, where it may: wants root, and the device.
    smartctl: Option<PathBuf>,
}

impl Doctor {
    /// Of this machine, with whatever of its tools is there.
    pub fn of_this_machine() -> Self {
        Self::new("/", Rauc::default(), Some("smartctl".into()))
    }
    /// Of the machine below `root`.
    pub fn new(root: impl Into<PathBuf>, rauc: Rauc, smartctl: Option<PathBuf>) -> Self {
        Self { root: root.into(), rauc, smartctl }
    }
    /// The same without asking disks, which only root may.
    pub fn without_disks_tools(self) -> Self {
        Self { smartctl: None, ..self }
    }

    /// All facts, in the same order each time. Blocks: it starts programs.
    pub fn look(&self, time: TimeSource) -> Vec<Fact> {
        let throttled = self.throttled();
        let mut facts = vec![self.board(), self.temperature(), throttling(throttled), power(throttled), clock(time)];
        facts.extend(self.disks());
        facts.push(self.slots());
        facts
    }

    fn board(&self) -> Fact {
        let looked = Board::of(&self.root).and_then(|board| Ok((board, Image::of(&self.root)?)));
        match looked {
            Ok((Some(board), Some(image))) => Fact::ok("board", format!("{}, system {}", board.title, image.version)),
            Ok(_) => Fact::off("board", "No image of Keepsight: the machine was set up otherwise"),
            Err(e) => {
                let detail = Problem::from(&e).to_string();
                Fact {
                    name: "board".into(),
                    health: Health::Degraded { reason: Reason::BadImage, detail },
                    said: e.to_string(),
                }
            }
        }
    }

    fn temperature(&self) -> Fact {
        let zones = self.folders("sys/class/thermal", "thermal_zone");
        let hottest = zones.iter().filter_map(|zone| read(&zone.join("temp"))?.parse::<i64>().ok()).max();
        match hottest {
            None => Fact::off("temperature", "The machine has no thermometer that can be read"),
            Some(now) if now >= HOT_MILLIDEGREES => {
                Fact::degraded("temperature", Reason::TooHot, ProblemKind::TooHot, format!("It has {} °C", now / 1000))
            }
            Some(now) => Fact::ok("temperature", format!("{} °C", now / 1000)),
        }
    }

    /// What a Raspberry Pi's firmware says: bits as documented for `vcgencmd get_throttled`.
    fn throttled(&self) -> Option<u32> {
        let places = ["sys/devices/platform/soc", "sys/devices/platform/soc@107c000000"];
        let soc = places.iter().flat_map(|place| self.folders(place, ""));
        let text = soc.filter_map(|device| read(&device.join("get_throttled"))).next()?;
        u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    }

    fn disks(&self) -> Vec<Fact> {
        let passed_over = ["loop", "ram", "zram", "dm-", "sr", "nbd", "md", "fd"];
        let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut disks: Vec<_> = self.folders("sys/block", "");
        disks.retain(|disk| {
            let name = name(disk);
            !passed_over.iter().any(|p| name.starts_with(p)) && !name.contains("boot")
        });
        disks.iter().map(|disk| self.disk(&name(disk), disk)).collect()
    }

    fn disk(&self, device: &str, sys: &Path) -> Fact {
        let name = format!("disk_{device}");
        let smart = self.smartctl.as_deref().and_then(|program| Smart::ask(program, device));
        let failing = smart.as_ref().is_some_and(|smart| smart.passed == Some(false));
        let emmc = read(&sys.join("device/life_time")).and_then(|text| emmc_used(&text));
        // 0x02: most of the spare blocks are used up; 0x03: nearly all.
        let no_spare = matches!(read(&sys.join("device/pre_eol_info")).as_deref(), Some("0x02" | "0x03"));
        let used = smart.as_ref().and_then(|smart| smart.used_percent).max(emmc);
        let size = read(&sys.join("size")).and_then(|blocks| blocks.parse::<u64>().ok()).unwrap_or(0) * 512;
        let what = format!("{device}, {} GB", size / 1_000_000_000);
        let said = match used {
            Some(used) => format!("{what}, {used} % of its life used"),
            None => what,
        };
        if failing || no_spare {
            return Fact::degraded(
                &name,
                Reason::DiskWorn,
                ProblemKind::DiskWorn,
                format!("{said}, and says that it fails"),
            );
        }
        match used {
            Some(used) if used >= WORN_PERCENT => Fact::degraded(&name, Reason::DiskWorn, ProblemKind::DiskWorn, said),
            Some(_) => Fact::ok(&name, said),
            None if smart.is_some() => Fact::ok(&name, said),
            None => Fact::off(&name, format!("{said}; it does not tell its wear")),
        }
    }

    fn slots(&self) -> Fact {
        match self.rauc.status() {
            Ok(slots) if slots.on_trial() => {
                Fact::ok("slots", format!("{} runs and has to show that it is good", slots.booted))
            }
            Ok(slots) => {
                let other = slots.booted.other();
                let fall_back = if slots.slot(other).good { "can take its place" } else { "is empty or not good" };
                Fact::ok("slots", format!("{} runs, {other} {fall_back}", slots.booted))
            }
            Err(SlotsError::None) => Fact::off("slots", "This machine has no second copy of its system"),
            Err(e) => Fact::off("slots", e.to_string()),
        }
    }

    /// What is in a folder of sysfs and begins with a word, sorted.
    fn folders(&self, place: &str, begins: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.root.join(place)).into_iter().flatten().flatten();
        let mut found: Vec<_> =
            entries.filter(|e| e.file_name().to_string_lossy().starts_with(begins)).map(|e| e.path()).collect();
        found.sort();
        found
    }
}

/// A doctor that is asked often, and looks now and then.
pub struct Machine {
    doctor: Doctor,
    clock: SharedClock,
    looked: Mutex<Option<(Mono, Vec<Fact>)>>,
}

impl Machine {
    /// Looks when it is asked first.
    pub fn new(doctor: Doctor, clock: SharedClock) -> Self {
        Self { doctor, clock, looked: Mutex::new(None) }
    }
    /// How the machine was at most half a minute ago. Blocks.
    pub fn facts(&self) -> Vec<Fact> {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.mono();
        match &*looked {
            Some((at, facts)) if now.since(*at) < KEPT_FOR => facts.clone(),
            _ => looked.insert((now, self.doctor.look(self.clock.source()))).1.clone(),
        }
    }
}

fn throttling(bits: Option<u32>) -> Fact {
    match bits {
        None => Fact::off("throttling", "The machine does not tell whether it is slowed down"),
        Some(bits) if bits & 0b1110 != 0 => {
            Fact::degraded("throttling", Reason::Throttled, ProblemKind::Throttled, "It is slowed down now")
        }
        Some(bits) if bits & (0b1110 << 16) != 0 => Fact::ok("throttling", "Not now; it was since the machine started"),
        Some(_) => Fact::ok("throttling", "Not since the machine started"),
    }
}

fn power(bits: Option<u32>) -> Fact {
    match bits {
        None => Fact::off("power", "The machine does not tell how its power is"),
        Some(bits) if bits & (1 | 1 << 16) != 0 => {
            let when = if bits & 1 != 0 { "now" } else { "since the machine started" };
            Fact::degraded(
                "power",
                Reason::LowVoltage,
                ProblemKind::LowVoltage,
                format!("The voltage was too low {when}"),
            )
        }
        Some(_) => Fact::ok("power", "The voltage was never too low since the machine started"),
    }
}

fn clock(time: TimeSource) -> Fact {
    match time {
        TimeSource::Ntp => Fact::ok("time", "A time server tells the time"),
        TimeSource::Rtc => Fact::ok("time", "The board's own clock tells the time"),
        TimeSource::Phone | TimeSource::Camera => Fact::ok("time", "A device in the home tells the time"),
        TimeSource::Unset => Fact::off("time", "The board has no clock, and no time server tells the time"),
    }
}

/// `0x01 0x02`: each the tenths of its life that one kind of its memory has used; the worse counts. 0 is "not told".
fn emmc_used(text: &str) -> Option<u32> {
    let tenth = |word: &str| u32::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    text.split_whitespace()
        .filter_map(tenth)
        .max()
        .filter(|tenth| (1..=11).contains(tenth))
        .map(|tenth| (tenth * 10).min(100))
}

/// What a disk says of itself.
struct Smart {
    passed: Option<bool>,
    used_percent: Option<u32>,
}

impl Smart {
    /// `None`: there is no smartctl, it may not, or the disk says nothing.
    fn ask(program: &Path, device: &str) -> Option<Self> {
        let disk = format!("/dev/{device}");
        let mut asks = Command::new(program);
        asks.args(["--json", "-H", "-A", &disk]).stdin(Stdio::null());
        let out = asks.stderr(Stdio::null()).output().ok()?;
        let told: serde_json::Value = serde_json::from_slice(&out.stdout).ok()?;
        let passed = told.pointer("/smart_status/passed").and_then(serde_json::Value::as_bool);
        let used = told.pointer("/nvme_smart_health_information_log/percentage_used");
        let used = used.or_else(|| told.pointer("/endurance_used/current_percent"));
        let used_percent = used.and_then(serde_json::Value::as_u64).map(|used| used.min(100) as u32);
        (passed.is_some() || used_percent.is_some()).then_some(Self { passed, used_percent })
    }
}

fn read(path: &Path) -> Option<String> {
    let bytes = base::fs::read(path, MAX_BYTES).ok()?; // what is not there is not told
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A simulated board: a folder with the files that a real one has.
    struct Simulated(tempfile::TempDir);

    impl Simulated {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in files {
                let path = folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, content).unwrap();
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            Self(folder)
        }
        fn facts(&self) -> Vec<Fact> {
            let tool = |name: &str| self.0.path().join("tools").join(name);
            Doctor::new(self.0.path(), Rauc::new(tool("rauc")), Some(tool("smartctl"))).look(TimeSource::Ntp)
        }
        fn fact(&self, name: &str) -> Fact {
            let facts = self.facts();
            facts.iter().find(|fact| fact.name == name).unwrap_or_else(|| panic!("no {name} in {facts:?}")).clone()
        }
    }

    fn reason(fact: &Fact) -> Option<Reason> {
        match fact.health {
            Health::Degraded { reason, .. } => Some(reason),
            _ => None,
        }
    }

    const THROTTLED: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";

    #[test]
    fn a_machine_that_tells_nothing_is_off_in_every_fact_and_degraded_in_none() {
        let facts = Simulated::new(&[]).facts();
        let off: Vec<_> = facts.iter().filter(|f| f.health == Health::Off).map(|f| f.name.as_str()).collect();
        assert_eq!(off, ["board", "temperature", "throttling", "power", "slots"]);
        assert!(facts.iter().all(|fact| !fact.said.is_empty() && reason(fact).is_none()));
    }

    #[test]
    fn a_board_in_good_health_says_what_it_is() {
        let status = include_str!("../tests/rauc/on-trial.json").replace("\"bad\"", "\"good\"");
        let rauc = format!("#!/bin/sh\necho '{status}'\n");
        let pi = Simulated::new(&[
            (
                "usr/share/keepsight/board.toml",
                "name = \"raspberry-pi-4\"\ntitle = \"Raspberry Pi 4\"\narch = \"arm64\"\n",
            ),
            (
                "usr/lib/keepsight/image.toml",
                "version = \"0.2.0\"\nboard = \"raspberry-pi-4\"\ncompatible = \"keepsight-raspberry-pi-4\"\nbuilt = \"2026-01-01T00:00:00Z\"\n",
            ),
            ("sys/class/thermal/thermal_zone0/temp", "54321\n"),
            ("sys/class/thermal/thermal_zone1/temp", "not told\n"),
            (THROTTLED, "0\n"),
            ("sys/block/mmcblk0/size", "125042688\n"),
            ("sys/block/mmcblk0/device/life_time", "0x01 0x03\n"),
            ("sys/block/mmcblk0/device/pre_eol_info", "0x01\n"),
            ("sys/block/mmcblk0boot0/size", "8192\n"),
            ("sys/block/loop0/size", "8192\n"),
            ("tools/rauc", &rauc),
        ]);
        let said: Vec<_> = pi.facts().into_iter().map(|fact| (fact.name, fact.said, fact.health)).collect();
        let ok = |name: &str, said: &str| (name.to_owned(), said.to_owned(), Health::Ok);
        assert_eq!(
            said,
            [
                ok("board", "Raspberry Pi 4, system 0.2.0"),
                ok("temperature", "54 °C"),
                ok("throttling", "Not since the machine started"),
                ok("power", "The voltage was never too low since the machine started"),
                ok("time", "A time server tells the time"),
                ok("disk_mmcblk0", "mmcblk0, 64 GB, 30 % of its life used"),
                ok("slots", "B runs, A can take its place"),
            ]
        );
    }

    #[test]
    fn heat_throttling_and_low_voltage_are_told_with_what_to_do() {
        let hot = Simulated::new(&[("sys/class/thermal/thermal_zone0/temp", "80000"), (THROTTLED, "50005")]);
        let told = |name| {
            let fact = hot.fact(name);
            (reason(&fact), matches!(&fact.health, Health::Degraded { detail, .. } if detail.contains(&fact.said)))
        };
        assert_eq!(told("temperature"), (Some(Reason::TooHot), true));
        assert_eq!(told("throttling"), (Some(Reason::Throttled), true));
        assert_eq!(told("power"), (Some(Reason::LowVoltage), true));
        let was = Simulated::new(&[("sys/class/thermal/thermal_zone0/temp", "79999"), (THROTTLED, "0x50000")]);
        assert_eq!(reason(&was.fact("temperature")), None);
        assert_eq!(was.fact("throttling").said, "Not now; it was since the machine started");
        assert_eq!(reason(&was.fact("power")), Some(Reason::LowVoltage), "a weak supply will do it again");
    }

    #[test]
    fn a_disk_that_wears_out_or_fails_is_told_and_one_that_says_nothing_is_off() {
        let smartctl = |answer: &str| format!("#!/bin/sh\necho '{answer}'\nexit 4\n");
        let disk = |answer: &str| {
            let tool = smartctl(answer);
            Simulated::new(&[("sys/block/nvme0n1/size", "1953525168"), ("tools/smartctl", &tool)]).fact("disk_nvme0n1")
        };
        let fact =
            disk(r#"{"smart_status":{"passed":true},"nvme_smart_health_information_log":{"percentage_used":7}}"#);
        assert_eq!((fact.health, fact.said.as_str()), (Health::Ok, "nvme0n1, 1000 GB, 7 % of its life used"));
        let worn =
            disk(r#"{"smart_status":{"passed":true},"nvme_smart_health_information_log":{"percentage_used":90}}"#);
        assert_eq!(reason(&worn), Some(Reason::DiskWorn));
        assert_eq!(reason(&disk(r#"{"smart_status":{"passed":false}}"#)), Some(Reason::DiskWorn));
        assert_eq!(disk(r#"{"smart_status":{"passed":true}}"#).health, Health::Ok);
        assert_eq!(disk("not JSON").health, Health::Off);
        let spare = Simulated::new(&[
            ("sys/block/mmcblk0/size", "1"),
            ("sys/block/mmcblk0/device/life_time", "0x0b 0x01"),
            ("sys/block/mmcblk0/device/pre_eol_info", "0x02"),
        ]);
        assert_eq!(spare.fact("disk_mmcblk0").said, "mmcblk0, 0 GB, 100 % of its life used, and says that it fails");
    }

    #[test]
    fn a_damaged_file_of_the_image_is_told() {
        let bad = Simulated::new(&[("usr/share/keepsight/board.toml", "name = 1\n")]).fact("board");
        assert_eq!(reason(&bad), Some(Reason::BadImage));
        assert!(bad.said.contains("board.toml, line 1"), "{}", bad.said);
    }

    #[test]
    fn a_machine_is_looked_at_again_after_half_a_minute() {
        let folder = Simulated::new(&[("sys/class/thermal/thermal_zone0/temp", "40000")]);
        let clock = base::SimClock::default();
        let doctor = Doctor::new(folder.0.path(), Rauc::new("/nowhere/rauc"), None);
        let machine = Machine::new(doctor, std::sync::Arc::new(clock.clone()));
        let temperature = || machine.facts().into_iter().find(|f| f.name == "temperature").unwrap().said;
        assert_eq!(temperature(), "40 °C");
        std::fs::write(folder.0.path().join("sys/class/thermal/thermal_zone0/temp"), "50000").unwrap();
        clock.advance(Duration::from_secs(29));
        assert_eq!(temperature(), "40 °C");
        clock.advance(Duration::from_secs(1));
        assert_eq!(temperature(), "50 °C");
    }
}
