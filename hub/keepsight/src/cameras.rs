//! `keepsight cameras …`: the API's camera routes, for scripts, by the socket of a running hub.

use std::path::{Path, PathBuf};

use base::{CameraId, Problem, ProblemKind, Transport};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::cli::Hub;
use crate::out::{self, Failure};

/// A camera's password is not longer.
const MAX_PASSWORD_BYTES: u64 = 1024;
const ROUTE: &str = "/api/v1/cameras";

/// `keepsight cameras`.
#[derive(Debug, Args)]
pub struct Cameras {
    #[command(subcommand)]
    action: Action,
    /// The hub that is asked.
    #[command(flatten)]
    pub hub: Hub,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the cameras and their states
    List,
    /// Adds a camera; the hub records it from then on
    Add {
        /// What people call it
        name: String,
        #[command(flatten)]
        source: Source,
        /// The address of the small stream, for looking live
        #[arg(long, value_name = "URL")]
        sub: Option<String>,
    },
    /// Removes a camera
    Remove {
        /// Its id, as `keepsight cameras list` shows it
        id: CameraId,
    },
    /// Looks what a camera sends, without adding it
    Probe(Source),
}

/// Where a camera's stream comes from.
#[derive(Debug, Args)]
struct Source {
    /// The address of the stream, without user name and password: rtsp://192.168.1.20:554/stream, or rtsps://…; sim: is a
    /// clip within the hub, for self-tests
    url: String,
    /// The user name that the camera wants
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// A file whose first line is the password that the camera wants; - is stdin
    // Never the password itself: every user of the machine sees the arguments of every process.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// How the packets travel: auto, tcp, udp or multicast; auto finds out
    #[arg(long, value_name = "HOW")]
    transport: Option<Transport>,
    /// The SHA-256 of the certificate that an rtsps: camera must show; without it, the first one that it shows
    #[arg(long, value_name = "SHA256")]
    certificate: Option<String>,
}

impl Source {
    fn body(&self, url: &str, password: Option<&str>) -> Value {
        let mut body = Map::new();
        body.insert("url".into(), url.into());
        if let Some(name) = &self.username {
            body.insert("username".into(), name.as_str().into());
        }
        if let Some(password) = password {
            body.insert("password".into(), password.into());
        }
        if let Some(transport) = self.transport {
            body.insert("transport".into(), transport.as_str().into());
        }
        if let Some(certificate) = &self.certificate {
            body.insert("certificate".into(), certificate.as_str().into());
        }
        body.into()
    }
    fn password(&self) -> Result<Option<Zeroizing<String>>, Problem> {
        self.password_file.as_deref().map(read_password).transpose()
    }
}

impl Cameras {
    /// Asks the hub and prints what it answers.
    pub async fn run(&self) -> Result<(), Failure> {
        let socket = self.hub.socket()?;
        match &self.action {
            Action::List => self.report(&socket.json(Method::GET, ROUTE, None).await?, list),
            Action::Add { name, source, sub } => {
                let password = source.password()?;
                let password = password.as_ref().map(|p| p.as_str());
                let mut body = json!({ "name": name, "main": source.body(&source.url, password) });
                if let Some(sub) = sub {
                    body["sub"] = source.body(sub, password);
                }
                let camera = socket.json(Method::POST, ROUTE, Some(&body)).await?;
                self.report(&camera, |camera| format!("Added {}: {}", cell(camera, "name"), cell(camera, "id")))
            }
            Action::Remove { id } => {
                socket.request(Method::DELETE, &format!("{ROUTE}/{id}"), None).await?;
                self.report(&json!({ "id": id }), |_| format!("Removed {id}"))
            }
            Action::Probe(source) => {
                let password = source.password()?;
                let body = source.body(&source.url, password.as_ref().map(|p| p.as_str()));
                let found = socket.json(Method::POST, &format!("{ROUTE}/probe"), Some(&body)).await?;
                self.report(&found, fields)
            }
        }
    }

    fn report(&self, answer: &Value, words: impl Fn(&Value) -> String) -> Result<(), Failure> {
        if self.hub.json {
            out::json(answer)?
        } else {
            out::text(&words(answer))?
        }
        Ok(())
    }
}

fn list(cameras: &Value) -> String {
    let row = |camera: &Value| ["id", "name", "state", "codec", "last_fragment_at"].map(|field| cell(camera, field));
    let rows: Vec<_> = cameras.as_array().into_iter().flatten().map(row).collect();
    out::table(["ID", "NAME", "STATE", "CODEC", "LAST FRAGMENT"], &rows)
}

fn fields(found: &Value) -> String {
    let rows: Vec<_> =
        found.as_object().into_iter().flatten().map(|(name, _)| [name.clone(), cell(found, name)]).collect();
    out::table(["WHAT", "VALUE"], &rows)
}

fn cell(object: &Value, field: &str) -> String {
    match object.get(field) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn read_password(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    let bytes = base::fs::read(path, MAX_PASSWORD_BYTES).map(Zeroizing::new);
    let bytes = bytes.map_err(|e| Problem::with(ProblemKind::FileError, format_args!("{e}: {}", e.source)))?;
    match std::str::from_utf8(&bytes).ok().and_then(|text| text.lines().next()) {
        Some(line) if !line.is_empty() => Ok(Zeroizing::new(line.to_owned())),
        _ => Err(Problem::with(
            ProblemKind::FileError,
            format_args!("{} has no password in its first line", path.display()),
        )),
    }
}
