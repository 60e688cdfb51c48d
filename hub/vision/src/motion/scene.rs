//! What the picture is like when nothing happens, and which pixels are not as it says.
//!
//! Each pixel is compared by its **structure**: the logarithm of its brightness, less the average of what is around it. Where
//! the light changes, all of that around changes by the same factor, and the structure stays: a cloud, a car's lights on a
//! wall, the camera's exposure. What has edges of its own, a person, changes it. What is masked is no part of any average: whatever
//! happens there changes nothing beside it.
//!
//! Of each pixel's structure the mean and the usual deviation are learnt. What its neighbours are like is taken for less of a
//! change, and for none while the camera shakes: then each pixel finds its match beside.

use std::time::Duration;

use super::Sensitivity;
use super::areas::Areas;
use crate::grey::Grey;

/// Pixels on each side that make the average around a pixel.
const AROUND: usize = 10;
/// Added to brightness before its logarithm, that the noise of black is not large.
const DARK: f32 = 16.0;
/// At first all that comes is learnt, and nothing is found.
const LEARNS: Duration = Duration::from_secs(2);
/// The same once everything was another at once: exposure and focus settle.
const SETTLES: Duration = Duration::from_secs(2);
/// What stays is learnt in so many seconds...
const MEAN_S: f32 = 12.0;
/// ...and where something has changed in so many: a person who stands still for a while is no part of the scene yet.
const CHANGED_MEAN_S: f32 = 45.0;
/// The deviation of a pixel is learnt in so many seconds; a gust in a tree is not to be reported for long.
const SPREAD_S: f32 = 8.0;
/// As a logarithm: about one fifth of brightness. What differs more says no more of a pixel's usual deviation.
const MOST_SPREAD: f32 = 0.2;
/// How far a camera's picture shakes at most, in pixels.
const SHAKE: isize = 4;
/// What a pixel's neighbours are like is by so much its own while nothing shakes...
const NEIGHBOURS: f32 = 0.35;
/// ...which is so again some seconds after it has.
const SHAKES_S: f32 = 10.0;
/// By so much, as a logarithm, the picture as a whole is brighter or darker at once only if a lamp is lit, or the camera's own
/// light or exposure changes.
const LIGHT: f32 = 0.3;
/// The whole picture has changed if so much of it has, in so many of its tiles.
const ALL_CHANGED: f32 = 0.18;
const TILES: (usize, usize) = (6, 4);
const TILES_CHANGED: usize = 16;
const TILE_CHANGED: f32 = 0.08;

pub(super) struct Scene {
    width: usize,
    height: usize,
    around: Around,
    mean: Vec<f32>,
    spread: Vec<f32>,
    began: Duration,
    settled: Duration,
    /// What a pixel may differ by, and how many of its usual deviations.
    limit: f32,
    spreads: f32,
    logs: Vec<f32>,
    /// How bright the last picture was.
    light: f32,
    /// Whether it shakes: 1 if so just now, and then less and less.
    shakes: f32,
}

impl Scene {
    pub(super) fn new(picture: &Grey, at: Duration, sensitivity: Sensitivity, areas: &Areas) -> Self {
        let (limit, spreads) = match sensitivity {
            Sensitivity::Low => (0.07, 4.0),
            Sensitivity::Normal => (0.045, 3.0),
            Sensitivity::High => (0.03, 2.5),
        };
        let logs: Vec<_> = (0..256).map(|grey| (grey as f32 + DARK).ln()).collect();
        let (width, height) = (picture.width(), picture.height());
        let around = Around::new(areas, width, height);
        let (mean, light) = around.structure(picture, &logs);
        let spread = vec![limit / 2.0 / spreads; mean.len()];
        Self {
            width,
            height,
            around,
            mean,
            spread,
            began: at,
            settled: at + LEARNS,
            limit,
            spreads,
            logs,
            light,
            shakes: 0.0,
        }
    }

    /// Is it of this size?
    pub(super) fn is_of(&self, picture: &Grey) -> bool {
        (self.width, self.height) == (picture.width(), picture.height())
    }

    /// Is so little known of it that what it finds says nothing?
    pub(super) fn learns(&self, at: Duration) -> bool {
        at < self.settled
    }

