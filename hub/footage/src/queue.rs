//! What waits to be sealed: a bounded queue per stream, one thread that takes from all of them in turn.
//!
//! Fragments wait for the tick, before which they must be sealed, for [`GATHER`], or until there are enough of them: the
//! thread that seals wakes up a few times a second and not for each of them. All else is seen to at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::footage::{Fragment, InitSegment, StreamName};
use base::{CameraId, ConnectionId, Mono, SegmentId};
use vault::EpochPublic;

/// A fragment is sealed so soon, whatever the disk does: what waits here is lost with the process.
const GATHER: Duration = Duration::from_millis(250);

/// What a stream tells the writer, in order.
pub(crate) enum Item {
    /// The first of all: whose stream this is.
    Stream {
        camera: CameraId,
        stream: StreamName,
        epoch: EpochPublic,
    },
    Begin {
        init: InitSegment,
        connection: ConnectionId,
        started: Mono,
    },
    Epoch(EpochPublic),
    Fragment(Fragment),
    /// Fragments of this span of media time did not fit.
    Lost {
        from_90k: i64,
        to_90k: i64,
    },
    End,
    /// The last of all.
    Gone,
}

/// What the writer does next.
pub(crate) enum Work {
    /// Settle all segments: a sync is due.
    Tick,
    /// A segment of this stream could not be synced.
    Broken(u64, SegmentId),
    Item(u64, Item),
    /// Nothing is left and nothing will come.
    Stop,
}

/// Lock order: a leaf; no I/O under it.
pub(crate) struct Queues {
    state: Mutex<State>,
    wake: Condvar,
    /// So much of all streams together does not wait.
    batch_bytes: usize,
}

#[derive(Default)]
struct State {
    streams: BTreeMap<u64, Stream>,
    next_id: u64,
    /// The stream that was served last.
    served: u64,
    /// Of all streams.
    bytes: usize,
    /// What waits is to be worked off now, until nothing does.
    due: bool,
    tick: bool,
    broken: VecDeque<(u64, SegmentId)>,
    stopping: bool,
}

#[derive(Default)]
struct Stream {
    items: VecDeque<Item>,
    bytes: usize,
}

impl Queues {
    /// Without streams. Over `batch_bytes` of them, fragments are given out at once.
    pub(crate) fn new(batch_bytes: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), batch_bytes }
    }

    /// A new stream; what it is called here.
    pub(crate) fn register(&self, camera: CameraId, stream: StreamName, epoch: EpochPublic) -> u64 {
        let mut state = self.lock();
        state.next_id += 1;
        let id = state.next_id;
        let items = VecDeque::from([Item::Stream { camera, stream, epoch }]);
        state.streams.insert(id, Stream { items, bytes: 0 });
        state.due = true;
        drop(state);
        self.wake.notify_one();
        id
    }

    /// Adds an item. Over `limit` bytes the oldest fragments make room; returns the bytes that were dropped.
    pub(crate) fn push(&self, id: u64, item: Item, limit: usize) -> usize {
        let mut state = self.lock();
        let (weight, waits) = (weight(&item), matches!(item, Item::Fragment(_)));
        if state.stopping {
            return weight;
        }
        let Some(stream) = state.streams.get_mut(&id) else { return weight };
        stream.items.push_back(item);
        stream.bytes += weight;
        let mut dropped = 0;
        while stream.bytes > limit && stream.drop_oldest(&mut dropped) {}
        state.bytes = state.bytes + weight - dropped;
        let due = !waits || state.bytes > self.batch_bytes;
        let wakes = due && !state.due; // one that is due already wakes up, or is awake
        state.due |= due;
        drop(state);
        if wakes {
            self.wake.notify_one();
        }
        dropped
    }

    /// A sync is due: what waits is sealed, and then [`Work::Tick`] is given out.
    pub(crate) fn tick(&self) {
        let mut state = self.lock();
        (state.tick, state.due) = (true, true);
        drop(state);
        self.wake.notify_one();
    }

    pub(crate) fn broken(&self, id: u64, segment: SegmentId) {
        self.lock().broken.push_back((id, segment));
        self.wake.notify_one();
    }

    /// Takes nothing more; what is there is still worked off.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        (state.stopping, state.due) = (true, true);
        drop(state);
        self.wake.notify_one();
    }

    /// Waits for something to do. The disk's news first, then the streams in turn.
    pub(crate) fn next(&self) -> Work {
        let mut state = self.lock();
        loop {
            if let Some(work) = state.work(self.batch_bytes) {
                return work;
            }
            let (woken, timeout) = self.wake.wait_timeout(state, GATHER).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.due |= timeout.timed_out();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner) // every change is made in one piece
    }
}

