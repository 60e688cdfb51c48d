//! One camera's life: connect, record, lose it, say why, try again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::clock::SharedClock;
use base::footage::{AccessUnit, Fragment, InitSegment, Track};
use base::state::{CameraState, GapReason, Health, Reason};
use base::{CameraId, ConnectionId, Mono, SegmentId, Shutdown, Timestamp};
use footage::StreamWriter;
use media::{EndReason, Ingest, IngestEnd};
use store::StreamSource;
use tokio::sync::{Semaphore, mpsc, watch};
use zeroize::Zeroizing;

use crate::backoff::Backoff;
use crate::finding::{self, Finding, Via};
use crate::kept::Message;
use crate::ledger::Told;
use crate::ring::LiveRing;
use crate::watching::Watching;

/// A camera that begins to connect keeps the others from it for so long, unless it ends sooner: see
/// [`Supervisor::turns`].
const TURN: Duration = Duration::from_millis(250);
/// A connection that sent pictures for so long was a good one: the next failure begins with a short wait, and the camera is
/// still not asked more often than one that never answers.
const GOOD_CONNECTION: Duration = Duration::from_secs(4);
/// Footage synced so recently counts as being recorded: the 2 s of promise 4, and some for a busy machine.
const RECORDING_WITHIN: Duration = Duration::from_secs(5);

/// How a camera is at the moment.
#[derive(Debug, Clone)]
pub struct CameraStatus {
    /// Where it is in its life.
    pub state: CameraState,
    /// Since when.
    pub since: Timestamp,
    /// More words for a person, where there are any.
    pub detail: Option<String>,
    /// Footage reached the disk within the last seconds.
    pub recording: bool,
    /// Parameters of the present or last stream.
    pub init: Option<Arc<InitSegment>>,
    /// End of what is surely on disk.
    pub last_fragment_at: Option<Timestamp>,
    /// Pictures that arrived since the hub started.
    pub pictures: u64,
    /// Connections lost or refused since the hub started.
    pub failures: u64,
    /// Gaps that have ended since the hub started, by reason.
    pub gaps: BTreeMap<GapReason, GapTally>,
    /// The camera's sound is in this encoding, which cannot be kept.
    pub sound_dropped: Option<String>,
    /// In which way it is read, or was the last time that it was tried.
    pub via: Option<Via>,
}

/// Gaps of one reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GapTally {
    /// How many.
    pub count: u64,
    /// How long, all together.
    pub total: Duration,
}

/// What a person decided about a camera; a change wakes its supervisor.
#[derive(Clone, PartialEq)]
pub(crate) enum Plan {
    /// Record from this address, which was checked when it was given.
    Record(StreamSource, Option<Zeroizing<String>>),
    /// Leave it alone.
    Pause,
}

/// What the supervisor, the pusher's thread and the readers of a camera's state share.
///
/// Lock order: `status` is a leaf; nothing is awaited and no I/O is done under it.
pub(crate) struct Shared {
    pub(crate) id: CameraId,
    pub(crate) ring: Arc<LiveRing>,
    status: Mutex<Status>,
    clock: SharedClock,
}

struct Status {
    state: CameraState,
    since: Timestamp,
    detail: Option<String>,
    init: Option<Arc<InitSegment>>,
    synced: Option<Synced>,
    /// When it began to record: a sync from before says nothing of now.
    recording_from: Mono,
    pictures: u64,
    failures: u64,
    gaps: BTreeMap<GapReason, GapTally>,
    sound_dropped: Option<String>,
    /// What was wrong with the disk the last time that footage was not written, if it was the disk.
    refused: Option<Reason>,
    via: Option<Via>,
}

/// How far the footage on disk reaches.
#[derive(Clone, Copy)]
struct Synced {
    segment: SegmentId,
    end: Timestamp,
    at: Mono,
}

impl Shared {
    pub(crate) fn new(id: CameraId, ring: Arc<LiveRing>, clock: SharedClock) -> Self {
        let status = Status {
            state: CameraState::Connecting,
            since: clock.wall(),
            detail: None,
            init: None,
            synced: None,
            recording_from: Mono::default(),
            pictures: 0,
            failures: 0,
            gaps: BTreeMap::new(),
            sound_dropped: None,
            refused: None,
            via: None,
        };
        Self { id, ring, status: Mutex::new(status), clock }
    }

