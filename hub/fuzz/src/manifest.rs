//! Manifests of updates: what a source on the internet, or a stick that somebody found, says.

use system::update::Manifest;

/// Reads `bytes` as a manifest. One that is taken names a file beside it.
pub fn read(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert!(manifest.bundle.ends_with(".raucb") && !manifest.bundle.contains('/'), "{manifest:?}");
        assert!(!manifest.bundle.starts_with('.') && manifest.size > 0, "{manifest:?}");
    }
}
