//! Pictures of every screen of the app, as a phone of 360 pixels shows it, in light and in dark: `scripts/screens`.
//!
//! Each is looked over for text of too little contrast or cut off, and for what a thumb would miss.
//!
//! A real hub with simulated cameras is used as people use it; nothing on the pictures is made up.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base::SystemClock;
use camera_sim::{Options, Simulator};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::client::{Client, PASSWORD};
use testkit::hub::{Home, HubProcess};

const FAULTS: &str = include_str!("screen_faults.js");
const WIDTH: u16 = 360;
const HEIGHT: u16 = 740;
const SOON: Duration = Duration::from_secs(40);

/// Name of the picture, address, and a script that says when the screen is ready.
type Screen<'a> = (&'a str, String, &'a str);

struct Studio {
    browser: Browser,
    home: Home,
    out: PathBuf,
    axe: String,
    /// What is wrong, each with its screen.
    faults: RefCell<BTreeSet<String>>,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let (Some(binary), Some(out)) = (arguments.next(), arguments.next()) else {
        panic!("usage: screens KEEPSIGHT FOLDER");
    };
    let size = "640x360".parse().expect("a size");
    let options = Options { cameras: 4, size, ..Options::default() };
    let cameras = Simulator::start(options, Arc::new(SystemClock)).await.expect("the cameras start");
    let home = Home::new();
    let hub = HubProcess::start(Path::new(&binary), &home).await;

    let token = Command::new(&binary).args(["claim-token", "--config"]).arg(home.config()).output().expect("it runs");
    let browser = Browser::start(&home.root_pem()).await;
    let axe = concat!(env!("CARGO_MANIFEST_DIR"), "/../web/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe is there: scripts/web installs it");
    let studio = Studio { browser, home, out: out.into(), axe, faults: RefCell::default() };
    let owner = studio.begin(String::from_utf8_lossy(&token.stdout).trim()).await;
    let ids = furnish(&owner, &cameras).await;
    studio.tour(&owner, &ids).await;
    hub.stop().await;
    studio.browser.open(&studio.address("")).await;
    studio.take(&("unreachable", String::new(), "return document.body.innerText.includes('not reachable')")).await;
    cameras.stop().await;
    let faults = studio.faults.into_inner();
    assert!(faults.is_empty(), "{} faults: {faults:#?}", faults.len());
}

impl Studio {
    fn address(&self, hash: &str) -> String {
        format!("https://127.0.0.1:{}/{hash}", self.home.port)
    }

    /// Before anybody is signed in: claimed through the app, so that its recovery kit is seen.
    async fn begin(&self, token: &str) -> Client {
        let form = "return !!document.querySelector('form')";
        self.browser.be_a_phone(WIDTH, HEIGHT, false).await;
        self.browser.open(&self.address("")).await;
        self.take(&("sign-in", String::new(), form)).await;
        self.take(&("lost-password", "#/recover".into(), form)).await;
        self.browser.open("about:blank").await;
        self.browser.open(&self.address(&format!("#/claim/{token}"))).await;
        self.take(&("claim", String::new(), form)).await;
        self.browser.fill("[name=name]", "Olivia").await;
        self.browser.fill("[name=password]", PASSWORD).await;
        self.browser.click("form button.primary").await;
        self.take(&("recovery-kit", String::new(), "return !!document.querySelector('[data-testid=words]')")).await;
        self.browser
            .run(
                "const words = [...document.querySelectorAll('[data-testid=words] li')].map(li => li.lastChild.textContent.trim()); \
                 for (const name of ['first', 'second']) { const input = document.querySelector(`[name=${name}]`); \
                 const label = document.querySelector(`label[for='${input.id}']`).textContent; \
                 input.value = words[Number(/\\d+/.exec(label)[0]) - 1]; input.dispatchEvent(new Event('input', { bubbles: true })); } \
                 document.querySelector('form').requestSubmit();",
            )
            .await;
        self.take(&("no-camera", String::new(), "return !!document.querySelector('nav')")).await;
        let mut owner = self.home.client();
        owner.sign_in("Olivia", PASSWORD).await;
        owner
    }

