//! The cameras of the hub: added, changed and removed by people, each with a supervisor of its own.

mod running;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::clock::SharedClock;
use base::footage::{SegmentInfo, StreamName};
use base::fs::FsError;
use base::state::{Health, Reason};
use base::{BootId, CameraId, Problem, ProblemKind, Shutdown};
use footage::{Clocks, Footage, Keeper, Kept};
use store::{AtHome, Camera, Event, MotionSettings, Store, StoreError};
use tokio::sync::{Semaphore, broadcast, mpsc};

use crate::camera::CameraStatus;
use crate::cameras::running::begin_again;
pub(crate) use crate::cameras::running::{Running, connect_to};
use crate::changes::{CameraChange, NewCamera, NewSource};
use crate::finding::{self, Probed};
use crate::kept::Message;
use crate::keys::Keys;
use crate::ledger::Told;
use crate::pace::Paces;
use crate::passwords::{PasswordError, Passwords};
use crate::reader::Reader;
use crate::review::Review;
use crate::ring::LiveRing;
use crate::rules::{self, Notice, Rules};
use crate::space::{Space, StorageOptions, StorageStatus};
use crate::watching::{Watchers, looked_for};
use crate::{epochs, history, kept, recover, space};

/// A disk that is not there is looked for so often.
const DISK_AGAIN: Duration = Duration::from_secs(2);
/// How many cameras may begin to connect at a time.
const TURNS: usize = 16;
/// Longest name, in characters.
const MAX_NAME_CHARS: usize = 64;

