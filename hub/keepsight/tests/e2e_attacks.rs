//! Attacks on a real hub's door: it stays responsive and small, and lets the attacker go. Those that need no real hub are in
//! `hub/api/tests/http`; all are named `attack_…`.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use base::{Clock, SystemClock};
use http::Method;
use serde_json::json;
use testkit::client::{Answer, Client, PASSWORD, raw};
use testkit::hub::{self, Home, HubProcess};
use testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
/// While it is attacked the hub answers somebody else within this, handshake included; the attacker takes one of two cores.
const RESPONSIVE: Duration = Duration::from_secs(2);
/// So much more memory an attack may cost.
const SMALL: u64 = 48 << 20;
/// Who attacks is another device than who lives here.
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 6, 6, 6);

struct Attacked {
    home: Home,
    hub: HubProcess,
    before: u64,
}

impl Attacked {
    async fn start() -> Attacked {
        let home = Home::new();
        let hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
        wait_for("it has a certificate", Duration::from_secs(20), async || home.data().join("root.pem").exists()).await;
        is_served(&home).await; // what the first request allocates is not the attack's
        let before = hub.size().rss;
        Attacked { home, hub, before }
    }
    async fn is_small(&self) {
        // Not at once: what the last wave took is given back a moment later.
        wait_for("the hub is small", Duration::from_secs(10), async || self.hub.size().rss < self.before + SMALL).await;
    }
    async fn end(self) {
        is_served(&self.home).await;
        self.is_small().await;
        self.hub.stop().await;
    }
}

/// A new connection of somebody else is answered in time.
async fn is_served(home: &Home) {
    let begun = SystemClock.mono();
    home.client().get("/healthz").await.expect(200);
    let took = SystemClock.mono().since(begun);
    assert!(took < RESPONSIVE, "it took {took:?}");
}

async fn sign_in(client: &Client, name: &str, password: &str) -> Answer {
    client.post("/api/v1/sessions", json!({"name": name, "password": password, "device": "x"})).await
}

#[tokio::test]
async fn e2e_attack_brute_force_of_a_password_gets_few_tries_and_locks_nobody_out() {
    let attacked = Attacked::start().await;
    let home = &attacked.home;
    hub::claim(Path::new(KEEPSIGHT), home).await;
    let attacker = Client::from(ATTACKER, home.port, &home.root_pem());
    for name in ["Olivia", "Nobody", "olivia "] {
        let mut refused = 0;
        for n in 0..30 {
            let answer = sign_in(&attacker, name, &format!("guess number {n}")).await;
            match answer.status {
                // An unknown name looks like a wrong password.
                401 => assert_eq!(answer.problem(), "wrong-password"),
                429 => {
                    let wait: u64 = answer.header("retry-after").parse().expect("seconds");
                    assert!((1..=15).contains(&wait), "{wait}");
                    refused += 1;
                }
                other => panic!("{other}"),
            }
        }
        assert!(refused >= 24, "{name}: {refused} of 30 were refused");
    }
    // The owner, from another device, meanwhile.
    assert_eq!(sign_in(&home.client(), "Olivia", PASSWORD).await.status, 201);
    // Many names at once, which cost half a second and 64 MiB each: they wait for each other, and others do not wait.
    let mut guesses = tokio::task::JoinSet::new();
    for n in 0..40 {
        let attacker = attacker.clone();
        guesses.spawn(async move { sign_in(&attacker, &format!("name {n}"), "a long wrong password").await.status });
    }
    is_served(home).await;
    let largest = attacked.hub.size().rss;
    assert!(largest < attacked.before + 2 * (64 << 20) + SMALL, "{largest}");
    while let Some(status) = guesses.join_next().await {
        assert!(matches!(status, Ok(401 | 429)), "{status:?}");
    }
    let log = std::fs::read_to_string(home.scratch("hub.log")).expect("the hub's log");
    assert!(!log.contains("guess number") && !log.contains(PASSWORD), "a password is in the log");
    attacked.end().await;
}

#[tokio::test]
async fn e2e_attack_brute_force_of_the_claim_token_gets_few_tries_and_locks_nobody_out() {
    let attacked = Attacked::start().await;
    let attacker = Client::from(ATTACKER, attacked.home.port, &attacked.home.root_pem());
    let mut statuses = Vec::new();
    for _ in 0..30 {
        let body = json!({"claim_token": "aaaaaaaaaaaaaaaaaaaaaaaaaa", "name": "Eve", "password": PASSWORD});
        statuses.push(attacker.post("/api/v1/claim", body).await.status);
    }
    assert!(statuses.iter().all(|s| matches!(s, 403 | 429)), "{statuses:?}");
    assert!(statuses.iter().filter(|s| **s == 403).count() <= 12, "{statuses:?}");
    hub::claim(Path::new(KEEPSIGHT), &attacked.home).await; // from another device
    attacked.hub.stop().await;
}

