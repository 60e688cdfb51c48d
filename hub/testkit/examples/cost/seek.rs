//! How long it takes from asking for an instant of a day to the first picture that can be shown.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use base::footage::Track;
use base::{Clock, SystemClock, Timestamp};
use bytes::BytesMut;
use footage::bmff;
use futures::StreamExt;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::hub::{Home, HubProcess, owner};

use crate::{day, tables};

/// What a player asks for at a time.
const ASKED: Duration = Duration::from_secs(60);

/// From the request.
struct Seek {
    /// To the answer's first byte.
    answer: Duration,
    /// To the first byte of coded media: a player has all before it.
    playable: Duration,
    /// To the end of the first picture, a key picture.
    picture: Duration,
}

pub async fn run(keepsight: &Path, seeks: u64) -> Vec<Value> {
    let mut figures = vec![tables::machine()];
    let home = Home::new();
    println!("== a day of one camera");
    let film = day::film(keepsight).await;
    let (camera, began) = day::record(&home, &film).await;
    let (segments, bytes) = forget(&home.footage());
    let hub = HubProcess::start(keepsight, &home).await;
    let owner = owner(&home).await;
    // As after the start of a hub: its comparison of folder and index is over.
    SystemClock.sleep(Duration::from_secs(5)).await;
    for cold in [true, false] {
        println!("== {seeks} instants, {}", if cold { "cold" } else { "warm" });
        let mut found = Vec::new();
        for _ in 0..seeks {
            let at = began + Duration::from_millis(random(day::MINUTES * 60_000 - ASKED.as_millis() as u64));
            if cold {
                forget(&home.footage());
            } else {
                seek(&owner, &camera.to_string(), at).await;
            }
            found.push(seek(&owner, &camera.to_string(), at).await);
        }
        let line = |what: &str, of: fn(&Seek) -> Duration| {
            let mut ms: Vec<_> = found.iter().map(|seek| of(seek).as_secs_f64() * 1e3).collect();
            ms.sort_by(f64::total_cmp);
            let at = |part: f64| (ms[((ms.len() - 1) as f64 * part).round() as usize] * 10.0).round() / 10.0;
            json!({
                "what": "seek", "cache": if cold { "cold" } else { "warm" }, "to": what, "seeks": seeks, "segments": segments,
                "gb": (bytes as f64 / 1e8).round() / 10.0,
                "ms": {"p50": at(0.5), "p90": at(0.9), "p95": at(0.95), "p99": at(0.99), "max": at(1.0)},
            })
        };
        figures.push(line("the answer's first byte", |s| s.answer));
        figures.push(line("the first playable byte", |s| s.playable));
        figures.push(line("the first picture, whole", |s| s.picture));
    }
    hub.stop().await;
    figures
}

async fn seek(owner: &Client, camera: &str, at: Timestamp) -> Seek {
    let address = format!("{}/api/v1/cameras/{camera}/playback.mp4?from={at}&to={}", owner.base(), at + ASKED);
    let asked = SystemClock.mono();
    let request = owner.http().get(address).header("cookie", owner.cookie().expect("a session"));
    let answer = request.send().await.expect("the hub answers");
    assert_eq!(answer.status().as_u16(), 200, "there is footage at {at}");
    let mut body = answer.bytes_stream();
    let (mut bytes, mut first, mut playable) = (BytesMut::new(), None, None);
    loop {
        bytes.extend_from_slice(&body.next().await.expect("a picture comes").expect("the hub sends it"));
        let now = SystemClock.mono().since(asked);
        first.get_or_insert(now);
        let Some((media, picture)) = first_picture(&bytes) else { continue };
        if bytes.len() > media {
            playable.get_or_insert(now);
        }
        if let (Some(answer), Some(playable)) = (first, playable)
            && bytes.len() >= picture
        {
            return Seek { answer, playable, picture: now };
        }
    }
}

/// Where the first fragment's media begins in an answer, and where its first picture ends; `None` before that is known.
fn first_picture(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut at = 0;
    loop {
        let (len, kind) = bmff::box_start(*bytes.get(at..)?.first_chunk()?).expect("a box");
        if kind != *b"moof" {
            at += len as usize;
            continue;
        }
        let moof = bytes.get(at..at + len as usize)?;
        let (mdat, _) = bmff::box_start(*bytes.get(at + moof.len()..)?.first_chunk()?).expect("a box");
        let layout = bmff::parse_moof(moof, len + mdat).expect("a fragment");
        let pictures = layout.runs.iter().find(|run| run.track == Track::Video).expect("pictures");
        let key = pictures.samples[0];
        assert!(key.key, "playback begins with a key picture");
        return Some((at + moof.len() + 8, at + (key.offset + key.size) as usize));
    }
}

/// Has the kernel forget what it has in memory of all footage; how many files, and bytes.
pub fn forget(footage: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in std::fs::read_dir(footage).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            let (f, b) = forget(&path);
            (files, bytes) = (files + f, bytes + b);
        } else if path.to_string_lossy().ends_with(".mp4.age") {
            let file = File::open(&path).expect("a segment");
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("the kernel takes advice");
            (files, bytes) = (files + 1, bytes + file.metadata().expect("a segment").len());
        }
    }
    (files, bytes)
}

pub fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    base::random(&mut bytes);
    u64::from_le_bytes(bytes) % below
}

/// Markdown of all figures.
pub fn tables(figures: &[Value]) -> String {
    let mut out = format!("\n{}\n", tables::machine_says(&figures[0]));
    let seeks: Vec<_> = figures.iter().filter(|f| f["what"] == "seek").collect();
    if let Some(first) = seeks.first() {
        out += &format!(
            "{} segments, {} GB, {} random instants of the day; milliseconds from the request:\n\n",
            first["segments"], first["gb"], first["seeks"]
        );
    }
    out +=
        "| footage in the system's cache | to | median | p90 | p95 | p99 | longest |\n|---|---|---|---|---|---|---|\n";
    for f in &seeks {
        let ms = |name: &str| f["ms"][name].as_f64().map_or_else(String::new, |ms| format!("{ms:.1}"));
        let (cache, to) = (f["cache"] == "warm", f["to"].as_str().unwrap_or_default());
        let columns = ["p50", "p90", "p95", "p99", "max"].map(ms).join(" | ");
        out += &format!("| {} | {to} | {columns} |\n", if cache { "yes" } else { "no" });
    }
    let cold = seeks.iter().find(|f| f["cache"] == "cold" && f["to"] == "the first playable byte");
    if let Some(p95) = cold.and_then(|f| f["ms"]["p95"].as_f64()) {
        out += &format!(
            "\nGoal: p95 ≤ 100 ms cold, to the first playable byte: {p95:.1} ms, {}.\n",
            if p95 <= 100.0 { "met" } else { "missed" }
        );
    }
    out
}
