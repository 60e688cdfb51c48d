//! What moves at a camera is an event: told as it begins, in the list and in the timeline, and over when it is over. Simulated
//! cameras, in whose pictures a bar goes round.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use camera_sim::Fault;
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Client, Listening};
use testkit::hub::{self, Home, HubProcess};
use testkit::people::invited;
use testkit::tells::{self, Flood, TellingCamera};
use testkit::{pictures, wait_for};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const STREAM: &str = "/api/v1/events/stream";
const SOON: Duration = Duration::from_secs(30);
/// From the key picture at which it is noticed, at most two seconds after it moves, to whoever listens; and what a busy machine takes.
const TOLD_WITHIN_S: f64 = 10.0;

#[tokio::test]
async fn e2e_motion_is_an_event_from_its_first_picture_to_its_last() {
    let home = Home::new();
    let cameras = testkit::cameras(2).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (n, camera) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {n}"), &camera.main).await);
    }
    owner.wait_recording(&ids, SOON).await;
    let shown = owner.camera(&ids[0]).await;
    assert_eq!((&shown["motion"], &shown["watched"]["state"]), (&Value::Null, &json!("off")), "as added");

    let grants = json!([{"camera": ids[1], "rights": ["playback"]}]);
    let (member, _) = invited(&owner, "Max", grants).await;
    let (mut told, mut told_member) = (owner.listen(STREAM).await, member.listen(STREAM).await);
    let began = SystemClock.wall();
    for bad in
        [json!({"zones": [[[0, 0], [1, 1]]]}), json!({"zones": vec![[[0, 0], [9, 0], [9, 9]]; 9]}), json!({"more": 1})]
    {
        change(&owner, &ids[0], bad).await.expect(400);
    }
    let wanted = json!({"by": "hub", "sensitivity": "normal", "zones": [], "masks": []});
    let after = change(&owner, &ids[0], json!({})).await.expect(200).json();
    assert_eq!(after["motion"], wanted);

    let event = next(&mut told).await;
    assert_eq!((&event["camera"], &event["kind"], &event["end"]), (&json!(ids[0]), &json!("motion"), &Value::Null));
    let late = SystemClock.wall().duration_since(time(&event["start"])).as_secs_f64();
    assert!(time(&event["start"]) >= began && late < TOLD_WITHIN_S, "{late} s");
    let score = event["detail"]["score"].as_f64().unwrap();
    assert!(score > 0.0 && score <= 1.0 && event["detail"]["box"].as_array().unwrap().len() == 4, "{event}");
    let path = format!("/api/v1/events/{}", event["id"].as_str().unwrap());
    let picture = format!("{path}/thumbnail.jpg");
    assert_eq!(event["detail"]["thumbnail"], true, "its picture is there when it is told: {event}");
    let jpeg = owner.get(&picture).await.expect(200);
    assert_eq!(jpeg.header("content-type"), "image/jpeg");
    let file = home.scratch("thumbnail.jpg");
    std::fs::write(&file, jpeg.body).unwrap();
    assert_eq!(pictures::decode(&file)[0].mark.expect("a mark").camera, 1, "a picture of this camera that others read");
    let sealed = thumbnails(&home);
    assert_eq!(sealed.len(), 1, "{sealed:?}");
    assert!(std::fs::read(&sealed[0]).unwrap().starts_with(b"age-encryption.org/v1"), "sealed on the disk");
    member.get(&picture).await.expect(404);
    assert_eq!(owner.get(&path).await.expect(200).json()["id"], event["id"]);
    assert_eq!(member.get(&path).await.expect(404).problem(), "not-found");
    assert_eq!(owner.camera(&ids[0]).await["watched"]["state"], "ok");

    // What it is decoded with was tried, and is said with what it takes.
    wait_for("its decoder is known", SOON, async || !owner.camera(&ids[0]).await["decoder"].is_null()).await;
    let decoder = owner.camera(&ids[0]).await["decoder"].clone();
    let system = owner.get("/api/v1/system").await.expect(200).json();
    let fact = &system["machine"]["decoder_h264"];
    assert_eq!(fact["state"], "ok", "{fact}");
    assert!(fact["said"].as_str().unwrap().starts_with(decoder["name"].as_str().unwrap()), "{fact}, {decoder}");
    assert!(decoder["said"].as_str().unwrap().contains("ms of the processor a picture"), "{decoder}");
    assert_eq!(owner.camera(&ids[1]).await["decoder"], Value::Null, "nobody looks at it");

    // Nothing more comes, so nothing more moves.
    cameras.set_fault(1, Some(Fault::Stall)).unwrap();
    let stalled = SystemClock.wall();
    let over = ends(&mut told).await;
    assert_eq!(over["id"], event["id"]);
    assert!(
        (time(&over["end"]).duration_since(stalled)).as_secs_f64().abs() < 3.0,
        "with the last picture: {over}, {stalled}"
    );
    let list = owner.get("/api/v1/events?kind=motion").await.expect(200).json();
    assert_eq!((list["items"][0].clone(), list["items"].as_array().unwrap().len()), (over.clone(), 1));
    let timeline = owner.timeline(&ids[0]).await;
    assert_eq!(timeline["events"][0]["id"], over["id"], "{timeline}");
    cameras.set_fault(1, None).unwrap();

    // The other camera's events are the member's, until they are not.
    change(&owner, &ids[1], json!({"sensitivity": "high"})).await.expect(200);
    assert_eq!(next(&mut told_member).await["camera"], json!(ids[1]), "and nothing before it");
    let me = member.get("/api/v1/me").await.expect(200).json();
    let path = format!("/api/v1/members/{}", me["id"].as_str().unwrap());
    owner.request(Method::DELETE, &path, None).await.expect(204);
    let out = base::clock::timeout(&SystemClock, Duration::from_secs(5), async {
        while told_member.next().await.is_some() {}
    });
    assert!(out.await.is_some(), "who is out is told nothing more");

    // What people decided holds after a restart; what lasted when the hub was killed is over.
    wait_for("it goes on", SOON, async || open_events(&owner).await > 0).await;
    let mut process = process;
    process.kill();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let owner = hub::owner(&home).await;
    let mut told = owner.listen(STREAM).await;
    let again = next(&mut told).await;
    assert!(time(&again["start"]) > time(&over["end"]));
    let list = owner.get("/api/v1/events").await.expect(200).json();
    let lasting = list["items"].as_array().unwrap().iter().filter(|event| event["end"].is_null());
    assert!(lasting.clone().all(|event| time(&event["start"]) >= time(&again["start"])), "{list}");

    change(&owner, &ids[0], Value::Null).await.expect(200);
    assert_eq!(owner.camera(&ids[0]).await["watched"]["state"], "off");
    process.stop().await;
}

