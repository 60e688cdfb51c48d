//! What a child must not be able to do, tried by the child itself: for tests.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::kill;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::Pid;

use crate::wire::Attempt;

/// Tries all of it; `path` is a file that the hub's user may read.
pub(crate) fn all(hub: i32, path: &str) -> Vec<Attempt> {
    let path = Path::new(path);
    let beside = path.with_extension("written-by-a-child");
    let open_socket = |family| socket(family, SockType::Stream, SockFlag::empty(), None).map(drop);
    let tried: [(&str, io::Result<()>); 16] = [
        ("read a file of the hub", std::fs::read(path).map(drop)),
        ("list its folder", path.parent().map_or(Ok(()), |folder| std::fs::read_dir(folder).map(drop))),
        ("write beside it", std::fs::write(beside, b"x")),
        ("read a file of the system", std::fs::read("/etc/passwd").map(drop)),
        ("read the hub's memory", std::fs::File::open(format!("/proc/{hub}/mem")).map(drop)),
        ("open a network socket", open_socket(AddressFamily::Inet).map_err(io::Error::from)),
        ("open a local socket", open_socket(AddressFamily::Unix).map_err(io::Error::from)),
        ("start a program", std::process::Command::new("/bin/true").spawn().map(drop)),
        ("fork", fork()),
        ("signal the hub", kill(Pid::from_raw(hub), None).map_err(io::Error::from)),
        ("have the kernel signal the hub", owner(hub)),
        ("raise a limit", setrlimit(Resource::RLIMIT_NOFILE, 1_024, 1_024).map_err(io::Error::from)),
        ("make new code", code()),
        ("make new code of a file in memory", code_of_a_file()),
        ("take a gigabyte of memory", memory()),
        ("trace the hub", trace(hub)),
    ];
    tried.into_iter().map(|(what, tried)| Attempt { what: what.to_owned(), possible: tried.is_ok() }).collect()
}

fn fork() -> io::Result<()> {
    // SAFETY: if it works, the new process ends at once, without touching anything.
    match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(0) },
        pid if pid > 0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn code() -> io::Result<()> {
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping, which nothing refers to.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), 4_096, protection, flags, -1, 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// By the file that a picture is given back in.
fn code_of_a_file() -> io::Result<()> {
    let file = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    file.write_all_at(&[0xc3; 4_096], 0)?;
    let (protection, flags) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE);
    // SAFETY: a new mapping, which nothing refers to.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), 4_096, protection, flags, file.as_raw_fd(), 0) };
    if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whom a signal is sent to, with something to be read on the socket.
fn owner(hub: i32) -> io::Result<()> {
    // SAFETY: neither changes this process's memory.
    let (by_fcntl, by_ioctl) = unsafe {
        (libc::fcntl(0, libc::F_SETOWN, hub), libc::ioctl(0, 0x8901 /* FIOSETOWN */, &raw const hub))
    };
    if by_fcntl == 0 || by_ioctl == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn memory() -> io::Result<()> {
    let mut much: Vec<u8> = Vec::new();
    much.try_reserve_exact(1 << 30).map_err(io::Error::other)
}

fn trace(hub: i32) -> io::Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: attaching reads and writes none of this process's memory.
    match unsafe { libc::ptrace(libc::PTRACE_SEIZE, hub, none, none) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
