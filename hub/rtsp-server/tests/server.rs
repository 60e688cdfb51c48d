//! The server as clients see it.

mod client;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::{Clock, SimClock, SystemClock};
use bytes::Bytes;
use client::{Client, deadline, digest};
use rtsp_server::{
    Admit, After, Clip, ClipSource, Config, Credentials, Limits, Media, Mount, Playing, Reserved, Scheme, Server,
    Source, Start, TrackStart, Unit,
};

const FIRST: TrackStart = TrackStart { seq: 65_535, rtptime: 1_000 };

fn tracks() -> Vec<Media> {
    vec![
        Media::H264 { parameter_sets: None, framerate: None },
        Media::Aac { sample_rate: 16_000, channels: 1, config: Bytes::from_static(&[0x14, 0x08]) },
    ]
}

/// Two pictures, the first in three packets, and two audio frames, in 100 ms.
fn mount(clock: Arc<dyn Clock>, after: After) -> Mount {
    let key = vec![0x65; 3_000];
    let units = vec![
        Unit::h264(0, Duration::ZERO, 0, true, [key.as_slice()]),
        Unit::h264(0, Duration::from_millis(50), 4_500, false, [b"\x41abc".as_slice()]),
        Unit::aac(1, Duration::from_millis(20), 320, b"sound").unwrap(),
        Unit::aac(1, Duration::from_millis(84), 1_344, b"more").unwrap(),
    ];
    let clip = Arc::new(Clip::new(&tracks(), units, Duration::from_millis(100)).unwrap());
    let source = ClipSource::new(clip, clock, Start::Beginning, after, FIRST);
    Mount { name: "test".into(), tracks: tracks(), source: Arc::new(source) }
}

fn start_with(config: Config, mount: Mount) -> (Server, String) {
    let port = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = Server::start(port, config, [("cam/main".into(), mount)]).unwrap();
    let uri = format!("rtsp://{}/cam/main", server.addr());
    (server, uri)
}

fn start(after: After) -> (Server, String) {
    start_with(Config::new(Arc::new(SystemClock)), mount(Arc::new(SystemClock), after))
}

#[tokio::test]
async fn a_client_gets_what_was_announced() {
    let (server, uri) = start(After::Close);
    let mut client = Client::connect(server.addr()).await;
    let reply = client.request("OPTIONS", "*", &[]).await;
    assert_eq!(reply.header("Public"), "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, TEARDOWN");
    let reply = client.request("DESCRIBE", &uri, &[("Accept", "application/sdp")]).await;
    assert_eq!(reply.header("Content-Type"), "application/sdp");
    assert_eq!(reply.header("Content-Base"), format!("{uri}/"));
    assert!(reply.body.contains("m=video 0 RTP/AVP 96\r\n") && reply.body.contains("m=audio 0 RTP/AVP 97\r\n"));

    let mut ssrcs = Vec::new();
    for (track, channels) in [(0, "4-5"), (1, "6-7")] {
        let transport = format!("RTP/AVP;unicast;client_port=5000-5001,RTP/AVP/TCP;interleaved={channels}");
        let reply = client.request("SETUP", &format!("{uri}/trackID={track}"), &[("Transport", &transport)]).await;
        let transport = reply.header("Transport");
        assert!(transport.starts_with(&format!("RTP/AVP/TCP;unicast;interleaved={channels};ssrc=")), "{transport}");
        assert!(reply.header("Session").ends_with(";timeout=60"));
        ssrcs.push(transport.split("ssrc=").nth(1).unwrap()[..8].to_owned());
    }
    let reply = client.request("PLAY", &uri, &[("Range", "npt=0-")]).await;
    assert_eq!(
        reply.header("RTP-Info"),
        format!("url={uri}/trackID=0;seq=65535;rtptime=1000,url={uri}/trackID=1;seq=65535;rtptime=1000")
    );

    // A report of each track's start comes first.
    for (channel, ssrc) in [5, 7].into_iter().zip(ssrcs) {
        let (on, report) = client.frame().await.unwrap();
        assert_eq!((on, report[1]), (channel, 200));
        assert_eq!(u32::from_be_bytes(report[4..8].try_into().unwrap()), u32::from_str_radix(&ssrc, 16).unwrap());
        assert_eq!(report[16..20], 1_000u32.to_be_bytes());
    }
    let mut got = Vec::new();
    while let Some((channel, rtp)) = client.rtp().await {
        got.push((channel, rtp.payload_type, rtp.seq, rtp.timestamp, rtp.marker, rtp.payload.len()));
    }
    let expected = [
        (4, 96, 65_535, 1_000, false, 1_400),
        (4, 96, 0, 1_000, false, 1_400),
        (4, 96, 1, 1_000, true, 2 + 2_999 - 2 * 1_398),
        (6, 97, 65_535, 1_320, true, 9),
        (4, 96, 2, 5_500, true, 4),
        (6, 97, 0, 2_344, true, 8),
    ];
    assert_eq!(got, expected);
    server.stop().await;
}

