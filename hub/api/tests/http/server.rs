//! The accept loop against clients of every kind: slow, idle, oversized, broken, many, and good ones beside them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::server::Limits;
use base::SystemClock;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::fake::{Answer, COOKIE, Running, read_answer, read_to_end, start, start_simulated, start_with, until};

const OWNER: &str = "authorization: Bearer owner";

fn started(limits: Limits) -> Running {
    start_with(limits, Arc::new(SystemClock))
}

async fn is_served(hub: &Running) {
    assert_eq!(hub.send("GET /healthz", &[], "").await.body, "ok\n");
}

#[tokio::test]
async fn http2_serves_several_requests_over_one_connection() {
    let hub = start();
    let stream = hub.try_connect(&["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let get = |path: &str| {
        let request =
            http::Request::get(format!("https://{}{path}", hub.https)).header("authorization", "Bearer owner");
        let answer = sender.clone().send_request(request.body(Empty::<bytes::Bytes>::new()).unwrap());
        async {
            let answer = answer.await.unwrap();
            (answer.status().as_u16(), answer.into_body().collect().await.unwrap().to_bytes())
        }
    };
    let slow = tokio::spawn(get("/api/v1/slow"));
    assert_eq!(get("/api/v1/things").await.0, 200); // a slow answer does not hold up the others
    assert_eq!(get("/api/v1/nothing").await.0, 404);
    hub.hub.slow.add_permits(1);
    assert_eq!(slow.await.unwrap(), (200, "\"at last\"".into()));
    assert_eq!(hub.server.connections(), 1);
}

#[tokio::test]
async fn attack_cross_origin_websocket_one_talks_once_session_right_and_origin_are_good() {
    let hub = start();
    let live = format!("GET /api/v1/cameras/{}/live", hub.hub.granted);
    let upgrade = [
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    let own = hub.origin();
    for (headers, refusal) in [
        (&[][..], "not-signed-in"),
        (&[COOKIE], "foreign-origin"),
        (&[COOKIE, "origin: https://evil.example"], "foreign-origin"),
        (&["authorization: Bearer token"], "not-found"),
    ] {
        let mut stream = hub.connect().await;
        let request = hub.request(&live, &[&upgrade[..], headers].concat(), "");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = vec![0; 4096];
        let n = stream.read(&mut head).await.unwrap();
        assert_eq!(Answer::parse(&head[..n]).problem(), refusal);
    }
    // Without the upgrade it says what it is.
    let answer = hub.send(&live, &[OWNER], "").await;
    assert_eq!((answer.problem().as_str(), answer.header("upgrade")), ("upgrade-required", Some("websocket")));

    until("the refused connections are gone", || hub.server.connections() == 0).await;
    let mut stream = hub.connect().await;
    let request = hub.request(&live, &[&upgrade[..], &[COOKIE, &own]].concat(), "");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 4096];
    let n = stream.read(&mut head).await.unwrap();
    let head = Answer::parse(&head[..n]);
    assert_eq!((head.status, head.header("sec-websocket-accept")), (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap(); // text "hi", masked with zeros
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(echo, [0x81, 2, b'h', b'i']);
    // It still counts as a connection, and goes when the hub says that it is stopping.
    assert_eq!(hub.server.connections(), 1);
    hub.hub.shutdown.trigger();
    hub.server.stop(Duration::from_secs(20)).await;
    assert!(read_to_end(&mut stream).await.is_empty());
}

#[tokio::test]
async fn the_hubs_own_socket_serves_what_is_meant_for_it_and_nothing_else() {
    let hub = start();
    let send = async |request: &str| {
        let mut stream = UnixStream::connect(hub.dir.path().join("hub.sock")).await.unwrap();
        let text = hub.request(request, &["host: anything", "authorization: Bearer stranger"], "");
        stream.write_all(text.as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    };
    assert_eq!(send("GET /api/v1/things").await.body, r#"[{"name":"local"}]"#);
    assert_eq!(send(&format!("GET /api/v1/cameras/{}", hub.hub.hidden)).await.status, 200);
    for request in [
        "GET /",
        "POST /api/v1/open",
        "GET /metrics",
        &format!("GET /api/v1/cameras/{}/playback", hub.hub.granted),
        &format!("GET /api/v1/cameras/{}/live", hub.hub.granted),
    ] {
        assert_eq!(send(request).await.problem(), "not-found", "{request}");
    }
    assert_eq!(send("POST /api/v1/things").await.problem(), "method-not-allowed");
}

#[tokio::test]
async fn the_plain_port_hands_out_the_certificate_and_shows_the_way() {
    let hub = start();
    let send = async |request: &str, host: &str| {
        let mut stream = TcpStream::connect(hub.http).await.unwrap();
        stream.write_all(hub.request(request, &[&format!("host: {host}")], "").as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    };
    let authority = &hub.hub.authority;
    let page = send("GET /", "127.0.0.1").await;
    for said in [&authority.fingerprint_sha256(), &authority.names().dns[0]] {
        assert!(page.body.contains(said), "{said}");
    }
    for word in authority.fingerprint_words() {
        assert!(page.body.contains(&format!("<li>{word}</li>")), "{word}");
    }
    let ca = send("GET /ca.pem", "anything").await;
    assert_eq!(
        (ca.body.as_str(), ca.header("content-type")),
        (authority.root_pem(), Some("application/x-x509-ca-cert"))
    );
    let profile = send("GET /ca.mobileconfig", "anything").await;
    assert_eq!(profile.header("content-type"), Some("application/x-apple-aspen-config"));
    assert_eq!(profile.body, authority.ios_profile());
    let (port, own) = (hub.https.port(), authority.names().dns[0].clone());
    for (host, to) in
        [("127.0.0.1:80", "127.0.0.1"), ("[::1]", "[::1]"), ("LOCALHOST", "localhost"), ("evil.example", own.as_str())]
    {
        let answer = send("GET /api/v1/cameras?x=1", host).await;
        let to = format!("https://{to}:{port}/api/v1/cameras?x=1");
        assert_eq!((answer.status, answer.header("location")), (308, Some(to.as_str())), "{host}");
    }
    // The page's own link leads to the hub's page.
    assert!(page.body.contains("href=\"/open\""));
    let answer = send("GET /open", "localhost").await;
    assert_eq!(answer.header("location"), Some(format!("https://localhost:{port}/").as_str()));
    assert_eq!(send("POST /api/v1/claim", "127.0.0.1").await.status, 405);
    // All that the page names is there, from this port.
    for name in page.body.split("=\"/").skip(1).map(|rest| rest.split('"').next().unwrap()).filter(|n| *n != "open") {
        let file = send(&format!("GET /{name}"), "127.0.0.1").await;
        assert_eq!((file.status, file.header("x-content-type-options")), (200, Some("nosniff")), "{name}");
    }
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn the_set_up_page_takes_a_phones_time_while_it_is_wanted_and_from_nobody_elses_page() {
    let hub = start();
    let page = async || {
        let mut stream = TcpStream::connect(hub.http).await.unwrap();
        stream.write_all(hub.request("GET /", &["host: localhost"], "").as_bytes()).await.unwrap();
        read_answer(&mut stream).await.body
    };
    let tell = async |headers: &[&str], body: &str| {
        let mut stream = TcpStream::connect(hub.http).await.unwrap();
        stream.write_all(hub.request("POST /time", headers, body).as_bytes()).await.unwrap();
        read_answer(&mut stream).await
    };
    assert!(page().await.contains("<script src=\"/setup.js\""));
    let (host, json, time) =
        ("host: localhost", "content-type: application/json", r#"{"time":"2026-05-01T12:00:00Z"}"#);
    let long = format!(r#"{{"time":"{}"}}"#, "2".repeat(300));
    for (headers, body, code) in [
        (&["host: evil.example", json][..], time, "wrong-host"),
        (&[host, json, "origin: http://evil.example"], time, "foreign-origin"),
        (&[host, json, "origin: null"], time, "foreign-origin"),
        (&[host, json, "origin: https://localhost"], time, "foreign-origin"),
        (&[host, "content-type: text/plain"], time, "unsupported-media-type"),
        (&[host], time, "unsupported-media-type"),
        (&[host, json], "{}", "bad-body"),
        (&[host, json], r#"{"time":"noon"}"#, "bad-body"),
        (&[host, json], &long, "bad-body"),
    ] {
        assert_eq!(tell(headers, body).await.problem(), code, "{headers:?} {body}");
    }
    assert!(hub.hub.told.lock().unwrap().is_none());
    assert_eq!(tell(&[host, json, "origin: http://localhost"], time).await.status, 204);
    assert_eq!(*hub.hub.told.lock().unwrap(), Some("2026-05-01T12:00:00Z".parse().unwrap()));
    assert_eq!(tell(&[host, json], time).await.problem(), "already-claimed");
    assert!(!page().await.contains("<script"));
}

#[tokio::test]
async fn a_renewed_certificate_cuts_no_connection() {
    let (hub, clock) = start_simulated();
    let certificate = |stream: &tokio_rustls::client::TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let mut kept = hub.connect().await;
    let before = certificate(&kept);
    // A request is under way, as idle connections end by themselves in the months that pass now.
    kept.write_all(hub.request("GET /api/v1/slow", &[OWNER], "").as_bytes()).await.unwrap();
    until("the request is under way", || hub.hub.waiting.load(Ordering::Relaxed) == 1).await;
    assert!(!hub.hub.authority.renew_if_due(&[]).unwrap());
    clock.advance(Duration::from_secs(265 * 24 * 3600));
    assert!(hub.hub.authority.renew_if_due(&[]).unwrap());
    assert_ne!(certificate(&hub.connect().await), before, "a new connection gets the new one");
    hub.hub.slow.add_permits(1);
    assert_eq!(read_answer(&mut kept).await.body, "\"at last\"");
}

#[tokio::test]
async fn attack_idle_connections_a_thousand_starve_nobody() {
    raise_file_limit();
    let hub = start();
    let mut busy = hub.connect().await;
    busy.write_all(hub.request("GET /api/v1/slow", &[OWNER], "").as_bytes()).await.unwrap();
    until("the request is under way", || hub.hub.waiting.load(Ordering::Relaxed) == 1).await;
    let mut idle = Vec::new();
    for i in 0..1000 {
        // Some say nothing at all, some finish the handshake, some begin a request.
        let stream: Box<dyn std::any::Any> = match i % 10 {
            0 => {
                let mut stream = hub.connect().await;
                stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
                Box::new(stream)
            }
            1 => Box::new(hub.connect().await),
            _ => Box::new(TcpStream::connect(hub.https).await.unwrap()),
        };
        idle.push(stream);
        assert!(hub.server.connections() <= Limits::default().per_network);
    }
    is_served(&hub).await;
    // The one with a request under way was there before all of them, and gets its answer.
    hub.hub.slow.add_permits(1);
    assert_eq!(read_answer(&mut busy).await.body, "\"at last\"");
    is_served(&hub).await;
}

#[tokio::test]
async fn with_room_for_them_a_thousand_idle_connections_stay_and_others_are_served() {
    raise_file_limit();
    let hub = started(Limits { per_network: 1024, ..Limits::default() });
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(hub.connect().await);
    }
    is_served(&hub).await;
    assert!(hub.server.connections() >= 1000);
    // And each of them can still ask.
    for stream in idle.iter_mut().step_by(100) {
        stream.write_all(hub.request("GET /healthz", &[], "").as_bytes()).await.unwrap();
        assert_eq!(read_answer(stream).await.status, 200);
    }
}

#[tokio::test]
async fn attack_slowloris_who_does_not_finish_the_handshake_is_let_go() {
    let hub = started(Limits { handshake: Duration::from_millis(200), ..Limits::default() });
    let mut silent = TcpStream::connect(hub.https).await.unwrap();
    assert!(read_to_end(&mut silent).await.is_empty());
    // Neither does nonsense hold a connection, nor plain HTTP on the wrong port.
    let mut wrong = TcpStream::connect(hub.https).await.unwrap();
    wrong.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_to_end(&mut wrong).await;
    is_served(&hub).await;
    until("both are gone", || hub.server.connections() == 0).await;
}

#[tokio::test]
async fn attack_slowloris_who_does_not_finish_the_head_of_a_request_is_let_go() {
    let hub = started(Limits { header: Duration::from_millis(200), ..Limits::default() });
    for begun in ["", "GET / HTT", "GET / HTTP/1.1\r\nhost: localhost\r\n"] {
        let mut slow = hub.connect().await;
        slow.write_all(begun.as_bytes()).await.unwrap();
        let said = String::from_utf8(read_to_end(&mut slow).await).unwrap();
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    // The same on the plain port and on the hub's own socket.
    let mut plain = TcpStream::connect(hub.http).await.unwrap();
    plain.write_all(b"GET").await.unwrap();
    read_to_end(&mut plain).await;
    let mut local = UnixStream::connect(hub.dir.path().join("hub.sock")).await.unwrap();
    local.write_all(b"GET").await.unwrap();
    read_to_end(&mut local).await;
    is_served(&hub).await;
}

#[tokio::test]
async fn attack_slowloris_who_does_not_finish_a_body_is_told_and_let_go() {
    let (hub, clock) = start_simulated();
    let mut slow = hub.connect().await;
    until("the handshake is over, and only who looks for idle connections sleeps", || clock.sleepers() == 1).await;
    let head = hub.request("POST /api/v1/open", &["content-type: application/json", "content-length: 100"], "");
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(b"{\"name\":").await.unwrap();
    until("the hub waits for the body", || clock.sleepers() == 2).await;
    clock.advance(api::dispatch::BODY_TIMEOUT);
    let answer = read_answer(&mut slow).await;
    assert_eq!((answer.status, answer.problem().as_str()), (408, "request-timeout"));
    // A body that is cut off is not taken for a whole one.
    let mut cut = hub.connect().await;
    cut.write_all(head.as_bytes()).await.unwrap();
    cut.shutdown().await.unwrap();
    let said = String::from_utf8(read_to_end(&mut cut).await).unwrap();
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400"), "{said}");
    is_served(&hub).await;
}

#[tokio::test]
async fn who_asks_for_nothing_is_let_go_after_a_while() {
    let (hub, clock) = start_simulated();
    let stream = hub.try_connect(&["h2"]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::get(format!("https://{}/healthz", hub.https)).body(Empty::<bytes::Bytes>::new());
    let answer = sender.send_request(request.unwrap()).await.unwrap();
    answer.into_body().collect().await.unwrap();
    assert_eq!(hub.server.connections(), 1);
    let idle = Limits::default().idle;
    for _ in 0..10 {
        until("the server sleeps", || clock.sleepers() > 0 || hub.server.connections() == 0).await;
        clock.advance(idle / 8);
    }
    until("it is gone", || hub.server.connections() == 0).await;
    let _ = connection.await.unwrap();
    is_served(&hub).await;
}

#[tokio::test]
async fn attack_slowloris_who_does_not_finish_a_head_over_http2_is_let_go_though_it_answers_pings() {
    let (hub, clock) = start_simulated();
    let stream = hub.try_connect(&["h2"]).await.unwrap();
    let (mut reads, mut writes) = tokio::io::split(stream);
    // The preface, settings, and a head without its end (RFC 9113 §3.4, §6.2): :method GET.
    writes.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    writes.write_all(b"\0\0\x01\x01\x01\0\0\0\x01\x82").await.unwrap();
    let ended = tokio::spawn(async move { while let Ok(1..) = reads.read(&mut [0; 1024]).await {} });
    until("it is connected", || hub.server.connections() == 1).await;
    for _ in 0..10 {
        until("the server sleeps", || clock.sleepers() > 0 || hub.server.connections() == 0).await;
        clock.advance(Limits::default().idle / 8);
    }
    until("it is gone", || hub.server.connections() == 0).await;
    ended.await.unwrap();
    drop(writes);
    is_served(&hub).await;
}

#[tokio::test]
async fn attack_deaf_readers_cost_little_and_can_be_replaced() {
    let limits = Limits { per_network: 2, stalled: Duration::from_millis(200), ..Limits::default() };
    let hub = started(limits);
    // Two that ask for an endless answer and read nothing of it fill the network's places.
    let mut deaf = Vec::new();
    for _ in 0..2 {
        let mut stream = hub.connect().await;
        stream.write_all(hub.request("GET /api/v1/big", &[OWNER], "").as_bytes()).await.unwrap();
        deaf.push(stream);
    }
    let clock = SystemClock;
    let served = async {
        loop {
            // While they still take something in they keep their places; then one makes room.
            if let Ok(mut stream) = hub.try_connect(&["http/1.1"]).await {
                stream.write_all(hub.request("GET /healthz", &[], "").as_bytes()).await.unwrap();
                return read_answer(&mut stream).await.status;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(base::clock::timeout(&clock, Duration::from_secs(20), served).await, Some(200));
}

#[tokio::test]
async fn attack_oversized_heads_are_refused() {
    let hub = start();
    let long = "x".repeat(40_000);
    let many: Vec<String> = (0..200).map(|i| format!("x-{i}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let header = format!("x-long: {long}");
    for (request, headers) in [
        (format!("GET /{long}"), &[][..]),
        ("GET /healthz".into(), &[header.as_str()]),
        ("GET /healthz".into(), &many[..]),
    ] {
        let mut stream = hub.connect().await;
        // The refusal may come before all of it is written.
        let _ = stream.write_all(hub.request(&request, headers, "").as_bytes()).await;
        let answer = read_answer(&mut stream).await;
        assert!(matches!(answer.status, 400 | 414 | 431), "{answer:?}");
    }
    is_served(&hub).await;
}

#[tokio::test]
async fn attack_nonsense_is_refused_and_harms_nobody() {
    let hub = start();
    let host = format!("host: {}\r\n", hub.https);
    for bytes in [
        "\r\n\r\n\r\n\r\n".to_owned(),
        "\u{0}\u{1}\u{2}\r\n\r\n".into(),
        "GET\r\n\r\n".into(),
        format!("GET / HTTP/9.9\r\n{host}\r\n"),
        format!("GE T / HTTP/1.1\r\n{host}\r\n"),
        format!("GET / HTTP/1.1\r\n{host}bad header\r\n\r\n"),
        format!("POST /api/v1/open HTTP/1.1\r\n{host}content-length: -1\r\n\r\n"),
        format!("POST /api/v1/open HTTP/1.1\r\n{host}content-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        format!(
            "POST /api/v1/open HTTP/1.1\r\n{host}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
        ),
    ] {
        let mut stream = hub.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let _ = stream.shutdown().await;
        let said = read_to_end(&mut stream).await;
        if !said.is_empty() {
            let answer = Answer::parse(&said);
            assert!((400..500).contains(&answer.status), "{bytes:?}: {answer:?}");
        }
    }
    // HTTP/2 was agreed on and something else is spoken.
    let mut stream = hub.try_connect(&["h2"]).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_to_end(&mut stream).await;
    is_served(&hub).await;
}

#[tokio::test]
async fn a_stop_lets_answers_under_way_finish_and_takes_nothing_new() {
    let hub = start();
    let idle = hub.connect().await;
    let mut under_way = hub.connect().await;
    under_way.write_all(hub.request("GET /api/v1/slow", &[OWNER], "").as_bytes()).await.unwrap();
    let (https, fake) = (hub.https, hub.hub.clone());
    until("the request is under way", || fake.waiting.load(Ordering::Relaxed) == 1).await;
    let stopping = tokio::spawn(hub.server.stop(Duration::from_secs(20)));
    let mut idle = idle;
    assert!(read_to_end(&mut idle).await.is_empty()); // closed at once
    assert!(!stopping.is_finished());
    fake.slow.add_permits(1);
    assert_eq!(read_answer(&mut under_way).await.body, "\"at last\"");
    stopping.await.unwrap();
    assert!(TcpStream::connect(https).await.is_err());
}

#[tokio::test]
async fn a_stop_does_not_wait_for_ever() {
    let hub = start();
    let mut stuck = hub.connect().await;
    stuck.write_all(hub.request("GET /api/v1/slow", &[OWNER], "").as_bytes()).await.unwrap();
    until("the request is under way", || hub.hub.waiting.load(Ordering::Relaxed) == 1).await;
    hub.server.stop(Duration::from_millis(200)).await;
    assert!(read_to_end(&mut stuck).await.is_empty());
}

/// Both ends of a thousand connections are in this process.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(hard >= 4096, "this test needs 4096 open files, {hard} are allowed");
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(65_536), hard).unwrap();
}
