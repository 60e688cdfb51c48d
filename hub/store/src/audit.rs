//! The audit log: who did what, append-only, each entry chained to the one before by SHA-256.

use std::fmt;
use std::ops::ControlFlow;

use aws_lc_rs::digest;
use base::{PrincipalId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::{StoreError, hex};
use crate::row::RowError;

/// Something that somebody did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number, from 0 without a hole.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// Who.
    pub who: Actor,
    /// What, as a stable word such as `camera.add`.
    pub action: String,
    /// To what: an id or a name, never a secret.
    pub subject: String,
    /// [`AuditEntry::hash`] of the entry before; zeroes for the first.
    pub prev_hash: AuditHash,
    /// SHA-256 over everything above.
    pub hash: AuditHash,
}

/// Who did something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// The hub by itself.
    Hub,
    /// Somebody at the machine's own console or socket.
    Console,
    /// A principal.
    Principal(PrincipalId),
}

/// A SHA-256. Hexadecimal in JSON.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AuditHash([u8; 32]);

/// How far an audit log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AuditHead {
    /// Number of entries.
    pub entries: u64,
    /// [`AuditEntry::hash`] of the last one; zeroes if there is none.
    pub hash: AuditHash,
}

/// Follows a chain of entries from the first on, one after the other.
#[derive(Debug, Default)]
pub(crate) struct AuditChain {
    head: AuditHead,
    broken: Option<String>,
}

impl AuditChain {
    /// The next entry as it is stored; answers whether it follows. Nothing follows a break.
    pub(crate) fn follow(&mut self, key: &[u8], bytes: &[u8]) -> bool {
        if self.broken.is_some() {
            return false;
        }
        let AuditHead { entries, hash } = self.head;
        let broken = match crate::row::decode::<AuditEntry>(TREE, key, bytes) {
            Err(e) => format!("entry {entries} is damaged: {e}"),
            Ok(entry) if entry.seq != entries || key != entry.seq.to_be_bytes() => {
                format!("entry {entries} is missing")
            }
            Ok(entry) if entry.prev_hash != hash => format!("entry {entries} does not follow the one before it"),
            Ok(entry) if entry.hash != entry.expected_hash() => format!("entry {entries} was changed"),
            Ok(entry) => {
                self.head = AuditHead { entries: entries + 1, hash: entry.hash };
                return true;
            }
        };
        self.broken = Some(broken);
        false
    }

    /// What is wrong with the entry at which it ended.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    pub(crate) fn report(self) -> AuditReport {
        AuditReport { entries: self.head.entries, broken: self.broken }
    }
}

/// What [`Db::verify_audit`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    /// Entries that follow one another without a break, from the first on.
    pub entries: u64,
    /// What is wrong with the next one; `None` if there is none.
    pub broken: Option<String>,
}

impl Db {
    /// Appends an entry, stamped with the time.
    ///
    /// # Errors
    /// [`StoreError::TooLong`] if action and subject are longer than about 3 KiB.
    pub fn append_audit(&mut self, who: Actor, action: &str, subject: &str) -> Result<AuditEntry, StoreError> {
        let AuditHead { entries, hash } = self.audit_head()?;
        let mut entry = AuditEntry {
            seq: entries,
            time: self.now(),
            who,
            action: action.to_owned(),
            subject: subject.to_owned(),
            prev_hash: hash,
            hash: AuditHash::default(),
        };
        entry.hash = entry.expected_hash();
        self.put(TREE, entry.seq.to_be_bytes().to_vec(), &entry)?;
        Ok(entry)
    }
    /// Up to `limit` entries from number `from` on, oldest first.
    pub fn audit(&self, from: u64, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        self.audit_in(&KeyRange { from: from.to_be_bytes().to_vec(), to: None }, Order::Forward, limit)
    }
    /// Up to `limit` entries before number `before`, or the last ones, newest first.
    pub fn audit_page(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let range = KeyRange { from: Vec::new(), to: before.map(|seq| seq.to_be_bytes().to_vec()) };
        self.audit_in(&range, Order::Backward, limit)
    }
    /// Follows the chain from the first entry to the last.
    pub fn verify_audit(&self) -> Result<AuditReport, StoreError> {
        let mut chain = AuditChain::default();
        self.scan_bytes(TREE, &KeyRange::all(), Order::Forward, &mut |key, bytes| {
            Ok(if chain.follow(key, bytes) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(chain.report())
    }
    /// How far the log goes.
    pub fn audit_head(&self) -> Result<AuditHead, StoreError> {
        let last = self.audit_page(None, 1)?.pop();
        Ok(last.map_or_else(AuditHead::default, |last| AuditHead { entries: last.seq + 1, hash: last.hash }))
    }

    fn audit_in(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let mut entries = Vec::new();
        if limit == 0 {
            return Ok(entries);
        }
        self.scan(TREE, range, order, |key, content| {
            entries.push(read(key, content)?);
            Ok(if entries.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(entries)
    }
}

impl AuditEntry {
    /// What [`AuditEntry::hash`] must be: SHA-256 of the tag `keepsight audit 1\n`, then number and time (nanoseconds
    /// since 1970) as 8 and 16 bytes big-endian, then who, action and subject as UTF-8, each after its length as 8 bytes,
    /// then the hash before.
    pub fn expected_hash(&self) -> AuditHash {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(b"keepsight audit 1\n");
        hash.update(&self.seq.to_be_bytes());
        hash.update(&self.time.as_nanosecond().to_be_bytes());
        for text in [&self.who.to_string(), &self.action, &self.subject] {
            hash.update(&(text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(&self.prev_hash.0);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.finish().as_ref());
        AuditHash(bytes)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Hub => f.write_str("hub"),
            Actor::Console => f.write_str("console"),
            Actor::Principal(id) => id.fmt(f),
        }
    }
}

impl fmt::Display for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for AuditHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditHash({self})")
    }
}

impl From<AuditHash> for String {
    fn from(hash: AuditHash) -> String {
        hash.to_string()
    }
}

impl TryFrom<String> for AuditHash {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        crate::error::unhex(&text).map(Self).ok_or("not 64 hexadecimal digits")
    }
}

const TREE: Tree = Tree::Audit;

fn read(key: &[u8], content: &[u8]) -> Result<AuditEntry, RowError> {
    let entry: AuditEntry = serde_json::from_slice(content).map_err(RowError::Content)?;
    if key == entry.seq.to_be_bytes() { Ok(entry) } else { Err(RowError::Key) }
}

/// Checks any row of the tree.
pub(crate) fn check(key: &[u8], content: &[u8]) -> Result<(), RowError> {
    read(key, content).map(drop)
}
