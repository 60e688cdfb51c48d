//! A hub in a temporary folder, clients that share no code with it, and things to break it with.

use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock};
use camera_sim::{Options, Simulator};

pub mod avahi;
pub mod broken;
pub mod browser;
pub mod client;
pub mod figures;
pub mod film;
pub mod firefox;
pub mod gst_server;
pub mod hostile;
pub mod hub;
pub mod lenses;
pub mod people;
pub mod pictures;
pub mod plug;
mod preload;
pub mod search;
pub mod slow;
pub mod sound;
pub mod tells;
pub mod tools;

/// Waits until something is so.
///
/// # Panics
/// If it is not so within `limit`.
pub async fn wait_for(what: &str, limit: Duration, mut so: impl AsyncFnMut() -> bool) {
    let clock = SystemClock;
    let deadline = clock.mono() + limit;
    while !so().await {
        assert!(clock.mono() < deadline, "not within {limit:?}: {what}");
        clock.sleep(Duration::from_millis(50)).await;
    }
}

/// Pictures in the loop of a camera of [`cameras`], after which the numbers of their marks begin anew.
pub const LOOP_PICTURES: u32 = 80;

/// Small simulated cameras; the first one's marks say camera 1.
///
/// # Panics
/// If they do not start.
pub async fn cameras(count: u16) -> Simulator {
    // They may go off the network, and want their port again when they come back.
    let options = Options { port: free_port(), ..Options::small(count) };
    Simulator::start(options, Arc::new(SystemClock)).await.expect("the cameras start")
}

/// A TCP port of 127.0.0.1 that nobody uses at the moment. Not one of those that the kernel gives to clients: a hub that a
/// test starts again and again finds it free each time.
///
/// # Panics
/// If the machine's range of ports for clients leaves none below it.
pub fn free_port() -> u16 {
    let range =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("Linux says its clients' ports");
    let clients: u16 = range.split_whitespace().next().and_then(|n| n.parse().ok()).expect("the first of them");
    let below = clients.checked_sub(LOWEST_PORT).filter(|n| *n > 0).expect("ports below them");
    loop {
        let mut random = [0; 2];
        base::random(&mut random);
        let port = LOWEST_PORT + u16::from_be_bytes(random) % below;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Servers that machines come with listen below it.
const LOWEST_PORT: u16 = 10_000;
