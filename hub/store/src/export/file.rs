//! The framing of an export: length, checksum, payload; whole or refused.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base::fs::FsError;
use serde::Deserialize;

use super::ExportHeader;
use crate::check::checker;
use crate::engine::Tree;
use crate::error::StoreError;
use crate::row;

/// Format number of the exports that this program writes.
pub(super) const FORMAT: u32 = 1;
const MAGIC: &[u8] = b"keepsight-store-export\n";
const HEADER: u8 = b'h';
const ROW: u8 = b'r';
const END: u8 = b'e';
/// No frame is longer: a row and its key, with room to spare.
const MAX_FRAME_BYTES: usize = 16 << 10;
pub(super) struct ExportRow {
    pub(super) tree: Tree,
    pub(super) key: Vec<u8>,
    pub(super) bytes: Vec<u8>,
}

/// Makes a file that replaces a left-over of a crash; only its owner reads it.
pub(super) fn create(path: &Path) -> Result<File, FsError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(FsError::on("remove", path)(e)),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.map_err(FsError::on("create", path))
}

/// Writes the frames of an export. Many small writes: give it something that buffers.
pub(super) struct ExportWriter<'a, W> {
    out: W,
    /// What failures are told of.
    path: &'a Path,
    rows: u64,
}

impl<'a, W: Write> ExportWriter<'a, W> {
    pub(super) fn begin(out: W, path: &'a Path, header: &ExportHeader) -> Result<Self, FsError> {
        let mut writer = Self { out, path, rows: 0 };
        writer.write(MAGIC)?;
        writer.header(header)?;
        Ok(writer)
    }

    fn header(&mut self, header: &ExportHeader) -> Result<(), FsError> {
        let json = serde_json::to_vec(header).map_err(|e| FsError::on("write", self.path)(e.into()))?;
        self.frame(&[&[HEADER], &json])
    }

    pub(super) fn row(&mut self, row: &ExportRow) -> Result<(), FsError> {
        self.rows += 1;
        let key_bytes = (row.key.len() as u16).to_be_bytes(); // rows were checked: no key is near 64 KiB
        self.frame(&[&[ROW, row.tree.number()], &key_bytes, &row.key, &row.bytes])
    }

    /// Ends it; gives back where it was written to, flushed, and the number of rows.
    pub(super) fn finish(mut self) -> Result<(W, u64), FsError> {
        self.frame(&[&[END], &self.rows.to_be_bytes()])?;
        self.out.flush().map_err(FsError::on("write", self.path))?;
        Ok((self.out, self.rows))
    }

    fn frame(&mut self, parts: &[&[u8]]) -> Result<(), FsError> {
        let payload = parts.concat();
        self.write(&(payload.len() as u32).to_be_bytes())?;
        self.write(&crc32fast::hash(&payload).to_be_bytes())?;
        self.write(&payload)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.out.write_all(bytes).map_err(FsError::on("write", self.path))
    }
}

/// Reads an export frame by frame.
pub(super) struct ExportReader {
    input: BufReader<File>,
    path: PathBuf,
    pub(super) header: ExportHeader,
    pub(super) rows: u64,
    ended: bool,
}

impl ExportReader {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
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
    pub(super) fn next(&mut self) -> Result<Option<ExportRow>, StoreError> {
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
                let good = row::decode_raw(tree, key, bytes).and_then(|content| checker(tree)(key, content));
                good.map_err(|e| bad(format!("row {} is damaged: {e}", self.rows)))?;
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
