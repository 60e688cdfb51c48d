//! A hub as it was flashed: everything that people kept in it is destroyed.

use base::ProblemKind;
use serde::Deserialize;
use utoipa::ToSchema;
use vault::Password;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};
use crate::secrets::asked_again;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::post(
            "/api/v1/system/factory-reset",
            Access::Owner,
            "Destroys all footage, keys, people, cameras and settings; the hub begins anew, without an owner.",
            reset,
        )
        .takes::<FactoryReset>()
        .answers_with(204, "It has begun, and cannot be stopped.", None),
        Route::post(
            "/local/factory-reset",
            Access::Owner,
            "The same; only on the hub's own socket.",
            reset_at_the_machine,
        )
        .answers_with(204, "It has begun, and cannot be stopped.", None)
        .local(),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FactoryReset {
    /// The password of who asks: a session alone destroys nothing.
    #[schema(value_type = String)]
    password: Password,
}

async fn reset(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: FactoryReset = request.json()?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    asked_again(&hub, &session, body.password, request.peer).await?;
    begin(&hub).await
}

async fn reset_at_the_machine(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    if !matches!(request.caller, Caller::Local) {
        return Err(ProblemKind::NotFound.into());
    }
    begin(&hub).await
}

/// No entry in the audit log: it is destroyed too.
async fn begin(hub: &Ctx) -> Result<Response, ApiError> {
    let reset = hub.parts.reset.clone();
    tokio::task::spawn_blocking(move || reset()).await.map_err(ApiError::internal)??;
    Ok(reply::no_content())
}
