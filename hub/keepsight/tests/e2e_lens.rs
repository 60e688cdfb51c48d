//! Cameras of the machine itself, on USB or a ribbon cable, and encoders of every kind of badness: recorded from the first picture on
//! and as they are, whatever the encoder does, and the cameras on the network lose nothing by it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess};
use testkit::{lenses, pictures, wait_for};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
/// From a failure of an encoder until another one's pictures are kept.
const CHOSEN_WITHIN: Duration = Duration::from_secs(10);
const STARTS_WITHIN: Duration = Duration::from_secs(30);

async fn start(home: &Home, encoder: &str) -> (HubProcess, Client) {
    let command = lenses::command(Path::new(KEEPSIGHT), &home.scratch("gstreamer"), encoder);
    let process = HubProcess::start_with(command, home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), home).await;
    (process, owner)
}

/// Waits until so much of a camera is on disk, in one stretch.
async fn kept(owner: &Client, id: &str, seconds: i64) -> (Timestamp, Timestamp) {
    let mut last = None;
    wait_for(&format!("{seconds} s of {id} are kept"), STARTS_WITHIN, async || {
        last = owner.segments(id).await.last().copied();
        last.is_some_and(|(from, to)| to.duration_since(from).as_secs() >= seconds)
    })
    .await;
    last.expect("it was found")
}

/// What was kept of it, as a player sees it.
async fn film(owner: &Client, home: &Home, id: &str, (from, to): (Timestamp, Timestamp)) -> pictures::Probe {
    let answer = owner.playback(id, from, to).await.expect(200);
    let file = home.scratch("lens.mp4");
    std::fs::write(&file, &answer.body).expect("room for a film");
    let film = pictures::probe(&file);
    assert_eq!(film.complaints, "");
    assert_eq!(pictures::decode(&file).len(), film.video_s.len(), "every picture can be shown");
    film
}

/// One picture after the other, so many a second.
fn even(film: &pictures::Probe, fps: f64) {
    for pair in film.video_s.windows(2) {
        let apart = pair[1] - pair[0];
        assert!((apart - 1.0 / fps).abs() <= 0.002, "{apart} s at {} s, of {fps} a second", pair[0]);
    }
}

#[tokio::test]
async fn e2e_cameras_of_the_machine_are_recorded_in_whatever_form_they_give_their_pictures() {
    let home = Home::new();
    let (process, owner) = start(&home, "").await;
    // What each gives, what is kept of it, and whether it is encoded here.
    let all = [
        ("v4l2:/dev/video-test/raw", (1_280, 720), 10.0, true),
        ("v4l2:/dev/video-test/raw?size=640x360&fps=15", (640, 360), 15.0, true),
        ("v4l2:/dev/video-test/jpeg?size=640x360", (640, 360), 15.0, true),
        ("v4l2:/dev/video-test/h264", (640, 360), 30.0, false),
        ("libcamera:/base/soc/raw?size=640x360", (640, 360), 15.0, true),
    ];
    for (address, size, fps, encoded) in all {
        let id = owner.add_camera(address, address).await;
        let stretch = kept(&owner, &id, 5).await;
        let told = owner.camera(&id).await;
        assert!(told["codec"].as_str().is_some_and(|codec| codec.starts_with("avc1.")), "{told}");
        match encoded {
            true => {
                let said = told["encoder"]["said"].as_str().expect("which and why");
                assert!(said.contains("by the processor") && said.contains("a picture"), "{said}");
                assert_eq!(told["encoder"]["hardware"], false, "{told}");
            }
            false => assert_eq!(told["encoder"], Value::Null, "it encodes itself"),
        }
        let film = film(&owner, &home, &id, stretch).await;
        assert_eq!(film.size, size, "{address}");
        assert!(film.video_s.len() as f64 >= 4.5 * fps, "{address}: {} pictures", film.video_s.len());
        even(&film, fps);
        owner.request(Method::PATCH, &format!("/api/v1/cameras/{id}"), Some(json!({"paused": true}))).await.expect(200);
        wait_for("it is told no longer", CHOSEN_WITHIN, async || owner.camera(&id).await["encoder"].is_null()).await;
    }
    let system = home.system().await;
    let said = system["machine"]["encoder_h264"]["said"].as_str().expect("it is told");
    assert!(said.contains("x264enc, by the processor"), "{said}");
    let doctor = Command::new(KEEPSIGHT).args(["doctor", "--config"]).arg(home.config()).output().expect("it runs");
    assert!(String::from_utf8_lossy(&doctor.stdout).contains(said), "{doctor:?}");
    process.stop().await;
}

