//! One hub, one camera for each kind of sound, recorded at once: what is kept lies where it lay, and a browser plays it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{SystemClock, Timestamp};
use camera_sim::{Audio, Fault, Options, Simulator};
use serde_json::json;
use testkit::browser::Browser;
use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess};
use testkit::{LOOP_PICTURES, pictures, sound};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const PLAY: &str = include_str!("play_live.js");
/// Pictures a second of the cameras.
const FPS: f64 = 10.0;
/// Sound may be off its picture by so much.
const OFF: f64 = 0.020;

#[tokio::test]
async fn e2e_sound_of_every_kind_is_kept_in_its_place_and_plays() {
    let home = Home::new();
    let _hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let aac = Camera::add(&owner, "AAC", Audio::Aac, None).await;
    let pcmu = Camera::add(&owner, "PCMU", Audio::Pcmu, None).await;
    let pcma = Camera::add(&owner, "PCMA", Audio::Pcma, None).await;
    let opus = Camera::add(&owner, "Opus", Audio::Opus, None).await;
    let l16 = Camera::add(&owner, "L16", Audio::L16, None).await;
    let off = Camera::add(&owner, "Off", Audio::Off, None).await;
    let late = Camera::add(&owner, "Late", Audio::Pcmu, Some(Fault::Mute)).await;
    let jumps = Camera::add(&owner, "Jumps", Audio::Aac, None).await;
    let leaps = Camera::add(&owner, "Leaps", Audio::Pcma, None).await;

    // While they are recorded: a browser looks live.
    let browser = sign_in(&home).await;
    for camera in [&pcmu, &opus] {
        browser.run(&format!("{PLAY} playLive('{}')", camera.id)).await;
    }
    for camera in [&pcmu, &opus] {
        plays(&browser, &format!("live-{}", camera.id)).await;
    }
    late.recorded(&owner, 8.0).await;
    late.simulator.set_fault(1, None).unwrap();
    for camera in [&aac, &pcmu, &opus] {
        // A new epoch, and with it a new segment: sound that lags behind its pictures lies on both sides of the joint.
        let password = json!({"password": testkit::client::PASSWORD});
        owner.post(&format!("/api/v1/cameras/{}/key", camera.id), password).await.expect(200);
    }
    jumps.simulator.jump_sound(1, 3_600_000).unwrap();
    leaps.simulator.jump_sound(1, -7_200_000).unwrap();
    late.recorded(&owner, 19.0).await;
    // A connection of its own: HTTP/2 in this client bears only so many small answers on one.
    let owner = hub::owner(&home).await;

    // Each has its sound, without a hole, where it was.
    for camera in [&aac, &pcmu, &opus] {
        assert_eq!(owner.segments(&camera.id).await.len(), 2, "{}: two epochs", camera.name);
    }
    for (camera, frame_s) in [(&aac, 0.064), (&pcmu, 0.128), (&pcma, 0.128), (&opus, 0.020)] {
        let [part] = &camera.parts(&owner, &home).await[..] else { panic!("{}: more than one part", camera.name) };
        let told = pictures::probe(part);
        assert_eq!(told.complaints, "", "{}", camera.name);
        for pair in told.audio_s.windows(2) {
            assert!(
                (pair[1] - pair[0] - frame_s).abs() < 0.001,
                "{}: sound at {} and {}",
                camera.name,
                pair[0],
                pair[1]
            );
        }
        for pair in told.video_s.windows(2) {
            assert!((pair[1] - pair[0] - 1.0 / FPS).abs() < 0.001, "{}: pictures at {pair:?}", camera.name);
        }
        let (last_picture, last_sound) = (told.video_s.last().unwrap(), told.audio_s.last().unwrap());
        assert!(last_picture - last_sound < 1.5, "{}: sound up to {last_sound} of {last_picture} s", camera.name);
        assert!(told.audio_s[0] < told.video_s[0] + 0.5, "{}: sound from {}", camera.name, told.audio_s[0]);
        let off = tones_off(part);
        assert!(off.len() >= 15, "{}: {} tones", camera.name, off.len());
        assert!(off.iter().all(|(_, off)| off.abs() <= OFF), "{}: off by {off:.4?} s", camera.name);
    }

    // A clock of the sound that jumped moves it by what the network jitters, until the next sender reports put it right.
    for camera in [&jumps, &leaps] {
        let [part] = &camera.parts(&owner, &home).await[..] else { panic!("{}: more than one part", camera.name) };
        let off = tones_off(part);
        assert!(off.len() >= 12, "{}: {} tones", camera.name, off.len());
        assert!(off.iter().all(|(_, off)| off.abs() <= 0.25), "{}: off by {off:.4?} s", camera.name);
        let end = off.last().unwrap().0;
        let settled = off.iter().filter(|(at, _)| *at < 6.0 || *at > end - 3.0);
        assert!(settled.clone().all(|(_, off)| off.abs() <= OFF), "{}: off by {off:.4?} s", camera.name);
    }

    // Sound that cannot be kept is named; that, none, and sound that comes late cost no picture.
    assert_eq!(owner.camera(&l16.id).await["sound_dropped"], "l16");
    for camera in [&l16, &off, &late] {
        let parts = camera.parts(&owner, &home).await;
        let marks = parts.iter().flat_map(|part| pictures::decode(part)).map(|p| p.mark.expect("a mark").frame);
        let frames: Vec<_> = marks.collect();
        assert!(frames.len() >= 180, "{}: {} pictures", camera.name, frames.len());
        for pair in frames.windows(2) {
            assert_eq!(pair[1], (pair[0] + 1) % LOOP_PICTURES, "{}: a picture is missing", camera.name);
        }
        let sounds: Vec<_> = parts.iter().map(|part| !pictures::probe(part).audio_s.is_empty()).collect();
        match camera.name {
            // Announced, given up, there.
            "Late" => {
                assert_eq!(sounds, [false, false, true]);
                let off = tones_off(&parts[2]);
                assert!(off.len() >= 7 && off.iter().all(|(_, off)| off.abs() <= OFF), "late: off by {off:.4?} s");
            }
            _ => assert_eq!(sounds, [false]),
        }
    }

    // The browser plays back what was kept.
    for camera in [&pcmu, &opus] {
        let (from, to) = camera.span(&owner).await.expect("footage");
        browser.run(&format!("{PLAY} playBack('{}', '{from}', '{to}')", camera.id)).await;
    }
    for camera in [&pcmu, &opus] {
        plays(&browser, &format!("back-{}", camera.id)).await;
    }
}

