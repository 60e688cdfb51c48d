//! The first of the two doors to pictures: a segment opens for a viewer that holds its camera's key, and only as the
//! segment that was asked for.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use base::footage::{Purpose, SegmentHeader, SegmentInfo};
use base::fs::FsError;
use base::{CameraId, EpochId, HubId, Problem, ProblemKind};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use vault::{ViewError, Viewer};

use crate::disk::Disk;
use crate::header::{FORMAT, HeaderError};
use crate::reader::SegmentReader;

/// A segment was not opened. Nothing of it was shown.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The viewer holds no key of this camera, or not of the segment's epoch. Said before any I/O.
    #[error("the viewer was not granted camera {0}")]
    NotGranted(CameraId),
    /// There is no such file: retention took it, or somebody.
    #[error("{path} is not there", path = path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The viewer's keys do not open it: it was sealed for another camera or epoch, or is damaged.
    #[error("cannot open {path}", path = path.display())]
    Sealed {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ViewError,
    },
    /// It opens, but is not what was asked for: it was moved, renamed, or mixed up.
    #[error("{path} holds another {what} than asked for", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What differs: hub, camera, segment, stream, epoch, start.
        what: &'static str,
    },
    /// It was written by a newer version.
    #[error("{path} has format {format}, this version reads {FORMAT}", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format number.
        format: u32,
    },
    /// Its head cannot be read: nothing of it can be shown.
    #[error("{path} is damaged from its start: {what}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl From<&OpenError> for Problem {
    fn from(e: &OpenError) -> Self {
        let kind = match e {
            OpenError::NotGranted(_) => return ProblemKind::NotGranted.into(),
            OpenError::Missing { .. } => return ProblemKind::NoFootage.into(),
            OpenError::Read { .. } => ProblemKind::FileError,
            OpenError::Sealed { source, .. } => Problem::from(source).kind,
            OpenError::Foreign { .. } => ProblemKind::FootageForeign,
            OpenError::Newer { .. } => ProblemKind::NewerFormat,
            OpenError::Damaged { .. } => ProblemKind::FootageDamaged,
        };
        Problem::with(kind, e)
    }
}

/// The footage of one hub on one disk.
#[derive(Debug, Clone)]
pub struct Footage {
    disk: Disk,
    hub: HubId,
    /// Which other hub sealed the footage of an epoch that was adopted. Lock order: a leaf.
    adopted: Arc<RwLock<HashMap<(CameraId, EpochId), HubId>>>,
}

impl Footage {
    /// The footage of `hub` on `disk`.
    pub fn new(disk: Disk, hub: HubId) -> Self {
        Self { disk, hub, adopted: Arc::default() }
    }

    /// The footage of a camera's epoch was sealed by another hub: what opens of it must say that very hub. Of every
    /// clone.
    pub fn adopt(&self, camera: CameraId, epoch: EpochId, hub: HubId) {
        self.adopted.write().unwrap_or_else(PoisonError::into_inner).insert((camera, epoch), hub);
    }

    /// Which hub the footage of a camera's epoch must say.
    pub(crate) fn hub_of(&self, camera: CameraId, epoch: EpochId) -> HubId {
        let adopted = self.adopted.read().unwrap_or_else(PoisonError::into_inner);
        adopted.get(&(camera, epoch)).copied().unwrap_or(self.hub)
    }

    pub(crate) fn hub(&self) -> HubId {
        self.hub
    }

