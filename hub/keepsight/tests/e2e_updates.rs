//! Updates, with the real binary: a source that is a server of this test's, a program in RAUC's place that records what it is
//! asked and says what RAUC 1.13 says, and a machine whose restart is a start of the hub with other slots.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Clock, HubId, SystemClock};
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Answer, Client};
use testkit::hub::{self, Home, HubProcess};
use testkit::people::invited;
use testkit::wait_for;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const UPDATE: &str = "/api/v1/system/update";
const SOON: Duration = Duration::from_secs(20);
const STATUS: &str = include_str!("../../system/tests/rauc/on-trial.json");

/// A machine with an image of ours: version 0.2.0 runs in A.
struct Machine {
    home: Home,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { home: Home::new() };
        for folder in ["bin", "run"] {
            std::fs::create_dir(machine.path(folder)).unwrap();
        }
        let at = machine.path("");
        let at = at.display();
        let script = format!(
            "#!/bin/sh\necho \"$*\" >> {at}/calls\ncase \"$1\" in\n\
             status) cat {at}/status.json ;;\n\
             install)\n  printf 'installing\\n  0%% Installing\\n 20%% Verifying signature\\n'\n\
             if test -e {at}/refuses; then\n\
             printf 'LastError: signature verification failed: self-signed certificate\\nidle\\n'\n\
             echo \"Installing \\`$2\\` failed\" >&2; exit 1; fi\n\
             cp {at}/after.json {at}/status.json\n\
             printf '100%% Installing done.\\nidle\\nInstalling `%s` succeeded\\n' \"$2\" ;;\nesac\n"
        );
        let program = machine.path("bin/rauc");
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = std::fs::read_to_string(machine.home.config()).unwrap();
        let config = format!("{config}[update]\nimage = {:?}\n", machine.path("image.toml"));
        std::fs::write(machine.home.config(), config).unwrap();
        machine.runs("0.2.0", 'A', "rootfs.0", "");
        std::fs::write(machine.path("after.json"), status('A', "rootfs.1", "0.3.0")).unwrap();
        machine
    }
    fn path(&self, name: &str) -> PathBuf {
        self.home.scratch(name)
    }
    /// After a restart: which version runs in which slot, which is good, and what was written in B.
    fn runs(&self, version: &str, slot: char, next: &str, b: &str) {
        std::fs::write(self.path("status.json"), status(slot, next, b)).unwrap();
        let image = format!(
            "version = \"{version}\"\nboard = \"generic-x86-64\"\ncompatible = \"keepsight-generic-x86-64\"\n\
             built = \"2026-01-01T00:00:00Z\"\n"
        );
        std::fs::write(self.path("image.toml"), image).unwrap();
    }
    async fn start(&self) -> HubProcess {
        let mut command = Command::new(KEEPSIGHT);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.env("RUNTIME_DIRECTORY", self.path("run")).env("SSL_CERT_FILE", self.path("trusted.pem"));
        HubProcess::start_with(command, &self.home).await
    }
    fn installed(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().filter(|call| call.starts_with("install")).map(str::to_owned).collect()
    }
    fn restart_asked(&self) -> bool {
        self.path("run/restart").exists()
    }
}

fn status(slot: char, next: &str, b: &str) -> String {
    STATUS
        .replace("\"booted\":\"B\"", &format!("\"booted\":\"{slot}\""))
        .replace("\"boot_primary\":\"rootfs.0\"", &format!("\"boot_primary\":\"{next}\""))
        .replace(
            "\"boot_status\":\"bad\"",
            &format!("\"boot_status\":\"{}\"", if slot == 'B' { "good" } else { "bad" }),
        )
        .replace("\"version\":\"0.2.0\"", &format!("\"version\":\"{b}\""))
}

fn manifest(version: &str, board: &str) -> String {
    json!({
        "format": 1, "version": version, "compatible": format!("keepsight-{board}"),
        "bundle": format!("keepsight-{version}.raucb"), "size": 166_600_000, "sha256": "2c".repeat(32),
    })
    .to_string()
}

