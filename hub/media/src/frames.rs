//! What plays, as whole frames.
//!
//! retina makes frames of packets by itself, but not of Opus, and it gives either frames of all streams or packets of all.
//! So where Opus is kept, this takes the packets: each one of Opus is a frame (RFC 7587 §4.2), and those of the picture go
//! through retina's own depacketiser. It is public for retina's fuzzers and benches only: hence its exact version in
//! `Cargo.toml`. No other camera goes this way.

use bytes::Bytes;
use futures::StreamExt;
use retina::client::{Demuxed, Described, PacketItem, Playing, Session, Stream};
use retina::codec::{CodecItem, Depacketizer, FrameFormat, ParametersRef};
use retina::rtp::PacketMeta;
use retina::testutil::DepacketizeBuf;

use crate::codec::opus;
use crate::end::{EndReason, IngestEnd};
use crate::session::{broken, first_line};

/// A session's frames.
pub(crate) enum Frames {
    /// retina makes them all.
    Demuxed(Box<ByRetina>),
    /// The sound is Opus.
    Opus(Box<WithOpus>),
}

/// A session whose frames retina makes.
pub(crate) struct ByRetina {
    frames: Demuxed,
    /// How retina's errors name the stream of sound.
    sound: Option<String>,
}

/// A session with one stream of pictures and one of Opus.
pub(crate) struct WithOpus {
    session: Session<Playing>,
    video: usize,
    depacketizer: Depacketizer,
    /// Where the depacketiser's packets lie until it has a frame; grows with the largest picture.
    packets: DepacketizeBuf,
}

/// What came.
pub(crate) enum Came {
    Item(CodecItem),
    Opus {
        npt: i64,
        data: Bytes,
    },
    /// Nothing more comes: retina gives up on all streams where it cannot read the sound.
    SoundEnded(String),
}

/// To begin with; about a picture of 1080p.
const PACKETS_BYTES: usize = 64 << 10;

impl Frames {
    /// Of a session with this stream of sound.
    pub fn demuxed(frames: Demuxed, sound: Option<usize>) -> Self {
        let context = sound.and_then(|i| frames.streams()[i].ctx()).map(|ctx| format!("\nstream: {ctx}\n"));
        Frames::Demuxed(Box::new(ByRetina { frames, sound: context }))
    }

    /// The next frame or report. Cancel safe.
    pub async fn next(&mut self) -> Option<Result<Came, IngestEnd>> {
        match self {
            Frames::Demuxed(this) => this.next().await,
            Frames::Opus(this) => this.next().await,
        }
    }

    /// A stream's parameters as of the newest frame.
    pub fn parameters(&self, stream: usize) -> Option<ParametersRef<'_>> {
        match self {
            Frames::Demuxed(this) => this.frames.streams().get(stream)?.parameters(),
            Frames::Opus(this) if stream == this.video => this.depacketizer.parameters(),
            Frames::Opus(_) => None,
        }
    }
}

impl ByRetina {
    async fn next(&mut self) -> Option<Result<Came, IngestEnd>> {
        let mut unread = None;
        loop {
            match (self.frames.next().await, unread.take()) {
                (Some(Ok(item)), _) => return Some(Ok(Came::Item(item))),
                // A packet of sound that cannot be read costs itself alone, or, where retina then says no more, all.
                (Some(Err(error)), _) if self.is_of_sound(&error) => unread = Some(first_line(&error)),
                (Some(Err(error)), _) => return Some(Err(broken(&error))),
                (None, Some(why)) => return Some(Ok(Came::SoundEnded(why))),
                (None, None) => return None,
            }
        }
    }

    fn is_of_sound(&self, error: &retina::Error) -> bool {
        self.sound.as_ref().is_some_and(|context| error.to_string().contains(context))
    }
}

