//! What does a camera offer?

use std::sync::Arc;

use base::footage::{AudioParams, VideoParams};
use base::{SharedClock, clock::timeout};
use retina::client::SessionGroup;

use crate::end::{EndReason, IngestEnd};
use crate::session::{Item, Offer};
use crate::source::{Options, Source};

/// What a camera offers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Its picture.
    pub video: VideoParams,
    /// Its sound, where that can be kept.
    pub audio: Option<AudioParams>,
    /// Its sound, where that cannot be kept: the name of its coding, such as `pcma`.
    pub dropped_audio: Option<String>,
}

/// Connects, and asks what there is. Where the camera's description does not hold the picture's parameters, plays
/// until the first key picture. To be called within a tokio runtime; needs no GStreamer.
///
/// # Errors
/// The end that an ingest would have come to.
pub async fn probe(source: &Source, clock: &SharedClock, options: &Options) -> Result<Probe, IngestEnd> {
    let group = Arc::new(SessionGroup::default());
    let limit = options.connect_timeout + options.read_timeout;
    let result = timeout(&**clock, limit, ask(source, group.clone())).await;
    let _ = timeout(&**clock, options.connect_timeout, group.await_teardown()).await;
    result.unwrap_or_else(|| {
        let detail = format!("There was no answer within {} seconds", limit.as_secs());
        Err(IngestEnd::new(EndReason::Unreachable, detail))
    })
}

async fn ask(source: &Source, group: Arc<SessionGroup>) -> Result<Probe, IngestEnd> {
    let Source::Rtsp(rtsp) = source;
    let offer = Offer::ask(rtsp, group).await?;
    if let Some(video) = offer.video() {
        let audio = offer.audio().map(|a| a.params.clone());
        return Ok(Probe { video, audio, dropped_audio: offer.dropped });
    }
    let mut playing = offer.play().await?;
    loop {
        if let Item::Picture { key: true, .. } = playing.next().await?
            && let Some(video) = playing.video()
        {
            let audio = playing.audio.map(|(sound, _)| sound.config().params.clone());
            return Ok(Probe { video, audio, dropped_audio: playing.dropped });
        }
    }
}
