//! True time: what the clocks of every boot showed, and what they should have shown.
//!
//! A boot has one true offset between wall-clock and monotonic time: that of its last line with its best source. What was
//! dated while its clock showed something else is off by the difference, the same for all of it. So a boot is a few
//! *stretches*, each with a shift; and what lies in a span of true time is found at a span of written time per stretch.

use std::collections::HashMap;

use base::footage::SegmentInfo;
use base::{BootId, Mono, Stamp, TimeSource, Timestamp};
use jiff::SignedDuration;

use crate::clockfile::ClockLine;

/// The clock file is a few seconds behind the clock, and a segment's start behind its file's: by no more than this.
const SLACK: SignedDuration = SignedDuration::from_mins(2);
/// Written times of one stretch differ by a camera's drift, and by what is no step yet.
const NEAR_MS: i64 = 1_500;

/// What every boot's clock showed.
#[derive(Debug, Clone, Default)]
pub struct ClockMap {
    boots: Vec<Boot>,
    places: HashMap<BootId, usize>,
}

/// In the order they were.
#[derive(Debug, Clone)]
struct Boot {
    /// Those that say something new.
    lines: Vec<ClockLine>,
    best: ClockLine,
    last: Mono,
}

/// A part of a boot in which the clock was off by the same.
struct Stretch {
    /// In true time.
    from: Timestamp,
    to: Timestamp,
    /// True minus written time.
    shift: SignedDuration,
}

/// A segment and when it truly was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// As the index has it, by which its file is found.
    pub row: SegmentInfo,
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
}

impl Dated {
    /// A true time as the segment's own row and file have it.
    pub fn written(&self, at: Timestamp) -> Timestamp {
        later(at, self.row.start.duration_since(self.start))
    }
    /// True time of a time in its row or file.
    pub fn truly(&self, written: Timestamp) -> Timestamp {
        later(written, self.start.duration_since(self.row.start))
    }
}

impl ClockMap {
    /// A line that follows those before.
    pub fn add(&mut self, line: ClockLine) {
        let place = *self.places.entry(line.boot).or_insert(self.boots.len());
        let Some(boot) = self.boots.get_mut(place) else {
            self.boots.push(Boot { lines: vec![line], best: line, last: Mono(line.mono_ns) });
            return;
        };
        if boot.lines.last().is_none_or(|last| line.differs(last)) {
            boot.lines.push(line);
        }
        if rank(line.source) >= rank(boot.best.source) {
            boot.best = line;
        }
        boot.last = boot.last.max(Mono(line.mono_ns));
    }

    /// The true time of an instant; `None` if its boot never knew it.
    pub fn instant(&self, stamp: Stamp) -> Option<Timestamp> {
        let boot = self.boot(stamp.boot)?;
        boot.knows().then(|| boot.best.wall(stamp.mono))
    }

    /// The true time of an instant that was written down as `written`: by its boot's true offset, else as written.
    pub fn truly(&self, stamp: Option<Stamp>, written: Timestamp) -> Timestamp {
        let Some((stamp, boot)) = stamp.and_then(|s| Some((s, self.boot(s.boot)?))) else { return written };
        if !boot.knows() {
            return written;
        }
        // By the stretch it belongs to: what joined up when it was written joins up still.
        let offset = written.as_millisecond() - ms(stamp.mono);
        let off_by = |line: &&ClockLine| line.offset_ms.abs_diff(offset);
        match boot.lines.iter().min_by_key(off_by).filter(|line| off_by(line) <= NEAR_MS.unsigned_abs()) {
            Some(line) => later(written, boot.shift(line)),
            None => boot.best.wall(stamp.mono),
        }
    }

    /// When a segment truly was.
    pub fn dated(&self, row: SegmentInfo) -> Dated {
        let start = self.truly(row.stamp, row.start);
        let end = later(row.end, start.duration_since(row.start));
        Dated { row, start, end }
    }

