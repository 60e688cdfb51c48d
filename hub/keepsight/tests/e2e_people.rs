//! People with phones: a reboot keeps them signed in, who is out is out within a second, and stays out when the store is
//! made again from its export.

use std::path::Path;
use std::time::Duration;

use base::{Clock, SystemClock};
use http::Method;
use serde_json::json;
use testkit::client::{Client, Live, PASSWORD};
use testkit::hub::{self, Home, HubProcess};
use testkit::people::invited;
use testkit::pictures;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");
const A_SECOND: Duration = Duration::from_secs(1);

fn live(camera: &str) -> String {
    format!("/api/v1/cameras/{camera}/live")
}

/// A view that shows pictures.
async fn looking(client: &Client, camera: &str) -> Live {
    let mut view = client.websocket(&live(camera)).await.expect("the view opens");
    view.collect(3).await;
    view
}

/// Asks for something that ends a view; it ends within a second of that.
async fn ends(view: &mut Live, owner: &Client, method: Method, path: &str) {
    let asks = async { owner.request(method, path, None).await };
    let ended = async {
        let began = SystemClock.mono();
        while view.next().await.is_some() {}
        SystemClock.mono().since(began)
    };
    let (answer, after) = tokio::join!(asks, ended);
    answer.expect(204);
    assert!(after < A_SECOND, "it ended after {after:?}");
}

/// Whose pictures a film shows: the camera's number in each.
async fn shown(home: &Home, client: &Client, camera: &str) -> Vec<u16> {
    let (from, to) = client.segments(camera).await[0];
    let film = home.scratch("shown.mp4");
    std::fs::write(&film, &client.playback(camera, from, to).await.expect(200).body).unwrap();
    pictures::decode(&film).iter().map(|picture| picture.mark.expect("every picture has its mark").camera).collect()
}

#[tokio::test]
async fn e2e_a_reboot_keeps_phones_signed_in_and_a_revoked_one_is_out_for_good() {
    let home = Home::new();
    let cameras = testkit::cameras(2).await;
    let mut process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    let (owner, _) = hub::claim(Path::new(KEEPSIGHT), &home).await;
    let mut ids = Vec::new();
    for (n, address) in cameras.addresses().iter().enumerate() {
        ids.push(owner.add_camera(&format!("Camera {n}"), &address.main).await);
    }
    owner.wait_recording(&ids, Duration::from_secs(20)).await;
    testkit::wait_for("some seconds are recorded", Duration::from_secs(20), async || {
        let (from, to) = owner.segments(&ids[1]).await[0];
        to.duration_since(from).as_secs() >= 3
    })
    .await;

    // A member of one camera: sees that one, what was recorded before too, and none of the other.
    let rights = json!(["live", "playback"]);
    let (milo, milo_id) = invited(&owner, "Milo", json!([{"camera": ids[1], "rights": rights}])).await;
    let before = shown(&home, &milo, &ids[1]).await;
    assert!(before.len() > 20 && before.iter().all(|camera| *camera == 2), "{before:?}");
    assert_eq!(milo.timeline(&ids[1]).await["segments"].as_array().map(|s| s.is_empty()), Some(false));
    assert!(milo.websocket(&live(&ids[0])).await.is_err());
    let mut phone = home.client();
    phone.sign_in("Olivia", PASSWORD).await;

    // A reboot: nobody signs in again, and everybody sees what they saw.
    process.kill();
    process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    for (client, camera) in [(&owner, &ids[0]), (&phone, &ids[0]), (&milo, &ids[1])] {
        client.wait_recording(std::slice::from_ref(camera), Duration::from_secs(20)).await;
        drop(looking(client, camera).await);
    }
    assert_eq!(shown(&home, &milo, &ids[1]).await.first(), Some(&2));

    // The phone is lost: out within a second, its live view too, while the others go on.
    let (mut lost, mut stays) = (looking(&phone, &ids[0]).await, looking(&owner, &ids[0]).await);
    let devices = owner.get("/api/v1/sessions").await.expect(200).json();
    let device = devices.as_array().unwrap().iter().find(|device| device["current"] == false).expect("the phone");
    let path = format!("/api/v1/sessions/{}", device["id"].as_str().unwrap());
    ends(&mut lost, &owner, Method::DELETE, &path).await;
    assert_eq!(phone.get("/api/v1/cameras").await.expect(401).problem(), "not-signed-in");
    stays.next().await.expect("the owner's view goes on");

    // So is somebody who is no member any more; what is recorded from then on is sealed to other keys.
    let mut his = looking(&milo, &ids[1]).await;
    let mut hers = looking(&owner, &ids[1]).await;
    ends(&mut his, &owner, Method::DELETE, &format!("/api/v1/members/{milo_id}")).await;
    assert_eq!(milo.get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    for _ in 0..40 {
        hers.next().await.expect("the owner's view goes on");
    }
    let keys = std::fs::read_dir(home.footage().join(&ids[1]).join("keys")).unwrap().count();
    assert_eq!(keys, 3, "an epoch for each who was let in by a secret or put out: first, the invitation's, and this");
    drop((lost, stays, his, hers));

    // The store is destroyed, and made again from the export: who was out is out, who was in is in.
    process.stop().await;
    let store = home.data().join("store");
    for file in testkit::search::files(&store) {
        if std::fs::metadata(&file).unwrap().len() > 1_000 {
            std::fs::write(&file, vec![0xa5; 4_096]).unwrap();
        }
    }
    let process = HubProcess::start(Path::new(KEEPSIGHT), &home).await;
    assert_eq!(owner.get("/api/v1/system").await.expect(200).json()["store"]["reason"], "store_rebuilt");
    for out in [&phone, &milo] {
        assert_eq!(out.get("/api/v1/me").await.expect(401).problem(), "not-signed-in");
    }
    let body = json!({"name": "Milo", "password": PASSWORD, "device": "x"});
    assert_eq!(home.client().post("/api/v1/sessions", body).await.expect(401).problem(), "wrong-password");
    owner.wait_recording(&ids, Duration::from_secs(20)).await;
    drop(looking(&owner, &ids[1]).await);
    testkit::wait_for("the footage is listed again", Duration::from_secs(20), async || {
        !owner.segments(&ids[1]).await.is_empty()
    })
    .await;
    assert_eq!(shown(&home, &owner, &ids[1]).await.first(), Some(&2));
    process.stop().await;
}
