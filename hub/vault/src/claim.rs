//! The claim token: who can read the hub's console may become its owner.

use base::{Problem, ProblemKind};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::secret::hidden;
use crate::text::BASE32;

const BYTES: usize = 16;

/// A text is not a claim token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a claim token: it must be 26 letters and digits")]
pub struct BadClaimToken;

impl From<BadClaimToken> for Problem {
    fn from(_: BadClaimToken) -> Self {
        ProblemKind::WrongClaimToken.into()
    }
}

/// 128 random bits that prove physical access. Compared in constant time.
pub struct ClaimToken(Zeroizing<[u8; BYTES]>);

hidden!(ClaimToken);

impl ClaimToken {
    /// A new one.
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; BYTES]);
        base::random(&mut *bytes);
        Self(bytes)
    }

    /// The token as a person types it: 26 letters and digits of Crockford's base 32 in groups of four, as
    /// `6wz3-c0qr-…-5k`.
    pub fn reveal(&self) -> Zeroizing<String> {
        let symbols = BASE32.encode(&*self.0);
        let mut text = Zeroizing::new(String::with_capacity(40));
        for (i, symbol) in symbols.chars().enumerate() {
            if i > 0 && i % 4 == 0 {
                text.push('-');
            }
            text.push(symbol);
        }
        text
    }

    /// Reads what a person typed: dashes, spaces and case do not matter, nor do `o` for 0, `i` and `l` for 1.
    pub fn parse(typed: &str) -> Result<Self, BadClaimToken> {
        if typed.len() > 128 {
            return Err(BadClaimToken);
        }
        let mut symbols = Zeroizing::new(Vec::with_capacity(typed.len()));
        symbols.extend(typed.bytes().filter(|b| *b != b'-' && !b.is_ascii_whitespace()).map(|b| {
            match b.to_ascii_lowercase() {
                b'o' => b'0',
                b'i' | b'l' => b'1',
                other => other,
            }
        }));
        let bytes = BASE32.decode(&symbols).ok_or(BadClaimToken)?;
        let bytes: &[u8; BYTES] = bytes.as_slice().try_into().map_err(|_| BadClaimToken)?;
        Ok(Self(Zeroizing::new(*bytes)))
    }
}

impl PartialEq for ClaimToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}
impl Eq for ClaimToken {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_reads_back_as_people_type_it() {
        let token = ClaimToken::generate();
        let text = token.reveal();
        assert_eq!((text.len(), text.split('-').count()), (32, 7));
        for typed in [
            text.to_string(),
            text.to_uppercase(),
            text.replace('-', ""),
            text.replace('-', "  ") + "\n",
            text.replace('0', "O").replace('1', "l"),
            text.replace('1', "I"),
        ] {
            assert_eq!(ClaimToken::parse(&typed).unwrap(), token, "{typed}");
        }
        assert_ne!(ClaimToken::generate(), token);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-z-]{26,32}|\\PC{0,140}") {
            if let Ok(token) = ClaimToken::parse(&text) {
                prop_assert_eq!(ClaimToken::parse(&token.reveal()).unwrap(), token);
            }
        }
        #[test]
        fn a_changed_symbol_is_another_token_or_none(at in 0usize..26, to in "[0-9a-hjkmnp-tv-z]") {
            let token = ClaimToken::generate();
            let mut symbols = token.reveal().replace('-', "");
            if symbols[at..=at] != to {
                symbols.replace_range(at..=at, &to);
                prop_assert!(ClaimToken::parse(&symbols).ok() != Some(token));
            }
        }
    }
}
