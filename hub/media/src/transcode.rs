//! AAC from G.711, in the pusher's thread.
//!
//! GStreamer's `voaacenc` does the coding, without a pipeline around it: a frame is pushed in, and its packet comes out
//! before the push returns. Its timestamps are not used: what it is given sounds [`DELAY`] samples later, always; so each
//! packet's place is known by counting, and sound lies where it lay, however long it runs.
//!
//! Samples are laid out on a line: what is off its place by more than the tolerance is put right, with silence or by
//! leaving samples out. Nothing is ever stretched.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use base::footage::VIDEO_TIMESCALE;
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::codec::g711::G711;
use crate::writer::{AUDIO_TOLERANCE_MS, rescale};

/// The encoder, and the Debian package that has it. It takes 65 KiB of memory a camera and 2 MB once; `avenc_aac` takes two
/// thirds of its processor time, but 1.7 MB a camera and 27 MB once.
const ENCODER: &str = "voaacenc";
const PACKAGE: &str = "gstreamer1.0-plugins-bad";
/// Samples per channel of a frame of AAC-LC.
const FRAME: usize = 1_024;
/// Samples per channel by which the encoder delays what it is given: measured, with ffmpeg's decoder, at 8, 16 and 48 kHz.
const DELAY: i64 = 1_600;
/// Bits per sample: 32 kbit/s at 8 kHz, half of G.711. Fewer save no work.
const BITS: i32 = 4;
/// The most bits per second that the encoder takes.
const MOST_BITS: i32 = 320_000;
/// The longest hole that is filled with silence, in seconds. What is longer stays a hole.
const FILLED_S: i64 = 1;
/// Without sound for as much of the pictures' time, 90 kHz, it has stopped: what the encoder holds is taken out.
const STOPPED_90K: i64 = VIDEO_TIMESCALE as i64;

