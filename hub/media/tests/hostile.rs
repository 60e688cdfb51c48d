//! What cameras should never say, one conversation a file in `hostile/`: each ends as the file says, within seconds, or is
//! recorded all the same; never with a panic, be it in a library.
//!
//! A file holds comments (`#`), what is expected, and what the camera does, line by line:
//!
//! ```text
//! ends broken, unreachable    how the ingest ends: one of these reasons
//! records 3                   or: it goes on, and so many pictures arrive
//! answer                      waits for a request and answers it with the lines up to the next ".", as they are
//! good describe               waits for a request and gives a camera's usual answer (setup, play)
//! key, delta                  a whole good picture: a key picture with its parameters, or one that follows
//! rtp 7c05ff                  a packet with this payload, its picture's last; `part` instead: more follow
//! packet 0 8060…              any packet on a channel
//! bytes 24000000              any bytes
//! endless 61                  these bytes again and again, 16 MiB of them
//! again 5                     the next line so many times
//! close, silence              closes the connection; says nothing more
//! ```
//!
//! In an answer `{cseq}` is the request's, `{url}` the camera's address, `{sdp}` its description, and `{nothing}` an empty line.

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::{Clock, SystemClock};
use media::{Ingest, Options, Source};
use support::{Clip, Remember};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;

/// However a camera behaves, its ingest has ended by then: what it may take to connect, and some for a busy machine.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug)]
enum Expected {
    Ends(Vec<String>),
    Records(usize),
}

#[derive(Debug, Clone)]
enum Step {
    Answer(String),
    Picture { key: bool },
    Rtp { payload: Vec<u8>, last: bool },
    Packet { channel: u8, packet: Vec<u8> },
    Bytes(Vec<u8>),
    Endless(Vec<u8>),
    Close,
    Silence,
}

struct Conversation {
    expected: Expected,
    steps: Vec<Step>,
}

impl Conversation {
    fn read(file: &Path) -> Conversation {
        let text = std::fs::read_to_string(file).unwrap();
        let name = file.display();
        let (mut expected, mut steps, mut again) = (None, Vec::new(), 1);
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let step = match word {
                "" => continue,
                _ if word.starts_with('#') => continue,
                "ends" => {
                    expected = Some(Expected::Ends(rest.split(',').map(|r| r.trim().to_owned()).collect()));
                    continue;
                }
                "records" => {
                    expected = Some(Expected::Records(rest.parse().unwrap()));
                    continue;
                }
                "again" => {
                    again = rest.parse().unwrap();
                    continue;
                }
                "answer" => {
                    Step::Answer(lines.by_ref().take_while(|l| *l != ".").map(|l| format!("{l}\r\n")).collect())
                }
                "good" => Step::Answer(good(rest)),
                "key" => Step::Picture { key: true },
                "delta" => Step::Picture { key: false },
                "rtp" | "part" => Step::Rtp { payload: hex(rest), last: word == "rtp" },
                "packet" => {
                    let (channel, packet) = rest.split_once(' ').unwrap();
                    Step::Packet { channel: channel.parse().unwrap(), packet: hex(packet) }
                }
                "bytes" => Step::Bytes(hex(rest)),
                "endless" => Step::Endless(hex(rest)),
                "close" => Step::Close,
                "silence" => Step::Silence,
                other => panic!("{name}: {other}"),
            };
            steps.extend(std::iter::repeat_n(step, std::mem::replace(&mut again, 1)));
        }
        Conversation { expected: expected.unwrap_or_else(|| panic!("{name} says not what is expected")), steps }
    }
}

/// What a well-behaved camera answers.
fn good(request: &str) -> String {
    let head = "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n";
    match request {
        "describe" => format!("{head}Content-Type: application/sdp\r\nContent-Base: {{url}}/\r\n{{sdp}}"),
        "setup" => format!("{head}Session: 1;timeout=60\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"),
        "play" => format!("{head}Session: 1\r\nRTP-Info: url={{url}}/trackID=0;seq=1;rtptime=0\r\n\r\n"),
        other => panic!("no usual answer to {other}"),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(&two.iter().collect::<String>(), 16).expect("hex")).collect()
}

/// One camera that talks as a conversation says.
struct Camera {
    stream: TcpStream,
    url: String,
    clip: Clip,
    seq: u16,
    /// Pictures so far: the clip's, again and again.
    pictures: usize,
}

impl Camera {
    async fn talk(mut self, steps: &[Step]) {
        for step in steps {
            let out = match step {
                Step::Answer(answer) => {
                    let Some(cseq) = self.request().await else { return };
                    self.filled(answer, &cseq)
                }
                Step::Picture { key } => self.picture(*key),
                Step::Rtp { payload, last } => self.rtp(payload, *last),
                Step::Packet { channel, packet } => framed(*channel, packet),
                Step::Bytes(bytes) => bytes.clone(),
                Step::Endless(bytes) => {
                    let piece = bytes.repeat((64 << 10) / bytes.len().max(1));
                    for _ in 0..256 {
                        if self.stream.write_all(&piece).await.is_err() {
                            return;
                        }
                    }
                    continue;
                }
                Step::Close => return,
                Step::Silence => break,
            };
            if self.stream.write_all(&out).await.is_err() {
                return;
            }
        }
        // Reads on until the hub leaves; a camera that has closed would be another fault.
        let mut unheard = [0; 1_024];
        while self.stream.read(&mut unheard).await.is_ok_and(|n| n > 0) {}
    }

