//! What is pushed is kept, whole and in its place; what cannot be kept is said (promises 4 and 5).

mod common;

use std::time::Duration;

use base::footage::{SegmentDetails, StreamName, Track};
use base::state::GapReason;
use base::{Clock, ConnectionId, EpochId, Problem, ProblemKind, TimeSource};
use common::{BadDisk, Camera, Rig, closed, dropped, init, mark, pictures, samples, viewer};
use footage::{KeepError, Kept, OpenError, Options};
use vault::EpochSecrets;

fn is_synced(k: &Kept) -> bool {
    matches!(k, Kept::Synced { .. })
}

#[test]
fn a_stream_becomes_segments_of_a_minute_that_join_up() {
    let rig = Rig::new(|_| {});
    let mut camera = rig.camera();
    camera.sent = 1; // the connection begins in the middle of a group of pictures: that cannot be shown
    camera.started = camera.started - Duration::from_millis(500);
    let writer = rig.stream(&camera);
    let started = rig.clock.wall() - Duration::from_millis(500);
    for _ in 1..260 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.stop();
    assert_eq!(dropped(&reports), []);
    let segments = closed(&reports);
    let seconds: Vec<_> = segments.iter().map(|s| s.start.duration_since(started).as_secs()).collect();
    assert_eq!(seconds, [2, 62, 122]);
    assert_eq!(segments.iter().map(|s| s.media.unwrap().1).collect::<Vec<_>>(), [180_000, 5_580_000, 10_980_000]);
    assert!(segments.windows(2).all(|w| w[0].end == w[1].start));
    assert_eq!(segments[2].end, started + Duration::from_secs(130));

    let (footage, viewer) = (rig.footage(), camera.viewer());
    let (mut seen, mut heard) = (Vec::new(), Vec::new());
    for segment in &segments {
        let mut reader = footage.open(&viewer, camera.id, segment).unwrap();
        assert_eq!(reader.init(), &init(1));
        assert_eq!(reader.header().time_source, TimeSource::Ntp);
        assert_eq!(reader.summary().info, *segment);
        assert_eq!(reader.verify().info, *segment);
        let fragments: Vec<_> = reader.fragments().collect();
        assert_eq!((fragments[0].start_90k, fragments[0].key), (0, true));
        assert_eq!(fragments[0].samples.iter().map(|s| s.dts).min(), Some(0));
        assert!(fragments.windows(2).all(|w| w[0].end_90k == w[1].start_90k));
        assert_eq!(reader.shortened(), None);
        seen.extend(pictures(&fragments));
        heard.extend(samples(&fragments, Track::Audio));
    }
    assert_eq!(seen, (40..2_600).map(|n| mark(camera.id, Track::Video, n, 2_000)).collect::<Vec<_>>());
    assert_eq!(heard, (32..2_080).map(|n| mark(camera.id, Track::Audio, n, 60)).collect::<Vec<_>>());
}

#[test]
fn each_segment_is_reported_as_opened_then_synced_then_closed() {
    let rig = Rig::new(|_| {});
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    let reports = rig.wait(is_synced);
    let [Kept::Opened(opened), Kept::Synced { segment, end, stream, bytes, waited, .. }] = &reports[..] else {
        panic!("{reports:#?}");
    };
    assert_eq!((opened.details, opened.end, *segment), (SegmentDetails::Open, opened.start, opened.id));
    assert_eq!((*stream, *waited), (StreamName::Main, Duration::from_millis(500)));
    assert_eq!(*end, opened.start + Duration::from_millis(500));
    assert_eq!(rig.disk.segment_path(opened).metadata().unwrap().len(), *bytes);
    writer.end();
    let reports = rig.wait(|k| matches!(k, Kept::Closed(_)));
    assert_eq!(closed(&reports)[0].bytes, rig.disk.segment_path(opened).metadata().unwrap().len());
}

