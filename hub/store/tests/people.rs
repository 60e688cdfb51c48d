//! Who holds which keys: nobody keeps one that is not needed any more, and whoever loses one makes the camera due an epoch,
//! through restarts and exports.

mod common;

use std::collections::BTreeSet;

use base::footage::Purpose;
use base::{CameraId, PrincipalId};
use common::{at, camera, camera_id, epoch, hub, memory, password, principal, session};
use proptest::prelude::*;
use store::{
    Camera, Db, ExportKind, Grant, Principal, PrincipalKind, Rights, Role, Secret, SecretKind, Store, StoreError, Totp,
};
use vault::{EpochSecrets, KeyLabel, PrincipalIdentity, SessionToken, TotpSecret};

const BOTH: [Purpose; 2] = [Purpose::Live, Purpose::Footage];

fn put(store: &Store, principal: &Principal) -> Result<(), StoreError> {
    let row = principal.clone();
    store.urgent_blocking(move |db| db.put_principal(&row))
}

/// A camera with one epoch, of which nobody holds a key yet.
fn bare_camera(store: &Store, n: u8) -> EpochSecrets {
    let (row, secrets) = epoch(camera_id(n), n + 100);
    store.urgent_blocking(move |db| db.add_camera(&camera(n), &row, &[])).unwrap();
    secrets
}

fn grant(who: &Principal, n: u8, rights: Rights) -> Grant {
    Grant { principal: who.id, camera: camera_id(n), rights, expires: None }
}

fn due(store: &Store) -> Vec<CameraId> {
    store.read_blocking(|db| db.due_epochs()).unwrap()
}

#[test]
fn only_people_sign_in_by_name_and_leave_it_free() {
    let (_dir, store) = memory();
    let milo = principal("Milo", Role::Member).0;
    let invitation = Principal { kind: PrincipalKind::Invitation { member: None }, ..milo.clone() };
    put(&store, &invitation).unwrap();
    let named = || store.read_blocking(|db| db.principal_by_name("milo")).unwrap();
    assert_eq!(named(), None, "an invitation holds no name");
    let token = Principal { kind: PrincipalKind::Token, ..principal("Milo", Role::Member).0 };
    put(&store, &token).unwrap();
    // A person who is called so; then who accepts must choose another name.
    let other = principal("MILO", Role::Member).0;
    put(&store, &other).unwrap();
    assert!(matches!(put(&store, &milo), Err(StoreError::NameTaken)));
    let renamed = Principal { name: "Milo the younger".to_owned(), ..milo.clone() };
    put(&store, &renamed).unwrap();
    assert_eq!(named(), Some(other.clone()), "who accepts an invitation takes nobody's name away");
    for id in [token.id, invitation.id] {
        store.urgent_blocking(move |db| db.remove_principal(id)).unwrap();
    }
    assert_eq!(named(), Some(other));
}

#[test]
fn rows_of_people_from_before_there_were_others_are_read() {
    let (principal, identity) = principal("Ada", Role::Owner);
    let json = serde_json::to_value(&principal).unwrap();
    assert!(json.get("kind").is_none(), "and a hub of before reads what is written now: {json}");
    assert_eq!(serde_json::from_value::<Principal>(json).unwrap(), principal);
    let mut secret = password(&principal, &identity);
    let before = serde_json::to_value(&secret).unwrap();
    assert!(before["kind"]["password"].get("totp").is_none(), "{before}");
    let sealed = TotpSecret::generate().seal_for(&secret.recipient);
    if let SecretKind::Password { totp, .. } = &mut secret.kind {
        *totp = Some(Totp { sealed, used: 7 });
    }
    let json = serde_json::to_string(&secret).unwrap();
    assert_eq!(serde_json::from_str::<Secret>(&json).unwrap(), secret);
    assert!(json.len() < 3_000, "a row has room for it: {}", json.len());
    let row = camera(1);
    let json = serde_json::to_value(&row).unwrap();
    assert!(json.get("paused_until").is_none());
    assert_eq!(serde_json::from_value::<Camera>(json).unwrap(), row);
}

