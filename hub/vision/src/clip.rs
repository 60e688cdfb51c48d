//! The film that decoders are tried on: what is to be seen in each of its pictures is known.
//!
//! A light square on a darker, moving, noisy ground, from left to right; as large and as hard to decode as a camera's small
//! stream, a key picture each second. `scripts/make-trial-clips` made it.

use std::time::Duration;

use crate::coded::Codec;
use crate::grey::Grey;

const H264: &[u8] = include_bytes!("clip/trial.h264");
const H265: &[u8] = include_bytes!("clip/trial.h265");

/// Pictures in it.
pub(crate) const PICTURES: usize = 48;
/// Pictures a second.
const FPS: usize = 12;
/// Width and height in pixels.
pub(crate) const SIZE: (usize, usize) = (640, 360);
/// The square's side, where its left edge is in the first picture, how far it goes from one to the next, and its top.
const SIDE: usize = 90;
const LEFT: usize = 20;
const STEP: usize = 10;
const TOP: usize = 135;
/// How light the square is at least, and the ground at most, on average.
const LIGHT: u32 = 190;
const DARK: u32 = 150;

/// Its coded pictures, each with the delimiter before it (ITU-T H.264 §7.3.2.4, H.265 §7.3.2.5); none for JPEG, which nobody decodes
/// in hardware here.
pub(crate) fn coded(codec: Codec) -> Vec<&'static [u8]> {
    let (film, delimiter): (&[u8], &[u8]) = match codec {
        Codec::H264 => (H264, &[0, 0, 0, 1, 0x09]),
        Codec::H265 => (H265, &[0, 0, 0, 1, 0x46]),
        Codec::Mjpeg => return Vec::new(),
    };
    let mut starts: Vec<_> = film.windows(delimiter.len()).enumerate().filter(|(_, w)| *w == delimiter).collect();
    starts.push((film.len(), delimiter));
    starts.windows(2).map(|two| &film[two[0].0..two[1].0]).collect()
}

/// When the `number`th picture is shown.
pub(crate) fn at(number: usize) -> Duration {
    Duration::from_millis((number * 1_000 / FPS) as u64)
}

/// Whether the `number`th picture that came out is that of the film.
pub(crate) fn is_picture(number: usize, grey: &Grey) -> bool {
    if number >= PICTURES {
        return false;
    }
    let mean = |left: usize| {
        // Within the square, away from its edge.
        let (x, y) = (
            (left + 20) * grey.width() / SIZE.0..(left + SIDE - 20) * grey.width() / SIZE.0,
            (TOP + 20) * grey.height() / SIZE.1..(TOP + SIDE - 20) * grey.height() / SIZE.1,
        );
        let rows = grey.pixels().chunks(grey.width()).skip(y.start).take(y.len());
        let sum: u32 = rows.flat_map(|row| &row[x.clone()]).map(|pixel| u32::from(*pixel)).sum();
        sum / (x.len() * y.len()).max(1) as u32
    };
    let left = LEFT + number * STEP;
    // Where it is not: a square's width behind it or before it.
    let beside = if left > SIZE.0 / 2 { left - 2 * SIDE } else { left + 2 * SIDE };
    let wide_enough = grey.width() >= SIZE.0 / 4 && grey.height() >= SIZE.1 / 4;
    wide_enough && mean(left) >= LIGHT && mean(beside) <= DARK
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of the film without its ground.
    fn painted(number: usize) -> Grey {
        let left = LEFT + number * STEP;
        let row = |y: usize| (0..SIZE.0).map(move |x| (x, y));
        let inside = |(x, y)| (left..left + SIDE).contains(&x) && (TOP..TOP + SIDE).contains(&y);
        let pixels: Vec<u8> = (0..SIZE.1).flat_map(row).map(|at| if inside(at) { 230 } else { 90 }).collect();
        Grey::shrink(&pixels, SIZE.0, SIZE.1, SIZE.0).unwrap()
    }

    #[test]
    fn both_films_have_all_their_pictures() {
        for codec in [Codec::H264, Codec::H265] {
            let pictures = coded(codec);
            assert_eq!(pictures.len(), PICTURES);
            assert!(pictures.iter().all(|picture| picture.len() > 20));
        }
    }

    #[test]
    fn a_picture_is_known_and_every_other_one_is_not() {
        for number in 0..PICTURES {
            assert!(is_picture(number, &painted(number)), "{number}");
            let other = (number + PICTURES / 2) % PICTURES;
            assert!(!is_picture(number, &painted(other)), "{number} is not {other}");
        }
        assert!(!is_picture(PICTURES, &painted(0)));
        for flat in [0, 128, 255] {
            let grey = Grey::shrink(&vec![flat; SIZE.0 * SIZE.1], SIZE.0, SIZE.1, SIZE.0).unwrap();
            assert!(!is_picture(3, &grey));
        }
        assert!(!is_picture(0, &Grey::shrink(&[230; 32 * 32], 32, 32, 32).unwrap()), "of another size");
    }
}
