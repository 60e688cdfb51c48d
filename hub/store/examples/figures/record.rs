//! The writes of a hub with 8 cameras whose disk is full, in real time: for each camera a segment of 60 to 62 s after the other
//! (one row when it opens, one when it closes) and as many old ones removed; 200 events of 12 s a camera and day, each a
//! row when it begins and a row when it ends; and 96 times a day an entry of the audit log with an export of the settings.

use std::path::Path;
use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo};
use base::{Clock, EventId, Mono, SegmentId, SystemClock, Timestamp};
use serde_json::{Value, json};
use store::{Actor, Durability, Event, ExportKind, Store};

use crate::rows::{CAMERAS, Dice, cameras, event, segment, sleep_until};

const EVENTS_A_DAY: u64 = 200 * CAMERAS as u64;
const AUDITS_A_DAY: u64 = 96;
const DAY_MS: u64 = 86_400_000;

struct Hub<'a> {
    store: Store,
    export: &'a Path,
    open: Vec<SegmentInfo>,
    dice: Dice,
    rows: u64,
    removed: usize,
}

pub fn record(dir: &Path, minutes: u64, device: &str) -> Value {
    let at_first = written(device);
    let export = dir.join("export");
    std::fs::create_dir_all(&export).expect("a folder for exports");
    let cameras = cameras();
    let now = SystemClock.wall();
    let open = (0..CAMERAS).map(|n| opened(&segment(&cameras, n, 100_000), now)).collect();
    let (store, dice) = (crate::open(dir), Dice(7));
    let mut hub = Hub { store, export: &export.join("settings.export"), open, dice, rows: 0, removed: 0 };
    crate::settle();
    let (before, began) = (written(device), SystemClock.mono());
    let end = began + Duration::from_secs(60 * minutes);
    // What is to happen when: cameras first, then events and audits.
    let mut due: Vec<(Mono, What)> = (0..CAMERAS).map(|n| (began + hub.mean_ms(30_000), What::Segment(n))).collect();
    due.push((began + hub.mean_ms(DAY_MS / EVENTS_A_DAY), What::EventBegins));
    due.push((began + hub.mean_ms(DAY_MS / AUDITS_A_DAY), What::Audit));
    while let Some(next) = (0..due.len()).min_by_key(|n| due[*n].0).filter(|n| due[*n].0 < end) {
        let (at, what) = due.swap_remove(next);
        sleep_until(at);
        due.extend(hub.write(what, at));
    }
    sleep_until(end);
    let rows = hub.rows;
    hub.store.close_blocking();
    let bytes = written(device) - before;
    json!({
        "phase": "record", "minutes": minutes, "cameras": CAMERAS, "rows": rows, "opening_wrote_bytes": before - at_first,
        "device_bytes": bytes, "device_bytes_a_day": bytes * 24 * 60 / minutes, "rss_bytes": crate::rss(),
    })
}

/// Bytes that a block device was written, its file system's own included.
fn written(device: &str) -> u64 {
    assert!(std::process::Command::new("sync").status().is_ok_and(|status| status.success()));
    let stat = std::fs::read_to_string(format!("/sys/block/{device}/stat")).expect("a block device");
    let sectors = stat.split_whitespace().nth(6).and_then(|sectors| sectors.parse::<u64>().ok());
    sectors.expect("sectors written") * 512
}

enum What {
    /// A camera's segment is full.
    Segment(usize),
    EventBegins,
    EventEnds(Box<Event>),
    Audit,
}

impl Hub<'_> {
    fn mean_ms(&mut self, ms: u64) -> Duration {
        Duration::from_millis(self.dice.roll(2 * ms))
    }

    /// Hands rows over as the recorder does; answers what comes of it later.
    fn write(&mut self, what: What, at: Mono) -> Vec<(Mono, What)> {
        let now = SystemClock.wall();
        match what {
            What::Segment(n) => {
                let closed = SegmentInfo {
                    end: now,
                    details: SegmentDetails::Closed,
                    bytes: 20_000_000,
                    ..self.open[n].clone()
                };
                self.open[n] = opened(&closed, now);
                let opened = self.open[n].clone();
                let old = segment(&cameras(), self.removed, 100_000);
                self.removed += 1;
                self.put(Durability::Lazy, move |db| db.put_segment(&closed));
                self.put(Durability::Lazy, move |db| db.put_segment(&opened));
                self.put(Durability::Lazy, move |db| db.remove_segment(&old));
                let length = Duration::from_millis(60_000 + self.dice.roll(2_000));
                vec![(at + length, What::Segment(n))]
            }
            What::EventBegins => {
                let n = self.dice.roll(1_000_000) as usize;
                let ended = Event { id: EventId::new(&SystemClock), start: now, ..event(&cameras(), n, 1_000_000) };
                let begun = Event { end: None, ..ended.clone() };
                self.put(Durability::Group, move |db| db.put_event(&begun));
                let pause = self.mean_ms(DAY_MS / EVENTS_A_DAY);
                let ends = (at + Duration::from_secs(12), What::EventEnds(Box::new(ended)));
                vec![ends, (at + pause, What::EventBegins)]
            }
            What::EventEnds(event) => {
                let event = Event { end: Some(now), ..*event };
                self.put(Durability::Group, move |db| db.put_event(&event));
                Vec::new()
            }
            What::Audit => {
                self.put(Durability::Now, move |db| db.append_audit(Actor::Hub, "session.new", "somebody").map(drop));
                self.store.export(self.export, ExportKind::Settings).expect("an export");
                vec![(at + self.mean_ms(DAY_MS / AUDITS_A_DAY), What::Audit)]
            }
        }
    }

    fn put(
        &mut self,
        durability: Durability,
        call: impl FnOnce(&mut store::Db) -> Result<(), store::StoreError> + Send + 'static,
    ) {
        self.rows += 1;
        drop(self.store.submit(durability, call));
    }
}

fn opened(before: &SegmentInfo, at: Timestamp) -> SegmentInfo {
    let id = SegmentId::new(&SystemClock);
    SegmentInfo { id, start: at, end: at, bytes: 0, details: SegmentDetails::Open, ..before.clone() }
}
