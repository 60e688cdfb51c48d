//! The part of a picture that a detector is shown: what moves, and some of what is around it.

use crate::motion::Bounds;

/// So many times as wide and high as what moves: models know things by what is around them too.
const AROUND: f32 = 1.6;
/// A small picture is made larger by so much at most: it would not show more.
const MOST_LARGER: f32 = 2.0;
/// What is beside a picture that is not of the detector's shape.
const GREY: u8 = 114;

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Size {
    pub width: u16,
    pub height: u16,
}

impl Size {
    /// Bytes of a picture in colour.
    pub fn bytes(self) -> usize {
        usize::from(self.width) * usize::from(self.height) * 3
    }
}

/// A picture in colour: red, green and blue of each pixel, row after row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Rgb {
    pub size: Size,
    pub pixels: Vec<u8>,
}

impl std::fmt::Debug for Rgb {
    /// Without the picture.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rgb({}×{})", self.size.width, self.size.height)
    }
}

/// Where the picture that a detector is shown is from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    /// In parts of the camera's picture.
    pub of: Bounds,
    /// So much of the detector's picture it fills, from the left and from the top; the rest is grey. 0 to 1.
    pub width: f32,
    pub height: f32,
}

impl Place {
    /// From parts of the detector's picture to parts of the camera's. `None`: in the grey.
    pub fn in_camera(&self, seen: Bounds) -> Option<Bounds> {
        let part = |from: f32, len: f32, filled: f32| {
            let (from, to) = ((from / filled).clamp(0.0, 1.0), ((from + len) / filled).clamp(0.0, 1.0));
            (to > from).then_some((from, to - from))
        };
        let ((left, width), (top, height)) =
            (part(seen.left, seen.width, self.width)?, part(seen.top, seen.height, self.height)?);
        let Bounds { left: l, top: t, width: w, height: h } = self.of;
        Some(Bounds { left: l + left * w, top: t + top * h, width: width * w, height: height * h })
    }
}