    /// The next request's CSeq; `None` if the hub has left.
    async fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let cseq = head.lines().find_map(|line| line.strip_prefix("CSeq: "))?;
        Some(cseq.to_owned())
    }

    fn filled(&self, answer: &str, cseq: &str) -> Vec<u8> {
        let sdp = self.sdp();
        let sdp = format!("Content-Length: {}\r\n\r\n{sdp}", sdp.len());
        let text = answer.replace("{cseq}", cseq).replace("{url}", &self.url).replace("{sdp}", &sdp);
        text.replace("{nothing}", "").into_bytes()
    }

    fn sdp(&self) -> String {
        let base64 = |bytes: &[u8]| {
            let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
            let sextet = |six: &[u8]| {
                let value = six.iter().fold(0, |value, bit| value << 1 | usize::from(*bit)) << (6 - six.len());
                char::from(alphabet[value])
            };
            let text: String = bits.chunks(6).map(sextet).collect();
            format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4))
        };
        let (sps, pps) = (base64(&self.clip.sps), base64(&self.clip.pps));
        format!(
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
             a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sps},{pps}\r\na=control:trackID=0\r\n"
        )
    }

    fn picture(&mut self, key: bool) -> Vec<u8> {
        let all = self.clip.pictures.len();
        let next = (0..all).map(|i| (self.pictures + i) % all).find(|i| self.clip.is_key(*i) == key).unwrap();
        let mut nals: Vec<&[u8]> = self.clip.pictures[next].iter().map(|nal| &nal[..]).collect();
        if key {
            nals.splice(0..0, [&self.clip.sps[..], &self.clip.pps[..]]);
        }
        let payloads = rtsp_server::rtp::h264(nals, rtsp_server::rtp::MAX_PAYLOAD);
        let last = payloads.len() - 1;
        payloads.iter().enumerate().flat_map(|(i, payload)| self.rtp(payload, i == last)).collect()
    }

    fn rtp(&mut self, payload: &[u8], last: bool) -> Vec<u8> {
        self.seq = self.seq.wrapping_add(1);
        let timestamp = self.pictures as u32 * 4_500;
        self.pictures += usize::from(last);
        let mut packet = vec![0x80, 96 | u8::from(last) << 7];
        packet.extend(self.seq.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend_from_slice(payload);
        framed(0, &packet)
    }
}

fn framed(channel: u8, packet: &[u8]) -> Vec<u8> {
    let [high, low] = (packet.len() as u16).to_be_bytes();
    [&[b'$', channel, high, low], packet].concat()
}

/// What is wrong with how a conversation went, if anything is.
async fn wrong(file: PathBuf) -> Option<String> {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let Conversation { expected, steps } = Conversation::read(&file);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rtsp://{}/cam", listener.local_addr().unwrap());
    let source = Source::parse(&url, None).unwrap();
    let cameras = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let camera = Camera { stream, url: url.clone(), clip: Clip::usual(), seq: 0, pictures: 0 };
            let steps = steps.clone();
            connections.spawn(async move { camera.talk(&steps).await });
        }
    });
    let remember = Remember::default();
    let options = Options {
        connect_timeout: Duration::from_secs(4),
        ask_again: Duration::from_secs(10),
        read_timeout: Duration::from_secs(2),
        ..Options::default()
    };
    let ingest = Ingest::start(source, &Handle::current(), Arc::new(SystemClock), options, remember.output()).unwrap();
    let pictures = || remember.seen().units.iter().filter(|u| u.track == base::footage::Track::Video).count();
    let enough = async {
        match expected {
            Expected::Records(count) => {
                let deadline = SystemClock.mono() + ENDS_WITHIN;
                while pictures() < count && SystemClock.mono() < deadline {
                    SystemClock.sleep(Duration::from_millis(5)).await;
                }
            }
            Expected::Ends(_) => SystemClock.sleep(ENDS_WITHIN).await,
        }
    };
    let end = tokio::select! {
        end = ingest.ended() => Some(end),
        () = enough => None,
    };
    let came = pictures();
    let stopped = base::clock::timeout(&SystemClock, ENDS_WITHIN, ingest.stop()).await;
    cameras.abort();
    let end_reason = end.as_ref().map(|end| end.reason.as_str().to_owned());
    let fits = match (&expected, &end_reason) {
        (Expected::Ends(reasons), Some(reason)) => reasons.contains(reason),
        (Expected::Records(count), None) => came >= *count,
        _ => false,
    };
    // The words for a panic that was caught.
    let panicked = end.as_ref().is_some_and(|end| end.detail == "What it sends cannot be read");
    (!fits || panicked || stopped.is_none())
        .then(|| format!("{name}: {expected:?} was expected, after {came} pictures came {end:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_conversation_of_the_folder_goes_as_it_says() {
    media::init().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 40, "the folder is there");
    let all = files.into_iter().map(|file| tokio::spawn(wrong(file)));
    let mut complaints = Vec::new();
    for one in all.collect::<Vec<_>>() {
        complaints.extend(one.await.unwrap());
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
