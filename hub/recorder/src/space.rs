//! Room for footage, made before it is written: one budget over all bytes, a reserve that stays free, oldest first.
//!
//! ```text
//! every second, and when a segment opens or closes:
//! is the disk there → how much is free → what is to come until the next look → remove the oldest → full, or not
//! ```
//!
//! What does not fit although everything that may go is gone is dropped by the writer, as a gap with its reason.

mod policy;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::footage::{SegmentInfo, StreamName};
use base::fs::FsError;
use base::state::{Health, Reason};
use base::{CameraId, Mono, Problem, ProblemKind, SegmentId, Timestamp};
use footage::{DiskError, Kept};
use jiff::SignedDuration;
use store::{Durability, KeepLimit, ProtectedSpan, StoreError};
use system::{DiskFacts, Disks, SystemDisks};
use tokio::sync::Notify;

use crate::cameras::Inner;
use policy::{Wanted, choose, occupies};

/// From one look at the disk to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// From one look at the limits of single cameras, and at ages, to the next.
const LIMITS_EVERY: Duration = Duration::from_secs(5);
/// From one count of what is no footage to the next.
const COUNT_EVERY: Duration = Duration::from_secs(600);
/// At least so much room is made ahead of the write; more if more came lately.
const LEAST_AHEAD: u64 = 8 << 20;
/// So many looks' writing fits into the room that is made ahead: a look may be late.
const LOOKS_AHEAD: u64 = 4;
/// Segments that are removed before the disk is looked at again.
const BATCH: usize = 64;
/// Rows that are read from the store at a time.
const PAGE: usize = 100;

/// How the footage disk's room is used.
#[derive(Clone)]
pub struct StorageOptions {
    /// Bytes of the footage disk that stay free, whoever used the others.
    pub reserve: u64,
    /// All that Keepsight has on the footage disk takes no more bytes than this; `None`: all but the reserve.
    pub budget: Option<u64>,
    /// `<data>`: counts too where it is on the same disk.
    pub data: PathBuf,
    /// The disks of the machine.
    pub disks: Arc<dyn Disks>,
}

impl StorageOptions {
    /// No reserve and no budget: the whole disk.
    pub fn unlimited(data: &Path) -> Self {
        Self { reserve: 0, budget: None, data: data.to_owned(), disks: Arc::new(SystemDisks) }
    }
}

/// How the footage disk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageStatus {
    /// Can it be written, and if not, why.
    pub health: Health,
    /// What the disk says, if it is there.
    pub disk: Option<DiskFacts>,
    /// Bytes of all that Keepsight has on it.
    pub used: u64,
    /// Bytes that stay free.
    pub reserve: u64,
    /// The most bytes that Keepsight takes, where somebody limited it.
    pub budget: Option<u64>,
    /// Segments that were removed to make room since the hub started.
    pub removed: u64,
    /// What a power cut would take of some camera, where that is more than the 2 seconds that are promised.
    pub loss_bound: Option<Duration>,
}

