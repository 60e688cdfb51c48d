//! A hub's life under the log, ended by a kill, with everything that it acknowledged and when.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base::footage::StreamName;
use base::{Clock, Mono, SystemClock, Timestamp};
use camera_sim::Simulator;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use testkit::client::{Client, PASSWORD};
use testkit::hub::{self, Home, HubProcess};
use testkit::plug::{Log, Luck};

use crate::results::println_for_the_log;
use crate::{CAMERAS, KEEPSIGHT};

const RECORDED: Duration = Duration::from_secs(20);

/// All of it, as it is left in a folder where a cut failed.
#[derive(Serialize, Deserialize)]
pub struct Recording {
    /// Where the log lies, and what this was saved as.
    #[serde(skip)]
    folder: PathBuf,
    /// While it is this process's own.
    #[serde(skip)]
    home: Option<Home>,
    pub seed: u64,
    /// `<data>` and `<footage>` as they were called in the log.
    pub roots: [PathBuf; 2],
    /// The claim's recovery kit.
    pub kit: Value,
    pub cookie: String,
    pub ids: Vec<String>,
    pub told: Vec<Told>,
    pub changes: Vec<Change>,
    /// When the cameras sent their pictures, by both clocks.
    pub sent: Vec<Vec<(Mono, Timestamp)>>,
    /// All cameras are recorded from then on.
    pub from: Mono,
    pub until: Mono,
}

/// What the hub had told by when.
#[derive(Serialize, Deserialize)]
pub struct Told {
    pub at: Mono,
    /// Camera, and until when it is kept.
    pub kept: Vec<(String, Timestamp)>,
}

/// A change that the hub was asked for, and that it acknowledged.
#[derive(Serialize, Deserialize)]
pub struct Change {
    pub asked: Mono,
    pub acknowledged: Mono,
    pub what: What,
    /// The entry of the audit log that it makes: action and subject.
    pub audit: Option<(String, String)>,
}

#[derive(Clone, Serialize, Deserialize, PartialEq)]
pub enum What {
    /// A key was exported: the camera has a new epoch.
    NewEpoch { camera: String },
    /// The camera is called "Garden".
    Renamed { camera: String },
    /// A device signed in: its cookie is good.
    SignedIn,
    /// A device was signed out by another: its cookie is good no more.
    SignedOut { session: String, cookie: String },
}

impl Recording {
    pub async fn make(cameras: &Simulator, seed: u64) -> Recording {
        let home = Home::new();
        let mut command = Command::new(KEEPSIGHT);
        testkit::plug::log(&mut command, &home.scratch(""), [&home.data(), &home.footage()]);
        let mut process = HubProcess::start_with(command, &home).await;
        let (owner, kit) = hub::claim(Path::new(KEEPSIGHT), &home).await;
        let mut ids = Vec::new();
        for (i, camera) in cameras.addresses().iter().enumerate() {
            ids.push(owner.add_camera(&format!("Camera {i}"), &camera.main).await);
        }
        owner.wait_recording(&ids, Duration::from_secs(60)).await;
        let from = SystemClock.mono();
        let (mut told, mut changes) = (Vec::new(), Vec::new());
        // What rotates segments, writes keys to both disks and the export; the export alone; sessions.
        listen(&owner, from + RECORDED / 5, &mut told).await;
        export_keys(&owner, &ids[..2], &mut changes).await;
        listen(&owner, from + RECORDED * 2 / 5, &mut told).await;
        rename(&owner, &ids[2], &mut changes).await;
        listen(&owner, from + RECORDED * 3 / 5, &mut told).await;
        sign_in_and_out(&owner, &home, &mut changes).await;
        listen(&owner, from + RECORDED * 4 / 5, &mut told).await;
        export_keys(&owner, &[ids[3].clone(), ids[0].clone()], &mut changes).await;
        listen(&owner, from + RECORDED, &mut told).await;
        let until = SystemClock.mono();
        process.kill();
        let sent = (1..=CAMERAS).map(|n| cameras.sent(n, StreamName::Main).expect("it is one of them"));
        let sent = sent.map(|all| all.iter().map(|s| (s.at, s.wall)).collect()).collect();
        let cookie = owner.cookie().expect("the owner is signed in").to_owned();
        let (folder, roots) = (home.scratch(""), [home.data(), home.footage()]);
        Recording { folder, home: Some(home), seed, roots, kit, cookie, ids, told, changes, sent, from, until }
    }

