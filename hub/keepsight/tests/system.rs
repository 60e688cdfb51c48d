//! The hub tells how its clock and its footage disk are, and is told: through HTTP, as an owner's phone does it.

use base::{Clock, SystemClock};
use http::Method;
use serde_json::{Value, json};
use testkit::client::{Answer, Client};
use testkit::hub::TestHub;

const MIB: u64 = 1 << 20;

async fn put(owner: &Client, path: &str, body: Value) -> Answer {
    owner.request(Method::PUT, path, Some(body)).await
}

/// Camera that nobody connects to.
async fn paused_camera(owner: &Client) -> String {
    let id = owner.add_camera("Porch", "rtsp://127.0.0.1:9/main").await;
    owner.request(Method::PATCH, &format!("/api/v1/cameras/{id}"), Some(json!({"paused": true}))).await.expect(200);
    id
}

async fn audit(hub: &TestHub) -> Vec<(String, String)> {
    let page = hub.hub.store().read(|db| db.audit_page(None, 100)).await.unwrap();
    page.into_iter().map(|entry| (entry.action, entry.subject)).collect()
}

#[tokio::test]
async fn the_storage_and_its_limits_are_told_and_set() {
    let hub = TestHub::claimed().await;
    let id = paused_camera(&hub.owner).await;
    let path = "/api/v1/system/storage";
    testkit::wait_for("the disk was looked at", std::time::Duration::from_secs(10), async || {
        hub.owner.get(path).await.expect(200).json()["total_bytes"].is_u64()
    })
    .await;
    let storage = hub.owner.get(path).await.expect(200).json();
    assert_eq!(storage["health"]["state"], "ok");
    assert_eq!((&storage["loss_bound_s"], &storage["fits_days"]), (&json!(2.0), &json!(null)));
    assert_eq!(storage["reserve_bytes"], 1024 * MIB, "as configured");
    assert_eq!((&storage["budget_bytes"], &storage["limit"]), (&json!(null), &json!({"bytes": null, "days": null})));
    assert_eq!(storage["cameras"][0]["camera"], id.as_str());

    let limits = format!("{path}/limits");
    let all = put(&hub.owner, &limits, json!({"bytes": 500_000 * MIB, "days": 30})).await.expect(200).json();
    assert_eq!(all["limit"], json!({"bytes": 500_000 * MIB, "days": 30}));
    let one = put(&hub.owner, &limits, json!({"camera": id, "days": 7})).await.expect(200).json();
    assert_eq!(one["cameras"][0]["limit"], json!({"bytes": null, "days": 7}));
    testkit::wait_for("the limit is the budget", std::time::Duration::from_secs(15), async || {
        hub.owner.get(path).await.expect(200).json()["budget_bytes"] == 500_000 * MIB
    })
    .await;
    let none = put(&hub.owner, &limits, json!({})).await.expect(200).json();
    assert_eq!(none["limit"], json!({"bytes": null, "days": null}));
    assert_eq!(none["cameras"][0]["limit"]["days"], 7, "the camera's own stays");

    for bad in
        [json!({"bytes": 1}), json!({"days": 0}), json!({"days": 40_000}), json!({"days": -1}), json!({"day": 1})]
    {
        assert_eq!(put(&hub.owner, &limits, bad.clone()).await.expect(400).problem(), "bad-body", "{bad}");
    }
    let nobody = json!({"camera": "00000000000000000000000000", "days": 1});
    assert_eq!(put(&hub.owner, &limits, nobody).await.status, 404);
    assert_eq!(put(&hub.owner.signed_out(), &limits, json!({"days": 1})).await.status, 401);
    let said = audit(&hub).await;
    let said: Vec<_> = said.iter().filter(|(action, _)| action == "storage.limit").map(|(_, d)| d.as_str()).collect();
    let of_camera = format!("{id}: bytes any, days 7");
    assert_eq!(said, ["all: bytes any, days any", of_camera.as_str(), "all: bytes 524288000000, days 30"]);

    let metrics = String::from_utf8(hub.owner.get("/metrics").await.expect(200).body.to_vec()).unwrap();
    for line in [
        "keepsight_storage_total_bytes ",
        "keepsight_storage_free_bytes ",
        "keepsight_storage_used_bytes ",
        "keepsight_storage_reserve_bytes 1073741824",
        "keepsight_storage_state{state=\"ok\"} 1",
        "keepsight_storage_removed_segments_total 0",
        "keepsight_time_known ",
        &format!("keepsight_camera_footage_bytes{{camera=\"{id}\"}} 0"),
        &format!("keepsight_camera_loss_bound_seconds{{camera=\"{id}\"}} 2.0"),
    ] {
        assert!(metrics.lines().any(|l| l.starts_with(line)), "{line} in {metrics}");
    }
    hub.hub.stop().await;
}

