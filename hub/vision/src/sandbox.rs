//! What a child may do: compute, and answer. Each of these alone would keep a decoder that an enemy has taken over from most
//! of what it could want; together they leave it its own picture.
//!
//! | by | what | since |
//! |---|---|---|
//! | a new program | none of the hub's memory, keys or open files | ever |
//! | limits (`setrlimit`) | memory, processor time, files, processes | ever |
//! | no new privileges | no setuid program helps it | Linux 3.5 |
//! | Landlock | no file, no port, no signal to others | Linux 5.13, ports 6.7, signals 6.12 |
//! | seccomp | no system call but those of decoding: no socket, no process, no new executable memory | Linux 3.5 |
//! | its parent's death | ends it | ever |

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope,
};
use nix::libc;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::wire::MAX_JPEG_BYTES;
use base::runtime::Runtime;

/// Bytes of memory that a child may write to. A 4K picture in H.265 with its reference pictures takes about 200 MB.
const MAX_MEMORY_BYTES: u64 = 512 << 20;
/// The same of one with a model: that has its model several times in memory while it reads it.
const MAX_MEMORY_BYTES_OF_OBJECTS: u64 = 1 << 30;
/// The same of one with a model for hardware: TensorRT tries many programs for it before it takes one.
const MAX_MEMORY_BYTES_OF_ACCELERATORS: u64 = 4 << 30;
/// Bytes of address space: the decoders' libraries, and what allocators only reserve.
const MAX_ADDRESSES_BYTES: u64 = 2 << 30;
/// Seconds of processor time of a child that sees one picture, its start included: a 4K picture takes about one on a slow
/// board.
const MAX_CPU_SECONDS: u64 = 10;
/// The same of one that watches a camera: then the next one goes on.
const MAX_CPU_SECONDS_OF_WATCHING: u64 = 3_600;
/// Open files.
const MAX_FILES: u64 = 64;
/// The same where drivers open their devices many times.
const MAX_FILES_OF_ACCELERATORS: u64 = 512;
/// Processes and threads of the hub's user, all of them together (that is how the kernel counts): the hub has some tens.
/// Where there is seccomp, a child can start none at all.
const MAX_PROCESSES: u64 = 4_096;
/// Recording goes first.
const NICE: i32 = 5;

/// What a child is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Life {
    /// One picture.
    Picture,
    /// The pictures of one camera, as long as they come.
    Watch,
    /// The same, with hardware decoders.
    Hardware,
    /// What is in pictures of all cameras, by a model; it decodes nothing. The model is run by the hub's own library, or by another.
    Objects(Option<Runtime>),
}

impl Life {
    /// Its model is run by hardware, whose driver wants much of the machine.
    fn has_accelerator(&self) -> bool {
        matches!(self, Life::Objects(Some(runtime)) if runtime.provider.is_hardware())
    }
}

/// What of the machine a child goes on needing once it is locked in.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    /// Device files, or folders of them.
    devices: Vec<PathBuf>,
    /// Files and folders that are read: an accelerator's driver loads libraries when it is used, and asks the kernel what there is.
    files: Vec<PathBuf>,
}

impl Needs {
    /// Of a child of this life, with the device files of its decoders.
    pub fn of(life: &Life, decoders: Vec<PathBuf>) -> Self {
        match life {
            Life::Objects(Some(runtime)) if life.has_accelerator() => {
                let beside = runtime.library.parent().map(PathBuf::from);
                let files = LIBRARIES.iter().map(PathBuf::from).chain(beside).collect();
                Self { devices: runtime.devices.clone(), files }
            }
            _ => Self { devices: decoders, files: Vec::new() },
        }
    }

    fn anything(&self) -> bool {
        !self.devices.is_empty() || !self.files.is_empty()
    }
}

/// Where the libraries of accelerators lie, and what their drivers ask the kernel: of `/proc` no other process. What there is to be
/// learnt of the machine and its network stays in the child: nothing but names, numbers and places comes out of it.
const LIBRARIES: [&str; 11] = [
    "/usr/lib",
    "/usr/local",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/sys",
    "/proc/self",
    "/proc/driver",
    "/proc/devices",
    "/proc/meminfo",
    "/proc/cpuinfo",
];

/// Which of the kernel's protections hold a child, beyond those that every kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sandbox {
    /// Landlock: no files.
    pub files: bool,
    /// Seccomp: no system calls but those of decoding.
    pub calls: bool,
}

