//! `keepsightrtspsrc`: a camera that speaks RTSP, read by retina on a tokio runtime that all cameras share.
//!
//! Sometimes pads `video` and `audio`. The task starts when the element plays and ends by itself with an error
//! message ([`IngestEnd`] in its details), or when the element leaves PAUSED or [`RtspSrc::halt`] is called.
//! Lock: one, for the settings and the task's handle, never held while anything is pushed.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use base::clock::{Sleep, timeout};
use base::footage::VIDEO_TIMESCALE;
use base::{Mono, SharedClock, Shutdown};
use futures::FutureExt;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use retina::client::SessionGroup;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::watch::Watch;
use super::{CAT, answer_latency, sim};
use crate::align::Align;
use crate::codec;
use crate::connect::connect;
use crate::end::{EndReason, IngestEnd};
use crate::session::{Item, Parameters, Playing};
use crate::source::{Options, Source};
use crate::writer::rescale;

glib::wrapper! {
    /// The source element.
    pub struct RtspSrc(ObjectSubclass<imp::RtspSrc>) @extends gst::Element, gst::Object;
}

/// How long the camera's answer to TEARDOWN is waited for. Closing the connection follows in any case.
const TEARDOWN_TIMEOUT: Duration = Duration::from_secs(1);
/// Sound that came before the first picture waits for it, at most this much: 4 s of AAC at 16 kHz, 1.3 s of packets of
/// 20 ms.
const EARLY_SOUNDS: usize = 64;

/// What the element needs to know.
pub(crate) struct Settings {
    /// A camera, or the clip within the hub.
    pub source: Source,
    pub options: Options,
    pub runtime: Handle,
    pub clock: SharedClock,
    /// Called at most once, before any pad is there, with the name of sound that cannot be kept.
    pub sound_dropped: Box<dyn Fn(&str) + Send + Sync>,
}

impl RtspSrc {
    /// A source that starts when it is set to PLAYING.
    pub(crate) fn new(settings: Settings) -> Self {
        let source: Self = glib::Object::new();
        source.imp().lock().settings = Some(Arc::new(settings));
        source
    }

    /// Ends the task and waits until it is gone, with its connection and its file descriptor. To be called before the
    /// element leaves PAUSED, so that nothing is pushed into pads that are being shut.
    pub(crate) async fn halt(&self) {
        let task = {
            let mut state = self.imp().lock();
            state.shutdown.trigger();
            state.task.take()
        };
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "a camera's task broke");
        }
    }
}

/// Reads from the camera until it ends or is stopped.
async fn run(element: RtspSrc, settings: Arc<Settings>, shutdown: Shutdown) {
    let group = Arc::new(SessionGroup::default());
    let end = tokio::select! {
        biased;
        () = shutdown.wait() => None,
        // What a hostile camera sends goes through code that is not ours: a panic there is an end like any other.
        end = AssertUnwindSafe(pump(&element, &settings, group.clone())).catch_unwind() => Some(
            end.unwrap_or_else(|_| IngestEnd::new(EndReason::Error, "What it sends cannot be read")),
        ),
    };
    // The session is dropped now, and retina says goodbye to the camera in a task of its own.
    if let Some(end) = end {
        gst::debug!(CAT, obj = element, "ended: {end:?}");
        end.post(&element);
        if end.reason == EndReason::Stalled {
            return; // it will not answer the goodbye either; retina gives up on it, and on its connection, after 5 s
        }
    }
    if let Some(Err(error)) = timeout(&*settings.clock, TEARDOWN_TIMEOUT, group.await_teardown()).await {
        tracing::debug!(%error, "the camera did not answer the goodbye");
    }
}

async fn pump(element: &RtspSrc, settings: &Settings, group: Arc<SessionGroup>) -> IngestEnd {
    let Settings { source, options, clock, .. } = settings;
    let source = match source {
        Source::Rtsp(rtsp) => rtsp,
        Source::Sim => return sim::play(element, settings).await,
        Source::Lens(_) => return IngestEnd::new(EndReason::Error, "It is no camera of the network"), // see `Reader::new`
    };
    let playing = match connect(source, &group, clock, options).await {
        Ok(playing) => playing,
        Err(end) => return end,
    };
    if let Some(encoding) = &playing.dropped {
        (settings.sound_dropped)(encoding);
    }
    match Pump::new(element, settings, playing) {
        Ok(pump) => pump.run().await,
        Err(error) => IngestEnd::new(EndReason::Error, error.to_string()),
    }
}

/// One connection, from its first frame on.
struct Pump<'a> {
    settings: &'a Settings,
    session: Playing,
    align: Align,
    video: gst::Pad,
    audio: Option<gst::Pad>,
    audio_rate: u32,
    parameters: Option<Parameters>,
    /// Sound that came before the first key picture: normal play time and data.
    early: Vec<(i64, Vec<u8>)>,
    watch: Watch,
    /// When the timer rings.
    rings: Mono,
    timer: Sleep,
}

