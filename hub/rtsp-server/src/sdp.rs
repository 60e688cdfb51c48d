//! Session descriptions (RFC 8866) with the payload formats' parameters.

use bytes::Bytes;

/// What a track carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    /// H.264, RFC 6184, packetization mode 1.
    H264 {
        /// Sequence and picture parameter set, NAL units; `None` for a camera that sends them in the stream only.
        parameter_sets: Option<(Bytes, Bytes)>,
        /// Pictures per second, for the description only.
        framerate: Option<u32>,
    },
    /// H.265, RFC 7798, all in one RTP stream.
    H265 {
        /// Video, sequence and picture parameter set, NAL units; `None` for a camera that sends them in the stream only.
        parameter_sets: Option<(Bytes, Bytes, Bytes)>,
        /// Pictures per second, for the description only.
        framerate: Option<u32>,
    },
    /// JPEG pictures, RFC 2435.
    Jpeg {
        /// Pictures per second, for the description only.
        framerate: Option<u32>,
    },
    /// AAC, RFC 3640 mode AAC-hbr.
    Aac {
        /// Samples per second.
        sample_rate: u32,
        /// Number of channels.
        channels: u16,
        /// AudioSpecificConfig, ISO 14496-3 §1.6.2.1.
        config: Bytes,
    },
    /// Anything else, word for word.
    Other {
        /// `video`, `audio` or `application`.
        kind: &'static str,
        /// Payload type.
        payload_type: u8,
        /// Such as `PCMU/8000`.
        rtpmap: String,
        /// Format parameters, without the payload type.
        fmtp: Option<String>,
        /// Ticks per second of its timestamps.
        clock_rate: u32,
    },
}

/// RFC 3551 table 5.
const JPEG_PAYLOAD_TYPE: u8 = 26;

impl Media {
    /// Ticks per second of the track's RTP timestamps.
    pub fn clock_rate(&self) -> u32 {
        match self {
            Media::H264 { .. } | Media::H265 { .. } | Media::Jpeg { .. } => base::footage::VIDEO_TIMESCALE,
            Media::Aac { sample_rate, .. } => *sample_rate,
            Media::Other { clock_rate, .. } => *clock_rate,
        }
    }

    /// The RTP payload type of track `index`: the format's own, or a dynamic one (96 to 127).
    pub(crate) fn payload_type(&self, index: usize) -> u8 {
        match self {
            Media::Other { payload_type, .. } => *payload_type,
            Media::Jpeg { .. } => JPEG_PAYLOAD_TYPE,
            _ => 96 + (index % 32) as u8,
        }
    }
}

