//! A segment opens for whom it was granted, as what was asked for, or not at all (promise 3).

mod common;

use std::path::Path;
use std::sync::OnceLock;

use base::footage::{SegmentDetails, SegmentInfo, StreamName, Track};
use base::{Clock, EpochId, HubId, Problem, ProblemKind, SegmentId};
use common::{Camera, Rig, closed, mark, one_segment, pictures, samples, viewer};
use footage::{Footage, OpenError, ReadFragment, SegmentReader, Shortened, open_any};
use proptest::prelude::*;
use vault::{EpochSecrets, Viewer};

const CHUNK: usize = 64 * 1024;
const SEALED_CHUNK: usize = CHUNK + 16;

/// Another place for a segment's file, where somebody puts it.
fn put(rig: &Rig, from: &SegmentInfo, to: &SegmentInfo) {
    let (from, to) = (rig.disk.segment_path(from), rig.disk.segment_path(to));
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}

fn foreign(result: Result<SegmentReader, OpenError>) -> &'static str {
    match result {
        Err(e @ OpenError::Foreign { what, .. }) => {
            assert_eq!(Problem::from(&e).kind, ProblemKind::FootageForeign);
            what
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn who_was_not_granted_the_camera_is_refused_before_any_file_is_looked_for() {
    let (rig, camera, info) = one_segment(2, 500);
    let other = rig.camera();
    std::fs::remove_file(rig.disk.segment_path(&info)).unwrap();
    let refused = rig.footage().open(&other.viewer(), camera.id, &info).unwrap_err();
    assert!(matches!(refused, OpenError::NotGranted(c) if c == camera.id));
    assert_eq!(Problem::from(&refused).kind, ProblemKind::NotGranted);
    let missing = rig.footage().open(&camera.viewer(), camera.id, &info).unwrap_err();
    assert_eq!(Problem::from(&missing).kind, ProblemKind::NoFootage);
}

#[test]
fn a_row_of_another_camera_is_refused_even_to_who_may_see_both() {
    let (rig, camera, info) = one_segment(2, 500);
    let other = rig.camera();
    let both = viewer(&rig.clock, &[&camera.secrets, &other.secrets]);
    assert_eq!(foreign(rig.footage().open(&both, other.id, &info)), "camera");
}

#[test]
fn a_file_moved_to_another_camera_stays_shut_for_the_owner_of_both() {
    let (rig, camera, info) = one_segment(2, 500);
    let other = rig.camera();
    let both = viewer(&rig.clock, &[&camera.secrets, &other.secrets]);
    let moved = SegmentInfo { camera: other.id, epoch: None, ..info.clone() };
    put(&rig, &info, &moved);
    let refused = rig.footage().open(&both, other.id, &moved).unwrap_err();
    assert_eq!(Problem::from(&refused).kind, ProblemKind::WrongKey);
}

#[test]
fn a_file_sealed_with_the_right_key_and_another_camera_inside_is_refused() {
    // Two cameras that share keys by some fault: what stands inside still tells them apart.
    let rig = Rig::new(|_| {});
    let mut camera = rig.camera();
    let shared = EpochSecrets::generate(camera.secrets.epoch(), camera.id);
    camera.secrets = shared;
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    let info = closed(&rig.stop()).remove(0);
    let other = rig.camera();
    let moved = SegmentInfo { camera: other.id, ..info.clone() };
    put(&rig, &info, &moved);
    // A key file without comments counts for every camera.
    let key = camera.viewer().export_key(camera.id, camera.secrets.epoch()).unwrap();
    let bare: String = key.lines().filter(|l| l.starts_with("AGE-SECRET-KEY-")).map(|l| format!("{l}\n")).collect();
    let viewer = Viewer::from_identities(&bare).unwrap();
    assert!(rig.footage().open(&viewer, camera.id, &info).is_ok());
    assert_eq!(foreign(rig.footage().open(&viewer, other.id, &moved)), "camera");
}

#[test]
fn a_renamed_file_is_refused() {
    let (rig, camera, info) = one_segment(2, 500);
    let viewer = camera.viewer();
    let open = |asked: &SegmentInfo| {
        put(&rig, &info, asked);
        foreign(rig.footage().open(&viewer, camera.id, asked))
    };
    assert_eq!(open(&SegmentInfo { id: SegmentId::new(&rig.clock), ..info.clone() }), "segment");
    assert_eq!(open(&SegmentInfo { stream: StreamName::Sub, ..info.clone() }), "stream");
    let later = info.start + std::time::Duration::from_secs(60);
    assert_eq!(open(&SegmentInfo { start: later, ..info.clone() }), "start");
    let footage = Footage::new(rig.disk.clone(), HubId::new(&rig.clock));
    assert_eq!(foreign(footage.open(&viewer, camera.id, &info)), "hub");
}

#[test]
fn what_another_hub_sealed_opens_once_its_epoch_is_adopted_from_that_hub_and_no_other() {
    let (rig, camera, info) = one_segment(2, 500);
    let (own, stranger) = (HubId::new(&rig.clock), HubId::new(&rig.clock));
    let footage = Footage::new(rig.disk.clone(), own);
    let open = |segment: &SegmentInfo| footage.open(&camera.viewer(), camera.id, segment);
    let unknown = SegmentInfo { epoch: None, details: SegmentDetails::Unknown, ..info.clone() };
    assert_eq!(foreign(open(&info)), "hub");

    let epoch = camera.secrets.epoch();
    let elsewhere = [(rig.camera().id, epoch, rig.hub), (camera.id, EpochId::new(&rig.clock), rig.hub)];
    for (camera, epoch, hub) in elsewhere.into_iter().chain([(camera.id, epoch, stranger)]) {
        footage.adopt(camera, epoch, hub);
        assert_eq!((foreign(open(&info)), foreign(open(&unknown))), ("hub", "hub"));
    }
    footage.clone().adopt(camera.id, epoch, rig.hub);
    assert!(open(&info).is_ok() && open(&unknown).is_ok());

    // The hub's own footage is not another's because a camera has some of both.
    let rig = Rig::new(|_| {});
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    let info = closed(&rig.stop()).remove(0);
    let footage = rig.footage();
    footage.adopt(camera.id, EpochId::new(&rig.clock), stranger);
    assert!(footage.open(&camera.viewer(), camera.id, &info).is_ok());
    footage.adopt(camera.id, camera.secrets.epoch(), stranger);
    assert_eq!(foreign(footage.open(&camera.viewer(), camera.id, &info)), "hub");
}

#[test]
fn an_epoch_that_the_index_got_wrong_opens_nothing() {
    let (rig, camera, info) = one_segment(2, 500);
    let newer = EpochSecrets::generate(EpochId::new(&rig.clock), camera.id);
    let viewer = viewer(&rig.clock, &[&camera.secrets, &newer]);
    let wrong = SegmentInfo { epoch: Some(newer.epoch()), ..info.clone() };
    let refused = rig.footage().open(&viewer, camera.id, &wrong).unwrap_err();
    assert_eq!(Problem::from(&refused).kind, ProblemKind::WrongKey);
    let unknown = SegmentInfo { epoch: None, ..info };
    assert!(rig.footage().open(&viewer, camera.id, &unknown).is_ok());
}

#[test]
fn a_file_that_is_no_segment_is_damaged_from_its_start() {
    let (rig, camera, info) = one_segment(2, 500);
    let path = rig.disk.segment_path(&info);
    for content in [&b""[..], b"age-encryption.org/v1\n", b"plain text", &[0; 5_000]] {
        std::fs::write(&path, content).unwrap();
        let refused = rig.footage().open(&camera.viewer(), camera.id, &info).unwrap_err();
        assert_eq!(Problem::from(&refused).kind, ProblemKind::FootageDamaged, "{refused:?}");
    }
    std::fs::write(&path, vault::seal_small(&camera.secrets.public().footage, b"\0\0\0\x08ftyp")).unwrap();
    let refused = rig.footage().open(&camera.viewer(), camera.id, &info).unwrap_err();
    assert_eq!(Problem::from(&refused).kind, ProblemKind::FootageDamaged);
}

#[test]
fn one_file_opens_without_a_hub_by_its_key_file() {
    let (rig, camera, info) = one_segment(2, 500);
    let key = camera.viewer().export_key(camera.id, camera.secrets.epoch()).unwrap();
    let mut reader = open_any(&Viewer::from_identities(&key).unwrap(), &rig.disk.segment_path(&info)).unwrap();
    assert_eq!((reader.header().camera, reader.header().segment), (camera.id, info.id));
    assert_eq!(reader.fragments().count(), 2);
    let principal = open_any(&camera.viewer(), &rig.disk.segment_path(&info)).unwrap_err();
    assert_eq!(Problem::from(&principal).kind, ProblemKind::NotGranted);
}

#[test]
fn seeking_goes_to_the_key_picture_before_with_an_index_and_without() {
    let (rig, camera, info) = one_segment(20, 5_000);
    let path = rig.disk.segment_path(&info);
    let whole = std::fs::read(&path).unwrap();
    for cut in [whole.len(), whole.len() - 1] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut reader = rig.footage().open(&camera.viewer(), camera.id, &info).unwrap();
        for (to_90k, at_90k) in
            [(-5, 0), (0, 0), (179_999, 0), (180_000, 180_000), (500_000, 360_000), (i64::MAX, 720_000)]
        {
            reader.seek(to_90k);
            let fragment = reader.next_fragment().unwrap();
            assert_eq!((fragment.start_90k, fragment.key), (at_90k, true), "to {to_90k} of {cut}");
        }
        assert_eq!(reader.shortened().is_some(), cut < whole.len());
    }
}

#[test]
fn the_index_says_where_each_sample_lies() {
    let (rig, camera, info) = one_segment(20, 5_000);
    let mut reader = rig.footage().open(&camera.viewer(), camera.id, &info).unwrap();
    let index = reader.index().clone();
    let path = rig.disk.segment_path(&info);
    let whole = std::fs::read(&path).unwrap();
    let mut data = Vec::new();
    for fragment in &index.fragments {
        for sample in fragment.layout.runs.iter().flat_map(|r| &r.samples).filter(|s| s.track == Track::Video) {
            let mut bytes = vec![0; sample.size as usize];
            reader.read_at(fragment.offset + u64::from(sample.offset), &mut bytes).unwrap();
            assert_eq!(sample.dts, data.len() as i64 * 4_500);
            data.push(bytes);
        }
    }
    assert!(data == written(&camera, 20, 5_000));
    // Without the index box the same is found by walking.
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let mut cut = rig.footage().open(&camera.viewer(), camera.id, &info).unwrap();
    let walked = cut.index().clone();
    assert_eq!(walked.end, None);
    let whole = walked.fragments.len() - 1; // the last one is cut
    assert!(whole >= 18 && walked.fragments[..whole] == index.fragments[..whole]);
}

/// Length of the age header and the nonce after it.
fn header_len(bytes: &[u8]) -> usize {
    let mac = bytes.windows(5).position(|w| w == b"\n--- ").unwrap() + 1;
    mac + bytes[mac..].iter().position(|b| *b == b'\n').unwrap() + 1 + 16
}

fn written(camera: &Camera, halves: u64, len: usize) -> Vec<Vec<u8>> {
    (0..halves * 10).map(|n| mark(camera.id, Track::Video, n, len)).collect()
}

#[test]
fn a_file_cut_anywhere_shows_every_picture_before_the_chunk_that_was_cut() {
    let (rig, camera, info) = one_segment(20, 3_000);
    let path = rig.disk.segment_path(&info);
    let whole = std::fs::read(&path).unwrap();
    let head = header_len(&whole);
    let mut counts = Vec::new();
    for cut in (head + SEALED_CHUNK..whole.len()).step_by(SEALED_CHUNK / 3).chain([whole.len() - 1]) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let (mut reader, seen) = read(&rig.footage(), &camera, &info);
        assert!(seen == written(&camera, 20, 3_000)[..seen.len()]);
        assert!(matches!(reader.shortened(), Some(Shortened::Cut { .. })), "{:?}", reader.shortened());
        let chunks = (cut - head) / SEALED_CHUNK;
        // What a picture takes with its share of boxes and sound; and the sound and boxes at the cut.
        assert!((seen.len() + 1) * 3_160 + 2_000 >= chunks * CHUNK, "{} pictures of {chunks} chunks", seen.len());
        let summary = reader.summary();
        assert_eq!((summary.pictures, summary.length_90k), (seen.len() as u64, seen.len() as i64 * 4_500));
        assert_eq!((summary.info.details, summary.info.bytes), (SegmentDetails::Recovered, cut as u64));
        counts.push(seen.len());
    }
    assert!(counts.is_sorted() && counts[0] <= 21 && counts[counts.len() - 1] > 180, "{counts:?}");
}

