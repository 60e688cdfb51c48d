//! The GStreamer elements of a camera's pipeline: `keepsightrtspsrc ! keepsightsink`, or `keepsightrtspbin ! keepsightsink`
//! for cameras that the first cannot read, or `keepsightlens ! keepsightsink` for those of this machine (see `lens`).
//!
//! `keepsightrtspsrc` and `keepsightsink` have no thread. The source pushes from a tokio task, and the sink's whole work is
//! done in the push.

pub(crate) mod codings;
pub(crate) mod flow;
mod rtp;
pub(crate) mod rtspbin;
pub(crate) mod rtspsrc;
pub(crate) mod sim;
pub(crate) mod sink;
pub(crate) mod watch;

use std::sync::LazyLock;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

/// `GST_DEBUG=keepsight:6` shows what the elements do.
pub(crate) static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("keepsight", gst::DebugColorFlags::empty(), Some("Keepsight's elements")));

/// Makes the elements known by name; again is harmless.
pub(crate) fn register() -> Result<(), glib::BoolError> {
    gst::Element::register(None, "keepsightrtspsrc", gst::Rank::NONE, rtspsrc::RtspSrc::static_type())?;
    gst::Element::register(None, "keepsightrtspbin", gst::Rank::NONE, rtspbin::RtspBin::static_type())?;
    gst::Element::register(None, "keepsightlens", gst::Rank::NONE, crate::lens::bin::LensBin::static_type())?;
    gst::Element::register(None, "keepsightsink", gst::Rank::NONE, sink::Sink::static_type())
}

/// Both elements are live and hold nothing back that a pipeline would have to wait for.
pub(crate) fn answer_latency(query: &mut gst::QueryRef) -> bool {
    match query.view_mut() {
        gst::QueryViewMut::Latency(q) => {
            q.set(true, gst::ClockTime::ZERO, gst::ClockTime::NONE);
            true
        }
        _ => false,
    }
}
