//! Does what [`next`](super::next) says: looks for an update, has RAUC install it, asks for the restart, and remembers how
//! it went. One at a time, in a task of the hub's; everything that it needs of the hub is [`Around`] it.

use std::future::Future;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::state::{Health, Reason};
use base::{CameraId, Mono, Problem, ProblemKind, SharedClock, Shutdown, TimeSource, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use url::Url;

use super::plan::refused;
use super::{Offer, Refused, Settings, Situation, Step, Sticks, Tried, UpdateFile, When, Why, next};
use crate::{Image, Progress, Rauc, SlotName, Slots, SlotsError};

mod look;

use look::{Found, Looked};

/// How often it is looked what is to be done.
const EVERY: Duration = Duration::from_secs(5 * 60);
/// The same while an update is under way, or shows whether it is good.
const EVERY_MEANWHILE: Duration = Duration::from_secs(30);
/// What could not be installed is tried by itself after that: longer than the quiet hour, so once a night.
const TRY_AGAIN: Duration = Duration::from_secs(2 * 3_600);
/// RAUC's own words for a bundle that will not do on another day either.
const REFUSALS: [&str; 4] = ["signature verification failed", "compatible mismatch", "version mismatch", "not allowed"];

/// A future on the heap, since a trait's are of many kinds.
pub type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What updates need of the hub around them.
pub trait Around: Send + Sync + 'static {
    /// What people want; `None` while it cannot be found out: then nothing is done.
    fn settings(&self) -> Boxed<Option<Settings>>;
    /// The cameras that are recorded now.
    fn recorded(&self) -> Boxed<Vec<CameraId>>;
    /// What lies at an address, as far as it has not more than [`MAX_MANIFEST_BYTES`](super::MAX_MANIFEST_BYTES); or why it was not to be had.
    fn fetch(&self, from: Url) -> Boxed<Result<Vec<u8>, String>>;
}

/// What updates are made of.
pub struct Parts {
    /// Which system runs; `None`: none of our images.
    pub image: Option<Image>,
    /// Who installs.
    pub rauc: Rauc,
    /// `<data>/update.json`.
    pub file: PathBuf,
    /// A file that asks for a restart of the machine where it is; `None`: nobody looks for one.
    pub restart: Option<PathBuf>,
    /// Where bundles may lie besides the source.
    pub sticks: Sticks,
    /// The hub's clock.
    pub clock: SharedClock,
    /// The rest.
    pub around: Arc<dyn Around>,
}

/// The updates of a hub. Clones share everything.
#[derive(Clone)]
pub struct Updates(Arc<Inner>);

struct Inner {
    parts: Parts,
    wake: Notify,
    /// Lock order: a leaf.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    settings: Settings,
    file: UpdateFile,
    /// `update.json` cannot be used: nothing is installed until somebody has looked.
    damaged: Option<Problem>,
    slots: Option<Slots>,
    step: Option<Step>,
    /// How often an owner said "now", and how many of these were answered.
    asked: u64,
    answered: u64,
    looked: Option<Looked>,
    found: Option<Found>,
    progress: Option<Progress>,
    /// Why it was last not looked, or not installed.
    problem: Option<Problem>,
    /// What could not be installed, and until when it is left alone.
    held: Option<Mono>,
    restart_asked: bool,
}

/// How updates are, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// In a word.
    pub stage: Stage,
    /// Whether there is something to be worried about.
    pub health: Health,
    /// Which system runs; `None`: none of our images.
    pub image: Option<Image>,
    /// The copy that runs.
    pub slot: Option<SlotName>,
    /// What was found.
    pub offer: Option<Offer>,
    /// It lies on a disk that somebody put in.
    pub on_stick: bool,
    /// Why it is not installed, in words.
    pub refused: Option<(Refused, String)>,
    /// How far the installation is.
    pub progress: Option<Progress>,
    /// When the source was last asked.
    pub looked: Option<Timestamp>,
    /// What was tried, and how it went.
    pub file: UpdateFile,
    /// Why it was last not looked, or not installed.
    pub problem: Option<Problem>,
    /// Nobody restarts this machine for the hub: it has to be done by hand.
    pub restart_by_hand: bool,
}

