//! Promise 4, the half that a process can show: killed again and again at random, the hub records again by itself, loses at
//! most 2 s, and damages nothing it had kept. (Cutting the power is simulated elsewhere.)
//!
//! `KEEPSIGHT_KILLS` says how many times (fifteen, if it is not set).

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess};
use testkit::pictures;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
/// A picture is on disk at most this long after it arrived.
const MOST_LOST_S: f64 = 2.0;

#[tokio::test]
async fn e2e_killed_again_and_again_it_loses_two_seconds_at_most() {
    let wanted = std::env::var("KEEPSIGHT_KILLS").map_or(15, |n| n.parse::<usize>().expect("a number of kills"));
    let home = Home::new();
    let cameras = testkit::cameras(4).await;
    let mut process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (mut owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }

    // For each kill and camera: when it was, and what the hub had said was on disk.
    let mut kills: Vec<(Timestamp, HashMap<String, Timestamp>)> = Vec::new();
    for kill in 0..wanted {
        owner.wait_recording(&ids, Duration::from_secs(20)).await;
        let mut random = [0u8; 2];
        base::random(&mut random);
        let wait = Duration::from_micros(u64::from(u16::from_be_bytes(random)) * 45);
        SystemClock.sleep(wait).await; // the test's own input: a random instant within 3 s
        let said = said_to_be_kept(&owner, &ids).await;
        process.kill();
        kills.push((SystemClock.wall(), said));
        process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
        if kill % 5 == 4 {
            owner = hub::owner(&home).await; // and the session from before still holds between these
        }
    }
    owner.wait_recording(&ids, Duration::from_secs(20)).await;
    let ended = SystemClock.wall();
    process.stop().await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;

    let mut worst = 0.0_f64;
    for (n, id) in ids.iter().enumerate() {
        let spans = owner.segments(id).await;
        for (killed, said) in &kills {
            // What ends last before the kill: its end is the last picture that survived.
            let before: Vec<_> = spans.iter().filter(|(start, _)| start < killed).collect();
            let last = before.iter().map(|(_, end)| *end).max().expect("something was kept before each kill");
            let lost = killed.duration_since(last).as_secs_f64();
            assert!(lost <= MOST_LOST_S, "camera {n}, killed at {killed}: {lost:.2} s lost");
            worst = worst.max(lost);
            assert!(said[id] <= last, "camera {n}: kept up to {} was said, {last} survived", said[id]);
        }
        // Every segment decodes without an error, shows its own camera only, and no picture within it is missing.
        for (start, end) in &spans {
            // A connection of its own: this client's HTTP/2 ends one after a hundred streams of unknown length.
            let answer = home
                .client()
                .with_cookie(owner.cookie().expect("signed in"))
                .playback(id, *start, *end)
                .await
                .expect(200);
            let file = home.scratch("segment.mp4");
            std::fs::write(&file, &answer.body).unwrap();
            let shown = pictures::decode(&file);
            assert!(!shown.is_empty());
            let marks: Vec<_> = shown.iter().map(|p| p.mark.expect("every picture has its mark")).collect();
            assert!(marks.iter().all(|m| usize::from(m.camera) == n + 1), "camera {n} shows itself only");
            let loop_length = testkit::LOOP_PICTURES;
            for pair in marks.windows(2) {
                assert_eq!(pair[1].frame, (pair[0].frame + 1) % loop_length, "camera {n}: pictures follow one another");
            }
        }
        // What was not recorded is said, with the reason; and nothing is said of what was.
        let timeline = owner.timeline(id).await;
        let gaps = timeline["gaps"].as_array().expect("a list");
        let time = |v: &serde_json::Value| v.as_str().and_then(|t| t.parse::<Timestamp>().ok()).expect("a time");
        let gaps: Vec<_> = gaps.iter().map(|g| (time(&g["start"]), time(&g["end"]), g["reason"].clone())).collect();
        assert!(gaps.iter().any(|g| g.2 == "hub_down"), "camera {n}: the kills are named");
        for pair in spans.windows(2) {
            let (from, to) = (pair[0].1, pair[1].0);
            if to.duration_since(from).as_secs_f64() > 1.5 {
                let named = gaps.iter().any(|(start, end, _)| *start <= to && *end >= from);
                assert!(named, "camera {n}: nothing says why there is nothing from {from} to {to}");
            }
        }
        for (start, end, reason) in &gaps {
            let shown: f64 = spans
                .iter()
                .map(|(s, e)| (*end.min(e)).duration_since(*start.max(s)).as_secs_f64().max(0.0))
                .fold(0.0, f64::max);
            assert!(shown < 2.0, "camera {n}: {reason} from {start} to {end}, of which {shown:.1} s were recorded");
        }
    }
    assert!(kills.last().is_some_and(|(last, _)| ended > *last));
    println_for_the_log(&format!("killed {wanted} times; worst loss {worst:.2} s of {MOST_LOST_S} s allowed"));
    process.stop().await;
}

async fn said_to_be_kept(owner: &Client, ids: &[String]) -> HashMap<String, Timestamp> {
    let mut said = HashMap::new();
    for id in ids {
        let camera = owner.camera(id).await;
        let at = camera["last_fragment_at"].as_str().expect("it records").parse().expect("a time");
        said.insert(id.clone(), at);
    }
    said
}

#[expect(clippy::disallowed_macros, reason = "a figure for whoever reads the test's output")]
fn println_for_the_log(line: &str) {
    println!("{line}");
}
