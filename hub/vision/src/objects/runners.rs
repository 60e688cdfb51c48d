//! Who runs the model: of the libraries that the board names the first that is quicker than the hub's own.
//!
//! Each is tried in a child of its own, while the hub's own is at work: it must give the same numbers, and say the same of the model.
//! What fails, at once or later, is tried again ever less often.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::Mono;
use base::clock::SharedClock;
use base::element::{Away, FIRST_WAIT};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::loaded::{Loaded, begin};
use super::{About, Model};
use crate::watch::Starts;
use base::runtime::{Provider, Runtime};

/// A child that lived so long was a good one: it ends when it has used up the processor time that it is given, too.
pub(super) const GOOD: Duration = Duration::from_secs(600);
/// So long a library on the processor may take until it is ready, as the hub's own may.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same of hardware: TensorRT makes a program of the model first.
const PATIENCE_OF_HARDWARE: Duration = Duration::from_secs(900);

/// One that the board names, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Which.
    pub runtime: Runtime,
    /// How it did.
    pub outcome: Outcome,
}

/// How a library did that was tried with the model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Outcome {
    /// It was not tried: there is no model, or an earlier one is good.
    #[default]
    Untried,
    /// It is being tried.
    Trying,
    /// It runs the model, and a picture costs it this much.
    Used(Duration),
    /// It works, and cost no less than the hub's own. It is tried again later: something else may have wanted the machine.
    NoBetter(Duration),
    /// It is of no use: why, for a person. It is tried again later.
    Failed(String),
}

/// Somebody who runs the model.
pub(super) struct Runner {
    pub child: Loaded,
    pub about: About,
    /// Which of the board's, and since when; `None`: the hub's own.
    pub which: Option<(usize, Mono)>,
}

/// The board's, and what is known of them. Clones share it.
#[derive(Clone)]
pub(super) struct Runners {
    starts: Arc<Starts>,
    clock: SharedClock,
    away: Arc<Mutex<Away<usize>>>,
    told: Arc<watch::Sender<Vec<Tried>>>,
}

/// Those that were tried and are better come one after the other, each better than the one before. Dropped, nothing is tried any more.
pub(super) struct Trials {
    pub better: mpsc::Receiver<Runner>,
    task: JoinSet<()>,
}

impl Runners {
    pub fn new(runtimes: Vec<Runtime>, starts: Arc<Starts>, clock: SharedClock) -> Self {
        let tried = |runtime| Tried { runtime, outcome: Outcome::Untried };
        let told = watch::Sender::new(runtimes.into_iter().map(tried).collect());
        Self { starts, clock, away: Arc::default(), told: Arc::new(told) }
    }

    /// What is known of them, now and later.
    pub fn state(&self) -> watch::Receiver<Vec<Tried>> {
        self.told.subscribe()
    }

    /// See [`first_for`].
    pub fn first_for(&self, model: &Model) -> Result<Option<(usize, Runtime)>, String> {
        first_for(&self.told.borrow(), model)
    }

    /// There is another model, or none: what was found out with the last one counts no more.
    pub fn forget(&self) {
        *self.away() = Away::default();
        self.told.send_modify(|all| all.iter_mut().for_each(|tried| tried.outcome = Outcome::Untried));
    }

    /// Looks for one that runs the model at less than it costs the hub's own. In a task of its own: pictures do not wait for it, nor it
    /// for them.
    pub fn look_for_better(&self, model: &Model, own: &About) -> Trials {
        let (found, better) = mpsc::channel(1);
        let (runners, model, own) = (self.clone(), model.clone(), own.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { runners.find(&model, &own, &found).await });
        Trials { better, task }
    }

    async fn find(&self, model: &Model, own: &About, found: &mpsc::Sender<Runner>) {
        // What only one can run that one runs.
        let mut best = if model.only_on().is_some() { 0 } else { self.told.borrow().len() };
        while best > 0 {
            if let Some((which, runner)) = self.first_of(best, model, own).await {
                best = which;
                if found.send(runner).await.is_err() {
                    return;
                }
            }
            self.clock.sleep(FIRST_WAIT).await;
        }
    }

    /// The first of so many that is better than the hub's own.
    async fn first_of(&self, count: usize, model: &Model, own: &About) -> Option<(usize, Runner)> {
        for which in 0..count {
            let is_away = self.away().how(|is| *is == which, self.clock.mono()).is_some();
            let is_for_others = self.told.borrow()[which].runtime.provider == Provider::Hailo;
            if !is_away
                && !is_for_others
                && let Some(runner) = self.attempt(which, model, own).await
            {
                return Some((which, runner));
            }
        }
        None
    }

