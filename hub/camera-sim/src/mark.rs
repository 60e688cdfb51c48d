//! The machine-readable mark in every simulated picture: which camera it is of, and which picture of the clip.
//!
//! It survives H.264 at a low bitrate, scaling, and a change of aspect ratio, since it is laid out in parts of the
//! picture, not in pixels. To read it anywhere, on a browser's canvas too:
//!
//! - The picture is divided into cells of 1/40 of its width and 2/45 of its height (squares at 16:9). The mark
//!   covers 18 × 6 cells, its top left one being cell (1, 1).
//! - A cell's value is the mean luma of its middle: the pixels whose centre lies in the middle half of the cell's
//!   width and height, or the nearest pixel to its middle if there is none. On a canvas, luma is
//!   `0.299 r + 0.587 g + 0.114 b`.
//! - The outer ring is a chessboard that shows where black and white are: with (x, y) counted from the mark's top
//!   left cell, a ring cell is white if x + y is even. The threshold is half-way between the mean of the white and
//!   the mean of the black ring cells. These must be at least 60 apart, and each ring cell must lie on its side,
//!   or there is no mark.
//! - The inner 16 × 4 cells are 64 bits in reading order, white for 1: camera (16 bits), picture (32 bits) and
//!   checksum (16 bits), each with its highest bit first.
//! - The checksum is CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xffff, not reflected) of the six bytes of camera
//!   and picture. If it differs, there is no mark.

/// Cells in a picture's width.
const ACROSS: usize = 40;
/// Cells in twice a picture's height, as that is a whole number.
const DOWN_TWICE: usize = 45;
const WIDTH: usize = 18;
const HEIGHT: usize = 6;
/// Least distance between black and white.
const CONTRAST: u32 = 60;
/// Luma of black and white in video range (ITU-R BT.601).
const BLACK: u8 = 16;
const WHITE: u8 = 235;

/// What a mark says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark {
    /// Number of the camera; `cam01` is 1.
    pub camera: u16,
    /// Number of the picture in the camera's clip, from 0; it starts again with each loop.
    pub frame: u32,
}

impl Mark {
    fn bits(self) -> u64 {
        let data = u64::from(self.camera) << 32 | u64::from(self.frame);
        data << 16 | u64::from(crc16(&data.to_be_bytes()[2..]))
    }
    fn from_bits(bits: u64) -> Option<Self> {
        let mark = Self { camera: (bits >> 48) as u16, frame: (bits >> 16) as u32 };
        (mark.bits() == bits).then_some(mark)
    }
}

/// Paints a mark into the luma plane of a picture of `width` × `height` pixels, whose rows are `stride` bytes apart.
///
/// # Panics
/// If the plane is smaller than stride and height say.
pub fn paint(luma: &mut [u8], stride: usize, width: usize, height: usize, mark: Mark) {
    let bits = mark.bits();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let white = match bit_at(x, y) {
                Some(bit) => bits >> (63 - bit) & 1 == 1,
                None => (x + y) % 2 == 0,
            };
            // Cells meet without a gap: each ends where the next begins.
            let rows = (y + 1) * 2 * height / DOWN_TWICE..(y + 2) * 2 * height / DOWN_TWICE;
            let columns = (x + 1) * width / ACROSS..(x + 2) * width / ACROSS;
            for row in rows {
                luma[row * stride..][columns.clone()].fill(if white { WHITE } else { BLACK });
            }
        }
    }
}

