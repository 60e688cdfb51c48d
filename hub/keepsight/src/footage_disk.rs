//! `keepsight footage-disk`, which the system runs as root: makes a disk the footage disk when an owner asked for it, and has the
//! hub's own mounted when it is there. Described in `docs/footage-disk.md`.
//!
//! The footage moves with its disk id, so that the hub knows the new disk as it knew the old place. Until [`Wanted`] is written
//! nothing that is kept is changed; from then on everything lies on the new disk. Whatever lies in the hub's folder is touched as
//! the hub's user: a hub that was broken into must not have root read or write for it.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::fs::{FsError, create_dir, remove, shred, sync_dir};
use base::{CameraId, Problem, ProblemKind};
use clap::{Args, Subcommand};
use footage::{Disk, DiskError};
use nix::fcntl::Flock;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{Gid, Uid, getegid, geteuid};
use system::footage_disk::{Finder, FootageDisks, FoundDisk, Progress, REQUEST, Request, Stage, Wanted};
use system::{Disks, SystemDisks};

use crate::as_root::{as_user, comes};
use crate::cli::ConfigFile;
use crate::config::Config;
use crate::out::{self, Failure};
use crate::rescue::file_problem;

mod make;
mod tree;

/// The hub.
const HUB: &str = "keepsight.service";
const LOCK_WITHIN: Duration = Duration::from_secs(2);
/// Updates of the system, as they lie on a stick.
const UPDATE: &str = "raucb";

/// `keepsight footage-disk`.
#[derive(Debug, Args)]
pub struct FootageDiskCommand {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    config: ConfigFile,
    /// Where the machine's files begin
    #[arg(long, value_name = "FOLDER", default_value = "/", global = true)]
    root: PathBuf,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// Mounts the hub's footage disk, if it has one of its own and that is there
    Mount,
    /// Makes the disk that an owner asked for the footage disk: what is on it is lost, the footage so far moves there
    Change,
}

impl FootageDiskCommand {
    /// Does it, and prints what was done.
    ///
    /// # Errors
    /// It was not done; the hub records where it did.
    pub fn run(&self) -> Result<(), Failure> {
        let work = Work::new(self.config.load()?, &self.root)?;
        let said = match self.what {
            What::Mount => work.mount()?,
            What::Change => work.change()?,
        };
        Ok(out::text(&out::printable(&said))?)
    }
}

struct Work {
    root: PathBuf,
    data: PathBuf,
    footage: PathBuf,
    reserve: u64,
    /// Whose the hub's folder is.
    hub: (Uid, Gid),
}

