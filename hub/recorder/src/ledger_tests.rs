//! The ledger, report by report. Times are seconds.

use std::sync::Arc;

use base::footage::SegmentDetails;
use base::{Clock, SegmentId, SimClock};

use super::*;

struct Book {
    clock: SimClock,
    camera: CameraId,
    ledger: Ledger,
    /// The gaps as they stand: start, end, reason.
    gaps: Vec<Gap>,
}

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + s).unwrap()
}

impl Book {
    fn new(end: Option<i64>) -> Book {
        let clock = SimClock::default();
        let camera = CameraId::new(&clock);
        let ledger = Ledger::new(Arc::new(clock.clone()), BootId::new(&clock), Clocks::default());
        let mut book = Book { clock, camera, ledger, gaps: Vec::new() };
        book.told(Told::Begun { camera, end: end.map(|s| (at(s), None)), open_gaps: Vec::new() });
        book
    }
    fn take(&mut self, rows: Vec<Row>) {
        for row in rows {
            match row {
                Row::Gap(gap) => {
                    // As in the store: the start is part of the key.
                    self.gaps.retain(|g| (g.id, g.start) != (gap.id, gap.start));
                    self.gaps.push(gap);
                }
                Row::NoGap(gap) => self.gaps.retain(|g| (g.id, g.start) != (gap.id, gap.start)),
                Row::Segment(_) => {}
            }
        }
    }
    fn told(&mut self, told: Told) {
        let rows = self.ledger.told(told);
        self.take(rows);
    }
    fn now(&mut self, s: i64) {
        match Duration::try_from(at(s).duration_since(self.clock.wall())) {
            Ok(passed) => self.clock.advance(passed),
            Err(_) => self.clock.step_wall(at(s), base::TimeSource::Ntp), // set back
        }
    }
    fn lost(&mut self, s: i64, connection: Option<ConnectionId>, reason: GapReason) {
        self.now(s);
        self.told(Told::Lost { camera: self.camera, connection, reason });
    }
    fn segment(&self, start: i64, end: i64, connection: ConnectionId) -> SegmentInfo {
        SegmentInfo {
            camera: self.camera,
            id: SegmentId::new(&self.clock),
            stream: StreamName::Main,
            epoch: None,
            media: Some((connection, 0)),
            stamp: None,
            start: at(start),
            end: at(end),
            bytes: 0,
            video: None,
            audio: None,
            fingerprint: None,
            details: SegmentDetails::Closed,
        }
    }
    fn kept(&mut self, kept: Kept) {
        let rows = self.ledger.kept(&kept);
        self.take(rows);
    }
    fn connection(&self) -> ConnectionId {
        ConnectionId::new(&self.clock)
    }
    fn dropped(&mut self, from: i64, to: i64) {
        let (camera, stream) = (self.camera, StreamName::Main);
        self.kept(Kept::Dropped { camera, stream, from: at(from), to: at(to), reason: GapReason::DiskError });
    }
    /// (start, end, reason), by start.
    fn gaps(&self) -> Vec<(i64, Option<i64>, GapReason)> {
        let s = |t: Timestamp| t.as_second() - 1_767_225_600;
        let mut gaps: Vec<_> = self.gaps.iter().map(|g| (s(g.start), g.end.map(s), g.reason)).collect();
        gaps.sort_by_key(|g| g.0);
        gaps
    }
}

#[test]
fn a_restart_is_a_gap_from_the_last_picture_to_the_first() {
    let mut book = Book::new(Some(10));
    assert_eq!(book.gaps(), [(10, None, GapReason::HubDown)]);
    let c = book.connection();
    book.kept(Kept::Opened(book.segment(25, 25, c)));
    assert_eq!(book.gaps(), [(10, Some(25), GapReason::HubDown)]);
}

#[test]
fn a_hub_that_starts_without_its_disk_was_down_and_then_without_a_disk() {
    let mut book = Book::new(Some(10));
    let (camera, stream) = (book.camera, StreamName::Main);
    let mut missing = |from, to| {
        let reason = GapReason::DiskMissing;
        book.kept(Kept::Dropped { camera, stream, from: at(from), to: at(to), reason });
    };
    missing(20, 30);
    missing(30, 35);
    let c = book.connection();
    book.kept(Kept::Opened(book.segment(35, 35, c)));
    assert_eq!(book.gaps(), [(10, Some(20), GapReason::HubDown), (20, Some(35), GapReason::DiskMissing)]);
}

