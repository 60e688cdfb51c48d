//! Exports: the rows of the store in one file that is whole or absent, and the way back.
//!
//! ```text
//! "keepsight-store-export\n"
//! frames: length (4 bytes, big-endian), CRC-32 of the payload (4 bytes), payload
//!   first  'h' and JSON: format, hub, kind, time, how far the audit log went
//!   then   'r', tree (1 byte), length of the key (2 bytes), key, row
//!   last   'e' and the number of rows (8 bytes); nothing may follow
//! ```
//!
//! Of history only the rows themselves stand in it, their indexes are made again. It holds names, wrapped keys and
//! settings, and no secret that opens anything. `docs/format/export.md` says it all.

mod file;

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use base::fs::{FsError, sync_dir};
use base::{HubId, SharedClock, Timestamp};
use serde::{Deserialize, Serialize};

use self::file::{ExportReader, ExportRow, ExportWriter, FORMAT, create};
use crate::audit::{AuditChain, AuditHead};
use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::hub::COMMITS;
use crate::span::{self, Span};
use crate::store::{Options, Store};
use crate::{Camera, Event, Gap, cameras, keep, row};

/// What to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    /// People, keys, cameras and settings: what cannot be found again in footage. After every change of them.
    Settings,
    /// Events and gaps that began in a span of time; cameras and protected spans as they are now. Daily.
    History {
        /// From, inclusive.
        from: Timestamp,
        /// To, exclusive.
        to: Timestamp,
    },
    /// The audit log, whole: its chain is followed from the first entry on.
    Audit,
}

/// What stands at the head of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportHeader {
    /// Format number of the file.
    pub format: u32,
    /// Whose store it was.
    pub hub: HubId,
    /// What is in it.
    pub kind: ExportKind,
    /// When it was made.
    pub made: Timestamp,
    /// How far the audit log went then, whatever is in this export: tells later what of it is missing.
    #[serde(default)]
    pub audit: AuditHead,
}

impl ExportHeader {
    /// Reads the head of an export: whose it is, what is in it and from when. The rest is not looked at.
    ///
    /// # Errors
    /// As [`Store::import`]; [`StoreError::File`] if there is no such file.
    pub fn read(path: &Path) -> Result<ExportHeader, StoreError> {
        ExportReader::open(path).map(|export| export.header)
    }

    /// Reads an export to its end; the chain of an audit log is followed. Answers its head and the number of rows.
    ///
    /// # Errors
    /// As [`ExportHeader::read`].
    pub fn read_whole(path: &Path) -> Result<(ExportHeader, u64), StoreError> {
        let mut export = ExportReader::open(path)?;
        let mut chain = AuditChain::default();
        while let Some(row) = export.next()? {
            if row.tree == Tree::Audit {
                chain.follow(&row.key, &row.bytes);
            }
        }
        match chain.broken() {
            Some(what) => Err(StoreError::export(path, format!("the audit log in it has a break: {what}"))),
            None => Ok((export.header, export.rows)),
        }
    }

    /// The cameras as they were when an export was made.
    ///
    /// # Errors
    /// As [`ExportHeader::read_whole`].
    pub fn cameras(path: &Path) -> Result<Vec<Camera>, StoreError> {
        let mut export = ExportReader::open(path)?;
        let mut found = Vec::new();
        while let Some(row) = export.next()? {
            if row.tree == Tree::Cameras && row.key.starts_with(cameras::CAMERA) {
                let camera = row::decode(row.tree, &row.key, &row.bytes);
                found.push(camera.map_err(|e| StoreError::row(row.tree, &row.key, e))?);
            }
        }
        Ok(found)
    }
}

impl Store {
    /// Writes an export, durably: the file at `path` is the old or the new one as a whole. Blocks. Settings are of one
    /// instant; the rest is read in parts, between which others may write. Answers the number of rows.
    pub fn export(&self, path: &Path, kind: ExportKind) -> Result<u64, StoreError> {
        let temp = with_suffix(path, ".tmp");
        let written = create(&temp).map_err(StoreError::from).and_then(|file| {
            let (buffer, rows) = self.write_export(BufWriter::new(file), &temp, kind)?;
            let file = buffer.into_inner().map_err(|e| FsError::on("write", &temp)(e.into_error()))?;
            file.sync_all().map_err(FsError::on("sync", &temp))?;
            std::fs::rename(&temp, path).map_err(FsError::on("replace", path))?;
            sync_dir(path.parent().unwrap_or(Path::new(".")))?;
            Ok(rows)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&temp); // it may not be there; what failed first is what is told
        }
        written
    }

