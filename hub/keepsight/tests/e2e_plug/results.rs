//! Figures of the cuts, for people and for `docs/results`.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::CAMERAS;

/// One recording's figures.
pub struct Round {
    pub seed: u64,
    pub records: usize,
    /// Seconds lost of each camera, cut by cut.
    pub losses: Vec<f64>,
    /// Seconds from the hub's answering to all that was told as kept being listed, cut by cut.
    pub listed: Vec<f64>,
}

impl Round {
    pub fn figures(&self) -> String {
        let cuts = self.losses.len() / usize::from(CAMERAS);
        let (records, losses, listed) = (self.records, spread(&self.losses), spread(&self.listed));
        format!(
            "{cuts} cuts in {records} records: seconds lost per camera and cut: {losses}; listed again after: {listed}"
        )
    }
    /// Adds a line to the run's, and tells all of them together.
    pub fn keep(&self, results: &Path) {
        std::fs::create_dir_all(results).expect("a folder for the results");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(lines(results));
        let millis: Vec<_> = self.losses.iter().map(|s| (s * 1e3).round() as u64).collect();
        let listed: Vec<_> = self.listed.iter().map(|s| (s * 1e3).round() as u64).collect();
        let line = json!({"seed": self.seed, "records": self.records, "cameras": CAMERAS, "lost_ms": millis, "listed_ms": listed});
        writeln!(file.expect("the results"), "{line}").expect("the results");
        let all = losses(results);
        let total = all.len() / usize::from(CAMERAS);
        println_for_the_log(&format!("{total} cuts in all: {}", spread(&all)));
    }
}

fn lines(results: &Path) -> PathBuf {
    results.join("plug.jsonl")
}

fn losses(results: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(lines(results)).unwrap_or_default();
    let rounds = text.lines().map(|l| serde_json::from_str::<Value>(l).expect("a line of results"));
    rounds
        .flat_map(|r| r["lost_ms"].as_array().cloned().unwrap_or_default())
        .filter_map(|ms| Some(ms.as_f64()? / 1e3))
        .collect()
}

pub fn cuts_done(results: &Path) -> usize {
    losses(results).len() / usize::from(CAMERAS)
}

fn spread(losses: &[f64]) -> String {
    let mut sorted = losses.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
    format!("min {:.2}, median {:.2}, p95 {:.2}, max {:.2}", at(0.0), at(0.5), at(0.95), at(1.0))
}

#[expect(clippy::disallowed_macros, reason = "figures for whoever reads the test's output")]
pub fn println_for_the_log(line: &str) {
    println!("{line}");
}