fn read(footage: &Footage, camera: &Camera, info: &SegmentInfo) -> (SegmentReader, Vec<Vec<u8>>) {
    let mut reader = footage.open(&camera.viewer(), camera.id, info).unwrap();
    let fragments: Vec<ReadFragment> = reader.fragments().collect();
    let seen = pictures(&fragments);
    assert!(samples(&fragments, Track::Audio).len() <= seen.len());
    (reader, seen)
}

#[test]
fn a_changed_chunk_ends_the_footage_there_and_says_so() {
    let (rig, camera, info) = one_segment(20, 3_000);
    let path = rig.disk.segment_path(&info);
    let whole = std::fs::read(&path).unwrap();
    let head = header_len(&whole);
    let chunk = |n: usize| head + n * SEALED_CHUNK..head + (n + 1) * SEALED_CHUNK;
    let mut shuffled = whole.clone();
    shuffled[chunk(2)].copy_from_slice(&whole[chunk(4)]);
    shuffled[chunk(4)].copy_from_slice(&whole[chunk(2)]);
    let mut flipped = whole.clone();
    flipped[5 * SEALED_CHUNK] ^= 1;
    for bytes in [flipped, shuffled] {
        std::fs::write(&path, bytes).unwrap();
        let (mut reader, seen) = read(&rig.footage(), &camera, &info);
        assert!(seen == written(&camera, 20, 3_000)[..seen.len()]);
        assert!(seen.len() > 20 && seen.len() < 180, "{}", seen.len());
        assert!(matches!(reader.shortened(), Some(Shortened::Damaged { .. })), "{:?}", reader.shortened());
        let summary = reader.verify();
        assert_eq!((summary.pictures, summary.info.details), (seen.len() as u64, SegmentDetails::Recovered));
        // What comes after the damage is not lost to who seeks: the index is whole.
        let mut reader = rig.footage().open(&camera.viewer(), camera.id, &info).unwrap();
        reader.seek(i64::MAX);
        assert!(pictures(&reader.fragments().collect::<Vec<_>>()) == written(&camera, 20, 3_000)[160..]);
    }
}

