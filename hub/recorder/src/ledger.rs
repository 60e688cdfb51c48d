//! The ledger of what was recorded and what was not: turns what the footage writer and the cameras report into rows of
//! segments and gaps. The only one that writes gaps.
//!
//! Pure: reports in, rows out, so that every order of reports can be tried.

use std::collections::HashMap;
use std::time::Duration;

use base::footage::{SegmentInfo, StreamName};
use base::state::GapReason;
use base::{BootId, CameraId, ConnectionId, GapId, Mono, SharedClock, Stamp, Timestamp};
use footage::{Clocks, Kept};
use jiff::SignedDuration;
use store::Gap;

/// A shorter hole is the way of the world: the end of one picture and the start of the next.
const SHORTEST_GAP: SignedDuration = SignedDuration::from_secs(1);

/// A refusal so soon after the last picture is why the connection was closed.
const SAYS_WHY_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// A time that was told so lately was told by the clock as it is.
const LATELY: SignedDuration = SignedDuration::from_secs(10);

/// What the clock showed, and at which instant, where that is known.
pub(crate) type At = (Timestamp, Option<Stamp>);

/// What a camera's supervisor, or somebody who looked into a segment, reports.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a few of them at a time, handed on and gone")]
pub(crate) enum Told {
    /// It has a supervisor now. What was recorded before ended then; and of each gap that the store says lasts, when the
    /// first segment after its start began: the word that it ended was lost in a crash.
    Begun { camera: CameraId, end: Option<At>, open_gaps: Vec<(Gap, Option<At>)> },
    /// Nothing is recorded any more.
    Lost { camera: CameraId, connection: Option<ConnectionId>, reason: GapReason },
    /// A segment was found that the index did not know. `gaps`: those that the store has at its time.
    Found { segment: SegmentInfo, gaps: Vec<Gap> },
    /// A segment that a crash cut short was looked into: it ends not where it was thought to. `gaps`: those that the
    /// store has at its time.
    Corrected { before: SegmentInfo, after: SegmentInfo, gaps: Vec<Gap> },
    /// It was removed: nothing is missed any more.
    Removed { camera: CameraId },
}

/// A change of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Row {
    /// Keep a segment.
    Segment(SegmentInfo),
    /// Keep a gap.
    Gap(Gap),
    /// There was no such gap, or it began elsewhere.
    NoGap(Gap),
}

/// Where every camera's recording stands.
pub(crate) struct Ledger {
    clock: SharedClock,
    boot: BootId,
    clocks: Clocks,
    tracks: HashMap<CameraId, Track>,
    rows: Vec<Row>,
    lengths: Vec<Length>,
}

/// A gap that has ended, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) camera: CameraId,
    pub(crate) reason: GapReason,
    /// It is not one that was told before and went on.
    pub(crate) new: bool,
    /// How long it was, or went on.
    pub(crate) length: Duration,
}

/// Where a camera's recording stands.
#[derive(Default)]
struct Track {
    /// The connection whose segment is being written.
    open: Option<Option<ConnectionId>>,
    /// The connection of the last segment.
    connection: Option<ConnectionId>,
    /// End of what is on disk, or is known to be lost.
    end: Option<Timestamp>,
    end_stamp: Option<Stamp>,
    /// Start of the last segment.
    begun: Option<(Timestamp, Stamp)>,
    /// The gap that lasts.
    gap: Option<Gap>,
    /// When it was first known of: tells how long it lasted if the wall clock was set back meanwhile.
    gap_known: Mono,
    /// The last gap of dropped pictures: the next one goes on with it.
    dropped: Option<Gap>,
    /// Why the connection ended whose segment is still to be closed.
    lost: Option<(Option<ConnectionId>, GapReason)>,
}

impl Ledger {
    /// Of this boot.
    pub(crate) fn new(clock: SharedClock, boot: BootId, clocks: Clocks) -> Self {
        Self { clock, boot, clocks, tracks: HashMap::new(), rows: Vec::new(), lengths: Vec::new() }
    }

    /// The gaps of main streams that have ended, or went on after it, since this was asked last.
    pub(crate) fn ended(&mut self) -> Vec<Length> {
        std::mem::take(&mut self.lengths)
    }