/// Why pushing went no further; the sink has said so itself, or the pipeline is being stopped.
fn refused(error: gst::FlowError) -> IngestEnd {
    IngestEnd::new(EndReason::Error, format!("The recorder took no more: {error}"))
}

impl<'a> Pump<'a> {
    fn new(element: &RtspSrc, settings: &'a Settings, session: Playing) -> Result<Self, glib::BoolError> {
        let (rtp_rate, audio_rate) =
            session.audio.as_ref().map_or((1, 1), |(sound, rtp_rate)| (*rtp_rate, sound.config().params.sample_rate));
        let video = add_pad(element, "video")?;
        let audio = session.audio.as_ref().map(|_| add_pad(element, "audio")).transpose()?;
        element.no_more_pads();
        if let (Some(pad), Some((sound, _))) = (&audio, &session.audio) {
            begin(pad, Some(sound.caps()));
        }
        begin(&video, None); // its caps come with the first key picture
        let watch = Watch::new(settings.options.clone(), settings.clock.mono());
        let rings = watch.rings();
        Ok(Self {
            settings,
            session,
            align: Align::new(rtp_rate),
            video,
            audio,
            audio_rate,
            parameters: None,
            early: Vec::new(),
            watch,
            rings,
            timer: settings.clock.sleep_until(rings),
        })
    }

    async fn run(mut self) -> IngestEnd {
        loop {
            let item = tokio::select! {
                biased; // the timer first: a camera that floods the hub with what is no picture does not stop it
                () = &mut self.timer => None,
                item = self.session.next() => Some(item),
            };
            self.watch.notice_standstill(self.settings.clock.mono());
            let result = match item {
                None => self.nothing_came(),
                Some(item) => item.and_then(|item| self.item(item)),
            };
            let now = self.settings.clock.mono();
            if let Err(end) = result.and_then(|()| self.watch.patience(now, self.align.begun(), false)) {
                if self.session.sound_ended {
                    self.settings.options.pace.sound_ended(now);
                }
                return end;
            }
            if self.rings != self.watch.rings() {
                self.set_timer();
            }
        }
    }

    fn item(&mut self, item: Item) -> Result<(), IngestEnd> {
        let now = self.settings.clock.mono();
        match item {
            Item::Picture { npt, key, parameters, data } => {
                self.watch.picture(now, key);
                self.picture(npt, key, parameters, data, now)
            }
            Item::Sound { npt, data } => {
                self.align.sound(npt, now);
                if self.align.begun() {
                    return self.push_sound(npt, data);
                }
                if self.early.len() == EARLY_SOUNDS {
                    self.early.remove(0);
                }
                self.early.push((npt, data));
                Ok(())
            }
            Item::Report { track, ntp, npt } => {
                self.align.report(track, ntp, npt);
                Ok(())
            }
        }
    }

    fn picture(
        &mut self,
        npt: i64,
        key: bool,
        parameters: Option<Parameters>,
        data: Vec<u8>,
        now: Mono,
    ) -> Result<(), IngestEnd> {
        if let Some(parameters) = parameters
            && self.parameters.as_ref() != Some(&parameters)
        {
            self.video.push_event(gst::event::Caps::new(&parameters.caps()));
            if self.parameters.is_none() {
                self.video.push_event(segment());
            }
            self.parameters = Some(parameters);
        }
        // Without parameters not even a key picture can be shown.
        if key {
            self.watch.readable(now, self.parameters.is_some());
        }
        let key = key && self.parameters.is_some();
        let Some(pts) = self.align.picture(npt, now, key) else { return Ok(()) };
        push(&self.video, pts, VIDEO_TIMESCALE, key, data)?;
        for (npt, data) in std::mem::take(&mut self.early) {
            self.push_sound(npt, data)?;
        }
        Ok(())
    }

    fn push_sound(&self, npt: i64, data: Vec<u8>) -> Result<(), IngestEnd> {
        let (Some(pad), Some(ticks)) = (&self.audio, self.align.place(npt)) else { return Ok(()) };
        // RTP's clock is the sampling rate but for a few odd cameras.
        let ticks = rescale(ticks, self.audio_rate.into(), self.align.audio_rate());
        push(pad, ticks, self.audio_rate, true, data)
    }

    /// The timer rang: the sink is told if it was for long enough.
    fn nothing_came(&mut self) -> Result<(), IngestEnd> {
        let now = self.settings.clock.mono();
        if self.watch.rang(now) && self.align.begun() {
            self.video.push_event(nothing(self.watch.since_start(now)));
        }
        self.set_timer();
        Ok(())
    }

    fn set_timer(&mut self) {
        self.rings = self.watch.rings();
        self.timer = self.settings.clock.sleep_until(self.rings);
    }
}

