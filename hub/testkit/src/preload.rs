//! Libraries of C that stand between a program and the system.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes a library for LD_PRELOAD of a source file of this crate.
///
/// # Panics
/// If there is no C compiler.
pub(crate) fn library(source: &str, scratch: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let library = scratch.join(source.with_extension("so").file_name().expect("a file's name"));
    let made = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&source)
        .args(["-ldl", "-lpthread"])
        .output()
        .expect("a C compiler, as cc");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    library
}