    async fn tour(&self, owner: &Client, ids: &[String]) {
        let there = "return !!document.querySelector('main h1')";
        let list = "return !!document.querySelector('main .list li')";
        let all_play = "const all = [...document.querySelectorAll('[data-testid=tile]')].slice(0, 3); \
                        return all.length === 3 && all.every(tile => tile.querySelector('video.playing'))";
        let live = "return !!document.querySelector('video.playing')";
        let back = "return document.querySelector('video[data-kind=playback]')?.dataset.state === 'playing'";
        let camera = &ids[0];
        let screens: Vec<Screen> = vec![
            ("live", "#/".into(), all_play),
            ("camera-live", format!("#/camera/{camera}"), live),
            ("camera-playback", format!("#/camera/{camera}/at/{}", ago(owner, 30).await), back),
            ("events", "#/events".into(), there),
            ("health", "#/health".into(), list),
            ("settings", "#/settings".into(), list),
            ("account", "#/account".into(), list),
            ("cameras", "#/cameras".into(), list),
            ("camera-settings", format!("#/cameras/{camera}"), there),
            ("camera-new", "#/cameras/new".into(), there),
            ("people", "#/people".into(), list),
            ("person", format!("#/people/{}", member(owner).await), "return !!document.querySelector('main fieldset')"),
            ("invite", "#/people/invite".into(), there),
            ("tokens", "#/tokens".into(), list),
            ("storage", "#/storage".into(), list),
            ("disks", "#/disks".into(), there),
            ("updates", "#/updates".into(), there),
            ("log", "#/audit".into(), list),
            ("new-recovery-kit", "#/kit".into(), there),
            ("factory-reset", "#/reset".into(), there),
        ];
        for screen in &screens {
            self.take(screen).await;
            match screen.0 {
                // What opens on a screen.
                "camera-playback" => {
                    self.browser.click("[data-testid=keep]").await;
                    self.take(&("camera-save", String::new(), "return !!document.querySelector('dialog[open]')")).await;
                    self.browser.click("dialog [aria-label=Close]").await;
                }
                "invite" => {
                    self.browser.fill("[name=name]", "Ada").await;
                    self.browser.click("fieldset.card input[type=checkbox]").await;
                    self.browser.click("form > .actions button.primary").await;
                    let code = "return !!document.querySelector('[data-testid=invitation] svg')";
                    self.take(&("invite-code", String::new(), code)).await;
                }
                _ => {}
            }
        }
        let body = json!({"name": "Max", "grants": [{"camera": camera, "rights": ["live"], "expires": null}]});
        let made = owner.post("/api/v1/invitations", body).await.expect(201).json();
        self.browser.devtools("Network.clearBrowserCookies", json!({})).await;
        self.browser.open("about:blank").await;
        let hash = made["url"].as_str().and_then(|url| url.split_once('#')).expect("an address").1.to_owned();
        self.browser.open(&self.address(&format!("#{hash}"))).await;
        self.take(&("invitation", String::new(), "return !!document.querySelector('form')")).await;
    }

    /// One screen, whole, in light and in dark. An empty address: where the browser is.
    async fn take(&self, (name, hash, ready): &Screen<'_>) {
        for (look, dark) in [("light", false), ("dark", true)] {
            self.browser.be_a_phone(WIDTH, HEIGHT, dark).await;
            if !hash.is_empty() {
                self.browser.run(&format!("location.hash = {}", json!(hash))).await;
            }
            self.browser.wait(name, SOON, ready).await;
            // As long as the screen is, so that the whole of it is seen.
            let long =
                self.browser.run("return document.documentElement.scrollHeight").await.as_u64().unwrap_or_default();
            let height = u16::try_from(long).unwrap_or(u16::MAX).clamp(HEIGHT, 4 * HEIGHT);
            self.browser.be_a_phone(WIDTH, height, dark).await;
            self.browser.run("document.activeElement?.blur()").await;
            self.browser.wait(name, SOON, ready).await;
            let axe = &self.axe;
            self.browser.run(&format!("window.faults = null; if (!window.axe) {{ {axe} }} {FAULTS}")).await;
            let faults = self.browser.wait("it was looked for faults", SOON, "return window.faults").await;
            let faults = faults.as_array().into_iter().flatten().filter_map(Value::as_str);
            self.faults.borrow_mut().extend(faults.map(|fault| format!("{name}, {look}: {fault}")));
            let png = self.browser.devtools("Page.captureScreenshot", json!({"format": "png"})).await;
            let png = png["data"].as_str().expect("a picture");
            std::fs::write(self.out.join(format!("{name}-{look}.png.base64")), png).expect("a file");
        }
    }
}

/// Four cameras and one that does not answer, a member, a token, a protected span.
async fn furnish(owner: &Client, cameras: &Simulator) -> Vec<String> {
    let mut ids = Vec::new();
    for (name, address) in ["Front door", "Garden", "Garage", "Living room"].iter().zip(cameras.addresses()) {
        let body = json!({"name": name, "main": {"url": address.main}, "sub": {"url": address.sub}});
        let made = owner.post("/api/v1/cameras", body).await.expect(201).json();
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    owner.add_camera("Shed", "rtsp://127.0.0.1:9/stream").await;
    owner.wait_recording(&ids, SOON).await;

    let grants = json!([{"camera": ids[0], "rights": ["live", "playback"], "expires": null}]);
    let invitation = json!({"name": "Marta", "grants": grants});
    let made = owner.post("/api/v1/invitations", invitation).await.expect(201).json();
    let accept =
        json!({"secret": made["secret"], "password": "umbrella saddle quartz melody", "device": "Android, Chrome"});
    owner.signed_out().post("/api/v1/invitations/accept", accept).await.expect(201);
    let token = json!({"name": "Home Assistant", "grants": grants, "expires": null});
    owner.post("/api/v1/tokens", token).await.expect(201);

    testkit::wait_for("a minute is recorded", Duration::from_secs(120), async || {
        let segments = owner.segments(&ids[0]).await;
        segments.first().zip(segments.last()).is_some_and(|(a, b)| b.1.duration_since(a.0).as_secs() > 60)
    })
    .await;
    let span = json!({"from": ago(owner, 50).await, "to": ago(owner, 40).await});
    owner.post(&format!("/api/v1/cameras/{}/protected", ids[0]), span).await.expect(201);
    ids
}

/// An instant some seconds before now, as the hub has it.
async fn ago(owner: &Client, seconds: i64) -> String {
    let now: base::Timestamp =
        owner.get("/api/v1/system").await.json()["time"].as_str().expect("a time").parse().expect("RFC 3339");
    now.checked_sub(jiff::SignedDuration::from_secs(seconds)).expect("a time").to_string()
}

async fn member(owner: &Client) -> String {
    let members = owner.get("/api/v1/members").await.json();
    let found = members.as_array().into_iter().flatten().find(|m| m["role"] == "member");
    found.and_then(|m: &Value| m["id"].as_str()).expect("a member").to_owned()
}
