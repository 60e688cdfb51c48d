//! `keepsight check`: is everything there, and is it what was written? Opens the files of a hub that is stopped, and asks one
//! that runs by its socket, which opens no footage: with a key, the files are read here.
//!
//! Without a key: the store's rows, the audit log's chain, the footage tree beside its index. With the recovery kit or
//! a key file: every byte of every segment. A segment that a crash cut short is a notice.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use api::hub::Checked;
use base::footage::{SegmentDetails, SegmentInfo};
use base::{CameraId, Clock, EpochId, HubId, Mono, Problem, ProblemKind, SharedClock, SystemClock, Timestamp};
use clap::Args;
use footage::{Disk, Footage, Found, OpenError, Recovery, Shortened};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Store, StoreError};
use vault::{RecoveryKit, Viewer};
use zeroize::Zeroizing;

use crate::cli::ConfigFile;
use crate::config::Config;
use crate::history;
use crate::out::{self, Failure};
use crate::rescue::{self, chain};
use crate::sock::HubSocket;

/// Room for the keys of every epoch of a camera's life.
const MAX_KEY_BYTES: u64 = 1024 * 1024;
/// How often progress is told.
const PROGRESS_EVERY: std::time::Duration = std::time::Duration::from_secs(5);
/// Rows that are changed at a time.
const BATCH: usize = 500;
/// Of each kind of thing so many are named; the rest is counted.
const NAMED: usize = 20;

/// `keepsight check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    config: ConfigFile,
    /// Report as JSON, errors too
    #[arg(long)]
    pub json: bool,
    /// Make the index of the footage right again, and a damaged store out of its last export
    #[arg(long)]
    repair: bool,
    /// Read every byte of the footage with the recovery kit (the claim's JSON, the 24 words or the AGE-SECRET-KEY) or a
    /// camera's key file
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// What was found. Problems make the exit code 1, notices do not.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    /// What was looked at and is in order, with figures.
    good: Vec<String>,
    notices: Vec<String>,
    problems: Vec<String>,
    figures: serde_json::Map<String, Value>,
    /// Of a hub that runs: whose footage is whose, for reading it here.
    #[serde(default)]
    adopted: Vec<(CameraId, EpochId, HubId)>,
}

impl Report {
    fn figure(&mut self, name: &str, value: impl Into<Value>) {
        self.figures.insert(name.to_owned(), value.into());
    }

    /// Prints it; the failure, if there is one.
    pub(crate) fn tell(mut self, json: bool) -> Result<(), Failure> {
        let failed = self.problems.len();
        if json {
            self.figure("ok", failed == 0);
            let mut all = self.figures;
            all.insert("notices".to_owned(), self.notices.into());
            all.insert("problems".to_owned(), self.problems.into());
            out::json(&Value::Object(all))?;
        } else {
            for (word, lines) in [("ok", self.good), ("notice", self.notices), ("PROBLEM", self.problems)] {
                for line in lines {
                    out::text(&format!("{word:8} {}", out::printable(&line)))?;
                }
            }
        }
        if failed == 0 { Ok(()) } else { Err(Failure::Found(failed)) }
    }
}

impl Check {
    /// Looks, repairs where that is asked for, and prints what was found.
    pub fn run(&self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let key = self.key.as_deref().map(read_key).transpose()?;
        if HubSocket::new(config.paths.socket()).is_alive() {
            return self.of_running(&config, key.as_deref().map(String::as_str));
        }
        let hub = Stopped::hub(&config)?;
        let mut report = Report::default();
        if let Some(store) = hub.store(self.repair, &mut report)? {
            check_store(&store, self.repair, &mut report)?;
            if let Some(footage) = hub.footage(&store, &mut report)? {
                if self.repair {
                    take_history(&store, &footage, &mut report)?;
                }
                let recovery = check_tree(&store, &footage, self.repair, false, &mut report)?;
                if let Some(key) = &key {
                    check_bytes(&footage, &recovery, key, &mut report)?;
                }
            }
            store.close_blocking();
        }
        report.tell(self.json)
    }