#[test]
fn a_camera_that_is_gone_after_a_restart_is_the_second_reason() {
    let mut book = Book::new(Some(10));
    book.lost(20, None, GapReason::CameraLost);
    book.lost(30, None, GapReason::CameraLost);
    let c = book.connection();
    book.kept(Kept::Opened(book.segment(40, 40, c)));
    assert_eq!(book.gaps(), [(10, Some(20), GapReason::HubDown), (20, Some(40), GapReason::CameraLost)]);
}

#[test]
fn a_lost_camera_is_a_gap_from_where_its_segment_closed_in_whichever_order_it_is_said() {
    for closed_first in [true, false] {
        let mut book = Book::new(None);
        let (first, second) = (book.connection(), book.connection());
        book.kept(Kept::Opened(book.segment(0, 0, first)));
        let closed = Kept::Closed(book.segment(0, 50, first));
        if closed_first {
            book.kept(closed);
            book.lost(55, Some(first), GapReason::CameraStalled);
        } else {
            book.lost(55, Some(first), GapReason::CameraStalled);
            book.kept(closed);
        }
        assert_eq!(book.gaps(), [(50, None, GapReason::CameraStalled)]);
        book.lost(60, None, GapReason::CameraLost);
        book.kept(Kept::Opened(book.segment(70, 70, second)));
        assert_eq!(book.gaps(), [(50, Some(70), GapReason::CameraStalled)]);
    }
}

#[test]
fn the_next_try_fails_before_the_segment_is_closed_and_that_is_not_why_it_ended() {
    let ended = |next: GapReason| {
        let mut book = Book::new(None);
        let (first, second) = (book.connection(), book.connection());
        book.kept(Kept::Opened(book.segment(0, 0, first)));
        book.lost(8, Some(first), GapReason::CameraStalled);
        book.lost(9, Some(second), next);
        book.lost(10, Some(second), GapReason::CameraLost);
        book.kept(Kept::Closed(book.segment(0, 5, first)));
        book.gaps()
    };
    assert_eq!(ended(GapReason::CameraLost), [(5, None, GapReason::CameraStalled)]);
    // But for a refusal, which says why.
    assert_eq!(ended(GapReason::CameraUnauthorised), [(5, None, GapReason::CameraUnauthorised)]);
    assert_eq!(ended(GapReason::Paused), [(5, None, GapReason::Paused)]);
}

#[test]
fn word_of_a_loss_that_comes_before_its_segment_was_reported_is_not_forgotten() {
    let mut book = Book::new(None);
    let c = book.connection();
    book.lost(5, Some(c), GapReason::CameraLost);
    book.kept(Kept::Opened(book.segment(0, 0, c)));
    book.kept(Kept::Closed(book.segment(0, 4, c)));
    assert_eq!(book.gaps(), [(4, None, GapReason::CameraLost)]);
}

#[test]
fn a_hole_that_nobody_announced_is_a_gap() {
    let mut book = Book::new(None);
    let (first, second) = (book.connection(), book.connection());
    book.kept(Kept::Opened(book.segment(0, 0, first)));
    book.kept(Kept::Closed(book.segment(0, 50, first)));
    book.kept(Kept::Opened(book.segment(53, 53, first)));
    book.kept(Kept::Closed(book.segment(53, 60, first)));
    book.kept(Kept::Opened(book.segment(60, 60, first)));
    book.kept(Kept::Closed(book.segment(60, 70, first)));
    book.kept(Kept::Opened(book.segment(75, 75, second)));
    assert_eq!(book.gaps(), [(50, Some(53), GapReason::CameraStalled), (70, Some(75), GapReason::CameraLost)]);
}

