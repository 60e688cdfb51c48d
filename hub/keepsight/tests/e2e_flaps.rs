//! Cameras vanish and return in all the ways they have; the hub records them again within 5 s, says why there is nothing in
//! between, and is afterwards as large as before.
//!
//! `KEEPSIGHT_FLAPS` says how many flaps. With `KEEPSIGHT_RESULTS`, a folder, each is kept there as a line, and a run that was
//! ended early goes on where it was.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Clock, SystemClock, Timestamp};
use camera_sim::{Fault, Simulator};
use serde_json::{Value, json};
use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess, Size};
use testkit::plug::Luck;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const CAMERAS: u16 = 8;
const MANY: u16 = 64;
/// How long they are away, so that the waits between tries are as long as they get.
const AWAY: Duration = Duration::from_secs(6);
/// From the camera's return to the first picture that is kept.
const BACK_WITHIN_S: f64 = 5.0;
/// A hole that is longer must be named.
const HOLE_S: f64 = 1.5;
/// Ends of segments and gaps fit together to within a picture or two.
const TOLERANCE_S: f64 = 0.3;
const GROWTH_BYTES: u64 = 10 << 20;
/// Rounds of flaps until the hub is as large as it gets.
const WARM_UP: usize = 2;

#[tokio::test]
async fn e2e_cameras_that_flap_are_recorded_again_within_five_seconds_and_cost_nothing() {
    let wanted = std::env::var("KEEPSIGHT_FLAPS").map_or(16, |n| n.parse::<usize>().expect("a number of flaps"));
    let results = std::env::var_os("KEEPSIGHT_RESULTS").map(PathBuf::from);
    let done = results.as_deref().map_or(0, |folder| flaps_done(folder).len());
    if done >= wanted {
        return println_for_the_log(&summary(&flaps_done(results.as_deref().expect("they were counted there"))));
    }
    let mut seed = [0; 8];
    base::random(&mut seed);
    let seed = u64::from_ne_bytes(seed);
    println_for_the_log(&format!("seed {seed}"));
    let (mut luck, mut figures) = (Luck(seed), Vec::new());
    let flock = Flock::of(CAMERAS).await;
    let mut before = None;
    for round in 0.. {
        flock.all_are_recorded().await;
        if round == WARM_UP {
            before = Some(flock.process.size());
        }
        if before.is_some() && done + figures.len() >= wanted {
            break;
        }
        let flaps = (1..=CAMERAS).map(|camera| Flap::draw(camera, &mut luck)).collect();
        let told = flock.flap(flaps).await.unwrap_or_else(|e| panic!("seed {seed}, round {round}: {e}"));
        if let Some(results) = &results {
            keep(results, &told);
        }
        figures.extend(told);
    }
    let after = is_still(&flock.process, before.expect("it has warmed up")).await;
    println_for_the_log(&after);
    println_for_the_log(&summary(&figures));
    flock.metrics_are_the_timelines().await;
    flock.process.stop().await;
}

#[tokio::test]
async fn e2e_a_picture_that_never_ends_takes_no_memory_and_no_other_cameras_pictures() {
    let flock = Flock::of(CAMERAS).await;
    flock.all_are_recorded().await;
    let began = SystemClock.wall();
    let before = flock.process.size();
    flock.cameras.set_fault(1, Some(Fault::EndlessPicture)).expect("it is one of them");
    let mut most = 0;
    testkit::wait_for("it is given up twice", Duration::from_secs(60), async || {
        most = most.max(flock.process.size().rss);
        flock.failures(0).await >= 2
    })
    .await;
    flock.cameras.set_fault(1, None).expect("it is one of them");
    flock.all_are_recorded().await;
    let grown = most.saturating_sub(before.rss) >> 20;
    println_for_the_log(&format!("a picture that never ends: {grown} MiB more at most"));
    assert!(grown <= 64, "{grown} MiB more");
    for (n, id) in flock.ids.iter().enumerate() {
        let (_, gaps) = flock.timeline(id, began).await;
        let reasons: Vec<_> = gaps.iter().map(|gap| &gap.2[..]).collect();
        assert!(
            if n == 0 { reasons.contains(&"camera_stalled") } else { reasons.is_empty() },
            "camera {n}: {reasons:?}"
        );
    }
    flock.process.stop().await;
}

