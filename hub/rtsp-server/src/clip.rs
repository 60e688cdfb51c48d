//! A run of coded pictures and audio frames, packetised once: for all clients, and for all loops.

use std::sync::Arc;
use std::time::Duration;

use base::{Mono, SharedClock};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;

use crate::{Media, Packet, Playing, Source, TrackStart, rtp};

/// A live client that is this late has lost what it missed, and goes on at the next key picture.
pub const MAX_LAG: Duration = Duration::from_secs(10);

/// One coded picture or audio frame, as packets.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Index of its track.
    pub track: usize,
    /// When it is sent, from the clip's start.
    pub at: Duration,
    /// RTP timestamp from the clip's start, in ticks of the track's clock.
    pub timestamp: u32,
    /// A client may begin here.
    pub key: bool,
    payloads: Vec<Bytes>,
}

impl Unit {
    /// An H.264 picture: its NAL units, without start codes or lengths.
    pub fn h264<'a>(
        track: usize,
        at: Duration,
        timestamp: u32,
        key: bool,
        nals: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        Self { track, at, timestamp, key, payloads: rtp::h264(nals, rtp::MAX_PAYLOAD) }
    }
    /// An H.265 picture: its NAL units, without start codes or lengths.
    pub fn h265<'a>(
        track: usize,
        at: Duration,
        timestamp: u32,
        key: bool,
        nals: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        Self { track, at, timestamp, key, payloads: rtp::h265(nals, rtp::MAX_PAYLOAD) }
    }
    /// A JPEG picture; `None` for one that RTP cannot carry: see [`rtp::jpeg`].
    pub fn jpeg(track: usize, at: Duration, timestamp: u32, picture: &[u8]) -> Option<Self> {
        Some(Self { track, at, timestamp, key: true, payloads: rtp::jpeg(picture, rtp::MAX_PAYLOAD)? })
    }
    /// An AAC frame without ADTS header; `None` if it is longer than [`rtp::MAX_AAC_FRAME`].
    pub fn aac(track: usize, at: Duration, timestamp: u32, frame: &[u8]) -> Option<Self> {
        Some(Self { track, at, timestamp, key: false, payloads: vec![rtp::aac(frame)?] })
    }
    /// Payloads as they are; the last takes the marker. For other formats, and for broken ones in tests.
    pub fn raw(track: usize, at: Duration, timestamp: u32, key: bool, payloads: Vec<Bytes>) -> Self {
        Self { track, at, timestamp, key, payloads }
    }
}

/// Units that do not make a clip.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadClip {
    /// No unit is a key picture, so nobody could begin.
    #[error("the clip has no key picture")]
    NoKey,
    /// A unit's track is not one of the clip's.
    #[error("unit {unit} is of track {track}, which the clip does not have")]
    NoSuchTrack {
        /// Which unit.
        unit: usize,
        /// Its track.
        track: usize,
    },
    /// A unit is due after the clip's end.
    #[error("unit {unit} is due after the end of the clip")]
    AfterEnd {
        /// Which unit.
        unit: usize,
    },
    /// Timestamps would drift away from the clock from loop to loop.
    #[error("the length of the clip is not a whole number of ticks of track {track}")]
    Uneven {
        /// Which track.
        track: usize,
    },
}

/// Units in the order in which they are sent. The numbers of its units count on over the loops: unit `n` is
/// unit `n % units` of loop `n / units`.
#[derive(Debug)]
pub struct Clip {
    units: Vec<Unit>,
    /// Of each unit: how many packets of its track come before it in the clip.
    packets_before: Vec<usize>,
    tracks: Vec<ClipTrack>,
    length: Duration,
}

#[derive(Debug)]
struct ClipTrack {
    clock_rate: u32,
    ticks: u64,
    packets: usize,
}

