//! Bad input of every kind, against a hub that records: each gets a clear answer, and the recording goes on.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock};
use camera_sim::{Fault, Options, Simulator};
use http::Method;
use serde_json::{Value, json};
use testkit::hub::{self, Home, HubProcess};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_bad_requests_get_clear_answers_and_the_hub_goes_on_serving() {
    let home = Home::new();
    let cameras = testkit::cameras(1).await;
    let _hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let id = owner.add_camera("Front door", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&id), Duration::from_secs(20)).await;

    // Bodies.
    let with_body = async |body: &'static str, kind: &'static str| {
        let mut request = owner.http().post(format!("{}/api/v1/cameras", owner.base()));
        request = request.header("cookie", owner.cookie().unwrap()).header("origin", owner.base());
        let answer = owner.send(request.header("content-type", kind).body(body)).await;
        (answer.status, answer.problem())
    };
    assert_eq!(with_body("{", "application/json").await, (400, "bad-body".into()));
    assert_eq!(with_body("{}", "application/json").await, (400, "bad-body".into()));
    assert_eq!(with_body("[]", "application/json").await, (400, "bad-body".into()));
    assert_eq!(with_body("{}", "text/plain").await, (415, "unsupported-media-type".into()));
    let answer =
        owner.post("/api/v1/cameras", json!({"name": "x".repeat(100_000), "main": {"url": "rtsp://a/"}})).await;
    assert_eq!((answer.status, answer.problem()), (413, "body-too-large".into()));

    // Values.
    for (name, url, problem) in [
        ("", "rtsp://127.0.0.1/a", "bad-name"),
        (" x", "rtsp://127.0.0.1/a", "bad-name"),
        ("a\u{7}", "rtsp://127.0.0.1/a", "bad-name"),
        ("x", "http://127.0.0.1/a", "bad-camera-url"),
        ("x", "exec:rm", "bad-camera-url"),
        ("x", "rtsp://user:secret@127.0.0.1/a", "bad-camera-url"),
        ("x", "rtsp:///a", "bad-camera-url"),
        ("x", "nonsense", "bad-camera-url"),
    ] {
        let answer = owner.post("/api/v1/cameras", json!({"name": name, "main": {"url": url}})).await;
        assert_eq!((answer.status, answer.problem()), (422, problem.into()), "{name:?} {url}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "no password comes back");
    }
    let camera = format!("/api/v1/cameras/{id}");
    for query in [
        "",
        "?from=x&to=y",
        "?from=2026-01-01T00:00:00Z",
        "?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        "?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z",
        "?from=2026-01-01&to=2026-01-02",
        "?from=-999999999-01-01T00:00:00Z&to=9999-01-01T00:00:00Z",
    ] {
        for what in ["timeline", "playback.mp4"] {
            let answer = owner.get(&format!("{camera}/{what}{query}")).await;
            assert_eq!((answer.status, answer.problem()), (400, "bad-interval".into()), "{what}{query}");
        }
    }
    let empty = "?from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z";
    assert_eq!(owner.get(&format!("{camera}/playback.mp4{empty}")).await.problem(), "no-footage");
    assert_eq!(owner.get(&format!("{camera}/live")).await.problem(), "upgrade-required");
    for nothing in ["/api/v1/cameras/01jzzzzzzzzzzzzzzzzzzzzzzz", "/api/v1/cameras/..%2f..", "/api/v1/none", "/none"] {
        assert_eq!(owner.get(nothing).await.status, 404, "{nothing}");
    }
    assert_eq!(owner.request(Method::PUT, &camera, Some(json!({}))).await.status, 405);

    // Origins and names.
    let mut foreign =
        owner.http().delete(format!("{}{camera}", owner.base())).header("cookie", owner.cookie().unwrap());
    assert_eq!(owner.send(foreign).await.problem(), "foreign-origin", "a change by cookie needs its origin");
    foreign = owner.http().delete(format!("{}{camera}", owner.base())).header("cookie", owner.cookie().unwrap());
    assert_eq!(owner.send(foreign.header("origin", "https://evil.example")).await.problem(), "foreign-origin");
    let rebound = owner.http().get(format!("{}/healthz", owner.base())).header("host", "evil.example");
    assert_eq!(owner.send(rebound).await.problem(), "wrong-host");

    // Passwords: the same answer for an unknown name, and not too many tries.
    let stranger = owner.signed_out();
    let mut answers = Vec::new();
    for name in ["Olivia", "Nobody"] {
        let body = json!({"name": name, "password": "wrong", "device": "test"});
        let answer = stranger.post("/api/v1/sessions", body).await;
        answers.push((answer.status, answer.json()["title"].clone(), answer.json()["detail"].clone()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].0, 401);
    let mut limited = None;
    for _ in 0..30 {
        let body = json!({"name": "Nobody", "password": "wrong", "device": "test"});
        let answer = stranger.post("/api/v1/sessions", body).await;
        if answer.status == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("too many tries are refused");
    assert_eq!(limited.problem(), "too-many-attempts");
    assert!(limited.header("retry-after").parse::<u64>().is_ok_and(|s| s > 0));
    assert_eq!(owner.get(&camera).await.status, 200, "who is signed in does not notice");
    let answer = stranger.post("/api/v1/claim", json!({"claim_token": "x", "name": "Eve", "password": "y"})).await;
    assert_eq!(answer.problem(), "already-claimed");

    goes_on_recording(&owner, &id).await;
}

#[tokio::test]
async fn e2e_a_thousand_idle_and_slow_clients_do_not_stop_it() {
    let home = Home::new();
    let cameras = testkit::cameras(1).await;
    let _hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let id = owner.add_camera("Front door", &cameras.addresses()[0].main).await;
    owner.wait_recording(std::slice::from_ref(&id), Duration::from_secs(20)).await;

    let _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 4_096, 4_096);
    let mut idle = Vec::new();
    for i in 0..1_000 {
        // From many addresses, as 127.0.0.0/8 is all this machine: the limit per address does not hide the total one.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        let from = format!("127.0.{}.{}:0", 1 + i / 200, 1 + i % 200).parse().unwrap();
        socket.bind(from).unwrap();
        let to = format!("127.0.0.1:{}", home.port).parse().unwrap();
        let mut stream = socket.connect(to).await.expect("the kernel accepts");
        if i % 3 == 0 {
            let _ = stream.write_all(&[0x16, 0x03, 0x01]).await; // a TLS handshake that never goes on
        }
        idle.push(stream);
    }
    let mut fresh = home.client();
    fresh.sign_in("Olivia", testkit::client::PASSWORD).await;
    goes_on_recording(&fresh, &id).await;

    // They are shown out by and by.
    let mut byte = [0u8; 1];
    let closed = base::clock::timeout(&SystemClock, Duration::from_secs(30), idle[0].read(&mut byte)).await;
    assert!(matches!(closed, Some(Ok(0) | Err(_))), "a client that never speaks is shown out");

    // One address alone cannot take all places.
    let mut greedy = Vec::new();
    for _ in 0..400 {
        greedy.push(TcpStream::connect(("127.0.0.1", home.port)).await.expect("the kernel accepts"));
    }
    let mut neighbour = home.client();
    drop(greedy.split_off(10));
    neighbour.sign_in("Olivia", testkit::client::PASSWORD).await;
    goes_on_recording(&neighbour, &id).await;
}

#[tokio::test]
async fn e2e_a_camera_that_is_not_there_or_refuses_the_password_says_so_and_comes_back() {
    let home = Home::new();
    let credentials = rtsp_server::Credentials::new("admin", "camera password");
    let options = Options { credentials: Some(credentials), ..Options::small(2) };
    let cameras = Simulator::start(options, Arc::new(SystemClock)).await.expect("the cameras start");
    let _hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let add = async |name: &str, url: &str, password: Option<&str>| {
        let mut main = json!({"url": url});
        if let Some(password) = password {
            main["username"] = json!("admin");
            main["password"] = json!(password);
        }
        let answer = owner.post("/api/v1/cameras", json!({"name": name, "main": main})).await.expect(201);
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let nobody = format!("rtsp://127.0.0.1:{}/main", testkit::free_port());
    let absent = add("Absent", &nobody, None).await;
    let wrong = add("Wrong password", &cameras.addresses()[0].main, Some("not this")).await;
    let right = add("Right password", &cameras.addresses()[1].main, Some("camera password")).await;

    let state = async |id: &str, state: &str| {
        testkit::wait_for(&format!("state {state}"), Duration::from_secs(15), async || {
            owner.camera(id).await["state"] == state
        })
        .await;
    };
    state(&absent, "unreachable").await;
    state(&wrong, "unauthorised").await;
    owner.wait_recording(std::slice::from_ref(&right), Duration::from_secs(20)).await;
    let all = owner.get("/api/v1/cameras").await.expect(200);
    assert!(!String::from_utf8_lossy(&all.body).contains("password\":"), "no password comes back");

    // The right password, given later, works at once.
    let main = json!({"url": cameras.addresses()[0].main, "username": "admin", "password": "camera password"});
    owner.request(Method::PATCH, &format!("/api/v1/cameras/{wrong}"), Some(json!({"main": main}))).await.expect(200);
    owner.wait_recording(std::slice::from_ref(&wrong), Duration::from_secs(15)).await;

    // It stalls, closes, is gone: each has its name, and it is recorded again when it is well.
    for (fault, name) in [(Fault::Stall, "stalled"), (Fault::Close, "unreachable"), (Fault::Refuse, "unreachable")] {
        cameras.set_fault(2, Some(fault)).unwrap();
        state(&right, name).await;
        cameras.set_fault(2, None).unwrap();
        owner.wait_recording(std::slice::from_ref(&right), Duration::from_secs(20)).await;
    }
    cameras.set_fault(2, Some(Fault::Unauthorised)).unwrap();
    state(&right, "unauthorised").await;
    let timeline = owner.timeline(&right).await;
    let reasons: Vec<_> = timeline["gaps"].as_array().unwrap().iter().map(|g| g["reason"].clone()).collect();
    for reason in ["camera_stalled", "camera_lost", "camera_unauthorised"] {
        assert!(reasons.contains(&Value::from(reason)), "{reason} is not among {reasons:?}");
    }
}

async fn goes_on_recording(client: &testkit::client::Client, id: &str) {
    let now = SystemClock.wall();
    testkit::wait_for("the hub goes on recording", Duration::from_secs(15), async || {
        let camera = client.camera(id).await;
        camera["last_fragment_at"].as_str().and_then(|t| t.parse().ok()).is_some_and(|t: base::Timestamp| t > now)
    })
    .await;
}
