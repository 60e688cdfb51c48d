//! An encoder is tried, in a child of its own: a film that is made here is encoded, measured, and looked at again.

use std::sync::mpsc;
use std::time::Duration;

use base::Clock;
use base::element::processor_time;
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use serde::{Deserialize, Serialize};

use super::encode::{self, Pictures};
use crate::codec;

/// How long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Speed {
    pub pictures: u32,
    pub wall: Duration,
    pub processor: Duration,
}

/// The film: a light square on a dark ground, which is never the same, goes from left to right.
const SIZE: (usize, usize) = (1_280, 720);
const PICTURES: usize = 30;
const FPS: u16 = 15;
const SIDE: usize = 240;
const STEP: usize = 30;
const TOP: usize = 240;
const LIGHT: u8 = 220;
const DARK: u8 = 60;
/// How light the square is at least, and the ground at most, once it was encoded.
const LIGHT_ENOUGH: u32 = 180;
const DARK_ENOUGH: u32 = 110;

/// How quickly an encoder encoded the film.
///
/// # Errors
/// Why it is of no use, for a person.
pub(crate) fn run(name: &str, clock: &dyn Clock) -> Result<Speed, String> {
    let film: Vec<_> = (0..PICTURES).map(picture).collect();
    let raw = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", SIZE.0 as i32)
        .field("height", SIZE.1 as i32)
        .field("framerate", gst::Fraction::new(FPS.into(), 1))
        .build();
    let wanted = Pictures::new((SIZE.0 as u16, SIZE.1 as u16), FPS, None);
    let chain = encode::chain(name, wanted).map_err(|e| e.to_string())?;
    let (began, processor) = (clock.mono(), processor_time());
    let (caps, coded) = through(&chain, &raw, film)?;
    let (wall, processor) = (clock.mono().since(began), processor_time() - processor);
    let config = codec::video_from_caps(&caps).map_err(|e| format!("its pictures cannot be used: {e}"))?;
    if coded.len() != PICTURES {
        return Err(format!("{} of {PICTURES} pictures came out", coded.len()));
    }
    for (number, unit) in coded.iter().enumerate() {
        match codec::inspect(&config, unit) {
            Ok(Some(seen)) if number == 0 && !seen.key => return Err("it does not begin with a key picture".into()),
            Ok(Some(seen)) if seen.bidirectional => return Err("it changes the pictures' order".into()),
            Ok(Some(_)) => {}
            _ => return Err(format!("picture {} of {PICTURES} cannot be read", number + 1)),
        }
    }
    if let Some(seen) = decoded(&caps, coded)
        && let Some(wrong) =
            (0..PICTURES).find(|number| !seen.get(*number).is_some_and(|luma| is_picture(*number, luma)))
    {
        return Err(format!("picture {} of {PICTURES} was wrong", wrong + 1));
    }
    Ok(Speed { pictures: PICTURES as u32, wall, processor })
}

/// Its light as it was decoded again; `None` where nothing here decodes it in software: then its pictures are believed.
fn decoded(caps: &gst::Caps, coded: Vec<Bytes>) -> Option<Vec<Bytes>> {
    let decoder = ["avdec_h264", "openh264dec"].iter().find_map(|name| gst::ElementFactory::make(name).build().ok())?;
    let grey = format!("video/x-raw,format=GRAY8,width={},height={}", SIZE.0, SIZE.1);
    let parse = encode::make("h264parse").ok()?;
    let chain = [parse, decoder, encode::make("videoconvert").ok()?, encode::filter(&grey).ok()?];
    Some(through(&chain, caps, coded).map_or_else(|_| Vec::new(), |(_, pictures)| pictures))
}

