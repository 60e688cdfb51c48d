//! Principals, their secrets and their grants.
//!
//! ```text
//! p <principal>            → Principal
//! n <name, lower case>     → principal, of people only
//! s <principal> <secret>   → Secret
//! l <look-up hash>         → principal, secret
//! g <principal> <camera>   → Grant
//! ```
//!
//! No secret stands here, only what a secret opens and by what it is found. Whoever loses a key of a camera makes that
//! camera due a new epoch, in the same call: see [`Db::due_epochs`].

use std::collections::BTreeSet;

use base::footage::Purpose;
use base::{CameraId, PrincipalId, SecretId, Timestamp};
use serde::{Deserialize, Serialize};
use vault::{LookupHash, PasswordParams, PrincipalRecipient, SealedIdentity, SealedTotp, SecretRecipient, WrappedKey};

use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::key::{ID, Parts, key};
use crate::row::RowError;

/// A member, an API token or an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// This principal.
    pub id: PrincipalId,
    /// By which a person signs in: unique among people, whatever the case of its letters.
    pub name: String,
    /// What it is. Rows from before there were others are of people.
    #[serde(default, skip_serializing_if = "PrincipalKind::is_person")]
    pub kind: PrincipalKind,
    /// What it may do besides its grants; an invitation: what who accepts it may.
    pub role: Role,
    /// Camera keys are wrapped to it.
    pub recipient: PrincipalRecipient,
    /// When it was made.
    pub created: Timestamp,
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// Somebody who signs in with a password.
    #[default]
    Person,
    /// A program that shows an API token.
    Token,
    /// A place that is kept for somebody: who shows its secret becomes a person.
    Invitation {
        /// The person who lost the password and is to get in again; `None`: somebody new.
        member: Option<PrincipalId>,
    },
}

impl PrincipalKind {
    /// It is a person.
    pub fn is_person(&self) -> bool {
        *self == PrincipalKind::Person
    }
}

/// What a principal may do besides its grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, and has the keys of every camera.
    Owner,
    /// What it was granted.
    Member,
}

/// One secret of a principal: that which opens its identity, without what is secret about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// This secret.
    pub id: SecretId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// What it is.
    pub kind: SecretKind,
    /// By which it is found, where the secret itself is all that is shown.
    pub lookup: Option<LookupHash>,
    /// The principal's identity is sealed to it.
    pub recipient: SecretRecipient,
    /// The principal's identity, sealed.
    pub sealed: SealedIdentity,
    /// When it was made.
    pub created: Timestamp,
}

/// Kinds of secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// A person's password.
    Password {
        /// How it becomes a key.
        params: PasswordParams,
        /// One-time codes, where the person wants to be asked for one too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        totp: Option<Totp>,
    },
    /// A signed-in device.
    Session {
        /// What the person calls it.
        device: String,
        /// When it was last seen, to the hour or so.
        last_used: Timestamp,
        /// When it ends by itself.
        expires: Option<Timestamp>,
    },
    /// An API token.
    Token {
        /// When it ends by itself.
        expires: Option<Timestamp>,
    },
    /// What is in an invitation's address.
    Invitation {
        /// When it ends by itself.
        expires: Timestamp,
    },
}

impl SecretKind {
    /// When it ends by itself, if it does.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            SecretKind::Password { .. } => None,
            SecretKind::Session { expires, .. } | SecretKind::Token { expires } => *expires,
            SecretKind::Invitation { expires } => Some(*expires),
        }
    }
}

/// One-time codes of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totp {
    /// Their secret, sealed to the password.
    pub sealed: SealedTotp,
    /// Step of the last code that was used: it and those before are no good any more.
    pub used: u64,
}

/// What a principal may do with a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who.
    pub principal: PrincipalId,
    /// With which camera.
    pub camera: CameraId,
    /// What.
    pub rights: Rights,
    /// Until when.
    pub expires: Option<Timestamp>,
}

/// The rights of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Rights {
    /// Look live.
    pub live: bool,
    /// Look back.
    pub playback: bool,
    /// Take footage away.
    pub export: bool,
    /// Change the camera's settings.
    pub manage: bool,
}

impl Rights {
    /// Is a key of this purpose needed for them?
    pub fn need(self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Live => self.live,
            Purpose::Footage => self.playback || self.export,
        }
    }
}

