//! The machine under the hub: what its disks say of themselves, and what time it is.

mod clock;
mod disks;
mod mounts;

pub use clock::HubClock;
pub use disks::{DiskFacts, Disks, SystemDisks};
pub use mounts::missing_mount;
