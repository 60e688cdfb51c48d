//! A hub without cameras: a few routes of every kind, served over real sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::server::{Limits, Options, Server};
use api::{
    Access, ApiError, Caller, Credentials, Hub, Peer, Request, Response, Right, Rights, Route, Standing, Table, listen,
    plain::Plain, reply,
};
use base::{CameraId, Clock, HubId, ProblemKind, SharedClock, Shutdown, SimClock, SystemClock, Timestamp};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tls::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::client::TlsStream;
use utoipa::ToSchema;
use warp::Reply;

/// Nobody signs in with other secrets than these.
pub const SECRETS: [&str; 3] = ["owner", "member", "token"];

/// What a request must say to be let through by the session's cookie.
pub const COOKIE: &str = "cookie: __Host-keepsight=owner";

#[derive(Clone)]
pub struct FakeHub(Arc<Inner>);

pub struct Inner {
    pub clock: SharedClock,
    pub authority: Authority,
    /// A camera that the member may look live at, and nothing else.
    pub granted: CameraId,
    /// A camera that only the owner knows.
    pub hidden: CameraId,
    /// `/api/v1/slow` answers when there is a permit.
    pub slow: Semaphore,
    /// How often it was asked.
    pub waiting: AtomicUsize,
    pub shutdown: Shutdown,
    /// What the set-up page was told.
    pub told: Mutex<Option<Timestamp>>,
}

impl std::ops::Deref for FakeHub {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Hub for FakeHub {
    type Session = Standing;

    fn clock(&self) -> &SharedClock {
        &self.0.clock
    }
    fn knows_host(&self, host: &str) -> bool {
        self.authority.names().contains(host)
    }
    async fn wants_time(&self) -> bool {
        self.told.lock().unwrap().is_none()
    }
    async fn take_time(&self, time: Timestamp, _: Peer) -> Result<(), ApiError> {
        match self.told.lock().unwrap().replace(time) {
            Some(_) => Err(ProblemKind::AlreadyClaimed.into()),
            None => Ok(()),
        }
    }
    async fn authenticate(&self, credentials: &Credentials, _: Peer) -> Result<Option<Standing>, ApiError> {
        Ok(match credentials.secret.as_str() {
            "owner" => Some(Standing::Owner),
            "member" => Some(Standing::Member),
            "token" => Some(Standing::Token),
            "broken" => return Err(ApiError::internal("the store is on fire")),
            _ => None,
        })
    }
    fn standing(&self, session: &Standing) -> Standing {
        *session
    }
    async fn rights(&self, session: &Standing, camera: CameraId) -> Result<Option<Rights>, ApiError> {
        Ok(match session {
            Standing::Owner if camera == self.granted || camera == self.hidden => Some(Rights::ALL),
            Standing::Member if camera == self.granted => Some(Rights { live: true, ..Rights::default() }),
            _ => None,
        })
    }
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Thing {
    /// What it is called.
    name: String,
}

fn routes() -> Vec<Route<FakeHub>> {
    vec![
        Route::post("/api/v1/open", Access::Open, "Takes anything from anybody.", keep)
            .takes::<Thing>()
            .body_bytes(1000),
        Route::get("/api/v1/things", Access::Session, "Lists things.", list)
            .answers_list::<Thing>("The things.")
            .local(),
        Route::post("/api/v1/things", Access::Owner, "Keeps a thing.", keep)
            .takes::<Thing>()
            .body_bytes(1000)
            .answers::<Thing>(201, "The thing."),
        Route::delete("/api/v1/things/{id}", Access::Session, "Drops a thing.", async |_, _| Ok(reply::no_content())),
        Route::get("/api/v1/cameras/{id}", Access::Camera(Right::Any), "Shows a camera.", show).local(),
        Route::post("/api/v1/cameras/probe", Access::Owner, "Tries a camera.", async |_, _| Ok(reply::json(&"probed"))),
        Route::get("/api/v1/cameras/{id}/playback", Access::Camera(Right::Playback), "Plays.", show)
            .query("from", true, "When."),
        Route::get("/api/v1/cameras/{id}/live", Access::Camera(Right::Live), "Echoes.", echo).websocket(),
        Route::get("/api/v1/slow", Access::Session, "Takes its time.", slow),
        Route::get("/api/v1/panic", Access::Session, "Panics.", async |_, _| panic!("as it was told")),
        Route::get("/api/v1/big", Access::Session, "Sends without end.", big),
        Route::get("/metrics", Access::OwnerOrToken, "Figures.", async |_, _| Ok(reply::bytes("text/plain", "1"))),
    ]
}

async fn list(_: FakeHub, request: Request<FakeHub>) -> Result<Response, ApiError> {
    let who = match request.caller {
        Caller::Nobody => "nobody",
        Caller::Signed(_) => "signed",
        Caller::Local => "local",
    };
    let secrets = request.headers.contains_key("cookie") || request.headers.contains_key("authorization");
    assert!(!secrets, "a handler was given a secret");
    Ok(reply::json(&[Thing { name: who.into() }]))
}

async fn keep(_: FakeHub, request: Request<FakeHub>) -> Result<Response, ApiError> {
    Ok(reply::json_with(http::StatusCode::CREATED, &request.json::<Thing>()?))
}

async fn show(hub: FakeHub, request: Request<FakeHub>) -> Result<Response, ApiError> {
    let id: CameraId = request.id("id")?;
    if id != hub.granted && id != hub.hidden {
        return Err(ProblemKind::NotFound.into());
    }
    let from = request.query.value::<u32>("from")?;
    Ok(reply::json(&(id, from, request.query.text("name"))))
}

async fn echo(hub: FakeHub, request: Request<FakeHub>) -> Result<Response, ApiError> {
    let upgrade = request.upgrade.ok_or(ProblemKind::UpgradeRequired)?;
    let talk = async move |mut socket: warp::ws::WebSocket| loop {
        tokio::select! {
            () = hub.shutdown.wait() => return,
            message = socket.next() => match message {
                Some(Ok(message)) if message.is_text() => drop(socket.send(message).await),
                Some(Ok(_)) => {}
                _ => return,
            },
        }
    };
    Ok(upgrade.on_upgrade(talk).into_response())
}

async fn slow(hub: FakeHub, _: Request<FakeHub>) -> Result<Response, ApiError> {
    hub.waiting.fetch_add(1, Ordering::Relaxed);
    let _permit = hub.slow.acquire().await.map_err(ApiError::internal)?;
    Ok(reply::json(&"at last"))
}

async fn big(_: FakeHub, _: Request<FakeHub>) -> Result<Response, ApiError> {
    let parts = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 64 * 1024])));
    Ok(reply::stream("video/mp4", http::HeaderMap::new(), parts))
}

