//! What the rows mean: names are unique, a hub is claimed once, epochs are in order, spans of time are found.

mod common;

use base::footage::{Purpose, SegmentDetails, SegmentInfo, StreamName};
use base::state::GapReason;
use base::{GapId, Problem, ProblemKind};
use common::{at, camera, camera_id, claim, epoch, event, hub, memory, password, principal, segment, session};
use proptest::prelude::*;
use store::{
    Actor, Camera, Event, EventKind, EventQuery, Gap, Grant, KeepLimit, ProtectedSpan, Rights, Role, Secret,
    SecretKind, Store, StoreError, StreamSource,
};

#[test]
fn what_is_protected_and_how_much_is_kept_survives_a_restart() {
    let (dir, store) = common::sled();
    let span = |n, from, to| ProtectedSpan { camera: camera_id(n), from: at(from), to: at(to), by_rule: false };
    let (a, b, c) = (span(2, 10, 20), span(1, 30, 40), span(1, 5, 50));
    let limit = KeepLimit { bytes: Some(7), age_s: None };
    store
        .urgent_blocking(move |db| {
            [a, b, c, b].iter().try_for_each(|span| db.protect(span))?;
            db.put_keep_limit(Some(camera_id(1)), &limit)?;
            db.put_keep_limit(Some(camera_id(2)), &limit)?;
            db.put_keep_limit(None, &KeepLimit { bytes: None, age_s: Some(60) })
        })
        .unwrap();
    store.close_blocking();
    drop(store);
    let store = common::reopen(&dir);
    assert_eq!(store.read_blocking(|db| db.protected_spans()).unwrap(), [c, b, a]);
    let all = (None, KeepLimit { bytes: None, age_s: Some(60) });
    let limits = store.read_blocking(|db| db.keep_limits()).unwrap();
    assert_eq!(limits, [all, (Some(camera_id(1)), limit), (Some(camera_id(2)), limit)]);
    store
        .urgent_blocking(move |db| {
            db.unprotect(&c)?;
            db.put_keep_limit(Some(camera_id(1)), &KeepLimit::default())
        })
        .unwrap();
    assert_eq!(store.read_blocking(|db| db.protected_spans()).unwrap(), [b, a]);
    assert_eq!(store.read_blocking(|db| db.keep_limits()).unwrap(), [all, (Some(camera_id(2)), limit)]);
}

#[test]
fn segments_are_read_page_by_page_oldest_first() {
    let (_dir, store) = memory();
    let all: Vec<_> = (0..10).map(|n| segment(1, n * 60, n * 60 + 60)).collect();
    let rows = all.clone();
    store.urgent_blocking(move |db| rows.iter().rev().try_for_each(|row| db.put_segment(row))).unwrap();
    let page =
        |from| store.read_blocking(move |db| db.segments_from(camera_id(1), StreamName::Main, at(from), 4)).unwrap();
    assert_eq!(page(-1_000), all[..4]);
    assert_eq!(page(180), all[3..7]);
    assert_eq!(page(421), all[8..]);
}

