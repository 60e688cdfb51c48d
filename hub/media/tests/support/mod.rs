//! What several tests of this crate need: clips, an output that remembers, and a reader of boxes that shares no code
//! with the writer.

#![allow(dead_code, reason = "each test file uses its part of it")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base::Mono;
use base::footage::{AccessUnit, Fragment, InitSegment, Sample, Track};
use bytes::Bytes;
use media::Output;

/// Ticks between two pictures of the clips.
pub const PICTURE_90K: i64 = 4_500;
/// Samples of an audio frame.
pub const FRAME: i64 = 1_024;
/// AAC-LC, 16 kHz, mono.
pub const AAC_CONFIG: &[u8] = &[0x14, 0x08];

/// A clip of `tests/data`.
pub struct Clip {
    pub sps: Bytes,
    pub pps: Bytes,
    /// Each picture's NAL units, without parameter sets.
    pub pictures: Vec<Vec<Bytes>>,
    pub width: u16,
    pub height: u16,
}

impl Clip {
    pub fn load(name: &str, width: u16, height: u16) -> Self {
        let (mut sps, mut pps) = (None, None);
        let mut pictures = vec![Vec::new()];
        for nal in annex_b(&std::fs::read(data(name)).unwrap()) {
            match nal[0] & 31 {
                7 => sps = Some(nal),
                8 => pps = Some(nal),
                kind => {
                    pictures.last_mut().unwrap().push(nal);
                    if kind == 1 || kind == 5 {
                        pictures.push(Vec::new()); // one slice per picture
                    }
                }
            }
        }
        pictures.pop();
        Self { sps: sps.unwrap(), pps: pps.unwrap(), pictures, width, height }
    }

    /// 320×180.
    pub fn usual() -> Self {
        Self::load("clip.h264", 320, 180)
    }

    /// 160×90.
    pub fn smaller() -> Self {
        Self::load("smaller.h264", 160, 90)
    }

    pub fn avcc(&self) -> Bytes {
        let mut out = vec![1, self.sps[1], self.sps[2], self.sps[3], 0xff, 0xe1];
        out.extend((self.sps.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.sps);
        out.push(1);
        out.extend((self.pps.len() as u16).to_be_bytes());
        out.extend_from_slice(&self.pps);
        out.into()
    }

    /// Picture `i` with 4-byte lengths.
    pub fn picture(&self, i: usize) -> Bytes {
        let nals = &self.pictures[i];
        nals.iter().flat_map(|n| [&(n.len() as u32).to_be_bytes(), &n[..]].concat()).collect()
    }

    pub fn is_key(&self, i: usize) -> bool {
        self.pictures[i].iter().any(|n| n[0] & 31 == 5)
    }
}

/// The clip's 25 frames of sound, without ADTS headers and the encoder's priming frame.
pub fn sound() -> Vec<Bytes> {
    let adts = std::fs::read(data("sound.aac")).unwrap();
    let mut frames = Vec::new();
    let mut rest = &adts[..];
    while rest.len() > 7 {
        let len = (usize::from(rest[3]) & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5]) >> 5;
        frames.push(Bytes::copy_from_slice(&rest[7..len]));
        rest = &rest[len..];
    }
    frames[1..26].to_vec()
}

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn annex_b(bytes: &[u8]) -> Vec<Bytes> {
    let starts: Vec<usize> = (0..bytes.len() - 2).filter(|i| bytes[*i..*i + 3] == [0, 0, 1]).map(|i| i + 3).collect();
    let ends = starts[1..].iter().map(|s| s - 3).chain([bytes.len()]);
    let nal = |(start, end): (usize, usize)| {
        let trimmed = bytes[start..end].iter().rposition(|b| *b != 0).unwrap() + 1;
        Bytes::copy_from_slice(&bytes[start..start + trimmed])
    };
    starts.iter().copied().zip(ends).map(nal).collect()
}

/// What an output was given.
#[derive(Default)]
pub struct Seen {
    pub inits: Vec<(InitSegment, Mono)>,
    /// With the number of init segments before.
    pub fragments: Vec<(usize, Fragment)>,
    pub units: Vec<AccessUnit>,
    pub sound_dropped: Vec<String>,
    /// The output itself is gone.
    pub dropped: bool,
}

impl Seen {
    pub fn units_of(&self, track: Track) -> Vec<&AccessUnit> {
        self.units.iter().filter(|u| u.track == track).collect()
    }