/// Where an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// This machine has no second copy of its system.
    None,
    /// Nobody wants updates.
    Off,
    /// The version that runs has to show first that it is good.
    Trial,
    /// Nothing was found yet, or it is not known yet what is to be done.
    Looking,
    /// What runs is the newest that was found.
    Newest,
    /// What was found is not for this hub.
    Refused,
    /// There is one, for an owner to begin.
    Offered,
    /// There is one, which begins in the quiet hour.
    Waiting,
    /// It is being installed.
    Installing,
    /// It is installed, and runs after the next restart.
    Installed,
    /// The hub restarts into it.
    Restarting,
}

impl Updates {
    /// Of a hub; nothing is done until [`Updates::run`]. Reads a small file.
    pub fn new(parts: Parts) -> Self {
        let (file, damaged) = match UpdateFile::load(&parts.file) {
            Ok(file) => (file, None),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "update.json cannot be used: no updates");
                (UpdateFile::default(), Some(Problem::from(&error)))
            }
        };
        // Whoever asked for a restart has got it.
        if let Some(Err(e)) = parts.restart.as_ref().map(std::fs::remove_file)
            && e.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(error = &e as &dyn std::error::Error, "an old request for a restart cannot be removed");
        }
        let state = Mutex::new(State { file, damaged, ..State::default() });
        Self(Arc::new(Inner { parts, wake: Notify::new(), state }))
    }

    /// Looks what is to be done and does it, again and again, until the hub stops.
    pub async fn run(self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                () = self.0.round() => {}
                // RAUC's service goes on without us; the next start finds out how it went.
                () = shutdown.wait() => return,
            }
            let every = if self.0.state().is_busy() { EVERY_MEANWHILE } else { EVERY };
            tokio::select! {
                () = self.0.parts.clock.sleep(every) => {}
                () = self.0.wake.notified() => {}
                () = shutdown.wait() => return,
            }
        }
    }

    /// What people want was changed: it is looked at once what that means.
    pub fn changed(&self) {
        let mut state = self.0.state();
        // Whoever changed it wants to see what comes of it.
        (state.looked, state.problem, state.held) = (None, None, None);
        drop(state);
        self.0.wake.notify_one();
    }

    /// An owner says "now": what there is is looked for and installed, and the hub restarts.
    ///
    /// # Errors
    /// [`ProblemKind::NoSlots`], [`ProblemKind::UpdateBusy`], [`ProblemKind::BadFile`]; and [`ProblemKind::UpdateRefused`] or
    /// [`ProblemKind::NoUpdate`], where that is known already.
    pub fn now(&self) -> Result<(), Problem> {
        let mut state = self.0.state();
        let (Some(image), Some(_)) = (&self.0.parts.image, &state.slots) else {
            return Err(ProblemKind::NoSlots.into());
        };
        if let Some(damaged) = &state.damaged {
            return Err(damaged.clone());
        }
        if state.progress.is_some() || matches!(state.step, Some(Step::Trial)) {
            return Err(ProblemKind::UpdateBusy.into());
        }
        let installed = state.file.tried.as_ref().is_some_and(|tried| tried.installed);
        if let Some(found) = state.found.as_ref().filter(|_| !installed) {
            match refused(&found.offer, image, &state.file) {
                Some(Refused::Same) => return Err(ProblemKind::NoUpdate.into()),
                Some(why) => return Err(Problem::with(ProblemKind::UpdateRefused, why.said(&found.offer, image))),
                None => {}
            }
        }
        (state.asked, state.problem) = (state.asked + 1, None);
        drop(state);
        self.0.wake.notify_one();
        Ok(())
    }

    /// Whether there is something to be worried about.
    pub fn health(&self) -> Health {
        self.0.state().health(self.0.parts.image.as_ref())
    }

    /// How it is.
    pub fn status(&self) -> Status {
        let (state, image) = (self.0.state(), self.0.parts.image.as_ref());
        let found = state.found.as_ref();
        let refused = image.zip(found).and_then(|(image, found)| {
            let why = refused(&found.offer, image, &state.file)?;
            Some((why, why.said(&found.offer, image)))
        });
        Status {
            stage: state.stage(),
            health: state.health(image),
            image: image.cloned(),
            slot: state.slots.as_ref().map(|slots| slots.booted),
            offer: found.map(|found| found.offer.clone()),
            on_stick: found.is_some_and(|found| found.stick),
            refused,
            progress: state.progress.clone(),
            looked: state.looked.as_ref().map(|looked| looked.when),
            file: state.file.clone(),
            problem: state.damaged.clone().or_else(|| state.problem.clone()),
            restart_by_hand: self.0.parts.restart.is_none(),
        }
    }
}

