//! The hub's side of watching: a child for each camera, started again whenever it ends.

use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::time::Duration;

use base::clock::{SharedClock, timeout};
use base::{Clock, Mono, Shutdown};
use bytes::Bytes;
use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::choice::{Choice, Using};
use crate::coded::Codec;
use crate::feed::{Feed, Sent, Waiting};
use crate::motion::{Moving, Settings};
use crate::objects::{self, About, Detecting, Looking, Model, Objects, Rest, Rgb, Size, Told, Tried};
use crate::planner::{Decoders, Planner};
use crate::sandbox::Life;
use crate::spawn::{Child, Program, Spawner};
use crate::stills::is_jpeg;
use crate::wire::watch::{Looked, MAX_BEST_BYTES, head, watch as to_watch};
use crate::wire::{self, Attempt, Hello, Reply};
use base::runtime::Runtime;

/// A child that takes longer for a picture, or says nothing for so long when it starts, is ended. The first is short: a child
/// that hangs is to cost five seconds of detection at most, with its start and what it has to learn again.
const PATIENCE: Duration = Duration::from_millis(1_500);
const START_PATIENCE: Duration = Duration::from_secs(4);
/// So long a camera waits for the decoders' trials.
const TRIALS_PATIENCE: Duration = Duration::from_secs(2);
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
    /// What is known of it; its `since` counts as [`Finding::at`] does. `None` where somebody else noticed it, who does not say.
    pub moving: Option<Moving>,
    /// A JPEG of it, where more is seen of it than before.
    pub picture: Option<Bytes>,
    /// What moves, where that was looked at by a model and told: `person`, `car`. Most findings say nothing of it.
    pub objects: Vec<String>,
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
    starts: Arc<Starts>,
    decoders: watch::Receiver<Decoders>,
    detecting: Detecting,
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
    /// What its pictures are decoded with; `None` before the first, and where it was not tried.
    pub using: watch::Receiver<Option<Using>>,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort(); // the child goes with it
    }
}

impl Eyes {
    /// Tries at once what decoders there are. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(program: Program, clock: SharedClock, shutdown: Shutdown) -> io::Result<Self> {
        Self::start_with(Vec::new(), program, clock, shutdown)
    }

    /// The same, with other libraries that may run a model, best first.
    ///
    /// # Errors
    /// As [`Eyes::start`].
    pub fn start_with(
        runtimes: Vec<Runtime>,
        program: Program,
        clock: SharedClock,
        shutdown: Shutdown,
    ) -> io::Result<Self> {
        let spawner = Spawner::start(program, tokio::runtime::Handle::current())?;
        let starts = Arc::new(Starts { spawner, accelerator: Arc::default(), clock: clock.clone() });
        let (told, decoders) = watch::channel(Decoders::default());
        let planner = Planner { starts: starts.clone(), clock: clock.clone(), shutdown: shutdown.clone(), told };
        tokio::spawn(planner.run());
        let detecting = objects::start(runtimes, starts.clone(), clock.clone(), shutdown.clone());
        Ok(Self(Arc::new(Inner { starts, decoders, detecting, clock, shutdown })))
    }

    /// What is known of this machine's decoders, now and later.
    pub fn decoders(&self) -> watch::Receiver<Decoders> {
        self.0.decoders.clone()
    }

    /// Tells objects apart with this model from now on; with `None`, what moves is motion.
    pub fn tell_objects(&self, model: Option<Model>) {
        self.0.detecting.set(model);
    }

    /// Whether objects are told apart, now and later.
    pub fn objects(&self) -> watch::Receiver<Objects> {
        self.0.detecting.state()
    }

    /// What is known of the other libraries that may run a model, now and later.
    pub fn runtimes(&self) -> watch::Receiver<Vec<Tried>> {
        self.0.detecting.runtimes()
    }

    /// Tries a model, in a child of its own. What runs on the accelerator that it needs rests until [`Rest`] is dropped: until the model
    /// that is used from now on is known.
    ///
    /// # Errors
    /// Why it is of no use, for a person.
    pub async fn try_model(&self, model: &Model) -> Result<(About, Option<Rest>), String> {
        self.0.detecting.attempt(model).await
    }

    /// Watches one camera.
    pub fn watch(&self, settings: Settings) -> Watch {
        self.look(settings, Looking::new(&self.0.detecting))
    }

    /// Looks at what was recorded, as if it came from a camera: without telling objects apart, for which there is a budget a second.
    pub fn review(&self, settings: Settings) -> Watch {
        self.look(settings, Looking::for_nothing())
    }

    fn look(&self, settings: Settings, looking: Looking) -> Watch {
        let (feed, sent) = Feed::new();
        let (found, findings) = mpsc::channel(FINDINGS);
        let (tell, sight) = watch::channel(Sight::Starting);
        let (tell_using, using) = watch::channel(None);
        let watcher = Watcher {
            inner: self.0.clone(),
            settings,
            feed: feed.clone(),
            sent,
            found,
            sight: tell,
            using: tell_using,
            choice: Choice::default(),
            looking,
            ended: 0,
            undecoded: 0,
        };
        Watch { feed, findings, sight, using, task: tokio::spawn(watcher.run()) }
    }

    /// Has a child of this life try what must not be possible; `path` is a file that this process may read.
    ///
    /// # Errors
    /// It does not start, does not answer in time, or says what no child says.
    pub async fn attempts(&self, life: Life, path: &str) -> io::Result<Vec<Attempt>> {
        let lines = self.0.starts.ask(life, &wire::attempts(path), START_PATIENCE).await?;
        Ok(Attempt::from_lines(&lines))
    }
}

