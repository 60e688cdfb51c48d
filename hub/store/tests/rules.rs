//! Rules, modes, and what rules protect, as rows.

mod common;

use base::{CameraId, RuleId};
use common::{at, camera_id, memory};
use proptest::prelude::*;
use store::{
    Actions, Day, EventKind, Fired, LONGEST_BY_RULE, MAX_ROW_BYTES, MOST_BY_RULES, Mode, ProtectedSpan, Roll, Rule,
    Store, Times, Word,
};

fn rule(n: u8) -> Rule {
    Rule {
        id: RuleId::from_bytes([n; 16]),
        name: format!("rule {n}"),
        enabled: true,
        cameras: vec![camera_id(n)],
        kinds: vec![Word::Known(EventKind::Person)],
        objects: vec!["dog".to_owned()],
        modes: vec![Word::Known(Mode::Away), Word::Newer("holiday".to_owned())],
        times: vec![Times { days: vec![Day::Mon], from: minute("22:00"), to: minute("06:00") }],
        cool_down_s: 60,
        actions: Actions { protect: Some(Roll { before_s: 5, after_s: 10 }), notify: true },
    }
}

fn minute(text: &str) -> store::Minute {
    text.to_owned().try_into().unwrap()
}

fn spans(store: &Store) -> Vec<ProtectedSpan> {
    store.read_blocking(|db| db.protected_spans()).unwrap()
}

#[test]
fn rules_the_mode_and_what_was_done_survive_a_restart_and_an_export() {
    let (dir, store) = common::sled();
    let fired = Fired { at: at(9), events: vec![] };
    let row = fired.clone();
    let put = store.urgent_blocking(move |db| {
        [2, 1].iter().try_for_each(|n| db.put_rule(&rule(*n)))?;
        db.put_fired(rule(1).id, camera_id(1), &row)?;
        db.set_mode(Mode::Night)
    });
    assert!(put.unwrap());
    let file = dir.path().join("settings");
    store.export(&file, store::ExportKind::Settings).unwrap();
    store.close_blocking();
    drop(store);
    let store = common::reopen(&dir);
    let (_other, imported) = memory();
    imported.import(&file).unwrap();
    for store in [&store, &imported] {
        let read = store.read_blocking(|db| {
            assert!(db.check()?.is_good());
            Ok((db.rules()?, db.mode()?, db.fired(rule(1).id, camera_id(1))?))
        });
        let (rules, mode, was) = read.unwrap();
        assert_eq!(rules, [rule(1), rule(2)]);
        assert_eq!((mode.mode, mode.since.is_some(), was.as_ref()), (Mode::Night, true, Some(&fired)));
    }
    let removed = store.urgent_blocking(|db| Ok((db.remove_rule(rule(1).id)?, db.remove_rule(rule(1).id)?)));
    assert_eq!(removed.unwrap(), (true, false));
    assert_eq!(store.read_blocking(|db| db.rules()).unwrap(), [rule(2)]);
}

#[test]
fn a_rule_that_only_a_newer_hub_can_read_is_left_out_and_can_be_removed() {
    let (_dir, store) = memory();
    let newer = store.urgent_blocking(|db| {
        db.put_setting("rules/01kdw000000000000000000000", &serde_json::json!({"when": "raining"}))?;
        db.put_rule(&rule(7))
    });
    newer.unwrap();
    let read = store.read_blocking(|db| Ok((db.check()?.is_good(), db.rules()?))).unwrap();
    assert_eq!(read, (true, vec![rule(7)]));
    let id = "01kdw000000000000000000000".parse().unwrap();
    assert!(store.urgent_blocking(move |db| db.remove_rule(id)).unwrap());
}

