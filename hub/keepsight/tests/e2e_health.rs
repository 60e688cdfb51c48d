//! What a new version of the system has to show before it is taken as good: `keepsight health`, with the real binary and
//! simulated cameras.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base::{Clock, SystemClock};
use camera_sim::{Fault, Simulator};
use testkit::hub::{self, Home, HubProcess};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
/// Room for the cameras to be connected to, on a busy machine.
const GATE: Duration = Duration::from_secs(10);

/// A hub with cameras that it has recorded, stopped in order: as it is when an update restarts the machine.
async fn recorded(count: u16) -> (Home, Simulator, Vec<String>) {
    let home = Home::new();
    let mut config = std::fs::read_to_string(home.config()).unwrap();
    config += &format!("[update]\ngate = \"{} s\"\n", GATE.as_secs());
    std::fs::write(home.config(), config).unwrap();
    let cameras = testkit::cameras(count).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (i, camera) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
    }
    owner.wait_recording(&ids, Duration::from_secs(30)).await;
    process.stop().await;
    (home, cameras, ids)
}

fn command(home: &Home) -> Command {
    let mut command = Command::new(KEEPSIGHT);
    command.args(["health", "--config"]).arg(home.config()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Without holding up the cameras, which are in this process.
async fn health(home: &Home) -> Output {
    let mut command = command(home);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr }).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_health_of_a_hub_that_records_its_cameras_is_good_one_may_be_missing_two_may_not() {
    let (home, cameras, ids) = recorded(4).await;
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let before = SystemClock.mono();
    let good = health(&home).await;
    assert_eq!((good.status.code(), said(&good).as_str()), (Some(0), "The hub does what it should."), "{good:?}");
    assert!(SystemClock.mono().since(before) + Duration::from_secs(2) > GATE, "it is judged over the whole gate");
    process.stop().await;

    cameras.set_fault(4, Some(Fault::Refuse)).unwrap();
    cameras.cut(4).unwrap();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let good = health(&home).await;
    assert_eq!(good.status.code(), Some(0), "one of four may be missing: {}", said(&good));
    process.stop().await;

    cameras.set_fault(2, Some(Fault::Refuse)).unwrap();
    cameras.cut(2).unwrap();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let bad = health(&home).await;
    let expected = format!(
        "keepsight: The hub does not do what it should. Of 4 cameras that were recorded before, 2 are not recorded now: {}, {}. See its log; an update that does so goes back by itself.",
        ids[1], ids[3]
    );
    assert_eq!((bad.status.code(), said(&bad)), (Some(1), expected));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_health_of_a_hub_whose_only_camera_is_not_recorded_is_not_good() {
    let (home, cameras, ids) = recorded(1).await;
    cameras.set_fault(1, Some(Fault::Refuse)).unwrap();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let bad = health(&home).await;
    assert_eq!(bad.status.code(), Some(1));
    let expected = format!("The camera that was recorded before is not recorded now: {}.", ids[0]);
    assert!(said(&bad).contains(&expected), "{}", said(&bad));
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_health_of_a_hub_that_is_killed_in_the_gate_is_not_good() {
    let (home, _cameras, _) = recorded(1).await;
    let mut process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let mut judge = command(&home).spawn().unwrap();
    SystemClock.sleep(GATE / 2).await; // the test's own input: an instant within the gate
    assert!(judge.try_wait().unwrap().is_none(), "it is being judged yet");
    process.kill();
    let restarted = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let bad = tokio::task::spawn_blocking(move || judge.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(bad.status.code(), Some(1), "{}", said(&bad));
    assert!(said(&bad).contains("in between"), "{}", said(&bad));
    restarted.stop().await;
}
