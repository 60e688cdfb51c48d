//! A whole day at one camera, painted small, second by second as it is asked for: night in infrared light, dawn, clouds, rain, dusk, a
//! lamp, headlights; and a script of who comes when.

use super::{Dice, HEIGHT as FILM_HEIGHT, WIDTH as FILM_WIDTH, lamp, person, yard};

/// A quarter of a film's.
pub const WIDTH: usize = FILM_WIDTH / 4;
pub const HEIGHT: usize = FILM_HEIGHT / 4;
/// Pictures a second, as of a small stream.
pub const FPS: u64 = 6;
pub const SECONDS: u64 = 86_400;

/// The camera's own light is on until the first, and from the second on.
const INFRARED: (f32, f32) = (23_400.0, 67_500.0);
/// Each of these lasts from the first second to the second.
const CLOUDS: (f32, f32) = (36_000.0, 50_400.0);
const RAIN: (f32, f32) = (54_000.0, 54_480.0);
const LAMPS: [(f32, f32); 2] = [(72_000.0, 72_240.0), (81_030.0, 81_090.0)];
/// Cars that turn, for three seconds each.
const HEADLIGHTS: [f32; 4] = [3_605.0, 75_600.0, 75_606.0, 84_000.0];

/// Somebody who comes.
#[derive(Clone, Copy)]
pub struct Visit {
    /// Second of the day.
    pub at: f32,
    pub does: Does,
    /// Part of the picture's height.
    size: f32,
    /// Grey levels brighter than what is behind.
    contrast: f32,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Does {
    /// Walks through, from the left or from the right.
    Right,
    Left,
    /// From the left; behind something for a while in the middle.
    Behind,
    /// Comes, goes to and fro for so many seconds, goes.
    Stays(f32),
}

/// What is in the way of who walks behind it: from and to, in parts of the width.
const HIDES: (f32, f32) = (0.35, 0.62);

impl Visit {
    /// Pixels a second.
    fn speed(&self) -> f32 {
        self.size * HEIGHT as f32 * 0.74
    }

    fn across(&self) -> f32 {
        (WIDTH as f32 + self.size * HEIGHT as f32 * 0.4) / self.speed()
    }

    /// When it is gone again.
    pub fn until(&self) -> f32 {
        match self.does {
            Does::Stays(seconds) => self.at + self.across() + seconds,
            _ => self.at + self.across(),
        }
    }

