//! What Linux says of a process: proc(5), and its CPU clock.

use std::ops::Sub;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// A process that ends with its owner.
pub struct Process(pub Child);

impl Process {
    /// Starts it; what it says on standard error goes to a file.
    pub fn start(command: &mut Command, errors: &Path) -> Process {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(errors).expect("a log file");
        let name = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).stderr(log).spawn();
        Process(child.unwrap_or_else(|e| panic!("{} does not start: {e}", name.display())))
    }
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What processes have used up to now, all their threads together, those that have ended too.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// CPU time, ns: user and system.
    pub cpu_ns: u64,
    /// The same as the kernel splits it, in ticks of 10 ms.
    pub user_ticks: u64,
    pub system_ticks: u64,
    /// Read and write calls, and the bytes of the latter, sockets included.
    pub reads: u64,
    pub writes: u64,
    pub written: u64,
    /// Times that a thread of those that live went to sleep.
    pub sleeps: u64,
}

/// What processes occupy at the moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Occupied {
    /// Bytes of memory; what processes share is counted once (`Pss`).
    pub memory: u64,
    pub threads: u64,
}

pub fn used(pids: &[u32]) -> Used {
    pids.iter().map(|pid| used_by(*pid)).fold(Used::default(), |a, b| Used {
        cpu_ns: a.cpu_ns + b.cpu_ns,
        user_ticks: a.user_ticks + b.user_ticks,
        system_ticks: a.system_ticks + b.system_ticks,
        reads: a.reads + b.reads,
        writes: a.writes + b.writes,
        written: a.written + b.written,
        sleeps: a.sleeps + b.sleeps,
    })
}

impl Sub for Used {
    type Output = Used;
    fn sub(self, before: Used) -> Used {
        Used {
            cpu_ns: self.cpu_ns - before.cpu_ns,
            user_ticks: self.user_ticks - before.user_ticks,
            system_ticks: self.system_ticks - before.system_ticks,
            reads: self.reads - before.reads,
            writes: self.writes - before.writes,
            written: self.written - before.written,
            sleeps: self.sleeps.saturating_sub(before.sleeps), // those of threads that have ended are gone
        }
    }
}

fn used_by(pid: u32) -> Used {
    let clock = clock_getcpuclockid(Pid::from_raw(pid as i32)).expect("a process that runs");
    let time = clock_gettime(clock).expect("its CPU clock");
    let stat = read(pid, "stat");
    // After the name, which may hold anything: field 3 and on.
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |n: usize| fields[n - 3].parse().expect("a number");
    let io = read(pid, "io");
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process that runs");
    let sleeps = |thread: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(thread.ok()?.path().join("status")).ok()?;
        Some(named(&status, "voluntary_ctxt_switches:"))
    };
    Used {
        cpu_ns: Duration::from(time).as_nanos() as u64,
        user_ticks: field(14),
        system_ticks: field(15),
        reads: named(&io, "syscr:"),
        writes: named(&io, "syscw:"),
        written: named(&io, "wchar:"),
        sleeps: threads.filter_map(sleeps).sum(),
    }
}

pub fn occupied(pids: &[u32]) -> Occupied {
    let of = |pid: &u32| {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a process that runs").count() as u64;
        // One process's memory is what it holds; of several what they share would be counted for each.
        let memory = match pids.len() {
            1 => named(&read(*pid, "status"), "VmRSS:"),
            _ => named(&read(*pid, "smaps_rollup"), "Pss:"),
        };
        Occupied { memory: memory << 10, threads }
    };
    let add = |a: Occupied, b: Occupied| Occupied { memory: a.memory + b.memory, threads: a.threads + b.threads };
    pids.iter().map(of).fold(Occupied::default(), add)
}

fn read(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_else(|e| panic!("{file} of process {pid}: {e}"))
}

/// The number behind a name at a line's start.
fn named(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_else(|| panic!("there is no {name}"));
    line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}
