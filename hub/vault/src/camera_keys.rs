//! A camera's keys: two X25519 pairs per epoch, kept only wrapped.

use base::{CameraId, EpochId};
use serde::{Deserialize, Serialize};

use crate::error::KeyError;
use crate::principal::PrincipalIdentity;
use crate::recipients::{FootageRecipient, LiveRecipient, PrincipalRecipient, RecoveryRecipient};
use crate::secret::{Secret, hidden};
use crate::{Purpose, key_file, small, text};

const TAG: &[u8] = b"keepsight camera key 1\n";

/// What seals an epoch's pictures: all that the hub needs to record. Public.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochPublic {
    /// Which epoch.
    pub epoch: EpochId,
    /// The live ring's gate is sealed to it.
    pub live: LiveRecipient,
    /// Footage and thumbnails are sealed to it.
    pub footage: FootageRecipient,
}

/// Both secret keys of an epoch, for as long as it takes to wrap them.
pub struct EpochSecrets {
    camera: CameraId,
    epoch: EpochId,
    live: Secret,
    footage: Secret,
}

hidden!(EpochSecrets);

impl EpochSecrets {
    /// New keys for a new epoch of a camera.
    pub fn generate(epoch: EpochId, camera: CameraId) -> Self {
        Self { camera, epoch, live: Secret::generate(), footage: Secret::generate() }
    }

    pub(crate) fn from_keys(camera: CameraId, epoch: EpochId, keys: &[CameraKey]) -> Result<Self, KeyError> {
        if keys.iter().any(|key| key.label.is_none_or(|l| l.camera != camera || l.epoch != epoch)) {
            return Err(KeyError::Mismatch);
        }
        let one = |purpose| {
            let mut found = keys.iter().filter(|key| key.label.is_some_and(|l| l.purpose == purpose));
            match (found.next(), found.next()) {
                (Some(key), None) => Ok(key.secret.clone()),
                _ => Err(KeyError::Damaged),
            }
        };
        Ok(Self { camera, epoch, live: one(Purpose::Live)?, footage: one(Purpose::Footage)? })
    }

    /// Whose they are.
    pub fn camera(&self) -> CameraId {
        self.camera
    }

    /// Which epoch's they are.
    pub fn epoch(&self) -> EpochId {
        self.epoch
    }

    /// The public keys.
    pub fn public(&self) -> EpochPublic {
        EpochPublic {
            epoch: self.epoch,
            live: LiveRecipient(self.live.recipient()),
            footage: FootageRecipient(self.footage.recipient()),
        }
    }

    /// Wraps one of the keys to a principal.
    pub fn wrap(&self, purpose: Purpose, to: &PrincipalRecipient) -> WrappedKey {
        wrap(self.label(purpose), self.secret(purpose), to)
    }

    /// The file `<epoch>.age` that lies beside the camera's footage: an age identity file with both keys, sealed to a
    /// recovery kit.
    pub fn kit_file(&self, to: &RecoveryRecipient) -> Vec<u8> {
        small::seal(&to.0, key_file::write(&self.keys()).as_bytes())
    }

    pub(crate) fn keys(&self) -> [CameraKey; 2] {
        [Purpose::Live, Purpose::Footage]
            .map(|purpose| CameraKey { label: Some(self.label(purpose)), secret: self.secret(purpose).clone() })
    }

    fn label(&self, purpose: Purpose) -> KeyLabel {
        KeyLabel { camera: self.camera, epoch: self.epoch, purpose }
    }

    fn secret(&self, purpose: Purpose) -> &Secret {
        match purpose {
            Purpose::Live => &self.live,
            Purpose::Footage => &self.footage,
        }
    }
}

/// An epoch's key file as [`EpochSecrets::kit_file`] makes it, where it must be kept until a disk takes it: sealed to the
/// recovery kit, base64url in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KitFile(#[serde(with = "text::base64")] pub Vec<u8>);

/// One key of a camera's epoch, sealed to one principal. Camera, epoch and purpose stand inside the sealed text too,
/// and are compared when it is opened: a row that was mixed up with another is an error, never a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey {
    /// Whose key.
    pub camera: CameraId,
    /// Of which epoch.
    pub epoch: EpochId,
    /// For what.
    pub purpose: Purpose,
    /// The age file, less than 900 bytes; base64url in JSON.
    #[serde(with = "text::base64")]
    pub blob: Vec<u8>,
}

impl WrappedKey {
    /// Whose key it says it is, and for what.
    pub fn label(&self) -> KeyLabel {
        KeyLabel { camera: self.camera, epoch: self.epoch, purpose: self.purpose }
    }

    pub(crate) fn open(&self, identity: &PrincipalIdentity) -> Result<CameraKey, KeyError> {
        let plain = small::open_tagged(&identity.0, TAG, &self.blob)?;
        let (inside, secret) = plain.split_at_checked(LABEL_BYTES).ok_or(KeyError::Damaged)?;
        let secret = Secret::from_slice(secret).ok_or(KeyError::Damaged)?;
        if inside != self.label().to_bytes() {
            return Err(KeyError::Mismatch);
        }
        Ok(CameraKey { label: Some(self.label()), secret })
    }
}

