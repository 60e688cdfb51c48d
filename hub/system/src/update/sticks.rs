//! Disks that people carry about: on one of them an update may lie.

use std::path::{Path, PathBuf};

use crate::mounts::{MountPoint, STICKS, mount_points};

/// The removable disks that are mounted.
#[derive(Debug, Clone)]
pub struct Sticks {
    mountinfo: PathBuf,
    devices: PathBuf,
}

impl Default for Sticks {
    fn default() -> Self {
        Self::new("/proc/self/mountinfo", "/sys/dev/block")
    }
}

impl Sticks {
    /// As these tell them: proc_pid_mountinfo(5), and a folder of links from `major:minor` to devices.
    pub fn new(mountinfo: impl Into<PathBuf>, devices: impl Into<PathBuf>) -> Self {
        Self { mountinfo: mountinfo.into(), devices: devices.into() }
    }

    /// Where they are mounted, in the order in which they were. Blocks.
    pub fn mounted(&self) -> Vec<PathBuf> {
        let text = || std::fs::read_to_string(&self.mountinfo).unwrap_or_default(); // without it there are none
        // What is mounted as soon as somebody looks into it is looked into.
        for waiting in mount_points(&text()).filter(|mount| mount.point.starts_with(STICKS)) {
            let _ = std::fs::read_dir(&waiting.point).map(|mut names| names.next()); // one that cannot be mounted is none
        }
        mount_points(&text()).filter(|mount| self.is_removable(mount)).map(|mount| mount.point).collect()
    }

    /// By USB, or said to be removable. A partition's disk is the folder above it.
    fn is_removable(&self, mount: &MountPoint) -> bool {
        let Ok(device) = std::fs::canonicalize(self.devices.join(&mount.device)) else { return false };
        let by_usb = device.components().any(|part| part.as_os_str().to_string_lossy().starts_with("usb"));
        let says =
            |folder: &Path| std::fs::read_to_string(folder.join("removable")).is_ok_and(|text| text.trim() == "1");
        by_usb || says(&device) || device.parent().is_some_and(says)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn disks_by_usb_and_removable_ones_are_told_from_the_machines_own() {
        let root = tempfile::tempdir().unwrap();
        let (sys, links) = (root.path().join("devices"), root.path().join("block"));
        std::fs::create_dir(&links).unwrap();
        for (device, number, removable) in [
            ("pci0000:00/usb2/2-1/block/sda/sda1", "8:1", "0"),
            ("platform/mmc/block/mmcblk1/mmcblk1p1", "179:1", "1"),
            ("pci0000:00/nvme/nvme0n1/nvme0n1p1", "259:1", "0"),
        ] {
            let device = sys.join(device);
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(device.parent().unwrap().join("removable"), format!("{removable}\n")).unwrap();
            symlink(&device, links.join(number)).unwrap();
        }
        let info = root.path().join("mountinfo");
        let text = "40 22 8:1 / /media/my\\040stick rw - vfat /dev/sda1 rw\n\
            41 22 179:1 / /media/card rw - ext4 /dev/mmcblk1p1 rw\n\
            42 22 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\n\
            43 22 0:31 / /proc rw - proc proc rw\n\
            nonsense\n";
        std::fs::write(&info, text).unwrap();
        let sticks = Sticks::new(&info, &links).mounted();
        assert_eq!(sticks, [PathBuf::from("/media/my stick"), "/media/card".into()]);
        assert_eq!(Sticks::new("/nowhere", &links).mounted(), Vec::<PathBuf>::new());
    }
}
