//! Cameras whose pictures are broken: H.264 and H.265 over good RTSP, spoiled picture by picture. Each connection is shown another way to be
//! broken, and closed after some seconds.

use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use base::SystemClock;
use bytes::Bytes;
use rtsp_server::{
    After, Clip, ClipSource, Config, Media, Mount, Playing, Reserved, Server, Source, Start, TrackStart, Unit,
};

use crate::plug::Luck;

/// Pictures a second, and in each film; a key picture a second.
const FPS: usize = 10;
const PICTURES: usize = 2 * FPS;
/// Side in pixels of what claims to be huge: a hundred megabytes a picture, sixteen of them to be kept.
const HUGE: u32 = 8_192;

/// How pictures are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
}

/// A way to be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Each ends in its middle.
    Cut,
    /// A bit in some hundred bytes is another.
    Flips,
    /// The first bytes of each, which say what it is, are others.
    Heads,
    /// There is nothing but zeros in it: numbers that do not end.
    Zeros,
    /// There is nothing but noise in it.
    Noise,
    /// Some of what all others stand on is missing.
    Lost,
    /// They come in another order.
    Order,
    /// The end of each is another one's.
    Mixed,
    /// They say that they are something else.
    Kinds,
    /// They are another size from second to second, as is said.
    Sizes,
    /// They are huge, as is said, and all are to be kept: more memory than there is.
    Huge,
}

const WAYS: [Way; 11] = [
    Way::Cut,
    Way::Flips,
    Way::Heads,
    Way::Zeros,
    Way::Noise,
    Way::Lost,
    Way::Order,
    Way::Mixed,
    Way::Kinds,
    Way::Sizes,
    Way::Huge,
];

/// A coded picture: its parameter sets, if it has some, and then its slice; NAL units.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    parameters: Vec<Vec<u8>>,
    slice: Vec<u8>,
}

/// Two cameras, one for each coding. End with their handle.
pub struct BrokenCameras {
    _server: Server,
    sources: [Arc<Ways>; 2],
    urls: [String; 2],
}

impl BrokenCameras {
    /// The same seed breaks the same.
    ///
    /// # Panics
    /// If ffmpeg is missing, or no port is free.
    pub fn start(seed: u64) -> Self {
        let [h264, h265] = [Codec::H264, Codec::H265].map(|codec| Ways::new(codec, seed));
        let sources = [h264.1, h265.1];
        let mount = |media: Media, source: &Arc<Ways>| Mount {
            name: "broken".into(),
            tracks: vec![media],
            source: source.clone(),
        };
        let mounts = [("h264".to_owned(), mount(h264.0, &sources[0])), ("h265".to_owned(), mount(h265.0, &sources[1]))];
        let port = Reserved::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let server = Server::start(port, Config::new(Arc::new(SystemClock)), mounts).expect("it listens");
        let urls = ["h264", "h265"].map(|name| format!("rtsp://{}/{name}", server.addr()));
        Self { _server: server, sources, urls }
    }

    /// Where the hub is to ask.
    pub fn urls(&self) -> &[String; 2] {
        &self.urls
    }

    /// How often every way was shown of both codings, at least.
    pub fn shown(&self) -> u64 {
        let shown = self.sources.iter().flat_map(|source| &source.shown).map(|n| n.load(Ordering::Relaxed));
        shown.min().unwrap_or_default()
    }

    /// Whether both have been connected to since they were mended.
    pub fn mended(&self) -> bool {
        self.sources.iter().all(|source| source.shows_good.load(Ordering::Relaxed))
    }

    /// From the next connection on the pictures are good.
    pub fn mend(&self) {
        self.sources.iter().for_each(|source| source.good_from_now.store(true, Ordering::Relaxed));
    }
}

/// One way after the other, from connection to connection.
struct Ways {
    films: Vec<ClipSource>,
    good: ClipSource,
    next: AtomicU64,
    shown: [AtomicU64; WAYS.len()],
    good_from_now: AtomicBool,
    shows_good: AtomicBool,
}

