//! Nothing is acknowledged before it is durable, and an engine that failed is not used again.

mod common;

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base::SimClock;
use base::footage::StreamName;
use base::state::{Health, Reason};
use common::{Fail, WatchedEngine, at, camera_id, content, segment, until};
use store::engine::{Batch, Engine, Order, Tree};
use store::{Db, Durability, Pending, Store, StoreError};
use tempfile::TempDir;

struct Bench {
    _dir: TempDir,
    clock: SimClock,
    engine: WatchedEngine,
    store: Store,
}

fn bench() -> Bench {
    let (dir, clock, engine) = (tempfile::tempdir().unwrap(), SimClock::default(), WatchedEngine::default());
    let store = engine.store(&dir, &clock).unwrap();
    assert_eq!(engine.take_log(), ["apply", "flush"], "the first row");
    Bench { _dir: dir, clock, engine, store }
}

impl Bench {
    /// Writes a segment that starts at a second, and waits until the storage thread has run that.
    fn write(&self, durability: Durability, second: i64) -> Pending<()> {
        let pending = self.store.submit(durability, move |db| db.put_segment(&segment(1, second, second + 1)));
        assert!(self.has(second));
        pending
    }
    /// Reads it back.
    fn has(&self, second: i64) -> bool {
        self.store
            .read_blocking(move |db| {
                Ok(!db.segments(camera_id(1), StreamName::Main, at(second), at(second + 1))?.is_empty())
            })
            .unwrap()
    }
    /// Lets time pass when the storage thread has gone to sleep.
    fn advance(&self, ms: u64) {
        until(|| self.clock.sleepers() == 1);
        self.clock.advance(Duration::from_millis(ms));
    }
}

