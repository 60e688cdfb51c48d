//! Epochs: whose keys a camera's footage is sealed to from now on.

use base::{CameraId, EpochId, PrincipalId, ProblemKind, Timestamp};
use store::{Camera, Db, Epoch, Principal, Role, StoreError};
use vault::{EpochPublic, EpochSecrets, Purpose, WrappedKey};

use crate::cameras::{Inner, RecorderError};

/// A new camera with its first epoch: both or neither are in the store.
pub(crate) async fn first(inner: &Inner, camera: &Camera) -> Result<EpochPublic, RecorderError> {
    let (epoch, keys) = make(inner, camera.id).await?;
    let public = epoch.public.clone();
    let camera = camera.clone();
    inner.store.urgent(move |db| db.add_camera(&camera, &epoch, &keys)).await?;
    Ok(public)
}

/// A new epoch of a camera that has one: the open segment is closed, the live ring gets a new gate.
pub(crate) async fn next(inner: &Inner, camera: CameraId) -> Result<(), RecorderError> {
    let (epoch, keys) = make(inner, camera).await?;
    let public = epoch.public.clone();
    inner.store.urgent(move |db| db.add_epoch(&epoch, &keys)).await?;
    if let Some(running) = inner.camera(camera) {
        running.writer.set_epoch(public.clone());
        running.shared.ring.set_epoch(camera, &public);
    }
    Ok(())
}

/// The epoch that a camera is sealed to; a new one if the store knows none.
pub(crate) async fn current(inner: &Inner, camera: CameraId) -> Result<EpochPublic, RecorderError> {
    let known = inner.store.read(move |db| db.current_epoch(camera)).await?;
    match known {
        Some(newest) => Ok(newest.public),
        None => {
            let (epoch, keys) = make(inner, camera).await?;
            let public = epoch.public.clone();
            inner.store.urgent(move |db| db.add_epoch(&epoch, &keys)).await?;
            Ok(public)
        }
    }
}

/// Makes the keys of a new epoch: sealed to the recovery kit on the footage disk, durably, before anything is sealed to
/// them; wrapped for every principal who was granted the camera. The secrets are gone when this returns.
async fn make(inner: &Inner, camera: CameraId) -> Result<(Epoch, Vec<(PrincipalId, WrappedKey)>), RecorderError> {
    let now = inner.clock.wall();
    let (claim, holders) = inner.store.read(move |db| Ok((db.hub_row()?.claim, holders(db, camera, now)?))).await?;
    let claim = claim.ok_or(ProblemKind::NotClaimed)?;
    let id = EpochId::new(&*inner.clock);
    let secrets = EpochSecrets::generate(id, camera);
    let kit_file = secrets.kit_file(&claim.recovery.recipient);
    let footage = inner.footage.clone();
    tokio::task::spawn_blocking(move || footage.disk().write_epoch_key(camera, id, &kit_file))
        .await
        .expect("writing a file does not panic")?;
    let keys = holders.iter().map(|(holder, purpose)| (holder.id, secrets.wrap(*purpose, &holder.recipient))).collect();
    Ok((Epoch { camera, public: secrets.public(), created: now }, keys))
}

/// Who holds which keys of a camera: owners both, others as they were granted.
fn holders(db: &Db, camera: CameraId, now: Timestamp) -> Result<Vec<(Principal, Purpose)>, StoreError> {
    let grants = db.grants_on(camera)?;
    let mut holders = Vec::new();
    for principal in db.principals()? {
        let grant = grants.iter().find(|g| g.principal == principal.id && g.expires.is_none_or(|at| at > now));
        let rights = grant.map(|g| g.rights).unwrap_or_default();
        let owner = principal.role == Role::Owner;
        if owner || rights.live {
            holders.push((principal.clone(), Purpose::Live));
        }
        if owner || rights.playback || rights.export {
            holders.push((principal, Purpose::Footage));
        }
    }
    Ok(holders)
}
