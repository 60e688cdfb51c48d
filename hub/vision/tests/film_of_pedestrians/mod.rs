//! The film of pedestrians, which nobody here made, with what is to be seen in it, and how what is told of it is judged: all of it
//! fixed in `truth.txt`, which says how.

#![allow(dead_code, reason = "the test and the bench each use a part")]

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Shutdown, SystemClock};
use vision::{Eyes, Grey, Motion, MotionSettings, Polygon, Program};

use crate::coded::{Coded, ZERO, encoded, fresh};

/// Where Debian's `opencv-doc` has it.
const FILM: &str = "/usr/share/doc/opencv-doc/examples/data/vtest.avi";
const SIZE: (usize, usize) = (768, 576);
const FPS: usize = 10;
const PICTURES: usize = 795;
/// Motion may be told so much longer than it lasts.
const AFTER_S: f32 = 1.5;
/// What is told within so many seconds is one event.
const ONE_EVENT_S: f32 = 1.5;

/// A part of the picture, and when somebody is in it.
pub struct Zone {
    name: &'static str,
    /// Left, top, width and height, in pixels.
    rect: [f32; 4],
    spans: Vec<(f32, f32)>,
    unsure: Vec<(f32, f32)>,
}

/// What is told of a zone, beside what is true.
#[derive(Debug)]
pub struct Judged {
    pub zone: &'static str,
    pub there: usize,
    /// Spans of which nothing was told.
    pub missed: Vec<(f32, f32)>,
    /// Events in which nobody was there.
    pub wrong: Vec<(f32, f32)>,
    /// Seconds in which motion was told, and in which that was true.
    pub told_s: f32,
    pub true_s: f32,
}

/// All zones.
pub fn truth() -> Vec<Zone> {
    let mut zones: Vec<Zone> = Vec::new();
    for line in include_str!("truth.txt").lines() {
        let mut words = line.split_whitespace();
        let mut kind = words.next().unwrap_or("#");
        if kind == "zone" {
            let name = words.next().unwrap();
            let rect: Vec<f32> = words.by_ref().map(|word| word.parse().unwrap()).collect();
            let rect = rect.try_into().unwrap();
            zones.push(Zone { name, rect, spans: Vec::new(), unsure: vec![(0.0, 3.0)] });
            kind = "#";
        }
        if kind == "#" {
            continue;
        }
        let mut second = || words.next().unwrap().parse().unwrap();
        let (span, zone) = ((second(), second()), zones.last_mut().unwrap());
        match kind {
            "in" => zone.spans.push(span),
            "unsure" => zone.unsure.push(span),
            other => panic!("{other}?"),
        }
    }
    zones
}

impl Zone {
    /// Nothing but the zone is set.
    pub fn settings(&self) -> MotionSettings {
        let [left, top, width, height] = self.rect;
        let (right, bottom) = (left + width, top + height);
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        let parts = corners.map(|(x, y)| (x / SIZE.0 as f32, y / SIZE.1 as f32));
        MotionSettings { zones: vec![Polygon::new(parts.to_vec()).unwrap()], ..MotionSettings::default() }
    }

    /// Judges what is told: the times of the pictures in which something moves, in seconds, in order.
    pub fn judge(&self, told: &[f32]) -> Judged {
        let is_in = |t: f32, (from, to): &(f32, f32)| (*from..=to + AFTER_S).contains(&t);
        let mut events: Vec<(f32, f32, bool)> = Vec::new();
        let (mut told_s, mut true_s) = (0.0, 0.0);
        for t in told.iter().copied() {
            let is_true = self.spans.iter().any(|span| is_in(t, span));
            let is_unsure = !is_true && self.unsure.iter().any(|span| is_in(t, span));
            // As long as it is until the next picture that is looked at, or what would have been.
            let lasts = told.iter().find(|next| **next > t).map_or(0.2, |next| (next - t).min(0.2));
            told_s += if is_unsure { 0.0 } else { lasts };
            true_s += if is_true { lasts } else { 0.0 };
            match events.last_mut() {
                Some((_, end, right)) if t - *end <= ONE_EVENT_S => {
                    (*end, *right) = (t, *right || is_true || is_unsure)
                }
                _ => events.push((t, t, is_true || is_unsure)),
            }
        }
        let is_found = |span: &(f32, f32)| told.iter().any(|t| is_in(*t, span));
        let missed = self.spans.iter().copied().filter(|span| !is_found(span)).collect();
        let wrong = events.iter().filter(|(_, _, right)| !right).map(|(from, to, _)| (*from, *to)).collect();
        Judged { zone: self.name, there: self.spans.len(), missed, wrong, told_s, true_s }
    }
}

