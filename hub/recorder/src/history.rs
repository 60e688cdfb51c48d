//! What was recorded, what was missed and what happened, by true time. The index has them by what the clock showed then;
//! see [`ClockMap`].

use std::collections::HashSet;
use std::sync::Arc;

use base::footage::{SegmentDetails, SegmentInfo, StreamName};
use base::state::GapReason;
use base::{CameraId, GapId, Timestamp};
use footage::{ClockMap, Dated};
use store::{Db, Event, Gap, StoreError};

use crate::cameras::{Recorder, RecorderError};

/// A stretch that should have been recorded and was not, in true time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatedGap {
    /// This gap.
    pub id: GapId,
    /// The first instant that is missing.
    pub start: Timestamp,
    /// The first instant that is not; of one that lasts, now.
    pub end: Timestamp,
    /// Why.
    pub reason: GapReason,
}

/// How often the clock was set, or the hub started, while a gap lasted: one that outlasts more of them is not found by
/// its later days.
const STRETCHES_BACK: usize = 64;
/// Rows that are read at a time.
const PAGE: usize = 64;
/// Two clocks of one instant may differ by as much: a shorter gap is none.
const SHORTEST_GAP: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

impl Recorder {
    /// What the clocks of this boot and of those before showed, as it is known now.
    pub fn clock_map(&self) -> Arc<ClockMap> {
        self.0.clocks.map()
    }

    /// The segments of a camera's main stream that may have a part in `from..to`: those that truly have, and some that
    /// turn out to be elsewhere once they are dated. The one that is being written ends where its last sync did, and is not
    /// there before its first.
    pub async fn segments(
        &self,
        camera: CameraId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<SegmentInfo>, RecorderError> {
        let map = self.clock_map();
        let rows = self.0.store.read(move |db| rows(db, &map, camera, StreamName::Main, from, to));
        let mut rows = rows.await?;
        let running = self.0.camera(camera);
        rows.retain_mut(|segment| {
            if segment.details != SegmentDetails::Open {
                return true;
            }
            segment.end = running.as_ref().and_then(|c| c.shared.synced_of(segment.id)).unwrap_or(segment.start);
            segment.end > segment.start
        });
        Ok(rows)
    }

    /// The gaps of a camera's main stream that have a part in `from..to`, by start.
    pub async fn gaps(&self, camera: CameraId, from: Timestamp, to: Timestamp) -> Result<Vec<DatedGap>, RecorderError> {
        let (map, now) = (self.clock_map(), self.0.clock.wall());
        let reads = map.clone();
        let rows = self.0.store.read(move |db| gap_rows(db, &reads, camera, StreamName::Main, from, to)).await?;
        let mut gaps: Vec<_> = rows
            .into_iter()
            .map(|gap| {
                let start = map.truly(gap.start_stamp, gap.start);
                let end = gap.end.map_or(now.max(start), |end| map.truly(gap.end_stamp, end));
                DatedGap { id: gap.id, start, end, reason: gap.reason }
            })
            .filter(|gap| gap.end > from && gap.start < to && gap.end.duration_since(gap.start) >= SHORTEST_GAP)
            .collect();
        gaps.sort_by_key(|gap| (gap.start, gap.id));
        Ok(gaps)
    }

    /// The events of a camera that have a part in `from..to`, by start, with their true times.
    pub async fn events(&self, camera: CameraId, from: Timestamp, to: Timestamp) -> Result<Vec<Event>, RecorderError> {
        let map = self.clock_map();
        let events = self.0.store.read(move |db| {
            let mut events = Vec::new();
            for (from, to) in map.written(from, to) {
                events.extend(db.events_in(camera, from, to)?);
            }
            Ok((events, map))
        });
        let (mut events, map) = events.await?;
        for event in &mut events {
            let start = map.truly(event.stamp, event.start);
            let shift = start.duration_since(event.start);
            event.end = event.end.map(|end| end.saturating_add(shift).unwrap_or(end));
            event.start = start;
        }
        events.retain(|e| e.start < to && e.end.is_none_or(|end| end > from));
        events.sort_by_key(|e| (e.start, e.id));
        events.dedup_by_key(|e| e.id);
        Ok(events)
    }
}

/// See [`Recorder::segments`].
fn rows(
    db: &Db,
    map: &ClockMap,
    camera: CameraId,
    stream: StreamName,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<SegmentInfo>, StoreError> {
    let mut rows = Vec::new();
    for (from, to) in map.written(from, to) {
        rows.extend(db.segments(camera, stream, from, to)?);
    }
    // Spans lie apart, but a segment may reach from one into the next.
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert((row.start, row.id)));
    Ok(rows)
}

/// The gaps that may have a part in a span of true time.
pub(crate) fn gap_rows(
    db: &Db,
    map: &ClockMap,
    camera: CameraId,
    stream: StreamName,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Gap>, StoreError> {
    let mut rows = Vec::new();
    for (from, to) in map.written(from, to) {
        rows.extend(db.gaps_about(camera, stream, from, to)?);
    }
    // One that has lasted for long began by another clock.
    for before in map.ends_back(from).take(STRETCHES_BACK) {
        rows.extend(db.gaps_about(camera, stream, before, before)?);
    }
    rows.extend(db.open_gaps()?.into_iter().filter(|gap| gap.camera == camera && gap.stream == stream));
    let mut seen = HashSet::new();
    rows.retain(|gap| seen.insert((gap.start, gap.id)));
    Ok(rows)
}

/// The segment that truly began last.
pub(crate) fn last(db: &Db, map: &ClockMap, camera: CameraId, stream: StreamName) -> Result<Option<Dated>, StoreError> {
    for (boot, spans) in map.boots_back() {
        let mut last: Option<Dated> = None;
        for (from, mut to) in spans {
            // What other boots wrote under the same times is passed over.
            let mut more = true;
            while more {
                let rows = db.segments_back(camera, stream, from, to, PAGE)?;
                more = rows.len() == PAGE;
                to = rows.last().map_or(to, |row| row.start);
                let of_boot = rows.into_iter().filter(|row| row.stamp.is_some_and(|stamp| stamp.boot == boot));
                let found = of_boot.map(|row| map.dated(row)).max_by_key(|s| s.start);
                more &= found.is_none();
                last = last.into_iter().chain(found).max_by_key(|s| s.start);
            }
        }
        if last.is_some() {
            return Ok(last);
        }
    }
    Ok(db.last_segment(camera, stream)?.map(|row| map.dated(row)))
}

/// The first segment that truly began at a time or later.
pub(crate) fn first_after(
    db: &Db,
    map: &ClockMap,
    camera: CameraId,
    stream: StreamName,
    at: Timestamp,
) -> Result<Option<Dated>, StoreError> {
    let rows = rows(db, map, camera, stream, at, Timestamp::MAX)?;
    Ok(rows.into_iter().map(|row| map.dated(row)).filter(|s| s.start >= at).min_by_key(|s| s.start))
}
