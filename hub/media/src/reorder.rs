//! When pictures are decoded, where they are not shown in that order (B-pictures).
//!
//! A camera sends pictures in the order in which they are decoded, each with the time at which it is shown. Files also want
//! the time of decoding, which must never go back. The usual way puts it before the picture's own time and so needs to know
//! pictures that have not come yet. This one waits for nothing: with a reordering depth D, of n + 1 pictures that came the
//! first n + 1 - D in the order of showing are final, so picture n is decoded D usual spacings after the last of these:
//!
//! ```text
//! decoded(n) = max(decoded(n - 1) + 1, shown in order(n - D) + D · spacing)
//! ```
//!
//! At an even pace these are exactly the times of showing in order: the clock of decoding is that of showing, and a
//! composition offset is positive for what is shown later than its turn, negative for what is shown earlier. A key picture of
//! an open GOP is thus decoded when the first of its leading pictures is shown, and nothing in a segment that begins
//! with it is shown before the segment's start. With D = 0 a picture is decoded when it is shown.

use std::collections::VecDeque;

use base::footage::VIDEO_TIMESCALE;

use crate::codec::MAX_REORDER;

/// Spacings that the usual one is taken from.
const SPACINGS: usize = 8;
/// Times of showing that are remembered.
const REMEMBERED: usize = MAX_REORDER as usize + SPACINGS + 2;
/// After a longer pause nothing from before it says when a picture is decoded.
const PAUSE_90K: i64 = VIDEO_TIMESCALE as i64;
/// What is shown so much before what was shown last is of another time.
const BACK_90K: i64 = 3 * VIDEO_TIMESCALE as i64;
/// The spacing while none is known: 25 pictures per second.
const FIRST_SPACING_90K: i64 = 3_600;

/// Gives pictures their decode times. For one set of parameters.
#[derive(Debug, Default)]
pub(crate) struct DecodeTimes {
    depth: usize,
    /// When the newest pictures are shown, in order.
    shown: Vec<i64>,
}

impl DecodeTimes {
    /// New parameters: nothing is known but the depth that they say.
    pub fn begin(&mut self, depth: u8) {
        self.depth = usize::from(depth.min(MAX_REORDER));
        self.shown.clear();
    }

    /// Pictures were seen to be reordered so deep.
    pub fn deepen(&mut self, depth: u8) {
        self.depth = self.depth.max(usize::from(depth.min(MAX_REORDER)));
    }

    /// Decode time of the next picture, which is shown at `pts`: not before `least`. A key picture is not decoded after
    /// it is shown, if that can be: a player that begins with it would find it before its own beginning.
    pub fn next(&mut self, pts: i64, key: bool, least: i64) -> i64 {
        if self.shown.last().is_some_and(|last| !(-BACK_90K..=PAUSE_90K).contains(&pts.saturating_sub(*last))) {
            self.shown.clear();
        }
        let place = self.shown.partition_point(|shown| *shown <= pts);
        self.shown.insert(place, pts);
        if self.shown.len() > REMEMBERED {
            self.shown.remove(0);
        }
        let in_turn = self.in_turn();
        (if key { in_turn.min(pts) } else { in_turn }).max(least)
    }

    fn in_turn(&self) -> i64 {
        let newest = self.shown.len() - 1;
        match newest.checked_sub(self.depth) {
            Some(last_final) => self.shown[last_final] + self.depth as i64 * self.spacing(last_final),
            None => self.shown[0] + newest as i64 * self.spacing(0),
        }
    }

    /// The usual spacing: the median of the newest ones up to this place, between which nothing can come any more. While
    /// there is none, the least there is.
    fn spacing(&self, last_final: usize) -> i64 {
        let of = |pair: &[i64]| pair[1] - pair[0];
        let from = last_final.saturating_sub(SPACINGS);
        let mut spacings: Vec<i64> = self.shown[from..=last_final].windows(2).map(of).collect();
        spacings.sort_unstable();
        match spacings.get(spacings.len() / 2) {
            Some(median) => *median,
            None => self.shown.windows(2).map(of).fold(FIRST_SPACING_90K, i64::min),
        }
    }
}

/// Learns how deep pictures are reordered, where their parameters do not say so (H.264 without a bitstream restriction) or
/// are wrong.
#[derive(Debug, Default)]
pub(crate) struct Reordering {
    /// The newest pictures, in the order in which they came: when they are shown, and whether they are of the kind that may be
    /// shown before others.
    newest: VecDeque<(i64, bool)>,
}

