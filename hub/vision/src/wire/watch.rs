//! What hub and child say to each other while the child watches a camera.
//!
//! ```text
//! hub    254  0 (2)  length of the settings (4)  length of the names (4)  settings  names        once
//! hub    coding (1)  alone (1)  at (8)  width, height (2 each)  length of the parameters (4)  length of the picture (4)  parameters  picture
//! child  'S'  flags (1)  at (8)  since (8)  score, area, left, top, width, height (2 each)  length of the JPEG (4)
//!        left, top, width, height (2 each)  filled across and down (2 each)
//! ```
//!
//! One answer to each picture, in order; a JPEG (length 0: none) lies in the shared file until the next picture is sent, and behind
//! where one may lie the part that moves, in colour, of the width and height that the hub asked for (0: none). Times are milliseconds from anywhere, parts are of 65,535. The settings are a
//! sensitivity, then how many zones and how many masks, then each polygon: how many corners, and of each its two parts. The names are
//! those of decoders to be taken first, a line each.

use std::io::{self, Read, Write};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::trial::is_name;
use super::{CODECS, MAX_CODED_BYTES, WATCH, bad, head_of};
use crate::coded::Codec;
use crate::motion::{Bounds, Moving, Polygon, Sensitivity, Settings};
use crate::objects::{MAX_SIDE, Place, Size};

/// Most polygons of a kind.
pub(crate) const MAX_POLYGONS: usize = 16;
const HEAD: usize = 22;
const LOOKED: u8 = b'S';
const LOOKED_BYTES: usize = 46;
/// The largest JPEG of something that moves. One is some 50 KB.
pub(crate) const MAX_BEST_BYTES: u32 = 1 << 20;
const SENSITIVITIES: [Sensitivity; 3] = [Sensitivity::Low, Sensitivity::Normal, Sensitivity::High];

/// A picture to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub codec: Codec,
    /// A key picture that is looked at by itself; the next one is a key picture too.
    pub alone: bool,
    pub at: Duration,
    /// What moves in it is wanted in colour, of this size.
    pub part: Option<Size>,
    pub config: Vec<u8>,
    pub data: Vec<u8>,
}

/// What became of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Looked {
    pub at: Duration,
    pub suspicion: bool,
    /// It could not be decoded.
    pub undecoded: bool,
    /// Nothing here decodes its coding.
    pub no_decoder: bool,
    pub moving: Option<Moving>,
    /// Bytes of the JPEG of it; 0: none.
    pub jpeg: u32,
    /// What moves lies there in colour, and is from here.
    pub part: Option<Place>,
}

/// A whole request to watch; `first`: names of decoders to be taken first.
pub(crate) fn watch(settings: &Settings, first: &[String]) -> Vec<u8> {
    let sensitivity = SENSITIVITIES.iter().position(|s| *s == settings.sensitivity).unwrap_or(1);
    let zones = &settings.zones[..settings.zones.len().min(MAX_POLYGONS)];
    let masks = &settings.masks[..settings.masks.len().min(MAX_POLYGONS)];
    let mut bytes = vec![sensitivity as u8, zones.len() as u8, masks.len() as u8];
    for polygon in zones.iter().chain(masks) {
        bytes.push(polygon.corners().len() as u8); // 32 at most
        for (x, y) in polygon.corners() {
            bytes.extend([part(*x), part(*y)].map(u16::to_be_bytes).concat());
        }
    }
    let first = first.join("\n");
    [&head_of(WATCH, 0, bytes.len(), first.len())[..], &bytes, first.as_bytes()].concat()
}

/// The names in such a request, in the child.
pub(super) fn first(names: &[u8]) -> Vec<String> {
    let names = String::from_utf8_lossy(names);
    names.lines().filter(|name| is_name(name)).map(str::to_owned).collect()
}

/// The settings in such a request, in the child.
///
/// # Errors
/// They are none.
pub(super) fn settings(bytes: &mut impl Read) -> io::Result<Settings> {
    let mut head = [0; 3];
    bytes.read_exact(&mut head)?;
    let [sensitivity, zones, masks] = head.map(usize::from);
    let sensitivity = *SENSITIVITIES.get(sensitivity).ok_or_else(|| bad("a sensitivity that nobody knows"))?;
    let mut polygons = |count: usize| -> io::Result<Vec<Polygon>> {
        let polygon = |_| {
            let mut count = [0];
            bytes.read_exact(&mut count)?;
            let mut corners = Vec::new();
            for _ in 0..count[0] {
                let mut corner = [0; 4];
                bytes.read_exact(&mut corner)?;
                let [x1, x0, y1, y0] = corner;
                corners.push((whole(u16::from_be_bytes([x1, x0])), whole(u16::from_be_bytes([y1, y0]))));
            }
            Polygon::new(corners).ok_or_else(|| bad("a polygon that is none"))
        };
        (0..count).map(polygon).collect()
    };
    Ok(Settings { sensitivity, zones: polygons(zones)?, masks: polygons(masks)? })
}

