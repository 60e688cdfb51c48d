//! The policy by properties, and a month of eight cameras on a simulated disk.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use base::footage::SegmentDetails;
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

fn camera(n: u8) -> CameraId {
    CameraId::from_bytes([n; 16])
}

fn segment(n: u64, of: u8, start: i64, seconds: i64, bytes: u64) -> SegmentInfo {
    SegmentInfo {
        camera: camera(of),
        id: SegmentId::from_bytes(u128::from(n).to_be_bytes()),
        stream: StreamName::Main,
        epoch: None,
        media: None,
        stamp: None,
        start: at(start),
        end: at(start + seconds),
        bytes,
        video: None,
        audio: None,
        fingerprint: None,
        details: SegmentDetails::Closed,
    }
}

fn key(s: &SegmentInfo) -> (Timestamp, SegmentId) {
    (s.start, s.id)
}

prop_compose! {
    fn segments()(all in prop::collection::vec((0u8..4, 0i64..5_000, 1i64..70, 0u64..100_000, prop::bool::weighted(0.1)), 0..80))
        -> Vec<SegmentInfo>
    {
        let made = all.into_iter().enumerate().map(|(n, (of, start, seconds, bytes, open))| {
            let segment = segment(n as u64, of, start, seconds, bytes);
            SegmentInfo { details: if open { SegmentDetails::Open } else { SegmentDetails::Closed }, ..segment }
        });
        let mut made: Vec<_> = made.collect();
        made.sort_by_key(key);
        made
    }
}

prop_compose! {
    fn spans()(all in prop::collection::vec((0u8..4, 0i64..5_000, 1i64..1_000), 0..4)) -> Vec<ProtectedSpan> {
        all.into_iter().map(|(of, from, s)| ProtectedSpan { camera: camera(of), from: at(from), to: at(from + s), by_rule: false }).collect()
    }
}

prop_compose! {
    fn wants()(free_up in 0u64..3_000_000, over in prop::collection::hash_map(0u8..4, 1u64..1_000_000, 0..3),
        cutoffs in prop::collection::hash_map(0u8..4, 0i64..3_000, 0..3), cutoff in prop::option::of(0i64..2_000)) -> Wanted
    {
        Wanted {
            free_up,
            over: over.into_iter().map(|(c, b)| (camera(c), b)).collect(),
            cutoffs: cutoffs.into_iter().map(|(c, s)| (camera(c), at(s))).collect(),
            cutoff: cutoff.map(at),
        }
    }
}

fn chosen(all: &[SegmentInfo], protected: &[ProtectedSpan], wanted: Wanted) -> Vec<SegmentInfo> {
    choose(all.iter().cloned().map(Ok::<_, Infallible>), protected, wanted, usize::MAX).unwrap()
}

fn guarded(s: &SegmentInfo, protected: &[ProtectedSpan]) -> bool {
    protected.iter().any(|p| p.camera == s.camera && p.from <= s.end && p.to > s.start)
}

fn sum<'a>(all: impl IntoIterator<Item = &'a SegmentInfo>) -> u64 {
    all.into_iter().map(|s| occupies(s.bytes)).sum()
}

proptest! {
    #[test]
    fn room_for_all_comes_from_the_oldest_and_what_is_protected_goes_last(all in segments(), protected in spans(), free_up in 0u64..4_000_000) {
        let go = chosen(&all, &protected, Wanted { free_up, ..Wanted::default() });
        let gone: BTreeSet<_> = go.iter().map(key).collect();
        prop_assert_eq!(gone.len(), go.len());
        prop_assert!(go.iter().all(|s| s.details != SegmentDetails::Open));
        // All that is wanted, or all there is.
        let may_go: Vec<_> = all.iter().filter(|s| s.details != SegmentDetails::Open).collect();
        prop_assert!(sum(&go) >= free_up || go.len() == may_go.len());
        // Not one more than needed.
        if let Some((_, but_last)) = go.split_last() {
            prop_assert!(sum(but_last) < free_up);
        }
        let (protected, gone) = (&protected, &gone);
        let of = |guard: bool| may_go.iter().filter(move |s| guarded(s, protected) == guard).map(|s| gone.contains(&key(s)));
        // Oldest first: among the free ones, and then among the protected ones, what goes stands before what stays.
        for guard in [false, true] {
            prop_assert!(of(guard).skip_while(|gone| *gone).all(|gone| !gone));
        }
        prop_assert!(!of(true).any(|gone| gone) || of(false).all(|gone| gone), "protected only when nothing else is left");
    }

    #[test]
    fn every_limit_is_met_as_far_as_it_can_be_and_nothing_goes_without_a_reason(all in segments(), protected in spans(), wanted in wants()) {
        let go = chosen(&all, &protected, wanted.clone());
        let gone: BTreeSet<_> = go.iter().map(key).collect();
        let stays: Vec<_> = all.iter().filter(|s| !gone.contains(&key(s)) && s.details != SegmentDetails::Open).collect();
        let free: Vec<_> = stays.iter().filter(|s| !guarded(s, &protected)).collect();
        for s in &free {
            let cutoff = wanted.cutoffs.get(&s.camera).copied().max(wanted.cutoff);
            prop_assert!(cutoff.is_none_or(|c| s.end >= c), "too old and still there");
        }
        for (camera, over) in &wanted.over {
            let given = sum(go.iter().filter(|s| s.camera == *camera));
            prop_assert!(given >= *over || free.iter().all(|s| s.camera != *camera));
        }
        if wanted.free_up == 0 {
            prop_assert!(go.iter().all(|s| !guarded(s, &protected)), "a limit of one camera takes nothing protected");
            let reason = |s: &SegmentInfo| wanted.over.contains_key(&s.camera)
                || wanted.cutoffs.get(&s.camera).copied().max(wanted.cutoff).is_some_and(|c| s.end < c);
            prop_assert!(go.iter().all(reason));
        }
        let all_over: u64 = wanted.over.values().sum();
        prop_assert!(sum(&go) >= wanted.free_up.saturating_sub(all_over) || stays.is_empty());
    }

    #[test]
    fn no_more_than_a_batch_is_chosen(all in segments(), protected in spans(), wanted in wants(), most in 0usize..10) {
        let go = choose(all.iter().cloned().map(Ok::<_, Infallible>), &protected, wanted, most).unwrap();
        prop_assert!(go.len() <= most);
    }
}