#[test]
fn a_hub_is_claimed_once_and_as_a_whole() {
    let (_dir, store) = memory();
    let fresh = store.read_blocking(|db| db.hub_row()).unwrap();
    assert_eq!((fresh.hub, fresh.claim), (hub(), None));

    let (owner, identity) = principal("Ada", Role::Owner);
    let (claimed, secret) = (claim(&owner), password(&owner, &identity));
    let try_claim = |claim: store::Claim, owner: store::Principal, secrets: Vec<Secret>| {
        store.urgent_blocking(move |db| db.claim(&claim, &owner, &secrets))
    };
    let stranger = principal("Eve", Role::Owner).0;
    let not_one = [
        try_claim(claimed.clone(), owner.clone(), Vec::new()),
        try_claim(claimed.clone(), stranger.clone(), vec![secret.clone()]),
        try_claim(claimed.clone(), store::Principal { role: Role::Member, ..owner.clone() }, vec![secret.clone()]),
        try_claim(claimed.clone(), owner.clone(), vec![Secret { principal: stranger.id, ..secret.clone() }]),
    ];
    for refused in not_one {
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    assert_eq!(store.read_blocking(|db| db.principals()).unwrap(), []);

    try_claim(claimed.clone(), owner.clone(), vec![secret.clone()]).unwrap();
    let again =
        try_claim(claim(&stranger), stranger.clone(), vec![Secret { principal: stranger.id, ..secret.clone() }]);
    assert!(matches!(&again, Err(StoreError::AlreadyClaimed)));
    assert_eq!(Problem::from(again.unwrap_err()).kind, ProblemKind::AlreadyClaimed);
    let (row, people, kept) =
        store.read_blocking(move |db| Ok((db.hub_row()?, db.principals()?, db.password_of(owner.id)?))).unwrap();
    assert_eq!((row.claim, people.len(), kept), (Some(claimed), 1, Some(secret)));
}

#[test]
fn a_recovery_kit_is_replaced_only_where_there_is_one() {
    let (_dir, store) = memory();
    let (owner, identity) = principal("Ada", Role::Owner);
    let (first, second) = (claim(&owner), claim(&owner));
    let new = second.recovery.clone();
    let replace = move |db: &mut store::Db| db.replace_recovery_kit(&new);
    assert!(matches!(store.urgent_blocking(replace.clone()), Err(StoreError::NotClaimed)));
    let secret = password(&owner, &identity);
    store.urgent_blocking(move |db| db.claim(&first, &owner, &[secret])).unwrap();
    store.urgent_blocking(replace).unwrap();
    assert_eq!(store.read_blocking(|db| db.hub_row()).unwrap().claim.unwrap().recovery, second.recovery);
}

#[test]
fn names_are_unique_whatever_their_case_and_free_again_when_left() {
    let (_dir, store) = memory();
    let (ada, bob) = (principal("Ada Ünal", Role::Owner).0, principal("Bob", Role::Member).0);
    let put = |p: &store::Principal| {
        let p = p.clone();
        store.urgent_blocking(move |db| db.put_principal(&p))
    };
    let named = |name: &'static str| store.read_blocking(move |db| db.principal_by_name(name)).unwrap();
    put(&ada).unwrap();
    put(&bob).unwrap();
    put(&ada).unwrap();
    let thief = store::Principal { name: "ADA ÜNAL".to_owned(), ..bob.clone() };
    assert!(matches!(put(&thief), Err(StoreError::NameTaken)));
    assert_eq!((named("ada ünal"), named("bob"), named("")), (Some(ada.clone()), Some(bob.clone()), None));

    put(&store::Principal { name: "Ada".to_owned(), ..ada.clone() }).unwrap();
    assert_eq!(named("ada ünal"), None);
    put(&thief).unwrap();
    let id = thief.id;
    store.urgent_blocking(move |db| db.remove_principal(id)).unwrap();
    assert_eq!((named("ada ünal"), named("bob")), (None, None));
    let long = store::Principal { name: "x".repeat(257), ..ada };
    assert!(matches!(put(&long), Err(StoreError::Refused(_))));
}

#[test]
fn a_session_is_found_by_its_token_until_it_is_removed() {
    let (_dir, store) = memory();
    let (ada, identity) = principal("Ada", Role::Owner);
    let (first, first_token) = session(&ada, &identity);
    let (second, second_token) = session(&ada, &identity);
    let orphan = first.clone();
    assert!(matches!(store.urgent_blocking(move |db| db.put_secret(&orphan)), Err(StoreError::NoSuch(_))));
    let rows = (ada.clone(), first.clone(), second.clone(), password(&ada, &identity));
    store
        .urgent_blocking(move |db| {
            db.put_principal(&rows.0)?;
            [&rows.1, &rows.2, &rows.3].into_iter().try_for_each(|secret| db.put_secret(secret))
        })
        .unwrap();
    let found = |token: &vault::SessionToken| {
        let hash = token.lookup();
        store.read_blocking(move |db| db.secret_by_lookup(&hash)).unwrap()
    };
    assert_eq!(found(&first_token), Some(first.clone()));
    first_token.unlock(&found(&first_token).unwrap().sealed).unwrap();
    assert_eq!(found(&vault::SessionToken::generate()), None);
    assert_eq!(store.read_blocking(move |db| db.sessions_of(ada.id)).unwrap().len(), 2);

    let stolen = Secret { id: base::SecretId::from_bytes([1; 16]), lookup: second.lookup, ..first.clone() };
    assert!(matches!(store.urgent_blocking(move |db| db.put_secret(&stolen)), Err(StoreError::Exists(_))));
    let seen = SecretKind::Session { device: "phone".to_owned(), last_used: at(3_600), expires: None };
    let used = Secret { kind: seen, ..second.clone() };
    let row = used.clone();
    store.urgent_blocking(move |db| db.put_secret(&row)).unwrap();
    assert_eq!(found(&second_token), Some(used));

    let (principal, id) = (first.principal, first.id);
    assert!(store.urgent_blocking(move |db| db.remove_secret(principal, id)).unwrap());
    assert!(!store.urgent_blocking(move |db| db.remove_secret(principal, id)).unwrap());
    assert_eq!(found(&first_token), None);
    store.urgent_blocking(move |db| db.remove_principal(principal)).unwrap();
    assert_eq!(found(&second_token), None);
    assert_eq!(store.read_blocking(move |db| db.secrets_of(principal)).unwrap(), []);
}

/// A camera with an owner who holds its keys.
fn with_camera(store: &Store, n: u8) -> (store::Principal, vault::PrincipalIdentity) {
    let (owner, identity) = principal(&format!("Owner {n}"), Role::Owner);
    let (row, first, secrets) = {
        let (e, s) = epoch(camera_id(n), 200);
        (camera(n), e, s)
    };
    let keys = [Purpose::Live, Purpose::Footage].map(|p| (owner.id, secrets.wrap(p, &owner.recipient)));
    let who = owner.clone();
    store
        .urgent_blocking(move |db| {
            db.put_principal(&who)?;
            db.add_camera(&row, &first, &keys)
        })
        .unwrap();
    (owner, identity)
}

#[test]
fn the_newest_epoch_is_the_one_added_last_whatever_its_id() {
    let (_dir, store) = memory();
    let (owner, _) = with_camera(&store, 1);
    // The clock was set back: a smaller id than that of the epoch before.
    let (new, secrets) = epoch(camera_id(1), 100);
    let keys = [Purpose::Live, Purpose::Footage].map(|p| (owner.id, secrets.wrap(p, &owner.recipient)));
    let (row, rows) = (new.clone(), keys.clone());
    store.urgent_blocking(move |db| db.add_epoch(&row, &rows)).unwrap();
    let again = new.clone();
    assert!(matches!(store.urgent_blocking(move |db| db.add_epoch(&again, &[])), Err(StoreError::Exists(_))));

    let epochs = store.read_blocking(|db| db.epochs_of(camera_id(1))).unwrap();
    assert_eq!((epochs.len(), &epochs[0]), (2, &new));
    assert_eq!(store.read_blocking(|db| db.current_epoch(camera_id(1))).unwrap(), Some(new.clone()));
    let held = store.read_blocking(move |db| db.wrapped_keys(owner.id, camera_id(1))).unwrap();
    assert_eq!(held.len(), 4);
    for purpose in [Purpose::Live, Purpose::Footage] {
        let of: Vec<_> = held.iter().filter(|key| key.purpose == purpose).collect();
        assert_eq!((of[0].epoch, of[1].epoch), (new.public.epoch, epochs[1].public.epoch));
        assert!(keys.iter().any(|(_, key)| key == of[0]), "the key is the one that was kept");
    }
}

#[test]
fn keys_that_belong_to_nothing_are_refused() {
    let (_dir, store) = memory();
    let (owner, _) = with_camera(&store, 1);
    with_camera(&store, 2);
    let (new, secrets) = epoch(camera_id(1), 100);
    let (other, other_secrets) = epoch(camera_id(2), 101);
    let good = secrets.wrap(Purpose::Live, &owner.recipient);
    let foreign = other_secrets.wrap(Purpose::Live, &owner.recipient);
    let add = |epoch: &store::Epoch, principal, key: &vault::WrappedKey| {
        let (epoch, key) = (epoch.clone(), key.clone());
        store.urgent_blocking(move |db| db.add_epoch(&epoch, &[(principal, key)]))
    };
    assert!(matches!(add(&new, owner.id, &foreign), Err(StoreError::Refused(_))));
    assert!(matches!(add(&other, owner.id, &good), Err(StoreError::Refused(_))));
    let nobody = principal("Eve", Role::Member).0.id;
    assert!(matches!(add(&new, nobody, &good), Err(StoreError::NoSuch("principal"))));
    assert!(matches!(
        store.urgent_blocking(move |db| db.put_wrapped_key(owner.id, &good)),
        Err(StoreError::NoSuch("epoch"))
    ));
    assert_eq!(store.read_blocking(|db| db.epochs_of(camera_id(1))).unwrap().len(), 1);
}

#[test]
fn a_cameras_address_never_holds_a_password() {
    let (_dir, store) = memory();
    for url in ["rtsp://ada:secret@cam/main", "rtsp://ada@cam", "rtsps://a:b@[::1]:554?x"] {
        let source = StreamSource { url: url.to_owned(), ..StreamSource::default() };
        for row in [Camera { main: source.clone(), ..camera(1) }, Camera { sub: Some(source), ..camera(1) }] {
            let (first, _) = epoch(camera_id(1), 1);
            let kept = store.urgent_blocking(move |db| db.add_camera(&row, &first, &[]));
            assert!(matches!(kept, Err(StoreError::Refused(_))), "{url}");
        }
    }
    let fine = StreamSource { url: "rtsp://cam/a@b?c=d@e".to_owned(), ..StreamSource::default() };
    let (first, _) = epoch(camera_id(1), 1);
    store.urgent_blocking(move |db| db.add_camera(&Camera { main: fine, ..camera(1) }, &first, &[])).unwrap();
}

#[test]
fn removing_a_camera_takes_its_keys_and_grants_but_no_other_cameras() {
    let (_dir, store) = memory();
    let (ada, _) = with_camera(&store, 1);
    let (bob, _) = with_camera(&store, 2);
    let grant = |who: &store::Principal, n| Grant {
        principal: who.id,
        camera: camera_id(n),
        rights: Rights { live: true, ..Rights::default() },
        expires: None,
    };
    let grants = [grant(&ada, 1), grant(&bob, 1), grant(&bob, 2)];
    let rows = grants;
    store.urgent_blocking(move |db| rows.iter().try_for_each(|row| db.put_grant(row))).unwrap();
    let nowhere = grant(&ada, 9);
    assert!(matches!(store.urgent_blocking(move |db| db.put_grant(&nowhere)), Err(StoreError::NoSuch("camera"))));
    assert_eq!(store.read_blocking(|db| db.grants_on(camera_id(1))).unwrap().len(), 2);

    store.urgent_blocking(|db| db.remove_camera(camera_id(1))).unwrap();
    assert!(matches!(store.urgent_blocking(|db| db.remove_camera(camera_id(1))), Err(StoreError::NoSuch(_))));
    let (adas, bobs) = (ada.id, bob.id);
    store
        .read_blocking(move |db| {
            assert_eq!((db.grants_on(camera_id(1))?, db.grants_of(bobs)?), (vec![], vec![grants[2]]));
            assert_eq!((db.epochs_of(camera_id(1))?.len(), db.epochs_of(camera_id(2))?.len()), (0, 1));
            assert_eq!((db.wrapped_keys_of(adas)?.len(), db.wrapped_keys_of(bobs)?.len()), (0, 2));
            assert_eq!(db.cameras()?, [camera(2)]);
            Ok(())
        })
        .unwrap();
    // A grant that ends takes the keys that the hub would hand out for it.
    assert!(store.urgent_blocking(move |db| db.remove_grant(bobs, camera_id(2))).unwrap());
    assert_eq!(store.read_blocking(move |db| db.wrapped_keys_of(bobs)).unwrap(), []);
}

#[test]
fn segments_are_found_by_any_part_of_them() {
    let (_dir, store) = memory();
    let open = SegmentInfo { details: SegmentDetails::Open, end: at(185), ..segment(1, 180, 185) };
    let sub = SegmentInfo { stream: StreamName::Sub, ..segment(1, 30, 90) };
    let rows =
        [segment(1, 0, 60), segment(1, 60, 120), segment(1, 120, 180), open.clone(), sub.clone(), segment(2, 60, 120)];
    let put = rows.clone();
    store.urgent_blocking(move |db| put.iter().try_for_each(|row| db.put_segment(row))).unwrap();
    let found = |camera, stream, from, to| {
        store.read_blocking(move |db| db.segments(camera_id(camera), stream, at(from), at(to))).unwrap()
    };
    use StreamName::{Main, Sub};
    assert_eq!(found(1, Main, 59, 60), rows[..1]);
    assert_eq!(found(1, Main, 60, 61), rows[1..2]);
    assert_eq!(found(1, Main, 59, 121), rows[..3]);
    assert_eq!(found(1, Main, 10, 10), rows[..1]);
    assert_eq!(found(1, Main, 500, 600), vec![open.clone()], "an open segment reaches further than its row says");
    assert_eq!(found(1, Sub, 0, 1_000), vec![sub.clone()]);
    assert_eq!(found(2, Main, -100, 61), [segment(2, 60, 120)]);
    assert_eq!(found(3, Main, -100, 1_000), []);

    let closed = SegmentInfo { details: SegmentDetails::Closed, end: at(241), bytes: 1, ..open.clone() };
    store
        .read_blocking({
            let open = open.clone();
            move |db| {
                assert_eq!(db.open_segments()?, vec![open.clone()]);
                assert_eq!(db.last_segment(camera_id(1), Main)?, Some(open.clone()));
                assert_eq!(db.first_segment(camera_id(1), Main)?, Some(segment(1, 0, 60)));
                assert_eq!(db.segment(camera_id(1), Main, open.start, open.id)?, Some(open));
                let streams = [(camera_id(1), Main), (camera_id(1), Sub), (camera_id(2), Main)];
                assert_eq!(db.streams_with_segments()?, streams);
                Ok(())
            }
        })
        .unwrap();
    let row = closed.clone();
    store.urgent_blocking(move |db| db.put_segment(&row)).unwrap();
    assert_eq!(store.read_blocking(|db| db.open_segments()).unwrap(), []);
    assert_eq!(found(1, Main, 200, 300), vec![closed.clone()]);
    store.urgent_blocking(move |db| db.remove_segment(&closed)).unwrap();
    assert_eq!(found(1, Main, 180, 300), []);
}

#[test]
fn a_gap_lasts_until_it_is_closed() {
    let (_dir, store) = memory();
    let id = GapId::from_bytes([7; 16]);
    let lasts = Gap {
        id,
        camera: camera_id(1),
        stream: StreamName::Main,
        start: at(100),
        end: None,
        reason: GapReason::CameraLost,
        start_stamp: None,
        end_stamp: None,
    };
    let row = lasts.clone();
    store.urgent_blocking(move |db| db.put_gap(&row)).unwrap();
    let found =
        |from, to| store.read_blocking(move |db| db.gaps(camera_id(1), StreamName::Main, at(from), at(to))).unwrap();
    assert_eq!(found(1_000_000, 1_000_001), vec![lasts.clone()]);
    assert_eq!(store.read_blocking(|db| db.open_gaps()).unwrap(), vec![lasts.clone()]);
    let over = Gap { end: Some(at(200)), ..lasts };
    let row = over.clone();
    store.urgent_blocking(move |db| db.put_gap(&row)).unwrap();
    assert_eq!((found(199, 300), found(200, 300)), (vec![over.clone()], vec![]));
    assert_eq!(store.read_blocking(|db| db.open_gaps()).unwrap(), []);
    assert_eq!(store.read_blocking(|db| db.last_gap(camera_id(1), StreamName::Main)).unwrap(), Some(over));
}

#[test]
fn an_event_is_found_by_its_id_after_its_start_was_corrected() {
    let (_dir, store) = memory();
    let first = Event { end: None, ..event(1, 1, 100) };
    let corrected = Event {
        start: at(95),
        end: Some(at(120)),
        kind: EventKind::Person,
        detail: serde_json::json!({"score": 0.9}),
        ..first.clone()
    };
    let rows = [first.clone(), corrected.clone()];
    store.urgent_blocking(move |db| db.put_event(&rows[0]).and_then(|()| db.put_event(&rows[1]))).unwrap();
    let id = first.id;
    store
        .read_blocking(move |db| {
            assert_eq!(db.event(id)?, Some(corrected.clone()));
            assert_eq!(db.events_in(camera_id(1), at(0), at(1_000))?, [corrected]);
            assert_eq!(db.open_events()?, []);
            assert!(db.check()?.is_good());
            Ok(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whether or not its id says when it starts.
    #[test]
    fn an_event_is_one_event_wherever_its_start_is_moved(
        moves in prop::collection::vec((0..3u32, prop::sample::select(&[0i64, 59, 60, 61, 120, 180][..]), any::<bool>()), 1..12),
    ) {
        let (_dir, store) = memory();
        let mut kept = std::collections::BTreeMap::new();
        for (n, start, remove) in moves {
            let (event, was) = (event(1, n, start), kept.insert(n, start));
            store.urgent_blocking({ let event = event.clone(); move |db| db.put_event(&event) }).unwrap();
            if remove && was.is_some() {
                kept.remove(&n);
                store.urgent_blocking(move |db| db.remove_event(&event)).unwrap();
            }
            let found = store.read_blocking(|db| {
                assert!(db.check()?.is_good());
                let all = db.events_in(camera_id(1), at(0), at(1_000))?;
                let by_id = (0..3).map(|n| db.event(common::event(1, n, 0).id)).collect::<Result<Vec<_>, _>>()?;
                Ok((all, by_id))
            });
            let (mut all, by_id) = found.unwrap();
            let should: Vec<_> = (0..3).map(|n| kept.get(&n).map(|start| common::event(1, n, *start))).collect();
            prop_assert_eq!(&by_id, &should);
            all.sort_by_key(|event| event.id);
            prop_assert_eq!(all, should.into_iter().flatten().collect::<Vec<_>>());
        }
    }
}

#[test]
fn history_is_removed_in_parts() {
    let (_dir, store) = memory();
    store
        .urgent_blocking(|db| {
            (0..10).try_for_each(|n| db.put_event(&event(1, n, i64::from(n))))?;
            (0..10).try_for_each(|n| db.put_segment(&segment(1, n * 60, n * 60 + 60)))?;
            db.put_event(&event(2, 1, 0))
        })
        .unwrap();
    let mut removed = Vec::new();
    loop {
        let count = store.urgent_blocking(|db| db.remove_history(camera_id(1), 8)).unwrap();
        if count == 0 {
            break;
        }
        removed.push(count);
    }
    assert_eq!(removed, [8, 8, 4]);
    let report = store.read_blocking(|db| db.check()).unwrap();
    assert!(report.is_good());
    let rows: u64 = report.trees.iter().map(|tree| tree.good).sum();
    assert_eq!(rows, 4, "the hub's row, the number of commits, camera 2's event and its index");
}

#[test]
fn what_would_be_too_long_is_refused() {
    let (_dir, store) = memory();
    let long = Event { detail: "x".repeat(4_096).into(), ..event(1, 1, 0) };
    let kept = store.urgent_blocking(move |db| db.put_event(&long));
    assert!(matches!(kept, Err(StoreError::TooLong { .. })));
    assert!(matches!(
        store.urgent_blocking(|db| db.append_audit(Actor::Hub, &"x".repeat(4_096), "")),
        Err(StoreError::TooLong { .. })
    ));
}

#[test]
fn settings_read_back() {
    let (_dir, store) = memory();
    assert_eq!(store.read_blocking(|db| db.setting::<Vec<u8>>("quiet_hours")).unwrap(), None);
    store.urgent_blocking(|db| db.put_setting("quiet_hours", &[22, 7])).unwrap();
    assert_eq!(store.read_blocking(|db| db.setting::<Vec<u8>>("quiet_hours")).unwrap(), Some(vec![22, 7]));
}

#[test]
fn the_audit_log_is_a_chain() {
    let (_dir, store) = memory();
    let who = Actor::Principal(principal("Ada", Role::Owner).0.id);
    let entries = store
        .urgent_blocking(move |db| {
            (0..5)
                .map(|n| db.append_audit(if n == 0 { Actor::Console } else { who }, "camera.add", &n.to_string()))
                .collect::<Result<Vec<_>, _>>()
        })
        .unwrap();
    let read = entries.clone();
    store
        .read_blocking(move |db| {
            assert_eq!(db.audit(0, 100)?, read);
            assert_eq!(db.audit(3, 1)?, read[3..4]);
            assert_eq!(db.audit_page(None, 2)?, [read[4].clone(), read[3].clone()]);
            assert_eq!(db.audit_page(Some(1), 2)?, read[..1]);
            let report = db.verify_audit()?;
            assert_eq!((report.entries, report.broken), (5, None));
            Ok(())
        })
        .unwrap();
    for pair in entries.windows(2) {
        assert_eq!(pair[1].prev_hash, pair[0].hash);
        assert_eq!(pair[1].hash, pair[1].expected_hash());
    }
}

#[test]
fn an_audit_entrys_hash_is_as_documented() {
    let entry = store::AuditEntry {
        seq: 1,
        time: at(0),
        who: Actor::Hub,
        action: "start".to_owned(),
        subject: "ü".to_owned(),
        prev_hash: store::AuditHash::default(),
        hash: store::AuditHash::default(),
    };
    assert_eq!(entry.expected_hash().to_string(), "bde83a742dba0df3a79dca7293582e0d8cbc05eb8cc1969067a8b3202d1a1741");
}

fn query(cameras: &[u8], limit: usize) -> EventQuery {
    let cameras = cameras.iter().map(|n| camera_id(*n)).collect();
    EventQuery { cameras, kind: None, from: None, to: None, after: None, limit }
}

fn pages(store: &Store, mut query: EventQuery) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let ask = query.clone();
        let page = store.read_blocking(move |db| db.events(&ask)).unwrap();
        assert!(page.items.len() <= query.limit);
        all.extend(page.items);
        let Some(next) = page.next else { return all };
        query.after = Some(next.to_string().parse().unwrap());
    }
}

#[test]
fn events_are_paged_newest_first_over_the_cameras_asked_for_and_no_other() {
    let (_dir, store) = memory();
    let mut all: Vec<Event> = (0..300u32).map(|n| event((n % 4) as u8, n, i64::from(n * 7 % 150))).collect();
    all[17].kind = EventKind::Doorbell;
    all[170].kind = EventKind::Doorbell;
    let rows = all.clone();
    store.urgent_blocking(move |db| rows.iter().try_for_each(|row| db.put_event(row))).unwrap();
    all.sort_by_key(|event| std::cmp::Reverse((event.start, event.id)));
    let expected = |keep: &dyn Fn(&Event) -> bool| all.iter().filter(|e| keep(e)).cloned().collect::<Vec<_>>();

    for limit in [1, 7, 50, 1_000] {
        assert_eq!(pages(&store, query(&[0, 1, 2, 3], limit)), all);
        assert_eq!(pages(&store, query(&[2], limit)), expected(&|e| e.camera == camera_id(2)));
        let some = EventQuery { from: Some(at(20)), to: Some(at(100)), ..query(&[1, 3, 3, 9], limit) };
        let cameras = [camera_id(1), camera_id(3)];
        let within = |e: &Event| cameras.contains(&e.camera) && (at(20)..at(100)).contains(&e.start);
        assert_eq!(pages(&store, some), expected(&within));
        let rare = EventQuery { kind: Some(EventKind::Doorbell), ..query(&[0, 1, 2, 3], limit) };
        assert_eq!(pages(&store, rare), expected(&|e| e.kind == EventKind::Doorbell));
    }
    assert_eq!(pages(&store, query(&[], 10)), []);
}

#[test]
fn only_a_cursor_is_read_as_one() {
    let (_dir, store) = memory();
    store.urgent_blocking(|db| db.put_event(&event(1, 1, 0)).and_then(|()| db.put_event(&event(1, 2, 0)))).unwrap();
    let next = store.read_blocking(|db| db.events(&query(&[1], 1))).unwrap().next.unwrap().to_string();
    assert_eq!(next.len(), 50);
    for bad in ["", "0", &next[1..], &next.to_uppercase(), &format!("{next}0"), &next.replace('0', "ü")] {
        assert!(bad.parse::<store::EventCursor>().is_err(), "{bad}");
    }
}