/// What is told of the zones by children, one for each, that look as they do at a camera: at key pictures, and at all on suspicion.
pub async fn as_at_a_camera(child: &str, film: &Coded, zones: &[Zone]) -> Vec<Judged> {
    let eyes = Eyes::start(Program::at(child), Arc::new(SystemClock), Shutdown::new()).unwrap();
    let mut watches: Vec<_> = zones.iter().map(|zone| (eyes.watch(zone.settings()), Vec::new())).collect();
    for (watch, _) in &watches {
        assert!(watch.feed.begin(&film.init, ZERO));
    }
    for unit in &film.units {
        while watches.iter().any(|(watch, _)| watch.feed.waiting() > 0) {
            SystemClock.sleep(Duration::from_millis(1)).await;
        }
        for (watch, told) in &mut watches {
            watch.feed.push(&fresh(unit, ZERO));
            let found = std::iter::from_fn(|| watch.findings.try_recv().ok());
            told.extend(found.map(|finding| finding.at.since(ZERO).as_secs_f32()));
        }
    }
    assert!(watches.iter().all(|(watch, _)| watch.feed.dropped() == 0));
    zones.iter().zip(watches).map(|(zone, (_, told))| zone.judge(&told)).collect()
}

/// What is told of them where every picture is looked at, as it is.
pub fn every_picture(zones: &[Zone]) -> Vec<Judged> {
    let shrink = |picture: Vec<u8>| Grey::shrink(&picture, SIZE.0, SIZE.1, SIZE.0).unwrap();
    let pictures: Vec<_> = pictures(SIZE).map(shrink).collect();
    let judge = |zone: &Zone| {
        let mut motion = Motion::new(zone.settings());
        let mut told = Vec::new();
        for (number, picture) in pictures.iter().enumerate() {
            let at = Duration::from_millis((number * 1_000 / FPS) as u64);
            if motion.see(picture, at).moving.is_some() {
                told.push(at.as_secs_f32());
            }
        }
        zone.judge(&told)
    };
    zones.iter().map(judge).collect()
}

/// The film, coded as a camera codes it: H.264, a key picture every two seconds. As a small stream, half as wide and high, too.
pub fn coded_film(small: bool) -> Coded {
    let size = if small { (SIZE.0 / 2, SIZE.1 / 2) } else { SIZE };
    encoded("H.264", size, FPS, pictures(size).enumerate())
}

/// The film's pictures, in grey, one after the other.
#[expect(clippy::zombie_processes, reason = "it is waited for when its last picture has come")]
fn pictures((width, height): (usize, usize)) -> impl Iterator<Item = Vec<u8>> {
    assert!(Path::new(FILM).exists(), "{FILM} is missing: scripts/setup installs opencv-doc");
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-i", FILM, "-f", "rawvideo", "-pix_fmt", "gray", "-fps_mode", "passthrough"])
        .args(["-vf", &format!("scale={width}:{height}:flags=area"), "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs: scripts/setup installs it");
    let mut out = ffmpeg.stdout.take().unwrap();
    (0..PICTURES).map(move |number| {
        let mut picture = vec![0; width * height];
        out.read_exact(&mut picture).expect("it is this film");
        if number + 1 == PICTURES {
            assert!(ffmpeg.wait().unwrap().success() && out.read(&mut [0]).unwrap() == 0, "it is this film");
        }
        picture
    })
}
