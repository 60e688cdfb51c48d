//! Promise 3 at the door: every route × everybody who may ask × a camera of theirs, somebody else's and none. From the one
//! route table: a route that is not in the list below fails.

use std::collections::BTreeMap;
use std::time::Duration;

use api::hub::Ctx;
use api::{Access, Right, Route};
use base::{Clock, SystemClock};
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Client, PASSWORD};
use testkit::hub::TestHub;
use testkit::people::invited;

/// No camera, person, token, session or invitation has it.
const UNKNOWN: &str = "01kdw000000000000000000000";
/// The only answer without an end.
const LISTEN: &str = "/api/v1/events/stream";

/// What a route answers to whoever is let through: asked in a way that changes nothing, so that it can be asked by all.
struct Asked {
    query: &'static str,
    body: Option<Value>,
    status: u16,
    /// The problem's code; empty where it is none.
    problem: &'static str,
    /// Two answers are the same, whoever asked in between.
    steady: bool,
}

fn asked(route: &Route<Ctx>) -> Asked {
    let get = |query, status, problem, steady| Asked { query, body: None, status, problem, steady };
    let ok = get("", 200, "", true);
    let day = "?day=2026-01-01";
    let body = |body, status, problem| Asked { query: "", body: Some(body), status, problem, steady: true };
    let bad_body = body(json!({"no such": 1}), 400, "bad-body");
    match (route.method.as_str(), route.path) {
        // The page's own files, whatever they are.
        ("GET", path) if route.access == Access::Open && !path.starts_with("/api/v1") => ok,
        ("POST", "/api/v1/claim" | "/api/v1/sessions" | "/api/v1/invitations/accept") => bad_body,

        ("GET", "/api/v1/events/{id}" | "/api/v1/events/{id}/thumbnail.jpg") => get("", 404, "not-found", true),
        ("GET", LISTEN) => get("", 200, "", true),
        ("GET", "/api/v1/sessions" | "/api/v1/me" | "/api/v1/cameras" | "/api/v1/events") => ok,
        ("PATCH", "/api/v1/me" | "/api/v1/sessions/{id}") => bad_body,
        ("DELETE", "/api/v1/sessions/{id}") => get("", 404, "not-found", true),
        ("POST", "/api/v1/me/password" | "/api/v1/me/totp" | "/api/v1/me/totp/confirm") => bad_body,
        ("DELETE", "/api/v1/me/totp") => bad_body,

        ("GET", "/api/v1/mode" | "/api/v1/rules") => ok,
        ("PUT", "/api/v1/mode") | ("POST", "/api/v1/rules") => bad_body,
        ("PUT", "/api/v1/rules/{id}") => body(json!({"name": "None", "actions": {"notify": true}}), 404, "not-found"),
        ("GET" | "DELETE", "/api/v1/rules/{id}") => get("", 404, "not-found", true),

        ("GET", "/api/v1/members" | "/api/v1/invitations" | "/api/v1/tokens" | "/api/v1/audit") => ok,
        ("POST", "/api/v1/invitations" | "/api/v1/tokens" | "/api/v1/recovery-kit") => bad_body,
        ("PATCH", "/api/v1/members/{id}") => body(json!({}), 404, "not-found"),
        ("GET", "/api/v1/members/{id}/grants") => get("", 404, "not-found", true),
        ("PUT", "/api/v1/members/{id}/grants") => body(json!([]), 404, "not-found"),
        ("DELETE", "/api/v1/members/{id}" | "/api/v1/members/{id}/sessions/{session}") => {
            get("", 404, "not-found", true)
        }
        ("DELETE", "/api/v1/invitations/{id}" | "/api/v1/tokens/{id}") => get("", 404, "not-found", true),

        ("POST", "/api/v1/cameras" | "/api/v1/cameras/probe") => bad_body,
        ("GET", "/api/v1/cameras/{id}" | "/api/v1/cameras/{id}/protected") => ok,
        ("PATCH", "/api/v1/cameras/{id}") => body(json!({}), 200, ""),
        ("GET", "/api/v1/cameras/{id}/live") => get("", 426, "upgrade-required", true),
        ("GET", "/api/v1/cameras/{id}/snapshot.jpg") => get("?width=1", 400, "bad-request", true),
        ("GET", "/api/v1/cameras/{id}/timeline") => get(day, 200, "", true),
        ("GET", "/api/v1/cameras/{id}/playback.mp4" | "/api/v1/cameras/{id}/export.mp4") => {
            get(day, 404, "no-footage", true)
        }
        ("POST", "/api/v1/cameras/{id}/motion/preview") => body(json!({"motion": {}}), 404, "no-footage"),
        ("POST", "/api/v1/cameras/{id}/key" | "/api/v1/cameras/{id}/protected") => bad_body,
        ("DELETE", "/api/v1/cameras/{id}/protected") => get("", 400, "bad-interval", true),

        ("GET", "/api/v1/system/update") => ok,
        ("PATCH", "/api/v1/system/update" | "/api/v1/system/time") => bad_body,
        ("POST", "/api/v1/system/update/install") => get("", 409, "no-slots", true),
        ("GET", "/api/v1/system" | "/api/v1/system/storage" | "/api/v1/system/time" | "/metrics") => {
            get("", 200, "", false)
        }
        ("POST", "/api/v1/system/time") | ("PUT", "/api/v1/system/storage/limits") => bad_body,
        ("GET", "/api/v1/system/disks") => ok,
        ("POST", "/api/v1/system/disks/footage") | ("PUT", "/api/v1/system/wifi" | "/api/v1/objects") => bad_body,
        ("GET", "/api/v1/system/wifi" | "/api/v1/objects") => ok,
        ("DELETE", "/api/v1/objects") => get("", 204, "", true),
        ("DELETE", "/api/v1/system/wifi") => get("", 409, "wifi-not-ours", true),
        ("POST", "/api/v1/system/factory-reset") => bad_body,
        // Only on the hub's own socket.
        ("GET" | "POST", path) if path.starts_with("/local/") => get("", 404, "not-found", true),
        (method, path) => panic!("{method} {path} is not in the matrix: say here what it answers"),
    }
}

