//! The hub's side of the child that has the model: one picture after the other, from whichever camera asked first.
//!
//! It takes half a core at most: after each picture it rests as long as that took. A camera asks anew only when it was answered, so
//! each gets its turn. The hub's own library runs the model at first, and whenever another fails that the board names; a model that only an
//! accelerator can run is run by that or not at all.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::Shutdown;
use base::clock::{SharedClock, timeout};
use tokio::sync::{mpsc, oneshot, watch};

use super::loaded::begin;
use super::runners::{GOOD as LONG_LIVED, Runner, Runners, Tried, first_for};
use super::{About, Model, Objects, Rgb, Seen};
use crate::watch::Starts;
use base::runtime::Runtime;

/// A large model on a small board takes so long until it is ready.
const START_PATIENCE: Duration = Duration::from_secs(60);
/// A child that takes longer for a picture is ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is until the next child, and at most after many that failed.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A child that lived so long was a good one.
const GOOD: Duration = Duration::from_secs(20);
/// So many children that failed, one after the other: it is told.
const FAILED_AFTER: u32 = 3;
/// Another library than the hub's own that takes so many times as long as either took at first, so often in a row, is of no use any more.
const SLOW: u32 = 2;
/// See [`SLOW`].
const SLOW_AFTER: u32 = 5;
/// A picture that takes no longer is looked at quickly, however quick others were: the way to the child and back is part of it.
const SHORT: Duration = Duration::from_millis(100);
/// A picture that waits: from most cameras one.
const WAITING: usize = 64;

/// A picture, and who wants to know.
pub(super) struct Ask {
    pub picture: Rgb,
    pub answer: oneshot::Sender<Vec<Seen>>,
}

/// Where pictures are handed in. Clones share everything.
#[derive(Clone)]
pub(crate) struct Detecting {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) state: watch::Receiver<Objects>,
    runtimes: watch::Receiver<Vec<Tried>>,
    model: Arc<watch::Sender<Option<Model>>>,
    starts: Arc<Starts>,
    /// How many want what runs on an accelerator to rest.
    resting: Arc<watch::Sender<usize>>,
}

impl Detecting {
    /// Detects with this from now on, or with `None` not at all.
    pub fn set(&self, model: Option<Model>) {
        self.model.send_if_modified(|old| std::mem::replace(old, model.clone()) != model);
    }

    /// Whether objects are told apart, now and later.
    pub fn state(&self) -> watch::Receiver<Objects> {
        self.state.clone()
    }

    /// What is known of the libraries that the board names, now and later.
    pub fn runtimes(&self) -> watch::Receiver<Vec<Tried>> {
        self.runtimes.clone()
    }

    /// Tries a model, in a child of its own, with the hub's own library, or with the one that alone can run it: then what runs on its
    /// accelerator rests, until what comes with the answer is dropped.
    ///
    /// # Errors
    /// Why it is of no use, for a person.
    pub async fn attempt(&self, model: &Model) -> Result<(About, Option<Rest>), String> {
        let first = first_for(&self.runtimes.borrow(), model)?.map(|(_, runtime)| runtime);
        let rest = model.only_on().map(|_| Rest::new(self.resting.clone()));
        match begin(&self.starts, model, first.as_ref(), START_PATIENCE).await {
            Ok(ready) => ready.map(|(_, about)| (about, rest)),
            Err(e) => Err(gone(&e, model)),
        }
    }
}

/// While this is there, nothing runs on an accelerator but what is tried.
#[must_use]
pub struct Rest(Arc<watch::Sender<usize>>);

