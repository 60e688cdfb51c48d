//! From coded pictures to small grey ones, one after the other; in a child that watches only.
//!
//! Parser and decoder are pushed into from here, with no threads or queues between: what a picture gives is there when the push
//! is over. A picture that is looked at by itself is followed by the end of the stream and a flush, or a decoder would keep it
//! back until the next one.
//!
//! The decoded picture itself is held until the next push, so that a JPEG can be made of one in which something moves.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::coded::Codec;
use crate::decode::{self, Failure};
use crate::grey::Grey;
use crate::motion::{Bounds, EVERY};
use crate::objects::{self, Place, Rgb, Size};
use crate::wire::watch::Picture;

/// A decoder that fails so often in a row gives way to the next one.
const FAILS: usize = 3;

/// Width in pixels of the JPEG of something that moves: what a phone shows in a list, twice as sharp.
const JPEG_WIDTH: i32 = 640;

/// A decoded picture that came out.
pub(crate) struct Out {
    /// The same, small and grey.
    pub grey: Grey,
    /// When it was taken.
    pub at: Duration,
    raw: gst::Sample,
}

impl Out {
    /// What moves in it, in colour, as a detector wants it.
    ///
    /// # Errors
    /// An element is missing, or fails: its words.
    pub fn part(&self, moving: &Bounds, wanted: Size) -> Result<(Rgb, Place), String> {
        let caps = self.raw.caps_owned().ok_or("a picture of no form")?;
        let convert = gst::ElementFactory::make("videoconvert").build().map_err(|e| e.to_string())?;
        let part = Arc::new(Mutex::new(None));
        let (into, moving) = (part.clone(), *moving);
        let rgb = gst::Caps::builder("video/x-raw").field("format", "RGB").build();
        let line = Line::new(vec![convert], &rgb, move |pad, buffer| {
            let size = pad.current_caps().and_then(|caps| size(&caps));
            let side = |of: usize| u16::try_from(of).ok();
            let size = size.and_then(|(width, height)| Some(Size { width: side(width)?, height: side(height)? }));
            if let (Some(size), Ok(pixels)) = (size, buffer.map_readable()) {
                // Nobody here said that it knows other strides than GStreamer's own.
                let stride = (usize::from(size.width) * 3).next_multiple_of(4);
                *lock(&into) = objects::part(&pixels, size, stride, &moving, wanted);
            }
        })?;
        line.begin(&caps)?;
        line.push(self.raw.buffer_owned().ok_or("a picture of nothing")?)?;
        lock(&part).take().ok_or_else(|| line.why("no picture comes out"))
    }

    /// As a JPEG, at most [`JPEG_WIDTH`] wide; pixels are square in it.
    ///
    /// # Errors
    /// An element is missing, or fails: its words.
    pub fn jpeg(&self) -> Result<Vec<u8>, String> {
        let caps = self.raw.caps_owned().ok_or("a picture of no form")?;
        let (width, _) = size(&caps).ok_or("a picture of no size")?;
        let shape = gst::Caps::builder("video/x-raw")
            .field("pixel-aspect-ratio", gst::Fraction::new(1, 1))
            .field("width", JPEG_WIDTH.min(i32::try_from(width).unwrap_or(JPEG_WIDTH)));
        use gst::ElementFactory as Make;
        let elements = [
            Make::make("videoconvert").build(),
            Make::make("videoscale").build(),
            Make::make("capsfilter").property("caps", shape.build()).build(),
            Make::make("jpegenc").property("quality", decode::QUALITY).build(),
        ];
        let elements: Vec<_> = elements.into_iter().collect::<Result<_, _>>().map_err(|e| e.to_string())?;
        let jpeg = Arc::new(Mutex::new(Vec::new()));
        let into = jpeg.clone();
        let line = Line::new(elements, &gst::Caps::new_empty_simple("image/jpeg"), move |_, buffer| {
            lock(&into).extend(buffer.map_readable().map(|buffer| buffer.to_vec()));
        })?;
        line.begin(&caps)?;
        line.push(self.raw.buffer_owned().ok_or("a picture of nothing")?)?;
        lock(&jpeg).pop().ok_or_else(|| line.why("no picture comes out"))
    }
}

/// Decodes the pictures of one camera.
#[derive(Default)]
pub(crate) struct Pictures {
    /// Names of decoders that are taken first.
    first: Vec<String>,
    coding: Option<(Codec, Vec<u8>)>,
    /// What decodes that coding, the first of it first.
    decoders: Vec<gst::ElementFactory>,
    chain: Option<Chain>,
    /// Which of the decoders is used.
    chosen: usize,
    fails: usize,
}

impl Pictures {
    /// Takes these decoders first, of those that decode what comes.
    pub(crate) fn new(first: Vec<String>) -> Self {
        Self { first, ..Self::default() }
    }

