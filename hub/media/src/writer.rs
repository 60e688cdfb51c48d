//! From access units to an init segment and fragments: pure Rust, no I/O, no clock.
//!
//! Media time counts from the connection's first key picture; what was presented before it is not written, so no
//! time is negative. Every fragment has a picture; sound waits for one, and what comes after the last is not kept.
//! Decode times of one track never go back and, but for gaps in what the camera sent, each is the
//! end of the unit before.
//!
//! A picture's length is known when the next one comes, so one is held back. A camera that sends fewer than two or
//! three pictures a second would let the held one grow old: [`FragmentWriter::flush`] writes it with the length of
//! the one before. Where that guess was too long, the next picture's decode time moves up to it and its composition
//! offset (negative then) keeps the time at which it is shown exact.

use std::time::Duration;

use base::Mono;
use base::footage::{AccessUnit, Fragment, Track, VIDEO_TIMESCALE};
use bytes::Bytes;

use crate::bmff;
use crate::codec::{AudioConfig, VideoConfig};
use crate::output::Output;
use crate::reorder::DecodeTimes;

/// The longest fragment, 90 kHz: what a power cut takes grows with it, as does the overhead of shorter ones.
const FRAGMENT_90K: i64 = VIDEO_TIMESCALE as i64 / 2;
/// A fragment is cut at this size too, so that no box comes near the 16 MiB that readers take for damage.
const FRAGMENT_BYTES: usize = 4 << 20;
/// The largest access unit that is taken. Key pictures of 4K cameras are about 1 MB.
pub const MAX_UNIT_BYTES: usize = 8 << 20;
/// Times from here on (centuries, at any rate) are none, and sums of smaller ones stay within 64 bits.
const LATEST: i64 = 1 << 52;
/// The most units of a track in one fragment; 10,000 pictures a second are no camera.
const MAX_UNITS: usize = 4_096;
/// Length of the first picture while nothing better is known: 25 pictures per second.
const FIRST_DURATION_90K: u32 = 3_600;
/// The longest length that a picture is guessed to have, because the one before had it.
const LONGEST_GUESS_90K: i64 = 2 * VIDEO_TIMESCALE as i64;
/// Sound that is off its place by less than this is put where the frame before ends: cameras whose audio
/// timestamps come from a jittery clock sound clean then, and nobody sees 20 ms.
pub(crate) const AUDIO_TOLERANCE_MS: i64 = 20;
/// Pictures without sound for so long, 90 kHz, say that there is none for now: the next key picture begins an init segment
/// that announces none, as players wait for sound that is announced. Once it comes, the next key picture announces it.
const SILENT_90K: i64 = 5 * VIDEO_TIMESCALE as i64;

/// One picture or audio frame as it came, in AVCC/HVCC form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaUnit {
    /// Which track.
    pub track: Track,
    /// When it is shown, in the track's timescale, from the connection's first key picture.
    pub pts: i64,
    /// A picture that can be decoded without others. Ignored for sound.
    pub key: bool,
    /// When it arrived at the hub.
    pub arrived: Mono,
    /// Its bytes.
    pub data: Bytes,
}

/// Turns access units into an init segment and fragments. See the module for its rules.
#[derive(Default)]
pub struct FragmentWriter {
    video: Option<VideoConfig>,
    audio: Option<AudioConfig>,
    /// The camera announced sound whose parameters are not there yet: an init segment waits for them.
    audio_expected: bool,
    /// An init segment for the parameters above was given out.
    begun: bool,
    zero: Option<Mono>,
    sequence: u32,
    /// The newest picture, whose length is not known yet.
    held: Option<AccessUnit>,
    decode_times: DecodeTimes,
    /// Decode time of the newest picture.
    video_dts: Option<i64>,
    /// Where the newest picture that is no longer held ends.
    video_end: i64,
    /// What the newest picture's length is guessed to be: that of the one before.
    guess: u32,
    pictures: Vec<AccessUnit>,
    sounds: Vec<AccessUnit>,
    /// Bytes in `pictures` and `sounds`.
    bytes: [usize; 2],
    /// Where the newest audio frame ends.
    audio_end: Option<i64>,
    /// The init segment announces sound.
    announced: bool,
    /// The newest picture's decode time when the newest sound came; at first, that of the first picture.
    heard: Option<i64>,
}

impl FragmentWriter {
    /// A writer for one connection.
    pub fn new() -> Self {
        Self { guess: FIRST_DURATION_90K, ..Self::default() }
    }

