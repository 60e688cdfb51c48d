//! One client's connection: requests in, answers and interleaved media out. A session lives and dies with it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::{Mono, clock};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::request::{BadRequest, Incoming, Request, Response, base_of, next, target};
use crate::server::Shared;
use crate::{Admit, Mount, Packet, Parting, Place, Scheme, Source, auth, rtp, sdp};

const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, TEARDOWN";
/// Time between two sender reports: what RFC 3550 §6.2 has as the least.
const REPORT_EVERY: Duration = Duration::from_secs(5);
/// Told to clients, which send something at least as often. Not enforced while media flows over the connection.
const SESSION_TIMEOUT_S: u32 = 60;

/// Serves one connection until it ends.
pub(crate) async fn serve(mut stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    // Pictures leave when they are due, not when a packet is full.
    let ended = match stream.set_nodelay(true) {
        Ok(()) => Connection::new(shared).run(&mut stream).await,
        Err(error) => Err(End::Io(error)),
    };
    match ended {
        Err(End::Reset) => {
            let _ = stream.set_zero_linger(); // closed with a reset; without it merely closed
            tracing::debug!(%peer, "RTSP connection reset");
        }
        Err(End::Silence) => {
            tracing::debug!(%peer, "RTSP connection left half open");
            let mut unheard = [0; 4_096];
            while stream.read(&mut unheard).await.is_ok_and(|n| n > 0) {}
        }
        Err(end) => tracing::debug!(%peer, %end, "RTSP connection ended"),
        Ok(()) => tracing::debug!(%peer, "RTSP connection ended by the client"),
    }
}

/// Why a connection ended that the client did not close.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    BadRequest(#[from] BadRequest),
    #[error("the source has ended")]
    SourceEnded,
    #[error("the client sent no request in time")]
    Idle,
    #[error("the client did not take in time what was sent to it")]
    Slow,
    #[error("the source resets connections")]
    Reset,
    #[error("the source says nothing any more")]
    Silence,
}

impl From<Parting> for End {
    fn from(parting: Parting) -> Self {
        match parting {
            Parting::Close => End::SourceEnded,
            Parting::Reset => End::Reset,
            Parting::Silence => End::Silence,
        }
    }
}

/// Nobody sets up so many tracks.
const STRAY_CHANNEL: u8 = 200;

struct Connection {
    shared: Arc<Shared>,
    nonce: String,
    /// The method that the nonce is for.
    nonce_for: String,
    session: Option<Session>,
    /// Where the mount that was last asked for comes from.
    source: Option<Arc<dyn Source>>,
    last_request: Mono,
}

struct Session {
    id: String,
    path: String,
    mount: Arc<Mount>,
    tracks: Vec<Option<Channel>>,
    player: Option<Player>,
}

/// A track that was set up.
#[derive(Clone, Copy)]
struct Channel {
    number: u8,
    ssrc: u32,
    rtcp: u8,
}

struct Player {
    packets: BoxStream<'static, Result<Vec<Packet>, Parting>>,
    at: Mono,
    tracks: Vec<Sent>,
    next_report: Mono,
}

/// What a sender report tells of a track.
#[derive(Clone, Copy)]
struct Sent {
    rtptime: u32,
    /// [`Source::ahead_ms`] when it began.
    ahead_ms: i64,
    packets: u32,
    octets: u32,
}

impl Connection {
    fn new(shared: Arc<Shared>) -> Self {
        let last_request = shared.config.clock.mono();
        Self { shared, nonce: auth::nonce(), nonce_for: String::new(), session: None, source: None, last_request }
    }

    async fn run(&mut self, stream: &mut TcpStream) -> Result<(), End> {
        let (mut reader, mut writer) = stream.split();
        let clock = self.shared.config.clock.clone();
        let limits = self.shared.config.limits;
        let limit = Duration::from_secs(self.shared.config.quirks.session_timeout_s.unwrap_or_default().into());
        let mut received = BytesMut::with_capacity(4_096);
        loop {
            let mut out = Vec::new();
            let bad = self.answer_all(&mut received, &mut out)?;
            if out.is_empty() {
                let player = self.session.as_mut().and_then(|s| s.player.as_mut());
                let playing = player.is_some();
                let quirks = &self.shared.config.quirks;
                let strict = quirks.session_timeout_s.is_some() && !quirks.refuses_set_parameter && playing;
                tokio::select! {
                    read = reader.read_buf(&mut received) => if read? == 0 { return Ok(()) },
                    burst = next_burst(player) => match burst {
                        Some(Ok(burst)) => self.interleave(&burst, &mut out),
                        Some(Err(parting)) => return Err(parting.into()),
                        None => return Err(End::SourceEnded),
                    },
                    () = clock.sleep_until(self.last_request + limits.idle), if !playing => return Err(End::Idle),
                    () = clock.sleep_until(self.last_request + limit), if strict => return Err(End::Idle),
                }
            }
            let mut rest = &out[..];
            while let (Some(bytes_per_s), Some((first, later))) = (self.trickle(), rest.split_first()) {
                writer.write_all(&[*first]).await?;
                rest = later;
                clock.sleep(Duration::from_secs(1) / bytes_per_s.max(1)).await;
            }
            if !rest.is_empty() {
                clock::timeout(&*clock, limits.write, writer.write_all(rest)).await.ok_or(End::Slow)??;
            }
            if let Some(bad) = bad {
                return Err(bad.into());
            }
        }
    }

