//! What the keeper asks of the file system, so that a test can put a slow, full or forgetful disk in its place.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::disk::FILE_MODE;

/// The calls that reach the disk. The defaults are the real ones.
pub trait Medium: Send + Sync {
    /// Creates a segment's file, which must not be there yet.
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
    }
    /// Writes some bytes at the file's end.
    fn write(&self, _path: &Path, mut file: &File, bytes: &[u8]) -> io::Result<usize> {
        file.write(bytes)
    }
    /// Makes a file's bytes durable (`fdatasync`).
    fn sync(&self, _path: &Path, file: &File) -> io::Result<()> {
        file.sync_data()
    }
    /// Makes the names in a folder durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct FileSystem;

impl Medium for FileSystem {}
