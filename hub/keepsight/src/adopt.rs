//! `keepsight adopt`: the footage disk of a hub that is no more becomes the disk of this one, which must be stopped.
//!
//! The old hub's recovery kit opens the key files on the disk; each epoch's keys are wrapped to this hub's owners and sealed to
//! this hub's own kit. The cameras keep their ids and are paused: nobody knows their passwords. Footage goes on saying which
//! hub sealed it, so the store keeps that for each adopted epoch, and nothing else opens.
//!
//! Every step can be done twice. The disk becomes this hub's own last of all, so a run that was cut off is run again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{CameraId, Clock, EpochId, HubId, PrincipalId, Problem, ProblemKind, SystemClock, Timestamp};
use clap::Args;
use footage::{Disk, DiskError};
use serde_json::json;
use store::{Actor, Adopted, Camera, Claim, Epoch, ExportHeader, ExportKind, Role, Store, StreamSource};
use vault::{EpochSecrets, PrincipalRecipient, Purpose, RecoveryKit, Viewer};

use crate::check::{Progress, Stopped, read_key};
use crate::cli::ConfigFile;
use crate::config::Config;
use crate::out::{self, Failure};
use crate::{history, rescue};

/// An epoch's first footage is looked for in so many segments.
const LOOK_AT: usize = 8;
/// Longest name of a camera, in characters.
const MAX_NAME_CHARS: usize = 64;

/// `keepsight adopt`.
#[derive(Debug, Args)]
pub struct Adopt {
    /// Where the disk is mounted: the footage folder of this hub's configuration
    disk: PathBuf,
    /// The recovery kit of the hub that recorded it (the claim's JSON, the 24 words or the AGE-SECRET-KEY)
    #[arg(long, value_name = "FILE")]
    recovery_key: PathBuf,
    #[command(flatten)]
    config: ConfigFile,
    /// Report as JSON, errors too
    #[arg(long)]
    pub json: bool,
}

impl Adopt {
    /// Adopts, and prints what was adopted.
    pub fn run(&self) -> Result<(), Failure> {
        let config = self.config.load()?;
        let kit = RecoveryKit::parse_file(&read_key(&self.recovery_key)?).map_err(Problem::from)?;
        let hub = Stopped::hub(&config)?;
        same_folder(&self.disk, config.paths.footage())?;
        let disk = Disk::open(config.paths.footage(), None).map_err(|e| match &e {
            DiskError::Missing { path } => {
                Problem::with(ProblemKind::NotADisk, format_args!("{} is not there", path.display()))
            }
            e => Problem::from(e),
        })?;
        let lock = disk.lock().map_err(|e| Problem::from(&e))?;
        let _lock = lock.ok_or_else(|| Problem::with(ProblemKind::DiskInUse, disk.root().display()))?;
        let store = hub.open()?;
        let adopted = Adoption::new(&store, &disk, &kit.kit, kit.hub_id)?.run(&config);
        store.close_blocking();
        self.tell(&adopted?)
    }

    fn tell(&self, done: &Done) -> Result<(), Failure> {
        if self.json {
            out::json(&json!({
                "cameras": done.cameras,
                "epochs": done.epochs,
                "not_opened": done.not_opened,
                "history_days": done.history.days,
                "history_rows": done.history.rows,
                "history_damaged": done.history.damaged,
            }))?;
            return Ok(());
        }
        match done.epochs {
            0 => out::text("Everything on the disk was adopted before.")?,
            epochs => out::text(&format!("Adopted {} cameras with {epochs} epochs of footage.", done.cameras.len()))?,
        }
        if done.not_opened > 0 {
            let count = done.not_opened;
            out::text(&format!(
                "{count} epochs stay shut: this kit does not open them, or no footage says whose they are."
            ))?;
        }
        out::text(&format!(
            "{} rows of {} days of events and gaps were taken in.",
            done.history.rows, done.history.days
        ))?;
        for day in &done.history.damaged {
            out::text(&format!("The events of {day} cannot be read."))?;
        }
        out::text(
            "Start the hub: it lists the footage while it runs. The cameras are paused: give each its address and password.",
        )?;
        Ok(())
    }
}

