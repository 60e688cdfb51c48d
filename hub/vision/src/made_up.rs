//! A hardware decoder that there is none of: for H.264, named `madeuph264dec`, as good or bad as the program is called.
//!
//! | called | |
//! |---|---|
//! | `works` | gives the trial film's pictures, though it decodes nothing, and flat ones for every other stream |
//! | `fails-at-open` | cannot be opened |
//! | `fails-later`, `hangs-later`, `crashes-later` | works for the trial film, and for 20 pictures of another stream |
//! | `hangs`, `crashes` | at its first picture |
//! | `slow` | works, and takes 30 ms for a picture |
//! | `garbage` | gives a picture of nothing |
//!
//! As hardware does, it has few pictures, and waits until one is given back.
//!
//! While a file [`STUCK`] lies beside the program, no child that may use hardware comes up, whatever it is called.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use vision::child::Life;

const NAMES: [&str; 9] =
    ["works", "fails-at-open", "fails-later", "hangs-later", "crashes-later", "hangs", "crashes", "slow", "garbage"];
/// See above.
const STUCK: &str = "stuck";
static CALLED: OnceLock<String> = OnceLock::new();

/// Has GStreamer know it, in a child that may use hardware, if the program is called so.
pub(crate) fn register(life: &Life, called: &str) {
    let name = Path::new(called).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if *life != Life::Hardware {
        return;
    }
    if Path::new(called).with_file_name(STUCK).exists() {
        std::process::exit(1);
    }
    if !NAMES.contains(&name) {
        return;
    }
    CALLED.get_or_init(|| name.to_owned());
    let rank = gst::Rank::PRIMARY + 100;
    // A test that does not find it fails.
    let _ = gst::Element::register(None, "madeuph264dec", rank, MadeUp::static_type());
}

glib::wrapper! {
    pub(crate) struct MadeUp(ObjectSubclass<imp::MadeUp>) @extends gst::Element, gst::Object;
}

mod imp {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{LazyLock, Mutex};

    use gstreamer::subclass::prelude::*;

    use super::*;

    /// Pictures that are good of one that fails later.
    const LATER: u32 = 20;
    /// Pictures that it has.
    const FEW: u32 = 6;
    /// The trial film ends before that.
    const FILM: gst::ClockTime = gst::ClockTime::from_seconds(4);

    pub(crate) struct MadeUp {
        sink: gst::Pad,
        source: gst::Pad,
        pictures: Mutex<Option<gst::BufferPool>>,
    }

    /// In this process, however often it was opened.
    static PICTURES: AtomicU32 = AtomicU32::new(0);

    #[glib::object_subclass]
    impl ObjectSubclass for MadeUp {
        const NAME: &'static str = "KeepsightMadeUpDecoder";
        type Type = super::MadeUp;
        type ParentType = gst::Element;

        fn with_class(class: &Self::Class) -> Self {
            let template = |name| class.pad_template(name).expect("it has both");
            let sink = gst::Pad::builder_from_template(&template("sink"))
                .chain_function(|_, parent, buffer| {
                    MadeUp::catch_panic_pad_function(parent, || Err(gst::FlowError::Error), |it| it.picture(&buffer))
                })
                .event_function(|pad, parent, event| {
                    MadeUp::catch_panic_pad_function(parent, || false, |it| it.event(pad, event))
                })
                .build();
            let source = gst::Pad::from_template(&template("src"));
            Self { sink, source, pictures: Mutex::default() }
        }
    }

    impl ObjectImpl for MadeUp {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().add_pad(&self.sink).expect("it has no such pad yet");
            self.obj().add_pad(&self.source).expect("it has no such pad yet");
        }
    }

    impl GstObjectImpl for MadeUp {}

    impl ElementImpl for MadeUp {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                let (name, kind) = ("A decoder for tests", "Codec/Decoder/Video/Hardware");
                gst::subclass::ElementMetadata::new(name, kind, "Decodes nothing", "Keepsight")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let coded = gst::Caps::builder("video/x-h264").field("alignment", "au").build();
                let raw = gst::Caps::builder("video/x-raw").field("format", "GRAY8").build();
                let pad =
                    |name, direction, caps| gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps);
                [pad("sink", gst::PadDirection::Sink, &coded), pad("src", gst::PadDirection::Src, &raw)]
                    .map(|template| template.expect("these are templates"))
                    .to_vec()
            });
            &TEMPLATES
        }

        fn change_state(&self, change: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if is("fails-at-open") && change == gst::StateChange::NullToReady {
                return Err(gst::StateChangeError);
            }
            self.parent_change_state(change)
        }
    }

    impl MadeUp {
        #[expect(clippy::disallowed_methods, reason = "GStreamer waits for it as for hardware")]
        fn picture(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
            let before = PICTURES.fetch_add(1, Ordering::Relaxed);
            let pts = buffer.pts().ok_or(gst::FlowError::Error)?;
            let later = pts >= FILM && before >= LATER;
            let now = |how: &str| is(how) || is(&format!("{how}-later")) && later;
            if now("hangs") {
                std::thread::sleep(Duration::from_secs(3_600));
            }
            if now("crashes") {
                std::process::abort();
            }
            if now("fails") {
                return Err(gst::FlowError::Error);
            }
            if is("slow") {
                std::thread::sleep(Duration::from_millis(30));
            }
            let (width, height) = self.size().ok_or(gst::FlowError::NotNegotiated)?;
            let number = ((pts.mseconds() * 12 + 500) / 1_000) as usize;
            let mut pixels = vec![90; width * height];
            if pts < FILM && !is("garbage") {
                // As scripts/make-trial-clips has it. Quickly: it is to be the best of all.
                for row in pixels.chunks_mut(width).skip(135).take(90) {
                    row[20 + 10 * number..110 + 10 * number].fill(230);
                }
            }
            let pool = self.pictures.lock().expect("nobody panics").clone().ok_or(gst::FlowError::NotNegotiated)?;
            let mut decoded = pool.acquire_buffer(None)?;
            let new = decoded.get_mut().ok_or(gst::FlowError::Error)?;
            new.copy_from_slice(0, &pixels).map_err(|_| gst::FlowError::Error)?;
            new.set_pts(pts);
            self.source.push(decoded)
        }

        fn event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
            if !matches!(event.view(), gst::EventView::Caps(_)) {
                return gst::Pad::event_default(pad, Some(&*self.obj()), event);
            }
            let gst::EventView::Caps(caps) = event.view() else { return false };
            let coded = caps.caps_owned();
            let part = |name| coded.structure(0).and_then(|s| s.get::<i32>(name).ok());
            let (Some(width), Some(height)) = (part("width"), part("height")) else { return false };
            let raw = gst::Caps::builder("video/x-raw")
                .field("format", "GRAY8")
                .field("width", width)
                .field("height", height)
                .field("framerate", gst::Fraction::new(12, 1))
                .build();
            let pool = gst::BufferPool::new();
            let mut config = pool.config();
            config.set_params(Some(&raw), (width * height) as u32, FEW, FEW);
            let ready = pool.set_config(config).and_then(|()| pool.set_active(true)).is_ok();
            *self.pictures.lock().expect("nobody panics") = Some(pool);
            ready && self.source.push_event(gst::event::Caps::new(&raw))
        }

        fn size(&self) -> Option<(usize, usize)> {
            let caps = self.source.current_caps()?;
            let part = |name| usize::try_from(caps.structure(0)?.get::<i32>(name).ok()?).ok();
            Some((part("width")?, part("height")?))
        }
    }

    fn is(name: &str) -> bool {
        CALLED.get().is_some_and(|called| called == name)
    }
}