#[tokio::test]
async fn e2e_the_small_stream_is_looked_at_where_there_is_one_and_else_the_main_one() {
    let home = Home::new();
    // Large enough that the small stream is smaller.
    let options = camera_sim::Options { size: "640x360".parse().unwrap(), ..camera_sim::Options::small(2) };
    let cameras = camera_sim::Simulator::start(options, Arc::new(SystemClock)).await.unwrap();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut told = owner.listen(STREAM).await;
    let [with, without] = [0, 1].map(|n| cameras.addresses()[n].clone());
    for (name, main, sub, width) in
        [("With", with.main, with.sub, 320), ("Without", without.main, "rtsp://127.0.0.1:9/sub".into(), 640)]
    {
        let camera = json!({"name": name, "main": {"url": main}, "sub": {"url": sub}});
        let id = owner.post("/api/v1/cameras", camera).await.expect(201).json()["id"].as_str().unwrap().to_owned();
        change(&owner, &id, json!({})).await.expect(200);
        // What began before the small stream came may be seen in the main one.
        let seen = async {
            loop {
                let event = next(&mut told).await;
                if event["camera"] == json!(id) && event["detail"]["thumbnail"] == true {
                    let path = format!("/api/v1/events/{}/thumbnail.jpg", event["id"].as_str().unwrap());
                    let file = home.scratch("thumbnail.jpg");
                    std::fs::write(&file, owner.get(&path).await.expect(200).body).unwrap();
                    if pictures::probe(&file).size.0 == width {
                        return;
                    }
                }
            }
        };
        base::clock::timeout(&SystemClock, SOON, seen).await.expect(name);
    }
    process.stop().await;
}

