//! The hub's side of watching: a child for each camera, started again whenever it ends.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use base::clock::{SharedClock, timeout};
use base::{Mono, Shutdown};
use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::feed::{Feed, Sent, Waiting};
use crate::motion::{Moving, Settings};
use crate::sandbox::Life;
use crate::spawn::{Child, Program, Spawner};
use crate::stills::is_jpeg;
use crate::wire::watch::{Looked, head, watch as to_watch};
use crate::wire::{self, Attempt, Hello, Reply};

/// A child that takes longer for a picture, or says nothing for so long when it starts, is ended. The first is short: a child
/// that hangs is to cost five seconds of detection at most, with its start and what it has to learn again.
const PATIENCE: Duration = Duration::from_millis(1_500);
const START_PATIENCE: Duration = Duration::from_secs(4);
/// How long it is until the next child, and at most after many that failed at once.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A child that lived so long was a good one.
const GOOD: Duration = Duration::from_secs(20);
/// So many children in a row that were none, or pictures that could not be decoded: the camera is not watched.
const BLIND_AFTER: u32 = 3;
/// Findings that may wait for who takes them.
const FINDINGS: usize = 64;

/// Something moves at a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// When the picture was taken in which it was seen.
    pub at: Mono,
    /// Since when it moves.
    pub since: Mono,
    /// What is known of it; its `since` counts as [`Finding::at`] does.
    pub moving: Moving,
    /// A JPEG of it, where more is seen of it than before.
    pub picture: Option<Bytes>,
}

/// How watching goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// No picture was looked at yet.
    Starting,
    /// Pictures are looked at.
    Sees,
    /// Nothing on this machine decodes them.
    NoDecoder,
    /// They cannot be decoded, or no child lives.
    Blind,
}

/// Watches cameras, each in a process of its own. Clones share everything.
#[derive(Clone)]
pub struct Eyes(Arc<Inner>);

struct Inner {
    spawner: Spawner,
    clock: SharedClock,
    shutdown: Shutdown,
}

/// A camera that is watched, until this is dropped.
pub struct Watch {
    /// Where its pictures are handed in.
    pub feed: Feed,
    /// What moves, picture by picture.
    pub findings: mpsc::Receiver<Finding>,
    /// How it goes.
    pub sight: watch::Receiver<Sight>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort(); // the child goes with it
    }
}

impl Eyes {
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(program: Program, clock: SharedClock, shutdown: Shutdown) -> io::Result<Self> {
        let spawner = Spawner::start(program, tokio::runtime::Handle::current())?;
        Ok(Self(Arc::new(Inner { spawner, clock, shutdown })))
    }

    /// Watches one camera.
    pub fn watch(&self, settings: Settings) -> Watch {
        let (feed, sent) = Feed::new();
        let (found, findings) = mpsc::channel(FINDINGS);
        let (tell, sight) = watch::channel(Sight::Starting);
        let watcher =
            Watcher { inner: self.0.clone(), settings, feed: feed.clone(), sent, found, sight: tell, undecoded: 0 };
        Watch { feed, findings, sight, task: tokio::spawn(watcher.run()) }
    }

    /// Has a child that would watch try what must not be possible; `path` is a file that this process may read.
    ///
    /// # Errors
    /// It does not start, does not answer in time, or says what no child says.
    pub async fn attempts(&self, path: &str) -> io::Result<Vec<Attempt>> {
        let ask = async {
            let mut child = self.0.child().await?;
            child.socket.write_all(&wire::attempts(path)).await?;
            match Reply::read(&mut child.socket).await? {
                Reply::Text(lines) => Ok(Attempt::from_lines(&lines)),
                _ => Err(io::Error::other("it answers something else")),
            }
        };
        timeout(&*self.0.clock, 2 * START_PATIENCE, ask).await.unwrap_or_else(late)
    }
}

impl Inner {
    /// A new child that is locked in.
    async fn child(&self) -> io::Result<Child> {
        let begin = async {
            let mut child = self.spawner.child(Life::Watch).await?;
            Hello::read(&mut child.socket).await?;
            Ok(child)
        };
        timeout(&*self.clock, START_PATIENCE, begin).await.unwrap_or_else(late)
    }
}

