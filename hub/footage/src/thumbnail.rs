//! Pictures of events: JPEGs, sealed as footage is, that say inside whose they are.
//!
//! A thumbnail lies among the segments of its day and goes with them: the picture of something is kept no longer than the film
//! of it.

use std::io::Read;
use std::path::Path;

use base::footage::Purpose;
use base::fs::FsError;
use base::{CameraId, EpochId, EventId, HubId, Timestamp};
use serde::{Deserialize, Serialize};
use vault::{EpochPublic, Viewer, seal_small};
use zeroize::Zeroizing;

use crate::disk::{DIR_MODE, DiskError, FILE_MODE};
use crate::header::FORMAT;
use crate::open::{Footage, OpenError, open_file, sealed};
use crate::paths::{self, SegmentName};

/// The largest one. One is some 50 KB.
const MAX_BYTES: u64 = 2 << 20;
/// ISO/IEC 10918-1, table B.1: the start of an image, and of a comment.
const START: [u8; 2] = [0xff, 0xd8];
const COMMENT: [u8; 2] = [0xff, 0xfe];

/// What a thumbnail says of itself, as JSON in its first comment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    format: u32,
    hub: HubId,
    camera: CameraId,
    event: EventId,
    epoch: EpochId,
}

impl Footage {
    /// Keeps the picture of an event, durably, in place of an earlier one. Answers the bytes of its file.
    ///
    /// # Errors
    /// It is no JPEG, or too large; the disk is not there, or does not take it.
    pub fn keep_thumbnail(
        &self,
        camera: CameraId,
        event: EventId,
        epoch: &EpochPublic,
        jpeg: &[u8],
    ) -> Result<u64, DiskError> {
        let disk = self.disk();
        let path = paths::thumbnail(disk.root(), camera, event);
        let header = Header { format: FORMAT, hub: self.hub(), camera, event, epoch: epoch.epoch };
        let bad = || FsError::on("make", &path)(std::io::Error::other("it is no JPEG that a thumbnail can be"));
        let labelled = labelled(&header, jpeg).ok_or_else(bad)?;
        disk.check()?;
        disk.pay_epoch_key(camera, epoch.epoch)?;
        let day = path.parent().unwrap_or(disk.root());
        base::fs::create_dir(&paths::camera_dir(disk.root(), camera), DIR_MODE)?;
        base::fs::create_dir(day, DIR_MODE)?;
        let sealed = seal_small(&epoch.footage, &labelled);
        base::fs::write_atomic(&path, &sealed, FILE_MODE)?;
        Ok(sealed.len() as u64)
    }

    /// The picture of an event of a camera. What opens is what was asked for, as with [`Footage::open`].
    ///
    /// # Errors
    /// See [`OpenError`]; [`OpenError::NotGranted`] before any I/O.
    pub fn thumbnail(&self, viewer: &Viewer, camera: CameraId, event: EventId) -> Result<Vec<u8>, OpenError> {
        if !viewer.granted(camera, Purpose::Footage) {
            return Err(OpenError::NotGranted(camera));
        }
        let path = paths::thumbnail(self.disk().root(), camera, event);
        let (file, _) = open_file(&path)?;
        let opened = viewer.open(camera, Purpose::Footage, None, file).map_err(|e| sealed(&path, camera, e))?;
        let label = opened.key_label();
        let mut jpeg = Vec::new();
        opened
            .take(MAX_BYTES + 1)
            .read_to_end(&mut jpeg)
            .map_err(|source| OpenError::Read { path: path.clone(), source })?;
        let damaged = |what: &str| OpenError::Damaged { path: path.clone(), what: what.to_owned() };
        if jpeg.len() as u64 > MAX_BYTES {
            return Err(damaged("it is too large"));
        }
        let header = header(&jpeg).ok_or_else(|| damaged("it does not say whose it is"))?;
        if header.format > FORMAT {
            return Err(OpenError::Newer { path, format: header.format });
        }
        let checks = [
            ("hub", header.hub == self.hub_of(camera, header.epoch)),
            ("camera", header.camera == camera),
            ("event", header.event == event),
            ("epoch", label.is_none_or(|label| label.epoch == header.epoch)),
        ];
        match checks.into_iter().find(|(_, same)| !same) {
            Some((what, _)) => Err(OpenError::Foreign { path, what }),
            None => Ok(jpeg),
        }
    }
}

/// Removes from a day's folder the pictures of what began before `end`; of a day without footage all.
pub(crate) fn remove(day: &Path, end: Timestamp) {
    let Ok(entries) = std::fs::read_dir(day) else { return };
    let names: Vec<_> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let footage = names.iter().any(|name| SegmentName::parse(name).is_some());
    for name in names {
        if paths::parse_thumbnail(&name).is_some_and(|event| !footage || paths::begun(event) < end) {
            // One that stays is tried again with the next segment.
            let _ = std::fs::remove_file(day.join(name));
        }
    }
}

/// A JPEG with the header as its first comment. `None`: it is none, or too large.
fn labelled(header: &Header, jpeg: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let rest = jpeg.strip_prefix(&START)?;
    let json = serde_json::to_vec(header).ok()?;
    let len = u16::try_from(json.len() + 2).ok()?;
    let labelled = [&START, &COMMENT, &len.to_be_bytes()[..], &json, rest].concat();
    (labelled.len() as u64 <= MAX_BYTES).then(|| labelled.into())
}

/// What a JPEG says in a comment that is its first part.
fn header(jpeg: &[u8]) -> Option<Header> {
    let rest = jpeg.strip_prefix(&START)?.strip_prefix(&COMMENT)?;
    let (len, rest) = rest.split_first_chunk()?;
    let json = rest.get(..usize::from(u16::from_be_bytes(*len)).checked_sub(2)?)?;
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    use base::SimClock;

    use super::*;

    #[test]
    fn a_jpeg_says_whose_it_is_and_stays_a_jpeg() {
        let clock = SimClock::default();
        let (hub, camera) = (HubId::new(&clock), CameraId::new(&clock));
        let (event, epoch) = (EventId::new(&clock), EpochId::new(&clock));
        let says = Header { format: FORMAT, hub, camera, event, epoch };
        let jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 2, 0xff, 0xd9];
        let labelled = labelled(&says, &jpeg).unwrap();
        assert_eq!(header(&labelled), Some(says.clone()));
        assert!(labelled.starts_with(&START) && labelled.ends_with(&jpeg[2..]));
        assert_eq!(super::labelled(&says, b"GIF89a"), None);
        assert_eq!(super::labelled(&says, &[&START[..], &vec![0; MAX_BYTES as usize]].concat()), None);
        assert_eq!(header(&jpeg), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = header(&bytes);
            let _ = header(&[&START[..], &COMMENT, &bytes].concat());
        }
    }
}
