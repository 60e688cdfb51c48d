//! Cameras that nobody here made, and that offer one transport only, within TLS or behind a password: GStreamer's own RTSP
//! server in a process of its own. And a network of one's own to have them in, where multicast reaches nobody else.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::film::{Coding, Film};

/// How a server serves.
#[derive(Debug, Clone)]
pub struct Serve {
    /// `tcp`, `udp` or `multicast`: no other is offered.
    pub transport: &'static str,
    /// A file with a certificate and its key: it serves `rtsps:`.
    pub tls: Option<PathBuf>,
    /// Name and password that it wants to see.
    pub user: Option<(&'static str, &'static str)>,
    /// It asks for them by Basic, not Digest.
    pub basic: bool,
    /// Its pictures are made JPEG of.
    pub jpeg: bool,
    /// What its sound is: `aac` as in the film, or made `pcmu` or `opus`.
    pub sound: &'static str,
    /// It is on the other machine of the network: who listens to a group on the machine that sends to it finds its ports taken.
    pub elsewhere: Option<u32>,
}

impl Serve {
    /// By a transport, in the open, to anybody.
    pub fn by(transport: &'static str) -> Self {
        Self { transport, tls: None, user: None, basic: false, jpeg: false, sound: "aac", elsewhere: None }
    }
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct GstServer {
    process: Child,
    port: u16,
    /// Where the film plays.
    pub url: String,
}

impl GstServer {
    /// Serves a film on a free port; returns when it listens.
    ///
    /// # Panics
    /// If the server does not start.
    pub fn start(film: &Film, serve: &Serve) -> Self {
        Self::start_on(crate::free_port(), film, serve)
    }

    /// The same on this port.
    ///
    /// # Panics
    /// If the server does not start.
    pub fn start_on(port: u16, film: &Film, serve: &Serve) -> Self {
        // Debian's own Python: the bindings are packages of the system.
        let mut command = match serve.elsewhere {
            None => Command::new("/usr/bin/python3"),
            Some(pid) => {
                let mut command = Command::new("nsenter");
                command.args(["--net", "--target", &pid.to_string(), "/usr/bin/python3"]);
                command
            }
        };
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/gst_server.py")).arg(&film.file);
        let video = match film.coding {
            _ if serve.jpeg => "jpeg",
            Coding::H264 | Coding::H264B => "h264",
            Coding::H265 => "h265",
        };
        command.args([&port.to_string(), serve.transport, "--video", video, "--sound", serve.sound]);
        if let Some(file) = &serve.tls {
            command.arg("--tls").arg(file);
        }
        if let Some((name, password)) = serve.user {
            command.args(["--user", name, password]);
        }
        if serve.basic {
            command.arg("--basic");
        }
        let mut process = command.stdout(Stdio::piped()).spawn().expect("Debian's python3 runs");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("the server's output is text");
        assert_eq!(line, "ready\n", "the server starts: scripts/setup installs gir1.2-gst-rtsp-server-1.0");
        let scheme = if serve.tls.is_some() { "rtsps" } else { "rtsp" };
        let host = if serve.elsewhere.is_some() { ELSEWHERE } else { "127.0.0.1" };
        Self { process, port, url: format!("{scheme}://{host}:{port}/film") }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// It hangs: connections stay, and nothing comes of them.
    pub fn hang(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// It goes on.
    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).expect("a child can be sent a signal");
    }
}

impl Drop for GstServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Makes a certificate for itself, with its key in the same file, as cameras come with them.
///
/// # Panics
/// If openssl is missing.
pub fn certificate(file: &Path) {
    let key = file.with_extension("key");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=camera", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(file)
        .output()
        .expect("openssl runs: scripts/setup installs it");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    let both = [std::fs::read(file).expect("the certificate"), std::fs::read(key).expect("its key")].concat();
    std::fs::write(file, both).expect("a file can be written");
}

/// Address of the other machine.
const ELSEWHERE: &str = "10.99.0.2";

/// A network of two machines, this one and another, that carries multicast and reaches nobody else. It ends with this.
#[derive(Debug)]
pub struct Network {
    elsewhere: Child,
}

impl Network {
    /// Moves this thread, and all threads and processes that it starts from now on, into it. To be called first in a test;
    /// wants root.
    ///
    /// # Panics
    /// If it may not, or `ip` is missing.
    pub fn enter() -> Network {
        // SAFETY: a plain system call without pointers; it changes nothing but the calling thread's network namespace.
        let moved = unsafe { nix::libc::unshare(nix::libc::CLONE_NEWNET) };
        assert_eq!(moved, 0, "tests with a network of their own want root: {}", std::io::Error::last_os_error());
        // A namespace lives as long as a process in it. `cat` waits for the end of its input, which is ours.
        let mut elsewhere = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo there; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare runs");
        let mut line = String::new();
        let stdout = elsewhere.stdout.as_mut().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("text");
        let network = Network { elsewhere };
        let pid = network.pid().to_string();
        let there = format!("nsenter --net --target {pid} ip");
        for command in [
            "ip link set lo up".to_owned(),
            "ip link add here type veth peer name there".to_owned(),
            format!("ip link set there netns {pid}"),
            "ip addr add 10.99.0.1/24 dev here".to_owned(),
            "ip link set here up".to_owned(),
            "ip route add 224.0.0.0/4 dev here".to_owned(),
            format!("{there} addr add {ELSEWHERE}/24 dev there"),
            format!("{there} link set there up"),
            format!("{there} route add 224.0.0.0/4 dev there"),
        ] {
            let made = Command::new("sh").args(["-c", &command]).output().expect("sh runs");
            assert!(made.status.success(), "{command}: {}", String::from_utf8_lossy(&made.stderr));
        }
        network
    }

    /// A process on the other machine.
    pub fn pid(&self) -> u32 {
        self.elsewhere.id()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _ = self.elsewhere.kill();
        let _ = self.elsewhere.wait();
    }
}