/// The description of a session. Track `i` has the control address `trackID=i`.
pub(crate) fn describe(name: &str, tracks: &[Media]) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let name = if name.trim().is_empty() { "-" } else { name.trim() };
    let mut sdp = format!(
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns={name}\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\na=range:npt=now-\r\n"
    );
    for (i, track) in tracks.iter().enumerate() {
        let pt = track.payload_type(i);
        match track {
            Media::H264 { parameter_sets, framerate } => {
                sdp +=
                    &format!("m=video 0 RTP/AVP {pt}\r\na=rtpmap:{pt} H264/90000\r\na=fmtp:{pt} packetization-mode=1");
                if let Some((sps, pps)) = parameter_sets {
                    if let Some([profile, constraints, level]) = sps.get(1..4) {
                        sdp += &format!(";profile-level-id={profile:02X}{constraints:02X}{level:02X}");
                    }
                    sdp += &format!(";sprop-parameter-sets={},{}", base64(sps), base64(pps));
                }
                sdp += "\r\n";
                sdp += &pace(*framerate);
            }
            Media::H265 { parameter_sets, framerate } => {
                sdp += &format!("m=video 0 RTP/AVP {pt}\r\na=rtpmap:{pt} H265/90000\r\n");
                if let Some((vps, sps, pps)) = parameter_sets {
                    let [vps, sps, pps] = [vps, sps, pps].map(|nal| base64(nal));
                    sdp += &format!("a=fmtp:{pt} sprop-vps={vps};sprop-sps={sps};sprop-pps={pps}\r\n");
                }
                sdp += &pace(*framerate);
            }
            Media::Jpeg { framerate } => {
                sdp += &format!("m=video 0 RTP/AVP {pt}\r\na=rtpmap:{pt} JPEG/90000\r\n{}", pace(*framerate));
            }
            Media::Aac { sample_rate, channels, config } => {
                let config: String = config.iter().map(|b| format!("{b:02X}")).collect();
                sdp += &format!(
                    "m=audio 0 RTP/AVP {pt}\r\na=rtpmap:{pt} MPEG4-GENERIC/{sample_rate}/{channels}\r\n\
                     a=fmtp:{pt} streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;\
                     indexdeltalength=3;config={config}\r\n"
                );
            }
            Media::Other { kind, rtpmap, fmtp, .. } => {
                sdp += &format!("m={kind} 0 RTP/AVP {pt}\r\na=rtpmap:{pt} {rtpmap}\r\n");
                if let Some(fmtp) = fmtp {
                    sdp += &format!("a=fmtp:{pt} {fmtp}\r\n");
                }
            }
        }
        sdp += &format!("a=control:trackID={i}\r\n");
    }
    sdp
}

fn pace(framerate: Option<u32>) -> String {
    framerate.map(|framerate| format!("a=framerate:{framerate}\r\n")).unwrap_or_default()
}

/// Base 64 with padding, RFC 4648 §4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            out.push(if i <= chunk.len() { ALPHABET[(bits >> (18 - 6 * i) & 63) as usize] as char } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn a_description_names_each_track_with_its_parameters() {
        let tracks = [
            Media::H264 {
                parameter_sets: Some((Bytes::from_static(&[0x67, 0x42, 0xc0, 0x1f]), Bytes::from_static(&[0x68, 1]))),
                framerate: Some(20),
            },
            Media::Aac { sample_rate: 16_000, channels: 1, config: Bytes::from_static(&[0x14, 0x08]) },
            Media::Other { kind: "audio", payload_type: 0, rtpmap: "PCMU/8000".into(), fmtp: None, clock_rate: 8_000 },
        ];
        assert_eq!(
            describe("cam01\nmain", &tracks),
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=cam01 main\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
             a=range:npt=now-\r\n\
             m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1;profile-level-id=42C01F;sprop-parameter-sets=Z0LAHw==,aAE=\r\n\
             a=framerate:20\r\na=control:trackID=0\r\n\
             m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/16000/1\r\n\
             a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;\
             config=1408\r\na=control:trackID=1\r\n\
             m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=control:trackID=2\r\n"
        );
    }

    #[test]
    fn h265_and_jpeg_are_described_as_their_payload_formats_have_it() {
        let sets = [&[0x40, 1][..], &[0x42, 1], &[0x44, 1]].map(Bytes::from_static);
        let [vps, sps, pps] = sets;
        let tracks = [
            Media::H265 { parameter_sets: Some((vps, sps, pps)), framerate: Some(10) },
            Media::H265 { parameter_sets: None, framerate: None },
            Media::Jpeg { framerate: None },
        ];
        let sdp = describe("x", &tracks);
        let media = sdp.split_once("npt=now-\r\n").unwrap().1;
        assert_eq!(
            media,
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\n\
             a=fmtp:96 sprop-vps=QAE=;sprop-sps=QgE=;sprop-pps=RAE=\r\na=framerate:10\r\na=control:trackID=0\r\n\
             m=video 0 RTP/AVP 97\r\na=rtpmap:97 H265/90000\r\na=control:trackID=1\r\n\
             m=video 0 RTP/AVP 26\r\na=rtpmap:26 JPEG/90000\r\na=control:trackID=2\r\n"
        );
    }
}