/// A disk with nothing but footage and what others put there.
struct SimDisk {
    total: u64,
    others: Cell<u64>,
    /// Of segments that are being written.
    open: Cell<u64>,
    closed: Cell<u64>,
    segments: RefCell<BTreeMap<(Timestamp, SegmentId), SegmentInfo>>,
    protected: Vec<ProtectedSpan>,
    limits: Vec<(Option<CameraId>, KeepLimit)>,
    /// Removed although something older was there that is not protected.
    out_of_order: Cell<usize>,
}

impl SimDisk {
    fn new(total: u64) -> Self {
        Self {
            total,
            others: Cell::default(),
            open: Cell::default(),
            closed: Cell::default(),
            segments: RefCell::default(),
            protected: Vec::new(),
            limits: Vec::new(),
            out_of_order: Cell::default(),
        }
    }
    fn used(&self) -> u64 {
        self.open.get() + self.closed.get()
    }
    fn free(&self) -> u64 {
        self.total - self.used() - self.others.get()
    }
}

impl Shelf for SimDisk {
    fn facts(&self) -> Result<DiskFacts, SpaceError> {
        Ok(DiskFacts { total: self.total, free: self.free(), device: 1, mount_point: true, read_only: false })
    }
    fn oldest_first(&self) -> Result<impl Iterator<Item = Result<SegmentInfo, SpaceError>>, SpaceError> {
        let mut after = (Timestamp::MIN, SegmentId::from_bytes([0; 16]));
        Ok(std::iter::from_fn(move || {
            let segments = self.segments.borrow();
            let bounds = (std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded);
            let (next, found) = segments.range(bounds).next()?;
            after = *next;
            Some(Ok(found.clone()))
        }))
    }
    fn protected(&self) -> Result<Vec<ProtectedSpan>, SpaceError> {
        Ok(self.protected.clone())
    }
    fn limits(&self) -> Result<Vec<(Option<CameraId>, KeepLimit)>, SpaceError> {
        Ok(self.limits.clone())
    }
    fn remove(&self, segment: &SegmentInfo) -> Result<(), SpaceError> {
        let mut segments = self.segments.borrow_mut();
        let oldest = segments.values().find(|s| !guarded(s, &self.protected)).map(key);
        if oldest != Some(key(segment)) {
            self.out_of_order.set(self.out_of_order.get() + 1);
        }
        segments.remove(&key(segment)).expect("only what is there is removed");
        self.closed.set(self.closed.get() - occupies(segment.bytes));
        Ok(())
    }
}

const CAMERAS: u8 = 8;
const DAY: i64 = 86_400;

/// Records for some seconds, a look each second, and checks the disk after every write.
fn record(disk: &SimDisk, space: &Space, room: &mut Quartermaster, seconds: std::ops::Range<i64>, rate: u64) {
    let budget = room.budget.unwrap_or(u64::MAX);
    let id = |of: u8, minute: i64| SegmentId::from_bytes((((minute as u128) << 8) | u128::from(of)).to_be_bytes());
    for second in seconds {
        let full = room.look(space, disk, at(second), second % 5 == 0).unwrap();
        assert!(!full, "second {second}: there is always something that may go");
        for of in 0..CAMERAS {
            // Cameras rotate at different seconds.
            let (minute, within) = ((second + i64::from(of) * 7) / 60, (second + i64::from(of) * 7) % 60);
            let start = second - within;
            if start < 0 {
                continue; // it begins with a whole segment
            }
            let before = occupies(within as u64 * rate) * u64::from(within != 0);
            let bytes = (within as u64 + 1) * rate;
            disk.open.set(disk.open.get() + occupies(bytes) - before);
            let (camera, id) = (camera(of), id(of, minute));
            if within < 59 {
                space.lock().grown(camera, id, bytes);
            } else {
                let done = SegmentInfo { camera, id, ..segment(0, of, start, 60, bytes) };
                disk.open.set(disk.open.get() - occupies(bytes));
                disk.closed.set(disk.closed.get() + occupies(bytes));
                disk.segments.borrow_mut().insert(key(&done), done.clone());
                space.lock().closed(&done);
            }
            assert!(disk.used() <= budget, "second {second}: {} bytes of {budget}", disk.used());
            assert!(disk.free() >= room.reserve, "second {second}: {} bytes are free", disk.free());
        }
    }
}

