//! `keepsight store …`: the store's rows, out into one file, back again, and checked. A hub that
//! runs is asked by its socket; its store is not exchanged under it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Problem, ProblemKind, SharedClock, SystemClock, Timestamp};
use clap::{Args, Subcommand};
use serde_json::json;
use store::{ExportHeader, ExportKind, Store};

use crate::check::{self, Stopped};
use crate::cli::ConfigFile;
use crate::config::Config;
use crate::out::{self, Failure};
use crate::rescue;
use crate::sock::HubSocket;

/// `keepsight store`.
#[derive(Debug, Args)]
pub struct StoreCommand {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    config: ConfigFile,
    /// Report as JSON, errors too
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Writes people, keys, cameras and settings into a file; it holds no secret that opens anything
    Export {
        /// The file; replaced as a whole if it is there
        file: PathBuf,
        /// Events and gaps instead
        #[arg(long)]
        history: bool,
        /// The audit log instead
        #[arg(long, conflicts_with = "history")]
        audit: bool,
    },
    /// Makes the store anew out of exports of this hub; the store before is set aside
    Import {
        /// The exports: the settings, then perhaps the history and the audit log
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Reads every row, and follows the audit log's chain
    Check,
}

fn kind(history: bool, audit: bool) -> ExportKind {
    match (history, audit) {
        (true, _) => ExportKind::History { from: Timestamp::MIN, to: Timestamp::MAX },
        (false, true) => ExportKind::Audit,
        (false, false) => ExportKind::Settings,
    }
}

/// An export by a hub that runs: the file at `path` is the old or the new one as a whole.
fn download(config: &Config, path: &Path, history: bool, audit: bool) -> Result<u64, Problem> {
    let kind = match kind(history, audit) {
        ExportKind::Settings => "settings",
        ExportKind::History { .. } => "history",
        ExportKind::Audit => "audit",
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file_error = |e| Problem::with(ProblemKind::FileError, format_args!("cannot write {}: {e}", path.display()));
    // Only its owner reads it, as the hub's own.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(file_error)?;
    let socket = HubSocket::new(config.paths.socket());
    crate::cli::wait_for(
        socket.download(&format!("/local/store/export?kind={kind}"), |part| file.write_all(part).map_err(file_error)),
    )??;
    file.as_file().sync_all().map_err(file_error)?;
    let (_, rows) = ExportHeader::read_whole(file.path())?;
    file.persist(path).map_err(|e| file_error(e.error))?;
    base::fs::sync_dir(folder).map_err(|e| rescue::file_problem(&e))?;
    Ok(rows)
}

impl StoreCommand {
    /// Does it and prints what was done.
    pub fn run(&self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let clock: SharedClock = Arc::new(SystemClock);
        match &self.action {
            Action::Check => check::store_only(&config, self.json),
            Action::Export { file, history, audit } => {
                if HubSocket::new(config.paths.socket()).is_alive() {
                    let rows = download(&config, file, *history, *audit)?;
                    return self.say(rows, &format!("{rows} rows were written to {}", file.display()));
                }
                let hub = Stopped::hub(&config)?;
                let dir = config.paths.data().join("store");
                if Store::whose(&dir).is_none() {
                    return Err(Problem::with(ProblemKind::StoreDamaged, dir.display()).into());
                }
                let kind = kind(*history, *audit);
                let store = Store::open(&dir, hub.id, clock).map_err(Problem::from)?;
                let rows = store.export(file, kind).map_err(Problem::from)?;
                store.close_blocking();
                self.say(rows, &format!("{rows} rows were written to {}", file.display()))
            }
            Action::Import { files } => {
                let hub = Stopped::hub(&config)?;
                // Looked at first: the store is set aside only for what can take its place.
                let mut rows = 0;
                for file in files {
                    let (header, count) = ExportHeader::read_whole(file).map_err(Problem::from)?;
                    if header.hub != hub.id {
                        let whose = format!("{} is of hub {}, this is hub {}", file.display(), header.hub, hub.id);
                        return Err(Problem::with(ProblemKind::BadExport, whose).into());
                    }
                    rows += count;
                }
                let first = ExportHeader::read(&files[0]).map_err(Problem::from)?;
                if first.kind != ExportKind::Settings {
                    return Err(Failure::Usage(
                        "Give the export of the settings first, then those of the history and the audit log.".into(),
                    ));
                }
                let dir = config.paths.data().join("store");
                // Refused while somebody uses it.
                let in_use = Store::open(&dir, hub.id, clock.clone());
                if let Err(e @ store::StoreError::Busy { .. }) = &in_use {
                    return Err(Problem::from(e).into());
                }
                drop(in_use);
                let aside = rescue::set_aside(&dir, "before-import", &clock).map_err(|e| rescue::file_problem(&e))?;
                let _ = std::fs::remove_file(aside.join("ballast")); // room and nothing else
                let paths: Vec<_> = files.iter().map(PathBuf::as_path).collect();
                let store = Store::rebuild(&dir, hub.id, clock, &paths, |_| Ok(())).map_err(Problem::from)?;
                store.close_blocking();
                self.say(rows, &format!("{rows} rows were taken in; the store before lies in {}", aside.display()))
            }
        }
    }

    fn say(&self, rows: u64, words: &str) -> Result<(), Failure> {
        match self.json {
            true => out::json(&json!({ "rows": rows }))?,
            false => out::text(words)?,
        }
        Ok(())
    }
}
