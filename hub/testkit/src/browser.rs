//! A real browser: Debian's Chromium, driven through ChromeDriver's W3C WebDriver interface.
//!
//! It trusts the hub the way a person's phone does: the hub's root certificate is put into its certificate store, and
//! no certificate error is ignored.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base::{Clock, SystemClock};
use serde_json::{Value, json};

/// What WebDriver calls a reference to an element in its JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running browser; it ends when this is dropped.
pub struct Browser {
    driver: Child,
    base: String,
    http: reqwest::Client,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Starts a browser that trusts `root_pem`.
    ///
    /// # Panics
    /// If Chromium, ChromeDriver or certutil are missing or do not start.
    pub async fn start(root_pem: &str) -> Browser {
        let home = tempfile::tempdir().expect("a temporary folder");
        trust(home.path(), &home.path().join(".pki/nssdb"), root_pem);
        let port = crate::free_port();
        let driver = Command::new("chromedriver")
            .args([format!("--port={port}")])
            .env("HOME", home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts: scripts/setup installs it");
        // reqwest wants one even for plain HTTP; that another test has installed it is fine.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let driver_url = format!("http://127.0.0.1:{port}");
        crate::wait_for("ChromeDriver listens", Duration::from_secs(20), async || {
            http.get(format!("{driver_url}/status")).send().await.is_ok()
        })
        .await;
        let logs = json!({"browser": "ALL", "performance": "ALL"});
        let options = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:loggingPrefs": logs,
            "goog:chromeOptions": {"args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--autoplay-policy=no-user-gesture-required", "--window-size=412,915",
            format!("--user-data-dir={}", home.path().join("profile").display()),
        ]}}}});
        let answer: Value = http
            .post(format!("{driver_url}/session"))
            .json(&options)
            .send()
            .await
            .expect("ChromeDriver answers")
            .json()
            .await
            .expect("JSON");
        let session = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("no browser session: {answer}"));
        Browser { driver, base: format!("{driver_url}/session/{session}"), http, _home: home }
    }

    /// Opens an address and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.call("url", json!({ "url": url })).await;
    }

    /// Opens a hub's page and signs its owner in.
    ///
    /// # Panics
    /// If that does not work within 20 s.
    pub async fn sign_in(&self, port: u16) {
        self.open(&format!("https://127.0.0.1:{port}/")).await;
        let body = json!({"name": "Olivia", "password": crate::client::PASSWORD, "device": "test"});
        self.run(&format!(
            "fetch('/api/v1/sessions', {{method: 'POST', headers: {{'content-type': 'application/json'}}, \
             body: JSON.stringify({body})}}).then(a => document.title = 'signed in ' + a.ok)"
        ))
        .await;
        let so = "return document.title === 'signed in true'";
        self.wait("the browser signs in", Duration::from_secs(20), so).await;
    }

    /// Runs JavaScript (a function body) in the page and gives back what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.call("execute/sync", json!({"script": script, "args": []})).await
    }

    /// Waits until a script returns something true.
    pub async fn wait(&self, what: &str, limit: Duration, script: &str) -> Value {
        let mut last = Value::Null;
        crate::wait_for(what, limit, async || {
            last = self.run(script).await;
            !matches!(last, Value::Null | Value::Bool(false))
        })
        .await;
        last
    }

    /// Makes it a phone: so many pixels, touched instead of clicked, in its dark or its light looks.
    pub async fn be_a_phone(&self, width: u16, height: u16, dark: bool) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        self.devtools("Emulation.setTouchEmulationEnabled", json!({"enabled": true})).await;
        self.look(dark).await;
    }

    /// Switches between dark and light looks.
    pub async fn look(&self, dark: bool) {
        let scheme = json!({"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }});
        self.devtools("Emulation.setEmulatedMedia", json!({"features": [scheme]})).await;
    }

    /// Clicks the first element that a selector finds, as a finger does: what is not there yet is waited for, what is hidden
    /// or covered cannot be clicked.
    ///
    /// # Panics
    /// If it cannot within 20 s.
    pub async fn click(&self, selector: &str) {
        let deadline = SystemClock.mono() + Duration::from_secs(20);
        loop {
            let why = match self.element(selector).await {
                Some(element) => {
                    // To the middle: the app's navigation lies over the lower edge.
                    let center = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
                    self.post("execute/sync", &json!({"script": center, "args": [{ELEMENT: element}]})).await;
                    self.post(&format!("element/{element}/click"), &json!({})).await
                }
                None => json!({"error": "there is none"}),
            };
            if why["error"].is_null() {
                return;
            }
            assert!(SystemClock.mono() < deadline, "{selector} cannot be clicked: {why}");
            SystemClock.sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types into the first field that a selector finds, in place of what is there.
    ///
    /// # Panics
    /// If there is none within 20 s.
    pub async fn fill(&self, selector: &str, text: &str) {
        let mut field = None;
        crate::wait_for(&format!("{selector} is there"), Duration::from_secs(20), async || {
            field = self.element(selector).await;
            field.is_some()
        })
        .await;
        let field = field.unwrap_or_default();
        self.call(&format!("element/{field}/clear"), json!({})).await;
        self.call(&format!("element/{field}/value"), json!({ "text": text })).await;
    }

    /// Drags the middle of an element sideways by so many pixels, as a thumb does, and holds it for `hold` before it lets go.
    ///
    /// # Panics
    /// If there is no such element.
    pub async fn drag(&self, selector: &str, dx: i32, hold: Duration) {
        let element = self.element(selector).await.unwrap_or_else(|| panic!("there is no {selector}"));
        let origin = json!({ ELEMENT: element });
        let steps = 10;
        let mut actions = vec![
            json!({"type": "pointerMove", "duration": 0, "x": 0, "y": 0, "origin": origin}),
            json!({"type": "pointerDown", "button": 0}),
        ];
        for step in 1..=steps {
            actions
                .push(json!({"type": "pointerMove", "duration": 50, "x": dx * step / steps, "y": 0, "origin": origin}));
        }
        actions.push(json!({"type": "pause", "duration": hold.as_millis() as u64}));
        actions.push(json!({"type": "pointerUp", "button": 0}));
        let finger =
            json!({"type": "pointer", "id": "finger", "parameters": {"pointerType": "touch"}, "actions": actions});
        self.call("actions", json!({"actions": [finger]})).await;
    }

    /// What was logged since the last call: `browser` (the console) or `performance` (DevTools events, the network among them).
    pub async fn logs(&self, kind: &str) -> Vec<Value> {
        self.call("se/log", json!({ "type": kind })).await.as_array().cloned().unwrap_or_default()
    }

    /// A command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.call("goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    async fn element(&self, selector: &str) -> Option<String> {
        let found = self.post("element", &json!({"using": "css selector", "value": selector})).await;
        found[ELEMENT].as_str().map(str::to_owned)
    }

    async fn call(&self, what: &str, body: Value) -> Value {
        let value = self.post(what, &body).await;
        assert!(value.get("error").is_none(), "the browser says: {}", value["message"]);
        value
    }

    async fn post(&self, what: &str, body: &Value) -> Value {
        let answer = self.http.post(format!("{}/{what}", self.base)).json(body).send().await;
        let answer: Value = answer.expect("ChromeDriver answers").json().await.expect("JSON");
        answer["value"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Killing ChromeDriver alone would leave Chromium running: ask it to end the session first.
        let _ = Command::new("curl")
            .args(["-s", "--noproxy", "*", "-X", "DELETE", "-m", "10", &self.base])
            .stdout(Stdio::null())
            .status();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Makes a store of certificates in the folder `db` that trusts `root_pem`.
pub(crate) fn trust(home: &Path, db: &Path, root_pem: &str) {
    std::fs::create_dir_all(db).expect("a folder in a temporary folder");
    let pem = home.join("root.pem");
    std::fs::write(&pem, root_pem).expect("a file in a temporary folder");
    let db = format!("sql:{}", db.display());
    let certutil = |args: &[&str]| {
        let status = Command::new("certutil").args(args).status().expect("certutil runs: scripts/setup installs it");
        assert!(status.success(), "certutil {args:?}");
    };
    certutil(&["-N", "--empty-password", "-d", &db]);
    certutil(&["-A", "-t", "C,,", "-n", "keepsight", "-d", &db, "-i", &pem.display().to_string()]);
}
