//! Where pictures and sound lie on one line of media time.
//!
//! Media time 0 is the connection's first key picture. A camera gives each track an RTP clock of its own; how far
//! apart their zeroes are is learnt, in this order:
//!
//! 1. The `rtptime` of the answer to PLAY, as "normal play time", which retina works out. Exact if the camera is right.
//! 2. If that is plainly wrong or was not given: the arrival of the first picture and the first sound.
//! 3. RTCP sender reports of both tracks, which tell the wall-clock time of an RTP time: they correct the sound when
//!    it is off by more than [`SKEW_MS`], now or hours later (sound cards and cameras' clocks drift apart).
//!
//! Pictures are not moved: their times stay exactly the camera's. Only where its clock jumps they go on by their arrival,
//! as if it had not. Sound keeps the camera's spacing and moves whole.

use base::Mono;
use base::footage::{Track, VIDEO_TIMESCALE};

use crate::writer::rescale;

/// Sound is moved if sender reports say that it is off by more than this: well below what people notice (45 ms), well
/// above the noise of sender reports.
const SKEW_MS: i64 = 20;
/// Tracks that are further apart than this are not aligned by what the camera says. A camera that sends a whole group of
/// pictures at once when one connects stays below it.
const JUMP_MS: i64 = 10_000;
/// A time that runs ahead of arrival by more than this from one picture to the next is a jump of the camera's clock.
const AHEAD_MS: i64 = 3_000;
/// A time may go back by this much (reordered pictures, jitter) before it is a jump.
const BACK_MS: i64 = 1_000;
/// What a camera may catch up at once; more than any read timeout.
const LATE_MS: i64 = 60_000;
/// Without `rtptime`, both tracks' first packets stand at 0, however far apart they came: more than this is not by chance.
const FIRST_MS: i64 = 300;

/// The camera's clock jumped: no time after it can be compared to one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Jump;

/// One track's time: ticks since its own start ("normal play time"), and when it arrived.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    npt: i64,
    arrived: Mono,
}

/// What a sender report says: this instant of the camera's wall clock is this time of the track.
#[derive(Debug, Clone, Copy)]
struct Report {
    /// NTP, 32.32 fixed point.
    ntp: u64,
    npt: i64,
}

/// Aligns one connection's tracks.
#[derive(Debug)]
pub(crate) struct Align {
    audio_rate: i64,
    /// Normal play time of media time 0, 90 kHz.
    zero: Option<i64>,
    first_picture: Option<Stamp>,
    first_sound: Option<Stamp>,
    pictures: Pace,
    sounds: Pace,
    /// Added to the sound's normal play time to get the picture's; ticks of the audio rate. Unknown before the first
    /// picture and the first sound.
    shift: Option<i64>,
    reports: [Option<Report>; 2],
}

impl Align {
    /// For a connection whose sound (if any) counts `audio_rate` ticks per second.
    pub fn new(audio_rate: u32) -> Self {
        Self {
            audio_rate: i64::from(audio_rate.max(1)),
            zero: None,
            first_picture: None,
            first_sound: None,
            pictures: Pace::default(),
            sounds: Pace::default(),
            shift: None,
            reports: [None; 2],
        }
    }

    /// Ticks per second of the sound's times.
    pub fn audio_rate(&self) -> i64 {
        self.audio_rate
    }

    /// Has the first key picture come?
    pub fn begun(&self) -> bool {
        self.zero.is_some()
    }

    /// A picture's media time, 90 kHz. `None`: the first key picture has not come yet.
    pub fn picture(&mut self, npt: i64, arrived: Mono, key: bool) -> Option<i64> {
        let stamp = Stamp { npt, arrived };
        let before = self.pictures.newest;
        if let (Err(Jump), Some(before)) = (self.pictures.step(stamp, VIDEO_TIMESCALE.into()), before) {
            self.jumped(before, stamp);
        }
        self.first_picture.get_or_insert(stamp);
        if self.zero.is_none() && key {
            self.zero = Some(npt);
        }
        self.find_shift();
        self.zero.map(|zero| npt.saturating_sub(zero))
    }

    /// The pictures' clock jumped between two of them: media time goes on by their arrival. The sound stays where it is:
    /// where it jumps too, [`Align::sound`] sees it.
    fn jumped(&mut self, before: Stamp, now: Stamp) {
        let went = rescale(since_ns(now.arrived, before.arrived), VIDEO_TIMESCALE.into(), 1_000_000_000);
        let jump = now.npt.saturating_sub(before.npt).saturating_sub(went);
        tracing::warn!(ms = rescale(jump, 1_000, VIDEO_TIMESCALE.into()), "the camera's clock jumped");
        self.zero = self.zero.map(|zero| zero.saturating_add(jump));
        let in_sound = rescale(jump, self.audio_rate, VIDEO_TIMESCALE.into());
        self.shift = self.shift.map(|shift| shift.saturating_add(in_sound));
        self.first_picture = Some(now);
        self.reports[0] = None;
    }

