//! A second engine: Debian's Firefox ESR, driven by WebDriver BiDi, which it speaks by itself.
//!
//! It trusts the hub as [`crate::browser::Browser`] does: by its root certificate in the browser's own store.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Nothing of its own on the network, and films play without a tap, as in an installed app.
const PREFERENCES: &str = r#"
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("media.autoplay.default", 0);
user_pref("media.gmp-manager.updateEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "data:,");
user_pref("toolkit.telemetry.enabled", false);
"#;

/// A running Firefox; it ends when this is dropped.
pub struct Firefox {
    process: Child,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    context: String,
    commands: u64,
    _home: tempfile::TempDir,
}

impl Firefox {
    /// Starts a Firefox that trusts `root_pem`.
    ///
    /// # Panics
    /// If it is missing or does not start.
    pub async fn start(root_pem: &str) -> Firefox {
        let home = tempfile::tempdir().expect("a temporary folder");
        let profile = home.path().join("profile");
        crate::browser::trust(home.path(), &profile, root_pem);
        std::fs::write(profile.join("user.js"), PREFERENCES).expect("a file in a temporary folder");
        let port = crate::free_port();
        let process = Command::new("firefox-esr")
            .args(["--headless", "--no-remote", "--width", "412", "--height", "915"])
            .arg(format!("--remote-debugging-port={port}"))
            .arg("--profile")
            .arg(&profile)
            .env("HOME", home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("firefox-esr starts: scripts/setup installs it");
        let address = format!("ws://127.0.0.1:{port}/session");
        let mut socket = None;
        crate::wait_for("Firefox listens", Duration::from_secs(60), async || {
            socket = tokio_tungstenite::connect_async(&address).await.ok().map(|(socket, _)| socket);
            socket.is_some()
        })
        .await;
        let socket = socket.expect("it is connected");
        let mut firefox = Firefox { process, socket, context: String::new(), commands: 0, _home: home };
        firefox.call("session.new", json!({"capabilities": {}})).await;
        let tree = firefox.call("browsingContext.getTree", json!({})).await;
        firefox.context = tree["contexts"][0]["context"].as_str().expect("a tab").to_owned();
        firefox
    }

    /// Opens an address and waits until it is loaded.
    pub async fn open(&mut self, url: &str) {
        let context = self.context.clone();
        self.call("browsingContext.navigate", json!({"context": context, "url": url, "wait": "complete"})).await;
    }

    /// Runs JavaScript (a function body) in the page and gives back what it returns.
    pub async fn run(&mut self, script: &str) -> Value {
        let expression = format!("JSON.stringify((() => {{ {script} }})() ?? null)");
        let target = json!({"context": self.context});
        let answer = self
            .call("script.evaluate", json!({"expression": expression, "target": target, "awaitPromise": true}))
            .await;
        let text = answer["result"]["value"].as_str().unwrap_or_else(|| panic!("Firefox says: {answer}"));
        serde_json::from_str(text).expect("JSON")
    }

    /// Waits until a script returns something true.
    pub async fn wait(&mut self, what: &str, limit: Duration, script: &str) -> Value {
        let mut last = Value::Null;
        crate::wait_for(what, limit, async || {
            last = self.run(script).await;
            !matches!(last, Value::Null | Value::Bool(false))
        })
        .await;
        last
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        self.commands += 1;
        let command = json!({"id": self.commands, "method": method, "params": params});
        self.socket.send(Message::text(command.to_string())).await.expect("Firefox is there");
        loop {
            let message = self.socket.next().await.expect("Firefox is there").expect("a message");
            let Ok(text) = message.to_text() else { continue };
            let answer: Value = serde_json::from_str(text).unwrap_or_default();
            if answer["id"] == self.commands {
                assert_eq!(answer["type"], "success", "Firefox says: {answer}");
                return answer["result"].clone();
            }
        }
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