impl Sandbox {
    /// What this kernel has.
    pub fn of_kernel() -> Self {
        // With a null pointer it only answers whether the action is known; with no kernel support, ENOSYS or EINVAL.
        let action = libc::SECCOMP_RET_ERRNO;
        // SAFETY: both calls read at most the action that the pointer leads to, and change nothing.
        let (abi, seccomp) = unsafe {
            let none = std::ptr::null::<libc::c_void>();
            let ask_version = 1u32; // LANDLOCK_CREATE_RULESET_VERSION
            (
                libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, ask_version),
                libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0u32, &raw const action),
            )
        };
        Self { files: abi >= 1, calls: seccomp == 0 }
    }

    /// What it lacks, for a person; `None` if nothing.
    pub fn lacks(self) -> Option<&'static str> {
        match (self.files, self.calls) {
            (true, true) => None,
            (false, true) => Some("The kernel has no Landlock"),
            (true, false) => Some("The kernel has no seccomp"),
            (false, false) => Some("The kernel has neither Landlock nor seccomp"),
        }
    }

    pub(crate) fn to_byte(self) -> u8 {
        u8::from(self.files) | u8::from(self.calls) << 1
    }
    pub(crate) fn from_byte(byte: u8) -> Self {
        Self { files: byte & 1 != 0, calls: byte & 2 != 0 }
    }
}

/// First of all: what every kernel has. `parent` is the hub's process.
///
/// # Errors
/// The hub is gone already, or the kernel refuses a limit.
pub(crate) fn limit(parent: i32, life: &Life) -> io::Result<()> {
    let cpu_seconds = if *life == Life::Picture { MAX_CPU_SECONDS } else { MAX_CPU_SECONDS_OF_WATCHING };
    let accelerator = life.has_accelerator();
    let memory = match life {
        Life::Objects(_) if accelerator => MAX_MEMORY_BYTES_OF_ACCELERATORS,
        Life::Objects(_) => MAX_MEMORY_BYTES_OF_OBJECTS,
        _ => MAX_MEMORY_BYTES,
    };
    // SAFETY: closes files that this program has not opened: nothing here refers to any beyond the first three.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid().as_raw() != parent {
        return Err(io::Error::other("the hub has ended")); // before the signal was asked for
    }
    // The kernel out of memory takes this process, not the hub. Before it is made not dumpable, which shuts this file.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000"); // a kernel without it chooses by size
    // SAFETY: changes only how often this process runs.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICE) };
    for (resource, most) in [
        (Resource::RLIMIT_CORE, 0),
        (Resource::RLIMIT_DATA, memory),
        (Resource::RLIMIT_CPU, cpu_seconds),
        (Resource::RLIMIT_NOFILE, if accelerator { MAX_FILES_OF_ACCELERATORS } else { MAX_FILES }),
        (Resource::RLIMIT_NPROC, MAX_PROCESSES),
        (Resource::RLIMIT_FSIZE, u64::from(MAX_JPEG_BYTES)),
        (Resource::RLIMIT_MEMLOCK, 0),
        (Resource::RLIMIT_MSGQUEUE, 0),
    ] {
        setrlimit(resource, most, most)?;
    }
    if *life != Life::Hardware && !accelerator {
        // Drivers set aside addresses for all memory that their hardware could use.
        setrlimit(Resource::RLIMIT_AS, MAX_ADDRESSES_BYTES, MAX_ADDRESSES_BYTES)?;
    }
    nix::sys::prctl::set_dumpable(false)?;
    nix::sys::prctl::set_no_new_privs()?;
    Ok(())
}

/// Then, once all is loaded that it needs: what this kernel has. A child that needs no device and no file can open none at all.
///
/// # Errors
/// There are other threads already, which would stay outside; or the kernel has a protection and refuses it.
pub(crate) fn lock(needs: &Needs) -> io::Result<Sandbox> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("there are other threads already"));
    }
    let files = no_files(needs).map_err(io::Error::other)?;
    let kernel = Sandbox::of_kernel();
    if kernel.calls {
        // Without Landlock, who may open devices could open any file: then hardware neither decodes nor looks for objects.
        let (devices, libraries) = (files && needs.anything(), files && !needs.files.is_empty());
        for filter in filters(devices, libraries).map_err(io::Error::other)? {
            seccompiler::apply_filter(&filter).map_err(io::Error::other)?;
        }
    }
    Ok(Sandbox { files, calls: kernel.calls })
}

