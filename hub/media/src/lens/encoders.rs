//! Which encoder a camera with a lens takes: those that are there are tried and measured once one is needed, and the least costly
//! of those that are quick enough is taken. What fails at a camera is kept away from it for a while.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base::element::{Away, FIRST_WAIT, LONGEST_WAIT, Measured};
use base::{Mono, SharedClock};
use tokio::sync::watch;
use url::Url;

use super::{Encoder, Lens};
use crate::isolated;
use crate::lens::encode::Candidate;

/// A trial takes no longer, or the encoder hangs or is of no use. On a slow board software takes a second.
const PATIENCE: Duration = Duration::from_secs(4);
/// Where none was good, all are tried again after this: a machine that starts has much to do.
const SOON: Duration = Duration::from_secs(20);
/// Pictures of 1280×720 a second that an encoder must make: twice what a camera is asked for.
const ENOUGH: u32 = 30;

/// What is known of this machine's encoders. Clones share it.
#[derive(Clone)]
pub struct Encoders(Arc<Inner>);

struct Inner {
    clock: SharedClock,
    /// Held while they are tried.
    trial: tokio::sync::Mutex<Trial>,
    tried: watch::Sender<Vec<Tried>>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Trial {
    candidates: Option<Vec<Candidate>>,
    /// When what failed is tried again.
    again: Option<Mono>,
    wait: Duration,
}

/// Of each camera, by its address.
#[derive(Default)]
struct Known {
    away: Away<(String, String)>,
    using: HashMap<String, Encoding>,
}

/// An encoder that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// GStreamer's name of its element.
    pub name: String,
    /// It is known for, or says of itself, that hardware encodes.
    pub hardware: bool,
    /// How it did with pictures of 1280×720; or why it is of no use, for a person.
    pub trial: Result<Measured, String>,
}

/// What a camera's pictures are encoded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// What it is.
    pub encoder: Tried,
    /// What would have been better and failed at this camera, and how.
    pub instead_of: Option<(String, String)>,
}

impl std::fmt::Debug for Encoders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Encoders").field(&*self.0.tried.borrow()).finish()
    }
}

impl Tried {
    /// It works, and is quick enough.
    pub fn is_good(&self) -> bool {
        self.trial.as_ref().is_ok_and(|measured| measured.pictures_per_second >= ENOUGH)
    }

    /// How it did, for a person.
    pub fn said(&self) -> String {
        match &self.trial {
            Err(why) => why.clone(),
            Ok(measured) => measured.said(ENOUGH),
        }
    }
}

impl Encoders {
    /// Nothing is known, and nothing tried before a camera needs it.
    pub fn new(clock: SharedClock) -> Self {
        let (tried, _) = watch::channel(Vec::new());
        let trial = tokio::sync::Mutex::new(Trial { wait: FIRST_WAIT, ..Trial::default() });
        Self(Arc::new(Inner { clock, trial, tried, known: Mutex::default() }))
    }

    /// All that were tried, in no order; empty before the first camera that may need one.
    pub fn tried(&self) -> watch::Receiver<Vec<Tried>> {
        self.0.tried.subscribe()
    }

    /// What the camera with this address is encoded with; `None` while it is not: it codes its pictures itself, or is away.
    pub fn of_camera(&self, address: &str) -> Option<Encoding> {
        let address = Url::parse(address).ok()?; // as it is written in the end
        self.lock().using.get(address.as_str()).cloned()
    }

    /// What a camera is to take now. Where nothing good is known all are tried first; what failed long ago is tried again meanwhile.
    pub(crate) async fn choose(&self, lens: &Lens) -> Option<(Encoder, Encoding)> {
        let good = self.0.tried.borrow().iter().any(Tried::is_good);
        if good {
            let again = self.clone();
            drop(tokio::spawn(async move { again.try_all().await })); // no camera waits for it
        } else {
            self.try_all().await;
        }
        choose(&self.0.tried.borrow(), &self.lock().away, lens.url.as_str(), self.0.clock.mono())
    }

    /// A camera's pictures are encoded.
    pub(crate) fn begins(&self, lens: &Lens, encoding: Encoding) {
        self.lock().using.insert(lens.url.as_str().to_owned(), encoding);
    }

