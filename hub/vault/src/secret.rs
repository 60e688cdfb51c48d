//! 32 secret bytes that are an X25519 key.

use std::sync::Arc;

use age::x25519::{Identity, Recipient};
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

/// Length in bytes of every secret key here.
pub(crate) const SECRET_BYTES: usize = 32;

const SECRET_KEY_HRP: Hrp = Hrp::parse_unchecked("AGE-SECRET-KEY-");

/// An X25519 secret key: on the heap, shared by its clones, wiped when the last one goes.
#[derive(Clone)]
pub(crate) struct Secret(Arc<SecretBox<[u8; SECRET_BYTES]>>);

impl Secret {
    /// A new one.
    pub(crate) fn generate() -> Self {
        Self::fill(|bytes| base::random(bytes))
    }

    /// Lets somebody write the bytes where they will stay.
    pub(crate) fn fill(write: impl FnOnce(&mut [u8; SECRET_BYTES])) -> Self {
        Self(Arc::new(SecretBox::init_with_mut(write)))
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; SECRET_BYTES] = bytes.try_into().ok()?;
        Some(Self::fill(|mine| mine.copy_from_slice(bytes)))
    }

    /// HKDF-SHA256 of a secret that is uniformly random; each `info` gives a key of its own.
    pub(crate) fn derive(from: &[u8], info: &[u8]) -> Self {
        use aws_lc_rs::hkdf;
        Self::fill(|bytes| {
            let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(from);
            prk.expand(&[info], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(bytes)).expect("HKDF-SHA256 gives 32 bytes");
        })
    }

    /// Reads `AGE-SECRET-KEY-1…`, all in upper or all in lower case.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parsed = CheckedHrpstring::new::<Bech32>(text).ok()?;
        if parsed.hrp() != SECRET_KEY_HRP || parsed.byte_iter().len() != SECRET_BYTES {
            return None;
        }
        let secret = Self::fill(|bytes| {
            for (to, from) in bytes.iter_mut().zip(parsed.byte_iter()) {
                *to = from;
            }
        });
        // Bits that pad the last character must be zero: one key has one text.
        secret.text().eq_ignore_ascii_case(text).then_some(secret)
    }

    /// `AGE-SECRET-KEY-1…`
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(80)); // 74 are needed: it must not move and leave a copy
        bech32::encode_upper_to_fmt::<Bech32, _>(&mut *text, SECRET_KEY_HRP, self.expose())
            .expect("32 bytes fit into Bech32");
        text
    }

    pub(crate) fn expose(&self) -> &[u8; SECRET_BYTES] {
        self.0.expose_secret()
    }

    /// As age takes it; wiped by age when it goes.
    pub(crate) fn identity(&self) -> Identity {
        self.text().parse().expect("age reads what age writes")
    }

    pub(crate) fn recipient(&self) -> Recipient {
        self.identity().to_public()
    }
}

/// `Debug` that says the type's name and nothing else, so that who derives `Debug` around it leaks nothing.
macro_rules! hidden {
    ($($name:ident),*) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(hidden)"))
            }
        }
    )*};
}
pub(crate) use hidden;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_secret_reads_back_from_its_text_in_either_case(bytes: [u8; 32]) {
            let secret = Secret::from_slice(&bytes).unwrap();
            let text = secret.text();
            prop_assert!(text.starts_with("AGE-SECRET-KEY-1"));
            prop_assert!(Secret::parse(&text).unwrap().expose() == &bytes);
            prop_assert!(Secret::parse(&text.to_lowercase()).unwrap().expose() == &bytes);
            prop_assert!(secret.identity().to_string().expose_secret() == text.as_str());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(AGE-SECRET-KEY-1)?[A-Z0-9a-z\\PC]{0,80}") {
            let _ = Secret::parse(&text);
        }

        #[test]
        fn a_changed_character_is_noticed(bytes: [u8; 32], at in 0usize..74, to in "[A-Z0-9]") {
            let text = Secret::from_slice(&bytes).unwrap().text();
            let mut changed = text.to_string();
            changed.replace_range(at..=at, &to);
            prop_assert_eq!(Secret::parse(&changed).is_some(), changed == *text);
        }
    }

    #[test]
    fn derived_keys_differ_by_their_info() {
        let a = Secret::derive(&[7; 32], b"a");
        assert_ne!(a.expose(), Secret::derive(&[7; 32], b"b").expose());
        assert_ne!(a.expose(), Secret::derive(&[8; 32], b"a").expose());
        assert_eq!(a.expose(), Secret::derive(&[7; 32], b"a").expose());
    }
}