    /// How far beyond its limit each pixel is, up to 1 not at all. `None` if all has changed.
    pub(super) fn see(&mut self, picture: &Grey, at: Duration, step: Duration) -> Option<Vec<f32>> {
        let (structure, light) = self.around.structure(picture, &self.logs);
        let flash = (light - std::mem::replace(&mut self.light, light)).abs() > LIGHT;
        let shake = self.shake(&structure);
        self.shakes = if shake == (0, 0) { self.shakes * (-step.as_secs_f32() / SHAKES_S).exp() } else { 1.0 };
        let neighbours = NEIGHBOURS + (1.0 - NEIGHBOURS) * self.shakes;
        let now = shifted(structure.clone(), self.width, shake);
        let (low, high) = (self.around(&self.mean, less), self.around(&self.mean, more));
        let spread = self.around(&self.spread, more);
        let pixels = now.iter().zip(&self.mean).zip(low.iter().zip(&high)).zip(spread.iter().zip(&self.around.open));
        let changed: Vec<f32> = pixels
            .map(|(((now, mean), (low, high)), (spread, open))| {
                let off = now - mean;
                let beyond = more(off - (high - mean) * neighbours, (low - mean) * neighbours - off);
                more(beyond, 0.0) / (self.limit + self.spreads * spread) * open
            })
            .collect();
        if flash || self.all_changed(&changed) {
            self.mean = structure;
            self.settled = self.settled.max(at + SETTLES);
            return None;
        }
        self.learn(&now, &changed, at, step);
        Some(changed)
    }

    fn learn(&mut self, now: &[f32], changed: &[f32], at: Duration, step: Duration) {
        let learns = self.learns(at);
        let part = |seconds: f32| 1.0 - (-step.as_secs_f32() / seconds).exp();
        // At first the mean of all there was.
        let first = (step.as_secs_f32() / (at - self.began).as_secs_f32().max(0.1)).min(1.0);
        let (mean, of_changed, spread) = (part(MEAN_S).max(first), part(CHANGED_MEAN_S), part(SPREAD_S));
        let mean = if learns { mean.max(part(1.0)) } else { mean };
        // Where something has changed the deviation is learnt too: what sways does so for long.
        let (of_changed, spread_of_changed) = if learns { (mean, spread) } else { (of_changed, spread / 3.0) };
        let known = self.mean.iter_mut().zip(&mut self.spread);
        for ((is, deviates), (now, changed)) in known.zip(now.iter().zip(changed)) {
            let off = now - *is;
            let quick = *changed <= 1.0;
            *is += off * if quick { mean } else { of_changed };
            *deviates += (less(off.abs(), MOST_SPREAD) - *deviates) * if quick { spread } else { spread_of_changed };
        }
    }

    /// Has a large part of the picture changed, and nearly all over it?
    fn all_changed(&self, changed: &[f32]) -> bool {
        let mut counts = [0usize; TILES.0 * TILES.1];
        for (y, row) in changed.chunks(self.width).enumerate() {
            for (x, _) in row.iter().enumerate().filter(|(_, c)| **c > 1.0) {
                counts[y * TILES.1 / self.height * TILES.0 + x * TILES.0 / self.width] += 1;
            }
        }
        let all: usize = counts.iter().sum();
        let tile = changed.len() as f32 / counts.len() as f32;
        let tiles = counts.iter().filter(|count| **count as f32 > tile * TILE_CHANGED).count();
        all as f32 > changed.len() as f32 * ALL_CHANGED && tiles >= TILES_CHANGED
    }

    /// By how much the picture is off its place: where it fits best, if that is clearly better than as it is. Every fourth pixel of
    /// every fourth row says so.
    fn shake(&self, now: &[f32]) -> (isize, isize) {
        const EVERY: usize = SHAKE as usize;
        let (width, across) = (self.width, (self.width - 1) / EVERY - 1);
        let every = |row: &[f32]| -> Vec<f32> { row.chunks(EVERY).map(|pixels| pixels[0]).collect() };
        let ys = || (EVERY..self.height - EVERY).step_by(EVERY);
        let mean: Vec<_> = ys().map(|y| every(&self.mean[y * width + EVERY..][..width - EVERY])).collect();
        // Of each row, one beside the other what lies so far apart: what is compared lies side by side then.
        let now: Vec<[_; EVERY]> =
            now.chunks_exact(width).map(|row| std::array::from_fn(|from| every(&row[from..]))).collect();
        let cost = |(dx, dy): (isize, isize)| {
            let from = EVERY.saturating_add_signed(dx);
            let mut costs = vec![0.0; across];
            for (y, mean) in ys().zip(&mean) {
                let now = &now[y.saturating_add_signed(dy)][from % EVERY][from / EVERY..];
                costs.iter_mut().zip(now.iter().zip(mean)).for_each(|(cost, (now, mean))| {
                    *cost += less((now - mean).abs(), MOST_SPREAD);
                });
            }
            costs.into_iter().sum::<f32>()
        };
        let as_it_is = cost((0, 0));
        let all = (-SHAKE..=SHAKE).flat_map(|dy| (-SHAKE..=SHAKE).map(move |dx| (dx, dy)));
        let best = all.map(|shift| (cost(shift), shift)).min_by(|a, b| a.0.total_cmp(&b.0));
        best.filter(|(cost, _)| *cost < as_it_is * 0.8).map_or((0, 0), |(_, shift)| shift)
    }

