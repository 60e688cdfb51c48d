//! Films that are made, with their truth: people who walk in, and all that moves though nobody is there. The same seed gives the
//! same film, on every machine.

#![allow(dead_code, reason = "tests and the bench each use a part")]

pub mod day;

use std::f32::consts::{PI, TAU};

pub const WIDTH: usize = 640;
pub const HEIGHT: usize = 360;
/// Pictures a second, as of a small stream.
pub const FPS: usize = 6;
/// Seconds that a film lasts.
pub const SECONDS: usize = 60;

/// One film.
#[derive(Clone)]
pub struct Film {
    pub name: String,
    /// What it is to show: films of a class are counted together.
    pub class: &'static str,
    pub seed: u32,
    pub walks: Vec<Walk>,
    pub night: bool,
    /// Grey levels by which a pixel is off, as a standard deviation.
    pub noise: f32,
    /// Streaks in a picture.
    pub rain: usize,
    pub tree: bool,
    /// Pixels by which the camera swings.
    pub shake: f32,
    pub lamp: bool,
    pub infrared: bool,
    pub headlights: bool,
    pub clouds: bool,
    /// How much of its detail a picture has lost by the end of a group of pictures, 0 to 1.
    pub pumping: f32,
}

/// Somebody walks through.
#[derive(Clone, Copy)]
pub struct Walk {
    /// Seconds from the film's beginning.
    pub at: f32,
    /// Part of the picture's height.
    pub size: f32,
    /// Grey levels brighter than what is behind.
    pub contrast: f32,
    /// From the left, the right, or from afar towards the camera.
    pub way: Way,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    Right,
    Left,
    Nearer,
}

impl Walk {
    /// A person of 1.75 m walks 1.3 m a second.
    fn speed(&self) -> f32 {
        self.size * HEIGHT as f32 * 0.74
    }
    /// Seconds that it takes.
    fn lasts(&self) -> f32 {
        match self.way {
            Way::Nearer => 9.0,
            _ => ((WIDTH as f32 + self.size * HEIGHT as f32 * 0.4) / self.speed()).min(24.0),
        }
    }
    /// Where its feet are, and how tall it is, in pixels; `None` if it is not there.
    fn place(&self, t: f32) -> Option<(f32, f32, f32)> {
        let gone = t - self.at;
        if !(0.0..self.lasts()).contains(&gone) {
            return None;
        }
        let tall = self.size * HEIGHT as f32;
        let ground = HEIGHT as f32 * (0.62 + 0.36 * self.size.min(1.0));
        let half = tall * 0.2;
        Some(match self.way {
            Way::Right => (gone * self.speed() - half, ground, tall),
            Way::Left => (WIDTH as f32 + half - gone * self.speed(), ground, tall),
            // From a door in the house, until it is that tall.
            Way::Nearer => {
                let near = gone / self.lasts();
                (330.0 + 60.0 * near, HEIGHT as f32 * (0.55 + 0.4 * near), tall * (0.35 + 0.65 * near))
            }
        })
    }
}

impl Film {
    fn of(class: &'static str, name: String, seed: u32) -> Self {
        Self {
            name,
            class,
            seed,
            walks: Vec::new(),
            night: false,
            noise: 2.0,
            rain: 0,
            tree: false,
            shake: 0.0,
            lamp: false,
            infrared: false,
            headlights: false,
            clouds: false,
            pumping: 0.1,
        }
    }

    pub fn len(&self) -> usize {
        SECONDS * FPS
    }

    /// When somebody is there, in seconds.
    pub fn truth(&self) -> Vec<(f32, f32)> {
        let mut spans: Vec<_> = self.walks.iter().map(|w| (w.at, w.at + w.lasts())).collect();
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        spans
    }

    /// Its painter: pictures are asked for one after the other.
    pub fn painter(&self) -> Painter {
        Painter::new(self.clone())
    }
}

