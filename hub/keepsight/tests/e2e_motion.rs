//! What moves at a camera is an event: told as it begins, in the list and in the timeline, and over when it is over. Simulated
//! cameras, in whose pictures a bar goes round.

use std::path::Path;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use camera_sim::Fault;
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Client, Listening};
use testkit::hub::{self, Home, HubProcess};
use testkit::people::invited;
use testkit::wait_for;

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
    let wanted = json!({"sensitivity": "normal", "zones": [], "masks": []});
    let after = change(&owner, &ids[0], json!({})).await.expect(200).json();
    assert_eq!(after["motion"], wanted);

    let event = next(&mut told).await;
    assert_eq!((&event["camera"], &event["kind"], &event["end"]), (&json!(ids[0]), &json!("motion"), &Value::Null));
    let late = SystemClock.wall().duration_since(time(&event["start"])).as_secs_f64();
    assert!(time(&event["start"]) >= began && late < TOLD_WITHIN_S, "{late} s");
    let score = event["detail"]["score"].as_f64().unwrap();
    assert!(score > 0.0 && score <= 1.0 && event["detail"]["box"].as_array().unwrap().len() == 4, "{event}");
    let path = format!("/api/v1/events/{}", event["id"].as_str().unwrap());
    assert_eq!(owner.get(&path).await.expect(200).json()["id"], event["id"]);
    assert_eq!(member.get(&path).await.expect(404).problem(), "not-found");
    assert_eq!(owner.camera(&ids[0]).await["watched"]["state"], "ok");

    // Nothing more comes, so nothing more moves.
    cameras.set_fault(1, Some(Fault::Stall)).unwrap();
    let stalled = SystemClock.wall();
    let over = loop {
        let event = next(&mut told).await;
        if !event["end"].is_null() {
            break event;
        }
    };
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

async fn change(owner: &Client, id: &str, motion: Value) -> testkit::client::Answer {
    owner.request(Method::PATCH, &format!("/api/v1/cameras/{id}"), Some(json!({"motion": motion}))).await
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