    /// Of each pixel and its neighbours, the least or the most.
    fn around(&self, of: &[f32], pick: impl Fn(f32, f32) -> f32) -> Vec<f32> {
        let (width, height) = (self.width, self.height);
        let mut across = Vec::with_capacity(of.len());
        for row in of.chunks_exact(width) {
            let (left, right) = (&row[..width - 2], &row[2..]);
            across.push(pick(row[0], row[1]));
            across.extend(
                left.iter().zip(&row[1..]).zip(right).map(|((left, here), right)| pick(pick(*left, *here), *right)),
            );
            across.push(pick(row[width - 2], row[width - 1]));
        }
        let row = |y: usize| &across[y * width..][..width];
        let mut all = Vec::with_capacity(of.len());
        for y in 0..height {
            let (above, below) = (row(y.saturating_sub(1)), row((y + 1).min(height - 1)));
            all.extend(
                above.iter().zip(row(y)).zip(below).map(|((above, here), below)| pick(pick(*above, *here), *below)),
            );
        }
        all
    }
}

/// The lesser one, as one instruction: nothing here is no number.
fn less(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The greater one.
fn more(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// What is around each pixel, without what is masked.
struct Around {
    width: usize,
    height: usize,
    /// 1 where a pixel is looked at, else 0.
    open: Vec<f32>,
    /// One by how many of the pixels around each one are looked at; 0 where it is not.
    per: Vec<f32>,
    /// The same of all.
    per_all: f32,
}

impl Around {
    fn new(areas: &Areas, width: usize, height: usize) -> Self {
        let open: Vec<f32> = areas.open.iter().map(|open| f32::from(u8::from(*open))).collect();
        let counts = sums(&open, width, height);
        let per = open.iter().zip(&counts).map(|(open, count)| if *open > 0.0 { 1.0 / count } else { 0.0 }).collect();
        let per_all = 1.0 / open.iter().sum::<f32>().max(1.0);
        Self { width, height, open, per, per_all }
    }

    /// The logarithm of each pixel's brightness, less its average around, 0 where it is masked; and the average of all.
    fn structure(&self, picture: &Grey, logs: &[f32]) -> (Vec<f32>, f32) {
        let pixels = picture.pixels().iter().zip(&self.open);
        let mut log: Vec<f32> = pixels.map(|(grey, open)| logs[usize::from(*grey)] * open).collect();
        let mut columns = vec![0.0; self.width];
        log.chunks_exact(self.width).for_each(|row| columns.iter_mut().zip(row).for_each(|(sum, log)| *sum += log));
        let light = columns.into_iter().sum::<f32>() * self.per_all;
        let sums = sums(&log, self.width, self.height);
        for ((log, sum), (per, open)) in log.iter_mut().zip(&sums).zip(self.per.iter().zip(&self.open)) {
            *log = (*log - sum * per) * open;
        }
        (log, light)
    }
}

/// Of each pixel the sum of those around it.
fn sums(of: &[f32], width: usize, height: usize) -> Vec<f32> {
    let row = |y: usize| &of[y * width..][..width];
    let add = |sum: &mut [f32], row: &[f32]| sum.iter_mut().zip(row).for_each(|(sum, of)| *sum += of);
    let take = |sum: &mut [f32], row: &[f32]| sum.iter_mut().zip(row).for_each(|(sum, of)| *sum -= of);
    // Of each column, with as many zeros on both sides as are added up: the sums of the edge are as all others.
    let mut columns = vec![0.0; AROUND + width + AROUND + 1];
    (0..AROUND.min(height)).for_each(|y| add(&mut columns[AROUND + 1..], row(y)));
    let mut all = Vec::with_capacity(of.len());
    for y in 0..height {
        if y + AROUND < height {
            add(&mut columns[AROUND + 1..], row(y + AROUND));
        }
        if y > AROUND {
            take(&mut columns[AROUND + 1..], row(y - AROUND - 1));
        }
        let mut sum: f32 = columns[..2 * AROUND + 1].iter().sum();
        all.extend(columns.iter().zip(&columns[2 * AROUND + 1..]).map(|(gone, new)| {
            sum += new - gone;
            sum
        }));
    }
    all
}

fn shifted(of: Vec<f32>, width: usize, (dx, dy): (isize, isize)) -> Vec<f32> {
    if (dx, dy) == (0, 0) {
        return of;
    }
    let height = of.len() / width;
    let within = |at: usize, by: isize, len: usize| at.saturating_add_signed(by).min(len - 1);
    (0..of.len()).map(|i| of[within(i / width, dy, height) * width + within(i % width, dx, width)]).collect()
}
