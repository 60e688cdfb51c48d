//! Updates of the system: what to do next, given how things are. Deciding is here and pure; doing is elsewhere.
//!
//! RAUC judges signature and board; the boot loader goes back by itself from a copy that does not start. What is left to
//! decide: whether an owner wants updates at all, from where, at which hour, and which version is worth a try.

mod file;
mod plan;

pub use file::{Failed, Tried, UpdateError, UpdateFile, Why};
pub use plan::{Offer, Refused, Settings, Situation, Step, When, next};
