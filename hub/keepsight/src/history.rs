//! The store's history on the footage disk: what cannot be found again in footage, for the day when the store is lost.
//!
//! ```text
//! <footage>/.keepsight-export/<hub>/<yyyy-mm-dd>  events and gaps that began on that day (UTC), protected spans, cameras
//! <footage>/.keepsight-export/<hub>/audit         the audit log, whole: its chain is followed from the first entry on
//! ```
//!
//! A folder for each hub: a new hub that is given an old disk does not write over what is still to be adopted.
//! Written at the start, every hour, after each day's end and when the hub stops: so at most an hour of events is lost with
//! the store. A day is written again until it has been over for a day; it goes when no footage of it, or of an earlier day, is
//! left. The audit log stays for as long as the disk. A disk that is missing or full delays all of this and nothing else.

use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::fs::FsError;
use base::{HubId, Problem, SharedClock, Shutdown, Timestamp};
use footage::Disk;
use serde::{Deserialize, Serialize};
use store::{Actor, AuditHead, ExportHeader, ExportKind, Store, StoreError};

use crate::rescue::{self, chain};

/// The setting that holds which footage disk is this hub's.
pub(crate) const DISK: &str = "footage-disk";
/// The setting that says that the history on the footage disk is still to be taken in, and nothing written over it.
pub(crate) const WANTED: &str = "history-wanted";

/// The audit log's name among the days.
const AUDIT: &str = "audit";
const EVERY: Duration = Duration::from_secs(3_600);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(86_400);
/// A day is looked at this long after midnight, so that it is over.
const AFTER_MIDNIGHT: Duration = Duration::from_secs(5);
/// Ten years of days: what a clock gone mad would add to them is not written.
const MAX_DAYS: usize = 3_660;

/// Keeps the history on the disk until the hub stops.
pub(crate) async fn keep(store: Store, disk: Disk, clock: SharedClock, shutdown: Shutdown) {
    let mut failed = false;
    loop {
        let done = beside(&store, &disk, &clock).await;
        if let (Err(e), false) = (&done, failed) {
            tracing::warn!(problem = %e, "the history is not on the footage disk yet; it is tried again");
        }
        failed = done.is_err();
        let now = clock.wall();
        let midnight = day_of(now).and_then(|d| begin(&d)).map(|b| b + DAY + AFTER_MIDNIGHT);
        let to_midnight = midnight.and_then(|m| Duration::try_from(m.duration_since(now)).ok()).unwrap_or(EVERY);
        let wait = if failed { AGAIN } else { EVERY.min(to_midnight) };
        tokio::select! {
            () = clock.sleep(wait) => {}
            () = shutdown.wait() => return,
        }
    }
}

/// One round on a thread that may block.
pub(crate) async fn beside(store: &Store, disk: &Disk, clock: &SharedClock) -> Result<(), Problem> {
    let (store, disk, clock) = (store.clone(), disk.clone(), clock.clone());
    let round = tokio::task::spawn_blocking(move || {
        disk.check().map_err(|e| Problem::from(&e))?;
        if store.read_blocking(|db| db.setting::<bool>(WANTED))? == Some(true) {
            let taken = take(&store, &disk)?;
            // What lasted when a day's file was written is over since then.
            let until = taken.until;
            store.urgent_blocking(move |db| until.map_or(Ok(()), |until| db.end_lasting_events(Some(until))))?;
            tracing::info!(?taken, "the history on the footage disk was taken in");
        }
        write(&store, &disk, &clock)
    });
    round.await.expect("writing files does not panic").map(drop)
}

/// What [`take`] took.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Taken {
    /// Days that were taken in.
    pub days: usize,
    /// Rows in them.
    pub rows: u64,
    /// Until when there is history: when the newest day was written.
    pub until: Option<Timestamp>,
    /// Days that could not be read.
    pub damaged: Vec<String>,
}

