//! A camera's small stream: connected to while somebody looks, be it for motion, and recorded nowhere.
//!
//! The first viewer's open ring starts the connection, which all viewers share, and it stays for [`LINGER`] after the last one:
//! a page that is turned, or a phone that comes back, finds it warm. The gate comes first: who may not look at the camera makes
//! nobody connect to it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::clock::SharedClock;
use base::footage::{AccessUnit, Fragment, InitSegment, Track};
use base::{CameraId, Mono, Problem, Shutdown};
use media::{EndReason, Ingest, IngestEnd};
use store::StreamSource;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use crate::backoff::Backoff;
use crate::camera::Showed;
use crate::finding::Finding;
use crate::ring::LiveRing;
use crate::watching::Watching;

/// The connection stays for so long after the last viewer.
const LINGER: Duration = Duration::from_secs(10);

/// Where the stream comes from.
#[derive(Clone, PartialEq)]
pub(crate) enum SubPlan {
    /// The camera has none.
    Absent,
    /// Somebody paused the camera: it is left alone.
    Paused,
    /// From this address, which was checked when it was given.
    Connect(StreamSource, Option<Zeroizing<String>>),
}

/// A stream that is connected to on demand.
pub(crate) struct OnDemand {
    pub(crate) ring: Arc<LiveRing>,
    plan: watch::Sender<SubPlan>,
    trouble: Arc<Trouble>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Why the last connection failed; a leaf lock.
#[derive(Default)]
struct Trouble(Mutex<Option<Problem>>);

impl OnDemand {
    /// Starts to wait for viewers. Must be called inside a tokio runtime.
    pub(crate) fn start(
        ring: Arc<LiveRing>,
        watching: Arc<Watching>,
        plan: SubPlan,
        reader: Handle,
        encoders: media::Encoders,
        clock: SharedClock,
        stop: Shutdown,
    ) -> Self {
        let trouble = Arc::<Trouble>::default();
        let (plan, plan_of_task) = watch::channel(plan);
        let connector = Connector {
            camera: watching.camera,
            ring: ring.clone(),
            watching,
            reader,
            plan: plan_of_task,
            trouble: trouble.clone(),
            encoders,
            clock,
            stop,
        };
        let task = Mutex::new(Some(tokio::spawn(connector.run())));
        Self { ring, plan, trouble, task }
    }

    /// The camera has such a stream.
    pub(crate) fn is_there(&self) -> bool {
        *self.plan.borrow() != SubPlan::Absent
    }

    /// Another source is connected to at once, if somebody looks.
    pub(crate) fn set_plan(&self, plan: SubPlan) {
        self.plan.send_if_modified(|old| std::mem::replace(old, plan.clone()) != plan);
    }

    /// Why there is no picture, if the last connection failed.
    pub(crate) fn trouble(&self) -> Option<Problem> {
        self.trouble.lock().clone()
    }