/// A server with one file, which remembers what it was asked for.
#[derive(Clone)]
struct Server {
    port: u16,
    file: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Server {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Server { port, file: Arc::default(), asked: Arc::default() };
        let serves = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, tls) = (serves.clone(), tls.clone());
                tokio::spawn(async move {
                    let Some(tls) = tls else { return server.answer(stream).await };
                    // Who does not trust it hangs up.
                    if let Ok(stream) = tls.accept(stream).await {
                        server.answer(stream).await;
                    }
                });
            }
        });
        server
    }
    async fn answer(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let (mut request, mut part) = (Vec::new(), [0; 4096]);
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut part).await {
                Ok(n) if n > 0 => request.extend_from_slice(&part[..n]),
                _ => return,
            }
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let found = path == "/updates/generic-x86-64.json";
        let body = if found { self.file.lock().unwrap().clone() } else { String::new() };
        self.asked.lock().unwrap().push(request);
        let line = if found { "200 OK" } else { "404 Not Found" };
        let answer = format!("HTTP/1.1 {line}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
    fn serves(&self, text: String) {
        *self.file.lock().unwrap() = text;
    }
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn update(owner: &Client) -> Value {
    owner.get(UPDATE).await.expect(200).json()
}

async fn change(owner: &Client, body: Value) -> Answer {
    owner.request(Method::PATCH, UPDATE, Some(body)).await
}

async fn install(owner: &Client) -> Answer {
    owner.request(Method::POST, &format!("{UPDATE}/install"), None).await
}

async fn until_stage(owner: &Client, stage: &str) -> Value {
    wait_for(stage, SOON, async || update(owner).await["stage"] == stage).await;
    update(owner).await
}

#[tokio::test]
async fn e2e_updates_are_off_are_offered_and_are_installed_when_an_owner_says_now() {
    let (machine, server) = (Machine::new(), Server::start(None).await);
    server.serves(manifest("0.3.0", "generic-x86-64"));
    let source = format!("http://127.0.0.1:{}/updates", server.port);
    let process = machine.start().await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &machine.home).await;
    let off = until_stage(&owner, "off").await;
    assert_eq!(
        (&off["version"], &off["slot"], &off["health"]),
        (&json!("0.2.0"), &json!("A"), &json!({"state": "off"}))
    );
    assert_eq!((&off["source"], &off["offer"]), (&json!(null), &json!(null)));

    // Only owners, and only what can be meant.
    let (member, _) = invited(&owner, "Mia", json!([])).await;
    assert_eq!(member.get(UPDATE).await.expect(403).problem(), "not-allowed");
    assert_eq!(change(&member, json!({"when": "ask"})).await.expect(403).problem(), "not-allowed");
    assert_eq!(install(&member).await.expect(403).problem(), "not-allowed");
    for bad in [json!({"when": "now"}), json!({"quiet_hour": 24}), json!({"hour": 1})] {
        assert_eq!(change(&owner, bad).await.expect(400).problem(), "bad-body");
    }
    for bad in ["http://example.org/updates", "ftp://192.168.1.1/", "https://me:secret@example.org/"] {
        assert_eq!(change(&owner, json!({"source": bad})).await.expect(422).problem(), "bad-update-source");
    }
    // A source alone asks nobody.
    change(&owner, json!({"source": source})).await.expect(200);
    until_stage(&owner, "off").await;
    assert!(server.asked().is_empty(), "{:?}", server.asked());

    let asks = change(&owner, json!({"when": "ask"})).await.expect(200).json();
    assert_eq!((&asks["when"], &asks["source"]), (&json!("ask"), &json!(format!("{source}/"))));
    let offered = until_stage(&owner, "offered").await;
    assert_eq!(
        offered["offer"],
        json!({"version": "0.3.0", "size_bytes": 166_600_000, "on_stick": false, "refused": null})
    );
    assert!(offered["looked_at"].is_string() && offered["health"]["state"] == "ok", "{offered}");
    let request = server.asked()[0].to_lowercase();
    assert!(!request.contains("0.2.0") && !request.contains("cookie"), "it says nothing of the hub: {request}");
    assert!(machine.installed().is_empty() && !machine.restart_asked());

    install(&owner).await.expect(202);
    until_stage(&owner, "restarting").await;
    assert_eq!(machine.installed(), [format!("install {source}/keepsight-0.3.0.raucb")]);
    assert!(machine.restart_asked());
    let audit = owner.get("/api/v1/audit").await.expect(200).json().to_string();
    assert!(audit.contains("update.install") && audit.contains("update.settings"), "{audit}");
    process.stop().await;

    // The machine starts B, and `keepsight health` found it good.
    machine.runs("0.3.0", 'B', "rootfs.1", "0.3.0");
    let process = machine.start().await;
    let owner = hub::owner(&machine.home).await;
    let good = until_stage(&owner, "newest").await;
    assert_eq!((&good["version"], &good["slot"]), (&json!("0.3.0"), &json!("B")));
    assert_eq!((&good["last_good"]["version"], &good["failed"]), (&json!("0.3.0"), &json!([])));
    assert_eq!(good["health"]["state"], "ok");
    assert!(!machine.restart_asked(), "once is enough");
    assert_eq!(install(&owner).await.expect(409).problem(), "no-update");
    process.stop().await;
}

