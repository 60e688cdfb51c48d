//! A factory reset destroys what opens the footage, and the footage; and the hub begins anew, without an owner.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use testkit::client::{Client, PASSWORD};
use testkit::hub::{self, Home, HubProcess};
use testkit::people::invited;
use testkit::search::{files, search};
use testkit::wait_for;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const SOON: Duration = Duration::from_secs(30);

/// A hub that has recorded, with an owner and a member.
async fn lived_in() -> (Home, HubProcess, camera_sim::Simulator, Client, Client, Value) {
    let (home, cameras) = (Home::new(), testkit::cameras(1).await);
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, kit) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let camera = owner.add_camera("Front door", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&camera), SOON).await;
    let (member, _) = invited(&owner, "Mia", json!([{"camera": camera, "rights": ["live", "playback"]}])).await;
    (home, process, cameras, owner, member, kit)
}

/// What must not be found afterwards: every key file and every secret, a piece of each.
fn secrets(home: &Home) -> Vec<(String, Vec<u8>)> {
    let keys = files(&home.footage()).into_iter().filter(|file| file.to_string_lossy().contains("/keys/"));
    let own = ["secrets", "export"].iter().flat_map(|folder| files(&home.data().join(folder)));
    let needles = keys.chain(own).map(|file| {
        let content = std::fs::read(&file).unwrap();
        // Of a certificate its signature, which is the last of it: names and headings are the same in all.
        let footer = content.windows(8).rposition(|part| part == b"-----END");
        let end = footer.map_or(content.len() / 2 + 16, |at| at - 1).min(content.len());
        (file.display().to_string(), content[end.saturating_sub(32)..end].to_vec())
    });
    let needles: Vec<_> = needles.filter(|(_, bytes)| bytes.len() >= 16).collect();
    assert!(needles.len() >= 4, "{needles:?}");
    needles
}

fn hub_id(home: &Home) -> String {
    let file: Value = serde_json::from_slice(&std::fs::read(home.data().join("hub.json")).unwrap()).unwrap();
    file["hub"].as_str().unwrap().to_owned()
}

/// It is a new hub: another id, no owner, none of the old footage or keys, and nobody from before gets in.
async fn is_new(home: &Home, before: &str, secrets: &[(String, Vec<u8>)], people: [&Client; 2], kit: &Value) {
    assert_ne!(hub_id(home), before);
    let found = search(&[&home.data(), &home.footage()], secrets);
    assert!(found.is_empty(), "{found:?}");
    let footage = files(&home.footage());
    assert!(footage.iter().all(|file| !file.to_string_lossy().contains(".age")), "{footage:?}");
    // Their browsers, should they trust the new certificate.
    for person in people {
        let cookie = person.cookie().unwrap();
        assert_eq!(home.client().with_cookie(cookie).get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    }
    for name in ["Olivia", "Mia"] {
        let body = json!({"name": name, "password": PASSWORD, "device": "old"});
        assert!(home.client().post("/api/v1/sessions", body).await.status >= 400);
    }
    let words = &kit["words"];
    let body =
        json!({"name": "Olivia", "recovery_kit": words, "password": "another lantern walrus tangent", "device": "old"});
    assert!(home.client().post("/api/v1/sessions", body).await.status >= 400);
    // Somebody else's now.
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), home).await;
    assert_eq!(owner.get("/api/v1/cameras").await.expect(200).json(), json!([]));
    assert_eq!(owner.get("/api/v1/members").await.expect(200).json().as_array().unwrap().len(), 1);
}

async fn begun_anew(home: &Home, before: &str) {
    wait_for("the hub begins anew", SOON, async || {
        let other = std::fs::read(home.data().join("hub.json"))
            .is_ok_and(|json| !String::from_utf8_lossy(&json).contains(before));
        other
            && home.data().join("root.pem").exists()
            && tokio::net::TcpStream::connect(("127.0.0.1", home.port)).await.is_ok()
    })
    .await;
}

