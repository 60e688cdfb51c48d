//! Rows as bytes: a version, a checksum, and a small JSON document.
//!
//! The checksum covers the tree and the key too: a row that turns up under another key is damaged, not somebody
//! else's.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::Tree;
use crate::error::StoreError;

/// Longest row in bytes, header included: sled keeps larger values badly.
pub const MAX_ROW_BYTES: usize = 4096;

/// Version of every row this program writes.
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 5;

/// A row's bytes are not what this program wrote under this key.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// Shorter than a header, or its checksum is wrong.
    #[error("its checksum is wrong")]
    Checksum,
    /// Written by a newer program.
    #[error("it has version {0}, this program knows up to {VERSION}")]
    Newer(u8),
    /// Its key has another shape than the tree's rows have.
    #[error("its key is not one of this tree")]
    Key,
    /// Its document has another shape than expected.
    #[error("its content cannot be read")]
    Content(#[source] serde_json::Error),
}

/// A row is longer than [`MAX_ROW_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a row of {0} bytes is too long, at most {MAX_ROW_BYTES} are allowed")]
pub struct RowTooLong(pub usize);

/// The bytes of a row with a document.
pub(crate) fn encode<T: Serialize>(tree: Tree, key: &[u8], row: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![0; HEADER_BYTES];
    // Our own rows never fail here, a setting of somebody else's type may.
    serde_json::to_writer(&mut bytes, row).map_err(|_| StoreError::Refused("a row that JSON cannot hold"))?;
    seal(tree, key, bytes)
}

/// The bytes of a row whose content is no document: index rows and wrapped keys.
pub(crate) fn encode_raw(tree: Tree, key: &[u8], content: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![0; HEADER_BYTES];
    bytes.extend_from_slice(content);
    seal(tree, key, bytes)
}

/// A row's document.
pub(crate) fn decode<T: DeserializeOwned>(tree: Tree, key: &[u8], bytes: &[u8]) -> Result<T, RowError> {
    serde_json::from_slice(decode_raw(tree, key, bytes)?).map_err(RowError::Content)
}

/// A row's content.
pub(crate) fn decode_raw<'a>(tree: Tree, key: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], RowError> {
    let (header, content) = bytes.split_at_checked(HEADER_BYTES).ok_or(RowError::Checksum)?;
    let [version, crc @ ..] = header else { return Err(RowError::Checksum) };
    if *crc != checksum(*version, tree, key, content) {
        return Err(RowError::Checksum);
    }
    if *version != VERSION {
        return Err(RowError::Newer(*version));
    }
    Ok(content)
}

/// The checksum that stands in a row, or whatever stands in its place.
pub(crate) fn stored_checksum(bytes: &[u8]) -> u64 {
    match bytes {
        [_version, c0, c1, c2, c3, ..] => u64::from(u32::from_be_bytes([*c0, *c1, *c2, *c3])),
        _ => 0,
    }
}

fn seal(tree: Tree, key: &[u8], mut bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    if bytes.len() > MAX_ROW_BYTES {
        return Err(StoreError::TooLong { tree, source: RowTooLong(bytes.len()) });
    }
    let crc = checksum(VERSION, tree, key, &bytes[HEADER_BYTES..]);
    bytes[0] = VERSION;
    bytes[1..HEADER_BYTES].copy_from_slice(&crc);
    Ok(bytes)
}

fn checksum(version: u8, tree: Tree, key: &[u8], content: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[version, tree.number()]);
    crc.update(&(key.len() as u32).to_be_bytes());
    crc.update(key);
    crc.update(content);
    crc.finalize().to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_row_reads_back_under_its_own_key_only(key: Vec<u8>, other: Vec<u8>, text in "\\PC{0,200}") {
            let bytes = encode(Tree::Events, &key, &text).unwrap();
            prop_assert_eq!(decode::<String>(Tree::Events, &key, &bytes).unwrap(), text);
            prop_assert!(decode::<String>(Tree::Gaps, &key, &bytes).is_err());
            if key != other {
                prop_assert!(decode::<String>(Tree::Events, &other, &bytes).is_err());
            }
        }

        #[test]
        fn a_changed_row_is_refused(text in "\\PC{0,200}", at: prop::sample::Index, bit in 0u8..8, cut: prop::sample::Index) {
            let bytes = encode(Tree::Meta, b"key", &text).unwrap();
            let mut flipped = bytes.clone();
            flipped[at.index(bytes.len())] ^= 1 << bit;
            prop_assert!(decode::<String>(Tree::Meta, b"key", &flipped).is_err());
            prop_assert!(decode::<String>(Tree::Meta, b"key", &bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(key: Vec<u8>, bytes: Vec<u8>) {
            let _ = decode::<serde_json::Value>(Tree::Meta, &key, &bytes);
        }
    }

    #[test]
    fn rows_have_a_greatest_length() {
        assert!(encode_raw(Tree::Keys, b"", &[0; MAX_ROW_BYTES - HEADER_BYTES]).is_ok());
        let long = encode_raw(Tree::Keys, b"", &[0; MAX_ROW_BYTES - HEADER_BYTES + 1]);
        assert!(matches!(long, Err(StoreError::TooLong { source: RowTooLong(4097), .. })));
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        let keyed_by_pairs = std::collections::BTreeMap::from([((1, 2), 3)]);
        assert!(matches!(encode(Tree::Meta, b"key", &keyed_by_pairs), Err(StoreError::Refused(_))));
    }

    #[test]
    fn a_newer_row_is_told_from_a_damaged_one() {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend_from_slice(b"1");
        bytes[0] = 2;
        bytes[1..HEADER_BYTES].copy_from_slice(&checksum(2, Tree::Meta, b"key", b"1"));
        assert!(matches!(decode::<u8>(Tree::Meta, b"key", &bytes), Err(RowError::Newer(2))));
    }
}
