//! The clock file: which wall-clock time a boot's monotonic time was.
//!
//! A segment's header says boot and monotonic start, which no step of the clock moves. `<footage>/.keepsight-clock`
//! says what the wall clock showed then: one line of JSON at the start of each boot, and one whenever the clock's source
//! changes or it steps by more than a second. Lines are only appended, and synced; nothing is renamed. The last line
//! with a boot's best source is what that boot's footage is dated by.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base::fs::FsError;
use base::{BootId, Clock, Mono, TimeSource, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clockmap::ClockMap;
use crate::disk::{Disk, DiskError, FILE_MODE};

/// Its name in the footage folder.
const NAME: &str = ".keepsight-clock";
/// A difference up to this is no step.
const STEP_MS: i64 = 1_000;
/// How often it says that the boot lasts.
const BEAT: Duration = Duration::from_secs(60);
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

    pub(crate) fn differs(&self, from: &Self) -> bool {
        self.boot != from.boot || self.source != from.source || self.offset_ms.abs_diff(from.offset_ms) > STEP_MS as u64
    }
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
}

/// The clock map as it is now, for many to read. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Clocks(Arc<RwLock<Arc<ClockMap>>>);

impl Clocks {
    /// As it is now.
    pub fn map(&self) -> Arc<ClockMap> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn change(&self, change: impl FnOnce(&mut ClockMap)) {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut map)); // whoever reads keeps what it has
    }
}

/// Keeps the clock file of a disk up to date.
pub struct ClockFile {
    disk: Disk,
    clocks: Clocks,
    /// The file was read.
    known: bool,
    last: Option<Written>,
}

/// The line at the file's end.
#[derive(Clone, Copy)]
struct Written {
    line: ClockLine,
    /// Said only that nothing is new: the next one takes its place.
    beat: bool,
    from: u64,
    to: u64,
}

impl ClockFile {
    /// Of this disk, which need not be there yet.
    pub fn new(disk: Disk) -> Self {
        Self { disk, clocks: Clocks::default(), known: false, last: None }
    }

    /// What the file says, always as it is now.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Reads what is there already, unless that was done; answers whether it was now. Blocks.
    ///
    /// # Errors
    /// The disk is not there, or the file cannot be read.
    pub fn load(&mut self) -> Result<bool, DiskError> {
        if self.known {
            return Ok(false);
        }
        self.disk.check()?;
        let map = ClockMap::read(&self.disk)?;
        self.clocks.change(|empty| *empty = map);
        self.known = true;
        Ok(true)
    }

    /// Appends a line and syncs it if the clock shows something new, or if the last one is a minute old: so it is known
    /// how late it was when the power went. Answers whether there was something new. Blocks.
    ///
    /// # Errors
    /// The disk is not there, or the line could not be written: it is tried again at the next call.
    pub fn observe(&mut self, boot: BootId, clock: &dyn Clock) -> Result<bool, DiskError> {
        self.load()?;
        let line = ClockLine::now(boot, clock);
        let news = self.last.is_none_or(|last| line.differs(&last.line));
        if !news && self.last.is_some_and(|last| Mono(line.mono_ns).since(Mono(last.line.mono_ns)) < BEAT) {
            return Ok(false);
        }
        self.disk.check()?;
        // A slow drift is compared with the line that began it.
        let said = self.last.map_or(line, |last| last.line);
        let said = if news { line } else { ClockLine { mono_ns: line.mono_ns, ..said } };
        self.last = Some(self.write(&said, !news)?);
        self.clocks.change(|map| map.add(said));
        Ok(news)
    }

    fn write(&self, line: &ClockLine, beat: bool) -> Result<Written, DiskError> {
        let path = self.disk.root().join(NAME);
        let write = || {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path)?;
            let length = file.metadata()?.len();
            let instead = self.last.filter(|last| beat && last.beat && last.to == length);
            let from = instead.map_or(length, |last| last.from);
            if from > MAX_BYTES {
                return Err(std::io::Error::other("it has grown too long"));
            }
            let mut text = Vec::new();
            if from > 0 {
                // A power cut may have torn the line before; it must not take this one with it.
                let mut last = [0];
                file.seek(SeekFrom::Start(from - 1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    text.push(b'\n');
                }
            }
            serde_json::to_writer(&mut text, line)?;
            text.push(b'\n');
            file.seek(SeekFrom::Start(from))?;
            file.write_all(&text)?;
            let to = from + text.len() as u64;
            file.set_len(to)?;
            file.sync_all()?;
            Ok(Written { line: *line, beat, from, to })
        };
        let written = write().map_err(FsError::on("append to", &path))?;
        if self.last.is_none() {
            base::fs::sync_dir(self.disk.root())?; // its name
        }
        Ok(written)
    }
}
