//! Whether the disk keeps up: how long pictures waited until they were surely on it (promise 4), camera by camera.
//!
//! Slow: several syncs of a minute were late, or one was very late, or one that is due for long does not end. It is slow
//! until a minute has passed without a late one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::{CameraId, Mono};
use footage::Kept;

/// Promise 4.
pub(crate) const PROMISED: Duration = Duration::from_secs(2);
/// One sync that takes longer is enough.
const VERY_LATE: Duration = Duration::from_secs(5);
/// So many late ones are enough.
const LATE_ONES: usize = 3;
/// They count for so long.
const WINDOW: Duration = Duration::from_secs(60);
/// No more of them are kept of a camera: there is one a second.
const MOST: usize = 64;

/// Of every camera. Lock order: a leaf.
#[derive(Default)]
pub(crate) struct Paces(Mutex<HashMap<CameraId, Pace>>);

impl Paces {
    /// Takes note of what the writer reports. `pictures`: how many have arrived of that camera.
    pub(crate) fn kept(&self, kept: &Kept, pictures: u64, now: Mono) {
        match kept {
            Kept::Opened(segment) => self.lock().entry(segment.camera).or_default().opened(pictures, now),
            Kept::Synced { camera, waited, .. } => {
                self.lock().entry(*camera).or_default().synced(*waited, pictures, now)
            }
            Kept::Closed(segment) => self.lock().entry(segment.camera).or_default().since = None,
            Kept::Dropped { .. } | Kept::Failed { .. } => {}
        }
    }

    /// What a power cut would take of a camera, if that is more than was promised.
    pub(crate) fn bound(&self, camera: CameraId, pictures: u64, now: Mono) -> Option<Duration> {
        self.lock().get_mut(&camera)?.bound(pictures, now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CameraId, Pace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Pace {
    /// When late ones ended, and how long their oldest picture had waited.
    late: VecDeque<(Mono, Duration)>,
    slow: bool,
    /// A segment is being written: since when nothing of it was synced, and how many pictures had arrived then.
    since: Option<(Mono, u64)>,
}

impl Pace {
    fn opened(&mut self, pictures: u64, now: Mono) {
        self.since.get_or_insert((now, pictures));
    }

    fn synced(&mut self, waited: Duration, pictures: u64, now: Mono) {
        self.since = Some((now, pictures));
        if waited <= PROMISED {
            return;
        }
        self.forget(now);
        if self.late.len() == MOST {
            self.late.pop_front();
        }
        self.late.push_back((now, waited));
        self.slow |= self.late.len() >= LATE_ONES || waited > VERY_LATE;
    }

    fn bound(&mut self, pictures: u64, now: Mono) -> Option<Duration> {
        self.forget(now);
        // A camera that sends nothing has nothing to be synced.
        let hangs = self.since.filter(|(_, had)| pictures > *had).map(|(since, _)| now.since(since));
        let hangs = hangs.filter(|lasts| *lasts > VERY_LATE);
        self.slow |= hangs.is_some();
        let worst = self.late.iter().map(|(_, waited)| *waited).chain(hangs).max();
        self.slow &= worst.is_some();
        worst.filter(|_| self.slow)
    }

    fn forget(&mut self, now: Mono) {
        while self.late.front().is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            self.late.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    /// Syncs once a second, each of which took so long; answers the bound after the last.
    fn after(pace: &mut Pace, now: &mut Mono, waits_ms: &[u64]) -> Option<Duration> {
        for wait in waits_ms {
            *now = *now + S;
            pace.synced(Duration::from_millis(*wait), now.0, *now);
        }
        pace.bound(now.0, *now)
    }

    #[test]
    fn several_late_syncs_of_a_minute_are_a_slow_disk_and_a_minute_without_ends_it() {
        let (mut pace, mut now) = (Pace::default(), Mono(0));
        assert_eq!(after(&mut pace, &mut now, &[900, 1_900, 2_000]), None, "within what was promised");
        assert_eq!(after(&mut pace, &mut now, &[2_500, 900, 3_000]), None, "twice is chance");
        assert_eq!(after(&mut pace, &mut now, &[2_200]), Some(3 * S));
        assert_eq!(after(&mut pace, &mut now, &[900; 59]), Some(Duration::from_millis(2_200)), "as measured, still");
        assert_eq!(after(&mut pace, &mut now, &[900; 2]), None);
        assert_eq!(after(&mut pace, &mut now, &[2_200, 2_200]), None, "it begins anew");
    }

    #[test]
    fn late_syncs_far_apart_are_chance() {
        let (mut pace, mut now) = (Pace::default(), Mono(0));
        for _ in 0..20 {
            assert_eq!(after(&mut pace, &mut now, &[4_000]), None);
            after(&mut pace, &mut now, &[900; 31]);
        }
    }

    #[test]
    fn one_very_late_sync_and_one_that_does_not_end_are_enough() {
        let (mut pace, mut now) = (Pace::default(), Mono(0));
        assert_eq!(after(&mut pace, &mut now, &[9_000]), Some(9 * S));

        let mut pace = Pace::default();
        pace.opened(100, now);
        assert_eq!(pace.bound(160, now + 4 * S), None);
        assert_eq!(pace.bound(300, now + 12 * S), Some(12 * S));
        let ended = now + 13 * S;
        pace.synced(13 * S, 320, ended);
        assert_eq!(pace.bound(340, ended + S), Some(13 * S));
        assert_eq!(pace.bound(320, ended + 61 * S), None);
    }

    #[test]
    fn a_camera_that_sends_nothing_makes_no_disk_slow() {
        let mut pace = Pace::default();
        pace.opened(100, Mono(0));
        assert_eq!(pace.bound(100, Mono(0) + 60 * S), None);
    }
}
