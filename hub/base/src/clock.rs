//! Time is a parameter: everything that asks for the time or waits is given a [`Clock`].
//!
//! This is the only module of the workspace that may call `now` or `sleep`; clippy bans them
//! elsewhere, since a test that waits for real time is slow and one that reads it is random.

use std::future::Future;
use std::ops::{Add, Sub};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::BootId;

/// When this was built (Unix seconds), or the release's date: a clock that shows less is wrong.
pub const BUILT: i64 = match option_env!("KEEPSIGHT_BUILD_EPOCH") {
    Some(seconds) => match i64::from_str_radix(seconds, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("KEEPSIGHT_BUILD_EPOCH is not a number of seconds"),
    },
    None => 1_767_225_600, // 2026-01-01T00:00:00Z
};

/// A monotonic instant: nanoseconds since boot (`CLOCK_BOOTTIME`, so that it counts suspended time and
/// means the same in every process of one boot). Never compare across boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Mono(pub u64);

impl Mono {
    /// Time since an earlier instant; zero if that one is later.
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(d.as_nanos().min(u64::MAX as u128) as u64))
    }
}

impl Sub<Duration> for Mono {
    type Output = Mono;
    fn sub(self, d: Duration) -> Mono {
        Mono(self.0.saturating_sub(d.as_nanos().min(u64::MAX as u128) as u64))
    }
}

/// An instant that no step of a wall clock moves: which boot, and its monotonic time then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(BootId, Mono)", into = "(BootId, Mono)")]
pub struct Stamp {
    /// Which boot.
    pub boot: BootId,
    /// Its monotonic time.
    pub mono: Mono,
}

impl Add<Duration> for Stamp {
    type Output = Stamp;
    fn add(self, d: Duration) -> Stamp {
        Stamp { mono: self.mono + d, ..self }
    }
}

impl From<(BootId, Mono)> for Stamp {
    fn from((boot, mono): (BootId, Mono)) -> Self {
        Self { boot, mono }
    }
}

impl From<Stamp> for (BootId, Mono) {
    fn from(stamp: Stamp) -> Self {
        (stamp.boot, stamp.mono)
    }
}

/// Where the wall-clock time comes from (DESIGN §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeSource {
    /// A battery-backed clock on the board.
    Rtc,
    /// A time server.
    Ntp,
    /// An owner's phone told it.
    Phone,
    /// A camera told it.
    Camera,
    /// Nobody: the time is a guess that only goes forward.
    Unset,
}

/// A future that ends when the clock reaches an instant.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Wall and monotonic time, and waiting.
pub trait Clock: Send + Sync + 'static {
    /// The best guess of the wall-clock time, UTC. May step.
    fn wall(&self) -> Timestamp;
    /// Monotonic time.
    fn mono(&self) -> Mono;
    /// Where [`Clock::wall`] comes from.
    fn source(&self) -> TimeSource;
    /// Waits until the monotonic time is `at` or later.
    fn sleep_until(&self, at: Mono) -> Sleep;
    /// Waits for a duration.
    fn sleep(&self, d: Duration) -> Sleep {
        self.sleep_until(self.mono() + d)
    }
}

/// A clock that many share.
pub type SharedClock = Arc<dyn Clock>;

/// Gives up on a future after `limit`: `None` then.
pub async fn timeout<F: Future>(clock: &dyn Clock, limit: Duration, future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        out = future => Some(out),
        () = clock.sleep(limit) => None,
    }
}

/// The machine's own clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
    fn mono(&self) -> Mono {
        let t = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).expect("Linux has CLOCK_BOOTTIME");
        Mono(t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
    }
    fn source(&self) -> TimeSource {
        // STA_UNSYNC is clear while a time service disciplines the kernel's clock.
        if crate::ntp_synchronised() {
            TimeSource::Ntp
        } else if std::path::Path::new("/sys/class/rtc/rtc0").exists() {
            TimeSource::Rtc
        } else {
            TimeSource::Unset
        }
    }
    #[expect(clippy::disallowed_methods, reason = "the one place that waits in real time")]
    fn sleep_until(&self, at: Mono) -> Sleep {
        Box::pin(tokio::time::sleep(at.since(self.mono())))
    }
}

