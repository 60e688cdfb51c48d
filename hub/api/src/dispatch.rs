//! The one way in: every request passes the same checks in the same order before a handler sees it.
//!
//! Host, open routes, session (401 before anything else can be learnt), origin, address and method, access, body.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base::{CameraId, ProblemKind};
use bytes::{Buf, Bytes, BytesMut};
use futures::{FutureExt, Stream, StreamExt};
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName};
use http::header::{HeaderValue, UPGRADE, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode, Uri};
use warp::Filter;

use crate::cookie;
use crate::host::{HostPort, Origin};
use crate::problem::ApiError;
use crate::reply::Response;
use crate::route::{Access, Caller, Credentials, Fields, Hub, Peer, Request, Right, Route, Standing};

/// How long a body may take to arrive whole; a large one longer, by what bad Wi-Fi takes for as much as its route takes.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);
const BYTES_A_SECOND: u64 = 512 << 10;

/// What the accept loop tells of a request that warp cannot: put into the request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub peer: Peer,
    pub uri: Uri,
}

type Body = Pin<Box<dyn Stream<Item = Result<Bytes, warp::Error>> + Send + Sync>>;

/// Every route of the hub.
pub struct Table<C: Hub> {
    routes: Vec<Route<C>>,
}

impl<C: Hub> Table<C> {
    /// The routes, with those that every hub has: the page, `/healthz` and `/api/openapi.json`.
    ///
    /// # Panics
    /// If two routes have the same method and path, or a route asks for a right on the camera of a path that has
    /// none: a mistake in the code, found by the first test that builds the table.
    pub fn new(routes: Vec<Route<C>>) -> Self {
        let mut routes: Vec<_> = crate::page::routes().into_iter().chain(routes).collect();
        // Twice, so that the document's own route is in the document.
        routes.push(crate::openapi::route(Bytes::new()));
        let document = crate::openapi::document(&routes);
        routes.pop();
        routes.push(crate::openapi::route(document.into()));
        for (i, route) in routes.iter().enumerate() {
            let twin = routes[..i].iter().find(|r| r.method == route.method && r.path == route.path);
            assert!(twin.is_none(), "{route:?} is there twice");
            let has_camera = route.path.starts_with("/api/v1/cameras/{id}");
            assert!(has_camera || !matches!(route.access, Access::Camera(_)), "{route:?} has no camera in its path");
        }
        Self { routes }
    }

    /// The OpenAPI document, as it is served: `docs/openapi.json` is a copy.
    pub fn openapi(&self) -> String {
        crate::openapi::document(&self.routes)
    }

    /// All routes, for the tests that try each with every kind of caller.
    pub fn routes(&self) -> &[Route<C>] {
        &self.routes
    }

    /// The table as a warp filter: never rejects.
    pub(crate) fn filter(
        self: Arc<Self>,
        hub: C,
    ) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static {
        let upgrade = warp::ws().map(Some).or_else(async |_| Ok::<_, Infallible>((None,)));
        warp::ext::get::<Seen>()
            .and(warp::method())
            .and(warp::header::headers_cloned())
            .and(upgrade)
            .and(warp::body::stream().map(boxed))
            .then(move |seen: Seen, method: Method, headers: HeaderMap, ws: Option<warp::ws::Ws>, body: Body| {
                let (table, hub) = (Arc::clone(&self), hub.clone());
                async move { table.answer(hub, seen, method, headers, ws, body).await }
            })
            .or_else(async |rejection| {
                let error = ApiError::internal(rejection);
                Ok::<_, Infallible>((finish(error.into_response(&Method::GET, "?"), "/"),))
            })
    }

    async fn answer(
        &self,
        hub: C,
        seen: Seen,
        method: Method,
        headers: HeaderMap,
        ws: Option<warp::ws::Ws>,
        body: Body,
    ) -> Response {
        let path = seen.uri.path().to_owned();
        let incoming = Incoming { hub, peer: seen.peer, uri: seen.uri, method: method.clone(), headers, ws, body };
        // A handler that panics costs its own request, not the connection and the requests beside it.
        let answer = AssertUnwindSafe(self.dispatch(incoming)).catch_unwind().await;
        let answer = answer.unwrap_or_else(|_| Err(ApiError::internal("the handler panicked")));
        finish(answer.unwrap_or_else(|error| error.into_response(&method, &path)), &path)
    }

