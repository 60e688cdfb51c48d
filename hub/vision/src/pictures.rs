//! From coded pictures to small grey ones, one after the other; in a child that watches only.
//!
//! Parser and decoder are pushed into from here, with no threads or queues between: what a picture gives is there when the push
//! is over. A picture that is looked at by itself is followed by the end of the stream and a flush, or a decoder would keep it
//! back until the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::coded::Codec;
use crate::decode::{self, Failure};
use crate::grey::Grey;
use crate::wire::watch::Picture;

/// A decoder that fails so often in a row gives way to the next one.
const FAILS: usize = 3;

/// What comes out: pictures, and when they were taken.
type Out = Vec<(Grey, Duration)>;

/// Decodes the pictures of one camera.
#[derive(Default)]
pub(crate) struct Pictures {
    coding: Option<(Codec, Vec<u8>)>,
    chain: Option<Chain>,
    /// Which of the decoders is used.
    chosen: usize,
    fails: usize,
}

impl Pictures {
    /// What comes out with this picture: not necessarily this one, and where some come out of order, none or several.
    pub(crate) fn grey(&mut self, picture: Picture) -> Result<Out, Failure> {
        let Picture { codec, alone, at, config, data } = picture;
        let same = self.coding.as_ref().is_some_and(|(c, parameters)| (*c, &parameters[..]) == (codec, &config[..]));
        if !same {
            *self = Self { coding: Some((codec, config.clone())), ..Self::default() };
        }
        let decoders = decode::decoders(codec);
        if decoders.is_empty() {
            return Err(Failure::NoDecoder(format!("Nothing here decodes {}", decode::name(codec))));
        }
        let decoder = &decoders[self.chosen % decoders.len()];
        let chain = match self.chain.take() {
            Some(chain) => Ok(chain),
            None => Chain::new(decoder, codec, &config),
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

struct Chain {
    pipeline: gst::Pipeline,
    input: gst::Pad,
    /// Kept, or what comes out would go nowhere.
    _output: gst::Pad,
    out: Arc<Mutex<Out>>,
}

impl Chain {
    fn new(decoder: &gst::ElementFactory, codec: Codec, config: &[u8]) -> Result<Self, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        let make = |name: &str| gst::ElementFactory::make(name).build().map_err(|e| text(&e));
        let decoder = decoder.create().build().map_err(|e| text(&e))?;
        decode::in_one_thread(&decoder);
        let parser = match codec {
            Codec::H264 => Some(make("h264parse")?),
            Codec::H265 => Some(make("h265parse")?),
            Codec::Mjpeg => None,
        };
        let elements: Vec<_> = parser.into_iter().chain([decoder, make("videoconvert")?]).collect();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many(&elements).map_err(|e| text(&e))?;
        gst::Element::link_many(&elements).map_err(|e| text(&e))?;

        let out = Arc::new(Mutex::new(Out::new()));
        let grey = gst::Caps::builder("video/x-raw").field("format", "GRAY8").build();
        let template = gst::PadTemplate::new("out", gst::PadDirection::Sink, gst::PadPresence::Always, &grey);
        let into = out.clone();
        let output = gst::Pad::builder_from_template(&template.map_err(|e| text(&e))?)
            .chain_function(move |pad, _, buffer| {
                lock(&into).extend(small(pad, &buffer));
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
        let chain = Self { pipeline, input, _output: output, out };
        chain.pipeline.set_state(gst::State::Playing).map_err(|_| chain.why("it does not start"))?;
        chain.event(gst::event::StreamStart::new("camera"))?;
        chain.event(gst::event::Caps::new(&decode::caps(codec, config)))?;
        chain.begin()?;
        Ok(chain)
    }

    /// Times are pictures' own.
    fn begin(&self) -> Result<(), String> {
        self.event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()))
    }

    fn push(&self, data: Vec<u8>, at: Duration, alone: bool) -> Result<Out, String> {
        let mut buffer = gst::Buffer::from_mut_slice(data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::try_from(at).ok());
        }
        self.input.push(buffer).map_err(|_| self.why("it takes no picture"))?;
        if alone {
            self.event(gst::event::Eos::new())?;
            self.event(gst::event::FlushStart::new())?;
            self.event(gst::event::FlushStop::new(true))?;
            self.begin()?;
        }
        let out = std::mem::take(&mut *lock(&self.out));
        if alone && out.is_empty() { Err(self.why("no picture comes out")) } else { Ok(out) }
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

impl Drop for Chain {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null); // it gives way to another
    }
}

/// A decoded picture, small.
fn small(pad: &gst::Pad, buffer: &gst::Buffer) -> Option<(Grey, Duration)> {
    let caps = pad.current_caps()?;
    let size = |name| usize::try_from(caps.structure(0)?.get::<i32>(name).ok()?).ok();
    let (width, height) = (size("width")?, size("height")?);
    // Nobody here said that it knows other strides than GStreamer's own.
    let grey = Grey::shrink(&buffer.map_readable().ok()?, width, height, width.next_multiple_of(4))?;
    Some((grey, buffer.pts()?.into()))
}

fn lock(out: &Mutex<Out>) -> MutexGuard<'_, Out> {
    out.lock().unwrap_or_else(PoisonError::into_inner)
}