/// Starts children that do more than one picture.
pub(crate) struct Starts {
    spawner: Spawner,
    /// Who has the accelerator that does for one process at a time.
    pub(crate) accelerator: Arc<tokio::sync::Mutex<()>>,
    pub(crate) clock: SharedClock,
}

impl Starts {
    /// A new child that is locked in.
    pub(crate) async fn child(&self, life: Life) -> io::Result<Child> {
        let begin = async {
            let mut child = self.spawner.child(life).await?;
            Hello::read(&mut child.socket).await?;
            Ok(child)
        };
        timeout(&*self.clock, START_PATIENCE, begin).await.unwrap_or_else(late)
    }

    /// Asks a new child one thing, which it answers with a text within `patience`.
    pub(crate) async fn ask(&self, life: Life, request: &[u8], patience: Duration) -> io::Result<String> {
        let mut child = self.child(life).await?;
        let answer = async {
            child.socket.write_all(request).await?;
            match Reply::read(&mut child.socket).await? {
                Reply::Text(text) => Ok(text),
                _ => Err(io::Error::other("it answers something else")),
            }
        };
        timeout(&*self.clock, patience, answer).await.unwrap_or_else(late)
    }
}

fn late<T>() -> io::Result<T> {
    Err(io::ErrorKind::TimedOut.into())
}

/// Why a child is needed no more.
enum End {
    /// Nobody hands in pictures, or wants to know.
    Unwanted,
    /// Another decoder is better.
    OtherDecoder,
}

struct Watcher {
    inner: Arc<Inner>,
    settings: Settings,
    feed: Feed,
    sent: mpsc::Receiver<Waiting>,
    found: mpsc::Sender<Finding>,
    sight: watch::Sender<Sight>,
    using: watch::Sender<Option<Using>>,
    choice: Choice,
    looking: Looking,
    /// Children in a row that did not live long.
    ended: u32,
    /// Pictures in a row that could not be decoded.
    undecoded: u32,
}