#[test]
fn a_picture_that_has_waited_is_pushed_out_even_if_it_fills_no_chunk() {
    let rig = Rig::new(|_| {});
    let mut camera = Camera { picture: 200, ..rig.camera() };
    let writer = rig.stream(&camera);
    for half in 0..6_u64 {
        writer.push(camera.next()).unwrap();
        // Its newest picture is 50 ms old: nothing needs to be pushed out yet for its own sake, but for its oldest.
        let reports = rig.wait(is_synced);
        let Some(Kept::Synced { end, bytes, segment, .. }) = reports.last() else { unreachable!() };
        let info = open_row(&reports, &rig, *segment);
        // The power is cut here: what is not synced is gone.
        let path = rig.disk.segment_path(&info);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..*bytes as usize]).unwrap();
        let mut reader = rig.footage().open(&camera.viewer(), camera.id, &info).unwrap();
        let fragments: Vec<_> = reader.fragments().collect();
        assert_eq!(pictures(&fragments).len() as u64, (half + 1) * 10);
        assert_eq!(reader.wall(fragments.last().unwrap().end_90k), *end);
        let summary = reader.summary();
        assert_eq!((summary.info.end, summary.info.details), (*end, SegmentDetails::Recovered));
        assert!(summary.shortened.is_some());
        std::fs::write(&path, &whole).unwrap();
        rig.clock.advance(Duration::from_millis(10));
    }
}

/// The row of the only segment, from its report or its file.
fn open_row(reports: &[Kept], rig: &Rig, id: base::SegmentId) -> base::footage::SegmentInfo {
    let found = reports.iter().find_map(|k| if let Kept::Opened(info) = k { Some(info.clone()) } else { None });
    found.unwrap_or_else(|| {
        let found = rig.footage().recover(&[]).found;
        found.into_iter().find(|s| s.id == id).unwrap()
    })
}

#[test]
fn young_pictures_stay_in_memory_and_do_not_bloat_the_file() {
    let disk = BadDisk::new();
    let rig = Rig::new(|o| o.medium = disk.clone());
    let camera = Camera { picture: 200, ..rig.camera() };
    let writer = rig.stream(&camera);
    let mut fragment = camera.make(0);
    fragment.arrived = rig.clock.mono();
    writer.push(fragment).unwrap();
    rig.wait(|k| matches!(k, Kept::Opened(_)));
    // The clock stands still, so nothing gets old: at a close everything is written at once.
    writer.end();
    let info = closed(&rig.wait(|k| matches!(k, Kept::Closed(_)))).remove(0);
    assert!(info.bytes < 10_000, "{}", info.bytes);
}

#[test]
fn nothing_counts_as_kept_before_names_and_bytes_are_synced() {
    let disk = BadDisk::new();
    let rig = Rig::new(|o| o.medium = disk.clone());
    disk.set(|d| d.hold_syncs = true);
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    disk.wait_for("sync 2026");
    // The disk is slow; sealing goes on.
    let written = disk.set(|d| d.log.iter().filter(|l| l.starts_with("write")).count());
    for _ in 0..10 {
        writer.push(camera.next()).unwrap();
    }
    while disk.set(|d| d.log.iter().filter(|l| l.starts_with("write")).count()) < written + 2 {
        std::thread::yield_now();
    }
    let reports: Vec<_> = rig.kept.try_iter().collect();
    assert!(matches!(reports[..], [Kept::Opened(_)]), "{reports:#?}");
    let folders: Vec<_> = disk.set(|d| d.log.iter().filter(|l| l.starts_with("sync folder")).cloned().collect());
    let root = rig.dir.path().file_name().unwrap().to_string_lossy();
    let day = "sync folder 2026-01-01".to_string();
    assert_eq!(folders, [day, format!("sync folder {}", camera.id), format!("sync folder {root}")]);
    disk.set(|d| d.hold_syncs = false);
    rig.wait(is_synced);
}

