//! The handle that everybody holds.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use base::state::Health;
use base::{HubId, SharedClock};
use tokio::sync::{mpsc, oneshot};

use crate::db::Db;
use crate::durable::is_durable;
use crate::engine::{Engine, EngineError, SledEngine};
use crate::error::StoreError;
use crate::folder::{Folder, Mark};
use crate::worker::{Call, Message, Opener, Ran, Worker, chain};

/// The event store. Cheap to clone; all clones talk to one storage thread, which owns the engine.
///
/// Every call is a closure over [`Db`] and is atomic. The futures may be dropped: a call that was handed over runs all
/// the same. When the last clone goes, what waits is made durable and the files are closed before `drop` returns.
#[derive(Clone)]
pub struct Store(Arc<Handle>);

/// When a call's changes become durable, and with that when it is acknowledged. Waiting changes share one flush: what
/// waits lazily becomes durable with whatever is flushed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// At once.
    Now,
    /// Within 100 ms.
    Group,
    /// Within 30 s: for rows that are found again in the footage, such as those of segments, since each flush costs the card
    /// some 40 KB with its file system's journal.
    Lazy,
}

impl Durability {
    fn window(self) -> Duration {
        match self {
            Durability::Now => Duration::ZERO,
            Durability::Group => Duration::from_millis(100),
            Durability::Lazy => Duration::from_secs(30),
        }
    }
}

/// How much the store may take.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of the engine's page cache, as it counts them: in memory its pages take about twice as much.
    pub cache_bytes: u64,
    /// Bytes of a file that is deleted when the disk is full; 0 for none.
    pub ballast_bytes: u64,
    /// Rows of history that are compared with what was written before the store is open; the rest is compared beside the
    /// calls, since recording begins with the store.
    pub count_at_open: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 16 << 20, ballast_bytes: 64 << 20, count_at_open: 100_000 }
    }
}

/// Calls that may wait for the storage thread.
const MAX_QUEUE: usize = 4096;

impl Store {
    /// Opens or creates the store in `dir`, of one hub. Blocks until the engine has recovered.
    ///
    /// # Errors
    /// [`StoreError::Unsafe`], [`StoreError::Busy`], [`StoreError::Foreign`] and [`StoreError::Newer`] say why it was not
    /// touched; with [`StoreError::is_damage`] it must be set aside and rebuilt.
    pub fn open(dir: &Path, hub: HubId, clock: SharedClock) -> Result<Store, StoreError> {
        Self::open_with(dir, hub, clock, Options::default())
    }

    /// [`Store::open`] with other sizes.
    pub fn open_with(dir: &Path, hub: HubId, clock: SharedClock, options: Options) -> Result<Store, StoreError> {
        let folder = Folder::open(dir)?;
        let files = folder.engine_dir();
        let opener = move || Ok(Box::new(SledEngine::open(&files, options.cache_bytes)?) as Box<dyn Engine>);
        Self::start(folder, hub, clock, options, Box::new(opener))
    }

    /// A store over another engine, whose opener is called again after each failure. `dir` holds the lock and the mark.
    pub fn with_engine(
        dir: &Path,
        hub: HubId,
        clock: SharedClock,
        options: Options,
        opener: impl FnMut() -> Result<Box<dyn Engine>, EngineError> + Send + 'static,
    ) -> Result<Store, StoreError> {
        Self::start(Folder::open(dir)?, hub, clock, options, Box::new(opener))
    }

    /// Whose store lies in a folder, by what the folder says of itself; `None` if it does not say. Opens nothing.
    pub fn whose(dir: &Path) -> Option<HubId> {
        Mark::peek(dir).map(|mark| mark.hub)
    }

    /// Runs a call; answers when what it changed is durable, within 100 ms.
    pub async fn call<T, F>(&self, call: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.submit(Durability::Group, call).await
    }
    /// [`Store::call`], durable at once: for what somebody waits for.
    pub async fn urgent<T, F>(&self, call: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.submit(Durability::Now, call).await
    }
    /// Runs a call that only reads. It sees what was written before it, durable or not.
    pub async fn read<T, F>(&self, call: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.submit_read(call).await
    }
    /// [`Store::call`] for a thread that may block.
    pub fn call_blocking<T, F>(&self, call: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.submit(Durability::Group, call).wait()
    }
    /// [`Store::urgent`] for a thread that may block.
    pub fn urgent_blocking<T, F>(&self, call: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.submit(Durability::Now, call).wait()
    }
    /// [`Store::read`] for a thread that may block.
    pub fn read_blocking<T, F>(&self, call: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.submit_read(call).wait()
    }

