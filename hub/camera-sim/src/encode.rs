//! Encodes clips with GStreamer: pictures with x264, x265 or libjpeg, sound with libav's AAC encoder.

use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use rtsp_server::{Media, rtp};

use crate::SimError;
use crate::options::{self, Audio, CLIP_SECONDS, Codec, Size};
use crate::picture::Painter;

/// AudioSpecificConfig: AAC-LC, 16 kHz, mono (ISO 14496-3 §1.6.2.1).
const AAC_CONFIG: [u8; 2] = [0x14, 0x08];

/// One stream of one camera, as it is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub camera: u16,
    pub codec: Codec,
    pub size: Size,
    pub fps: u32,
    pub kbit: u32,
    pub key_seconds: u32,
    pub audio: Audio,
}

/// A clip's coded units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// NAL units of each picture, in the order of decoding; those of key pictures begin with the parameter sets. A JPEG
    /// picture is one piece.
    pub pictures: Vec<Vec<Bytes>>,
    /// Which place each of them has in the order of showing, from 0.
    pub shown: Vec<u32>,
    /// Frames of sound.
    pub audio: Vec<Bytes>,
}

/// How sound is sent.
pub(crate) struct Sound {
    pub media: Media,
    /// Samples in a frame.
    pub frame_samples: u32,
}

impl Sound {
    /// Frames in a clip: a whole number.
    pub fn frames(&self) -> usize {
        (CLIP_SECONDS * self.media.clock_rate() / self.frame_samples) as usize
    }
}

/// How sound is sent, if there is any.
pub(crate) fn sound(audio: Audio) -> Option<Sound> {
    // Payload types 0 and 8, in packets of 20 ms: RFC 3551 §4.2, §4.5.14.
    let other = |payload_type, rtpmap: &str, fmtp: Option<&str>, clock_rate: u32| {
        let (rtpmap, fmtp) = (rtpmap.to_owned(), fmtp.map(str::to_owned));
        let media = Media::Other { kind: "audio", payload_type, rtpmap, fmtp, clock_rate };
        Some(Sound { media, frame_samples: clock_rate / 50 })
    };
    match audio {
        Audio::Off => None,
        Audio::Aac => {
            let config = Bytes::from_static(&AAC_CONFIG);
            Some(Sound { media: Media::Aac { sample_rate: 16_000, channels: 1, config }, frame_samples: 1_024 })
        }
        Audio::Pcmu => other(0, "PCMU/8000", None, 8_000),
        Audio::Pcma => other(8, "PCMA/8000", None, 8_000),
        // Always two channels and 48 kHz, whatever it holds: RFC 7587 §7.
        Audio::Opus => other(97, "opus/48000/2", Some("sprop-stereo=0"), 48_000),
        Audio::L16 => other(97, "L16/16000", None, 16_000),
    }
}

/// Starts GStreamer, and finds what encoding needs.
pub(crate) fn init(codec: Codec) -> Result<(), SimError> {
    gst::init().map_err(SimError::GStreamer)?;
    let encoder = match codec {
        Codec::H264 | Codec::H264B | Codec::H264Interlaced => ("x264enc", "gstreamer1.0-plugins-ugly"),
        Codec::H265 | Codec::H265Open => ("x265enc", "gstreamer1.0-plugins-bad"),
        Codec::Mjpeg => ("jpegenc", "gstreamer1.0-plugins-good"),
    };
    for (element, package) in [
        encoder,
        ("avenc_aac", "gstreamer1.0-libav"),
        ("audioconvert", "gstreamer1.0-plugins-base"),
        ("opusenc", "gstreamer1.0-plugins-base"),
        ("appsrc", "gstreamer1.0-plugins-base"),
    ] {
        if gst::ElementFactory::find(element).is_none() {
            return Err(SimError::MissingElement { element, package });
        }
    }
    Ok(())
}

