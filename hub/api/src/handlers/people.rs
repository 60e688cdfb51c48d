//! Claim and sign in.

use base::{KitId, PrincipalId, Problem, ProblemKind, SecretId, Timestamp};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Actor, Claim, Principal, RecoveryKitRow, Role, Secret, SecretKind};
use utoipa::ToSchema;
use vault::{HubSigningKey, Password, PasswordParams, PasswordSecret, PrincipalIdentity, RecoveryKit, SessionToken};
use zeroize::Zeroizing;

use crate::cookie;
use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};

/// Longest name of a member or a device, in characters.
const MAX_NAME_CHARS: usize = 64;

pub(super) fn routes() -> Vec<Route<Ctx>> {
    vec![
        Route::post(
            "/api/v1/claim",
            Access::Open,
            "Makes the first person who proves physical access the owner.",
            claim,
        )
        .takes::<ClaimBody>()
        .answers::<Claimed>(201, "The owner is signed in; the recovery kit, shown this once."),
        Route::post("/api/v1/sessions", Access::Open, "Signs in.", sign_in)
            .takes::<SignIn>()
            .answers::<Device>(201, "Signed in: the cookie is the session."),
        Route::get("/api/v1/sessions", Access::Session, "Lists your devices that are signed in.", devices)
            .answers_list::<Device>("Your devices."),
        Route::delete("/api/v1/sessions/current", Access::Session, "Signs out.", sign_out).answers_with(
            204,
            "Signed out.",
            None,
        ),
        Route::delete("/api/v1/sessions/{id}", Access::Session, "Signs one of your devices out.", revoke).answers_with(
            204,
            "Signed out.",
            None,
        ),
    ]
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ClaimBody {
    /// As `keepsight claim-token` prints it; capitals and dashes do not matter.
    claim_token: String,
    /// What the owner is called.
    name: String,
    /// Hard to guess; four unrelated words are good.
    #[schema(value_type = String)]
    password: Password,
}

#[derive(Serialize, ToSchema)]
struct Claimed {
    recovery_kit: RecoveryKitJson,
}

/// The recovery kit: opens everything, is kept nowhere.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryKitJson {
    /// 24 words.
    #[serde(serialize_with = "text")]
    #[schema(value_type = String)]
    words: Zeroizing<String>,
    /// The same as `AGE-SECRET-KEY-1…`.
    #[serde(serialize_with = "text")]
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// This hub.
    #[schema(value_type = String)]
    hub_id: base::HubId,
    /// The hub's Ed25519 key: tells its backups from forged ones.
    #[schema(value_type = String)]
    verifying_key: vault::VerifyingKey,
}

fn text<S: serde::Serializer>(secret: &Zeroizing<String>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(secret)
}

async fn claim(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: ClaimBody = request.json()?;
    if hub.claimed().await? {
        return Err(ProblemKind::AlreadyClaimed.into());
    }
    let attempt = hub.claim_attempts.begin("claim", request.peer)?;
    if !hub.claiming.accepts(&body.claim_token) {
        return Err(ProblemKind::WrongClaimToken.into());
    }
    attempt.succeeded();
    let (kit, token) = claim_hub(&hub, body.name, body.password).await?;
    let mut response = reply::json_with(StatusCode::CREATED, &Claimed { recovery_kit: kit });
    cookie::set(&mut response, &token.reveal());
    Ok(response)
}

