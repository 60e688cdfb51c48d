//! What watching a camera costs, for the bench: a child is shown a camera's pictures, 1920x1080 at 3 Mbit/s, 20 a second, a key
//! picture every two seconds; once while nothing moves and once while something does. Says the processor time of the child for
//! a minute of the camera, without that of its start. `watching PROGRAM`: a program that knows how to be a child.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use base::footage::{AccessUnit, InitSegment, Track, VideoParams};
use base::{Clock, Mono, Shutdown, SystemClock};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use vision::{Eyes, MotionSettings, Program, Watch};

const FPS: u64 = 20;
const CLIP_S: u64 = 4;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let program = std::env::args().nth(1).ok_or("usage: watching PROGRAM")?;
    gst::init()?;
    let mut out = std::io::stdout();
    for (what, moves, seconds) in [("nothing moves", false, 60), ("something moves", true, 20)] {
        let (init, units) = clip(moves)?;
        let eyes = Eyes::start(Program::at(&program), Arc::new(SystemClock), Shutdown::new())?;
        let watch = eyes.watch(MotionSettings::default());
        watch.feed.begin(&init, Mono(1_000_000_000));
        // The first seconds are looked at whole, to learn; they do not count.
        let mut shown = 0;
        show(&watch, &units, &mut shown, 6 * FPS).await;
        let child = child().ok_or("there is no child")?;
        let before = processor_ms(child)?;
        show(&watch, &units, &mut shown, seconds * FPS).await;
        let cost = (processor_ms(child)? - before) as f64 / 1_000.0 * 60.0 / seconds as f64;
        let dropped = watch.feed.dropped();
        let kbit = units.iter().map(|unit| unit.data.len()).sum::<usize>() as u64 * 8 / CLIP_S / 1_000;
        writeln!(
            out,
            "{{\"what\":\"{what}\",\"cpu_s_per_camera_minute\":{cost:.3},\"kbit_s\":{kbit},\"dropped\":{dropped}}}"
        )?;
    }
    Ok(())
}

/// Hands in pictures as fast as they are looked at; the clip begins anew at its end.
async fn show(watch: &Watch, units: &[AccessUnit], shown: &mut u64, count: u64) {
    for _ in 0..count {
        let mut unit = units[*shown as usize % units.len()].clone();
        unit.dts = (*shown * 90_000 / FPS) as i64;
        unit.arrived = Mono(1_000_000_000 + *shown * 1_000_000_000 / FPS);
        *shown += 1;
        while watch.feed.waiting() > 2 {
            SystemClock.sleep(Duration::from_millis(2)).await;
        }
        watch.feed.push(&unit);
    }
}

fn clip(moves: bool) -> Result<(InitSegment, Vec<AccessUnit>), Box<dyn Error>> {
    let count = FPS * CLIP_S;
    // Bars with a corner of noise, which costs the bits; and a ball.
    let raw = |width, height| format!("video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1");
    let ball = match moves {
        true => format!("videotestsrc num-buffers={count} pattern=ball ! {} ! c.", raw(320, 240)),
        false => String::new(),
    };
    let text = format!(
        "compositor name=c sink_1::xpos=300 sink_1::ypos=300 ! {} \
         ! x264enc key-int-max=40 bframes=0 bitrate=3000 pass=cbr speed-preset=ultrafast \
         ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! appsink name=out sync=false \
         videotestsrc num-buffers={count} pattern=smpte ! {} ! c. {ball}",
        raw(1_920, 1_080),
        raw(1_920, 1_080)
    );
    let pipeline = gst::parse::launch(&text)?.downcast::<gst::Pipeline>().map_err(|_| "no pipeline")?;
    let output = pipeline.by_name("out").and_downcast::<AppSink>().ok_or("no output")?;
    pipeline.set_state(gst::State::Playing)?;
    let (mut units, mut config) = (Vec::new(), Vec::new());
    while let Ok(sample) = output.pull_sample() {
        let caps = sample.caps().and_then(|caps| caps.structure(0)?.get::<gst::Buffer>("codec_data").ok());
        config = caps.ok_or("no parameters")?.map_readable()?.to_vec();
        let buffer = sample.buffer().ok_or("no picture")?;
        let key = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let data = Bytes::copy_from_slice(&buffer.map_readable()?);
        let (track, arrived, duration) = (Track::Video, Mono::default(), (90_000 / FPS) as u32);
        units.push(AccessUnit { track, dts: 0, cts_offset: 0, duration, key, arrived, data });
    }
    pipeline.set_state(gst::State::Null)?;
    let boxed =
        |kind: &[u8; 4], content: &[u8]| [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat();
    let entry = boxed(b"avc1", &[&[0; 78][..], &boxed(b"avcC", &config)].concat());
    let mut bytes = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
    for kind in [b"stbl", b"minf", b"mdia", b"trak", b"moov"] {
        bytes = boxed(kind, &bytes);
    }
    let video = VideoParams { codec: "avc1.64001f".into(), width: 1_920, height: 1_080 };
    Ok((InitSegment { bytes: bytes.into(), video, audio: None }, units))
}

/// The child of this process.
fn child() -> Option<u32> {
    let children = |entry: std::fs::DirEntry| std::fs::read_to_string(entry.path().join("children")).ok();
    let all = std::fs::read_dir("/proc/self/task").ok()?.filter_map(|entry| children(entry.ok()?));
    all.collect::<String>().split_whitespace().next()?.parse().ok()
}

/// Processor time that a process has used, to the clock tick of 10 ms.
fn processor_ms(process: u32) -> Result<u64, Box<dyn Error>> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<_> = stat.rsplit_once(')').ok_or("no fields")?.1.split_whitespace().collect();
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse().unwrap_or(0)).sum();
    Ok(ticks * 10)
}
