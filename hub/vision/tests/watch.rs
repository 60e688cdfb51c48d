//! Watching a camera through real children, good and bad.

mod films;

use std::sync::Arc;
use std::time::Duration;

use base::footage::{AccessUnit, InitSegment, Track, VideoParams};
use base::{Clock, Mono, Shutdown, SystemClock};
use bytes::Bytes;
use films::{FPS, Film, HEIGHT, WIDTH};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vision::{Eyes, Finding, MotionSettings, Program, Sight, Watch};

/// What none of these may take longer than, on a machine that does something else too.
const BOUND: Duration = Duration::from_secs(60);
/// Some coders begin at that time, so that theirs can run before a picture's.
const THOUSAND_HOURS_NS: u64 = 3_600_000_000_000_000;
/// The instant at which the films begin.
const ZERO: Mono = Mono(1_000_000_000_000);

fn eyes(program: &str) -> Eyes {
    Eyes::start(Program::at(program), Arc::new(SystemClock), Shutdown::new()).unwrap()
}

const CHILD: &str = env!("CARGO_BIN_EXE_vision");

/// A coded film: what its stream begins with, and its pictures.
struct Coded {
    init: InitSegment,
    units: Vec<AccessUnit>,
}

/// Some seconds of a film, coded with a key picture every two seconds.
fn coded(film: &Film, codec: &str, seconds: std::ops::Range<usize>) -> Coded {
    gst::init().unwrap();
    let (encoder, name, entry) = match codec {
        "H.264" => (
            "x264enc key-int-max=12 bframes=0 speed-preset=ultrafast threads=1 ! h264parse ! video/x-h264,stream-format=avc,alignment=au",
            "avc1.64001f",
            (*b"avc1", *b"avcC"),
        ),
        "H.264, out of order" => (
            "x264enc key-int-max=12 bframes=2 b-adapt=false speed-preset=ultrafast threads=1 ! h264parse ! video/x-h264,stream-format=avc,alignment=au",
            "avc1.64001f",
            (*b"avc1", *b"avcC"),
        ),
        "H.265" => (
            "x265enc key-int-max=12 speed-preset=ultrafast option-string=bframes=0:pools=1:frame-threads=1 ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au",
            "hvc1.1.6.L93.B0",
            (*b"hvc1", *b"hvcC"),
        ),
        _ => ("jpegenc", "mp4v.6C", (*b"mp4v", *b"esds")),
    };
    let text = format!(
        "appsrc name=in format=time caps=video/x-raw,format=GRAY8,width={WIDTH},height={HEIGHT},framerate={FPS}/1 \
         ! videoconvert ! video/x-raw,format=I420 ! {encoder} ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let input = pipeline.by_name("in").and_downcast::<AppSrc>().unwrap();
    let output = pipeline.by_name("out").and_downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut painter = film.painter();
    for number in seconds.start * FPS..seconds.end * FPS {
        let mut buffer = gst::Buffer::from_slice(painter.picture(number));
        let at = gst::ClockTime::from_mseconds((number * 1_000 / FPS) as u64);
        buffer.get_mut().unwrap().set_pts(at);
        input.push_buffer(buffer).unwrap();
    }
    input.end_of_stream().unwrap();
    let (mut units, mut config) = (Vec::new(), Bytes::new());
    while let Ok(sample) = output.pull_sample() {
        let caps = sample.caps().unwrap();
        if let Ok(data) = caps.structure(0).unwrap().get::<gst::Buffer>("codec_data") {
            config = Bytes::copy_from_slice(&data.map_readable().unwrap());
        }
        let buffer = sample.buffer().unwrap();
        let pts = buffer.pts().unwrap().nseconds() % THOUSAND_HOURS_NS;
        let dts = buffer.dts().map_or(pts, |dts| dts.nseconds() % THOUSAND_HOURS_NS).min(pts);
        let ticks = |ns: u64| (ns * 9 / 100_000) as i64;
        units.push(AccessUnit {
            track: Track::Video,
            dts: ticks(dts),
            cts_offset: (ticks(pts) - ticks(dts)) as i32,
            duration: 90_000 / FPS as u32,
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            arrived: Mono::default(),
            data: Bytes::copy_from_slice(&buffer.map_readable().unwrap()),
        });
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let video = VideoParams { codec: name.into(), width: WIDTH as u16, height: HEIGHT as u16 };
    Coded { init: InitSegment { bytes: init(entry, &config), video, audio: None }, units }
}

/// The boxes in which a decoder's parameters lie.
fn init((entry, kind): ([u8; 4], [u8; 4]), config: &[u8]) -> Bytes {
    let boxed =
        |kind: &[u8; 4], content: &[u8]| [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat();
    let entry = boxed(&entry, &[&[0; 78][..], &boxed(&kind, config)].concat());
    let mut inner = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
    for kind in [b"stbl", b"minf", b"mdia", b"trak", b"moov"] {
        inner = boxed(kind, &inner);
    }
    inner.into()
}

fn film(name: &str) -> Film {
    films::all(0).into_iter().find(|film| film.name == name).unwrap()
}

async fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = SystemClock.mono() + BOUND;
    while !so() {
        assert!(SystemClock.mono() < deadline, "{what}");
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
}

/// A picture that comes as soon as it was taken.
fn fresh(unit: &AccessUnit, zero: Mono) -> AccessUnit {
    let taken = u64::try_from(unit.dts + i64::from(unit.cts_offset)).unwrap();
    AccessUnit { arrived: zero + Duration::from_micros(taken * 100 / 9), ..unit.clone() }
}

/// Hands in a film as fast as it is looked at: at the end all but the last picture have been answered.
async fn show(watch: &Watch, coded: &Coded, zero: Mono) {
    assert!(watch.feed.begin(&coded.init, zero));
    for unit in &coded.units {
        wait_for("pictures are looked at", || watch.feed.waiting() == 0).await;
        watch.feed.push(&fresh(unit, zero));
    }
    wait_for("the last one is looked at", || watch.feed.waiting() == 0).await;
}

/// What was found so far, in seconds of the film.
fn found(watch: &mut Watch) -> Vec<f32> {
    std::iter::from_fn(|| watch.findings.try_recv().ok()).map(seconds).collect()
}

fn seconds(finding: Finding) -> f32 {
    assert!(finding.since <= finding.at);
    finding.at.since(ZERO).as_secs_f32()
}

/// The children of this process.
fn children() -> Vec<Pid> {
    let mine = format!("PPid:\t{}", std::process::id());
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_mine = |pid: &i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        status.lines().any(|l| l == mine) && !status.contains("State:\tZ")
    };
    all.filter(is_mine).map(Pid::from_raw).collect()
}

/// Somebody walks in, and is found once there, in pictures of this coding.
async fn is_found(codec: &str) {
    let coded = coded(&film("walk-35--60"), codec, 0..16); // from 8.0 s to 15.4 s
    let mut watch = eyes(CHILD).watch(MotionSettings::default());
    wait_for("a child stands ready", || !children().is_empty()).await;
    show(&watch, &coded, ZERO).await;
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
    let found = found(&mut watch);
    assert!(found.iter().all(|t| *t >= 8.0), "{found:?}");
    assert!(found.first().is_some_and(|t| *t < 13.0) && found.len() >= 8, "{found:?}");
    assert_eq!(watch.feed.dropped(), 0);
    drop(watch);
    wait_for("none is left behind", || children().is_empty()).await;
}

#[tokio::test]
async fn somebody_who_walks_in_is_found_in_h264() {
    is_found("H.264").await;
}

#[tokio::test]
async fn somebody_who_walks_in_is_found_in_pictures_that_come_out_of_order() {
    is_found("H.264, out of order").await;
}

#[tokio::test]
async fn somebody_who_walks_in_is_found_in_h265() {
    is_found("H.265").await;
}

#[tokio::test]
async fn somebody_who_walks_in_is_found_in_jpeg() {
    is_found("JPEG").await;
}

#[tokio::test]
async fn a_child_that_watches_can_touch_nothing_but_its_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the hub's").unwrap();
    let attempts = eyes(CHILD).attempts(secret.to_str().unwrap()).await.unwrap();
    assert_eq!(attempts.len(), 14, "it lived to tell of all: {attempts:?}");
    let possible: Vec<_> = attempts.iter().filter(|a| a.possible).collect();
    assert!(possible.is_empty(), "{possible:?}");
    let there: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(there, ["secret"]);
}

#[tokio::test]
async fn a_child_that_is_killed_or_hangs_costs_at_most_five_seconds() {
    let walk = film("walk-20--60"); // from 8.0 s to 20.6 s
    let coded = coded(&walk, "H.264", 0..20);
    for signal in [Signal::SIGKILL, Signal::SIGSTOP] {
        let mut watch = eyes(CHILD).watch(MotionSettings::default());
        assert!(watch.feed.begin(&coded.init, ZERO));
        let (began, mut hurt) = (SystemClock.mono(), None);
        let mut all = Vec::new();
        for unit in &coded.units {
            // In real time: five seconds are five seconds.
            let due = began + Duration::from_micros(unit.dts as u64 * 100 / 9);
            SystemClock.sleep(due.since(SystemClock.mono())).await;
            watch.feed.push(&fresh(unit, ZERO));
            all.extend(found(&mut watch));
            if hurt.is_none() && all.iter().any(|t| *t >= 10.0) {
                let child = children()[0];
                kill(child, signal).unwrap();
                hurt = Some(unit.dts as f32 / 90_000.0);
            }
        }
        let hurt = hurt.expect("somebody is found before anything happens");
        let next = all.iter().find(|t| **t > hurt + 1.0);
        assert!(next.is_some_and(|t| *t <= hurt + 5.0), "{signal}: at {hurt}, then {all:?}");
        assert_eq!(watch.feed.dropped(), 0, "{signal}");
        drop(watch);
        wait_for("none is left behind", || children().is_empty()).await;
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_blinds_until_what_can_comes_again() {
    let walk = film("walk-35--60");
    let good = coded(&walk, "H.264", 0..16);
    let mut broken = Coded { init: good.init.clone(), units: good.units.clone() };
    for (i, unit) in broken.units.iter_mut().enumerate() {
        // A length that lies, then noise.
        unit.data = (0..2_000u32).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(i as u32) >> 13) as u8).collect();
    }
    let mut watch = eyes(CHILD).watch(MotionSettings::default());
    show(&watch, &broken, ZERO).await;
    let sight = &mut watch.sight;
    assert!(base::clock::timeout(&SystemClock, BOUND, sight.wait_for(|s| *s == Sight::Blind)).await.is_some());
    assert_eq!(found(&mut watch), []);
    let later = ZERO + Duration::from_secs(100);
    show(&watch, &good, later).await;
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
    let found = found(&mut watch);
    assert!(found.iter().any(|t| (108.0..116.0).contains(t)), "{found:?}");
}

#[tokio::test]
async fn pictures_that_claim_to_be_huge_take_no_more_memory_than_a_child_has_and_cost_only_themselves() {
    let mut coded = coded(&film("walk-35--60"), "JPEG", 0..16);
    for unit in &mut coded.units[..2 * FPS] {
        // SOF0 (ISO/IEC 10918-1 §B.2.2): marker, length, precision, height, width.
        let mut data = unit.data.to_vec();
        let frame = data.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
        data[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
        unit.data = data.into();
    }
    let mut watch = eyes(CHILD).watch(MotionSettings::default());
    show(&watch, &coded, ZERO).await;
    assert_eq!(*watch.sight.borrow(), Sight::Sees);
    let found = found(&mut watch);
    assert!(found.iter().any(|t| (8.0..16.0).contains(t)), "{found:?}");
}

#[tokio::test]
async fn without_a_child_nothing_waits_and_it_is_said() {
    let coded = coded(&film("walk-35--60"), "JPEG", 0..2);
    for program in ["/bin/true", "/nothing/there"] {
        let mut watch = eyes(program).watch(MotionSettings::default());
        assert!(watch.feed.begin(&coded.init, ZERO));
        let began = SystemClock.mono();
        for i in 0..2_000 {
            let mut unit = coded.units[0].clone();
            unit.dts = i * 90_000;
            watch.feed.push(&fresh(&unit, ZERO));
        }
        assert!(SystemClock.mono().since(began) < Duration::from_secs(1), "nobody is waited for");
        assert!(watch.feed.dropped() > 1_000);
        let blind = base::clock::timeout(&SystemClock, BOUND, watch.sight.wait_for(|s| *s == Sight::Blind)).await;
        assert!(blind.is_some(), "{program}");
    }
}
