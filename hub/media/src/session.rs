//! An RTSP session: retina, with its streams chosen and its errors sorted.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use base::footage::{Track, VideoParams};
use bytes::Bytes;
use futures::FutureExt;
use retina::client::{
    Described, InitialTimestampPolicy, PlayOptions, Session as Client, SessionGroup, SessionIdPolicy, SessionOptions,
    SetupOptions, Stream, TeardownPolicy,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef, VideoFrame, VideoParameters};

use crate::codec::g711::{G711, Law};
use crate::codec::{AudioConfig, Sound, VideoConfig, h264, h265, jpeg, opus};
use crate::end::{EndReason, IngestEnd};
use crate::frames::{Came, Frames, WithOpus, format_parameters};
use crate::source::Rtsp;

/// How pictures are coded that can be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    H264,
    H265,
    Jpeg,
}

impl Coding {
    fn of(stream: &Stream) -> Option<Self> {
        match (stream.media(), stream.encoding_name()) {
            ("video", "h264") => Some(Coding::H264),
            ("video", "h265") => Some(Coding::H265),
            ("video", "jpeg") => Some(Coding::Jpeg),
            _ => None,
        }
    }

    /// Can all that follows be decoded from this picture on?
    fn is_key(self, frame: &VideoFrame) -> bool {
        match self {
            // retina takes no picture of an open GOP for one to begin at.
            Coding::H265 => matches!(h265::inspect(frame.data()), Ok(Some(picture)) if picture.key),
            Coding::H264 | Coding::Jpeg => frame.is_random_access_point(),
        }
    }
}

/// What a camera offers, after DESCRIBE. Nothing flows yet.
pub(crate) struct Offer {
    client: Client<Described>,
    video: usize,
    coding: Coding,
    audio: Option<(usize, Sound)>,
    /// Sound that cannot be kept, by its name in the session description.
    pub dropped: Option<String>,
}

/// A session that plays.
pub(crate) struct Playing {
    frames: Frames,
    video: usize,
    coding: Coding,
    /// The sound's parameters, and its RTP clock rate.
    pub audio: Option<(Sound, u32)>,
    /// Sound that cannot be kept.
    pub dropped: Option<String>,
    /// It was the sound that ended it.
    pub sound_ended: bool,
}

/// Something that came.
pub(crate) enum Item {
    /// A picture; with parameters if it is a key picture and they are known.
    Picture { npt: i64, key: bool, parameters: Option<Parameters>, data: Vec<u8> },
    /// An audio frame.
    Sound { npt: i64, data: Vec<u8> },
    /// A sender report.
    Report { track: Track, ntp: u64, npt: i64 },
}

/// A picture's parameters, as retina read them from its parameter sets or its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    coding: Coding,
    config: Bytes,
    width: u16,
    height: u16,
}

impl Parameters {
    /// As the sink wants to be told.
    pub fn caps(&self) -> gstreamer::Caps {
        match self.coding {
            Coding::H264 => h264::caps(&self.config, self.width, self.height),
            Coding::H265 => h265::caps(&self.config, self.width, self.height),
            Coding::Jpeg => jpeg::caps(self.width, self.height),
        }
    }

    fn params(self) -> Option<VideoParams> {
        let config = match self.coding {
            Coding::H264 => VideoConfig::h264(self.config, self.width, self.height).ok()?,
            Coding::H265 => VideoConfig::h265(self.config, self.width, self.height).ok()?,
            Coding::Jpeg => VideoConfig::jpeg(self.width, self.height),
        };
        Some(config.params)
    }
}

impl Offer {
    /// Connects and asks what there is. `group` learns of the session once it must be torn down.
    pub async fn ask(source: &Rtsp, group: Arc<SessionGroup>) -> Result<Self, IngestEnd> {
        let client = describe(source, group).await?;
        let streams = client.streams();
        let found = streams.iter().enumerate().find_map(|(i, stream)| Some((i, Coding::of(stream)?)));
        let Some((video, coding)) = found else {
            return Err(IngestEnd::new(EndReason::Unsupported, no_picture(streams)));
        };
        let sounds = || streams.iter().enumerate().filter(|(_, s)| s.media() == "audio");
        // The first of the best kind.
        let audio = sounds().filter_map(|(i, stream)| Some((i, sound(stream)?))).min_by_key(|(_, sound)| rank(sound));
        let dropped = match audio {
            Some(_) => None,
            None => sounds().next().map(|(_, s)| s.encoding_name().to_owned()),
        };
        Ok(Self { client, video, coding, audio, dropped })
    }

    /// Only the pictures will be asked for: the sound cannot be read.
    pub fn leave_sound_out(&mut self) {
        if let Some((i, _)) = self.audio.take() {
            self.dropped = Some(format!("{}, which cannot be read", self.client.streams()[i].encoding_name()));
        }
    }

