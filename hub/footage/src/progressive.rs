//! Segments as one progressive MP4 (ISO/IEC 14496-12) that is nowhere written: its layout is worked out from the
//! segments' sample indexes, and its bytes are where they always were, in the sealed files.
//!
//! `ftyp`, `moov`, and one `mdat` of which every piece is a stretch of a segment. Times are exact: where nothing was
//! recorded, the last sample before it lasts until the next, so a gap is as long as it was.

mod boxes;
mod tables;

use base::footage::{InitSegment, Track, VIDEO_TIMESCALE};

use crate::bmff::{BadBox, Run};
use crate::index::IndexedFragment;
use tables::TrackTables;

/// The layout of such a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progressive {
    head: Vec<u8>,
    pieces: Vec<Piece>,
    len: u64,
    length_90k: i64,
}

/// Bytes of the file that stand in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where they start in the file.
    pub at: u64,
    /// Which of the sources they are of.
    pub source: usize,
    /// Where they start in the opened segment.
    pub from: u64,
    /// How many.
    pub len: u64,
}

/// What stands at a place of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// These bytes.
    Head(&'a [u8]),
    /// These bytes of a segment.
    Footage(Piece),
}

impl Progressive {
    /// Length of the file in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// There is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// From the first picture to the end of the last one, 90 kHz.
    pub fn length_90k(&self) -> i64 {
        self.length_90k
    }

    /// What stands at `at`, up to the end of the piece that it lies in; `None` at the end of the file.
    pub fn part(&self, at: u64) -> Option<Part<'_>> {
        if let Some(rest) = usize::try_from(at).ok().and_then(|at| self.head.get(at..)).filter(|rest| !rest.is_empty())
        {
            return Some(Part::Head(rest));
        }
        let after = self.pieces.partition_point(|piece| piece.at <= at);
        let piece = self.pieces.get(after.checked_sub(1)?).filter(|piece| at < piece.at + piece.len)?;
        let skip = at - piece.at;
        Some(Part::Footage(Piece { at, from: piece.from + skip, len: piece.len - skip, ..*piece }))
    }
}

/// Lays such a file out, fragment by fragment.
#[derive(Debug)]
pub struct Builder {
    init: InitSegment,
    tracks: [TrackTables; 2],
    pieces: Vec<Piece>,
    /// Bytes of footage so far.
    len: u64,
}

impl Builder {
    /// Begins a file of segments that all have this init segment.
    pub fn new(init: InitSegment) -> Self {
        let tables = |track| TrackTables::new(init.timescale(track));
        let tracks = [tables(Track::Video), tables(Track::Audio)];
        Self { init, tracks, pieces: Vec::new(), len: 0 }
    }

    /// Adds a fragment of the segment that the caller calls `source`. `offset_90k` added to a time in the segment gives the
    /// time in the file; samples that would begin before the one before them are moved behind it.
    pub fn add(&mut self, source: usize, offset_90k: i64, fragment: &IndexedFragment) {
        fragment.layout.runs.iter().for_each(|run| self.run(source, offset_90k, fragment.offset, run));
    }

    /// How far the file reaches, in 90 kHz of its own time; `None` if there is nothing in it.
    pub fn end_90k(&self) -> Option<i64> {
        self.tracks.iter().filter_map(TrackTables::end_90k).max()
    }

    /// The file.
    ///
    /// # Errors
    /// The init segment is not one that this project writes.
    pub fn finish(self) -> Result<Progressive, BadBox> {
        let Self { init, tracks, mut pieces, len } = self;
        let start_90k = tracks.iter().filter_map(TrackTables::start_90k).min().unwrap_or(0);
        // Chunks are counted from the file's start, so the head must be as long as it will be: once to measure it.
        let measured = boxes::head(&init, &tracks, start_90k, len, 0)?.len() as u64;
        let head = boxes::head(&init, &tracks, start_90k, len, measured)?;
        pieces.iter_mut().for_each(|piece| piece.at += measured);
        let [pictures, sound] = &tracks;
        let of = |track: &TrackTables| track.end_90k().zip(track.start_90k()).map(|(end, start)| end - start);
        let length_90k = of(pictures).or(of(sound)).unwrap_or(0);
        Ok(Progressive { head, pieces, len: measured + len, length_90k })
    }

    /// Adds the samples of one track in one fragment, whose `moof` stands at `moof_at` in the opened segment.
    fn run(&mut self, source: usize, offset_90k: i64, moof_at: u64, run: &Run) {
        let offset = match run.track {
            Track::Video => offset_90k,
            Track::Audio => {
                let rate = i128::from(self.init.timescale(Track::Audio));
                (i128::from(offset_90k) * rate).div_euclid(i128::from(VIDEO_TIMESCALE)) as i64
            }
        };
        let mut next = None;
        for sample in &run.samples {
            let from = moof_at + u64::from(sample.offset);
            let tables = &mut self.tracks[run.track as usize];
            if next != Some(from) {
                tables.chunk(self.len);
            }
            tables.sample(sample.dts.saturating_add(offset), sample);
            self.piece(source, from, u64::from(sample.size));
            next = Some(from + u64::from(sample.size));
        }
    }

    /// Adds bytes of a segment, to the piece before where they go on with it.
    fn piece(&mut self, source: usize, from: u64, len: u64) {
        match self.pieces.last_mut() {
            Some(last) if last.source == source && last.from + last.len == from => last.len += len,
            _ => self.pieces.push(Piece { at: self.len, source, from, len }),
        }
        self.len += len;
    }
}

#[cfg(test)]
mod tests;
