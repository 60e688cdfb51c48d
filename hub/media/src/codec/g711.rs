//! G.711 (ITU-T G.711): 8 bits a sample, µ-law or A-law. Not legal in MP4 for browsers: it is made AAC of.

use gstreamer as gst;

use super::{AudioConfig, BadParameters, aac};

/// Which of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Law {
    Mu,
    A,
}

/// Parameters of a G.711 track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct G711 {
    pub law: Law,
    /// The AAC that is made of it: the same rate and channels.
    pub made: AudioConfig,
}

impl G711 {
    /// From what stands in the session description.
    pub fn new(law: Law, rate: u32, channels: u16) -> Result<Self, BadParameters> {
        if !(1..=2).contains(&channels) {
            return Err(BadParameters(format!("G.711 with {channels} channels")));
        }
        Ok(Self { law, made: aac::low_complexity(rate, channels)? })
    }

    /// The coding's name as in a session description.
    pub fn name(&self) -> &'static str {
        match self.law {
            Law::Mu => "pcmu",
            Law::A => "pcma",
        }
    }

    /// Caps of a track with these parameters.
    pub fn caps(&self) -> gst::Caps {
        let name = if self.law == Law::Mu { "audio/x-mulaw" } else { "audio/x-alaw" };
        gst::Caps::builder(name)
            .field("rate", self.made.params.sample_rate as i32)
            .field("channels", i32::from(self.made.params.channels))
            .build()
    }

    /// Parameters from caps of this law.
    pub fn from_caps(law: Law, s: &gst::StructureRef) -> Result<Self, BadParameters> {
        let number = |name| s.get::<i32>(name).ok().and_then(|n| u32::try_from(n).ok());
        let rate = number("rate").ok_or_else(|| BadParameters("G.711 without a rate".into()))?;
        Self::new(law, rate, number("channels").and_then(|n| u16::try_from(n).ok()).unwrap_or(1))
    }

    /// A byte's sample of 16 bits.
    pub fn sample(&self, byte: u8) -> i16 {
        match self.law {
            Law::Mu => mu_law(byte),
            Law::A => a_law(byte),
        }
    }
}

/// Template caps: what the sink takes.
pub(crate) fn templates() -> [gst::Caps; 2] {
    ["audio/x-mulaw", "audio/x-alaw"].map(gst::Caps::new_empty_simple)
}

/// A µ-law byte's sample of 16 bits.
fn mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let (exponent, mantissa) = (byte >> 4 & 7, i16::from(byte & 15));
    let magnitude = ((mantissa << 3 | 0x84) << exponent) - 0x84;
    if byte & 0x80 == 0 { magnitude } else { -magnitude }
}

/// An A-law byte's sample of 16 bits.
fn a_law(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = (byte >> 4 & 7, i16::from(byte & 15));
    let magnitude = match exponent {
        0 => mantissa << 4 | 8,
        _ => (mantissa << 4 | 0x108) << (exponent - 1),
    };
    if byte & 0x80 == 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_laws_are_those_of_g711() {
        // Smallest, largest and middle values, as ffmpeg and sox decode them.
        for (byte, sample) in [(0xff, 0), (0x7f, 0), (0x80, 32_124), (0x00, -32_124), (0xce, 988), (0x4e, -988)] {
            assert_eq!(mu_law(byte), sample, "µ-law {byte:#x}");
        }
        for (byte, sample) in [(0xd5, 8), (0x55, -8), (0xaa, 32_256), (0x2a, -32_256), (0x80, 5_504), (0x00, -5_504)] {
            assert_eq!(a_law(byte), sample, "A-law {byte:#x}");
        }
    }

    #[test]
    fn a_rate_that_aac_does_not_have_is_refused() {
        assert!(G711::new(Law::Mu, 8_000, 1).is_ok() && G711::new(Law::A, 16_000, 2).is_ok());
        for (rate, channels) in [(0, 1), (8_001, 1), (8_000, 0), (8_000, 3)] {
            assert!(G711::new(Law::Mu, rate, channels).is_err(), "{rate} {channels}");
        }
    }
}
