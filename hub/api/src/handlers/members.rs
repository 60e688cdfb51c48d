//! The people of the hub, and what each may see.

use base::{CameraId, PrincipalId, ProblemKind, SecretId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Db, Principal, PrincipalKind, Role, StoreError};
use utoipa::ToSchema;
use vault::Viewer;

use super::me::has_totp;
use super::sessions::{Device, end_session};
use crate::grants::{self, Asked, GrantJson, wrap_for};
use crate::hub::{Ctx, Session};
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Request, Route};
use crate::secrets::{person_name, settle};
use crate::watch::Ended;

/// People, tokens and invitations together: each has keys of its own.
pub(super) const MOST_PRINCIPALS: usize = 256;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/members", Access::Owner, "Lists the people of the hub, with their devices.", list)
            .answers_list::<Member>("The people, in the order they came."),
        Route::patch(
            "/api/v1/members/{id}",
            Access::Owner,
            "Gives somebody another name or role. Who becomes an owner gets the keys of all that you may see; who is one no \
             more has no grants.",
            change,
        )
        .takes::<ChangeMember>()
        .answers::<Member>(200, "The person."),
        Route::delete(
            "/api/v1/members/{id}",
            Access::Owner,
            "Removes somebody: all devices are out at once, and new keys seal what is recorded from now on.",
            remove,
        )
        .answers_with(204, "Removed.", None),
        Route::get("/api/v1/members/{id}/grants", Access::Owner, "What somebody may do with which cameras.", show_grants)
            .answers_list::<GrantJson>("The grants; an owner's are all."),
        Route::put(
            "/api/v1/members/{id}/grants",
            Access::Owner,
            "Grants somebody these cameras and no others, with all that was recorded before and that you may see.",
            put_grants,
        )
        .takes_list::<GrantJson>()
        .answers_list::<GrantJson>("The grants."),
        Route::delete(
            "/api/v1/members/{id}/sessions/{session}",
            Access::Owner,
            "Signs one of somebody's devices out.",
            revoke,
        )
        .answers_with(204, "Signed out.", None),
    ]
}

/// One of the people of the hub.
#[derive(Serialize, ToSchema)]
struct Member {
    #[schema(value_type = String)]
    id: PrincipalId,
    name: String,
    /// owner or member.
    #[schema(value_type = String)]
    role: Role,
    /// One-time codes are asked for.
    totp: bool,
    #[schema(value_type = String)]
    created: Timestamp,
    grants: Vec<GrantJson>,
    devices: Vec<Device>,
}

impl Member {
    fn of(db: &Db, principal: Principal, current: SecretId, now: Timestamp) -> Result<Self, StoreError> {
        let (id, secrets) = (principal.id, db.secrets_of(principal.id)?);
        Ok(Self {
            id,
            totp: secrets.iter().any(|secret| has_totp(&secret.kind)),
            grants: grants::told(db, &principal, now)?,
            devices: db.sessions_of(id)?.iter().map(|secret| Device::of(secret, current)).collect(),
            name: principal.name,
            role: principal.role,
            created: principal.created,
        })
    }
}

/// A person; nothing for tokens and invitations, which stand elsewhere.
fn person(db: &Db, id: PrincipalId) -> Result<Option<Principal>, StoreError> {
    Ok(db.principal(id)?.filter(|principal| principal.kind.is_person()))
}

