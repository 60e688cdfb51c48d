//! Who looks at cameras' pictures is killed and stopped, and is shown broken pictures, some of which claim to need more memory than
//! there is: eight cameras lose not one picture of what is recorded, and each is looked at again within five seconds.
//!
//! `KEEPSIGHT_EYES_SECONDS` says for how long, in rounds of a minute (one, if it is not set). With `KEEPSIGHT_RESULTS`, a folder, figures
//! are kept there, and a run that was ended early goes on where it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock};
use camera_sim::{Codec, Options, Simulator};
use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use testkit::broken::BrokenCameras;
use testkit::client::Client;
use testkit::figures::Figures;
use testkit::hostile::Hostile;
use testkit::hub::{self, Home, HubProcess};
use testkit::{pictures, wait_for};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const ROUND_S: u64 = 60;
/// What a hurt child may cost of looking.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// More than may be on its way when a child is hurt.
const SURELY_NEW: u64 = 3;
/// One that stands still is noticed when its camera sends something, which cameras with broken pictures do not always.
const REPLACED_WITHIN: Duration = Duration::from_secs(30);
/// Until each way to be broken was shown.
const SHOWN_WITHIN: Duration = Duration::from_secs(60);
/// What a camera that sends good pictures at last takes to be connected to anew, and its pictures to be looked at again.
const GOOD_WITHIN: Duration = Duration::from_secs(5 + BACK_WITHIN.as_secs());

/// The cameras that are to be recorded whole.
fn well() -> [Options; 2] {
    [Codec::H264, Codec::H265].map(|codec| Options { codec, ..Options::small(4) })
}

/// What is done to a child.
const HURTS: [(&str, Signal); 2] = [("killed", Signal::SIGKILL), ("stopped", Signal::SIGSTOP)];

#[tokio::test]
async fn e2e_eyes_that_are_hurt_see_again_and_recording_knows_nothing_of_it() {
    let wanted = std::env::var("KEEPSIGHT_EYES_SECONDS").map_or(ROUND_S, |n| n.parse().expect("a number"));
    let results = Figures::of("eyes.jsonl");
    let mut done = results.sum("seconds");
    while done < wanted {
        let figures = round(ROUND_S).await;
        say(&figures.to_string());
        done += ROUND_S;
        results.keep(&figures);
    }
}