#[tokio::test]
async fn e2e_attack_session_fixation_a_session_is_always_a_new_one_of_the_hubs_own() {
    let attacked = Attacked::start().await;
    let home = &attacked.home;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), home).await;
    let planted = format!("__Host-keepsight={}", "A".repeat(43));
    let mut seen = vec![owner.cookie().expect("a cookie").to_owned(), planted.clone()];
    // What was planted before signing in is never what one is signed in by, be it made up or another session that is good.
    for before in seen.clone() {
        let victim = home.client().with_cookie(&before);
        let answer = sign_in(&victim, "Olivia", PASSWORD).await.expect(201);
        let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies.len(), 1);
        let cookie = cookies[0].to_str().expect("text");
        for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Strict"] {
            assert!(cookie.split("; ").any(|p| p == part), "{cookie}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
        let token = cookie.split(';').next().expect("a pair").to_owned();
        assert!(!seen.contains(&token), "a session was given twice");
        home.client().with_cookie(&token).get("/api/v1/sessions").await.expect(200);
        seen.push(token);
    }
    home.client().with_cookie(&planted).get("/api/v1/sessions").await.expect(401);
    // Two that differ are none: one of them was planted by another name's page.
    let both = format!("{planted}; {}", seen[2]);
    home.client().with_cookie(&both).get("/api/v1/sessions").await.expect(401);
    // Nor is a session taken from the address.
    let token = seen[2].trim_start_matches("__Host-keepsight=");
    home.client().get(&format!("/api/v1/sessions?__Host-keepsight={token}&token={token}")).await.expect(401);
    // Signed out is signed out: the same cookie is good for nothing any more.
    let last = home.client().with_cookie(&seen[3]);
    last.request(Method::DELETE, "/api/v1/sessions/current", None).await.expect(204);
    last.get("/api/v1/sessions").await.expect(401);
    attacked.hub.stop().await;
}

#[tokio::test]
async fn e2e_attack_path_traversal_no_address_leads_to_a_file() {
    let home = Home::new();
    let http = home.with_set_up_page();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let root = home.root_pem();
    let cookie = format!("cookie: {}\r\n", owner.cookie().expect("a cookie"));
    let data = home.data().display().to_string();
    let up = ["..", "%2e%2e", "%252e%252e", "..%2f..", "..%5c..", "....//", "..;", ".%00."];
    let targets = ["etc/passwd", "proc/self/environ", "hub.json", "secrets/hub-signing-key"];
    let mut paths: Vec<String> = Vec::new();
    for prefix in ["/", "/api/v1/", "/api/v1/cameras/", "/pictures/", "/app/"] {
        for up in up {
            for target in targets {
                paths.push(format!("{prefix}{}{target}", format!("{up}/").repeat(6)));
            }
        }
        paths.push(format!("{prefix}{data}/hub.json"));
        paths.push(format!("{prefix}file://{data}/hub.json"));
    }
    for path in &paths {
        for cookie in ["", &cookie] {
            let mut secure = raw(("127.0.0.1", home.port), "127.0.0.1", &root, &["http/1.1"]).await.expect("TLS");
            let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{cookie}connection: close\r\n\r\n");
            secure.write_all(request.as_bytes()).await.expect("it takes a request");
            leads_nowhere(path, &everything(&mut secure).await, &[400, 401, 404]);
        }
        let mut plain = TcpStream::connect(("127.0.0.1", http)).await.expect("the set-up page's port");
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
        plain.write_all(request.as_bytes()).await.expect("it takes a request");
        leads_nowhere(path, &everything(&mut plain).await, &[308, 400]);
    }
    process.stop().await;
}

fn leads_nowhere(path: &str, said: &str, statuses: &[u16]) {
    let status = said.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or_default();
    assert!(statuses.contains(&status), "{path}: {said}");
    let body = said.split_once("\r\n\r\n").map_or(said, |(_, body)| body);
    for content in ["root:", "PATH=", "\"hub\"", "PRIVATE KEY"] {
        assert!(!body.contains(content), "{path}: {said}");
    }
}

