//! A street, and models in which nothing is learnt (`scripts/make-small-model`): what is bright is a person, what is dark a car.

#![allow(dead_code, reason = "tests use a part each")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Clock, SystemClock};
use vision::{Eyes, Model, Objects, Watch};

use crate::coded::{BOUND, Coded, ZERO, encoded, fresh, wait_for};
use crate::films::{FPS, HEIGHT, WIDTH};

pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models")
}

pub fn model(name: &str, description: &str) -> Model {
    Model { file: std::fs::read(models().join(name)).unwrap().into(), description: description.into() }
}

/// A rectangle in pixels, and how bright.
pub type Thing = (i32, i32, i32, i32, u8);

/// A garden with some noise, and what is in it at a time in seconds.
pub fn painted(seconds: usize, things: impl Fn(f32) -> Vec<Thing>) -> Coded {
    let mut noise = 1u32;
    let pictures = (0..seconds * FPS).map(|number| {
        let mut pixels: Vec<u8> = (0..WIDTH * HEIGHT)
            .map(|i| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (105 + (i / WIDTH) / 12 + (noise >> 28) as usize) as u8
            })
            .collect();
        for (left, top, width, height, level) in things(number as f32 / FPS as f32) {
            for y in top.max(0)..(top + height).min(HEIGHT as i32) {
                for x in left.max(0)..(left + width).min(WIDTH as i32) {
                    pixels[y as usize * WIDTH + x as usize] = level;
                }
            }
        }
        pixels
    });
    encoded("H.264", (WIDTH, HEIGHT), FPS, pictures.enumerate())
}

/// Shows a film as fast as it is looked at, and slowly while something is asked of the model. What was told, and when.
pub async fn shown(watch: &mut Watch, film: &Coded) -> Vec<(f32, String)> {
    assert!(watch.feed.begin(&film.init, ZERO));
    let mut told = Vec::new();
    for unit in &film.units {
        wait_for("pictures are looked at", || watch.feed.waiting() == 0).await;
        watch.feed.push(&fresh(unit, ZERO));
        // Real time is of no matter to who looks, but to how often a camera may ask.
        SystemClock.sleep(Duration::from_millis(50)).await;
        while let Ok(finding) = watch.findings.try_recv() {
            let at = finding.at.since(ZERO).as_secs_f32();
            told.extend(finding.objects.into_iter().map(|object| (at, object)));
        }
    }
    told
}

pub async fn ready(eyes: &Eyes, model: Model) {
    eyes.tell_objects(Some(model));
    let mut state = eyes.objects();
    let is_ready = state.wait_for(|state| matches!(state, Objects::Ready(_)));
    assert!(base::clock::timeout(&SystemClock, BOUND, is_ready).await.is_some(), "{:?}", eyes.objects().borrow());
}

/// Somebody walks past a parked car; then the car drives off.
pub fn street(t: f32) -> Vec<Thing> {
    let car = if t < 26.0 { 330 } else { 330 + ((t - 26.0) * 60.0) as i32 };
    let walker = (8.0..20.0).contains(&t).then(|| ((t - 8.0) * 55.0) as i32 - 30);
    [(car, 170, 120, 60, 8)].into_iter().chain(walker.map(|x| (x, 220, 30, 90, 245))).collect()
}
