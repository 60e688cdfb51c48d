//! H.264 (ITU-T H.264, ISO/IEC 14496-15): pictures as NAL units with 4-byte lengths, parameters in `avcC`.
//! Interlaced pictures and such that are cropped pass like any other: nothing here looks into them.

use base::footage::VideoParams;
use bytes::Bytes;
use gstreamer as gst;

use super::bits::Bits;
use super::{BadParameters, LENGTH_BYTES, MAX_REORDER, Picture, VideoConfig, codec_data, nal_units, pixels};

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
    config(codec_data(s)?, pixels(s, "width")?, pixels(s, "height")?)
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
                reorder: first_sps(&avcc).and_then(reorder).unwrap_or(0),
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
pub(crate) fn inspect(unit: &[u8]) -> Result<Option<Picture>, BadParameters> {
    const SLICE: u8 = 1;
    const SLICE_IDR: u8 = 5;
    let mut found: Option<Picture> = None;
    for nal in nal_units(unit) {
        let nal = nal?;
        let kind = nal[0] & 31;
        if (SLICE..=SLICE_IDR).contains(&kind) {
            let first = found.is_none();
            let picture = found.get_or_insert(Picture { key: true, bidirectional: false });
            picture.key &= kind == SLICE_IDR;
            if first && (kind == SLICE || kind == SLICE_IDR) {
                picture.bidirectional = slice_type(&nal[1..]).is_some_and(|t| t % 5 == 1);
            }
        }
    }
    Ok(found)
}

/// `slice_type` of a slice header (H.264 §7.3.3): the second number in it. `None` where the slice is too short.
fn slice_type(header: &[u8]) -> Option<u32> {
    let mut bits = Bits::of(header);
    bits.ue()?; // first_mb_in_slice
    bits.ue()
}

/// The first sequence parameter set of a decoder configuration, without its NAL unit header.
fn first_sps(avcc: &[u8]) -> Option<&[u8]> {
    let (length, rest) = avcc.get(6..)?.split_first_chunk::<2>()?;
    rest.get(1..usize::from(u16::from_be_bytes(*length)))
}

/// How many pictures may come before one that is shown earlier, where a sequence parameter set (§7.3.2.1.1, annex E.1.1)
/// says so.
fn reorder(sps: &[u8]) -> Option<u8> {
    const BASELINE: u32 = 66;
    let mut bits = Bits::of(sps);
    let profile = bits.take(8)?;
    bits.skip(16)?; // constraints, level
    bits.ue()?; // seq_parameter_set_id
    if [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135].contains(&profile) {
        let chroma = bits.ue()?;
        bits.skip(u32::from(chroma == 3))?;
        bits.skip_ue(2)?; // bit depths
        bits.flag()?;
        if bits.flag()? {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.ue()?; // log2_max_frame_num_minus4
    match bits.ue()? {
        0 => bits.skip_ue(1)?,
        1 => {
            bits.flag()?;
            bits.skip_ue(2)?;
            let cycle = bits.ue().filter(|n| *n < 256)?;
            bits.skip_ue(cycle)?;
        }
        _ => return Some(0), // shown in the order of decoding
    }
    if profile == BASELINE {
        return Some(0); // has no B-pictures
    }
    bits.ue()?; // max_num_ref_frames
    bits.flag()?;
    bits.skip_ue(2)?; // size
    if !bits.flag()? {
        bits.flag()?; // mb_adaptive_frame_field_flag
    }
    bits.flag()?;
    if bits.flag()? {
        bits.skip_ue(4)?; // cropping
    }
    if !bits.flag()? {
        return None; // no VUI
    }
    if bits.flag()? && bits.take(8)? == 255 {
        bits.skip(32)?; // aspect ratio
    }
    if bits.flag()? {
        bits.skip(1)?; // overscan
    }
    if bits.flag()? {
        bits.skip(4)?; // video format and range
        if bits.flag()? {
            bits.skip(24)?; // colours
        }
    }
    if bits.flag()? {
        bits.skip_ue(2)?; // chroma location
    }
    if bits.flag()? {
        bits.skip(65)?; // timing
    }
    let hrds = [skip_hrd(&mut bits)?, skip_hrd(&mut bits)?];
    bits.skip(u32::from(hrds.contains(&true)))?; // low_delay_hrd_flag
    bits.flag()?; // pic_struct_present_flag
    if !bits.flag()? {
        return None; // no bitstream restriction
    }
    bits.flag()?;
    bits.skip_ue(4)?;
    bits.ue()?.try_into().ok().filter(|n| *n <= MAX_REORDER)
}

fn skip_scaling_list(bits: &mut Bits<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// `hrd_parameters` (annex E.1.2), if they are there.
fn skip_hrd(bits: &mut Bits<'_>) -> Option<bool> {
    let there = bits.flag()?;
    if there {
        let count = bits.ue().filter(|n| *n < 32)? + 1;
        bits.skip(8)?;
        for _ in 0..count {
            bits.skip_ue(2)?;
            bits.flag()?;
        }
        bits.skip(20)?;
    }
    Some(there)
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

    /// What x264 writes for 320x180, in profile High with B-pictures, and in Constrained Baseline.
    const HIGH_B: [u8; 26] = [
        0x67, 0x64, 0x00, 0x0c, 0xac, 0xd9, 0x41, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00,
        0x00, 0x03, 0x01, 0x40, 0xf1, 0x42, 0x99, 0x60,
    ];
    const BASELINE: [u8; 25] = [
        0x67, 0x42, 0xc0, 0x0b, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
        0x03, 0x01, 0x40, 0xf1, 0x42, 0xa4, 0x80,
    ];

    /// `avcC` with this sequence parameter set.
    fn avcc(sps: &[u8]) -> Vec<u8> {
        [&[1, sps[1], sps[2], sps[3], 0xff, 0xe1][..], &(sps.len() as u16).to_be_bytes(), sps].concat()
    }

    #[test]
    fn the_depth_of_reordering_is_read() {
        let depth = |sps: &[u8]| config(avcc(sps).into(), 320, 180).unwrap().reorder;
        // High, B-pyramid: two.
        assert_eq!(depth(&HIGH_B), 2);
        // Constrained baseline: none, also where nothing says so.
        assert_eq!(depth(&BASELINE), 0);
        // Cut short: not known.
        assert_eq!(depth(&HIGH_B[..12]), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = inspect(&bytes);
            let _ = slice_type(&bytes);
            let _ = reorder(&bytes);
            let _ = reorder(&[&[100, 0, 31][..], &bytes].concat());
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
