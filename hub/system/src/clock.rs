//! The hub's clock: the machine's own, unless that is obviously wrong and nobody put it right.
//!
//! A board without a battery wakes up in the past. Recording does not wait for the time: it goes on from the latest time
//! that was known (`unset`), and what it dated is put right when a time server or an owner's phone has told the time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::clock::{BUILT, Sleep};
use base::state::{Health, Reason};
use base::{Clock, Mono, Problem, ProblemKind, SharedClock, TimeSource, Timestamp};
use jiff::SignedDuration;

/// 2025-01-01T00:00:00Z. No hub ran before; a clock that shows an earlier time was never set.
const FIRST: i64 = 1_735_689_600;
/// A battery-backed clock may be a little behind the last known time and still be believed.
const BEHIND: Duration = Duration::from_secs(60);
/// How much later than the last known time a hub without a clock guesses that it is: so late may it have been when the
/// last hub stopped. No two of them date anything the same.
const AHEAD: Duration = Duration::from_secs(60);

/// A clock that never shows what cannot be.
pub struct HubClock {
    machine: SharedClock,
    known: Mutex<Known>,
}

struct Known {
    /// It was at least this late at this instant.
    latest: Timestamp,
    at: Mono,
    /// An owner's device told that it was this time at this instant.
    told: Option<(Timestamp, Mono)>,
}

impl HubClock {
    /// Over the machine's clock.
    pub fn new(machine: SharedClock) -> Self {
        let latest = Timestamp::from_second(FIRST).unwrap_or_default();
        let known = Mutex::new(Known { latest, at: machine.mono(), told: None });
        Self { machine, known }
    }

    /// It was this late before: a clock that shows an earlier time is not believed.
    pub fn not_before(&self, latest: Timestamp) {
        let now = self.machine.mono();
        let mut known = self.lock();
        if latest > since(known.latest, known.at, now) {
            (known.latest, known.at) = (latest, now);
        }
    }

    /// A phone tells the time: an owner's, or any while nobody owns the hub.
    ///
    /// # Errors
    /// [`ProblemKind::TimeKnown`] if a time server told it, [`ProblemKind::BadTime`] if this program was built later.
    pub fn tell(&self, time: Timestamp) -> Result<(), Problem> {
        if self.machine.source() == TimeSource::Ntp {
            return Err(ProblemKind::TimeKnown.into());
        }
        if time.as_second() < BUILT {
            return Err(ProblemKind::BadTime.into());
        }
        self.lock().told = Some((time, self.machine.mono()));
        Ok(())
    }

    /// Whether the time is known.
    pub fn health(&self) -> Health {
        match self.source() {
            TimeSource::Unset => {
                let detail = Problem::from(ProblemKind::NoTrueTime).to_string();
                Health::Degraded { reason: Reason::NoTrueTime, detail }
            }
            _ => Health::Ok,
        }
    }

