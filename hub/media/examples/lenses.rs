//! A plugin of GStreamer for tests: cameras of this machine, where there are none, and an encoder as good or bad as it is called.
//!
//! `v4l2src` and `libcamerasrc` are these, by the last part of their device's or camera's name:
//!
//! | | |
//! |---|---|
//! | `raw`, `jpeg`, `h264` | gives pictures in this form, 30 a second or fewer, in the sizes of a common webcam |
//! | `busy` | cannot be opened: something else uses it |
//! | `leaves` | as `raw`, and is unplugged after 5 s |
//! | `stops` | as `raw`, and gives no more pictures after 5 s |
//! | else | is not there |
//!
//! `madeuph264enc` says that it is hardware. What `KEEPSIGHT_MADE_UP_ENCODER` holds is what it does; without it, it is not there:
//! `works`, `fails-at-open`, `fails-later`, `hangs`, `hangs-later`, `crashes-later`, `slow`, `slow-later`, `garbage`. Later is after 60 pictures.

#![allow(missing_docs)] // of what plugin_define! makes

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;

gst::plugin_define!(
    lenses,
    "Cameras and encoders that there are none of",
    register,
    "0.1.0",
    "MIT/X11",
    "Keepsight",
    "Keepsight",
    "https://keepsight.invalid"
);

static CALLED: OnceLock<String> = OnceLock::new();

fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    for name in ["v4l2src", "libcamerasrc"] {
        gst::Element::register(Some(plugin), name, gst::Rank::NONE, Camera::static_type())?;
    }
    plugin.add_dependency_simple(Some("KEEPSIGHT_MADE_UP_ENCODER"), None, None, gst::PluginDependencyFlags::empty());
    if let Ok(called) = std::env::var("KEEPSIGHT_MADE_UP_ENCODER") {
        CALLED.get_or_init(|| called);
        gst::Element::register(Some(plugin), "madeuph264enc", gst::Rank::PRIMARY, Encoder::static_type())?;
    }
    Ok(())
}

glib::wrapper! {
    pub struct Camera(ObjectSubclass<camera::Camera>) @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

glib::wrapper! {
    pub struct Encoder(ObjectSubclass<encoder::Encoder>) @extends gst::Bin, gst::Element, gst::Object, @implements gst::ChildProxy;
}

/// A chain of elements, as one would write it for gst-launch.
fn chain(bin: &impl IsA<gst::Bin>, description: &str) -> Result<gst::Bin, gst::StateChangeError> {
    let inside = gst::parse::bin_from_description(description, true).map_err(|_| gst::StateChangeError)?;
    bin.add(&inside).map_err(|_| gst::StateChangeError)?;
    Ok(inside)
}

mod camera {
    use super::*;

    const RAW: &str = "video/x-raw,format=YUY2,width=1280,height=720,framerate={10/1,5/1}; \
        video/x-raw,format=YUY2,width=640,height=360,framerate={30/1,15/1}";
    const JPEG: &str = "image/jpeg,width=1280,height=720,framerate={30/1,15/1}; \
        image/jpeg,width=640,height=360,framerate={30/1,15/1}";
    const H264: &str = "video/x-h264,stream-format=byte-stream,alignment=au,width=640,height=360,framerate=30/1";
    /// Pictures until it leaves or stops: 5 s.
    const UNTIL: u64 = 75;

    #[derive(Default)]
    pub struct Camera {
        name: Mutex<String>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Camera {
        const NAME: &'static str = "KeepsightMadeUpCamera";
        type Type = super::Camera;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for Camera {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                ["device", "camera-name"].map(|name| glib::ParamSpecString::builder(name).build()).to_vec()
            });
            &PROPERTIES
        }

        fn set_property(&self, _: usize, value: &glib::Value, _: &glib::ParamSpec) {
            *self.name.lock().expect("nobody panics") = value.get().expect("it is a string");
        }

        fn property(&self, _: usize, _: &glib::ParamSpec) -> glib::Value {
            self.name.lock().expect("nobody panics").to_value()
        }

        fn constructed(&self) {
            self.parent_constructed();
            let template = self.obj().pad_template("src").expect("it has one");
            let pad = gst::GhostPad::from_template(&template);
            self.obj().add_pad(&pad).expect("it has no such pad yet");
        }
    }

    impl GstObjectImpl for Camera {}

    impl ElementImpl for Camera {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("A camera for tests", "Source/Video", "Sees a ball", "Keepsight")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let any = gst::Caps::new_any();
                let template = gst::PadTemplate::new("src", gst::PadDirection::Src, gst::PadPresence::Always, &any);
                vec![template.expect("it is a template")]
            });
            &TEMPLATES
        }

        fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::NullToReady {
                self.open()?;
            }
            self.parent_change_state(transition)
        }
    }

    impl BinImpl for Camera {}

    impl Camera {
        fn open(&self) -> Result<(), gst::StateChangeError> {
            let bin = self.obj();
            let name = self.name.lock().expect("nobody panics").clone();
            let kind = name.rsplit('/').next().unwrap_or_default().to_owned();
            let (rest, caps) = match kind.as_str() {
                "raw" | "leaves" | "stops" => ("", RAW),
                "jpeg" => ("! jpegenc", JPEG),
                "h264" => ("! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30", H264),
                "busy" => {
                    gst::element_imp_error!(self, gst::ResourceError::Busy, ("Device '{name}' is busy"));
                    return Err(gst::StateChangeError);
                }
                _ => {
                    gst::element_imp_error!(self, gst::ResourceError::NotFound, ("Cannot identify device '{name}'."));
                    return Err(gst::StateChangeError);
                }
            };
            let source = "videotestsrc is-live=true pattern=ball";
            let inside = chain(&*bin, &format!("{source} {rest} ! capsfilter caps=\"{caps}\""))?;
            let from = inside.static_pad("src").ok_or(gst::StateChangeError)?;
            let (weak, given) = (bin.downgrade(), AtomicU64::new(0));
            from.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
                if given.fetch_add(1, Ordering::Relaxed) < UNTIL {
                    return gst::PadProbeReturn::Ok;
                }
                match (kind.as_str(), weak.upgrade()) {
                    ("stops", _) => gst::PadProbeReturn::Handled,
                    ("leaves", Some(camera)) => {
                        gst::element_error!(camera, gst::ResourceError::Read, ("The device was unplugged."));
                        gst::PadProbeReturn::Remove
                    }
                    _ => gst::PadProbeReturn::Ok,
                }
            });
            let pad = bin.static_pad("src").and_downcast::<gst::GhostPad>().ok_or(gst::StateChangeError)?;
            pad.set_target(Some(&from)).map_err(|_| gst::StateChangeError)
        }
    }
}

