//! Films, coded as a camera codes them.

#![allow(dead_code, reason = "tests and the bench each use a part")]

use std::time::Duration;

use base::footage::{AccessUnit, InitSegment, Track, VideoParams};
use base::{Clock, Mono, SystemClock};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use crate::films::{self, FPS, Film, HEIGHT, WIDTH};

/// What none of these may take longer than, on a machine that does something else too.
pub const BOUND: Duration = Duration::from_secs(60);
/// Some coders begin at that time, so that theirs can run before a picture's.
const THOUSAND_HOURS_NS: u64 = 3_600_000_000_000_000;
/// The instant at which the films begin.
pub const ZERO: Mono = Mono(1_000_000_000_000);

/// A coded film: what its stream begins with, and its pictures.
pub struct Coded {
    pub init: InitSegment,
    pub units: Vec<AccessUnit>,
}

/// Some seconds of a film, coded with a key picture every two seconds.
pub fn coded(film: &Film, codec: &str, seconds: std::ops::Range<usize>) -> Coded {
    let mut painter = film.painter();
    let numbers = seconds.start * FPS..seconds.end * FPS;
    let pictures = numbers.map(|number| (number, painter.picture(number)));
    encoded(codec, (WIDTH, HEIGHT), FPS, pictures)
}

/// Grey pictures with their numbers, coded likewise.
pub fn encoded(
    codec: &str,
    (width, height): (usize, usize),
    fps: usize,
    pictures: impl Iterator<Item = (usize, Vec<u8>)>,
) -> Coded {
    gst::init().unwrap();
    let keys = 2 * fps;
    let (encoder, name, entry) = match codec {
        "H.264" => (
            format!(
                "x264enc key-int-max={keys} bframes=0 speed-preset=ultrafast threads=1 ! h264parse ! video/x-h264,stream-format=avc,alignment=au"
            ),
            "avc1.64001f",
            (*b"avc1", *b"avcC"),
        ),
        "H.264, out of order" => (
            format!(
                "x264enc key-int-max={keys} bframes=2 b-adapt=false speed-preset=ultrafast threads=1 ! h264parse ! video/x-h264,stream-format=avc,alignment=au"
            ),
            "avc1.64001f",
            (*b"avc1", *b"avcC"),
        ),
        "H.265" => (
            format!(
                "x265enc key-int-max={keys} speed-preset=ultrafast option-string=bframes=0:pools=1:frame-threads=1 ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au"
            ),
            "hvc1.1.6.L93.B0",
            (*b"hvc1", *b"hvcC"),
        ),
        _ => ("jpegenc".to_owned(), "mp4v.6C", (*b"mp4v", *b"esds")),
    };
    let text = format!(
        "appsrc name=in format=time block=true max-bytes=4000000 caps=video/x-raw,format=GRAY8,width={width},height={height},framerate={fps}/1 \
         ! videoconvert ! video/x-raw,format=I420 ! {encoder} ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let input = pipeline.by_name("in").and_downcast::<AppSrc>().unwrap();
    let output = pipeline.by_name("out").and_downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for (number, picture) in pictures {
        let mut buffer = gst::Buffer::from_slice(picture);
        let at = gst::ClockTime::from_mseconds((number * 1_000 / fps) as u64);
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
            duration: 90_000 / fps as u32,
            key: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            arrived: Mono::default(),
            data: Bytes::copy_from_slice(&buffer.map_readable().unwrap()),
        });
    }
    pipeline.set_state(gst::State::Null).unwrap();
    let video = VideoParams { codec: name.into(), width: width as u16, height: height as u16 };
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

pub fn film(name: &str) -> Film {
    films::all(0).into_iter().find(|film| film.name == name).unwrap()
}

pub async fn wait_for(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = SystemClock.mono() + BOUND;
    while !so() {
        assert!(SystemClock.mono() < deadline, "{what}");
        SystemClock.sleep(Duration::from_millis(20)).await;
    }
}

/// A picture that comes as soon as it was taken.
pub fn fresh(unit: &AccessUnit, zero: Mono) -> AccessUnit {
    let taken = u64::try_from(unit.dts + i64::from(unit.cts_offset)).unwrap();
    AccessUnit { arrived: zero + Duration::from_micros(taken * 100 / 9), ..unit.clone() }
}
