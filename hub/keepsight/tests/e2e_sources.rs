//! Cameras that our own source cannot read, each of GStreamer's own server: by datagrams, by multicast, within TLS. One hub
//! records them at once, finds out by itself how, and every picture is compared with what was sent.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::film::{Coding, Film};
use testkit::gst_server::{self, GstServer, Network, Serve};
use testkit::hub::{self, Home, HubProcess};
use testkit::pictures;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

/// The four kinds, the way in which each is read, and by whom.
const KINDS: [(&str, &str, &str); 4] = [
    ("tcp", "tcp", "hub"),
    ("udp", "udp", "gstreamer"),
    ("multicast", "multicast", "gstreamer"),
    ("tls", "tcp", "gstreamer"),
];

/// What comes before the ways that work: `udp` after one try, `multicast` after two.
const TRIES: usize = 3;

fn serve(kind: &str, home: &Home, network: &Network) -> Serve {
    match kind {
        "tls" => {
            let file = home.scratch("camera.pem");
            if !file.exists() {
                gst_server::certificate(&file);
            }
            Serve { tls: Some(file), ..Serve::by("tcp") }
        }
        "udp" => Serve::by("udp"),
        "multicast" => Serve { elsewhere: Some(network.pid()), ..Serve::by("multicast") },
        _ => Serve::by("tcp"),
    }
}

#[tokio::test]
async fn e2e_cameras_by_tcp_udp_multicast_and_tls_are_recorded_as_they_were_sent() {
    let network = Network::enter();
    let home = Home::new();
    let film = Film::encode(&home.scratch(""), 120, Coding::H264);
    let servers = KINDS.map(|(kind, ..)| GstServer::start(&film, &serve(kind, &home, &network)));
    let mut running = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut cameras = Vec::new();
    for ((kind, ..), server) in KINDS.iter().zip(&servers) {
        cameras.push(owner.add_camera(kind, &server.url).await);
    }

    for ((kind, transport, source), camera) in KINDS.iter().zip(&cameras) {
        recorded(&owner, camera, 20).await;
        let told = owner.camera(camera).await;
        assert_eq!((&told["via"]["transport"], &told["via"]["source"]), (&json!(transport), &json!(source)), "{told}");
        let why = told["via"]["why"].as_str();
        match *kind {
            "udp" | "multicast" => assert!(why.is_some_and(|why| why.contains("461")), "{kind}: {why:?}"),
            _ => assert_eq!(why, None, "{kind}"),
        }
        assert_eq!(told["main"]["certificate"].is_string(), *kind == "tls", "{told}");
        compare(&owner, camera, &film, &home.scratch(kind)).await;
    }

    // What was found out is known after a start: no try in a way that does not work.
    running.kill();
    let running = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let owner = hub::owner(&home).await;
    owner.wait_recording(&cameras, Duration::from_secs(20)).await;
    for ((kind, transport, _), camera) in KINDS.iter().zip(&cameras) {
        let told = owner.camera(camera).await;
        assert_eq!(told["via"]["transport"], json!(transport), "{kind}");
        assert_eq!(told["via"]["why"].is_string(), matches!(*kind, "udp" | "multicast"), "{kind}");
    }
    let log = std::fs::read_to_string(home.scratch("hub.log")).unwrap();
    assert_eq!(log.matches("is tried in another way").count(), TRIES, "all before the hub was ended");

    // Started and stopped again and again, they leave nothing, beyond the threads that a hub starts with its first work.
    for camera in &cameras {
        pause(&owner, camera, true).await;
    }
    let mut before = running.size();
    for round in 0..5 {
        if round == 1 {
            before = running.size();
        }
        for paused in [false, true] {
            for camera in &cameras {
                pause(&owner, camera, paused).await;
            }
            if !paused {
                owner.wait_recording(&cameras, Duration::from_secs(20)).await;
            }
        }
    }
    // GLib keeps threads that have nothing to do for a while.
    testkit::wait_for("no thread and no descriptor more than before", Duration::from_secs(60), async || {
        let now = running.size();
        now.threads <= before.threads && now.descriptors <= before.descriptors
    })
    .await;
    running.stop().await;
}

