//! What the footage writer and the cameras report, put where people find it: rows of segments and gaps, states.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use base::footage::{SegmentInfo, StreamName};
use base::state::GapReason;
use base::{CameraId, ConnectionId, GapId, Timestamp};
use footage::Kept;
use store::{Durability, Gap};
use tokio::sync::{mpsc, oneshot};

use crate::cameras::Inner;

/// A shorter hole is the way of the world: the end of one picture and the start of the next.
const SHORTEST_GAP: Duration = Duration::from_secs(1);

/// What a camera's supervisor reports.
#[derive(Debug)]
pub(crate) enum Told {
    /// It has a supervisor now. What was recorded before ended then.
    Begun { camera: CameraId, end: Option<Timestamp>, open_gap: Option<Gap> },
    /// Nothing is recorded any more.
    Lost { camera: CameraId, connection: Option<ConnectionId>, reason: GapReason },
    /// It was removed: nothing is missed any more.
    Removed { camera: CameraId },
    /// The writer has stopped: take what it reported, answer, and end.
    Stopped(oneshot::Sender<()>),
}

/// Where a camera's recording stands.
#[derive(Default)]
struct Track {
    /// A segment is being written.
    open: bool,
    /// End of what is on disk.
    end: Option<Timestamp>,
    /// The gap that lasts.
    gap: Option<Gap>,
    /// Why the connection ended whose segment is still to be closed.
    lost: Option<(Option<ConnectionId>, GapReason)>,
}

/// Takes reports until both senders are gone.
pub(crate) async fn follow(
    inner: Arc<Inner>,
    mut kept: mpsc::UnboundedReceiver<Kept>,
    mut told: mpsc::UnboundedReceiver<Told>,
) {
    let mut tracks = HashMap::<CameraId, Track>::new();
    loop {
        tokio::select! {
            biased;
            Some(told) = told.recv() => match told {
                Told::Stopped(done) => {
                    while let Ok(kept) = kept.try_recv() {
                        writer(&inner, &mut tracks, kept);
                    }
                    let _ = done.send(()); // who asked may have given up
                    return;
                }
                told => supervisor(&inner, &mut tracks, told),
            },
            Some(kept) = kept.recv() => writer(&inner, &mut tracks, kept),
            else => return,
        }
    }
}

fn supervisor(inner: &Inner, tracks: &mut HashMap<CameraId, Track>, told: Told) {
    let now = inner.clock.wall();
    match told {
        Told::Begun { camera, end, open_gap } => {
            let track = tracks.entry(camera).or_default();
            track.end = end;
            track.gap = open_gap;
            // From here on it is for the camera's supervisor to say why nothing is recorded.
            if let (None, Some(end)) = (&track.gap, end) {
                track.begin_gap(inner, camera, end, GapReason::HubDown);
            }
        }
        Told::Lost { camera, connection, reason } => {
            let track = tracks.entry(camera).or_default();
            if track.open {
                track.lost = Some((connection, reason));
                return;
            }
            match &track.gap {
                // What lasts goes on with its first reason, but for these two, which end where another begins.
                Some(gap)
                    if gap.reason != reason
                        && [gap.reason, reason].iter().any(|r| matches!(r, GapReason::HubDown | GapReason::Paused)) =>
                {
                    track.end_gap(inner, now);
                    track.begin_gap(inner, camera, now, reason);
                }
                Some(_) => {}
                None => {
                    let start = track.end.unwrap_or(now);
                    track.begin_gap(inner, camera, start, reason);
                }
            }
            track.lost = Some((connection, reason));
        }
        Told::Removed { camera } => {
            if let Some(mut track) = tracks.remove(&camera) {
                track.end_gap(inner, now);
            }
        }
        Told::Stopped(_) => {} // the loop's own
    }
}

fn writer(inner: &Inner, tracks: &mut HashMap<CameraId, Track>, kept: Kept) {
    match kept {
        Kept::Opened(segment) => {
            if segment.stream == StreamName::Main {
                tracks.entry(segment.camera).or_default().opened(inner, &segment);
            }
            put(inner, segment);
        }
        Kept::Synced { camera, stream: StreamName::Main, end, .. } => {
            tracks.entry(camera).or_default().end = Some(end);
            if let Some(camera) = inner.camera(camera) {
                camera.shared.synced(end);
            }
        }
        Kept::Synced { .. } => {}
        Kept::Closed(segment) => {
            if segment.stream == StreamName::Main {
                tracks.entry(segment.camera).or_default().closed(inner, &segment);
            }
            put(inner, segment);
        }
        Kept::Dropped { camera, stream, from, to } => {
            put_gap(
                inner,
                Gap {
                    id: GapId::new(&*inner.clock),
                    camera,
                    stream,
                    start: from,
                    end: Some(to),
                    reason: GapReason::DiskError,
                },
            );
        }
        Kept::Failed { camera, error, .. } => {
            tracing::error!(%camera, error = &error as &dyn std::error::Error, "footage cannot be written");
            if let Some(camera) = inner.camera(camera) {
                camera.shared.not_writing(base::Problem::from(&error).to_string());
            }
        }
    }
}

impl Track {
    fn opened(&mut self, inner: &Inner, segment: &SegmentInfo) {
        let connection = segment.media.map(|(connection, _)| connection);
        if self.lost.is_some_and(|(lost, _)| lost != connection) {
            self.lost = None; // a new connection: what was said of the one before is past
        }
        self.end_gap(inner, segment.start);
        self.open = true;
        self.end = Some(segment.start);
    }

    fn closed(&mut self, inner: &Inner, segment: &SegmentInfo) {
        self.open = false;
        self.end = Some(segment.end);
        if let Some((_, reason)) = self.lost {
            self.begin_gap(inner, segment.camera, segment.end, reason);
        }
    }

    fn begin_gap(&mut self, inner: &Inner, camera: CameraId, start: Timestamp, reason: GapReason) {
        let id = GapId::new(&*inner.clock);
        let gap = Gap { id, camera, stream: StreamName::Main, start, end: None, reason };
        put_gap(inner, gap.clone());
        self.gap = Some(gap);
    }

    fn end_gap(&mut self, inner: &Inner, end: Timestamp) {
        let Some(mut gap) = self.gap.take() else { return };
        if end.duration_since(gap.start) < jiff::SignedDuration::try_from(SHORTEST_GAP).unwrap_or_default() {
            drop(inner.store.submit(Durability::Lazy, move |db| db.remove_gap(&gap)));
            return;
        }
        gap.end = Some(end);
        put_gap(inner, gap);
    }
}

// Rows are handed over without waiting: they can be rebuilt from the footage, and are durable within seconds.

fn put(inner: &Inner, segment: SegmentInfo) {
    drop(inner.store.submit(Durability::Lazy, move |db| db.put_segment(&segment)));
}

fn put_gap(inner: &Inner, gap: Gap) {
    drop(inner.store.submit(Durability::Lazy, move |db| db.put_gap(&gap)));
}
