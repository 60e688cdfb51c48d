//! The plug is pulled: what was told as kept is there, and the hub goes on (promise 4).

mod common;

use std::sync::Arc;
use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo, Track};
use base::{BootId, Timestamp};
use common::{BadDisk, Camera, Rig, mark, pictures};
use footage::{Disk, Keeper, Kept};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Unsynced bytes are thrown away, but for a random part of them, which may be there or be zeros.
    #[test]
    fn every_picture_that_was_told_as_kept_is_there_after_a_power_cut(
        picture in 100..8_000_usize, halves in 1..20_u64, wait in 0..12_u64, luck in 0.0..1.0_f64, zeros: bool,
    ) {
        let disk = BadDisk::new();
        let rig = Rig::new(|o| {
            o.medium = disk.clone();
            o.rotate_after = Duration::from_secs(4);
        });
        let mut camera = Camera { picture, ..rig.camera() };
        let writer = rig.stream(&camera);
        for _ in 0..halves {
            writer.push(camera.next()).unwrap();
        }
        let mut reports = Vec::new();
        if wait < halves {
            let until = Duration::from_millis(500 * wait);
            let started = Timestamp::from_second(1_767_225_600).unwrap();
            reports = rig.wait(|k| matches!(k, Kept::Synced { end, .. } if *end >= started + until));
        }
        // Now. What is written but not synced is at the kernel's mercy.
        let synced = disk.set(|d| {
            d.hold_syncs = true;
            d.hold_writes = true;
            d.synced.clone()
        });
        reports.extend(rig.kept.try_iter());
        let mut after = Vec::new();
        for segment in rig.footage().recover(&[]).found {
            let path = rig.disk.segment_path(&segment);
            let bytes = std::fs::read(&path).unwrap();
            let kept = synced.get(&path).map_or(0, |len| *len as usize).min(bytes.len());
            let more = ((bytes.len() - kept) as f64 * luck) as usize;
            let mut left = bytes[..kept + more].to_vec();
            if zeros {
                left[kept..].fill(0);
            }
            after.push((path, left));
        }
        disk.set(|d| {
            d.hold_syncs = false;
            d.hold_writes = false;
        });
        rig.keeper.stop();
        for (path, left) in after {
            std::fs::write(path, left).unwrap();
        }

        let rows = rows(&reports);
        for row in &rows {
            if row.end == row.start {
                continue; // opened, nothing told as kept: its head may not be there
            }
            let mut reader = rig.footage().open(&camera.viewer(), camera.id, row).unwrap();
            let fragments: Vec<_> = reader.fragments().collect();
            let seen = pictures(&fragments);
            let first = row.media.unwrap().1 as u64 / 4_500;
            let expected: Vec<_> = (0..seen.len() as u64).map(|n| mark(camera.id, Track::Video, first + n, picture)).collect();
            prop_assert!(seen == expected);
            let summary = reader.summary();
            prop_assert!(summary.info.end >= row.end, "{:?} was told, {:?} is there", row.end, summary.info.end);
        }

        // The hub starts again: nothing that is there is touched, and recording goes on beside it.
        let before = rig.footage().recover(&[]).found;
        let again = Disk::open(rig.dir.path(), Some(rig.disk.id())).unwrap();
        let clock = Arc::new(rig.clock.clone());
        let keeper = Keeper::start(again, clock, rig.hub, BootId::new(&rig.clock), Box::new(|_| {})).unwrap();
        let mut camera = Camera { sent: 0, started: base::Clock::mono(&rig.clock), ..camera };
        let writer = keeper.stream(camera.id, base::footage::StreamName::Main, camera.secrets.public());
        writer.begin(common::init(1), base::ConnectionId::new(&rig.clock), camera.started);
        writer.push(camera.next()).unwrap();
        keeper.stop();
        let recovery = rig.footage().recover(&before);
        prop_assert_eq!(recovery.found.len(), 1);
        prop_assert!(recovery.missing.is_empty() && recovery.strange.is_empty());
    }
}

/// The rows that an index would have by these reports.
fn rows(reports: &[Kept]) -> Vec<SegmentInfo> {
    let mut rows: Vec<SegmentInfo> = Vec::new();
    for report in reports {
        match report {
            Kept::Opened(info) => rows.push(info.clone()),
            Kept::Synced { segment, end, .. } => {
                let row = rows.iter_mut().find(|r| r.id == *segment).unwrap();
                assert!(*end >= row.end && row.details == SegmentDetails::Open);
                row.end = *end;
            }
            Kept::Closed(info) => *rows.iter_mut().find(|r| r.id == info.id).unwrap() = info.clone(),
            other => panic!("{other:?}"),
        }
    }
    rows
}
