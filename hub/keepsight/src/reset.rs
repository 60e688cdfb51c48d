//! A hub as it was flashed: `keepsight factory-reset`, and what an owner asks for in the app.
//!
//! First a mark that says so, durably. What it says is done by whoever starts next, before anything else is opened, and the mark
//! goes last: a power cut in the middle ends in a hub that is reset. Keys go first, overwritten, since they are what opens
//! everything else; a card that moves its blocks about may keep what was overwritten, which SECURITY.md says.
//!
//! What was set on the card is the system's, out of the hub's reach: `keepsight first-boot` sees the mark, or what is left of it,
//! and forgets before the network starts ([`system::reset`]). So an image starts anew after a reset.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::fs::{FsError, remove, shred, sync_dir};
use base::{CameraId, Clock, DiskId, Problem, ProblemKind, ResetId, SystemClock};
use clap::Args;
use footage::{Disk, DiskError};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Store;
use system::footage_disk::Wanted;
use system::reset::{ASKED as MARK, DONE};

use crate::cli::ConfigFile;
use crate::history;
use crate::out::{self, Failure};
use crate::rescue::file_problem;
use crate::sock::HubSocket;

/// Format number of the marks that this program writes. Those of format 1 have no id: they leave what was set on the card.
const FORMAT: u32 = 2;
/// After a power cut in the middle, a footage disk of its own may come up later than the hub.
const DISK_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What holds keys, in `<data>`; with what was set aside of it.
const WITH_KEYS: [&str; 3] = ["secrets", "export", "store"];
/// What else is this hub's, in `<data>`. Not `update.json`: which versions did not do is the machine's, and nobody's secret.
const OTHERS: [&str; 3] = ["hub.json", "root.pem", "objects"];

#[derive(Serialize, Deserialize)]
struct Mark {
    format: u32,
    /// The footage disk that the hub knew: no other one is emptied.
    disk: Option<DiskId>,
    /// Which reset this is: what the system forgets for it, it forgets once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reset: Option<ResetId>,
}

/// `keepsight factory-reset`
#[derive(Debug, Args)]
pub struct FactoryReset {
    #[command(flatten)]
    config: ConfigFile,
    /// Yes: all footage, keys, people, cameras and settings of this hub are destroyed
    #[arg(long, required = true)]
    yes: bool,
    /// Report as JSON, errors too
    #[arg(long)]
    pub json: bool,
}

impl FactoryReset {
    /// Resets the hub: one that runs does it itself, a stopped one's files are taken away here.
    ///
    /// # Errors
    /// The hub refuses, or a file does not go.
    pub async fn run(&self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let (data, footage) = (config.paths.data(), config.paths.footage());
        let socket = HubSocket::new(config.paths.socket());
        let running = socket.is_alive();
        if running {
            socket.request(Method::POST, "/local/factory-reset", None).await?;
        } else {
            // One that was begun goes on as it was begun.
            if !data.join(MARK).exists() {
                begin(data, known_disk(data).await?)?;
            }
            finish(data, footage)?;
        }
        match (self.json, running) {
            (true, _) => out::json(&json!({ "running": running }))?,
            (false, true) => out::text("The hub resets itself and begins anew, without an owner.")?,
            (false, false) => out::text(
                "The hub is as it was flashed. It has no owner when it starts. What was set on its card (Wi-Fi, SSH) goes at the \
                 next start of the machine.",
            )?,
        }
        Ok(())
    }
}

/// The footage disk of a stopped hub. A store that cannot be opened does not say.
async fn known_disk(data: &Path) -> Result<Option<DiskId>, Problem> {
    let dir = data.join("store");
    let Some(hub) = Store::whose(&dir) else { return Ok(None) };
    let store = Store::open(&dir, hub, std::sync::Arc::new(base::SystemClock))?;
    let disk = store.read(|db| db.setting(history::DISK)).await;
    store.close().await;
    Ok(disk?)
}

/// Says, durably, that the hub is to be reset. From now on nothing but [`finish`] may be done.
///
/// # Errors
/// The mark cannot be written; nothing is changed then.
pub fn begin(data: &Path, disk: Option<DiskId>) -> Result<(), Problem> {
    let mark = Mark { format: FORMAT, disk, reset: Some(ResetId::new(&SystemClock)) };
    let json = serde_json::to_vec(&mark).map_err(|e| Problem::with(ProblemKind::Internal, e))?;
    base::fs::write_atomic(&data.join(MARK), &json, 0o600).map_err(|e| file_problem(&e))
}

