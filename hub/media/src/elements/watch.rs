//! How long a connected camera may send nothing: the same for every source that reads from a network.

use std::time::Duration;

use base::Mono;

use crate::end::{EndReason, IngestEnd};
use crate::source::Options;

/// Without a picture for this long the sink is told to write what it holds: a camera that sends one or two pictures a
/// second would else have its newest one on disk too late.
const IDLE: Duration = Duration::from_millis(400);
/// A timer that rings this late says that the hub itself did not run.
pub(crate) const LATE: Duration = Duration::from_millis(500);
/// A camera that sends no key picture for this long cannot be recorded.
const KEY_TIMEOUT: Duration = Duration::from_secs(60);
/// Key pictures that came without usable parameters for this long will not get better on this connection: the next
/// description may hold them.
const PARAMETERS_TIMEOUT: Duration = Duration::from_secs(3);

/// What a person is told of pictures that cannot be shown.
const UNREADABLE: &str = "Its pictures come without what is needed to show them";

/// Watches one connection, from the camera's agreement to play on. Its owner has a timer that rings at
/// [`Watch::rings`], tells of each picture, and asks for [`Watch::patience`] after each of both.
#[derive(Debug)]
pub(crate) struct Watch {
    options: Options,
    started: Mono,
    /// When the newest picture came.
    newest: Mono,
    /// The sink was told that no picture has come for a while.
    idle: bool,
    /// When the timer is to ring.
    rings: Mono,
    /// When the first key picture came, if no parameters have.
    unreadable: Option<Mono>,
}

impl Watch {
    /// The camera agreed to play.
    pub fn new(options: Options, now: Mono) -> Self {
        options.pace.begin();
        Self { options, started: now, newest: now, idle: false, rings: now + IDLE, unreadable: None }
    }

    /// When the timer is to ring. Changes with each call of [`Watch::picture`], [`Watch::rang`] and
    /// [`Watch::notice_standstill`].
    pub fn rings(&self) -> Mono {
        self.rings
    }

    /// How long ago the camera agreed to play.
    pub fn since_start(&self, now: Mono) -> Duration {
        now.since(self.started)
    }

    /// A picture came.
    pub fn picture(&mut self, now: Mono, key: bool) {
        self.newest = now;
        self.options.pace.picture(now, key);
        if std::mem::take(&mut self.idle) {
            self.rings = now + IDLE;
        }
    }

    /// Key pictures come, and so far without parameters; or those have come.
    pub fn readable(&mut self, now: Mono, yes: bool) {
        if yes {
            self.unreadable = None;
        } else {
            self.unreadable.get_or_insert(now);
        }
    }

    /// The timer rang. `true`: the sink is to be told that nothing comes.
    pub fn rang(&mut self, now: Mono) -> bool {
        let tell = !self.idle && now >= self.newest + IDLE;
        self.idle |= tell;
        self.rings = self.newest + if self.idle { self.limit() } else { IDLE };
        tell
    }

    /// Where the timer should have rung long ago it was the hub that did not run (no processor, or the machine was held):
    /// what came meanwhile is still to be read, and none of that time is the camera's. To be called before anything else.
    pub fn notice_standstill(&mut self, now: Mono) {
        let late = now.since(self.rings);
        if late > LATE {
            tracing::warn!(seconds = late.as_secs_f32(), "the hub did not run for a while");
            self.newest = self.newest + late;
            self.unreadable = self.unreadable.map(|since| since + late);
            self.rings = now + IDLE;
        }
    }

    /// Has the camera been given long enough? `begun`: its first key picture was kept. `unread`: what
    /// comes does not become pictures.
    pub fn patience(&self, now: Mono, begun: bool, unread: bool) -> Result<(), IngestEnd> {
        let limit = self.limit();
        if now >= self.newest + limit {
            if unread {
                return Err(IngestEnd::new(EndReason::Broken, UNREADABLE));
            }
            let detail = format!("It is connected but has sent no picture for {} seconds", limit.as_secs());
            return Err(IngestEnd::new(EndReason::Stalled, detail));
        }
        if self.unreadable.is_some_and(|since| now >= since + PARAMETERS_TIMEOUT) {
            return Err(IngestEnd::new(EndReason::Broken, UNREADABLE));
        }
        if !begun && now >= self.started + KEY_TIMEOUT {
            let detail = format!("It has sent no key picture for {} seconds", KEY_TIMEOUT.as_secs());
            return Err(IngestEnd::new(EndReason::Unsupported, detail));
        }
        Ok(())
    }

    /// How long the next picture may take.
    fn limit(&self) -> Duration {
        self.options.pace.limit().unwrap_or(self.options.read_timeout)
    }
}
