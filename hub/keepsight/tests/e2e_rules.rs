//! A rule does what it says, where and when it says so: footage is protected, and people are told who may see it. Simulated
//! cameras, in whose pictures a bar goes round; an event ends when nobody looks for motion any more.

use std::path::Path;
use std::time::Duration;

use base::{SystemClock, Timestamp};
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Client, Listening};
use testkit::hub::{self, Home, HubProcess};
use testkit::people::invited;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const STREAM: &str = "/api/v1/events/stream";
const SOON: Duration = Duration::from_secs(30);
const ROLL_S: f64 = 5.0;

#[tokio::test]
async fn e2e_rules_protect_footage_and_tell_who_may_see_it_while_nobody_is_at_home() {
    let home = Home::new();
    let cameras = testkit::cameras(2).await;
    let mut process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (n, camera) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {n}"), &camera.main).await);
    }
    let (member, _) = invited(&owner, "Max", json!([{"camera": ids[1], "rights": ["playback"]}])).await;
    owner.wait_recording(&ids, SOON).await;

    let mut rule = json!({
        "name": "Nobody is at home", "kinds": ["motion"], "modes": ["away"], "cool_down_s": 3_600,
        "actions": {"protect": {"before_s": ROLL_S as u32, "after_s": ROLL_S as u32}, "notify": true},
    });
    let made = owner.post("/api/v1/rules", rule.clone()).await.expect(201).json();
    let path = format!("/api/v1/rules/{}", made["id"].as_str().unwrap());
    rule["cameras"] = json!([ids[0].replace('0', "1")]);
    assert_eq!(owner.post("/api/v1/rules", rule.clone()).await.expect(400).problem(), "bad-body", "no such camera");
    rule.as_object_mut().unwrap().remove("cameras");
    assert_eq!(owner.get("/api/v1/mode").await.expect(200).json(), json!({"mode": "home", "since": null}));
    let (mut told, mut told_member) = (owner.listen(STREAM).await, member.listen(STREAM).await);

    // Somebody is at home: an event, and nothing else.
    let at_home = motion(&owner, &mut told, &ids[0]).await;
    no_motion(&owner, &mut told, &ids[0]).await;
    assert_eq!(protected(&owner, &ids[0]).await, []);

    // Nobody is.
    let mode = owner.request(Method::PUT, "/api/v1/mode", Some(json!({"mode": "away"}))).await.expect(200).json();
    assert_eq!((&mode["mode"], member.get("/api/v1/mode").await.expect(200).json()), (&json!("away"), mode.clone()));
    let event = motion(&owner, &mut told, &ids[0]).await;
    assert_ne!(event["id"], at_home["id"]);
    let notice = notice(&mut told).await;
    assert_eq!(notice["rule"], json!({"id": made["id"], "name": "Nobody is at home"}));
    assert_eq!((&notice["event"]["id"], &notice["event"]["camera"]), (&event["id"], &json!(ids[0])));
    let begun = protected(&owner, &ids[0]).await;
    assert_eq!(begun.len(), 1, "{begun:?}");
    let over = no_motion(&owner, &mut told, &ids[0]).await;
    testkit::wait_for("the span goes to the event's end", SOON, async || {
        covers(&protected(&owner, &ids[0]).await, &over)
    })
    .await;

    // It was told for this camera a moment ago, and not for the other one.
    motion(&owner, &mut told, &ids[0]).await;
    let elsewhere = motion(&owner, &mut told, &ids[1]).await;
    let second = self::notice(&mut told).await;
    assert_eq!(second["event"]["id"], elsewhere["id"], "the first camera's rule cools down");
    assert_eq!(protected(&owner, &ids[0]).await.len(), 1);

    // Who may look back at the other camera only was told of that one only.
    for name in ["event", "notice"] {
        let (is, data) = next(&mut told_member).await;
        let event = if is == "notice" { &data["event"] } else { &data };
        assert_eq!((is.as_str(), &event["camera"]), (name, &json!(ids[1])), "and nothing before it");
    }

    // The plug is pulled while it lasts. The rule is there, and what it began is brought to its end.
    process.kill();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let owner = hub::owner(&home).await;
    let mut told = owner.listen(STREAM).await;
    let mut again = owner.get(&path).await.expect(200).json();
    assert_eq!(again, made);
    assert_eq!(owner.get("/api/v1/mode").await.expect(200).json()["mode"], "away");
    let event = format!("/api/v1/events/{}", elsewhere["id"].as_str().unwrap());
    let lasted = owner.get(&event).await.expect(200).json();
    testkit::wait_for("the span goes to its end", SOON, async || covers(&protected(&owner, &ids[1]).await, &lasted))
        .await;
    again.as_object_mut().unwrap().remove("id");
    again["cool_down_s"] = json!(0);
    owner.request(Method::PUT, &path, Some(again)).await.expect(200);
    no_motion_now(&owner, &ids[0]).await;
    motion_now(&owner, &ids[0]).await;
    let cooled = loop {
        let (name, data) = next(&mut told).await;
        if name == "notice" && data["event"]["camera"] == json!(ids[0]) {
            break data["event"].clone();
        }
    };
    assert!(time(&cooled["start"]) > time(&lasted["end"]), "{cooled}, {lasted}");

    owner.request(Method::DELETE, &path, None).await.expect(204);
    assert_eq!(owner.get(&path).await.expect(404).problem(), "not-found");
    assert!(!protected(&owner, &ids[0]).await.is_empty(), "what it protected stays");
    let log = owner.get("/api/v1/audit").await.expect(200).json();
    for what in ["rule.add", "mode.set", "rule.change", "rule.remove"] {
        assert!(log["items"].as_array().unwrap().iter().any(|entry| entry["what"] == what), "{what}: {log}");
    }
    process.stop().await;
}

