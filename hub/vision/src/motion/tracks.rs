//! Which of the things that have changed go somewhere.

use std::collections::VecDeque;
use std::time::Duration;

use super::blobs::Blob;
use super::{Bounds, Moving, Seen, Sensitivity};
use crate::attention::LONGEST_REST;

/// What is not seen for so long is gone.
const GONE: Duration = Duration::from_millis(700);
/// What is looked back on of each.
const LOOKS_BACK: Duration = Duration::from_secs(3);
/// It goes now if it was seen so lately...
const STILL_SEEN: Duration = Duration::from_millis(400);
/// ...and got on within so much time.
const GOES: Duration = Duration::from_secs(2);
/// Something has to be seen for so long, and so often, before it is believed.
const BELIEVED: Duration = Duration::from_millis(400);
const BELIEVED_TIMES: usize = 4;
/// Of the way that it took, so much must have led somewhere: what sways comes back.
const DIRECT: f32 = 0.45;
/// Among nuisances, chance puts one where the last was: so often more something has to be seen, and so straight.
const NUISANCE_TIMES: usize = 2;
const NUISANCE_DIRECT: f32 = 0.7;
/// A place on the way is the average of so much time, that a ragged edge is no way.
const PLACE: Duration = Duration::from_millis(450);
/// Most things that are followed.
const MOST: usize = 48;
/// Of what failed to be something, so many a second are a nuisance: rain, snow.
const NUISANCE: f32 = 1.5;
/// That is forgotten in so many seconds.
const NUISANCE_S: f32 = 10.0;
/// So long after something was seen to move, only key pictures may be looked at: what is in one and not in the next is no nuisance.
const RESTED: Duration = Duration::from_secs(8);
const _: () = assert!(LONGEST_REST.as_millis() < RESTED.as_millis());
/// At first, when nothing is known, it is as if there were so many, of so many times the least size.
const NUISANCE_AT_FIRST: (f32, f32) = (2.0 * NUISANCE, 3.0);

pub(super) struct Tracks {
    width: f32,
    height: f32,
    /// Pixels that something must have.
    least: f32,
    tracks: Vec<Track>,
    /// How many things a second come to nothing, and how large hardly any of them is.
    nothing: f32,
    nothing_pixels: f32,
    last: Duration,
    /// When something was last seen to move.
    moved: Option<Duration>,
}

/// What it takes to be something.
#[derive(Clone, Copy)]
struct Bar {
    pixels: f32,
    times: usize,
    direct: f32,
}

struct Track {
    since: Duration,
    seen: VecDeque<(Duration, Blob)>,
    times: usize,
    believed: bool,
}

impl Tracks {
    pub(super) fn new(sensitivity: Sensitivity, width: usize, height: usize, at: Duration) -> Self {
        let part = match sensitivity {
            Sensitivity::Low => 0.003,
            Sensitivity::Normal => 0.0007,
            Sensitivity::High => 0.0004,
        };
        let least = (part * (width * height) as f32).max(9.0);
        let (width, height) = (width as f32, height as f32);
        Self {
            width,
            height,
            least,
            tracks: Vec::new(),
            nothing: NUISANCE_AT_FIRST.0,
            nothing_pixels: least * NUISANCE_AT_FIRST.1,
            last: at,
            moved: None,
        }
    }

    pub(super) fn forget(&mut self) {
        self.tracks.clear();
    }