    /// The camera has sound: no init segment is written before [`FragmentWriter::set_audio`].
    pub fn expect_audio(&mut self) {
        self.audio_expected = true;
    }

    /// The camera's sound cannot be kept after all: nothing waits for it any more.
    pub fn no_audio(&mut self) {
        self.audio_expected = false;
    }

    /// Sets the picture's parameters. New ones end the fragment; the next key picture begins with a new init segment.
    pub fn set_video(&mut self, config: VideoConfig, out: &mut dyn Output) {
        if self.video.as_ref() != Some(&config) {
            self.flush(out);
            self.decode_times.begin(config.reorder);
            self.video = Some(config);
            self.begun = false;
        }
    }

    /// Sets the sound's parameters, as [`FragmentWriter::set_video`] does the picture's.
    pub fn set_audio(&mut self, config: AudioConfig, out: &mut dyn Output) {
        if self.audio.as_ref() != Some(&config) {
            self.flush(out);
            self.audio = Some(config);
            self.audio_end = None; // in another timescale perhaps
            self.begun = false;
        }
    }

    /// Pictures were seen to come so many places before one that is shown earlier, whatever their parameters say. Holds
    /// until these change.
    pub fn expect_reordering(&mut self, depth: u8) {
        self.decode_times.deepen(depth);
    }

    /// Takes one unit: gives it out at once as a unit, and later in a fragment. Units that cannot be used are left
    /// out: what is before the first key picture, empty, or over [`MAX_UNIT_BYTES`].
    pub fn push(&mut self, unit: MediaUnit, out: &mut dyn Output) {
        if unit.data.is_empty() || !(0..LATEST).contains(&unit.pts) {
            return;
        }
        if unit.data.len() > MAX_UNIT_BYTES {
            return tracing::warn!(bytes = unit.data.len(), "left out an access unit that is too large");
        }
        match unit.track {
            Track::Video => self.picture(unit, out),
            Track::Audio => self.sound(unit, out),
        }
    }

    /// Writes all that is held, the newest picture with the length of the one before it.
    pub fn flush(&mut self, out: &mut dyn Output) {
        if let Some(held) = self.held.take() {
            self.complete(held, self.guess);
        }
        self.cut(None, out);
    }

    fn picture(&mut self, unit: MediaUnit, out: &mut dyn Output) {
        if unit.key && self.begun && self.announced != self.audible() {
            self.flush(out);
            self.begun = false;
        }
        if !self.begin(&unit, out) {
            return;
        }
        let least = self.held.as_ref().map_or(self.video_end, |h| h.dts + 1);
        let dts = self.decode_times.next(unit.pts, unit.key, least);
        if let Some(before) = self.video_dts.replace(dts) {
            self.guess = (dts - before).min(LONGEST_GUESS_90K) as u32;
        }
        if let Some(held) = self.held.take() {
            let duration = u32::try_from(dts - held.dts).unwrap_or(u32::MAX);
            self.complete(held, duration);
        }
        let span = self.pictures.first().map_or(0, |first| dts - first.dts);
        // A fragment begins at a key picture; where all are (JPEG), half a second of them make one.
        let begins = unit.key && self.pictures.iter().any(|p| !p.key);
        if begins
            || span + i64::from(self.guess) > FRAGMENT_90K
            || self.bytes[0] + unit.data.len() > FRAGMENT_BYTES
            || self.pictures.len() >= MAX_UNITS
        {
            self.cut(Some(dts), out);
        }
        let unit = AccessUnit {
            track: Track::Video,
            dts,
            cts_offset: i32::try_from(unit.pts - dts).unwrap_or(i32::MIN),
            duration: self.guess,
            key: unit.key,
            arrived: unit.arrived,
            data: unit.data,
        };
        out.unit(&unit);
        self.held = Some(unit);
    }

    /// Is there an init segment that this picture can follow? Gives it out if the picture may be its first.
    fn begin(&mut self, unit: &MediaUnit, out: &mut dyn Output) -> bool {
        if self.begun {
            return true;
        }
        let Some(video) = &self.video else { return false };
        if !unit.key || (self.audio_expected && self.audio.is_none()) {
            return false;
        }
        let since_zero = Duration::from_nanos(rescale(unit.pts, 1_000_000_000, VIDEO_TIMESCALE.into()) as u64);
        let zero = *self.zero.get_or_insert(unit.arrived - since_zero);
        self.heard.get_or_insert(unit.pts);
        self.announced = self.audible();
        out.init(bmff::init_segment(video, self.audio.as_ref().filter(|_| self.announced)), zero);
        self.begun = true;
        true
    }

