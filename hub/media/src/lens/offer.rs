//! What a camera of this machine offers, and what of it is taken.

use gstreamer as gst;

use super::Wish;

/// What comes from the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Made {
    /// Coded by the camera: nothing is left to do.
    H264,
    /// Pixels.
    Raw,
    /// To be decoded, and encoded.
    Jpeg,
}

/// What is asked of the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// One size and rate of what it offers.
    pub caps: gst::Caps,
    pub made: Made,
    pub width: u16,
    pub height: u16,
    /// Pictures a second, at most: where the camera gives more, the rest is left out before it is encoded.
    pub fps: u16,
}

/// What it is to be where nobody says it: of what the camera codes itself as much as other cameras give; of what this machine has
/// to encode what a small board can.
const CODED: ((u16, u16), u16) = ((1_920, 1_080), 30);
const ENCODED: ((u16, u16), u16) = ((1_280, 720), 15);

/// Of all that is offered the one that comes nearest to what is wanted. What gives two thirds of the pictures goes first, then what
/// the camera codes, then the size (too small before too large), then all of the pictures, then what takes less work. `None`: nothing of it can be recorded.
pub(crate) fn choose(offered: &gst::CapsRef, wish: &Wish) -> Option<Chosen> {
    let all = offered
        .iter_with_features()
        .filter(|(_, features)| features.is_equal(gst::CAPS_FEATURES_MEMORY_SYSTEM_MEMORY.as_ref()));
    let fixed = all.filter_map(|(structure, _)| fix(structure, wish));
    fixed.min_by_key(|(cost, _)| *cost).map(|(_, chosen)| chosen)
}

type Cost = (bool, bool, (bool, u32), bool, Made);

fn fix(structure: &gst::StructureRef, wish: &Wish) -> Option<(Cost, Chosen)> {
    let made = match structure.name().as_str() {
        "video/x-h264" => Made::H264,
        "image/jpeg" => Made::Jpeg,
        "video/x-raw" => Made::Raw,
        _ => return None,
    };
    let (size, fps) = if made == Made::H264 { CODED } else { ENCODED };
    let (width, height) = wish.size.unwrap_or(size);
    let fps = wish.fps.unwrap_or(fps);
    let mut fixed = structure.to_owned();
    for (side, wanted) in [("width", width), ("height", height)] {
        match fixed.has_field(side) {
            true => drop(fixed.fixate_field_nearest_int(side, wanted.into())),
            false => fixed.set(side, i32::from(wanted)),
        }
    }
    let wanted = gst::Fraction::new(fps.into(), 1);
    match fixed.has_field("framerate") {
        true => drop(fixed.fixate_field_nearest_fraction("framerate", wanted)),
        false => fixed.set("framerate", wanted),
    }
    let side = |name| fixed.get::<i32>(name).ok().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
    let (w, h) = (side("width")?, side("height")?);
    let rate = fixed.get::<gst::Fraction>("framerate").ok()?;
    // A camera that does not say how many it gives (0/1) is taken at its word later.
    let less_than = |wanted: i32| rate.numer() > 0 && rate.numer() < rate.denom() * wanted;
    let (slow, fewer) = (less_than(i32::from(fps) * 2 / 3), less_than(i32::from(fps)));
    let area = |(w, h): (u16, u16)| u32::from(w) * u32::from(h);
    let (got, want) = (area((w, h)), area((width, height)));
    let cost = (slow, made != Made::H264, (got > want, got.abs_diff(want)), fewer, made);
    let caps = std::iter::once(fixed).collect();
    Some((cost, Chosen { caps, made, width: w, height: h, fps }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(offered: &str, wish: &str) -> Option<(Made, u16, u16, String)> {
        gst::init().unwrap();
        let url = url::Url::parse(&format!("v4l2:/dev/video0?{wish}")).unwrap();
        let wish = super::super::Lens::parse(url).unwrap().wish;
        let chosen = choose(&offered.parse::<gst::Caps>().unwrap(), &wish)?;
        let rate = chosen.caps.structure(0).unwrap().get::<gst::Fraction>("framerate").unwrap();
        Some((chosen.made, chosen.width, chosen.height, format!("{}/{}", rate.numer(), rate.denom())))
    }

    /// What a common webcam says of itself.
    const WEBCAM: &str = "video/x-raw,format=YUY2,width=1920,height=1080,framerate=5/1; \
        video/x-raw,format=YUY2,width=1280,height=720,framerate={10/1,5/1}; \
        video/x-raw,format=YUY2,width=640,height=480,framerate={30/1,15/1}; \
        image/jpeg,width=1920,height=1080,framerate={30/1,15/1}; image/jpeg,width=1280,height=720,framerate=30/1; \
        image/jpeg,width=640,height=480,framerate=30/1";

    #[test]
    fn of_a_webcam_what_is_large_and_quick_enough_is_taken() {
        assert_eq!(chosen(WEBCAM, ""), Some((Made::Jpeg, 1_280, 720, "30/1".into())));
        assert_eq!(
            chosen(&WEBCAM.replace("image/jpeg", "image/png"), ""),
            Some((Made::Raw, 1_280, 720, "10/1".into()))
        );
        assert_eq!(chosen(WEBCAM, "size=640x480"), Some((Made::Raw, 640, 480, "15/1".into())));
        assert_eq!(chosen(WEBCAM, "fps=10"), Some((Made::Raw, 1_280, 720, "10/1".into())));
        assert_eq!(chosen(WEBCAM, "size=1920x1080&fps=5"), Some((Made::Raw, 1_920, 1_080, "5/1".into())));
        assert_eq!(chosen(WEBCAM, "size=1920x1080"), Some((Made::Jpeg, 1_920, 1_080, "15/1".into())));
    }

    #[test]
    fn what_the_camera_codes_itself_goes_first_unless_it_is_too_slow() {
        let h264 = |rate: &str| format!("{WEBCAM}; video/x-h264,width=1920,height=1080,framerate={rate}");
        assert_eq!(chosen(&h264("30/1"), ""), Some((Made::H264, 1_920, 1_080, "30/1".into())));
        assert_eq!(chosen(&h264("2/1"), "").map(|chosen| chosen.0), Some(Made::Jpeg));
    }

    #[test]
    fn of_a_sensor_with_any_size_the_wanted_one_is_taken_and_of_memory_that_nobody_reads_nothing() {
        let sensor = "video/x-raw,format={NV12,I420},width=[32,4608],height=[32,2592]";
        assert_eq!(chosen(sensor, ""), Some((Made::Raw, 1_280, 720, "15/1".into())));
        assert_eq!(chosen(sensor, "size=640x360&fps=5"), Some((Made::Raw, 640, 360, "5/1".into())));
        assert_eq!(chosen("video/x-raw(memory:DMABuf),format=DMA_DRM,width=640,height=480,framerate=30/1", ""), None);
        assert_eq!(chosen("video/x-bayer,width=640,height=480,framerate=30/1", ""), None);
    }
}