    fn now(&self) -> (Timestamp, TimeSource) {
        let (wall, mono, source) = (self.machine.wall(), self.machine.mono(), self.machine.source());
        if source == TimeSource::Ntp {
            return (wall, source);
        }
        let known = self.lock();
        if let Some((told, at)) = known.told {
            return (since(told, at, mono), TimeSource::Phone);
        }
        let latest = since(known.latest, known.at, mono);
        let behind = SignedDuration::try_from(BEHIND).unwrap_or_default();
        if latest.duration_since(wall) > behind {
            return (latest.saturating_add(AHEAD).unwrap_or(latest), TimeSource::Unset);
        }
        (wall, source)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time as it is later.
fn since(time: Timestamp, at: Mono, now: Mono) -> Timestamp {
    time.saturating_add(now.since(at)).unwrap_or(time)
}

impl Clock for HubClock {
    fn wall(&self) -> Timestamp {
        self.now().0
    }
    fn mono(&self) -> Mono {
        self.machine.mono()
    }
    fn source(&self) -> TimeSource {
        self.now().1
    }
    fn sleep_until(&self, at: Mono) -> Sleep {
        self.machine.sleep_until(at)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base::SimClock;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hub(wall: &str, source: TimeSource) -> (SimClock, HubClock) {
        let sim = SimClock::default();
        sim.step_wall(at(wall), source);
        (sim.clone(), HubClock::new(Arc::new(sim)))
    }

    fn reason(clock: &HubClock) -> Option<Reason> {
        match clock.health() {
            Health::Degraded { reason, .. } => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn a_clock_that_was_never_set_goes_on_from_the_last_known_time_and_says_so() {
        let (sim, clock) = hub("1970-01-01T00:00:10Z", TimeSource::Rtc);
        assert_eq!((clock.source(), reason(&clock)), (TimeSource::Unset, Some(Reason::NoTrueTime)));
        assert!(clock.wall() >= at("2025-01-01T00:00:00Z"), "nothing is known but when hubs began");
        clock.not_before(at("2026-05-01T12:00:00Z"));
        let guess = clock.wall();
        assert!(guess >= at("2026-05-01T12:00:00Z"));
        sim.advance(DAY);
        assert_eq!(clock.wall(), guess + DAY, "it goes on");
        clock.not_before(at("2026-04-01T12:00:00Z"));
        assert_eq!(clock.wall(), guess + DAY, "it never goes back");
        sim.step_wall(at("2026-06-11T08:00:00Z"), TimeSource::Ntp);
        assert_eq!((clock.wall(), clock.source()), (at("2026-06-11T08:00:00Z"), TimeSource::Ntp));
        assert_eq!(reason(&clock), None);
    }

    #[test]
    fn a_battery_backed_clock_is_believed_unless_it_is_behind_what_was_known() {
        let (sim, clock) = hub("2026-05-01T12:00:00Z", TimeSource::Rtc);
        clock.not_before(at("2026-05-01T12:00:30Z"));
        assert_eq!((clock.wall(), clock.source()), (at("2026-05-01T12:00:00Z"), TimeSource::Rtc));
        sim.advance(DAY);
        assert_eq!((clock.wall(), clock.source()), (at("2026-05-02T12:00:00Z"), TimeSource::Rtc), "for ever");
        clock.not_before(at("2026-05-02T12:05:00Z"));
        assert_eq!(clock.source(), TimeSource::Unset);
        // Somebody sets the machine's clock by hand.
        sim.step_wall(at("2026-05-03T00:00:00Z"), TimeSource::Rtc);
        assert_eq!((clock.wall(), clock.source()), (at("2026-05-03T00:00:00Z"), TimeSource::Rtc));
    }

    #[test]
    fn an_owners_phone_tells_the_time_until_a_time_server_does() {
        let (sim, clock) = hub("2030-01-01T00:00:00Z", TimeSource::Rtc);
        let early = clock.tell(at("1999-01-01T00:00:00Z")).unwrap_err();
        assert_eq!(early.kind, ProblemKind::BadTime);
        clock.tell(at("2026-05-01T12:00:00Z")).unwrap();
        sim.advance(DAY);
        assert_eq!((clock.wall(), clock.source()), (at("2026-05-02T12:00:00Z"), TimeSource::Phone));
        assert_eq!(reason(&clock), None);
        sim.step_wall(at("2026-05-02T12:00:01Z"), TimeSource::Ntp);
        assert_eq!((clock.wall(), clock.source()), (at("2026-05-02T12:00:01Z"), TimeSource::Ntp));
        assert_eq!(clock.tell(at("2026-05-02T12:00:00Z")).unwrap_err().kind, ProblemKind::TimeKnown);
    }

    #[test]
    fn what_a_time_server_says_is_believed_though_it_be_earlier_than_what_was_known() {
        let (_sim, clock) = hub("2026-05-01T12:00:00Z", TimeSource::Ntp);
        clock.not_before(at("2031-05-01T12:00:00Z"));
        assert_eq!((clock.wall(), clock.source()), (at("2026-05-01T12:00:00Z"), TimeSource::Ntp));
    }
}
