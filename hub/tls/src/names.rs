//! The names and addresses that a hub goes by, and those that its authority may ever certify.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base::HubId;
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};

/// The hub's host name, the same for life: `keepsight-`, the last six characters of its id (the first ones are the
/// time it was made, which hubs of one day share), `.local`. Names are in the certificates' constraints; people
/// rename only what discovery shows.
pub fn host_name(hub: HubId) -> String {
    let id = hub.to_string();
    format!("keepsight-{}.local", &id[id.len() - 6..])
}

/// The machine's own addresses that the hub may be reached at: see [`Names::new`] for those left out.
pub fn local_addresses() -> std::io::Result<Vec<IpAddr>> {
    Ok(if_addrs::get_if_addrs()?.into_iter().map(|interface| interface.ip()).collect())
}

/// The names and addresses of a leaf certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Host names in lower case.
    pub dns: Vec<String>,
    /// Addresses, sorted.
    pub addresses: Vec<IpAddr>,
}

impl Names {
    /// What a hub's leaf is made for: its own name, `localhost`, the loopback addresses, and those of `addresses`
    /// that the authority's constraints allow. Public addresses are left out (one name out of bounds would make
    /// clients refuse the whole certificate), and so are link-local IPv6 addresses, which no browser can open.
    pub fn new(hub: HubId, addresses: &[IpAddr]) -> Self {
        let usable = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
        };
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let all = addresses.iter().map(IpAddr::to_canonical).filter(usable).chain(loopback);
        let mut addresses: Vec<IpAddr> = all.collect();
        addresses.sort_unstable();
        addresses.dedup();
        // A machine with hundreds of container networks must not make a certificate that no client takes.
        addresses.truncate(64);
        for needed in loopback {
            if !addresses.contains(&needed) {
                addresses.push(needed);
            }
        }
        Self { dns: vec![host_name(hub), "localhost".into()], addresses }
    }

    /// Is this one of them? `host` is in lower case, without port, brackets or a final dot.
    pub fn contains(&self, host: &str) -> bool {
        match host.parse::<IpAddr>() {
            Ok(ip) => self.addresses.contains(&ip.to_canonical()),
            Err(_) => self.dns.iter().any(|name| name == host),
        }
    }
}

/// Everything that a hub's intermediate may certify, for ever.
pub(crate) fn constraints(hub: HubId) -> NameConstraints {
    let dns = [host_name(hub), "localhost".into(), "home.arpa".into()].map(GeneralSubtree::DnsName);
    let v4 = [
        ([10, 0, 0, 0], 8),
        ([172, 16, 0, 0], 12),
        ([192, 168, 0, 0], 16),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
    ];
    let v6 = [
        (Ipv6Addr::LOCALHOST, 128),
        (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
        (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    ];
    let v4 = v4.map(|(net, prefix)| GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(net, prefix)));
    let v6 = v6.map(|(net, prefix)| GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(net.octets(), prefix)));
    let permitted_subtrees = dns.into_iter().chain(v4).chain(v6).collect();
    NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::SimClock;

    #[test]
    fn only_addresses_that_the_constraints_allow_get_into_a_leaf() {
        let hub = HubId::new(&SimClock::default());
        let given = ["192.168.1.5", "8.8.8.8", "100.64.0.1", "fe80::1", "2001:db8::1", "fd00::7", "::ffff:10.0.0.1"];
        let names = Names::new(hub, &given.map(|ip| ip.parse().unwrap()));
        let addresses: Vec<_> = names.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(addresses, ["10.0.0.1", "127.0.0.1", "192.168.1.5", "::1", "fd00::7"]);
    }

    #[test]
    fn a_hub_knows_its_names_and_no_others() {
        let hub = HubId::new(&SimClock::default());
        let names = Names::new(hub, &["192.168.1.5".parse().unwrap()]);
        for own in [&host_name(hub), "localhost", "127.0.0.1", "::1", "192.168.1.5", "::ffff:192.168.1.5"] {
            assert!(names.contains(own), "{own}");
        }
        for foreign in ["", "evil.example", "x.localhost", "192.168.1.6", "home.arpa", "LOCALHOST"] {
            assert!(!names.contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn loopback_stays_however_many_networks_there_are() {
        let many: Vec<IpAddr> = (0..=255).map(|i| IpAddr::from([10, 0, 0, i])).collect();
        let names = Names::new(HubId::new(&SimClock::default()), &many);
        assert!(names.contains("127.0.0.1") && names.contains("::1") && names.addresses.len() <= 66);
    }
}
