//! What can go wrong while footage is kept, and what a person is told of it.

use std::io;
use std::path::PathBuf;

use base::state::GapReason;
use base::{Problem, ProblemKind};

use crate::bmff::BadBox;
use crate::disk::DiskError;

/// Footage could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// A segment's file could not be created.
    #[error("cannot create {path}", path = path.display())]
    Create {
        /// The file, or its folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A segment could not be written on; what it held in memory is lost.
    #[error("cannot write {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was written could not be made durable: nothing since the last sync counts as kept.
    #[error("cannot sync {path}", path = path.display())]
    Sync {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The footage disk is gone, or another one is in its place.
    #[error("the footage disk is not there")]
    Disk(#[source] DiskError),
    /// More would go below the room that stays free: [`crate::Keeper::set_full`].
    #[error("no room is left for footage")]
    NoRoom,
    /// The stream's parameters are not an init segment: a fault of the caller.
    #[error("the init segment cannot be used")]
    BadInit(#[source] BadBox),
    /// A fragment is not one: a fault of the caller.
    #[error("a fragment cannot be used")]
    BadFragment(#[source] BadBox),
}

impl From<&KeepError> for Problem {
    fn from(e: &KeepError) -> Self {
        match e {
            KeepError::Create { source, .. } | KeepError::Write { source, .. } | KeepError::Sync { source, .. } => {
                Problem::with(kind_of_io(source), e)
            }
            KeepError::Disk(e) => e.into(),
            KeepError::NoRoom => Problem::with(ProblemKind::DiskFull, e),
            KeepError::BadInit(_) | KeepError::BadFragment(_) => Problem::with(ProblemKind::Internal, e),
        }
    }
}

impl KeepError {
    /// Why there is no footage from here on.
    pub fn gap_reason(&self) -> GapReason {
        match self {
            KeepError::Create { source, .. } | KeepError::Write { source, .. } | KeepError::Sync { source, .. } => {
                gap_of_io(source)
            }
            KeepError::Disk(DiskError::Missing { .. } | DiskError::Foreign { .. }) => GapReason::DiskMissing,
            KeepError::NoRoom => GapReason::DiskFull,
            KeepError::Disk(_) => GapReason::DiskError,
            KeepError::BadInit(_) | KeepError::BadFragment(_) => GapReason::CameraUnsupported,
        }
    }
}

/// Why there is no footage after a failure to write.
pub(crate) fn gap_of_io(e: &io::Error) -> GapReason {
    match kind_of_io(e) {
        ProblemKind::DiskFull => GapReason::DiskFull,
        _ => GapReason::DiskError,
    }
}

/// Of a failure to write.
pub(crate) fn kind_of_io(e: &io::Error) -> ProblemKind {
    match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ProblemKind::DiskFull,
        _ => ProblemKind::DiskError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let told = |source| Problem::from(&KeepError::Write { path: "/f/a.mp4.age".into(), source }).to_string();
        assert_eq!(
            told(io::ErrorKind::StorageFull.into()),
            "The disk is full. cannot write /f/a.mp4.age. Free some space, or give the hub a larger disk."
        );
        assert_eq!(
            told(io::Error::other("EIO")),
            "The disk did not take the data. cannot write /f/a.mp4.age. Check the disk and its cable; the hub tries again by itself."
        );
    }
}
