//! Which devices are at home: those that answer on the hub's own networks.
//!
//! The kernel asks for a device's hardware address before it sends to it (ARP, RFC 826; for IPv6 RFC 4861), and keeps what is
//! answered in its table of neighbours. A phone answers that while it sleeps: its Wi-Fi does it. So one byte is sent to the
//! discard port of each device that somebody wants to know of, and the table tells whether the device answered.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;

use base::{HardwareAddress, Mono};
use futures::TryStreamExt;
use rtnetlink::packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};

/// RFC 863: what is sent there is thrown away; a device without it answers that there is none, which will do.
const DISCARD: u16 = 9;

/// A device on one of the hub's networks, as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Where it is.
    pub at: Place,
    /// What it is.
    pub hardware: HardwareAddress,
    /// It answered within the last minute or so.
    pub answers: bool,
}

/// An address on one of the hub's networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The address.
    pub address: IpAddr,
    /// The kernel's number of the interface.
    pub interface: u32,
}

/// All devices that the kernel knows the hardware address of.
///
/// # Errors
/// If the kernel does not say.
pub async fn neighbours() -> io::Result<Vec<Neighbour>> {
    let (connection, kernel, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let table = kernel.neighbours().get().execute().try_collect::<Vec<_>>().await;
    connection.abort();
    Ok(table.map_err(io::Error::other)?.iter().filter_map(neighbour).collect())
}

fn neighbour(row: &NeighbourMessage) -> Option<Neighbour> {
    let (mut address, mut hardware) = (None, None);
    for attribute in &row.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => address = Some(IpAddr::V4(*ip)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => address = Some(IpAddr::V6(*ip)),
            NeighbourAttribute::LinkLayerAddress(bytes) => hardware = bytes.as_slice().try_into().ok(),
            _ => {}
        }
    }
    Some(Neighbour {
        at: Place { address: address?, interface: row.header.ifindex },
        hardware: HardwareAddress(hardware?),
        answers: row.header.state == NeighbourState::Reachable,
    })
}

/// Has the kernel look whether somebody is there; the table of neighbours has the answer some seconds later.
pub fn ask(place: Place) {
    let to = match place.address {
        IpAddr::V4(_) => SocketAddr::new(place.address, DISCARD),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, DISCARD, 0, place.interface).into(),
    };
    let any = if to.is_ipv4() { SocketAddr::from(([0, 0, 0, 0], 0)) } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    // Where it cannot be sent, nobody is there: the table says so.
    let sent = std::net::UdpSocket::bind(any).and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.send_to(&[0], to)
    });
    tracing::trace!(?place, ?sent, "asked whether somebody is there");
}

/// Who was seen when.
#[derive(Debug)]
pub struct Presence {
    /// A phone that was not seen for so long is not at home any more: asleep it may miss a question or two.
    away_after: Duration,
    seen: HashMap<HardwareAddress, Mono>,
}

impl Presence {
    /// Nobody was seen yet.
    pub fn new(away_after: Duration) -> Self {
        Self { away_after, seen: HashMap::new() }
    }

    /// Is a device at home, as the table of neighbours is now? One that is asked for the first time is given the benefit of
    /// the doubt: the hub may just have been started, and knows no neighbour yet.
    pub fn is_home(&mut self, device: HardwareAddress, neighbours: &[Neighbour], now: Mono) -> bool {
        let seen = self.seen.entry(device).or_insert(now);
        if neighbours.iter().any(|neighbour| neighbour.hardware == device && neighbour.answers) {
            *seen = now;
        }
        now.since(*seen) < self.away_after
    }

    /// Forgets all but these.
    pub fn keep(&mut self, devices: &[HardwareAddress]) {
        self.seen.retain(|device, _| devices.contains(device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::{Clock, SimClock};

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_phone_that_misses_a_question_is_still_at_home_and_one_that_is_gone_is_not() {
        let clock = SimClock::default();
        let phone = HardwareAddress([2, 0, 0, 0, 0, 1]);
        let at = Place { address: IpAddr::from([192, 168, 1, 20]), interface: 2 };
        let table = |answers| [Neighbour { at, hardware: phone, answers }];
        let mut presence = Presence::new(5 * MINUTE);
        assert!(presence.is_home(phone, &[], clock.mono()), "the hub has just been started");
        clock.advance(4 * MINUTE);
        assert!(presence.is_home(phone, &table(true), clock.mono()));
        clock.advance(4 * MINUTE);
        assert!(presence.is_home(phone, &table(false), clock.mono()), "asleep");
        clock.advance(MINUTE);
        assert!(!presence.is_home(phone, &table(false), clock.mono()), "gone");
        let other = Neighbour { hardware: HardwareAddress([2, 0, 0, 0, 0, 2]), ..table(true)[0] };
        assert!(!presence.is_home(phone, &[other], clock.mono()), "somebody else has its address now");
        assert!(presence.is_home(phone, &table(true), clock.mono()), "back");
        presence.keep(&[]);
        clock.advance(MINUTE);
        assert!(presence.is_home(phone, &[], clock.mono()), "forgotten, and asked for anew");
    }
}
