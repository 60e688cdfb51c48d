//! A client as a phone or a script is one: HTTP by reqwest, WebSockets by tungstenite, over TLS that trusts the hub's
//! root and nothing else.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use bytes::Bytes;
use futures::StreamExt;
use http::Method;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};

/// The demo's and the tests' password: four unrelated words.
pub const PASSWORD: &str = "copper lantern walrus tangent";

/// A connection over TLS for bytes of the test's own choosing, if the server shows a certificate of this root for this name.
pub async fn raw(
    address: (&str, u16),
    name: &str,
    root_pem: &str,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut tls = trusting(root_pem);
    tls.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name or an address");
    tokio_rustls::TlsConnector::from(Arc::new(tls)).connect(name, stream).await
}

fn trusting(root_pem: &str) -> rustls::ClientConfig {
    let root = CertificateDer::from_pem_slice(root_pem.as_bytes()).expect("the root is a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).expect("the root can be trusted");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// One person's browser.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    tls: Arc<rustls::ClientConfig>,
    base: String,
    cookie: Option<String>,
    token: Option<String>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: reqwest::header::HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// Events that a hub sends as they happen.
pub struct Listening {
    answer: reqwest::Response,
    /// What came and is not a whole event yet.
    text: String,
}

impl Listening {
    /// Status code.
    pub fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// The next event: its name and its data. `None`: it has ended.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let found = field("event: ").zip(field("data: "));
                self.text = rest.to_owned();
                if let Some((name, data)) = found {
                    return Some((name, serde_json::from_str(&data).expect("data is JSON")));
                }
            }
            let part = self.answer.chunk().await.ok().flatten()?;
            self.text.push_str(std::str::from_utf8(&part).expect("events are text"));
        }
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| {
            panic!("not JSON ({e}), status {}: {}", self.status, String::from_utf8_lossy(&self.body))
        })
    }
    /// The body, if the status is the expected one.
    ///
    /// # Panics
    /// If it is not.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }
    /// The problem document's code, such as `not-signed-in`.
    pub fn problem(&self) -> String {
        let json = self.json();
        let kind = json["type"].as_str().unwrap_or_default();
        kind.rsplit([':', '/']).next().unwrap_or_default().to_owned()
    }
    /// A header as text, empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

impl Client {
    /// A client of the hub at `https://127.0.0.1:port`, not signed in.
    ///
    /// # Panics
    /// If the certificate is none.
    pub fn new(port: u16, root_pem: &str) -> Client {
        Self::from(Ipv4Addr::LOCALHOST, port, root_pem)
    }

    /// The same from another of this machine's addresses, all of 127.0.0.0/8: to the hub it is another device.
    ///
    /// # Panics
    /// If the certificate is none.
    pub fn from(address: Ipv4Addr, port: u16, root_pem: &str) -> Client {
        let tls = trusting(root_pem);
        // As browsers: HTTP/2 for requests, HTTP/1.1 for WebSockets.
        let mut h2 = tls.clone();
        h2.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(h2)
            .local_address(IpAddr::V4(address))
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .expect("a client");
        Client { http, tls: Arc::new(tls), base: format!("https://127.0.0.1:{port}"), cookie: None, token: None }
    }

    /// The hub's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The session cookie, as it goes into the header.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    /// The same browser without its session.
    pub fn signed_out(&self) -> Client {
        Client { cookie: None, token: None, ..self.clone() }
    }

    /// A program that shows an API token, instead of a browser.
    pub fn with_token(&self, token: &str) -> Client {
        Client { cookie: None, token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same browser with another session cookie (`name=value`).
    pub fn with_cookie(&self, cookie: &str) -> Client {
        Client { cookie: Some(cookie.to_owned()), ..self.clone() }
    }

    /// Any request; changes carry the right Origin, as browsers do.
    ///
    /// # Panics
    /// If the hub does not answer.
    pub async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.prepare(method, path);
        self.send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// A request as this client makes it, not sent yet.
    pub fn prepare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if method != Method::GET {
            request = request.header("origin", &self.base);
        }
        request
    }

    /// Server-sent events (HTML, "Server-sent events"), for ten minutes at most.
    ///
    /// # Panics
    /// If the hub does not answer.
    pub async fn listen(&self, path: &str) -> Listening {
        let request = self.prepare(Method::GET, path).timeout(Duration::from_secs(600));
        let answer = request.send().await.unwrap_or_else(|e| panic!("the hub answers: {e:?}"));
        Listening { answer, text: String::new() }
    }

    /// Sends a request that the caller has made by hand.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap_or_else(|e| panic!("the hub answers: {e:?}"));
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = answer.bytes().await.unwrap_or_else(|e| panic!("the hub sends the whole body: {e:?}"));
        Answer { status, headers, body }
    }

