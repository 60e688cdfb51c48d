//! The secrets of principals: passwords, sessions, tokens, and the identity that each of them opens.

use std::collections::HashSet;

use base::{Clock, PrincipalId, Problem, ProblemKind, SecretId, Timestamp};
use recorder::Keys;
use serde::{Deserialize, Deserializer, Serializer};
use store::{Principal, Secret, SecretKind, Totp};
use vault::{
    KeyLabel, LookupHash, Password, PasswordParams, PasswordSecret, PrincipalIdentity, SecretRecipient, SessionToken,
    Viewer, WrappedKey,
};
use zeroize::Zeroizing;

use crate::grants::wrap_for;
use crate::hub::{Ctx, Session};
use crate::problem::ApiError;
use crate::route::Peer;

/// Longest name of a principal or a device, in characters.
const MAX_NAME_CHARS: usize = 64;
/// How often another identity is tried, where somebody signs in meanwhile.
const RENEW_TRIES: usize = 5;

/// A secret in a body, wiped when it is dropped. Its text is whatever was sent.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(#[serde(deserialize_with = "wiped")] pub Zeroizing<String>);

fn wiped<'de, D: Deserializer<'de>>(from: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(from).map(Zeroizing::new)
}

/// Writes a secret into an answer, where it is shown once.
pub(crate) fn shown<S: Serializer>(secret: &Zeroizing<String>, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(secret)
}

/// A name that people can read and tell apart.
pub(crate) fn person_name(name: String) -> Result<String, ApiError> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_NAME_CHARS || name.trim() != name || name.chars().any(char::is_control) {
        return Err(ProblemKind::BadName.into());
    }
    Ok(name)
}

/// A device's name only helps its owner to tell devices apart: whatever it is, it is made to fit.
pub(crate) fn device_name(given: &str) -> String {
    let name: String = given.chars().filter(|c| !c.is_control()).take(MAX_NAME_CHARS).collect();
    match name.trim() {
        "" => "device".to_owned(),
        name => name.to_owned(),
    }
}

/// Derives a password's secret, off the async threads and one at a time: it takes half a second and 64 MiB.
pub(crate) async fn derive(hub: &Ctx, password: Password, params: PasswordParams) -> Result<PasswordSecret, ApiError> {
    let Ok(_turn) = hub.derivations.acquire().await else { return Err(ProblemKind::ShuttingDown.into()) };
    tokio::task::spawn_blocking(move || password.derive(&params)).await.map_err(ApiError::internal)
}

/// A password that somebody has just chosen.
pub(crate) struct NewPassword {
    params: PasswordParams,
    key: PasswordSecret,
}

/// # Errors
/// [`ProblemKind::WeakPassword`], with why.
pub(crate) async fn new_password(hub: &Ctx, password: Password, name: &str) -> Result<NewPassword, ApiError> {
    password.check_strength(&[name, "keepsight"]).map_err(Problem::from)?;
    let params = (hub.parts.password_params)();
    let key = derive(hub, password, params.clone()).await?;
    Ok(NewPassword { params, key })
}

impl NewPassword {
    /// To which a person's secrets are sealed.
    pub(crate) fn recipient(&self) -> SecretRecipient {
        self.key.recipient()
    }

    /// Its row, which opens the identity.
    pub(crate) fn secret(
        self,
        clock: &dyn Clock,
        of: &Principal,
        identity: &PrincipalIdentity,
        totp: Option<Totp>,
    ) -> Secret {
        let kind = SecretKind::Password { params: self.params, totp };
        row(clock, of.id, kind, None, self.key.recipient(), identity)
    }
}

/// A device's session: its token, and its row.
pub(crate) fn new_session(
    clock: &dyn Clock,
    of: &Principal,
    identity: &PrincipalIdentity,
    device: String,
) -> (SessionToken, Secret) {
    let kind = SecretKind::Session { device, last_used: clock.wall(), expires: None };
    new_token(clock, of, identity, kind)
}

/// Something random that is shown to be let in, such as an API token, and its row.
pub(crate) fn new_token(
    clock: &dyn Clock,
    of: &Principal,
    identity: &PrincipalIdentity,
    kind: SecretKind,
) -> (SessionToken, Secret) {
    let token = SessionToken::generate();
    let secret = row(clock, of.id, kind, Some(token.lookup()), token.recipient(), identity);
    (token, secret)
}

