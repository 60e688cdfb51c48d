//! Still pictures through real children, good and bad.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::state::Health;
use base::{Clock, Shutdown, SystemClock};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vision::{Codec, Coded, Limits, Program, StillError, Stills};

/// What none of these may take longer than, on a machine that does something else too.
const BOUND: Duration = Duration::from_secs(15);

fn stills(limits: Limits) -> Stills {
    Stills::start(Program::at(env!("CARGO_BIN_EXE_vision")), limits, Arc::new(SystemClock), Shutdown::new()).unwrap()
}

/// One picture of one colour, coded.
fn coded(codec: Codec, colour: &str) -> Coded {
    gst::init().unwrap();
    let encoder = match codec {
        Codec::H264 => "x264enc ! h264parse ! video/x-h264,stream-format=avc,alignment=au",
        Codec::H265 => "x265enc ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au",
        Codec::Mjpeg => "jpegenc",
    };
    let sink = pull(&format!(
        "videotestsrc num-buffers=1 pattern={colour} ! video/x-raw,format=I420,width=640,height=360 ! {encoder} ! appsink name=out sync=false"
    ));
    let config = sink.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
    let config = config.map(|b| Bytes::copy_from_slice(&b.map_readable().unwrap())).unwrap_or_default();
    let data = Bytes::copy_from_slice(&sink.buffer().unwrap().map_readable().unwrap());
    Coded { codec, config, data, width: 640 }
}

fn pull(pipeline: &str) -> gst::Sample {
    let pipeline = gst::parse::launch(pipeline).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let sample = pipeline.by_name("out").and_downcast::<AppSink>().unwrap().pull_sample().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    sample
}

/// Size and middle of a JPEG: (width, height, [r, g, b]).
fn seen(jpeg: &[u8]) -> (i32, i32, [u8; 3]) {
    let text = "appsrc name=in caps=image/jpeg ! jpegdec ! videoconvert ! video/x-raw,format=RGB ! appsink name=out sync=false";
    let pipeline = gst::parse::launch(text).unwrap().downcast::<gst::Pipeline>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let input = pipeline.by_name("in").and_downcast::<AppSrc>().unwrap();
    input.push_buffer(gst::Buffer::from_slice(jpeg.to_vec())).unwrap();
    input.end_of_stream().unwrap();
    let sample = pipeline.by_name("out").and_downcast::<AppSink>().unwrap().pull_sample().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let caps = sample.caps().unwrap().structure(0).unwrap();
    let (width, height) = (caps.get::<i32>("width").unwrap(), caps.get::<i32>("height").unwrap());
    let bytes = sample.buffer().unwrap().map_readable().unwrap();
    let stride = (width as usize * 3).next_multiple_of(4);
    let at = stride * (height as usize / 2) + width as usize / 2 * 3;
    (width, height, bytes[at..at + 3].try_into().unwrap())
}

fn near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 40)
}

const RED: [u8; 3] = [255, 0, 0];
const BLUE: [u8; 3] = [0, 0, 255];

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

async fn wait_for(what: &str, so: impl Fn() -> bool) {
    let deadline = SystemClock.mono() + BOUND;
    while !so() {
        assert!(SystemClock.mono() < deadline, "{what}");
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_key_picture_of_each_coding_becomes_a_jpeg_of_the_size_asked_for() {
    let stills = stills(Limits::default());
    for codec in [Codec::H264, Codec::H265, Codec::Mjpeg] {
        let (red, blue) = (coded(codec, "red"), coded(codec, "blue"));
        let (width, height, colour) = seen(&stills.jpeg(&red, None).await.unwrap());
        assert_eq!((width, height), (640, 360), "{codec:?}");
        assert!(near(colour, RED), "{codec:?}: {colour:?}");
        let (width, height, colour) = seen(&stills.jpeg(&blue, Some(320)).await.unwrap());
        assert_eq!((width, height), (320, 180), "{codec:?}");
        assert!(near(colour, BLUE), "{codec:?}: {colour:?}");
        let larger = seen(&stills.jpeg(&red, Some(4_000)).await.unwrap());
        assert_eq!(larger.0, 640, "never larger than it is");
    }
    assert_eq!(stills.health(), Health::Ok, "this kernel has Landlock and seccomp, this machine the decoders");
}

#[tokio::test]
async fn a_child_can_touch_nothing_but_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "the hub's").unwrap();
    let attempts = stills(Limits::default()).attempts(secret.to_str().unwrap()).await.unwrap();
    assert_eq!(attempts.len(), 16, "it lived to tell of all: {attempts:?}");
    let possible: Vec<_> = attempts.iter().filter(|a| a.possible).collect();
    assert!(possible.is_empty(), "{possible:?}");
    let there: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(there, ["secret"]);
}