#[test]
fn two_files_put_together_show_nothing_of_the_second() {
    let (rig, camera, info) = one_segment(4, 3_000);
    let path = rig.disk.segment_path(&info);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole[..], &whole].concat()).unwrap();
    let (reader, seen) = read(&rig.footage(), &camera, &info);
    assert!(seen == written(&camera, 4, 3_000)[..seen.len()]);
    assert!(reader.shortened().is_some());
}

#[test]
fn a_segment_that_is_still_being_written_can_be_read() {
    let rig = Rig::new(|_| {});
    let mut camera = Camera { picture: 20_000, ..rig.camera() };
    let writer = rig.stream(&camera);
    for _ in 0..4 {
        writer.push(camera.next()).unwrap();
    }
    let most = rig.clock.wall() - std::time::Duration::from_millis(200);
    let reports = rig.wait(|k| matches!(k, footage::Kept::Synced { end, .. } if *end >= most));
    let Some(footage::Kept::Opened(info)) = reports.first() else { panic!("{reports:?}") };
    let (mut reader, seen) = read(&rig.footage(), &camera, info);
    assert!(!seen.is_empty() && seen == written(&camera, 4, 20_000)[..seen.len()]);
    assert_eq!(reader.summary().info.details, SegmentDetails::Recovered);
}

