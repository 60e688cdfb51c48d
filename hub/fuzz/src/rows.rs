//! The store's rows: what an engine gives back, under checksums that are right.

use base::footage::StreamName;
use base::{CameraId, PrincipalId, Timestamp};
use store::engine::{Batch, Engine, MemoryEngine, Tree};
use store::{Db, EventQuery};

/// Reads `bytes` as rows: tree, length of the key, key, length of the content (2 bytes, big-endian), content, and so on.
/// Opens a store that holds them, and asks it for all that the hub asks.
pub fn read(bytes: &[u8]) {
    let rows = split(bytes);
    let Some(first) = rows.first() else { return };
    let camera = CameraId::from_bytes(first.key.first_chunk().copied().unwrap_or_default());

    let engine = MemoryEngine::default();
    let shared = engine.clone();
    let dir = crate::folder();
    let open = || {
        let engine = shared.clone();
        crate::store(dir.path(), engine)
    };
    open().expect("a new store opens").close_blocking();
    put(engine, &rows);
    // The rows are not those that the last commit counted; a store of before there were counts has none.
    std::fs::remove_file(dir.path().join("commits")).expect("each commit is written down");
    // Bad rows may keep it shut: then it is set aside and made again.
    let Ok(store) = open() else { return };
    let asked = store.read_blocking(move |db| {
        ask(db, camera);
        Ok(())
    });
    asked.expect("bad rows make errors of lists, not of the store");
    let check = store.read_blocking(|db| db.check()).expect("a check finds what is bad and goes on");
    // What it is told to forget it forgets, and then history is good.
    while store.urgent_blocking(|db| db.drop_bad_history(100)).expect("bad history is forgotten") > 0 {}
    let after = store.read_blocking(|db| db.check()).expect("a check finds what is bad and goes on");
    for (before, after) in check.trees.iter().zip(&after.trees) {
        let history = matches!(after.tree, Tree::Segments | Tree::Events | Tree::Gaps);
        assert!(after.bad == if history { 0 } else { before.bad }, "{before:?} {after:?}");
        assert_eq!(before.good, after.good, "{:?}: a good row is gone", after.tree);
    }
    store.close_blocking();
}

/// Every list that the hub shows or works by. Each answers rows or an error.
fn ask(db: &Db, camera: CameraId) {
    let (from, to) = (Timestamp::MIN, Timestamp::MAX);
    let _ = db.hub_row();
    let _ = db.cameras();
    let _ = db.camera(camera);
    let _ = db.epochs_of(camera);
    let _ = db.current_epoch(camera);
    for stream in [StreamName::Main, StreamName::Sub] {
        let _ = db.segments(camera, stream, from, to);
        let _ = db.last_segment(camera, stream);
        let _ = db.first_segment(camera, stream);
        let _ = db.segments_from(camera, stream, from, 10);
        let _ = db.gaps(camera, stream, from, to);
        let _ = db.last_gap(camera, stream);
    }
    let _ = db.open_segments();
    let _ = db.streams_with_segments();
    let _ = db.open_gaps();
    let _ = db.open_events();
    let _ = db.events_in(camera, from, to);
    let _ = db.events(&EventQuery { cameras: vec![camera], kind: None, from: None, to: None, after: None, limit: 10 });
    let _ = db.protected_spans();
    let _ = db.keep_limits();
    let _ = db.rules();
    let _ = db.mode();
    let _ = db.audit(0, 10);
    let _ = db.audit_page(None, 10);
    let _ = db.verify_audit();
    let _ = db.principals();
    let _ = db.principal_by_name("ada");
    let principal = PrincipalId::from_bytes(camera.to_bytes());
    let _ = db.secrets_of(principal);
    let _ = db.sessions_of(principal);
    let _ = db.password_of(principal);
    let _ = db.grants_of(principal);
    let _ = db.grants_on(camera);
    let _ = db.wrapped_keys_of(principal);
}

struct Row<'a> {
    tree: Tree,
    key: &'a [u8],
    content: &'a [u8],
}

fn split(mut bytes: &[u8]) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    while let Some(row) = take(&mut bytes) {
        rows.push(row);
    }
    rows
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<Row<'a>> {
    let ([tree, key_len], rest) = bytes.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(usize::from(*key_len))?;
    let (content_len, rest) = rest.split_first_chunk()?;
    let (content, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*content_len)))?;
    *bytes = rest;
    Some(Row { tree: Tree::from_number(tree % Tree::ALL.len() as u8)?, key, content })
}

fn put(mut engine: MemoryEngine, rows: &[Row<'_>]) {
    let mut batch = Batch::default();
    batch.set(Tree::Meta, b"commits".to_vec(), Some(None));
    for Row { tree, key, content } in rows {
        batch.set(*tree, key.to_vec(), Some(Some(sealed(*tree, key, content))));
    }
    engine.apply(&batch).expect("memory takes it");
}

/// A row as the store writes it: its version, a checksum over version, tree, key and content, and the content.
pub fn sealed(tree: Tree, key: &[u8], content: &[u8]) -> Vec<u8> {
    const VERSION: u8 = 1;
    let key_len = (key.len() as u32).to_be_bytes();
    let checksum = crc32fast::hash(&[&[VERSION, tree.number()], &key_len[..], key, content].concat());
    [&[VERSION], &checksum.to_be_bytes()[..], content].concat()
}
