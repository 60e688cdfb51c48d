//! One segment being written: plain boxes in, sealed chunks out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base::footage::{Fragment, InitSegment, SegmentDetails, SegmentHeader, SegmentInfo, Track};
use base::state::GapReason;
use base::{Mono, Timestamp};
use vault::{CHUNK_BYTES, FootageRecipient, Sealer, seal};

use crate::bmff::{self, BadBox, Layout, free_box};
use crate::header;
use crate::index::IndexWriter;
use crate::medium::Medium;
use crate::timeline::after;

/// Poly1305 adds 16 bytes to each chunk.
const SEALED_CHUNK_BYTES: u64 = CHUNK_BYTES + 16;

/// A segment's file, shared by who writes and who syncs it.
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    medium: Arc<dyn Medium>,
    /// End of what is surely on disk, ms since 1970.
    synced_ms: AtomicI64,
    /// A sync failed: the kernel forgets what it could not write, so nothing that comes after can be trusted.
    broken: OnceLock<GapReason>,
    /// Where the footage folder was when the file was created: [`crate::disk::Disk::place`].
    pub(crate) place: (u64, u64),
}

impl SegmentFile {
    pub(crate) fn new(path: PathBuf, file: File, place: (u64, u64), medium: Arc<dyn Medium>, start: Timestamp) -> Self {
        let synced_ms = AtomicI64::new(start.as_millisecond());
        Self { path, file, medium, synced_ms, broken: OnceLock::new(), place }
    }
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.medium.sync(&self.path, &self.file)
    }
    pub(crate) fn set_synced(&self, end: Timestamp) {
        self.synced_ms.store(end.as_millisecond(), Ordering::Relaxed);
    }
    pub(crate) fn synced(&self) -> Timestamp {
        Timestamp::from_millisecond(self.synced_ms.load(Ordering::Relaxed)).unwrap_or_default()
    }
    /// Returns whether it was broken before.
    pub(crate) fn set_broken(&self, reason: GapReason) -> bool {
        self.broken.set(reason).is_err()
    }
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.get().is_some()
    }
    /// Why it is broken; of one that is not, why it would be.
    pub(crate) fn broken_by(&self) -> GapReason {
        self.broken.get().copied().unwrap_or(GapReason::DiskError)
    }
}