/// Does what was begun, if anything was: `true`, and the hub is as it was flashed. Before anything in the folders is opened.
///
/// # Errors
/// Something does not go; the mark stays, and it is tried again at the next start.
pub fn finish(data: &Path, footage: &Path) -> Result<bool, Problem> {
    let Some(mark) = begun(data)? else { return Ok(false) };
    let path = data.join(MARK);
    tracing::warn!("the hub is reset: keys, footage, people, cameras and settings are destroyed");
    empty(data, footage, mark.disk).map_err(|e| file_problem(&e))?;
    // For the system, which has its own to forget.
    fs::rename(&path, data.join(DONE)).map_err(FsError::on("rename", &path)).map_err(|e| file_problem(&e))?;
    sync_dir(data).map_err(|e| file_problem(&e))?;
    tracing::warn!("the hub is as it was flashed");
    Ok(true)
}

/// Waits until the disk is there that is to be emptied, if the hub has one of its own; not for ever.
pub async fn wait_for_disk(data: &Path, footage: &Path, clock: &dyn Clock) {
    let Ok(Some(Mark { disk: Some(disk), .. })) = begun(data) else { return };
    if !Wanted::is_set(data) {
        return;
    }
    let began = clock.mono();
    while Disk::open(footage, Some(disk)).is_err() && clock.mono().since(began) < DISK_WITHIN {
        clock.sleep(LOOK_EVERY).await;
    }
}

/// The reset that was begun and is not done.
fn begun(data: &Path) -> Result<Option<Mark>, Problem> {
    let path = data.join(MARK);
    let mark: Mark = match base::fs::read(&path, 4_096) {
        Err(e) if e.is_not_found() => return Ok(None),
        Err(e) => return Err(file_problem(&e)),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Problem::with(ProblemKind::BadFile, format_args!("{}: {e}", path.display())))?,
    };
    match mark.format > FORMAT {
        true => Err(Problem::with(ProblemKind::NewerFormat, path.display())),
        false => Ok(Some(mark)),
    }
}

fn empty(data: &Path, footage: &Path, disk: Option<DiskId>) -> Result<(), FsError> {
    let there = match Disk::open(footage, disk) {
        Ok(_) => disk.is_some(),
        Err(DiskError::Fs(e)) => return Err(e),
        Err(error) => {
            if disk.is_some() {
                tracing::warn!(%error, "the footage disk is not there: what lies on it stays, and opens with the old kit");
            }
            false
        }
    };
    let own = |names: &[&str]| entries(data, |name| names.iter().any(|own| is_or_aside(name, own)));
    let cameras = if there { entries(footage, |name| name.parse::<CameraId>().is_ok())? } else { Vec::new() };
    // Keys, all of them, before anything else: without them the rest is noise already.
    for folder in own(&WITH_KEYS)? {
        shred(&folder)?;
    }
    for camera in &cameras {
        shred(&camera.join("keys"))?;
    }
    for other in own(&OTHERS)? {
        shred(&other)?;
    }
    // Of footage that was moved to a disk of its own, should a power cut have left something.
    shred(&Wanted::moved(footage))?;
    if !there {
        // A disk that is not there keeps what is on it, and is not this hub's any more.
        remove(&Wanted::path(data))?;
    }
    if there {
        for camera in &cameras {
            remove(camera)?;
        }
        // The disk's own mark last: until then it is known which disk it is.
        let marks = entries(footage, |name| name.starts_with(".keepsight-"))?;
        let (disk, others): (Vec<_>, Vec<_>) = marks.into_iter().partition(|path| path.ends_with(".keepsight-disk"));
        for mark in others.iter().chain(&disk) {
            remove(mark)?;
        }
    }
    Ok(())
}

