//! Does this hub do what a hub is for? What `keepsight health` asks before a new version of the system is taken as good.

use std::time::Duration;

use base::clock::timeout;
use base::state::Health;
use base::{CameraId, ProblemKind};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};

/// The hub answers itself within this.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// So many cameras that were recorded before may be missing: one may just have been switched off.
const MAY_BE_MISSING: usize = 1;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get(
            "/local/health",
            Access::Owner,
            "Whether the hub does what it should; only on the hub's own socket.",
            health,
        )
        .answers_with(200, "What is wrong, if anything.", Some("application/json"))
        .local(),
    ]
}

/// What `keepsight health` reads.
#[derive(Serialize)]
struct HowItIs {
    /// Which run of the hub answers: another one after a restart.
    run: String,
    /// For how long it runs.
    up_ms: u64,
    /// What is wrong, in words; empty: nothing.
    wrong: Vec<String>,
}

async fn health(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    if !matches!(request.caller, Caller::Local) {
        return Err(ProblemKind::NotFound.into());
    }
    let mut wrong = Vec::new();
    match hub.store_health() {
        Health::Ok => wrong.extend(missing(&hub).await?),
        Health::Degraded { detail, .. } => wrong.push(detail),
        Health::Off => wrong.push("The store is not open.".into()),
    }
    if let Err(why) = answers(&hub).await {
        wrong.push(format!("The API does not answer over TLS: {why}."));
    }
    let (started, clock) = (hub.parts.started, &hub.parts.clock);
    let run = format!("{}-{}", std::process::id(), started.0);
    Ok(reply::json(&HowItIs { run, up_ms: clock.mono().since(started).as_millis() as u64, wrong }))
}

/// Cameras that were recorded before this hub started and of which no footage reaches the disk now, if those are too many.
async fn missing(hub: &Ctx) -> Result<Option<String>, ApiError> {
    let cameras = hub.parts.recorder.cameras().await?;
    let before = &hub.parts.recorded_before;
    let expected: Vec<_> = cameras.iter().filter(|(c, _)| !c.paused && before.contains(&c.id)).collect();
    let silent = expected.iter().filter(|(_, status)| !status.as_ref().is_some_and(|s| s.recording));
    let silent: Vec<CameraId> = silent.map(|(camera, _)| camera.id).collect();
    // Of one camera none may be missing: nothing would show that the hub records at all.
    if silent.len() <= MAY_BE_MISSING.min(expected.len().saturating_sub(1)) {
        return Ok(None);
    }
    let ids = silent.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Ok(Some(match expected.len() {
        1 => format!("The camera that was recorded before is not recorded now: {ids}."),
        all => format!("Of {all} cameras that were recorded before, {} are not recorded now: {ids}.", silent.len()),
    }))
}

/// Asks the hub's own door, as a phone does: a certificate of its root for its name, and an answer.
async fn answers(hub: &Ctx) -> Result<(), String> {
    let asks = async {
        let (authority, clock) = (&hub.parts.authority, hub.parts.clock.clone());
        let config = tls::client_config(authority.root_pem(), clock, &["http/1.1"]).map_err(|e| e.to_string())?;
        let name = rustls_pki_types::ServerName::try_from("localhost").map_err(|e| e.to_string())?;
        let stream = TcpStream::connect(hub.parts.own_address).await.map_err(|e| e.to_string())?;
        let mut stream = TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await;
        let stream = stream.as_mut().map_err(|e| e.to_string())?;
        let question =
            format!("GET /healthz HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", hub.ports().https);
        stream.write_all(question.as_bytes()).await.map_err(|e| e.to_string())?;
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.map_err(|e| e.to_string())?;
        match &first == b"HTTP/1.1 200" {
            true => Ok(()),
            false => Err(format!("it says {:?}", String::from_utf8_lossy(&first))),
        }
    };
    let patience = timeout(&*hub.parts.clock, ANSWERS_WITHIN, asks).await;
    patience.unwrap_or_else(|| Err(format!("nothing came within {} seconds", ANSWERS_WITHIN.as_secs())))
}
