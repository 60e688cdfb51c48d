//! The picture of an event opens for whom its camera was granted, as what was asked for, or not at all (promise 3), and is kept no
//! longer than the film of it.

mod common;

use std::path::PathBuf;

use base::footage::SegmentInfo;
use base::{CameraId, Clock, EventId, HubId, Problem, ProblemKind, Timestamp};
use common::{Camera, Rig, one_segment, viewer};
use footage::{Footage, OpenError, SegmentName};

/// ISO/IEC 10918-1: as far as the hub looks, it begins as a JPEG does.
const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x04ab\xff\xd9";

fn place(rig: &Rig, camera: CameraId, event: EventId, at: Timestamp) -> PathBuf {
    let day = at.strftime("%Y-%m-%d").to_string();
    rig.dir.path().join(camera.to_string()).join(day).join(format!("{event}.jpg.age"))
}

fn kept(rig: &Rig, camera: &Camera, at: Timestamp) -> EventId {
    let event = EventId::at(at);
    let bytes = rig.footage().keep_thumbnail(camera.id, event, &camera.secrets.public(), JPEG).unwrap();
    assert_eq!(std::fs::metadata(place(rig, camera.id, event, at)).unwrap().len(), bytes);
    event
}

#[test]
fn it_is_sealed_and_opens_for_who_was_granted_the_camera() {
    let rig = Rig::new(|_| {});
    let (camera, other) = (rig.camera(), rig.camera());
    let at = rig.clock.wall();
    let event = kept(&rig, &camera, at);
    let sealed = std::fs::read(place(&rig, camera.id, event, at)).unwrap();
    assert!(sealed.starts_with(b"age-encryption.org/v1\n"));
    let jpeg = rig.footage().thumbnail(&camera.viewer(), camera.id, event).unwrap();
    assert!(jpeg.starts_with(&JPEG[..2]) && jpeg.ends_with(&JPEG[2..]), "what was kept, with whose it is");
    std::fs::remove_file(place(&rig, camera.id, event, at)).unwrap();
    let refused = rig.footage().thumbnail(&other.viewer(), camera.id, event).unwrap_err();
    assert!(matches!(refused, OpenError::NotGranted(id) if id == camera.id), "before any file is looked for");
    let missing = rig.footage().thumbnail(&camera.viewer(), camera.id, event).unwrap_err();
    assert_eq!(Problem::from(&missing).kind, ProblemKind::NoFootage);
}

#[test]
fn a_better_one_takes_its_place() {
    let rig = Rig::new(|_| {});
    let camera = rig.camera();
    let event = kept(&rig, &camera, rig.clock.wall());
    let better = [JPEG, b"better"].concat();
    rig.footage().keep_thumbnail(camera.id, event, &camera.secrets.public(), &better).unwrap();
    assert!(rig.footage().thumbnail(&camera.viewer(), camera.id, event).unwrap().ends_with(b"better"));
    for bad in [&b"GIF89a"[..], b"", &[0xff]] {
        assert!(rig.footage().keep_thumbnail(camera.id, event, &camera.secrets.public(), bad).is_err());
    }
    assert!(rig.footage().thumbnail(&camera.viewer(), camera.id, event).unwrap().ends_with(b"better"));
}

#[test]
fn one_that_was_moved_renamed_or_changed_stays_shut() {
    let rig = Rig::new(|_| {});
    let (camera, other) = (rig.camera(), rig.camera());
    let both = viewer(&rig.clock, &[&camera.secrets, &other.secrets]);
    let at = rig.clock.wall();
    let (event, next) = (kept(&rig, &camera, at), EventId::at(at));
    let file = place(&rig, camera.id, event, at);
    let kind = |camera, event| {
        let refused = rig.footage().thumbnail(&both, camera, event).unwrap_err();
        Problem::from(&refused).kind
    };

    std::fs::copy(&file, place(&rig, camera.id, next, at)).unwrap();
    assert_eq!(kind(camera.id, next), ProblemKind::FootageForeign, "another event's");
    let moved = place(&rig, other.id, event, at);
    std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
    std::fs::copy(&file, moved).unwrap();
    assert_eq!(kind(other.id, event), ProblemKind::WrongKey, "another camera's");
    let elsewhere = Footage::new(rig.disk.clone(), HubId::new(&rig.clock));
    let refused = elsewhere.thumbnail(&both, camera.id, event).unwrap_err();
    assert!(matches!(refused, OpenError::Foreign { what: "hub", .. }), "{refused:?}");

    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    assert!(rig.footage().thumbnail(&both, camera.id, event).is_err(), "one bit");
    std::fs::write(&file, &bytes[..last - 20]).unwrap();
    assert!(rig.footage().thumbnail(&both, camera.id, event).is_err(), "cut short");
}

#[test]
fn it_goes_with_the_footage_of_its_time_and_a_day_without_footage_is_gone_whole() {
    let (rig, camera, info) = one_segment(2, 500);
    let (during, after) = (info.start, info.end + jiff::SignedDuration::from_secs(1));
    let gone = kept(&rig, &camera, during);
    let stays = kept(&rig, &camera, after);
    // A second segment of the same day, which is not looked into.
    let later = SegmentInfo { start: after, end: after, id: base::SegmentId::new(&rig.clock), ..info.clone() };
    std::fs::copy(rig.disk.segment_path(&info), rig.disk.segment_path(&later)).unwrap();
    // What a power cut left of a picture is one too.
    let cut = place(&rig, camera.id, gone, during).with_extension("age.tmp");
    std::fs::write(&cut, b"age").unwrap();

    rig.footage().remove(&info).unwrap();
    assert!(!place(&rig, camera.id, gone, during).exists() && !cut.exists());
    assert!(rig.footage().thumbnail(&camera.viewer(), camera.id, stays).is_ok());
    rig.footage().remove(&later).unwrap();
    assert!(!rig.disk.segment_path(&later).parent().unwrap().exists(), "with its last footage the day");
    assert_eq!(SegmentName::of(&info).day(), SegmentName::of(&later).day(), "both of one day");
}
