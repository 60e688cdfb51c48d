//! Keeping footage: one thread that seals and writes, one that syncs.
//!
//! ```text
//! StreamWriter ─ queue (bounded, per stream) ─▶ writer thread ─ jobs ─▶ sync thread ─▶ Kept
//!                                                    ▲──── tick, broken ─────┘
//! ```
//!
//! `fdatasync` takes 4–9 ms, now and then half a second: it has a thread of its own, so that a slow disk delays what is
//! reported as kept, not the sealing. Before a sync all that waits in the queue is sealed; else it waits a quarter second,
//! so that the writer does not wake up for each fragment of each camera. A picture that waits in memory (age holds back a
//! chunk) for more than half a second when a sync begins is pushed out before it; so no picture is older than half a
//! second, one interval and one sync when it is on disk: 2 seconds (promise 4).

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use base::footage::{Fragment, InitSegment, SegmentInfo, StreamName};
use base::state::GapReason;
use base::{BootId, CameraId, ConnectionId, HubId, Mono, SegmentId, SharedClock, Timestamp};
use vault::EpochPublic;

use crate::disk::Disk;
use crate::error::KeepError;
use crate::medium::{FileSystem, Medium};
use crate::queue::{Item, Queues};
use crate::sync::Syncer;
use crate::writer::Writer;

/// So much of all streams together is sealed at once: what waits occupies memory.
const BATCH_BYTES: usize = 1024 * 1024;

/// The times and sizes of a [`Keeper`]. The defaults are the design's; tests are quicker.
#[derive(Clone)]
pub struct Options {
    /// From the start of one sync to the start of the next.
    pub sync_every: Duration,
    /// What has waited in memory for longer is pushed out before a sync.
    pub hold_back: Duration,
    /// A segment that is as long closes at the next key picture.
    pub rotate_after: Duration,
    /// A new epoch begins at the next key picture, but no later than this: then footage is dropped up to it.
    pub epoch_patience: Duration,
    /// Fragments of a stream that wait to be sealed; over it the oldest are dropped.
    pub queue_bytes: usize,
    /// While nothing can be written, the span that is lost is reported at least this often.
    pub report_lost_every: Duration,
    /// The disk.
    pub medium: Arc<dyn Medium>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            sync_every: Duration::from_secs(1),
            hold_back: Duration::from_millis(500),
            rotate_after: Duration::from_secs(60),
            epoch_patience: Duration::from_secs(10),
            queue_bytes: 16 * 1024 * 1024,
            report_lost_every: Duration::from_secs(10),
            medium: Arc::new(FileSystem),
        }
    }
}

/// What became of a stream's footage. Of one segment: `Opened` first, then any number of `Synced`, then one `Closed`.
#[derive(Debug)]
pub enum Kept {
    /// A segment's file is there and found again after a power cut.
    Opened(SegmentInfo),
    /// Footage is surely on disk.
    Synced {
        /// Which camera.
        camera: CameraId,
        /// Which stream.
        stream: StreamName,
        /// Which segment.
        segment: SegmentId,
        /// Wall-clock end of the last picture that is on disk whole.
        end: Timestamp,
        /// Bytes of the file up to there.
        bytes: u64,
        /// How long the oldest of these pictures waited from its arrival to now.
        waited: Duration,
    },
    /// A segment is on disk and will not change. Its details are `Closed` if all went well; `Recovered` if it had to be
    /// left without an index after a write error; `Unknown` if it could not be synced: then `end` is the last instant
    /// that was.
    Closed(SegmentInfo),
    /// Pictures arrived and were not kept, from the one time to the other: too many of them waited, or nothing could be
    /// written. What could be is reported by `Closed` or the next `Opened`.
    Dropped {
        /// Which camera.
        camera: CameraId,
        /// Which stream.
        stream: StreamName,
        /// Wall-clock start.
        from: Timestamp,
        /// Wall-clock end.
        to: Timestamp,
        /// Why.
        reason: GapReason,
    },
    /// Something could not be kept. A new segment begins at the next key picture, again and again until one can.
    Failed {
        /// Which camera.
        camera: CameraId,
        /// Which stream.
        stream: StreamName,
        /// Which segment, unless it could not even be created.
        segment: Option<SegmentId>,
        /// Why.
        error: KeepError,
    },
}

/// Is told what became of the footage, in the keeper's own threads: must not block or panic, and must not call the
/// keeper.
pub type Notify = Box<dyn Fn(Kept) + Send + Sync>;

/// The segments that were begun last, reported or not.
#[derive(Default)]
pub(crate) struct Written(Mutex<VecDeque<SegmentId>>);

impl Written {
    /// Ids that are kept: of eight cameras those of a day.
    const MOST: usize = 12_000;

