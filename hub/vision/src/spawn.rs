//! Starts children.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use tokio::net::UnixStream;
use tokio::process::{Child as Process, Command};
use tokio::sync::oneshot;

use crate::child;
use crate::sandbox::Life;
use crate::wire::MAX_JPEG_BYTES;

/// What is started as a child; its last arguments are [`child::COMMAND`], this process's id, and
/// [`child::WATCH`] if it is to watch, [`child::HARDWARE`] if it may do so with hardware, [`child::OBJECTS`] if it is to have a model, with
/// [`child::RUNTIME`] and what is to run it, where that is not the hub's own.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    group: Option<PathBuf>,
}

impl Program {
    /// The running program itself, even if its file was replaced since: its `main` must know [`child::COMMAND`].
    pub fn own() -> Self {
        Self { path: "/proc/self/exe".into(), group: None }
    }
    /// Another program that knows [`child::COMMAND`]: for tests.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), group: None }
    }
    /// Whose processes are put into a control group (cgroup v2), a folder of it.
    #[must_use]
    pub fn in_group(self, group: Option<PathBuf>) -> Self {
        Self { group, ..self }
    }
}

/// A child that was started; dropped, it is killed.
pub(crate) struct Child {
    /// Killed when dropped, and waited for in the background.
    pub process: Process,
    /// To it.
    pub socket: UnixStream,
    /// Where it puts the JPEG: of fixed size, so that it can neither grow nor be cut under the reader.
    pub picture: File,
}

type Wanted = (Life, oneshot::Sender<io::Result<Child>>);

/// Starts children from one thread of its own. The kernel kills a child when the *thread* that started it ends, so that must
/// not be one of a pool.
pub(crate) struct Spawner(mpsc::Sender<Wanted>);

impl Spawner {
    /// # Errors
    /// The thread cannot be started.
    pub fn start(program: Program, runtime: tokio::runtime::Handle) -> io::Result<Self> {
        let (wanted, asked) = mpsc::channel::<Wanted>();
        std::thread::Builder::new().name("vision".into()).spawn(move || {
            let _runtime = runtime.enter(); // sockets and processes are followed by it
            for (life, wanted) in asked {
                let _ = wanted.send(start(&program, &life)); // who waited may be gone; then the child ends again
            }
        })?;
        Ok(Self(wanted))
    }

    /// A new child, which has said nothing yet.
    pub async fn child(&self, life: Life) -> io::Result<Child> {
        let (wanted, started) = oneshot::channel();
        let gone = || io::Error::other("nobody starts children any more");
        self.0.send((life, wanted)).map_err(|_| gone())?;
        started.await.map_err(|_| gone())?
    }
}

fn start(program: &Program, life: &Life) -> io::Result<Child> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let memory = memfd_create("keepsight-picture", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let picture = File::from(memory);
    picture.set_len(MAX_JPEG_BYTES.into())?;
    fcntl(&picture, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL))?;
    let process = Command::new(&program.path)
        .args([OsString::from(child::COMMAND), std::process::id().to_string().into()])
        .args(match life {
            Life::Picture => Vec::<String>::new(),
            Life::Watch => vec![child::WATCH.into()],
            Life::Hardware => vec![child::HARDWARE.into()],
            Life::Objects(None) => vec![child::OBJECTS.into()],
            Life::Objects(Some(runtime)) => {
                vec![child::OBJECTS.into(), child::RUNTIME.into(), runtime.to_argument()]
            }
        })
        .env_clear()
        .envs([
            ("GST_REGISTRY_DISABLE", "yes"), // see `decode`
            ("GST_DEBUG", "0"),
            ("HAILORT_LOGGER_PATH", "NONE"), // or it makes a file wherever it is
            ("ORC_CODE", "backup"),          // no code is made at run time: it could not be executed
            ("LC_ALL", "C"),
        ])
        .current_dir("/")
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(match life {
            // It gives no picture, and has no file that it could write code into.
            Life::Objects(_) => Stdio::null(),
            _ => Stdio::from(OwnedFd::from(picture.try_clone()?)),
        })
        .stderr(Stdio::null()) // what an enemy could write into the log
        .kill_on_drop(true)
        .spawn()?;
    if let (Some(group), Some(id)) = (&program.group, process.id()) {
        // It computes for nobody yet. One that ended already is in no group.
        let _ = std::fs::write(group.join("cgroup.procs"), id.to_string());
    }
    Ok(Child { process, socket: UnixStream::from_std(ours)?, picture })
}