/// All films; another round is the same with other seeds: what was not looked at while limits were chosen. Walk-ins of four sizes and five contrasts, by day and by night; what is none; and both together.
pub fn all(round: u32) -> Vec<Film> {
    let mut films = Vec::new();
    let walk = |at, size, contrast, way| Walk { at, size, contrast, way };
    for (i, size) in [0.12, 0.2, 0.35, 0.6].into_iter().enumerate() {
        for (j, contrast) in [-60.0, -22.0, 22.0, 45.0].into_iter().enumerate() {
            let mut film = Film::of("walk-ins", format!("walk-{:.0}-{contrast:+.0}", size * 100.0), (i * 7 + j) as u32);
            film.night = (i + j) % 3 == 2;
            let (first, second) = if j % 2 == 0 { (Way::Right, Way::Left) } else { (Way::Left, Way::Right) };
            film.walks = vec![walk(8.0, size, contrast, first), walk(36.0, size, contrast, second)];
            films.push(film);
        }
    }
    for (i, contrast) in [-45.0, -22.0, 30.0].into_iter().enumerate() {
        let mut film = Film::of("walk-ins", format!("nearer-{contrast:+.0}"), 40 + i as u32);
        film.walks = vec![walk(9.0, 0.5, contrast, Way::Nearer), walk(35.0, 0.3, contrast, Way::Nearer)];
        films.push(film);
    }
    type Change = fn(&mut Film);
    let trouble: [(&'static str, Change); 10] = [
        ("noise", |f| (f.noise, f.night) = (9.0, true)),
        ("rain", |f| f.rain = 140),
        ("tree", |f| f.tree = true),
        ("shake", |f| f.shake = 5.0),
        ("lamp", |f| (f.lamp, f.night) = (true, true)),
        ("infrared", |f| f.infrared = true),
        ("headlights", |f| (f.headlights, f.night) = (true, true)),
        ("clouds", |f| f.clouds = true),
        ("pumping", |f| f.pumping = 0.75),
        ("all weather", |f| (f.rain, f.tree, f.shake, f.clouds, f.noise) = (80, true, 3.0, true, 4.0)),
    ];
    for (i, (class, change)) in trouble.into_iter().enumerate() {
        let mut empty = Film::of(class, format!("{class}-nobody"), 60 + i as u32);
        change(&mut empty);
        let mut walked = Film { name: format!("{class}-walks"), seed: 90 + i as u32, ..empty.clone() };
        walked.walks = vec![walk(9.0, 0.35, -40.0, Way::Right), walk(46.0, 0.25, 45.0, Way::Left)];
        films.extend([empty, walked]);
    }
    for film in &mut films {
        film.seed += 1_000 * round;
    }
    films
}

/// Random numbers that are always the same.
#[derive(Clone)]
struct Dice(u32);

impl Dice {
    fn new(seed: u32) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9) ^ 0x85eb_ca6b);
        for _ in 0..4 {
            dice.next();
        }
        dice
    }
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mixed = (self.0 ^ (self.0 >> 15)).wrapping_mul(0x2c1b_3c6d);
        mixed ^ (mixed >> 13)
    }
    /// From 0 to 1.
    fn part(&mut self) -> f32 {
        (self.next() >> 8) as f32 / (1 << 24) as f32
    }
    fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.part()
    }
    /// About normal, of deviation 1.
    fn normal(&mut self) -> f32 {
        (0..4).map(|_| self.part()).sum::<f32>() * 1.732 - 3.464
    }
}

/// Paints a film's pictures.
pub struct Painter {
    film: Film,
    /// What is there when nothing is, in grey levels, and as infrared light shows it.
    day: Vec<f32>,
    infrared: Vec<f32>,
    /// Noise to take from at random places.
    noise: Vec<f32>,
    /// Where the lamp's light falls, with hard shadows.
    lit: Vec<f32>,
    swing: (f32, f32),
}

impl Painter {
    fn new(film: Film) -> Self {
        let mut dice = Dice::new(film.seed);
        let day = yard(&mut dice.clone(), 1.0);
        let infrared = yard(&mut dice, -0.6);
        let noise = (0..1 << 16).map(|_| dice.normal() * film.noise).collect();
        let lit = lamp(&mut dice);
        Self { film, day, infrared, noise, lit, swing: (0.0, 0.0) }
    }

