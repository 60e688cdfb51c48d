//! How people live at the moment: at home, away, or asleep. Rules may depend on it.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Mode, ModeNow};
use utoipa::ToSchema;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/mode", Access::Session, "The mode of the hub, by which rules are chosen.", show)
            .answers::<ModeJson>(200, "The mode."),
        Route::put("/api/v1/mode", Access::Owner, "Sets the mode of the hub.", set)
            .takes::<SetMode>()
            .answers::<ModeJson>(200, "The mode."),
    ]
}

#[derive(Serialize, ToSchema)]
#[schema(as = Mode)]
struct ModeJson {
    /// home, away or night.
    #[schema(value_type = String)]
    mode: Mode,
    /// Since when; null until somebody sets one.
    #[schema(value_type = Option<String>)]
    since: Option<Timestamp>,
}

impl From<ModeNow> for ModeJson {
    fn from(ModeNow { mode, since }: ModeNow) -> Self {
        Self { mode, since }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetMode {
    /// home, away or night.
    #[schema(value_type = String)]
    mode: Mode,
}

async fn show(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    let mode = hub.parts.store.read(|db| db.mode()).await?;
    Ok(reply::json(&ModeJson::from(mode)))
}

async fn set(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let SetMode { mode } = request.json()?;
    let who = request.session()?.actor();
    let set = hub.parts.store.urgent(move |db| {
        let changed = db.set_mode(mode)?;
        if changed {
            db.append_audit(who, "mode.set", word(mode))?;
        }
        Ok((changed, db.mode()?))
    });
    let (changed, now) = set.await?;
    if changed {
        hub.export().await?;
    }
    Ok(reply::json(&ModeJson::from(now)))
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Home => "home",
        Mode::Away => "away",
        Mode::Night => "night",
    }
}