async fn command(home: &Home, arguments: &[&str]) -> Output {
    let mut command = Command::new(KEEPSIGHT);
    command.arg("factory-reset").args(arguments).arg("--config").arg(home.config());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_reset_by_an_owner_with_the_password_leaves_nothing_and_nobody() {
    let (home, process, _cameras, owner, member, kit) = lived_in().await;
    let (before, secrets) = (hub_id(&home), secrets(&home));
    let path = "/api/v1/system/factory-reset";
    let password = json!({"password": PASSWORD});
    assert_eq!(member.post(path, password.clone()).await.expect(403).problem(), "not-allowed");
    assert_eq!(owner.post(path, json!({"password": "wrong"})).await.expect(401).problem(), "wrong-password");
    assert_eq!(owner.post(path, json!({})).await.expect(400).problem(), "bad-body");
    assert_eq!(hub_id(&home), before);
    let pid = process.pid();
    owner.request(Method::POST, path, Some(password)).await.expect(204);
    begun_anew(&home, &before).await;
    assert_eq!(process.pid(), pid, "it began anew by itself");
    is_new(&home, &before, &secrets, [&owner, &member], &kit).await;
    process.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_reset_at_the_console_wants_a_yes_and_resets_a_hub_that_runs_and_one_that_does_not() {
    let (home, process, _cameras, owner, member, kit) = lived_in().await;
    let (before, needles) = (hub_id(&home), secrets(&home));
    let no = command(&home, &[]).await;
    assert_eq!(no.status.code(), Some(2), "{no:?}");
    let yes = command(&home, &["--yes"]).await;
    assert!(yes.status.success(), "{yes:?}");
    begun_anew(&home, &before).await;
    is_new(&home, &before, &needles, [&owner, &member], &kit).await;
    process.stop().await;

    let before = hub_id(&home);
    let yes = command(&home, &["--yes"]).await;
    assert!(yes.status.success(), "{yes:?}");
    assert!(!home.data().join("hub.json").exists() && files(&home.footage()).is_empty());
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    begun_anew(&home, &before).await;
    is_new(&home, &before, &needles, [&owner, &member], &kit).await;
    process.stop().await;
}

/// What was set on the card is the system's: it goes at the next start of the machine, which an image's hub asks for.
#[tokio::test(flavor = "multi_thread")]
async fn e2e_reset_takes_what_was_set_on_the_card_too_and_has_the_machine_start_anew() {
    let home = Home::new();
    let (machine, runtime) = (home.scratch("machine"), home.scratch("run"));
    for folder in ["efi", "proc/sys/kernel", "run", "var/lib"] {
        std::fs::create_dir_all(machine.join(folder)).unwrap();
    }
    std::fs::create_dir_all(&runtime).unwrap();
    std::fs::create_dir_all(home.data()).unwrap();
    std::os::unix::fs::symlink(home.data(), machine.join("var/lib/keepsight")).unwrap();
    let image = "version = \"0.2.0\"\nboard = \"generic-x86-64\"\ncompatible = \"keepsight-generic-x86-64\"\n\
                 built = \"2026-01-01T00:00:00Z\"\n";
    std::fs::write(home.scratch("image.toml"), image).unwrap();
    let config = std::fs::read_to_string(home.config()).unwrap();
    let config = format!("{config}[update]\nimage = {:?}\n", home.scratch("image.toml"));
    std::fs::write(home.config(), config).unwrap();
    let first_boot = || {
        let mut command = Command::new(KEEPSIGHT);
        let done = command.args(["first-boot", "--root"]).arg(&machine).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    let toml = "[wifi]\nssid = \"Home\"\npassword = \"correct horse\"\ncountry = \"DE\"\n";
    std::fs::write(machine.join("efi/first-boot.toml"), toml).unwrap();
    assert!(first_boot().contains("Wi-Fi: Home (DE)."));

    let mut command = Command::new(KEEPSIGHT);
    command.env("RUNTIME_DIRECTORY", &runtime);
    let process = HubProcess::start_with(command, &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let before = hub_id(&home);
    assert!(!runtime.join("restart").exists());
    let password = json!({"password": PASSWORD});
    owner.request(Method::POST, "/api/v1/system/factory-reset", Some(password)).await.expect(204);
    begun_anew(&home, &before).await;
    wait_for("the machine is to start anew", SOON, async || runtime.join("restart").exists()).await;
    process.stop().await;

    assert_eq!(first_boot(), "After the factory reset: what was set on the card before is gone.\n");
    assert!(!machine.join("run/keepsight-system/wifi.conf").exists());
    assert!(!home.data().join("system/first-boot.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_reset_that_a_power_cut_interrupted_is_finished_by_the_next_start() {
    let (home, mut process, _cameras, owner, member, kit) = lived_in().await;
    let (before, secrets) = (hub_id(&home), secrets(&home));
    process.kill();
    // The mark is there, and half of the secrets are gone.
    let mark: Value = serde_json::from_slice(&std::fs::read(home.footage().join(".keepsight-disk")).unwrap()).unwrap();
    std::fs::write(home.data().join("factory-reset"), json!({"format": 1, "disk": mark["disk"]}).to_string()).unwrap();
    std::fs::remove_file(home.data().join("secrets/hub-signing-key")).unwrap();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    begun_anew(&home, &before).await;
    assert!(!home.data().join("factory-reset").exists());
    is_new(&home, &before, &secrets, [&owner, &member], &kit).await;
    process.stop().await;
}
