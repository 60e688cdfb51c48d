//! A disk that takes long to sync, which no disk of a test does by itself: its syncs are held back under the real hub.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess};
use testkit::slow::SlowDisk;
use testkit::wait_for;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_a_slow_disk_is_said_with_what_a_power_cut_would_take() {
    let home = Home::new();
    let cameras = testkit::cameras(1).await;
    let scratch = home.scratch("slow");
    std::fs::create_dir_all(&scratch).unwrap();
    let mut command = Command::new(KEEPSIGHT);
    let disk = SlowDisk::below(&home.footage(), &mut command, &scratch);
    let process = HubProcess::start_with(command, &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let id = owner.add_camera("Door", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&id), Duration::from_secs(20)).await;
    assert_eq!(told(&owner, &id).await, ("ok".to_owned(), 2.0));

    disk.take(Duration::from_millis(3_500));
    wait_for("the disk is said to be slow", Duration::from_secs(40), async || {
        let (state, bound) = told(&owner, &id).await;
        state == "degraded slow_disk" && bound >= 3.5
    })
    .await;
    let camera = owner.camera(&id).await;
    assert!(camera["disk"]["detail"].as_str().unwrap_or_default().contains("slow"), "{camera}");
    assert_eq!(camera["recording"], true, "it records all the same");
    assert!(metric(&owner, "camera_loss_bound_seconds").await >= 3.5);
    let storage = owner.get("/api/v1/system").await.expect(200).json()["storage"].clone();
    assert!(storage.to_string().contains("slow_disk"), "{storage}");

    disk.take(Duration::ZERO);
    wait_for("it is fast again, and has been for a minute", Duration::from_secs(180), async || {
        told(&owner, &id).await == ("ok".to_owned(), 2.0)
    })
    .await;
    process.stop().await;
}

/// What the hub says of the disk, and what it would lose of the camera.
async fn told(owner: &Client, id: &str) -> (String, f64) {
    let camera = owner.camera(id).await;
    let part = |name: &str| camera["disk"][name].as_str().unwrap_or_default().to_owned();
    let state = format!("{} {}", part("state"), part("reason"));
    (state.trim().to_owned(), camera["loss_bound_s"].as_f64().expect("seconds"))
}

async fn metric(owner: &Client, name: &str) -> f64 {
    let text = owner.get("/metrics").await.expect(200).body;
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|line| line.contains(name) && !line.starts_with('#')).expect("the metric is there");
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}