/// A clock that a test holds in its hand: time passes only in [`SimClock::advance`].
#[derive(Clone)]
pub struct SimClock(Arc<Mutex<Sim>>);

struct Sim {
    wall: Timestamp,
    mono: Mono,
    source: TimeSource,
    waiting: Vec<(Mono, tokio::sync::oneshot::Sender<()>)>,
}

impl Default for SimClock {
    /// 2026-01-01T00:00:00Z, one hour after boot.
    fn default() -> Self {
        Self::at(Timestamp::from_second(1_767_225_600).expect("in range"))
    }
}

impl SimClock {
    /// A clock that shows `wall`, one hour after boot.
    pub fn at(wall: Timestamp) -> Self {
        let mono = Mono(3_600 * 1_000_000_000);
        Self(Arc::new(Mutex::new(Sim { wall, mono, source: TimeSource::Ntp, waiting: Vec::new() })))
    }
    /// Lets time pass, and wakes who waited for it.
    pub fn advance(&self, d: Duration) {
        let mut sim = self.0.lock().expect("no panic under this lock");
        sim.mono = sim.mono + d;
        sim.wall = sim.wall.saturating_add(d).expect("a duration never fails to add");
        let now = sim.mono;
        let (due, later) = std::mem::take(&mut sim.waiting).into_iter().partition(|(at, _)| *at <= now);
        sim.waiting = later;
        for (_, wake) in due {
            let _ = wake.send(()); // who no longer waits does not mind
        }
    }
    /// Steps the wall clock, as a time service does; monotonic time does not move.
    pub fn step_wall(&self, to: Timestamp, source: TimeSource) {
        let mut sim = self.0.lock().expect("no panic under this lock");
        sim.wall = to;
        sim.source = source;
    }
    /// How many sleepers wait: a test that advances must first see that somebody sleeps.
    pub fn sleepers(&self) -> usize {
        let mut sim = self.0.lock().expect("no panic under this lock");
        sim.waiting.retain(|(_, w)| !w.is_closed());
        sim.waiting.len()
    }
}

impl Clock for SimClock {
    fn wall(&self) -> Timestamp {
        self.0.lock().expect("no panic under this lock").wall
    }
    fn mono(&self) -> Mono {
        self.0.lock().expect("no panic under this lock").mono
    }
    fn source(&self) -> TimeSource {
        self.0.lock().expect("no panic under this lock").source
    }
    fn sleep_until(&self, at: Mono) -> Sleep {
        let mut sim = self.0.lock().expect("no panic under this lock");
        if sim.mono >= at {
            return Box::pin(std::future::ready(()));
        }
        let (wake, woken) = tokio::sync::oneshot::channel();
        sim.waiting.push((at, wake));
        Box::pin(async move {
            if woken.await.is_err() {
                std::future::pending::<()>().await; // the clock is gone: time stands still
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let clock = SimClock::default();
        let mut sleep = clock.sleep(Duration::from_secs(2));
        clock.advance(Duration::from_millis(1_999));
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.advance(Duration::from_millis(1));
        sleep.await;
    }

    #[test]
    fn stepping_the_wall_clock_leaves_monotonic_time_alone() {
        let clock = SimClock::default();
        let before = clock.mono();
        clock.step_wall(Timestamp::UNIX_EPOCH, TimeSource::Phone);
        assert_eq!((clock.mono(), clock.wall(), clock.source()), (before, Timestamp::UNIX_EPOCH, TimeSource::Phone));
    }

    #[tokio::test]
    async fn a_timeout_ends_what_takes_too_long() {
        let clock = SimClock::default();
        let never = timeout(&clock, Duration::from_secs(1), std::future::pending::<()>());
        tokio::pin!(never);
        assert!(futures::poll!(&mut never).is_pending());
        clock.advance(Duration::from_secs(1));
        assert_eq!(never.await, None);
    }
}
