//! What other programs do to a disk: sfdisk makes one partition, mkfs.ext4 a file system, systemd mounts it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Problem, ProblemKind};
use system::footage_disk::PARTITION;

use super::path;
use crate::as_root::{self, comes};

/// As everything that is mounted for the hub. systemd unmounts it when its disk is pulled.
const OPTIONS: &str = "noatime,nodev,nosuid,noexec,x-systemd.device-bound";
/// udev makes the node of a new partition within that.
const NODE_WITHIN: Duration = Duration::from_secs(20);

/// Whether the hub is to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Yes,
    No,
}

/// Empties a disk and makes it one ext4: its UUID, and its partition. The UUID is made here, so that a disk that was begun twice is
/// told from the first.
pub(super) fn format(disk: &Path) -> Result<(String, PathBuf), Problem> {
    let uuid = random_uuid();
    let table = format!("label: gpt\ntype=linux, name=\"{PARTITION}\"\n");
    run_with("sfdisk", &["--quiet", "--wipe=always", "--wipe-partitions=always", path(disk)?], table.as_bytes())?;
    let name = path(disk)?;
    // nvme0n1 has nvme0n1p1, sda has sda1.
    let between = if name.ends_with(|last: char| last.is_ascii_digit()) { "p" } else { "" };
    let part = PathBuf::from(format!("{name}{between}1"));
    if !comes(|| part.exists(), NODE_WITHIN)? {
        return Err(Problem::with(ProblemKind::DiskNotMade, format_args!("{} does not appear", part.display())));
    }
    // Nothing is kept for root: the hub keeps a reserve by itself. Files are of a minute of video, so few inodes do.
    run("mkfs.ext4", &["-q", "-F", "-m", "0", "-i", "262144", "-U", &uuid, path(&part)?])?;
    Ok((uuid, part))
}

/// Has systemd mount it where everybody sees it: this program runs in a place of its own.
pub(super) fn mount_for_all(part: &Path, at: &Path, wait: Wait) -> Result<(), Problem> {
    let options = format!("--options={OPTIONS}");
    let mut words =
        vec!["--quiet", "--no-ask-password", "--collect", "--type=ext4", &options, "--property=LazyUnmount=yes"];
    if wait == Wait::No {
        words.push("--no-block");
    }
    words.extend([path(part)?, path(at)?]);
    run("systemd-mount", &words)
}

/// Runs a program to its end.
pub(super) fn run(program: &str, words: &[&str]) -> Result<(), Problem> {
    run_with(program, words, b"")
}

fn run_with(program: &str, words: &[&str], input: &[u8]) -> Result<(), Problem> {
    as_root::run(program, words, input).map_err(|why| Problem::with(ProblemKind::DiskNotMade, why))
}

/// Version 4 of RFC 9562.
fn random_uuid() -> String {
    let mut bytes = [0; 16];
    base::random(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
