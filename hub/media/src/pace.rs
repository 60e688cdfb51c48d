//! How long to wait for a camera's next picture: a doorbell sends one a second, another camera thirty.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::Mono;

/// A camera is given this long in any case: what a Wi-Fi network takes to recover.
const LEAST: Duration = Duration::from_secs(3);
/// And no longer than this, however slow it is.
const MOST: Duration = Duration::from_secs(30);
/// So many times its usual spacing.
const TIMES: u32 = 3;
/// A camera begins with a key picture: it may wait for its next one, and this much longer.
const BEGINS_WITHIN: Duration = Duration::from_secs(2);
/// Pictures whose spacing counts, and key pictures.
const PICTURES: usize = 16;
const KEYS: usize = 3;
/// Spacings that must be known before they mean anything.
const ENOUGH: usize = 4;

/// Sound that ends two connections within this time is left out of later ones.
const SOUND_TWICE_WITHIN: Duration = Duration::from_secs(60);

/// What is known of a camera's pace, and of sound that cannot be read. Clones share it; nothing is known at first.
#[derive(Debug, Clone, Default)]
pub struct Pace(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    newest: Option<Mono>,
    newest_key: Option<Mono>,
    pictures: Longest<PICTURES>,
    keys: Longest<KEYS>,
    /// When a connection last ended because its sound could not be read.
    sound_ended: Option<Mono>,
    /// It is not to be asked for.
    without_sound: bool,
}

impl Pace {
    /// A connection begins: what comes first says nothing of the spacing.
    pub(crate) fn begin(&self) {
        self.with(|known| (known.newest, known.newest_key) = (None, None));
    }

    /// A picture came.
    pub(crate) fn picture(&self, now: Mono, key: bool) {
        self.with(|known| {
            known.pictures.add(known.newest.replace(now), now);
            if key {
                known.keys.add(known.newest_key.replace(now), now);
            }
        });
    }

    /// How long the next picture may take; `None` while nothing is known.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.with(|known| match known.newest {
            Some(_) => known.pictures.longest_but_one(ENOUGH).map(|usual| (usual * TIMES).clamp(LEAST, MOST)),
            None => known.keys.longest(1).map(|longest| (longest + BEGINS_WITHIN).clamp(LEAST, MOST)),
        })
    }

    /// A connection ended because its sound could not be read.
    pub(crate) fn sound_ended(&self, now: Mono) {
        self.with(|known| {
            let before = known.sound_ended.replace(now);
            known.without_sound |= before.is_some_and(|before| now.since(before) <= SOUND_TWICE_WITHIN);
        });
    }

    /// Is the sound such that only the pictures are to be asked for?
    pub(crate) fn without_sound(&self) -> bool {
        self.with(|known| known.without_sound)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Known) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The last `N` spacings.
#[derive(Debug)]
struct Longest<const N: usize> {
    last: [Duration; N],
    count: usize,
}

impl<const N: usize> Default for Longest<N> {
    fn default() -> Self {
        Self { last: [Duration::ZERO; N], count: 0 }
    }
}

impl<const N: usize> Longest<N> {
    fn add(&mut self, before: Option<Mono>, now: Mono) {
        if let Some(before) = before {
            self.last[self.count % N] = now.since(before);
            self.count += 1;
        }
    }

    fn longest(&self, enough: usize) -> Option<Duration> {
        (self.count >= enough).then(|| self.last.into_iter().max().unwrap_or_default())
    }

    /// One that stands out is a fault and not a pace: whoever is patient because of it finds the next fault late.
    fn longest_but_one(&self, enough: usize) -> Option<Duration> {
        let mut last = self.last;
        last.sort_unstable();
        (self.count >= enough).then(|| last.into_iter().nth_back(1).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After so many pictures of this spacing, each so-manieth a key picture.
    fn after(pictures: u64, ms: u64, key_every: u64) -> Pace {
        let pace = Pace::default();
        pace.begin();
        for n in 0..pictures {
            pace.picture(Mono(n * ms * 1_000_000), n % key_every == 0);
        }
        pace
    }

    #[test]
    fn a_fast_camera_is_given_little_time_and_a_slow_one_more() {
        assert_eq!(after(100, 50, 20).limit(), Some(LEAST));
        assert_eq!(after(20, 1_000, 2).limit(), Some(LEAST));
        assert_eq!(after(20, 4_000, 2).limit(), Some(Duration::from_secs(12)));
        assert_eq!(after(20, 20_000, 2).limit(), Some(MOST));
    }

    #[test]
    fn nothing_is_known_of_a_camera_that_has_just_begun() {
        assert_eq!(after(0, 50, 20).limit(), None);
        assert_eq!(after(ENOUGH as u64, 50, 20).limit(), None);
        assert_eq!(after(ENOUGH as u64 + 1, 50, 20).limit(), Some(LEAST));
    }

    #[test]
    fn a_pause_says_nothing_of_the_pace_and_a_second_one_makes_more_patient_for_a_while() {
        let pace = after(100, 50, 20);
        let at = |ms: u64| Mono((5_000 + ms) * 1_000_000);
        pace.picture(at(2_900), false);
        assert_eq!(pace.limit(), Some(LEAST));
        pace.picture(at(4_900), false);
        assert_eq!(pace.limit(), Some(Duration::from_secs(6)));
        (1..=16).for_each(|n| pace.picture(at(4_900 + n * 50), false));
        assert_eq!(pace.limit(), Some(LEAST));
    }

    #[test]
    fn sound_is_given_up_if_it_ends_connections_again_and_again() {
        let pace = Pace::default();
        for (s, given_up) in [(0, false), (3_600, false), (7_200, false), (7_201, true), (99_999, true)] {
            pace.sound_ended(Mono(s * 1_000_000_000));
            assert_eq!(pace.without_sound(), given_up, "{s}");
        }
    }

    #[test]
    fn the_next_connection_may_wait_for_a_key_picture() {
        let slow_keys = after(400, 50, 160);
        slow_keys.begin();
        assert_eq!(slow_keys.limit(), Some(Duration::from_secs(10)));
        let quick_keys = after(400, 50, 20);
        quick_keys.begin();
        assert_eq!(quick_keys.limit(), Some(LEAST));
        // What it was before counts at once.
        quick_keys.picture(Mono(90_000_000_000), true);
        assert_eq!(quick_keys.limit(), Some(LEAST));
    }
}
