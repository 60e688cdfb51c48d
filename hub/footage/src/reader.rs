//! Reading one segment: whole, cut short, damaged, or still being written. Every byte that comes out was sealed at its
//! place; where that ends, reading ends and says why.

use std::fmt;
use std::fs::File;
use std::io;

use base::Timestamp;
use base::footage::{InitSegment, Sample, SegmentDetails, SegmentHeader, SegmentInfo, Track, VIDEO_TIMESCALE};
use bytes::Bytes;
use vault::{Ending, Opened};

use crate::bmff::{self, Layout, MAX_BOX, NewRun, NewSample};
use crate::header;
use crate::index::{self, INDEX_TYPE, Index, IndexedFragment};
use crate::open::StartError;
use crate::timeline::after;

/// `ftyp`, header and `moov` are far shorter than this.
const MAX_HEAD: u32 = 1024 * 1024;

/// More samples than this are not kept in memory to seek by: eight hours in one segment.
const MAX_SAMPLES: usize = 1_000_000;

/// Why a segment ends before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortened {
    /// It was not closed in order, as by a power cut, or is being written.
    Cut {
        /// Bytes of the opened file that are there.
        at: u64,
    },
    /// It was changed after it was written, or the disk has damaged it.
    Damaged {
        /// Where in the opened file.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// The disk did not give it.
    Unreadable {
        /// Where in the opened file.
        at: u64,
        /// What the system said.
        what: String,
    },
}

impl fmt::Display for Shortened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { at } => write!(f, "it was not closed in order and ends after {at} bytes"),
            Self::Damaged { at, what } => write!(f, "it is damaged at byte {at}: {what}"),
            Self::Unreadable { at, what } => write!(f, "it cannot be read at byte {at}: {what}"),
        }
    }
}

/// A fragment that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFragment {
    /// `moof` and `mdat`. Its times count from the segment's start, its sequence number from 1.
    pub bytes: Vec<u8>,
    /// Its samples, in the order of the `moof`; times from the segment's start, offsets into `bytes`.
    pub samples: Vec<Sample>,
    /// Decode time of its first sample of either track, 90 kHz, from the segment's start.
    pub start_90k: i64,
    /// End of its last picture, 90 kHz, from the segment's start.
    pub end_90k: i64,
    /// Its first picture is a key picture.
    pub key: bool,
}

/// What is in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its row for the index, exact: `Closed`, or `Recovered` if it was cut short.
    pub info: SegmentInfo,
    /// Its length, 90 kHz.
    pub length_90k: i64,
    /// Pictures.
    pub pictures: u64,
    /// Audio frames.
    pub sounds: u64,
    /// Why it is shorter than it was, if it is.
    pub shortened: Option<Shortened>,
}

/// An open segment. Reads one fragment at a time: memory is bounded by the longest fragment and, for seeking, the index.
pub struct SegmentReader {
    opened: Opened<File>,
    sealed_len: u64,
    header: SegmentHeader,
    init: InitSegment,
    /// Where the first fragment is.
    first: u64,
    /// Where the next box is.
    next: u64,
    /// The whole file is there, to its authenticated end.
    plain_len: Option<u64>,
    index: Option<Index>,
    shortened: Option<Shortened>,
}

impl fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentReader({} of {} at {})", self.header.segment, self.header.camera, self.next)
    }
}

impl SegmentReader {
    /// `sealed_len` is the file's length.
    pub(crate) fn start(mut opened: Opened<File>, sealed_len: u64) -> Result<Self, StartError> {
        let mut at = 0;
        let ftyp = head_box(&mut opened, &mut at, b"ftyp")?;
        let uuid = head_box(&mut opened, &mut at, b"uuid")?;
        let header = header::decode(&uuid[8..]).map_err(StartError::Header)?;
        let moov = head_box(&mut opened, &mut at, b"moov")?;
        let init = InitSegment {
            bytes: Bytes::from([ftyp, moov].concat()),
            video: header.video.clone(),
            audio: header.audio.clone(),
        };
        let end = opened.find_end().map_err(StartError::Read)?;
        let whole = end.ending == Ending::Whole;
        let shortened = match end.ending {
            Ending::Whole => None,
            Ending::Truncated => Some(Shortened::Cut { at: end.len }),
            Ending::Damaged => Some(damaged(end.len, "it is not what was sealed there")),
        };
        let plain_len = whole.then_some(end.len);
        Ok(Self { opened, sealed_len, header, init, first: at, next: at, plain_len, index: None, shortened })
    }

