//! What cameras to simulate. Parsed into values that can be made.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;

use base::footage::StreamName;
use rtsp_server::{Credentials, Scheme};

/// Most cameras of one simulator.
pub(crate) const MAX_CAMERAS: u16 = 999;
/// Most pictures per second.
pub(crate) const MAX_FPS: u32 = 60;
/// Length of all clips in seconds: at any whole number of pictures per second it is a whole number of pictures, and
/// of AAC frames at 16 kHz (125 of 1,024 samples), so that a clip loops without a seam.
pub(crate) const CLIP_SECONDS: u32 = 8;

/// A value that cannot be used. Says what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {must}")]
pub struct BadOption {
    /// What was given.
    pub what: String,
    /// What it must be.
    pub must: &'static str,
}

/// Which cameras to simulate, and where.
#[derive(Clone)]
pub struct Options {
    /// How many; their names are `cam01`, `cam02`, and so on.
    pub cameras: u16,
    /// Number of the first one; of several simulators each needs its own, for every picture to say whose it is.
    pub first: u16,
    /// Address to listen on.
    pub address: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Size of the main stream's pictures.
    pub size: Size,
    /// Pictures per second of both streams, 1 to 60.
    pub fps: u32,
    /// Coding of the pictures.
    pub codec: Codec,
    /// Main stream's bitrate in kbit/s, without sound; `None` is 3,000 at 1920x1080 and 20 pictures per second, and as
    /// much per pixel at others.
    pub bitrate_kbit: Option<u32>,
    /// Seconds between two key pictures: 1, 2, 4 or 8. A client waits for the next one.
    pub key_seconds: u32,
    /// Timestamps wrap around 12 seconds after the start, and sequence numbers before, instead of beginning anywhere.
    pub wrap: bool,
    /// Sound of both streams.
    pub audio: Audio,
    /// Who may play; anybody if `None`.
    pub credentials: Option<Credentials>,
    /// How the password is asked for.
    pub scheme: Scheme,
    /// Folder of encoded clips; `None` keeps none.
    pub cache: Option<PathBuf>,
}

impl Default for Options {
    /// Four cameras with the stream that recorders are measured with: 1920x1080, 20 pictures per second, 3 Mbit/s, a
    /// key picture every 2 seconds, with sound; on a free port of this machine.
    fn default() -> Self {
        Self {
            cameras: 4,
            first: 1,
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            size: Size { width: 1_920, height: 1_080 },
            fps: 20,
            codec: Codec::H264,
            bitrate_kbit: None,
            key_seconds: 2,
            wrap: false,
            audio: Audio::Aac,
            credentials: None,
            scheme: Scheme::Digest,
            cache: default_cache(),
        }
    }
}

impl Options {
    /// Small cameras for tests: 320x180, 10 pictures per second, a key picture every second.
    pub fn small(cameras: u16) -> Self {
        Self { cameras, size: Size { width: 320, height: 180 }, fps: 10, key_seconds: 1, ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), BadOption> {
        let bad = |what: String, must| Err(BadOption { what, must });
        if self.cameras == 0 || self.cameras > MAX_CAMERAS {
            return bad(format!("{} cameras", self.cameras), "cannot be simulated: from 1 to 999 can");
        }
        if self.first == 0 || self.first > MAX_CAMERAS + 1 - self.cameras {
            return bad(format!("{} as the first camera's number", self.first), "cannot be: all are from 1 to 999");
        }
        if self.codec == Codec::Mjpeg && (self.size.width > 2_040 || self.size.height > 2_040) {
            return bad(format!("{} as JPEG", self.size), "cannot be sent: from 160x90 to 2040x2040 can (RFC 2435)");
        }
        if self.fps == 0 || self.fps > MAX_FPS {
            return bad(format!("{} pictures per second", self.fps), "cannot be simulated: from 1 to 60 can");
        }
        if self.bitrate_kbit.is_some_and(|kbit| !(50..=50_000).contains(&kbit)) {
            return bad("The bitrate".into(), "must be from 50 to 50,000 kbit/s");
        }
        if !matches!(self.key_seconds, 1 | 2 | 4 | CLIP_SECONDS) {
            return bad("The time between key pictures".into(), "must be 1, 2, 4 or 8 seconds");
        }
        Ok(())
    }

    /// Size and bitrate in kbit/s of a stream.
    pub(crate) fn stream(&self, stream: StreamName) -> (Size, u32) {
        let main = self.bitrate_kbit.unwrap_or_else(|| usual_kbit(self.size, self.fps));
        let (size, kbit) = match stream {
            StreamName::Main => (self.size, main),
            StreamName::Sub => (self.size.sub(), usual_kbit(self.size.sub(), self.fps).min(main)),
        };
        (if self.codec == Codec::Mjpeg { size.in_blocks() } else { size }, kbit)
    }

    /// The numbers of the cameras.
    pub(crate) fn numbers(&self) -> std::ops::Range<u16> {
        self.first..self.first + self.cameras
    }
}

/// The name of camera `number`, counted from 1.
pub(crate) fn name(number: u16) -> String {
    format!("cam{number:02}")
}

fn usual_kbit(size: Size, fps: u32) -> u32 {
    let pixels = |w: u32, h: u32, fps: u32| u64::from(w) * u64::from(h) * u64::from(fps);
    let share = 3_000 * pixels(size.width, size.height, fps) / pixels(1_920, 1_080, 20);
    (share as u32).clamp(150, 50_000)
}

fn default_cache() -> Option<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let folder = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(folder.join("keepsight/clips"))
}

/// Size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    width: u32,
    height: u32,
}

