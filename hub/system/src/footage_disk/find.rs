//! Which disks there are, by what sysfs and udev say of them, and whether one of them can become the footage disk.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;

use crate::mounts::{STICKS, mount_points};

/// The name of the one partition that is made on a footage disk (`90-keepsight-footage.rules` has it too).
pub const PARTITION: &str = "keepsight-footage";
/// Smaller disks hold too little to be worth the change.
pub const LEAST_BYTES: u64 = 4_000_000_000;
/// The partitions of a system of ours, see `image-build/repart`.
const SYSTEM_PARTITIONS: [&str; 4] = ["keepsight-esp", "keepsight-boot-", "keepsight-root-", "keepsight-data"];
/// No disks, but made of others, of memory, or of what is elsewhere.
const NO_DISKS: [&str; 8] = ["loop", "ram", "zram", "dm-", "sr", "nbd", "md", "fd"];
const SECTOR: u64 = 512;
/// Longer files are none that are read here.
const MAX_BYTES: u64 = 64 * 1024;

/// Looks at the disks of the machine below a root.
#[derive(Debug, Clone)]
pub struct Finder {
    root: PathBuf,
}

/// A whole disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundDisk {
    /// What it is told from all others by: its maker's serial number or its place. Empty: it cannot be told.
    pub id: String,
    /// Its name at this moment, such as `sda`.
    pub name: String,
    /// Maker and model in words.
    pub model: String,
    /// All its bytes.
    pub size_bytes: u64,
    /// How it is connected: usb, ata, nvme, mmc; empty: not told.
    pub bus: String,
    /// What is on it now, as far as that is recognised.
    pub holds: Vec<Holds>,
    /// Whether it can become the footage disk.
    pub fit: Fit,
    /// Stands for all of it: who chose this disk saw it like this.
    pub seen: String,
    /// Its partitions.
    #[serde(skip)]
    pub partitions: Vec<Partition>,
}

/// A part of a disk with something on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// Its bytes.
    pub size_bytes: u64,
    /// ext4, ntfs, vfat, …; empty: nothing that is recognised.
    pub file_system: String,
    /// What a person named it.
    pub label: String,
}

/// Whether a disk can become the footage disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// It is this hub's footage disk.
    Footage,
    /// Nothing is on it that is recognised.
    Empty,
    /// Something is on it, which would be lost.
    Used,
    /// It is a footage disk, and not this hub's: perhaps of another one, to be adopted.
    OtherHub,
    /// A system of Keepsight is on it.
    System,
    /// Something of it is mounted, or other disks are made of it.
    InUse,
    /// Nothing can be written to it.
    ReadOnly,
    /// It is smaller than [`LEAST_BYTES`].
    TooSmall,
    /// It cannot be told from others: it says no number, or another disk says the same.
    NoNumber,
}

impl Fit {
    /// An owner may have it made the footage disk.
    pub fn may_be_made(self) -> bool {
        matches!(self, Fit::Empty | Fit::Used | Fit::OtherHub)
    }
}

/// A partition, or a file system on the whole disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Such as `sda1`.
    pub name: String,
    /// `major:minor`.
    pub device: String,
    /// Its name in the partition table.
    pub partition: String,
    /// Of its file system.
    pub uuid: String,
    /// Its kind of file system.
    pub file_system: String,
    label: String,
    bytes: u64,
    held: bool,
}

impl Finder {
    /// Of the machine below `root`: "/", but for tests.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// All disks, by name. `own`: the UUID of the file system of the hub's own footage disk. Blocks.
    pub fn disks(&self, own: Option<&str>) -> Vec<FoundDisk> {
        let busy = self.busy();
        let entries = std::fs::read_dir(self.root.join("sys/block")).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries.filter_map(|entry| self.disk(&entry.path(), own, &busy)).collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let ids: Vec<_> = found.iter().map(|disk| disk.id.clone()).collect();
        for disk in found.iter_mut().filter(|disk| disk.fit.may_be_made()) {
            if disk.id.is_empty() || ids.iter().filter(|id| **id == disk.id).count() > 1 {
                disk.fit = Fit::NoNumber;
            }
        }
        found
    }

    /// The partition of a footage disk with this file system.
    pub fn footage_partition(&self, uuid: &str) -> Option<Partition> {
        let mut all = self.disks(None).into_iter().flat_map(|disk| disk.partitions);
        all.find(|part| part.partition == PARTITION && part.uuid == uuid && part.file_system == "ext4")
    }

