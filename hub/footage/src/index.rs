//! The sample index: the last box of a segment that was closed in order. Where each sample lies, so that a reader
//! seeks at once and a progressive MP4 can be laid out without opening the footage. See `docs/format/segment.md`.

use base::Timestamp;
use base::footage::{Sample, Track};

use crate::bmff::{Layout, MAX_BOX, Run, uuid_box};

/// Type of the `uuid` box that holds the index: de832f1c-fb8c-457a-9e78-0e8d20516b74.
pub const INDEX_TYPE: [u8; 16] =
    [0xde, 0x83, 0x2f, 0x1c, 0xfb, 0x8c, 0x45, 0x7a, 0x9e, 0x78, 0x0e, 0x8d, 0x20, 0x51, 0x6b, 0x74];

const VERSION: u32 = 1;

/// Length of everything in the box but the fragments: box head and type, version, end, count, own length.
const FRAME_LEN: usize = 24 + 4 + 8 + 4 + 4;

/// The samples of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Wall-clock end of the segment as its writer saw it; unknown if it was not closed in order.
    pub end: Option<Timestamp>,
    /// The fragments in order.
    pub fragments: Vec<IndexedFragment>,
}

/// The samples of one fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexedFragment {
    /// Where its `moof` starts in the opened file. A sample lies at this plus its own `offset`.
    pub offset: u64,
    /// Length of `moof` and `mdat` together.
    pub len: u32,
    /// Its samples; decode times from the segment's start.
    pub layout: Layout,
}

/// Collects the index while a segment is written.
#[derive(Debug, Default)]
pub(crate) struct IndexWriter {
    fragments: Vec<u8>,
    count: u32,
}

impl IndexWriter {
    pub(crate) fn add(&mut self, offset: u64, len: u32, layout: &Layout) {
        self.count += 1;
        let out = &mut self.fragments;
        out.extend(offset.to_be_bytes());
        out.extend(len.to_be_bytes());
        out.push(layout.runs.len() as u8);
        for run in &layout.runs {
            let first = &run.samples[0];
            out.push(run.track.id() as u8);
            out.extend((run.samples.len() as u32).to_be_bytes());
            out.extend(first.dts.to_be_bytes());
            out.extend(first.offset.to_be_bytes());
            for sample in &run.samples {
                out.extend(sample.size.to_be_bytes());
                out.extend(sample.duration.to_be_bytes());
                out.extend(sample.cts_offset.to_be_bytes());
                out.push(u8::from(sample.key));
            }
        }
    }

    /// The box; nothing if it would be longer than a reader takes, as in a segment of many hours because its camera
    /// sends no key pictures. Such a segment is read without an index.
    pub(crate) fn finish(self, end: Timestamp) -> Option<Vec<u8>> {
        let len = u32::try_from(FRAME_LEN + self.fragments.len()).ok().filter(|len| *len <= MAX_BOX)?;
        let body = [
            &VERSION.to_be_bytes()[..],
            &end.as_millisecond().to_be_bytes(),
            &self.count.to_be_bytes(),
            &self.fragments,
            &len.to_be_bytes(),
        ];
        Some(uuid_box(&INDEX_TYPE, &body.concat()))
    }
}

/// Reads a whole index box that starts at `at` in the opened file. `None` if it is not one, or points to where no
/// fragment can be: then the file is read without it.
pub(crate) fn decode(bytes: &[u8], at: u64) -> Option<Index> {
    let own_len = u32::try_from(bytes.len()).ok()?.to_be_bytes();
    let mut fields = Fields(bytes.strip_suffix(&own_len)?);
    if fields.take(4)? != own_len || fields.take(4)? != b"uuid" || fields.take(16)? != INDEX_TYPE {
        return None;
    }
    if fields.u32()? != VERSION {
        return None;
    }
    let end = Timestamp::from_millisecond(fields.u64()? as i64).ok()?;
    let count = fields.u32()?;
    let mut fragments: Vec<IndexedFragment> = Vec::new();
    let mut free_from = 0;
    for _ in 0..count {
        let (offset, len) = (fields.u64()?, fields.u32()?);
        let fragment_end = offset.checked_add(u64::from(len))?;
        if offset < free_from || fragment_end > at {
            return None;
        }
        free_from = fragment_end;
        let runs = (0..fields.u8()?).map(|_| run(&mut fields, len)).collect::<Option<Vec<_>>>()?;
        if runs.is_empty() {
            return None;
        }
        fragments.push(IndexedFragment { offset, len, layout: Layout { runs } });
    }
    fields.0.is_empty().then_some(Index { end: Some(end), fragments })
}