    /// The disk it lies on.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Opens a segment of a camera. What opens is what was asked for: hub (this one, or for an adopted epoch the one it was
    /// adopted from), camera and segment stand inside the file, sealed, and are compared; so are stream and start (the file's name) and, where the index knows it, the epoch.
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::NotGranted`] before any I/O.
    pub fn open(&self, viewer: &Viewer, camera: CameraId, segment: &SegmentInfo) -> Result<SegmentReader, OpenError> {
        if !viewer.granted(camera, Purpose::Footage) {
            return Err(OpenError::NotGranted(camera));
        }
        let path = self.disk.segment_path(segment);
        if segment.camera != camera {
            return Err(OpenError::Foreign { path, what: "camera" });
        }
        let (file, len) = open_file(&path)?;
        let opened =
            viewer.open(camera, Purpose::Footage, segment.epoch, file).map_err(|e| sealed(&path, camera, e))?;
        let label = opened.key_label();
        let reader = start(&path, opened, len)?;
        let header = reader.header();
        // The hub is looked up by the epoch that the file names: it must be the one whose key opened it.
        if label.is_some_and(|label| label.epoch != header.epoch) {
            return Err(OpenError::Foreign { path, what: "epoch" });
        }
        match foreign(header, self.hub_of(camera, header.epoch), camera, segment) {
            Some(what) => Err(OpenError::Foreign { path, what }),
            None => Ok(reader),
        }
    }

    /// Removes a segment's file, durably, with the thumbnails of what began before its end, and the day's folder with its last one.
    /// Fine if it is gone already.
    ///
    /// # Errors
    /// The file cannot be removed, or its folder not be synced.
    pub fn remove(&self, segment: &SegmentInfo) -> Result<(), FsError> {
        let path = self.disk.segment_path(segment);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => done.map_err(FsError::on("remove", &path))?,
        }
        let day = path.parent().unwrap_or(self.disk.root());
        crate::thumbnail::remove(day, segment.end);
        // Refused unless it is empty. The keeper makes it again should it just want to write there.
        match std::fs::remove_dir(day) {
            Ok(()) => base::fs::sync_dir(day.parent().unwrap_or(self.disk.root())),
            Err(_) => base::fs::sync_dir(day),
        }
    }
}

/// Opens one sealed segment file without a hub, with a viewer made from a key file or the recovery kit: `keepsight open`.
/// Whose it is the file says itself, and the key, if that says so too, must agree.
///
/// # Errors
/// See [`OpenError`]. A principal's viewer is refused: it must say which camera it means.
pub fn open_any(viewer: &Viewer, path: &Path) -> Result<SegmentReader, OpenError> {
    let (file, len) = open_file(path)?;
    let opened = viewer.open_any(file).map_err(|source| OpenError::Sealed { path: path.to_owned(), source })?;
    let label = opened.key_label();
    let reader = start(path, opened, len)?;
    let header = reader.header();
    let what = match label {
        Some(label) if label.camera != header.camera => Some("camera"),
        Some(label) if label.epoch != header.epoch => Some("epoch"),
        _ => None,
    };
    match what {
        Some(what) => Err(OpenError::Foreign { path: path.to_owned(), what }),
        None => Ok(reader),
    }
}

/// The index of a minute with sound (30 KB), and the chunks it is in.
const END_BYTES: u64 = 128 * 1024;

/// The file and its length, which may be growing.
pub(crate) fn open_file(path: &Path) -> Result<(File, u64), OpenError> {
    let open = || {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        // A reader begins with the head and goes on with the end, where the index is: the disk reads both at once. Advice
        // that is not taken costs nothing.
        let end = len.saturating_sub(END_BYTES);
        let _ = posix_fadvise(&file, end as i64, END_BYTES as i64, PosixFadviseAdvice::POSIX_FADV_WILLNEED);
        Ok((file, len))
    };
    open().map_err(|source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => OpenError::Missing { path: path.to_owned() },
        _ => OpenError::Read { path: path.to_owned(), source },
    })
}

pub(crate) fn sealed(path: &Path, camera: CameraId, source: ViewError) -> OpenError {
    match source {
        ViewError::NotGranted => OpenError::NotGranted(camera),
        ViewError::Io(source) => OpenError::Read { path: path.to_owned(), source },
        source => OpenError::Sealed { path: path.to_owned(), source },
    }
}

fn start(path: &Path, opened: vault::Opened<File>, len: u64) -> Result<SegmentReader, OpenError> {
    SegmentReader::start(opened, len).map_err(|e| match e {
        StartError::Read(source) => OpenError::Read { path: path.to_owned(), source },
        StartError::Header(HeaderError::Newer(format)) => OpenError::Newer { path: path.to_owned(), format },
        StartError::Header(e) => OpenError::Damaged { path: path.to_owned(), what: e.to_string() },
        StartError::Damaged(what) => OpenError::Damaged { path: path.to_owned(), what },
    })
}

/// The head of a segment cannot be read.
pub(crate) enum StartError {
    Read(io::Error),
    Header(HeaderError),
    Damaged(String),
}

/// What differs between what a file says of itself and what was asked for.
fn foreign(header: &SegmentHeader, hub: HubId, camera: CameraId, segment: &SegmentInfo) -> Option<&'static str> {
    let checks = [
        ("hub", header.hub == hub),
        ("camera", header.camera == camera),
        ("segment", header.segment == segment.id),
        ("stream", header.stream == segment.stream),
        ("epoch", segment.epoch.is_none_or(|epoch| header.epoch == epoch)),
        ("start", header.start == segment.start),
    ];
    checks.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}
