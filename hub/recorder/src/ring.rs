//! The live ring: what came since the last key picture, in memory only, behind a gate.
//!
//! The second door to pictures (DESIGN §3). A ring is opened with the `live` key of the camera *asked for*: handed out
//! under the wrong id it stays shut, for the owner of both cameras too.
//!
//! Lock order: `LiveRing::state` is a leaf; nothing is awaited and no I/O is done under it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use base::footage::{AccessUnit, InitSegment, Track, VIDEO_TIMESCALE};
use base::{CameraId, Problem, Timestamp};
use tokio::sync::broadcast;
use vault::{EpochPublic, Gate, ViewError, Viewer};

/// Most bytes a ring keeps: a stream whose key pictures are further apart starts live at the next one.
const MAX_RING_BYTES: usize = 8 << 20;
/// Units a viewer may lag behind before it is dropped to the next key picture: about 4 s with sound.
const MAX_LAG_UNITS: usize = 160;

/// Why a live ring stayed shut.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The viewer does not hold the key of the camera asked for, or the ring is another camera's.
    #[error("the live ring stays shut for this viewer")]
    Shut(#[source] ViewError),
}

impl From<LiveError> for Problem {
    fn from(LiveError::Shut(e): LiveError) -> Self {
        Problem::from(e)
    }
}

/// What a viewer is sent.
#[derive(Debug, Clone)]
pub enum LiveItem {
    /// New parameters, or the start: what follows begins with a key picture.
    Init {
        /// What a player needs first.
        init: Arc<InitSegment>,
        /// Wall-clock time of the first picture that follows.
        start: Timestamp,
    },
    /// One picture or audio frame.
    Unit(Arc<AccessUnit>),
}

/// The ring of one camera's stream.
#[derive(Debug)]
pub struct LiveRing {
    state: Mutex<State>,
    news: broadcast::Sender<News>,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    /// Goes up with every gate: a stream opened before is closed.
    generation: u64,
    init: Option<Arc<InitSegment>>,
    /// Wall-clock time of media time 0 of the present connection.
    zero: Timestamp,
    units: VecDeque<Arc<AccessUnit>>,
    bytes: usize,
}

#[derive(Debug, Clone)]
enum News {
    Unit(Arc<AccessUnit>),
    /// The connection or its parameters changed: begin anew at the next key picture.
    Restart,
    /// A new epoch began: this generation is closed.
    Closed(u64),
}

impl LiveRing {
    /// An empty ring, gated for an epoch.
    pub fn new(camera: CameraId, epoch: &EpochPublic) -> Self {
        let gate = Gate::new(&epoch.live, camera);
        let state =
            State { gate, generation: 0, init: None, zero: Timestamp::UNIX_EPOCH, units: VecDeque::new(), bytes: 0 };
        Self { state: Mutex::new(state), news: broadcast::channel(MAX_LAG_UNITS).0 }
    }

    /// Opens the ring of the camera asked for. Refuses a viewer that does not hold that camera's `live` key, and a
    /// ring that is another camera's.
    pub fn open(self: &Arc<Self>, viewer: &Viewer, camera: CameraId) -> Result<LiveStream, LiveError> {
        // The gate is copied out: opening it is a key agreement, too slow to do under the lock.
        let (gate, generation) = {
            let state = self.lock();
            (state.gate.clone(), state.generation)
        };
        gate.open(viewer, camera).map_err(LiveError::Shut)?;
        let state = self.lock();
        if state.generation != generation {
            return Err(LiveError::Shut(ViewError::NotGranted)); // a new epoch began just now
        }
        // Subscribed under the lock that pushes take: each unit is in the ring or in the news, never in both.
        let mut stream = LiveStream {
            ring: self.clone(),
            news: self.news.subscribe(),
            queue: VecDeque::new(),
            generation,
            waits_for_key: true,
        };
        stream.begin_with(&state);
        drop(state);
        Ok(stream)
    }

    /// A new epoch: a new gate, and who came through the old one is shown out.
    pub fn set_epoch(&self, camera: CameraId, epoch: &EpochPublic) {
        let gate = Gate::new(&epoch.live, camera);
        let mut state = self.lock();
        state.gate = gate;
        state.generation += 1;
        let _ = self.news.send(News::Closed(state.generation)); // nobody watching is fine
    }

    /// New parameters or a new connection. `zero` is the wall-clock time of media time 0.
    pub(crate) fn begin(&self, init: InitSegment, zero: Timestamp) {
        let mut state = self.lock();
        state.init = Some(Arc::new(init));
        state.zero = zero;
        state.clear();
        let _ = self.news.send(News::Restart);
    }

    /// One more picture or audio frame.
    pub(crate) fn push(&self, unit: AccessUnit) {
        let mut state = self.lock();
        if unit.key && unit.track == Track::Video {
            state.clear();
        } else if state.units.is_empty() {
            return; // nothing can be shown before a key picture
        }
        let unit = Arc::new(unit);
        state.bytes += unit.data.len();
        state.units.push_back(unit.clone());
        if state.bytes > MAX_RING_BYTES {
            state.clear();
        }
        let _ = self.news.send(News::Unit(unit));
    }

    /// The connection ended: nothing old is shown as live.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.init = None;
        state.clear();
        let _ = self.news.send(News::Restart);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn clear(&mut self) {
        self.units.clear();
        self.bytes = 0;
    }
}

/// One viewer's view of a ring. Ends when a new epoch begins or the ring is gone.
#[derive(Debug)]
pub struct LiveStream {
    ring: Arc<LiveRing>,
    news: broadcast::Receiver<News>,
    queue: VecDeque<LiveItem>,
    generation: u64,
    waits_for_key: bool,
}

impl LiveStream {
    /// The next item; `None` when the stream is closed. A viewer that lags goes on at the next key picture.
    pub async fn next(&mut self) -> Option<LiveItem> {
        loop {
            if let Some(item) = self.queue.pop_front() {
                return Some(item);
            }
            match self.news.recv().await {
                Ok(News::Unit(unit)) => self.take(unit),
                Ok(News::Restart) => self.waits_for_key = true,
                Ok(News::Closed(generation)) if generation > self.generation => return None,
                Ok(News::Closed(_)) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    if self.ring.lock().generation != self.generation {
                        return None; // the word that it closed may be among what was missed
                    }
                    self.waits_for_key = true;
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn take(&mut self, unit: Arc<AccessUnit>) {
        if self.waits_for_key {
            if !(unit.key && unit.track == Track::Video) {
                return;
            }
            let state = self.ring.lock();
            let Some(init) = state.init.clone() else { return };
            let start = wall_at(&state, &unit);
            drop(state);
            self.queue.push_back(LiveItem::Init { init, start });
            self.waits_for_key = false;
        }
        self.queue.push_back(LiveItem::Unit(unit));
    }

    fn begin_with(&mut self, state: &State) {
        if let (Some(init), Some(first)) = (&state.init, state.units.front()) {
            self.queue.push_back(LiveItem::Init { init: init.clone(), start: wall_at(state, first) });
            self.queue.extend(state.units.iter().cloned().map(LiveItem::Unit));
            self.waits_for_key = false;
        }
    }
}

fn wall_at(state: &State, unit: &AccessUnit) -> Timestamp {
    let ns = i128::from(unit.dts) * 1_000_000_000 / i128::from(VIDEO_TIMESCALE);
    Timestamp::from_nanosecond(state.zero.as_nanosecond() + ns).unwrap_or(state.zero)
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
