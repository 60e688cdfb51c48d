//! The hub's side: still pictures, each made in a child of its own.

use std::collections::VecDeque;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base::clock::{SharedClock, timeout};
use base::state::{Health, Reason};
use base::{Problem, ProblemKind, Shutdown};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, Semaphore};

use crate::coded::{Codec, Coded};
use crate::sandbox::{Life, Sandbox};
use crate::spawn::{Child, Program, Spawner};
use crate::wire::{self, Attempt, Hello, MAX_CODED_BYTES, Reply};

/// What stills may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Pictures that are decoded at a time.
    pub at_once: usize,
    /// Pictures that are asked for at a time, those that are decoded among them; more are refused.
    pub asked: usize,
    /// Children that stand ready. None are before the first picture is asked for, and none when none was for `idle`.
    pub ready: usize,
    /// See `ready`.
    pub idle: Duration,
    /// How long a picture may wait for its turn; a child for its start; and a child take for its picture. Each ends in an
    /// error.
    pub patience: Duration,
}

impl Default for Limits {
    /// A child that stands ready takes some 20 MB, most of it shared with the others; most homes have two cores to spare.
    fn default() -> Self {
        Self { at_once: 2, asked: 16, ready: 2, idle: Duration::from_secs(60), patience: Duration::from_secs(4) }
    }
}

