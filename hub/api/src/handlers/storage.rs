//! Room on the footage disk: how much there is and for how long it will do, what limits it, and what stays longer.

use base::footage::StreamName;
use base::state::Health;
use base::{CameraId, ProblemKind, Timestamp};
use http::{Method, StatusCode};
use recorder::StorageStatus;
use serde::{Deserialize, Serialize};
use store::{Actor, KeepLimit, ProtectedSpan};
use utoipa::ToSchema;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Right, Route};

const DAY_S: u64 = 86_400;
/// Less would keep nothing that anybody could look at.
const LEAST_BYTES: u64 = 64 << 20;
const MOST_DAYS: u64 = 36_500;
/// What was recorded lately tells what will be.
const LATELY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// From less nothing can be told.
const LEAST_RECORDED: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
/// Of one camera.
const MOST_SPANS: usize = 1_000;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    let span =
        |route: Route<Ctx>| route.query("from", true, "RFC 3339, inclusive").query("to", true, "RFC 3339, exclusive");
    vec![
        Route::get(
            "/api/v1/system/storage",
            Access::Owner,
            "The footage disk: bytes in all and by camera, limits, and how many days fit.",
            show,
        )
        .answers::<StorageJson>(200, "The footage disk.")
        .local(),
        Route::new(
            Method::PUT,
            "/api/v1/system/storage/limits",
            Access::Owner,
            "Limits what is kept, of one camera or in all. What is beyond a limit is removed, oldest first.",
            limit,
        )
        .takes::<SetLimit>()
        .answers::<StorageJson>(200, "The footage disk."),
        Route::get(
            "/api/v1/cameras/{id}/protected",
            Access::Camera(Right::Playback),
            "Lists the spans of a camera's footage that go last.",
            protected,
        )
        .answers_list::<SpanJson>("The spans, by start."),
        Route::post(
            "/api/v1/cameras/{id}/protected",
            Access::Camera(Right::Manage),
            "Protects a span of a camera's footage: it goes only when nothing else is left.",
            protect,
        )
        .takes::<SpanJson>()
        .answers::<SpanJson>(201, "The span."),
        span(Route::delete(
            "/api/v1/cameras/{id}/protected",
            Access::Camera(Right::Manage),
            "Protects a span no more.",
            unprotect,
        ))
        .answers_with(204, "Not protected any more.", None),
    ]
}

/// The footage disk.
#[derive(Serialize, ToSchema)]
pub(super) struct StorageJson {
    /// `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    health: Health,
    /// Bytes of the disk; absent while it is.
    total_bytes: Option<u64>,
    free_bytes: Option<u64>,
    /// Bytes of all that Keepsight has on it.
    used_bytes: u64,
    /// Bytes that stay free, whoever used the others.
    reserve_bytes: u64,
    /// The most bytes that Keepsight takes there; absent: all but the reserve.
    budget_bytes: Option<u64>,
    /// What a power cut takes at most, in seconds: 2, unless the disk is slow.
    loss_bound_s: f64,
    /// About so many days of footage fit, going by the last day; absent as long as nothing can be told.
    fits_days: Option<f64>,
    /// Segments removed to make room since the hub started.
    removed_segments: u64,
    /// Of all cameras together.
    limit: LimitJson,
    cameras: Vec<CameraStorage>,
}

/// At most so much is kept; what is absent sets no limit.
#[derive(Serialize, ToSchema, Default)]
struct LimitJson {
    bytes: Option<u64>,
    days: Option<u64>,
}

#[derive(Serialize, ToSchema)]
struct CameraStorage {
    #[schema(value_type = String)]
    camera: CameraId,
    /// Bytes of its footage.
    used_bytes: u64,
    limit: LimitJson,
}

/// A limit in the place of the one before.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetLimit {
    /// Of this camera only; of all together if it is absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    camera: Option<CameraId>,
    /// At least 64 MiB; absent or null: no limit.
    #[serde(default)]
    bytes: Option<u64>,
    /// 1 to 36500; absent or null: no limit.
    #[serde(default)]
    days: Option<u64>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SpanJson {
    /// The first instant.
    #[schema(value_type = String)]
    from: Timestamp,
    /// The first instant after it.
    #[schema(value_type = String)]
    to: Timestamp,
    /// A rule protects it. Only told.
    #[serde(default, skip_deserializing)]
    by_rule: bool,
}

