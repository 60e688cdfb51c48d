//! Keys: camera, principal and recovery keys; wrap, seal, open; the viewer.
//!
//! Everything that is secret lives and is wiped here; everything that leaves is public, or sealed to somebody. Every
//! key is an X25519 pair and every sealed thing is an age v1 file, so that footage outlives this software: `age -d`
//! opens it. The chain from a person to a picture:
//!
//! ```text
//! password, session or token ──opens──▶ SealedIdentity ──▶ PrincipalIdentity
//!                                   ──opens──▶ WrappedKey (one per camera, epoch, purpose) ──▶ CameraKey
//!                                   ──opens──▶ a segment, a thumbnail, or a live ring's Gate
//! ```
//!
//! A [`Viewer`] holds that chain for one request. It can be made here only, from a principal's secret or, for who
//! opens files without a hub, from a key file or the recovery kit.

mod camera_keys;
mod claim;
mod error;
mod gate;
mod key_file;
mod open;
mod password;
mod principal;
mod recipients;
mod recovery;
mod seal;
mod secret;
mod session;
mod signing;
mod small;
mod text;
mod totp;
mod viewer;

pub use base::footage::Purpose;
pub use camera_keys::{CameraKey, EpochPublic, EpochSecrets, KeyLabel, KitFile, WrappedKey};
pub use claim::{BadClaimToken, ClaimToken};
pub use error::{BadKeyFile, KeyError, ViewError};
pub use gate::Gate;
pub use open::{CHUNK_BYTES, End, Ending, Opened};
pub use password::{BadPasswordParams, Password, PasswordParams, PasswordSecret, PasswordTooLong, WeakPassword};
pub use principal::{PrincipalIdentity, SealedIdentity};
pub use recipients::{
    BadRecipient, FootageRecipient, LiveRecipient, PrincipalRecipient, RecoveryRecipient, SecretRecipient,
};
pub use recovery::{RecoveryFile, RecoveryKit};
pub use seal::{Sealer, seal, seal_small};
pub use session::{BadSessionToken, LookupHash, SessionToken};
pub use signing::{BadSigningKey, BadVerifyingKey, HubSigningKey, VerifyingKey};
pub use totp::{BadTotpSecret, SealedTotp, TotpSecret};
pub use viewer::Viewer;
pub use zeroize::Zeroizing;