    /// What the file says of itself.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// What a player needs before the first fragment.
    pub fn init(&self) -> &InitSegment {
        &self.init
    }

    /// Why it ends before its end, as far as is known: a missing end is seen at once, damage when it is read.
    pub fn shortened(&self) -> Option<&Shortened> {
        self.shortened.as_ref()
    }

    /// The next fragment; `None` at the end, be it the true one or not.
    pub fn next_fragment(&mut self) -> Option<ReadFragment> {
        loop {
            let (len, kind) = self.box_here()?;
            match &kind {
                b"moof" => return self.fragment(len),
                b"uuid" if self.is_index() => return None,
                // `free`, and what a later version may add
                _ => self.skip(len)?,
            }
        }
    }

    /// The fragments from here on.
    pub fn fragments(&mut self) -> impl Iterator<Item = ReadFragment> + '_ {
        std::iter::from_fn(|| self.next_fragment())
    }

    /// Goes to the fragment with the last key picture that is shown at or before a time (90 kHz from the segment's start),
    /// else to the first fragment. Uses the index; if there is none, reads the file once to make one.
    pub fn seek(&mut self, to_90k: i64) {
        let starts_by = |at: Option<i64>| at.is_some_and(|at| at <= to_90k);
        let fragments = &self.index().fragments;
        let place = fragments.iter().rfind(|f| f.layout.key() && starts_by(f.layout.first_shown_90k()));
        let place = place.map(|f| f.offset);
        self.next = place.unwrap_or(self.first);
    }

    /// Where each sample lies in the opened file: to lay out a file made of them, and to read it with
    /// [`SegmentReader::read_at`]. From the sample index; if there is none, the file is read once.
    pub fn index(&mut self) -> &Index {
        if self.index.is_none() {
            let index = self.stored_index().unwrap_or_else(|| self.walk());
            self.index = Some(index);
        }
        self.index.get_or_insert_with(|| Index { end: None, fragments: Vec::new() })
    }

    /// Reads bytes at a place of the opened file. The place of [`SegmentReader::next_fragment`] does not move.
    ///
    /// # Errors
    /// `UnexpectedEof` if they are not all there; or the disk does not give them.
    pub fn read_at(&mut self, at: u64, buf: &mut [u8]) -> io::Result<()> {
        match read_up_to(&mut self.opened, at, buf)? {
            len if len == buf.len() => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the segment ends there, or is damaged")),
        }
    }

    /// Reads every byte, whether there is an index or not, and says what is in it.
    pub fn verify(&mut self) -> Summary {
        let stored_end = self.stored_index().and_then(|index| index.end);
        let walked = self.walk();
        self.index = Some(Index { end: stored_end.filter(|_| self.shortened.is_none()), ..walked });
        self.summary()
    }

    /// What is in it. From the index; if there is none, the file is read once.
    pub fn summary(&mut self) -> Summary {
        let rate = self.audio_rate();
        let index = self.index();
        let stored_end = index.end;
        let length_90k = index.fragments.iter().map(|f| f.layout.end_90k(rate)).max().unwrap_or(0);
        let count = |track| {
            let runs = index.fragments.iter().flat_map(|f| &f.layout.runs).filter(|r| r.track == track);
            runs.map(|r| r.samples.len() as u64).sum()
        };
        let (pictures, sounds) = (count(Track::Video), count(Track::Audio));
        let header = &self.header;
        let info = SegmentInfo {
            camera: header.camera,
            id: header.segment,
            stream: header.stream,
            epoch: Some(header.epoch),
            media: Some((header.connection, header.media_start_90k)),
            stamp: Some(header.stamp()),
            start: header.start,
            end: stored_end.unwrap_or_else(|| after(header.start, length_90k)),
            bytes: self.sealed_len,
            video: Some(header.video.clone()),
            audio: header.audio.clone(),
            fingerprint: Some(self.init.fingerprint()),
            details: if self.shortened.is_none() { SegmentDetails::Closed } else { SegmentDetails::Recovered },
        };
        Summary { info, length_90k, pictures, sounds, shortened: self.shortened.clone() }
    }

    /// Wall-clock time of a time in the segment.
    pub fn wall(&self, at_90k: i64) -> Timestamp {
        after(self.header.start, at_90k)
    }

    fn audio_rate(&self) -> u32 {
        self.init.timescale(Track::Audio).max(1)
    }

    /// The index box at the file's end, if it is whole and has one.
    fn stored_index(&mut self) -> Option<Index> {
        let end = self.plain_len?;
        let mut len = [0; 4];
        self.read_at(end.checked_sub(4)?, &mut len).ok()?;
        let len = u32::from_be_bytes(len);
        let at = end.checked_sub(u64::from(len)).filter(|at| *at >= self.first && len <= MAX_BOX)?;
        let mut bytes = vec![0; len as usize];
        self.read_at(at, &mut bytes).ok()?;
        index::decode(&bytes, at)
    }

    /// Reads the file to its end, or to where that is not possible.
    fn walk(&mut self) -> Index {
        let back = std::mem::replace(&mut self.next, self.first);
        let (mut fragments, mut samples) = (Vec::new(), 0);
        while let Some(found) = self.next_indexed() {
            samples += found.layout.runs.iter().map(|r| r.samples.len()).sum::<usize>();
            if samples > MAX_SAMPLES {
                self.end(damaged(found.offset, "it has more samples than a segment can have"));
                break;
            }
            fragments.push(found);
        }
        self.next = back;
        Index { end: None, fragments }
    }

    /// The next fragment, read and checked, but not kept.
    fn next_indexed(&mut self) -> Option<IndexedFragment> {
        loop {
            let offset = self.next;
            let (len, kind) = self.box_here()?;
            match &kind {
                b"moof" => {
                    let (layout, whole) = self.layout(len)?;
                    return Some(IndexedFragment { offset, len: whole, layout });
                }
                b"uuid" if self.is_index() => return None,
                _ => self.skip(len)?,
            }
        }
    }

    /// Layout of the fragment here, of the samples that are there; goes on behind it.
    fn layout(&mut self, moof_len: u32) -> Option<(Layout, u32)> {
        let at = self.next;
        let (layout, len) = self.moof(moof_len)?;
        let there = self.pass(at + u64::from(moof_len), len - moof_len);
        self.next = at + u64::from(len);
        let mut layout = layout;
        if there < len - moof_len {
            keep_whole(&mut layout, moof_len + there);
        }
        (!layout.runs.is_empty()).then_some((layout, len))
    }

    /// The fragment here; goes on behind it.
    fn fragment(&mut self, moof_len: u32) -> Option<ReadFragment> {
        let at = self.next;
        let (mut layout, len) = self.moof(moof_len)?;
        let mut bytes = vec![0; len as usize];
        let there = self.read(at, &mut bytes);
        self.next = at + u64::from(len);
        if there < bytes.len() {
            keep_whole(&mut layout, there as u32);
            if layout.runs.is_empty() {
                return None;
            }
            bytes = rebuild(&bytes, &layout);
            layout = bmff::parse_fragment(&bytes).ok()?;
        }
        let rate = self.audio_rate();
        Some(ReadFragment {
            start_90k: layout.start_90k(rate),
            end_90k: layout.end_90k(rate),
            key: layout.key(),
            samples: layout.runs.into_iter().flat_map(|r| r.samples).collect(),
            bytes,
        })
    }

    /// Reads the `moof` here and the head of the `mdat` after it; the length of both.
    fn moof(&mut self, len: u32) -> Option<(Layout, u32)> {
        let at = self.next;
        let mut moof = vec![0; len as usize + 8];
        if self.read(at, &mut moof) < moof.len() {
            return None;
        }
        let (moof, mdat) = moof.split_at(len as usize);
        let whole = mdat.try_into().map_err(|_| "").and_then(|first| match bmff::box_start(first) {
            Ok((mdat_len, kind)) if kind == *b"mdat" => Ok(len + mdat_len),
            _ => Err("there is no mdat box after the moof"),
        });
        let parsed = whole
            .map_err(str::to_owned)
            .and_then(|whole| bmff::parse_moof(moof, whole).map(|layout| (layout, whole)).map_err(|e| e.to_string()));
        match parsed {
            Ok(found) => Some(found),
            Err(what) => {
                self.end(Shortened::Damaged { at, what });
                None
            }
        }
    }

    /// Length and type of the box here; `None` at the end.
    fn box_here(&mut self) -> Option<(u32, [u8; 4])> {
        if self.plain_len.is_some_and(|end| self.next >= end) {
            return None;
        }
        let mut first = [0; 8];
        if self.read(self.next, &mut first) < 8 {
            return None;
        }
        bmff::box_start(first).map_err(|e| self.end(damaged(self.next, e.what))).ok()
    }

    fn is_index(&mut self) -> bool {
        let mut kind = [0; 16];
        self.read(self.next + 8, &mut kind) == 16 && kind == INDEX_TYPE
    }

    /// Reads over a box: what does not authenticate is not passed.
    fn skip(&mut self, len: u32) -> Option<()> {
        let there = self.pass(self.next, len);
        self.next += u64::from(len);
        (there == len).then_some(())
    }

    /// How many bytes of a stretch are there.
    fn pass(&mut self, at: u64, len: u32) -> u32 {
        let mut buf = [0; 4096];
        let mut done = 0;
        while done < len {
            let want = buf.len().min((len - done) as usize);
            let there = self.read(at + u64::from(done), &mut buf[..want]);
            done += there as u32;
            if there < want {
                break;
            }
        }
        done
    }

    /// Reads what is there, and notes why if that is not all.
    fn read(&mut self, at: u64, buf: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buf.len() {
            let here = at + done as u64;
            match self.opened.read_at(here, &mut buf[done..]) {
                Ok(0) => {
                    self.end(match self.opened.ending() {
                        Some(Ending::Truncated) => Shortened::Cut { at: here },
                        Some(Ending::Whole) => damaged(here, "a box is longer than the file"),
                        _ => damaged(here, "it is not what was sealed there"),
                    });
                    break;
                }
                Ok(len) => done += len,
                Err(e) => {
                    self.end(Shortened::Unreadable { at: here, what: e.to_string() });
                    break;
                }
            }
        }
        done
    }

    /// Damage tells more than a missing end.
    fn end(&mut self, why: Shortened) {
        if self.shortened.is_none() || matches!(self.shortened, Some(Shortened::Cut { .. })) {
            self.shortened = Some(why);
        }
    }
}