#[test]
fn another_identity_takes_its_secrets_and_keys_with_it_and_no_others() {
    let (_dir, store) = memory();
    let [a, b] = [bare_camera(&store, 1), bare_camera(&store, 2)];
    let (milo, old) = principal("Milo", Role::Member);
    let (lost, lost_token) = session(&milo, &old);
    let (phone, token) = session(&milo, &old);
    let rows = (milo.clone(), lost, phone.clone(), [&a, &b].map(|s| s.wrap(Purpose::Live, &milo.recipient)));
    let granted = [1, 2].map(|n| grant(&milo, n, Rights { live: true, ..Rights::default() }));
    store
        .urgent_blocking(move |db| {
            db.put_principal(&rows.0)?;
            db.put_secret(&rows.1)?;
            db.put_secret(&rows.2)?;
            granted.iter().try_for_each(|grant| db.put_grant(grant))?;
            db.put_wrapped_keys(rows.0.id, &rows.3)
        })
        .unwrap();

    let new = PrincipalIdentity::generate();
    let renewed = Principal { recipient: new.recipient(), ..milo.clone() };
    let stays = Secret { sealed: new.seal_for(&phone.recipient), ..phone.clone() };
    let rows = (renewed, stays.clone(), a.wrap(Purpose::Live, &new.recipient()));
    store.urgent_blocking(move |db| db.replace_identity(&rows.0, &[rows.1], &[rows.2])).unwrap();
    let (id, hashes) = (milo.id, [lost_token.lookup(), token.lookup()]);
    let (found, keys) = store
        .read_blocking(move |db| {
            Ok((hashes.map(|hash| db.secret_by_lookup(&hash)).map(Result::unwrap), db.wrapped_keys_of(id)?))
        })
        .unwrap();
    assert_eq!(found, [None, Some(stays.clone())]);
    let identity = token.unlock(&stays.sealed).unwrap();
    assert_eq!(identity.recipient(), new.recipient());
    assert_eq!(
        keys.iter().map(|key| key.label()).collect::<Vec<_>>(),
        [KeyLabel { camera: camera_id(1), epoch: a.epoch(), purpose: Purpose::Live }]
    );
    assert_eq!(due(&store), [], "nobody was kept from anything");
    assert!(SessionToken::parse(&token.reveal()).is_ok());

    let (nobody, identity) = principal("Eve", Role::Member);
    let (foreign, _) = session(&milo, &old);
    let (row, secret) = (nobody, session(&milo, &identity).0);
    let put = store.urgent_blocking(move |db| db.replace_identity(&row, &[secret], &[]));
    assert!(matches!(put, Err(StoreError::NoSuch("principal"))));
    let other = principal("Nora", Role::Member).0;
    self::put(&store, &other).unwrap();
    let put = store.urgent_blocking(move |db| db.replace_identity(&other, &[foreign], &[]));
    assert!(matches!(put, Err(StoreError::Refused(_))), "a secret of somebody else");
}

#[test]
fn what_is_due_outlasts_a_restart_and_an_export_and_is_paid_by_an_epoch_of_ones_own() {
    let (dir, store) = common::sled();
    let secrets = bare_camera(&store, 1);
    bare_camera(&store, 2);
    let (milo, _) = principal("Milo", Role::Member);
    let rows = (milo.clone(), BOTH.map(|p| secrets.wrap(p, &milo.recipient)), grant(&milo, 1, ALL));
    store
        .urgent_blocking(move |db| {
            db.put_principal(&rows.0)?;
            db.put_grant(&rows.2)?;
            db.put_wrapped_keys(rows.0.id, &rows.1)
        })
        .unwrap();
    let id = milo.id;
    store.urgent_blocking(move |db| db.remove_principal(id)).unwrap();
    assert_eq!(due(&store), [camera_id(1)]);
    store.close_blocking();
    drop(store);
    let store = common::reopen(&dir);
    assert_eq!(due(&store), [camera_id(1)]);
    let export = dir.path().join("settings.export");
    store.export(&export, ExportKind::Settings).unwrap();
    let again = tempfile::tempdir().unwrap();
    let rebuilt = common::reopen(&again);
    rebuilt.import(&export).unwrap();
    assert_eq!(due(&rebuilt), [camera_id(1)]);
    assert!(rebuilt.read_blocking(|db| db.check()).unwrap().is_good());

    // One that was adopted is another hub's: it pays nothing.
    let (adopted, _) = epoch(camera_id(1), 201);
    let adopted = store::Epoch { hub: Some(hub()), ..adopted };
    store.urgent_blocking(move |db| db.add_epoch(&adopted, &[])).unwrap();
    assert_eq!(due(&store), [camera_id(1)]);
    let (own, _) = epoch(camera_id(1), 202);
    store.urgent_blocking(move |db| db.add_epoch(&own, &[])).unwrap();
    assert_eq!(due(&store), []);
    store.urgent_blocking(|db| db.owe_epoch(camera_id(2))).unwrap();
    store.urgent_blocking(|db| db.remove_camera(camera_id(2))).unwrap();
    store.urgent_blocking(|db| db.owe_epoch(camera_id(2))).unwrap();
    assert_eq!(due(&store), [], "a camera that is gone is due nothing");
}

const ALL: Rights = Rights { live: true, playback: true, export: true, manage: true };