impl State {
    /// Something goes on that is to be followed closely.
    fn is_busy(&self) -> bool {
        self.is_asked() || self.file.tried.is_some() || matches!(self.step, Some(Step::Trial))
    }

    /// An owner said "now", and waits.
    fn is_asked(&self) -> bool {
        self.asked != self.answered
    }

    fn stage(&self) -> Stage {
        let installed = self.file.tried.as_ref().is_some_and(|tried| tried.installed);
        match &self.step {
            _ if self.progress.is_some() => Stage::Installing,
            None | Some(Step::RememberGood(_) | Step::RememberFailed(..) | Step::Look) => Stage::Looking,
            Some(Step::NoSlots) => Stage::None,
            Some(Step::Off) => Stage::Off,
            Some(Step::Trial) => Stage::Trial,
            Some(Step::Refuse(Refused::Same)) => Stage::Newest,
            Some(Step::Refuse(_)) => Stage::Refused,
            Some(Step::Restart) if self.restart_asked => Stage::Restarting,
            Some(Step::Restart) => Stage::Installed,
            Some(Step::AskOwner | Step::WaitForQuietHour) if installed => Stage::Installed,
            Some(Step::AskOwner) => Stage::Offered,
            Some(Step::WaitForQuietHour | Step::Install) => Stage::Waiting,
        }
    }

    fn health(&self, image: Option<&Image>) -> Health {
        let degraded = |reason, problem: &Problem| Health::Degraded { reason, detail: problem.to_string() };
        let Some(image) = image else { return Health::Off };
        if let Some(damaged) = &self.damaged {
            return degraded(Reason::UpdateFailed, damaged);
        }
        // Until a later version runs.
        let back = self.file.failed.iter().rev().find(|failed| failed.why == Why::WentBack);
        if let Some(back) = back.filter(|back| back.version.cmp_precedence(&image.version).is_gt()) {
            let what = format!(
                "Version {} did not do, which was seen at {}; {} runs",
                back.version,
                second(back.at),
                image.version
            );
            return degraded(Reason::UpdateWentBack, &Problem::with(ProblemKind::UpdateWentBack, what));
        }
        // That there is nothing newer is an answer, and no worry.
        if let Some(problem) = self.problem.as_ref().filter(|problem| problem.kind != ProblemKind::NoUpdate) {
            return degraded(Reason::UpdateFailed, problem);
        }
        if self.settings.when == When::Off { Health::Off } else { Health::Ok }
    }
}

fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is to be done now.
    async fn round(&self) {
        if self.parts.image.is_none() {
            self.state().step = Some(Step::NoSlots);
            return;
        }
        let Some(settings) = self.parts.around.settings().await else { return };
        let asked = {
            let mut state = self.state();
            state.settings = settings.clone();
            state.asked
        };
        if self.state().damaged.is_some() {
            return;
        }
        let (mut looked, mut tried) = (false, false);
        loop {
            let slots = self.slots().await;
            let step = self.decide(&settings, slots.as_ref());
            tracing::debug!(?step, "updates");
            let go_on = match step {
                Step::RememberGood(version) => {
                    tracing::info!(%version, "the update is good");
                    let now = self.parts.clock.wall();
                    self.write(|file| (file.last_good, file.tried) = (Some((version, now)), None)).await
                }
                Step::RememberFailed(version, why) => {
                    tracing::error!(%version, "the update did not do: the version before runs, and it is not tried again");
                    let now = self.parts.clock.wall();
                    self.write(|file| file.fail(version, now, why)).await
                }
                // Before it is installed it is looked once more: it may have been withdrawn, or pulled out.
                Step::Look | Step::Refuse(_) | Step::AskOwner | Step::WaitForQuietHour | Step::Install if !looked => {
                    looked = true;
                    self.look(&settings, step == Step::Install).await;
                    true
                }
                Step::Install if !tried && self.may_try() => {
                    tried = true;
                    if let Some(slots) = &slots {
                        self.install(slots).await;
                    }
                    true
                }
                Step::Restart => {
                    self.ask_for_restart().await;
                    false
                }
                _ => false,
            };
            if !go_on {
                break;
            }
        }
        self.answer(asked, &settings);
    }

    /// Whoever said "now" before this round began has the answer, unless the restart is it.
    fn answer(&self, asked: u64, settings: &Settings) {
        let slots = {
            let mut state = self.state();
            if state.answered == asked || matches!(state.step, Some(Step::Restart)) {
                return;
            }
            state.answered = asked;
            if state.problem.is_none() && !matches!(state.step, Some(Step::Refuse(why)) if why != Refused::Same) {
                state.problem = Some(ProblemKind::NoUpdate.into());
            }
            state.slots.clone()
        };
        self.decide(settings, slots.as_ref());
    }

    fn decide(&self, settings: &Settings, slots: Option<&Slots>) -> Step {
        let mut state = self.state();
        let clock = &self.parts.clock;
        let known = clock.source() != TimeSource::Unset;
        let step = next(&Situation {
            settings,
            image: self.parts.image.as_ref(),
            slots,
            file: &state.file,
            offer: state.found.as_ref().map(|found| &found.offer),
            asked: state.is_asked(),
            hour: known.then(|| (clock.wall().as_second().rem_euclid(86_400) / 3_600) as u8),
        });
        state.step = Some(step.clone());
        step
    }

    /// How both copies are; `None`: this machine has none, or RAUC does not say.
    async fn slots(&self) -> Option<Slots> {
        let slots = self.rauc(|rauc| rauc.status()).await;
        match &slots {
            Err(SlotsError::None) | Ok(_) => {}
            Err(e) => tracing::warn!(error = e as &dyn std::error::Error, "it is not known how the slots are"),
        }
        let slots = slots.ok();
        self.state().slots = slots.clone();
        slots
    }

    async fn rauc<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Rauc) -> Result<T, SlotsError> + Send + 'static,
    ) -> Result<T, SlotsError> {
        let rauc = self.parts.rauc.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&rauc)).await;
        asked.unwrap_or_else(|e| Err(SlotsError::Other(e.to_string())))
    }

    /// Was what is there left alone for long enough? An owner does not wait.
    fn may_try(&self) -> bool {
        let (mut state, now) = (self.state(), self.parts.clock.mono());
        if state.is_asked() || state.held.is_none_or(|until| now >= until) {
            state.held = None;
            return true;
        }
        false
    }

    /// Has RAUC install what was found, and writes down before and after how it is.
    async fn install(&self, slots: &Slots) {
        let (Some(image), Some(found)) = (&self.parts.image, self.state().found.clone()) else { return };
        let version = found.offer.version.clone();
        self.state().progress = Some(Progress { percent: 0, doing: String::new() });
        let result = self.install_found(image, slots, &found).await;
        let now = self.parts.clock.wall();
        match result {
            Ok(()) => {
                tracing::info!(%version, "the update is installed, and runs after the next restart");
                self.state().problem = None;
                self.write(|file| file.tried.iter_mut().for_each(|tried| tried.installed = true)).await;
            }
            Err(NotInstalled { why, for_good }) => {
                tracing::error!(%version, why, for_good, "the update was not installed");
                match for_good {
                    true => self.write(|file| file.fail(version.clone(), now, Why::Refused)).await,
                    false => self.write(|file| file.tried = None).await,
                };
                let mut state = self.state();
                state.held = Some(self.parts.clock.mono() + TRY_AGAIN);
                let what = format!("Version {version}: {why}");
                state.problem = Some(Problem::with(ProblemKind::UpdateFailed, what));
            }
        }
        self.state().progress = None;
    }

    async fn install_found(&self, image: &Image, slots: &Slots, found: &Found) -> Result<(), NotInstalled> {
        let offer = &found.offer;
        if found.stick {
            let (path, size, sha256) = (PathBuf::from(&offer.bundle), offer.size, found.sha256);
            let same = tokio::task::spawn_blocking(move || is_whole(&path, size, &sha256)).await;
            same.unwrap_or_else(|e| Err(e.to_string())).map_err(NotInstalled::today)?;
        }
        let tried = Tried {
            version: offer.version.clone(),
            from_slot: slots.booted,
            from_version: image.version.clone(),
            began: self.parts.clock.wall(),
            recorded: self.parts.around.recorded().await,
            installed: false,
        };
        tracing::info!(version = %offer.version, bundle = offer.bundle, "an update is installed");
        if !self.write(|file| file.tried = Some(tried)).await {
            return Err(NotInstalled::today("what is tried cannot be written down"));
        }
        let progress = |step| self.state().progress = Some(step);
        self.parts.rauc.install(&offer.bundle, progress).await.map_err(NotInstalled::by_rauc)?;
        // The manifest is nobody's word: what counts is the version that was signed. RAUC would take an older one.
        let after = self.rauc(|rauc| rauc.status()).await.map_err(NotInstalled::today)?;
        let written = after.slot(slots.booted.other()).version.clone();
        if written.as_ref().and_then(|version| version.parse().ok()) != Some(offer.version.clone()) {
            self.rauc(|rauc| rauc.mark_active()).await.map_err(NotInstalled::today)?;
            let why = format!("what was signed is version {}", written.as_deref().unwrap_or("unknown"));
            return Err(NotInstalled { why, for_good: true });
        }
        Ok(())
    }

    /// Changes `update.json`. `false`, with a problem told, if that fails: then what is on the disk is as before.
    async fn write(&self, change: impl FnOnce(&mut UpdateFile)) -> bool {
        let mut file = self.state().file.clone();
        change(&mut file);
        let (path, written) = (self.parts.file.clone(), file.clone());
        let saved = tokio::task::spawn_blocking(move || written.save(&path).map_err(|e| Problem::from(&e))).await;
        let saved = saved.unwrap_or_else(|e| Err(Problem::with(ProblemKind::Internal, e)));
        let mut state = self.state();
        match saved {
            Ok(()) => state.file = file,
            Err(problem) => {
                tracing::error!(%problem, "update.json cannot be written");
                state.problem = Some(problem);
                return false;
            }
        }
        true
    }

    /// Asks whoever may restart the machine: the hub may not.
    async fn ask_for_restart(&self) {
        let Some(path) = self.parts.restart.clone() else { return };
        if self.state().restart_asked {
            return;
        }
        let asked = tokio::task::spawn_blocking(move || base::fs::write_atomic(&path, b"update\n", 0o600)).await;
        match asked {
            Ok(Ok(())) => {
                tracing::info!("a restart into the update was asked for");
                self.state().restart_asked = true;
            }
            Ok(Err(e)) => tracing::error!(error = &e as &dyn std::error::Error, "a restart cannot be asked for"),
            Err(e) => tracing::error!(error = &e as &dyn std::error::Error, "a restart cannot be asked for"),
        }
    }
}