    /// The HTTP client, for requests made by hand.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, None).await
    }

    /// POST with JSON.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.request(Method::POST, path, Some(body)).await
    }

    /// Claims the hub; this client is the owner's from then on. Gives back the recovery kit.
    ///
    /// # Panics
    /// If the hub refuses.
    pub async fn claim(&mut self, token: &str) -> Value {
        let body = json!({"claim_token": token, "name": "Olivia", "password": PASSWORD});
        let answer = self.post("/api/v1/claim", body).await;
        assert!(answer.status == 200 || answer.status == 201, "{}", String::from_utf8_lossy(&answer.body));
        self.keep_cookie(&answer);
        answer.json()["recovery_kit"].clone()
    }

    /// Signs in.
    ///
    /// # Panics
    /// If the hub refuses.
    pub async fn sign_in(&mut self, name: &str, password: &str) {
        let body = json!({"name": name, "password": password, "device": "test"});
        let answer = self.post("/api/v1/sessions", body).await;
        assert!(answer.status == 200 || answer.status == 201, "{}", String::from_utf8_lossy(&answer.body));
        self.keep_cookie(&answer);
    }

    /// Accepts an invitation; this client is the new person's from then on.
    ///
    /// # Panics
    /// If the hub refuses.
    pub async fn accept(&mut self, secret: &str) {
        let body = json!({"secret": secret, "password": PASSWORD, "device": "phone"});
        let answer = self.post("/api/v1/invitations/accept", body).await.expect(201);
        self.keep_cookie(&answer);
    }

    /// Adds a camera; gives back its id.
    ///
    /// # Panics
    /// If the hub refuses.
    pub async fn add_camera(&self, name: &str, url: &str) -> String {
        let answer = self.post("/api/v1/cameras", json!({"name": name, "main": {"url": url}})).await.expect(201);
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// One camera as the hub tells it.
    pub async fn camera(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/cameras/{id}")).await.expect(200).json()
    }

    /// Waits until footage of every one of these cameras reaches the disk.
    ///
    /// # Panics
    /// If it does not within `limit`.
    pub async fn wait_recording(&self, cameras: &[String], limit: Duration) {
        for id in cameras {
            crate::wait_for(&format!("camera {id} is recorded"), limit, async || {
                let camera = self.camera(id).await;
                camera["recording"] == true && !camera["last_fragment_at"].is_null()
            })
            .await;
        }
    }

    /// A camera's timeline of the last day.
    pub async fn timeline(&self, id: &str) -> Value {
        let (from, to) = last_day();
        self.get(&format!("/api/v1/cameras/{id}/timeline?from={from}&to={to}")).await.expect(200).json()
    }

    /// All segments of the last day: (start, end), in order.
    pub async fn segments(&self, id: &str) -> Vec<(Timestamp, Timestamp)> {
        let timeline = self.timeline(id).await;
        let time = |v: &Value| v.as_str().and_then(|t| t.parse().ok()).expect("a time");
        timeline["segments"].as_array().expect("a list").iter().map(|s| (time(&s["start"]), time(&s["end"]))).collect()
    }

    /// Footage as an MP4 file.
    pub async fn playback(&self, id: &str, from: Timestamp, to: Timestamp) -> Answer {
        self.get(&format!("/api/v1/cameras/{id}/playback.mp4?from={from}&to={to}")).await
    }

    /// Opens a WebSocket; the hub's answer where it refuses.
    pub async fn websocket(&self, path: &str) -> Result<Live, tungstenite::Error> {
        Ok(self.websocket_in_steps(path).await?.0)
    }

    /// The same, and how long it took to connect, to agree on keys, and to be answered.
    pub async fn websocket_in_steps(&self, path: &str) -> Result<(Live, [Duration; 3]), tungstenite::Error> {
        let mut request = format!("{}{path}", self.base.replace("https", "wss")).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("origin", self.base.parse().expect("an address is a header value"));
        if let Some(cookie) = &self.cookie {
            headers.insert("cookie", cookie.parse().expect("a cookie is a header value"));
        }
        if let Some(token) = &self.token {
            headers.insert("authorization", format!("Bearer {token}").parse().expect("a token is a header value"));
        }
        let address = self.base.trim_start_matches("https://");
        let began = SystemClock.mono();
        let tcp = TcpStream::connect(address).await?;
        let connected = SystemClock.mono();
        let name = ServerName::try_from("127.0.0.1").expect("an address is a server's name");
        let tls = tokio_rustls::TlsConnector::from(self.tls.clone()).connect(name, tcp).await?;
        let agreed = SystemClock.mono();
        let (socket, _) = tokio_tungstenite::client_async(request, tls).await?;
        let steps = [connected.since(began), agreed.since(connected), SystemClock.mono().since(agreed)];
        Ok((Live { socket }, steps))
    }

    fn keep_cookie(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default();
        assert!(cookie.starts_with("__Host-keepsight="), "a session cookie");
        self.cookie = Some(cookie.to_owned());
    }
}

/// From a day ago to an hour from now: all that a test has recorded.
fn last_day() -> (Timestamp, Timestamp) {
    let now = SystemClock.wall();
    let add = |hours: i64| now + jiff::SignedDuration::from_hours(hours);
    (add(-23), add(1))
}

/// A live view.
pub struct Live {
    socket: tokio_tungstenite::WebSocketStream<tokio_rustls::client::TlsStream<TcpStream>>,
}

impl Live {
    /// The next text or binary message; `None` when the hub has closed.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            match self.socket.next().await? {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => return Some(message),
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// What comes first: the text, the init segment, and so many fragments.
    pub async fn collect(&mut self, fragments: usize) -> (Value, Vec<u8>, Vec<Vec<u8>>) {
        let Some(Message::Text(first)) = self.next().await else { panic!("a live view begins with text") };
        let mut binary = Vec::new();
        for _ in 0..=fragments {
            match self.next().await {
                Some(Message::Binary(bytes)) => binary.push(bytes.to_vec()),
                other => panic!("then come init segment and fragments, not {other:?}"),
            }
        }
        let init = binary.remove(0);
        (serde_json::from_str(&first).expect("the text is JSON"), init, binary)
    }
}
