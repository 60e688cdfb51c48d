//! Footage as one fragmented MP4: the segments of a stretch after one another, opened one at a time and only as far as
//! the player takes them.

use std::io;
use std::time::Duration;

use base::footage::{Track, VIDEO_TIMESCALE};
use base::{CameraId, Problem, ProblemKind, Timestamp};
use bytes::{Bytes, BytesMut};
use footage::{Dated, Footage, OpenError, ReadFragment, SegmentReader, bmff};
use futures::Stream;
use vault::Viewer;

use crate::parts::{self, PART_BYTES, Parts};
use crate::watch::Watch;

/// A longer hole ends a stretch.
const LONGEST_HOLE: Duration = Duration::from_secs(1);

/// Segments, by true time, that play after one another without a gap over 1 s and without a change of parameters.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stretch {
    segments: Vec<Dated>,
    /// Where the next stretch begins, if that is before the end of what was asked for.
    pub(crate) next: Option<Timestamp>,
}

impl Stretch {
    /// The stretch at `from`, or the first after it, among segments sorted by start; `None` if there is none before `to`.
    /// Where a segment ends a moment after the next one has begun, as at a change of parameters, `from` is in the latter:
    /// else who goes on at `next` would never get there.
    pub(crate) fn find(segments: &[Dated], from: Timestamp, to: Timestamp) -> Option<Self> {
        let rest = segments.iter().filter(|s| s.end > from && s.start < to);
        let over = rest.clone().filter(|s| s.start <= from).count().saturating_sub(1);
        let mut rest = rest.skip(over);
        let first = rest.next()?;
        let mut stretch = vec![first.clone()];
        let mut next = None;
        for segment in rest {
            let last = stretch.last().unwrap_or(first);
            let hole = segment.start.duration_since(last.end);
            let same = segment.row.fingerprint.is_some() && segment.row.fingerprint == last.row.fingerprint;
            if !same || hole > jiff::SignedDuration::try_from(LONGEST_HOLE).unwrap_or_default() {
                // Times are told to the millisecond and corrected at each start, so two segments can overlap by some of them:
                // whoever goes on there must not find the first one again.
                next = Some(segment.start.max(last.end)).filter(|next| *next < to);
                break;
            }
            stretch.push(segment.clone());
        }
        Some(Self { segments: stretch, next })
    }
}

/// Plays a stretch.
pub(crate) struct Player {
    footage: Footage,
    viewer: Viewer,
    camera: CameraId,
    /// Segments that are still to be opened, the next one last.
    rest: Vec<Dated>,
    reader: SegmentReader,
    segment: Dated,
    /// 90 kHz; added to a time in the segment it gives the time in the answer.
    offset_90k: i64,
    /// 90 kHz in the answer: how far it has been filled.
    filled_90k: i64,
    sequence: u32,
    first: Option<ReadFragment>,
    start: Timestamp,
    to: Timestamp,
}

impl Player {
    /// Opens the first segment that can be opened and finds the key picture at or before `from`.
    ///
    /// # Errors
    /// Why the segment cannot be opened, or that there is nothing in it.
    pub(crate) fn open(
        footage: &Footage,
        viewer: Viewer,
        camera: CameraId,
        stretch: Stretch,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Self, Problem> {
        let mut rest = stretch.segments;
        rest.reverse();
        let mut why = Problem::from(ProblemKind::NoFootage);
        // A crash right after a segment was begun leaves one with nothing in it.
        let (segment, reader, first) = loop {
            let Some(segment) = rest.pop() else { return Err(why) };
            match footage.open(&viewer, camera, &segment.row) {
                Ok(mut reader) => {
                    reader.seek(ticks_between(segment.start, from));
                    if let Some(first) = reader.next_fragment() {
                        break (segment, reader, first);
                    }
                }
                Err(e) => why = refused(e),
            }
        };
        let start = segment.truly(reader.wall(first.start_90k));
        let offset_90k = -first.start_90k;
        let (footage, first) = (footage.clone(), Some(first));
        Ok(Self {
            footage,
            viewer,
            camera,
            rest,
            reader,
            segment,
            offset_90k,
            filled_90k: 0,
            sequence: 0,
            first,
            start,
            to,
        })
    }

    /// Wall-clock time of the first picture.
    pub(crate) fn start(&self) -> Timestamp {
        self.start
    }

    /// The file: what a player needs first, then the fragments.
    pub(crate) fn stream(self, watch: Watch) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
        parts::stream(self.reader.init().bytes.clone(), self, watch)
    }

