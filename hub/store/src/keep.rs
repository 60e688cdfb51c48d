//! What may not be thrown away to make room, and how long the rest is kept.

use std::time::Duration;

use base::{CameraId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::key;
use crate::row::RowError;

/// A span of a camera's time whose footage goes last when room is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedSpan {
    /// Which camera.
    pub camera: CameraId,
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub to: Timestamp,
    /// A rule protects it, and no person: there are [`MOST_BY_RULES`] of these at most.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_rule: bool,
}

/// So many spans are protected by rules at most, of all cameras together: the oldest is not any more when one is added.
pub const MOST_BY_RULES: usize = 1_000;
/// A span that rules protect is no longer than this: what moves all day would be all of the footage.
pub const LONGEST_BY_RULE: Duration = Duration::from_secs(3_600);

/// How much footage is kept. What is `None` sets no limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeepLimit {
    /// At most so many bytes.
    pub bytes: Option<u64>,
    /// At most so old, in seconds.
    pub age_s: Option<u64>,
}

const TREE: Tree = Tree::Meta;
pub(crate) const PROTECTED: &[u8] = b"p/";
pub(crate) const LIMIT: &[u8] = b"k/";

impl Db {
    /// Protects a span; the same twice is one.
    pub fn protect(&mut self, span: &ProtectedSpan) -> Result<(), StoreError> {
        self.put(TREE, place(span), span)
    }
    /// Protects a span for a rule. With those of the camera's that rules protect and that it touches it becomes one, as long as
    /// that is not too long; else it begins where the other ends. Asked again for a span that is in them already, nothing changes.
    pub fn protect_by_rule(&mut self, camera: CameraId, from: Timestamp, to: Timestamp) -> Result<(), StoreError> {
        let mut by_rules = self.protected_spans()?;
        by_rules.retain(|span| span.by_rule);
        let mut span = ProtectedSpan { camera, from, to: to.min(latest(from)), by_rule: true };
        let mut joined = Vec::new();
        for other in by_rules.iter().filter(|o| o.camera == camera) {
            if other.to < span.from || other.from > span.to {
                continue;
            }
            let (first, last) = (span.from.min(other.from), span.to.max(other.to));
            if last <= latest(first) {
                (span.from, span.to) = (first, last);
                joined.push(*other);
            } else if other.from <= span.from {
                span.from = other.to;
            } else {
                span.to = other.from;
            }
        }
        if span.from >= span.to || joined == [span] {
            return Ok(());
        }
        joined.iter().try_for_each(|other| self.unprotect(other))?;
        // What a person protects stays that person's.
        if !self.contains(TREE, &place(&span))? {
            self.protect(&span)?;
        }
        by_rules.retain(|other| !joined.contains(other));
        by_rules.sort_unstable_by_key(|other| other.from);
        let too_many = (by_rules.len() + 1).saturating_sub(MOST_BY_RULES);
        by_rules[..too_many].iter().try_for_each(|oldest| self.unprotect(oldest))
    }
    /// Protects a span no more.
    pub fn unprotect(&mut self, span: &ProtectedSpan) -> Result<(), StoreError> {
        self.delete(TREE, place(span))
    }
    /// Every protected span, by camera and start.
    pub fn protected_spans(&self) -> Result<Vec<ProtectedSpan>, StoreError> {
        self.list(TREE, &KeyRange::prefix(PROTECTED), Order::Forward, |_, content| read_span(content))
    }

    /// Limits a camera's footage, or with `None` all that Keepsight has on the footage disk. A limit without limits takes it away.
    pub fn put_keep_limit(&mut self, camera: Option<CameraId>, limit: &KeepLimit) -> Result<(), StoreError> {
        match *limit == KeepLimit::default() {
            true => self.delete(TREE, limit_key(camera)),
            false => self.put(TREE, limit_key(camera), limit),
        }
    }
    /// Every limit that somebody set; of all cameras together without a camera.
    pub fn keep_limits(&self) -> Result<Vec<(Option<CameraId>, KeepLimit)>, StoreError> {
        self.list(TREE, &KeyRange::prefix(LIMIT), Order::Forward, read_limit)
    }
}

/// The last instant to which a span that begins at `from` may go.
fn latest(from: Timestamp) -> Timestamp {
    from.saturating_add(LONGEST_BY_RULE).unwrap_or(Timestamp::MAX)
}

fn place(span: &ProtectedSpan) -> Vec<u8> {
    key::key(&[PROTECTED, &span.camera.to_bytes(), &key::time(span.from), &key::time(span.to)])
}

fn limit_key(camera: Option<CameraId>) -> Vec<u8> {
    match camera {
        Some(camera) => key::key(&[LIMIT, &camera.to_bytes()]),
        None => LIMIT.to_vec(),
    }
}

fn read_span(content: &[u8]) -> Result<ProtectedSpan, RowError> {
    serde_json::from_slice(content).map_err(RowError::Content)
}

fn read_limit(key: &[u8], content: &[u8]) -> Result<(Option<CameraId>, KeepLimit), RowError> {
    let camera = match key.strip_prefix(LIMIT).ok_or(RowError::Key)? {
        [] => None,
        id => Some(CameraId::from_bytes(id.try_into().map_err(|_| RowError::Key)?)),
    };
    Ok((camera, serde_json::from_slice(content).map_err(RowError::Content)?))
}

/// Checks a row of this module.
pub(crate) fn check(key: &[u8], content: &[u8]) -> Result<(), RowError> {
    if key.starts_with(LIMIT) {
        return read_limit(key, content).map(drop);
    }
    match read_span(content)? {
        span if place(&span) == key => Ok(()),
        _ => Err(RowError::Key),
    }
}
