//! The segment index, and the gaps between segments.
//!
//! The footage tree is the truth; these rows say quickly what is in it and can be built anew from it.

use base::footage::{AudioParams, SegmentDetails, SegmentInfo, StreamName, VideoParams};
use base::state::GapReason;
use base::{CameraId, ConnectionId, EpochId, GapId, SegmentId, Stamp, Timestamp};
use serde::{Deserialize, Serialize};

use crate::db::Db;
use crate::engine::{Order, Tree};
use crate::error::StoreError;
use crate::key::{ID, Parts};
use crate::row::RowError;
use crate::span::{STREAM_LINE, Span, parse_stream_line, stream_line};

/// A stretch of time in which a camera's stream should have been recorded and was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// This gap.
    pub id: GapId,
    /// Which camera.
    pub camera: CameraId,
    /// Which of its streams.
    pub stream: StreamName,
    /// The first instant that is missing.
    pub start: Timestamp,
    /// The first instant that is not; `None` while it lasts.
    pub end: Option<Timestamp>,
    /// Why.
    pub reason: GapReason,
    /// The instant of its start, by which its true time is told, where it is known.
    pub start_stamp: Option<Stamp>,
    /// The instant of its end, where it is known.
    pub end_stamp: Option<Stamp>,
}

impl Db {
    /// Keeps a segment's row, or replaces it: camera, stream, start and id say which it is, so they must stay as they
    /// were when it was opened.
    pub fn put_segment(&mut self, segment: &SegmentInfo) -> Result<(), StoreError> {
        self.put_span(segment)
    }
    /// Forgets a segment: its file is gone.
    pub fn remove_segment(&mut self, segment: &SegmentInfo) -> Result<(), StoreError> {
        self.delete_span(segment)
    }
    /// One segment, by what its file's name says.
    pub fn segment(
        &self,
        camera: CameraId,
        stream: StreamName,
        start: Timestamp,
        id: SegmentId,
    ) -> Result<Option<SegmentInfo>, StoreError> {
        let place = crate::key::key(&[&stream_line(camera, stream), &crate::key::time(start), &id.to_bytes()]);
        self.span_at(&place)
    }
    /// The segments of a stream that have a part in `from..to`, by start.
    pub fn segments(
        &self,
        camera: CameraId,
        stream: StreamName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<SegmentInfo>, StoreError> {
        self.spans_in(&stream_line(camera, stream), from, to)
    }
    /// A stream's newest segment by start.
    pub fn last_segment(&self, camera: CameraId, stream: StreamName) -> Result<Option<SegmentInfo>, StoreError> {
        self.end_span(&stream_line(camera, stream), Order::Backward)
    }
    /// Up to `limit` segments of a stream that start in `from..before`, newest first.
    pub fn segments_back(
        &self,
        camera: CameraId,
        stream: StreamName,
        from: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<SegmentInfo>, StoreError> {
        let range = crate::span::starts(&stream_line(camera, stream), Some(from), Some(before));
        self.first_spans(&range, Order::Backward, limit)
    }
    /// A stream's oldest segment by start.
    pub fn first_segment(&self, camera: CameraId, stream: StreamName) -> Result<Option<SegmentInfo>, StoreError> {
        self.end_span(&stream_line(camera, stream), Order::Forward)
    }
    /// Up to `limit` segments of a stream by start, from the first that starts at `from` or later.
    pub fn segments_from(
        &self,
        camera: CameraId,
        stream: StreamName,
        from: Timestamp,
        limit: usize,
    ) -> Result<Vec<SegmentInfo>, StoreError> {
        self.first_spans(&crate::span::starts(&stream_line(camera, stream), Some(from), None), Order::Forward, limit)
    }
    /// Every segment whose row says that it is being written. After a start they are those that a crash cut short.
    pub fn open_segments(&self) -> Result<Vec<SegmentInfo>, StoreError> {
        self.open_spans()
    }
    /// The streams that have segments, those of removed cameras too.
    pub fn streams_with_segments(&self) -> Result<Vec<(CameraId, StreamName)>, StoreError> {
        let lines = self.lines::<SegmentInfo>()?;
        lines
            .iter()
            .map(|line| parse_stream_line(Parts(line)).map_err(|e| StoreError::row(Tree::Segments, line, e)))
            .collect()
    }

    /// Keeps a gap, or replaces it: camera, stream, start and id say which it is.
    pub fn put_gap(&mut self, gap: &Gap) -> Result<(), StoreError> {
        self.put_span(gap)
    }
    /// Forgets a gap: there was none, or its time is over.
    pub fn remove_gap(&mut self, gap: &Gap) -> Result<(), StoreError> {
        self.delete_span(gap)
    }
    /// The gaps of a stream that have a part in `from..to`, by start.
    pub fn gaps(
        &self,
        camera: CameraId,
        stream: StreamName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Gap>, StoreError> {
        self.spans_in(&stream_line(camera, stream), from, to)
    }
    /// The gaps of a stream that start in `from..to`, and the last few that start before it, wherever they end: by the
    /// wall clocks of two boots a gap may end before it starts.
    pub fn gaps_about(
        &self,
        camera: CameraId,
        stream: StreamName,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Gap>, StoreError> {
        self.spans_about(&stream_line(camera, stream), from, to)
    }
    /// A stream's newest gap by start.
    pub fn last_gap(&self, camera: CameraId, stream: StreamName) -> Result<Option<Gap>, StoreError> {
        self.end_span(&stream_line(camera, stream), Order::Backward)
    }
    /// Every gap that lasts.
    pub fn open_gaps(&self) -> Result<Vec<Gap>, StoreError> {
        self.open_spans()
    }
}

/// What of a segment is not in its key.
#[derive(Serialize, Deserialize)]
pub(crate) struct SegmentBody {
    end: Timestamp,
    bytes: u64,
    details: SegmentDetails,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<EpochId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media: Option<(ConnectionId, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stamp: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    video: Option<VideoParams>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio: Option<AudioParams>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<u64>,
}

impl Span for SegmentInfo {
    const TREE: Tree = Tree::Segments;
    const LINE: usize = STREAM_LINE;
    const BY_ID: bool = false;
    type Body = SegmentBody;

    fn line(&self) -> Vec<u8> {
        stream_line(self.camera, self.stream)
    }
    fn start(&self) -> Timestamp {
        self.start
    }
    fn id(&self) -> [u8; ID] {
        self.id.to_bytes()
    }
    fn end(&self) -> Option<Timestamp> {
        // The row of an open segment is not written at each sync: it may reach further than it says.
        (!self.is_open()).then_some(self.end)
    }
    fn is_open(&self) -> bool {
        self.details == SegmentDetails::Open
    }
    fn body(&self) -> SegmentBody {
        SegmentBody {
            end: self.end,
            bytes: self.bytes,
            details: self.details,
            epoch: self.epoch,
            media: self.media,
            stamp: self.stamp,
            video: self.video.clone(),
            audio: self.audio.clone(),
            fingerprint: self.fingerprint,
        }
    }
    fn join(line: Parts<'_>, start: Timestamp, id: [u8; ID], body: SegmentBody) -> Result<Self, RowError> {
        let (camera, stream) = parse_stream_line(line)?;
        let SegmentBody { end, bytes, details, epoch, media, stamp, video, audio, fingerprint } = body;
        let id = SegmentId::from_bytes(id);
        Ok(SegmentInfo {
            camera,
            id,
            stream,
            epoch,
            media,
            stamp,
            start,
            end,
            bytes,
            video,
            audio,
            details,
            fingerprint,
        })
    }
}

/// What of a gap is not in its key.
#[derive(Serialize, Deserialize)]
pub(crate) struct GapBody {
    end: Option<Timestamp>,
    reason: GapReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_stamp: Option<Stamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end_stamp: Option<Stamp>,
}

impl Span for Gap {
    const TREE: Tree = Tree::Gaps;
    const LINE: usize = STREAM_LINE;
    const BY_ID: bool = false;
    type Body = GapBody;

    fn line(&self) -> Vec<u8> {
        stream_line(self.camera, self.stream)
    }
    fn start(&self) -> Timestamp {
        self.start
    }
    fn id(&self) -> [u8; ID] {
        self.id.to_bytes()
    }
    fn end(&self) -> Option<Timestamp> {
        self.end
    }
    fn body(&self) -> GapBody {
        GapBody { end: self.end, reason: self.reason, start_stamp: self.start_stamp, end_stamp: self.end_stamp }
    }
    fn join(
        line: Parts<'_>,
        start: Timestamp,
        id: [u8; ID],
        GapBody { end, reason, start_stamp, end_stamp }: GapBody,
    ) -> Result<Self, RowError> {
        let (camera, stream) = parse_stream_line(line)?;
        Ok(Gap { id: GapId::from_bytes(id), camera, stream, start, end, reason, start_stamp, end_stamp })
    }
}
