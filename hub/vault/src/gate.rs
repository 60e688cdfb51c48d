//! The gate of a live ring.

use aws_lc_rs::digest;
use base::CameraId;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{KeyError, ViewError};
use crate::recipients::LiveRecipient;
use crate::viewer::Viewer;
use crate::{Purpose, small};

const TAG: &[u8] = b"keepsight gate 1\n";
const RANDOM_BYTES: usize = 32;

/// What a viewer must open before it gets a camera's live pictures, which are in memory and not sealed: a random value
/// sealed to the camera's own `live` key of the running epoch. The hub keeps only its hash, so nothing in memory opens
/// the gate. A ring handed out under another camera's id stays shut, for who may see both too.
#[derive(Clone)]
pub struct Gate {
    sealed: Vec<u8>,
    hash: [u8; digest::SHA256_OUTPUT_LEN],
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// A new gate for a camera's ring: at every start and every epoch.
    pub fn new(to: &LiveRecipient, camera: CameraId) -> Self {
        let mut random = Zeroizing::new([0; RANDOM_BYTES]);
        base::random(&mut *random);
        Self { sealed: small::seal_tagged(&to.0, TAG, &[&camera.to_bytes(), &*random]), hash: hash(&*random) }
    }

    /// May this viewer look through the ring as the camera it asked for? Tries the `live` keys of that camera, newest
    /// first, and no other camera's.
    pub fn open(&self, viewer: &Viewer, camera: CameraId) -> Result<(), ViewError> {
        for key in viewer.key(camera, Purpose::Live, None)? {
            match small::open_tagged(&key?.secret, TAG, &self.sealed) {
                Ok(plain) => return self.check(&plain, camera),
                Err(KeyError::WrongKey) => continue,
                Err(e) => return Err(e.into()),
            }
        }
        Err(ViewError::WrongKey)
    }

    fn check(&self, plain: &[u8], asked: CameraId) -> Result<(), ViewError> {
        let (camera, random) = plain.split_at_checked(16).ok_or(ViewError::Damaged)?;
        if camera == asked.to_bytes() && bool::from(hash(random).ct_eq(&self.hash)) {
            Ok(())
        } else {
            Err(ViewError::Mismatch)
        }
    }
}

fn hash(random: &[u8]) -> [u8; digest::SHA256_OUTPUT_LEN] {
    digest::digest(&digest::SHA256, random).as_ref().try_into().expect("SHA-256 is 32 bytes long")
}