/// Takes the history on the disk into the store, newest day first: what this hub and those from which it adopted footage
/// wrote. Blocks. Twice is once.
pub fn take(store: &Store, disk: &Disk) -> Result<Taken, Problem> {
    let hubs = store.read_blocking(|db| {
        let adopted = db.adopted_epochs()?;
        Ok(adopted.into_iter().filter_map(|epoch| epoch.hub).chain([db.hub()]).collect::<BTreeSet<_>>())
    })?;
    let mut taken = Taken::default();
    for hub in &hubs {
        let mut newest = true;
        for (day, path) in days(&folder(disk, *hub))?.into_iter().rev() {
            let header = ExportHeader::read(&path);
            match header.and_then(|header| Ok((store.import_history(&path, &[*hub], newest)?, header.made))) {
                Ok((rows, made)) => {
                    newest = false;
                    taken.days += 1;
                    taken.rows += rows;
                    taken.until = taken.until.max(Some(made));
                }
                Err(e @ StoreError::BadExport { .. }) => {
                    tracing::error!(error = %chain(&e), "a day of history cannot be read");
                    taken.damaged.push(day);
                }
                Err(e) => return Err(e.into()),
            }
        }
    }
    store.urgent_blocking(|db| db.put_setting(WANTED, &false))?;
    Ok(taken)
}

/// Writes what the disk does not have yet. Blocks. Answers how many files were written.
pub fn write(store: &Store, disk: &Disk, clock: &SharedClock) -> Result<usize, Problem> {
    let hub = store.read_blocking(|db| Ok(db.hub()))?;
    let dir = folder(disk, hub);
    base::fs::create_dir(&dir, 0o700).map_err(|e| rescue::file_problem(&e))?;
    // What was made on the system's disk because the right one was pulled out just then is not written to.
    disk.check().map_err(|e| Problem::from(&e))?;

    let oldest = oldest_day(disk)?;
    let wanted = wanted_days(oldest.as_deref(), clock.wall());
    let mut written = usize::from(write_audit(store, &dir, clock)?);
    for day in &wanted {
        let Some(from) = begin(day) else { continue };
        let path = dir.join(day);
        if is_settled(&path, from) {
            continue;
        }
        store.export(&path, ExportKind::History { from, to: from + DAY })?;
        written += 1;
    }
    // Without any footage nothing says that its time is over.
    let (Some(oldest), Some(first)) = (oldest, wanted.first()) else { return Ok(written) };
    // Of hubs that are no more, too.
    for dir in folders(disk)? {
        for (day, path) in days(&dir)? {
            if day < oldest && day < *first {
                let removed = std::fs::remove_file(&path).map_err(FsError::on("remove", &path));
                removed.map_err(|e| rescue::file_problem(&e))?;
            }
        }
    }
    Ok(written)
}

/// Is nothing of this day going to change any more, and is it all there?
fn is_settled(path: &Path, from: Timestamp) -> bool {
    ExportHeader::read(path).is_ok_and(|header| header.made >= from + 2 * DAY)
}

/// The days from the oldest that has footage up to today, and in any case yesterday and today.
fn wanted_days(oldest: Option<&str>, now: Timestamp) -> Vec<String> {
    let mut days: Vec<String> = (0..MAX_DAYS)
        .map_while(|n| now.checked_sub(jiff_days(n)).ok().and_then(day_of))
        .enumerate()
        .take_while(|(n, day)| *n < 2 || oldest.is_some_and(|oldest| day.as_str() >= oldest))
        .map(|(_, day)| day)
        .collect();
    days.reverse();
    days
}

fn jiff_days(n: usize) -> Duration {
    DAY * n as u32 // at most MAX_DAYS
}

/// Writes the audit log, if it has grown. One that does not go on where the disk's ended is another log: that one is set
/// aside, never written over.
fn write_audit(store: &Store, dir: &Path, clock: &SharedClock) -> Result<bool, Problem> {
    let path = dir.join(AUDIT);
    let there = match ExportHeader::read_whole(&path) {
        Ok((header, _)) => header.audit,
        Err(StoreError::File(e)) if e.is_not_found() => AuditHead::default(),
        Err(e @ StoreError::BadExport { .. }) => {
            set_aside(store, &path, &chain(&e), clock)?;
            AuditHead::default()
        }
        Err(e) => return Err(e.into()),
    };
    let (head, at_there) = store.read_blocking(move |db| {
        let at = there.entries.checked_sub(1).map(|seq| db.audit(seq, 1)).transpose()?.unwrap_or_default();
        Ok((db.audit_head()?, at.first().map(|entry| entry.hash)))
    })?;
    if head == there {
        return Ok(false);
    }
    if there.entries > 0 && at_there != Some(there.hash) {
        set_aside(store, &path, "it does not go on in the store", clock)?;
    }
    store.export(&path, ExportKind::Audit)?;
    Ok(true)
}