    /// The picture of that number.
    pub fn picture(&mut self, number: usize) -> Vec<u8> {
        let t = number as f32 / FPS as f32;
        let mut dice = Dice::new(self.film.seed.wrapping_mul(7_919).wrapping_add(number as u32));
        let mut picture = self.scene(t);
        self.light(&mut picture, t);
        for walk in &self.film.walks {
            if let Some(place) = walk.place(t) {
                person(&mut picture, WIDTH, place, walk.contrast, t, self.film.night);
            }
        }
        if self.film.infrared {
            settling(&mut picture, t);
        }
        if self.film.shake > 0.0 {
            let strong = if (18.0..44.0).contains(&t) { self.film.shake } else { self.film.shake * 0.3 };
            self.swing.0 = self.swing.0 * 0.6 + dice.normal() * strong * 0.7;
            self.swing.1 = self.swing.1 * 0.6 + dice.normal() * strong * 0.5;
            picture = moved(&picture, self.swing.0.round() as isize, self.swing.1.round() as isize);
        }
        for _ in 0..self.film.rain {
            drop(&mut picture, &mut dice);
        }
        for row in picture.chunks_mut(WIDTH) {
            // Another piece of noise for each row, so that no pattern moves.
            let noise = &self.noise[dice.next() as usize % (self.noise.len() - WIDTH)..];
            row.iter_mut().zip(noise).for_each(|(pixel, noise)| *pixel += noise);
        }
        // Like a coder's: blocks lose detail from key picture to key picture, every two seconds.
        let lost = self.film.pumping * (number % (2 * FPS)) as f32 / (2 * FPS) as f32;
        coarser(&mut picture, lost, 2.5 * self.film.pumping * (number % (2 * FPS)) as f32 / (2 * FPS) as f32);
        picture.iter().map(|p| p.round().clamp(0.0, 255.0) as u8).collect()
    }

    fn scene(&self, t: f32) -> Vec<f32> {
        let infrared = self.film.infrared && (20.0..42.0).contains(&t);
        let mut picture = if infrared { self.infrared.clone() } else { self.day.clone() };
        if self.film.tree {
            // A crown at the upper left, in gusts; each of its branches a little later than the next.
            let gust = if (15.0..30.0).contains(&t) || t > 40.0 { 9.0 } else { 2.0 };
            let still = picture.clone();
            for y in 20..190 {
                for x in 20..230 {
                    let (cx, cy) = ((x as f32 - 125.0) / 105.0, (y as f32 - 105.0) / 85.0);
                    let inside = 1.0 - (cx * cx + cy * cy);
                    if inside > 0.0 {
                        let phase = x as f32 * 0.021 + y as f32 * 0.034;
                        let by = gust
                            * inside.sqrt()
                            * ((t * TAU * 0.55 + phase).sin() + 0.5 * (t * TAU * 1.3 + 2.0 * phase).sin());
                        let from = (x as f32 + by).clamp(0.0, WIDTH as f32 - 1.0) as usize;
                        let up = (y as f32 + by * 0.4).clamp(0.0, HEIGHT as f32 - 1.0) as usize;
                        picture[y * WIDTH + x] = still[up * WIDTH + from];
                    }
                }
            }
        }
        picture
    }

    fn light(&self, picture: &mut [f32], t: f32) {
        let film = &self.film;
        if film.night {
            picture.iter_mut().for_each(|p| *p *= 0.38);
        }
        if film.lamp && (20.0..40.0).contains(&t) {
            let on = ((t - 20.0) / 0.3).min(1.0);
            picture.iter_mut().zip(&self.lit).for_each(|(p, lit)| *p *= 1.0 + on * lit);
        }
        if film.clouds {
            for (i, four) in picture.chunks_mut(4).enumerate() {
                let (x, y) = ((i * 4 % WIDTH) as f32, (i * 4 / WIDTH) as f32);
                let shadow =
                    (((x + 0.6 * y) / 260.0 - t * 0.35).sin() + 0.6 * ((x - y) / 410.0 + t * 0.21).sin()) * 0.5;
                four.iter_mut().for_each(|p| *p *= 0.75 + 0.25 * shadow);
            }
        }
        if film.headlights {
            for (from, back) in [(14.0, false), (27.0, true), (33.0, false), (52.0, true)] {
                let gone = (t - from) / 3.0;
                if (0.0..1.0).contains(&gone) {
                    let along = if back { 1.0 - gone } else { gone };
                    let (cx, cy) = (-150.0 + along * (WIDTH as f32 + 300.0), 150.0 + 30.0 * (along * PI).sin());
                    for (i, p) in picture.iter_mut().enumerate() {
                        let (dx, dy) = (((i % WIDTH) as f32 - cx) / 130.0, ((i / WIDTH) as f32 - cy) / 80.0);
                        *p *= 1.0 + 2.2 * (-(dx * dx + dy * dy)).exp();
                    }
                }
            }
        }
    }
}

