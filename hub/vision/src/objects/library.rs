//! Libraries that a board names, opened as a child runs.

use std::path::Path;

use libloading::Library;

use super::onnx::shortened;

/// Opens a library. It is to be forgotten, not dropped: what it began lasts as long as this process.
///
/// # Errors
/// It is not there, or is none: why, for a person.
pub(super) fn open(path: &Path) -> Result<Library, String> {
    // A name alone would be looked for wherever the system has libraries.
    if !path.is_absolute() {
        return Err("Its library has no absolute path".into());
    }
    // SAFETY: what the board names is believed to be what the board says; this process has nothing yet that it could harm, or is locked in.
    unsafe { Library::new(path) }.map_err(closed)
}

/// Why it, or a function of it, cannot be had.
pub(super) fn closed(e: libloading::Error) -> String {
    format!("Its library cannot be opened: {}", shortened(&e.to_string()))
}