impl State {
    /// What is to be done now, if anything. A writer that is behind syncs what it has written before it writes more.
    fn work(&mut self, batch_bytes: usize) -> Option<Work> {
        if let Some((id, segment)) = self.broken.pop_front() {
            return Some(Work::Broken(id, segment));
        }
        let behind = self.bytes > batch_bytes;
        if self.due
            && !(self.tick && behind)
            && let Some((id, item)) = self.take()
        {
            return Some(Work::Item(id, item));
        }
        if std::mem::take(&mut self.tick) {
            return Some(Work::Tick);
        }
        self.due = false;
        self.stopping.then_some(Work::Stop)
    }

    fn take(&mut self) -> Option<(u64, Item)> {
        let waiting = |(_, stream): &(&u64, &Stream)| !stream.items.is_empty();
        let after = self.streams.range(self.served + 1..).find(waiting);
        let id = *after.or_else(|| self.streams.range(..=self.served).find(waiting))?.0;
        self.served = id;
        let stream = self.streams.get_mut(&id)?;
        let item = stream.items.pop_front()?;
        let weight = weight(&item);
        stream.bytes -= weight;
        self.bytes -= weight;
        if matches!(item, Item::Gone) {
            self.streams.remove(&id);
        }
        Some((id, item))
    }
}

impl Stream {
    /// Turns the oldest fragment into a `Lost`, together with one right before it.
    fn drop_oldest(&mut self, dropped: &mut usize) -> bool {
        let oldest = self.items.iter().position(|item| matches!(item, Item::Fragment(_)));
        let Some((at, Some(Item::Fragment(fragment)))) = oldest.map(|at| (at, self.items.remove(at))) else {
            return false;
        };
        let (from_90k, to_90k) = (fragment.start_90k, fragment.end_90k);
        let weight = weight(&Item::Fragment(fragment));
        self.bytes -= weight;
        *dropped += weight;
        match at.checked_sub(1).and_then(|before| self.items.get_mut(before)) {
            Some(Item::Lost { to_90k: to, .. }) => *to = to_90k.max(*to),
            _ => self.items.insert(at, Item::Lost { from_90k, to_90k }),
        }
        true
    }
}