    /// Where its feet are, from the left.
    fn place(&self, t: f32) -> Option<f32> {
        let half = self.size * HEIGHT as f32 * 0.2;
        let gone = t - self.at;
        (0.0..self.until() - self.at).contains(&gone).then(|| match self.does {
            Does::Right | Does::Behind => gone * self.speed() - half,
            Does::Left => WIDTH as f32 + half - gone * self.speed(),
            Does::Stays(seconds) => {
                let (way, half_way) = (self.speed(), self.across() / 2.0);
                let there = half_way * way - half;
                let since = gone - half_way;
                if since < 0.0 {
                    gone * way - half
                } else if since < seconds {
                    // Eight seconds to one side and back, then to the other.
                    there + way * 3.0 * (since * std::f32::consts::TAU / 8.0).sin()
                } else {
                    there + (since - seconds) * way
                }
            }
        })
    }
}

/// Who comes: some thirty, at all times of the day and in all that goes on in it.
pub fn script() -> Vec<Visit> {
    use Does::{Behind, Left, Right, Stays};
    let visit = |hour: u32, minute: u32, second: u32, does, size, contrast| {
        let at = (hour * 3_600 + minute * 60 + second) as f32;
        Visit { at, does, size, contrast }
    };
    vec![
        visit(0, 40, 11, Right, 0.35, 60.0),
        visit(3, 15, 2, Left, 0.3, 55.0),
        visit(5, 5, 27, Stays(60.0), 0.4, 60.0),
        visit(6, 10, 40, Left, 0.35, -50.0),
        visit(6, 45, 5, Right, 0.35, -50.0),
        visit(7, 20, 33, Left, 0.4, -45.0),
        visit(7, 31, 8, Right, 0.3, -55.0),
        visit(7, 31, 23, Left, 0.35, -45.0), // soon after: one event
        visit(8, 2, 50, Behind, 0.25, -50.0),
        visit(8, 40, 14, Right, 0.5, 45.0),
        visit(9, 15, 0, Stays(90.0), 0.35, -45.0),
        visit(10, 12, 21, Left, 0.3, -50.0),
        visit(10, 50, 37, Right, 0.35, 50.0),
        visit(11, 33, 3, Behind, 0.3, -60.0),
        visit(12, 0, 45, Left, 0.4, -40.0),
        visit(12, 30, 10, Right, 0.3, -50.0),
        visit(13, 5, 29, Stays(120.0), 0.35, -50.0),
        visit(13, 45, 51, Right, 0.35, -50.0),
        visit(14, 20, 16, Left, 0.25, -55.0),
        visit(15, 4, 30, Left, 0.4, -60.0), // in the rain
        visit(15, 40, 55, Right, 0.35, -45.0),
        visit(16, 10, 20, Left, 0.35, 45.0),
        visit(16, 10, 33, Right, 0.35, -50.0), // soon after: one event
        visit(17, 5, 12, Right, 0.35, -50.0),
        visit(17, 50, 38, Left, 0.4, -50.0),
        visit(18, 25, 6, Behind, 0.3, -60.0),
        visit(19, 15, 44, Right, 0.35, 60.0),
        visit(20, 45, 20, Left, 0.35, 60.0),
        visit(21, 30, 9, Stays(80.0), 0.4, 60.0),
        visit(22, 31, 7, Right, 0.35, 60.0), // the lamp is lit for it, and goes out after it
        visit(23, 40, 30, Left, 0.35, 60.0),
    ]
}

/// Whether something of the script is near: who is there, and what changes though nobody is.
pub fn is_lively(t: f32) -> bool {
    let near = |from: f32, to: f32| (from - 30.0..to + 30.0).contains(&t);
    script().iter().any(|visit| near(visit.at, visit.until()))
        || [INFRARED.0, INFRARED.1].iter().chain(&HEADLIGHTS).any(|at| near(*at, *at))
        || LAMPS.iter().chain([&RAIN]).any(|(from, to)| near(*from, *from) || near(*to, *to))
}

/// Paints it.
pub struct Day {
    seed: u32,
    script: Vec<Visit>,
    day: Vec<f32>,
    infrared: Vec<f32>,
    lit: Vec<f32>,
    noise: Vec<f32>,
}

impl Day {
    pub fn new(seed: u32) -> Self {
        let mut dice = Dice::new(seed);
        let day = smaller(&yard(&mut dice.clone(), 1.0));
        let infrared = smaller(&yard(&mut dice, -0.6));
        let lit = smaller(&lamp(&mut dice));
        let noise = (0..1 << 15).map(|_| dice.normal()).collect();
        Self { seed, script: script(), day, infrared, lit, noise }
    }