async fn list(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let (current, now) = (request.session()?.secret.id, hub.parts.clock.wall());
    let members = hub.parts.store.read(move |db| {
        let people = db.principals()?.into_iter().filter(|principal| principal.kind.is_person());
        people.map(|person| Member::of(db, person, current, now)).collect::<Result<Vec<_>, _>>()
    });
    Ok(reply::json(&members.await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangeMember {
    /// 1 to 64 characters, and no other person's.
    #[serde(default)]
    name: Option<String>,
    /// owner or member.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
}

async fn change(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: PrincipalId = request.id("id")?;
    let body: ChangeMember = request.json()?;
    let name = body.name.map(person_name).transpose()?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let (who, current) = (session.actor(), session.secret.id);
    let keys = hub.parts.recorder.keys().await;
    let viewer = session.into_whole_viewer(&hub).await?;
    let before = hub.parts.store.read(move |db| person(db, id)).await?.ok_or(ProblemKind::NotFound)?;
    let role = body.role.filter(|role| *role != before.role);
    let wrapped = match role {
        Some(Role::Owner) => {
            let to = before.recipient.clone();
            off_thread(move || wrap_for(&viewer, &to, |_| true)).await?
        }
        _ => Vec::new(),
    };
    let changed = hub.parts.store.urgent(move |db| {
        let Some(mut person) = person(db, id)? else { return Ok(Err(ProblemKind::NotFound)) };
        if role == Some(Role::Member) && is_last_owner(db, id)? {
            return Ok(Err(ProblemKind::LastOwner));
        }
        if let Some(name) = name
            && name != person.name
        {
            person.name = name;
            db.put_principal(&person)?;
            db.append_audit(who, "member.rename", &id.to_string())?;
        }
        if let Some(role) = role {
            db.set_role(id, role)?;
            db.put_wrapped_keys(id, &wrapped)?;
            drop_invitations_for(db, id)?;
            let word = if role == Role::Owner { "owner" } else { "member" };
            db.append_audit(who, "member.role", &format!("{id} {word}"))?;
        }
        Ok(Ok(()))
    });
    changed.await??;
    if role == Some(Role::Member) {
        hub.ends.tell(Ended::Principal(id));
    }
    settle(&hub, keys).await?;
    let now = hub.parts.clock.wall();
    let told = hub.parts.store.read(move |db| {
        let Some(person) = person(db, id)? else { return Ok(None) };
        Member::of(db, person, current, now).map(Some)
    });
    Ok(reply::json(&told.await?.ok_or(ProblemKind::NotFound)?))
}

async fn remove(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: PrincipalId = request.id("id")?;
    let who = request.session()?.actor();
    let keys = hub.parts.recorder.keys().await;
    let removed = hub.parts.store.urgent(move |db| {
        if person(db, id)?.is_none() {
            return Ok(Err(ProblemKind::NotFound));
        }
        if is_last_owner(db, id)? {
            return Ok(Err(ProblemKind::LastOwner));
        }
        db.remove_principal(id)?;
        drop_invitations_for(db, id)?;
        db.append_audit(who, "member.remove", &id.to_string())?;
        Ok(Ok(()))
    });
    removed.await??;
    hub.ends.tell(Ended::Principal(id));
    settle(&hub, keys).await?;
    Ok(reply::no_content())
}

async fn show_grants(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let (id, now) = (request.id("id")?, hub.parts.clock.wall());
    let told = hub.parts.store.read(move |db| {
        let Some(person) = person(db, id)? else { return Ok(None) };
        grants::told(db, &person, now).map(Some)
    });
    Ok(reply::json(&told.await?.ok_or(ProblemKind::NotFound)?))
}

async fn put_grants(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let id: PrincipalId = request.id("id")?;
    let now = hub.parts.clock.wall();
    let asked = Asked::read(request.json()?, now)?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let who = session.actor();
    let keys = hub.parts.recorder.keys().await;
    let viewer = session.into_whole_viewer(&hub).await?;
    let checks = asked.clone();
    let found = hub.parts.store.read(move |db| Ok((person(db, id)?, checks.check(db)?)));
    let (person, all_there) = found.await?;
    let person = person.ok_or(ProblemKind::NotFound)?;
    if person.role == Role::Owner {
        return Err(ProblemKind::OwnerHasAll.into());
    }
    all_there?;
    let (to, wraps) = (person.recipient.clone(), asked.clone());
    let wrapped = off_thread(move || wraps.keys(&viewer, &to)).await?;
    let put = hub.parts.store.urgent(move |db| {
        let changed = asked.put(db, id, &wrapped)?;
        drop_invitations_for(db, id)?;
        db.append_audit(who, "member.grants", &id.to_string())?;
        Ok((changed, grants::told(db, &person, now)?))
    });
    let (changed, told) = put.await?;
    end_rights(&hub, id, changed);
    settle(&hub, keys).await?;
    Ok(reply::json(&told))
}

async fn revoke(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let (id, session): (PrincipalId, SecretId) = (request.id("id")?, request.id("session")?);
    let Caller::Signed(by) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    if hub.parts.store.read(move |db| person(db, id)).await?.is_none() {
        return Err(ProblemKind::NotFound.into());
    }
    end_session(&hub, by, id, session).await
}

/// Who looks by other rights than before is shown out, and comes in again if those allow it.
pub(super) fn end_rights(hub: &Ctx, principal: PrincipalId, cameras: impl IntoIterator<Item = CameraId>) {
    cameras.into_iter().for_each(|camera| hub.ends.tell(Ended::Rights(principal, camera)));
}

/// An invitation for somebody to get in again has the keys and grants of when it was made: it goes when those change.
fn drop_invitations_for(db: &mut Db, person: PrincipalId) -> Result<(), StoreError> {
    for principal in db.principals()? {
        if principal.kind == (PrincipalKind::Invitation { member: Some(person) }) {
            db.remove_principal(principal.id)?;
        }
    }
    Ok(())
}

fn is_last_owner(db: &Db, id: PrincipalId) -> Result<bool, StoreError> {
    let mut owners = db.principals()?.into_iter().filter(|p| p.kind.is_person() && p.role == Role::Owner);
    Ok(owners.next().is_some_and(|first| first.id == id) && owners.next().is_none())
}

/// Wraps keys where it holds nobody up.
pub(super) async fn off_thread<T: Send + 'static>(wrap: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(wrap).await.map_err(ApiError::internal)
}

/// Grants as an owner gives them to a new token or invitation: checked, and with the keys that go with them.
///
/// # Errors
/// [`ProblemKind::BadGrant`], [`ProblemKind::TooManyPeople`]; those of [`Session::into_whole_viewer`].
pub(super) async fn check_new(hub: &Ctx, session: Session, asked: Asked) -> Result<Viewer, ApiError> {
    let found = hub.parts.store.read(move |db| Ok((db.principals()?.len(), asked.check(db)?)));
    let (principals, all_there) = found.await?;
    all_there?;
    if principals >= MOST_PRINCIPALS {
        return Err(ProblemKind::TooManyPeople.into());
    }
    session.into_whole_viewer(hub).await
}