fn late<T>() -> io::Result<T> {
    Err(io::ErrorKind::TimedOut.into())
}

struct Watcher {
    inner: Arc<Inner>,
    settings: Settings,
    feed: Feed,
    sent: mpsc::Receiver<Waiting>,
    found: mpsc::Sender<Finding>,
    sight: watch::Sender<Sight>,
    /// Pictures in a row that could not be decoded.
    undecoded: u32,
}

impl Watcher {
    async fn run(mut self) {
        let (clock, shutdown) = (self.inner.clock.clone(), self.inner.shutdown.clone());
        let (mut wait, mut failed) = (FIRST_WAIT, 0);
        loop {
            let began = clock.mono();
            let end = tokio::select! {
                end = self.life() => end,
                () = shutdown.wait() => return,
            };
            let Err(e) = end else { return }; // nobody hands in pictures any more
            if clock.mono().since(began) >= GOOD {
                (wait, failed) = (FIRST_WAIT, 0);
            }
            failed += 1;
            let again_ms = wait.as_millis() as u64;
            tracing::warn!(error = &e as &dyn std::error::Error, again_ms, "who watches a camera has ended");
            if failed >= BLIND_AFTER && *self.sight.borrow() != Sight::NoDecoder {
                self.see(Sight::Blind);
            }
            tokio::select! {
                () = clock.sleep(wait) => {}
                () = shutdown.wait() => return,
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One child's life.
    async fn life(&mut self) -> io::Result<()> {
        let clock = self.inner.clock.clone();
        let mut child = self.inner.child().await?;
        timeout(&*clock, PATIENCE, child.socket.write_all(&to_watch(&self.settings))).await.unwrap_or_else(late)?;
        // What waited for the last child is old; what came since the last key picture is sent anew.
        while self.sent.try_recv().is_ok() {}
        self.feed.learn();
        while let Some(waiting) = self.sent.recv().await {
            let picture = &waiting.picture;
            let ask = ask(&mut child, picture);
            let looked = timeout(&*clock, PATIENCE, ask).await.unwrap_or_else(late)?;
            let jpeg = picture_of(&child, &looked)?;
            if self.take(picture.at, looked, jpeg).await.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// `None`: nobody wants to know any more.
    async fn take(&mut self, at: Mono, looked: Looked, picture: Option<Bytes>) -> Option<()> {
        self.undecoded = if looked.undecoded { self.undecoded + 1 } else { 0 };
        match (looked.no_decoder, self.undecoded) {
            (true, _) => self.see(Sight::NoDecoder),
            (false, 0) => self.see(Sight::Sees),
            (false, undecoded) if undecoded >= BLIND_AFTER => self.see(Sight::Blind),
            _ => {}
        }
        if looked.suspicion || looked.moving.is_some() {
            self.feed.suspect(at);
        }
        let Some(moving) = looked.moving else { return Some(()) };
        let instant = |at: Duration| Mono(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        let finding = Finding { at: instant(looked.at), since: instant(moving.since), moving, picture };
        self.found.send(finding).await.ok()
    }

    fn see(&self, sight: Sight) {
        self.sight.send_if_modified(|old| std::mem::replace(old, sight) != sight);
    }
}

/// What the child made of it. It waits for the next picture, and writes nothing meanwhile, unless it is an enemy's: then what is
/// read is a picture of his.
fn picture_of(child: &Child, looked: &Looked) -> io::Result<Option<Bytes>> {
    if looked.jpeg == 0 {
        return Ok(None);
    }
    let mut jpeg = vec![0; looked.jpeg as usize]; // bounded by the wire
    child.picture.read_exact_at(&mut jpeg, 0)?;
    Ok(is_jpeg(&jpeg).then(|| jpeg.into()))
}

/// Shows a child one picture.
async fn ask(child: &mut Child, picture: &Sent) -> io::Result<Looked> {
    let Sent { codec, config, data, at, alone } = picture;
    let at = Duration::from_millis(at.0 / 1_000_000);
    for part in [&head(*codec, *alone, at, config.len(), data.len())[..], config, data] {
        child.socket.write_all(part).await?;
    }
    Looked::read(&mut child.socket, at).await
}
