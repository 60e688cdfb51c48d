//! The accept loop: sockets to requests, with every limit in one place.
//!
//! warp has neither TLS nor limits, so its filter is served on connections that are accepted, limited and drained here.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use base::{SharedClock, Shutdown};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connections::{Admitted, Busy, Connections, Held};
use crate::dispatch::{Seen, Table};
use crate::plain::Plain;
use crate::route::{Hub, Peer};

pub use crate::connections::Limits;

/// The longest head of a request.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// What a server is made of.
pub struct Options<C: Hub> {
    /// What handlers get.
    pub hub: C,
    /// The routes.
    pub table: Arc<Table<C>>,
    /// The TLS configuration: `tls::Authority::server_config`.
    pub tls: Arc<ServerConfig>,
    /// Where HTTPS is served.
    pub https: Vec<TcpListener>,
    /// Where [`Plain`] is served.
    pub http: Vec<TcpListener>,
    /// What is served there.
    pub plain: Plain,
    /// The hub's own socket.
    pub local: Option<UnixListener>,
    /// How much it takes on.
    pub limits: Limits,
}

/// A running server.
pub struct Server {
    shared: Shared,
    tasks: TaskTracker,
}

#[derive(Clone)]
struct Shared {
    clock: SharedClock,
    limits: Limits,
    connections: Arc<Connections>,
    /// No more connections, and no more requests on those that are open.
    stop: Shutdown,
}

impl Server {
    /// Starts to accept. Must be called inside a tokio runtime.
    pub fn start<C: Hub>(options: Options<C>) -> Self {
        let Options { hub, table, tls, https, http, plain, local, limits } = options;
        let clock = Arc::clone(hub.clock());
        let connections = Connections::new(limits, Arc::clone(&clock));
        let shared = Shared { clock, limits, connections, stop: Shutdown::new() };
        let tasks = TaskTracker::new();
        let app = TowerToHyperService::new(warp::service(table.filter(hub.clone())));
        for listener in https {
            let (shared, app, tls) = (shared.clone(), app.clone(), TlsAcceptor::from(Arc::clone(&tls)));
            tasks.spawn(accept(shared.clone(), listener, move |stream, admitted, peer| {
                secure(shared.clone(), tls.clone(), stream, admitted, mark(app.clone(), peer))
            }));
        }
        let plain = Arc::new(plain);
        for listener in http {
            let (shared, plain, hub) = (shared.clone(), Arc::clone(&plain), hub.clone());
            tasks.spawn(accept(shared.clone(), listener, move |stream, admitted, peer| {
                let (plain, hub) = (Arc::clone(&plain), hub.clone());
                let answer = move |request: Request<Incoming>| {
                    let (plain, hub) = (Arc::clone(&plain), hub.clone());
                    async move { Ok(plain.answer(&hub, peer, request).await) }
                };
                serve(shared.clone(), false, stream, admitted, answer)
            }));
        }
        if let Some(listener) = local {
            let (shared, app) = (shared.clone(), app.clone());
            tasks.spawn(accept(shared.clone(), listener, move |stream, admitted, peer| {
                serve(shared.clone(), false, stream, admitted, mark(app.clone(), peer))
            }));
        }
        let idle = shared.clone();
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = idle.stop.wait() => return,
                    () = idle.clock.sleep(idle.limits.idle / 8) => idle.connections.close_idle(),
                }
            }
        });
        tasks.close();
        Self { shared, tasks }
    }

    /// How many connections are open, WebSockets included.
    pub fn connections(&self) -> usize {
        self.shared.connections.count()
    }

    /// Stops: accepts nothing more, closes what is idle, lets requests under way end for at most `drain`, then cuts
    /// them. Whoever serves a WebSocket ends it on the hub's own signal, given before.
    pub async fn stop(self, drain: Duration) {
        self.shared.stop.trigger();
        self.tasks.wait().await;
        let connections = &self.shared.connections;
        if base::clock::timeout(&*self.shared.clock, drain, connections.emptied()).await.is_none() {
            tracing::warn!(connections = connections.count(), "cutting connections that do not end");
            connections.close_all();
        }
    }
}

