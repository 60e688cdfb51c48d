//! Taking footage away as one file.

use base::{ProblemKind, Timestamp};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, HeaderValue, IF_MATCH,
    IF_RANGE, RANGE,
};
use http::{HeaderMap, StatusCode};
use store::Actor;

use super::footage::{asked, segments, span_of};
use crate::export::Export;
use crate::hub::Ctx;
use crate::parts;
use crate::problem::ApiError;
use crate::range::Asked;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Right, Route};

/// The longest span of one file. Laying a day out takes some megabytes and each of its segments is opened once.
const LONGEST: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        span_of(Route::get(
            "/api/v1/cameras/{id}/export.mp4",
            Access::Camera(Right::Export),
            "Footage of at most 24 hours as one file, from the key picture at or before `from`; a gap stays a gap.",
            export,
        ))
        .answers_with(
            200,
            "MP4. Keepsight-Start: time of its first picture; Keepsight-Next: where to go on if the parameters changed. \
             ETag, byte ranges and If-Range.",
            Some("video/mp4"),
        )
        .answers_with(206, "The bytes that Range asks for.", Some("video/mp4")),
    ]
}

async fn export(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let headers = request.headers.clone();
    let header = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let who = Actor::Principal(request.session()?.principal.id);
    let (camera, viewer, watch, from, to) = asked(&hub, request).await?;
    if to.duration_since(from) > LONGEST {
        return Err(ApiError::with(ProblemKind::BadInterval, "A file holds at most 24 hours"));
    }
    let turn = hub.files.clone().try_acquire_owned().map_err(|_| ProblemKind::TooBusy)?;
    let (segments, viewer) = segments(&hub, camera, viewer, from, to).await?;
    let footage = hub.parts.footage.clone();
    let export =
        tokio::task::spawn_blocking(move || Export::lay_out(&footage, viewer, camera, segments, (from, to), turn))
            .await
            .map_err(ApiError::internal)??;

    let (len, etag) = (export.len(), export.etag());
    // If-Match: somebody goes on with a file of which a segment has gone since, or is longer now.
    if header(IF_MATCH).is_some_and(|tags| tags.trim() != "*" && !tags.split(',').any(|tag| tag.trim() == etag)) {
        return Err(ProblemKind::FootageChanged.into());
    }
    let same = header(IF_RANGE).is_none_or(|tag| tag.trim() == etag);
    let (status, bytes) = match Asked::read(header(RANGE).filter(|_| same), len) {
        Asked::Whole => (StatusCode::OK, 0..len),
        Asked::Part(bytes) => (StatusCode::PARTIAL_CONTENT, bytes),
        Asked::Beyond => {
            let all = value(format!("bytes */{len}"))?;
            return Err(ApiError::from(ProblemKind::RangeBeyond).header(CONTENT_RANGE, all));
        }
    };
    if bytes.start == 0 {
        // Once for each file that is taken away, not for each of its parts.
        let what = format!("{camera} {from} {to}");
        hub.parts.store.urgent(move |db| db.append_audit(who, "footage.export", &what)).await?;
    }
    let name = hub.parts.store.read(move |db| db.camera(camera)).await?.map_or_else(String::new, |c| c.name);

    let mut answer = HeaderMap::new();
    answer.insert(ETAG, value(etag)?);
    answer.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    answer.insert(CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
    answer.insert(CONTENT_DISPOSITION, value(disposition(&name, export.start()))?);
    answer.insert(HeaderName::from_static("keepsight-start"), value(export.start().to_string())?);
    if let Some(next) = export.next() {
        answer.insert(HeaderName::from_static("keepsight-next"), value(next.to_string())?);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        answer.insert(CONTENT_RANGE, value(format!("bytes {}-{}/{len}", bytes.start, bytes.end - 1))?);
    }
    let mut response =
        reply::stream("video/mp4", answer, parts::stream(bytes::Bytes::new(), export.only(bytes), watch));
    *response.status_mut() = status;
    Ok(response)
}

fn value(text: String) -> Result<HeaderValue, ApiError> {
    HeaderValue::try_from(text).map_err(ApiError::internal)
}

/// A name that a person finds again: `Front door 2026-11-24 14.05.10 UTC.mp4` (RFC 6266; the second form, RFC 8187, keeps
/// what is not ASCII).
fn disposition(camera: &str, start: Timestamp) -> String {
    let time = start.strftime("%Y-%m-%d %H.%M.%S UTC");
    let name: String = format!("{camera} {time}.mp4")
        .chars()
        // What no file system takes, or a header would end at.
        .map(|c| if c.is_control() || "\"\\/:*?<>|".contains(c) { '_' } else { c })
        .collect();
    let plain: String = name.chars().map(|c| if c.is_ascii() { c } else { '_' }).collect();
    let encoded: String = name
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_one_that_a_person_finds_again() {
        let start = "2026-11-24T14:05:10.123Z".parse().unwrap();
        assert_eq!(
            disposition("Haustür \"hinten\"/2\r\n", start),
            "attachment; filename=\"Haust_r _hinten__2__ 2026-11-24 14.05.10 UTC.mp4\"; \
             filename*=UTF-8''Haust%C3%BCr%20_hinten__2__%202026-11-24%2014.05.10%20UTC.mp4"
        );
    }
}
