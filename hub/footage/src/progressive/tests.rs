//! A reader of its own looks at what was laid out: where each sample lies, when it is shown and for how long.

use base::footage::{AudioParams, Sample, VideoParams};
use proptest::prelude::*;

use super::*;
use crate::bmff::{self, Layout, plain_box, words};

const AUDIO_RATE: u32 = 16_000;

/// What a player needs to know: two tracks, each with a description of its samples.
fn init() -> InitSegment {
    let trak = |id: u32, rate: u32| {
        let tkhd = plain_box(b"tkhd", &[&words(&[3, 0, 0, id, 0, 0]), &[0; 60]]);
        let mdhd = plain_box(b"mdhd", &[&words(&[0, 0, 0, rate, 0]), &[0x55, 0xc4, 0, 0]]);
        let hdlr = plain_box(b"hdlr", &[&[0; 25]]);
        let stbl = plain_box(b"stbl", &[&plain_box(b"stsd", &[&words(&[0, 0])])]);
        let minf = plain_box(b"minf", &[&plain_box(b"dinf", &[]), &stbl]);
        plain_box(b"trak", &[&tkhd, &plain_box(b"mdia", &[&mdhd, &hdlr, &minf])])
    };
    let moov = plain_box(b"moov", &[&trak(1, 90_000), &trak(2, AUDIO_RATE), &plain_box(b"mvex", &[])]);
    InitSegment {
        bytes: [plain_box(b"ftyp", &[b"isom"]), moov].concat().into(),
        video: VideoParams { codec: "avc1.64001f".into(), width: 640, height: 480 },
        audio: Some(AudioParams { codec: "mp4a.40.2".into(), sample_rate: AUDIO_RATE, channels: 1 }),
    }
}

/// Half a second: pictures and sound, with their sizes.
fn fragment(offset: u64, half: i64, pictures: &[u32], sounds: &[u32]) -> IndexedFragment {
    let mut at = 200;
    let mut run = |track, sizes: &[u32], rate: i64| {
        let each = rate / 2 / sizes.len() as i64;
        let samples = sizes.iter().enumerate().map(|(n, size)| {
            let offset = at;
            at += size;
            let dts = half * rate / 2 + n as i64 * each;
            let key = track == Track::Audio || n == 0;
            Sample { track, offset, size: *size, dts, cts_offset: 0, duration: each as u32, key }
        });
        Run { track, samples: samples.collect() }
    };
    let mut runs = vec![run(Track::Video, pictures, 90_000)];
    if !sounds.is_empty() {
        runs.push(run(Track::Audio, sounds, i64::from(AUDIO_RATE)));
    }
    IndexedFragment { offset, len: at, layout: Layout { runs } }
}

/// A sample as a player finds it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    at: u64,
    size: u32,
    start: i64,
    lasts: u32,
    key: bool,
}

/// The samples of a track, by the tables in the head.
fn shown(head: &[u8], track: u32) -> Vec<Shown> {
    let moov = find(head, &[b"moov"]);
    let traks: Vec<_> = bmff::boxes(moov).map(Result::unwrap).filter(|b| b.kind == *b"trak").collect();
    let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let Some(trak) = traks.iter().find(|t| number(find(t.body, &[b"tkhd"]), 20) == track) else { return Vec::new() };
    let stbl = find(trak.body, &[b"mdia", b"minf", b"stbl"]);
    let table = |kind: &[u8; 4], width: usize, skip: usize| -> Vec<Vec<u32>> {
        if !bmff::boxes(stbl).any(|b| b.unwrap().kind == *kind) {
            return Vec::new();
        }
        let body = &find(stbl, &[kind])[4 + skip..];
        let rows = body[4..].chunks_exact(width * 4);
        rows.map(|row| (0..width).map(|n| number(row, n * 4)).collect()).collect()
    };
    let durations = table(b"stts", 2, 0).into_iter().flat_map(|r| vec![r[1]; r[0] as usize]);
    let sizes: Vec<u32> = table(b"stsz", 1, 4).into_iter().flatten().collect();
    let keys: Vec<u32> = table(b"stss", 1, 0).into_iter().flatten().collect();
    let chunks: Vec<u64> = table(b"co64", 2, 0).iter().map(|r| u64::from(r[0]) << 32 | u64::from(r[1])).collect();
    let runs = table(b"stsc", 3, 0);
    let mut places = Vec::new();
    for (n, chunk) in chunks.iter().enumerate() {
        let run = runs.iter().rfind(|r| r[0] as usize <= n + 1).unwrap();
        let mut at = *chunk;
        for _ in 0..run[1] {
            places.push(at);
            at += u64::from(sizes[places.len() - 1]);
        }
    }
    assert_eq!(places.len(), sizes.len(), "every sample is in a chunk");
    let mut start = 0;
    let rows = durations.zip(places).zip(&sizes).enumerate().map(|(n, ((lasts, at), size))| {
        let key = keys.is_empty() || keys.contains(&(n as u32 + 1));
        let shown = Shown { at, size: *size, start, lasts, key };
        start += i64::from(lasts);
        shown
    });
    rows.collect()
}

fn find<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> &'a [u8] {
    path.iter().fold(bytes, |bytes, kind| {
        let mut all = bmff::boxes(bytes).map_while(Result::ok);
        all.find(|b| b.kind == **kind).unwrap_or_else(|| panic!("no {}", String::from_utf8_lossy(*kind))).body
    })
}