/// Longest name in bytes.
const MAX_NAME_BYTES: usize = 256;

impl Db {
    /// Keeps a principal, or replaces the one with its id.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] if it is a person, and another person has the name.
    pub fn put_principal(&mut self, principal: &Principal) -> Result<(), StoreError> {
        let name = name_key(&principal.name);
        if name.len() > MAX_NAME_BYTES + NAME.len() {
            return Err(StoreError::Refused("a principal's name is too long"));
        }
        if principal.kind.is_person() {
            match self.get_raw(TREE, &name)? {
                Some(holder) if holder == principal.id.to_bytes() => {}
                Some(_) => return Err(StoreError::NameTaken),
                None => {
                    if let Some(before) = self.principal(principal.id)?.filter(|before| before.kind.is_person()) {
                        self.delete(TREE, name_key(&before.name))?;
                    }
                    self.put_raw(TREE, name, &principal.id.to_bytes())?;
                }
            }
        }
        self.put(TREE, principal_key(principal.id), principal)
    }
    /// Gives a principal another identity: its row has the new recipient, `secrets` are those that open it, and `keys` are
    /// wrapped to it. Secrets that are not among them, and keys that are not, are gone. Makes no camera due an epoch: a
    /// key that could not be wrapped anew was not taken from anybody.
    ///
    /// # Errors
    /// Those of [`Db::put_principal`], [`Db::put_secret`] and [`Db::put_wrapped_keys`]; [`StoreError::NoSuch`] if it is
    /// not there.
    pub fn replace_identity(
        &mut self,
        principal: &Principal,
        secrets: &[Secret],
        keys: &[WrappedKey],
    ) -> Result<(), StoreError> {
        let id = principal.id;
        if !self.contains(TREE, &principal_key(id))? {
            return Err(StoreError::NoSuch("principal"));
        }
        if secrets.iter().any(|secret| secret.principal != id) {
            return Err(StoreError::Refused("a secret of another principal"));
        }
        self.put_principal(principal)?;
        for secret in self.secrets_of(id)? {
            self.remove_secret(id, secret.id)?;
        }
        secrets.iter().try_for_each(|secret| self.put_secret(secret))?;
        self.delete_range(Tree::Keys, &KeyRange::prefix(&crate::cameras::keys_of_principal(id)))?;
        self.put_wrapped_keys(id, keys)
    }
    /// One principal.
    pub fn principal(&self, id: PrincipalId) -> Result<Option<Principal>, StoreError> {
        self.get(TREE, &principal_key(id))
    }
    /// The principal with a name, whatever the case of its letters.
    pub fn principal_by_name(&self, name: &str) -> Result<Option<Principal>, StoreError> {
        if name.len() > MAX_NAME_BYTES {
            return Ok(None);
        }
        let key = name_key(name);
        let Some(id) = self.get_raw(TREE, &key)? else { return Ok(None) };
        let mut id = Parts(&id);
        let id = id.take().map_err(|e| StoreError::row(TREE, &key, e))?;
        self.principal(PrincipalId::from_bytes(id))
    }
    /// All principals, oldest first.
    pub fn principals(&self) -> Result<Vec<Principal>, StoreError> {
        self.list(TREE, &KeyRange::prefix(PRINCIPAL), Order::Forward, read)
    }
    /// Gives a principal another role. Who becomes an owner needs no grants, and has none any more; the keys that they lack
    /// are [`Db::put_wrapped_keys`]'s. Who is an owner no more has no grants either: every camera that they had keys of is
    /// due a new epoch.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] if there is none.
    pub fn set_role(&mut self, id: PrincipalId, role: Role) -> Result<(), StoreError> {
        let mut principal = self.principal(id)?.ok_or(StoreError::NoSuch("principal"))?;
        if principal.role == role {
            return Ok(());
        }
        self.delete_range(TREE, &KeyRange::prefix(&key(&[GRANT, &id.to_bytes()])))?;
        if role == Role::Member {
            let held: BTreeSet<CameraId> = self.wrapped_keys_of(id)?.iter().map(|key| key.camera).collect();
            for camera in held {
                self.remove_wrapped_keys(id, camera)?;
            }
        }
        principal.role = role;
        self.put(TREE, principal_key(id), &principal)
    }
    /// Removes a principal with its secrets, grants and wrapped keys; the cameras that it had keys of are due a new epoch.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] if there is none.
    pub fn remove_principal(&mut self, id: PrincipalId) -> Result<(), StoreError> {
        let principal = self.principal(id)?.ok_or(StoreError::NoSuch("principal"))?;
        for secret in self.secrets_of(id)? {
            self.remove_secret(id, secret.id)?;
        }
        self.delete_range(TREE, &KeyRange::prefix(&key(&[GRANT, &id.to_bytes()])))?;
        let held: BTreeSet<CameraId> = self.wrapped_keys_of(id)?.iter().map(|key| key.camera).collect();
        self.delete_range(Tree::Keys, &KeyRange::prefix(&crate::cameras::keys_of_principal(id)))?;
        held.into_iter().try_for_each(|camera| self.owe_epoch(camera))?;
        if principal.kind.is_person() {
            self.delete(TREE, name_key(&principal.name))?;
        }
        self.delete(TREE, principal_key(id))
    }

