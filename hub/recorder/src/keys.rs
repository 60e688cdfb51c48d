//! Who holds which keys: changes of it come one after the other, and epochs begin in between.

use base::{CameraId, EpochId, KitId, ProblemKind};
use store::{Epoch, StoreError};
use tokio::sync::MutexGuard;
use vault::{EpochSecrets, KeyError, RecoveryKit, RecoveryRecipient};

use crate::cameras::{Inner, RecorderError};
use crate::epochs;

/// No epoch begins and no camera comes or goes while this is held. See [`Recorder::keys`](crate::Recorder::keys).
pub struct Keys<'a> {
    pub(crate) inner: &'a Inner,
    pub(crate) _one_at_a_time: MutexGuard<'a, ()>,
}

/// What [`Keys::reseal`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resealed {
    /// Key files that lie on the disk for the new kit.
    pub files: usize,
    /// Epochs whose key files the old kit does not open: they stay shut for the new one.
    pub shut: usize,
}

impl Keys<'_> {
    /// Begins an epoch of every camera that is due one: whoever lost its keys opens nothing that is recorded from now on,
    /// and is shown out where it looks live. Answers how many.
    ///
    /// # Errors
    /// The store fails. What is due stays so, and is tried again.
    pub async fn begin_due(&self) -> Result<usize, RecorderError> {
        let due = self.inner.store.read(|db| db.due_epochs()).await?;
        let count = due.len();
        for camera in due {
            epochs::next(self.inner, camera).await?;
        }
        Ok(count)
    }

    /// The key files of every epoch that the store knows, from the footage disk or from where they wait for it: of an
    /// epoch one for each recovery kit.
    ///
    /// # Errors
    /// The disk is not there, or cannot be read.
    pub async fn kit_files(&self) -> Result<Vec<(CameraId, EpochId, Vec<u8>)>, RecorderError> {
        let epochs = self.epochs().await?;
        let disk = self.inner.footage.disk().clone();
        let read = tokio::task::spawn_blocking(move || {
            disk.check()?;
            let mut files = Vec::new();
            for (camera, epochs) in epochs {
                for file in disk.keys(camera)? {
                    if epochs.iter().any(|known| known.public.epoch == file.epoch) {
                        files.push((camera, file.epoch, disk.read_key(&file.path)?));
                    }
                }
                let owed = epochs.into_iter().filter_map(|epoch| Some((epoch.public.epoch, epoch.owed?.0)));
                files.extend(owed.map(|(epoch, file)| (camera, epoch, file)));
            }
            Ok::<_, footage::DiskError>(files)
        });
        Ok(read.await.expect("reading files does not panic")?)
    }

    /// Seals what the old recovery kit opens to a new one too, durably: a key file beside each of those on the disk. The
    /// old files stay, and the old kit goes on opening them.
    ///
    /// # Errors
    /// The disk is not there, or does not take a file. Nothing is to be undone: nobody knows the new kit yet.
    pub async fn reseal(
        &self,
        old: RecoveryKit,
        new: RecoveryRecipient,
        kit: KitId,
    ) -> Result<Resealed, RecorderError> {
        // What waits for the disk is sealed to the old kit: it lies there first.
        epochs::settle(self.inner).await?;
        let cameras: Vec<_> = self.inner.store.read(|db| db.cameras()).await?.into_iter().map(|c| c.id).collect();
        let disk = self.inner.footage.disk().clone();
        let sealed = tokio::task::spawn_blocking(move || {
            disk.check()?;
            let mut done = Resealed::default();
            for camera in cameras {
                // Epochs that the store does not know too: the kit is all that opens them.
                let mut files = disk.keys(camera)?;
                files.sort_by_key(|file| file.epoch);
                for of_epoch in files.chunk_by(|a, b| a.epoch == b.epoch) {
                    let (epoch, mut opened) = (of_epoch[0].epoch, None);
                    for file in of_epoch {
                        let sealed = disk.read_key(&file.path)?;
                        opened = opened.or_else(|| open(&old, camera, epoch, &sealed));
                    }
                    match opened {
                        Some(secrets) => {
                            disk.write_kit_key(camera, epoch, kit, &secrets.kit_file(&new))?;
                            done.files += 1;
                        }
                        None => done.shut += 1,
                    }
                }
            }
            Ok::<_, footage::DiskError>(done)
        });
        let done = sealed.await.expect("writing files does not panic")?;
        match self.inner.store.read(|db| db.owed_epochs()).await?.is_empty() {
            true => Ok(done),
            false => Err(ProblemKind::DiskError.into()),
        }
    }

    async fn epochs(&self) -> Result<Vec<(CameraId, Vec<Epoch>)>, StoreError> {
        let epochs = self.inner.store.read(|db| {
            let cameras = db.cameras()?;
            cameras.into_iter().map(|camera| Ok((camera.id, db.epochs_of(camera.id)?))).collect()
        });
        epochs.await
    }
}

fn open(kit: &RecoveryKit, camera: CameraId, epoch: EpochId, file: &[u8]) -> Option<EpochSecrets> {
    match kit.open_kit_file(camera, epoch, file) {
        Ok(secrets) => Some(secrets),
        Err(KeyError::WrongKey) => None, // of another kit
        Err(e) => {
            tracing::warn!(%camera, %epoch, error = %e, "a key file is not what it should be");
            None
        }
    }
}