    /// Up to where a segment that the store does not know to be closed is on disk; `None` if nothing of it is: the last
    /// sync was of one before it.
    pub(crate) fn synced_of(&self, segment: SegmentId) -> Option<Timestamp> {
        self.lock().synced.filter(|synced| segment <= synced.segment).map(|synced| synced.end)
    }

    pub(crate) fn status(&self) -> CameraStatus {
        let now = self.clock.mono();
        let s = self.lock();
        CameraStatus {
            state: s.state,
            since: s.since,
            detail: s.detail.clone(),
            recording: s.state == CameraState::Recording
                && s.synced
                    .is_some_and(|synced| synced.at >= s.recording_from && now.since(synced.at) <= RECORDING_WITHIN),
            init: s.init.clone(),
            last_fragment_at: s.synced.map(|synced| synced.end),
            pictures: s.pictures,
            failures: s.failures,
            gaps: s.gaps.clone(),
            sound_dropped: s.sound_dropped.clone(),
            via: s.via.clone(),
        }
    }

    /// Footage up to `end`, in this segment, is on disk.
    pub(crate) fn synced(&self, segment: SegmentId, end: Timestamp) {
        let mut s = self.lock();
        if s.state == CameraState::NotWriting {
            self.set(&mut s, CameraState::Recording, None);
        }
        s.synced = Some(Synced { segment, end, at: self.clock.mono() });
    }

    /// A gap has ended, or (`new` is false) one that had ended went on for so long.
    pub(crate) fn gap(&self, reason: GapReason, new: bool, length: Duration) {
        let mut s = self.lock();
        let tally = s.gaps.entry(reason).or_default();
        tally.count += u64::from(new);
        tally.total += length;
    }

    /// The disk did not take the footage.
    pub(crate) fn not_writing(&self, reason: Option<Reason>, detail: String) {
        let mut s = self.lock();
        s.refused = reason;
        // What fails while the last segment of a paused or lost camera is closed says nothing of the camera.
        if s.state == CameraState::Recording {
            self.set(&mut s, CameraState::NotWriting, Some(detail));
        }
    }

    /// What is wrong with the disk, as far as this camera's footage tells.
    pub(crate) fn disk(&self) -> Health {
        let s = self.lock();
        match (s.state, s.refused, &s.detail) {
            (CameraState::NotWriting, Some(reason), Some(detail)) => {
                Health::Degraded { reason, detail: detail.clone() }
            }
            _ => Health::Ok,
        }
    }

    /// A connection is tried. States that say why the last one failed stay until it works.
    fn connecting(&self, via: Via) {
        let mut s = self.lock();
        s.sound_dropped = None;
        s.via = Some(via);
        if matches!(s.state, CameraState::Paused | CameraState::Recording | CameraState::NotWriting) {
            self.set(&mut s, CameraState::Connecting, None);
        }
    }