fn run(fields: &mut Fields<'_>, fragment_len: u32) -> Option<Run> {
    let track = Track::from_id(u32::from(fields.u8()?))?;
    let count = fields.u32()?;
    let (dts, mut offset) = (fields.u64()?, fields.u32()?);
    let mut dts = i64::try_from(dts).ok().filter(|dts| *dts < i64::MAX / 2)?;
    let mut samples = Vec::new();
    for _ in 0..count {
        let (size, duration, cts_offset) = (fields.u32()?, fields.u32()?, fields.u32()? as i32);
        let key = fields.u8()? == 1;
        let end = offset.checked_add(size).filter(|end| *end <= fragment_len)?;
        samples.push(Sample { track, offset, size, dts, cts_offset, duration, key });
        offset = end;
        dts = dts.checked_add(i64::from(duration))?;
    }
    (!samples.is_empty()).then_some(Run { track, samples })
}

/// Big-endian numbers one after another, until there are no more.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(first)
    }
    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }
    fn u32(&mut self) -> Option<u32> {
        self.take(4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.take(8).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index() -> Index {
        let sample = |track, offset, dts, cts_offset, key| Sample {
            track,
            offset,
            size: 30,
            dts,
            cts_offset,
            duration: 4_500,
            key,
        };
        let fragment = |at: u64, key| IndexedFragment {
            offset: at,
            len: 1_000,
            layout: Layout {
                runs: vec![
                    Run {
                        track: Track::Video,
                        samples: vec![
                            sample(Track::Video, 400, at as i64, 9_000, key),
                            sample(Track::Video, 430, at as i64 + 4_500, -4, false),
                        ],
                    },
                    Run { track: Track::Audio, samples: vec![sample(Track::Audio, 900, 7, 0, true)] },
                ],
            },
        };
        Index {
            end: Timestamp::from_millisecond(1_700_000_000_123).ok(),
            fragments: vec![fragment(3_000, true), fragment(70_000, false)],
        }
    }

    fn encoded() -> Vec<u8> {
        let mut writer = IndexWriter::default();
        for f in &index().fragments {
            writer.add(f.offset, f.len, &f.layout);
        }
        writer.finish(index().end.unwrap()).unwrap()
    }

    #[test]
    fn an_index_reads_back_and_ends_with_its_own_length() {
        let bytes = encoded();
        assert_eq!(bytes[bytes.len() - 4..], (bytes.len() as u32).to_be_bytes());
        assert_eq!(decode(&bytes, 71_000), Some(index()));
    }

    #[test]
    fn an_index_that_points_past_itself_is_not_used() {
        assert_eq!(decode(&encoded(), 70_999), None);
    }

    #[test]
    fn an_index_too_long_for_a_reader_is_not_written() {
        let writer = |len| IndexWriter { fragments: vec![0; len], count: 0 };
        let end = Timestamp::UNIX_EPOCH;
        assert_eq!(writer(MAX_BOX as usize - FRAME_LEN).finish(end).map(|b| b.len()), Some(MAX_BOX as usize));
        assert_eq!(writer(MAX_BOX as usize - FRAME_LEN + 1).finish(end), None);
    }

    proptest! {
        #[test]
        fn a_damaged_index_never_panics(at in 0..encoded().len(), byte: u8, cut in 0..=encoded().len()) {
            let mut bytes = encoded();
            bytes[at] = byte;
            bytes.truncate(cut);
            let _ = decode(&bytes, 71_000);
        }
    }
}