impl Watcher {
    async fn run(mut self) {
        let (clock, shutdown) = (self.inner.clock.clone(), self.inner.shutdown.clone());
        let mut wait = FIRST_WAIT;
        loop {
            let began = clock.mono();
            let end = tokio::select! {
                end = self.life() => end,
                () = shutdown.wait() => return,
            };
            if clock.mono().since(began) >= GOOD {
                (wait, self.ended) = (FIRST_WAIT, 0);
            }
            let e = match end {
                Ok(End::Unwanted) => return,
                Ok(End::OtherDecoder) => continue,
                Err(e) => e,
            };
            self.ended += 1;
            let again_ms = wait.as_millis() as u64;
            tracing::warn!(error = &e as &dyn std::error::Error, again_ms, "who watches a camera has ended");
            if self.ended >= BLIND_AFTER && *self.sight.borrow() != Sight::NoDecoder {
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
    async fn life(&mut self) -> io::Result<End> {
        let clock = self.inner.clock.clone();
        // What is being tried is known in a moment, unless it hangs: then a child goes ahead without.
        let mut decoders = self.inner.decoders.clone();
        let _ = timeout(&*clock, TRIALS_PATIENCE, decoders.wait_for(Decoders::complete)).await;
        let chosen = self.chosen();
        let undecided = chosen.iter().all(|(_, using)| using.is_none());
        let first: Vec<_> = chosen.iter().filter_map(|(_, using)| Some(using.as_ref()?.name.clone())).collect();
        let hardware = chosen.iter().any(|(_, using)| using.as_ref().is_some_and(|using| using.hardware));
        let request = to_watch(&self.settings, &first);
        let begin = async {
            let mut child = self.inner.starts.child(if hardware { Life::Hardware } else { Life::Watch }).await?;
            timeout(&*clock, PATIENCE, child.socket.write_all(&request)).await.unwrap_or_else(late)?;
            Ok(child)
        };
        let mut child = match begin.await {
            Ok(child) => child,
            Err(e) if hardware => {
                // A driver that has come to a stop keeps nobody from software.
                for (codec, using) in &chosen {
                    if let Some(using) = using.as_ref().filter(|using| using.hardware) {
                        self.choice.fails(*codec, &using.name, "its process does not start", clock.mono());
                    }
                }
                return self.another(&chosen, e);
            }
            Err(e) => return Err(e),
        };
        // What waited for the last child is old; what came since the last key picture is sent anew.
        while self.sent.try_recv().is_ok() {}
        self.feed.learn();
        loop {
            let waiting = tokio::select! {
                waiting = self.sent.recv() => match waiting {
                    Some(waiting) => waiting,
                    None => break,
                },
                told = self.looking.answered(|| clock.mono()) => {
                    if let Some(told) = told && self.tell(told).await.is_none() {
                        break;
                    }
                    continue;
                }
            };
            let picture = &waiting.picture;
            // While something goes on what was chosen stays; not what nobody chose, since somewhere something always goes on.
            if (picture.alone || undecided) && self.chosen() != chosen {
                return Ok(End::OtherDecoder);
            }
            let using = chosen.iter().find(|(codec, _)| *codec == picture.codec).and_then(|(_, using)| using.clone());
            let asked = clock.mono();
            let part = self.looking.wants(asked);
            let ask = ask(&mut child, picture, part);
            let looked = timeout(&*clock, PATIENCE, ask).await.unwrap_or_else(late);
            if let Some(using) = &using
                && let Some(how) = self.fails(using, &mut child, &looked, clock.mono().since(asked)).await
            {
                tracing::warn!(name = using.name, how, "a decoder fails at a camera");
                self.choice.fails(picture.codec, &using.name, how, clock.mono());
                return self.another(&chosen, io::Error::other(how));
            }
            let looked = looked?;
            self.using.send_if_modified(|old| std::mem::replace(old, using.clone()) != using);
            let jpeg = picture_of(&child, &looked)?;
            if let (Some(size), Some(place), Some(moving)) = (part, looked.part, looked.moving) {
                self.looking.show(part_of(&child, size)?, place, moving, looked.at, asked);
            }
            if self.take(picture.at, looked, jpeg).await.is_none() {
                break;
            }
        }
        Ok(End::Unwanted)
    }

    /// What is best now.
    fn chosen(&self) -> [(Codec, Option<Using>); 2] {
        self.choice.now(&self.inner.decoders.borrow(), self.inner.clock.mono())
    }

    /// At once with another decoder; where there is none, after a while with the same.
    fn another(&self, before: &[(Codec, Option<Using>); 2], e: io::Error) -> io::Result<End> {
        let name = |(_, using): &(Codec, Option<Using>)| using.as_ref().map(|using| using.name.clone());
        let same = self.chosen().iter().map(name).eq(before.iter().map(name));
        if same { Err(e) } else { Ok(End::OtherDecoder) }
    }

    /// How a decoder fails, if it does. Software is only blamed for children that end again and again: one that cannot be decoded
    /// the child itself shows to the next.
    async fn fails(
        &mut self,
        using: &Using,
        child: &mut Child,
        looked: &io::Result<Looked>,
        took: Duration,
    ) -> Option<&'static str> {
        let again_and_again = self.ended + 1 >= BLIND_AFTER;
        match looked {
            Err(_) if !using.hardware && !again_and_again => None,
            Err(e) if e.kind() == io::ErrorKind::TimedOut => Some("it gave no picture in time"),
            // Its hour is over, the memory of the machine, or somebody ended it.
            Err(_) if !again_and_again && was_killed(&*self.inner.clock, child).await => None,
            Err(_) => Some("it took its process with it"),
            Ok(_) if !using.hardware => None,
            Ok(looked) if self.choice.is_bad(looked.undecoded) => {
                self.undecoded = 0;
                Some("it could not decode what comes")
            }
            Ok(_) if self.choice.is_slow(took) => Some("it was too slow"),
            Ok(_) => None,
        }
    }

    /// `None`: nobody wants to know any more.
    async fn take(&mut self, at: Mono, looked: Looked, picture: Option<Bytes>) -> Option<()> {
        self.undecoded = if looked.undecoded { self.undecoded + 1 } else { 0 };
        match (looked.no_decoder, self.undecoded) {
            (true, _) => self.see(Sight::NoDecoder),
            (false, 0) => {
                self.feed.count_looked();
                self.see(Sight::Sees);
            }
            (false, undecoded) if undecoded >= BLIND_AFTER => self.see(Sight::Blind),
            _ => {}
        }
        if looked.suspicion {
            self.feed.suspect(at);
        }
        let Some(moving) = looked.moving else { return Some(()) };
        self.feed.moves(at, !self.looking.tells());
        self.find(looked.at, moving, picture, Vec::new()).await
    }

    /// What moves was looked at by a model. `None` as in [`Watcher::take`].
    async fn tell(&self, Told { objects, moving, at }: Told) -> Option<()> {
        self.find(at, moving, None, objects).await
    }

    async fn find(&self, at: Duration, moving: Moving, picture: Option<Bytes>, objects: Vec<String>) -> Option<()> {
        let instant = |at: Duration| Mono(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        let (at, since) = (instant(at), instant(moving.since));
        let finding = Finding { at, since, moving: Some(moving), picture, objects };
        self.found.send(finding).await.ok()
    }

    fn see(&self, sight: Sight) {
        if matches!(sight, Sight::Blind | Sight::NoDecoder) {
            self.using.send_if_modified(|using| using.take().is_some());
        }
        self.sight.send_if_modified(|old| std::mem::replace(old, sight) != sight);
    }
}

/// Somebody else ended it, not its own fault.
async fn was_killed(clock: &dyn Clock, child: &mut Child) -> bool {
    // Its end of the socket is shut already.
    let ended = timeout(clock, FIRST_WAIT, child.process.wait()).await;
    ended.is_some_and(|ended| ended.is_ok_and(|status| status.signal() == Some(Signal::SIGKILL as i32)))
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

/// What moves, in colour, as the child left it.
fn part_of(child: &Child, size: Size) -> io::Result<Rgb> {
    let mut pixels = vec![0; size.bytes()]; // bounded by the longest side
    child.picture.read_exact_at(&mut pixels, MAX_BEST_BYTES.into())?;
    Ok(Rgb { size, pixels })
}

/// Shows a child one picture, and has it keep what moves, of this size.
async fn ask(child: &mut Child, picture: &Sent, part: Option<Size>) -> io::Result<Looked> {
    let Sent { codec, config, data, at, alone } = picture;
    let at = Duration::from_millis(at.0 / 1_000_000);
    for part in [&head(*codec, *alone, at, part, [config.len(), data.len()])[..], config, data] {
        child.socket.write_all(part).await?;
    }
    Looked::read(&mut child.socket, at).await
}
