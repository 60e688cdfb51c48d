//! What a crash, or somebody at the disk, left behind, found without any key. Recording never waits for it: the few
//! segments that were open are looked at before the cameras begin, the whole tree afterwards and beside them.

use std::collections::HashMap;
use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo, StreamName};
use base::fs::FsError;
use base::{CameraId, Timestamp};
use footage::{Disk, Found};
use jiff::SignedDuration;
use store::{Db, StoreError};

use crate::cameras::{Inner, RecorderError};
use crate::history;
use crate::ledger::Told;

/// Rows or files that are compared at a time.
const BATCH: usize = 500;
/// Rows are read a day at a time.
const WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// A segment that was cut short is no longer than this, as a rule.
const LONGEST_CUT: Duration = Duration::from_secs(70);

/// What differed between the index and the footage tree.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Segments that the index did not know.
    pub(crate) found: usize,
    /// Segments that the index knew and that are gone.
    pub(crate) missing: usize,
    /// Files that are no segments, or in the wrong place. They are left alone.
    pub(crate) strange: usize,
}

/// Segments that were open when the hub stopped: their rows say from now on that nobody has looked into them.
pub(crate) async fn cut_short(inner: &Inner, open: Vec<SegmentInfo>) -> Result<usize, RecorderError> {
    let disk = inner.footage.disk().clone();
    let looked = tokio::task::spawn_blocking(move || open.into_iter().map(|s| look(&disk, s)).collect::<Vec<_>>());
    let looked = looked.await.expect("looking at a file does not panic");
    let count = looked.len();
    let put = inner.store.call(move |db| {
        looked.iter().try_for_each(|(segment, there)| match there {
            true => db.put_segment(segment),
            false => db.remove_segment(segment),
        })
    });
    put.await?;
    Ok(count)
}

/// A row as it should be after a crash, and whether its file is there. The end is a guess: when the file was last
/// written.
fn look(disk: &Disk, segment: SegmentInfo) -> (SegmentInfo, bool) {
    let Ok(file) = std::fs::metadata(disk.segment_path(&segment)) else { return (segment, false) };
    let latest = segment.start.saturating_add(LONGEST_CUT).unwrap_or(segment.start);
    let written = file.modified().ok().and_then(|t| Timestamp::try_from(t).ok()).unwrap_or(segment.start);
    let end = written.clamp(segment.start, latest).max(segment.end);
    (SegmentInfo { end, bytes: file.len(), details: SegmentDetails::Unknown, ..segment }, true)
}

/// Makes the index say what is in the footage tree, which is the truth. Takes as long as it takes; blocks. What a crash
/// kept out of the index is the newest: that comes first.
pub(crate) fn compare(inner: &Inner) -> Result<Compared, RecorderError> {
    let mut compared = Compared { found: newest(inner)?, ..Compared::default() };
    let mut unreadable = false;
    let mut batch = Vec::with_capacity(BATCH);
    for found in inner.footage.scan() {
        match found {
            Found::Segment(segment) => batch.push(segment),
            Found::Strange { path, what } => {
                tracing::warn!(path = %path.display(), what, "left alone in the footage folder");
                compared.strange += 1;
            }
            Found::Unreadable(e) => {
                tracing::warn!(error = &e as &dyn std::error::Error, "not looked at in the footage folder");
                unreadable = true;
            }
        }
        if batch.len() == BATCH {
            compared.found += add_unknown(inner, std::mem::take(&mut batch))?;
        }
        if inner.is_stopping() {
            return Ok(compared);
        }
    }
    compared.found += add_unknown(inner, batch)?;
    // A folder that cannot be read hides files; they are not gone.
    if !unreadable {
        compared.missing = remove_missing(inner)?;
    }
    Ok(compared)
}

/// What began after the last segment that the index knows of each stream.
fn newest(inner: &Inner) -> Result<usize, RecorderError> {
    let last = inner.store.read_blocking(|db| {
        let mut last = HashMap::new();
        for (camera, stream) in db.streams_with_segments()? {
            if let Some(segment) = db.last_segment(camera, stream)? {
                last.insert((camera, stream), segment.start);
            }
        }
        Ok(last)
    })?;
    let files = inner.footage.scan_newest(|camera, stream| last.get(&(camera, stream)).copied());
    Ok(files.chunks(BATCH).map(|part| add_unknown(inner, part.to_vec())).sum::<Result<_, _>>()?)
}

/// In one call: what the writer reports meanwhile is not written over. Gaps that were thought to be where a segment is
/// are put right.
fn add_unknown(inner: &Inner, files: Vec<SegmentInfo>) -> Result<usize, StoreError> {
    // What is being written now is no news.
    let files: Vec<_> = files.into_iter().filter(|file| !inner.keeper.wrote(file.id)).collect();
    let map = inner.clocks.map();
    let added = inner.store.call_blocking(move |db| {
        let mut added = Vec::new();
        for file in files {
            if db.segment(file.camera, file.stream, file.start, file.id)?.is_none() {
                db.put_segment(&file)?;
                let gaps = history::gap_rows(db, &map, file.camera, file.stream, file.start, file.end)?;
                added.push((file, gaps));
            }
        }
        Ok(added)
    })?;
    let count = added.len();
    for (segment, gaps) in added {
        inner.tell(Told::Found { segment, gaps });
    }
    Ok(count)
}

fn remove_missing(inner: &Inner) -> Result<usize, RecorderError> {
    let mut removed = 0;
    for (camera, stream) in inner.store.read_blocking(|db| db.streams_with_segments())? {
        let Some(mut from) =
            inner.store.read_blocking(move |db| Ok(db.first_segment(camera, stream)?.map(|s| s.start)))?
        else {
            continue;
        };
        let now = inner.clock.wall();
        while from <= now && !inner.is_stopping() {
            let to = from.saturating_add(WINDOW).unwrap_or(Timestamp::MAX);
            let rows = inner.store.read_blocking(move |db| closed_rows(db, camera, stream, from, to))?;
            let disk = inner.footage.disk();
            let missing: Vec<_> = rows.into_iter().filter(|row| is_missing(&disk.segment_path(row))).collect();
            // A disk that was pulled out has no files either: its rows stay.
            if !missing.is_empty() && Disk::open(disk.root(), Some(disk.id())).is_ok() {
                removed += missing.len();
                inner.store.call_blocking(move |db| missing.iter().try_for_each(|row| db.remove_segment(row)))?;
            }
            from = to;
        }
    }
    Ok(removed)
}

fn closed_rows(
    db: &Db,
    camera: CameraId,
    stream: StreamName,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<SegmentInfo>, StoreError> {
    let mut rows = db.segments(camera, stream, from, to)?;
    rows.retain(|row| row.details != SegmentDetails::Open);
    Ok(rows)
}

fn is_missing(path: &std::path::Path) -> bool {
    std::fs::symlink_metadata(path).map_err(FsError::on("look at", path)).is_err_and(|e| e.is_not_found())
}
