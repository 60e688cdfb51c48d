//! Promise 4, the half that a kill cannot show: the power is cut at random places, with 8 cameras recording. The hub starts
//! by itself on whatever the disk may be then; what was told as kept is there; at most 2 s of each camera are lost.
//!
//! `KEEPSIGHT_PLUG_CUTS` says how many cuts. With `KEEPSIGHT_RESULTS`, a folder, figures are kept there, and a run that was
//! ended early goes on where it was.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base::footage::StreamName;
use base::{CameraId, Clock, Mono, SystemClock, Timestamp};
use camera_sim::{Sent, Simulator};
use futures::FutureExt;
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Client, PASSWORD};
use testkit::hub::{self, Home, HubProcess};
use testkit::plug::{Log, Luck};
use testkit::search::files;
use vault::{RecoveryKit, Viewer};

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const CAMERAS: u16 = 8;
/// A picture is on disk at most this long after it arrived.
const MOST_LOST_S: f64 = 2.0;
/// Cuts of one recording; then another is made.
const CUTS_OF_ONE: usize = 50;
const RECORDED: Duration = Duration::from_secs(20);

#[tokio::test]
async fn e2e_whenever_the_power_is_cut_the_hub_goes_on_and_two_seconds_are_lost_at_most() {
    let wanted = std::env::var("KEEPSIGHT_PLUG_CUTS").map_or(12, |n| n.parse::<usize>().expect("a number of cuts"));
    let results = std::env::var_os("KEEPSIGHT_RESULTS").map(PathBuf::from);
    let mut done = results.as_deref().map_or(0, cuts_done);
    let cameras = testkit::cameras(CAMERAS).await;
    while done < wanted {
        let mut seed = [0; 8];
        base::random(&mut seed);
        let seed = u64::from_ne_bytes(seed);
        let recording = Recording::make(&cameras, seed).await;
        let log = Log::read(&recording.log);
        let mut luck = Luck(seed);
        let mut round = Round { seed, records: log.len(), losses: Vec::new() };
        for n in 0..(wanted - done).min(CUTS_OF_ONE) {
            let cut = recording.cut(&log, &mut luck);
            println_for_the_log(&format!("seed {seed}, cut {n} before record {cut} of {}", log.len()));
            let deep = n % 10 == 0;
            let lost = recording.after_a_cut(&log, cut, &mut luck, deep).await;
            round.losses.extend(lost.unwrap_or_else(|e| panic!("seed {seed}, cut {n} before record {cut}: {e}")));
        }
        done += round.losses.len() / usize::from(CAMERAS);
        println_for_the_log(&round.figures());
        if let Some(results) = &results {
            round.keep(results);
        }
        // The simulator sees what it is there to see. Without the syncs of its files the engine is what it would be
        // without the override of sync_file_range, which makes nothing durable.
        if done >= wanted {
            for part in ["/store/sled/", "/footage/"] {
                let log = Log::read(&recording.log).without_syncs_of(part);
                let mut harm = None;
                // Not each of such cuts does harm that can be seen from outside.
                for tried in 1..=20 {
                    let cut = recording.cut(&log, &mut luck);
                    harm = recording.after_a_cut(&log, cut, &mut luck, false).await.err();
                    if let Some(harm) = &harm {
                        println_for_the_log(&format!("without the syncs of {part}, cut {tried}: {harm}"));
                        break;
                    }
                }
                assert!(harm.is_some(), "twenty cuts without the syncs of {part} did no harm");
            }
        }
    }
}

/// What a hub had told by when.
struct Told {
    at: Mono,
    /// Camera, and until when it is kept.
    kept: Vec<(String, Timestamp)>,
}

/// A hub's life under the log, ended by a kill.
struct Recording {
    home: Home,
    log: PathBuf,
    seed: u64,
    viewer_kit: RecoveryKit,
    cookie: String,
    ids: Vec<String>,
    told: Vec<Told>,
    /// When camera 2 was asked to have another name, and when it was told that it has.
    renamed: (Mono, Mono),
    sent: Vec<Vec<Sent>>,
    /// All cameras are recorded from then on.
    from: Mono,
    until: Mono,
}

