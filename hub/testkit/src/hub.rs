//! A hub to test: in this process, where a test may reach into its store, or as the real binary, to be killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use base::{Shutdown, SystemClock};
use keepsight::config::Config;
use keepsight::hub::Hub;
use serde_json::Value;

use crate::client::{Client, PASSWORD};

/// A folder with a configuration whose hub listens on a free port of this machine.
#[derive(Debug)]
pub struct Home {
    folder: tempfile::TempDir,
    /// Where `https` listens.
    pub port: u16,
}

impl Home {
    /// A new home; nothing runs in it yet.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn new() -> Home {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = crate::free_port();
        let home = Home { folder, port };
        std::fs::write(home.config(), home.config_text()).expect("a file in a temporary folder");
        home
    }
    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("keepsight.toml")
    }
    /// `<data>`.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
    /// `<footage>`.
    pub fn footage(&self) -> PathBuf {
        self.folder.path().join("footage")
    }
    /// Has the hub serve the set-up page, too; returns its port. Before it starts.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn with_set_up_page(&self) -> u16 {
        let http = crate::free_port();
        let text = self.config_text().replace("http = []", &format!("http = [\"127.0.0.1:{http}\"]"));
        std::fs::write(self.config(), text).expect("a file in a temporary folder");
        http
    }
    /// The same, and both are for the whole network.
    ///
    /// # Panics
    /// If there is no room for it.
    pub fn open_to_the_network(&self) -> u16 {
        let http = self.with_set_up_page();
        let text = std::fs::read_to_string(self.config()).expect("the configuration");
        std::fs::write(self.config(), text.replace("127.0.0.1", "[::]")).expect("a file in a temporary folder");
        http
    }
    /// What the hub says of itself to whoever is at the machine.
    ///
    /// # Panics
    /// If it does not run.
    pub async fn system(&self) -> Value {
        let socket = keepsight::sock::HubSocket::new(self.data().join("hub.sock"));
        socket.json(http::Method::GET, "/api/v1/system", None).await.expect("the hub answers")
    }
    /// A place for the test's own files.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    /// The hub's root certificate, once it has started.
    ///
    /// # Panics
    /// If it has not.
    pub fn root_pem(&self) -> String {
        std::fs::read_to_string(self.data().join("root.pem")).expect("the hub wrote its root certificate")
    }
    /// A client that is not signed in.
    pub fn client(&self) -> Client {
        Client::new(self.port, &self.root_pem())
    }

    fn config_text(&self) -> String {
        format!(
            "[paths]\ndata = {:?}\nfootage = {:?}\n[api]\nhttps = [\"127.0.0.1:{}\"]\nhttp = []\n",
            self.data(),
            self.footage(),
            self.port
        )
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// A hub in this process.
pub struct TestHub {
    /// Its folders.
    pub home: Home,
    /// The hub.
    pub hub: Hub,
    /// The owner's browser.
    pub owner: Client,
    /// The recovery kit as the claim answered it.
    pub kit: Value,
}

impl TestHub {
    /// Starts a hub and claims it.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn claimed() -> TestHub {
        let home = Home::new();
        let config = Config::load(&home.config()).expect("the configuration is right");
        let hub = Hub::start(config, Arc::new(SystemClock), Shutdown::new()).await.expect("the hub starts");
        let mut owner = home.client();
        let token = hub.claim_token().await.expect("the hub answers").expect("an unclaimed hub has a claim token");
        let kit = owner.claim(&token).await;
        TestHub { home, hub, owner, kit }
    }
}

/// The real binary, in a process of its own.
pub struct HubProcess {
    process: Child,
}

impl HubProcess {
    /// Starts `keepsight run` and waits until it answers.
    ///
    /// # Panics
    /// If it does not within 20 s.
    pub async fn start(binary: &Path, home: &Home) -> HubProcess {
        Self::start_with(Command::new(binary), home).await
    }

    /// The same by a command that wraps the binary, such as strace; `run --config FILE` is appended.
    pub async fn start_with(mut command: Command, home: &Home) -> HubProcess {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(home.scratch("hub.log"));
        let process = command
            .args(["run", "--config"])
            .arg(home.config())
            .stdout(Stdio::null())
            .stderr(log.expect("a log file"))
            .spawn()
            .expect("the hub's binary starts");
        let mut hub = HubProcess { process };
        crate::wait_for("the hub answers", Duration::from_secs(20), async || {
            if let Some(status) = hub.process.try_wait().expect("a child can be waited for") {
                panic!(
                    "the hub ended ({status}): {}",
                    std::fs::read_to_string(home.scratch("hub.log")).unwrap_or_default()
                );
            }
            tokio::net::TcpStream::connect(("127.0.0.1", home.port)).await.is_ok()
        })
        .await;
        hub
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// How much it occupies.
    ///
    /// # Panics
    /// If it does not run.
    pub fn size(&self) -> Size {
        let pid = self.pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
        let kib =
            status.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let count = |folder: &str| std::fs::read_dir(format!("/proc/{pid}/{folder}")).expect("a folder").count();
        Size { rss: kib.expect("its size") << 10, threads: count("task"), descriptors: count("fd") }
    }

    /// SIGKILL, as a power cut does it to a process.
    pub fn kill(&mut self) {
        self.process.kill().expect("the hub can be killed");
        self.process.wait().expect("a killed child can be waited for");
    }

    /// SIGTERM, and waits until it has ended in order.
    ///
    /// # Panics
    /// If it does not end in order within 20 s.
    pub async fn stop(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.process.id() as i32);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal can be sent");
        let mut status = None;
        crate::wait_for("the hub stops", Duration::from_secs(20), async || {
            status = self.process.try_wait().expect("a child can be waited for");
            status.is_some()
        })
        .await;
        assert!(status.is_some_and(|s| s.success()), "the hub ends in order: {status:?}");
    }
}

impl Drop for HubProcess {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How much a process occupies.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Bytes of memory that it holds.
    pub rss: u64,
    /// Threads.
    pub threads: usize,
    /// Open file descriptors.
    pub descriptors: usize,
}

/// Claims a hub that runs as a process: the token from the command line, as its owner would.
///
/// # Panics
/// If it refuses.
pub async fn claim(binary: &Path, home: &Home) -> (Client, Value) {
    let out = Command::new(binary).args(["claim-token", "--config"]).arg(home.config()).output().expect("it runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut owner = home.client();
    let kit = owner.claim(String::from_utf8_lossy(&out.stdout).trim()).await;
    (owner, kit)
}

/// Signs the owner in anew, as after a restart.
pub async fn owner(home: &Home) -> Client {
    let mut owner = home.client();
    owner.sign_in("Olivia", PASSWORD).await;
    owner
}