    fn set(&self, s: &mut Status, state: CameraState, detail: Option<String>) {
        if s.state != state {
            tracing::info!(camera = %self.id, from = ?s.state, to = ?state, detail, "camera");
            s.since = self.clock.wall();
            if state == CameraState::Recording {
                s.recording_from = self.clock.mono();
            }
        }
        s.state = state;
        s.detail = detail;
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Records one camera until the hub stops or the camera is removed.
pub(crate) struct Supervisor {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plan: watch::Receiver<Plan>,
    pub(crate) writer: StreamWriter,
    pub(crate) watching: Arc<Watching>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) encoders: media::Encoders,
    pub(crate) clock: SharedClock,
    pub(crate) shutdown: Shutdown,
    pub(crate) told: mpsc::UnboundedSender<Message>,
    /// The last connection.
    pub(crate) connection: Option<ConnectionId>,
    /// It was recorded before the hub started.
    pub(crate) recorded_before: bool,
    /// Shared by all cameras: only so many begin to connect at a time, for [`TURN`] each. When all come back at once, the
    /// hub and the network are not asked for everything in one instant, and a silent camera holds nobody up.
    pub(crate) turns: Arc<Semaphore>,
}

impl Supervisor {
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(self.recorded_before);
        let mut options = self.fresh();
        let mut finding: Option<Finding> = None;
        // How the first of several ways ended.
        let mut first: Option<IngestEnd> = None;
        while !self.shutdown.is_triggered() {
            let plan = self.plan.borrow_and_update().clone();
            let wait = match plan {
                Plan::Pause => {
                    self.paused();
                    None
                }
                Plan::Record(row, password) => {
                    if finding.as_ref().is_some_and(|last| !last.is_of(&row, &password)) {
                        // Another source: nothing is known of it.
                        (backoff, options) = (Backoff::default(), self.fresh());
                        finding = None;
                    }
                    let known = match finding.take() {
                        Some(known) => Ok(known),
                        None => Finding::new(&row, password),
                    };
                    let end = match known {
                        Ok(mut known) => {
                            known.see(&row);
                            let end = self.record(&row, &mut known, &options, &mut backoff).await;
                            let known = finding.insert(known);
                            match end {
                                // Beyond our own source is also what goes wrong only after a while.
                                Some((end, came))
                                    if (!came || end.reason == EndReason::Beyond) && known.failed(&end) =>
                                {
                                    let (way, detail) = (known.via().way.as_str(), &end.detail);
                                    tracing::info!(camera = %self.shared.id, way, detail, "is tried in another way");
                                    first.get_or_insert(end);
                                    continue;
                                }
                                end => end.map(|(end, came)| {
                                    if came {
                                        known.ended();
                                    }
                                    let first = first.take().filter(|_| !came);
                                    finding::most_telling(first, end)
                                }),
                            }
                        }
                        Err(e) => Some(IngestEnd { reason: EndReason::Unsupported, detail: e.to_string() }),
                    };
                    let Some(end) = end else { continue }; // the plan changed, or the hub stops
                    let wait = backoff.next(end.reason);
                    self.lost(&end, wait);
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
                () = self.shutdown.wait() => {}
            }
        }
        self.writer.end();
        self.shared.ring.end();
    }

    /// For a source of which nothing is known.
    fn fresh(&self) -> media::Options {
        media::Options { encoders: Some(self.encoders.clone()), ..media::Options::default() }
    }

    /// One connection, from its start to its end. Why it ended and whether pictures came, or `None` if it was ended on
    /// purpose.
    async fn record(
        &mut self,
        row: &StreamSource,
        known: &mut Finding,
        options: &media::Options,
        backoff: &mut Backoff,
    ) -> Option<(IngestEnd, bool)> {
        self.shared.connecting(known.via());
        let mut turn = tokio::select! {
            turn = self.turns.clone().acquire_owned() => turn.ok(),
            _ = self.plan.changed() => return None,
            () = self.shutdown.wait() => return None,
        };
        let mut its_turn = self.clock.sleep(TURN);
        let pictures = self.shared.lock().pictures;
        let began = self.clock.mono();
        let connection = ConnectionId::new(&*self.clock);
        self.connection = Some(connection);
        let (tell, mut showed) = watch::channel(Showed::default());
        let intake = Intake {
            shared: self.shared.clone(),
            writer: self.writer.clone(),
            watching: self.watching.clone(),
            connection,
            showed: tell,
        };
        let clock = self.clock.clone();
        let ingest = match Ingest::start(known.source(), &self.runtime, clock, options.clone(), Box::new(intake)) {
            Ok(ingest) => ingest,
            Err(e) => return Some((e.into(), false)),
        };
        let end = loop {
            tokio::select! {
                end = ingest.ended() => break Some(end),
                _ = self.plan.changed() => break None,
                () = self.shutdown.wait() => break None,
                () = &mut its_turn, if turn.is_some() => drop(turn.take()),
                Ok(()) = showed.changed() => {
                    let certificate = showed.borrow_and_update().certificate.clone();
                    if let Some(learnt) = known.works(certificate) {
                        // Nobody listens only while the hub stops.
                        let _ = self.told.send(Message::Learnt(self.shared.id, row.clone(), learnt));
                    }
                }
            }
        };
        drop(turn);
        ingest.stop().await;
        self.watching.end();
        self.writer.end();
        self.shared.ring.end();
        let came = self.shared.lock().pictures > pictures;
        if came {
            backoff.worked();
            if self.clock.mono().since(began) >= GOOD_CONNECTION {
                backoff.reset();
            }
        }
        end.map(|end| (end, came))
    }