/// The head of a picture; parameters and picture follow.
pub(crate) fn head(codec: Codec, alone: bool, at: Duration, part: Option<Size>, lengths: [usize; 2]) -> [u8; HEAD] {
    let kind = CODECS.iter().find(|(_, c)| *c == codec).map_or(0, |(kind, _)| *kind);
    let Size { width, height } = part.unwrap_or_default();
    let [config, data] = lengths.map(|len| (len as u32).to_be_bytes());
    let mut head = [kind; HEAD];
    head[1] = alone.into();
    head[2..10].copy_from_slice(&millis(at).to_be_bytes());
    head[10..14].copy_from_slice(&[width, height].map(u16::to_be_bytes).concat());
    head[14..18].copy_from_slice(&config);
    head[18..].copy_from_slice(&data);
    head
}

/// Reads a picture, in the child. `None`: the hub needs it no more.
///
/// # Errors
/// It is cut short, or too large.
pub(crate) fn picture(from: &mut impl Read) -> io::Result<Option<Picture>> {
    let mut head = [0; HEAD];
    if from.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..])?;
    let codec = CODECS.iter().find(|(k, _)| *k == head[0]).ok_or_else(|| bad("a coding that nobody knows"))?.1;
    let number = |at: usize| head[at..at + 4].iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
    let at = head[2..10].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    let [width, height] = [10, 12].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
    let part = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height);
    let part = part.then_some(Size { width, height });
    let mut parts = [number(14), number(18)].map(|len| if len > MAX_CODED_BYTES { None } else { Some(vec![0; len]) });
    for part in &mut parts {
        from.read_exact(part.as_mut().ok_or_else(|| bad("a picture is too large"))?)?;
    }
    let [config, data] = parts.map(Option::unwrap_or_default);
    Ok(Some(Picture { codec, alone: head[1] != 0, at: Duration::from_millis(at), part, config, data }))
}

impl Looked {
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let flags = [self.suspicion, self.moving.is_some(), self.undecoded, self.no_decoder, self.part.is_some()];
        let flags = flags.iter().rev().fold(0, |flags, flag| flags << 1 | u8::from(*flag));
        let mut bytes = vec![LOOKED, flags];
        bytes.extend(millis(self.at).to_be_bytes());
        let (since, parts) = match self.moving {
            None => (Duration::ZERO, [0.0; 6]),
            Some(Moving { since, score, area, bounds: b }) => (since, [score, area, b.left, b.top, b.width, b.height]),
        };
        bytes.extend(millis(since).to_be_bytes());
        bytes.extend(parts.map(|p| part(p).to_be_bytes()).concat());
        bytes.extend(self.jpeg.to_be_bytes());
        let part_of = self
            .part
            .map_or([0.0; 6], |Place { of: b, width, height }| [b.left, b.top, b.width, b.height, width, height]);
        bytes.extend(part_of.map(|p| part(p).to_be_bytes()).concat());
        to.write_all(&bytes)
    }

    /// Reads an answer, in the hub: nothing of it is of another time than the picture's, or outside of it.
    ///
    /// # Errors
    /// The child has ended, or says what no child says.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin), asked: Duration) -> io::Result<Self> {
        let mut bytes = [0; LOOKED_BYTES];
        from.read_exact(&mut bytes).await?;
        let number = |at: usize| bytes[at..at + 8].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        let (at, since) = (Duration::from_millis(number(2)), Duration::from_millis(number(10)));
        let six = |from: usize| {
            [0, 2, 4, 6, 8, 10].map(|n| whole(u16::from_be_bytes([bytes[from + n], bytes[from + n + 1]])))
        };
        let [score, area, left, top, width, height] = six(18);
        let flags = bytes[1];
        // What comes out may be of an earlier picture than what went in.
        let jpeg = u32::from_be_bytes([bytes[30], bytes[31], bytes[32], bytes[33]]);
        if jpeg > MAX_BEST_BYTES || bytes[0] != LOOKED || flags > 0b1_1111 || millis(at) > millis(asked) || since > at {
            return Err(bad("the child says what no child says"));
        }
        let inside = |left: f32, top: f32, width: f32, height: f32| Bounds {
            left,
            top,
            width: width.min(1.0 - left),
            height: height.min(1.0 - top),
        };
        let bounds = inside(left, top, width, height);
        let moving = (flags & 2 != 0).then_some(Moving { since, score, area, bounds });
        let [left, top, width, height, across, down] = six(34);
        let of = inside(left, top, width, height);
        // Of something that moves, and of some size.
        let part =
            flags & 16 != 0 && moving.is_some() && [of.width, of.height, across, down].iter().all(|side| *side > 0.0);
        let part = part.then_some(Place { of, width: across, height: down });
        let (suspicion, undecoded, no_decoder) = (flags & 1 != 0, flags & 4 != 0, flags & 8 != 0);
        Ok(Self { at, suspicion, undecoded, no_decoder, moving, jpeg, part })
    }
}

