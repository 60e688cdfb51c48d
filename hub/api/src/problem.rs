//! What a person is told when a request fails: problem documents (RFC 9457).
//!
//! The words are the catalogue's ([`base::problem`]); this is the one table that maps a kind to a status.

use std::fmt::Debug;
use std::time::Duration;

use base::{Problem, ProblemKind};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use serde::Serialize;
use utoipa::ToSchema;

use crate::reply::Response;

/// Why a handler does not answer as asked: what the person is told, and apart from it what the log gets.
///
/// Made by `?` from everything that says which [`Problem`] it is. There is no `Display` on purpose: neither half
/// should end up where the other belongs.
#[derive(Debug)]
pub struct ApiError {
    /// What the person is told.
    pub problem: Problem,
    /// Headers of the answer, such as `Retry-After`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The error with its sources, for the log.
    log: String,
}

impl ApiError {
    /// Something inside the hub failed: the log gets the error, the person "something went wrong".
    pub fn internal(error: impl Debug) -> Self {
        Self { problem: ProblemKind::Internal.into(), headers: Vec::new(), log: format!("{error:?}") }
    }
    /// A problem with a detail for the person.
    pub fn with(kind: ProblemKind, detail: impl std::fmt::Display) -> Self {
        Problem::with(kind, detail).into()
    }
    /// Adds a header to the answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
    /// Says after how long another attempt makes sense: whole seconds, at least one.
    pub fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.header(RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }
    /// Writes the log's half, and makes the person's half an answer.
    pub(crate) fn into_response(self, method: &http::Method, path: &str) -> Response {
        let status = status(self.problem.kind);
        if status.is_server_error() {
            tracing::warn!(%method, path, status = status.as_u16(), error = self.log, "a request failed");
        } else {
            tracing::debug!(%method, path, status = status.as_u16(), error = self.log, "a request was refused");
        }
        let document = serde_json::to_vec(&Document::of(&self.problem)).unwrap_or_default();
        let mut response = Response::new(document.into());
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        response.headers_mut().extend(self.headers);
        response
    }
}

impl<E: Into<Problem> + Debug> From<E> for ApiError {
    fn from(error: E) -> Self {
        let log = format!("{error:?}");
        Self { problem: error.into(), headers: Vec::new(), log }
    }
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Document<'a> {
    /// `urn:keepsight:problem:` and the code.
    #[schema(example = "urn:keepsight:problem:not-found")]
    r#type: String,
    /// The code of the catalogue `docs/problems.md`, stable.
    #[schema(example = "not-found")]
    code: &'static str,
    /// What happened, one sentence.
    title: &'static str,
    /// The answer's status.
    status: u16,
    /// What exactly, where the title alone does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    /// What to do about it.
    remedy: &'static str,
}

impl<'a> Document<'a> {
    /// The document of a problem.
    pub fn of(problem: &'a Problem) -> Self {
        let kind = problem.kind;
        Self {
            r#type: format!("urn:keepsight:problem:{}", kind.code()),
            code: kind.code(),
            title: kind.happened(),
            status: status(kind).as_u16(),
            detail: problem.detail.as_deref(),
            remedy: kind.remedy(),
        }
    }
}

