//! sled behaves like sorted maps: as an engine, and beneath the whole store, over closing and opening again.

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;

use base::SystemClock;
use base::footage::{SegmentDetails, SegmentInfo, StreamName};
use common::{at, camera, camera_id, content, epoch, event, hub, options, segment};
use proptest::prelude::*;
use store::engine::{Batch, Engine, KeyRange, MemoryEngine, Order, SledEngine, Tree};
use store::{Actor, Db, Durability, EventQuery, Store, StoreError};
use tempfile::TempDir;

#[derive(Debug, Clone)]
enum EngineStep {
    Apply(Vec<(Tree, Vec<u8>, Option<Vec<u8>>)>),
    Flush,
    Reopen,
    Scan(Tree, KeyRange, bool, usize),
}

fn tree() -> impl Strategy<Value = Tree> {
    prop::sample::select(&Tree::ALL[..])
}

fn some_key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(&[0u8, 1, 0x7f, 0xfe, 0xff][..]), 0..4)
}

fn engine_step() -> impl Strategy<Value = EngineStep> {
    let change = (tree(), some_key(), prop::option::of(prop::collection::vec(any::<u8>(), 0..300)));
    let range = (some_key(), prop::option::of(some_key())).prop_map(|(from, to)| KeyRange { from, to });
    prop_oneof![
        6 => prop::collection::vec(change, 0..8).prop_map(EngineStep::Apply),
        1 => Just(EngineStep::Flush),
        1 => Just(EngineStep::Reopen),
        6 => (tree(), range, any::<bool>(), 1..5usize).prop_map(|(t, r, back, n)| EngineStep::Scan(t, r, back, n)),
    ]
}

