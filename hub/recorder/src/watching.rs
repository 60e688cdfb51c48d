//! What moves at a camera becomes events, whoever notices it: the hub, which looks at the camera's pictures, or the camera itself.
//!
//! ```text
//! Intake ─▶ Watching ─┬▶ ByHub ─▶ vision::Feed ─▶ child ─▶ findings ─┬▶ Happening ─▶ store, and who listens
//!                     └▶ ByCamera ◀─ the camera's words ─▶ findings ─┘
//! ```
//!
//! The hub looks at the small stream where a camera has one and sends it, since its pictures cost a tenth; else at the main one.
//!
//! Nothing of it is in the way of the recording: the feed drops what does not fit, and whatever fails here is a state.

mod by_camera;
mod by_hub;
mod rules;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::clock::SharedClock;
use base::footage::{AccessUnit, InitSegment, StreamName};
use base::state::{Health, Reason};
use base::{BootId, CameraId, Mono, Problem, Shutdown};
use footage::Footage;
use store::{Event, MotionSettings, Store, StreamSource};
use tokio::sync::{broadcast, mpsc, watch};
use vault::EpochPublic;
use vision::{Eyes, Finding, Stills, Using};
use zeroize::Zeroizing;

use crate::cameras::connect_to;
use crate::happening::Happening;
use crate::ring::LiveRing;
use crate::space::Space;
use by_camera::ByCamera;
use by_hub::ByHub;
pub(crate) use by_hub::looked_for;

/// So many events may be behind of who listens.
const BEHIND: usize = 256;
/// An end that could not be kept is tried again after so long.
const AGAIN: Duration = Duration::from_secs(5);

/// What all cameras' watching shares. Clones share everything.
#[derive(Clone)]
pub(crate) struct Watchers {
    /// `None`: the hub does not look.
    pub(crate) eyes: Option<Eyes>,
    /// Who makes pictures of what cameras notice themselves; `None`: nobody.
    pub(crate) stills: Option<Stills>,
    pub(crate) store: Store,
    pub(crate) footage: Footage,
    pub(crate) space: Arc<Space>,
    pub(crate) clock: SharedClock,
    pub(crate) boot: BootId,
    pub(crate) news: broadcast::Sender<Event>,
}

impl Watchers {
    /// For those who listen.
    pub(crate) fn news() -> broadcast::Sender<Event> {
        broadcast::channel(BEHIND).0
    }

    /// Events as they begin, are known better, and end.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Event> {
        self.news.subscribe()
    }

    /// Keeps the picture that is to be kept, sealed, and then the event as it is now.
    async fn keep(&self, now: &mut Happening, epoch: &EpochPublic, stop: &Shutdown) {
        // The reserve of a full disk is not for pictures of events.
        if let Some(jpeg) = now.take_picture().filter(|_| self.space.status().health == Health::Ok) {
            let (footage, event, epoch) = (self.footage.clone(), now.event(), epoch.clone());
            let keep = move || footage.keep_thumbnail(event.camera, event.id, &epoch, &jpeg);
            match tokio::task::spawn_blocking(keep).await {
                Ok(Ok(bytes)) => {
                    now.has_thumbnail();
                    self.space.thumbnail(bytes);
                }
                Ok(Err(e)) => tracing::warn!(event = %now.id(), problem = %Problem::from(&e), "no picture of an event"),
                Err(e) => tracing::error!(event = %now.id(), error = %e, "no picture of an event: a fault of the hub"),
            }
        }
        self.put(now.event(), stop).await;
    }

    /// Keeps an event and tells it. One that is over is kept in the end: else it would last for ever.
    async fn put(&self, event: Event, stop: &Shutdown) {
        if self.is_kept(&event).await || event.end.is_none() {
            return;
        }
        let (watchers, stop) = (self.clone(), stop.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = watchers.clock.sleep(AGAIN) => {}
                    () = stop.wait() => return, // the next start ends it
                }
                if watchers.is_kept(&event).await {
                    return;
                }
            }
        });
    }

    async fn is_kept(&self, event: &Event) -> bool {
        let row = event.clone();
        if let Err(e) = self.store.call(move |db| db.put_event(&row)).await {
            tracing::error!(camera = %event.camera, problem = %Problem::from(e), "an event is not kept");
            return false;
        }
        let _ = self.news.send(event.clone()); // nobody listens: fine
        true
    }
}