#[tokio::test]
async fn e2e_attack_header_injection_nothing_that_is_sent_or_named_becomes_a_header() {
    let home = Home::new();
    let http = home.with_set_up_page();
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    // Names that would end a header and begin another.
    for name in ["x\r\nset-cookie: a=b", "x\nset-cookie: a=b", "x\u{85}y", "\r\n\r\n<script>"] {
        let body = json!({"name": name, "main": {"url": "rtsp://127.0.0.1:1/x"}});
        let answer = owner.post("/api/v1/cameras", body).await.expect(422);
        assert_eq!(answer.problem(), "bad-name");
        let body = json!({"name": "Olivia", "password": PASSWORD, "device": name});
        let answer = home.client().post("/api/v1/sessions", body).await.expect(201);
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 1);
    }
    // Addresses that would: of the one answer that repeats them, the way to HTTPS.
    for path in ["/a%0d%0aset-cookie:%20a=b", "/a?b=%0aset-cookie:%20a=b", "//evil.example/%0d%0a", "/\\evil.example"] {
        let mut plain = TcpStream::connect(("127.0.0.1", http)).await.expect("the set-up page's port");
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        plain.write_all(request.as_bytes()).await.expect("it takes a request");
        let said = everything(&mut plain).await;
        assert!(!said.to_lowercase().contains("\nset-cookie"), "{path}: {said}");
        let to = said.lines().find_map(|line| line.strip_prefix("location: ")).expect("a location");
        assert!(to.starts_with(&format!("https://localhost:{}/", home.port)), "{path}: {to}");
    }
    for head in [
        "GET /a\rset-cookie:a=b HTTP/1.1\r\nhost: localhost",
        "GET / HTTP/1.1\r\nhost: localhost\rset-cookie: a=b",
        "GET /x HTTP/1.1\r\nhost: localhost\r\n x: folded",
        "POST /time HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked",
    ] {
        let mut plain = TcpStream::connect(("127.0.0.1", http)).await.expect("the set-up page's port");
        plain.write_all(format!("{head}\r\nconnection: close\r\n\r\n").as_bytes()).await.expect("it takes a request");
        let said = everything(&mut plain).await;
        assert!(!said.to_lowercase().contains("set-cookie"), "{head:?}: {said}");
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{head:?}: {said}");
    }
    process.stop().await;
}

#[tokio::test]
async fn e2e_attack_slowloris_by_the_hundreds_is_let_go_and_others_are_served() {
    let attacked = Attacked::start().await;
    let home = &attacked.home;
    let root = home.root_pem();
    let mut held = Vec::new();
    for n in 0..400_u32 {
        // Half of a handshake, of a head, of a body.
        let stream: Box<dyn Silent> = match n % 3 {
            0 => {
                let mut stream = TcpStream::connect(("127.0.0.1", home.port)).await.expect("a connection");
                stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.expect("it listens");
                Box::new(stream)
            }
            kind => {
                let connected = raw(("127.0.0.1", home.port), "127.0.0.1", &root, &["http/1.1"]).await;
                // The hub lets go of the attacker's oldest ones by now; which of them it was is its own choice.
                let Ok(mut stream) = connected else { continue };
                let half = match kind {
                    1 => "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ",
                    _ => {
                        "POST /api/v1/sessions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 60\r\n\r\n{\"name\":"
                    }
                };
                let _ = stream.write_all(half.as_bytes()).await;
                Box::new(stream)
            }
        };
        held.push(stream);
        if n % 50 == 0 {
            let friend = Client::from(Ipv4Addr::new(127, 0, 0, 9), home.port, &root);
            friend.get("/healthz").await.expect(200);
        }
    }
    attacked.is_small().await;
    // Each is told or cut within the longest limit, 15 s, however long it would stay.
    for stream in &mut held {
        assert!(stream.ends().await, "the hub still holds one");
    }
    attacked.end().await;
}

/// A connection that says nothing more.
trait Silent {
    fn ends(&mut self) -> std::pin::Pin<Box<dyn Future<Output = bool> + '_>>;
}

impl<S: AsyncReadExt + Unpin> Silent for S {
    fn ends(&mut self) -> std::pin::Pin<Box<dyn Future<Output = bool> + '_>> {
        Box::pin(async move {
            let end = async {
                let mut part = [0; 4096];
                while let Ok(1..) = self.read(&mut part).await {}
            };
            base::clock::timeout(&SystemClock, Duration::from_secs(25), end).await.is_some()
        })
    }
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// GET /healthz, in HPACK without its compression (RFC 7541).
fn head() -> Vec<u8> {
    let mut head = vec![0x82, 0x87]; // :method GET, :scheme https
    for (name, value) in [(4, "/healthz"), (1, "127.0.0.1")] {
        head.extend([name, value.len() as u8]);
        head.extend(value.as_bytes());
    }
    head
}