/// The part of a picture with what moves in it, as a detector wants it. `pixels` are of `size`, `stride` bytes from row to row.
/// `None`: there are fewer, or none.
pub(crate) fn part(pixels: &[u8], size: Size, stride: usize, moving: &Bounds, wanted: Size) -> Option<(Rgb, Place)> {
    let (width, height) = (f32::from(size.width), f32::from(size.height));
    let (wide, high) = (f32::from(wanted.width), f32::from(wanted.height));
    if size.bytes() == 0 || wanted.bytes() == 0 || stride < usize::from(size.width) * 3 {
        return None;
    }
    if pixels.len() < stride.checked_mul(usize::from(size.height) - 1)? + usize::from(size.width) * 3 {
        return None;
    }
    // As many pixels as the detector has at least, and of its shape, where the picture has them.
    let (mut w, mut h) = ((moving.width * width * AROUND).max(wide), (moving.height * height * AROUND).max(high));
    (w, h) = (w.max(h * wide / high), h.max(w * high / wide));
    (w, h) = (w.min(width).round(), h.min(height).round());
    let from = |middle: f32, len: f32, whole: f32| (middle - len / 2.0).clamp(0.0, whole - len).round();
    let left = from((moving.left + moving.width / 2.0) * width, w, width);
    let top = from((moving.top + moving.height / 2.0) * height, h, height);
    let scale = (wide / w).min(high / h).min(MOST_LARGER);
    let side = |len: f32, most: u16| ((len * scale).round() as u16).clamp(1, most);
    let (filled_w, filled_h) = (side(w, wanted.width), side(h, wanted.height));

    let mut out = vec![GREY; wanted.bytes()];
    let steps = |from: f32, len: f32, count: u16| -> Vec<(usize, usize)> {
        let at = |n: u16| (from + len * f32::from(n) / f32::from(count)) as usize;
        (0..count).map(|n| (at(n), at(n + 1).max(at(n) + 1))).collect()
    };
    let columns = steps(left, w, filled_w);
    for (row, (y0, y1)) in steps(top, h, filled_h).into_iter().enumerate() {
        let row = &mut out[row * usize::from(wanted.width) * 3..];
        for ((x0, x1), pixel) in columns.iter().zip(row.as_chunks_mut::<3>().0) {
            // The mean of all pixels that become one.
            let mut sums = [0u32; 3];
            for y in y0..y1 {
                for from in pixels[y * stride + x0 * 3..y * stride + x1 * 3].as_chunks::<3>().0 {
                    for (sum, value) in sums.iter_mut().zip(from) {
                        *sum += u32::from(*value);
                    }
                }
            }
            let count = ((x1 - x0) * (y1 - y0)) as u32;
            *pixel = sums.map(|sum| ((sum + count / 2) / count) as u8);
        }
    }
    let of = Bounds { left: left / width, top: top / height, width: w / width, height: h / height };
    let place = Place { of, width: f32::from(filled_w) / wide, height: f32::from(filled_h) / high };
    Some((Rgb { size: wanted, pixels: out }, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL_HD: Size = Size { width: 1_920, height: 1_080 };

    /// Black, with a red rectangle where `at` is.
    fn picture(size: Size, at: &Bounds) -> Vec<u8> {
        let (w, h) = (f32::from(size.width), f32::from(size.height));
        let inside = |x: u16, y: u16| {
            let (x, y) = ((f32::from(x) + 0.5) / w, (f32::from(y) + 0.5) / h);
            (at.left..at.left + at.width).contains(&x) && (at.top..at.top + at.height).contains(&y)
        };
        let pixel = |x, y| if inside(x, y) { [200, 0, 0] } else { [0, 0, 0] };
        (0..size.height).flat_map(|y| (0..size.width).flat_map(move |x| pixel(x, y))).collect()
    }

    /// Where the red rectangle is in what the detector is shown, in parts of it.
    fn red(shown: &Rgb) -> Bounds {
        let width = usize::from(shown.size.width);
        let all = shown.pixels.as_chunks::<3>().0.iter().enumerate().filter(|(_, p)| p[0] > 150 && p[1] < 50);
        let (mut xs, mut ys): (Vec<_>, Vec<_>) = all.map(|(i, _)| (i % width, i / width)).unzip();
        xs.sort_unstable();
        ys.sort_unstable();
        let (w, h) = (width as f32, f32::from(shown.size.height));
        let span = |of: &[usize], whole: f32| (of[0] as f32 / whole, (of[of.len() - 1] + 1 - of[0]) as f32 / whole);
        let ((left, width), (top, height)) = (span(&xs, w), span(&ys, h));
        Bounds { left, top, width, height }
    }

    #[test]
    fn what_moves_is_shown_whole_and_found_again_where_it_was() {
        let wanted = Size { width: 320, height: 320 };
        for (size, left, top, width, height) in [
            (FULL_HD, 0.0, 0.0, 0.05, 0.3),
            (FULL_HD, 0.9, 0.5, 0.1, 0.5),
            (FULL_HD, 0.1, 0.1, 0.8, 0.8),
            (FULL_HD, 0.0, 0.0, 1.0, 1.0),
            (Size { width: 640, height: 360 }, 0.4, 0.4, 0.1, 0.2),
            (Size { width: 160, height: 120 }, 0.4, 0.4, 0.2, 0.3),
            (Size { width: 360, height: 640 }, 0.4, 0.8, 0.3, 0.2),
        ] {
            let moving = Bounds { left, top, width, height };
            let pixels = picture(size, &moving);
            let stride = usize::from(size.width) * 3;
            let (shown, place) = part(&pixels, size, stride, &moving, wanted).unwrap();
            assert_eq!((shown.size, shown.pixels.len()), (wanted, wanted.bytes()));
            let found = place.in_camera(red(&shown)).unwrap();
            for (found, was) in [(found.left, left), (found.top, top), (found.width, width), (found.height, height)] {
                assert!((found - was).abs() < 0.02, "{size:?} {moving:?}: {found} instead of {was}");
            }
        }
    }

    #[test]
    fn what_is_around_is_shown_too_and_what_a_detector_sees_in_the_grey_is_nothing() {
        let moving = Bounds { left: 0.45, top: 0.45, width: 0.05, height: 0.1 };
        let wanted = Size { width: 320, height: 320 };
        let pixels = picture(FULL_HD, &moving);
        let (_, place) = part(&pixels, FULL_HD, 5_760, &moving, wanted).unwrap();
        assert!((place.of.width - 320.0 / 1_920.0).abs() < 0.01, "pixel for pixel: {place:?}");
        let wide = Bounds { left: 0.0, width: 1.0, ..moving };
        let (_, place) = part(&pixels, FULL_HD, 5_760, &wide, wanted).unwrap();
        assert!(place.width == 1.0 && place.height < 0.6, "the whole width: {place:?}");
        let below = Bounds { left: 0.2, top: 0.8, width: 0.1, height: 0.1 };
        assert_eq!(place.in_camera(below), None);
        assert!(part(&pixels[..999], FULL_HD, 5_760, &moving, wanted).is_none());
        assert!(part(&pixels, FULL_HD, 100, &moving, wanted).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_part_of_any_picture_is_shown(
            w in 1u16..300, h in 1u16..300, l in 0.0f32..1.0, t in 0.0f32..1.0, ww in 0.0f32..1.0, hh in 0.0f32..1.0,
            side in 1u16..200, other in 1u16..200,
        ) {
            let (size, wanted) = (Size { width: w, height: h }, Size { width: side, height: other });
            let moving = Bounds { left: l, top: t, width: ww, height: hh };
            let (shown, place) = part(&vec![7; size.bytes()], size, usize::from(w) * 3, &moving, wanted).unwrap();
            proptest::prop_assert_eq!(shown.pixels.len(), wanted.bytes());
            let Bounds { left, top, width, height } = place.of;
            proptest::prop_assert!(left >= 0.0 && top >= 0.0 && left + width <= 1.001 && top + height <= 1.001, "{:?}", place);
        }
    }
}
