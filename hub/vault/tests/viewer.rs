//! A viewer opens what it was granted, found by the camera asked for, and nothing else.

mod home;

use std::io::{self, Cursor, Read, Seek, SeekFrom};

use base::{CameraId, EpochId, PrincipalId, SimClock};
use home::{Camera, plain, seal_to, viewer};
use vault::Purpose::{Footage, Live};
use vault::*;

fn read(opened: Result<Opened<Cursor<Vec<u8>>>, ViewError>) -> Result<Vec<u8>, ViewError> {
    let (mut opened, mut bytes) = (opened?, Vec::new());
    opened.read_to_end(&mut bytes).unwrap();
    assert_eq!(opened.ending(), Some(Ending::Whole));
    Ok(bytes)
}

/// Fails the test at the first touch.
struct Untouchable;
impl Read for Untouchable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("was read")
    }
}
impl Seek for Untouchable {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        panic!("was sought")
    }
}

#[test]
fn a_granted_camera_opens() {
    let camera = Camera::new(1);
    let viewer = viewer(&[(&camera, &[Footage])]);
    let sealed = camera.seal(&plain(1_000));
    let epoch = camera.epoch().epoch();
    for asked in [None, Some(epoch)] {
        let opened = viewer.open(camera.id, Footage, asked, Cursor::new(sealed.clone())).unwrap();
        assert_eq!(opened.key_label(), Some(KeyLabel { camera: camera.id, epoch, purpose: Footage }));
        assert_eq!(read(Ok(opened)).unwrap(), plain(1_000));
    }
}

#[test]
fn what_was_not_granted_is_refused_before_any_io() {
    let (mine, other) = (Camera::new(1), Camera::new(1));
    let viewer = viewer(&[(&mine, &[Footage])]);
    let strange_epoch = EpochId::new(&SimClock::default());
    for (camera, purpose, epoch) in [
        (other.id, Footage, None),
        (other.id, Footage, Some(mine.epoch().epoch())),
        (mine.id, Footage, Some(other.epoch().epoch())),
        (mine.id, Footage, Some(strange_epoch)),
        (mine.id, Live, None),
    ] {
        let refused = viewer.open(camera, purpose, epoch, Untouchable);
        assert!(matches!(refused, Err(ViewError::NotGranted)), "{refused:?}");
    }
    assert!(viewer.granted(mine.id, Footage));
    assert!(!viewer.granted(mine.id, Live) && !viewer.granted(other.id, Footage));
    assert!(matches!(viewer.open_any(Untouchable), Err(ViewError::NotGranted)));
    let nobody = Viewer::new(PrincipalId::new(&SimClock::default()), PrincipalIdentity::generate(), vec![]);
    assert!(matches!(nobody.open(mine.id, Footage, None, Untouchable), Err(ViewError::NotGranted)));
}

#[test]
fn a_file_of_another_camera_stays_shut_for_who_holds_both() {
    let (a, b) = (Camera::new(2), Camera::new(2));
    let viewer = viewer(&[(&a, &[Live, Footage]), (&b, &[Live, Footage])]);
    let sealed = b.seal(b"a picture of b");
    let asked_a = viewer.open(a.id, Footage, None, Cursor::new(sealed.clone()));
    assert!(matches!(asked_a, Err(ViewError::WrongKey)), "{asked_a:?}");
    assert_eq!(read(viewer.open(b.id, Footage, None, Cursor::new(sealed))).unwrap(), b"a picture of b");
}

#[test]
fn purposes_are_not_interchangeable() {
    let camera = Camera::new(1);
    let sealed = camera.seal(b"a picture");
    let live_only = viewer(&[(&camera, &[Live])]);
    let refused = live_only.open(camera.id, Footage, None, Cursor::new(sealed.clone()));
    assert!(matches!(refused, Err(ViewError::NotGranted)), "{refused:?}");
    let as_live = live_only.open(camera.id, Live, None, Cursor::new(sealed.clone()));
    assert!(matches!(as_live, Err(ViewError::WrongKey)), "{as_live:?}");
    let owner = viewer(&[(&camera, &[Live, Footage])]);
    let as_live = owner.open(camera.id, Live, None, Cursor::new(sealed));
    assert!(matches!(as_live, Err(ViewError::WrongKey)), "{as_live:?}");

    let gate = Gate::new(&camera.epoch().public().live, camera.id);
    let footage_only = viewer(&[(&camera, &[Footage])]);
    assert!(matches!(gate.open(&footage_only, camera.id), Err(ViewError::NotGranted)));
}