/// Bytes that an item occupies, about; what is not a fragment is small and rare.
fn weight(item: &Item) -> usize {
    match item {
        Item::Fragment(f) => f.bytes.len() + size_of_val(&f.samples[..]) + size_of::<Fragment>(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use base::SimClock;
    use vault::EpochSecrets;

    use super::*;

    /// Some three fragments.
    const BATCH: usize = 4_000;

    fn fragment(second: i64) -> Item {
        Item::Fragment(Fragment {
            bytes: vec![0; 1_000],
            samples: Vec::new(),
            start_90k: second * 90_000,
            end_90k: (second + 1) * 90_000,
            key: true,
            arrived: Mono(0),
        })
    }

    fn queues() -> (Queues, u64, u64) {
        let clock = SimClock::default();
        let queues = Queues::new(BATCH);
        let register = || {
            let camera = CameraId::new(&clock);
            let epoch = EpochSecrets::generate(base::EpochId::new(&clock), camera).public();
            let id = queues.register(camera, StreamName::Main, epoch);
            assert!(matches!(queues.next(), Work::Item(found, Item::Stream { .. }) if found == id));
            id
        };
        let (a, b) = (register(), register());
        assert!(queues.lock().work(BATCH).is_none());
        (queues, a, b)
    }

    fn describe(work: Work) -> String {
        match work {
            Work::Item(id, Item::Fragment(f)) => format!("{id}: {}", f.start_90k / 90_000),
            Work::Item(id, Item::Lost { from_90k, to_90k }) => {
                format!("{id}: lost {}..{}", from_90k / 90_000, to_90k / 90_000)
            }
            Work::Item(id, Item::End) => format!("{id}: end"),
            Work::Stop => "stop".into(),
            Work::Tick => "tick".into(),
            _ => "else".into(),
        }
    }

    fn rest(queues: &Queues) -> Vec<String> {
        queues.stop();
        std::iter::repeat_with(|| describe(queues.next())).take_while(|text| text != "stop").collect()
    }

    #[test]
    fn streams_are_served_in_turn() {
        let (queues, a, b) = queues();
        for second in 0..3 {
            queues.push(a, fragment(second), usize::MAX);
        }
        queues.push(b, fragment(7), usize::MAX);
        assert_eq!(rest(&queues), ["1: 0", "2: 7", "1: 1", "1: 2"]);
    }

    #[test]
    fn what_does_not_fit_pushes_the_oldest_out_and_leaves_its_span() {
        let (queues, a, b) = queues();
        let limit = 3 * weight(&fragment(0));
        assert_eq!((0..3).map(|s| queues.push(a, fragment(s), limit)).sum::<usize>(), 0);
        queues.push(a, Item::End, limit);
        assert_eq!((3..5).map(|s| queues.push(a, fragment(s), limit)).sum::<usize>(), 2 * limit / 3);
        queues.push(b, fragment(9), limit);
        assert_eq!(rest(&queues), ["1: lost 0..2", "2: 9", "1: 2", "1: end", "1: 3", "1: 4"]);
    }

    #[test]
    fn a_fragment_that_is_larger_than_the_queue_is_dropped_itself() {
        let (queues, a, _) = queues();
        assert!(queues.push(a, fragment(0), 100) > 0);
        assert_eq!(rest(&queues), ["1: lost 0..1"]);
    }

    #[test]
    fn fragments_wait_for_the_tick_and_are_given_out_before_it() {
        let (queues, a, b) = queues();
        queues.push(a, fragment(0), usize::MAX);
        queues.push(b, fragment(5), usize::MAX);
        assert!(queues.lock().work(BATCH).is_none());
        queues.tick();
        assert_eq!([0; 3].map(|_| describe(queues.next())), ["1: 0", "2: 5", "tick"]);
        assert!(queues.lock().work(BATCH).is_none());
    }

    #[test]
    fn fragments_are_given_out_soon_when_no_tick_comes() {
        let (queues, a, _) = queues();
        queues.push(a, fragment(0), usize::MAX);
        assert_eq!(describe(queues.next()), "1: 0");
    }

    #[test]
    fn many_fragments_and_all_that_is_none_do_not_wait() {
        let (queues, a, b) = queues();
        for second in 0..4 {
            queues.push(a, fragment(second), usize::MAX);
        }
        assert_eq!((0..4).map(|_| describe(queues.next())).collect::<Vec<_>>(), ["1: 0", "1: 1", "1: 2", "1: 3"]);
        queues.push(b, fragment(7), usize::MAX);
        queues.push(a, Item::End, usize::MAX);
        assert_eq!([describe(queues.next()), describe(queues.next())], ["2: 7", "1: end"]);
    }

    #[test]
    fn a_writer_that_is_behind_is_told_of_the_tick_before_it_has_worked_off_what_waits() {
        let (queues, a, _) = queues();
        for second in 0..6 {
            queues.push(a, fragment(second), usize::MAX);
        }
        queues.tick();
        assert_eq!(describe(queues.next()), "tick");
        assert_eq!(rest(&queues).len(), 6);
    }

    #[test]
    fn nothing_is_taken_after_the_stop() {
        let (queues, a, _) = queues();
        queues.push(a, fragment(0), usize::MAX);
        queues.stop();
        assert!(queues.push(a, fragment(1), usize::MAX) > 0);
        assert_eq!(rest(&queues), ["1: 0"]);
    }
}
