//! Routes: what stands at an address, who may ask for it, and what its handler is given.
//!
//! A handler is reached only through a [`Route`] in the one [`Table`](crate::dispatch::Table): the table checks
//! host, session, origin, access and body in one place, writes the OpenAPI document, and lists the routes for the
//! access tests.

use std::fmt::Debug;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use base::{CameraId, ProblemKind, SharedClock, Timestamp};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Method};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use zeroize::Zeroizing;

use crate::host::HostPort;
use crate::problem::ApiError;
use crate::reply::Response;

/// What the dispatcher needs of the hub. Clones are cheap and share everything; handlers get one.
pub trait Hub: Clone + Send + Sync + 'static {
    /// A signed-in principal, for the length of one request: holds what its secret unwrapped.
    type Session: Send + Sync + 'static;

    /// The hub's clock.
    fn clock(&self) -> &SharedClock;
    /// Is this one of the names and addresses of the hub's certificate? In lower case, without port, brackets or a
    /// final dot. Anything else is refused, so that a foreign name that was made to point here (DNS rebinding) is
    /// of no use.
    fn knows_host(&self, host: &str) -> bool;
    /// Does the set-up page take a phone's time? Only while nobody owns the hub and it has no true clock of its own.
    fn wants_time(&self) -> impl Future<Output = bool> + Send;
    /// Takes a phone's time, where it is wanted.
    fn take_time(&self, time: Timestamp, peer: Peer) -> impl Future<Output = Result<(), ApiError>> + Send;
    /// Finds the principal that a secret belongs to; `None` if it is unknown, expired or revoked.
    fn authenticate(
        &self,
        credentials: &Credentials,
        peer: Peer,
    ) -> impl Future<Output = Result<Option<Self::Session>, ApiError>> + Send;
    /// What kind of principal a session is.
    fn standing(&self, session: &Self::Session) -> Standing;
    /// What a session may do with a camera; `None` if there is no such camera or nothing of it was granted, which
    /// nobody can tell apart from outside.
    fn rights(
        &self,
        session: &Self::Session,
        camera: CameraId,
    ) -> impl Future<Output = Result<Option<Rights>, ApiError>> + Send;
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over TLS, from this address; an IPv4 address that came in over IPv6 is the IPv4 address.
    Net(SocketAddr),
    /// Over the hub's own socket, `hub.sock`: whoever may open that file manages the hub.
    Local,
}

impl Peer {
    /// What limits count by: the IPv4 address, the /64 of an IPv6 address (one household device has many in it),
    /// or `None` on the hub's own socket.
    pub fn network(self) -> Option<IpAddr> {
        match self {
            Peer::Local => None,
            Peer::Net(address) => Some(match address.ip().to_canonical() {
                IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
                v4 => v4,
            }),
        }
    }
}

/// The secret that came with a request.
pub struct Credentials {
    /// The secret's text: 1 to 256 characters of base64url.
    pub secret: Zeroizing<String>,
    /// It came as a cookie, which browsers send by themselves; else as `Authorization: Bearer`.
    pub cookie: bool,
}

/// What kind of principal a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// An owner: may do everything.
    Owner,
    /// A member: sees the cameras that were granted.
    Member,
    /// An API token: as a member, and may read metrics.
    Token,
}

/// What may be done with a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Anything at all: enough to see that it is there, its name and state.
    Any,
    /// Look live.
    Live,
    /// Look back.
    Playback,
    /// Take footage away as a file.
    Export,
    /// Change its settings.
    Manage,
}

/// The rights of one principal on one camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    /// See [`Right::Live`].
    pub live: bool,
    /// See [`Right::Playback`].
    pub playback: bool,
    /// See [`Right::Export`].
    pub export: bool,
    /// See [`Right::Manage`].
    pub manage: bool,
}

impl Rights {
    /// Everything: an owner's.
    pub const ALL: Rights = Rights { live: true, playback: true, export: true, manage: true };

    /// Is this right among them?
    pub fn include(self, right: Right) -> bool {
        match right {
            Right::Any => self != Rights::default(),
            Right::Live => self.live,
            Right::Playback => self.playback,
            Right::Export => self.export,
            Right::Manage => self.manage,
        }
    }
}

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a session. The list of these is part of the design.
    Open,
    /// Anybody who is signed in. The handler shows only what is theirs.
    Session,
    /// Who has this right on the camera `{id}` of the path. Without any right it is 404; with others only, 403.
    Camera(Right),
    /// Owners.
    Owner,
    /// Owners and API tokens.
    OwnerOrToken,
}

/// Who asks.
pub enum Caller<S> {
    /// Nobody we know: on open routes.
    Nobody,
    /// A signed-in principal that has the route's access.
    Signed(S),
    /// Somebody at the hub's own socket: manages the hub, holds no key that opens footage.
    Local,
}