#[test]
fn a_live_key_that_was_relabelled_opens_no_footage() {
    let camera = Camera::new(1);
    let identity = PrincipalIdentity::generate();
    let live = camera.epoch().wrap(Live, &identity.recipient());
    let viewer =
        Viewer::new(PrincipalId::new(&SimClock::default()), identity, vec![WrappedKey { purpose: Footage, ..live }]);
    let refused = viewer.open(camera.id, Footage, None, Cursor::new(camera.seal(b"a picture")));
    assert!(matches!(refused, Err(ViewError::Mismatch)), "{refused:?}");
}

#[test]
fn mixed_up_rows_are_errors_whichever_camera_is_asked_for() {
    let (a, b) = (Camera::new(1), Camera::new(1));
    let identity = PrincipalIdentity::generate();
    let [key_a, key_b] = [&a, &b].map(|camera| camera.epoch().wrap(Footage, &identity.recipient()));
    let swapped = vec![
        WrappedKey { blob: key_b.blob.clone(), ..key_a.clone() },
        WrappedKey { blob: key_a.blob.clone(), ..key_b.clone() },
    ];
    let viewer = Viewer::new(PrincipalId::new(&SimClock::default()), identity, swapped);
    for asked in [&a, &b] {
        for file in [&a, &b] {
            let refused = viewer.open(asked.id, Footage, None, Cursor::new(file.seal(b"a picture")));
            assert!(matches!(refused, Err(ViewError::Mismatch)), "{refused:?}");
        }
    }
}

#[test]
fn keys_of_another_principal_open_nothing() {
    let camera = Camera::new(1);
    let keys = camera.keys(&[Footage], &PrincipalIdentity::generate().recipient());
    let viewer = Viewer::new(PrincipalId::new(&SimClock::default()), PrincipalIdentity::generate(), keys);
    let refused = viewer.open(camera.id, Footage, None, Cursor::new(camera.seal(b"a picture")));
    assert!(matches!(refused, Err(ViewError::WrongKey)), "{refused:?}");
}

#[test]
fn epochs_are_tried_newest_first_and_a_bad_one_does_not_hide_the_others() {
    let camera = Camera::new(3);
    let identity = PrincipalIdentity::generate();
    let mut keys = camera.keys(&[Footage], &identity.recipient());
    keys.swap(0, 2);
    keys[1].blob.truncate(100);
    let viewer = Viewer::new(PrincipalId::new(&SimClock::default()), identity, keys);
    let epochs: Vec<_> = viewer
        .key(camera.id, Footage, None)
        .unwrap()
        .map(|key| key.ok().and_then(|key| key.label()).map(|label| label.epoch))
        .collect();
    assert_eq!(epochs, [Some(camera.epochs[2].epoch()), None, Some(camera.epochs[0].epoch())]);
    for (i, epoch) in camera.epochs.iter().enumerate() {
        let sealed = seal_to(&epoch.public().footage, b"a picture");
        let opened = read(viewer.open(camera.id, Footage, None, Cursor::new(sealed)));
        match i {
            1 => assert!(matches!(opened, Err(ViewError::Damaged)), "{opened:?}"),
            _ => assert_eq!(opened.unwrap(), b"a picture"),
        }
    }
}

#[test]
fn a_gate_opens_for_its_own_camera_only() {
    let (a, b) = (Camera::new(2), Camera::new(2));
    let owner = viewer(&[(&a, &[Live, Footage]), (&b, &[Live, Footage])]);
    let gate = Gate::new(&a.epoch().public().live, a.id);
    assert!(gate.open(&owner, a.id).is_ok());
    assert!(matches!(gate.open(&owner, b.id), Err(ViewError::WrongKey)));
    assert!(matches!(gate.open(&owner, CameraId::new(&SimClock::default())), Err(ViewError::NotGranted)));
    // Made for the ring of one camera with the key of another: a mix-up in the recorder.
    let crossed = Gate::new(&a.epoch().public().live, b.id);
    assert!(matches!(crossed.open(&owner, a.id), Err(ViewError::Mismatch)));
    assert!(matches!(crossed.open(&owner, b.id), Err(ViewError::WrongKey)));
}

