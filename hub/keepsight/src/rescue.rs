//! The store's own disasters, met when the hub starts: what is damaged is set aside, never deleted, and the store is
//! made again from its last export and the audit log on the footage disk. The history there follows, and the footage tree
//! gives the index back, both beside the recording.
//!
//! What was lost is told in the log, in the audit log, and as [`Rescue::health`].

use std::io;
use std::path::{Path, PathBuf};

use base::fs::FsError;
use base::state::{Health, Reason};
use base::{HubId, Problem, ProblemKind, SharedClock, Timestamp};
use footage::Disk;
use serde::{Deserialize, Serialize};
use store::{Actor, AuditHead, ExportHeader, ExportKind, Store, StoreError};

use crate::history;

/// Format number of `hub.json`.
const FORMAT: u32 = 1;
/// So many damaged stores are kept. A card that damages one after the other must not be filled by them.
const KEPT_ASIDE: usize = 3;

/// What stands in `<data>/hub.json`: public, and never changes.
#[derive(Serialize, Deserialize)]
struct HubFile {
    format: u32,
    hub: HubId,
}

/// A store that was made again.
#[derive(Debug, Clone)]
pub struct Rescue {
    /// What was wrong with the one before.
    pub why: String,
    /// Where that is now; `None` if nothing was left of it.
    pub aside: Option<PathBuf>,
    /// The export that the store was made of; `None` if there was none, and the hub has to be claimed anew.
    pub export: Option<ExportHeader>,
    /// What lies on the footage disk of the time before; `None` while that is not there.
    pub history: Option<History>,
}

/// What the footage disk has of the time before.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// When its newest day of events was written; `None` if there is none.
    pub until: Option<Timestamp>,
    /// How far the audit log goes that was brought back.
    pub audit: AuditHead,
}

impl Rescue {
    /// What could not be recovered, and what to do, as a person is told.
    pub fn lost(&self) -> String {
        let people = match &self.export {
            Some(export) => {
                format!("People, keys, cameras and settings are as they were at {}.", seconds(export.made))
            }
            None => "People, keys, cameras and settings are lost. Claim the hub anew with the token that `keepsight claim-token` \
                     prints; then stop it: `keepsight adopt` with the recovery kit brings cameras and footage back."
                .to_owned(),
        };
        let history = match self.history {
            None => "The footage disk is not there: events, gaps and the audit log of the time before are taken from it when it \
                     is back."
                .to_owned(),
            Some(History { until: None, .. }) => "The list of events and the reasons of gaps are lost.".to_owned(),
            Some(History { until: Some(until), .. }) => {
                format!("The list of events and the reasons of gaps are as they were at {}; later ones are lost.", seconds(until))
            }
        };
        format!(
            "{people} {history} Of the audit log {}. All footage is kept. Sign in again where a device asks for it.",
            self.audit_missing()
        )
    }

    /// Which entries of the audit log are missing, as far as is known.
    fn audit_missing(&self) -> String {
        let kept = self.history.map_or(0, |history| history.audit.entries);
        let known = self.export.as_ref().map_or(0, |export| export.audit.entries);
        match known.checked_sub(kept) {
            Some(1) => format!("entry {kept} is missing, and what came after it"),
            Some(2..) => format!("entries {kept} to {} are missing, and what came after them", known - 1),
            _ if kept == 0 => "everything from before is missing".to_owned(),
            _ => format!("entries after {} are missing, if there were any", kept - 1),
        }
    }

    /// The state that the hub's store is in from now on.
    pub fn health(&self) -> Health {
        Health::Degraded { reason: Reason::StoreRebuilt, detail: format!("{}. {}", self.why, self.lost()) }
    }
}

/// Where a hub's files lie.
struct Places<'a> {
    data: &'a Path,
    footage: &'a Path,
    store: PathBuf,
    export: PathBuf,
}