    /// The spans of written time in which is all that truly was in `from..to`, in order, apart from each other. What they
    /// hold may truly have been elsewhere.
    pub fn written(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
        let (from, to) = (later(from, -SLACK), later(to, SLACK));
        let elsewhere = self.stretches().filter(|s| !s.shift.is_zero() && s.from < to && s.to > from);
        let mut spans: Vec<_> =
            elsewhere.map(|s| (later(s.from.max(from), -s.shift), later(s.to.min(to), -s.shift))).collect();
        spans.push((from, to));
        spans.sort_unstable();
        spans.dedup_by(|next, last| {
            let joined = next.0 <= last.1;
            last.1 = if joined { last.1.max(next.1) } else { last.1 };
            joined
        });
        spans
    }

    /// Every boot, the last one first, and the spans of written time in which it can have written anything.
    pub fn boots_back(&self) -> impl Iterator<Item = (BootId, Vec<(Timestamp, Timestamp)>)> + '_ {
        self.boots.iter().rev().map(|boot| {
            let spans = boot.lines.iter().enumerate().map(|(i, line)| {
                let to = boot.lines.get(i + 1).map_or(Timestamp::MAX, |next| line.wall(Mono(next.mono_ns)));
                (later(line.wall(Mono(line.mono_ns)), -SLACK), later(to, SLACK))
            });
            (boot.best.boot, spans.collect())
        })
    }

    /// Where the stretches end, in written time, that began before a true time; the last one first.
    pub fn ends_back(&self, before: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let begun: Vec<_> = self.stretches().filter(|s| s.from < before).collect();
        begun.into_iter().rev().map(|s| later(s.to, -s.shift))
    }

    /// The latest time that was known to be so: a clock that shows an earlier one is wrong.
    pub fn latest(&self) -> Option<Timestamp> {
        self.boots.iter().fold(None, |latest, boot| {
            let at = Some(boot.best.wall(boot.last));
            // Who was told the time puts right what was only believed before.
            if rank(boot.best.source) >= rank(TimeSource::Camera) { at } else { latest.max(at) }
        })
    }

    fn boot(&self, id: BootId) -> Option<&Boot> {
        self.boots.get(*self.places.get(&id)?)
    }

    fn stretches(&self) -> impl Iterator<Item = Stretch> + '_ {
        self.boots.iter().enumerate().flat_map(|(n, boot)| {
            let begins = |boot: &Boot| boot.lines.first().map(|line| boot.true_wall(line, line.mono_ns));
            // A boot is over when the next one that knew the time began.
            let next = self.boots[n + 1..].iter().find(|next| next.knows()).and_then(begins);
            let over = next.filter(|next| begins(boot).is_some_and(|begun| begun < *next)).unwrap_or(Timestamp::MAX);
            boot.lines.iter().enumerate().map(move |(i, line)| Stretch {
                from: later(boot.true_wall(line, line.mono_ns), -SLACK),
                to: later(boot.lines.get(i + 1).map_or(over, |next| boot.true_wall(line, next.mono_ns)), SLACK),
                shift: boot.shift(line),
            })
        })
    }
}

impl Boot {
    /// Somebody or something told it the time.
    fn knows(&self) -> bool {
        rank(self.best.source) > 0
    }
    fn shift(&self, line: &ClockLine) -> SignedDuration {
        let by_ms = self.best.offset_ms.saturating_sub(line.offset_ms);
        if self.knows() { SignedDuration::from_millis(by_ms) } else { SignedDuration::ZERO }
    }
    fn true_wall(&self, line: &ClockLine, mono_ns: u64) -> Timestamp {
        if self.knows() { self.best.wall(Mono(mono_ns)) } else { line.wall(Mono(mono_ns)) }
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

fn ms(mono: Mono) -> i64 {
    i64::try_from(mono.0 / 1_000_000).unwrap_or(i64::MAX)
}

/// Later by a time that may be negative, within the bounds of time.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}