/// What the hub's own source does with every coding in `e2e_matrix`, GStreamer's does too.
#[tokio::test]
async fn e2e_by_datagrams_and_within_tls_every_coding_is_recorded() {
    let network = Network::enter();
    let home = Home::new();
    let rows = [
        (Coding::H265, false, "pcmu", "udp", "hvc1.", "mp4a.40.2"),
        (Coding::H264B, false, "opus", "tls", "avc1.", "opus"),
        (Coding::H264, true, "aac", "udp", "mp4v.6C", "mp4a.40.2"),
        (Coding::H264, false, "pcmu", "tls", "avc1.", "mp4a.40.2"),
    ];
    let films = [Coding::H264, Coding::H264B, Coding::H265].map(|coding| Film::encode(&home.scratch(""), 60, coding));
    let film = |coding| films.iter().find(|film| film.coding == coding).expect("it is encoded");
    let mut cameras = Vec::new();
    let running = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    for (coding, jpeg, sound, kind, ..) in rows {
        let server = GstServer::start(film(coding), &Serve { jpeg, sound, ..serve(kind, &home, &network) });
        let id = owner.add_camera(&format!("{coding:?} {jpeg} {sound} {kind}"), &server.url).await;
        cameras.push((id, server));
    }
    for ((coding, jpeg, sound, kind, picture_codec, sound_codec), (camera, _server)) in rows.iter().zip(&cameras) {
        let name = format!("{coding:?} {jpeg} {sound} {kind}");
        recorded(&owner, camera, 15).await;
        let told = owner.camera(camera).await;
        let (picture, heard) = told["codec"].as_str().and_then(|c| c.split_once(", ")).expect("picture and sound");
        assert!(picture.starts_with(picture_codec) && heard == *sound_codec, "{name}: {told}");
        assert_eq!(told["via"]["source"], "gstreamer", "{name}");

        let segments = owner.segments(camera).await;
        let answer = owner.playback(camera, segments[0].0, segments[segments.len() - 1].1).await.expect(200);
        assert_eq!(answer.header("keepsight-next"), "", "{name}: one stretch without a gap");
        let kept = home.scratch("coding.mp4");
        std::fs::write(&kept, &answer.body).unwrap();
        let copy = pictures::probe(&kept);
        assert_eq!(copy.complaints, "", "{name}");
        assert!(copy.video_s.len() >= 140, "{name}: {} pictures in 15 s at 10 per second", copy.video_s.len());
        // Cut off anywhere: of the last ones, some that are shown in between may not have come.
        let whole = copy.video_s.len() - if *coding == Coding::H264 { 0 } else { 8 };
        for pair in copy.video_s[..whole].windows(2) {
            assert!((pair[1] - pair[0] - 0.1).abs() <= 0.001, "{name}: {} s after {}", pair[1], pair[0]);
        }
        if !jpeg {
            let (sent, got) = (packets(&film(*coding).file, "v:0"), packets(&kept, "v:0"));
            let first =
                sent.iter().position(|(_, hash)| *hash == got[0].1).expect("the first picture is one of those sent");
            for (i, ((_, sent), (_, got))) in sent[first..].iter().zip(&got[..whole]).enumerate() {
                assert_eq!(sent, got, "{name}: picture {i}");
            }
        }
        assert!(copy.audio_s.len() >= 100, "{name}: {} frames of sound", copy.audio_s.len());
        let longest = copy.audio_s.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(longest <= 0.15, "{name}: sound without a hole, {longest} s"); // AAC of 8 kHz has frames of 0.128 s
    }

    // Each is read in a process of its own: one that crashes ends its own connection and nothing else.
    let ids: Vec<_> = cameras.iter().map(|(id, _)| id.clone()).collect();
    let before = readers(running.pid());
    assert_eq!(before.len(), cameras.len(), "{before:?}");
    kill(before[0], Signal::SIGKILL).expect("it runs");
    let mut now = Vec::new();
    testkit::wait_for("it begins anew", Duration::from_secs(20), async || {
        now = readers(running.pid());
        now.len() == cameras.len() && !now.contains(&before[0])
    })
    .await;
    assert!(before[1..].iter().all(|other| now.contains(other)), "{before:?} {now:?}");
    owner.wait_recording(&ids, Duration::from_secs(20)).await;
    running.stop().await;
}