    fn lost(&self, end: &IngestEnd, wait: Duration) {
        let (state, gap) = match end.reason {
            EndReason::Stopped | EndReason::Closed | EndReason::Unreachable | EndReason::Error => {
                (CameraState::Unreachable, GapReason::CameraLost)
            }
            EndReason::Stalled => (CameraState::Stalled, GapReason::CameraStalled),
            EndReason::Unauthorised => (CameraState::Unauthorised, GapReason::CameraUnauthorised),
            EndReason::Unsupported | EndReason::NoTransport | EndReason::Beyond | EndReason::Missing => {
                (CameraState::Unsupported, GapReason::CameraUnsupported)
            }
            EndReason::Untrusted => (CameraState::Untrusted, GapReason::CameraUnauthorised),
            EndReason::Broken | EndReason::Encoder => (CameraState::Broken, GapReason::CameraBroken),
        };
        let retry_ms = wait.as_millis() as u64;
        tracing::warn!(camera = %self.shared.id, reason = end.reason.as_str(), detail = end.detail, retry_ms, "camera lost");
        self.tell(gap);
        let mut s = self.shared.lock();
        s.failures += 1;
        self.shared.set(&mut s, state, end.problem().map(|p| p.to_string()));
    }

    fn paused(&self) {
        self.tell(GapReason::Paused);
        self.shared.set(&mut self.shared.lock(), CameraState::Paused, None);
    }

    fn tell(&self, reason: GapReason) {
        let told = Told::Lost { camera: self.shared.id, connection: self.connection, reason };
        let _ = self.told.send(Message::Told(told)); // nobody listens only while the hub stops
    }
}

/// Takes what the pipeline makes, in the pusher's thread: into the live ring, towards the disk, and to who looks for motion.
/// Never blocks.
struct Intake {
    shared: Arc<Shared>,
    writer: StreamWriter,
    watching: Arc<Watching>,
    connection: ConnectionId,
    showed: watch::Sender<Showed>,
}

/// What a connection has shown of its camera, for who supervises it.
#[derive(Clone, Default)]
pub(crate) struct Showed {
    pub(crate) pictures: bool,
    /// The fingerprint of what it showed as its own.
    pub(crate) certificate: Option<String>,
}

impl media::Output for Intake {
    fn init(&mut self, init: InitSegment, zero: Mono) {
        let clock = &self.shared.clock;
        let ago = clock.mono().since(zero);
        self.writer.begin(init.clone(), self.connection, zero);
        self.watching.begin(&init, zero);
        self.shared.ring.begin(init.clone(), clock.wall() - jiff::SignedDuration::try_from(ago).unwrap_or_default());
        self.shared.lock().init = Some(Arc::new(init));
    }

    fn fragment(&mut self, fragment: Fragment) {
        // What does not fit is dropped by the writer and comes back as Kept::Dropped.
        let _ = self.writer.push(fragment);
    }

    fn unit(&mut self, unit: &AccessUnit) {
        if unit.track == Track::Video {
            let mut s = self.shared.lock();
            s.pictures += 1;
            if !matches!(s.state, CameraState::Recording | CameraState::NotWriting) {
                self.shared.set(&mut s, CameraState::Recording, None);
            }
            drop(s);
            self.showed.send_if_modified(|showed| !std::mem::replace(&mut showed.pictures, true));
        }
        self.watching.unit(unit);
        self.shared.ring.push(unit.clone());
    }

    fn sound_dropped(&mut self, encoding: &str) {
        tracing::warn!(camera = %self.shared.id, encoding, "sound cannot be kept");
        self.shared.lock().sound_dropped = Some(encoding.to_owned());
    }

    fn certificate(&mut self, fingerprint: &str) {
        self.showed.send_modify(|showed| showed.certificate = Some(fingerprint.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use base::Clock;

    use super::*;

    #[test]
    fn a_segment_of_which_nothing_is_on_disk_has_no_end() {
        let sim = base::SimClock::default();
        let segment = || {
            sim.advance(Duration::from_secs(60));
            SegmentId::new(&sim)
        };
        let (before, synced, begun) = (segment(), segment(), segment());
        let id = CameraId::new(&sim);
        let epoch = vault::EpochSecrets::generate(base::EpochId::new(&sim), id).public();
        let camera = Shared::new(id, Arc::new(LiveRing::new(id, &epoch)), Arc::new(sim.clone()));
        assert_eq!(camera.synced_of(synced), None);
        let end = sim.wall();
        camera.synced(synced, end);
        assert_eq!(camera.synced_of(synced), Some(end));
        assert_eq!(camera.synced_of(before), Some(end), "its row is closed a moment later");
        assert_eq!(camera.synced_of(begun), None);
    }
}
