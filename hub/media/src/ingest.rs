//! One camera stream's pipeline, from its start to its end.

use base::{Problem, ProblemKind, SharedClock, Shutdown};
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};

use crate::elements::rtspbin::{self, RtspBin};
use crate::elements::rtspsrc::{RtspSrc, Settings};
use crate::elements::sink::Sink;
use crate::end::IngestEnd;
use crate::isolated;
use crate::lens::bin::{self, LensBin};
use crate::output::Output;
use crate::source::{Options, Rtsp, Source, Way};

/// GStreamer or a part of it is not there.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// GStreamer could not be started.
    #[error("GStreamer could not be started")]
    Start(#[source] glib::Error),
    /// The hub's own elements could not be registered with it.
    #[error("the hub's GStreamer elements could not be registered")]
    Register(#[source] glib::BoolError),
    /// A part of GStreamer is not installed.
    #[error("its {element} is missing, which Debian has in the package {package}")]
    Missing {
        /// The element.
        element: &'static str,
        /// Debian's package with it.
        package: &'static str,
    },
    /// A pipeline could not be put together.
    #[error("a pipeline could not be put together")]
    Pipeline(#[source] glib::BoolError),
    /// A pipeline did not begin to play.
    #[error("a pipeline did not start")]
    Play(#[source] gst::StateChangeError),
}

impl From<MediaError> for Problem {
    fn from(error: MediaError) -> Self {
        Problem::with(ProblemKind::MissingPart, format!("GStreamer: {error}"))
    }
}

/// A running connection to one camera stream. It does not reconnect: that is its owner's to decide, by [`IngestEnd`].
///
/// Dropping it stops it in the background; [`Ingest::stop`] also waits until nothing of it is left: no task, no file
/// descriptor, and no call to the output. Only the goodbye to a camera that does not answer, with its connection, may take
/// up to 5 s more, and nobody waits for it.
pub struct Ingest {
    shutdown: Shutdown,
    ending: watch::Receiver<Option<IngestEnd>>,
    ended: watch::Receiver<Option<IngestEnd>>,
}

impl Ingest {
    /// Starts to connect and returns at once; that it failed is told by [`Ingest::ended`].
    ///
    /// All of the work is done in tasks of `runtime`, which all cameras share; it needs its I/O and time drivers.
    /// Timeouts follow `clock`. [`crate::init`] must have been called.
    ///
    /// # Errors
    /// GStreamer cannot put the pipeline together. A camera's faults are no error here.
    pub fn start(
        source: Source,
        runtime: &Handle,
        clock: SharedClock,
        options: Options,
        output: Box<dyn Output>,
    ) -> Result<Self, MediaError> {
        let source = match source {
            Source::Rtsp(Rtsp { way: Way::Own, .. }) | Source::Sim => source,
            source if isolated::is_isolated() => {
                return Ok(isolated::start(source, runtime, clock, options, output));
            }
            source => source,
        };
        let sink = Sink::new(clock.clone(), output);
        let source = Reader::new(source, runtime, clock, options, &sink)?;
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([source.element(), sink.upcast_ref()]).map_err(MediaError::Pipeline)?;
        let weak_sink = sink.downgrade();
        source.element().connect_pad_added(move |_, pad| {
            // A pad that stays unlinked ends the ingest with its first push.
            let to = weak_sink.upgrade().and_then(|sink| sink.request_pad_simple(&pad.name()));
            if let Some(Err(error)) = to.map(|to| pad.link(&to)) {
                tracing::error!(%error, pad = %pad.name(), "two elements do not fit");
            }
        });

        // The first end is the true one; those that follow from it find the channel full.
        let (tell_end, ends) = mpsc::channel(1);
        let bus = pipeline.bus().expect("a pipeline has a bus");
        bus.set_sync_handler(move |_, message| {
            if let Some(end) = IngestEnd::from_message(message) {
                let _ = tell_end.try_send(end);
            }
            gst::BusSyncReply::Drop // nobody reads the bus's own queue
        });
        if let Err(error) = pipeline.set_state(gst::State::Playing) {
            let _ = pipeline.set_state(gst::State::Null);
            return Err(MediaError::Play(error));
        }

        let shutdown = Shutdown::new();
        let [(tell_ending, ending), (tell_done, ended)] = [(); 2].map(|()| watch::channel(None));
        runtime.spawn(supervise(pipeline, source, sink, ends, shutdown.clone(), [tell_ending, tell_done]));
        Ok(Self { shutdown, ending, ended })
    }

    /// One that somebody else sees to.
    pub(crate) fn of(shutdown: Shutdown, ended: watch::Receiver<Option<IngestEnd>>) -> Self {
        Self { shutdown, ending: ended.clone(), ended }
    }

    /// Waits until it is known why it ends: what is left of it may not be able to stop.
    pub(crate) async fn ending(&self) -> IngestEnd {
        Self::told(self.ending.clone()).await
    }

    /// Waits for the end and says why. The output has been given everything and dropped by then. May be called again.
    pub async fn ended(&self) -> IngestEnd {
        Self::told(self.ended.clone()).await
    }

    async fn told(mut ended: watch::Receiver<Option<IngestEnd>>) -> IngestEnd {
        match ended.wait_for(Option::is_some).await {
            Ok(end) => end.clone().unwrap_or_else(IngestEnd::stopped),
            Err(_) => IngestEnd::stopped(), // its runtime was shut down under it
        }
    }

    /// Stops and waits until nothing is left: at most a second or two, if the camera does not answer the goodbye.
    /// Gives the reason of an end that came before.
    pub async fn stop(self) -> IngestEnd {
        self.shutdown.trigger();
        self.ended().await
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

/// The element that reads the camera.
enum Reader {
    Own(RtspSrc),
    Gst(RtspBin),
    Lens(LensBin),
}

impl Reader {
    fn new(
        source: Source,
        runtime: &Handle,
        clock: SharedClock,
        options: Options,
        sink: &Sink,
    ) -> Result<Self, MediaError> {
        let runtime = runtime.clone();
        let weak_sink = sink.downgrade();
        let sound_dropped = Box::new(move |encoding: &str| {
            if let Some(sink) = weak_sink.upgrade() {
                sink.sound_dropped(encoding);
            }
        });
        match source {
            Source::Rtsp(rtsp) if rtsp.way != Way::Own => {
                let weak_sink = sink.downgrade();
                let certificate = Box::new(move |fingerprint: &str| {
                    if let Some(sink) = weak_sink.upgrade() {
                        sink.certificate(fingerprint);
                    }
                });
                let takes = ["video", "audio"]
                    .map(|pad| sink.pad_template(pad).map_or_else(gst::Caps::new_empty, |t| t.caps().clone()));
                let settings =
                    rtspbin::Settings { source: rtsp, options, runtime, clock, takes, sound_dropped, certificate };
                RtspBin::new(settings).map(Reader::Gst)
            }
            Source::Lens(lens) => {
                let weak_sink = sink.downgrade();
                let encodes = Box::new(move |name: &str| {
                    if let Some(sink) = weak_sink.upgrade() {
                        sink.encodes(name);
                    }
                });
                LensBin::new(bin::Settings { lens, options, runtime, clock, encodes }).map(Reader::Lens)
            }
            source => Ok(Reader::Own(RtspSrc::new(Settings { source, options, runtime, clock, sound_dropped }))),
        }
    }

    fn element(&self) -> &gst::Element {
        match self {
            Reader::Own(element) => element.upcast_ref(),
            Reader::Gst(element) => element.upcast_ref(),
            Reader::Lens(element) => element.upcast_ref(),
        }
    }

    /// Ends it and waits until nothing is left of it.
    async fn halt(&self) {
        match self {
            Reader::Own(element) => element.halt().await,
            Reader::Gst(element) => element.halt().await,
            Reader::Lens(element) => element.halt().await,
        }
    }
}

async fn supervise(
    pipeline: gst::Pipeline,
    source: Reader,
    sink: Sink,
    mut ends: mpsc::Receiver<IngestEnd>,
    shutdown: Shutdown,
    [ending, done]: [watch::Sender<Option<IngestEnd>>; 2],
) {
    let end = tokio::select! {
        biased;
        Some(end) = ends.recv() => end,
        () = shutdown.wait() => IngestEnd::stopped(),
    };
    let _ = ending.send(Some(end.clone())); // nobody wants to know yet
    // In this order nothing is pushed while the pads are shut, so this never waits for a lock that a push holds.
    source.halt().await;
    sink.finish();
    let stopping = pipeline.clone();
    let stop = move || {
        if let Err(error) = stopping.set_state(gst::State::Null) {
            tracing::error!(%error, "a pipeline did not stop");
        }
    };
    match source {
        Reader::Own(_) => stop(),
        // What is GStreamer's may hang, and would take the runtime's timers with it.
        Reader::Gst(_) | Reader::Lens(_) => drop(tokio::task::spawn_blocking(stop).await),
    }
    drop((pipeline, source, sink, ends));
    let _ = done.send(Some(end));
}