#[tokio::test]
async fn e2e_updates_from_which_the_machine_went_back_are_said_and_not_tried_again() {
    let (machine, server) = (Machine::new(), Server::start(None).await);
    server.serves(manifest("0.3.0", "generic-x86-64"));
    let source = format!("http://127.0.0.1:{}/updates/", server.port);
    let process = machine.start().await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &machine.home).await;
    change(&owner, json!({"when": "ask", "source": source})).await.expect(200);
    until_stage(&owner, "offered").await;
    install(&owner).await.expect(202);
    until_stage(&owner, "restarting").await;
    process.stop().await;

    machine.runs("0.2.0", 'A', "rootfs.0", "0.3.0");
    let process = machine.start().await;
    let owner = hub::owner(&machine.home).await;
    let back = until_stage(&owner, "refused").await;
    assert_eq!((&back["health"]["state"], &back["health"]["reason"]), (&json!("degraded"), &json!("update_went_back")));
    let detail = back["health"]["detail"].as_str().unwrap();
    assert!(detail.contains("Version 0.3.0 did not do") && detail.contains("the next one is"), "{detail}");
    assert_eq!((&back["failed"][0]["version"], &back["failed"][0]["why"]), (&json!("0.3.0"), &json!("went_back")));
    assert_eq!(back["offer"]["refused"]["said"], "Version 0.3.0 was tried before and did not do");
    assert_eq!(machine.home.system().await["update"], back["health"], "on the page of health, too");
    assert_eq!(install(&owner).await.expect(409).problem(), "update-refused");
    assert_eq!(machine.installed().len(), 1);

    // Others that are not for this hub.
    for (served, said) in [
        (manifest("0.1.0", "generic-x86-64"), "Version 0.1.0 is older than 0.2.0, which runs"),
        (
            manifest("0.4.0", "raspberry-pi-4"),
            "Version 0.4.0 is for keepsight-raspberry-pi-4, and this hub is keepsight-generic-x86-64",
        ),
    ] {
        server.serves(served);
        change(&owner, json!({"when": "ask"})).await.expect(200);
        wait_for(said, SOON, async || update(&owner).await["offer"]["refused"]["said"] == said).await;
        let refused = install(&owner).await.expect(409);
        assert_eq!((refused.problem().as_str(), &refused.json()["detail"]), ("update-refused", &json!(said)));
    }
    assert_eq!(machine.installed().len(), 1);

    // What RAUC refuses is said in its words.
    server.serves(manifest("0.5.0", "generic-x86-64"));
    std::fs::write(machine.path("refuses"), "").unwrap();
    change(&owner, json!({"when": "ask"})).await.expect(200);
    until_stage(&owner, "offered").await;
    install(&owner).await.expect(202);
    let refused = until_stage(&owner, "refused").await;
    let detail = refused["problem"]["detail"].as_str().unwrap();
    assert_eq!(detail, "Version 0.5.0: signature verification failed: self-signed certificate");
    assert_eq!(refused["failed"][1]["why"], "refused");
    assert!(!machine.restart_asked());
    process.stop().await;
}