fn millis(at: Duration) -> u64 {
    at.as_millis() as u64 // half a milliard years
}

pub(super) fn part(of: f32) -> u16 {
    (of.clamp(0.0, 1.0) * 65_535.0).round() as u16
}

pub(super) fn whole(part: u16) -> f32 {
    f32::from(part) / 65_535.0
}

#[cfg(test)]
mod tests {
    use super::super::Request;
    use super::*;

    fn now<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn said(looked: &Looked, asked: Duration) -> io::Result<Looked> {
        let mut bytes = Vec::new();
        looked.write(&mut bytes)?;
        assert_eq!(bytes.len(), LOOKED_BYTES);
        now(Looked::read(&mut &bytes[..], asked))
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_asked_arrives() {
        let corner = Polygon::new(vec![(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]).unwrap();
        let settings =
            Settings { sensitivity: Sensitivity::High, zones: vec![corner.clone(); 2], masks: vec![corner.clone()] };
        let first = vec!["v4l2h264dec".to_owned(), "libde265dec".to_owned()];
        let asked = super::super::request(&mut &watch(&settings, &first)[..]).unwrap();
        assert_eq!(asked, Some(Request::Watch { settings, first }));
        let many = Settings { masks: vec![corner; 40], ..Settings::default() };
        assert!(
            matches!(super::super::request(&mut &watch(&many, &[])[..]), Ok(Some(Request::Watch { settings, first })) if settings.masks.len() == 16 && first.is_empty())
        );

        let part = Some(Size { width: 320, height: 640 });
        let mut bytes = head(Codec::H265, true, SECOND, part, [1, 2]).to_vec();
        bytes.extend([7, 8, 9]);
        let sent = Picture { codec: Codec::H265, alone: true, at: SECOND, part, config: vec![7], data: vec![8, 9] };
        assert_eq!(picture(&mut &bytes[..]).unwrap(), Some(sent));
        assert!(picture(&mut &bytes[..20]).is_err(), "cut short");
        assert_eq!(picture(&mut &[][..]).unwrap(), None, "the hub closed");
        assert!(picture(&mut &head(Codec::H264, false, SECOND, None, [0, MAX_CODED_BYTES + 1])[..]).is_err());
    }

    #[test]
    fn what_is_answered_arrives_and_nothing_else_is_believed() {
        let bounds = Bounds { left: 0.5, top: 0.0, width: 0.25, height: 1.0 };
        let moving = Some(Moving { since: SECOND / 2, score: 0.75, area: 0.1, bounds });
        let looked = Looked { at: SECOND, suspicion: true, moving, ..Looked::default() };
        let heard = said(&looked, SECOND).unwrap();
        let near = |a: f32, b: f32| (a - b).abs() < 0.001;
        let there = heard.moving.unwrap();
        assert!(
            heard.suspicion && there.since == SECOND / 2 && near(there.score, 0.75) && near(there.bounds.left, 0.5)
        );
        let failed = Looked { undecoded: true, no_decoder: true, ..Looked::default() };
        assert_eq!(said(&failed, SECOND).unwrap(), failed);
        let of = Bounds { left: 0.2, top: 0.4, width: 0.5, height: 0.5 };
        let part = said(&Looked { part: Some(Place { of, width: 1.0, height: 0.5 }), ..looked }, SECOND)
            .unwrap()
            .part
            .unwrap();
        assert!(near(part.of.left, 0.2) && near(part.of.height, 0.5) && near(part.height, 0.5), "{part:?}");
        let nothing = Looked { part: Some(Place { of, width: 0.0, height: 0.5 }), ..looked };
        assert_eq!(said(&nothing, SECOND).unwrap().part, None, "of no size");
        let pictured = |jpeg| said(&Looked { jpeg, ..looked }, SECOND);
        assert_eq!(pictured(MAX_BEST_BYTES).unwrap().jpeg, MAX_BEST_BYTES);
        assert!(pictured(MAX_BEST_BYTES + 1).is_err());
        assert!(said(&looked, SECOND / 2).is_err(), "of a picture that it was not given");
        let after = Some(Moving { since: 2 * SECOND, ..there });
        assert!(said(&Looked { moving: after, ..looked }, SECOND).is_err(), "begun after it was seen");
        let outside = Some(Moving { bounds: Bounds { left: 0.9, width: 0.9, ..bounds }, ..there });
        let bounds = said(&Looked { moving: outside, ..looked }, SECOND).unwrap().moving.unwrap().bounds;
        assert!(bounds.left + bounds.width <= 1.0, "in the picture, whatever it says");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, at: u64) {
            let _ = settings(&mut &bytes[..]);
            let _ = picture(&mut &bytes[..]);
            let _ = now(Looked::read(&mut &bytes[..], Duration::from_millis(at)));
        }
    }
}