    /// Waits until it has stopped.
    pub(crate) async fn ended(&self) {
        let task = self.task.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(task) = task {
            let _ = task.await; // one that panicked has ended too
        }
    }
}

impl Trouble {
    fn lock(&self) -> MutexGuard<'_, Option<Problem>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

struct Connector {
    camera: CameraId,
    ring: Arc<LiveRing>,
    watching: Arc<Watching>,
    /// Reads from all cameras.
    reader: Handle,
    plan: watch::Receiver<SubPlan>,
    trouble: Arc<Trouble>,
    encoders: media::Encoders,
    clock: SharedClock,
    stop: Shutdown,
}

impl Connector {
    async fn run(mut self) {
        let mut viewers = self.ring.viewers();
        let encoders = self.encoders.clone();
        let fresh = || media::Options { encoders: Some(encoders.clone()), ..media::Options::default() };
        let (mut backoff, mut options, mut known) = (Backoff::default(), fresh(), None);
        let mut finding: Option<Finding> = None;
        while !self.stop.is_triggered() {
            tokio::select! {
                looked_at = viewers.wait_for(|count| *count > 0) => if looked_at.is_err() { break },
                () = self.stop.wait() => break,
            }
            let plan = self.plan.borrow_and_update().clone();
            if known.as_ref() != Some(&plan) {
                // Another source: nothing is known of it.
                (backoff, options) = (Backoff::default(), fresh());
                *self.trouble.lock() = None;
                known = Some(plan.clone());
                finding = None;
            }
            let wait = match plan {
                SubPlan::Absent | SubPlan::Paused => None,
                SubPlan::Connect(row, password) => {
                    let known = match finding.take() {
                        Some(known) => Ok(known),
                        None => Finding::new(&row, password),
                    };
                    let end = match known {
                        Ok(mut known) => {
                            let shown = self.show(&mut known, &options, &mut backoff).await;
                            let known = finding.insert(known);
                            match shown {
                                // As of the main stream: what our own source cannot read another one may.
                                Some((end, came))
                                    if (!came || end.reason == EndReason::Beyond) && known.failed(&end) =>
                                {
                                    continue;
                                }
                                shown => shown.map(|(end, _)| end),
                            }
                        }
                        Err(e) => Some(IngestEnd { reason: EndReason::Unsupported, detail: e.to_string() }),
                    };
                    // Kept over viewers that come and go: a camera is not asked more often because more look.
                    let Some(end) = end else { continue };
                    let wait = backoff.next(end.reason);
                    let (reason, retry_ms) = (end.reason.as_str(), wait.as_millis() as u64);
                    tracing::warn!(camera = %self.camera, reason, detail = end.detail, retry_ms, "the small stream is lost");
                    *self.trouble.lock() = end.problem();
                    Some(wait)
                }
            };
            let rest = async {
                match wait {
                    Some(wait) => self.clock.sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = rest => {}
                changed = self.plan.changed() => if changed.is_err() { break },
                () = self.stop.wait() => break,
            }
        }
        self.ring.end();
    }

    /// One connection. Why it ended and whether pictures came, or `None` if it was ended on purpose. What is found out about
    /// the way to read it is known until the hub stops.
    async fn show(
        &mut self,
        known: &mut Finding,
        options: &media::Options,
        backoff: &mut Backoff,
    ) -> Option<(IngestEnd, bool)> {
        tracing::debug!(camera = %self.camera, "somebody looks at the small stream");
        let (tell, showed) = watch::channel(Showed::default());
        let intake = Intake {
            ring: self.ring.clone(),
            watching: self.watching.clone(),
            clock: self.clock.clone(),
            trouble: self.trouble.clone(),
            showed: tell,
        };
        // What is connected to for as long as the hub looks is read with the rest; a person's first picture does not wait for that.
        let runtime = if self.watching.holds_sub() { self.reader.clone() } else { Handle::current() };
        let ingest =
            match Ingest::start(known.source(), &runtime, self.clock.clone(), options.clone(), Box::new(intake)) {
                Ok(ingest) => ingest,
                Err(e) => return Some((e.into(), false)),
            };
        let unwatched = unwatched(self.ring.viewers(), &self.clock, LINGER);
        let end = tokio::select! {
            end = ingest.ended() => Some(end),
            () = unwatched => None,
            _ = self.plan.changed() => {
                self.plan.mark_changed(); // for who reads it next
                None
            }
            () = self.stop.wait() => None,
        };
        ingest.stop().await;
        self.watching.end_sub();
        self.ring.end();
        let Showed { pictures: came, certificate } = showed.borrow().clone();
        if came {
            backoff.worked();
            known.works(certificate);
        }
        end.map(|end| (end, came))
    }
}

/// Waits until nobody has looked for so long.
async fn unwatched(mut viewers: watch::Receiver<usize>, clock: &SharedClock, linger: Duration) {
    loop {
        if viewers.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        tokio::select! {
            () = clock.sleep(linger) => return,
            _ = viewers.wait_for(|count| *count > 0) => {}
        }
    }
}

/// Takes what the pipeline makes, in the pusher's thread: into the live ring, and to who looks for motion. Never blocks.
struct Intake {
    ring: Arc<LiveRing>,
    watching: Arc<Watching>,
    clock: SharedClock,
    trouble: Arc<Trouble>,
    showed: watch::Sender<Showed>,
}

impl media::Output for Intake {
    fn init(&mut self, init: InitSegment, zero: Mono) {
        let ago = self.clock.mono().since(zero);
        self.watching.begin_sub(&init, zero);
        self.ring.begin(init, self.clock.wall() - jiff::SignedDuration::try_from(ago).unwrap_or_default());
    }
    fn fragment(&mut self, _: Fragment) {}
    fn unit(&mut self, unit: &AccessUnit) {
        if unit.track == Track::Video && !self.showed.borrow().pictures {
            self.showed.send_modify(|showed| showed.pictures = true);
            *self.trouble.lock() = None;
        }
        self.watching.sub_unit(unit);
        self.ring.push(unit.clone());
    }
    fn sound_dropped(&mut self, encoding: &str) {
        tracing::debug!(encoding, "the small stream's sound cannot be shown");
    }
    fn certificate(&mut self, fingerprint: &str) {
        self.showed.send_modify(|showed| showed.certificate = Some(fingerprint.to_owned()));
    }
}
