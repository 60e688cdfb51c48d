//! An RTSP session: retina, with its streams chosen and its errors sorted.

use std::sync::Arc;

use base::footage::{Track, VideoParams};
use bytes::Bytes;
use futures::StreamExt;
use retina::client::{
    Demuxed, Described, InitialTimestampPolicy, PlayOptions, Session as Client, SessionGroup, SessionIdPolicy,
    SessionOptions, SetupOptions, Stream, TeardownPolicy,
};
use retina::codec::{CodecItem, FrameFormat, ParametersRef, VideoParameters};

use crate::codec::AudioConfig;
use crate::end::{EndReason, IngestEnd};
use crate::source::Rtsp;

/// What a camera offers, after DESCRIBE. Nothing flows yet.
pub(crate) struct Offer {
    client: Client<Described>,
    video: usize,
    audio: Option<(usize, AudioConfig)>,
    /// Sound that cannot be kept, by its name in the session description.
    pub dropped: Option<String>,
}

/// A session that plays.
pub(crate) struct Playing {
    frames: Demuxed,
    video: usize,
    /// The sound's parameters, and its RTP clock rate.
    pub audio: Option<(AudioConfig, u32)>,
    /// Sound that cannot be kept.
    pub dropped: Option<String>,
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

/// A picture's parameters, as retina read them from the SPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub config: Bytes,
    pub width: u16,
    pub height: u16,
}

impl Offer {
    /// Connects and asks what there is. `group` learns of the session once it must be torn down.
    pub async fn ask(source: &Rtsp, group: Arc<SessionGroup>) -> Result<Self, IngestEnd> {
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
        let client = Client::describe(source.url.clone(), options).await.map_err(connecting)?;
        let streams = client.streams();
        let Some(video) = streams.iter().position(|s| s.media() == "video" && s.encoding_name() == "h264") else {
            return Err(IngestEnd::new(EndReason::Unsupported, no_picture(streams)));
        };
        let sounds = || streams.iter().enumerate().filter(|(_, s)| s.media() == "audio");
        let audio = sounds().find_map(|(i, stream)| Some((i, aac(stream)?)));
        let dropped = match audio {
            Some(_) => None,
            None => sounds().next().map(|(_, s)| s.encoding_name().to_owned()),
        };
        Ok(Self { client, video, audio, dropped })
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
        let audio = self.audio.map(|(i, config)| (config, self.client.streams()[i].clock_rate_hz()));
        let options = PlayOptions::default().initial_timestamp(InitialTimestampPolicy::Permissive);
        let frames = self.client.play(options).await.map_err(after_describe)?.demuxed().map_err(connecting)?;
        Ok(Playing { frames, video: self.video, audio, dropped: self.dropped })
    }
}

impl Playing {
    /// The next thing. Cancel safe.
    ///
    /// # Errors
    /// The camera closed the connection, or what it sends is broken. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Item, IngestEnd> {
        loop {
            match self.frames.next().await {
                Some(Ok(CodecItem::VideoFrame(frame))) => {
                    let key = frame.is_random_access_point();
                    let parameters = key.then(|| parameters(&self.frames.streams()[self.video])).flatten();
                    let npt = frame.timestamp().elapsed();
                    return Ok(Item::Picture { npt, key, parameters, data: frame.into_data() });
                }
                Some(Ok(CodecItem::AudioFrame(frame))) => {
                    return Ok(Item::Sound { npt: frame.timestamp().elapsed(), data: frame.data().to_vec() });
                }
                Some(Ok(CodecItem::Rtcp(packet))) => {
                    let track = if packet.stream_id() == self.video { Track::Video } else { Track::Audio };
                    if let Some(time) = packet.rtp_timestamp()
                        && let Some(Ok(Some(report))) = packet.pkts().next().map(|p| p.as_sender_report())
                    {
                        return Ok(Item::Report { track, ntp: report.ntp_timestamp().0, npt: time.elapsed() });
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
                None => return Err(IngestEnd::new(EndReason::Closed, "The camera closed the connection")),
            }
        }
    }

    /// The picture's parameters as far as they are known.
    pub fn video(&self) -> Option<VideoParams> {
        video_params(&self.frames.streams()[self.video])
    }
}

fn video_parameters(stream: &Stream) -> Option<&VideoParameters> {
    match stream.parameters() {
        Some(ParametersRef::Video(video)) => Some(video),
        _ => None,
    }
}

fn parameters(stream: &Stream) -> Option<Parameters> {
    let video = video_parameters(stream)?;
    let (width, height) = video.pixel_dimensions();
    Some(Parameters {
        config: Bytes::copy_from_slice(video.extra_data()),
        width: width.try_into().ok()?,
        height: height.try_into().ok()?,
    })
}

fn video_params(stream: &Stream) -> Option<VideoParams> {
    let p = parameters(stream)?;
    crate::codec::VideoConfig::h264(p.config, p.width, p.height).ok().map(|config| config.params)
}

fn aac(stream: &Stream) -> Option<AudioConfig> {
    match stream.parameters() {
        Some(ParametersRef::Audio(audio)) if stream.encoding_name() == "mpeg4-generic" => {
            AudioConfig::aac(Bytes::copy_from_slice(audio.extra_data())).ok()
        }
        _ => None,
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
fn after_describe(error: retina::Error) -> IngestEnd {
    let end = connecting(error);
    match end.reason {
        EndReason::Unauthorised => IngestEnd::new(EndReason::Beyond, "It asks for the password in more than one way"),
        _ => end,
    }
}

/// An error while it plays.
fn broken(error: &retina::Error) -> IngestEnd {
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
fn first_line(error: &retina::Error) -> String {
    let whole = error.to_string();
    tracing::debug!(error = whole, "the session failed");
    let line: String = whole.lines().next().unwrap_or_default().chars().take(200).collect();
    line.trim().trim_end_matches('.').to_owned()
}