#[tokio::test]
async fn e2e_each_kind_of_camera_that_refuses_hangs_or_goes_says_so_and_is_recorded_again() {
    const USER: (&str, &str) = ("viewer", "hunter2");
    let network = Network::enter();
    let home = Home::new();
    let film = Film::encode(&home.scratch(""), 120, Coding::H264);
    let kinds = ["udp", "multicast", "tls"];
    // One of them asks by Basic: within TLS.
    let serve = |kind: &str| Serve { user: Some(USER), basic: kind == "tls", ..serve(kind, &home, &network) };
    let mut servers: Vec<_> = kinds.iter().map(|kind| GstServer::start(&film, &serve(kind))).collect();
    let running = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;

    let mut cameras = Vec::new();
    for (kind, server) in kinds.iter().zip(&servers) {
        let main = json!({"url": server.url, "username": USER.0, "password": "letmein"});
        let answer = owner.post("/api/v1/cameras", json!({"name": kind, "main": main})).await.expect(201);
        cameras.push(answer.json()["id"].as_str().unwrap().to_owned());
    }
    all_are(&owner, &cameras, "unauthorised").await;
    for camera in &cameras {
        change(&owner, camera, json!({"main": {"password": USER.1}})).await;
    }
    owner.wait_recording(&cameras, Duration::from_secs(30)).await;

    servers.iter().for_each(GstServer::hang);
    all_are(&owner, &cameras, "stalled").await;
    servers.iter().for_each(GstServer::go_on);
    owner.wait_recording(&cameras, Duration::from_secs(30)).await;

    let ports: Vec<_> = servers.drain(..).map(|server| server.port()).collect();
    all_are(&owner, &cameras, "unreachable").await;
    let start = |(kind, port): (&&str, &u16)| GstServer::start_on(*port, &film, &serve(kind));
    servers.extend(kinds.iter().zip(&ports).map(start));
    owner.wait_recording(&cameras, Duration::from_secs(30)).await;

    // Somebody else answers in the place of the third.
    let (camera, tls) = (&cameras[2..], servers.pop().unwrap());
    let first = owner.camera(&camera[0]).await["main"]["certificate"].clone();
    drop(tls);
    gst_server::certificate(&home.scratch("camera.pem"));
    servers.push(GstServer::start_on(ports[2], &film, &serve("tls")));
    all_are(&owner, camera, "untrusted").await;
    let told = owner.camera(&camera[0]).await;
    assert_eq!(
        told["detail"],
        "The camera shows another certificate than before. Its certificate is not the one that it showed first. If it was \
         replaced or set up anew, let the hub forget the old certificate; if not, somebody may be listening between them."
    );
    change(&owner, &camera[0], json!({"main": {"certificate": null}})).await;
    owner.wait_recording(camera, Duration::from_secs(20)).await;
    testkit::wait_for("the new certificate is kept", Duration::from_secs(10), async || {
        let now = owner.camera(&camera[0]).await["main"]["certificate"].clone();
        now.is_string() && now != first
    })
    .await;
    running.stop().await;

    let log = std::fs::read_to_string(home.scratch("hub.log")).unwrap();
    assert!(!log.contains(USER.1) && !log.contains("letmein"), "no password stands in the log");
}

