//! Coded pictures and sound on their way into a file: any bytes, at any times.

use base::Mono;
use base::footage::{AccessUnit, Fragment, InitSegment, Track};
use bytes::Bytes;
use footage::bmff;
use media::{AudioConfig, FragmentWriter, MediaUnit, Output, VideoConfig};

/// Looks at all that is given out.
#[derive(Default)]
struct Judge {
    begun: bool,
    /// Where the newest fragment's samples of a track end.
    ends: [Option<i64>; 2],
}

impl Output for Judge {
    fn init(&mut self, init: InitSegment, _: Mono) {
        bmff::split_init(&init.bytes).expect("an init segment that the hub reads");
        self.begun = true;
    }
    fn fragment(&mut self, fragment: Fragment) {
        assert!(self.begun, "nothing comes before its parameters");
        let layout = bmff::parse_fragment(&fragment.bytes).expect("a fragment that the hub reads");
        let samples: Vec<_> = layout.runs.iter().flat_map(|run| run.samples.clone()).collect();
        assert_eq!(samples, fragment.samples);
        for sample in samples {
            let end = &mut self.ends[usize::from(sample.track == Track::Audio)];
            assert!(end.is_none_or(|end| sample.dts >= end) && sample.dts >= 0, "{sample:?} after {end:?}");
            *end = Some(sample.dts);
        }
    }
    fn unit(&mut self, unit: &AccessUnit) {
        assert!(self.begun && !unit.data.is_empty());
    }
    fn sound_dropped(&mut self, _: &str) {}
}

/// Reads `bytes` as units, one after another: what it is (8 bits), its time after the one before (32 bits, signed), its length
/// (8 bits), and its bytes.
pub fn read(mut bytes: &[u8]) {
    let (mut writer, mut judge) = (FragmentWriter::new(), Judge::default());
    let mut times = [0i64; 2];
    while let Some((&[kind, t0, t1, t2, t3, length], rest)) = bytes.split_first_chunk() {
        let (data, later) = rest.split_at(usize::from(length).min(rest.len()));
        bytes = later;
        let step = i64::from(i32::from_be_bytes([t0, t1, t2, t3]));
        let data = Bytes::copy_from_slice(data);
        let track = if kind & 1 == 0 { Track::Video } else { Track::Audio };
        match kind >> 4 {
            0 => {
                if let Ok(config) = VideoConfig::h264(data, 640, 360) {
                    writer.set_video(config, &mut judge);
                }
            }
            1 => {
                if let Ok(config) = AudioConfig::aac(data) {
                    writer.set_audio(config, &mut judge);
                    judge.ends[1] = None; // in another timescale perhaps
                }
            }
            2 => writer.expect_audio(),
            3 => writer.flush(&mut judge),
            _ => {
                let time = &mut times[usize::from(track == Track::Audio)];
                // Steps of up to some days at 90 kHz, and a few that no clock makes.
                *time = time.saturating_add(if kind & 2 == 0 { step >> 8 } else { step << 20 });
                let unit = MediaUnit { track, pts: *time, key: kind & 4 != 0, arrived: Mono(1 << 40), data };
                writer.push(unit, &mut judge);
            }
        }
    }
    writer.flush(&mut judge);
}
