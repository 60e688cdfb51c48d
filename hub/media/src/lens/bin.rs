//! `keepsightlens`: the element that reads a camera of this machine, and encodes its pictures where it does not itself.
//!
//! Times are the camera's: those of the capture, relative to the first key picture. A task watches that pictures come, and where
//! the camera gives some and the encoder none, that is the encoder's fault.
//!
//! Locks, held for a moment and never while anything is pushed or a state is changed: `flow`; `task`, for its handle.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base::clock::timeout;
use base::footage::VIDEO_TIMESCALE;
use base::{Mono, SharedClock, Shutdown};
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::encode::{self, Pictures};
use super::offer::{self, Made};
use super::{Driver, Lens};
use crate::align::Align;
use crate::codec::{self, VideoConfig};
use crate::elements::codings::{is_h264_parameters, without_parameters};
use crate::elements::flow::stamped;
use crate::elements::rtspsrc::{nothing, segment};
use crate::elements::watch::Watch;
use crate::elements::{CAT, answer_latency};
use crate::end::{EndReason, IngestEnd};
use crate::ingest::MediaError;
use crate::source::Options;
use crate::writer::rescale;

glib::wrapper! {
    /// The source element.
    pub struct LensBin(ObjectSubclass<imp::LensBin>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

/// Name of the element that is the camera.
const CAMERA: &str = "camera";
/// Pictures that wait for the encoder; older ones are left out.
const WAITING: u32 = 3;
/// An encoder that is given so many pictures, in so long, and gives none hangs. A few are always on their way.
const HANGS: Duration = Duration::from_secs(3);
const HANGS_AT: u64 = 10;
/// An encoder that leaves out more than half of so many pictures does not keep up.
const SLOW_OF: u64 = 100;
/// GStreamer stops within a second; what hangs is left to the end of the process.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
const NS: i64 = 1_000_000_000;

/// What the element needs to know.
pub(crate) struct Settings {
    pub lens: Lens,
    pub options: Options,
    pub runtime: Handle,
    pub clock: SharedClock,
    /// Called at most once, before the first picture, with the encoder's name: the camera's pictures are encoded here.
    pub encodes: Box<dyn Fn(&str) + Send + Sync>,
}

impl LensBin {
    /// A source that opens its camera when it is set to PLAYING.
    ///
    /// # Errors
    /// The element that reads such cameras is not installed.
    pub(crate) fn new(settings: Settings) -> Result<Self, MediaError> {
        let (element, package) = settings.lens.driver.element();
        let camera = gst::ElementFactory::make(element)
            .name(CAMERA)
            .build()
            .map_err(|_| MediaError::Missing { element, package })?;
        match &settings.lens.driver {
            Driver::V4l2(device) => camera.set_property("device", device),
            Driver::Libcamera(Some(name)) => camera.set_property("camera-name", name),
            Driver::Libcamera(None) => {}
        }
        let bin: Self = glib::Object::new();
        camera.set_locked_state(true); // until its pictures have somewhere to go
        bin.add(&camera).map_err(MediaError::Pipeline)?;
        let _ = bin.imp().settings.set(Arc::new(settings)); // the only time
        Ok(bin)
    }

    /// Stops and waits until nothing is left.
    pub(crate) async fn halt(&self) {
        let (task, settings) = {
            let imp = self.imp();
            imp.shutdown.trigger();
            let task = imp.task.lock().unwrap_or_else(PoisonError::into_inner).take();
            (task, imp.settings.get().cloned())
        };
        let Some(settings) = settings else { return };
        let bin = self.clone();
        let stop = async move {
            if let Some(task) = task
                && let Err(error) = task.await
            {
                tracing::error!(%error, "a camera's task broke");
            }
            tokio::task::spawn_blocking(move || {
                bin.set_locked_state(true);
                bin.set_state(gst::State::Null).map(drop)
            })
            .await
        };
        if !matches!(timeout(&*settings.clock, STOP_TIMEOUT, stop).await, Some(Ok(Ok(())))) {
            tracing::error!("GStreamer's source did not stop");
        }
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct LensBin {
        pub(super) settings: OnceLock<Arc<Settings>>,
        flow: Mutex<Flow>,
        /// Pictures that the encoder was to be given.
        offered: AtomicU64,
        pub(super) shutdown: Shutdown,
        pub(super) task: Mutex<Option<JoinHandle<()>>>,
    }

    #[derive(Default)]
    struct Flow {
        align: Option<Align>,
        /// From when its camera was opened.
        watch: Option<Watch>,
        video: Option<VideoConfig>,
        shown: bool,
        ended: bool,
        /// The encoder's pictures, and where it was at the last count.
        made: u64,
        counted: (u64, u64),
        /// When it gave its newest picture, or was begun to be watched; and how many it had been given by then.
        newest: Option<(Mono, u64)>,
        /// Its name, if there is one.
        encoder: Option<String>,
    }

    impl LensBin {
        fn flow(&self) -> MutexGuard<'_, Flow> {
            self.flow.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// Tells why it ended, the first time.
        fn end(&self, end: IngestEnd) {
            if !std::mem::replace(&mut self.flow().ended, true) {
                gst::debug!(CAT, imp = self, "ended: {end:?}");
                end.post(&*self.obj());
            }
        }

        /// Opens the camera, and makes all that its pictures go through.
        fn open(&self) -> Result<(), IngestEnd> {
            let bin = self.obj();
            let broken = |error: glib::BoolError| IngestEnd::new(EndReason::Error, error.to_string());
            let settings = self.settings.get().expect("set when it was made");
            let lens = &settings.lens;
            let camera = bin.by_name(CAMERA).expect("added when it was made");
            let closed = || IngestEnd::new(EndReason::Unreachable, "It cannot be opened");
            camera.set_state(gst::State::Ready).map_err(|_| closed())?;
            let pad = camera.static_pad("src").ok_or_else(closed)?;
            let offered = pad.query_caps(None);
            gst::debug!(CAT, imp = self, "the camera offers {offered}");
            let Some(chosen) = offer::choose(&offered, &lens.wish) else {
                return Err(IngestEnd::new(
                    EndReason::Unsupported,
                    "It gives neither H.264 nor JPEG nor plain pictures",
                ));
            };
            let asked = encode::make("capsfilter")?;
            asked.set_property("caps", &chosen.caps);
            let mut chain = vec![camera.clone(), asked];
            match chosen.made {
                Made::H264 => chain.extend(encode::parse()?),
                Made::Raw | Made::Jpeg => {
                    let Some(encoder) = &lens.encoder else {
                        let missing = MediaError::Missing { element: "x264enc", package: "gstreamer1.0-plugins-ugly" };
                        return Err(missing.into());
                    };
                    let rate = encode::make("videorate")?;
                    rate.set_property("drop-only", true);
                    rate.set_property("max-rate", i32::from(chosen.fps));
                    chain.extend([rate, self.waiting()?]);
                    if chosen.made == Made::Jpeg {
                        chain.push(decoder()?);
                    }
                    let pictures = Pictures::new((chosen.width, chosen.height), chosen.fps, lens.wish.kbit);
                    chain.extend(encode::chain(&encoder.name, pictures)?);
                    self.flow().encoder = Some(encoder.name.clone());
                    (settings.encodes)(&encoder.name);
                }
            }
            bin.add_many(&chain[1..]).map_err(broken)?;
            gst::Element::link_many(&chain).map_err(broken)?;
            let last = chain.last().and_then(|element| element.static_pad("src")).ok_or_else(closed)?;
            self.stamp(&last);
            let template = bin.pad_template("video").expect("it is of this element");
            let pad = gst::GhostPad::builder_from_template_with_target(&template, &last)
                .map_err(broken)?
                .name("video")
                .query_function(|pad, parent, query| {
                    answer_latency(query) || gst::Pad::query_default(pad, parent, query)
                })
                .build();
            pad.set_active(true).map_err(broken)?;
            bin.add_pad(&pad).map_err(broken)?;
            bin.no_more_pads();
            self.flow().watch = Some(Watch::new(settings.options.clone(), settings.clock.mono()));
            // From the end, so that nothing is pushed into what does not run yet.
            camera.set_locked_state(false);
            for element in chain.iter().rev() {
                element.sync_state_with_parent().map_err(broken)?;
            }
            Ok(())
        }

        /// Where pictures wait for the encoder, and are counted.
        fn waiting(&self) -> Result<gst::Element, MediaError> {
            let queue = encode::make("queue")?;
            queue.set_property("max-size-buffers", WAITING);
            queue.set_property("max-size-bytes", 0u32);
            queue.set_property("max-size-time", 0u64);
            queue.set_property_from_str("leaky", "downstream");
            let weak = self.obj().downgrade();
            if let Some(pad) = queue.static_pad("sink") {
                pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                    if let Some(bin) = weak.upgrade() {
                        bin.imp().offered.fetch_add(1, Ordering::Relaxed);
                    }
                    gst::PadProbeReturn::Ok
                });
            }
            Ok(queue)
        }

        /// Gives pictures their place, and takes what GStreamer says of times.
        fn stamp(&self, pad: &gst::Pad) {
            let weak = self.obj().downgrade();
            let kinds = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
            pad.add_probe(kinds, move |_, info| {
                let Some(bin) = weak.upgrade() else { return gst::PadProbeReturn::Handled };
                let imp = bin.imp();
                match &mut info.data {
                    Some(gst::PadProbeData::Buffer(buffer)) => match imp.picture(buffer) {
                        true => gst::PadProbeReturn::Ok,
                        false => gst::PadProbeReturn::Handled,
                    },
                    Some(gst::PadProbeData::Event(event)) => {
                        match event.view() {
                            gst::EventView::Caps(caps) => imp.flow().video = codec::video_from_caps(caps.caps()).ok(),
                            gst::EventView::Segment(_) => *event = segment(),
                            gst::EventView::Eos(_) => {
                                imp.end(IngestEnd::new(EndReason::Closed, "It gives no more pictures"));
                                return gst::PadProbeReturn::Handled;
                            }
                            _ => {}
                        }
                        gst::PadProbeReturn::Ok
                    }
                    _ => gst::PadProbeReturn::Ok,
                }
            });
        }

        /// A picture, as the sink is to be given it; `false`: it is none, or from before the first key picture.
        fn picture(&self, buffer: &mut gst::Buffer) -> bool {
            let Some(settings) = self.settings.get() else { return false };
            let now = settings.clock.mono();
            let mut flow = self.flow();
            let Some(pts) = buffer.pts() else { return false };
            let (key, cleaned) = {
                let Ok(unit) = buffer.map_readable() else { return false };
                let seen = flow.video.as_ref().and_then(|config| codec::inspect(config, &unit).ok().flatten());
                (seen.is_some_and(|seen| seen.key), without_parameters(&unit, is_h264_parameters))
            };
            flow.made += 1;
            flow.newest = Some((now, self.offered.load(Ordering::Relaxed)));
            if let Some(watch) = &mut flow.watch {
                watch.notice_standstill(now);
                watch.picture(now, key);
            }
            let ns = i64::try_from(pts.nseconds()).unwrap_or(i64::MAX);
            let npt = rescale(ns.saturating_add(NS / i64::from(VIDEO_TIMESCALE) / 2), VIDEO_TIMESCALE.into(), NS);
            let Some(at) = flow.align.get_or_insert_with(|| Align::new(1)).picture(npt, now, key) else { return false };
            flow.shown = true;
            drop(flow);
            let unit = cleaned.map_or_else(|| buffer.clone(), gst::Buffer::from_slice);
            let placed = stamped(unit, at, VIDEO_TIMESCALE, key);
            placed.map(|placed| *buffer = placed).is_some()
        }

        /// Does the encoder make pictures of what it is given?
        fn look_at_encoder(&self, now: Mono) -> Result<(), IngestEnd> {
            let spare = self.settings.get().and_then(|s| s.lens.encoder.as_ref()).is_some_and(|encoder| encoder.spare);
            let offered = self.offered.load(Ordering::Relaxed);
            let mut flow = self.flow();
            let Some(name) = flow.encoder.clone() else { return Ok(()) };
            let (offered_before, made_before) = flow.counted;
            let (newest, offered_then) = *flow.newest.get_or_insert((now, offered));
            if now >= newest + HANGS && offered >= offered_then + HANGS_AT {
                return Err(IngestEnd::new(EndReason::Encoder, format!("{name} gives no pictures")));
            }
            if offered - offered_before >= SLOW_OF {
                let slow = (flow.made - made_before) * 2 < offered - offered_before;
                flow.counted = (offered, flow.made);
                if slow && spare {
                    return Err(IngestEnd::new(EndReason::Encoder, format!("{name} does not keep up")));
                }
            }
            Ok(())
        }

        /// An error of an element within, sorted.
        fn sort(&self, error: &gst::message::Error) -> IngestEnd {
            let flow = self.flow();
            let said = error.error().message().trim_end_matches('.').chars().take(200).collect::<String>();
            let camera = self.obj().by_name(CAMERA);
            if camera
                .is_some_and(|camera| error.src().is_some_and(|src| *src == camera || src.has_as_ancestor(&camera)))
            {
                return match error.error().kind::<gst::ResourceError>() {
                    Some(gst::ResourceError::Busy) => IngestEnd::new(EndReason::Unreachable, "Something else uses it"),
                    Some(_) if flow.watch.is_none() => self.absent(said),
                    Some(_) => IngestEnd::new(EndReason::Closed, said),
                    None if flow.shown => IngestEnd::new(EndReason::Closed, said),
                    None => IngestEnd::new(EndReason::Unsupported, said),
                };
            }
            match &flow.encoder {
                Some(name) => IngestEnd::new(EndReason::Encoder, format!("{name}: {said}")),
                None => IngestEnd::new(EndReason::Broken, said),
            }
        }

        /// A camera that cannot be opened: what is there instead.
        fn absent(&self, said: String) -> IngestEnd {
            let lens = self.settings.get().map(|settings| &settings.lens.driver);
            let detail = match lens {
                Some(Driver::V4l2(device)) if !std::path::Path::new(device).exists() => {
                    let there = cameras_here();
                    match there.is_empty() {
                        true => format!("There is no {device}, and no other camera on this machine"),
                        false => format!("There is no {device}; there is {}", there.join(", ")),
                    }
                }
                _ => said,
            };
            IngestEnd::new(EndReason::Unreachable, detail)
        }

        /// Opens the camera, and then watches that pictures come.
        async fn run(bin: glib::WeakRef<super::LensBin>, settings: Arc<Settings>, shutdown: Shutdown) {
            let clock = &settings.clock;
            let Some(strong) = bin.upgrade() else { return };
            let opened = tokio::task::spawn_blocking(move || strong.imp().open());
            let opened = tokio::select! {
                () = shutdown.wait() => return,
                opened = timeout(&**clock, settings.options.connect_timeout, opened) => opened,
            };
            let failed = match opened {
                Some(Ok(Ok(()))) => None,
                Some(Ok(Err(end))) => Some(end),
                Some(Err(_)) => Some(IngestEnd::new(EndReason::Error, "It cannot be opened")),
                None => Some(IngestEnd::new(EndReason::Stalled, "It does not open")),
            };
            if let (Some(end), Some(bin)) = (failed, bin.upgrade()) {
                return bin.imp().end(end);
            }
            loop {
                let Some(strong) = bin.upgrade() else { return };
                let Some(at) = strong.imp().flow().watch.as_ref().map(Watch::rings) else { return };
                let at = at.min(clock.mono() + HANGS / 4);
                tokio::select! {
                    biased;
                    () = shutdown.wait() => return,
                    () = clock.sleep_until(at) => {}
                }
                let now = clock.mono();
                let looked = strong.imp().look_at_encoder(now).and_then(|()| strong.imp().look(now));
                match looked {
                    Ok(None) => {}
                    Ok(Some(since_start)) => {
                        if let Some(pad) = strong.static_pad("video") {
                            pad.push_event(nothing(since_start));
                        }
                    }
                    Err(end) => return strong.imp().end(end),
                }
            }
        }

        /// Does the camera still give pictures? What the sink is to be told, if anything: how long after the start it is.
        fn look(&self, now: Mono) -> Result<Option<Duration>, IngestEnd> {
            let mut flow = self.flow();
            let shown = flow.shown;
            let Some(watch) = &mut flow.watch else { return Ok(None) };
            if now >= watch.rings() {
                watch.notice_standstill(now);
            }
            let tell = now >= watch.rings() && watch.rang(now) && shown;
            watch.patience(now, shown, false)?;
            Ok(tell.then(|| watch.since_start(now)))
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LensBin {
        const NAME: &'static str = "KeepsightLens";
        type Type = super::LensBin;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for LensBin {}

    impl GstObjectImpl for LensBin {}

    impl ElementImpl for LensBin {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Keepsight camera of this machine",
                    "Source/Video",
                    "Reads a camera on USB or a ribbon cable, and encodes its pictures where it does not itself",
                    "Keepsight",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let (direction, presence) = (gst::PadDirection::Src, gst::PadPresence::Sometimes);
                let template = gst::PadTemplate::new("video", direction, presence, &gst::Caps::new_any());
                vec![template.expect("a sometimes template with any caps")]
            });
            &TEMPLATES
        }

        fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::PausedToPlaying {
                let settings = self.settings.get().cloned().ok_or(gst::StateChangeError)?;
                let run = Self::run(self.obj().downgrade(), settings.clone(), self.shutdown.clone());
                // The camera's clock and its zero are set by the parent's part.
                let changed = self.parent_change_state(transition)?;
                let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
                task.get_or_insert_with(|| settings.runtime.spawn(run));
                return Ok(changed);
            }
            self.parent_change_state(transition)
        }

        fn query(&self, query: &mut gst::QueryRef) -> bool {
            answer_latency(query) || self.parent_query(query)
        }
    }

    impl BinImpl for LensBin {
        /// Runs in the thread of the element that says something.
        fn handle_message(&self, message: gst::Message) {
            match message.view() {
                gst::MessageView::Error(error)
                    if message.src().is_some_and(|src| src != self.obj().upcast_ref::<gst::Object>()) =>
                {
                    gst::debug!(CAT, imp = self, "{error:?}");
                    let end = self.sort(error);
                    self.end(end);
                }
                _ => self.parent_handle_message(message.clone()),
            }
        }
    }
}

/// JPEG's: cameras on USB send one that is cut short now and then.
fn decoder() -> Result<gst::Element, MediaError> {
    let decoder = encode::make("jpegdec")?;
    if decoder.has_property("max-errors") {
        decoder.set_property("max-errors", -1);
    }
    Ok(decoder)
}

/// Cameras that the kernel knows, such as `/dev/video0 (HD Webcam)`.
fn cameras_here() -> Vec<String> {
    let entries = std::fs::read_dir("/sys/class/video4linux").into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .filter_map(|entry| {
            // A camera has further nodes, for what is said of its pictures.
            let first = std::fs::read_to_string(entry.path().join("index")).ok()?.trim() == "0";
            let name = std::fs::read_to_string(entry.path().join("name")).ok()?;
            let name: String = name.trim().chars().take(60).collect();
            first.then(|| format!("/dev/{} ({name})", entry.file_name().to_string_lossy()))
        })
        .collect();
    all.sort();
    all
}