#[test]
fn a_gate_of_a_new_epoch_stays_shut_for_who_holds_older_ones_only() {
    let camera = Camera::new(2);
    let identity = PrincipalIdentity::generate();
    let old = vec![camera.epochs[0].wrap(Live, &identity.recipient())];
    let left = Viewer::new(PrincipalId::new(&SimClock::default()), identity, old);
    assert!(Gate::new(&camera.epochs[0].public().live, camera.id).open(&left, camera.id).is_ok());
    let new = Gate::new(&camera.epochs[1].public().live, camera.id);
    assert!(matches!(new.open(&left, camera.id), Err(ViewError::WrongKey)));
}

#[test]
fn what_a_viewer_holds_it_can_wrap_on_and_export() {
    let camera = Camera::new(2);
    let owner = viewer(&[(&camera, &[Live, Footage])]);
    let member = PrincipalIdentity::generate();
    let old = camera.epochs[0].epoch();
    let wrapped = owner.rewrap(camera.id, old, Footage, &member.recipient()).unwrap();
    assert_eq!((wrapped.camera, wrapped.epoch, wrapped.purpose), (camera.id, old, Footage));
    let sealed = seal_to(&camera.epochs[0].public().footage, b"a picture");
    let member = Viewer::new(PrincipalId::new(&SimClock::default()), member, vec![wrapped]);
    assert_eq!(read(member.open(camera.id, Footage, Some(old), Cursor::new(sealed.clone()))).unwrap(), b"a picture");

    // The member can export what it holds, which is no live key.
    let exported = Viewer::from_identities(&member.export_key(camera.id, old).unwrap()).unwrap();
    assert!(exported.granted(camera.id, Footage) && !exported.granted(camera.id, Live));
    let exported = Viewer::from_identities(&owner.export_key(camera.id, old).unwrap()).unwrap();
    assert!(exported.granted(camera.id, Footage) && exported.granted(camera.id, Live));
    assert!(!exported.granted(CameraId::new(&SimClock::default()), Footage));
    assert_eq!(read(exported.open_any(Cursor::new(sealed.clone()))).unwrap(), b"a picture");
    assert_eq!(read(exported.open(camera.id, Footage, None, Cursor::new(sealed))).unwrap(), b"a picture");
    let newer = exported.open_any(Cursor::new(camera.seal(b"newer")));
    assert!(matches!(newer, Err(ViewError::WrongKey)), "{newer:?}");

    let stranger = viewer(&[]);
    assert!(matches!(stranger.export_key(camera.id, old), Err(ViewError::NotGranted)));
    let to = PrincipalIdentity::generate().recipient();
    assert!(matches!(stranger.rewrap(camera.id, old, Live, &to), Err(ViewError::NotGranted)));
    assert!(matches!(member.rewrap(camera.id, old, Live, &to), Err(ViewError::NotGranted)));
}

#[test]
fn a_key_without_a_comment_opens_what_was_sealed_to_it_but_is_not_handed_on() {
    let camera = Camera::new(1);
    let epoch = camera.epoch().epoch();
    let owner = viewer(&[(&camera, &[Footage])]);
    let file = owner.export_key(camera.id, epoch).unwrap();
    let bare = file.lines().filter(|line| !line.starts_with('#')).collect::<String>();
    let bare = Viewer::from_identities(&bare).unwrap();
    let sealed = camera.seal(b"a picture");
    assert_eq!(read(bare.open(camera.id, Footage, Some(epoch), Cursor::new(sealed.clone()))).unwrap(), b"a picture");
    assert_eq!(read(bare.open_any(Cursor::new(sealed))).unwrap(), b"a picture");
    assert!(matches!(bare.export_key(camera.id, epoch), Err(ViewError::NotGranted)));
}

