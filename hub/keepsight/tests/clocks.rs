//! A year of clock mischief in virtual time, through the API: boards that wake up in 1970, batteries that are months off,
//! time servers that step to and fro. Afterwards every segment is found under its true day and under no other, plays at
//! its true time, and what was missed is a gap where it was missed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::footage::{Fragment, InitSegment, SegmentDetails, StreamName, Track, VideoParams};
use base::{BootId, CameraId, Clock, ConnectionId, Mono, Shutdown, SimClock, SystemClock, TimeSource, Timestamp};
use footage::bmff::{self, NewRun, NewSample};
use footage::{ClockLine, StreamWriter};
use jiff::SignedDuration;
use keepsight::config::Config;
use keepsight::hub::Hub;
use recorder::{CameraChange, NewCamera, NewSource};
use testkit::client::{Client, PASSWORD};
use testkit::hub::Home;
use vault::Password;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// One picture, and one fragment, lasts so long.
const PICTURE_S: u64 = 10;
/// True times may be off by what is no step yet.
const NEAR: SignedDuration = SignedDuration::from_millis(1_500);
const FIRST: &str = "2025-01-01T00:00:00Z";

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

/// A boot of a hub, and what time it truly is.
struct Boot<'a> {
    home: &'a Home,
    hub: Hub,
    clock: SimClock,
    begun: (Timestamp, Mono),
    known_boots: BTreeSet<String>,
}

/// What was truly recorded: of all cameras the same.
#[derive(Default)]
struct Truth {
    /// From when to when, and the pictures' starts.
    stretches: Vec<(Timestamp, Timestamp)>,
    pictures: Vec<Timestamp>,
    /// A segment is six pictures long.
    segments: usize,
    /// How much of it was dated wrong when it was written.
    wrong: usize,
}

fn plus(at: Timestamp, s: u64) -> Timestamp {
    at + Duration::from_secs(s)
}

