//! Looking at recorded pictures for motion as if they came from a camera now: what would be an event with other settings?
//!
//! The same child, feed and tracks as for a camera; only that pictures wait for the child instead of being dropped.

use std::time::Duration;

use base::footage::{AccessUnit, InitSegment, VIDEO_TIMESCALE};
use base::{Mono, Problem, ProblemKind};
use bytes::Bytes;
use vision::{Finding, Moving, Sight, Watch};

use crate::happening::{Movement, QUIET};

/// While all are looked at, so many may be on their way at once.
const AHEAD: usize = 32;

/// Looks at the pictures of one camera, in the order in which they were taken.
pub struct Review {
    watch: Watch,
    /// What the pictures' present parameters are.
    init: Option<Bytes>,
    now: Option<Movement>,
    over: Vec<Reviewed>,
}

/// What would be an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Reviewed {
    /// When it begins, in the time of the pictures.
    pub start: Duration,
    /// When it is seen last.
    pub end: Duration,
    /// The most certain that is seen of it.
    pub best: Moving,
    /// A JPEG of that, if there is one.
    pub picture: Option<Bytes>,
}

impl Review {
    pub(crate) fn new(watch: Watch) -> Self {
        Self { watch, init: None, now: None, over: Vec::new() }
    }

    /// Shows it a picture, whose `dts` counts from anywhere, but for all of them from the same instant. Waits as long as looking takes.
    ///
    /// # Errors
    /// Nothing here decodes such pictures.
    pub async fn show(&mut self, init: &InitSegment, unit: AccessUnit) -> Result<(), Problem> {
        if self.init.as_ref() != Some(&init.bytes) {
            self.settle().await?;
            if !self.watch.feed.begin(init, Mono::default()) {
                return Err(Problem::with(ProblemKind::NoDecoder, &init.video.codec));
            }
            self.init = Some(init.bytes.clone());
        }
        let ticks = u64::try_from(unit.dts).unwrap_or_default();
        // It comes when it is taken.
        let arrived = Mono(ticks.saturating_mul(1_000_000_000 / 1_000) / u64::from(VIDEO_TIMESCALE / 1_000));
        let key = unit.key;
        self.watch.feed.push(&AccessUnit { arrived, ..unit });
        // What a key picture shows decides whether those after it are looked at.
        if key || self.watch.feed.waiting() >= AHEAD {
            self.settle().await?;
        }
        Ok(())
    }

    /// What would be an event and is over, since this was asked last.
    pub fn over(&mut self) -> Vec<Reviewed> {
        std::mem::take(&mut self.over)
    }

    /// There are no more pictures.
    ///
    /// # Errors
    /// As [`Review::show`].
    pub async fn end(mut self) -> Result<Vec<Reviewed>, Problem> {
        self.settle().await?;
        self.over.extend(self.now.and_then(reviewed));
        Ok(self.over)
    }

    /// Waits until all was looked at.
    async fn settle(&mut self) -> Result<(), Problem> {
        loop {
            // Whoever is blind may see again, but not soon.
            let kind = match *self.watch.sight.borrow_and_update() {
                Sight::Starting | Sight::Sees => None,
                Sight::NoDecoder => Some(ProblemKind::NoDecoder),
                Sight::Blind => Some(ProblemKind::NotWatched),
            };
            if let Some(kind) = kind {
                return Err(kind.into());
            }
            let found = tokio::select! {
                biased;
                found = self.watch.findings.recv() => found,
                () = self.watch.feed.settled() => return Ok(()),
                changed = self.watch.sight.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => None,
                },
            };
            match found {
                Some(found) => self.take(&found),
                None => return Err(ProblemKind::ShuttingDown.into()),
            }
        }
    }

    fn take(&mut self, finding: &Finding) {
        match &mut self.now {
            Some(now) if finding.at.since(now.last) <= QUIET => {
                now.goes_on(finding);
            }
            now => self.over.extend(now.replace(Movement::begin(finding)).and_then(reviewed)),
        }
    }
}

/// All of it: the hub's own eyes say where something is.
fn reviewed(Movement { since, last, best, picture, .. }: Movement) -> Option<Reviewed> {
    Some(Reviewed { start: Duration::from_nanos(since.0), end: Duration::from_nanos(last.0), best: best?, picture })
}
