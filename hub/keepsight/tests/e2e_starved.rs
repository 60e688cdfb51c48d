//! A hub whose processor is busy with something else, or stands still for a moment: it may be late, but it loses nothing that
//! the network still holds, blames no camera, damages nothing and catches up by itself.

use std::path::Path;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess};
use testkit::{pictures, wait_for};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_starved_of_the_processor_it_is_late_and_loses_nothing() {
    let home = Home::new();
    let cameras = testkit::cameras(4).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }
    owner.wait_recording(&ids, Duration::from_secs(20)).await;
    let began = SystemClock.wall();

    // A tenth of the time for a quarter of a minute, then nothing at all for some seconds: the test's own input.
    let pid = Pid::from_raw(process.pid().cast_signed());
    for _ in 0..75 {
        frozen(pid, Duration::from_millis(180)).await;
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
    frozen(pid, Duration::from_secs(6)).await;

    let fed_again = SystemClock.wall();
    for id in &ids {
        wait_for("what came in between and after is on disk", Duration::from_secs(5), async || {
            last_kept(&owner, id).await.is_some_and(|kept| kept > fed_again)
        })
        .await;
    }
    for (n, id) in ids.iter().enumerate() {
        pictures::none_is_missing(&owner, id, n as u16 + 1, began, &home.scratch("starved.mp4")).await;
    }
    process.stop().await;
}

/// Stops a process for so long.
async fn frozen(pid: Pid, time: Duration) {
    kill(pid, Signal::SIGSTOP).expect("it runs");
    SystemClock.sleep(time).await;
    kill(pid, Signal::SIGCONT).expect("it is there");
}

async fn last_kept(owner: &Client, id: &str) -> Option<Timestamp> {
    owner.camera(id).await["last_fragment_at"].as_str()?.parse().ok()
}