    fn disk(&self, sys: &Path, own: Option<&str>, busy: &HashSet<String>) -> Option<FoundDisk> {
        let name = sys.file_name()?.to_str()?.to_owned();
        // An eMMC's own boot areas are named `mmcblk0boot0`.
        if NO_DISKS.iter().any(|begins| name.starts_with(begins)) || name.contains("boot") || name.contains("rpmb") {
            return None;
        }
        let whole = self.partition(sys)?;
        if whole.bytes == 0 {
            return None; // a reader without a card
        }
        let said = self.udev(&whole.device);
        let word = |key: &str| said.get(key).cloned().unwrap_or_default();
        let mut partitions: Vec<_> = std::fs::read_dir(sys)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().join("partition").exists())
            .filter_map(|entry| self.partition(&entry.path()))
            .collect();
        partitions.sort_by(|a, b| a.name.cmp(&b.name));
        let mut disk = FoundDisk {
            id: ["ID_SERIAL", "ID_WWN", "ID_PATH"].into_iter().map(word).find(|id| !id.is_empty()).unwrap_or_default(),
            model: word("ID_MODEL").replace('_', " ").trim().to_owned(),
            size_bytes: whole.bytes,
            bus: word("ID_BUS"),
            holds: Vec::new(),
            fit: Fit::Empty,
            seen: String::new(),
            name,
            partitions,
        };
        let on_all_of_it = (!whole.file_system.is_empty()).then_some(&whole);
        disk.holds = on_all_of_it
            .into_iter()
            .chain(&disk.partitions)
            .map(|part| Holds {
                size_bytes: part.bytes,
                file_system: part.file_system.clone(),
                label: if part.label.is_empty() { part.partition.clone() } else { part.label.clone() },
            })
            .collect();
        disk.seen = seen(&disk, &whole, &word("ID_PART_TABLE_UUID"));
        disk.fit = fit(&disk, &whole, own, busy, read(&sys.join("ro")).as_deref() == Some("1"));
        Some(disk)
    }

    fn partition(&self, sys: &Path) -> Option<Partition> {
        let device = read(&sys.join("dev"))?;
        let said = self.udev(&device);
        let word = |key: &str| said.get(key).cloned().unwrap_or_default();
        Some(Partition {
            name: sys.file_name()?.to_str()?.to_owned(),
            bytes: read(&sys.join("size"))?.parse::<u64>().ok()? * SECTOR,
            partition: word("ID_PART_ENTRY_NAME"),
            uuid: word("ID_FS_UUID"),
            file_system: word("ID_FS_TYPE"),
            label: word("ID_FS_LABEL"),
            held: std::fs::read_dir(sys.join("holders")).is_ok_and(|mut holders| holders.next().is_some()),
            device,
        })
    }

    /// What udev keeps of a device: lines of `E:KEY=VALUE`.
    fn udev(&self, device: &str) -> BTreeMap<String, String> {
        let text = read(&self.root.join("run/udev/data").join(format!("b{device}"))).unwrap_or_default();
        let said = text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('='));
        said.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// What is mounted, as `major:minor`, and what is swapped to, by name.
    fn busy(&self) -> HashSet<String> {
        let text = |path: &str| read_long(&self.root.join(path)).unwrap_or_default();
        // A stick that was looked into for an update is let go by whoever empties it.
        let mounts = text("proc/self/mountinfo");
        let by_people = mount_points(&mounts).filter(|mount| !mount.point.starts_with(STICKS));
        let mut busy: HashSet<_> = by_people.map(|mount| mount.device).collect();
        let swaps = text("proc/swaps");
        let names = swaps.lines().filter_map(|line| line.split_whitespace().next()?.strip_prefix("/dev/"));
        busy.extend(names.map(str::to_owned));
        busy
    }
}

