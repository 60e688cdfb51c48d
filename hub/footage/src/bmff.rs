//! ISO base media files (ISO/IEC 14496-12): the few boxes that footage is made of, read, patched and built.
//!
//! Everything here works on bytes in memory, checks every length before it uses it, and never panics on bad input.

mod build;

use base::footage::{Sample, Track};

pub use build::{NewRun, NewSample, build_fragment, free_box, uuid_box};
pub(crate) use build::{plain_box, words};

/// A longer box than this is damage: no camera sends half a second of 16 MiB.
pub const MAX_BOX: u32 = 16 * 1024 * 1024;

/// More samples than this in one fragment are damage.
const MAX_SAMPLES: u32 = 4_096;

/// Bytes are not the boxes they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of the box: {what}")]
pub struct BadBox {
    /// Where, from the first byte given.
    pub at: usize,
    /// What is wrong there.
    pub what: &'static str,
}

fn bad<T>(at: usize, what: &'static str) -> Result<T, BadBox> {
    Err(BadBox { at, what })
}

/// One box inside some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BoxAt<'a> {
    /// Its four-letter type.
    pub kind: [u8; 4],
    /// Where it starts in the bytes given.
    pub at: usize,
    /// What follows its 8 bytes of length and type.
    pub body: &'a [u8],
}

impl BoxAt<'_> {
    /// Its whole length.
    pub fn len(&self) -> usize {
        8 + self.body.len()
    }
    /// No box is shorter than its 8 bytes of length and type.
    pub fn is_empty(&self) -> bool {
        false
    }
    /// Where its body starts in the bytes given.
    fn body_at(&self) -> usize {
        self.at + 8
    }
}

/// Length and type of a box from its first 8 bytes.
///
/// # Errors
/// A length below 8 or above [`MAX_BOX`]; 64-bit lengths and "to the end" are not used in footage.
pub fn box_start(first: [u8; 8]) -> Result<(u32, [u8; 4]), BadBox> {
    let [a, b, c, d, kind @ ..] = first;
    let len = u32::from_be_bytes([a, b, c, d]);
    if !(8..=MAX_BOX).contains(&len) {
        return bad(0, "the length of the box is out of bounds");
    }
    Ok((len, kind))
}

/// The boxes that some bytes consist of, one after another; ends after the first error.
pub fn boxes(bytes: &[u8]) -> impl Iterator<Item = Result<BoxAt<'_>, BadBox>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let found = box_at(bytes, at);
        at = found.as_ref().map_or(bytes.len(), |b| at + b.len());
        Some(found)
    })
}

fn box_at(bytes: &[u8], at: usize) -> Result<BoxAt<'_>, BadBox> {
    let rest = &bytes[at..];
    let Some(first) = rest.first_chunk::<8>() else { return bad(at, "the box is cut short") };
    let (len, kind) = box_start(*first).map_err(|e| BadBox { at, ..e })?;
    match rest.get(8..len as usize) {
        Some(body) => Ok(BoxAt { kind, at, body }),
        None => bad(at, "the box is cut short"),
    }
}

/// Splits an init segment into its `ftyp` and its `moov`.
///
/// # Errors
/// It is anything else than these two boxes.
pub fn split_init(bytes: &[u8]) -> Result<(&[u8], &[u8]), BadBox> {
    let mut found = boxes(bytes);
    let ftyp = found.next().unwrap_or_else(|| bad(0, "the init segment is empty"))?;
    let moov = found.next().unwrap_or_else(|| bad(ftyp.len(), "there is no moov box"))?;
    if ftyp.kind != *b"ftyp" || moov.kind != *b"moov" || found.next().is_some() {
        return bad(0, "an init segment is ftyp and moov and nothing else");
    }
    Ok(bytes.split_at(ftyp.len()))
}

/// The samples of one track in a fragment: they follow one another in time and in the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which track.
    pub track: Track,
    /// At least one. `dts` as the fragment's `tfdt` counts.
    pub samples: Vec<Sample>,
}

