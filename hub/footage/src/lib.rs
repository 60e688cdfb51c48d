//! Sealed segment files: writing, syncing, reading, finding them again.
//!
//! A [`Keeper`] takes each stream's fragments, seals them into segment files on a [`Disk`] and tells what is surely
//! there. [`Footage`] is the first of the two doors to pictures: it opens a segment for a `vault::Viewer`, as the camera
//! and segment that were asked for or not at all; and it finds what lies on a disk. `docs/format/segment.md` describes
//! the files.

pub mod bmff;
mod clockfile;
mod clockmap;
mod disk;
mod error;
mod header;
mod index;
mod keeper;
mod medium;
mod open;
mod paths;
pub mod progressive;
mod queue;
mod reader;
mod scan;
mod segment;
mod sync;
mod thumbnail;
mod timeline;
mod writer;

pub use clockfile::{ClockFile, ClockLine, Clocks};
pub use clockmap::{ClockMap, Dated};
pub use disk::{Disk, DiskError, DiskLock, KeyFile};
pub use error::KeepError;
pub use header::{FORMAT, HEADER_TYPE, HeaderError};
pub use index::{INDEX_TYPE, Index, IndexedFragment};
pub use keeper::{Keeper, Kept, Notify, Options, Overloaded, StreamWriter};
pub use medium::{FileSystem, Medium};
pub use open::{Footage, OpenError, open_any};
pub use paths::SegmentName;
pub use reader::{ReadFragment, SegmentReader, Shortened, Summary};
pub use scan::{Found, Recovery};
