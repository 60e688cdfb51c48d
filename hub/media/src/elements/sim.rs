//! `sim:`: a camera within the hub, for self-tests. A small clip goes round and round, through the same pipeline as a
//! camera's pictures, with exact times; no network, no decoder, no encoder.

use std::time::Duration;

use base::footage::VIDEO_TIMESCALE;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::rtspsrc::{RtspSrc, Settings, add_pad, begin, push, segment};
use crate::codec::h264;
use crate::end::{EndReason, IngestEnd};

/// 4 seconds of a test card in H.264, Annex B, each picture after a delimiter; `scripts/make-sim-clip` made it.
const CLIP: &[u8] = include_bytes!("sim.h264");
const WIDTH: u16 = 320;
const HEIGHT: u16 = 180;
const PICTURES_PER_S: u32 = 10;

/// NAL unit types, H.264 table 7-1.
const IDR: u8 = 5;
const SPS: u8 = 7;
const PPS: u8 = 8;
const DELIMITER: u8 = 9;

/// Plays until it is stopped or nobody takes more.
pub(super) async fn play(element: &RtspSrc, settings: &Settings) -> IngestEnd {
    let clip = Clip::read(CLIP);
    let pad = match add_pad(element, "video") {
        Ok(pad) => pad,
        Err(error) => return IngestEnd::new(EndReason::Error, error.to_string()),
    };
    element.no_more_pads();
    begin(&pad, None);
    pad.push_event(gst::event::Caps::new(&h264::caps(&clip.avcc, WIDTH, HEIGHT)));
    pad.push_event(segment());
    let began = settings.clock.mono();
    for n in 0u32.. {
        settings.clock.sleep_until(began + Duration::from_secs(1) * n / PICTURES_PER_S).await;
        let picture = &clip.pictures[n as usize % clip.pictures.len()];
        let ticks = i64::from(n) * i64::from(VIDEO_TIMESCALE / PICTURES_PER_S);
        if let Err(end) = push(&pad, ticks, VIDEO_TIMESCALE, picture.key, picture.data.clone()) {
            return end;
        }
    }
    IngestEnd::new(EndReason::Closed, "The clip has ended") // after 13 years
}

struct Clip {
    avcc: Vec<u8>,
    pictures: Vec<Picture>,
}

struct Picture {
    key: bool,
    /// NAL units with 4-byte lengths, without parameter sets.
    data: Vec<u8>,
}

impl Clip {
    fn read(annex_b: &[u8]) -> Clip {
        let (mut sps, mut pps) = (&[][..], &[][..]);
        let mut pictures: Vec<Picture> = Vec::new();
        for nal in nals(annex_b) {
            let kind = nal[0] & 31;
            match kind {
                SPS => sps = nal,
                PPS => pps = nal,
                DELIMITER => pictures.push(Picture { key: false, data: Vec::new() }),
                _ => {
                    if let Some(picture) = pictures.last_mut() {
                        picture.key |= kind == IDR;
                        picture.data.extend((nal.len() as u32).to_be_bytes());
                        picture.data.extend_from_slice(nal);
                    }
                }
            }
        }
        // AVCDecoderConfigurationRecord, ISO/IEC 14496-15 §5.3.3.1: 4-byte lengths, one set of each.
        let mut avcc = [&[1], &sps[1..4], &[0xff, 0xe1]].concat();
        for (set, then) in [(sps, &[1][..]), (pps, &[])] {
            avcc.extend((set.len() as u16).to_be_bytes());
            avcc.extend_from_slice(set);
            avcc.extend_from_slice(then);
        }
        Clip { avcc, pictures }
    }
}

/// The NAL units between start codes, without the zeroes before those.
fn nals(annex_b: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts: Vec<usize> =
        annex_b.windows(3).enumerate().filter(|(_, w)| *w == [0, 0, 1]).map(|(i, _)| i + 3).collect();
    let ends: Vec<usize> = starts.iter().skip(1).map(|next| next - 3).chain([annex_b.len()]).collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| {
        let nal = &annex_b[start..end];
        let last = nal.iter().rposition(|byte| *byte != 0)?;
        Some(&nal[..=last])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_is_what_its_constants_say() {
        let clip = Clip::read(CLIP);
        assert_eq!(clip.pictures.len(), 4 * PICTURES_PER_S as usize);
        let config = crate::VideoConfig::h264(clip.avcc.clone().into(), WIDTH, HEIGHT).unwrap();
        for (n, picture) in clip.pictures.iter().enumerate() {
            assert_eq!(picture.key, n % PICTURES_PER_S as usize == 0, "picture {n}");
            let seen = crate::codec::inspect(&config, &picture.data).unwrap().unwrap();
            assert_eq!((seen.key, seen.bidirectional), (picture.key, false), "picture {n}");
        }
        assert!(CLIP.len() < 64 << 10, "{} bytes in every hub", CLIP.len());
    }
}