impl Recording {
    async fn make(cameras: &Simulator, seed: u64) -> Recording {
        let home = Home::new();
        let mut command = Command::new(KEEPSIGHT);
        let log = testkit::plug::log(&mut command, &home.scratch(""), [&home.data(), &home.footage()]);
        let mut process = HubProcess::start_with(command, &home).await;
        let (owner, kit) = hub::claim(Path::new(KEEPSIGHT), &home).await;
        let mut ids = Vec::new();
        for (i, camera) in cameras.addresses().iter().enumerate() {
            ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
        }
        owner.wait_recording(&ids, Duration::from_secs(60)).await;
        let from = SystemClock.mono();
        let mut told = Vec::new();
        listen(&owner, from + RECORDED / 3, &mut told).await;
        // What rotates segments, writes keys to both disks and the export: a new epoch. Then the export alone.
        for id in &ids[..2] {
            owner.post(&format!("/api/v1/cameras/{id}/key"), json!({"password": PASSWORD})).await.expect(200);
        }
        let asked = SystemClock.mono();
        let camera = format!("/api/v1/cameras/{}", ids[2]);
        owner.request(Method::PATCH, &camera, Some(json!({"name": "Garden"}))).await.expect(200);
        let renamed = (asked, SystemClock.mono());
        listen(&owner, from + RECORDED, &mut told).await;
        let until = SystemClock.mono();
        process.kill();
        let sent = (1..=CAMERAS).map(|n| cameras.sent(n, StreamName::Main).expect("it is one of them")).collect();
        let viewer_kit = RecoveryKit::parse_file(&kit.to_string()).expect("the claim's kit").kit;
        let cookie = owner.cookie().expect("the owner is signed in").to_owned();
        Recording { home, log, seed, viewer_kit, cookie, ids, told, renamed, sent, from, until }
    }

    /// A place in the log: half of them at a random time, half at a random record, where much is written.
    fn cut(&self, log: &Log, luck: &mut Luck) -> usize {
        let (first, last) = (log.at(self.from), log.at(self.until).min(log.len() - 1));
        if luck.below(2) == 0 {
            return first + luck.below(last - first);
        }
        let span = self.until.since(self.from).as_nanos() as usize;
        log.at(self.from + Duration::from_nanos(luck.below(span) as u64)).min(last)
    }

    /// Cuts the power there; what is lost of each camera, in seconds, or what is wrong.
    async fn after_a_cut(&self, log: &Log, cut: usize, luck: &mut Luck, deep: bool) -> Result<Vec<f64>, String> {
        let at = log.time(cut);
        let disk = log.disk_after(cut, luck);
        let home = Home::new();
        disk.write(&self.home.data(), &home.data());
        disk.write(&self.home.footage(), &home.footage());

        // What the recovery kit opens, without the hub, before the hub has touched anything.
        let ends = self.ends(&home, &disk.sure(&self.home.footage()))?;
        let mut lost = Vec::new();
        let told = self.told(at);
        for (n, id) in self.ids.iter().enumerate() {
            let end = *ends.get(id).ok_or_else(|| format!("camera {n}: nothing is left"))?;
            let kept = told.get(id).copied().unwrap_or(Timestamp::MIN);
            // A millisecond: ticks of the camera's clock are rounded in the one, and not in the other.
            if end.as_millisecond() + 1 < kept.as_millisecond() {
                return Err(format!("camera {n}: kept until {kept} was told, {end} is there"));
            }
            let sent = self.sent[n].iter().rfind(|s| s.at <= at).ok_or("no picture was sent")?;
            let seconds = sent.wall.duration_since(end).as_secs_f64().max(0.0);
            if seconds > MOST_LOST_S {
                return Err(format!("camera {n}: {seconds:.2} s are lost"));
            }
            lost.push(seconds);
        }
        let starts = self.starts(home, &told, at, deep);
        starts.await.map(|()| lost)
    }

