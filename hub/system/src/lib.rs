//! The machine under the hub. Here: what its disks say of themselves.

mod disks;

pub use disks::{DiskFacts, Disks, SystemDisks};
