//! RTP payloads of JPEG pictures (RFC 2435).

use bytes::{BufMut, Bytes, BytesMut};

/// Quantisation tables come along with each picture (§3.1.8).
const TABLES_FOLLOW: u8 = 255;
const MAIN_HEADER: usize = 8;
const RESTART_HEADER: usize = 4;
const TABLES_HEADER: usize = 4;
/// Bytes of one quantisation table of 8 bits.
const TABLE: usize = 64;

/// Payloads of at most about `max` bytes of one baseline JPEG picture; the last takes the marker. `None` for what
/// the payload format cannot carry: other than two tables of 8 bits, other than three components with their colours halved
/// across (4:2:2) or both ways (4:2:0), or more than 2,040 pixels either way. A size that is no multiple of 8 is told
/// rounded up. The Huffman tables must be those of the standard (annex K.3), as a receiver puts these in.
pub fn jpeg(picture: &[u8], max: usize) -> Option<Vec<Bytes>> {
    let parts = Parts::of(picture)?;
    let max = max.max(MAIN_HEADER + RESTART_HEADER + TABLES_HEADER + 2 * TABLE + 1);
    let mut payloads = Vec::new();
    let mut rest = parts.scan;
    let mut offset = 0_u32;
    while !rest.is_empty() {
        let mut payload = BytesMut::with_capacity(max);
        payload.put_u8(0); // progressive: not two fields
        payload.put_slice(&offset.to_be_bytes()[1..]);
        payload.put_u8(parts.kind | if parts.restart == 0 { 0 } else { 64 });
        payload.put_u8(TABLES_FOLLOW);
        payload.put_u8(parts.width);
        payload.put_u8(parts.height);
        if parts.restart != 0 {
            payload.put_u16(parts.restart);
            payload.put_u16(0xffff); // first and last bit, count: to be decoded as a whole
        }
        if offset == 0 {
            payload.put_u16(0); // reserved, 8 bits each
            payload.put_u16(2 * TABLE as u16);
            parts.tables.iter().for_each(|table| payload.put_slice(table));
        }
        let (part, after) = rest.split_at(rest.len().min(max - payload.len()));
        payload.put_slice(part);
        payloads.push(payload.freeze());
        offset = offset.checked_add(part.len() as u32).filter(|at| *at < 1 << 24)?;
        rest = after;
    }
    (!payloads.is_empty()).then_some(payloads)
}

/// Markers (ISO/IEC 10918-1 table B.1), after their 0xff.
const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const QUANTISATION: u8 = 0xdb;
const BASELINE: u8 = 0xc0;
const RESTART: u8 = 0xdd;
const SCAN: u8 = 0xda;

/// What of a picture goes into packets.
struct Parts<'a> {
    /// In 8 pixels.
    width: u8,
    height: u8,
    /// 0: 4:2:2, 1: 4:2:0 (§4.1).
    kind: u8,
    /// Restart interval, 0 for none.
    restart: u16,
    tables: [&'a [u8]; 2],
    /// The entropy-coded data.
    scan: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(picture: &'a [u8]) -> Option<Self> {
        let mut rest = picture.strip_prefix(&[0xff, START_OF_IMAGE])?;
        let (mut tables, mut frame, mut restart) = ([None; 2], None, 0);
        loop {
            let ([0xff, marker, length @ ..], _) = rest.split_first_chunk::<4>()? else { return None };
            let (segment, after) = rest.split_at_checked(2 + usize::from(u16::from_be_bytes(*length)))?;
            let body = segment.get(4..)?;
            rest = after;
            match *marker {
                QUANTISATION => read_tables(body, &mut tables)?,
                BASELINE => frame = Some(read_frame(body)?),
                RESTART => restart = u16::from_be_bytes(body.try_into().ok()?),
                SCAN => break,
                0xc1..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => return None, // not baseline
                _ => {}
            }
        }
        let (width, height, kind) = frame?;
        let scan = rest.strip_suffix(&[0xff, END_OF_IMAGE]).unwrap_or(rest);
        Some(Self { width, height, kind, restart, tables: [tables[0]?, tables[1]?], scan })
    }
}

fn read_tables<'a>(mut body: &'a [u8], tables: &mut [Option<&'a [u8]>; 2]) -> Option<()> {
    while let Some((id, rest)) = body.split_first() {
        let (table, rest) = rest.split_at_checked(TABLE)?;
        *tables.get_mut(usize::from(*id))? = Some(table); // also refuses 16 bits, which stand in the upper half
        body = rest;
    }
    Some(())
}

