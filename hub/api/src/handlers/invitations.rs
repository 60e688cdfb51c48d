//! Invitations: a place that an owner keeps for somebody, with the keys of what they may see. Who shows its secret, once
//! and in time, becomes a person of the hub, or gets in again who lost the password.

use std::time::Duration;

use base::{PrincipalId, ProblemKind, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Actor, Db, Principal, PrincipalKind, Role, Secret, SecretKind, StoreError};
use utoipa::ToSchema;
use vault::{Password, PrincipalIdentity, SessionToken, Viewer};
use zeroize::Zeroizing;

use super::members::{check_new, off_thread};
use super::sessions::{Device, welcome};
use crate::grants::{self, Asked, GrantJson, wrap_for};
use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};
use crate::secrets::{Hidden, device_name, has_ended, new_password, new_session, new_token, person_name, settle};
use crate::watch::Ended;

const HOLDS_FOR: Duration = Duration::from_secs(86_400);
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/invitations", Access::Owner, "Lists the invitations that wait.", list)
            .answers_list::<InvitationJson>("The invitations, in the order they were made."),
        Route::post("/api/v1/invitations", Access::Owner, "Invites somebody, or lets a person in again.", make)
            .takes::<NewInvitation>()
            .answers::<MadeInvitation>(201, "The invitation, with what accepts it, shown this once."),
        Route::delete("/api/v1/invitations/{id}", Access::Owner, "Takes an invitation back.", remove).answers_with(
            204,
            "It is good for nothing any more.",
            None,
        ),
        Route::post(
            "/api/v1/invitations/accept",
            Access::Open,
            "Accepts an invitation: who shows its secret becomes a person of the hub, once.",
            accept,
        )
        .takes::<Accept>()
        .answers::<Device>(201, "Signed in: the cookie is the session."),
    ]
}

/// An invitation, without what accepts it.
#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
struct InvitationJson {
    #[schema(value_type = String)]
    id: PrincipalId,
    /// What whoever accepts it is called, unless they choose another name.
    name: String,
    /// owner or member.
    #[schema(value_type = String)]
    role: Role,
    grants: Vec<GrantJson>,
    #[schema(value_type = String)]
    created: Timestamp,
    #[schema(value_type = String)]
    expires: Timestamp,
    /// The person who is to get in again; null: somebody new.
    #[schema(value_type = Option<String>)]
    member: Option<PrincipalId>,
}

/// An invitation, with what accepts it.
#[derive(Serialize, ToSchema)]
struct MadeInvitation {
    #[serde(flatten)]
    of: InvitationJson,
    /// What accepts it.
    #[serde(serialize_with = "crate::secrets::shown")]
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// The same as an address of the app, for a QR code.
    #[serde(serialize_with = "crate::secrets::shown")]
    #[schema(value_type = String)]
    url: Zeroizing<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    /// 1 to 64 characters. Needed, unless it is for a person who is there.
    #[serde(default)]
    name: Option<String>,
    /// owner or member, as if it were absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    #[serde(default)]
    grants: Vec<GrantJson>,
    /// For so many seconds it can be accepted: 60 to 604800; a day if it is absent.
    #[serde(default)]
    expires_in_s: Option<u64>,
    /// A person who lost the password, to get in again with the same name, role and grants.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    member: Option<PrincipalId>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Accept {
    #[schema(value_type = String)]
    secret: Hidden,
    /// Another name than the invitation's.
    #[serde(default)]
    name: Option<String>,
    /// Hard to guess; four unrelated words are good.
    #[schema(value_type = String)]
    password: Password,
    /// What this device is called in the list of devices.
    device: String,
}

/// When an invitation ends, and for whom it is; `None` for what is no invitation.
fn told(db: &Db, principal: &Principal, now: Timestamp) -> Result<Option<InvitationJson>, StoreError> {
    let PrincipalKind::Invitation { member } = principal.kind else { return Ok(None) };
    let Some(expires) = db.secrets_of(principal.id)?.iter().find_map(|secret| secret.kind.expires()) else {
        return Ok(None);
    };
    Ok(Some(InvitationJson {
        id: principal.id,
        name: principal.name.clone(),
        role: principal.role,
        grants: grants::told(db, principal, now)?,
        created: principal.created,
        expires,
        member,
    }))
}

