//! What may not be thrown away to make room, and how long the rest is kept.

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
}

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
