//! What does a camera offer?

use std::sync::Arc;

use base::footage::{AccessUnit, AudioParams, Fragment, InitSegment, VideoParams};
use base::{Mono, SharedClock, clock::timeout};
use retina::client::SessionGroup;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::end::{EndReason, IngestEnd};
use crate::ingest::Ingest;
use crate::output::Output;
use crate::session::{Item, Offer};
use crate::source::{Options, Rtsp, Source, Way};

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

/// Connects, asks what there is, and has it played. Where the camera's description does not hold the picture's parameters, and with any
/// source but our own, waits until the first key picture. To be called within a tokio runtime; our own source needs no
/// GStreamer, for the others [`crate::init`] must have been called.
///
/// # Errors
/// The end that an ingest would have come to.
pub async fn probe(source: &Source, clock: &SharedClock, options: &Options) -> Result<Probe, IngestEnd> {
    let rtsp = match source {
        Source::Rtsp(rtsp) if rtsp.way == Way::Own => rtsp,
        _ => return play(source.clone(), clock, options).await,
    };
    let group = Arc::new(SessionGroup::default());
    let limit = options.connect_timeout + options.read_timeout;
    let result = timeout(&**clock, limit, ask(rtsp, group.clone())).await;
    let _ = timeout(&**clock, options.connect_timeout, group.await_teardown()).await;
    result.unwrap_or_else(|| {
        let detail = format!("There was no answer within {} seconds", limit.as_secs());
        Err(IngestEnd::new(EndReason::Unreachable, detail))
    })
}

/// Records it until the first picture, and keeps nothing.
async fn play(source: Source, clock: &SharedClock, options: &Options) -> Result<Probe, IngestEnd> {
    let (tell, told) = oneshot::channel();
    let output = Box::new(First { tell: Some(tell), dropped_audio: None });
    let ingest = match Ingest::start(source, &Handle::current(), clock.clone(), options.clone(), output) {
        Ok(ingest) => ingest,
        Err(error) => return Err(error.into()),
    };
    let probe = tokio::select! {
        biased;
        Ok(probe) = told => Ok(probe),
        end = ingest.ended() => Err(end),
    };
    ingest.stop().await;
    probe
}

/// An output that waits for the first init segment.
struct First {
    tell: Option<oneshot::Sender<Probe>>,
    dropped_audio: Option<String>,
}

impl Output for First {
    fn init(&mut self, init: InitSegment, _zero: Mono) {
        if let Some(tell) = self.tell.take() {
            let probe = Probe { video: init.video, audio: init.audio, dropped_audio: self.dropped_audio.take() };
            let _ = tell.send(probe); // nobody asks any more
        }
    }
    fn fragment(&mut self, _fragment: Fragment) {}
    fn unit(&mut self, _unit: &AccessUnit) {}
    fn sound_dropped(&mut self, encoding: &str) {
        self.dropped_audio = Some(encoding.to_owned());
    }
}

async fn ask(rtsp: &Rtsp, group: Arc<SessionGroup>) -> Result<Probe, IngestEnd> {
    // Only a camera that agrees to play can be recorded so: some describe what they send in no way that we ask for.
    let mut playing = Offer::ask(rtsp, group).await?.play().await?;
    if let Some(video) = playing.video() {
        let audio = playing.audio.map(|(sound, _)| sound.config().params.clone());
        return Ok(Probe { video, audio, dropped_audio: playing.dropped });
    }
    loop {
        if let Item::Picture { key: true, .. } = playing.next().await?
            && let Some(video) = playing.video()
        {
            let audio = playing.audio.map(|(sound, _)| sound.config().params.clone());
            return Ok(Probe { video, audio, dropped_audio: playing.dropped });
        }
    }
}