/// Who notices what moves at a camera, and sends it to who makes events of it.
trait Notices: Send + Sync {
    /// A connection of a stream begins, or its parameters change. `zero`: the instant of its media time 0. `false`: its pictures are
    /// of no use.
    fn begin(&self, of: StreamName, init: &InitSegment, zero: Mono) -> bool;
    /// The connection that records the camera has ended.
    fn end(&self) {}
    /// One more picture, or sound, of the stream that is of use. Never waits.
    fn unit(&self, unit: &AccessUnit);
    /// Whether what moves is noticed.
    fn health(&self) -> Health;
    /// How many pictures were looked at, and how many did not fit.
    fn looked(&self) -> Option<(u64, u64)> {
        None
    }
    /// What pictures are decoded with.
    fn decodes_with(&self) -> Option<Using> {
        None
    }
}

fn degraded(reason: Reason, problem: Problem) -> Health {
    Health::Degraded { reason, detail: problem.to_string() }
}

/// What is to be noticed at a camera.
#[derive(Clone, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) settings: MotionSettings,
    /// Where the camera tells it, with its password; `None`: the hub looks.
    pub(crate) told_at: Option<(StreamSource, Option<Zeroizing<String>>)>,
}

/// Noticing what moves at one camera.
pub(crate) struct Watching {
    pub(crate) camera: CameraId,
    watchers: Watchers,
    shutdown: Shutdown,
    /// Held while the hub looks, so that the camera's small stream is connected to.
    sub: Arc<LiveRing>,
    /// What pictures of events are sealed to.
    epoch: watch::Sender<EpochPublic>,
    /// Lock order: a leaf; nothing is awaited under it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    main: Option<Begun>,
    sub: Option<Begun>,
    watched: Option<Watched>,
}

/// Parameters of a stream's present connection, and the instant of its media time 0.
#[derive(Clone)]
struct Begun(InitSegment, Mono);

impl State {
    /// Has the stream looked at that should be.
    fn show(&mut self) {
        let Some(watched) = &mut self.watched else { return };
        let begins = |name, of: &Option<Begun>| {
            of.as_ref().is_some_and(|Begun(init, zero)| watched.notices.begin(name, init, *zero))
        };
        // A small stream in a coding that nobody here knows is none.
        let shows_sub = begins(StreamName::Sub, &self.sub);
        if !shows_sub {
            begins(StreamName::Main, &self.main);
        }
        watched.shows_sub = shows_sub;
    }
}

struct Watched {
    wanted: Wanted,
    notices: Box<dyn Notices>,
    /// It is shown the small stream.
    shows_sub: bool,
    stop: Shutdown,
}

impl Watching {
    pub(crate) fn new(
        camera: CameraId,
        sub: Arc<LiveRing>,
        epoch: EpochPublic,
        watchers: Watchers,
        shutdown: Shutdown,
    ) -> Arc<Self> {
        Arc::new(Self { camera, watchers, shutdown, sub, epoch: watch::Sender::new(epoch), state: Mutex::default() })
    }

    /// A new epoch begins.
    pub(crate) fn set_epoch(&self, epoch: EpochPublic) {
        self.epoch.send_replace(epoch);
    }

    /// This is noticed from now on; `None`: nothing. What is wanted already goes on.
    pub(crate) fn set(&self, wanted: Option<Wanted>) {
        let mut state = self.lock();
        if state.watched.as_ref().map(|watched| &watched.wanted) == wanted.as_ref() {
            return;
        }
        if let Some(before) = state.watched.take() {
            before.stop.trigger();
        }
        let Some(wanted) = wanted else { return };
        let (camera, watchers, epoch) = (self.camera, self.watchers.clone(), self.epoch.subscribe());
        let stop = self.shutdown.child();
        let until = stop.clone();
        let notices: Box<dyn Notices> = match (&wanted.told_at, &self.watchers.eyes) {
            (Some((row, password)), _) => {
                let told = connect_to(row, password.clone()).ok(); // it was checked when it was given
                let (tells, mut findings) = ByCamera::start(camera, told, &watchers, stop.clone());
                tokio::spawn(async move { follow(camera, watchers, &mut findings, epoch, until).await });
                Box::new(tells)
            }
            (None, Some(eyes)) => {
                let mut watch = eyes.watch(looked_for(&wanted.settings));
                let looks = ByHub::new(&watch, self.sub.hold());
                tokio::spawn(async move { follow(camera, watchers, &mut watch.findings, epoch, until).await });
                Box::new(looks)
            }
            (None, None) => return,
        };
        state.watched = Some(Watched { wanted, notices, shows_sub: false, stop });
        state.show();
    }

