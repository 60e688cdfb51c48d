//! Public keys. Each use has a type of its own, so that nothing can be sealed to the wrong kind of reader.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::agreement;
use bech32::Bech32;
use bech32::primitives::decode::CheckedHrpstring;
use serde::{Deserialize, Serialize};

/// A text is not a public key that can be sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an age X25519 recipient (age1…)")]
pub struct BadRecipient;

macro_rules! recipients {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// Its text, also in JSON, is age's: `age1…`.
        #[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub struct $name(pub(crate) age::x25519::Recipient);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
        impl FromStr for $name {
            type Err = BadRecipient;
            fn from_str(text: &str) -> Result<Self, BadRecipient> {
                parse(text).map(Self)
            }
        }
        impl TryFrom<String> for $name {
            type Error = BadRecipient;
            fn try_from(text: String) -> Result<Self, BadRecipient> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(recipient: $name) -> String {
                recipient.to_string()
            }
        }
    )*};
}

recipients! {
    /// A principal: camera keys are wrapped to it.
    PrincipalRecipient;
    /// One secret of a principal (password, session, token): the principal's identity is sealed to it.
    SecretRecipient;
    /// A camera's epoch, for its live ring's gate.
    LiveRecipient;
    /// A camera's epoch, for its footage and thumbnails.
    FootageRecipient;
    /// A recovery kit: every epoch's key file is sealed to it.
    RecoveryRecipient;
}

fn parse(text: &str) -> Result<age::x25519::Recipient, BadRecipient> {
    let recipient: age::x25519::Recipient = text.parse().map_err(|_| BadRecipient)?;
    // One key has one text (age ignores the bits that pad the last character).
    if recipient.to_string() != text {
        return Err(BadRecipient);
    }
    let point: Vec<u8> = CheckedHrpstring::new::<Bech32>(text).map_err(|_| BadRecipient)?.byte_iter().collect();
    // With a point of small order everybody knows the shared secret, which is zero; age would panic when it seals.
    // Any private key finds them, since each is a multiple of eight.
    let any = agreement::PrivateKey::from_private_key(&agreement::X25519, &[1; 32]).map_err(|_| BadRecipient)?;
    let peer = agreement::UnparsedPublicKey::new(&agreement::X25519, &point);
    agreement::agree(&any, peer, BadRecipient, |_| Ok(()))?;
    Ok(recipient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use proptest::prelude::*;

    fn text_of(point: [u8; 32]) -> String {
        bech32::encode_lower::<Bech32>(bech32::Hrp::parse_unchecked("age"), &point).unwrap()
    }

    proptest! {
        #[test]
        fn a_recipient_reads_back_from_its_text_and_json(secret: [u8; 32]) {
            let recipient = LiveRecipient(Secret::from_slice(&secret).unwrap().recipient());
            prop_assert_eq!(&recipient.to_string().parse::<LiveRecipient>().unwrap(), &recipient);
            let json = serde_json::to_string(&recipient).unwrap();
            prop_assert_eq!(&json, &format!("\"{recipient}\""));
            prop_assert_eq!(serde_json::from_str::<LiveRecipient>(&json).unwrap(), recipient);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(age1)?[a-z0-9\\PC]{0,70}") {
            let _ = text.parse::<PrincipalRecipient>();
        }

        #[test]
        fn whatever_is_read_can_be_sealed_to(point: [u8; 32]) {
            if let Ok(recipient) = text_of(point).parse::<FootageRecipient>() {
                crate::seal_small(&recipient, b"x");
            }
        }
    }

    #[test]
    fn points_that_everybody_can_open_are_refused() {
        let mut one = [0; 32];
        one[0] = 1;
        let mut minus_one = [0xff; 32];
        (minus_one[0], minus_one[31]) = (0xec, 0x7f);
        let mut p = minus_one;
        p[0] = 0xed;
        let mut zero_with_top_bit = [0; 32];
        zero_with_top_bit[31] = 0x80;
        for point in [[0; 32], one, minus_one, p, zero_with_top_bit] {
            assert_eq!(text_of(point).parse::<LiveRecipient>(), Err(BadRecipient), "{point:02x?}");
        }
    }

    #[test]
    fn only_the_one_text_of_a_key_is_read() {
        let good = Secret::generate().recipient().to_string();
        assert!(good.parse::<SecretRecipient>().is_ok());
        for bad in [&good.to_uppercase(), &good[..61], "", "age1", &format!(" {good}"), &good.replace("age1", "agf1")] {
            assert_eq!(bad.parse::<SecretRecipient>(), Err(BadRecipient), "{bad}");
        }
    }
}
