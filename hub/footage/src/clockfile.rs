//! The clock file: which wall-clock time a boot's monotonic time was.
//!
//! A segment's header says boot and monotonic start, which no step of the clock moves. `<footage>/.keepsight-clock`
//! says what the wall clock showed then: one line of JSON at the start of each boot, and one whenever the clock's source
//! changes or it steps by more than a second. Lines are only appended, and synced; nothing is renamed. The last line
//! with a boot's best source is what that boot's footage is dated by.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;

use base::footage::SegmentHeader;
use base::fs::FsError;
use base::{BootId, Clock, Mono, TimeSource, Timestamp};
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, DiskError, FILE_MODE};

/// Its name in the footage folder.
const NAME: &str = ".keepsight-clock";
/// A difference up to this is no step.
const STEP_MS: i64 = 1_000;
/// Some 100,000 lines. What a clock gone mad would add beyond it is not kept.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What the clocks of a boot showed at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockLine {
    /// Which boot.
    pub boot: BootId,
    /// Monotonic time when it was written, ns.
    pub mono_ns: u64,
    /// Wall-clock time minus monotonic time, ms.
    pub offset_ms: i64,
    /// Where the wall-clock time came from.
    pub source: TimeSource,
}

impl ClockLine {
    /// What the clock shows now.
    pub fn now(boot: BootId, clock: &dyn Clock) -> Self {
        let (mono, wall) = (clock.mono(), clock.wall());
        let offset_ms = wall.as_millisecond() - (mono.0 / 1_000_000) as i64;
        Self { boot, mono_ns: mono.0, offset_ms, source: clock.source() }
    }

    /// Wall-clock time of an instant of this boot.
    pub fn wall(&self, mono: Mono) -> Timestamp {
        let ms = i64::try_from(mono.0 / 1_000_000).unwrap_or(i64::MAX).saturating_add(self.offset_ms);
        Timestamp::from_millisecond(ms).unwrap_or_default()
    }

    fn differs(&self, from: &Self) -> bool {
        self.boot != from.boot || self.source != from.source || self.offset_ms.abs_diff(from.offset_ms) > STEP_MS as u64
    }
}

/// Every boot's best line.
#[derive(Debug, Clone, Default)]
pub struct ClockMap {
    best: HashMap<BootId, ClockLine>,
    latest: Option<Timestamp>,
}

impl ClockMap {
    /// Reads a disk's clock file; empty if there is none. What cannot be read of it, such as a line that a power cut
    /// tore, is passed over.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(disk: &Disk) -> Result<Self, DiskError> {
        let path = disk.root().join(NAME);
        let content = match base::fs::read(&path, MAX_BYTES + 1_024) {
            Err(e) if e.is_not_found() => return Ok(Self::default()),
            other => other?,
        };
        let mut map = Self::default();
        content.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).for_each(|l| map.add(l));
        Ok(map)
    }

    /// A line that follows those before.
    pub fn add(&mut self, line: ClockLine) {
        let best = self.best.entry(line.boot).or_insert(line);
        if rank(line.source) >= rank(best.source) {
            *best = line;
        }
        self.latest = self.latest.max(Some(line.wall(Mono(line.mono_ns))));
    }

    /// When a segment truly began, as well as is known: by its boot's best line, or as it says itself.
    pub fn true_start(&self, header: &SegmentHeader) -> Timestamp {
        match self.best.get(&header.boot) {
            Some(line) if rank(line.source) > 0 => line.wall(Mono(header.mono_start_ns)),
            _ => header.start,
        }
    }

    /// The latest time that any line was written at: no clock is right that shows an earlier one.
    pub fn latest(&self) -> Option<Timestamp> {
        self.latest
    }
}

/// How far a source is believed.
fn rank(source: TimeSource) -> u8 {
    match source {
        TimeSource::Unset => 0,
        TimeSource::Rtc => 1,
        TimeSource::Camera => 2,
        TimeSource::Phone => 3,
        TimeSource::Ntp => 4,
    }
}

/// Keeps the clock file of a disk up to date.
pub struct ClockFile {
    disk: Disk,
    last: Option<ClockLine>,
}

impl ClockFile {
    /// Of this disk, which need not be there yet.
    pub fn new(disk: Disk) -> Self {
        Self { disk, last: None }
    }

    /// Appends a line and syncs it if the clock shows something new; answers whether it did. Blocks.
    ///
    /// # Errors
    /// The disk is not there, or the line could not be written: it is tried again at the next call.
    pub fn observe(&mut self, boot: BootId, clock: &dyn Clock) -> Result<bool, DiskError> {
        let line = ClockLine::now(boot, clock);
        if self.last.is_some_and(|last| !line.differs(&last)) {
            return Ok(false);
        }
        self.disk.check()?;
        self.append(&line)?;
        self.last = Some(line);
        Ok(true)
    }

    fn append(&self, line: &ClockLine) -> Result<(), DiskError> {
        let path = self.disk.root().join(NAME);
        let write = || {
            let mut file = OpenOptions::new().read(true).append(true).create(true).mode(FILE_MODE).open(&path)?;
            let length = file.metadata()?.len();
            if length > MAX_BYTES {
                return Err(std::io::Error::other("it has grown too long"));
            }
            let mut text = Vec::new();
            if length > 0 {
                // A power cut may have torn the line before; it must not take this one with it.
                let mut last = [0];
                file.seek(std::io::SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    text.push(b'\n');
                }
            }
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
            file.write_all(&text)?;
            file.sync_all()
        };
        write().map_err(FsError::on("append to", &path))?;
        Ok(base::fs::sync_dir(self.disk.root())?)
    }
}
