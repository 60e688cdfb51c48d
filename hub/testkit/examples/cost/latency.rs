//! From the picture in which somebody steps into the view, sent by a camera, to the event that whoever listens is told.
//!
//! The cameras play films that are made (`hub/vision/tests/films`), whose visits begin at all times between two key pictures: cameras at
//! which nothing else happens, of which only key pictures are looked at, and cameras at which something was put down ten seconds
//! before, so that every picture is.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, Mono, SystemClock};
use bytes::Bytes;
use http::Method;
use rtsp_server::{After, Clip, ClipSource, Config, Media, Mount, Reserved, Server, Start, TrackStart, Unit};
use serde_json::{Value, json};
use testkit::hub::{Home, HubProcess, claim};

use crate::films::{self, FPS, HEIGHT, WIDTH};
use crate::tables;

/// A loop, and its visits: each begins at another time after a key picture, and is quiet for long enough before.
const LOOP_S: u64 = 128;
const KEY_S: u64 = 2;
const VISITS_S: [f32; 5] = [10.1, 34.5, 58.9, 83.3, 107.7];
/// What is put down before a visit stays for so long.
const PUT_DOWN_S: std::ops::Range<f32> = -10.0..6.0;
const CAMERAS: usize = 6;
/// An event that begins so long after a visit is not of it.
const LATEST: Duration = Duration::from_secs(15);

pub async fn run(keepsight: &Path, count: usize) -> Vec<Value> {
    let mut figures = vec![tables::machine()];
    println!("== painting");
    let clips = [false, true].map(|put_down| Arc::new(film(put_down)));
    let reserved = Reserved::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let began = SystemClock.mono();
    let mut zeros = HashMap::new();
    let mut mounts = Vec::new();
    for n in 0..2 * CAMERAS {
        let (tracks, clip) = &*clips[n % 2];
        let zero = began - Duration::from_secs(11 * n as u64 / 2);
        let first = TrackStart { seq: 1, rtptime: 1 };
        let source = ClipSource::new(clip.clone(), Arc::new(SystemClock), Start::Live(zero), After::Loop, first);
        let name = format!("cam{n:02}");
        zeros.insert(name.clone(), zero);
        mounts.push((format!("{name}/main"), Mount { name, tracks: tracks.clone(), source: Arc::new(source) }));
    }
    let server = Server::start(reserved, Config::new(Arc::new(SystemClock)), mounts).expect("the cameras start");

    let home = Home::new();
    let hub = HubProcess::start(keepsight, &home).await;
    let (owner, _) = claim(keepsight, &home).await;
    let mut cameras = HashMap::new();
    for n in 0..2 * CAMERAS {
        let name = format!("cam{n:02}");
        let id = owner.add_camera(&name, &format!("rtsp://{}/{name}/main", server.addr())).await;
        owner.request(Method::PATCH, &format!("/api/v1/cameras/{id}"), Some(json!({"motion": {}}))).await.expect(200);
        cameras.insert(id, (n % 2 == 1, zeros[&name]));
    }
    let mut told = owner.listen("/api/v1/events/stream").await;
    println!("== waiting for {count} events of each kind");
    let mut taken: [Vec<f64>; 2] = Default::default();
    let mut known = Vec::new();
    let (mut others, limit) = (0, SystemClock.mono() + Duration::from_secs(540));
    while taken.iter().any(|taken| taken.len() < count) && SystemClock.mono() < limit {
        let Some(Some((_, event))) = base::clock::timeout(&SystemClock, Duration::from_secs(60), told.next()).await
        else {
            break;
        };
        let now = SystemClock.mono();
        if known.contains(&event["id"]) || event["kind"] != "motion" {
            continue;
        }
        known.push(event["id"].clone());
        let (every, zero) = cameras[event["camera"].as_str().expect("an id")];
        // Not while everything is new.
        if now.since(began) < Duration::from_secs(20) {
            continue;
        }
        match since_visit(zero, now) {
            Some(since) => taken[usize::from(every)].push(since.as_secs_f64()),
            None => others += 1,
        }
    }
    for (what, taken) in
        ["key pictures are looked at, one every 2 s", "every picture is looked at"].iter().zip(&mut taken)
    {
        taken.sort_by(f64::total_cmp);
        let at = |part: f64| taken.get(((taken.len() as f64 * part) as usize).min(taken.len().saturating_sub(1)));
        figures.push(json!({
            "what": format!("from the first picture to the event, while {what}"), "events": taken.len(),
            "p50_s": at(0.5).map(|s| (s * 100.0).round() / 100.0), "p95_s": at(0.95).map(|s| (s * 100.0).round() / 100.0),
            "max_s": at(1.0).map(|s| (s * 100.0).round() / 100.0), "events_of_no_visit": others,
        }));
        println!("   {}", figures[figures.len() - 1]);
    }
    hub.stop().await;
    server.stop().await;
    figures
}