/// Why something was not installed.
struct NotInstalled {
    why: String,
    /// It will not do on another day either.
    for_good: bool,
}

impl NotInstalled {
    fn today(why: impl ToString) -> Self {
        Self { why: why.to_string(), for_good: false }
    }
    fn by_rauc(error: SlotsError) -> Self {
        let SlotsError::Refused { said, .. } = &error else { return Self::today(error) };
        let small = said.to_lowercase();
        Self { why: said.clone(), for_good: REFUSALS.iter().any(|refusal| small.contains(refusal)) }
    }
}

/// Is the file the one that a manifest names? Else why not.
fn is_whole(path: &Path, size: u64, sha256: &[u8; 32]) -> Result<(), String> {
    let read = || -> std::io::Result<_> {
        let mut file = std::fs::File::open(path)?;
        if file.metadata()?.len() != size {
            return Ok(false);
        }
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut part = vec![0; 1 << 20];
        loop {
            match file.read(&mut part)? {
                0 => break Ok(digest.finish().as_ref() == sha256),
                n => digest.update(&part[..n]),
            }
        }
    };
    match read() {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("{} is not the file that its manifest names: copy it anew", path.display())),
        Err(e) => Err(format!("{} cannot be read: {e}", path.display())),
    }
}

#[cfg(test)]
mod tests;
