//! The hub as systemd sees it: ready, alive, stopping; and a stop that leaves everything closed.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::hub::{self, Home, HubProcess};
use testkit::search::files;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_systemd_is_told_and_a_stop_closes_every_segment() {
    let home = Home::new();
    let cameras = testkit::cameras(2).await;
    let path = home.scratch("notify");
    let told = UnixDatagram::bind(&path).expect("a socket in a temporary folder");
    told.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let next = || {
        let mut message = [0u8; 512];
        let len = told.recv(&mut message).expect("the hub tells systemd in time");
        String::from_utf8_lossy(&message[..len]).trim().to_owned()
    };

    let mut command = Command::new(KEEPSIGHT);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    let hub = HubProcess::start_with(command, &home).await;
    assert_eq!(next(), "READY=1");
    let (owner, kit) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }
    owner.wait_recording(&ids, Duration::from_secs(20)).await;
    for _ in 0..4 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    let system = owner.get("/api/v1/system").await.expect(200).json();
    assert_eq!(
        (&system["storage"]["health"]["state"], &system["store"]["state"]),
        (&"ok".into(), &"ok".into()),
        "{system}"
    );
    assert!(system["storage"]["free_bytes"].as_u64().is_some_and(|b| b > 0), "{system}");
    hub.stop().await;
    let mut last = next();
    while last == "WATCHDOG=1" {
        last = next();
    }
    assert_eq!(last, "STOPPING=1");

    // Every segment is closed in order: it opens to its end, without a notice.
    let kit_file = home.scratch("kit.json");
    std::fs::write(&kit_file, serde_json::json!({"recovery_kit": kit}).to_string()).unwrap();
    let mut segments = 0;
    for file in files(&home.footage()).iter().filter(|f| f.to_string_lossy().ends_with(".mp4.age")) {
        let film = home.scratch(&format!("{segments}.mp4"));
        let mut open = Command::new(KEEPSIGHT);
        open.arg("open").arg(file).arg("--key").arg(&kit_file).arg("-o").arg(&film);
        let open = open.output().unwrap();
        assert!(open.status.success(), "{}", String::from_utf8_lossy(&open.stderr));
        assert_eq!(String::from_utf8_lossy(&open.stderr), "", "whole, with its index");
        assert_eq!(testkit::pictures::probe(&film).complaints, "");
        segments += 1;
    }
    assert!(segments >= 2, "{segments} segments");

    // And the index says so: after the next start nothing had to be recovered.
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let owner = hub::owner(&home).await;
    for id in &ids {
        let timeline = owner.timeline(id).await;
        let details: Vec<_> = timeline["segments"].as_array().unwrap().iter().map(|s| s["details"].clone()).collect();
        assert!(!details.iter().any(|d| d == "unknown" || d == "recovered"), "{details:?}");
    }
    hub.stop().await;
}
