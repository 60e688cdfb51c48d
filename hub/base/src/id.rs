//! Identifiers: 26-character lower-case ULIDs, a type of its own for each thing that has one.
//!
//! A ULID is 48 bits of milliseconds and 80 random bits, so ids of one kind sort by the time they
//! were made, as text and as bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::clock::Clock;

/// A text is not an id of this kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a {kind} id: it must be 26 characters of 0-9 and a-z without i, l, o and u")]
pub struct BadId {
    /// What kind of id was expected, as a person says it.
    pub kind: &'static str,
    /// The text that was given, cut to 40 characters.
    pub text: String,
}

fn parse(kind: &'static str, text: &str) -> Result<u128, BadId> {
    let bad = || BadId { kind, text: text.chars().take(40).collect() };
    // The ulid crate also takes upper case and the look-alikes i, l and o: two names for one thing.
    let strict = text.len() == 26
        && text.bytes().all(|b| b.is_ascii_digit() || (b.is_ascii_lowercase() && !b"ilou".contains(&b)))
        && text.as_bytes()[0] <= b'7';
    if !strict {
        return Err(bad());
    }
    Ulid::from_string(text).map(|u| u.0).map_err(|_| bad())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(u128);

        impl $name {
            /// A new id, stamped with the clock's wall time.
            pub fn new(clock: &dyn Clock) -> Self {
                Self::at(clock.wall())
            }
            /// A new id of something that began at a time.
            pub fn at(time: crate::Timestamp) -> Self {
                let ms = time.as_millisecond().max(0) as u64;
                let mut random = [0u8; 16];
                crate::random(&mut random);
                Self(Ulid::from_parts(ms, u128::from_be_bytes(random)).0)
            }
            /// The 16 bytes, big-endian: they sort as the text does.
            pub fn to_bytes(self) -> [u8; 16] { self.0.to_be_bytes() }
            /// From [`Self::to_bytes`].
            pub fn from_bytes(bytes: [u8; 16]) -> Self { Self(u128::from_be_bytes(bytes)) }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buf = [0u8; ulid::ULID_LEN];
                let text = Ulid(self.0).array_to_str(&mut buf);
                text.make_ascii_lowercase();
                f.pad(text)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> { parse($kind, text).map(Self) }
        }
        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> { text.parse() }
        }
        impl From<$name> for String {
            fn from(id: $name) -> String { id.to_string() }
        }
    )*};
}

ids! {
    /// One appliance, one home.
    HubId "hub";
    /// One video source.
    CameraId "camera";
    /// A stretch of time in which a camera's footage is sealed to one pair of keys.
    EpochId "epoch";
    /// One sealed file of a camera's footage.
    SegmentId "segment";
    /// Something that happened at a camera.
    EventId "event";
    /// A stretch in which a camera should have been recorded and was not.
    GapId "gap";
    /// A member, an API token or an invitation.
    PrincipalId "principal";
    /// One secret of a principal: its password, a device's session, a token.
    SecretId "session";
    /// A footage disk.
    DiskId "disk";
    /// One uninterrupted connection to a camera: media times within it are comparable.
    ConnectionId "connection";
    /// One boot of the machine: monotonic times within it are comparable.
    BootId "boot";
    /// What the hub does when something happens.
    RuleId "rule";
    /// A recovery kit.
    KitId "recovery kit";
    /// One factory reset.
    ResetId "factory reset";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimClock;

    #[test]
    fn an_id_reads_back_from_its_text_and_its_bytes() {
        let id = CameraId::new(&SimClock::default());
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(CameraId::from_bytes(id.to_bytes()), id);
        assert_eq!(id.to_string().len(), 26);
    }

    #[test]
    fn text_that_is_not_exactly_an_id_is_refused() {
        let good = CameraId::new(&SimClock::default()).to_string();
        for bad in [
            "",
            "x",
            &good.to_uppercase(),
            &good[1..],
            &format!("{good}0"),
            &good.replace(&good[25..], "l"),
            "8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "../../../../../etc/passwd_",
        ] {
            assert!(bad.parse::<CameraId>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn text_order_is_byte_order(a: u128, b: u128) {
            let (a, b) = (SegmentId(a), SegmentId(b));
            proptest::prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.to_bytes().cmp(&b.to_bytes()));
            proptest::prop_assert_eq!(a.to_string().parse::<SegmentId>(), Ok(a));
        }
    }
}