#[test]
fn a_full_disk_costs_what_was_in_memory_and_recording_goes_on_at_the_next_key_picture() {
    let disk = BadDisk::new();
    let rig = Rig::new(|o| o.medium = disk.clone());
    let mut camera = Camera { picture: 20_000, ..rig.camera() };
    let writer = rig.stream(&camera);
    disk.set(|d| d.room = Some(500_000));
    for _ in 0..4 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.wait(|k| matches!(k, Kept::Closed(_)));
    let failed = reports.iter().find_map(|k| if let Kept::Failed { error, .. } = k { Some(error) } else { None });
    assert_eq!(Problem::from(failed.unwrap()).kind, ProblemKind::DiskFull);
    let cut = closed(&reports).remove(0);
    assert_eq!(cut.details, SegmentDetails::Recovered);
    disk.set(|d| d.room = None);
    for _ in 4..8 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.stop();
    let next = closed(&reports).remove(0);
    assert_eq!(next.details, SegmentDetails::Closed);
    assert_eq!(dropped(&reports), [(cut.end, next.start)]);
    assert_eq!(next.start, cut.start + Duration::from_secs(2));

    let mut reader = rig.footage().open(&camera.viewer(), camera.id, &cut).unwrap();
    let seen = pictures(&reader.fragments().collect::<Vec<_>>());
    assert!(seen.len() > 10 && seen.len() < 25, "{}", seen.len());
    assert_eq!(seen, (0..seen.len() as u64).map(|n| mark(camera.id, Track::Video, n, 20_000)).collect::<Vec<_>>());
    assert_eq!(reader.summary().info.end, cut.end);
}

fn reasons(reports: &[Kept]) -> Vec<GapReason> {
    reports.iter().filter_map(|k| if let Kept::Dropped { reason, .. } = k { Some(*reason) } else { None }).collect()
}

#[test]
fn while_there_is_no_room_nothing_is_written_and_the_gap_says_so() {
    let rig = Rig::new(|_| {});
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    rig.wait(is_synced);
    rig.keeper.set_full(true);
    for _ in 1..8 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.wait(|k| matches!(k, Kept::Closed(_)));
    assert!(reports.iter().any(|k| matches!(k, Kept::Failed { error: KeepError::NoRoom, .. })));
    assert_eq!(closed(&reports)[0].details, SegmentDetails::Closed);
    writer.end();
    let reports = rig.wait(|k| matches!(k, Kept::Dropped { .. }));
    assert_eq!(reasons(&reports), [GapReason::DiskFull]);
}

#[test]
fn a_disk_that_is_gone_is_left_alone_until_it_is_back_and_nothing_is_written_in_its_place() {
    let rig = Rig::new(|_| {});
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    rig.wait(is_synced);
    // As an unmounted disk looks: its folder is another, empty one.
    let (root, away) = (rig.disk.root().to_owned(), rig.disk.root().with_extension("away"));
    std::fs::rename(&root, &away).unwrap();
    std::fs::create_dir(&root).unwrap();
    let reports = rig.wait(|k| matches!(k, Kept::Closed(_)));
    assert_eq!(closed(&reports)[0].details, SegmentDetails::Closed, "closed in order, on the disk that it is on");
    for _ in 1..8 {
        writer.push(camera.next()).unwrap();
    }
    let failed = |k: &Kept| matches!(k, Kept::Failed { error: KeepError::Disk(_), .. });
    rig.wait(failed);
    let other = rig.disk.write_epoch_key(camera.id, EpochId::new(&rig.clock), b"sealed").unwrap_err();
    assert_eq!(Problem::from(&other).kind, ProblemKind::DiskForeign);
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    std::fs::remove_dir(&root).unwrap();
    std::fs::rename(&away, &root).unwrap();
    for _ in 8..12 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.stop();
    assert_eq!(reasons(&reports), [GapReason::DiskMissing]);
    assert!(closed(&reports).iter().all(|s| rig.disk.segment_path(s).exists()));
}