    /// Sets up the chosen streams over TCP and plays.
    pub async fn play(mut self) -> Result<Playing, IngestEnd> {
        let format = || SetupOptions::default().frame_format(FrameFormat::MP4);
        self.client.setup(self.video, format()).await.map_err(after_describe)?;
        if let Some((i, _)) = self.audio
            && let Err(error) = self.client.setup(i, format()).await
        {
            // A camera whose microphone is off refuses; without an answer the connection itself is gone.
            if error.status_code().is_none() {
                return Err(connecting(error));
            }
            tracing::info!(%error, "the camera does not give its sound");
            self.dropped = Some(self.client.streams()[i].encoding_name().to_owned());
            self.audio = None;
        }
        let stream = self.audio.as_ref().map(|(i, _)| *i);
        let audio = self.audio.map(|(i, sound)| (sound, self.client.streams()[i].clock_rate_hz()));
        let is_opus = audio.as_ref().is_some_and(|(sound, _)| sound.config().entry == *b"Opus");
        let parameters = format_parameters(&self.client, &self.client.streams()[self.video]);
        let options = PlayOptions::default().initial_timestamp(InitialTimestampPolicy::Permissive);
        let session = self.client.play(options).await.map_err(after_describe)?;
        let frames = match is_opus {
            true => Frames::Opus(Box::new(WithOpus::new(session, self.video, parameters.as_deref())?)),
            false => Frames::demuxed(session.demuxed().map_err(connecting)?, stream),
        };
        Ok(Playing { frames, video: self.video, coding: self.coding, audio, dropped: self.dropped, sound_ended: false })
    }
}

/// Connects and asks for the session's description. `group` learns of the session once it must be torn down.
pub(crate) async fn describe(source: &Rtsp, group: Arc<SessionGroup>) -> Result<Client<Described>, IngestEnd> {
    let credentials = source
        .credentials
        .as_ref()
        .map(|c| retina::client::Credentials { username: c.username.clone(), password: c.password().to_owned() });
    let options = SessionOptions::default()
        .creds(credentials)
        .user_agent("Keepsight".into())
        .session_group(group)
        .teardown(TeardownPolicy::Auto)
        .session_id(SessionIdPolicy::UseFirst); // some cameras change it between SETUPs
    // A description goes through a parser that is not ours, and that panics at some (sdp-types 0.1.8, after a
    // line that is none).
    let described = AssertUnwindSafe(Client::describe(source.url.clone(), options)).catch_unwind().await;
    let unreadable = |_| IngestEnd::new(EndReason::Unsupported, "Its description cannot be read");
    described.map_err(unreadable)?.map_err(connecting)
}

impl Playing {
    /// The next thing. Cancel safe.
    ///
    /// # Errors
    /// The camera closed the connection, or what it sends is broken. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Item, IngestEnd> {
        loop {
            let Some(came) = self.frames.next().await else {
                return Err(IngestEnd::new(EndReason::Closed, "The camera closed the connection"));
            };
            let item = match came? {
                Came::Item(item) => item,
                Came::Opus { npt, data } => return Ok(Item::Sound { npt, data: data.to_vec() }),
                Came::SoundEnded(why) => {
                    self.sound_ended = true;
                    return Err(IngestEnd::new(EndReason::Broken, format!("Its sound cannot be read: {why}")));
                }
            };
            match item {
                CodecItem::VideoFrame(frame) => {
                    let key = self.coding.is_key(&frame);
                    let parameters = key.then(|| parameters(self.frames.parameters(self.video), self.coding)).flatten();
                    let npt = frame.timestamp().elapsed();
                    return Ok(Item::Picture { npt, key, parameters, data: frame.into_data() });
                }
                CodecItem::AudioFrame(frame) => {
                    return Ok(Item::Sound { npt: frame.timestamp().elapsed(), data: frame.data().to_vec() });
                }
                CodecItem::Rtcp(packet) => {
                    let track = if packet.stream_id() == self.video { Track::Video } else { Track::Audio };
                    if let Some(time) = packet.rtp_timestamp()
                        && let Some(Ok(Some(report))) = packet.pkts().next().map(|p| p.as_sender_report())
                    {
                        return Ok(Item::Report { track, ntp: report.ntp_timestamp().0, npt: time.elapsed() });
                    }
                }
                _ => {}
            }
        }
    }

    /// The picture's parameters as far as they are known.
    pub fn video(&self) -> Option<VideoParams> {
        video_params(self.frames.parameters(self.video), self.coding)
    }
}