    /// Keeps a secret, or replaces the one with its id.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] if its principal is not there; [`StoreError::Exists`] if another secret has its look-up
    /// hash.
    pub fn put_secret(&mut self, secret: &Secret) -> Result<(), StoreError> {
        if !self.contains(TREE, &principal_key(secret.principal))? {
            return Err(StoreError::NoSuch("principal"));
        }
        let place = key(&[&secret.principal.to_bytes(), &secret.id.to_bytes()]);
        if let Some(before) = self.secret(secret.principal, secret.id)?
            && let Some(hash) = before.lookup
        {
            self.delete(TREE, lookup_key(&hash))?;
        }
        if let Some(hash) = &secret.lookup {
            let index = lookup_key(hash);
            if self.contains(TREE, &index)? {
                return Err(StoreError::Exists("secret"));
            }
            self.put_raw(TREE, index, &place)?;
        }
        self.put(TREE, key(&[SECRET, &place]), secret)
    }
    /// One secret of a principal.
    pub fn secret(&self, principal: PrincipalId, id: SecretId) -> Result<Option<Secret>, StoreError> {
        self.get(TREE, &key(&[SECRET, &principal.to_bytes(), &id.to_bytes()]))
    }
    /// The secret that a session or token belongs to.
    pub fn secret_by_lookup(&self, hash: &LookupHash) -> Result<Option<Secret>, StoreError> {
        let Some(place) = self.get_raw(TREE, &lookup_key(hash))? else { return Ok(None) };
        let secret: Option<Secret> = self.get(TREE, &key(&[SECRET, &place]))?;
        // An index that points elsewhere signs nobody in.
        Ok(secret.filter(|secret| secret.lookup.as_ref() == Some(hash)))
    }
    /// All secrets of a principal, oldest first.
    pub fn secrets_of(&self, principal: PrincipalId) -> Result<Vec<Secret>, StoreError> {
        self.list(TREE, &KeyRange::prefix(&key(&[SECRET, &principal.to_bytes()])), Order::Forward, read)
    }
    /// The signed-in devices of a principal, oldest first.
    pub fn sessions_of(&self, principal: PrincipalId) -> Result<Vec<Secret>, StoreError> {
        let mut secrets = self.secrets_of(principal)?;
        secrets.retain(|secret| matches!(secret.kind, SecretKind::Session { .. }));
        Ok(secrets)
    }
    /// The password of a principal.
    pub fn password_of(&self, principal: PrincipalId) -> Result<Option<Secret>, StoreError> {
        let secrets = self.secrets_of(principal)?;
        Ok(secrets.into_iter().find(|secret| matches!(secret.kind, SecretKind::Password { .. })))
    }
    /// Removes a secret; answers whether there was one.
    pub fn remove_secret(&mut self, principal: PrincipalId, id: SecretId) -> Result<bool, StoreError> {
        let Some(secret) = self.secret(principal, id)? else { return Ok(false) };
        if let Some(hash) = &secret.lookup {
            self.delete(TREE, lookup_key(hash))?;
        }
        self.delete(TREE, key(&[SECRET, &principal.to_bytes(), &id.to_bytes()]))?;
        Ok(true)
    }