#[tokio::test]
async fn a_client_may_take_one_track_of_two() {
    let (server, uri) = start(After::Close);
    let mut client = Client::connect(server.addr()).await;
    client.request("SETUP", &format!("{uri}/trackID=1"), &[("Transport", "RTP/AVP/TCP;unicast")]).await;
    let reply = client.request("PLAY", &uri, &[]).await;
    assert_eq!(reply.header("RTP-Info"), format!("url={uri}/trackID=1;seq=65535;rtptime=1000"));
    let mut payloads = Vec::new();
    while let Some((channel, rtp)) = client.rtp().await {
        assert_eq!(channel, 0);
        payloads.push(rtp.payload[4..].to_vec());
    }
    assert_eq!(payloads, [b"sound".to_vec(), b"more".to_vec()]);
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_its_status() {
    let (server, uri) = start(After::Loop);
    let track = format!("{uri}/trackID=0");
    let tcp = [("Transport", "RTP/AVP/TCP;unicast;interleaved=0-1")];
    let mut client = Client::connect(server.addr()).await;
    for (method, uri, headers, status) in [
        ("DESCRIBE", &uri.replace("main", "sub"), &[][..], 404),
        ("DESCRIBE", &uri.replace("/main", ""), &[], 404),
        ("SETUP", &track, &[("Transport", "RTP/AVP;unicast;client_port=5000-5001")], 461),
        ("SETUP", &track, &[("Transport", "RTP/AVP/TCP;unicast;interleaved=300-301")], 461),
        ("SETUP", &track, &[], 461),
        ("SETUP", &format!("{uri}/trackID=2"), &tcp, 404),
        ("SETUP", &uri, &tcp, 459),
        ("PLAY", &uri, &[], 454),
        ("TEARDOWN", &uri, &[], 454),
        ("RECORD", &uri, &[], 501),
        ("SETUP", &track, &tcp, 200),
        ("SETUP", &format!("{uri}/trackID=1"), &tcp, 461),
        ("PLAY", &uri.replace("main", "sub"), &[], 454),
        ("PLAY", &uri, &[], 200),
        ("SETUP", &format!("{uri}/trackID=1"), &[("Transport", "RTP/AVP/TCP;interleaved=2-3")], 455),
        ("GET_PARAMETER", &uri, &[], 200),
        ("PAUSE", &uri, &[], 200),
        ("PLAY", &uri, &[], 200),
        ("TEARDOWN", &uri, &[], 200),
        ("PLAY", &uri, &[], 454),
    ] {
        assert_eq!(client.request(method, uri, headers).await.status, status, "{method} {uri}");
    }
    let mut other = Client::connect(server.addr()).await;
    other.session = Some("not-mine".into());
    assert_eq!(other.request("SETUP", &track, &tcp).await.status, 454);
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_answered_and_is_the_last() {
    let (server, _) = start(After::Loop);
    for (text, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n".to_owned(), 505),
        (format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: {}\r\n\r\n", "x".repeat(17_000)), 413),
        ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999\r\n\r\n".to_owned(), 413),
    ] {
        let mut client = Client::connect(server.addr()).await;
        client.send(text.as_bytes()).await;
        assert_eq!(client.reply().await.unwrap().status, status);
        client.closed().await;
    }
}

#[tokio::test]
async fn requests_may_come_in_one_piece_and_with_reports_between() {
    let (server, uri) = start(After::Loop);
    let mut client = Client::connect(server.addr()).await;
    let text =
        format!("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x01\0\x04abcdDESCRIBE {uri} RTSP/1.0\r\nCSeq: 2\r\n\r\n");
    client.send(text.as_bytes()).await;
    assert_eq!(client.reply().await.unwrap().header("CSeq"), "1");
    assert_eq!(client.reply().await.unwrap().header("CSeq"), "2");
}

#[tokio::test]
async fn nothing_is_said_without_the_password() {
    for (scheme, challenge) in [
        (Scheme::Digest, "Digest realm=\"keepsight\", nonce=\""),
        (Scheme::DigestWithoutQop, "Digest realm=\"keepsight\", nonce=\""),
        (Scheme::Basic, "Basic realm=\"keepsight\""),
    ] {
        let mut config = Config::new(Arc::new(SystemClock));
        config.credentials = Some(Credentials::new("admin", "a:b\"c"));
        config.scheme = scheme;
        let (server, uri) = start_with(config, mount(Arc::new(SystemClock), After::Loop));
        let mut client = Client::connect(server.addr()).await;
        assert_eq!(client.request("OPTIONS", &uri, &[]).await.status, 200);
        for (method, uri) in [("DESCRIBE", &uri), ("DESCRIBE", &uri.replace("main", "none")), ("PLAY", &uri)] {
            let reply = client.request(method, uri, &[]).await;
            assert_eq!((reply.status, reply.body.as_str()), (401, ""));
            assert!(reply.header("WWW-Authenticate").starts_with(challenge));
        }
        let reply = client.request("DESCRIBE", &uri, &[]).await;
        let answer = |password| match scheme {
            Scheme::Basic if password == "wrong" => "Basic YWRtaW46d3Jvbmc=".to_owned(),
            Scheme::Basic => "Basic YWRtaW46YTpiImM=".to_owned(),
            _ => digest(reply.header("WWW-Authenticate"), "admin", password, "DESCRIBE", &uri),
        };
        let mut status = Vec::new();
        for password in ["wrong", "a:b\"c"] {
            status.push(client.request("DESCRIBE", &uri, &[("Authorization", &answer(password))]).await.status);
        }
        assert_eq!(status, [401, 200], "{scheme:?}");
        // A nonce is good for its own connection only.
        let mut other = Client::connect(server.addr()).await;
        let status = other.request("DESCRIBE", &uri, &[("Authorization", &answer("a:b\"c"))]).await.status;
        assert_eq!(status, if scheme == Scheme::Basic { 200 } else { 401 });
    }
}

/// A source whose mind a test changes.
struct Moody(Mutex<Admit>, Mount);

impl Source for Moody {
    fn admit(&self) -> Admit {
        *self.0.lock().unwrap()
    }
    fn play(&self) -> Playing {
        self.1.source.play()
    }
}

#[tokio::test]
async fn a_source_can_refuse() {
    let inner = mount(Arc::new(SystemClock), After::Loop);
    let moody = Arc::new(Moody(Mutex::new(Admit::Unauthorised), inner.clone()));
    let (server, uri) = start_with(Config::new(Arc::new(SystemClock)), Mount { source: moody.clone(), ..inner });
    let mut client = Client::connect(server.addr()).await;
    let reply = client.request("DESCRIBE", &uri, &[]).await;
    assert_eq!(reply.status, 401);
    let answer = digest(reply.header("WWW-Authenticate"), "any", "body", "DESCRIBE", &uri);
    assert_eq!(client.request("DESCRIBE", &uri, &[("Authorization", &answer)]).await.status, 401);
    *moody.0.lock().unwrap() = Admit::Yes;
    assert_eq!(client.request("DESCRIBE", &uri, &[]).await.status, 200);
    *moody.0.lock().unwrap() = Admit::Refuse;
    client.send(format!("DESCRIBE {uri} RTSP/1.0\r\nCSeq: 9\r\n\r\n").as_bytes()).await;
    assert!(client.reply().await.is_none());
}

#[tokio::test]
async fn reports_come_every_five_seconds_and_map_to_the_wall_clock() {
    let clock = SimClock::default();
    let shared = Arc::new(clock.clone());
    let (server, uri) = start_with(Config::new(shared.clone()), mount(shared, After::Loop));
    let mut client = Client::connect(server.addr()).await;
    client.play(&uri, 2).await;
    let (mut pictures, mut reports) = (0, Vec::new());
    let start = clock.wall();
    while reports.len() < 3 {
        let (channel, data) = client.frame().await.unwrap();
        match channel {
            0 => pictures += u32::from(data[1] & 0x80 != 0),
            1 => reports.push((data[8..16].to_vec(), u32::from_be_bytes(data[16..20].try_into().unwrap()))),
            _ => {}
        }
        // Two pictures in each 100 ms; the next ones are not due before time is let pass.
        if channel == 0 && data[1] & 0x80 != 0 && pictures % 2 == 0 {
            clock.advance(Duration::from_millis(100));
        } else if pictures == 1 && channel == 0 {
            clock.advance(Duration::from_millis(50));
        }
    }
    assert_eq!(reports.iter().map(|(_, rtp)| (rtp - 1_000) / 90_000).collect::<Vec<_>>(), [0, 5, 10]);
    for (ntp, rtp) in reports {
        let seconds = u32::from_be_bytes(ntp[..4].try_into().unwrap()) as i64 - 2_208_988_800;
        let fraction = f64::from(u32::from_be_bytes(ntp[4..].try_into().unwrap())) / 4_294_967_296.0;
        let elapsed = (seconds - start.as_second()) as f64 + fraction;
        assert!((elapsed - f64::from(rtp - 1_000) / 90_000.0).abs() < 0.000_1, "{elapsed} {rtp}");
    }
}

#[tokio::test]
async fn limits_hold() {
    let clock = SimClock::default();
    let mut config = Config::new(Arc::new(clock.clone()));
    config.limits = Limits { connections: 2, ..Limits::default() };
    let (server, uri) = start_with(config, mount(Arc::new(clock.clone()), After::Stall));
    let mut playing = Client::connect(server.addr()).await;
    playing.play(&uri, 1).await;
    let mut idle = Client::connect(server.addr()).await;
    idle.request("OPTIONS", &uri, &[]).await;
    Client::connect(server.addr()).await.closed().await; // the third of two

    deadline(async {
        while clock.sleepers() < 2 {
            tokio::task::yield_now().await; // one waits for the next picture, one for a request
        }
    })
    .await;
    clock.advance(Duration::from_millis(59_999));
    idle.request("OPTIONS", &uri, &[]).await;
    deadline(async {
        while clock.sleepers() < 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    clock.advance(Duration::from_secs(60));
    idle.closed().await;
    assert_eq!(playing.request("GET_PARAMETER", &uri, &[]).await.status, 200);
}

#[tokio::test]
async fn offline_nobody_listens_and_online_the_port_is_the_same() {
    let (server, uri) = start(After::Loop);
    let addr = server.addr();
    for _ in 0..3 {
        let mut client = Client::connect(addr).await;
        client.play(&uri, 2).await;
        server.go_offline().await.unwrap();
        client.closed().await;
        let refused = tokio::net::TcpStream::connect(addr).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
        server.go_online().await.unwrap();
    }
    Client::connect(addr).await.play(&uri, 1).await;
    server.stop().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_a_reserved_one_refuses() {
    let (server, _) = start(After::Loop);
    let error = Reserved::bind(server.addr()).err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on {}", server.addr()));
    let reserved = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    assert!(tokio::net::TcpStream::connect(reserved.addr()).await.is_err());
}

#[tokio::test]
async fn mounts_come_and_go() {
    let (server, uri) = start(After::Loop);
    let mut client = Client::connect(server.addr()).await;
    server.unmount("/cam/main/");
    assert_eq!(client.request("DESCRIBE", &uri, &[]).await.status, 404);
    server.mount("/cam/main", mount(Arc::new(SystemClock), After::Loop));
    assert_eq!(client.request("DESCRIBE", &uri, &[]).await.status, 200);
}
