//! An RTSP 1.0 server (RFC 2326) for simulated cameras and for streaming again what a camera sends.
//!
//! Media goes interleaved over the RTSP connection (RFC 2326 §10.12), never over UDP. What is served is a
//! [`Mount`]: tracks for the session description, and a [`Source`] that gives each client its RTP packets when
//! they are due. [`Clip`] is a run of coded units packetised once, for all clients and all its loops.
//!
//! ```no_run
//! # async fn example(source: std::sync::Arc<dyn rtsp_server::Source>, tracks: Vec<rtsp_server::Media>) {
//! use rtsp_server::{Config, Mount, Reserved, Server};
//! let port = Reserved::bind("127.0.0.1:0".parse().unwrap()).unwrap();
//! let mount = Mount { name: "cam01".into(), tracks, source };
//! let config = Config::new(std::sync::Arc::new(base::SystemClock));
//! let server = Server::start(port, config, [("cam01/main".into(), mount)]).unwrap();
//! // rtsp://127.0.0.1:<server.addr().port()>/cam01/main
//! server.stop().await;
//! # }
//! ```

mod auth;
mod clip;
mod connection;
mod quirks;
mod request;
pub mod rtp;
mod sdp;
mod server;

use std::borrow::Cow;
use std::sync::Arc;

use base::Mono;
use bytes::Bytes;
use futures::stream::BoxStream;

pub use auth::{Credentials, Scheme};
pub use clip::{After, BadClip, Clip, ClipSource, MAX_LAG, Start, Unit};
pub use quirks::{Place, Quirks};
pub use sdp::Media;
pub use server::{Config, Limits, Reserved, Server, ServerError};

/// What is served under one path.
#[derive(Clone)]
pub struct Mount {
    /// The session's name in its description; line breaks are taken out.
    pub name: String,
    /// The tracks, in the order of their numbers.
    pub tracks: Vec<Media>,
    /// Where the packets come from.
    pub source: Arc<dyn Source>,
}

/// Where a mount's packets come from.
pub trait Source: Send + Sync + 'static {
    /// Asked before each request is answered.
    fn admit(&self) -> Admit {
        Admit::Yes
    }
    /// A client plays: its packets from now on.
    fn play(&self) -> Playing;
    /// How the mount's tracks are described; as they are, but for a source that lies.
    fn describe<'a>(&self, tracks: &'a [Media]) -> Cow<'a, [Media]> {
        Cow::Borrowed(tracks)
    }
    /// How far the clock of a track has been set ahead, in milliseconds: sender reports follow it.
    fn ahead_ms(&self, track: usize) -> i64 {
        let _ = track;
        0
    }
    /// Bytes per second that a connection that asked for this mount is given; `None`: as many as it takes. Asked before
    /// each piece is written.
    fn trickle(&self) -> Option<u32> {
        None
    }
}

/// What a source says to a request, before it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// Answer it.
    Yes,
    /// Answer 401, whatever the credentials.
    Unauthorised,
    /// Reset the connection without an answer, as if nobody listened.
    Refuse,
    /// Never answer: see [`Parting::Silence`].
    Silence,
}

/// How a source leaves a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// The connection is closed in order.
    Close,
    /// The connection is reset, as by a device that has restarted.
    Reset,
    /// The connection stays, half open: nothing is sent or answered on it any more, until the client closes it. As by a
    /// device whose cable was pulled.
    Silence,
}

/// One client's packets.
pub struct Playing {
    /// Where each track starts, in the order of the mount's tracks.
    pub start: Vec<TrackStart>,
    /// The instant that all `rtptime`s stand for. Sender reports map it to wall-clock time.
    pub at: Mono,
    /// What is sent at one instant, when it is due. An error, or its end ([`Parting::Close`]), is the last of it. A
    /// client that reads too slowly holds it up: a live source then skips by itself.
    pub packets: BoxStream<'static, Result<Vec<Packet>, Parting>>,
}

/// Where a track starts: `RTP-Info` of RFC 2326 §12.33.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackStart {
    /// Sequence number of its first packet.
    pub seq: u16,
    /// RTP timestamp, in ticks of the track's clock, of the instant at which all tracks start.
    pub rtptime: u32,
}

/// One RTP packet without its header. The server adds that, with payload type and SSRC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Index of its track in the mount.
    pub track: usize,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp in ticks of the track's clock.
    pub timestamp: u32,
    /// Ends a picture or an audio frame.
    pub marker: bool,
    /// At most 65,000 bytes; a longer one is not sent.
    pub payload: Bytes,
}
