//! H.265 (ITU-T H.265, ISO/IEC 14496-15 §8): pictures as NAL units with 4-byte lengths, parameters in `hvcC`.
//!
//! A key picture is any intra random access point (NAL unit types 16 to 23), so also the clean random access of an open
//! GOP. The leading pictures that follow such a one in the file lean on what came before it; a decoder that begins there
//! leaves them out by itself (§8.1.3, RASL).

use std::fmt::Write;

use base::footage::VideoParams;
use bytes::Bytes;
use gstreamer as gst;

use super::bits::Bits;
use super::{BadParameters, LENGTH_BYTES, MAX_REORDER, Picture, VideoConfig, codec_data, nal_units, pixels};

/// Bytes of a decoder configuration before its arrays of parameter sets.
const HVCC_HEAD: usize = 23;
/// NAL unit types (table 7-1).
const LAST_SLICE: u8 = 31;
const FIRST_KEY: u8 = 16;
const LAST_KEY: u8 = 23;
const SPS: u8 = 33;

/// Caps of a track with these parameters.
pub(crate) fn caps(hvcc: &[u8], width: u16, height: u16) -> gst::Caps {
    gst::Caps::builder("video/x-h265")
        .field("stream-format", "hvc1")
        .field("alignment", "au")
        .field("width", i32::from(width))
        .field("height", i32::from(height))
        .field("codec_data", gst::Buffer::from_slice(hvcc.to_vec()))
        .build()
}

/// Template caps: what the sink takes.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::builder("video/x-h265").field("stream-format", "hvc1").field("alignment", "au").build()
}

/// Parameters from caps with `codec_data`, `width` and `height`.
pub(crate) fn from_caps(s: &gst::StructureRef) -> Result<VideoConfig, BadParameters> {
    config(codec_data(s)?, pixels(s, "width")?, pixels(s, "height")?)
}

/// See [`VideoConfig::h265`].
pub(super) fn config(hvcc: Bytes, width: u16, height: u16) -> Result<VideoConfig, BadParameters> {
    let Some(head) = hvcc.first_chunk::<HVCC_HEAD>().filter(|head| head[0] == 1) else {
        return Err(BadParameters("H.265 parameters are cut short".into()));
    };
    if usize::from(head[21] & 3) + 1 != LENGTH_BYTES {
        return Err(BadParameters("H.265 with NAL unit lengths that are not 4 bytes".into()));
    }
    let Some(sps) = first_sps(&hvcc) else {
        return Err(BadParameters("H.265 without a sequence parameter set".into()));
    };
    Ok(VideoConfig {
        params: VideoParams { codec: codec(head), width, height },
        entry: *b"hvc1",
        config_box: *b"hvcC",
        reorder: reorder(sps).unwrap_or(0),
        config: hvcc,
    })
}

/// Looks at one access unit. `None`: it holds no picture (a lone delimiter or message).
///
/// # Errors
/// A NAL unit that is empty or reaches beyond the access unit.
pub(crate) fn inspect(unit: &[u8]) -> Result<Option<Picture>, BadParameters> {
    let mut found: Option<Picture> = None;
    for nal in nal_units(unit) {
        let nal = nal?;
        let kind = nal[0] >> 1 & 63;
        // What enhances a picture (a layer other than 0) is none by itself.
        let base_layer = nal.get(1).is_some_and(|second| nal[0] & 1 == 0 && second >> 3 == 0);
        if kind > LAST_SLICE || !base_layer {
            continue;
        }
        let key = (FIRST_KEY..=LAST_KEY).contains(&kind);
        let first = found.is_none();
        let picture = found.get_or_insert(Picture { key: true, bidirectional: false });
        picture.key &= key;
        if first && !key {
            picture.bidirectional = is_b_slice(&nal[2..]).unwrap_or(false);
        }
    }
    Ok(found)
}

