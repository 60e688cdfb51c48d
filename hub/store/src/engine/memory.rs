//! An engine of nothing but sorted maps: what every other engine must behave like.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Batch, Engine, EngineError, KeyRange, Order, Tree, Visit};

type Trees = [BTreeMap<Vec<u8>, Vec<u8>>; Tree::ALL.len()];

/// Keeps everything in memory. A clone is the same content, as a second opening of the same files would be.
#[derive(Debug, Default, Clone)]
pub struct MemoryEngine(Arc<Mutex<Trees>>);

impl MemoryEngine {
    fn trees(&self) -> MutexGuard<'_, Trees> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Engine for MemoryEngine {
    fn get(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.trees()[usize::from(tree.number())].get(key).cloned())
    }

    fn scan(&self, tree: Tree, range: &KeyRange, order: Order, visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if range.is_empty() {
            return Ok(());
        }
        let to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let trees = self.trees();
        let mut entries = trees[usize::from(tree.number())].range::<[u8], _>((Bound::Included(&range.from[..]), to));
        let mut next = || match order {
            Order::Forward => entries.next(),
            Order::Backward => entries.next_back(),
        };
        while let Some((key, value)) = next() {
            if visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn apply(&mut self, batch: &Batch) -> Result<(), EngineError> {
        let mut trees = self.trees();
        for (tree, changes) in batch.trees() {
            let content = &mut trees[usize::from(tree.number())];
            for (key, value) in changes {
                match value {
                    Some(value) => content.insert(key.clone(), value.clone()),
                    None => content.remove(key),
                };
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        Ok(())
    }
}
