//! AAC (ISO/IEC 14496-3): raw access units, parameters in an AudioSpecificConfig.

use base::footage::AudioParams;
use bytes::Bytes;
use gstreamer as gst;

use super::{AudioConfig, BadParameters, codec_data};

/// Sampling frequencies by index (ISO/IEC 14496-3 table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Caps of a track with these parameters.
pub(crate) fn caps(config: &AudioConfig) -> gst::Caps {
    gst::Caps::builder("audio/mpeg")
        .field("mpegversion", 4i32)
        .field("stream-format", "raw")
        .field("framed", true)
        .field("rate", config.params.sample_rate as i32)
        .field("channels", i32::from(config.params.channels))
        .field("codec_data", gst::Buffer::from_slice(config.config.clone()))
        .build()
}

/// Template caps: what the sink takes.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::builder("audio/mpeg").field("mpegversion", 4i32).field("stream-format", "raw").build()
}

/// Parameters from caps with `codec_data`.
pub(crate) fn from_caps(s: &gst::StructureRef) -> Result<AudioConfig, BadParameters> {
    config(codec_data(s)?)
}

/// See [`AudioConfig::aac`].
pub(super) fn config(specific: Bytes) -> Result<AudioConfig, BadParameters> {
    let mut bits = Bits { bytes: &specific, at: 0 };
    let (object_type, sample_rate, channels, short) =
        read(&mut bits).ok_or_else(|| BadParameters("AAC parameters are cut short or reserved".into()))?;
    if sample_rate == 0 {
        return Err(BadParameters("AAC with a sampling rate of zero".into()));
    }
    let channels = match channels {
        n @ 1..=6 => n,
        7 => 8,
        n => return Err(BadParameters(format!("AAC with the channel configuration {n}"))),
    };
    Ok(AudioConfig {
        params: AudioParams { codec: format!("mp4a.40.{object_type}"), sample_rate, channels },
        entry: *b"mp4a",
        config: specific,
        frame_ticks: Some(if short { 960 } else { 1_024 }),
    })
}

/// Parameters of AAC-LC.
///
/// # Errors
/// A sampling rate that has no index, or more channels than 15.
pub(super) fn low_complexity(sample_rate: u32, channels: u16) -> Result<AudioConfig, BadParameters> {
    let index = RATES.iter().position(|rate| *rate == sample_rate);
    let index = index.ok_or_else(|| BadParameters(format!("AAC has no sampling rate of {sample_rate}")))? as u16;
    // Object type 2, index of the rate, channels, frames of 1,024 samples, no extension.
    config(Bytes::copy_from_slice(&(2 << 11 | index << 7 | (channels & 15) << 3).to_be_bytes()))
}

/// Object type, sampling rate, channel configuration, and whether frames are 960 samples instead of 1,024.
fn read(bits: &mut Bits) -> Option<(u32, u32, u16, bool)> {
    let object_type = match bits.take(5)? {
        31 => 32 + bits.take(6)?,
        n => n,
    };
    let sample_rate = bits.rate()?;
    let channels = bits.take(4)? as u16;
    if object_type == 5 || object_type == 29 {
        // Explicit SBR or PS: the core is described after it.
        bits.rate()?;
        if bits.take(5)? == 22 {
            bits.take(4)?;
        }
    }
    Some((object_type, sample_rate, channels, bits.take(1)? == 1))
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, n: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..n {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }
    fn rate(&mut self) -> Option<u32> {
        match self.take(4)? as usize {
            15 => self.take(24),
            n => RATES.get(n).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_parameters_are_read() {
        // AAC-LC, 16 kHz (index 8), mono.
        let mono = config(Bytes::from_static(&[0x14, 0x08])).unwrap();
        assert_eq!(mono.params, AudioParams { codec: "mp4a.40.2".into(), sample_rate: 16_000, channels: 1 });
        assert_eq!(mono.ticks(&[]), Some(1_024));
        // AAC-LC, 48 kHz (index 3), stereo.
        let stereo = config(Bytes::from_static(&[0x11, 0x90])).unwrap();
        assert_eq!((stereo.params.sample_rate, stereo.params.channels), (48_000, 2));
        assert_eq!(low_complexity(48_000, 2), Ok(stereo));
        assert_eq!(low_complexity(16_000, 1), Ok(mono));
    }

    #[test]
    fn parameters_that_cannot_be_used_are_refused() {
        // Nothing; cut short; reserved rate index 13; channels described elsewhere (configuration 0).
        for specific in [&[][..], &[0x14], &[0x16, 0x88], &[0x14, 0x00]] {
            assert!(config(Bytes::copy_from_slice(specific)).is_err(), "{specific:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            if let Ok(config) = config(bytes.into()) {
                proptest::prop_assert!(config.params.sample_rate > 0 && config.params.channels > 0);
            }
        }
    }
}
