//! What clients send: requests (RFC 2326 §6) and interleaved data (§10.12). Bounded, and never trusted.

use bytes::{Buf, BytesMut};

/// Longest head of a request in bytes.
pub(crate) const MAX_HEAD: usize = 16 * 1024;
/// Longest body of a request in bytes; bodies are read past, no method here needs one.
pub(crate) const MAX_BODY: usize = 16 * 1024;

/// One thing a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    Request(Request),
    /// RTCP of the client; nobody needs it, but it shows that the client lives.
    Interleaved,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub method: String,
    pub uri: String,
    pub cseq: u32,
    headers: Vec<(String, String)>,
}

impl Request {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// The connection cannot go on: where the next request begins is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error("the head of a request is longer than {MAX_HEAD} bytes")]
    HeadTooLong,
    #[error("the body of a request is longer than {MAX_BODY} bytes")]
    BodyTooLong,
    #[error("a request is not RTSP")]
    Malformed,
    #[error("a request is of another version of RTSP than 1.0")]
    Version,
}

/// Takes the next whole thing off the front of what was received; `None` if more must come first.
pub(crate) fn next(received: &mut BytesMut) -> Result<Option<Incoming>, BadRequest> {
    // Some clients end a body with an extra line break.
    while received.first().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
        received.advance(1);
    }
    if received.first() == Some(&b'$') {
        let Some(&[_, _, high, low]) = received.first_chunk::<4>() else { return Ok(None) };
        let whole = 4 + usize::from(u16::from_be_bytes([high, low]));
        if received.len() < whole {
            return Ok(None);
        }
        received.advance(whole);
        return Ok(Some(Incoming::Interleaved));
    }
    let searched = &received[..received.len().min(MAX_HEAD)];
    let Some(head) = searched.windows(4).position(|w| w == b"\r\n\r\n") else {
        return if received.len() >= MAX_HEAD { Err(BadRequest::HeadTooLong) } else { Ok(None) };
    };
    let request = parse_head(&received[..head])?;
    let body = match request.header("Content-Length") {
        None => 0,
        Some(text) => text.parse::<usize>().map_err(|_| BadRequest::Malformed)?,
    };
    if body > MAX_BODY {
        return Err(BadRequest::BodyTooLong);
    }
    if received.len() < head + 4 + body {
        return Ok(None);
    }
    received.advance(head + 4 + body);
    Ok(Some(Incoming::Request(request)))
}

fn parse_head(head: &[u8]) -> Result<Request, BadRequest> {
    let head = std::str::from_utf8(head).map_err(|_| BadRequest::Malformed)?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(uri), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BadRequest::Malformed);
    };
    let printable = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    if !printable(method) || !printable(uri) || !version.starts_with("RTSP/") {
        return Err(BadRequest::Malformed);
    }
    if version != "RTSP/1.0" {
        return Err(BadRequest::Version);
    }
    let mut headers = Vec::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(BadRequest::Malformed)?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let mut request = Request { method: method.into(), uri: uri.into(), cseq: 0, headers };
    request.cseq = request.header("CSeq").and_then(|v| v.parse().ok()).ok_or(BadRequest::Malformed)?;
    Ok(request)
}

/// What a request's address names: the path of a mount, and the track if it names one.
pub(crate) fn target(uri: &str) -> (&str, Option<usize>) {
    let path = match uri.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => uri,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    match path.rsplit_once('/') {
        Some((mount, last)) => match last.strip_prefix("trackID=").map(str::parse) {
            Some(Ok(track)) => (mount, Some(track)),
            _ => (path, None),
        },
        None => (path, None),
    }
}

/// The mount's address as the client wrote it, with a slash at its end: base of the tracks' control addresses.
pub(crate) fn base_of(uri: &str) -> String {
    let host = uri.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or_default());
    // A user name in the address is nobody else's business.
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("rtsp://{host}/{}/", target(uri).0)
}