    /// Writes an export to somebody who takes it, such as a socket. Blocks. Answers the number of rows.
    pub fn export_to(&self, out: impl Write, kind: ExportKind) -> Result<u64, StoreError> {
        Ok(self.write_export(BufWriter::new(out), Path::new("an export"), kind)?.1)
    }

    /// Takes an export's rows into this store, which should be a new one of the same hub: see [`Store::rebuild`]. The
    /// file is read as a whole first, and nothing is taken from one that is not whole. Blocks. Answers the number of rows.
    ///
    /// # Errors
    /// [`StoreError::BadExport`] if the file is damaged or another hub's, its audit log has a break or is another one
    /// than the store's, [`StoreError::Newer`] if it is from a newer program.
    pub fn import(&self, path: &Path) -> Result<u64, StoreError> {
        let hub = self.read_blocking(|db| Ok(db.hub()))?;
        self.take(path, &[hub], true)
    }

    /// Takes the events and gaps of an export of history, of any of these hubs; with `newest` its protected spans too.
    /// Nothing else that may stand in it: it lies on a disk that anybody may have had in their hands. As
    /// [`Store::import`] otherwise.
    pub fn import_history(&self, path: &Path, hubs: &[HubId], newest: bool) -> Result<u64, StoreError> {
        match ExportHeader::read(path)?.kind {
            ExportKind::History { .. } => self.take(path, hubs, newest),
            kind => Err(StoreError::export(path, format!("history was wanted, and it holds {kind:?}"))),
        }
    }

    /// Makes a store in `dir` out of exports, the newest last, in a new folder that is then put there: `dir` must not be
    /// there before, set the damaged one aside first. This is also how a store is made smaller. `then` runs before the
    /// store is put there. Blocks.
    pub fn rebuild(
        dir: &Path,
        hub: HubId,
        clock: SharedClock,
        exports: &[&Path],
        then: impl FnOnce(&Store) -> Result<(), StoreError>,
    ) -> Result<Store, StoreError> {
        if dir.exists() {
            return Err(StoreError::Exists("folder"));
        }
        let new = with_suffix(dir, ".new");
        match std::fs::remove_dir_all(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(FsError::on("remove", &new)(e).into()),
            _ => {}
        }
        let options = Options { ballast_bytes: 0, ..Options::default() };
        let store = Store::open_with(&new, hub, clock.clone(), options)?;
        exports.iter().try_for_each(|path| store.import(path).map(drop))?;
        then(&store)?;
        store.close_blocking();
        std::fs::rename(&new, dir).map_err(FsError::on("replace", dir))?;
        sync_dir(dir.parent().unwrap_or(Path::new(".")))?;
        Store::open(dir, hub, clock)
    }

    fn take(&self, path: &Path, hubs: &[HubId], newest: bool) -> Result<u64, StoreError> {
        let (header, _) = ExportHeader::read_whole(path)?;
        if !hubs.contains(&header.hub) {
            return Err(StoreError::export(path, format!("it is of hub {}", header.hub)));
        }
        let mut rows = ExportReader::open(path)?;
        let mut count = 0;
        loop {
            let mut page = Vec::with_capacity(PAGE_ROWS);
            while page.len() < PAGE_ROWS {
                let Some(row) = rows.next()? else { break };
                if is_wanted(header.kind, newest, &row) {
                    page.push(row);
                }
            }
            if page.is_empty() {
                return Ok(count);
            }
            count += page.len() as u64;
            let other_log = StoreError::export(path, "its audit log is another one than the store's");
            self.urgent_blocking(move |db| page.into_iter().try_for_each(|row| db.import(row, &other_log)))?;
        }
    }

