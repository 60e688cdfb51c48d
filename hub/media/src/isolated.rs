//! GStreamer's sources in a process of their own.
//!
//! `rtspsrc` is a lot of C that reads what a camera sends, and some of it crashes at what it should not (`rtph265depay` and
//! `rtpjpegdepay` of 1.22, found by cameras that are spoiled at random): one camera must not end the recording of all. So
//! the program begins itself anew for each such connection, hands it address and password by its standard input, and is
//! given back what an [`Output`] is given, by its standard output. A child that dies ends this one connection.
//!
//! So it is with what a camera says beside its pictures, since the RTSP library gathers an answer that does not end without a bound:
//! here the child's memory is one. And so it is with cameras of this machine, whose drivers and encoders may crash or hang: one that
//! says nothing any more is killed. Encoders are tried in such children, too.
//!
//! ```text
//! Ingest ── request, a line ──▶ child: source ! keepsightsink ── init, units, fragments, end ──▶ Ingest's output
//! ```
//!
//! What the child says is taken as hostile: it is bounded, and fragments are checked again before they are kept.

mod listener;

use std::fs::File;
use std::io::{BufRead, Write};
use std::os::fd::AsFd;
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::footage::{AccessUnit, AudioParams, Fragment, InitSegment, Sample, Track, VideoParams};
use base::{Mono, SharedClock, Shutdown, SystemClock, clock};
use bytes::Bytes;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use zeroize::{Zeroize, Zeroizing};

use crate::elements::watch::LATE;
use crate::end::{EndReason, IngestEnd};
use crate::ingest::Ingest;
use crate::lens::encode::{self, Candidate};
use crate::lens::encoders::{Encoders, Encoding};
use crate::lens::trial::{self, Speed};
use crate::lens::{Encoder, Lens};
use crate::output::Output;
use crate::source::{Credentials, Options, Source, Way};
pub(crate) use listener::Listener;

/// The hidden subcommand that calls [`main`].
pub const COMMAND: &str = "media-child";

/// Most bytes of a message's head, and of what follows it: a fragment of pictures and sound of the largest kind.
const HEAD_BYTES: u32 = 2 << 20;
const BODY_BYTES: u32 = 32 << 20;
/// What waits between the two processes: the hub's reading thread naps, and a key picture must not wait for that.
const PIPE_BYTES: i32 = 1 << 20;
/// A child that was asked to stop is killed after this: a camera that does not answer the goodbye takes one.
const STOPS_WITHIN: Duration = Duration::from_secs(4);
/// A child that says nothing for this much longer than its camera may take hangs.
const SILENT: Duration = Duration::from_secs(5);
/// How long a camera may take until its first picture: one that connects slowly, and sends no key picture for a minute.
const BEGINS_WITHIN: Duration = Duration::from_secs(75);
/// What a child's sources may take to stop; what hangs ends with the process.
const GIVEN_UP: Duration = Duration::from_secs(2);
/// What a child that reads a network may occupy: its threads' stacks and heaps are reserved, not used.
const ADDRESS_SPACE: u64 = 4 << 30;

static ISOLATED: AtomicBool = AtomicBool::new(false);

/// From now on GStreamer's sources run in processes of their own. To be called by a program whose `main` knows [`COMMAND`]; others
/// (tests, that is) have it in their own.
pub fn isolate() {
    ISOLATED.store(true, Ordering::Relaxed);
}

pub(crate) fn is_isolated() -> bool {
    ISOLATED.load(Ordering::Relaxed)
}

/// What a child is asked for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Request {
    /// A camera's pictures and sound.
    Connect(Connect),
    /// What it says beside them.
    Messages(Connect),
    /// Which encoders there are.
    Encoders,
    /// How one of them does.
    TryEncoder(String),
}

#[derive(Serialize, Deserialize)]
struct Connect {
    url: String,
    username: Option<String>,
    password: Option<String>,
    way: String,
    certificate: Option<String>,
    /// The encoder's name, and whether there is another.
    encoder: Option<(String, bool)>,
    connect_timeout: Duration,
    read_timeout: Duration,
}

impl Drop for Connect {
    fn drop(&mut self) {
        self.password.zeroize();
    }
}

