//! Which decoder a stream is decoded with: what is there is tried on a known film, and the least costly of those that are quick
//! enough is taken.
//!
//! Nothing is believed of a decoder but its pictures. Each is tried in a child of its own, so that one that hangs or crashes costs a
//! child; until all have been tried, and where none was good, a child takes software in GStreamer's own order. What failed is tried
//! again later: a device may come back.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::Shutdown;
use base::clock::SharedClock;
use base::element::{FIRST_WAIT, LONGEST_WAIT, Measured};
use tokio::sync::watch;

use crate::coded::Codec;
use crate::sandbox::Life;
use crate::watch::Starts;
use crate::wire::trial::{self, Candidate, Speed};

/// A trial takes no longer, or the decoder hangs or is of no use. On a slow board software takes half a second.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pictures a second, of a small stream, that a decoder must make: of eight such streams, ten each.
const ENOUGH: u32 = 80;
/// Where no child said in time which decoders there are, as on a machine that has much to do when it starts, it is asked again so soon,
/// and then ever later.
const ASKED_AGAIN: Duration = Duration::from_secs(20);

/// What is known of this machine's decoders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoders {
    tried: Vec<Decoder>,
    /// All that could be found have been tried.
    complete: bool,
}

/// A decoder that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoder {
    /// What it decodes.
    pub codec: Codec,
    /// GStreamer's name of its element.
    pub name: String,
    /// It says of itself that hardware decodes.
    pub hardware: bool,
    /// How it did; or why it is of no use, for a person.
    /// The film is 640 pixels wide, as a camera's small stream.
    pub trial: Result<Measured, String>,
}

impl Decoders {
    /// All of a coding that were tried, in no order.
    pub fn tried(&self, codec: Codec) -> impl Iterator<Item = &Decoder> {
        self.tried.iter().filter(move |decoder| decoder.codec == codec)
    }

    /// Nothing is left to be tried.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// The one to be taken: of those that are quick enough the one that takes the least of the processor; where none is, the
    /// quickest.
    pub fn best(&self, codec: Codec) -> Option<&Decoder> {
        self.best_but(codec, |_| false)
    }

    /// The same without some.
    pub(crate) fn best_but(&self, codec: Codec, without: impl Fn(&Decoder) -> bool) -> Option<&Decoder> {
        let good = self.tried(codec).filter(|decoder| !without(decoder));
        let cost = |decoder: &Decoder| Some(decoder.trial.as_ref().ok()?.cost(ENOUGH));
        good.filter_map(|decoder| Some((cost(decoder)?, decoder))).min_by_key(|(cost, _)| *cost).map(|(_, d)| d)
    }

    /// As it would be with these; for tests of who says it.
    pub fn of(tried: Vec<Decoder>) -> Self {
        Self { tried, complete: true }
    }
}

impl Decoder {
    /// It works, and is quick enough.
    pub fn is_good(&self) -> bool {
        self.trial.as_ref().is_ok_and(|m| m.pictures_per_second >= ENOUGH)
    }

    /// How it did, for a person.
    pub fn said(&self) -> String {
        match &self.trial {
            Err(why) => why.clone(),
            Ok(measured) => measured.said(ENOUGH),
        }
    }
}

/// Tries decoders.
pub(crate) struct Planner {
    pub starts: Arc<Starts>,
    pub clock: SharedClock,
    pub shutdown: Shutdown,
    pub told: watch::Sender<Decoders>,
}

impl Planner {
    /// Tries all at once, and what failed again and again, ever less often.
    pub(crate) async fn run(self) {
        let mut wait = ASKED_AGAIN;
        let mut there = None;
        loop {
            let tries = async {
                if there.is_none() {
                    let failed = |e: io::Error| tracing::warn!(error = %e, "it is not known which decoders there are");
                    there = self.candidates(Life::Hardware).await.map_err(failed).ok();
                }
                let software = match there {
                    Some(_) => None,
                    // What is wrong with hardware keeps nobody from software.
                    None => self.candidates(Life::Watch).await.ok(),
                };
                self.try_all(there.as_ref().or(software.as_ref()).map_or(&[][..], Vec::as_slice)).await;
            };
            tokio::select! {
                () = tries => {}
                () = self.shutdown.wait() => return,
            }
            let all_good = self.told.borrow().tried.iter().all(Decoder::is_good);
            if there.is_some() {
                if all_good {
                    return;
                }
                wait = wait.max(FIRST_WAIT);
            }
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = self.shutdown.wait() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Those that did not work yet.
    async fn try_all(&self, there: &[Candidate]) {
        for candidate in there {
            let is_it = |d: &Decoder| d.codec == candidate.codec && d.name == candidate.name;
            let good = self.told.borrow().tried.iter().any(|d| is_it(d) && d.is_good());
            if good {
                continue;
            }
            let Candidate { codec, name, hardware } = candidate.clone();
            let trial = self.try_one(candidate).await.map(|s| Measured::of(s.pictures, s.wall, s.processor));
            let decoder = Decoder { codec, name, hardware, trial };
            tracing::info!(codec = ?codec, name = decoder.name, hardware, outcome = decoder.said(), "a decoder was tried");
            self.told.send_modify(|told| {
                told.tried.retain(|d| !is_it(d));
                told.tried.push(decoder);
            });
        }
        self.told.send_modify(|told| told.complete = true);
    }

    async fn candidates(&self, life: Life) -> io::Result<Vec<Candidate>> {
        let text = self.starts.ask(life, &trial::candidates(), PATIENCE).await?;
        Ok(trial::read_list(&text))
    }

    async fn try_one(&self, candidate: &Candidate) -> Result<Speed, String> {
        // As it is used later.
        let life = if candidate.hardware { Life::Hardware } else { Life::Watch };
        match self.starts.ask(life, &trial::attempt(candidate), PATIENCE).await {
            Ok(text) => trial::read_outcome(&text),
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Err("it did not finish in time".to_owned()),
            Err(_) => Err("it took its process with it".to_owned()),
        }
    }
}
