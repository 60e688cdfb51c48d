//! H.264 (ITU-T H.264, ISO/IEC 14496-15): pictures as NAL units with 4-byte lengths, parameters in `avcC`.

use base::footage::VideoParams;
use bytes::Bytes;
use gstreamer as gst;

use super::{BadParameters, Picture, VideoConfig, codec_data};

/// Bytes before each NAL unit; the only length size that the hub writes.
const LENGTH_BYTES: usize = 4;

/// Caps of a track with these parameters.
pub(crate) fn caps(avcc: &[u8], width: u16, height: u16) -> gst::Caps {
    gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("width", i32::from(width))
        .field("height", i32::from(height))
        .field("codec_data", gst::Buffer::from_slice(avcc.to_vec()))
        .build()
}

/// Template caps: what the sink takes.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::builder("video/x-h264").field("stream-format", "avc").field("alignment", "au").build()
}

/// Parameters from caps with `codec_data`, `width` and `height`.
pub(crate) fn from_caps(s: &gst::StructureRef) -> Result<VideoConfig, BadParameters> {
    let pixels = |name| {
        s.get::<i32>(name)
            .ok()
            .and_then(|n| u16::try_from(n).ok())
            .ok_or_else(|| BadParameters(format!("H.264 without a usable {name}")))
    };
    config(codec_data(s)?, pixels("width")?, pixels("height")?)
}

/// See [`VideoConfig::h264`].
pub(super) fn config(avcc: Bytes, width: u16, height: u16) -> Result<VideoConfig, BadParameters> {
    match avcc[..] {
        [1, profile, compatibility, level, lengths, sets, ..] => {
            if usize::from(lengths & 3) + 1 != LENGTH_BYTES {
                return Err(BadParameters("H.264 with NAL unit lengths that are not 4 bytes".into()));
            }
            if sets & 31 == 0 {
                return Err(BadParameters("H.264 without a sequence parameter set".into()));
            }
            let codec = format!("avc1.{profile:02x}{compatibility:02x}{level:02x}");
            Ok(VideoConfig {
                params: VideoParams { codec, width, height },
                entry: *b"avc1",
                config_box: *b"avcC",
                config: avcc,
            })
        }
        _ => Err(BadParameters("H.264 parameters are cut short".into())),
    }
}

/// Looks at one access unit. `None`: it holds no picture (a lone delimiter or message).
///
/// # Errors
/// A NAL unit that is empty or reaches beyond the access unit.
pub(crate) fn inspect(mut unit: &[u8]) -> Result<Option<Picture>, BadParameters> {
    const SLICE: u8 = 1;
    const SLICE_IDR: u8 = 5;
    let mut found: Option<Picture> = None;
    while !unit.is_empty() {
        let (length, rest) =
            unit.split_first_chunk::<LENGTH_BYTES>().ok_or_else(|| bad("a NAL unit's length is cut short"))?;
        let length = u32::from_be_bytes(*length) as usize;
        let nal = rest.get(..length).filter(|n| !n.is_empty()).ok_or_else(|| bad("a NAL unit is cut short"))?;
        let kind = nal[0] & 31;
        if (SLICE..=SLICE_IDR).contains(&kind) {
            let first = found.is_none();
            let picture = found.get_or_insert(Picture { key: true, bidirectional: false });
            picture.key &= kind == SLICE_IDR;
            if first && (kind == SLICE || kind == SLICE_IDR) {
                picture.bidirectional = slice_type(&nal[1..]).is_some_and(|t| t % 5 == 1);
            }
        }
        unit = &rest[length..];
    }
    Ok(found)
}

fn bad(text: &str) -> BadParameters {
    BadParameters(text.into())
}

/// `slice_type` of a slice header (H.264 §7.3.3): the second number in it. `None` where the slice is too short.
fn slice_type(header: &[u8]) -> Option<u64> {
    // Two Exp-Golomb numbers of a picture of any legal size end within 8 bytes.
    let mut bits = header.iter().take(8).flat_map(|byte| (0..8).rev().map(move |i| byte >> i & 1));
    let mut exp_golomb = || {
        let mut zeroes = 0;
        while bits.next()? == 0 {
            zeroes += 1;
        }
        let mut value = 1u64;
        for _ in 0..zeroes {
            value = value << 1 | u64::from(bits.next()?);
        }
        Some(value - 1)
    };
    exp_golomb()?; // first_mb_in_slice
    exp_golomb()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nal(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    #[test]
    fn an_idr_picture_is_a_key_picture_and_a_p_picture_is_not() {
        // first_mb 0 ("1"), slice_type 7, "all I" ("0001000").
        let idr = [nal(&[0x09, 0xf0]), nal(&[0x65, 0b1000_1000, 0x80])].concat();
        assert_eq!(inspect(&idr), Ok(Some(Picture { key: true, bidirectional: false })));
        // slice_type 5, "all P" ("00110").
        let p = nal(&[0x41, 0b1001_1000]);
        assert_eq!(inspect(&p), Ok(Some(Picture { key: false, bidirectional: false })));
        // A picture of which only one slice is IDR cannot be decoded alone.
        assert_eq!(inspect(&[idr, p].concat()).unwrap().map(|p| p.key), Some(false));
    }

    #[test]
    fn b_slices_are_seen() {
        // slice_type 6, "all B" ("00111").
        let b = nal(&[0x01, 0b1001_1100]);
        assert_eq!(inspect(&b), Ok(Some(Picture { key: false, bidirectional: true })));
    }

    #[test]
    fn a_unit_without_a_slice_is_no_picture() {
        assert_eq!(inspect(&nal(&[0x09, 0xf0])), Ok(None));
        assert_eq!(inspect(&[]), Ok(None));
    }

    #[test]
    fn parameters_that_cannot_be_used_are_refused() {
        for avcc in [&[][..], &[1, 100, 0, 31, 0xff], &[1, 100, 0, 31, 0xfd, 0xe1], &[1, 100, 0, 31, 0xff, 0xe0]] {
            assert!(config(Bytes::copy_from_slice(avcc), 640, 360).is_err(), "{avcc:?}");
        }
        let good = config(Bytes::from_static(&[1, 0x64, 0, 0x1f, 0xff, 0xe1, 0]), 640, 360).unwrap();
        assert_eq!(good.params.codec, "avc1.64001f");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = inspect(&bytes);
            let _ = slice_type(&bytes);
            let _ = config(bytes.into(), 16, 16);
        }

        #[test]
        fn a_unit_cut_inside_a_nal_is_refused(len in 2usize..200, cut in 1usize..199) {
            let whole = nal(&vec![0x41; len]);
            proptest::prop_assume!(cut < len);
            proptest::prop_assert!(inspect(&whole[..whole.len() - cut]).is_err());
        }
    }
}
