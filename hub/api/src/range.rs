//! Which bytes of an answer are asked for (RFC 9110 §14).

use std::ops::Range;

/// What a `Range` header asks of an answer of a known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// All of it: there is no header, or one that is not understood, which is then ignored (§14.2). Several ranges at once
    /// are not understood: no player asks for them, and they can be made to ask for the same bytes again and again.
    Whole,
    /// These bytes: at least one, all of them there.
    Part(Range<u64>),
    /// Bytes of which none is there: 416.
    Beyond,
}

impl Asked {
    /// Reads a header's value.
    pub fn read(header: Option<&str>, len: u64) -> Asked {
        let Some(bytes) = header.and_then(|value| value.trim().strip_prefix("bytes=")) else { return Asked::Whole };
        let Some((first, last)) = bytes.trim().split_once('-') else { return Asked::Whole };
        match (number(first), number(last)) {
            // The last so many bytes.
            (Number::Absent, Number::Is(count)) if count > 0 && len > 0 => Asked::Part(len.saturating_sub(count)..len),
            (Number::Absent, Number::Is(_)) => Asked::Beyond,
            (Number::Is(first), Number::Is(last)) if first > last => Asked::Whole,
            (Number::Is(first), Number::Is(_) | Number::Absent) if first >= len => Asked::Beyond,
            (Number::Is(first), Number::Is(last)) => Asked::Part(first..last.saturating_add(1).min(len)),
            (Number::Is(first), Number::Absent) => Asked::Part(first..len),
            _ => Asked::Whole,
        }
    }
}

enum Number {
    Absent,
    Is(u64),
    Not,
}

/// Digits and nothing else. What is too large for any file is as good as the largest number.
fn number(text: &str) -> Number {
    match text {
        "" => Number::Absent,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Number::Is(digits.parse().unwrap_or(u64::MAX)),
        _ => Number::Not,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_read_as_the_rfc_has_them() {
        let asked = |text| Asked::read(Some(text), 1_000);
        assert_eq!(Asked::read(None, 1_000), Asked::Whole);
        for (text, part) in [
            ("bytes=0-499", 0..500),
            ("bytes=500-999", 500..1_000),
            ("bytes=-500", 500..1_000),
            ("bytes=9-", 9..1_000),
            ("bytes=0-0", 0..1),
            ("bytes=-1", 999..1_000),
            ("bytes=999-5000", 999..1_000),
            ("bytes=-5000", 0..1_000),
            (" bytes= 0-9 ", 0..10),
            ("bytes=0-99999999999999999999999", 0..1_000),
        ] {
            assert_eq!(asked(text), Asked::Part(part), "{text:?}");
        }
        for text in ["bytes=1000-", "bytes=1000-1001", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(asked(text), Asked::Beyond, "{text:?}");
        }
        for text in
            ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "items=0-4", "bytes=a-4", "bytes=0-4,6-8", "bytes=+1-4"]
        {
            assert_eq!(asked(text), Asked::Whole, "{text:?}");
        }
        assert_eq!(Asked::read(Some("bytes=0-"), 0), Asked::Beyond, "of nothing, nothing is there");
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_always_there(text in "(bytes=)?[-0-9,= ]{0,24}", len: u64) {
            if let Asked::Part(part) = Asked::read(Some(&text), len) {
                prop_assert!(part.start < part.end && part.end <= len);
            }
        }
    }
}