/// Sound that is lost from here on: the text says why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SoundLost {
    #[error("{0}, for which GStreamer's {ENCODER} is missing: install Debian's {PACKAGE}")]
    NoEncoder(&'static str),
    #[error("{0}, which GStreamer's {ENCODER} does not take")]
    Refused(&'static str),
}

/// One frame of AAC and its place, in ticks of its sampling rate.
pub(crate) type Placed = (i64, Bytes);

/// Makes AAC of one camera's G.711.
pub(crate) struct Transcoder {
    g711: G711,
    encoder: gst::Element,
    feed: gst::Pad,
    /// Kept for the encoder, whose link does not hold it.
    taken: gst::Pad,
    out: Arc<Mutex<Vec<Bytes>>>,
    /// Where the encoder's next packets belong, in the order of its frames; `None`: nowhere.
    places: VecDeque<Option<i64>>,
    /// Where the sound begins that has come without a long hole.
    run: i64,
    /// Frames that the encoder was given.
    frames: u64,
    /// Samples that do not fill a frame yet.
    samples: Vec<i16>,
    /// Where they begin. `None`: the next sound begins anew.
    begin: Option<i64>,
    /// Where the last packet before a new beginning ends: no other lies before it.
    given: i64,
    /// The newest picture, and the one when the newest sound came: 90 kHz.
    picture: Option<i64>,
    picture_at_sound: Option<i64>,
}

impl Transcoder {
    /// An encoder for this sound. Nothing is encoded yet.
    pub fn new(g711: G711) -> Result<Self, SoundLost> {
        let params = &g711.made.params;
        let (rate, channels) = (params.sample_rate as i32, i32::from(params.channels));
        let refused = || SoundLost::Refused(g711.name());
        let factory = gst::ElementFactory::find(ENCODER).ok_or(SoundLost::NoEncoder(g711.name()))?;
        let encoder = factory.create().build().map_err(|_| SoundLost::NoEncoder(g711.name()))?;
        encoder.set_property("bitrate", (rate * channels * BITS).min(MOST_BITS));
        let feed = gst::Pad::builder(gst::PadDirection::Src).name("feed").build();
        let (taken, out) = taker();
        let link = || -> Result<(), gst::PadLinkError> {
            let refused = gst::PadLinkError::Refused;
            feed.link(&encoder.static_pad("sink").ok_or(refused)?)?;
            encoder.static_pad("src").ok_or(refused)?.link(&taken)?;
            Ok(())
        };
        link().map_err(|_| refused())?;
        taken.set_active(true).map_err(|_| refused())?;
        encoder.set_state(gst::State::Playing).map_err(|_| refused())?;
        feed.set_active(true).map_err(|_| refused())?;
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", rate)
            .field("channels", channels);
        let caps = match channels {
            1 => caps,
            _ => caps.field("channel-mask", gst::Bitmask::new(3)), // left and right
        };
        feed.push_event(gst::event::StreamStart::new("keepsight/g711"));
        let this = Self {
            encoder,
            feed,
            taken,
            out,
            places: VecDeque::new(),
            run: 0,
            frames: 0,
            samples: Vec::with_capacity(2 * FRAME),
            begin: None,
            given: i64::MIN,
            picture: None,
            picture_at_sound: None,
            g711,
        };
        if !this.feed.push_event(gst::event::Caps::new(&caps.build())) {
            return Err(SoundLost::Refused(this.g711.name()));
        }
        this.feed.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
        Ok(this)
    }

    /// Takes sound that belongs at `at` (ticks of its rate), and gives what is ready: it lags by two frames and a half.
    pub fn push(&mut self, at: i64, bytes: &[u8]) -> Result<Vec<Placed>, SoundLost> {
        self.picture_at_sound = self.picture;
        let (rate, channels) = (self.rate(), self.channels());
        let tolerance = rate * AUDIO_TOLERANCE_MS / 1_000;
        let mut ready = Vec::new();
        let mut early = 0;
        if let Some(end) = self.end() {
            let off = at.saturating_sub(end);
            if off > FILLED_S * rate {
                ready = self.flush()?;
            } else if off > tolerance {
                self.samples.resize(self.samples.len() + off as usize * channels, 0);
            } else if off < -tolerance {
                early = off.saturating_neg();
            }
        }
        // What lies where there is sound already is left out, and half a sample of two channels too.
        let early = usize::try_from(early).unwrap_or(usize::MAX).saturating_mul(channels);
        let bytes = bytes.get(early..bytes.len() - bytes.len() % channels).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(ready);
        }
        if self.begin.is_none() {
            self.run = at;
            self.begin = Some(at);
        }
        let g711 = &self.g711;
        self.samples.extend(bytes.iter().map(|b| g711.sample(*b)));
        while self.samples.len() >= FRAME * self.channels() {
            ready.extend(self.frame()?);
        }
        Ok(ready)
    }

    /// A picture is shown at `at`, 90 kHz. Where pictures go on without sound, it has stopped: gives the rest of it.
    pub fn picture(&mut self, at: i64) -> Result<Vec<Placed>, SoundLost> {
        self.picture = Some(at);
        let Some(end) = self.end() else { return Ok(Vec::new()) };
        let end_90k = rescale(end, VIDEO_TIMESCALE.into(), self.rate());
        // A camera's sound may come late, or its pictures seldom: only both together mean anything.
        let stopped = at.saturating_sub(end_90k) > STOPPED_90K
            && self.picture_at_sound.is_none_or(|then| at.saturating_sub(then) > STOPPED_90K);
        if stopped { self.flush() } else { Ok(Vec::new()) }
    }

    /// Gives all that is held, and begins anew with the next sound.
    pub fn flush(&mut self) -> Result<Vec<Placed>, SoundLost> {
        let Some(end) = self.end() else { return Ok(Vec::new()) };
        let mut ready = Vec::new();
        while self.begin.is_some_and(|begin| begin - DELAY < end) {
            ready.extend(self.frame()?);
        }
        self.given = ready.last().map_or(self.given, |(at, _)| at + FRAME as i64);
        self.begin = None;
        Ok(ready)
    }

    fn rate(&self) -> i64 {
        self.g711.made.params.sample_rate.into()
    }

    fn channels(&self) -> usize {
        self.g711.made.params.channels.into()
    }

    /// Where the samples that are held end.
    fn end(&self) -> Option<i64> {
        self.begin.map(|begin| begin.saturating_add((self.samples.len() / self.channels()) as i64))
    }

    /// Encodes the next frame, filled up with silence.
    fn frame(&mut self) -> Result<Vec<Placed>, SoundLost> {
        let wanted = FRAME * self.channels();
        if self.samples.len() < wanted {
            self.samples.resize(wanted, 0);
        }
        let bytes: Vec<u8> = self.samples.drain(..wanted).flat_map(i16::to_le_bytes).collect();
        // What is all from before the sound began is the silence that the encoder began with.
        let place = self.begin.map(|begin| begin.saturating_sub(DELAY));
        let wanted = |place: &i64| place.saturating_add(FRAME as i64) > self.run && *place >= self.given;
        self.places.push_back(place.filter(wanted));
        self.begin = self.begin.map(|begin| begin.saturating_add(FRAME as i64));
        let ns = |frames: u64| {
            gst::ClockTime::from_nseconds(rescale((frames * FRAME as u64) as i64, 1_000_000_000, self.rate()) as u64)
        };
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            // Without holes: nothing for the encoder to put right.
            buffer.set_pts(ns(self.frames));
            buffer.set_duration(ns(self.frames + 1) - ns(self.frames));
        }
        self.frames += 1;
        self.feed.push(buffer).map_err(|_| SoundLost::Refused(self.g711.name()))?;
        let packets = std::mem::take(&mut *self.out.lock().unwrap_or_else(PoisonError::into_inner));
        let place = |packet| Some((self.places.pop_front().flatten()?, packet));
        Ok(packets.into_iter().filter_map(place).collect())
    }
}