/// A house, a door, windows, a fence, a path: edges and textures. `turn` below 0 is how other light shows it.
fn yard(dice: &mut Dice, turn: f32) -> Vec<f32> {
    let mut picture = vec![0.0; WIDTH * HEIGHT];
    let tone = |grey: f32| if turn < 0.0 { 150.0 + (grey - 110.0) * turn } else { grey };
    for (i, p) in picture.iter_mut().enumerate() {
        let y = (i / WIDTH) as f32 / HEIGHT as f32;
        *p = tone(if y < 0.25 {
            185.0 - 60.0 * y
        } else if y < 0.6 {
            120.0
        } else {
            95.0 + 40.0 * (y - 0.6)
        });
    }
    let mut rect = |x: f32, y: f32, w: f32, h: f32, grey: f32| {
        for y in y.max(0.0) as usize..((y + h) as usize).min(HEIGHT) {
            for x in x.max(0.0) as usize..((x + w) as usize).min(WIDTH) {
                picture[y * WIDTH + x] = grey;
            }
        }
    };
    let house = dice.between(240.0, 300.0);
    rect(house, 60.0, 300.0, 160.0, tone(dice.between(130.0, 160.0)));
    rect(house + 60.0, 130.0, 44.0, 90.0, tone(60.0));
    for window in 0..3 {
        rect(house + 130.0 + 55.0 * window as f32, 95.0, 34.0, 44.0, tone(dice.between(40.0, 80.0)));
    }
    for board in 0..30 {
        rect(board as f32 * 22.0, 205.0, 9.0, 22.0, tone(dice.between(140.0, 175.0)));
    }
    for _ in 0..500 {
        // Leaves, stones, grass.
        let (x, y) = (dice.between(0.0, 640.0), dice.between(215.0, 360.0));
        let (w, h) = (dice.between(3.0, 14.0), dice.between(2.0, 6.0));
        rect(x, y, w, h, tone(dice.between(75.0, 125.0)));
    }
    for _ in 0..260 {
        // The crown of a tree.
        let (turn, far) = (dice.between(0.0, TAU), dice.part().sqrt());
        let (x, y) = (125.0 + 95.0 * far * turn.cos(), 105.0 + 75.0 * far * turn.sin());
        let (w, h) = (dice.between(6.0, 20.0), dice.between(5.0, 14.0));
        rect(x, y, w, h, tone(dice.between(55.0, 130.0)));
    }
    for pixel in &mut picture {
        *pixel += dice.normal() * 3.0;
    }
    coarse_and_back(&picture)
}

/// Lenses are not as sharp as rectangles: each pixel with its neighbours.
fn coarse_and_back(picture: &[f32]) -> Vec<f32> {
    let at = |x: usize, y: usize| picture[y.min(HEIGHT - 1) * WIDTH + x.min(WIDTH - 1)];
    (0..picture.len())
        .map(|i| {
            let (x, y) = (i % WIDTH, i / WIDTH);
            (at(x, y) * 2.0 + at(x + 1, y) + at(x, y + 1) + at(x.saturating_sub(1), y) + at(x, y.saturating_sub(1)))
                / 6.0
        })
        .collect()
}

fn lamp(dice: &mut Dice) -> Vec<f32> {
    let (x0, y0) = (dice.between(250.0, 420.0), 40.0);
    (0..WIDTH * HEIGHT)
        .map(|i| {
            let (dx, dy) = ((i % WIDTH) as f32 - x0, (i / WIDTH) as f32 - y0);
            let far = dx.hypot(dy) / 260.0;
            let turn = dy.atan2(dx);
            // Shadows of what stands in its way.
            let shadow = if (turn * 9.0).sin() > 0.55 { 0.25 } else { 1.0 };
            shadow * 2.6 / (1.0 + far * far)
        })
        .collect()
}