/// The status that says most nearly the same as a problem.
pub fn status(kind: ProblemKind) -> StatusCode {
    use ProblemKind as P;
    match kind {
        P::BadRequest | P::BadBody | P::BadInterval | P::BadKeyFile | P::BadExport => StatusCode::BAD_REQUEST,
        P::NotSignedIn | P::WrongPassword | P::TotpNeeded | P::WrongRecoveryKit => StatusCode::UNAUTHORIZED,
        P::ForeignOrigin | P::NotAllowed | P::WrongClaimToken | P::NotGranted => StatusCode::FORBIDDEN,
        P::BadInvitation | P::NotForTokens => StatusCode::FORBIDDEN,
        P::NotFound | P::NoFootage | P::NoSubStream => StatusCode::NOT_FOUND,
        P::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        P::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        P::AlreadyClaimed | P::NotClaimed | P::NameTaken | P::TooManyCameras => StatusCode::CONFLICT,
        P::LastOwner | P::OwnerHasAll | P::TooManyPeople => StatusCode::CONFLICT,
        P::KeyExists | P::HubRunning | P::TimeKnown | P::UpdateBusy | P::NoUpdate | P::UpdateRefused => {
            StatusCode::CONFLICT
        }
        P::NotMounted
        | P::NotADisk
        | P::DiskElsewhere
        | P::DiskInUse
        | P::NothingToAdopt
        | P::NoSlots
        | P::TimeNotOurs
        | P::WifiNotOurs
        | P::NoRadio
        | P::WifiBusy => StatusCode::CONFLICT,
        P::DisksByHand | P::DiskBusy | P::DiskChanged | P::DiskUnfit | P::DiskNotMade => StatusCode::CONFLICT,
        P::WifiNotJoined => StatusCode::CONFLICT,
        P::FootageChanged => StatusCode::PRECONDITION_FAILED,
        P::RangeBeyond => StatusCode::RANGE_NOT_SATISFIABLE,
        P::LengthRequired => StatusCode::LENGTH_REQUIRED,
        P::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        P::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        // What was sent can be read, but must be something else.
        P::WeakPassword
        | P::BadName
        | P::WrongTotp
        | P::BadGrant
        | P::BadEnd
        | P::NotAtHome
        | P::BadTime
        | P::BadCameraUrl
        | P::BadUpdateSource
        | P::BadModel
        | P::CameraUnauthorised
        | P::CameraUnsupported
        | P::CameraTransport
        | P::CameraCertificate => StatusCode::UNPROCESSABLE_ENTITY,
        P::WrongHost => StatusCode::MISDIRECTED_REQUEST,
        P::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
        P::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
        P::CameraUnreachable | P::CameraBroken | P::UpdateSource => StatusCode::BAD_GATEWAY,
        P::TooBusy | P::ShuttingDown | P::HubNotRunning | P::NoPicture | P::StillFailed => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        P::DiskForeign
        | P::DiskError
        | P::SlowDisk
        | P::StoreDamaged
        | P::StoreUnsafe
        | P::StoreBusy
        | P::NoTrueTime
        | P::NotHealthy
        | P::TooHot
        | P::Throttled
        | P::LowVoltage
        | P::DiskWorn
        | P::UpdateWentBack
        | P::UpdateFailed
        | P::NoNetwork
        | P::HostNameTaken => StatusCode::SERVICE_UNAVAILABLE,
        P::NoDecoder
        | P::OtherDecoder
        | P::NoEncoder
        | P::EncoderFailed
        | P::NotWatched
        | P::NoCameraEvents
        | P::WeakSandbox => StatusCode::NOT_IMPLEMENTED,
        P::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        P::Internal | P::FootageForeign | P::FootageDamaged | P::WrongKey | P::NewerFormat | P::BadConfig => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        P::BadImage | P::NoConfig | P::PortTaken | P::FileError | P::BadFile | P::MissingPart => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn every_problem_has_a_status_that_says_that_it_failed() {
        for kind in ProblemKind::ALL {
            let status = status(*kind);
            assert!(status.is_client_error() || status.is_server_error(), "{kind:?}: {status}");
        }
    }

    #[tokio::test]
    async fn a_problem_document_holds_what_happened_and_what_to_do() {
        let error = ApiError::with(ProblemKind::TooManyAttempts, "Five a minute are allowed")
            .retry_after(Duration::from_millis(2_001));
        let response = error.into_response(&http::Method::POST, "/api/v1/sessions");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()[RETRY_AFTER], "3");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
            serde_json::json!({
                "type": "urn:keepsight:problem:too-many-attempts",
                "code": "too-many-attempts",
                "title": "There were too many attempts.",
                "status": 429,
                "detail": "Five a minute are allowed",
                "remedy": "Wait for as long as Retry-After says, then try again.",
            })
        );
    }

    #[tokio::test]
    async fn what_is_for_the_log_is_not_in_the_answer() {
        let response =
            ApiError::internal("sled: disk on fire at /var/lib").into_response(&http::Method::GET, "/api/v1/cameras");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(!String::from_utf8_lossy(&body).contains("fire"));
    }
}
