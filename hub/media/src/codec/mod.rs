//! What the hub knows of each codec: one file per codec turns GStreamer caps into the parameters of a track and
//! looks at access units as far as recording needs it.
//!
//! A further codec is a further file here, an arm in [`video_from_caps`] or [`audio_from_caps`], and an arm where
//! the RTSP source picks its streams.

pub(crate) mod aac;
mod bits;
pub(crate) mod g711;
pub(crate) mod h264;
pub(crate) mod h265;
pub(crate) mod jpeg;
pub(crate) mod opus;

use base::footage::{AudioParams, VideoParams};
use bytes::Bytes;

use g711::{G711, Law};

/// Everything that a video track's sample entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoConfig {
    /// What players and the index are told.
    pub params: VideoParams,
    /// Type of the sample entry: `avc1`, `hvc1`, `mp4v`.
    pub entry: [u8; 4],
    /// Type of the box with the decoder configuration: `avcC`, `hvcC`, `esds`.
    pub config_box: [u8; 4],
    /// Content of that box, in a full box with its version and flags.
    pub config: Bytes,
    /// How many pictures may be decoded before one that is shown earlier, as the parameters say: 0 without B-pictures, and
    /// where nothing is said. At most 16.
    pub reorder: u8,
}

/// Everything that an audio track's sample entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioConfig {
    /// What players and the index are told.
    pub params: AudioParams,
    /// Type of the sample entry: `mp4a` or `Opus`.
    pub entry: [u8; 4],
    /// `mp4a`: the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1). `Opus`: the content of the `dOps` box.
    pub config: Bytes,
    /// PCM samples per access unit: its length in ticks of the track. `None`: each says its own.
    frame_ticks: Option<u32>,
}

impl VideoConfig {
    /// H.264, from an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1) and the picture's size in pixels.
    ///
    /// # Errors
    /// A record that is cut short, without a parameter set, or with NAL unit lengths other than 4 bytes.
    pub fn h264(avcc: Bytes, width: u16, height: u16) -> Result<Self, BadParameters> {
        h264::config(avcc, width, height)
    }

    /// H.265, from an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1) and the picture's size in pixels.
    ///
    /// # Errors
    /// A record that is cut short, without a parameter set, or with NAL unit lengths other than 4 bytes.
    pub fn h265(hvcc: Bytes, width: u16, height: u16) -> Result<Self, BadParameters> {
        h265::config(hvcc, width, height)
    }

    /// JPEG, from the picture's size in pixels; each picture brings its own parameters.
    pub fn jpeg(width: u16, height: u16) -> Self {
        jpeg::config(width, height)
    }
}

impl AudioConfig {
    /// AAC, from an AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1).
    ///
    /// # Errors
    /// A configuration that is cut short, reserved, or names its channels elsewhere.
    pub fn aac(specific: Bytes) -> Result<Self, BadParameters> {
        aac::config(specific)
    }

    /// Opus of one or two channels, as RTP carries it: without a header.
    ///
    /// # Errors
    /// Another number of channels.
    pub fn opus(channels: u16) -> Result<Self, BadParameters> {
        opus::config(channels)
    }

    /// How long an access unit lasts, in ticks of the track. `None`: it is none.
    pub(crate) fn ticks(&self, unit: &[u8]) -> Option<u32> {
        self.frame_ticks.or_else(|| opus::ticks(unit))
    }
}

/// A camera's sound that can be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sound {
    /// As it is.
    Kept(AudioConfig),
    /// As AAC that is made of it.
    Made(G711),
}

impl Sound {
    /// What is kept.
    pub fn config(&self) -> &AudioConfig {
        match self {
            Sound::Kept(config) => config,
            Sound::Made(g711) => &g711.made,
        }
    }

    /// Caps of a track of it.
    pub fn caps(&self) -> gstreamer::Caps {
        match self {
            Sound::Kept(config) if config.entry == *b"Opus" => opus::caps(config),
            Sound::Kept(config) => aac::caps(config),
            Sound::Made(g711) => g711.caps(),
        }
    }
}

/// A codec's parameters cannot be used; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadParameters(pub(crate) String);

/// What recording needs to know of one coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    /// It can be decoded without others, and so can all that follow it.
    pub key: bool,
    /// It may be shown before pictures that were decoded earlier.
    pub bidirectional: bool,
}

