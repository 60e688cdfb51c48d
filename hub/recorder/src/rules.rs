//! Rules: when something happens at a camera, its footage is protected, and people are told.
//!
//! ```text
//! Watching ─▶ store ─▶ who listens ─▶ Rules ─▶ decide ─▶ store (footage protected, what was done) ─▶ notices
//! ```
//!
//! What is decided, protected and remembered for an event is one call of the store: all of it survives, or none. So nothing is
//! kept in memory, and what is asked twice is done once: an event that was missed, here or by a plug that was pulled, is read
//! from the store and looked at again. Nothing of it is in the way of the recording.

mod decide;

use std::time::Duration;

use base::{CameraId, Problem, RuleId, SharedClock, Shutdown, TimeSource, Timestamp};
use footage::Clocks;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use store::{Db, Event, EventQuery, Fired, Roll, Store, StoreError};
use tokio::sync::broadcast;

use decide::{Moment, fires, last_fired, last_seen};

/// So many notices may be behind of who listens.
const BEHIND: usize = 256;
/// What was missed is read, and what failed is tried again, after so long.
const AGAIN: Duration = Duration::from_secs(2);
/// An event may be kept, and told, so long after it was last seen.
const LATE: Duration = Duration::from_secs(60);
/// At a start so many events of each camera are looked at: one that lasted when the hub stopped is among the last.
const AT_START: usize = 16;
/// Of what was missed so many events of each camera are looked at.
const MOST_MISSED: usize = 1_000;

/// A rule has people told of an event.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Which rule.
    pub rule: RuleId,
    /// Its name.
    pub name: String,
    /// The event, as it was then.
    pub event: Event,
}

/// For those who listen.
pub(crate) fn notices() -> broadcast::Sender<Notice> {
    broadcast::channel(BEHIND).0
}

/// What is still to be read from the store.
struct Behind {
    /// What was left undone when the hub stopped.
    begins: bool,
    /// What was told from then on.
    missed: Option<Timestamp>,
}

/// What may be done for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Whatever the rules say.
    Anew,
    /// What was begun for it before the hub stopped is brought to its end. It is too late for more.
    GoOn,
}

/// What follows the rules.
pub(crate) struct Rules {
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) clocks: Clocks,
    pub(crate) notices: broadcast::Sender<Notice>,
}

