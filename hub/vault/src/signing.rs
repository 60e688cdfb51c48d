//! The hub's signing key: proves that a manifest chain or an export is this hub's.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::hidden;
use crate::text::HEX;

const PUBLIC_BYTES: usize = 32;

/// Bytes are not an Ed25519 key in PKCS #8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 key in PKCS #8")]
pub struct BadSigningKey;

/// A text is not a verifying key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a verifying key: it must be 64 hexadecimal digits")]
pub struct BadVerifyingKey;

/// An Ed25519 key that the hub signs with.
pub struct HubSigningKey(Ed25519KeyPair);

hidden!(HubSigningKey);

impl HubSigningKey {
    /// A new key as PKCS #8, to be kept in the hub's secrets and given to [`Self::load`].
    pub fn generate() -> Zeroizing<Vec<u8>> {
        let document =
            Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8()).expect("the kernel gives random bytes");
        Zeroizing::new(document.as_ref().to_vec())
    }
    /// Reads what [`Self::generate`] gave.
    pub fn load(pkcs8: &[u8]) -> Result<Self, BadSigningKey> {
        Ed25519KeyPair::from_pkcs8(pkcs8).map(Self).map_err(|_| BadSigningKey)
    }
    /// What others check signatures with.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.public_key().as_ref().try_into().expect("an Ed25519 public key is 32 bytes long"))
    }
    /// Signs a message: 64 bytes, RFC 8032.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).as_ref().try_into().expect("an Ed25519 signature is 64 bytes long")
    }
}

/// The public half of a [`HubSigningKey`]: 64 hexadecimal digits as text and in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct VerifyingKey([u8; PUBLIC_BYTES]);

impl VerifyingKey {
    /// Is this the hub's signature of this message?
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
    /// The 32 bytes of RFC 8032.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_BYTES] {
        &self.0
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEX.encode(&self.0))
    }
}
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({self})")
    }
}
impl FromStr for VerifyingKey {
    type Err = BadVerifyingKey;
    fn from_str(text: &str) -> Result<Self, BadVerifyingKey> {
        let bytes = HEX.decode(text.as_bytes()).ok_or(BadVerifyingKey)?;
        bytes.as_slice().try_into().map(Self).map_err(|_| BadVerifyingKey)
    }
}
impl TryFrom<String> for VerifyingKey {
    type Error = BadVerifyingKey;
    fn try_from(text: String) -> Result<Self, BadVerifyingKey> {
        text.parse()
    }
}
impl From<VerifyingKey> for String {
    fn from(key: VerifyingKey) -> String {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_signature_is_checked_with_the_keys_text() {
        let key = HubSigningKey::load(&HubSigningKey::generate()).unwrap();
        let other = HubSigningKey::load(&HubSigningKey::generate()).unwrap();
        let signature = key.sign(b"manifest 1");
        let verifying: VerifyingKey = key.verifying_key().to_string().parse().unwrap();
        assert!(verifying.verify(b"manifest 1", &signature));
        assert!(!verifying.verify(b"manifest 2", &signature));
        assert!(!verifying.verify(b"manifest 1", &signature[..63]));
        assert!(!other.verifying_key().verify(b"manifest 1", &signature));
        let json = serde_json::to_string(&verifying).unwrap();
        assert_eq!(serde_json::from_str::<VerifyingKey>(&json).unwrap(), verifying);
    }

    proptest! {
        #[test]
        fn any_bytes_and_text_are_read_or_refused(bytes: Vec<u8>, text in "[0-9a-f]{64}|\\PC{0,80}") {
            prop_assert!(HubSigningKey::load(&bytes).is_err());
            if let Ok(key) = text.parse::<VerifyingKey>() {
                prop_assert_eq!(key.to_string(), text);
                prop_assert!(!key.verify(b"message", &bytes));
            }
        }
        #[test]
        fn a_changed_key_never_signs_as_another_than_it_says(at: prop::sample::Index, bit in 0u8..8) {
            let mut pkcs8 = HubSigningKey::generate();
            let at = at.index(pkcs8.len());
            pkcs8[at] ^= 1 << bit;
            if let Ok(changed) = HubSigningKey::load(&pkcs8) {
                prop_assert!(changed.verifying_key().verify(b"message", &changed.sign(b"message")));
            }
        }
    }
}