/// How long ago the last visit's first picture was sent.
fn since_visit(zero: Mono, now: Mono) -> Option<Duration> {
    let of_loop = Duration::from_nanos(now.since(zero).as_nanos() as u64 % (LOOP_S * 1_000_000_000));
    let began = |visit: &f32| Duration::from_millis((visit * FPS as f32).ceil() as u64 * 1_000 / FPS as u64);
    let since = VISITS_S.iter().rev().map(began).find(|began| *began <= of_loop).map(|began| of_loop - began)?;
    (since < LATEST).then_some(since)
}

/// The film, as a camera sends it.
fn film(put_down: bool) -> (Vec<Media>, Arc<Clip>) {
    let mut film = films::all(0).into_iter().find(|film| film.name == "walk-35--60").expect("a film of this name");
    let walk = film.walks[0];
    film.walks = VISITS_S.iter().map(|at| films::Walk { at: *at, ..walk }).collect();
    let size = format!("{WIDTH}x{HEIGHT}");
    let (fps, keys) = (FPS.to_string(), (KEY_S as usize * FPS).to_string());
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "gray", "-s", &size, "-r", &fps, "-i", "-"])
        .args([
            "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-g", &keys, "-bf", "0", "-threads", "1",
        ])
        .args(["-x264-params", "aud=1:scenecut=0:rc-lookahead=0", "-f", "h264", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs: scripts/setup installs it");
    let mut input = ffmpeg.stdin.take().expect("its standard input");
    let painter = std::thread::spawn(move || {
        let mut painter = film.painter();
        for number in 0..LOOP_S as usize * FPS {
            let (mut picture, t) = (painter.picture(number), number as f32 / FPS as f32);
            // Somewhere else each time: what comes and goes at one place is soon a part of the scene.
            let there = VISITS_S.iter().position(|at| PUT_DOWN_S.contains(&(t - at)));
            if let Some(place) = there.filter(|_| put_down) {
                for row in picture.chunks_mut(WIDTH).skip(HEIGHT - 70).take(60) {
                    row[100 * (place + 1)..][..40].fill(235);
                }
            }
            input.write_all(&picture).expect("ffmpeg takes the film");
        }
    });
    let mut stream = Vec::new();
    ffmpeg.stdout.take().expect("its standard output").read_to_end(&mut stream).expect("the film comes back");
    painter.join().expect("it is painted");
    assert!(ffmpeg.wait().is_ok_and(|status| status.success()), "ffmpeg codes it");
    clip(&stream)
}

/// An H.264 byte stream with access unit delimiters.
fn clip(stream: &[u8]) -> (Vec<Media>, Arc<Clip>) {
    let mut starts: Vec<_> =
        stream.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]).map(|(at, _)| at).collect();
    starts.push(stream.len());
    let nals = starts.windows(2).map(|pair| {
        let nal = &stream[pair[0] + 3..pair[1]];
        &nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
    });
    let kind = |nal: &[u8]| nal.first().map_or(0, |first| first & 31);
    let mut pictures: Vec<Vec<&[u8]>> = Vec::new();
    for nal in nals {
        match (kind(nal), pictures.last_mut()) {
            (9, _) => pictures.push(Vec::new()),
            (6, _) | (_, None) => {}
            (_, Some(picture)) => picture.push(nal),
        }
    }
    let set = |wanted: u8| pictures[0].iter().find(|nal| kind(nal) == wanted).map(|nal| Bytes::copy_from_slice(nal));
    let parameter_sets = set(7).zip(set(8));
    assert_eq!((pictures.len(), parameter_sets.is_some()), (LOOP_S as usize * FPS, true), "it is all there");
    let units = pictures.iter().enumerate().map(|(number, nals)| {
        let key = nals.iter().any(|nal| kind(nal) == 5);
        let at = Duration::from_micros(number as u64 * 1_000_000 / FPS as u64);
        Unit::h264(0, at, (number * 90_000 / FPS) as u32, key, nals.iter().copied())
    });
    let tracks = vec![Media::H264 { parameter_sets, framerate: Some(FPS as u32) }];
    let clip = Clip::new(&tracks, units.collect(), Duration::from_secs(LOOP_S)).expect("a clip");
    (tracks, Arc::new(clip))
}