/// These two take away what they are asked with, and are asked apart.
fn takes_away(route: &Route<Ctx>) -> bool {
    route.method == Method::DELETE && matches!(route.path, "/api/v1/sessions/current" | "/api/v1/cameras/{id}")
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// No session, one that was revoked, a token that has ended.
    Nobody,
    /// With one right on the camera that is theirs, or none at all.
    Member(Option<Right>),
    Owner,
    /// With every right on the camera that is theirs.
    Token,
}

/// Which camera is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Own,
    Foreign,
    Unknown,
}

/// Status and code of who is not let through; `None`: they are.
fn refused(access: Access, who: Who, which: Which) -> Option<(u16, &'static str)> {
    if access == Access::Open {
        return None;
    }
    if who == Who::Nobody {
        return Some((401, "not-signed-in"));
    }
    match access {
        Access::Open | Access::Session => None,
        Access::Owner => (who != Who::Owner).then_some((403, "not-allowed")),
        Access::OwnerOrToken => matches!(who, Who::Member(_)).then_some((403, "not-allowed")),
        Access::Camera(right) => match (who, which) {
            (_, Which::Unknown) => Some((404, "not-found")),
            (Who::Owner, _) => None,
            (_, Which::Foreign) | (Who::Member(None) | Who::Nobody, Which::Own) => Some((404, "not-found")),
            (Who::Token, Which::Own) => None,
            (Who::Member(Some(has)), Which::Own) if right == Right::Any || right == has => None,
            (Who::Member(Some(_)), Which::Own) => Some((403, "not-granted")),
        },
    }
}

struct Home {
    hub: TestHub,
    own: String,
    foreign: String,
    callers: Vec<(String, Who, Client)>,
}

