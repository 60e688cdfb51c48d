//! The hub answers to its `.local` name and says that it is there (mDNS, RFC 6762; DNS-SD, RFC 6763).
//!
//! The name is in the hub's certificate and stays the same for life, so where another device answers to it too there is
//! no second choice: the hub says so, keeps quiet, and tries again. mdns-sd would take another name by itself; its
//! probing also takes the hub's own second interface on the same network (cable and Wi-Fi) for a stranger. So its probing
//! is off, and the hub asks for its own name first, and again and again after.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base::state::{Health, Reason};
use base::{Problem, ProblemKind, SharedClock, Shutdown};
use mdns_sd::{HostnameResolutionEvent, ServiceDaemon, ServiceInfo};
use tokio::task::JoinHandle;

/// The services that are announced: the hub's own kind, and the one that general browsers list.
const SERVICES: [&str; 2] = ["_keepsight._tcp.local.", "_https._tcp.local."];
/// How often it is looked whether an interface came or went. mdns-sd looks as often.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often the hub asks who else answers to its name.
const ASK_EVERY: Duration = Duration::from_secs(60);
/// How long answers are waited for: two questions a second apart go out in it.
const ASK_FOR: Duration = Duration::from_secs(2);
/// How long the hub keeps quiet while another device has its name, and up to half as long again by chance: of two hubs that
/// found each other, one comes back first.
const QUIET_FOR: Duration = Duration::from_secs(30);
/// How long a farewell may take at the end.
const FAREWELL: Duration = Duration::from_secs(2);
/// Addresses that the hub had once are its own for as long as others may remember them; more than that are no household.
const MAX_OWN: usize = 1_024;

/// What the hub is called, and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// `keepsight-….local`, without a final dot.
    pub host: String,
    /// What people see in lists of what is there.
    pub shown: String,
    /// The port of its HTTPS.
    pub port: u16,
    /// At which of the machine's addresses that is.
    pub reach: Reach,
}

/// At which of the machine's addresses the hub can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// At all that it has, and will have.
    All,
    /// At these only.
    Only(Vec<IpAddr>),
}

impl Reach {
    /// Of what the hub listens on. `None`: nobody but this machine reaches it, and there is nothing to announce.
    pub fn of(listens: impl IntoIterator<Item = IpAddr>) -> Option<Reach> {
        let mut only = Vec::new();
        for address in listens {
            match address.to_canonical() {
                ip if ip.is_unspecified() => return Some(Reach::All),
                ip if ip.is_loopback() => {}
                ip => only.push(ip),
            }
        }
        (!only.is_empty()).then_some(Reach::Only(only))
    }

    fn includes(&self, address: &IpAddr) -> bool {
        match self {
            Reach::All => true,
            Reach::Only(only) => only.contains(address),
        }
    }
}

/// How the hub's name is. Clones share it.
#[derive(Debug, Clone)]
pub struct Mdns(Arc<Mutex<Health>>);

impl Mdns {
    /// Switched off: the hub answers to no name, and is opened by its address.
    pub fn off() -> Self {
        Self(Arc::new(Mutex::new(Health::Off)))
    }

    /// Answers and announces from now on until `shutdown`; says farewell then, after which the task ends. Starts without any
    /// network, too. Must be called inside a tokio runtime.
    pub fn start(named: Named, clock: SharedClock, shutdown: Shutdown) -> (Self, JoinHandle<()>) {
        let mdns = Self(Arc::new(Mutex::new(no_network())));
        let named = Announcer { named, clock, shutdown, mdns: mdns.clone(), own: HashSet::new() };
        (mdns, tokio::spawn(named.run()))
    }

    /// How it is: `no-network` while there is no address to be found at, `host-name-taken` while another device answers.
    pub fn health(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, health: Health) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != health {
            match &health {
                Health::Degraded { detail, .. } => tracing::warn!(detail, "the hub's name is not found on the network"),
                _ => tracing::info!("the hub's name is found on the network"),
            }
            *said = health;
        }
    }
}

/// Why an announcement ended.
enum Ended {
    Shutdown,
    /// This address answers to the name and is not the hub's.
    Taken(IpAddr),
    Failed(mdns_sd::Error),
}

impl From<mdns_sd::Error> for Ended {
    fn from(error: mdns_sd::Error) -> Self {
        Self::Failed(error)
    }
}

struct Announcer {
    named: Named,
    clock: SharedClock,
    shutdown: Shutdown,
    mdns: Mdns,
    /// Every address that the hub has or had: what answers from there is the hub, or somebody's memory of it.
    own: HashSet<IpAddr>,
}

impl Announcer {
    async fn run(mut self) {
        loop {
            match self.announce().await {
                Ended::Shutdown => return,
                Ended::Taken(by) => {
                    let what = format_args!("{by} answers to {}", self.named.host);
                    self.mdns.say(degraded(Reason::HostNameTaken, &Problem::with(ProblemKind::HostNameTaken, what)));
                }
                Ended::Failed(error) => {
                    self.mdns.say(degraded(Reason::NoNetwork, &Problem::with(ProblemKind::NoNetwork, error)));
                }
            }
            let mut luck = [0];
            base::random(&mut luck);
            if self.sleep(QUIET_FOR + QUIET_FOR * u32::from(luck[0]) / 512).await.is_err() {
                return;
            }
        }
    }

