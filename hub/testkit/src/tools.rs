//! Tools that `scripts/setup` installs outside of the checkout.

use std::path::{Path, PathBuf};

/// A Python tool, such as `sslyze`.
///
/// # Panics
/// If it is not installed.
pub fn python(name: &str) -> PathBuf {
    let tool = folder(name).join("bin").join(name);
    assert!(tool.exists(), "{} is missing: scripts/setup installs it", tool.display());
    tool
}

/// ONNX Runtime's library, which comes as a package of Python's.
///
/// # Panics
/// If it is not installed.
pub fn onnx_runtime() -> PathBuf {
    let list = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let python = list(&folder("onnxruntime").join("lib")).into_iter();
    let mut all = python.flat_map(|python| list(&python.join("site-packages/onnxruntime/capi")));
    all.find(|path| path.to_string_lossy().contains("/libonnxruntime.so")).expect("scripts/setup installs it")
}

fn folder(name: &str) -> PathBuf {
    let tools = std::env::var_os("KEEPSIGHT_TOOLS").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home folder")).join(".cache/keepsight/tools");
    tools.unwrap_or_else(home).join(name)
}