impl Home {
    async fn new() -> Home {
        let hub = TestHub::claimed().await;
        let (own, foreign) = (camera(&hub.owner, "Own").await, camera(&hub.owner, "Foreign").await);
        let mut callers = vec![("nobody".to_owned(), Who::Nobody, hub.home.client())];
        let (without, _) = invited(&hub.owner, "Without", json!([])).await;
        callers.push(("a member without a grant".to_owned(), Who::Member(None), without));
        for (word, right) in
            [("live", Right::Live), ("playback", Right::Playback), ("export", Right::Export), ("manage", Right::Manage)]
        {
            let grants = json!([{"camera": own, "rights": [word]}]);
            let (client, _) = invited(&hub.owner, &format!("With {word}"), grants).await;
            callers.push((format!("a member with {word}"), Who::Member(Some(right)), client));
        }
        let all = json!([{"camera": own, "rights": ["live", "playback", "export", "manage"]}]);
        let token = async |name: &str, expires: Value| {
            let body = json!({"name": name, "grants": all, "expires": expires});
            let made = hub.owner.post("/api/v1/tokens", body).await.expect(201).json();
            hub.owner.with_token(made["token"].as_str().unwrap())
        };
        let ended = token("Ended", json!(SystemClock.wall() + jiff::SignedDuration::from_secs(5))).await;
        callers.push(("a token".to_owned(), Who::Token, token("Panel", Value::Null).await));
        let mut revoked = hub.home.client();
        revoked.sign_in("Olivia", PASSWORD).await;
        let devices = hub.owner.get("/api/v1/sessions").await.expect(200).json();
        let device = devices.as_array().unwrap().iter().find(|device| device["current"] == false).unwrap();
        let path = format!("/api/v1/sessions/{}", device["id"].as_str().unwrap());
        hub.owner.request(Method::DELETE, &path, None).await.expect(204);
        callers.push(("an owner's device that was signed out".to_owned(), Who::Nobody, revoked));
        // Those that are waited for: what has ended by itself, and all that goes with it, is over before anything is asked.
        testkit::wait_for("the token has ended", Duration::from_secs(20), async || {
            let tokens = hub.owner.get("/api/v1/tokens").await.expect(200).json();
            tokens.as_array().map(Vec::len) == Some(1) && ended.get("/api/v1/me").await.status == 401
        })
        .await;
        callers.push(("a token that has ended".to_owned(), Who::Nobody, ended));
        callers.push(("an owner".to_owned(), Who::Owner, hub.owner.clone()));
        Home { hub, own, foreign, callers }
    }

    fn camera(&self, which: Which) -> &str {
        match which {
            Which::Own => &self.own,
            Which::Foreign => &self.foreign,
            Which::Unknown => UNKNOWN,
        }
    }

    /// Which cameras make a difference to a route.
    fn cameras(route: &Route<Ctx>) -> &'static [Which] {
        match route.path.contains("/cameras/{id}") {
            true => &[Which::Own, Which::Foreign, Which::Unknown],
            false => &[Which::Unknown],
        }
    }
}

/// One that nobody connects to.
async fn camera(owner: &Client, name: &str) -> String {
    let id = owner.add_camera(name, "rtsp://127.0.0.1:9/main").await;
    let path = format!("/api/v1/cameras/{id}");
    owner.request(Method::PATCH, &path, Some(json!({"paused": true}))).await.expect(200);
    testkit::wait_for("it pauses", Duration::from_secs(10), async || owner.camera(&id).await["state"] == "paused")
        .await;
    id
}

async fn ask(client: &Client, route: &Route<Ctx>, camera: &str, asked: &Asked) -> (u16, Vec<u8>) {
    // It answers, and then goes on: a refusal has a body, and nothing happens here that one would be told.
    if route.path == LISTEN {
        let listening = client.listen(LISTEN).await;
        if listening.status() == 200 {
            return (200, Vec::new());
        }
    }
    let path = route.path.replace("{id}", camera).replace("{session}", UNKNOWN);
    let answer = client.request(route.method.clone(), &format!("{path}{}", asked.query), asked.body.clone()).await;
    (answer.status, answer.body.to_vec())
}

