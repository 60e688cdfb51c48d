//! Source and sink elements, ingest, fragments.
//!
//! One GStreamer pipeline per camera stream. Nothing of a camera on the network is decoded in it but G.711, of which browsers'
//! AAC is made; what a camera of this machine does not code itself is encoded:
//!
//! ```text
//! keepsightrtspsrc ── keepsightsink ──▶ Output: init segments, fragments, access units
//! keepsightrtspbin ──┤
//! keepsightlens    ──┘
//! ```
//!
//! [`Ingest`] runs one; [`FragmentWriter`] is the sink's inside and stands alone; [`probe`] asks a camera what it has. What it says
//! beside its pictures, [`Messages`] reads.
//! The crate knows no camera ids, keys or files.

mod align;
mod bmff;
mod choice;
mod codec;
mod connect;
mod elements;
mod end;
mod frames;
mod ingest;
pub mod isolated;
mod lens;
mod messages;
mod output;
mod pace;
mod probe;
mod reorder;
mod session;
mod source;
mod transcode;
mod writer;

pub use bmff::{fragment, init_segment};
pub use choice::{Choice, Via};
pub use codec::{AudioConfig, BadParameters, VideoConfig};
pub use end::{EndReason, IngestEnd};
pub use ingest::{Ingest, MediaError};
pub use lens::Lens;
pub use lens::encoders::{Encoders, Encoding, Tried};
pub use messages::Messages;
pub use output::Output;
pub use pace::Pace;
pub use probe::{Probe, probe};
pub use source::{BadSource, Credentials, Options, Rtsp, Source, Way};
pub use writer::{FragmentWriter, MAX_UNIT_BYTES, MediaUnit, live_fragment};

/// Starts GStreamer and makes the hub's elements known to it. To be called once, before any [`Ingest`]; again is
/// harmless.
///
/// # Errors
/// GStreamer is not there or refuses.
pub fn init() -> Result<(), MediaError> {
    gstreamer::init().map_err(MediaError::Start)?;
    elements::register().map_err(MediaError::Register)
}