    /// Until when each camera was told to be kept, at a time.
    fn told(&self, at: Mono) -> HashMap<String, Timestamp> {
        self.told.iter().filter(|t| t.at < at).flat_map(|t| t.kept.iter().cloned()).collect()
    }

    /// Each segment is read to its end, and shows at least what was synced of it. Where each camera's footage ends.
    fn ends(&self, home: &Home, sure: &Sure<'_>) -> Result<HashMap<String, Timestamp>, String> {
        let disk = footage::Disk::open(&home.footage(), None).map_err(|e| format!("the footage disk: {e}"))?;
        let mut keys = Vec::new();
        for id in &self.ids {
            let camera: CameraId = id.parse().expect("an id");
            for key in disk.keys(camera).map_err(|e| e.to_string())? {
                let sealed = disk.read_key(&key.path).map_err(|e| e.to_string())?;
                keys.push((camera, key.epoch, sealed));
            }
        }
        let (viewer, refused) = Viewer::from_recovery_kit(&self.viewer_kit, keys);
        if !refused.is_empty() {
            return Err(format!("{} key files do not open", refused.len()));
        }
        let mut ends = HashMap::<String, Timestamp>::new();
        let synced = home.scratch("synced");
        for file in files(&home.footage()) {
            if !file.to_string_lossy().ends_with(".mp4.age") {
                continue;
            }
            let place = file.strip_prefix(home.footage()).expect("it lies there");
            std::fs::write(&synced, sure.get(place).copied().unwrap_or_default()).expect("a file can be written");
            let least = footage::open_any(&viewer, &synced).map(|mut s| s.verify());
            let is = match (footage::open_any(&viewer, &file).map(|mut s| s.verify()), least) {
                (Ok(is), Ok(least)) if is.pictures < least.pictures => {
                    let (is, least) = (is.pictures, least.pictures);
                    return Err(format!("{}: {least} pictures were kept, {is} are there", place.display()));
                }
                (Ok(is), _) => is,
                (Err(e), Ok(_)) => return Err(format!("{}: its start was kept, and {e}", place.display())),
                (Err(_), Err(_)) => continue, // created, and not yet synced
            };
            let camera = is.info.camera.to_string();
            let end = ends.get(&camera).copied().unwrap_or(is.info.end).max(is.info.end);
            if is.pictures > 0 {
                ends.insert(camera, end);
            }
        }
        Ok(ends)
    }

    /// The hub starts, by itself, with everything that was acknowledged.
    async fn starts(&self, home: Home, told: &HashMap<String, Timestamp>, at: Mono, deep: bool) -> Result<(), String> {
        let binary = Path::new(KEEPSIGHT);
        let (ids, cookie, told, renamed) = (self.ids.clone(), self.cookie.clone(), told.clone(), self.renamed);
        // What panics in there is one more thing that can be wrong.
        let looked = std::panic::AssertUnwindSafe(async move {
            let restarted = SystemClock.wall();
            let mut process = HubProcess::start(binary, &home).await;
            for entry in std::fs::read_dir(home.data()).expect("the data folder") {
                let name = entry.expect("an entry").file_name();
                assert!(!name.to_string_lossy().contains("damaged"), "set aside: {}", name.display());
            }
            let mut owner = home.client().with_cookie(&cookie);
            let cameras = owner.get("/api/v1/cameras").await.expect(200).json();
            for (n, id) in ids.iter().enumerate() {
                let all = cameras.as_array().expect("a list");
                let camera = all.iter().find(|c| c["id"] == json!(id)).unwrap_or_else(|| panic!("camera {n} is gone"));
                if n == 2 {
                    let new = camera["name"] == "Garden";
                    assert!(new || at < renamed.1, "the new name was acknowledged, and is gone");
                    assert!(!new || at > renamed.0, "the new name is there before anybody asked for it");
                }
                // A row that was not written yet is found in the footage tree, beside the recording.
                let what = format!("camera {n}: what was told as kept is listed");
                testkit::wait_for(&what, Duration::from_secs(20), async || {
                    let end = owner.segments(id).await.into_iter().map(|(_, end)| end).max();
                    end.map(|t| t.as_millisecond() + 1) >= told.get(id).map(|t| t.as_millisecond())
                })
                .await;
            }
            if deep {
                owner = hub::owner(&home).await;
                for id in &ids {
                    testkit::wait_for("it records again", Duration::from_secs(30), async || {
                        kept(&owner.camera(id).await).is_some_and(|at| at > restarted)
                    })
                    .await;
                }
            }
            process.kill();
            drop(home);
        });
        looked
            .catch_unwind()
            .await
            .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "the hub does not start".into()))
    }
}