#[tokio::test]
async fn e2e_many_cameras_that_return_together_are_recorded_again_within_five_seconds() {
    let flock = Flock::of(MANY).await;
    flock.all_are_recorded().await;
    let began = SystemClock.wall();
    flock.cameras.go_offline().await.expect("they can be taken off the network");
    testkit::wait_for("all are missed", Duration::from_secs(20), async || {
        let cameras = flock.owner.get("/api/v1/cameras").await.expect(200).json();
        cameras.as_array().expect("a list").iter().all(|camera| camera["state"] == "unreachable")
    })
    .await;
    SystemClock.sleep(AWAY).await; // the test's own input
    flock.cameras.go_online().await.expect("they can come back");
    let (returned, held) = (Some(SystemClock.wall()), Duration::ZERO);
    let back = |camera| Flap { camera, kind: Kind::Drop, held, returned, synced_s: None };
    let told = flock.back((1..=MANY).map(back).collect(), began).await.unwrap_or_else(|e| panic!("{e}"));
    println_for_the_log(&summary(&told));
    assert!(told.iter().all(|camera| camera["reason"] == "camera_lost"), "each has its gap");
    flock.process.stop().await;
}

/// What read a camera while it was ill finds it again later than the hub's own source does, after a connection that hangs.
#[tokio::test]
async fn e2e_a_camera_that_was_ill_for_a_while_is_read_as_before_and_found_again_as_soon() {
    let flock = Flock::of(1).await;
    let source = async || flock.owner.camera(&flock.ids[0]).await["via"]["source"].clone();
    let mut told = Vec::new();
    for then in [Fault::HalfOpen, Fault::Trickle { bytes_per_s: 20 }] {
        flock.all_are_recorded().await;
        assert_eq!(source().await, "hub");
        flock.cameras.set_fault(1, Some(Fault::BadParameters)).expect("it is one of them");
        testkit::wait_for("it is tried in another way", Duration::from_secs(30), async || {
            source().await == "gstreamer"
        })
        .await;
        flock.cameras.set_fault(1, None).expect("it is one of them");
        flock.all_are_recorded().await;
        assert_eq!(source().await, "gstreamer", "what reads it goes on with it");
        let flap = Flap { camera: 1, kind: Kind::Fault(then), held: AWAY, returned: None, synced_s: None };
        told.extend(flock.flap(vec![flap]).await.unwrap_or_else(|e| panic!("{e}")));
    }
    assert_eq!(source().await, "hub");
    println_for_the_log(&summary(&told));
    flock.process.stop().await;
}

#[tokio::test]
async fn e2e_a_paused_camera_is_left_alone_and_its_gap_says_so() {
    let flock = Flock::of(2).await;
    flock.all_are_recorded().await;
    let (began, camera) = (SystemClock.wall(), format!("/api/v1/cameras/{}", flock.ids[0]));
    let pause = async |paused: bool| {
        flock.owner.request(http::Method::PATCH, &camera, Some(json!({"paused": paused}))).await.expect(200);
    };
    pause(true).await;
    testkit::wait_for("it is paused", Duration::from_secs(10), async || {
        flock.owner.camera(&flock.ids[0]).await["state"] == "paused"
    })
    .await;
    let sent = || flock.cameras.pictures_sent(1, base::footage::StreamName::Main).expect("it is one of them");
    let left = sent();
    SystemClock.sleep(Duration::from_secs(3)).await; // the test's own input
    assert!(sent() <= left + 1, "nobody plays it");
    pause(false).await;
    let (returned, held) = (Some(SystemClock.wall()), Duration::ZERO);
    let kind = Kind::Pause;
    let told = flock.back(vec![Flap { camera: 1, kind, held, returned, synced_s: None }], began).await;
    assert_eq!(told.unwrap_or_else(|e| panic!("{e}"))[0]["reason"], "paused");
    assert!(flock.timeline(&flock.ids[1], began).await.1.is_empty(), "the other has no gap");
    flock.process.stop().await;
}

/// How a camera is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fault(Fault),
    Drop,
    Jump {
        ms: i64,
    },
    /// Not broken: a person wants it so.
    Pause,
}

/// A camera that is broken for a while.
struct Flap {
    camera: u16,
    kind: Kind,
    held: Duration,
    /// When it was well again.
    returned: Option<Timestamp>,
    /// How long after it the hub told of pictures on disk that came after it.
    synced_s: Option<f64>,
}