    /// What goes through the picture, now that these were seen in it.
    pub(super) fn see(&mut self, blobs: &[Blob], at: Duration) -> Seen {
        let step = at.saturating_sub(self.last).as_secs_f32();
        self.last = at;
        self.nothing *= (-step / NUISANCE_S).exp();
        let bar = self.bar();
        let large = |blob: &&Blob| blob.pixels as f32 >= bar.pixels;
        // Small ones are followed too: it is by what comes of them that nuisances are known.
        let mut blobs: Vec<_> = blobs.iter().filter(|blob| blob.pixels as f32 >= self.least).cloned().collect();
        blobs.sort_by_key(|blob| std::cmp::Reverse(blob.pixels));
        let suspicion = blobs.iter().filter(large).any(|blob| blob.counting as f32 >= bar.pixels / 2.0);
        // Who is sure to be something is followed no further than it is seen: there may be pictures of seconds in between.
        self.tracks.retain(|track| !track.believed || at.saturating_sub(track.last().0) <= GONE);
        // The longest known first: what is there already is what it most likely is.
        self.tracks.sort_by_key(|track| (!track.believed, track.since));
        for track in &mut self.tracks {
            let next =
                blobs.iter().enumerate().filter_map(|(i, blob)| Some((track.distance(blob, at, self.width)?, i)));
            if let Some((_, i)) = next.min_by(|a, b| a.0.total_cmp(&b.0)) {
                track.add(at, blobs.swap_remove(i));
            }
        }
        self.end(at, step);
        let free = MOST.saturating_sub(self.tracks.len());
        self.tracks.extend(blobs.into_iter().take(free).map(|blob| Track::new(at, blob)));
        for track in &mut self.tracks {
            track.believed |= track.is_something(self.width, bar);
        }
        let moving = self.tracks.iter().filter(|track| track.believed && track.goes(at, self.width, bar));
        let moving = moving.map(|track| self.moving(track, bar.pixels));
        let moving = moving.max_by(|a, b| a.score.total_cmp(&b.score));
        if moving.is_some() {
            self.moved = Some(at);
        }
        Seen { suspicion, moving }
    }

    /// Ends what is gone, and counts what never came to anything.
    fn end(&mut self, at: Duration, step: f32) {
        let (nothing, pixels) = (&mut self.nothing, &mut self.nothing_pixels);
        let rests = step > GONE.as_secs_f32() && self.moved.is_some_and(|moved| at.saturating_sub(moved) < RESTED);
        self.tracks.retain(|track| {
            let (seen, blob) = track.last();
            let stays = at.saturating_sub(*seen) <= GONE;
            if !stays && !track.believed && !rests {
                *nothing += 1.0 / NUISANCE_S;
                // Quickly up and slowly down: to where few are larger.
                let off = blob.pixels as f32 - *pixels;
                *pixels += off * if off > 0.0 { 0.2 } else { 0.01 };
            }
            stays
        });
    }

    /// What it takes now: more where much comes to nothing.
    fn bar(&self) -> Bar {
        if self.nothing > NUISANCE {
            let pixels = self.least.max(self.nothing_pixels * 1.3);
            Bar { pixels, times: BELIEVED_TIMES + NUISANCE_TIMES, direct: NUISANCE_DIRECT }
        } else {
            Bar { pixels: self.least, times: BELIEVED_TIMES, direct: DIRECT }
        }
    }

    fn moving(&self, track: &Track, least: f32) -> Moving {
        let (_, blob) = track.last();
        let pixels = blob.pixels as f32;
        let bounds = Bounds {
            left: blob.left as f32 / self.width,
            top: blob.top as f32 / self.height,
            width: (blob.right - blob.left) as f32 / self.width,
            height: (blob.bottom - blob.top) as f32 / self.height,
        };
        // Faint and small is little, clear and large is much; both by how far they are beyond what it takes.
        let clear = (blob.strength - 1.0) / 2.0 + (pixels / least - 1.0) / 8.0;
        Moving {
            since: track.since,
            score: 1.0 - (-0.3 - clear.max(0.0)).exp(),
            area: pixels / (self.width * self.height),
            bounds,
        }
    }
}

impl Track {
    fn new(at: Duration, blob: Blob) -> Self {
        Self { since: at, seen: VecDeque::from([(at, blob)]), times: 1, believed: false }
    }

    fn last(&self) -> &(Duration, Blob) {
        self.seen.back().expect("a track begins with a blob and keeps its last one")
    }

    fn add(&mut self, at: Duration, blob: Blob) {
        self.times += 1;
        self.seen.push_back((at, blob));
        while self.seen.len() > 1 && self.seen.front().is_some_and(|(seen, _)| at - *seen > LOOKS_BACK) {
            self.seen.pop_front();
        }
    }

    /// How far a blob is from where it should be by now; `None` if it can hardly be the same.
    fn distance(&self, blob: &Blob, at: Duration, width: f32) -> Option<f32> {
        let (seen, last) = self.last();
        let step = at.saturating_sub(*seen).as_secs_f32();
        if step == 0.0 {
            return None;
        }
        let speed = self.speed();
        let (dx, dy) = (blob.middle.0 - last.middle.0 - speed.0 * step, blob.middle.1 - last.middle.1 - speed.1 * step);
        let size = ((last.right - last.left).max(last.bottom - last.top)) as f32;
        // It may be torn in pieces or grow together, and turn.
        let ratio = blob.pixels as f32 / last.pixels as f32;
        let distance = dx.hypot(dy);
        let reach = size / 2.0 + width * (0.02 + 0.075 * step);
        ((0.2..=5.0).contains(&ratio) && distance <= reach).then_some(distance)
    }

