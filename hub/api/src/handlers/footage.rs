//! Looking back: the timeline, playback, and a camera's keys for who wants to open the files without the hub.

use base::footage::{SegmentDetails, SegmentInfo, StreamName};
use base::state::GapReason;
use base::{CameraId, GapId, ProblemKind, SegmentId, Timestamp};
use footage::Dated;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use store::Actor;
use utoipa::ToSchema;
use vault::{Password, Purpose, ViewError, Viewer, Zeroizing};

use crate::hub::Ctx;
use crate::playback::{self, Stretch};
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Right, Route};
use crate::secrets::asked_again;
use crate::watch::Watch;

/// The longest span of time that may be asked for at once.
const LONGEST: jiff::SignedDuration = jiff::SignedDuration::from_hours(31 * 24);

/// A route that takes a span of time.
pub(super) fn span_of(route: Route<Ctx>) -> Route<Ctx> {
    route
        .query("from", false, "RFC 3339, inclusive; with `to`, unless `day` is given")
        .query("to", false, "RFC 3339, exclusive; at most 31 days after from")
        .query("day", false, "YYYY-MM-DD, instead of from and to: the whole day, of 23 to 25 hours where clocks change")
        .query("tz", false, "The day's time zone, such as Europe/Berlin; UTC if it is not given")
}

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        span_of(Route::get(
            "/api/v1/cameras/{id}/timeline",
            Access::Camera(Right::Playback),
            "What was recorded, what was not and why, and what happened.",
            timeline,
        ))
        .answers::<Timeline>(200, "Segments, gaps and events that have a part in the span, by start."),
        span_of(Route::get(
            "/api/v1/cameras/{id}/playback.mp4",
            Access::Camera(Right::Playback),
            "Footage from the key picture at or before `from`, to the next gap over 1 s or change of parameters.",
            play,
        ))
        .answers_with(
            200,
            "Fragmented MP4. Keepsight-Start: time of its first picture; Keepsight-Next: where to go on.",
            Some("video/mp4"),
        ),
        Route::post(
            "/api/v1/cameras/{id}/key",
            Access::Camera(Right::Export),
            "Hands out the keys of a camera's footage, for opening its files with `age -d`, and begins a new epoch.",
            export_key,
        )
        .takes::<ExportKey>()
        .answers_with(200, "An age identity file.", Some("text/plain; charset=utf-8")),
    ]
}

#[derive(Serialize, ToSchema)]
struct Timeline {
    segments: Vec<SegmentJson>,
    gaps: Vec<GapJson>,
    events: Vec<EventJson>,
}

#[derive(Serialize, ToSchema)]
struct SegmentJson {
    #[schema(value_type = String)]
    id: SegmentId,
    #[schema(value_type = String)]
    start: Timestamp,
    /// Of the segment that is being written: the last instant that is surely on disk.
    #[schema(value_type = String)]
    end: Timestamp,
    /// main or sub.
    #[schema(value_type = String)]
    stream: StreamName,
    /// Length of the sealed file in bytes.
    bytes: u64,
    /// open, closed, recovered (cut short by a crash) or unknown (nobody could look inside yet).
    #[schema(value_type = String)]
    details: SegmentDetails,
}

#[derive(Serialize, ToSchema)]
struct GapJson {
    #[schema(value_type = String)]
    id: GapId,
    #[schema(value_type = String)]
    start: Timestamp,
    /// Of a gap that lasts: now.
    #[schema(value_type = String)]
    end: Timestamp,
    /// Why nothing was recorded, such as camera_lost or hub_down.
    #[schema(value_type = String)]
    reason: GapReason,
}

#[derive(Serialize, ToSchema)]
struct EventJson {
    #[schema(value_type = String)]
    id: base::EventId,
    #[schema(value_type = String)]
    start: Timestamp,
    /// Of an event that lasts: now.
    #[schema(value_type = String)]
    end: Timestamp,
    #[schema(value_type = String)]
    kind: store::EventKind,
    /// There is a picture of it: /events/{id}/thumbnail.jpg.
    thumbnail: bool,
}

async fn timeline(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let (camera, viewer, _watch, from, to) = asked(&hub, request).await?;
    let (segments, _viewer) = segments(&hub, camera, viewer, from, to).await?;
    let recorder = &hub.parts.recorder;
    let (gaps, events) = (recorder.gaps(camera, from, to).await?, recorder.events(camera, from, to).await?);
    let now = hub.parts.clock.wall();
    Ok(reply::json(&Timeline {
        segments: segments
            .into_iter()
            .map(|s| SegmentJson {
                id: s.row.id,
                start: s.start,
                end: s.end,
                stream: s.row.stream,
                bytes: s.row.bytes,
                details: s.row.details,
            })
            .collect(),
        gaps: gaps.into_iter().map(|g| GapJson { id: g.id, start: g.start, end: g.end, reason: g.reason }).collect(),
        events: events
            .into_iter()
            .map(|e| EventJson {
                id: e.id,
                start: e.start,
                end: e.end.unwrap_or(now).max(e.start),
                kind: e.kind,
                thumbnail: e.detail["thumbnail"] == true,
            })
            .collect(),
    }))
}

