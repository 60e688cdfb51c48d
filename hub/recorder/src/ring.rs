//! The live ring: what came since the last key picture, in memory only, behind a gate.
//!
//! The second door to pictures (DESIGN §3). A ring is opened with the `live` key of the camera *asked for*: handed out
//! under the wrong id it stays shut, for the owner of both cameras too.
//!
//! There is one copy of what viewers wait for, the ring's own, and a viewer is a number in it: where it has got to. So viewers
//! cost no memory, however slow, and none waits for another. One that has fallen out of the ring goes on at the last key
//! picture.
//!
//! Lock order: `LiveRing::state` is a leaf; nothing is awaited and no I/O is done under it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use base::footage::{AccessUnit, InitSegment, Track, VIDEO_TIMESCALE};
use base::{CameraId, PrincipalId, Problem, Timestamp};
use tokio::sync::watch;
use vault::{EpochPublic, Gate, ViewError, Viewer};

/// Most bytes a ring keeps: a stream whose key pictures are further apart starts live at the next one.
const MAX_RING_BYTES: usize = 8 << 20;
/// What a unit counts beside its data, so that many small ones are bounded too.
const UNIT_BYTES: usize = 128;
/// Units a viewer may lag behind before it is dropped to the last key picture, if that is newer: about 4 s with sound. While
/// nobody looks, nothing from before the last key picture is kept: it is half of what a camera takes in memory.
const MAX_LAG_UNITS: u64 = 160;

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
    /// Something in it has changed.
    news: watch::Sender<()>,
    viewers: watch::Sender<usize>,
}

#[derive(Debug)]
struct State {
    gate: Gate,
    /// Goes up with every gate: who opened the one before has to open this one.
    generation: u64,
    /// Whose streams are open, by a number of their own.
    streams: BTreeMap<u64, Option<PrincipalId>>,
    /// Streams that there have been.
    opened: u64,
    /// Goes up with every connection and every change of parameters.
    session: u64,
    init: Option<Arc<InitSegment>>,
    /// Wall-clock time of media time 0 of the present connection.
    zero: Timestamp,
    /// All of this session.
    units: VecDeque<Arc<AccessUnit>>,
    /// Number of the first of them; they are counted over all sessions.
    first: u64,
    /// Number of the last key picture, if it is among them.
    key: Option<u64>,
    bytes: usize,
}

impl LiveRing {
    /// An empty ring, gated for an epoch.
    pub fn new(camera: CameraId, epoch: &EpochPublic) -> Self {
        let state = State {
            gate: Gate::new(&epoch.live, camera),
            generation: 0,
            streams: BTreeMap::new(),
            opened: 0,
            session: 0,
            init: None,
            zero: Timestamp::UNIX_EPOCH,
            units: VecDeque::new(),
            first: 0,
            key: None,
            bytes: 0,
        };
        Self { state: Mutex::new(state), news: watch::channel(()).0, viewers: watch::channel(0).0 }
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
        let number = {
            let mut state = self.lock();
            if state.generation != generation {
                return Err(LiveError::Shut(ViewError::NotGranted)); // a new epoch began just now
            }
            state.opened += 1;
            let number = state.opened;
            state.streams.insert(number, viewer.principal());
            number
        };
        self.viewers.send_modify(|count| *count += 1);
        Ok(LiveStream { news: self.news.subscribe(), ring: self.clone(), number, place: None })
    }

    /// Counts as a viewer and sees nothing: for who is given the pictures in another way.
    pub(crate) fn hold(self: &Arc<Self>) -> Hold {
        self.viewers.send_modify(|count| *count += 1);
        Hold(self.clone())
    }

    /// How many streams of it are open.
    pub(crate) fn viewers(&self) -> watch::Receiver<usize> {
        self.viewers.subscribe()
    }

    /// A new epoch: a new gate, and who does not hold its `live` key is shown out. The others have that key, and need not
    /// come in again to show it.
    pub fn set_epoch(&self, camera: CameraId, epoch: &EpochPublic, holders: &BTreeSet<PrincipalId>) {
        let gate = Gate::new(&epoch.live, camera);
        self.change(|state| {
            state.gate = gate;
            state.generation += 1;
            state.streams.retain(|_, principal| principal.is_some_and(|principal| holders.contains(&principal)));
        });
    }

    /// The camera is removed: everybody is shown out.
    pub(crate) fn close(&self) {
        self.change(|state| {
            state.generation += 1;
            state.streams.clear();
            state.begin(None);
        });
    }

