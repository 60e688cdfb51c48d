//! Exports: the rows of the store in one file that is whole or absent, and the way back.
//!
//! ```text
//! "keepsight-store-export\n"
//! frames: length (4 bytes, big-endian), CRC-32 of the payload (4 bytes), payload
//!   first  'h' and JSON: format, hub, kind, time
//!   then   'r', tree (1 byte), length of the key (2 bytes), key, row
//!   last   'e' and the number of rows (8 bytes); nothing may follow
//! ```
//!
//! Of history only the rows themselves stand in it, their indexes are made again. It holds names, wrapped keys and
//! settings, and no secret that opens anything.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::fs::{FsError, sync_dir};
use base::{HubId, SharedClock, Timestamp};
use serde::{Deserialize, Serialize};

use crate::db::Db;
use crate::engine::{KeyRange, Order, Tree};
use crate::error::StoreError;
use crate::hub::COMMITS;
use crate::span::{self, Span};
use crate::store::{Options, Store};
use crate::{AuditEntry, Event, Gap, row};

/// What to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    /// People, keys, cameras and settings: what cannot be found again in footage. After every change of them.
    Settings,
    /// Events and gaps that began in a span of time, and what the audit log says of it. Daily.
    History {
        /// From, inclusive.
        from: Timestamp,
        /// To, exclusive.
        to: Timestamp,
    },
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
}

impl ExportHeader {
    /// Reads the head of an export: whose it is, what is in it and from when. The rest is not looked at.
    ///
    /// # Errors
    /// As [`Store::import`]; [`StoreError::File`] if there is no such file.
    pub fn read(path: &Path) -> Result<ExportHeader, StoreError> {
        ExportReader::open(path).map(|export| export.header)
    }

    /// Reads an export to its end. Answers its head and the number of rows.
    ///
    /// # Errors
    /// As [`ExportHeader::read`].
    pub fn read_whole(path: &Path) -> Result<(ExportHeader, u64), StoreError> {
        let mut export = ExportReader::open(path)?;
        while export.next()?.is_some() {}
        Ok((export.header, export.rows))
    }
}

impl Store {
    /// Writes an export, durably: the file at `path` is the old or the new one as a whole. Blocks. Settings are of one
    /// instant; history is read in parts, between which others may write. Answers the number of rows.
    pub fn export(&self, path: &Path, kind: ExportKind) -> Result<u64, StoreError> {
        let temp = with_suffix(path, ".tmp");
        let written = self.write_export(&temp, kind).and_then(|rows| {
            std::fs::rename(&temp, path).map_err(FsError::on("replace", path))?;
            sync_dir(path.parent().unwrap_or(Path::new(".")))?;
            Ok(rows)
        });
        if written.is_err() {
            let _ = std::fs::remove_file(&temp); // it may not be there; what failed first is what is told
        }
        written
    }

    /// Takes an export's rows into this store, which should be a new one of the same hub: see [`Store::rebuild`]. The
    /// file is read as a whole first, and nothing is taken from one that is not whole. Blocks. Answers the number of rows.
    ///
    /// # Errors
    /// [`StoreError::BadExport`] if the file is damaged or another hub's, [`StoreError::Newer`] if it is from a newer
    /// program.
    pub fn import(&self, path: &Path) -> Result<u64, StoreError> {
        let hub = self.read_blocking(|db| Ok(db.hub()))?;
        let mut whole = ExportReader::open(path)?;
        if whole.header.hub != hub {
            return Err(StoreError::export(path, format!("it is of hub {}", whole.header.hub)));
        }
        while whole.next()?.is_some() {}

        let mut rows = ExportReader::open(path)?;
        let mut count = 0;
        loop {
            let mut page = Vec::with_capacity(PAGE_ROWS);
            while page.len() < PAGE_ROWS
                && let Some(row) = rows.next()?
            {
                page.push(row);
            }
            if page.is_empty() {
                return Ok(count);
            }
            count += page.len() as u64;
            self.urgent_blocking(move |db| page.into_iter().try_for_each(|row| db.import(row)))?;
        }
    }