/// Sends wave after wave over one HTTP/2 connection until the hub has had enough, while somebody else is served. Gives back
/// how many waves it took, or `None` if it takes them all.
async fn flood(attacked: &Attacked, waves: u32, begin: Vec<u8>, wave: impl Fn(u32) -> Vec<u8>) -> Option<u32> {
    let root = attacked.home.root_pem();
    let stream = raw(("127.0.0.1", attacked.home.port), "127.0.0.1", &root, &["h2"]).await.expect("TLS");
    let (mut reads, mut writes) = tokio::io::split(stream);
    let ended = tokio::spawn(async move {
        let mut part = [0; 65_536];
        while let Ok(1..) = reads.read(&mut part).await {}
    });
    let settings = frame(SETTINGS, 0, 0, &[]);
    writes.write_all(&[PREFACE, &settings, &begin].concat()).await.expect("it listens");
    for n in 0..waves {
        if ended.is_finished() || writes.write_all(&wave(n)).await.is_err() || writes.flush().await.is_err() {
            return Some(n);
        }
        if n % 64 == 0 {
            is_served(&attacked.home).await;
        }
    }
    let limit = base::clock::timeout(&SystemClock, Duration::from_secs(5), ended).await;
    limit.map(|_| waves)
}

#[tokio::test]
async fn e2e_attack_http2_rapid_reset_is_let_go() {
    let attacked = Attacked::start().await;
    // CVE-2023-44487: requests that are taken back at once, so that the limit of streams is never reached.
    let wave = |n: u32| -> Vec<u8> {
        let requests = (0..500).map(|i| 2 * (500 * n + i) + 1);
        requests
            .flat_map(|stream| {
                [
                    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head()),
                    frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()),
                ]
                .concat()
            })
            .collect()
    };
    let taken = flood(&attacked, 1_000, Vec::new(), wave).await;
    assert!(taken.is_some_and(|waves| waves < 100), "half a million resets are taken: {taken:?}");
    attacked.end().await;
}

#[tokio::test]
async fn e2e_attack_http2_continuation_flood_is_let_go() {
    // CVE-2024-27316 and its kin: a head that never ends, in large pieces and in empty ones.
    let header = |n: u32| -> Vec<u8> {
        let mut header = vec![0x00, 6];
        header.extend(format!("x{:05}", n % 100_000).as_bytes());
        header.extend([100]);
        header.extend([b'a'; 100]);
        header
    };
    for pieces in [150, 1, 0] {
        let attacked = Attacked::start().await;
        let begin = frame(HEADERS, END_STREAM, 1, &head());
        let wave = |n: u32| -> Vec<u8> {
            let piece: Vec<u8> = (0..pieces).flat_map(|i| header(n * pieces + i)).collect();
            (0..20).flat_map(|_| frame(CONTINUATION, 0, 1, &piece)).collect()
        };
        let taken = flood(&attacked, 5_000, begin, wave).await;
        assert!(taken.is_some_and(|waves| waves < 100), "{pieces} headers in each: {taken:?}");
        attacked.end().await;
    }
}

#[tokio::test]
async fn e2e_attack_http2_a_head_that_unpacks_to_megabytes_is_refused() {
    let attacked = Attacked::start().await;
    // One header of 4,000 bytes is put into the table, and named 10,000 times in every request: 40 MB from 10 kB.
    let mut packed = head();
    packed.extend([0x40, 1, b'x', 0x7f, 0xa1, 0x1e]); // incremental indexing, "x", 4000 bytes
    packed.extend(vec![b'a'; 4_000]);
    packed.extend(vec![0xbe; 10_000]);
    let again = [head(), vec![0xbe; 14_000]].concat();
    let wave = |n: u32| -> Vec<u8> {
        let requests = (0..8).map(|i| 2 * (8 * n + i) + 1);
        let packed = if n == 0 { &packed } else { &again };
        requests
            .enumerate()
            .flat_map(|(i, stream)| {
                frame(HEADERS, END_HEADERS | END_STREAM, stream, if i == 0 { packed } else { &again })
            })
            .collect()
    };
    flood(&attacked, 500, Vec::new(), wave).await; // answered 431, or let go: both are fine
    attacked.end().await;
}

async fn everything(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = async {
        let mut part = [0; 8192];
        while let Ok(n @ 1..) = stream.read(&mut part).await {
            bytes.extend_from_slice(&part[..n]);
        }
    };
    base::clock::timeout(&SystemClock, Duration::from_secs(20), read).await.expect("the hub ends the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn every_attack_is_in_the_list() {
    let security = include_str!("../../../SECURITY.md");
    let here = [
        include_str!("e2e_attacks.rs"),
        include_str!("../../api/tests/http/server.rs"),
        include_str!("../../api/tests/http/dispatch.rs"),
    ];
    let tests = here.iter().flat_map(|file| file.split("async fn ").skip(1));
    let names = tests.filter_map(|rest| rest.split('(').next()).filter(|name| name.contains("attack_"));
    let mut found = 0;
    for name in names {
        // The first words say which attack: each has its line.
        assert!(
            security
                .split('`')
                .any(|word| !word.is_empty() && word.ends_with('…') && name.starts_with(word.trim_end_matches('…'))),
            "{name}"
        );
        found += 1;
    }
    assert!(found >= 15, "{found}");
}