/// What a `moof` says about its fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// One for each track that has samples, in the order of the `moof`.
    pub runs: Vec<Run>,
}

impl Layout {
    /// Start of the earliest sample of either track, 90 kHz.
    pub fn start_90k(&self, audio_rate: u32) -> i64 {
        self.runs.iter().map(|r| to_90k(r.track, r.samples[0].dts, audio_rate)).min().unwrap_or(0)
    }
    /// End of the last picture, 90 kHz; of the last audio frame if there are no pictures.
    pub fn end_90k(&self, audio_rate: u32) -> i64 {
        let end = |r: &Run| r.samples.last().map_or(0, |s| to_90k(r.track, s.dts + i64::from(s.duration), audio_rate));
        let of = |track| self.runs.iter().filter(move |r| r.track == track).map(end).max();
        of(Track::Video).or_else(|| of(Track::Audio)).unwrap_or(0)
    }
    /// Decode time of the first picture, if there is one.
    pub fn first_picture_90k(&self) -> Option<i64> {
        self.runs.iter().find(|r| r.track == Track::Video).map(|r| r.samples[0].dts)
    }
    /// When the first picture is shown. That of an open GOP is decoded before: when the first of the pictures is shown that
    /// come after it and lean on what was before it.
    pub fn first_shown_90k(&self) -> Option<i64> {
        let first = &self.runs.iter().find(|r| r.track == Track::Video)?.samples[0];
        Some(first.dts + i64::from(first.cts_offset))
    }
    /// Its first picture can be decoded without others.
    pub fn key(&self) -> bool {
        self.runs.iter().find(|r| r.track == Track::Video).is_some_and(|r| r.samples[0].key)
    }
}

/// A time of a track in ticks of 90 kHz, rounded down.
pub fn to_90k(track: Track, ticks: i64, audio_rate: u32) -> i64 {
    match track {
        Track::Video => ticks,
        Track::Audio => (i128::from(ticks) * 90_000).div_euclid(i128::from(audio_rate.max(1))) as i64,
    }
}

/// Reads a `moof`. `fragment_len` is the length of `moof` and `mdat` together: samples must lie in the `mdat`.
///
/// What a track's `trex` could provide must stand in `tfhd` or `trun`, but for flags, which default to 0 (key).
///
/// # Errors
/// Anything that is not a `moof` with, for each track, one `tfhd` (relative to the `moof`), one 64-bit `tfdt` and one `trun`.
pub fn parse_moof(moof: &[u8], fragment_len: u32) -> Result<Layout, BadBox> {
    let outer = box_at(moof, 0)?;
    if outer.kind != *b"moof" || outer.len() != moof.len() {
        return bad(0, "this is not a moof box");
    }
    let mut runs: Vec<Run> = Vec::new();
    for traf in boxes(outer.body) {
        let traf = traf.map_err(|e| BadBox { at: e.at + outer.body_at(), ..e })?;
        if traf.kind != *b"traf" {
            continue;
        }
        let at = outer.body_at() + traf.body_at();
        let run = parse_traf(traf.body, moof.len() as u32, fragment_len).map_err(|e| BadBox { at: at + e.at, ..e })?;
        match run {
            Some(run) if runs.iter().any(|r| r.track == run.track) => return bad(at, "a track has two traf boxes"),
            Some(run) => runs.push(run),
            None => {}
        }
    }
    if runs.is_empty() { bad(0, "there are no samples") } else { Ok(Layout { runs }) }
}

/// Reads a whole fragment, `moof` and `mdat`.
///
/// # Errors
/// As [`parse_moof`], or it is not exactly these two boxes.
pub fn parse_fragment(bytes: &[u8]) -> Result<Layout, BadBox> {
    let moof = moof_of(bytes)?;
    parse_moof(&bytes[..moof.len()], bytes.len() as u32)
}

