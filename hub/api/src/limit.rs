//! Throttles for whatever takes a secret: claim and sign-in.
//!
//! Three layers, narrow ones first: one account from one network, one network, everybody. An attempt that a narrow
//! layer refuses costs the wider ones nothing, so that no device can use up what others need, and nobody can lock an
//! owner out from another place. An attempt that succeeds is given back. Nothing is ever locked, only slowed down.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::{Mono, ProblemKind, SharedClock};

use crate::problem::ApiError;
use crate::route::Peer;

/// How many attempts: `burst` at once, then one `every` so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Attempts that may come at once after a pause. At least one.
    pub burst: u32,
    /// How long until another one is allowed.
    pub every: Duration,
}

/// The rates of the three layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// For one account from one network.
    pub account: Rate,
    /// For one network, over all accounts.
    pub network: Rate,
    /// For everybody together.
    pub all: Rate,
}

impl Rates {
    /// For passwords. The last layer is what the hub's CPU can take: each attempt costs half a second of it.
    pub const SIGN_IN: Rates = Rates {
        account: Rate { burst: 5, every: Duration::from_secs(15) },
        network: Rate { burst: 60, every: Duration::from_secs(2) },
        all: Rate { burst: 120, every: Duration::from_millis(500) },
    };
    /// For claim tokens, and the time at the set-up page: 128 random bits, which nobody guesses; this only keeps the log and the CPU quiet.
    pub const CLAIM: Rates = Rates {
        account: Rate { burst: 10, every: Duration::from_secs(3) },
        network: Rate { burst: 10, every: Duration::from_secs(3) },
        all: Rate { burst: 120, every: Duration::from_millis(250) },
    };
}

/// The most accounts and networks that are remembered: about 400 kB.
const MAX_REMEMBERED: usize = 4096;

/// Counts attempts. Clones count together.
#[derive(Clone)]
pub struct Attempts {
    clock: SharedClock,
    rates: Rates,
    spent: Arc<Mutex<Spent>>,
}

/// For each key the time at which everything spent on it will have been regained ("generic cell rate algorithm").
#[derive(Default)]
struct Spent {
    by_key: HashMap<Key, Mono>,
    all: Mono,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Account(String, Option<IpAddr>),
    Network(Option<IpAddr>),
}

impl Attempts {
    /// For signing in.
    pub fn for_sign_in(clock: SharedClock) -> Self {
        Self::new(clock, Rates::SIGN_IN)
    }
    /// For the claim.
    pub fn for_claim(clock: SharedClock) -> Self {
        Self::new(clock, Rates::CLAIM)
    }
    /// With nothing spent yet.
    pub fn new(clock: SharedClock, rates: Rates) -> Self {
        Self { clock, rates, spent: Arc::default() }
    }

