//! Measures the store as a hub's ends up: a million events, a hundred thousand segments. `scripts/bench store` runs it.
//!
//! ```text
//! figures fill DIR                   makes a store of FIGURES_EVENTS events and FIGURES_SEGMENTS segments
//! figures query DIR                  opens it and reads pages of it
//! figures check DIR                  opens it and checks every row
//! figures record DIR MINUTES DEVICE  writes to it what a hub with 8 cameras writes, in real time; counts what the block
//!                                    device gets written, as in /sys/block
//! ```
//!
//! Each prints its figures as one line of JSON. Each is a process of its own, so that the memory of one is not that of another.

#![expect(clippy::disallowed_macros, reason = "a program that prints figures")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints figures")]

mod record;
mod rows;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::footage::StreamName;
use base::{Clock, HubId, SystemClock};
use serde_json::{Value, json};
use store::{EventQuery, Options, Store};

use crate::rows::{CAMERAS, Dice, SPAN_MS, cameras, event, segment, time};

const QUERIES: usize = 4_000;
/// Rows of a call.
const BATCH: usize = 500;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let figures = match arguments[..] {
        ["fill", dir] => fill(Path::new(dir)),
        ["query", dir] => query(Path::new(dir)),
        ["check", dir] => check(Path::new(dir)),
        ["record", dir, minutes, device] => {
            record::record(Path::new(dir), minutes.parse().expect("a number of minutes"), device)
        }
        _ => {
            eprintln!("usage: figures fill|query|check DIR, or figures record DIR MINUTES DEVICE");
            std::process::exit(2);
        }
    };
    println!("{figures}");
}

/// As the hub opens it, but for the ballast.
fn open(dir: &Path) -> Store {
    let options = Options { ballast_bytes: 0, ..Options::default() };
    Store::open_with(&store_dir(dir), HubId::from_bytes(*b"a hub of figures"), Arc::new(SystemClock), options)
        .expect("the store opens")
}

fn store_dir(dir: &Path) -> PathBuf {
    dir.join("store")
}

fn fill(dir: &Path) -> Value {
    let (events, segments) = (number("FIGURES_EVENTS", 1_000_000), number("FIGURES_SEGMENTS", 100_000));
    let (store, began, cameras) = (open(dir), SystemClock.mono(), cameras());
    let mut payload = 0;
    // In the order of time, as in life: so many events to a segment.
    let each = events.div_ceil(segments.max(1)).max(1);
    for first in (0..events.max(segments)).step_by(BATCH) {
        let events: Vec<_> = (first..events.min(first + BATCH)).map(|n| event(&cameras, n, events)).collect();
        let due = first.div_ceil(each)..(first + BATCH).div_ceil(each).min(segments);
        let segments: Vec<_> = due.map(|n| segment(&cameras, n, segments)).collect();
        payload += events.iter().map(json_len).sum::<usize>() + segments.iter().map(json_len).sum::<usize>();
        let call = move |db: &mut store::Db| {
            events.iter().try_for_each(|row| db.put_event(row))?;
            segments.iter().try_for_each(|row| db.put_segment(row))
        };
        store.urgent_blocking(call).expect("rows are kept");
        if first % (100 * BATCH) == 0 {
            eprintln!("   {first} events and their segments");
        }
    }
    let seconds = SystemClock.mono().since(began).as_secs_f64();
    let rss = rss();
    let written = settle();
    let settled = SystemClock.mono().since(began).as_secs_f64() - seconds;
    store.close_blocking();
    drop(store);
    let size = size_of(dir);
    json!({
        "phase": "fill", "events": events, "segments": segments, "cameras": CAMERAS, "seconds": round(seconds),
        "settled_in_seconds": round(settled), "settling_wrote_bytes": written, "payload_bytes": payload, "store_bytes": size, "store_to_payload": round(size as f64 / payload as f64),
        "rss_bytes": rss, "rss_highest_bytes": rss_highest(),
    })
}

/// Waits until the engine has nothing left to tidy up: what takes it minutes after a million rows at once it does beside two
/// months of them. Answers what it wrote meanwhile.
fn settle() -> u64 {
    let (begin, mut quiet) = (proc_number("/proc/self/io", "wchar:"), 0);
    let mut last = begin;
    for second in 0.. {
        rows::sleep_until(SystemClock.mono() + Duration::from_secs(1));
        let now = proc_number("/proc/self/io", "wchar:");
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
        if quiet == 10 {
            break;
        }
        if second % 30 == 0 {
            eprintln!("   the engine tidies up: {} MB written", (now - begin) / 1_000_000);
        }
    }
    last - begin
}

fn query(dir: &Path) -> Value {
    let began = SystemClock.mono();
    let (store, cameras) = (open(dir), cameras());
    let opened = SystemClock.mono().since(began);
    let rss_opened = rss();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let (mut pages, mut hours) = (Vec::with_capacity(QUERIES), Vec::with_capacity(QUERIES));
    for _ in 0..QUERIES {
        let camera = cameras[dice.roll(CAMERAS as u64) as usize];
        let at = time(SPAN_MS / 10 + dice.roll(SPAN_MS as u64 * 9 / 10) as i64);
        let query = EventQuery { cameras: vec![camera], kind: None, from: None, to: Some(at), after: None, limit: 50 };
        let began = SystemClock.mono();
        let page = store.read_blocking(move |db| db.events(&query)).expect("a page");
        pages.push(SystemClock.mono().since(began));
        assert!(page.items.len() == 50 || number("FIGURES_EVENTS", 1_000_000) < 100_000, "a page is full");
        let began = SystemClock.mono();
        let to = at.saturating_add(Duration::from_secs(3_600)).expect("in range");
        store.read_blocking(move |db| db.segments(camera, StreamName::Main, at, to)).expect("an hour");
        hours.push(SystemClock.mono().since(began));
    }
    json!({
        "phase": "query", "queries": 2 * QUERIES, "open_ms": ms(opened), "page_of_50_ms": spread(pages),
        "segments_of_an_hour_ms": spread(hours), "rss_opened_bytes": rss_opened, "rss_bytes": rss(),
        "rss_highest_bytes": rss_highest(),
    })
}

fn check(dir: &Path) -> Value {
    let store = open(dir);
    let began = SystemClock.mono();
    let report = store.read_blocking(|db| db.check()).expect("the check ends");
    assert!(report.is_good(), "{report:?}");
    let rows: u64 = report.trees.iter().map(|tree| tree.good).sum();
    let seconds = SystemClock.mono().since(began).as_secs_f64();
    json!({
        "phase": "check", "rows": rows, "seconds": round(seconds), "rss_bytes": rss(), "rss_highest_bytes": rss_highest(),
    })
}

fn json_len<T: serde::Serialize>(row: &T) -> usize {
    serde_json::to_vec(row).expect("a row is JSON").len()
}

fn spread(mut times: Vec<Duration>) -> Value {
    times.sort_unstable();
    let at = |q: usize| ms(times[times.len() * q / 1_000]);
    json!({ "median": at(500), "p99": at(990), "p999": at(999) })
}

fn ms(time: Duration) -> f64 {
    round(time.as_secs_f64() * 1e3)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

fn rss() -> u64 {
    proc_number("/proc/self/status", "VmRSS:") * 1_024
}

fn rss_highest() -> u64 {
    proc_number("/proc/self/status", "VmHWM:") * 1_024
}

fn proc_number(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What the files in a folder take on the disk.
fn size_of(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).expect("a folder");
    let each = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size_of(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        Err(_) => 0, // gone meanwhile
    });
    each.sum()
}
