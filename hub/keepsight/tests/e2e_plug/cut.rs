//! The disk after a cut, and what must be on it: looked at with the recovery kit, then by starting the hub.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{CameraId, Clock, HubId, Mono, SystemClock, Timestamp};
use futures::FutureExt;
use serde_json::{Value, json};
use store::Store;
use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess};
use testkit::plug::{Log, Luck};
use testkit::search::files;
use vault::{RecoveryKit, Viewer};

use crate::KEEPSIGHT;
use crate::recording::{Recording, What, kept};

/// A picture is on disk at most this long after it arrived.
const MOST_LOST_S: f64 = 2.0;
/// One instant may be told as two. A segment that is followed by another is told to end where that begins, by the hub's clock,
/// which is set to the camera's by up to 5 ms then; read from the file alone, it ends as the camera counts. And ticks of the
/// camera's clock are rounded in the one, and not in the other. That all pictures are there is looked at apart from it.
const SAME_INSTANT_MS: i64 = 5 + 1;
/// What the store did not know yet is found in the footage by then.
const LISTED_WITHIN: Duration = Duration::from_secs(20);

type Sure<'a> = BTreeMap<PathBuf, &'a [u8]>;

/// The changes that were acknowledged before a cut, and those that were at least asked for.
struct Changes {
    acknowledged: Vec<What>,
    asked: Vec<What>,
    audit_acknowledged: Vec<(String, String)>,
    audit_asked: Vec<(String, String)>,
}

impl Recording {
    /// Cuts the power there; what is lost of each camera, in seconds, and after how many seconds all that was told as kept
    /// is listed again; or what is wrong.
    pub async fn after_a_cut(
        &self,
        log: &Log,
        cut: usize,
        luck: &mut Luck,
        deep: bool,
    ) -> Result<(Vec<f64>, f64), String> {
        let at = log.time(cut);
        let disk = log.disk_after(cut, luck);
        let home = Home::new();
        disk.write(&self.roots[0], &home.data());
        disk.write(&self.roots[1], &home.footage());

        // What the recovery kit opens, without the hub, before the hub has touched anything.
        let ends = self.ends(&home, &disk.sure(&self.roots[1]))?;
        let mut lost = Vec::new();
        let told = self.told(at);
        for (n, id) in self.ids.iter().enumerate() {
            let end = *ends.get(id).ok_or_else(|| format!("camera {n}: nothing is left"))?;
            let kept = told.get(id).copied().unwrap_or(Timestamp::MIN);
            if end.as_millisecond() + SAME_INSTANT_MS < kept.as_millisecond() {
                return Err(format!("camera {n}: kept until {kept} was told, {end} is there"));
            }
            let sent = self.sent[n].iter().rfind(|(sent, _)| *sent <= at).ok_or("no picture was sent")?;
            let seconds = sent.1.duration_since(end).as_secs_f64().max(0.0);
            if seconds > MOST_LOST_S {
                return Err(format!("camera {n}: {seconds:.2} s are lost"));
            }
            lost.push(seconds);
        }
        let changes = self.changes(at);
        let export = home.data().join("export/settings.export");
        self.in_export(&home, &export, &changes).map_err(|e| format!("the export: {e}"))?;
        let listed = self.starts(home, &told, changes, deep).await?;
        Ok((lost, listed))
    }

    /// Until when each camera was told to be kept, at a time.
    fn told(&self, at: Mono) -> HashMap<String, Timestamp> {
        self.told.iter().filter(|t| t.at < at).flat_map(|t| t.kept.iter().cloned()).collect()
    }