/// Tells the dispatcher of each request what warp cannot.
fn mark<A: Service<Request<Incoming>>>(app: A, peer: Peer) -> impl Fn(Request<Incoming>) -> A::Future {
    move |mut request| {
        let uri = request.uri().clone();
        request.extensions_mut().insert(Seen { peer, uri });
        app.call(request)
    }
}

/// What connections come from.
trait Listener: Send + Sync + 'static {
    type Stream: Send + 'static;
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    async fn next(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, address) = self.accept().await?;
        // A phone that left the house must not hold its place for hours. No setting is worth losing a client for.
        let _ = stream.set_nodelay(true);
        let _ = setsockopt(&stream, sockopt::KeepAlive, &true);
        let _ = setsockopt(&stream, sockopt::TcpKeepIdle, &60);
        let _ = setsockopt(&stream, sockopt::TcpKeepInterval, &15);
        let _ = setsockopt(&stream, sockopt::TcpKeepCount, &4);
        let _ = send_little_ahead(&stream);
        Ok((stream, Peer::Net(SocketAddr::new(address.ip().to_canonical(), address.port()))))
    }
}

/// Bytes that wait in the kernel to be sent, at most: what is on its way to the client is not among them.
const UNSENT_BYTES: nix::libc::c_int = 128 * 1024;

