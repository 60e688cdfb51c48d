//! Files that are whole or absent: temp, fsync, rename, fsync of the folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A file operation failed, and on what.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}", path = path.display())]
pub struct FsError {
    /// What was tried: "read", "write", "create", …
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}

impl FsError {
    /// For `map_err`.
    pub fn on<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FsError + 'a {
        move |source| FsError { action, path: path.to_owned(), source }
    }
    /// The file is not there (as opposed to unreadable or corrupt).
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Makes what was created, renamed or removed in a folder durable.
pub fn sync_dir(dir: &Path) -> Result<(), FsError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(FsError::on("sync the folder", dir))
}

/// Creates a folder and its parents, each durably, with the given mode for the new ones.
pub fn create_dir(dir: &Path, mode: u32) -> Result<(), FsError> {
    use std::os::unix::fs::DirBuilderExt;
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_dir(parent, mode)?;
    }
    match std::fs::DirBuilder::new().mode(mode).create(dir) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(FsError::on("create the folder", dir)(e)),
        _ => {}
    }
    match dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Replaces a file's content as a whole, durably. After a power cut the old or the new content is there, never a mix.
pub fn write_atomic(path: &Path, content: &[u8], mode: u32) -> Result<(), FsError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temp = path.with_file_name(name);
    let write = || {
        // A left-over of a crash may have another mode: begin anew.
        match std::fs::remove_file(&temp) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temp)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(FsError::on("write", &temp))?;
    std::fs::rename(&temp, path).map_err(FsError::on("replace", path))?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Creates a file that was not there, durably; never overwrites. `Ok(false)` if it is there already. After a power
/// cut the file is whole or absent.
pub fn create_new(path: &Path, content: &[u8], mode: u32) -> Result<bool, FsError> {
    if path.exists() {
        return Ok(false);
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temp = path.with_file_name(name);
    write_atomic(&temp, content, mode)?;
    // hard_link fails where the name exists, rename would replace it.
    let linked = match std::fs::hard_link(&temp, path) {
        Ok(()) => true,
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => false,
        Err(e) => return Err(FsError::on("create", path)(e)),
    };
    std::fs::remove_file(&temp).map_err(FsError::on("remove", &temp))?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(linked)
}

/// Reads a whole file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FsError> {
    use std::io::Read;
    let read = || {
        let file = File::open(path)?;
        let mut content = Vec::new();
        file.take(limit + 1).read_to_end(&mut content)?;
        if content.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("longer than {limit} bytes")));
        }
        Ok(content)
    };
    read().map_err(FsError::on("read", path))
}

/// Overwrites and removes a file, or everything below a folder and it. A link is removed, not followed; what is not there is
/// gone already.
pub fn shred(path: &Path) -> Result<(), FsError> {
    let kind = match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(FsError::on("look at", path))?,
    };
    if kind.is_dir() {
        for entry in std::fs::read_dir(path).map_err(FsError::on("list", path))? {
            shred(&entry.map_err(FsError::on("list", path))?.path())?;
        }
        return remove(path);
    }
    if kind.is_file() {
        overwrite(path, kind.len()).map_err(FsError::on("overwrite", path))?;
    }
    remove(path)
}

fn overwrite(path: &Path, mut left: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let mut noise = [0; 64 * 1024];
    while left > 0 {
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(noise.len());
        crate::random(&mut noise[..n]);
        file.write_all(&noise[..n])?;
        left -= n as u64;
    }
    file.sync_data()
}

/// Removes a file or a folder with all that is in it, durably. What is not there is gone already.
pub fn remove(path: &Path) -> Result<(), FsError> {
    let gone = match std::fs::symlink_metadata(path) {
        Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(e) => Err(e),
    };
    match gone {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(FsError::on("remove", path))?,
    }
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_atomic_write_replaces_the_whole_file_with_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        std::fs::write(dir.path().join("secret.tmp"), "left by a crash").unwrap();
        write_atomic(&path, b"first, and longer", 0o600).unwrap();
        write_atomic(&path, b"second", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"second");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_created_file_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(create_new(&path, b"first", 0o600).unwrap());
        assert!(!create_new(&path, b"second", 0o600).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn reading_stops_at_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [0; 10]).unwrap();
        assert_eq!(read(&path, 10).unwrap().len(), 10);
        assert!(read(&path, 9).is_err());
        assert!(read(&dir.path().join("none"), 9).unwrap_err().is_not_found());
    }
}
