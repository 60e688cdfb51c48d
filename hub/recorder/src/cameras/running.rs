//! A camera that runs: how it begins, and what its row makes its supervisor do.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::footage::StreamName;
use base::{CameraId, Shutdown};
use media::Source;
use store::{By, Camera, Gap, Learnt, StoreError, StreamSource};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

use super::{Inner, RecorderError};
use crate::camera::{Plan, Shared, Supervisor};
use crate::finding::refused;
use crate::ledger::Told;
use crate::ondemand::{OnDemand, SubPlan};
use crate::ring::LiveRing;
use crate::watching::{Wanted, Watching};
use crate::{epochs, history};

/// A camera that could not be started is tried again so often.
const BEGIN_AGAIN: Duration = Duration::from_secs(10);

/// A camera that has a supervisor.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) writer: footage::StreamWriter,
    /// Its small stream.
    pub(crate) sub: OnDemand,
    pub(crate) watching: Arc<Watching>,
    pub(crate) plan: watch::Sender<Plan>,
    pub(super) stop: Shutdown,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// Tries to start a camera until it works, it is gone, or the hub stops.
pub(super) async fn begin_again(inner: Arc<Inner>, id: CameraId) {
    loop {
        tokio::select! {
            () = inner.clock.sleep(BEGIN_AGAIN) => {}
            () = inner.shutdown.wait() => return,
        }
        let _one_at_a_time = inner.changes.lock().await;
        let Ok(camera) = inner.store.read(move |db| db.camera(id)).await else { continue };
        let Some(camera) = camera.filter(|_| inner.camera(id).is_none()) else { return };
        match inner.begin(&camera).await {
            Ok(()) => return,
            Err(e) => tracing::error!(camera = %id, error = &e as &dyn std::error::Error, "still cannot be started"),
        }
    }
}

impl Inner {
    /// Keeps a camera's row, and has its supervisor do as it says.
    pub(super) async fn set(&self, camera: &Camera) -> Result<(), RecorderError> {
        let row = camera.clone();
        self.store.urgent(move |db| db.update_camera(&row)).await?;
        match self.camera(camera.id) {
            // A change of the name alone leaves the connection as it is.
            Some(running) => {
                let plan = self.plan(camera)?;
                if running.plan.send_if_modified(|old| std::mem::replace(old, plan.clone()) != plan) {
                    running.watching.end(); // what it is asked now, it is asked once it is recorded so
                }
                running.sub.set_plan(self.sub_plan(camera));
                running.watching.set(self.wanted(camera));
                Ok(())
            }
            None => self.begin(camera).await,
        }
    }

    /// Starts a camera's supervisor.
    pub(super) async fn begin(&self, camera: &Camera) -> Result<(), RecorderError> {
        let id = camera.id;
        let epoch = epochs::current(self, id).await?;
        let [ring, sub] = [(); 2].map(|()| Arc::new(LiveRing::new(id, &epoch)));
        let writer = self.keeper.stream(id, StreamName::Main, epoch.clone());
        let shared = Arc::new(Shared::new(id, ring, self.clock.clone()));
        let (plan, plan_of_supervisor) = watch::channel(self.plan(camera)?);
        let stop = self.shutdown.child();
        let map = self.clocks.map();
        let (end, open_gaps) = self
            .store
            .read(move |db| {
                let stream = StreamName::Main;
                let open = db.open_gaps()?.into_iter().filter(|g| g.camera == id && g.stream == stream);
                let resumed = |gap: Gap| {
                    let resumed = history::first_after(db, &map, id, stream, map.truly(gap.start_stamp, gap.start))?;
                    Ok((gap, resumed.map(|s| (s.row.start, s.row.stamp))))
                };
                let open = open.map(resumed).collect::<Result<Vec<_>, StoreError>>()?;
                let last = history::last(db, &map, id, stream)?;
                Ok((last.map(|s| (s.row.end, s.row.end_stamp())), open))
            })
            .await?;
        let watching = Watching::new(id, sub.clone(), epoch, self.watchers.clone(), stop.clone());
        watching.set(self.wanted(camera));
        let supervisor = Supervisor {
            shared: shared.clone(),
            watching: watching.clone(),
            plan: plan_of_supervisor,
            writer: writer.clone(),
            runtime: self.reader.handle(),
            encoders: self.encoders.clone(),
            clock: self.clock.clone(),
            shutdown: stop.clone(),
            told: self.told.clone(),
            connection: None,
            recorded_before: end.is_some(),
            turns: self.turns.clone(),
        };
        self.tell(Told::Begun { camera: id, end, open_gaps });
        let task = Mutex::new(Some(tokio::spawn(supervisor.run())));
        let (reader, encoders, clock) = (self.reader.handle(), self.encoders.clone(), self.clock.clone());
        let plan_of_sub = self.sub_plan(camera);
        let sub = OnDemand::start(sub, watching.clone(), plan_of_sub, reader, encoders, clock, stop.clone());
        self.lock().insert(id, Arc::new(Running { shared, writer, sub, watching, plan, stop, task }));
        Ok(())
    }

    fn plan(&self, camera: &Camera) -> Result<Plan, RecorderError> {
        if camera.paused {
            return Ok(Plan::Pause);
        }
        Ok(Plan::Record(camera.main.clone(), self.passwords.load(camera.id, StreamName::Main)?))
    }

    /// Whatever is wrong with the small stream, the camera is recorded.
    fn sub_plan(&self, camera: &Camera) -> SubPlan {
        match &camera.sub {
            None => SubPlan::Absent,
            Some(_) if camera.paused => SubPlan::Paused,
            Some(sub) => match self.passwords.load(camera.id, StreamName::Sub) {
                Ok(password) => SubPlan::Connect(sub.clone(), password),
                Err(e) => {
                    tracing::error!(camera = %camera.id, error = &e as &dyn std::error::Error, "no small stream");
                    SubPlan::Absent
                }
            },
        }
    }

    /// What is to be noticed at a camera, if anything is: one that is paused is left alone.
    fn wanted(&self, camera: &Camera) -> Option<Wanted> {
        let settings = camera.motion.clone().filter(|_| !camera.paused)?;
        let told_at = (settings.by == By::Camera).then(|| {
            let password = self.passwords.load(camera.id, StreamName::Main).unwrap_or_else(|e| {
                tracing::error!(camera = %camera.id, error = &e as &dyn std::error::Error, "no password");
                None
            });
            // What was learnt of the way to read it is not of it.
            (StreamSource { learnt: Learnt::default(), ..camera.main.clone() }, password)
        });
        Some(Wanted { settings, told_at })
    }
}

impl Running {
    pub(super) async fn ended(&self) {
        let task = self.task.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
        if let Some(task) = task {
            let _ = task.await; // a supervisor that panicked has ended too
        }
        self.sub.ended().await;
    }
}

/// A source to connect to, from its row and password.
pub(crate) fn connect_to(row: &StreamSource, password: Option<Zeroizing<String>>) -> Result<Source, RecorderError> {
    let credentials = (row.username.is_some() || password.is_some()).then(|| {
        // Some cameras take a password for an empty name.
        let (name, password) = (row.username.as_deref().unwrap_or(""), password.as_deref().map_or("", |p| p.as_str()));
        media::Credentials::new(name, password)
    });
    Source::parse(&row.url, credentials).map_err(refused)
}