/// A simulated camera that the hub records.
struct Camera {
    name: &'static str,
    id: String,
    simulator: Simulator,
}

impl Camera {
    async fn add(owner: &Client, name: &'static str, audio: Audio, fault: Option<Fault>) -> Camera {
        let options = Options { audio, ..Options::small(1) };
        let simulator = Simulator::start(options, Arc::new(SystemClock)).await.expect("the camera starts");
        simulator.set_fault(1, fault).unwrap();
        let id = owner.add_camera(name, &simulator.addresses()[0].main).await;
        Camera { name, id, simulator }
    }

    async fn span(&self, owner: &Client) -> Option<(Timestamp, Timestamp)> {
        let segments = owner.segments(&self.id).await;
        segments.first().zip(segments.last()).map(|(first, last)| (first.0, last.1))
    }

    /// Waits until so many seconds are on the disk.
    async fn recorded(&self, owner: &Client, seconds: f64) {
        testkit::wait_for("some seconds are recorded", Duration::from_secs(90), async || {
            let span = self.span(owner).await;
            span.is_some_and(|(from, to)| to.duration_since(from).as_secs_f64() >= seconds)
        })
        .await;
    }

    /// All that was recorded: a file for each run of equal parameters.
    async fn parts(&self, owner: &Client, home: &Home) -> Vec<PathBuf> {
        let (mut from, to) = self.span(owner).await.expect("footage");
        let mut parts = Vec::new();
        loop {
            let answer = owner.playback(&self.id, from, to).await.expect(200);
            let file = home.scratch(&format!("{}-{}.mp4", self.name, parts.len()));
            std::fs::write(&file, &answer.body).unwrap();
            parts.push(file);
            match answer.header("keepsight-next") {
                "" => return parts,
                next => from = next.parse().expect("a time"),
            }
        }
    }
}

/// Where each tone begins, in seconds, and how far that is from where the pictures say: a tone begins with each whole
/// second of the clip.
fn tones_off(file: &Path) -> Vec<(f64, f64)> {
    let pictures = pictures::decode(file);
    let first = pictures.first().expect("pictures");
    let zero = first.time_s - f64::from(first.mark.expect("a mark").frame) / FPS;
    let off = |at: f64| (at - zero + 0.5).rem_euclid(1.0) - 0.5;
    sound::tones(file).into_iter().map(|at| (at, off(at))).collect()
}

async fn sign_in(home: &Home) -> Browser {
    let browser = Browser::start(&home.root_pem()).await;
    browser.sign_in(home.port).await;
    browser
}

/// Waits until a video has played two seconds, with picture and sound.
async fn plays(browser: &Browser, id: &str) {
    let script =
        format!("{PLAY} const [at, picture, sound] = played('{id}'); return at > 2 && picture > 0 && sound > 0;");
    browser.wait("a video plays with its sound", Duration::from_secs(30), &script).await;
}
