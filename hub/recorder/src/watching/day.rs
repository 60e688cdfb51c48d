//! A day in virtual time: pictures are painted by a script of who comes when, looked at, and what is found becomes events as at a
//! camera. The store's list of events equals the script.

#[path = "../../../vision/tests/films/mod.rs"]
mod films;

use base::{Clock, EpochId, HubId, Mono, SimClock, SystemClock, Timestamp};
use films::day::{self, Day, FPS, HEIGHT, WIDTH, is_lively, script};
use footage::Disk;
use store::EventQuery;
use vault::EpochSecrets;
use vision::{Attention, Grey, Look, Motion, MotionSettings};

use super::*;

/// From key picture to key picture, in seconds, and where nothing is near: a day has many.
const KEYS_S: u64 = 2;
const RARE_KEYS_S: u64 = 12;

/// So far an event's begin and end may be off.
const STARTS_S: f32 = KEYS_S as f32 + 0.2;
const ENDS_S: f32 = 3.0;
/// Something that has moved for so long may be looked at now and then: its end may be so much farther off.
const LONG_S: f32 = 120.0;
const LONG_ENDS_S: f32 = 8.5;

/// One camera, watched without a child.
struct Hub {
    clock: SimClock,
    camera: CameraId,
    watchers: Watchers,
    findings: mpsc::Sender<Finding>,
    news: broadcast::Receiver<Event>,
    /// Something goes on.
    open: bool,
    _folder: tempfile::TempDir,
}

impl Hub {
    fn new() -> Self {
        let clock = SimClock::default();
        let (camera, hub, boot) = (CameraId::new(&clock), HubId::new(&clock), BootId::new(&clock));
        let folder = tempfile::tempdir().unwrap();
        let watchers = Watchers {
            eyes: None,
            stills: None,
            // Its own time is the machine's: what it puts off by it does not wait for the day to pass.
            store: Store::open(&folder.path().join("store"), hub, Arc::new(SystemClock)).unwrap(),
            footage: Footage::new(Disk::create(&folder.path().join("footage"), &clock).unwrap(), hub),
            space: Arc::new(Space::new()),
            clock: Arc::new(clock.clone()),
            boot,
            news: Watchers::news(),
        };
        let (findings, mut found) = mpsc::channel(1);
        let epoch = EpochSecrets::generate(EpochId::new(&clock), camera).public();
        let (news, for_events) = (watchers.listen(), watchers.clone());
        tokio::spawn(async move {
            let (_keep, epoch) = watch::channel(epoch);
            follow(camera, for_events, &mut found, epoch, Shutdown::new()).await;
        });
        Self { clock, camera, watchers, findings, news, open: false, _folder: folder }
    }

    /// Time passes: what has been quiet for long enough is over, and kept.
    async fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        if self.open && self.clock.sleepers() == 0 {
            while self.news.recv().await.unwrap().end.is_none() {}
            self.open = false;
        }
    }

    /// Something is found, and made an event of before time goes on.
    async fn found(&mut self, finding: Finding) {
        self.findings.send(finding).await.unwrap();
        self.open = true;
        // It waits for more, or for the end of it.
        while self.findings.capacity() == 0 || self.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// What the store has, oldest first: begin and end in seconds of the day.
    async fn events(&self, midnight: Timestamp) -> Vec<(f32, f32)> {
        let cameras = vec![self.camera];
        let query = EventQuery { cameras, kind: None, from: None, to: None, after: None, limit: 1_000 };
        let page = self.watchers.store.call(move |db| db.events(&query)).await.unwrap();
        let second = |at: Timestamp| at.duration_since(midnight).as_secs_f32();
        let mut events: Vec<_> =
            page.items.iter().map(|event| (second(event.start), second(event.end.unwrap()))).collect();
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        events
    }
}

/// The events that the script makes: who comes within ten seconds belongs to who was there.
fn wanted() -> Vec<(f32, f32)> {
    let mut wanted: Vec<(f32, f32)> = Vec::new();
    for visit in script() {
        match wanted.last_mut() {
            Some((_, until)) if visit.at - *until < crate::happening::QUIET.as_secs_f32() => *until = visit.until(),
            _ => wanted.push((visit.at, visit.until())),
        }
    }
    wanted
}

#[tokio::test]
async fn a_virtual_day_has_the_events_of_its_script_and_no_others() {
    let (mut hub, day) = (Hub::new(), Day::new(1));
    let (midnight, boot) = (hub.clock.wall(), hub.clock.mono());
    let mut motion = Motion::new(MotionSettings::default());
    let (mut attention, mut follows, mut lively) = (Attention::default(), false, false);
    for number in 0..day::SECONDS * FPS {
        if number % FPS == 0 {
            lively = is_lively((number / FPS) as f32);
        }
        let key = number % (FPS * if lively { KEYS_S } else { RARE_KEYS_S }) == 0;
        let at = Duration::from_micros(number * 1_000_000 / FPS);
        let now = boot + at;
        let look = attention.picture(now, key);
        follows = look == Look::Whole && (key || follows);
        if look != Look::Alone && !follows {
            continue;
        }
        hub.advance(now.since(hub.clock.mono())).await;
        let seen = motion.see(&Grey::shrink(&day.picture(number), WIDTH, HEIGHT, WIDTH).unwrap(), at);
        if seen.suspicion {
            attention.suspects(now);
        }
        if let Some(moving) = seen.moving {
            attention.moves(now, true);
            let since: Mono = boot + moving.since;
            hub.found(Finding { at: now, since, moving: Some(moving), picture: None, objects: Vec::new() }).await;
        }
        // What came since the last key picture is looked at now.
        follows |= attention.looks_at_all(now);
    }
    hub.advance(Duration::from_secs(60)).await;
    let (events, wanted) = (hub.events(midnight).await, wanted());
    assert_eq!(wanted.len(), script().len() - 2);
    let is = |event: &(f32, f32), wanted: &(f32, f32)| {
        // At the next key picture, or before; and until it is gone.
        let ends_s = if wanted.1 - wanted.0 > LONG_S { LONG_ENDS_S } else { ENDS_S };
        (event.0 - wanted.0).abs() <= STARTS_S && (event.1 - wanted.1).abs() <= ends_s
    };
    let equal = events.len() == wanted.len() && events.iter().zip(&wanted).all(|(event, wanted)| is(event, wanted));
    assert!(equal, "events {events:?}, the script has {wanted:?}");
}
