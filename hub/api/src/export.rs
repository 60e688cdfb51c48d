//! Footage as one progressive MP4 to take away: laid out from the segments' indexes, its bytes opened as they are sent.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::Range;

use base::footage::SegmentDetails;
use base::{CameraId, Problem, ProblemKind, Timestamp};
use bytes::Bytes;
use footage::progressive::{Builder, Part, Progressive};
use footage::{Dated, Footage, IndexedFragment, SegmentReader};
use tokio::sync::OwnedSemaphorePermit;
use vault::Viewer;

use crate::parts::{PART_BYTES, Parts};
use crate::playback::{refused, ticks_between};

/// So many at a time, of all people: over it 503.
pub(crate) const MOST: usize = 4;

/// A file to take away. What it is made of is settled; nothing of it is in memory but its head.
pub(crate) struct Export {
    footage: Footage,
    viewer: Viewer,
    camera: CameraId,
    layout: Progressive,
    segments: Vec<Dated>,
    /// The parameters that all segments must have.
    init: Bytes,
    /// The segment that was read last, and which it is.
    open: Option<(usize, SegmentReader)>,
    start: Timestamp,
    next: Option<Timestamp>,
    /// What is still to be sent.
    rest: Range<u64>,
    /// Its turn: the layout of a day takes tens of megabytes, which must not add up beside the recording.
    _turn: OwnedSemaphorePermit,
}

impl Export {
    /// Lays out what there is from the key picture at or before `from` on: up to `to`, or to where the parameters change.
    /// `segments` are sorted by (true) start; of one that is being written only what is surely on disk goes in. Opens each.
    ///
    /// # Errors
    /// There is nothing, or the first segment that could be shown cannot be opened.
    pub(crate) fn lay_out(
        footage: &Footage,
        viewer: Viewer,
        camera: CameraId,
        segments: Vec<Dated>,
        (from, to): (Timestamp, Timestamp),
        turn: OwnedSemaphorePermit,
    ) -> Result<Self, Problem> {
        let mut why = Problem::from(ProblemKind::NoFootage);
        let mut file: Option<Begun> = None;
        let mut next = None;
        for segment in segments.into_iter().filter(|s| s.end > from && s.start < to) {
            let mut reader = match footage.open(&viewer, camera, &segment.row) {
                Ok(reader) => reader,
                // What cannot be opened is missing, as if it had not been recorded.
                Err(e) => {
                    why = refused(e);
                    continue;
                }
            };
            if let Some(begun) = file.as_mut() {
                if begun.init != reader.init().bytes {
                    // Not within the last one, should they overlap by some milliseconds: see `Stretch::find`.
                    let after = begun.segments.last().map(|last| last.end.max(segment.start));
                    next = after.filter(|next| *next < to);
                    break;
                }
                begun.add(&mut reader, segment, to);
            } else {
                file = Begun::with(&mut reader, segment, from, to);
            }
        }
        let Begun { builder, init, segments, start, .. } = file.ok_or(why)?;
        let layout = builder.finish().map_err(|e| Problem::with(ProblemKind::FootageDamaged, e))?;
        let rest = 0..layout.len();
        let footage = footage.clone();
        Ok(Self { footage, viewer, camera, layout, segments, init, open: None, start, next, rest, _turn: turn })
    }

    /// Wall-clock time of the first picture.
    pub(crate) fn start(&self) -> Timestamp {
        self.start
    }
    /// Where to go on: there the parameters change.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.next
    }
    /// Length of the file in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.layout.len()
    }
    /// A strong entity tag (RFC 9110 §8.8.3): another one as soon as a byte of the file is another one, since the head says
    /// where every sample lies and how long it is, and a segment's id stands for bytes that never change.
    pub(crate) fn etag(&self) -> String {
        let mut hash = DefaultHasher::new();
        self.segments.iter().for_each(|s| s.row.id.to_bytes().hash(&mut hash));
        if let Some(Part::Head(head)) = self.layout.part(0) {
            head.hash(&mut hash);
        }
        format!("\"{:x}-{:016x}\"", self.len(), hash.finish())
    }
    /// Sends these bytes only.
    pub(crate) fn only(self, bytes: Range<u64>) -> Self {
        Self { rest: bytes, ..self }
    }

    fn footage(&mut self, source: usize, from: u64, len: usize) -> io::Result<Bytes> {
        let gone = |e: &(dyn std::error::Error + 'static), segment: &Dated| {
            tracing::warn!(segment = %segment.row.id, error = e, "an export is cut at a segment");
            io::Error::other("a segment of the file cannot be read any more")
        };
        let segment = &self.segments[source];
        let mut reader = match self.open.take() {
            Some((open, reader)) if open == source => reader,
            _ => self.footage.open(&self.viewer, self.camera, &segment.row).map_err(|e| gone(&e, segment))?,
        };
        if reader.init().bytes != self.init {
            return Err(io::Error::other("a segment of the file has other parameters than it had"));
        }
        let mut bytes = vec![0; len];
        reader.read_at(from, &mut bytes).map_err(|e| gone(&e, segment))?;
        self.open = Some((source, reader));
        Ok(bytes.into())
    }
}