/// As the API bounds them: 64 cameras, 8 objects, 8 times.
#[test]
fn the_largest_rule_is_a_row() {
    let days = vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];
    let largest = Rule {
        name: "ü".repeat(64),
        cameras: vec![camera_id(255); 64],
        objects: vec!["x".repeat(32); 8],
        kinds: vec![Word::Known(EventKind::Doorbell); 4],
        modes: vec![Word::Known(Mode::Night); 3],
        times: vec![Times { days, from: minute("00:00"), to: minute("23:59") }; 8],
        cool_down_s: u32::MAX,
        ..rule(1)
    };
    assert!(serde_json::to_vec(&largest).unwrap().len() < MAX_ROW_BYTES - 100);
    let (_dir, store) = memory();
    store.urgent_blocking(move |db| db.put_rule(&largest)).unwrap();
}

#[test]
fn what_a_camera_fired_goes_with_it() {
    let (_dir, store) = memory();
    let (first, second) = (common::epoch(camera_id(1), 1).0, common::epoch(camera_id(2), 1).0);
    let done = store.urgent_blocking(move |db| {
        db.add_camera(&common::camera(1), &first, &[])?;
        db.add_camera(&common::camera(2), &second, &[])?;
        for camera in [1, 2] {
            db.put_fired(rule(3).id, camera_id(camera), &Fired { at: at(0), events: vec![] })?;
        }
        db.remove_camera(camera_id(1))?;
        Ok((db.fired(rule(3).id, camera_id(1))?, db.fired(rule(3).id, camera_id(2))?.is_some()))
    });
    assert_eq!(done.unwrap(), (None, true));
}

#[test]
fn the_oldest_that_rules_protect_makes_way_and_what_people_protect_stays() {
    let (_dir, store) = memory();
    let persons = ProtectedSpan { camera: camera_id(1), from: at(-10), to: at(0), by_rule: false };
    store.urgent_blocking(move |db| db.protect(&persons)).unwrap();
    for n in 0..MOST_BY_RULES as i64 + 3 {
        store
            .urgent_blocking(move |db| {
                db.protect_by_rule(camera_id((n % 5) as u8), at(n * 10_000), at(n * 10_000 + 60))
            })
            .unwrap();
    }
    let all = spans(&store);
    assert_eq!(all.len(), MOST_BY_RULES + 1);
    assert!(all.contains(&persons) && !all.iter().any(|span| span.by_rule && span.from < at(30_000)));
    // A person's over the very same span is not a rule's afterwards.
    let same = ProtectedSpan { by_rule: false, ..*all.iter().find(|span| span.by_rule).unwrap() };
    store
        .urgent_blocking(move |db| {
            db.protect(&same)?;
            db.protect_by_rule(same.camera, same.from, same.to)
        })
        .unwrap();
    assert!(spans(&store).contains(&same));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Those of one camera lie apart from each other, none too long; and what was asked for last is in them, but for what would
    /// have been too long.
    #[test]
    fn what_rules_protect_never_overlaps_and_is_never_too_long(
        asked in prop::collection::vec((0i64..20_000, 1i64..4_000), 1..40),
    ) {
        let (_dir, store) = memory();
        let longest = LONGEST_BY_RULE.as_secs() as i64;
        for (from, s) in asked {
            let ask = |store: &Store| {
                store.urgent_blocking(move |db| db.protect_by_rule(camera(), at(from), at(from + s))).unwrap();
                spans(store)
            };
            let after = ask(&store);
            for (n, span) in after.iter().enumerate() {
                prop_assert!(span.to.duration_since(span.from).as_secs() <= longest && span.from < span.to && span.by_rule);
                prop_assert!(after[n + 1..].iter().all(|next| span.to <= next.from), "{after:?}");
            }
            let covered = |second: i64| after.iter().any(|span| span.from <= at(second) && at(second) < span.to);
            prop_assert!(covered(from), "{from} of {after:?}");
            prop_assert_eq!(ask(&store), after, "asked twice, done once");
        }
    }
}

fn camera() -> CameraId {
    camera_id(1)
}
