//! Numbers out of a parameter set or a slice header (ITU-T H.264 and H.265, §7.2 and §9.1 or §9.2): bit by bit, without
//! the emulation prevention bytes of NAL units.

/// Reads bits; every read ends with `None` where the bytes end.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The byte that is read, and which of its bits comes next, from the highest.
    at: usize,
    bit: u32,
    /// Zero bytes right before `at`.
    zeroes: u32,
}

impl<'a> Bits<'a> {
    /// Of a NAL unit's bytes after its header.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, bit: 0, zeroes: 0 }
    }

    pub fn flag(&mut self) -> Option<bool> {
        let mut byte = *self.bytes.get(self.at)?;
        if self.bit == 0 && self.zeroes >= 2 && byte == 3 {
            self.at += 1; // emulation_prevention_three_byte
            self.zeroes = 0;
            byte = *self.bytes.get(self.at)?;
        }
        let flag = byte >> (7 - self.bit) & 1 == 1;
        self.bit += 1;
        if self.bit == 8 {
            self.zeroes = if byte == 0 { self.zeroes + 1 } else { 0 };
            self.at += 1;
            self.bit = 0;
        }
        Some(flag)
    }

    /// An unsigned number of `n` bits, at most 32.
    pub fn take(&mut self, n: u32) -> Option<u32> {
        (0..n).try_fold(0, |value: u32, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    pub fn skip(&mut self, n: u32) -> Option<()> {
        (0..n).try_for_each(|_| self.flag().map(drop))
    }

    /// `ue(v)`: at most 32 leading zeroes.
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeroes = 0;
        while !self.flag()? {
            zeroes += 1;
            if zeroes > 31 {
                return None;
            }
        }
        Some((1u32 << zeroes | self.take(zeroes)?) - 1)
    }

    /// `se(v)`.
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        i32::try_from(if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) }).ok()
    }

    /// `n` numbers of `ue(v)` that nobody wants.
    pub fn skip_ue(&mut self, n: u32) -> Option<()> {
        (0..n).try_for_each(|_| self.ue().map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_standard_has_them() {
        // ue: 0 "1", 1 "010", 2 "011", 3 "00100"; se of the codes 1 and 2: 1 and -1.
        let mut bits = Bits::of(&[0b1010_0110, 0b0100_0100, 0b1100_0000]);
        assert_eq!((bits.ue(), bits.ue(), bits.ue(), bits.ue()), (Some(0), Some(1), Some(2), Some(3)));
        assert_eq!((bits.se(), bits.se()), (Some(1), Some(-1)));
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        let mut bits = Bits::of(&[0, 0, 3, 1, 0, 0, 3, 2, 3]);
        assert_eq!(bits.take(24), Some(1));
        assert_eq!(bits.take(32), Some(0x0000_0203));
        assert_eq!(bits.take(1), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let mut bits = Bits::of(&bytes);
            while bits.ue().is_some() && bits.se().is_some() && bits.take(7).is_some() {}
        }
    }
}