impl Parts for Export {
    fn part(&mut self) -> io::Result<Bytes> {
        let left = self.rest.end.saturating_sub(self.rest.start);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(PART_BYTES);
        let part = match self.layout.part(self.rest.start) {
            _ if most == 0 => Bytes::new(),
            None => return Err(io::Error::other("the file ends before its end")),
            Some(Part::Head(head)) => Bytes::copy_from_slice(&head[..head.len().min(most)]),
            Some(Part::Footage(piece)) => {
                let len = usize::try_from(piece.len).unwrap_or(usize::MAX).min(most);
                self.footage(piece.source, piece.from, len)?
            }
        };
        self.rest.start += part.len() as u64;
        Ok(part)
    }
}

/// A file with at least one picture.
struct Begun {
    builder: Builder,
    init: Bytes,
    segments: Vec<Dated>,
    start: Timestamp,
    /// Of the segment before: connection, its start in that connection (90 kHz), its start, and its offset in the file.
    before: (base::ConnectionId, i64, Timestamp, i64),
}

impl Begun {
    /// Begins with the key picture at or before `from`, or with the first one; `None` if the segment has none.
    fn with(reader: &mut SegmentReader, segment: Dated, from: Timestamp, to: Timestamp) -> Option<Self> {
        let init = reader.init().clone();
        let from_90k = ticks_between(segment.start, from);
        let starts = |reader: &mut SegmentReader| {
            let keys = reader.index().fragments.iter().filter(|f| f.layout.key());
            let start =
                |f: &IndexedFragment| Some((f.offset, f.layout.first_picture_90k()?, f.layout.first_shown_90k()?));
            let starts: Vec<_> = keys.filter_map(start).collect();
            starts.iter().rfind(|(_, _, shown)| *shown <= from_90k).or(starts.first()).copied()
        };
        let (first, first_90k, shown_90k) = starts(reader)?;
        let start = segment.truly(reader.wall(shown_90k));
        let (builder, init) = (Builder::new(init.clone()), init.bytes);
        let before = (reader.header().connection, reader.header().media_start_90k, segment.start, -first_90k);
        let mut begun = Self { builder, init, segments: Vec::new(), start, before };
        begun.fill(reader, segment, first, -first_90k, to);
        begun.builder.end_90k().is_some().then_some(begun)
    }

    /// Goes on with the next segment, at its place in time.
    fn add(&mut self, reader: &mut SegmentReader, segment: Dated, to: Timestamp) {
        let (connection, media_90k) = (reader.header().connection, reader.header().media_start_90k);
        let (before, before_media, before_start, before_offset) = self.before;
        let apart = match before == connection {
            true => media_90k - before_media,
            false => ticks_between(before_start, segment.start),
        };
        let offset = before_offset.saturating_add(apart);
        self.before = (connection, media_90k, segment.start, offset);
        self.fill(reader, segment, 0, offset, to);
    }

    fn fill(&mut self, reader: &mut SegmentReader, segment: Dated, first: u64, offset_90k: i64, to: Timestamp) {
        let rate = reader.init().timescale(base::footage::Track::Audio);
        let to_90k = ticks_between(segment.start, to);
        let synced_90k = match segment.row.details {
            SegmentDetails::Open => ticks_between(segment.start, segment.end),
            _ => i64::MAX,
        };
        let source = self.segments.len();
        self.segments.push(segment);
        for fragment in reader.index().fragments.iter().filter(|f| f.offset >= first) {
            let layout = &fragment.layout;
            if layout.start_90k(rate) < to_90k && layout.end_90k(rate) <= synced_90k {
                self.builder.add(source, offset_90k, fragment);
            }
        }
    }
}