impl Size {
    /// From 160x90 to 3840x2160, even. Pictures whose sides are no multiples of 16 are cropped by their parameters.
    pub fn new(width: u32, height: u32) -> Result<Self, BadOption> {
        let fits = (160..=3_840).contains(&width) && (90..=2_160).contains(&height);
        if fits && width.is_multiple_of(2) && height.is_multiple_of(2) {
            Ok(Self { width, height })
        } else {
            Err(BadOption {
                what: format!("{width}x{height}"),
                must: "is not a size that can be simulated: give one from 160x90 to 3840x2160, both even",
            })
        }
    }
    /// Width in pixels.
    pub fn width(self) -> u32 {
        self.width
    }
    /// Height in pixels.
    pub fn height(self) -> u32 {
        self.height
    }
    /// Rounded up to what JPEG over RTP can say: multiples of 8.
    fn in_blocks(self) -> Self {
        Self { width: self.width.next_multiple_of(8), height: self.height.next_multiple_of(8) }
    }
    /// The sub stream's: 640 or 320 pixels wide, of the same shape.
    fn sub(self) -> Self {
        let width = [640, 320].into_iter().find(|w| *w < self.width).unwrap_or(self.width);
        let height = (self.height * width / self.width / 2 * 2).max(90);
        Self { width, height }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = BadOption;
    fn from_str(text: &str) -> Result<Self, BadOption> {
        let (width, height) = text
            .split_once('x')
            .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)))
            .ok_or_else(|| BadOption { what: format!("\"{text}\""), must: "is not a size: give one like 1280x720" })?;
        Self::new(width, height)
    }
}

/// Coding of the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// H.264, constrained baseline, without B-pictures.
    H264,
    /// H.264, High, three B-pictures between two others, in a pyramid.
    H264B,
    /// H.264, Main, interlaced: both fields in one picture.
    H264Interlaced,
    /// H.265, Main, without B-pictures; every GOP is closed.
    H265,
    /// H.265, Main, with B-pictures in a pyramid; every GOP but the clip's first one is open: pictures that are shown before
    /// its key picture come after it.
    H265Open,
    /// JPEG pictures, each for itself. Sizes are rounded up to multiples of 8.
    Mjpeg,
}

impl Codec {
    const ALL: [Codec; 6] =
        [Codec::H264, Codec::H264B, Codec::H264Interlaced, Codec::H265, Codec::H265Open, Codec::Mjpeg];
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Codec::H264 => "h264",
            Codec::H264B => "h264-b",
            Codec::H264Interlaced => "h264-interlaced",
            Codec::H265 => "h265",
            Codec::H265Open => "h265-open",
            Codec::Mjpeg => "mjpeg",
        })
    }
}

impl FromStr for Codec {
    type Err = BadOption;
    fn from_str(text: &str) -> Result<Self, BadOption> {
        Codec::ALL.into_iter().find(|codec| codec.to_string() == text).ok_or_else(|| BadOption {
            what: format!("\"{text}\""),
            must: "is not a codec that can be simulated: give h264, h264-b, h264-interlaced, h265, h265-open or mjpeg",
        })
    }
}

/// Sound: a tone in the first fifth of each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audio {
    /// None.
    Off,
    /// AAC-LC, 16 kHz, mono.
    Aac,
    /// G.711 µ-law, 8 kHz, mono, which many cameras send until they are told otherwise.
    Pcmu,
    /// G.711 A-law, 8 kHz, mono.
    Pcma,
    /// Opus, 48 kHz, mono, 20 ms a packet.
    Opus,
    /// 16 bits a sample, 16 kHz, mono: what browsers do not play in MP4.
    L16,
}

impl Audio {
    const ALL: [Audio; 6] = [Audio::Off, Audio::Aac, Audio::Pcmu, Audio::Pcma, Audio::Opus, Audio::L16];
}

impl fmt::Display for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Audio::Off => "off",
            Audio::Aac => "aac",
            Audio::Pcmu => "pcmu",
            Audio::Pcma => "pcma",
            Audio::Opus => "opus",
            Audio::L16 => "l16",
        })
    }
}

impl FromStr for Audio {
    type Err = BadOption;
    fn from_str(text: &str) -> Result<Self, BadOption> {
        let name = if text == "g711" { "pcmu" } else { text };
        Audio::ALL.into_iter().find(|audio| audio.to_string() == name).ok_or_else(|| BadOption {
            what: format!("\"{text}\""),
            must: "is not a sound that can be simulated: give aac, pcmu, pcma, opus, l16 or off",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_size_is_one_that_can_be_encoded() {
        for good in ["1920x1080", "1280x720", "160x90", "3840x2160", "640x480", "1366x768"] {
            assert_eq!(good.parse::<Size>().unwrap().to_string(), good);
        }
        for bad in ["", "x", "1280", "1280x", "1280x721", "1283x720", "0x0", "7680x4320", "-8x90", "1280X720"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_sub_stream_is_small_and_of_the_same_shape() {
        for (main, sub) in
            [("1920x1080", "640x360"), ("640x360", "320x180"), ("320x180", "320x180"), ("1280x960", "640x480")]
        {
            assert_eq!(main.parse::<Size>().unwrap().sub().to_string(), sub);
        }
    }

    #[test]
    fn the_default_is_the_bench_stream() {
        let (size, kbit) = Options::default().stream(StreamName::Main);
        assert_eq!((size.to_string().as_str(), kbit), ("1920x1080", 3_000));
    }

    proptest! {
        #[test]
        fn any_text_is_a_size_or_an_error(text in "\\PC*") {
            let _ = text.parse::<Size>();
        }
        #[test]
        fn any_sub_size_is_a_size(w in 20u32..=480, h in 45u32..=1080) {
            let sub = Size::new(w * 8, h * 2).unwrap().sub();
            prop_assert_eq!(Size::new(sub.width, sub.height), Ok(sub));
        }
    }
}
