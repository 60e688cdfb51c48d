//! Reads every row and says what is wrong with it.

use std::ops::ControlFlow;
use std::path::Path;

use base::footage::SegmentInfo;

use crate::audit::{AuditChain, AuditReport};
use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::row::{self, RowError};
use crate::store::Store;
use crate::tally::{Tallies, Tally};
use crate::{Event, Gap, audit, cameras, hub, people, span};

/// What [`Db::check`] found.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// Of each tree.
    pub trees: Vec<TreeReport>,
    /// Of the audit log's chain.
    pub audit: AuditReport,
}

/// What was found in one tree.
#[derive(Debug, Clone)]
pub struct TreeReport {
    /// Which tree.
    pub tree: Tree,
    /// Rows that are in order, rows of indexes included.
    pub good: u64,
    /// Rows that are not.
    pub bad: u64,
    /// The first that is not.
    pub first_bad: Option<StoreError>,
    /// How the rows differ from those that were written, in words: some are gone, or are older ones.
    pub differs: Option<String>,
}

impl CheckReport {
    /// Nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.audit.broken.is_none() && self.trees.iter().all(TreeReport::is_good)
    }
}

impl TreeReport {
    /// Nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.bad == 0 && self.differs.is_none()
    }

    fn new(tree: Tree) -> Self {
        Self { tree, good: 0, bad: 0, first_bad: None, differs: None }
    }

    fn count(&mut self, key: &[u8], bytes: &[u8]) {
        match row::decode_raw(self.tree, key, bytes).and_then(|content| checker(self.tree)(key, content)) {
            Ok(()) => self.good += 1,
            Err(e) => {
                self.bad += 1;
                self.first_bad.get_or_insert_with(|| StoreError::row(self.tree, key, e));
            }
        }
    }

    pub(crate) fn into_result(self, dir: &Path) -> Result<(), StoreError> {
        let damaged = |what| Err(StoreError::Damaged { dir: dir.to_owned(), what });
        match self.first_bad {
            None => self.differs.map_or(Ok(()), damaged),
            Some(StoreError::Row { source, .. }) if matches!(*source, RowError::Newer(_)) => {
                Err(StoreError::Newer { what: dir.display().to_string() })
            }
            Some(first) => damaged(format!("{} rows are bad, the first: {}", self.bad, crate::worker::chain(&first))),
        }
    }
}

impl Db {
    /// Reads every row, and compares them with what was written. Takes seconds with a million of them, and other calls
    /// wait meanwhile.
    pub fn check(&self) -> Result<CheckReport, StoreError> {
        let tallies = self.tallies(|_, _, _, _| {})?;
        let trees = Tree::ALL.into_iter().map(|tree| check_tree(self, tree, &tallies)).collect::<Result<_, _>>()?;
        Ok(CheckReport { trees, audit: self.verify_audit()? })
    }
}

impl Store {
    /// As [`Db::check`], in parts between which other calls run: for a hub that records meanwhile. A tree that is changed
    /// meanwhile is not compared with what was written, which the store does beside its calls anyway. Blocks; tells now and
    /// then how many rows it has read.
    pub fn check_blocking(&self, mut read: impl FnMut(u64)) -> Result<CheckReport, StoreError> {
        let (mut trees, mut chain, mut rows) = (Vec::new(), AuditChain::default(), 0);
        for tree in Tree::ALL {
            let mut part =
                Part { report: TreeReport::new(tree), tally: Tally::default(), chain, next: Some(Vec::new()) };
            let due = move |db: &Db| Ok(db.tallies(|_, _, _, _| {})?.of(tree));
            let before = self.read_blocking(due)?;
            while part.next.is_some() {
                part = self.read_blocking(move |db| part.go_on(db))?;
                read(rows + part.report.good + part.report.bad);
            }
            if self.read_blocking(due)? == before {
                part.report.differs = part.tally.differs_from(before, tree);
            }
            rows += part.report.good + part.report.bad;
            chain = part.chain;
            trees.push(part.report);
        }
        Ok(CheckReport { trees, audit: chain.report() })
    }
}

/// Rows that are read while other calls wait.
const PART_ROWS: usize = 5_000;

/// What was found in a tree so far.
struct Part {
    report: TreeReport,
    tally: Tally,
    chain: AuditChain,
    /// Where to go on.
    next: Option<Vec<u8>>,
}

impl Part {
    fn go_on(mut self, db: &Db) -> Result<Self, StoreError> {
        let Some(from) = self.next.take() else { return Ok(self) };
        let (tree, mut left) = (self.report.tree, PART_ROWS);
        db.scan_bytes(tree, &KeyRange { from, to: None }, Order::Forward, &mut |key, bytes| {
            if left == 0 {
                self.next = Some(key.to_vec());
                return Ok(ControlFlow::Break(()));
            }
            left -= 1;
            self.tally.add(tree, key, bytes);
            if tree == Tree::Audit {
                self.chain.follow(key, bytes);
            }
            self.report.count(key, bytes);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(self)
    }
}

impl Db {
    /// Forgets up to `limit` bad rows of segments, events or gaps, which hide the good ones around them from every list;
    /// answers how many. Call it again until it answers 0. Rows of the other trees are not forgotten: a store where one
    /// of them is bad is rebuilt.
    pub fn drop_bad_history(&mut self, limit: usize) -> Result<usize, StoreError> {
        let mut bad = Vec::new();
        for tree in [Tree::Segments, Tree::Events, Tree::Gaps] {
            let check = checker(tree);
            self.scan_bytes(tree, &KeyRange::all(), Order::Forward, &mut |key, bytes| {
                if row::decode_raw(tree, key, bytes).and_then(|content| check(key, content)).is_err() {
                    bad.push((tree, key.to_vec()));
                }
                Ok(if bad.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
            })?;
        }
        let count = bad.len();
        bad.into_iter().try_for_each(|(tree, key)| self.delete(tree, key))?;
        Ok(count)
    }
}

pub(crate) fn checker(tree: Tree) -> fn(&[u8], &[u8]) -> Result<(), RowError> {
    match tree {
        Tree::Meta => hub::check,
        Tree::People => people::check,
        Tree::Keys => cameras::check_key,
        Tree::Cameras => cameras::check,
        Tree::Segments => span::check::<SegmentInfo>,
        Tree::Events => span::check::<Event>,
        Tree::Gaps => span::check::<Gap>,
        Tree::Audit => audit::check,
    }
}

pub(crate) fn check_tree(db: &Db, tree: Tree, tallies: &Tallies) -> Result<TreeReport, StoreError> {
    let (mut report, mut tally) = (TreeReport::new(tree), Tally::default());
    db.scan_bytes(tree, &KeyRange::all(), Order::Forward, &mut |key, bytes| {
        tally.add(tree, key, bytes);
        report.count(key, bytes);
        Ok(ControlFlow::Continue(()))
    })?;
    report.differs = tally.differs_from(tallies.of(tree), tree);
    Ok(report)
}
