//! Where updates are: the address of a folder.

use std::net::{Ipv4Addr, Ipv6Addr};

use base::{Problem, ProblemKind};
use url::{Host, Url};

/// Longer addresses are nobody's.
const MAX_CHARS: usize = 512;

/// The address of a folder with a manifest and a bundle: `https:`, or `http:` at an address of the home network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source(Url);

impl Source {
    /// Reads one as people write it: a missing slash at the end is put there.
    ///
    /// # Errors
    /// [`ProblemKind::BadUpdateSource`], with why.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let bad = |why: &str| Problem::with(ProblemKind::BadUpdateSource, why);
        if text.len() > MAX_CHARS {
            return Err(bad("It is too long"));
        }
        let mut url = Url::parse(text.trim()).map_err(|_| bad("It is no address"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("It has a user name or a password in it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("It has a ? or a # in it: it is to be a folder's"));
        }
        match (url.scheme(), url.host()) {
            ("https", Some(_)) => {}
            ("http", Some(host)) if is_at_home(&host) => {}
            ("http", Some(_)) => return Err(bad("Beyond the home network it has to be https:")),
            _ => return Err(bad("It begins neither with https:// nor with http://")),
        }
        if !url.path().ends_with('/') {
            let folder = format!("{}/", url.path());
            url.set_path(&folder);
        }
        Ok(Self(url))
    }

    /// The address of a file in the folder. Its name has been checked to be one.
    pub(super) fn file(&self, name: &str) -> Url {
        self.0.join(name).unwrap_or_else(|_| self.0.clone())
    }

    /// The folder's address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// Is it an address, not a name, of the kind that is given at home? A name may mean any address tomorrow.
fn is_at_home(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(_) => false,
        Host::Ipv4(ip) => home_v4(*ip),
        Host::Ipv6(ip) => home_v6(*ip),
    }
}

fn home_v4(ip: Ipv4Addr) -> bool {
    ip.is_private() || ip.is_loopback() || ip.is_link_local()
}

fn home_v6(ip: Ipv6Addr) -> bool {
    match ip.to_ipv4_mapped() {
        Some(v4) => home_v4(v4),
        None => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_folder_is_by_https_or_at_home() {
        for (text, folder) in [
            ("https://example.org/keepsight", "https://example.org/keepsight/"),
            (" https://example.org ", "https://example.org/"),
            ("https://example.org:8443/a/b/", "https://example.org:8443/a/b/"),
            ("http://192.168.1.20/updates", "http://192.168.1.20/updates/"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
            ("http://[fd00::1]/", "http://[fd00::1]/"),
            ("https://8.8.8.8/", "https://8.8.8.8/"),
        ] {
            assert_eq!(Source::parse(text).unwrap().as_str(), folder);
        }
        let source = Source::parse("https://example.org/keepsight").unwrap();
        assert_eq!(source.file("pc.json").as_str(), "https://example.org/keepsight/pc.json");
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (text, why) in [
            ("", "It is no address"),
            ("example.org", "It is no address"),
            ("file:///etc/", "It begins neither with https:// nor with http://"),
            ("ftp://192.168.1.1/", "It begins neither with https:// nor with http://"),
            ("http://example.org/", "Beyond the home network it has to be https:"),
            ("http://printer.local/", "Beyond the home network it has to be https:"),
            ("http://8.8.8.8/", "Beyond the home network it has to be https:"),
            ("http://[2001:db8::1]/", "Beyond the home network it has to be https:"),
            ("https://me:secret@example.org/", "It has a user name or a password in it"),
            ("https://example.org/?a=b", "It has a ? or a # in it: it is to be a folder's"),
        ] {
            let problem = Source::parse(text).unwrap_err();
            assert_eq!((problem.kind, problem.detail.as_deref()), (ProblemKind::BadUpdateSource, Some(why)), "{text}");
        }
        assert!(Source::parse(&format!("https://example.org/{}", "a".repeat(500))).is_err());
    }

    proptest! {
        #[test]
        fn what_is_taken_is_read_the_same_again(text in "\\PC{0,60}|https?://[a-z0-9.:/\\[\\]@?#-]{0,40}") {
            if let Ok(source) = Source::parse(&text) {
                prop_assert!(source.as_str().ends_with('/'));
                prop_assert_eq!(Source::parse(source.as_str()), Ok(source));
            }
        }
    }
}