impl Flap {
    fn draw(camera: u16, luck: &mut Luck) -> Self {
        let minutes = 1 + luck.below(120) as i64;
        let kind = match luck.below(11) {
            0 => Kind::Fault(Fault::Stall),
            1 => Kind::Drop,
            2 => Kind::Fault(Fault::HalfOpen),
            3 => Kind::Fault(Fault::HalfOpenRefusing),
            4 => Kind::Fault(Fault::Reboot),
            5 => Kind::Fault(Fault::Unauthorised),
            6 => Kind::Fault(Fault::BadParameters),
            7 => Kind::Jump { ms: minutes * 60_000 },
            8 => Kind::Jump { ms: minutes * -60_000 },
            9 => Kind::Fault(Fault::Loss { one_in: 3 }),
            _ => Kind::Fault(Fault::Trickle { bytes_per_s: 20 }),
        };
        let held = match kind {
            Kind::Drop | Kind::Jump { .. } | Kind::Pause => Duration::ZERO,
            // One that is refused for longer is tried slowly, as cameras lock accounts; for less, the hub may not notice.
            Kind::Fault(Fault::Unauthorised) => Duration::from_millis(2_500 + luck.below(2_500) as u64),
            Kind::Fault(_) => Duration::from_millis(1_500 + luck.below(5_500) as u64),
        };
        Self { camera, kind, held, returned: None, synced_s: None }
    }

    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Fault(Fault::Stall) => "stall",
            Kind::Fault(Fault::HalfOpen) => "half-open, new connections hang",
            Kind::Fault(Fault::HalfOpenRefusing) => "half-open, new connections are reset",
            Kind::Fault(Fault::Reboot) => "reboot",
            Kind::Fault(Fault::Unauthorised) => "401",
            Kind::Fault(Fault::BadParameters) => "bad parameters",
            Kind::Fault(Fault::Loss { .. }) => "sequence gaps",
            Kind::Fault(Fault::Trickle { .. }) => "slow trickle",
            Kind::Fault(_) => "another fault",
            Kind::Drop => "drop",
            Kind::Pause => "pause",
            Kind::Jump { ms } if ms > 0 => "timestamps jump forward",
            Kind::Jump { .. } => "timestamps jump back",
        }
    }

    /// The reason of its gap, if it makes one.
    fn reason(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Fault(Fault::Stall | Fault::HalfOpen | Fault::HalfOpenRefusing | Fault::Trickle { .. }) => {
                Some("camera_stalled")
            }
            // Pictures that need more than two packets are all incomplete: no whole one for seconds is as good as none.
            Kind::Fault(Fault::Loss { .. }) => Some("camera_stalled"),
            Kind::Fault(Fault::Unauthorised) => Some("camera_unauthorised"),
            Kind::Fault(Fault::BadParameters) => Some("camera_broken"),
            Kind::Jump { .. } => None,
            Kind::Fault(_) | Kind::Drop => Some("camera_lost"),
            Kind::Pause => Some("paused"),
        }
    }

    fn begin(&self, cameras: &Simulator) {
        match self.kind {
            Kind::Fault(fault) => cameras.set_fault(self.camera, Some(fault)),
            Kind::Drop => cameras.reset(self.camera),
            Kind::Jump { ms } => cameras.jump(self.camera, ms),
            Kind::Pause => Ok(()),
        }
        .expect("it is one of them");
    }

    /// What the timeline says of it; what is wrong with that.
    fn check(&self, spans: &[Span], gaps: &[(Timestamp, Timestamp, String)]) -> Result<Value, String> {
        let returned = self.returned.expect("it has returned");
        // The last hole that was there, or came, when it returned.
        let mut holes = spans.windows(2).map(|pair| (pair[0].1, pair[1].0));
        let hole = holes.rfind(|(from, to)| *to > returned && seconds(*from, *to) > TOLERANCE_S);
        let kept_s = hole.map_or(0.0, |(_, to)| seconds(returned, to));
        if kept_s > BACK_WITHIN_S {
            return Err(format!("kept again {kept_s:.2} s after its return"));
        }
        let synced_s = self.synced_s.expect("it is on disk");
        if gaps.len() > usize::from(self.reason().is_some()) {
            return Err(format!("{} gaps", gaps.len()));
        }
        for (start, end, reason) in gaps {
            if Some(&reason[..]) != self.reason() {
                return Err(format!("its gap's reason is {reason}"));
            }
            let over = |(s, e): &Span| seconds(*start.max(s), *end.min(e)) > TOLERANCE_S;
            if spans.iter().any(over) {
                return Err(format!("the gap from {start} to {end} lies over footage"));
            }
        }
        for pair in spans.windows(2) {
            let (from, to) = (pair[0].1, pair[1].0);
            let names = |(start, end, _): &(Timestamp, Timestamp, String)| {
                seconds(from, *start) <= TOLERANCE_S && seconds(*end, to) <= TOLERANCE_S
            };
            if seconds(from, to) > HOLE_S && !gaps.iter().any(names) {
                return Err(format!("nothing says why there is nothing from {from} to {to}"));
            }
        }
        let gap_s = gaps.first().map(|(start, end, _)| seconds(*start, *end));
        let (held_s, reason) = (self.held.as_secs_f64(), gaps.first().map(|gap| &gap.2));
        Ok(json!({"kind": self.name(), "held_s": tenth(held_s), "kept_s": hundredth(kept_s),
            "synced_s": hundredth(synced_s), "gap_s": gap_s.map(hundredth), "reason": reason}))
    }
}

