//! Which segments go when room is needed: the oldest of all cameras, what is protected last.

use std::collections::HashMap;

use base::footage::{SegmentDetails, SegmentInfo};
use base::{CameraId, Timestamp};
use store::ProtectedSpan;

/// Space on a disk is given out in pieces of this size, as a rule.
const BLOCK: u64 = 4_096;

/// What a file of this length takes from a disk.
pub(crate) fn occupies(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// Why something has to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// So many bytes, whosever they are.
    pub(crate) free_up: u64,
    /// So many bytes of a camera, which has more than it may.
    pub(crate) over: HashMap<CameraId, u64>,
    /// What of a camera ended before this.
    pub(crate) cutoffs: HashMap<CameraId, Timestamp>,
    /// What of any camera ended before this.
    pub(crate) cutoff: Option<Timestamp>,
}

impl Wanted {
    /// Nothing has to go.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Chooses among segments that come oldest first; looks at no more of them than it needs. What is still being written
/// never goes. A protected span goes only for room that all need, and only when nothing else is left; it stays beyond
/// its camera's own limits.
pub(crate) fn choose<E>(
    oldest_first: impl Iterator<Item = Result<SegmentInfo, E>>,
    protected: &[ProtectedSpan],
    mut wanted: Wanted,
    most: usize,
) -> Result<Vec<SegmentInfo>, E> {
    let mut go = Vec::new();
    let mut last_resort: Vec<SegmentInfo> = Vec::new();
    // What a camera gives for its own limit is room for all.
    let all = wanted.over.values().fold(0u64, |sum, over| sum.saturating_add(*over));
    wanted.free_up = wanted.free_up.saturating_sub(all);
    let newest_cutoff = wanted.cutoffs.values().copied().chain(wanted.cutoff).max();
    for segment in oldest_first {
        let segment = segment?;
        let by_age = newest_cutoff.is_some_and(|cutoff| segment.start < cutoff);
        if go.len() == most || (wanted.free_up == 0 && wanted.over.is_empty() && !by_age) {
            break;
        }
        if segment.details == SegmentDetails::Open {
            continue;
        }
        if is_protected(&segment, protected) {
            if last_resort.len() < most {
                last_resort.push(segment);
            }
            continue;
        }
        let cutoff = wanted.cutoffs.get(&segment.camera).copied().max(wanted.cutoff);
        let too_old = cutoff.is_some_and(|cutoff| segment.end < cutoff);
        if too_old || wanted.over.contains_key(&segment.camera) || wanted.free_up > 0 {
            wanted.gives(&segment);
            go.push(segment);
        }
    }
    for segment in last_resort {
        if wanted.free_up == 0 || go.len() == most {
            break;
        }
        wanted.gives(&segment);
        go.push(segment);
    }
    Ok(go)
}

impl Wanted {
    fn gives(&mut self, segment: &SegmentInfo) {
        let bytes = occupies(segment.bytes);
        match self.over.get_mut(&segment.camera) {
            Some(over) if *over > bytes => *over -= bytes,
            Some(_) => drop(self.over.remove(&segment.camera)),
            None => self.free_up = self.free_up.saturating_sub(bytes),
        }
    }
}

fn is_protected(segment: &SegmentInfo, protected: &[ProtectedSpan]) -> bool {
    protected.iter().any(|p| p.camera == segment.camera && p.from <= segment.end && p.to > segment.start)
}