    /// The rows that follow from a camera's report.
    pub(crate) fn told(&mut self, told: Told) -> Vec<Row> {
        let now = self.clock.wall();
        match told {
            Told::Begun { camera, end, open_gaps } => {
                let now = self.clock.mono();
                let track = self.track(camera);
                track.end = end.map(|(end, _)| end);
                track.end_stamp = end.and_then(|(_, stamp)| stamp);
                track.gap_known = now;
                for (gap, resumed) in open_gaps {
                    if resumed.is_none() && self.track(camera).gap.is_some() {
                        self.rows.push(Row::NoGap(gap)); // one gap at a time
                        continue;
                    }
                    let before = self.track(camera).gap.replace(gap);
                    if let Some((resumed, stamp)) = resumed {
                        self.end_gap_at(camera, resumed, stamp);
                        self.track(camera).gap = before;
                    }
                }
                // From here on it is for the camera's supervisor to say why nothing is recorded.
                if let (None, Some((end, _))) = (&self.track(camera).gap, end) {
                    self.begin_gap(camera, end, GapReason::HubDown);
                }
            }
            Told::Found { segment, gaps } => self.carve(&segment, gaps),
            Told::Lost { camera, connection, reason } => self.lost(camera, connection, reason, now),
            Told::Corrected { before, after, gaps } => self.corrected(&before, after, gaps),
            Told::Removed { camera } => {
                self.end_gap(camera, now);
                self.tracks.remove(&camera);
            }
        }
        std::mem::take(&mut self.rows)
    }

    /// The rows that follow from the writer's report.
    pub(crate) fn kept(&mut self, kept: &Kept) -> Vec<Row> {
        match kept {
            Kept::Opened(segment) => {
                if segment.stream == StreamName::Main {
                    self.opened(segment);
                }
                self.rows.push(Row::Segment(segment.clone()));
            }
            Kept::Synced { camera, stream: StreamName::Main, end, .. } => self.reached(*camera, *end),
            Kept::Synced { .. } | Kept::Failed { .. } => {}
            Kept::Closed(segment) => {
                if segment.stream == StreamName::Main {
                    self.closed(segment);
                }
                self.rows.push(Row::Segment(segment.clone()));
            }
            Kept::Dropped { camera, stream, from, to, reason } => {
                self.dropped(*camera, *stream, *from, *to, *reason);
            }
        }
        std::mem::take(&mut self.rows)
    }

    fn lost(&mut self, camera: CameraId, connection: Option<ConnectionId>, reason: GapReason, now: Timestamp) {
        let track = self.track(camera);
        if track.open.is_some() {
            // The gap begins where its segment closes. What became of the next try, which may be known before that, is not
            // why this connection ended.
            let said = track.lost.filter(|(lost, _)| track.open == Some(*lost)).map(|(_, said)| said);
            if said.is_none_or(|said| reason == GapReason::Paused || (answers(reason) && !answers(said))) {
                track.lost = Some((track.open.filter(|_| said.is_some()).unwrap_or(connection), reason));
            }
            return;
        }
        track.lost = Some((connection, reason));
        match &mut track.gap {
            // A camera that closes the connection and then refuses the next one says only then why.
            Some(gap)
                if answers(reason)
                    && matches!(gap.reason, GapReason::CameraLost | GapReason::CameraStalled)
                    && now.duration_since(gap.start) <= SAYS_WHY_WITHIN =>
            {
                gap.reason = reason;
                let gap = gap.clone();
                self.rows.push(Row::Gap(gap));
            }
            // What lasts goes on with its first reason, but for these, which end where another begins.
            Some(gap)
                if gap.reason != reason
                    && (answers(reason)
                        || [gap.reason, reason]
                            .iter()
                            .any(|r| matches!(r, GapReason::HubDown | GapReason::Paused))) =>
            {
                self.end_gap(camera, now);
                self.begin_gap(camera, now, reason);
            }
            Some(_) => {}
            None => {
                let start = track.end.unwrap_or(now);
                self.begin_gap(camera, start, reason);
            }
        }
    }

    fn opened(&mut self, segment: &SegmentInfo) {
        let connection = segment.media.map(|(connection, _)| connection);
        let track = self.track(segment.camera);
        if track.lost.is_some_and(|(lost, _)| lost != connection) {
            track.lost = None; // a new connection: what was said of the one before is past
        }
        let same = track.connection.is_some() && track.connection == connection;
        let since_end = lasted((track.end_stamp, track.end), (segment.stamp, Some(segment.start)));
        let hole = track.end.filter(|_| track.gap.is_none() && since_end.is_some_and(|s| s > SHORTEST_GAP));
        track.connection = connection;
        track.open = Some(connection);
        if let Some(start) = hole {
            // Nobody announced it: the camera paused for less than the watchdog's time, or its address was changed.
            let reason = if same { GapReason::CameraStalled } else { GapReason::CameraLost };
            self.begin_gap(segment.camera, start, reason);
        }
        self.track(segment.camera).begun = segment.stamp.map(|stamp| (segment.start, stamp));
        self.end_gap_at(segment.camera, segment.start, segment.stamp);
        self.reached(segment.camera, segment.start);
    }

