//! Live pictures: one fragment per picture over a WebSocket, into Media Source Extensions.

use std::sync::Arc;
use std::time::Duration;

use base::footage::{AccessUnit, InitSegment, StreamName, VIDEO_TIMESCALE};
use base::{CameraId, ProblemKind, Timestamp};
use futures::{SinkExt, StreamExt};
use recorder::{LiveItem, LiveStream};
use serde::Serialize;
use utoipa::ToSchema;
use warp::Reply;
use warp::ws::{Message, WebSocket};

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::Response;
use crate::route::{Access, Caller, Fields, Request, Right, Route};

/// A viewer is asked so often whether it is still there.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// A viewer from whom nothing was heard for so long is let go: it answers to what it is asked, if it reads at all.
const SILENT_FOR: Duration = Duration::from_secs(15);
/// A viewer that does not take one picture in this time is let go. Before that it lags, and goes on at the last key picture.
const TAKES_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/cameras/{id}/live", Access::Camera(Right::Live), "Live pictures, over a WebSocket.", live)
            .websocket()
            .query("stream", false, STREAM)
            .answers::<LiveStart>(101, "Text like this, then binary: an init segment, then one fragment per picture. Again at a change of parameters."),
    ]
}

/// What a player is told before each init segment.
#[derive(Serialize, ToSchema)]
struct LiveStart {
    /// For `MediaSource.isTypeSupported`: `avc1.64001f, mp4a.40.2`.
    codecs: String,
    width: u16,
    height: u16,
    /// Wall-clock time of the first picture, which has media time 0.
    #[schema(value_type = String)]
    start: Timestamp,
}

/// What the query's `stream` is, in the OpenAPI document.
pub(super) const STREAM: &str = "main (as if it were absent), or sub: the camera's small stream, which the hub connects to when \
                                 somebody looks. A camera without one answers 404, no-sub-stream.";

/// Which stream a query asks for.
pub(super) fn stream(query: &Fields) -> Result<StreamName, ApiError> {
    match query.text("stream") {
        None | Some("main") => Ok(StreamName::Main),
        Some("sub") => Ok(StreamName::Sub),
        Some(_) => Err(ApiError::with(ProblemKind::BadRequest, "The query's stream is neither main nor sub")),
    }
}

async fn live(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: CameraId = request.id("id")?;
    let which = stream(&request.query)?;
    let Some(upgrade) = request.upgrade else { return Err(ProblemKind::UpgradeRequired.into()) };
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let (viewer, watch) = session.into_viewer(&hub, id).await?;
    let stream = hub.parts.recorder.live_ring_of(id, which)?.open(&viewer, id)?;
    Ok(upgrade
        .on_upgrade(move |socket| async move {
            tokio::select! {
                () = show(hub, stream, socket) => {}
                () = watch.ended() => {}
            }
        })
        .into_response())
}

async fn show(hub: Ctx, mut stream: LiveStream, socket: WebSocket) {
    let viewing = hub.metrics.live_viewer();
    let clock = &hub.parts.clock;
    let (mut to, mut from) = socket.split();
    let mut shown: Option<Shown> = None;
    let mut heard = clock.mono();
    let mut ask = clock.sleep(ASK_EVERY);
    loop {
        let item = tokio::select! {
            // What a viewer says comes first, so that one to whom much is sent is heard.
            biased;
            // Nothing is expected from it; what comes, an answer above all, only tells that it is still there.
            said = from.next() => match said {
                Some(Ok(message)) if !message.is_close() => {
                    heard = clock.mono();
                    continue;
                }
                _ => break,
            },
            () = hub.parts.shutdown.wait() => break,
            () = &mut ask => {
                if clock.mono().since(heard) >= SILENT_FOR {
                    return; // without a goodbye, which it would not read
                }
                ask = clock.sleep(ASK_EVERY);
                None
            }
            item = stream.next() => match item {
                Some(item) => Some(item),
                None => break,
            },
        };
        let messages = match item {
            None => vec![Message::ping(Vec::new())],
            Some(LiveItem::Init { init, start }) => {
                let text =
                    LiveStart { codecs: init.codecs(), width: init.video.width, height: init.video.height, start };
                let text = serde_json::to_string(&text).unwrap_or_default();
                let binary = Message::binary(init.bytes.clone());
                shown = Some(Shown { init, first: None, sequence: 0 });
                vec![Message::text(text), binary]
            }
            Some(LiveItem::Unit(unit)) => match &mut shown {
                Some(shown) => shown.fragment(&unit).map(Message::binary).into_iter().collect(),
                None => continue,
            },
        };
        for message in messages {
            let sent = tokio::select! {
                sent = to.send(message) => sent.is_ok(),
                () = clock.sleep(TAKES_WITHIN) => false,
                () = hub.parts.shutdown.wait() => false,
            };
            if !sent {
                return;
            }
        }
    }
    let _ = base::clock::timeout(&**clock, TAKES_WITHIN, to.close()).await; // the viewer may be gone
    drop(viewing);
}

/// What a viewer has been shown since its last init segment.
struct Shown {
    init: Arc<InitSegment>,
    /// Decode time of the first picture, 90 kHz: media time 0 for the viewer.
    first: Option<i64>,
    sequence: u32,
}

impl Shown {
    /// One unit as a fragment; `None` for sound from before the first picture.
    fn fragment(&mut self, unit: &AccessUnit) -> Option<Vec<u8>> {
        let first = *self.first.get_or_insert(unit.dts);
        let rate = i64::from(self.init.timescale(unit.track));
        let dts = unit.dts - first * rate / i64::from(VIDEO_TIMESCALE);
        if dts < 0 {
            return None;
        }
        self.sequence = self.sequence.wrapping_add(1);
        Some(media::live_fragment(self.sequence, &[AccessUnit { dts, ..unit.clone() }]))
    }
}
