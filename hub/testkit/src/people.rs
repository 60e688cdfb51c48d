//! Members and grants: as owners make them, and quicker through the store.

use base::{Clock, PrincipalId, SecretId, SystemClock};
use keepsight::hub::Hub;
use serde_json::{Value, json};
use store::{Grant, Principal, PrincipalKind, Rights, Role, Secret, SecretKind};
use vault::{Password, PasswordParams, PrincipalIdentity};

use crate::client::{Client, PASSWORD};
use crate::hub::{Home, TestHub};

/// Makes a member without any grant, and signs it in.
///
/// # Panics
/// If the hub refuses.
pub async fn member(hub: &TestHub, name: &str) -> Client {
    member_of(&hub.hub, &hub.home, name).await
}

/// The same of a hub that a test started by itself.
///
/// # Panics
/// If the hub refuses.
pub async fn member_of(hub: &Hub, home: &Home, name: &str) -> Client {
    let (identity, params) = (PrincipalIdentity::generate(), PasswordParams::light());
    let password = Password::new(PASSWORD.to_owned()).expect("it is short enough").derive(&params);
    let now = SystemClock.wall();
    let id = PrincipalId::new(&SystemClock);
    let member = Principal {
        id,
        name: name.to_owned(),
        kind: PrincipalKind::Person,
        role: Role::Member,
        recipient: identity.recipient(),
        created: now,
    };
    let secret = Secret {
        id: SecretId::new(&SystemClock),
        principal: id,
        kind: SecretKind::Password { params, totp: None },
        lookup: None,
        recipient: password.recipient(),
        sealed: identity.seal_for(&password.recipient()),
        created: now,
    };
    let made = hub.store().urgent(move |db| {
        db.put_principal(&member)?;
        db.put_secret(&secret)
    });
    made.await.expect("the store takes a member");
    let mut client = home.client();
    client.sign_in(name, PASSWORD).await;
    client
}

/// Grants a member everything but managing of one camera, from a new epoch on: what was recorded before stays shut.
///
/// # Panics
/// If the hub refuses.
pub async fn grant(hub: &TestHub, name: &str, camera: &str) {
    let (name, camera) = (name.to_owned(), camera.parse().expect("a camera's id"));
    let granted = hub.hub.store().urgent(move |db| {
        let member = db.principal_by_name(&name)?.expect("the member is there");
        let rights = Rights { live: true, playback: true, export: true, manage: false };
        db.put_grant(&Grant { principal: member.id, camera, rights, expires: None })
    });
    granted.await.expect("the store takes a grant");
    hub.hub.recorder().new_epoch(camera).await.expect("a new epoch begins");
}

/// Has an owner invite somebody with these grants, who accepts: their browser, and their id.
///
/// # Panics
/// If the hub refuses.
pub async fn invited(owner: &Client, name: &str, grants: Value) -> (Client, String) {
    let invitation =
        owner.post("/api/v1/invitations", json!({"name": name, "grants": grants})).await.expect(201).json();
    let mut client = owner.signed_out();
    client.accept(invitation["secret"].as_str().expect("a secret")).await;
    let id = client.get("/api/v1/me").await.expect(200).json()["id"].as_str().expect("an id").to_owned();
    (client, id)
}
