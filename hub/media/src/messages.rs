//! What a camera says beside its pictures: ONVIF's stream of metadata (ONVIF Streaming Specification §5.2.1), document by document.
//!
//! It is read over a connection of its own, at which no pictures are asked for, in a process of its own: whatever is wrong with it is in
//! nobody's way. retina's own depacketiser puts documents together without a bound, so the packets are taken as they come.

use std::sync::Arc;

use base::{SharedClock, clock::timeout};
use bytes::Bytes;
use futures::StreamExt;
use retina::client::{InitialTimestampPolicy, PacketItem, PlayOptions, Playing, Session, SessionGroup, SetupOptions};

use crate::end::{EndReason, IngestEnd};
use crate::isolated;
use crate::session::{after_describe, broken, describe};
use crate::source::{Options, Rtsp, Source, Way};

/// Longest document, in bytes; a longer one is passed over. One that says what moves has about a thousand.
pub(crate) const MAX_DOCUMENT_BYTES: usize = 64 << 10;

/// What a document ends with, whatever its prefix.
const END: &[u8] = b"MetadataStream>";

/// A camera's documents.
pub struct Messages(From);

enum From {
    /// A process of its own.
    Child(isolated::Listener),
    Camera(Box<Connection>),
}

struct Connection {
    session: Session<Playing>,
    document: Document,
}

impl Messages {
    /// Connects to the address that the pictures come from, and asks for its stream of metadata alone.
    ///
    /// # Errors
    /// As of an ingest; [`EndReason::Unsupported`] where the camera has no such stream there, or is none that is read over RTSP
    /// in the open: `rtsps:` only GStreamer's source reads, which gives no metadata.
    pub async fn connect(source: &Source, clock: &SharedClock, options: &Options) -> Result<Self, IngestEnd> {
        Self::connect_in(&Arc::default(), source, clock, options).await
    }

    /// The same; `group` learns of the session once it must be torn down.
    pub(crate) async fn connect_in(
        group: &Arc<SessionGroup>,
        source: &Source,
        clock: &SharedClock,
        options: &Options,
    ) -> Result<Self, IngestEnd> {
        let rtsp = match source {
            Source::Rtsp(rtsp) if rtsp.url.scheme() == "rtsp" => Rtsp { way: Way::Own, ..rtsp.clone() },
            _ => return Err(unsupported("Only cameras at an rtsp: address tell what they notice")),
        };
        if isolated::is_isolated() {
            return Ok(Self(From::Child(isolated::Listener::start(&Source::Rtsp(rtsp), clock, options).await?)));
        }
        let limit = options.connect_timeout;
        timeout(&**clock, limit, ask(&rtsp, group)).await.unwrap_or_else(|| {
            let detail = format!("There was no answer within {} seconds", limit.as_secs());
            Err(IngestEnd::new(EndReason::Unreachable, detail))
        })
    }

    /// The next document, as it came. Cancel safe.
    ///
    /// # Errors
    /// The connection ended. Nothing comes after an error.
    pub async fn next(&mut self) -> Result<Bytes, IngestEnd> {
        match &mut self.0 {
            From::Child(listener) => listener.next().await,
            From::Camera(connection) => connection.next().await,
        }
    }
}