/// Something about the cameras failed.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// A person's input cannot be used.
    #[error("refused")]
    Refused(#[source] Problem),
    /// The store failed.
    #[error("the store")]
    Store(#[from] StoreError),
    /// A camera's password could not be kept or found.
    #[error("a camera's password")]
    Password(#[from] PasswordError),
    /// A file could not be read or written.
    #[error("a file")]
    File(#[from] FsError),
    /// The footage tree could not be read or written.
    #[error("the footage")]
    Footage(#[from] footage::DiskError),
    /// The thread that reads from cameras did not start.
    #[error("the thread that reads from cameras")]
    Reader(#[source] std::io::Error),
}

impl From<RecorderError> for Problem {
    fn from(e: RecorderError) -> Self {
        match e {
            RecorderError::Refused(problem) => problem,
            RecorderError::Store(e) => e.into(),
            RecorderError::Footage(e) => (&e).into(),
            RecorderError::Password(_) | RecorderError::File(_) => ProblemKind::FileError.into(),
            RecorderError::Reader(e) => Problem::with(ProblemKind::Internal, format_args!("No thread: {e}")),
        }
    }
}

impl From<ProblemKind> for RecorderError {
    fn from(kind: ProblemKind) -> Self {
        RecorderError::Refused(kind.into())
    }
}

/// What a recorder is made of.
pub struct Parts {
    /// The store.
    pub store: Store,
    /// The footage disk, for finding what a crash left and for key files.
    pub footage: Footage,
    /// The footage writer.
    pub keeper: Arc<Keeper>,
    /// What the writer reports.
    pub reports: mpsc::UnboundedReceiver<Kept>,
    /// The clock.
    pub clock: SharedClock,
    /// Which boot this is.
    pub boot: BootId,
    /// What the clocks of this boot and of those before showed.
    pub clocks: Clocks,
    /// `<data>/secrets`.
    pub secrets: PathBuf,
    /// How many cameras may be added.
    pub max_cameras: usize,
    /// How the footage disk's room is used.
    pub storage: StorageOptions,
    /// Who looks for motion; `None`: nobody.
    pub eyes: Option<vision::Eyes>,
    /// Who makes pictures of what cameras notice themselves; `None`: nobody.
    pub stills: Option<vision::Stills>,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// The cameras and what records them. Clones share everything.
#[derive(Clone)]
pub struct Recorder(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recorder({} cameras)", self.0.lock().len())
    }
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) footage: Footage,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) clock: SharedClock,
    pub(crate) boot: BootId,
    pub(crate) clocks: Clocks,
    passwords: Passwords,
    shutdown: Shutdown,
    running: Mutex<BTreeMap<CameraId, Arc<Running>>>,
    /// Held over every change of the cameras, so that two changes of one camera come after one another.
    pub(crate) changes: tokio::sync::Mutex<()>,
    told: mpsc::UnboundedSender<Message>,
    turns: Arc<Semaphore>,
    reader: Reader,
    pub(crate) encoders: media::Encoders,
    watchers: Watchers,
    notices: broadcast::Sender<Notice>,
    pub(crate) space: Arc<Space>,
    pub(crate) paces: Paces,
    max_cameras: usize,
}

impl Recorder {
    /// Starts every camera. What a crash left in the footage tree is found beside them, not before.
    pub async fn start(parts: Parts) -> Result<Recorder, RecorderError> {
        let (told, reports_of_cameras) = mpsc::unbounded_channel();
        let space = Arc::new(Space::new());
        let watchers = Watchers {
            eyes: parts.eyes,
            stills: parts.stills,
            store: parts.store.clone(),
            footage: parts.footage.clone(),
            space: space.clone(),
            clock: parts.clock.clone(),
            boot: parts.boot,
            news: Watchers::news(),
        };
        let (happens, stop) = (watchers.listen(), parts.shutdown.clone());
        let rules = Rules {
            store: parts.store.clone(),
            clock: parts.clock.clone(),
            clocks: parts.clocks.clone(),
            notices: rules::notices(),
        };
        let inner = Arc::new(Inner {
            encoders: media::Encoders::new(parts.clock.clone()),
            watchers,
            notices: rules.notices.clone(),
            passwords: Passwords::in_folder(&parts.secrets)?,
            store: parts.store,
            footage: parts.footage,
            keeper: parts.keeper,
            clock: parts.clock,
            boot: parts.boot,
            clocks: parts.clocks,
            shutdown: parts.shutdown,
            running: Mutex::default(),
            changes: tokio::sync::Mutex::default(),
            told,
            turns: Arc::new(Semaphore::new(TURNS)),
            reader: Reader::start().map_err(RecorderError::Reader)?,
            space,
            paces: Paces::default(),
            max_cameras: parts.max_cameras,
        });
        // Before anything is opened anew. Their files are looked at when the disk is there.
        let mut open = inner.store.read(|db| db.open_segments()).await?;
        if inner.disk_is_there().await {
            recover::cut_short(&inner, std::mem::take(&mut open)).await?;
        }
        // By what is known now of the segments that were being written.
        if let Err(e) = inner.store.call(|db| db.end_lasting_events(None)).await {
            tracing::error!(problem = %Problem::from(e), "events that lasted when the hub stopped are not ended");
        }
        tokio::spawn(kept::follow(inner.clone(), parts.reports, reports_of_cameras));
        epochs::settle(&inner).await?;
        for camera in inner.store.read(|db| db.cameras()).await? {
            if let Err(e) = inner.begin(&camera).await {
                // One camera's trouble must not keep the others from being recorded; it is tried again.
                tracing::error!(camera = %camera.id, error = &e as &dyn std::error::Error, "cannot be started");
                tokio::spawn(begin_again(inner.clone(), camera.id));
            }
        }
        tokio::spawn(compare(inner.clone(), open));
        tokio::spawn(space::run(inner.clone(), parts.storage));
        tokio::spawn(rules.run(happens, stop));
        Ok(Recorder(inner))
    }

    /// Stops every camera in order. The footage writer still has to be stopped.
    pub async fn stop(&self) {
        let running: Vec<_> = std::mem::take(&mut *self.0.lock()).into_values().collect();
        for camera in &running {
            camera.stop.trigger();
        }
        for camera in running {
            camera.ended().await;
        }
    }

    /// Waits until everything that the footage writer reported is in the store. To be called once the writer has stopped.
    pub async fn followed(&self) {
        let (done, is_done) = tokio::sync::oneshot::channel();
        if self.0.told.send(Message::Stopped(done)).is_ok() {
            let _ = is_done.await; // an error means that nobody follows any more
        }
    }

    /// Events as they begin, are known better, and end.
    pub fn happens(&self) -> broadcast::Receiver<Event> {
        self.0.watchers.listen()
    }

    /// Looks at recorded pictures for motion, with settings that are no camera's yet.
    ///
    /// # Errors
    /// Nobody looks at pictures on this hub.
    pub fn review(&self, settings: &MotionSettings) -> Result<Review, RecorderError> {
        let not_watched = || RecorderError::Refused(ProblemKind::NotWatched.into());
        let eyes = self.0.watchers.eyes.as_ref().ok_or_else(not_watched)?;
        Ok(Review::new(eyes.review(looked_for(settings))))
    }

    /// What rules have people told.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Whether what moves at a camera is noticed.
    pub fn watched(&self, id: CameraId) -> Health {
        self.0.camera(id).map_or(Health::Off, |camera| camera.watching.health())
    }

    /// How many of a camera's pictures were looked at since its motion settings last changed, and how many were dropped.
    pub fn looked(&self, id: CameraId) -> Option<(u64, u64)> {
        self.0.camera(id)?.watching.looked()
    }

    /// What encodes for cameras of this machine.
    pub fn encoders(&self) -> &media::Encoders {
        &self.0.encoders
    }

    /// What a camera's pictures are decoded with to be looked at.
    pub fn decodes_with(&self, id: CameraId) -> Option<vision::Using> {
        self.0.camera(id)?.watching.decodes_with()
    }

    /// How the footage disk is.
    pub fn storage(&self) -> StorageStatus {
        let mut status = self.0.space.status();
        let cameras: Vec<_> = self.0.lock().values().cloned().collect();
        status.loss_bound = cameras.iter().filter_map(|camera| self.loss_bound(camera.shared.id)).max();
        // A disk may look well from outside, and take nothing.
        if status.health == Health::Ok
            && let Some(refuses) = cameras.iter().map(|camera| camera.shared.disk()).find(|disk| *disk != Health::Ok)
        {
            status.health = refuses;
        }
        if let (Health::Ok, Some(bound)) = (&status.health, status.loss_bound) {
            status.health = slow_disk(bound);
        }
        status
    }

    /// Bytes of a camera's footage on the disk.
    pub fn footage_bytes(&self, id: CameraId) -> u64 {
        self.0.space.of(id)
    }

    /// What a power cut would take of a camera's last footage, as measured, where that is more than the 2 seconds that
    /// are promised: its disk is slow.
    pub fn loss_bound(&self, id: CameraId) -> Option<Duration> {
        let camera = self.0.camera(id)?;
        self.0.paces.bound(id, camera.shared.status().pictures, self.0.clock.mono())
    }

    /// All cameras with how they are, in the order they were added.
    pub async fn cameras(&self) -> Result<Vec<(Camera, Option<CameraStatus>)>, RecorderError> {
        let cameras = self.0.store.read(|db| db.cameras()).await?;
        Ok(cameras.into_iter().map(|c| (self.status(c.id), c)).map(|(s, c)| (c, s)).collect())
    }

    /// One camera with how it is.
    pub async fn camera(&self, id: CameraId) -> Result<Option<(Camera, Option<CameraStatus>)>, RecorderError> {
        let camera = self.0.store.read(move |db| db.camera(id)).await?;
        Ok(camera.map(|c| (c, self.status(id))))
    }

    /// How a camera is; `None` if it has no supervisor.
    pub fn status(&self, id: CameraId) -> Option<CameraStatus> {
        self.0.camera(id).map(|c| c.shared.status())
    }

    /// A camera's live ring; to be opened with [`LiveRing::open`].
    pub fn live_ring(&self, id: CameraId) -> Option<Arc<LiveRing>> {
        self.0.camera(id).map(|c| c.shared.ring.clone())
    }

    /// The live ring of one of a camera's streams; likewise. Its small stream is connected to once the ring is open.
    ///
    /// # Errors
    /// There is no such camera, or it has no small stream.
    pub fn live_ring_of(&self, id: CameraId, stream: StreamName) -> Result<Arc<LiveRing>, ProblemKind> {
        let camera = self.0.camera(id).ok_or(ProblemKind::NotFound)?;
        match stream {
            StreamName::Main => Ok(camera.shared.ring.clone()),
            StreamName::Sub if camera.sub.is_there() => Ok(camera.sub.ring.clone()),
            StreamName::Sub => Err(ProblemKind::NoSubStream),
        }
    }

    /// Why one of a camera's streams sends no picture, as far as it is known.
    pub fn no_picture(&self, id: CameraId, stream: StreamName) -> Problem {
        let camera = self.0.camera(id);
        let why = match stream {
            StreamName::Main => camera.and_then(|c| c.shared.status().detail),
            StreamName::Sub => camera.and_then(|c| Some(c.sub.trouble()?.to_string())),
        };
        Problem { kind: ProblemKind::NoPicture, detail: why }
    }

    /// Tries an address without adding it: what the camera there sends.
    pub async fn probe(&self, source: NewSource) -> Result<Probed, RecorderError> {
        finding::probe(&self.0, &source.row()?, source.password).await
    }

    /// Adds a camera: keys first, sealed to the recovery kit on the footage disk and wrapped for every owner, then it is
    /// recorded.
    pub async fn add(&self, new: NewCamera) -> Result<Camera, RecorderError> {
        let _one_at_a_time = self.0.changes.lock().await;
        let inner = &self.0;
        let camera = Camera {
            id: CameraId::new(&*inner.clock),
            name: name(new.name)?,
            main: new.main.row()?,
            sub: new.sub.as_ref().map(NewSource::row).transpose()?,
            created: inner.clock.wall(),
            paused: false,
            paused_until: None,
            while_home: None,
            record_sub: false,
            motion: None,
        };
        let others = inner.store.read(|db| db.cameras()).await?;
        if others.len() >= inner.max_cameras {
            return Err(ProblemKind::TooManyCameras.into());
        }
        unique(&others, &camera)?;
        // Saved before the row: a camera whose row is there is recorded after any crash.
        let passwords = [(StreamName::Main, new.main.password), (StreamName::Sub, new.sub.and_then(|s| s.password))];
        for (stream, password) in passwords {
            if let Some(password) = password {
                inner.passwords.save(camera.id, stream, Some(&password))?;
            }
        }
        if let Err(e) = epochs::first(inner, &camera).await {
            let _ = inner.passwords.remove(camera.id); // of a camera that never was
            return Err(e);
        }
        if let Err(e) = inner.begin(&camera).await {
            tracing::error!(camera = %camera.id, error = &e as &dyn std::error::Error, "cannot be started");
            tokio::spawn(begin_again(inner.clone(), camera.id));
        }
        Ok(camera)
    }

    /// Changes a camera; `None` if there is none. A new source is connected to at once.
    pub async fn change(&self, id: CameraId, change: CameraChange) -> Result<Option<Camera>, RecorderError> {
        let _one_at_a_time = self.0.changes.lock().await;
        let inner = &self.0;
        let cameras = inner.store.read(|db| db.cameras()).await?;
        let Some(mut camera) = cameras.iter().find(|c| c.id == id).cloned() else { return Ok(None) };
        change.pause(&mut camera, inner.clock.wall())?;
        if let Some(motion) = change.motion {
            camera.motion = motion;
        }
        if let Some(new) = change.name {
            camera.name = name(new)?;
            unique(&cameras, &camera)?;
        }
        let mut passwords = Vec::new();
        if let Some(main) = change.main {
            passwords.extend(main.apply(&mut camera.main)?.map(|p| (StreamName::Main, p)));
        }
        match change.sub {
            Some(Some(sub)) => {
                let mut row = camera.sub.take().unwrap_or_default();
                passwords.extend(sub.apply(&mut row)?.map(|p| (StreamName::Sub, p)));
                camera.sub = Some(row);
            }
            Some(None) => {
                camera.sub = None;
                passwords.push((StreamName::Sub, None));
            }
            None => {}
        }
        for (stream, password) in passwords {
            inner.passwords.save(id, stream, password.as_ref().map(|p| p.as_str()))?;
        }
        inner.set(&camera).await?;
        Ok(Some(camera))
    }

    /// Records the cameras again whose pause is over; gives back which.
    pub async fn resume_due(&self) -> Result<Vec<CameraId>, RecorderError> {
        let _one_at_a_time = self.0.changes.lock().await;
        let now = self.0.clock.wall();
        let mut resumed = Vec::new();
        for camera in self.0.store.read(|db| db.cameras()).await? {
            if camera.paused && camera.paused_until.is_some_and(|until| until <= now) {
                self.0.set(&Camera { paused: false, paused_until: None, ..camera.clone() }).await?;
                resumed.push(camera.id);
            }
        }
        Ok(resumed)
    }

    /// Pauses a camera whose pause depends on who is at home, or records it again; `false` if it does not, or is so already.
    pub async fn follow_home(&self, id: CameraId, at_home: bool) -> Result<bool, RecorderError> {
        let _one_at_a_time = self.0.changes.lock().await;
        let camera = self.0.store.read(move |db| db.camera(id)).await?;
        let Some(camera) = camera.filter(|c| c.while_home.is_some() && c.paused != at_home) else { return Ok(false) };
        self.0.set(&Camera { paused: at_home, ..camera }).await?;
        Ok(true)
    }

    /// Ends a pause that depends on a device which no longer counts, and forgets that it did. `false` if the camera's pause
    /// does not depend on this device (any more).
    pub async fn forget_home(&self, id: CameraId, device: &AtHome) -> Result<bool, RecorderError> {
        let _one_at_a_time = self.0.changes.lock().await;
        let camera = self.0.store.read(move |db| db.camera(id)).await?;
        let Some(camera) = camera.filter(|c| c.while_home.as_ref() == Some(device)) else { return Ok(false) };
        self.0.set(&Camera { paused: false, while_home: None, ..camera }).await?;
        Ok(true)
    }

    /// Removes a camera; `false` if there is none. What was recorded stays on the disk until its room is needed, and
    /// the recovery kit opens it.
    pub async fn remove(&self, id: CameraId) -> Result<bool, RecorderError> {
        let _one_at_a_time = self.0.changes.lock().await;
        let removed = self.0.store.urgent(move |db| match db.camera(id)? {
            Some(_) => db.remove_camera(id).map(|()| true),
            None => Ok(false),
        });
        if !removed.await? {
            return Ok(false);
        }
        let running = self.0.lock().remove(&id);
        if let Some(running) = running {
            running.stop.trigger();
            running.ended().await;
            running.shared.ring.close();
            running.sub.ring.close();
        }
        self.0.tell(Told::Removed { camera: id });
        self.0.passwords.remove(id)?;
        Ok(true)
    }

    /// Somebody with a key looked into a segment that a crash had cut short: its row, and the gaps that were thought to
    /// be at its time, are put right.
    pub async fn corrected(&self, before: SegmentInfo, after: SegmentInfo) -> Result<(), RecorderError> {
        let map = self.clock_map();
        let (camera, stream, dated) = (after.camera, after.stream, map.dated(after.clone()));
        let end = dated.truly(before.end.max(after.end)).max(before.end);
        let gaps = self.0.store.read(move |db| history::gap_rows(db, &map, camera, stream, dated.start, end)).await?;
        self.0.tell(Told::Corrected { before, after, gaps });
        Ok(())
    }

    /// Begins a new epoch of a camera: who lost a grant, or holds an exported key, opens nothing recorded from now on.
    pub async fn new_epoch(&self, id: CameraId) -> Result<(), RecorderError> {
        let _one_at_a_time = self.0.changes.lock().await;
        epochs::next(&self.0, id).await
    }

    /// For a change of who holds which keys: while it is held no epoch begins, so that none is wrapped for somebody's old
    /// identity, or for who has just lost a grant.
    pub async fn keys(&self) -> Keys<'_> {
        Keys { inner: &self.0, _one_at_a_time: self.0.changes.lock().await }
    }
}

/// Compares the footage folder with its index, once the right disk is there. `open`: what was being written when the hub
/// stopped and could not be looked at yet.
async fn compare(inner: Arc<Inner>, open: Vec<SegmentInfo>) {
    while !inner.disk_is_there().await {
        tokio::select! {
            () = inner.clock.sleep(DISK_AGAIN) => {}
            () = inner.shutdown.wait() => return,
        }
    }
    let cut = match recover::cut_short(&inner, open).await {
        Ok(cut) => cut,
        Err(e) => {
            tracing::error!(error = &e as &dyn std::error::Error, "what was cut short was not looked at");
            0
        }
    };
    let compared = tokio::task::spawn_blocking(move || recover::compare(&inner)).await;
    match compared.expect("comparing does not panic") {
        Ok(compared) => tracing::info!(cut, ?compared, "the footage folder was compared with its index"),
        Err(e) => tracing::error!(error = &e as &dyn std::error::Error, "the footage folder was not compared"),
    }
}

impl Inner {
    /// Tells the ledger; once nobody follows it any more, nothing.
    pub(crate) fn tell(&self, told: Told) {
        let _ = self.told.send(Message::Told(told));
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.shutdown.is_triggered()
    }

    pub(crate) async fn stopping(&self) {
        self.shutdown.wait().await;
    }

    async fn disk_is_there(&self) -> bool {
        let disk = self.footage.disk().clone();
        tokio::task::spawn_blocking(move || disk.check().is_ok()).await.unwrap_or(false)
    }

    pub(crate) fn camera(&self, id: CameraId) -> Option<Arc<Running>> {
        self.lock().get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CameraId, Arc<Running>>> {
        self.running.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The state of a disk, and of a camera on it, that does not keep what was promised.
pub fn slow_disk(bound: Duration) -> Health {
    let said = format!("Now it is up to {:.1} seconds", bound.as_secs_f64());
    Health::Degraded { reason: Reason::SlowDisk, detail: Problem::with(ProblemKind::SlowDisk, said).to_string() }
}

/// A name that people can read and tell apart.
pub(crate) fn name(name: String) -> Result<String, RecorderError> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || name.trim() != name || name.chars().any(char::is_control) {
        return Err(ProblemKind::BadName.into());
    }
    Ok(name)
}

fn unique(others: &[Camera], camera: &Camera) -> Result<(), RecorderError> {
    match others.iter().any(|o| o.id != camera.id && o.name == camera.name) {
        true => Err(ProblemKind::NameTaken.into()),
        false => Ok(()),
    }
}
