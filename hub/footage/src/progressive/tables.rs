//! The sample tables of one track (ISO/IEC 14496-12 §8.6, §8.7), gathered sample by sample: a day of footage has millions.

use base::footage::Sample;

use crate::bmff::{plain_box, words};

/// A value that stands so many times in a row.
type Repeated = (u32, u32);

#[derive(Debug)]
pub(super) struct TrackTables {
    /// Ticks per second.
    pub(super) timescale: u32,
    /// Decode time of the first sample, in ticks of the file.
    first: Option<i64>,
    /// Decode time and length of the last one.
    last: (i64, u32),
    /// When the one that is shown last has been shown.
    shown_end: i64,
    /// Number of samples, length in ticks: all but the last sample's.
    durations: Vec<Repeated>,
    /// Number of samples, presentation minus decode time.
    offsets: Vec<Repeated>,
    sizes: Vec<u32>,
    /// Numbers of the samples that can be decoded without others, from 1.
    keys: Vec<u32>,
    /// Where each chunk starts in the `mdat`'s content, and how many samples there were before it.
    chunks: Vec<(u64, u32)>,
}

impl TrackTables {
    pub(super) fn new(timescale: u32) -> Self {
        Self {
            timescale,
            first: None,
            last: (0, 0),
            shown_end: i64::MIN,
            durations: Vec::new(),
            offsets: Vec::new(),
            sizes: Vec::new(),
            keys: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// What follows stands at `at`, and not after the sample before.
    pub(super) fn chunk(&mut self, at: u64) {
        self.chunks.push((at, self.sizes.len() as u32));
    }

    /// A sample with its decode time in the file. What came before it lasts until then.
    pub(super) fn sample(&mut self, dts: i64, sample: &Sample) {
        let dts = match self.first {
            None => *self.first.insert(dts),
            Some(_) => {
                // Never backwards, whatever the clocks did.
                let dts = dts.max(self.last.0 + 1);
                repeat(&mut self.durations, u32::try_from(dts - self.last.0).unwrap_or(u32::MAX));
                dts
            }
        };
        self.last = (dts, sample.duration);
        self.shown_end = self.shown_end.max(dts + i64::from(sample.cts_offset) + i64::from(sample.duration));
        repeat(&mut self.offsets, sample.cts_offset as u32);
        self.sizes.push(sample.size);
        if sample.key {
            self.keys.push(self.sizes.len() as u32);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// When the first sample is shown, in 90 kHz of the file.
    pub(super) fn start_90k(&self) -> Option<i64> {
        self.first.map(|ticks| self.in_90k(ticks + i64::from(self.first_offset())))
    }

    /// When the sample that is shown last ends.
    pub(super) fn end_90k(&self) -> Option<i64> {
        self.first.map(|_| self.in_90k(self.shown_end))
    }

    /// From when the first sample is shown to the end of the one that is shown last, in ticks.
    pub(super) fn shown_length(&self) -> u64 {
        self.first
            .map_or(0, |first| self.shown_end.saturating_sub(first + i64::from(self.first_offset())).max(0) as u64)
    }

    fn in_90k(&self, ticks: i64) -> i64 {
        (i128::from(ticks) * 90_000).div_euclid(i128::from(self.timescale.max(1))) as i64
    }

    /// From the first sample's decode time to the end of the last one, in ticks.
    pub(super) fn length(&self) -> u64 {
        self.first.map_or(0, |first| (self.last.0 - first) as u64 + u64::from(self.last.1))
    }

    /// Presentation minus decode time of the first sample, in ticks.
    pub(super) fn first_offset(&self) -> i32 {
        self.offsets.first().map_or(0, |(_, offset)| *offset as i32)
    }

    /// `stts`, `ctts`, `stss`, `stsc`, `stsz`, `co64`; chunks count from `content_at`.
    pub(super) fn write(&self, content_at: u64) -> Vec<u8> {
        let mut durations = self.durations.clone();
        if !self.is_empty() {
            repeat(&mut durations, self.last.1);
        }
        let mut out = pairs(b"stts", 0, &durations);
        if self.offsets.iter().any(|(_, offset)| *offset != 0) {
            out.extend(pairs(b"ctts", 1, &self.offsets)); // version 1: signed
        }
        if self.keys.len() != self.sizes.len() {
            out.extend(table(b"stss", 0, &[self.keys.len() as u32], self.keys.iter().map(|n| n.to_be_bytes())));
        }
        out.extend(self.samples_per_chunk());
        let sizes = self.sizes.iter().map(|n| n.to_be_bytes());
        out.extend(table(b"stsz", 0, &[0, self.sizes.len() as u32], sizes)); // 0: each has its own
        let places = self.chunks.iter().map(|(at, _)| (content_at + at).to_be_bytes());
        out.extend(table(b"co64", 0, &[self.chunks.len() as u32], places));
        out
    }

    fn samples_per_chunk(&self) -> Vec<u8> {
        let ends = self.chunks.iter().skip(1).map(|(_, before)| *before).chain([self.sizes.len() as u32]);
        let mut runs: Vec<[u32; 3]> = Vec::new();
        for (n, ((_, start), end)) in self.chunks.iter().zip(ends).enumerate() {
            let samples = end - start;
            if runs.last().is_none_or(|[_, before, _]| *before != samples) {
                runs.push([n as u32 + 1, samples, 1]); // from this chunk on; the only sample description
            }
        }
        let entries = runs.iter().map(|run| words(run));
        table(b"stsc", 0, &[runs.len() as u32], entries)
    }
}

/// Adds a value to a list that says how often each stands in a row.
fn repeat(list: &mut Vec<Repeated>, value: u32) {
    match list.last_mut() {
        Some((count, last)) if *last == value => *count += 1,
        _ => list.push((1, value)),
    }
}

fn pairs(kind: &[u8; 4], version: u8, list: &[Repeated]) -> Vec<u8> {
    table(kind, version, &[list.len() as u32], list.iter().map(|(count, value)| words(&[*count, *value])))
}

fn table<E: AsRef<[u8]>>(kind: &[u8; 4], version: u8, before: &[u32], entries: impl Iterator<Item = E>) -> Vec<u8> {
    let mut body = words(&[u32::from(version) << 24]);
    body.extend(words(before));
    entries.for_each(|entry| body.extend_from_slice(entry.as_ref()));
    plain_box(kind, &[&body])
}
