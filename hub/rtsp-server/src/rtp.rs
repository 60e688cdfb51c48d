//! RTP payloads (RFC 6184 H.264, RFC 7798 H.265, RFC 2435 JPEG, RFC 3640 AAC), headers (RFC 3550) and sender reports.

mod jpeg;

use base::Timestamp;
use bytes::{BufMut, Bytes, BytesMut};

pub use jpeg::jpeg;

/// Largest payload of a packet in bytes: what fits an Ethernet frame, as cameras send it over TCP too.
pub const MAX_PAYLOAD: usize = 1_400;
/// Largest AAC frame in bytes: its length has 13 bits (RFC 3640 §3.3.6).
pub const MAX_AAC_FRAME: usize = 8_191;

/// Payloads of one H.264 picture, from its NAL units without start codes or lengths: each a single NAL unit
/// packet, or FU-A parts of at most `max` bytes (RFC 6184 §5.6, §5.8). The last payload takes the marker. Empty NAL
/// units are left out.
pub fn h264<'a>(nals: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Vec<Bytes> {
    let max = max.max(3);
    let mut payloads = Vec::new();
    for nal in nals {
        let Some((&header, body)) = nal.split_first() else { continue };
        if nal.len() <= max {
            payloads.push(Bytes::copy_from_slice(nal));
            continue;
        }
        let parts = body.chunks(max - 2);
        let last = parts.len() - 1;
        for (i, part) in parts.enumerate() {
            let start_end = if i == 0 { 0x80 } else { 0 } | if i == last { 0x40 } else { 0 };
            let mut payload = BytesMut::with_capacity(part.len() + 2);
            payload.put_u8((header & 0xe0) | 28); // FU indicator: F and NRI of the NAL unit, type FU-A
            payload.put_u8(start_end | (header & 0x1f));
            payload.put_slice(part);
            payloads.push(payload.freeze());
        }
    }
    payloads
}

/// Payloads of one H.265 picture, from its NAL units without start codes or lengths: each a single NAL unit packet, or
/// fragmentation units of at most `max` bytes (RFC 7798 §4.4.1, §4.4.3). The last payload takes the marker. NAL units
/// without a body are left out.
pub fn h265<'a>(nals: impl IntoIterator<Item = &'a [u8]>, max: usize) -> Vec<Bytes> {
    const FRAGMENT: u8 = 49;
    let max = max.max(4);
    let mut payloads = Vec::new();
    for nal in nals {
        let Some((&[first, second], body)) = nal.split_first_chunk::<2>() else { continue };
        if nal.len() <= max {
            payloads.push(Bytes::copy_from_slice(nal));
            continue;
        }
        let parts = body.chunks(max - 3);
        let last = parts.len() - 1;
        for (i, part) in parts.enumerate() {
            let start_end = if i == 0 { 0x80 } else { 0 } | if i == last { 0x40 } else { 0 };
            let mut payload = BytesMut::with_capacity(part.len() + 3);
            payload.put_u8((first & 0x81) | FRAGMENT << 1); // F and the layer's highest bit, type
            payload.put_u8(second); // the rest of the layer, temporal id
            payload.put_u8(start_end | (first >> 1 & 0x3f));
            payload.put_slice(part);
            payloads.push(payload.freeze());
        }
    }
    payloads
}

/// NAL units of an Annex B byte stream (ITU-T H.264 annex B), without start codes and trailing zeroes.
pub fn annex_b(stream: &[u8]) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    let mut start = None;
    let mut i = 0;
    while i + 3 <= stream.len() {
        if stream[i..i + 3] == [0, 0, 1] {
            if let Some(from) = start {
                nals.push(trim(&stream[from..i]));
            }
            i += 3;
            start = Some(i);
        } else {
            i += 1;
        }
    }
    if let Some(from) = start {
        nals.push(trim(&stream[from..]));
    }
    nals.retain(|nal| !nal.is_empty());
    nals
}

fn trim(nal: &[u8]) -> &[u8] {
    // A NAL unit never ends with a zero byte: it is part of the next start code, or padding.
    let len = nal.iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
    &nal[..len]
}

/// Payload of one AAC frame (without ADTS header), mode AAC-hbr with one AU header. `None` if it is longer than
/// [`MAX_AAC_FRAME`].
pub fn aac(frame: &[u8]) -> Option<Bytes> {
    if frame.len() > MAX_AAC_FRAME {
        return None;
    }
    let mut payload = BytesMut::with_capacity(frame.len() + 4);
    payload.put_u16(16); // one AU header, in bits
    payload.put_u16((frame.len() as u16) << 3); // 13 bits of length, 3 of index
    payload.put_slice(frame);
    Some(payload.freeze())
}

/// Length in bytes of what [`put_header`] writes.
pub(crate) const HEADER_BYTES: usize = 12;

/// Writes the fixed header of RFC 3550 §5.1.
pub(crate) fn put_header(out: &mut Vec<u8>, payload_type: u8, packet: &crate::Packet, ssrc: u32) {
    out.put_u8(2 << 6); // version 2
    out.put_u8(if packet.marker { 0x80 } else { 0 } | (payload_type & 0x7f));
    out.put_u16(packet.seq);
    out.put_u32(packet.timestamp);
    out.put_u32(ssrc);
}

