//! Copies a footage tree while the hub records into it, and what is left when the hub stands still.
//!
//! Files of footage are written once and then only removed, but for the ones that are open and the hub's own marks: what has the
//! same length and time as its copy is the same. Links and other things that the hub never makes are not copied.

use std::fs::{self, File, FileTimes, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base::Problem;
use base::fs::{FsError, create_dir, remove};

use crate::rescue::file_problem;

/// Says which disk it is: on the copy only when that is whole.
const MARK: &str = ".keepsight-disk";
/// ext4's own.
const LOST_AND_FOUND: &str = "lost+found";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// The hub records: what comes and goes meanwhile is for the last pass.
    Meanwhile,
    /// The hub stands still: afterwards both are the same.
    Last,
}

/// Bytes of all files below.
pub(super) fn bytes(root: &Path) -> Result<u64, Problem> {
    let files = list(root).map_err(|e| file_problem(&e))?;
    Ok(files.iter().filter(|(_, meta)| meta.is_file()).map(|(_, meta)| meta.len()).sum())
}

/// Makes `to` what `from` is; `percent` is told now and then. Nothing is durable before the file system of `to` is synced.
pub(super) fn copy(from: &Path, to: &Path, pass: Pass, percent: &mut dyn FnMut(u8)) -> Result<(), Problem> {
    let mut does = || -> Result<(), FsError> {
        let there = list(from)?;
        let all: u64 = there.iter().map(|(_, meta)| meta.len()).sum();
        let mut done = 0;
        // The mark comes last of all.
        let (mark, others): (Vec<_>, Vec<_>) = there.iter().partition(|(path, _)| path == Path::new(MARK));
        let mark = mark.into_iter().filter(|_| pass == Pass::Last);
        for (path, meta) in others.into_iter().chain(mark) {
            let (source, target) = (from.join(path), to.join(path));
            if meta.is_dir() {
                create_dir(&target, meta.mode() & 0o777)?;
            } else if !is_copied(&target, meta) {
                match copy_file(&source, &target, meta) {
                    Err(e) if e.is_not_found() && pass == Pass::Meanwhile => {} // room was made
                    other => other?,
                }
            }
            done += meta.len();
            percent((done * 100).checked_div(all).unwrap_or(100).min(100) as u8);
        }
        percent(100);
        if pass == Pass::Last {
            for (path, _) in list(to)?.iter().rev() {
                if !from.join(path).exists() {
                    remove(&to.join(path))?;
                }
            }
        }
        Ok(())
    };
    does().map_err(|e| file_problem(&e))
}

fn is_copied(target: &Path, meta: &Metadata) -> bool {
    fs::symlink_metadata(target).is_ok_and(|has| {
        has.is_file() && (has.len(), has.mtime(), has.mtime_nsec()) == (meta.len(), meta.mtime(), meta.mtime_nsec())
    })
}

/// With the time that it had before it was read: what is written to it meanwhile makes it another.
fn copy_file(source: &Path, target: &Path, meta: &Metadata) -> Result<(), FsError> {
    let mut reads = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW)
        .open(source)
        .map_err(FsError::on("read", source))?;
    remove_if_there(target)?;
    let mut copies = || -> io::Result<()> {
        let mut writes = File::options().write(true).create_new(true).mode(meta.mode() & 0o777).open(target)?;
        io::copy(&mut reads, &mut writes)?;
        writes.set_times(FileTimes::new().set_modified(meta.modified()?))
    };
    copies().map_err(FsError::on("write", target))
}

fn remove_if_there(target: &Path) -> Result<(), FsError> {
    match fs::remove_file(target) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(FsError::on("remove", target)(e)),
        _ => Ok(()),
    }
}