#[test]
fn after_a_failed_sync_nothing_of_that_file_is_trusted() {
    let disk = BadDisk::new();
    let rig = Rig::new(|o| o.medium = disk.clone());
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    let reports = rig.wait(is_synced);
    let Some(Kept::Synced { end, .. }) = reports.last() else { unreachable!() };
    disk.set(|d| d.fail_sync = true);
    writer.push(camera.next()).unwrap();
    let reports = rig.wait(|k| matches!(k, Kept::Closed(_)));
    assert!(reports.iter().any(|k| matches!(k, Kept::Failed { error: KeepError::Sync { .. }, .. })));
    let broken = closed(&reports).remove(0);
    assert_eq!((broken.details, broken.end), (SegmentDetails::Unknown, *end));
    disk.set(|d| d.fail_sync = false);
    for _ in 2..6 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.stop();
    let next = closed(&reports).remove(0);
    assert_eq!(next.details, SegmentDetails::Closed);
    assert_eq!(dropped(&reports), [(broken.end, next.start)]);
}

#[test]
fn a_sync_that_fails_at_the_close_is_said_and_the_end_does_not_advance() {
    let disk = BadDisk::new();
    let rig = Rig::new(|o| {
        o.medium = disk.clone();
        o.sync_every = Duration::from_secs(3_600);
    });
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    disk.set(|d| d.fail_sync = true);
    writer.push(camera.next()).unwrap();
    let reports = rig.stop();
    let broken = closed(&reports).remove(0);
    assert_eq!((broken.details, broken.end), (SegmentDetails::Unknown, broken.start));
    assert_eq!(dropped(&reports), [(broken.start, broken.start + Duration::from_millis(500))]);
}

#[test]
fn a_disk_that_takes_no_file_is_tried_at_each_key_picture_and_its_gap_reported_meanwhile() {
    let disk = BadDisk::new();
    let rig = Rig::new(|o| o.medium = disk.clone());
    disk.set(|d| d.fail_create = true);
    let mut camera = rig.camera();
    let start = rig.clock.wall();
    let writer = rig.stream(&camera);
    for _ in 0..24 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.wait(|k| matches!(k, Kept::Dropped { .. }));
    let failed = reports.iter().filter(|k| matches!(k, Kept::Failed { segment: None, .. })).count();
    assert!((5..=6).contains(&failed), "{failed}");
    let first = dropped(&reports)[0];
    assert!(first.0 == start && first.1 >= start + Duration::from_secs(10), "{first:?}");
    disk.set(|d| d.fail_create = false);
    for _ in 24..28 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.stop();
    assert_eq!(closed(&reports)[0].start, start + Duration::from_secs(12));
    if let [rest] = dropped(&reports)[..] {
        assert_eq!(rest, (first.1, start + Duration::from_secs(12)));
    } else {
        assert_eq!(first.1, start + Duration::from_secs(12));
    }
}

#[test]
fn a_disk_that_was_pulled_out_is_not_written_on_in_its_place() {
    let rig = Rig::new(|_| {});
    std::fs::remove_file(rig.dir.path().join(".keepsight-disk")).unwrap();
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    let reports = rig.wait(|k| matches!(k, Kept::Failed { .. }));
    let Some(Kept::Failed { error, .. }) = reports.last() else { unreachable!() };
    assert_eq!(Problem::from(error).kind, ProblemKind::DiskForeign);
    assert_eq!(std::fs::read_dir(rig.dir.path()).unwrap().count(), 0);
}