    async fn dispatch(&self, mut incoming: Incoming<C>) -> Result<Response, ApiError> {
        let (peer, method) = (incoming.peer, incoming.method.clone());
        let path = incoming.uri.path().to_owned();
        let found = self.find(&method, &path, peer);
        let (caller, host) = match peer {
            Peer::Local => (Caller::Local, None),
            Peer::Net(_) => {
                let own = HostPort::of(&incoming.uri, &incoming.headers);
                let own = own.filter(|own| incoming.hub.knows_host(&own.host)).ok_or(ProblemKind::WrongHost)?;
                let origin = Origin::of(&incoming.headers, &own);
                let open = matches!(&found, Found::Route(route, _) if route.access == Access::Open);
                let (caller, by_cookie) = if open { (Caller::Nobody, false) } else { incoming.signed_in().await? };
                let changes = !matches!(method, Method::GET | Method::HEAD) || incoming.headers.contains_key(UPGRADE);
                if origin == Origin::Foreign || (changes && by_cookie && origin == Origin::Absent) {
                    return Err(ProblemKind::ForeignOrigin.into());
                }
                (caller, Some(own))
            }
        };
        let (route, fields) = match found {
            Found::Route(route, fields) => (route, fields),
            Found::OtherMethods(methods) => {
                let allow = HeaderValue::from_str(&methods).map_err(ApiError::internal)?;
                return Err(ApiError::from(ProblemKind::MethodNotAllowed).header(ALLOW, allow));
            }
            Found::Nothing => return Err(ProblemKind::NotFound.into()),
        };
        if let Caller::Signed(session) = &caller {
            incoming.may(route.access, session, &fields).await?;
        }
        if route.websocket && incoming.ws.is_none() {
            let websocket = HeaderValue::from_static("websocket");
            return Err(ApiError::from(ProblemKind::UpgradeRequired).header(UPGRADE, websocket));
        }
        let body = match route.body_bytes {
            Some(limit) => incoming.read_body(limit).await?,
            None => Bytes::new(),
        };
        let query = incoming.uri.query().unwrap_or_default();
        let query = Fields(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect());
        incoming.headers.remove(COOKIE);
        incoming.headers.remove(AUTHORIZATION);
        let (headers, upgrade) = (incoming.headers, incoming.ws);
        let request = Request { caller, peer, host, headers, path: fields, query, body, upgrade };
        let answer = (route.handler)(incoming.hub, request);
        if matches!(method, Method::GET | Method::HEAD) {
            return answer.await;
        }
        // A change that was begun is made to its end, though who asked for it hangs up.
        tokio::spawn(answer).await.map_err(ApiError::internal)?
    }

    /// The route of a method and path. Where several fit, the one whose first differing part is literal.
    fn find(&self, method: &Method, path: &str, peer: Peer) -> Found<'_, C> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let parts: Vec<&str> = path.split('/').collect();
        let here = || self.routes.iter().filter(|route| route.local || peer != Peer::Local);
        let fitting = || here().filter_map(|route| Some((route, matched(route.path, &parts)?)));
        let best = fitting().filter(|(route, _)| route.method == *method).min_by_key(|(_, m)| m.variable.clone());
        if let Some((route, matched)) = best {
            return Found::Route(route, matched.fields);
        }
        let mut methods: Vec<&str> = fitting().map(|(route, _)| route.method.as_str()).collect();
        if methods.is_empty() {
            return Found::Nothing;
        }
        methods.sort_unstable();
        methods.dedup();
        Found::OtherMethods(methods.join(", "))
    }
}

enum Found<'a, C: Hub> {
    Route(&'a Route<C>, Fields),
    OtherMethods(String),
    Nothing,
}

struct Matched {
    fields: Fields,
    /// For each part of the path whether it is variable: literal sorts first.
    variable: Vec<bool>,
}

fn matched(template: &str, parts: &[&str]) -> Option<Matched> {
    let templates: Vec<&str> = template.split('/').collect();
    if templates.len() != parts.len() {
        return None;
    }
    let mut matched = Matched { fields: Fields::default(), variable: Vec::new() };
    for (template, part) in templates.into_iter().zip(parts) {
        let name = template.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
        match name {
            Some(name) if !part.is_empty() => matched.fields.0.push((name.to_owned(), (*part).to_owned())),
            None if template == *part => {}
            _ => return None,
        }
        matched.variable.push(name.is_some());
    }
    Some(matched)
}

