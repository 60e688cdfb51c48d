//! API tokens: programs with grants of their own.

use base::{PrincipalId, ProblemKind, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Principal, PrincipalKind, Role, SecretKind};
use utoipa::ToSchema;
use vault::PrincipalIdentity;
use zeroize::Zeroizing;

use super::members::{check_new, off_thread};
use crate::grants::{self, Asked, GrantJson};
use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};
use crate::secrets::{has_ended, new_token, person_name, settle};
use crate::watch::Ended;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/tokens", Access::Owner, "Lists the API tokens.", list)
            .answers_list::<TokenJson>("The tokens, in the order they were made."),
        Route::post(
            "/api/v1/tokens",
            Access::Owner,
            "Makes an API token with grants of its own, for Authorization: Bearer.",
            make,
        )
        .takes::<NewToken>()
        .answers::<MadeToken>(201, "The token, shown this once."),
        Route::delete(
            "/api/v1/tokens/{id}",
            Access::Owner,
            "Removes an API token: it is good for nothing at once.",
            remove,
        )
        .answers_with(204, "Removed.", None),
    ]
}

/// An API token, without what lets it in.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
struct TokenJson {
    #[schema(value_type = String)]
    id: PrincipalId,
    name: String,
    grants: Vec<GrantJson>,
    #[schema(value_type = String)]
    created: Timestamp,
    /// When it ends by itself.
    #[schema(value_type = Option<String>)]
    expires: Option<Timestamp>,
}

/// An API token, with what lets it in.
#[derive(Serialize, ToSchema)]
struct MadeToken {
    #[serde(flatten)]
    of: TokenJson,
    /// For `Authorization: Bearer`.
    #[serde(serialize_with = "crate::secrets::shown")]
    #[schema(value_type = String)]
    token: Zeroizing<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewToken {
    /// 1 to 64 characters: what it is for.
    name: String,
    #[serde(default)]
    grants: Vec<GrantJson>,
    /// When it ends by itself; absent or null: when an owner removes it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    expires: Option<Timestamp>,
}

async fn list(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    let now = hub.parts.clock.wall();
    let tokens = hub.parts.store.read(move |db| {
        let tokens = db.principals()?.into_iter().filter(|principal| principal.kind == PrincipalKind::Token);
        let told = tokens.map(|token| {
            let expires = db.secrets_of(token.id)?.iter().find_map(|secret| secret.kind.expires());
            let grants = grants::told(db, &token, now)?;
            Ok(TokenJson { id: token.id, name: token.name, grants, created: token.created, expires })
        });
        told.collect::<Result<Vec<_>, _>>()
    });
    Ok(reply::json(&tokens.await?))
}

async fn make(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: NewToken = request.json()?;
    let (clock, now) = (hub.parts.clock.clone(), hub.parts.clock.wall());
    let (name, asked) = (person_name(body.name)?, Asked::read(body.grants, now)?);
    if has_ended(body.expires, now) {
        return Err(ProblemKind::BadEnd.into());
    }
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let who = session.actor();
    let keys = hub.parts.recorder.keys().await;
    let viewer = check_new(&hub, session, asked.clone()).await?;
    let identity = PrincipalIdentity::generate();
    let (id, kind, recipient) = (PrincipalId::new(&*clock), PrincipalKind::Token, identity.recipient());
    let principal = Principal { id, name, kind, role: Role::Member, recipient, created: now };
    let (token, secret) = new_token(&*clock, &principal, &identity, SecretKind::Token { expires: body.expires });
    let (to, wraps) = (principal.recipient.clone(), asked.clone());
    let wrapped = off_thread(move || wraps.keys(&viewer, &to)).await?;
    let made = hub.parts.store.urgent(move |db| {
        db.put_principal(&principal)?;
        db.put_secret(&secret)?;
        asked.put(db, id, &wrapped)?;
        db.append_audit(who, "token.new", &id.to_string())?;
        let grants = grants::told(db, &principal, now)?;
        Ok(TokenJson { id, name: principal.name, grants, created: now, expires: body.expires })
    });
    let of = made.await?;
    settle(&hub, keys).await?;
    Ok(reply::json_with(StatusCode::CREATED, &MadeToken { of, token: token.reveal() }))
}

async fn remove(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: PrincipalId = request.id("id")?;
    let who = request.session()?.actor();
    let keys = hub.parts.recorder.keys().await;
    let removed = hub.parts.store.urgent(move |db| {
        let there = db.principal(id)?.is_some_and(|principal| principal.kind == PrincipalKind::Token);
        if there {
            db.remove_principal(id)?;
            db.append_audit(who, "token.remove", &id.to_string())?;
        }
        Ok(there)
    });
    if !removed.await? {
        return Err(ProblemKind::NotFound.into());
    }
    hub.ends.tell(Ended::Principal(id));
    settle(&hub, keys).await?;
    Ok(reply::no_content())
}
