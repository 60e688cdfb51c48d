//! A small RTSP client for tests: shares no code with the server.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use base::{SystemClock, clock};
use md5::{Digest, Md5};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest that anything takes on a machine that does other things too.
const DEADLINE: Duration = Duration::from_secs(30);

pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    /// Interleaved data that came before an answer.
    frames: VecDeque<(u8, Vec<u8>)>,
    cseq: u32,
    pub session: Option<String>,
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map_or("", |(_, v)| v)
    }
}

/// A received RTP packet.
#[derive(Debug)]
#[allow(dead_code, reason = "each test binary uses a part of it")]
pub struct Rtp {
    pub payload_type: u8,
    pub marker: bool,
    pub seq: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

#[allow(dead_code, reason = "each test binary uses a part of it")]
impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = deadline(TcpStream::connect(addr)).await.unwrap();
        Self { stream, received: Vec::new(), frames: VecDeque::new(), cseq: 0, session: None }
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub async fn request(&mut self, method: &str, uri: &str, headers: &[(&str, &str)]) -> Reply {
        self.cseq += 1;
        let mut text = format!("{method} {uri} RTSP/1.0\r\nCSeq: {}\r\n", self.cseq);
        if let Some(session) = &self.session {
            text += &format!("Session: {session}\r\n");
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        self.send(format!("{text}\r\n").as_bytes()).await;
        let reply = self.reply().await.expect("an answer");
        assert_eq!(reply.header("CSeq"), self.cseq.to_string());
        if method == "SETUP" && reply.status == 200 {
            self.session = Some(reply.header("Session").split(';').next().unwrap().to_owned());
        }
        reply
    }

    /// DESCRIBE, SETUP of `tracks` tracks on channels 0-1, 2-3, …, PLAY. Returns the answer to PLAY.
    pub async fn play(&mut self, uri: &str, tracks: usize) -> Reply {
        assert_eq!(self.request("DESCRIBE", uri, &[]).await.status, 200);
        for i in 0..tracks {
            let transport = format!("RTP/AVP/TCP;unicast;interleaved={}-{}", 2 * i, 2 * i + 1);
            let reply = self.request("SETUP", &format!("{uri}/trackID={i}"), &[("Transport", &transport)]).await;
            assert_eq!(reply.status, 200);
        }
        let reply = self.request("PLAY", uri, &[]).await;
        assert_eq!(reply.status, 200);
        reply
    }

    /// The next answer; `None` if the server closed the connection.
    pub async fn reply(&mut self) -> Option<Reply> {
        loop {
            if self.received.first() == Some(&b'$') {
                let frame = self.take_frame().await?;
                self.frames.push_back(frame);
            } else if let Some(end) = find(&self.received, b"\r\n\r\n") {
                let head = String::from_utf8(self.received.drain(..end + 4).collect()).unwrap();
                let mut lines = head.trim_end().split("\r\n");
                let status = lines.next().unwrap().strip_prefix("RTSP/1.0 ").unwrap()[..3].parse().unwrap();
                let header = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap();
                let mut reply = Reply { status, headers: lines.map(header).collect(), body: String::new() };
                let length = reply.header("Content-Length").parse().unwrap_or(0);
                while self.received.len() < length {
                    self.read().await?;
                }
                reply.body = String::from_utf8(self.received.drain(..length).collect()).unwrap();
                return Some(reply);
            } else {
                self.read().await?;
            }
        }
    }

    /// The next interleaved data and its channel; `None` if the server closed the connection.
    pub async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        if let Some(frame) = self.frames.pop_front() {
            return Some(frame);
        }
        while self.received.is_empty() {
            self.read().await?;
        }
        assert_eq!(self.received[0], b'$', "an answer nobody asked for");
        self.take_frame().await
    }

    /// The next RTP packet and its channel, past all reports.
    pub async fn rtp(&mut self) -> Option<(u8, Rtp)> {
        loop {
            let (channel, data) = self.frame().await?;
            if channel % 2 == 0 {
                return Some((channel, parse_rtp(&data)));
            }
        }
    }

    /// Waits until the server closes the connection, whatever it sends before.
    pub async fn closed(&mut self) {
        while self.read().await.is_some() {
            self.received.clear();
        }
    }

    async fn take_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        while self.received.len() < 4 {
            self.read().await?;
        }
        let length = usize::from(u16::from_be_bytes([self.received[2], self.received[3]]));
        while self.received.len() < 4 + length {
            self.read().await?;
        }
        let channel = self.received[1];
        let frame = self.received[4..4 + length].to_vec();
        self.received.drain(..4 + length);
        Some((channel, frame))
    }

    async fn read(&mut self) -> Option<()> {
        // An answer may end in a reset where the server had unread bytes: closed too.
        let read = deadline(self.stream.read_buf(&mut self.received)).await.unwrap_or(0);
        (read > 0).then_some(())
    }
}

/// The value of `Authorization` that answers a Digest challenge.
#[allow(dead_code, reason = "each test binary uses a part of it")]
pub fn digest(challenge: &str, user: &str, password: &str, method: &str, uri: &str) -> String {
    let param = |name: &str| {
        let from = challenge.find(&format!("{name}=\"")).map(|at| at + name.len() + 2)?;
        challenge[from..].split('"').next()
    };
    let md5 = |text: String| -> String { Md5::digest(text).iter().map(|b| format!("{b:02x}")).collect() };
    let (realm, nonce) = (param("realm").unwrap(), param("nonce").unwrap());
    let ha1 = md5(format!("{user}:{realm}:{password}"));
    let ha2 = md5(format!("{method}:{uri}"));
    let (response, qop) = match param("qop") {
        Some(qop) => (
            md5(format!("{ha1}:{nonce}:00000001:f00:{qop}:{ha2}")),
            format!(", qop={qop}, nc=00000001, cnonce=\"f00\""),
        ),
        None => (md5(format!("{ha1}:{nonce}:{ha2}")), String::new()),
    };
    format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"{qop}"
    )
}

fn parse_rtp(data: &[u8]) -> Rtp {
    assert_eq!(data[0], 0x80, "version 2, nothing special");
    Rtp {
        payload_type: data[1] & 0x7f,
        marker: data[1] & 0x80 != 0,
        seq: u16::from_be_bytes([data[2], data[3]]),
        timestamp: u32::from_be_bytes(data[4..8].try_into().unwrap()),
        payload: data[12..].to_vec(),
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what)
}

pub async fn deadline<F: Future>(future: F) -> F::Output {
    clock::timeout(&SystemClock, DEADLINE, future).await.expect("in time")
}
