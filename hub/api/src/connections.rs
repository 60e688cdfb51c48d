//! Who is connected, and who has to go when it gets crowded.
//!
//! A new connection is let in while there is room. Where there is none, the one that has been idle for longest makes
//! room, of the same network first: a thousand connections that ask for nothing cost others nothing, and one device
//! cannot use up everybody's.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use base::{Mono, SharedClock};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::route::Peer;

/// How much the server takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, of all kinds.
    pub connections: usize,
    /// Connections at once from one network: an IPv4 address, or an IPv6 /64.
    pub per_network: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long the head of a request may take, and how long an HTTP/1.1 connection may wait for its next one.
    pub header: Duration,
    /// How long a connection may ask for nothing.
    pub idle: Duration,
    /// How long an answer may stand still until its connection may be closed to make room. Else it may stand still for
    /// as long as it likes: a paused film does.
    pub stalled: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_network: 256,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(15),
            idle: Duration::from_secs(90),
            stalled: Duration::from_secs(30),
            streams: 64,
        }
    }
}

/// All open connections.
pub(crate) struct Connections {
    limits: Limits,
    clock: SharedClock,
    open: Mutex<Open>,
    /// Told when the last one goes.
    emptied: Notify,
}

#[derive(Default)]
struct Open {
    next: u64,
    by_id: HashMap<u64, Arc<Connection>>,
    per_network: HashMap<Option<IpAddr>, usize>,
}

/// One connection's state. No lock: written from wherever its bytes pass.
struct Connection {
    network: Option<IpAddr>,
    /// Requests under way.
    busy: AtomicUsize,
    /// It is a WebSocket now.
    upgraded: AtomicBool,
    /// When it last did anything: began, asked, or was sent a part of an answer. Ns, as [`Mono`].
    progress: AtomicU64,
    close: CancellationToken,
}

impl Connections {
    pub fn new(limits: Limits, clock: SharedClock) -> Arc<Self> {
        Arc::new(Self { limits, clock, open: Mutex::default(), emptied: Notify::new() })
    }

    /// Lets a connection in, at the cost of an idle one if need be. `None` if there is no room.
    pub fn admit(self: &Arc<Self>, peer: Peer) -> Option<Admitted> {
        let (network, now) = (peer.network(), self.clock.mono());
        let mut open = self.open();
        if open.per_network.get(&network).is_some_and(|count| *count >= self.limits.per_network)
            && !open.make_room(now, self.limits.stalled, |connection| connection.network == network)
        {
            return None;
        }
        if open.by_id.len() >= self.limits.connections {
            // Whoever has most of them gives one up.
            let largest = open.per_network.iter().max_by_key(|(_, count)| **count).map(|(network, _)| *network)?;
            if !open.make_room(now, self.limits.stalled, |connection| connection.network == largest)
                && !open.make_room(now, self.limits.stalled, |_| true)
            {
                return None;
            }
        }
        let connection = Arc::new(Connection {
            network,
            busy: AtomicUsize::new(0),
            upgraded: AtomicBool::new(false),
            progress: AtomicU64::new(now.0),
            close: CancellationToken::new(),
        });
        let id = open.next;
        open.next += 1;
        open.by_id.insert(id, Arc::clone(&connection));
        *open.per_network.entry(network).or_default() += 1;
        drop(open);
        Some(Admitted { id, connection, connections: Arc::clone(self) })
    }

