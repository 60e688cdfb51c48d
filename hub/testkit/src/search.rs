//! Searches folders for what must not lie there: plaintext of known pictures, and keys.

use std::path::{Path, PathBuf};

/// A needle that was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// Which needle, by its name.
    pub needle: String,
    /// In which file.
    pub file: PathBuf,
}

/// Searches every file below the folders for every needle (name, bytes), in the file's plain bytes.
///
/// # Panics
/// If a file cannot be read: what was not searched must not count as clean. Files that vanish meanwhile do not count.
pub fn search(folders: &[&Path], needles: &[(String, Vec<u8>)]) -> Vec<Found> {
    let mut found = Vec::new();
    for folder in folders {
        for file in files(folder) {
            let content = match std::fs::read(&file) {
                Ok(content) => content,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => panic!("{}: {e}", file.display()),
            };
            for (name, bytes) in needles {
                if contains(&content, bytes) {
                    found.push(Found { needle: name.clone(), file: file.clone() });
                }
            }
        }
    }
    found
}

/// Every regular file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(t) if t.is_dir() => folders.push(entry.path()),
                Ok(t) if t.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn contains(hay: &[u8], needle: &[u8]) -> bool {
    assert!(needle.len() >= 16, "a shorter needle is found by chance");
    let Some(first) = needle.first() else { return false };
    let mut from = 0;
    while let Some(at) = hay[from..].iter().position(|b| b == first) {
        let at = from + at;
        if hay[at..].starts_with(needle) {
            return true;
        }
        from = at + 1;
    }
    false
}