impl Ways {
    fn new(codec: Codec, seed: u64) -> (Media, Arc<Self>) {
        let good = film(codec);
        let media = media(codec, &good);
        let source = |pictures: &[Picture], after| {
            let clip = clip(codec, pictures, &media);
            ClipSource::new(
                clip.into(),
                Arc::new(SystemClock),
                Start::Beginning,
                after,
                TrackStart { seq: 1, rtptime: 1 },
            )
        };
        let films = WAYS.map(|way| source(&spoiled(way, codec, &good, &mut Luck(seed ^ way as u64)), After::Close));
        let ways = Self {
            films: films.into(),
            good: source(&good, After::Loop),
            next: AtomicU64::new(0),
            shown: Default::default(),
            good_from_now: AtomicBool::new(false),
            shows_good: AtomicBool::new(false),
        };
        (media.clone(), Arc::new(ways))
    }
}

impl Source for Ways {
    fn play(&self) -> Playing {
        if self.good_from_now.load(Ordering::Relaxed) {
            self.shows_good.store(true, Ordering::Relaxed);
            return self.good.play();
        }
        let way = (self.next.fetch_add(1, Ordering::Relaxed) % WAYS.len() as u64) as usize;
        self.shown[way].fetch_add(1, Ordering::Relaxed);
        self.films[way].play()
    }
}

/// How a film is described.
pub(crate) fn media(codec: Codec, film: &[Picture]) -> Media {
    let sets: Vec<_> = film[0].parameters.iter().map(|nal| Bytes::from(nal.clone())).collect();
    let framerate = Some(FPS as u32);
    match (codec, &sets[..]) {
        (Codec::H264, [sps, pps]) => Media::H264 { parameter_sets: Some((sps.clone(), pps.clone())), framerate },
        (Codec::H265, [vps, sps, pps]) => {
            Media::H265 { parameter_sets: Some((vps.clone(), sps.clone(), pps.clone())), framerate }
        }
        _ => panic!("{codec:?} with {} parameter sets", sets.len()),
    }
}

pub(crate) fn clip(codec: Codec, pictures: &[Picture], media: &Media) -> Clip {
    let unit = |(n, picture): (usize, &Picture)| {
        let at = Duration::from_millis((n * 1_000 / FPS) as u64);
        let (timestamp, key) = ((n * 90_000 / FPS) as u32, !picture.parameters.is_empty());
        let nals = picture.parameters.iter().chain([&picture.slice]).map(Vec::as_slice);
        match codec {
            Codec::H264 => Unit::h264(0, at, timestamp, key, nals),
            Codec::H265 => Unit::h265(0, at, timestamp, key, nals),
        }
    };
    let units = pictures.iter().enumerate().map(unit).collect();
    let length = Duration::from_millis((pictures.len() * 1_000 / FPS) as u64);
    Clip::new(std::slice::from_ref(media), units, length).expect("it begins with a key picture")
}

/// A good film: each picture one slice, parameter sets before each key picture.
pub(crate) fn film(codec: Codec) -> Vec<Picture> {
    let (coder, format) = match codec {
        Codec::H264 => ("libx264", "h264"),
        Codec::H265 => ("libx265", "hevc"),
    };
    let input = format!("testsrc2=size=320x192:rate={FPS}");
    let mut command = Command::new("ffmpeg");
    command.args([
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        &input,
        "-frames:v",
        &PICTURES.to_string(),
        "-pix_fmt",
        "yuv420p",
    ]);
    command.args(["-c:v", coder, "-preset", "ultrafast", "-g", &FPS.to_string(), "-bf", "0"]);
    match codec {
        Codec::H264 => command.args(["-profile:v", "baseline", "-x264-params", "slices=1:scenecut=0"]),
        Codec::H265 => command.args(["-x265-params", "log-level=error:repeat-headers=1:bframes=0:scenecut=0:slices=1"]),
    };
    let out = command.args(["-f", format, "-"]).output().expect("ffmpeg runs: scripts/setup installs it");
    assert!(out.status.success(), "ffmpeg: {}", String::from_utf8_lossy(&out.stderr));
    let (mut pictures, mut parameters) = (Vec::new(), Vec::new());
    for nal in nals(&out.stdout) {
        match kind(codec, nal) {
            Kind::Parameters => parameters.push(nal.to_vec()),
            Kind::Slice => {
                pictures.push(Picture { parameters: std::mem::take(&mut parameters), slice: nal.to_vec() });
            }
            Kind::Other => {}
        }
    }
    assert_eq!(pictures.len(), PICTURES, "{codec:?}");
    pictures
}