/// Is it `own`, what was set aside of that (`own.damaged-…`), or what an interrupted write left (`own.tmp`)?
fn is_or_aside(name: &str, own: &str) -> bool {
    name.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// What lies in a folder, by name. A folder that is not there is empty.
fn entries(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, FsError> {
    let list = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(FsError::on("list", folder))?,
    };
    let mut found = Vec::new();
    for entry in list {
        let entry = entry.map_err(FsError::on("list", folder))?;
        if entry.file_name().to_str().is_some_and(&wanted) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Home(tempfile::TempDir);

    impl Home {
        /// A hub's folders, with its disk; the footage lies in `<data>`, as by default.
        fn new() -> (Home, DiskId) {
            let home = Home(tempfile::tempdir().unwrap());
            let camera = CameraId::from_bytes([7; 16]).to_string();
            let disk = Disk::create(&home.footage(), &SystemClock).unwrap().id();
            for file in [
                "secrets/hub-signing-key",
                "store/sled/db",
                "store.damaged-20260101T000000Z/db",
                "export/settings.export",
                "hub.json",
                "hub.json.damaged-20260101T000000Z",
                "root.pem",
                "objects/model.onnx",
                "update.json",
                "system/machine-id",
                "storehouse",
                &format!("footage/{camera}/keys/a.age"),
                &format!("footage/{camera}/2026-01-01/a.main.mp4.age"),
                "footage/.keepsight-export/x/audit",
                "footage/somebody-elses.txt",
            ] {
                let path = home.data().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "a secret").unwrap();
            }
            (home, disk)
        }
        fn data(&self) -> PathBuf {
            self.0.path().join("data")
        }
        fn footage(&self) -> PathBuf {
            self.data().join("footage")
        }
        fn left(&self) -> Vec<String> {
            fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    match path.is_dir() {
                        true => walk(&path, root, found),
                        false => found.push(path.strip_prefix(root).unwrap().display().to_string()),
                    }
                }
            }
            let mut found = Vec::new();
            walk(&self.data(), &self.data(), &mut found);
            found.sort();
            found
        }
    }

    const NOBODYS: [&str; 5] =
        ["factory-reset.done", "footage/somebody-elses.txt", "storehouse", "system/machine-id", "update.json"];

    #[test]
    fn what_is_the_hubs_goes_and_nothing_else() {
        let (home, disk) = Home::new();
        assert!(!finish(&home.data(), &home.footage()).unwrap(), "nothing was begun");
        begin(&home.data(), Some(disk)).unwrap();
        assert!(finish(&home.data(), &home.footage()).unwrap());
        assert_eq!(home.left(), NOBODYS);
        assert!(!finish(&home.data(), &home.footage()).unwrap());
    }

    /// A power cut after any of the steps: what is left is done at the next start.
    #[test]
    fn what_was_cut_off_is_finished() {
        let (home, _) = Home::new();
        for gone in home.left().into_iter().filter(|file| !NOBODYS.contains(&file.as_str())) {
            let (home, disk) = Home::new();
            begin(&home.data(), Some(disk)).unwrap();
            // `.keepsight-disk` goes when nothing else is left on the disk.
            if gone != "footage/.keepsight-disk" && !gone.contains(&CameraId::from_bytes([7; 16]).to_string()) {
                fs::remove_file(home.data().join(&gone)).unwrap();
            }
            assert!(finish(&home.data(), &home.footage()).unwrap());
            assert_eq!(home.left(), NOBODYS, "after {gone}");
        }
    }

    /// What the system forgets by: the same before and after the hub has done its part, another one each time.
    #[test]
    fn each_reset_has_an_id_that_stays() {
        let (home, disk) = Home::new();
        assert_eq!(system::reset::last(&home.data()), None);
        begin(&home.data(), Some(disk)).unwrap();
        let asked = system::reset::last(&home.data()).unwrap();
        finish(&home.data(), &home.footage()).unwrap();
        assert_eq!(system::reset::last(&home.data()), Some(asked));
        begin(&home.data(), None).unwrap();
        assert_ne!(system::reset::last(&home.data()), Some(asked));
    }

    /// A disk of its own that was emptied stays the hub's; one that was not there does not.
    #[test]
    fn a_disk_that_was_not_there_is_not_the_hubs_any_more() {
        for there in [true, false] {
            let (home, disk) = Home::new();
            fs::write(Wanted::path(&home.data()), "{}").unwrap();
            fs::create_dir(Wanted::moved(&home.footage())).unwrap();
            let disk = if there { disk } else { DiskId::new(&SystemClock) };
            begin(&home.data(), Some(disk)).unwrap();
            finish(&home.data(), &home.footage()).unwrap();
            assert_eq!(Wanted::is_set(&home.data()), there);
            assert!(!Wanted::moved(&home.footage()).exists());
        }
    }

    #[test]
    fn another_disk_is_left_alone() {
        let (home, _) = Home::new();
        begin(&home.data(), Some(DiskId::new(&SystemClock))).unwrap();
        assert!(finish(&home.data(), &home.footage()).unwrap());
        let left = home.left();
        assert!(left.iter().any(|file| file.ends_with("keys/a.age")), "{left:?}");
        assert!(!left.iter().any(|file| file.starts_with("secrets") || file.starts_with("store/")), "{left:?}");
    }

    #[test]
    fn a_link_is_removed_and_not_followed() {
        let (home, disk) = Home::new();
        let outside = home.0.path().join("outside");
        fs::write(&outside, "not the hub's").unwrap();
        std::os::unix::fs::symlink(&outside, home.data().join("secrets/link")).unwrap();
        begin(&home.data(), Some(disk)).unwrap();
        assert!(finish(&home.data(), &home.footage()).unwrap());
        assert_eq!(fs::read_to_string(outside).unwrap(), "not the hub's");
    }

    #[test]
    fn a_mark_that_cannot_be_read_is_an_error() {
        let (home, _) = Home::new();
        for (mark, kind) in [("{", ProblemKind::BadFile), (r#"{"format":3,"disk":null}"#, ProblemKind::NewerFormat)] {
            fs::write(home.data().join(MARK), mark).unwrap();
            assert_eq!(finish(&home.data(), &home.footage()).unwrap_err().kind, kind);
        }
        assert!(home.left().contains(&"hub.json".to_owned()));
    }
}
