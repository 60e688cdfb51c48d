//! The thread that makes footage durable, and only then says so.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo};
use base::{SegmentId, SharedClock};

use crate::error::KeepError;
use crate::keeper::Kept;
use crate::medium::Medium;
use crate::queue::Queues;
use crate::segment::{SegmentFile, Snapshot};

/// What there is to sync, in order.
pub(crate) enum Job {
    /// A file was created: make its name, and those of the folders it lies in, durable.
    Opened { stream: u64, file: Arc<SegmentFile>, info: SegmentInfo },
    /// A segment has grown.
    Grown { stream: u64, snapshot: Snapshot },
    /// A segment was closed: in order, or, if its details say so, after a write error.
    Closed { file: Arc<SegmentFile>, info: SegmentInfo },
}

pub(crate) struct Syncer {
    pub(crate) clock: SharedClock,
    pub(crate) queues: Arc<Queues>,
    pub(crate) notify: Arc<dyn Fn(Kept) + Send + Sync>,
    pub(crate) medium: Arc<dyn Medium>,
    pub(crate) every: Duration,
}

impl Syncer {
    /// Until the writer is gone.
    pub(crate) fn run(self, jobs: &Receiver<Job>) {
        let mut due = self.clock.mono() + self.every;
        loop {
            match jobs.recv_timeout(due.since(self.clock.mono())) {
                Ok(job) => self.work(job),
                Err(RecvTimeoutError::Timeout) => {
                    self.queues.tick();
                    // Counted from the start of a sync, so that a slow one does not put off the next.
                    due = self.clock.mono() + self.every;
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn work(&self, job: Job) {
        match job {
            Job::Opened { stream, file, info } => {
                let synced = self.sync_folders(&file.path);
                let id = info.id;
                let failed = synced.err().map(|error| (info.clone(), error));
                (self.notify)(Kept::Opened(info));
                if let Some((info, error)) = failed {
                    self.broken(stream, &file, id, &info, error);
                }
            }
            Job::Grown { stream, snapshot: Snapshot { info, file, oldest } } => {
                if file.is_broken() {
                    return;
                }
                match file.sync() {
                    Ok(()) => {
                        file.set_synced(info.end);
                        (self.notify)(Kept::Synced {
                            camera: info.camera,
                            stream: info.stream,
                            segment: info.id,
                            end: info.end,
                            bytes: info.bytes,
                            waited: self.clock.mono().since(oldest),
                        });
                    }
                    Err(source) => {
                        let error = KeepError::Sync { path: file.path.clone(), source };
                        self.broken(stream, &file, info.id, &info, error);
                    }
                }
            }
            Job::Closed { file, info } => self.closed(&file, info),
        }
    }

    fn closed(&self, file: &SegmentFile, mut info: SegmentInfo) {
        if !file.is_broken()
            && let Err(source) = file.sync()
        {
            let error = KeepError::Sync { path: file.path.clone(), source };
            file.set_broken(error.gap_reason());
            (self.notify)(Kept::Failed { camera: info.camera, stream: info.stream, segment: Some(info.id), error });
        }
        if file.is_broken() {
            let (from, to) = (file.synced(), info.end);
            // Of an open one the writer knows itself what is lost.
            if info.details != SegmentDetails::Open && to > from {
                let reason = file.broken_by();
                (self.notify)(Kept::Dropped { camera: info.camera, stream: info.stream, from, to, reason });
            }
            info = SegmentInfo { end: from, details: SegmentDetails::Unknown, ..info };
        }
        (self.notify)(Kept::Closed(info));
    }

    /// The name of the file, of the day's folder and of the camera's: whoever made them. On a folder that has not
    /// changed this costs nothing.
    fn sync_folders(&self, path: &Path) -> Result<(), KeepError> {
        for dir in path.ancestors().skip(1).take(3) {
            self.medium.sync_dir(dir).map_err(|source| KeepError::Sync { path: PathBuf::from(dir), source })?;
        }
        Ok(())
    }

    /// Nothing that comes after can be trusted: the writer must begin another file.
    fn broken(&self, stream: u64, file: &SegmentFile, segment: SegmentId, info: &SegmentInfo, error: KeepError) {
        if !file.set_broken(error.gap_reason()) {
            (self.notify)(Kept::Failed { camera: info.camera, stream: info.stream, segment: Some(segment), error });
            self.queues.broken(stream, segment);
        }
    }
}