/// What a child says; the bytes follow it. `Listens`: a camera will say what there is to say beside its pictures; `Document`: it
/// said something.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Head {
    Init { video: VideoParams, audio: Option<AudioParams>, zero: Mono },
    Fragment { samples: Vec<Row>, start_90k: i64, end_90k: i64, key: bool, arrived: Mono },
    Unit { track: Track, dts: i64, cts_offset: i32, duration: u32, key: bool, arrived: Mono },
    SoundDropped { encoding: String },
    Certificate { fingerprint: String },
    Encodes { name: String },
    Listens,
    Document,
    Encoders { all: Vec<Candidate> },
    Tried { outcome: Result<Speed, String> },
    Ended { reason: String, detail: String },
}

impl Head {
    fn ended(end: IngestEnd) -> Self {
        Head::Ended { reason: end.reason.as_str().to_owned(), detail: end.detail }
    }
}

/// A sample: track, offset, size, dts, composition offset, duration, key.
type Row = (Track, u32, u32, i64, i32, u32, bool);

/// Starts a child for one connection; as [`Ingest::start`].
pub(crate) fn start(
    source: Source,
    runtime: &tokio::runtime::Handle,
    clock: SharedClock,
    options: Options,
    output: Box<dyn Output>,
) -> Ingest {
    let shutdown = Shutdown::new();
    let (tell_done, ended) = watch::channel(None);
    let stop = shutdown.clone();
    runtime.spawn(async move {
        let end = follow(source, &clock, &options, output, stop).await;
        let _ = tell_done.send(Some(end)); // nobody wants to know any more
    });
    Ingest::of(shutdown, ended)
}

/// From a child's start to its end. The output is dropped by then.
async fn follow(
    source: Source,
    clock: &SharedClock,
    options: &Options,
    output: Box<dyn Output>,
    stop: Shutdown,
) -> IngestEnd {
    options.pace.begin();
    let mut lent = match &source {
        Source::Lens(lens) => tokio::select! {
            lent = Lent::of(lens, options) => lent,
            () = stop.wait() => return IngestEnd::stopped(),
        },
        _ => None,
    };
    let encoder = lent.as_ref().map(|lent| lent.encoder.clone());
    let connect = Connect::new(&source, encoder, options);
    let read_timeout = connect.read_timeout;
    let mut child = match begin(&Request::Connect(connect)).await {
        Ok(child) => child,
        Err(e) => {
            tracing::error!(error = &e as &dyn std::error::Error, "a camera's process does not start");
            return IngestEnd::new(EndReason::Error, "The program that reads it does not start");
        }
    };
    let (mut to, Some(from)) = (child.stdin.take(), child.stdout.take()) else { return IngestEnd::stopped() };
    let silence = |begun: bool| match begun {
        true => options.pace.limit().map_or(read_timeout, |limit| limit.max(read_timeout)) + SILENT,
        false => BEGINS_WITHIN + SILENT,
    };
    let mut listening = Box::pin(listen(from, output, clock, options, silence, lent.as_mut()));
    let end = tokio::select! {
        end = &mut listening => end,
        () = stop.wait() => {
            // The end of its input tells it to stop; what it still says is taken.
            drop(to.take());
            let _ = clock::timeout(&**clock, STOPS_WITHIN, &mut listening).await;
            Ok(IngestEnd::stopped())
        }
    };
    drop((listening, to));
    let died = end.is_err();
    if died || clock::timeout(&**clock, STOPS_WITHIN, child.wait()).await.is_none() {
        let _ = child.kill().await; // an error means that it has ended meanwhile
    }
    let end = end.unwrap_or_else(|died| died);
    match lent {
        Some(lent) => lent.ended(end, died),
        None => end,
    }
}

/// The encoder that a camera of this machine is lent.
struct Lent<'a> {
    encoders: &'a Encoders,
    lens: &'a Lens,
    encoder: Encoder,
    encoding: Encoding,
    /// It is used.
    used: bool,
}

impl<'a> Lent<'a> {
    async fn of(lens: &'a Lens, options: &'a Options) -> Option<Lent<'a>> {
        let encoders = options.encoders.as_ref()?;
        let (encoder, encoding) = encoders.choose(lens).await?;
        Some(Lent { encoders, lens, encoder, encoding, used: false })
    }

    fn used(&mut self) {
        self.used = true;
        self.encoders.begins(self.lens, self.encoding.clone());
    }

    /// The end, where that was the encoder's fault: one whose process dies without a word is taken to have done it.
    fn ended(self, end: IngestEnd, died: bool) -> IngestEnd {
        let end = match died && self.used {
            true => IngestEnd::new(EndReason::Encoder, format!("{} took its process with it", self.encoder.name)),
            false => end,
        };
        let failed = (end.reason == EndReason::Encoder).then_some((self.encoder.name.as_str(), end.detail.as_str()));
        if self.used {
            self.encoders.ends(self.lens, failed);
        }
        end
    }
}