async fn play(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let (camera, viewer, watch, from, to) = asked(&hub, request).await?;
    let (segments, viewer) = segments(&hub, camera, viewer, from, to).await?;
    let stretch = Stretch::find(&segments, from, to).ok_or(ProblemKind::NoFootage)?;
    let next = stretch.next;
    let footage = hub.parts.footage.clone();
    let player =
        tokio::task::spawn_blocking(move || playback::Player::open(&footage, viewer, camera, stretch, from, to))
            .await
            .map_err(ApiError::internal)??;
    let mut headers = HeaderMap::new();
    let time = |t: Timestamp| HeaderValue::from_str(&t.to_string()).map_err(ApiError::internal);
    headers.insert(HeaderName::from_static("keepsight-start"), time(player.start())?);
    if let Some(next) = next {
        headers.insert(HeaderName::from_static("keepsight-next"), time(next)?);
    }
    Ok(reply::stream("video/mp4", headers, player.stream(watch)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExportKey {
    /// The password of who asks: a session alone hands out no key.
    #[schema(value_type = String)]
    password: Password,
}

async fn export_key(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let camera: CameraId = request.id("id")?;
    let body: ExportKey = request.json()?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let principal = session.principal.id;
    asked_again(&hub, &session, body.password, request.peer).await?;

    let (viewer, _watch) = session.into_viewer(&hub, camera).await?;
    let mut keys = Zeroizing::new(String::new());
    for epoch in hub.parts.store.read(move |db| db.epochs_of(camera)).await? {
        match viewer.export_key(camera, epoch.public.epoch) {
            Ok(key) => keys.push_str(&key),
            Err(ViewError::NotGranted) => {} // from before this principal was granted the camera
            Err(e) => return Err(e.into()),
        }
    }
    // In the log before it is handed out; and what is recorded from now on, it does not open.
    let who = Actor::Principal(principal);
    hub.parts.store.urgent(move |db| db.append_audit(who, "camera.key.export", &camera.to_string())).await?;
    hub.parts.recorder.new_epoch(camera).await?;
    hub.export().await?;
    Ok(reply::bytes("text/plain; charset=utf-8", keys.as_bytes().to_vec()))
}

/// Camera, viewer and span of a request.
pub(super) async fn asked(
    hub: &Ctx,
    request: Request<Ctx>,
) -> Result<(CameraId, Viewer, Watch, Timestamp, Timestamp), ApiError> {
    let camera: CameraId = request.id("id")?;
    let (from, to) = span(|name| request.query.text(name).map(|text| text.to_string()))?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let (viewer, watch) = session.into_viewer(hub, camera).await?;
    Ok((camera, viewer, watch, from, to))
}

/// The span that a query asks for: from and to, or a day of a time zone.
fn span(query: impl Fn(&str) -> Option<String>) -> Result<(Timestamp, Timestamp), ApiError> {
    let bad = |what: String| ApiError::with(ProblemKind::BadInterval, what);
    let (from, to) = match (query("day"), query("from"), query("to")) {
        (Some(day), None, None) => day_span(&day, &query("tz").unwrap_or_else(|| "UTC".to_owned())).map_err(bad)?,
        (Some(_), ..) => return Err(bad("Either day, or from and to".to_owned())),
        (None, from, to) => {
            let time = |text: Option<String>| {
                text.and_then(|text| text.parse::<Timestamp>().ok()).ok_or(ProblemKind::BadInterval)
            };
            (time(from)?, time(to)?)
        }
    };
    if from >= to || to.duration_since(from) > LONGEST {
        return Err(ProblemKind::BadInterval.into());
    }
    Ok((from, to))
}

/// First instant of a day, and of the day after it, as the clocks on the wall there have it.
fn day_span(day: &str, zone: &str) -> Result<(Timestamp, Timestamp), String> {
    let short = |text: &str| text.chars().take(60).collect::<String>();
    let date: jiff::civil::Date = Some(day)
        .filter(|day| day.len() == 10)
        .and_then(|day| day.parse().ok())
        .ok_or_else(|| format!("There is no day {:?}; days are YYYY-MM-DD", short(day)))?;
    let zone = jiff::tz::TimeZone::get(zone)
        .map_err(|_| format!("There is no time zone {:?}; they are named like Europe/Berlin", short(zone)))?;
    let begin = |date: jiff::civil::Date| zone.to_timestamp(date.at(0, 0, 0, 0));
    let span = date.tomorrow().and_then(|tomorrow| Ok((begin(date)?, begin(tomorrow)?)));
    span.map_err(|_| format!("The day {date} cannot be used"))
}

/// The segments of the main stream that truly were in a span, by true time. Those that nobody has looked into since a
/// crash, or that do not say yet by which instant they are dated, are opened with the request's viewer and filled in.
pub(super) async fn segments(
    hub: &Ctx,
    camera: CameraId,
    viewer: Viewer,
    from: Timestamp,
    to: Timestamp,
) -> Result<(Vec<Dated>, Viewer), ApiError> {
    let recorder = &hub.parts.recorder;
    let mut rows = recorder.segments(camera, from, to).await?;
    // What is from before the viewer was granted the camera is not there for it.
    rows.retain(|s| viewer.key(camera, Purpose::Footage, s.epoch).is_ok());
    let blank = |s: &SegmentInfo| {
        s.details == SegmentDetails::Unknown || (s.stamp.is_none() && s.details != SegmentDetails::Open)
    };
    let footage = hub.parts.footage.clone();
    let (mut rows, changed, viewer) = tokio::task::spawn_blocking(move || {
        let mut changed = Vec::new();
        for segment in rows.iter_mut().filter(|s| blank(s)) {
            match footage.open(&viewer, camera, segment) {
                Ok(mut reader) => {
                    let before = std::mem::replace(segment, reader.summary().info);
                    changed.push((before, segment.clone()));
                }
                Err(e) => tracing::debug!(segment = %segment.id, error = &e as &dyn std::error::Error, "stays unknown"),
            }
        }
        (rows, changed, viewer)
    })
    .await
    .map_err(ApiError::internal)?;
    for (before, after) in changed {
        recorder.corrected(before, after).await?;
    }
    // What cannot be looked into cannot be shown.
    rows.retain(|s| s.details != SegmentDetails::Unknown);
    let map = recorder.clock_map();
    let mut found: Vec<_> = rows.into_iter().map(|row| map.dated(row)).collect();
    found.retain(|s| s.start < to && s.end > from);
    found.sort_by_key(|s| (s.start, s.row.id));
    Ok((found, viewer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(day: &str, zone: &str) -> f64 {
        let (from, to) = day_span(day, zone).unwrap();
        to.duration_since(from).as_secs_f64() / 3_600.0
    }

    #[test]
    fn a_day_is_as_long_as_it_is_there() {
        assert_eq!(hours("2026-03-29", "Europe/Berlin"), 23.0);
        assert_eq!(hours("2026-10-25", "Europe/Berlin"), 25.0);
        assert_eq!(hours("2026-03-29", "UTC"), 24.0);
        assert_eq!(hours("2028-02-29", "Asia/Kathmandu"), 24.0);
        assert_eq!(hours("2026-04-05", "Australia/Lord_Howe"), 24.5, "half an hour there");
        assert_eq!(hours("2026-09-06", "America/Santiago"), 23.0, "its midnight is skipped");
        let (from, _) = day_span("2026-07-01", "Europe/Berlin").unwrap();
        assert_eq!(from.to_string(), "2026-06-30T22:00:00Z");
    }

    #[test]
    fn days_follow_each_other_without_a_hole_for_a_year() {
        for zone in ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"] {
            let mut date = jiff::civil::date(2028, 1, 1);
            let mut next = day_span("2028-01-01", zone).unwrap().0;
            for _ in 0..366 {
                let (from, to) = day_span(&date.to_string(), zone).unwrap();
                assert_eq!(from, next, "{date} {zone}");
                (next, date) = (to, date.tomorrow().unwrap());
            }
        }
    }

    #[test]
    fn what_is_no_day_is_said() {
        for (day, zone) in [
            ("2026-02-29", "UTC"),
            ("2026-13-01", "UTC"),
            ("yesterday", "UTC"),
            ("", "UTC"),
            ("2026-1-1", "UTC"),
            ("9999-12-31", "UTC"),
        ] {
            assert!(day_span(day, zone).unwrap_err().contains("day"), "{day:?}");
        }
        for zone in ["Europe/Atlantis", "", "../../etc/passwd", "CEST6"] {
            assert!(day_span("2026-01-01", zone).unwrap_err().contains("time zone"), "{zone:?}");
        }
        let asked = |pairs: &'static [(&str, &str)]| {
            span(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert!(asked(&[("day", "2026-01-01"), ("tz", "Europe/Berlin")]).is_ok());
        assert!(asked(&[("day", "2026-01-01")]).is_ok());
        assert!(asked(&[("from", "2026-01-01T00:00:00Z"), ("to", "2026-01-02T00:00:00Z")]).is_ok());
        for bad in [
            &[][..],
            &[("day", "2026-01-01"), ("from", "2026-01-01T00:00:00Z")],
            &[("from", "2026-01-01T00:00:00Z")],
            &[("from", "2026-01-02T00:00:00Z"), ("to", "2026-01-01T00:00:00Z")],
            &[("from", "2026-01-01T00:00:00Z"), ("to", "2026-03-01T00:00:00Z")],
        ] {
            assert!(asked(bad).is_err(), "{bad:?}");
        }
    }
}