type Span = (Timestamp, Timestamp);

/// A hub with its cameras.
struct Flock {
    _home: Home,
    cameras: Simulator,
    process: HubProcess,
    owner: Client,
    ids: Vec<String>,
}

impl Flock {
    async fn of(cameras: u16) -> Flock {
        let home = Home::new();
        let cameras = testkit::cameras(cameras).await;
        let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
        let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
        let mut ids = Vec::new();
        for (i, camera) in cameras.addresses().iter().enumerate() {
            ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
        }
        Flock { _home: home, cameras, process, owner, ids }
    }

    async fn all_are_recorded(&self) {
        self.owner.wait_recording(&self.ids, Duration::from_secs(30)).await;
    }

    async fn failures(&self, camera: usize) -> u64 {
        let text = self.metrics().await;
        let name = format!("keepsight_camera_failures_total{{camera=\"{}\"}}", self.ids[camera]);
        value(&text, &name) as u64
    }

    /// Breaks all these cameras at once, lets each return after its time, and waits until all are on disk again.
    async fn flap(&self, flaps: Vec<Flap>) -> Result<Vec<Value>, String> {
        let began = SystemClock.wall();
        flaps.iter().for_each(|flap| flap.begin(&self.cameras));
        self.back(flaps, began).await
    }

    /// The same of cameras that were broken at `began`.
    async fn back(&self, mut flaps: Vec<Flap>, began: Timestamp) -> Result<Vec<Value>, String> {
        let at = SystemClock.mono();
        testkit::wait_for("all are recorded again", Duration::from_secs(60), async || {
            let now = SystemClock.mono();
            for flap in flaps.iter_mut().filter(|flap| flap.returned.is_none() && now.since(at) >= flap.held) {
                if let Kind::Fault(_) = flap.kind {
                    self.cameras.set_fault(flap.camera, None).expect("it is one of them");
                }
                flap.returned = Some(SystemClock.wall());
            }
            self.look(&mut flaps).await;
            flaps.iter().all(|flap| flap.synced_s.is_some())
        })
        .await;
        let mut told = Vec::new();
        for flap in &flaps {
            let id = &self.ids[usize::from(flap.camera) - 1];
            // A gap's end is written beside the recording.
            let mut checked = Err(String::new());
            let deadline = SystemClock.mono() + Duration::from_secs(3);
            while checked.is_err() && SystemClock.mono() < deadline {
                let (spans, gaps) = self.timeline(id, began).await;
                checked = flap.check(&spans, &gaps).map_err(|e| format!("{e}; {spans:?}; {gaps:?}"));
            }
            let (n, name, held) = (flap.camera, flap.name(), flap.held);
            told.push(checked.map_err(|e| {
                format!("camera {n}, {name} for {held:?} from {began}, returned {:?}: {e}", flap.returned)
            })?);
        }
        Ok(told)
    }

    /// Which of those that have returned are on disk.
    async fn look(&self, flaps: &mut [Flap]) {
        let cameras = self.owner.get("/api/v1/cameras").await.expect(200).json();
        let now = SystemClock.wall();
        for flap in flaps.iter_mut().filter(|flap| flap.synced_s.is_none()) {
            let id = json!(self.ids[usize::from(flap.camera) - 1]);
            let camera = cameras.as_array().and_then(|all| all.iter().find(|c| c["id"] == id)).expect("it is listed");
            let synced = camera["last_fragment_at"].as_str().and_then(|t| t.parse::<Timestamp>().ok());
            if let (Some(returned), Some(synced)) = (flap.returned, synced)
                && synced > returned
            {
                assert!(seconds(now, synced) < 1.0, "footage of camera {} ends in the future: {synced}", flap.camera);
                flap.synced_s = Some(seconds(returned, now));
            }
        }
    }