impl Drop for Transcoder {
    fn drop(&mut self) {
        let _ = self.feed.set_active(false);
        let _ = self.encoder.set_state(gst::State::Null); // going down fails for no element
        let _ = self.taken.set_active(false);
    }
}

/// A pad that collects what is pushed into it.
fn taker() -> (gst::Pad, Arc<Mutex<Vec<Bytes>>>) {
    let out = Arc::new(Mutex::new(Vec::new()));
    let into = out.clone();
    let pad = gst::Pad::builder(gst::PadDirection::Sink)
        .name("taken")
        .chain_function(move |_, _, buffer| {
            let bytes = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            into.lock().unwrap_or_else(PoisonError::into_inner).push(Bytes::copy_from_slice(&bytes));
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(|_, _, _| true)
        .build();
    (pad, out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::g711::Law;

    const RATE: i64 = 8_000;
    const PACKET: i64 = 160;
    const N: i64 = FRAME as i64;

    /// Places of the packets of sound from `from` to `to`.
    fn run(from: i64, to: i64) -> impl Iterator<Item = i64> {
        (0..).map(move |i| from + 2 * N - DELAY + (i - 1) * N).take_while(move |at| *at < to)
    }

    fn transcoder() -> Transcoder {
        gst::init().unwrap();
        Transcoder::new(G711::new(Law::Mu, RATE as u32, 1).unwrap()).unwrap()
    }

    /// Pushes packets of 20 ms at these places.
    fn push(transcoder: &mut Transcoder, at: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let placed = |at| transcoder.push(at, &[0xce; PACKET as usize]).unwrap().into_iter().map(|(at, _)| at);
        at.into_iter().flat_map(placed).collect()
    }

    fn places(placed: Vec<Placed>) -> Vec<i64> {
        placed.into_iter().map(|(at, _)| at).collect()
    }

    #[test]
    fn every_sample_has_its_frame_one_after_another() {
        let mut transcoder = transcoder();
        let mut got = push(&mut transcoder, (0..640).map(|i| 5_000 + i * PACKET));
        assert_eq!(got.len(), 99, "all that 100 frames can give are there");
        got.extend(places(transcoder.flush().unwrap()));
        assert_eq!(got, run(5_000, 5_000 + 640 * PACKET).collect::<Vec<_>>());
    }

    #[test]
    fn any_rate_that_is_taken_gives_sound_or_says_why_not() {
        gst::init().unwrap();
        let mut given = Vec::new();
        for rate in
            [7_350, 8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000]
        {
            for channels in 1..=2 {
                let g711 = G711::new(Law::A, rate, channels).unwrap();
                let made = Transcoder::new(g711).and_then(|mut transcoder| transcoder.push(0, &[0x80; 8_192]));
                match made {
                    Ok(made) => given.extend((made.len() == 8 / usize::from(channels) - 1).then_some((rate, channels))),
                    Err(why) => assert_eq!(why, SoundLost::Refused("pcma"), "{rate} {channels}"),
                }
            }
        }
        assert!(given.len() >= 22, "{given:?}");
    }

    #[test]
    fn what_jitters_is_smoothed_and_what_is_off_is_put_right() {
        let mut transcoder = transcoder();
        // Off by up to 20 ms for a second: nothing is added, nothing left out.
        let mut got = push(&mut transcoder, (0..50).map(|i| i * PACKET + [0, 160, -160, 80][i as usize % 4]));
        // Then a hole of 100 ms: 800 samples of silence.
        got.extend(push(&mut transcoder, (0..50).map(|i| 8_800 + i * PACKET)));
        assert_eq!(transcoder.end(), Some(16_800));
        // Then it is 400 samples too early: two packets lie where there is sound already, the others close enough.
        got.extend(push(&mut transcoder, (0..5).map(|i| 16_400 + i * PACKET)));
        assert_eq!(transcoder.end(), Some(16_800 + 3 * PACKET));
        got.extend(push(&mut transcoder, [0, 100]));
        assert_eq!(transcoder.end(), Some(16_800 + 3 * PACKET));
        got.extend(places(transcoder.flush().unwrap()));
        assert_eq!(got, run(0, 16_800 + 3 * PACKET).collect::<Vec<_>>());
    }

    #[test]
    fn a_camera_whose_clock_runs_fast_or_slow_stays_within_20_ms_for_an_hour() {
        for (ppm, seconds) in [(300, 3_600), (-300, 3_600), (5_000, 60), (-5_000, 60)] {
            let mut transcoder = transcoder();
            for i in 0..seconds * RATE / PACKET {
                let at = i * PACKET * (1_000_000 + ppm) / 1_000_000;
                transcoder.push(at, &[0xff; PACKET as usize]).unwrap();
                let off = transcoder.end().unwrap() - PACKET - at;
                assert!(off.abs() <= RATE / 50, "{ppm} ppm: {off} samples off after packet {i}");
            }
        }
    }

    #[test]
    fn a_long_hole_stays_a_hole_and_what_was_before_it_is_not_held_back() {
        let mut transcoder = transcoder();
        let mut got = push(&mut transcoder, (0..64).map(|i| i * PACKET));
        got.extend(push(&mut transcoder, (0..64).map(|i| 80_000 + i * PACKET)));
        got.extend(places(transcoder.flush().unwrap()));
        assert_eq!(got, run(0, 64 * PACKET).chain(run(80_000, 80_000 + 64 * PACKET)).collect::<Vec<_>>());
    }

    #[test]
    fn sound_that_stopped_is_given_out_while_pictures_go_on() {
        let mut transcoder = transcoder();
        transcoder.picture(0).unwrap();
        let got = push(&mut transcoder, (0..64).map(|i| i * PACKET)); // 1.28 s
        assert!(got.len() < 11);
        assert_eq!(transcoder.picture(2 * 90_000), Ok(vec![]));
        assert_eq!(got.len() + transcoder.picture(3 * 90_000).unwrap().len(), 11);
        // One picture every five seconds is no sign of it.
        for i in 0..250 {
            push(&mut transcoder, [80_000 + i * PACKET]);
        }
        assert_eq!(transcoder.picture(15 * 90_000), Ok(vec![]));
    }

    proptest::proptest! {
        #[test]
        fn any_places_and_lengths_give_frames_in_order(
            steps in proptest::collection::vec((-20_000i64..20_000, 0usize..3_000, proptest::bool::ANY), 0..40),
            law: bool, stereo: bool,
        ) {
            gst::init().unwrap();
            let law = if law { Law::Mu } else { Law::A };
            let mut transcoder = Transcoder::new(G711::new(law, 8_000, 1 + u16::from(stereo)).unwrap()).unwrap();
            let mut at = 0;
            let mut got = Vec::new();
            for (step, len, picture) in steps {
                at += step;
                got.extend(transcoder.push(at, &vec![at as u8; len]).unwrap());
                if picture {
                    got.extend(transcoder.picture(at * 11).unwrap());
                }
            }
            got.extend(transcoder.flush().unwrap());
            proptest::prop_assert!(got.iter().all(|(_, data)| !data.is_empty()));
            proptest::prop_assert!(got.windows(2).all(|w| w[1].0 >= w[0].0 + N), "{:?}", places(got));
        }
    }
}
