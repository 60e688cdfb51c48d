//! Rows as a hub makes them.

use std::time::Duration;

use base::footage::{SegmentDetails, SegmentInfo, StreamName, VideoParams};
use base::{BootId, CameraId, Clock, ConnectionId, EpochId, EventId, Mono, SegmentId, Stamp, SystemClock, Timestamp};
use store::{Event, EventKind};

pub const CAMERAS: usize = 8;
const START_MS: i64 = 1_767_225_600_000;
/// How long the figures pretend that it all took.
pub const SPAN_MS: i64 = 60 * 86_400_000;

/// The same in each phase.
pub fn cameras() -> Vec<CameraId> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    (0..CAMERAS).map(|_| CameraId::from_bytes(id(START_MS, &mut dice))).collect()
}

pub fn event(cameras: &[CameraId], n: usize, of: usize) -> Event {
    let at_ms = spread_ms(n, of);
    let kind = [EventKind::Motion, EventKind::Person, EventKind::Motion, EventKind::Doorbell][n / 7 % 4];
    Event {
        id: EventId::from_bytes(id(START_MS + at_ms, &mut Dice(n as u64 | 1 << 40))),
        camera: cameras[n % cameras.len()],
        kind,
        start: time(at_ms),
        stamp: None,
        end: time(at_ms).saturating_add(Duration::from_secs(12)).ok(),
        detail: serde_json::json!({ "zone": "drive", "score": (n % 100) as f64 / 100.0, "box": [n % 640, n % 480, 80, 200] }),
    }
}

pub fn segment(cameras: &[CameraId], n: usize, of: usize) -> SegmentInfo {
    let at_ms = spread_ms(n, of);
    let start = time(at_ms);
    SegmentInfo {
        camera: cameras[n % cameras.len()],
        id: SegmentId::from_bytes(id(START_MS + at_ms, &mut Dice(n as u64 | 1 << 41))),
        stream: StreamName::Main,
        epoch: Some(EpochId::from_bytes([1; 16])),
        media: Some((ConnectionId::from_bytes([2; 16]), n as i64 * 5_400_000)),
        stamp: Some(Stamp { boot: BootId::from_bytes([3; 16]), mono: Mono(n as u64 * 60_000_000_000) }),
        start,
        end: start.saturating_add(Duration::from_secs(60)).unwrap_or(start),
        bytes: 20_000_000 + n as u64,
        video: Some(VideoParams { codec: "avc1.64001f".to_owned(), width: 1920, height: 1080 }),
        audio: None,
        fingerprint: Some(0x1234_5678_9abc_def0 ^ n as u64),
        details: SegmentDetails::Closed,
    }
}

pub fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(START_MS + ms).expect("in range")
}

fn spread_ms(n: usize, of: usize) -> i64 {
    (i128::from(SPAN_MS) * n as i128 / of.max(1) as i128) as i64
}

/// An id as `EventId::new` makes it: 48 bits of milliseconds, 80 random ones.
fn id(ms: i64, dice: &mut Dice) -> [u8; 16] {
    let random = u128::from(dice.roll(u64::MAX)) << 64 | u128::from(dice.roll(u64::MAX));
    ((ms as u128) << 80 | random >> 48).to_be_bytes()
}

/// Random numbers that are the same each time (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

pub fn sleep_until(at: Mono) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async { SystemClock.sleep_until(at).await });
}
