//! `keepsight support-bundle`: what somebody who helps wants to know, in one file that its owner can read before it is sent.
//!
//! What goes in is named here, field by field; everything else stays out. No picture, no name of a person, a camera or the
//! hub, no address, no password, no path, no log: logs name cameras' addresses.

use std::path::PathBuf;

use base::{Clock, Problem, ProblemKind, SystemClock};
use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};
use system::Doctor;

use crate::cli::Hub;
use crate::out::{self, Failure};
use crate::sock::HubSocket;

/// Format number of the files that this program writes.
const FORMAT: u32 = 1;
/// Of the hub's state. Not `host`, which is its name; of health the state and the reason, as details name paths.
const PARTS: [&str; 6] = ["clock", "storage", "store", "stills", "mdns", "update"];
/// Of the footage disk.
const STORAGE: [&str; 5] = ["total_bytes", "free_bytes", "used_bytes", "loss_bound_s", "removed_segments"];
/// Of a camera. Its id tells it from the others, and says nothing of it.
const CAMERA: [&str; 11] = [
    "id",
    "state",
    "since",
    "recording",
    "paused",
    "codec",
    "width",
    "height",
    "has_sub",
    "last_fragment_at",
    "loss_bound_s",
];

/// `keepsight support-bundle`.
#[derive(Debug, Args)]
pub struct SupportBundle {
    /// Where to write it; replaced as a whole if it is there
    file: PathBuf,
    /// Whose state, and how it is reported.
    #[command(flatten)]
    pub hub: Hub,
}

impl SupportBundle {
    /// Collects and writes it.
    ///
    /// # Errors
    /// The configuration cannot be used, or the file cannot be written. A hub that does not run is said in it.
    pub async fn run(&self) -> Result<(), Failure> {
        let bundle = json!({
            "format": FORMAT,
            "version": env!("CARGO_PKG_VERSION"),
            "written": SystemClock.wall(),
            "machine": Doctor::of_this_machine().look(SystemClock.source()),
            "hub": running(&self.hub.socket()?).await?,
        });
        let text = format!("{bundle:#}\n");
        base::fs::write_atomic(&self.file, text.as_bytes(), 0o600).map_err(|e| crate::rescue::file_problem(&e))?;
        match self.hub.json {
            true => out::json(&json!({ "file": self.file, "bytes": text.len() }))?,
            false => out::text(&format!(
                "{} was written. It has no pictures, names, addresses or secrets in it; read it before you send it.",
                self.file.display()
            ))?,
        }
        Ok(())
    }
}

/// The hub's state; `null`: none runs.
async fn running(socket: &HubSocket) -> Result<Value, Problem> {
    let ask = async |path: &str| socket.json(Method::GET, path, None).await;
    let system = match ask("/api/v1/system").await {
        Ok(system) => system,
        Err(e) if e.kind == ProblemKind::HubNotRunning => return Ok(Value::Null),
        Err(e) => return Ok(json!({ "problem": e.kind.code() })),
    };
    let cameras = ask("/api/v1/cameras").await?;
    let cameras: Vec<_> = cameras.as_array().into_iter().flatten().map(|camera| only(camera, &CAMERA)).collect();
    let metrics = socket.request(Method::GET, "/metrics", None).await?;
    let parts: Map<_, _> = PARTS.iter().map(|name| ((*name).to_owned(), state(&system[name]))).collect();
    Ok(json!({
        "version": system["version"],
        "time_source": system["time_source"],
        "parts": parts,
        "storage": only(&system["storage"], &STORAGE),
        "cameras": cameras,
        // Labels are ids, states and reasons.
        "metrics": String::from_utf8_lossy(&metrics).lines().collect::<Vec<_>>(),
    }))
}

fn state(part: &Value) -> Value {
    only(part.get("health").unwrap_or(part), &["state", "reason"])
}

fn only(object: &Value, fields: &[&str]) -> Value {
    fields
        .iter()
        .filter_map(|field| Some(((*field).to_owned(), object.get(field)?.clone())))
        .collect::<Map<_, _>>()
        .into()
}