/// Gives all that a child says to the output. `silence`: how long it may say nothing, before and after its first picture.
///
/// # Errors
/// It ended without saying why, or says nothing any more.
async fn listen(
    mut from: impl AsyncRead + Unpin,
    mut output: Box<dyn Output>,
    clock: &SharedClock,
    options: &Options,
    silence: impl Fn(bool) -> Duration,
    mut lent: Option<&mut Lent<'_>>,
) -> Result<IngestEnd, IngestEnd> {
    let mut begun = false;
    loop {
        let (silence, mut next) = (silence(begun), Box::pin(message(&mut from)));
        let said = loop {
            let asked = clock.mono();
            let said = clock::timeout(&**clock, silence, &mut next).await;
            // Where the hub did not run, what came meanwhile is still to be read.
            if said.is_some() || clock.mono().since(asked) < silence + LATE {
                break said;
            }
        };
        let (head, body) = match said {
            Some(Ok(message)) => message,
            Some(Err(e)) => {
                tracing::warn!(error = &e as &dyn std::error::Error, "a camera's process says no more");
                return Err(IngestEnd::new(EndReason::Broken, "The program that reads it failed at what it sends"));
            }
            None => {
                tracing::warn!("a camera's process hangs");
                return Err(IngestEnd::new(EndReason::Stalled, "The program that reads it hangs"));
            }
        };
        match (&head, &mut lent) {
            (Head::Unit { track: Track::Video, key, .. }, _) => {
                begun = true;
                options.pace.picture(clock.mono(), *key);
            }
            (Head::Encodes { .. }, Some(lent)) => lent.used(),
            _ => {}
        }
        if let Some(end) = take(head, body, &mut *output) {
            return Ok(end);
        }
    }
}

impl Connect {
    fn new(source: &Source, encoder: Option<Encoder>, options: &Options) -> Self {
        let (url, rtsp) = match source {
            Source::Rtsp(rtsp) => (rtsp.url.as_str(), Some(rtsp)),
            Source::Lens(lens) => (lens.url.as_str(), None),
            Source::Sim => ("sim:", None),
        };
        let credentials = rtsp.and_then(|rtsp| rtsp.credentials.as_ref());
        Self {
            url: url.to_owned(),
            username: credentials.map(|c| c.username.clone()),
            password: credentials.map(|c| c.password().to_owned()),
            way: rtsp.map_or(Way::Own, |rtsp| rtsp.way).as_str().to_owned(),
            certificate: rtsp.and_then(|rtsp| rtsp.certificate.clone()),
            encoder: encoder.map(|encoder| (encoder.name, encoder.spare)),
            connect_timeout: options.connect_timeout,
            read_timeout: options.pace.limit().unwrap_or(options.read_timeout),
        }
    }

    fn options(&self) -> Options {
        Options { connect_timeout: self.connect_timeout, read_timeout: self.read_timeout, ..Options::default() }
    }

    fn source(&self) -> Option<Source> {
        let password = self.password.as_deref().unwrap_or_default();
        let credentials = self.username.as_deref().map(|name| Credentials::new(name, password));
        let source = Source::parse(&self.url, credentials).ok()?.by(Way::from_word(&self.way)?);
        let encoder = self.encoder.clone().map(|(name, spare)| Encoder { name, spare });
        Some(match source.pinned(self.certificate.clone()) {
            Source::Lens(lens) => Source::Lens(Lens { encoder, ..lens }),
            source => source,
        })
    }
}

/// The encoders of H.264 on this machine.
pub(crate) async fn encoders(clock: &SharedClock, patience: Duration) -> std::io::Result<Vec<Candidate>> {
    match ask(&Request::Encoders, clock, patience).await? {
        Head::Encoders { all } => Ok(all),
        _ => Err(std::io::Error::other("an answer to something else")),
    }
}

/// How an encoder does; or why it is of no use.
pub(crate) async fn try_encoder(
    name: &str,
    clock: &SharedClock,
    patience: Duration,
) -> std::io::Result<Result<Speed, String>> {
    match ask(&Request::TryEncoder(name.to_owned()), clock, patience).await? {
        Head::Tried { outcome } => Ok(outcome),
        _ => Err(std::io::Error::other("an answer to something else")),
    }
}

