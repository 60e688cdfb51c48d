//! What footage is made of: words that media, footage, store, recorder and API share.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{Mono, Stamp, TimeSource};
use crate::id::{BootId, CameraId, ConnectionId, EpochId, HubId, SegmentId};

/// Ticks per second of every video track and of every media time that has no other unit: the RTP clock of
/// video (RFC 3551 §5), so that cameras' timestamps stay exact.
pub const VIDEO_TIMESCALE: u32 = 90_000;

/// Which of a camera's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamName {
    /// The one that is recorded: full size.
    Main,
    /// The small one, for watching and looking live.
    Sub,
}

impl StreamName {
    /// As it stands in file names and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            StreamName::Main => "main",
            StreamName::Sub => "sub",
        }
    }
}

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Track {
    /// Track id 1.
    Video,
    /// Track id 2.
    Audio,
}

impl Track {
    /// The ISO BMFF track id; the same in every file the hub writes.
    pub fn id(self) -> u32 {
        match self {
            Track::Video => 1,
            Track::Audio => 2,
        }
    }
    /// From an ISO BMFF track id.
    pub fn from_id(id: u32) -> Option<Self> {
        match id {
            1 => Some(Track::Video),
            2 => Some(Track::Audio),
            _ => None,
        }
    }
}

/// The parameters of a video track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoParams {
    /// RFC 6381 codec string, such as `avc1.64001f`.
    pub codec: String,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

/// The parameters of an audio track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioParams {
    /// RFC 6381 codec string, such as `mp4a.40.2`.
    pub codec: String,
    /// Samples per second, and ticks per second of the track.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u16,
}

/// What a player needs before the first fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitSegment {
    /// `ftyp` and `moov`, nothing else.
    pub bytes: Bytes,
    /// Parameters of track 1.
    pub video: VideoParams,
    /// Parameters of track 2, where there is one.
    pub audio: Option<AudioParams>,
}

impl InitSegment {
    /// The codecs as Media Source Extensions want them: `avc1.64001f, mp4a.40.2`.
    pub fn codecs(&self) -> String {
        match &self.audio {
            Some(audio) => format!("{}, {}", self.video.codec, audio.codec),
            None => self.video.codec.clone(),
        }
    }
    /// Tells two sets of parameters apart: FNV-1a (64 bits) of the bytes. Segments with the same fingerprint play on
    /// after one another without a new init segment. Not for anything that an enemy could gain from.
    pub fn fingerprint(&self) -> u64 {
        self.bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
    }
    /// Ticks per second of a track.
    pub fn timescale(&self, track: Track) -> u32 {
        match (track, &self.audio) {
            (Track::Audio, Some(audio)) => audio.sample_rate,
            _ => VIDEO_TIMESCALE,
        }
    }
}

/// One picture or audio frame inside a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Which track.
    pub track: Track,
    /// Where its bytes start, from the fragment's first byte.
    pub offset: u32,
    /// Its length in bytes.
    pub size: u32,
    /// Decode time in the track's timescale, from the connection's start.
    pub dts: i64,
    /// Presentation minus decode time, in the track's timescale.
    pub cts_offset: i32,
    /// Length in the track's timescale.
    pub duration: u32,
    /// A picture that can be decoded without others. Audio frames: always.
    pub key: bool,
}

/// A short run of access units as one `moof` and one `mdat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// `moof` and `mdat`. Each `tfdt` is version 1 (64 bits) and counts from the connection's start.
    pub bytes: Vec<u8>,
    /// Its samples: video in decode order, then audio in order.
    pub samples: Vec<Sample>,
    /// Decode time of its first sample of either track, 90 kHz, from the connection's start.
    pub start_90k: i64,
    /// End of its last picture, 90 kHz, from the connection's start.
    pub end_90k: i64,
    /// Its first picture is a key picture: a segment may begin here.
    pub key: bool,
    /// When its oldest picture arrived at the hub.
    pub arrived: Mono,
}

