//! Updates of the system: what an owner wants, what there is, and "now".

use base::state::Health;
use base::{Problem, ProblemKind, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::Actor;
use system::update::{Refused, SETTINGS, Settings, Source, Stage, When, Why};
use utoipa::ToSchema;

use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get(
            "/api/v1/system/update",
            Access::Owner,
            "Updates of the system: what is wanted, what was found, how it goes.",
            update,
        )
        .answers::<Update>(200, "How it is.")
        .local(),
        Route::new(
            http::Method::PATCH,
            "/api/v1/system/update",
            Access::Owner,
            "Switches updates on or off; what is absent stays.",
            change,
        )
        .takes::<Change>()
        .answers::<Update>(200, "How it is now."),
        Route::post(
            "/api/v1/system/update/install",
            Access::Owner,
            "Looks for an update and installs it now, whatever is set; then the hub restarts.",
            install,
        )
        .answers::<Update>(202, "It has begun."),
    ]
}

/// Updates of the system.
#[derive(Serialize, ToSchema)]
struct Update {
    /// off, ask or automatic.
    #[schema(value_type = String)]
    when: When,
    /// The address of the folder in which updates are; null: only disks that somebody puts in are looked at.
    source: Option<String>,
    /// The hour (UTC, 0 to 23) in which the hub may restart by itself.
    quiet_hour: u8,
    /// none (this machine has no second copy of its system), off, trial (the version that runs has to show first that it is
    /// good), looking, newest, refused, offered, waiting (for the quiet hour), installing, installed (it runs after the next
    /// restart) or restarting.
    #[schema(value_type = String)]
    stage: Stage,
    /// `{state, reason?, detail?}`.
    #[schema(value_type = Object)]
    health: Health,
    /// The version of the system that runs; null where it is none of Keepsight's images.
    version: Option<String>,
    /// Which of its two copies: A or B.
    slot: Option<String>,
    /// The newest that was found.
    offer: Option<OfferJson>,
    /// While it is being installed.
    progress: Option<ProgressJson>,
    /// When the source was last asked.
    #[schema(value_type = Option<String>)]
    looked_at: Option<Timestamp>,
    /// The last update that went well.
    last_good: Option<Done>,
    /// Versions that did not do and are not tried again, the newest last.
    failed: Vec<FailedJson>,
    /// Why it was last not looked, or not installed.
    problem: Option<ProblemJson>,
    /// Nobody restarts this machine for the hub.
    restart_by_hand: bool,
}

#[derive(Serialize, ToSchema)]
struct OfferJson {
    version: String,
    size_bytes: u64,
    /// It lies on a disk that somebody put in.
    on_stick: bool,
    /// Why it is not installed; null: it can be.
    refused: Option<RefusedJson>,
}

#[derive(Serialize, ToSchema)]
struct RefusedJson {
    /// other_board, same, older, failed_before or too_old.
    #[schema(value_type = String)]
    reason: Refused,
    /// The same in words.
    said: String,
}

#[derive(Serialize, ToSchema)]
struct ProgressJson {
    percent: u8,
    /// In RAUC's own words.
    doing: String,
}

#[derive(Serialize, ToSchema)]
struct Done {
    version: String,
    /// Since when it is known to be good.
    #[schema(value_type = String)]
    at: Timestamp,
}

#[derive(Serialize, ToSchema)]
struct FailedJson {
    version: String,
    #[schema(value_type = String)]
    at: Timestamp,
    /// refused or went_back.
    #[schema(value_type = String)]
    why: Why,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ProblemJson {
    code: &'static str,
    title: &'static str,
    detail: Option<String>,
    remedy: &'static str,
}

impl From<Problem> for ProblemJson {
    fn from(Problem { kind, detail }: Problem) -> Self {
        Self { code: kind.code(), title: kind.happened(), detail, remedy: kind.remedy() }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// off, ask or automatic.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    when: Option<When>,
    /// A folder's address, `https:`, or `http:` with an address of the home network. null: only disks that somebody puts in.
    #[serde(default, deserialize_with = "super::given")]
    source: Option<Option<String>>,
    /// UTC, 0 to 23.
    #[serde(default)]
    quiet_hour: Option<u8>,
}

async fn update(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    Ok(reply::json(&told(&hub).await?))
}

async fn change(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: Change = request.json()?;
    let who = Actor::Principal(request.session()?.principal.id);
    if body.quiet_hour.is_some_and(|hour| hour > 23) {
        return Err(ApiError::with(ProblemKind::BadBody, "The quiet hour is from 0 to 23"));
    }
    let source = match body.source {
        Some(Some(text)) => Some(Some(Source::parse(&text)?.as_str().to_owned())),
        other => other,
    };
    hub.parts
        .store
        .urgent(move |db| {
            let before: Settings = db.setting(SETTINGS)?.unwrap_or_default();
            let settings = Settings {
                when: body.when.unwrap_or(before.when),
                source: source.unwrap_or(before.source),
                quiet_hour: body.quiet_hour.unwrap_or(before.quiet_hour),
            };
            db.put_setting(SETTINGS, &settings)?;
            let when = match settings.when {
                When::Off => "off",
                When::Ask => "ask",
                When::Automatic => "automatic",
            };
            let source = settings.source.as_deref().unwrap_or("disks only");
            db.append_audit(who, "update.settings", &format!("{when}, {source}, {}:00 UTC", settings.quiet_hour))
        })
        .await?;
    hub.export().await?;
    hub.parts.updates.changed();
    Ok(reply::json(&told(&hub).await?))
}

async fn install(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let who = Actor::Principal(request.session()?.principal.id);
    let offer = hub.parts.updates.status().offer;
    hub.parts.updates.now()?;
    let what = offer.map_or_else(|| "what is found".to_owned(), |offer| offer.version.to_string());
    hub.audit(who, "update.install", what).await?;
    Ok(reply::json_with(StatusCode::ACCEPTED, &told(&hub).await?))
}

async fn told(hub: &Ctx) -> Result<Update, ApiError> {
    let settings = hub.parts.store.read(|db| db.setting::<Settings>(SETTINGS)).await?.unwrap_or_default();
    let status = hub.parts.updates.status();
    let refused = status.refused.map(|(reason, said)| RefusedJson { reason, said });
    Ok(Update {
        when: settings.when,
        source: settings.source,
        quiet_hour: settings.quiet_hour,
        stage: status.stage,
        health: status.health,
        version: status.image.map(|image| image.version.to_string()),
        slot: status.slot.map(|slot| slot.to_string()),
        offer: status.offer.map(|offer| OfferJson {
            version: offer.version.to_string(),
            size_bytes: offer.size,
            on_stick: status.on_stick,
            refused,
        }),
        progress: status.progress.map(|p| ProgressJson { percent: p.percent, doing: p.doing }),
        looked_at: status.looked,
        last_good: status.file.last_good.map(|(version, at)| Done { version: version.to_string(), at }),
        failed: (status.file.failed.into_iter())
            .map(|failed| FailedJson { version: failed.version.to_string(), at: failed.at, why: failed.why })
            .collect(),
        problem: status.problem.map(ProblemJson::from),
        restart_by_hand: status.restart_by_hand,
    })
}
