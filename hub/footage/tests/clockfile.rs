//! The clock file: a year of clocks that lie, and every segment under the right day afterwards.

use std::io::Write;
use std::time::Duration;

use base::footage::{SegmentHeader, StreamName, VideoParams};
use base::{BootId, CameraId, Clock, ConnectionId, DiskId, EpochId, HubId, SegmentId, SimClock, TimeSource, Timestamp};
use footage::{ClockFile, ClockMap, Disk};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn disk() -> (tempfile::TempDir, Disk) {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::create(dir.path(), &SimClock::default()).unwrap();
    (dir, disk)
}

fn lines(disk: &Disk) -> usize {
    std::fs::read_to_string(disk.root().join(".keepsight-clock")).unwrap_or_default().lines().count()
}

/// What a writer puts into a segment that begins now.
fn header(clock: &SimClock, boot: BootId) -> SegmentHeader {
    SegmentHeader {
        format: 1,
        hub: HubId::from_bytes([1; 16]),
        camera: CameraId::from_bytes([2; 16]),
        segment: SegmentId::new(clock),
        stream: StreamName::Main,
        epoch: EpochId::from_bytes([3; 16]),
        boot,
        connection: ConnectionId::from_bytes([4; 16]),
        mono_start_ns: clock.mono().0,
        media_start_90k: 0,
        start: clock.wall(),
        time_source: clock.source(),
        video: VideoParams { codec: "avc1.64001f".to_owned(), width: 1920, height: 1080 },
        audio: None,
    }
}

#[test]
fn a_year_of_lying_clocks_and_every_segment_lies_under_the_right_day() {
    let (_dir, disk) = disk();
    // 2028 is a leap year; clocks change in spring and autumn as they do everywhere.
    let first: Timestamp = "2028-01-01T00:00:00Z".parse().unwrap();
    let wrongs = [
        Timestamp::UNIX_EPOCH,
        "2000-01-01T00:00:00Z".parse().unwrap(),
        "2038-01-19T03:14:00Z".parse().unwrap(),
        "2028-02-29T23:59:59Z".parse().unwrap(),
    ];
    let (mut truth, mut all, mut moved) = (first, Vec::new(), 0);
    let mut dice = 7_u64;
    let mut roll = move |below: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % below
    };
    let mut boots = 0;
    while truth < first + Duration::from_secs(366 * DAY) {
        // Power comes, with whatever time the board has.
        boots += 1;
        let mood = roll(4);
        let (wall, source) = match mood {
            0 => (truth, TimeSource::Ntp),
            1 => (wrongs[roll(4) as usize], TimeSource::Unset),
            2 => (truth - Duration::from_secs(roll(40 * DAY)), TimeSource::Rtc),
            _ => (truth + Duration::from_secs(roll(40 * DAY)), TimeSource::Rtc),
        };
        let clock = SimClock::at(wall);
        clock.step_wall(wall, source);
        let boot = BootId::new(&clock);
        let mut file = ClockFile::new(disk.clone());
        let length = HOUR + roll(6 * DAY);
        // A true time comes sooner or later; now and then a time server is wrong for an hour.
        let true_from = roll(length / 600) * 600;
        let wrong_from =
            (true_from + HOUR + 600..length.saturating_sub(2 * HOUR)).contains(&(length / 2)).then_some(length / 2);
        let start = truth;
        let mut at = 0;
        while at < length {
            if at == true_from {
                clock.step_wall(truth, TimeSource::Ntp);
            }
            if let Some(wrong_from) = wrong_from.map(|w| w / 600 * 600) {
                if at == wrong_from {
                    let by = Duration::from_secs(1 + roll(50 * HOUR));
                    let wrong = if roll(2) == 0 { truth + by } else { truth - by };
                    clock.step_wall(wrong, TimeSource::Ntp);
                } else if at == wrong_from + HOUR {
                    clock.step_wall(truth, TimeSource::Ntp);
                }
            }
            file.observe(boot, &clock).unwrap();
            let header = header(&clock, boot);
            moved += usize::from(header.start != truth);
            all.push((header, truth));
            clock.advance(Duration::from_secs(600));
            at += 600;
            truth = start + Duration::from_secs(at);
        }
        truth += Duration::from_secs(roll(8 * HOUR)); // nothing runs: a gap
    }
    let map = ClockMap::read(&disk).unwrap();
    assert!(boots > 80 && moved > 5_000, "{boots} boots, {moved} of {} segments have a wrong name", all.len());
    let mut before = Timestamp::MIN;
    for (header, truth) in &all {
        let found = map.truly(Some(header.stamp()), header.start);
        assert!(found.as_millisecond().abs_diff(truth.as_millisecond()) <= 1, "{found} is {truth}");
        assert!(found > before, "what came later lies later");
        before = found;
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"] {
            let day = |t: Timestamp| t.in_tz(zone).unwrap().date();
            assert_eq!(day(found), day(*truth));
        }
    }
    // One that says something new, and at most one after it that says that the boot lasts.
    assert!(lines(&disk) < 2 * 4 * boots, "{} lines for {boots} boots", lines(&disk));
}

