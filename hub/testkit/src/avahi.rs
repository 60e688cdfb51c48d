//! Another device on the network that speaks mDNS and that nobody here made: Avahi, on the other machine of a [`Network`], with
//! a message bus of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::gst_server::Network;

/// A running Avahi; it ends when this is dropped.
#[derive(Debug)]
pub struct Avahi {
    daemon: Child,
    bus: Child,
    address: String,
}

impl Avahi {
    /// Starts it under a host name, without `.local`; returns when it knows its own name.
    ///
    /// # Panics
    /// If it does not start: scripts/setup installs avahi-daemon, avahi-utils and dbus.
    pub async fn start(network: &Network, host: &str, scratch: &Path) -> Avahi {
        std::fs::create_dir_all(scratch).expect("a folder");
        let (socket, config) = (scratch.join("bus"), scratch.join("avahi.conf"));
        let address = format!("unix:path={}", socket.display());
        let quiet = |command: &mut Command| {
            let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().expect("it runs: scripts/setup installs it")
        };
        let bus =
            quiet(Command::new("dbus-daemon").args(["--session", "--nofork"]).arg(format!("--address={address}")));
        crate::wait_for("the message bus is there", Duration::from_secs(10), async || socket.exists()).await;
        std::fs::write(&config, format!("[server]\nhost-name={host}\nuse-ipv4=yes\nuse-ipv6=no\n[publish]\n"))
            .expect("a file");
        let daemon = quiet(
            Command::new("nsenter")
                .args(["--net", "--target", &network.pid().to_string(), "unshare", "--mount", "sh", "-c"])
                // Its place for a process id is fixed: a folder of its own there leaves the machine's own Avahi alone.
                .arg("mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits -f \"$0\"")
                .arg(&config)
                .env("DBUS_SYSTEM_BUS_ADDRESS", &address),
        );
        let avahi = Avahi { daemon, bus, address };
        crate::wait_for("Avahi answers", Duration::from_secs(20), async || {
            avahi.resolve(&format!("{host}.local")).is_some()
        })
        .await;
        avahi
    }

    /// The IPv4 address of a name, if it is answered to within Avahi's patience, 5 s.
    pub fn resolve(&self, name: &str) -> Option<String> {
        let said = self.ask("avahi-resolve", &["-4", "-n", name]);
        said.split_whitespace().nth(1).map(str::to_owned)
    }

    /// What is announced of a kind such as `_https._tcp`: host, address and port of each.
    pub fn browse(&self, kind: &str) -> Vec<(String, String, String)> {
        let said = self.ask("avahi-browse", &["--parsable", "--resolve", "--terminate", kind]);
        // =;interface;protocol;name;type;domain;host;address;port;text
        let found = said.lines().filter(|line| line.starts_with('='));
        let fields = found.map(|line| line.split(';').map(str::to_owned).collect::<Vec<_>>());
        fields.filter_map(|f| Some((f.get(6)?.clone(), f.get(7)?.clone(), f.get(8)?.clone()))).collect()
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program);
        let said = command.args(arguments).env("DBUS_SYSTEM_BUS_ADDRESS", &self.address).output();
        String::from_utf8_lossy(&said.expect("avahi-utils are installed").stdout).into_owned()
    }
}

impl Drop for Avahi {
    fn drop(&mut self) {
        // By SIGTERM, so that it says farewell on the network.
        let pid = nix::unistd::Pid::from_raw(self.daemon.id() as i32);
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        let _ = self.daemon.wait();
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}

/// Runs `ip` in the calling thread's network.
///
/// # Panics
/// If it refuses.
pub fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).output().expect("ip runs");
    assert!(done.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&done.stderr));
}
