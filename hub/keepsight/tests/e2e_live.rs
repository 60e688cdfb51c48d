//! Looking live: any number of viewers, a stuck one, and still pictures, with the real binary and simulated cameras.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::footage::StreamName;
use base::{Clock, Mono, SystemClock, Timestamp};
use camera_sim::Simulator;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use testkit::client::{Answer, Client, Live};
use testkit::hub::{self, Home, HubProcess, TestHub};
use testkit::{LOOP_PICTURES, people, pictures, wait_for};
use tokio_tungstenite::tungstenite::Message;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
/// Ticks (90 kHz) between two pictures of [`testkit::cameras`].
const SPACING: i64 = 9_000;

async fn add(owner: &Client, name: &str, main: &str, sub: &str) -> String {
    let camera = json!({"name": name, "main": {"url": main}, "sub": {"url": sub}});
    owner.post("/api/v1/cameras", camera).await.expect(201).json()["id"].as_str().unwrap().to_owned()
}

fn live(id: &str, stream: &str) -> String {
    format!("/api/v1/cameras/{id}/live?stream={stream}")
}

/// Which of a stream's clients, counted from 0, were sent pictures.
fn clients(cameras: &Simulator, stream: StreamName) -> BTreeSet<u64> {
    cameras.sent(1, stream).unwrap().iter().map(|sent| sent.client).collect()
}

async fn viewers(owner: &Client) -> u64 {
    let metrics = owner.get("/metrics").await.expect(200);
    let text = String::from_utf8_lossy(&metrics.body).into_owned();
    let count = text.lines().find_map(|l| l.strip_prefix("keepsight_live_viewers "));
    count.and_then(|n| n.parse().ok()).expect("a count of viewers")
}

/// Decode time of a fragment's picture (90 kHz); `None` if it is sound.
fn picture_time(fragment: &[u8]) -> Option<i64> {
    let after = |name: &[u8; 4]| {
        let at = fragment.windows(4).position(|w| w == name).expect("a box of every fragment") + 8;
        &fragment[at..]
    };
    let track = u32::from_be_bytes(after(b"tfhd")[..4].try_into().unwrap());
    (track == 1).then(|| i64::from_be_bytes(after(b"tfdt")[..8].try_into().unwrap()))
}

