//! Tools that `scripts/setup` installs outside of the checkout.

use std::path::PathBuf;

/// A Python tool, such as `sslyze`.
///
/// # Panics
/// If it is not installed.
pub fn python(name: &str) -> PathBuf {
    let tools = std::env::var_os("KEEPSIGHT_TOOLS").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home folder")).join(".cache/keepsight/tools");
    let tool = tools.unwrap_or_else(home).join(name).join("bin").join(name);
    assert!(tool.exists(), "{} is missing: scripts/setup installs it", tool.display());
    tool
}