    /// Opens the next segment; `false` if the stretch ends here.
    fn next_segment(&mut self) -> io::Result<bool> {
        let Some(segment) = self.rest.pop() else { return Ok(false) };
        if let Some(why) = self.reader.shortened() {
            tracing::info!(segment = %self.segment.row.id, %why, "a segment is shorter than it was");
        }
        let cut = |e: &(dyn std::error::Error + 'static)| {
            tracing::warn!(segment = %segment.row.id, error = e, "playback is cut before a segment");
            io::Error::other("the next segment cannot be opened")
        };
        let reader = self.footage.open(&self.viewer, self.camera, &segment.row).map_err(|e| cut(&e))?;
        if reader.init().bytes != self.reader.init().bytes {
            return Err(cut(&io::Error::other("it has other parameters than its row says")));
        }
        let (before, after) = (self.reader.header(), reader.header());
        self.offset_90k = if before.connection == after.connection {
            // One line of time, on which no track goes back. A segment may begin before the last one's pictures end: with its
            // sound, which comes later than pictures that are sent ahead of their time (B-pictures).
            self.offset_90k + after.media_start_90k - before.media_start_90k
        } else {
            // Never back in time: a player would show pictures over one another.
            (self.offset_90k + ticks_between(self.segment.start, segment.start)).max(self.filled_90k)
        };
        self.reader = reader;
        self.segment = segment;
        Ok(true)
    }

    /// Does it begin after what was asked for?
    fn is_over(&self, fragment: &ReadFragment) -> bool {
        self.segment.truly(self.reader.wall(fragment.start_90k)) >= self.to
    }

    /// Moves a fragment to its place in the answer.
    fn place(&mut self, mut fragment: ReadFragment) -> io::Result<Vec<u8>> {
        let rate = self.reader.init().timescale(Track::Audio);
        let offset = self.offset_90k;
        let moved = bmff::retime(&mut fragment.bytes, |track, dts| {
            let by = match track {
                Track::Video => offset,
                Track::Audio => offset * i64::from(rate) / i64::from(VIDEO_TIMESCALE),
            };
            dts.saturating_add_signed(by)
        });
        self.sequence = self.sequence.wrapping_add(1);
        let numbered = bmff::set_sequence(&mut fragment.bytes, self.sequence);
        if let Err(e) = moved.and(numbered) {
            tracing::warn!(segment = %self.segment.row.id, error = &e as &dyn std::error::Error, "a fragment cannot be played");
            return Err(io::Error::other("a fragment cannot be played"));
        }
        self.filled_90k = self.filled_90k.max(fragment.end_90k + offset);
        Ok(fragment.bytes)
    }
}

impl Parts for Player {
    /// The next fragments, about [`PART_BYTES`] of them; empty at the end. The first one, which is there already, comes
    /// alone: the player shows its picture while the others are read.
    fn part(&mut self) -> io::Result<Bytes> {
        if let Some(first) = self.first.take() {
            if self.is_over(&first) {
                self.rest.clear();
                return Ok(Bytes::new());
            }
            return Ok(self.place(first)?.into());
        }
        let mut part = BytesMut::new();
        while part.len() < PART_BYTES {
            let Some(fragment) = self.reader.next_fragment() else {
                match self.next_segment()? {
                    true => continue,
                    false => break,
                }
            };
            if self.is_over(&fragment) {
                self.rest.clear();
                break;
            }
            part.extend_from_slice(&self.place(fragment)?);
        }
        Ok(part.freeze())
    }
}

