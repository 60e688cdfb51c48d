//! What hub and child say to each other, on a stream socket.
//!
//! ```text
//! child  H  sandbox (1)  length (2)  text        once it is locked in
//! hub    coding (1)  width (2)  length of the parameters (4)  length of the picture (4)  parameters  picture
//! child  0  length (4)                           the JPEG lies in the shared file
//!        1  length (4)  text                     it could not be decoded
//!        2  length (4)  text                     nothing here decodes this coding
//! ```
//!
//! Numbers are big-endian. The same binary stands at both ends, so there are no versions; what a child says is read as if an
//! enemy had written it.

pub(crate) mod objects;
pub(crate) mod trial;
pub(crate) mod watch;

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::coded::Codec;
use crate::motion::Settings;
use crate::objects::{MAX_DESCRIPTION_BYTES, MAX_MODEL_BYTES};
use crate::sandbox::Sandbox;

/// The largest coded picture with its parameters: what the live ring keeps, and some.
pub(crate) const MAX_CODED_BYTES: usize = 9 << 20;
/// The largest JPEG, and the size of the file that it lies in. One of 4K is about 3 MB.
pub(crate) const MAX_JPEG_BYTES: u32 = 16 << 20;
/// The longest text of a child.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// What a child is asked first.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// Make a JPEG of a coded picture, of this width if it is not 0.
    Still { codec: Codec, width: u16, config: Vec<u8>, data: Vec<u8> },
    /// Look for motion in the pictures that follow, as [`watch`] has them, and decode with these elements where they decode what
    /// comes.
    Watch { settings: Settings, first: Vec<String> },
    /// Say which decoders there are, as [`trial`] has it.
    Candidates,
    /// Try one, likewise.
    Try { codec: Codec, name: String },
    /// Read this model, and say what is in the pictures that follow, as [`objects`] has it.
    Detect { description: String, model: Vec<u8> },
    /// Try what must not be possible, on this path too.
    Attempts { path: String },
}

const CODECS: [(u8, Codec); 3] = [(1, Codec::H264), (2, Codec::H265), (3, Codec::Mjpeg)];
const ATTEMPTS: u8 = 255;
const WATCH: u8 = 254;
const CANDIDATES: u8 = 253;
const TRY: u8 = 252;

/// The head of a request; parameters and picture follow.
pub(crate) fn head(codec: Codec, width: u16, config: usize, data: usize) -> [u8; 11] {
    let kind = CODECS.iter().find(|(_, c)| *c == codec).map_or(0, |(kind, _)| *kind);
    head_of(kind, width, config, data)
}

/// A whole request to try what must not be possible.
pub(crate) fn attempts(path: &str) -> Vec<u8> {
    [&head_of(ATTEMPTS, 0, path.len(), 0)[..], path.as_bytes()].concat()
}

fn head_of(kind: u8, width: u16, config: usize, data: usize) -> [u8; 11] {
    let mut head = [kind; 11];
    head[1..3].copy_from_slice(&width.to_be_bytes());
    head[3..7].copy_from_slice(&(config as u32).to_be_bytes());
    head[7..].copy_from_slice(&(data as u32).to_be_bytes());
    head
}

/// Reads a request, in the child. `None`: the hub needs it no more.
///
/// # Errors
/// It is cut short, or too large.
pub(crate) fn request(from: &mut impl Read) -> io::Result<Option<Request>> {
    let mut head = [0; 11];
    if from.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..])?;
    let [kind, w1, w0, c3, c2, c1, c0, d3, d2, d1, d0] = head;
    let lengths = [u32::from_be_bytes([c3, c2, c1, c0]), u32::from_be_bytes([d3, d2, d1, d0])].map(|n| n as usize);
    let most = match kind {
        objects::DETECT => [MAX_DESCRIPTION_BYTES, MAX_MODEL_BYTES],
        _ => [MAX_CODED_BYTES; 2],
    };
    if lengths.iter().zip(most).any(|(n, most)| *n > most) {
        return Err(bad("a picture is too large"));
    }
    let mut parts = lengths.map(|n| vec![0; n]);
    for part in &mut parts {
        from.read_exact(part)?;
    }
    let [config, data] = parts;
    if kind == ATTEMPTS {
        return Ok(Some(Request::Attempts { path: String::from_utf8_lossy(&config).into_owned() }));
    }
    let width = u16::from_be_bytes([w1, w0]);
    let codec = |kind: u16| {
        let known = CODECS.iter().find(|(k, _)| u16::from(*k) == kind);
        known.map(|(_, codec)| *codec).ok_or_else(|| bad("a coding that nobody knows"))
    };
    Ok(Some(match kind {
        WATCH => Request::Watch { settings: watch::settings(&mut &config[..])?, first: watch::first(&data) },
        objects::DETECT => Request::Detect { description: String::from_utf8_lossy(&config).into_owned(), model: data },
        CANDIDATES => Request::Candidates,
        TRY => Request::Try { codec: codec(width)?, name: String::from_utf8_lossy(&config).into_owned() },
        _ => Request::Still { codec: codec(kind.into())?, width, config, data },
    }))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// What a child answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The JPEG has so many bytes.
    Jpeg(u32),
    /// It could not be decoded (or: what it tried).
    Text(String),
    /// No element here decodes it.
    NoDecoder(String),
}