fn problem(body: &[u8]) -> String {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    document["code"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn access_matrix_every_route_every_caller_every_camera() {
    let home = Home::new().await;
    let routes: Vec<_> = home.hub.hub.routes().iter().filter(|route| !takes_away(route)).collect();
    // Each in three orders: an answer is the same whoever asked before.
    let mut first: BTreeMap<(usize, usize, usize), (u16, Vec<u8>)> = BTreeMap::new();
    let mut cells = 0;
    for round in 0..3 {
        for (r, route) in routes.iter().enumerate() {
            let asked = asked(route);
            let mut callers: Vec<_> = home.callers.iter().enumerate().collect();
            match round {
                0 => {}
                1 => callers.reverse(),
                _ => callers.rotate_left(home.callers.len() / 2),
            }
            for (c, (name, who, client)) in callers {
                for (w, which) in Home::cameras(route).iter().enumerate() {
                    let (status, body) = ask(client, route, home.camera(*which), &asked).await;
                    let cell = format!("{} {} by {name}, camera {which:?}", route.method, route.path);
                    let expected = refused(route.access, *who, *which).unwrap_or((asked.status, asked.problem));
                    let is = (status, problem(&body));
                    assert_eq!((is.0, is.1.as_str()), expected, "{cell}: {}", String::from_utf8_lossy(&body));
                    cells += 1;
                    let steady = asked.steady || status != asked.status;
                    match first.get(&(r, c, w)) {
                        None => drop(first.insert((r, c, w), (status, body))),
                        Some(before) => {
                            assert!(!steady || *before == (status, body), "{cell}: it depends on who asked before");
                        }
                    }
                }
                // Whether a camera is somebody else's or nobody's cannot be told.
                if Home::cameras(route).len() == 3 && *who != Who::Owner {
                    assert_eq!(first[&(r, c, 1)], first[&(r, c, 2)], "{} {} by {name}", route.method, route.path);
                }
            }
        }
    }
    assert!(cells > 2_000, "{cells}");
    // Those who are nobody are told the same, byte for byte.
    for (r, route) in routes.iter().enumerate().filter(|(_, route)| route.access != Access::Open) {
        let mut nobody = home.callers.iter().enumerate().filter(|(_, (_, who, _))| *who == Who::Nobody);
        let (one, _) = nobody.next().unwrap();
        for (other, _) in nobody {
            assert_eq!(first[&(r, one, 0)], first[&(r, other, 0)], "{route:?}");
        }
    }
}

#[tokio::test]
async fn access_matrix_what_takes_away_asks_first() {
    let home = Home::new().await;
    assert_eq!(home.hub.hub.routes().iter().filter(|route| takes_away(route)).count(), 2);
    for (name, who, client) in &home.callers {
        for which in [Which::Own, Which::Foreign, Which::Unknown] {
            // An owner removes one made for it.
            let fresh = match (*who, which) {
                (Who::Owner, Which::Own | Which::Foreign) => Some(camera(&home.hub.owner, "Fresh").await),
                _ => None,
            };
            let id = fresh.as_deref().unwrap_or(home.camera(which));
            let answer = client.request(Method::DELETE, &format!("/api/v1/cameras/{id}"), None).await;
            let expected = match refused(Access::Camera(Right::Manage), *who, which) {
                Some(refused) => refused,
                None if *who == Who::Owner => (204, ""),
                // Who manages a camera changes it; only an owner removes it.
                None => (403, "not-allowed"),
            };
            assert_eq!((answer.status, problem(&answer.body).as_str()), expected, "{name}, camera {which:?}");
        }
    }
    for (name, who, client) in &home.callers {
        let answer = client.request(Method::DELETE, "/api/v1/sessions/current", None).await;
        let expected = match who {
            Who::Nobody => (401, "not-signed-in"),
            // A token is no device: its owner removes it.
            Who::Token => (404, "not-found"),
            Who::Member(_) | Who::Owner => (204, ""),
        };
        assert_eq!((answer.status, problem(&answer.body).as_str()), expected, "{name}");
        let after = client.get("/api/v1/me").await.status;
        assert_eq!(after, if *who == Who::Token { 200 } else { 401 }, "{name}");
    }
}
