//! The live ring, through its public door.

use std::sync::Arc;

use base::footage::{AccessUnit, InitSegment, Purpose, Track, VideoParams};
use base::{CameraId, EpochId, Mono, PrincipalId, SimClock, Timestamp};
use bytes::Bytes;
use futures::FutureExt;
use vault::{EpochSecrets, PrincipalIdentity, Viewer};

use super::*;

struct Home {
    clock: SimClock,
    camera: CameraId,
    epoch: EpochSecrets,
}

impl Home {
    fn new() -> Home {
        let clock = SimClock::default();
        let camera = CameraId::new(&clock);
        let epoch = EpochSecrets::generate(EpochId::new(&clock), camera);
        Home { clock, camera, epoch }
    }
    fn ring(&self) -> Arc<LiveRing> {
        Arc::new(LiveRing::new(self.camera, &self.epoch.public()))
    }
}

/// A principal who was granted the live pictures of some cameras.
fn viewer(homes: &[&Home]) -> Viewer {
    let identity = PrincipalIdentity::generate();
    let keys = homes.iter().map(|h| h.epoch.wrap(Purpose::Live, &identity.recipient())).collect();
    Viewer::new(PrincipalId::new(&homes[0].clock), identity, keys)
}

fn unit(number: i64, key: bool) -> AccessUnit {
    AccessUnit {
        track: Track::Video,
        dts: number * 4_500,
        cts_offset: 0,
        duration: 4_500,
        key,
        arrived: Mono::default(),
        data: Bytes::from(vec![number as u8; 10]),
    }
}

fn init(name: &'static str) -> InitSegment {
    let video = VideoParams { codec: "avc1.64001f".into(), width: 640, height: 360 };
    InitSegment { bytes: Bytes::from_static(name.as_bytes()), video, audio: None }
}

/// All that a stream has ready, as words: an init segment's name, or a picture's number.
fn ready(stream: &mut LiveStream) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(Some(item)) = stream.next().now_or_never() {
        words.push(match item {
            LiveItem::Init { init, start } => {
                format!("{}@{}", String::from_utf8_lossy(&init.bytes), start.as_millisecond())
            }
            LiveItem::Unit(unit) => (unit.dts / 4_500).to_string(),
        });
    }
    words
}

#[test]
fn who_opens_it_gets_the_last_key_picture_at_once_and_all_that_follows() {
    let home = Home::new();
    let ring = home.ring();
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    for n in 0..7 {
        ring.push(unit(n, n % 5 == 0));
    }
    let mut stream = ring.open(&viewer(&[&home]), home.camera).unwrap();
    assert_eq!(ready(&mut stream), ["A@250", "5", "6"]);
    ring.push(unit(7, false));
    assert_eq!(ready(&mut stream), ["7"]);
}

#[test]
fn a_ring_under_another_cameras_id_stays_shut_even_for_the_owner_of_both() {
    let (front, bedroom) = (Home::new(), Home::new());
    let owner = viewer(&[&front, &bedroom]);
    let ring = bedroom.ring();
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    ring.push(unit(0, true));
    assert!(ring.open(&owner, bedroom.camera).is_ok());
    // A look-up that answers the wrong ring for the camera asked for:
    assert!(matches!(ring.open(&owner, front.camera), Err(LiveError::Shut(_))));
    assert!(matches!(ring.open(&viewer(&[&front]), bedroom.camera), Err(LiveError::Shut(ViewError::NotGranted))));
}

#[test]
fn a_key_for_footage_does_not_open_what_is_live() {
    let home = Home::new();
    let identity = PrincipalIdentity::generate();
    let keys = vec![home.epoch.wrap(Purpose::Footage, &identity.recipient())];
    let viewer = Viewer::new(PrincipalId::new(&home.clock), identity, keys);
    assert!(matches!(home.ring().open(&viewer, home.camera), Err(LiveError::Shut(ViewError::NotGranted))));
}

#[test]
fn a_new_epoch_shows_out_who_does_not_hold_it_and_keeps_out_who_has_old_keys() {
    let home = Home::new();
    let (ring, ends, stays) = (home.ring(), viewer(&[&home]), viewer(&[&home]));
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    ring.push(unit(0, true));
    let mut streams = [&ends, &stays].map(|viewer| ring.open(viewer, home.camera).unwrap());
    assert_eq!(streams.each_mut().map(|stream| ready(stream).len()), [2, 2]);
    let next = EpochSecrets::generate(EpochId::new(&home.clock), home.camera);
    ring.set_epoch(home.camera, &next.public(), &stays.principal().into_iter().collect());
    ring.push(unit(1, true));
    let [ended, stayed] = &mut streams;
    assert!(matches!(ended.next().now_or_never(), Some(None)), "the stream is closed");
    assert_eq!(ready(stayed), ["1"], "who holds the new epoch notices nothing");
    // Old keys open nothing any more, whoever has them.
    for viewer in [&ends, &stays] {
        assert!(matches!(ring.open(viewer, home.camera), Err(LiveError::Shut(_))));
    }
    ring.close();
    assert!(matches!(stayed.next().now_or_never(), Some(None)), "the camera is gone");
}

