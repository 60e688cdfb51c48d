//! The viewer: the opened keys of somebody who is signed in.

use std::cmp::Reverse;
use std::io::{Read, Seek};

use base::{CameraId, EpochId, PrincipalId};
use zeroize::Zeroizing;

use crate::camera_keys::{CameraKey, KeyLabel, WrappedKey, wrap};
use crate::error::{BadKeyFile, KeyError, ViewError};
use crate::open::{Opened, Source};
use crate::principal::PrincipalIdentity;
use crate::recipients::PrincipalRecipient;
use crate::recovery::RecoveryKit;
use crate::{Purpose, key_file};

/// What a principal may open, for as long as the request or the stream that made it. It is the only way to a picture:
/// a key is found by the camera *asked for*, so a mix-up of ids ends in an error.
pub struct Viewer {
    principal: Option<PrincipalId>,
    keys: Held,
}

enum Held {
    /// A principal's, opened when they are needed.
    Wrapped { identity: PrincipalIdentity, keys: Vec<WrappedKey> },
    /// From a key file or the recovery kit.
    Plain(Vec<CameraKey>),
}

impl std::fmt::Debug for Viewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Viewer({:?})", self.principal)
    }
}

impl Viewer {
    /// The viewer of a principal whose identity a password, session or token has just opened, with the wrapped keys
    /// that the store holds for it (of all cameras, or of those that the request is about).
    pub fn new(principal: PrincipalId, identity: PrincipalIdentity, mut keys: Vec<WrappedKey>) -> Self {
        keys.sort_by_key(|key| Reverse(key.epoch));
        Self { principal: Some(principal), keys: Held::Wrapped { identity, keys } }
    }

    /// For opening files without a hub: the keys of an age identity file, as [`Viewer::export_key`] writes it. A key
    /// without the comment that says whose it is counts for every camera, epoch and purpose: it still opens only what
    /// was sealed to it.
    pub fn from_identities(text: &str) -> Result<Self, BadKeyFile> {
        Ok(Self::from_plain(key_file::parse(text)?))
    }

    /// For opening a footage disk without its hub: the recovery kit and the key files that lie beside the footage,
    /// each with the camera and epoch whose place it was found in. Those that do not open, or say inside that they are
    /// of another camera or epoch, are given back with the reason.
    pub fn from_recovery_kit(
        kit: &RecoveryKit,
        kit_files: impl IntoIterator<Item = (CameraId, EpochId, Vec<u8>)>,
    ) -> (Self, Vec<(CameraId, EpochId, KeyError)>) {
        let (mut keys, mut refused) = (Vec::new(), Vec::new());
        for (camera, epoch, file) in kit_files {
            match kit.open_kit_file(camera, epoch, &file) {
                Ok(secrets) => keys.extend(secrets.keys()),
                Err(e) => refused.push((camera, epoch, e)),
            }
        }
        (Self::from_plain(keys), refused)
    }

    /// Whose viewer it is; `None` if it was made from a key file or the recovery kit.
    pub fn principal(&self) -> Option<PrincipalId> {
        self.principal
    }

    /// Does it hold any key of this camera for this purpose? Nothing is read or opened to find out.
    pub fn granted(&self, camera: CameraId, purpose: Purpose) -> bool {
        self.key(camera, purpose, None).is_ok()
    }

