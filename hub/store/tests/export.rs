//! Exports are whole or refused, and bring back what was in the store.

mod common;

use std::path::Path;
use std::sync::Arc;

use base::footage::Purpose;
use base::{HubId, Problem, ProblemKind, SystemClock, Timestamp};
use common::{at, camera, camera_id, claim, epoch, event, hub, options, password, principal, segment, session, sled};
use proptest::prelude::*;
use store::{Actor, Db, EventQuery, ExportHeader, ExportKind, Gap, ProtectedSpan, Role, Store, StoreError};
use tempfile::TempDir;

const ALL: ExportKind = ExportKind::History { from: Timestamp::MIN, to: Timestamp::MAX };

/// A store with some of everything.
fn full() -> (TempDir, Store) {
    let (dir, store) = sled();
    let (owner, identity) = principal("Ada", Role::Owner);
    let (claimed, secret, (device, _)) = (claim(&owner), password(&owner, &identity), session(&owner, &identity));
    let (first, keys) = epoch(camera_id(1), 1);
    let keys = [
        (owner.id, keys.wrap(Purpose::Live, &owner.recipient)),
        (owner.id, keys.wrap(Purpose::Footage, &owner.recipient)),
    ];
    store
        .urgent_blocking(move |db| {
            db.claim(&claimed, &owner, &[secret, device])?;
            db.add_camera(&camera(1), &first, &keys)?;
            db.put_setting("quiet_hours", &[22, 7])?;
            (0..2_500).try_for_each(|n| db.put_event(&event((n % 3) as u8, n, i64::from(n))))?;
            (0..3).try_for_each(|n| db.append_audit(Actor::Hub, "test", &n.to_string()).map(drop))?;
            db.put_gap(&gap(100, None))?;
            db.put_segment(&segment(1, 0, 60))
        })
        .unwrap();
    (dir, store)
}

fn gap(start: i64, end: Option<i64>) -> Gap {
    Gap {
        id: base::GapId::from_bytes([3; 16]),
        camera: camera_id(1),
        stream: base::footage::StreamName::Main,
        start: at(start),
        end: end.map(at),
        reason: base::state::GapReason::HubDown,
        start_stamp: None,
        end_stamp: None,
    }
}

/// What a person would miss.
fn everything(db: &Db) -> Result<impl PartialEq + std::fmt::Debug + use<>, StoreError> {
    let owner = db.principal_by_name("ada")?.map(|p| p.id);
    let people = (db.hub_row()?, db.principals()?, db.cameras()?, db.epochs_of(camera_id(1))?);
    let secrets = owner.map(|id| Ok::<_, StoreError>((db.secrets_of(id)?, db.wrapped_keys_of(id)?))).transpose()?;
    let cameras = (0..3).map(camera_id).collect();
    let events = db.events(&EventQuery { cameras, kind: None, from: None, to: None, after: None, limit: 10_000 })?;
    let rest = (db.open_gaps()?, db.audit(0, 100)?, db.setting::<Vec<u8>>("quiet_hours")?);
    Ok((people, secrets, events, rest))
}

#[test]
fn a_store_is_rebuilt_from_its_exports() {
    let (dir, store) = full();
    let [settings, history, audit] = ["settings", "history", "audit"].map(|name| dir.path().join(name));
    store.export(&settings, ExportKind::Settings).unwrap();
    store.export(&history, ALL).unwrap();
    store.export(&audit, ExportKind::Audit).unwrap();
    let before = store.read_blocking(everything).unwrap();

    let new = dir.path().join("rebuilt/store");
    std::fs::create_dir(dir.path().join("rebuilt")).unwrap();
    let exports = [&settings, &history, &audit].map(|path| path.as_path());
    let nothing = |_: &Store| Ok(());
    let rebuilt = Store::rebuild(&new, hub(), Arc::new(SystemClock), &exports, nothing).unwrap();
    assert_eq!(rebuilt.read_blocking(everything).unwrap(), before);
    assert!(rebuilt.read_blocking(|db| db.check()).unwrap().is_good());
    assert_eq!(
        rebuilt.read_blocking(|db| db.streams_with_segments()).unwrap(),
        [],
        "segments are found in the footage"
    );
    drop(rebuilt);
    let there = Store::rebuild(&new, hub(), Arc::new(SystemClock), &[], nothing).map(drop);
    assert!(matches!(there, Err(StoreError::Exists(_))), "a store is never built over");
}

