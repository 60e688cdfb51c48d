//! `keepsightsink`: the end of every camera's pipeline. Writes fragments in the pusher's thread.
//!
//! Request pads `video` and `audio`, before the first buffer. Lock: one, around everything; the output is called
//! under it and must not block.

use std::sync::{LazyLock, Mutex, MutexGuard};

use base::SharedClock;
use base::footage::{Track, VIDEO_TIMESCALE};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;

use super::{CAT, answer_latency};
use crate::codec::{self, BadParameters, Sound, VideoConfig};
use crate::end::{EndReason, IngestEnd};
use crate::output::Output;
use crate::reorder::Reordering;
use crate::transcode::{Placed, SoundLost, Transcoder};
use crate::writer::{FragmentWriter, MediaUnit, rescale};

glib::wrapper! {
    /// The sink element.
    pub struct Sink(ObjectSubclass<imp::Sink>) @extends gst::Element, gst::Object;
}

impl Sink {
    /// A sink that gives everything to `output`.
    pub(crate) fn new(clock: SharedClock, output: Box<dyn Output>) -> Self {
        let sink: Self = glib::Object::new();
        let mut state = sink.imp().lock();
        state.clock = Some(clock);
        state.output = Some(output);
        drop(state);
        sink
    }

    /// Tells the output that the camera's sound cannot be kept.
    pub(crate) fn sound_dropped(&self, encoding: &str) {
        self.imp().lock().sound_dropped(encoding);
    }

    /// Tells the output of a certificate that nothing vouches for.
    pub(crate) fn certificate(&self, fingerprint: &str) {
        if let Some(output) = &mut self.imp().lock().output {
            output.certificate(fingerprint);
        }
    }

    /// Tells the output that the camera's pictures are encoded here.
    pub(crate) fn encodes(&self, name: &str) {
        if let Some(output) = &mut self.imp().lock().output {
            output.encodes(name);
        }
    }

