//! A camera notices by itself what moves, and tells it beside its pictures.
//!
//! ```text
//! camera ─ its metadata, over a connection of its own ─▶ media::Messages ─▶ onvif ─▶ Rules ─▶ findings
//!        └ its newest key picture ─────────────────────▶ vision::Stills ─ a picture of it ─▶ findings
//! ```
//!
//! Nothing is decoded but one picture for each event. What moves is dated by when the hub heard of it: cameras' clocks are wrong.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base::clock::{SharedClock, timeout};
use base::footage::{AccessUnit, InitSegment, StreamName, Track};
use base::state::{Health, Reason};
use base::{CameraId, Mono, Problem, ProblemKind, Shutdown};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use media::{EndReason, IngestEnd, Messages, Source};
use onvif::Movement;
use tokio::sync::{mpsc, watch};
use vision::{Coded, Finding, Stills};

use super::rules::{Rules, Told};
use super::{Notices, Watchers, degraded};
use crate::happening::QUIET;

/// Findings that may wait for who takes them.
const FINDINGS: usize = 16;
/// Widest picture of an event, in pixels; as the hub's own eyes make it.
const PICTURE_WIDTH: u16 = 640;
/// A key picture that comes so long after the end of a movement still shows it; and a picture that takes longer is of no use.
/// Together they are shorter than what ends an event.
const AFTER_THE_END: Duration = Duration::from_secs(5);
const PICTURE_WITHIN: Duration = Duration::from_secs(4);
const _: () = assert!(AFTER_THE_END.as_millis() + PICTURE_WITHIN.as_millis() < QUIET.as_millis());
/// A connection that lasted so long was a good one: the next failure begins with a short wait.
const GOOD_CONNECTION: Duration = Duration::from_secs(10);
/// How long it is until a camera is asked again, after one failure and after many; the wait doubles.
const FIRST: Duration = Duration::from_secs(2);
const LONGEST: Duration = Duration::from_secs(300);
const MAX_DOUBLINGS: u32 = 10;
/// So many pictures of one movement are tried.
const TRIES: u32 = 3;

pub(super) struct ByCamera {
    /// The connection that records the camera, by the instant of its media time 0: with a new one the camera may have started anew.
    connection: watch::Sender<Option<Mono>>,
    /// Parameters of its pictures; a leaf lock.
    init: Mutex<Option<InitSegment>>,
    newest: watch::Sender<Option<Coded>>,
    health: watch::Receiver<Health>,
}

impl ByCamera {
    /// Listens to the camera at this address, if it is one. Must be called inside a tokio runtime.
    pub fn start(
        camera: CameraId,
        source: Option<Source>,
        watchers: &Watchers,
        stop: Shutdown,
    ) -> (Self, mpsc::Receiver<Finding>) {
        let (connection, newest) = (watch::Sender::new(None), watch::Sender::new(None));
        let (tell_health, health) = watch::channel(tells_nothing("It is asked as soon as it is recorded"));
        let (found, findings) = mpsc::channel(FINDINGS);
        let listener = Listener {
            camera,
            connection: connection.subscribe(),
            newest: newest.subscribe(),
            health: tell_health,
            found,
            spoke: false,
            stills: watchers.stills.clone(),
            clock: watchers.clock.clone(),
        };
        tokio::spawn(async move {
            tokio::select! {
                () = listener.run(source) => {}
                () = stop.wait() => {}
            }
        });
        (Self { connection, init: Mutex::default(), newest, health }, findings)
    }
}

impl Notices for ByCamera {
    fn begin(&self, of: StreamName, init: &InitSegment, zero: Mono) -> bool {
        if of == StreamName::Sub {
            return false;
        }
        *self.init.lock().unwrap_or_else(PoisonError::into_inner) = Some(init.clone());
        self.connection.send_if_modified(|known| known.replace(zero) != Some(zero));
        true
    }

    fn end(&self) {
        self.connection.send_replace(None);
    }