/// Encodes a clip; [`init`] must have succeeded. Takes one core for a while.
pub(crate) fn encode(recipe: Recipe) -> Result<Encoded, SimError> {
    let error = |detail| SimError::Encode { camera: options::name(recipe.camera), detail };
    let (pictures, shown) = encode_pictures(recipe).map_err(error)?;
    let audio = match (recipe.audio, sound(recipe.audio)) {
        (Audio::Aac, Some(sound)) => encode_aac(recipe.camera, &sound).map_err(error)?,
        (Audio::Opus, Some(sound)) => encode_opus(recipe.camera, &sound).map_err(error)?,
        (Audio::Pcmu, Some(sound)) => encode_samples(recipe.camera, &sound, |s| [mu_law(s)]),
        (Audio::Pcma, Some(sound)) => encode_samples(recipe.camera, &sound, |s| [a_law(s)]),
        (Audio::L16, Some(sound)) => encode_samples(recipe.camera, &sound, i16::to_be_bytes),
        (Audio::Off, _) | (_, None) => Vec::new(),
    };
    Ok(Encoded { pictures, shown, audio })
}

/// The pictures in the order of decoding, and which place each has in the order of showing.
fn encode_pictures(recipe: Recipe) -> Result<(Vec<Vec<Bytes>>, Vec<u32>), String> {
    let Recipe { codec, size, fps, .. } = recipe;
    let count = fps * CLIP_SECONDS;
    let interlace = match codec {
        Codec::H264Interlaced => "interleaved,field-order=top-field-first",
        _ => "progressive",
    };
    let pipeline = format!(
        "appsrc name=in format=time block=true max-buffers=2 \
         caps=video/x-raw,format=I420,width={},height={},framerate={fps}/1,interlace-mode={interlace},colorimetry=bt601 \
         ! {}",
        size.width(),
        size.height(),
        encoder(recipe),
    );
    let mut painter = Painter::new(recipe.camera, size, fps);
    let coded = run_timed(&pipeline, |frame| {
        let frame = u32::try_from(frame).ok().filter(|f| *f < count)?;
        let picture = in_strides(painter.paint(frame), size);
        Some((picture, gst::ClockTime::SECOND * u64::from(frame) / u64::from(fps)))
    })?;
    // Encoders that reorder move all times, so that no time of decoding is negative.
    let first = coded.iter().filter_map(|(pts, _)| *pts).min().unwrap_or_default();
    let place = |pts: Option<gst::ClockTime>| {
        let since = pts.unwrap_or(first) - first;
        ((since.nseconds() * u64::from(fps) + 500_000_000) / 1_000_000_000) as u32
    };
    let shown: Vec<u32> = coded.iter().map(|(pts, _)| place(*pts)).collect();
    let pictures = units(codec, coded.iter().map(|(_, picture)| &picture[..]));
    check(recipe, &pictures, &shown)?;
    Ok((pictures, shown))
}

/// Encoder and sink. One thread each, as clips are encoded side by side.
fn encoder(recipe: Recipe) -> String {
    let Recipe { codec, kbit, fps, key_seconds, .. } = recipe;
    let key_every = fps * key_seconds;
    let gop = format!("scenecut=0:keyint={key_every}:min-keyint={key_every}");
    // VBV of one second, so that the bitrate is real.
    let x264 = |settings: &str, options: &str| {
        format!(
            "x264enc {settings} threads=1 bitrate={kbit} vbv-buf-capacity=1000 key-int-max={key_every} \
             option-string={gop}:vbv-init=0.3{options} \
             ! appsink name=out sync=false caps=video/x-h264,stream-format=byte-stream,alignment=au"
        )
    };
    let x265 = |settings: &str, options: &str| {
        format!(
            "x265enc {settings} speed-preset=ultrafast bitrate={kbit} key-int-max={key_every} \
             option-string={gop}:log-level=error:info=0:pools=none:frame-threads=1:{options} \
             ! appsink name=out sync=false caps=video/x-h265,stream-format=byte-stream,alignment=au"
        )
    };
    match codec {
        Codec::H264 => x264("speed-preset=ultrafast tune=zerolatency bframes=0", ""),
        Codec::H264B => x264("speed-preset=superfast bframes=3 b-adapt=false", ":b-pyramid=normal:open-gop=0"),
        Codec::H264Interlaced => x264("speed-preset=ultrafast tune=zerolatency bframes=0 interlaced=true", ":tff=1"),
        Codec::H265 => x265("tune=zerolatency", "bframes=0:open-gop=0"),
        Codec::H265Open => x265("", "bframes=3:b-adapt=0:b-pyramid=1:open-gop=1"),
        Codec::Mjpeg => "jpegenc quality=70 ! appsink name=out sync=false".to_owned(),
    }
}