/// Makes somebody the owner, who has shown the claim token. One at a time; once it is done nothing fails any more, as
/// the answer is the only place where the recovery kit is.
pub(crate) async fn claim_hub(
    hub: &Ctx,
    name: String,
    password: Password,
) -> Result<(RecoveryKitJson, SessionToken), ApiError> {
    let _one_at_a_time = hub.claims.lock().await;
    if hub.claimed().await? {
        return Err(ProblemKind::AlreadyClaimed.into());
    }
    let name = person_name(name)?;
    password.check_strength(&[&name, "keepsight"]).map_err(Problem::from)?;
    let params = (hub.parts.password_params)();
    let password = derive(hub, password, params.clone()).await?;

    let (clock, now) = (&*hub.parts.clock, hub.parts.clock.wall());
    let kit = RecoveryKit::generate();
    let signing_key = HubSigningKey::generate();
    let verifying_key = HubSigningKey::load(&signing_key).map_err(ApiError::internal)?.verifying_key();
    // Written before the claim, and anew where a claim failed half-way: the store says which key is the hub's.
    let path = hub.parts.secrets.join("hub-signing-key");
    base::fs::write_atomic(&path, &signing_key, 0o600).map_err(ApiError::internal)?;

    let identity = PrincipalIdentity::generate();
    let id = PrincipalId::new(clock);
    let owner = Principal { id, name, role: Role::Owner, recipient: identity.recipient(), created: now };
    let password = Secret {
        id: SecretId::new(clock),
        principal: id,
        kind: SecretKind::Password { params },
        lookup: None,
        recipient: password.recipient(),
        sealed: identity.seal_for(&password.recipient()),
        created: now,
    };
    let (token, session) = new_session(hub, &owner, &identity, "first device".to_owned());
    let recovery = RecoveryKitRow { kit: KitId::new(clock), recipient: kit.recipient(), created: now };
    let claim = Claim { owner: id, at: now, recovery, verifying_key };
    hub.parts
        .store
        .urgent(move |db| {
            db.claim(&claim, &owner, &[password, session])?;
            db.append_audit(Actor::Principal(id), "hub.claim", &id.to_string())
        })
        .await?;
    hub.claiming.close();
    if let Err(e) = hub.export().await {
        tracing::error!(problem = %e.problem, "the hub has an owner, but its export was not written");
    }
    tracing::info!("the hub has an owner");
    let kit = RecoveryKitJson { words: kit.words(), secret: kit.secret_key(), hub_id: hub.parts.hub, verifying_key };
    Ok((kit, token))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SignIn {
    name: String,
    #[schema(value_type = String)]
    password: Password,
    /// What this device is called in the list of devices.
    device: String,
    /// Reserved for members who use a second factor.
    #[serde(default, rename = "totp")]
    _totp: Option<String>,
}

async fn sign_in(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: SignIn = request.json()?;
    if !hub.claimed().await? {
        return Err(ProblemKind::NotClaimed.into());
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
        Some(SecretKind::Password { params }) => params.clone(),
        _ => (hub.parts.password_params)(),
    };
    let password = derive(&hub, body.password, params).await?;
    let opened = found.and_then(|(principal, secret)| Some((password.unlock(&secret.sealed).ok()?, principal)));
    let Some((identity, principal)) = opened else {
        return Err(ProblemKind::WrongPassword.into());
    };
    attempt.succeeded();

    let (token, session) = new_session(&hub, &principal, &identity, device_name(&body.device));
    let device = Device::of(&session, session.id);
    hub.parts
        .store
        .urgent(move |db| {
            db.put_secret(&session)?;
            db.append_audit(Actor::Principal(principal.id), "session.new", &session.id.to_string())
        })
        .await?;
    let mut response = reply::json_with(StatusCode::CREATED, &device);
    cookie::set(&mut response, &token.reveal());
    Ok(response)
}

/// A device that is signed in.
#[derive(Serialize, ToSchema)]
struct Device {
    #[schema(value_type = String)]
    id: SecretId,
    /// What it is called.
    device: String,
    #[schema(value_type = String)]
    created: Timestamp,
    /// This very device.
    current: bool,
}

impl Device {
    fn of(secret: &Secret, current: SecretId) -> Device {
        let device = match &secret.kind {
            SecretKind::Session { device, .. } => device.clone(),
            _ => String::new(),
        };
        Device { id: secret.id, device, created: secret.created, current: secret.id == current }
    }
}

async fn devices(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let session = request.session()?;
    let (principal, current) = (session.principal.id, session.secret.id);
    let sessions = hub.parts.store.read(move |db| db.sessions_of(principal)).await?;
    Ok(reply::json(&sessions.iter().map(|s| Device::of(s, current)).collect::<Vec<_>>()))
}

async fn sign_out(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let session = request.session()?;
    end_session(&hub, session.principal.id, session.secret.id).await?;
    let mut response = reply::no_content();
    cookie::clear(&mut response);
    Ok(response)
}

async fn revoke(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let principal = request.session()?.principal.id;
    let id: SecretId = request.id("id")?;
    if end_session(&hub, principal, id).await? { Ok(reply::no_content()) } else { Err(ProblemKind::NotFound.into()) }
}

/// Only one's own, and only devices: a password is changed, not removed. Answers whether there was one.
async fn end_session(hub: &Ctx, principal: PrincipalId, id: SecretId) -> Result<bool, ApiError> {
    let ended = hub.parts.store.urgent(move |db| {
        let mine = db.sessions_of(principal)?.iter().any(|s| s.id == id);
        if mine {
            db.remove_secret(principal, id)?;
            db.append_audit(Actor::Principal(principal), "session.end", &id.to_string())?;
        }
        Ok(mine)
    });
    let ended = ended.await?;
    if ended {
        let _ = hub.ended_sessions.send(id); // nobody looks live: fine
        hub.export().await?; // a revocation holds when the export that has it is durable
    }
    Ok(ended)
}

fn new_session(
    hub: &Ctx,
    principal: &Principal,
    identity: &PrincipalIdentity,
    device: String,
) -> (SessionToken, Secret) {
    let (token, now) = (SessionToken::generate(), hub.parts.clock.wall());
    let secret = Secret {
        id: SecretId::new(&*hub.parts.clock),
        principal: principal.id,
        kind: SecretKind::Session { device, last_used: now, expires: None },
        lookup: Some(token.lookup()),
        recipient: token.recipient(),
        sealed: identity.seal_for(&token.recipient()),
        created: now,
    };
    (token, secret)
}

/// Derives a password's secret, off the async threads and one at a time: it takes half a second and 64 MiB.
pub(super) async fn derive(hub: &Ctx, password: Password, params: PasswordParams) -> Result<PasswordSecret, ApiError> {
    let Ok(_turn) = hub.derivations.acquire().await else { return Err(ProblemKind::ShuttingDown.into()) };
    tokio::task::spawn_blocking(move || password.derive(&params)).await.map_err(ApiError::internal)
}

fn person_name(name: String) -> Result<String, ApiError> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || name.trim() != name || name.chars().any(char::is_control) {
        return Err(ProblemKind::BadName.into());
    }
    Ok(name)
}

/// A device's name only helps its owner to tell devices apart: whatever it is, it is made to fit.
fn device_name(given: &str) -> String {
    let name: String = given.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    match name.trim() {
        "" => "device".to_owned(),
        name => name.to_owned(),
    }
}
