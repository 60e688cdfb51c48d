use std::sync::Arc;

use base::{Clock, EpochId, EventId, HubId, SimClock, SystemClock};
use serde_json::json;
use store::engine::{Engine, MemoryEngine};
use store::{Actions, Epoch, EventKind, LONGEST_BY_RULE, Mode, Options, ProtectedSpan, Rule, Word};
use vault::EpochSecrets;

use super::*;

struct Rig {
    clock: Arc<SimClock>,
    store: Store,
    _dir: tempfile::TempDir,
}

impl Rig {
    fn new(rules: &[Rule]) -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(SimClock::default()));
        let engine = MemoryEngine::default();
        let opener = move || Ok(Box::new(engine.clone()) as Box<dyn Engine>);
        let options = Options { ballast_bytes: 0, ..Options::default() };
        let store = Store::with_engine(dir.path(), HubId::from_bytes([1; 16]), clock.clone(), options, opener).unwrap();
        let rows = rules.to_vec();
        store.urgent_blocking(move |db| rows.iter().try_for_each(|rule| db.put_rule(rule))).unwrap();
        Rig { clock, store, _dir: dir }
    }

    /// An event that begins now.
    fn event(&self, n: u8, kind: EventKind) -> Event {
        let (id, camera) = (EventId::from_bytes([n; 16]), CameraId::from_bytes([1; 16]));
        Event { id, camera, kind, start: self.clock.wall(), stamp: None, end: None, detail: json!(null) }
    }

    /// It is told; answers the names of the rules that have it told.
    fn tell(&self, event: &Event, ask: Ask) -> Vec<String> {
        let (now, of) = (self.clock.wall(), event.clone());
        let seen = last_seen(event, now);
        let moment = Moment { now, local: None };
        let told = self.store.urgent_blocking(move |db| {
            let plan = Plan::of(db, &of, (of.start, seen), moment, ask)?;
            let nothing = plan.is_nothing();
            let told = plan.carry_out(db)?;
            assert!(!nothing || told.is_empty());
            Ok(told)
        });
        told.unwrap().into_iter().map(|(_, name)| name).collect()
    }

    /// Of its camera: seconds from an instant on.
    fn protected(&self, from: Timestamp) -> Vec<(i64, i64)> {
        let spans = self.store.read_blocking(|db| db.protected_spans()).unwrap();
        let s = |at: Timestamp| at.duration_since(from).as_secs();
        spans.into_iter().map(|span| (s(span.from), s(span.to))).collect()
    }

    fn wait(&self, s: u64) {
        self.clock.advance(Duration::from_secs(s));
    }
}

fn rule(n: u8, kinds: &[EventKind], protect: Option<(u32, u32)>) -> Rule {
    Rule {
        id: RuleId::from_bytes([n; 16]),
        name: format!("rule {n}"),
        enabled: true,
        cameras: vec![],
        kinds: kinds.iter().map(|kind| Word::Known(*kind)).collect(),
        objects: vec![],
        modes: vec![],
        times: vec![],
        cool_down_s: 0,
        actions: Actions { protect: protect.map(|(before_s, after_s)| Roll { before_s, after_s }), notify: true },
    }
}

#[test]
fn an_event_takes_its_span_with_it_from_what_came_before_to_what_comes_after() {
    let rig = Rig::new(&[rule(1, &[], Some((10, 20))), rule(2, &[EventKind::Person], Some((30, 5)))]);
    let mut event = rig.event(1, EventKind::Motion);
    let start = event.start;
    rig.wait(2);
    assert_eq!(rig.tell(&event, Ask::Anew), ["rule 1"]);
    assert_eq!(rig.protected(start), [(-10, 22)]);
    rig.wait(5);
    assert!(rig.tell(&event, Ask::Anew).is_empty(), "told already");
    assert_eq!(rig.protected(start), [(-10, 27)]);
    event.kind = EventKind::Person;
    rig.wait(1);
    assert_eq!(rig.tell(&event, Ask::Anew), ["rule 2"], "it has become more");
    assert_eq!(rig.protected(start), [(-30, 28)], "one span for both");
    rig.wait(60);
    event.end = Some(start + SignedDuration::from_secs(50));
    assert!(rig.tell(&event, Ask::Anew).is_empty());
    assert_eq!(rig.protected(start), [(-30, 70)]);
    assert!(rig.tell(&event, Ask::Anew).is_empty() && rig.protected(start) == [(-30, 70)], "asked twice, done once");
}

#[test]
fn what_lasted_when_the_hub_stopped_is_protected_to_its_end_and_nothing_else_is_begun() {
    let rig = Rig::new(&[rule(1, &[EventKind::Motion], Some((0, 10)))]);
    let mut lasted = rig.event(1, EventKind::Motion);
    let start = lasted.start;
    rig.tell(&lasted, Ask::Anew);
    rig.wait(3_600);
    lasted.end = Some(start + SignedDuration::from_secs(30));
    let untold = Event { start: start + SignedDuration::from_secs(300), ..rig.event(2, EventKind::Motion) };
    assert!(rig.tell(&lasted, Ask::GoOn).is_empty() && rig.tell(&untold, Ask::GoOn).is_empty());
    assert_eq!(rig.protected(start), [(0, 40)]);
}

