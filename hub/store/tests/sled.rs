//! The store over sled and real files: durable calls, reopening, damage.

mod common;

use std::os::fd::AsRawFd;
use std::sync::Arc;

use base::footage::StreamName;
use base::{HubId, Problem, ProblemKind, SystemClock};
use common::{at, camera_id, event, hub, options, reopen, segment, sled, try_open};
use store::{Store, StoreError};
use tempfile::TempDir;

#[test]
fn sync_file_range_is_fdatasync() {
    let file = tempfile::tempfile().unwrap();
    let (pipe, _end) = std::io::pipe().unwrap();
    let sync = |fd| {
        // SAFETY: passes no pointers.
        let answer = unsafe { nix::libc::sync_file_range(fd, 0, 0, nix::libc::SYNC_FILE_RANGE_WRITE) };
        nix::errno::Errno::result(answer)
    };
    assert_eq!(sync(file.as_raw_fd()), Ok(0));
    // The real one answers ESPIPE.
    assert_eq!(sync(pipe.as_raw_fd()), Err(nix::errno::Errno::EINVAL));
    assert!(store::durable::is_durable());
}

#[test]
fn what_was_acknowledged_is_there_after_opening_again() {
    let (dir, store) = sled();
    store.urgent_blocking(|db| db.put_segment(&segment(1, 0, 60))).unwrap();
    let lazy = store.submit(store::Durability::Lazy, |db| db.put_segment(&segment(1, 60, 120)));
    store.close_blocking();
    lazy.wait().unwrap();
    for _ in 0..3 {
        let store = reopen(&dir);
        let read = store.read_blocking(|db| db.segments(camera_id(1), StreamName::Main, at(0), at(300)));
        assert_eq!(read.unwrap(), [segment(1, 0, 60), segment(1, 60, 120)]);
    }
}

#[test]
fn a_snapshot_that_was_cut_off_while_it_was_made_costs_nothing() {
    let (dir, store) = sled();
    store.urgent_blocking(|db| db.put_segment(&segment(1, 0, 60))).unwrap();
    drop(store);
    let half = dir.path().join("store/sled/snap.00000000FFFFFFFF.generating");
    for content in [&b""[..], b"short", &[7; 500]] {
        std::fs::write(&half, content).unwrap();
        let store = reopen(&dir);
        let read = store.read_blocking(|db| db.segments(camera_id(1), StreamName::Main, at(0), at(300)));
        assert_eq!(read.unwrap(), [segment(1, 0, 60)], "cut off after {} bytes", content.len());
        assert!(!half.exists());
    }
}

#[test]
fn a_store_has_one_user_at_a_time() {
    let (dir, store) = sled();
    let second = try_open(&dir).map(drop).unwrap_err();
    assert!(matches!(&second, StoreError::Busy { dir: busy } if *busy == dir.path().join("store")));
    assert_eq!(Problem::from(second).kind, ProblemKind::StoreBusy);
    drop(store);
    reopen(&dir);
}

#[test]
fn another_hubs_store_is_not_touched() {
    let (dir, store) = sled();
    drop(store);
    let other = HubId::from_bytes([9; 16]);
    let opened = Store::open_with(&dir.path().join("store"), other, Arc::new(SystemClock), options());
    assert!(
        matches!(opened.map(drop), Err(StoreError::Foreign { expected, found, .. }) if (expected, found) == (other, hub()))
    );
    reopen(&dir);
}

#[test]
fn a_large_call_is_written_as_one() {
    let (dir, store) = sled();
    store.urgent_blocking(|db| (0..6_000).try_for_each(|n| db.put_event(&event(1, n, i64::from(n))))).unwrap();
    drop(store);
    let read = reopen(&dir).read_blocking(|db| db.events_in(camera_id(1), at(0), at(10_000)));
    assert_eq!(read.unwrap().len(), 6_000);
}

/// A closed store with 4,000 events.
fn closed() -> TempDir {
    let (dir, store) = sled();
    for n in 0..20 {
        store
            .urgent_blocking(move |db| (0..200).try_for_each(|i| db.put_event(&event(1, n * 200 + i, i64::from(i)))))
            .unwrap();
    }
    store.close_blocking();
    dir
}

fn copy(of: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for folder in ["store", "store/sled"] {
        std::fs::create_dir(copy.path().join(folder)).unwrap();
        for entry in std::fs::read_dir(of.path().join(folder)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                std::fs::copy(entry.path(), copy.path().join(folder).join(entry.file_name())).unwrap();
            }
        }
    }
    copy
}

/// What opening a damaged store must answer.
fn assert_damage(dir: &TempDir, error: StoreError) {
    assert!(error.to_string().contains(&dir.path().join("store").display().to_string()), "{error}");
    assert!(error.is_damage(), "{error:?}");
    assert_eq!(Problem::from(&error).kind, ProblemKind::StoreDamaged);
    // The lock is free again: the folder can be set aside.
    std::fs::rename(dir.path().join("store"), dir.path().join("store.damaged")).unwrap();
    reopen(dir);
}

#[test]
fn garbage_in_the_engines_file_is_an_error_that_names_the_folder() {
    let dir = closed();
    let file = dir.path().join("store/sled/db");
    let length = file.metadata().unwrap().len() as usize;
    std::fs::write(file, (0..length).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>()).unwrap();
    let error = try_open(&dir).map(drop).unwrap_err();
    assert_damage(&dir, error);
}

#[test]
fn whatever_is_damaged_nothing_is_lost_without_a_word() {
    let good = closed();
    let content = std::fs::read(good.path().join("store/sled/db")).unwrap();
    let mut refused = 0;
    let damages: [fn(&mut Vec<u8>, usize); 3] = [
        |content, at| content[at..at + 4096].fill(0),
        |content, at| content[at + 2000] ^= 16,
        |content, at| content.truncate(at),
    ];
    for (damage, part) in damages.into_iter().flat_map(|damage| (0..10).map(move |part| (damage, part))) {
        let dir = copy(&good);
        let mut content = content.clone();
        let place = content.len() / 4096 * part / 10 * 4096;
        damage(&mut content, place);
        std::fs::write(dir.path().join("store/sled/db"), content).unwrap();
        let all = |db: &store::Db| db.events_in(camera_id(1), at(0), at(10_000));
        match try_open(&dir).and_then(|store| store.read_blocking(all)) {
            Ok(events) => assert_eq!(events.len(), 4_000, "what was damaged must have been free space"),
            Err(error) => {
                refused += 1;
                assert_damage(&dir, error);
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn an_engine_whose_files_are_gone_is_an_error_and_not_an_empty_store() {
    let dir = closed();
    std::fs::remove_dir_all(dir.path().join("store/sled")).unwrap();
    let error = try_open(&dir).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    assert_damage(&dir, error);
}

#[test]
fn an_engine_from_an_old_copy_is_an_error() {
    let dir = closed();
    let old = copy(&dir);
    let store = reopen(&dir);
    store.urgent_blocking(|db| db.put_event(&event(1, 5_000, 0))).unwrap();
    drop(store);
    let (new, old) = (dir.path().join("store/sled"), old.path().join("store/sled"));
    std::fs::remove_dir_all(&new).unwrap();
    std::fs::rename(old, new).unwrap();
    let error = try_open(&dir).map(drop).unwrap_err();
    assert!(error.to_string().contains("its newest part is gone"), "{error}");
    assert_damage(&dir, error);
}