#[tokio::test]
async fn what_cannot_be_decoded_is_an_error_in_time_and_the_next_picture_is_not_concerned() {
    let stills = stills(Limits::default());
    let good = coded(Codec::H264, "red");
    let began = SystemClock.mono();
    let noise = |len: usize, seed: u8| {
        let mut state = u32::from(seed) | 1;
        let mut byte = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..len).map(|_| byte()).collect::<Vec<u8>>()
    };
    let mut bad = vec![
        Coded { data: noise(50_000, 1).into(), ..good.clone() },
        Coded { config: noise(40, 2).into(), ..good.clone() },
        Coded { config: Bytes::new(), data: Bytes::new(), ..good.clone() },
        Coded { data: good.data.slice(..good.data.len() / 2), ..good.clone() },
        Coded { codec: Codec::H265, ..good.clone() },
    ];
    for seed in 0..4 {
        // The real picture and its parameters, with a few bytes changed.
        let change = |bytes: &Bytes, count: usize| {
            let mut bytes = bytes.to_vec();
            for pair in noise(2 * count, seed).chunks_exact(2) {
                let at = usize::from(pair[0]) % bytes.len();
                bytes[at] = pair[1];
            }
            Bytes::from(bytes)
        };
        let codec = if seed % 2 == 0 { Codec::H264 } else { Codec::H265 };
        let whole = coded(codec, "red");
        bad.push(Coded { config: change(&whole.config, 2), data: change(&whole.data, 12), ..whole });
    }
    let count = bad.len() as u32;
    for (i, coded) in bad.iter().enumerate() {
        // A picture with changed bytes may still be one; what matters is that there is an answer.
        let answer = stills.jpeg(coded, None).await;
        assert!(i >= 3 || answer.is_err(), "{i}");
    }
    assert!(SystemClock.mono().since(began) < BOUND * count);
    assert!(near(seen(&stills.jpeg(&good, None).await.unwrap()).2, RED));
}

#[tokio::test]
async fn a_picture_that_claims_to_be_huge_takes_no_more_memory_than_a_child_has() {
    let stills = stills(Limits::default());
    let mut huge = coded(Codec::Mjpeg, "red");
    let mut data = huge.data.to_vec();
    // SOF0 (ISO/IEC 10918-1 §B.2.2): marker, length, precision, height, width.
    let frame = data.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    data[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    (huge.data, huge.width) = (data.into(), 65_500);
    let answer = stills.jpeg(&huge, Some(320)).await;
    assert!(matches!(answer, Err(StillError::Refused(_) | StillError::Ended(_))), "{answer:?}");
    assert!(stills.jpeg(&coded(Codec::H264, "red"), None).await.is_ok());
}

#[tokio::test]
async fn a_child_that_is_killed_or_stands_still_costs_at_most_its_own_picture() {
    let limits = Limits { ready: 1, patience: Duration::from_secs(2), ..Limits::default() };
    let (clock, shutdown) = (Arc::new(SystemClock), Shutdown::new());
    let stills = Stills::start(Program::at(env!("CARGO_BIN_EXE_vision")), limits, clock, shutdown.clone()).unwrap();
    let picture = coded(Codec::H264, "blue");
    stills.jpeg(&picture, None).await.unwrap();
    wait_for("one stands ready", || children().len() == 1).await;
    let first = children()[0];
    kill(first, Signal::SIGKILL).unwrap();
    wait_for("it is dead", || !children().contains(&first)).await;
    assert!(stills.jpeg(&picture, None).await.is_ok(), "one that is dead is not asked");

    wait_for("one stands ready", || children().len() == 1).await;
    let ready = children()[0];
    // It may still be loading: only one that is locked in is handed out.
    wait_for("it is locked in", || {
        std::fs::read_to_string(format!("/proc/{ready}/status")).unwrap_or_default().contains("Seccomp:\t2")
    })
    .await;
    SystemClock.sleep(Duration::from_millis(200)).await;
    kill(ready, Signal::SIGSTOP).unwrap();
    let began = SystemClock.mono();
    assert!(matches!(stills.jpeg(&picture, None).await, Err(StillError::TooLate)));
    assert!(SystemClock.mono().since(began) < BOUND);
    wait_for("it is gone", || !children().contains(&ready)).await;
    assert!(stills.jpeg(&picture, None).await.is_ok(), "the next one works");

    shutdown.trigger();
    wait_for("none is left behind", || children().is_empty()).await;
}

#[tokio::test]
async fn children_stand_ready_only_while_pictures_are_asked_for() {
    let limits = Limits { idle: Duration::from_millis(500), ..Limits::default() };
    let stills = stills(limits);
    assert!(children().is_empty(), "none before the first picture");
    stills.jpeg(&coded(Codec::H264, "red"), None).await.unwrap();
    wait_for("two stand ready", || children().len() == 2).await;
    wait_for("none when none is asked for", || children().is_empty()).await;
}

#[tokio::test]
async fn so_many_are_made_at_a_time_and_more_are_refused() {
    let stills = stills(Limits { asked: 3, at_once: 1, patience: Duration::from_secs(30), ..Limits::default() });
    let picture = coded(Codec::H264, "red");
    let all = (0..6).map(|_| {
        let (stills, picture) = (stills.clone(), picture.clone());
        tokio::spawn(async move { stills.jpeg(&picture, None).await })
    });
    let mut refused = 0;
    for answer in all.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            Ok(_) => {}
            Err(StillError::TooMany) => refused += 1,
            Err(e) => panic!("{e}"),
        }
    }
    assert_eq!(refused, 3);
    assert!(stills.jpeg(&picture, None).await.is_ok());
}

#[tokio::test]
async fn a_program_that_is_no_child_is_an_error_and_not_a_wait() {
    for program in ["/bin/true", "/bin/false", "/nothing/there"] {
        let stills = Stills::start(
            Program::at(PathBuf::from(program)),
            Limits::default(),
            Arc::new(SystemClock),
            Shutdown::new(),
        );
        let answer = stills.unwrap().jpeg(&coded(Codec::H264, "red"), None).await;
        assert!(matches!(answer, Err(StillError::Start(_))), "{program}: {answer:?}");
    }
}