    /// Closes what has been idle for too long.
    pub fn close_idle(&self) {
        let now = self.clock.mono();
        let mut open = self.open();
        let idle = |c: &Connection| c.is_idle() && now.since(c.progress()) >= self.limits.idle;
        let ids: Vec<u64> = open.by_id.iter().filter(|(_, c)| idle(c)).map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| open.close(id));
        self.tell_if_empty(&open);
    }

    /// Closes the connection that has been idle for longest: the process is out of file handles.
    pub fn close_one(&self) -> bool {
        self.open().make_room(self.clock.mono(), self.limits.stalled, |_| true)
    }

    /// Closes all of them at once.
    pub fn close_all(&self) {
        let mut open = self.open();
        let ids: Vec<u64> = open.by_id.keys().copied().collect();
        ids.into_iter().for_each(|id| open.close(id));
        self.tell_if_empty(&open);
    }

    /// Waits until there is none.
    pub async fn emptied(&self) {
        loop {
            let told = self.emptied.notified();
            if self.open().by_id.is_empty() {
                return;
            }
            told.await;
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open().by_id.len()
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn tell_if_empty(&self, open: &Open) {
        if open.by_id.is_empty() {
            self.emptied.notify_waiters();
        }
    }
}

impl Open {
    /// Closes one that fits: of those that are idle the one that has been so for longest, else of those that stand
    /// still. A WebSocket counts as busy.
    fn make_room(&mut self, now: Mono, stalled: Duration, fits: impl Fn(&Connection) -> bool) -> bool {
        let may_go = |c: &Connection| fits(c) && (c.is_idle() || now.since(c.progress()) >= stalled);
        let candidates = self.by_id.iter().filter(|(_, connection)| may_go(connection));
        let first = candidates.min_by_key(|(_, c)| (!c.is_idle(), c.progress())).map(|(id, _)| *id);
        first.map(|id| self.close(id)).is_some()
    }

    /// It counts no longer from here on, though its task may take a moment to end.
    fn close(&mut self, id: u64) {
        if let Some(connection) = self.remove(id) {
            connection.close.cancel();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Connection>> {
        let connection = self.by_id.remove(&id)?;
        if let Some(count) = self.per_network.get_mut(&connection.network) {
            *count -= 1;
            if *count == 0 {
                self.per_network.remove(&connection.network);
            }
        }
        Some(connection)
    }
}

impl Connection {
    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0 && !self.upgraded.load(Ordering::Relaxed)
    }
    fn progress(&self) -> Mono {
        Mono(self.progress.load(Ordering::Relaxed))
    }
}

/// A connection's place among the others, given up when dropped.
pub(crate) struct Admitted {
    id: u64,
    connection: Arc<Connection>,
    connections: Arc<Connections>,
}

impl Admitted {
    /// Cancelled when the connection has to make room.
    pub fn closed(&self) -> CancellationToken {
        self.connection.close.clone()
    }
    /// What its requests report to.
    pub fn activity(&self) -> Activity {
        Activity { connection: Arc::clone(&self.connection), clock: Arc::clone(&self.connections.clock) }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        open.remove(self.id);
        self.connections.tell_if_empty(&open);
    }
}

/// What a connection does.
#[derive(Clone)]
pub(crate) struct Activity {
    connection: Arc<Connection>,
    clock: SharedClock,
}

impl Activity {
    /// A request begins; it ends when what this returns is dropped.
    pub fn request(&self) -> Busy {
        self.progress();
        self.connection.busy.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }
    /// It became a WebSocket.
    pub fn upgraded(&self) {
        self.connection.upgraded.store(true, Ordering::Relaxed);
    }
    /// Something moved.
    pub fn progress(&self) {
        self.connection.progress.store(self.clock.mono().0, Ordering::Relaxed);
    }
}

/// A request under way.
pub(crate) struct Busy(Activity);

impl Busy {
    /// A part of the answer was asked for.
    pub fn progress(&self) {
        self.0.progress();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.progress();
        self.0.connection.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection's bytes with its place: a WebSocket takes both along when it leaves HTTP behind.
pub(crate) struct Held<S> {
    pub stream: S,
    pub admitted: Admitted,
}

impl<S> Held<S> {
    fn moved<T>(&self, poll: &Poll<io::Result<T>>) {
        // Of HTTP the requests themselves say what moves: bytes alone may be a client's pings.
        if poll.is_ready() && self.admitted.connection.upgraded.load(Ordering::Relaxed) {
            self.admitted.activity().progress();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.moved(&poll);
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.moved(&poll);
        poll
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.moved(&poll);
        poll
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;

    fn connections(connections: usize, per_network: usize) -> (Arc<Connections>, SimClock) {
        let clock = SimClock::default();
        let limits = Limits { connections, per_network, ..Limits::default() };
        (Connections::new(limits, Arc::new(clock.clone())), clock)
    }

    fn from(last: u8) -> Peer {
        Peer::Net(([10, 0, 0, last], 1).into())
    }

    #[test]
    fn in_a_full_network_the_one_that_has_been_idle_for_longest_makes_room() {
        let (connections, clock) = connections(10, 2);
        let first = connections.admit(from(1)).unwrap();
        clock.advance(Duration::from_secs(1));
        let second = connections.admit(from(1)).unwrap();
        drop(first.activity().request()); // used since, so the second is idle for longer
        let other = connections.admit(from(2)).unwrap();
        clock.advance(Duration::from_secs(1));
        drop(first.activity().request());
        let third = connections.admit(from(1)).unwrap();
        assert!(second.closed().is_cancelled());
        assert!(![&first, &third, &other].iter().any(|c| c.closed().is_cancelled()));
        assert_eq!(connections.count(), 3);
    }

    #[test]
    fn what_is_busy_stays_and_the_new_one_has_to_wait() {
        let (connections, clock) = connections(10, 1);
        let first = connections.admit(from(1)).unwrap();
        let busy = first.activity().request();
        clock.advance(Duration::from_secs(29));
        assert!(connections.admit(from(1)).is_none());
        busy.progress();
        clock.advance(Duration::from_secs(29));
        assert!(connections.admit(from(1)).is_none());
        assert!(connections.admit(from(2)).is_some());
        clock.advance(Duration::from_secs(1)); // now its answer has stood still for too long
        assert!(connections.admit(from(1)).is_some());
        assert!(first.closed().is_cancelled());
    }

    #[test]
    fn in_a_full_house_whoever_has_most_gives_one_up() {
        let (connections, clock) = connections(4, 10);
        let single = connections.admit(from(1)).unwrap();
        clock.advance(Duration::from_secs(1));
        let many: Vec<_> = (0..3).map(|_| connections.admit(from(2)).unwrap()).collect();
        let new = connections.admit(from(3)).unwrap();
        assert!(!single.closed().is_cancelled() && !new.closed().is_cancelled());
        assert_eq!(many.iter().filter(|c| c.closed().is_cancelled()).count(), 1);
        assert_eq!(connections.count(), 4);
    }

    #[tokio::test]
    async fn idle_ones_are_closed_in_time_and_websockets_are_not_idle() {
        let (connections, clock) = connections(4, 4);
        let idle = connections.admit(from(1)).unwrap();
        let socket = connections.admit(from(1)).unwrap();
        socket.activity().upgraded();
        clock.advance(Duration::from_secs(89));
        connections.close_idle();
        assert!(!idle.closed().is_cancelled());
        clock.advance(Duration::from_secs(1));
        connections.close_idle();
        assert!(idle.closed().is_cancelled() && !socket.closed().is_cancelled());
        let emptied = connections.emptied();
        tokio::pin!(emptied);
        assert!(futures::poll!(&mut emptied).is_pending());
        drop(socket);
        emptied.await;
        drop(idle); // gone already, does not count twice
        assert_eq!(connections.count(), 0);
    }
}