    /// Is there sound, as far as the pictures up to now can say?
    fn audible(&self) -> bool {
        let silent = self.video_dts.zip(self.heard).is_some_and(|(now, heard)| now - heard > SILENT_90K);
        self.audio.is_some() && !silent
    }

    fn sound(&mut self, unit: MediaUnit, out: &mut dyn Output) {
        let Some(config) = self.audio.as_ref().filter(|_| self.begun) else { return };
        let Some(duration) = config.ticks(&unit.data) else { return };
        self.heard = self.video_dts;
        if !self.announced {
            return;
        }
        let tolerance = i64::from(config.params.sample_rate) * AUDIO_TOLERANCE_MS / 1_000;
        let dts = match self.audio_end {
            Some(end) if (unit.pts - end).abs() <= tolerance => end,
            Some(end) if unit.pts < end => return, // the camera counts faster than its samples last: one too many
            _ => unit.pts,
        };
        if let Some(before) = self.sounds.last_mut() {
            // A hole inside a fragment can only be a longer frame. What is too far away for that was put there by no clock.
            let Ok(length) = u32::try_from(dts - before.dts) else { return };
            before.duration = length;
        }
        if self.sounds.len() >= MAX_UNITS || self.bytes[1] + unit.data.len() > FRAGMENT_BYTES {
            // Sound without pictures for minutes: it has no fragment to go into.
            self.sounds.clear();
            self.bytes[1] = 0;
        }
        let unit = AccessUnit {
            track: Track::Audio,
            dts,
            cts_offset: 0,
            duration,
            key: true,
            arrived: unit.arrived,
            data: unit.data,
        };
        self.audio_end = Some(dts + i64::from(unit.duration));
        out.unit(&unit);
        self.bytes[1] += unit.data.len();
        self.sounds.push(unit);
    }

    fn complete(&mut self, mut picture: AccessUnit, duration: u32) {
        picture.duration = duration;
        self.video_end = picture.dts + i64::from(duration);
        self.bytes[0] += picture.data.len();
        self.pictures.push(picture);
    }

    /// Gives out the fragment of the complete pictures and the sound before `end` (90 kHz): what comes later belongs
    /// to the next fragment, so that a segment's sound begins with its picture.
    fn cut(&mut self, end: Option<i64>, out: &mut dyn Output) {
        let pictures = std::mem::take(&mut self.pictures);
        let Some(first) = pictures.first() else { return };
        let rate = self.audio.as_ref().map_or(1, |a| i64::from(a.params.sample_rate));
        let in_90k = |audio_ticks: i64| rescale(audio_ticks, VIDEO_TIMESCALE.into(), rate);
        let later = self.sounds.partition_point(|s| end.is_none_or(|end| in_90k(s.dts) < end));
        let rest = self.sounds.split_off(later);
        let sounds = std::mem::replace(&mut self.sounds, rest);
        self.bytes = [0, self.sounds.iter().map(|s| s.data.len()).sum()];

        self.sequence = self.sequence.wrapping_add(1);
        let (bytes, samples) = bmff::fragment(self.sequence, &pictures, &sounds);
        let start_90k = sounds.first().map_or(first.dts, |sound| in_90k(sound.dts).min(first.dts));
        let (key, arrived) = (first.key, first.arrived);
        out.fragment(Fragment { bytes, samples, start_90k, end_90k: self.video_end, key, arrived });
    }
}

/// One `moof` and `mdat` of a few units for somebody who looks live. Units of both tracks may be mixed; those of one
/// track must be in order. Each is as long as the next one says; the last as long as it was guessed. `sequence` counts
/// the fragments of one viewer from 1.
pub fn live_fragment(sequence: u32, units: &[AccessUnit]) -> Vec<u8> {
    let (mut video, mut audio): (Vec<_>, Vec<_>) = units.iter().cloned().partition(|u| u.track == Track::Video);
    for track in [&mut video, &mut audio] {
        for i in 1..track.len() {
            track[i - 1].duration = u32::try_from(track[i].dts - track[i - 1].dts).unwrap_or(0);
        }
    }
    bmff::fragment(sequence, &video, &audio).0
}

/// `ticks · to / from`, rounded down, for any sign; the nearest that 64 bits hold.
pub(crate) fn rescale(ticks: i64, to: i64, from: i64) -> i64 {
    let exact = (i128::from(ticks) * i128::from(to)).div_euclid(i128::from(from.max(1)));
    exact.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}
