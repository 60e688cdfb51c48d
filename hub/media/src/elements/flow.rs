//! What one connection of GStreamer's source has come to: which streams were chosen, where their pictures and sound lie
//! in time, and whether they come. Several threads share it; each holds its lock for a moment, and nobody pushes under it.

use base::Mono;
use base::footage::{Track, VIDEO_TIMESCALE};
use gstreamer as gst;

use super::codings::{Coding, without_parameters};
use super::rtp::{self, Unwrap};
use super::watch::Watch;
use crate::align::Align;
use crate::codec::{self, VideoConfig};
use crate::end::{EndReason, IngestEnd};
use crate::source::Options;
use crate::writer::{MAX_UNIT_BYTES, rescale};

/// Times within the pipeline are normal play times from here on, so that none is negative: more than 31 bits of 90 kHz.
const BASE_NS: i64 = 24 * 3_600 * NS;
const NS: i64 = 1_000_000_000;
/// Packets of one picture beyond this are no picture; nothing downstream has a bound for them.
const ENDLESS_BYTES: usize = 2 * MAX_UNIT_BYTES;
/// So many pictures that begin to come and of which none becomes whole: they cannot be read. One or two a camera begins that
/// slows down to a trickle.
const UNREADABLE: u32 = 3;
/// Sound that came before the first picture waits for it, at most this much: 4 s at 16 kHz.
const EARLY_SOUNDS: usize = 64;

/// A stream that was chosen.
pub(super) struct Chosen {
    /// Its number in the session description.
    id: u32,
    pub coding: &'static Coding,
    /// The final caps, where the description gives them.
    pub described: Option<gst::Caps>,
    /// Ticks of its RTP clock per second.
    rate: u32,
    times: Unwrap,
    /// RTP time of the newest packet, and bytes of all with that time.
    unit: (u32, usize),
}

#[derive(Default)]
pub(super) struct Flow {
    chosen: [Option<Chosen>; 2],
    /// Names of codings that cannot be kept, of pictures and of sound.
    refused: [Vec<String>; 2],
    align: Option<Align>,
    /// From the camera's agreement to play on.
    watch: Option<Watch>,
    /// Parameters of the pictures.
    video: Option<VideoConfig>,
    /// The first picture is with the sink.
    shown: bool,
    /// Sound from before it, with its normal play time.
    early: Vec<(i64, gst::Buffer)>,
    /// So many pictures have begun to come since the newest whole one.
    unread: u32,
    /// Nothing is taken any more.
    pub ended: bool,
    /// The certificate that the camera showed, if nothing vouches for it, and whether it is another than expected.
    pub certificate: Option<String>,
    pub untrusted: bool,
}

impl Flow {
    /// Is this stream of the session description to be set up? The first of each kind that can be kept is.
    pub fn select(&mut self, id: u32, rtp: &gst::StructureRef, takes: &[gst::Caps; 2]) -> bool {
        let Some(track) = track_of(rtp) else { return false };
        let i = index(track);
        if let Some(chosen) = &self.chosen[i] {
            return chosen.id == id; // asked again, such as after a redirect
        }
        match Coding::of(rtp, takes).filter(|coding| coding.track == track) {
            Some(coding) => {
                let rate = rtp.get::<i32>("clock-rate").ok().and_then(|rate| u32::try_from(rate).ok());
                self.chosen[i] = Some(Chosen {
                    id,
                    coding,
                    described: (coding.described)(rtp),
                    rate: rate.unwrap_or(VIDEO_TIMESCALE).max(1),
                    times: Unwrap::new(None),
                    unit: (0, 0),
                });
                true
            }
            None => {
                let name = rtp.get::<&str>("encoding-name").unwrap_or("an unknown coding");
                self.refused[i].push(name.chars().take(40).collect::<String>().to_lowercase());
                false
            }
        }
    }

    /// The stream that was chosen.
    pub fn chosen(&self, track: Track) -> Option<&Chosen> {
        self.chosen[index(track)].as_ref()
    }