#[tokio::test]
async fn e2e_a_camera_of_the_machine_that_is_not_there_is_used_or_leaves_is_told_so_and_found_again() {
    let home = Home::new();
    let (process, owner) = start(&home, "").await;
    for (address, state, detail) in [
        ("v4l2:/dev/video-test/absent", "unreachable", "There is no /dev/video-test/absent"),
        ("v4l2:/dev/video-test/busy", "unreachable", "Something else uses it"),
        ("libcamera:/base/absent", "unreachable", "Cannot identify device"),
    ] {
        let id = owner.add_camera(address, address).await;
        wait_for(&format!("{address} is told"), STARTS_WITHIN, async || {
            let told = owner.camera(&id).await;
            told["state"] == state && told["detail"].as_str().is_some_and(|said| said.contains(detail))
        })
        .await;
    }
    let bad =
        owner.post("/api/v1/cameras", json!({"name": "Memory", "main": {"url": "v4l2:/dev/../proc/kcore"}})).await;
    assert_eq!(bad.problem(), "bad-camera-url");

    // The one that left is back within a second, which is no gap.
    for (kind, reason) in [("leaves", None), ("stops", Some("camera_stalled"))] {
        let id = owner.add_camera(kind, &format!("v4l2:/dev/video-test/{kind}?size=640x360")).await;
        wait_for("it comes back, and the hole is told", STARTS_WITHIN, async || {
            let timeline = owner.timeline(&id).await;
            let gaps = timeline["gaps"].as_array().expect("a list");
            let told = reason.is_none_or(|reason| gaps.iter().any(|gap| gap["reason"] == reason));
            owner.segments(&id).await.len() >= 2 && told
        })
        .await;
        let (from, to) = owner.segments(&id).await[0];
        let lasted = to.duration_since(from).as_secs_f64();
        assert!((4.5..=6.0).contains(&lasted), "{kind}: all of the five seconds, {lasted}");
        owner.request(Method::DELETE, &format!("/api/v1/cameras/{id}"), None).await.expect(204);
    }
    process.stop().await;
}

#[tokio::test]
async fn e2e_whatever_the_process_of_a_camera_of_the_machine_suffers_it_is_recorded_again() {
    let home = Home::new();
    let (process, owner) = start(&home, "").await;
    let id = owner.add_camera("Lens", "v4l2:/dev/video-test/raw?size=640x360").await;
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        owner.wait_recording(std::slice::from_ref(&id), STARTS_WITHIN).await;
        kept(&owner, &id, 3).await;
        let before = owner.segments(&id).await.len();
        let [child] = children(&process)[..] else { panic!("one child reads it") };
        kill(child, signal).expect("it is there");
        wait_for("it is recorded again", STARTS_WITHIN, async || owner.segments(&id).await.len() > before).await;
        wait_for("the other one is gone", STARTS_WITHIN, async || !children(&process).contains(&child)).await;
    }
    process.stop().await;
}