#[tokio::test]
async fn e2e_what_a_camera_notices_by_itself_is_an_event_for_as_long_as_it_says_so() {
    const MOTION: &str = "tns1:RuleEngine/CellMotionDetector/Motion";
    const PEOPLE: &str = "tns1:RuleEngine/MyRuleDetector/PeopleDetect";
    const RINGS: &str = "tns1:RuleEngine/MyRuleDetector/Visitor";
    let home = Home::new();
    let (tells, mute) = (TellingCamera::start(), testkit::cameras(1).await);
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let id = add_telling(&owner, "Gate", tells.url()).await;
    let silent = owner.add_camera("Cellar", &mute.addresses()[0].main).await;
    owner.wait_recording(&[id.clone(), silent.clone()], SOON).await;
    assert_eq!(tells.clients(), 1, "nobody asks what it notices");
    let mut told = owner.listen(STREAM).await;
    change(&owner, &id, json!({"by": "its mother"})).await.expect(400);
    let by_camera = json!({"by": "camera"});
    let after = change(&owner, &id, by_camera.clone()).await.expect(200).json();
    assert_eq!(after["motion"]["by"], "camera");
    wait_for("what it notices is asked for", SOON, async || tells.clients() == 2).await;
    let watched = async |id: &str| owner.camera(id).await["watched"].clone();
    let said_nothing = async || watched(&id).await.to_string().contains("has said nothing of movement yet");
    wait_for("nobody knows whether it will say anything", SOON, said_nothing).await;

    // Its pictures move all the time, which nobody looks at.
    tells.say(MOTION, false);
    tells.say(PEOPLE, false);
    wait_for("it says how it is", SOON, async || watched(&id).await["state"] == "ok").await;
    let began = SystemClock.wall();
    tells.say(MOTION, true);
    let event = next(&mut told).await;
    assert_eq!((&event["camera"], &event["kind"], &event["end"]), (&json!(id), &json!("motion"), &Value::Null));
    assert!(time(&event["start"]) >= began, "when the hub heard of it, whatever the camera's clock says: {event}");
    assert_eq!(event["detail"]["by"], "camera", "{event}");
    tells.say(PEOPLE, true);
    wait_for("it is told who it is, and shown", SOON, async || {
        let person = next(&mut told).await;
        assert_eq!(person["id"], event["id"], "{person}");
        person["kind"] == "person" && person["detail"]["thumbnail"] == true
    })
    .await;
    let picture = format!("/api/v1/events/{}/thumbnail.jpg", event["id"].as_str().unwrap());
    let file = home.scratch("thumbnail.jpg");
    std::fs::write(&file, owner.get(&picture).await.expect(200).body).unwrap();
    assert_eq!(pictures::probe(&file).size, (320, 192));
    SystemClock.sleep(Duration::from_secs(12)).await; // the test's own input: if nothing moved for so long it would be over
    let ended = SystemClock.wall();
    tells.say(MOTION, false);
    tells.say(PEOPLE, false);
    let over = ends(&mut told).await;
    assert_eq!(over["id"], event["id"], "it was one event");
    let off = time(&over["end"]).duration_since(ended).as_secs_f64();
    assert!((0.0..2.0).contains(&off), "{off} s after the camera said so");

    // A camera that starts anew is heard again, and says at once how it is.
    tells.boot();
    tells.say(MOTION, true);
    let again = next(&mut told).await;
    assert!(again["id"] != event["id"] && again["detail"]["by"] == "camera", "{again}");
    tells.say(RINGS, true);
    wait_for("somebody rings", SOON, async || next(&mut told).await["kind"] == "doorbell").await;

    // The other one tells nothing, and that is said; it is recorded.
    change(&owner, &silent, by_camera).await.expect(200);
    let why = "It offers no stream of metadata at this address";
    wait_for("it is known to be mute", SOON, async || watched(&silent).await.to_string().contains(why)).await;
    let mute = watched(&silent).await;
    assert_eq!((&mute["state"], &mute["reason"]), (&json!("degraded"), &json!("no_camera_events")));
    assert_eq!(owner.camera(&silent).await["state"], "recording");
    assert_eq!(watched(&id).await["state"], "ok");

    // A camera that is paused is left alone, and one that is not is heard again.
    let paused = |paused: bool| (Method::PATCH, format!("/api/v1/cameras/{id}"), Some(json!({"paused": paused})));
    for (is_paused, clients, state) in [(true, 0, "off"), (false, 2, "ok")] {
        let (method, path, body) = paused(is_paused);
        owner.request(method, &path, body).await.expect(200);
        let so = async || tells.clients() == clients && watched(&id).await["state"] == state;
        wait_for("nobody is connected, and then both are", SOON, so).await;
    }
    wait_for("it says that it still moves", SOON, async || {
        let goes_on = next(&mut told).await;
        goes_on["id"] != again["id"] && goes_on["detail"]["by"] == "camera" && goes_on["end"].is_null()
    })
    .await;

    // The hub itself looks again.
    change(&owner, &id, json!({"by": "hub"})).await.expect(200);
    let by_hub = async || owner.camera(&id).await["decoder"] != Value::Null;
    wait_for("the hub looks", SOON, by_hub).await;
    wait_for("the camera is not asked any more", SOON, async || tells.clients() == 1).await;
    process.stop().await;
}