fn damaged(at: u64, what: &str) -> Shortened {
    Shortened::Damaged { at, what: what.to_owned() }
}

/// A box of the head, whole; goes on behind it.
fn head_box(opened: &mut Opened<File>, at: &mut u64, kind: &[u8; 4]) -> Result<Vec<u8>, StartError> {
    let name = || String::from_utf8_lossy(kind).into_owned();
    let missing = || StartError::Damaged(format!("the {} box is missing or cut short", name()));
    let mut first = [0; 8];
    if read_up_to(opened, *at, &mut first).map_err(StartError::Read)? < 8 {
        return Err(missing());
    }
    let len = match bmff::box_start(first) {
        Ok((len, found)) if found == *kind && len <= MAX_HEAD => len,
        _ => return Err(missing()),
    };
    let mut whole = vec![0; len as usize];
    if read_up_to(opened, *at, &mut whole).map_err(StartError::Read)? < whole.len() {
        return Err(missing());
    }
    *at += u64::from(len);
    Ok(whole)
}

fn read_up_to(opened: &mut Opened<File>, at: u64, buf: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match opened.read_at(at + done as u64, &mut buf[done..])? {
            0 => break,
            len => done += len,
        }
    }
    Ok(done)
}

/// Drops the samples that do not lie within the first `there` bytes of a fragment whole, and all after them.
fn keep_whole(layout: &mut Layout, there: u32) {
    for run in &mut layout.runs {
        let whole = run.samples.iter().take_while(|s| s.offset + s.size <= there).count();
        run.samples.truncate(whole);
    }
    layout.runs.retain(|run| !run.samples.is_empty());
}

/// A fragment of the samples that are left of one that was cut.
fn rebuild(cut: &[u8], layout: &Layout) -> Vec<u8> {
    let runs: Vec<_> = layout
        .runs
        .iter()
        .map(|run| {
            let sample = |s: &Sample| NewSample {
                data: &cut[s.offset as usize..(s.offset + s.size) as usize],
                duration: s.duration,
                cts_offset: s.cts_offset,
                key: s.key,
            };
            NewRun {
                track: run.track,
                dts: run.samples[0].dts as u64,
                samples: run.samples.iter().map(sample).collect(),
            }
        })
        .collect();
    bmff::build_fragment(bmff::sequence(cut).unwrap_or(0), &runs)
}

const _: () = assert!(VIDEO_TIMESCALE == 90_000, "times of pictures are taken for ticks of 90 kHz");