impl Clip {
    /// A clip of these units, in any order, and of this length.
    pub fn new(tracks: &[Media], mut units: Vec<Unit>, length: Duration) -> Result<Self, BadClip> {
        let mut clip_tracks = Vec::new();
        for (track, media) in tracks.iter().enumerate() {
            let ticks_ns = length.as_nanos() * u128::from(media.clock_rate());
            if !ticks_ns.is_multiple_of(1_000_000_000) {
                return Err(BadClip::Uneven { track });
            }
            let ticks = (ticks_ns / 1_000_000_000) as u64;
            clip_tracks.push(ClipTrack { clock_rate: media.clock_rate(), ticks, packets: 0 });
        }
        units.sort_by_key(|u| u.at);
        let mut packets_before = Vec::with_capacity(units.len());
        for (unit, u) in units.iter().enumerate() {
            let track = clip_tracks.get_mut(u.track).ok_or(BadClip::NoSuchTrack { unit, track: u.track })?;
            if u.at >= length {
                return Err(BadClip::AfterEnd { unit });
            }
            packets_before.push(track.packets);
            track.packets += u.payloads.len();
        }
        if !units.iter().any(|u| u.key) {
            return Err(BadClip::NoKey);
        }
        Ok(Self { units, packets_before, tracks: clip_tracks, length })
    }

    /// Number of units in one loop.
    pub fn units(&self) -> usize {
        self.units.len()
    }
    /// The unit with that number.
    pub fn unit(&self, n: u64) -> &Unit {
        &self.units[self.index(n)]
    }
    /// When unit `n` is sent, from the start of the first loop.
    pub fn due(&self, n: u64) -> Duration {
        let loops = u128::from(self.loops(n)) * self.length.as_nanos();
        Duration::from_nanos(loops.min(u128::from(u64::MAX / 2)) as u64) + self.unit(n).at
    }
    /// RTP timestamp of unit `n`, where that of the first loop's start is `first`.
    pub fn timestamp(&self, n: u64, first: u32) -> u32 {
        let unit = self.unit(n);
        let loops = self.loops(n).wrapping_mul(self.tracks[unit.track].ticks) as u32;
        first.wrapping_add(loops).wrapping_add(unit.timestamp)
    }
    /// Packets of unit `n`. `first` holds for each track what the first loop starts with.
    pub fn packets(&self, n: u64, first: &[TrackStart]) -> Vec<Packet> {
        let unit = self.unit(n);
        let first = first[unit.track];
        let timestamp = self.timestamp(n, first.rtptime);
        let seq = self.seq(n, first.seq);
        let last = unit.payloads.len().saturating_sub(1);
        let packet = |(i, payload): (usize, &Bytes)| Packet {
            track: unit.track,
            seq: seq.wrapping_add(i as u16),
            timestamp,
            marker: i == last,
            payload: payload.clone(),
        };
        unit.payloads.iter().enumerate().map(packet).collect()
    }
    /// The first key picture that is due at `from` or later, counted from the start of the first loop.
    pub fn next_key(&self, from: Duration) -> u64 {
        let length = self.length.as_nanos().max(1);
        let mut n = (from.as_nanos() / length) as u64 * self.units.len() as u64;
        while !self.unit(n).key || self.due(n) < from {
            n += 1;
        }
        n
    }
    /// Where each track starts for a client that begins with unit `n`.
    pub fn start(&self, n: u64, first: &[TrackStart]) -> Vec<TrackStart> {
        let begin = self.unit(n);
        let start = |(track, media): (usize, &ClipTrack)| {
            let first = first[track];
            let next = (n..n + self.units.len() as u64).find(|m| self.unit(*m).track == track);
            let seq = next.map_or(first.seq, |m| self.seq(m, first.seq));
            if track == begin.track {
                return TrackStart { seq, rtptime: self.timestamp(n, first.rtptime) };
            }
            // The same instant as the beginning's timestamp says, which need not be a unit of this track.
            let begin_rate = u64::from(self.tracks[begin.track].clock_rate.max(1));
            let ticks = (u64::from(begin.timestamp) * u64::from(media.clock_rate) + begin_rate / 2) / begin_rate;
            let ticks = self.loops(n).wrapping_mul(media.ticks).wrapping_add(ticks);
            TrackStart { seq, rtptime: first.rtptime.wrapping_add(ticks as u32) }
        };
        self.tracks.iter().enumerate().map(start).collect()
    }