impl Rest {
    fn new(resting: Arc<watch::Sender<usize>>) -> Self {
        resting.send_modify(|count| *count += 1);
        Self(resting)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Waits until there are so many who want others to rest, or the hub stops.
async fn reaches(resting: &mut watch::Receiver<usize>, wanted: fn(&usize) -> bool) {
    let _ = resting.wait_for(wanted).await;
}

/// Why there is no answer.
fn gone(e: &io::Error, model: &Model) -> String {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut, UnexpectedEof};
    let or_hardware = model.only_on().map_or("", |_| ", or its accelerator failed");
    match e.kind() {
        TimedOut => "It was not ready in a minute, or took longer than ten seconds for a picture".into(),
        UnexpectedEof | BrokenPipe | ConnectionReset => {
            format!("Its process ended: it takes more memory than it may have, or is damaged{or_hardware}")
        }
        _ => format!("Its process cannot be used: {e}"),
    }
}

/// Starts it. Must be called inside a tokio runtime.
pub(crate) fn start(runtimes: Vec<Runtime>, starts: Arc<Starts>, clock: SharedClock, shutdown: Shutdown) -> Detecting {
    let (asks, asked) = mpsc::channel(WAITING);
    let (tell, state) = watch::channel(Objects::None);
    let (set, model) = watch::channel(None);
    let (rest, resting) = watch::channel(0);
    let runners = Runners::new(runtimes, starts.clone(), clock.clone());
    let runtimes = runners.state();
    let task = Task { starts: starts.clone(), clock, model, resting, asked, tell, runners, failed: 0 };
    tokio::spawn(async move {
        tokio::select! {
            () = task.run() => {}
            () = shutdown.wait() => {}
        }
    });
    Detecting { asks, state, runtimes, model: Arc::new(set), starts, resting: Arc::new(rest) }
}

struct Task {
    starts: Arc<Starts>,
    clock: SharedClock,
    model: watch::Receiver<Option<Model>>,
    resting: watch::Receiver<usize>,
    asked: mpsc::Receiver<Ask>,
    tell: watch::Sender<Objects>,
    runners: Runners,
    /// Children in a row that failed.
    failed: u32,
}

impl Task {
    async fn run(mut self) {
        let mut wait = FIRST_WAIT;
        let mut last = None;
        // Until the hub stops.
        while self.model.has_changed().is_ok() {
            let model = self.model.borrow_and_update().clone();
            if model != last {
                self.runners.forget();
                (wait, self.failed) = (FIRST_WAIT, 0);
                self.tell.send_replace(if model.is_some() { Objects::Starting } else { Objects::None });
                last = model.clone();
            }
            let Some(model) = model else {
                let _ = self.model.changed().await; // or the hub stops
                continue;
            };
            let rests = model.only_on().is_some();
            if rests && *self.resting.borrow() > 0 {
                // Another one is tried on its accelerator.
                self.tell.send_replace(Objects::Starting);
                tokio::select! {
                    _ = self.model.changed() => {}
                    () = reaches(&mut self.resting, |count| *count == 0) => {}
                }
                continue;
            }
            // What failed has failed until it does not.
            if !matches!(*self.tell.borrow(), Objects::Failed(_)) {
                self.tell.send_replace(Objects::Starting);
            }
            let first = self.runners.first_for(&model);
            let began = match &first {
                Ok(first) => tokio::select! {
                    began = begin(&self.starts, &model, first.as_ref().map(|(_, runtime)| runtime), START_PATIENCE) => began,
                    _ = self.model.changed() => continue,
                    () = reaches(&mut self.resting, |count| *count > 0), if rests => continue,
                },
                Err(why) => Ok(Err(why.clone())),
            };
            let refused = match began {
                Ok(Ok((child, about))) => {
                    if let Ok(Some((which, _))) = &first {
                        self.runners.uses(*which, about.cost());
                    }
                    self.tell.send_replace(Objects::Ready(about.clone()));
                    let began = self.clock.mono();
                    let served = self.serve(Runner { child, about, which: None }, &model).await;
                    if self.clock.mono().since(began) >= GOOD {
                        (wait, self.failed) = (FIRST_WAIT, 0);
                    }
                    let Err(e) = served else { continue };
                    tracing::warn!(error = &e as &dyn std::error::Error, "who tells objects apart has ended");
                    self.failed += 1;
                    (self.failed >= FAILED_AFTER).then(|| gone(&e, &model))
                }
                // As long as it is this model.
                Ok(Err(why)) => Some(why),
                Err(e) => {
                    self.failed += 1;
                    (self.failed >= FAILED_AFTER).then(|| gone(&e, &model))
                }
            };
            if let Some(why) = refused {
                if let Ok(Some((which, _))) = &first {
                    self.runners.fails(*which, why.clone());
                }
                self.tell.send_replace(Objects::Failed(why));
            }
            tokio::select! {
                _ = self.model.changed() => {}
                () = self.clock.sleep(wait) => wait = (wait * 2).min(LONGEST_WAIT),
            }
        }
    }

    /// It runs the model from now on.
    fn left_to(&self, runner: Runner) -> Runner {
        self.tell.send_replace(Objects::Ready(runner.about.clone()));
        if let Some((which, _)) = runner.which {
            self.runners.uses(which, runner.about.cost());
        }
        runner
    }

    /// Until there is another model, this one is to rest, or a library of the board's fails, to which the hub's own had left it.
    ///
    /// # Errors
    /// The hub's own fails.
    async fn serve(&mut self, mut by: Runner, model: &Model) -> io::Result<()> {
        // What waited meanwhile is old.
        while self.asked.try_recv().is_ok() {}
        let (own, start) = (by.about.clone(), self.clock.mono());
        let mut trials = self.runners.look_for_better(model, &own);
        let mut slow = 0;
        let failed = loop {
            let ask = tokio::select! {
                biased;
                _ = self.model.changed() => break None,
                () = reaches(&mut self.resting, |count| *count > 0), if model.only_on().is_some() => break None,
                Some(runner) = trials.better.recv() => {
                    (by, slow) = (self.left_to(runner), 0);
                    continue;
                }
                Some(ask) = self.asked.recv() => ask,
            };
            let began = self.clock.mono();
            let seen = timeout(&*self.clock, PATIENCE, by.child.detect(&ask.picture)).await;
            match seen.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())) {
                Ok(seen) => drop(ask.answer.send(seen)), // the camera may be gone
                Err(e) => match trials.better.try_recv() {
                    Ok(runner) if by.which.is_none() => {
                        (by, slow) = (self.left_to(runner), 0);
                        continue;
                    }
                    _ => break Some(e),
                },
            }
            let took = self.clock.mono().since(began);
            let too_long = SLOW * own.took.max(by.about.took).max(SHORT);
            slow = if by.which.is_some() && took > too_long { slow + 1 } else { 0 };
            if slow >= SLOW_AFTER {
                break Some(io::Error::other("it became slow"));
            }
            self.clock.sleep(took).await;
        };
        let soon = self.clock.mono().since(start) < LONG_LIVED;
        trials.end(&self.runners, failed.is_some() && by.which.is_none() && soon).await;
        let (Some(e), which) = (failed, by.which) else { return Ok(()) };
        let Some((which, since)) = which else { return Err(e) };
        tracing::warn!(error = &e as &dyn std::error::Error, provider = ?by.about.by, "a library for models fails");
        match e.kind() {
            io::ErrorKind::TimedOut => {
                self.runners.fails(which, "It took longer than ten seconds for a picture".into())
            }
            io::ErrorKind::Other => self.runners.fails(which, "It became slow".into()),
            _ => self.runners.ended(which, since),
        }
        Ok(())
    }
}