/// Where sealed bytes go.
struct Out(Arc<SegmentFile>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.medium.write(&self.0.path, &self.0.file, bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Something in the file that somebody waits for, a picture or a fragment's sound.
struct Mark {
    /// It is whole when this many plaintext bytes are in the file.
    end: u64,
    arrived: Mono,
    /// End of the picture, 90 kHz from the segment's start; `None` for sound.
    picture_end_90k: Option<i64>,
}

/// What is in the file and not surely on disk.
pub(crate) struct Snapshot {
    pub(crate) info: SegmentInfo,
    pub(crate) file: Arc<SegmentFile>,
    /// When the oldest of it arrived.
    pub(crate) oldest: Mono,
}

/// Checks a fragment and reads where its samples lie, in times of the connection.
pub(crate) fn prepare(fragment: &mut Fragment) -> Result<Layout, BadBox> {
    bmff::set_sequence(&mut fragment.bytes, 0)?;
    bmff::parse_fragment(&fragment.bytes)
}

/// A segment being written. After any error it must be dropped: its cipher has gone on, its file has not.
pub(crate) struct OpenSegment {
    /// `end` and `bytes`: what is in the file whole, be it synced or not.
    info: SegmentInfo,
    /// Start in the connection's media time, 90 kHz: becomes 0.
    zero_90k: i64,
    audio_rate: u32,
    sealer: Sealer<Out>,
    file: Arc<SegmentFile>,
    index: IndexWriter,
    sequence: u32,
    /// End of what was given, in the connection's media time.
    end_90k: i64,
    waiting: VecDeque<Mark>,
    /// Of what went to the file since the last snapshot.
    oldest: Option<Mono>,
}

impl OpenSegment {
    /// Writes the head: `ftyp`, header box, `moov`.
    pub(crate) fn create(
        to: &FootageRecipient,
        file: Arc<SegmentFile>,
        header: &SegmentHeader,
        init: &InitSegment,
    ) -> io::Result<Self> {
        let (ftyp, moov) = bmff::split_init(&init.bytes).map_err(io::Error::other)?;
        let mut sealer = seal(to, Out(file.clone()))?;
        sealer.write_all(&[ftyp, &header::encode(header), moov].concat())?;
        let info = SegmentInfo {
            camera: header.camera,
            id: header.segment,
            stream: header.stream,
            epoch: Some(header.epoch),
            media: Some((header.connection, header.media_start_90k)),
            stamp: Some(header.stamp()),
            start: header.start,
            end: header.start,
            bytes: 0,
            video: Some(header.video.clone()),
            audio: header.audio.clone(),
            fingerprint: Some(init.fingerprint()),
            details: SegmentDetails::Open,
        };
        Ok(Self {
            info,
            zero_90k: header.media_start_90k,
            audio_rate: init.timescale(Track::Audio).max(1),
            sealer,
            file,
            index: IndexWriter::default(),
            sequence: 0,
            end_90k: header.media_start_90k,
            waiting: VecDeque::new(),
            oldest: None,
        })
    }

    pub(crate) fn info(&self) -> &SegmentInfo {
        &self.info
    }
    pub(crate) fn file(&self) -> &Arc<SegmentFile> {
        &self.file
    }
    pub(crate) fn zero_90k(&self) -> i64 {
        self.zero_90k
    }
    pub(crate) fn end_90k(&self) -> i64 {
        self.end_90k
    }
    /// Wall-clock end of what was given.
    pub(crate) fn end(&self) -> Timestamp {
        after(self.info.start, self.end_90k - self.zero_90k)
    }

    /// Writes a fragment, moved to the segment's own time. `layout` is from [`prepare`].
    pub(crate) fn push(&mut self, mut fragment: Fragment, mut layout: Layout, now: Mono) -> io::Result<()> {
        self.end_90k = self.end_90k.max(layout.end_90k(self.audio_rate));
        for run in &mut layout.runs {
            let zero = self.zero_of(run.track);
            // Sound that comes after the pictures it belongs to can lie before the segment's start.
            let moved = run.samples[0].dts - (run.samples[0].dts - zero).max(0);
            run.samples.iter_mut().for_each(|s| s.dts -= moved);
        }
        let (video_zero, audio_zero) = (self.zero_of(Track::Video), self.zero_of(Track::Audio));
        let zero = |track| if track == Track::Video { video_zero } else { audio_zero };
        bmff::retime(&mut fragment.bytes, |track, dts| (dts as i64 - zero(track)).max(0) as u64)
            .map_err(io::Error::other)?;
        self.sequence += 1;
        bmff::set_sequence(&mut fragment.bytes, self.sequence).map_err(io::Error::other)?;

        let at = self.sealer.plain_len();
        self.index.add(at, fragment.bytes.len() as u32, &layout);
        self.await_samples(at, &fragment, &layout, now);
        self.write(&fragment.bytes)
    }

    /// Fills the chunk that age holds back if something in it has waited for too long, and says what there is to sync.
    pub(crate) fn settle(&mut self, now: Mono, hold_back: Duration) -> io::Result<Option<Snapshot>> {
        if self.waiting.front().is_some_and(|oldest| now.since(oldest.arrived) >= hold_back) {
            // Up to the chunk's end and one byte more: then age writes the chunk.
            let fill = CHUNK_BYTES - self.sealer.held_back() + 1;
            self.write(&free_box(fill as usize))?;
        }
        Ok(self.oldest.take().map(|oldest| Snapshot { info: self.info.clone(), file: self.file.clone(), oldest }))
    }

    /// Closes the segment in order, or says why not, and what is in the file nevertheless. What it returns is true once
    /// the file is synced.
    pub(crate) fn close(mut self, end: Timestamp) -> (SegmentInfo, Option<io::Error>) {
        let index = std::mem::take(&mut self.index).finish(end);
        if let Err(e) = index.map_or(Ok(()), |index| self.write(&index)) {
            return (self.info, Some(e));
        }
        match self.sealer.finish().and_then(|out| out.0.file.metadata()) {
            Ok(meta) => (SegmentInfo { end, bytes: meta.len(), details: SegmentDetails::Closed, ..self.info }, None),
            Err(e) => (self.info, Some(e)),
        }
    }

    fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        let written = self.sealer.write_all(plain);
        self.take_flushed(); // some of it may be in the file, whatever became of the rest
        written
    }

    fn zero_of(&self, track: Track) -> i64 {
        match track {
            Track::Video => self.zero_90k,
            Track::Audio => (i128::from(self.zero_90k) * i128::from(self.audio_rate)).div_euclid(90_000) as i64,
        }
    }

    fn await_samples(&mut self, at: u64, fragment: &Fragment, layout: &Layout, now: Mono) {
        let mut sound = false;
        for run in &layout.runs {
            if run.track == Track::Audio {
                sound = true;
                continue;
            }
            for s in &run.samples {
                // When a picture arrived is known of the fragment's oldest only; the others came as they are timed,
                // and surely before now.
                let later = Duration::from_micros(((s.dts - run.samples[0].dts).max(0) as u64).saturating_mul(100) / 9);
                self.waiting.push_back(Mark {
                    end: at + u64::from(s.offset) + u64::from(s.size),
                    arrived: (fragment.arrived + later).min(now),
                    picture_end_90k: Some(s.dts + i64::from(s.duration)),
                });
            }
        }
        if sound {
            let end = at + fragment.bytes.len() as u64;
            self.waiting.push_back(Mark { end, arrived: now, picture_end_90k: None });
        }
    }

    fn take_flushed(&mut self) {
        self.info.bytes = self.sealer.sealed_len();
        let flushed = (self.info.bytes - self.sealer.header_len()) / SEALED_CHUNK_BYTES * CHUNK_BYTES;
        while self.waiting.front().is_some_and(|mark| mark.end <= flushed) {
            let Some(mark) = self.waiting.pop_front() else { break };
            self.oldest = Some(self.oldest.map_or(mark.arrived, |oldest| oldest.min(mark.arrived)));
            if let Some(end_90k) = mark.picture_end_90k {
                self.info.end = self.info.end.max(after(self.info.start, end_90k));
            }
        }
    }
}
