//! The identity of a principal: what camera keys are wrapped to.

use serde::{Deserialize, Serialize};

use crate::error::KeyError;
use crate::recipients::{PrincipalRecipient, SecretRecipient};
use crate::secret::{Secret, hidden};
use crate::{small, text};

const TAG: &[u8] = b"keepsight principal 1\n";

/// The secret key of a member, an API token or an invitation. Never stored but as a [`SealedIdentity`].
pub struct PrincipalIdentity(pub(crate) Secret);

hidden!(PrincipalIdentity);

impl PrincipalIdentity {
    /// A new one.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }
    /// Its public key.
    pub fn recipient(&self) -> PrincipalRecipient {
        PrincipalRecipient(self.0.recipient())
    }
    /// Seals it so that one more secret of the principal (password, session, token) opens it.
    pub fn seal_for(&self, secret: &SecretRecipient) -> SealedIdentity {
        SealedIdentity(small::seal_tagged(&secret.0, TAG, &[self.0.expose()]))
    }
}

/// A [`PrincipalIdentity`] sealed to one secret of its principal: an age file of less than 800 bytes; base64url in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedIdentity(#[serde(with = "text::base64")] pub Vec<u8>);

impl SealedIdentity {
    pub(crate) fn unlock(&self, with: &Secret) -> Result<PrincipalIdentity, KeyError> {
        let plain = small::open_tagged(with, TAG, &self.0)?;
        Secret::from_slice(&plain).map(PrincipalIdentity).ok_or(KeyError::Damaged)
    }
}
