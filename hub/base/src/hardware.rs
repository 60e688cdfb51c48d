//! Addresses of network interfaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The hardware (MAC) address of a device on the hub's network. Phones have one of their own for each network, and keep it
/// there, so it tells a device again whose IP address has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct HardwareAddress(pub [u8; 6]);

/// A text is not a hardware address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hardware address is six pairs of hexadecimal digits with colons, such as 02:00:5e:10:00:01")]
pub struct BadHardwareAddress;

impl fmt::Display for HardwareAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for HardwareAddress {
    type Err = BadHardwareAddress;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 6];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(BadHardwareAddress)?;
        }
        pairs.next().is_none().then_some(Self(bytes)).ok_or(BadHardwareAddress)
    }
}

impl From<HardwareAddress> for String {
    fn from(address: HardwareAddress) -> String {
        address.to_string()
    }
}

impl TryFrom<String> for HardwareAddress {
    type Error = BadHardwareAddress;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hardware_address_is_read_as_it_is_written() {
        let address = HardwareAddress([2, 0, 0x5e, 0x10, 0, 0xff]);
        assert_eq!(address.to_string(), "02:00:5e:10:00:ff");
        assert_eq!("02:00:5E:10:00:FF".parse(), Ok(address));
        for bad in
            ["", "02:00:5e:10:00", "02:00:5e:10:00:ff:00", "2:0:5e:10:0:ff", "02:00:5e:10:00:+f", "02-00-5e-10-00-ff"]
        {
            assert_eq!(bad.parse::<HardwareAddress>(), Err(BadHardwareAddress), "{bad}");
        }
    }
}