/// Template caps: all video that the sink takes.
pub(crate) fn video_template() -> gstreamer::Caps {
    let mut caps = h264::template();
    let all = caps.make_mut();
    all.append(h265::template());
    all.append(jpeg::template());
    caps
}

/// Reads a video track's parameters from fixed caps.
pub(crate) fn video_from_caps(caps: &gstreamer::CapsRef) -> Result<VideoConfig, BadParameters> {
    match caps.structure(0) {
        Some(s) if s.name() == "video/x-h264" => h264::from_caps(s),
        Some(s) if s.name() == "video/x-h265" => h265::from_caps(s),
        Some(s) if s.name() == "image/jpeg" => jpeg::from_caps(s),
        _ => Err(BadParameters(format!("video of the kind {caps} cannot be kept"))),
    }
}

/// Reads an audio track's parameters from fixed caps.
pub(crate) fn audio_from_caps(caps: &gstreamer::CapsRef) -> Result<Sound, BadParameters> {
    let unknown = || BadParameters(format!("sound of the kind {caps} cannot be kept"));
    let s = caps.structure(0).ok_or_else(unknown)?;
    match s.name().as_str() {
        "audio/mpeg" => aac::from_caps(s).map(Sound::Kept),
        "audio/x-opus" => opus::from_caps(s).map(Sound::Kept),
        "audio/x-mulaw" => G711::from_caps(Law::Mu, s).map(Sound::Made),
        "audio/x-alaw" => G711::from_caps(Law::A, s).map(Sound::Made),
        _ => Err(unknown()),
    }
}

/// What the sink takes as sound.
pub(crate) fn audio_template() -> gstreamer::Caps {
    let mut caps = aac::template();
    let caps_mut = caps.make_mut();
    for other in [opus::template()].into_iter().chain(g711::templates()) {
        caps_mut.append(other);
    }
    caps
}

/// Looks at one access unit of a track with these parameters. `None`: it holds no picture.
pub(crate) fn inspect(config: &VideoConfig, unit: &[u8]) -> Result<Option<Picture>, BadParameters> {
    match &config.entry {
        b"avc1" => h264::inspect(unit),
        b"hvc1" => h265::inspect(unit),
        b"mp4v" => Ok(jpeg::inspect(unit)),
        other => Err(BadParameters(format!("no pictures of the kind {other:?} are known"))),
    }
}

/// Bytes before each NAL unit; the only length size that the hub writes.
const LENGTH_BYTES: usize = 4;
/// The most that the standards allow a picture to be put off (H.264 annex A: 16 frames; H.265 annex A: 15).
pub(crate) const MAX_REORDER: u8 = 16;

/// The NAL units of an access unit; ends after the first error.
fn nal_units(mut unit: &[u8]) -> impl Iterator<Item = Result<&[u8], BadParameters>> {
    let bad = |text: &str| BadParameters(text.into());
    std::iter::from_fn(move || {
        if unit.is_empty() {
            return None;
        }
        let (head, rest) = match std::mem::take(&mut unit).split_first_chunk::<LENGTH_BYTES>() {
            Some(split) => split,
            None => return Some(Err(bad("a NAL unit's length is cut short"))),
        };
        match rest.split_at_checked(u32::from_be_bytes(*head) as usize) {
            Some((nal, rest)) if !nal.is_empty() => {
                unit = rest;
                Some(Ok(nal))
            }
            _ => Some(Err(bad("a NAL unit is cut short"))),
        }
    })
}

/// A width or height from caps.
fn pixels(s: &gstreamer::StructureRef, name: &str) -> Result<u16, BadParameters> {
    let pixels = s.get::<i32>(name).ok().and_then(|n| u16::try_from(n).ok());
    pixels.ok_or_else(|| BadParameters(format!("{} came without a usable {name}", s.name())))
}

/// The bytes that caps carry as `codec_data`.
fn codec_data(s: &gstreamer::StructureRef) -> Result<Bytes, BadParameters> {
    let buffer = s
        .get::<gstreamer::Buffer>("codec_data")
        .map_err(|_| BadParameters(format!("{} came without its parameters", s.name())))?;
    let map = buffer.map_readable().map_err(|_| BadParameters("parameters cannot be read".into()))?;
    Ok(Bytes::copy_from_slice(&map))
}