#[tokio::test]
async fn e2e_an_encoder_that_works_in_hardware_is_taken() {
    let home = Home::new();
    let (process, owner) = start(&home, "works").await;
    let id = owner.add_camera("Lens", "v4l2:/dev/video-test/raw?size=640x360").await;
    let stretch = kept(&owner, &id, 5).await;
    let told = owner.camera(&id).await;
    assert_eq!((&told["encoder"]["name"], &told["encoder"]["hardware"]), (&json!("madeuph264enc"), &json!(true)));
    let film = film(&owner, &home, &id, stretch).await;
    assert_eq!(film.size, (640, 360));
    even(&film, 15.0);
    process.stop().await;
}

/// One that fails in its trial is never taken; one that fails later gives way within ten seconds.
#[tokio::test]
async fn e2e_encoders_that_fail_give_way_and_nothing_else_is_lost() {
    let trial = [
        ("fails-at-open", "no such device"),
        ("hangs", "did not finish in time"),
        ("slow", "too slow"),
        ("garbage", "was wrong"),
    ];
    for (encoder, why) in trial {
        let home = Home::new();
        let (process, owner) = start(&home, encoder).await;
        let id = owner.add_camera("Lens", "v4l2:/dev/video-test/raw?size=640x360").await;
        owner.wait_recording(std::slice::from_ref(&id), CHOSEN_WITHIN).await;
        let told = owner.camera(&id).await;
        assert_eq!(told["encoder"]["hardware"], false, "{encoder}: {told}");
        let system = home.system().await;
        let said = system["machine"]["encoder_h264"]["said"].as_str().expect("it is told");
        assert!(said.contains("Not madeuph264enc: ") && said.contains(why), "{encoder}: {said}");
        process.stop().await;
    }

    let later = [
        ("fails-later", "The hardware is stuck"),
        ("hangs-later", "gives no pictures"),
        ("slow-later", "does not keep up"),
        ("crashes-later", "took its process with it"),
    ];
    let network = testkit::cameras(1).await;
    for (encoder, why) in later {
        let home = Home::new();
        let (process, owner) = start(&home, encoder).await;
        let other = owner.add_camera("Network", &network.addresses()[0].main).await;
        owner.wait_recording(std::slice::from_ref(&other), STARTS_WITHIN).await;
        let began = SystemClock.wall();
        let id = owner.add_camera("Lens", "v4l2:/dev/video-test/raw?size=640x360").await;
        let name = async || owner.camera(&id).await["encoder"]["name"].clone();
        wait_for("hardware encodes", STARTS_WITHIN, async || name().await == "madeuph264enc").await;
        wait_for("it has given way", STARTS_WITHIN, async || owner.segments(&id).await.len() >= 2).await;
        let told = owner.camera(&id).await;
        assert_eq!(told["encoder"]["hardware"], false, "{encoder}: {told}");
        let said = told["encoder"]["said"].as_str().expect("which and why");
        assert!(
            said.contains("madeuph264enc would take less, but failed: ") && said.contains(why),
            "{encoder}: {said}"
        );
        let [(_, ended), (again, _), ..] = owner.segments(&id).await[..] else { panic!("two stretches") };
        let hole = again.duration_since(ended).as_secs_f64();
        assert!(hole <= CHOSEN_WITHIN.as_secs_f64(), "{encoder}: a hole of {hole} s");
        let kept = pictures::none_is_missing(&owner, &other, 1, began, &home.scratch("network.mp4")).await;
        assert!(kept > 20, "{encoder}: {kept} pictures of the camera on the network");
        process.stop().await;
    }
}

/// The processes that read cameras for a hub.
fn children(hub: &HubProcess) -> Vec<Pid> {
    let all = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", hub.pid())).unwrap_or_default();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", hub.pid())).into_iter().flatten().flatten();
    let others = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let mut pids: Vec<i32> = std::iter::once(all)
        .chain(others)
        .flat_map(|line| line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    pids.sort_unstable();
    pids.dedup();
    let reads = |pid: &i32| {
        std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("media-child"))
    };
    pids.into_iter().filter(reads).map(Pid::from_raw).collect()
}