#[test]
fn what_is_done_holds_for_its_camera_and_survives_in_the_store() {
    let cools = Rule { cool_down_s: 60, ..rule(1, &[], None) };
    let rig = Rig::new(std::slice::from_ref(&cools));
    let first = rig.event(1, EventKind::Motion);
    assert_eq!(rig.tell(&first, Ask::Anew).len(), 1);
    rig.wait(30);
    let second = rig.event(2, EventKind::Motion);
    let elsewhere = Event { camera: CameraId::from_bytes([2; 16]), ..rig.event(3, EventKind::Motion) };
    assert!(rig.tell(&second, Ask::Anew).is_empty(), "it cools down");
    assert_eq!(rig.tell(&elsewhere, Ask::Anew).len(), 1, "for one camera only");
    rig.wait(1_000);
    let over = Event { end: Some(second.start), ..second };
    assert!(rig.tell(&over, Ask::Anew).is_empty(), "what is looked at late counts for when it was seen");
    rig.store.urgent_blocking(move |db| db.remove_rule(cools.id).map(|there| assert!(there))).unwrap();
    let fired = rig.store.read_blocking(move |db| db.fired(cools.id, first.camera)).unwrap();
    assert_eq!(fired, None);
}

/// What did not fit into the queue is read from the store, and what was left undone at the start is brought to its end.
#[tokio::test]
async fn what_was_missed_is_read_from_the_store() {
    let rig = Rig::new(&[rule(1, &[], Some((0, 10)))]);
    let first = rig.event(1, EventKind::Motion);
    rig.tell(&first, Ask::Anew);
    let secrets = EpochSecrets::generate(EpochId::from_bytes([1; 16]), first.camera);
    let now = rig.clock.wall();
    let over = Event { end: Some(now + SignedDuration::from_secs(40)), ..first.clone() };
    let row = over.clone();
    let put = rig.store.urgent_blocking(move |db| {
        let epoch = Epoch { camera: row.camera, public: secrets.public(), created: now, hub: None, owed: None };
        db.add_camera(&camera(row.camera, now), &epoch, &[])?;
        db.put_event(&row)
    });
    put.unwrap();
    rig.wait(3_600);

    let (tell, happens) = broadcast::channel(2);
    let (notices, mut told) = broadcast::channel(64);
    let (store, clock) = (rig.store.clone(), rig.clock.clone());
    let (rules, stop) = (Rules { store, clock, clocks: Clocks::default(), notices }, Shutdown::new());
    let follows = tokio::spawn(rules.run(happens, stop.clone()));
    tokio::task::yield_now().await; // it listens from now on
    let mut spans = vec![(0, 50)];
    for n in 2..8 {
        let begins = rig.event(n, EventKind::Motion);
        rig.wait(5);
        let event = Event { end: Some(rig.clock.wall()), ..begins };
        let start = event.start.duration_since(first.start).as_secs();
        spans.push((start, start + 15));
        let row = event.clone();
        rig.store.urgent_blocking(move |db| db.put_event(&row)).unwrap();
        let _ = tell.send(event);
        rig.wait(20);
    }
    // Time passes while others run.
    let all = async {
        while rig.protected(first.start) != spans {
            rig.wait(1);
            tokio::task::yield_now().await;
        }
    };
    let _ = base::clock::timeout(&SystemClock, Duration::from_secs(30), all).await; // what is missing is said next
    assert_eq!(rig.protected(first.start), spans, "all that was missed is protected");
    stop.trigger();
    follows.await.unwrap();
    let mut ids = Vec::new();
    while let Ok(Notice { event, .. }) = told.try_recv() {
        ids.push(event.id.to_bytes()[0]);
    }
    ids.sort_unstable();
    assert_eq!(ids, [2, 3, 4, 5, 6, 7], "each once, and nothing of before");
}

fn camera(id: CameraId, created: Timestamp) -> store::Camera {
    store::Camera {
        id,
        name: "camera".to_owned(),
        main: store::StreamSource { url: "rtsp://127.0.0.1:9/main".to_owned(), ..Default::default() },
        sub: None,
        created,
        paused: false,
        paused_until: None,
        while_home: None,
        record_sub: false,
        motion: None,
    }
}

#[test]
fn the_mode_is_the_one_at_the_time() {
    let away = Rule { modes: vec![Word::Known(Mode::Away)], ..rule(1, &[], None) };
    let rig = Rig::new(&[away]);
    let leaves = rig.event(1, EventKind::Motion);
    assert!(rig.tell(&leaves, Ask::Anew).is_empty());
    rig.wait(5);
    let set = rig.store.urgent_blocking(|db| Ok((db.set_mode(Mode::Away)?, db.set_mode(Mode::Away)?))).unwrap();
    assert_eq!(set, (true, false));
    let left = Event { end: Some(leaves.start + SignedDuration::from_secs(3)), ..leaves.clone() };
    assert!(rig.tell(&left, Ask::Anew).is_empty(), "who went out was seen before");
    assert_eq!(rig.tell(&leaves, Ask::Anew).len(), 1, "it goes on while nobody is at home");
}

#[test]
fn what_moves_all_day_is_protected_for_an_hour() {
    let rig = Rig::new(&[rule(1, &[], Some((60, 60)))]);
    let event = rig.event(1, EventKind::Motion);
    for _ in 0..100 {
        rig.tell(&event, Ask::Anew);
        rig.wait(100);
    }
    assert_eq!(rig.protected(event.start), [(-60, LONGEST_BY_RULE.as_secs() as i64 - 60)]);
    let span: ProtectedSpan = rig.store.read_blocking(|db| db.protected_spans()).unwrap()[0];
    assert!(span.by_rule);
}