impl<'a> Places<'a> {
    fn of(data: &'a Path, footage: &'a Path) -> Self {
        Self { data, footage, store: data.join("store"), export: data.join("export/settings.export") }
    }
    /// Written by the claim: a hub that has it had an owner.
    fn signing_key(&self) -> PathBuf {
        self.data.join("secrets/hub-signing-key")
    }
    fn store_was_made(&self) -> bool {
        ["store.json", "commits", "sled"].iter().any(|name| there(&self.store.join(name)))
    }
}

/// The hub's id. A new folder gets one. Where `hub.json` is gone or damaged, store and export say whose they are.
///
/// # Errors
/// `bad-file` if they do not, or do not agree; nothing is changed then.
pub fn hub_id(data: &Path, clock: &SharedClock) -> Result<HubId, Problem> {
    let path = data.join("hub.json");
    let wrong = match base::fs::read(&path, 64 * 1024) {
        Ok(json) => match serde_json::from_slice::<HubFile>(&json) {
            Ok(file) if file.format > FORMAT => return Err(Problem::with(ProblemKind::NewerFormat, path.display())),
            Ok(file) => return Ok(file.hub),
            Err(e) => Some(e.to_string()),
        },
        Err(e) if e.is_not_found() => None,
        Err(e) => return Err(file_problem(&e)),
    };
    let bad = |what: &str| Err(Problem::with(ProblemKind::BadFile, format_args!("{}: {what}", path.display())));
    let places = Places::of(data, Path::new("")); // there is nothing to be found out in the footage folder
    let of_export = ExportHeader::read(&places.export).ok().map(|header| header.hub);
    let hub = match (Store::whose(&places.store), of_export, &wrong) {
        (Some(store), Some(export), _) if store != export => {
            return bad(&format!(
                "It cannot be read, and the store is of hub {store}, the export of hub {export}. Write the right one into it"
            ));
        }
        (Some(hub), _, _) | (None, Some(hub), _) => hub,
        (None, None, Some(wrong)) => return bad(wrong),
        (None, None, None) if places.store_was_made() || there(&places.signing_key()) => {
            return bad(
                "It is gone, and neither the store nor an export says which hub this is; the recovery kit does",
            );
        }
        (None, None, None) => return write_hub_id(&path, HubId::new(&**clock)),
    };
    if wrong.is_some() {
        set_aside(&path, "damaged", clock).map_err(|e| file_problem(&e))?;
    }
    tracing::warn!(%hub, path = %path.display(), "hub.json could not be read and was written again");
    write_hub_id(&path, hub)
}

/// Opens the hub's store. A damaged one, and one that is gone, is made again from its last export, with the audit log that
/// lies in the footage folder. Blocks.
///
/// # Errors
/// What cannot be helped by that: the store is in use, of a newer program, or the disk does not take or give data.
pub fn open(data: &Path, footage: &Path, hub: HubId, clock: &SharedClock) -> Result<(Store, Option<Rescue>), Problem> {
    let places = Places::of(data, footage);
    let (store, rescue) = match whole(&places, hub, clock)? {
        Ok(store) => (store, None),
        Err(why) => {
            let (store, rescue) = rebuild(&places, hub, clock, why)?;
            (store, Some(rescue))
        }
    };
    if rescue.is_none() {
        look_after(&places, &store);
    }
    Ok((store, rescue))
}

