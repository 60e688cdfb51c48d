//! Wi-Fi that an owner chooses in the app: the hub asks, `keepsight wifi` joins or goes back, and whether the hub has an owner is
//! said where its radio looks. No radio here: systemd and the kernel's word are a script and files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use testkit::hub::{self, Home, HubProcess};
use testkit::wait_for;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const WIFI: &str = "/api/v1/system/wifi";

#[tokio::test]
async fn e2e_an_owner_chooses_a_network_and_whether_there_is_an_owner_is_said() {
    let home = Home::new();
    let run = home.scratch("run");
    fs::create_dir_all(&run).unwrap();
    let image = "version = \"0.2.0\"\nboard = \"generic-x86-64\"\ncompatible = \"keepsight-generic-x86-64\"\n\
                 built = \"2026-01-01T00:00:00Z\"\n";
    fs::write(home.scratch("image.toml"), image).unwrap();
    let config = fs::read_to_string(home.config()).unwrap();
    fs::write(home.config(), format!("{config}[update]\nimage = {:?}\n", home.scratch("image.toml"))).unwrap();

    let mut command = Command::new(KEEPSIGHT);
    command.env("RUNTIME_DIRECTORY", &run);
    let process = HubProcess::start_with(command, &home).await;
    let claimed = || fs::read_to_string(run.join("claimed")).unwrap_or_default();
    wait_for("it says that nobody owns it", Duration::from_secs(10), async || claimed() == "no\n").await;
    let mode = fs::metadata(run.join("claimed")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o644, "for others to read");
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    wait_for("and then that somebody does", Duration::from_secs(10), async || claimed() == "yes\n").await;

    let shown = owner.get(WIFI).await.expect(200).json();
    assert_eq!((&shown["can_be_set"], &shown["network"], &shown["change"]), (&json!(true), &Value::Null, &Value::Null));
    let ask = async |body: Value| owner.request(Method::PUT, WIFI, Some(body)).await;
    let refused = ask(json!({"ssid": "Home", "password": "geheim", "country": "DE"})).await.expect(400);
    assert_eq!(refused.problem(), "bad-request");
    let why = refused.json().to_string();
    assert!(why.contains("password has 6 characters") && !why.contains("geheim"), "{why}");
    // Without a radio nothing is asked for. Where this machine has one, it is: in the test's own folder, where nobody looks.
    let answer = ask(json!({"ssid": "Home", "password": "correct horse", "country": "DE"})).await;
    let asked = fs::read_to_string(run.join("wifi.toml")).ok();
    if shown["radio"] == json!(true) {
        assert_eq!((answer.status, asked), (202, Some(network("Home") + "hidden = false\n")));
    } else {
        assert_eq!((answer.status, answer.problem().as_str(), asked), (409, "no-radio", None));
    }
    process.stop().await;
}

/// A machine with one radio, which joins what is in its configuration if that is `Home`.
struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        for folder in ["sys/class/net/wlan0/phy80211", "run/keepsight", "bin", "var/lib/keepsight"] {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        let root = machine.path("").display().to_string();
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> {root}/called\n\
             grep -q 'ssid=486f6d65$' {root}/run/keepsight-system/wifi.conf 2> /dev/null && is=up || is=dormant\n\
             echo $is > {root}/sys/class/net/wlan0/operstate\n"
        );
        fs::write(machine.path("bin/systemctl"), script).unwrap();
        fs::set_permissions(machine.path("bin/systemctl"), fs::Permissions::from_mode(0o755)).unwrap();
        machine
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn wifi(&self, request: &str) -> Output {
        fs::write(self.path("run/keepsight/wifi.toml"), request).unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(KEEPSIGHT);
        command.args(["wifi", "--within", "1", "--root"]).arg(self.0.path()).env("PATH", path).output().unwrap()
    }

    fn said(&self) -> Value {
        serde_json::from_slice(&fs::read(self.path("run/keepsight-system/wifi.json")).unwrap()).unwrap()
    }
}

fn network(ssid: &str) -> String {
    format!("[wifi]\nssid = \"{ssid}\"\npassword = \"correct horse\"\ncountry = \"DE\"\n")
}

#[test]
fn a_network_that_is_joined_is_kept_and_one_that_is_not_is_left() {
    let machine = Machine::new();
    let joined = machine.wifi(&network("Home"));
    assert!(joined.status.success(), "{joined:?}");
    assert_eq!(String::from_utf8_lossy(&joined.stdout), "Wi-Fi: Home.\n");
    assert!(!machine.path("run/keepsight/wifi.toml").exists(), "asked for once");
    let called = fs::read_to_string(machine.path("called")).unwrap();
    assert_eq!(called, "restart keepsight-wifi@wlan0.service\n");
    let kept = fs::read_to_string(machine.path("var/lib/keepsight/system/first-boot.json")).unwrap();
    assert!(kept.contains("\"Home\""), "{kept}");
    assert_eq!(machine.said(), json!({"network": "Home", "change": {"network": "Home", "stage": "joined"}}));

    // A hub that was broken into lets nobody in by SSH: of what it asks for only the network is taken.
    let keys = "[ssh]\nkeys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMKZPML4KJp7aPajOV7VNOMbA5LYL3RUSnkzWJvajjjB ada@laptop\"]\n";
    let asked = machine.wifi(&(network("Home") + keys));
    assert!(asked.status.success(), "{asked:?}");
    assert!(!machine.path("run/keepsight-system/authorized_keys").exists());
    assert!(
        !fs::read_to_string(machine.path("var/lib/keepsight/system/first-boot.json")).unwrap().contains("ssh-ed25519")
    );

    let left = machine.wifi("wifi = false\n");
    assert!(left.status.success(), "{left:?}");
    assert_eq!(machine.said(), json!({"network": null, "change": {"network": null, "stage": "joined"}}));
    assert!(!machine.path("run/keepsight-system/wifi.conf").exists());
}

#[test]
fn a_network_that_is_not_there_leaves_what_was_set() {
    let machine = Machine::new();
    assert!(machine.wifi(&network("Home")).status.success());
    let tried = machine.wifi(&network("Nowhere"));
    assert_eq!(tried.status.code(), Some(1));
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(said.contains("The hub did not get into the network."), "{said}");
    assert_eq!(machine.said(), json!({"network": "Home", "change": {"network": "Nowhere", "stage": "failed"}}));
    let conf = fs::read_to_string(machine.path("run/keepsight-system/wifi.conf")).unwrap();
    assert!(conf.contains("ssid=486f6d65\n"), "{conf}");
    let kept = fs::read_to_string(machine.path("var/lib/keepsight/system/first-boot.json")).unwrap();
    assert!(!kept.contains("Nowhere"), "{kept}");
}
