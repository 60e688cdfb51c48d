//! HTTP/1.1 over `<data>/hub.sock`: how commands manage a running hub. The socket opens no footage.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::clock::timeout;
use base::{Problem, ProblemKind, SystemClock};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

/// A hub answers within that, or something is wrong with it. Probing a camera that does not answer takes it 10 s.
const PATIENCE: Duration = Duration::from_secs(60);
/// Reading a million rows and the names of as many files takes minutes on a slow disk.
const LONG_PATIENCE: Duration = Duration::from_secs(3_600);
/// Far above a list of 256 cameras.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// The socket of the hub that runs with one configuration.
#[derive(Debug, Clone)]
pub struct HubSocket {
    path: PathBuf,
    patience: Duration,
}

impl HubSocket {
    /// By its path; nothing is connected yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), patience: PATIENCE }
    }

    /// For questions over which the hub has to look through all that it has.
    pub fn patient(self) -> Self {
        Self { patience: LONG_PATIENCE, ..self }
    }

    /// Is there a hub that listens? The socket of one that crashed refuses the connection.
    pub fn is_alive(&self) -> bool {
        std::os::unix::net::UnixStream::connect(&self.path).is_ok()
    }

    /// One request; the body is sent as JSON. The answer's body, if the hub answers with success.
    ///
    /// # Errors
    /// `hub-not-running` if nobody listens, the hub's own problem if it answers with one.
    pub async fn request(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, Problem> {
        let exchange = self.exchange(method, path, body);
        match timeout(&SystemClock, self.patience, exchange).await {
            Some(answer) => answer,
            None => Err(Problem::with(
                ProblemKind::RequestTimeout,
                format_args!("The hub did not answer within {} seconds", self.patience.as_secs()),
            )),
        }
    }

    /// As [`Self::request`], for an answer that is JSON; `Null` for an empty one.
    pub async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Problem> {
        let answer = self.request(method, path, body).await?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).map_err(|e| unexpected(format_args!("{path} is not JSON: {e}")))
    }

    /// GETs something that may be long, and hands each part on as it comes.
    ///
    /// # Errors
    /// As [`Self::request`]; what `take` answers.
    pub async fn download(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let (answer, connection) = self.send(Method::GET, path, None).await?;
        let status = answer.status();
        let mut body = answer.into_body();
        if !status.is_success() {
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(unexpected)?.to_bytes();
            return Err(problem_of(status, &body));
        }
        while let Some(frame) = body.frame().await {
            if let Some(part) = frame.map_err(unexpected)?.data_ref() {
                take(part)?;
            }
        }
        connection.abort(); // one request, one connection
        Ok(())
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Bytes, Problem> {
        let (answer, connection) = self.send(method, path, body).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(unexpected)?.to_bytes();
        connection.abort(); // one request, one connection
        if status.is_success() { Ok(body) } else { Err(problem_of(status, &body)) }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(Response<Incoming>, JoinHandle<hyper::Result<()>>), Problem> {
        let stream = UnixStream::connect(&self.path).await.map_err(|e| cannot_connect(&self.path, &e))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(unexpected)?;
        let connection = tokio::spawn(connection);

        let mut request = Request::builder().method(method).uri(path).header(http::header::HOST, "localhost");
        if body.is_some() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let request = request.body(Full::new(body)).map_err(unexpected)?;
        Ok((sender.send_request(request).await.map_err(unexpected)?, connection))
    }
}

fn cannot_connect(path: &Path, error: &io::Error) -> Problem {
    match error.kind() {
        // A stale socket of a hub that crashed refuses the connection.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Problem::with(ProblemKind::HubNotRunning, format_args!("Nobody listens on {}", path.display()))
        }
        io::ErrorKind::PermissionDenied => Problem::with(
            ProblemKind::FileError,
            format_args!("Only root and the group keepsight may use {}", path.display()),
        ),
        _ => Problem::with(ProblemKind::FileError, format_args!("{}: {error}", path.display())),
    }
}

/// The hub's problem document, read back into the catalogue's words.
fn problem_of(status: StatusCode, body: &[u8]) -> Problem {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| document.get(name).and_then(Value::as_str);
    let kind = field("code").and_then(|code| ProblemKind::ALL.iter().find(|k| k.code() == code));
    match kind {
        Some(&kind) => Problem { kind, detail: field("detail").map(str::to_owned) },
        // A newer hub has problems that this program does not know.
        None => unexpected(format_args!("status {}: {}", status.as_u16(), field("title").unwrap_or("no reason given"))),
    }
}

fn unexpected(what: impl std::fmt::Display) -> Problem {
    Problem::with(ProblemKind::Internal, format_args!("The hub's answer could not be used: {what}"))
}
