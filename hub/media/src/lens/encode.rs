//! Encoders of H.264: which there are, and how each is asked for what cameras give. In the child only.

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ingest::MediaError;

/// An encoder that is known, and what its settings are called: GStreamer has no common names.
struct Known {
    /// The element.
    name: &'static str,
    hardware: bool,
    /// The property for the bit rate, and how much of it is 1,000 bits a second.
    bitrate: Option<(&'static str, u32)>,
    /// The property for the pictures from one key picture to the next.
    key_interval: Option<&'static str>,
    /// Others. What an element does not have, or does not take, is left as it is.
    others: &'static [(&'static str, &'static str)],
    /// An element that brings pictures to where only its maker's hardware reads them, and the caps there.
    before: Option<(&'static str, &'static str)>,
    /// What is asked of what comes out.
    after: &'static str,
}

const PLAIN: Known = Known {
    name: "",
    hardware: true,
    bitrate: None,
    key_interval: None,
    others: &[],
    before: None,
    after: "video/x-h264",
};

/// Pictures are never coded out of their order: that would hold them back.
const KNOWN: &[Known] = &[
    Known {
        name: "x264enc",
        hardware: false,
        bitrate: Some(("bitrate", 1)),
        key_interval: Some("key-int-max"),
        others: &[("speed-preset", "superfast"), ("tune", "zerolatency"), ("bframes", "0"), ("threads", "1")],
        ..PLAIN
    },
    Known {
        name: "openh264enc",
        hardware: false,
        bitrate: Some(("bitrate", 1_000)),
        key_interval: Some("gop-size"),
        others: &[("rate-control", "bitrate"), ("complexity", "low")],
        ..PLAIN
    },
    va("vah264enc"),
    va("vah264lpenc"),
    nvidia("nvh264enc"),
    nvidia("nvcudah264enc"),
    nvidia("nvautogpuh264enc"),
    // A Raspberry Pi's up to the 4. Without a level its driver takes no picture.
    Known { name: "v4l2h264enc", after: "video/x-h264,level=(string)4", ..PLAIN },
    // NVIDIA's for Jetson.
    Known {
        name: "nvv4l2h264enc",
        bitrate: Some(("bitrate", 1_000)),
        key_interval: Some("iframeinterval"),
        others: &[("insert-sps-pps", "true")],
        before: Some(("nvvidconv", "video/x-raw(memory:NVMM),format=NV12")),
        ..PLAIN
    },
];

const fn va(name: &'static str) -> Known {
    let others = &[("rate-control", "vbr"), ("b-frames", "0")];
    Known { name, bitrate: Some(("bitrate", 1)), key_interval: Some("key-int-max"), others, ..PLAIN }
}

const fn nvidia(name: &'static str) -> Known {
    let others = &[("bframes", "0"), ("b-frames", "0"), ("zerolatency", "true"), ("zero-reorder-delay", "true")];
    Known { name, bitrate: Some(("bitrate", 1)), key_interval: Some("gop-size"), others, ..PLAIN }
}

/// Seconds from one key picture to the next.
const KEY_SECONDS: u32 = 2;
/// What most players and all browsers show; others encode what they are given.
const SHAPE: &str = "video/x-raw,format={I420,NV12},pixel-aspect-ratio=1/1";

/// An encoder of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    /// GStreamer's name of the element.
    pub name: String,
    pub hardware: bool,
}

/// Which pictures an encoder is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pictures {
    pub fps: u16,
    pub kbit: u32,
}

impl Pictures {
    /// As many bits as a picture of this size wants, if nobody said how many: 2 Mbit/s for 1280×720 15 times a second.
    pub(crate) fn new((width, height): (u16, u16), fps: u16, kbit: Option<u32>) -> Self {
        let pixels_per_second = u64::from(width) * u64::from(height) * u64::from(fps);
        let usual = (pixels_per_second / 6_912).clamp(200, 12_000) as u32;
        Self { fps, kbit: kbit.unwrap_or(usual) }
    }
}