    /// Hands a call over without waiting, from any thread. It runs even if the answer is dropped; an error that nobody
    /// waits for is logged.
    pub fn submit<T, F>(&self, durability: Durability, call: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.send(Some(durability.window()), |db| db.run(call))
    }

    /// How the store is: degraded while its engine cannot be opened again.
    pub fn health(&self) -> Health {
        self.0.health.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Makes everything durable, lets go of the files, and answers then. Later calls of any clone answer
    /// [`StoreError::Closed`].
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        let Some(jobs) = &self.0.jobs else { return };
        if jobs.send(Message::Close(done)).await.is_ok() {
            let _ = closed.await; // an error means that the thread has ended, which is what we wait for
        }
    }
    /// [`Store::close`] for a thread that may block.
    pub fn close_blocking(&self) {
        futures::executor::block_on(self.close());
    }

    fn submit_read<T, F>(&self, call: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    {
        self.send(None, |db| call(db))
    }

    fn send<T, F>(&self, window: Option<Duration>, call: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Db) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, pending) = oneshot::channel();
        let run = move |db: Result<&mut Db, StoreError>| {
            let result = db.and_then(call);
            let failed = result.is_err();
            let reply = move |durable: Result<(), StoreError>| {
                let unheard = answer.send(result.and_then(|value| durable.map(|()| value)));
                if let Err(Err(error)) = unheard {
                    tracing::warn!(error = %chain(&error), "a call of the store failed, and nobody waited for it");
                }
            };
            Ran { failed, reply: Box::new(reply) }
        };
        let sent = match &self.0.jobs {
            Some(jobs) => jobs.try_send(Message::Call(Call { window, run: Box::new(run) })),
            None => return Pending(Err(Some(StoreError::Closed))),
        };
        match sent {
            Ok(()) => Pending(Ok(pending)),
            Err(mpsc::error::TrySendError::Full(_)) => Pending(Err(Some(StoreError::Overloaded))),
            Err(mpsc::error::TrySendError::Closed(_)) => Pending(Err(Some(StoreError::Closed))),
        }
    }

    fn start(
        folder: Folder,
        hub: HubId,
        clock: SharedClock,
        options: Options,
        opener: Opener,
    ) -> Result<Self, StoreError> {
        if !is_durable() {
            return Err(StoreError::Unsafe);
        }
        let health = Arc::new(Mutex::new(Health::Ok));
        let (jobs, queue) = mpsc::channel(MAX_QUEUE);
        let (opened, opening) = std::sync::mpsc::channel();
        let mut worker = Worker {
            folder: Arc::new(folder),
            opener,
            hub,
            clock,
            ballast_bytes: options.ballast_bytes,
            count_at_open: options.count_at_open,
            health: health.clone(),
            retired: None,
        };
        let thread = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            match runtime.map_err(|e| base::fs::FsError::on("start a thread for", worker.folder.dir())(e).into()) {
                Err(e) => drop(opened.send(Err(e))),
                Ok(runtime) => match runtime.block_on(worker.open()) {
                    Err(e) => {
                        drop(worker); // lets go of the lock first
                        drop(opened.send(Err(e)));
                    }
                    Ok(store) => {
                        drop(opened.send(Ok(())));
                        runtime.block_on(worker.run(store, queue));
                    }
                },
            }
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(thread);
        let thread = thread.map_err(base::fs::FsError::on("start a thread for", Path::new("the store")))?;
        opening.recv().unwrap_or(Err(StoreError::Panicked))?;
        Ok(Store(Arc::new(Handle { jobs: Some(jobs), thread: Some(thread), health })))
    }
}

/// The answer of a call that was handed over: wait for it as a future, or with [`Pending::wait`].
#[must_use = "it says whether the call became durable; drop it explicitly if that does not matter"]
pub struct Pending<T>(Result<oneshot::Receiver<Result<T, StoreError>>, Option<StoreError>>);

impl<T> Pending<T> {
    /// Blocks until the answer is there.
    pub fn wait(self) -> Result<T, StoreError> {
        futures::executor::block_on(self)
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(answer) => Pin::new(answer).poll(context).map(|answer| answer.unwrap_or(Err(StoreError::Panicked))),
            Err(refused) => Poll::Ready(Err(refused.take().unwrap_or(StoreError::Closed))),
        }
    }
}

struct Handle {
    jobs: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    health: Arc<Mutex<Health>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.jobs = None; // the thread flushes and ends
        let Some(thread) = self.thread.take() else { return };
        // The last clone may have been in a call: then the thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the storage thread panicked");
        }
    }
}