#[test]
fn new_parameters_reach_a_viewer_with_the_key_picture_they_are_for() {
    let home = Home::new();
    let ring = home.ring();
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    ring.push(unit(0, true));
    let mut stream = ring.open(&viewer(&[&home]), home.camera).unwrap();
    assert_eq!(ready(&mut stream), ["A@0", "0"]);
    ring.begin(init("B"), Timestamp::UNIX_EPOCH);
    ring.push(unit(1, false));
    ring.push(unit(2, true));
    assert_eq!(ready(&mut stream), ["B@100", "2"]);
}

#[test]
fn a_viewer_that_lags_goes_on_at_the_next_key_picture_and_another_one_notices_nothing() {
    let home = Home::new();
    let (ring, viewer) = (home.ring(), viewer(&[&home]));
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    ring.push(unit(0, true));
    let mut slow = ring.open(&viewer, home.camera).unwrap();
    let mut quick = ring.open(&viewer, home.camera).unwrap();
    let mut seen = ready(&mut quick).len();
    for n in 1..=400 {
        ring.push(unit(n, n == 390));
        seen += ready(&mut quick).iter().filter(|w| !w.starts_with('A')).count();
    }
    assert_eq!(seen, 402, "the init segment and 401 pictures");
    let words = ready(&mut slow);
    assert_eq!(&words[..2], ["A@19500", "390"]);
    assert_eq!(words.last().map(String::as_str), Some("400"));
}

#[test]
fn a_viewer_that_is_a_little_late_misses_nothing_at_a_key_picture() {
    let home = Home::new();
    let (ring, viewer) = (home.ring(), viewer(&[&home]));
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    ring.push(unit(0, true));
    let mut late = ring.open(&viewer, home.camera).unwrap();
    assert_eq!(ready(&mut late), ["A@0", "0"]);
    for n in 1..=100 {
        ring.push(unit(n, n % 10 == 0));
    }
    let words: Vec<String> = (1..=100).map(|n| n.to_string()).collect();
    assert_eq!(ready(&mut late), words);
    // Who comes now begins with the last key picture all the same.
    assert_eq!(ready(&mut ring.open(&viewer, home.camera).unwrap()), ["A@5000", "100"]);
}

#[test]
fn while_nobody_looks_only_what_came_since_the_last_key_picture_takes_memory() {
    struct Data {
        _held: Arc<()>,
    }
    impl AsRef<[u8]> for Data {
        fn as_ref(&self) -> &[u8] {
            &[0; 10]
        }
    }
    let home = Home::new();
    let (ring, viewer) = (home.ring(), viewer(&[&home]));
    let held = Arc::new(());
    let push = |n: i64| {
        ring.push(AccessUnit { data: Bytes::from_owner(Data { _held: held.clone() }), ..unit(n, n % 10 == 0) });
        Arc::strong_count(&held) - 1
    };
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    assert_eq!((0..=19).fold(0, |_, n| push(n)), 10);
    let stream = ring.open(&viewer, home.camera).unwrap();
    assert_eq!((20..=29).fold(0, |_, n| push(n)), 20, "who looks may lag");
    drop(stream);
    assert_eq!(push(30), 1);
}

#[test]
fn viewers_are_counted_while_their_streams_are_open() {
    let home = Home::new();
    let (ring, viewer) = (home.ring(), viewer(&[&home]));
    let count = ring.viewers();
    let streams = [ring.open(&viewer, home.camera).unwrap(), ring.open(&viewer, home.camera).unwrap()];
    assert_eq!(*count.borrow(), 2);
    assert!(ring.open(&viewer, CameraId::new(&home.clock)).is_err());
    assert_eq!(*count.borrow(), 2, "who stays outside is none");
    drop(streams);
    assert_eq!(*count.borrow(), 0);
}

#[test]
fn the_last_key_picture_is_given_with_its_parameters_and_time_or_the_next_one() {
    let home = Home::new();
    let (ring, viewer) = (home.ring(), viewer(&[&home]));
    let mut stream = ring.open(&viewer, home.camera).unwrap();
    assert!(stream.key_picture().now_or_never().is_none(), "there is none yet");
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    for n in 0..7 {
        ring.push(unit(n, n % 5 == 0));
    }
    let (init, picture, start) = stream.key_picture().now_or_never().unwrap().unwrap();
    assert_eq!((&init.bytes[..], picture.dts / 4_500, start.as_millisecond()), (&b"A"[..], 5, 250));
    ring.close();
    assert!(matches!(stream.key_picture().now_or_never(), Some(None)));
}

#[test]
fn a_ring_is_bounded_in_bytes_however_small_its_units_are() {
    let home = Home::new();
    let ring = home.ring();
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    for n in 0..200_000 {
        ring.push(unit(n, n == 0));
    }
    assert!(ring.lock().units.len() <= MAX_RING_BYTES / UNIT_BYTES);
}

#[test]
fn a_ring_is_bounded_in_bytes() {
    let home = Home::new();
    let ring = home.ring();
    ring.begin(init("A"), Timestamp::UNIX_EPOCH);
    let big = |n, key| AccessUnit { data: Bytes::from(vec![0; MAX_RING_BYTES / 4]), ..unit(n, key) };
    ring.push(big(0, true));
    for n in 1..9 {
        ring.push(big(n, false));
    }
    assert!(ring.lock().bytes <= MAX_RING_BYTES);
    let mut stream = ring.open(&viewer(&[&home]), home.camera).unwrap();
    assert_eq!(ready(&mut stream), Vec::<String>::new(), "it begins with the next key picture");
    ring.push(unit(9, true));
    assert_eq!(ready(&mut stream), ["A@450", "9"]);
}
