//! For commands on the hub's own socket: look whether all is whole, and take an export away. No picture goes this way.

use std::io::{self, Write};

use base::{ProblemKind, Timestamp};
use bytes::Bytes;
use http::HeaderMap;
use store::ExportKind;
use tokio::sync::mpsc;

use crate::hub::{Checked, Ctx};
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};

/// Parts of an export that wait for who takes them.
const MAX_PARTS: usize = 4;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get(
            "/local/check",
            Access::Owner,
            "Looks whether store and footage are whole; only on the hub's own socket.",
            check,
        )
        .answers_with(200, "A report.", Some("application/json"))
        .local(),
        Route::get(
            "/local/store/check",
            Access::Owner,
            "Looks whether the store is whole; only on the hub's own socket.",
            check_store,
        )
        .answers_with(200, "A report.", Some("application/json"))
        .local(),
        Route::get("/local/store/export", Access::Owner, "Exports the store; only on the hub's own socket.", export)
            .query("kind", true, "settings, history or audit")
            .answers_with(200, "The export.", Some("application/octet-stream"))
            .local(),
    ]
}

async fn check(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    looked(&hub, &request, Checked::StoreAndFootage).await
}

async fn check_store(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    looked(&hub, &request, Checked::Store).await
}

async fn looked(hub: &Ctx, request: &Request<Ctx>, what: Checked) -> Result<Response, ApiError> {
    only_local(request)?;
    let check = hub.parts.check.clone();
    let report = tokio::task::spawn_blocking(move || check(what)).await.map_err(ApiError::internal)??;
    Ok(reply::json(&report))
}

async fn export(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    only_local(&request)?;
    let kind = match request.query.text("kind") {
        Some("settings") => ExportKind::Settings,
        Some("history") => ExportKind::History { from: Timestamp::MIN, to: Timestamp::MAX },
        Some("audit") => ExportKind::Audit,
        _ => return Err(ApiError::with(ProblemKind::BadRequest, "The kind is settings, history or audit")),
    };
    let (parts, mut taken) = mpsc::channel(MAX_PARTS);
    let store = hub.parts.store.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(e) = store.export_to(Parts(parts.clone()), kind) {
            tracing::warn!(error = &e as &dyn std::error::Error, "an export was cut off");
            let _ = parts.blocking_send(Err(io::Error::other(e))); // who took it may be gone, which is why
        }
    });
    let parts = futures::stream::poll_fn(move |context| taken.poll_recv(context));
    Ok(reply::stream("application/octet-stream", HeaderMap::new(), parts))
}

fn only_local(request: &Request<Ctx>) -> Result<(), ApiError> {
    if matches!(request.caller, Caller::Local) { Ok(()) } else { Err(ProblemKind::NotFound.into()) }
}

/// Where an export is written to: waits while nobody takes it.
struct Parts(mpsc::Sender<io::Result<Bytes>>);

impl Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
