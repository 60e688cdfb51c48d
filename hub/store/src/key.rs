//! Keys as bytes: big-endian, so that they sort by camera, then time, then id.

use base::Timestamp;

use crate::row::RowError;

/// Bytes of an id.
pub(crate) const ID: usize = 16;
/// Bytes of a time.
pub(crate) const TIME: usize = 9;

/// Joins the parts of a key.
pub(crate) fn key(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A time as 9 bytes that sort as times do: seconds with an offset in 5 bytes, nanoseconds in 4. Exact.
pub(crate) fn time(at: Timestamp) -> [u8; TIME] {
    let ns = at.as_nanosecond();
    let seconds = ns.div_euclid(NS_PER_S) as i64 + SECONDS_OFFSET;
    let mut bytes = [0; TIME];
    bytes[..5].copy_from_slice(&seconds.to_be_bytes()[3..]);
    bytes[5..].copy_from_slice(&(ns.rem_euclid(NS_PER_S) as u32).to_be_bytes());
    bytes
}

/// From [`time`].
pub(crate) fn parse_time(bytes: [u8; TIME]) -> Result<Timestamp, RowError> {
    let [s0, s1, s2, s3, s4, n @ ..] = bytes;
    let seconds = i64::from_be_bytes([0, 0, 0, s0, s1, s2, s3, s4]) - SECONDS_OFFSET;
    let ns = i128::from(seconds) * NS_PER_S + i128::from(u32::from_be_bytes(n));
    let at = Timestamp::from_nanosecond(ns).map_err(|_| RowError::Key)?;
    // One time has one key.
    if time(at) == bytes { Ok(at) } else { Err(RowError::Key) }
}

const NS_PER_S: i128 = 1_000_000_000;
/// The years −9999 to 9999 are within ±2³⁹ seconds.
const SECONDS_OFFSET: i64 = 1 << 39;

/// Takes fixed-length parts off a key's front.
pub(crate) struct Parts<'a>(pub(crate) &'a [u8]);

impl Parts<'_> {
    /// The next `N` bytes.
    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], RowError> {
        let (part, rest) = self.0.split_first_chunk::<N>().ok_or(RowError::Key)?;
        self.0 = rest;
        Ok(*part)
    }
    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), RowError> {
        if self.0.is_empty() { Ok(()) } else { Err(RowError::Key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_time() -> impl Strategy<Value = Timestamp> {
        (Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond())
            .prop_map(|ns| Timestamp::from_nanosecond(ns).unwrap())
    }

    proptest! {
        #[test]
        fn times_read_back_and_sort(a in any_time(), b in any_time()) {
            prop_assert_eq!(parse_time(time(a)).unwrap(), a);
            prop_assert_eq!(time(a).cmp(&time(b)), a.cmp(&b));
        }

        #[test]
        fn any_bytes_are_a_time_or_refused(bytes: [u8; TIME]) {
            if let Ok(at) = parse_time(bytes) {
                prop_assert_eq!(time(at), bytes);
            }
        }
    }

    #[test]
    fn the_first_and_the_last_time_have_a_key() {
        for at in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
            assert_eq!(parse_time(time(at)).unwrap(), at);
        }
    }
}