    /// One that was left by a cut that failed.
    ///
    /// # Panics
    /// If the folder holds none.
    pub fn load(folder: &Path) -> Recording {
        let json = std::fs::read(folder.join("recording.json")).expect("the folder of a cut that failed");
        let mut recording: Recording = serde_json::from_slice(&json).expect("a recording");
        recording.folder = folder.to_owned();
        recording
    }

    /// The log of writes and syncs.
    pub fn log(&self) -> PathBuf {
        self.folder.join("plug.log")
    }

    /// A place in the log: a third of them at a random time, a third at a random record, where much is written, and a third
    /// while a change is made.
    pub fn cut(&self, log: &Log, luck: &mut Luck) -> usize {
        let (first, last) = (log.at(self.from), log.at(self.until).min(log.len() - 1));
        let at_random = |luck: &mut Luck, from: Mono, until: Mono| {
            let span = until.since(from).as_nanos() as usize;
            log.at(from + Duration::from_nanos(luck.below(span.max(1)) as u64)).clamp(first, last)
        };
        match luck.below(3) {
            0 => first + luck.below(last - first),
            1 => at_random(luck, self.from, self.until),
            _ => {
                let change = &self.changes[luck.below(self.changes.len())];
                at_random(luck, change.asked, change.acknowledged + Duration::from_millis(100))
            }
        }
    }
}

impl Drop for Recording {
    /// What failed can be looked at, and done again.
    fn drop(&mut self) {
        if !std::thread::panicking() || self.home.is_none() {
            return;
        }
        let kept = std::env::temp_dir().join(format!("keepsight-plug-{}", self.seed));
        let saved = std::fs::create_dir_all(&kept)
            .and_then(|()| std::fs::copy(self.log(), kept.join("plug.log")))
            .and_then(|_| std::fs::write(kept.join("recording.json"), serde_json::to_vec(self).unwrap_or_default()));
        if saved.is_ok() {
            println_for_the_log(&format!(
                "to do a cut again: KEEPSIGHT_PLUG_REPLAY={} KEEPSIGHT_PLUG_ONLY=…",
                kept.display()
            ));
        }
    }
}

async fn export_keys(owner: &Client, ids: &[String], changes: &mut Vec<Change>) {
    for id in ids {
        let asked = SystemClock.mono();
        owner.post(&format!("/api/v1/cameras/{id}/key"), json!({"password": PASSWORD})).await.expect(200);
        let audit = Some(("camera.key.export".to_owned(), id.clone()));
        changes.push(Change {
            asked,
            acknowledged: SystemClock.mono(),
            what: What::NewEpoch { camera: id.clone() },
            audit,
        });
    }
}

async fn rename(owner: &Client, id: &str, changes: &mut Vec<Change>) {
    let asked = SystemClock.mono();
    let camera = format!("/api/v1/cameras/{id}");
    owner.request(Method::PATCH, &camera, Some(json!({"name": "Garden"}))).await.expect(200);
    let audit = Some(("camera.rename".to_owned(), id.to_owned()));
    let what = What::Renamed { camera: id.to_owned() };
    changes.push(Change { asked, acknowledged: SystemClock.mono(), what, audit });
}

async fn sign_in_and_out(owner: &Client, home: &Home, changes: &mut Vec<Change>) {
    let current = |list: &Value| {
        let sessions = list.as_array().expect("a list").iter();
        sessions.filter(|s| s["current"] == true).find_map(|s| s["id"].as_str()).expect("this device").to_owned()
    };
    let asked = SystemClock.mono();
    let other = hub::owner(home).await;
    let acknowledged = SystemClock.mono();
    let session = current(&other.get("/api/v1/sessions").await.expect(200).json());
    let audit = Some(("session.new".to_owned(), session.clone()));
    changes.push(Change { asked, acknowledged, what: What::SignedIn, audit });

    let asked = SystemClock.mono();
    owner.request(Method::DELETE, &format!("/api/v1/sessions/{session}"), None).await.expect(204);
    let audit = Some(("session.end".to_owned(), session.clone()));
    let cookie = other.cookie().expect("it was signed in").to_owned();
    let what = What::SignedOut { session, cookie };
    changes.push(Change { asked, acknowledged: SystemClock.mono(), what, audit });
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

pub fn kept(camera: &Value) -> Option<Timestamp> {
    camera["last_fragment_at"].as_str()?.parse().ok()
}
