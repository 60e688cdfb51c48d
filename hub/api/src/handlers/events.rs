//! What happened at the cameras.

use std::time::Duration;

use base::{CameraId, EventId, PrincipalId, Problem, ProblemKind, RuleId, Timestamp};
use bytes::Bytes;
use footage::{ClockMap, OpenError};
use http::header::{CACHE_CONTROL, HeaderValue};
use recorder::Notice;
use serde::Serialize;
use store::{Event, EventCursor, EventKind, EventQuery};
use tokio::sync::{broadcast, mpsc};
use utoipa::ToSchema;

use crate::hub::Ctx;
use crate::parts;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Hub, Request, Right, Route};

/// Events of a page, unless it is said otherwise.
const PAGE: usize = 50;
const LONGEST_PAGE: usize = 500;
/// Nothing happened for so long: who listens is told that the hub is still there.
const STILL_THERE: Duration = Duration::from_secs(15);

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
        Route::get("/api/v1/events/{id}", Access::Session, "An event of a camera whose footage you may see.", one)
            .answers::<EventItem>(200, "The event."),
        Route::get(
            "/api/v1/events/{id}/thumbnail.jpg",
            Access::Session,
            "The best picture of an event of a camera whose footage you may see.",
            thumbnail,
        )
        .answers_with(200, "A JPEG.", Some("image/jpeg")),
        Route::get(
            "/api/v1/events/stream",
            Access::Session,
            "What happens from now on at the cameras whose footage you may see, as it begins, is known better, and ends.",
            stream,
        )
        .answers_with(
            200,
            "Server-sent events: `event` with an event as in the list; `notice` with `rule` (`id`, `name`) and `event` where a rule has \
             it told; `missed` where some were left out: ask for the list.",
            Some("text/event-stream"),
        ),
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
    /// More of it. Of motion: score, how certain it is, 0 to 1; area, the largest part of the picture that moves, 0 to 1; box, where:
    /// left, top, width and height, 0 to 1; thumbnail, whether there is a picture of it; objects, what moves, where that is known. Where the
    /// camera told it itself, by is "camera", and there is neither score nor area nor box.
    #[schema(value_type = Option<Object>)]
    detail: serde_json::Value,
}

impl EventItem {
    /// With its true times, as far as they are known.
    fn of(event: Event, map: &ClockMap) -> Self {
        let start = map.truly(event.stamp, event.start);
        let shift = start.duration_since(event.start);
        let end = event.end.map(|end| end.saturating_add(shift).unwrap_or(end));
        let Event { id, camera, kind, detail, .. } = event;
        Self { id, camera, kind, start, end, detail }
    }
}

/// A rule has people told of an event.
#[derive(Serialize)]
struct NoticeItem {
    rule: OfRule,
    event: EventItem,
}

#[derive(Serialize)]
struct OfRule {
    id: RuleId,
    name: String,
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
    let items = page.items.into_iter().map(|event| EventItem::of(event, &map)).collect();
    Ok(reply::json(&EventsPage { items, next: page.next.map(|cursor| cursor.to_string()) }))
}

async fn one(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let event = asked_for(&hub, &request).await?;
    Ok(reply::json(&EventItem::of(event, &hub.parts.recorder.clock_map())))
}

