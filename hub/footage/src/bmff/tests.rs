use proptest::prelude::*;

use super::*;

fn fragment() -> Vec<u8> {
    let picture = |data: &'static [u8], cts_offset, key| NewSample { data, duration: 4_500, cts_offset, key };
    let frame = |data: &'static [u8]| NewSample { data, duration: 1_024, cts_offset: 0, key: true };
    build_fragment(
        7,
        &[
            NewRun {
                track: Track::Video,
                dts: 90_000,
                samples: vec![picture(b"key", 4_500, true), picture(b"inter", -10, false)],
            },
            NewRun { track: Track::Audio, dts: 16_000, samples: vec![frame(b"snd"), frame(b"")] },
        ],
    )
}

#[test]
fn a_built_fragment_reads_back_sample_by_sample() {
    let bytes = fragment();
    let layout = parse_fragment(&bytes).unwrap();
    let all: Vec<_> = layout.runs.iter().flat_map(|r| &r.samples).collect();
    let data = |s: &Sample| &bytes[s.offset as usize..(s.offset + s.size) as usize];
    assert_eq!(all.iter().map(|s| data(s)).collect::<Vec<_>>(), [&b"key"[..], b"inter", b"snd", b""]);
    assert_eq!(all.iter().map(|s| s.dts).collect::<Vec<_>>(), [90_000, 94_500, 16_000, 17_024]);
    assert_eq!(all.iter().map(|s| s.cts_offset).collect::<Vec<_>>(), [4_500, -10, 0, 0]);
    assert_eq!(all.iter().map(|s| s.key).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!((layout.start_90k(16_000), layout.end_90k(16_000), layout.key()), (90_000, 99_000, true));
    assert_eq!(layout.start_90k(32_000), 45_000);
}

#[test]
fn retiming_moves_each_track_and_nothing_else() {
    let before = fragment();
    let mut after = before.clone();
    retime(&mut after, |track, dts| if track == Track::Video { dts - 90_000 } else { dts + (1 << 40) }).unwrap();
    set_sequence(&mut after, 1).unwrap();
    assert_eq!((sequence(&before), sequence(&after)), (Ok(7), Ok(1)));
    let layout = parse_fragment(&after).unwrap();
    assert_eq!((layout.runs[0].samples[1].dts, layout.runs[1].samples[0].dts), (4_500, 16_000 + (1 << 40)));
    retime(&mut after, |track, dts| if track == Track::Video { dts + 90_000 } else { dts - (1 << 40) }).unwrap();
    set_sequence(&mut after, 7).unwrap();
    assert_eq!(after, before);
}

#[test]
fn defaults_of_the_track_header_and_first_sample_flags_count() {
    // As GStreamer and ffmpeg write: duration, size and flags as defaults, a first-sample-flags for the key picture.
    let traf = [
        &[0, 0, 0, 28][..],
        b"tfhd",
        &0x0002_0038_u32.to_be_bytes(),
        &[0, 0, 0, 1],
        &[0, 0, 0, 10],
        &[0, 0, 0, 2],
        &0x0101_0000_u32.to_be_bytes(),
        &[0, 0, 0, 20],
        b"tfdt",
        &[1, 0, 0, 0],
        &5_u64.to_be_bytes(),
        &[0, 0, 0, 24],
        b"trun",
        &0x0000_0005_u32.to_be_bytes(),
        &[0, 0, 0, 2],
        &[0, 0, 0, 96],
        &[2, 0, 0, 0],
    ]
    .concat();
    let moof = [&[0, 0, 0, 88][..], b"moof", &[0, 0, 0, 80], b"traf", &traf].concat();
    let bytes = [&moof[..], &[0, 0, 0, 12], b"mdat", b"abcd"].concat();
    let layout = parse_fragment(&bytes).unwrap();
    let sample =
        |offset, dts, key| Sample { track: Track::Video, offset, size: 2, dts, cts_offset: 0, duration: 10, key };
    assert_eq!(layout.runs[0].samples, [sample(96, 5, true), sample(98, 15, false)]);
}

#[test]
fn an_init_segment_is_ftyp_and_moov_and_nothing_else() {
    let ftyp = [&[0, 0, 0, 12][..], b"ftyp", b"iso6"].concat();
    let moov = [&[0, 0, 0, 8][..], b"moov"].concat();
    assert_eq!(split_init(&[&ftyp[..], &moov].concat()), Ok((&ftyp[..], &moov[..])));
    for wrong in [vec![], ftyp.clone(), [&moov[..], &ftyp].concat(), [&ftyp[..], &moov, &moov].concat()] {
        assert!(split_init(&wrong).is_err());
    }
}

#[test]
fn a_length_is_refused_at_its_bounds() {
    let start = |len: u32| box_start([&len.to_be_bytes()[..], b"moof"].concat().try_into().unwrap());
    assert!(start(7).is_err() && start(MAX_BOX + 1).is_err() && start(0).is_err() && start(1).is_err());
    assert!(start(8).is_ok() && start(MAX_BOX).is_ok());
}

proptest! {
    #[test]
    fn damaged_fragments_never_panic_and_never_point_outside(
        at in 0..fragment().len(), byte: u8, cut in 0..=fragment().len(),
    ) {
        let mut bytes = fragment();
        bytes[at] = byte;
        bytes.truncate(cut);
        if let Ok(layout) = parse_fragment(&bytes) {
            for s in layout.runs.iter().flat_map(|r| &r.samples) {
                prop_assert!(s.offset as usize + s.size as usize <= bytes.len());
            }
        }
        let _ = retime(&mut bytes, |_, dts| dts / 2);
        let _ = set_sequence(&mut bytes, 3);
        let _ = split_init(&bytes);
    }

    #[test]
    fn random_bytes_never_panic(bytes: Vec<u8>) {
        let _ = parse_fragment(&bytes);
        let _ = parse_moof(&bytes, bytes.len() as u32);
    }
}