impl Work {
    fn new(config: Config, root: &Path) -> Result<Self, Problem> {
        let data = config.paths.data().to_owned();
        let meta = std::fs::metadata(&data).map_err(|e| file_problem(&FsError::on("look at", &data)(e)))?;
        Ok(Self {
            root: root.to_owned(),
            footage: config.paths.footage().to_owned(),
            reserve: config.storage.reserve(),
            hub: (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid())),
            data,
        })
    }

    /// At the start of the machine, and whenever a footage disk appears.
    fn mount(&self) -> Result<String, Problem> {
        if Progress::is_under_way(&self.root) {
            return Ok("A disk is being made the footage disk, and mounted then.".into());
        }
        let Some(wanted) = self.wanted()? else {
            return Ok("The footage lies where the hub's other files lie.".into());
        };
        let place = Finder::new(&self.root).footage_partition(&wanted.uuid);
        let mounted = self.mounted();
        if let (true, Some(part)) = (mounted, &place)
            && self.device_below(&self.footage) != Some(part.device.clone())
        {
            // Its disk was pulled, and is another device now that it is back.
            make::run("systemd-mount", &["--umount", path(&self.footage)?])?;
        } else if mounted {
            self.remove_moved()?;
            return Ok("The footage disk is mounted.".into());
        }
        // What a power cut left in the place of the mount point was moved there; the hub must not take it for its disk.
        let left = self.as_hub(|| Disk::open(&self.footage, wanted.moved).is_ok());
        if wanted.moved.is_some() && left {
            self.as_hub(|| self.set_aside())?;
        }
        let Some(part) = place else { return Ok("The footage disk is not there.".into()) };
        // Asked for and not waited for here; the hub's start is ordered after the mount, and so after a file system's check.
        make::mount_for_all(&self.node(&part.name), &self.footage, make::Wait::No)?;
        Ok(format!("The footage disk is {}.", part.name))
    }

    /// What an owner asked for.
    fn change(&self) -> Result<String, Problem> {
        let path = self.root.join("run/keepsight").join(REQUEST);
        let _lock = self.begin()?;
        let request = self.as_hub(|| Request::read(&path));
        // Whatever it says, it is asked for once.
        self.as_hub(|| remove(&path)).map_err(|e| file_problem(&e))?;
        let request = request?;
        let done = self.make(&request);
        let problem = done.as_ref().err().map(|e| (e.kind.code().to_owned(), e.detail.clone()));
        let stage = if problem.is_none() { Stage::Done } else { Stage::Failed };
        Progress { disk: request.disk, stage, percent: 100, problem }.say(&self.root)?;
        done.map(|disk| format!("{} is the footage disk.", disk.name))
    }

    /// Nobody else does. The hub, which looks whether somebody does, is in the way for an instant.
    fn begin(&self) -> Result<Flock<File>, Problem> {
        let lock = RefCell::new(None);
        let tries = || {
            *lock.borrow_mut() = Progress::begin(&self.root).ok().flatten();
            lock.borrow().is_some()
        };
        comes(tries, LOCK_WITHIN)?;
        let lock = lock.into_inner().ok_or(ProblemKind::DiskBusy)?;
        // The hub looks into it, and copies through it, whatever the umask says.
        let folder = self.place("");
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755))
            .map_err(|e| file_problem(&FsError::on("change", &folder)(e)))?;
        Ok(lock)
    }

    fn make(&self, request: &Request) -> Result<FoundDisk, Problem> {
        let say =
            |stage, percent| Progress { disk: request.disk.clone(), stage, percent, problem: None }.say(&self.root);
        say(Stage::Formatting, 0)?;
        let disk = self.checked(request)?;
        let (uuid, part) = make::format(&self.node(&disk.name))?;
        let new = Mounted::new(&part, "ext4", &self.place("new-footage"), MsFlags::MS_NOATIME)?;
        // The folder is to be the hub's, as the old one is.
        std::os::unix::fs::chown(&new.at, Some(self.hub.0.as_raw()), Some(self.hub.1.as_raw()))
            .and_then(|()| std::fs::set_permissions(&new.at, PermissionsExt::from_mode(0o700)))
            .map_err(|e| file_problem(&FsError::on("change", &new.at)(e)))?;

        say(Stage::Copying, 0)?;
        let mut told = 0;
        self.as_hub(|| {
            tree::copy(&self.footage, &new.at, tree::Pass::Meanwhile, &mut |percent| {
                if percent > told {
                    told = percent;
                    // The next one says more.
                    let _ = as_user((geteuid(), getegid()), || say(Stage::Copying, percent));
                }
            })
        })?;
        say(Stage::ChangingOver, 100)?;
        let hub = Stopped::hub()?;
        self.change_over(new, &uuid, &part)?;
        hub.start()?;
        self.remove_moved()?;
        Ok(disk)
    }

    /// While the hub stands still.
    fn change_over(&self, new: Mounted, uuid: &str, part: &Path) -> Result<(), Problem> {
        let old = self.as_hub(|| Disk::open(&self.footage, None));
        let (moved, _lock) = match old {
            Ok(disk) => {
                let lock = self.as_hub(|| disk.lock()).map_err(|e| Problem::from(&e))?;
                (Some(disk.id()), Some(lock.ok_or(ProblemKind::DiskInUse)?))
            }
            // Nothing was ever recorded, or a disk of its own is away: then what is on it is not left behind without a word.
            Err(DiskError::Missing { .. }) if self.wanted()?.is_none() => (None, None),
            Err(e) => return Err(Problem::from(&e)),
        };
        self.as_hub(|| tree::copy(&self.footage, &new.at, tree::Pass::Last, &mut |_| {}))?;
        new.sync()?;
        drop(new);
        let before = self.wanted()?;
        self.as_hub(|| Wanted::new(uuid, moved).write(&self.data))?;
        let mounted = || {
            match self.mounted() {
                // A disk of its own already: what is on it stays there, and it is not this hub's any more.
                true => make::run("systemd-mount", &["--umount", path(&self.footage)?])?,
                false => self.as_hub(|| self.set_aside())?,
            }
            make::mount_for_all(part, &self.footage, make::Wait::Yes)
        };
        mounted().inspect_err(|_| {
            // Back to where everything still lies. What does not go here is seen to by `mount`.
            let old_disk = before.as_ref().and_then(|wanted| Finder::new(&self.root).footage_partition(&wanted.uuid));
            let back = self.as_hub(|| self.back(before)).and_then(|()| match old_disk {
                Some(part) => make::mount_for_all(&self.node(&part.name), &self.footage, make::Wait::Yes),
                None => Ok(()),
            });
            if let Err(e) = back {
                tracing::error!(problem = %e, "the footage is not back in its old place");
            }
        })
    }

    /// The disk that was asked for, if it is as it was then and may be used. Nothing of the hub's word is believed.
    fn checked(&self, request: &Request) -> Result<FoundDisk, Problem> {
        let own = self.wanted()?.map(|wanted| wanted.uuid);
        let disks = Finder::new(&self.root).disks(own.as_deref());
        let disk = FootageDisks::chosen(disks, &request.disk, &request.seen)?;
        let unfit = |why: &str| Problem::with(ProblemKind::DiskUnfit, why);
        let node = self.node(&disk.name);
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for point in disk.partitions.iter().filter_map(|part| system::looked_into(&mounts, &part.name)) {
            make::run("systemd-mount", &["--umount", path(&point)?])?;
        }
        // For nobody else: the kernel refuses a disk of which anything is mounted.
        let open = File::options().read(true).write(true).custom_flags(nix::libc::O_EXCL).open(&node);
        let file = open.map_err(|e| unfit(&format!("{}: {e}", node.display())))?;
        let is_disk = file.metadata().is_ok_and(|meta| meta.file_type().is_block_device());
        let bytes = std::io::Seek::seek(&mut &file, std::io::SeekFrom::End(0)).unwrap_or(0);
        if !is_disk || bytes != disk.size_bytes {
            return Err(ProblemKind::DiskChanged.into());
        }
        drop(file);
        let footage = self.as_hub(|| tree::bytes(&self.footage))?;
        // ext4 wants some for itself.
        if footage + self.reserve > bytes / 100 * 95 {
            return Err(unfit("It has less room than the footage that there is takes"));
        }
        for part in &disk.partitions {
            if self.has_update(&self.node(&part.name), &part.file_system) {
                return Err(unfit("An update of the system lies on it"));
            }
        }
        Ok(disk)
    }

    /// A stick that somebody updates hubs with. What cannot be mounted holds none that a hub could use.
    fn has_update(&self, node: &Path, file_system: &str) -> bool {
        if !["vfat", "exfat", "ext4"].contains(&file_system) {
            return false;
        }
        let Ok(stick) = Mounted::new(node, file_system, &self.place("looked-at"), MsFlags::MS_RDONLY) else {
            return false;
        };
        let folders = [stick.at.clone(), stick.at.join("keepsight")];
        let names = folders.iter().flat_map(std::fs::read_dir).flatten().flatten();
        names.into_iter().any(|entry| entry.path().extension().is_some_and(|ends| ends == UPDATE))
    }

    /// Footage that was moved goes out of the way: the folder becomes the empty mount point.
    fn set_aside(&self) -> Result<(), Problem> {
        let aside = Wanted::moved(&self.footage);
        let moves = || {
            shred_keys_and_remove(&aside)?;
            if self.footage.exists() {
                std::fs::rename(&self.footage, &aside).map_err(FsError::on("rename", &self.footage))?;
            }
            create_dir(&self.footage, 0o700)?;
            sync_dir(self.footage.parent().unwrap_or(Path::new("/")))
        };
        moves().map_err(|e| file_problem(&e))
    }

    /// What was moved is on the disk that is mounted now.
    fn remove_moved(&self) -> Result<(), Problem> {
        self.as_hub(|| shred_keys_and_remove(&Wanted::moved(&self.footage))).map_err(|e| file_problem(&e))
    }

    /// Undoes what was begun of a change.
    fn back(&self, before: Option<Wanted>) -> Result<(), Problem> {
        let aside = Wanted::moved(&self.footage);
        let moves = || {
            if aside.exists() {
                std::fs::remove_dir(&self.footage).map_err(FsError::on("remove", &self.footage))?;
                std::fs::rename(&aside, &self.footage).map_err(FsError::on("rename", &aside))?;
            }
            sync_dir(self.footage.parent().unwrap_or(Path::new("/")))
        };
        moves().map_err(|e| file_problem(&e))?;
        match before {
            Some(wanted) => wanted.write(&self.data),
            None => remove(&Wanted::path(&self.data)).map_err(|e| file_problem(&e)),
        }
    }

    fn wanted(&self) -> Result<Option<Wanted>, Problem> {
        self.as_hub(|| Wanted::read(&self.data))
    }

    fn mounted(&self) -> bool {
        SystemDisks.facts(&self.footage).is_ok_and(|facts| facts.mount_point)
    }

    /// `major:minor` of what a folder lies on.
    fn device_below(&self, folder: &Path) -> Option<String> {
        let device = std::fs::metadata(folder).ok()?.dev();
        Some(format!("{}:{}", nix::sys::stat::major(device), nix::sys::stat::minor(device)))
    }

    fn node(&self, name: &str) -> PathBuf {
        self.root.join("dev").join(name)
    }

    /// Where a disk is mounted for this program only.
    fn place(&self, name: &str) -> PathBuf {
        self.root.join("run/keepsight-system").join(name)
    }

    /// Does something with the hub's files as the hub would: what the hub may not read or write is not read or written.
    fn as_hub<T>(&self, does: impl FnOnce() -> T) -> T {
        as_user(self.hub, does)
    }
}

