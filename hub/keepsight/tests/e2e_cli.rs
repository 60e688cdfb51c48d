//! The command line against a real hub, by its own socket: what a script can do without a browser.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use testkit::hub::{self, Home, HubProcess};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

fn cameras(home: &Home, args: &[&str]) -> Output {
    let mut command = Command::new(KEEPSIGHT);
    command.arg("cameras").args(args).arg("--config").arg(home.config());
    command.output().expect("it runs")
}

fn says(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

// Several threads: the simulated camera answers while the test waits for a command.
#[tokio::test(flavor = "multi_thread")]
async fn e2e_cameras_are_managed_from_the_command_line() {
    let home = Home::new();
    let simulated = testkit::cameras(1).await;
    let url = &simulated.addresses()[0].main;
    assert!(says(&cameras(&home, &["list"])).contains("No hub is running"), "before the hub runs");

    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let early = cameras(&home, &["add", "Front door", url]);
    assert_eq!(early.status.code(), Some(1));
    assert!(says(&early).contains("no owner yet"), "{}", says(&early));
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;

    let probed = cameras(&home, &["probe", url, "--json"]);
    assert!(probed.status.success(), "{}", says(&probed));
    let probed: Value = serde_json::from_slice(&probed.stdout).expect("JSON");
    assert_eq!((probed["width"].as_u64(), probed["height"].as_u64()), (Some(320), Some(180)));

    let added = cameras(&home, &["add", "Front door", url, "--json"]);
    assert!(added.status.success(), "{}", says(&added));
    let added: Value = serde_json::from_slice(&added.stdout).expect("JSON");
    let id = added["id"].as_str().expect("an id").to_owned();
    owner.wait_recording(std::slice::from_ref(&id), Duration::from_secs(20)).await;
    let listed = cameras(&home, &["list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("Front door"));

    let taken = cameras(&home, &["add", "Front door", url]);
    assert_eq!((taken.status.code(), says(&taken).contains("The name is taken.")), (Some(1), true), "{}", says(&taken));
    let removed = cameras(&home, &["remove", &id]);
    assert!(removed.status.success(), "{}", says(&removed));
    assert_eq!(owner.get("/api/v1/cameras").await.expect(200).json(), Value::Array(Vec::new()));
    assert_eq!(cameras(&home, &["remove", &id]).status.code(), Some(1));
    process.stop().await;
}