/// Making room failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpaceError {
    #[error("the footage disk")]
    Disk(#[from] DiskError),
    #[error("a file")]
    File(#[from] FsError),
    #[error("the store")]
    Store(#[from] StoreError),
}

/// What holds footage; a simulated disk in tests.
pub(crate) trait Shelf {
    /// What the right disk says; an error if it is not there.
    fn facts(&self) -> Result<DiskFacts, SpaceError>;
    /// Every segment, oldest first.
    fn oldest_first(&self) -> Result<impl Iterator<Item = Result<SegmentInfo, SpaceError>>, SpaceError>;
    fn protected(&self) -> Result<Vec<ProtectedSpan>, SpaceError>;
    fn limits(&self) -> Result<Vec<(Option<CameraId>, KeepLimit)>, SpaceError>;
    /// Its file first, then its row: what is cut in between is a row without a file, which the next start notices.
    fn remove(&self, segment: &SegmentInfo) -> Result<(), SpaceError>;
}

/// Bytes that Keepsight has on the footage disk, and how the disk is.
///
/// Lock order: both locks are leaves.
pub(crate) struct Space {
    account: Mutex<Account>,
    status: Mutex<StorageStatus>,
    look_now: Notify,
}

#[derive(Default)]
struct Account {
    closed: HashMap<CameraId, u64>,
    open: HashMap<SegmentId, (CameraId, u64)>,
    /// What is no footage.
    others: u64,
    /// Written since the last look.
    written: u64,
    /// Changes of `closed`, so that a count notices those that were made meanwhile.
    changes: u64,
}

impl Account {
    fn all(&self) -> u64 {
        let closed: u64 = self.closed.values().sum();
        let open: u64 = self.open.values().map(|(_, bytes)| bytes).sum();
        closed + open + self.others
    }
    fn of(&self, camera: CameraId) -> u64 {
        let open: u64 = self.open.values().filter(|(c, _)| *c == camera).map(|(_, bytes)| bytes).sum();
        self.closed.get(&camera).copied().unwrap_or(0) + open
    }
    fn grown(&mut self, camera: CameraId, segment: SegmentId, bytes: u64) {
        let (_, before) = self.open.entry(segment).or_insert((camera, 0));
        self.written += occupies(bytes).saturating_sub(*before);
        *before = occupies(bytes).max(*before);
    }
    fn closed(&mut self, segment: &SegmentInfo) {
        self.grown(segment.camera, segment.id, segment.bytes);
        self.open.remove(&segment.id);
        *self.closed.entry(segment.camera).or_default() += occupies(segment.bytes);
        self.changes += 1;
    }
    fn removed(&mut self, segment: &SegmentInfo) {
        let bytes = self.closed.entry(segment.camera).or_default();
        *bytes = bytes.saturating_sub(occupies(segment.bytes));
        self.changes += 1;
    }
}

impl Space {
    pub(crate) fn new() -> Self {
        let status = StorageStatus {
            health: Health::Ok,
            disk: None,
            used: 0,
            reserve: 0,
            budget: None,
            removed: 0,
            loss_bound: None,
        };
        Self { account: Mutex::default(), status: Mutex::new(status), look_now: Notify::new() }
    }

    /// Takes note of what the writer reports.
    pub(crate) fn kept(&self, kept: &Kept) {
        match kept {
            Kept::Opened(segment) => self.lock().grown(segment.camera, segment.id, segment.bytes),
            Kept::Synced { camera, segment, bytes, .. } => return self.lock().grown(*camera, *segment, *bytes),
            Kept::Closed(segment) => self.lock().closed(segment),
            Kept::Dropped { .. } | Kept::Failed { .. } => return,
        }
        self.look_now.notify_one();
    }

    /// A picture of so many bytes was kept. Which others went with their footage is known at the next count.
    pub(crate) fn thumbnail(&self, bytes: u64) {
        let mut account = self.lock();
        account.others += occupies(bytes);
        account.written += occupies(bytes);
    }

    /// Bytes of a camera's footage.
    pub(crate) fn of(&self, camera: CameraId) -> u64 {
        self.lock().of(camera)
    }

    pub(crate) fn status(&self) -> StorageStatus {
        self.lock_status().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
    fn lock_status(&self) -> MutexGuard<'_, StorageStatus> {
        self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Looks at the disk again and again.
pub(crate) struct Quartermaster {
    reserve: u64,
    budget: Option<u64>,
    /// What people allow, which may be less.
    allowed: Option<u64>,
    /// The most that was written between two looks lately.
    pace: u64,
    full: bool,
}

impl Quartermaster {
    pub(crate) fn new(reserve: u64, budget: Option<u64>) -> Self {
        Self { reserve, budget, allowed: None, pace: 0, full: false }
    }

    /// Makes room for what is to come. Answers whether there is none.
    pub(crate) fn look(
        &mut self,
        space: &Space,
        shelf: &impl Shelf,
        now: Timestamp,
        with_limits: bool,
    ) -> Result<bool, SpaceError> {
        let mut facts = shelf.facts()?;
        if with_limits {
            let all = shelf.limits()?.into_iter().find(|(camera, _)| camera.is_none());
            self.allowed = all.and_then(|(_, limit)| limit.bytes);
        }
        let written = std::mem::take(&mut space.lock().written);
        self.pace = written.max(self.pace - self.pace / 64);
        let ahead = LEAST_AHEAD.max(self.pace.saturating_mul(LOOKS_AHEAD));
        let mut removed = 0;
        if !facts.read_only {
            loop {
                let missing = self.missing(space, facts, ahead);
                let wanted = self.wanted(space, shelf, missing, with_limits, now)?;
                if wanted.is_nothing() {
                    break;
                }
                let go = choose(shelf.oldest_first()?, &shelf.protected()?, wanted, BATCH)?;
                for segment in &go {
                    shelf.remove(segment)?;
                    space.lock().removed(segment);
                    removed += 1;
                }
                facts = shelf.facts()?;
                // Fewer than a batch: all that was wanted is gone, or all that may go.
                if go.len() < BATCH {
                    break;
                }
            }
        }
        // Once full, it stays so until there is room for a while.
        let room = if self.full { ahead / 2 } else { self.pace };
        self.full = self.missing(space, facts, room) > 0;
        let health = match (facts.read_only, self.full) {
            (true, _) => degraded(Reason::DiskError, "The file system is read-only. Check the disk."),
            (false, true) => degraded(Reason::DiskFull, &Problem::from(ProblemKind::DiskFull).to_string()),
            (false, false) => Health::Ok,
        };
        let used = space.lock().all();
        let mut status = space.lock_status();
        let (reserve, budget, removed) = (self.reserve, self.budget(), status.removed + removed);
        *status = StorageStatus { health, disk: Some(facts), used, reserve, budget, removed, loss_bound: None };
        Ok(self.full)
    }

    fn budget(&self) -> Option<u64> {
        self.budget.into_iter().chain(self.allowed).min()
    }

    /// Bytes that have to go for `ahead` more to fit.
    fn missing(&self, space: &Space, facts: DiskFacts, ahead: u64) -> u64 {
        let of_disk = self.reserve.saturating_add(ahead).saturating_sub(facts.free);
        let of_budget = self.budget().map_or(0, |budget| (space.lock().all() + ahead).saturating_sub(budget));
        of_disk.max(of_budget)
    }

    fn wanted(
        &self,
        space: &Space,
        shelf: &impl Shelf,
        free_up: u64,
        with_limits: bool,
        now: Timestamp,
    ) -> Result<Wanted, SpaceError> {
        let mut wanted = Wanted { free_up, ..Wanted::default() };
        if !with_limits {
            return Ok(wanted);
        }
        for (camera, limit) in shelf.limits()? {
            let cutoff = limit.age_s.and_then(|s| before(now, s));
            match camera {
                None => wanted.cutoff = cutoff,
                Some(camera) => {
                    wanted.cutoffs.extend(cutoff.map(|c| (camera, c)));
                    let to_come = self.pace.saturating_mul(LIMITS_EVERY.as_secs() + 1);
                    let over = limit.bytes.map_or(0, |most| (space.lock().of(camera) + to_come).saturating_sub(most));
                    wanted.over.extend((over > 0).then_some((camera, over)));
                }
            }
        }
        Ok(wanted)
    }
}

/// `None`: before all time.
fn before(now: Timestamp, seconds: u64) -> Option<Timestamp> {
    now.checked_sub(SignedDuration::from_secs(i64::try_from(seconds).ok()?)).ok()
}

fn degraded(reason: Reason, detail: &str) -> Health {
    Health::Degraded { reason, detail: detail.to_owned() }
}

/// Runs for the life of the hub.
pub(crate) async fn run(inner: Arc<Inner>, options: StorageOptions) {
    let mut room = Quartermaster::new(options.reserve, options.budget);
    let (mut limits_at, mut counted_at): (Option<Mono>, Option<Mono>) = (None, None);
    let due = |at: Option<Mono>, every, now: Mono| at.is_none_or(|at| now.since(at) >= every);
    while !inner.is_stopping() {
        let now = inner.clock.mono();
        let with_limits = due(limits_at, LIMITS_EVERY, now);
        if with_limits {
            limits_at = Some(now);
        }
        let with_count = due(counted_at, COUNT_EVERY, now);
        let (beside, options) = (inner.clone(), options.clone());
        let looked = tokio::task::spawn_blocking(move || {
            let shelf = Real { inner: &beside, disks: &*options.disks };
            let counted = match with_count {
                true => shelf.facts().and_then(|facts| count(&beside, &options, facts)),
                false => Ok(()),
            };
            let result = room.look(&beside.space, &shelf, beside.clock.wall(), with_limits);
            (room, result, with_count && counted.is_ok())
        });
        let Ok((back, result, counted)) = looked.await else {
            tracing::error!("room for footage is made no more: a fault of the hub");
            return;
        };
        room = back;
        if counted {
            counted_at = Some(now);
        }
        match result {
            Ok(full) => inner.keeper.set_full(full),
            Err(e) => {
                // Whether it can be written is for the writer to find out.
                inner.keeper.set_full(false);
                let health = health_of(&e);
                let mut status = inner.space.lock_status();
                if status.health != health {
                    tracing::warn!(error = &e as &dyn std::error::Error, "no room can be made for footage");
                }
                *status = StorageStatus { health, disk: None, ..status.clone() };
            }
        }
        tokio::select! {
            () = inner.clock.sleep(LOOK_EVERY) => {}
            () = inner.space.look_now.notified() => {}
            () = inner.stopping() => {}
        }
    }
}

fn health_of(e: &SpaceError) -> Health {
    let (reason, problem) = match e {
        SpaceError::Disk(e) => {
            let reason = match e {
                DiskError::Missing { .. } | DiskError::Foreign { .. } => Reason::DiskMissing,
                _ => Reason::DiskError,
            };
            (reason, Problem::from(e))
        }
        SpaceError::File(_) | SpaceError::Store(_) => (Reason::DiskError, ProblemKind::DiskError.into()),
    };
    degraded(reason, &problem.to_string())
}

/// Sums up what is there already.
fn count(inner: &Inner, options: &StorageOptions, facts: DiskFacts) -> Result<(), SpaceError> {
    let root = inner.footage.disk().root();
    let data = options.disks.facts(&options.data).ok().filter(|data| data.device == facts.device);
    let others = data.map_or(0, |_| others(&options.data, root)) + others_in_footage(root);
    inner.space.lock().others = others;
    for _ in 0..3 {
        let before = inner.space.lock().changes;
        let mut closed: HashMap<CameraId, u64> = HashMap::new();
        for segment in Oldest::new(inner)? {
            let segment = segment?;
            if segment.details != base::footage::SegmentDetails::Open {
                *closed.entry(segment.camera).or_default() += occupies(segment.bytes);
            }
        }
        let mut account = inner.space.lock();
        let still = account.changes == before;
        account.closed = closed;
        if still {
            break;
        }
    }
    Ok(())
}

/// Bytes of a folder's files, without the footage.
fn others(dir: &Path, footage: &Path) -> u64 {
    if dir == footage {
        return 0;
    }
    sizes(dir, &|path| others(path, footage), &|_| true)
}

/// Bytes in the footage folder of what is no segment: keys, thumbnails, what others put there.
fn others_in_footage(dir: &Path) -> u64 {
    let no_segment = |name: &str| footage::SegmentName::parse(name).is_none();
    sizes(dir, &|path| others_in_footage(path), &no_segment)
}

fn sizes(dir: &Path, inner: &dyn Fn(&Path) -> u64, counts: &dyn Fn(&str) -> bool) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 }; // gone meanwhile, or not ours to read
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => inner(&entry.path()) + occupies(1),
        Ok(kind) if kind.is_file() && entry.file_name().to_str().is_none_or(counts) => {
            entry.metadata().map_or(0, |meta| occupies(meta.len()))
        }
        _ => 0,
    };
    entries.flatten().map(size).sum()
}

/// The footage disk and the store.
struct Real<'a> {
    inner: &'a Inner,
    disks: &'a dyn Disks,
}