/// The sequence number (`mfhd`) of a fragment.
///
/// # Errors
/// It is not a fragment.
pub fn sequence(fragment: &[u8]) -> Result<u32, BadBox> {
    let at = sequence_at(fragment)?;
    Ok(u32::from_be_bytes([fragment[at], fragment[at + 1], fragment[at + 2], fragment[at + 3]]))
}

/// Sets the sequence number (`mfhd`) of a fragment.
///
/// # Errors
/// It is not a fragment.
pub fn set_sequence(fragment: &mut [u8], sequence: u32) -> Result<(), BadBox> {
    let at = sequence_at(fragment)?;
    fragment[at..at + 4].copy_from_slice(&sequence.to_be_bytes());
    Ok(())
}

fn sequence_at(fragment: &[u8]) -> Result<usize, BadBox> {
    let moof = moof_of(fragment)?;
    for inner in boxes(moof.body) {
        let inner = inner?;
        if inner.kind == *b"mfhd" && inner.body.len() == 8 {
            return Ok(moof.body_at() + inner.body_at() + 4);
        }
    }
    bad(0, "there is no mfhd box")
}

/// Moves a fragment in time: gives each track's decode time (its own timescale) to `f` and writes what comes back.
///
/// # Errors
/// It is not a fragment with one 64-bit `tfdt` per track; then nothing is changed.
pub fn retime(fragment: &mut [u8], mut f: impl FnMut(Track, u64) -> u64) -> Result<(), BadBox> {
    let moof = moof_of(fragment)?;
    let mut patches = Vec::new();
    for traf in boxes(moof.body) {
        let traf = traf?;
        if traf.kind != *b"traf" {
            continue;
        }
        let base = moof.body_at() + traf.body_at();
        let heads = TrafHeads::find(traf.body)?;
        let (tfdt_at, dts) = read_tfdt(&heads.tfdt)?;
        patches.push((base + tfdt_at, f(heads.track()?, dts)));
    }
    for (at, dts) in patches {
        fragment[at..at + 8].copy_from_slice(&dts.to_be_bytes());
    }
    Ok(())
}

fn moof_of(fragment: &[u8]) -> Result<BoxAt<'_>, BadBox> {
    let mut found = boxes(fragment);
    let moof = found.next().unwrap_or_else(|| bad(0, "the fragment is empty"))?;
    let mdat = found.next().unwrap_or_else(|| bad(moof.len(), "there is no mdat box"))?;
    if moof.kind != *b"moof" || mdat.kind != *b"mdat" || found.next().is_some() {
        return bad(0, "a fragment is moof and mdat and nothing else");
    }
    Ok(moof)
}

struct TrafHeads<'a> {
    tfhd: BoxAt<'a>,
    tfdt: BoxAt<'a>,
    trun: Option<BoxAt<'a>>,
}

impl<'a> TrafHeads<'a> {
    fn find(traf: &'a [u8]) -> Result<Self, BadBox> {
        let (mut tfhd, mut tfdt, mut trun) = (None, None, None);
        for inner in boxes(traf) {
            let inner = inner?;
            let place = match &inner.kind {
                b"tfhd" => &mut tfhd,
                b"tfdt" => &mut tfdt,
                b"trun" => &mut trun,
                _ => continue,
            };
            if place.replace(inner).is_some() {
                return bad(inner.at, "a box of the traf stands there twice");
            }
        }
        match (tfhd, tfdt) {
            (Some(tfhd), Some(tfdt)) => Ok(Self { tfhd, tfdt, trun }),
            _ => bad(0, "the traf lacks a tfhd or a tfdt"),
        }
    }
    fn track(&self) -> Result<Track, BadBox> {
        let id = Fields::of(&self.tfhd).skip(4)?.u32()?;
        Track::from_id(id).map_or_else(|| bad(self.tfhd.at, "the track is neither picture nor sound"), Ok)
    }
}