fn set_aside(store: &Store, path: &Path, why: &str, clock: &SharedClock) -> Result<(), Problem> {
    let aside = rescue::set_aside(path, "before", clock).map_err(|e| rescue::file_problem(&e))?;
    tracing::error!(aside = %aside.display(), why, "the audit log on the footage disk was set aside");
    let name = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
    store.urgent_blocking(move |db| db.append_audit(Actor::Hub, "audit.set-aside", &name).map(drop))?;
    Ok(())
}

/// Where a hub's history lies.
pub(crate) fn folder(disk: &Disk, hub: HubId) -> PathBuf {
    disk.export_dir().join(hub.to_string())
}

/// The folders of all hubs that left their history.
fn folders(disk: &Disk) -> Result<Vec<PathBuf>, Problem> {
    let entries = list(&disk.export_dir())?.into_iter();
    let of_hubs = entries.filter(|e| e.file_name().to_str().is_some_and(|name| name.parse::<HubId>().is_ok()));
    Ok(of_hubs.map(|entry| entry.path()).collect())
}

/// Where a hub's audit log lies.
pub(crate) fn audit_path(disk: &Disk, hub: HubId) -> PathBuf {
    folder(disk, hub).join(AUDIT)
}

/// When the newest day of a hub was written, by its head alone.
pub(crate) fn newest(disk: &Disk, hub: HubId) -> Option<Timestamp> {
    let files = days(&folder(disk, hub)).ok()?;
    files.iter().rev().find_map(|(_, path)| ExportHeader::read(path).ok()).map(|header| header.made)
}

/// The days that lie in a folder, oldest first; none if there is no folder.
pub(crate) fn days(dir: &Path) -> Result<Vec<(String, PathBuf)>, Problem> {
    let named = |entry: &DirEntry| entry.file_name().into_string().ok().filter(|name| begin(name).is_some());
    let mut days: Vec<_> = list(dir)?.iter().filter_map(|entry| Some((named(entry)?, entry.path()))).collect();
    days.sort();
    Ok(days)
}

fn list(dir: &Path) -> Result<Vec<DirEntry>, Problem> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(Iterator::collect::<Result<Vec<_>, _>>),
    };
    entries.map_err(FsError::on("read the folder", dir)).map_err(|e| rescue::file_problem(&e))
}

/// The oldest day that any camera has a folder of.
fn oldest_day(disk: &Disk) -> Result<Option<String>, Problem> {
    let mut oldest: Option<String> = None;
    for camera in disk.cameras().map_err(|e| Problem::from(&e))? {
        let first = disk.days(camera).map_err(|e| Problem::from(&e))?.into_iter().next();
        oldest = match (oldest, first) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok(oldest)
}

fn day_of(at: Timestamp) -> Option<String> {
    let day = at.strftime("%Y-%m-%d").to_string();
    begin(&day).is_some().then_some(day)
}

/// The first instant of a day, UTC; `None` if it is not the name of one.
fn begin(day: &str) -> Option<Timestamp> {
    let begin: Timestamp = format!("{day}T00:00:00Z").parse().ok()?;
    (begin.strftime("%Y-%m-%d").to_string() == day).then_some(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_go_from_the_oldest_footage_to_today_and_yesterday_is_always_among_them() {
        let now: Timestamp = "2026-03-01T00:00:03Z".parse().unwrap();
        assert_eq!(wanted_days(None, now), ["2026-02-28", "2026-03-01"]);
        assert_eq!(wanted_days(Some("2026-02-27"), now), ["2026-02-27", "2026-02-28", "2026-03-01"]);
        assert_eq!(wanted_days(Some("2027-01-01"), now), ["2026-02-28", "2026-03-01"], "a clock that was set back");
        assert_eq!(wanted_days(Some("1970-01-01"), now).len(), MAX_DAYS);
        assert_eq!(wanted_days(None, Timestamp::MIN).len(), 0, "no name for such days");
    }

    #[test]
    fn only_the_names_of_days_are_days() {
        assert!(begin("2026-02-28").is_some());
        for bad in ["2026-02-30", "2026-2-3", "2026-02-28.tmp", "", "x.audit", "2026-02-28T00:00:00Z"] {
            assert_eq!(begin(bad), None, "{bad}");
        }
    }
}
