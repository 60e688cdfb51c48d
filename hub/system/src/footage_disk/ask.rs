//! What is asked for, how it goes, and which disk the system is to mount: three small files.

use std::path::{Path, PathBuf};

use base::fs::FsError;
use base::{DiskId, Problem, ProblemKind};
use nix::fcntl::Flock;
use serde::{Deserialize, Serialize};

use super::{Finder, FoundDisk};
use crate::turn;

/// The request, in the hub's folder in memory.
pub const REQUEST: &str = "footage-disk";
/// How it goes, in the system's folder in memory; beside it a lock that is held as long as it goes.
const PROGRESS: &str = "run/keepsight-system/footage-disk.json";
const LOCK: &str = "run/keepsight-system/footage-disk.lock";
/// Which disk is to be mounted, in `<data>`.
const WANTED: &str = "footage-disk";
/// Format number of the files that this program reads and writes.
const FORMAT: u32 = 1;
const MAX_BYTES: u64 = 4096;

/// An owner has said yes to this disk, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    format: u32,
    /// Which.
    pub disk: String,
    /// [`FoundDisk::seen`].
    pub seen: String,
}

impl Request {
    /// For this disk.
    pub fn new(disk: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { format: FORMAT, disk: disk.into(), seen: seen.into() }
    }
    /// Reads it.
    ///
    /// # Errors
    /// It is not there, or cannot be understood.
    pub fn read(path: &Path) -> Result<Self, Problem> {
        let request: Self = load(path)?.ok_or_else(|| Problem::with(ProblemKind::FileError, path.display()))?;
        known(request.format, path).map(|()| request)
    }
    /// Writes it, as a whole.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Problem> {
        save(path, self, 0o600)
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It was asked for, and has not begun.
    Asked,
    /// The disk is emptied and formatted.
    Formatting,
    /// Footage is copied while the hub records where it did.
    Copying,
    /// The hub stops for a moment and starts on the new disk.
    ChangingOver,
    /// The hub records on it.
    Done,
    /// It did not become the footage disk.
    Failed,
}

/// How it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Which disk.
    pub disk: String,
    /// How far.
    pub stage: Stage,
    /// Of the bytes that are copied.
    pub percent: u8,
    /// Why it failed: a code of the catalogue, and what exactly.
    pub problem: Option<(String, Option<String>)>,
}

impl Progress {
    /// Says it, for the hub. Below the root of the machine's files.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn say(&self, root: &Path) -> Result<(), Problem> {
        let path = root.join(PROGRESS);
        save(&path, self, 0o644)?;
        open_up(&path)
    }

    /// Why it failed.
    pub fn problem(&self) -> Option<Problem> {
        let (code, detail) = self.problem.clone()?;
        let kind = ProblemKind::ALL.iter().find(|kind| kind.code() == code).copied();
        Some(Problem { kind: kind.unwrap_or(ProblemKind::DiskNotMade), detail })
    }

    /// Held by whoever makes a disk the footage disk, so that another does not begin, and the hub knows when one ended
    /// without a word. `None`: somebody does it already.
    ///
    /// # Errors
    /// The file cannot be made or locked.
    pub fn begin(root: &Path) -> Result<Option<Flock<std::fs::File>>, Problem> {
        turn::take(&root.join(LOCK)).map_err(|e| file_problem(&e))
    }

    /// The last one since the machine started.
    fn last(root: &Path) -> Option<Self> {
        let mut last: Self = load(&root.join(PROGRESS)).ok()??;
        if !matches!(last.stage, Stage::Done | Stage::Failed) && !Self::is_under_way(root) {
            last.stage = Stage::Failed;
            last.problem =
                Some((ProblemKind::DiskNotMade.code().to_owned(), Some("It ended without a word".to_owned())));
        }
        Some(last)
    }

    /// Somebody makes a disk the footage disk.
    pub fn is_under_way(root: &Path) -> bool {
        turn::is_taken(&root.join(LOCK))
    }
}

/// The footage disk that the system is to mount at the footage folder. Written when a disk holds all that there is, taken away
/// by a factory reset without the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    format: u32,
    /// Of the disk's file system.
    pub uuid: String,
    /// The footage that was moved there: what still lies below the mount point of it is a copy.
    pub moved: Option<DiskId>,
}