/// What comes out of a chain of elements: its caps, and all units.
fn through(chain: &[gst::Element], caps: &gst::Caps, units: Vec<Bytes>) -> Result<(gst::Caps, Vec<Bytes>), String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let pipeline = gst::Pipeline::new();
    pipeline.add_many(chain).map_err(|e| text(&e))?;
    gst::Element::link_many(chain).map_err(|e| text(&e))?;
    let (tell, told) = mpsc::channel();
    let end = tell.clone();
    let taken = gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| {
            let unit = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            let _ = tell.send(Some(Bytes::copy_from_slice(&unit))); // nobody waits any more
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(move |pad, parent, event| {
            if event.type_() == gst::EventType::Eos {
                let _ = end.send(None); // nobody waits any more
            }
            gst::Pad::event_default(pad, parent, event)
        })
        .build();
    let feed = gst::Pad::builder(gst::PadDirection::Src).build();
    let ends = chain.first().and_then(|e| e.static_pad("sink")).zip(chain.last().and_then(|e| e.static_pad("src")));
    let (first, last) = ends.ok_or("an element has no pad")?;
    feed.link(&first).map_err(|e| text(&e))?;
    last.link(&taken).map_err(|e| text(&e))?;
    taken.set_active(true).map_err(|e| text(&e))?;
    let failed = |what: &str| {
        let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match error.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => format!("{what}: {}", error.error()),
            _ => what.to_owned(),
        }
    };
    // There is no sink that would have to be waited for.
    pipeline.set_state(gst::State::Playing).map_err(|_| failed("it does not start"))?;
    feed.set_active(true).map_err(|e| text(&e))?;
    feed.push_event(gst::event::StreamStart::new("keepsight/trial"));
    if !feed.push_event(gst::event::Caps::new(caps)) {
        return Err(failed("it does not take the pictures"));
    }
    feed.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    for (number, unit) in units.into_iter().enumerate() {
        let at = |number: usize| gst::ClockTime::from_nseconds(number as u64 * 1_000_000_000 / u64::from(FPS));
        let mut buffer = gst::Buffer::from_slice(unit);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(at(number));
            buffer.set_dts(at(number));
            buffer.set_duration(at(number + 1) - at(number));
        }
        feed.push(buffer).map_err(|_| failed("it takes no picture"))?;
    }
    feed.push_event(gst::event::Eos::new());
    // One that hangs is killed.
    let units = told.iter().map_while(|unit| unit).collect();
    let caps = taken.current_caps().ok_or_else(|| failed("no picture comes out"))?;
    let _ = pipeline.set_state(gst::State::Null); // the child ends after this anyway
    Ok((caps, units))
}

/// The `number`th picture, in I420.
fn picture(number: usize) -> Bytes {
    let (width, height) = SIZE;
    let left = number * STEP;
    let mut noise = number as u32 + 1;
    let mut luma = Vec::with_capacity(width * height * 3 / 2);
    for y in 0..height {
        for x in 0..width {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let inside = (left..left + SIDE).contains(&x) && (TOP..TOP + SIDE).contains(&y);
            luma.push(if inside { LIGHT } else { DARK + (noise >> 28) as u8 });
        }
    }
    luma.resize(width * height * 3 / 2, 128);
    luma.into()
}

/// Whether this light is that of the `number`th picture.
fn is_picture(number: usize, luma: &[u8]) -> bool {
    if luma.len() < SIZE.0 * SIZE.1 {
        return false;
    }
    let mean = |left: usize| {
        let rows = luma.chunks(SIZE.0).skip(TOP + SIDE / 4).take(SIDE / 2);
        let sum: u32 = rows.flat_map(|row| &row[left + SIDE / 4..left + SIDE * 3 / 4]).map(|p| u32::from(*p)).sum();
        sum / (SIDE * SIDE / 4) as u32
    };
    let left = number * STEP;
    let beside = if left >= 2 * SIDE { left - 2 * SIDE } else { left + 2 * SIDE };
    mean(left) >= LIGHT_ENOUGH && mean(beside) <= DARK_ENOUGH
}

#[cfg(test)]
mod tests {
    use base::SystemClock;

    use super::*;

    #[test]
    fn a_picture_is_known_and_every_other_one_is_not() {
        for number in 0..PICTURES {
            assert!(is_picture(number, &picture(number)), "{number}");
            assert!(!is_picture(number, &picture((number + PICTURES / 2) % PICTURES)), "{number}");
        }
        assert!(!is_picture(0, &[LIGHT; 100]));
    }

    #[test]
    fn debians_encoders_in_software_are_there_and_work() {
        crate::init().unwrap();
        let all = encode::candidates();
        for name in ["x264enc", "openh264enc"] {
            assert!(all.iter().any(|candidate| candidate.name == name && !candidate.hardware), "{all:?}");
            let speed = run(name, &SystemClock).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!(speed.pictures, PICTURES as u32);
        }
        assert!(run("identity", &SystemClock).is_err(), "it encodes nothing");
    }
}
