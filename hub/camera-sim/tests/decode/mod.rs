//! Decodes what cameras sent, with GStreamer.

use camera_sim::mark::{self, Mark};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

/// Marks of coded pictures (lists of NAL units), looked at after scaling to a size. Every picture must decode.
pub fn marks(pictures: &[Vec<Vec<u8>>], (width, height): (u32, u32)) -> Vec<Option<Mark>> {
    let coded = pictures
        .iter()
        .map(|nals| nals.iter().flat_map(|nal| [&[0, 0, 0, 1], nal.as_slice()].concat()).collect::<Vec<u8>>());
    let stride = width.next_multiple_of(4) as usize;
    let luma = decode(
        "caps=video/x-h264,stream-format=byte-stream,alignment=au ! h264parse ! avdec_h264 max-threads=1 ! videoscale",
        &format!("video/x-raw,format=I420,width={width},height={height}"),
        coded,
    );
    luma.iter().map(|luma| mark::read(luma, stride, width as usize, height as usize)).collect()
}

/// Samples of 16 kHz mono AAC frames, from -1 to 1.
pub fn samples(frames: impl Iterator<Item = Vec<u8>>) -> Vec<f32> {
    let pcm = decode(
        "caps=audio/mpeg,mpegversion=4,stream-format=raw,rate=16000,channels=1,codec_data=(buffer)1408 \
         ! avdec_aac ! audioconvert",
        "audio/x-raw,format=F32LE",
        frames,
    );
    pcm.concat().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn decode(decoder: &str, caps: &str, units: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    gst::init().unwrap();
    let text = format!("appsrc name=in format=time {decoder} ! {caps} ! appsink name=out sync=false");
    let pipeline = gst::parse::launch(&text).unwrap().downcast::<gst::Pipeline>().unwrap();
    let input = pipeline.by_name("in").and_downcast::<AppSrc>().unwrap();
    let output = pipeline.by_name("out").and_downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    for (i, unit) in units.enumerate() {
        let mut buffer = gst::Buffer::from_mut_slice(unit);
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(50) * i as u64);
        input.push_buffer(buffer).unwrap();
    }
    input.end_of_stream().unwrap();
    let mut decoded = Vec::new();
    while let Ok(sample) = output.pull_sample() {
        decoded.push(sample.buffer().unwrap().map_readable().unwrap().to_vec());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    decoded
}
