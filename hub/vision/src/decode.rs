//! From a coded picture to a JPEG, with GStreamer; in the child only.
//!
//! The registry is not used: a child loads the few plugins that it names, and no program of the system scans for others.
//! Which element decodes is chosen by factory and rank, one after the other until one gives a picture: `decodebin3` of 1.22
//! does not fall back. **Software first**: for one picture a hardware decoder takes longer to open than the picture to decode,
//! and without its devices a child needs no file at all. Where there is no software decoder for a coding, the hardware's
//! plugins are loaded too, and in a child that the planner means to use hardware.

use std::path::PathBuf;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

use crate::coded::Codec;
use crate::devices;
use crate::wire::MAX_JPEG_BYTES;

/// Ours, and software decoders.
const PLUGINS: [&str; 8] =
    ["coreelements", "app", "videoparsersbad", "videoconvertscale", "jpeg", "libav", "openh264", "de265"];
/// Debian 11 and older have these two instead of `videoconvertscale`.
const OLD_PLUGINS: [&str; 2] = ["videoconvert", "videoscale"];
/// With NVIDIA's own for Jetson. Each registers only what there is a device for.
const HARDWARE_PLUGINS: [&str; 6] = ["va", "video4linux2", "v4l2codecs", "nvcodec", "nvvideo4linux2", "nvvidconv"];
/// A decoder that gives nothing in this time has failed; the hub gives up on all of them a little later.
const WITHIN: gst::ClockTime = gst::ClockTime::from_seconds(3);
/// Quality of the JPEG, of 100.
pub(crate) const QUALITY: i32 = 85;

/// NVIDIA's decoder for Jetson leaves its pictures in memory that only this one reads.
const FETCHES: [(&str, &str); 1] = [("nvv4l2decoder", "nvvidconv")];

/// What a child can decode.
pub(crate) struct Decoders {
    /// Device files of hardware decoders, where they are needed.
    pub devices: Vec<PathBuf>,
    /// What it lacks, for a person; empty if nothing.
    pub lacks: String,
}

/// Why there is no JPEG.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No element here decodes it.
    NoDecoder(String),
    /// None of those that should made a picture of it.
    Failed(String),
}

/// Starts GStreamer and loads what decoding needs, and what is there of hardware's where that is wanted. Before the child is
/// locked in.
///
/// # Errors
/// GStreamer does not start, or a part is missing without which there is no picture at all.
pub(crate) fn load(hardware: bool) -> Result<Decoders, String> {
    gst::init().map_err(|e| format!("GStreamer does not start: {e}"))?;
    let folder = plugin_folder().ok_or("GStreamer's plugins are not found")?;
    let load = |names: &[&str]| {
        for name in names {
            // One that is missing is missed when its element is asked for.
            let _ = gst::Plugin::load_file(format!("{folder}/libgst{name}.so"));
        }
    };
    load(&PLUGINS);
    for element in ["appsrc", "appsink", "videoconvert", "videoscale", "capsfilter", "jpegenc"] {
        if gst::ElementFactory::find(element).is_none() {
            load(&OLD_PLUGINS);
            if gst::ElementFactory::find(element).is_none() {
                return Err(format!("GStreamer's element {element} is missing"));
            }
        }
    }
    let missing = || [Codec::H264, Codec::H265].into_iter().filter(|codec| decoders(*codec).is_empty());
    if !hardware && missing().next().is_none() {
        return Ok(Decoders { devices: Vec::new(), lacks: String::new() });
    }
    load(&HARDWARE_PLUGINS);
    let lacks: Vec<_> = missing().map(name).collect();
    let lacks = if lacks.is_empty() { String::new() } else { format!("Nothing decodes {}", lacks.join(" and ")) };
    Ok(Decoders { devices: devices::of_decoders(), lacks })
}

/// A JPEG of a key picture, `width` pixels wide and as high as its shape wants; of its own width if that is 0. Pixels are
/// square in it.
pub(crate) fn jpeg(codec: Codec, width: u16, config: &[u8], data: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let decoders = decoders(codec);
    let mut why = Failure::NoDecoder(format!("Nothing here decodes {}", name(codec)));
    for decoder in decoders {
        match decode(&decoder, codec, width, config, data.clone()) {
            Ok(jpeg) => return Ok(jpeg),
            Err(e) => why = Failure::Failed(format!("{}: {e}", decoder.name())),
        }
    }
    Err(why)
}

/// Every element that decodes it: software first, then by rank.
pub(crate) fn decoders(codec: Codec) -> Vec<gst::ElementFactory> {
    use gst::ElementFactoryType as Type;
    let kinds = Type::DECODER | Type::MEDIA_VIDEO | Type::MEDIA_IMAGE;
    let caps = gst::Caps::new_empty_simple(media_type(codec));
    let mut all: Vec<_> = gst::ElementFactory::factories_with_type(kinds, gst::Rank::MARGINAL)
        .into_iter()
        .filter(|factory| factory.can_sink_any_caps(&caps))
        .collect();
    all.sort_by_key(|factory| (is_hardware(factory), std::cmp::Reverse(factory.rank())));
    all
}