    /// The keys of a camera for a purpose, newest epoch first, of one epoch or of all. [`ViewError::NotGranted`] at
    /// once, before anything is opened, if it holds none. A key that does not open, or is another's inside, is an error
    /// in its place.
    pub fn key(
        &self,
        camera: CameraId,
        purpose: Purpose,
        epoch: Option<EpochId>,
    ) -> Result<impl Iterator<Item = Result<CameraKey, ViewError>> + '_, ViewError> {
        let asked_for = |label: KeyLabel| {
            label.camera == camera && label.purpose == purpose && epoch.is_none_or(|epoch| label.epoch == epoch)
        };
        let found: Vec<Found> = match &self.keys {
            Held::Wrapped { identity, keys } => {
                keys.iter().filter(|key| asked_for(key.label())).map(|key| Found::Wrapped(key, identity)).collect()
            }
            Held::Plain(keys) => keys.iter().filter(|key| key.label.is_none_or(asked_for)).map(Found::Plain).collect(),
        };
        if found.is_empty() {
            return Err(ViewError::NotGranted);
        }
        Ok(found.into_iter().map(|found| match found {
            Found::Wrapped(key, identity) => Ok(key.open(identity)?),
            Found::Plain(key) => Ok(key.clone()),
        }))
    }

    /// Opens something sealed of the camera asked for. Refuses before the first read if it was not granted the camera
    /// (or the epoch, if one is named); never tries another camera's keys, nor those for another purpose.
    pub fn open<R: Read + Seek>(
        &self,
        camera: CameraId,
        purpose: Purpose,
        epoch: Option<EpochId>,
        sealed: R,
    ) -> Result<Opened<R>, ViewError> {
        try_keys(self.key(camera, purpose, epoch)?, sealed)
    }

    /// For opening one file without a hub, when only the file itself can say whose it is: tries all footage keys of a
    /// viewer made from a key file or the recovery kit. A principal's viewer refuses: it must say which camera it means.
    pub fn open_any<R: Read + Seek>(&self, sealed: R) -> Result<Opened<R>, ViewError> {
        let Held::Plain(keys) = &self.keys else {
            return Err(ViewError::NotGranted);
        };
        let footage = keys.iter().filter(|key| key.label.is_none_or(|l| l.purpose == Purpose::Footage));
        try_keys(footage.cloned().map(Ok), sealed)
    }

    /// What an owner takes away to open an epoch's footage without the hub: an age identity file with the `footage` key
    /// and, if this viewer holds it, the `live` key. The caller starts a new epoch afterwards.
    pub fn export_key(&self, camera: CameraId, epoch: EpochId) -> Result<Zeroizing<String>, ViewError> {
        let footage = self.one(camera, epoch, Purpose::Footage)?;
        let live = match self.one(camera, epoch, Purpose::Live) {
            Err(ViewError::NotGranted) => None,
            live => Some(live?),
        };
        Ok(key_file::write(&live.into_iter().chain([footage]).collect::<Vec<_>>()))
    }

    /// Wraps a key that this viewer holds to another principal: a new grant of footage that is there already.
    pub fn rewrap(
        &self,
        camera: CameraId,
        epoch: EpochId,
        purpose: Purpose,
        to: &PrincipalRecipient,
    ) -> Result<WrappedKey, ViewError> {
        let key = self.one(camera, epoch, purpose)?;
        Ok(wrap(KeyLabel { camera, epoch, purpose }, &key.secret, to))
    }

    /// Wraps every key that this viewer holds and that is wanted to another principal: what one of them may see, or may
    /// go on to see with another identity. Slow: a tenth of a millisecond for each. Those that do not open are told
    /// with the reason, and keep none of the others back.
    pub fn rewrap_all(
        &self,
        wanted: impl Fn(KeyLabel) -> bool,
        to: &PrincipalRecipient,
    ) -> (Vec<WrappedKey>, Vec<(KeyLabel, KeyError)>) {
        let (mut wrapped, mut shut) = (Vec::new(), Vec::new());
        match &self.keys {
            Held::Wrapped { identity, keys } => {
                for key in keys.iter().filter(|key| wanted(key.label())) {
                    match key.open(identity) {
                        Ok(opened) => wrapped.push(wrap(key.label(), &opened.secret, to)),
                        Err(e) => shut.push((key.label(), e)),
                    }
                }
            }
            Held::Plain(keys) => {
                let labelled = keys.iter().filter_map(|key| Some((key.label?, key)));
                wrapped.extend(labelled.filter(|(label, _)| wanted(*label)).map(|(l, key)| wrap(l, &key.secret, to)));
            }
        }
        (wrapped, shut)
    }

    /// The one key of an epoch. Keys without a label do not count: nothing says that they are this epoch's.
    fn one(&self, camera: CameraId, epoch: EpochId, purpose: Purpose) -> Result<CameraKey, ViewError> {
        for key in self.key(camera, purpose, Some(epoch))? {
            let key = key?;
            if key.label.is_some() {
                return Ok(key);
            }
        }
        Err(ViewError::NotGranted)
    }

    fn from_plain(mut keys: Vec<CameraKey>) -> Self {
        keys.sort_by_key(|key| Reverse(key.label.map(|l| l.epoch)));
        Self { principal: None, keys: Held::Plain(keys) }
    }
}

enum Found<'a> {
    Wrapped(&'a WrappedKey, &'a PrincipalIdentity),
    Plain(&'a CameraKey),
}

/// Opens with the first key that fits. A bad key among them does not keep the others from being tried, but is what is
/// told if none of them fits.
fn try_keys<R: Read + Seek>(
    keys: impl Iterator<Item = Result<CameraKey, ViewError>>,
    sealed: R,
) -> Result<Opened<R>, ViewError> {
    let source = Source::new(sealed).map_err(ViewError::Io)?;
    let mut told = ViewError::WrongKey;
    for key in keys {
        match key {
            Err(e) => told = e,
            Ok(key) => match Opened::new(source.clone(), key) {
                Err(ViewError::WrongKey) => {}
                done => return done,
            },
        }
    }
    Err(told)
}