impl WithOpus {
    /// Takes a session that plays. `parameters` are of the picture, from [`format_parameters`].
    pub fn new(session: Session<Playing>, video: usize, parameters: Option<&str>) -> Result<Self, IngestEnd> {
        let stream = &session.streams()[video];
        let (media, encoding, rate) = (stream.media(), stream.encoding_name(), stream.clock_rate_hz());
        let mut depacketizer = Depacketizer::new(media, encoding, rate, None, parameters)
            .map_err(|why| IngestEnd::new(EndReason::Unsupported, why))?;
        depacketizer.set_frame_format(FrameFormat::MP4);
        Ok(Self { session, video, depacketizer, packets: DepacketizeBuf::new(PACKETS_BYTES) })
    }

    async fn next(&mut self) -> Option<Result<Came, IngestEnd>> {
        let unreadable = |why: &dyn std::fmt::Debug| {
            tracing::debug!(?why, "a packet cannot be read");
            Some(Err(IngestEnd::new(EndReason::Broken, "Its pictures cannot be read")))
        };
        loop {
            // A packet may end several frames: all are taken before the next packet is.
            match self.depacketizer.pull() {
                Some(Ok(item)) => return Some(Ok(Came::Item(item))),
                Some(Err(why)) => return unreadable(&why),
                None => {}
            }
            match self.session.next().await? {
                Ok(PacketItem::Rtp(packet)) if packet.stream_id() == self.video => {
                    let meta = PacketMeta::from_received(&packet);
                    if let Err(why) = self.packets.push(&mut self.depacketizer, meta, packet.payload()) {
                        return unreadable(&why);
                    }
                }
                Ok(PacketItem::Rtp(packet)) => {
                    let npt = packet.timestamp().elapsed();
                    let data = packet.into_payload_bytes();
                    // What is no Opus costs itself alone.
                    if opus::ticks(&data).is_some() {
                        return Some(Ok(Came::Opus { npt, data }));
                    }
                }
                Ok(PacketItem::Rtcp(report)) => return Some(Ok(Came::Item(CodecItem::Rtcp(report)))),
                Ok(_) => {}
                Err(error) => return Some(Err(broken(&error))),
            }
        }
    }
}

/// The parameters (`a=fmtp`, RFC 8866 §6.15) that a session description gives for a stream.
pub(crate) fn format_parameters(session: &Session<Described>, stream: &Stream) -> Option<String> {
    find_parameters(session.sdp(), stream.media(), stream.rtp_payload_type())
}

fn find_parameters(sdp: &[u8], media: &str, payload_type: u8) -> Option<String> {
    let sdp = String::from_utf8_lossy(sdp);
    let (media, parameters) = (format!("m={media} "), format!("a=fmtp:{payload_type} "));
    let mut lines = sdp.lines().skip_while(|line| !line.starts_with(&media));
    lines.next()?;
    let mut of_media = lines.take_while(|line| !line.starts_with("m="));
    of_media.find_map(|line| line.strip_prefix(&parameters)).map(|found| found.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_in_their_own_media_only() {
        let sdp = "v=0\r\na=fmtp:96 session\r\nm=audio 0 RTP/AVP 96\r\na=fmtp:96 sound\r\nm=video 0 RTP/AVP 96 97\r\n\
                   a=rtpmap:96 H264/90000\r\na=fmtp:97 other\r\na=fmtp:96 packetization-mode=1 \r\nm=video 0 RTP/AVP 98\r\n\
                   a=fmtp:98 another\r\n";
        assert_eq!(find_parameters(sdp.as_bytes(), "video", 96).as_deref(), Some("packetization-mode=1"));
        assert_eq!(find_parameters(sdp.as_bytes(), "audio", 96).as_deref(), Some("sound"));
        assert_eq!(find_parameters(sdp.as_bytes(), "video", 98), None);
    }

    proptest::proptest! {
        #[test]
        fn any_description_is_read_without_a_panic(sdp: Vec<u8>, lines in "(m=|a=fmtp:|video |96 |\r\n|.){0,40}") {
            let _ = find_parameters(&sdp, "video", 96);
            let _ = find_parameters(lines.as_bytes(), "video", 96);
        }
    }
}
