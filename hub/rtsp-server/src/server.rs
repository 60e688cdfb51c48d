//! Listens, and has one task per connection.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use base::{SharedClock, Shutdown};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use crate::{Credentials, Mount, Quirks, Scheme, connection};

/// How a server behaves.
#[derive(Clone)]
pub struct Config {
    /// For pacing, time limits and sender reports.
    pub clock: SharedClock,
    /// Who may play; anybody if `None`.
    pub credentials: Option<Credentials>,
    /// How they are asked for.
    pub scheme: Scheme,
    /// How much it puts up with.
    pub limits: Limits,
    /// How it departs from the standard.
    pub quirks: Quirks,
}

impl Config {
    /// Anybody may play, usual limits.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, credentials: None, scheme: Scheme::Digest, limits: Limits::default(), quirks: Quirks::default() }
    }
}

/// How much a server puts up with. Sizes of requests are fixed: 16 KiB of head, 16 KiB of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; more are closed at once.
    pub connections: usize,
    /// A client that does not play must send a request within this time.
    pub idle: Duration,
    /// A client must take what is sent to it within this time.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 512, idle: Duration::from_secs(60), write: Duration::from_secs(10) }
    }
}

/// A server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, not ours, or a port that needs privileges.
    #[error("cannot listen on {addr}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How long a port of ours may be held by somebody else before we give up on it.
const RESERVED_WITHIN: Duration = Duration::from_secs(5);

/// A port that is ours, but on which nobody listens yet: who connects is refused.
pub struct Reserved {
    socket: TcpSocket,
    addr: SocketAddr,
}

impl Reserved {
    /// Takes the address; port 0 takes a free one.
    pub fn bind(addr: SocketAddr) -> Result<Self, ServerError> {
        let bind = || {
            let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // So that a server can be started again while connections of the last one linger.
            socket.set_reuseaddr(true)?;
            socket.bind(addr)?;
            let addr = socket.local_addr()?;
            Ok(Self { socket, addr })
        };
        bind().map_err(|source| ServerError::Listen { addr, source })
    }
    /// The address, with the port that was taken.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

/// A running server. Dropped, it stops; [`Server::stop`] also waits until it has.
pub struct Server {
    addr: SocketAddr,
    shared: Arc<Shared>,
    state: Mutex<State>,
    shutdown: Shutdown,
}

enum State {
    Online {
        shutdown: Shutdown,
        task: JoinHandle<()>,
    },
    Offline(Reserved),
    /// Taken offline, but the port could not be taken again.
    Lost,
}

/// What all connections of a server share.
pub(crate) struct Shared {
    pub config: Config,
    /// Lock order: never held over an await, nor while another lock is taken.
    mounts: RwLock<HashMap<String, Arc<Mount>>>,
}

impl Shared {
    pub fn mount(&self, path: &str) -> Option<Arc<Mount>> {
        self.mounts.read().expect("no panic under this lock").get(path).cloned()
    }
}

impl Server {
    /// Listens on the port and serves what is under these paths, such as `cam01/main`. Must be called on a tokio
    /// runtime.
    pub fn start(
        port: Reserved,
        config: Config,
        mounts: impl IntoIterator<Item = (String, Mount)>,
    ) -> Result<Self, ServerError> {
        let addr = port.addr;
        let mounts = mounts.into_iter().map(|(path, mount)| (path.trim_matches('/').to_owned(), Arc::new(mount)));
        let shared = Arc::new(Shared { config, mounts: RwLock::new(mounts.collect()) });
        let shutdown = Shutdown::new();
        let state = listen(port, &shared, &shutdown)?;
        Ok(Self { addr, shared, state: Mutex::new(state), shutdown })
    }
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
    /// Serves something under a path, instead of what was there. Running clients keep what
    /// they have.
    pub fn mount(&self, path: &str, mount: Mount) {
        let path = path.trim_matches('/').to_owned();
        self.shared.mounts.write().expect("no panic under this lock").insert(path, Arc::new(mount));
    }
    /// No longer serves what is under a path. Running clients keep it.
    pub fn unmount(&self, path: &str) {
        self.shared.mounts.write().expect("no panic under this lock").remove(path.trim_matches('/'));
    }
    /// Cuts all connections and listens no more, as if the device had lost its network; the port stays reserved.
    pub async fn go_offline(&self) -> Result<(), ServerError> {
        let mut state = self.state.lock().await;
        if let State::Online { .. } = *state {
            halt(std::mem::replace(&mut *state, State::Lost)).await;
            *state = State::Offline(self.reserve().await?);
        }
        Ok(())
    }
    /// Takes the port again. A process that is being started just now has a copy of the closed socket until its `exec`, and
    /// so long the port is taken.
    async fn reserve(&self) -> Result<Reserved, ServerError> {
        let clock = &self.shared.config.clock;
        let began = clock.mono();
        loop {
            match Reserved::bind(self.addr) {
                Err(ServerError::Listen { source, .. })
                    if source.kind() == io::ErrorKind::AddrInUse && clock.mono().since(began) < RESERVED_WITHIN =>
                {
                    clock.sleep(Duration::from_millis(10)).await;
                }
                bound => return bound,
            }
        }
    }
    /// Listens again.
    pub async fn go_online(&self) -> Result<(), ServerError> {
        let mut state = self.state.lock().await;
        let port = match std::mem::replace(&mut *state, State::Lost) {
            State::Online { shutdown, task } => {
                *state = State::Online { shutdown, task };
                return Ok(());
            }
            State::Offline(port) => port,
            State::Lost => self.reserve().await?,
        };
        *state = listen(port, &self.shared, &self.shutdown)?;
        Ok(())
    }
    /// Cuts all connections and waits until all is closed.
    pub async fn stop(self) {
        self.shutdown.trigger();
        halt(std::mem::replace(&mut *self.state.lock().await, State::Lost)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

fn listen(port: Reserved, shared: &Arc<Shared>, shutdown: &Shutdown) -> Result<State, ServerError> {
    let Reserved { socket, addr } = port;
    let listener = socket.listen(1_024).map_err(|source| ServerError::Listen { addr, source })?;
    let shutdown = shutdown.child();
    let task = tokio::spawn(accept(listener, shared.clone(), shutdown.clone()));
    Ok(State::Online { shutdown, task })
}

async fn halt(state: State) {
    if let State::Online { shutdown, task } = state {
        shutdown.trigger();
        if let Err(error) = task.await {
            tracing::error!(%error, "the RTSP server's task ended badly");
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, shutdown: Shutdown) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.wait() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < shared.config.limits.connections => {
                    connections.spawn(connection::serve(stream, peer, shared.clone()));
                }
                Ok((_, peer)) => tracing::warn!(%peer, "closed: too many RTSP connections"),
                Err(error) => {
                    // Out of file descriptors, or the peer is gone already: neither is a reason to stop.
                    tracing::warn!(%error, "cannot accept an RTSP connection");
                    shared.config.clock.sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    connections.shutdown().await;
}
