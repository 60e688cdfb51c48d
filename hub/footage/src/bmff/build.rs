//! Boxes made anew.

use base::footage::Track;

/// A sample to build a fragment from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSample<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// Length in the track's timescale.
    pub duration: u32,
    /// Presentation minus decode time, in the track's timescale.
    pub cts_offset: i32,
    /// It can be decoded without others.
    pub key: bool,
}

/// The samples of one track to build a fragment from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRun<'a> {
    /// Which track.
    pub track: Track,
    /// Decode time of the first sample in the track's timescale.
    pub dts: u64,
    /// In decode order.
    pub samples: Vec<NewSample<'a>>,
}

/// One `moof` with a `traf` per run, and one `mdat` with the runs' bytes in order.
pub fn build_fragment(sequence: u32, runs: &[NewRun<'_>]) -> Vec<u8> {
    // mfhd 16; traf 8 with tfhd 16, tfdt 20, trun 20 and 16 per sample.
    let moof_len = 24 + runs.iter().map(|r| 64 + 16 * r.samples.len()).sum::<usize>();
    let data_len: usize = runs.iter().flat_map(|r| &r.samples).map(|s| s.data.len()).sum();
    let mut out = Vec::with_capacity(moof_len + 8 + data_len);
    put(&mut out, moof_len, b"moof");
    put(&mut out, 16, b"mfhd");
    out.extend([[0; 4], sequence.to_be_bytes()].concat());
    let mut offset = moof_len + 8;
    for run in runs {
        let trun_len = 20 + 16 * run.samples.len();
        put(&mut out, 44 + trun_len, b"traf");
        put(&mut out, 16, b"tfhd");
        out.extend(0x0002_0000_u32.to_be_bytes()); // default-base-is-moof
        out.extend(run.track.id().to_be_bytes());
        put(&mut out, 20, b"tfdt");
        out.extend(0x0100_0000_u32.to_be_bytes()); // version 1
        out.extend(run.dts.to_be_bytes());
        put(&mut out, trun_len, b"trun");
        out.extend(0x0100_0f01_u32.to_be_bytes()); // version 1: signed composition offsets; every field per sample
        out.extend((run.samples.len() as u32).to_be_bytes());
        out.extend((offset as u32).to_be_bytes());
        for sample in &run.samples {
            let flags: u32 = if sample.key { 0x0200_0000 } else { 0x0101_0000 };
            out.extend(sample.duration.to_be_bytes());
            out.extend((sample.data.len() as u32).to_be_bytes());
            out.extend(flags.to_be_bytes());
            out.extend(sample.cts_offset.to_be_bytes());
            offset += sample.data.len();
        }
    }
    put(&mut out, 8 + data_len, b"mdat");
    for sample in runs.iter().flat_map(|r| &r.samples) {
        out.extend_from_slice(sample.data);
    }
    out
}

/// A `free` box of `len` bytes, at least 8: nothing, for as long as it lasts.
pub fn free_box(len: usize) -> Vec<u8> {
    let len = len.max(8);
    let mut out = Vec::with_capacity(len);
    put(&mut out, len, b"free");
    out.resize(len, 0);
    out
}

/// A `uuid` box: a box whose type nobody else uses.
pub fn uuid_box(kind: &[u8; 16], body: &[u8]) -> Vec<u8> {
    plain_box(b"uuid", &[kind, body])
}

/// A box of these parts, one after another.
pub(crate) fn plain_box(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let len = 8 + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut out = Vec::with_capacity(len);
    put(&mut out, len, kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// Numbers as boxes have them: 32 bits, big-endian.
pub(crate) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn put(out: &mut Vec<u8>, len: usize, kind: &[u8; 4]) {
    out.extend_from_slice(&(len as u32).to_be_bytes());
    out.extend_from_slice(kind);
}