fn lines(home: &Home) -> Vec<ClockLine> {
    let text = std::fs::read(home.footage().join(".keepsight-clock")).unwrap_or_default();
    text.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

async fn start(home: &Home, clock: impl Clock) -> Hub {
    Hub::start(Config::load(&home.config()).unwrap(), Arc::new(clock), Shutdown::new()).await.unwrap()
}

impl<'a> Boot<'a> {
    /// Power comes at a true time, and the machine's clock shows what it likes.
    async fn new(home: &'a Home, truth: Timestamp, shows: Timestamp, source: TimeSource) -> Boot<'a> {
        let clock = SimClock::at(shows);
        clock.step_wall(shows, source);
        let known_boots = lines(home).iter().map(|l| l.boot.to_string()).collect();
        let begun = (truth, clock.mono());
        let hub = start(home, clock.clone()).await;
        let boot = Boot { home, hub, clock, begun, known_boots };
        boot.written(|boot, line| !boot.known_boots.contains(&line.boot.to_string())).await;
        boot
    }
    fn truth(&self) -> Timestamp {
        self.begun.0 + self.clock.mono().since(self.begun.1)
    }
    /// Waits until this is the clock file's last line; the hub looks every two seconds of its own time.
    async fn written(&self, is_it: impl Fn(&Self, &ClockLine) -> bool) {
        let deadline = SystemClock.mono() + Duration::from_secs(20);
        while !lines(self.home).last().is_some_and(|line| is_it(self, line)) {
            assert!(SystemClock.mono() < deadline, "the clock file does not say it");
            self.clock.advance(Duration::from_millis(200));
            SystemClock.sleep(Duration::from_millis(1)).await;
        }
    }
    async fn step(&self, to: Timestamp) {
        self.clock.step_wall(to, TimeSource::Ntp);
        let offset = to.as_millisecond() - (self.clock.mono().0 / 1_000_000) as i64;
        self.written(|boot, line| {
            let mine = !boot.known_boots.contains(&line.boot.to_string());
            mine && line.source == TimeSource::Ntp && line.offset_ms.abs_diff(offset) <= 1_000
        })
        .await;
    }
    async fn writers(&self, cameras: &[CameraId]) -> Vec<(CameraId, StreamWriter)> {
        let mut writers = Vec::new();
        for camera in cameras.iter().copied() {
            let epoch = self.hub.store().read(move |db| db.current_epoch(camera)).await.unwrap().unwrap();
            writers.push((camera, self.hub.keeper().stream(camera, StreamName::Main, epoch.public)));
        }
        writers
    }
}

/// Records so many pictures of every camera; half-way the clock may be stepped.
async fn record(boot: &Boot<'_>, cameras: &[CameraId], pictures: u64, step: Option<i64>, truth: &mut Truth) {
    let writers = boot.writers(cameras).await;
    let connection = ConnectionId::new(&boot.clock);
    let began = boot.truth();
    let zero = boot.clock.mono();
    for (_, writer) in &writers {
        writer.begin(init(), connection, zero);
    }
    for n in 0..pictures {
        if n == pictures / 2
            && let Some(step) = step
        {
            // Pictures go on coming meanwhile, as far as anybody can tell: time stands still for the camera.
            let to = boot.truth().saturating_add(SignedDuration::from_secs(step)).unwrap();
            boot.step(to).await;
        }
        // As the camera counts: the clock file took some time of its own.
        let at = began + Duration::from_secs(n * PICTURE_S);
        truth.pictures.push(at);
        truth.wrong += usize::from(boot.clock.wall().duration_since(boot.truth()).abs() > NEAR);
        for (camera, writer) in &writers {
            writer.push(fragment(*camera, at, n, zero + Duration::from_secs(n * PICTURE_S))).unwrap();
        }
        let next = zero + Duration::from_secs((n + 1) * PICTURE_S);
        boot.clock.advance(next.since(boot.clock.mono()));
    }
    for (_, writer) in &writers {
        writer.end();
    }
    truth.stretches.push((began, began + Duration::from_secs(pictures * PICTURE_S)));
    truth.segments += pictures.div_ceil(6) as usize;
    // All of it is in the index before anything else happens.
    for camera in cameras.iter().copied() {
        testkit::wait_for("the segments are in the index", Duration::from_secs(20), async || {
            closed(&boot.hub, camera).await == truth.segments
        })
        .await;
    }
}

async fn closed(hub: &Hub, camera: CameraId) -> usize {
    let rows = hub.store().read(move |db| db.segments_from(camera, StreamName::Main, Timestamp::MIN, 100_000));
    rows.await.unwrap().iter().filter(|row| row.details == SegmentDetails::Closed).count()
}

fn files(home: &Home, camera: CameraId) -> usize {
    let days = std::fs::read_dir(home.footage().join(camera.to_string())).unwrap().flatten();
    let days = days.filter(|day| day.file_name() != "keys");
    days.map(|day| std::fs::read_dir(day.path()).unwrap().count()).sum()
}

fn init() -> InitSegment {
    let ftyp = [&[0, 0, 0, 16][..], b"ftyp", b"iso6", &[0, 0, 0, 0]].concat();
    let moov = [&[0, 0, 0, 20][..], b"moov", &[0, 0, 0, 12], b"mvhd", &[0, 0, 0, 1]].concat();
    InitSegment {
        bytes: [ftyp, moov].concat().into(),
        video: VideoParams { codec: "avc1.64001f".into(), width: 1920, height: 1080 },
        audio: None,
    }
}

/// A picture that says whose it is and when it truly was.
fn mark(camera: CameraId, at: Timestamp) -> String {
    format!("{camera} at {:015}", at.as_millisecond())
}

fn fragment(camera: CameraId, at: Timestamp, n: u64, arrived: Mono) -> Fragment {
    let (mark, ticks) = (mark(camera, at), PICTURE_S * 90_000);
    let sample = NewSample { data: mark.as_bytes(), duration: ticks as u32, cts_offset: 0, key: true };
    let bytes =
        bmff::build_fragment(n as u32, &[NewRun { track: Track::Video, dts: n * ticks, samples: vec![sample] }]);
    let layout = bmff::parse_fragment(&bytes).unwrap();
    Fragment {
        samples: layout.runs.iter().flat_map(|r| r.samples.clone()).collect(),
        start_90k: (n * ticks) as i64,
        end_90k: ((n + 1) * ticks) as i64,
        key: true,
        arrived,
        bytes,
    }
}

/// A year of boots. What was recorded, and of whom.
async fn a_year(home: &Home, seed: u64) -> (Vec<CameraId>, Truth) {
    let mut dice = Dice(seed);
    let first: Timestamp = FIRST.parse().unwrap();
    let (mut now, mut truth, mut cameras) = (plus(first, HOUR), Truth::default(), Vec::new());
    let wrongs = ["1970-01-01T00:00:00Z", "2000-01-01T00:00:00Z", "2026-06-19T03:14:07Z", "2025-03-29T23:59:59Z"];
    while now < plus(first, 365 * DAY) {
        let (shows, source) = match dice.roll(4) {
            _ if cameras.is_empty() => (now, TimeSource::Ntp),
            0 => (now, TimeSource::Ntp),
            1 => (wrongs[dice.roll(4) as usize].parse().unwrap(), TimeSource::Rtc),
            2 => (now - Duration::from_secs(dice.roll(90 * DAY)), TimeSource::Rtc),
            _ => (now + Duration::from_secs(dice.roll(90 * DAY)), TimeSource::Rtc),
        };
        let boot = Boot::new(home, now, shows, source).await;
        if cameras.is_empty() {
            boot.hub.claim("Olivia", Password::new(PASSWORD.to_owned()).unwrap()).await.unwrap();
            for n in 0..2 {
                let main = NewSource { url: format!("rtsp://127.0.0.1:9/{n}"), ..NewSource::default() };
                let new = NewCamera { name: format!("Camera {n}"), main, sub: None };
                let id = boot.hub.recorder().add(new).await.unwrap().id;
                // Nobody connects to it: the test records.
                let pause = CameraChange { paused: Some(true), ..CameraChange::default() };
                boot.hub.recorder().change(id, pause).await.unwrap();
                cameras.push(id);
            }
        }
        let stretches = 1 + dice.roll(4);
        let true_from = dice.roll(stretches + 1);
        for n in 0..stretches {
            let pictures = 6 + dice.roll(30);
            if n == true_from {
                // The true time comes, in the middle of a recording or between two.
                match dice.one_in(2) {
                    true => record(&boot, &cameras, pictures, Some(0), &mut truth).await,
                    false => boot.step(boot.truth()).await,
                }
            } else if n > true_from && dice.one_in(3) {
                // A time server is wrong for an hour.
                let by = 2 + dice.roll(50 * HOUR) as i64;
                let by = if dice.one_in(2) { by } else { -by };
                record(&boot, &cameras, pictures, Some(by), &mut truth).await;
                boot.clock.advance(Duration::from_secs(HOUR));
                boot.step(boot.truth()).await;
            } else {
                record(&boot, &cameras, pictures, None, &mut truth).await;
                if n >= true_from && dice.one_in(3) {
                    // No step yet.
                    let by = SignedDuration::from_millis(dice.roll(800) as i64 - 400);
                    boot.clock.step_wall(boot.truth().saturating_add(by).unwrap(), TimeSource::Ntp);
                }
            }
            boot.clock.advance(Duration::from_secs(60 + dice.roll(2 * DAY)));
        }
        boot.step(boot.truth()).await;
        now = boot.truth();
        boot.hub.stop().await;
        now = plus(now, 30 + dice.roll(3 * DAY)); // nothing runs
    }
    (cameras, truth)
}

fn near(a: Timestamp, b: Timestamp) -> bool {
    a.duration_since(b).abs() <= NEAR
}

fn time(value: &serde_json::Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Spans by id: of the segments, or of the gaps, that the timeline of a day has.
async fn of_day(owner: &Client, camera: CameraId, day: jiff::civil::Date, zone: &str, what: &str) -> Spans {
    let zone = zone.replace('/', "%2F");
    let answer = owner.get(&format!("/api/v1/cameras/{camera}/timeline?day={day}&tz={zone}")).await.expect(200).json();
    let items = answer[what].as_array().unwrap();
    items.iter().map(|i| (i["id"].as_str().unwrap().to_owned(), (time(&i["start"]), time(&i["end"])))).collect()
}

type Spans = BTreeMap<String, (Timestamp, Timestamp)>;

async fn check(seed: u64) {
    let home = Home::new();
    let (cameras, truth) = a_year(&home, seed).await;
    assert!(truth.wrong > 300 && truth.stretches.len() > 100, "{} of {}", truth.wrong, truth.pictures.len());
    let boots: BTreeSet<BootId> = lines(&home).iter().map(|l| l.boot).collect();
    assert!(boots.len() > 30, "{} boots", boots.len());

    let hub = start(&home, SystemClock).await;
    let mut owner = home.client();
    owner.sign_in("Olivia", PASSWORD).await;
    let days: Vec<_> = jiff::civil::date(2024, 12, 31).series(jiff::Span::new().days(1)).take(380).collect();
    for camera in &cameras {
        let (mut segments, mut gaps) = (Spans::new(), Spans::new());
        for day in &days {
            segments.extend(of_day(&owner, *camera, *day, "UTC", "segments").await);
            gaps.extend(of_day(&owner, *camera, *day, "UTC", "gaps").await);
        }
        assert_eq!(segments.len(), truth.segments, "seed {seed}: every segment is on some day");
        assert_eq!(segments.len(), files(&home, *camera));
        covers(&segments, &truth.stretches, seed);
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
            for day in &days {
                let found = of_day(&owner, *camera, *day, zone, "segments").await;
                let begins = |date: jiff::civil::Date| date.in_tz(zone).unwrap().timestamp();
                let (from, to) = (begins(*day), begins(day.tomorrow().unwrap()));
                let all = segments.clone().into_iter();
                let expected: Spans = all.filter(|(_, (start, end))| *start < to && *end > from).collect();
                assert_eq!(found, expected, "seed {seed}: {day} in {zone}");
            }
        }
        gaps_lie_between(&gaps, &truth.stretches, seed);
        let pictures: Vec<_> = truth.pictures.iter().step_by(7).collect();
        for some in pictures.chunks(100) {
            // Of so short films HTTP/2 clients take only so many on one connection.
            let again = home.client().with_cookie(owner.cookie().unwrap());
            for at in some {
                plays(&again, *camera, **at, seed).await;
            }
        }
    }
    hub.stop().await;
}

/// The segments are what was recorded, no more and no less, each once.
fn covers(segments: &Spans, truth: &[(Timestamp, Timestamp)], seed: u64) {
    let mut sorted: Vec<_> = segments.values().copied().collect();
    sorted.sort();
    let mut rest = sorted.into_iter().peekable();
    for (start, end) in truth {
        let mut at = *start;
        while let Some((from, to)) = rest.next_if(|(from, _)| from < end) {
            assert!(near(from, at), "seed {seed}: a segment begins at {from}, {at} was recorded");
            at = to;
        }
        assert!(near(at, *end), "seed {seed}: {start} to {end} was recorded, there is footage up to {at}");
    }
    assert_eq!(rest.next(), None, "seed {seed}: more than was recorded");
}

/// Between two recordings there are gaps and nothing else, and none where something was recorded.
fn gaps_lie_between(gaps: &Spans, truth: &[(Timestamp, Timestamp)], seed: u64) {
    let slack = NEAR + NEAR;
    for pair in truth.windows(2) {
        let (hole_from, hole_to) = (pair[0].1, pair[1].0);
        let mut parts: Vec<_> =
            gaps.values().copied().filter(|(from, to)| *to > hole_from && *from < hole_to).collect();
        parts.sort();
        let mut at = hole_from;
        for (from, to) in &parts {
            let joins = from.duration_since(at).abs() <= slack;
            assert!(joins, "seed {seed}: {hole_from} to {hole_to} is missing, there are {parts:?}");
            at = *to;
        }
        let covered = at.duration_since(hole_to).abs() <= slack;
        assert!(covered, "seed {seed}: {hole_from} to {hole_to} is missing, there are {parts:?}");
    }
}

/// At a true time there is the picture of that time.
async fn plays(owner: &Client, camera: CameraId, picture: Timestamp, seed: u64) {
    let (from, to) = (plus(picture, PICTURE_S / 2), plus(picture, PICTURE_S / 2 + 1));
    let film = owner.playback(&camera.to_string(), from, to).await.expect(200);
    let start = film.header("keepsight-start").parse().unwrap();
    assert!(near(start, picture), "seed {seed}: {start} for {picture}");
    let mark = mark(camera, picture).into_bytes();
    assert!(film.body.windows(mark.len()).any(|part| part == mark), "seed {seed}: not the picture of {picture}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_year_of_clock_mischief_every_segment_is_found_under_its_true_day() {
    for seed in [1, 2] {
        check(seed).await;
    }
}
