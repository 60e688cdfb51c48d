//! Pixels that have changed and lie together.

use super::areas::Areas;

/// Pieces of one thing may be so many pixels apart: of a person whose coat has the wall's grey only the edges are seen.
const REACH: usize = 3;

/// Something that is not as it was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Blob {
    /// Edges in pixels; right and bottom are past it.
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
    /// Pixels that have changed.
    pub pixels: usize,
    /// How far beyond its limit a pixel of it is, on average: 1 is just so.
    pub strength: f32,
    /// Where the middle of its pixels is.
    pub middle: (f32, f32),
    /// Pixels of it that count.
    pub counting: usize,
}

/// All of them. `changed`: how far beyond its limit each pixel is, up to 1 not at all.
pub(super) fn find(changed: &[f32], width: usize, areas: &Areas) -> Vec<Blob> {
    let height = changed.len() / width;
    let on = opened(changed, width, height);
    if !on.contains(&true) {
        return Vec::new();
    }
    let near = widened(&on, width, height);
    let mut left = near;
    let mut blobs = Vec::new();
    let mut todo = Vec::new();
    for start in 0..left.len() {
        if !left[start] {
            continue;
        }
        left[start] = false;
        todo.push(start);
        let mut blob = Blob {
            left: width,
            top: height,
            right: 0,
            bottom: 0,
            pixels: 0,
            strength: 0.0,
            middle: (0.0, 0.0),
            counting: 0,
        };
        while let Some(i) = todo.pop() {
            let (x, y) = (i % width, i / width);
            if on[i] {
                (blob.left, blob.right) = (blob.left.min(x), blob.right.max(x + 1));
                (blob.top, blob.bottom) = (blob.top.min(y), blob.bottom.max(y + 1));
                blob.pixels += 1;
                blob.strength += changed[i];
                blob.middle = (blob.middle.0 + x as f32, blob.middle.1 + y as f32);
                blob.counting += usize::from(areas.counts[i]);
            }
            for y in y.saturating_sub(1)..(y + 2).min(height) {
                for x in x.saturating_sub(1)..(x + 2).min(width) {
                    if std::mem::take(&mut left[y * width + x]) {
                        todo.push(y * width + x);
                    }
                }
            }
        }
        if blob.pixels > 0 {
            let count = blob.pixels as f32;
            blob.strength /= count;
            blob.middle = (blob.middle.0 / count + 0.5, blob.middle.1 / count + 0.5);
            blobs.push(blob);
        }
    }
    blobs
}

/// Without what is thin: a drop's streak, a line where the camera shook. What has at least four changed neighbours stays.
fn opened(changed: &[f32], width: usize, height: usize) -> Vec<bool> {
    let mut across = Vec::with_capacity(changed.len());
    for row in changed.chunks_exact(width) {
        let one = |pixel: &f32| u8::from(*pixel > 1.0);
        across.push(one(&row[0]) + one(&row[1]));
        across.extend(
            row.iter().zip(&row[1..]).zip(&row[2..]).map(|((left, here), right)| one(left) + one(here) + one(right)),
        );
        across.push(one(&row[width - 2]) + one(&row[width - 1]));
    }
    let nothing = vec![0; width];
    let row = |y: usize| across.get(y.wrapping_mul(width)..).and_then(|rows| rows.get(..width)).unwrap_or(&nothing);
    let mut on = Vec::with_capacity(changed.len());
    for y in 0..height {
        let counts = row(y.wrapping_sub(1)).iter().zip(row(y)).zip(row(y + 1));
        let here = &changed[y * width..][..width];
        on.extend(counts.zip(here).map(|(((above, here), below), pixel)| (*pixel > 1.0) & (above + here + below >= 5)));
    }
    on
}

/// With what is near it.
fn widened(on: &[bool], width: usize, height: usize) -> Vec<bool> {
    let mut across = vec![false; on.len()];
    for (row, on) in across.chunks_mut(width).zip(on.chunks(width)) {
        for x in (0..width).filter(|x| on[*x]) {
            row[x.saturating_sub(REACH)..(x + REACH + 1).min(width)].fill(true);
        }
    }
    let mut all = across.clone();
    for y in 0..height {
        for near in y.saturating_sub(REACH)..(y + REACH + 1).min(height) {
            if near != y {
                let pixels = all[y * width..][..width].iter_mut().zip(&across[near * width..]);
                pixels.for_each(|(pixel, near)| *pixel |= near);
            }
        }
    }
    all
}
