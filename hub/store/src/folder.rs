//! The store's folder: one user at a time, a mark of whose it is, room kept for bad times.
//!
//! ```text
//! lock         locked by the process that uses the store
//! store.json   format number and hub id; there once the store has been made
//! ballast      room that is given up when the disk is full, so that the store can be opened then
//! sled/        the engine's files
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::HubId;
use base::fs::{FsError, sync_dir};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::hub::FORMAT;

/// The folder, locked for this process.
pub(crate) struct Folder {
    dir: PathBuf,
    _lock: Flock<File>,
}

/// What `store.json` holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) format: u32,
    pub(crate) hub: HubId,
}

impl Folder {
    /// Creates the folder if need be and takes its lock.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        base::fs::create_dir(dir, 0o700)?;
        let path = dir.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(FsError::on("open", &path))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { dir: dir.to_owned(), _lock: lock }),
            Err((_, Errno::EWOULDBLOCK)) => Err(StoreError::Busy { dir: dir.to_owned() }),
            Err((_, errno)) => Err(FsError::on("lock", &path)(errno.into()).into()),
        }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the engine's files are.
    pub(crate) fn engine_dir(&self) -> PathBuf {
        self.dir.join("sled")
    }

    /// Whose store this is; `None` while it is being made.
    pub(crate) fn mark(&self) -> Result<Option<Mark>, StoreError> {
        let bytes = match base::fs::read(&self.mark_path(), 4096) {
            Ok(bytes) => bytes,
            Err(e) if e.is_not_found() => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let mark = serde_json::from_slice::<Mark>(&bytes).map_err(|e| StoreError::Damaged {
            dir: self.dir.clone(),
            what: format!("store.json cannot be read: {e}"),
        })?;
        match mark.format {
            ..=FORMAT => Ok(Some(mark)),
            _ => Err(StoreError::Newer { what: self.dir.display().to_string() }),
        }
    }

    /// Says that the store has been made: from now on an engine without rows is a damaged one.
    pub(crate) fn set_mark(&self, hub: HubId) -> Result<(), StoreError> {
        // The engine syncs the content of its log, not that the files are there.
        let engine = self.engine_dir();
        if engine.is_dir() {
            for entry in std::fs::read_dir(&engine).map_err(FsError::on("read", &engine))? {
                let path = entry.map_err(FsError::on("read", &engine))?.path();
                File::open(&path).and_then(|f| f.sync_all()).map_err(FsError::on("sync", &path))?;
            }
            sync_dir(&engine)?;
        }
        let mark = serde_json::to_vec(&Mark { format: FORMAT, hub })
            .map_err(|e| FsError::on("write", &self.mark_path())(e.into()))?;
        Ok(base::fs::write_atomic(&self.mark_path(), &mark, 0o600)?)
    }

    /// Lays the ballast in if it is not there. Without it the store works all the same until the disk is full.
    pub(crate) fn keep_ballast(&self, bytes: u64) {
        let path = self.ballast_path();
        if bytes == 0 || path.metadata().is_ok_and(|m| m.len() == bytes) {
            return;
        }
        let temp = path.with_extension("new");
        let lay = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temp)?;
            nix::fcntl::posix_fallocate(&file, 0, bytes as i64)?;
            file.sync_all()?;
            std::fs::rename(&temp, &path)
        };
        if let Err(e) = lay() {
            let _ = std::fs::remove_file(&temp);
            tracing::warn!(path = %path.display(), error = %e, "no room for the store's ballast");
        }
    }

    /// Gives the ballast's room up; answers whether there was any.
    pub(crate) fn drop_ballast(&self) -> bool {
        let path = self.ballast_path();
        let dropped = std::fs::remove_file(&path).is_ok();
        if dropped {
            tracing::warn!(path = %path.display(), "the disk is full: the store's ballast was given up");
        }
        dropped
    }

    fn mark_path(&self) -> PathBuf {
        self.dir.join("store.json")
    }

    fn ballast_path(&self) -> PathBuf {
        self.dir.join("ballast")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;

    #[test]
    fn a_folder_has_one_user_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/store");
        let folder = Folder::open(&path).unwrap();
        assert!(matches!(Folder::open(&path), Err(StoreError::Busy { dir }) if dir == path));
        drop(folder);
        Folder::open(&path).unwrap();
    }

    #[test]
    fn a_mark_reads_back_and_a_newer_or_broken_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.mark().unwrap(), None);
        let hub = HubId::new(&SimClock::default());
        folder.set_mark(hub).unwrap();
        assert_eq!(folder.mark().unwrap(), Some(Mark { format: FORMAT, hub }));
        std::fs::write(folder.mark_path(), format!("{{\"format\":{},\"hub\":\"{hub}\"}}", FORMAT + 1)).unwrap();
        assert!(matches!(folder.mark(), Err(StoreError::Newer { .. })));
        std::fs::write(folder.mark_path(), "").unwrap();
        assert!(folder.mark().unwrap_err().is_damage());
    }

    #[test]
    fn ballast_takes_room_until_it_is_given_up() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        folder.keep_ballast(1 << 20);
        folder.keep_ballast(1 << 20);
        assert!(folder.ballast_path().metadata().unwrap().blocks() * 512 >= 1 << 20);
        assert!(folder.drop_ballast());
        assert!(!folder.drop_ballast());
    }
}