async fn show(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    Ok(reply::json(&told(&hub).await?))
}

async fn told(hub: &Ctx) -> Result<StorageJson, ApiError> {
    let (status, now) = (hub.parts.recorder.storage(), hub.parts.clock.wall());
    let since = now.saturating_sub(LATELY).unwrap_or(now);
    let read = hub.parts.store.read(move |db| {
        let (cameras, limits) = (db.cameras()?, db.keep_limits()?);
        let (mut bytes, mut first) = (0_u64, now);
        for camera in &cameras {
            for segment in db.segments(camera.id, StreamName::Main, since, now)? {
                bytes += segment.bytes;
                first = first.min(segment.start.max(since));
            }
        }
        Ok((cameras, limits, bytes, now.duration_since(first)))
    });
    let (cameras, limits, bytes, took) = read.await?;
    let limit = |of: Option<CameraId>| {
        let limit = limits.iter().find(|(camera, _)| *camera == of).map(|(_, limit)| *limit).unwrap_or_default();
        LimitJson { bytes: limit.bytes, days: limit.age_s.map(|s| s / DAY_S) }
    };
    let used = |id| hub.parts.recorder.footage_bytes(id);
    let used_in_all: u64 = cameras.iter().map(|c| used(c.id)).sum();
    Ok(StorageJson {
        total_bytes: status.disk.map(|d| d.total),
        free_bytes: status.disk.map(|d| d.free),
        used_bytes: status.used,
        reserve_bytes: status.reserve,
        budget_bytes: status.budget,
        loss_bound_s: loss_bound_s(status.loss_bound),
        fits_days: fits_days(&status, used_in_all, bytes, took),
        removed_segments: status.removed,
        limit: limit(None),
        cameras: cameras
            .iter()
            .map(|c| CameraStorage { camera: c.id, used_bytes: used(c.id), limit: limit(Some(c.id)) })
            .collect(),
        health: status.health,
    })
}

/// What a power cut takes at most: what is promised, or what was measured.
pub(crate) fn loss_bound_s(measured: Option<std::time::Duration>) -> f64 {
    measured.map_or(2.0, |bound| bound.as_secs_f64())
}

/// `bytes` were recorded in `took`.
fn fits_days(status: &StorageStatus, footage: u64, bytes: u64, took: jiff::SignedDuration) -> Option<f64> {
    let disk = status.disk?;
    if took < LEAST_RECORDED || bytes == 0 {
        return None;
    }
    let room = (disk.free + footage).saturating_sub(status.reserve);
    let room =
        status.budget.map_or(room, |budget| room.min(budget.saturating_sub(status.used.saturating_sub(footage))));
    let a_day = bytes as f64 * DAY_S as f64 / took.as_secs_f64();
    Some((room as f64 / a_day * 10.0).round() / 10.0)
}

async fn limit(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: SetLimit = request.json()?;
    let bad = |what: &str| ApiError::with(ProblemKind::BadBody, what);
    if body.bytes.is_some_and(|bytes| bytes < LEAST_BYTES) {
        return Err(bad("The bytes are fewer than 67108864"));
    }
    if body.days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
        return Err(bad("The days are not 1 to 36500"));
    }
    let who = Actor::Principal(request.session()?.principal.id);
    let limit = KeepLimit { bytes: body.bytes, age_s: body.days.map(|days| days * DAY_S) };
    let said = format!(
        "{}: bytes {}, days {}",
        body.camera.map_or("all".to_owned(), |id| id.to_string()),
        body.bytes.map_or("any".to_owned(), |n| n.to_string()),
        body.days.map_or("any".to_owned(), |n| n.to_string())
    );
    let there = hub.parts.store.urgent(move |db| {
        if let Some(camera) = body.camera
            && db.camera(camera)?.is_none()
        {
            return Ok(false);
        }
        db.put_keep_limit(body.camera, &limit)?;
        db.append_audit(who, "storage.limit", &said)?;
        Ok(true)
    });
    if !there.await? {
        return Err(ProblemKind::NotFound.into());
    }
    hub.export().await?;
    Ok(reply::json(&told(&hub).await?))
}