/// A segment that the property tests damage, each in its own copy.
fn sample() -> &'static (Camera, Vec<u8>) {
    static SAMPLE: OnceLock<(Camera, Vec<u8>)> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let (rig, camera, info) = one_segment(8, 3_000);
        let bytes = std::fs::read(rig.disk.segment_path(&info)).unwrap();
        (camera, bytes)
    })
}

fn never_shows_what_was_not_written(path: &Path, bytes: &[u8]) -> Result<(), TestCaseError> {
    let (camera, _) = sample();
    std::fs::write(path, bytes).unwrap();
    let key = camera.viewer().export_key(camera.id, camera.secrets.epoch()).unwrap();
    let Ok(mut reader) = open_any(&Viewer::from_identities(&key).unwrap(), path) else { return Ok(()) };
    let seen = pictures(&reader.fragments().collect::<Vec<_>>());
    let all = written(camera, 8, 3_000);
    prop_assert!(seen.len() <= all.len() && seen[..] == all[..seen.len()]);
    prop_assert!(seen.len() == all.len() || reader.shortened().is_some());
    let summary = reader.verify();
    prop_assert_eq!(summary.pictures, seen.len() as u64);
    for to_90k in [0, 200_000, i64::MAX] {
        reader.seek(to_90k);
        for picture in pictures(&reader.fragments().collect::<Vec<_>>()) {
            prop_assert!(all.contains(&picture));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_flipped_bit_shows_nothing_else(at in 0..sample().1.len(), bit in 0..8_u8, cut in 0..200_000_usize) {
        let mut bytes = sample().1.clone();
        bytes[at] ^= 1 << bit;
        bytes.truncate(bytes.len().saturating_sub(cut).max(at + 1));
        let dir = tempfile::tempdir().unwrap();
        never_shows_what_was_not_written(&dir.path().join("f"), &bytes)?;
    }

    #[test]
    fn a_file_cut_or_overwritten_anywhere_shows_nothing_else(
        cut in 0..=sample().1.len(), zeros in 0..100_000_usize, from in 0..sample().1.len(), to in 0..sample().1.len(),
    ) {
        let mut bytes = sample().1[..cut].to_vec();
        bytes.extend(std::iter::repeat_n(0, zeros));
        let dir = tempfile::tempdir().unwrap();
        never_shows_what_was_not_written(&dir.path().join("f"), &bytes)?;
        let mut bytes = sample().1.clone();
        let len = 70_000.min(bytes.len() - from.max(to));
        bytes.copy_within(from..from + len, to);
        never_shows_what_was_not_written(&dir.path().join("f"), &bytes)?;
    }
}