impl Connection {
    async fn next(&mut self) -> Result<Bytes, IngestEnd> {
        loop {
            match self.session.next().await {
                Some(Ok(PacketItem::Rtp(packet))) => {
                    let (timestamp, whole) = (packet.timestamp().timestamp(), packet.loss() == 0);
                    if let Some(document) = self.document.packet(timestamp, packet.mark(), whole, packet.payload()) {
                        return Ok(document);
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(broken(&error)),
                None => return Err(IngestEnd::new(EndReason::Closed, "The camera closed the connection")),
            }
        }
    }
}

async fn ask(rtsp: &Rtsp, group: &Arc<SessionGroup>) -> Result<Messages, IngestEnd> {
    let mut client = describe(rtsp, group.clone()).await?;
    let is_metadata =
        |s: &retina::client::Stream| (s.media(), s.encoding_name()) == ("application", "vnd.onvif.metadata");
    let Some(stream) = client.streams().iter().position(is_metadata) else {
        return Err(unsupported("It offers no stream of metadata at this address"));
    };
    client.setup(stream, SetupOptions::default()).await.map_err(after_describe)?;
    let options = PlayOptions::default().initial_timestamp(InitialTimestampPolicy::Permissive);
    let session = client.play(options).await.map_err(after_describe)?;
    Ok(Messages(From::Camera(Box::new(Connection { session, document: Document::default() }))))
}

fn unsupported(detail: &str) -> IngestEnd {
    IngestEnd::new(EndReason::Unsupported, detail)
}

/// What of a document is there.
#[derive(Default)]
struct Document {
    bytes: Vec<u8>,
    /// The RTP timestamp of its packets.
    timestamp: Option<i64>,
    /// A part of it is missing, or it is too long.
    spoilt: bool,
}

impl Document {
    /// One more packet; `whole`: none is missing before it. Gives a document that is complete: by the packet's marker; from a camera
    /// that sets none by what it ends with, or by the next one's first packet.
    fn packet(&mut self, timestamp: i64, ends: bool, whole: bool, payload: &[u8]) -> Option<Bytes> {
        let mut complete = None;
        if self.timestamp != Some(timestamp) {
            complete = self.take().filter(|_| whole);
            self.timestamp = Some(timestamp);
        }
        // What is missing may be the begin of this one, or the end of the one before.
        self.spoilt |= !whole || self.bytes.len() + payload.len() > MAX_DOCUMENT_BYTES;
        match self.spoilt {
            true => self.bytes.clear(),
            false => self.bytes.extend_from_slice(payload),
        }
        if ends || self.bytes.trim_ascii_end().ends_with(END) {
            // The one before had no marker, and is older than this: of two at once the newer one counts.
            complete = self.take().or(complete);
        }
        complete
    }

    fn take(&mut self) -> Option<Bytes> {
        let (bytes, spoilt) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.spoilt));
        self.timestamp = None;
        (!spoilt && !bytes.is_empty()).then(|| bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(packets: &[(i64, bool, bool, &[u8])]) -> Vec<Bytes> {
        let mut document = Document::default();
        packets.iter().filter_map(|(at, ends, whole, bytes)| document.packet(*at, *ends, *whole, bytes)).collect()
    }

    #[test]
    fn a_document_is_put_together_of_its_packets() {
        let (end, on, whole, lost) = (true, false, true, false);
        assert_eq!(documents(&[(1, on, whole, b"ab"), (1, end, whole, b"cd"), (1, end, whole, b"e")]), ["abcd", "e"]);
        assert_eq!(
            documents(&[(1, on, whole, b"ab"), (2, on, whole, b"cd"), (3, on, whole, b"")]),
            ["ab", "cd"],
            "no markers"
        );
        assert_eq!(
            documents(&[(1, on, whole, b"ab"), (1, end, lost, b"ef"), (2, end, whole, b"g")]),
            ["g"],
            "a packet is missing"
        );
        assert_eq!(documents(&[(1, on, whole, b"ab"), (2, end, lost, b"ef"), (3, end, whole, b"g")]), ["g"]);
        assert_eq!(documents(&[(1, end, whole, b"")]), [""; 0]);
        let unmarked =
            [b"<t:MetadataStream>a</t:".as_slice(), b"MetadataStream>\r\n", b"<MetadataStream>b</MetadataStream>"];
        let packets = unmarked.map(|part| (1, on, whole, part));
        assert_eq!(
            documents(&packets),
            ["<t:MetadataStream>a</t:MetadataStream>\r\n", "<MetadataStream>b</MetadataStream>"]
        );
    }

    #[test]
    fn what_does_not_end_is_not_kept() {
        let mut document = Document::default();
        let part = [b'x'; 1_400];
        for _ in 0..1_000 {
            assert_eq!(document.packet(1, false, true, &part), None);
            assert!(document.bytes.capacity() <= 2 * MAX_DOCUMENT_BYTES);
        }
        assert_eq!(document.packet(1, true, true, b"x"), None);
        assert_eq!(document.packet(2, true, true, b"next").as_deref(), Some(&b"next"[..]));
    }
}
