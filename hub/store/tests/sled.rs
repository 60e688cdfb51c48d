//! The store over sled and real files: durable calls, reopening, damage.

mod common;

use std::sync::Arc;

use base::footage::StreamName;
use base::{HubId, Problem, ProblemKind, SystemClock};
use common::{at, camera_id, event, hub, options, reopen, segment, sled, try_open};
use store::{Store, StoreError};

#[test]
fn sync_file_range_answers_enosys_so_that_sled_calls_fsync() {
    let file = tempfile::tempfile().unwrap();
    let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
    // SAFETY: passes no pointers.
    let answer = unsafe { nix::libc::sync_file_range(fd, 0, 0, nix::libc::SYNC_FILE_RANGE_WRITE) };
    assert_eq!((answer, nix::errno::Errno::last()), (-1, nix::errno::Errno::ENOSYS));
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

/// Damages a closed store's files and says what opening them answers.
fn opening_after(damage: impl FnOnce(&std::path::Path)) -> StoreError {
    let (dir, store) = sled();
    for n in 0..20 {
        store
            .urgent_blocking(move |db| (0..200).try_for_each(|i| db.put_event(&event(1, n * 200 + i, i64::from(i)))))
            .unwrap();
    }
    drop(store);
    damage(&dir.path().join("store/sled"));
    let error = try_open(&dir).map(drop).expect_err("a damaged store must not open");
    assert!(error.to_string().contains(&dir.path().join("store").display().to_string()), "{error}");
    assert!(error.is_damage(), "{error:?}");
    assert_eq!(Problem::from(&error).kind, ProblemKind::StoreDamaged);
    // The lock is free again: the folder can be set aside.
    std::fs::rename(dir.path().join("store"), dir.path().join("store.damaged")).unwrap();
    reopen(&dir);
    error
}

#[test]
fn garbage_in_the_engines_file_is_an_error_that_names_the_folder() {
    opening_after(|sled| {
        let file = sled.join("db");
        let length = file.metadata().unwrap().len() as usize;
        std::fs::write(file, (0..length).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>()).unwrap();
    });
}

#[test]
fn an_engine_whose_file_lost_its_front_is_an_error_that_names_the_folder() {
    opening_after(|sled| {
        let mut content = std::fs::read(sled.join("db")).unwrap();
        content[..4096].fill(0);
        std::fs::write(sled.join("db"), content).unwrap();
    });
}

#[test]
fn an_engine_whose_files_are_gone_is_an_error_and_not_an_empty_store() {
    let error = opening_after(|sled| std::fs::remove_dir_all(sled).unwrap());
    assert!(matches!(error, StoreError::Damaged { .. }));
}