    fn of_running(&self, config: &Config, key: Option<&str>) -> Result<(), Failure> {
        if self.repair {
            let what = "It makes the index of its footage right by itself when it starts; a damaged store is mended while it is stopped";
            return Err(Problem::with(ProblemKind::HubRunning, what).into());
        }
        let mut report = ask(config, "/local/check")?;
        if let Some(key) = key {
            let clock: SharedClock = Arc::new(SystemClock);
            let hub = rescue::hub_id(config.paths.data(), &clock)?;
            let footage = Footage::new(Disk::open(config.paths.footage(), None).map_err(|e| Problem::from(&e))?, hub);
            for (camera, epoch, hub) in &report.adopted {
                footage.adopt(*camera, *epoch, *hub);
            }
            let found =
                footage.scan().filter_map(|f| if let Found::Segment(segment) = f { Some(segment) } else { None });
            check_bytes(&footage, &found.collect::<Vec<_>>(), key, &mut report)?;
        }
        report.tell(self.json)
    }
}

/// Asks a hub that runs for a report, and tells now and then that it is still looking.
fn ask(config: &Config, path: &str) -> Result<Report, Problem> {
    let socket = HubSocket::new(config.paths.socket()).patient();
    let asked = async {
        let answer = socket.json(Method::GET, path, None);
        tokio::pin!(answer);
        loop {
            match base::clock::timeout(&SystemClock, PROGRESS_EVERY, &mut answer).await {
                Some(answer) => return answer,
                None => out::notice("the hub is still looking; it records meanwhile"),
            }
        }
    };
    let report = crate::cli::wait_for(asked)??;
    serde_json::from_value(report)
        .map_err(|e| Problem::with(ProblemKind::Internal, format_args!("The hub's report: {e}")))
}

/// What a hub that runs finds in its own store and footage. Blocks; it records meanwhile.
pub(crate) fn running(store: &Store, footage: &Footage, what: Checked) -> Result<Value, Problem> {
    let mut report = Report::default();
    check_store(store, false, &mut report)?;
    if what == Checked::StoreAndFootage {
        match footage.disk().check() {
            Ok(()) => drop(check_tree(store, footage, false, true, &mut report)?),
            Err(e) => report.problems.push(format!("The footage was not looked at: {}", Problem::from(&e))),
        }
        let adopted = store.read_blocking(|db| db.adopted_epochs())?.into_iter();
        report.adopted = adopted.filter_map(|e| Some((e.camera, e.public.epoch, e.hub?))).collect();
    }
    serde_json::to_value(report).map_err(|e| Problem::with(ProblemKind::Internal, e))
}

/// The files of a hub that does not run.
pub(crate) struct Stopped<'a> {
    config: &'a Config,
    pub(crate) id: HubId,
    clock: SharedClock,
}

impl<'a> Stopped<'a> {
    /// # Errors
    /// `hub-running` if it runs, `file-error` if there is none.
    pub(crate) fn hub(config: &'a Config) -> Result<Self, Problem> {
        if HubSocket::new(config.paths.socket()).is_alive() {
            let what = "This looks into the hub's files, which only one program may have open at a time";
            return Err(Problem::with(ProblemKind::HubRunning, what));
        }
        let data = config.paths.data();
        if !data.join("hub.json").exists() && Store::whose(&data.join("store")).is_none() {
            return Err(Problem::with(
                ProblemKind::FileError,
                format_args!("{} holds no hub that was ever started", data.display()),
            ));
        }
        let clock: SharedClock = Arc::new(SystemClock);
        Ok(Self { config, id: rescue::hub_id(data, &clock)?, clock })
    }

    pub(crate) fn store_dir(&self) -> PathBuf {
        self.config.paths.data().join("store")
    }