    /// Makes a store in `dir` out of exports, the newest last, in a new folder that is then put there: `dir` must not be
    /// there before, set the damaged one aside first. This is also how a store is made smaller. Blocks.
    pub fn rebuild(dir: &Path, hub: HubId, clock: SharedClock, exports: &[&Path]) -> Result<Store, StoreError> {
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
        store.close_blocking();
        std::fs::rename(&new, dir).map_err(FsError::on("replace", dir))?;
        sync_dir(dir.parent().unwrap_or(Path::new(".")))?;
        Store::open(dir, hub, clock)
    }

    fn write_export(&self, temp: &Path, kind: ExportKind) -> Result<u64, StoreError> {
        let mut out = ExportWriter::create(temp)?;
        let header =
            self.read_blocking(move |db| Ok(ExportHeader { format: FORMAT, hub: db.hub(), kind, made: db.now() }))?;
        out.header(&header)?;
        match kind {
            ExportKind::Settings => {
                for row in self.read_blocking(|db| db.settings_rows())? {
                    out.row(&row)?;
                }
            }
            ExportKind::History { from, to } => {
                self.export_spans::<Event>(&mut out, from, to)?;
                self.export_spans::<Gap>(&mut out, from, to)?;
                self.export_pages(&mut out, Tree::Audit, KeyRange::all(), |row| {
                    let entry: AuditEntry = row::decode(row.tree, &row.key, &row.bytes)
                        .map_err(|e| StoreError::row(row.tree, &row.key, e))?;
                    Ok((from..to).contains(&entry.time))
                })?;
            }
        }
        out.finish()
    }

    fn export_spans<S: Span>(&self, out: &mut ExportWriter, from: Timestamp, to: Timestamp) -> Result<(), StoreError> {
        for line in self.read_blocking(|db| db.lines::<S>())? {
            self.export_pages(out, S::TREE, span::starts(&line, Some(from), Some(to)), |_| Ok(true))?;
        }
        Ok(())
    }

