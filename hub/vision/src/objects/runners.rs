//! Who runs the model: of the libraries that the board names the first that is quicker than the hub's own.
//!
//! Nothing is believed of one but its numbers, which must be those that the hub's own gives. Each is tried in a child of its own, while
//! the hub's own is at work; what fails, at once or later, is tried again ever less often.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::clock::SharedClock;
use base::element::{Away, FIRST_WAIT};
use tokio::sync::watch;

use super::detecting::begin;
use super::{About, Model};
use crate::runtime::Runtime;
use crate::spawn::Child;
use crate::watch::Starts;

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
    /// It works, and costs no less than the hub's own.
    NoBetter(Duration),
    /// It is of no use: why, for a person. It is tried again later.
    Failed(String),
}

/// Somebody who runs the model.
pub(super) struct Runner {
    pub child: Child,
    pub about: About,
    /// Which of the board's; `None`: the hub's own.
    pub which: Option<usize>,
}

/// The board's, and what is known of them.
pub(super) struct Runners {
    starts: Arc<Starts>,
    clock: SharedClock,
    away: Away<usize>,
    told: watch::Sender<Vec<Tried>>,
}

impl Runners {
    pub fn new(runtimes: Vec<Runtime>, starts: Arc<Starts>, clock: SharedClock) -> Self {
        let tried = |runtime| Tried { runtime, outcome: Outcome::Untried };
        let told = watch::Sender::new(runtimes.into_iter().map(tried).collect());
        Self { starts, clock, away: Away::default(), told }
    }

    /// What is known of them, now and later.
    pub fn state(&self) -> watch::Receiver<Vec<Tried>> {
        self.told.subscribe()
    }

    /// There is another model: what was found out with the last one counts no more.
    pub fn forget(&mut self) {
        self.away = Away::default();
        self.told.send_modify(|all| all.iter_mut().for_each(|tried| tried.outcome = Outcome::Untried));
    }

    /// Waits for one that runs the model at less than this cost; for ever if there is none.
    pub async fn better(&mut self, model: &Model, than: Duration) -> Runner {
        loop {
            let all = self.told.borrow().clone();
            for (which, Tried { runtime, outcome }) in all.into_iter().enumerate() {
                let away = self.away.how(|is| *is == which, self.clock.mono()).is_some();
                if away || matches!(outcome, Outcome::NoBetter(_)) {
                    continue;
                }
                self.tell(which, Outcome::Trying);
                let patience = if runtime.provider.is_hardware() { PATIENCE_OF_HARDWARE } else { PATIENCE };
                let began = begin(&self.starts, model, Some(&runtime), patience).await;
                tracing::info!(provider = %runtime.provider, library = %runtime.library.display(), "a library for models was tried");
                match began {
                    Ok((child, Ok(about))) if about.cost() < than => {
                        self.tell(which, Outcome::Used(about.cost()));
                        return Runner { child, about, which: Some(which) };
                    }
                    Ok((_, Ok(about))) => self.tell(which, Outcome::NoBetter(about.cost())),
                    Ok((_, Err(why))) => self.fails(which, why),
                    Err(e) if e.kind() == io::ErrorKind::TimedOut => {
                        self.fails(which, "It was not ready in time".into())
                    }
                    Err(_) => self.fails(which, "It took its process with it".into()),
                }
            }
            self.clock.sleep(FIRST_WAIT).await;
        }
    }

    /// It is of no use for now: how it failed, for a person.
    pub fn fails(&mut self, which: usize, how: String) {
        self.away.fails(which, &how, self.clock.mono());
        self.tell(which, Outcome::Failed(how));
    }

    fn tell(&self, which: usize, outcome: Outcome) {
        self.told.send_modify(|all| all[which].outcome = outcome);
    }
}
