//! A camera that is paused while somebody is at home: their phone is another machine on a network that comes and goes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use testkit::avahi::ip;
use testkit::client::PASSWORD;
use testkit::gst_server::Network;
use testkit::hub::{Home, HubProcess};
use testkit::wait_for;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const SOON: Duration = Duration::from_secs(60);

/// A phone, as curl: it knows the hub's certificate and keeps its cookie.
struct Phone<'a> {
    network: &'a Network,
    address: String,
    root: String,
    cookies: String,
}

impl Phone<'_> {
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let url = format!("{}{path}", self.address);
        let out = Command::new("nsenter")
            .args(["--net", "--target", &self.network.pid().to_string(), "curl", "--silent", "--show-error"])
            .args(["--cacert", &self.root, "--cookie", &self.cookies, "--cookie-jar", &self.cookies])
            .args(["--request", method, "--json", &body.to_string(), "--header", &format!("origin: {}", self.address)])
            .args(["--write-out", "\n%{http_code}", &url])
            .output()
            .expect("curl runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).expect("text");
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a number"), serde_json::from_str(body).unwrap_or_default())
    }
}

#[tokio::test]
async fn e2e_a_camera_is_paused_while_somebody_is_at_home_and_recorded_when_they_leave() {
    let network = Network::enter();
    let sims = testkit::cameras(1).await;
    let home = Home::new();
    home.open_to_the_network();
    let text = std::fs::read_to_string(home.config()).expect("the configuration");
    std::fs::write(home.config(), text + "[net]\naway_after = \"12 s\"\n").expect("a file");
    let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = testkit::hub::claim(Path::new(KEEPSIGHT), &home).await;
    let id = owner.add_camera("Sofa", &sims.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&id), SOON).await;
    let path = format!("/api/v1/cameras/{id}");
    let is = async |state: &str, paused: bool| {
        let camera = owner.camera(&id).await;
        camera["state"] == state && camera["paused"] == paused
    };

    // Who asks from the hub itself is no device on its network.
    let here = owner.request(Method::PATCH, &path, Some(json!({"paused_while_home": true}))).await;
    assert_eq!(here.expect(422).problem(), "not-at-home");

    let (root, cookies) = (home.scratch("root.pem"), home.scratch("cookies"));
    std::fs::write(&root, home.root_pem()).expect("a file");
    let text = |path: std::path::PathBuf| path.to_str().expect("text").to_owned();
    let address = format!("https://10.99.0.1:{}", home.port);
    let phone = Phone { network: &network, address, root: text(root), cookies: text(cookies) };
    let sign_in = json!({"name": "Olivia", "password": PASSWORD, "device": "phone"});
    assert_eq!(phone.ask("POST", "/api/v1/sessions", &sign_in).0, 201);
    let (status, camera) = phone.ask("PATCH", &path, &json!({"paused_while_home": true}));
    assert_eq!(
        (status, &camera["paused"], &camera["paused_while_home"]),
        (200, &json!(true), &json!(true)),
        "{camera}"
    );
    wait_for("it is paused", SOON, async || is("paused", true).await).await;

    let pid = network.pid();
    let phones_wifi = |state: &str| {
        let mut up = Command::new("nsenter");
        up.args(["--net", "--target", &pid.to_string(), "ip", "link", "set", "there", state]);
        assert!(up.status().expect("ip runs").success());
    };
    phones_wifi("down");
    wait_for("they left, and it is recorded", SOON, async || is("recording", false).await).await;
    phones_wifi("up");
    wait_for("they are back, and it is paused", SOON, async || is("paused", true).await).await;
    // The phone sends nothing of itself: it is asked. So it is after the hub was started again, too.
    let hub = {
        hub.stop().await;
        ip("neigh flush dev here");
        HubProcess::start(Path::new(KEEPSIGHT), &home).await
    };
    let still = async || is("paused", true).await && reachable();
    wait_for("it is asked, and answers", SOON, still).await;
    phones_wifi("down");
    wait_for("they left again", SOON, async || is("recording", false).await).await;

    // Somebody says what they want; later the phone has its say again, until it is signed out.
    phones_wifi("up");
    wait_for("they are back again", SOON, async || is("paused", true).await).await;
    let wants = owner.request(Method::PATCH, &path, Some(json!({"paused_while_home": false}))).await.expect(200).json();
    assert_eq!((&wants["paused"], &wants["paused_while_home"]), (&json!(false), &json!(false)));
    assert_eq!(phone.ask("PATCH", &path, &json!({"paused_while_home": true})).0, 200);
    wait_for("it is paused again", SOON, async || is("paused", true).await).await;
    assert_eq!(phone.ask("DELETE", "/api/v1/sessions/current", &json!({})).0, 204);
    wait_for("signed out, nobody is at home", SOON, async || is("recording", false).await).await;
    assert_eq!(owner.camera(&id).await["paused_while_home"], false, "the camera has forgotten the phone");

    let timeline = owner.timeline(&id).await;
    let reasons: Vec<&Value> = timeline["gaps"].as_array().expect("a list").iter().map(|gap| &gap["reason"]).collect();
    assert!(reasons.iter().filter(|reason| **reason == "paused").count() >= 2, "{reasons:?}");
    hub.stop().await;
    sims.stop().await;
}

/// Does the kernel know that the phone is there?
fn reachable() -> bool {
    let said = Command::new("ip").args(["neigh", "show", "dev", "here", "nud", "reachable"]).output().expect("ip runs");
    !said.stdout.is_empty()
}