#[test]
fn thirty_days_of_eight_cameras_stay_within_the_budget_oldest_first() {
    let mut disk = SimDisk::new(40_000_000_000);
    let protect = |of, from, s| ProtectedSpan { camera: camera(of), from: at(from), to: at(from + s), by_rule: false };
    disk.protected = vec![protect(2, 3_600, 600), protect(5, 10 * DAY, 300), protect(0, 20 * DAY + 7, 60)];
    let space = Space::new();
    let mut room = Quartermaster::new(1 << 30, Some(30_000_000_000));
    let mut first = 0;
    for day in 0..30 {
        // Somebody else puts 8 GB on the disk for some days, slowly: the reserve counts, the budget alone does not help.
        record(&disk, &space, &mut room, day * DAY..day * DAY + 3_600, 40_000);
        match day {
            8..12 => (0..2_000).for_each(|s| {
                disk.others.set(disk.others.get() + 1_000_000);
                let from = day * DAY + 3_600 + s;
                record(&disk, &space, &mut room, from..from + 1, 40_000);
            }),
            _ => record(&disk, &space, &mut room, day * DAY + 3_600..day * DAY + 5_600, 40_000),
        }
        record(&disk, &space, &mut room, day * DAY + 5_600..(day + 1) * DAY, 40_000);
        if day == 16 {
            disk.others.set(0);
        }
        if day == 3 {
            first = resident();
        }
    }
    let (last, removed) = (resident(), space.status().removed);
    assert!(removed > 300_000, "{removed}");
    assert_eq!(disk.out_of_order.get(), 0);
    let segments = disk.segments.borrow();
    let kept = segments.values().filter(|s| guarded(s, &disk.protected)).count();
    assert!(kept >= 16, "{kept} protected segments are there");
    assert_eq!(space.lock().all(), disk.used(), "the account is the disk's");
    assert!(disk.used() > 29_000_000_000, "and the budget is used");
    assert!(last.abs_diff(first) < 10 << 20, "resident memory went from {first} to {last}");
}

#[test]
fn a_camera_keeps_to_its_own_limits_and_what_is_protected_stays_beyond_them() {
    let mut disk = SimDisk::new(100_000_000_000);
    let limit = |bytes, age_s| KeepLimit { bytes, age_s };
    disk.limits = vec![
        (Some(camera(1)), limit(Some(50_000_000), None)),
        (Some(camera(2)), limit(None, Some(600))),
        (None, limit(None, Some(3_600))),
    ];
    disk.protected = vec![ProtectedSpan { camera: camera(2), from: at(70), to: at(100), by_rule: false }];
    let space = Space::new();
    let mut room = Quartermaster::new(0, None);
    record(&disk, &space, &mut room, 0..2 * 3_600, 40_000);
    let segments = disk.segments.borrow();
    let of = |n| segments.values().filter(move |s| s.camera == camera(n));
    let bytes = sum(of(1));
    assert!((40_000_000..=50_000_000).contains(&bytes), "{bytes}");
    assert!(of(2).filter(|s| !guarded(s, &disk.protected)).all(|s| s.end >= at(7_200 - 605)));
    assert!(of(2).any(|s| guarded(s, &disk.protected)));
    assert!(of(3).all(|s| s.end >= at(3_600 - 5)) && of(3).count() >= 59);
}

#[test]
fn a_disk_without_anything_that_may_go_is_full_until_there_is_room_for_a_while() {
    let disk = SimDisk::new(1 << 30);
    let space = Space::new();
    let mut room = Quartermaster::new(100 << 20, None);
    let mut look = || room.look(&space, &disk, at(0), true).unwrap();
    assert!(!look());
    disk.others.set((1 << 30) - (99 << 20));
    assert!(look());
    assert!(matches!(space.status().health, Health::Degraded { reason: Reason::DiskFull, .. }));
    disk.others.set((1 << 30) - (101 << 20));
    assert!(look(), "one more picture and it would be full again");
    disk.others.set((1 << 30) - (105 << 20));
    assert!(!look());
    assert_eq!(space.status().health, Health::Ok);
}

/// Resident memory of this process, bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[test]
fn an_age_that_reaches_before_all_time_is_no_limit() {
    assert_eq!(before(at(0), u64::MAX), None);
    assert_eq!(before(at(100), 40), Some(at(60)));
}
