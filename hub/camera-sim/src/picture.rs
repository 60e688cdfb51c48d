//! Paints a camera's pictures: its mark, its name, its own colour, a bar that moves, and noise that costs bits.

use crate::mark::{self, Mark};
use crate::options::{self, CLIP_SECONDS, Size};

/// Amplitude of the noise around the background's luma.
const NOISE: u32 = 16;
/// Five columns of seven pixels each for what names are made of, lowest bit on top.
const FONT: [(char, [u8; 5]); 13] = [
    ('0', [0x3e, 0x51, 0x49, 0x45, 0x3e]),
    ('1', [0x00, 0x42, 0x7f, 0x40, 0x00]),
    ('2', [0x42, 0x61, 0x51, 0x49, 0x46]),
    ('3', [0x21, 0x41, 0x45, 0x4b, 0x31]),
    ('4', [0x18, 0x14, 0x12, 0x7f, 0x10]),
    ('5', [0x27, 0x45, 0x45, 0x45, 0x39]),
    ('6', [0x3c, 0x4a, 0x49, 0x49, 0x30]),
    ('7', [0x01, 0x71, 0x09, 0x05, 0x03]),
    ('8', [0x36, 0x49, 0x49, 0x49, 0x36]),
    ('9', [0x06, 0x49, 0x49, 0x29, 0x1e]),
    ('c', [0x3e, 0x41, 0x41, 0x41, 0x22]),
    ('a', [0x7e, 0x11, 0x11, 0x11, 0x7e]),
    ('m', [0x7f, 0x02, 0x0c, 0x02, 0x7f]),
];

/// Paints one stream's pictures as I420: planes without padding between rows.
pub(crate) struct Painter {
    camera: u16,
    width: usize,
    height: usize,
    pictures: u32,
    /// What all pictures have in common.
    still: Vec<u8>,
    noise: Vec<u8>,
    random: u64,
}

impl Painter {
    pub fn new(camera: u16, size: Size, fps: u32) -> Self {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let mut painter = Self {
            camera,
            width,
            height,
            pictures: fps * CLIP_SECONDS,
            still: vec![0; width * height * 3 / 2],
            noise: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15 ^ u64::from(camera) << 32 | 1,
        };
        painter.paint_background();
        painter.paint_name();
        let noise_bytes = width * (height - painter.noise_from()) + 65_536;
        painter.noise = (0..noise_bytes).map(|_| 100 + (painter.next_random() % u64::from(NOISE)) as u8).collect();
        painter
    }

    /// Picture number `frame` of the clip.
    pub fn paint(&mut self, frame: u32) -> Vec<u8> {
        let mut picture = self.still.clone();
        let from = self.noise_from() * self.width;
        let luma_bytes = self.width * self.height;
        let offset = (self.next_random() % 65_536) as usize;
        picture[from..luma_bytes].copy_from_slice(&self.noise[offset..][..luma_bytes - from]);
        self.paint_bar(&mut picture, frame);
        mark::paint(&mut picture, self.width, self.width, self.height, Mark { camera: self.camera, frame });
        picture
    }

    /// A gradient in the camera's colour: 64 hues, neighbours far apart.
    fn paint_background(&mut self) {
        let luma_bytes = self.width * self.height;
        let (luma, chroma) = self.still.split_at_mut(luma_bytes);
        for (y, row) in luma.chunks_exact_mut(self.width).enumerate() {
            row.fill(70 + (60 * y / self.height) as u8);
        }
        let angle = f64::from(self.camera) * 2.399_963; // the golden angle
        let (u, v) = chroma.split_at_mut(luma_bytes / 4);
        u.fill((128.0 + 60.0 * angle.cos()) as u8);
        v.fill((128.0 + 60.0 * angle.sin()) as u8);
        // Grey behind the mark: its black and white stay so in any colour space.
        for plane in [u, v] {
            for row in plane.chunks_exact_mut(self.width / 2).take(self.height * 8 / 45) {
                row[..self.width / 4].fill(128);
            }
        }
    }

    /// The name in large letters, right of the mark.
    fn paint_name(&mut self) {
        let name = options::name(self.camera);
        let (left, top) = (self.width * 21 / 40, self.height / 12);
        let dot = (self.width * 18 / 40 / (6 * name.len())).min(self.height / 4 / 7).max(1);
        let glyphs = name.chars().map(|c| FONT.iter().find(|(f, _)| *f == c).map_or([0; 5], |(_, glyph)| *glyph));
        for (i, glyph) in glyphs.enumerate() {
            for (x, column) in glyph.iter().enumerate() {
                for y in (0..7).filter(|y| column >> y & 1 == 1) {
                    for row in 0..dot {
                        let at = (top + y * dot + row) * self.width + left + (6 * i + x) * dot;
                        self.still[at..at + dot].fill(225);
                    }
                }
            }
        }
    }

    /// A bar that crosses the picture once in a clip.
    fn paint_bar(&self, picture: &mut [u8], frame: u32) {
        let bar = self.width / 40;
        let x = (self.width - bar) * frame as usize / self.pictures as usize;
        for row in self.height * 2 / 5..self.noise_from() {
            picture[row * self.width + x..][..bar].fill(210);
        }
    }

    /// First row of the noise.
    fn noise_from(&self) -> usize {
        self.height * 3 / 5
    }

    /// Xorshift: the same picture each time a clip is made.
    fn next_random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_picture_carries_its_camera_and_number() {
        for size in ["160x90", "320x180", "640x480", "1920x1080", "160x2160", "3840x90"] {
            let size: Size = size.parse().unwrap();
            let mut painter = Painter::new(999, size, 5);
            for frame in [0, 1, 39] {
                let picture = painter.paint(frame);
                let (w, h) = (size.width() as usize, size.height() as usize);
                assert_eq!(mark::read(&picture, w, w, h), Some(Mark { camera: 999, frame }), "{size}");
            }
        }
    }

    #[test]
    fn every_letter_of_a_name_can_be_painted() {
        for c in (1..=999).flat_map(|n| options::name(n).into_bytes()) {
            assert!(FONT.iter().any(|(f, _)| *f == c as char), "{}", c as char);
        }
    }
}
