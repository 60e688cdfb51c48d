//! Real input that nobody here made, recorded for a minute and compared picture by picture.
//!
//! `KEEPSIGHT_FILM_SECONDS` says for how long (60, if it is not set; 180 at most).

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::browser::Browser;
use testkit::film::{Coding, Film};
use testkit::gst_server::{GstServer, Serve};
use testkit::hub::{self, Home, HubProcess};
use testkit::pictures;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

#[tokio::test]
async fn e2e_the_film_of_pedestrians_is_kept_as_it_was_sent() {
    let seconds =
        std::env::var("KEEPSIGHT_FILM_SECONDS").map_or(60, |n| n.parse::<u64>().expect("a number of seconds"));
    let home = Home::new();
    let encode = |coding| Film::encode(&home.scratch(""), seconds as u32 + 20, coding);
    let films = std::thread::scope(|scope| {
        let films = [Coding::H264, Coding::H264B, Coding::H265].map(|coding| scope.spawn(move || encode(coding)));
        films.map(|film| film.join().expect("the film is encoded"))
    });
    let servers = [0, 1, 2].map(|i| GstServer::start(&films[i], &Serve::by("tcp")));
    let _hub = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut cameras = Vec::new();
    for (film, server) in films.iter().zip(&servers) {
        cameras.push(owner.add_camera(&format!("{:?}", film.coding), &server.url).await);
    }

    // The same time of all three.
    let mut spans = Vec::new();
    for camera in &cameras {
        let mut span = None;
        testkit::wait_for("all of it is recorded", Duration::from_secs(seconds + 50), async || {
            let segments = owner.segments(camera).await;
            span = segments.first().zip(segments.last()).map(|(first, last)| (first.0, last.1));
            span.is_some_and(|(from, to)| to.duration_since(from).as_secs() >= seconds as i64)
        })
        .await;
        spans.push(span.expect("there are segments"));
    }
    let mut kept = Vec::new();
    for ((film, camera), (from, to)) in films.iter().zip(&cameras).zip(&spans) {
        let answer = owner.playback(camera, *from, *to).await.expect(200);
        assert_eq!(answer.header("keepsight-next"), "", "{:?}: one stretch without a gap", film.coding);
        let file = home.scratch(&format!("kept-{:?}.mp4", film.coding));
        std::fs::write(&file, &answer.body).unwrap();
        kept.push(file);
    }
    std::thread::scope(|scope| {
        for (film, kept) in films.iter().zip(&kept) {
            scope.spawn(move || compare(film, kept, seconds as usize));
        }
    });
    let (camera, (from, to)) = (&cameras[1], spans[1]);

    // A browser plays it.
    let browser = Browser::start(&home.root_pem()).await;
    browser.sign_in(home.port).await;
    browser
        .run(&format!(
            "const v = document.createElement('video'); v.id = 'film'; v.muted = true; \
             v.src = '/api/v1/cameras/{camera}/playback.mp4?from={from}&to={to}'; document.body.append(v); v.play();"
        ))
        .await;
    let plays =
        "const v = document.getElementById('film'); return v.currentTime > 3 && v.videoWidth === 768 && !v.error";
    browser.wait("the browser plays the film", Duration::from_secs(30), plays).await;
}

/// What was kept is the film, from its first picture on.
fn compare(film: &Film, kept: &Path, seconds: usize) {
    let coding = film.coding;
    // Every picture that was sent, in order, and no other.
    let (sent, got) = (picture_hashes(&film.file), picture_hashes(kept));
    assert!(got.len() >= 10 * (seconds - 1), "{coding:?}: {} pictures in {seconds} s at 10 per second", got.len());
    // Cut off anywhere: of the last ones, some that are shown in between may not have come.
    let whole = if coding == Coding::H264 { got.len() } else { got.len() - 8 };
    assert!(got[..whole] == sent[..whole], "{coding:?}: the recorded pictures are the sent ones from the first on");

    // Spaced as the source's.
    let (source, copy) = (pictures::probe(&film.file), pictures::probe(kept));
    assert_eq!(copy.complaints, "", "{coding:?}");
    for (i, (a, b)) in source.video_s[..whole].iter().zip(&copy.video_s).enumerate() {
        let (a, b) = (a - source.video_s[0], b - copy.video_s[0]);
        assert!((a - b).abs() <= 0.001, "{coding:?}: picture {i}: {b} s instead of {a} s after the first");
    }

    // The sound is where it was.
    let (sent, got) = (sound(&film.file), sound(kept));
    let first = sent.iter().position(|(_, hash)| *hash == got[10].1).expect("recorded sound is the sent sound") - 10;
    assert!(got.len() >= 15 * seconds, "{coding:?}: {} frames of sound", got.len());
    for (i, (b, hash)) in got.iter().enumerate() {
        let (a, sent_hash) = &sent[first + i];
        assert_eq!(hash, sent_hash, "{coding:?}: frame of sound {i}");
        // The first picture stands at 0 in what was kept. ffmpeg moves pictures of a fragmented file by the greatest negative
        // composition offset, and not the sound: its times of pictures say nothing of where the sound belongs.
        let off = b - (a - source.video_s[0]);
        assert!(off.abs() <= 0.020, "{coding:?}: frame of sound {i} is {off} s off its picture");
    }
}

/// MD5 of every decoded picture.
fn picture_hashes(file: &Path) -> Vec<String> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg runs");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && errors.is_empty(), "{errors}");
    let lines = String::from_utf8_lossy(&out.stdout).into_owned();
    lines
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| Some(l.rsplit(',').next()?.trim().to_owned()))
        .collect()
}

/// Time and MD5 of every coded frame of sound.
fn sound(file: &Path) -> Vec<(f64, String)> {
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "a:0", "-show_packets", "-show_data_hash", "md5", "-of", "json"])
        .arg(file)
        .output()
        .expect("ffprobe runs");
    let json: serde_json::Value = serde_json::from_slice(&out.stdout).expect("ffprobe prints JSON");
    let packet =
        |p: &serde_json::Value| Some((p["pts_time"].as_str()?.parse().ok()?, p["data_hash"].as_str()?.to_owned()));
    json["packets"].as_array().into_iter().flatten().filter_map(packet).collect()
}