    fn unit(&self, unit: &AccessUnit) {
        if unit.track == Track::Video && unit.key {
            let init = self.init.lock().unwrap_or_else(PoisonError::into_inner);
            self.newest.send_replace(init.as_ref().and_then(|init| Coded::new(init, unit)));
        }
    }

    fn health(&self) -> Health {
        self.health.borrow().clone()
    }
}

struct Listener {
    camera: CameraId,
    connection: watch::Receiver<Option<Mono>>,
    newest: watch::Receiver<Option<Coded>>,
    health: watch::Sender<Health>,
    found: mpsc::Sender<Finding>,
    /// It has said of something that it moves, or does not.
    spoke: bool,
    stills: Option<Stills>,
    clock: SharedClock,
}

impl Listener {
    /// Connects, again and again. Whoever records the camera comes first: it is asked while that is so, and later and later where asking
    /// fails, or is soon followed by the end of the recording, as with a camera that takes few connections.
    async fn run(mut self, source: Option<Source>) {
        let (mut failures, mut failed) = (0, None);
        loop {
            if self.connection.wait_for(Option::is_some).await.is_err() {
                return;
            }
            let (began, mut connection) = (self.clock.mono(), self.connection.clone());
            let end = tokio::select! {
                end = self.listen(source.as_ref()) => match end {
                    Some(end) => end,
                    None => return,
                },
                changed = connection.changed() => match changed {
                    Ok(()) => IngestEnd { reason: EndReason::Stopped, detail: "It was lost soon after it was asked".into() },
                    Err(_) => return,
                },
            };
            if self.clock.mono().since(began) >= GOOD_CONNECTION {
                (failures, failed) = (0, None);
                if end.reason == EndReason::Stopped {
                    continue;
                }
            }
            self.health.send_replace(tells_nothing(&end.detail));
            if failed.replace(end.reason) != Some(end.reason) {
                let (camera, reason) = (self.camera, end.reason.as_str());
                tracing::warn!(%camera, reason, detail = end.detail, "does not tell what it notices; it is asked again");
            }
            let wait = match end.reason {
                // Cameras lock accounts.
                EndReason::Unauthorised => LONGEST,
                _ => FIRST.saturating_mul(1 << failures).min(LONGEST),
            };
            failures = (failures + 1).min(MAX_DOUBLINGS);
            self.clock.sleep(wait).await;
        }
    }

    /// One connection, to its end. `None`: nobody takes what is found any more.
    async fn listen(&mut self, source: Option<&Source>) -> Option<IngestEnd> {
        let Some(source) = source else {
            return Some(IngestEnd { reason: EndReason::Unsupported, detail: "Its address cannot be used".into() });
        };
        let mut messages = match Messages::connect(source, &self.clock, &media::Options::default()).await {
            Ok(messages) => messages,
            Err(end) => return Some(end),
        };
        // Cameras say at the begin how it is. Whether one that does not ever will, nobody knows.
        let mut health = if self.spoke {
            Health::Ok
        } else {
            tells_nothing("It is connected, and has said nothing of movement yet")
        };
        self.health.send_replace(health.clone());
        let (mut rules, mut picture) = (Rules::default(), Picture::default());
        loop {
            let given_up_at = picture.given_up_at();
            let told = tokio::select! {
                document = messages.next() => match document {
                    Ok(document) => {
                        let told = self.told(&document, &mut rules);
                        if self.spoke && health != Health::Ok {
                            health = Health::Ok;
                            self.health.send_replace(Health::Ok);
                        }
                        told
                    }
                    Err(end) => return Some(end),
                },
                () = until(&self.clock, rules.next_at()) => rules.again(self.clock.mono()),
                made = picture.made() => {
                    if let Some((bytes, at)) = made {
                        // It shows what moved until then, and makes it no longer.
                        let last = rules.last().clone();
                        self.find(Told { at: at.min(last.at), ..last }, Some(bytes)).await?;
                    }
                    None
                }
                newest = self.newest.changed(), if picture.is_wanted() => {
                    newest.ok()?;
                    picture.begin(self.make());
                    None
                }
                () = until(&self.clock, given_up_at) => {
                    // None came: the newest one from before is all there is.
                    picture.tries_left = 1;
                    picture.begin(self.make());
                    None
                }
            };
            let Some(told) = told else { continue };
            if rules.moves() && !picture.is_of(told.since) {
                // The next key picture shows it; one from before does not.
                picture = Picture::wanted(told.since);
                self.newest.mark_unchanged();
            }
            picture.given_up_at = (!rules.moves()).then(|| told.at + AFTER_THE_END);
            self.find(told, None).await?;
        }
    }