async fn thumbnail(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let event = asked_for(&hub, &request).await?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let (viewer, _) = session.into_viewer(&hub, event.camera).await?;
    let footage = hub.parts.footage.clone();
    let open = move || footage.thumbnail(&viewer, event.camera, event.id);
    let opened = tokio::task::spawn_blocking(open).await.map_err(ApiError::internal)?;
    let jpeg = match opened {
        // Kept with its footage, and gone with it; or there never was one.
        Err(OpenError::Missing { .. }) => return Err(ProblemKind::NotFound.into()),
        opened => opened.map_err(|e| Problem::from(&e))?,
    };
    let mut response = reply::bytes("image/jpeg", jpeg);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The event that a path names. It is not there, or not for this person: which, nobody is told.
async fn asked_for(hub: &Ctx, request: &Request<Ctx>) -> Result<Event, ApiError> {
    let id: EventId = request.id("id")?;
    let event = hub.parts.store.read(move |db| db.event(id)).await?;
    let event = event.ok_or(ProblemKind::NotFound)?;
    match hub.rights(request.session()?, event.camera).await? {
        Some(rights) if rights.include(Right::Playback) => Ok(event),
        _ => Err(ProblemKind::NotFound.into()),
    }
}

async fn stream(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let (principal, secret) = (session.principal.id, session.secret.id);
    let watch = hub.ends.watch_session(secret, principal);
    // What ended since this session was found is not told to who begins to listen now.
    if hub.parts.store.read(move |db| db.secret(principal, secret)).await?.is_none() {
        return Err(ProblemKind::NotSignedIn.into());
    }
    let (tell, told) = mpsc::channel(1);
    // Who waits for the answer's head gets it now, and not with the first event.
    let begun = tell.send(Ok(Bytes::from_static(b": listening\n\n"))).await;
    begun.map_err(ApiError::internal)?;
    // Who only listens opens nothing: with the session go the keys that open their cameras.
    drop(session);
    let (happens, notices) = (hub.parts.recorder.happens(), hub.parts.recorder.notices());
    tokio::spawn(listen(hub, principal, happens, notices, tell));
    Ok(reply::stream("text/event-stream", http::HeaderMap::new(), parts::until_ended(told, watch)))
}

/// What is told to who listens.
enum Told {
    Event(Event),
    Notice(Notice),
}

/// Tells what happens, for as long as it is taken.
async fn listen(
    hub: Ctx,
    principal: PrincipalId,
    mut happens: broadcast::Receiver<Event>,
    mut notices: broadcast::Receiver<Notice>,
    tell: mpsc::Sender<std::io::Result<Bytes>>,
) {
    let (clock, shutdown) = (hub.parts.clock.clone(), hub.parts.shutdown.clone());
    loop {
        let next = tokio::select! {
            biased; // an event before what is to be told of it
            () = tell.closed() => return,
            () = shutdown.wait() => return,
            event = happens.recv() => Some(event.map(Told::Event)),
            notice = notices.recv() => Some(notice.map(Told::Notice)),
            () = clock.sleep(STILL_THERE) => None,
        };
        let text = match next {
            Some(Ok(next)) => match told(&hub, principal, next).await {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(_) => return, // the store does not answer: whoever listens comes again
            },
            Some(Err(broadcast::error::RecvError::Lagged(_))) => "event: missed\ndata: {}\n\n".to_owned(),
            Some(Err(broadcast::error::RecvError::Closed)) => return,
            None => ": still here\n\n".to_owned(),
        };
        if tell.send(Ok(text.into())).await.is_err() {
            return;
        }
    }
}

/// An event or a notice of one as it is told to somebody; `None`: it is not for them. Asked for each, since a grant may have come
/// or gone.
async fn told(hub: &Ctx, principal: PrincipalId, told: Told) -> Result<Option<String>, ApiError> {
    let camera = match &told {
        Told::Event(event) | Told::Notice(Notice { event, .. }) => event.camera,
    };
    if !hub.rights_of(principal, camera).await?.is_some_and(|rights| rights.include(Right::Playback)) {
        return Ok(None);
    }
    let map = hub.parts.recorder.clock_map();
    let (name, id, data) = match told {
        Told::Event(event) => ("event", event.id, serde_json::to_string(&EventItem::of(event, &map))),
        Told::Notice(Notice { rule: id, name, event }) => {
            let (about, rule) = (event.id, OfRule { id, name });
            ("notice", about, serde_json::to_string(&NoticeItem { rule, event: EventItem::of(event, &map) }))
        }
    };
    Ok(Some(format!("event: {name}\nid: {id}\ndata: {}\n\n", data.map_err(ApiError::internal)?)))
}

fn kind(word: &str) -> Result<EventKind, ApiError> {
    let known = serde_json::from_value(serde_json::Value::from(word));
    known.map_err(|_| {
        ApiError::with(ProblemKind::BadRequest, "The query's kind is not motion, person, doorbell or offline")
    })
}