pub struct Running {
    pub hub: FakeHub,
    pub server: Server,
    pub table: Arc<Table<FakeHub>>,
    pub https: SocketAddr,
    pub http: SocketAddr,
    pub dir: tempfile::TempDir,
}

/// A hub on free ports, in real time.
pub fn start() -> Running {
    start_with(Limits::default(), Arc::new(SystemClock))
}

/// A hub whose time passes by hand.
pub fn start_simulated() -> (Running, SimClock) {
    let clock = SimClock::default();
    (start_with(Limits::default(), Arc::new(clock.clone())), clock)
}

pub fn start_with(limits: Limits, clock: SharedClock) -> Running {
    let dir = tempfile::tempdir().unwrap();
    let authority = Authority::open_or_create(dir.path(), HubId::new(&*clock), Arc::clone(&clock), &[]).unwrap();
    let bind = || listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let (https, http) = (bind(), bind());
    let addresses = (https.local_addr().unwrap(), http.local_addr().unwrap());
    let plain = Plain::new(&authority, addresses.0.port());
    let (tls, granted, hidden) = (authority.server_config().unwrap(), CameraId::new(&*clock), CameraId::new(&*clock));
    let (slow, shutdown) = (Semaphore::new(0), Shutdown::new());
    let hub = FakeHub(Arc::new(Inner {
        clock,
        authority,
        granted,
        hidden,
        slow,
        waiting: AtomicUsize::new(0),
        shutdown,
        told: Mutex::default(),
    }));
    let table = Arc::new(Table::new(routes()));
    let server = Server::start(Options {
        hub: hub.clone(),
        table: Arc::clone(&table),
        tls,
        https: vec![https],
        http: vec![http],
        plain,
        local: Some(listen::local(&dir.path().join("hub.sock")).unwrap()),
        limits,
    });
    Running { hub, server, table, https: addresses.0, http: addresses.1, dir }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
    /// The code of the problem document that this is.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document["status"], self.status, "{document}");
        assert!(!document["remedy"].as_str().unwrap().is_empty(), "{document}");
        document["code"].as_str().unwrap().to_owned()
    }
}

impl Running {
    pub async fn connect(&self) -> TlsStream<TcpStream> {
        self.try_connect(&["http/1.1"]).await.unwrap()
    }
    pub async fn try_connect(&self, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        let (root, clock) = (self.hub.authority.root_pem(), Arc::clone(&self.hub.0.clock));
        let client = tls::client_config(root, clock, alpn).unwrap();
        let stream = TcpStream::connect(self.https).await?;
        let name = "127.0.0.1".try_into().unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, stream).await
    }
    /// Sends a request over a connection of its own: first line without version, headers, body.
    pub async fn send(&self, request: &str, headers: &[&str], body: &str) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(self.request(request, headers, body).as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    }
    /// The text of a request that closes its connection. Without a host of its own it gets the right one.
    pub fn request(&self, request: &str, headers: &[&str], body: &str) -> String {
        let mut lines = vec![format!("{request} HTTP/1.1")];
        if !headers.iter().any(|header| header.to_ascii_lowercase().starts_with("host:")) {
            lines.push(format!("host: {}", self.https));
        }
        lines.extend(headers.iter().map(|header| (*header).to_owned()));
        if !body.is_empty()
            && !headers.iter().any(|h| h.starts_with("transfer-encoding") || h.starts_with("content-length"))
        {
            lines.push(format!("content-length: {}", body.len()));
        }
        if !headers.iter().any(|header| header.starts_with("connection:")) {
            lines.push("connection: close".into());
        }
        format!("{}\r\n\r\n{body}", lines.join("\r\n"))
    }
    /// The hub's own page's origin.
    pub fn origin(&self) -> String {
        format!("origin: https://{}", self.https)
    }
}

pub async fn read_answer(stream: &mut (impl AsyncReadExt + Unpin)) -> Answer {
    Answer::parse(&read_to_end(stream).await)
}

/// What comes until the other side closes, however it does that.
pub async fn read_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = async {
        let mut part = [0; 8192];
        while let Ok(n @ 1..) = stream.read(&mut part).await {
            bytes.extend_from_slice(&part[..n]);
        }
    };
    let clock = SystemClock;
    base::clock::timeout(&clock, Duration::from_secs(20), read).await.expect("the other side closes");
    bytes
}

/// Waits for something that will be so.
pub async fn until(what: &str, so: impl Fn() -> bool) {
    let clock = SystemClock;
    let end = clock.mono() + Duration::from_secs(20);
    while !so() {
        assert!(clock.mono() < end, "it never came about that {what}");
        clock.sleep(Duration::from_millis(5)).await;
    }
}