/// The store as it lies there, or why it must be made again.
fn whole(places: &Places<'_>, hub: HubId, clock: &SharedClock) -> Result<Result<Store, String>, Problem> {
    if there(&places.store) && !places.store.is_dir() {
        return Ok(Err(format!("{} is not a folder", places.store.display())));
    }
    if !places.store_was_made() && (there(&places.export) || there(&places.signing_key())) {
        return Ok(Err(format!("The store {} is gone", places.store.display())));
    }
    let exported = || ExportHeader::read_whole(&places.export).is_ok_and(|(header, _)| header.hub == hub);
    let mut opened = Store::open(&places.store, hub, clock.clone());
    // The store gives its ballast up when it finds the disk full: then there is room to open it.
    if matches!(&opened, Err(e) if Problem::from(e).kind == ProblemKind::DiskFull) {
        opened = Store::open(&places.store, hub, clock.clone());
    }
    let store = match opened {
        Ok(store) => store,
        Err(e) if e.is_damage() => return Ok(Err(chain(&e))),
        // Its own export says that this is the right hub, and the store the wrong one.
        Err(e @ StoreError::Foreign { .. }) if exported() => return Ok(Err(chain(&e))),
        Err(e) => return Err(e.into()),
    };
    match store.read_blocking(|db| {
        // What the start reads. The rest is read by `keepsight check`.
        db.open_segments()?;
        db.open_gaps()?;
        db.open_events()?;
        db.streams_with_segments()?;
        db.audit_page(None, 1)?;
        Ok(db.hub_row()?.claim.is_some())
    }) {
        // The first export is written at the claim: a hub that has one has an owner.
        Ok(claimed) if claimed || !exported() => Ok(Ok(store)),
        Ok(_) => {
            store.close_blocking();
            Ok(Err(format!("The store {} was emptied", places.store.display())))
        }
        Err(e) if e.is_damage() => {
            store.close_blocking();
            Ok(Err(chain(&e)))
        }
        Err(e) => Err(e.into()),
    }
}

fn rebuild(places: &Places<'_>, hub: HubId, clock: &SharedClock, why: String) -> Result<(Store, Rescue), Problem> {
    tracing::error!(%why, "the store cannot be used and is made again");
    // Looked at first: what a newer program wrote is not to be set aside.
    let export = match ExportHeader::read_whole(&places.export) {
        Ok((header, _)) if header.hub == hub && header.kind == ExportKind::Settings => Ok(header),
        Ok(_) => Err("the export is another hub's".to_owned()),
        Err(e @ StoreError::Newer { .. }) => return Err(e.into()),
        Err(e @ StoreError::BadExport { .. }) => Err(chain(&e)),
        Err(StoreError::File(e)) if e.is_not_found() => Err("there is no export".to_owned()),
        Err(e) => return Err(e.into()),
    };
    let aside = match there(&places.store) {
        true => Some(set_aside(&places.store, "damaged", clock).map_err(|e| file_problem(&e))?),
        false => None,
    };
    if let Some(aside) = &aside {
        let _ = std::fs::remove_file(aside.join("ballast")); // room and nothing else
    }
    if let Err(why) = &export {
        tracing::error!(%why, "the store is made again without people, keys and cameras");
        if there(&places.export) {
            // The next one would be written over it.
            set_aside(&places.export, "damaged", clock).map_err(|e| file_problem(&e))?;
        }
    }
    let mut rescue = Rescue { why, aside, export: export.ok(), history: None };
    let exports = rescue.export.as_ref().map(|_| places.export.as_path());
    let store = Store::rebuild(&places.store, hub, clock.clone(), exports.as_slice(), |store| {
        rescue.history = bring_back(store, places, hub, clock)?;
        let aside = rescue.aside.as_deref().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let subject = format!("{aside}: {}", rescue.audit_missing());
        store.urgent_blocking(move |db| db.append_audit(Actor::Hub, "store.rebuilt", &subject).map(drop))
    })?;
    keep_newest(places.data, &places.store);
    tracing::error!(aside = ?rescue.aside, lost = %rescue.lost(), "the store was made again");
    Ok((store, rescue))
}