/// Reads the mark of a picture from its luma plane, at any scale; `None` if there is none or it is damaged.
pub fn read(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<Mark> {
    if width < ACROSS || height < DOWN_TWICE / 2 || stride < width || luma.len() < stride * (height - 1) + width {
        return None;
    }
    let mut cells = [[0; WIDTH]; HEIGHT];
    let (mut white, mut black) = ((0, 0), (0, 0));
    for (y, row) in cells.iter_mut().enumerate() {
        for (x, cell) in row.iter_mut().enumerate() {
            *cell = mean(luma, stride, middle(x, ACROSS, 1, width), middle(y, DOWN_TWICE, 2, height));
            if bit_at(x, y).is_none() {
                let side = if (x + y) % 2 == 0 { &mut white } else { &mut black };
                *side = (side.0 + *cell, side.1 + 1);
            }
        }
    }
    let (white, black) = (white.0 / white.1, black.0 / black.1);
    if white < black + CONTRAST {
        return None;
    }
    let threshold = (white + black) / 2;
    let mut bits = 0u64;
    for (y, row) in cells.iter().enumerate() {
        for (x, cell) in row.iter().enumerate() {
            let is_white = *cell > threshold;
            match bit_at(x, y) {
                Some(bit) => bits |= u64::from(is_white) << (63 - bit),
                None if is_white != ((x + y) % 2 == 0) => return None,
                None => {}
            }
        }
    }
    Mark::from_bits(bits)
}

/// Number of the bit in a cell, from the highest; `None` for the ring.
fn bit_at(x: usize, y: usize) -> Option<usize> {
    let ring = x == 0 || y == 0 || x == WIDTH - 1 || y == HEIGHT - 1;
    (!ring).then(|| (y - 1) * (WIDTH - 2) + x - 1)
}

/// The pixels in the middle half of cell `i` of the mark, along one axis of `size` pixels with `cells / scale` cells.
fn middle(i: usize, cells: usize, scale: usize, size: usize) -> std::ops::Range<usize> {
    // In quarters of a cell, from the picture's edge; the mark begins one cell in.
    let at = |quarters: usize| quarters as f64 * (scale * size) as f64 / (4 * cells) as f64;
    // A pixel's centre is at its number + 0.5.
    let (from, to) = ((at(4 * i + 5) - 0.5).ceil() as usize, (at(4 * i + 7) - 0.5).ceil() as usize);
    if from < to { from..to } else { at(4 * i + 6) as usize..at(4 * i + 6) as usize + 1 }
}

fn mean(luma: &[u8], stride: usize, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> u32 {
    let count = (columns.len() * rows.len()).max(1) as u32;
    let sum: u32 =
        rows.map(|row| luma[row * stride..][columns.clone()].iter().map(|l| u32::from(*l)).sum::<u32>()).sum();
    sum / count
}

fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0xffff_u16;
    for byte in bytes {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn painted(width: usize, height: usize, mark: Mark) -> Vec<u8> {
        let mut luma = vec![120; width * height];
        paint(&mut luma, width, width, height, mark);
        luma
    }

    fn scaled(luma: &[u8], (w, h): (usize, usize), (to_w, to_h): (usize, usize)) -> Vec<u8> {
        (0..to_w * to_h).map(|i| luma[i / to_w * h / to_h * w + i % to_w * w / to_w]).collect()
    }

    #[test]
    fn the_checksum_is_the_one_that_is_documented() {
        assert_eq!(crc16(b"123456789"), 0x29b1);
    }

    #[test]
    fn the_layout_is_the_one_that_is_documented() {
        let luma = painted(400, 225, Mark { camera: 0x8001, frame: 1 });
        let cell = |x: usize, y: usize| luma[(y * 10 + 15) * 400 + x * 10 + 15] == WHITE;
        assert!(cell(0, 0) && !cell(1, 0) && cell(17, 5) && !cell(0, 5));
        assert_eq!((0..16).filter(|i| cell(1 + i, 1)).collect::<Vec<_>>(), [0, 15]);
        assert_eq!((0..32).filter(|i| cell(1 + i % 16, 2 + i / 16)).collect::<Vec<_>>(), [31]);
    }

    proptest! {
        #[test]
        fn what_is_painted_is_read_at_any_size(camera: u16, frame: u32, width in 80usize..800, height in 60usize..500) {
            let mark = Mark { camera, frame };
            prop_assert_eq!(read(&painted(width, height, mark), width, width, height), Some(mark));
        }

        #[test]
        fn what_is_painted_is_read_after_scaling(camera: u16, frame: u32, to in (160usize..700, 90usize..400)) {
            let mark = Mark { camera, frame };
            let small = scaled(&painted(1280, 720, mark), (1280, 720), to);
            prop_assert_eq!(read(&small, to.0, to.0, to.1), Some(mark));
        }

        #[test]
        fn noise_is_no_mark(luma in prop::collection::vec(any::<u8>(), 320 * 180)) {
            prop_assert_eq!(read(&luma, 320, 320, 180), None);
        }
    }

    #[test]
    fn one_wrong_cell_is_no_other_mark() {
        let mark = Mark { camera: 7, frame: 1_234 };
        let luma = painted(400, 225, mark);
        for y in 0..HEIGHT {
            for x in 0..WIDTH {
                let mut wrong = luma.clone();
                for row in 0..10 {
                    for l in &mut wrong[(y * 10 + 10 + row) * 400 + x * 10 + 10..][..10] {
                        *l = BLACK + WHITE - *l;
                    }
                }
                assert_eq!(read(&wrong, 400, 400, 225), None, "cell {x}, {y}");
            }
        }
    }

    #[test]
    fn low_contrast_and_full_range_are_read() {
        let mark = Mark { camera: 64, frame: 159 };
        for (scale, offset) in [(0.4, 60.0), (255.0 / 219.0, -18.6)] {
            let luma: Vec<u8> =
                painted(320, 180, mark).iter().map(|l| (f64::from(*l) * scale + offset) as u8).collect();
            assert_eq!(read(&luma, 320, 320, 180), Some(mark));
        }
    }

    #[test]
    fn no_picture_is_no_mark() {
        assert_eq!(read(&[], 0, 0, 0), None);
        assert_eq!(read(&[0; 100], 320, 320, 180), None);
        assert_eq!(read(&vec![235; 320 * 180], 320, 320, 180), None);
        assert_eq!(read(&vec![16; 320 * 180], 320, 320, 180), None);
    }
}