    /// A connection begins, or its parameters change.
    pub(crate) fn begin(&self, init: &InitSegment, zero: Mono) {
        let mut state = self.lock();
        state.main = Some(Begun(init.clone(), zero));
        if state.watched.as_ref().is_some_and(|watched| !watched.shows_sub) {
            state.show();
        }
    }

    /// The connection has ended.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.main = None;
        if let Some(watched) = &state.watched {
            watched.notices.end();
        }
    }

    /// As [`begin`](Self::begin), of the small stream.
    pub(crate) fn begin_sub(&self, init: &InitSegment, zero: Mono) {
        let mut state = self.lock();
        state.sub = Some(Begun(init.clone(), zero));
        state.show();
    }

    /// The small stream's connection has ended.
    pub(crate) fn end_sub(&self) {
        let mut state = self.lock();
        state.sub = None;
        state.show();
    }

    /// One more picture. Never waits.
    pub(crate) fn unit(&self, unit: &AccessUnit) {
        self.push(unit, false);
    }

    /// One more of the small stream's. Never waits.
    pub(crate) fn sub_unit(&self, unit: &AccessUnit) {
        self.push(unit, true);
    }

    fn push(&self, unit: &AccessUnit, of_sub: bool) {
        if let Some(watched) = self.lock().watched.as_ref().filter(|watched| watched.shows_sub == of_sub) {
            watched.notices.unit(unit);
        }
    }

    /// Whether what moves there is noticed.
    pub(crate) fn health(&self) -> Health {
        self.lock().watched.as_ref().map_or(Health::Off, |watched| watched.notices.health())
    }

    /// How many pictures were looked at since this was last set, and how many did not fit.
    pub(crate) fn looked(&self) -> Option<(u64, u64)> {
        self.lock().watched.as_ref()?.notices.looked()
    }

    /// The hub looks, and has the small stream connected to for that.
    pub(crate) fn holds_sub(&self) -> bool {
        self.lock().watched.as_ref().is_some_and(|watched| watched.wanted.told_at.is_none())
    }

    /// What its pictures are decoded with.
    pub(crate) fn decodes_with(&self) -> Option<Using> {
        self.lock().watched.as_ref()?.notices.decodes_with()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes events of what is found, until it is not looked for any more.
async fn follow(
    camera: CameraId,
    watchers: Watchers,
    findings: &mut mpsc::Receiver<Finding>,
    epoch: watch::Receiver<EpochPublic>,
    stop: Shutdown,
) {
    // Taken at the moment of sealing: never one from before.
    let epoch = || epoch.borrow().clone();
    let mut now: Option<Happening> = None;
    // When the one before was seen last: no two are at the same time.
    let mut before = Mono::default();
    loop {
        let over = now.as_ref().map(Happening::over_at);
        let quiet = async {
            match over {
                Some(at) => watchers.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let found: Finding = tokio::select! {
            found = findings.recv() => match found {
                Some(found) => found,
                None => break,
            },
            () = quiet => {
                before = now.as_ref().map_or(before, Happening::seen_last);
                end(&watchers, now.take(), &epoch(), &stop).await;
                continue;
            }
            () = stop.wait() => break,
        };
        let begins = now.is_none();
        let found = Finding { since: found.since.max(before), ..found };
        let now = now.get_or_insert_with(|| Happening::begin(camera, &found, watchers.boot, &*watchers.clock));
        if begins || now.goes_on(&found, watchers.clock.mono()) {
            watchers.keep(now, &epoch(), &stop).await;
        }
    }
    end(&watchers, now, &epoch(), &stop).await;
}

async fn end(watchers: &Watchers, over: Option<Happening>, epoch: &EpochPublic, stop: &Shutdown) {
    if let Some(mut over) = over {
        over.end();
        watchers.keep(&mut over, epoch, stop).await;
    }
}

#[cfg(test)]
mod day;
