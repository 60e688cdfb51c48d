//! Promise 3: whose footage it is, is part of what it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use api::Access;
use camera_sim::Simulator;
use http::Method;
use serde_json::json;
use testkit::hub::TestHub;
use testkit::search::files;
use testkit::{client::Client, pictures};

/// Two cameras, each with at least one closed segment of its own.
async fn two_cameras() -> (TestHub, Simulator, [String; 2]) {
    let hub = TestHub::claimed().await;
    let cameras = testkit::cameras(2).await;
    let a = hub.owner.add_camera("Front door", &cameras.addresses()[0].main).await;
    let b = hub.owner.add_camera("Bedroom", &cameras.addresses()[1].main).await;
    let ids = [a, b];
    hub.owner.wait_recording(&ids, Duration::from_secs(20)).await;
    for id in &ids {
        testkit::wait_for("some seconds are recorded", Duration::from_secs(20), async || {
            let (from, to) = hub.owner.segments(id).await[0];
            to.duration_since(from).as_secs() >= 4
        })
        .await;
        // A pause closes the segment.
        hub.owner
            .request(Method::PATCH, &format!("/api/v1/cameras/{id}"), Some(json!({"paused": true})))
            .await
            .expect(200);
        testkit::wait_for("it pauses", Duration::from_secs(10), async || {
            hub.owner.camera(id).await["state"] == "paused"
        })
        .await;
    }
    (hub, cameras, ids)
}

fn segment_file(hub: &TestHub, camera: &str) -> PathBuf {
    let all = files(&hub.home.footage().join(camera));
    all.into_iter().find(|f| f.to_string_lossy().ends_with(".mp4.age")).expect("a segment")
}

/// Plays all a camera has, and says whose pictures came: an error counts as none.
async fn shown(owner: &Client, home: &Path, camera: &str) -> (u16, Vec<u16>) {
    let (from, to) = owner.segments(camera).await[0];
    let answer = owner.playback(camera, from, to).await;
    if answer.status != 200 || answer.body.is_empty() {
        return (answer.status, Vec::new());
    }
    let file = home.join("shown.mp4");
    std::fs::write(&file, &answer.body).unwrap();
    let marks = pictures::decode(&file);
    (answer.status, marks.iter().map(|p| p.mark.expect("every picture has its mark").camera).collect())
}

#[tokio::test]
async fn e2e_a_file_in_another_place_is_never_shown_as_something_else() {
    let (hub, _cameras, [a, b]) = two_cameras().await;
    let (file_a, file_b) = (segment_file(&hub, &a), segment_file(&hub, &b));
    let (bytes_a, bytes_b) = (std::fs::read(&file_a).unwrap(), std::fs::read(&file_b).unwrap());
    let scratch = hub.home.scratch("");

    let (status, whole) = shown(&hub.owner, &scratch, &a).await;
    assert!(status == 200 && whole.len() > 40 && whole.iter().all(|c| *c == 1), "untouched, it plays");

    // Another camera's file in its place: the owner of both gets an error, not the other camera's pictures.
    std::fs::write(&file_a, &bytes_b).unwrap();
    let answer = shown(&hub.owner, &scratch, &a).await;
    assert!(answer.0 != 200 && answer.1.is_empty(), "{answer:?}");

    // Bits flipped at its start, in its middle, at its end: nothing, or less, of the same camera.
    for at in [30, 300, bytes_a.len() / 2, bytes_a.len() - 1] {
        let mut bytes = bytes_a.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&file_a, &bytes).unwrap();
        let (_, marks) = shown(&hub.owner, &scratch, &a).await;
        // The last byte is in the index's tag: without the index the file is read from its start, and is all there.
        let all = if at == bytes_a.len() - 1 { whole.len() } else { whole.len() - 1 };
        assert!(marks.len() <= all && marks.iter().all(|c| *c == 1), "flipped at {at}: {} pictures", marks.len());
    }

    // Cut short: what is left of it, from its start.
    std::fs::write(&file_a, &bytes_a[..bytes_a.len() / 2]).unwrap();
    let (status, marks) = shown(&hub.owner, &scratch, &a).await;
    assert!(status == 200 && !marks.is_empty() && marks.len() < whole.len() && marks.iter().all(|c| *c == 1));

    // Sealed chunks in another order: up to the first that is out of place.
    let chunk = 65_536 + 16;
    let header = bytes_a.windows(4).position(|w| w == b"\n---").expect("an age header") + 49 + 16;
    assert!(bytes_a.len() > header + 3 * chunk, "{} bytes are too few to shuffle", bytes_a.len());
    let mut bytes = bytes_a.clone();
    let (one, two) = bytes[header + chunk..header + 3 * chunk].split_at_mut(chunk);
    one.swap_with_slice(two);
    std::fs::write(&file_a, &bytes).unwrap();
    let (_, marks) = shown(&hub.owner, &scratch, &a).await;
    assert!(marks.len() < whole.len() && marks.iter().all(|c| *c == 1), "shuffled");

    // Another segment of the same camera under this one's name.
    std::fs::write(&file_a, &bytes_a).unwrap();
    hub.owner.request(Method::PATCH, &format!("/api/v1/cameras/{a}"), Some(json!({"paused": false}))).await.expect(200);
    hub.owner.wait_recording(std::slice::from_ref(&a), Duration::from_secs(20)).await;
    hub.owner.request(Method::PATCH, &format!("/api/v1/cameras/{a}"), Some(json!({"paused": true}))).await.expect(200);
    let mut second = None;
    testkit::wait_for("a second closed segment", Duration::from_secs(20), async || {
        let all = files(&hub.home.footage().join(&a));
        second = all.into_iter().rfind(|f| f.to_string_lossy().ends_with(".mp4.age") && *f != file_a);
        let timeline = hub.owner.timeline(&a).await;
        timeline["segments"].as_array().is_some_and(|s| s.len() > 1 && s[1]["details"] == "closed") && second.is_some()
    })
    .await;
    std::fs::copy(second.expect("it is there"), &file_a).unwrap();
    let (from, to) = hub.owner.segments(&a).await[0];
    assert_eq!(hub.owner.playback(&a, from, to).await.problem(), "footage-foreign", "renamed");

    // Whole again, it plays again: nothing was changed by looking.
    std::fs::write(&file_a, &bytes_a).unwrap();
    assert_eq!(shown(&hub.owner, &scratch, &a).await, (200, whole));
    assert_eq!(std::fs::read(&file_b).unwrap(), bytes_b);
}