async fn list(hub: Ctx, _request: Request<Ctx>) -> Result<Response, ApiError> {
    let now = hub.parts.clock.wall();
    let invitations = hub.parts.store.read(move |db| {
        let mut found = Vec::new();
        for principal in db.principals()? {
            found.extend(told(db, &principal, now)?.filter(|invitation| invitation.expires > now));
        }
        Ok(found)
    });
    Ok(reply::json(&invitations.await?))
}

async fn make(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: NewInvitation = request.json()?;
    let (clock, now) = (hub.parts.clock.clone(), hub.parts.clock.wall());
    let holds = body.expires_in_s.map_or(HOLDS_FOR, Duration::from_secs);
    if !(SHORTEST..=LONGEST).contains(&holds) {
        return Err(ProblemKind::BadEnd.into());
    }
    let expires = now.saturating_add(holds).map_err(ApiError::internal)?;
    let host = request.host.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut asked = Asked::read(body.grants, now)?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let who = session.actor();

    let keys = hub.parts.recorder.keys().await;
    let (name, role) = match body.member {
        None => (person_name(body.name.unwrap_or_default())?, body.role.unwrap_or(Role::Member)),
        Some(member) => {
            if body.name.is_some() || body.role.is_some() || !asked.is_empty() {
                let what = "An invitation for a person who is there takes no name, role or grants";
                return Err(ApiError::with(ProblemKind::BadBody, what));
            }
            let read = hub.parts.store.read(move |db| Ok((db.principal(member)?, db.grants_of(member)?)));
            let (person, mut grants) = read.await?;
            let person = person.filter(|p| p.kind.is_person()).ok_or(ProblemKind::NotFound)?;
            grants.retain(|grant| !has_ended(grant.expires, now));
            asked = Asked::same_as(&grants);
            (person.name, person.role)
        }
    };
    if role == Role::Owner && !asked.is_empty() {
        return Err(ProblemKind::OwnerHasAll.into());
    }
    if body.member.is_none() {
        is_free(&hub, name.clone()).await?;
    }
    let viewer = check_new(&hub, session, asked.clone()).await?;
    let identity = PrincipalIdentity::generate();
    let (id, kind) = (PrincipalId::new(&*clock), PrincipalKind::Invitation { member: body.member });
    let principal = Principal { id, name, kind, role, recipient: identity.recipient(), created: now };
    let (token, secret) = new_token(&*clock, &principal, &identity, SecretKind::Invitation { expires });
    let (to, wraps) = (principal.recipient.clone(), asked.clone());
    let wrapped = off_thread(move || match role {
        Role::Owner => wrap_for(&viewer, &to, |_| true),
        Role::Member => wraps.keys(&viewer, &to),
    });
    let wrapped = wrapped.await?;
    let made = hub.parts.store.urgent(move |db| {
        db.put_principal(&principal)?;
        db.put_secret(&secret)?;
        asked.put(db, id, &wrapped)?;
        db.append_audit(who, "invitation.new", &id.to_string())?;
        told(db, &principal, now)
    });
    let of = made.await?.ok_or(ProblemKind::Internal)?;
    settle(&hub, keys).await?;
    let secret = token.reveal();
    let url = Zeroizing::new(format!("https://{host}/#/invitation/{}", *secret));
    Ok(reply::json_with(StatusCode::CREATED, &MadeInvitation { of, secret, url }))
}

async fn remove(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: PrincipalId = request.id("id")?;
    let who = request.session()?.actor();
    let keys = hub.parts.recorder.keys().await;
    let removed = hub.parts.store.urgent(move |db| {
        let there = matches!(db.principal(id)?, Some(Principal { kind: PrincipalKind::Invitation { .. }, .. }));
        if there {
            db.remove_principal(id)?;
            db.append_audit(who, "invitation.remove", &id.to_string())?;
        }
        Ok(there)
    });
    if !removed.await? {
        return Err(ProblemKind::NotFound.into());
    }
    settle(&hub, keys).await?;
    Ok(reply::no_content())
}