/// The one answer of a child, which is killed then.
async fn ask(request: &Request, clock: &SharedClock, patience: Duration) -> std::io::Result<Head> {
    let answer = async {
        let mut child = begin(request).await?;
        let mut from = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        let (head, _) = message(&mut from).await?;
        let _ = child.kill().await; // an error means that it has ended meanwhile
        Ok(head)
    };
    // A child that is dropped is killed.
    clock::timeout(&**clock, patience, answer).await.unwrap_or_else(|| Err(std::io::ErrorKind::TimedOut.into()))
}

async fn begin(request: &Request) -> std::io::Result<Child> {
    let mut line = Zeroizing::new(serde_json::to_vec(request)?);
    line.push(b'\n');
    let mut child = Command::new("/proc/self/exe")
        .arg(COMMAND)
        .env_remove("NOTIFY_SOCKET") // the hub alone talks to systemd
        .env_remove("WATCHDOG_USEC")
        .env("ORC_CODE", "backup") // no code is made at run time: where the hub is a service it could not be executed
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null()) // what a camera could write into the log
        .kill_on_drop(true)
        .spawn()?;
    if let Some(stdout) = &child.stdout {
        // A smaller one does, too.
        let _ = fcntl(stdout.as_fd(), FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    }
    if let Some(stdin) = &mut child.stdin {
        stdin.write_all(&line).await?;
        stdin.flush().await?;
    }
    Ok(child)
}

/// The next message. An end of input is an error: a child says when it ends.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(Head, Bytes)> {
    let too_large = || std::io::Error::other("a message is too large");
    let (head, body) = (from.read_u32_le().await?, from.read_u32_le().await?);
    if head > HEAD_BYTES || body > BODY_BYTES {
        return Err(too_large());
    }
    let mut bytes = vec![0; head as usize];
    from.read_exact(&mut bytes).await?;
    let head = serde_json::from_slice(&bytes)?;
    let mut bytes = vec![0; body as usize];
    from.read_exact(&mut bytes).await?;
    Ok((head, bytes.into()))
}

/// Gives a message to the output; the end, if it is that.
fn take(head: Head, body: Bytes, output: &mut dyn Output) -> Option<IngestEnd> {
    match head {
        Head::Init { video, audio, zero } => output.init(InitSegment { bytes: body, video, audio }, zero),
        Head::Fragment { samples, start_90k, end_90k, key, arrived } => {
            let sample = |(track, offset, size, dts, cts_offset, duration, key): Row| Sample {
                track,
                offset,
                size,
                dts,
                cts_offset,
                duration,
                key,
            };
            let samples = samples.into_iter().map(sample).collect();
            output.fragment(Fragment { bytes: body.into(), samples, start_90k, end_90k, key, arrived });
        }
        Head::Unit { track, dts, cts_offset, duration, key, arrived } => {
            output.unit(&AccessUnit { track, dts, cts_offset, duration, key, arrived, data: body });
        }
        Head::SoundDropped { encoding } => output.sound_dropped(&encoding),
        Head::Certificate { fingerprint } => output.certificate(&fingerprint),
        Head::Encodes { name } => output.encodes(&name),
        Head::Listens | Head::Document | Head::Encoders { .. } | Head::Tried { .. } => {
            return Some(IngestEnd::new(EndReason::Broken, "The program that reads it says something else"));
        }
        Head::Ended { reason, detail } => {
            let reason = EndReason::from_word(&reason).unwrap_or(EndReason::Error);
            return Some(IngestEnd { reason, detail });
        }
    }
    None
}

/// A child's whole life. To be called first in the process, before there is another thread.
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE, // the hub sees that it ended, and nobody reads more
    }
}