/// What was adopted.
struct Done {
    cameras: Vec<CameraId>,
    epochs: usize,
    not_opened: usize,
    history: history::Taken,
}

struct Adoption<'a> {
    store: &'a Store,
    disk: &'a Disk,
    kit: &'a RecoveryKit,
    /// What the kit's file says of its hub; the words alone say nothing.
    kit_hub: Option<HubId>,
    claim: Claim,
    owners: Vec<(PrincipalId, PrincipalRecipient)>,
    now: Timestamp,
}

/// What the kit opened of a camera.
#[derive(Default)]
struct Opened {
    epochs: Vec<EpochSecrets>,
    not_opened: usize,
    /// Which hub sealed an epoch's footage.
    hubs: BTreeMap<EpochId, HubId>,
}

impl<'a> Adoption<'a> {
    /// # Errors
    /// `not-claimed`: there is no owner whom keys could be given to.
    fn new(store: &'a Store, disk: &'a Disk, kit: &'a RecoveryKit, kit_hub: Option<HubId>) -> Result<Self, Problem> {
        let (claim, principals) = store.read_blocking(|db| Ok((db.hub_row()?.claim, db.principals()?)))?;
        let claim = claim.ok_or(ProblemKind::NotClaimed)?;
        let owners = principals.into_iter().filter(|p| p.role == Role::Owner).map(|p| (p.id, p.recipient)).collect();
        Ok(Self { store, disk, kit, kit_hub, claim, owners, now: SystemClock.wall() })
    }

    fn run(&self, config: &Config) -> Result<Done, Problem> {
        let mut opened = BTreeMap::new();
        let cameras = self.disk.cameras().map_err(|e| Problem::from(&e))?;
        let mut progress = Progress::new("cameras looked at", Some(cameras.len()));
        for (n, camera) in cameras.into_iter().enumerate() {
            progress.tell(n);
            opened.insert(camera, self.open(camera)?);
        }
        let not_opened: usize = opened.values().map(|o| o.not_opened).sum();
        let found: usize = opened.values().map(|o| o.epochs.len()).sum();
        if found == 0 && not_opened > 0 && !self.was_begun()? {
            let what = "It opens none of the key files on the footage disk; the kit of the hub that recorded it does";
            return Err(Problem::with(ProblemKind::WrongKey, what));
        }
        if found == 0 && !self.was_begun()? {
            return Err(Problem::with(ProblemKind::NothingToAdopt, self.disk.root().display()));
        }

        let mut hubs: BTreeSet<_> = opened.values().flat_map(|o| o.hubs.values().copied()).collect();
        if hubs.is_empty() {
            hubs.extend(self.kit_hub);
        }
        let only = hubs.iter().next().copied().filter(|_| hubs.len() == 1);
        let mut names = self.names(&hubs)?;
        let mut done = Done { cameras: Vec::new(), epochs: 0, not_opened, history: history::Taken::default() };
        for (camera, opened) in opened {
            let row = names.remove(&camera).unwrap_or_else(|| self.unnamed(camera));
            let adopted = self.adopted(row, &opened, only)?;
            done.not_opened += opened.epochs.len() - adopted.epochs.len();
            if adopted.epochs.is_empty() {
                continue;
            }
            done.epochs += adopted.epochs.len();
            done.cameras.push(camera);
            self.store.urgent_blocking(move |db| {
                let subject = adopted.camera.id.to_string();
                let named = Adopted { camera: with_free_name(&db.cameras()?, adopted.camera), ..adopted };
                db.adopt(&named)?;
                db.append_audit(Actor::Console, "camera.adopt", &subject).map(drop)
            })?;
        }
        self.store.urgent_blocking(|db| db.put_setting(history::WANTED, &true))?;
        done.history = history::take(self.store, self.disk)?;

        // Last: what was cut off before here is run again.
        let id = self.disk.id();
        self.store.urgent_blocking(move |db| {
            if db.setting(history::DISK)? != Some(id) {
                db.put_setting(history::DISK, &id)?;
                db.append_audit(Actor::Console, "disk.adopt", &id.to_string())?;
            }
            Ok(())
        })?;
        let export = config.paths.data().join("export");
        base::fs::create_dir(&export, 0o700).map_err(|e| rescue::file_problem(&e))?;
        self.store.export(&export.join("settings.export"), ExportKind::Settings)?;
        Ok(done)
    }

