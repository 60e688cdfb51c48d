//! Sign in, and the devices that are signed in.

use base::{PrincipalId, ProblemKind, SecretId, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Actor, Secret, SecretKind, Totp};
use utoipa::ToSchema;
use vault::{Password, SessionToken};

use crate::cookie;
use crate::hub::{Ctx, Session};
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};
use crate::secrets::{Hidden, derive, device_name, new_session, renew_identity};
use crate::watch::Ended;

/// Devices of one person: a script that signs in anew each time must not fill the store.
const MOST_DEVICES: usize = 100;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::post(
            "/api/v1/sessions",
            Access::Open,
            "Signs in; an owner who lost the password does it with the recovery kit and a new password.",
            sign_in,
        )
        .takes::<SignIn>()
        .answers::<Device>(201, "Signed in: the cookie is the session."),
        Route::get("/api/v1/sessions", Access::Session, "Lists your devices that are signed in.", devices)
            .answers_list::<Device>("Your devices."),
        Route::delete("/api/v1/sessions/current", Access::Session, "Signs out.", sign_out).answers_with(
            204,
            "Signed out.",
            None,
        ),
        Route::patch("/api/v1/sessions/{id}", Access::Session, "Gives one of your devices another name.", rename)
            .takes::<Rename>()
            .answers::<Device>(200, "The device."),
        Route::delete("/api/v1/sessions/{id}", Access::Session, "Signs one of your devices out.", revoke).answers_with(
            204,
            "Signed out.",
            None,
        ),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    /// With a recovery kit: the new password.
    #[schema(value_type = String)]
    password: Password,
    /// What this device is called in the list of devices.
    device: String,
    /// The one-time code, where the person has them: its absence is told by totp-needed, once the password is right.
    #[serde(default)]
    totp: Option<String>,
    /// The 24 words or the AGE-SECRET-KEY-1… of the recovery kit: an owner gets in by it. All other devices are signed out,
    /// and one-time codes are off.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    recovery_kit: Option<Hidden>,
}

async fn sign_in(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: SignIn = request.json()?;
    if !hub.claimed().await? {
        return Err(ProblemKind::NotClaimed.into());
    }
    let device = device_name(&body.device);
    if let Some(kit) = body.recovery_kit {
        return super::recovery::sign_in(&hub, request.peer, body.name, kit.0, body.password, device).await;
    }
    let name = body.name;
    let attempt = hub.sign_in_attempts.begin(&name, request.peer)?;
    let found = hub
        .parts
        .store
        .read(move |db| {
            let Some(principal) = db.principal_by_name(&name)? else { return Ok(None) };
            Ok(db.password_of(principal.id)?.map(|secret| (principal, secret)))
        })
        .await?;
    // An unknown name costs the same time and gets the same answer as a wrong password.
    let params = match found.as_ref().map(|(_, secret)| &secret.kind) {
        Some(SecretKind::Password { params, .. }) => params.clone(),
        _ => (hub.parts.password_params)(),
    };
    let key = derive(&hub, body.password, params).await?;
    let opened = found.and_then(|(principal, row)| Some((key.unlock(&row.sealed).ok()?, principal, row)));
    let Some((identity, principal, mut row)) = opened else {
        hub.refused.count(request.peer);
        return Err(ProblemKind::WrongPassword.into());
    };
    let before = row.clone();
    if let SecretKind::Password { totp: Some(Totp { sealed, used }), .. } = &mut row.kind {
        let secret = key.unlock_totp(sealed).map_err(ApiError::internal)?;
        let now = hub.parts.clock.wall();
        let Some(code) = body.totp else { return Err(ProblemKind::TotpNeeded.into()) };
        let Some(step) = secret.check(&code, now, *used) else {
            hub.refused.count(request.peer);
            return Err(ProblemKind::TotpNeeded.into());
        };
        *used = step;
    }
    attempt.succeeded();
    let (token, session) = new_session(&*hub.parts.clock, &principal, &identity, device);
    let (id, recipient, kept) = (principal.id, identity.recipient(), session.clone());
    let let_in = hub.parts.store.urgent(move |db| {
        // Another identity, another password, or this very code used by somebody else since it was looked at.
        let known = db.principal(id)?.is_some_and(|now| now.recipient == recipient);
        if !known || db.password_of(id)?.as_ref() != Some(&before) {
            return Ok(None);
        }
        let mut devices = db.sessions_of(id)?;
        devices.sort_by_key(last_used);
        let out: Vec<_> = devices.iter().rev().skip(MOST_DEVICES - 1).map(|device| device.id).collect();
        for device in &out {
            db.remove_secret(id, *device)?;
            db.append_audit(Actor::Hub, "session.end", &device.to_string())?;
        }
        if row != before {
            db.put_secret(&row)?;
        }
        db.put_secret(&kept)?;
        db.append_audit(Actor::Principal(id), "session.new", &kept.id.to_string())?;
        Ok(Some(out))
    });
    let out = let_in.await?.ok_or(ProblemKind::TooBusy)?;
    out.into_iter().for_each(|device| hub.ends.tell(Ended::Session(device)));
    Ok(welcome(&hub, &token, &session).await)
}

