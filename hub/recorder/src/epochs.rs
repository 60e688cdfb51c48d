//! Epochs: whose keys a camera's footage is sealed to from now on.

use std::collections::BTreeSet;

use base::{CameraId, EpochId, PrincipalId, ProblemKind, Timestamp};
use store::{Actor, Camera, Db, Epoch, Principal, Role, StoreError};
use vault::{EpochPublic, EpochSecrets, KitFile, Purpose, WrappedKey};

use crate::cameras::{Inner, RecorderError};

/// A new camera with its first epoch: both or neither are in the store.
pub(crate) async fn first(inner: &Inner, camera: &Camera) -> Result<EpochPublic, RecorderError> {
    let (epoch, keys) = make(inner, camera.id).await?;
    let public = epoch.public.clone();
    let camera = camera.clone();
    inner.store.urgent(move |db| db.add_camera(&camera, &epoch, &keys)).await?;
    Ok(public)
}

/// A new epoch of a camera that has one: the open segment is closed, the live ring gets a new gate, and who does not hold
/// the new key is shown out of it.
pub(crate) async fn next(inner: &Inner, camera: CameraId) -> Result<(), RecorderError> {
    let (epoch, keys) = make(inner, camera).await?;
    let public = epoch.public.clone();
    let live: BTreeSet<_> =
        keys.iter().filter(|(_, k)| k.purpose == Purpose::Live).map(|(holder, _)| *holder).collect();
    inner.store.urgent(move |db| db.add_epoch(&epoch, &keys)).await?;
    if let Some(running) = inner.camera(camera) {
        running.writer.set_epoch(public.clone());
        running.watching.set_epoch(public.clone());
        running.shared.ring.set_epoch(camera, &public, &live);
        running.sub.ring.set_epoch(camera, &public, &live);
    }
    Ok(())
}

/// The epoch that a camera is sealed to. A new one if it is due one, if the store knows none of this hub's own, if the key
/// file of the one it knows is not on the disk, and if the disk has one that the store does not know: then the store is
/// behind, and a grant may have ended in between.
pub(crate) async fn current(inner: &Inner, camera: CameraId) -> Result<EpochPublic, RecorderError> {
    let read = inner.store.read(move |db| Ok((db.current_epoch(camera)?, db.due_epochs()?.contains(&camera))));
    let (newest, due) = read.await?;
    let own = newest.filter(|epoch| epoch.hub.is_none() && !due);
    let unknown = on_disk(inner, camera, own.as_ref().map(|e| e.public.epoch)).await?;
    match (own, unknown) {
        (Some(newest), Some(OnDisk { missing: false, unknown })) if unknown.is_empty() => Ok(newest.public),
        // Without its disk a camera is not written anyway.
        (Some(newest), None) => Ok(newest.public),
        (_, on_disk) => {
            let unknown = on_disk.map(|found| found.unknown).unwrap_or_default();
            if !unknown.is_empty() {
                tracing::warn!(
                    %camera, epochs = ?unknown,
                    "the footage disk has keys that the store does not know: a new epoch begins. The recovery kit opens \
                     what was sealed to them, and `keepsight adopt` takes them in"
                );
            }
            let (epoch, keys) = make(inner, camera).await?;
            let public = epoch.public.clone();
            inner
                .store
                .urgent(move |db| {
                    db.add_epoch(&epoch, &keys)?;
                    told(db, unknown)
                })
                .await?;
            Ok(public)
        }
    }
}

/// What the disk says of a camera's epochs.
struct OnDisk {
    /// The key file of the newest epoch is not there.
    missing: bool,
    /// Epochs that the store does not know and that were not told of before.
    unknown: Vec<EpochId>,
}

/// `None`: the disk is not there.
async fn on_disk(inner: &Inner, camera: CameraId, newest: Option<EpochId>) -> Result<Option<OnDisk>, RecorderError> {
    let disk = inner.footage.disk().clone();
    let files = tokio::task::spawn_blocking(move || disk.check().is_ok().then(|| disk.keys(camera)));
    let Some(files) = files.await.expect("reading a folder does not panic") else { return Ok(None) };
    let mut unknown: Vec<_> = files?.into_iter().map(|file| file.epoch).collect();
    unknown.sort_unstable();
    unknown.dedup();
    let missing = newest.is_some_and(|newest| !unknown.contains(&newest));
    let unknown = inner.store.read(move |db| {
        let known = db.epochs_of(camera)?;
        let told: Vec<EpochId> = db.setting(TOLD)?.unwrap_or_default();
        unknown.retain(|epoch| known.iter().all(|e| e.public.epoch != *epoch) && !told.contains(epoch));
        Ok(unknown)
    });
    Ok(Some(OnDisk { missing, unknown: unknown.await? }))
}