    /// Notes that sound arrived. Every frame is noted, before [`Align::place`] is asked for it.
    pub fn sound(&mut self, npt: i64, arrived: Mono) {
        let stamp = Stamp { npt, arrived };
        let before = self.sounds.newest;
        if let (Err(Jump), Some(before)) = (self.sounds.step(stamp, self.audio_rate), before) {
            // The picture does not suffer for it: the sound goes on by its arrival.
            let went = rescale(since_ns(arrived, before.arrived), self.audio_rate, 1_000_000_000);
            let jump = npt.saturating_sub(before.npt).saturating_sub(went);
            tracing::warn!(ms = rescale(jump, 1_000, self.audio_rate), "the clock of the camera's sound jumped");
            self.shift = self.shift.map(|shift| shift.saturating_sub(jump));
            self.first_sound = None;
            self.reports[1] = None;
        }
        self.first_sound.get_or_insert(stamp);
        self.find_shift();
    }

    /// The media time of sound in ticks of its rate. `None`: not known yet. Negative: from before the first picture.
    pub fn place(&self, npt: i64) -> Option<i64> {
        let zero = rescale(self.zero?, self.audio_rate, VIDEO_TIMESCALE.into());
        Some(npt.saturating_add(self.shift?).saturating_sub(zero))
    }

    /// A sender report: `ntp` (32.32 fixed point) is the track's `npt`.
    pub fn report(&mut self, track: Track, ntp: u64, npt: i64) {
        if ntp == 0 {
            return; // "no wall clock" (RFC 3550 §6.4.1)
        }
        self.reports[usize::from(track == Track::Audio)] = Some(Report { ntp, npt });
        let ([Some(video), Some(audio)], Some(shift)) = (self.reports, self.shift) else { return };
        let apart = audio.ntp.wrapping_sub(video.ntp) as i64;
        let apart = (i128::from(apart) * i128::from(self.audio_rate)) >> 32;
        let at_audio = rescale(video.npt, self.audio_rate, VIDEO_TIMESCALE.into()).saturating_add(apart as i64);
        let true_shift = at_audio.saturating_sub(audio.npt);
        let off_ms = rescale(true_shift.saturating_sub(shift), 1_000, self.audio_rate);
        if off_ms.saturating_abs() > SKEW_MS && off_ms.saturating_abs() < JUMP_MS {
            tracing::debug!(off_ms, "sound moved by its sender reports");
            self.shift = Some(true_shift);
        }
    }

    fn find_shift(&mut self) {
        let (None, Some(picture), Some(sound)) = (self.shift, self.first_picture, self.first_sound) else { return };
        let by_arrival = self.by_arrival(picture, sound);
        let limit = if picture.npt == 0 && sound.npt == 0 { FIRST_MS } else { JUMP_MS };
        let believable = rescale(by_arrival, 1_000, self.audio_rate).saturating_abs() <= limit;
        self.shift = Some(if believable { 0 } else { by_arrival });
    }

    /// The shift that puts `sound` where its arrival says, seen from `picture`.
    fn by_arrival(&self, picture: Stamp, sound: Stamp) -> i64 {
        let apart = rescale(since_ns(sound.arrived, picture.arrived), self.audio_rate, 1_000_000_000);
        rescale(picture.npt, self.audio_rate, VIDEO_TIMESCALE.into()).saturating_add(apart).saturating_sub(sound.npt)
    }
}

/// How a track's times follow their arrival.
#[derive(Debug, Default)]
struct Pace {
    newest: Option<Stamp>,
    /// How far arrival has fallen behind, at most [`LATE_MS`].
    late_ms: i64,
}

impl Pace {
    /// The next unit. Being late is no jump, nor is catching up after it: the network or the hub was slow.
    fn step(&mut self, now: Stamp, rate: i64) -> Result<(), Jump> {
        let Some(before) = self.newest.replace(now) else { return Ok(()) };
        let went = rescale(now.npt.saturating_sub(before.npt), 1_000, rate);
        let ahead = went.saturating_sub(since_ns(now.arrived, before.arrived) / 1_000_000).saturating_sub(self.late_ms);
        self.late_ms = (-ahead).clamp(0, LATE_MS);
        match (went < -BACK_MS, ahead > AHEAD_MS) {
            (false, false) => Ok(()),
            _ => {
                self.late_ms = 0;
                Err(Jump)
            }
        }
    }
}

