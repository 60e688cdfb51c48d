//! Small things sealed whole: keys, identities, gates, key files. Each starts with a tag that says which, so that
//! none can be taken for another.

use std::io::{Read, Write};
use std::iter;

use age::DecryptError;
use age::x25519::Recipient;
use zeroize::Zeroizing;

use crate::error::KeyError;
use crate::secret::Secret;

/// The longest sealed text that is looked at: a key file of two keys is less than 2 KiB.
const MAX_BYTES: usize = 64 * 1024;

pub(crate) fn seal(to: &Recipient, plain: &[u8]) -> Vec<u8> {
    let encryptor = age::Encryptor::with_recipients(iter::once(to as &dyn age::Recipient))
        .expect("one X25519 recipient is a set that age takes");
    // 650 is more than age's header and the tag.
    let mut sealed = Vec::with_capacity(plain.len() + plain.len() / 4096 + 650);
    let mut writer = encryptor.wrap_output(&mut sealed).expect("a Vec takes all");
    writer.write_all(plain).expect("a Vec takes all");
    writer.finish().expect("a Vec takes all");
    sealed
}

pub(crate) fn open(with: &Secret, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if sealed.len() > MAX_BYTES {
        return Err(KeyError::Damaged);
    }
    let identity = with.identity();
    let mut reader = age::Decryptor::new_buffered(sealed)
        .and_then(|d| d.decrypt(iter::once(&identity as &dyn age::Identity)))
        .map_err(|e| if matches!(e, DecryptError::NoMatchingKeys) { KeyError::WrongKey } else { KeyError::Damaged })?;
    // As long as it can get, so that it does not grow and leave copies behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(sealed.len()));
    reader.read_to_end(&mut plain).map_err(|_| KeyError::Damaged)?;
    Ok(plain)
}

/// [`open`], then takes the tag away.
pub(crate) fn open_tagged(with: &Secret, tag: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut plain = open(with, sealed)?;
    if !plain.starts_with(tag) {
        return Err(KeyError::Damaged);
    }
    plain.drain(..tag.len());
    Ok(plain)
}

pub(crate) fn seal_tagged(to: &Recipient, tag: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut plain = Zeroizing::new(Vec::with_capacity(tag.len() + parts.iter().map(|p| p.len()).sum::<usize>()));
    plain.extend_from_slice(tag);
    parts.iter().for_each(|part| plain.extend_from_slice(part));
    seal(to, &plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_sealed_opens_with_its_key_only(plain: Vec<u8>) {
            let secret = Secret::generate();
            let sealed = seal(&secret.recipient(), &plain);
            prop_assert_eq!(&*open(&secret, &sealed).unwrap(), &plain);
            prop_assert_eq!(open(&Secret::generate(), &sealed).unwrap_err(), KeyError::WrongKey);
        }

        #[test]
        fn a_changed_byte_or_a_cut_is_noticed(at: prop::sample::Index, bit in 0u8..8, cut: bool) {
            let secret = Secret::generate();
            let mut sealed = seal_tagged(&secret.recipient(), b"tag", &[b"some ", b"text"]);
            let at = at.index(sealed.len());
            if cut { sealed.truncate(at) } else { sealed[at] ^= 1 << bit }
            prop_assert!(open_tagged(&secret, b"tag", &sealed).is_err());
        }

        #[test]
        fn any_bytes_are_opened_or_refused(bytes: Vec<u8>, real_start: bool) {
            let start: &[u8] = if real_start { b"age-encryption.org/v1\n-> X25519 " } else { b"" };
            let _ = open(&Secret::generate(), &[start, &bytes].concat());
        }
    }

    #[test]
    fn one_kind_is_not_taken_for_another() {
        let secret = Secret::generate();
        let sealed = seal_tagged(&secret.recipient(), b"gate", &[b"text"]);
        assert_eq!(*open_tagged(&secret, b"gate", &sealed).unwrap(), b"text");
        assert_eq!(open_tagged(&secret, b"key ", &sealed).unwrap_err(), KeyError::Damaged);
    }
}
