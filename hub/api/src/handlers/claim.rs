//! The claim: who proves physical access becomes the owner.

use base::{KitId, PrincipalId, ProblemKind};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Actor, Claim, Principal, PrincipalKind, RecoveryKitRow, Role};
use utoipa::ToSchema;
use vault::{HubSigningKey, Password, PrincipalIdentity, RecoveryKit, SessionToken, VerifyingKey};
use zeroize::Zeroizing;

use crate::cookie;
use crate::hub::Ctx;
use crate::problem::ApiError;
use crate::reply::{self, Response};
use crate::route::{Access, Request, Route};
use crate::secrets::{new_password, new_session, person_name};

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
pub(super) struct Claimed {
    pub(super) recovery_kit: RecoveryKitJson,
}

/// The recovery kit: opens everything, is kept nowhere.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecoveryKitJson {
    /// 24 words.
    #[serde(serialize_with = "crate::secrets::shown")]
    #[schema(value_type = String)]
    words: Zeroizing<String>,
    /// The same as `AGE-SECRET-KEY-1…`.
    #[serde(serialize_with = "crate::secrets::shown")]
    #[schema(value_type = String)]
    secret: Zeroizing<String>,
    /// This hub.
    #[schema(value_type = String)]
    hub_id: base::HubId,
    /// The hub's Ed25519 key: tells its backups from forged ones.
    #[schema(value_type = String)]
    verifying_key: VerifyingKey,
}

impl RecoveryKitJson {
    pub(super) fn of(hub: &Ctx, kit: &RecoveryKit, verifying_key: VerifyingKey) -> Self {
        Self { words: kit.words(), secret: kit.secret_key(), hub_id: hub.parts.hub, verifying_key }
    }
}

async fn claim(hub: Ctx, request: Request<Ctx>) -> Result<Response, ApiError> {
    let body: ClaimBody = request.json()?;
    if hub.claimed().await? {
        return Err(ProblemKind::AlreadyClaimed.into());
    }
    let attempt = hub.claim_attempts.begin("claim", request.peer)?;
    if !hub.claiming.accepts(&body.claim_token) {
        hub.refused.count(request.peer);
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
    let password = new_password(hub, password, &name).await?;

    let (clock, now) = (&*hub.parts.clock, hub.parts.clock.wall());
    let kit = RecoveryKit::generate();
    let signing_key = HubSigningKey::generate();
    let verifying_key = HubSigningKey::load(&signing_key).map_err(ApiError::internal)?.verifying_key();
    // Written before the claim, and anew where a claim failed half-way: the store says which key is the hub's.
    let path = hub.parts.secrets.join("hub-signing-key");
    base::fs::write_atomic(&path, &signing_key, 0o600).map_err(ApiError::internal)?;

    let identity = PrincipalIdentity::generate();
    let id = PrincipalId::new(clock);
    let (kind, role) = (PrincipalKind::Person, Role::Owner);
    let owner = Principal { id, name, kind, role, recipient: identity.recipient(), created: now };
    let password = password.secret(clock, &owner, &identity, None);
    let (token, session) = new_session(clock, &owner, &identity, "first device".to_owned());
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
    hub.has_owner();
    if let Err(e) = hub.export().await {
        tracing::error!(problem = %e.problem, "the hub has an owner, but its export was not written");
    }
    tracing::info!("the hub has an owner");
    Ok((RecoveryKitJson::of(hub, &kit, verifying_key), token))
}