/// There is no still picture.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    /// Too many are asked for.
    #[error("too many still pictures are asked for")]
    TooMany,
    /// A child could not be started.
    #[error("a decoder's process does not start")]
    Start(#[source] io::Error),
    /// It did not answer in time, and was ended.
    #[error("the decoder did not answer in time")]
    TooLate,
    /// It ended, or said what no child says.
    #[error("the decoder's process failed")]
    Ended(#[source] io::Error),
    /// Nothing on this machine decodes it.
    #[error("{0}")]
    NoDecoder(String),
    /// The picture could not be decoded.
    #[error("the picture could not be decoded: {0}")]
    Refused(String),
}

impl From<StillError> for Problem {
    fn from(e: StillError) -> Self {
        match &e {
            StillError::TooMany => ProblemKind::TooBusy.into(),
            StillError::NoDecoder(what) => Problem::with(ProblemKind::NoDecoder, what),
            StillError::Start(_) => Problem::with(ProblemKind::StillFailed, "Its decoder does not start"),
            StillError::TooLate => Problem::with(ProblemKind::StillFailed, "Its decoder did not answer in time"),
            StillError::Ended(_) => Problem::with(ProblemKind::StillFailed, "Its decoder has failed"),
            // The rest is for the log: it is made of what the camera sent.
            StillError::Refused(_) => Problem::with(ProblemKind::StillFailed, "It could not be decoded"),
        }
    }
}

/// Makes still pictures. Clones share everything.
#[derive(Clone)]
pub struct Stills(Arc<Inner>);

struct Inner {
    spawner: Spawner,
    clock: SharedClock,
    limits: Limits,
    asked: Semaphore,
    turns: Semaphore,
    /// A picture was asked for.
    used: Notify,
    state: Mutex<State>,
}

/// Lock order: a leaf; nothing is awaited under it.
#[derive(Default)]
struct State {
    /// Oldest first.
    ready: VecDeque<Ready>,
    /// What the last child said of itself.
    last: Option<Hello>,
}

/// A child that is locked in and waits for its picture.
struct Ready(Child);

impl Stills {
    /// Nothing is started before the first picture is asked for. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(program: Program, limits: Limits, clock: SharedClock, shutdown: Shutdown) -> io::Result<Self> {
        let spawner = Spawner::start(program, tokio::runtime::Handle::current())?;
        let (asked, turns) = (Semaphore::new(limits.asked), Semaphore::new(limits.at_once));
        let inner = Inner { spawner, clock, limits, asked, turns, used: Notify::new(), state: Mutex::default() };
        let stills = Self(Arc::new(inner));
        tokio::spawn(stills.clone().stand_ready(shutdown));
        Ok(stills)
    }

    /// A JPEG of a key picture, at most `width` pixels wide. Takes at most three times [`Limits::patience`].
    ///
    /// # Errors
    /// See [`StillError`]; the next picture is not concerned by any of them.
    pub async fn jpeg(&self, coded: &Coded, width: Option<u16>) -> Result<Bytes, StillError> {
        let narrower = width.filter(|width| *width < coded.width).unwrap_or(0);
        if coded.codec == Codec::Mjpeg && narrower == 0 {
            return if is_jpeg(&coded.data) { Ok(coded.data.clone()) } else { Err(refused("it is no JPEG")) };
        }
        if coded.config.len() + coded.data.len() > MAX_CODED_BYTES {
            return Err(refused("it is too large"));
        }
        let head = wire::head(coded.codec, narrower, coded.config.len(), coded.data.len());
        let (reply, child) = self.ask(&[&head, &coded.config, &coded.data]).await?;
        match reply {
            Reply::Jpeg(len) => {
                let mut jpeg = vec![0; len as usize]; // bounded by the wire
                child.picture.read_exact_at(&mut jpeg, 0).map_err(StillError::Ended)?;
                if is_jpeg(&jpeg) { Ok(jpeg.into()) } else { Err(refused("what came out is no JPEG")) }
            }
            Reply::NoDecoder(what) => Err(StillError::NoDecoder(what)),
            Reply::Text(why) => Err(refused(&why)),
        }
    }

    /// Has a child try what must not be possible; `path` is a file that this process may read.
    ///
    /// # Errors
    /// As [`Stills::jpeg`].
    pub async fn attempts(&self, path: &str) -> Result<Vec<Attempt>, StillError> {
        match self.ask(&[&wire::attempts(path)]).await?.0 {
            Reply::Text(lines) => Ok(Attempt::from_lines(&lines)),
            _ => Err(refused("it answers something else")),
        }
    }

    /// How it is: degraded where the kernel lacks a protection, or the machine a decoder (that is known after the first
    /// picture).
    pub fn health(&self) -> Health {
        let degraded = |reason, kind, what: &str| {
            let detail = Problem::with(kind, what).to_string();
            Health::Degraded { reason, detail }
        };
        let last = self.0.state().last.clone();
        if let Some(hello) = last.as_ref().filter(|hello| !hello.lacks.is_empty()) {
            return degraded(Reason::NoDecoder, ProblemKind::NoDecoder, &hello.lacks);
        }
        let sandbox = last.map_or_else(Sandbox::of_kernel, |hello| hello.sandbox);
        match sandbox.lacks() {
            Some(what) => degraded(Reason::WeakSandbox, ProblemKind::WeakSandbox, what),
            None => Health::Ok,
        }
    }

    /// Asks one child one thing. The child comes back with its answer, and ends with it.
    async fn ask(&self, parts: &[&[u8]]) -> Result<(Reply, Child), StillError> {
        let inner = &self.0;
        let patience = inner.limits.patience;
        let _asked = inner.asked.try_acquire().map_err(|_| StillError::TooMany)?;
        let turn = timeout(&*inner.clock, patience, inner.turns.acquire()).await;
        let _turn = turn.ok_or(StillError::TooMany)?;
        let ready = inner.state().take();
        let Ready(mut child) = match ready {
            Some(ready) => ready,
            None => inner.begin().await?,
        };
        inner.used.notify_one();
        let talk = async {
            for part in parts {
                child.socket.write_all(part).await?;
            }
            Reply::read(&mut child.socket).await
        };
        match timeout(&*inner.clock, patience, talk).await {
            Some(Ok(reply)) => Ok((reply, child)),
            Some(Err(e)) => Err(StillError::Ended(e)),
            None => Err(StillError::TooLate),
        }
    }

    /// Keeps children ready while pictures are asked for.
    async fn stand_ready(self, shutdown: Shutdown) {
        let inner = &self.0;
        loop {
            tokio::select! {
                () = inner.used.notified() => {}
                () = inner.clock.sleep(inner.limits.idle) => {
                    inner.state().ready.clear();
                    continue;
                }
                () = shutdown.wait() => break,
            }
            while inner.state().ready.len() < inner.limits.ready && !shutdown.is_triggered() {
                match inner.begin().await {
                    Ok(ready) => inner.state().ready.push_back(ready),
                    Err(e) => {
                        // Who asks next tries again, and is told.
                        tracing::warn!(error = &e as &dyn std::error::Error, "a decoder's process does not start");
                        break;
                    }
                }
            }
        }
        inner.state().ready.clear();
    }
}

impl Inner {
    /// A new child that is locked in.
    async fn begin(&self) -> Result<Ready, StillError> {
        let begin = async {
            let mut child = self.spawner.child(Life::Picture).await?;
            let hello = Hello::read(&mut child.socket).await?;
            Ok((child, hello))
        };
        let begun = timeout(&*self.clock, self.limits.patience, begin).await.ok_or(StillError::TooLate)?;
        let (child, hello) = begun.map_err(StillError::Start)?;
        self.state().last = Some(hello);
        Ok(Ready(child))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// One that still lives.
    fn take(&mut self) -> Option<Ready> {
        while let Some(mut ready) = self.ready.pop_front() {
            if matches!(ready.0.process.try_wait(), Ok(None)) {
                return Some(ready);
            }
        }
        None
    }
}

/// ISO/IEC 10918-1: a start of image.
pub(crate) fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
}

fn refused(why: &str) -> StillError {
    StillError::Refused(why.to_owned())
}