    /// Its store; with `repair` made again if it is damaged. `None` if it is damaged: the report says how.
    pub(crate) fn store(&self, repair: bool, report: &mut Report) -> Result<Option<Store>, Problem> {
        let data = self.config.paths.data();
        if repair {
            let (store, rescue) = rescue::open(data, self.config.paths.footage(), self.id, &self.clock)?;
            if let Some(rescue) = rescue {
                let aside = rescue.aside.as_ref().map(|path| format!(" It lies in {} now.", path.display()));
                let aside = aside.unwrap_or_default();
                report.notices.push(format!("The store was made again: {}.{aside} {}", rescue.why, rescue.lost()));
            }
            return Ok(Some(store));
        }
        let advice =
            "The hub makes it again from its last export when it starts, and so does `keepsight check --repair`";
        let dir = self.store_dir();
        let opened = match Store::whose(&dir) {
            None if !dir.join("commits").exists() => {
                report.problems.push(format!("The store {} is gone or has lost its mark. {advice}.", dir.display()));
                return Ok(None);
            }
            _ => Store::open(&dir, self.id, self.clock.clone()),
        };
        match opened {
            Ok(store) => Ok(Some(store)),
            Err(e) if e.is_damage() || matches!(e, StoreError::Foreign { .. }) => {
                report.problems.push(format!("{}. {advice}.", chain(&e)));
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn footage(&self, store: &Store, report: &mut Report) -> Result<Option<Footage>, Problem> {
        let root = self.config.paths.footage();
        let (known, adopted) = store.read_blocking(|db| Ok((db.setting(history::DISK)?, db.adopted_epochs()?)))?;
        match Disk::open(root, known) {
            Ok(disk) => {
                let footage = Footage::new(disk, self.id);
                for epoch in adopted {
                    footage.adopt(epoch.camera, epoch.public.epoch, epoch.hub.unwrap_or(self.id));
                }
                Ok(Some(footage))
            }
            Err(e) => {
                report.problems.push(format!("The footage was not looked at: {}", Problem::from(&e)));
                Ok(None)
            }
        }
    }
}

/// Rows, checksums, and the audit log's chain.
pub(crate) fn check_store(store: &Store, repair: bool, report: &mut Report) -> Result<(), Problem> {
    let mut dropped = 0;
    if repair {
        loop {
            match store.urgent_blocking(|db| db.drop_bad_history(BATCH))? {
                0 => break,
                count => dropped += count,
            }
        }
    }
    if dropped > 0 {
        report.notices.push(format!("{dropped} damaged rows of segments, gaps and events were removed"));
    }
    let mut progress = Progress::new("rows read", None);
    let found = store.check_blocking(|rows| progress.tell(rows as usize))?;
    let rows: u64 = found.trees.iter().map(|tree| tree.good).sum();
    report.figure("rows", rows);
    report.figure("audit_entries", found.audit.entries);
    for what in found.trees.iter().filter_map(|tree| tree.differs.as_ref()) {
        report.problems.push(format!(
            "The store is damaged: {what}. The hub makes it again from its last export when it finds that itself"
        ));
    }
    for tree in found.trees.iter().filter(|tree| tree.bad > 0) {
        let first = tree.first_bad.as_ref().map(|e| chain(e)).unwrap_or_default();
        report.problems.push(format!("{} rows of {} are damaged, the first: {first}", tree.bad, tree.tree.name()));
    }
    match &found.audit.broken {
        Some(what) => report.problems.push(format!(
            "The audit log was damaged or changed after its first {} entries: {what}. Nothing repairs that",
            found.audit.entries
        )),
        None => report.good.push(format!("audit log: {} entries follow one another", found.audit.entries)),
    }
    if found.trees.iter().all(store::TreeReport::is_good) {
        report.good.push(format!("store: {rows} rows"));
    }
    Ok(())
}

/// The history on the footage disk, where the store was made again.
fn take_history(store: &Store, footage: &Footage, report: &mut Report) -> Result<(), Problem> {
    if store.read_blocking(|db| db.setting::<bool>(history::WANTED))? != Some(true) {
        return Ok(());
    }
    let taken = history::take(store, footage.disk())?;
    report
        .notices
        .push(format!("{} rows of {} days of history were taken from the footage disk", taken.rows, taken.days));
    report.problems.extend(named("days of history on the footage disk are damaged", "", taken.damaged.into_iter()));
    Ok(())
}

/// The footage tree beside its index. Answers the segments that are in the tree.
fn check_tree(
    store: &Store,
    footage: &Footage,
    repair: bool,
    running: bool,
    report: &mut Report,
) -> Result<Vec<SegmentInfo>, Problem> {
    let known = store.read_blocking(|db| {
        let mut known = Vec::new();
        for (camera, stream) in db.streams_with_segments()? {
            known.extend(db.segments(camera, stream, Timestamp::MIN, Timestamp::MAX)?);
        }
        Ok(known)
    });
    let known = match known {
        Ok(known) => known,
        Err(e) if e.is_damage() => {
            let advice = "`keepsight check --repair` makes it again from the footage";
            report.problems.push(format!("The index of the footage cannot be read: {}. {advice}", chain(&e)));
            Vec::new()
        }
        Err(e) => return Err(e.into()),
    };
    let mut recovery = footage.recover(&known);
    if running {
        leave_out_what_goes_on(store, footage, &mut recovery)?;
    }
    let Recovery { found, cut, missing, changed, strange } = recovery;
    // A crash may come between a row and its file.
    let (never, gone): (Vec<_>, Vec<_>) = missing.iter().partition(|row| row.details == SegmentDetails::Open);

    report.figure("segments", known.len() + found.len() - missing.len());
    report.figure("unknown", found.len());
    report.figure("cut_short", cut.len());
    report.figure("missing", gone.len());
    report.figure("changed", changed.len());
    report.figure("strange", strange.len());
    let path = |segment: &SegmentInfo| footage.disk().segment_path(segment).display().to_string();
    let mended = if repair { "; their rows were put right" } else { "; the hub puts their rows right when it starts" };
    report.notices.extend(named("segments were cut short, as by a power failure", mended, cut.iter().map(path)));
    report.notices.extend(named("segments were not in the index", mended, found.iter().map(path)));
    if !never.is_empty() {
        report.notices.push(format!("{} segments were begun and got no file{mended}", never.len()));
    }
    let forgotten = if repair { "; their rows were removed" } else { "; --repair removes their rows" };
    report.problems.extend(named("segments are gone from the disk", forgotten, gone.iter().map(|s| path(s))));
    report.problems.extend(named(
        "segments have another length than when they were closed",
        "",
        changed.iter().map(path),
    ));
    let (unreadable, strange): (Vec<_>, Vec<_>) = strange.iter().partition(|f| matches!(f, Found::Unreadable(_)));
    report.notices.extend(named(
        "things in the footage folder are not Keepsight's; they are left alone",
        "",
        strange.iter().map(|f| tell(f)),
    ));
    report.problems.extend(named("things on the footage disk cannot be read", "", unreadable.iter().map(|f| tell(f))));
    report.notices.extend(unknown_epochs(store, footage, &known, &found)?);

    if repair {
        for part in found.chunks(BATCH).chain(cut.chunks(BATCH)) {
            let part = part.to_vec();
            store.call_blocking(move |db| part.iter().try_for_each(|row| db.put_segment(row)))?;
        }
        for part in missing.chunks(BATCH) {
            let part = part.to_vec();
            store.urgent_blocking(move |db| part.iter().try_for_each(|row| db.remove_segment(row)))?;
        }
    }
    let gone: HashSet<_> = missing.iter().map(|row| (row.camera, row.id)).collect();
    let mut there = known;
    there.retain(|row| !gone.contains(&(row.camera, row.id)));
    there.extend(found);
    report.good.push(format!("footage: {} segments in the tree", there.len()));
    Ok(there)
}

/// A hub that records opens, closes and removes segments while its rows and files are compared.
fn leave_out_what_goes_on(store: &Store, footage: &Footage, recovery: &mut Recovery) -> Result<(), Problem> {
    let rows = |segments: &[SegmentInfo]| {
        let asked = segments.to_vec();
        store.read_blocking(move |db| {
            let of = |s: &SegmentInfo| db.segment(s.camera, s.stream, s.start, s.id).map(|row| row.is_some());
            asked.iter().map(of).collect::<Result<Vec<_>, _>>()
        })
    };
    let mut known = rows(&recovery.found)?.into_iter();
    recovery.found.retain(|_| !known.next().unwrap_or_default());
    let mut still = rows(&recovery.missing)?.into_iter();
    recovery.missing.retain(|row| still.next().unwrap_or_default() && !footage.disk().segment_path(row).exists());
    recovery.cut.clear(); // they are being written
    Ok(())
}

/// Key files of epochs that the store does not know: the recovery kit opens what was sealed to them, and nobody else.
fn unknown_epochs(
    store: &Store,
    footage: &Footage,
    known: &[SegmentInfo],
    found: &[SegmentInfo],
) -> Result<Option<String>, Problem> {
    let mut paths = Vec::new();
    for camera in cameras(known.iter().chain(found)) {
        let epochs = store.read_blocking(move |db| db.epochs_of(camera))?;
        let keys = footage.disk().keys(camera).map_err(|e| Problem::from(&e))?;
        let unknown = keys.into_iter().filter(|key| !epochs.iter().any(|epoch| epoch.public.epoch == key.epoch));
        paths.extend(unknown.map(|key| key.path.display().to_string()));
    }
    Ok(named(
        "keys on the footage disk are not in the store: only the recovery kit opens what they seal",
        " (`keepsight adopt` takes them in)",
        paths.into_iter(),
    ))
}

/// Reads every byte of every segment.
fn check_bytes(footage: &Footage, segments: &[SegmentInfo], key: &str, report: &mut Report) -> Result<(), Problem> {
    let (viewer, kit) = viewer(footage, segments, key)?;
    let mut progress = Progress::new("segments read", Some(segments.len()));
    let (mut whole, mut bytes) = (0_u64, 0_u64);
    let (mut cut, mut damaged, mut shut) = (Vec::new(), Vec::new(), Vec::new());
    for (done, segment) in segments.iter().enumerate() {
        progress.tell(done);
        let path = footage.disk().segment_path(segment).display().to_string();
        let mut reader = match footage.open(&viewer, segment.camera, segment) {
            Ok(reader) => reader,
            Err(OpenError::NotGranted(_)) => {
                shut.push(path);
                continue;
            }
            Err(OpenError::Sealed { source: vault::ViewError::WrongKey, .. }) => {
                shut.push(path);
                continue;
            }
            // Cut off before its first chunk was whole: nothing was ever shown as kept of it.
            Err(_) if segment.details != SegmentDetails::Closed && is_empty(&path) => {
                cut.push(path);
                continue;
            }
            Err(e) => {
                damaged.push(chain(&e));
                continue;
            }
        };
        let summary = reader.verify();
        bytes += summary.info.bytes;
        match summary.shortened {
            None => whole += 1,
            Some(Shortened::Cut { .. }) if segment.details != SegmentDetails::Closed => cut.push(path),
            Some(wrong) => damaged.push(format!("{path}: {wrong}")),
        }
    }
    if !shut.is_empty() && whole == 0 && cut.is_empty() && damaged.is_empty() {
        return Err(Problem::with(ProblemKind::WrongKey, "It opens no segment on the footage disk"));
    }
    report.figure("verified", whole);
    report.figure("verified_bytes", bytes);
    report.figure("damaged", damaged.len());
    report.figure("not_opened", shut.len());
    report.good.push(format!("footage: every byte of {whole} segments is what was sealed ({bytes} bytes read)"));
    report.notices.extend(named(
        "segments end early, as after a power failure, and are whole up to there",
        "",
        cut.into_iter(),
    ));
    report.problems.extend(named("segments are damaged", "", damaged.into_iter()));
    let shut = named("segments are not opened by this key", "", shut.into_iter());
    if kit {
        report.problems.extend(shut)
    } else {
        report.notices.extend(shut)
    }
    Ok(())
}

/// A sealed file that holds no whole chunk.
fn is_empty(path: &str) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.len() < vault::CHUNK_BYTES)
}

/// Who may open the footage, and whether that is the recovery kit, which opens everything.
fn viewer(footage: &Footage, segments: &[SegmentInfo], key: &str) -> Result<(Viewer, bool), Problem> {
    let refused = match RecoveryKit::parse_file(key) {
        Ok(found) => {
            let mut files = Vec::new();
            for camera in cameras(segments.iter()) {
                for file in footage.disk().keys(camera).map_err(|e| Problem::from(&e))? {
                    let sealed = footage.disk().read_key(&file.path).map_err(|e| Problem::from(&e))?;
                    files.push((camera, file.epoch, sealed));
                }
            }
            let count = files.len();
            let (viewer, not_opened) = Viewer::from_recovery_kit(&found.kit, files);
            if count == 0 || not_opened.len() < count {
                return Ok((viewer, true));
            }
            Problem::with(ProblemKind::WrongKey, "It opens none of the key files on the footage disk")
        }
        Err(bad) => bad.into(),
    };
    // One AGE-SECRET-KEY line can be either.
    match Viewer::from_identities(key) {
        Ok(viewer) => Ok((viewer, false)),
        Err(_) => Err(refused),
    }
}

fn cameras<'a>(segments: impl Iterator<Item = &'a SegmentInfo>) -> Vec<CameraId> {
    let cameras: std::collections::BTreeSet<_> = segments.map(|segment| segment.camera).collect();
    cameras.into_iter().collect()
}

