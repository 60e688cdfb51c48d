//! `keepsight wifi`, which the system runs as root: joins the network that an owner chose in the app, and keeps it if that went well.
//! Described in `docs/first-boot.md`.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::fs::{FsError, remove};
use base::{Problem, ProblemKind};
use clap::Args;
use nix::unistd::{Gid, Uid};
use system::WIFI_REQUEST;
use system::first_boot::Machine;
use zeroize::Zeroizing;

use crate::as_root::{self, as_user, comes};
use crate::out::{self, Failure};
use crate::rescue::file_problem;

/// What has the radio: joins the network that is set, or is one.
const SERVICE: &str = "keepsight-wifi@";
/// Longer requests are something else.
const MAX_BYTES: u64 = 4_096;

/// `keepsight wifi`.
#[derive(Debug, Args)]
pub struct WifiCommand {
    /// Where the machine's files begin
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,
    /// For how long a network may take to let the machine in; the first scan of all channels takes some of it
    #[arg(long, value_name = "SECONDS", default_value_t = 45)]
    within: u64,
}

impl WifiCommand {
    /// Does what the hub asks for, and prints what was done.
    ///
    /// # Errors
    /// It was not done; what was set before holds.
    pub fn run(&self) -> Result<(), Failure> {
        let text = self.taken()?;
        let said = Machine::new(&self.root).change_wifi(&text, |wanted| self.joins(wanted))?;
        Ok(out::text(&out::printable(&said))?)
    }

    /// The request, which is gone then: whatever it says, it is asked for once.
    fn taken(&self) -> Result<Zeroizing<String>, Problem> {
        let path = self.root.join("run/keepsight").join(WIFI_REQUEST);
        let folder = path.parent().unwrap_or(Path::new("/"));
        let meta = std::fs::metadata(folder).map_err(|e| file_problem(&FsError::on("look at", folder)(e)))?;
        let hub = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
        as_user(hub, || {
            let bytes = base::fs::read(&path, MAX_BYTES).map(Zeroizing::new).map_err(|e| file_problem(&e))?;
            remove(&path).map_err(|e| file_problem(&e))?;
            let text = std::str::from_utf8(&bytes).map_err(|_| ProblemKind::BadFile)?;
            Ok(Zeroizing::new(text.to_owned()))
        })
    }

    /// Has what is set used; whether a network is joined, if one is wanted.
    fn joins(&self, wanted: bool) -> bool {
        let radios = || system::radios(&self.root).into_iter();
        let starts = |radio: &String| {
            let started = as_root::run("systemctl", &["restart", &format!("{SERVICE}{radio}.service")], b"");
            started.inspect_err(|why| tracing::warn!(why, "a radio does not start anew")).is_ok()
        };
        // One that somebody took from the hub may be in another network.
        let ours: Vec<_> = radios().map(|(radio, _)| radio).filter(starts).collect();
        let joined = || radios().any(|(radio, joined)| joined && ours.contains(&radio));
        !wanted || comes(joined, Duration::from_secs(self.within)).unwrap_or(false)
    }
}
