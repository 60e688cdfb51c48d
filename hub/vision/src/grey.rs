//! Small grey pictures: all that motion is looked for in.

/// The longer side of a picture that motion is looked for in, in pixels. A person at the far end of a garden, an eighth of
/// the picture high, is still some sixteen pixels in it; noise and rain are averaged away.
pub(crate) const LONGER_SIDE: usize = 240;
/// The least of the other side.
const SHORTEST_SIDE: usize = 16;
/// The most of any side of a picture: of its rows 69 at most are one of the small one.
const LONGEST_SIDE: usize = 16_384;

/// A grey picture, row after row.
#[derive(Clone, PartialEq, Eq)]
pub struct Grey {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl std::fmt::Debug for Grey {
    /// Without the picture.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Grey({}×{})", self.width, self.height)
    }
}

impl Grey {
    /// Makes a small picture of a large one by averaging, so that its noise goes too. `stride`: bytes from row to row. `None`
    /// if there are fewer bytes than that, or it is not at least 16 pixels wide and high, or a side is longer than 16,384.
    pub fn shrink(pixels: &[u8], width: usize, height: usize, stride: usize) -> Option<Self> {
        if width.min(height) < SHORTEST_SIDE
            || width.max(height) > LONGEST_SIDE
            || stride < width
            || pixels.len() < stride.checked_mul(height - 1)? + width
        {
            return None;
        }
        let longer = width.max(height);
        let side = |of: usize| if longer <= LONGER_SIDE { of } else { (of * LONGER_SIDE / longer).max(SHORTEST_SIDE) };
        let (small_width, small_height) = (side(width), side(height));
        // Every second row of a large picture says as much as all of them.
        let step = if height / small_height >= 4 { 2 } else { 1 };
        let edges: Vec<_> = (0..=small_width).map(|x| x * width / small_width).collect();
        let mut small = Vec::with_capacity(small_width * small_height);
        // 69 times 255 at most.
        let mut sums = vec![0u16; width];
        for y in 0..small_height {
            sums.fill(0);
            let (from, to) = (y * height / small_height, (y + 1) * height / small_height);
            for row in (from..to).step_by(step) {
                sums.iter_mut()
                    .zip(&pixels[row * stride..][..width])
                    .for_each(|(sum, pixel)| *sum += u16::from(*pixel));
            }
            let rows = (from..to).step_by(step).len();
            small.extend(edges.windows(2).map(|edges| {
                let (part, count) = (&sums[edges[0]..edges[1]], ((edges[1] - edges[0]) * rows) as u32);
                ((part.iter().map(|sum| u32::from(*sum)).sum::<u32>() + count / 2) / count) as u8
            }));
        }
        Some(Self { width: small_width, height: small_height, pixels: small })
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }
    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }
    /// Its pixels, row after row.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_picture_is_averaged_and_keeps_its_shape() {
        // Left half 10, right half 200, and a margin after each row that is no picture.
        let row: Vec<u8> = (0..1_940)
            .map(|x| {
                if x < 960 {
                    10
                } else if x < 1_920 {
                    200
                } else {
                    99
                }
            })
            .collect();
        let small = Grey::shrink(&row.repeat(1_080), 1_920, 1_080, 1_940).unwrap();
        assert_eq!((small.width(), small.height()), (240, 135));
        assert!(small.pixels().chunks(240).all(|row| row[..120] == [10; 120] && row[120..] == [200; 120]));
        let checked: Vec<u8> = (0..960 * 540).map(|i| if i % 2 == 0 { 0 } else { 100 }).collect();
        assert!(Grey::shrink(&checked, 960, 540, 960).unwrap().pixels().iter().all(|p| *p == 50));
        let tall = Grey::shrink(&[7; 360 * 640], 360, 640, 360).unwrap();
        assert_eq!((tall.width(), tall.height()), (135, 240));
        let own = Grey::shrink(&[7; 64 * 32], 64, 32, 64).unwrap();
        assert_eq!((own.width(), own.height()), (64, 32), "a small one stays as it is");
    }

    proptest::proptest! {
        #[test]
        fn any_size_is_a_picture_or_none(len in 0usize..5_000, w in 0usize..2_000, h in 0usize..2_000, stride in 0usize..3_000) {
            if let Some(small) = Grey::shrink(&vec![1; len], w, h, stride) {
                assert_eq!(small.pixels().len(), small.width() * small.height());
                assert!(small.width().max(small.height()) <= LONGER_SIDE && small.width().min(small.height()) >= SHORTEST_SIDE);
            }
        }
    }
}
