//! Opus (RFC 6716) in MP4 ("Encapsulation of Opus in ISO Base Media File Format", version 0.8.1), as RTP carries it: one
//! packet each (RFC 7587).

use base::footage::AudioParams;
use gstreamer as gst;

use super::{AudioConfig, BadParameters};

/// Samples per second of every Opus decoder, ticks of RTP (RFC 7587 §4.1) and of the track.
pub(crate) const RATE: u32 = 48_000;
/// What libopus, and with it nearly every camera, holds back: 6.5 ms. Chromium moves the sound earlier by as much;
/// others leave out the first samples.
const PRE_SKIP: u16 = 312;
/// The longest that a packet may last: 120 ms (RFC 6716 §3.2.5).
const LONGEST: u32 = RATE * 120 / 1_000;

/// Caps of a track with these parameters.
pub(crate) fn caps(config: &AudioConfig) -> gst::Caps {
    gst::Caps::builder("audio/x-opus")
        .field("channel-mapping-family", 0i32)
        .field("rate", RATE as i32)
        .field("channels", i32::from(config.params.channels))
        .build()
}

/// Template caps: what the sink takes.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::builder("audio/x-opus").field("channel-mapping-family", 0i32).build()
}

/// Parameters from caps.
pub(crate) fn from_caps(s: &gst::StructureRef) -> Result<AudioConfig, BadParameters> {
    // As RTP has it: every stream may hold stereo, whatever its description or its first packet says (RFC 7587 §7), and
    // decoders make two channels of one.
    match s.get::<i32>("channels").unwrap_or(2) {
        1 | 2 => config(2),
        _ => Err(bad("more channels than two")),
    }
}

/// See [`AudioConfig::opus`].
pub(super) fn config(channels: u16) -> Result<AudioConfig, BadParameters> {
    if !(1..=2).contains(&channels) {
        return Err(bad("more channels than two"));
    }
    // Version, channels, pre-skip, sampling rate of the source, gain, channel mapping family 0 (§4.3.2).
    let mut dops = vec![0, channels as u8];
    dops.extend(PRE_SKIP.to_be_bytes());
    dops.extend(RATE.to_be_bytes());
    dops.extend([0, 0, 0]);
    Ok(AudioConfig {
        params: AudioParams { codec: "opus".into(), sample_rate: RATE, channels },
        entry: *b"Opus",
        config: dops.into(),
        frame_ticks: None,
    })
}

/// How long a packet lasts, in ticks of [`RATE`] (RFC 6716 §3.1, §3.2). `None`: it is none.
pub(crate) fn ticks(packet: &[u8]) -> Option<u32> {
    let (&toc, rest) = packet.split_first()?;
    let frame = match toc >> 3 {
        silk @ 0..=11 => [480, 960, 1_920, 2_880][usize::from(silk & 3)],
        hybrid @ 12..=15 => [480, 960][usize::from(hybrid & 1)],
        celt => [120, 240, 480, 960][usize::from(celt & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 if rest.len() % 2 == 0 => 2,
        2 if !rest.is_empty() => 2,
        3 => u32::from(rest.first()? & 63),
        _ => return None,
    };
    Some(frame * frames).filter(|ticks| (1..=LONGEST).contains(ticks))
}

fn bad(what: &str) -> BadParameters {
    BadParameters(format!("Opus with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_how_long_it_lasts() {
        // What libopus makes for 20 ms of stereo (CELT, one frame), three frames of 20 ms, 60 ms of SILK, 2.5 ms.
        for (packet, ms10) in
            [(&[0xfc, 0xff, 0xfe][..], 200), (&[0xff, 0x03, 1, 2, 3], 600), (&[0x18, 1], 600), (&[0xe0, 1], 25)]
        {
            assert_eq!(ticks(packet), Some(ms10 * RATE / 10_000), "{packet:?}");
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        // Nothing; no count; a count of zero; 63 frames of 20 ms; two frames that are not of one length; no length.
        for packet in [&[][..], &[0xff], &[0xff, 0x00], &[0xff, 0x3f], &[0xfd, 1], &[0xfe]] {
            assert_eq!(ticks(packet), None, "{packet:?}");
        }
        assert!(config(0).is_err() && config(3).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            proptest::prop_assert!(ticks(&bytes).is_none_or(|t| t > 0 && t <= LONGEST));
        }
    }
}