pub(super) fn add_pad(element: &RtspSrc, name: &str) -> Result<gst::Pad, glib::BoolError> {
    let template = element.pad_template(name).expect("both templates are of this element");
    let pad = gst::Pad::builder_from_template(&template)
        .name(name)
        .query_function(|pad, parent, query| answer_latency(query) || gst::Pad::query_default(pad, parent, query))
        .build();
    pad.set_active(true)?;
    element.add_pad(&pad)?;
    Ok(pad)
}

/// Stream start, and if the caps are known also they and the segment: in this order and before any data.
pub(super) fn begin(pad: &gst::Pad, caps: Option<gst::Caps>) {
    let id = format!("keepsight/{}", pad.name());
    pad.push_event(gst::event::StreamStart::builder(&id).group_id(gst::GroupId::next()).build());
    if let Some(caps) = caps {
        pad.push_event(gst::event::Caps::new(&caps));
        pad.push_event(segment());
    }
}

/// Tells the sink that no picture has come for a while.
pub(crate) fn nothing(since_start: Duration) -> gst::Event {
    let at = gst::ClockTime::from_nseconds(since_start.as_nanos() as u64);
    gst::event::Gap::builder(at).build()
}

pub(crate) fn segment() -> gst::Event {
    gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())
}

/// Pushes one unit. What would come before media time 0 is left out.
pub(super) fn push(pad: &gst::Pad, ticks: i64, rate: u32, key: bool, data: Vec<u8>) -> Result<(), IngestEnd> {
    let Ok(nanoseconds) = u64::try_from(rescale(ticks, 1_000_000_000, rate.into())) else { return Ok(()) };
    let mut buffer = gst::Buffer::from_slice(data);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::from_nseconds(nanoseconds));
        if !key {
            buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
    }
    pad.push(buffer).map(|_| ()).map_err(refused)
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct RtspSrc {
        state: Mutex<State>,
    }

    #[derive(Default)]
    pub(super) struct State {
        pub settings: Option<Arc<Settings>>,
        pub shutdown: Shutdown,
        pub task: Option<JoinHandle<()>>,
    }

    impl RtspSrc {
        pub(super) fn lock(&self) -> MutexGuard<'_, State> {
            self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        fn start(&self) -> Result<(), gst::StateChangeError> {
            let mut state = self.lock();
            let settings = state.settings.clone().ok_or(gst::StateChangeError)?;
            if state.task.is_none() {
                state.shutdown = Shutdown::new();
                let task = run(self.obj().clone(), settings.clone(), state.shutdown.clone());
                state.task = Some(settings.runtime.spawn(task));
            }
            Ok(())
        }

        fn stop(&self) {
            let mut state = self.lock();
            state.shutdown.trigger();
            state.task = None; // who wants to wait for it has called `halt`
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for RtspSrc {
        const NAME: &'static str = "KeepsightRtspSrc";
        type Type = super::RtspSrc;
        type ParentType = gst::Element;
    }

    impl ObjectImpl for RtspSrc {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_element_flags(gst::ElementFlags::SOURCE);
        }
    }

    impl GstObjectImpl for RtspSrc {}

    impl ElementImpl for RtspSrc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Keepsight RTSP source",
                    "Source/Network",
                    "Reads an RTSP camera over TCP without a thread of its own",
                    "Keepsight",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let sometimes = |name: &str, caps: gst::Caps| {
                    gst::PadTemplate::new(name, gst::PadDirection::Src, gst::PadPresence::Sometimes, &caps)
                        .expect("a sometimes template with any caps")
                };
                vec![sometimes("video", codec::video_template()), sometimes("audio", codec::audio_template())]
            });
            &TEMPLATES
        }

        fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::PausedToReady {
                self.stop();
            }
            let success = self.parent_change_state(transition)?;
            match transition {
                gst::StateChange::PausedToPlaying => self.start()?,
                gst::StateChange::PausedToReady => {
                    for pad in self.obj().src_pads() {
                        let _ = self.obj().remove_pad(&pad); // fails only if it is gone already
                    }
                }
                // Live: there is nothing to wait for in PAUSED.
                gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
                    return Ok(gst::StateChangeSuccess::NoPreroll);
                }
                _ => {}
            }
            Ok(success)
        }

        /// The element's own answer to events from outside: the default of a source with no task of GStreamer's
        /// would lose an end of stream.
        fn send_event(&self, event: gst::Event) -> bool {
            match event.type_() {
                gst::EventType::Eos => {
                    let pads = self.obj().src_pads();
                    self.stop();
                    pads.iter().all(|pad| pad.push_event(event.clone()))
                }
                _ => self.parent_send_event(event),
            }
        }

        fn query(&self, query: &mut gst::QueryRef) -> bool {
            answer_latency(query) || self.parent_query(query)
        }
    }
}