#[test]
fn what_does_not_fit_in_the_queue_is_a_gap_and_the_newest_is_kept() {
    let disk = BadDisk::new();
    let rig = Rig::new(|o| {
        o.medium = disk.clone();
        o.sync_every = Duration::from_secs(3_600); // which would write, too
        o.queue_bytes = 700_000; // six seconds
        o.report_lost_every = Duration::from_secs(3_600);
    });
    let mut camera = Camera { picture: 5_000, ..rig.camera() };
    let writer = rig.stream(&camera);
    let start = rig.clock.wall();
    writer.push(camera.next()).unwrap();
    disk.wait_for("write");
    rig.wait(|k| matches!(k, Kept::Opened(_)));
    disk.set(|d| {
        d.hold_writes = true;
        d.log.clear();
    });
    writer.push(camera.next()).unwrap();
    disk.wait_for("write"); // the writer hangs with the second fragment in its hands
    let overloaded = (2..40).filter(|_| writer.push(camera.next()).is_err()).count();
    assert_eq!(overloaded, 25);
    disk.set(|d| d.hold_writes = false);
    let reports = rig.stop();
    let segments = closed(&reports);
    // 13 half seconds were in the queue: from 13.5 s on; the next key picture is at 14 s.
    assert_eq!(dropped(&reports), [(segments[0].end, segments[1].start)]);
    assert_eq!(segments[0].end, start + Duration::from_secs(1));
    assert_eq!(segments[1].start, start + Duration::from_secs(14));
    assert_eq!(segments[1].end, start + Duration::from_secs(20));
}

#[test]
fn new_parameters_begin_a_new_segment() {
    let rig = Rig::new(|_| {});
    let mut camera = Camera { key_every: 1, ..rig.camera() };
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    writer.begin(init(2), camera.connection, camera.started);
    writer.push(camera.next()).unwrap();
    let segments = closed(&rig.stop());
    assert_eq!(segments[0].end, segments[1].start);
    let open = |s| rig.footage().open(&camera.viewer(), camera.id, s).unwrap().init().clone();
    assert_eq!((open(&segments[0]), open(&segments[1])), (init(1), init(2)));
    assert_eq!(
        segments.iter().map(|s| s.fingerprint.unwrap()).collect::<Vec<_>>(),
        [init(1).fingerprint(), init(2).fingerprint()]
    );
}

#[test]
fn a_new_epoch_begins_at_the_next_key_picture_and_the_old_key_does_not_open_it() {
    let rig = Rig::new(|_| {});
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    let newer = EpochSecrets::generate(EpochId::new(&rig.clock), camera.id);
    writer.set_epoch(newer.public());
    for _ in 1..6 {
        writer.push(camera.next()).unwrap();
    }
    let reports = rig.stop();
    assert_eq!(dropped(&reports), []);
    let segments = closed(&reports);
    assert_eq!(segments.iter().map(|s| s.epoch.unwrap()).collect::<Vec<_>>(), [camera.secrets.epoch(), newer.epoch()]);
    assert_eq!(segments[1].media.unwrap().1, 180_000);
    let old = camera.viewer();
    assert!(rig.footage().open(&old, camera.id, &segments[0]).is_ok());
    let refused = rig.footage().open(&old, camera.id, &segments[1]).unwrap_err();
    assert!(matches!(refused, OpenError::NotGranted(_)), "{refused:?}");
    let unknown = base::footage::SegmentInfo { epoch: None, ..segments[1].clone() };
    let refused = rig.footage().open(&old, camera.id, &unknown).unwrap_err();
    assert_eq!(Problem::from(&refused).kind, ProblemKind::WrongKey);
    let both = viewer(&rig.clock, &[&camera.secrets, &newer]);
    assert!(rig.footage().open(&both, camera.id, &unknown).is_ok());
}

#[test]
fn a_new_epoch_does_not_wait_for_ever_for_a_key_picture() {
    let rig = Rig::new(|_| {});
    let mut camera = Camera { key_every: 1_000, ..rig.camera() };
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    let newer = EpochSecrets::generate(EpochId::new(&rig.clock), camera.id);
    writer.set_epoch(newer.public());
    rig.wait(is_synced);
    rig.clock.advance(Options::default().epoch_patience);
    let reports = rig.wait(|k| matches!(k, Kept::Closed(_)));
    assert_eq!(closed(&reports)[0].epoch, Some(camera.secrets.epoch()));
    camera.sent = 1_000; // at last
    let fragment = camera.next();
    writer.push(fragment).unwrap();
    let reports = rig.stop();
    assert_eq!(closed(&reports)[0].epoch, Some(newer.epoch()));
    assert_eq!(dropped(&reports).len(), 1);
}

