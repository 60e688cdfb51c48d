//! Which decoders one camera's child takes first: the best of what was tried, without what failed at this camera.

use std::time::Duration;

use base::Mono;
use base::element::Away;

use crate::coded::Codec;
use crate::planner::Decoders;

/// A hardware decoder that takes longer for a picture, so often in a row, is slower than software would be.
const SLOW: Duration = Duration::from_millis(400);
const SLOW_IN_A_ROW: u32 = 8;
/// One that fails at more than one picture in so many is of no use, though it may work again each time it is opened anew; three in a
/// row are enough.
const FAILS_ONE_IN: u32 = 40;

/// What a camera is decoded with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Using {
    /// Of a stream in this coding.
    pub codec: Codec,
    /// GStreamer's name of the element.
    pub name: String,
    /// Hardware decodes.
    pub hardware: bool,
    /// What would have been better and failed at this camera, and how.
    pub instead_of: Option<(String, String)>,
}

/// What a camera's children are told to take, and what was found of it.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    away: Away<(Codec, String)>,
    slow: u32,
    /// Grows with each picture that could not be decoded, and shrinks with each that could.
    undecoded: u32,
}

impl Choice {
    /// For each coding what is taken now.
    pub(crate) fn now(&self, decoders: &Decoders, now: Mono) -> [(Codec, Option<Using>); 2] {
        [Codec::H264, Codec::H265].map(|codec| {
            if !decoders.complete() {
                return (codec, None); // one at a time would have the child start anew each time
            }
            let failed = |name: &str| self.away.how(|(c, n)| *c == codec && n == name, now);
            // Where nothing else is left, what failed is better than nothing.
            let best = decoders.best_but(codec, |decoder| failed(&decoder.name).is_some());
            let best = best.or_else(|| decoders.best(codec));
            let instead_of = decoders
                .best(codec)
                .filter(|first| best.is_some_and(|best| best.name != first.name))
                .and_then(|best| Some((best.name.clone(), failed(&best.name)?.to_owned())));
            (codec, best.map(|best| Using { codec, name: best.name.clone(), hardware: best.hardware, instead_of }))
        })
    }

    /// A picture was answered after so long; `true`: the hardware decoder is too slow for this camera.
    pub(crate) fn is_slow(&mut self, took: Duration) -> bool {
        self.slow = if took > SLOW { self.slow + 1 } else { 0 };
        self.slow >= SLOW_IN_A_ROW
    }

    /// A picture could be decoded or not; `true`: the hardware decoder fails too often.
    pub(crate) fn is_bad(&mut self, undecoded: bool) -> bool {
        self.undecoded = match undecoded {
            true => self.undecoded + FAILS_ONE_IN,
            false => self.undecoded.saturating_sub(1),
        };
        self.undecoded > 5 * FAILS_ONE_IN / 2
    }

    /// It failed: not again for a while, and longer each time.
    pub(crate) fn fails(&mut self, codec: Codec, name: &str, how: &str, now: Mono) {
        (self.slow, self.undecoded) = (0, 0);
        self.away.fails((codec, name.to_owned()), how, now);
    }
}

#[cfg(test)]
mod tests {
    use base::element::Measured;

    use super::*;
    use crate::planner::Decoder;

    fn decoder(name: &str, hardware: bool, trial: Result<(u32, u64), &str>) -> Decoder {
        let measured =
            |(pictures_per_second, us)| Measured { pictures_per_second, processor: Duration::from_micros(us) };
        Decoder { codec: Codec::H264, name: name.into(), hardware, trial: trial.map(measured).map_err(str::to_owned) }
    }

    fn names(choice: &Choice, decoders: &Decoders, now: Mono) -> (Option<String>, Option<String>) {
        let [(_, h264), (_, h265)] = choice.now(decoders, now);
        assert_eq!(h265, None, "none was tried for it");
        h264.map_or((None, None), |using| (Some(using.name), using.instead_of.map(|(_, how)| how)))
    }

