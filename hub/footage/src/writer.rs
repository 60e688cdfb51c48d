//! The thread that seals and writes.

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use base::footage::{Fragment, InitSegment, SegmentDetails, SegmentHeader, SegmentInfo, StreamName, Track};
use base::state::GapReason;
use base::{BootId, CameraId, ConnectionId, HubId, Mono, SegmentId, SharedClock, Timestamp};
use vault::EpochPublic;

use crate::bmff;
use crate::disk::{DIR_MODE, Disk};
use crate::error::KeepError;
use crate::header::FORMAT;
use crate::keeper::{Kept, Options, Written};
use crate::queue::{Item, Queues, Work};
use crate::segment::{OpenSegment, SegmentFile, prepare};
use crate::sync::Job;
use crate::timeline::Timeline;

/// More between two fragments than this is a hole: no two segments with it in between join up, and none goes on over it
/// if it can be helped.
const HOLE_90K: i64 = 90_000;

/// Two segments whose media join up and whose times differ by less are one after another; by more, the clock was set.
const STEP_MS: u64 = 1_000;

pub(crate) struct Writer {
    disk: Disk,
    clock: SharedClock,
    hub: HubId,
    boot: BootId,
    notify: Arc<dyn Fn(Kept) + Send + Sync>,
    options: Options,
    queues: Arc<Queues>,
    jobs: Sender<Job>,
    full: Arc<AtomicBool>,
    written: Arc<Written>,
    streams: HashMap<u64, Stream>,
}

/// What the writer knows of a stream.
struct Stream {
    key: u64,
    camera: CameraId,
    stream: StreamName,
    epoch: EpochPublic,
    /// New keys that wait for a key picture, and until when.
    next_epoch: Option<(EpochPublic, Mono)>,
    connection: Option<Connection>,
    open: Option<OpenSegment>,
    /// What arrived and was not kept, not reported yet.
    lost: Option<Lost>,
}

/// A stretch that was not kept.
#[derive(Clone, Copy)]
struct Lost {
    from: Timestamp,
    to: Timestamp,
    reason: GapReason,
}

struct Connection {
    id: ConnectionId,
    init: InitSegment,
    timeline: Timeline,
}

impl Writer {
    #[expect(clippy::too_many_arguments, reason = "called once")]
    pub(crate) fn new(
        disk: Disk,
        clock: SharedClock,
        hub: HubId,
        boot: BootId,
        notify: Arc<dyn Fn(Kept) + Send + Sync>,
        options: Options,
        queues: Arc<Queues>,
        jobs: Sender<Job>,
        full: Arc<AtomicBool>,
        written: Arc<Written>,
    ) -> Self {
        Self { disk, clock, hub, boot, notify, options, queues, jobs, full, written, streams: HashMap::new() }
    }

    /// Until the keeper stops.
    pub(crate) fn run(mut self) {
        let queues = self.queues.clone();
        loop {
            match queues.next() {
                Work::Tick => self.each(|writer, stream| writer.tick(stream)),
                Work::Broken(id, segment) => {
                    if let Some(mut stream) = self.streams.remove(&id) {
                        self.broken(&mut stream, segment);
                        self.streams.insert(id, stream);
                    }
                }
                Work::Item(key, Item::Stream { camera, stream, epoch }) => {
                    let (next_epoch, connection, open, lost) = (None, None, None, None);
                    let stream = Stream { key, camera, stream, epoch, next_epoch, connection, open, lost };
                    self.streams.insert(key, stream);
                }
                Work::Item(id, Item::Gone) => {
                    if let Some(mut stream) = self.streams.remove(&id) {
                        self.end(&mut stream);
                    }
                }
                Work::Item(id, item) => {
                    if let Some(mut stream) = self.streams.remove(&id) {
                        self.item(&mut stream, item);
                        self.streams.insert(id, stream);
                    }
                }
                Work::Stop => {
                    self.each(Self::end);
                    return;
                }
            }
        }
    }

    fn each(&mut self, mut f: impl FnMut(&Self, &mut Stream)) {
        let mut streams = std::mem::take(&mut self.streams);
        for stream in streams.values_mut() {
            f(self, stream);
        }
        self.streams = streams;
    }