#[tokio::test]
async fn e2e_what_a_person_sets_is_kept_to_and_probing_finds_out() {
    let _network = Network::enter();
    let home = Home::new();
    let film = Film::encode(&home.scratch(""), 60, Coding::H264);
    let (tcp, udp) = (GstServer::start(&film, &Serve::by("tcp")), GstServer::start(&film, &Serve::by("udp")));
    let running = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;

    let probed = owner.post("/api/v1/cameras/probe", json!({"url": udp.url})).await.expect(200).json();
    assert_eq!((&probed["via"]["transport"], &probed["width"]), (&json!("udp"), &json!(768)));
    assert!(probed["codec"].as_str().is_some_and(|c| c.starts_with("avc1.") && c.ends_with("mp4a.40.2")), "{probed}");
    assert!(probed["via"]["why"].as_str().is_some_and(|why| why.contains("461")), "{probed}");

    let refused = owner.post("/api/v1/cameras/probe", json!({"url": tcp.url, "transport": "udp"})).await;
    assert_eq!((refused.status, refused.problem().as_str()), (422, "camera-transport"));
    let main = json!({"url": udp.url, "transport": "tcp"});
    let camera = owner.post("/api/v1/cameras", json!({"name": "Door", "main": main})).await.expect(201).json();
    let camera = [camera["id"].as_str().unwrap().to_owned()];
    all_are(&owner, &camera, "unsupported").await;
    change(&owner, &camera[0], json!({"main": {"transport": "auto"}})).await;
    owner.wait_recording(&camera, Duration::from_secs(20)).await;

    for (wrong, why) in [
        (json!({"url": "rtsps://10.0.0.1/x", "transport": "udp"}), "only the transport tcp is encrypted"),
        (json!({"url": "rtsps://10.0.0.1/x", "certificate": "abc"}), "64 hexadecimal digits"),
        (json!({"url": "sim:"}), "command line only"),
    ] {
        let refused = owner.post("/api/v1/cameras", json!({"name": "Wrong", "main": wrong})).await;
        assert_eq!(refused.problem(), "bad-camera-url");
        assert!(String::from_utf8_lossy(&refused.body).contains(why), "{}", String::from_utf8_lossy(&refused.body));
    }
    let refused = owner.post("/api/v1/cameras/probe", json!({"url": tcp.url, "transport": "pigeon"})).await;
    assert_eq!(refused.problem(), "bad-body");

    // The hub's own command line may have the clip that is no camera.
    let added = Command::new(KEEPSIGHT)
        .args(["cameras", "add", "Self-test", "sim:", "--json", "--config"])
        .arg(home.config())
        .output()
        .expect("it runs");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let sim = [added["id"].as_str().unwrap().to_owned()];
    owner.wait_recording(&sim, Duration::from_secs(10)).await;
    assert_eq!(owner.camera(&sim[0]).await["width"], 320);
    running.stop().await;
}

/// The processes that read cameras for a hub.
fn readers(hub: u32) -> Vec<Pid> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_one = |pid: &i32| {
        let read = |what: &str| std::fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
        read("status").lines().any(|line| line == format!("PPid:\t{hub}")) && read("cmdline").contains("media-child")
    };
    all.filter(is_one).map(Pid::from_raw).collect()
}

async fn change(owner: &Client, camera: &str, body: Value) {
    owner.request(Method::PATCH, &format!("/api/v1/cameras/{camera}"), Some(body)).await.expect(200);
}

async fn pause(owner: &Client, camera: &str, paused: bool) {
    change(owner, camera, json!({ "paused": paused })).await;
}

async fn all_are(owner: &Client, cameras: &[String], state: &str) {
    for camera in cameras {
        testkit::wait_for(&format!("camera {camera} is {state}"), Duration::from_secs(40), async || {
            owner.camera(camera).await["state"] == state
        })
        .await;
    }
}