    fn trickle(&self) -> Option<u32> {
        self.source.as_ref().and_then(|source| source.trickle())
    }

    /// Answers what was received whole. A request that cannot be read is answered too, but is the last one.
    fn answer_all(&mut self, received: &mut BytesMut, out: &mut Vec<u8>) -> Result<Option<BadRequest>, End> {
        loop {
            match next(received) {
                Ok(None) => return Ok(None),
                // RTCP says that the client is there, RFC 3550 §6.
                Ok(Some(Incoming::Interleaved)) => self.last_request = self.shared.config.clock.mono(),
                Ok(Some(Incoming::Request(request))) => {
                    self.last_request = self.shared.config.clock.mono();
                    let mut response = self.answer(&request)?.header("Server", "Keepsight");
                    let quirks = &self.shared.config.quirks;
                    if let Some(session) = &self.session {
                        let timeout = quirks.session_timeout_s.unwrap_or(SESSION_TIMEOUT_S);
                        let id = match quirks.new_session_ids {
                            true => auth::nonce()[..16].to_owned(),
                            false => session.id.clone(),
                        };
                        response = response.header("Session", format!("{id};timeout={timeout}"));
                    }
                    let wrong = quirks.refuses_set_parameter && request.method == "SET_PARAMETER";
                    if quirks.early_data && request.method == "PLAY" {
                        self.early_data(out);
                    }
                    out.extend(response.to_bytes(Some(request.cseq - u32::from(wrong))));
                }
                Err(bad) => {
                    let status = match bad {
                        BadRequest::HeadTooLong | BadRequest::BodyTooLong => 413,
                        BadRequest::Malformed => 400,
                        BadRequest::Version => 505,
                    };
                    out.extend(Response::new(status).to_bytes(None));
                    return Ok(Some(bad));
                }
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Response, End> {
        // What is served is not even said to exist without the password; OPTIONS says nothing of it.
        if request.method == "OPTIONS" {
            let methods = match self.shared.config.quirks.refuses_set_parameter {
                true => METHODS.replace("GET_PARAMETER", "SET_PARAMETER"),
                false => METHODS.to_owned(),
            };
            return Ok(Response::new(200).header("Public", methods));
        }
        let (path, track) = target(&request.uri);
        let mount = self.shared.mount(path);
        if let Some(mount) = &mount {
            self.source = Some(mount.source.clone());
        }
        match mount.as_ref().map_or(Admit::Yes, |m| m.source.admit()) {
            Admit::Yes => {}
            Admit::Unauthorised => return Ok(self.unauthorised()),
            Admit::Refuse => return Err(End::Reset),
            Admit::Silence => return Err(End::Silence),
        }
        let shared = self.shared.clone();
        let (config, quirks) = (&shared.config, &shared.config.quirks);
        if quirks.nonce_per_method && self.nonce_for != request.method {
            self.nonce = auth::nonce();
            self.nonce_for = request.method.clone();
        }
        if let Some(credentials) = &config.credentials
            && !auth::check(credentials, config.scheme, &self.nonce, request)
            && !(quirks.also_basic.is_some() && auth::check(credentials, Scheme::Basic, &self.nonce, request))
        {
            return Ok(self.unauthorised());
        }
        Ok(match (request.method.as_str(), mount) {
            ("DESCRIBE" | "SETUP", None) => Response::new(404),
            ("DESCRIBE", Some(_)) if let Some(to) = &quirks.redirect => {
                Response::new(302).header("Location", to.clone())
            }
            ("DESCRIBE", Some(mount)) => {
                let described = sdp::describe(&mount.name, &mount.source.describe(&mount.tracks));
                let response = match quirks.no_content_base {
                    true => Response::new(200),
                    false => Response::new(200).header("Content-Base", base_of(&request.uri)),
                };
                response.body("application/sdp", described)
            }
            ("SET_PARAMETER", _) if quirks.refuses_set_parameter => Response::new(400),
            ("SETUP", Some(_)) if let Some(status) = quirks.refuses_tcp => Response::new(status),
            ("SETUP", Some(mount)) => self.set_up(request, path, &mount, track),
            ("PLAY", _) => {
                let info = !quirks.no_rtp_info;
                self.in_session(request, |session, clock| session.play(request, clock, info))
            }
            ("PAUSE", _) => self.in_session(request, |session, _| {
                session.player = None;
                Response::new(200)
            }),
            // An empty one is how clients keep a session alive; there are no parameters.
            ("GET_PARAMETER", _) => Response::new(200),
            ("TEARDOWN", _) => {
                let response = self.in_session(request, |_, _| Response::new(200));
                self.session = None;
                response
            }
            _ => Response::new(501).header("Public", METHODS),
        })
    }

    fn unauthorised(&self) -> Response {
        let config = &self.shared.config;
        let mut schemes = vec![config.scheme];
        match config.quirks.also_basic {
            Some(Place::First) => schemes.insert(0, Scheme::Basic),
            Some(Place::Last) => schemes.push(Scheme::Basic),
            None => {}
        }
        schemes.into_iter().fold(Response::new(401), |response, scheme| {
            response.header("WWW-Authenticate", auth::challenge(scheme, &self.nonce))
        })
    }

    /// A packet of the first track, from before its first one: nothing but a delimiter.
    fn early_data(&self, out: &mut Vec<u8>) {
        let Some(session) = self.session.as_ref().filter(|s| s.player.is_some()) else { return };
        let Some(Some(channel)) = session.tracks.first() else { return };
        let payload = Bytes::from_static(&[9, 0xf0]);
        let packet = Packet { track: 0, seq: 0, timestamp: 0, marker: true, payload };
        put_frame(out, channel.number, rtp::HEADER_BYTES + packet.payload.len());
        rtp::put_header(out, session.mount.tracks[0].payload_type(0), &packet, channel.ssrc);
        out.extend_from_slice(&packet.payload);
    }

    fn set_up(&mut self, request: &Request, path: &str, mount: &Arc<Mount>, track: Option<usize>) -> Response {
        // A session with one track may be set up by its own address.
        let track = track.or((mount.tracks.len() == 1).then_some(0));
        let Some(track) = track.filter(|t| *t < mount.tracks.len()) else {
            return Response::new(if track.is_some() { 404 } else { 459 });
        };
        match &self.session {
            Some(session) if session.path != path => return Response::new(459),
            Some(session) if session.player.is_some() => return Response::new(455),
            Some(session)
                if session_of(request).is_some_and(|id| id != session.id)
                    && !self.shared.config.quirks.new_session_ids =>
            {
                return Response::new(454);
            }
            None if session_of(request).is_some() => return Response::new(454),
            _ => {}
        }
        let taken: Vec<u8> = self.session.iter().flat_map(|s| s.tracks.iter().flatten()).map(|c| c.number).collect();
        let free = (0..=254).step_by(2).find(|n| !taken.contains(n));
        let transport = request.header("Transport").unwrap_or_default();
        let Some((number, rtcp)) = transport.split(',').find_map(|t| channels(t, free)) else {
            return Response::new(461);
        };
        if taken.contains(&number) {
            return Response::new(461);
        }
        let (number, rtcp) = match self.shared.config.quirks.other_channels {
            true => (10 + 2 * track as u8, 11 + 2 * track as u8),
            false => (number, rtcp),
        };
        let mut ssrc = [0; 4];
        base::random(&mut ssrc);
        let channel = Channel { number, rtcp, ssrc: u32::from_be_bytes(ssrc) };
        let session = self.session.get_or_insert_with(|| Session {
            id: auth::nonce()[..16].to_owned(),
            path: path.to_owned(),
            mount: mount.clone(),
            tracks: vec![None; mount.tracks.len()],
            player: None,
        });
        // The mount may have been replaced since the session's first track was set up.
        let Some(slot) = session.tracks.get_mut(track) else { return Response::new(404) };
        *slot = Some(channel);
        Response::new(200).header(
            "Transport",
            format!("RTP/AVP/TCP;unicast;interleaved={number}-{rtcp};ssrc={:08X};mode=\"PLAY\"", channel.ssrc),
        )
    }

    fn in_session(
        &mut self,
        request: &Request,
        act: impl FnOnce(&mut Session, &dyn base::Clock) -> Response,
    ) -> Response {
        let path = target(&request.uri).0;
        let any = self.shared.config.quirks.new_session_ids;
        match &mut self.session {
            Some(s) if (any || session_of(request) == Some(&s.id)) && s.path == path => {
                act(s, &*self.shared.config.clock)
            }
            _ => Response::new(454),
        }
    }

    /// Writes a burst, and sender reports when they are due, to what is sent.
    fn interleave(&mut self, burst: &[Packet], out: &mut Vec<u8>) {
        let clock = &*self.shared.config.clock;
        let Some(session) = &mut self.session else { return };
        let Some(player) = &mut session.player else { return };
        let now = clock.mono();
        if now >= player.next_report {
            player.next_report = now + REPORT_EVERY;
            // The first is of the start itself: some clients count from it.
            let first = player.tracks.iter().all(|sent| sent.packets == 0);
            let instant = if first { player.at } else { now };
            let elapsed = instant.since(player.at);
            let wall = clock.wall().saturating_sub(now.since(instant)).unwrap_or_default();
            for (track, (channel, sent)) in session.tracks.iter().zip(&player.tracks).enumerate() {
                let Some(channel) = channel else { continue };
                let rate = u128::from(session.mount.tracks[track].clock_rate());
                let jumped_ms = session.mount.source.ahead_ms(track).wrapping_sub(sent.ahead_ms);
                let jumped = jumped_ms.wrapping_mul(rate as i64) / 1_000;
                let elapsed = (elapsed.as_nanos() * rate / 1_000_000_000) as u32;
                let rtp = sent.rtptime.wrapping_add(elapsed).wrapping_add(jumped as u32);
                let report = rtp::sender_report(channel.ssrc, wall, rtp, sent.packets, sent.octets);
                put_frame(out, channel.rtcp, report.len());
                out.extend(report);
            }
        }
        for packet in burst {
            let Some(Some(channel)) = session.tracks.get(packet.track) else { continue };
            let len = rtp::HEADER_BYTES + packet.payload.len();
            if len > usize::from(u16::MAX) {
                continue;
            }
            put_frame(out, channel.number, len);
            let payload_type = session.mount.tracks[packet.track].payload_type(packet.track);
            rtp::put_header(out, payload_type, packet, channel.ssrc);
            out.extend_from_slice(&packet.payload);
            let sent = &mut player.tracks[packet.track];
            sent.packets = sent.packets.wrapping_add(1);
            sent.octets = sent.octets.wrapping_add(packet.payload.len() as u32);
        }
        if self.shared.config.quirks.stray_data {
            put_frame(out, STRAY_CHANNEL, 4);
            out.extend([0; 4]);
        }
    }
}

impl Session {
    /// `told`: the answer says where the tracks begin.
    fn play(&mut self, request: &Request, clock: &dyn base::Clock, told: bool) -> Response {
        if self.player.is_some() {
            return Response::new(200); // some clients keep a session alive with it
        }
        let playing = self.mount.source.play();
        let base = base_of(&request.uri);
        let mut info = Vec::new();
        for (track, start) in playing.start.iter().enumerate() {
            if let Some(Some(_)) = self.tracks.get(track) {
                info.push(format!("url={base}trackID={track};seq={};rtptime={}", start.seq, start.rtptime));
            }
        }
        let mut tracks = vec![Sent { rtptime: 0, ahead_ms: 0, packets: 0, octets: 0 }; self.tracks.len()];
        for (track, (sent, start)) in tracks.iter_mut().zip(&playing.start).enumerate() {
            sent.rtptime = start.rtptime;
            sent.ahead_ms = self.mount.source.ahead_ms(track);
        }
        self.player = Some(Player { packets: playing.packets, at: playing.at, tracks, next_report: clock.mono() });
        let response = Response::new(200).header("Range", "npt=0.000-");
        if told { response.header("RTP-Info", info.join(",")) } else { response }
    }
}

/// The next packets, or never, if nothing plays.
async fn next_burst(player: Option<&mut Player>) -> Option<Result<Vec<Packet>, Parting>> {
    match player {
        Some(player) => player.packets.next().await,
        None => std::future::pending().await,
    }
}

/// Channel numbers for media and control from one transport that a client offers; `None` if it is not TCP.
fn channels(transport: &str, free: Option<u8>) -> Option<(u8, u8)> {
    let mut parts = transport.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("RTP/AVP/TCP") {
        return None;
    }
    let Some(asked) = parts.find_map(|p| p.strip_prefix("interleaved=")) else {
        return free.map(|n| (n, n + 1));
    };
    let (number, rtcp) = asked.split_once('-').unwrap_or((asked, ""));
    let number: u8 = number.parse().ok()?;
    let rtcp = if rtcp.is_empty() { number.checked_add(1)? } else { rtcp.parse().ok()? };
    Some((number, rtcp))
}

fn session_of(request: &Request) -> Option<&str> {
    request.header("Session").map(|v| v.split(';').next().unwrap_or_default().trim())
}

/// The four bytes before interleaved data, RFC 2326 §10.12.
fn put_frame(out: &mut Vec<u8>, channel: u8, len: usize) {
    let [high, low] = (len as u16).to_be_bytes();
    out.extend_from_slice(&[b'$', channel, high, low]);
}