    fn item(&self, stream: &mut Stream, item: Item) {
        match item {
            Item::Begin { init, connection, started } => self.begin(stream, init, connection, started),
            Item::Epoch(epoch) => {
                let until = self.clock.mono() + self.options.epoch_patience;
                stream.next_epoch = (epoch != stream.epoch).then_some((epoch, until));
            }
            Item::Fragment(fragment) => self.fragment(stream, fragment),
            Item::Lost { from_90k, to_90k } => {
                let (from, to) = (self.wall(stream, from_90k), self.wall(stream, to_90k));
                self.close(stream, None);
                self.lose(stream, from, to, None);
            }
            Item::End => self.end(stream),
            Item::Stream { .. } | Item::Gone => {} // seen to by the caller
        }
    }

    fn begin(&self, stream: &mut Stream, init: InitSegment, connection: ConnectionId, started: Mono) {
        self.close(stream, None);
        if stream.connection.as_ref().is_some_and(|c| c.id != connection) {
            self.report_lost(stream, None);
        }
        match bmff::split_init(&init.bytes) {
            Ok(_) => {
                // New parameters within a connection: what was learnt of its time stays true.
                let timeline = match stream.connection.take() {
                    Some(old) if old.id == connection => old.timeline,
                    _ => Timeline::new(started),
                };
                stream.connection = Some(Connection { id: connection, init, timeline });
            }
            Err(e) => {
                stream.connection = None;
                self.failed(stream, None, KeepError::BadInit(e));
            }
        }
    }

    fn end(&self, stream: &mut Stream) {
        self.close(stream, None);
        self.report_lost(stream, None);
        stream.connection = None;
    }

    fn fragment(&self, stream: &mut Stream, mut fragment: Fragment) {
        let Some(connection) = &mut stream.connection else { return };
        let rate = connection.init.timescale(Track::Audio).max(1);
        let layout = match prepare(&mut fragment) {
            Ok(layout) => layout,
            Err(e) => {
                let (from, to) = (self.wall(stream, fragment.start_90k), self.wall(stream, fragment.end_90k));
                self.close(stream, None);
                let reason = self.failed(stream, None, KeepError::BadFragment(e));
                return self.lose(stream, from, to, Some(reason));
            }
        };
        let start_90k = layout.start_90k(rate);
        connection.timeline.arrived(layout.first_picture_90k().unwrap_or(start_90k), fragment.arrived);
        let (from, to) = (self.wall(stream, start_90k), self.wall(stream, layout.end_90k(rate)));
        if self.full.load(Ordering::Relaxed) {
            self.close(stream, None);
            if layout.key() || stream.lost.is_none() {
                self.failed(stream, None, KeepError::NoRoom);
            }
            return self.lose(stream, from, to, Some(GapReason::DiskFull));
        }
        let joined = self.make_way(stream, start_90k, layout.key());
        if stream.open.is_none() {
            if !layout.key() {
                // At the start of a connection nothing can be shown before the first key picture: that is no loss.
                if stream.lost.is_some() {
                    self.lose(stream, from, to, None);
                }
                return;
            }
            if let Err(e) = self.open(stream, start_90k, joined) {
                let reason = self.failed(stream, None, e);
                return self.lose(stream, from, to, Some(reason));
            }
        }
        let Some(open) = &mut stream.open else { return };
        if let Err(source) = open.push(fragment, layout, self.clock.mono()) {
            self.write_failed(stream, source);
            self.lose(stream, from, to, None);
        }
    }

    /// Closes the open segment where this fragment must not go into it. If the next one joins up with it: its start.
    fn make_way(&self, stream: &mut Stream, start_90k: i64, key: bool) -> Option<Timestamp> {
        let Some(open) = &stream.open else {
            stream.take_epoch();
            return None;
        };
        let (end, zero_90k) = (open.end(), open.zero_90k());
        let hole = (start_90k - open.end_90k()).abs() > HOLE_90K;
        let long = start_90k - zero_90k >= self.options.rotate_after.as_millis() as i64 * 90;
        if key && (long || hole || stream.next_epoch.is_some()) {
            // The end of one is the start of the next, unless the clock was set in between.
            let joined = self
                .start(stream, start_90k)
                .filter(|start| !hole && start.as_millisecond().abs_diff(end.as_millisecond()) <= STEP_MS);
            self.close(stream, joined);
            stream.take_epoch();
            joined
        } else {
            if start_90k < zero_90k {
                // Time went back to before the segment: it cannot hold this.
                self.close(stream, None);
                self.lose(stream, end, end, None);
            }
            None
        }
    }

    /// Best wall-clock time for a segment to start with this media time.
    fn start(&self, stream: &mut Stream, start_90k: i64) -> Option<Timestamp> {
        let timeline = &mut stream.connection.as_mut()?.timeline;
        timeline.correct();
        Some(timeline.wall(start_90k, &*self.clock))
    }

