//! Cameras that send broken and hostile things, at random: the hub goes on, takes no more memory for it, and the other
//! cameras' pictures are all there.
//!
//! `KEEPSIGHT_HOSTILE_SECONDS` says for how long, in rounds of a minute (one, if it is not set), `KEEPSIGHT_HOSTILE_SEED` with which
//! dice. With `KEEPSIGHT_RESULTS`, a folder, figures are kept there, and a run that was ended early goes on where it was.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock};
use camera_sim::{Audio, Codec, Options, Simulator};
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::figures::Figures;
use testkit::hostile::Hostile;
use testkit::hub::{self, Home, HubProcess};
use testkit::{pictures, wait_for};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const WELL: u16 = 4;
const ROUND_S: u64 = 60;
const MIB: u64 = 1 << 20;
/// What all of the hostile ones may hold together, and by how much that may still grow in the second half.
const MOST: u64 = 64 * MIB;
const MOST_LATER: u64 = 16 * MIB;

/// What they are before they are spoiled; so many of each.
fn kinds() -> Vec<Options> {
    let kind = |codec, audio| Options { codec, audio, ..Options::small(2) };
    vec![
        kind(Codec::H264, Audio::Aac),
        kind(Codec::H264B, Audio::Pcmu),
        kind(Codec::H264, Audio::Opus),
        kind(Codec::H265, Audio::Pcma),
        kind(Codec::H265Open, Audio::Aac),
        kind(Codec::Mjpeg, Audio::Off),
    ]
}

#[tokio::test]
async fn e2e_hostile_cameras_cost_no_crash_no_memory_and_no_other_cameras_picture() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("a number"));
    let wanted = number("KEEPSIGHT_HOSTILE_SECONDS").unwrap_or(ROUND_S);
    let results = Figures::of("hostile.jsonl");
    let mut done = results.sum("seconds");
    while done < wanted {
        let seed = number("KEEPSIGHT_HOSTILE_SEED").unwrap_or_else(|| {
            let mut seed = [0; 4];
            base::random(&mut seed);
            u32::from_ne_bytes(seed).into()
        });
        say(&format!("KEEPSIGHT_HOSTILE_SEED={seed}"));
        let figures = round(seed, ROUND_S).await;
        done += ROUND_S;
        results.keep(&figures);
    }
}

/// One hub, for so long.
async fn round(seed: u64, seconds: u64) -> Value {
    let home = Home::new();
    let well = testkit::cameras(WELL).await;
    // As it is installed: to make a backtrace of a debug build takes seconds, and a hundred megabytes.
    let mut command = Command::new(KEEPSIGHT);
    command.env("RUST_BACKTRACE", "0");
    let process = HubProcess::start_with(command, &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in well.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }
    owner.wait_recording(&ids, Duration::from_secs(20)).await;
    let began = SystemClock.wall();
    let before = process.size();

    let (mut simulators, mut hostile) = (Vec::new(), Vec::new());
    for options in kinds() {
        let simulator = Simulator::start(options, Arc::new(SystemClock)).await.expect("the cameras start");
        for camera in simulator.addresses() {
            let relay = Hostile::before(&camera.main, seed.wrapping_add(hostile.len() as u64)).await;
            let id = owner.add_camera(&format!("Hostile {}", hostile.len()), &relay.url()).await;
            hostile.push((id, relay));
        }
        simulators.push(simulator);
    }
    let mut sizes = Vec::new();
    for _ in 0..seconds {
        SystemClock.sleep(Duration::from_secs(1)).await; // the test's own input: for how long they do it
        sizes.push(process.size());
    }

    let most = |sizes: &[hub::Size]| sizes.iter().map(|s| s.rss).max().expect("some sizes");
    let (early, later) = sizes.split_at(sizes.len() / 2);
    let (early, later) = (most(early), most(later));
    let connections: u64 = hostile.iter().map(|(_, relay)| relay.connections()).sum();
    say(&format!(
        "{connections} connections to hostile cameras; the hub: {} MiB before, at most {} and later {} MiB, {} to {} threads",
        before.rss / MIB,
        early / MIB,
        later / MIB,
        before.threads,
        sizes.iter().map(|s| s.threads).max().expect("some sizes"),
    ));
    assert!(early <= before.rss + MOST && later <= early + MOST_LATER, "memory: {sizes:?}");
    assert!(connections >= seconds / 3, "they were tried again and again: {connections}");
    let log = std::fs::read_to_string(home.scratch("hub.log")).expect("the hub's log");
    // Where something panicked, as the hub's log has it.
    let places: Vec<_> = log.split("place=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let (libraries, ours): (Vec<_>, Vec<_>) = places.into_iter().partition(|place| place.contains("/registry/"));
    assert!(ours.is_empty(), "what a library panics at is caught, what the hub panics at is a defect: {ours:?}");

    let kept_until = SystemClock.wall();
    let mut pictures_of_others = 0;
    for (n, id) in ids.iter().enumerate() {
        wait_for("all of it is on disk", Duration::from_secs(10), async || {
            let kept = owner.camera(id).await["last_fragment_at"].as_str().and_then(|t| t.parse().ok());
            kept.is_some_and(|kept: base::Timestamp| kept > kept_until)
        })
        .await;
        let all = pictures::none_is_missing(&owner, id, n as u16 + 1, began, &home.scratch("film.mp4")).await;
        assert!(all as u64 >= 10 * seconds, "camera {n}: {all} pictures");
        pictures_of_others += all;
    }
    let mut recorded = 0;
    for (id, _) in &hostile {
        // Of so many short films HTTP/2 clients take only so many on one connection.
        recorded += shown(&home.client().with_cookie(owner.cookie().expect("signed in")), id).await;
    }
    assert!(recorded > 0, "something of the hostile ones is kept too");
    process.stop().await;
    json!({
        "seed": seed, "seconds": seconds, "hostile_cameras": hostile.len(), "connections": connections,
        "hostile_segments": recorded, "library_panics_caught": libraries.len(), "other_cameras_pictures": pictures_of_others,
        "rss_mib": [before.rss / MIB, early / MIB, later / MIB],
    })
}

/// What was kept of a hostile camera is shown, or is refused as a damaged film; no answer says that the hub is at fault. How
/// many stretches there are.
async fn shown(owner: &Client, id: &str) -> usize {
    let spans = owner.segments(id).await;
    for (start, end) in &spans {
        let answer = owner.playback(id, *start, *end).await;
        assert!(answer.status < 500, "{}", String::from_utf8_lossy(&answer.body));
    }
    spans.len()
}

/// For whoever looks at the log of the test.
#[expect(clippy::disallowed_macros, reason = "the log of a test")]
fn say(text: &str) {
    println!("{text}");
}