    /// From the first address on until something ends it. What was announced is taken back before it returns.
    async fn announce(&mut self) -> Ended {
        while !self.look() {
            self.mdns.say(no_network());
            if let Err(ended) = self.sleep(LOOK_EVERY).await {
                return ended;
            }
        }
        let daemon = match ServiceDaemon::new() {
            Ok(daemon) => daemon,
            Err(error) => return Ended::Failed(error),
        };
        let ended = match self.keep(&daemon).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        };
        self.farewell(daemon).await;
        ended
    }

    async fn keep(&mut self, daemon: &ServiceDaemon) -> Result<std::convert::Infallible, Ended> {
        self.ask(daemon).await?;
        for service in SERVICES {
            daemon.register(self.service(service)?)?;
        }
        let mut asked = self.clock.mono();
        loop {
            if self.look() {
                self.mdns.say(Health::Ok);
            } else {
                self.mdns.say(no_network());
            }
            self.sleep(LOOK_EVERY).await?;
            if self.clock.mono().since(asked) >= ASK_EVERY {
                self.ask(daemon).await?;
                asked = self.clock.mono();
            }
        }
    }

    fn service(&self, service: &str) -> mdns_sd::Result<ServiceInfo> {
        let Named { host, shown, port, reach } = &self.named;
        let (addresses, automatic) = match reach {
            Reach::All => (&[][..], true),
            Reach::Only(only) => (&only[..], false),
        };
        let properties = &[("path", "/")][..];
        let mut info = ServiceInfo::new(service, shown, &format!("{host}."), addresses, *port, properties)?;
        if automatic {
            info = info.enable_addr_auto();
        }
        info.set_requires_probe(false); // asked for already, see above
        Ok(info)
    }

    /// Learns the machine's addresses. `false`: there is none by which anybody else reaches the hub.
    fn look(&mut self) -> bool {
        let Ok(interfaces) = if_addrs::get_if_addrs() else { return false };
        if self.own.len() > MAX_OWN {
            self.own.clear();
        }
        let mut reachable = false;
        for interface in interfaces {
            let here = !interface.is_loopback() && interface.is_oper_up();
            reachable |= here && self.named.reach.includes(&interface.ip());
            self.own.insert(interface.ip());
        }
        reachable
    }

    /// Asks the network for the hub's name.
    async fn ask(&mut self, daemon: &ServiceDaemon) -> Result<(), Ended> {
        let asked = daemon.resolve_hostname(&format!("{}.", self.named.host), Some(ASK_FOR.as_millis() as u64))?;
        let (clock, shutdown) = (self.clock.clone(), self.shutdown.clone());
        let mut stranger: Option<IpAddr> = None;
        let listen = async {
            while let Ok(event) = asked.recv_async().await {
                if let HostnameResolutionEvent::AddressesFound(_, addresses) = event {
                    self.look(); // an address that came a moment ago is no stranger's
                    let found = addresses.iter().map(|address| address.to_ip_addr());
                    stranger = found.chain(stranger).filter(|ip| !self.own.contains(ip)).min();
                    // One that people know it by, if it has one.
                    if stranger.is_some_and(|ip| ip.is_ipv4()) {
                        return;
                    }
                }
            }
        };
        tokio::select! {
            _ = base::clock::timeout(&*clock, ASK_FOR, listen) => {}
            () = shutdown.wait() => return Err(Ended::Shutdown),
        };
        // It may have ended by itself.
        let _ = daemon.stop_resolve_hostname(&format!("{}.", self.named.host));
        stranger.map_or(Ok(()), |stranger| Err(Ended::Taken(stranger)))
    }

    /// Tells the network that the hub is not there any more, as far as it listens.
    async fn farewell(&self, daemon: ServiceDaemon) {
        let goodbye = async {
            for service in SERVICES {
                let Ok(info) = self.service(service) else { continue };
                if let Ok(done) = daemon.unregister(info.get_fullname()) {
                    let _ = done.recv_async().await;
                }
            }
            if let Ok(done) = daemon.shutdown() {
                let _ = done.recv_async().await;
            }
        };
        if base::clock::timeout(&*self.clock, FAREWELL, goodbye).await.is_none() {
            tracing::debug!("the farewell to the network took too long");
        }
    }

    async fn sleep(&self, time: Duration) -> Result<(), Ended> {
        tokio::select! {
            () = self.clock.sleep(time) => Ok(()),
            () = self.shutdown.wait() => Err(Ended::Shutdown),
        }
    }
}

fn no_network() -> Health {
    degraded(Reason::NoNetwork, &ProblemKind::NoNetwork.into())
}

fn degraded(reason: Reason, problem: &Problem) -> Health {
    Health::Degraded { reason, detail: problem.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(listens: &[&str]) -> Option<Reach> {
        Reach::of(listens.iter().map(|ip| ip.parse().unwrap()))
    }

    #[test]
    fn a_hub_that_only_this_machine_reaches_has_nothing_to_announce() {
        assert_eq!(reach(&[]), None);
        assert_eq!(reach(&["127.0.0.1", "::1"]), None);
        assert_eq!(reach(&["127.0.0.1", "::"]), Some(Reach::All));
        assert_eq!(reach(&["0.0.0.0", "192.168.1.2"]), Some(Reach::All));
        assert_eq!(reach(&["192.168.1.2", "::1"]), Some(Reach::Only(vec!["192.168.1.2".parse().unwrap()])));
    }
}
