//! Oneself: name, password, one-time codes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use base::{Mono, ProblemKind, SecretId};
use serde::{Deserialize, Serialize};
use store::{PrincipalKind, Secret, SecretKind, Totp};
use utoipa::ToSchema;
use vault::{Password, TotpSecret};
use zeroize::Zeroizing;

use crate::grants::{self, GrantJson};
use crate::hub::{Ctx, Session};
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Caller, Hub, Request, Route, Standing};
use crate::secrets::{another_identity, asked_again, new_password, person_name};
use crate::watch::Ended;

/// How long new one-time codes wait to be confirmed.
const CONFIRM_WITHIN: Duration = Duration::from_secs(15 * 60);
/// The most that wait at a time: who begins another one pushes the oldest out.
const MOST_PENDING: usize = 64;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::get("/api/v1/me", Access::Session, "Who you are and what you may do.", me).answers::<Me>(200, "You."),
        Route::patch("/api/v1/me", Access::Session, "Gives you another name, by which you sign in.", rename)
            .takes::<Rename>()
            .answers::<Me>(200, "You."),
        Route::post(
            "/api/v1/me/password",
            Access::Session,
            "Changes your password; your other devices are signed out, unless they are to stay.",
            change_password,
        )
        .takes::<ChangePassword>()
        .answers_with(204, "Changed.", None),
        Route::post(
            "/api/v1/me/totp",
            Access::Session,
            "Makes one-time codes for you; they are asked for once you confirm them.",
            begin_totp,
        )
        .takes::<GivePassword>()
        .answers::<TotpJson>(200, "The secret for your app for one-time codes, shown this once."),
        Route::post(
            "/api/v1/me/totp/confirm",
            Access::Session,
            "Confirms the one-time codes that were made last: from now on one is asked for at sign-in.",
            confirm_totp,
        )
        .takes::<GiveCode>()
        .answers_with(204, "Confirmed.", None),
        Route::delete("/api/v1/me/totp", Access::Session, "Asks for one-time codes no more.", end_totp)
            .takes::<GivePassword>()
            .answers_with(204, "They are off.", None),
    ]
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
struct Me {
    #[schema(value_type = String)]
    id: base::PrincipalId,
    name: String,
    /// owner, member or token.
    role: &'static str,
    /// One-time codes are asked for.
    totp: bool,
    has_password: bool,
    grants: Vec<GrantJson>,
}

async fn told(hub: &Ctx, session: &Session) -> Result<Me, ApiError> {
    let (id, now) = (session.principal.id, hub.parts.clock.wall());
    let role = match hub.standing(session) {
        Standing::Owner => "owner",
        Standing::Member => "member",
        Standing::Token => "token",
    };
    let read = hub.parts.store.read(move |db| {
        let Some(principal) = db.principal(id)? else { return Ok(None) };
        let (password, grants) = (db.password_of(id)?, grants::told(db, &principal, now)?);
        Ok(Some((principal.name, password, grants)))
    });
    let (name, password, grants) = read.await?.ok_or(ProblemKind::NotSignedIn)?;
    let totp = password.as_ref().is_some_and(|secret| has_totp(&secret.kind));
    Ok(Me { id, name, role, totp, has_password: password.is_some(), grants })
}

pub(super) fn has_totp(kind: &SecretKind) -> bool {
    matches!(kind, SecretKind::Password { totp: Some(_), .. })
}