    /// What comes out with this picture: not necessarily this one, and where some come out of order, none or several.
    pub(crate) fn decode(&mut self, picture: Picture) -> Result<Vec<Out>, Failure> {
        let Picture { codec, alone, at, config, data, .. } = picture;
        let same = self.coding.as_ref().is_some_and(|(c, parameters)| (*c, &parameters[..]) == (codec, &config[..]));
        if !same {
            let first = std::mem::take(&mut self.first);
            let mut decoders = decode::decoders(codec);
            decoders.sort_by_key(|factory| !first.iter().any(|name| *name == factory.name()));
            *self = Self { coding: Some((codec, config.clone())), decoders, ..Self::new(first) };
        }
        if self.decoders.is_empty() {
            return Err(Failure::NoDecoder(format!("Nothing here decodes {}", decode::name(codec))));
        }
        let decoder = &self.decoders[self.chosen % self.decoders.len()];
        let chain = match self.chain.take() {
            Some(chain) => Ok(chain),
            None => Chain::new(decoder, codec, &decode::caps(codec, &config), EVERY),
        };
        let looked = chain.and_then(|chain| {
            let out = chain.push(data, at, alone)?;
            Ok((chain, out))
        });
        match looked {
            Ok((chain, out)) => {
                (self.chain, self.fails) = (Some(chain), 0);
                Ok(out)
            }
            Err(why) => {
                self.fails += 1;
                if self.fails >= FAILS {
                    (self.chosen, self.fails) = (self.chosen + 1, 0);
                }
                Err(Failure::Failed(why))
            }
        }
    }
}

/// A decoder, and what came out of it.
pub(crate) struct Chain {
    line: Line,
    out: Arc<Mutex<Vec<Out>>>,
    /// When the last picture was that went on from the decoder.
    last: Arc<Mutex<Option<gst::ClockTime>>>,
}

impl Chain {
    /// Of a stream with these caps. What is decoded sooner than `every` after the last picture that came out goes no further: making
    /// it grey and small would take more than decoding it.
    pub(crate) fn new(
        factory: &gst::ElementFactory,
        codec: Codec,
        caps: &gst::Caps,
        every: Duration,
    ) -> Result<Self, String> {
        let make = |name: &str| gst::ElementFactory::make(name).build().map_err(|e| e.to_string());
        let decoder = factory.create().build().map_err(|e| e.to_string())?;
        decode::in_one_thread(&decoder);
        let parser = match codec {
            Codec::H264 => Some(make("h264parse")?),
            Codec::H265 => Some(make("h265parse")?),
            Codec::Mjpeg => None,
        };
        let (convert, raw) = (make("videoconvert")?, Arc::new(Mutex::new(None)));
        let (decoded, into) = (convert.static_pad("sink").ok_or("no pad")?, raw.clone());
        let last = Arc::new(Mutex::new(None));
        let passed = last.clone();
        decoded.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let Some(buffer) = info.buffer() else { return gst::PadProbeReturn::Ok };
            let (at, mut last) = (buffer.pts(), lock(&passed));
            let since = at.zip(*last).and_then(|(at, last)| at.checked_sub(last));
            if since.is_some_and(|since| Duration::from(since) < every) {
                return gst::PadProbeReturn::Handled; // after `Drop`, GStreamer would complain that somebody freed it already
            }
            *last = at;
            if let Some(caps) = pad.current_caps() {
                *lock(&into) = Some(gst::Sample::builder().buffer(buffer).caps(&caps).build());
            }
            gst::PadProbeReturn::Ok
        });
        let out = Arc::new(Mutex::new(Vec::new()));
        let into = out.clone();
        let grey = gst::Caps::builder("video/x-raw").field("format", "GRAY8").build();
        let fetch = decode::fetches(factory).map(make).transpose()?;
        let elements = parser.into_iter().chain([decoder]).chain(fetch).chain([convert]).collect();
        let line = Line::new(elements, &grey, move |pad, buffer| {
            let out = lock(&raw).take().and_then(|raw| small(pad, buffer, raw));
            lock(&into).extend(out);
        })?;
        line.begin(caps)?;
        Ok(Self { line, out, last })
    }

    /// What comes out with one more picture; with one that is `alone`, all that is in it.
    pub(crate) fn push(&self, data: Vec<u8>, at: Duration, alone: bool) -> Result<Vec<Out>, String> {
        if alone {
            *lock(&self.last) = None;
        }
        let mut buffer = gst::Buffer::from_mut_slice(data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::try_from(at).ok());
        }
        self.line.push(buffer)?;
        if alone {
            self.line.event(gst::event::Eos::new())?;
            self.line.event(gst::event::FlushStart::new())?;
            self.line.event(gst::event::FlushStop::new(true))?;
            self.line.segment()?;
        }
        let out = std::mem::take(&mut *lock(&self.out));
        if alone && out.is_empty() { Err(self.line.why("no picture comes out")) } else { Ok(out) }
    }

    /// What was still in it.
    pub(crate) fn end(&self) -> Result<Vec<Out>, String> {
        self.line.event(gst::event::Eos::new())?;
        Ok(std::mem::take(&mut *lock(&self.out)))
    }
}