/// A request as a handler gets it: checked, and read whole.
pub struct Request<C: Hub> {
    /// Who asks.
    pub caller: Caller<C::Session>,
    /// From where.
    pub peer: Peer,
    /// To which of the hub's names or addresses; `None` on the hub's own socket.
    pub host: Option<HostPort>,
    /// Its headers, without cookies and authorization: those are used up.
    pub headers: HeaderMap,
    /// The parts of the path in braces.
    pub path: Fields,
    /// The query, decoded. Of a name that stands twice the first counts.
    pub query: Fields,
    /// The body, at most as long as the route allows; empty where the route takes none.
    pub body: Bytes,
    /// The upgrade, on a WebSocket route: always there.
    pub upgrade: Option<warp::ws::Ws>,
}

impl<C: Hub> Request<C> {
    /// The session of who is signed in.
    ///
    /// # Errors
    /// [`ProblemKind::NotAllowed`] on the hub's own socket: who manages the hub there holds nobody's keys.
    pub fn session(&self) -> Result<&C::Session, ApiError> {
        match &self.caller {
            Caller::Signed(session) => Ok(session),
            Caller::Nobody => Err(ProblemKind::NotSignedIn.into()),
            Caller::Local => Err(ProblemKind::NotAllowed.into()),
        }
    }
    /// A part of the path, such as the camera's id.
    ///
    /// # Errors
    /// [`ProblemKind::NotFound`] if it is not of that kind: there is nothing at such an address.
    pub fn id<T: FromStr>(&self, name: &str) -> Result<T, ApiError> {
        let value = self.path.text(name).and_then(|text| text.parse().ok());
        value.ok_or_else(|| ProblemKind::NotFound.into())
    }
    /// The body as JSON.
    ///
    /// # Errors
    /// [`ProblemKind::BadBody`] with the place in the body. Values are not repeated: one may be a password.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Syntax => "It is not JSON",
                serde_json::error::Category::Eof => "It ends too early",
                _ => "A field is missing, unknown or of another type",
            };
            let place = format!("{what}, at line {}, column {}", error.line(), error.column());
            ApiError::with(ProblemKind::BadBody, place)
        })
    }
}

/// Texts by name.
#[derive(Debug, Clone, Default)]
pub struct Fields(pub(crate) Vec<(String, String)>);

impl Fields {
    /// The text of this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
    /// The value of this name, if it is given.
    ///
    /// # Errors
    /// [`ProblemKind::BadRequest`] with the name, if it is given but cannot be read.
    pub fn value<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let bad = |_| ApiError::with(ProblemKind::BadRequest, format!("The query's {name} cannot be read"));
        self.text(name).map(|text| text.parse().map_err(bad)).transpose()
    }
}

/// What a handler is: a function from hub and request to an answer.
pub type Handler<C> = Arc<dyn Fn(C, Request<C>) -> BoxFuture<'static, Result<Response, ApiError>> + Send + Sync>;

/// The most bytes a JSON body may have unless a route says otherwise.
pub const DEFAULT_BODY_BYTES: u64 = 64 * 1024;

/// One address and method. A handler answers nobody but as one of the [`Table`](crate::Table)'s routes, and a route says who
/// may ask. A server takes a table and nothing else:
///
/// ```compile_fail,E0308
/// # fn options(filter: warp_filter::Filter, mut options: api::server::Options<api::hub::Ctx>) {
/// options.table = filter;
/// # }
/// # mod warp_filter { pub struct Filter; }
/// ```
///
/// Without [`Access`] there is no route, and no other handler can be put into one:
///
/// ```compile_fail,E0061
/// api::Route::<api::hub::Ctx>::get("/api/v1/pictures", "All pictures.", async |_, _| todo!());
/// ```
///
/// ```compile_fail,E0616
/// # fn other(mut route: api::Route<api::hub::Ctx>, handler: impl Sized) {
/// route.handler = handler;
/// # }
/// ```
///
/// The hub's own handlers cannot be named from outside:
///
/// ```compile_fail,E0603
/// use api::handlers::routes;
/// ```
pub struct Route<C: Hub> {
    /// GET, POST, PATCH, PUT or DELETE. A GET route answers HEAD too.
    pub method: Method,
    /// The path from the root, with its variable parts in braces: `/api/v1/cameras/{id}`.
    pub path: &'static str,
    /// Who may ask.
    pub access: Access,
    /// Also on the hub's own socket, for whoever may open it.
    pub local: bool,
    /// It is a WebSocket: a plain request is refused.
    pub websocket: bool,
    /// The most bytes of JSON body it takes; `None` if it takes no body.
    pub body_bytes: Option<u64>,
    /// What it does, one sentence, for the OpenAPI document.
    pub summary: &'static str,
    pub(crate) doc: Doc,
    pub(crate) handler: Handler<C>,
}

