//! Which of a camera's pictures are looked at: the hub's side, in the thread that takes them from the camera.
//!
//! Which is decided by [`Attention`]. Where every picture is looked at, then from the last key picture on, which is why those since then
//! are kept. What does not fit into the channel to the child is dropped and counted, and looking goes on at the next key picture. Nothing
//! here waits.
//!
//! When a picture was taken is told by the camera's clock, which goes wrong by seconds a day: it is led after the hub's, too slowly for a
//! network that is late for a moment to matter.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Mono;
use base::footage::{AccessUnit, InitSegment, Track, VIDEO_TIMESCALE};
use bytes::Bytes;
use tokio::sync::{Notify, mpsc};

use crate::attention::{Attention, Look};
use crate::coded::{Codec, Coded};

/// Pictures that may wait for the child: some seconds of them.
pub(crate) const WAITING: usize = 128;
/// Bytes of them.
const MAX_WAITING_BYTES: usize = 16 << 20;
/// The camera's clock is led after the hub's by so much a picture at most: back, and on. More back, since a picture cannot be taken
/// after it came.
const LED_BACK: Duration = Duration::from_millis(8);
const LED_ON: Duration = Duration::from_millis(2);
/// So far from the hub's it is another clock: somebody set the camera's.
const OTHER_CLOCK: Duration = Duration::from_secs(10);
/// What is kept since the last key picture: of a camera with fewer key pictures, suspicion looks at the next one first.
const MAX_KEPT: usize = WAITING - 8;
const MAX_KEPT_BYTES: usize = 8 << 20;

/// A picture on its way to the child.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub codec: Codec,
    pub config: Bytes,
    pub data: Bytes,
    pub at: Mono,
    /// To be decoded by itself.
    pub alone: bool,
}

/// A picture in the channel, and then before the child: its bytes count until it was looked at.
pub(crate) struct Waiting {
    pub picture: Sent,
    load: Arc<Load>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.load.bytes.fetch_sub(self.picture.data.len(), Ordering::Relaxed);
        if self.load.pictures.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.load.none.notify_waiters();
        }
    }
}

/// What was handed in and is not looked at yet.
#[derive(Default)]
struct Load {
    bytes: AtomicUsize,
    pictures: AtomicUsize,
    /// There is nothing any more.
    none: Notify,
}

/// Where a camera's pictures are handed in. Clones share everything.
#[derive(Clone)]
pub struct Feed(Arc<Inner>);

struct Inner {
    to_child: mpsc::Sender<Waiting>,
    load: Arc<Load>,
    state: Mutex<State>,
    dropped: AtomicU64,
    looked: AtomicU64,
}

/// Lock order: a leaf; nothing is awaited under it.
#[derive(Default)]
struct State {
    /// Codec, parameters, and the instant of media time 0.
    stream: Option<(Codec, Bytes, Mono)>,
    /// From the last key picture on, or the one before while every picture is looked at: so much a new child is shown at once, to
    /// know the scene. Empty: there was none, or they are too many. With each, whether it is one.
    kept: VecDeque<(Sent, bool)>,
    kept_bytes: usize,
    /// The child was sent the last key picture and all since then.
    follows: bool,
    attention: Attention,
    /// When the last picture was taken.
    last: Mono,
    /// What is added to the camera's time, in nanoseconds.
    lead: i64,
}

