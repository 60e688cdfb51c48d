//! What a file system says of itself.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use base::fs::FsError;
use nix::sys::statvfs::{FsFlags, statvfs};

/// The file system that a folder lies on, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFacts {
    /// All its bytes.
    pub total: u64,
    /// Bytes that can still be written by who is not root.
    pub free: u64,
    /// Which device: the same number for two folders means the same file system.
    pub device: u64,
    /// The folder is where a file system is mounted, not a folder of the one above.
    pub mount_point: bool,
    /// Nothing can be written.
    pub read_only: bool,
}

/// Asks the machine; a test asks a simulated disk.
pub trait Disks: Send + Sync + 'static {
    /// What the file system says that `path` lies on.
    ///
    /// # Errors
    /// The path is not there, or its disk does not answer.
    fn facts(&self, path: &Path) -> Result<DiskFacts, FsError>;
}

/// The disks of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisks;

impl Disks for SystemDisks {
    fn facts(&self, path: &Path) -> Result<DiskFacts, FsError> {
        let facts = || -> io::Result<DiskFacts> {
            let device = std::fs::metadata(path)?.dev();
            let above = std::fs::metadata(path.join(".."))?;
            let says = statvfs(path)?;
            let unit = says.fragment_size();
            Ok(DiskFacts {
                total: says.blocks().saturating_mul(unit),
                free: says.blocks_available().saturating_mul(unit),
                device,
                mount_point: above.dev() != device,
                read_only: says.flags().contains(FsFlags::ST_RDONLY),
            })
        };
        facts().map_err(FsError::on("look at the disk of", path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_of_one_disk_say_the_same() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("inner")).unwrap();
        let (outer, inner) = (SystemDisks.facts(dir.path()), SystemDisks.facts(&dir.path().join("inner")));
        let (outer, inner) = (outer.unwrap(), inner.unwrap());
        assert_eq!((outer.device, outer.total), (inner.device, inner.total));
        assert!(!inner.mount_point && !inner.read_only && inner.free <= inner.total && inner.total > 0);
    }

    #[test]
    fn another_file_system_is_told_by_its_device() {
        let proc = SystemDisks.facts(Path::new("/proc")).unwrap();
        assert!(proc.mount_point);
        assert_ne!(proc.device, SystemDisks.facts(Path::new("/")).unwrap().device);
    }

    #[test]
    fn what_is_not_there_is_an_error_with_its_path() {
        let e = SystemDisks.facts(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(e.to_string(), "cannot look at the disk of /nowhere/at/all");
        assert!(e.is_not_found());
    }
}