/// Keeps what has not been sent where it can still be left out: a live viewer that lags goes on at the last key picture, and is
/// not sent megabytes that are old by then (TCP_NOTSENT_LOWAT, tcp(7)).
fn send_little_ahead(stream: &TcpStream) -> io::Result<()> {
    use nix::libc::{IPPROTO_TCP, TCP_NOTSENT_LOWAT, setsockopt, socklen_t};
    let (most, size) = (UNSENT_BYTES, size_of_val(&UNSENT_BYTES) as socklen_t);
    // SAFETY: the kernel reads one integer of that size from where the pointer leads.
    match unsafe { setsockopt(stream.as_raw_fd(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, (&raw const most).cast(), size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    async fn next(&self) -> io::Result<(UnixStream, Peer)> {
        Ok((self.accept().await?.0, Peer::Local))
    }
}

/// Accepts until the server stops. `handle` gets each connection that there is room for, in a task of its own.
async fn accept<L, F>(shared: Shared, listener: L, handle: impl Fn(L::Stream, Admitted, Peer) -> F + Send)
where
    L: Listener,
    F: Future<Output = ()> + Send + 'static,
{
    const FIRST_WAIT: Duration = Duration::from_millis(10);
    let mut wait = FIRST_WAIT;
    loop {
        let accepted = tokio::select! {
            () = shared.stop.wait() => return,
            accepted = listener.next() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                wait = FIRST_WAIT;
                match shared.connections.admit(peer) {
                    Some(admitted) => drop(tokio::spawn(handle(stream, admitted, peer))),
                    None => tracing::debug!(?peer, "too many connections: refused one"),
                }
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                // Most often out of file handles, which an idle connection gives back. Without the wait this would
                // be a busy loop, as the connection stays to be accepted.
                let closed = shared.connections.close_one();
                tracing::warn!(%error, closed, "cannot accept a connection");
                tokio::select! {
                    () = shared.stop.wait() => return,
                    () = shared.clock.sleep(wait) => {}
                }
                wait = (wait * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// The client went away before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::ConnectionAborted | K::ConnectionReset | K::ConnectionRefused | K::Interrupted)
}

/// The handshake, in the connection's own task and within its time, then HTTP.
async fn secure<F, Fut, B>(shared: Shared, tls: TlsAcceptor, stream: TcpStream, admitted: Admitted, answer: F)
where
    F: Fn(Request<Incoming>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let closed = admitted.closed();
    let handshake = base::clock::timeout(&*shared.clock, shared.limits.handshake, tls.accept(stream));
    let stream = tokio::select! {
        () = closed.cancelled() => return,
        () = shared.stop.wait() => return,
        handshake = handshake => match handshake {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
            None => return tracing::debug!("a TLS handshake took too long"),
        },
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    serve(shared, http2, stream, admitted, answer).await;
}

/// Serves HTTP on a connection until it ends, has to make room, or the server stops.
async fn serve<S, F, Fut, B>(shared: Shared, http2: bool, stream: S, admitted: Admitted, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (closed, activity) = (admitted.closed(), admitted.activity());
    let service = service_fn(move |request| {
        let (busy, activity) = (activity.request(), activity.clone());
        let answer = answer(request);
        async move {
            let response = answer.await?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                activity.upgraded();
            }
            Ok::<_, Infallible>(response.map(|body| Watched { body, busy }))
        }
    });
    // The protocol is the one that TLS agreed on. hyper-util's way of guessing it waits for the first bytes without any
    // limit, and without a timer hyper's own limits of time do nothing.
    let stream = TokioIo::new(Held { stream, admitted });
    if http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(shared.limits.streams)
            .max_header_list_size(MAX_HEAD_BYTES as u32)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(20))
            .serve_connection(stream, service);
        drive(&shared, closed, connection, http2::Connection::graceful_shutdown).await;
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(shared.limits.header)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(2 * MAX_HEAD_BYTES)
            .serve_connection(stream, service)
            .with_upgrades();
        drive(&shared, closed, connection, http1::UpgradeableConnection::graceful_shutdown).await;
    }
}

/// Runs a connection until it ends or has to make room; when the server stops, tells it to end.
async fn drive<C>(shared: &Shared, closed: CancellationToken, connection: C, end: impl Fn(Pin<&mut C>))
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let mut draining = false;
    loop {
        tokio::select! {
            () = closed.cancelled() => return,
            () = shared.stop.wait(), if !draining => {
                draining = true;
                end(connection.as_mut());
            }
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(?error, "a connection failed");
                }
                return;
            }
        }
    }
}

/// An answer's body that tells its connection when a part of it goes out. Its request is over when it is dropped.
struct Watched<B> {
    body: B,
    busy: Busy,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let poll = Pin::new(&mut self.body).poll_frame(cx);
        if poll.is_ready() {
            self.busy.progress();
        }
        poll
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use base::{Clock, SimClock};

    /// Fails as often as it was told, then has one connection, then none.
    struct Failing(Mutex<Vec<io::Result<()>>>);

    impl Listener for Failing {
        type Stream = ();
        async fn next(&self) -> io::Result<((), Peer)> {
            let next = self.0.lock().unwrap().pop();
            match next {
                Some(result) => result.map(|()| ((), Peer::Local)),
                None => std::future::pending().await,
            }
        }
    }

    #[tokio::test]
    async fn when_accepting_fails_an_idle_connection_goes_and_the_server_waits_before_it_tries_again() {
        let clock = SimClock::default();
        let shared_clock: SharedClock = Arc::new(clock.clone());
        let connections = Connections::new(Limits::default(), Arc::clone(&shared_clock));
        let idle = connections.admit(Peer::Local).unwrap();
        let (limits, stop) = (Limits::default(), Shutdown::new());
        let shared = Shared { clock: shared_clock, limits, connections, stop: stop.clone() };
        let no_handles = || Err(io::Error::from_raw_os_error(nix::libc::EMFILE));
        // The client's own failures in between cost no wait. The last of these comes first.
        let aborted = Err(io::ErrorKind::ConnectionAborted.into());
        let listener = Failing(Mutex::new(vec![Ok(()), aborted, no_handles(), no_handles()]));
        let (accepted, mut arrives) = tokio::sync::mpsc::unbounded_channel();
        let accepting = tokio::spawn(accept(shared, listener, move |(), _, _| {
            accepted.send(()).unwrap();
            std::future::ready(())
        }));
        let begun = clock.mono();
        for wait in [10, 20] {
            while clock.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
            assert!(idle.closed().is_cancelled() && arrives.try_recv().is_err());
            clock.advance(Duration::from_millis(wait - 1));
            tokio::task::yield_now().await;
            assert_eq!(clock.sleepers(), 1);
            clock.advance(Duration::from_millis(1));
        }
        arrives.recv().await.unwrap();
        assert_eq!(clock.mono().since(begun), Duration::from_millis(30));
        stop.trigger();
        accepting.await.unwrap();
    }
}
