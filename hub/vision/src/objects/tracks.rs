//! What a detector sees, from look to look: what of it is news. Pure.
//!
//! A detector sees whatever is in the part of a picture that it is shown, moving or not: a car that has been parked there since
//! yesterday as well as who walks past it. What counts is what *is not where it was*: something that was somewhere else before, or
//! that covers what moves and was not there when somebody last looked.

use std::time::Duration;

use super::Seen;
use super::heads::{common, shared};
use crate::motion::Bounds;

/// So much of their area have two boxes of one thing in common, from look to look.
const SAME: f32 = 0.3;
/// And so much of one that is where it was, while a detector's boxes waver.
const THERE: f32 = 0.6;
/// And so much of one that stands still from one look to the next: who walks does not.
const STILL: f32 = 0.8;
/// So much of a thing is in what moves, if it is what moves.
const MOVES: f32 = 0.5;
/// Looked at so often without it, it is gone.
const MISSED: u32 = 3;
/// What stands still is known for so long after it was last seen.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);
/// What goes on without a hole longer than this is the same movement, as it is the same event. What moved is forgotten after that:
/// who comes the same way later is somebody else.
const ONE_EVENT: Duration = Duration::from_secs(10);
/// Most things that are known of.
const MAX_TRACKS: usize = 64;

/// Things at one camera.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    known: Vec<Track>,
}

#[derive(Debug)]
struct Track {
    label: usize,
    /// Where it is now, and where it has been since it was last told to be elsewhere.
    now: Bounds,
    stood: Bounds,
    /// It was in the same place at the last two looks.
    still: bool,
    last: Duration,
    /// It was told of, and moves since.
    told: Option<Duration>,
    /// Looks that should have shown it, and did not.
    missed: u32,
}

