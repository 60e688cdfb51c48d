//! `Host` and `Origin`: which of its names a request used, and which page sent it.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri};

/// A host and a port as a client wrote them, made comparable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name in lower case without a final dot, or an address without brackets in its usual form.
    pub host: String,
    /// The port, where one was written.
    pub port: Option<u16>,
}

impl HostPort {
    /// Reads `name`, `name:port`, `1.2.3.4:port` and `[::1]:port`. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                (address.parse::<Ipv6Addr>().ok().map(IpAddr::V6).map(plain_address)?, port)
            }
            None => {
                let end = text.find(':').unwrap_or(text.len());
                let name = text[..end].strip_suffix('.').unwrap_or(&text[..end]).to_ascii_lowercase();
                // One dot at the end is the root of all names; a second one is none.
                let good = (1..=253).contains(&name.len())
                    && !name.ends_with('.')
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
                (good.then_some(name)?, &text[end..])
            }
        };
        let port = match port {
            "" => None,
            // A lone colon is allowed (RFC 3986 §3.2.3); a sign before the number is not.
            _ => match port.strip_prefix(':')? {
                "" => None,
                digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
                _ => return None,
            },
        };
        Some(Self { host, port })
    }

    /// What a request says it was sent to: the authority of its target (HTTP/2, or an absolute target), else its
    /// `Host`. `None` if there is none, more than one, one that cannot be read, or two that differ.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let mut hosts = headers.get_all(HOST).iter();
        let header = match hosts.next() {
            Some(value) => Some(Self::parse(value.to_str().ok()?)?),
            None => None,
        };
        if hosts.next().is_some() {
            return None;
        }
        let target = match uri.authority() {
            Some(authority) => Some(Self::parse(authority.as_str())?),
            None => None,
        };
        match (target, header) {
            (Some(target), Some(header)) => (target == header).then_some(target),
            (target, header) => target.or(header),
        }
    }
}

impl std::fmt::Display for HostPort {
    /// As it stands in an address after `https://`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]", self.host)?,
            false => f.write_str(&self.host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Whose page sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// No header: not a browser, or one that had no reason to send it.
    Absent,
    /// The hub's own, at the same scheme, host and port as the request.
    Own,
    /// Another one's, `null`, or one that cannot be read.
    Foreign,
}

impl Origin {
    /// Compares a request's `Origin` with what the request was sent to over TLS.
    pub fn of(headers: &HeaderMap, own: &HostPort) -> Self {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(value) = origins.next() else { return Origin::Absent };
        let origin = value.to_str().ok().and_then(|text| text.strip_prefix("https://")).and_then(HostPort::parse);
        match origin {
            Some(origin)
                if origins.next().is_none()
                    && origin.host == own.host
                    && origin.port.unwrap_or(443) == own.port.unwrap_or(443) =>
            {
                Origin::Own
            }
            _ => Origin::Foreign,
        }
    }
}

/// An address as it is compared and counted: an IPv4 address that came in over IPv6 is the IPv4 address.
fn plain_address(address: IpAddr) -> String {
    address.to_canonical().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Option<(String, Option<u16>)> {
        HostPort::parse(text).map(|h| (h.host, h.port))
    }

    #[test]
    fn hosts_are_read_in_every_form_that_clients_write() {
        assert_eq!(parsed("Keepsight-AB12.local."), Some(("keepsight-ab12.local".into(), None)));
        assert_eq!(parsed("localhost:8443"), Some(("localhost".into(), Some(8443))));
        assert_eq!(parsed("192.168.1.5:443"), Some(("192.168.1.5".into(), Some(443))));
        assert_eq!(parsed("[fe80::1]:443"), Some(("fe80::1".into(), Some(443))));
        assert_eq!(parsed("[::ffff:192.168.1.5]"), Some(("192.168.1.5".into(), None)));
        assert_eq!(parsed("localhost:"), Some(("localhost".into(), None)));
    }

    #[test]
    fn a_host_reads_back_from_the_address_it_is_written_into() {
        for host in ["keepsight-ab12.local", "localhost:8443", "192.168.1.5:443", "[fe80::1]:443", "[::1]"] {
            assert_eq!(HostPort::parse(host).unwrap().to_string(), host);
        }
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for bad in [
            "", ":443", "a b", "a/b", "a@b", "::1", "[::1", "[::1]x", "a:b", "a:+1", "a:65536", "[a]:1", ".", "..",
            "a..",
        ] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
        assert_eq!(parsed(&"a".repeat(254)), None);
    }

    #[test]
    fn two_hosts_that_differ_are_none() {
        let headers = |hosts: &[&str]| -> HeaderMap { hosts.iter().map(|h| (HOST, h.parse().unwrap())).collect() };
        let of = |uri: &str, hosts: &[&str]| HostPort::of(&uri.parse().unwrap(), &headers(hosts)).map(|h| h.host);
        assert_eq!(of("/", &["hub.local"]).as_deref(), Some("hub.local"));
        assert_eq!(of("https://hub.local/", &[]).as_deref(), Some("hub.local"));
        assert_eq!(of("https://hub.local/", &["HUB.local"]).as_deref(), Some("hub.local"));
        assert_eq!(of("https://hub.local/", &["evil.example"]), None);
        assert_eq!(of("/", &["hub.local", "evil.example"]), None);
        assert_eq!(of("/", &["hub.local", "hub.local"]), None);
        assert_eq!(of("/", &[]), None);
    }

    #[test]
    fn an_origin_is_own_only_with_the_same_scheme_host_and_port() {
        let own = HostPort::parse("hub.local:8443").unwrap();
        let of = |text: &str| Origin::of(&[(ORIGIN, text.parse().unwrap())].into_iter().collect(), &own);
        assert_eq!(Origin::of(&HeaderMap::new(), &own), Origin::Absent);
        assert_eq!(of("https://hub.local:8443"), Origin::Own);
        for foreign in [
            "null",
            "",
            "http://hub.local:8443",
            "https://hub.local",
            "https://hub.local:8444",
            "https://evil.example:8443",
            "https://hub.local:8443.evil.example",
            "https://hub.local:8443/",
            "https://user@hub.local:8443",
        ] {
            assert_eq!(of(foreign), Origin::Foreign, "{foreign}");
        }
        let own = HostPort::parse("hub.local").unwrap();
        let port = Origin::of(&[(ORIGIN, "https://hub.local:443".parse().unwrap())].into_iter().collect(), &own);
        assert_eq!(port, Origin::Own);
    }

    proptest::proptest! {
        #[test]
        fn parsing_never_panics_and_is_stable(text in "[ -~]{0,60}") {
            if let Some(host) = HostPort::parse(&text) {
                let again = if host.host.contains(':') { format!("[{}]", host.host) } else { host.host.clone() };
                proptest::prop_assert_eq!(HostPort::parse(&again).map(|h| h.host), Some(host.host));
            }
        }
    }
}