mod encoder {
    use super::*;

    /// Pictures that are good of one that fails later; the trial has fewer.
    const LATER: u64 = 60;

    #[derive(Default)]
    pub struct Encoder {
        pictures: Arc<AtomicU64>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Encoder {
        const NAME: &'static str = "KeepsightMadeUpEncoder";
        type Type = super::Encoder;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for Encoder {
        fn constructed(&self) {
            self.parent_constructed();
            let bin = self.obj();
            // Less than the one in software that it is compared with.
            let inside =
                "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 threads=1 pass=quant quantizer=45";
            let inside = chain(&*bin, inside).expect("Debian's x264 is there");
            for name in ["sink", "src"] {
                let target = inside.static_pad(name).expect("it has both");
                let template = bin.pad_template(name).expect("it has both");
                let pad = gst::GhostPad::builder_from_template_with_target(&template, &target).expect("they fit");
                bin.add_pad(&pad.build()).expect("it has no such pad yet");
            }
            let (weak, pictures) = (bin.downgrade(), self.pictures.clone());
            let sink = inside.static_pad("sink").expect("it has one");
            sink.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                let number = pictures.fetch_add(1, Ordering::Relaxed);
                match CALLED.get().map_or("", String::as_str) {
                    "hangs" => hang(),
                    "hangs-later" if number >= LATER => hang(),
                    "crashes-later" if number >= LATER => std::process::abort(),
                    "fails-later" if number >= LATER => {
                        if let Some(encoder) = weak.upgrade() {
                            gst::element_error!(encoder, gst::StreamError::Encode, ("The hardware is stuck."));
                        }
                        gst::PadProbeReturn::Handled
                    }
                    "slow-later" if number >= LATER => {
                        std::thread::park_timeout(Duration::from_millis(250));
                        gst::PadProbeReturn::Ok
                    }
                    "slow" => {
                        std::thread::park_timeout(Duration::from_millis(60));
                        gst::PadProbeReturn::Ok
                    }
                    "garbage" => {
                        if let Some(buffer) = info.buffer_mut()
                            && let Ok(mut pixels) = buffer.make_mut().map_writable()
                        {
                            pixels.fill(128);
                        }
                        gst::PadProbeReturn::Ok
                    }
                    _ => gst::PadProbeReturn::Ok,
                }
            });
        }
    }

    fn hang() -> gst::PadProbeReturn {
        loop {
            std::thread::park();
        }
    }

    impl GstObjectImpl for Encoder {}

    impl ElementImpl for Encoder {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                let (name, kind) = ("An encoder for tests", "Codec/Encoder/Video/Hardware");
                gst::subclass::ElementMetadata::new(name, kind, "Is as good as it is called", "Keepsight")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let raw = gst::Caps::builder("video/x-raw").field("format", "I420").build();
                let coded = gst::Caps::builder("video/x-h264").build();
                let pad =
                    |name, direction, caps| gst::PadTemplate::new(name, direction, gst::PadPresence::Always, caps);
                [pad("sink", gst::PadDirection::Sink, &raw), pad("src", gst::PadDirection::Src, &coded)]
                    .map(|template| template.expect("these are templates"))
                    .to_vec()
            });
            &TEMPLATES
        }

        fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
            if transition == gst::StateChange::NullToReady
                && CALLED.get().is_some_and(|called| called == "fails-at-open")
            {
                gst::element_imp_error!(self, gst::ResourceError::OpenReadWrite, ("There is no such device."));
                return Err(gst::StateChangeError);
            }
            self.parent_change_state(transition)
        }
    }

    impl BinImpl for Encoder {}
}