/// The hub, stopped. It is started again whatever happens.
struct Stopped;

impl Stopped {
    fn hub() -> Result<Self, Problem> {
        let stopped = Self;
        make::run("systemctl", &["stop", HUB]).map(|()| stopped)
    }
    fn start(self) -> Result<(), Problem> {
        let started = make::run("systemctl", &["start", "--no-block", HUB]);
        std::mem::forget(self);
        started
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Err(e) = make::run("systemctl", &["start", "--no-block", HUB]) {
            tracing::error!(problem = %e, "the hub is not started again");
        }
    }
}

/// A disk that is mounted for a moment.
struct Mounted {
    at: PathBuf,
}

impl Mounted {
    fn new(node: &Path, file_system: &str, at: &Path, flags: MsFlags) -> Result<Self, Problem> {
        create_dir(at, 0o755).map_err(|e| file_problem(&e))?;
        let flags = flags | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
        let done = mount(Some(node), at, Some(file_system), flags, None::<&str>);
        done.map_err(|e| {
            Problem::with(ProblemKind::DiskNotMade, format_args!("{} cannot be mounted: {e}", node.display()))
        })?;
        Ok(Self { at: at.to_owned() })
    }

    /// All that was written to it is on it.
    fn sync(&self) -> Result<(), Problem> {
        let done = File::open(&self.at).and_then(|folder| Ok(nix::unistd::syncfs(folder)?));
        done.map_err(|e| Problem::with(ProblemKind::DiskNotMade, format_args!("It does not take what is written: {e}")))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(e) = umount2(&self.at, MntFlags::MNT_DETACH) {
            tracing::warn!(error = %e, at = %self.at.display(), "a disk stays mounted");
        }
    }
}

/// Key files are overwritten, here as everywhere; footage is sealed.
fn shred_keys_and_remove(footage: &Path) -> Result<(), FsError> {
    for entry in std::fs::read_dir(footage).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.parse::<CameraId>().is_ok()) {
            shred(&entry.path().join("keys"))?;
        }
    }
    remove(footage)
}

/// A path as text for another program.
fn path(path: &Path) -> Result<&str, Problem> {
    path.to_str().ok_or_else(|| Problem::with(ProblemKind::FileError, path.display()))
}
