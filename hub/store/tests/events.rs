//! When events end that nobody ended, and when they are forgotten.

mod common;

use base::GapId;
use base::footage::{SegmentInfo, StreamName};
use base::state::GapReason;
use common::{at, camera_id, event, memory, segment};
use store::{Event, Gap, StoreError};

#[test]
fn what_lasted_when_the_hub_stopped_ends_with_its_cameras_footage_or_at_a_hole_in_it() {
    let (_dir, store) = memory();
    let lasting = |camera, n, start| Event { end: None, ..event(camera, n, start) };
    let hole = Gap {
        id: GapId::from_bytes([3; 16]),
        camera: camera_id(2),
        stream: StreamName::Main,
        start: at(130),
        end: Some(at(500)),
        reason: GapReason::HubDown,
        start_stamp: None,
        end_stamp: None,
    };
    let (first, second, without, over, later) =
        (lasting(1, 1, 110), lasting(2, 1, 110), lasting(3, 1, 110), event(1, 2, 100), lasting(1, 3, 900));
    let events = [first.clone(), second.clone(), without.clone(), over.clone(), later.clone()];
    store
        .urgent_blocking(move |db| {
            db.put_segment(&segment(1, 100, 160))?;
            db.put_segment(&segment(2, 100, 130))?;
            db.put_segment(&segment(2, 500, 560))?;
            db.put_gap(&hole)?;
            events.iter().try_for_each(|event| db.put_event(event))?;
            db.end_lasting_events(Some(at(900)))
        })
        .unwrap();
    store
        .read_blocking(move |db| {
            let end = |event: &Event| Ok::<_, StoreError>(db.event(event.id)?.expect("it is there").end);
            assert_eq!(end(&first)?, Some(at(160)), "with the last footage");
            assert_eq!(end(&second)?, Some(at(130)), "before the hole, whatever was recorded since");
            assert_eq!(end(&without)?, Some(at(110)), "of no footage: where it began");
            assert_eq!((end(&over)?, end(&later)?), (over.end, None), "what was over, and what began later");
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_happened_is_forgotten_with_the_footage_of_it() {
    let (_dir, store) = memory();
    // One before all footage, one in a hole, two in the first segment of which one goes on in the second, one of another camera.
    let events = [event(1, 1, 50), event(1, 2, 170), event(1, 3, 110), event(1, 4, 155), event(2, 1, 110)];
    let ids = events.clone().map(|event| event.id);
    let (first, second) = (segment(1, 100, 160), segment(1, 200, 260));
    let gone = first.clone();
    store
        .urgent_blocking(move |db| {
            db.put_segment(&first)?;
            db.put_segment(&second)?;
            events.iter().try_for_each(|event| db.put_event(event))?;
            db.forget_events_of(&SegmentInfo { stream: StreamName::Sub, ..first.clone() })
        })
        .unwrap();
    let left = || {
        let left = move |db: &store::Db| {
            ids.iter().map(|id| Ok(u8::from(db.event(*id)?.is_some()))).collect::<Result<Vec<_>, StoreError>>()
        };
        store.read_blocking(left).unwrap()
    };
    assert_eq!(left(), [1, 1, 1, 1, 1], "a small stream's footage is not the film of it");
    store.urgent_blocking(move |db| db.remove_segment(&gone).and_then(|()| db.forget_events_of(&gone))).unwrap();
    assert_eq!(left(), [0, 1, 0, 1, 1], "what ended in it, and what lay before it");
    let second = segment(1, 200, 260);
    store.urgent_blocking(move |db| db.remove_segment(&second).and_then(|()| db.forget_events_of(&second))).unwrap();
    assert_eq!(left(), [0, 0, 0, 0, 1], "what no footage is left of");
}
