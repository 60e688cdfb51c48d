//! What must be in the trees: a count of the rows of each and a sum over them, written with every commit in the same batch.
//!
//! Where one block of its log is damaged sled 0.34.7 sometimes opens without a few rows, or with older ones, without a
//! word. So what is found in the trees is compared with what was written: in part when the store is opened, the rest
//! beside the calls (see [`Count`]), and all of it by `Db::check`.

use std::ops::ControlFlow;

use crate::engine::{Batch, Engine, EngineError, KeyRange, Order, Tree};
use crate::hub::COMMITS;
use crate::row::{self, RowError};

/// Rows of a tree: how many, and the sum of their checksums, which cover key and content.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    rows: u64,
    sum: u64,
}

impl Tally {
    /// Counts a row. That of commits is not counted: it holds the tally.
    pub(crate) fn add(&mut self, tree: Tree, key: &[u8], bytes: &[u8]) {
        self.change(tree, key, None, Some(bytes));
    }

    fn change(&mut self, tree: Tree, key: &[u8], before: Option<&[u8]>, after: Option<&[u8]>) {
        if (tree, key) == (Tree::Meta, COMMITS) {
            return;
        }
        let one = |bytes: Option<&[u8]>| (u64::from(bytes.is_some()), bytes.map_or(0, row::stored_checksum));
        let ((rows_before, sum_before), (rows_after, sum_after)) = (one(before), one(after));
        self.rows = self.rows.wrapping_sub(rows_before).wrapping_add(rows_after);
        self.sum = self.sum.wrapping_sub(sum_before).wrapping_add(sum_after);
    }

    /// Compares what was found in a tree with what must be there; answers what is wrong, in words.
    pub(crate) fn differs_from(self, due: Tally, tree: Tree) -> Option<String> {
        let name = tree.name();
        match (self == due, self.rows.cmp(&due.rows)) {
            (true, _) => None,
            (_, std::cmp::Ordering::Less) => {
                Some(format!("{} of {} rows of {name} are gone", due.rows - self.rows, due.rows))
            }
            (_, std::cmp::Ordering::Equal) => Some(format!("rows of {name} are not those that were written last")),
            (_, std::cmp::Ordering::Greater) => {
                Some(format!("{} rows of {name} are back that were removed", self.rows - due.rows))
            }
        }
    }
}

/// The tallies of all trees.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tallies([Tally; Tree::ALL.len()]);

impl Tallies {
    pub(crate) fn of(&self, tree: Tree) -> Tally {
        self.0[usize::from(tree.number())]
    }

    /// Counts every row of the engine.
    pub(crate) fn count(engine: &dyn Engine) -> Result<Self, EngineError> {
        let mut tallies = Self::default();
        for tree in Tree::ALL {
            let tally = &mut tallies.0[usize::from(tree.number())];
            engine.scan(tree, &KeyRange::all(), Order::Forward, &mut |key, bytes| {
                tally.add(tree, key, bytes);
                ControlFlow::Continue(())
            })?;
        }
        Ok(tallies)
    }

    /// As they are when a batch has been written, and what is there now of the rows that it changes goes to `replaced`.
    pub(crate) fn after(
        mut self,
        batch: &Batch,
        engine: &dyn Engine,
        mut replaced: impl FnMut(Tree, &[u8], Option<&[u8]>, Option<&[u8]>),
    ) -> Result<Self, EngineError> {
        for (tree, changes) in batch.trees() {
            for (key, value) in changes {
                let before = engine.get(tree, key)?;
                self.0[usize::from(tree.number())].change(tree, key, before.as_deref(), value.as_deref());
                replaced(tree, key, before.as_deref(), value.as_deref());
            }
        }
        Ok(self)
    }
}

/// What the row of commits holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit {
    /// One more than that of the commit before.
    pub(crate) number: u64,
    /// `None` only of stores that were made before there were any.
    pub(crate) tallies: Option<Tallies>,
}

const NUMBER: usize = 8;
const TALLY: usize = 16;
const ALL: usize = NUMBER + TALLY * Tree::ALL.len();