/// Elements one after the other, with no threads or queues: what is pushed in has come out when the push is over.
struct Line {
    pipeline: gst::Pipeline,
    input: gst::Pad,
    /// Kept, or what comes out would go nowhere.
    _output: gst::Pad,
}

impl Line {
    /// `out` is handed what comes out, with its pad, of these caps.
    fn new(
        elements: Vec<gst::Element>,
        caps: &gst::Caps,
        out: impl Fn(&gst::Pad, &gst::Buffer) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&elements).map_err(|e| text(&e))?;
        gst::Element::link_many(&elements).map_err(|e| text(&e))?;
        let template = gst::PadTemplate::new("out", gst::PadDirection::Sink, gst::PadPresence::Always, caps);
        let output = gst::Pad::builder_from_template(&template.map_err(|e| text(&e))?)
            .chain_function(move |pad, _, buffer| {
                out(pad, &buffer);
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        let input = gst::Pad::builder(gst::PadDirection::Src).build();
        let pad = |element: Option<&gst::Element>, name: &str| element.and_then(|e| e.static_pad(name)).ok_or("no pad");
        input.link(&pad(elements.first(), "sink")?).map_err(|e| text(&e))?;
        pad(elements.last(), "src")?.link(&output).map_err(|e| text(&e))?;
        for pad in [&input, &output] {
            pad.set_active(true).map_err(|e| text(&e))?;
        }
        let line = Self { pipeline, input, _output: output };
        line.pipeline.set_state(gst::State::Playing).map_err(|_| line.why("it does not start"))?;
        Ok(line)
    }

    /// A stream of these caps begins.
    fn begin(&self, caps: &gst::Caps) -> Result<(), String> {
        self.event(gst::event::StreamStart::new("camera"))?;
        self.event(gst::event::Caps::new(caps))?;
        self.segment()
    }

    /// Times are pictures' own.
    fn segment(&self) -> Result<(), String> {
        self.event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()))
    }

    fn push(&self, buffer: gst::Buffer) -> Result<(), String> {
        self.input.push(buffer).map(drop).map_err(|_| self.why("it takes no picture"))
    }

    fn event(&self, event: gst::Event) -> Result<(), String> {
        if self.input.push_event(event) { Ok(()) } else { Err(self.why("it takes no event")) }
    }

    fn why(&self, what: &str) -> String {
        let error = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        match error.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => format!("{what}: {}", error.error()),
            _ => what.to_owned(),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null); // it gives way to another
    }
}

/// A decoded picture, and the same small.
fn small(pad: &gst::Pad, buffer: &gst::Buffer, raw: gst::Sample) -> Option<Out> {
    let (width, height) = size(&pad.current_caps()?)?;
    // Nobody here said that it knows other strides than GStreamer's own.
    let grey = Grey::shrink(&buffer.map_readable().ok()?, width, height, width.next_multiple_of(4))?;
    Some(Out { grey, at: buffer.pts()?.into(), raw })
}

fn size(caps: &gst::Caps) -> Option<(usize, usize)> {
    let part = |name| usize::try_from(caps.structure(0)?.get::<i32>(name).ok()?).ok();
    Some((part("width")?, part("height")?))
}

fn lock<T>(out: &Mutex<T>) -> MutexGuard<'_, T> {
    out.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip;

    #[test]
    fn what_comes_sooner_is_passed_over_and_gstreamer_has_no_complaint() {
        let lacks = decode::load(false).unwrap().lacks;
        assert_eq!(lacks, "");
        let complaints = Arc::new(Mutex::new(Vec::<String>::new()));
        let into = complaints.clone();
        let levels = gst::glib::LogLevels::LEVEL_CRITICAL | gst::glib::LogLevels::LEVEL_WARNING;
        gst::glib::log_set_handler(Some("GStreamer"), levels, false, false, move |_, _, what| {
            lock(&into).push(what.to_owned());
        });

        let decoder = decode::decoders(Codec::H264).remove(0);
        let caps =
            gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").field("alignment", "au").build();
        // Every second picture comes so late after the one before it that it is passed on.
        let every = clip::at(2);
        let chain = Chain::new(&decoder, Codec::H264, &caps, every).unwrap();
        let coded = clip::coded(Codec::H264);
        let pushed = coded.iter().enumerate().map(|(number, data)| chain.push(data.to_vec(), clip::at(number), false));
        let mut out: Vec<Out> = pushed.flat_map(Result::unwrap).collect();
        out.extend(chain.end().unwrap());

        let numbers = (0..clip::PICTURES).step_by(2);
        assert_eq!(out.iter().map(|out| out.at).collect::<Vec<_>>(), numbers.clone().map(clip::at).collect::<Vec<_>>());
        assert!(numbers.zip(&out).all(|(number, out)| clip::is_picture(number, &out.grey)));
        assert!(lock(&complaints).is_empty(), "{complaints:?}");
    }
}