/// An answer.
pub(crate) struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    pub fn new(status: u16) -> Self {
        Self { status, head: String::new(), body: String::new() }
    }
    pub fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }
    pub fn body(mut self, content_type: &str, body: String) -> Self {
        self = self.header("Content-Type", content_type).header("Content-Length", body.len());
        self.body = body;
        self
    }
    /// As it goes over the wire; `cseq` is unknown where the request could not be read.
    pub fn to_bytes(&self, cseq: Option<u32>) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            413 => "Request Entity Too Large",
            454 => "Session Not Found",
            455 => "Method Not Valid in This State",
            459 => "Aggregate Operation Not Allowed",
            302 => "Moved Temporarily",
            461 => "Unsupported Transport",
            501 => "Not Implemented",
            505 => "RTSP Version Not Supported",
            _ => "Error",
        };
        let cseq = cseq.map(|n| format!("CSeq: {n}\r\n")).unwrap_or_default();
        format!("RTSP/1.0 {} {reason}\r\n{cseq}{}\r\n{}", self.status, self.head, self.body).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &[u8]) -> Result<Option<Incoming>, BadRequest> {
        next(&mut BytesMut::from(text))
    }

    #[test]
    fn a_request_is_taken_when_it_is_whole_and_not_before() {
        let text = b"\r\nGET_PARAMETER rtsp://h:554/cam/main RTSP/1.0\r\nCSeq: 7\r\nsession:  abc \r\nContent-Length: 3\r\n\r\nxyz$";
        for cut in 0..text.len() - 1 {
            assert_eq!(parse(&text[..cut]), Ok(None), "after {cut} bytes");
        }
        let mut received = BytesMut::from(&text[..]);
        let Ok(Some(Incoming::Request(request))) = next(&mut received) else { panic!() };
        assert_eq!((request.method.as_str(), request.cseq), ("GET_PARAMETER", 7));
        assert_eq!(request.header("SESSION"), Some("abc"));
        assert_eq!(&received[..], b"$");
    }

    #[test]
    fn interleaved_data_is_read_past() {
        let mut received = BytesMut::from(&b"$\x01\x00\x02abOPTIONS"[..]);
        assert_eq!(next(&mut received), Ok(Some(Incoming::Interleaved)));
        assert_eq!(&received[..], b"OPTIONS");
        assert_eq!(parse(b"$\x01\x00\x02a"), Ok(None));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, error) in [
            ("GET / HTTP/1.1\r\n\r\n", BadRequest::Malformed),
            ("OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n", BadRequest::Version),
            ("OPTIONS * RTSP/1.0\r\n\r\n", BadRequest::Malformed),
            ("OPTIONS * RTSP/1.0\r\nCSeq: -1\r\n\r\n", BadRequest::Malformed),
            ("OPTIONS * RTSP/1.0\r\nCSeq 1\r\n\r\n", BadRequest::Malformed),
            ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 16385\r\n\r\n", BadRequest::BodyTooLong),
            ("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: many\r\n\r\n", BadRequest::Malformed),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(parse(&[b'A'; MAX_HEAD - 1]), Ok(None));
        assert_eq!(parse(&[b'A'; MAX_HEAD]), Err(BadRequest::HeadTooLong));
    }

    #[test]
    fn addresses_name_mounts_and_tracks() {
        assert_eq!(target("rtsp://h:8554/cam01/main"), ("cam01/main", None));
        assert_eq!(target("rtsp://h/cam01/main/"), ("cam01/main", None));
        assert_eq!(target("rtsp://h/cam01/main/trackID=1"), ("cam01/main", Some(1)));
        assert_eq!(target("/cam01/sub?x=1"), ("cam01/sub", None));
        assert_eq!(target("rtsp://h"), ("", None));
        assert_eq!(target("*"), ("*", None));
        assert_eq!(base_of("rtsp://u:p@h:8554/cam01/main?x"), "rtsp://h:8554/cam01/main/");
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut received = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = next(&mut received) {}
        }
        #[test]
        fn any_address_is_taken_apart(uri in "\\PC*") {
            let _ = (target(&uri), base_of(&uri));
        }
    }
}