#[tokio::test]
async fn e2e_a_camera_whose_words_do_not_end_costs_neither_memory_nor_pictures() {
    const AT_MOST: u64 = 64 << 20;
    let home = Home::new();
    let tells = TellingCamera::start();
    let flood = Flood::before(tells.url()).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let id = add_telling(&owner, "Gate", flood.url()).await;
    owner.wait_recording(std::slice::from_ref(&id), SOON).await;
    let before = process.size().rss;
    change(&owner, &id, json!({"by": "camera"})).await.expect(200);
    let mut most = 0;
    wait_for("it is asked again, and again", SOON, async || {
        most = most.max(process.size().rss);
        flood.begun() >= 3
    })
    .await;
    assert!(most < before + AT_MOST, "{most} bytes, before {before}");
    let failed = async || owner.camera(&id).await["watched"].to_string().contains("failed at what it sends");
    wait_for("it is said why", SOON, failed).await;
    assert_eq!(owner.camera(&id).await["state"], "recording");
    assert_eq!(owner.timeline(&id).await["gaps"].as_array().unwrap().len(), 0, "and nothing is missing");
    process.stop().await;
}

async fn add_telling(owner: &Client, name: &str, url: &str) -> String {
    let main = json!({"url": url, "username": tells::USER, "password": tells::PASSWORD});
    let added = owner.post("/api/v1/cameras", json!({"name": name, "main": main})).await.expect(201).json();
    added["id"].as_str().unwrap().to_owned()
}

/// The next event that is told to be over.
async fn ends(told: &mut Listening) -> Value {
    loop {
        let event = next(told).await;
        if !event["end"].is_null() {
            return event;
        }
    }
}

/// The sealed pictures on the disk.
fn thumbnails(home: &Home) -> Vec<PathBuf> {
    let entries = |dir: PathBuf| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let days = entries(home.footage()).flat_map(entries);
    let files = days.flat_map(entries);
    files.filter(|path| path.to_string_lossy().ends_with(".jpg.age")).collect()
}