    pub(crate) fn add(&self, segment: SegmentId) {
        let mut written = self.lock();
        if written.len() == Self::MOST {
            written.pop_front();
        }
        written.push_back(segment);
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<SegmentId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the footage of all streams on one disk. Dropping it stops it.
pub struct Keeper {
    queues: Arc<Queues>,
    full: Arc<AtomicBool>,
    written: Arc<Written>,
    queue_bytes: usize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Keeper {
    /// Starts both threads.
    ///
    /// # Errors
    /// The machine gives no more threads.
    pub fn start(disk: Disk, clock: SharedClock, hub: HubId, boot: BootId, notify: Notify) -> io::Result<Self> {
        Self::start_with(disk, clock, hub, boot, notify, Options::default())
    }

    /// The same with other times and sizes.
    ///
    /// # Errors
    /// As [`Keeper::start`].
    pub fn start_with(
        disk: Disk,
        clock: SharedClock,
        hub: HubId,
        boot: BootId,
        notify: Notify,
        options: Options,
    ) -> io::Result<Self> {
        let queues = Arc::new(Queues::new(BATCH_BYTES.min(options.queue_bytes / 4)));
        let notify: Arc<dyn Fn(Kept) + Send + Sync> = Arc::from(notify);
        let (jobs, inbox) = mpsc::channel();
        let syncer = Syncer {
            clock: clock.clone(),
            queues: queues.clone(),
            notify: notify.clone(),
            medium: options.medium.clone(),
            every: options.sync_every,
        };
        let queue_bytes = options.queue_bytes;
        let full = Arc::new(AtomicBool::new(false));
        let written = Arc::new(Written::default());
        let (marks, fills) = (written.clone(), full.clone());
        let writer = Writer::new(disk, clock, hub, boot, notify, options, queues.clone(), jobs, fills, marks);
        let spawn =
            |name: &str, run: Box<dyn FnOnce() + Send>| std::thread::Builder::new().name(name.into()).spawn(run);
        let writing = spawn("footage-write", Box::new(move || writer.run()))?;
        // From here on dropping stops the writer, should the second thread not start.
        let keeper = Self { queues, full, written, queue_bytes, threads: Mutex::new(vec![writing]) };
        let syncing = spawn("footage-sync", Box::new(move || syncer.run(&inbox)))?;
        keeper.lock_threads().push(syncing);
        Ok(keeper)
    }

    /// A stream to be kept. Its key file must be durable already: [`Disk::write_epoch_key`].
    pub fn stream(&self, camera: CameraId, stream: StreamName, epoch: EpochPublic) -> StreamWriter {
        let id = self.queues.register(camera, stream, epoch);
        StreamWriter(Arc::new(Handle { queues: self.queues.clone(), id, queue_bytes: self.queue_bytes }))
    }

    /// Did this keeper begin the segment? Its file may be there before anybody was told of it. Known of the last
    /// thousands.
    pub fn wrote(&self, segment: SegmentId) -> bool {
        self.written.lock().contains(&segment)
    }

    /// Nothing more may be written, or may be again: there is no room that is not to stay free. The open segments close,
    /// which takes a little room still, and what arrives is dropped for [`GapReason::DiskFull`].
    pub fn set_full(&self, full: bool) {
        if self.full.swap(full, Ordering::Relaxed) != full {
            self.queues.tick();
        }
    }

    /// Seals what waits, closes all segments in order, syncs them, and returns when all is on disk. What is pushed from
    /// here on is dropped.
    pub fn stop(&self) {
        self.queues.stop();
        for thread in std::mem::take(&mut *self.lock_threads()) {
            if thread.join().is_err() {
                tracing::error!("a thread that keeps footage has panicked");
            }
        }
    }

    fn lock_threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Fragments did not fit into the queue: the oldest were dropped, or the keeper has stopped. A gap is reported by
/// [`Kept::Dropped`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("footage arrives faster than it is written: {bytes} bytes were dropped")]
pub struct Overloaded {
    /// How much was dropped.
    pub bytes: usize,
}

/// Takes one stream's fragments. Never blocks. Clones are the same stream; when the last one is dropped, it ends.
#[derive(Clone)]
pub struct StreamWriter(Arc<Handle>);

struct Handle {
    queues: Arc<Queues>,
    id: u64,
    queue_bytes: usize,
}

impl StreamWriter {
    /// A new connection, or new parameters within one: closes the open segment. `started` is the monotonic time of media
    /// time 0.
    pub fn begin(&self, init: InitSegment, connection: ConnectionId, started: Mono) {
        self.0.push(Item::Begin { init, connection, started });
    }

    /// The next fragment. The first one kept is one that begins with a key picture.
    ///
    /// # Errors
    /// Older fragments, or this one, were dropped to make room. The recording goes on.
    pub fn push(&self, fragment: Fragment) -> Result<(), Overloaded> {
        match self.0.push(Item::Fragment(fragment)) {
            0 => Ok(()),
            bytes => Err(Overloaded { bytes }),
        }
    }

    /// New keys: the open segment closes at the next key picture, in no more than [`Options::epoch_patience`], and what
    /// comes after is sealed to them. Their key file must be durable already.
    pub fn set_epoch(&self, epoch: EpochPublic) {
        self.0.push(Item::Epoch(epoch));
    }

    /// The connection is over: closes the open segment.
    pub fn end(&self) {
        self.0.push(Item::End);
    }
}

impl Handle {
    fn push(&self, item: Item) -> usize {
        self.queues.push(self.id, item, self.queue_bytes)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.push(Item::Gone);
    }
}