/// A picture with its rows as far apart as GStreamer wants them: multiples of 4.
fn in_strides(picture: Vec<u8>, size: Size) -> Vec<u8> {
    let (width, height) = (size.width() as usize, size.height() as usize);
    if width.is_multiple_of(8) {
        return picture;
    }
    let (luma, chroma) = picture.split_at(width * height);
    let padded = |plane: &[u8], width: usize| -> Vec<u8> {
        let row = |row: &[u8]| [row, &[0; 4][..width.next_multiple_of(4) - width]].concat();
        plane.chunks_exact(width).flat_map(row).collect()
    };
    [padded(luma, width), padded(chroma, width / 2)].concat()
}

/// What a camera sends of coded pictures: no delimiters, no encoder's notes, and the parameter sets with every key picture.
fn units<'a>(codec: Codec, pictures: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<Bytes>> {
    let wanted: fn(u8) -> bool = match codec {
        Codec::Mjpeg => return pictures.map(|picture| vec![Bytes::copy_from_slice(picture)]).collect(),
        Codec::H264 | Codec::H264B | Codec::H264Interlaced => |kind| matches!(kind, 1 | 5 | 7 | 8),
        Codec::H265 | Codec::H265Open => |kind| matches!(kind, 0..=9 | 16..=21 | 32..=34),
    };
    let mut units: Vec<Vec<Bytes>> = Vec::new();
    for picture in pictures {
        let nals = rtp::annex_b(picture).into_iter().filter(|nal| wanted(kind(codec, nal)));
        let mut nals: Vec<Bytes> = nals.map(Bytes::copy_from_slice).collect();
        let sets = parameter_sets(codec).len();
        if refreshes(codec, &nals)
            && !is_key(codec, &nals)
            && let Some(first) = units.first()
        {
            nals.splice(0..0, first[..sets.min(first.len())].iter().cloned());
        }
        units.push(nals);
    }
    units
}

/// As many pictures as there should be, each shown once, and the key pictures where they should be shown.
fn check(recipe: Recipe, pictures: &[Vec<Bytes>], shown: &[u32]) -> Result<(), String> {
    let count = recipe.fps * CLIP_SECONDS;
    let mut places = shown.to_vec();
    places.sort_unstable();
    if !places.into_iter().eq(0..count) || pictures.len() != shown.len() {
        return Err(format!("{} pictures, shown in the order {shown:?}, not {count}", pictures.len()));
    }
    let keys = pictures.iter().zip(shown).filter(|(nals, _)| is_key(recipe.codec, nals)).map(|(_, shown)| *shown);
    let keys: Vec<u32> = keys.collect();
    let every = if recipe.codec == Codec::Mjpeg { 1 } else { recipe.fps * recipe.key_seconds };
    if !keys.iter().copied().eq((0..count).step_by(every as usize)) {
        return Err(format!("key pictures at {keys:?}, not one in {every}"));
    }
    Ok(())
}

/// NAL unit type.
fn kind(codec: Codec, nal: &[u8]) -> u8 {
    let header = nal.first().copied().unwrap_or_default();
    match codec {
        Codec::H265 | Codec::H265Open => header >> 1 & 63,
        _ => header & 31,
    }
}

