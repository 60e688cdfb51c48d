//! What of RTP and RTCP packets has to be read where GStreamer unpacks them: their times.

/// Bytes before the payload, without extensions (RFC 3550 §5.1).
const HEADER_BYTES: usize = 12;

/// The timestamp of an RTP packet; `None` where it is none.
pub(super) fn timestamp(packet: &[u8]) -> Option<u32> {
    let header = packet.first_chunk::<HEADER_BYTES>()?;
    (header[0] >> 6 == 2).then(|| u32::from_be_bytes([header[4], header[5], header[6], header[7]]))
}

/// NTP time and RTP time of the sender report that a compound RTCP packet begins with (RFC 3550 §6.4.1).
pub(super) fn sender_report(packet: &[u8]) -> Option<(u64, u32)> {
    const SENDER_REPORT: u8 = 200;
    let report = packet.first_chunk::<20>()?;
    if report[0] >> 6 != 2 || report[1] != SENDER_REPORT {
        return None;
    }
    let ntp = report[8..16].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    Some((ntp, u32::from_be_bytes([report[16], report[17], report[18], report[19]])))
}

/// The times of one stream, counted on where 32 bits wrap.
#[derive(Debug)]
pub(super) struct Unwrap {
    /// The RTP time of normal play time 0, if the answer to PLAY gave it.
    zero: Option<u32>,
    newest: Option<(u32, i64)>,
}

impl Unwrap {
    pub fn new(zero: Option<u32>) -> Self {
        Self { zero, newest: None }
    }

    /// Normal play time of a packet, in ticks of its clock. Without a zero it is counted from the first.
    pub fn npt(&mut self, timestamp: u32) -> i64 {
        let npt = self.of(timestamp).unwrap_or_else(|| self.zero.map_or(0, |zero| apart(timestamp, zero)));
        self.newest = Some((timestamp, npt));
        npt
    }

    /// The same for another packet's time, near the newest one's; `None` before there was one.
    pub fn of(&self, timestamp: u32) -> Option<i64> {
        let (newest, npt) = self.newest?;
        Some(npt.saturating_add(apart(timestamp, newest)))
    }
}

/// From `from` to `to` by the shorter way around.
fn apart(to: u32, from: u32) -> i64 {
    i64::from(to.wrapping_sub(from) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_on_where_they_wrap() {
        let mut times = Unwrap::new(Some(u32::MAX - 99));
        let npts: Vec<_> = [u32::MAX - 9, 90, 190, 150].into_iter().map(|t| times.npt(t)).collect();
        assert_eq!(npts, [90, 190, 290, 250]);
        assert_eq!(times.of(160), Some(260));
        let mut times = Unwrap::new(None);
        assert_eq!((times.of(5), times.npt(5_000), times.npt(5_450)), (None, 0, 450));
    }

    #[test]
    fn a_sender_report_is_read() {
        let mut report = vec![0x80, 200, 0, 6, 1, 2, 3, 4];
        report.extend(0x0102_0304_8000_0000u64.to_be_bytes());
        report.extend(90_000u32.to_be_bytes());
        report.extend([0; 8]);
        assert_eq!(sender_report(&report), Some((0x0102_0304_8000_0000, 90_000)));
        report[1] = 201;
        assert_eq!(sender_report(&report), None);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, times: Vec<u32>, zero: Option<u32>) {
            let _ = (timestamp(&bytes), sender_report(&bytes));
            let mut unwrap = Unwrap::new(zero);
            times.into_iter().for_each(|t| _ = unwrap.npt(t));
        }
    }
}
