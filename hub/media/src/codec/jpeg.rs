//! JPEG (ISO/IEC 10918-1), recorded as it is: each picture is whole, and a key picture. In MP4 it is the object type 0x6C
//! of an `esds` (ISO/IEC 14496-1 table 5); browsers do not play that, ffmpeg and GStreamer do.

use base::footage::VideoParams;
use bytes::Bytes;
use gstreamer as gst;

use super::{BadParameters, Picture, VideoConfig, pixels};
use crate::bmff;

/// ISO/IEC 14496-1 table 5: "Visual ISO/IEC 10918-1".
const OBJECT_TYPE: u8 = 0x6c;
/// Visual stream (table 6), reserved bit.
const STREAM_TYPE: u8 = 4 << 2 | 1;

/// Caps of a track of pictures of this size.
pub(crate) fn caps(width: u16, height: u16) -> gst::Caps {
    gst::Caps::builder("image/jpeg").field("width", i32::from(width)).field("height", i32::from(height)).build()
}

/// Template caps: what the sink takes.
pub(crate) fn template() -> gst::Caps {
    gst::Caps::new_empty_simple("image/jpeg")
}

/// Parameters from caps with `width` and `height`.
pub(crate) fn from_caps(s: &gst::StructureRef) -> Result<VideoConfig, BadParameters> {
    Ok(config(pixels(s, "width")?, pixels(s, "height")?))
}

/// See [`VideoConfig::jpeg`].
pub(super) fn config(width: u16, height: u16) -> VideoConfig {
    VideoConfig {
        params: VideoParams { codec: format!("mp4v.{OBJECT_TYPE:X}"), width, height },
        entry: *b"mp4v",
        config_box: *b"esds",
        config: elementary_stream(),
        reorder: 0,
    }
}

/// Content of the `esds` box (ISO/IEC 14496-14 §5.6): version and flags, and the descriptors of a stream whose decoder
/// needs nothing more to begin.
fn elementary_stream() -> Bytes {
    let mut out = vec![0; 4];
    bmff::descriptor(&mut out, 3, |b| {
        b.extend([0, 0, 0]); // ES_ID, flags
        bmff::descriptor(b, 4, |b| {
            b.extend([OBJECT_TYPE, STREAM_TYPE, 0, 0, 0]); // buffer size unknown
            b.extend([0; 8]); // bit rates unknown
        });
        bmff::descriptor(b, 6, |b| b.push(2)); // SL packets as MP4 has them
    });
    out.into()
}

/// Looks at one access unit. `None`: it is no picture.
pub(crate) fn inspect(unit: &[u8]) -> Option<Picture> {
    const START_OF_IMAGE: [u8; 2] = [0xff, 0xd8];
    unit.starts_with(&START_OF_IMAGE).then_some(Picture { key: true, bidirectional: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_a_key_picture_and_rubbish_is_none() {
        assert_eq!(inspect(&[0xff, 0xd8, 0xff]), Some(Picture { key: true, bidirectional: false }));
        assert_eq!(inspect(&[0xff]), None);
        assert_eq!(inspect(b"GIF89a"), None);
    }

    #[test]
    fn a_track_says_what_it_is() {
        let config = config(640, 360);
        assert_eq!((&config.params.codec[..], config.params.width, config.params.height), ("mp4v.6C", 640, 360));
    }
}