async fn me(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    Ok(reply::json(&told(&hub, request.session()?).await?))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Rename {
    /// 1 to 64 characters, and no other person's.
    name: String,
}

async fn rename(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: Rename = request.json()?;
    let session = request.session()?;
    let (id, who) = (person(session)?, session.actor());
    let name = person_name(body.name)?;
    let renamed = hub.parts.store.urgent(move |db| {
        if let Some(mut principal) = db.principal(id)? {
            principal.name = name;
            db.put_principal(&principal)?;
            db.append_audit(who, "member.rename", &id.to_string())?;
        }
        Ok(())
    });
    renamed.await?;
    hub.export().await?;
    Ok(reply::json(&told(&hub, session).await?))
}

/// # Errors
/// [`ProblemKind::NotForTokens`]
fn person(session: &Session) -> Result<base::PrincipalId, ApiError> {
    match session.principal.kind {
        PrincipalKind::Person => Ok(session.principal.id),
        _ => Err(ProblemKind::NotForTokens.into()),
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    /// The password until now.
    #[schema(value_type = String)]
    current: Password,
    /// Hard to guess; four unrelated words are good.
    #[schema(value_type = String)]
    new: Password,
    /// Your other devices stay signed in.
    #[serde(default)]
    keep_devices: bool,
}

async fn change_password(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: ChangePassword = request.json()?;
    let Caller::Signed(session) = request.caller else { return Err(ProblemKind::NotAllowed.into()) };
    let again = asked_again(&hub, &session, body.current, request.peer).await?;
    let new = new_password(&hub, body.new, &session.principal.name).await?;
    let totp = match &again.row.kind {
        SecretKind::Password { totp: Some(Totp { sealed, used }), .. } => {
            let secret = again.key.unlock_totp(sealed).map_err(ApiError::internal)?;
            Some(Totp { sealed: secret.seal_for(&new.recipient()), used: *used })
        }
        _ => None,
    };

    let keys = hub.parts.recorder.keys().await;
    let (id, current, who) = (session.principal.id, session.secret.id, session.actor());
    let viewer = session.into_whole_viewer(&hub).await?;
    let read = hub.parts.store.read(move |db| Ok((db.principal(id)?, db.secrets_of(id)?)));
    let (Some(mut principal), before) = read.await? else { return Err(ProblemKind::NotSignedIn.into()) };
    // What opens the identity from now on: the new password, this device, and the others if they are to stay.
    let stays = |s: &Secret| s.id == current || (body.keep_devices && matches!(s.kind, SecretKind::Session { .. }));
    let (staying, gone): (Vec<_>, Vec<_>) = before.iter().cloned().partition(stays);
    let clock = hub.parts.clock.clone();
    let made = tokio::task::spawn_blocking(move || {
        let (identity, mut secrets, wrapped) = another_identity(&viewer, &mut principal, staying, |_| true);
        secrets.push(new.secret(&*clock, &principal, &identity, totp));
        (principal, secrets, wrapped)
    });
    let (principal, secrets, wrapped) = made.await.map_err(ApiError::internal)?;
    let done = hub.parts.store.urgent(move |db| {
        let same = db.secrets_of(id)? == before;
        if same {
            db.replace_identity(&principal, &secrets, &wrapped)?;
            db.append_audit(who, "password.change", &id.to_string())?;
        }
        Ok(same)
    });
    if !done.await? {
        return Err(ProblemKind::TooBusy.into()); // a device was signed in or out just now
    }
    drop(keys);
    for secret in gone {
        hub.ends.tell(Ended::Session(secret.id));
    }
    hub.export().await?;
    Ok(reply::no_content())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GivePassword {
    /// Your password: a session alone does not change what signs you in.
    #[schema(value_type = String)]
    password: Password,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GiveCode {
    /// The six digits that the app shows now.
    code: String,
}

/// What an app for one-time codes wants to know.
#[derive(Serialize, ToSchema)]
#[schema(as = TotpSecret)]
struct TotpJson {
    /// 32 letters and digits, for who types them.
    #[serde(serialize_with = "crate::secrets::shown")]
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// The same as an otpauth: address, for a QR code.
    #[serde(serialize_with = "crate::secrets::shown")]
    #[schema(value_type = String)]
    uri: Zeroizing<String>,
}

/// Secrets of one-time codes that wait to be confirmed, by the session that asked for them: in memory only, since what
/// opens them is not at hand then.
#[derive(Default)]
pub(crate) struct PendingTotp(Mutex<HashMap<SecretId, (TotpSecret, Mono)>>);

impl PendingTotp {
    fn put(&self, session: SecretId, secret: TotpSecret, now: Mono) {
        let mut pending = self.lock();
        pending.retain(|_, (_, begun)| now.since(*begun) < CONFIRM_WITHIN);
        if pending.len() >= MOST_PENDING
            && let Some(oldest) = pending.iter().min_by_key(|(_, (_, begun))| *begun).map(|(id, _)| *id)
        {
            pending.remove(&oldest);
        }
        pending.insert(session, (secret, now));
    }
    /// Takes the secret if `is_right` finds it to be.
    fn take<T>(
        &self,
        session: SecretId,
        now: Mono,
        is_right: impl Fn(&TotpSecret) -> Option<T>,
    ) -> Option<(TotpSecret, T)> {
        let mut pending = self.lock();
        let (secret, begun) = pending.get(&session)?;
        let found = is_right(secret).filter(|_| now.since(*begun) < CONFIRM_WITHIN)?;
        pending.remove(&session).map(|(secret, _)| (secret, found))
    }
    fn lock(&self) -> MutexGuard<'_, HashMap<SecretId, (TotpSecret, Mono)>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

async fn begin_totp(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: GivePassword = request.json()?;
    let session = request.session()?;
    asked_again(&hub, session, body.password, request.peer).await?;
    let secret = TotpSecret::generate();
    let shown = TotpJson { secret: secret.reveal(), uri: secret.uri(&session.principal.name) };
    hub.pending_totp.put(session.secret.id, secret, hub.parts.clock.mono());
    Ok(reply::json(&shown))
}

async fn confirm_totp(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: GiveCode = request.json()?;
    let session = request.session()?;
    let (id, who) = (person(session)?, session.actor());
    let attempt = hub.sign_in_attempts.begin(&session.principal.name, request.peer)?;
    let now = hub.parts.clock.wall();
    let right = |secret: &TotpSecret| secret.check(&body.code, now, 0);
    let found = hub.pending_totp.take(session.secret.id, hub.parts.clock.mono(), right);
    let (secret, used) = found.ok_or(ProblemKind::WrongTotp)?;
    attempt.succeeded();
    let on = hub.parts.store.urgent(move |db| {
        let Some(mut password) = db.password_of(id)? else { return Ok(()) };
        let sealed = secret.seal_for(&password.recipient);
        if let SecretKind::Password { totp, .. } = &mut password.kind {
            *totp = Some(Totp { sealed, used });
        }
        db.put_secret(&password)?;
        db.append_audit(who, "totp.on", &id.to_string()).map(drop)
    });
    on.await?;
    hub.export().await?;
    Ok(reply::no_content())
}

async fn end_totp(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: GivePassword = request.json()?;
    let session = request.session()?;
    let (id, who) = (person(session)?, session.actor());
    asked_again(&hub, session, body.password, request.peer).await?;
    let off = hub.parts.store.urgent(move |db| {
        let Some(mut password) = db.password_of(id)? else { return Ok(()) };
        if let SecretKind::Password { totp, .. } = &mut password.kind
            && totp.take().is_some()
        {
            db.put_secret(&password)?;
            db.append_audit(who, "totp.off", &id.to_string())?;
        }
        Ok(())
    });
    off.await?;
    hub.export().await?;
    Ok(reply::no_content())
}