fn is_pending<T>(pending: &mut Pending<T>) -> bool {
    matches!(Pin::new(pending).poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

#[test]
fn a_group_is_acknowledged_after_its_one_flush_and_not_before() {
    let bench = bench();
    let mut first = bench.write(Durability::Group, 1);
    bench.advance(60);
    let mut second = bench.write(Durability::Group, 2);
    bench.advance(39);
    assert!(bench.has(1), "what waits can be read");
    assert!(is_pending(&mut first) && is_pending(&mut second));
    assert_eq!(bench.engine.take_log(), [""; 0]);
    bench.advance(1);
    first.wait().unwrap();
    bench.engine.note("acknowledged");
    second.wait().unwrap();
    assert_eq!(bench.engine.take_log(), ["apply", "flush", "acknowledged"]);
}

#[test]
fn what_is_urgent_is_flushed_at_once_and_takes_along_who_waits() {
    let bench = bench();
    let mut lazy = bench.write(Durability::Lazy, 1);
    assert!(is_pending(&mut lazy));
    bench.store.urgent_blocking(|db| db.put_segment(&segment(1, 2, 3))).unwrap();
    lazy.wait().unwrap();
    assert_eq!(bench.engine.take_log(), ["apply", "flush"]);
}

#[test]
fn what_is_lazy_waits_thirty_seconds_and_touches_no_disk_until_then() {
    let bench = bench();
    let mut lazy = bench.write(Durability::Lazy, 1);
    bench.advance(29_999);
    assert!(bench.has(1));
    assert!(is_pending(&mut lazy));
    assert_eq!(bench.engine.take_log(), [""; 0]);
    bench.advance(1);
    lazy.wait().unwrap();
    assert_eq!(bench.engine.take_log(), ["apply", "flush"]);
}

#[test]
fn a_call_whose_answer_nobody_waits_for_runs_all_the_same() {
    let bench = bench();
    drop(bench.store.submit(Durability::Now, |db| db.put_segment(&segment(1, 1, 2))));
    assert!(bench.has(1));
}

#[test]
fn a_call_that_changes_nothing_waits_for_what_it_may_have_read() {
    let bench = bench();
    bench.store.call_blocking(|db| db.segments(camera_id(1), StreamName::Main, at(0), at(9))).unwrap();
    let waiting = bench.write(Durability::Group, 1);
    let mut reader =
        bench.store.submit(Durability::Group, |db| db.segments(camera_id(1), StreamName::Main, at(0), at(9)));
    assert!(bench.has(1) && is_pending(&mut reader), "its answer rests on what is not durable");
    bench.advance(100);
    waiting.wait().unwrap();
    assert_eq!(reader.wait().unwrap().len(), 1);
}

#[test]
fn a_call_that_fails_or_panics_changes_nothing_and_harms_nobody() {
    let bench = bench();
    let good = bench.write(Durability::Group, 1);
    let failed = bench.store.call_blocking(|db| {
        db.put_segment(&segment(1, 2, 3))?;
        db.remove_segment(&segment(1, 1, 2))?;
        Err::<(), _>(StoreError::NameTaken)
    });
    assert!(matches!(failed, Err(StoreError::NameTaken)), "it need not wait for anybody");
    let panicked = bench.store.call_blocking::<(), _>(|db| {
        db.put_segment(&segment(1, 4, 5))?;
        panic!("as the test wants it")
    });
    assert!(matches!(panicked, Err(StoreError::Panicked)));
    assert!(bench.has(1) && !bench.has(2) && !bench.has(4));
    bench.advance(100);
    good.wait().unwrap();
    assert_eq!(bench.engine.watched.lock().unwrap().opened, 1, "the engine did nothing wrong");
}

#[test]
fn one_call_may_not_change_too_much() {
    let bench = bench();
    let too_many = bench.store.urgent_blocking(|db| {
        (0..20_001).try_for_each(|n| db.append_audit(store::Actor::Hub, "test", &n.to_string()).map(drop))
    });
    assert!(matches!(too_many, Err(StoreError::CallTooLarge { .. })));
    assert_eq!(bench.store.read_blocking(|db| db.audit(0, 1)).unwrap(), []);
}

#[test]
fn who_waits_is_told_of_a_failed_flush_and_the_engine_is_opened_again() {
    for fail in [Fail::Apply, Fail::Flush] {
        let bench = bench();
        let lazy = bench.write(Durability::Lazy, 1);
        bench.engine.fail(fail);
        let urgent = bench.store.urgent_blocking(|db| db.put_segment(&segment(1, 2, 3)));
        for told in [lazy.wait(), urgent] {
            assert!(matches!(told, Err(StoreError::Engine { .. })), "{told:?}");
        }
        bench.store.urgent_blocking(|db| db.put_segment(&segment(1, 4, 5))).unwrap();
        assert!(bench.has(4));
        assert_eq!(bench.engine.watched.lock().unwrap().opened, 2);
        assert_eq!(bench.store.health(), Health::Ok);
    }
}

#[test]
fn a_failed_read_fails_the_call_and_whoever_waits_and_the_engine_is_opened_again() {
    for fail in [Fail::Get, Fail::Scan] {
        let bench = bench();
        let lazy = bench.write(Durability::Lazy, 1);
        bench.engine.fail(fail);
        let read = bench.store.read_blocking(|db| {
            let _ = db.hub_row(); // a call that goes on after an error gets no further
            db.audit(0, 1)
        });
        assert!(matches!(read, Err(StoreError::Engine { .. })), "{read:?}");
        assert!(matches!(lazy.wait(), Err(StoreError::Engine { .. })));
        assert!(!bench.has(1));
        assert_eq!(bench.engine.watched.lock().unwrap().opened, 2);
    }
}

#[test]
fn while_the_engine_cannot_be_opened_calls_say_so_and_it_is_tried_again_and_again() {
    let bench = bench();
    bench.write(Durability::Now, 1).wait().unwrap();
    bench.engine.watched.lock().unwrap().closed_with = Some(nix::libc::ENOSPC);
    bench.engine.fail(Fail::Flush);
    assert!(bench.store.urgent_blocking(|db| db.put_segment(&segment(1, 2, 3))).is_err());

    for pause_ms in [1_000, 2_000, 4_000] {
        let answer = bench.store.read_blocking(|db| db.hub_row());
        assert!(matches!(answer, Err(StoreError::Unavailable { .. })), "{answer:?}");
        assert_eq!(base::Problem::from(answer.unwrap_err()).kind, base::ProblemKind::DiskFull);
        assert!(matches!(bench.store.health(), Health::Degraded { reason: Reason::DiskFull, .. }));
        let opened = bench.engine.watched.lock().unwrap().opened;
        bench.advance(pause_ms);
        until(|| bench.engine.watched.lock().unwrap().opened == opened + 1);
    }
    bench.engine.watched.lock().unwrap().closed_with = None;
    bench.advance(8_000);
    until(|| bench.store.health() == Health::Ok);
    assert!(bench.has(1));
    bench.store.urgent_blocking(|db| db.put_segment(&segment(1, 4, 5))).unwrap();
}

#[test]
fn closing_makes_everything_durable_and_answers_who_comes_later() {
    let bench = bench();
    let lazy = bench.write(Durability::Lazy, 1);
    let clone = bench.store.clone();
    bench.store.close_blocking();
    lazy.wait().unwrap();
    assert_eq!(bench.engine.take_log(), ["apply", "flush"]);
    assert!(matches!(clone.read_blocking(|db| db.hub_row()), Err(StoreError::Closed)));
    clone.close_blocking();
}

#[test]
fn dropping_the_last_clone_makes_everything_durable() {
    let Bench { _dir: dir, clock, engine, store } = bench();
    let lazy = store.submit(Durability::Lazy, |db| db.put_segment(&segment(1, 1, 2)));
    drop(store);
    lazy.wait().unwrap();
    assert_eq!(engine.take_log(), ["apply", "flush"]);
    engine.store(&dir, &clock).unwrap();
}

#[tokio::test]
async fn calls_work_from_async_code_and_block_it_where_they_say_so() {
    let bench = bench();
    bench.store.urgent(|db| db.put_segment(&segment(1, 1, 2))).await.unwrap();
    assert_eq!(bench.store.read(|db| db.streams_with_segments()).await.unwrap(), [(camera_id(1), StreamName::Main)]);
    bench.store.read_blocking(|db| db.hub_row()).unwrap();
    bench.store.close().await;
}

#[test]
fn a_row_that_is_missing_is_found_beside_the_calls_and_the_next_start_makes_the_store_again() {
    let (dir, clock, mut engine) = (tempfile::tempdir().unwrap(), SimClock::default(), WatchedEngine::default());
    let store = engine.store(&dir, &clock).unwrap();
    let rows = |db: &mut Db| (0..2_000).try_for_each(|n| db.put_segment(&segment(1, n, n + 1)));
    store.urgent_blocking(rows).unwrap();
    drop(store);
    let (key, _) = content(&engine, Tree::Segments, Order::Forward).pop().unwrap();
    let mut damage = Batch::default();
    damage.set(Tree::Segments, key, Some(None));
    engine.apply(&damage).unwrap();

    // As in a store that is too large to be compared while cameras wait.
    let store = engine.store_that_counts(&dir, &clock, 100).unwrap();
    assert_eq!(store.health(), Health::Ok);
    until(|| {
        if clock.sleepers() == 1 {
            clock.advance(Duration::from_millis(25));
        }
        store.health() != Health::Ok
    });
    let Health::Degraded { detail, .. } = store.health() else { unreachable!() };
    assert!(detail.contains("1 of 2000 rows of segments are gone"), "{detail}");
    store.urgent_blocking(|db| db.put_segment(&segment(1, 5_000, 5_001))).unwrap();
    drop(store);
    for count_at_open in [0, 10_000] {
        let error = engine.store_that_counts(&dir, &clock, count_at_open).map(drop).unwrap_err();
        assert!(error.is_damage() && error.to_string().ends_with("1 of 2000 rows of segments are gone"), "{error}");
    }
}

#[test]
fn a_row_that_is_missing_is_found_by_a_check() {
    let bench = bench();
    bench.write(Durability::Now, 1).wait().unwrap();
    let waiting = bench.write(Durability::Lazy, 2);
    let check = || bench.store.read_blocking(|db| db.check()).unwrap();
    assert!(check().is_good(), "what waits is counted");
    let (key, _) = content(&bench.engine, Tree::Segments, Order::Forward).pop().unwrap();
    let mut damage = Batch::default();
    damage.set(Tree::Segments, key, Some(None));
    bench.engine.clone().apply(&damage).unwrap();
    let found = check();
    assert!(!found.is_good());
    let differs: Vec<_> = found.trees.into_iter().filter_map(|tree| tree.differs).collect();
    assert_eq!(differs, ["1 of 2 rows of segments are gone"]);
    drop(waiting);
}
