//! The ledger of what was recorded and what was not: turns what the footage writer and the cameras report into rows of
//! segments and gaps. The only one that writes gaps.
//!
//! Pure: reports in, rows out, so that every order of reports can be tried.

use std::collections::HashMap;
use std::time::Duration;

use base::footage::{SegmentInfo, StreamName};
use base::state::GapReason;
use base::{CameraId, ConnectionId, GapId, Mono, SharedClock, Timestamp};
use footage::Kept;
use jiff::SignedDuration;
use store::Gap;

/// A shorter hole is the way of the world: the end of one picture and the start of the next.
const SHORTEST_GAP: SignedDuration = SignedDuration::from_secs(1);

/// A refusal so soon after the last picture is why the connection was closed.
const SAYS_WHY_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// What a camera's supervisor, or somebody who looked into a segment, reports.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a few of them at a time, handed on and gone")]
pub(crate) enum Told {
    /// It has a supervisor now. What was recorded before ended then; and of each gap that the store says lasts, when the
    /// first segment after its start began: the word that it ended was lost in a crash.
    Begun { camera: CameraId, end: Option<Timestamp>, open_gaps: Vec<(Gap, Option<Timestamp>)> },
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
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self { clock, tracks: HashMap::new(), rows: Vec::new(), lengths: Vec::new() }
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
                self.track(camera).end = end;
                self.track(camera).gap_known = now;
                for (gap, resumed) in open_gaps {
                    if resumed.is_none() && self.track(camera).gap.is_some() {
                        self.rows.push(Row::NoGap(gap)); // one gap at a time
                        continue;
                    }
                    let before = self.track(camera).gap.replace(gap);
                    if let Some(resumed) = resumed {
                        self.end_gap(camera, resumed);
                        self.track(camera).gap = before;
                    }
                }
                // From here on it is for the camera's supervisor to say why nothing is recorded.
                if let (None, Some(end)) = (&self.track(camera).gap, end) {
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
            Kept::Synced { camera, stream: StreamName::Main, end, .. } => self.track(*camera).reached(*end),
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
        let hole = track.end.filter(|end| track.gap.is_none() && segment.start.duration_since(*end) > SHORTEST_GAP);
        track.connection = connection;
        track.open = Some(connection);
        if let Some(start) = hole {
            // Nobody announced it: the camera paused for less than the watchdog's time, or its address was changed.
            let reason = if same { GapReason::CameraStalled } else { GapReason::CameraLost };
            self.begin_gap(segment.camera, start, reason);
        }
        self.end_gap(segment.camera, segment.start);
        self.track(segment.camera).reached(segment.start);
    }

    fn closed(&mut self, segment: &SegmentInfo) {
        let track = self.track(segment.camera);
        track.open = None;
        track.end = Some(segment.end);
        if let (Some((_, reason)), None) = (track.lost, &track.gap) {
            self.begin_gap(segment.camera, segment.end, reason);
        }
    }

    fn dropped(&mut self, camera: CameraId, stream: StreamName, from: Timestamp, to: Timestamp, reason: GapReason) {
        if stream == StreamName::Main && self.track(camera).gap.as_ref().is_some_and(|gap| gap.start < from) {
            self.end_gap(camera, from); // pictures come again: from here on it is for another reason
        }
        let id = GapId::new(&*self.clock);
        let track = self.track(camera);
        let before = track.dropped.as_ref().and_then(|last| last.end);
        let gap = match track.dropped.take() {
            Some(last)
                if last.stream == stream
                    && last.reason == reason
                    && last.end.is_some_and(|end| from.duration_since(end) <= SHORTEST_GAP) =>
            {
                Gap { end: last.end.max(Some(to)), ..last }
            }
            _ => Gap { id, camera, stream, start: from, end: Some(to), reason },
        };
        if stream == StreamName::Main {
            let new = gap.id == id;
            let since = if new { from } else { before.map_or(from, |end| end.max(from)) };
            self.lengths.push(Length { camera, reason, new, length: between(since, to) });
        }
        let track = self.track(camera);
        track.dropped = Some(gap.clone());
        if stream == StreamName::Main {
            track.reached(to);
        }
        self.rows.push(Row::Gap(gap));
    }

    /// Moves the gaps that began where a segment was thought to end to where it does.
    fn corrected(&mut self, before: &SegmentInfo, after: SegmentInfo, gaps: Vec<Gap>) {
        let mut moved = Vec::new();
        for gap in self.present(after.camera, gaps) {
            if after.end < before.end && gap.start == before.end {
                self.replace(&gap, vec![Gap { start: after.end, ..gap.clone() }]);
            } else {
                moved.push(gap);
            }
        }
        self.carve(&after, moved);
        let track = self.track(after.camera);
        if track.end == Some(before.end) {
            track.end = Some(after.end);
        }
        self.rows.push(Row::Segment(after));
    }

    /// Takes the time of a segment out of the gaps that were thought to be there.
    fn carve(&mut self, segment: &SegmentInfo, gaps: Vec<Gap>) {
        for gap in self.present(segment.camera, gaps) {
            let overlaps = gap.start < segment.end && gap.end.is_none_or(|end| end > segment.start);
            if !overlaps || gap.stream != segment.stream {
                continue;
            }
            let before = Gap { end: Some(segment.start), ..gap.clone() };
            let after = Gap { id: GapId::new(&*self.clock), start: segment.end, ..gap.clone() };
            let long = |gap: &Gap| gap.end.is_none_or(|end| end.duration_since(gap.start) >= SHORTEST_GAP);
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
        let gap = Gap { id, camera, stream: StreamName::Main, start, end: None, reason };
        self.rows.push(Row::Gap(gap.clone()));
        let now = self.clock.mono();
        let track = self.track(camera);
        track.gap = Some(gap);
        track.gap_known = now;
    }

    fn end_gap(&mut self, camera: CameraId, end: Timestamp) {
        let (now, wall) = (self.clock.mono(), self.clock.wall());
        let track = self.track(camera);
        let Some(mut gap) = track.gap.take() else { return };
        if end < gap.start && wall < gap.start {
            // The clock was set back: the gap lasted as long as it did, by the clock as it is now.
            let lasted = SignedDuration::try_from(now.since(track.gap_known)).unwrap_or_default();
            self.rows.push(Row::NoGap(gap.clone()));
            gap.start = end.saturating_sub(lasted).unwrap_or(end);
        }
        if end.duration_since(gap.start) < SHORTEST_GAP {
            self.rows.push(Row::NoGap(gap));
            return;
        }
        gap.end = Some(end);
        let length = between(gap.start, end);
        self.lengths.push(Length { camera, reason: gap.reason, new: true, length });
        self.rows.push(Row::Gap(gap));
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

impl Track {
    fn reached(&mut self, end: Timestamp) {
        self.end = self.end.max(Some(end));
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