/// The setting that holds unknown epochs that were told of: each makes one new epoch, not one at each start.
const TOLD: &str = "unknown-epochs";
/// So many are remembered, since a row is small. An older one makes a new epoch at the next start again.
const MAX_TOLD: usize = 100;

fn told(db: &mut Db, unknown: Vec<EpochId>) -> Result<(), StoreError> {
    if unknown.is_empty() {
        return Ok(());
    }
    let mut told: Vec<EpochId> = db.setting(TOLD)?.unwrap_or_default();
    for epoch in &unknown {
        db.append_audit(Actor::Hub, "epoch.unknown", &epoch.to_string())?;
    }
    told.extend(unknown);
    told.drain(..told.len().saturating_sub(MAX_TOLD));
    db.put_setting(TOLD, &told)
}

/// Makes the keys of a new epoch: sealed to the recovery kit on the footage disk, durably, before anything is sealed to
/// them; wrapped for every principal who was granted the camera. The secrets are gone when this returns. A revocation does
/// not wait for a disk: without one the store keeps the key file until it is written.
async fn make(inner: &Inner, camera: CameraId) -> Result<(Epoch, Vec<(PrincipalId, WrappedKey)>), RecorderError> {
    let now = inner.clock.wall();
    let (claim, holders) = inner.store.read(move |db| Ok((db.hub_row()?.claim, holders(db, camera, now)?))).await?;
    let claim = claim.ok_or(ProblemKind::NotClaimed)?;
    let id = EpochId::new(&*inner.clock);
    let secrets = EpochSecrets::generate(id, camera);
    let kit_file = secrets.kit_file(&claim.recovery.recipient);
    let disk = inner.footage.disk().clone();
    let owed = tokio::task::spawn_blocking(move || match disk.write_epoch_key(camera, id, &kit_file) {
        Ok(()) => None,
        Err(e) => {
            tracing::warn!(%camera, error = &e as &dyn std::error::Error, "a key file waits for the footage disk");
            disk.owe_epoch_key(camera, id, kit_file.clone());
            Some(KitFile(kit_file))
        }
    });
    let owed = owed.await.expect("writing a file does not panic");
    let keys = holders.iter().map(|(holder, purpose)| (holder.id, secrets.wrap(*purpose, &holder.recipient))).collect();
    Ok((Epoch { camera, public: secrets.public(), created: now, hub: None, owed }, keys))
}

/// Writes the key files that were owed when the hub stopped, or takes on to write them once the disk is there. Before any
/// camera is recorded.
pub(crate) async fn settle(inner: &Inner) -> Result<(), RecorderError> {
    let owed = inner.store.read(|db| db.owed_epochs()).await?;
    if owed.is_empty() {
        return Ok(());
    }
    let disk = inner.footage.disk().clone();
    let paid = tokio::task::spawn_blocking(move || {
        let mut paid = Vec::new();
        for epoch in owed {
            let Some(KitFile(file)) = epoch.owed else { continue };
            let (camera, epoch) = (epoch.camera, epoch.public.epoch);
            match disk.write_epoch_key(camera, epoch, &file) {
                Ok(()) => paid.push((camera, epoch)),
                Err(_) => disk.owe_epoch_key(camera, epoch, file),
            }
        }
        paid
    });
    let paid = paid.await.expect("writing a file does not panic");
    Ok(inner.store.urgent(move |db| db.paid(&paid)).await?)
}

/// Who holds which keys of a camera: owners both, others as they were granted. An invitation holds what who accepts it may
/// see.
fn holders(db: &Db, camera: CameraId, now: Timestamp) -> Result<Vec<(Principal, Purpose)>, StoreError> {
    let grants = db.grants_on(camera)?;
    let mut holders = Vec::new();
    for principal in db.principals()? {
        let grant = grants.iter().find(|g| g.principal == principal.id && g.expires.is_none_or(|at| at > now));
        let rights = grant.map(|g| g.rights).unwrap_or_default();
        let owner = principal.role == Role::Owner;
        let needed = [Purpose::Live, Purpose::Footage].into_iter().filter(|purpose| owner || rights.need(*purpose));
        holders.extend(needed.map(|purpose| (principal.clone(), purpose)));
    }
    Ok(holders)
}