#[test]
fn a_pause_is_its_own_reason_and_ends_another() {
    let mut book = Book::new(None);
    let (first, second) = (book.connection(), book.connection());
    book.kept(Kept::Opened(book.segment(0, 0, first)));
    book.lost(10, Some(first), GapReason::CameraLost);
    book.kept(Kept::Closed(book.segment(0, 10, first)));
    book.lost(20, Some(first), GapReason::Paused);
    book.lost(30, None, GapReason::CameraLost);
    book.kept(Kept::Opened(book.segment(40, 40, second)));
    assert_eq!(
        book.gaps(),
        [
            (10, Some(20), GapReason::CameraLost),
            (20, Some(30), GapReason::Paused),
            (30, Some(40), GapReason::CameraLost)
        ]
    );
}

#[test]
fn a_refusal_right_after_the_loss_is_its_reason_and_a_later_one_is_a_gap_of_its_own() {
    let refused = |after: i64| {
        let mut book = Book::new(None);
        let c = book.connection();
        book.kept(Kept::Opened(book.segment(0, 0, c)));
        book.lost(10, Some(c), GapReason::CameraLost);
        book.kept(Kept::Closed(book.segment(0, 10, c)));
        book.lost(10 + after, None, GapReason::CameraUnauthorised);
        book.lost(80, None, GapReason::CameraLost);
        book.gaps()
    };
    assert_eq!(refused(1), [(10, None, GapReason::CameraUnauthorised)]);
    assert_eq!(refused(30), [(10, Some(40), GapReason::CameraLost), (40, None, GapReason::CameraUnauthorised)]);
}

#[test]
fn dropped_pictures_grow_one_gap_and_what_comes_after_begins_behind_it() {
    let mut book = Book::new(None);
    let c = book.connection();
    book.kept(Kept::Opened(book.segment(0, 0, c)));
    book.kept(Kept::Closed(book.segment(0, 10, c)));
    for s in (10..100).step_by(10) {
        book.dropped(s, s + 10);
    }
    book.lost(105, Some(c), GapReason::CameraLost);
    assert_eq!(book.gaps(), [(10, Some(100), GapReason::DiskError), (100, None, GapReason::CameraLost)]);
}

#[test]
fn looking_into_a_cut_segment_moves_the_gap_behind_it_and_the_gap_still_ends() {
    let mut book = Book::new(Some(12));
    let (c, cut) = (book.connection(), book.connection());
    let before = book.segment(0, 12, cut);
    let after = SegmentInfo { end: at(9), ..before.clone() };
    let gaps = book.gaps.clone();
    book.told(Told::Corrected { before, after, gaps });
    assert_eq!(book.gaps(), [(9, None, GapReason::HubDown)]);
    book.kept(Kept::Opened(book.segment(20, 20, c)));
    assert_eq!(book.gaps(), [(9, Some(20), GapReason::HubDown)]);
}

#[test]
fn gaps_whose_end_was_lost_in_a_crash_end_where_recording_went_on() {
    let mut book = Book::new(None);
    let gap = |start: i64, reason| Gap {
        id: GapId::new(&book.clock),
        camera: book.camera,
        stream: StreamName::Main,
        start: at(start),
        end: None,
        reason,
        start_stamp: None,
        end_stamp: None,
    };
    let (first, second) = (gap(10, GapReason::HubDown), gap(30, GapReason::CameraLost));
    let third = gap(60, GapReason::CameraStalled);
    book.gaps = vec![first.clone(), second.clone(), third.clone()];
    let open_gaps = vec![(first, Some((at(20), None))), (second, Some((at(40), None))), (third, None)];
    let camera = book.camera;
    book.told(Told::Begun { camera, end: Some((at(60), None)), open_gaps });
    assert_eq!(
        book.gaps(),
        [
            (10, Some(20), GapReason::HubDown),
            (30, Some(40), GapReason::CameraLost),
            (60, None, GapReason::CameraStalled)
        ]
    );
    let c = book.connection();
    book.kept(Kept::Opened(book.segment(70, 70, c)));
    assert_eq!(book.gaps()[2], (60, Some(70), GapReason::CameraStalled));
}

