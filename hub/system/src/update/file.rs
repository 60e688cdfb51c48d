//! `<data>/update.json`: what of an update outlives the restart in its middle.

use std::path::Path;

use base::fs::FsError;
use base::{CameraId, Problem, ProblemKind, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::SlotName;

/// Format number of the files that this program writes.
const FORMAT: u32 = 1;
/// A thousand cameras fit.
const MAX_BYTES: u64 = 256 * 1024;
/// Versions that are remembered to have failed: nobody publishes more of them before the first is superseded.
const MOST_FAILED: usize = 32;

/// The update that is being tried, and those that were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateFile {
    /// The update that is under way: written before its first byte is installed.
    pub tried: Option<Tried>,
    /// The update before, if it went well: its version, and since when it runs.
    pub last_good: Option<(Version, Timestamp)>,
    /// Versions that are not tried again, the newest last.
    pub failed: Vec<Failed>,
}

/// An update under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The new version.
    pub version: Version,
    /// The copy that ran when it began.
    pub from_slot: SlotName,
    /// The version that ran when it began.
    pub from_version: Version,
    /// When it began.
    pub began: Timestamp,
    /// Cameras that were recorded in the last hour before the restart: the new version has to record them too.
    pub recorded: Vec<CameraId>,
    /// The new version was written whole, and is the one that starts next.
    pub installed: bool,
}

/// A version that did not do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Which.
    pub version: Version,
    /// When that was seen.
    pub at: Timestamp,
    /// What was wrong.
    pub why: Why,
}

/// Why a version did not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// RAUC refused it: signature, board, or a damaged file.
    Refused,
    /// It did not start, or what it was to show in time it did not show.
    WentBack,
}

impl UpdateFile {
    /// Was it tried, and did not do?
    pub fn has_failed(&self, version: &Version) -> bool {
        self.failed.iter().any(|failed| failed.version == *version)
    }
    /// Remembers that a version did not do; what is under way is over.
    pub fn fail(&mut self, version: Version, at: Timestamp, why: Why) {
        self.tried = None;
        self.failed.retain(|failed| failed.version != version);
        self.failed.push(Failed { version, at, why });
        let surplus = self.failed.len().saturating_sub(MOST_FAILED);
        self.failed.drain(..surplus);
    }

    /// Reads it. One that is not there is a hub that was never updated; a damaged one is an error.
    pub fn load(path: &Path) -> Result<Self, UpdateError> {
        let bytes = match base::fs::read(path, MAX_BYTES) {
            Err(e) if e.is_not_found() => return Ok(Self::default()),
            other => other?,
        };
        let numbered: Numbered = serde_json::from_slice(&bytes).map_err(|e| UpdateError::Damaged(e.to_string()))?;
        if numbered.format > FORMAT {
            return Err(UpdateError::Newer(numbered.format));
        }
        let file: OnDisk = serde_json::from_slice(&bytes).map_err(|e| UpdateError::Damaged(e.to_string()))?;
        Ok(Self { tried: file.tried, last_good: file.last_good, failed: file.failed })
    }

    /// Writes it, as a whole.
    pub fn save(&self, path: &Path) -> Result<(), UpdateError> {
        let file = OnDisk {
            format: FORMAT,
            tried: self.tried.clone(),
            last_good: self.last_good.clone(),
            failed: self.failed.clone(),
        };
        let bytes = serde_json::to_vec_pretty(&file).map_err(|e| UpdateError::Damaged(e.to_string()))?;
        Ok(base::fs::write_atomic(path, &bytes, 0o600)?)
    }
}

/// What lies on the disk. Fields that a newer version adds are passed over: the version before reads them after a fall-back.
#[derive(Serialize, Deserialize)]
struct OnDisk {
    format: u32,
    tried: Option<Tried>,
    last_good: Option<(Version, Timestamp)>,
    #[serde(default)]
    failed: Vec<Failed>,
}

#[derive(Deserialize)]
struct Numbered {
    format: u32,
}

/// `update.json` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FsError),
    /// It is not what this program writes.
    #[error("update.json is damaged: {0}")]
    Damaged(String),
    /// A newer program wrote it.
    #[error("update.json has format {0}, this program knows up to {FORMAT}")]
    Newer(u32),
}

impl From<&UpdateError> for Problem {
    fn from(error: &UpdateError) -> Problem {
        match error {
            UpdateError::File(e) => Problem::with(ProblemKind::FileError, format_args!("{e}: {}", e.source)),
            UpdateError::Damaged(_) => Problem::with(ProblemKind::BadFile, error),
            UpdateError::Newer(_) => Problem::with(ProblemKind::NewerFormat, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_was_tried_is_there_after_a_restart_and_a_damaged_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("update.json");
        assert_eq!(UpdateFile::load(&path).unwrap(), UpdateFile::default());
        let mut file = UpdateFile::default();
        file.fail(Version::new(0, 3, 0), at(1_800_000_000), Why::WentBack);
        file.last_good = Some((Version::new(0, 2, 0), at(1_790_000_000)));
        file.tried = Some(Tried {
            version: Version::new(0, 4, 0),
            from_slot: SlotName::A,
            from_version: Version::new(0, 2, 0),
            began: at(1_800_000_001),
            recorded: vec![CameraId::from_bytes([7; 16])],
            installed: true,
        });
        file.save(&path).unwrap();
        assert_eq!(UpdateFile::load(&path).unwrap(), file);

        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"format\": 1", "\"format\": 1, \"later\": {}")).unwrap();
        assert_eq!(UpdateFile::load(&path).unwrap(), file, "what a newer version added is passed over");
        std::fs::write(&path, text.replace("\"format\": 1", "\"format\": 2")).unwrap();
        assert!(matches!(UpdateFile::load(&path), Err(UpdateError::Newer(2))));
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        assert!(matches!(UpdateFile::load(&path), Err(UpdateError::Damaged(_))));
    }

    #[test]
    fn of_versions_that_failed_the_newest_are_remembered_each_once() {
        let mut file = UpdateFile::default();
        for n in 0..40 {
            file.fail(Version::new(0, n, 0), at(1_800_000_000), Why::Refused);
        }
        file.fail(Version::new(0, 39, 0), at(1_800_000_000), Why::WentBack);
        assert_eq!(file.failed.len(), MOST_FAILED);
        assert!(file.has_failed(&Version::new(0, 39, 0)) && !file.has_failed(&Version::new(0, 0, 0)));
    }
}