/// What the OpenAPI document says of a route beyond its fields.
#[derive(Default)]
pub(crate) struct Doc {
    pub request: Option<RefOr<Schema>>,
    pub answers: Vec<Answer>,
    pub query: Vec<Query>,
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

pub(crate) struct Answer {
    pub status: u16,
    pub what: &'static str,
    pub content_type: Option<&'static str>,
    pub schema: Option<RefOr<Schema>>,
}

pub(crate) struct Query {
    pub name: &'static str,
    pub required: bool,
    pub what: &'static str,
}

impl<C: Hub> Route<C> {
    /// A route; `handler` is an `async fn(C, Request<C>) -> Result<Response, ApiError>`.
    pub fn new<F, Fut>(method: Method, path: &'static str, access: Access, summary: &'static str, handler: F) -> Self
    where
        F: Fn(C, Request<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        let handler: Handler<C> = Arc::new(move |hub, request| Box::pin(handler(hub, request)));
        let (local, websocket, body_bytes, doc) = (false, false, None, Doc::default());
        Self { method, path, access, local, websocket, body_bytes, summary, doc, handler }
    }
    /// A GET route.
    pub fn get<F, Fut>(path: &'static str, access: Access, summary: &'static str, handler: F) -> Self
    where
        F: Fn(C, Request<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        Self::new(Method::GET, path, access, summary, handler)
    }
    /// A POST route. Without [`Route::takes`] it takes no body.
    pub fn post<F, Fut>(path: &'static str, access: Access, summary: &'static str, handler: F) -> Self
    where
        F: Fn(C, Request<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        Self::new(Method::POST, path, access, summary, handler)
    }
    /// A PATCH route.
    pub fn patch<F, Fut>(path: &'static str, access: Access, summary: &'static str, handler: F) -> Self
    where
        F: Fn(C, Request<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        Self::new(Method::PATCH, path, access, summary, handler)
    }
    /// A PUT route.
    pub fn put<F, Fut>(path: &'static str, access: Access, summary: &'static str, handler: F) -> Self
    where
        F: Fn(C, Request<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        Self::new(Method::PUT, path, access, summary, handler)
    }
    /// A DELETE route.
    pub fn delete<F, Fut>(path: &'static str, access: Access, summary: &'static str, handler: F) -> Self
    where
        F: Fn(C, Request<C>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Response, ApiError>> + Send + 'static,
    {
        Self::new(Method::DELETE, path, access, summary, handler)
    }
    /// It is on the hub's own socket too. There nobody is signed in: [`Caller::Local`].
    pub fn local(mut self) -> Self {
        self.local = true;
        self
    }
    /// It is a WebSocket; [`Request::upgrade`] is there.
    pub fn websocket(mut self) -> Self {
        self.websocket = true;
        self
    }
    /// It takes a JSON body of this type, at most [`DEFAULT_BODY_BYTES`] long.
    pub fn takes<T: ToSchema + 'static>(mut self) -> Self {
        self.body_bytes.get_or_insert(DEFAULT_BODY_BYTES);
        self.doc.request = Some(self.schema::<T>());
        self
    }
    /// Its body may have this many bytes.
    pub fn body_bytes(mut self, limit: u64) -> Self {
        self.body_bytes = Some(limit);
        self
    }
    /// It takes a bare JSON array of this type.
    pub fn takes_list<T: ToSchema + 'static>(mut self) -> Self {
        self.body_bytes.get_or_insert(DEFAULT_BODY_BYTES);
        let item = self.schema::<T>();
        self.doc.request = Some(utoipa::openapi::ArrayBuilder::new().items(item).into());
        self
    }
    /// It answers with JSON of this type.
    pub fn answers<T: ToSchema + 'static>(mut self, status: u16, what: &'static str) -> Self {
        let schema = Some(self.schema::<T>());
        self.doc.answers.push(Answer { status, what, content_type: Some("application/json"), schema });
        self
    }
    /// It answers 200 with a bare JSON array of this type.
    pub fn answers_list<T: ToSchema + 'static>(mut self, what: &'static str) -> Self {
        let item = self.schema::<T>();
        let schema = Some(utoipa::openapi::ArrayBuilder::new().items(item).into());
        self.doc.answers.push(Answer { status: 200, what, content_type: Some("application/json"), schema });
        self
    }
    /// It answers with something that is not JSON, or with no body at all.
    pub fn answers_with(mut self, status: u16, what: &'static str, content_type: Option<&'static str>) -> Self {
        self.doc.answers.push(Answer { status, what, content_type, schema: None });
        self
    }
    /// It reads this from the query, as text.
    pub fn query(mut self, name: &'static str, required: bool, what: &'static str) -> Self {
        self.doc.query.push(Query { name, required, what });
        self
    }

    fn schema<T: ToSchema + 'static>(&mut self) -> RefOr<Schema> {
        crate::openapi::schema_of::<T>(&mut self.doc.schemas)
    }
}

impl<C: Hub> Debug for Route<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_a_v6_network_and_a_mapped_v4_address_as_one() {
        let network = |text: &str| Peer::Net(text.parse().unwrap()).network().unwrap().to_string();
        assert_eq!(network("[2001:db8::1:2:3:4]:5"), "2001:db8::");
        assert_eq!(network("[::ffff:10.0.0.7]:5"), "10.0.0.7");
        assert_eq!(network("10.0.0.7:5"), "10.0.0.7");
    }

    #[test]
    fn any_right_shows_the_camera_and_each_only_itself() {
        let live = Rights { live: true, ..Rights::default() };
        assert!(live.include(Right::Any) && live.include(Right::Live));
        assert!(!live.include(Right::Playback) && !live.include(Right::Export) && !live.include(Right::Manage));
        assert!(!Rights::default().include(Right::Any));
    }
}
