//! Elements of GStreamer that do the same, of which one is taken: each is tried and measured before it is believed, and one
//! that fails later is kept away for a while. Decoders are chosen so, and encoders.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

use crate::Mono;

/// How long one that failed is kept away, and at most when it has failed often.
pub const FIRST_WAIT: Duration = Duration::from_secs(600);
/// See [`FIRST_WAIT`].
pub const LONGEST_WAIT: Duration = Duration::from_secs(6 * 3_600);

/// What an element took for a known film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Pictures a second, one after the other.
    pub pictures_per_second: u32,
    /// Time of the processor for a picture.
    pub processor: Duration,
}

impl Measured {
    /// From so many pictures, the time that passed, and the processor's.
    pub fn of(pictures: u32, wall: Duration, processor: Duration) -> Self {
        let per_second = f64::from(pictures) / wall.as_secs_f64().max(1e-6);
        Self { pictures_per_second: per_second as u32, processor: processor / pictures.max(1) }
    }

    /// The smallest is the best: of those that make `enough` pictures a second the one that takes the least of the processor;
    /// where none does, the quickest.
    pub fn cost(&self, enough: u32) -> impl Ord + Copy + use<> {
        match self.pictures_per_second >= enough {
            true => (0, self.processor),
            false => (1, Duration::from_secs(1) / self.pictures_per_second.max(1)),
        }
    }

    /// How it did, for a person.
    pub fn said(&self, enough: u32) -> String {
        match self.pictures_per_second >= enough {
            true => format!("{:.1} ms of the processor a picture", self.processor.as_secs_f64() * 1_000.0),
            false => format!("too slow, {} pictures a second", self.pictures_per_second),
        }
    }
}

/// What failed, each for how long it is kept away: longer each time.
#[derive(Debug, Clone)]
pub struct Away<K>(Vec<Failed<K>>);

#[derive(Debug, Clone)]
struct Failed<K> {
    what: K,
    how: String,
    until: Mono,
    wait: Duration,
}

impl<K> Default for Away<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq> Away<K> {
    /// How it failed, while it is kept away for that.
    pub fn how(&self, is: impl Fn(&K) -> bool, now: Mono) -> Option<&str> {
        self.0.iter().find(|failed| is(&failed.what) && now < failed.until).map(|failed| failed.how.as_str())
    }

    /// It failed. One that did well for longer than it was kept away begins anew.
    pub fn fails(&mut self, what: K, how: &str, now: Mono) {
        self.fails_after(what, how, now, now);
    }

    /// The same, of an attempt that began then: one that takes long to fail did not do well meanwhile.
    pub fn fails_after(&mut self, what: K, how: &str, began: Mono, now: Mono) {
        match self.0.iter_mut().find(|failed| failed.what == what) {
            Some(failed) => {
                let did_well = began > failed.until + failed.wait;
                failed.wait = if did_well { FIRST_WAIT } else { (failed.wait * 2).min(LONGEST_WAIT) };
                (failed.until, failed.how) = (now + failed.wait, how.to_owned());
            }
            None => self.0.push(Failed { what, how: how.to_owned(), until: now + FIRST_WAIT, wait: FIRST_WAIT }),
        }
    }
}

/// Of this process, in all its threads.
pub fn processor_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|t| Duration::from_micros(u64::try_from(t.tv_sec() * 1_000_000 + t.tv_usec()).unwrap_or_default()))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quick_enough_counts_by_what_it_takes_and_what_is_not_by_how_quick_it_is() {
        let of = |pictures_per_second, us| Measured { pictures_per_second, processor: Duration::from_micros(us) };
        let mut all = [of(20, 10), of(900, 1_100), of(30, 10), of(80, 200)];
        all.sort_by_key(|measured| measured.cost(80));
        assert_eq!(all, [of(80, 200), of(900, 1_100), of(30, 10), of(20, 10)]);
        assert_eq!(of(900, 1_149).said(80), "1.1 ms of the processor a picture");
        assert_eq!(of(20, 10).said(80), "too slow, 20 pictures a second");
        assert_eq!(Measured::of(30, Duration::from_millis(500), Duration::from_millis(60)), of(60, 2_000));
    }

    #[test]
    fn what_fails_again_is_kept_away_longer_and_what_did_well_for_long_is_not() {
        let (mut away, mut now) = (Away::default(), Mono(1));
        for wait in [600, 1_200, 2_400, 4_800, 9_600, 19_200, 21_600, 21_600] {
            assert_eq!(away.how(|what| *what == "hard", now), None);
            away.fails("hard", "it hung", now);
            assert_eq!(away.how(|what| *what == "hard", now), Some("it hung"));
            assert_eq!(away.how(|what| *what == "soft", now), None);
            let until = now + Duration::from_secs(wait);
            assert_eq!(away.how(|what| *what == "hard", Mono(until.0 - 1)), Some("it hung"));
            now = until;
        }
        // What takes long until it fails is kept away as long.
        let (mut away, mut now) = (Away::default(), Mono(1));
        for wait in [600, 1_200, 2_400, 4_800] {
            let began = now;
            now = now + Duration::from_secs(3_000);
            away.fails_after("slow", "it hung", began, now);
            assert!(away.how(|_| true, Mono((now + Duration::from_secs(wait)).0 - 1)).is_some(), "{wait}");
            now = now + Duration::from_secs(wait);
            assert!(away.how(|_| true, now).is_none(), "{wait}");
        }
        let later = now + LONGEST_WAIT * 2;
        away.fails("hard", "it hung", later);
        assert_eq!(away.how(|what| *what == "hard", later + FIRST_WAIT), None);
    }
}