#[tokio::test]
async fn e2e_without_a_grant_a_camera_is_not_there_and_without_a_session_nothing_is() {
    let (hub, _cameras, [a, b]) = two_cameras().await;
    let member = testkit::people::member(&hub, "Milo").await;
    let span = hub.owner.segments(&a).await[0];
    let now = span.1;
    for route in hub.hub.routes() {
        let path = route.path.replace("{id}", &a);
        let query = if path.ends_with("timeline") || path.ends_with("playback.mp4") {
            format!("?from={}&to={now}", span.0)
        } else {
            String::new()
        };
        let target = format!("{path}{query}");
        let body = (route.method != Method::GET && route.method != Method::DELETE).then(|| json!({"password": "x"}));

        let stranger = hub.owner.signed_out();
        let answer = stranger.request(route.method.clone(), &target, body.clone()).await;
        if route.access != Access::Open {
            assert_eq!(answer.status, 401, "{} {target} without a session", route.method);
            assert_eq!(answer.problem(), "not-signed-in");
        }
        if route.path.contains("/cameras/{id}") {
            let answer = member.request(route.method.clone(), &target, body).await;
            assert_eq!(answer.status, 404, "{} {target} without a grant", route.method);
            assert_eq!(answer.problem(), "not-found");
        }
    }
    // What does not exist cannot be told from what is not granted, nor from what needs a session.
    let stranger = hub.owner.signed_out();
    for path in ["/api/v1/nothing", "/api/v1/cameras/nothing", "/api/v1/cameras/x/live", "/nothing"] {
        assert_eq!(stranger.get(path).await.status, 401, "{path}");
    }
    assert!(member.websocket(&format!("/api/v1/cameras/{a}/live")).await.is_err());
    assert_eq!(member.get("/api/v1/cameras").await.expect(200).json(), json!([]));

    // Granted one camera, a member sees that one and no other, and of that one what was recorded from then on.
    testkit::people::grant(&hub, "Milo", &b).await;
    let listed = member.get("/api/v1/cameras").await.expect(200).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["id"], json!(b));
    let (from, to) = hub.owner.segments(&b).await[0];
    assert_eq!(member.playback(&b, from, to).await.problem(), "no-footage", "what was before stays shut");
    assert_eq!(member.segments(&b).await, []);
    hub.owner.request(Method::PATCH, &format!("/api/v1/cameras/{b}"), Some(json!({"paused": false}))).await.expect(200);
    hub.owner.wait_recording(std::slice::from_ref(&b), Duration::from_secs(20)).await;
    let (from, to) = *member.segments(&b).await.last().expect("a segment of the new epoch");
    let file = hub.home.scratch("granted.mp4");
    std::fs::write(&file, &member.playback(&b, from, to).await.expect(200).body).unwrap();
    assert!(pictures::decode(&file).iter().all(|p| p.mark.is_some_and(|m| m.camera == 2)));
    assert!(member.websocket(&format!("/api/v1/cameras/{b}/live")).await.is_ok());
    assert_eq!(member.get(&format!("/api/v1/cameras/{a}")).await.status, 404);
}