    fn closed(&mut self, segment: &SegmentInfo) {
        let track = self.track(segment.camera);
        track.open = None;
        track.end = Some(segment.end);
        track.end_stamp = segment.end_stamp();
        if let (Some((_, reason)), None) = (track.lost, &track.gap) {
            self.begin_gap(segment.camera, segment.end, reason);
        }
    }

    fn dropped(&mut self, camera: CameraId, stream: StreamName, from: Timestamp, to: Timestamp, reason: GapReason) {
        if stream == StreamName::Main && self.track(camera).gap.as_ref().is_some_and(|gap| gap.start < from) {
            self.end_gap(camera, from); // pictures come again: from here on it is for another reason
        }
        let id = GapId::new(&*self.clock);
        let (start_stamp, end_stamp) = (self.stamp(camera, from), self.stamp(camera, to));
        let track = self.track(camera);
        let before = track.dropped.as_ref().and_then(|last| last.end);
        let gap = match track.dropped.take() {
            Some(last)
                if last.stream == stream
                    && last.reason == reason
                    && last.end.is_some_and(|end| from.duration_since(end) <= SHORTEST_GAP) =>
            {
                Gap { end: last.end.max(Some(to)), end_stamp, ..last }
            }
            _ => Gap { id, camera, stream, start: from, end: Some(to), reason, start_stamp, end_stamp },
        };
        if stream == StreamName::Main {
            let new = gap.id == id;
            let since = if new { from } else { before.map_or(from, |end| end.max(from)) };
            self.lengths.push(Length { camera, reason, new, length: between(since, to) });
        }
        let track = self.track(camera);
        track.dropped = Some(gap.clone());
        if stream == StreamName::Main {
            self.reached(camera, to);
        }
        self.rows.push(Row::Gap(gap));
    }

    /// Moves the gaps that began where a segment was thought to end to where it does.
    fn corrected(&mut self, before: &SegmentInfo, after: SegmentInfo, gaps: Vec<Gap>) {
        let mut moved = Vec::new();
        for gap in self.present(after.camera, gaps) {
            if after.end < before.end && gap.start == before.end {
                self.replace(&gap, vec![Gap { start: after.end, start_stamp: after.end_stamp(), ..gap.clone() }]);
            } else {
                moved.push(gap);
            }
        }
        self.carve(&after, moved);
        let track = self.track(after.camera);
        if track.end == Some(before.end) {
            (track.end, track.end_stamp) = (Some(after.end), after.end_stamp());
        }
        self.rows.push(Row::Segment(after));
    }

    /// Takes the time of a segment out of the gaps that were thought to be there.
    fn carve(&mut self, segment: &SegmentInfo, gaps: Vec<Gap>) {
        // By the clocks of two boots a gap may seem to be where it is not.
        let map = self.clocks.map();
        let truly = map.dated(segment.clone());
        let span =
            |gap: &Gap| (map.truly(gap.start_stamp, gap.start), gap.end.map(|end| map.truly(gap.end_stamp, end)));
        for gap in self.present(segment.camera, gaps) {
            let (start, end) = span(&gap);
            let overlaps = start < truly.end && end.is_none_or(|end| end > truly.start);
            if !overlaps || gap.stream != segment.stream {
                continue;
            }
            let before = Gap { end: Some(segment.start), end_stamp: segment.stamp, ..gap.clone() };
            let id = GapId::new(&*self.clock);
            let after = Gap { id, start: segment.end, start_stamp: segment.end_stamp(), ..gap.clone() };
            let long = |gap: &Gap| {
                let (start, end) = span(gap);
                end.is_none_or(|end| end.duration_since(start) >= SHORTEST_GAP)
            };
            self.replace(&gap, [before, after].into_iter().filter(long).collect());
        }
    }

    /// The store's gaps, with the one that lasts as it is known here.
    fn present(&mut self, camera: CameraId, mut gaps: Vec<Gap>) -> Vec<Gap> {
        if let Some(lasting) = &self.track(camera).gap {
            gaps.retain(|gap| gap.id != lasting.id);
            gaps.push(lasting.clone());
        }
        gaps
    }

