//! Trying settings of motion on what was recorded last.

use base::{CameraId, ProblemKind};
use http::HeaderMap;
use jiff::SignedDuration;
use serde::Deserialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::cameras::MotionJson;
use super::footage::segments;
use crate::hub::Ctx;
use crate::parts::until_ended;
use crate::preview::{self, Pictures};
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Right, Route};

/// What was recorded before this is not looked for.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);
/// Minutes that can be asked for.
const MINUTES: std::ops::RangeInclusive<u8> = 1..=30;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::post(
            "/api/v1/cameras/{id}/motion/preview",
            Access::Camera(Right::Playback),
            "What would have been an event, with these settings, in the last minutes that were recorded.",
            try_out,
        )
        .takes::<Preview>()
        .answers_with(
            200,
            "A JSON document a line, as it goes: `{\"progress\": {\"part\"}}` from 0 to 1; `{\"event\": {\"start\", \"end\", \"score\", \
             \"area\", \"box\", \"picture\"}}`, the picture a JPEG in Base64 or null; at the end `{\"done\": {\"from\", \"to\"}}` or \
             `{\"problem\": {…}}`.",
            Some("application/x-ndjson"),
        ),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Preview {
    /// As a camera's `motion`.
    motion: MotionJson,
    /// So many minutes, 1 to 30; 5 if it is not given.
    #[serde(default = "five")]
    minutes: u8,
}

fn five() -> u8 {
    5
}

async fn try_out(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let camera: CameraId = request.id("id")?;
    let Preview { motion, minutes } = request.json()?;
    if !MINUTES.contains(&minutes) {
        return Err(ApiError::with(ProblemKind::BadRequest, "minutes is not from 1 to 30"));
    }
    let settings = motion.into_settings()?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let (viewer, watch) = session.into_viewer(&hub, camera).await?;
    // One at a time: it takes as much of the processor as it can get.
    let turn = hub.previews.clone().try_acquire_owned().map_err(|_| ProblemKind::TooBusy)?;
    let now = hub.parts.clock.wall();
    let oldest = now.checked_sub(OLDEST).unwrap_or(now);
    let (segments, viewer) = segments(&hub, camera, viewer, oldest, now).await?;
    let to = segments.iter().map(|segment| segment.end).max().ok_or(ProblemKind::NoFootage)?;
    let from = to.checked_sub(SignedDuration::from_mins(minutes.into())).unwrap_or(oldest).max(oldest);
    let pictures = Pictures::new(hub.parts.footage.clone(), viewer, camera, segments, (from, to));
    let review = hub.parts.recorder.review(&settings)?;
    let (lines, taken) = mpsc::channel(4);
    tokio::spawn(async move {
        // The answer ends once somebody else may ask.
        let end = lines.clone();
        preview::run(pictures, review, lines).await;
        drop(turn);
        drop(end);
    });
    Ok(reply::stream("application/x-ndjson", HeaderMap::new(), until_ended(taken, watch)))
}