#[test]
fn a_segment_that_is_found_is_taken_out_of_the_gap_around_it() {
    let mut book = Book::new(Some(10));
    let c = book.connection();
    let found = book.segment(20, 30, c);
    let gaps = book.gaps.clone();
    book.told(Told::Found { segment: found, gaps });
    assert_eq!(book.gaps(), [(10, Some(20), GapReason::HubDown), (30, None, GapReason::HubDown)]);
    book.kept(Kept::Opened(book.segment(40, 40, c)));
    assert_eq!(book.gaps(), [(10, Some(20), GapReason::HubDown), (30, Some(40), GapReason::HubDown)]);
    // And out of one that has ended.
    let (found, gaps) = (book.segment(30, 40, c), book.gaps.clone());
    book.told(Told::Found { segment: found, gaps });
    assert_eq!(book.gaps(), [(10, Some(20), GapReason::HubDown)]);
}

#[test]
fn a_gap_during_which_the_clock_is_set_back_is_as_long_as_it_lasted() {
    let mut book = Book::new(None);
    let (first, second) = (book.connection(), book.connection());
    book.kept(Kept::Opened(book.segment(0, 0, first)));
    book.kept(Kept::Closed(book.segment(0, 5_000, first)));
    book.lost(5_000, Some(first), GapReason::CameraLost);
    book.clock.advance(std::time::Duration::from_secs(30));
    book.now(1_000);
    book.kept(Kept::Opened(book.segment(1_000, 1_000, second)));
    assert_eq!(book.gaps(), [(970, Some(1_000), GapReason::CameraLost)]);
}

#[test]
fn each_gap_that_ends_is_counted_once_with_its_length() {
    let mut book = Book::new(None);
    let (first, second) = (book.connection(), book.connection());
    book.kept(Kept::Opened(book.segment(0, 0, first)));
    book.kept(Kept::Closed(book.segment(0, 10, first)));
    book.lost(11, Some(first), GapReason::CameraLost);
    assert_eq!(book.ledger.ended(), [], "it lasts");
    book.kept(Kept::Opened(book.segment(17, 17, second)));
    let length = |reason, new, s| Length { camera: book.camera, reason, new, length: Duration::from_secs(s) };
    let (lost, dropped) = (length(GapReason::CameraLost, true, 7), length(GapReason::DiskError, true, 5));
    let more = length(GapReason::DiskError, false, 3);
    assert_eq!(book.ledger.ended(), [lost]);
    book.kept(Kept::Closed(book.segment(17, 20, second)));
    book.dropped(20, 25);
    book.dropped(25, 28);
    assert_eq!(book.ledger.ended(), [dropped, more]);
    // So short that it is none.
    book.lost(28, Some(second), GapReason::CameraLost);
    book.kept(Kept::Opened(book.segment(28, 28, first)));
    assert_eq!(book.ledger.ended(), []);
}

#[test]
fn a_removed_camera_misses_nothing_any_more() {
    let mut book = Book::new(Some(10));
    book.now(30);
    book.told(Told::Removed { camera: book.camera });
    assert_eq!(book.gaps(), [(10, Some(30), GapReason::HubDown)]);
}

proptest::proptest! {
    /// Whatever the order: no two gaps of a camera overlap, and at most one lasts.
    #[test]
    fn gaps_never_overlap(steps in proptest::collection::vec(0u8..4, 1..60)) {
        let mut book = Book::new(Some(0));
        let (mut s, mut c, mut open) = (1, book.connection(), None);
        for step in steps {
            s += 3;
            book.now(s);
            match (step, open) {
                (0, None) => { c = book.connection(); book.kept(Kept::Opened(book.segment(s, s, c))); open = Some(s); }
                (1, Some(start)) => { book.kept(Kept::Closed(book.segment(start, s - 2, c))); open = None; }
                (2, _) => book.lost(s, Some(c), GapReason::CameraLost),
                (3, None) => book.lost(s, Some(c), GapReason::Paused),
                _ => {}
            }
        }
        let gaps = book.gaps();
        for pair in gaps.windows(2) {
            proptest::prop_assert!(pair[0].1.is_some_and(|end| end <= pair[1].0), "{:?}", gaps);
        }
        proptest::prop_assert!(gaps.iter().filter(|g| g.1.is_none()).count() <= 1);
    }
}