/// The audit log from the footage disk, at once, since from now on entries are appended; the rest of history is many rows
/// and follows beside the recording. `None` if the disk is not there.
fn bring_back(
    store: &Store,
    places: &Places<'_>,
    hub: HubId,
    clock: &SharedClock,
) -> Result<Option<History>, StoreError> {
    store.urgent_blocking(|db| db.put_setting(history::WANTED, &true))?;
    let known = store.read_blocking(|db| db.setting(history::DISK))?;
    let disk = match Disk::open(places.footage, known) {
        Ok(disk) => disk,
        Err(e) => {
            tracing::error!(error = %chain(&e), "the history is on the footage disk, which is not there");
            return Ok(None);
        }
    };
    let path = history::audit_path(&disk, hub);
    match store.import(&path) {
        Err(StoreError::File(e)) if e.is_not_found() => {}
        // What can be read of it stays beside the new one.
        Err(e @ StoreError::BadExport { .. }) => {
            tracing::error!(error = %chain(&e), "the audit log on the footage disk cannot be taken in");
            set_aside(&path, "damaged", clock)?;
        }
        imported => drop(imported?),
    }
    let audit = store.read_blocking(|db| db.audit_head())?;
    Ok(Some(History { until: history::newest(&disk, hub), audit }))
}

/// A hub that starts without its export, or without its secrets, says so; the export is written again.
fn look_after(places: &Places<'_>, store: &Store) {
    let claimed = store.read_blocking(|db| Ok(db.hub_row()?.claim.is_some()));
    if !claimed.is_ok_and(|claimed| claimed) {
        return;
    }
    if !there(&places.signing_key()) {
        tracing::error!(
            path = %places.signing_key().display(),
            "the hub's secrets are gone: phones must trust its new certificate, and cameras need their passwords again"
        );
    }
    if ExportHeader::read_whole(&places.export).is_ok() {
        return;
    }
    let dir = places.export.parent().unwrap_or(places.data);
    let written = base::fs::create_dir(dir, 0o700).map_err(StoreError::from);
    match written.and_then(|()| store.export(&places.export, ExportKind::Settings)) {
        Ok(rows) => tracing::warn!(rows, "the export was gone or damaged, and was written again"),
        Err(e) => tracing::error!(error = %chain(&e), "there is no export, and none could be written"),
    }
}

/// Gives a file or folder another name beside its own: `<name>.<word>-<yyyymmddThhmmssZ>`.
pub(crate) fn set_aside(path: &Path, word: &str, clock: &SharedClock) -> Result<PathBuf, FsError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stamp = clock.wall().strftime("%Y%m%dT%H%M%SZ");
    let named = |n: usize| match n {
        0 => path.with_file_name(format!("{name}.{word}-{stamp}")),
        n => path.with_file_name(format!("{name}.{word}-{stamp}-{n}")),
    };
    let aside = (0..).map(named).find(|aside| !there(aside)).expect("numbers do not end");
    std::fs::rename(path, &aside).map_err(FsError::on("set aside", path))?;
    base::fs::sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(aside)
}

/// Deletes damaged stores but the newest few.
fn keep_newest(data: &Path, store: &Path) {
    let prefix = format!("{}.damaged-", store.file_name().unwrap_or_default().to_string_lossy());
    let Ok(entries) = std::fs::read_dir(data) else { return };
    let mut aside: Vec<_> =
        entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(&prefix)).map(|e| e.path()).collect();
    aside.sort(); // their names begin with the time
    let surplus = aside.len().saturating_sub(KEPT_ASIDE);
    for path in aside.into_iter().take(surplus) {
        let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        tracing::warn!(path = %path.display(), ?removed, "there are {KEPT_ASIDE} newer damaged stores: removed");
    }
}

fn write_hub_id(path: &Path, hub: HubId) -> Result<HubId, Problem> {
    let json = serde_json::to_vec(&HubFile { format: FORMAT, hub }).expect("plain fields are always JSON");
    base::fs::write_atomic(path, &json, 0o644).map_err(|e| file_problem(&e))?;
    Ok(hub)
}

/// Whether something has this name. What cannot be looked at is taken to be there: it is not made anew.
fn there(path: &Path) -> bool {
    !matches!(std::fs::symlink_metadata(path), Err(e) if e.kind() == io::ErrorKind::NotFound)
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// An error with its sources, on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text += &format!(": {source}");
        next = source.source();
    }
    text
}

pub(crate) fn file_problem(e: &FsError) -> Problem {
    Problem::with(ProblemKind::FileError, format_args!("{e}: {}", e.source))
}