impl Wanted {
    /// This file system, with this footage.
    pub fn new(uuid: impl Into<String>, moved: Option<DiskId>) -> Self {
        Self { format: FORMAT, uuid: uuid.into(), moved }
    }
    /// Where it lies.
    pub fn path(data: &Path) -> PathBuf {
        data.join(WANTED)
    }
    /// Where footage lies, after it was moved to another disk, until it is removed.
    pub fn moved(footage: &Path) -> PathBuf {
        let mut name = footage.file_name().unwrap_or_default().to_owned();
        name.push(".moved");
        footage.with_file_name(name)
    }
    /// There is one.
    pub fn is_set(data: &Path) -> bool {
        Self::path(data).exists()
    }
    /// Reads it; `None`: the footage lies where the hub's other files lie.
    ///
    /// # Errors
    /// It cannot be read or understood.
    pub fn read(data: &Path) -> Result<Option<Self>, Problem> {
        let path = Self::path(data);
        let Some(wanted) = load::<Self>(&path)? else { return Ok(None) };
        known(wanted.format, &path).map(|()| Some(wanted))
    }
    /// Writes it, durably.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, data: &Path) -> Result<(), Problem> {
        save(&Self::path(data), self, 0o600)
    }
}

/// The machine's disks, as the hub sees them and asks for one.
#[derive(Debug, Clone)]
pub struct FootageDisks {
    root: PathBuf,
    data: PathBuf,
    request: Option<PathBuf>,
}

impl FootageDisks {
    /// Of the machine whose files begin at `root`, for the hub with this folder; `request`: where somebody looks for requests.
    pub fn new(root: impl Into<PathBuf>, data: impl Into<PathBuf>, request: Option<PathBuf>) -> Self {
        Self { root: root.into(), data: data.into(), request }
    }

    /// Somebody looks for requests.
    pub fn can_be_made(&self) -> bool {
        self.request.is_some()
    }

    /// All disks. Blocks.
    pub fn list(&self) -> Vec<FoundDisk> {
        let own = Wanted::read(&self.data).ok().flatten().map(|wanted| wanted.uuid);
        Finder::new(&self.root).disks(own.as_deref())
    }

    /// How it goes, if one was asked for since the machine started. Blocks.
    pub fn progress(&self) -> Option<Progress> {
        match self.request.as_deref().and_then(|path| Request::read(path).ok()) {
            Some(Request { disk, .. }) => Some(Progress { disk, stage: Stage::Asked, percent: 0, problem: None }),
            None => Progress::last(&self.root),
        }
    }

    /// Asks for a disk to be made the footage disk. Blocks.
    ///
    /// # Errors
    /// Nobody does that here; one is being made; the disk is another one than it was, or does not do.
    pub fn ask(&self, disk: &str, seen: &str) -> Result<FoundDisk, Problem> {
        let path = self.request.as_deref().ok_or(ProblemKind::DisksByHand)?;
        if self.progress().is_some_and(|last| !matches!(last.stage, Stage::Done | Stage::Failed)) {
            return Err(ProblemKind::DiskBusy.into());
        }
        let found = Self::chosen(self.list(), disk, seen)?;
        Request::new(disk, seen).write(path)?;
        Ok(found)
    }

    /// The disk that somebody chose, if it is as it was, and does.
    ///
    /// # Errors
    /// See [`FootageDisks::ask`].
    pub fn chosen(disks: Vec<FoundDisk>, id: &str, seen: &str) -> Result<FoundDisk, Problem> {
        // Of twins the first tells that it has one.
        let disk = disks.into_iter().find(|disk| !id.is_empty() && disk.id == id).ok_or(ProblemKind::DiskChanged)?;
        if !disk.fit.may_be_made() {
            let why = match disk.fit {
                super::Fit::System => "A system of Keepsight is on it",
                super::Fit::Footage => "It is the footage disk",
                super::Fit::InUse => "It is in use",
                super::Fit::ReadOnly => "It cannot be written",
                super::Fit::TooSmall => "It is too small",
                _ => "It cannot be told from another one",
            };
            return Err(Problem::with(ProblemKind::DiskUnfit, why));
        }
        match disk.seen == seen {
            true => Ok(disk),
            false => Err(ProblemKind::DiskChanged.into()),
        }
    }
}

