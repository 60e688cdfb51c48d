//! `keepsightrtspbin`: a camera that our own source cannot read, read by GStreamer's `rtspsrc`.
//!
//! ```text
//! rtspsrc ── depayloader ── parser ── caps ──▶ video
//!        └── depayloader ── parser ── caps ──▶ audio
//! ```
//!
//! Dearer than our own (some threads, and several times the processor time per packet), and with the same qualities:
//! times are the camera's, not GStreamer's: each packet's is written over as it leaves the jitter buffer, and both tracks
//! are aligned by the rules of `align.rs`. A task watches that pictures come. Every end is told once, sorted by its reason.
//!
//! Locks, in this order: `streams`, while pads are made; `flow`, held for a moment and never while anything is pushed or a
//! state is changed; `task`, for its handle.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base::clock::timeout;
use base::footage::Track;
use base::{SharedClock, Shutdown};
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::flow::{Flow, track_of};
use super::rtspsrc::{begin, nothing, segment};
use super::{CAT, answer_latency};
use crate::end::{EndReason, IngestEnd};
use crate::ingest::MediaError;
use crate::source::{Options, Rtsp, Way};

glib::wrapper! {
    /// The source element.
    pub struct RtspBin(ObjectSubclass<imp::RtspBin>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

/// How long datagrams that come out of order, or are missing, are waited for. Those in order wait for nothing.
const REORDER_MS: u32 = 200;
/// Room for the datagrams of a key picture while the hub sees to something else. The kernel gives what it allows.
const UDP_BUFFER_BYTES: i32 = 2 << 20;
/// What a person is told of a transport that the camera refuses.
const NOT_OFFERED: &str = "It does not send its packets in this way";
/// GStreamer stops within a second; a part of it that hangs is left behind, and the camera tried again.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What the element needs to know.
pub(crate) struct Settings {
    pub source: Rtsp,
    pub options: Options,
    pub runtime: Handle,
    pub clock: SharedClock,
    /// What the sink takes as pictures and as sound.
    pub takes: [gst::Caps; 2],
    /// Called at most once, before any pad is there, with the name of sound that cannot be kept.
    pub sound_dropped: Box<dyn Fn(&str) + Send + Sync>,
    /// Called at most once, after the first picture, with the fingerprint of a certificate that nothing vouches for.
    pub certificate: Box<dyn Fn(&str) + Send + Sync>,
}

impl RtspBin {
    /// A source that connects when it is set to PLAYING.
    ///
    /// # Errors
    /// A part of GStreamer is missing.
    pub(crate) fn new(settings: Settings) -> Result<Self, MediaError> {
        // rtspsrc itself would go on without these, and fail later and obscurely.
        for part in ["rtpbin", "udpsrc"] {
            make(part)?;
        }
        let rtspsrc = make("rtspsrc")?;
        if settings.source.url.scheme() == "rtsps" && !has_tls() {
            return Err(MediaError::Missing { element: "TLS", package: "glib-networking" });
        }
        let bin: Self = glib::Object::new();
        configure(&rtspsrc, &settings);
        bin.add(&rtspsrc).map_err(MediaError::Pipeline)?;
        bin.imp().listen(&rtspsrc);
        let _ = bin.imp().settings.set(Arc::new(settings)); // the only time
        Ok(bin)
    }

    /// Stops and waits until nothing is left: no thread, no connection, nothing that is pushed.
    pub(crate) async fn halt(&self) {
        let (task, settings) = {
            let imp = self.imp();
            imp.shutdown.trigger();
            let task = imp.task.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
            (task, imp.settings.get().cloned())
        };
        if let Some(task) = task
            && let Err(error) = task.await
        {
            tracing::error!(%error, "a camera's task broke");
        }
        let bin = self.clone();
        // Waits for GStreamer's threads, and up to 100 ms for the camera's answer to TEARDOWN.
        let stop = tokio::task::spawn_blocking(move || {
            bin.set_locked_state(true);
            bin.set_state(gst::State::Null).map(drop)
        });
        let stopped = match settings {
            Some(settings) => timeout(&*settings.clock, STOP_TIMEOUT, stop).await,
            None => Some(stop.await),
        };
        if !matches!(stopped, Some(Ok(Ok(())))) {
            tracing::error!("GStreamer's source did not stop");
        }
    }
}

/// Makes an element.
fn make(name: &'static str) -> Result<gst::Element, MediaError> {
    gst::ElementFactory::make(name)
        .build()
        .map_err(|_| MediaError::Missing { element: name, package: package_of(name) })
}

/// Has GLib, on which rtspsrc stands, somebody to do TLS for it?
fn has_tls() -> bool {
    // SAFETY: both may be called at any time and from any thread; the backend is GLib's own and is never freed.
    unsafe { gio_sys::g_tls_backend_supports_tls(gio_sys::g_tls_backend_get_default()) != 0 }
}

/// Debian's package that brings an element.
fn package_of(element: &str) -> &'static str {
    match element {
        "h264parse" | "h265parse" | "jpegparse" | "opusparse" => "gstreamer1.0-plugins-bad",
        _ => "gstreamer1.0-plugins-good",
    }
}

fn configure(rtspsrc: &gst::Element, settings: &Settings) {
    let Rtsp { url, credentials, way, .. } = &settings.source;
    rtspsrc.set_property("location", url.as_str());
    if let Some(credentials) = credentials {
        rtspsrc.set_property("user-id", &credentials.username);
        rtspsrc.set_property("user-pw", credentials.password());
    }
    rtspsrc.set_property_from_str(
        "protocols",
        match way {
            Way::Own | Way::Tcp => "tcp",
            Way::Udp => "udp",
            Way::Multicast => "udp-mcast",
        },
    );
    let datagrams = matches!(way, Way::Udp | Way::Multicast);
    // Only RTP times: any other mode rewrites them. They are written over anyway, but not what the modes drop.
    rtspsrc.set_property_from_str("buffer-mode", "none");
    rtspsrc.set_property("latency", if datagrams { REORDER_MS } else { 0 });
    rtspsrc.set_property("udp-buffer-size", UDP_BUFFER_BYTES);
    rtspsrc.set_property("do-retransmission", false);
    // Without datagrams it would ask for TCP by itself. Who chooses is the supervisor, and the watch sees that none come.
    rtspsrc.set_property("timeout", 0u64);
    rtspsrc.set_property("tcp-timeout", settings.options.connect_timeout.as_micros() as u64);
    rtspsrc.set_property("user-agent", "Keepsight");
    rtspsrc.set_property("ignore-x-server-reply", true); // an address that the camera names instead of its own
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct RtspBin {
        pub(super) settings: OnceLock<Arc<Settings>>,
        flow: Mutex<Flow>,
        /// Held while a stream's elements and pads are made: those of picture and sound may begin at once, in two threads.
        streams: Mutex<()>,
        /// The camera agreed to play.
        plays: Notify,
        pub(super) shutdown: Shutdown,
        pub(super) task: Mutex<Option<JoinHandle<()>>>,
    }

    impl RtspBin {
        pub(super) fn flow(&self) -> MutexGuard<'_, Flow> {
            self.flow.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
        }

        /// Tells why it ended, the first time.
        fn end(&self, end: IngestEnd) {
            if !std::mem::replace(&mut self.flow().ended, true) {
                gst::debug!(CAT, imp = self, "ended: {end:?}");
                end.post(&*self.obj());
            }
        }

        pub(super) fn listen(&self, rtspsrc: &gst::Element) {
            // rtspsrc is within the bin: what it calls must not hold the bin.
            let weak = self.obj().downgrade();
            rtspsrc.connect("select-stream", false, move |args| {
                let (id, caps) = (args[1].get::<u32>().ok()?, args[2].get::<gst::Caps>().ok()?);
                let bin = weak.upgrade()?;
                let imp = bin.imp();
                let takes = &imp.settings.get()?.takes;
                let selected = caps.structure(0).is_some_and(|rtp| imp.flow().select(id, rtp, takes));
                Some(selected.to_value())
            });
            let weak = self.obj().downgrade();
            rtspsrc.connect_pad_added(move |_, pad| {
                if let Some(bin) = weak.upgrade()
                    && let Err(end) = bin.imp().stream(pad)
                {
                    bin.imp().end(end);
                }
            });
            let weak = self.obj().downgrade();
            rtspsrc.connect("new-manager", false, move |args| {
                let weak = weak.clone();
                let rtpbin = args[1].get::<gst::Element>().ok()?;
                rtpbin.connect("new-jitterbuffer", false, move |args| {
                    let (rtpbin, id) = (args[0].get::<gst::Element>().ok()?, args[2].get::<u32>().ok()?);
                    listen_for_reports(&rtpbin, id, weak.clone());
                    None
                });
                None
            });
            let weak = self.obj().downgrade();
            rtspsrc.connect("accept-certificate", false, move |args| {
                let certificate = args[2].get::<glib::Object>().ok()?;
                Some(weak.upgrade().is_some_and(|bin| bin.imp().accept(&certificate)).to_value())
            });
        }

        /// Is this certificate, for which no authority vouches, the camera's? The first one is, later the same one.
        fn accept(&self, certificate: &glib::Object) -> bool {
            let Some(settings) = self.settings.get() else { return false };
            let Some(der) = certificate.property::<Option<glib::ByteArray>>("certificate") else { return false };
            let Some(fingerprint) = glib::compute_checksum_for_data(glib::ChecksumType::Sha256, &der) else {
                return false;
            };
            let mut flow = self.flow();
            match &settings.source.certificate {
                Some(expected) => flow.untrusted = *expected != fingerprint,
                None => flow.certificate = Some(fingerprint.into()),
            }
            !flow.untrusted
        }

        /// A stream's packets begin to come.
        fn stream(&self, pad: &gst::Pad) -> Result<(), IngestEnd> {
            let _one_at_a_time = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            let bin = self.obj();
            let broken = |error: glib::BoolError| IngestEnd::new(EndReason::Error, error.to_string());
            let settings = self.settings.get().expect("set when it was made");
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            let Some((rtp, track)) = caps.structure(0).and_then(|rtp| Some((rtp, track_of(rtp)?))) else {
                return Ok(());
            };
            let (coding, described, sound) = {
                let mut flow = self.flow();
                if let Some(end) = flow.no_picture() {
                    return Err(end);
                }
                flow.plays(&settings.options, settings.clock.mono());
                flow.packets_from(track, rtp.get::<u32>("clock-base").ok());
                let Some(chosen) = flow.chosen(track) else { return Ok(()) };
                let sound = flow.chosen(Track::Audio).and_then(|chosen| chosen.described.clone());
                (chosen.coding, chosen.described.clone(), sound)
            };
            self.plays.notify_one();
            self.stamp(pad, track);

            // The sink must know that there will be sound before the first picture comes.
            let first = bin.src_pads().is_empty();
            if first {
                if let Some(encoding) = self.flow().dropped() {
                    (settings.sound_dropped)(&encoding);
                }
                if let Some(caps) = sound {
                    self.output(Track::Audio, Some(caps)).map_err(broken)?;
                }
                self.output(Track::Video, None).map_err(broken)?;
            }
            let name = name_of(track);
            let output = match bin.static_pad(name).and_then(|pad| pad.downcast::<gst::GhostPad>().ok()) {
                Some(output) => output,
                None => self.output(track, described).map_err(broken)?,
            };
            // The camera may begin anew with another source of packets: they take the place of the old ones.
            let sink = match bin.by_name(name) {
                Some(first) => first.static_pad("sink"),
                None => {
                    let (sink, src) = unpack(&bin, name, coding.elements, &coding.caps())?;
                    output.set_target(Some(&src)).map_err(broken)?;
                    Some(sink)
                }
            };
            let sink = sink.ok_or_else(|| IngestEnd::new(EndReason::Error, "A depayloader has no pad"))?;
            if let Some(old) = sink.peer() {
                old.unlink(&sink).map_err(broken)?;
            }
            pad.link(&sink).map_err(|e| IngestEnd::new(EndReason::Error, format!("Two elements do not fit: {e}")))?;
            Ok(())
        }

        /// Gives the packets of a pad their own times.
        fn stamp(&self, pad: &gst::Pad, track: Track) {
            let weak = self.obj().downgrade();
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                let Some(bin) = weak.upgrade() else { return gst::PadProbeReturn::Handled };
                let Some(buffer) = info.buffer_mut() else { return gst::PadProbeReturn::Ok };
                let stamped = match buffer.map_readable() {
                    Ok(packet) => bin.imp().flow().packet(track, &packet),
                    Err(_) => Ok(None),
                };
                match stamped {
                    Ok(Some(pts)) => {
                        let buffer = buffer.make_mut();
                        buffer.set_pts(pts);
                        buffer.set_dts(gst::ClockTime::NONE);
                        gst::PadProbeReturn::Ok
                    }
                    Ok(None) => gst::PadProbeReturn::Handled,
                    Err(end) => {
                        bin.imp().end(end);
                        gst::PadProbeReturn::Handled
                    }
                }
            });
        }

        /// Adds the pad for a track, with its caps if they are known.
        fn output(&self, track: Track, caps: Option<gst::Caps>) -> Result<gst::GhostPad, glib::BoolError> {
            let name = name_of(track);
            let template = self.obj().pad_template(name).expect("both templates are of this element");
            let (weak, for_events) = (self.obj().downgrade(), self.obj().downgrade());
            let described = caps.is_some();
            let pad = gst::GhostPad::builder_from_template(&template)
                .name(name)
                .proxy_pad_chain_function(move |_, _, buffer| {
                    let bin = weak.upgrade().ok_or(gst::FlowError::Flushing)?;
                    match track {
                        Track::Video => bin.imp().picture(buffer),
                        Track::Audio => bin.imp().sound(buffer),
                    }
                })
                .proxy_pad_event_function(move |_, _, event| {
                    if let Some(bin) = for_events.upgrade() {
                        bin.imp().event(track, described, event);
                    }
                    true
                })
                .query_function(|pad, parent, query| {
                    answer_latency(query) || gst::Pad::query_default(pad, parent, query)
                })
                .build();
            pad.set_active(true)?;
            self.obj().add_pad(&pad)?;
            begin(pad.upcast_ref(), caps);
            Ok(pad)
        }

        fn picture(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            let settings = self.settings.get().ok_or(gst::FlowError::Flushing)?;
            let buffer = {
                let mut flow = self.flow();
                if flow.ended {
                    return Err(gst::FlowError::Flushing);
                }
                flow.picture(buffer, settings.clock.mono())
            };
            if let Some(buffer) = buffer {
                self.push(Track::Video, buffer)?;
                let certificate = {
                    let mut flow = self.flow();
                    flow.shown().then(|| flow.certificate.clone()).flatten()
                };
                if let Some(fingerprint) = certificate {
                    (settings.certificate)(&fingerprint);
                }
            }
            Ok(gst::FlowSuccess::Ok)
        }

        fn sound(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            let settings = self.settings.get().ok_or(gst::FlowError::Flushing)?;
            let buffers = {
                let mut flow = self.flow();
                if flow.ended {
                    return Err(gst::FlowError::Flushing);
                }
                flow.sound(buffer, settings.clock.mono())
            };
            buffers.into_iter().try_for_each(|buffer| self.push(Track::Audio, buffer))?;
            Ok(gst::FlowSuccess::Ok)
        }

        fn push(&self, track: Track, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
            let pad = self.obj().static_pad(name_of(track)).ok_or(gst::FlowError::Flushing)?;
            pad.push(buffer).map(drop)
        }

        /// Of what GStreamer says along a stream only the parameters and the end count: times are our own.
        fn event(&self, track: Track, described: bool, event: gst::Event) {
            match event.view() {
                gst::EventView::Caps(caps) => {
                    let Some(pad) = self.obj().static_pad(name_of(track)) else { return };
                    if track == Track::Video {
                        self.flow().parameters(caps.caps());
                    }
                    let first = !described && !pad.has_current_caps();
                    pad.push_event(event);
                    if first {
                        pad.push_event(segment());
                    }
                }
                // All tracks end with the connection, and the sound may do so before the last picture is through.
                gst::EventView::Eos(_) if track == Track::Video => {
                    self.end(IngestEnd::new(EndReason::Closed, "The camera closed the connection"));
                }
                _ => {}
            }
        }

        /// An error of an element within, sorted.
        fn sort(&self, error: &gst::message::Error) -> IngestEnd {
            let flow = self.flow();
            if flow.untrusted {
                return IngestEnd::new(EndReason::Untrusted, "Its certificate is not the one that it showed first");
            }
            if let Some(end) = flow.no_picture() {
                return end;
            }
            // Of some requests rtspsrc tells the status in its words only, "Error (406): Not Acceptable".
            let in_words = || words(error).strip_prefix("Error (")?.split(')').next()?.parse().ok();
            let in_details = error.details().and_then(|d| d.get::<u32>("rtsp-status-code").ok());
            let status = in_details.or_else(in_words);
            if let Some(status) = status {
                let reason = match status {
                    401 | 403 => EndReason::Unauthorised,
                    406 | 461 => EndReason::NoTransport,
                    500.. => EndReason::Error,
                    _ => EndReason::Unreachable,
                };
                return match reason {
                    EndReason::NoTransport => IngestEnd::new(reason, format!("{NOT_OFFERED} (status {status})")),
                    _ => IngestEnd::new(reason, format!("It answered with status {status}")),
                };
            }
            // rtspsrc takes a 461 as a question, and says so when it has nothing else to ask for, of all streams or of one.
            // The words are not translated.
            let nothing_left = error.debug().is_some_and(|debug| debug.contains("no protocols left"));
            if nothing_left || error.error().matches(gst::StreamError::CodecNotFound) {
                return IngestEnd::new(EndReason::NoTransport, format!("{NOT_OFFERED} (status 461)"));
            }
            let gerror = error.error();
            let plays = flow.rings().is_some();
            let reason = match gerror.kind::<gst::ResourceError>() {
                Some(gst::ResourceError::NotAuthorized) => EndReason::Unauthorised,
                Some(_) if plays => EndReason::Closed,
                Some(_) => EndReason::Unreachable,
                None if gerror.is::<gst::StreamError>() && plays => EndReason::Broken,
                None => EndReason::Error,
            };
            IngestEnd::new(reason, words(error))
        }

        /// Watches that the camera answers, and then that pictures come.
        async fn watch(bin: glib::WeakRef<super::RtspBin>, settings: Arc<Settings>, shutdown: Shutdown) {
            let clock = &settings.clock;
            let answer_by = clock.mono() + settings.options.connect_timeout;
            loop {
                let Some(strong) = bin.upgrade() else { return };
                let at = strong.imp().flow().rings().unwrap_or(answer_by);
                tokio::select! {
                    biased;
                    () = shutdown.wait() => return,
                    () = strong.imp().plays.notified() => continue,
                    () = clock.sleep_until(at) => {}
                }
                let now = clock.mono();
                let looked = {
                    let mut flow = strong.imp().flow();
                    match flow.rings() {
                        None if now >= answer_by => {
                            let seconds = settings.options.connect_timeout.as_secs();
                            let detail = format!("There was no answer within {seconds} seconds");
                            Err(IngestEnd::new(EndReason::Unreachable, detail))
                        }
                        _ => flow.look(now),
                    }
                };
                match looked {
                    Ok(None) => {}
                    Ok(Some(since_start)) => {
                        if let Some(pad) = strong.static_pad(name_of(Track::Video)) {
                            pad.push_event(nothing(since_start));
                        }
                    }
                    Err(end) => return strong.imp().end(end),
                }
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for RtspBin {
        const NAME: &'static str = "KeepsightRtspBin";
        type Type = super::RtspBin;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for RtspBin {}

    impl GstObjectImpl for RtspBin {}

    impl ElementImpl for RtspBin {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "Keepsight RTSP source by GStreamer",
                    "Source/Network",
                    "Reads an RTSP camera by datagrams, or within TLS, with rtspsrc",
                    "Keepsight",
                )
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let sometimes = |track| {
                    let (direction, presence) = (gst::PadDirection::Src, gst::PadPresence::Sometimes);
                    gst::PadTemplate::new(name_of(track), direction, presence, &gst::Caps::new_any())
                        .expect("a sometimes template with any caps")
                };
                vec![sometimes(Track::Video), sometimes(Track::Audio)]
            });
            &TEMPLATES
        }

        fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::PausedToPlaying {
                let settings = self.settings.get().cloned().ok_or(gst::StateChangeError)?;
                let watch = Self::watch(self.obj().downgrade(), settings.clone(), self.shutdown.clone());
                let mut task = self.task.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                task.get_or_insert_with(|| settings.runtime.spawn(watch));
            }
            self.parent_change_state(transition)
        }

        fn query(&self, query: &mut gst::QueryRef) -> bool {
            answer_latency(query) || self.parent_query(query)
        }
    }

    impl BinImpl for RtspBin {
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
                gst::MessageView::Progress(progress) => {
                    // rtspsrc tells that PLAY was answered; with datagrams nothing else shows it.
                    let (kind, code, text) = progress.get();
                    if kind == gst::ProgressType::Complete
                        && code == "request"
                        && text.contains("PLAY")
                        && let Some(settings) = self.settings.get()
                    {
                        let mut flow = self.flow();
                        flow.plays(&settings.options, settings.clock.mono());
                        let end = flow.no_picture();
                        drop(flow);
                        self.plays.notify_one();
                        end.into_iter().for_each(|end| self.end(end));
                    }
                    self.parent_handle_message(message.clone());
                }
                _ => self.parent_handle_message(message.clone()),
            }
        }
    }
}

