//! Which Wi-Fi the hub joins.

use base::ProblemKind;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use store::Actor;
use system::first_boot::Wifi;
use system::{WifiStage, WifiStatus, wifi_of};
use utoipa::ToSchema;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};

const PATH: &str = "/api/v1/system/wifi";

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get(PATH, Access::Owner, "Which Wi-Fi the hub joins, and how that goes.", show)
            .answers::<WifiJson>(200, "How it is.")
            .local(),
        Route::new(
            Method::PUT,
            PATH,
            Access::Owner,
            "Has the hub join a Wi-Fi; if it does not get in within a minute, what was set before holds.",
            join,
        )
        .takes::<Network>()
        .answers::<WifiJson>(202, "It is tried."),
        Route::new(Method::DELETE, PATH, Access::Owner, "Has the hub leave its Wi-Fi, and forget it.", leave)
            .answers::<WifiJson>(202, "It is being left."),
    ]
}

#[derive(Serialize, ToSchema)]
struct WifiJson {
    /// It can be set from here: the hub runs from an image of Keepsight's.
    can_be_set: bool,
    /// The machine has a radio.
    radio: bool,
    /// The name of the network that is set; null: none.
    network: Option<String>,
    /// It is joined.
    connected: bool,
    /// The hub is a Wi-Fi of its own, because no other network leads to it.
    own: bool,
    /// The last change since the machine started.
    change: Option<ChangeJson>,
}

#[derive(Serialize, ToSchema)]
struct ChangeJson {
    /// The network's name; null: the one that was set is left.
    network: Option<String>,
    /// asked, joining, joined or failed.
    #[schema(value_type = String)]
    stage: WifiStage,
}

/// A network to join.
#[derive(Deserialize, ToSchema, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Network {
    /// Its name: 1 to 32 bytes.
    ssid: String,
    /// Its password, 8 to 63 characters, or its key as 64 hexadecimal digits.
    password: String,
    /// Whose rules of radio hold: two letters, such as DE.
    country: String,
    /// It does not say its name by itself.
    #[serde(default)]
    hidden: bool,
}

async fn show(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    Ok(reply::json(&told(&hub).await?))
}

async fn join(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: Network = request.json()?;
    let wifi = wifi_of(&body.ssid, &body.password, &body.country, body.hidden)
        .map_err(|why| ApiError::with(ProblemKind::BadRequest, why))?;
    ask(&hub, Actor::Principal(request.session()?.principal.id), Some(wifi)).await
}

async fn leave(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    ask(&hub, Actor::Principal(request.session()?.principal.id), None).await
}

async fn ask(hub: &Ctx, who: Actor, wifi: Option<Wifi>) -> Result<Response, ApiError> {
    let system = hub.parts.wifi.clone();
    let what = wifi.as_ref().map_or_else(|| "left".to_owned(), |wifi| wifi.ssid.as_str().to_owned());
    tokio::task::spawn_blocking(move || system.ask(wifi.as_ref())).await.map_err(ApiError::internal)??;
    hub.audit(who, "wifi.settings", what).await?;
    Ok(reply::json_with(StatusCode::ACCEPTED, &told(hub).await?))
}

async fn told(hub: &Ctx) -> Result<WifiJson, ApiError> {
    let wifi = hub.parts.wifi.clone();
    let can_be_set = wifi.can_be_set();
    let status = tokio::task::spawn_blocking(move || wifi.status()).await.map_err(ApiError::internal)?;
    let WifiStatus { radio, network, connected, own, change } = status;
    let change = change.map(|change| ChangeJson { network: change.network, stage: change.stage });
    Ok(WifiJson { can_be_set, radio, network, connected, own, change })
}
