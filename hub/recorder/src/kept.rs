//! What the footage writer and the cameras report, put where people find it: rows in the store, states of cameras.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base::footage::StreamName;
use base::state::{GapReason, Reason};
use base::{CameraId, GapId, SegmentId, Timestamp};
use footage::Kept;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use store::{Durability, Learnt, Store, StoreError, StreamSource};
use tokio::sync::{mpsc, oneshot};

use crate::cameras::Inner;
use crate::finding;
use crate::ledger::{Ledger, Row, Told};

/// Rows that the store refused are offered again so often.
const AGAIN_EVERY: Duration = Duration::from_secs(5);
/// Rows that wait for a store that cannot take them. What is dropped beyond that, a start finds in the footage again.
const MAX_WAITING: usize = 20_000;

/// What is told to who follows.
#[expect(clippy::large_enum_variant, reason = "a few of them at a time, handed on and gone")]
pub(crate) enum Message {
    /// For the ledger.
    Told(Told),
    /// This was found out about a camera's source.
    Learnt(CameraId, StreamSource, Learnt),
    /// The writer has stopped: take what it reported, answer, and end.
    Stopped(oneshot::Sender<()>),
}

/// Takes reports until it is told to stop. Runs for the life of the hub; waits for nothing but the next report.
pub(crate) async fn follow(
    inner: Arc<Inner>,
    mut kept: mpsc::UnboundedReceiver<Kept>,
    mut told: mpsc::UnboundedReceiver<Message>,
) {
    let mut ledger = Ledger::new(inner.clock.clone(), inner.boot, inner.clocks.clone());
    let mut rows = Rows::new(inner.store.clone());
    let mut again = inner.clock.sleep(AGAIN_EVERY);
    loop {
        for ended in ledger.ended() {
            if let Some(camera) = inner.camera(ended.camera) {
                camera.shared.gap(ended.reason, ended.new, ended.length);
            }
        }
        tokio::select! {
            biased;
            Some(message) = told.recv() => match message {
                Message::Told(told) => rows.save(ledger.told(told)),
                Message::Learnt(camera, row, learnt) => {
                    tokio::spawn(finding::keep(inner.clone(), camera, row, learnt));
                }
                Message::Stopped(done) => {
                    while let Ok(kept) = kept.try_recv() {
                        rows.save(ledger.kept(&kept));
                    }
                    let _ = done.send(()); // who asked may have given up
                    return;
                }
            },
            Some(kept) = kept.recv() => {
                inner.space.kept(&kept);
                inner.paces.kept(&kept, pictures(&inner, &kept), inner.clock.mono());
                tell_camera(&inner, &kept);
                rows.save(ledger.kept(&kept));
            }
            Some((key, sequence, saved)) = rows.saving.next() => rows.saved(key, sequence, saved),
            () = &mut again => {
                rows.offer_again();
                again = inner.clock.sleep(AGAIN_EVERY);
            }
            else => return,
        }
    }
}

/// How many pictures have arrived of the camera.
fn pictures(inner: &Inner, kept: &Kept) -> u64 {
    let camera = match kept {
        Kept::Opened(segment) | Kept::Closed(segment) => segment.camera,
        Kept::Synced { camera, .. } | Kept::Dropped { camera, .. } | Kept::Failed { camera, .. } => *camera,
    };
    inner.camera(camera).map_or(0, |camera| camera.shared.status().pictures)
}

fn tell_camera(inner: &Inner, kept: &Kept) {
    match kept {
        Kept::Synced { camera, stream: StreamName::Main, segment, end, .. } => {
            if let Some(camera) = inner.camera(*camera) {
                camera.shared.synced(*segment, *end);
            }
        }
        Kept::Failed { camera, error, .. } => {
            tracing::error!(%camera, error = error as &dyn std::error::Error, "footage cannot be written");
            if let Some(camera) = inner.camera(*camera) {
                let reason = match error.gap_reason() {
                    GapReason::DiskFull => Some(Reason::DiskFull),
                    GapReason::DiskMissing => Some(Reason::DiskMissing),
                    GapReason::DiskError => Some(Reason::DiskError),
                    _ => None,
                };
                camera.shared.not_writing(reason, base::Problem::from(error).to_string());
            }
        }
        _ => {}
    }
}

/// Hands rows to the store without waiting for the disk, and offers again what it refused. The newest row of a place
/// wins: an older one that was refused is never written over it.
struct Rows {
    store: Store,
    sequence: u64,
    unsaved: BTreeMap<Key, (u64, Row)>,
    refused: VecDeque<Key>,
    saving: FuturesUnordered<BoxFuture<'static, Saved>>,
}

/// Place and number of a row, and whether the store took it.
type Saved = (Key, u64, Result<(), StoreError>);

/// The place of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Segment(SegmentId),
    Gap(GapId, CameraId, Timestamp),
}

impl Rows {
    fn new(store: Store) -> Self {
        Self { store, sequence: 0, unsaved: BTreeMap::new(), refused: VecDeque::new(), saving: FuturesUnordered::new() }
    }

    fn save(&mut self, rows: Vec<Row>) {
        for row in rows {
            let key = match &row {
                Row::Segment(segment) => Key::Segment(segment.id),
                Row::Gap(gap) | Row::NoGap(gap) => Key::Gap(gap.id, gap.camera, gap.start),
            };
            self.sequence += 1;
            if self.unsaved.len() >= MAX_WAITING && !self.unsaved.contains_key(&key) {
                tracing::error!(
                    ?key,
                    "the store takes no rows; this one is found again in the footage at the next start"
                );
                continue;
            }
            self.unsaved.insert(key, (self.sequence, row));
            self.offer(key);
        }
    }

    fn offer(&mut self, key: Key) {
        let Some((sequence, row)) = self.unsaved.get(&key).cloned() else { return };
        // A segment is found in the footage again, a gap is not.
        let soon = match row {
            Row::Segment(_) => Durability::Lazy,
            Row::Gap(_) | Row::NoGap(_) => Durability::Group,
        };
        let pending = self.store.submit(soon, move |db| match &row {
            Row::Segment(segment) => db.put_segment(segment),
            Row::Gap(gap) => db.put_gap(gap),
            Row::NoGap(gap) => db.remove_gap(gap),
        });
        self.saving.push(Box::pin(async move { (key, sequence, pending.await) }));
    }

    fn saved(&mut self, key: Key, sequence: u64, saved: Result<(), StoreError>) {
        let newest = self.unsaved.get(&key).is_some_and(|(s, _)| *s == sequence);
        match saved {
            Ok(()) if newest => drop(self.unsaved.remove(&key)),
            Err(error) if newest => {
                tracing::warn!(
                    ?key,
                    error = &error as &dyn std::error::Error,
                    "the store refused a row; it is offered again"
                );
                self.refused.push_back(key);
            }
            _ => {} // a newer row of the same place is on its way
        }
    }

    fn offer_again(&mut self) {
        for key in std::mem::take(&mut self.refused) {
            self.offer(key);
        }
    }
}