    fn export_pages(
        &self,
        out: &mut ExportWriter,
        tree: Tree,
        mut range: KeyRange,
        wanted: impl Fn(&ExportRow) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        loop {
            let part = range.clone();
            let page = self.read_blocking(move |db| db.rows(tree, &part, PAGE_ROWS))?;
            for row in &page {
                if wanted(row)? {
                    out.row(row)?;
                }
            }
            let last = page.last().filter(|_| page.len() == PAGE_ROWS).map(|row| row.key.clone());
            let Some(mut next) = last else { return Ok(()) };
            next.push(0); // the next key there can be
            range.from = next;
        }
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

    fn import(&mut self, row: ExportRow) -> Result<(), StoreError> {
        let ExportRow { tree, key, bytes } = row;
        match tree {
            Tree::Events => self.import_span::<Event>(&key, &bytes),
            Tree::Gaps => self.import_span::<Gap>(&key, &bytes),
            Tree::Segments => self.import_span::<base::footage::SegmentInfo>(&key, &bytes),
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

/// Format number of the exports that this program writes.
const FORMAT: u32 = 1;
const MAGIC: &[u8] = b"keepsight-store-export\n";
const HEADER: u8 = b'h';
const ROW: u8 = b'r';
const END: u8 = b'e';
/// No frame is longer: a row and its key, with room to spare.
const MAX_FRAME_BYTES: usize = 16 << 10;
/// So many rows are read or written by one call.
const PAGE_ROWS: usize = 1_000;

struct ExportRow {
    tree: Tree,
    key: Vec<u8>,
    bytes: Vec<u8>,
}

struct ExportWriter {
    out: BufWriter<File>,
    path: PathBuf,
    rows: u64,
}

impl ExportWriter {
    fn create(path: &Path) -> Result<Self, FsError> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(FsError::on("remove", path)(e)),
            _ => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut writer =
            Self { out: BufWriter::new(file.map_err(FsError::on("create", path))?), path: path.to_owned(), rows: 0 };
        writer.write(MAGIC)?;
        Ok(writer)
    }

    fn header(&mut self, header: &ExportHeader) -> Result<(), FsError> {
        let json = serde_json::to_vec(header).map_err(|e| FsError::on("write", &self.path)(e.into()))?;
        self.frame(&[&[HEADER], &json])
    }

    fn row(&mut self, row: &ExportRow) -> Result<(), FsError> {
        self.rows += 1;
        let key_bytes = (row.key.len() as u16).to_be_bytes(); // rows were checked: no key is near 64 KiB
        self.frame(&[&[ROW, row.tree.number()], &key_bytes, &row.key, &row.bytes])
    }

    fn finish(mut self) -> Result<u64, StoreError> {
        self.frame(&[&[END], &self.rows.to_be_bytes()])?;
        let file = self.out.into_inner().map_err(|e| FsError::on("write", &self.path)(e.into_error()))?;
        file.sync_all().map_err(FsError::on("sync", &self.path))?;
        Ok(self.rows)
    }

    fn frame(&mut self, parts: &[&[u8]]) -> Result<(), FsError> {
        let payload = parts.concat();
        self.write(&(payload.len() as u32).to_be_bytes())?;
        self.write(&crc32fast::hash(&payload).to_be_bytes())?;
        self.write(&payload)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.out.write_all(bytes).map_err(FsError::on("write", &self.path))
    }
}

struct ExportReader {
    input: BufReader<File>,
    path: PathBuf,
    header: ExportHeader,
    rows: u64,
    ended: bool,
}

impl ExportReader {
    fn open(path: &Path) -> Result<Self, StoreError> {
        let mut input = BufReader::new(File::open(path).map_err(FsError::on("open", path))?);
        let mut magic = [0; MAGIC.len()];
        read_exact(&mut input, &mut magic, path)?;
        if magic != MAGIC {
            return Err(StoreError::export(path, "it is another kind of file"));
        }
        let frame = read_frame(&mut input, path)?;
        let [HEADER, json @ ..] = frame.as_slice() else { return Err(StoreError::export(path, "it has no header")) };
        /// Only what every format has.
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let unreadable = |_| StoreError::export(path, "its header cannot be read");
        if serde_json::from_slice::<Format>(json).map_err(unreadable)?.format > FORMAT {
            return Err(StoreError::Newer { what: path.display().to_string() });
        }
        let header = serde_json::from_slice(json).map_err(unreadable)?;
        Ok(Self { input, path: path.to_owned(), header, rows: 0, ended: false })
    }

    /// The next row; `None` when all were there.
    fn next(&mut self) -> Result<Option<ExportRow>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let frame = read_frame(&mut self.input, &self.path)?;
        let bad = |what: String| StoreError::export(&self.path, what);
        match frame.as_slice() {
            [ROW, tree, k0, k1, rest @ ..] => {
                let tree = Tree::from_number(*tree).ok_or_else(|| bad(format!("row {} is of no tree", self.rows)))?;
                let key_bytes = usize::from(u16::from_be_bytes([*k0, *k1]));
                let split = rest.split_at_checked(key_bytes);
                let (key, bytes) = split.ok_or_else(|| bad(format!("row {} is cut short", self.rows)))?;
                row::decode_raw(tree, key, bytes).map_err(|e| bad(format!("row {} is damaged: {e}", self.rows)))?;
                self.rows += 1;
                Ok(Some(ExportRow { tree, key: key.to_vec(), bytes: bytes.to_vec() }))
            }
            [END, count @ ..] if *count == self.rows.to_be_bytes() => {
                match self.input.read(&mut [0]).map_err(FsError::on("read", &self.path))? {
                    0 => {
                        self.ended = true;
                        Ok(None)
                    }
                    _ => Err(bad("something follows its end".to_owned())),
                }
            }
            [END, ..] => Err(bad(format!("rows are missing, {} were found", self.rows))),
            _ => Err(bad(format!("after {} rows comes something unknown", self.rows))),
        }
    }
}

fn read_frame(input: &mut impl Read, path: &Path) -> Result<Vec<u8>, StoreError> {
    let (mut length, mut crc) = ([0; 4], [0; 4]);
    read_exact(input, &mut length, path)?;
    read_exact(input, &mut crc, path)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME_BYTES {
        return Err(StoreError::export(path, "a part of it is too long"));
    }
    let mut payload = vec![0; length];
    read_exact(input, &mut payload, path)?;
    if crc32fast::hash(&payload).to_be_bytes() != crc {
        return Err(StoreError::export(path, "a checksum in it is wrong"));
    }
    Ok(payload)
}

fn read_exact(input: &mut impl Read, bytes: &mut [u8], path: &Path) -> Result<(), StoreError> {
    input.read_exact(bytes).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => StoreError::export(path, "it ends too early"),
        _ => FsError::on("read", path)(e).into(),
    })
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}