fn load<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, Problem> {
    match base::fs::read(path, MAX_BYTES) {
        Err(e) if e.is_not_found() => Ok(None),
        Err(e) => Err(file_problem(&e)),
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| Problem::with(ProblemKind::BadFile, format_args!("{}: {e}", path.display()))),
    }
}

fn save(path: &Path, content: &impl Serialize, mode: u32) -> Result<(), Problem> {
    let json = serde_json::to_vec(content).map_err(|e| Problem::with(ProblemKind::Internal, e))?;
    base::fs::write_atomic(path, &json, mode).map_err(|e| file_problem(&e))
}

/// For the hub's user, whatever the umask says.
fn open_up(path: &Path) -> Result<(), Problem> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(path, mode).map_err(|e| file_problem(&FsError::on("change", path)(e)))
}

fn known(format: u32, path: &Path) -> Result<(), Problem> {
    match format > FORMAT {
        true => Err(Problem::with(ProblemKind::NewerFormat, path.display())),
        false => Ok(()),
    }
}

fn file_problem(e: &FsError) -> Problem {
    Problem::with(ProblemKind::FileError, format_args!("{e}: {}", e.source))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(REQUEST);
        assert!(Request::read(&path).is_err());
        Request::new("disk", "seen").write(&path).unwrap();
        assert_eq!(Request::read(&path).unwrap(), Request::new("disk", "seen"));
        for (text, kind) in [
            ("{", ProblemKind::BadFile),
            (r#"{"format":1,"disk":"a","seen":"b","more":1}"#, ProblemKind::BadFile),
            (r#"{"format":2,"disk":"a","seen":"b"}"#, ProblemKind::NewerFormat),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Request::read(&path).unwrap_err().kind, kind, "{text}");
        }
    }

    #[test]
    fn a_wanted_disk_that_cannot_be_read_is_not_a_missing_one() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Wanted::read(dir.path()).unwrap(), None);
        Wanted::new("u", None).write(dir.path()).unwrap();
        assert_eq!(Wanted::read(dir.path()).unwrap(), Some(Wanted::new("u", None)));
        std::fs::write(Wanted::path(dir.path()), "{").unwrap();
        assert_eq!(Wanted::read(dir.path()).unwrap_err().kind, ProblemKind::BadFile);
        assert!(Wanted::is_set(dir.path()));
    }

    #[test]
    fn who_ends_without_a_word_has_failed() {
        let dir = tempfile::tempdir().unwrap();
        let (root, request) = (dir.path(), dir.path().join(REQUEST));
        let disks = FootageDisks::new(root, root, Some(request.clone()));
        assert_eq!(disks.progress(), None);
        Request::new("a", "b").write(&request).unwrap();
        assert_eq!(disks.progress().unwrap().stage, Stage::Asked);
        assert_eq!(disks.ask("a", "b").unwrap_err().kind, ProblemKind::DiskBusy);
        let lock = Progress::begin(root).unwrap().unwrap();
        assert!(Progress::begin(root).unwrap().is_none());
        std::fs::remove_file(&request).unwrap();
        let copying = Progress { disk: "a".into(), stage: Stage::Copying, percent: 7, problem: None };
        copying.say(root).unwrap();
        assert_eq!(disks.progress().unwrap(), copying);
        drop(lock);
        let ended = disks.progress().unwrap();
        assert_eq!((ended.stage, ended.problem().unwrap().kind), (Stage::Failed, ProblemKind::DiskNotMade));
        assert_eq!(disks.ask("a", "b").unwrap_err().kind, ProblemKind::DiskChanged, "it may be asked for again");
    }

    #[test]
    fn where_nobody_looks_nothing_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let disks = FootageDisks::new(dir.path(), dir.path(), None);
        assert_eq!(disks.ask("a", "b").unwrap_err().kind, ProblemKind::DisksByHand);
    }
}