/// It says so of itself.
pub(crate) fn is_hardware(decoder: &gst::ElementFactory) -> bool {
    // Some do not: stateful ones of V4L2, and NVIDIA's for Jetson.
    let known = decoder.name().starts_with("v4l2") || fetches(decoder).is_some();
    known || decoder.metadata("klass").is_some_and(|klass| klass.contains("Hardware"))
}

/// The element that fetches a decoder's pictures from where only its maker's hardware reads them.
pub(crate) fn fetches(decoder: &gst::ElementFactory) -> Option<&'static str> {
    FETCHES.iter().find(|(name, _)| decoder.name() == *name).map(|(_, fetches)| *fetches)
}

fn decode(
    decoder: &gst::ElementFactory,
    codec: Codec,
    width: u16,
    config: &[u8],
    data: Vec<u8>,
) -> Result<Vec<u8>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let make = |name: &str| gst::ElementFactory::make(name).build().map_err(|e| text(&e));
    let source = AppSrc::builder().caps(&caps(codec, config)).format(gst::Format::Time).build();
    let decoder = decoder.create().build().map_err(|e| text(&e))?;
    in_one_thread(&decoder);
    let mut shape = gst::Caps::builder("video/x-raw").field("pixel-aspect-ratio", gst::Fraction::new(1, 1));
    if width > 0 {
        shape = shape.field("width", i32::from(width));
    }
    let shape =
        gst::ElementFactory::make("capsfilter").property("caps", shape.build()).build().map_err(|e| text(&e))?;
    let encoder = gst::ElementFactory::make("jpegenc").property("quality", QUALITY).build().map_err(|e| text(&e))?;
    let sink = AppSink::builder().sync(false).max_buffers(1).build();

    let mut chain = vec![source.clone().upcast::<gst::Element>()];
    match codec {
        Codec::H264 => chain.push(make("h264parse")?),
        Codec::H265 => chain.push(make("h265parse")?),
        Codec::Mjpeg => {}
    }
    chain.extend([decoder, make("videoconvert")?, make("videoscale")?, shape, encoder, sink.clone().upcast()]);
    let pipeline = gst::Pipeline::new();
    pipeline.add_many(&chain).map_err(|e| text(&e))?;
    gst::Element::link_many(&chain).map_err(|e| text(&e))?;
    let jpeg = run(&pipeline, &source, &sink, data);
    let _ = pipeline.set_state(gst::State::Null); // the child ends after this anyway
    jpeg
}

/// One picture in, one picture out.
fn run(pipeline: &gst::Pipeline, source: &AppSrc, sink: &AppSink, data: Vec<u8>) -> Result<Vec<u8>, String> {
    let failed = |what: &str| {
        let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match error.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => format!("{what}: {}", error.error()),
            _ => what.to_owned(),
        }
    };
    pipeline.set_state(gst::State::Playing).map_err(|_| failed("it does not start"))?;
    let mut buffer = gst::Buffer::from_mut_slice(data);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
        buffer.set_dts(gst::ClockTime::ZERO);
    }
    source.push_buffer(buffer).map_err(|_| failed("it takes no picture"))?;
    source.end_of_stream().map_err(|_| failed("it takes no picture"))?;
    let sample = sink.try_pull_sample(WITHIN).ok_or_else(|| failed("no picture comes out"))?;
    let buffer = sample.buffer().ok_or_else(|| failed("no picture comes out"))?;
    let jpeg = buffer.map_readable().map_err(|_| failed("the picture cannot be read"))?;
    match u32::try_from(jpeg.len()) {
        Ok(len) if len <= MAX_JPEG_BYTES => Ok(jpeg.to_vec()),
        _ => Err("the picture is too large".to_owned()),
    }
}

/// One thread, and whole pictures only: of libav's decoders.
pub(crate) fn in_one_thread(decoder: &gst::Element) {
    for (property, value) in [("max-threads", "1"), ("output-corrupt", "false")] {
        if decoder.has_property(property) {
            decoder.set_property_from_str(property, value);
        }
    }
}

pub(crate) fn caps(codec: Codec, config: &[u8]) -> gst::Caps {
    let caps = gst::Caps::builder(media_type(codec));
    let format = match codec {
        Codec::H264 => "avc",
        Codec::H265 => "hvc1",
        Codec::Mjpeg => return caps.build(),
    };
    let config = gst::Buffer::from_slice(config.to_vec());
    caps.field("stream-format", format).field("alignment", "au").field("codec_data", config).build()
}

pub(crate) fn media_type(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "video/x-h264",
        Codec::H265 => "video/x-h265",
        Codec::Mjpeg => "image/jpeg",
    }
}

pub(crate) fn name(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
        Codec::Mjpeg => "JPEG",
    }
}

/// The folder of GStreamer's plugins: beside the library that this process has loaded.
fn plugin_folder() -> Option<String> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let library = maps.lines().find_map(|line| {
        let path = &line[line.find('/')?..];
        path.contains("/libgstreamer-1.0.so").then_some(path)
    })?;
    Some(format!("{}/gstreamer-1.0", library.rsplit_once('/')?.0))
}
