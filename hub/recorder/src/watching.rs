//! Looking at a camera's pictures: what moves there becomes events.
//!
//! ```text
//! Intake ─▶ Watching ─▶ vision::Feed ─▶ child ─▶ findings ─▶ Happening ─▶ store, and who listens
//! ```
//!
//! Nothing of it is in the way of the recording: the feed drops what does not fit, and whatever fails here is a state.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base::clock::SharedClock;
use base::footage::{AccessUnit, InitSegment};
use base::state::{Health, Reason};
use base::{BootId, CameraId, Mono, Problem, ProblemKind, Shutdown};
use store::{Event, MotionSettings, Sensitivity, Store, StoreError};
use tokio::sync::{broadcast, watch};
use vision::{Eyes, Feed, Finding, Polygon, Sight};

use crate::happening::Happening;

/// So many events may be behind of who listens.
const BEHIND: usize = 256;

/// What all cameras' watching shares. Clones share everything.
#[derive(Clone)]
pub(crate) struct Watchers {
    /// `None`: nobody looks.
    pub(crate) eyes: Option<Eyes>,
    pub(crate) store: Store,
    pub(crate) clock: SharedClock,
    pub(crate) boot: BootId,
    news: broadcast::Sender<Event>,
}

impl Watchers {
    pub(crate) fn new(eyes: Option<Eyes>, store: Store, clock: SharedClock, boot: BootId) -> Self {
        Self { eyes, store, clock, boot, news: broadcast::channel(BEHIND).0 }
    }

    /// Events as they begin, are known better, and end.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Event> {
        self.news.subscribe()
    }

    /// What lasted when the hub stopped without a word ended with the last footage that there is of its camera.
    pub(crate) async fn end_what_lasts(&self) -> Result<(), StoreError> {
        let call = |db: &mut store::Db| {
            for event in db.open_events()? {
                let last = db.last_segment(event.camera, base::footage::StreamName::Main)?;
                let end = last.map_or(event.start, |segment| segment.end.max(event.start));
                db.put_event(&Event { end: Some(end), ..event })?;
            }
            Ok(())
        };
        self.store.call(call).await
    }

    async fn keep(&self, event: Event) {
        let row = event.clone();
        if let Err(e) = self.store.call(move |db| db.put_event(&row)).await {
            tracing::error!(camera = %event.camera, problem = %Problem::from(e), "an event is not kept");
            return;
        }
        let _ = self.news.send(event); // nobody listens: fine
    }
}

/// Looking at one camera.
pub(crate) struct Watching {
    camera: CameraId,
    watchers: Watchers,
    shutdown: Shutdown,
    /// Lock order: a leaf; nothing is awaited under it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Parameters of the present connection, and the instant of its media time 0.
    stream: Option<(InitSegment, Mono)>,
    watched: Option<Watched>,
}

struct Watched {
    settings: MotionSettings,
    feed: Feed,
    sight: watch::Receiver<Sight>,
    stop: Shutdown,
}

impl Watching {
    pub(crate) fn new(camera: CameraId, watchers: Watchers, shutdown: Shutdown) -> Arc<Self> {
        Arc::new(Self { camera, watchers, shutdown, state: Mutex::default() })
    }

    /// Looks for this from now on; `None`: does not look. What is looked for already goes on.
    pub(crate) fn set(&self, settings: Option<&MotionSettings>) {
        let mut state = self.lock();
        if state.watched.as_ref().map(|watched| &watched.settings) == settings {
            return;
        }
        if let Some(before) = state.watched.take() {
            before.stop.trigger();
        }
        let (Some(settings), Some(eyes)) = (settings, &self.watchers.eyes) else { return };
        let watch = eyes.watch(looked_for(settings));
        if let Some((init, zero)) = &state.stream {
            watch.feed.begin(init, *zero);
        }
        let (feed, sight, stop) = (watch.feed.clone(), watch.sight.clone(), self.shutdown.child());
        state.watched = Some(Watched { settings: settings.clone(), feed, sight, stop: stop.clone() });
        tokio::spawn(follow(self.camera, self.watchers.clone(), watch, stop));
    }

    /// A connection begins, or its parameters change.
    pub(crate) fn begin(&self, init: &InitSegment, zero: Mono) {
        let mut state = self.lock();
        state.stream = Some((init.clone(), zero));
        if let Some(watched) = &state.watched {
            watched.feed.begin(init, zero);
        }
    }

    /// One more picture. Never waits.
    pub(crate) fn unit(&self, unit: &AccessUnit) {
        if let Some(watched) = &self.lock().watched {
            watched.feed.push(unit);
        }
    }

    /// Whether its pictures are looked at.
    pub(crate) fn health(&self) -> Health {
        let state = self.lock();
        let Some(watched) = &state.watched else { return Health::Off };
        let degraded = |reason, kind: ProblemKind| Health::Degraded { reason, detail: Problem::from(kind).to_string() };
        match *watched.sight.borrow() {
            Sight::Starting | Sight::Sees => Health::Ok,
            Sight::NoDecoder => degraded(Reason::NoDecoder, ProblemKind::NoDecoder),
            Sight::Blind => degraded(Reason::NotWatched, ProblemKind::NotWatched),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes events of what is found, until it is not looked for any more.
async fn follow(camera: CameraId, watchers: Watchers, mut watch: vision::Watch, stop: Shutdown) {
    let mut now: Option<Happening> = None;
    loop {
        let over = now.as_ref().map(Happening::over_at);
        let quiet = async {
            match over {
                Some(at) => watchers.clock.sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let found: Finding = tokio::select! {
            found = watch.findings.recv() => match found {
                Some(found) => found,
                None => break,
            },
            () = quiet => {
                if let Some(over) = now.take() {
                    watchers.keep(over.ended()).await;
                }
                continue;
            }
            () = stop.wait() => break,
        };
        let tell = match &mut now {
            Some(now) => now.goes_on(&found),
            None => {
                now = Some(Happening::begin(camera, &found, watchers.boot, &*watchers.clock));
                true
            }
        };
        if let (true, Some(now)) = (tell, &now) {
            watchers.keep(now.event()).await;
        }
    }
    if let Some(over) = now {
        watchers.keep(over.ended()).await;
    }
}

fn looked_for(settings: &MotionSettings) -> vision::MotionSettings {
    let polygons = |zones: &[store::Zone]| zones.iter().filter_map(polygon).collect();
    vision::MotionSettings {
        sensitivity: match settings.sensitivity {
            Sensitivity::Low => vision::Sensitivity::Low,
            Sensitivity::Normal => vision::Sensitivity::Normal,
            Sensitivity::High => vision::Sensitivity::High,
        },
        zones: polygons(&settings.zones),
        masks: polygons(&settings.masks),
    }
}

/// Of all zones: a zone has fewer corners than a polygon may have.
fn polygon(zone: &store::Zone) -> Option<Polygon> {
    let part = |at: u16| f32::from(at) / 10_000.0;
    Polygon::new(zone.corners().iter().map(|[x, y]| (part(*x), part(*y))).collect())
}