    fn open(&self, stream: &mut Stream, start_90k: i64, joined: Option<Timestamp>) -> Result<(), KeepError> {
        let start = joined.or_else(|| self.start(stream, start_90k));
        let (Some(connection), Some(start)) = (&stream.connection, start) else { return Ok(()) };
        let header = SegmentHeader {
            format: FORMAT,
            hub: self.hub,
            camera: stream.camera,
            segment: SegmentId::new(&*self.clock),
            stream: stream.stream,
            epoch: stream.epoch.epoch,
            boot: self.boot,
            connection: connection.id,
            mono_start_ns: connection.timeline.mono(start_90k).0,
            media_start_90k: start_90k,
            start,
            time_source: self.clock.source(),
            video: connection.init.video.clone(),
            audio: connection.init.audio.clone(),
        };
        self.written.add(header.segment);
        let file = self.create(&header)?;
        let open = match OpenSegment::create(&stream.epoch.footage, file.clone(), &header, &connection.init) {
            Ok(open) => open,
            Err(source) => {
                // Nobody was told of it, and there is nothing in it.
                if let Err(e) = std::fs::remove_file(&file.path) {
                    tracing::warn!(path = %file.path.display(), error = %e, "an empty segment stays behind");
                }
                return Err(KeepError::Write { path: file.path.clone(), source });
            }
        };
        self.job(Job::Opened { stream: stream.key, file, info: open.info().clone() });
        stream.open = Some(open);
        self.report_lost(stream, Some(start));
        Ok(())
    }