    /// The picture that is taken at `number` / [`FPS`].
    pub fn picture(&self, number: u64) -> Vec<u8> {
        let t = number as f32 / FPS as f32;
        let mut dice = Dice::new(self.seed.wrapping_mul(7_919).wrapping_add(number as u32));
        let infrared = t < INFRARED.0 || t >= INFRARED.1;
        let light = light(t);
        let mut picture: Vec<_> =
            (if infrared { &self.infrared } else { &self.day }).iter().map(|pixel| pixel * light).collect();
        if LAMPS.iter().any(|(from, to)| (*from..*to).contains(&t)) {
            picture.iter_mut().zip(&self.lit).for_each(|(pixel, lit)| *pixel *= 1.0 + lit);
        }
        if (CLOUDS.0..CLOUDS.1).contains(&t) {
            shadows(&mut picture, t - CLOUDS.0);
        }
        for from in HEADLIGHTS {
            let along = (t - from) / 3.0;
            if (0.0..1.0).contains(&along) {
                headlights(&mut picture, along);
            }
        }
        for visit in &self.script {
            if let Some(feet) = visit.place(t) {
                let tall = visit.size * HEIGHT as f32;
                let ground = HEIGHT as f32 * (0.62 + 0.36 * visit.size);
                let before = picture.clone();
                person(&mut picture, WIDTH, (feet, ground, tall), visit.contrast * light.max(0.6), t - visit.at, false);
                if visit.does == Does::Behind {
                    let [from, to] = [HIDES.0, HIDES.1].map(|part| (part * WIDTH as f32) as usize);
                    for (now, before) in picture.chunks_mut(WIDTH).zip(before.chunks(WIDTH)) {
                        now[from..to].copy_from_slice(&before[from..to]);
                    }
                }
            }
        }
        if (RAIN.0..RAIN.1).contains(&t) {
            for _ in 0..140 {
                streak(&mut picture, &mut dice);
            }
        }
        // Noise is what little light leaves.
        let noisy = if infrared { 2.5 } else { 1.0 + 1.0 / light };
        for row in picture.chunks_mut(WIDTH) {
            let noise = &self.noise[dice.next() as usize % (self.noise.len() - WIDTH)..];
            row.iter_mut().zip(noise).for_each(|(pixel, noise)| *pixel += noise * noisy);
        }
        picture.iter().map(|pixel| pixel.round().clamp(0.0, 255.0) as u8).collect()
    }
}

/// How bright it is; dawn and dusk take two hours each.
fn light(t: f32) -> f32 {
    if t < INFRARED.0 || t >= INFRARED.1 {
        return 0.8;
    }
    let part = ((t - 21_600.0) / 7_200.0).min((68_400.0 - t) / 7_200.0).clamp(0.0, 1.0);
    0.3 + 0.7 * part
}

fn shadows(picture: &mut [f32], t: f32) {
    for (i, pixel) in picture.iter_mut().enumerate() {
        let (x, y) = ((i % WIDTH * 4) as f32, (i / WIDTH * 4) as f32);
        let shadow = (((x + 0.6 * y) / 260.0 - t * 0.35).sin() + 0.6 * ((x - y) / 410.0 + t * 0.21).sin()) * 0.5;
        *pixel *= 0.75 + 0.25 * shadow;
    }
}

fn headlights(picture: &mut [f32], along: f32) {
    let (cx, cy) = (-150.0 + along * (FILM_WIDTH as f32 + 300.0), 150.0 + 30.0 * (along * std::f32::consts::PI).sin());
    for (i, pixel) in picture.iter_mut().enumerate() {
        let (dx, dy) = (((i % WIDTH * 4) as f32 - cx) / 130.0, ((i / WIDTH * 4) as f32 - cy) / 80.0);
        *pixel *= 1.0 + 2.2 * (-(dx * dx + dy * dy)).exp();
    }
}

/// A drop that falls, as a film's but a quarter as large: a far one is thinner than a pixel.
fn streak(picture: &mut [f32], dice: &mut Dice) {
    let near = dice.part() < 0.04;
    let (long, seen) = if near { (dice.between(10.0, 27.0), 1.0) } else { (dice.between(2.0, 8.0), 0.25) };
    let bright = dice.between(18.0, 60.0) * seen;
    let (x0, y0) = (dice.between(0.0, WIDTH as f32), dice.between(-8.0, HEIGHT as f32));
    for step in 0..long as usize {
        let (x, y) = (x0 + step as f32 * 0.18, y0 + step as f32);
        if y >= 0.0 && (y as usize) < HEIGHT && (x as usize) < WIDTH {
            picture[y as usize * WIDTH + x as usize] += bright;
        }
    }
}

/// Each pixel the average of sixteen.
fn smaller(film: &[f32]) -> Vec<f32> {
    let sum = |x: usize, y: usize| (0..16).map(|i| film[(y * 4 + i / 4) * FILM_WIDTH + x * 4 + i % 4]).sum::<f32>();
    (0..WIDTH * HEIGHT).map(|i| sum(i % WIDTH, i / WIDTH) / 16.0).collect()
}