impl Reply {
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (status, len, text) = match self {
            Reply::Jpeg(len) => (0, *len, ""),
            Reply::Text(text) => (1, text.len() as u32, text.as_str()),
            Reply::NoDecoder(text) => (2, text.len() as u32, text.as_str()),
        };
        to.write_all(&[&[status], &len.to_be_bytes()[..], text.as_bytes()].concat())
    }

    /// Reads an answer, in the hub.
    ///
    /// # Errors
    /// The child has ended, or says what no child says.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut head = [0; 5];
        from.read_exact(&mut head).await?;
        let [status, len @ ..] = head;
        let len = u32::from_be_bytes(len);
        match status {
            0 if len <= MAX_JPEG_BYTES => Ok(Reply::Jpeg(len)),
            1 => Ok(Reply::Text(text(from, len as usize).await?)),
            2 => Ok(Reply::NoDecoder(text(from, len as usize).await?)),
            _ => Err(bad("the child says what no child says")),
        }
    }
}

/// What a child says once it is locked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub sandbox: Sandbox,
    /// What it lacks; empty if nothing.
    pub lacks: String,
}

impl Hello {
    pub(crate) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let lacks = self.lacks.as_bytes();
        let len = u16::try_from(lacks.len()).unwrap_or(u16::MAX);
        let head = [&[b'H', self.sandbox.to_byte()], &len.to_be_bytes()[..]].concat();
        to.write_all(&[&head[..], &lacks[..usize::from(len)]].concat())
    }

    /// # Errors
    /// As [`Reply::read`].
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut head = [0; 4];
        from.read_exact(&mut head).await?;
        let [b'H', sandbox, len @ ..] = head else {
            return Err(bad("the child says what no child says"));
        };
        let lacks = text(from, usize::from(u16::from_be_bytes(len))).await?;
        Ok(Self { sandbox: Sandbox::from_byte(sandbox), lacks })
    }
}

/// A text without control characters, so that it can go to a log.
async fn text(from: &mut (impl AsyncRead + Unpin), len: usize) -> io::Result<String> {
    text_of(from, len, MAX_TEXT_BYTES).await
}

/// The same of `most` bytes.
async fn text_of(from: &mut (impl AsyncRead + Unpin), len: usize, most: usize) -> io::Result<String> {
    if len > most {
        return Err(bad("the child says too much"));
    }
    let mut bytes = vec![0; len];
    from.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).chars().filter(|c| *c == '\n' || !c.is_control()).collect())
}

/// Something that a child tried, which must not be possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What it tried.
    pub what: String,
    /// It could.
    pub possible: bool,
}

impl Attempt {
    /// As lines: `+` possible, `-` not.
    pub(crate) fn lines(attempts: &[Attempt]) -> String {
        let line = |a: &Attempt| format!("{}{}\n", if a.possible { '+' } else { '-' }, a.what);
        attempts.iter().map(line).collect()
    }
    pub(crate) fn from_lines(lines: &str) -> Vec<Attempt> {
        let attempt = |line: &str| {
            let what = line.get(1..)?.to_owned();
            Some(Attempt { what, possible: line.starts_with('+') })
        };
        lines.lines().filter_map(attempt).collect()
    }
}

#[cfg(test)]
mod tests {
    use futures_of_tests::now;

    use super::*;

    /// Runs a future that never waits.
    mod futures_of_tests {
        pub fn now<T>(future: impl Future<Output = T>) -> T {
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
        }
    }

    #[test]
    fn what_is_asked_arrives() {
        let mut bytes = head(Codec::H265, 320, 2, 3).to_vec();
        bytes.extend([1, 2, 3, 4, 5]);
        let asked = request(&mut &bytes[..]).unwrap().unwrap();
        let still = Request::Still { codec: Codec::H265, width: 320, config: vec![1, 2], data: vec![3, 4, 5] };
        assert_eq!(asked, still);
        let tried = request(&mut &attempts("/a/b")[..]).unwrap().unwrap();
        assert_eq!(tried, Request::Attempts { path: "/a/b".into() });
        assert!(request(&mut &[][..]).unwrap().is_none(), "the hub closed");
        assert!(request(&mut &bytes[..12]).is_err(), "cut short");
    }

    #[test]
    fn what_is_answered_arrives_and_nothing_else_is_believed() {
        let said = |reply: &Reply| {
            let mut bytes = Vec::new();
            reply.write(&mut bytes).unwrap();
            now(Reply::read(&mut &bytes[..]))
        };
        for reply in [Reply::Jpeg(17), Reply::Text("no".into()), Reply::NoDecoder("H.265".into())] {
            assert_eq!(said(&reply).unwrap(), reply);
        }
        assert!(said(&Reply::Jpeg(MAX_JPEG_BYTES + 1)).is_err());
        assert!(said(&Reply::Text("x".repeat(MAX_TEXT_BYTES + 1))).is_err());
        assert_eq!(
            said(&Reply::Text("a\x1b[2Jb".into())).unwrap(),
            Reply::Text("a[2Jb".into()),
            "no control characters"
        );
        let hello = Hello { sandbox: Sandbox { files: true, calls: false }, lacks: "H.265".into() };
        let mut bytes = Vec::new();
        hello.write(&mut bytes).unwrap();
        assert_eq!(now(Hello::read(&mut &bytes[..])).unwrap(), hello);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = request(&mut &bytes[..]);
            let _ = now(Reply::read(&mut &bytes[..]));
            let _ = now(Hello::read(&mut &bytes[..]));
            let _ = Attempt::from_lines(&String::from_utf8_lossy(&bytes));
        }
    }
}