/// Whose key it is, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyLabel {
    /// Whose.
    pub camera: CameraId,
    /// Of which epoch.
    pub epoch: EpochId,
    /// For what.
    pub purpose: Purpose,
}

const LABEL_BYTES: usize = 1 + 16 + 16;

impl KeyLabel {
    fn to_bytes(self) -> [u8; LABEL_BYTES] {
        let mut bytes = [0; LABEL_BYTES];
        bytes[0] = match self.purpose {
            Purpose::Live => b'L',
            Purpose::Footage => b'F',
        };
        bytes[1..17].copy_from_slice(&self.camera.to_bytes());
        bytes[17..].copy_from_slice(&self.epoch.to_bytes());
        bytes
    }
}

/// An opened key of a camera. Only a [`Viewer`](crate::Viewer) gives one, and only this crate can use it.
#[derive(Clone)]
pub struct CameraKey {
    pub(crate) label: Option<KeyLabel>,
    pub(crate) secret: Secret,
}

hidden!(CameraKey);

impl CameraKey {
    /// Whose it is, and for what; `None` if it came from a key file without comments.
    pub fn label(&self) -> Option<KeyLabel> {
        self.label
    }
}

pub(crate) fn wrap(label: KeyLabel, secret: &Secret, to: &PrincipalRecipient) -> WrappedKey {
    let KeyLabel { camera, epoch, purpose } = label;
    let blob = small::seal_tagged(&to.0, TAG, &[&label.to_bytes(), secret.expose()]);
    WrappedKey { camera, epoch, purpose, blob }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;
    use proptest::prelude::*;

    fn keys() -> (EpochSecrets, PrincipalIdentity) {
        let clock = SimClock::default();
        (EpochSecrets::generate(EpochId::new(&clock), CameraId::new(&clock)), PrincipalIdentity::generate())
    }

    #[test]
    fn a_wrapped_key_opens_for_its_principal_only_and_is_the_one_wrapped() {
        let (secrets, identity) = keys();
        for purpose in [Purpose::Live, Purpose::Footage] {
            let wrapped = secrets.wrap(purpose, &identity.recipient());
            let opened = wrapped.open(&identity).unwrap();
            assert_eq!(opened.secret.expose(), secrets.secret(purpose).expose());
            let (camera, epoch) = (secrets.camera(), secrets.epoch());
            assert_eq!(opened.label(), Some(KeyLabel { camera, epoch, purpose }));
            assert_eq!(wrapped.open(&PrincipalIdentity::generate()).unwrap_err(), KeyError::WrongKey);
        }
    }

    #[test]
    fn a_label_that_differs_from_the_inside_is_an_error_and_no_key() {
        let (secrets, identity) = keys();
        let (other, _) = keys();
        let wrapped = secrets.wrap(Purpose::Footage, &identity.recipient());
        let mixed = [
            WrappedKey { camera: other.camera, ..wrapped.clone() },
            WrappedKey { epoch: other.epoch, ..wrapped.clone() },
            WrappedKey { purpose: Purpose::Live, ..wrapped.clone() },
            WrappedKey { blob: other.wrap(Purpose::Footage, &identity.recipient()).blob, ..wrapped.clone() },
        ];
        for key in mixed {
            assert_eq!(key.open(&identity).unwrap_err(), KeyError::Mismatch);
        }
    }

    #[test]
    fn another_sealed_thing_of_the_same_principal_is_no_camera_key() {
        let (secrets, identity) = keys();
        let blob = small::seal(&identity.recipient().0, b"keepsight principal 1\n");
        let wrapped = WrappedKey { blob, ..secrets.wrap(Purpose::Live, &identity.recipient()) };
        assert_eq!(wrapped.open(&identity).unwrap_err(), KeyError::Damaged);
    }

    #[test]
    fn rows_are_small_and_read_back() {
        let (secrets, identity) = keys();
        for _ in 0..200 {
            // age adds something random to each header
            let wrapped = secrets.wrap(Purpose::Live, &identity.recipient());
            let json = serde_json::to_string(&wrapped).unwrap();
            assert!(wrapped.blob.len() < 900 && json.len() < 1_500, "{}, {}", wrapped.blob.len(), json.len());
            assert_eq!(serde_json::from_str::<WrappedKey>(&json).unwrap(), wrapped);
        }
        let public = secrets.public();
        assert_eq!(serde_json::from_str::<EpochPublic>(&serde_json::to_string(&public).unwrap()).unwrap(), public);
    }

    proptest! {
        #[test]
        fn any_row_is_read_or_refused(blob in "\\PC{0,200}") {
            let (secrets, identity) = keys();
            let mut row = serde_json::to_value(secrets.wrap(Purpose::Live, &identity.recipient())).unwrap();
            row["blob"] = blob.into();
            if let Ok(wrapped) = serde_json::from_value::<WrappedKey>(row) {
                prop_assert!(wrapped.open(&identity).is_err());
            }
        }
    }
}
