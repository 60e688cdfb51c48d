//! Two groups of processes below the one that systemd gave the hub (`Delegate=`, cgroup v2): the hub's own, and one for its children,
//! which decode hostile video. They get the processor time that recording leaves over, and a memory that can be full without the
//! hub's being short.

use std::io;
use std::path::{Path, PathBuf};

/// Of the processor, where the hub has 100 (`cpu.weight`): beside its nice value, which counts within a group only.
const CHILDREN_WEIGHT: u32 = 20;
/// What of the machine's memory all children have together: a group that is full loses one of its own.
const CHILDREN_MEMORY_PERCENT: u64 = 50;

/// Divides the hub's group, and says where its children belong. `None`: the hub has no group of its own, because it is not
/// run by our unit, or no cgroup v2 is there.
///
/// # Errors
/// It has one, and cannot divide it.
pub fn divide(root: &Path) -> io::Result<Option<PathBuf>> {
    let read = |path: &str| std::fs::read_to_string(root.join(path));
    let of_us = read("proc/self/cgroup").unwrap_or_default();
    let Some(path) = of_us.lines().find_map(|line| line.strip_prefix("0::/")) else { return Ok(None) };
    // A hub that is started again by hand may find itself in its own part.
    let unit = path.strip_suffix("/hub").unwrap_or(path);
    let group = root.join("sys/fs/cgroup").join(unit);
    if !unit.ends_with("/keepsight.service") || !group.join("cgroup.procs").exists() {
        return Ok(None);
    }
    let (hub, children) = (group.join("hub"), group.join("vision"));
    for part in [&hub, &children] {
        std::fs::create_dir(part)
            .or_else(|e| if e.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(e) })?;
    }
    // No process may be in a group whose parts are told how much they get.
    std::fs::write(hub.join("cgroup.procs"), std::process::id().to_string())?;
    std::fs::write(group.join("cgroup.subtree_control"), "+cpu +memory")?;
    std::fs::write(children.join("cpu.weight"), CHILDREN_WEIGHT.to_string())?;
    let memory = read("proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().split(' ').next()?.parse().ok());
    if let Some(kib) = kib.map(|kib: u64| kib * CHILDREN_MEMORY_PERCENT / 100) {
        std::fs::write(children.join("memory.max"), (kib << 10).to_string())?;
    }
    Ok(Some(children))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folders that stand for a machine: `scripts/test-image` looks at a real one.
    fn machine(of_us: &str, groups: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [("proc/self/cgroup", of_us), ("proc/meminfo", "MemTotal:  4000000 kB\nMemFree: 1 kB\n")] {
            std::fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        for group in groups {
            std::fs::create_dir_all(dir.path().join("sys/fs/cgroup").join(group)).unwrap();
            std::fs::write(dir.path().join("sys/fs/cgroup").join(group).join("cgroup.procs"), "").unwrap();
        }
        dir
    }

    #[test]
    fn the_hub_and_its_children_have_a_part_each() {
        let unit = "system.slice/keepsight.service";
        for of_us in ["0::/system.slice/keepsight.service\n", "1:name=x:/\n0::/system.slice/keepsight.service/hub\n"] {
            let dir = machine(of_us, &[unit]);
            let group = dir.path().join("sys/fs/cgroup").join(unit);
            for _ in 0..2 {
                assert_eq!(divide(dir.path()).unwrap(), Some(group.join("vision")));
            }
            let says = |file: &str| std::fs::read_to_string(group.join(file)).unwrap();
            assert_eq!(says("hub/cgroup.procs"), std::process::id().to_string());
            assert_eq!(says("cgroup.subtree_control"), "+cpu +memory");
            assert_eq!((says("vision/cpu.weight"), says("vision/memory.max")), ("20".into(), "2048000000".into()));
        }
    }

    #[test]
    fn what_is_not_the_hubs_is_left_alone() {
        for (of_us, group) in [
            ("", "x"),
            ("0::/user.slice/session-1.scope\n", "user.slice/session-1.scope"),
            ("0::/system.slice/keepsight.service\n", "other"),
            ("4:memory:/keepsight.service\n", "keepsight.service"),
        ] {
            assert_eq!(divide(machine(of_us, &[group]).path()).unwrap(), None, "{of_us}");
        }
    }
}
