//! Updates of the system: what to do next, given how things are ([`next`], pure), and doing it ([`Updates`]).
//!
//! RAUC judges signature and board; the boot loader goes back by itself from a copy that does not start. What is left to
//! decide: whether an owner wants updates at all, from where, at which hour, and which version is worth a try.

mod carry;
mod file;
mod manifest;
mod plan;
mod source;
mod sticks;

pub use carry::{Around, Boxed, Parts, Stage, Status, Updates};
pub use file::{Failed, Tried, UpdateError, UpdateFile, Why};
pub use manifest::{MAX_MANIFEST_BYTES, Manifest, ManifestError};
pub use plan::{Offer, Refused, SETTINGS, Settings, Situation, Step, When, next};
pub use source::Source;
pub use sticks::Sticks;