    fn create(&self, header: &SegmentHeader) -> Result<Arc<SegmentFile>, KeepError> {
        let path = self.disk.segment_path(&name_only(header));
        let dir = path.parent().unwrap_or(self.disk.root());
        let place = || self.disk.place().map_err(|source| KeepError::Create { path: self.disk.root().into(), source });
        let before = place();
        // The folder of a disk that was pulled out is a folder of the system's disk.
        self.disk.check().map_err(KeepError::Disk)?;
        let before = before?;
        // Footage that the recovery kit could not open is not recorded.
        self.disk.pay_epoch_key(header.camera, header.epoch).map_err(KeepError::Disk)?;
        // Made durable by the sync thread, before anything in it counts as kept.
        let make = || DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir);
        let create = || self.options.medium.create(&path);
        let file = match create() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => make().and_then(|()| create()),
            done => done,
        };
        match file {
            Ok(file) => {
                if place()? != before {
                    // Pulled out just now. What was created may lie on the system's disk: it must not stay there.
                    let _ = std::fs::remove_file(&path).and_then(|()| std::fs::remove_dir(dir));
                    let path = self.disk.root().to_owned();
                    return Err(KeepError::Disk(crate::DiskError::Missing { path }));
                }
                Ok(Arc::new(SegmentFile::new(path, file, before, self.options.medium.clone(), header.start)))
            }
            Err(source) => Err(KeepError::Create { path, source }),
        }
    }

    /// Closes the open segment in order, if there is one.
    fn close(&self, stream: &mut Stream, end: Option<Timestamp>) {
        let Some(open) = stream.open.take() else { return };
        let (file, whole_end) = (open.file().clone(), open.end());
        match open.close(end.unwrap_or(whole_end)) {
            (info, None) => self.job(Job::Closed { file, info }),
            (info, Some(source)) => {
                self.abandon(stream, file, info, source);
                self.lose(stream, whole_end, whole_end, None);
            }
        }
    }

    /// The open segment could not be written on.
    fn write_failed(&self, stream: &mut Stream, source: io::Error) {
        let Some(open) = stream.open.take() else { return };
        self.abandon(stream, open.file().clone(), open.info().clone(), source);
    }

    /// What is in the file whole stays there; what was in memory is lost.
    fn abandon(&self, stream: &mut Stream, file: Arc<SegmentFile>, info: SegmentInfo, source: io::Error) {
        let error = KeepError::Write { path: file.path.clone(), source };
        let reason = self.failed(stream, Some(info.id), error);
        self.lose(stream, info.end, info.end, Some(reason));
        self.job(Job::Closed { file, info: SegmentInfo { details: SegmentDetails::Recovered, ..info } });
    }

    /// A segment could not be synced.
    fn broken(&self, stream: &mut Stream, segment: SegmentId) {
        let Some(open) = stream.open.take_if(|open| open.info().id == segment) else { return };
        self.lose(stream, open.file().synced(), open.end(), Some(open.file().broken_by()));
        self.job(Job::Closed { file: open.file().clone(), info: open.info().clone() });
    }

    fn tick(&self, stream: &mut Stream) {
        let now = self.clock.mono();
        if stream.next_epoch.as_ref().is_some_and(|(_, until)| now >= *until) {
            let end = stream.open.as_ref().map(OpenSegment::end);
            self.close(stream, None);
            stream.take_epoch();
            if let Some(end) = end {
                self.lose(stream, end, end, None);
            }
        }
        self.leave_lost_disk(stream);
        if let Some(open) = &mut stream.open {
            match open.settle(now, self.options.hold_back) {
                Ok(Some(snapshot)) => self.job(Job::Grown { stream: stream.key, snapshot }),
                Ok(None) => {}
                Err(source) => self.write_failed(stream, source),
            }
        }
        let long = self.options.report_lost_every.as_millis() as i64;
        if let Some(lost) = stream.lost.filter(|l| l.to.as_millisecond() - l.from.as_millisecond() >= long) {
            self.dropped(stream, lost);
            stream.lost = Some(Lost { from: lost.to, ..lost });
        }
    }

    /// A file whose disk was unmounted can still be written, and nobody finds it there: it closes, and the next one
    /// begins where the right disk is.
    fn leave_lost_disk(&self, stream: &mut Stream) {
        let Some(open) = &stream.open else { return };
        if self.disk.place().is_ok_and(|place| place == open.file().place) {
            return;
        }
        let end = open.end();
        self.close(stream, None);
        if let Err(e) = self.disk.check() {
            let reason = self.failed(stream, None, KeepError::Disk(e));
            self.lose(stream, end, end, Some(reason));
        }
    }

    /// Tells of what was lost, up to where footage begins again.
    fn report_lost(&self, stream: &mut Stream, until: Option<Timestamp>) {
        if let Some(lost) = stream.lost.take() {
            let to = until.unwrap_or(lost.to);
            if to > lost.from {
                self.dropped(stream, Lost { to, ..lost });
            }
        }
    }

    fn dropped(&self, stream: &Stream, Lost { from, to, reason }: Lost) {
        let name = stream.stream.as_str();
        tracing::warn!(camera = %stream.camera, stream = name, %from, %to, ?reason, "footage was dropped");
        (self.notify)(Kept::Dropped { camera: stream.camera, stream: stream.stream, from, to, reason });
    }

    /// Says so; answers why there is no footage from here on.
    fn failed(&self, stream: &Stream, segment: Option<SegmentId>, error: KeepError) -> GapReason {
        let reason = error.gap_reason();
        (self.notify)(Kept::Failed { camera: stream.camera, stream: stream.stream, segment, error });
        reason
    }

    /// Adds to what is lost: it begins where footage ended and goes on until it begins again. Without a reason it goes
    /// on with the one before; another one begins a new stretch.
    fn lose(&self, stream: &mut Stream, from: Timestamp, to: Timestamp, reason: Option<GapReason>) {
        let new = |from| Lost { from, to: to.max(from), reason: reason.unwrap_or(GapReason::DiskError) };
        stream.lost = Some(match stream.lost.take() {
            None => new(from),
            Some(lost) if reason.is_none_or(|r| r == lost.reason) => Lost { to: lost.to.max(to), ..lost },
            Some(lost) => {
                if lost.to > lost.from {
                    self.dropped(stream, lost);
                }
                new(lost.to)
            }
        });
    }

    /// Wall-clock time of a media time: as the open segment counts, else by the clock.
    fn wall(&self, stream: &Stream, media_90k: i64) -> Timestamp {
        match (&stream.open, &stream.connection) {
            (Some(open), _) => crate::timeline::after(open.info().start, media_90k - open.zero_90k()),
            (None, Some(connection)) => connection.timeline.wall(media_90k, &*self.clock),
            (None, None) => self.clock.wall(),
        }
    }

    fn job(&self, job: Job) {
        if self.jobs.send(job).is_err() {
            tracing::error!("the thread that syncs footage has ended");
        }
    }
}

impl Stream {
    fn take_epoch(&mut self) {
        if let Some((epoch, _)) = self.next_epoch.take() {
            self.epoch = epoch;
        }
    }
}

/// What a file's name is made of.
fn name_only(header: &SegmentHeader) -> SegmentInfo {
    SegmentInfo {
        camera: header.camera,
        id: header.segment,
        stream: header.stream,
        epoch: None,
        media: None,
        stamp: None,
        start: header.start,
        end: header.start,
        bytes: 0,
        video: None,
        audio: None,
        fingerprint: None,
        details: SegmentDetails::Open,
    }
}
