//! What recording and watching cost, how soon motion is told, how quickly an instant of a day is found, and what the app shows when.
//! `scripts/bench record`, `watch`, `motion-latency`, `seek` and `app` run it, with binaries as they are released if it is not said otherwise.
//!
//! ```text
//! cost record KEEPSIGHT FLOOR RESULTS SECONDS ROUNDS CAMERAS…   beside ffmpeg and the floor, at each number of cameras
//! cost watch KEEPSIGHT RESULTS SECONDS CAMERAS…                 beside Debian's motion, at each number of cameras
//! cost motion-latency KEEPSIGHT RESULTS EVENTS                  from somebody's first picture to the event that is told
//! cost seek KEEPSIGHT RESULTS SEEKS                             a day of one camera
//! cost app KEEPSIGHT RESULTS VIEWS MINUTES SEEKS                what a person with a phone waits for
//! ```
//!
//! RESULTS is a path without its ending: RESULTS.jsonl gets the figures, and RESULTS.md its tables, between two marks.

#![allow(
    clippy::disallowed_macros,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that says what it does"
)]

mod app;
mod day;
#[path = "../../../vision/tests/films/mod.rs"]
mod films;
mod latency;
mod process;
mod record;
mod seek;
mod tables;
mod watch;

use std::path::Path;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["record", keepsight, floor, results, seconds, rounds, ref cameras @ ..] if !cameras.is_empty() => {
            let plan = record::Plan {
                keepsight: Path::new(keepsight),
                floor: Path::new(floor),
                seconds: number(seconds),
                rounds: number(rounds),
                cameras: cameras.iter().map(|n| number(n)).collect(),
            };
            let figures = plan.run().await;
            tables::keep(Path::new(results), &figures, &record::tables(&figures));
        }
        ["watch", keepsight, results, seconds, ref cameras @ ..] if !cameras.is_empty() => {
            let cameras: Vec<_> = cameras.iter().map(|n| number(n)).collect();
            tables::lines(Path::new(results), &watch::run(Path::new(keepsight), number(seconds), &cameras).await);
        }
        ["motion-latency", keepsight, results, events] => {
            tables::lines(Path::new(results), &latency::run(Path::new(keepsight), number(events) as usize).await);
        }
        ["seek", keepsight, results, seeks] => {
            let figures = seek::run(Path::new(keepsight), number(seeks)).await;
            tables::keep(Path::new(results), &figures, &seek::tables(&figures));
        }
        ["app", keepsight, results, views, minutes, seeks] => {
            let plan = app::Plan { views: number(views), live_minutes: number(minutes), seeks: number(seeks) };
            let figures = app::run(Path::new(keepsight), &plan).await;
            tables::keep(Path::new(results), &figures, &app::tables(&figures));
        }
        _ => {
            eprintln!(
                "usage: cost record KEEPSIGHT FLOOR RESULTS SECONDS ROUNDS CAMERAS…, cost watch KEEPSIGHT RESULTS SECONDS CAMERAS…, \
                 cost motion-latency KEEPSIGHT RESULTS EVENTS, cost seek KEEPSIGHT RESULTS SEEKS, or cost app KEEPSIGHT RESULTS VIEWS MINUTES SEEKS"
            );
            std::process::exit(2);
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("\"{text}\" is no number"))
}