fn name_of(track: Track) -> &'static str {
    match track {
        Track::Video => "video",
        Track::Audio => "audio",
    }
}

/// Calls with each RTCP packet of a session, which is a stream's.
fn listen_for_reports(rtpbin: &gst::Element, id: u32, weak: glib::WeakRef<RtspBin>) {
    let session = rtpbin.emit_by_name::<Option<glib::Object>>("get-internal-session", &[&id]);
    let Some(session) = session else { return };
    session.connect("on-receiving-rtcp", false, move |args| {
        let (bin, buffer) = (weak.upgrade()?, args[1].get::<gst::Buffer>().ok()?);
        let packet = buffer.map_readable().ok()?;
        let mut flow = bin.imp().flow();
        if let Some(track) = flow.track(id) {
            flow.report(track, &packet);
        }
        None
    });
}

/// The elements that unpack a stream, the first of them named as the track: their first and last pad.
fn unpack(
    bin: &RtspBin,
    name: &str,
    elements: &[&'static str],
    caps: &gst::Caps,
) -> Result<(gst::Pad, gst::Pad), IngestEnd> {
    let broken = |error: glib::BoolError| IngestEnd::new(EndReason::Error, error.to_string());
    let missing = |error: MediaError| IngestEnd::new(EndReason::Missing, error.to_string());
    let mut chain = elements.iter().map(|element| make(element)).collect::<Result<Vec<_>, _>>().map_err(missing)?;
    let filter = make("capsfilter").map_err(missing)?;
    filter.set_property("caps", caps);
    chain.push(filter);
    chain[0].set_property("name", name);
    bin.add_many(&chain).map_err(broken)?;
    gst::Element::link_many(&chain).map_err(broken)?;
    // From the end, so that nothing is pushed into what does not run yet.
    for element in chain.iter().rev() {
        element.sync_state_with_parent().map_err(broken)?;
    }
    let pad = |element: Option<&gst::Element>, name| element.and_then(|e| e.static_pad(name));
    pad(chain.first(), "sink")
        .zip(pad(chain.last(), "src"))
        .ok_or_else(|| IngestEnd::new(EndReason::Error, "An element has no pad"))
}

/// What an element says, for a person: the last line of what it says for programmers, without the place in its code.
fn words(error: &gst::message::Error) -> String {
    let debug = error.debug();
    let line =
        debug.as_deref().and_then(|debug| debug.lines().skip(1).last()).map(str::trim).filter(|line| !line.is_empty());
    let line = line.map_or_else(|| error.error().message().to_owned(), str::to_owned);
    line.chars().take(200).collect::<String>().trim_end_matches('.').to_owned()
}
