//! What lies in the footage folder is found again by names alone, and nothing strange is taken for footage.

mod common;

use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo};
use base::{CameraId, EventId};
use common::{Camera, Rig, closed};
use footage::Found;

fn rig() -> (Rig, Vec<Camera>, Vec<SegmentInfo>) {
    let rig = Rig::new(|o| o.rotate_after = Duration::from_secs(2));
    let mut cameras = vec![rig.camera(), rig.camera()];
    let writers: Vec<_> = cameras.iter().map(|c| rig.stream(c)).collect();
    for _ in 0..8 {
        for (camera, writer) in cameras.iter_mut().zip(&writers) {
            writer.push(camera.make(camera.sent)).unwrap();
            camera.sent += 1;
        }
        rig.clock.advance(Duration::from_millis(500));
    }
    let mut segments = closed(&rig.stop());
    segments.sort_by_key(|s| (s.camera, s.start));
    assert_eq!(segments.len(), 4);
    (rig, cameras, segments)
}

#[test]
fn an_index_that_is_right_has_nothing_to_recover() {
    let (rig, _, segments) = rig();
    let recovery = rig.footage().recover(&segments);
    assert!(recovery.found.is_empty() && recovery.cut.is_empty() && recovery.missing.is_empty());
    assert!(recovery.changed.is_empty() && recovery.strange.is_empty());
}

#[test]
fn the_newest_are_found_without_looking_at_the_others() {
    let (rig, cameras, segments) = rig();
    let newest = |known: &dyn Fn(CameraId) -> Option<base::Timestamp>| {
        let found = rig.footage().scan_newest(|camera, _| known(camera));
        found.into_iter().map(|s| s.id).collect::<Vec<_>>()
    };
    let ids = |of: &[usize]| of.iter().map(|n| segments[*n].id).collect::<Vec<_>>();
    assert_eq!(newest(&|_| None), ids(&[0, 1, 2, 3]), "nothing is known: the last day");
    let later = segments[1].start;
    assert_eq!(newest(&|_| Some(later)), ids(&[1, 3]), "from the last one on");
    let behind = cameras.iter().map(|c| c.id).min().unwrap();
    assert_eq!(newest(&|camera| (camera != behind).then_some(later)), ids(&[0, 1, 3]));
    assert_eq!(newest(&|_| Some(later + Duration::from_secs(86_400))), []);
}

#[test]
fn without_an_index_each_file_tells_camera_stream_start_and_an_upper_bound() {
    let (rig, cameras, segments) = rig();
    let found = rig.footage().recover(&[]).found;
    assert_eq!(found.len(), segments.len());
    for (found, row) in found.iter().zip(&segments) {
        let unknown = SegmentInfo {
            epoch: None,
            media: None,
            stamp: None,
            end: found.end,
            video: None,
            audio: None,
            fingerprint: None,
            details: SegmentDetails::Unknown,
            ..row.clone()
        };
        assert_eq!(*found, unknown);
        // The first viewer fills in the rest.
        let camera = cameras.iter().find(|c| c.id == found.camera).unwrap();
        let mut reader = rig.footage().open(&camera.viewer(), camera.id, found).unwrap();
        assert_eq!(reader.summary().info, *row);
    }
    // A guess never reaches into the next segment of the stream.
    assert_eq!((found[0].end, found[2].end), (found[1].start, found[3].start));
}

#[test]
fn cut_missing_and_changed_segments_are_told_apart() {
    let (rig, _, mut segments) = rig();
    let path = |s: &SegmentInfo| rig.disk.segment_path(s);
    std::fs::remove_file(path(&segments[0])).unwrap();
    std::fs::File::options().write(true).open(path(&segments[1])).unwrap().set_len(100).unwrap();
    std::fs::File::options().write(true).open(path(&segments[2])).unwrap().set_len(900).unwrap();
    segments[2].details = SegmentDetails::Open;
    segments[2].end = segments[2].start;
    segments[2].bytes = 0;
    let recovery = rig.footage().recover(&segments);
    assert_eq!(recovery.missing, segments[..1]);
    assert_eq!(recovery.changed, segments[1..2]);
    let [cut] = &recovery.cut[..] else { panic!("{recovery:?}") };
    assert_eq!((cut.id, cut.bytes, cut.details), (segments[2].id, 900, SegmentDetails::Unknown));
    assert_eq!((cut.epoch, &cut.video), (segments[2].epoch, &segments[2].video));
    assert!(cut.end > cut.start);
    assert!(recovery.found.is_empty() && recovery.strange.is_empty());
}

#[test]
fn what_is_not_footage_is_reported_and_left_alone() {
    let (rig, cameras, segments) = rig();
    let root = rig.dir.path();
    let day = rig.disk.segment_path(&segments[0]).parent().unwrap().to_owned();
    let put = |path: std::path::PathBuf| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "x").unwrap();
        path
    };
    rig.disk.write_epoch_key(cameras[0].id, cameras[0].secrets.epoch(), b"sealed").unwrap();
    put(day.join(format!("{}.jpg.age", EventId::new(&rig.clock))));
    put(root.join(".keepsight-export/2026-01-01/events"));
    let name = rig.disk.segment_path(&segments[0]).file_name().unwrap().to_owned();
    let mut strange = vec![
        put(root.join("holiday.mp4")),
        put(root.join("not-a-camera/file")).parent().unwrap().to_owned(),
        put(root.join(segments[0].camera.to_string()).join("notes.txt")),
        put(root.join(segments[0].camera.to_string()).join("2026-13-01/x")).parent().unwrap().to_owned(),
        put(root.join(segments[0].camera.to_string()).join("2026-01-02").join(&name)),
        put(root.join(cameras[0].id.to_string()).join("keys/notes")),
        put(day.join("film.mp4")),
        put(day.join(format!("{}.tmp", name.to_string_lossy()))),
        put(root.join(CameraId::new(&rig.clock).to_string())),
    ];
    let link = root.join(CameraId::new(&rig.clock).to_string());
    std::os::unix::fs::symlink(root.join(segments[0].camera.to_string()), &link).unwrap();
    strange.push(link);
    strange.sort();
    let recovery = rig.footage().recover(&segments);
    let told = |f: &Found| if let Found::Strange { path, .. } = f { path.clone() } else { panic!("{f:?}") };
    let mut found: Vec<_> = recovery.strange.iter().map(told).collect();
    found.sort();
    assert_eq!(found, strange);
    assert!(recovery.missing.is_empty() && recovery.found.is_empty());
    assert!(strange.iter().all(|path| path.symlink_metadata().is_ok()));
}

#[test]
fn a_removed_segment_is_gone_and_the_last_one_takes_the_days_folder_along() {
    let (rig, _, segments) = rig();
    let footage = rig.footage();
    let day = rig.disk.segment_path(&segments[0]).parent().unwrap().to_owned();
    footage.remove(&segments[0]).unwrap();
    footage.remove(&segments[0]).unwrap();
    assert!(day.is_dir());
    footage.remove(&segments[1]).unwrap();
    assert!(!day.exists());
    assert_eq!(footage.recover(&segments).missing, segments[..2]);
}
