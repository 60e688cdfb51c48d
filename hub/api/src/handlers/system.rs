//! The hub itself: metrics, and the claim token for whoever may open the hub's own socket.

use base::ProblemKind;

use crate::hub::Ctx;
use crate::metrics;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/metrics", Access::OwnerOrToken, "The hub's state for Prometheus.", metrics)
            .answers_with(200, "Prometheus text.", Some("application/openmetrics-text; version=1.0.0; charset=utf-8"))
            .local(),
        Route::get("/local/claim-token", Access::Owner, "The claim token; only on the hub's own socket.", claim_token)
            .answers_with(200, "The token.", Some("text/plain; charset=utf-8"))
            .local(),
    ]
}

async fn metrics(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    let cameras = hub.parts.recorder.cameras().await?;
    let text = metrics::text(&hub.metrics, &cameras, hub.parts.clock.wall());
    Ok(reply::bytes("application/openmetrics-text; version=1.0.0; charset=utf-8", text))
}

async fn claim_token(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    if !matches!(request.caller, Caller::Local) {
        return Err(ProblemKind::NotFound.into());
    }
    let token = hub.open_claim().await?.ok_or(ProblemKind::AlreadyClaimed)?;
    Ok(reply::bytes("text/plain; charset=utf-8", token.to_string()))
}