impl Shelf for Real<'_> {
    fn facts(&self) -> Result<DiskFacts, SpaceError> {
        let disk = self.inner.footage.disk();
        disk.check()?;
        Ok(self.disks.facts(disk.root())?)
    }
    fn oldest_first(&self) -> Result<impl Iterator<Item = Result<SegmentInfo, SpaceError>>, SpaceError> {
        Oldest::new(self.inner)
    }
    fn protected(&self) -> Result<Vec<ProtectedSpan>, SpaceError> {
        // People protect true times; the index has what the clock showed.
        let (spans, map) = (self.inner.store.read_blocking(|db| db.protected_spans())?, self.inner.clocks.map());
        let written = |span: ProtectedSpan| {
            let parts = map.written(span.from, span.to);
            parts.into_iter().map(move |(from, to)| ProtectedSpan { from, to, ..span })
        };
        Ok(spans.into_iter().flat_map(written).collect())
    }
    fn limits(&self) -> Result<Vec<(Option<CameraId>, KeepLimit)>, SpaceError> {
        Ok(self.inner.store.read_blocking(|db| db.keep_limits())?)
    }
    fn remove(&self, segment: &SegmentInfo) -> Result<(), SpaceError> {
        let footage = &self.inner.footage;
        footage.disk().check()?;
        footage.remove(segment)?;
        // What is not on a disk that was just pulled out is not gone.
        footage.disk().check()?;
        let row = segment.clone();
        // A row that outlives its file, as after a power cut, is removed at the next start.
        drop(self.inner.store.submit(Durability::Lazy, move |db| {
            db.remove_segment(&row)?;
            db.forget_events_of(&row)
        }));
        Ok(())
    }
}

