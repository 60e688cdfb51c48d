//! One coded picture, with what a decoder must know first.

use base::footage::{AccessUnit, InitSegment};
use bytes::Bytes;

/// How a picture is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264, NAL units with 4-byte lengths.
    H264,
    /// ITU-T H.265, likewise.
    H265,
    /// A JPEG picture.
    Mjpeg,
}

/// A key picture: can be decoded without others.
#[derive(Clone, PartialEq, Eq)]
pub struct Coded {
    /// How it is coded.
    pub codec: Codec,
    /// The content of its `avcC` or `hvcC` box; empty for JPEG.
    pub config: Bytes,
    /// Its bytes.
    pub data: Bytes,
    /// Width in pixels, as the camera says.
    pub width: u16,
}

impl std::fmt::Debug for Coded {
    /// Without the picture.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Coded({:?}, {} bytes)", self.codec, self.data.len())
    }
}

impl Coded {
    /// A key picture of a stream with these parameters; `None` for a coding that is not known here.
    pub fn new(init: &InitSegment, unit: &AccessUnit) -> Option<Self> {
        let (codec, config) = Self::coding(init)?;
        Some(Self { codec, config, data: unit.data.clone(), width: init.video.width })
    }

    /// How the pictures of a stream are coded, and with which parameters; likewise.
    pub(crate) fn coding(init: &InitSegment) -> Option<(Codec, Bytes)> {
        // RFC 6381 §3.3; MPEG-4 Part 1 object type 0x6c is JPEG.
        let kind = init.video.codec.to_ascii_lowercase();
        let (codec, config) = match kind.split_once('.').map_or(kind.as_str(), |(entry, _)| entry) {
            "avc1" | "avc3" => (Codec::H264, Some(b"avcC")),
            "hvc1" | "hev1" => (Codec::H265, Some(b"hvcC")),
            "jpeg" | "mjpg" | "mjpa" => (Codec::Mjpeg, None),
            "mp4v" if kind == "mp4v.6c" => (Codec::Mjpeg, None),
            _ => return None,
        };
        let config = match config {
            Some(kind) => config_box(&init.bytes, kind)?,
            None => Bytes::new(),
        };
        Some((codec, config))
    }
}

/// The content of the first box of a kind in the sample entry of an init segment (ISO/IEC 14496-12): found by its place, box
/// in box.
fn config_box(init: &Bytes, kind: &[u8; 4]) -> Option<Bytes> {
    let mut at = init.clone();
    for name in [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"] {
        at = child_box(&at, name)?;
    }
    // stsd: version, flags and count; then sample entries. A visual one (§12.1.3) has 78 bytes before its boxes.
    let entry = at.get(8..).filter(|e| e.len() >= 8)?;
    let size = u32::from_be_bytes(entry[..4].try_into().ok()?) as usize;
    let boxes = entry.get(8 + 78..size)?;
    child_box(&at.slice_ref(boxes), kind)
}

/// The content of the first box of a kind.
fn child_box(boxes: &Bytes, kind: &[u8; 4]) -> Option<Bytes> {
    let mut rest = &boxes[..];
    loop {
        let (head, _) = rest.split_first_chunk::<8>()?;
        let size = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        let content = rest.get(8..size)?;
        if &head[4..] == kind {
            return Some(boxes.slice_ref(content));
        }
        rest = &rest[size..];
    }
}

#[cfg(test)]
mod tests {
    use base::Mono;
    use base::footage::{Track, VideoParams};

    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    fn init(codec: &str, entry: &[u8; 4], config: &[u8]) -> InitSegment {
        let entry = boxed(entry, &[&[0; 78][..], config].concat());
        let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
        let mut inner = stsd;
        for kind in [b"stbl", b"minf", b"mdia", b"trak"] {
            inner = boxed(kind, &inner);
        }
        let moov = boxed(b"moov", &[boxed(b"mvhd", &[0; 100]), inner].concat());
        let bytes = [boxed(b"ftyp", b"iso6"), moov].concat().into();
        InitSegment { bytes, video: VideoParams { codec: codec.into(), width: 640, height: 360 }, audio: None }
    }

    fn unit() -> AccessUnit {
        let (track, arrived, data) = (Track::Video, Mono::default(), Bytes::from_static(b"picture"));
        AccessUnit { track, dts: 0, cts_offset: 0, duration: 0, key: true, arrived, data }
    }

    #[test]
    fn a_decoder_is_given_the_parameters_that_the_init_segment_holds() {
        let coded = |codec, entry, config: &[u8]| Coded::new(&init(codec, entry, config), &unit());
        let avc = coded("avc1.64001f", b"avc1", &boxed(b"avcC", &[1, 2, 3])).unwrap();
        assert_eq!((avc.codec, &avc.config[..], avc.width), (Codec::H264, &[1, 2, 3][..], 640));
        let hevc = coded("hvc1.1.6.L93.B0", b"hvc1", &[boxed(b"pasp", &[0; 8]), boxed(b"hvcC", &[7])].concat());
        assert_eq!(hevc.map(|c| (c.codec, c.config)), Some((Codec::H265, Bytes::from_static(&[7]))));
        assert_eq!(coded("mp4v.6C", b"mp4v", &[]).map(|c| c.codec), Some(Codec::Mjpeg));
        assert_eq!(coded("avc1.64001f", b"avc1", &[]), None, "without parameters");
        assert_eq!(coded("av01.0.04M.08", b"av01", &[]), None, "another coding");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, cut in 0usize..300, size: u32, at in 0usize..300) {
            let _ = config_box(&bytes.into(), b"avcC");
            let mut whole = init("avc1.64001f", b"avc1", &boxed(b"avcC", &[1, 2, 3])).bytes.to_vec();
            whole.truncate(cut);
            let _ = config_box(&whole.clone().into(), b"avcC");
            if let Some(four) = whole.get_mut(at..at + 4) {
                four.copy_from_slice(&size.to_be_bytes());
                let _ = config_box(&whole.into(), b"avcC");
            }
        }
    }
}
