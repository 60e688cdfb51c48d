//! Encodes clips with GStreamer: pictures with x264, sound with libav's AAC encoder.

use std::sync::{Arc, Mutex, mpsc};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use rtsp_server::{Media, rtp};

use crate::SimError;
use crate::options::{self, Audio, CLIP_SECONDS, Size};
use crate::picture::Painter;

/// AudioSpecificConfig: AAC-LC, 16 kHz, mono (ISO 14496-3 §1.6.2.1).
const AAC_CONFIG: [u8; 2] = [0x14, 0x08];

/// One stream of one camera, as it is encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub camera: u16,
    pub size: Size,
    pub fps: u32,
    pub kbit: u32,
    pub key_seconds: u32,
    pub audio: Audio,
}

/// A clip's coded units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// NAL units of each picture; those of key pictures begin with the parameter sets.
    pub pictures: Vec<Vec<Bytes>>,
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
pub(crate) fn init() -> Result<(), SimError> {
    gst::init().map_err(SimError::GStreamer)?;
    for (element, package) in [
        ("x264enc", "gstreamer1.0-plugins-ugly"),
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
    let pictures = encode_pictures(recipe).map_err(error)?;
    let audio = match (recipe.audio, sound(recipe.audio)) {
        (Audio::Aac, Some(sound)) => encode_aac(recipe.camera, &sound).map_err(error)?,
        (Audio::Opus, Some(sound)) => encode_opus(recipe.camera, &sound).map_err(error)?,
        (Audio::Pcmu, Some(sound)) => encode_samples(recipe.camera, &sound, |s| [mu_law(s)]),
        (Audio::Pcma, Some(sound)) => encode_samples(recipe.camera, &sound, |s| [a_law(s)]),
        (Audio::L16, Some(sound)) => encode_samples(recipe.camera, &sound, i16::to_be_bytes),
        (Audio::Off, _) | (_, None) => Vec::new(),
    };
    Ok(Encoded { pictures, audio })
}

fn encode_pictures(recipe: Recipe) -> Result<Vec<Vec<Bytes>>, String> {
    let Recipe { size, fps, kbit, .. } = recipe;
    let count = fps * CLIP_SECONDS;
    let key_every = fps * recipe.key_seconds;
    // One thread each, as clips are encoded side by side. VBV of one second, so that the bitrate is real.
    let pipeline = format!(
        "appsrc name=in format=time block=true max-buffers=2 \
         caps=video/x-raw,format=I420,width={},height={},framerate={fps}/1,interlace-mode=progressive,colorimetry=bt601 \
         ! x264enc speed-preset=ultrafast tune=zerolatency threads=1 bframes=0 bitrate={kbit} vbv-buf-capacity=1000 \
           key-int-max={key_every} option-string=scenecut=0:keyint={key_every}:min-keyint={key_every}:vbv-init=0.3 \
         ! appsink name=out sync=false caps=video/x-h264,stream-format=byte-stream,alignment=au",
        size.width(),
        size.height(),
    );
    let mut painter = Painter::new(recipe.camera, size, fps);
    let pictures = run(&pipeline, |frame| {
        let frame = u32::try_from(frame).ok().filter(|f| *f < count)?;
        Some((painter.paint(frame), gst::ClockTime::SECOND * u64::from(frame) / u64::from(fps)))
    })?;
    let pictures: Vec<Vec<Bytes>> = pictures.iter().map(|p| nal_units(p)).collect();
    let keys: Vec<usize> = (0..pictures.len()).filter(|i| is_key(&pictures[*i])).collect();
    if pictures.len() != count as usize || !keys.iter().copied().eq((0..count as usize).step_by(key_every as usize)) {
        return Err(format!("{} pictures with key pictures at {keys:?}, not {count}", pictures.len()));
    }
    Ok(pictures)
}

/// What a camera sends of a coded picture: no delimiters, no encoder's notes.
fn nal_units(picture: &[u8]) -> Vec<Bytes> {
    let wanted = |nal: &&[u8]| matches!(nal[0] & 0x1f, 1 | 5 | 7 | 8);
    rtp::annex_b(picture).into_iter().filter(wanted).map(Bytes::copy_from_slice).collect()
}

/// Does a picture begin with parameter sets and hold an instantaneous refresh?
pub(crate) fn is_key(nals: &[Bytes]) -> bool {
    let kinds: Vec<u8> = nals.iter().filter_map(|n| n.first()).map(|b| b & 0x1f).collect();
    kinds.starts_with(&[7, 8]) && kinds.contains(&5)
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

/// Feeds a pipeline from `in` until `next` gives no more, and collects what comes out of `out`.
fn run(
    pipeline: &str,
    mut next: impl FnMut(usize) -> Option<(Vec<u8>, gst::ClockTime)>,
) -> Result<Vec<Vec<u8>>, String> {
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
                into.lock().expect("no panic under this lock").push(bytes);
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
