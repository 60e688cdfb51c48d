//! The footage folder: is it the disk that the hub knows, and the key files in it.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::footage::SegmentInfo;
use base::fs::FsError;
use base::{CameraId, Clock, DiskId, EpochId, KitId, Problem, ProblemKind, Timestamp};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::paths::{self, SegmentName};

const MARK: &str = ".keepsight-disk";
const MARK_FORMAT: u32 = 1;
const MAX_MARK: u64 = 4_096;
const MAX_KEY_FILE: u64 = 64 * 1024;
/// Footage is sealed; the names of files still tell when something was recorded.
pub(crate) const DIR_MODE: u32 = 0o700;
pub(crate) const FILE_MODE: u32 = 0o600;

/// The footage folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// There is no mark of a footage disk: it is not mounted, or was never one.
    #[error("{path} is not there: this is not a footage disk", path = path.display())]
    Missing {
        /// Where the mark should be.
        path: PathBuf,
    },
    /// There is a footage disk already where a new one was to be made.
    #[error("{path} is there: this is a footage disk already", path = path.display())]
    Exists {
        /// Its mark.
        path: PathBuf,
    },
    /// It is another disk than the one the hub knows.
    #[error("{path} is of disk {found}, not of disk {expected}", path = path.display())]
    Foreign {
        /// Its mark.
        path: PathBuf,
        /// Which disk it is.
        found: DiskId,
        /// Which disk it should be.
        expected: DiskId,
    },
    /// The mark was written by a newer version.
    #[error("{path} has format {format}, this version reads {MARK_FORMAT}", path = path.display())]
    Newer {
        /// The mark.
        path: PathBuf,
        /// Its format number.
        format: u32,
    },
    /// The mark cannot be understood.
    #[error("{path} is not the mark of a footage disk", path = path.display())]
    BadMark {
        /// The mark.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Another key of the same epoch is there; it is never overwritten.
    #[error("{path} is there with other content and is not overwritten", path = path.display())]
    KeyExists {
        /// The key file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error(transparent)]
    Fs(#[from] FsError),
}

impl From<&DiskError> for Problem {
    fn from(e: &DiskError) -> Self {
        let kind = match e {
            DiskError::Missing { .. } | DiskError::Foreign { .. } => ProblemKind::DiskForeign,
            DiskError::Newer { .. } => ProblemKind::NewerFormat,
            DiskError::Exists { .. } | DiskError::BadMark { .. } => ProblemKind::BadFile,
            DiskError::KeyExists { .. } => ProblemKind::KeyExists,
            DiskError::Fs(e) => crate::error::kind_of_io(&e.source),
        };
        Problem::with(kind, e)
    }
}

/// A footage disk that was checked to be the right one.
#[derive(Debug, Clone)]
pub struct Disk {
    root: PathBuf,
    id: DiskId,
    /// Key files that could not be written yet. Clones share them. Lock order: a leaf.
    owed: Arc<Mutex<OwedKeys>>,
}

type OwedKeys = HashMap<(CameraId, EpochId), Vec<u8>>;

#[derive(Serialize, Deserialize)]
struct Mark {
    format: u32,
    disk: DiskId,
}

impl Disk {
    /// Makes a folder a footage disk, durably.
    ///
    /// # Errors
    /// [`DiskError::Exists`] if it is one already: [`Disk::open`] it.
    pub fn create(root: &Path, clock: &dyn Clock) -> Result<Self, DiskError> {
        base::fs::create_dir(root, DIR_MODE)?;
        let path = root.join(MARK);
        let mark = Mark { format: MARK_FORMAT, disk: DiskId::new(clock) };
        let mut json = serde_json::to_vec(&mark).expect("an id and a number always are JSON");
        json.push(b'\n');
        if !base::fs::create_new(&path, &json, FILE_MODE)? {
            return Err(DiskError::Exists { path });
        }
        Ok(Self::known(root, mark.disk))
    }

    /// Opens a footage disk; if the hub knows which one it should be, no other.
    ///
    /// # Errors
    /// It is not there, another one, of a newer format, or cannot be read.
    pub fn open(root: &Path, expected: Option<DiskId>) -> Result<Self, DiskError> {
        let path = root.join(MARK);
        let content = match base::fs::read(&path, MAX_MARK) {
            Err(e) if e.is_not_found() => return Err(DiskError::Missing { path }),
            other => other?,
        };
        let mark: Mark = match serde_json::from_slice(&content) {
            Ok(mark) => mark,
            Err(source) => return Err(DiskError::BadMark { path, source }),
        };
        if mark.format > MARK_FORMAT {
            return Err(DiskError::Newer { path, format: mark.format });
        }
        if let Some(expected) = expected.filter(|e| *e != mark.disk) {
            return Err(DiskError::Foreign { path, found: mark.disk, expected });
        }
        Ok(Self::known(root, mark.disk))
    }

    /// A footage disk that the hub knows and that is not there now: whoever writes finds out when it is. Nothing is
    /// written without having found its mark, see [`Disk::check`].
    pub fn expected(root: &Path, id: DiskId) -> Self {
        Self::known(root, id)
    }

    fn known(root: &Path, id: DiskId) -> Self {
        Self { root: root.to_owned(), id, owed: Arc::default() }
    }

    /// Is it there, now? The folder of a disk that was pulled out is a folder of the system's disk, and another disk
    /// may have been put in its place.
    ///
    /// # Errors
    /// As [`Disk::open`].
    pub fn check(&self) -> Result<(), DiskError> {
        Self::open(&self.root, Some(self.id)).map(drop)
    }

    /// Device and inode of the footage folder: another after every unmount and mount of another file system there.
    pub(crate) fn place(&self) -> std::io::Result<(u64, u64)> {
        let meta = std::fs::metadata(&self.root)?;
        Ok((meta.dev(), meta.ino()))
    }

    /// Which disk this is.
    pub fn id(&self) -> DiskId {
        self.id
    }
    /// The footage folder.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The folder of the daily exports of the store's history. Made by who writes there.
    pub fn export_dir(&self) -> PathBuf {
        paths::export_dir(&self.root)
    }
    /// Where a segment's file lies.
    pub fn segment_path(&self, segment: &SegmentInfo) -> PathBuf {
        let name = SegmentName::of(segment);
        paths::camera_dir(&self.root, segment.camera).join(name.day()).join(name.to_string())
    }
    /// Where an epoch's key file lies.
    pub fn key_path(&self, camera: CameraId, epoch: EpochId) -> PathBuf {
        paths::keys_dir(&self.root, camera).join(paths::key_name(epoch, None))
    }
    /// Where an epoch's key file for a later recovery kit lies.
    pub fn kit_key_path(&self, camera: CameraId, epoch: EpochId, kit: KitId) -> PathBuf {
        paths::keys_dir(&self.root, camera).join(paths::key_name(epoch, Some(kit)))
    }

    /// Writes an epoch's key file, sealed to the recovery kit. When this returns it is durable: only then may
    /// anything be sealed to the epoch. Writing the same again is fine.
    ///
    /// # Errors
    /// [`DiskError::KeyExists`] if another key is there; it is never overwritten.
    pub fn write_epoch_key(&self, camera: CameraId, epoch: EpochId, sealed: &[u8]) -> Result<(), DiskError> {
        self.write_key(self.key_path(camera, epoch), sealed)
    }

    /// Takes on to write an epoch's key file once the disk is there, before the first byte is sealed to that epoch: the
    /// keeper sees to it. Who owes it keeps it somewhere durable until it is written.
    pub fn owe_epoch_key(&self, camera: CameraId, epoch: EpochId, sealed: Vec<u8>) {
        self.lock_owed().insert((camera, epoch), sealed);
    }

    /// Writes an epoch's key file if it is owed.
    ///
    /// # Errors
    /// As [`Disk::write_epoch_key`]; it is still owed then.
    pub fn pay_epoch_key(&self, camera: CameraId, epoch: EpochId) -> Result<(), DiskError> {
        let Some(sealed) = self.lock_owed().get(&(camera, epoch)).cloned() else { return Ok(()) };
        self.write_epoch_key(camera, epoch, &sealed)?;
        self.lock_owed().remove(&(camera, epoch));
        Ok(())
    }

    fn lock_owed(&self) -> MutexGuard<'_, OwedKeys> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same for a later recovery kit, beside the first one's.
    ///
    /// # Errors
    /// As [`Disk::write_epoch_key`].
    pub fn write_kit_key(&self, camera: CameraId, epoch: EpochId, kit: KitId, sealed: &[u8]) -> Result<(), DiskError> {
        self.write_key(self.kit_key_path(camera, epoch, kit), sealed)
    }

    fn write_key(&self, path: PathBuf, sealed: &[u8]) -> Result<(), DiskError> {
        self.check()?;
        let dir = path.parent().expect("a key file lies in a folder");
        base::fs::create_dir(dir, DIR_MODE)?;
        if !base::fs::create_new(&path, sealed, FILE_MODE)? && base::fs::read(&path, MAX_KEY_FILE)? != sealed {
            return Err(DiskError::KeyExists { path });
        }
        // A process that died between making a name and syncing it left that to us.
        for dir in dir.ancestors().take(3) {
            base::fs::sync_dir(dir)?;
        }
        Ok(())
    }

    /// A key file's content.
    ///
    /// # Errors
    /// It cannot be read, or is longer than a key file can be.
    pub fn read_key(&self, path: &Path) -> Result<Vec<u8>, DiskError> {
        Ok(base::fs::read(path, MAX_KEY_FILE)?)
    }

    /// The cameras that have a folder on the disk.
    ///
    /// # Errors
    /// The footage folder cannot be read.
    pub fn cameras(&self) -> Result<Vec<CameraId>, DiskError> {
        let entries = crate::scan::list(&self.root)?;
        Ok(entries.iter().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect())
    }

    /// The days of which a camera has a folder, `yyyy-mm-dd`, oldest first.
    ///
    /// # Errors
    /// The camera's folder cannot be read.
    pub fn days(&self, camera: CameraId) -> Result<Vec<String>, DiskError> {
        let entries = crate::scan::list(&paths::camera_dir(&self.root, camera))?;
        let names = entries.iter().filter_map(|e| e.file_name().into_string().ok());
        Ok(names.filter(|name| paths::is_day(name)).collect())
    }

    /// The segment files of a camera, by start: their names alone are looked at.
    ///
    /// # Errors
    /// A folder of the camera's cannot be read.
    pub fn segments(&self, camera: CameraId) -> Result<Vec<(Timestamp, PathBuf)>, DiskError> {
        let mut found = Vec::new();
        for day in self.days(camera)? {
            for entry in crate::scan::list(&paths::camera_dir(&self.root, camera).join(day))? {
                if let Some(name) = entry.file_name().to_str().and_then(SegmentName::parse) {
                    found.push((name.start, entry.path()));
                }
            }
        }
        Ok(found)
    }

    /// Takes the disk for as long as the answer lives: no other process gets it meanwhile. `None` if one has it.
    ///
    /// # Errors
    /// As [`Disk::check`]; the mark cannot be locked.
    pub fn lock(&self) -> Result<Option<DiskLock>, DiskError> {
        self.check()?;
        let path = self.root.join(MARK);
        let file = std::fs::File::open(&path).map_err(FsError::on("open", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(DiskLock { _lock: lock })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(FsError::on("lock", &path)(errno.into()).into()),
        }
    }

    /// The key files that lie on the disk for a camera, by name: an epoch that the store does not know is found here.
    ///
    /// # Errors
    /// The folder is there and cannot be read.
    pub fn keys(&self, camera: CameraId) -> Result<Vec<KeyFile>, DiskError> {
        let dir = paths::keys_dir(&self.root, camera);
        let mut found = Vec::new();
        for entry in crate::scan::list(&dir)? {
            let name = entry.file_name();
            if let Some((epoch, kit)) = name.to_str().and_then(paths::parse_key_name) {
                found.push(KeyFile { epoch, kit, path: entry.path() });
            }
        }
        Ok(found)
    }
}

/// A footage disk is this process's, see [`Disk::lock`]. Holds a file on it open: to be dropped when the disk goes.
#[derive(Debug)]
pub struct DiskLock {
    _lock: Flock<std::fs::File>,
}

/// A key file on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Of which epoch.
    pub epoch: EpochId,
    /// For which later kit; the first kit's file does not say.
    pub kit: Option<KitId>,
    /// Where.
    pub path: PathBuf,
}

#[cfg(test)]
mod tests {
    use base::SimClock;

    use super::*;

    #[test]
    fn only_the_disk_the_hub_knows_is_opened() {
        let clock = SimClock::default();
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("mnt/footage");
        assert!(matches!(Disk::open(&root, None), Err(DiskError::Missing { .. })));
        let disk = Disk::create(&root, &clock).unwrap();
        assert_eq!(Disk::open(&root, Some(disk.id())).unwrap().id(), disk.id());
        assert_eq!(Disk::open(&root, None).unwrap().id(), disk.id());
        assert!(matches!(Disk::open(&root, Some(DiskId::new(&clock))), Err(DiskError::Foreign { .. })));
        assert!(matches!(Disk::create(&root, &clock), Err(DiskError::Exists { .. })));
    }

    #[test]
    fn a_mark_that_cannot_be_understood_is_not_a_missing_one() {
        let dir = tempfile::tempdir().unwrap();
        let mark = dir.path().join(MARK);
        std::fs::write(&mark, "").unwrap();
        let e = Disk::open(dir.path(), None).unwrap_err();
        assert!(matches!(e, DiskError::BadMark { .. }));
        assert_eq!(Problem::from(&e).kind, ProblemKind::BadFile);
        std::fs::write(&mark, r#"{"format":2,"disk":"00000000000000000000000000"}"#).unwrap();
        let e = Disk::open(dir.path(), None).unwrap_err();
        assert!(matches!(e, DiskError::Newer { format: 2, .. }));
        assert_eq!(Problem::from(&e).kind, ProblemKind::NewerFormat);
    }

    #[test]
    fn a_key_file_is_written_once_and_never_overwritten() {
        let clock = SimClock::default();
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::create(dir.path(), &clock).unwrap();
        let (camera, epoch, kit) = (CameraId::new(&clock), EpochId::new(&clock), KitId::new(&clock));
        assert_eq!(disk.keys(camera).unwrap(), []);
        disk.write_epoch_key(camera, epoch, b"sealed").unwrap();
        disk.write_epoch_key(camera, epoch, b"sealed").unwrap();
        disk.write_kit_key(camera, epoch, kit, b"sealed to a later kit").unwrap();
        let e = disk.write_epoch_key(camera, epoch, b"another").unwrap_err();
        assert_eq!(Problem::from(&e).kind, ProblemKind::KeyExists);
        assert_eq!(std::fs::read(disk.key_path(camera, epoch)).unwrap(), b"sealed");
        let found: Vec<_> = disk.keys(camera).unwrap().into_iter().map(|k| (k.epoch, k.kit)).collect();
        assert_eq!(found, [(epoch, Some(kit)), (epoch, None)]);
    }

    #[test]
    fn a_key_file_that_is_owed_is_written_when_the_disk_is_back() {
        let clock = SimClock::default();
        let dir = tempfile::tempdir().unwrap();
        let (there, away) = (dir.path().join("footage"), dir.path().join("away"));
        let disk = Disk::create(&there, &clock).unwrap();
        let (camera, epoch) = (CameraId::new(&clock), EpochId::new(&clock));
        std::fs::rename(&there, &away).unwrap();
        assert!(disk.write_epoch_key(camera, epoch, b"sealed").is_err());
        disk.owe_epoch_key(camera, epoch, b"sealed".to_vec());
        assert!(disk.clone().pay_epoch_key(camera, epoch).is_err());
        std::fs::rename(&away, &there).unwrap();
        disk.clone().pay_epoch_key(camera, epoch).unwrap();
        assert_eq!(std::fs::read(disk.key_path(camera, epoch)).unwrap(), b"sealed");
        disk.pay_epoch_key(camera, epoch).unwrap();
    }
}
