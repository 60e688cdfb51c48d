//! A day of one camera's footage, made in minutes: what a simulated camera sent is sealed again and again by a hub in this
//! process whose clock runs ahead.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base::footage::{AudioParams, Fragment, InitSegment, SegmentDetails, StreamName, Track, VideoParams};
use base::{CameraId, Clock, ConnectionId, Shutdown, SimClock, SystemClock, Timestamp};
use footage::bmff;
use keepsight::config::Config;
use keepsight::hub::Hub;
use recorder::{CameraChange, NewCamera, NewSource};
use testkit::client::PASSWORD;
use testkit::hub::{Home, HubProcess, claim};
use vault::Password;

use crate::process::Process;

pub const MINUTES: u64 = 24 * 60;
/// Of the pictures. At the 3 Mbit/s of a camera's main stream a day is 32 GB; what a seek reads depends on the number of
/// pictures, and on the size of one.
const KBIT: &str = "800";
/// The simulator's clip, after which all begins anew: a whole number of pictures and of frames of sound.
const LOOP_S: i64 = 8;

/// What a camera sends, over and over.
pub struct Loop {
    init: InitSegment,
    fragments: Vec<(Vec<u8>, bmff::Layout)>,
}

/// Records a simulated camera for a moment, and reads it back as an owner does.
pub async fn film(keepsight: &Path) -> Loop {
    let home = Home::new();
    let port = testkit::free_port();
    let mut command = Command::new(keepsight);
    command.args(["camera-sim", "--cameras", "1", "--bitrate", KBIT, "--port", &port.to_string()]);
    let _simulator = Process::start(command.stdout(Stdio::null()), &home.scratch("simulator.log"));
    let hub = HubProcess::start(keepsight, &home).await;
    let (owner, _) = claim(keepsight, &home).await;
    let camera = owner.add_camera("Camera", &format!("rtsp://127.0.0.1:{port}/cam01/main")).await;
    let mut from = None;
    testkit::wait_for("a loop of the camera is recorded", Duration::from_secs(120), async || {
        let segments = owner.segments(&camera).await;
        from = segments.first().map(|(start, _)| *start);
        segments.first().is_some_and(|(start, end)| end.duration_since(*start).as_secs() > LOOP_S)
    })
    .await;
    let from = from.expect("it was waited for");
    let film = owner.playback(&camera, from, from + Duration::from_secs(LOOP_S as u64)).await.expect(200).body;
    hub.stop().await;

    let heads: Vec<_> = bmff::boxes(&film).map(|b| b.expect("the hub sends whole boxes")).collect();
    let init_len: usize = heads.iter().take_while(|b| b.kind != *b"moof").map(|b| b.len()).sum();
    let (mut at, mut fragments) = (init_len, Vec::new());
    for pair in heads.iter().skip_while(|b| b.kind != *b"moof").collect::<Vec<_>>().chunks(2) {
        let len: usize = pair.iter().map(|b| b.len()).sum();
        let bytes = film.slice(at..at + len).to_vec();
        let layout = bmff::parse_fragment(&bytes).expect("the hub sends fragments");
        at += len;
        if layout.start_90k(RATE) < LOOP_S * 90_000 - 100 {
            fragments.push((bytes, layout));
        }
    }
    let video = VideoParams { codec: "avc1.640028".into(), width: 1_920, height: 1_080 };
    let audio = Some(AudioParams { codec: "mp4a.40.2".into(), sample_rate: RATE, channels: 1 });
    Loop { init: InitSegment { bytes: film.slice(..init_len), video, audio }, fragments }
}

/// The simulator's sound.
const RATE: u32 = 16_000;

/// Records a day that has just ended. When it began, and whose it is.
pub async fn record(home: &Home, film: &Loop) -> (CameraId, Timestamp) {
    let began = SystemClock.wall() - Duration::from_secs((MINUTES + 10) * 60);
    let clock = SimClock::at(began);
    let config = Config::load(&home.config()).expect("the configuration is right");
    let hub = Hub::start(config, Arc::new(clock.clone()), Shutdown::new()).await.expect("the hub starts");
    let password = Password::new(PASSWORD.to_owned()).expect("a good password");
    hub.claim("Olivia", password).await.expect("the hub has no owner yet");
    // Nobody connects to it.
    let main = NewSource { url: "rtsp://127.0.0.1:9/none".into(), ..NewSource::default() };
    let camera = hub.recorder().add(NewCamera { name: "Camera".into(), main, sub: None }).await.expect("a camera").id;
    let pause = CameraChange { paused: Some(true), ..CameraChange::default() };
    hub.recorder().change(camera, pause).await.expect("it pauses");
    let epoch = hub.store().read(move |db| db.current_epoch(camera)).await.ok().flatten().expect("its keys");
    let writer = hub.keeper().stream(camera, StreamName::Main, epoch.public);

    let zero = clock.mono();
    writer.begin(film.init.clone(), ConnectionId::new(&clock), zero);
    let mut sent_s = 0;
    for minute in 1..=MINUTES {
        while sent_s < minute as i64 * 60 {
            for fragment in film.at(sent_s, zero) {
                writer.push(fragment).expect("there is room for a minute");
            }
            sent_s += LOOP_S;
        }
        let now = zero + Duration::from_secs(sent_s as u64);
        clock.advance(now.since(clock.mono()));
        // So that no more than two minutes wait.
        let from = began + Duration::from_secs(minute.saturating_sub(2) * 60) - Duration::from_secs(30);
        testkit::wait_for("a minute is kept", Duration::from_secs(60), async || {
            minute == 1 || closed(&hub, camera, from).await > 0
        })
        .await;
        if minute % 120 == 0 {
            println!("   {} hours are recorded", minute / 60);
        }
    }
    writer.end();
    hub.stop().await;
    (camera, began)
}

async fn closed(hub: &Hub, camera: CameraId, from: Timestamp) -> usize {
    let rows = hub.store().read(move |db| db.segments_from(camera, StreamName::Main, from, 10)).await;
    rows.expect("the store answers").iter().filter(|row| row.details == SegmentDetails::Closed).count()
}

impl Loop {
    /// The loop as it comes when it begins so many seconds after the connection did.
    fn at(&self, s: i64, zero: base::Mono) -> impl Iterator<Item = Fragment> {
        self.fragments.iter().map(move |(bytes, layout)| {
            let mut bytes = bytes.clone();
            let ticks = |track| s * i64::from(if track == Track::Audio { RATE } else { 90_000 });
            bmff::retime(&mut bytes, |track, dts| dts + ticks(track) as u64).expect("a fragment");
            let moved = bmff::parse_fragment(&bytes).expect("a fragment");
            let start_90k = moved.start_90k(RATE);
            Fragment {
                samples: moved.runs.iter().flat_map(|run| run.samples.clone()).collect(),
                start_90k,
                end_90k: moved.end_90k(RATE),
                key: layout.key(),
                arrived: zero + Duration::from_micros(start_90k.max(0) as u64 * 100 / 9),
                bytes,
            }
        })
    }
}