#[tokio::test]
async fn e2e_updates_that_are_automatic_are_installed_in_the_quiet_hour_from_a_source_that_is_trusted() {
    let machine = Machine::new();
    let folder = tempfile::tempdir().unwrap();
    let clock: base::SharedClock = Arc::new(SystemClock);
    let authority = tls::Authority::open_or_create(folder.path(), HubId::new(&*clock), clock.clone(), &[]).unwrap();
    let mut config = (*authority.server_config().unwrap()).clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let server = Server::start(Some(tokio_rustls::TlsAcceptor::from(Arc::new(config)))).await;
    server.serves(manifest("0.3.0", "generic-x86-64"));
    let source = format!("https://localhost:{}/updates/", server.port);
    // Somebody else's root: this machine does not trust the source.
    let other = tempfile::tempdir().unwrap();
    let stranger = tls::Authority::open_or_create(other.path(), HubId::new(&*clock), clock.clone(), &[]).unwrap();
    std::fs::write(machine.path("trusted.pem"), stranger.root_pem()).unwrap();
    let process = machine.start().await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &machine.home).await;
    let hour = || SystemClock.wall().as_second().rem_euclid(86_400) / 3_600;
    let later = (hour() + 12) % 24;
    change(&owner, json!({"when": "automatic", "source": source, "quiet_hour": later})).await.expect(200);
    wait_for("it is not trusted", SOON, async || update(&owner).await["problem"]["code"] == "update-source").await;
    let problem = update(&owner).await;
    assert_eq!((&problem["health"]["reason"], &problem["offer"]), (&json!("update_failed"), &json!(null)));
    assert!(problem["problem"]["detail"].as_str().unwrap().contains("certificate"), "{problem}");
    assert!(server.asked().is_empty());
    process.stop().await;

    std::fs::write(machine.path("trusted.pem"), authority.root_pem()).unwrap();
    let process = machine.start().await;
    let owner = hub::owner(&machine.home).await;
    until_stage(&owner, "waiting").await;
    assert!(machine.installed().is_empty());
    // A machine without a clock of its own knows no hour, until somebody tells it.
    let told = owner.post("/api/v1/system/time", json!({"time": SystemClock.wall()})).await;
    assert!(told.status == 200 || told.problem() == "time-known", "{told:?}");
    let mut set = None;
    wait_for("it is installed in the quiet hour", SOON, async || {
        // Again only where the hour has just ended.
        if set.replace(hour()) != Some(hour()) {
            change(&owner, json!({"quiet_hour": hour()})).await.expect(200);
        }
        machine.restart_asked()
    })
    .await;
    assert_eq!(machine.installed(), [format!("install {source}keepsight-0.3.0.raucb")]);
    process.stop().await;
}

#[tokio::test]
async fn e2e_an_owner_decides_whether_time_servers_are_asked() {
    const TIME: &str = "/api/v1/system/time";
    let machine = Machine::new();
    let hub = machine.start().await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &machine.home).await;
    let said = || std::fs::read_to_string(machine.path("run/internet-time")).unwrap();
    assert_eq!(said(), "off\n", "as flashed");
    assert_eq!(owner.get(TIME).await.expect(200).json()["internet"], json!(false));

    let change = async |wanted: bool| {
        let answer = owner.request(Method::PATCH, TIME, Some(json!({"internet": wanted}))).await;
        assert_eq!(answer.expect(200).json()["internet"], json!(wanted));
    };
    change(true).await;
    assert_eq!(said(), "on\n");
    let audit = owner.get("/api/v1/audit").await.expect(200).json();
    assert!(audit.to_string().contains("time.settings"), "{audit}");

    // What is in memory is gone after a restart of the machine, and said again.
    hub.stop().await;
    std::fs::remove_file(machine.path("run/internet-time")).unwrap();
    let hub = machine.start().await;
    let file = machine.path("run/internet-time");
    wait_for("it is said again", SOON, async || std::fs::read_to_string(&file).is_ok_and(|said| said == "on\n")).await;
    let owner = hub::owner(&machine.home).await;
    assert_eq!(owner.get(TIME).await.expect(200).json()["internet"], json!(true));
    hub.stop().await;
}
