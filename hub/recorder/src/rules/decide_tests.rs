use base::{CameraId, EventId, RuleId};
use jiff::ToSpan;
use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::json;
use store::{Actions, EventKind, Mode, Word};

use super::*;

const ALL_DAYS: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + s).unwrap() // 2026-01-01T00:00:00Z, a Thursday
}

fn camera(n: u8) -> CameraId {
    CameraId::from_bytes([n; 16])
}

fn event(kind: EventKind, start: i64, end: Option<i64>) -> Event {
    let (id, start, end) = (EventId::from_bytes([1; 16]), at(start), end.map(at));
    Event { id, camera: camera(1), kind, start, stamp: None, end, detail: serde_json::Value::Null }
}

fn plain() -> Rule {
    Rule {
        id: RuleId::from_bytes([7; 16]),
        name: "plain".to_owned(),
        enabled: true,
        cameras: vec![],
        kinds: vec![],
        objects: vec![],
        modes: vec![],
        times: vec![],
        cool_down_s: 0,
        actions: Actions { protect: None, notify: true },
    }
}

fn times(days: &[Day], from: &str, to: &str) -> Times {
    let minute = |text: &str| text.to_owned().try_into().unwrap();
    Times { days: days.to_vec(), from: minute(from), to: minute(to) }
}

fn moment(now: i64) -> Moment {
    Moment { now: at(now), local: Some(TimeZone::UTC.to_datetime(at(now))) }
}

fn home() -> ModeNow {
    ModeNow::default()
}

#[test]
fn each_condition_is_one_of_its_list_and_an_empty_list_is_none() {
    let motion = event(EventKind::Motion, 0, None);
    let fires = |rule: &Rule, event: &Event| fires(rule, event, &home(), None, moment(5));
    assert!(fires(&plain(), &motion));
    assert!(!fires(&Rule { enabled: false, ..plain() }, &motion));
    let of = |cameras: &[u8]| Rule { cameras: cameras.iter().map(|n| camera(*n)).collect(), ..plain() };
    assert!(fires(&of(&[2, 1]), &motion) && !fires(&of(&[2, 3]), &motion));
    let kinds = |kinds: &[EventKind]| Rule { kinds: kinds.iter().map(|k| Word::Known(*k)).collect(), ..plain() };
    assert!(fires(&kinds(&[EventKind::Person, EventKind::Motion]), &motion));
    assert!(!fires(&kinds(&[EventKind::Person]), &motion));
    assert!(
        !fires(&Rule { kinds: vec![Word::Newer("parcel".into())], ..plain() }, &motion),
        "a newer hub's is no empty list"
    );

    let saw = Rule { objects: vec!["dog".into(), "person".into()], ..plain() };
    for (detail, fired) in [
        (json!(null), false),
        (json!({}), false),
        (json!({"objects": []}), false),
        (json!({"objects": "person"}), false),
        (json!({"objects": [1, "car"]}), false),
        (json!({"objects": ["car", "person"]}), true),
    ] {
        assert_eq!(fires(&saw, &Event { detail, ..motion.clone() }), fired);
    }
}

#[test]
fn a_mode_counts_for_what_was_seen_since_it_was_set() {
    let rule = Rule { modes: vec![Word::Known(Mode::Away), Word::Known(Mode::Night)], ..plain() };
    let mode = |mode, since: i64| ModeNow { mode, since: Some(at(since)) };
    let lasts = event(EventKind::Motion, 0, None);
    let over = event(EventKind::Motion, 0, Some(10));
    let fires = |event, mode: ModeNow| fires(&rule, event, &mode, None, moment(20));
    assert!(!fires(&lasts, home()) && !fires(&lasts, mode(Mode::Home, 0)));
    assert!(fires(&lasts, mode(Mode::Away, 0)) && fires(&lasts, mode(Mode::Night, 15)));
    assert!(fires(&over, mode(Mode::Away, 10)));
    assert!(!fires(&over, mode(Mode::Away, 11)), "who went out was seen before they were out");
    assert!(fires(&over, mode(Mode::Away, 1_000)), "the clock was set back since");
}