#[test]
fn a_gap_is_as_long_as_it_was() {
    let mut file = Builder::new(init());
    file.add(0, 0, &fragment(1_000, 0, &[500, 20, 20], &[5, 5]));
    // The next segment begins ten seconds later.
    file.add(1, 900_000, &fragment(600, 0, &[400, 30, 30], &[6, 6]));
    let file = file.finish().unwrap();
    let pictures = shown(&file.head, 1);
    assert_eq!(pictures.iter().map(|p| p.start).collect::<Vec<_>>(), [0, 15_000, 30_000, 900_000, 915_000, 930_000]);
    assert_eq!(pictures[2].lasts, 870_000, "the last picture stays until there is another");
    let sounds = shown(&file.head, 2);
    assert_eq!(sounds[2].start, 160_000, "ten seconds of sound's time");
    assert_eq!(file.length_90k(), 945_000);
}

#[test]
fn pictures_out_of_order_are_shown_from_the_first_that_can_be_to_the_last() {
    // Decoded K B P, shown B K P: an open group whose key picture is shown second, and a picture that lasts past the end of
    // decoding.
    let mut open = fragment(1_000, 0, &[500, 20, 20], &[]);
    for (sample, offset) in open.layout.runs[0].samples.iter_mut().zip([15_000, -15_000, 4_000]) {
        sample.cts_offset = offset;
    }
    assert_eq!((open.layout.first_picture_90k(), open.layout.first_shown_90k()), (Some(0), Some(15_000)));
    let mut file = Builder::new(init());
    file.add(0, 0, &open);
    assert_eq!(file.end_90k(), Some(49_000));
    let file = file.finish().unwrap();
    assert_eq!(file.length_90k(), 49_000 - 15_000, "from the key picture on");
    let trak = find(&file.head, &[b"moov", b"trak"]);
    let elst = find(trak, &[b"edts", b"elst"]);
    let number = |at: usize| i64::from_be_bytes(elst[at..at + 8].try_into().unwrap());
    assert_eq!((elst[7], number(8), number(16)), (1, 34_000, 15_000), "one edit: how long, and from where");
    let ctts = find(trak, &[b"mdia", b"minf", b"stbl", b"ctts"]);
    let offsets: Vec<i32> =
        ctts[8..].chunks_exact(8).map(|row| i32::from_be_bytes(row[4..].try_into().unwrap())).collect();
    assert_eq!((ctts[0], &offsets[..]), (1, &[15_000, -15_000, 4_000][..]), "signed");
}

#[test]
fn what_is_not_there_is_not_in_it() {
    let mut file = Builder::new(init());
    assert_eq!(file.end_90k(), None);
    file.add(0, 0, &fragment(1_000, 0, &[500], &[]));
    let silent = file.finish().unwrap();
    assert_eq!((shown(&silent.head, 1).len(), shown(&silent.head, 2).len()), (1, 0), "no track without samples");
    let nothing = Builder::new(init()).finish().unwrap();
    assert!(nothing.is_empty());
    assert_eq!(nothing.length_90k(), 0);
    let broken = InitSegment { bytes: plain_box(b"moov", &[]).into(), ..init() };
    assert!(Builder::new(broken).finish().is_err(), "an init segment of something else");
}

proptest! {
    #[test]
    fn every_byte_of_the_file_is_where_the_tables_say(
        segments in prop::collection::vec(
            prop::collection::vec((prop::collection::vec(1..5_000_u32, 1..6), prop::collection::vec(1..300_u32, 0..4)), 1..5),
            1..4,
        ),
        pauses in prop::collection::vec(-2_000_000..9_000_000_i64, 4),
    ) {
        let mut file = Builder::new(init());
        let (mut expected, mut offset) = ([Vec::new(), Vec::new()], 0);
        for (n, (halves, pause)) in segments.iter().zip(&pauses).enumerate() {
            for (half, (pictures, sounds)) in halves.iter().enumerate() {
                let fragment = fragment(1_000 + 50_000 * half as u64, half as i64, pictures, sounds);
                for sample in fragment.layout.runs.iter().flat_map(|r| &r.samples) {
                    let from = fragment.offset + u64::from(sample.offset);
                    expected[sample.track as usize].push((n, from, sample.size, sample.key));
                }
                file.add(n, offset, &fragment);
            }
            offset += pause;
        }
        let file = file.finish().unwrap();
        for (track, expected) in expected.iter().enumerate() {
            let shown = shown(&file.head, track as u32 + 1);
            prop_assert_eq!(shown.len(), expected.len());
            for (shown, (source, from, size, key)) in shown.iter().zip(expected) {
                prop_assert_eq!((shown.size, shown.key), (*size, *key));
                let Some(Part::Footage(piece)) = file.part(shown.at) else { panic!("no footage at {}", shown.at) };
                prop_assert_eq!((piece.source, piece.from), (*source, *from));
                prop_assert!(piece.len >= u64::from(*size));
            }
            prop_assert!(shown.windows(2).all(|pair| pair[0].start < pair[1].start), "time does not run backwards");
        }
        // Read from its start to its end, part by part, it has the length it says.
        let (mut at, mut parts) = (0, 0);
        while let Some(part) = file.part(at) {
            at += match part {
                Part::Head(bytes) => bytes.len() as u64,
                Part::Footage(piece) => piece.len,
            };
            parts += 1;
            prop_assert!(parts < 1_000);
        }
        prop_assert_eq!(at, file.len());
        prop_assert_eq!(file.part(at + 1), None);
    }
}