/// One coded picture or audio frame as it came from the camera (AVCC/HVCC: 4-byte lengths before NAL units).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// Which track.
    pub track: Track,
    /// Decode time in the track's timescale, from the connection's start.
    pub dts: i64,
    /// Presentation minus decode time, in the track's timescale.
    pub cts_offset: i32,
    /// Length in the track's timescale; of the newest unit the one before's, as its own is not known yet.
    pub duration: u32,
    /// A picture that can be decoded without others. Audio frames: always.
    pub key: bool,
    /// When it arrived at the hub.
    pub arrived: Mono,
    /// Its bytes.
    pub data: Bytes,
}

/// What stands in the `uuid` box at the head of every segment, as JSON. Readers ignore fields they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentHeader {
    /// Format number, see `docs/format/`.
    pub format: u32,
    /// Whose home.
    pub hub: HubId,
    /// Which camera.
    pub camera: CameraId,
    /// This segment.
    pub segment: SegmentId,
    /// Which stream.
    pub stream: StreamName,
    /// Which keys.
    pub epoch: EpochId,
    /// Which boot `mono_start_ns` belongs to.
    pub boot: BootId,
    /// Which connection `media_start_90k` belongs to.
    pub connection: ConnectionId,
    /// Monotonic time of the first sample, in ns.
    pub mono_start_ns: u64,
    /// Media time of the first sample, 90 kHz, from the connection's start. Segments of one connection fit
    /// together exactly by it.
    pub media_start_90k: i64,
    /// Best wall-clock time of the first sample when it was written.
    pub start: Timestamp,
    /// Where that time came from.
    pub time_source: TimeSource,
    /// Parameters of the video track.
    pub video: VideoParams,
    /// Parameters of the audio track.
    pub audio: Option<AudioParams>,
}

impl SegmentHeader {
    /// The instant of its first sample.
    pub fn stamp(&self) -> Stamp {
        Stamp { boot: self.boot, mono: Mono(self.mono_start_ns) }
    }
}

/// How much is known about a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentDetails {
    /// Being written; `end` is the last synced instant.
    Open,
    /// Closed in order: everything in its row is exact.
    Closed,
    /// Found after a crash: nobody with a key has looked inside yet.
    Unknown,
    /// Cut short by a crash and read since: everything in its row is exact.
    Recovered,
}

/// What the index knows of a segment: a row of the store, rebuilt from the footage tree if need be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentInfo {
    /// Which camera.
    pub camera: CameraId,
    /// This segment.
    pub id: SegmentId,
    /// Which stream.
    pub stream: StreamName,
    /// Which keys; unknown where the row was rebuilt from a file name.
    pub epoch: Option<EpochId>,
    /// Which connection, and where in it the segment starts (90 kHz): known once a writer or a viewer said so.
    pub media: Option<(ConnectionId, i64)>,
    /// Its first sample's instant, by which its true time is told; unknown where the row was rebuilt from a file name.
    pub stamp: Option<Stamp>,
    /// Wall-clock start: as in the file's name, so that the file is found by it.
    pub start: Timestamp,
    /// Wall-clock end: exact if closed or recovered, last synced if open, best guess if unknown.
    pub end: Timestamp,
    /// Length of the sealed file in bytes.
    pub bytes: u64,
    /// Parameters of the video track, `None` while unknown.
    pub video: Option<VideoParams>,
    /// Parameters of the audio track.
    pub audio: Option<AudioParams>,
    /// [`InitSegment::fingerprint`] of its `ftyp` and `moov`, `None` while unknown.
    pub fingerprint: Option<u64>,
    /// How much of this is known.
    pub details: SegmentDetails,
}

impl SegmentInfo {
    /// Where its row says that it ends, as an instant.
    pub fn end_stamp(&self) -> Option<Stamp> {
        Some(self.stamp? + Duration::try_from(self.end.duration_since(self.start)).unwrap_or_default())
    }
}

/// What may be known of a camera's epoch without any key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Opens the live ring.
    Live,
    /// Opens footage and thumbnails.
    Footage,
}
