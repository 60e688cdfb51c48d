//! What GStreamer's source can take: for each coding of a session description the elements that unpack it, and the caps
//! that the sink is handed. A coding whose caps the sink does not take is one that cannot be kept.

use base::footage::Track;
use bytes::Bytes;
use gstreamer as gst;

use crate::codec::{AudioConfig, aac, opus};

/// One row.
pub(super) struct Coding {
    pub track: Track,
    /// `encoding-name` in GStreamer's caps: upper-case letters.
    name: &'static str,
    /// From RTP packets to [`Coding::caps`].
    pub elements: &'static [&'static str],
    /// What the sink is handed.
    caps: &'static str,
    /// The final caps, where the session description alone gives them: the sink waits for the sound's.
    pub described: fn(&gst::StructureRef) -> Option<gst::Caps>,
    /// Is this the first byte of a parameter set? Those are in the caps, and are not kept twice. Pictures are NAL units
    /// with 4-byte lengths then.
    pub parameters: Option<fn(u8) -> bool>,
}

const CODINGS: &[Coding] = &[
    Coding {
        track: Track::Video,
        name: "H264",
        elements: &["rtph264depay", "h264parse"],
        caps: "video/x-h264,stream-format=avc,alignment=au",
        described: unknown,
        parameters: Some(is_h264_parameters),
    },
    Coding {
        track: Track::Video,
        name: "H265",
        elements: &["rtph265depay", "h265parse"],
        caps: "video/x-h265,stream-format=hvc1,alignment=au",
        described: unknown,
        parameters: Some(|first| matches!(first >> 1 & 63, 32..=34)), // H.265 table 7-1: VPS, SPS, PPS
    },
    Coding {
        track: Track::Video,
        name: "JPEG",
        elements: &["rtpjpegdepay", "jpegparse"],
        caps: "image/jpeg",
        described: unknown,
        parameters: None,
    },
    sound("MPEG4-GENERIC", &["rtpmp4gdepay", "aacparse"], AAC, aac_described),
    sound("MP4A-LATM", &["rtpmp4adepay", "aacparse"], AAC, unknown),
    sound("PCMU", &["rtppcmudepay"], "audio/x-mulaw", g711_described),
    sound("PCMA", &["rtppcmadepay"], "audio/x-alaw", g711_described),
    sound("OPUS", &["rtpopusdepay", "opusparse"], "audio/x-opus", opus_described),
];

const AAC: &str = "audio/mpeg,mpegversion=4,stream-format=raw";

const fn sound(
    name: &'static str,
    elements: &'static [&'static str],
    caps: &'static str,
    described: fn(&gst::StructureRef) -> Option<gst::Caps>,
) -> Coding {
    Coding { track: Track::Audio, name, elements, caps, described, parameters: None }
}

impl Coding {
    /// The coding of a stream, from its `application/x-rtp` caps, if the sink takes it: `takes` are the caps of its pads for
    /// pictures and sound.
    pub fn of(rtp: &gst::StructureRef, takes: &[gst::Caps; 2]) -> Option<&'static Coding> {
        let name = rtp.get::<&str>("encoding-name").ok()?;
        let coding = CODINGS.iter().find(|coding| coding.name.eq_ignore_ascii_case(name))?;
        takes[usize::from(coding.track == Track::Audio)].can_intersect(&coding.caps()).then_some(coding)
    }

    /// What the sink is handed.
    pub fn caps(&self) -> gst::Caps {
        self.caps.parse().expect("the table's caps are caps")
    }
}

fn unknown(_: &gst::StructureRef) -> Option<gst::Caps> {
    None
}

/// RFC 3640: `config` is the AudioSpecificConfig in hexadecimal.
fn aac_described(rtp: &gst::StructureRef) -> Option<gst::Caps> {
    let config = unhex(rtp.get::<&str>("config").ok()?)?;
    Some(aac::caps(&AudioConfig::aac(config).ok()?))
}

