//! From a connection's media time to the hub's clocks.
//!
//! A camera's clock is right to some 50 millionths: 3 ms a minute, 4 s a day. Arrival at the hub is right on average and
//! late by the network's mood. So each segment's start follows the media time, corrected by a few milliseconds towards
//! the earliest arrivals of the segment before.

use std::time::Duration;

use base::{Clock, Mono, Timestamp};

/// Correction per segment at most.
const SLEW_NS: i128 = 5_000_000;
/// A larger difference is no drift: media time jumped, or its start was a poor guess.
const STEP_NS: i128 = 1_000_000_000;

/// Where a connection's media time 0 lies in monotonic time.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    zero_ns: i128,
    /// Where it would lie by the earliest arrival since the last segment began.
    seen_ns: Option<i128>,
}

impl Timeline {
    pub(crate) fn new(started: Mono) -> Self {
        Self { zero_ns: i128::from(started.0), seen_ns: None }
    }

    /// A picture of this media time arrived.
    pub(crate) fn arrived(&mut self, media_90k: i64, at: Mono) {
        let zero = i128::from(at.0) - media_ns(media_90k);
        self.seen_ns = Some(self.seen_ns.map_or(zero, |seen| seen.min(zero)));
    }

    /// A segment begins: the one place where the estimate may move.
    pub(crate) fn correct(&mut self) {
        if let Some(seen) = self.seen_ns.take() {
            let late = seen - self.zero_ns;
            self.zero_ns += if late.abs() > STEP_NS { late } else { late.clamp(-SLEW_NS, SLEW_NS) };
        }
    }

    /// Monotonic time of a media time.
    pub(crate) fn mono(&self, media_90k: i64) -> Mono {
        Mono((self.zero_ns + media_ns(media_90k)).clamp(0, i128::from(u64::MAX)) as u64)
    }

    /// Wall-clock time of a media time, as the clock sees it now, in whole milliseconds.
    pub(crate) fn wall(&self, media_90k: i64, clock: &dyn Clock) -> Timestamp {
        let (wall, now, then) = (clock.wall(), clock.mono(), self.mono(media_90k));
        let at = if then > now { wall.saturating_add(then.since(now)) } else { wall.saturating_sub(now.since(then)) };
        whole_ms(at.unwrap_or(wall))
    }
}

/// A time later than `start` by some media time, in whole milliseconds.
pub(crate) fn after(start: Timestamp, media_90k: i64) -> Timestamp {
    let length = Duration::from_nanos(media_ns(media_90k).clamp(0, i128::from(i64::MAX)) as u64);
    whole_ms(start.saturating_add(length).unwrap_or(start))
}

fn whole_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn media_ns(media_90k: i64) -> i128 {
    i128::from(media_90k) * 1_000_000_000 / 90_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;

    const MINUTE: i64 = 60 * 90_000;

    #[test]
    fn a_drifting_camera_is_followed_a_few_milliseconds_at_a_time() {
        let mut line = Timeline::new(Mono(1_000_000_000));
        for minute in 0..10 {
            // 3 ms late per minute, and a jitter that only ever delays
            for (picture, jitter_ms) in [(0, 40), (1, 0), (2, 300)] {
                let media = minute * MINUTE + picture * 4_500;
                line.arrived(media, line_true(media, minute) + Duration::from_millis(jitter_ms));
            }
            line.correct();
            let off = line.mono(minute * MINUTE).0.abs_diff(line_true(minute * MINUTE, minute).0);
            assert!(off <= 1_000_000, "minute {minute}: {off} ns");
        }
    }

    fn line_true(media_90k: i64, minute: i64) -> Mono {
        Mono((1_000_000_000 + media_ns(media_90k) + i128::from(minute) * 3_000_000) as u64)
    }

    #[test]
    fn a_poor_first_guess_is_replaced_at_once() {
        let mut line = Timeline::new(Mono(0));
        line.arrived(0, Mono(3_600_000_000_000));
        line.correct();
        assert_eq!(line.mono(90_000), Mono(3_601_000_000_000));
    }

    #[test]
    fn wall_time_is_the_clocks_for_the_same_instant() {
        let clock = SimClock::default();
        let line = Timeline::new(clock.mono());
        let started = clock.wall();
        clock.advance(Duration::from_secs(7));
        assert_eq!(line.wall(2 * 90_000, &clock), started + Duration::from_secs(2));
        assert_eq!(line.wall(9 * 90_000, &clock), started + Duration::from_secs(9));
        assert_eq!(after(started, 45), started); // half a millisecond is none
    }
}