impl Rules {
    /// Follows what happens, until the hub stops.
    pub(crate) async fn run(self, mut happens: broadcast::Receiver<Event>, stop: Shutdown) {
        let clock = &self.clock;
        let mut behind = Behind { begins: true, missed: None };
        // All that was told before was looked at.
        let mut heard = clock.wall();
        let mut look_again = clock.mono() + AGAIN;
        loop {
            let done = tokio::select! {
                told = happens.recv() => match told {
                    Ok(event) => self.look_at(event, Ask::Anew).await,
                    Err(broadcast::error::RecvError::Lagged(events)) => {
                        tracing::warn!(events, "rules are behind: what they missed is read from the store");
                        behind.missed.get_or_insert(heard);
                        Ok(())
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = clock.sleep_until(look_again) => {
                    let done = self.catch_up(&mut behind).await;
                    look_again = clock.mono() + AGAIN;
                    done
                }
                () = stop.wait() => return,
            };
            if let Err(e) = done {
                tracing::error!(problem = %Problem::from(e), "no rule was followed; it is tried again");
                behind.missed.get_or_insert(heard);
            }
            if behind.missed.is_none() && happens.is_empty() {
                heard = clock.wall();
            }
        }
    }

    /// Does for an event what the rules say, and has told who is to be told.
    async fn look_at(&self, event: Event, ask: Ask) -> Result<(), StoreError> {
        let (clock, map) = (&self.clock, self.clocks.map());
        let now = clock.wall();
        let known = clock.source() != TimeSource::Unset;
        let local = known.then(|| TimeZone::system().to_datetime(last_seen(&event, now)));
        // People, and with them the spans that are protected, go by true times.
        let start = map.truly(event.stamp, event.start);
        let seen = later(last_seen(&event, now), start.duration_since(event.start));
        let (moment, of) = (Moment { now, local }, event.clone());
        let plan = move |db: &Db| Plan::of(db, &of, (start, seen), moment, ask);
        // Nearly always nothing is to be done, and a call that changes something waits for the disk.
        let reads = plan.clone();
        if self.store.read(move |db| reads(db)).await?.is_nothing() {
            return Ok(());
        }
        let told = self.store.call(move |db| plan(db)?.carry_out(db)).await?;
        for (rule, name) in told {
            let _ = self.notices.send(Notice { rule, name, event: event.clone() }); // nobody listens: fine
        }
        Ok(())
    }

    /// Looks at what was missed, and at the start at what was left undone.
    async fn catch_up(&self, behind: &mut Behind) -> Result<(), StoreError> {
        let Behind { begins, missed } = *behind;
        if !begins && missed.is_none() {
            return Ok(());
        }
        let store = &self.store;
        let cameras = store.read(|db| db.cameras()).await?;
        for camera in cameras.into_iter().map(|camera| camera.id) {
            if begins {
                for event in newest(store, camera, AT_START).await? {
                    self.look_at(event, Ask::GoOn).await?;
                }
            }
            if let Some(since) = missed {
                let since = since.saturating_sub(LATE).unwrap_or(since);
                let events = newest(store, camera, MOST_MISSED).await?.into_iter();
                for event in events.filter(|event| event.end.is_none_or(|end| end >= since)) {
                    self.look_at(event, Ask::Anew).await?;
                }
            }
        }
        *behind = Behind { begins: false, missed: None };
        Ok(())
    }
}

/// A camera's last events, oldest first.
async fn newest(store: &Store, camera: CameraId, limit: usize) -> Result<Vec<Event>, StoreError> {
    let query = EventQuery { cameras: vec![camera], kind: None, from: None, to: None, after: None, limit };
    let mut events = store.read(move |db| db.events(&query)).await?.items;
    events.reverse();
    Ok(events)
}

/// What is to be done for an event.
struct Plan {
    camera: CameraId,
    /// Which rules do something, and what they will have done for the camera.
    fired: Vec<(RuleId, Fired)>,
    /// Who of them has it told: their ids and names.
    told: Vec<(RuleId, String)>,
    /// What is protected, in true time: one span for all rules.
    protect: Option<(Timestamp, Timestamp)>,
}

impl Plan {
    /// What the rules say of an event, from its true start to the true time it was last seen.
    fn of(
        db: &Db,
        event: &Event,
        (start, seen): (Timestamp, Timestamp),
        moment: Moment,
        ask: Ask,
    ) -> Result<Self, StoreError> {
        let mut plan = Plan { camera: event.camera, fired: Vec::new(), told: Vec::new(), protect: None };
        let mode = db.mode()?;
        for rule in db.rules()? {
            let mut fired = db.fired(rule.id, event.camera)?;
            let fires_now = ask == Ask::Anew && fires(&rule, event, &mode, fired.as_ref(), moment);
            if fires_now {
                let at = last_fired(fired.as_ref().map(|fired| fired.at), last_seen(event, moment.now), moment.now);
                let fired = fired.get_or_insert(Fired { at, events: Vec::new() });
                fired.add(event.id, at);
                plan.fired.push((rule.id, fired.clone()));
                if rule.actions.notify {
                    plan.told.push((rule.id, rule.name));
                }
            }
            // An event that goes on takes its span with it.
            if let Some(Roll { before_s, after_s }) = rule.actions.protect
                && fired.is_some_and(|fired| fired.events.contains(&event.id))
            {
                let seconds = |s: u32| SignedDuration::from_secs(s.into());
                let (from, to) = (later(start, -seconds(before_s)), later(seen, seconds(after_s)));
                plan.protect = Some(plan.protect.map_or((from, to), |(first, last)| (first.min(from), last.max(to))));
            }
        }
        Ok(plan)
    }

    fn is_nothing(&self) -> bool {
        self.fired.is_empty() && self.protect.is_none()
    }

    /// Answers which rules have it told.
    fn carry_out(self, db: &mut Db) -> Result<Vec<(RuleId, String)>, StoreError> {
        for (rule, fired) in &self.fired {
            db.put_fired(*rule, self.camera, fired)?;
        }
        if let Some((from, to)) = self.protect {
            db.protect_by_rule(self.camera, from, to)?;
        }
        Ok(self.told)
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

#[cfg(test)]
#[path = "rules/tests.rs"]
mod tests;