fn unhex(text: &str) -> Option<Bytes> {
    let digits = text.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(byte).collect())?
}

/// RFC 7587: there is but one kind.
fn opus_described(_: &gst::StructureRef) -> Option<gst::Caps> {
    Some(opus::caps(&AudioConfig::opus(2).ok()?))
}

/// RFC 3551: the clock rate is the sampling rate; one channel unless it says otherwise.
fn g711_described(rtp: &gst::StructureRef) -> Option<gst::Caps> {
    let name = if rtp.get::<&str>("encoding-name").ok()?.ends_with('A') { "audio/x-alaw" } else { "audio/x-mulaw" };
    let channels = rtp.get::<&str>("encoding-params").ok().and_then(|n| n.parse().ok()).unwrap_or(1i32);
    let rate = rtp.get::<i32>("clock-rate").ok()?;
    Some(gst::Caps::builder(name).field("rate", rate).field("channels", channels).build())
}

/// H.264 table 7-1: SPS, PPS, SPS extension.
pub(crate) fn is_h264_parameters(first: u8) -> bool {
    matches!(first & 31, 7 | 8 | 13)
}

/// A picture without its parameter sets; `None` if it holds none. What is cut short is left as it is: the sink judges it.
pub(crate) fn without_parameters(unit: &[u8], is_parameters: fn(u8) -> bool) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let (mut rest, mut found) = (unit, false);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let end = 4 + (u32::from_be_bytes(*length) as usize).min(after.len());
        match after.first() {
            Some(first) if end > 4 && is_parameters(*first) => found = true,
            _ => kept.extend_from_slice(&rest[..end]),
        }
        rest = &rest[end..];
    }
    kept.extend_from_slice(rest);
    found.then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nal(bytes: &[u8]) -> Vec<u8> {
        [&(bytes.len() as u32).to_be_bytes(), bytes].concat()
    }

    #[test]
    fn parameter_sets_are_taken_out_of_a_picture_and_nothing_else() {
        let is_parameters = CODINGS[0].parameters.unwrap();
        let [delimiter, sps, pps, slice] = [&[9, 0xf0][..], &[0x67, 1, 2], &[0x68, 3], &[0x65, 4, 5, 6]].map(nal);
        let whole = [&delimiter[..], &sps, &pps, &slice].concat();
        assert_eq!(without_parameters(&whole, is_parameters), Some([&delimiter[..], &slice].concat()));
        assert_eq!(without_parameters(&[delimiter, slice].concat(), is_parameters), None);
    }

    #[test]
    fn a_coding_counts_only_if_the_sink_takes_it() {
        gst::init().unwrap();
        let takes = |video: &str| [video.parse().unwrap(), "audio/mpeg".parse().unwrap()];
        let rtp = |text: &str| text.parse::<gst::Structure>().unwrap();
        let h265 = rtp("application/x-rtp,media=video,encoding-name=H265");
        assert!(Coding::of(&h265, &takes("video/x-h264")).is_none());
        assert!(Coding::of(&h265, &takes("video/x-h264;video/x-h265")).is_some());
        let aac = rtp("application/x-rtp,media=audio,encoding-name=mpeg4-generic,config=(string)1408");
        let coding = Coding::of(&aac, &takes("video/x-h264")).unwrap();
        let caps = (coding.described)(&aac).unwrap();
        assert_eq!(caps.structure(0).unwrap().get::<i32>("rate"), Ok(16_000));
        for bad in ["config=(string)140", "config=(string)xy", "config=1408"] {
            let bad = rtp(&format!("application/x-rtp,encoding-name=MPEG4-GENERIC,{bad}"));
            assert_eq!((coding.described)(&bad), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_looked_through_without_a_panic(bytes: Vec<u8>) {
            for coding in CODINGS {
                if let Some(kept) = coding.parameters.and_then(|is| without_parameters(&bytes, is)) {
                    proptest::prop_assert!(kept.len() < bytes.len());
                }
            }
        }
    }
}
