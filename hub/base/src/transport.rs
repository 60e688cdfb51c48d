//! How a camera's packets are to travel.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a person sets per camera and stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// As the camera likes it best; the hub finds out.
    #[default]
    Auto,
    /// Over the RTSP connection.
    Tcp,
    /// By datagrams to the hub.
    Udp,
    /// By datagrams to a group that the camera names.
    Multicast,
}

impl Transport {
    const ALL: [Transport; 4] = [Transport::Auto, Transport::Tcp, Transport::Udp, Transport::Multicast];

    /// Its word, the same in API, rows and command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Auto => "auto",
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Multicast => "multicast",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("give auto, tcp, udp or multicast")]
pub struct BadTransport;

impl FromStr for Transport {
    type Err = BadTransport;
    fn from_str(word: &str) -> Result<Self, BadTransport> {
        Self::ALL.into_iter().find(|transport| transport.as_str() == word).ok_or(BadTransport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_one_transport_and_reads_back() {
        for transport in Transport::ALL {
            assert_eq!(transport.to_string().parse(), Ok(transport));
        }
        assert_eq!("UDP".parse::<Transport>(), Err(BadTransport));
    }
}
