//! A camera that tells what it notices: pictures, and beside them ONVIF's stream of metadata.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::clock::SharedClock;
use base::{Mono, SystemClock};
use bytes::Bytes;
use futures::{StreamExt, stream};
use rtsp_server::{
    After, ClipSource, Config, Credentials, Media, Mount, Packet, Parting, Playing, Reserved, Server, Source, Start,
    TrackStart,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use crate::broken::{Codec, clip, film, media};

/// Which of its tracks the metadata is.
const METADATA: usize = 1;
/// Bytes of a packet; so small that a document takes several.
const PACKET_BYTES: usize = 300;
/// Ticks a second of its timestamps.
const RATE: u32 = 90_000;

/// Who may ask it.
pub const USER: &str = "hub";
/// With this password.
pub const PASSWORD: &str = "gate and garden";

/// What it says: whether something moves, by topic.
#[derive(Clone, Default, PartialEq)]
struct Says {
    rules: BTreeMap<String, bool>,
    /// How often it was started anew.
    boots: u32,
}

/// Ends with its handle.
pub struct TellingCamera {
    _server: Server,
    url: String,
    says: watch::Sender<Says>,
}

impl TellingCamera {
    /// Says nothing yet.
    ///
    /// # Panics
    /// If ffmpeg is missing, or no port is free.
    pub fn start() -> Self {
        let says = watch::Sender::new(Says::default());
        let pictures = film(Codec::H264);
        let picture = media(Codec::H264, &pictures);
        let clock: SharedClock = Arc::new(SystemClock);
        let first = TrackStart { seq: 1, rtptime: 1 };
        let clip = clip(Codec::H264, &pictures, &picture).into();
        let film = ClipSource::new(clip, clock.clone(), Start::Beginning, After::Loop, first);
        let metadata = Media::Other {
            kind: "application",
            payload_type: 107,
            rtpmap: format!("vnd.onvif.metadata/{RATE}"),
            fmtp: None,
            clock_rate: RATE,
        };
        let source = Arc::new(Telling { film, says: says.clone(), clock: clock.clone() });
        let mount = Mount { name: "telling".into(), tracks: vec![picture, metadata], source };
        let port = Reserved::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let credentials = Some(Credentials::new(USER, PASSWORD));
        let config = Config { credentials, ..Config::new(clock) };
        let server = Server::start(port, config, [("telling".to_owned(), mount)]).expect("it listens");
        let url = format!("rtsp://{}/telling", server.addr());
        Self { _server: server, url, says }
    }

    /// Where the hub is to ask.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Says by this rule from now on whether something moves, also to who connects later.
    pub fn say(&self, topic: &str, moves: bool) {
        self.says.send_modify(|says| {
            says.rules.insert(topic.to_owned(), moves);
        });
    }

    /// Starts anew: all connections are reset.
    pub fn boot(&self) {
        self.says.send_modify(|says| says.boots += 1);
    }

    /// How many clients are played to.
    pub fn clients(&self) -> usize {
        self.says.receiver_count()
    }
}

/// A relay to a camera: good, until somebody asks for the camera's metadata. Then comes an answer that never ends.
pub struct Flood {
    url: String,
    begun: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Flood {
    /// In front of this address of a camera on this machine.
    ///
    /// # Panics
    /// If the address is none, or no port is free.
    pub async fn before(camera: &str) -> Self {
        let mut url = Url::parse(camera).expect("a camera's address");
        let to = (url.host_str().expect("a host").to_owned(), url.port().expect("a port"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        url.set_port(Some(port)).expect("an address that has a port");
        let begun = Arc::<AtomicUsize>::default();
        let count = begun.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (to, count) = (to.clone(), count.clone());
                // Ends with the client, or with the camera.
                tokio::spawn(async move { relay(client, &to, &count).await });
            }
        });
        Self { url: url.into(), begun, task }
    }

    /// Where the hub is to ask.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many answers without an end were begun.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(mut client: TcpStream, to: &(String, u16), begun: &AtomicUsize) -> io::Result<()> {
    let mut camera = TcpStream::connect((to.0.as_str(), to.1)).await?;
    let (mut request, mut answer) = (vec![0; 4_096], vec![0; 65_536]);
    let mut asks_for_metadata = false;
    loop {
        tokio::select! {
            n = client.read(&mut request) => {
                let asked = &request[..n?];
                if asked.is_empty() {
                    return Ok(());
                }
                let text = String::from_utf8_lossy(asked);
                asks_for_metadata |= text.starts_with("SETUP") && text.contains(&format!("trackID={METADATA}"));
                if asks_for_metadata && text.starts_with("PLAY") {
                    break;
                }
                camera.write_all(asked).await?;
            }
            n = camera.read(&mut answer) => {
                let said = &answer[..n?];
                if said.is_empty() {
                    return Ok(());
                }
                client.write_all(said).await?;
            }
        }
    }
    begun.fetch_add(1, Ordering::Relaxed);
    client.write_all(b"RTSP/1.0 200 OK\r\nContent-Length: 4000000000\r\n\r\n").await?;
    loop {
        client.write_all(&answer).await?;
    }
}

struct Telling {
    film: ClipSource,
    says: watch::Sender<Says>,
    clock: SharedClock,
}

impl Source for Telling {
    fn play(&self) -> Playing {
        let Playing { mut start, at, packets } = self.film.play();
        start.push(TrackStart { seq: 1, rtptime: 0 });
        let mut says = self.says.subscribe();
        says.mark_changed();
        let boots = says.borrow().boots;
        let client = Client { says, boots, told: BTreeMap::new(), seq: 1, clock: self.clock.clone(), at };
        let told = stream::unfold(Some(client), |client| async move {
            let mut client = client?;
            match client.next().await {
                Ok(packets) => Some((Ok(packets), Some(client))),
                Err(parting) => Some((Err(parting), None)),
            }
        });
        Playing { start, at, packets: stream::select(packets, told).boxed() }
    }
}

struct Client {
    says: watch::Receiver<Says>,
    boots: u32,
    told: BTreeMap<String, bool>,
    seq: u16,
    clock: SharedClock,
    at: Mono,
}

impl Client {
    /// What changes, when it does; to begin with, all that it says.
    async fn next(&mut self) -> Result<Vec<Packet>, Parting> {
        self.says.changed().await.map_err(|_| Parting::Close)?;
        let says = self.says.borrow_and_update().clone();
        if says.boots != self.boots {
            return Err(Parting::Reset);
        }
        let since = self.clock.mono().since(self.at);
        let timestamp = (since.as_micros() * u128::from(RATE) / 1_000_000) as u32;
        let mut packets = Vec::new();
        for (topic, moves) in &says.rules {
            let operation = match self.told.insert(topic.clone(), *moves) {
                Some(before) if before == *moves => continue,
                Some(_) => "Changed",
                None => "Initialized",
            };
            let document = document(topic, operation, *moves);
            let parts = document.as_bytes().chunks(PACKET_BYTES);
            let last = parts.len() - 1;
            for (n, part) in parts.enumerate() {
                let (payload, marker) = (Bytes::copy_from_slice(part), n == last);
                packets.push(Packet { track: METADATA, seq: self.seq, timestamp, marker, payload });
                self.seq = self.seq.wrapping_add(1);
            }
        }
        Ok(packets)
    }
}

/// As ONVIF's Streaming Specification §5.2.1.1 has it.
fn document(topic: &str, operation: &str, moves: bool) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="http://www.onvif.org/ver10/topics"><tt:Event><wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">{topic}</wsnt:Topic><wsnt:Message><tt:Message UtcTime="2000-01-01T00:00:00Z" PropertyOperation="{operation}"><tt:Source><tt:SimpleItem Name="Source" Value="0"/></tt:Source><tt:Data><tt:SimpleItem Name="State" Value="{moves}"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage></tt:Event></tt:MetadataStream>"#
    )
}
