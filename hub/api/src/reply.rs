//! Answers, in the few shapes that handlers need.

use bytes::Bytes;
use futures::Stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use warp::Reply;

/// An answer. The body is made with `into()` from bytes or text, or by [`stream`].
pub type Response = warp::reply::Response;

/// 200 with a JSON body.
pub fn json(value: &impl Serialize) -> Response {
    json_with(StatusCode::OK, value)
}

/// A JSON body with another status, such as 201.
pub fn json_with(status: StatusCode, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = bytes("application/json", body);
            *response.status_mut() = status;
            response
        }
        Err(error) => {
            // Our own types always serialise; were one not to, no half of it must leave.
            tracing::error!(%error, "an answer could not be written as JSON");
            let mut response = Response::new(Bytes::new().into());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

/// 204 without a body.
pub fn no_content() -> Response {
    let mut response = Response::new(Bytes::new().into());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// 200 with bytes or text of the given content type.
pub fn bytes(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// 200 with a body that is sent as it is made: the next part is asked for only when the last one has gone. An
/// error cuts the connection (HTTP/1.1) or the stream (HTTP/2), so that nobody takes half an answer for a whole one.
pub fn stream<E>(
    content_type: &'static str,
    headers: HeaderMap,
    parts: impl Stream<Item = Result<Bytes, E>> + Send + Sync + 'static,
) -> Response
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
{
    let mut response = warp::reply::stream(parts).into_response();
    response.headers_mut().extend(headers);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