fn fit(disk: &FoundDisk, whole: &Partition, own: Option<&str>, busy: &HashSet<String>, read_only: bool) -> Fit {
    let named = |part: &Partition| SYSTEM_PARTITIONS.iter().any(|begins| part.partition.starts_with(begins));
    let used = |part: &Partition| part.held || busy.contains(&part.device) || busy.contains(&part.name);
    let footage = |part: &&Partition| part.partition == PARTITION;
    match disk {
        _ if disk.partitions.iter().any(named) => Fit::System,
        _ if disk.partitions.iter().filter(footage).any(|part| own == Some(part.uuid.as_str())) => Fit::Footage,
        _ if used(whole) || disk.partitions.iter().any(used) => Fit::InUse,
        _ if read_only => Fit::ReadOnly,
        _ if disk.size_bytes < LEAST_BYTES => Fit::TooSmall,
        _ if disk.partitions.iter().any(|part| footage(&part)) => Fit::OtherHub,
        _ if disk.holds.is_empty() => Fit::Empty,
        _ => Fit::Used,
    }
}

/// A short text that is another one as soon as anything of the disk is.
fn seen(disk: &FoundDisk, whole: &Partition, table: &str) -> String {
    let mut text = format!("{}\n{}\n{}\n{table}\n", disk.id, disk.model, disk.size_bytes);
    for part in std::iter::once(whole).chain(&disk.partitions) {
        let Partition { partition, uuid, file_system, label, bytes, .. } = part;
        let _ = writeln!(text, "{partition}\t{uuid}\t{file_system}\t{label}\t{bytes}"); // into memory
    }
    digest(&SHA256, text.as_bytes()).as_ref()[..8].iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn read(path: &Path) -> Option<String> {
    let bytes = base::fs::read(path, MAX_BYTES).ok()?; // what is not there is not told
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn read_long(path: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the files that a machine with disks has.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            machine.write("proc/self/mountinfo", "22 1 0:30 / / rw - erofs /dev/dm-0 ro\n");
            machine.write("proc/swaps", "Filename Type Size Used Priority\n");
            machine
        }
        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        /// `name` is a disk or `disk/partition`.
        fn block(&self, name: &str, device: &str, gigabytes: u64, said: &[(&str, &str)]) {
            self.write(&format!("sys/block/{name}/dev"), &format!("{device}\n"));
            self.write(&format!("sys/block/{name}/size"), &format!("{}\n", gigabytes * 1_000_000_000 / SECTOR));
            if name.contains('/') {
                self.write(&format!("sys/block/{name}/partition"), "1\n");
            }
            let lines = said.iter().fold("I:1\n".to_owned(), |text, (key, value)| text + &format!("E:{key}={value}\n"));
            self.write(&format!("run/udev/data/b{device}"), &lines);
        }
        fn disk(&self, letter: char, minor: u32, gigabytes: u64) {
            let serial = format!("Maker_Disk_{letter}");
            self.block(
                &format!("sd{letter}"),
                &format!("8:{minor}"),
                gigabytes,
                &[("ID_SERIAL", &serial), ("ID_MODEL", "Maker_Disk"), ("ID_BUS", "usb")],
            );
        }
        fn fits(&self, own: Option<&str>) -> Vec<(String, Fit)> {
            Finder::new(self.0.path()).disks(own).into_iter().map(|disk| (disk.name, disk.fit)).collect()
        }
        fn fit(&self) -> Fit {
            self.fits(None)[0].1
        }
    }

    #[test]
    fn each_disk_is_told_with_what_is_on_it() {
        let machine = Machine::new();
        machine.disk('a', 0, 1000);
        machine.disk('b', 16, 500);
        let ntfs = [("ID_FS_TYPE", "ntfs"), ("ID_FS_LABEL", "Backup"), ("ID_PART_ENTRY_NAME", "Basic data")];
        machine.block("sdb/sdb1", "8:17", 499, &ntfs);
        machine.block("loop0", "7:0", 500, &[]);
        machine.block("mmcblk0boot0", "179:8", 4, &[]);
        machine.block("sdc", "8:32", 0, &[]);
        let disks = Finder::new(machine.0.path()).disks(None);
        let told: Vec<_> = disks.iter().map(|d| (d.id.as_str(), d.model.as_str(), d.bus.as_str(), d.fit)).collect();
        assert_eq!(
            told,
            [("Maker_Disk_a", "Maker Disk", "usb", Fit::Empty), ("Maker_Disk_b", "Maker Disk", "usb", Fit::Used)]
        );
        let holds =
            |label: &str| Holds { size_bytes: 499_000_000_000, file_system: "ntfs".into(), label: label.into() };
        assert_eq!(
            (disks[0].holds.as_slice(), disks[1].holds.as_slice()),
            ([].as_slice(), [holds("Backup")].as_slice())
        );
    }

    #[test]
    fn a_disk_that_is_needed_or_unfit_is_not_offered() {
        let of = |prepare: &dyn Fn(&Machine)| {
            let machine = Machine::new();
            machine.disk('a', 0, 1000);
            machine.block("sda/sda1", "8:1", 999, &[("ID_FS_TYPE", "ext4"), ("ID_FS_UUID", "u")]);
            prepare(&machine);
            machine.fit()
        };
        assert_eq!(of(&|_| {}), Fit::Used);
        for name in ["keepsight-esp", "keepsight-root-b", "keepsight-data"] {
            let fit = of(&|m| m.block("sda/sda2", "8:2", 1, &[("ID_PART_ENTRY_NAME", name)]));
            assert_eq!(fit, Fit::System, "{name}");
        }
        let mounted = "40 22 8:1 / /media/stick rw - ext4 /dev/sda1 rw\n";
        assert_eq!(of(&|m| m.write("proc/self/mountinfo", mounted)), Fit::InUse);
        let looked_into = "40 22 8:1 / /run/media/keepsight/sda1 ro - vfat /dev/sda1 ro\n";
        assert_ne!(of(&|m| m.write("proc/self/mountinfo", looked_into)), Fit::InUse, "for an update");
        let swapped = "Filename Type\n/dev/sda1 partition 1 0 -2\n";
        assert_eq!(of(&|m| m.write("proc/swaps", swapped)), Fit::InUse);
        assert_eq!(of(&|m| m.write("sys/block/sda/sda1/holders/dm-0", "")), Fit::InUse);
        assert_eq!(of(&|m| m.write("sys/block/sda/holders/md0", "")), Fit::InUse);
        assert_eq!(of(&|m| m.write("sys/block/sda/ro", "1\n")), Fit::ReadOnly);
        assert_eq!(of(&|m| m.disk('a', 0, 3)), Fit::TooSmall);
        assert_eq!(of(&|m| m.disk('a', 0, 4)), Fit::Used);
        assert_eq!(of(&|m| m.block("sda", "8:0", 1000, &[])), Fit::NoNumber);
        assert_eq!(of(&|m| m.block("sdb", "8:16", 1000, &[("ID_SERIAL", "Maker_Disk_a")])), Fit::NoNumber, "twins");
    }

    #[test]
    fn a_footage_disk_is_this_hubs_by_its_file_system() {
        let machine = Machine::new();
        machine.disk('a', 0, 1000);
        let said = [("ID_FS_TYPE", "ext4"), ("ID_FS_UUID", "u-1"), ("ID_PART_ENTRY_NAME", PARTITION)];
        machine.block("sda/sda1", "8:1", 999, &said);
        assert_eq!(machine.fits(Some("u-1"))[0].1, Fit::Footage);
        assert_eq!(machine.fits(Some("u-2"))[0].1, Fit::OtherHub);
        assert_eq!(machine.fit(), Fit::OtherHub);
        let finder = Finder::new(machine.0.path());
        assert_eq!(finder.footage_partition("u-1").map(|part| part.name).as_deref(), Some("sda1"));
        assert_eq!(finder.footage_partition("u-2"), None);
        // Whatever else has this file system is none.
        machine.block("sda/sda1", "8:1", 999, &[("ID_FS_TYPE", "ext4"), ("ID_FS_UUID", "u-1")]);
        assert_eq!(finder.footage_partition("u-1"), None);
    }

    #[test]
    fn what_was_seen_is_another_text_after_any_change() {
        let machine = Machine::new();
        let seen = || Finder::new(machine.0.path()).disks(None)[0].seen.clone();
        let mut all = HashSet::new();
        machine.disk('a', 0, 1000);
        assert!(all.insert(seen()) && !all.insert(seen()));
        machine.disk('a', 0, 1001);
        assert!(all.insert(seen()));
        for said in [("ID_FS_TYPE", "ext4"), ("ID_FS_UUID", "u"), ("ID_FS_LABEL", "l"), ("ID_PART_ENTRY_NAME", "p")] {
            machine.block("sda/sda1", "8:1", 999, &[said]);
            assert!(all.insert(seen()), "{said:?}");
        }
        machine.block("sda/sda1", "8:1", 998, &[]);
        assert!(all.insert(seen()));
    }
}
