//! Simulated cameras: real H.264, H.265, JPEG and sound over real RTSP, from clips that loop without a seam.
//!
//! Every picture carries a [`mark`] that says which camera it is of, so that a test that looks at any picture knows
//! whose it is. Clips are encoded once with GStreamer and kept in a cache folder; their packets are made once and
//! shared by all clients, so that 64 cameras are no load.

mod cache;
pub mod cli;
mod encode;
mod error;
mod fault;
pub mod mark;
mod options;
mod picture;
mod simulator;
mod source;

pub use error::{NoSuchCamera, SimError};
pub use fault::Fault;
pub use options::{Audio, BadOption, Codec, Options, Size};
pub use simulator::{Address, Simulator};
pub use source::Sent;
