//! Where a stream comes from.

use std::fmt;
use std::time::Duration;

use base::{Problem, ProblemKind, Transport};
use url::Url;
use zeroize::Zeroizing;

use crate::lens::Lens;
use crate::lens::encoders::Encoders;
use crate::pace::Pace;

/// A camera's user name and password. The password is not shown by `Debug` and is wiped when dropped.
#[derive(Clone)]
pub struct Credentials {
    /// User name.
    pub username: String,
    password: Zeroizing<String>,
}

impl Credentials {
    /// From a user name and its password.
    pub fn new(username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { username: username.into(), password: Zeroizing::new(password.into()) }
    }
    /// The password.
    pub(crate) fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Where a stream comes from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Source {
    /// A camera that speaks RTSP.
    Rtsp(Rtsp),
    /// A camera of this machine.
    Lens(Lens),
    /// A small clip within the hub, for self-tests: needs no camera and no network.
    Sim,
}

/// An RTSP address that was checked, who asks, and how.
#[derive(Debug, Clone)]
pub struct Rtsp {
    pub(crate) url: Url,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) way: Way,
    pub(crate) certificate: Option<String>,
}

/// Who reads an RTSP camera, and how its packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// The hub's own source, over the RTSP connection: the cheapest.
    Own,
    /// GStreamer's source, over the RTSP connection; with `rtsps:` within TLS.
    Tcp,
    /// GStreamer's source, by datagrams.
    Udp,
    /// GStreamer's source, by datagrams to a group that the camera names.
    Multicast,
}

impl Way {
    const ALL: [Way; 4] = [Way::Own, Way::Tcp, Way::Udp, Way::Multicast];

    /// A word for rows and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Own => "own",
            Way::Tcp => "tcp",
            Way::Udp => "udp",
            Way::Multicast => "multicast",
        }
    }

    /// The way of this word.
    pub fn from_word(word: &str) -> Option<Way> {
        Self::ALL.into_iter().find(|way| way.as_str() == word)
    }

    /// How the packets travel, in the words that people set it by.
    pub fn transport(self) -> Transport {
        match self {
            Way::Own | Way::Tcp => Transport::Tcp,
            Way::Udp => Transport::Udp,
            Way::Multicast => Transport::Multicast,
        }
    }
}

impl Source {
    /// A source from its address, such as `rtsp://192.168.1.20:554/stream`, `rtsps://192.168.1.20/stream`, `v4l2:/dev/video0`,
    /// `libcamera:` or `sim:`.
    ///
    /// # Errors
    /// An address that is none, of a scheme that is not known, without a host, or with a user name or password
    /// in it: addresses are shown and logged, so those have their own fields.
    pub fn parse(address: &str, credentials: Option<Credentials>) -> Result<Self, BadSource> {
        let url = Url::parse(address.trim()).map_err(BadSource::NoAddress)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadSource::PasswordInside);
        }
        let way = match url.scheme() {
            "rtsp" => Way::Own,
            "rtsps" => Way::Tcp,
            "v4l2" | "libcamera" => return Lens::parse(url).map(Self::Lens),
            "sim" if url.as_str() == "sim:" => return Ok(Self::Sim),
            scheme => return Err(BadSource::Scheme(scheme.chars().take(20).collect())),
        };
        if url.host().is_none_or(|h| h == url::Host::Domain("")) || url.port() == Some(0) {
            return Err(BadSource::NoHost);
        }
        Ok(Self::Rtsp(Rtsp { url, credentials, way, certificate: None }))
    }

    /// The ways to read it, the first one first. What a person set as `transport` leaves some out.
    ///
    /// # Errors
    /// Datagrams of `rtsps:` would travel in the open.
    pub fn ways(&self, transport: Transport) -> Result<&'static [Way], BadSource> {
        let Source::Rtsp(rtsp) = self else { return Ok(&[Way::Own]) };
        match (rtsp.url.scheme(), transport) {
            ("rtsps", Transport::Auto | Transport::Tcp) => Ok(&[Way::Tcp]),
            ("rtsps", Transport::Udp | Transport::Multicast) => Err(BadSource::Open),
            (_, Transport::Auto) => Ok(&[Way::Own, Way::Udp, Way::Multicast, Way::Tcp]),
            (_, Transport::Tcp) => Ok(&[Way::Own, Way::Tcp]),
            (_, Transport::Udp) => Ok(&[Way::Udp]),
            (_, Transport::Multicast) => Ok(&[Way::Multicast]),
        }
    }

    /// The same, read in this way.
    pub fn by(mut self, way: Way) -> Self {
        if let Source::Rtsp(rtsp) = &mut self {
            rtsp.way = way;
        }
        self
    }

    /// The same, but that a camera of `rtsps:` must show this certificate: the SHA-256 of its DER form in lower-case
    /// hexadecimal. Without one the first that comes is taken, and told to [`Output::certificate`](crate::Output::certificate).
    pub fn pinned(mut self, certificate: Option<String>) -> Self {
        if let Source::Rtsp(rtsp) = &mut self {
            rtsp.certificate = certificate;
        }
        self
    }

    /// The address on the network, for logs: it holds no password. `None` for a source that has none.
    pub fn address(&self) -> Option<&Url> {
        match self {
            Source::Rtsp(rtsp) => Some(&rtsp.url),
            Source::Lens(_) | Source::Sim => None,
        }
    }
}

