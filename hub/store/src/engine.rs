//! What the store needs of an engine: ordered trees of small values, written in atomic batches.
//!
//! One trait, so that another engine can take sled's place; [`MemoryEngine`] is the model that sled is tested against.

mod memory;
mod sled;

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

pub use self::memory::MemoryEngine;
pub use self::sled::SledEngine;

/// The trees of the store. A handful, and fixed: never one per camera or day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Tree {
    /// The hub itself: format, claim, settings.
    Meta = 0,
    /// Principals, their secrets and grants.
    People = 1,
    /// Camera keys, wrapped for principals.
    Keys = 2,
    /// Cameras and their epochs.
    Cameras = 3,
    /// The segment index.
    Segments = 4,
    /// Events.
    Events = 5,
    /// Gaps.
    Gaps = 6,
    /// The audit log.
    Audit = 7,
}

impl Tree {
    /// All of them, in the order of their numbers.
    pub const ALL: [Tree; 8] =
        [Tree::Meta, Tree::People, Tree::Keys, Tree::Cameras, Tree::Segments, Tree::Events, Tree::Gaps, Tree::Audit];
    /// Its name in the engine.
    pub fn name(self) -> &'static str {
        match self {
            Tree::Meta => "meta",
            Tree::People => "people",
            Tree::Keys => "keys",
            Tree::Cameras => "cameras",
            Tree::Segments => "segments",
            Tree::Events => "events",
            Tree::Gaps => "gaps",
            Tree::Audit => "audit",
        }
    }
    /// Its number, as in checksums and exports. Never changes.
    pub fn number(self) -> u8 {
        self as u8
    }
    /// From [`Tree::number`].
    pub fn from_number(number: u8) -> Option<Tree> {
        Tree::ALL.get(usize::from(number)).copied()
    }
}

/// A storage engine. Used by one thread at a time.
///
/// After any error the store drops the engine and opens a new one: an engine need not be usable after an error.
pub trait Engine: Send {
    /// The value of a key.
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError>;
    /// Shows the entries of a range in order until `visit` breaks.
    fn scan(&self, tree: Tree, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), EngineError>;
    /// Writes a batch: after a crash all of it is there or nothing. Durable only after [`Engine::flush`].
    fn apply(&mut self, batch: &Batch) -> Result<(), EngineError>;
    /// Makes everything that was applied durable.
    fn flush(&mut self) -> Result<(), EngineError>;
}

/// What [`Engine::scan`] shows entries to: key and value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// In which order a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Smallest key first.
    Forward,
    /// Largest key first.
    Backward,
}

/// Keys from inclusive to exclusive; no `to` means up to the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The smallest key that is in it.
    pub from: Vec<u8>,
    /// The smallest key above that is not.
    pub to: Option<Vec<u8>>,
}

impl KeyRange {
    /// Every key.
    pub fn all() -> Self {
        Self { from: Vec::new(), to: None }
    }
    /// Every key that begins with a prefix.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { from: prefix.to_vec(), to: after_prefix(prefix) }
    }
    /// No key can be in it.
    pub fn is_empty(&self) -> bool {
        self.to.as_ref().is_some_and(|to| *to <= self.from)
    }
}

/// The smallest key greater than every key with this prefix; `None` if there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last < u8::MAX {
            key.push(last + 1);
            return Some(key);
        }
    }
    None
}

/// Changes to be made together: for each key its new value, or `None` where it goes away.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Batch {
    trees: [BTreeMap<Vec<u8>, Option<Vec<u8>>>; Tree::ALL.len()],
    len: usize,
    bytes: usize,
}

impl Batch {
    /// Number of changed keys.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
    /// The changes of one tree, in key order.
    pub fn tree(&self, tree: Tree) -> &BTreeMap<Vec<u8>, Option<Vec<u8>>> {
        &self.trees[usize::from(tree.number())]
    }
    /// The trees that have changes.
    pub fn trees(&self) -> impl Iterator<Item = (Tree, &BTreeMap<Vec<u8>, Option<Vec<u8>>>)> {
        Tree::ALL.into_iter().map(|tree| (tree, self.tree(tree))).filter(|(_, changes)| !changes.is_empty())
    }
    /// Sets what shall become of a key, or with `None` forgets that anything shall; answers what was set before.
    pub fn set(&mut self, tree: Tree, key: Vec<u8>, change: Option<Option<Vec<u8>>>) -> Option<Option<Vec<u8>>> {
        let size = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        let key_bytes = key.len();
        let changes = &mut self.trees[usize::from(tree.number())];
        let before = match change {
            Some(value) => {
                self.len += 1;
                self.bytes += key_bytes + size(&value);
                changes.insert(key, value)
            }
            None => changes.remove(&key),
        };
        if let Some(value) = &before {
            self.len -= 1;
            self.bytes -= key_bytes + size(value);
        }
        before
    }
}

/// The engine failed. The handle that said so must not be used again.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A read or write of its files failed.
    #[error("the engine could not read or write its files")]
    Io(#[source] io::Error),
    /// Its files do not hold what they should.
    #[error("the engine found its files damaged: {0}")]
    Damaged(String),
    /// It panicked, which for sled is a way to say that its files are damaged.
    #[error("the engine panicked: {0}")]
    Panicked(String),
    /// It was used wrongly: a fault of this program.
    #[error("the engine refused: {0}")]
    Refused(String),
}

impl EngineError {
    /// Opening the same files again will not help.
    pub fn is_damage(&self) -> bool {
        matches!(self, EngineError::Damaged(_) | EngineError::Panicked(_))
    }
    /// There is no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, EngineError::Io(e) if e.kind() == io::ErrorKind::StorageFull)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_after_a_prefix_is_above_all_its_keys() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xff"), None);
        assert_eq!(after_prefix(b""), None);
    }

    #[test]
    fn a_batch_counts_its_keys_and_bytes() {
        let mut batch = Batch::default();
        assert_eq!(batch.set(Tree::Meta, b"key".to_vec(), Some(Some(b"value".to_vec()))), None);
        assert_eq!((batch.len(), batch.bytes()), (1, 8));
        assert_eq!(batch.set(Tree::Meta, b"key".to_vec(), Some(None)), Some(Some(b"value".to_vec())));
        assert_eq!((batch.len(), batch.bytes()), (1, 3));
        assert_eq!(batch.set(Tree::Meta, b"key".to_vec(), None), Some(None));
        assert_eq!((batch.len(), batch.bytes(), batch.is_empty()), (0, 0, true));
    }

    #[test]
    fn tree_numbers_are_fixed() {
        for (number, tree) in Tree::ALL.into_iter().enumerate() {
            assert_eq!(Tree::from_number(number as u8), Some(tree));
            assert_eq!(usize::from(tree.number()), number);
        }
        assert_eq!(Tree::from_number(8), None);
    }
}
