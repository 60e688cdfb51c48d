//! The people of a hub: who comes in, what each may see, and that who is out stays out. Over HTTP, as phones do it; no
//! camera runs here.

use std::collections::BTreeSet;
use std::time::Duration;

use base::{CameraId, Clock, PrincipalId, SystemClock, Timestamp};
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Answer, Client, PASSWORD};
use testkit::hub::TestHub;
use testkit::people::invited;
use vault::{Purpose, TotpSecret};

const OTHER_PASSWORD: &str = "gravel trumpet ninety oyster";
const SOON: Duration = Duration::from_secs(30);

/// A claimed hub with two cameras that nobody connects to.
async fn home() -> (TestHub, [String; 2]) {
    let hub = TestHub::claimed().await;
    let mut cameras = Vec::new();
    for name in ["Front door", "Bedroom"] {
        let id = hub.owner.add_camera(name, "rtsp://127.0.0.1:9/main").await;
        patch(&hub.owner, &format!("/api/v1/cameras/{id}"), json!({"paused": true})).await.expect(200);
        cameras.push(id);
    }
    (hub, cameras.try_into().unwrap())
}

async fn patch(client: &Client, path: &str, body: Value) -> Answer {
    client.request(Method::PATCH, path, Some(body)).await
}

async fn put_grants(owner: &Client, member: &str, grants: Value) -> Answer {
    owner.request(Method::PUT, &format!("/api/v1/members/{member}/grants"), Some(grants)).await
}

async fn delete(client: &Client, path: &str) -> Answer {
    client.request(Method::DELETE, path, None).await
}

async fn sign_in(hub: &TestHub, body: Value) -> Answer {
    hub.home.client().post("/api/v1/sessions", body).await
}

/// How many epochs a camera has.
async fn epochs(hub: &TestHub, camera: &str) -> usize {
    let camera: CameraId = camera.parse().unwrap();
    hub.hub.store().read(move |db| db.epochs_of(camera)).await.unwrap().len()
}

/// Of how many epochs of a camera somebody has the `live` and the `footage` key.
async fn keys(hub: &TestHub, who: &str, camera: &str) -> (usize, usize) {
    let (who, camera): (PrincipalId, CameraId) = (who.parse().unwrap(), camera.parse().unwrap());
    let keys = hub.hub.store().read(move |db| db.wrapped_keys(who, camera)).await.unwrap();
    let of = |purpose| keys.iter().filter(|key| key.purpose == purpose).count();
    (of(Purpose::Live), of(Purpose::Footage))
}

async fn audit(owner: &Client) -> Vec<String> {
    let page = owner.get("/api/v1/audit?limit=500").await.expect(200).json();
    let items = page["items"].as_array().expect("a list").clone();
    items.iter().rev().map(|entry| entry["what"].as_str().unwrap().to_owned()).collect()
}