    /// Segments and gaps since a time.
    async fn timeline(&self, id: &str, from: Timestamp) -> (Vec<Span>, Vec<(Timestamp, Timestamp, String)>) {
        let to = SystemClock.wall() + Duration::from_secs(3_600);
        let timeline =
            self.owner.get(&format!("/api/v1/cameras/{id}/timeline?from={from}&to={to}")).await.expect(200).json();
        let time = |v: &Value| v.as_str().and_then(|t| t.parse().ok()).expect("a time");
        let list = |name: &str| timeline[name].as_array().cloned().expect("a list");
        let mut spans: Vec<Span> = list("segments").iter().map(|s| (time(&s["start"]), time(&s["end"]))).collect();
        spans.sort();
        let gap = |g: &Value| (time(&g["start"]), time(&g["end"]), g["reason"].as_str().unwrap_or_default().to_owned());
        (spans, list("gaps").iter().map(gap).collect())
    }

    async fn metrics(&self) -> String {
        let answer = self.owner.get("/metrics").await.expect(200);
        String::from_utf8(answer.body.to_vec()).expect("metrics are text")
    }

    /// Prometheus is told the same as people are.
    async fn metrics_are_the_timelines(&self) {
        let text = self.metrics().await;
        for id in &self.ids {
            let (_, gaps) = self.timeline(id, SystemClock.wall() - Duration::from_secs(20 * 3_600)).await;
            let mut by_reason = BTreeMap::<String, (f64, f64)>::new();
            for (start, end, reason) in gaps {
                let tally = by_reason.entry(reason).or_default();
                *tally = (tally.0 + 1.0, tally.1 + seconds(start, end));
            }
            for (reason, (count, length)) in by_reason {
                let labels = format!("{{camera=\"{id}\",reason=\"{reason}\"}}");
                assert_eq!(value(&text, &format!("keepsight_camera_gaps_total{labels}")), count, "{reason}");
                let told = value(&text, &format!("keepsight_camera_gap_seconds_total{labels}"));
                assert!((told - length).abs() < 0.1, "{reason}: {told} s and {length} s");
            }
        }
    }
}

/// A value of the metrics; 0 if there is none.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |rest| rest.trim().parse().expect("a number"))
}

/// Threads and connections that are on their way out may take a while.
async fn is_still(process: &HubProcess, before: Size) -> String {
    let mut now = process.size();
    testkit::wait_for(&format!("no more than {before:?}"), Duration::from_secs(30), async || {
        now = process.size();
        now.threads <= before.threads && now.descriptors <= before.descriptors && now.rss <= before.rss + GROWTH_BYTES
    })
    .await;
    let mb = |size: Size| size.rss as f64 / f64::from(1 << 20);
    format!(
        "the hub: {:.1} MiB before, {:.1} after; threads {} and {}, descriptors {} and {}",
        mb(before),
        mb(now),
        before.threads,
        now.threads,
        before.descriptors,
        now.descriptors
    )
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

fn tenth(s: f64) -> f64 {
    (s * 10.0).round() / 10.0
}

fn hundredth(s: f64) -> f64 {
    (s * 100.0).round() / 100.0
}

fn keep(results: &Path, flaps: &[Value]) {
    std::fs::create_dir_all(results).expect("a folder for the results");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(results.join("flaps.jsonl"));
    let lines: String = flaps.iter().map(|flap| format!("{flap}\n")).collect();
    file.and_then(|mut file| file.write_all(lines.as_bytes())).expect("the results");
}

fn flaps_done(results: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(results.join("flaps.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of results")).collect()
}

/// A table of what was measured, by kind.
fn summary(flaps: &[Value]) -> String {
    let mut kinds = BTreeMap::<&str, Vec<&Value>>::new();
    for flap in flaps {
        kinds.entry(flap["kind"].as_str().unwrap_or_default()).or_default().push(flap);
        kinds.entry("all").or_default().push(flap);
    }
    let mut text =
        "| kind | flaps | gaps | kept again after: median, max | on disk after: median, max |\n|---|---|---|---|---|\n"
            .to_owned();
    for (kind, flaps) in kinds {
        let spread = |name: &str| {
            let mut values: Vec<_> = flaps.iter().filter_map(|flap| flap[name].as_f64()).collect();
            values.sort_by(f64::total_cmp);
            format!("{:.2}, {:.2}", values[values.len() / 2], values[values.len() - 1])
        };
        let gaps = flaps.iter().filter(|flap| !flap["reason"].is_null()).count();
        text += &format!("| {kind} | {} | {gaps} | {} | {} |\n", flaps.len(), spread("kept_s"), spread("synced_s"));
    }
    text
}

#[expect(clippy::disallowed_macros, reason = "figures for whoever reads the test's output")]
fn println_for_the_log(line: &str) {
    println!("{line}");
}