    /// Tries one. `None`: it is not better.
    async fn attempt(&self, which: usize, model: &Model, own: &About) -> Option<Runner> {
        let (runtime, start) = (self.told.borrow()[which].runtime.clone(), self.clock.mono());
        let fails = |how: &str| self.set_aside(which, Outcome::Failed(how.to_owned()), start);
        self.tell(which, Outcome::Trying);
        let patience = if runtime.provider.is_hardware() { PATIENCE_OF_HARDWARE } else { PATIENCE };
        let began = begin(&self.starts, model, Some(&runtime), patience).await;
        match began {
            Ok(Ok((_, about)))
                if (&about.labels, about.width, about.height) != (&own.labels, own.width, own.height) =>
            {
                fails("It says something else of the model than the hub's own");
            }
            Ok(Ok((child, about))) if about.cost() < own.cost() => {
                // It is told of when it is used.
                return Some(Runner { child, about, which: Some((which, self.clock.mono())) });
            }
            Ok(Ok((_, about))) => self.set_aside(which, Outcome::NoBetter(about.cost()), start),
            Ok(Err(why)) => fails(&why),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => fails("It was not ready in time"),
            Err(_) => fails("Its process ended: it fell over the model, or wanted more than it may have"),
        }
        None
    }

    /// From now on this one runs the model, at this cost.
    pub fn uses(&self, which: usize, cost: Duration) {
        self.log(which, &Outcome::Used(cost));
        self.told.send_modify(|all| {
            for (n, tried) in all.iter_mut().enumerate() {
                match &tried.outcome {
                    _ if n == which => tried.outcome = Outcome::Used(cost),
                    Outcome::Used(_) => tried.outcome = Outcome::Untried,
                    _ => {}
                }
            }
        });
    }

    /// It is of no use for now: how it failed, for a person.
    pub fn fails(&self, which: usize, how: String) {
        self.set_aside(which, Outcome::Failed(how), self.clock.mono());
    }

    /// Its process ended, which had done well since then: that of one that did for long may, and it is tried again at once.
    pub fn ended(&self, which: usize, since: Mono) {
        match self.clock.mono().since(since) >= GOOD {
            true => self.tell(which, Outcome::Untried),
            false => self.fails(which, "It took its process with it".into()),
        }
    }

    /// After an attempt that began then.
    fn set_aside(&self, which: usize, outcome: Outcome, began: Mono) {
        self.away().fails_after(which, "", began, self.clock.mono());
        self.tell(which, outcome);
    }

    fn away(&self) -> MutexGuard<'_, Away<usize>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, which: usize, outcome: Outcome) {
        self.log(which, &outcome);
        self.told.send_modify(|all| all[which].outcome = outcome);
    }

    fn log(&self, which: usize, outcome: &Outcome) {
        let Runtime { provider, library, .. } = &self.told.borrow()[which].runtime;
        tracing::info!(%provider, library = %library.display(), ?outcome, "a library for models");
    }
}

/// Who runs a model at first: the hub's own library (`None`), or the one of the board's that alone can.
///
/// # Errors
/// The board names none that can: for a person.
pub(super) fn first_for(tried: &[Tried], model: &Model) -> Result<Option<(usize, Runtime)>, String> {
    let Some(provider) = model.only_on() else { return Ok(None) };
    let mut all = tried.iter().enumerate();
    match all.find(|(_, Tried { runtime, .. })| runtime.provider == provider) {
        Some((which, Tried { runtime, .. })) => Ok(Some((which, runtime.clone()))),
        None => Err(format!(
            "It was compiled for an accelerator, and the board's file names no {provider}: it is not used here"
        )),
    }
}

impl Trials {
    /// Ends what is being tried, and what is used. Where the hub's own has ended soon, both may have wanted more memory than there is:
    /// then what was tried is set aside for a while.
    pub async fn end(mut self, runners: &Runners, own_ended_soon: bool) {
        self.task.shutdown().await;
        let all = runners.told.borrow().clone();
        for (which, Tried { outcome, .. }) in all.into_iter().enumerate() {
            match outcome {
                Outcome::Trying if own_ended_soon => {
                    let how = "The hub's own ended while it was tried: there may be too little memory for both";
                    runners.fails(which, how.into());
                }
                Outcome::Trying | Outcome::Used(_) => runners.tell(which, Outcome::Untried),
                Outcome::Untried | Outcome::NoBetter(_) | Outcome::Failed(_) => {}
            }
        }
    }
}
