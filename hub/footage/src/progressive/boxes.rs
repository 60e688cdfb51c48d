//! The file's head: `ftyp`, `moov` and the start of its `mdat`, made of an init segment and the sample tables.

use base::footage::{InitSegment, Track};

use super::tables::TrackTables;
use crate::bmff::{self, BadBox, BoxAt, plain_box, words};

/// Ticks per second of the whole file: those of pictures, so that no length is rounded.
const MOVIE_TIMESCALE: u32 = 90_000;

/// The head of a file whose first sample of either track is at `start_90k`, with `content_len` bytes of footage; the
/// footage begins at `content_at`.
pub(super) fn head(
    init: &InitSegment,
    tracks: &[TrackTables; 2],
    start_90k: i64,
    content_len: u64,
    content_at: u64,
) -> Result<Vec<u8>, BadBox> {
    let (_, moov) = bmff::split_init(&init.bytes)?;
    let moov = only(moov, b"moov")?;
    let mut inner = Vec::new();
    let mut length = 0;
    for old in all(moov.body, b"trak")? {
        let Some(track) = track_of(&old)? else { continue };
        let tables = &tracks[track as usize];
        if !tables.is_empty() {
            let (new, ends) = trak(&old, tables, start_90k, content_at)?;
            inner.extend(new);
            length = length.max(ends);
        }
    }
    let mut head = plain_box(b"ftyp", &[b"isom", &512_u32.to_be_bytes(), b"isomiso6avc1mp41"]);
    head.extend(plain_box(b"moov", &[&mvhd(length), &inner]));
    // A length of 64 bits: an hour can be over 4 GiB.
    head.extend([&1_u32.to_be_bytes()[..], b"mdat", &(content_len + 16).to_be_bytes()].concat());
    Ok(head)
}

/// A `trak` with its tables, and its end in the movie's ticks.
fn trak(old: &BoxAt<'_>, tables: &TrackTables, start_90k: i64, content_at: u64) -> Result<(Vec<u8>, u64), BadBox> {
    let mdia = only(old.body, b"mdia")?;
    let minf = only(mdia.body, b"minf")?;
    let stbl = only(minf.body, b"stbl")?;
    let whole = |inside: &BoxAt<'_>, from: &[u8]| from[inside.at..inside.at + inside.len()].to_vec();

    let scale = u128::from(MOVIE_TIMESCALE);
    let length = (u128::from(tables.shown_length()) * scale / u128::from(tables.timescale.max(1))) as u64;
    let late = tables.start_90k().map_or(0, |own| (own - start_90k) as u64);

    let tkhd = tkhd(&only(old.body, b"tkhd")?, late + length)?;
    let edts = plain_box(b"edts", &[&elst(late, length, tables.first_offset())]);
    let mdhd = mdhd(&only(mdia.body, b"mdhd")?, tables)?;
    let hdlr = whole(&only(mdia.body, b"hdlr")?, mdia.body);
    // What says whether it is picture or sound, and where its bytes are: in this file.
    let mut new_minf = Vec::new();
    for inside in bmff::boxes(minf.body) {
        let inside = inside?;
        if inside.kind != *b"stbl" {
            new_minf.extend(whole(&inside, minf.body));
        }
    }
    let stsd = whole(&only(stbl.body, b"stsd")?, stbl.body);
    new_minf.extend(plain_box(b"stbl", &[&stsd, &tables.write(content_at)]));
    let new_mdia = plain_box(b"mdia", &[&mdhd, &hdlr, &plain_box(b"minf", &[&new_minf])]);
    Ok((plain_box(b"trak", &[&tkhd, &edts, &new_mdia]), late + length))
}

fn mvhd(length: u64) -> Vec<u8> {
    let mut body = words(&[1 << 24]); // version 1: times of 64 bits
    body.extend([0; 16]); // made and changed: not said, so that the file is the same each time
    body.extend(words(&[MOVIE_TIMESCALE]));
    body.extend(length.to_be_bytes());
    body.extend(words(&[0x0001_0000])); // speed 1
    body.extend([1, 0]); // volume 1
    body.extend([0; 10]);
    body.extend(words(&[0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000])); // shown as it is
    body.extend([0; 24]);
    body.extend(words(&[3])); // the next track's number
    plain_box(b"mvhd", &[&body])
}

/// The track header with its length, in version 1; what follows the times is as it was.
fn tkhd(old: &BoxAt<'_>, length: u64) -> Result<Vec<u8>, BadBox> {
    let (id_at, rest_at) = if old.body.first() == Some(&0) { (12, 24) } else { (20, 36) };
    let id = field(old, id_at, 4)?;
    let rest = field(old, rest_at, 60)?;
    let flags = words(&[1 << 24 | 3]); // enabled, in the movie
    Ok(plain_box(b"tkhd", &[&flags, &[0; 16], id, &[0; 4], &length.to_be_bytes(), rest]))
}

fn mdhd(old: &BoxAt<'_>, tables: &TrackTables) -> Result<Vec<u8>, BadBox> {
    let language_at = if old.body.first() == Some(&0) { 20 } else { 32 };
    let language = field(old, language_at, 4)?;
    let (timescale, length) = (tables.timescale.to_be_bytes(), tables.length().to_be_bytes());
    Ok(plain_box(b"mdhd", &[&words(&[1 << 24]), &[0; 16], &timescale, &length, language]))
}

/// When the track begins: after `late` ticks of the movie, with the picture that is shown first.
fn elst(late: u64, length: u64, first_offset: i32) -> Vec<u8> {
    let entry =
        |length: u64, from: i64| [&length.to_be_bytes()[..], &from.to_be_bytes(), &words(&[0x0001_0000])].concat();
    let mut entries = Vec::new();
    if late > 0 {
        entries.push(entry(late, -1)); // nothing
    }
    // What lies before the first sample's own time cannot be begun with; only a jittery camera has some ticks of it.
    entries.push(entry(length, i64::from(first_offset.max(0))));
    plain_box(b"elst", &[&words(&[1 << 24, entries.len() as u32]), &entries.concat()])
}

/// Which track a `trak` is; `None` for one that the hub does not write.
fn track_of(trak: &BoxAt<'_>) -> Result<Option<Track>, BadBox> {
    let tkhd = only(trak.body, b"tkhd")?;
    let id_at = if tkhd.body.first() == Some(&0) { 12 } else { 20 };
    let id = field(&tkhd, id_at, 4)?;
    Ok(id.try_into().ok().map(u32::from_be_bytes).and_then(Track::from_id))
}

fn field<'a>(of: &BoxAt<'a>, at: usize, len: usize) -> Result<&'a [u8], BadBox> {
    of.body.get(at..at + len).ok_or(BadBox { at: of.at, what: "the box is too short for its fields" })
}

fn all<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Result<Vec<BoxAt<'a>>, BadBox> {
    bmff::boxes(bytes).filter(|found| !matches!(found, Ok(other) if other.kind != *kind)).collect()
}

fn only<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Result<BoxAt<'a>, BadBox> {
    all(bytes, kind)?.into_iter().next().ok_or(BadBox { at: 0, what: "a box of the init segment is missing" })
}