/// Looks for so long: the pictures' times, and when each came.
async fn look(mut view: Live, time: Duration) -> Vec<(i64, Mono)> {
    assert!(matches!(view.next().await, Some(Message::Text(_))));
    assert!(matches!(view.next().await, Some(Message::Binary(_))));
    let (began, mut seen) = (SystemClock.mono(), Vec::new());
    while SystemClock.mono().since(began) < time {
        match view.next().await {
            Some(Message::Binary(fragment)) => {
                seen.extend(picture_time(&fragment).map(|at| (at, SystemClock.mono())));
            }
            other => panic!("only fragments come, not {other:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn e2e_twenty_viewers_cost_one_camera_connection_and_a_stuck_one_changes_nothing_for_them() {
    let home = Home::new();
    let cameras = testkit::cameras(1).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let address = &cameras.addresses()[0];
    let id = add(&owner, "Front door", &address.main, &address.sub).await;
    owner.wait_recording(std::slice::from_ref(&id), Duration::from_secs(20)).await;
    assert_eq!(cameras.pictures_sent(1, StreamName::Sub).unwrap(), 0, "nobody looks, so nobody connects");

    // A phone that was put away: its socket is open, and nothing is read from it any more.
    let stuck = [owner.websocket(&live(&id, "sub")).await.unwrap(), owner.websocket(&live(&id, "main")).await.unwrap()];
    let before = process.size().rss;
    let time = Duration::from_secs(22);
    let mut looking = Vec::new();
    for n in 0..20 {
        let view = owner.websocket(&live(&id, if n < 15 { "sub" } else { "main" })).await.unwrap();
        looking.push(tokio::spawn(look(view, time)));
    }
    assert_eq!(viewers(&owner).await, 22);
    for (n, seen) in looking.into_iter().enumerate() {
        let seen = seen.await.unwrap();
        assert!(seen.len() > 150, "viewer {n} saw {} pictures", seen.len());
        for pair in seen.windows(2) {
            assert_eq!(pair[1].0 - pair[0].0, SPACING, "viewer {n}: every picture");
        }
        let (first, began) = seen[0];
        for (at, came) in &seen {
            let due = began + Duration::from_micros((at - first) as u64 * 1_000 / 90);
            assert!(came.since(due) < Duration::from_secs(2), "viewer {n}: in time");
        }
    }
    let grown = process.size().rss.saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes for 22 viewers, two of them stuck");
    for stream in [StreamName::Main, StreamName::Sub] {
        assert_eq!(clients(&cameras, stream), BTreeSet::from([0]), "{stream:?}: one connection");
    }
    wait_for("the stuck ones are let go", Duration::from_secs(20), async || viewers(&owner).await == 0).await;
    drop(stuck);

    // When nobody looks any more, the camera is let go, and taken again for who comes next.
    wait_for("the small stream ends", Duration::from_secs(30), async || {
        let sent = cameras.pictures_sent(1, StreamName::Sub).unwrap();
        SystemClock.sleep(Duration::from_millis(500)).await;
        cameras.pictures_sent(1, StreamName::Sub).unwrap() == sent
    })
    .await;
    let (_, _, fragments) = owner.websocket(&live(&id, "sub")).await.unwrap().collect(5).await;
    assert_eq!(fragments.len(), 5);
    assert_eq!(clients(&cameras, StreamName::Sub), BTreeSet::from([0, 1]));
    process.stop().await;
}

#[tokio::test]
async fn e2e_who_looks_at_the_small_stream_is_shown_out_when_the_grant_ends_and_nobody_else_is() {
    let hub = TestHub::claimed().await;
    let cameras = testkit::cameras(2).await;
    let mut ids = Vec::new();
    for (n, address) in cameras.addresses().iter().enumerate() {
        ids.push(add(&hub.owner, &format!("Camera {n}"), &address.main, &address.sub).await);
    }
    let member = people::member(&hub, "Milo").await;
    people::grant(&hub, "Milo", &ids[1]).await;
    assert!(member.websocket(&live(&ids[0], "sub")).await.is_err(), "not granted");
    assert_eq!(cameras.pictures_sent(1, StreamName::Sub).unwrap(), 0, "and nobody connected for it");
    let mut view = member.websocket(&live(&ids[1], "sub")).await.unwrap();
    view.collect(3).await;
    let mut owners = hub.owner.websocket(&live(&ids[1], "sub")).await.unwrap();
    owners.collect(3).await;
    // An epoch whose keys both hold: neither notices.
    hub.hub.recorder().new_epoch(ids[1].parse().unwrap()).await.unwrap();
    for view in [&mut view, &mut owners] {
        for _ in 0..40 {
            assert!(matches!(view.next().await, Some(Message::Binary(_))), "it goes on where it was");
        }
    }
    let milo = member.get("/api/v1/me").await.expect(200).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/members/{milo}/grants");
    hub.owner.request(http::Method::PUT, &path, Some(serde_json::json!([]))).await.expect(200);
    let closed = async { while view.next().await.is_some() {} };
    base::clock::timeout(&SystemClock, Duration::from_secs(1), closed).await.expect("the view is closed");
    assert!(member.websocket(&live(&ids[1], "sub")).await.is_err());
    for _ in 0..40 {
        assert!(matches!(owners.next().await, Some(Message::Binary(_))), "the owner's goes on");
    }

    // A camera that is removed shows nothing more.
    let mut view = hub.owner.websocket(&live(&ids[0], "sub")).await.unwrap();
    view.collect(1).await;
    hub.owner.request(http::Method::DELETE, &format!("/api/v1/cameras/{}", ids[0]), None).await.expect(204);
    let closed = async { while view.next().await.is_some() {} };
    base::clock::timeout(&SystemClock, Duration::from_secs(10), closed).await.expect("the view is closed");
    hub.hub.stop().await;
}

async fn snapshot(owner: &Client, id: &str, query: &str) -> Answer {
    owner.get(&format!("/api/v1/cameras/{id}/snapshot.jpg{query}")).await
}

/// Whose picture it is, and how wide.
fn seen(home: &Home, answer: Answer) -> (u16, u32) {
    let answer = answer.expect(200);
    assert_eq!((answer.header("content-type"), answer.header("cache-control")), ("image/jpeg", "no-store"));
    assert!(answer.header("keepsight-start").parse::<Timestamp>().is_ok());
    let file = home.scratch("seen.jpg");
    std::fs::write(&file, &answer.body).unwrap();
    let width = pictures::probe(&file).size.0;
    let all = pictures::decode(&file);
    assert_eq!(all.len(), 1);
    (all[0].mark.expect("the picture has its mark").camera, width)
}

/// The decoders' processes of a hub.
fn decoders(process: &HubProcess) -> Vec<Pid> {
    let parent = format!("PPid:\t{}", process.pid());
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_one = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // Locked in, so that it can be handed out.
        status.lines().any(|l| l == parent) && status.contains("Seccomp:\t2") && !status.contains("State:\tZ")
    };
    all.filter(is_one).map(Pid::from_raw).collect()
}

#[tokio::test]
async fn e2e_a_snapshot_is_of_its_camera_and_a_decoder_that_dies_or_hangs_costs_no_recording() {
    let home = Home::new();
    // Large enough that the small stream is smaller.
    let options = camera_sim::Options { size: "640x360".parse().unwrap(), ..camera_sim::Options::small(2) };
    let cameras = Simulator::start(options, Arc::new(SystemClock)).await.unwrap();
    let mut process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (n, address) in cameras.addresses().iter().enumerate() {
        ids.push(add(&owner, &format!("Camera {n}"), &address.main, &address.sub).await);
    }
    let alone = owner.add_camera("Without a small stream", "rtsp://127.0.0.1:9/main").await;
    let away = add(&owner, "Away", "rtsp://127.0.0.1:9/main", "rtsp://127.0.0.1:9/sub").await;
    owner.wait_recording(&ids, Duration::from_secs(20)).await;
    let began = SystemClock.wall();

    for (n, id) in ids.iter().enumerate() {
        let number = n as u16 + 1;
        assert_eq!(seen(&home, snapshot(&owner, id, "").await), (number, 640));
        assert_eq!(seen(&home, snapshot(&owner, id, "?stream=main&width=200").await), (number, 200));
        assert_eq!(seen(&home, snapshot(&owner, id, "?stream=sub").await), (number, 320));
        assert_eq!(owner.camera(id).await["has_sub"], true);
    }
    let system = owner.get("/api/v1/system").await.expect(200).json();
    assert_eq!(system["stills"], json!({"state": "ok"}), "this kernel and machine have all that is wanted");

    assert_eq!(snapshot(&owner, &alone, "?stream=sub").await.expect(404).problem(), "no-sub-stream");
    assert!(owner.websocket(&live(&alone, "sub")).await.is_err());
    for bad in ["?stream=large", "?width=0", "?width=99999", "?width=x"] {
        assert_eq!(snapshot(&owner, &ids[0], bad).await.expect(400).problem(), "bad-request", "{bad}");
    }
    for query in ["", "?stream=sub"] {
        let answer = snapshot(&owner, &away, query).await.expect(503);
        assert_eq!(answer.problem(), "no-picture");
        let why = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("does not answer"), "it says why: {why}");
    }

    // Decoders that were killed are not asked; one that stands still costs one picture, and not for long.
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        assert_eq!(seen(&home, snapshot(&owner, &ids[0], "").await).0, 1);
        wait_for("decoders stand ready", Duration::from_secs(10), async || decoders(&process).len() == 2).await;
        SystemClock.sleep(Duration::from_millis(300)).await; // they have said so, too: the test's own input
        decoders(&process).iter().for_each(|pid| kill(*pid, signal).unwrap());
        if signal == Signal::SIGKILL {
            wait_for("they are dead", Duration::from_secs(10), async || decoders(&process).is_empty()).await;
        } else {
            let asked = SystemClock.mono();
            assert_eq!(snapshot(&owner, &ids[0], "").await.expect(503).problem(), "still-failed");
            assert!(SystemClock.mono().since(asked) < Duration::from_secs(10));
            snapshot(&owner, &ids[0], "").await; // the other one that stands still
        }
        assert_eq!(seen(&home, snapshot(&owner, &ids[1], "").await).0, 2, "{signal}: the next one works");
    }

    // Meanwhile not one picture was missed.
    let until = SystemClock.wall();
    for (n, id) in ids.iter().enumerate() {
        wait_for("it is on disk", Duration::from_secs(10), async || {
            let kept = owner.camera(id).await["last_fragment_at"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
            kept.is_some_and(|kept| kept > until)
        })
        .await;
        assert_eq!(owner.timeline(id).await["gaps"].as_array().map(Vec::len), Some(0));
        let file = home.scratch("recorded.mp4");
        std::fs::write(&file, &owner.playback(id, began, until).await.expect(200).body).unwrap();
        let marks: Vec<_> = pictures::decode(&file).iter().map(|p| p.mark.expect("a mark")).collect();
        assert!(marks.len() > 30);
        for pair in marks.windows(2) {
            assert_eq!((usize::from(pair[1].camera), pair[1].frame), (n + 1, (pair[0].frame + 1) % LOOP_PICTURES));
        }
    }

    // A hub that is killed leaves none behind.
    snapshot(&owner, &ids[0], "").await.expect(200);
    wait_for("decoders stand ready", Duration::from_secs(10), async || !decoders(&process).is_empty()).await;
    let left = decoders(&process);
    process.kill();
    wait_for("they are gone", Duration::from_secs(10), async || {
        left.iter().all(|pid| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.is_empty() || status.contains("State:\tZ")
        })
    })
    .await;
}
