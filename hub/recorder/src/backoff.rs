//! How long to wait before a camera is tried again.

use std::time::Duration;

use media::EndReason;

/// First wait after a failure.
const FIRST: Duration = Duration::from_millis(500);
/// Longest wait: a camera that returns is recorded again within 5 s.
const LONGEST: Duration = Duration::from_secs(3);
/// Wait after a refused password: cameras lock accounts after a handful of wrong ones.
const UNAUTHORISED: Duration = Duration::from_secs(60);
/// Wait after a stream that cannot be recorded: only its settings help.
const UNSUPPORTED: Duration = Duration::from_secs(30);

/// Doubling waits with jitter: cameras that were lost together do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The camera worked: begin anew.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self, reason: EndReason) -> Duration {
        let longest = match reason {
            EndReason::Unauthorised => return jitter(UNAUTHORISED),
            EndReason::Unsupported => return jitter(UNSUPPORTED),
            _ => LONGEST,
        };
        let wait = FIRST.saturating_mul(1 << self.failures.min(8)).min(longest);
        self.failures += 1;
        jitter(wait)
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
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..20).map(|_| backoff.next(EndReason::Unreachable)).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST.mul_f64(0.75));
        assert!(waits.iter().all(|w| *w <= LONGEST));
        assert!(waits[19] >= LONGEST.mul_f64(0.75));
        backoff.reset();
        assert!(backoff.next(EndReason::Closed) <= FIRST);
    }

    #[test]
    fn a_refused_password_is_tried_slowly() {
        let mut backoff = Backoff::default();
        assert!(backoff.next(EndReason::Unauthorised) >= UNAUTHORISED.mul_f64(0.75));
    }
}
