//! sled 0.34.7 behind the trait: its panics become errors, its settings stand here once.

use std::any::Any;
use std::fs::File;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use sled::transaction::{ConflictableTransactionError, TransactionError, Transactional};

use super::{Batch, Engine, EngineError, KeyRange, Order, Tree, Visit};

/// sled in a folder.
pub struct SledEngine {
    db: sled::Db,
    trees: Vec<sled::Tree>,
}

impl SledEngine {
    /// Opens or creates sled's files in `dir`, which no other process may be using: waits until a handle of this
    /// process that was dropped before has let go of them. `cache_bytes` bounds its page cache (its own default is
    /// 1 GiB, and it does not see systemd's limits).
    pub fn open(dir: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        wait_for_lock(dir)?;
        remove_half_made(dir)?;
        guard(|| {
            let db = sled::Config::default()
                .path(dir)
                .cache_capacity(cache_bytes)
                // No thread of sled's own that flushes and tidies up. The store flushes whatever it applies at once, and pages
                // are moved out of half-empty parts of the file whenever others are written. That thread, after much was
                // changed and the store opened again, moves the same pages to and fro for ever: 1 MB/s, for nothing.
                .flush_every_ms(None)
                .open()?;
            let trees = Tree::ALL.iter().map(|tree| db.open_tree(tree.name())).collect::<Result<_, _>>()?;
            Ok(Self { db, trees })
        })
    }

    fn tree(&self, tree: Tree) -> &sled::Tree {
        &self.trees[usize::from(tree.number())]
    }
}

/// sled makes a snapshot of its log's state in a file beside the last one, and renames it. One that was cut off there (a power cut, a kill,
/// most likely at a start) it takes for its newest snapshot at the next start, and the whole store for damaged (0.34.7,
/// `get_snapshot_files`). What is whole is in the last one and the log.
fn remove_half_made(dir: &Path) -> Result<(), EngineError> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) }; // a new store, or none that can be opened
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_half_made = name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating"));
        if is_half_made {
            std::fs::remove_file(entry.path()).map_err(EngineError::Io)?;
        }
    }
    Ok(())
}

impl Engine for SledEngine {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        guard(|| Ok(self.tree(tree).get(key)?.map(|value| value.to_vec())))
    }

    fn scan(&self, tree: Tree, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if range.is_empty() {
            return Ok(()); // sled panics on some of these
        }
        guard(|| {
            let from = range.from.as_slice();
            let mut entries = match &range.to {
                Some(to) => self.tree(tree).range(from..to.as_slice()),
                None => self.tree(tree).range(from..),
            };
            let mut next = || match order {
                Order::Forward => entries.next(),
                Order::Backward => entries.next_back(),
            };
            while let Some(entry) = next() {
                let (key, value) = entry?;
                if visit(&key, &value).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), EngineError> {
        guard(|| {
            let mut changed = batch.trees();
            match (changed.next(), changed.next()) {
                (None, _) => Ok(()),
                (Some((tree, changes)), None) => apply_to_one(self.tree(tree), changes),
                _ => apply_to_many(self, batch),
            }
        })
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        guard(|| self.db.flush().map(drop))
    }
}

type Changes = std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A batch costs two synchronous writes of its own; a single insert none.
fn apply_to_one(tree: &sled::Tree, changes: &Changes) -> sled::Result<()> {
    if let (1, Some((key, value))) = (changes.len(), changes.first_key_value()) {
        return match value {
            Some(value) => tree.insert(key, value.as_slice()).map(drop),
            None => tree.remove(key).map(drop),
        };
    }
    let mut batch = sled::Batch::default();
    for (key, value) in changes {
        match value {
            Some(value) => batch.insert(key.as_slice(), value.as_slice()),
            None => batch.remove(key.as_slice()),
        }
    }
    tree.apply_batch(batch)
}

fn apply_to_many(engine: &SledEngine, batch: &Batch) -> sled::Result<()> {
    let changed: Vec<_> = batch.trees().collect();
    let trees: Vec<sled::Tree> = changed.iter().map(|(tree, _)| engine.tree(*tree).clone()).collect();
    let written = trees.as_slice().transaction(|views| {
        for (view, (_, changes)) in views.iter().zip(&changed) {
            for (key, value) in *changes {
                match value {
                    Some(value) => view.insert(key.as_slice(), value.as_slice())?,
                    None => view.remove(key.as_slice())?,
                };
            }
        }
        Ok::<(), ConflictableTransactionError<()>>(())
    });
    match written {
        Ok(()) => Ok(()),
        Err(TransactionError::Storage(e)) => Err(e),
        Err(TransactionError::Abort(())) => Err(sled::Error::ReportableBug("nobody aborts this transaction".into())),
    }
}

/// Runs a call of sled, which panics about damage as often as it answers an error.
fn guard<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, EngineError> {
    // Whatever a panic leaves half done is behind the handle, which is dropped after any error.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(answer) => answer.map_err(EngineError::from),
        Err(panic) => Err(EngineError::Panicked(panic_text(panic.as_ref()))),
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

/// sled gives up at once if its file is locked, and lets go of the lock a moment after its handle was dropped: from a
/// thread of its pool. The folder's own lock keeps other processes out, so whoever holds this one is that moment.
fn wait_for_lock(dir: &Path) -> Result<(), EngineError> {
    let file = match File::open(dir.join("db")) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(EngineError::Io(e)),
    };
    match Flock::lock(file, FlockArg::LockExclusive) {
        Ok(lock) => {
            drop(lock);
            Ok(())
        }
        Err((_, errno)) => Err(EngineError::Io(errno.into())),
    }
}

impl From<sled::Error> for EngineError {
    fn from(e: sled::Error) -> Self {
        match e {
            // It reads past the end of its file, or what it finds there is not what it wrote.
            sled::Error::Io(e) if matches!(e.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData) => {
                EngineError::Damaged(e.to_string())
            }
            sled::Error::Io(e) => EngineError::Io(e),
            sled::Error::Corruption { at, .. } => EngineError::Damaged(format!("at {at:?}")),
            sled::Error::CollectionNotFound(_) => EngineError::Damaged("a tree is missing".to_owned()),
            sled::Error::Unsupported(text) => EngineError::Refused(text),
            sled::Error::ReportableBug(text) => EngineError::Damaged(text),
        }
    }
}