/// All segments of the index, oldest first; a page of each stream is in memory at a time.
struct Oldest<'a> {
    inner: &'a Inner,
    streams: Vec<Pages>,
}

struct Pages {
    camera: CameraId,
    stream: StreamName,
    rows: VecDeque<SegmentInfo>,
    /// The last row that was read; `None` before the first, and where to go on is nowhere after the last.
    last: Option<(Timestamp, SegmentId)>,
    done: bool,
}

impl<'a> Oldest<'a> {
    fn new(inner: &'a Inner) -> Result<Self, SpaceError> {
        let streams = inner.store.read_blocking(|db| db.streams_with_segments())?;
        let pages = |(camera, stream)| Pages { camera, stream, rows: VecDeque::new(), last: None, done: false };
        Ok(Self { inner, streams: streams.into_iter().map(pages).collect() })
    }
}

impl Pages {
    fn fill(&mut self, inner: &Inner) -> Result<(), SpaceError> {
        while self.rows.is_empty() && !self.done {
            let (camera, stream) = (self.camera, self.stream);
            let from = self.last.map_or(Timestamp::MIN, |(start, _)| start);
            let rows = inner.store.read_blocking(move |db| db.segments_from(camera, stream, from, PAGE))?;
            let last = self.last;
            self.done = rows.len() < PAGE;
            self.rows = rows.into_iter().filter(|r| last.is_none_or(|last| (r.start, r.id) > last)).collect();
            match self.rows.back() {
                Some(row) => self.last = Some((row.start, row.id)),
                None => self.done = true, // a page of one instant cannot be: the end
            }
        }
        Ok(())
    }
}

impl Iterator for Oldest<'_> {
    type Item = Result<SegmentInfo, SpaceError>;

    fn next(&mut self) -> Option<Self::Item> {
        for pages in &mut self.streams {
            if let Err(e) = pages.fill(self.inner) {
                return Some(Err(e));
            }
        }
        let with_rows = self.streams.iter_mut().filter(|p| !p.rows.is_empty());
        let oldest = with_rows.min_by_key(|p| p.rows.front().map(|r| (r.start, r.id)))?;
        oldest.rows.pop_front().map(Ok)
    }
}

#[cfg(test)]
#[path = "space/tests.rs"]
mod tests;