fn row(
    clock: &dyn Clock,
    principal: PrincipalId,
    kind: SecretKind,
    lookup: Option<LookupHash>,
    recipient: SecretRecipient,
    identity: &PrincipalIdentity,
) -> Secret {
    let sealed = identity.seal_for(&recipient);
    Secret { id: SecretId::new(clock), principal, kind, lookup, recipient, sealed, created: clock.wall() }
}

/// What a person gave the password for, again: the row of the password, and its key.
pub(crate) struct Again {
    pub row: Secret,
    pub key: PasswordSecret,
}

/// Asks somebody who is signed in for the password again: a session alone is not enough for what comes next.
///
/// # Errors
/// [`ProblemKind::WrongPassword`]; [`ProblemKind::NotForTokens`] for who has none; [`ProblemKind::TooManyAttempts`].
pub(crate) async fn asked_again(
    hub: &Ctx,
    session: &Session,
    password: Password,
    peer: Peer,
) -> Result<Again, ApiError> {
    let principal = session.principal.id;
    let Some(row) = hub.parts.store.read(move |db| db.password_of(principal)).await? else {
        return Err(ProblemKind::NotForTokens.into());
    };
    let SecretKind::Password { params, .. } = &row.kind else { return Err(ProblemKind::NotForTokens.into()) };
    let attempt = hub.sign_in_attempts.begin(&session.principal.name, peer)?;
    let key = derive(hub, password, params.clone()).await?;
    if key.unlock(&row.sealed).is_err() {
        return Err(ProblemKind::WrongPassword.into());
    }
    attempt.succeeded();
    Ok(Again { row, key })
}

/// Gives a principal another identity, sealed to the secrets that it has left; who asks for it wraps what it may open. A
/// secret that was removed, and a copy of the store from before, open nothing that is wrapped from now on.
pub(crate) async fn renew_identity(hub: &Ctx, _keys: &Keys<'_>, by: Session, of: PrincipalId) -> Result<(), ApiError> {
    let mut viewer = by.into_whole_viewer(hub).await?;
    for _ in 0..RENEW_TRIES {
        let read = hub.parts.store.read(move |db| Ok((db.principal(of)?, db.secrets_of(of)?, db.wrapped_keys_of(of)?)));
        let (Some(mut principal), before, held) = read.await? else { return Ok(()) };
        let old = before.clone();
        let made = tokio::task::spawn_blocking(move || {
            let held: HashSet<KeyLabel> = held.iter().map(|key| key.label()).collect();
            let (_, secrets, keys) = another_identity(&viewer, &mut principal, old, |key| held.contains(&key));
            (viewer, principal, secrets, keys)
        });
        let (back, principal, secrets, keys) = made.await.map_err(ApiError::internal)?;
        viewer = back;
        let done = hub.parts.store.urgent(move |db| {
            // Who signed in meanwhile has the old identity: it is done again with that device.
            let same = db.secrets_of(of)? == before;
            if same {
                db.replace_identity(&principal, &secrets, &keys)?;
            }
            Ok(same)
        });
        if done.await? {
            return Ok(());
        }
    }
    Err(ProblemKind::TooBusy.into())
}

/// Another identity of a principal: it, the secrets that open it, and the keys wrapped to it. Slow.
pub(crate) fn another_identity(
    viewer: &Viewer,
    principal: &mut Principal,
    secrets: Vec<Secret>,
    wanted: impl Fn(KeyLabel) -> bool,
) -> (PrincipalIdentity, Vec<Secret>, Vec<WrappedKey>) {
    let identity = PrincipalIdentity::generate();
    principal.recipient = identity.recipient();
    let keys = wrap_for(viewer, &principal.recipient, wanted);
    let sealed = |s: Secret| Secret { sealed: identity.seal_for(&s.recipient), ..s };
    let secrets = secrets.into_iter().map(sealed).collect();
    (identity, secrets, keys)
}

/// After a change of who holds which keys: epochs begin where they are due, and an export holds it all. Only then is a
/// revocation acknowledged.
pub(crate) async fn settle(hub: &Ctx, keys: Keys<'_>) -> Result<(), ApiError> {
    let begun = keys.begin_due().await;
    drop(keys);
    hub.expiries.notify_one(); // what was not begun is tried again there
    hub.export().await?;
    begun?;
    Ok(())
}

/// Has something that ends at a time ended?
pub(crate) fn has_ended(expires: Option<Timestamp>, now: Timestamp) -> bool {
    expires.is_some_and(|at| at <= now)
}
