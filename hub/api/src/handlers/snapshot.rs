//! A still picture of what is happening.

use std::sync::Arc;
use std::time::Duration;

use base::footage::{AccessUnit, InitSegment};
use base::{CameraId, ProblemKind, Timestamp};
use http::header::{CACHE_CONTROL, HeaderValue};
use recorder::LiveStream;
use vision::Coded;

use super::live::{STREAM, stream};
use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Right, Route};

/// How long a picture is waited for where there is none: a small stream is connected to first.
const PICTURE_WITHIN: Duration = Duration::from_secs(8);
/// The same where it is known why there is none.
const KNOWN_AFTER: Duration = Duration::from_secs(2);
/// Widths that can be asked for.
const WIDTHS: std::ops::RangeInclusive<u16> = 16..=8_192;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/cameras/{id}/snapshot.jpg", Access::Camera(Right::Live), "The last key picture.", snapshot)
            .query("stream", false, STREAM)
            .query("width", false, "At most so many pixels wide, 16 to 8192; its height follows its shape.")
            .answers_with(200, "A JPEG; Keepsight-Start: when its picture was taken.", Some("image/jpeg")),
    ]
}

async fn snapshot(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: CameraId = request.id("id")?;
    let which = stream(&request.query)?;
    let width: Option<u16> = request.query.value("width")?;
    if width.is_some_and(|width| !WIDTHS.contains(&width)) {
        return Err(ApiError::with(ProblemKind::BadRequest, "The query's width is not from 16 to 8192"));
    }
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let (viewer, watch) = session.into_viewer(&hub, id).await?;
    let mut stream = hub.parts.recorder.live_ring_of(id, which)?.open(&viewer, id)?;
    drop(viewer);
    let picture = async {
        if let Some(picture) = within(&hub, KNOWN_AFTER, &mut stream).await {
            return Ok(picture);
        }
        let why = hub.parts.recorder.no_picture(id, which);
        let rest = if why.detail.is_some() { Duration::ZERO } else { PICTURE_WITHIN - KNOWN_AFTER };
        let picture = within(&hub, rest, &mut stream).await;
        picture.ok_or_else(|| ApiError::from(hub.parts.recorder.no_picture(id, which)))
    };
    let (init, unit, start) = tokio::select! {
        biased;
        () = watch.ended() => return Err(ProblemKind::NotSignedIn.into()),
        picture = picture => picture?,
    };
    let coded = Coded::new(&init, &unit).ok_or_else(|| ApiError::with(ProblemKind::NoDecoder, &init.video.codec))?;
    let jpeg = hub.parts.stills.jpeg(&coded, width).await?;
    let mut response = reply::bytes("image/jpeg", jpeg);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("keepsight-start", HeaderValue::from_str(&start.to_string()).map_err(ApiError::internal)?);
    Ok(response)
}

/// The last key picture, or the next one if it comes in time. `None` too if the stream is closed.
async fn within(
    hub: &Ctx,
    limit: Duration,
    stream: &mut LiveStream,
) -> Option<(Arc<InitSegment>, Arc<AccessUnit>, Timestamp)> {
    base::clock::timeout(&*hub.parts.clock, limit, stream.key_picture()).await.flatten()
}