async fn change(owner: &Client, id: &str, motion: Value) -> testkit::client::Answer {
    owner.request(Method::PATCH, &format!("/api/v1/cameras/{id}"), Some(json!({"motion": motion}))).await
}

#[tokio::test]
async fn e2e_motion_settings_are_tried_on_what_was_recorded() {
    let home = Home::new();
    let cameras = testkit::cameras(1).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let id = owner.add_camera("Door", &cameras.addresses()[0].main).await;
    let path = format!("/api/v1/cameras/{id}/motion/preview");
    let ask = async |body: Value| owner.request(Method::POST, &path, Some(body)).await;
    for bad in [json!({}), json!({"motion": {}, "minutes": 0}), json!({"motion": {"zones": [[[0, 0], [1, 1]]]}})] {
        ask(bad).await.expect(400);
    }
    wait_for("fifteen seconds of footage", SOON * 2, async || {
        let spans = owner.timeline(&id).await["segments"].as_array().unwrap().clone();
        let length = |span: &Value| time(&span["end"]).duration_since(time(&span["start"])).as_secs_f64();
        spans.iter().map(length).sum::<f64>() > 15.0
    })
    .await;

    // A bar goes round in the pictures; nobody looks for it.
    assert_eq!(owner.camera(&id).await["motion"], Value::Null);
    let first = lines(&ask(json!({"motion": {}, "minutes": 1})).await.expect(200).body);
    let (done, rest) = first.split_last().expect("lines");
    let (from, to) = (time(&done["done"]["from"]), time(&done["done"]["to"]));
    assert_eq!(to.duration_since(from).as_secs(), 60, "{done}");
    let events: Vec<_> = rest.iter().filter_map(|line| line.get("event")).collect();
    let event = events.first().expect("something moves");
    assert!(from <= time(&event["start"]) && time(&event["start"]) < time(&event["end"]), "{event}");
    assert!(time(&event["end"]) <= to + jiff::SignedDuration::from_secs(1), "{event}, {to}");
    let jpeg = BASE64_STANDARD.decode(event["picture"].as_str().expect("a picture")).unwrap();
    let file = home.scratch("preview.jpg");
    std::fs::write(&file, jpeg).unwrap();
    assert_eq!(pictures::decode(&file)[0].mark.expect("a mark").camera, 1, "a picture of this camera that others read");
    assert!(rest.iter().any(|line| line["progress"]["part"].as_f64().is_some_and(|part| part > 0.5)), "{rest:?}");

    // All of it covered: nothing.
    let all = json!([[[0, 0], [10_000, 0], [10_000, 10_000], [0, 10_000]]]);
    let covered = lines(&ask(json!({"motion": {"masks": all}, "minutes": 1})).await.expect(200).body);
    assert!(covered.last().unwrap().get("done").is_some(), "{covered:?}");
    assert!(!covered.iter().any(|line| line.get("event").is_some()), "{covered:?}");

    // One at a time.
    let (one, other) = tokio::join!(ask(json!({"motion": {}})), ask(json!({"motion": {}})));
    let mut both = [one.status, other.status];
    both.sort_unstable();
    assert_eq!(both, [200, 503]);

    // Nothing was changed, and no event was made.
    assert_eq!(owner.camera(&id).await["motion"], Value::Null);
    assert_eq!(owner.get("/api/v1/events").await.expect(200).json()["items"], json!([]));
    assert_eq!(owner.camera(&id).await["recording"], true);
    process.stop().await;
    cameras.stop().await;
}

/// Documents, one a line.
fn lines(body: &[u8]) -> Vec<Value> {
    body.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect()
}

async fn next(told: &mut Listening) -> Value {
    let next = base::clock::timeout(&SystemClock, SOON, told.next()).await.expect("something is told");
    let (name, event) = next.expect("it has not ended");
    assert_eq!(name, "event");
    event
}

async fn open_events(owner: &Client) -> usize {
    let list = owner.get("/api/v1/events").await.expect(200).json();
    list["items"].as_array().unwrap().iter().filter(|event| event["end"].is_null()).count()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no time"))
}
