//! Where a stream comes from.

use std::fmt;
use std::time::Duration;

use base::{Problem, ProblemKind};
use url::Url;
use zeroize::Zeroizing;

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

/// Where a stream comes from. `rtsps:`, `v4l2:`, `libcamera:` and `sim:` will be further variants.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Source {
    /// A camera that speaks RTSP over TCP.
    Rtsp(Rtsp),
}

/// An RTSP address that was checked, and who asks.
#[derive(Debug, Clone)]
pub struct Rtsp {
    pub(crate) url: Url,
    pub(crate) credentials: Option<Credentials>,
}

impl Source {
    /// A source from its address, such as `rtsp://192.168.1.20:554/stream`.
    ///
    /// # Errors
    /// An address that is none, of a scheme that is not known, without a host, or with a user name or password
    /// in it: addresses are shown and logged, so those have their own fields.
    pub fn parse(address: &str, credentials: Option<Credentials>) -> Result<Self, BadSource> {
        let url = Url::parse(address.trim()).map_err(BadSource::NoAddress)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadSource::PasswordInside);
        }
        if url.scheme() != "rtsp" {
            return Err(BadSource::Scheme(url.scheme().chars().take(20).collect()));
        }
        if url.host().is_none_or(|h| h == url::Host::Domain("")) || url.port() == Some(0) {
            return Err(BadSource::NoHost);
        }
        Ok(Self::Rtsp(Rtsp { url, credentials }))
    }

    /// The address, for logs: it holds no password.
    pub fn address(&self) -> &Url {
        match self {
            Source::Rtsp(rtsp) => &rtsp.url,
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
}

impl From<BadSource> for Problem {
    fn from(bad: BadSource) -> Self {
        let detail = match &bad {
            BadSource::NoAddress(why) => format!("It is not an address: {why}"),
            BadSource::PasswordInside => "It holds a user name or a password".into(),
            BadSource::Scheme(scheme) => format!("\"{scheme}:\" is not a kind of source"),
            BadSource::NoHost => "It names no host and port to connect to".into(),
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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            ask_again: Duration::from_secs(2),
            read_timeout: Duration::from_secs(10),
            pace: Pace::default(),
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
        for good in ["rtsp://10.0.0.2/x", " rtsp://cam.local:8554/a?b=c ", "rtsp://[fe80::1]:554/"] {
            assert!(Source::parse(good, None).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let source = Source::parse("rtsp://10.0.0.2/x", Some(Credentials::new("me", "hunter2"))).unwrap();
        let shown = format!("{source:?}");
        assert!(shown.contains("me") && !shown.contains("hunter2"), "{shown}");
    }
}