fn in_seconds(seconds: i64) -> Timestamp {
    SystemClock.wall() + jiff::SignedDuration::from_secs(seconds)
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn who_is_invited_sees_what_was_granted_and_all_that_was_recorded_before() {
    let (hub, [a, b]) = home().await;
    let owner = &hub.owner;
    hub.hub.recorder().new_epoch(a.parse().unwrap()).await.unwrap();
    let grants = json!([{"camera": a, "rights": ["playback", "live"], "expires": null}]);
    let made = owner.post("/api/v1/invitations", json!({"name": "Milo", "grants": grants})).await.expect(201).json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    assert_eq!(made["url"], format!("{}/#/invitation/{secret}", owner.base()));
    let grants = json!([{"camera": a, "rights": ["live", "playback"], "expires": null}]);
    assert_eq!((&made["name"], &made["role"], &made["grants"]), (&json!("Milo"), &json!("member"), &grants));
    let listed = owner.get("/api/v1/invitations").await.expect(200).json();
    assert_eq!(names(&listed), ["Milo"]);
    assert!(listed[0].get("secret").is_none() && !listed.to_string().contains(&secret), "it is shown once");
    assert_eq!(keys(&hub, made["id"].as_str().unwrap(), &a).await, (2, 2), "an invitation holds what is granted");
    let before = epochs(&hub, &a).await;

    // An invitation is no session.
    let stranger = hub.home.client();
    assert_eq!(stranger.with_token(&secret).get("/api/v1/me").await.problem(), "not-signed-in");
    let weak = json!({"secret": secret, "password": "milo1234", "device": "phone"});
    assert_eq!(stranger.post("/api/v1/invitations/accept", weak).await.expect(422).problem(), "weak-password");

    let mut milo = hub.home.client();
    milo.accept(&secret).await;
    let me = milo.get("/api/v1/me").await.expect(200).json();
    let id = me["id"].as_str().unwrap();
    assert_eq!(
        me,
        json!({"id": id, "name": "Milo", "role": "member", "totp": false, "has_password": true, "grants": grants})
    );
    let cameras = milo.get("/api/v1/cameras").await.expect(200).json();
    assert_eq!(names(&cameras), ["Front door"]);
    assert_eq!(milo.get(&format!("/api/v1/cameras/{b}")).await.problem(), "not-found");
    assert!(cameras[0].get("main").is_none(), "whoever does not manage it is not told its address");
    // Old epochs too; and a new one has begun, which the invitation's secret does not open.
    assert_eq!((epochs(&hub, &a).await, epochs(&hub, &b).await), (before + 1, 1));
    assert_eq!((keys(&hub, id, &a).await, keys(&hub, id, &b).await), ((before + 1, before + 1), (0, 0)));

    // Once.
    let again = json!({"secret": secret, "password": PASSWORD, "device": "thief"});
    assert_eq!(stranger.post("/api/v1/invitations/accept", again).await.expect(403).problem(), "bad-invitation");
    assert_eq!(owner.get("/api/v1/invitations").await.json(), json!([]));
    assert_eq!(names(&owner.get("/api/v1/members").await.expect(200).json()), ["Olivia", "Milo"]);
    let mut phone = hub.home.client();
    phone.sign_in("milo", PASSWORD).await;
    // Who was refused is told too, together.
    testkit::wait_for("what was done is in the log", SOON, async || {
        let mut said = audit(owner).await;
        let refused = said.iter().position(|what| what == "session.refused").map(|at| said.remove(at));
        refused.is_some()
            && said.ends_with(&["invitation.new".into(), "invitation.accept".into(), "session.new".into()])
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_ends_takes_the_keys_and_begins_an_epoch_and_one_that_is_less_takes_what_is_less() {
    let (hub, [a, b]) = home().await;
    let owner = &hub.owner;
    let (milo, id) = invited(owner, "Milo", json!([])).await;
    let grant = |camera: &str, rights: &[&str]| json!({"camera": camera, "rights": rights, "expires": null});
    let all = json!([grant(&a, &["live", "playback", "export", "manage"]), grant(&b, &["live"])]);
    assert_eq!(put_grants(owner, &id, all.clone()).await.expect(200).json(), all);
    assert_eq!((keys(&hub, &id, &a).await, keys(&hub, &id, &b).await), ((1, 1), (1, 0)));
    assert_eq!((epochs(&hub, &a).await, epochs(&hub, &b).await), (1, 1), "nothing ended");

    // Export alone needs the same key as playback: nothing ends.
    put_grants(owner, &id, json!([grant(&a, &["live", "export"]), grant(&b, &["live"])])).await.expect(200);
    assert_eq!((keys(&hub, &id, &a).await, epochs(&hub, &a).await), ((1, 1), 1));
    let timeline = format!("/api/v1/cameras/{a}/timeline?day=2026-01-01");
    assert_eq!(milo.get(&timeline).await.expect(403).problem(), "not-granted");

    put_grants(owner, &id, json!([grant(&a, &["live"]), grant(&b, &["live"])])).await.expect(200);
    assert_eq!((keys(&hub, &id, &a).await, epochs(&hub, &a).await), ((2, 0), 2), "the footage key is taken");
    put_grants(owner, &id, json!([grant(&a, &["live"])])).await.expect(200);
    assert_eq!((keys(&hub, &id, &b).await, epochs(&hub, &b).await), ((0, 0), 2));
    assert_eq!(names(&milo.get("/api/v1/cameras").await.json()), ["Front door"]);
    assert_eq!(
        owner.get(&format!("/api/v1/members/{id}/grants")).await.expect(200).json(),
        json!([grant(&a, &["live"])])
    );

    for (bad, why) in [
        (json!([grant(&a, &[])]), "bad-grant"),
        (json!([grant(&a, &["live"]), grant(&a, &["playback"])]), "bad-grant"),
        (json!([grant("01kdw000000000000000000000", &["live"])]), "bad-grant"),
        (json!([{"camera": a, "rights": ["live"], "expires": in_seconds(-1)}]), "bad-grant"),
        (json!([grant("x", &["live"])]), "bad-body"),
        (json!([grant(&a, &["own"])]), "bad-body"),
        (json!({}), "bad-body"),
    ] {
        assert_eq!(put_grants(owner, &id, bad.clone()).await.problem(), why, "{bad}");
    }
    assert_eq!(names(&milo.get("/api/v1/cameras").await.json()), ["Front door"], "what is refused changes nothing");
    let me = owner.get("/api/v1/me").await.json();
    let myself = me["id"].as_str().unwrap();
    assert_eq!(put_grants(owner, myself, json!([])).await.expect(409).problem(), "owner-has-all");
    assert_eq!(put_grants(owner, &a, json!([])).await.expect(404).problem(), "not-found");
}

#[tokio::test]
async fn what_ends_at_a_time_ends_with_nobody_signed_in() {
    let (hub, [a, b]) = home().await;
    let owner = &hub.owner;
    let at = in_seconds(10);
    let grants = json!([
        {"camera": a, "rights": ["live", "playback"], "expires": at},
        {"camera": b, "rights": ["live"], "expires": null}
    ]);
    let (milo, id) = invited(owner, "Milo", json!([])).await;
    put_grants(owner, &id, grants.clone()).await.expect(200);
    let token = json!({"name": "Panel", "grants": [{"camera": b, "rights": ["live"]}], "expires": at});
    let token = owner.post("/api/v1/tokens", token).await.expect(201).json();
    let panel = owner.with_token(token["token"].as_str().unwrap());
    assert_eq!(panel.get("/api/v1/me").await.expect(200).json()["role"], "token");
    assert_eq!(names(&milo.get("/api/v1/cameras").await.json()).len(), 2);
    let (epochs_a, epochs_b) = (epochs(&hub, &a).await, epochs(&hub, &b).await);

    testkit::wait_for("they have ended", SOON, async || {
        keys(&hub, &id, &a).await == (0, 0) && epochs(&hub, &a).await > epochs_a && epochs(&hub, &b).await > epochs_b
    })
    .await;
    assert!(SystemClock.wall() >= at, "not before");
    assert_eq!(names(&milo.get("/api/v1/cameras").await.json()), ["Bedroom"]);
    assert_eq!(panel.get("/api/v1/me").await.problem(), "not-signed-in");
    testkit::wait_for("it is in the log", SOON, async || {
        let said = audit(owner).await;
        ["grant.expire", "token.expire"].iter().all(|what| said.iter().any(|said| said == what))
    })
    .await;
    assert_eq!(owner.get("/api/v1/tokens").await.json(), json!([]));
    assert_eq!(epochs(&hub, &a).await, epochs_a + 1, "and not again");
}

#[tokio::test]
async fn a_token_does_what_it_was_granted_and_nothing_else() {
    let (hub, [a, b]) = home().await;
    let owner = &hub.owner;
    let grants = json!([{"camera": a, "rights": ["live"], "expires": null}]);
    let made = owner.post("/api/v1/tokens", json!({"name": "Panel", "grants": grants})).await.expect(201).json();
    let (id, secret) = (made["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let listed = owner.get("/api/v1/tokens").await.expect(200).json();
    assert_eq!(listed[0]["grants"], grants);
    assert!(!listed.to_string().contains(secret), "it is shown once");
    let panel = owner.with_token(secret);
    assert_eq!(names(&panel.get("/api/v1/cameras").await.expect(200).json()), ["Front door"]);
    assert_eq!(panel.get(&format!("/api/v1/cameras/{b}")).await.problem(), "not-found");
    assert_eq!(keys(&hub, id, &a).await, (1, 0));
    assert_eq!(panel.get("/metrics").await.status, 200);
    // It is nobody: no name to sign in with, no password, no devices.
    let body = json!({"name": "Panel", "password": PASSWORD, "device": "x"});
    assert_eq!(sign_in(&hub, body).await.problem(), "wrong-password");
    let password = json!({"current": PASSWORD, "new": OTHER_PASSWORD});
    assert_eq!(panel.post("/api/v1/me/password", password).await.expect(403).problem(), "not-for-tokens");
    assert_eq!(panel.post("/api/v1/me/totp", json!({"password": PASSWORD})).await.problem(), "not-for-tokens");
    assert_eq!(patch(&panel, "/api/v1/me", json!({"name": "Olivia"})).await.problem(), "not-for-tokens");
    assert_eq!(panel.get("/api/v1/sessions").await.json(), json!([]));
    assert_eq!(delete(&panel, "/api/v1/sessions/current").await.problem(), "not-found");
    assert_eq!(panel.get("/api/v1/members").await.expect(403).problem(), "not-allowed");
    // Members and tokens are different things.
    assert_eq!(delete(owner, &format!("/api/v1/members/{id}")).await.problem(), "not-found");
    assert_eq!(put_grants(owner, id, json!([])).await.problem(), "not-found");

    let before = epochs(&hub, &a).await;
    delete(owner, &format!("/api/v1/tokens/{id}")).await.expect(204);
    assert_eq!(panel.get("/api/v1/cameras").await.expect(401).problem(), "not-signed-in");
    assert_eq!((epochs(&hub, &a).await, keys(&hub, id, &a).await), (before + 1, (0, 0)));
    assert_eq!(delete(owner, &format!("/api/v1/tokens/{id}")).await.problem(), "not-found");
    let past = json!({"name": "Panel", "expires": in_seconds(-5)});
    assert_eq!(owner.post("/api/v1/tokens", past).await.expect(422).problem(), "bad-end");
}

#[tokio::test]
async fn owners_are_made_and_unmade_and_one_stays() {
    let (hub, [a, b]) = home().await;
    let owner = &hub.owner;
    let (milo, id) = invited(owner, "Milo", json!([{"camera": b, "rights": ["live"]}])).await;
    let me = owner.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    for (method, body) in [(Method::DELETE, None), (Method::PATCH, Some(json!({"role": "member"})))] {
        let answer = owner.request(method, &format!("/api/v1/members/{me}"), body).await;
        assert_eq!(answer.expect(409).problem(), "last-owner");
    }
    let member = format!("/api/v1/members/{id}");
    let said = patch(owner, &member, json!({"role": "owner", "name": "Milo the elder"})).await.expect(200).json();
    assert_eq!((&said["role"], &said["name"]), (&json!("owner"), &json!("Milo the elder")));
    assert_eq!(said["grants"].as_array().map(Vec::len), Some(2));
    for camera in [&a, &b] {
        let all = epochs(&hub, camera).await;
        assert_eq!(keys(&hub, &id, camera).await, (all, all), "every key that there is");
    }
    // The new one does what owners do, with the device that was signed in: adds a camera, and unmakes the old one.
    let c = milo.add_camera("Garden", "rtsp://127.0.0.1:9/garden").await;
    assert_eq!(keys(&hub, &me, &c).await, (1, 1));
    let before = epochs(&hub, &a).await;
    patch(&milo, &format!("/api/v1/members/{me}"), json!({"role": "member"})).await.expect(200);
    assert_eq!(owner.get("/api/v1/cameras").await.expect(200).json(), json!([]));
    assert_eq!(owner.get("/api/v1/members").await.expect(403).problem(), "not-allowed");
    assert_eq!((keys(&hub, &me, &a).await, epochs(&hub, &a).await), ((0, 0), before + 1));
    assert_eq!(delete(&milo, &member).await.expect(409).problem(), "last-owner");
    delete(&milo, &format!("/api/v1/members/{me}")).await.expect(204);
    assert_eq!(owner.get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    let body = json!({"name": "Olivia", "password": PASSWORD, "device": "x"});
    assert_eq!(sign_in(&hub, body).await.expect(401).problem(), "wrong-password");
}

#[tokio::test]
async fn an_invited_owner_has_everything() {
    let (hub, [a, _]) = home().await;
    let body = json!({"name": "Nora", "role": "owner"});
    let made = hub.owner.post("/api/v1/invitations", body).await.expect(201).json();
    // A camera that is added while the invitation waits, too.
    let c = hub.owner.add_camera("Garden", "rtsp://127.0.0.1:9/garden").await;
    let mut nora = hub.home.client();
    nora.accept(made["secret"].as_str().unwrap()).await;
    let me = nora.get("/api/v1/me").await.json();
    let id = me["id"].as_str().unwrap();
    assert_eq!((&me["role"], me["grants"].as_array().map(Vec::len)), (&json!("owner"), Some(3)));
    for camera in [&a, &c] {
        let all = epochs(&hub, camera).await;
        assert_eq!(keys(&hub, id, camera).await, (all, all));
    }
    let grants = json!({"name": "X", "role": "owner", "grants": [{"camera": a, "rights": ["live"]}]});
    assert_eq!(hub.owner.post("/api/v1/invitations", grants).await.expect(409).problem(), "owner-has-all");
    for (body, why) in [
        (json!({}), "bad-name"),
        (json!({"name": "nora"}), "name-taken"),
        (json!({"name": "X", "expires_in_s": 59}), "bad-end"),
        (json!({"name": "X", "expires_in_s": 604_801}), "bad-end"),
        (json!({"name": "X", "role": "king"}), "bad-body"),
        (json!({"member": id, "name": "X"}), "bad-body"),
        (json!({"member": a}), "not-found"),
    ] {
        assert_eq!(hub.owner.post("/api/v1/invitations", body.clone()).await.problem(), why, "{body}");
    }
    let made = hub.owner.post("/api/v1/invitations", json!({"name": "X"})).await.expect(201).json();
    delete(&hub.owner, &format!("/api/v1/invitations/{}", made["id"].as_str().unwrap())).await.expect(204);
    let accept = json!({"secret": made["secret"], "password": PASSWORD, "device": "x"});
    assert_eq!(nora.post("/api/v1/invitations/accept", accept).await.expect(403).problem(), "bad-invitation");
}

#[tokio::test]
async fn a_device_that_is_signed_out_is_out_and_the_others_see_as_before() {
    let (hub, [a, _]) = home().await;
    let (milo, id) = invited(&hub.owner, "Milo", json!([{"camera": a, "rights": ["live", "playback"]}])).await;
    let mut lost = hub.home.client();
    lost.sign_in("Milo", PASSWORD).await;
    let devices = milo.get("/api/v1/sessions").await.expect(200).json();
    assert_eq!(devices.as_array().map(Vec::len), Some(2));
    assert_eq!((&devices[0]["current"], &devices[1]["current"]), (&json!(true), &json!(false)));
    assert!(devices[1]["last_used"].is_string());
    let path = format!("/api/v1/sessions/{}", devices[1]["id"].as_str().unwrap());
    assert_eq!(patch(&milo, &path, json!({"device": "old phone"})).await.expect(200).json()["device"], "old phone");
    assert_eq!(delete(&hub.owner, &path).await.expect(404).problem(), "not-found", "it is somebody else's");
    assert_eq!(patch(&hub.owner, &path, json!({"device": "x"})).await.expect(404).problem(), "not-found");

    let recipient = async || {
        let who: PrincipalId = id.parse().unwrap();
        hub.hub.store().read(move |db| db.principal(who)).await.unwrap().unwrap().recipient
    };
    let before = recipient().await;
    delete(&milo, &path).await.expect(204);
    assert_eq!(lost.get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    assert_ne!(
        recipient().await,
        before,
        "another identity: what the lost device could open is wrapped for it no more"
    );
    assert_eq!(keys(&hub, &id, &a).await.0, epochs(&hub, &a).await);
    // By the owner: the same, and the member's own devices and password go on.
    let mut other = hub.home.client();
    other.sign_in("Milo", PASSWORD).await;
    let members = hub.owner.get("/api/v1/members").await.expect(200).json();
    let device = members[1]["devices"][1]["id"].as_str().unwrap();
    let before = recipient().await;
    delete(&hub.owner, &format!("/api/v1/members/{id}/sessions/{device}")).await.expect(204);
    assert_eq!(other.get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    assert_ne!(recipient().await, before);
    let live = format!("/api/v1/cameras/{a}/live");
    assert!(milo.websocket(&live).await.is_ok(), "the keys that were wrapped anew open");
    other.sign_in("Milo", PASSWORD).await;
    assert!(other.websocket(&live).await.is_ok());
    // Signing oneself out.
    delete(&other, "/api/v1/sessions/current").await.expect(204);
    assert_eq!(other.get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    assert!(milo.websocket(&live).await.is_ok());
    assert_eq!(delete(&hub.owner, &format!("/api/v1/members/{id}/sessions/{device}")).await.problem(), "not-found");
}

#[tokio::test]
async fn of_more_devices_than_a_person_has_the_one_used_least_lately_goes() {
    let hub = TestHub::claimed().await;
    let made = hub.hub.store().urgent(|db| {
        let olivia = db.principal_by_name("Olivia")?.expect("she is there").id;
        for n in 0..99 {
            let token = vault::SessionToken::generate();
            let last_used = in_seconds(-1_000 + n);
            let kind = store::SecretKind::Session { device: format!("phone {n}"), last_used, expires: None };
            db.put_secret(&store::Secret {
                id: base::SecretId::new(&SystemClock),
                principal: olivia,
                kind,
                lookup: Some(token.lookup()),
                recipient: token.recipient(),
                sealed: vault::PrincipalIdentity::generate().seal_for(&token.recipient()),
                created: in_seconds(0),
            })?;
        }
        Ok(())
    });
    made.await.unwrap();
    let devices = async || {
        let list = hub.owner.get("/api/v1/sessions").await.expect(200).json();
        list.as_array().unwrap().iter().map(|d| d["device"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(devices().await.len(), 100, "as many as there may be");
    hub.home.client().sign_in("Olivia", PASSWORD).await;
    let left = devices().await;
    assert!(
        left.len() == 100 && !left.contains(&"phone 0".to_owned()) && left.contains(&"phone 1".to_owned()),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_new_password_signs_the_other_devices_out_unless_they_stay() {
    let (hub, [a, _]) = home().await;
    let owner = &hub.owner;
    let mut phone = hub.home.client();
    phone.sign_in("Olivia", PASSWORD).await;
    let change = |current: &str, new: &str, keep: bool| json!({"current": current, "new": new, "keep_devices": keep});
    let path = "/api/v1/me/password";
    assert_eq!(owner.post(path, change(OTHER_PASSWORD, PASSWORD, false)).await.expect(401).problem(), "wrong-password");
    assert_eq!(owner.post(path, change(PASSWORD, "olivia", false)).await.expect(422).problem(), "weak-password");
    assert_eq!(phone.get("/api/v1/me").await.status, 200, "what is refused changes nothing");
    owner.post(path, change(PASSWORD, OTHER_PASSWORD, true)).await.expect(204);
    assert_eq!(phone.get("/api/v1/me").await.status, 200);
    owner.post(path, change(OTHER_PASSWORD, PASSWORD, false)).await.expect(204);
    assert_eq!(phone.get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    let live = format!("/api/v1/cameras/{a}/live");
    assert!(owner.websocket(&live).await.is_ok(), "this device goes on, with keys that open");
    phone.sign_in("Olivia", PASSWORD).await;
    assert!(phone.websocket(&live).await.is_ok());
    let body = json!({"name": "Olivia", "password": OTHER_PASSWORD, "device": "x"});
    assert_eq!(sign_in(&hub, body).await.expect(401).problem(), "wrong-password");
    assert!(patch(owner, "/api/v1/me", json!({"name": "Olivia B."})).await.expect(200).json()["name"] == "Olivia B.");
    phone.sign_in("olivia b.", PASSWORD).await;
}

#[tokio::test]
async fn one_time_codes_are_asked_for_after_the_password_and_each_is_good_once() {
    let (hub, _) = home().await;
    let owner = &hub.owner;
    let password = json!({"password": PASSWORD});
    let begin = async || {
        let shown = owner.post("/api/v1/me/totp", password.clone()).await.expect(200).json();
        let secret = shown["secret"].as_str().unwrap().to_owned();
        assert!(
            shown["uri"].as_str().unwrap().starts_with(&format!("otpauth://totp/Keepsight:Olivia?secret={secret}&"))
        );
        TotpSecret::parse(&secret).unwrap()
    };
    let wrong = json!({"password": OTHER_PASSWORD});
    assert_eq!(owner.post("/api/v1/me/totp", wrong.clone()).await.expect(401).problem(), "wrong-password");
    let code = |secret: &TotpSecret, steps: i64| secret.code(in_seconds(30 * steps)).to_string();
    let body = |totp: Option<String>| json!({"name": "Olivia", "password": PASSWORD, "device": "x", "totp": totp});

    let first = begin().await;
    let confirm = async |code: String| owner.post("/api/v1/me/totp/confirm", json!({"code": code})).await;
    assert_eq!(confirm("000000".to_owned()).await.expect(422).problem(), "wrong-totp");
    assert_eq!(sign_in(&hub, body(None)).await.status, 201, "not asked for before they are confirmed");
    let secret = begin().await;
    assert_eq!(confirm(code(&first, 0)).await.problem(), "wrong-totp", "those made last count");
    // Kept: half a minute later another one would be the code of now.
    let used = code(&secret, 0);
    confirm(used.clone()).await.expect(204);
    assert_eq!(owner.get("/api/v1/me").await.json()["totp"], true);

    assert_eq!(sign_in(&hub, body(None)).await.expect(401).problem(), "totp-needed");
    let bad = json!({"name": "Olivia", "password": OTHER_PASSWORD, "device": "x", "totp": code(&secret, 1)});
    assert_eq!(sign_in(&hub, bad).await.expect(401).problem(), "wrong-password", "the password comes first");
    assert_eq!(sign_in(&hub, body(Some(used))).await.problem(), "totp-needed", "it was used to confirm");
    let next = code(&secret, 1);
    assert_eq!(sign_in(&hub, body(Some(next.clone()))).await.status, 201);
    assert_eq!(sign_in(&hub, body(Some(next))).await.problem(), "totp-needed", "once");

    // A new password keeps them. Nothing of them lies readable in the store's files.
    let change = json!({"current": PASSWORD, "new": OTHER_PASSWORD, "keep_devices": true});
    owner.post("/api/v1/me/password", change).await.expect(204);
    let body = json!({"name": "Olivia", "password": OTHER_PASSWORD, "device": "x"});
    assert_eq!(sign_in(&hub, body.clone()).await.expect(401).problem(), "totp-needed");
    let needles = [("the secret".to_owned(), secret.reveal().as_bytes().to_vec())];
    assert_eq!(testkit::search::search(&[&hub.home.data()], &needles), []);
    assert_eq!(
        owner.request(Method::DELETE, "/api/v1/me/totp", Some(password.clone())).await.expect(401).problem(),
        "wrong-password"
    );
    owner.request(Method::DELETE, "/api/v1/me/totp", Some(wrong)).await.expect(204);
    assert_eq!(sign_in(&hub, body).await.status, 201);
    let said: BTreeSet<_> = audit(owner).await.into_iter().collect();
    assert!(said.contains("totp.on") && said.contains("totp.off") && said.contains("password.change"), "{said:?}");
}

#[tokio::test]
async fn who_lost_the_password_gets_in_by_an_owners_invitation() {
    let (hub, [a, b]) = home().await;
    let owner = &hub.owner;
    let (old, id) = invited(owner, "Milo", json!([{"camera": a, "rights": ["live"]}])).await;
    let made = owner.post("/api/v1/invitations", json!({"member": id})).await.expect(201).json();
    assert_eq!((&made["member"], &made["name"]), (&json!(id), &json!("Milo")));
    assert_eq!(old.get("/api/v1/me").await.status, 200, "nothing is lost before it is accepted");
    let mut milo = hub.home.client();
    let accept = json!({"secret": made["secret"], "password": OTHER_PASSWORD, "device": "phone"});
    let answer = milo.post("/api/v1/invitations/accept", accept).await.expect(201);
    milo = milo.with_cookie(answer.header("set-cookie").split(';').next().unwrap());
    assert_eq!(milo.get("/api/v1/me").await.json()["id"], id.as_str(), "the same person");
    assert!(milo.websocket(&format!("/api/v1/cameras/{a}/live")).await.is_ok());
    assert_eq!(old.get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    let body = |password: &str| json!({"name": "Milo", "password": password, "device": "x"});
    assert_eq!(sign_in(&hub, body(PASSWORD)).await.problem(), "wrong-password");
    assert_eq!(sign_in(&hub, body(OTHER_PASSWORD)).await.status, 201);
    // It has the grants of when it was made: when those change it is good for nothing.
    let made = owner.post("/api/v1/invitations", json!({"member": id})).await.expect(201).json();
    put_grants(owner, &id, json!([{"camera": b, "rights": ["live"]}])).await.expect(200);
    let accept = json!({"secret": made["secret"], "password": PASSWORD, "device": "x"});
    assert_eq!(milo.post("/api/v1/invitations/accept", accept).await.problem(), "bad-invitation");
}

#[tokio::test]
async fn the_recovery_kit_lets_an_owner_in_and_makes_another_kit() {
    let (hub, [a, _]) = home().await;
    let owner = &hub.owner;
    hub.hub.recorder().new_epoch(a.parse().unwrap()).await.unwrap();
    let (_, milo) = invited(owner, "Milo", json!([])).await;
    let words = hub.kit["words"].as_str().unwrap();
    let recover =
        |name: &str, kit: &str| json!({"name": name, "recovery_kit": kit, "password": OTHER_PASSWORD, "device": "new"});
    for (name, kit) in [("Olivia", &words.replace(' ', " x")[..]), ("Milo", words), ("Nobody", words), ("Olivia", "")] {
        assert_eq!(sign_in(&hub, recover(name, kit)).await.expect(401).problem(), "wrong-recovery-kit", "{name}");
    }
    let other = vault::RecoveryKit::generate().secret_key();
    assert_eq!(sign_in(&hub, recover("Olivia", &other)).await.problem(), "wrong-recovery-kit");
    let weak = json!({"name": "Olivia", "recovery_kit": words, "password": "olivia", "device": "new"});
    assert_eq!(sign_in(&hub, weak).await.expect(422).problem(), "weak-password");
    assert_eq!(owner.get("/api/v1/me").await.status, 200, "what is refused changes nothing");

    let answer = sign_in(&hub, recover("Olivia", words)).await.expect(201);
    let olivia = owner.with_cookie(answer.header("set-cookie").split(';').next().unwrap());
    assert_eq!(owner.get("/api/v1/me").await.expect(401).problem(), "not-signed-in", "all other devices are out");
    let me = olivia.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    let all = epochs(&hub, &a).await;
    assert_eq!(keys(&hub, &me, &a).await, (all, all), "the key files beside the footage gave her all keys again");
    assert!(olivia.websocket(&format!("/api/v1/cameras/{a}/live")).await.is_ok());
    // With them she grants what was recorded before.
    put_grants(&olivia, &milo, json!([{"camera": a, "rights": ["playback"]}])).await.expect(200);
    assert_eq!(keys(&hub, &milo, &a).await, (0, all));

    let renew = |kit: &str, password: &str| json!({"recovery_kit": kit, "password": password});
    let path = "/api/v1/recovery-kit";
    assert_eq!(olivia.post(path, renew(words, PASSWORD)).await.expect(401).problem(), "wrong-password");
    assert_eq!(olivia.post(path, renew(&other, OTHER_PASSWORD)).await.expect(401).problem(), "wrong-recovery-kit");
    let new = olivia.post(path, renew(words, OTHER_PASSWORD)).await.expect(201).json()["recovery_kit"].clone();
    assert_eq!((&new["hub_id"], &new["verifying_key"]), (&hub.kit["hub_id"], &hub.kit["verifying_key"]));
    assert_eq!(epochs(&hub, &a).await, all + 1, "what is recorded from now on the old kit does not open");
    assert_eq!(olivia.post(path, renew(words, OTHER_PASSWORD)).await.problem(), "wrong-recovery-kit");
    // Every epoch opens with the new kit: those of before by a file beside the old one's.
    let kit = vault::RecoveryKit::parse_file(new["words"].as_str().unwrap()).unwrap().kit;
    let old = vault::RecoveryKit::parse_file(words).unwrap().kit;
    let camera: CameraId = a.parse().unwrap();
    let (mut by_new, mut by_old) = (BTreeSet::new(), BTreeSet::new());
    for entry in std::fs::read_dir(hub.home.footage().join(&a).join("keys")).unwrap() {
        let path = entry.unwrap().path();
        let epoch = path.file_name().unwrap().to_str().unwrap()[..26].parse().unwrap();
        let sealed = std::fs::read(&path).unwrap();
        by_new.extend(kit.open_kit_file(camera, epoch, &sealed).ok().map(|secrets| secrets.epoch()));
        by_old.extend(old.open_kit_file(camera, epoch, &sealed).ok().map(|secrets| secrets.epoch()));
    }
    assert_eq!((by_new.len(), by_old.len()), (all + 1, all));
    let again = sign_in(&hub, recover("Olivia", new["secret"].as_str().unwrap())).await;
    assert_eq!(again.status, 201, "the new kit lets her in, too");
}

#[tokio::test]
async fn a_pause_ends_by_itself_also_after_a_restart() {
    let (hub, [a, b]) = home().await;
    let owner = &hub.owner;
    let path = |id: &str| format!("/api/v1/cameras/{id}");
    patch(owner, &path(&a), json!({"paused": false})).await.expect(200);
    let until = in_seconds(3);
    let camera = patch(owner, &path(&a), json!({"paused_until": until})).await.expect(200).json();
    assert_eq!((&camera["paused"], &camera["paused_until"]), (&json!(true), &json!(until)));
    testkit::wait_for("it is recorded again", SOON, async || owner.camera(&a).await["paused"] == false).await;
    assert!(SystemClock.wall() >= until && owner.camera(&a).await["paused_until"].is_null());
    assert_eq!(owner.camera(&b).await["paused"], true, "a pause without an end has none");
    for bad in [json!({"paused_until": in_seconds(-1)}), json!({"paused": false, "paused_until": in_seconds(60)})] {
        assert_eq!(patch(owner, &path(&a), bad).await.expect(422).problem(), "bad-end");
    }
    let said = audit(owner).await;
    assert!(said.ends_with(&["camera.resume".into(), "camera.pause".into(), "camera.resume".into()]), "{said:?}");

    let until = in_seconds(3);
    patch(owner, &path(&b), json!({"paused_until": until})).await.expect(200);
    hub.hub.stop().await;
    testkit::wait_for("it is over while the hub is off", SOON, async || SystemClock.wall() > until).await;
    let config = keepsight::config::Config::load(&hub.home.config()).unwrap();
    let clock = std::sync::Arc::new(SystemClock);
    let again = keepsight::hub::Hub::start(config, clock, base::Shutdown::new()).await.unwrap();
    testkit::wait_for("it is recorded again", SOON, async || hub.owner.camera(&b).await["paused"] == false).await;
    again.stop().await;
}

#[tokio::test]
async fn the_audit_log_and_the_events_are_told_page_by_page() {
    let (hub, [a, b]) = home().await;
    let owner = &hub.owner;
    let (milo, _) = invited(owner, "Milo", json!([{"camera": a, "rights": ["playback"]}])).await;
    assert_eq!(milo.get("/api/v1/audit").await.expect(403).problem(), "not-allowed");
    let mut cursor = None;
    let mut seen = Vec::new();
    loop {
        let at = cursor.map_or(String::new(), |cursor: String| format!("&cursor={cursor}"));
        let page = owner.get(&format!("/api/v1/audit?limit=3{at}")).await.expect(200).json();
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let numbers: Vec<_> = seen.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..seen.len() as u64).rev().collect::<Vec<_>>(), "newest first, without a hole");
    let first = &seen[seen.len() - 1];
    assert_eq!((&first["what"], &first["who_name"]), (&json!("hub.claim"), &json!("Olivia")));

    let event = |camera: &str, second: i64| store::Event {
        id: base::EventId::at(Timestamp::from_second(second).unwrap()),
        camera: camera.parse().unwrap(),
        kind: if second % 2 == 0 { store::EventKind::Motion } else { store::EventKind::Doorbell },
        start: Timestamp::from_second(second).unwrap(),
        stamp: None,
        end: None,
        detail: Value::Null,
    };
    let events: Vec<_> = (0..10).map(|n| event(if n < 7 { &a } else { &b }, 1_767_225_600 + n)).collect();
    hub.hub.store().urgent(move |db| events.iter().try_for_each(|event| db.put_event(event))).await.unwrap();
    let count = async |client: &Client, query: &str| {
        let page = client.get(&format!("/api/v1/events{query}")).await.expect(200).json();
        (page["items"].as_array().unwrap().len(), page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(count(owner, "").await, (10, None));
    assert_eq!(count(&milo, "").await, (7, None), "only the cameras whose footage he may see");
    assert_eq!(count(&milo, "?kind=doorbell").await.0, 3);
    assert_eq!(count(&milo, "?from=2026-01-01T00:00:02Z&to=2026-01-01T00:00:05Z").await.0, 3);
    assert_eq!(milo.get(&format!("/api/v1/events?camera={b}")).await.expect(404).problem(), "not-found");
    let (five, next) = count(&milo, "?limit=5").await;
    assert_eq!((five, count(&milo, &format!("?limit=5&cursor={}", next.unwrap())).await), (5, (2, None)));
    for bad in ["?kind=rain", "?limit=0", "?limit=501", "?cursor=x", "?from=now", "?camera=x"] {
        assert_eq!(owner.get(&format!("/api/v1/events{bad}")).await.expect(400).problem(), "bad-request", "{bad}");
    }
    for bad in ["?limit=0", "?limit=-1", "?cursor=x"] {
        assert_eq!(owner.get(&format!("/api/v1/audit{bad}")).await.expect(400).problem(), "bad-request", "{bad}");
    }
}
