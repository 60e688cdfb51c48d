//! A factory reset, as the system sees it: which was the last one that the hub was asked for.
//!
//! The hub's mark lies in the hub's folder from the moment that somebody asks, and is renamed when the hub has done its part. What
//! the system keeps for itself is not the hub's to remove, so the system looks for the mark at each start.

use std::path::Path;

use base::ResetId;
use serde::Deserialize;

/// The mark in `<data>` while a reset is under way.
pub const ASKED: &str = "factory-reset";
/// The same when the hub has done its part.
pub const DONE: &str = "factory-reset.done";
/// Longer files are something else.
const MAX_BYTES: u64 = 4096;

/// The last reset of the hub with this folder. What cannot be read is none: the hub says so.
pub fn last(data: &Path) -> Option<ResetId> {
    #[derive(Deserialize)]
    struct Mark {
        reset: Option<ResetId>,
    }
    // In this order: the one becomes the other.
    [ASKED, DONE].into_iter().find_map(|name| {
        let bytes = base::fs::read(&data.join(name), MAX_BYTES).ok()?;
        serde_json::from_slice::<Mark>(&bytes).ok()?.reset
    })
}