/// The answer for a device that is in. It is so whatever happens to the export: a hub whose store is made again from an
/// older one asks it to sign in again.
pub(super) async fn welcome(hub: &Ctx, token: &SessionToken, session: &Secret) -> Response {
    if let Err(e) = hub.export().await {
        tracing::error!(problem = %e.problem, "a device is signed in, but the export was not written");
    }
    let mut response = reply::json_with(StatusCode::CREATED, &Device::of(session, session.id));
    cookie::set(&mut response, &token.reveal());
    response
}

/// A device that is signed in.
#[derive(Serialize, ToSchema)]
pub(super) struct Device {
    #[schema(value_type = String)]
    id: SecretId,
    /// What it is called.
    device: String,
    #[schema(value_type = String)]
    created: Timestamp,
    /// When it was used last, to the hour or so.
    #[schema(value_type = String)]
    last_used: Timestamp,
    /// This very device.
    current: bool,
}

impl Device {
    pub(super) fn of(secret: &Secret, current: SecretId) -> Device {
        let device = match &secret.kind {
            SecretKind::Session { device, .. } => device.clone(),
            _ => String::new(),
        };
        let (created, last_used) = (secret.created, last_used(secret));
        Device { id: secret.id, device, created, last_used, current: secret.id == current }
    }
}

fn last_used(secret: &Secret) -> Timestamp {
    match &secret.kind {
        SecretKind::Session { last_used, .. } => *last_used,
        _ => secret.created,
    }
}

async fn devices(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let session = request.session()?;
    let (principal, current) = (session.principal.id, session.secret.id);
    let sessions = hub.parts.store.read(move |db| db.sessions_of(principal)).await?;
    Ok(reply::json(&sessions.iter().map(|s| Device::of(s, current)).collect::<Vec<_>>()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rename {
    /// What it is called from now on.
    device: String,
}

async fn rename(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let session = request.session()?;
    let (principal, current, who) = (session.principal.id, session.secret.id, session.actor());
    let (id, name) = (request.id("id")?, device_name(&request.json::<Rename>()?.device));
    let renamed = hub.parts.store.urgent(move |db| {
        let Some(mut secret) = db.secret(principal, id)? else { return Ok(None) };
        let SecretKind::Session { device, .. } = &mut secret.kind else { return Ok(None) };
        *device = name;
        db.put_secret(&secret)?;
        db.append_audit(who, "session.rename", &id.to_string())?;
        Ok(Some(secret))
    });
    let renamed = renamed.await?.ok_or(ProblemKind::NotFound)?;
    hub.export().await?;
    Ok(reply::json(&Device::of(&renamed, current)))
}

async fn sign_out(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let (principal, id) = (session.principal.id, session.secret.id);
    end_session(&hub, session, principal, id).await?;
    let mut response = reply::no_content();
    cookie::clear(&mut response);
    Ok(response)
}

async fn revoke(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: SecretId = request.id("id")?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let principal = session.principal.id;
    end_session(&hub, session, principal, id).await
}

/// Signs a device of somebody's out: at once, then for good, and then says so. Only devices: a password is changed, a
/// token removed.
pub(super) async fn end_session(
    hub: &Ctx,
    by: Session,
    principal: PrincipalId,
    id: SecretId,
) -> Result<Response, ApiError> {
    let who = by.actor();
    let ended = hub.parts.store.urgent(move |db| {
        let there = db.sessions_of(principal)?.iter().any(|s| s.id == id);
        if there {
            db.remove_secret(principal, id)?;
            db.append_audit(who, "session.end", &id.to_string())?;
        }
        Ok(there)
    });
    if !ended.await? {
        return Err(ProblemKind::NotFound.into());
    }
    hub.ends.tell(Ended::Session(id));
    let keys = hub.parts.recorder.keys().await;
    if let Err(e) = renew_identity(hub, &keys, by, principal).await {
        // It is out all the same. Only a copy of the store from before, with the device's secret, opens what is wrapped
        // until the next time.
        tracing::warn!(%principal, problem = %e.problem, "a device is signed out, its person's identity stays");
    }
    drop(keys);
    hub.export().await?; // a revocation holds when the export that has it is durable
    Ok(reply::no_content())
}