    /// New parameters or a new connection. `zero` is the wall-clock time of media time 0.
    pub(crate) fn begin(&self, init: InitSegment, zero: Timestamp) {
        self.change(|state| {
            state.begin(Some(Arc::new(init)));
            state.zero = zero;
        });
    }

    /// One more picture or audio frame.
    pub(crate) fn push(&self, unit: AccessUnit) {
        let lag = if *self.viewers.borrow() > 0 { MAX_LAG_UNITS } else { 0 };
        self.change(|state| state.push(unit, lag));
    }

    /// The connection ended: nothing old is shown as live.
    pub(crate) fn end(&self) {
        self.change(|state| state.begin(None));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.news.send_replace(()); // nobody watching is fine
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// See [`LiveRing::hold`].
pub(crate) struct Hold(Arc<LiveRing>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.viewers.send_modify(|count| *count -= 1);
    }
}

impl State {
    fn begin(&mut self, init: Option<Arc<InitSegment>>) {
        self.init = init;
        self.session += 1;
        self.first = self.end();
        self.units.clear();
        (self.key, self.bytes) = (None, 0);
    }

    /// `lag`: how many units are kept, though they came before the last key picture.
    fn push(&mut self, unit: AccessUnit, lag: u64) {
        if unit.key && unit.track == Track::Video {
            self.key = Some(self.end());
        } else if self.units.is_empty() {
            return; // nothing can be shown before a key picture
        }
        self.bytes += cost(&unit);
        self.units.push_back(Arc::new(unit));
        let too_old = |s: &Self| s.end() - s.first > lag && s.key.is_some_and(|key| s.first < key);
        while self.bytes > MAX_RING_BYTES || too_old(self) {
            let Some(unit) = self.units.pop_front() else { break };
            self.bytes -= cost(&unit);
            self.key = self.key.filter(|key| *key != self.first);
            self.first += 1;
        }
    }

    /// Number of the unit that comes next.
    fn end(&self) -> u64 {
        self.first + self.units.len() as u64
    }

    fn unit(&self, number: u64) -> Option<&Arc<AccessUnit>> {
        self.units.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}

fn cost(unit: &AccessUnit) -> usize {
    unit.data.len() + UNIT_BYTES
}

/// One viewer's view of a ring. Ends when an epoch begins that the viewer holds no key of, or the camera is removed.
#[derive(Debug)]
pub struct LiveStream {
    ring: Arc<LiveRing>,
    news: watch::Receiver<()>,
    /// Which of the ring's streams it is.
    number: u64,
    /// Of which session, and which unit comes next; `None`: it waits for the first key picture.
    place: Option<(u64, u64)>,
}

impl LiveStream {
    /// The next item; `None` when the stream is closed. A viewer that lags goes on at the last key picture.
    pub async fn next(&mut self) -> Option<LiveItem> {
        loop {
            {
                let state = self.ring.lock();
                if !state.streams.contains_key(&self.number) {
                    return None;
                }
                if let Some((item, place)) = next(&state, self.place) {
                    self.place = Some(place);
                    return Some(item);
                }
            }
            self.news.changed().await.ok()?;
        }
    }

    /// The last key picture and its parameters, with its wall-clock time; the next one if there is none. `None` when the
    /// stream is closed.
    pub async fn key_picture(&mut self) -> Option<(Arc<InitSegment>, Arc<AccessUnit>, Timestamp)> {
        let mut begun = None;
        self.place = None;
        loop {
            match (self.next().await?, begun.take()) {
                (LiveItem::Init { init, start }, _) => begun = Some((init, start)),
                // The first unit after an init segment is its key picture.
                (LiveItem::Unit(unit), Some((init, start))) => return Some((init, unit, start)),
                (LiveItem::Unit(_), None) => {}
            }
        }
    }
}

impl Drop for LiveStream {
    fn drop(&mut self) {
        self.ring.lock().streams.remove(&self.number);
        self.ring.viewers.send_modify(|count| *count -= 1);
    }
}

/// What comes next for who is at a place, and where it is then.
fn next(state: &State, place: Option<(u64, u64)>) -> Option<(LiveItem, (u64, u64))> {
    match place {
        Some((session, at)) if session == state.session && at >= state.first => {
            let unit = state.unit(at)?;
            Some((LiveItem::Unit(unit.clone()), (session, at + 1)))
        }
        // The beginning; or new parameters; or what it would want next is gone.
        _ => {
            let (key, init) = (state.key?, state.init.clone()?);
            let start = wall_at(state, state.unit(key)?);
            Some((LiveItem::Init { init, start }, (state.session, key)))
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