/// Width and height in 8 pixels, and the type.
fn read_frame(body: &[u8]) -> Option<(u8, u8, u8)> {
    let [8, h1, h2, w1, w2, 3, _, sampling, 0, _, 0x11, 1, _, 0x11, 1] = *body else { return None };
    let kind = match sampling {
        0x21 => 0,
        0x22 => 1,
        _ => return None,
    };
    let blocks = |pixels: u16| u8::try_from(pixels.div_ceil(8)).ok().filter(|n| *n > 0);
    Some((blocks(u16::from_be_bytes([w1, w2]))?, blocks(u16::from_be_bytes([h1, h2]))?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A picture with the least that one has.
    fn picture(width: u16, height: u16, sampling: u8, restart: u16, scan: &[u8]) -> Vec<u8> {
        let mut out = vec![0xff, 0xd8, 0xff, 0xdb, 0, 132, 0];
        out.extend([1; 64]);
        out.push(1);
        out.extend([2; 64]);
        let ([h1, h2], [w1, w2]) = (height.to_be_bytes(), width.to_be_bytes());
        out.extend([0xff, 0xc0, 0, 17, 8, h1, h2, w1, w2, 3, 1, sampling, 0, 2, 0x11, 1, 3, 0x11, 1]);
        if restart != 0 {
            out.extend([0xff, 0xdd, 0, 4, (restart >> 8) as u8, restart as u8]);
        }
        out.extend([0xff, 0xda, 0, 12, 3, 1, 0, 2, 0x11, 3, 0x11, 0, 63, 0]);
        out.extend(scan);
        out.extend([0xff, 0xd9]);
        out
    }

    #[test]
    fn the_first_packet_says_what_the_picture_is() {
        let payloads = jpeg(&picture(320, 180, 0x22, 0, &[7; 3]), 1_400).unwrap();
        assert_eq!(payloads.len(), 1);
        assert_eq!(payloads[0][..12], [0, 0, 0, 0, 1, 255, 40, 23, 0, 0, 0, 128]);
        assert_eq!(payloads[0][12..], [&[1; 64][..], &[2; 64], &[7; 3]].concat());
        let restarting = jpeg(&picture(2_040, 8, 0x21, 5, &[7; 3]), 1_400).unwrap();
        assert_eq!(restarting[0][..16], [0, 0, 0, 0, 64, 255, 255, 1, 0, 5, 0xff, 0xff, 0, 0, 0, 128]);
    }

    #[test]
    fn what_the_format_cannot_carry_is_refused() {
        assert!(jpeg(&picture(2_048, 8, 0x22, 0, &[7]), 1_400).is_none(), "too wide");
        assert!(jpeg(&picture(8, 0, 0x22, 0, &[7]), 1_400).is_none(), "no height");
        assert!(jpeg(&picture(8, 8, 0x11, 0, &[7]), 1_400).is_none(), "4:4:4");
        assert!(jpeg(&picture(8, 8, 0x22, 0, &[]), 1_400).is_none(), "nothing in it");
        let mut progressive = picture(8, 8, 0x22, 0, &[7]);
        progressive[2 + 134 + 1] = 0xc2;
        assert!(jpeg(&progressive, 1_400).is_none(), "progressive");
    }

    proptest! {
        #[test]
        fn a_picture_survives_packets_of_any_size(scan in prop::collection::vec(any::<u8>(), 1..9_000), max in 0usize..1_500) {
            // What an encoder writes never looks like a marker.
            let scan: Vec<u8> = scan.into_iter().map(|b| b & 0x7f).collect();
            let payloads = jpeg(&picture(320, 180, 0x22, 0, &scan), max).unwrap();
            let mut got = Vec::new();
            for payload in payloads {
                let at = u32::from_be_bytes([0, payload[1], payload[2], payload[3]]) as usize;
                prop_assert_eq!(at, got.len());
                prop_assert!(payload.len() <= max.max(145));
                got.extend_from_slice(&payload[if at == 0 { 8 + 4 + 128 } else { 8 }..]);
            }
            prop_assert_eq!(got, scan);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let _ = jpeg(&bytes, 100);
            let mut damaged = picture(320, 180, 0x22, 9, &[7; 30]);
            *damaged.get_mut(at.index(300)).unwrap_or(&mut 0) = byte;
            damaged.truncate(cut.index(damaged.len()));
            let _ = jpeg(&damaged, 100);
        }
    }
}