/// Looks for motion from now on; what is found.
async fn motion(owner: &Client, told: &mut Listening, camera: &str) -> Value {
    motion_now(owner, camera).await;
    loop {
        let (name, event) = next(told).await;
        if name == "event" && event["camera"] == json!(camera) && event["end"].is_null() {
            return event;
        }
        assert_eq!(name, "event", "nobody is to be told: {event}");
    }
}

/// Looks for it no more: what went on is over.
async fn no_motion(owner: &Client, told: &mut Listening, camera: &str) -> Value {
    no_motion_now(owner, camera).await;
    loop {
        let (name, event) = next(told).await;
        assert_eq!(name, "event", "nobody is to be told: {event}");
        if !event["end"].is_null() {
            return event;
        }
    }
}

async fn motion_now(owner: &Client, camera: &str) {
    change(owner, camera, json!({})).await;
}

async fn no_motion_now(owner: &Client, camera: &str) {
    change(owner, camera, Value::Null).await;
}

async fn change(owner: &Client, camera: &str, motion: Value) {
    let path = format!("/api/v1/cameras/{camera}");
    owner.request(Method::PATCH, &path, Some(json!({"motion": motion}))).await.expect(200);
}

/// The next notice; events may come before it.
async fn notice(told: &mut Listening) -> Value {
    loop {
        let (name, data) = next(told).await;
        if name == "notice" {
            return data;
        }
    }
}

async fn next(told: &mut Listening) -> (String, Value) {
    let next = base::clock::timeout(&SystemClock, SOON, told.next()).await.expect("something is told");
    next.expect("it has not ended")
}

/// Spans that rules protect.
async fn protected(owner: &Client, camera: &str) -> Vec<(Timestamp, Timestamp)> {
    let spans = owner.get(&format!("/api/v1/cameras/{camera}/protected")).await.expect(200).json();
    let spans = spans.as_array().unwrap().iter();
    spans.inspect(|span| assert_eq!(span["by_rule"], true)).map(|s| (time(&s["from"]), time(&s["to"]))).collect()
}

/// One span, from before an event to after it, and not much more.
fn covers(spans: &[(Timestamp, Timestamp)], event: &Value) -> bool {
    let [(from, to)] = spans else { panic!("one span, not {spans:?}") };
    let before = time(&event["start"]).duration_since(*from).as_secs_f64();
    let after = to.duration_since(time(&event["end"])).as_secs_f64();
    assert!((before - ROLL_S).abs() < 0.5 && after < ROLL_S + 10.0, "{spans:?}, {event}");
    after >= ROLL_S - 0.5
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no time"))
}