#[test]
fn an_event_fires_a_rule_once_when_it_is_what_the_rule_wants_and_none_while_it_cools_down() {
    let rule = Rule { kinds: vec![Word::Known(EventKind::Person)], cool_down_s: 60, ..plain() };
    let (motion, person) = (event(EventKind::Motion, 0, None), event(EventKind::Person, 0, None));
    let next = Event { id: EventId::from_bytes([2; 16]), ..person.clone() };
    let fires = |event: &Event, fired: Option<&Fired>, now| fires(&rule, event, &home(), fired, moment(now));
    assert!(!fires(&motion, None, 1));
    assert!(fires(&person, None, 2), "the same event, known better");
    let mut fired = Fired { at: at(2), events: vec![] };
    fired.add(person.id, at(2));
    assert!(!fires(&person, Some(&fired), 3) && !fires(&person, Some(&fired), 1_000), "once for each event");
    assert!(!fires(&next, Some(&fired), 61) && fires(&next, Some(&fired), 62), "once a minute for each camera");
    assert!(fires(&next, Some(&fired), 0), "a clock that was set back");

    // What is looked at late, after others.
    let fired = Fired { at: at(1_000), events: vec![person.id] };
    let late = |end| fires(&Event { end: Some(at(end)), ..next.clone() }, Some(&fired), 2_000);
    assert!(late(940) && !late(941) && !late(1_059) && late(1_060));
    assert_eq!(last_fired(Some(at(1_000)), at(940), at(2_000)), at(1_000));
    assert_eq!(last_fired(Some(at(1_000)), at(1_060), at(2_000)), at(1_060));
    assert_eq!(last_fired(Some(at(9_000)), at(1_060), at(2_000)), at(1_060), "a clock that was set back");
    assert_eq!(last_fired(None, at(5), at(6)), at(5));
}

#[test]
fn times_go_over_midnight_and_belong_to_the_day_they_begin_on() {
    let day = |n: i8, h: i8, m: i8| date(2026, 1, n).at(h, m, 59, 0); // the 2nd is a Friday
    let night = times(&[Day::Fri], "22:30", "06:00");
    for (local, covered) in [
        (day(2, 22, 29), false),
        (day(2, 22, 30), true),
        (day(3, 5, 59), true),
        (day(3, 6, 0), false),
        (day(3, 23, 0), false),
        (day(2, 3, 0), false),
    ] {
        assert_eq!(covers(&night, local), covered, "{local}");
    }
    let whole = times(&[Day::Sat], "00:00", "00:00");
    assert!(covers(&whole, day(3, 0, 0)) && covers(&whole, day(3, 23, 59)) && !covers(&whole, day(4, 0, 0)));
    let rule = Rule { times: vec![night, whole], ..plain() };
    let fires = |local| {
        let moment = Moment { now: at(0), local };
        fires(&rule, &event(EventKind::Motion, 0, None), &home(), None, moment)
    };
    assert!(fires(Some(day(3, 12, 0))) && !fires(Some(day(4, 12, 0))));
    assert!(fires(None), "where the time is not known, better once too often");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// By another way to say it: some day's span, from one reading of the wall clock to another, has this reading in it. Over a
    /// year with both changes of the clocks.
    #[test]
    fn times_cover_what_some_days_span_covers(
        second in 0i64..366 * 86_400,
        (from, to) in (0u16..1_440, 0u16..1_440),
        days in prop::sample::subsequence(&ALL_DAYS[..], 0..=7),
        zone in prop::sample::select(&["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"][..]),
    ) {
        let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let times = times(&days, &text(from), &text(to));
        let local = TimeZone::get(zone).unwrap().to_datetime(at(second));
        let clock = |day: Date, minute: u16| {
            day.to_datetime(Time::midnight()).checked_add(i64::from(minute).minutes()).unwrap()
        };
        let spanned = [local.date().yesterday().unwrap(), local.date()].into_iter().any(|day| {
            let last = if to > from { day } else { day.tomorrow().unwrap() };
            (days.is_empty() || days.contains(&of(day.weekday()))) && (clock(day, from)..clock(last, to)).contains(&local)
        });
        prop_assert_eq!(covers(&times, local), spanned);
    }

    /// Whatever is told of one event, in whatever order and modes, fires a rule once at most; two are as far apart as it cools down.
    #[test]
    fn a_rule_is_never_twice_for_one_event_and_never_hot(
        told in prop::collection::vec((0u8..40, 0i64..5, 0u8..3, proptest::prelude::any::<bool>()), 1..120),
        cool_down_s in 0u32..20,
    ) {
        let rule = Rule { cool_down_s, modes: vec![Word::Known(Mode::Away)], ..plain() };
        let (mut fired, mut all, mut now) = (None::<Fired>, Vec::new(), 0);
        for (id, later, mode, over) in told {
            now += later;
            let mode = ModeNow { mode: [Mode::Home, Mode::Away, Mode::Night][usize::from(mode)], since: None };
            let it = event(EventKind::Motion, 0, over.then_some(now));
            let it = Event { id: EventId::from_bytes([id; 16]), ..it };
            if fires(&rule, &it, &mode, fired.as_ref(), moment(now)) {
                prop_assert_eq!(mode.mode, Mode::Away);
                fired.get_or_insert(Fired { at: at(0), events: vec![] }).add(it.id, at(now));
                all.push((id, now));
            }
        }
        for (n, (id, when)) in all.iter().enumerate() {
            prop_assert!(all[n + 1..].iter().all(|(other, later)| other != id && later - when >= i64::from(cool_down_s)));
        }
    }
}
