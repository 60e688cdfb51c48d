//! The store's folder: one user at a time, a mark of whose it is, room kept for bad times.
//!
//! ```text
//! lock         locked by the process that uses the store
//! store.json   format number and hub id; there once the store has been made
//! commits      a number that was durable in the engine: it must not be less when the store is opened
//! damaged      rows are missing: what was found. The store is not opened any more, it must be made again
//! ballast      room that is given up when the disk is full, so that the store can be opened then
//! sled/        the engine's files
//! ```

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
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

/// The number of the last durable commit, beside the engine.
///
/// Where its log is damaged sled 0.34.7 sometimes opens it as it was long before, without a word: removed members would
/// be back. So the number is written here too after each flush, in place and without a sync of its own. A power cut may
/// bring back an older one, which is still a number that the engine must have.
pub(crate) struct Commits {
    file: File,
    path: PathBuf,
}

/// What `store.json` holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) format: u32,
    pub(crate) hub: HubId,
}

impl Mark {
    /// What a store's folder says of itself, without its lock; `None` if that is not there or cannot be read.
    pub(crate) fn peek(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&base::fs::read(&dir.join(MARK), MAX_MARK_BYTES).ok()?).ok()
    }
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
        let bytes = match base::fs::read(&self.mark_path(), MAX_MARK_BYTES) {
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

    /// Says that rows are missing, for the next opening.
    pub(crate) fn set_damage(&self, what: &str) {
        if let Err(e) = base::fs::write_atomic(&self.damage_path(), what.as_bytes(), 0o600) {
            tracing::error!(error = %crate::worker::chain(&e), "that the store is damaged could not be kept in mind");
        }
    }

    /// # Errors
    /// [`StoreError::Damaged`] if rows were found to be missing before.
    pub(crate) fn find_damage(&self) -> Result<(), StoreError> {
        match base::fs::read(&self.damage_path(), MAX_MARK_BYTES) {
            Err(e) if e.is_not_found() => Ok(()),
            Ok(what) => {
                let what = String::from_utf8_lossy(&what).into_owned();
                Err(StoreError::Damaged { dir: self.dir.clone(), what })
            }
            Err(e) => Err(e.into()),
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

    /// Creates the record of commits; before [`Folder::set_mark`], which makes it durable.
    pub(crate) fn create_commits(&self) -> Result<Commits, StoreError> {
        let path = self.commits_path();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        let commits = Commits { file: file.map_err(FsError::on("create", &path))?, path };
        commits.write(0).and_then(|()| commits.write(1)).map_err(FsError::on("write", &commits.path))?;
        commits.file.sync_all().map_err(FsError::on("sync", &commits.path))?;
        Ok(commits)
    }

    /// Opens the record of commits; answers also the last number that is known to have been durable.
    pub(crate) fn open_commits(&self) -> Result<(Commits, u64), StoreError> {
        let path = self.commits_path();
        let damaged = |what| StoreError::Damaged { dir: self.dir.clone(), what };
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(damaged("its record of commits is gone".to_owned()));
            }
            Err(e) => return Err(FsError::on("open", &path)(e).into()),
        };
        let mut slots = [0; 2 * SLOT_BYTES];
        if let Err(e) = file.read_exact_at(&mut slots, 0) {
            return Err(damaged(format!("its record of commits cannot be read: {e}")));
        }
        let last = slots.chunks_exact(SLOT_BYTES).filter_map(parse_slot).max();
        let last = last.ok_or_else(|| damaged("its record of commits is damaged".to_owned()))?;
        Ok((Commits { file, path }, last))
    }

    /// Lays the ballast in if it is not there. Without it the store works all the same until the disk is full.
    pub(crate) fn keep_ballast(&self, bytes: u64) {
        let path = self.ballast_path();
        if bytes == 0 || path.metadata().is_ok_and(|m| m.len() == bytes) {
            return;
        }
        // It was perhaps just given up so that the store could be opened: the room must not be taken again at once.
        let free = nix::sys::statvfs::statvfs(&self.dir).map(|fs| fs.blocks_available() * fs.fragment_size());
        if free.is_ok_and(|free| free < 2 * bytes) {
            tracing::warn!(path = %path.display(), "no room for the store's ballast");
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
        self.dir.join(MARK)
    }

    fn damage_path(&self) -> PathBuf {
        self.dir.join("damaged")
    }

    fn ballast_path(&self) -> PathBuf {
        self.dir.join("ballast")
    }

    fn commits_path(&self) -> PathBuf {
        self.dir.join("commits")
    }
}

impl Commits {
    /// Says that a commit is durable. The two newest are kept: a write cut short leaves the one before.
    pub(crate) fn say(&self, number: u64) {
        if let Err(e) = self.write(number) {
            tracing::warn!(path = %self.path.display(), error = %e, "the store's record of commits stays behind");
        }
    }

    fn write(&self, number: u64) -> io::Result<()> {
        let bytes = number.to_be_bytes();
        let slot = [&bytes[..], &crc32fast::hash(&bytes).to_be_bytes()].concat();
        self.file.write_all_at(&slot, (number % 2) * SLOT_BYTES as u64)
    }
}

const MARK: &str = "store.json";
const MAX_MARK_BYTES: u64 = 4096;
/// A number and its CRC-32.
const SLOT_BYTES: usize = 12;

fn parse_slot(slot: &[u8]) -> Option<u64> {
    let (number, crc) = slot.split_first_chunk::<8>()?;
    (*crc == crc32fast::hash(number).to_be_bytes()).then(|| u64::from_be_bytes(*number))
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
    fn the_record_of_commits_outlives_a_write_cut_short_and_its_loss_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        let commits = folder.create_commits().unwrap();
        (2..=7).for_each(|number| commits.say(number));
        assert_eq!(folder.open_commits().unwrap().1, 7);
        let mut content = std::fs::read(folder.commits_path()).unwrap();
        content[SLOT_BYTES + 5] ^= 1;
        std::fs::write(folder.commits_path(), &content).unwrap();
        assert_eq!(folder.open_commits().unwrap().1, 6);
        content[3] ^= 1;
        for damage in [&content[..], &content[..SLOT_BYTES], b""] {
            std::fs::write(folder.commits_path(), damage).unwrap();
            assert!(folder.open_commits().map(drop).unwrap_err().is_damage());
        }
        std::fs::remove_file(folder.commits_path()).unwrap();
        assert!(folder.open_commits().map(drop).unwrap_err().is_damage());
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