/// The types of the parameter sets, in the order in which a key picture begins with them.
pub(crate) fn parameter_sets(codec: Codec) -> &'static [u8] {
    match codec {
        Codec::H264 | Codec::H264B | Codec::H264Interlaced => &[7, 8],
        Codec::H265 | Codec::H265Open => &[32, 33, 34],
        Codec::Mjpeg => &[],
    }
}

/// Can a decoder begin with this picture?
fn refreshes(codec: Codec, nals: &[Bytes]) -> bool {
    nals.iter().map(|nal| kind(codec, nal)).any(|kind| match codec {
        Codec::H264 | Codec::H264B | Codec::H264Interlaced => kind == 5,
        Codec::H265 | Codec::H265Open => (16..=21).contains(&kind),
        Codec::Mjpeg => true,
    })
}

/// Can a decoder begin with this picture, and knows its parameters then?
pub(crate) fn is_key(codec: Codec, nals: &[Bytes]) -> bool {
    let sets = parameter_sets(codec);
    nals.len() > sets.len()
        && nals.iter().zip(sets).all(|(nal, set)| kind(codec, nal) == *set)
        && refreshes(codec, nals)
}

fn encode_aac(camera: u16, sound: &Sound) -> Result<Vec<Bytes>, String> {
    // The encoder puts one frame of priming before all of them.
    let coder = "avenc_aac bitrate=24000 ! appsink name=out sync=false caps=audio/mpeg,mpegversion=4,stream-format=raw";
    let frames = encode_loop(camera, sound, coder, 1)?;
    match frames.iter().all(|f| f.len() <= rtp::MAX_AAC_FRAME) {
        true => Ok(frames),
        false => Err("a frame of sound is too long".into()),
    }
}

fn encode_opus(camera: u16, sound: &Sound) -> Result<Vec<Bytes>, String> {
    // 6.5 ms late, as of any camera that has libopus.
    encode_loop(camera, sound, "opusenc bitrate=24000 frame-size=20 ! appsink name=out sync=false caps=audio/x-opus", 0)
}

/// Encodes a clip's sound so that it loops; the coder gives so many frames before the first.
fn encode_loop(camera: u16, sound: &Sound, coder: &str, priming: usize) -> Result<Vec<Bytes>, String> {
    let (rate, frame_samples, count) = (sound.media.clock_rate(), sound.frame_samples, sound.frames());
    let pipeline = format!(
        "appsrc name=in format=time block=true max-buffers=2 \
         caps=audio/x-raw,format=S16LE,layout=interleaved,rate={rate},channels=1 \
         ! audioconvert ! {coder}"
    );
    // Two loops and a bit of sound that repeats itself: the second loop is taken, as each frame leans on the one before
    // it.
    let second = count + priming;
    let frames = run(&pipeline, |i| {
        let start = i as u32 * frame_samples;
        let samples = (start..start + frame_samples).flat_map(|s| sample(camera, s, rate).to_le_bytes()).collect();
        let pts = gst::ClockTime::SECOND * u64::from(start) / u64::from(rate);
        (i < 2 * count + 2).then_some((samples, pts))
    })?;
    let frames_of_loop =
        frames.get(second..second + count).ok_or_else(|| format!("{} frames of sound", frames.len()))?;
    Ok(frames_of_loop.iter().map(|f| Bytes::copy_from_slice(f)).collect())
}

/// Codes each sample alone.
fn encode_samples<const N: usize>(camera: u16, sound: &Sound, code: impl Fn(i16) -> [u8; N]) -> Vec<Bytes> {
    let rate = sound.media.clock_rate();
    let coded: Vec<u8> = (0..CLIP_SECONDS * rate).flat_map(|s| code(sample(camera, s, rate))).collect();
    coded.chunks(sound.frame_samples as usize * N).map(Bytes::copy_from_slice).collect()
}

/// ITU-T G.711 µ-law of a 16-bit sample.
fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = sample.unsigned_abs().min(32_635) + 132;
    let exponent = magnitude.ilog2() as u8 - 7;
    let mantissa = (magnitude >> (exponent + 3)) as u8 & 0x0f;
    !(sign | exponent << 4 | mantissa)
}