fn scan(engine: &dyn Engine, tree: Tree, range: &KeyRange, order: Order, limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut entries = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        entries.push((key.to_vec(), value.to_vec()));
        if entries.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    engine.scan(tree, range, order, &mut visit).unwrap();
    entries
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sled_is_a_sorted_map(steps in prop::collection::vec(engine_step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let open = || SledEngine::open(dir.path(), 16 << 20).unwrap();
        let mut sled = Some(open());
        let mut model = MemoryEngine::default();
        for step in steps {
            let engine = sled.as_mut().unwrap();
            match step {
                EngineStep::Apply(changes) => {
                    let mut batch = Batch::default();
                    for (tree, key, value) in changes {
                        batch.set(tree, key, Some(value));
                    }
                    engine.apply(&batch).unwrap();
                    model.apply(&batch).unwrap();
                    for (tree, changes) in batch.trees() {
                        for (key, value) in changes {
                            prop_assert_eq!(&engine.get(tree, key).unwrap(), value);
                        }
                    }
                }
                EngineStep::Flush => engine.flush().unwrap(),
                EngineStep::Reopen => {
                    engine.flush().unwrap();
                    drop(sled.take());
                    sled = Some(open());
                }
                EngineStep::Scan(tree, range, back, limit) => {
                    let order = if back { Order::Backward } else { Order::Forward };
                    let (is, should) = (scan(engine, tree, &range, order, limit), scan(&model, tree, &range, order, limit));
                    prop_assert_eq!(is, should);
                }
            }
        }
        for (tree, order) in Tree::ALL.into_iter().zip([Order::Forward, Order::Backward].into_iter().cycle()) {
            prop_assert_eq!(content(sled.as_ref().unwrap(), tree, order), content(&model, tree, order));
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    PutSegment(u8, u8, SegmentDetails),
    RemoveSegment(u8, u8),
    PutEvent(u8, u8, u8),
    RemoveEvent(u8, u8, u8),
    Append,
    AddCamera(u8),
    RemoveCamera(u8),
    RemoveHistory(u8),
    /// Writes, then fails.
    Fail(u8),
    /// So long that it does not wait with others.
    Urgent,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let (camera, when) = (0..3u8, 0..12u8);
    let details = prop::sample::select(&[SegmentDetails::Open, SegmentDetails::Closed][..]);
    prop_oneof![
        4 => (camera.clone(), when.clone(), details).prop_map(|(c, t, d)| Step::PutSegment(c, t, d)),
        1 => (camera.clone(), when.clone()).prop_map(|(c, t)| Step::RemoveSegment(c, t)),
        4 => (camera.clone(), 0..6u8, when.clone()).prop_map(|(c, n, t)| Step::PutEvent(c, n, t)),
        1 => (camera.clone(), 0..6u8, when.clone()).prop_map(|(c, n, t)| Step::RemoveEvent(c, n, t)),
        1 => Just(Step::Append),
        1 => camera.clone().prop_map(Step::AddCamera),
        1 => camera.clone().prop_map(Step::RemoveCamera),
        1 => camera.clone().prop_map(Step::RemoveHistory),
        1 => when.prop_map(Step::Fail),
        2 => Just(Step::Urgent),
        1 => Just(Step::Reopen),
    ]
}

fn run(db: &mut Db, step: &Step) -> Result<(), StoreError> {
    let minute = |t: u8| i64::from(t) * 60;
    match *step {
        Step::PutSegment(c, t, details) => {
            db.put_segment(&SegmentInfo { details, ..segment(c, minute(t), minute(t) + 60) })
        }
        Step::RemoveSegment(c, t) => db.remove_segment(&segment(c, minute(t), 0)),
        Step::PutEvent(c, n, t) => db.put_event(&event(c, u32::from(n), minute(t))),
        Step::RemoveEvent(c, n, t) => db.remove_event(&event(c, u32::from(n), minute(t))),
        Step::Append => db.append_audit(Actor::Hub, "step", "").map(drop),
        Step::AddCamera(c) => db.add_camera(&camera(c), &epoch(camera_id(c), 1).0, &[]),
        Step::RemoveCamera(c) => db.remove_camera(camera_id(c)),
        Step::RemoveHistory(c) => db.remove_history(camera_id(c), 5).map(drop),
        Step::Fail(t) => {
            db.put_event(&event(0, 0, minute(t)))?;
            db.remove_history(camera_id(0), 100)?;
            Err(StoreError::NameTaken)
        }
        Step::Urgent | Step::Reopen => Ok(()),
    }
}

/// Everything the queries answer, but for times and random keys, which differ between two stores.
fn answers(db: &Db) -> Result<impl PartialEq + std::fmt::Debug + use<>, StoreError> {
    let cameras: Vec<_> = (0..3).map(camera_id).collect();
    let mut history = Vec::new();
    for camera in &cameras {
        let segments = db.segments(*camera, StreamName::Main, at(150), at(500))?;
        let ends = (db.first_segment(*camera, StreamName::Main)?, db.last_segment(*camera, StreamName::Main)?);
        history.push((segments, ends, db.events_in(*camera, at(150), at(500))?, db.epochs_of(*camera)?.len()));
    }
    let page = |limit| {
        let cameras = cameras.clone();
        db.events(&EventQuery { cameras, kind: None, from: None, to: None, after: None, limit })
    };
    let audit: Vec<_> = db.audit(0, 100)?.into_iter().map(|entry| entry.seq).collect();
    let checked = db.check()?;
    assert!(checked.is_good(), "{checked:?}");
    let rows: Vec<_> = checked.trees.iter().map(|tree| tree.good).collect();
    Ok((history, page(2)?, page(100)?, db.open_segments()?, db.streams_with_segments()?, db.cameras()?, audit, rows))
}

fn over_sled(dir: &TempDir) -> Store {
    Store::open_with(&dir.path().join("sled"), hub(), Arc::new(SystemClock), options()).unwrap()
}

fn over_model(dir: &TempDir, engine: &MemoryEngine) -> Store {
    let engine = engine.clone();
    let opener = move || Ok(Box::new(engine.clone()) as Box<dyn Engine>);
    Store::with_engine(&dir.path().join("model"), hub(), Arc::new(SystemClock), options(), opener).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model's changes are written at once, those over sled wait: so this is also the test that what waits is laid
    /// over what is written without a difference.
    #[test]
    fn the_store_over_sled_answers_as_over_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let engine = MemoryEngine::default();
        let (mut sled, model) = (over_sled(&dir), over_model(&dir, &engine));
        for step in steps {
            let (one, two) = (step.clone(), step.clone());
            match step {
                Step::Reopen => {
                    drop(sled);
                    sled = over_sled(&dir);
                }
                Step::Urgent => sled.urgent_blocking(|_| Ok(())).unwrap(),
                _ => {
                    drop(sled.submit(Durability::Lazy, move |db| run(db, &one)));
                    let _ = model.urgent_blocking(move |db| run(db, &two)); // both answer the same, as is seen below
                }
            }
            prop_assert_eq!(sled.read_blocking(answers).unwrap(), model.read_blocking(answers).unwrap());
        }
    }
}
