//! What is fuzzed: everything that reads bytes which somebody else may have written, or which a disk gave back wrongly.
//!
//! Each target takes any bytes and must come back: it reads them through the same doors as the hub, and panics only where
//! the hub is wrong. `scripts/fuzz` runs them under libFuzzer (`targets/`); the seeds in `corpus/`, and every input that
//! once was a find, run as ordinary tests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::SystemClock;
use store::engine::{Engine, MemoryEngine};
use store::{Options, Store, StoreError};

mod camera;
mod config;
mod export;
mod first_boot;
mod manifest;
mod notices;
mod range;
mod rows;
mod segment;
mod units;

/// A target: any bytes in, and it comes back.
pub type Target = fn(&[u8]);

/// All of them, by the names of their binaries in `targets/` and of their folders in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("segment", segment::read),
    ("sealed", segment::read_sealed),
    ("rows", rows::read),
    ("config", config::read),
    ("export", export::read),
    ("range", range::read),
    ("manifest", manifest::read),
    ("camera", camera::read),
    ("units", units::read),
    ("notices", notices::read),
    ("first-boot", first_boot::read),
];

pub use segment::{CAMERA, EPOCH};

/// Whose store the seeds are of.
pub fn hub() -> base::HubId {
    base::HubId::from_bytes(*b"the hub of seeds")
}

/// Runs one target, by its name.
pub fn read(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target's name");
    target(bytes);
}

/// Opens the store that an engine in memory holds.
///
/// # Errors
/// What it holds is no store, or a damaged one.
pub fn store(dir: &Path, engine: MemoryEngine) -> Result<Store, StoreError> {
    let options = Options { ballast_bytes: 0, ..Options::default() };
    let opener = move || Ok(Box::new(engine.clone()) as Box<dyn Engine>);
    Store::with_engine(dir, hub(), Arc::new(SystemClock), options, opener)
}

/// Where files cost no disk: a store syncs its own at each opening.
fn memory() -> PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }
}

/// Writes `bytes` to a file, for readers that want a path.
fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::Builder::new().prefix("keepsight-fuzz-").tempfile_in(memory());
    let file = file.expect("room for a temporary file");
    std::fs::write(file.path(), bytes).expect("room for a temporary file");
    file
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("keepsight-fuzz-").tempdir_in(memory()).expect("room for a temporary folder")
}