/// A segment that is not opened for this viewer is not there for it.
pub(crate) fn refused(e: OpenError) -> Problem {
    match &e {
        OpenError::NotGranted(_) => ProblemKind::NoFootage.into(),
        _ => {
            tracing::warn!(error = &e as &dyn std::error::Error, "a segment was not opened");
            Problem { detail: None, ..Problem::from(&e) } // the path is the log's, not the person's
        }
    }
}

pub(crate) fn ticks_between(from: Timestamp, to: Timestamp) -> i64 {
    let ns = to.as_nanosecond() - from.as_nanosecond();
    (ns * i128::from(VIDEO_TIMESCALE) / 1_000_000_000).clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::footage::{SegmentDetails, SegmentInfo, StreamName};
    use base::{SegmentId, SimClock};

    fn at(s: i64) -> Timestamp {
        Timestamp::from_millisecond(1_767_225_600_000 + s * 1_000).unwrap()
    }

    fn segment(from: i64, to: i64, fingerprint: u64) -> Dated {
        let clock = SimClock::default();
        let row = SegmentInfo {
            camera: CameraId::new(&clock),
            id: SegmentId::new(&clock),
            stream: StreamName::Main,
            epoch: None,
            media: None,
            stamp: None,
            start: at(from),
            end: at(to),
            bytes: 0,
            video: None,
            audio: None,
            fingerprint: Some(fingerprint),
            details: SegmentDetails::Closed,
        };
        Dated { start: row.start, end: row.end, row }
    }

    #[test]
    fn a_stretch_ends_at_a_gap_over_a_second_and_at_a_change_of_parameters() {
        let all = [segment(0, 60, 1), segment(61, 120, 1), segment(122, 180, 1), segment(180, 240, 2)];
        let found = |from, to| Stretch::find(&all, at(from), at(to)).map(|s| (s.segments.len(), s.next));
        assert_eq!(found(0, 300), Some((2, Some(at(122)))));
        assert_eq!(found(130, 300), Some((1, Some(at(180)))));
        assert_eq!(found(200, 300), Some((1, None)));
        assert_eq!(found(121, 300), Some((1, Some(at(180)))), "in a gap: what comes after it");
        assert_eq!(found(0, 60), Some((1, None)));
        assert_eq!(found(0, 121), Some((2, None)), "what comes after what was asked for is not next");
        assert_eq!(found(240, 300), None);
        assert_eq!(found(-20, 0), None);

        let overlapping = [segment(0, 60, 1), segment(59, 120, 2)];
        let found = |from| Stretch::find(&overlapping, at(from), at(300)).map(|s| (s.segments[0].start, s.next));
        assert_eq!(found(0), Some((at(0), Some(at(60)))));
        assert_eq!(found(60), Some((at(59), None)), "who goes on there comes to the second one");
    }

    #[test]
    fn a_stretch_that_is_told_as_next_is_the_one_that_is_found_there() {
        let all = [segment(0, 62, 1), segment(60, 122, 2), segment(120, 180, 2), segment(179, 240, 3)];
        let mut from = at(0);
        let mut found = Vec::new();
        while let Some(stretch) = Stretch::find(&all, from, at(300)) {
            found.push(stretch.segments.iter().map(|s| s.row.fingerprint.unwrap()).collect::<Vec<_>>());
            let Some(next) = stretch.next else { break };
            assert!(next > from, "it goes on");
            from = next;
        }
        assert_eq!(found, [vec![1], vec![2, 2], vec![3]]);
    }

    #[test]
    fn ticks_between_is_exact_to_the_tick() {
        assert_eq!(ticks_between(at(0), at(1)), 90_000);
        assert_eq!(ticks_between(at(1), at(0)), -90_000);
    }
}
