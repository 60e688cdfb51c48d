//! Why an ingest ended.

use base::{Problem, ProblemKind};
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::ingest::MediaError;

/// The end of an ingest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestEnd {
    /// Which kind.
    pub reason: EndReason,
    /// What exactly, a sentence without its full stop. Holds no secret. Empty if it was stopped.
    pub detail: String,
}

/// The kinds of end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// Somebody asked for it.
    Stopped,
    /// The camera closed the connection: an end of stream that nobody asked for.
    Closed,
    /// The camera stayed connected and sent no picture for longer than it ever takes.
    Stalled,
    /// The camera refuses the user name or the password.
    Unauthorised,
    /// The camera does not answer, or not at this address.
    Unreachable,
    /// The camera's stream cannot be recorded.
    Unsupported,
    /// The camera does not send its packets in the way that was asked for (status 461).
    NoTransport,
    /// The hub's own source cannot take this camera, GStreamer's perhaps can.
    Beyond,
    /// A camera of `rtsps:` shows another certificate than before.
    Untrusted,
    /// A part of GStreamer that it takes is missing.
    Missing,
    /// What the camera sends cannot be read: broken packets, or parameters that describe no picture.
    Broken,
    /// What makes H.264 of the pictures of a camera of this machine failed.
    Encoder,
    /// Anything else: the hub's own fault, or the camera's answer that it has one (status 5xx).
    Error,
}

impl EndReason {
    const ALL: [EndReason; 13] = [
        EndReason::Stopped,
        EndReason::Closed,
        EndReason::Stalled,
        EndReason::Unauthorised,
        EndReason::Unreachable,
        EndReason::Unsupported,
        EndReason::NoTransport,
        EndReason::Beyond,
        EndReason::Untrusted,
        EndReason::Missing,
        EndReason::Broken,
        EndReason::Encoder,
        EndReason::Error,
    ];

    /// The reason of this word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// A word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            EndReason::Stopped => "stopped",
            EndReason::Closed => "closed",
            EndReason::Stalled => "stalled",
            EndReason::Unauthorised => "unauthorised",
            EndReason::Unreachable => "unreachable",
            EndReason::Unsupported => "unsupported",
            EndReason::NoTransport => "no_transport",
            EndReason::Beyond => "beyond",
            EndReason::Untrusted => "untrusted",
            EndReason::Missing => "missing",
            EndReason::Broken => "broken",
            EndReason::Encoder => "encoder",
            EndReason::Error => "error",
        }
    }
}

impl From<MediaError> for IngestEnd {
    /// An ingest that could not even begin.
    fn from(error: MediaError) -> Self {
        let reason = match error {
            MediaError::Missing { .. } => EndReason::Missing,
            _ => EndReason::Error,
        };
        Self::new(reason, format!("GStreamer: {error}"))
    }
}

/// Name and fields of the structure that carries an end in a GStreamer error message's details.
const DETAILS: &str = "keepsight-end";

impl IngestEnd {
    pub(crate) fn new(reason: EndReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    pub(crate) fn stopped() -> Self {
        Self::new(EndReason::Stopped, "")
    }

    /// What a person is told; `None` if it was stopped, which is no problem.
    pub fn problem(&self) -> Option<Problem> {
        let kind = match self.reason {
            EndReason::Stopped => return None,
            EndReason::Unauthorised => ProblemKind::CameraUnauthorised,
            EndReason::Unsupported | EndReason::Beyond => ProblemKind::CameraUnsupported,
            EndReason::NoTransport => ProblemKind::CameraTransport,
            EndReason::Untrusted => ProblemKind::CameraCertificate,
            EndReason::Missing => ProblemKind::MissingPart,
            EndReason::Broken => ProblemKind::CameraBroken,
            EndReason::Encoder => ProblemKind::EncoderFailed,
            EndReason::Closed | EndReason::Stalled | EndReason::Unreachable | EndReason::Error => {
                ProblemKind::CameraUnreachable
            }
        };
        Some(Problem::with(kind, &self.detail))
    }

    /// Posts this end on the bus as an element's error.
    pub(crate) fn post(&self, element: &(impl IsA<gst::Element> + IsA<gst::Object>)) {
        let details = gst::Structure::builder(DETAILS)
            .field("reason", self.reason.as_str())
            .field("detail", self.detail.as_str())
            .build();
        let message =
            gst::message::Error::builder(gst::ResourceError::Failed, &self.detail).src(element).details(details);
        // Fails only if the element is in no pipeline: then nobody wants to know.
        let _ = element.post_message(message.build());
    }

    /// The end that a bus message tells of, if it tells of one.
    pub(crate) fn from_message(message: &gst::MessageRef) -> Option<Self> {
        match message.view() {
            gst::MessageView::Eos(_) => Some(Self::new(EndReason::Closed, "The camera ended the stream")),
            gst::MessageView::Error(error) => {
                let details = error.details().filter(|d| d.name() == DETAILS);
                let field = |name| details.and_then(|d| d.get::<&str>(name).ok());
                let reason = EndReason::ALL.into_iter().find(|r| Some(r.as_str()) == field("reason"));
                Some(match reason {
                    Some(reason) => Self::new(reason, field("detail").unwrap_or_default()),
                    // An element of GStreamer's own: its words are for the log, but better than none.
                    None => Self::new(EndReason::Error, error.error().to_string()),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_reads_back_from_the_bus() {
        gst::init().unwrap();
        for reason in EndReason::ALL {
            let pipeline = gst::Pipeline::new();
            let end = IngestEnd::new(reason, "It is so");
            end.post(&pipeline);
            let message = pipeline.bus().unwrap().pop().unwrap();
            assert_eq!(IngestEnd::from_message(&message), Some(end));
        }
    }

    #[test]
    fn a_person_is_told_what_happened_and_what_to_do() {
        let end = IngestEnd::new(EndReason::Unsupported, "Its pictures are coded as vp8");
        assert_eq!(
            end.problem().unwrap().to_string(),
            "The camera's stream cannot be recorded. Its pictures are coded as vp8. Set the camera to H.264 or H.265."
        );
        assert_eq!(IngestEnd::stopped().problem(), None);
    }
}
