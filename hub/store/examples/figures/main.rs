//! Measures the store as a hub's ends up: a million events, a hundred thousand segments.
//!
//! `FIGURES_EVENTS` and `FIGURES_SEGMENTS` say how many; a temporary folder (`TMPDIR`) takes the store. Prints one
//! figure per line.

#![expect(clippy::disallowed_macros, reason = "figures for whoever runs it")]
#![allow(clippy::print_stdout, reason = "a program that prints figures")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo, StreamName, VideoParams};
use base::{CameraId, Clock, ConnectionId, EpochId, EventId, HubId, SegmentId, SystemClock, Timestamp};
use store::{Durability, Event, EventKind, EventQuery, Options, Store};

const CAMERAS: usize = 8;
const QUERIES: usize = 4_000;
const BATCH: usize = 500;
const START_MS: i64 = 1_767_225_600_000;
/// How long the figures pretend that it all took.
const SPAN_MS: i64 = 60 * 86_400_000;

fn main() {
    let (events, segments) = (number("FIGURES_EVENTS", 1_000_000), number("FIGURES_SEGMENTS", 100_000));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let hub = HubId::new(&SystemClock);
    let open = || {
        let dir = dir.path().join("store");
        Store::open_with(&dir, hub, Arc::new(SystemClock), Options { ballast_bytes: 0, ..Options::default() })
    };
    let store = open().expect("the store opens");
    let cameras: Vec<_> = (0..CAMERAS).map(|_| CameraId::new(&SystemClock)).collect();

    let began = SystemClock.mono();
    let (before, mut payload) = (written(), 0);
    for first in (0..events).step_by(BATCH) {
        let rows: Vec<_> = (first..events.min(first + BATCH)).map(|n| event(&cameras, n, events)).collect();
        payload += rows.iter().map(json_len).sum::<usize>();
        store.call_blocking(move |db| rows.iter().try_for_each(|row| db.put_event(row))).expect("events are kept");
    }
    for first in (0..segments).step_by(BATCH) {
        let rows: Vec<_> = (first..segments.min(first + BATCH)).map(|n| segment(&cameras, n, segments)).collect();
        payload += rows.iter().map(json_len).sum::<usize>();
        store.call_blocking(move |db| rows.iter().try_for_each(|row| db.put_segment(row))).expect("segments are kept");
    }
    println!("rows: {events} events, {segments} segments, {CAMERAS} cameras");
    println!("filled in: {:.1} s", SystemClock.mono().since(began).as_secs_f64());
    println!("written while filling: {} MB", (written() - before) / 1_000_000);
    println!("RSS after filling: {} MB", rss() / 1_000_000);
    store.close_blocking();
    drop(store);
    let size = size_of(dir.path());
    println!("payload as JSON: {:.1} MB", payload as f64 / 1e6);
    println!("store on disk: {:.1} MB, {:.2} x payload", size as f64 / 1e6, size as f64 / payload as f64);

    let began = SystemClock.mono();
    let store = open().expect("the store opens again");
    println!("opened in: {:.2} s", SystemClock.mono().since(began).as_secs_f64());
    println!("RSS after opening: {} MB", rss() / 1_000_000);
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    let mut roll = |below: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % below
    };
    let mut pages = Vec::with_capacity(QUERIES);
    let mut hours = Vec::with_capacity(QUERIES);
    for _ in 0..QUERIES {
        let camera = cameras[roll(CAMERAS as u64) as usize];
        let at = time(SPAN_MS / 10 + roll(SPAN_MS as u64 * 9 / 10) as i64);
        let query = EventQuery { cameras: vec![camera], kind: None, from: None, to: Some(at), after: None, limit: 50 };
        let began = SystemClock.mono();
        let page = store.read_blocking(move |db| db.events(&query)).expect("a page");
        pages.push(SystemClock.mono().since(began));
        assert!(page.items.len() == 50 || events < 100_000, "a page is full: {}", page.items.len());
        let began = SystemClock.mono();
        let to = at.saturating_add(Duration::from_secs(3_600)).expect("in range");
        store.read_blocking(move |db| db.segments(camera, StreamName::Main, at, to)).expect("an hour");
        hours.push(SystemClock.mono().since(began));
    }
    say("page of 50 events by camera and time", pages);
    say("segments of an hour by camera", hours);
    println!("RSS after {} queries: {} MB", 2 * QUERIES, rss() / 1_000_000);

    // An hour of recording as it is: each row synced by itself, none together with another.
    let (before, began) = (written(), SystemClock.mono());
    for minute in 0..60 {
        for camera in 0..CAMERAS {
            let closed = segment(&cameras, segments + minute * CAMERAS + camera, segments);
            let opened = SegmentInfo { details: SegmentDetails::Open, end: closed.start, bytes: 0, ..closed.clone() };
            for row in [opened, closed] {
                let done = store.submit(Durability::Group, move |db| db.put_segment(&row));
                futures::executor::block_on(done).expect("a row is kept");
            }
        }
        // some 190 events a camera and day
        let row = event(&cameras, events + minute, events);
        let done = store.submit(Durability::Group, move |db| db.put_event(&row));
        futures::executor::block_on(done).expect("an event is kept");
    }
    let hour = written() - before;
    println!("1,020 rows synced one by one in: {:.1} s", SystemClock.mono().since(began).as_secs_f64());
    println!(
        "written in an hour at {CAMERAS} cameras: {:.2} MB; a day: {:.0} MB",
        hour as f64 / 1e6,
        hour as f64 * 24e-6
    );
    store.close_blocking();
}