type Sure<'a> = std::collections::BTreeMap<PathBuf, &'a [u8]>;

impl Drop for Recording {
    /// What failed can be looked at.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = std::env::temp_dir().join(format!("keepsight-plug-{}.log", self.seed));
            if std::fs::copy(&self.log, &kept).is_ok() {
                println_for_the_log(&format!("the log of writes and syncs: {}", kept.display()));
            }
        }
    }
}

/// Listens, until a time, to what the hub tells of what is kept.
async fn listen(owner: &Client, until: Mono, told: &mut Vec<Told>) {
    testkit::wait_for("the time of the recording", Duration::from_secs(120), async || {
        let cameras = owner.get("/api/v1/cameras").await.expect(200).json();
        let cameras = cameras.as_array().expect("a list");
        let each = |c: &Value| Some((c["id"].as_str()?.to_owned(), kept(c)?));
        told.push(Told { at: SystemClock.mono(), kept: cameras.iter().filter_map(each).collect() });
        SystemClock.mono() >= until
    })
    .await;
}

fn kept(camera: &Value) -> Option<Timestamp> {
    camera["last_fragment_at"].as_str()?.parse().ok()
}

/// One recording's figures.
struct Round {
    seed: u64,
    records: usize,
    losses: Vec<f64>,
}

impl Round {
    fn figures(&self) -> String {
        let cuts = self.losses.len() / usize::from(CAMERAS);
        format!("{cuts} cuts in {} records: seconds lost per camera and cut: {}", self.records, spread(&self.losses))
    }
    /// Adds a line to the run's, and tells all of them together.
    fn keep(&self, results: &Path) {
        std::fs::create_dir_all(results).expect("a folder for the results");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(lines(results));
        let millis: Vec<_> = self.losses.iter().map(|s| (s * 1e3).round() as u64).collect();
        let line = json!({"seed": self.seed, "records": self.records, "cameras": CAMERAS, "lost_ms": millis});
        writeln!(file.expect("the results"), "{line}").expect("the results");
        let all = losses(results);
        let total = all.len() / usize::from(CAMERAS);
        println_for_the_log(&format!("{total} cuts in all: {}", spread(&all)));
    }
}

fn lines(results: &Path) -> PathBuf {
    results.join("plug.jsonl")
}

fn losses(results: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(lines(results)).unwrap_or_default();
    let rounds = text.lines().map(|l| serde_json::from_str::<Value>(l).expect("a line of results"));
    rounds
        .flat_map(|r| r["lost_ms"].as_array().cloned().unwrap_or_default())
        .filter_map(|ms| Some(ms.as_f64()? / 1e3))
        .collect()
}

fn cuts_done(results: &Path) -> usize {
    losses(results).len() / usize::from(CAMERAS)
}

fn spread(losses: &[f64]) -> String {
    let mut sorted = losses.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part).round() as usize];
    format!("min {:.2}, median {:.2}, p95 {:.2}, max {:.2}", at(0.0), at(0.5), at(0.95), at(1.0))
}

#[expect(clippy::disallowed_macros, reason = "figures for whoever reads the test's output")]
fn println_for_the_log(line: &str) {
    println!("{line}");
}
