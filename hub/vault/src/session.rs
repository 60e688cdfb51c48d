//! Session and API tokens: 32 random bytes that find their row and open their principal's identity.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::principal::{PrincipalIdentity, SealedIdentity};
use crate::recipients::SecretRecipient;
use crate::secret::{SECRET_BYTES, Secret, hidden};
use crate::text::{BASE64URL, HEX};

/// A text is not a session token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session token: it must be 43 characters of base64url")]
pub struct BadSessionToken;

/// What a signed-in device, or an API client, shows with each request. The store keeps only its [`LookupHash`] and
/// the identity sealed to its [`SecretRecipient`]: neither gives the token back.
pub struct SessionToken(Secret);

hidden!(SessionToken);

impl SessionToken {
    /// A new one.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }
    /// Reads what [`Self::reveal`] wrote.
    pub fn parse(text: &str) -> Result<Self, BadSessionToken> {
        if text.len() > 64 {
            return Err(BadSessionToken);
        }
        let bytes = BASE64URL.decode(text.as_bytes()).ok_or(BadSessionToken)?;
        Secret::from_slice(&bytes).map(Self).ok_or(BadSessionToken)
    }
    /// The token as 43 characters of base64url, for the cookie or for the person who made it.
    pub fn reveal(&self) -> Zeroizing<String> {
        BASE64URL.encode(self.0.expose())
    }
    /// By which the store finds the token's row.
    pub fn lookup(&self) -> LookupHash {
        LookupHash(*Secret::derive(self.0.expose(), b"keepsight session look-up 1").expose())
    }
    /// To which the principal's identity is sealed.
    pub fn recipient(&self) -> SecretRecipient {
        SecretRecipient(self.key().recipient())
    }
    /// Opens the principal's identity.
    pub fn unlock(&self, sealed: &SealedIdentity) -> Result<PrincipalIdentity, KeyError> {
        sealed.unlock(&self.key())
    }

    fn key(&self) -> Secret {
        Secret::derive(self.0.expose(), b"keepsight session key 1")
    }
}

/// HKDF of a [`SessionToken`], by which its row is found: says nothing about the token. Hexadecimal as text and in
/// JSON. Compared in constant time.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct LookupHash([u8; SECRET_BYTES]);

impl LookupHash {
    /// The bytes, as a key of the store.
    pub fn as_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }
    /// From [`Self::as_bytes`].
    pub fn from_bytes(bytes: [u8; SECRET_BYTES]) -> Self {
        Self(bytes)
    }
}

impl PartialEq for LookupHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}
impl Eq for LookupHash {}

impl fmt::Debug for LookupHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LookupHash({})", *HEX.encode(&self.0))
    }
}
impl From<LookupHash> for String {
    fn from(hash: LookupHash) -> String {
        HEX.encode(&hash.0).to_string()
    }
}
impl TryFrom<String> for LookupHash {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, &'static str> {
        let bytes = HEX.decode(text.as_bytes()).ok_or("not hexadecimal")?;
        Ok(Self(bytes.as_slice().try_into().map_err(|_| "not 32 bytes")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_opens_the_identity_sealed_to_it_and_no_other() {
        let (token, other) = (SessionToken::generate(), SessionToken::generate());
        let identity = PrincipalIdentity::generate();
        let sealed = identity.seal_for(&token.recipient());
        assert_eq!(token.unlock(&sealed).unwrap().recipient(), identity.recipient());
        assert_eq!(other.unlock(&sealed).unwrap_err(), KeyError::WrongKey);
        assert_eq!(token.unlock(&SealedIdentity(vec![1, 2, 3])).unwrap_err(), KeyError::Damaged);
    }

    #[test]
    fn a_sealed_identity_reads_back_from_json_and_is_small() {
        let token = SessionToken::generate();
        let sealed = PrincipalIdentity::generate().seal_for(&token.recipient());
        let json = serde_json::to_string(&sealed).unwrap();
        assert!(json.len() < 1_200, "{}", json.len());
        assert_eq!(serde_json::from_str::<SealedIdentity>(&json).unwrap(), sealed);
    }

    #[test]
    fn the_look_up_hash_is_the_tokens_own_and_not_the_token() {
        let token = SessionToken::generate();
        let again = SessionToken::parse(&token.reveal()).unwrap();
        assert_eq!(token.lookup(), again.lookup());
        assert_eq!(token.recipient(), again.recipient());
        assert_ne!(token.lookup(), SessionToken::generate().lookup());
        assert!(!token.reveal().contains(&*BASE64URL.encode(token.lookup().as_bytes())));
        let json = serde_json::to_string(&token.lookup()).unwrap();
        assert_eq!(serde_json::from_str::<LookupHash>(&json).unwrap(), token.lookup());
        assert_eq!(LookupHash::from_bytes(*token.lookup().as_bytes()), token.lookup());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9_-]{43}|\\PC{0,80}") {
            if let Ok(token) = SessionToken::parse(&text) {
                prop_assert_eq!(&*token.reveal(), &text);
            }
            let _ = serde_json::from_str::<LookupHash>(&text);
            let _ = serde_json::from_value::<LookupHash>(text.into());
        }
    }
}
