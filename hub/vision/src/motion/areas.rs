//! Zones and masks, as people draw them on a picture.

use super::Settings;

/// Most corners of a polygon.
const MAX_CORNERS: usize = 32;
/// The middle of a pixel, and its corners.
const PARTS: [(f32, f32); 5] = [(0.5, 0.5), (0.01, 0.01), (0.99, 0.01), (0.01, 0.99), (0.99, 0.99)];

/// A part of the picture: corners in parts of its width and height, 0 to 1, from the left and the top.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<(f32, f32)>);

impl Polygon {
    /// `None` unless it has 3 to 32 corners, all of them in the picture.
    pub fn new(corners: Vec<(f32, f32)>) -> Option<Self> {
        let inside = |(x, y): &(f32, f32)| (0.0..=1.0).contains(x) && (0.0..=1.0).contains(y);
        ((3..=MAX_CORNERS).contains(&corners.len()) && corners.iter().all(inside)).then_some(Self(corners))
    }

    /// Its corners.
    pub fn corners(&self) -> &[(f32, f32)] {
        &self.0
    }

    /// By how many of its edges a line to the right crosses: an odd number from inside.
    fn contains(&self, x: f32, y: f32) -> bool {
        let mut inside = false;
        let mut before = self.0[self.0.len() - 1];
        for &corner in &self.0 {
            let ((x0, y0), (x1, y1)) = (before, corner);
            if (y0 > y) != (y1 > y) && x < (x1 - x0) * (y - y0) / (y1 - y0) + x0 {
                inside = !inside;
            }
            before = corner;
        }
        inside
    }
}

/// Which pixels are looked at, and which count.
pub(super) struct Areas {
    /// Not masked.
    pub open: Vec<bool>,
    /// In a zone, where there are zones.
    pub counts: Vec<bool>,
}

impl Areas {
    pub(super) fn new(settings: &Settings, width: usize, height: usize) -> Self {
        let within = |polygons: &[Polygon], i: usize, (dx, dy): (f32, f32)| {
            let (x, y) = ((i % width) as f32 + dx, (i / width) as f32 + dy);
            polygons.iter().any(|p| p.contains(x / width as f32, y / height as f32))
        };
        let all = 0..width * height;
        // A pixel that is partly masked shows some of what is there.
        let masked = |i: usize| PARTS.iter().any(|part| within(&settings.masks, i, *part));
        let open: Vec<_> = all.clone().map(|i| !masked(i)).collect();
        let in_zone = |i: usize| settings.zones.is_empty() || within(&settings.zones, i, (0.5, 0.5));
        let counts = all.map(|i| open[i] && in_zone(i)).collect();
        Self { open, counts }
    }
}