/// No file but those that are needed. Whether Landlock holds.
fn no_files(needs: &Needs) -> Result<bool, landlock::RulesetError> {
    // The newest rules known here; on an older kernel those that it has.
    let abi = ABI::V6;
    let all = AccessFs::from_all(abi);
    let mut rules = Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let devices = needs.devices.iter().map(|path| (path, read | AccessFs::WriteFile | AccessFs::IoctlDev));
    let files = needs.files.iter().map(|path| (path, read));
    for (path, access) in devices.chain(files) {
        if let Ok(path) = PathFd::new(path) {
            rules = rules.add_rule(PathBeneath::new(path, access))?;
        }
    }
    Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

/// Which system calls are let through; the others fail with EPERM, so that a library that only tries goes on.
fn filters(devices: bool, libraries: bool) -> Result<[BpfProgram; 2], seccompiler::BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    // A filter cannot look into clone3's arguments. A C library that is told that there is none takes clone.
    let clone3 = BTreeMap::from([(libc::SYS_clone3, vec![])]);
    let no_clone3 = SeccompFilter::new(clone3, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32), arch)?;

    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|call| (*call, vec![])).collect();
    // Of two filters that refuse a call the last one's error counts: this one leaves it to the other.
    rules.insert(libc::SYS_clone3, vec![]);
    // To wake its own threads, as GStreamer does: two ends that lead nowhere else.
    rules.insert(libc::SYS_socketpair, vec![when(0, SeccompCmpOp::Eq, libc::AF_UNIX as u64)?]);
    // Threads, but no processes.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone, vec![when(0, SeccompCmpOp::MaskedEq(thread), thread)?]);
    // Memory, but no code that was not there before.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![when(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)?]);
    }
    if libraries {
        // Code out of files that may be read, which nobody here can write (its standard output is no file in memory), and whatever its
        // devices let be mapped; still none in memory of its own.
        let (code, changed) = (libc::PROT_EXEC as u64, libc::PROT_WRITE as u64);
        let shared = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as u64;
        rules.entry(libc::SYS_mmap).or_default().push(SeccompRule::new(vec![
            condition(2, SeccompCmpOp::MaskedEq(code | changed), code)?,
            condition(3, SeccompCmpOp::MaskedEq(shared), 0)?,
        ])?);
        rules.extend(LIBRARY_CALLS.iter().map(|call| (*call, vec![])));
    }
    // To ask for limits, but not to set them.
    rules.insert(libc::SYS_prlimit64, vec![when_long(2, SeccompCmpOp::Eq, 0)?]);
    // To name threads and their memory.
    let names = [libc::PR_SET_NAME, libc::PR_GET_NAME, 0x5356_4d41 /* PR_SET_VMA */];
    let names = names.iter().map(|name| when(0, SeccompCmpOp::Eq, *name as u64));
    rules.insert(libc::SYS_prctl, names.collect::<Result<_, _>>()?);
    // To end itself (abort), but nobody else.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, own)?]);
    // What can be done with open files, but not to have the kernel send somebody signals for them.
    let of_files = FILE_COMMANDS.iter().map(|command| when(1, SeccompCmpOp::Eq, *command as u64));
    rules.insert(libc::SYS_fcntl, of_files.collect::<Result<_, _>>()?);
    if devices {
        rules.extend(DEVICE_CALLS.iter().map(|call| (*call, vec![])));
        let signals = SIGNAL_REQUESTS.iter().map(|request| condition(1, SeccompCmpOp::Ne, *request));
        rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(signals.collect::<Result<_, _>>()?)?]);
    }
    let only_these = SeccompFilter::new(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow, arch)?;
    Ok([no_clone3.try_into()?, only_these.try_into()?])
}

fn when(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![condition(argument, op, value)?])
}

fn condition(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)
}

fn when_long(argument: u8, op: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Qword, op, value)?])
}

/// Of `fcntl`.
const FILE_COMMANDS: [i32; 9] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_ADD_SEALS,
    libc::F_GET_SEALS,
    1_027, // F_DUPFD_QUERY: whether two are the same file; newer Mesa asks
];
/// Of `ioctl`: `FIOSETOWN`, `SIOCSPGRP` and `FIOASYNC` (`asm-generic/sockios.h`, `asm-generic/ioctls.h`).
const SIGNAL_REQUESTS: [u64; 3] = [0x8901, 0x8902, 0x5452];

/// What decoding needs, found by trying: on files that are open, on its own memory and threads, and the time.
const CALLS: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_eventfd2,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getattr,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_write,
    libc::SYS_writev,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// What a hardware decoder needs beyond that: Landlock says of which files.
const DEVICE_CALLS: &[i64] = &[
    libc::SYS_dup, // GStreamer's V4L2 decoders that keep state have their device twice
    libc::SYS_fstat,
    libc::SYS_getdents64,
    libc::SYS_ioctl,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_readlinkat,
    libc::SYS_statx,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    libc::SYS_faccessat,
];

/// What an accelerator's driver may want beyond that: by what libraries of its kind are known to call, since none is here to try.
/// None of it leads out of the child.
const LIBRARY_CALLS: &[i64] = &[
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_fstatfs,
    libc::SYS_get_mempolicy,
    libc::SYS_getcwd,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getuid,
    libc::SYS_mbind,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setaffinity,
    libc::SYS_statfs,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_kernel_lacks_is_said_and_told() {
        for files in [false, true] {
            for calls in [false, true] {
                let sandbox = Sandbox { files, calls };
                assert_eq!(Sandbox::from_byte(sandbox.to_byte()), sandbox);
                assert_eq!(sandbox.lacks().is_none(), files && calls);
            }
        }
    }

    #[test]
    fn the_filters_can_be_made() {
        for (devices, libraries) in [(false, false), (true, false), (true, true)] {
            assert!(filters(devices, libraries).unwrap().iter().all(|f| f.len() > 3));
        }
    }
}
