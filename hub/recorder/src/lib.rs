//! A camera's life: connect, record, lose it, say why, try again; and the live ring with its gate.
//!
//! ```text
//! Recorder ─ one Supervisor per camera ─ media::Ingest ─▶ Intake ─┬▶ LiveRing          (memory, gated)
//!                                                                └▶ footage::StreamWriter ─▶ Kept ─▶ store, states
//!          │                                             └▶ Watching ─▶ vision   (while motion is looked for) ─▶ events ─▶ Rules
//!          └ one OnDemand per camera ── media::Ingest ─▶ LiveRing   (the small stream, while somebody looks)
//! ```
//!
//! Recording needs nobody signed in: to seal, public keys are enough. Every lock here is a leaf; nothing is awaited
//! under one.

mod backoff;
mod camera;
mod cameras;
mod changes;
mod epochs;
mod finding;
mod happening;
mod history;
mod kept;
mod keys;
mod ledger;
mod ondemand;
mod pace;
mod passwords;
mod reader;
mod recover;
mod review;
mod ring;
mod rules;
mod space;
mod watching;

pub use camera::{CameraStatus, GapTally};
pub use cameras::{Parts, Recorder, RecorderError, slow_disk};
pub use changes::{CameraChange, NewCamera, NewSource, SourceChange};
pub use finding::{Probed, Via};
pub use history::DatedGap;
pub use keys::{Keys, Resealed};
pub use passwords::PasswordError;
pub use review::{Review, Reviewed};
pub use ring::{LiveError, LiveItem, LiveRing, LiveStream};
pub use rules::Notice;
pub use space::{StorageOptions, StorageStatus};