impl Feed {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Waiting>) {
        let (to_child, waiting) = mpsc::channel(WAITING);
        let (load, dropped, looked) = (Arc::default(), AtomicU64::new(0), AtomicU64::new(0));
        (Self(Arc::new(Inner { to_child, load, state: Mutex::default(), dropped, looked })), waiting)
    }

    /// A connection begins, or its parameters change. `zero`: the instant of its media time 0. `false`: its coding is not known
    /// here.
    pub fn begin(&self, init: &InitSegment, zero: Mono) -> bool {
        let coding = Coded::coding(init);
        let mut state = self.lock();
        state.forget();
        state.stream = coding.map(|(codec, config)| (codec, config, zero));
        state.stream.is_some()
    }

    /// One more picture; sound is passed over. Never waits.
    pub fn push(&self, unit: &AccessUnit) {
        let mut state = self.lock();
        let Some((codec, config, zero)) = state.stream.clone().filter(|_| unit.track == Track::Video) else { return };
        let ticks = u64::try_from(unit.dts.saturating_add(unit.cts_offset.into())).unwrap_or_default();
        let media = Duration::from_micros(ticks.saturating_mul(1_000) / u64::from(VIDEO_TIMESCALE / 1_000));
        let at = state.led(zero + media, unit.arrived);
        let picture = Sent { codec, config, data: unit.data.clone(), at, alone: false };
        state.last = at;
        state.keep(&picture, unit.key);
        let look = state.attention.picture(at, unit.key);
        let follows = unit.key || state.follows;
        state.follows = look == Look::Whole && follows && self.send(picture.clone());
        if look == Look::Alone {
            self.send(Sent { alone: true, ..picture });
        }
    }

    /// Pictures that did not fit.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Pictures that were looked at.
    pub fn looked(&self) -> u64 {
        self.0.looked.load(Ordering::Relaxed)
    }

    /// One more was.
    pub(crate) fn count_looked(&self) {
        self.0.looked.fetch_add(1, Ordering::Relaxed);
    }

    /// Pictures that wait for the child.
    pub fn waiting(&self) -> usize {
        WAITING - self.0.to_child.capacity()
    }

    /// Something is not as it was at `at`.
    pub(crate) fn suspect(&self, at: Mono) {
        self.pays(|attention| attention.suspects(at));
    }

    /// Something moves at `at`; see [`Attention::moves`].
    pub(crate) fn moves(&self, at: Mono, known: bool) {
        self.pays(|attention| attention.moves(at, known));
    }

    /// Waits until all that was handed in was looked at, or given up.
    pub async fn settled(&self) {
        loop {
            let mut none = pin!(self.0.load.none.notified());
            none.as_mut().enable();
            if self.0.load.pictures.load(Ordering::Acquire) == 0 {
                return;
            }
            none.await;
        }
    }

    /// A new child knows nothing.
    pub(crate) fn learn(&self) {
        let last = {
            let mut state = self.lock();
            state.follows = false;
            state.last
        };
        self.pays(|attention| attention.learns(last));
    }

    /// Another attention: if every picture counts now, from the last key picture on.
    fn pays(&self, another: impl FnOnce(&mut Attention)) {
        let mut state = self.lock();
        another(&mut state.attention);
        if !state.follows && !state.kept.is_empty() && state.attention.looks_at_all(state.last) {
            state.follows = state.kept.iter().all(|(picture, _)| self.send(picture.clone()));
        }
    }

    fn send(&self, picture: Sent) -> bool {
        let (load, bytes) = (self.0.load.clone(), picture.data.len());
        // One alone always fits: what is larger than all may be is no picture of a camera.
        let before = load.bytes.fetch_add(bytes, Ordering::Relaxed);
        load.pictures.fetch_add(1, Ordering::AcqRel);
        let waiting = Waiting { picture, load };
        let fits = before == 0 || before + bytes <= MAX_WAITING_BYTES;
        let sent = fits && self.0.to_child.try_send(waiting).is_ok();
        self.0.dropped.fetch_add(u64::from(!sent), Ordering::Relaxed);
        sent
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self) {
        self.kept.clear();
        self.attention.begins();
        (self.kept_bytes, self.follows, self.lead) = (0, false, 0);
    }

    /// By the hub's clock, when a picture was taken that the camera's clock puts at `at`.
    fn led(&mut self, at: Mono, arrived: Mono) -> Mono {
        let ns = |time: Duration| time.as_nanos() as i64; // of a constant
        let ahead = |lead: i64| arrived.0 as i64 - (at.0 as i64).saturating_add(lead);
        let late = ahead(self.lead);
        let by = if late.abs() > ns(OTHER_CLOCK) { late } else { late.clamp(-ns(LED_BACK), ns(LED_ON)) };
        self.lead = self.lead.saturating_add(by);
        Mono(u64::try_from((at.0 as i64).saturating_add(self.lead)).unwrap_or_default())
    }

    fn keep(&mut self, picture: &Sent, key: bool) {
        let before = usize::from(key && self.attention.looks_at_all(picture.at));
        if key {
            while self.keys() > before {
                self.forget_oldest();
            }
        } else if self.kept.is_empty() {
            return;
        }
        self.kept_bytes += picture.data.len();
        self.kept.push_back((picture.clone(), key));
        while self.kept.len() > MAX_KEPT || self.kept_bytes > MAX_KEPT_BYTES {
            self.forget_oldest();
        }
    }

    fn keys(&self) -> usize {
        self.kept.iter().filter(|(_, key)| *key).count()
    }

    /// The oldest key picture, and what needs it.
    fn forget_oldest(&mut self) {
        let next = self.kept.iter().skip(1).position(|(_, key)| *key).map_or(self.kept.len(), |at| at + 1);
        self.kept_bytes -= self.kept.drain(..next).map(|(picture, _)| picture.data.len()).sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use base::footage::VideoParams;

    use super::*;

    fn unit(number: i64, key: bool) -> AccessUnit {
        let (track, data) = (Track::Video, Bytes::from_static(&[255, 216]));
        let arrived = Mono(1_000_000_000 + u64::try_from(number).unwrap() * 100_000_000);
        AccessUnit { track, dts: number * 9_000, cts_offset: 0, duration: 9_000, key, arrived, data }
    }

    /// Ten pictures a second, a key picture every two.
    fn feed() -> (Feed, mpsc::Receiver<Waiting>) {
        let (feed, sent) = Feed::new();
        let video = VideoParams { codec: "mp4v.6C".into(), width: 640, height: 360 };
        assert!(feed.begin(&InitSegment { bytes: Bytes::new(), video, audio: None }, Mono(1_000_000_000)));
        (feed, sent)
    }

    fn push(feed: &Feed, numbers: std::ops::Range<i64>) {
        numbers.for_each(|number| feed.push(&unit(number, number % 20 == 0)));
    }

    /// What was sent: number and whether by itself.
    fn sent(from: &mut mpsc::Receiver<Waiting>) -> Vec<(u64, bool)> {
        let waiting = std::iter::from_fn(|| from.try_recv().ok());
        waiting.map(|w| ((w.picture.at.0 - 1_000_000_000) / 100_000_000, w.picture.alone)).collect()
    }

    /// Of a camera whose clock is wrong by so much: how far off the hub's time a picture is told to be, at most, after the first
    /// of a number of key pictures.
    fn furthest_off(camera_at: impl Fn(u64) -> u64, arrived: impl Fn(u64) -> u64, pictures: u64) -> Duration {
        let (feed, mut from) = feed();
        feed.suspect(Mono(u64::MAX));
        let mut worst = 0;
        for number in 0..pictures {
            let ticks = i64::try_from(camera_at(number) / 1_000 * 90 / 1_000).unwrap();
            let arrived = Mono(1_000_000_000 + arrived(number));
            feed.push(&AccessUnit { dts: ticks, arrived, ..unit(0, true) });
            let told = from.try_recv().unwrap().picture.at;
            worst = if number == 0 { 0 } else { worst.max(told.0.abs_diff(arrived.0)) };
        }
        Duration::from_nanos(worst)
    }

    #[test]
    fn a_camera_whose_clock_goes_wrong_is_led_after_the_hubs() {
        let true_at = |number: u64| number * 100_000_000;
        // Two days of it, at 100 millionths, are 17 s.
        let days = 2 * 86_400 * 10;
        for wrong in [|at: u64| at + at / 10_000, |at: u64| at - at / 10_000] {
            let off = furthest_off(|n| wrong(true_at(n)), true_at, days);
            assert!(off < Duration::from_millis(20), "{off:?}");
        }
        // Somebody sets it by an hour.
        let set = |n: u64| if n < 100 { true_at(n) } else { true_at(n) + 3_600_000_000_000 };
        assert!(furthest_off(set, true_at, 300) < Duration::from_millis(20));
        // The network holds pictures back for three seconds, and gives them all at once: they were taken when they were.
        let held_back = |n: u64| if (100..130).contains(&n) { true_at(130) } else { true_at(n) };
        let (feed, mut from) = feed();
        feed.suspect(Mono(u64::MAX));
        for number in 0..200 {
            let arrived = Mono(1_000_000_000 + held_back(number));
            feed.push(&AccessUnit { arrived, ..unit(i64::try_from(number).unwrap(), true) });
            let told = from.try_recv().unwrap().picture.at.0;
            assert!(told.abs_diff(1_000_000_000 + true_at(number)) < 100_000_000, "{number}: {told}");
        }
    }

    #[tokio::test]
    async fn it_is_settled_once_all_was_looked_at() {
        let (feed, mut from) = feed();
        feed.settled().await;
        push(&feed, 0..25);
        let (first, second) = (from.recv().await.unwrap(), from.recv().await.unwrap());
        let settled = tokio::spawn(async move { feed.settled().await });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!settled.is_finished(), "the second one is being looked at");
        drop(second);
        settled.await.unwrap();
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_too() {
        let (feed, mut from) = feed();
        feed.suspect(Mono(u64::MAX));
        let large = |number| AccessUnit { data: Bytes::from(vec![0; 6 << 20]), ..unit(number, true) };
        (0..5).for_each(|number| feed.push(&large(number)));
        assert_eq!((sent(&mut from).len(), feed.dropped()), (2, 3));
        feed.push(&large(5));
        assert_eq!(sent(&mut from).len(), 1, "what was taken makes room");
    }

    #[test]
    fn while_nothing_happens_only_key_pictures_are_looked_at() {
        let (feed, mut from) = feed();
        push(&feed, 0..60);
        assert_eq!(sent(&mut from), [(0, true), (20, true), (40, true)]);
        (60..80).for_each(|number| feed.push(&unit(number, true)));
        assert_eq!(sent(&mut from), [(60, true), (70, true)], "of a camera that sends nothing else, one a second");
        assert_eq!(feed.dropped(), 0);
    }

    #[test]
    fn on_suspicion_all_are_from_the_last_key_picture_on_and_then_no_more() {
        let (feed, mut from) = feed();
        push(&feed, 0..25);
        sent(&mut from);
        feed.suspect(Mono(3_400_000_000));
        push(&feed, 25..200);
        let looked = sent(&mut from);
        let until = 24 + 80;
        let all: Vec<_> = (20..until).map(|number| (number, false)).collect();
        assert_eq!(looked[..all.len()], all);
        assert!(looked[all.len()..].iter().all(|(number, alone)| *alone && number % 20 == 0), "{looked:?}");
    }

    #[test]
    fn a_new_child_is_shown_the_scene_from_the_key_picture_before_the_last_one_while_something_happens() {
        let (feed, mut from) = feed();
        push(&feed, 0..25);
        feed.learn();
        let first: Vec<_> = (20..25).map(|number| (number, false)).collect();
        assert_eq!(sent(&mut from)[2..], first, "after two key pictures by themselves");
        feed.suspect(Mono(100_000_000_000));
        push(&feed, 25..70);
        sent(&mut from);
        feed.learn();
        assert_eq!(sent(&mut from), (40..70).map(|number| (number, false)).collect::<Vec<_>>());
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted_and_it_goes_on_at_a_key_picture() {
        let (feed, mut from) = feed();
        push(&feed, 0..1);
        feed.suspect(Mono(100_000_000_000));
        push(&feed, 1..200);
        let first = sent(&mut from);
        assert_eq!((first.len(), feed.waiting()), (WAITING, 0));
        assert!(feed.dropped() > 0);
        push(&feed, 200..230);
        let then: Vec<_> = (200..230).map(|number| (number, false)).collect();
        assert_eq!(sent(&mut from), then);
    }

    #[test]
    fn nothing_is_sent_that_cannot_be_decoded() {
        let (feed, mut from) = feed();
        feed.suspect(Mono(100_000_000_000));
        push(&feed, 1..19);
        assert_eq!(sent(&mut from), [], "before a key picture");
        let video = VideoParams { codec: "av01.0.04M.08".into(), width: 640, height: 360 };
        assert!(!feed.begin(&InitSegment { bytes: Bytes::new(), video, audio: None }, Mono(0)));
        push(&feed, 20..40);
        assert_eq!(sent(&mut from), [], "of a coding that nobody knows");
    }
}
