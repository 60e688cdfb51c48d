//! The hub itself: how it is, metrics, and the claim token for whoever may open the hub's own socket.

use base::clock::TimeSource;
use base::state::Health;
use base::{ProblemKind, Timestamp};
use serde::{Deserialize, Serialize};
use store::Actor;
use utoipa::ToSchema;

use crate::handlers::storage::loss_bound_s;
use crate::hub::Ctx;
use crate::metrics;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/system", Access::Owner, "How the hub is: its clock, its footage disk, its store.", system)
            .answers::<System>(200, "Each part as ok, degraded with a reason, or off.")
            .local(),
        Route::post(
            "/api/v1/system/time",
            Access::Owner,
            "Tells a hub the time that no time server tells it; what it recorded since it started is dated by it.",
            tell_time,
        )
        .takes::<TellTime>()
        .answers::<System>(200, "How the hub is now."),
        Route::get("/metrics", Access::OwnerOrToken, "The hub's state for Prometheus.", metrics)
            .answers_with(200, "Prometheus text.", Some("application/openmetrics-text; version=1.0.0; charset=utf-8"))
            .local(),
        Route::get("/local/claim-token", Access::Owner, "The claim token; only on the hub's own socket.", claim_token)
            .answers_with(200, "The token.", Some("text/plain; charset=utf-8"))
            .local(),
        Route::get(
            "/local/claim",
            Access::Owner,
            "Opens claiming, and says how to claim; only on the hub's own socket.",
            claim_shown,
        )
        .answers_with(200, "Token, addresses, words.", Some("application/json"))
        .local(),
    ]
}

/// How the hub is.
#[derive(Serialize, ToSchema)]
struct System {
    version: &'static str,
    #[schema(value_type = String)]
    time: Timestamp,
    /// rtc, ntp, phone, camera or unset.
    #[schema(value_type = String)]
    time_source: TimeSource,
    /// Whether that is the true time. `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    clock: Health,
    /// The name that phones open the hub by: `keepsight-….local`.
    host: String,
    /// Whether it is found by that name. `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    mdns: Health,
    storage: Storage,
    /// The store: people, cameras, the index. `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    store: Health,
    /// Still pictures: what they are decoded with and behind. `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    stills: Health,
    /// Updates of the system: see `/api/v1/system/update`. `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    update: Health,
    /// The machine: temperature, throttling, power, each disk, the two copies of the system, what decodes pictures; by name, each
    /// `{name, state, reason?, detail?, said}`.
    #[schema(value_type = Object)]
    machine: std::collections::BTreeMap<String, system::Fact>,
}

/// The footage disk.
#[derive(Serialize, ToSchema)]
struct Storage {
    /// `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    health: Health,
    /// Bytes of the disk; absent while it is.
    total_bytes: Option<u64>,
    free_bytes: Option<u64>,
    /// Bytes of all that Keepsight has on it.
    used_bytes: u64,
    /// What a power cut takes at most, in seconds: 2, unless the disk is slow.
    loss_bound_s: f64,
    /// Segments removed to make room since the hub started.
    removed_segments: u64,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TellTime {
    /// RFC 3339: what the clock of an owner's device shows.
    #[schema(value_type = String)]
    time: Timestamp,
}

async fn tell_time(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: TellTime = request.json()?;
    let who = Actor::Principal(request.session()?.principal.id);
    let before = hub.parts.clock.wall();
    hub.parts.time.tell(body.time).map_err(ApiError::from)?;
    let said = format!("{before} became {}", body.time);
    hub.parts.store.urgent(move |db| db.append_audit(who, "system.time", &said)).await?;
    Ok(reply::json(&told(&hub).await?))
}

async fn system(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    Ok(reply::json(&told(&hub).await?))
}

async fn told(hub: &Ctx) -> Result<System, ApiError> {
    let looks = hub.clone();
    let facts = tokio::task::spawn_blocking(move || looks.parts.machine.facts()).await.map_err(ApiError::internal)?;
    let (parts, storage) = (&hub.parts, hub.parts.recorder.storage());
    Ok(System {
        version: env!("CARGO_PKG_VERSION"),
        time: parts.clock.wall(),
        time_source: parts.clock.source(),
        clock: parts.time.health(),
        host: tls::host_name(parts.hub),
        mdns: parts.mdns.health(),
        storage: Storage {
            health: storage.health,
            total_bytes: storage.disk.as_ref().map(|d| d.total),
            free_bytes: storage.disk.as_ref().map(|d| d.free),
            used_bytes: storage.used,
            loss_bound_s: loss_bound_s(storage.loss_bound),
            removed_segments: storage.removed,
        },
        store: hub.store_health(),
        stills: parts.stills.health(),
        update: parts.updates.health(),
        machine: facts
            .into_iter()
            .chain(parts.decoders.facts())
            .chain(crate::encoders::fact(&parts.recorder.encoders().tried().borrow()))
            .chain([parts.objects.fact()])
            .map(|fact| (fact.name.clone(), fact))
            .collect(),
    })
}

async fn metrics(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    let cameras = hub.parts.recorder.cameras().await?;
    let text = metrics::text(&hub, &cameras);
    Ok(reply::bytes("application/openmetrics-text; version=1.0.0; charset=utf-8", text))
}

async fn claim_shown(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    if !matches!(request.caller, Caller::Local) {
        return Err(ProblemKind::NotFound.into());
    }
    hub.open_claim().await?.ok_or(ProblemKind::AlreadyClaimed)?;
    Ok(reply::json(&hub.claim_shown().await?.ok_or(ProblemKind::AlreadyClaimed)?))
}

async fn claim_token(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    if !matches!(request.caller, Caller::Local) {
        return Err(ProblemKind::NotFound.into());
    }
    let token = hub.open_claim().await?.ok_or(ProblemKind::AlreadyClaimed)?;
    Ok(reply::bytes("text/plain; charset=utf-8", token.to_string()))
}