    #[test]
    fn the_least_costly_of_those_that_are_quick_enough_is_taken() {
        let soft = decoder("soft", false, Ok((900, 1_100)));
        let best = |others: &[Decoder]| {
            let all = Decoders::of([std::slice::from_ref(&soft), others].concat());
            all.best(Codec::H264).map(|best| best.name.clone())
        };
        assert_eq!(best(&[]), Some("soft".into()));
        assert_eq!(best(&[decoder("hard", true, Ok((300, 200)))]), Some("hard".into()));
        assert_eq!(best(&[decoder("slow", true, Ok((20, 10)))]), Some("soft".into()));
        assert_eq!(best(&[decoder("dear", true, Ok((900, 5_000)))]), Some("soft".into()));
        assert_eq!(best(&[decoder("broken", true, Err("it hangs"))]), Some("soft".into()));
        let slow = [decoder("slow", false, Ok((20, 50_000))), decoder("slower", true, Ok((10, 10)))];
        assert_eq!(Decoders::of(slow.to_vec()).best(Codec::H264).unwrap().name, "slow", "where none is quick enough");
        assert_eq!(Decoders::default().best(Codec::H264), None);
    }

    #[test]
    fn what_failed_at_a_camera_is_taken_again_later_and_later() {
        let decoders =
            Decoders::of(vec![decoder("soft", false, Ok((900, 1_100))), decoder("hard", true, Ok((900, 100)))]);
        let (mut choice, mut now) = (Choice::default(), Mono(1));
        for wait in [600, 1_200] {
            assert_eq!(names(&choice, &decoders, now), (Some("hard".into()), None));
            choice.fails(Codec::H264, "hard", "it hung", now);
            assert_eq!(names(&choice, &decoders, now), (Some("soft".into()), Some("it hung".into())));
            let until = now + Duration::from_secs(wait);
            assert_eq!(names(&choice, &decoders, Mono(until.0 - 1)).0, Some("soft".into()));
            now = until;
        }
    }

    #[test]
    fn what_did_well_for_long_is_kept_away_shortly_and_what_is_the_only_one_is_taken_all_the_same() {
        let only = Decoders::of(vec![decoder("hard", true, Ok((900, 100)))]);
        let (mut choice, now) = (Choice::default(), Mono(1));
        choice.fails(Codec::H264, "hard", "it hung", now);
        assert_eq!(names(&choice, &only, now), (Some("hard".into()), None), "nothing else is left");
        let later = now + Duration::from_secs(2_000);
        choice.fails(Codec::H264, "hard", "it hung", later);
        let both = Decoders::of(vec![decoder("hard", true, Ok((900, 100))), decoder("soft", false, Ok((900, 900)))]);
        assert_eq!(names(&choice, &both, later + Duration::from_secs(599)).0, Some("soft".into()));
        assert_eq!(names(&choice, &both, later + Duration::from_secs(600)).0, Some("hard".into()));
    }

    #[test]
    fn who_fails_at_three_in_a_row_or_again_and_again_gives_way_and_who_fails_now_and_then_does_not() {
        let mut choice = Choice::default();
        assert_eq!([true; 3].map(|undecoded| choice.is_bad(undecoded)), [false, false, true]);
        let fails_every = |n: u32| {
            let mut choice = Choice::default();
            (1..10_000).any(|picture| choice.is_bad(picture % n == 0))
        };
        assert!(fails_every(10) && fails_every(20));
        assert!(!fails_every(60));
    }

    #[test]
    fn one_slow_picture_is_no_slow_decoder() {
        let mut choice = Choice::default();
        for _ in 0..20 {
            assert!((1..SLOW_IN_A_ROW).all(|_| !choice.is_slow(2 * SLOW)));
            assert!(!choice.is_slow(SLOW / 2));
        }
        assert!((1..SLOW_IN_A_ROW).all(|_| !choice.is_slow(2 * SLOW)));
        assert!(choice.is_slow(2 * SLOW));
    }
}
