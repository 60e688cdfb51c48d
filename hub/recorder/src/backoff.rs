//! How long to wait before a camera is tried again. The table is in `docs/camera-life.md`.

use std::time::Duration;

use media::EndReason;

/// First wait after a failure; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(250);
/// Longest wait for a camera that may be back at any time: it is to be recorded again within 5 s, of which its next key
/// picture takes some.
const LONGEST: Duration = Duration::from_secs(2);
/// Longest wait for a camera that answers, and never has been recorded: somebody must change something.
const NEVER_WORKED: Duration = Duration::from_secs(30);
/// Waits after a password is refused that the camera took before: it may only be starting. Cameras lock accounts after
/// five wrong passwords or more; with the one that was refused first these are four.
const REFUSED_SUDDENLY: [Duration; 3] =
    [Duration::from_millis(1_500), Duration::from_millis(2_500), Duration::from_millis(3_000)];
/// First and longest wait after a refused password. Mending it in the app is a try at once.
const REFUSED: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(300)];

/// Doubling waits with jitter: cameras that were lost together do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    refused: u32,
    worked: bool,
}

impl Backoff {
    /// For a camera that has (or has not) been recorded before.
    pub(crate) fn new(worked: bool) -> Self {
        Self { worked, ..Self::default() }
    }

    /// Pictures came: address and password are right.
    pub(crate) fn worked(&mut self) {
        self.worked = true;
        self.refused = 0;
    }

    /// Pictures came for a while: begin anew.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self, reason: EndReason) -> Duration {
        if reason == EndReason::Unauthorised {
            return jitter(self.after_a_refusal());
        }
        let longest = match reason {
            EndReason::Unreachable => LONGEST,
            _ if self.worked => LONGEST,
            EndReason::Unsupported
            | EndReason::NoTransport
            | EndReason::Beyond
            | EndReason::Untrusted
            | EndReason::Missing => return jitter(NEVER_WORKED),
            _ => NEVER_WORKED,
        };
        let wait = FIRST.saturating_mul(1 << self.failures.min(8)).min(longest);
        self.failures += 1;
        jitter(wait)
    }

    fn after_a_refusal(&mut self) -> Duration {
        let quick = if self.worked { &REFUSED_SUDDENLY[..] } else { &[] };
        let n = self.refused as usize;
        self.refused = self.refused.saturating_add(1);
        match quick.get(n) {
            Some(wait) => *wait,
            None => REFUSED[0].saturating_mul(1 << (n - quick.len()).min(8)).min(REFUSED[1]),
        }
    }
}

/// Between three quarters of the wait and all of it.
fn jitter(wait: Duration) -> Duration {
    let mut random = [0u8; 2];
    base::random(&mut random);
    wait.mul_f64(0.75 + 0.25 * f64::from(u16::from_be_bytes(random)) / 65_536.0)
}

#[cfg(test)]
mod tests {
    use base::{Clock, SimClock};

    use super::*;

    /// How often a camera that always ends so is tried in a span.
    fn tries(mut backoff: Backoff, reason: EndReason, span: Duration) -> usize {
        let clock = SimClock::default();
        let began = clock.mono();
        let mut tries = 0;
        while clock.mono().since(began) < span {
            tries += 1;
            clock.advance(backoff.next(reason));
        }
        tries
    }
    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..20).map(|_| backoff.next(EndReason::Unreachable)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits.iter().all(|w| *w <= LONGEST));
        assert!(waits[19] >= LONGEST.mul_f64(0.75));
        backoff.worked();
        backoff.reset();
        assert!(backoff.next(EndReason::Closed) <= FIRST);
    }

    #[test]
    fn a_camera_that_was_recorded_is_never_waited_for_longer_than_two_seconds() {
        for reason in [EndReason::Unreachable, EndReason::Closed, EndReason::Broken, EndReason::Unsupported] {
            let mut backoff = Backoff::new(true);
            assert!((0..10_000).all(|_| backoff.next(reason) <= LONGEST), "{reason:?}");
        }
    }

    #[test]
    fn a_camera_that_never_could_be_recorded_is_tried_slowly_but_one_that_is_away_is_not() {
        assert!(tries(Backoff::default(), EndReason::Unsupported, HOUR) <= 160);
        assert!(tries(Backoff::default(), EndReason::Broken, HOUR) <= 170);
        assert!(tries(Backoff::default(), EndReason::Unreachable, HOUR) >= 1_800);
    }

    #[test]
    fn a_refused_password_is_tried_25_times_an_hour_at_most_and_four_times_in_the_first_half_minute() {
        for worked in [false, true] {
            for _ in 0..100 {
                assert!(tries(Backoff::new(worked), EndReason::Unauthorised, HOUR) <= 25);
                assert!(tries(Backoff::new(worked), EndReason::Unauthorised, HOUR / 120) <= if worked { 4 } else { 1 });
            }
        }
    }

    #[test]
    fn a_refusal_of_a_few_seconds_is_followed_by_a_try_within_four() {
        for _ in 0..1_000 {
            let mut backoff = Backoff::new(true);
            let waits: Vec<_> = (0..3).map(|_| backoff.next(EndReason::Unauthorised)).collect();
            assert!(waits.iter().all(|wait| *wait < Duration::from_secs(4)));
            assert!(waits.iter().sum::<Duration>() > Duration::from_secs(5), "refusals of 5 s and less are covered");
            // Once it works again, so is the next one; without that the next wait is long.
            assert!(backoff.next(EndReason::Unauthorised) >= REFUSED[0].mul_f64(0.75));
            backoff.worked();
            assert!(backoff.next(EndReason::Unauthorised) <= REFUSED_SUDDENLY[0]);
        }
    }
}