    /// What a document changes, if it changes anything.
    fn told(&mut self, document: &Bytes, rules: &mut Rules) -> Option<Told> {
        match onvif::notices(document) {
            Ok(notices) => {
                let now = self.clock.mono();
                let movements = notices.iter().filter_map(Movement::of);
                movements.inspect(|_| self.spoke = true).filter_map(|movement| rules.say(movement, now)).last()
            }
            Err(e) => {
                tracing::debug!(camera = %self.camera, error = %e, "a document of a camera's cannot be read");
                None
            }
        }
    }

    async fn find(&self, told: Told, picture: Option<Bytes>) -> Option<()> {
        let Told { at, since, what } = told;
        let objects = what.into_iter().map(str::to_owned).collect();
        self.found.send(Finding { at, since, moving: None, picture, objects }).await.ok()
    }

    /// A JPEG of the newest key picture, made in a process that sees no other, and when it is from.
    fn make(&self) -> BoxFuture<'static, Option<(Bytes, Mono)>> {
        let (coded, stills, clock) = (self.newest.borrow().clone(), self.stills.clone(), self.clock.clone());
        let (at, camera) = (clock.mono(), self.camera);
        async move {
            let (coded, stills) = (coded?, stills?);
            match timeout(&*clock, PICTURE_WITHIN, stills.jpeg(&coded, Some(PICTURE_WIDTH))).await? {
                Ok(jpeg) => Some((jpeg, at)),
                Err(e) => {
                    tracing::debug!(%camera, error = %e, "no picture of what a camera noticed");
                    None
                }
            }
        }
        .boxed()
    }
}

fn tells_nothing(why: &str) -> Health {
    degraded(Reason::NoCameraEvents, Problem::with(ProblemKind::NoCameraEvents, why))
}

/// The one picture of a movement.
#[derive(Default)]
struct Picture {
    /// Since when that moves; `None`: nothing did yet.
    of: Option<Mono>,
    tries_left: u32,
    /// When it moves no more, and no key picture is waited for any more.
    given_up_at: Option<Mono>,
    making: Option<BoxFuture<'static, Option<(Bytes, Mono)>>>,
}

impl Picture {
    fn wanted(of: Mono) -> Self {
        Self { of: Some(of), tries_left: TRIES, ..Self::default() }
    }

    fn is_of(&self, since: Mono) -> bool {
        self.of == Some(since)
    }

    fn is_wanted(&self) -> bool {
        self.tries_left > 0 && self.making.is_none()
    }

    fn given_up_at(&self) -> Option<Mono> {
        self.given_up_at.filter(|_| self.is_wanted())
    }

    fn begin(&mut self, making: BoxFuture<'static, Option<(Bytes, Mono)>>) {
        self.tries_left = self.tries_left.saturating_sub(1);
        self.making = Some(making);
    }

    /// Waits for the one that is being made, or for ever. Cancel safe.
    async fn made(&mut self) -> Option<(Bytes, Mono)> {
        let Some(making) = &mut self.making else { return std::future::pending().await };
        let made = making.await;
        self.making = None;
        if made.is_some() {
            self.tries_left = 0;
        }
        made
    }
}

/// Waits until then, or for ever.
async fn until(clock: &SharedClock, at: Option<Mono>) {
    match at {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
