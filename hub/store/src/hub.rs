//! The hub itself: when it began, who claimed it, and settings.

use base::{HubId, KitId, PrincipalId, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vault::{RecoveryRecipient, VerifyingKey};

use crate::db::Db;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::people::{Principal, Role, Secret};
use crate::row::RowError;
use crate::tally::Commit;

/// What the store knows of the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubRow {
    /// Format number of the store.
    pub format: u32,
    /// Whose store this is.
    pub hub: HubId,
    /// When the store was made.
    pub created: Timestamp,
    /// Who claimed the hub; `None` until somebody does.
    pub claim: Option<Claim>,
}

/// Somebody became the owner of the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who.
    pub owner: PrincipalId,
    /// When.
    pub at: Timestamp,
    /// What opens everything.
    pub recovery: RecoveryKitRow,
    /// With which the hub's signatures are checked; it stands on the recovery kit.
    pub verifying_key: VerifyingKey,
}

/// What the hub keeps of a recovery kit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryKitRow {
    /// Which kit.
    pub kit: KitId,
    /// Every epoch's key file is sealed to it.
    pub recipient: RecoveryRecipient,
    /// When it was made.
    pub created: Timestamp,
}

/// Format number of the stores that this program writes.
pub(crate) const FORMAT: u32 = 1;

impl Db {
    /// What the store knows of the hub.
    pub fn hub_row(&self) -> Result<HubRow, StoreError> {
        self.get(TREE, HUB)?.ok_or(StoreError::NoSuch("hub row"))
    }
    /// Makes somebody the owner: keeps the claim, the principal and its secrets together, once in a hub's life.
    ///
    /// # Errors
    /// [`StoreError::AlreadyClaimed`] if somebody was first; [`StoreError::Refused`] if the parts do not belong together.
    pub fn claim(&mut self, claim: &Claim, owner: &Principal, secrets: &[Secret]) -> Result<(), StoreError> {
        let mut hub = self.hub_row()?;
        if hub.claim.is_some() {
            return Err(StoreError::AlreadyClaimed);
        }
        let one =
            owner.role == Role::Owner && owner.id == claim.owner && secrets.iter().all(|s| s.principal == owner.id);
        if !one || secrets.is_empty() {
            return Err(StoreError::Refused("a claim whose owner and secrets do not belong together"));
        }
        hub.claim = Some(claim.clone());
        self.put(TREE, HUB.to_vec(), &hub)?;
        self.put_principal(owner)?;
        secrets.iter().try_for_each(|secret| self.put_secret(secret))
    }
    /// Replaces the recovery kit.
    ///
    /// # Errors
    /// [`StoreError::NotClaimed`] if there is none to replace.
    pub fn replace_recovery_kit(&mut self, kit: &RecoveryKitRow) -> Result<(), StoreError> {
        let mut hub = self.hub_row()?;
        hub.claim.as_mut().ok_or(StoreError::NotClaimed)?.recovery = kit.clone();
        self.put(TREE, HUB.to_vec(), &hub)
    }

    /// A setting that people change in the app; `None` if nobody has.
    pub fn setting<T: DeserializeOwned>(&self, name: &'static str) -> Result<Option<T>, StoreError> {
        self.get(TREE, &setting_key(name))
    }
    /// Changes a setting.
    pub fn put_setting<T: Serialize>(&mut self, name: &'static str, value: &T) -> Result<(), StoreError> {
        self.put(TREE, setting_key(name), value)
    }

    pub(crate) fn put_new_hub(&mut self, created: Timestamp) -> Result<(), StoreError> {
        let hub = HubRow { format: FORMAT, hub: self.hub(), created, claim: None };
        self.put(TREE, HUB.to_vec(), &hub)
    }
    /// What the last commit said of itself.
    pub(crate) fn find_commit(&self) -> Result<Option<Commit>, StoreError> {
        let Some(bytes) = self.get_raw(TREE, COMMITS)? else { return Ok(None) };
        Commit::parse(&bytes).map(Some).map_err(|e| StoreError::row(TREE, COMMITS, e))
    }
    pub(crate) fn find_hub_row(&self) -> Result<Option<HubRow>, StoreError> {
        self.get(TREE, HUB)
    }
}

const TREE: Tree = Tree::Meta;
const HUB: &[u8] = b"hub";
/// The row of [`Commit`]: changed with every commit, and no part of what the store is about: not exported.
pub(crate) const COMMITS: &[u8] = b"commits";
pub(crate) const SETTING: &[u8] = b"s/";

fn setting_key(name: &str) -> Vec<u8> {
    crate::key::key(&[SETTING, name.as_bytes()])
}

/// Checks any row of the tree.
pub(crate) fn check(key: &[u8], content: &[u8]) -> Result<(), RowError> {
    match key {
        HUB => serde_json::from_slice::<HubRow>(content).map(drop).map_err(RowError::Content),
        COMMITS => Commit::parse(content).map(drop),
        _ if key.starts_with(crate::keep::PROTECTED) || key.starts_with(crate::keep::LIMIT) => {
            crate::keep::check(key, content)
        }
        _ if key.starts_with(SETTING) => {
            serde_json::from_slice::<serde_json::Value>(content).map(drop).map_err(RowError::Content)
        }
        _ => Err(RowError::Key),
    }
}
