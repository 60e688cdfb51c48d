//! `keepsight doctor` and `keepsight support-bundle`, with the real binary: beside a hub, and without one.

use std::process::{Command, Output};

use serde_json::Value;
use testkit::hub::{Home, TestHub};

fn keepsight(arguments: &[&str], home: &Home) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keepsight"));
    command.args(arguments).arg("--config").arg(home.config()).output().unwrap()
}

async fn beside_a_hub(arguments: Vec<String>, hub: &TestHub) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keepsight"));
    command.args(arguments).arg("--config").arg(hub.home.config());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn facts(output: &Output) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON, whatever the exit code");
    report["facts"].as_array().unwrap().clone()
}

#[test]
fn the_doctor_looks_at_the_machine_without_a_hub() {
    let home = Home::new();
    let output = keepsight(&["doctor", "--json"], &home);
    let facts = facts(&output);
    for name in ["board", "temperature", "throttling", "power", "time", "slots", "hub"] {
        let fact = facts.iter().find(|fact| fact["name"] == name).unwrap_or_else(|| panic!("no {name} in {facts:?}"));
        assert!(["ok", "degraded", "off"].contains(&fact["state"].as_str().unwrap()), "{fact}");
        assert!(!fact["said"].as_str().unwrap().is_empty(), "{fact}");
    }
    assert_eq!(facts.iter().find(|fact| fact["name"] == "hub").unwrap()["said"], "No hub runs");
    let degraded = facts.iter().any(|fact| fact["state"] == "degraded");
    assert_eq!(output.status.code(), Some(i32::from(degraded)), "what is degraded makes the exit code");
    // People are told the same, a line for each.
    let words = keepsight(&["doctor"], &home);
    assert_eq!(String::from_utf8(words.stdout).unwrap().lines().count(), facts.len());
}

#[test]
fn without_a_configuration_the_doctor_looks_and_with_a_wrong_one_it_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_keepsight")).args(["doctor", "--json"]).output().unwrap();
    assert!(facts(&output).iter().any(|fact| fact["name"] == "board"));
    let output =
        Command::new(env!("CARGO_BIN_EXE_keepsight")).args(["doctor", "--config", "/nowhere.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("The configuration cannot be read."));
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_hub_the_doctor_tells_its_parts_and_the_hub_tells_the_machine() {
    let hub = TestHub::claimed().await;
    let output = beside_a_hub(vec!["doctor".into(), "--json".into()], &hub).await;
    let facts = facts(&output);
    for name in ["hub", "hub_clock", "hub_storage", "hub_store", "hub_stills", "hub_mdns"] {
        assert!(facts.iter().any(|fact| fact["name"] == name), "no {name} in {facts:?}");
    }
    let system = hub.owner.get("/api/v1/system").await.expect(200).json();
    assert!(["ok", "degraded", "off"].contains(&system["machine"]["temperature"]["state"].as_str().unwrap()));
    hub.hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_support_bundle_holds_no_name_address_or_secret() {
    let hub = TestHub::claimed().await;
    let camera = serde_json::json!({
        "name": "Needle Nursery",
        "main": {"url": "rtsp://127.77.66.55:9/needle-path", "username": "needle-user", "password": "needle-password"},
    });
    let camera = hub.owner.post("/api/v1/cameras", camera).await.expect(201).json();
    let id = camera["id"].as_str().unwrap();
    // Its state has words about the address by now.
    testkit::wait_for("the camera's state is known", std::time::Duration::from_secs(20), async || {
        hub.owner.camera(id).await["state"] == "unreachable"
    })
    .await;
    let host = hub.owner.get("/api/v1/system").await.expect(200).json()["host"].as_str().unwrap().to_owned();

    let file = hub.home.scratch("bundle.json");
    let output = beside_a_hub(vec!["support-bundle".into(), file.display().to_string()], &hub).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&file).unwrap();
    let data = hub.home.data();
    let needles = [
        "eedle",
        "Olivia",
        "127.",
        "rtsp:",
        &host,
        data.to_str().unwrap(),
        hub.owner.cookie().unwrap(),
        hub.kit["words"].as_str().unwrap(),
        hub.kit["secret"].as_str().unwrap(),
    ];
    for needle in needles {
        assert!(!text.contains(needle), "{needle:?} in {text}");
    }
    let bundle: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bundle["hub"]["cameras"][0]["id"], id, "what helps is there: {text}");
    assert_eq!(bundle["hub"]["cameras"][0]["state"], "unreachable");
    assert!(bundle["hub"]["metrics"].as_array().unwrap().len() > 20);
    assert!(!bundle["machine"].as_array().unwrap().is_empty());
    hub.hub.stop().await;

    let output = keepsight(&["support-bundle", file.to_str().unwrap()], &hub.home);
    assert_eq!(output.status.code(), Some(0));
    let bundle: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(bundle["hub"], Value::Null, "no hub runs, and the machine is told all the same");
}