impl Commit {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.number.to_be_bytes().to_vec();
        for tally in self.tallies.iter().flat_map(|tallies| tallies.0) {
            bytes.extend_from_slice(&tally.rows.to_be_bytes());
            bytes.extend_from_slice(&tally.sum.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, RowError> {
        let (number, rest) = bytes.split_first_chunk::<NUMBER>().ok_or(RowError::Key)?;
        let number = u64::from_be_bytes(*number);
        let tallies = match bytes.len() {
            NUMBER => None,
            ALL => {
                let mut tallies = Tallies::default();
                for (tally, bytes) in tallies.0.iter_mut().zip(rest.as_chunks::<TALLY>().0) {
                    let (rows, sum) = bytes.split_first_chunk::<8>().ok_or(RowError::Key)?;
                    let sum = sum.try_into().map_err(|_| RowError::Key)?;
                    *tally = Tally { rows: u64::from_be_bytes(*rows), sum: u64::from_be_bytes(sum) };
                }
                Some(tallies)
            }
            _ => return Err(RowError::Key),
        };
        Ok(Self { number, tallies })
    }
}

/// Trees that grow with time: read row by row beside the calls. The others are checked as a whole at every opening.
const HISTORY: &[Tree] = &[Tree::Segments, Tree::Events, Tree::Gaps, Tree::Audit];

/// Compares the trees of history with their tallies, part by part. Commits may come between the parts: what they change of
/// the rows that were counted already is counted too.
pub(crate) struct Count {
    /// The trees that are not compared yet, the one that is being counted first.
    left: &'static [Tree],
    /// Its first row that is not counted yet.
    from: Vec<u8>,
    seen: Tally,
}

/// How a count stands after a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Counted {
    /// There is more to count.
    Part,
    /// All rows are there.
    Whole,
    /// What is wrong.
    Differs(String),
}

impl Count {
    pub(crate) fn new() -> Self {
        Self { left: HISTORY, from: Vec::new(), seen: Tally::default() }
    }

    /// Counts up to `rows` more; `due` is what the last commit says.
    pub(crate) fn go_on(&mut self, engine: &dyn Engine, due: &Tallies, mut rows: u64) -> Result<Counted, EngineError> {
        while let [tree, rest @ ..] = self.left {
            let range = KeyRange { from: std::mem::take(&mut self.from), to: None };
            let mut next = None;
            engine.scan(*tree, &range, Order::Forward, &mut |key, bytes| {
                if rows == 0 {
                    next = Some(key.to_vec());
                    return ControlFlow::Break(());
                }
                rows -= 1;
                self.seen.add(*tree, key, bytes);
                ControlFlow::Continue(())
            })?;
            if let Some(next) = next {
                self.from = next;
                return Ok(Counted::Part);
            }
            if let Some(what) = self.seen.differs_from(due.of(*tree), *tree) {
                return Ok(Counted::Differs(what));
            }
            (self.left, self.seen) = (rest, Tally::default());
        }
        Ok(Counted::Whole)
    }

