//! What recording costs, and how quickly an instant of a day is found. `scripts/bench record` and `scripts/bench seek` run
//! it, with binaries as they are released.
//!
//! ```text
//! cost record KEEPSIGHT FLOOR RESULTS SECONDS ROUNDS CAMERAS…   beside ffmpeg and the floor, at each number of cameras
//! cost seek KEEPSIGHT RESULTS SEEKS                             a day of one camera
//! ```
//!
//! RESULTS is a path without its ending: RESULTS.jsonl gets the figures, and RESULTS.md its tables, between two marks.

#![allow(
    clippy::disallowed_macros,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that says what it does"
)]

mod day;
mod process;
mod record;
mod seek;
mod tables;

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
        ["seek", keepsight, results, seeks] => {
            let figures = seek::run(Path::new(keepsight), number(seeks)).await;
            tables::keep(Path::new(results), &figures, &seek::tables(&figures));
        }
        _ => {
            eprintln!(
                "usage: cost record KEEPSIGHT FLOOR RESULTS SECONDS ROUNDS CAMERAS…, or cost seek KEEPSIGHT RESULTS SEEKS"
            );
            std::process::exit(2);
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("\"{text}\" is no number"))
}