    fn seq(&self, n: u64, first: u16) -> u16 {
        let index = self.index(n);
        let loops = self.loops(n).wrapping_mul(self.tracks[self.units[index].track].packets as u64);
        first.wrapping_add(loops.wrapping_add(self.packets_before[index] as u64) as u16)
    }
    fn index(&self, n: u64) -> usize {
        (n % self.units.len() as u64) as usize
    }
    fn loops(&self, n: u64) -> u64 {
        n / self.units.len() as u64
    }
}

/// Where in a clip a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At its beginning, at once: each client has the clip for itself.
    Beginning,
    /// All clients see the same: the clip began at this instant, a client joins at the next key picture.
    Live(Mono),
}

/// What comes after a clip's last unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The clip again, with timestamps and sequence numbers that go on.
    Loop,
    /// The connection is closed.
    Close,
    /// The connection stays open, and nothing more is sent.
    Stall,
}

/// A source that plays a clip.
pub struct ClipSource {
    clip: Arc<Clip>,
    clock: SharedClock,
    start: Start,
    after: After,
    first: Vec<TrackStart>,
}

impl ClipSource {
    /// Plays `clip`; the first loop starts with sequence number and timestamp `first` on each track.
    pub fn new(clip: Arc<Clip>, clock: SharedClock, start: Start, after: After, first: TrackStart) -> Self {
        let first = vec![first; clip.tracks.len()];
        Self { clip, clock, start, after, first }
    }
}