async fn accept(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: Accept = request.json()?;
    let attempt = hub.invitation_attempts.begin("invitation", request.peer)?;
    let refused = || {
        hub.refused.count(request.peer);
        ProblemKind::BadInvitation
    };
    let token = SessionToken::parse(&body.secret.0).map_err(|_| refused())?;
    let (clock, now) = (hub.parts.clock.clone(), hub.parts.clock.wall());
    let found = waiting(&hub, &token, now).await?.ok_or_else(refused)?;
    attempt.succeeded();
    let again = match found.principal.kind {
        PrincipalKind::Invitation { member } => member,
        _ => None,
    };
    let name = match (again, body.name) {
        (None, Some(name)) => person_name(name)?,
        _ => found.principal.name.clone(),
    };
    if again.is_none() {
        is_free(&hub, name.clone()).await?; // before a password is made into a key for nothing
    }
    let password = new_password(&hub, body.password, &name).await?;
    let device = device_name(&body.device);

    // As it is now: keys may have changed hands while the password was made into one.
    let keys = hub.parts.recorder.keys().await;
    let found = waiting(&hub, &token, hub.parts.clock.wall()).await?.ok_or(ProblemKind::BadInvitation)?;
    let invitation = found.principal.id;
    let (new, gone) = match again {
        None => (Principal { name, kind: PrincipalKind::Person, ..found.principal }, Vec::new()),
        Some(member) => {
            let read = hub.parts.store.read(move |db| Ok((db.principal(member)?, db.sessions_of(member)?)));
            let (person, sessions) = read.await?;
            (person.ok_or(ProblemKind::BadInvitation)?, sessions)
        }
    };
    let identity = token.unlock(&found.secret.sealed).map_err(ApiError::internal)?;
    let viewer = Viewer::new(invitation, identity, found.keys);
    let made = off_thread(move || {
        let identity = PrincipalIdentity::generate();
        let person = Principal { recipient: identity.recipient(), ..new };
        let wrapped = wrap_for(&viewer, &person.recipient, |_| true);
        let cameras: Vec<_> = wrapped.iter().map(|key| key.camera).collect();
        let password = password.secret(&*clock, &person, &identity, None);
        let (token, session) = new_session(&*clock, &person, &identity, device);
        (person, wrapped, cameras, password, token, session)
    });
    let (person, wrapped, cameras, password, token, session) = made.await?;
    let (id, kept) = (person.id, session.clone());
    let accepted = hub.parts.store.urgent(move |db| {
        if db.principal(invitation)?.is_none() {
            return Ok(false);
        }
        db.replace_identity(&person, &[password, kept], &wrapped)?;
        // Whoever saw the secret holds keys of before; what is recorded from now on, they do not open.
        cameras.into_iter().try_for_each(|camera| db.owe_epoch(camera))?;
        if invitation != id {
            db.remove_principal(invitation)?;
        }
        db.append_audit(Actor::Principal(id), "invitation.accept", &invitation.to_string())?;
        Ok(true)
    });
    if !accepted.await? {
        return Err(ProblemKind::BadInvitation.into());
    }
    gone.iter().for_each(|secret| hub.ends.tell(Ended::Session(secret.id)));
    if let Err(e) = settle(&hub, keys).await {
        // The person is in, and the invitation is used: it is tried again by itself.
        tracing::error!(problem = %e.problem, "an invitation was accepted, what goes with it was not finished");
    }
    Ok(welcome(&hub, &token, &session).await)
}

/// # Errors
/// [`ProblemKind::NameTaken`]
async fn is_free(hub: &Ctx, name: String) -> Result<(), ApiError> {
    match hub.parts.store.read(move |db| db.principal_by_name(&name)).await? {
        Some(_) => Err(ProblemKind::NameTaken.into()),
        None => Ok(()),
    }
}

/// An invitation that can be accepted.
struct Waiting {
    principal: Principal,
    secret: Secret,
    keys: Vec<vault::WrappedKey>,
}

async fn waiting(hub: &Ctx, token: &SessionToken, now: Timestamp) -> Result<Option<Waiting>, ApiError> {
    let lookup = token.lookup();
    let found = hub.parts.store.read(move |db| {
        let Some(secret) = db.secret_by_lookup(&lookup)? else { return Ok(None) };
        if !matches!(secret.kind, SecretKind::Invitation { expires } if expires > now) {
            return Ok(None);
        }
        let Some(principal) = db.principal(secret.principal)? else { return Ok(None) };
        let keys = db.wrapped_keys_of(principal.id)?;
        Ok(Some(Waiting { principal, secret, keys }))
    });
    Ok(found.await?)
}
