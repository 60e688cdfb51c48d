//! Where things lie in the footage folder, and what a name there says.

use std::fmt;
use std::path::{Path, PathBuf};

use base::footage::{SegmentInfo, StreamName};
use base::{CameraId, EpochId, EventId, KitId, SegmentId, Timestamp};
use jiff::tz::TimeZone;

/// The name of a segment file: `20260101T120000.000Z-<segment>.main.mp4.age`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentName {
    /// Wall-clock start, whole milliseconds.
    pub start: Timestamp,
    /// Which segment.
    pub segment: SegmentId,
    /// Which stream.
    pub stream: StreamName,
}

impl SegmentName {
    /// The name of a segment's file.
    pub fn of(info: &SegmentInfo) -> Self {
        Self { start: info.start, segment: info.id, stream: info.stream }
    }

    /// The day's folder that it lies in: `2026-01-01`, UTC.
    pub fn day(&self) -> String {
        self.start.strftime("%Y-%m-%d").to_string()
    }

    /// Reads a name. `None` if it is not exactly what [`fmt::Display`] writes.
    pub fn parse(name: &str) -> Option<Self> {
        let (start, rest) = name.split_once('-')?;
        let (segment, rest) = rest.split_once('.')?;
        let stream = match rest {
            "main.mp4.age" => StreamName::Main,
            "sub.mp4.age" => StreamName::Sub,
            _ => return None,
        };
        let start = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S%.3fZ", start).ok()?;
        let start = TimeZone::UTC.to_timestamp(start).ok()?;
        let parsed = Self { start, segment: segment.parse().ok()?, stream };
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.start.strftime("%Y%m%dT%H%M%S%.3fZ");
        write!(f, "{start}-{}.{}.mp4.age", self.segment, self.stream.as_str())
    }
}

/// Is this the name of a day's folder?
pub(crate) fn is_day(name: &str) -> bool {
    name.parse::<jiff::civil::Date>().is_ok_and(|d| d.strftime("%Y-%m-%d").to_string() == name)
}

/// Whose sealed thumbnail has this name; also one that was not written to its end.
pub(crate) fn parse_thumbnail(name: &str) -> Option<EventId> {
    name.strip_suffix(".tmp").unwrap_or(name).strip_suffix(".jpg.age")?.parse().ok()
}

/// When an event began: its id says so.
pub(crate) fn begun(event: EventId) -> Timestamp {
    let ms = event.to_bytes()[..6].iter().fold(0, |ms, byte| ms << 8 | i64::from(*byte));
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

/// An event's sealed thumbnail, in the folder of the day, UTC, on which it began.
pub(crate) fn thumbnail(root: &Path, camera: CameraId, event: EventId) -> PathBuf {
    let day = begun(event).strftime("%Y-%m-%d").to_string();
    camera_dir(root, camera).join(day).join(format!("{event}.jpg.age"))
}

/// Where the daily exports of the store's history lie.
pub(crate) fn export_dir(root: &Path) -> PathBuf {
    root.join(".keepsight-export")
}

pub(crate) fn camera_dir(root: &Path, camera: CameraId) -> PathBuf {
    root.join(camera.to_string())
}

pub(crate) fn keys_dir(root: &Path, camera: CameraId) -> PathBuf {
    camera_dir(root, camera).join("keys")
}

pub(crate) fn key_name(epoch: EpochId, kit: Option<KitId>) -> String {
    match kit {
        None => format!("{epoch}.age"),
        Some(kit) => format!("{epoch}.{kit}.age"),
    }
}

/// Epoch, and kit where it stands in the name, of a key file.
pub(crate) fn parse_key_name(name: &str) -> Option<(EpochId, Option<KitId>)> {
    let name = name.strip_suffix(".age")?;
    match name.split_once('.') {
        None => Some((name.parse().ok()?, None)),
        Some((epoch, kit)) => Some((epoch.parse().ok()?, Some(kit.parse().ok()?))),
    }
}

#[cfg(test)]
mod tests {
    use base::SimClock;

    use super::*;

    fn name() -> SegmentName {
        let start = Timestamp::from_millisecond(1_767_225_600_042).unwrap();
        SegmentName { start, segment: SegmentId::new(&SimClock::default()), stream: StreamName::Main }
    }

    #[test]
    fn a_name_reads_back() {
        let text = name().to_string();
        assert_eq!(text, format!("20260101T000000.042Z-{}.main.mp4.age", name_segment(&text)));
        assert_eq!(SegmentName::parse(&text).unwrap().to_string(), text);
        assert_eq!(SegmentName::parse(&text).unwrap().day(), "2026-01-01");
    }

    fn name_segment(text: &str) -> String {
        SegmentName::parse(text).unwrap().segment.to_string()
    }

    #[test]
    fn what_is_not_exactly_a_name_is_refused() {
        let good = name().to_string();
        for bad in [
            "",
            "-",
            &good.replace(".main", ".third"),
            &good.replace(".042Z", ".42Z"),
            &good.replace(".042Z", "Z"),
            &good.replace("20260101", "20260231"),
            &good.to_uppercase(),
            &format!("{good}.tmp"),
            &format!(" {good}"),
        ] {
            assert_eq!(SegmentName::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_and_key_files_are_told_by_their_names() {
        assert!(is_day("2026-01-31") && !is_day("2026-02-31") && !is_day("keys") && !is_day("2026-1-3"));
        let clock = SimClock::default();
        let (epoch, kit) = (EpochId::new(&clock), KitId::new(&clock));
        for kit in [None, Some(kit)] {
            assert_eq!(parse_key_name(&key_name(epoch, kit)), Some((epoch, kit)));
        }
        assert_eq!(parse_key_name("notes.age"), None);
        let event = EventId::at(name().start);
        assert_eq!(begun(event), name().start);
        let path = thumbnail(Path::new("/f"), CameraId::new(&clock), event);
        assert!(path.parent().unwrap().ends_with("2026-01-01"));
        let file = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(parse_thumbnail(file), Some(event));
        assert_eq!(parse_thumbnail(&format!("{file}.tmp")), Some(event), "cut short");
    }

    proptest::proptest! {
        #[test]
        fn every_instant_of_nine_thousand_years_has_a_name(ms in -62_135_596_800_000_i64..253_402_207_200_000) {
            let name = SegmentName { start: Timestamp::from_millisecond(ms).unwrap(), ..name() };
            proptest::prop_assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn random_names_never_panic(text: String) {
            let _ = (SegmentName::parse(&text), is_day(&text), parse_thumbnail(&text), parse_key_name(&text));
        }
    }
}