fn video_parameters(parameters: Option<ParametersRef<'_>>) -> Option<&VideoParameters> {
    match parameters {
        Some(ParametersRef::Video(video)) => Some(video),
        _ => None,
    }
}

fn parameters(of: Option<ParametersRef<'_>>, coding: Coding) -> Option<Parameters> {
    let video = video_parameters(of)?;
    let (width, height) = video.pixel_dimensions();
    Some(Parameters {
        coding,
        config: Bytes::copy_from_slice(video.extra_data()),
        width: width.try_into().ok()?,
        height: height.try_into().ok()?,
    })
}

fn video_params(of: Option<ParametersRef<'_>>, coding: Coding) -> Option<VideoParams> {
    parameters(of, coding)?.params()
}

/// A stream's sound, if it can be kept.
fn sound(stream: &Stream) -> Option<Sound> {
    let channels = stream.channels().map_or(1, u16::from);
    let g711 = |law| G711::new(law, stream.clock_rate_hz(), channels).ok().map(Sound::Made);
    match (stream.encoding_name(), stream.parameters()) {
        ("mpeg4-generic", Some(ParametersRef::Audio(audio))) => {
            AudioConfig::aac(Bytes::copy_from_slice(audio.extra_data())).ok().map(Sound::Kept)
        }
        ("pcmu", _) => g711(Law::Mu),
        ("pcma", _) => g711(Law::A),
        // Always said to have two channels, whatever it has (RFC 7587 §7): decoders make two of one.
        ("opus", _) if stream.clock_rate_hz() == opus::RATE => AudioConfig::opus(2).ok().map(Sound::Kept),
        _ => None,
    }
}

/// Where a camera offers several, the least is kept: AAC as it is; AAC that is made; last Opus, which not every phone
/// plays.
fn rank(sound: &Sound) -> u8 {
    match sound {
        Sound::Kept(config) if config.entry == *b"mp4a" => 0,
        Sound::Made(_) => 1,
        Sound::Kept(_) => 2,
    }
}

fn no_picture(streams: &[Stream]) -> String {
    let codings: Vec<_> = streams.iter().filter(|s| s.media() == "video").map(Stream::encoding_name).collect();
    match codings[..] {
        [] => "It offers no picture at this address".into(),
        _ => format!("Its pictures are coded as {}", codings.join(", ")),
    }
}

/// An error before anything plays.
fn connecting(error: retina::Error) -> IngestEnd {
    let reason = match error.status_code() {
        Some(401 | 403) => EndReason::Unauthorised,
        Some(406 | 461) => EndReason::NoTransport, // no RTP over the RTSP connection
        Some(300..=399) => EndReason::Beyond,      // retina follows no redirect
        Some(200..300) => EndReason::Unsupported,  // it answered, with what cannot be understood
        Some(500..) => EndReason::Error,
        Some(_) | None => EndReason::Unreachable,
    };
    let line = first_line(&error);
    let detail = match (reason, error.status_code()) {
        (EndReason::NoTransport, Some(status)) => {
            format!("It does not send its packets over the RTSP connection (status {status})")
        }
        (EndReason::Beyond, Some(status)) => format!("It is found at another address (status {status})"),
        _ => line,
    };
    IngestEnd::new(reason, detail)
}

/// An error of SETUP or PLAY. The camera that took the password in DESCRIBE and refuses it now wants it for another nonce
/// or realm, which retina does not ask for anew (GStreamer's source does); a wrong password it will refuse there, too.
pub(crate) fn after_describe(error: retina::Error) -> IngestEnd {
    let end = connecting(error);
    match end.reason {
        EndReason::Unauthorised => IngestEnd::new(EndReason::Beyond, "It asks for the password in more than one way"),
        _ => end,
    }
}

/// An error while it plays.
pub(crate) fn broken(error: &retina::Error) -> IngestEnd {
    // A connection that is reset, or that ends within a packet, was lost; all else is what the camera says over it.
    let line = first_line(error);
    // Some cameras answer a request that keeps the session alive under another's number; retina takes no such answer.
    if line.contains("Unexpected RTSP response") {
        return IngestEnd::new(EndReason::Beyond, "It answers requests under the wrong number");
    }
    let reset = std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
        || line.starts_with("Error reading from RTSP peer")
        || line.contains("message at EOF");
    IngestEnd::new(if reset { EndReason::Closed } else { EndReason::Broken }, line)
}

/// retina's errors go on for lines about connection and packet: the first says what happened. The whole is logged.
pub(crate) fn first_line(error: &retina::Error) -> String {
    let whole = error.to_string();
    tracing::debug!(error = whole, "the session failed");
    let line: String = whole.lines().next().unwrap_or_default().chars().take(200).collect();
    line.trim().trim_end_matches('.').to_owned()
}