    /// Puts pieces in the place of a gap. The one that lasts goes on lasting in its last piece.
    fn replace(&mut self, gap: &Gap, pieces: Vec<Gap>) {
        self.rows.push(Row::NoGap(gap.clone()));
        let track = self.track(gap.camera);
        if track.gap.as_ref().is_some_and(|lasting| lasting.id == gap.id) {
            track.gap = pieces.iter().find(|piece| piece.end.is_none()).cloned();
        }
        self.rows.extend(pieces.into_iter().map(Row::Gap));
    }

    fn begin_gap(&mut self, camera: CameraId, start: Timestamp, reason: GapReason) {
        let id = GapId::new(&*self.clock);
        let (stream, start_stamp) = (StreamName::Main, self.stamp(camera, start));
        let gap = Gap { id, camera, stream, start, end: None, reason, start_stamp, end_stamp: None };
        self.rows.push(Row::Gap(gap.clone()));
        let now = self.clock.mono();
        let track = self.track(camera);
        track.gap = Some(gap);
        track.gap_known = now;
    }

    fn end_gap(&mut self, camera: CameraId, end: Timestamp) {
        let stamp = self.stamp(camera, end);
        self.end_gap_at(camera, end, stamp);
    }

    fn end_gap_at(&mut self, camera: CameraId, end: Timestamp, stamp: Option<Stamp>) {
        let (now, wall) = (self.clock.mono(), self.clock.wall());
        let track = self.track(camera);
        let Some(mut gap) = track.gap.take() else { return };
        gap.end_stamp = stamp;
        if end < gap.start && wall < gap.start {
            // The clock was set back: the gap lasted as long as it did, by the clock as it is now.
            let lasted = SignedDuration::try_from(now.since(track.gap_known)).unwrap_or_default();
            self.rows.push(Row::NoGap(gap.clone()));
            gap.start = end.saturating_sub(lasted).unwrap_or(end);
        }
        // From one boot to the next the clocks tell nothing of how long it took.
        let another_boot = gap.start_stamp.zip(stamp).is_some_and(|(start, end)| start.boot != end.boot);
        let length = lasted((gap.start_stamp, Some(gap.start)), (stamp, Some(end))).unwrap_or_default();
        if length < SHORTEST_GAP && !another_boot {
            self.rows.push(Row::NoGap(gap));
            return;
        }
        gap.end = Some(end);
        let length = between(gap.start, end);
        self.lengths.push(Length { camera, reason: gap.reason, new: true, length });
        self.rows.push(Row::Gap(gap));
    }

    fn reached(&mut self, camera: CameraId, end: Timestamp) {
        let stamp = self.stamp(camera, end);
        let track = self.track(camera);
        if track.end.is_none_or(|before| before < end) {
            (track.end, track.end_stamp) = (Some(end), stamp);
        }
    }

    /// The instant at which the clock showed this time: by where footage ended or begins, else by the clock as it is, if
    /// that was lately, else by the segment that it follows.
    fn stamp(&mut self, camera: CameraId, at: Timestamp) -> Option<Stamp> {
        let now = Stamp { boot: self.boot, mono: self.clock.mono() };
        let ago = self.clock.wall().duration_since(at);
        let track = self.track(camera);
        if track.end == Some(at) && track.end_stamp.is_some() {
            return track.end_stamp;
        }
        if ago.abs() <= LATELY {
            let by = ago.unsigned_abs();
            return Some(if ago.is_negative() { now + by } else { Stamp { mono: now.mono - by, ..now } });
        }
        let (begun, stamp) = track.begun.filter(|(begun, _)| *begun <= at)?;
        Some(stamp + at.duration_since(begun).unsigned_abs())
    }

    fn track(&mut self, camera: CameraId) -> &mut Track {
        self.tracks.entry(camera).or_default()
    }
}

/// Reasons that a camera gives by its answer.
fn answers(reason: GapReason) -> bool {
    matches!(reason, GapReason::CameraUnauthorised | GapReason::CameraUnsupported | GapReason::CameraBroken)
}

/// Zero if the one is not before the other.
fn between(start: Timestamp, end: Timestamp) -> Duration {
    end.duration_since(start).try_into().unwrap_or_default()
}

/// How long it took from the one to the other: by the instants if they are of one boot, else by what the clock showed.
fn lasted(from: (Option<Stamp>, Option<Timestamp>), to: (Option<Stamp>, Option<Timestamp>)) -> Option<SignedDuration> {
    match (from.0, to.0) {
        (Some(from), Some(to)) if from.boot == to.boot => {
            let ns = i128::from(to.mono.0) - i128::from(from.mono.0);
            Some(SignedDuration::from_nanos(ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
        }
        _ => Some(to.1?.duration_since(from.1?)),
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
