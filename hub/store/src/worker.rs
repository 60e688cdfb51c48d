//! The storage thread: the only one that touches the engine.
//!
//! Calls run one after the other. What they change waits in memory until the first of the waiting calls is due; then all
//! of it is written as one batch, made durable with one flush, and only then acknowledged. After any error of the
//! engine its handle is dropped, everybody who waits is told, and it is opened again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::state::{Health, Reason};
use base::{HubId, Mono, Problem, SharedClock};
use tokio::sync::{mpsc, oneshot};

use crate::db::Db;
use crate::engine::{Engine, EngineError, KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::folder::{Commits, Folder};
use crate::hub::FORMAT;

/// Opens the engine, and again after it failed.
pub(crate) type Opener = Box<dyn FnMut() -> Result<Box<dyn Engine>, EngineError> + Send>;

pub(crate) enum Message {
    Call(Call),
    Close(oneshot::Sender<()>),
}

pub(crate) struct Call {
    /// How long its changes may wait to be made durable; `None` if it only reads.
    pub(crate) window: Option<Duration>,
    pub(crate) run: Run,
}

/// A call has run.
pub(crate) struct Ran {
    /// It answered an error: nothing was changed.
    pub(crate) failed: bool,
    /// Answers the caller; an error says that what was changed did not become durable.
    pub(crate) reply: Reply,
}

/// Is given the store, or why there is none.
type Run = Box<dyn FnOnce(Result<&mut Db, StoreError>) -> Ran + Send>;
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

pub(crate) struct Worker {
    pub(crate) folder: Arc<Folder>,
    pub(crate) opener: Opener,
    pub(crate) hub: HubId,
    pub(crate) clock: SharedClock,
    pub(crate) ballast_bytes: u64,
    pub(crate) count_at_open: u64,
    pub(crate) health: Arc<Mutex<Health>>,
    /// Says when the last engine that was dropped is gone.
    pub(crate) retired: Option<oneshot::Receiver<()>>,
}

/// An open store.
pub(crate) struct Opened {
    db: Db,
    commits: Commits,
}

/// Calls that queue up behind one that is due are run before the flush, to share it: at most so many.
const MAX_SHARE: usize = 256;
/// What waits is flushed early when it is more than this.
const MAX_WAITING_ROWS: usize = 2_000;
const MAX_WAITING_BYTES: usize = 1 << 20;
/// The number of the commit that makes a store.
const FIRST_COMMIT: u64 = 1;
/// Rows that are compared with what was written at a time, beside the calls, and the pause between: some 20,000 rows a
/// second, so that recording and whoever looks at it notice nothing.
const COUNT_ROWS: u64 = 500;
const COUNT_EVERY: Duration = Duration::from_millis(25);
/// Between attempts to open the engine again; doubles up to the second.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// How long to wait for a failed engine's handle to go away. sled's never does if its own thread has panicked.
const MAX_RETIRE: Duration = Duration::from_secs(10);

impl Worker {
    /// Opens the store, for the first time or again.
    pub(crate) async fn open(&mut self) -> Result<Opened, StoreError> {
        let dir = self.folder.dir().to_owned();
        self.folder.find_damage()?;
        let mark = self.folder.mark()?;
        self.same_hub(mark.as_ref().map(|mark| mark.hub))?;
        if !self.retirement().await {
            return Err(StoreError::Busy { dir });
        }
        let engine = (self.opener)().map_err(|e| {
            if e.is_full() {
                self.folder.drop_ballast();
            }
            StoreError::Open { dir: dir.clone(), source: Arc::new(e) }
        })?;
        let mut db = Db::new(engine, dir, self.hub, self.clock.clone());
        match self.prepare(&mut db, mark.is_some()) {
            Ok(commits) => Ok(Opened { db, commits }),
            Err(e) => {
                self.retire(db.into_engine());
                self.retirement().await;
                Err(match e {
                    StoreError::Engine { dir, source } => StoreError::Open { dir, source },
                    e => e,
                })
            }
        }
    }

    fn prepare(&self, db: &mut Db, marked: bool) -> Result<Commits, StoreError> {
        let dir = self.folder.dir();
        let damaged = |what: &str| StoreError::Damaged { dir: dir.to_owned(), what: what.to_owned() };
        // A store that has lost its mark still has its record of commits, which tells it from one that is being made.
        let made = marked || self.folder.open_commits().is_ok_and(|(_, last)| last > FIRST_COMMIT);
        let (commits, last) = if made { self.folder.open_commits()? } else { (self.folder.create_commits()?, 0) };
        let number = db.read_commit()?;
        match db.find_hub_row()? {
            Some(row) if row.format > FORMAT => return Err(StoreError::Newer { what: dir.display().to_string() }),
            Some(row) => self.same_hub(Some(row.hub))?,
            None if made => return Err(damaged("everything in it is gone")),
            None => {
                // A crash while it was made leaves no rows at all: the first is written first.
                for tree in Tree::ALL {
                    if !db.list(tree, &KeyRange::all(), Order::Forward, |_, _| Ok(()))?.is_empty() {
                        return Err(damaged("its first row is gone"));
                    }
                }
                db.put_new_hub(self.clock.wall())?;
                db.commit(&commits)?;
            }
        }
        if made && number < last {
            return Err(damaged("its newest part is gone"));
        }
        if !marked {
            self.folder.set_mark(self.hub)?;
        }
        // What cannot be rebuilt is read now, rather than when somebody needs it.
        let tallies = db.tallies(|_, _, _, _| {})?;
        for tree in [Tree::Meta, Tree::People, Tree::Keys, Tree::Cameras] {
            crate::check::check_tree(db, tree, &tallies)?.into_result(dir)?;
        }
        db.count_on(self.count_at_open)?;
        self.folder.keep_ballast(self.ballast_bytes);
        Ok(commits)
    }

    /// Runs until the store is closed. Takes the storage thread.
    pub(crate) async fn run(self, opened: Opened, jobs: mpsc::Receiver<Message>) {
        let (state, waiting) = (State::Open(Box::new(opened)), Vec::new());
        let count_at = Some(self.clock.mono());
        let mut run = Loop { worker: self, jobs, state, waiting, due: None, count_at };
        let mut closed = Vec::new();
        while let Some(message) = run.next().await {
            match message {
                Message::Call(call) => run.call(call),
                Message::Close(done) => {
                    run.jobs.close();
                    closed.push(done);
                }
            }
        }
        run.flush();
        if let State::Open(opened) = std::mem::replace(&mut run.state, State::closed()) {
            run.worker.retire(opened.db.into_engine());
        }
        run.worker.retirement().await;
        drop(run); // and with it the lock
        for done in closed {
            let _ = done.send(()); // whether or not somebody still waits
        }
    }

    fn same_hub(&self, found: Option<HubId>) -> Result<(), StoreError> {
        match found {
            Some(found) if found != self.hub => {
                Err(StoreError::Foreign { dir: self.folder.dir().to_owned(), expected: self.hub, found })
            }
            _ => Ok(()),
        }
    }

    /// Drops an engine on a thread of its own: that may panic, and with sled it may never end.
    fn retire(&mut self, engine: Box<dyn Engine>) {
        let (done, retired) = oneshot::channel();
        self.retired = Some(retired);
        let folder = self.folder.clone(); // locked for as long as somebody has the engine's files open
        std::thread::spawn(move || {
            if catch_unwind(AssertUnwindSafe(|| drop(engine))).is_err() {
                tracing::error!("the store's engine panicked when it was dropped");
            }
            drop(folder);
            let _ = done.send(()); // whether or not somebody still waits
        });
    }

    /// Waits until the last engine is gone, for a while; answers whether it is.
    async fn retirement(&mut self) -> bool {
        let Some(retired) = &mut self.retired else { return true };
        let gone = base::clock::timeout(&*self.clock, MAX_RETIRE, retired).await.is_some();
        if gone {
            self.retired = None;
        }
        gone
    }
}

enum State {
    Open(Box<Opened>),
    Broken { error: Arc<StoreError>, retry: Mono, pause: Duration },
}

impl State {
    fn closed() -> Self {
        State::Broken { error: Arc::new(StoreError::Closed), retry: Mono(u64::MAX), pause: LAST_RETRY }
    }
}

struct Loop {
    worker: Worker,
    jobs: mpsc::Receiver<Message>,
    state: State,
    /// Calls whose changes are not durable yet.
    waiting: Vec<Reply>,
    /// When the first of them must be.
    due: Option<Mono>,
    /// When to go on comparing the rows with what was written; `None` when that is done.
    count_at: Option<Mono>,
}

impl Loop {
    /// The next message; flushes and opens again when it is time to. `None` when the store is closed and nobody waits.
    async fn next(&mut self) -> Option<Message> {
        let mut shared = 0;
        loop {
            let clock = self.worker.clock.clone();
            let wake = match self.state {
                State::Open(_) => self.due.into_iter().chain(self.count_at).min(),
                State::Broken { retry, .. } => Some(retry),
            };
            let now = clock.mono();
            if wake.is_some_and(|wake| wake <= now) {
                if matches!(self.state, State::Broken { .. }) {
                    self.reopen().await;
                    continue;
                }
                if self.due.is_none_or(|due| due > now) {
                    self.count_on();
                    continue;
                }
                match self.jobs.try_recv() {
                    Ok(Message::Call(call)) if shared < MAX_SHARE => {
                        shared += 1;
                        self.call(call);
                    }
                    other => {
                        self.flush();
                        shared = 0;
                        if let Ok(message) = other {
                            return Some(message);
                        }
                    }
                }
                continue;
            }
            let Some(wake) = wake else { return self.jobs.recv().await };
            tokio::select! {
                biased;
                message = self.jobs.recv() => return message,
                () = clock.sleep_until(wake) => {}
            }
        }
    }

    fn call(&mut self, call: Call) {
        let db = match &mut self.state {
            State::Open(opened) => &mut opened.db,
            State::Broken { error, .. } => {
                let dir = self.worker.folder.dir().to_owned();
                let ran = (call.run)(Err(StoreError::Unavailable { dir, source: error.clone() }));
                return (ran.reply)(Ok(()));
            }
        };
        let ran = catch_unwind(AssertUnwindSafe(|| (call.run)(Ok(db))));
        let failure = db.failure();
        let Ok(ran) = ran else {
            tracing::error!("a call of the store panicked"); // its caller is told, since its reply is dropped
            db.take_back();
            return failure.map_or((), |cause| self.break_down(cause));
        };
        if let Some(cause) = failure {
            (ran.reply)(Err(self.engine_error(&cause)));
            return self.break_down(cause);
        }
        let Some(window) = call.window.filter(|_| !ran.failed && !db.waiting().is_empty()) else {
            return (ran.reply)(Ok(()));
        };
        let now = self.worker.clock.mono();
        let full = db.waiting().len() > MAX_WAITING_ROWS || db.waiting().bytes() > MAX_WAITING_BYTES;
        let due = if full { now } else { now + window };
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
        self.waiting.push(ran.reply);
    }

    /// Makes everything that waits durable, then tells who waits for it.
    fn flush(&mut self) {
        self.due = None;
        let State::Open(opened) = &mut self.state else { return };
        let flushed = opened.db.commit(&opened.commits);
        match (flushed, opened.db.failure()) {
            (Ok(()), _) => self.waiting.drain(..).for_each(|reply| reply(Ok(()))),
            (Err(_), Some(cause)) => self.break_down(cause),
            // A commit fails only through the engine; whatever else it may be, who waits is told.
            (Err(e), None) => self.waiting.drain(..).for_each(|reply| reply(Err(e.clone()))),
        }
    }

    /// Compares some more rows with what was written. A store where some are missing goes on with what it has, which is
    /// better than none; it is made again at the next start.
    fn count_on(&mut self) {
        self.count_at = None;
        let State::Open(opened) = &mut self.state else { return };
        match (opened.db.count_on(COUNT_ROWS), opened.db.failure()) {
            (_, Some(cause)) => self.break_down(cause),
            (Ok(true), None) => self.count_at = Some(self.worker.clock.mono() + COUNT_EVERY),
            (Ok(false), None) => {}
            (Err(error), None) => {
                self.say(&error);
                if let StoreError::Damaged { what, .. } = &error {
                    self.worker.folder.set_damage(what);
                }
            }
        }
    }

    /// The engine failed: lets go of it and tells who waits.
    fn break_down(&mut self, cause: Arc<EngineError>) {
        let error = self.engine_error(&cause);
        let now = self.worker.clock.mono();
        let broken = State::Broken { error: Arc::new(error.clone()), retry: now, pause: FIRST_RETRY };
        if let State::Open(opened) = std::mem::replace(&mut self.state, broken) {
            self.worker.retire(opened.db.into_engine());
        }
        if cause.is_full() {
            self.worker.folder.drop_ballast();
        }
        self.due = None;
        self.say(&error);
        self.waiting.drain(..).for_each(|reply| reply(Err(error.clone())));
    }

    async fn reopen(&mut self) {
        let State::Broken { pause, .. } = self.state else { return };
        self.state = match self.worker.open().await {
            Ok(opened) => {
                tracing::info!(dir = %self.worker.folder.dir().display(), "the store is open again");
                self.set_health(Health::Ok);
                self.count_at = Some(self.worker.clock.mono());
                State::Open(Box::new(opened))
            }
            Err(error) => {
                self.say(&error);
                let retry = self.worker.clock.mono() + pause;
                State::Broken { error: Arc::new(error), retry, pause: (pause * 2).min(LAST_RETRY) }
            }
        };
    }

    fn engine_error(&self, cause: &Arc<EngineError>) -> StoreError {
        StoreError::Engine { dir: self.worker.folder.dir().to_owned(), source: cause.clone() }
    }

    /// Says that the store does not work and why.
    fn say(&self, error: &StoreError) {
        tracing::error!(error = %chain(error), "the store does not work as it should");
        let problem = Problem::from(error);
        let reason = match problem.kind {
            base::ProblemKind::DiskFull => Reason::DiskFull,
            _ => Reason::DiskError,
        };
        self.set_health(Health::Degraded { reason, detail: problem.to_string() });
    }

    fn set_health(&self, health: Health) {
        *self.worker.health.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = health;
    }
}

/// An error with its sources, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |e| e.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
