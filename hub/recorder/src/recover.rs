//! What a crash, or somebody at the disk, left behind: found at start, without any key.

use base::Timestamp;

use crate::cameras::{Inner, RecorderError};

/// Rows that are handed to the store at a time.
const BATCH: usize = 500;

/// What was found at start.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Segments that a crash cut short: what is in them is seen when somebody with a key looks.
    pub cut: usize,
    /// Segments that the index did not know.
    pub found: usize,
    /// Segments that the index knew and that are gone.
    pub missing: usize,
    /// Files that are no segments, or in the wrong place. They are left alone.
    pub strange: usize,
}

impl Recovered {
    /// Was there anything?
    pub fn found_anything(&self) -> bool {
        *self != Self::default()
    }
}

/// Makes the index say what is in the footage tree: the tree is the truth.
pub(crate) async fn recover(inner: &Inner) -> Result<Recovered, RecorderError> {
    let known = inner
        .store
        .read(|db| {
            let mut known = Vec::new();
            for (camera, stream) in db.streams_with_segments()? {
                known.extend(db.segments(camera, stream, Timestamp::MIN, Timestamp::MAX)?);
            }
            Ok(known)
        })
        .await?;
    let footage = inner.footage.clone();
    let found = tokio::task::spawn_blocking(move || footage.recover(&known)).await.expect("a scan does not panic");
    let recovered = Recovered {
        cut: found.cut.len(),
        found: found.found.len(),
        missing: found.missing.len(),
        strange: found.strange.len(),
    };
    for strange in &found.strange {
        tracing::warn!(?strange, "not a segment of this hub, or in the wrong place; left alone");
    }
    for changed in &found.changed {
        tracing::warn!(segment = %changed.id, camera = %changed.camera, "its file has another length than it was closed with");
    }
    let put: Vec<_> = found.cut.into_iter().chain(found.found).collect();
    for rows in put.chunks(BATCH) {
        let rows = rows.to_vec();
        inner.store.call(move |db| rows.iter().try_for_each(|row| db.put_segment(row))).await?;
    }
    for rows in found.missing.chunks(BATCH) {
        let rows = rows.to_vec();
        inner.store.call(move |db| rows.iter().try_for_each(|row| db.remove_segment(row))).await?;
    }
    Ok(recovered)
}