/// An address cannot be used as a source.
#[derive(Debug, thiserror::Error)]
pub enum BadSource {
    /// It is not an address.
    #[error("it is not an address")]
    NoAddress(#[source] url::ParseError),
    /// It holds a user name or a password.
    #[error("it holds a user name or a password")]
    PasswordInside,
    /// Its scheme is not known.
    #[error("\"{0}:\" is not a kind of source")]
    Scheme(String),
    /// It has no usable host or port.
    #[error("it names no host and port to connect to")]
    NoHost,
    /// It names no device of this machine.
    #[error("it names no camera of this machine")]
    NoDevice,
    /// What is wanted of its pictures is not known, or too much.
    #[error("\"{0}\" is not something that can be wanted of its pictures")]
    Wish(String),
    /// Pictures of `rtsps:` would travel in the open.
    #[error("datagrams of rtsps: would travel in the open")]
    Open,
}

impl From<BadSource> for Problem {
    fn from(bad: BadSource) -> Self {
        let detail = match &bad {
            BadSource::NoAddress(why) => format!("It is not an address: {why}"),
            BadSource::PasswordInside => "It holds a user name or a password".into(),
            BadSource::Scheme(scheme) => format!("\"{scheme}:\" is not a kind of source"),
            BadSource::NoHost => "It names no host and port to connect to".into(),
            BadSource::NoDevice => "It names no camera of this machine, as v4l2:/dev/video0 or libcamera: would".into(),
            BadSource::Wish(wish) => {
                format!(
                    "\"{wish}\" is not something that can be wanted of its pictures, as ?size=1280x720&fps=15&kbit=2000 is"
                )
            }
            BadSource::Open => "Over rtsps: only the transport tcp is encrypted".into(),
        };
        Problem::with(ProblemKind::BadCameraUrl, detail)
    }
}

/// How patient an ingest is.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long connecting may take, from the first packet to the camera's agreement to play.
    pub connect_timeout: Duration,
    /// A camera that has not answered for so long is asked on one more connection, while the others still wait: one that
    /// came back does not know them any more.
    pub ask_again: Duration,
    /// How long a camera may send no picture before it is taken as stalled, while nothing is known of its pace.
    pub read_timeout: Duration,
    /// What is known of its pace. To be kept from connection to connection, for the same address.
    pub pace: Pace,
    /// This machine's encoders, for cameras of its own that do not encode. `None`: those cannot be recorded.
    pub encoders: Option<Encoders>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            ask_again: Duration::from_secs(2),
            read_timeout: Duration::from_secs(10),
            pace: Pace::default(),
            encoders: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_checked_before_it_is_used() {
        let problem = |a: &str| Source::parse(a, None).map_err(|e| Problem::from(e).detail.unwrap()).unwrap_err();
        assert_eq!(problem("rtsp://me:secret@10.0.0.2/x"), "It holds a user name or a password");
        assert_eq!(problem("rtsp://me@10.0.0.2/x"), "It holds a user name or a password");
        assert_eq!(problem("http://10.0.0.2/x"), "\"http:\" is not a kind of source");
        assert_eq!(problem("rtsp:///x"), "It names no host and port to connect to");
        assert_eq!(problem("rtsp://10.0.0.2:0/x"), "It names no host and port to connect to");
        assert!(problem("10.0.0.2/x").starts_with("It is not an address"));
        for good in [
            "rtsp://10.0.0.2/x",
            " rtsp://cam.local:8554/a?b=c ",
            "rtsp://[fe80::1]:554/",
            "rtsps://10.0.0.2/x",
            "sim:",
            "v4l2:/dev/video0?size=1280x720",
            "libcamera:",
        ] {
            assert!(Source::parse(good, None).is_ok(), "{good}");
        }
        assert_eq!(problem("v4l2:0"), "It names no camera of this machine, as v4l2:/dev/video0 or libcamera: would");
        assert!(problem("v4l2:/dev/video0?fps=900").starts_with("\"fps=900\" is not something that can be wanted"));
        assert_eq!(problem("sim:other"), "\"sim:\" is not a kind of source");
    }

    #[test]
    fn pictures_of_an_encrypted_address_never_travel_in_the_open() {
        let source = Source::parse("rtsps://10.0.0.2/x", None).unwrap();
        assert_eq!(source.ways(Transport::Auto).unwrap(), [Way::Tcp]);
        for open in [Transport::Udp, Transport::Multicast] {
            assert!(matches!(source.ways(open), Err(BadSource::Open)));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let source = Source::parse("rtsp://10.0.0.2/x", Some(Credentials::new("me", "hunter2"))).unwrap();
        let shown = format!("{source:?}");
        assert!(shown.contains("me") && !shown.contains("hunter2"), "{shown}");
    }
}