    fn write_export<W: Write>(&self, out: W, path: &Path, kind: ExportKind) -> Result<(W, u64), StoreError> {
        let header = self.read_blocking(move |db| {
            Ok(ExportHeader { format: FORMAT, hub: db.hub(), kind, made: db.now(), audit: db.audit_head()? })
        })?;
        let mut out = ExportWriter::begin(out, path, &header)?;
        match kind {
            ExportKind::Settings => {
                for row in self.read_blocking(|db| db.settings_rows())? {
                    out.row(&row)?;
                }
            }
            ExportKind::History { from, to } => {
                for row in self.read_blocking(|db| {
                    let mut rows = db.rows(Tree::Cameras, &KeyRange::prefix(cameras::CAMERA), usize::MAX)?;
                    rows.extend(db.rows(Tree::Meta, &KeyRange::prefix(keep::PROTECTED), usize::MAX)?);
                    Ok(rows)
                })? {
                    out.row(&row)?;
                }
                self.export_spans::<Event>(&mut out, from, to)?;
                self.export_spans::<Gap>(&mut out, from, to)?;
            }
            ExportKind::Audit => self.export_pages(&mut out, Tree::Audit, KeyRange::all())?,
        }
        Ok(out.finish()?)
    }

    fn export_spans<S: Span>(
        &self,
        out: &mut ExportWriter<'_, impl Write>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<(), StoreError> {
        for line in self.read_blocking(|db| db.lines::<S>())? {
            self.export_pages(out, S::TREE, span::starts(&line, Some(from), Some(to)))?;
        }
        Ok(())
    }

    fn export_pages(
        &self,
        out: &mut ExportWriter<'_, impl Write>,
        tree: Tree,
        mut range: KeyRange,
    ) -> Result<(), StoreError> {
        loop {
            let part = range.clone();
            let page = self.read_blocking(move |db| db.rows(tree, &part, PAGE_ROWS))?;
            for row in &page {
                out.row(row)?;
            }
            let last = page.last().filter(|_| page.len() == PAGE_ROWS).map(|row| row.key.clone());
            let Some(mut next) = last else { return Ok(()) };
            next.push(0); // the next key there can be
            range.from = next;
        }
    }
}

/// Whether a row belongs into an export of its kind. What else stands in one is not taken.
fn is_wanted(kind: ExportKind, newest: bool, row: &ExportRow) -> bool {
    match (kind, row.tree) {
        (ExportKind::Settings, Tree::Meta | Tree::People | Tree::Keys | Tree::Cameras) => true,
        (ExportKind::History { .. }, Tree::Events | Tree::Gaps) => true,
        (ExportKind::History { .. }, Tree::Meta) => newest && row.key.starts_with(keep::PROTECTED),
        (ExportKind::Audit, Tree::Audit) => true,
        _ => false,
    }
}

impl Db {
    fn settings_rows(&self) -> Result<Vec<ExportRow>, StoreError> {
        let mut rows = Vec::new();
        for tree in [Tree::Meta, Tree::People, Tree::Keys, Tree::Cameras] {
            rows.extend(self.rows(tree, &KeyRange::all(), usize::MAX)?);
        }
        rows.retain(|row| (row.tree, &row.key[..]) != (Tree::Meta, COMMITS));
        Ok(rows)
    }

    fn rows(&self, tree: Tree, range: &KeyRange, limit: usize) -> Result<Vec<ExportRow>, StoreError> {
        let mut rows = Vec::new();
        self.scan_bytes(tree, range, Order::Forward, &mut |key, bytes| {
            row::decode_raw(tree, key, bytes).map_err(|e| StoreError::row(tree, key, e))?;
            rows.push(ExportRow { tree, key: key.to_vec(), bytes: bytes.to_vec() });
            Ok(if rows.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(rows)
    }

    fn import(&mut self, row: ExportRow, other_log: &StoreError) -> Result<(), StoreError> {
        let ExportRow { tree, key, bytes } = row;
        match tree {
            Tree::Events => self.import_span::<Event>(&key, &bytes),
            Tree::Gaps => self.import_span::<Gap>(&key, &bytes),
            // Entries are appended, never replaced.
            Tree::Audit => match self.rows(tree, &KeyRange::prefix(&key), 1)?.pop() {
                Some(there) if there.bytes == bytes => Ok(()),
                Some(_) => Err(other_log.clone()),
                None => self.put_encoded(tree, key, bytes),
            },
            _ => self.put_encoded(tree, key, bytes),
        }
    }

    fn import_span<S: Span>(&mut self, key: &[u8], bytes: &[u8]) -> Result<(), StoreError> {
        let span: S = row::decode_raw(S::TREE, key, bytes)
            .and_then(|content| span::read(key, content))
            .map_err(|e| StoreError::row(S::TREE, key, e))?;
        self.put_span(&span)
    }
}

/// So many rows are read or written by one call.
const PAGE_ROWS: usize = 1_000;

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}
