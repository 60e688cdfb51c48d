//! A hub as it was flashed: `keepsight factory-reset`, and what an owner asks for in the app.
//!
//! First a mark that says so, durably. What it says is done by whoever starts next, before anything else is opened, and the mark
//! goes last: a power cut in the middle ends in a hub that is reset. Keys go first, overwritten, since they are what opens
//! everything else; a card that moves its blocks about may keep what was overwritten, which SECURITY.md says.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base::fs::{FsError, sync_dir};
use base::{CameraId, DiskId, Problem, ProblemKind};
use clap::Args;
use footage::{Disk, DiskError};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::Store;

use crate::cli::ConfigFile;
use crate::history;
use crate::out::{self, Failure};
use crate::rescue::file_problem;
use crate::sock::HubSocket;

/// Format number of the marks that this program reads and writes.
const FORMAT: u32 = 1;
/// The mark, in `<data>`.
const MARK: &str = "factory-reset";
/// What holds keys, in `<data>`; with what was set aside of it.
const WITH_KEYS: [&str; 3] = ["secrets", "export", "store"];
/// What else is this hub's, in `<data>`. Not `update.json`: which versions did not do is the machine's, and nobody's secret.
const OTHERS: [&str; 2] = ["hub.json", "root.pem"];

#[derive(Serialize, Deserialize)]
struct Mark {
    format: u32,
    /// The footage disk that the hub knew: no other one is emptied.
    disk: Option<DiskId>,
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
            (false, false) => out::text("The hub is as it was flashed. It has no owner when it starts.")?,
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
    let json =
        serde_json::to_vec(&Mark { format: FORMAT, disk }).map_err(|e| Problem::with(ProblemKind::Internal, e))?;
    base::fs::write_atomic(&data.join(MARK), &json, 0o600).map_err(|e| file_problem(&e))
}

/// Does what was begun, if anything was: `true`, and the hub is as it was flashed. Before anything in the folders is opened.
///
/// # Errors
/// Something does not go; the mark stays, and it is tried again at the next start.
pub fn finish(data: &Path, footage: &Path) -> Result<bool, Problem> {
    let path = data.join(MARK);
    let mark: Mark = match base::fs::read(&path, 4_096) {
        Err(e) if e.is_not_found() => return Ok(false),
        Err(e) => return Err(file_problem(&e)),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Problem::with(ProblemKind::BadFile, format_args!("{}: {e}", path.display())))?,
    };
    if mark.format > FORMAT {
        return Err(Problem::with(ProblemKind::NewerFormat, path.display()));
    }
    tracing::warn!("the hub is reset: keys, footage, people, cameras and settings are destroyed");
    empty(data, footage, mark.disk).map_err(|e| file_problem(&e))?;
    fs::remove_file(&path).map_err(FsError::on("remove", &path)).map_err(|e| file_problem(&e))?;
    sync_dir(data).map_err(|e| file_problem(&e))?;
    tracing::warn!("the hub is as it was flashed");
    Ok(true)
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

/// Overwrites and removes a file, or everything below a folder and it. A link is removed, not followed.
fn shred(path: &Path) -> Result<(), FsError> {
    let kind = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(FsError::on("look at", path))?,
    };
    if kind.is_dir() {
        for entry in entries(path, |_| true)? {
            shred(&entry)?;
        }
        return remove(path);
    }
    if kind.is_file() {
        overwrite(path, kind.len()).map_err(FsError::on("overwrite", path))?;
    }
    remove(path)
}

fn overwrite(path: &Path, mut left: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut noise = [0; 64 * 1024];
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(noise.len());
        base::random(&mut noise[..n]);
        file.write_all(&noise[..n])?;
        left -= n as u64;
    }
    file.sync_data()
}

/// Removes what is there, durably.
fn remove(path: &Path) -> Result<(), FsError> {
    let gone = match fs::symlink_metadata(path) {
        Ok(kind) if kind.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match gone {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(FsError::on("remove", path))?,
    }
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}

#[cfg(test)]
mod tests {
    use base::SystemClock;

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

    const NOBODYS: [&str; 4] = ["footage/somebody-elses.txt", "storehouse", "system/machine-id", "update.json"];

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
        for (mark, kind) in [("{", ProblemKind::BadFile), (r#"{"format":2,"disk":null}"#, ProblemKind::NewerFormat)] {
            fs::write(home.data().join(MARK), mark).unwrap();
            assert_eq!(finish(&home.data(), &home.footage()).unwrap_err().kind, kind);
        }
        assert!(home.left().contains(&"hub.json".to_owned()));
    }
}