/// The encoders of H.264 that are there, software first. Hardware that is not known is taken with what it does by itself.
pub(crate) fn candidates() -> Vec<Candidate> {
    use gst::ElementFactoryType as Type;
    let h264 = gst::Caps::new_empty_simple("video/x-h264");
    let all = gst::ElementFactory::factories_with_type(Type::ENCODER | Type::MEDIA_VIDEO, gst::Rank::NONE);
    let mut all: Vec<_> = all
        .into_iter()
        .filter(|factory| factory.can_src_any_caps(&h264))
        .filter_map(|factory| {
            let name = factory.name().to_string();
            let hardware = match KNOWN.iter().find(|known| known.name == name) {
                Some(known) => known.hardware,
                None => factory.metadata("klass").is_some_and(|klass| klass.contains("Hardware")).then_some(true)?,
            };
            Some(Candidate { name, hardware })
        })
        .collect();
    all.sort_by(|a, b| (a.hardware, &a.name).cmp(&(b.hardware, &b.name)));
    all
}

/// The elements from raw pictures to whole pictures of H.264, in the form that the sink takes.
///
/// # Errors
/// A part of GStreamer is missing.
pub(crate) fn chain(name: &str, pictures: Pictures) -> Result<Vec<gst::Element>, MediaError> {
    let known = KNOWN.iter().find(|known| known.name == name).unwrap_or(&PLAIN);
    let missing = |_| MediaError::Missing { element: "encoder", package: "gstreamer1.0-plugins-ugly" };
    let encoder = gst::ElementFactory::make(name).build().map_err(missing)?;
    let interval = KEY_SECONDS * u32::from(pictures.fps);
    if let Some((property, unit)) = known.bitrate {
        set(&encoder, property, &(pictures.kbit * unit).to_string());
    }
    if let Some(property) = known.key_interval {
        set(&encoder, property, &interval.to_string());
    }
    for (property, value) in known.others {
        set(&encoder, property, value);
    }
    if name == "v4l2h264enc" {
        let bits = u64::from(pictures.kbit) * 1_000;
        let controls = format!("controls,repeat_sequence_header=1,video_bitrate={bits},h264_i_frame_period={interval}");
        set(&encoder, "extra-controls", &controls);
    }
    let mut chain = vec![make("videoconvert")?, make("videoscale")?, filter(SHAPE)?];
    if let Some((element, caps)) = known.before {
        chain.extend([make(element)?, filter(caps)?]);
    }
    chain.extend([encoder, filter(known.after)?]);
    chain.extend(parse()?);
    Ok(chain)
}

/// The elements from H.264 of any form to the one that the sink takes.
pub(crate) fn parse() -> Result<[gst::Element; 2], MediaError> {
    Ok([make("h264parse")?, filter("video/x-h264,stream-format=avc,alignment=au")?])
}

/// Sets a property, if the element has it and it takes this.
fn set(element: &gst::Element, property: &str, value: &str) {
    let taken = element.find_property(property).and_then(|spec| glib::Value::deserialize_with_pspec(value, &spec).ok());
    match taken {
        Some(value) => element.set_property_from_value(property, &value),
        None => tracing::debug!(element = %element.name(), property, value, "an encoder does not take this"),
    }
}

pub(crate) fn filter(caps: &str) -> Result<gst::Element, MediaError> {
    let filter = make("capsfilter")?;
    filter.set_property("caps", caps.parse::<gst::Caps>().map_err(MediaError::Pipeline)?);
    Ok(filter)
}

pub(crate) fn make(name: &'static str) -> Result<gst::Element, MediaError> {
    let package = match name {
        "h264parse" | "jpegparse" => "gstreamer1.0-plugins-bad",
        "jpegdec" => "gstreamer1.0-plugins-good",
        _ => "gstreamer1.0-plugins-base",
    };
    gst::ElementFactory::make(name).build().map_err(|_| MediaError::Missing { element: name, package })
}