/// Nanoseconds from `b` to `a`, negative if `a` is earlier.
fn since_ns(a: Mono, b: Mono) -> i64 {
    a.0.wrapping_sub(b.0) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn at(ms: u64) -> Mono {
        Mono(1_000_000_000_000 + ms * 1_000_000)
    }

    #[test]
    fn media_time_begins_at_the_first_key_picture() {
        let mut align = Align::new(RATE);
        assert_eq!(align.picture(1_000, at(0), false), None);
        assert_eq!(align.picture(5_500, at(50), true), Some(0));
        assert_eq!(align.picture(10_000, at(100), false), Some(4_500));
    }

    #[test]
    fn normal_play_time_aligns_the_sound_exactly() {
        let mut align = Align::new(RATE);
        // The camera says that its first picture is 40 ms after its first sound, and sends them 200 ms apart.
        align.sound(0, at(0));
        assert_eq!(align.place(0), None);
        align.picture(3_600, at(200), true).unwrap();
        assert_eq!(align.place(0), Some(-640));
        assert_eq!(align.place(1_024), Some(384));
    }

    #[test]
    fn play_times_that_cannot_be_are_replaced_by_arrival() {
        // Nonsense in one track's rtptime.
        let mut align = Align::new(RATE);
        align.picture(90_000 * 1_000, at(0), true).unwrap();
        align.sound(0, at(250));
        assert_eq!(align.place(0), Some(4_000));
        // No rtptime: both start at 0, but the sound came two seconds before the first picture.
        let mut align = Align::new(RATE);
        align.sound(0, at(0));
        align.picture(0, at(2_000), true).unwrap();
        assert_eq!(align.place(0), Some(-32_000));
        assert_eq!(align.place(32_000), Some(0));
    }

    #[test]
    fn sender_reports_correct_sound_that_is_off_and_leave_the_rest() {
        let ntp = |ms: u64| (4_000_000_000u64 << 32) + ((ms << 32) / 1_000);
        let mut align = Align::new(RATE);
        align.picture(0, at(0), true).unwrap();
        align.sound(0, at(0));
        // Sound time 16,000 is 5 ms after picture time 90,000: noise.
        align.report(Track::Video, ntp(10_000), 90_000);
        align.report(Track::Audio, ntp(10_005), 16_000);
        assert_eq!(align.place(16_000), Some(16_000));
        // 100 ms after it: the sound belongs later.
        align.report(Track::Audio, ntp(10_100), 16_000);
        assert!((align.place(16_000).unwrap() - 17_600).abs() <= 1);
        // A year: the camera's two clocks are not one.
        align.report(Track::Audio, ntp(10_000 + 31_536_000_000), 16_000);
        assert!((align.place(16_000).unwrap() - 17_600).abs() <= 1);
    }

    #[test]
    fn a_clock_that_jumps_forward_or_back_moves_neither_picture_nor_sound() {
        for jump_s in [3_600, -3_600, 4, -4, 86_400 * 400] {
            for sound_first in [false, true] {
                let mut align = Align::new(RATE);
                align.picture(0, at(0), true).unwrap();
                align.sound(0, at(0));
                let (picture, sound) = (4_500 + jump_s * 90_000, 800 + jump_s * i64::from(RATE));
                if sound_first {
                    align.sound(sound, at(50));
                    assert_eq!(align.place(sound), Some(800), "{jump_s}");
                }
                assert_eq!(align.picture(picture, at(50), false), Some(4_500), "{jump_s}");
                if !sound_first {
                    // One more from before the jump.
                    assert_eq!(align.place(640), Some(640), "{jump_s}");
                    align.sound(sound, at(50));
                }
                assert_eq!(align.place(sound), Some(800), "{jump_s}");
                assert_eq!(align.picture(picture + 4_500, at(100), true), Some(9_000), "{jump_s}");
                // And once more, back to where it was.
                assert_eq!(align.picture(13_500, at(150), false), Some(13_500), "{jump_s}");
            }
        }
    }

    #[test]
    fn a_jump_of_the_sound_alone_leaves_the_picture_alone() {
        let mut align = Align::new(RATE);
        align.picture(0, at(0), true).unwrap();
        align.sound(0, at(0));
        for (at_ms, jump_s) in [(64, 3_600), (128, -40), (192, 0), (256, 6), (320, -2)] {
            let npt = 16 * at_ms as i64 + jump_s * 16_000;
            align.sound(npt, at(at_ms));
            assert_eq!(align.place(npt), Some(16 * at_ms as i64), "{jump_s}");
        }
        assert_eq!(align.picture(36_000, at(400), false), Some(36_000));
    }

    #[test]
    fn a_network_that_stood_still_is_no_jump() {
        let mut align = Align::new(RATE);
        align.picture(0, at(0), true).unwrap();
        assert_eq!(align.picture(4_500, at(60_000), false), Some(4_500));
        // It catches up at once, and then all is as before.
        assert_eq!(align.picture(60 * 90_000, at(60_001), false), Some(60 * 90_000));
        assert_eq!(align.picture(80 * 90_000, at(60_050), false), Some(60 * 90_000 + 49 * 90));
    }

    proptest::proptest! {
        #[test]
        fn any_times_are_taken_without_a_panic(
            steps: Vec<(bool, i64, u64, bool, u64)>, rate: u32,
        ) {
            let mut align = Align::new(rate);
            for (video, npt, arrived, key, ntp) in steps {
                let npt = npt >> 8; // retina's times stay far from the ends of 64 bits
                if video {
                    let _ = align.picture(npt, Mono(arrived), key);
                } else {
                    align.sound(npt, Mono(arrived));
                    let _ = align.place(npt);
                }
                align.report(if key { Track::Video } else { Track::Audio }, ntp, npt);
            }
        }
    }
}
