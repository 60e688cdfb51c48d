//! Where the hub has the time from: an owner's phone, or time servers if an owner wants them asked.

use base::clock::TimeSource;
use base::state::Health;
use base::{ProblemKind, Timestamp};
use serde::{Deserialize, Serialize};
use store::Actor;
use system::{TIME_SETTINGS, TimeSettings};
use utoipa::ToSchema;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/system/time", Access::Owner, "What time it is, and from whom.", time)
            .answers::<Time>(200, "How it is.")
            .local(),
        Route::new(
            http::Method::PATCH,
            "/api/v1/system/time",
            Access::Owner,
            "Whether time servers on the internet are asked; what is absent stays.",
            change,
        )
        .takes::<Change>()
        .answers::<Time>(200, "How it is now."),
    ]
}

/// The hub's time.
#[derive(Serialize, ToSchema)]
struct Time {
    #[schema(value_type = String)]
    time: Timestamp,
    /// rtc, ntp, phone, camera or unset.
    #[schema(value_type = String)]
    source: TimeSource,
    /// Whether that is the true time. `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    health: Health,
    /// Time servers are asked: those that the router names, else Debian's. null: this machine's own system decides that.
    internet: Option<bool>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Ask time servers on the internet.
    #[serde(default)]
    internet: Option<bool>,
}

async fn time(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    Ok(reply::json(&told(&hub).await?))
}

async fn change(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: Change = request.json()?;
    let who = Actor::Principal(request.session()?.principal.id);
    if let Some(internet) = body.internet {
        if !hub.parts.internet_time.is_there() {
            return Err(ProblemKind::TimeNotOurs.into());
        }
        let wanted = TimeSettings { internet };
        hub.parts
            .store
            .urgent(move |db| {
                db.put_setting(TIME_SETTINGS, &wanted)?;
                db.append_audit(who, "time.settings", if internet { "on" } else { "off" })
            })
            .await?;
        hub.export().await?;
        let time = hub.parts.internet_time.clone();
        let said = tokio::task::spawn_blocking(move || time.say(wanted)).await.map_err(ApiError::internal)?;
        said.map_err(ApiError::internal)?;
    }
    Ok(reply::json(&told(&hub).await?))
}

async fn told(hub: &Ctx) -> Result<Time, ApiError> {
    let wanted = hub.parts.store.read(|db| db.setting::<TimeSettings>(TIME_SETTINGS)).await?.unwrap_or_default();
    Ok(Time {
        time: hub.parts.clock.wall(),
        source: hub.parts.clock.source(),
        health: hub.parts.time.health(),
        internet: hub.parts.internet_time.is_there().then_some(wanted.internet),
    })
}