/// Waits until so many seconds are recorded without a gap.
async fn recorded(owner: &Client, camera: &str, seconds: i64) {
    testkit::wait_for(&format!("{seconds} s of {camera}"), Duration::from_secs(60), async || {
        let segments = owner.segments(camera).await;
        segments.first().zip(segments.last()).is_some_and(|(a, b)| b.1.duration_since(a.0).as_secs() >= seconds)
    })
    .await;
}

/// Every picture that was sent from the first on, spaced as it was, and its sound in its place.
async fn compare(owner: &Client, camera: &str, film: &Film, scratch: &Path) {
    let segments = owner.segments(camera).await;
    let (from, to) = (segments[0].0, segments[segments.len() - 1].1);
    let answer = owner.playback(camera, from, to).await.expect(200);
    assert_eq!(answer.header("keepsight-next"), "", "one stretch without a gap");
    let kept: PathBuf = scratch.with_extension("mp4");
    std::fs::write(&kept, &answer.body).unwrap();
    let (sent, got) = (video(&film.file), video(&kept));
    assert!(got.len() >= 190, "{} pictures in 20 s at 10 per second", got.len());
    let first = sent.iter().position(|(_, hash)| *hash == got[0].1).expect("the first picture is one of those sent");
    assert_eq!(first % 20, 0, "it begins with a key picture");
    assert!(first <= 20, "and with one of the first: {first}");
    let zero = sent[first].0;
    for (i, ((a, sent), (b, got_hash))) in sent[first..].iter().zip(&got).enumerate() {
        assert_eq!(sent, got_hash, "picture {i}");
        let off = (b - got[0].0) - (a - zero);
        assert!(off.abs() <= 0.001, "picture {i} is {off} s off");
    }
    let copy = pictures::probe(&kept);
    assert_eq!(copy.complaints, "");

    let (sent_sound, got_sound) = (packets(&film.file, "a:0"), packets(&kept, "a:0"));
    assert!(got_sound.len() >= 290, "{} frames of sound", got_sound.len());
    let start =
        sent_sound.iter().position(|(_, h)| *h == got_sound[10].1).expect("recorded sound is the sent sound") - 10;
    for (i, ((a, sent), (b, got_hash))) in sent_sound[start..].iter().zip(&got_sound).enumerate() {
        assert_eq!(sent, got_hash, "frame of sound {i}");
        let off = (b - got[0].0) - (a - zero);
        assert!(off.abs() <= 0.020, "frame of sound {i} is {off} s off its picture");
    }
}

/// Time and hash of every picture. The decoded ones are hashed: where the parameter sets are does not matter.
fn video(file: &Path) -> Vec<(f64, String)> {
    let hashes = packets(file, "v:0").into_iter().map(|(_, hash)| hash);
    pictures::probe(file).video_s.into_iter().zip(hashes).collect()
}

/// Time and hash of every frame of a stream, of sound as it is coded. Times of pictures are coarse.
fn packets(file: &Path, stream: &str) -> Vec<(f64, String)> {
    let copy: &[&str] = if stream.starts_with('a') { &["-c", "copy"] } else { &[] };
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-map", &format!("0:{stream}"), "-fps_mode", "passthrough", "-copyts"])
        .args(copy)
        .args(["-f", "framehash", "-hash", "md5", "-"])
        .output()
        .expect("ffmpeg runs: scripts/setup installs it");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && errors.is_empty(), "{errors}");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    // "#tb 0: 1/12800", then lines of stream, dts, pts, duration, size, hash.
    let base = text.lines().find_map(|l| l.strip_prefix("#tb 0: ")?.split_once('/')).expect("a time base");
    let tick = base.0.parse::<f64>().unwrap() / base.1.parse::<f64>().unwrap();
    let row = |line: &str| {
        let mut fields = line.split(',').map(str::trim);
        Some((fields.nth(2)?.parse::<f64>().ok()? * tick, fields.nth(2)?.to_owned()))
    };
    text.lines().filter(|l| !l.starts_with('#')).filter_map(row).collect()
}
