//! What happened at the cameras.

use base::{CameraId, EventId, ProblemKind, Timestamp};
use serde::Serialize;
use store::{Event, EventCursor, EventKind, EventQuery};
use utoipa::ToSchema;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Hub, Request, Right, Route};

/// Events of a page, unless it is said otherwise.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 500;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get(
            "/api/v1/events",
            Access::Session,
            "What happened at the cameras whose footage you may see, newest first.",
            events,
        )
        .query("camera", false, "Of this camera only.")
        .query("kind", false, "Of this kind only: motion, person, doorbell or offline.")
        .query("from", false, "RFC 3339: begun then or later, by the hub's clock of that time.")
        .query("to", false, "RFC 3339: begun before.")
        .query("cursor", false, "Where the page before ended: its next.")
        .query("limit", false, "At most so many, 1 to 500; 50 if it is absent. Fewer may come though there are more.")
        .answers::<EventsPage>(200, "A page of them."),
    ]
}

#[derive(Serialize, ToSchema)]
struct EventsPage {
    items: Vec<EventItem>,
    /// The cursor of the next page; null at the end.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct EventItem {
    #[schema(value_type = String)]
    id: EventId,
    #[schema(value_type = String)]
    camera: CameraId,
    /// motion, person, doorbell or offline.
    #[schema(value_type = String)]
    kind: EventKind,
    #[schema(value_type = String)]
    start: Timestamp,
    /// null while it lasts.
    #[schema(value_type = Option<String>)]
    end: Option<Timestamp>,
}

async fn events(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let session = request.session()?;
    let kind = match request.query.text("kind") {
        None => None,
        Some(word) => Some(kind(word)?),
    };
    let one: Option<CameraId> = request.query.value("camera")?;
    let after: Option<EventCursor> = request.query.value("cursor")?;
    let (from, to) = (request.query.value("from")?, request.query.value("to")?);
    let limit = super::page_length(&request, PAGE, LONGEST_PAGE)?;

    let all = hub.parts.store.read(|db| db.cameras()).await?;
    let mut cameras = Vec::new();
    for camera in all.into_iter().map(|camera| camera.id).filter(|id| one.is_none_or(|one| one == *id)) {
        if hub.rights(session, camera).await?.is_some_and(|rights| rights.include(Right::Playback)) {
            cameras.push(camera);
        }
    }
    if one.is_some() && cameras.is_empty() {
        return Err(ProblemKind::NotFound.into()); // it is not there, or not for this person: which, nobody is told
    }
    let query = EventQuery { cameras, kind, from, to, after, limit };
    let page = hub.parts.store.read(move |db| db.events(&query)).await?;
    let map = hub.parts.recorder.clock_map();
    let told = |event: Event| {
        let start = map.truly(event.stamp, event.start);
        let shift = start.duration_since(event.start);
        let end = event.end.map(|end| end.saturating_add(shift).unwrap_or(end));
        EventItem { id: event.id, camera: event.camera, kind: event.kind, start, end }
    };
    let items = page.items.into_iter().map(told).collect();
    Ok(reply::json(&EventsPage { items, next: page.next.map(|cursor| cursor.to_string()) }))
}

fn kind(word: &str) -> Result<EventKind, ApiError> {
    let known = serde_json::from_value(serde_json::Value::from(word));
    known.map_err(|_| {
        ApiError::with(ProblemKind::BadRequest, "The query's kind is not motion, person, doorbell or offline")
    })
}