#[test]
fn a_hole_or_a_jump_of_media_time_begins_a_new_segment_at_a_key_picture() {
    let rig = Rig::new(|_| {});
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    for sent in [0, 1, 8, 9, 4, 5] {
        camera.sent = sent;
        writer.push(camera.next()).unwrap();
    }
    let segments = closed(&rig.stop());
    let media: Vec<_> = segments.iter().map(|s| s.media.unwrap().1).collect();
    assert_eq!(media, [0, 360_000, 180_000]);
    for segment in &segments {
        let mut reader = rig.footage().open(&camera.viewer(), camera.id, segment).unwrap();
        assert_eq!(reader.summary().length_90k, 90_000);
    }
}

#[test]
fn when_the_clock_is_set_segments_do_not_pretend_to_join_up() {
    let rig = Rig::new(|o| o.rotate_after = Duration::from_secs(2));
    let mut camera = rig.camera();
    let writer = rig.stream(&camera);
    let start = rig.clock.wall();
    for _ in 0..4 {
        writer.push(camera.next()).unwrap();
    }
    rig.wait(is_synced);
    let step = Duration::from_secs(3_600);
    rig.clock.step_wall(rig.clock.wall() + step, TimeSource::Phone);
    for _ in 4..8 {
        writer.push(camera.next()).unwrap();
    }
    let segments = closed(&rig.stop());
    assert_eq!(segments[0].end, start + Duration::from_secs(2));
    assert_eq!(segments[1].start, start + Duration::from_secs(2) + step);
}

#[test]
fn a_fragment_that_is_none_is_refused_and_the_stream_goes_on() {
    let rig = Rig::new(|_| {});
    let mut camera = Camera { key_every: 1, ..rig.camera() };
    let writer = rig.stream(&camera);
    writer.push(camera.next()).unwrap();
    let mut broken = camera.next();
    broken.bytes.truncate(100);
    writer.push(broken).unwrap();
    writer.push(camera.next()).unwrap();
    let reports = rig.stop();
    assert!(reports.iter().any(|k| matches!(k, Kept::Failed { error: KeepError::BadFragment(_), .. })));
    let segments = closed(&reports);
    assert_eq!(dropped(&reports), [(segments[0].end, segments[1].start)]);
}

#[test]
fn streams_of_many_cameras_do_not_mix() {
    let rig = Rig::new(|o| o.rotate_after = Duration::from_secs(4));
    let mut cameras: Vec<_> = (0..8).map(|_| rig.camera()).collect();
    let mut writers: Vec<_> = cameras.iter().map(|c| rig.stream(c)).collect();
    for round in 0..40 {
        for (camera, writer) in cameras.iter_mut().zip(&writers) {
            let fragment = camera.make(camera.sent);
            camera.sent += 1;
            writer.push(fragment).unwrap();
        }
        rig.clock.advance(Duration::from_millis(500));
        if round == 20 {
            writers.pop(); // dropping the handle ends the stream
        }
    }
    let segments = closed(&rig.stop());
    for camera in &cameras {
        let mut seen = Vec::new();
        for segment in segments.iter().filter(|s| s.camera == camera.id) {
            let mut reader = rig.footage().open(&camera.viewer(), camera.id, segment).unwrap();
            seen.extend(pictures(&reader.fragments().collect::<Vec<_>>()));
        }
        let expected: Vec<_> = (0..camera.sent * 10).map(|n| mark(camera.id, Track::Video, n, 2_000)).collect();
        assert!(seen == expected, "{} of {} pictures", seen.len(), expected.len());
    }
    assert!(ConnectionId::new(&rig.clock) != cameras[0].connection);
}