/// A sender report with the source's name (RFC 3550 §6.4.1, §6.5): 28 bytes and a CNAME.
pub(crate) fn sender_report(ssrc: u32, wall: Timestamp, rtp: u32, packets: u32, octets: u32) -> Vec<u8> {
    const CNAME: &[u8] = b"keepsight";
    // Seconds from 1900 to 1970, RFC 868.
    let ntp_seconds = (wall.as_second() + 2_208_988_800) as u32;
    let ntp_fraction = (((wall.subsec_nanosecond().max(0) as u64) << 32) / 1_000_000_000) as u32;
    let mut out = Vec::with_capacity(28 + 20);
    out.put_slice(&[0x80, 200, 0, 6]);
    out.put_u32(ssrc);
    out.put_u32(ntp_seconds);
    out.put_u32(ntp_fraction);
    out.put_u32(rtp);
    out.put_u32(packets);
    out.put_u32(octets);
    // One chunk: SSRC, item CNAME, at least one zero, to a multiple of 4.
    let chunk = (4 + 2 + CNAME.len() + 1).next_multiple_of(4);
    out.put_slice(&[0x81, 202, 0, (chunk / 4) as u8]);
    out.put_u32(ssrc);
    out.put_slice(&[1, CNAME.len() as u8]);
    out.put_slice(CNAME);
    out.resize(28 + 4 + chunk, 0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn depacketise(payloads: &[Bytes]) -> Vec<Vec<u8>> {
        let mut nals: Vec<Vec<u8>> = Vec::new();
        for p in payloads {
            if p[0] & 0x1f == 28 {
                if p[1] & 0x80 != 0 {
                    nals.push(vec![(p[0] & 0xe0) | (p[1] & 0x1f)]);
                }
                nals.last_mut().unwrap().extend_from_slice(&p[2..]);
            } else {
                nals.push(p.to_vec());
            }
        }
        nals
    }

    proptest! {
        #[test]
        fn nal_units_survive_packets_of_any_size(
            nals in prop::collection::vec((1u8..24, prop::collection::vec(any::<u8>(), 0..5_000)), 1..6),
            max in 3usize..1_500,
        ) {
            let nals: Vec<Vec<u8>> = nals.into_iter().map(|(kind, mut b)| { b.insert(0, 0x60 | kind); b }).collect();
            let payloads = h264(nals.iter().map(Vec::as_slice), max);
            prop_assert!(payloads.iter().all(|p| p.len() <= max));
            prop_assert_eq!(depacketise(&payloads), nals);
        }

        #[test]
        fn h265_nal_units_survive_packets_of_any_size(
            nals in prop::collection::vec((0u8..48, 0u8..64, prop::collection::vec(any::<u8>(), 1..5_000)), 1..6),
            max in 4usize..1_500,
        ) {
            let header = |kind: u8, layer: u8| [kind << 1 | layer >> 5, layer << 3 | 1];
            let nals: Vec<Vec<u8>> =
                nals.into_iter().map(|(kind, layer, body)| [&header(kind, layer)[..], &body].concat()).collect();
            let payloads = h265(nals.iter().map(Vec::as_slice), max);
            prop_assert!(payloads.iter().all(|p| p.len() <= max));
            let mut got: Vec<Vec<u8>> = Vec::new();
            for p in payloads {
                if p[0] >> 1 & 63 != 49 {
                    got.push(p.to_vec());
                    continue;
                }
                if p[2] & 0x80 != 0 {
                    got.push(vec![p[0] & 0x81 | (p[2] & 63) << 1, p[1]]);
                }
                got.last_mut().unwrap().extend_from_slice(&p[3..]);
            }
            prop_assert_eq!(got, nals);
        }

        #[test]
        fn any_bytes_split_into_nal_units_that_hold_no_start_code(stream in prop::collection::vec(0u8..3, 0..300)) {
            for nal in annex_b(&stream) {
                prop_assert!(!nal.is_empty() && !nal.windows(3).any(|w| w == [0, 0, 1]));
            }
        }
    }

    #[test]
    fn start_codes_of_three_and_four_bytes_are_taken_off() {
        assert_eq!(
            annex_b(b"\0\0\0\x01\x67ab\0\0\x01\x68c\0\0\0\x01\x65d\0"),
            [b"\x67ab" as &[u8], b"\x68c", b"\x65d"]
        );
        assert!(annex_b(b"no start code").is_empty());
    }

    #[test]
    fn an_aac_frame_has_one_header_with_its_length() {
        assert_eq!(aac(&[7; 3]).unwrap().as_ref(), [0, 16, 0, 24, 7, 7, 7]);
        assert!(aac(&[0; MAX_AAC_FRAME]).is_some());
        assert_eq!(aac(&[0; MAX_AAC_FRAME + 1]), None);
    }

    #[test]
    fn a_sender_report_is_as_long_as_it_says() {
        let wall: Timestamp = "2026-01-01T00:00:00.5Z".parse().unwrap();
        let sr = sender_report(0x01020304, wall, 90_000, 3, 1_000);
        assert_eq!(&sr[8..16], [0xed, 0x00, 0x37, 0x80, 0x80, 0, 0, 0]); // 3,976,214,400.5 s since 1900
        let second = 4 * (usize::from(sr[3]) + 1);
        assert_eq!(sr[second + 1], 202);
        assert_eq!(sr.len(), second + 4 * (usize::from(sr[second + 3]) + 1));
    }
}
