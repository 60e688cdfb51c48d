//! A camera that says what no camera should: a relay in front of a simulated one spoils what it sends, as dice have it. What
//! the hub asks is handed on as it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

use crate::plug::Luck;

/// What is spoiled on a connection: one kind each, so that most of what is said stays well enough to be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Answers: status lines, headers, and the session description in them.
    Answers,
    /// The session description alone.
    Description,
    /// Headers of RTP and RTCP packets.
    Headers,
    /// What is in the packets: coded pictures and sound, from their first bytes on.
    Payloads,
    /// The four bytes before each packet.
    Framing,
    /// Packets that are lost, come twice, or in another order.
    Order,
    /// Any byte anywhere.
    Anything,
}

const KINDS: [Kind; 7] =
    [Kind::Answers, Kind::Description, Kind::Headers, Kind::Payloads, Kind::Framing, Kind::Order, Kind::Anything];
/// Of so many packets or pieces one is spoiled.
const ONE_IN: usize = 25;
/// Before it is spoiled, an answer is no longer than this; a longer one is handed on as it comes.
const LONGEST_ANSWER: usize = 1 << 16;

/// A relay that spoils what a camera sends. Ends with its last handle.
pub struct Hostile {
    url: Url,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Hostile {
    /// In front of this address of a camera on this machine. The same dice spoil the same.
    ///
    /// # Panics
    /// If the address is none, or no port is free.
    pub async fn before(camera: &str, seed: u64) -> Hostile {
        let mut url = Url::parse(camera).expect("a camera's address");
        let to = (url.host_str().expect("a host").to_owned(), url.port().expect("a port"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        url.set_port(Some(port)).expect("an address that has a port");
        let connections = Arc::new(AtomicU64::new(0));
        let counter = connections.clone();
        let task = tokio::spawn(async move {
            let mut relays = tokio::task::JoinSet::new();
            while let Ok((hub, _)) = listener.accept().await {
                let n = counter.fetch_add(1, Ordering::Relaxed);
                let dice = Luck(seed.wrapping_mul(1_000_003).wrapping_add(n));
                // Each kind in turn, beginning with another one at each camera.
                let kind = KINDS[(seed.wrapping_add(n) % KINDS.len() as u64) as usize];
                relays.spawn(relay(hub, to.clone(), kind, dice));
                while relays.try_join_next().is_some() {}
            }
        });
        Hostile { url, connections, task }
    }

    /// Where the hub is to ask.
    pub fn url(&self) -> String {
        self.url.to_string()
    }

    /// How often somebody connected.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, until either side ends it or it was cut short on purpose.
async fn relay(hub: TcpStream, to: (String, u16), kind: Kind, dice: Luck) {
    let Ok(camera) = TcpStream::connect(to).await else { return };
    let _ = hub.set_nodelay(true);
    let (mut from_hub, mut to_hub) = hub.into_split();
    let (mut from_camera, mut to_camera) = camera.into_split();
    let spoil = async {
        let mut spoiler = Spoiler { kind, dice, received: Vec::new(), kept_back: None };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let n = match from_camera.read(&mut buffer).await {
                Ok(n) if n > 0 => n,
                _ => return,
            };
            spoiler.received.extend_from_slice(&buffer[..n]);
            let mut out = Vec::new();
            let goes_on = spoiler.pass(&mut out);
            if to_hub.write_all(&out).await.is_err() || !goes_on {
                return;
            }
        }
    };
    tokio::select! {
        () = spoil => {}
        _ = tokio::io::copy(&mut from_hub, &mut to_camera) => {}
    }
}

struct Spoiler {
    kind: Kind,
    dice: Luck,
    /// What the camera sent and is not handed on yet.
    received: Vec<u8>,
    /// A packet that comes after the next one.
    kept_back: Option<Vec<u8>>,
}

impl Spoiler {
    /// Hands on what has come whole. `false`: and then nothing more, the connection is cut.
    fn pass(&mut self, out: &mut Vec<u8>) -> bool {
        while let Some(length) = whole(&self.received) {
            let mut message: Vec<u8> = self.received.drain(..length).collect();
            if message[0] == b'$' {
                self.packet(message, out);
            } else {
                self.answer(&mut message);
                out.extend(message);
            }
            if self.dice.below(4_000) == 0 {
                out.truncate(self.dice.below(out.len().max(1)));
                return false;
            }
        }
        true
    }

    fn answer(&mut self, message: &mut Vec<u8>) {
        match self.kind {
            // Most answers stay: else no connection would ever come to play.
            Kind::Answers | Kind::Anything if self.dice.below(3) == 0 => spoil_text(message, &mut self.dice),
            Kind::Description => {
                if let Some(at) = body(message).filter(|at| *at < message.len()) {
                    let mut description = message.split_off(at);
                    for _ in 0..=self.dice.below(3) {
                        spoil_text(&mut description, &mut self.dice);
                    }
                    // Of the length that is said: else it would be another fault.
                    let head = String::from_utf8_lossy(message).into_owned();
                    let lines = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length"));
                    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
                    let head = format!("{}\r\nContent-Length: {}\r\n\r\n", lines.join("\r\n"), description.len());
                    *message = [head.into_bytes(), description].concat();
                }
            }
            _ => {}
        }
    }

    fn packet(&mut self, mut message: Vec<u8>, out: &mut Vec<u8>) {
        if self.dice.below(ONE_IN) != 0 {
            out.extend(message);
            out.extend(self.kept_back.take().unwrap_or_default());
            return;
        }
        match self.kind {
            Kind::Answers | Kind::Description => {}
            Kind::Headers => spoil_within(&mut message, 4..16, &mut self.dice),
            Kind::Payloads => {
                // The first bytes say most: NAL unit headers, fragmentation, parameter sets, lengths.
                let end = if self.dice.below(2) == 0 { 24 } else { message.len() };
                for _ in 0..=self.dice.below(4) {
                    spoil_within(&mut message, 16..end, &mut self.dice);
                }
                if self.dice.below(4) == 0 {
                    message.truncate(16 + self.dice.below(message.len().saturating_sub(16).max(1)));
                }
                frame(&mut message);
            }
            Kind::Framing => spoil_within(&mut message, 0..4, &mut self.dice),
            Kind::Order => match self.dice.below(3) {
                0 => return,
                1 => out.extend_from_slice(&message),
                _ => {
                    out.extend(self.kept_back.replace(message).unwrap_or_default());
                    return;
                }
            },
            Kind::Anything => spoil(&mut message, &mut self.dice),
        }
        out.extend(message);
    }
}

/// How long the first message is, if all of it is there.
fn whole(received: &[u8]) -> Option<usize> {
    if let [b'$', rest @ ..] = received {
        let length = rest.get(1..3)?;
        let length = 4 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        return (received.len() >= length).then_some(length);
    }
    if received.len() > LONGEST_ANSWER {
        return Some(received.len());
    }
    let body = body(received)?;
    let head = String::from_utf8_lossy(&received[..body]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    let length = body + length.unwrap_or(0);
    (received.len() >= length).then_some(length)
}

/// Where the body of an answer begins.
fn body(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// Says the length that a packet has now.
fn frame(message: &mut [u8]) {
    if let Ok(length) = u16::try_from(message.len().saturating_sub(4)) {
        message[2..4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Spoils text: whole lines and numbers rather than single bits.
fn spoil_text(text: &mut Vec<u8>, dice: &mut Luck) {
    let lines: Vec<Vec<u8>> = text.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
    let Some(n) = (!lines.is_empty()).then(|| dice.below(lines.len())) else { return };
    let mut lines = lines;
    match dice.below(7) {
        0 => drop(lines.remove(n)),
        1 => lines.insert(n, lines[n].clone()),
        2 => {
            let other = dice.below(lines.len());
            lines.swap(n, other);
        }
        3 => {
            // A number that is too large, negative, or none.
            let number = [&b"99999999999999999999"[..], b"-1", b"0", b"4294967296", b"x", b""][dice.below(6)];
            let line = &lines[n];
            if let Some(at) = line.iter().position(u8::is_ascii_digit) {
                let end = at + line[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                lines[n] = [&line[..at], number, &line[end..]].concat();
            }
        }
        4 => {
            // A line that goes on for long.
            let long = vec![b'a' + dice.below(26) as u8; 1 << (4 + dice.below(14))];
            let end = lines[n].len().saturating_sub(2);
            lines[n].splice(end..end, long);
        }
        _ => spoil(&mut lines[n], dice),
    }
    *text = lines.concat();
}

/// Spoils a few bytes: changes, takes out, doubles, puts in.
fn spoil(bytes: &mut Vec<u8>, dice: &mut Luck) {
    if bytes.is_empty() {
        return;
    }
    let at = dice.below(bytes.len());
    let end = (at + 1 + dice.below(16)).min(bytes.len());
    match dice.below(5) {
        0 => drop(bytes.drain(at..end)),
        1 => {
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        2 => {
            let part: Vec<u8> = (at..end).map(|_| dice.draw() as u8).collect();
            bytes.splice(at..at, part);
        }
        _ => {
            let len = bytes.len();
            spoil_within(bytes, at..len, dice);
        }
    }
}

/// Changes one byte of a part.
fn spoil_within(bytes: &mut [u8], part: std::ops::Range<usize>, dice: &mut Luck) {
    let end = part.end.min(bytes.len());
    if part.start >= end {
        return;
    }
    let byte = &mut bytes[part.start + dice.below(end - part.start)];
    *byte = match dice.below(4) {
        0 => 0,
        1 => 0xff,
        2 => *byte ^ (1 << dice.below(8)),
        _ => dice.draw() as u8,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> Vec<u8> {
        let answer = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nv=0\r\n".to_vec();
        let packet = [&b"$\0\0\x10"[..], &[7; 16]].concat();
        [answer, packet.repeat(40)].concat()
    }

    #[test]
    fn every_kind_spoils_something_and_the_same_dice_the_same() {
        for kind in KINDS {
            let pass = |seed| {
                let mut spoiler = Spoiler { kind, dice: Luck(seed), received: messages(), kept_back: None };
                let mut out = Vec::new();
                spoiler.pass(&mut out);
                out
            };
            let spoiled = (0..50).filter(|seed| pass(*seed) != messages()).count();
            assert!(spoiled > 10, "{kind:?}: {spoiled} of 50");
            assert_eq!(pass(7), pass(7), "{kind:?}");
        }
    }

    #[test]
    fn what_is_not_there_whole_is_waited_for() {
        let all = messages();
        let first = all.iter().position(|b| *b == b'$').unwrap();
        assert_eq!(whole(&all), Some(first));
        assert_eq!(whole(&all[..first - 1]), None);
        assert_eq!(whole(&all[first..first + 20]), Some(20));
        assert_eq!(whole(&all[first..first + 19]), None);
        assert_eq!(whole(b"$"), None);
    }
}