    /// Spends one attempt on an account (a name as it was typed, or a word for what has no name, such as the claim).
    ///
    /// # Errors
    /// [`ProblemKind::TooManyAttempts`] with `Retry-After`; nothing is spent then.
    pub fn begin(&self, account: &str, peer: Peer) -> Result<Attempt, ApiError> {
        let (now, network) = (self.clock.mono(), peer.network());
        // Whoever types a long name or another case means the same account.
        let account = account.trim().to_lowercase().chars().take(64).collect();
        let keys = [(Key::Account(account, network), self.rates.account), (Key::Network(network), self.rates.network)];
        let mut spent = self.spent();
        let mut checks = keys.iter().map(|(key, rate)| (spent.by_key.get(key).copied(), *rate));
        let all = (Some(spent.all), self.rates.all);
        let wait =
            checks.by_ref().chain([all]).map(|(until, rate)| wait(until, rate, now)).find(|wait| !wait.is_zero());
        if let Some(wait) = wait {
            return Err(ApiError::from(ProblemKind::TooManyAttempts).retry_after(wait));
        }
        for (key, rate) in &keys {
            spent.make_room(now);
            let until = spent.by_key.entry(key.clone()).or_insert(now);
            *until = (*until).max(now) + rate.every;
        }
        spent.all = spent.all.max(now) + self.rates.all.every;
        drop(spent);
        Ok(Attempt { attempts: self.clone(), keys })
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Spent {
    /// Forgets what has been regained; if all is still spent, what will be regained first.
    fn make_room(&mut self, now: Mono) {
        if self.by_key.len() < MAX_REMEMBERED {
            return;
        }
        self.by_key.retain(|_, until| *until > now);
        while self.by_key.len() >= MAX_REMEMBERED {
            let Some(first) = self.by_key.iter().min_by_key(|(_, until)| **until).map(|(key, _)| key.clone()) else {
                return;
            };
            self.by_key.remove(&first);
        }
    }
}

/// How long until a rate allows another one.
fn wait(until: Option<Mono>, rate: Rate, now: Mono) -> Duration {
    let spent = until.map_or(Duration::ZERO, |until| until.since(now));
    (spent + rate.every).saturating_sub(rate.every * rate.burst.max(1))
}

/// An attempt that was allowed. It stays spent unless it is said to have succeeded.
pub struct Attempt {
    attempts: Attempts,
    keys: [(Key, Rate); 2],
}

impl Attempt {
    /// The secret was right: the attempt is given back, and the account is as if nobody had tried.
    pub fn succeeded(self) {
        let mut spent = self.attempts.spent();
        for (key, rate) in &self.keys {
            match key {
                Key::Account(..) => drop(spent.by_key.remove(key)),
                Key::Network(_) => {
                    if let Some(until) = spent.by_key.get_mut(key) {
                        *until = *until - rate.every;
                    }
                }
            }
        }
        spent.all = spent.all - self.attempts.rates.all.every;
    }
}

/// The most addresses that are named together.
const MAX_NAMED: usize = 8;

/// Attempts that were refused since they were last written into the audit log: together, since whoever guesses makes many,
/// and without the names that were tried, since people type passwords there.
#[derive(Default)]
pub(crate) struct Refused(Mutex<(u64, BTreeSet<IpAddr>)>);

impl Refused {
    /// One more.
    pub(crate) fn count(&self, peer: Peer) {
        let mut refused = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        refused.0 += 1;
        if let Peer::Net(address) = peer
            && refused.1.len() < MAX_NAMED
        {
            refused.1.insert(address.ip().to_canonical());
        }
    }

    /// What there was, in words, once; `None` if there was nothing.
    pub(crate) fn take(&self) -> Option<String> {
        let (count, from) = std::mem::take(&mut *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        let from: Vec<_> = from.iter().map(ToString::to_string).collect();
        (count > 0).then(|| format!("{count} from {}", from.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;
    use http::header::RETRY_AFTER;

    fn attempts(account: u32, network: u32, all: u32) -> (Attempts, SimClock) {
        let clock = SimClock::default();
        let rate = |burst| Rate { burst, every: Duration::from_secs(10) };
        let rates = Rates { account: rate(account), network: rate(network), all: rate(all) };
        (Attempts::new(Arc::new(clock.clone()), rates), clock)
    }

    fn from(last: u8) -> Peer {
        Peer::Net(([10, 0, 0, last], 1).into())
    }

    fn retry_after(result: Result<Attempt, ApiError>) -> Option<String> {
        let error = result.err()?;
        assert_eq!(error.problem.kind, ProblemKind::TooManyAttempts);
        let (name, value) = &error.headers[0];
        assert_eq!(name, RETRY_AFTER);
        Some(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn after_the_burst_an_account_waits_as_long_as_it_is_told() {
        let (attempts, clock) = attempts(3, 100, 100);
        for _ in 0..3 {
            assert!(attempts.begin("Anna", from(1)).is_ok());
        }
        clock.advance(Duration::from_secs(2));
        assert_eq!(retry_after(attempts.begin("anna ", from(1))).as_deref(), Some("8"));
        clock.advance(Duration::from_millis(7_999));
        assert_eq!(retry_after(attempts.begin("anna", from(1))).as_deref(), Some("1"));
        clock.advance(Duration::from_millis(1));
        assert!(attempts.begin("anna", from(1)).is_ok());
        assert!(attempts.begin("anna", from(1)).is_err());
    }

    #[test]
    fn who_guesses_an_owners_password_does_not_lock_the_owner_out() {
        let (attempts, _) = attempts(2, 100, 100);
        while attempts.begin("owner", from(66)).is_ok() {}
        assert!(attempts.begin("owner", from(1)).is_ok());
        assert!(attempts.begin("other", from(66)).is_ok());
    }

    #[test]
    fn one_network_cannot_use_up_what_all_may() {
        let (attempts, _) = attempts(1, 5, 12);
        let mut allowed = 0;
        for i in 0..1_000 {
            allowed += usize::from(attempts.begin(&format!("guess {i}"), from(66)).is_ok());
        }
        assert_eq!(allowed, 5);
        for i in 0..7 {
            assert!(attempts.begin("owner", from(i)).is_ok());
        }
        assert!(attempts.begin("owner", from(8)).is_err(), "all together have had twelve");
    }

    #[test]
    fn a_right_password_gives_the_attempt_back() {
        let (attempts, _) = attempts(2, 3, 3);
        for _ in 0..50 {
            attempts.begin("anna", from(1)).unwrap().succeeded();
        }
        attempts.begin("anna", from(1)).unwrap();
        attempts.begin("anna", from(1)).unwrap().succeeded();
        assert!(attempts.begin("anna", from(1)).is_ok());
    }

    #[test]
    fn what_was_refused_is_told_together_and_once() {
        let refused = Refused::default();
        assert_eq!(refused.take(), None);
        for n in [1, 2, 2, 1] {
            refused.count(from(n));
        }
        assert_eq!(refused.take().as_deref(), Some("4 from 10.0.0.1, 10.0.0.2"));
        assert_eq!(refused.take(), None);
        (0..100).for_each(|n| refused.count(from(n)));
        assert_eq!(refused.take().unwrap().matches(',').count(), MAX_NAMED - 1);
    }

    #[test]
    fn memory_is_bounded_whatever_names_are_tried() {
        let (attempts, _) = attempts(1, 1_000_000, 1_000_000);
        for i in 0..MAX_REMEMBERED * 2 {
            let _ = attempts.begin(&format!("{}{i}", "x".repeat(i % 5_000 / 100)), from(1));
        }
        assert!(attempts.spent().by_key.len() <= MAX_REMEMBERED);
    }
}
