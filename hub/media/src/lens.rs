//! A camera that belongs to this machine: on USB, or a ribbon cable. It gives H.264, or pictures that an encoder here makes it of.
//!
//! ```text
//! v4l2src, libcamerasrc ─┬─ H.264 ───────────────────────────────────┬─ h264parse ──▶ video
//!                        └─ JPEG, raw ── the rate ── queue ── encoder ┘
//! ```
//!
//! It runs in a process of its own (see `isolated`): what a driver or an encoder does wrong ends one connection. The hub tells
//! that process which encoder to take; [`encoders`] is how it knows.

pub(crate) mod bin;
pub(crate) mod encode;
pub(crate) mod encoders;
pub(crate) mod offer;
pub(crate) mod trial;

use url::Url;

use crate::source::BadSource;

/// A camera of this machine, and how its pictures are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lens {
    pub(crate) url: Url,
    pub(crate) driver: Driver,
    pub(crate) wish: Wish,
    /// What to encode with, where that is needed; `None`: nothing is there.
    pub(crate) encoder: Option<Encoder>,
}

/// What the hub says of the encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoder {
    /// GStreamer's name of the element.
    pub name: String,
    /// Another one could be taken instead: one that does not keep up is then no use.
    pub spare: bool,
}

/// Who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Driver {
    /// The kernel: a device file.
    V4l2(String),
    /// libcamera, for sensors without a processor of their own: its name of the camera; `None`: the first.
    Libcamera(Option<String>),
}

/// What a person wants of its pictures; what is not said is chosen by what the camera offers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Width and height in pixels.
    pub size: Option<(u16, u16)>,
    /// Pictures a second.
    pub fps: Option<u16>,
    /// Bits a second of an encoder, in thousands.
    pub kbit: Option<u32>,
}

/// Smallest and largest picture, from side to side.
const PIXELS: std::ops::RangeInclusive<u16> = 64..=4_096;

impl Lens {
    /// From `v4l2:/dev/video0` or `libcamera:NAME`, with or without `?size=1280x720&fps=15&kbit=2000`.
    pub(crate) fn parse(url: Url) -> Result<Self, BadSource> {
        let path = percent_decoded(url.path())?;
        let driver = match url.scheme() {
            _ if url.has_host() || url.fragment().is_some() => return Err(BadSource::NoDevice),
            "v4l2" => match path.strip_prefix("/dev/") {
                Some(name) if !name.is_empty() && !path.split('/').any(|part| part == "..") => Driver::V4l2(path),
                _ => return Err(BadSource::NoDevice),
            },
            _ => Driver::Libcamera(Some(path).filter(|path| !path.is_empty())),
        };
        let mut wish = Wish::default();
        for (key, value) in url.query_pairs() {
            let unknown = || BadSource::Wish(format!("{key}={value}").chars().take(40).collect());
            match &*key {
                "size" => wish.size = Some(size(&value).ok_or_else(unknown)?),
                "fps" => wish.fps = Some(number(&value, 1..=60).ok_or_else(unknown)?),
                "kbit" => wish.kbit = Some(number(&value, 50..=50_000).ok_or_else(unknown)?),
                _ => return Err(unknown()),
            }
        }
        Ok(Self { url, driver, wish, encoder: None })
    }
}

impl Driver {
    /// GStreamer's element, and Debian's package with it.
    pub(crate) fn element(&self) -> (&'static str, &'static str) {
        match self {
            Driver::V4l2(_) => ("v4l2src", "gstreamer1.0-plugins-good"),
            Driver::Libcamera(_) => ("libcamerasrc", "gstreamer1.0-libcamera"),
        }
    }
}

fn percent_decoded(path: &str) -> Result<String, BadSource> {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        (bytes, rest) = match (first, after.get(..2)) {
            (b'%', Some(hex)) => {
                let byte = std::str::from_utf8(hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
                bytes.push(byte.ok_or(BadSource::NoDevice)?);
                (bytes, &after[2..])
            }
            _ => {
                bytes.push(*first);
                (bytes, after)
            }
        };
    }
    String::from_utf8(bytes).map_err(|_| BadSource::NoDevice).and_then(|path| match path.contains('\0') {
        true => Err(BadSource::NoDevice),
        false => Ok(path),
    })
}

/// `1280x720`: even numbers, as encoders want them.
fn size(text: &str) -> Option<(u16, u16)> {
    let (width, height) = text.split_once('x')?;
    let side = |text| number(text, PIXELS).filter(|n| n % 2 == 0);
    Some((side(width)?, side(height)?))
}

fn number<N: std::str::FromStr + PartialOrd>(text: &str, range: std::ops::RangeInclusive<N>) -> Option<N> {
    text.parse().ok().filter(|n| range.contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Lens, BadSource> {
        Lens::parse(Url::parse(text).unwrap())
    }

    #[test]
    fn a_camera_of_this_machine_is_named_by_its_device_or_by_libcameras_name() {
        assert_eq!(parse("v4l2:/dev/video0").unwrap().driver, Driver::V4l2("/dev/video0".into()));
        let by_id = parse("v4l2:/dev/v4l/by-id/usb-A%20camera-video-index0").unwrap();
        assert_eq!(by_id.driver, Driver::V4l2("/dev/v4l/by-id/usb-A camera-video-index0".into()));
        assert_eq!(parse("libcamera:").unwrap().driver, Driver::Libcamera(None));
        let name = "/base/axi/pcie@1000120000/rp1/i2c@80000/imx708@1a";
        assert_eq!(parse(&format!("libcamera:{name}")).unwrap().driver, Driver::Libcamera(Some(name.into())));
        let wish = parse("v4l2:/dev/video2?size=1280x720&fps=15&kbit=1500").unwrap().wish;
        assert_eq!(wish, Wish { size: Some((1_280, 720)), fps: Some(15), kbit: Some(1_500) });
    }

    #[test]
    fn what_names_no_device_and_what_is_wanted_wrongly_is_said() {
        for none in [
            "v4l2:",
            "v4l2:video0",
            "v4l2:/etc/passwd",
            "v4l2://dev/video0",
            "v4l2:/dev/",
            "v4l2:/dev/%2e%2e/mem",
            "libcamera://x/y",
            "v4l2:/dev/video0%00",
        ] {
            assert!(matches!(parse(none), Err(BadSource::NoDevice)), "{none}");
        }
        for wrong in ["size=1280", "size=1281x720", "size=9999x9999", "fps=0", "fps=x", "kbit=1", "colour=red"] {
            let why = parse(&format!("v4l2:/dev/video0?{wrong}")).unwrap_err();
            assert!(matches!(&why, BadSource::Wish(said) if said == wrong), "{wrong}: {why}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_is_read_without_a_panic_and_stays_below_dev(path in "[/a-z%0-9.]{0,30}", query in "[a-z=&x0-9]{0,20}") {
            if let Ok(url) = Url::parse(&format!("v4l2:{path}?{query}"))
                && let Ok(Lens { driver: Driver::V4l2(device), .. }) = Lens::parse(url)
            {
                proptest::prop_assert!(device.starts_with("/dev/") && !device.contains("/../"), "{}", device);
            }
        }
    }
}