impl Source for ClipSource {
    fn play(&self) -> Playing {
        let now = self.clock.mono();
        let (zero, n) = match self.start {
            Start::Beginning => {
                let n = self.clip.next_key(Duration::ZERO);
                (now - self.clip.due(n), n)
            }
            Start::Live(zero) => (zero, self.clip.next_key(now.since(zero))),
        };
        let (clip, clock, first, after) = (self.clip.clone(), self.clock.clone(), self.first.clone(), self.after);
        let live = matches!(self.start, Start::Live(_));
        let packets = stream::unfold(n, move |mut n| {
            let (clip, clock, first) = (clip.clone(), clock.clone(), first.clone());
            async move {
                let late = clock.mono().since(zero + clip.due(n));
                if live && late > MAX_LAG {
                    n = clip.next_key(clock.mono().since(zero));
                }
                if n >= clip.units() as u64 {
                    match after {
                        After::Loop => {}
                        After::Close => return None,
                        After::Stall => std::future::pending().await,
                    }
                }
                clock.sleep_until(zero + clip.due(n)).await;
                Some((Ok(clip.packets(n, &first)), n + 1))
            }
        });
        Playing { start: self.clip.start(n, &self.first), at: zero + self.clip.due(n), packets: packets.boxed() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Clock, SimClock};

    /// Four pictures of 50 ms, the third a key picture too, and audio frames of 40 ms: 200 ms.
    fn clip() -> Clip {
        let tracks = [
            Media::H264 { parameter_sets: None, framerate: None },
            Media::Aac { sample_rate: 16_000, channels: 1, config: Bytes::new() },
        ];
        let mut units = Vec::new();
        for i in 0..4u64 {
            let nal = vec![0x65; if i == 0 { 2_000 } else { 10 }];
            units.push(Unit::h264(0, Duration::from_millis(50 * i), 4_500 * i as u32, i % 2 == 0, [nal.as_slice()]));
        }
        for i in 0..5u64 {
            units.push(Unit::aac(1, Duration::from_millis(40 * i), 640 * i as u32, &[1; 9]).unwrap());
        }
        Clip::new(&tracks, units, Duration::from_millis(200)).unwrap()
    }

    const FIRST: TrackStart = TrackStart { seq: 65_533, rtptime: u32::MAX - 10_000 };

    #[test]
    fn sequence_numbers_and_timestamps_go_on_over_loops_and_wrap() {
        let clip = clip();
        let mut next = [FIRST.seq; 2];
        let mut sent = [0u64; 2];
        for n in 0..5 * clip.units() as u64 {
            let packets = clip.packets(n, &[FIRST; 2]);
            for (i, p) in packets.iter().enumerate() {
                assert_eq!(p.seq, next[p.track]);
                next[p.track] = p.seq.wrapping_add(1);
                let ticks = sent[p.track] * [4_500, 640][p.track];
                assert_eq!(p.timestamp, FIRST.rtptime.wrapping_add(ticks as u32));
                assert_eq!(p.marker, i == packets.len() - 1);
            }
            let track = packets[0].track;
            assert_eq!(clip.due(n), Duration::from_millis(sent[track] * [50, 40][track]));
            sent[track] += 1;
        }
    }

    #[test]
    fn a_client_starts_at_a_key_picture_with_all_tracks_at_its_instant() {
        let clip = clip();
        // The key picture at 100 ms of the third loop.
        let n = clip.next_key(Duration::from_millis(401));
        assert_eq!((clip.due(n), clip.unit(n).track), (Duration::from_millis(500), 0));
        assert_eq!(clip.next_key(Duration::from_millis(500)), n);
        let start = clip.start(n, &[TrackStart { seq: 0, rtptime: 0 }; 2]);
        // Pictures: 5 packets a loop, 3 before the key picture. Audio: 5 a loop, next at 120 ms.
        assert_eq!(start[0], TrackStart { seq: 13, rtptime: 45_000 });
        assert_eq!(start[1], TrackStart { seq: 13, rtptime: 8_000 });
    }

    #[tokio::test]
    async fn units_are_sent_when_they_are_due() {
        let clock = SimClock::default();
        let source = ClipSource::new(clip().into(), Arc::new(clock.clone()), Start::Beginning, After::Close, FIRST);
        let mut playing = source.play();
        assert_eq!(playing.at, clock.mono());
        assert_eq!(playing.packets.next().await.unwrap().unwrap().len(), 2);
        assert_eq!(playing.packets.next().await.unwrap().unwrap()[0].track, 1);
        assert!(futures::poll!(playing.packets.next()).is_pending());
        clock.advance(Duration::from_millis(40));
        assert_eq!(playing.packets.next().await.unwrap().unwrap()[0].track, 1);
        clock.advance(Duration::from_millis(160));
        assert_eq!(playing.packets.count().await, 6);
    }

    #[tokio::test]
    async fn a_live_client_that_is_too_late_goes_on_at_a_key_picture() {
        let clock = SimClock::default();
        let zero = clock.mono();
        let source = ClipSource::new(clip().into(), Arc::new(clock.clone()), Start::Live(zero), After::Loop, FIRST);
        let mut playing = source.play();
        playing.packets.next().await.unwrap().unwrap();
        clock.advance(Duration::from_millis(20_010));
        let mut next = Box::pin(playing.packets.next());
        assert!(futures::poll!(&mut next).is_pending());
        clock.advance(Duration::from_millis(90));
        let packets = next.await.unwrap().unwrap();
        assert_eq!(packets[0].timestamp, FIRST.rtptime.wrapping_add(9_000 + 100 * 18_000));
    }

    #[test]
    fn what_cannot_be_a_clip_is_refused() {
        let tracks = [Media::H264 { parameter_sets: None, framerate: None }];
        let unit = |track, ms, key| Unit::raw(track, Duration::from_millis(ms), 0, key, vec![]);
        let clip = |units, ns| Clip::new(&tracks, units, Duration::from_nanos(ns)).unwrap_err();
        assert_eq!(clip(vec![unit(0, 0, false)], 1_000_000_000), BadClip::NoKey);
        assert_eq!(clip(vec![unit(1, 0, true)], 1_000_000_000), BadClip::NoSuchTrack { unit: 0, track: 1 });
        assert_eq!(clip(vec![unit(0, 1_000, true)], 1_000_000_000), BadClip::AfterEnd { unit: 0 });
        assert_eq!(clip(vec![unit(0, 0, true)], 1_000_000_001), BadClip::Uneven { track: 0 });
    }
}
