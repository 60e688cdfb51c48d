//! What a call of the store works with: typed rows over an engine, with changes that wait to be written together.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::btree_map;
use std::iter::Peekable;
use std::ops::{Bound, ControlFlow};
use std::path::PathBuf;
use std::sync::Arc;

use base::{HubId, SharedClock, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::{Batch, Engine, EngineError, KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::folder::Commits;
use crate::hub::COMMITS;
use crate::row::{self, RowError};
use crate::tally::{Commit, Count, Counted, Tallies};

/// The store as a call sees it. Only the storage thread has one, and lends it to one call after the other.
///
/// A call is atomic: if it answers an error, none of its changes are made; after a crash all are there or none. It
/// reads what calls before it wrote, durable or not.
pub struct Db {
    engine: Box<dyn Engine>,
    dir: PathBuf,
    hub: HubId,
    clock: SharedClock,
    /// What calls changed since the last commit.
    batch: Batch,
    /// How to take back the changes of the call that runs: what was set before, newest last.
    undo: Vec<Undo>,
    /// Bytes that the call changed so far.
    call_bytes: usize,
    /// The first failure of the engine; it is not used after that.
    failed: RefCell<Option<Arc<EngineError>>>,
    last: Commit,
    /// Compares what is in the engine with what the last commit says; `None` when it is done.
    count: Option<Count>,
}

/// Tree, key, and what was set to become of it before.
type Undo = (Tree, Vec<u8>, Option<Option<Vec<u8>>>);

/// One call may change at most this much, so that a batch fits into memory and into the engine's log.
const MAX_CALL_ROWS: usize = 20_000;
const MAX_CALL_BYTES: usize = 8 << 20;

impl Db {
    pub(crate) fn new(engine: Box<dyn Engine>, dir: PathBuf, hub: HubId, clock: SharedClock) -> Self {
        let (batch, undo, failed, last) = Default::default();
        Self { engine, dir, hub, clock, batch, undo, call_bytes: 0, failed, last, count: Some(Count::new()) }
    }

    /// Whose store this is.
    pub fn hub(&self) -> HubId {
        self.hub
    }

    /// The time, for rows that say when they were made.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.wall()
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, tree: Tree, key: &[u8]) -> Result<Option<T>, StoreError> {
        let Some(bytes) = self.bytes(tree, key)? else { return Ok(None) };
        row::decode(tree, key, &bytes).map(Some).map_err(|e| StoreError::row(tree, key, e))
    }

    pub(crate) fn get_raw(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = self.bytes(tree, key)? else { return Ok(None) };
        row::decode_raw(tree, key, &bytes)
            .map(|content| Some(content.to_vec()))
            .map_err(|e| StoreError::row(tree, key, e))
    }

    pub(crate) fn contains(&self, tree: Tree, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.bytes(tree, key)?.is_some())
    }

    pub(crate) fn put<T: Serialize>(&mut self, tree: Tree, key: Vec<u8>, row: &T) -> Result<(), StoreError> {
        let bytes = row::encode(tree, &key, row)?;
        self.change(tree, key, Some(bytes))
    }

    pub(crate) fn put_raw(&mut self, tree: Tree, key: Vec<u8>, content: &[u8]) -> Result<(), StoreError> {
        let bytes = row::encode_raw(tree, &key, content)?;
        self.change(tree, key, Some(bytes))
    }

    /// Puts a row's bytes as they stood in an export.
    pub(crate) fn put_encoded(&mut self, tree: Tree, key: Vec<u8>, bytes: Vec<u8>) -> Result<(), StoreError> {
        row::decode_raw(tree, &key, &bytes).map_err(|e| StoreError::row(tree, &key, e))?;
        self.change(tree, key, Some(bytes))
    }

    pub(crate) fn delete(&mut self, tree: Tree, key: Vec<u8>) -> Result<(), StoreError> {
        self.change(tree, key, None)
    }

    /// Deletes every row of a range; answers how many.
    pub(crate) fn delete_range(&mut self, tree: Tree, range: &KeyRange) -> Result<usize, StoreError> {
        let mut keys = Vec::new();
        self.scan_bytes(tree, range, Order::Forward, &mut |key, _| {
            keys.push(key.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
        let count = keys.len();
        keys.into_iter().try_for_each(|key| self.delete(tree, key))?;
        Ok(count)
    }

    /// Shows the rows of a range, each checked but not yet read, until `visit` breaks or fails.
    pub(crate) fn scan(
        &self,
        tree: Tree,
        range: &KeyRange,
        order: Order,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, RowError>,
    ) -> Result<(), StoreError> {
        self.scan_bytes(tree, range, order, &mut |key, bytes| {
            row::decode_raw(tree, key, bytes)
                .and_then(|content| visit(key, content))
                .map_err(|e| StoreError::row(tree, key, e))
        })
    }

    /// The rows of a range.
    pub(crate) fn list<T>(
        &self,
        tree: Tree,
        range: &KeyRange,
        order: Order,
        read: impl Fn(&[u8], &[u8]) -> Result<T, RowError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        self.scan(tree, range, order, |key, content| {
            rows.push(read(key, content)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// Shows the entries of a range as they are stored: of the engine, with the waiting changes laid over them.
    pub(crate) fn scan_bytes(
        &self,
        tree: Tree,
        range: &KeyRange,
        order: Order,
        visit: &mut VisitBytes<'_>,
    ) -> Result<(), StoreError> {
        if range.is_empty() {
            return Ok(());
        }
        let mut waiting = Waiting::new(&self.batch, tree, range, order);
        let mut outcome = Ok(ControlFlow::Continue(()));
        let scanned = self.engine()?.scan(tree, range, order, &mut |key, value| {
            outcome = waiting.before(key, visit).and_then(|flow| match flow {
                ControlFlow::Continue(true) => visit(key, value),
                ControlFlow::Continue(false) => Ok(ControlFlow::Continue(())),
                ControlFlow::Break(()) => Ok(ControlFlow::Break(())),
            });
            match outcome {
                Ok(flow) => flow,
                Err(_) => ControlFlow::Break(()),
            }
        });
        scanned.map_err(|e| self.fail(e))?;
        if outcome?.is_continue() {
            waiting.rest(visit)?;
        }
        Ok(())
    }

    fn bytes(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(waiting) = self.batch.tree(tree).get(key) {
            return Ok(waiting.clone());
        }
        self.engine()?.get(tree, key).map_err(|e| self.fail(e))
    }

    fn change(&mut self, tree: Tree, key: Vec<u8>, value: Option<Vec<u8>>) -> Result<(), StoreError> {
        let bytes = self.call_bytes + key.len() + value.as_ref().map_or(0, Vec::len);
        if self.undo.len() == MAX_CALL_ROWS || bytes > MAX_CALL_BYTES {
            return Err(StoreError::CallTooLarge { rows: self.undo.len() + 1, bytes });
        }
        self.call_bytes = bytes;
        let before = self.batch.set(tree, key.clone(), Some(value));
        self.undo.push((tree, key, before));
        Ok(())
    }

    fn engine(&self) -> Result<&dyn Engine, StoreError> {
        match &*self.failed.borrow() {
            Some(source) => Err(StoreError::Engine { dir: self.dir.clone(), source: source.clone() }),
            None => Ok(&*self.engine),
        }
    }

    fn fail(&self, e: EngineError) -> StoreError {
        let source = self.failed.borrow_mut().get_or_insert_with(|| Arc::new(e)).clone();
        StoreError::Engine { dir: self.dir.clone(), source }
    }
}

/// What [`Db::scan_bytes`] shows entries to.
pub(crate) type VisitBytes<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StoreError> + 'a;

/// For the storage thread.
impl Db {
    /// Runs a call: keeps its changes if it answers `Ok`, takes them back if not.
    pub(crate) fn run<T>(&mut self, call: impl FnOnce(&mut Db) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.undo.clear();
        self.call_bytes = 0;
        let answer = call(self);
        if answer.is_err() {
            self.take_back();
        }
        self.undo.clear();
        answer
    }

    /// Takes back what the call changed that runs, or that panicked.
    pub(crate) fn take_back(&mut self) {
        while let Some((tree, key, before)) = self.undo.pop() {
            self.batch.set(tree, key, before);
        }
    }

    /// Reads what the last commit said of itself; answers its number. Before any other commit.
    pub(crate) fn read_commit(&mut self) -> Result<u64, StoreError> {
        self.last = self.find_commit()?.unwrap_or_default();
        if self.last.tallies.is_none() {
            self.last.tallies = Some(Tallies::count(self.engine()?).map_err(|e| self.fail(e))?);
        }
        Ok(self.last.number)
    }

    /// Writes everything that waits and makes it durable. Each commit has a number, one more than that before it, and
    /// says how many rows there are.
    pub(crate) fn commit(&mut self, commits: &Commits) -> Result<(), StoreError> {
        self.engine()?;
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut count = self.count.take();
        let tallies = self.tallies(|tree, key, before, after| {
            count.iter_mut().for_each(|count| count.replaced(tree, key, before, after));
        })?;
        self.count = count;
        let commit = Commit { number: self.last.number + 1, tallies: Some(tallies) };
        self.put_raw(Tree::Meta, COMMITS.to_vec(), &commit.to_bytes())?;
        self.undo.clear();
        self.engine.apply(&self.batch).and_then(|()| self.engine.flush()).map_err(|e| self.fail(e))?;
        self.batch = Batch::default();
        self.last = commit;
        commits.say(commit.number);
        Ok(())
    }

    /// The tallies with all that waits; shows each of the waiting changes, and what it replaces.
    pub(crate) fn tallies(
        &self,
        shown: impl FnMut(Tree, &[u8], Option<&[u8]>, Option<&[u8]>),
    ) -> Result<Tallies, StoreError> {
        let last = self.last.tallies.unwrap_or_default();
        last.after(&self.batch, self.engine()?, shown).map_err(|e| self.fail(e))
    }

    /// Compares up to `rows` more rows with what was committed; answers whether there are more.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], once, if something is not there.
    pub(crate) fn count_on(&mut self, rows: u64) -> Result<bool, StoreError> {
        let Some(mut count) = self.count.take() else { return Ok(false) };
        let due = self.last.tallies.unwrap_or_default();
        match count.go_on(self.engine()?, &due, rows).map_err(|e| self.fail(e))? {
            Counted::Whole => Ok(false),
            Counted::Differs(what) => Err(StoreError::Damaged { dir: self.dir.clone(), what }),
            Counted::Part => {
                self.count = Some(count);
                Ok(true)
            }
        }
    }

    /// What waits to be written.
    pub(crate) fn waiting(&self) -> &Batch {
        &self.batch
    }

    /// Why the engine must not be used any more.
    pub(crate) fn failure(&self) -> Option<Arc<EngineError>> {
        self.failed.borrow().clone()
    }

    /// Gives the engine back, to be dropped.
    pub(crate) fn into_engine(self) -> Box<dyn Engine> {
        self.engine
    }
}

/// The waiting changes of a range, in order, beside a scan of the engine.
struct Waiting<I: Iterator> {
    changes: Peekable<I>,
    order: Order,
}

type Change<'a> = (&'a Vec<u8>, &'a Option<Vec<u8>>);

impl<'a> Waiting<Changes<'a>> {
    fn new(batch: &'a Batch, tree: Tree, range: &KeyRange, order: Order) -> Self {
        let to = range.to.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let changes = batch.tree(tree).range::<[u8], _>((Bound::Included(&range.from[..]), to));
        Self { changes: Changes { changes, order }.peekable(), order }
    }
}

impl<'a, I: Iterator<Item = Change<'a>>> Waiting<I> {
    /// Shows what comes before an entry of the engine; then, is that entry to be shown itself?
    fn before(&mut self, key: &[u8], visit: &mut VisitBytes<'_>) -> Result<ControlFlow<(), bool>, StoreError> {
        loop {
            let ordering = match (self.changes.peek(), self.order) {
                (None, _) => Ordering::Greater,
                (Some((changed, _)), Order::Forward) => changed.as_slice().cmp(key),
                (Some((changed, _)), Order::Backward) => key.cmp(changed.as_slice()),
            };
            if ordering == Ordering::Greater {
                return Ok(ControlFlow::Continue(true));
            }
            let Some((changed, value)) = self.changes.next() else { continue };
            if let Some(value) = value
                && visit(changed, value)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            if ordering == Ordering::Equal {
                return Ok(ControlFlow::Continue(false));
            }
        }
    }

    /// Shows what comes after the engine's last entry.
    fn rest(self, visit: &mut VisitBytes<'_>) -> Result<(), StoreError> {
        for (key, value) in self.changes {
            if let Some(value) = value
                && visit(key, value)?.is_break()
            {
                break;
            }
        }
        Ok(())
    }
}

struct Changes<'a> {
    changes: btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>,
    order: Order,
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;
    fn next(&mut self) -> Option<Self::Item> {
        match self.order {
            Order::Forward => self.changes.next(),
            Order::Backward => self.changes.next_back(),
        }
    }
}