    /// The track of the stream with this number, if it was chosen.
    pub fn track(&self, id: u32) -> Option<Track> {
        let is = |track| self.chosen(track).is_some_and(|chosen| chosen.id == id);
        [Track::Video, Track::Audio].into_iter().find(|track| is(*track))
    }

    /// Sound that cannot be kept, if none can.
    pub fn dropped(&self) -> Option<String> {
        let [_, sounds] = &self.refused;
        sounds.first().filter(|_| self.chosen[1].is_none()).cloned()
    }

    /// The end, if the session description has no picture that can be kept.
    pub fn no_picture(&self) -> Option<IngestEnd> {
        let [pictures, _] = &self.refused;
        let nothing = self.chosen[0].is_none() && (self.chosen[1].is_some() || !self.refused.concat().is_empty());
        nothing.then(|| {
            let detail = match pictures.is_empty() {
                true => "It offers no picture at this address".into(),
                false => format!("Its pictures are coded as {}", pictures.join(", ")),
            };
            IngestEnd::new(EndReason::Unsupported, detail)
        })
    }

    /// The camera agreed to play. Again is harmless.
    pub fn plays(&mut self, options: &Options, now: Mono) {
        self.watch.get_or_insert_with(|| Watch::new(options.clone(), now));
    }

    /// When somebody should look again; `None` before it plays.
    pub fn rings(&self) -> Option<Mono> {
        self.watch.as_ref().map(Watch::rings)
    }

    /// Looks whether the camera still sends. What the sink is to be told, if anything: how long after the start it is.
    pub fn look(&mut self, now: Mono) -> Result<Option<std::time::Duration>, IngestEnd> {
        let Some(watch) = &mut self.watch else { return Ok(None) };
        watch.notice_standstill(now);
        let tell = now >= watch.rings() && watch.rang(now) && self.shown;
        watch.patience(now, self.shown, self.unread >= UNREADABLE)?;
        Ok(tell.then(|| watch.since_start(now)))
    }

    /// Packets of a track begin, perhaps anew; `zero` is the RTP time of normal play time 0.
    pub fn packets_from(&mut self, track: Track, zero: Option<u32>) {
        if let Some(chosen) = &mut self.chosen[index(track)] {
            chosen.times = Unwrap::new(zero);
        }
    }

    /// A packet comes out of the jitter buffer. Its time within the pipeline is the camera's, to the tick, and none of
    /// GStreamer's making; `None` leaves it out.
    ///
    /// # Errors
    /// The picture that it is of has no end.
    pub fn packet(&mut self, track: Track, packet: &[u8]) -> Result<Option<gst::ClockTime>, IngestEnd> {
        let Some(chosen) = &mut self.chosen[index(track)] else { return Ok(None) };
        let Some(timestamp) = rtp::timestamp(packet) else { return Ok(None) };
        if chosen.unit.0 != timestamp {
            chosen.unit = (timestamp, 0);
            self.unread += u32::from(track == Track::Video);
        }
        chosen.unit.1 += packet.len();
        if chosen.unit.1 > ENDLESS_BYTES {
            return Err(IngestEnd::new(EndReason::Broken, "It sends a picture that does not end"));
        }
        let ns = rescale(chosen.times.npt(timestamp), NS, chosen.rate.into()).saturating_add(BASE_NS);
        Ok(u64::try_from(ns).ok().map(gst::ClockTime::from_nseconds))
    }

    /// A sender report came.
    pub fn report(&mut self, track: Track, packet: &[u8]) {
        if let Some((ntp, timestamp)) = rtp::sender_report(packet)
            && let Some(chosen) = &self.chosen[index(track)]
            && let Some(npt) = chosen.times.of(timestamp)
        {
            let rate = if track == Track::Video { VIDEO_TIMESCALE } else { self.sound_rate() };
            let npt = rescale(npt, rate.into(), chosen.rate.into());
            self.align().report(track, ntp, npt);
        }
    }