/// Tells now and then how far long work is.
pub(crate) struct Progress {
    what: &'static str,
    of: Option<usize>,
    told: Mono,
}

impl Progress {
    pub(crate) fn new(what: &'static str, of: Option<usize>) -> Self {
        Self { what, of, told: SystemClock.mono() }
    }

    pub(crate) fn tell(&mut self, done: usize) {
        let now = SystemClock.mono();
        if now.since(self.told) >= PROGRESS_EVERY {
            self.told = now;
            let of = self.of.map(|of| format!(" of {of}")).unwrap_or_default();
            out::notice(&format!("{done}{of} {}", self.what));
        }
    }
}

/// `3 <what><more>: <first>, <second> and 1 more`; nothing if there are none.
fn named(what: &str, more: &str, names: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let count = names.len();
    let listed: Vec<String> = names.take(NAMED).collect();
    let rest = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    (count > 0).then(|| format!("{count} {what}{more}: {}{rest}", listed.join(", ")))
}

fn tell(found: &Found) -> String {
    match found {
        Found::Segment(segment) => segment.id.to_string(),
        Found::Strange { path, what } => format!("{} ({what})", path.display()),
        Found::Unreadable(e) => chain(e),
    }
}

pub(crate) fn read_key(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let bytes = base::fs::read(path, MAX_KEY_BYTES).map(Zeroizing::new).map_err(|e| rescue::file_problem(&e))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Problem::with(ProblemKind::BadKeyFile, "It is not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// What `keepsight store check` reports.
pub(crate) fn store_only(config: &Config, json: bool) -> Result<(), Failure> {
    if HubSocket::new(config.paths.socket()).is_alive() {
        return ask(config, "/local/store/check")?.tell(json);
    }
    let mut report = Report::default();
    if let Some(store) = Stopped::hub(config)?.store(false, &mut report)? {
        check_store(&store, false, &mut report)?;
        store.close_blocking();
    }
    report.tell(json)
}