    /// Keeps a grant, or replaces the one of the same principal and camera. Keys that are not needed any more are
    /// removed, unless it is an owner's, and the camera is due a new epoch then; those that are needed now are
    /// [`Db::put_wrapped_keys`]'s.
    ///
    /// # Errors
    /// [`StoreError::NoSuch`] if the principal or the camera is not there.
    pub fn put_grant(&mut self, grant: &Grant) -> Result<(), StoreError> {
        let principal = self.principal(grant.principal)?.ok_or(StoreError::NoSuch("principal"))?;
        if self.camera(grant.camera)?.is_none() {
            return Err(StoreError::NoSuch("camera"));
        }
        for purpose in [Purpose::Live, Purpose::Footage] {
            if principal.role != Role::Owner && !grant.rights.need(purpose) {
                self.take_keys(grant.principal, grant.camera, purpose)?;
            }
        }
        self.put(TREE, grant_key(grant.principal, grant.camera), grant)
    }
    /// What a principal may do with a camera. Nobody has looked at `expires`.
    pub fn grant(&self, principal: PrincipalId, camera: CameraId) -> Result<Option<Grant>, StoreError> {
        self.get(TREE, &grant_key(principal, camera))
    }
    /// All grants of a principal.
    pub fn grants_of(&self, principal: PrincipalId) -> Result<Vec<Grant>, StoreError> {
        self.list(TREE, &KeyRange::prefix(&key(&[GRANT, &principal.to_bytes()])), Order::Forward, read)
    }
    /// All grants on a camera.
    pub fn grants_on(&self, camera: CameraId) -> Result<Vec<Grant>, StoreError> {
        let mut grants: Vec<Grant> = self.list(TREE, &KeyRange::prefix(GRANT), Order::Forward, read)?;
        grants.retain(|grant| grant.camera == camera);
        Ok(grants)
    }
    /// Removes a grant with its wrapped keys; answers whether there was one. The camera is due a new epoch then, if it
    /// came with keys.
    pub fn remove_grant(&mut self, principal: PrincipalId, camera: CameraId) -> Result<bool, StoreError> {
        let key = grant_key(principal, camera);
        let there = self.contains(TREE, &key)?;
        if there {
            self.delete(TREE, key)?;
            self.remove_wrapped_keys(principal, camera)?;
        }
        Ok(there)
    }
}

const TREE: Tree = Tree::People;
const PRINCIPAL: &[u8] = b"p";
const NAME: &[u8] = b"n";
const SECRET: &[u8] = b"s";
const LOOKUP: &[u8] = b"l";
const GRANT: &[u8] = b"g";

fn principal_key(id: PrincipalId) -> Vec<u8> {
    key(&[PRINCIPAL, &id.to_bytes()])
}

fn name_key(name: &str) -> Vec<u8> {
    key(&[NAME, name.to_lowercase().as_bytes()])
}

fn lookup_key(hash: &LookupHash) -> Vec<u8> {
    key(&[LOOKUP, hash.as_bytes()])
}

fn grant_key(principal: PrincipalId, camera: CameraId) -> Vec<u8> {
    key(&[GRANT, &principal.to_bytes(), &camera.to_bytes()])
}

fn read<T: serde::de::DeserializeOwned>(_key: &[u8], content: &[u8]) -> Result<T, RowError> {
    serde_json::from_slice(content).map_err(RowError::Content)
}

/// Checks any row of the tree, whichever kind it is.
pub(crate) fn check(key: &[u8], content: &[u8]) -> Result<(), RowError> {
    let (kind, rest) = key.split_at_checked(1).ok_or(RowError::Key)?;
    let exact = |wanted: usize, is: usize| if wanted == is { Ok(()) } else { Err(RowError::Key) };
    match kind {
        PRINCIPAL => exact(ID, rest.len()).and_then(|()| read::<Principal>(key, content).map(drop)),
        SECRET => exact(2 * ID, rest.len()).and_then(|()| read::<Secret>(key, content).map(drop)),
        GRANT => exact(2 * ID, rest.len()).and_then(|()| read::<Grant>(key, content).map(drop)),
        NAME => exact(ID, content.len()),
        LOOKUP => exact(2 * ID, content.len()).and_then(|()| exact(32, rest.len())),
        _ => Err(RowError::Key),
    }
}