/// One hub, for so long.
async fn round(seconds: u64) -> Value {
    let home = Home::new();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let (mut simulators, mut ids, mut hostile) = (Vec::new(), Vec::new(), Vec::new());
    for options in well() {
        let simulator = Simulator::start(options, Arc::new(SystemClock)).await.expect("the cameras start");
        for (n, camera) in simulator.addresses().iter().enumerate() {
            ids.push((owner.add_camera(&format!("Camera {}", ids.len()), &camera.main).await, n as u16 + 1));
        }
        simulators.push(simulator);
    }
    // One of each that sends broken pictures: those are looked at too.
    for (n, simulator) in simulators.iter().enumerate() {
        let relay = Hostile::before(&simulator.addresses()[0].main, seed()).await;
        hostile.push((owner.add_camera(&format!("Hostile {n}"), &relay.url()).await, relay));
    }
    // And one of each whose pictures are broken in one way after the other.
    let (broken, mut breaks) = (BrokenCameras::start(seed()), Vec::new());
    for (n, url) in broken.urls().iter().enumerate() {
        breaks.push(owner.add_camera(&format!("Broken {n}"), url).await);
    }
    let well: Vec<_> = ids.iter().map(|(id, _)| id.clone()).collect();
    owner.wait_recording(&well, Duration::from_secs(30)).await;
    for id in well.iter().chain(hostile.iter().map(|(id, _)| id)).chain(&breaks) {
        let path = format!("/api/v1/cameras/{id}");
        owner.request(Method::PATCH, &path, Some(json!({"motion": {"sensitivity": "high"}}))).await.expect(200);
    }
    wait_for("all are looked at", Duration::from_secs(60), async || {
        let looked = looked(&owner).await;
        well.iter().all(|id| looked.get(id).is_some_and(|n| *n > SURELY_NEW))
    })
    .await;

    let (began, from) = (SystemClock.wall(), SystemClock.mono());
    let (mut hurt, mut worst) = ([0u64; HURTS.len()], Duration::ZERO);
    while SystemClock.mono().since(from) < Duration::from_secs(seconds) {
        let kind = hurt.iter().sum::<u64>() as usize % HURTS.len();
        let child = oldest(&process).await;
        let (how, signal) = HURTS[kind];
        kill(child, signal).expect("it is there");
        let (at, before) = (SystemClock.mono(), looked(&owner).await);
        let again = |now: &BTreeMap<String, u64>| {
            well.iter().all(|id| now.get(id).is_some_and(|n| *n >= before[id] + SURELY_NEW))
        };
        let mut now = before.clone();
        while !again(&now) {
            let took = SystemClock.mono().since(at);
            assert!(took < BACK_WITHIN, "one was {how}: before {before:?}, now {now:?}");
            SystemClock.sleep(Duration::from_millis(50)).await;
            now = looked(&owner).await;
        }
        hurt[kind] += 1;
        worst = worst.max(SystemClock.mono().since(at));
        wait_for("who was hurt is replaced", REPLACED_WITHIN, async || {
            watching(&process).iter().all(|(_, pid)| *pid != child)
        })
        .await;
        // The test's own input: each has a good life before it is hurt again. Who ends again and again is started ever later.
        SystemClock.sleep(Duration::from_secs(1)).await;
    }

    wait_for("each way to be broken is shown", SHOWN_WITHIN, async || broken.shown() > 0).await;
    broken.mend();
    let mut before = None;
    wait_for("good pictures are looked at after broken ones", GOOD_WITHIN, async || {
        if !broken.mended() {
            return false; // what is looked at until then is not good
        }
        let now = looked(&owner).await;
        let before = before.get_or_insert_with(|| now.clone());
        breaks.iter().all(|id| now[id] >= before[id] + SURELY_NEW)
    })
    .await;

    let kept_until = SystemClock.wall();
    let mut all = 0;
    for (id, number) in &ids {
        wait_for("all of it is on disk", Duration::from_secs(10), async || {
            let kept = owner.camera(id).await["last_fragment_at"].as_str().and_then(|t| t.parse().ok());
            kept.is_some_and(|kept: base::Timestamp| kept > kept_until)
        })
        .await;
        let pictures = pictures::none_is_missing(&owner, id, *number, began, &home.scratch("eyes.mp4")).await;
        assert!(pictures as u64 >= 10 * seconds, "camera {id}: {pictures} pictures");
        all += pictures;
    }
    let connections: u64 = hostile.iter().map(|(_, relay)| relay.connections()).sum();
    assert!(connections > 0 && hurt.iter().all(|n| *n > 0), "{connections} connections, {hurt:?}");
    process.stop().await;
    json!({
        "seconds": seconds, "cameras": ids.len(), "pictures_recorded": all, "pictures_lost": 0,
        "killed": hurt[0], "stopped": hurt[1], "each_way_to_be_broken": broken.shown(),
        "back_within_s_at_most": (worst.as_secs_f64() * 100.0).round() / 100.0,
    })
}

/// Pictures that were looked at, by camera.
async fn looked(owner: &Client) -> BTreeMap<String, u64> {
    let metrics = owner.get("/metrics").await.expect(200);
    let text = String::from_utf8(metrics.body.to_vec()).expect("metrics are text");
    let line = |line: &str| {
        let (camera, count) = line.strip_prefix("keepsight_camera_looked_total{camera=\"")?.split_once("\"} ")?;
        Some((camera.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// The child of the hub that watches for the longest time: one that was hurt is left alone until all others were.
async fn oldest(process: &HubProcess) -> Pid {
    let mut found = None;
    wait_for("a child watches", Duration::from_secs(10), async || {
        found = watching(process).into_iter().min().map(|(_, pid)| pid);
        found.is_some()
    })
    .await;
    found.expect("one was found")
}

/// When they were started, in ticks of the system, and who they are.
fn watching(process: &HubProcess) -> Vec<(u64, Pid)> {
    let parent = process.pid().to_string();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let child = |pid: i32| {
        // Gone meanwhile: none.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        // proc(5): after the name in brackets state, parent, …; the 20th is when it started.
        let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let watches = command.contains("--watch") || command.contains("--hardware");
        (fields[1] == parent && fields[0] != "Z" && watches)
            .then(|| (fields[19].parse().expect("a number"), Pid::from_raw(pid)))
    };
    all.filter_map(child).collect()
}

fn seed() -> u64 {
    let mut seed = [0; 8];
    base::random(&mut seed);
    u64::from_ne_bytes(seed)
}

/// For whoever looks at the log of the test.
#[expect(clippy::disallowed_macros, reason = "the log of a test")]
fn say(text: &str) {
    println!("{text}");
}