fn serve() -> std::io::Result<()> {
    // No core dumps: there are pictures in memory, and a password.
    for (resource, limit) in [(Resource::RLIMIT_CORE, 0), (Resource::RLIMIT_NOFILE, 256)] {
        setrlimit(resource, limit, limit)?;
    }
    nix::sys::prctl::set_no_new_privs()?;
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().lock().read_line(&mut line)?;
    let request: Request = serde_json::from_str(&line)?;
    if let Request::Messages(_) = request {
        // The kernel out of memory takes this process, not the hub. Before it is made not dumpable, which shuts this file.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000"); // a kernel without it chooses by size
    }
    nix::sys::prctl::set_dumpable(false)?;
    let to = Arc::new(Mutex::new(File::from(std::io::stdout().as_fd().try_clone_to_owned()?)));
    let wire = Wire(to.clone());
    let unreadable = || IngestEnd::new(EndReason::Error, "The request cannot be read");
    let said = match request {
        Request::Connect(connect) => {
            Head::ended(connect.source().map_or_else(|| Ok(unreadable()), |source| read(source, &connect, wire))?)
        }
        Request::Messages(connect) => {
            let source = connect.source();
            Head::ended(source.map_or_else(|| Ok(unreadable()), |source| listener::serve(&source, &connect, &wire))?)
        }
        Request::Encoders => {
            crate::init().map_err(std::io::Error::other)?;
            Head::Encoders { all: encode::candidates() }
        }
        Request::TryEncoder(name) => {
            crate::init().map_err(std::io::Error::other)?;
            Head::Tried { outcome: trial::run(&name, &SystemClock) }
        }
    };
    Wire(to).say(&said, &[]);
    Ok(())
}

/// Reads a camera to its end.
fn read(source: Source, connect: &Connect, wire: Wire) -> std::io::Result<IngestEnd> {
    if matches!(source, Source::Rtsp(_)) {
        // Drivers of graphics cards, which encoders use, reserve any amount.
        setrlimit(Resource::RLIMIT_AS, ADDRESS_SPACE, ADDRESS_SPACE)?;
    }
    let options = connect.options();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let end = runtime.block_on(run(source, options, wire));
    runtime.shutdown_background();
    Ok(end)
}

async fn run(source: Source, options: Options, wire: Wire) -> IngestEnd {
    if let Err(e) = crate::init() {
        return e.into();
    }
    let clock: SharedClock = Arc::new(SystemClock);
    let handle = tokio::runtime::Handle::current();
    let ingest = match Ingest::start(source, &handle, clock.clone(), options, Box::new(wire)) {
        Ok(ingest) => ingest,
        Err(e) => return e.into(),
    };
    let stop = told_to_stop();
    let end = tokio::select! {
        end = ingest.ending() => end,
        () = stop.wait() => IngestEnd::stopped(),
    };
    // What it holds is given out; what hangs is left behind.
    let stopped = clock::timeout(&*clock, GIVEN_UP, ingest.stop()).await;
    if stopped.is_none() {
        tracing::warn!("a camera's source does not stop");
    }
    end
}

/// Is triggered when the hub stops this, or is gone itself: nothing more comes from it but the end.
fn told_to_stop() -> Shutdown {
    let stop = Shutdown::new();
    let told = stop.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        told.trigger();
    });
    stop
}

/// Says to the hub what an output is given.
struct Wire(Arc<Mutex<File>>);

impl Wire {
    fn say(&self, head: &Head, body: &[u8]) {
        let said = || -> std::io::Result<()> {
            let head = serde_json::to_vec(head)?;
            let lengths = [head.len(), body.len()].map(|n| u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
            let mut to = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            to.write_all(&[&lengths.concat()[..], &head].concat())?;
            to.write_all(body)
        };
        if said().is_err() {
            std::process::exit(1); // the hub is gone, or has given this up
        }
    }
}

impl Output for Wire {
    fn init(&mut self, init: InitSegment, zero: Mono) {
        self.say(&Head::Init { video: init.video, audio: init.audio, zero }, &init.bytes);
    }
    fn fragment(&mut self, f: Fragment) {
        let row = |s: &Sample| (s.track, s.offset, s.size, s.dts, s.cts_offset, s.duration, s.key);
        let samples = f.samples.iter().map(row).collect();
        let (start_90k, end_90k, key, arrived) = (f.start_90k, f.end_90k, f.key, f.arrived);
        self.say(&Head::Fragment { samples, start_90k, end_90k, key, arrived }, &f.bytes);
    }
    fn unit(&mut self, unit: &AccessUnit) {
        let AccessUnit { track, dts, cts_offset, duration, key, arrived, ref data } = *unit;
        self.say(&Head::Unit { track, dts, cts_offset, duration, key, arrived }, data);
    }
    fn sound_dropped(&mut self, encoding: &str) {
        self.say(&Head::SoundDropped { encoding: encoding.to_owned() }, &[]);
    }
    fn certificate(&mut self, fingerprint: &str) {
        self.say(&Head::Certificate { fingerprint: fingerprint.to_owned() }, &[]);
    }
    fn encodes(&mut self, name: &str) {
        self.say(&Head::Encodes { name: name.to_owned() }, &[]);
    }
}

#[cfg(test)]
mod tests;