    /// The pictures' parameters.
    pub fn parameters(&mut self, caps: &gst::CapsRef) {
        self.video = codec::video_from_caps(caps).ok(); // the sink says what is wrong with them
    }

    /// A whole picture: with its media time, as the sink is to be given it. `None`: the first key picture has not come yet.
    pub fn picture(&mut self, mut buffer: gst::Buffer, now: Mono) -> Option<gst::Buffer> {
        let npt = ticks(buffer.pts()?, VIDEO_TIMESCALE);
        let is_parameters = self.chosen[0].as_ref()?.coding.parameters;
        let (key, cleaned) = {
            let unit = buffer.map_readable().ok()?;
            let picture = self.video.as_ref().and_then(|config| codec::inspect(config, &unit).ok().flatten());
            (picture.is_some_and(|p| p.key), is_parameters.and_then(|is| without_parameters(&unit, is)))
        };
        if let Some(cleaned) = cleaned {
            buffer = gst::Buffer::from_slice(cleaned);
        }
        self.unread = 0;
        if let Some(watch) = &mut self.watch {
            watch.notice_standstill(now);
            watch.picture(now, key);
        }
        let at = self.align().picture(npt, now, key)?;
        stamped(buffer, at, VIDEO_TIMESCALE, key)
    }

    /// The sink has a picture. `true`: it is the first one.
    pub fn shown(&mut self) -> bool {
        !std::mem::replace(&mut self.shown, true)
    }

    /// A frame of sound: what the sink is to be given now.
    pub fn sound(&mut self, buffer: gst::Buffer, now: Mono) -> Vec<gst::Buffer> {
        let rate = self.sound_rate();
        let Some(npt) = buffer.pts().map(|pts| ticks(pts, rate)) else { return Vec::new() };
        self.align().sound(npt, now);
        if self.early.len() == EARLY_SOUNDS {
            self.early.remove(0);
        }
        self.early.push((npt, buffer));
        if !self.shown {
            return Vec::new();
        }
        let align = self.align.as_ref();
        let placed = |(npt, buffer)| stamped(buffer, align?.place(npt)?, rate, true);
        std::mem::take(&mut self.early).into_iter().filter_map(placed).collect()
    }

    fn sound_rate(&self) -> u32 {
        self.chosen[1].as_ref().map_or(1, |chosen| chosen.rate)
    }

    fn align(&mut self) -> &mut Align {
        let rate = self.sound_rate();
        self.align.get_or_insert_with(|| Align::new(rate))
    }
}

/// Pictures or sound, by the media type of the session description.
pub(super) fn track_of(rtp: &gst::StructureRef) -> Option<Track> {
    match rtp.get::<&str>("media").ok()? {
        "video" => Some(Track::Video),
        "audio" => Some(Track::Audio),
        _ => None,
    }
}

fn index(track: Track) -> usize {
    usize::from(track == Track::Audio)
}

/// A time within the pipeline as normal play time: the nearest tick.
fn ticks(pts: gst::ClockTime, rate: u32) -> i64 {
    let ns = i64::try_from(pts.nseconds()).unwrap_or(i64::MAX).saturating_sub(BASE_NS);
    rescale(ns.saturating_add(NS / i64::from(rate) / 2), rate.into(), NS)
}

/// A buffer at a media time; `None` for one from before media time 0.
pub(crate) fn stamped(mut buffer: gst::Buffer, at: i64, rate: u32, key: bool) -> Option<gst::Buffer> {
    let ns = u64::try_from(rescale(at, NS, rate.into())).ok()?;
    let b = buffer.make_mut();
    b.set_pts(gst::ClockTime::from_nseconds(ns));
    b.set_dts(gst::ClockTime::NONE);
    b.set_duration(gst::ClockTime::NONE);
    if key {
        b.unset_flags(gst::BufferFlags::DELTA_UNIT);
    } else {
        b.set_flags(gst::BufferFlags::DELTA_UNIT);
    }
    Some(buffer)
}