#[derive(Debug, Clone)]
enum Step {
    /// Grants these rights, with the keys that go with them.
    Grant(u8, u8, Rights),
    RemoveGrant(u8, u8),
    SetRole(u8, bool),
    Remove(u8),
    Epoch(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let (who, camera) = (0..3u8, 0..2u8);
    let rights =
        any::<[bool; 4]>().prop_map(|[live, playback, export, manage]| Rights { live, playback, export, manage });
    prop_oneof![
        5 => (who.clone(), camera.clone(), rights).prop_map(|(w, c, r)| Step::Grant(w, c, r)),
        2 => (who.clone(), camera.clone()).prop_map(|(w, c)| Step::RemoveGrant(w, c)),
        2 => (who.clone(), any::<bool>()).prop_map(|(w, owner)| Step::SetRole(w, owner)),
        1 => who.prop_map(Step::Remove),
        2 => camera.prop_map(Step::Epoch),
    ]
}

/// Who holds which keys now.
fn held(db: &Db, people: &[Principal]) -> Result<BTreeSet<(PrincipalId, CameraId, bool)>, StoreError> {
    let mut held = BTreeSet::new();
    for person in people {
        let keys = db.wrapped_keys_of(person.id)?;
        held.extend(keys.iter().map(|key| (person.id, key.camera, key.purpose == Purpose::Live)));
    }
    Ok(held)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nobody_keeps_a_key_that_is_not_needed_and_every_key_that_is_taken_makes_an_epoch_due(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let (_dir, store) = memory();
        let people = ["A", "B", "C"].map(|name| principal(name, Role::Member).0);
        let mut secrets = [vec![bare_camera(&store, 0)], vec![bare_camera(&store, 1)]];
        people.iter().for_each(|person| put(&store, person).unwrap());
        let mut epochs = 0;
        for step in steps {
            let all = people.clone();
            let before = store.read_blocking(move |db| held(db, &all)).unwrap();
            let was_due = due(&store);
            // Each step is done to who is there only.
            let there = |who: u8| {
                let id = people[usize::from(who)].id;
                store.read_blocking(move |db| db.principal(id)).unwrap()
            };
            let wrap = |of: &[EpochSecrets], person: &Principal, rights: Rights| {
                let needed = BOTH.into_iter().filter(move |purpose| rights.need(*purpose));
                let pairs = needed.flat_map(|purpose| of.iter().map(move |secrets| (secrets, purpose)));
                pairs.map(|(secrets, purpose)| secrets.wrap(purpose, &person.recipient)).collect::<Vec<_>>()
            };
            match step {
                Step::Grant(who, n, rights) => {
                    let Some(person) = there(who).filter(|person| person.role == Role::Member) else { continue };
                    let (row, keys) = (grant(&person, n, rights), wrap(&secrets[usize::from(n)], &person, rights));
                    store.urgent_blocking(move |db| { db.put_grant(&row)?; db.put_wrapped_keys(person.id, &keys) }).unwrap();
                }
                Step::RemoveGrant(who, n) => {
                    let Some(person) = there(who).filter(|person| person.role == Role::Member) else { continue };
                    store.urgent_blocking(move |db| db.remove_grant(person.id, camera_id(n))).unwrap();
                }
                Step::SetRole(who, owner) => {
                    let Some(person) = there(who) else { continue };
                    let keys = secrets.iter().flat_map(|of| wrap(of, &person, ALL)).collect::<Vec<_>>();
                    store.urgent_blocking(move |db| {
                        db.set_role(person.id, if owner { Role::Owner } else { Role::Member })?;
                        if owner { db.put_wrapped_keys(person.id, &keys) } else { Ok(()) }
                    }).unwrap();
                }
                Step::Remove(who) => {
                    let Some(person) = there(who) else { continue };
                    store.urgent_blocking(move |db| db.remove_principal(person.id)).unwrap();
                }
                Step::Epoch(n) => {
                    epochs += 1;
                    let (row, new) = epoch(camera_id(n), epochs);
                    secrets[usize::from(n)].push(new);
                    store.urgent_blocking(move |db| db.add_epoch(&row, &[])).unwrap();
                    prop_assert!(!due(&store).contains(&camera_id(n)));
                    continue;
                }
            }
            let all = people.clone();
            let (after, needed) = store.read_blocking(move |db| {
                let mut needed = BTreeSet::new();
                for person in &all {
                    let Some(person) = db.principal(person.id)? else { continue };
                    for camera in [0, 1].map(camera_id) {
                        let rights = db.grant(person.id, camera)?.map_or(Rights::default(), |grant| grant.rights);
                        let owner = person.role == Role::Owner;
                        needed.extend(BOTH.into_iter().filter(|p| owner || rights.need(*p)).map(|p| (person.id, camera, p == Purpose::Live)));
                    }
                }
                Ok((held(db, &all)?, needed))
            }).unwrap();
            prop_assert_eq!(&after, &needed, "everybody holds what they need and no more");
            let lost: BTreeSet<_> = before.difference(&after).map(|(_, camera, _)| *camera).chain(was_due).collect();
            prop_assert_eq!(due(&store).into_iter().collect::<BTreeSet<_>>(), lost);
        }
        prop_assert!(store.read_blocking(|db| db.check()).unwrap().is_good());
    }
}

#[test]
fn the_time_of_a_secrets_end_is_its_kinds() {
    let session = SecretKind::Session { device: "x".to_owned(), last_used: at(0), expires: None };
    assert_eq!(session.expires(), None);
    assert_eq!(SecretKind::Invitation { expires: at(5) }.expires(), Some(at(5)));
    assert_eq!(SecretKind::Token { expires: Some(at(6)) }.expires(), Some(at(6)));
}