/// Files and folders below, a folder before what is in it. One that is not there is empty; what goes meanwhile is passed over.
fn list(root: &Path) -> Result<Vec<(PathBuf, Metadata)>, FsError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let place = root.join(&folder);
        let entries = match fs::read_dir(&place) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(FsError::on("list", &place))?,
        };
        for entry in entries {
            let entry = entry.map_err(FsError::on("list", &place))?;
            let path = folder.join(entry.file_name());
            // Of the entry itself, not of what a link leads to.
            let Ok(meta) = entry.metadata() else { continue };
            if path == Path::new(LOST_AND_FOUND) || !(meta.is_dir() || meta.is_file()) {
                continue;
            }
            if meta.is_dir() {
                folders.push(path.clone());
            }
            found.push((path, meta));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Trees(tempfile::TempDir);

    impl Trees {
        fn new() -> Self {
            let trees = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(trees.to().join(LOST_AND_FOUND)).unwrap();
            for (name, text) in [(MARK, "mark"), ("a/2026-01-01/x.age", "footage"), ("a/keys/k.age", "key")] {
                trees.write(name, text);
            }
            trees
        }
        fn from(&self) -> PathBuf {
            self.0.path().join("from")
        }
        fn to(&self) -> PathBuf {
            self.0.path().join("to")
        }
        fn write(&self, name: &str, text: &str) {
            let path = self.from().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fn copy(&self, pass: Pass) -> Vec<u8> {
            let mut percents = Vec::new();
            copy(&self.from(), &self.to(), pass, &mut |percent| percents.push(percent)).unwrap();
            percents
        }
        fn copied(&self) -> BTreeMap<String, String> {
            let files = list(&self.to()).unwrap().into_iter().filter(|(_, meta)| meta.is_file());
            files
                .map(|(path, _)| (path.display().to_string(), fs::read_to_string(self.to().join(path)).unwrap()))
                .collect()
        }
    }

    #[test]
    fn a_copy_becomes_what_the_tree_is_and_has_the_mark_last() {
        let trees = Trees::new();
        assert_eq!(trees.copy(Pass::Meanwhile).last(), Some(&100));
        assert_eq!(trees.copied().into_keys().collect::<Vec<_>>(), ["a/2026-01-01/x.age", "a/keys/k.age"]);
        // Meanwhile: one goes, one grows, one is written anew with the same length, one comes.
        fs::remove_file(trees.from().join("a/keys/k.age")).unwrap();
        trees.write("a/2026-01-01/x.age", "footage and more");
        trees.write("b/2026-01-02/y.age", "other");
        trees.copy(Pass::Meanwhile);
        let modified = fs::metadata(trees.from().join("b/2026-01-02/y.age")).unwrap().modified().unwrap();
        trees.write("b/2026-01-02/y.age", "OTHER");
        let later = modified + std::time::Duration::from_millis(1);
        File::options().write(true).open(trees.from().join("b/2026-01-02/y.age")).unwrap().set_modified(later).unwrap();
        trees.copy(Pass::Last);
        let copied: Vec<_> = trees.copied().into_iter().collect();
        let expected = [(MARK, "mark"), ("a/2026-01-01/x.age", "footage and more"), ("b/2026-01-02/y.age", "OTHER")];
        assert_eq!(copied, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert!(trees.to().join(LOST_AND_FOUND).is_dir());
    }

    #[test]
    fn what_was_copied_is_not_copied_again() {
        let trees = Trees::new();
        trees.copy(Pass::Last);
        let inode = || fs::metadata(trees.to().join("a/2026-01-01/x.age")).unwrap().ino();
        let before = inode();
        trees.copy(Pass::Last);
        assert_eq!(inode(), before);
    }

    #[test]
    fn links_are_not_followed() {
        let trees = Trees::new();
        fs::write(trees.0.path().join("secret"), "not the hub's").unwrap();
        std::os::unix::fs::symlink(trees.0.path().join("secret"), trees.from().join("a/link")).unwrap();
        std::os::unix::fs::symlink(trees.0.path(), trees.from().join("folder")).unwrap();
        trees.copy(Pass::Last);
        assert!(!trees.copied().values().any(|text| text == "not the hub's"));
        assert_eq!(bytes(&trees.from()).unwrap(), 4 + 7 + 3);
    }

    #[test]
    fn nothing_is_copied_from_nothing() {
        let trees = Trees::new();
        assert_eq!(bytes(&trees.0.path().join("none")).unwrap(), 0);
        copy(&trees.0.path().join("none"), &trees.to(), Pass::Last, &mut |_| {}).unwrap();
        assert_eq!(trees.copied(), BTreeMap::new());
    }
}