impl Reordering {
    /// How many of the pictures before this one are shown after it. 0 where none of them is a B-picture: a small step
    /// back is then a camera's jitter.
    pub fn picture(&mut self, pts: i64, bidirectional: bool) -> u8 {
        let later = |(shown, _): &&(i64, bool)| (pts + 1..=pts.saturating_add(PAUSE_90K)).contains(shown);
        let before: Vec<_> = self.newest.iter().filter(later).collect();
        let reordered = bidirectional || before.iter().any(|(_, bidirectional)| *bidirectional);
        let depth = if reordered { before.len() } else { 0 };
        if self.newest.len() == usize::from(MAX_REORDER) {
            self.newest.pop_front();
        }
        self.newest.push_back((pts, bidirectional));
        depth as u8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPACING: i64 = 4_500;

    /// Decode times of pictures shown at these times, one after another.
    fn decoded(depth: u8, shown: impl IntoIterator<Item = i64>) -> Vec<i64> {
        let mut times = DecodeTimes::default();
        times.begin(depth);
        let mut least = i64::MIN;
        let next = |pts: i64| {
            let dts = times.next(pts, false, least);
            least = dts + 1;
            dts
        };
        shown.into_iter().map(next).collect()
    }

    /// A pyramid as encoders make it, in the order of decoding.
    fn pyramid(groups: i64) -> impl Iterator<Item = i64> {
        let group = |g: i64| [4, 2, 1, 3].map(|n| (4 * g + n) * SPACING);
        std::iter::once(0).chain((0..groups).flat_map(group))
    }

    #[test]
    fn without_reordering_a_picture_is_decoded_when_it_is_shown() {
        let shown = [0, 4_500, 9_001, 13_400, 13_300, 40_000];
        assert_eq!(decoded(0, shown), [0, 4_500, 9_001, 13_400, 13_401, 40_000]);
    }

    #[test]
    fn a_pyramid_is_decoded_at_an_even_pace() {
        let times = decoded(2, pyramid(10));
        let even: Vec<_> = (0..times.len() as i64).map(|n| n * SPACING).collect();
        assert_eq!(times[3..], even[3..]);
        assert!(times[..3].is_sorted(), "{times:?}");
    }

    #[test]
    fn a_depth_that_is_learnt_late_gives_an_even_pace_from_then_on() {
        let (mut times, mut seen) = (DecodeTimes::default(), Reordering::default());
        times.begin(0);
        let mut least = 0;
        let mut decoded = Vec::new();
        for (i, pts) in pyramid(10).enumerate() {
            times.deepen(seen.picture(pts, i % 4 != 1));
            let dts = times.next(pts, i == 0, least);
            least = dts + 1;
            decoded.push(dts);
        }
        assert_eq!(times.depth, 2);
        assert_eq!(decoded[8..], (8..41).map(|n| n * SPACING).collect::<Vec<_>>());
    }

    #[test]
    fn jitter_of_p_pictures_is_no_reordering() {
        let mut seen = Reordering::default();
        assert!([0, 4_500, 4_400, 9_000, 8_000].iter().all(|pts| seen.picture(*pts, false) == 0));
        assert_eq!(seen.picture(8_500, true), 1);
    }

    #[test]
    fn a_pause_is_not_smeared_over_the_pictures_after_it() {
        let pause = 100 * SPACING;
        let times = decoded(2, pyramid(4).chain(pyramid(4).map(|pts| pts + pause)));
        assert_eq!(times[17], pause);
        assert_eq!(times[17 + 3..], (3..17).map(|n| pause + n * SPACING).collect::<Vec<_>>());
    }

    #[test]
    fn the_key_picture_of_an_open_group_is_decoded_when_its_first_leading_picture_is_shown() {
        // Decoded: 0 2 1 | 6 (key) 4 3 5 | …
        let times = decoded(2, [0, 2, 1, 6, 4, 3, 5, 8, 7].map(|n| n * SPACING));
        assert_eq!(times[3], 3 * SPACING);
    }

    proptest! {
        #[test]
        fn times_never_go_back_and_stay_near_what_is_shown(
            depth in 0u8..20,
            jitter in prop::collection::vec(0i64..900, 60),
            order in prop::collection::vec(0usize..5, 60),
        ) {
            // Each picture moved at most four places.
            let mut shown: Vec<i64> = (0..60).map(|n| n * SPACING + jitter[n as usize]).collect();
            for (i, by) in order.iter().enumerate().filter(|(i, by)| i + *by < 60 && i % 5 == 0) {
                shown.swap(i, i + by);
            }
            let mut times = DecodeTimes::default();
            times.begin(depth);
            let mut least = 0;
            for pts in shown {
                let dts = times.next(pts, false, least);
                prop_assert!(dts >= least);
                prop_assert!((dts - pts).abs() < 40 * SPACING);
                least = dts + 1;
            }
        }

        #[test]
        fn any_times_are_taken(all in prop::collection::vec((any::<i64>(), any::<bool>()), 0..100), depth: u8) {
            let (mut times, mut seen) = (DecodeTimes::default(), Reordering::default());
            times.begin(depth);
            for (pts, key) in all {
                let pts = pts >> 8;
                times.deepen(seen.picture(pts, key));
                let _ = times.next(pts, key, 0);
            }
        }
    }
}