    /// Gives out what is held and drops the output. What is pushed after this is lost.
    pub(crate) fn finish(&self) {
        self.imp().lock().finish();
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct Sink {
        state: Mutex<State>,
    }

    #[derive(Default)]
    pub(super) struct State {
        pub clock: Option<SharedClock>,
        pub output: Option<Box<dyn Output>>,
        writer: FragmentWriter,
        pads: Vec<SinkPad>,
        video: Option<VideoConfig>,
        sample_rate: u32,
        /// For sound that is made AAC of.
        transcoder: Option<Transcoder>,
        /// The sound cannot be kept, and that was told.
        deaf: bool,
        reordering: Reordering,
    }

    struct SinkPad {
        track: Track,
        segment: Option<gst::FormattedSegment<gst::ClockTime>>,
        ended: bool,
    }

    impl State {
        pub fn flush(&mut self) {
            if let Some(output) = &mut self.output {
                self.writer.flush(output.as_mut());
            }
        }

        /// Ends all: what the transcoder holds belongs to what the writer holds.
        pub fn finish(&mut self) {
            let rest = self.transcoder.take().map(|mut transcoder| transcoder.flush());
            self.sounds(rest.unwrap_or_else(|| Ok(Vec::new())));
            self.flush();
            self.output = None;
        }

        pub fn sound_dropped(&mut self, encoding: &str) {
            if !std::mem::replace(&mut self.deaf, true)
                && let Some(output) = &mut self.output
            {
                output.sound_dropped(encoding);
            }
            self.transcoder = None;
            self.writer.no_audio();
        }

        fn pad(&mut self, track: Track) -> Option<&mut SinkPad> {
            self.pads.iter_mut().find(|p| p.track == track)
        }

        fn caps(&mut self, track: Track, caps: &gst::CapsRef) -> Result<(), BadParameters> {
            let Some(output) = &mut self.output else { return Ok(()) };
            match track {
                Track::Video => {
                    let config = codec::video_from_caps(caps)?;
                    self.video = Some(config.clone());
                    self.writer.set_video(config, output.as_mut());
                }
                Track::Audio => match codec::audio_from_caps(caps) {
                    Ok(sound) => self.sound(sound),
                    // The picture does not suffer for it.
                    Err(bad) => self.sound_dropped(&bad.to_string()),
                },
            }
            Ok(())
        }

        /// Parameters of the sound that comes next.
        fn sound(&mut self, sound: Sound) {
            if self.deaf {
                return;
            }
            let config = sound.config().clone();
            self.sample_rate = config.params.sample_rate;
            // What is left of sound before belongs to its own parameters.
            let rest = self.transcoder.take().map(|mut transcoder| transcoder.flush());
            self.sounds(rest.unwrap_or_else(|| Ok(Vec::new())));
            if let Sound::Made(g711) = sound {
                match Transcoder::new(g711) {
                    Ok(transcoder) => self.transcoder = Some(transcoder),
                    Err(lost) => return self.sound_dropped(&lost.to_string()),
                }
            }
            if let Some(output) = &mut self.output {
                self.writer.set_audio(config, output.as_mut());
            }
        }

        /// What the transcoder gave.
        fn sounds(&mut self, made: Result<Vec<Placed>, SoundLost>) {
            let (Some(output), Some(clock)) = (&mut self.output, &self.clock) else { return };
            match made {
                Ok(made) => {
                    for (pts, data) in made {
                        let unit = MediaUnit { track: Track::Audio, pts, key: true, arrived: clock.mono(), data };
                        self.writer.push(unit, output.as_mut());
                    }
                }
                Err(lost) => self.sound_dropped(&lost.to_string()),
            }
        }

        /// A picture's or frame's time in ticks of its track: running time, so that pads whose segments differ fit.
        fn ticks(&mut self, track: Track, pts: Option<gst::ClockTime>) -> Option<i64> {
            let running = self.pad(track)?.segment.as_ref()?.to_running_time(pts?)?;
            let rate = if track == Track::Video { VIDEO_TIMESCALE } else { self.sample_rate };
            const NS: i64 = 1_000_000_000;
            // The nearest tick: sources round ticks to whole nanoseconds.
            Some(rescale(i64::try_from(running.nseconds()).ok()? + NS / i64::from(rate.max(1)) / 2, rate.into(), NS))
        }

        fn unit(&mut self, track: Track, buffer: gst::Buffer) -> Result<(), IngestEnd> {
            let broken = |detail: &str| IngestEnd::new(EndReason::Error, detail);
            let Some(pts) = self.ticks(track, buffer.pts()) else { return Ok(()) };
            let map = buffer.into_mapped_buffer_readable().map_err(|_| broken("A buffer cannot be read"))?;
            let data = Bytes::from_owner(map);
            let mut key = true;
            match &mut self.transcoder {
                Some(transcoder) => {
                    let made = match track {
                        Track::Video => transcoder.picture(pts),
                        Track::Audio => transcoder.push(pts, &data),
                    };
                    self.sounds(made);
                    if track == Track::Audio {
                        return Ok(());
                    }
                }
                None if track == Track::Audio && self.deaf => return Ok(()),
                None => {}
            }
            if track == Track::Video {
                let Some(config) = &self.video else { return Ok(()) };
                let picture =
                    codec::inspect(config, &data).map_err(|e| broken(&format!("A picture is broken: {e}")))?;
                let Some(picture) = picture else { return Ok(()) };
                key = picture.key;
                self.writer.expect_reordering(self.reordering.picture(pts, picture.bidirectional));
            }
            let (Some(output), Some(clock)) = (&mut self.output, &self.clock) else { return Ok(()) };
            self.writer.push(MediaUnit { track, pts, key, arrived: clock.mono(), data }, output.as_mut());
            Ok(())
        }
    }

    impl Sink {
        pub(super) fn lock(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        fn chain(&self, track: Track, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            let result = self.lock().unit(track, buffer);
            result.map(|()| gst::FlowSuccess::Ok).map_err(|end| {
                end.post(&*self.obj());
                gst::FlowError::Error
            })
        }

        fn event(&self, pad: &gst::Pad, track: Track, event: gst::Event) -> bool {
            gst::trace!(CAT, obj = pad, "{event:?}");
            match event.view() {
                gst::EventView::Caps(caps) => {
                    let result = self.lock().caps(track, caps.caps());
                    if let Err(bad) = &result {
                        IngestEnd::new(EndReason::Unsupported, bad.to_string()).post(&*self.obj());
                    }
                    return result.is_ok();
                }
                gst::EventView::Segment(segment) => {
                    let segment = segment.segment().downcast_ref::<gst::ClockTime>().cloned();
                    if let Some(pad) = self.lock().pad(track) {
                        pad.segment = segment;
                    }
                }
                gst::EventView::Gap(_) if track == Track::Video => self.lock().flush(),
                gst::EventView::Eos(_) => {
                    let mut state = self.lock();
                    if let Some(pad) = state.pad(track) {
                        pad.ended = true;
                    }
                    let all = state.pads.iter().all(|p| p.ended);
                    drop(state);
                    if all {
                        let message = gst::message::Eos::builder().src(&*self.obj()).build();
                        let _ = self.obj().post_message(message); // fails only outside of a pipeline
                    }
                }
                _ => {}
            }
            true
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Sink {
        const NAME: &'static str = "KeepsightSink";
        type Type = super::Sink;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for Sink {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_element_flags(gst::ElementFlags::SINK);
            self.lock().writer = FragmentWriter::new();
        }
    }

    impl GstObjectImpl for Sink {}

    impl ElementImpl for Sink {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Keepsight sink",
                    "Sink/Muxer",
                    "Writes fragmented MP4 for recording and looking live",
                    "Keepsight",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let request = |name: &str, caps: gst::Caps| {
                    gst::PadTemplate::new(name, gst::PadDirection::Sink, gst::PadPresence::Request, &caps)
                        .expect("a request template with any caps")
                };
                vec![request("video", codec::video_template()), request("audio", codec::audio_template())]
            });
            &TEMPLATES
        }

        fn request_new_pad(
            &self,
            template: &gst::PadTemplate,
            _name: Option<&str>,
            _caps: Option<&gst::Caps>,
        ) -> Option<gst::Pad> {
            let track = if template.name_template() == "audio" { Track::Audio } else { Track::Video };
            let mut state = self.lock();
            if state.pad(track).is_some() {
                return None;
            }
            state.pads.push(SinkPad { track, segment: None, ended: false });
            if track == Track::Audio {
                state.writer.expect_audio();
            }
            drop(state);
            let pad = gst::Pad::builder_from_template(template)
                .name(template.name_template())
                .chain_function(move |_, sink, buffer| {
                    Sink::catch_panic_pad_function(
                        sink,
                        || Err(gst::FlowError::Error),
                        |sink| sink.chain(track, buffer),
                    )
                })
                .event_function(move |pad, sink, event| {
                    Sink::catch_panic_pad_function(sink, || false, |sink| sink.event(pad, track, event))
                })
                .build();
            // A pad that is added to an element in PAUSED or PLAYING must be active before.
            pad.set_active(true).ok()?;
            self.obj().add_pad(&pad).ok()?;
            Some(pad)
        }

        fn release_pad(&self, pad: &gst::Pad) {
            let track = if pad.name() == "audio" { Track::Audio } else { Track::Video };
            self.lock().pads.retain(|p| p.track != track);
            let _ = pad.set_active(false);
            let _ = self.obj().remove_pad(pad); // fails only if it is another element's
        }

        fn query(&self, query: &mut gst::QueryRef) -> bool {
            answer_latency(query) || self.parent_query(query)
        }
    }
}