#[test]
fn history_holds_what_began_in_its_span_of_time() {
    let (dir, store) = full();
    let path = dir.path().join("history");
    let rows = store.export(&path, ExportKind::History { from: at(100), to: at(200) }).unwrap();
    assert_eq!(rows, 102, "the camera, 100 events and a gap");
    let none = store.export(&path, ExportKind::History { from: at(-9), to: at(0) }).unwrap();
    assert_eq!(none, 1, "the camera");
    assert_eq!(ExportHeader::cameras(&path).unwrap(), [camera(1)]);
}

#[test]
fn from_history_on_a_disk_only_history_is_taken() {
    let (dir, store) = full();
    let span = ProtectedSpan { camera: camera_id(1), from: at(0), to: at(60), by_rule: false };
    store.urgent_blocking(move |db| db.protect(&span)).unwrap();
    let (settings, history) = (dir.path().join("settings"), dir.path().join("history"));
    store.export(&settings, ExportKind::Settings).unwrap();
    store.export(&history, ALL).unwrap();

    let other = HubId::from_bytes([9; 16]);
    let new = Store::open_with(&dir.path().join("other"), other, Arc::new(SystemClock), options()).unwrap();
    assert!(matches!(new.import_history(&history, &[other], true), Err(StoreError::BadExport { .. })));
    assert!(matches!(new.import_history(&settings, &[hub()], true), Err(StoreError::BadExport { .. })));
    assert_eq!(new.import_history(&history, &[other, hub()], false).unwrap(), 2_501);
    assert_eq!(new.read_blocking(|db| Ok((db.cameras()?.len(), db.protected_spans()?.len()))).unwrap(), (0, 0));
    assert_eq!(new.import_history(&history, &[hub()], true).unwrap(), 2_502);
    assert_eq!(new.read_blocking(|db| db.protected_spans()).unwrap(), [span]);
    assert_eq!(new.read_blocking(|db| Ok(db.hub_row()?.claim)).unwrap(), None, "nobody owns it by an import");
}

#[test]
fn an_audit_log_comes_back_with_its_chain_and_only_where_it_fits() {
    let (dir, store) = full();
    let path = dir.path().join("audit");
    assert_eq!(store.export(&path, ExportKind::Audit).unwrap(), 3);
    let head = store.read_blocking(|db| db.audit_head()).unwrap();
    assert_eq!(ExportHeader::read(&path).unwrap().audit, head);
    let new = |name: &str| Store::open_with(&dir.path().join(name), hub(), Arc::new(SystemClock), options()).unwrap();

    let rebuilt = new("rebuilt");
    assert_eq!(rebuilt.import(&path).unwrap(), 3);
    assert_eq!(rebuilt.import(&path).unwrap(), 3, "twice is once");
    rebuilt.urgent_blocking(|db| db.append_audit(Actor::Hub, "store.rebuilt", "").map(drop)).unwrap();
    let report = rebuilt.check_blocking(|_| {}).unwrap();
    assert_eq!((report.audit.entries, report.audit.broken), (4, None));
    assert_eq!(rebuilt.import(&path).unwrap(), 3, "what follows stays");
    assert_eq!(rebuilt.read_blocking(|db| db.audit_head()).unwrap().entries, 4);

    // Another log is not mixed in.
    let other = new("another");
    other.urgent_blocking(|db| db.append_audit(Actor::Hub, "other", "").map(drop)).unwrap();
    let refused = other.import(&path).unwrap_err();
    assert!(refused.to_string().contains("another one"), "{refused}");
    assert_eq!(other.read_blocking(|db| db.audit_head()).unwrap().entries, 1);
}

#[test]
fn a_check_in_parts_finds_what_a_check_at_once_finds() {
    let (_dir, store) = full();
    store.urgent_blocking(|db| (0..100).try_for_each(|n| db.put_event(&event(4, n, i64::from(n))))).unwrap();
    let (at_once, mut read) = (store.read_blocking(|db| db.check()).unwrap(), 0);
    let in_parts = store.check_blocking(|rows| read = rows).unwrap();
    let rows = |report: &store::CheckReport| report.trees.iter().map(|t| t.good).collect::<Vec<_>>();
    assert_eq!(rows(&in_parts), rows(&at_once));
    assert!(rows(&at_once).into_iter().max() > Some(5_000), "more than a part: events and their index");
    assert_eq!(read, rows(&in_parts).iter().sum::<u64>());
    assert_eq!(in_parts.audit, at_once.audit);
}

