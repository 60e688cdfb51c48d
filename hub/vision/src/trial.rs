//! A decoder is tried, in a child of its own: all pictures of a known film, looked at one after the other, and measured.

use std::time::Duration;

use base::Clock;
use base::element::processor_time;
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::clip;
use crate::coded::Codec;
use crate::decode;
use crate::pictures::{Chain, Out};
use crate::wire::trial::{Candidate, Speed};

/// What is slow is known after so long, and after [`FEWEST`] pictures: the rest of the film is not waited for.
const LONG: Duration = Duration::from_millis(1_500);
/// A second of the film, with its key picture.
const FEWEST: usize = 12;

/// The decoders of this machine, software first.
pub(crate) fn candidates() -> Vec<Candidate> {
    let of = |codec| {
        let all = decode::decoders(codec).into_iter();
        all.map(move |f| Candidate { codec, name: f.name().to_string(), hardware: decode::is_hardware(&f) })
    };
    [Codec::H264, Codec::H265].into_iter().flat_map(of).collect()
}

/// How quickly a decoder made the known pictures of the known film.
///
/// # Errors
/// Why it is none, for a person: what GStreamer says, or what was wrong with its pictures.
pub(crate) fn run(codec: Codec, name: &str, clock: &dyn Clock) -> Result<Speed, String> {
    let all = decode::decoders(codec);
    let decoder = all.iter().find(|factory| factory.name() == name).ok_or("it is not there")?;
    let caps =
        gst::Caps::builder(decode::media_type(codec)).field("stream-format", "byte-stream").field("alignment", "au");
    let chain = Chain::new(decoder, codec, &caps.build(), Duration::ZERO)?;
    let (began, cpu) = (clock.mono(), processor_time());
    // No more is kept of them: hardware has few pictures, and waits until one is given back.
    let grey = |out: Vec<Out>| out.into_iter().map(|out| out.grey);
    let (mut out, mut pictures) = (Vec::new(), 0);
    for (number, picture) in clip::coded(codec).into_iter().enumerate() {
        if pictures >= FEWEST && clock.mono().since(began) >= LONG {
            break;
        }
        pictures += 1;
        out.extend(grey(chain.push(picture.to_vec(), clip::at(number), false)?));
    }
    out.extend(grey(chain.end()?));
    let speed =
        Speed { pictures: out.len() as u32, wall: clock.mono().since(began), processor: processor_time() - cpu };
    if out.len() != pictures {
        return Err(format!("{} of {pictures} pictures came out", out.len()));
    }
    match out.iter().enumerate().position(|(number, out)| !clip::is_picture(number, out)) {
        Some(wrong) => Err(format!("picture {} of {pictures} was wrong", wrong + 1)),
        None => Ok(speed),
    }
}
