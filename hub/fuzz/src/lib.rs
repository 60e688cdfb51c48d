//! What is fuzzed: everything that reads bytes which somebody else may have written, or which a disk gave back wrongly.
//!
//! Each target takes any bytes and must come back: it reads them through the same doors as the hub, and panics only where
//! the hub is wrong. `scripts/fuzz` runs them under libFuzzer (`targets/`); the seeds in `corpus/`, and every input that
//! once was a find, run as ordinary tests.

mod config;
mod export;
mod rows;
mod segment;

/// A target: any bytes in, and it comes back.
pub type Target = fn(&[u8]);

/// All of them, by the names of their binaries in `targets/` and of their folders in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("segment", segment::read),
    ("sealed", segment::read_sealed),
    ("rows", rows::read),
    ("config", config::read),
    ("export", export::read),
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

/// Writes `bytes` where files cost no disk, for readers that want a path.
fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
    let memory = std::path::Path::new("/dev/shm");
    let dir = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let file = tempfile::Builder::new().prefix("keepsight-fuzz-").tempfile_in(dir).expect("room for a temporary file");
    std::fs::write(file.path(), bytes).expect("room for a temporary file");
    file
}