async fn protected(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: CameraId = request.id("id")?;
    let spans = hub.parts.store.read(|db| db.protected_spans()).await?;
    let of_camera = spans.into_iter().filter(|s| s.camera == id);
    Ok(reply::json(&of_camera.map(|s| SpanJson { from: s.from, to: s.to, by_rule: s.by_rule }).collect::<Vec<_>>()))
}

async fn protect(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: SpanJson = request.json()?;
    let (who, span) = (owner(&request)?, span(&request, body.from, body.to)?);
    let fits = hub.parts.store.urgent(move |db| {
        let had = db.protected_spans()?.into_iter().filter(|s| s.camera == span.camera && !s.by_rule).count();
        if had >= MOST_SPANS {
            return Ok(false);
        }
        db.protect(&span)?;
        db.append_audit(who, "footage.protect", &format!("{} {} {}", span.camera, span.from, span.to))?;
        Ok(true)
    });
    if !fits.await? {
        return Err(ApiError::with(ProblemKind::BadBody, "The camera has 1000 protected spans already"));
    }
    hub.export().await?;
    Ok(reply::json_with(StatusCode::CREATED, &SpanJson { from: span.from, to: span.to, by_rule: false }))
}

async fn unprotect(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let (from, to) = (request.query.value("from")?, request.query.value("to")?);
    let (Some(from), Some(to)) = (from, to) else { return Err(ProblemKind::BadInterval.into()) };
    let (who, span) = (owner(&request)?, span(&request, from, to)?);
    let was = hub.parts.store.urgent(move |db| {
        // Whoever protects it.
        let same = |s: &ProtectedSpan| (s.camera, s.from, s.to) == (span.camera, span.from, span.to);
        let was = db.protected_spans()?.iter().any(same);
        if was {
            db.unprotect(&span)?;
            db.append_audit(who, "footage.unprotect", &format!("{} {} {}", span.camera, span.from, span.to))?;
        }
        Ok(was)
    });
    if !was.await? {
        return Err(ProblemKind::NotFound.into());
    }
    hub.export().await?;
    Ok(reply::no_content())
}

fn span(request: &Request<Ctx>, from: Timestamp, to: Timestamp) -> Result<ProtectedSpan, ApiError> {
    match from < to {
        true => Ok(ProtectedSpan { camera: request.id("id")?, from, to, by_rule: false }),
        false => Err(ProblemKind::BadInterval.into()),
    }
}

/// Who may manage a camera may not fill the disk of the others.
fn owner(request: &Request<Ctx>) -> Result<Actor, ApiError> {
    match &request.caller {
        Caller::Signed(session) if session.is_owner() => Ok(Actor::Principal(session.principal.id)),
        _ => Err(ProblemKind::NotAllowed.into()),
    }
}

#[cfg(test)]
mod tests {
    use base::state::Health;
    use system::DiskFacts;

    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn the_days_that_fit_follow_from_what_was_recorded_lately() {
        let disk = DiskFacts { total: 200 * GIB, free: 81 * GIB, device: 1, mount_point: true, read_only: false };
        let status = StorageStatus {
            health: Health::Ok,
            disk: Some(disk),
            used: 25 * GIB,
            reserve: GIB,
            budget: None,
            removed: 0,
            loss_bound: None,
        };
        let hours = jiff::SignedDuration::from_hours;
        let fits = |status: &StorageStatus, bytes, took| fits_days(status, 20 * GIB, bytes, took);
        assert_eq!(fits(&status, 10 * GIB, hours(24)), Some(10.0));
        assert_eq!(fits(&status, 5 * GIB, hours(12)), Some(10.0), "a hub that began at noon");
        let limited = StorageStatus { budget: Some(55 * GIB), ..status.clone() };
        assert_eq!(fits(&limited, 10 * GIB, hours(24)), Some(5.0), "5 GiB of it are no footage");
        assert_eq!(fits(&status, 10 * GIB, jiff::SignedDuration::from_mins(1)), None);
        assert_eq!(fits(&status, 0, hours(24)), None);
        assert_eq!(fits(&StorageStatus { disk: None, ..status }, 10 * GIB, hours(24)), None);
    }
}