    /// Pixels a second, as far as it was seen.
    fn speed(&self) -> (f32, f32) {
        let Some((before, first)) = self.seen.iter().rev().nth(3).or(self.seen.front()) else { return (0.0, 0.0) };
        let (now, last) = self.last();
        let time = (*now - *before).as_secs_f32();
        if time < 0.15 {
            return (0.0, 0.0);
        }
        ((last.middle.0 - first.middle.0) / time, (last.middle.1 - first.middle.1) / time)
    }

    fn is_something(&self, width: f32, bar: Bar) -> bool {
        let long = self.last().0 - self.since >= BELIEVED && self.times >= bar.times;
        let seen = self.seen.iter().map(|(_, blob)| blob);
        let pixels = seen.clone().map(|blob| blob.pixels as f32).sum::<f32>() / self.seen.len() as f32;
        let counts = seen.map(|blob| blob.counting).max().unwrap_or_default() as f32 >= bar.pixels / 2.0;
        long && counts
            && pixels >= bar.pixels
            && self.way(LOOKS_BACK).is_some_and(|way| way.leads(width, bar.direct, 1.0))
    }

    /// Has it gone anywhere lately, where it counts?
    fn goes(&self, at: Duration, width: f32, bar: Bar) -> bool {
        let (seen, blob) = self.last();
        at - *seen <= STILL_SEEN
            && blob.counting as f32 >= bar.pixels / 2.0
            && self.way(GOES).is_some_and(|way| way.leads(width, bar.direct, 0.5))
    }

    /// The way that it took in the last time.
    fn way(&self, back: Duration) -> Option<Way> {
        let now = self.last().0;
        let mut places: Vec<(Duration, f32, [f32; 6])> = Vec::new();
        let mut sizes = (0.0, 0.0);
        for (at, blob) in self.seen.iter().filter(|(at, _)| now - *at <= back) {
            let place = [
                blob.middle.0,
                blob.middle.1,
                blob.left as f32,
                blob.right as f32,
                blob.top as f32,
                blob.bottom as f32,
            ];
            sizes = (sizes.0 + 1.0, sizes.1 + (blob.right - blob.left).min(blob.bottom - blob.top) as f32);
            match places.last_mut() {
                Some((from, count, sum)) if *at - *from < PLACE => {
                    *count += 1.0;
                    sum.iter_mut().zip(place).for_each(|(sum, place)| *sum += place);
                }
                _ => places.push((*at, 1.0, place)),
            }
        }
        let places: Vec<_> = places.into_iter().map(|(_, count, sum)| sum.map(|sum| sum / count)).collect();
        let (first, last) = (places.first()?, places.last()?);
        let step = |a: &[f32; 6], b: &[f32; 6]| (a[0] - b[0]).hypot(a[1] - b[1]);
        let length = places.windows(2).map(|pair| step(&pair[0], &pair[1])).sum();
        let edges = (2..6).map(|edge| {
            let length: f32 = places.windows(2).map(|pair| (pair[0][edge] - pair[1][edge]).abs()).sum();
            ((first[edge] - last[edge]).abs(), length)
        });
        let edge = edges.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(Way { far: step(first, last), length, edge, size: sizes.1 / sizes.0 })
    }
}

/// Where something got, and by which way.
struct Way {
    /// From where it was to where it is, by its middle.
    far: f32,
    /// As it went.
    length: f32,
    /// The same of the edge that got farthest: what comes towards the camera grows.
    edge: (f32, f32),
    /// The shorter side.
    size: f32,
}

impl Way {
    /// Does it lead anywhere? `part`: of how far it has to.
    fn leads(&self, width: f32, direct: f32, part: f32) -> bool {
        let far = (width * 0.03).max(self.size * 0.3) * part;
        let goes = self.far >= far && self.far >= self.length * direct;
        let grows = self.edge.0 >= far * 2.0 && self.edge.0 >= self.edge.1 * 0.75;
        goes || grows
    }
}
