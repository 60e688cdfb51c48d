//! What the kernel sees of the hub while it records: syncs that hold, and none that do not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base::{Clock, SystemClock};
use testkit::hub::{self, Home, HubProcess};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_it_syncs_every_second_and_never_by_sync_file_range() {
    let home = Home::new();
    let cameras = testkit::cameras(2).await;
    let log = home.scratch("strace.log");
    let mut strace = Command::new("strace");
    // -D: strace stays beside the hub, so that signals for the child reach the hub itself.
    strace
        .args(["-D", "-f", "-qq", "-ttt", "-e", "trace=fsync,fdatasync,sync_file_range", "-o"])
        .arg(&log)
        .arg(KEEPSIGHT);
    let hub = HubProcess::start_with(strace, &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }
    owner.wait_recording(&ids, Duration::from_secs(30)).await;
    let from = SystemClock.wall().as_millisecond() as f64 / 1e3;
    testkit::wait_for("ten more seconds are recorded", Duration::from_secs(30), async || {
        let spans = owner.segments(&ids[0]).await;
        spans.last().is_some_and(|(_, end)| end.as_millisecond() as f64 / 1e3 >= from + 10.0)
    })
    .await;
    let to = SystemClock.wall().as_millisecond() as f64 / 1e3;
    hub.stop().await;

    let mut calls = String::new();
    testkit::wait_for("strace has written its log", Duration::from_secs(10), async || {
        calls = std::fs::read_to_string(&log).unwrap_or_default();
        !calls.is_empty()
    })
    .await;
    assert!(!calls.contains("sync_file_range"), "sync_file_range guarantees nothing");
    let mut syncs: Vec<f64> = calls
        .lines()
        .filter(|l| l.contains("fdatasync(") && l.contains("= 0"))
        .filter_map(|l| l.split_whitespace().nth(1)?.parse().ok())
        .filter(|t| (from..to).contains(t))
        .collect();
    syncs.sort_by(f64::total_cmp);
    assert!(syncs.len() as f64 >= to - from - 1.0, "{} syncs in {:.1} s", syncs.len(), to - from);
    let longest = syncs.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
    assert!(longest < 2.0, "{longest:.2} s between two syncs");
}