/// A request before it is checked.
struct Incoming<C: Hub> {
    hub: C,
    peer: Peer,
    uri: Uri,
    method: Method,
    headers: HeaderMap,
    ws: Option<warp::ws::Ws>,
    body: Body,
}

impl<C: Hub> Incoming<C> {
    /// Who sent it, and whether a cookie says so. 401 if nobody we know.
    async fn signed_in(&self) -> Result<(Caller<C::Session>, bool), ApiError> {
        let refused =
            || ApiError::from(ProblemKind::NotSignedIn).header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        // Who sends an Authorization header means it: a cookie beside it plays no part.
        let credentials = match self.headers.get(AUTHORIZATION) {
            Some(value) => bearer(value).map(|secret| Credentials { secret, cookie: false }),
            None => cookie::token(&self.headers).map(|secret| Credentials { secret, cookie: true }),
        };
        let credentials = credentials.ok_or_else(refused)?;
        match self.hub.authenticate(&credentials, self.peer).await? {
            Some(session) => Ok((Caller::Signed(session), credentials.cookie)),
            None => Err(refused()),
        }
    }

    async fn may(&self, access: Access, session: &C::Session, fields: &Fields) -> Result<(), ApiError> {
        let standing = self.hub.standing(session);
        match access {
            Access::Open | Access::Session => Ok(()),
            Access::Owner if standing == Standing::Owner => Ok(()),
            Access::OwnerOrToken if standing != Standing::Member => Ok(()),
            Access::Owner | Access::OwnerOrToken => Err(ProblemKind::NotAllowed.into()),
            Access::Camera(right) => {
                let camera: CameraId = fields.text("id").and_then(|id| id.parse().ok()).ok_or(ProblemKind::NotFound)?;
                let rights = self.hub.rights(session, camera).await?;
                let rights = rights.filter(|r| r.include(Right::Any)).ok_or(ProblemKind::NotFound)?;
                if rights.include(right) { Ok(()) } else { Err(ProblemKind::NotGranted.into()) }
            }
        }
    }

    /// The JSON body, read whole: at most `limit` bytes, in at most [`BODY_TIMEOUT`] and what so many bytes take.
    async fn read_body(&mut self, limit: u64) -> Result<Bytes, ApiError> {
        let too_large = || ApiError::with(ProblemKind::BodyTooLarge, format!("At most {limit} bytes are taken"));
        if let Some(length) = self.headers.get(CONTENT_LENGTH) {
            let length = length.to_str().ok().and_then(|text| text.parse::<u64>().ok());
            if length.ok_or(ProblemKind::BadRequest)? > limit {
                return Err(too_large());
            }
        }
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
            return Err(ProblemKind::UnsupportedMediaType.into());
        }
        let clock = Arc::clone(self.hub.clock());
        let read = async {
            let mut whole = BytesMut::new();
            while let Some(part) = self.body.next().await {
                let part = part.map_err(|_| ApiError::with(ProblemKind::BadBody, "It was cut off"))?;
                if whole.len() as u64 + part.len() as u64 > limit {
                    return Err(too_large());
                }
                whole.extend_from_slice(&part);
            }
            Ok(whole.freeze())
        };
        let read =
            base::clock::timeout(&*clock, BODY_TIMEOUT + Duration::from_secs(limit / BYTES_A_SECOND), read).await;
        read.unwrap_or_else(|| Err(ProblemKind::RequestTimeout.into()))
    }
}

fn bearer(value: &HeaderValue) -> Option<zeroize::Zeroizing<String>> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && cookie::is_token(token)).then(|| token.to_owned().into())
}

fn boxed<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static) -> Body {
    Box::pin(body.map(|part| part.map(|mut part| part.copy_to_bytes(part.remaining()))))
}

/// Headers that every answer has.
const ALWAYS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        // blob: is where Media Source Extensions live.
        "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    // Not no-referrer: with that browsers send `Origin: null` for forms.
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-frame-options", "DENY"),
];

fn finish(mut response: Response, path: &str) -> Response {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return response;
    }
    let headers = response.headers_mut();
    for (name, value) in ALWAYS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    // What the API says is for one person at one time; only the page's own files may be kept.
    if path.starts_with("/api") || !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}