#[test]
fn the_recovery_kit_opens_every_camera_whose_key_files_are_there() {
    let (kit, old_kit) = (RecoveryKit::generate(), RecoveryKit::generate());
    let (a, b) = (Camera::new(2), Camera::new(1));
    let mut files: Vec<_> = a
        .epochs
        .iter()
        .chain(&b.epochs)
        .map(|epoch| (epoch.camera(), epoch.epoch(), epoch.kit_file(&kit.recipient())))
        .collect();
    files.push((b.id, b.epoch().epoch(), b.epoch().kit_file(&old_kit.recipient())));
    files.push((b.id, a.epoch().epoch(), a.epoch().kit_file(&kit.recipient()))); // moved
    let (viewer, refused) = Viewer::from_recovery_kit(&kit, files);
    assert_eq!(refused, [(b.id, b.epoch().epoch(), KeyError::WrongKey), (b.id, a.epoch().epoch(), KeyError::Mismatch)]);
    assert_eq!(viewer.principal(), None);
    for camera in [&a, &b] {
        let sealed = camera.seal(b"a picture");
        assert_eq!(read(viewer.open(camera.id, Footage, None, Cursor::new(sealed.clone()))).unwrap(), b"a picture");
        assert_eq!(read(viewer.open_any(Cursor::new(sealed))).unwrap(), b"a picture");
        assert!(Gate::new(&camera.epoch().public().live, camera.id).open(&viewer, camera.id).is_ok());
    }
    let crossed = viewer.open(a.id, Footage, None, Cursor::new(b.seal(b"a picture")));
    assert!(matches!(crossed, Err(ViewError::WrongKey)), "{crossed:?}");
}

#[test]
fn all_that_is_wanted_is_wrapped_to_another_and_nothing_else() {
    let (a, b) = (Camera::new(3), Camera::new(2));
    let identity = PrincipalIdentity::generate();
    let mut keys = a.keys(&[Live, Footage], &identity.recipient());
    keys.extend(b.keys(&[Footage], &identity.recipient()));
    // One of them does not open: it is told, and keeps none of the others back.
    let strange = b.epochs[0].wrap(Footage, &PrincipalIdentity::generate().recipient());
    let at = keys.iter().position(|k| k.label() == strange.label()).unwrap();
    keys[at] = strange.clone();
    let owner = Viewer::new(PrincipalId::new(&SimClock::default()), identity, keys);

    let member = PrincipalIdentity::generate();
    let (wrapped, shut) = owner.rewrap_all(|label| label.purpose == Footage, &member.recipient());
    assert_eq!(shut, [(strange.label(), KeyError::WrongKey)]);
    assert_eq!(wrapped.len(), 4);
    let viewer = Viewer::new(PrincipalId::new(&SimClock::default()), member, wrapped);
    for epoch in &a.epochs {
        let sealed = seal_to(&epoch.public().footage, b"a picture");
        assert_eq!(read(viewer.open(a.id, Footage, Some(epoch.epoch()), Cursor::new(sealed))).unwrap(), b"a picture");
    }
    assert!(!viewer.granted(a.id, Live));
    assert_eq!(read(viewer.open(b.id, Footage, None, Cursor::new(b.seal(b"of b")))).unwrap(), b"of b");
    let first = seal_to(&b.epochs[0].public().footage, b"of b");
    assert!(viewer.open(b.id, Footage, None, Cursor::new(first)).is_err());
}

#[test]
fn the_recovery_kit_wraps_what_it_opens() {
    let camera = Camera::new(2);
    let kit = RecoveryKit::generate();
    let files = camera.epochs.iter().map(|e| (camera.id, e.epoch(), e.kit_file(&kit.recipient())));
    let (by_kit, refused) = Viewer::from_recovery_kit(&kit, files);
    assert_eq!(refused, []);
    let owner = PrincipalIdentity::generate();
    let (wrapped, shut) = by_kit.rewrap_all(|label| label.camera == camera.id, &owner.recipient());
    assert_eq!((wrapped.len(), shut), (4, vec![]));
    let viewer = Viewer::new(PrincipalId::new(&SimClock::default()), owner, wrapped);
    assert_eq!(read(viewer.open(camera.id, Footage, None, Cursor::new(camera.seal(b"x")))).unwrap(), b"x");
}
