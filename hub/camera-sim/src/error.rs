//! What can go wrong.

use rtsp_server::ServerError;

use crate::BadOption;

/// The simulated cameras could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    /// An option cannot be used.
    #[error(transparent)]
    Option(#[from] BadOption),
    /// GStreamer did not start.
    #[error("GStreamer does not start")]
    GStreamer(#[source] gstreamer::glib::Error),
    /// An element that encodes clips is not installed.
    #[error("the GStreamer element {element} is missing")]
    MissingElement {
        /// Its name.
        element: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// Encoding failed.
    #[error("the clip of {camera} could not be encoded: {detail}")]
    Encode {
        /// Name of the camera.
        camera: String,
        /// What GStreamer said.
        detail: String,
    },
    /// The address or the port is not ours to take.
    #[error(transparent)]
    Listen(#[from] ServerError),
}

impl SimError {
    /// For a person at the command line: what happened, then what to do.
    pub fn explain(&self) -> String {
        use std::error::Error;
        let why = self.source().map(|e| format!(": {e}")).unwrap_or_default();
        match self {
            SimError::Option(e) => format!("{e}."),
            SimError::GStreamer(_) => format!("{self}{why}. Install GStreamer again, with scripts/setup."),
            SimError::MissingElement { package, .. } => {
                format!("Clips cannot be encoded: {self}. Install the package {package}, with scripts/setup.")
            }
            SimError::Encode { .. } => {
                format!("{}. Run again with GST_DEBUG=3 to see more.", capital(&self.to_string()))
            }
            SimError::Listen(_) => {
                format!(
                    "The simulated cameras {self}{why}. Stop what uses the port, or choose another one with --port."
                )
            }
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// No camera has this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no simulated camera {0}")]
pub struct NoSuchCamera(
    /// The number asked for; the first camera's is 1.
    pub u16,
);
