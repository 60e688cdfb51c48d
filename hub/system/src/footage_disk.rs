//! A disk that becomes the footage disk: which there are, what an owner asks for, and how it goes. Described in
//! `docs/footage-disk.md`.
//!
//! The hub may not touch disks. It finds them, and asks by a file in its folder in memory; `keepsight footage-disk`, run by the
//! system as root, looks at everything again by itself, and says in a file of its own how it goes.

mod ask;
mod find;

pub use ask::{FootageDisks, Progress, REQUEST, Request, Stage, Wanted};
pub use find::{Finder, Fit, FoundDisk, Holds, LEAST_BYTES, PARTITION};