    fn changes(&self, at: Mono) -> Changes {
        let what = |before: &dyn Fn(&crate::recording::Change) -> bool| {
            let (mut what, mut audit) = (Vec::new(), Vec::new());
            for change in self.changes.iter().filter(|c| before(c)) {
                what.push(change.what.clone());
                audit.extend(change.audit.clone());
            }
            (what, audit)
        };
        let (acknowledged, audit_acknowledged) = what(&|c| c.acknowledged < at);
        let (asked, audit_asked) = what(&|c| c.asked < at);
        Changes { acknowledged, asked, audit_acknowledged, audit_asked }
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
        let kit = RecoveryKit::parse_file(&self.kit.to_string()).expect("the claim's kit").kit;
        let (viewer, refused) = Viewer::from_recovery_kit(&kit, keys);
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

    /// The export alone, without the store, has what was acknowledged.
    fn in_export(&self, home: &Home, export: &Path, changes: &Changes) -> Result<(), String> {
        let json = std::fs::read(home.data().join("hub.json")).map_err(|e| e.to_string())?;
        let json: Value = serde_json::from_slice(&json).map_err(|e| e.to_string())?;
        let hub: HubId = json["hub"].as_str().and_then(|id| id.parse().ok()).ok_or("hub.json names no hub")?;
        let rebuilt = Store::rebuild(&home.scratch("rebuilt"), hub, Arc::new(SystemClock), &[export], |_| Ok(()));
        let store = rebuilt.map_err(|e| e.to_string())?;
        let lacking = self.lacking(&store, changes);
        store.close_blocking();
        lacking.map_or(Ok(()), Err)
    }

    /// What of the acknowledged changes is not in a store.
    fn lacking(&self, store: &Store, changes: &Changes) -> Option<String> {
        for change in &changes.acknowledged {
            let lacks = match change {
                What::NewEpoch { camera } => {
                    let id: CameraId = camera.parse().expect("an id");
                    let least = 1 + changes.acknowledged.iter().filter(|c| *c == change).count();
                    let is = store.read_blocking(move |db| Ok(db.epochs_of(id)?.len())).expect("it can be read");
                    (is < least).then(|| format!("camera {camera} had {least} epochs, it has {is}"))
                }
                What::Renamed { camera } => {
                    let id: CameraId = camera.parse().expect("an id");
                    let row = store.read_blocking(move |db| db.camera(id)).expect("it can be read");
                    row.is_none_or(|row| row.name != "Garden").then(|| "the new name is gone".to_owned())
                }
                What::SignedOut { session, .. } => {
                    let session = session.clone();
                    let found = store.read_blocking(move |db| {
                        let principals = db.principals()?;
                        let sessions =
                            principals.iter().map(|p| db.sessions_of(p.id)).collect::<Result<Vec<_>, _>>()?;
                        Ok(sessions.concat().iter().any(|s| s.id.to_string() == session))
                    });
                    found.expect("it can be read").then(|| "the session that was ended is back".to_owned())
                }
                What::SignedIn => None,
            };
            if lacks.is_some() {
                return lacks;
            }
        }
        None
    }

    /// The audit log has what was acknowledged, nothing that nobody asked for, and no break.
    fn audit_wrong(&self, store: &Store, changes: &Changes) -> Option<String> {
        let log = store.read_blocking(|db| db.audit(0, 10_000)).expect("it can be read");
        let checked = store.check_blocking(|_| {}).expect("it can be read");
        if !checked.is_good() {
            return Some(format!("the store is not in order: {:?}", checked.audit));
        }
        let count = |all: &[(String, String)], one: &(String, String)| all.iter().filter(|a| *a == one).count();
        let there: Vec<_> = log.into_iter().map(|entry| (entry.action, entry.subject)).collect();
        for entry in &changes.audit_acknowledged {
            let (is, least) = (count(&there, entry), count(&changes.audit_acknowledged, entry));
            if is < least {
                return Some(format!("{entry:?} stood {least} times in the audit log, and stands there {is} times"));
            }
        }
        // Claimed and with its cameras it was before anything could be cut.
        let before = ["hub.claim", "camera.add", "epoch.unknown"];
        let unasked = |entry: &&(String, String)| {
            !before.contains(&entry.0.as_str()) && count(&there, entry) > count(&changes.audit_asked, entry)
        };
        let unasked = there.iter().find(unasked);
        unasked.map(|entry| format!("{entry:?} is in the audit log, and nobody had asked for it"))
    }

    /// The hub starts, by itself, with everything that was acknowledged. After how many seconds that is listed.
    async fn starts(
        &self,
        home: Home,
        told: &HashMap<String, Timestamp>,
        mut changes: Changes,
        deep: bool,
    ) -> Result<f64, String> {
        // What panics in there is one more thing that can be wrong.
        let looked = std::panic::AssertUnwindSafe(async move {
            let restarted = SystemClock.wall();
            let mut process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
            let answers = SystemClock.mono();
            for entry in std::fs::read_dir(home.data()).expect("the data folder") {
                let name = entry.expect("an entry").file_name();
                assert!(!name.to_string_lossy().contains("damaged"), "set aside: {}", name.display());
            }
            let mut owner = home.client().with_cookie(&self.cookie);
            let cameras = owner.get("/api/v1/cameras").await.expect(200).json();
            let all = cameras.as_array().expect("a list");
            for (n, id) in self.ids.iter().enumerate() {
                let camera = all.iter().find(|c| c["id"] == json!(id)).unwrap_or_else(|| panic!("camera {n} is gone"));
                let asked = changes.asked.contains(&What::Renamed { camera: id.clone() });
                assert!(asked || camera["name"] != "Garden", "the new name is there before anybody asked for it");
                // A row that was not written yet is found in the footage tree, beside the recording.
                let what = format!("camera {n}: what was told as kept is listed");
                testkit::wait_for(&what, LISTED_WITHIN, async || {
                    let end = owner.segments(id).await.into_iter().map(|(_, end)| end).max();
                    end.map(|t| t.as_millisecond() + SAME_INSTANT_MS) >= told.get(id).map(|t| t.as_millisecond())
                })
                .await;
            }
            let listed = SystemClock.mono().since(answers).as_secs_f64();
            for change in &changes.acknowledged {
                if let What::SignedOut { cookie, .. } = change {
                    let answer = home.client().with_cookie(cookie).get("/api/v1/sessions").await;
                    assert_eq!(answer.status, 401, "the session that was ended is good again");
                }
            }
            if deep {
                owner = hub::owner(&home).await;
                for id in &self.ids {
                    testkit::wait_for("it records again", Duration::from_secs(30), async || {
                        kept(&owner.camera(id).await).is_some_and(|at| at > restarted)
                    })
                    .await;
                }
            }
            if deep {
                changes.audit_asked.extend(sessions_of_this_test(&owner).await);
            }
            process.kill();
            let dir = home.data().join("store");
            let hub = Store::whose(&dir).expect("the store says whose it is");
            let store = Store::open(&dir, hub, Arc::new(SystemClock)).expect("it opens");
            let wrong = self.lacking(&store, &changes).or_else(|| self.audit_wrong(&store, &changes));
            store.close_blocking();
            assert_eq!(wrong, None);
            listed
        });
        looked
            .catch_unwind()
            .await
            .map_err(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "the hub does not start".into()))
    }
}

/// What signing in after the restart wrote into the audit log.
async fn sessions_of_this_test(owner: &Client) -> Vec<(String, String)> {
    let sessions = owner.get("/api/v1/sessions").await.expect(200).json();
    let ids = sessions.as_array().into_iter().flatten().filter_map(|s| s["id"].as_str());
    ids.map(|id| ("session.new".to_owned(), id.to_owned())).collect()
}
