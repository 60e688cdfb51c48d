//! The recovery kit: gets an owner in who lost the password, and makes another kit.

use base::{KitId, Problem, ProblemKind};
use http::StatusCode;
use serde::Deserialize;
use store::{Actor, Principal, RecoveryKitRow, Role};
use utoipa::ToSchema;
use vault::{Password, PrincipalIdentity, RecoveryKit, Viewer};
use zeroize::Zeroizing;

use super::claim::{Claimed, RecoveryKitJson};
use super::members::off_thread;
use super::sessions::welcome;
use crate::grants::wrap_for;
use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Peer, Request, Route};
use crate::secrets::{Hidden, asked_again, new_password, new_session, settle};
use crate::watch::Ended;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::post(
            "/api/v1/recovery-kit",
            Access::Owner,
            "Makes a new recovery kit with the old one, and begins new epochs; the old kit opens what was recorded until now.",
            renew,
        )
        .takes::<Renew>()
        .answers::<Claimed>(201, "The new recovery kit, shown this once."),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Renew {
    /// The kit until now: its 24 words or its AGE-SECRET-KEY-1….
    #[schema(value_type = String)]
    recovery_kit: Hidden,
    /// Your password: a session alone makes no kit.
    #[schema(value_type = String)]
    password: Password,
}

/// What opens everything of this hub.
///
/// # Errors
/// [`ProblemKind::WrongRecoveryKit`]
async fn kit_of(hub: &Ctx, text: &str) -> Result<RecoveryKit, ApiError> {
    let kit =
        RecoveryKit::parse_file(text).map_err(|bad| ApiError::with(ProblemKind::WrongRecoveryKit, bad.detail))?.kit;
    let claim = hub.parts.store.read(|db| db.hub_row()).await?.claim.ok_or(ProblemKind::NotClaimed)?;
    match kit.recipient() == claim.recovery.recipient {
        true => Ok(kit),
        false => Err(ProblemKind::WrongRecoveryKit.into()),
    }
}

/// Lets an owner in who shows the kit, with a new password: the kit opens the key files beside the footage.
pub(super) async fn sign_in(
    hub: &Ctx,
    peer: Peer,
    name: String,
    kit: Zeroizing<String>,
    password: Password,
    device: String,
) -> Result<Response, ApiError> {
    let attempt = hub.sign_in_attempts.begin(&name, peer)?;
    let kit = kit_of(hub, &kit).await.inspect_err(|_| hub.refused.count(peer))?;
    let found = hub.parts.store.read(move |db| db.principal_by_name(&name)).await?;
    let Some(owner) = found.filter(|p| p.role == Role::Owner) else {
        hub.refused.count(peer);
        return Err(ProblemKind::WrongRecoveryKit.into());
    };
    attempt.succeeded();
    let password = new_password(hub, password, &owner.name).await?;

    let keys = hub.parts.recorder.keys().await;
    let id = owner.id;
    let read = hub.parts.store.read(move |db| Ok((db.principal(id)?, db.sessions_of(id)?)));
    let (owner, gone) = read.await?;
    // Somebody may have made them a member meanwhile.
    let owner = owner.filter(|p| p.role == Role::Owner).ok_or(ProblemKind::WrongRecoveryKit)?;
    let files = keys.kit_files().await.map_err(Problem::from)?;
    let clock = hub.parts.clock.clone();
    let made = off_thread(move || {
        // Of an epoch there is a file for each kit there was; this kit opens its own.
        let (viewer, _of_other_kits) = Viewer::from_recovery_kit(&kit, files);
        let identity = PrincipalIdentity::generate();
        let owner = Principal { recipient: identity.recipient(), ..owner };
        let wrapped = wrap_for(&viewer, &owner.recipient, |_| true);
        let password = password.secret(&*clock, &owner, &identity, None);
        let (token, session) = new_session(&*clock, &owner, &identity, device);
        (owner, wrapped, password, token, session)
    });
    let (owner, wrapped, password, token, session) = made.await?;
    let kept = session.clone();
    let let_in = hub.parts.store.urgent(move |db| {
        db.replace_identity(&owner, &[password, kept], &wrapped)?;
        db.append_audit(Actor::Principal(id), "session.recover", &id.to_string())
    });
    let_in.await?;
    drop(keys);
    gone.iter().for_each(|secret| hub.ends.tell(Ended::Session(secret.id)));
    Ok(welcome(hub, &token, &session).await)
}

async fn renew(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: Renew = request.json()?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    asked_again(&hub, &session, body.password, request.peer).await?;
    let old = kit_of(&hub, &body.recovery_kit.0).await?;
    let (who, old_recipient) = (session.actor(), old.recipient());

    let keys = hub.parts.recorder.keys().await;
    let new = RecoveryKit::generate();
    let clock = &*hub.parts.clock;
    let row = RecoveryKitRow { kit: KitId::new(clock), recipient: new.recipient(), created: clock.wall() };
    // Durable before the store says that there is another kit: until then the old one is the hub's.
    let resealed = keys.reseal(old, new.recipient(), row.kit).await.map_err(Problem::from)?;
    let replaced = hub.parts.store.urgent(move |db| {
        let claim = db.hub_row()?.claim.filter(|claim| claim.recovery.recipient == old_recipient);
        let Some(claim) = claim else { return Ok(None) };
        db.replace_recovery_kit(&row)?;
        db.cameras()?.iter().try_for_each(|camera| db.owe_epoch(camera.id))?;
        db.append_audit(who, "recovery-kit.new", &row.kit.to_string())?;
        Ok(Some(claim.verifying_key))
    });
    let verifying_key = replaced.await?.ok_or(ProblemKind::WrongRecoveryKit)?;
    tracing::info!(?resealed, "there is a new recovery kit");
    if let Err(e) = settle(&hub, keys).await {
        // The kit is shown here and nowhere else. What is due is tried again by itself.
        tracing::error!(problem = %e.problem, "there is a new recovery kit, what goes with it was not finished");
    }
    let kit = RecoveryKitJson::of(&hub, &new, verifying_key);
    Ok(reply::json_with(StatusCode::CREATED, &Claimed { recovery_kit: kit }))
}