#[test]
fn a_line_is_written_when_the_clock_says_something_new_and_not_before() {
    let (_dir, disk) = disk();
    let (clock, mut file) = (SimClock::default(), ClockFile::new(disk.clone()));
    let boot = BootId::new(&clock);
    assert!(file.observe(boot, &clock).unwrap());
    clock.advance(Duration::from_secs(DAY));
    clock.step_wall(clock.wall() + Duration::from_millis(900), TimeSource::Ntp);
    assert!(!file.observe(boot, &clock).unwrap(), "less than a second");
    clock.step_wall(clock.wall() + Duration::from_millis(200), TimeSource::Ntp);
    assert!(file.observe(boot, &clock).unwrap(), "steps add up");
    clock.step_wall(clock.wall(), TimeSource::Phone);
    assert!(file.observe(boot, &clock).unwrap(), "another source");
    assert_eq!(lines(&disk), 4, "and one that said that the boot lasts");
    assert_eq!(ClockMap::read(&disk).unwrap().latest(), Some(clock.wall()));
}

#[test]
fn how_late_it_was_is_known_to_a_minute_and_takes_one_line() {
    let (_dir, disk) = disk();
    let (clock, mut file) = (SimClock::default(), ClockFile::new(disk.clone()));
    let boot = BootId::new(&clock);
    for _ in 0..500 {
        file.observe(boot, &clock).unwrap();
        let latest = ClockMap::read(&disk).unwrap().latest().unwrap();
        assert!(clock.wall().duration_since(latest) < jiff::SignedDuration::from_secs(60));
        assert_eq!(file.clocks().map().latest(), Some(latest));
        clock.advance(Duration::from_secs(20));
    }
    assert_eq!(lines(&disk), 2);
    // The next boot's line follows.
    ClockFile::new(disk.clone()).observe(BootId::new(&clock), &clock).unwrap();
    assert_eq!(lines(&disk), 3);
}

#[test]
fn who_was_told_the_time_puts_right_how_late_it_is() {
    let (_dir, disk) = disk();
    let (truth, ahead) = ("2026-05-01T00:00:00Z".parse().unwrap(), "2038-01-01T00:00:00Z".parse().unwrap());
    for (wall, source) in [(ahead, TimeSource::Rtc), (truth, TimeSource::Ntp)] {
        let clock = SimClock::at(wall);
        clock.step_wall(wall, source);
        ClockFile::new(disk.clone()).observe(BootId::new(&clock), &clock).unwrap();
        assert_eq!(ClockMap::read(&disk).unwrap().latest(), Some(wall));
    }
}

proptest::proptest! {
    /// Whatever a clock did: what is dated to an instant is among what was written in the spans that are asked for it.
    #[test]
    fn what_is_true_is_found_where_it_was_written(
        boots in proptest::collection::vec(proptest::collection::vec((-40_000_i64..40_000, 0_u8..5, 60_u64..20_000), 1..5), 1..6),
    ) {
        let sources = [TimeSource::Unset, TimeSource::Rtc, TimeSource::Camera, TimeSource::Phone, TimeSource::Ntp];
        let (mut map, mut all, mut truth) = (ClockMap::default(), Vec::new(), 1_767_225_600_i64);
        for boot in boots {
            let clock = SimClock::default();
            let id = BootId::new(&clock);
            for (off_s, source, lasts) in boot {
                clock.step_wall(Timestamp::from_second(truth + off_s).unwrap(), sources[usize::from(source)]);
                map.add(footage::ClockLine::now(id, &clock));
                all.push((header(&clock, id).stamp(), clock.wall()));
                clock.advance(Duration::from_secs(lasts));
                all.push((header(&clock, id).stamp(), clock.wall()));
                truth += lasts as i64;
            }
            truth += 100_000;
        }
        for (stamp, written) in all {
            let at = map.truly(Some(stamp), written);
            let spans = map.written(at, at + Duration::from_millis(1));
            proptest::prop_assert!(spans.iter().any(|(from, to)| *from <= written && written < *to), "{written} {at} {spans:?}");
            proptest::prop_assert!(spans.windows(2).all(|w| w[0].1 < w[1].0));
        }
    }
}

#[test]
fn a_boot_that_nobody_told_the_time_keeps_what_was_written() {
    let (_dir, disk) = disk();
    let clock = SimClock::default();
    clock.step_wall(Timestamp::UNIX_EPOCH, TimeSource::Unset);
    let boot = BootId::new(&clock);
    ClockFile::new(disk.clone()).observe(boot, &clock).unwrap();
    let header = header(&clock, boot);
    let truly = |map: &ClockMap| map.truly(Some(header.stamp()), header.start);
    assert_eq!(truly(&ClockMap::read(&disk).unwrap()), header.start);
    assert_eq!(truly(&ClockMap::default()), header.start);
}

#[test]
fn a_torn_line_is_passed_over_and_the_next_one_stands() {
    let (_dir, disk) = disk();
    let clock = SimClock::default();
    let (one, two) = (BootId::new(&clock), BootId::new(&clock));
    ClockFile::new(disk.clone()).observe(one, &clock).unwrap();
    let path = disk.root().join(".keepsight-clock");
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"boot\":\"0\xff").unwrap();
    ClockFile::new(disk.clone()).observe(two, &clock).unwrap();
    let map = ClockMap::read(&disk).unwrap();
    for boot in [one, two] {
        let mut header = header(&clock, boot);
        header.mono_start_ns = (clock.mono() + Duration::from_secs(5)).0;
        header.start = Timestamp::UNIX_EPOCH;
        assert_eq!(map.truly(Some(header.stamp()), header.start), clock.wall() + Duration::from_secs(5));
    }
}

#[test]
fn nothing_is_written_to_a_disk_that_is_not_the_right_one() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SimClock::default();
    let mut file = ClockFile::new(Disk::expected(dir.path(), DiskId::new(&clock)));
    assert!(file.observe(BootId::new(&clock), &clock).is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