    /// Every sample of every fragment, with its bytes.
    pub fn samples(&self, track: Track) -> Vec<(Sample, &[u8])> {
        self.fragments
            .iter()
            .flat_map(|(_, f)| f.samples.iter().map(move |s| (*s, &f.bytes[s.offset as usize..][..s.size as usize])))
            .filter(|(s, _)| s.track == track)
            .collect()
    }

    /// The last init segment and all fragments, as a file.
    pub fn file(&self) -> Vec<u8> {
        let fragments = self.fragments.iter().flat_map(|(_, f)| f.bytes.clone());
        self.inits.last().unwrap().0.bytes.iter().copied().chain(fragments).collect()
    }
}

/// An output that remembers; clones see the same.
#[derive(Clone, Default)]
pub struct Remember(pub Arc<Mutex<Seen>>);

impl Remember {
    pub fn output(&self) -> Box<dyn Output> {
        Box::new(Recorder(self.clone()))
    }

    pub fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap()
    }

    /// Waits until something was seen, at most 20 seconds.
    pub async fn until(&self, what: &str, predicate: impl Fn(&Seen) -> bool) {
        use base::Clock;
        let clock = base::SystemClock;
        let deadline = clock.mono() + Duration::from_secs(20);
        while !predicate(&self.seen()) {
            assert!(clock.mono() < deadline, "not seen in time: {what}");
            clock.sleep(Duration::from_millis(2)).await;
        }
    }
}

struct Recorder(Remember);

impl Output for Recorder {
    fn init(&mut self, init: InitSegment, zero: Mono) {
        self.0.seen().inits.push((init, zero));
    }
    fn fragment(&mut self, fragment: Fragment) {
        let mut seen = self.0.seen();
        let inits = seen.inits.len();
        seen.fragments.push((inits, fragment));
    }
    fn unit(&mut self, unit: &AccessUnit) {
        self.0.seen().units.push(unit.clone());
    }
    fn sound_dropped(&mut self, encoding: &str) {
        self.0.seen().sound_dropped.push(encoding.to_owned());
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.0.seen().dropped = true;
    }
}

/// One track of a `moof` as its bytes say.
#[derive(Debug, PartialEq, Eq)]
pub struct Traf {
    pub track: u32,
    pub tfdt: u64,
    pub data_offset: u32,
    /// Duration, size, flags, composition offset.
    pub samples: Vec<(u32, u32, u32, i32)>,
}

/// Reads a fragment: its sequence number and its tracks.
pub fn read_fragment(bytes: &[u8]) -> (u32, Vec<Traf>) {
    let top = boxes(bytes);
    assert_eq!(top.iter().map(|b| b.0).collect::<Vec<_>>(), [*b"moof", *b"mdat"]);
    let mut sequence = 0;
    let mut trafs = Vec::new();
    for (kind, content) in boxes(top[0].1) {
        match &kind {
            b"mfhd" => sequence = u32_at(content, 4),
            b"traf" => trafs.push(read_traf(content)),
            other => panic!("{other:?} in a moof"),
        }
    }
    (sequence, trafs)
}

fn read_traf(content: &[u8]) -> Traf {
    let parts = boxes(content);
    let part = |kind: &[u8; 4]| parts.iter().find(|p| &p.0 == kind).unwrap().1;
    let (tfhd, tfdt, trun) = (part(b"tfhd"), part(b"tfdt"), part(b"trun"));
    assert_eq!(u32_at(tfhd, 0), 0x0002_0000, "default-base-is-moof, nothing else");
    assert_eq!(tfdt[0], 1, "64 bits");
    assert_eq!(u32_at(trun, 0), 0x0100_0f01);
    let sample = |i: usize| {
        let at = |field: usize| u32_at(trun, 12 + 16 * i + 4 * field);
        (at(0), at(1), at(2), at(3) as i32)
    };
    Traf {
        track: u32_at(tfhd, 4),
        tfdt: u64::from_be_bytes(tfdt[4..12].try_into().unwrap()),
        data_offset: u32_at(trun, 8),
        samples: (0..u32_at(trun, 4) as usize).map(sample).collect(),
    }
}

/// Boxes one after another, which must fill `bytes` exactly.
pub fn boxes(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let len = u32_at(bytes, 0) as usize;
        found.push((bytes[4..8].try_into().unwrap(), &bytes[8..len]));
        bytes = &bytes[len..];
    }
    found
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}