enum Kind {
    Parameters,
    Slice,
    Other,
}

/// ITU-T H.264 table 7-1, H.265 table 7-1.
fn kind(codec: Codec, nal: &[u8]) -> Kind {
    match (codec, nal[0] & 31, nal[0] >> 1 & 63) {
        (Codec::H264, 7 | 8, _) | (Codec::H265, _, 32..=34) => Kind::Parameters,
        (Codec::H264, 1..=5, _) | (Codec::H265, _, 0..=31) => Kind::Slice,
        _ => Kind::Other,
    }
}

/// Those of a byte stream (H.264 Annex B), without start codes and what fills up before them.
fn nals(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<_> =
        stream.windows(3).enumerate().filter(|(_, three)| *three == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([stream.len()]);
    let trimmed = |nal: Range<usize>| {
        let nal = &stream[nal];
        &nal[..nal.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)]
    };
    starts.iter().zip(ends).map(|(start, end)| trimmed(start + 3..end)).filter(|nal| nal.len() > 2).collect()
}

fn spoiled(way: Way, codec: Codec, good: &[Picture], dice: &mut Luck) -> Vec<Picture> {
    // What says of a NAL unit what it is.
    let head = match codec {
        Codec::H264 => 1,
        Codec::H265 => 2,
    };
    let mut pictures = good.to_vec();
    match way {
        Way::Order => {
            // Within each second, which begins with its key picture.
            for second in pictures.chunks_mut(FPS) {
                second[1..].reverse();
            }
        }
        Way::Lost => {
            let mut n = 0;
            pictures.retain(|picture| {
                n += 1;
                !picture.parameters.is_empty() || n % 3 != 0
            });
        }
        Way::Sizes | Way::Huge => {
            for (n, picture) in pictures.iter_mut().enumerate() {
                let side = if way == Way::Huge { HUGE } else { 64 << (n / FPS * 4) };
                for nal in &mut picture.parameters {
                    *nal = claims(codec, nal, side).unwrap_or_else(|| nal.clone());
                }
            }
        }
        _ => {
            for Picture { parameters, slice } in &mut pictures {
                let other = &good[dice.below(good.len())].slice;
                let len = slice.len();
                match way {
                    Way::Cut => slice.truncate((len / 2).max(head + 1)),
                    Way::Flips => {
                        for _ in 0..=len / 200 {
                            slice[head + dice.below(len - head)] ^= 1 << dice.below(8);
                        }
                    }
                    Way::Heads => {
                        let end = (head + 8).min(len);
                        slice[head..end].fill_with(|| dice.draw() as u8);
                    }
                    Way::Zeros => slice[head..].fill(0),
                    Way::Noise => slice[head..].fill_with(|| dice.draw() as u8),
                    Way::Mixed => {
                        slice.truncate((len / 2).max(head + 1));
                        slice.extend_from_slice(&other[other.len() / 2..]);
                    }
                    // Only what is no key picture: or nobody would begin to look.
                    _ if parameters.is_empty() => slice[0] = dice.draw() as u8 & 0x7f,
                    _ => {}
                }
            }
        }
    }
    pictures
}