/// The camera's exposure after its filter has moved: black for a moment, then too bright.
fn settling(picture: &mut [f32], t: f32) {
    for from in [20.0, 42.0] {
        let gone = t - from;
        if (0.0..0.35).contains(&gone) {
            picture.iter_mut().for_each(|p| *p *= 0.05);
        } else if (0.35..2.0).contains(&gone) {
            let gain = 1.0 + 1.4 * (1.0 - (gone - 0.35) / 1.65);
            picture.iter_mut().for_each(|p| *p *= gain);
        }
    }
}

/// Head, coat, legs that stride and arms that swing.
fn person(
    picture: &mut [f32],
    width: usize,
    (feet, ground, tall): (f32, f32, f32),
    contrast: f32,
    t: f32,
    night: bool,
) {
    let height = picture.len() / width;
    let contrast = if night { contrast * 0.6 } else { contrast };
    let behind = {
        // Against what is behind on its way.
        let y = ((ground - tall * 0.5) as usize).min(height - 1);
        picture[y * width..(y + 1) * width].iter().sum::<f32>() / width as f32
    };
    let stride = (t * TAU * 0.9).sin();
    let mut ellipse = |cx: f32, cy: f32, rx: f32, ry: f32, grey: f32| {
        let (x0, x1) = ((cx - rx).max(0.0) as usize, ((cx + rx + 1.0).max(0.0) as usize).min(width));
        let (y0, y1) = ((cy - ry).max(0.0) as usize, ((cy + ry + 1.0).max(0.0) as usize).min(height));
        for y in y0..y1 {
            for x in x0..x1 {
                let (dx, dy) = ((x as f32 - cx) / rx, (y as f32 - cy) / ry);
                let inside = (1.15 - (dx * dx + dy * dy)).clamp(0.0, 0.3) / 0.3;
                let pixel = &mut picture[y * width + x];
                *pixel += (grey - *pixel) * inside;
            }
        }
    };
    let top = ground - tall;
    let coat = behind + contrast;
    for side in [-1.0, 1.0] {
        ellipse(
            feet + side * stride * tall * 0.09,
            ground - tall * 0.22,
            tall * 0.05,
            tall * 0.23,
            behind + contrast * 0.8,
        );
    }
    ellipse(feet, top + tall * 0.38, tall * 0.12, tall * 0.24, coat);
    ellipse(feet - stride * tall * 0.08, top + tall * 0.4, tall * 0.035, tall * 0.17, behind + contrast * 1.15);
    ellipse(feet, top + tall * 0.08, tall * 0.055, tall * 0.08, behind + contrast * 0.7);
}

fn drop(picture: &mut [f32], dice: &mut Dice) {
    // Most are far; a few pass just before the lens.
    let near = dice.part() < 0.04;
    let (long, wide) = if near { (dice.between(40.0, 110.0), 4) } else { (dice.between(8.0, 34.0), 1) };
    let bright = dice.between(18.0, 60.0);
    let (x0, y0) = (dice.between(0.0, WIDTH as f32), dice.between(-30.0, HEIGHT as f32));
    for step in 0..long as usize {
        let (x, y) = (x0 + step as f32 * 0.18, y0 + step as f32);
        for x in x as usize..x as usize + wide {
            if y >= 0.0 && (y as usize) < HEIGHT && x < WIDTH {
                picture[y as usize * WIDTH + x] += bright;
            }
        }
    }
}

fn moved(picture: &[f32], dx: isize, dy: isize) -> Vec<f32> {
    let within = |at: usize, by: isize, len: usize| (at as isize + by).clamp(0, len as isize - 1) as usize;
    let row = |y: usize| &picture[within(y, dy, HEIGHT) * WIDTH..][..WIDTH];
    (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| row(y)[within(x, dx, WIDTH)])).collect()
}

/// Every block of 8×8 nearer to its average by a part, and all of it brighter by so much.
fn coarser(picture: &mut [f32], part: f32, brighter: f32) {
    if part == 0.0 {
        return;
    }
    for y in (0..HEIGHT).step_by(8) {
        for x in (0..WIDTH).step_by(8) {
            let rows = y..y + 8;
            let sum: f32 = rows.clone().map(|y| picture[y * WIDTH + x..][..8].iter().sum::<f32>()).sum();
            let average = sum / 64.0;
            for y in rows {
                for pixel in &mut picture[y * WIDTH + x..][..8] {
                    *pixel += (average - *pixel) * part + brighter;
                }
            }
        }
    }
}