    /// A commit changes a row.
    pub(crate) fn replaced(&mut self, tree: Tree, key: &[u8], before: Option<&[u8]>, after: Option<&[u8]>) {
        if self.left.first() == Some(&tree) && *key < *self.from {
            self.seen.change(tree, key, before, after);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::{HubId, SimClock};
    use proptest::prelude::*;

    use super::*;
    use crate::db::Db;
    use crate::engine::MemoryEngine;
    use crate::folder::{Commits, Folder};

    struct Bench {
        _dir: tempfile::TempDir,
        engine: MemoryEngine,
        commits: Commits,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let commits = Folder::open(dir.path()).unwrap().create_commits().unwrap();
            Self { _dir: dir, engine: MemoryEngine::default(), commits }
        }
        /// As at an opening.
        fn db(&self) -> Db {
            let clock = SimClock::default();
            let mut db = Db::new(Box::new(self.engine.clone()), "store".into(), HubId::new(&clock), Arc::new(clock));
            db.read_commit().unwrap();
            db
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(Tree, u8, u8),
        Delete(Tree, u8),
        Commit,
        Count(u64),
        Reopen,
    }

    fn step() -> impl Strategy<Value = Step> {
        let tree = || prop::sample::select(&[Tree::Meta, Tree::Segments, Tree::Events, Tree::Audit][..]);
        prop_oneof![
            4 => (tree(), 0..20u8, 0..3u8).prop_map(|(tree, key, value)| Step::Put(tree, key, value)),
            2 => (tree(), 0..20u8).prop_map(|(tree, key)| Step::Delete(tree, key)),
            2 => Just(Step::Commit),
            2 => (0..6u64).prop_map(Step::Count),
            1 => Just(Step::Reopen),
        ]
    }

    fn run(bench: &Bench, steps: Vec<Step>) -> Db {
        let mut db = bench.db();
        for step in steps {
            match step {
                Step::Put(tree, key, value) => db.put_raw(tree, vec![key], &[value]).unwrap(),
                Step::Delete(tree, key) => db.delete(tree, vec![key]).unwrap(),
                Step::Commit => db.commit(&bench.commits).unwrap(),
                Step::Count(rows) => drop(db.count_on(rows).unwrap()),
                Step::Reopen => {
                    db.commit(&bench.commits).unwrap();
                    db = bench.db();
                }
            }
        }
        db
    }

    proptest! {
        #[test]
        fn commits_between_the_parts_of_a_count_are_no_false_alarm(steps in prop::collection::vec(step(), 0..120)) {
            let bench = Bench::new();
            let mut db = run(&bench, steps);
            while db.count_on(3).unwrap() {}
            db.commit(&bench.commits).unwrap();
            let mut db = bench.db();
            prop_assert_eq!(Tallies::count(&bench.engine).unwrap(), db.tallies(|_, _, _, _| {}).unwrap());
            while db.count_on(3).unwrap() {}
        }

        #[test]
        fn a_row_that_is_lost_or_older_is_found(
            steps in prop::collection::vec(step(), 0..60), which: prop::sample::Index, lose: bool, part in 1..6u64,
        ) {
            let bench = Bench::new();
            let mut db = run(&bench, steps);
            for key in 0..9 {
                db.put_raw(Tree::Gaps, vec![key], b"new").unwrap();
            }
            db.commit(&bench.commits).unwrap();
            let key = vec![which.index(9) as u8];
            let older = row::encode_raw(Tree::Gaps, &key, b"old").unwrap();
            let mut damage = Batch::default();
            damage.set(Tree::Gaps, key, Some((!lose).then_some(older)));
            bench.engine.clone().apply(&damage).unwrap();

            let mut db = bench.db();
            let found = loop {
                match db.count_on(part) {
                    Ok(more) => prop_assert!(more, "nothing was found"),
                    Err(e) => break e,
                }
            };
            prop_assert!(found.is_damage());
            let what = if lose { "1 of 9 rows of gaps are gone" } else { "rows of gaps are not those that were written last" };
            prop_assert!(found.to_string().ends_with(what), "{}", found);
        }

        #[test]
        fn any_bytes_are_a_commit_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(commit) = Commit::parse(&bytes) {
                prop_assert_eq!(commit.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn a_store_from_before_there_were_tallies_is_counted_once() {
        let bench = Bench::new();
        let mut batch = Batch::default();
        let mut put = |tree, key: &[u8], content: &[u8]| {
            let row = row::encode_raw(tree, key, content).unwrap();
            batch.set(tree, key.to_vec(), Some(Some(row)));
        };
        put(Tree::Meta, COMMITS, &7_u64.to_be_bytes());
        put(Tree::Gaps, b"a", b"");
        bench.engine.clone().apply(&batch).unwrap();

        let mut db = bench.db();
        db.delete(Tree::Gaps, b"a".to_vec()).unwrap();
        db.commit(&bench.commits).unwrap();
        let commit = bench.db().find_commit().unwrap().unwrap();
        assert_eq!((commit.number, commit.tallies), (8, Some(Tallies::default())));
    }
}