#[test]
fn importing_twice_is_importing_once() {
    let (dir, store) = full();
    let path = dir.path().join("history");
    let rows = store.export(&path, ALL).unwrap();
    let before = store.read_blocking(everything).unwrap();
    assert_eq!(store.import(&path).unwrap(), rows - 1, "all but the camera, which is for the settings to say");
    assert_eq!(store.read_blocking(everything).unwrap(), before);
}

#[test]
fn an_export_replaces_the_one_before_as_a_whole_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, store) = full();
    let path = dir.path().join("folder/export");
    assert!(matches!(store.export(&path, ALL), Err(StoreError::File(_))));
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    std::fs::write(dir.path().join("folder/export.tmp"), "left by a crash").unwrap();
    store.export(&path, ALL).unwrap();
    store.export(&path, ExportKind::Settings).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(dir.path().join("folder")).unwrap().count(), 1);
}

#[test]
fn another_hubs_export_is_refused() {
    let (dir, store) = full();
    let path = dir.path().join("export");
    store.export(&path, ExportKind::Settings).unwrap();
    let other = HubId::from_bytes([9; 16]);
    let stranger = Store::open_with(&dir.path().join("other"), other, Arc::new(SystemClock), options()).unwrap();
    let refused = stranger.import(&path).unwrap_err();
    assert!(refused.to_string().contains(&hub().to_string()), "{refused}");
    assert_eq!(Problem::from(refused).kind, ProblemKind::BadExport);
}

/// A small export, and a store to try changed ones on.
fn small() -> (TempDir, Store, Vec<u8>) {
    let (dir, store) = sled();
    store.urgent_blocking(|db| (0..5).try_for_each(|n| db.put_event(&event(1, n, i64::from(n))))).unwrap();
    let path = dir.path().join("export");
    store.export(&path, ALL).unwrap();
    store.urgent_blocking(|db| db.remove_history(camera_id(1), 100)).unwrap();
    (dir, store, std::fs::read(path).unwrap())
}

fn import(dir: &Path, store: &Store, content: &[u8]) -> Result<u64, StoreError> {
    let path = dir.join("changed");
    std::fs::write(&path, content).unwrap();
    store.import(&path)
}

#[test]
fn a_changed_or_cut_export_is_refused_and_nothing_is_taken_from_it() {
    let (dir, store, content) = small();
    let refused = |changed: &[u8]| {
        let answer = import(dir.path(), &store, changed);
        assert!(matches!(answer, Err(StoreError::BadExport { .. })), "{answer:?}");
    };
    (0..content.len()).for_each(|cut| refused(&content[..cut]));
    proptest!(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }, |(at in 0..content.len(), bit in 0..8u8)| {
        let mut changed = content.clone();
        changed[at] ^= 1 << bit;
        refused(&changed);
    });
    proptest!(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() }, |(noise: Vec<u8>, keep in 0..content.len())| {
        refused(&[&content, &[0][..], &noise].concat());
        if !content[keep..].starts_with(&noise) {
            refused(&[&content[..keep], &noise].concat());
        }
    });
    assert_eq!(store.read_blocking(|db| db.streams_with_segments()).unwrap(), []);
    let report = store.read_blocking(|db| db.check()).unwrap();
    assert_eq!(
        report.trees.iter().map(|tree| tree.good).sum::<u64>(),
        2,
        "the hub's own row and the number of commits"
    );
    assert_eq!(import(dir.path(), &store, &content).unwrap(), 5);
}

#[test]
fn a_newer_export_is_told_from_a_damaged_one() {
    let (dir, store, _) = small();
    let header = br#"h{"format":2,"hub":"?","kind":"of another time"}"#;
    let length = (header.len() as u32).to_be_bytes();
    let crc = crc32fast::hash(header).to_be_bytes();
    let newer = [&b"keepsight-store-export\n"[..], &length, &crc, header].concat();
    assert!(matches!(import(dir.path(), &store, &newer), Err(StoreError::Newer { .. })));
}
