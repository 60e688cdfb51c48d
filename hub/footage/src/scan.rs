//! The footage tree is the truth for footage: what lies there, told by names alone, without any key.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo, StreamName};
use base::fs::FsError;
use base::{CameraId, SegmentId, Timestamp};

use crate::open::Footage;
use crate::paths::{self, SegmentName};

/// A segment that was cut short is no longer than this, as a rule: the rotation and one more group of pictures.
const LONGEST_GUESS: Duration = Duration::from_secs(70);

/// Something in the footage folder.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all that is found is segments, and one at a time")]
pub enum Found {
    /// A segment's file. What its name does not say is unknown; `end` is a guess, `bytes` the file's length.
    Segment(SegmentInfo),
    /// Something that Keepsight did not put there, or not there. Nothing is done with it.
    Strange {
        /// Where.
        path: PathBuf,
        /// What is strange about it.
        what: &'static str,
    },
    /// Something that cannot be looked at.
    Unreadable(FsError),
}

/// What differs between the index and the footage folder.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Files that the index does not know, as it should: details unknown.
    pub found: Vec<SegmentInfo>,
    /// Rows whose segment was open when the hub stopped: as they should be now, details unknown, with the file's length.
    pub cut: Vec<SegmentInfo>,
    /// Rows whose file is gone.
    pub missing: Vec<SegmentInfo>,
    /// Rows of closed segments whose file has another length than it was closed with.
    pub changed: Vec<SegmentInfo>,
    /// Strange things, and what cannot be looked at.
    pub strange: Vec<Found>,
}

impl Footage {
    /// Everything in the footage folder, camera by camera and day by day, in order of time. One day's folder is in
    /// memory at a time.
    pub fn scan(&self) -> impl Iterator<Item = Found> + use<> {
        Scan::new(self.disk().root())
    }

    /// Of every camera what began at `from(camera, stream)` or later, as far as it lies in the folders of those days: the few
    /// files that an index that is behind does not know, without reading the others' folders. What is strange or cannot be
    /// read is left to [`Footage::scan`].
    pub fn scan_newest(&self, from: impl Fn(CameraId, StreamName) -> Option<Timestamp>) -> Vec<SegmentInfo> {
        let mut newest = Vec::new();
        for camera in self.disk().cameras().unwrap_or_default() {
            let streams = [StreamName::Main, StreamName::Sub].map(|stream| (stream, from(camera, stream)));
            let day_of = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
            let oldest_day = streams.iter().filter_map(|(_, at)| at.map(day_of)).min();
            let mut days = self.disk().days(camera).unwrap_or_default();
            days.retain(|day| oldest_day.as_ref().is_none_or(|oldest| day >= oldest));
            // Where nothing is known at all, the last day is the newest.
            let skipped = if oldest_day.is_none() { days.len().saturating_sub(1) } else { 0 };
            for day in days.into_iter().skip(skipped) {
                let dir = paths::camera_dir(self.disk().root(), camera).join(&day);
                let mut scan = Scan { folders: vec![Folder::Day(dir, camera, day)], found: VecDeque::new() };
                newest.extend(scan.by_ref().filter_map(|found| match found {
                    Found::Segment(segment) => Some(segment),
                    _ => None,
                }));
            }
            newest.retain(|segment| {
                let of = streams.iter().find(|(stream, _)| *stream == segment.stream);
                segment.camera != camera || of.and_then(|(_, at)| *at).is_none_or(|at| segment.start >= at)
            });
        }
        newest
    }

    /// Compares the folder with the rows that the index has. Changes nothing.
    pub fn recover(&self, known: &[SegmentInfo]) -> Recovery {
        let by_place: HashMap<_, _> =
            known.iter().map(|row| ((row.camera, SegmentName::of(row).to_string()), row)).collect();
        let mut seen: HashSet<(CameraId, SegmentId)> = HashSet::new();
        let mut unreadable = false;
        let mut result = Recovery::default();
        for found in self.scan() {
            let segment = match found {
                Found::Segment(segment) => segment,
                strange => {
                    unreadable |= matches!(strange, Found::Unreadable(_));
                    result.strange.push(strange);
                    continue;
                }
            };
            match by_place.get(&(segment.camera, SegmentName::of(&segment).to_string())) {
                None => result.found.push(segment),
                Some(row) => {
                    seen.insert((row.camera, row.id));
                    let end = segment.end.max(row.end);
                    let now = |details, end| SegmentInfo { end, bytes: segment.bytes, details, ..(*row).clone() };
                    match row.details {
                        SegmentDetails::Open => result.cut.push(now(SegmentDetails::Unknown, end)),
                        SegmentDetails::Closed if row.bytes != segment.bytes => result.changed.push((*row).clone()),
                        _ => {}
                    }
                }
            }
        }
        // A folder that cannot be read hides files; they are not gone.
        if !unreadable {
            result.missing = known.iter().filter(|row| !seen.contains(&(row.camera, row.id))).cloned().collect();
        }
        result
    }
}

/// A folder's entries in order of their names; none if there is no such folder.
pub(crate) fn list(dir: &Path) -> Result<Vec<DirEntry>, FsError> {
    let read = || {
        let mut entries = match std::fs::read_dir(dir) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?.collect::<Result<Vec<_>, _>>()?,
        };
        entries.sort_by_key(DirEntry::file_name);
        Ok(entries)
    };
    read().map_err(FsError::on("read the folder", dir))
}