/// ITU-T G.711 A-law of a 16-bit sample.
fn a_law(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let magnitude = (magnitude >> 4) as u16; // 11 bits
    let code = match magnitude.checked_ilog2() {
        Some(top @ 4..) => (top as u8 - 3) << 4 | (magnitude >> (top - 4)) as u8 & 0x0f,
        _ => magnitude as u8,
    };
    (sign | code) ^ 0x55
}

/// A tone of the camera's own pitch in the first fifth of each second. Repeats itself each second.
fn sample(camera: u16, s: u32, rate: u32) -> i16 {
    let t = f64::from(s % rate) / f64::from(rate);
    if t >= 0.2 {
        return 0;
    }
    let pitch = 300.0 + 20.0 * f64::from(camera % 64);
    ((t * pitch * std::f64::consts::TAU).sin() * 6_000.0) as i16
}

/// A coded unit, with when it is shown.
type Timed = (Option<gst::ClockTime>, Vec<u8>);

/// Feeds a pipeline from `in` until `next` gives no more, and collects what comes out of `out`.
fn run(pipeline: &str, next: impl FnMut(usize) -> Option<(Vec<u8>, gst::ClockTime)>) -> Result<Vec<Vec<u8>>, String> {
    Ok(run_timed(pipeline, next)?.into_iter().map(|(_, unit)| unit).collect())
}

fn run_timed(
    pipeline: &str,
    mut next: impl FnMut(usize) -> Option<(Vec<u8>, gst::ClockTime)>,
) -> Result<Vec<Timed>, String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let pipeline = gst::parse::launch(pipeline).map_err(|e| text(&e))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| "not a pipeline".to_owned())?;
    let input = pipeline.by_name("in").and_downcast::<AppSrc>().ok_or("no appsrc")?;
    let output = pipeline.by_name("out").and_downcast::<AppSink>().ok_or("no appsink")?;
    let collected = Arc::new(Mutex::new(Vec::new()));
    let (done, end) = mpsc::channel();
    let into = collected.clone();
    output.set_callbacks(
        AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
                let bytes = buffer.map_readable().map_err(|_| gst::FlowError::Error)?.to_vec();
                into.lock().expect("no panic under this lock").push((buffer.pts(), bytes));
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    let bus = pipeline.bus().ok_or("no bus")?;
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Eos(_) => drop(done.send(Ok(()))),
            gst::MessageView::Error(error) => drop(done.send(Err(error.error().to_string()))),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
    let result = (|| {
        pipeline.set_state(gst::State::Playing).map_err(|e| text(&e))?;
        let mut pushed = Ok(gst::FlowSuccess::Ok);
        for i in 0.. {
            let Some((bytes, pts)) = next(i) else { break };
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(pts);
            }
            pushed = input.push_buffer(buffer);
            if pushed.is_err() {
                break; // the error that stopped the pipeline is, or will be, on the bus
            }
        }
        if pushed.is_ok() {
            input.end_of_stream().map_err(|e| text(&e))?;
        }
        end.recv().map_err(|e| text(&e))?
    })();
    pipeline.set_state(gst::State::Null).map_err(|e| text(&e))?;
    result?;
    Ok(std::mem::take(&mut *collected.lock().expect("no panic under this lock")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_law_is_that_of_g711() {
        for (sample, code) in
            [(0, 0xd5), (-1, 0x55), (8, 0xd5), (32_767, 0xaa), (i16::MIN, 0x2a), (5_504, 0x80), (-5_504, 0x00)]
        {
            assert_eq!(a_law(sample), code, "{sample}");
        }
    }

    #[test]
    fn mu_law_is_that_of_g711() {
        for (sample, code) in
            [(0, 0xff), (-1, 0x7f), (4, 0xfe), (32_767, 0x80), (i16::MIN, 0x00), (1_000, 0xce), (-1_000, 0x4e)]
        {
            assert_eq!(mu_law(sample), code, "{sample}");
        }
    }
}