/// Where the decode time stands in the traf's body, and what it is.
fn read_tfdt(tfdt: &BoxAt<'_>) -> Result<(usize, u64), BadBox> {
    let mut fields = Fields::of(tfdt);
    if fields.u32()? >> 24 != 1 {
        return bad(tfdt.at, "the tfdt is not of version 1");
    }
    let dts = fields.u64()?;
    if dts > i64::MAX as u64 / 2 {
        return bad(tfdt.at, "the decode time is out of bounds");
    }
    Ok((tfdt.body_at() + 4, dts))
}

fn parse_traf(traf: &[u8], moof_len: u32, fragment_len: u32) -> Result<Option<Run>, BadBox> {
    let heads = TrafHeads::find(traf)?;
    let track = heads.track()?;
    let (_, mut dts) = read_tfdt(&heads.tfdt)?;
    let defaults = Defaults::read(&heads.tfhd)?;
    let Some(trun) = heads.trun else { return Ok(None) };

    let mut fields = Fields::of(&trun);
    let flags = fields.u32()?;
    let has = |bit: u32| flags & bit != 0;
    let count = fields.u32()?;
    if count > MAX_SAMPLES {
        return bad(trun.at, "there are too many samples");
    }
    if !has(0x1) {
        return bad(trun.at, "the trun has no data offset");
    }
    let mut offset = fields.u32()?;
    let mut first_flags = if has(0x4) { Some(fields.u32()?) } else { None };
    let mut samples = Vec::with_capacity(count.min(1_024) as usize);
    for _ in 0..count {
        let duration = if has(0x100) { Some(fields.u32()?) } else { defaults.duration };
        let size = if has(0x200) { Some(fields.u32()?) } else { defaults.size };
        let own_flags = if has(0x400) { Some(fields.u32()?) } else { defaults.flags };
        let flags = first_flags.take().or(own_flags).unwrap_or(0);
        let cts_offset = if has(0x800) { fields.u32()? as i32 } else { 0 };
        let (Some(duration), Some(size)) = (duration, size) else {
            return bad(trun.at, "a sample has no duration or no size");
        };
        let end = u64::from(offset) + u64::from(size);
        if offset < moof_len + 8 || end > u64::from(fragment_len) {
            return bad(trun.at, "a sample lies outside the mdat");
        }
        let key = flags & 0x0001_0000 == 0; // sample_is_non_sync_sample
        samples.push(Sample { track, offset, size, dts: dts as i64, cts_offset, duration, key });
        offset = end as u32;
        dts += u64::from(duration);
    }
    Ok((!samples.is_empty()).then_some(Run { track, samples }))
}

struct Defaults {
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
}

impl Defaults {
    fn read(tfhd: &BoxAt<'_>) -> Result<Self, BadBox> {
        let mut fields = Fields::of(tfhd);
        let flags = fields.u32()?;
        if flags & 0x1 != 0 || flags & 0x02_0000 == 0 {
            return bad(tfhd.at, "the tfhd is not relative to the moof");
        }
        fields = fields.skip(4)?; // track
        if flags & 0x2 != 0 {
            fields = fields.skip(4)?; // sample description
        }
        let mut optional = |bit: u32| if flags & bit != 0 { fields.u32().map(Some) } else { Ok(None) };
        Ok(Self { duration: optional(0x8)?, size: optional(0x10)?, flags: optional(0x20)? })
    }
}

/// Big-endian numbers one after another.
struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn of(inner: &BoxAt<'a>) -> Self {
        Self { rest: inner.body, at: inner.at }
    }
    fn skip(mut self, n: usize) -> Result<Self, BadBox> {
        match self.rest.get(n..) {
            Some(rest) => self.rest = rest,
            None => return bad(self.at, "the box is too short for its fields"),
        }
        Ok(self)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadBox> {
        match self.rest.split_first_chunk::<N>() {
            Some((first, rest)) => {
                self.rest = rest;
                Ok(*first)
            }
            None => bad(self.at, "the box is too short for its fields"),
        }
    }
    fn u32(&mut self) -> Result<u32, BadBox> {
        self.array().map(u32::from_be_bytes)
    }
    fn u64(&mut self) -> Result<u64, BadBox> {
        self.array().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests;
