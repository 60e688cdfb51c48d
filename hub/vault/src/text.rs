//! Bytes as text for people and JSON: hexadecimal, base 32 and base64url. Written here because what passes through
//! is secret and must be wiped, and because one value must have one text.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use zeroize::Zeroizing;

/// Symbols of `2^bits` values each.
pub(crate) struct Alphabet {
    symbols: &'static [u8],
    bits: u32,
}

/// RFC 4648 §8, lower case.
pub(crate) const HEX: Alphabet = Alphabet { symbols: b"0123456789abcdef", bits: 4 };
/// Crockford's base 32, lower case: no letter looks like a digit.
pub(crate) const BASE32: Alphabet = Alphabet { symbols: b"0123456789abcdefghjkmnpqrstvwxyz", bits: 5 };
/// RFC 4648 §6, upper case, without padding: what apps for one-time codes read.
pub(crate) const BASE32_OTP: Alphabet = Alphabet { symbols: b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", bits: 5 };
/// RFC 4648 §5 without padding.
pub(crate) const BASE64URL: Alphabet =
    Alphabet { symbols: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", bits: 6 };

impl Alphabet {
    pub(crate) fn encode(&self, bytes: &[u8]) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(self.text_len(bytes.len())));
        let (mut held, mut held_bits) = (0u32, 0);
        for byte in bytes {
            held = (held << 8) | u32::from(*byte);
            held_bits += 8;
            while held_bits >= self.bits {
                held_bits -= self.bits;
                text.push(self.symbol(held >> held_bits));
            }
        }
        if held_bits > 0 {
            text.push(self.symbol(held << (self.bits - held_bits)));
        }
        text
    }

    /// The bytes of a text; `None` if it is not exactly what [`Self::encode`] writes.
    pub(crate) fn decode(&self, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let len = text.len().checked_mul(self.bits as usize)? / 8;
        if self.text_len(len) != text.len() {
            return None;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(len));
        let (mut held, mut held_bits) = (0u32, 0);
        for symbol in text {
            let value = self.symbols.iter().position(|s| s == symbol)?;
            held = (held << self.bits) | value as u32;
            held_bits += self.bits;
            if held_bits >= 8 {
                held_bits -= 8;
                bytes.push((held >> held_bits) as u8);
            }
        }
        // What pads the last symbol is zero.
        (held & ((1 << held_bits) - 1) == 0).then_some(bytes)
    }

    fn symbol(&self, value: u32) -> char {
        self.symbols[value as usize & (self.symbols.len() - 1)].into()
    }

    fn text_len(&self, bytes: usize) -> usize {
        (bytes * 8).div_ceil(self.bits as usize)
    }
}

/// `#[serde(with = "text::base64")]` for bytes that are public or sealed.
pub(crate) mod base64 {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64URL.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, B: TryFrom<Vec<u8>>>(from: D) -> Result<B, D::Error> {
        let text = String::deserialize(from)?;
        BASE64URL
            .decode(text.as_bytes())
            .and_then(|bytes| B::try_from(bytes.to_vec()).ok())
            .ok_or_else(|| D::Error::custom("not base64url of the right length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_the_standards() {
        assert_eq!(*HEX.encode(b"\x00\xff\x1a"), "00ff1a");
        assert_eq!(*BASE64URL.encode(b"foobar"), "Zm9vYmFy");
        assert_eq!(*BASE64URL.encode(b"fooba"), "Zm9vYmE");
        assert_eq!(*BASE64URL.encode(&[0xfb, 0xff]), "-_8");
        assert_eq!(*BASE32_OTP.encode(b"foobar"), "MZXW6YTBOI");
        assert_eq!(*BASE32.encode(b"foobar"), "csqpyrk1e8"); // RFC 4648's mzxw6ytboi in Crockford's symbols
    }

    proptest! {
        #[test]
        fn bytes_read_back(bytes: Vec<u8>) {
            for alphabet in [&HEX, &BASE32, &BASE32_OTP, &BASE64URL] {
                prop_assert_eq!(&*alphabet.decode(alphabet.encode(&bytes).as_bytes()).unwrap(), &bytes);
            }
        }

        #[test]
        fn one_value_has_one_text(text in "[0-9a-zA-Z_-]{0,9}") {
            for alphabet in [&HEX, &BASE32, &BASE32_OTP, &BASE64URL] {
                if let Some(bytes) = alphabet.decode(text.as_bytes()) {
                    prop_assert_eq!(&*alphabet.encode(&bytes), &text);
                }
            }
        }
    }
}