    /// They are no more; with what was wrong, if that was the encoder.
    pub(crate) fn ends(&self, lens: &Lens, failed: Option<(&str, &str)>) {
        let mut known = self.lock();
        known.using.remove(lens.url.as_str());
        if let Some((name, how)) = failed {
            tracing::warn!(camera = %lens.url, name, how, "an encoder failed, and is kept away from this camera");
            known.away.fails((lens.url.as_str().to_owned(), name.to_owned()), how, self.0.clock.mono());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn try_all(&self) {
        let mut trial = self.0.trial.lock().await;
        if trial.again.is_some_and(|again| self.0.clock.mono() < again) {
            return;
        }
        if trial.candidates.is_none() {
            let asked = isolated::encoders(&self.0.clock, PATIENCE).await;
            let failed = |e: io::Error| tracing::warn!(error = %e, "it is not known which encoders there are");
            trial.candidates = asked.map_err(failed).ok();
            if trial.candidates.is_none() {
                return; // asked again with the next connection
            }
        }
        for candidate in trial.candidates.iter().flatten() {
            if self.0.tried.borrow().iter().any(|tried| tried.name == candidate.name && tried.is_good()) {
                continue;
            }
            let outcome = match isolated::try_encoder(&candidate.name, &self.0.clock, PATIENCE).await {
                Ok(Ok(speed)) => Ok(Measured::of(speed.pictures, speed.wall, speed.processor)),
                Ok(Err(why)) => Err(why),
                Err(e) if e.kind() == io::ErrorKind::TimedOut => Err("it did not finish in time".to_owned()),
                Err(_) => Err("it took its process with it".to_owned()),
            };
            let tried = Tried { name: candidate.name.clone(), hardware: candidate.hardware, trial: outcome };
            tracing::info!(
                name = tried.name,
                hardware = tried.hardware,
                outcome = tried.said(),
                "an encoder was tried"
            );
            self.0.tried.send_modify(|all| {
                all.retain(|other| other.name != tried.name);
                all.push(tried);
            });
        }
        let now = self.0.clock.mono();
        if self.0.tried.borrow().iter().any(Tried::is_good) {
            trial.again = Some(now + trial.wait);
            trial.wait = (trial.wait * 2).min(LONGEST_WAIT);
        } else {
            trial.again = Some(now + SOON);
        }
    }
}

/// The best of those that did not fail at this camera; where nothing else is left, what failed is better than nothing, and where
/// nothing was good, software is.
fn choose(tried: &[Tried], away: &Away<(String, String)>, address: &str, now: Mono) -> Option<(Encoder, Encoding)> {
    let failed = |tried: &Tried| away.how(|(a, name)| a == address && *name == tried.name, now);
    let cost = |tried: &Tried| Some(tried.trial.as_ref().ok()?.cost(ENOUGH));
    let best = |without: bool| {
        let there = tried.iter().filter(|tried| !without || failed(tried).is_none());
        there.filter_map(|tried| Some((cost(tried)?, tried))).min_by_key(|(cost, _)| *cost).map(|(_, tried)| tried)
    };
    let software = || tried.iter().find(|tried| !tried.hardware);
    let first = best(false).or_else(software)?;
    let taken = best(true).unwrap_or(first);
    let others = tried.iter().filter(|other| other.name != taken.name && other.is_good() && failed(other).is_none());
    let how = failed(first).filter(|_| first.name != taken.name);
    let instead_of = how.map(|how| (first.name.clone(), how.to_owned()));
    let encoder = Encoder { name: taken.name.clone(), spare: others.count() > 0 };
    Some((encoder, Encoding { encoder: taken.clone(), instead_of }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str, hardware: bool, trial: Result<(u32, u64), &str>) -> Tried {
        let measured =
            |(pictures_per_second, us)| Measured { pictures_per_second, processor: Duration::from_micros(us) };
        Tried { name: name.into(), hardware, trial: trial.map(measured).map_err(str::to_owned) }
    }

    #[test]
    fn the_least_costly_is_taken_and_what_failed_at_one_camera_only_there_not() {
        let all = [
            tried("soft", false, Ok((200, 5_000))),
            tried("hard", true, Ok((90, 300))),
            tried("slow", true, Ok((9, 100))),
            tried("broken", true, Err("it hangs")),
        ];
        let (mut away, now) = (Away::default(), Mono(1));
        let taken = |away: &Away<(String, String)>, address: &str, now| {
            let (encoder, encoding) = choose(&all, away, address, now).unwrap();
            assert_eq!(encoder.name, encoding.encoder.name);
            (encoder.name, encoder.spare, encoding.instead_of)
        };
        assert_eq!(taken(&away, "a", now), ("hard".into(), true, None));
        away.fails(("a".into(), "hard".into()), "it hung", now);
        assert_eq!(taken(&away, "a", now), ("soft".into(), false, Some(("hard".into(), "it hung".into()))));
        assert_eq!(taken(&away, "b", now), ("hard".into(), true, None));
        assert_eq!(taken(&away, "a", now + FIRST_WAIT), ("hard".into(), true, None), "it is tried again");
        away.fails(("a".into(), "soft".into()), "it hung", now);
        assert_eq!(taken(&away, "a", now).0, "slow", "which never failed here");
        assert_eq!(choose(&all[3..], &Away::default(), "a", now), None);
        let busy = [tried("broken", true, Err("it hangs")), tried("soft", false, Err("it did not finish in time"))];
        assert_eq!(choose(&busy, &Away::default(), "a", now).unwrap().0.name, "soft", "on a machine with much to do");
    }
}