/// The codec as RFC 6381 wants it: ISO/IEC 14496-15 annex E.3.
fn codec(head: &[u8; HVCC_HEAD]) -> String {
    let space = ["", "A", "B", "C"][usize::from(head[1] >> 6)];
    let profile = head[1] & 31;
    let tier = if head[1] & 32 == 0 { 'L' } else { 'H' };
    let compatibility = u32::from_be_bytes([head[2], head[3], head[4], head[5]]).reverse_bits();
    let mut codec = format!("hvc1.{space}{profile}.{compatibility:X}.{tier}{}", head[12]);
    let constraints = &head[6..12];
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        let _ = write!(codec, ".{byte:X}"); // to a string: cannot fail
    }
    codec
}

/// The first sequence parameter set of a decoder configuration, without its NAL unit header.
fn first_sps(hvcc: &[u8]) -> Option<&[u8]> {
    let (arrays, mut rest) = hvcc.get(HVCC_HEAD - 1..)?.split_first()?;
    for _ in 0..*arrays {
        let ([kind, count @ ..], after) = rest.split_first_chunk::<3>()?;
        rest = after;
        for _ in 0..u16::from_be_bytes(*count) {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (nal, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            if kind & 63 == SPS {
                return nal.get(2..);
            }
            rest = after;
        }
    }
    None
}

/// Is this the header of a B-slice (§7.3.6.1)? Assumes what nearly all cameras do: no extra bits in it, which only the
/// picture parameter set would tell. `None` where it is too short.
fn is_b_slice(header: &[u8]) -> Option<bool> {
    let mut bits = Bits::of(header);
    if !bits.flag()? {
        return None; // not the picture's first slice
    }
    bits.ue()?; // slice_pic_parameter_set_id
    Some(bits.ue()? == 0)
}

/// How many pictures may come before one that is shown earlier: `sps_max_num_reorder_pics` of the highest sub-layer
/// (§7.3.2.2).
fn reorder(sps: &[u8]) -> Option<u8> {
    let mut bits = Bits::of(sps);
    bits.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = bits.take(3).filter(|n| *n < 7)?;
    bits.skip(1)?;
    skip_profile_tier_level(&mut bits, sub_layers)?;
    bits.ue()?; // sps_seq_parameter_set_id
    let chroma = bits.ue()?;
    bits.skip(u32::from(chroma == 3))?;
    bits.skip_ue(2)?; // size
    if bits.flag()? {
        bits.skip_ue(4)?; // cropping
    }
    bits.skip_ue(3)?; // bit depths, log2_max_pic_order_cnt_lsb_minus4
    let first = if bits.flag()? { 0 } else { sub_layers };
    let mut depth = 0;
    for _ in first..=sub_layers {
        bits.ue()?; // sps_max_dec_pic_buffering_minus1
        depth = bits.ue()?;
        bits.ue()?; // sps_max_latency_increase_plus1
    }
    depth.try_into().ok().filter(|n| *n <= MAX_REORDER)
}

/// `profile_tier_level( 1, sub_layers )` (§7.3.3).
fn skip_profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Option<()> {
    bits.skip(88 + 8)?;
    let mut present = Vec::with_capacity(6);
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    present.into_iter().try_for_each(|(profile, level)| bits.skip(88 * u32::from(profile) + 8 * u32::from(level)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What x265 writes for 320x180 with its defaults.
    const SPS_NAL: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c,
        0xa0, 0x0a, 0x08, 0x0b, 0x9f, 0x79, 0x65, 0x66, 0x92, 0x4c, 0xaf, 0x01, 0x68, 0x08, 0x00, 0x00, 0x03, 0x00,
        0x08, 0x00, 0x00, 0x03, 0x00, 0x50, 0x40,
    ];

    fn nal(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    fn hvcc(profile: &[u8; 12], sps: &[u8]) -> Bytes {
        let mut out = vec![1];
        out.extend(profile);
        out.extend([0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, 2]);
        out.extend([0xa0, 0, 1, 0, 3, 0x40, 0x01, 0x0c]);
        out.extend([0xa1, 0, 1, (sps.len() >> 8) as u8, sps.len() as u8]);
        out.extend(sps);
        out.into()
    }

    #[test]
    fn the_codec_is_named_as_annex_e_does() {
        let named = |profile: &[u8; 12]| config(hvcc(profile, SPS_NAL), 320, 180).unwrap().params.codec;
        // The standard's own example, Main at level 3.1; no constraints; Main 10, high tier, level 5.
        assert_eq!(named(&[0x01, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93]), "hvc1.1.6.L93.B0");
        assert_eq!(named(&[0x01, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 153]), "hvc1.1.6.L153");
        assert_eq!(named(&[0x62, 0x20, 0, 0, 0, 0x90, 0, 1, 0, 0, 0, 150]), "hvc1.A2.4.H150.90.0.1");
    }

    #[test]
    fn the_depth_of_reordering_is_read() {
        assert_eq!(config(hvcc(&[1; 12], SPS_NAL), 320, 180).unwrap().reorder, 2);
        assert_eq!(config(hvcc(&[1; 12], &SPS_NAL[..20]), 320, 180).unwrap().reorder, 0, "cut short: not known");
    }

    #[test]
    fn every_random_access_point_is_a_key_picture() {
        let picture = |kind: u8, header: u8| inspect(&nal(&[kind << 1, 1, header, 0x80])).unwrap();
        for kind in 16..=21 {
            assert_eq!(picture(kind, 0xff), Some(Picture { key: true, bidirectional: false }), "{kind}");
        }
        // First slice, parameter set 0, then the type: B is 0 ("1"), P is 1 ("010").
        for kind in [0, 1, 6, 8, 9] {
            assert_eq!(picture(kind, 0b1110_0000), Some(Picture { key: false, bidirectional: true }), "{kind}");
            assert_eq!(picture(kind, 0b1101_0000), Some(Picture { key: false, bidirectional: false }), "{kind}");
        }
        let mixed = [nal(&[21 << 1, 1, 0x80]), nal(&[1 << 1, 1, 0x20])].concat();
        assert_eq!(inspect(&mixed).unwrap().map(|p| p.key), Some(false), "one slice that leans on others");
    }

    #[test]
    fn a_unit_without_a_slice_is_no_picture() {
        for kind in [32, 33, 34, 35, 39, 40] {
            assert_eq!(inspect(&nal(&[kind << 1, 1, 0x80])), Ok(None), "{kind}");
        }
        // A key picture of an enhancement layer.
        assert_eq!(inspect(&nal(&[20 << 1, 1 << 3 | 1, 0x80])), Ok(None));
        assert_eq!(inspect(&nal(&[20 << 1 | 1, 1, 0x80])), Ok(None));
    }

    #[test]
    fn parameters_that_cannot_be_used_are_refused() {
        let good = hvcc(&[1; 12], SPS_NAL).to_vec();
        let mut two_byte_lengths = good.clone();
        two_byte_lengths[21] = 0x0d;
        let mut without_sps = good.clone();
        without_sps[22] = 1;
        for bad in [&[][..], &good[..22], &good[..30], &two_byte_lengths, &without_sps] {
            assert!(config(Bytes::copy_from_slice(bad), 320, 180).is_err(), "{bad:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, at in 0usize..80, byte: u8) {
            let _ = inspect(&bytes);
            let _ = inspect(&nal(&[&[2], &bytes[..]].concat()));
            let _ = reorder(&bytes);
            let mut damaged = hvcc(&[1; 12], SPS_NAL).to_vec();
            let at = at.min(damaged.len() - 1);
            damaged[at] = byte;
            let _ = config(damaged.into(), 16, 16);
            let _ = config(bytes.into(), 16, 16);
        }

        #[test]
        fn a_unit_cut_inside_a_nal_is_refused(len in 3usize..200, cut in 1usize..199) {
            let whole = nal(&vec![0x02; len]);
            proptest::prop_assume!(cut < len);
            proptest::prop_assert!(inspect(&whole[..whole.len() - cut]).is_err());
        }
    }
}