/// Sequence parameters that say that pictures are so large, and for H.264 that sixteen of them are kept; `None` for other NAL units.
fn claims(codec: Codec, nal: &[u8], side: u32) -> Option<Vec<u8>> {
    let head = match codec {
        Codec::H264 if nal[0] & 31 == 7 => 1,
        Codec::H265 if nal[0] >> 1 & 63 == 33 => 2,
        _ => return None,
    };
    let bits = Bits::of(&nal[head..]);
    let mut at = 0;
    let mut claimed = Bits::default();
    match codec {
        Codec::H264 => {
            // §7.3.2.1.1, of the baseline profile: profile, constraints, level; its number, frame numbers, order of pictures.
            at += 24;
            bits.skip_number(&mut at);
            bits.skip_number(&mut at);
            let is_by_number = bits.0[at]; // 0, which is one bit: how many digits there are follows
            bits.skip_number(&mut at);
            if is_by_number {
                bits.skip_number(&mut at);
            }
            claimed.0.extend(&bits.0[..at]);
            bits.skip_number(&mut at);
            claimed.number(16);
            claimed.0.push(bits.0[at]);
            at += 1;
            claimed.number(side / 16 - 1);
            claimed.number(side / 16 - 1);
        }
        Codec::H265 => {
            // §7.3.2.2.1, with one sub-layer: 8 bits, profile and level; its number, the format of colours.
            at += 8 + 96;
            bits.skip_number(&mut at);
            bits.skip_number(&mut at);
            claimed.0.extend(&bits.0[..at]);
            claimed.number(side);
            claimed.number(side);
        }
    }
    bits.skip_number(&mut at);
    bits.skip_number(&mut at);
    claimed.0.extend(&bits.0[at..]);
    Some([&nal[..head], &claimed.bytes()].concat())
}

/// What is in a NAL unit, bit by bit.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    /// Without the bytes that keep start codes out (H.264 §7.4.1).
    fn of(nal: &[u8]) -> Self {
        let (mut zeros, mut bits) = (0, Vec::new());
        for byte in nal {
            if zeros >= 2 && *byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            bits.extend((0..8).rev().map(|bit| byte >> bit & 1 == 1));
        }
        Self(bits)
    }

    /// Passes over an Exp-Golomb number (H.264 §9.1).
    fn skip_number(&self, at: &mut usize) {
        let zeros = self.0[*at..].iter().take_while(|bit| !**bit).count();
        *at += 2 * zeros + 1;
    }

    fn number(&mut self, number: u32) {
        let number = number + 1;
        let digits = number.ilog2();
        self.0.extend((0..digits).map(|_| false));
        self.0.extend((0..=digits).rev().map(|bit| number >> bit & 1 == 1));
    }

    fn bytes(&self) -> Vec<u8> {
        let (mut zeros, mut bytes) = (0, Vec::new());
        // After the last bit that is set there is nothing.
        let end = self.0.iter().rposition(|bit| *bit).map_or(0, |at| at + 1);
        for eight in self.0[..end].chunks(8) {
            let byte = eight.iter().enumerate().fold(0u8, |byte, (n, bit)| byte | u8::from(*bit) << (7 - n));
            if zeros >= 2 && byte <= 3 {
                bytes.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Width and height as ffprobe reads them of this stream.
    fn size(codec: Codec, picture: &Picture) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (file, format) = match codec {
            Codec::H264 => (folder.path().join("film.h264"), "h264"),
            Codec::H265 => (folder.path().join("film.h265"), "hevc"),
        };
        let nals = picture.parameters.iter().chain([&picture.slice]);
        std::fs::write(&file, nals.flat_map(|nal| [&[0, 0, 0, 1], &nal[..]].concat()).collect::<Vec<_>>()).unwrap();
        let out = Command::new("ffprobe")
            .args(["-v", "quiet", "-f", format, "-show_entries", "stream=coded_width,coded_height", "-of", "csv=p=0"])
            .arg(&file)
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn each_way_breaks_something_and_the_same_seed_the_same() {
        for codec in [Codec::H264, Codec::H265] {
            let good = film(codec);
            for way in WAYS {
                let broken = |seed| spoiled(way, codec, &good, &mut Luck(seed));
                assert!(broken(1) != good, "{codec:?} {way:?}");
                assert!(broken(1) == broken(1), "{codec:?} {way:?}");
                assert!(!broken(1)[0].parameters.is_empty(), "{codec:?} {way:?}: nobody would look");
            }
        }
    }

    #[test]
    fn what_claims_to_be_huge_is_taken_for_it() {
        for codec in [Codec::H264, Codec::H265] {
            let good = film(codec);
            let huge = spoiled(Way::Huge, codec, &good, &mut Luck(1));
            assert_eq!(size(codec, &huge[0]), "8192,8192", "{codec:?}");
            let nal = &good[0].parameters[good[0].parameters.len() - 2];
            let head = if codec == Codec::H264 { 1 } else { 2 };
            assert_eq!(Bits::of(&nal[head..]).bytes(), nal[head..], "read and written it is the same");
        }
    }
}