impl Tracks {
    /// The labels that count of what a look shows: each that moves. `shown`: the part of the picture that was looked at, `moving`:
    /// what moves in it.
    pub fn see(&mut self, seen: &[Seen], shown: &Bounds, moving: &Bounds, at: Duration) -> Vec<usize> {
        self.known.retain(|track| at.saturating_sub(track.last) <= if track.still { REMEMBERED } else { ONE_EVENT });
        let mut found = vec![false; self.known.len()];
        let mut counts = Vec::new();
        for seen in seen {
            let candidates = self.known.iter().enumerate().filter(|(n, track)| !found[*n] && track.label == seen.label);
            let likeness = |(n, track): (usize, &Track)| (n, shared(&track.now, &seen.bounds));
            let best = candidates.map(likeness).max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, part)| *part >= SAME);
            let area = seen.bounds.width * seen.bounds.height;
            let is_what_moves = area > 0.0 && common(&seen.bounds, moving) / area >= MOVES;
            let news = match best {
                Some((n, _)) => {
                    found[n] = true;
                    let track = &mut self.known[n];
                    let stands = shared(&track.stood, &seen.bounds) >= THERE;
                    track.still = shared(&track.now, &seen.bounds) >= STILL;
                    let goes_on = track.told.is_some_and(|told| at.saturating_sub(told) <= ONE_EVENT);
                    (track.now, track.last, track.missed) = (seen.bounds, at, 0);
                    if !stands {
                        // From here on it stands here, until it is somewhere else again.
                        track.stood = seen.bounds;
                    }
                    let news = (!stands || goes_on) && is_what_moves;
                    if news && !stands {
                        track.told = Some(at);
                    }
                    news
                }
                None => {
                    let told = is_what_moves.then_some(at);
                    found.push(true);
                    let (now, label) = (seen.bounds, seen.label);
                    self.known.push(Track { label, now, stood: now, still: false, last: at, told, missed: 0 });
                    is_what_moves
                }
            };
            if news && !counts.contains(&seen.label) {
                counts.push(seen.label);
            }
        }
        // What should be there, and is not, has gone.
        let mut found = found.into_iter();
        self.known.retain_mut(|track| {
            let area = track.now.width * track.now.height;
            let was_shown = area > 0.0 && common(&track.now, shown) / area > 0.9;
            if !found.next().unwrap_or(true) && was_shown {
                track.missed += 1;
            }
            track.missed < MISSED
        });
        if self.known.len() > MAX_TRACKS {
            self.known.sort_by_key(|track| std::cmp::Reverse(track.last));
            self.known.truncate(MAX_TRACKS);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: usize = 0;
    const CAR: usize = 1;
    const WHOLE: Bounds = Bounds { left: 0.0, top: 0.0, width: 1.0, height: 1.0 };

    fn at(left: f32, width: f32) -> Bounds {
        Bounds { left, top: 0.4, width, height: 0.3 }
    }

    fn seen(label: usize, bounds: Bounds) -> Seen {
        Seen { label, score: 0.8, bounds }
    }

    fn second(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn who_walks_past_a_parked_car_is_a_person_and_no_car() {
        let mut tracks = Tracks::default();
        let car = at(0.4, 0.3);
        for s in 0..20 {
            let walker = at(0.05 * s as f32, 0.06);
            let counts = tracks.see(&[seen(CAR, car), seen(PERSON, walker)], &WHOLE, &walker, second(s));
            assert_eq!(counts, [PERSON], "at {s} s");
        }
        // An hour later headlights go over it, and what moves is all of it.
        assert!(tracks.see(&[seen(CAR, car)], &WHOLE, &car, second(4_000)).is_empty(), "parked");
        // It drives off.
        let mut counted = Vec::new();
        for s in 0..4 {
            let car = at(0.4 + 0.06 * s as f32, 0.3);
            counted.extend(tracks.see(&[seen(CAR, car)], &WHOLE, &car, second(5_000 + s)));
        }
        assert!(!counted.is_empty() && counted.iter().all(|label| *label == CAR), "{counted:?}");
    }

    #[test]
    fn who_stands_still_for_a_moment_goes_on_counting_and_a_car_that_parks_is_silent_from_then_on() {
        let mut tracks = Tracks::default();
        let mut counts =
            |label, bounds: Bounds, s| !tracks.see(&[seen(label, bounds)], &WHOLE, &bounds, second(s)).is_empty();
        assert!(counts(PERSON, at(0.1, 0.1), 0) && counts(PERSON, at(0.15, 0.1), 1));
        assert!(counts(PERSON, at(0.16, 0.1), 8), "waits at the door");
        for s in 20..30 {
            assert!(counts(CAR, at(0.9 - 0.03 * (s - 20) as f32, 0.3), s), "comes, {s} s");
        }
        assert!(!counts(CAR, at(0.62, 0.3), 60), "parked");
    }

    #[test]
    fn what_is_gone_is_news_when_it_comes_again() {
        let mut tracks = Tracks::default();
        let car = at(0.4, 0.3);
        for s in 0..2 {
            assert_eq!(tracks.see(&[seen(CAR, car)], &WHOLE, &car, second(s)), [CAR]);
        }
        for s in 100..103 {
            let elsewhere = at(0.0, 0.1);
            assert!(tracks.see(&[], &WHOLE, &elsewhere, second(s)).is_empty());
        }
        for s in 200..202 {
            assert_eq!(tracks.see(&[seen(CAR, car)], &WHOLE, &car, second(s)), [CAR]);
        }
        // Where nobody looked it is as it was.
        for s in 300..310 {
            tracks.see(&[], &at(0.0, 0.2), &at(0.0, 0.1), second(s));
        }
        assert!(tracks.see(&[seen(CAR, car)], &WHOLE, &car, second(400)).is_empty());
    }

    #[test]
    fn who_goes_the_same_way_an_hour_later_is_somebody_else() {
        let mut tracks = Tracks::default();
        for hour in 0..3 {
            for s in 0..12 {
                // Only what is around the walker is looked at.
                let walker = at(0.08 * s as f32, 0.06);
                let around = at(0.08 * s as f32, 0.1);
                let counts = tracks.see(&[seen(PERSON, walker)], &around, &walker, second(3_600 * hour + s));
                assert_eq!(counts, [PERSON], "hour {hour}, {s} s");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_seen_little_is_remembered(
            looks in proptest::collection::vec(proptest::collection::vec((0usize..5, 0.0f32..1.0, 0.0f32..0.5), 0..40), 0..20),
        ) {
            let mut tracks = Tracks::default();
            for (n, look) in looks.iter().enumerate() {
                let all: Vec<_> = look.iter().map(|(label, left, width)| seen(*label, at(*left, *width))).collect();
                let counts = tracks.see(&all, &WHOLE, &WHOLE, second(n as u64));
                proptest::prop_assert!(counts.len() <= 5 && tracks.known.len() <= MAX_TRACKS);
            }
        }
    }
}