struct Scan {
    /// Folders still to be looked into, the next one last.
    folders: Vec<Folder>,
    /// What was found and not given yet.
    found: VecDeque<Found>,
}

enum Folder {
    Root(PathBuf),
    Camera(PathBuf, CameraId),
    Keys(PathBuf),
    Day(PathBuf, CameraId, String),
}

impl Iterator for Scan {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Some(found);
            }
            let folder = self.folders.pop()?;
            if let Err(e) = self.look_into(folder) {
                self.found.push_back(Found::Unreadable(e));
            }
        }
    }
}

impl Scan {
    fn new(root: &Path) -> Self {
        Self { folders: vec![Folder::Root(root.to_owned())], found: VecDeque::new() }
    }

    fn look_into(&mut self, folder: Folder) -> Result<(), FsError> {
        match folder {
            Folder::Root(dir) => self.look_into_folders(&dir, |name, path| {
                if name.starts_with(".keepsight-") || name == "lost+found" {
                    return Ok(None);
                }
                let camera = name.parse().map_err(|_| "it is not a camera's folder")?;
                Ok(Some(Folder::Camera(path, camera)))
            }),
            Folder::Camera(dir, camera) => self.look_into_folders(&dir, |name, path| match name {
                "keys" => Ok(Some(Folder::Keys(path))),
                day if paths::is_day(day) => Ok(Some(Folder::Day(path, camera, day.to_owned()))),
                _ => Err("it is not a day's folder"),
            }),
            Folder::Keys(dir) => {
                for entry in list(&dir)? {
                    if entry.file_name().to_str().and_then(paths::parse_key_name).is_none() {
                        self.strange(entry.path(), "it is not a key file");
                    }
                }
                Ok(())
            }
            Folder::Day(dir, camera, day) => self.look_into_day(&dir, camera, &day),
        }
    }

    fn look_into_folders(
        &mut self,
        dir: &Path,
        tell: impl Fn(&str, PathBuf) -> Result<Option<Folder>, &'static str>,
    ) -> Result<(), FsError> {
        let mut inner = Vec::new();
        for entry in list(dir)? {
            let path = entry.path();
            match tell(&entry.file_name().to_string_lossy(), path.clone()) {
                Ok(None) => {}
                // Links are not followed: what lies behind is not on this disk.
                Ok(Some(_)) if !entry.file_type().is_ok_and(|t| t.is_dir()) => self.strange(path, "it is not a folder"),
                Ok(Some(folder)) => inner.push(folder),
                Err(what) => self.strange(path, what),
            }
        }
        self.folders.extend(inner.into_iter().rev());
        Ok(())
    }

    fn look_into_day(&mut self, dir: &Path, camera: CameraId, day: &str) -> Result<(), FsError> {
        let mut segments: Vec<SegmentInfo> = Vec::new();
        for entry in list(dir)? {
            let (path, name) = (entry.path(), entry.file_name());
            let Some(name) = name.to_str() else {
                self.strange(path, "it is not a segment's file");
                continue;
            };
            let segment = match SegmentName::parse(name) {
                Some(segment) if segment.day() == day => segment,
                Some(_) => {
                    self.strange(path, "it lies in another day's folder");
                    continue;
                }
                None if paths::parse_thumbnail(name).is_some() => continue,
                None => {
                    self.strange(path, "it is not a segment's file");
                    continue;
                }
            };
            match entry.metadata() {
                Ok(meta) if meta.is_file() => segments.push(unknown(camera, segment, meta.len(), modified(&meta))),
                Ok(_) => self.strange(path, "it is not a file"),
                Err(e) => self.found.push_back(Found::Unreadable(FsError::on("look at", &path)(e))),
            }
        }
        // A segment is over when the next one of its stream begins.
        let mut next: HashMap<StreamName, Timestamp> = HashMap::new();
        for segment in segments.iter_mut().rev() {
            if let Some(start) = next.insert(segment.stream, segment.start) {
                segment.end = segment.end.min(start);
            }
        }
        self.found.extend(segments.into_iter().map(Found::Segment));
        Ok(())
    }

    fn strange(&mut self, path: PathBuf, what: &'static str) {
        self.found.push_back(Found::Strange { path, what });
    }
}

fn modified(meta: &std::fs::Metadata) -> Option<Timestamp> {
    Timestamp::try_from(meta.modified().ok()?).ok()
}

/// What a name and a file's length tell. The end is a guess: when the file was last written, within reason.
fn unknown(camera: CameraId, name: SegmentName, bytes: u64, modified: Option<Timestamp>) -> SegmentInfo {
    let latest = name.start.saturating_add(LONGEST_GUESS).unwrap_or(name.start);
    let end = modified.filter(|at| *at >= name.start).unwrap_or(latest).min(latest);
    SegmentInfo {
        camera,
        id: name.segment,
        stream: name.stream,
        epoch: None,
        media: None,
        stamp: None,
        start: name.start,
        end: Timestamp::from_millisecond(end.as_millisecond()).unwrap_or(end),
        bytes,
        video: None,
        audio: None,
        fingerprint: None,
        details: SegmentDetails::Unknown,
    }
}