    /// A run before this one took epochs of this disk.
    fn was_begun(&self) -> Result<bool, Problem> {
        let adopted = self.store.read_blocking(|db| db.adopted_epochs())?;
        for epoch in adopted {
            let files = self.disk.keys(epoch.camera).map_err(|e| Problem::from(&e))?;
            if files.iter().any(|file| file.epoch == epoch.public.epoch) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens the epochs of a camera that the store does not know, and looks whose footage they sealed.
    fn open(&self, camera: CameraId) -> Result<Opened, Problem> {
        let known = self.store.read_blocking(move |db| db.epochs_of(camera))?;
        let mut files = self.disk.keys(camera).map_err(|e| Problem::from(&e))?;
        files.retain(|file| known.iter().all(|epoch| epoch.public.epoch != file.epoch));
        let all: BTreeSet<_> = files.iter().map(|file| file.epoch).collect();
        let (mut opened, mut plain) = (Opened::default(), Vec::new());
        for file in files {
            if opened.epochs.iter().any(|secrets| secrets.epoch() == file.epoch) {
                continue; // by the file for another kit
            }
            let sealed = self.disk.read_key(&file.path).map_err(|e| Problem::from(&e))?;
            match self.kit.open_kit_file(camera, file.epoch, &sealed) {
                Ok(secrets) => {
                    opened.epochs.push(secrets);
                    plain.push((camera, file.epoch, sealed));
                }
                Err(e) => tracing::debug!(path = %file.path.display(), error = %e, "the kit does not open a key file"),
            }
        }
        opened.not_opened = all.len() - opened.epochs.len();
        opened.epochs.sort_by_key(EpochSecrets::epoch);
        opened.hubs = self.hubs(camera, &Viewer::from_recovery_kit(self.kit, plain).0, &opened.epochs)?;
        Ok(opened)
    }

    /// Which hub each epoch's footage says. Epochs and segments are in order of time, as long as clocks were right; where
    /// they were not, an epoch's hub is not found here.
    fn hubs(
        &self,
        camera: CameraId,
        viewer: &Viewer,
        epochs: &[EpochSecrets],
    ) -> Result<BTreeMap<EpochId, HubId>, Problem> {
        let mut hubs = BTreeMap::new();
        if epochs.is_empty() {
            return Ok(hubs);
        }
        let segments = self.disk.segments(camera).map_err(|e| Problem::from(&e))?;
        let at = |n: usize| segments.get(n..).unwrap_or_default().iter().take(LOOK_AT);
        for secrets in epochs {
            let made = made_at(secrets.epoch());
            let first = segments.partition_point(|(start, _)| start.as_millisecond() < made);
            for (_, path) in at(first).chain(at(0)) {
                if hubs.contains_key(&secrets.epoch()) {
                    break;
                }
                if let Ok(reader) = footage::open_any(viewer, path)
                    && reader.header().camera == camera
                {
                    hubs.insert(reader.header().epoch, reader.header().hub);
                }
            }
        }
        Ok(hubs)
    }

    /// A camera's epochs with keys for every owner of this hub, and a key file of this hub's kit for each.
    fn adopted(&self, camera: Camera, opened: &Opened, only: Option<HubId>) -> Result<Adopted, Problem> {
        let mut epochs = Vec::new();
        for secrets in &opened.epochs {
            // Nothing opens that does not say this hub; where no footage was found, there is nothing to be opened.
            let Some(hub) = opened.hubs.get(&secrets.epoch()).copied().or(only) else { continue };
            let recovery = &self.claim.recovery;
            let file = secrets.kit_file(&recovery.recipient);
            match self.disk.write_kit_key(camera.id, secrets.epoch(), recovery.kit, &file) {
                // Sealing the same twice gives different files.
                Ok(()) | Err(DiskError::KeyExists { .. }) => {}
                Err(e) => return Err(Problem::from(&e)),
            }
            let keys = self.owners.iter().flat_map(|(owner, recipient)| {
                [Purpose::Live, Purpose::Footage].map(|purpose| (*owner, secrets.wrap(purpose, recipient)))
            });
            let created = Timestamp::from_millisecond(made_at(secrets.epoch())).unwrap_or(self.now);
            let epoch = Epoch { camera: camera.id, public: secrets.public(), created, hub: Some(hub), owed: None };
            epochs.push((epoch, keys.collect()));
        }
        Ok(Adopted { camera, epochs })
    }

    /// The cameras as the newest history on the disk has them. It is not sealed: what is not fit to be one is passed over.
    fn names(&self, hubs: &BTreeSet<HubId>) -> Result<BTreeMap<CameraId, Camera>, Problem> {
        let mut named = BTreeMap::new();
        for hub in hubs {
            let days = history::days(&history::folder(self.disk, *hub))?;
            let Some(cameras) = days.iter().rev().find_map(|(_, path)| ExportHeader::cameras(path).ok()) else {
                continue;
            };
            let fit = cameras.into_iter().filter(is_fit).map(|camera| Camera { paused: true, ..camera });
            named.extend(fit.map(|camera| (camera.id, camera)));
        }
        Ok(named)
    }

    fn unnamed(&self, id: CameraId) -> Camera {
        let text = id.to_string();
        let name = format!("camera {}", &text[text.len() - 6..]);
        let main = StreamSource::default();
        Camera {
            id,
            name,
            main,
            sub: None,
            created: self.now,
            paused: true,
            paused_until: None,
            while_home: None,
            record_sub: false,
            motion: None,
        }
    }
}

fn is_fit(camera: &Camera) -> bool {
    let name = &camera.name;
    let chars = name.chars().count();
    let named = (1..=MAX_NAME_CHARS).contains(&chars) && name.trim() == name && !name.chars().any(char::is_control);
    named && [Some(&camera.main), camera.sub.as_ref()].into_iter().flatten().all(|source| !source.url.contains('@'))
}

/// Names are unique: the second gets a number.
fn with_free_name(others: &[Camera], camera: Camera) -> Camera {
    let taken = |name: &str| others.iter().any(|other| other.id != camera.id && other.name == name);
    if !taken(&camera.name) {
        return camera;
    }
    let short: String = camera.name.chars().take(MAX_NAME_CHARS - 5).collect();
    let name = (2..).map(|n| format!("{} {n}", short.trim_end())).find(|name| !taken(name));
    Camera { name: name.expect("numbers do not end"), ..camera }
}

/// When an epoch was made, ms since 1970: an id begins with it.
fn made_at(epoch: EpochId) -> i64 {
    let mut ms = [0; 8];
    ms[2..].copy_from_slice(&epoch.to_bytes()[..6]);
    i64::from_be_bytes(ms)
}

fn same_folder(disk: &Path, footage: &Path) -> Result<(), Problem> {
    let real = |path: &Path| path.canonicalize();
    match (real(disk), real(footage)) {
        (Err(e), _) => Err(Problem::with(ProblemKind::NotADisk, format_args!("{}: {e}", disk.display()))),
        (Ok(disk), Ok(footage)) if disk == footage => Ok(()),
        _ => {
            let what = format!("{} is not the footage folder {}", disk.display(), footage.display());
            Err(Problem::with(ProblemKind::DiskElsewhere, what))
        }
    }
}

impl Stopped<'_> {
    /// Its store, as it is.
    ///
    /// # Errors
    /// It is damaged: the hub, or `check --repair`, makes it again.
    pub(crate) fn open(&self) -> Result<Store, Problem> {
        Ok(Store::open(&self.store_dir(), self.id, Arc::new(SystemClock))?)
    }
}