#[tokio::test]
async fn spans_are_protected_and_no_more() {
    let hub = TestHub::claimed().await;
    let id = paused_camera(&hub.owner).await;
    let path = format!("/api/v1/cameras/{id}/protected");
    assert_eq!(hub.owner.get(&path).await.expect(200).json(), json!([]));
    let span = json!({"from": "2026-05-01T12:00:00Z", "to": "2026-05-01T12:05:00Z"});
    let kept = json!({"from": span["from"], "to": span["to"], "by_rule": false});
    assert_eq!(hub.owner.post(&path, span.clone()).await.expect(201).json(), kept);
    hub.owner.post(&path, span).await.expect(201);
    assert_eq!(hub.owner.get(&path).await.expect(200).json(), json!([kept]), "the same twice is one");
    let back = json!({"from": "2026-05-01T12:00:00Z", "to": "2026-05-01T12:00:00Z"});
    assert_eq!(hub.owner.post(&path, back).await.expect(400).problem(), "bad-interval");
    assert_eq!(hub.owner.signed_out().get(&path).await.status, 401);

    let one = format!("{path}?from=2026-05-01T12:00:00Z&to=2026-05-01T12:05:00Z");
    let delete = async |path: &str| hub.owner.request(Method::DELETE, path, None).await.status;
    assert_eq!(delete(&one).await, 204);
    assert_eq!(delete(&one).await, 404);
    assert_eq!(delete(&path).await, 400);
    assert_eq!(hub.owner.get(&path).await.expect(200).json(), json!([]));
    let said: Vec<_> = audit(&hub).await.into_iter().map(|(action, _)| action).take(3).collect();
    assert_eq!(said, ["footage.unprotect", "footage.protect", "footage.protect"]);
    hub.hub.stop().await;
}

#[tokio::test]
async fn an_owners_phone_tells_the_time_to_a_hub_that_no_server_tells_it() {
    let hub = TestHub::claimed().await;
    let path = "/api/v1/system/time";
    let system = hub.owner.get("/api/v1/system").await.expect(200).json();
    let early = hub.owner.post(path, json!({"time": "1999-12-31T23:59:59Z"})).await;
    let time = SystemClock.wall() + std::time::Duration::from_secs(3_600);
    let told = hub.owner.post(path, json!({"time": time.to_string()})).await;
    if system["time_source"] == "ntp" {
        assert_eq!((early.status, told.expect(409).problem()), (409, "time-known".to_owned()));
    } else {
        assert_eq!(early.expect(422).problem(), "bad-time");
        let told = told.expect(200).json();
        assert_eq!((&told["time_source"], &told["clock"]["state"]), (&json!("phone"), &json!("ok")));
        let now: base::Timestamp = told["time"].as_str().unwrap().parse().unwrap();
        assert!(now.duration_since(time).abs().as_secs() < 30, "{now}");
        assert_eq!(audit(&hub).await[0].0, "system.time");
        // What the hub dates from the instant at which it began is dated by it.
        testkit::wait_for("the clock file says it", std::time::Duration::from_secs(15), async || {
            let file = std::fs::read_to_string(hub.home.footage().join(".keepsight-clock")).unwrap_or_default();
            file.contains("phone")
        })
        .await;
    }
    assert_eq!(hub.owner.signed_out().post(path, json!({"time": "2026-05-01T12:00:00Z"})).await.status, 401);
    hub.hub.stop().await;
}

#[tokio::test]
async fn where_the_machine_is_none_of_ours_its_own_system_decides_whose_time_is_asked() {
    let hub = TestHub::claimed().await;
    let path = "/api/v1/system/time";
    assert_eq!(hub.owner.get(path).await.expect(200).json()["internet"], Value::Null);
    let change = hub.owner.request(Method::PATCH, path, Some(json!({"internet": true}))).await;
    assert_eq!(change.expect(409).problem(), "time-not-ours");
    hub.hub.stop().await;
}