fn event(cameras: &[CameraId], n: usize, of: usize) -> Event {
    let start = time((SPAN_MS as i128 * n as i128 / of.max(1) as i128) as i64);
    let kind = [EventKind::Motion, EventKind::Person, EventKind::Motion, EventKind::Doorbell][n / 7 % 4];
    let mut id = [0; 16];
    base::random(&mut id);
    Event {
        id: EventId::from_bytes(id),
        camera: cameras[n % cameras.len()],
        kind,
        start,
        end: start.saturating_add(Duration::from_secs(12)).ok(),
        detail: serde_json::json!({ "zone": "drive", "score": (n % 100) as f64 / 100.0, "box": [n % 640, n % 480, 80, 200] }),
    }
}

fn segment(cameras: &[CameraId], n: usize, of: usize) -> SegmentInfo {
    let start = time((SPAN_MS as i128 * n as i128 / of.max(1) as i128) as i64);
    let mut id = [0; 16];
    base::random(&mut id);
    SegmentInfo {
        camera: cameras[n % cameras.len()],
        id: SegmentId::from_bytes(id),
        stream: StreamName::Main,
        epoch: Some(EpochId::from_bytes([1; 16])),
        media: Some((ConnectionId::from_bytes([2; 16]), n as i64 * 5_400_000)),
        start,
        end: start.saturating_add(Duration::from_secs(60)).unwrap_or(start),
        bytes: 20_000_000 + n as u64,
        video: Some(VideoParams { codec: "avc1.64001f".to_owned(), width: 1920, height: 1080 }),
        audio: None,
        fingerprint: Some(0x1234_5678_9abc_def0),
        details: SegmentDetails::Closed,
    }
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(START_MS + ms).expect("in range")
}

fn json_len<T: serde::Serialize>(row: &T) -> usize {
    serde_json::to_vec(row).expect("a row is JSON").len()
}

fn say(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |q: usize| times[times.len() * q / 1_000].as_secs_f64() * 1e3;
    println!("{what}: median {:.2} ms, p99 {:.2} ms, longest {:.2} ms", at(500), at(990), at(999));
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Bytes that this process has caused to be written to a disk.
fn written() -> u64 {
    proc_number("/proc/self/io", "write_bytes:")
}

fn rss() -> u64 {
    proc_number("/proc/self/status", "VmRSS:") * 1_024
}

fn proc_number(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn size_of(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(dir).expect("a folder");
    let each = entries.map(|entry| {
        let entry = entry.expect("an entry");
        let meta = entry.metadata().expect("its size");
        if meta.is_dir() { size_of(&entry.path()) } else { meta.blocks() * 512 }
    });
    each.sum()
}
