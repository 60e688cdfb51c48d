//! A dead system card loses nothing: the footage disk of a hub that is no more is adopted by a new one, with the recovery kit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base::{Clock, HubId, SystemClock, Timestamp};
use camera_sim::Simulator;
use http::Method;
use serde_json::{Value, json};
use store::{Actor, Event, EventKind, Store};
use testkit::client::Client;
use testkit::hub::{self, Home, HubProcess, TestHub};
use testkit::people;
use testkit::pictures;

const KEEPSIGHT: &str = env!("CARGO_BIN_EXE_keepsight");

/// What a hub left that recorded two cameras and is no more: its disk and its kit.
struct Left {
    home: Home,
    kit: PathBuf,
    cameras: Simulator,
    ids: [String; 2],
    until: Timestamp,
    event: Event,
}

impl Left {
    async fn by_a_dead_hub() -> Left {
        let cameras = testkit::cameras(2).await;
        let test = TestHub::claimed().await;
        let mut ids = Vec::new();
        for (name, camera) in ["Porch", "Garden"].iter().zip(cameras.addresses()) {
            ids.push(test.owner.add_camera(name, &camera.main).await);
        }
        test.owner.wait_recording(&ids, Duration::from_secs(20)).await;
        // A second epoch of the first camera, and an event that only the store has.
        test.hub.recorder().new_epoch(ids[0].parse().unwrap()).await.unwrap();
        let now = SystemClock.wall();
        let event = Event {
            id: base::EventId::new(&SystemClock),
            camera: ids[1].parse().unwrap(),
            kind: EventKind::Doorbell,
            start: now,
            end: Some(now),
            stamp: None,
            detail: Value::Null,
        };
        let row = event.clone();
        test.hub.store().urgent(move |db| db.put_event(&row)).await.unwrap();
        for id in &ids {
            testkit::wait_for("some seconds are recorded", Duration::from_secs(30), async || {
                kept(&test.owner.camera(id).await).is_some_and(|at| at > now + Duration::from_secs(3))
            })
            .await;
        }
        let until = kept(&test.owner.camera(&ids[0]).await).unwrap();
        let kit = test.home.scratch("kit.txt");
        fs::write(&kit, test.kit["words"].as_str().expect("the kit has words")).unwrap();
        test.hub.stop().await;
        fs::remove_dir_all(test.home.data()).unwrap();
        let ids = [ids[0].clone(), ids[1].clone()];
        Left { home: test.home, kit, cameras, ids, until, event }
    }

    fn adopt(&self, more: &[&str]) -> Output {
        let mut command = self.command(&self.home.footage(), &self.kit);
        command.args(more).output().unwrap()
    }
    fn command(&self, disk: &Path, kit: &Path) -> Command {
        let mut command = Command::new(KEEPSIGHT);
        command.arg("adopt").arg(disk).arg("--recovery-key").arg(kit).arg("--config").arg(self.home.config());
        command
    }
    fn refused(&self, disk: &Path, kit: &Path, code: &str) {
        let out = self.command(disk, kit).arg("--json").output().unwrap();
        let said: Value = serde_json::from_slice(&out.stderr).unwrap_or_else(|e| panic!("{e}: {out:?}"));
        assert_eq!((out.status.code(), said["code"].as_str()), (Some(1), Some(code)), "{said:#}");
    }
    /// A new hub in the same place, claimed by somebody else, and stopped.
    async fn new_hub(&self) -> HubId {
        let process = HubProcess::start(Path::new(KEEPSIGHT), &self.home).await;
        let (_, kit) = hub::claim(Path::new(KEEPSIGHT), &self.home).await;
        fs::write(self.new_kit(), kit.to_string()).unwrap();
        process.stop().await;
        let json: Value = serde_json::from_slice(&fs::read(self.home.data().join("hub.json")).unwrap()).unwrap();
        json["hub"].as_str().unwrap().parse().unwrap()
    }
    fn new_kit(&self) -> PathBuf {
        self.home.scratch("new-kit.json")
    }
    /// Plays all that the dead hub recorded of each camera: its own pictures and no others.
    async fn assert_played(&self, owner: &Client) {
        for (n, id) in self.ids.iter().enumerate() {
            testkit::wait_for("the old footage is listed", Duration::from_secs(20), async || {
                owner.segments(id).await.iter().any(|(from, _)| *from < self.until)
            })
            .await;
            let mut shown = 0;
            for (from, to) in owner.segments(id).await.into_iter().filter(|(from, _)| *from < self.until) {
                let film = owner.playback(id, from, to).await.expect(200);
                let file = self.home.scratch("shown.mp4");
                fs::write(&file, &film.body).unwrap();
                let marks = pictures::decode(&file);
                assert!(marks.iter().all(|p| p.mark.is_some_and(|m| usize::from(m.camera) == n + 1)), "camera {n}");
                shown += marks.len();
            }
            assert!(shown > 20, "{shown} pictures of camera {n}");
        }
    }
}

fn kept(camera: &Value) -> Option<Timestamp> {
    camera["last_fragment_at"].as_str()?.parse().ok()
}

fn json(out: &Output) -> Value {
    assert_eq!(out.status.code(), Some(0), "{out:?}");
    serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"))
}

#[tokio::test]
async fn e2e_the_disk_of_a_dead_hub_is_played_and_recorded_on_by_the_next() {
    let left = Left::by_a_dead_hub().await;
    let footage = left.home.footage();

    // What cannot be, with what to do.
    let process = HubProcess::start(Path::new(KEEPSIGHT), &left.home).await;
    left.refused(&footage, &left.kit, "hub-running");
    process.stop().await;
    left.refused(&footage, &left.kit, "not-claimed");
    left.new_hub().await;
    let other_kit = left.home.scratch("other.txt");
    fs::write(&other_kit, &*vault::RecoveryKit::generate().secret_key()).unwrap();
    left.refused(&footage, &other_kit, "wrong-key");
    left.refused(&left.home.data(), &left.kit, "disk-elsewhere");
    left.refused(&left.home.scratch("nothing"), &left.kit, "not-a-footage-disk");
    let disk = footage::Disk::open(&footage, None).unwrap();
    let held = disk.lock().unwrap().expect("nobody else has it");
    left.refused(&footage, &left.kit, "disk-in-use");
    drop(held);

    let done = json(&left.adopt(&["--json"]));
    assert_eq!(
        (done["cameras"].as_array().map(Vec::len), &done["epochs"], &done["not_opened"]),
        (Some(2), &3.into(), &0.into())
    );
    let again = json(&left.adopt(&["--json"]));
    assert_eq!(again["epochs"], 0, "twice is once: {again:#}");

    // The owner of the new hub sees the old footage, with the cameras' names and what happened.
    let test = {
        let config = keepsight::config::Config::load(&left.home.config()).unwrap();
        let hub = keepsight::hub::Hub::start(config, std::sync::Arc::new(SystemClock), base::Shutdown::new());
        let hub = hub.await.expect("the hub starts");
        let owner = hub::owner(&left.home).await;
        // The home goes with `left`: the hub needs only its port and folders.
        (hub, owner)
    };
    let (hub, owner) = test;
    left.assert_played(&owner).await;
    for (id, name) in left.ids.iter().zip(["Porch", "Garden"]) {
        let camera = owner.camera(id).await;
        assert_eq!((&camera["name"], &camera["state"]), (&name.into(), &"paused".into()));
    }
    let events = owner.timeline(&left.ids[1]).await["events"].clone();
    assert_eq!(events[0]["id"].as_str(), Some(left.event.id.to_string().as_str()), "{events:#}");

    // Somebody without a grant learns nothing of them.
    let member = people::member_of(&hub, &left.home, "Mia").await;
    for id in &left.ids {
        assert_eq!(member.get(&format!("/api/v1/cameras/{id}")).await.status, 404);
        let (from, to) = owner.segments(id).await[0];
        assert_eq!(member.playback(id, from, to).await.status, 404);
    }

    // It goes on: the same camera, recorded by the new hub, in an epoch of its own.
    let source = json!({"paused": false, "main": {"url": left.cameras.addresses()[0].main}});
    owner.request(Method::PATCH, &format!("/api/v1/cameras/{}", left.ids[0]), Some(source)).await.expect(200);
    owner.wait_recording(&left.ids[..1], Duration::from_secs(20)).await;
    let resumed = SystemClock.wall();
    testkit::wait_for("new footage of it", Duration::from_secs(20), async || {
        kept(&owner.camera(&left.ids[0]).await).is_some_and(|at| at > resumed + Duration::from_secs(2))
    })
    .await;
    left.assert_played(&owner).await;
    let (from, to) = *owner.segments(&left.ids[0]).await.last().unwrap();
    assert!(from > left.until);
    assert!(owner.playback(&left.ids[0], from, to).await.expect(200).body.len() > 10_000);
    hub.stop().await;

    // The new hub's own kit opens all of it, and everything is in order.
    let check = |arguments: &[&str]| {
        Command::new(KEEPSIGHT).args(arguments).arg("--config").arg(left.home.config()).output().unwrap()
    };
    let report = json(&check(&["check", "--json", "--key", left.new_kit().to_str().unwrap()]));
    assert_eq!((&report["problems"], &report["damaged"]), (&json!([]), &0.into()), "{report:#}");
    assert!(report["verified"].as_u64() >= Some(4), "{report:#}");
}

#[tokio::test]
async fn e2e_an_adoption_that_is_killed_anywhere_is_run_again() {
    let left = Left::by_a_dead_hub().await;
    let own = left.new_hub().await;
    // The new hub knew another disk before.
    let store = Store::open(&left.home.data().join("store"), own, std::sync::Arc::new(SystemClock)).unwrap();
    let other = base::DiskId::new(&SystemClock);
    store.urgent_blocking(move |db| db.put_setting("footage-disk", &other)).unwrap();
    store.urgent_blocking(|db| db.append_audit(Actor::Hub, "test", "").map(drop)).unwrap();
    store.close_blocking();

    let mut kills = 0;
    for ms in [0, 5, 10, 20, 40, 60, 80, 120, 160, 240] {
        let mut child =
            left.command(&left.home.footage(), &left.kit).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        SystemClock.sleep(Duration::from_millis(ms)).await;
        child.kill().unwrap();
        kills += usize::from(!child.wait().unwrap().success());
    }
    assert!(kills > 0, "not one was killed");
    let adopted = left.adopt(&[]);
    assert_eq!(adopted.status.code(), Some(0), "{adopted:?}");

    let store = Store::open(&left.home.data().join("store"), own, std::sync::Arc::new(SystemClock)).unwrap();
    let (epochs, cameras) = store.read_blocking(|db| Ok((db.adopted_epochs()?, db.cameras()?))).unwrap();
    assert_eq!((epochs.len(), cameras.len()), (3, 2), "each once");
    assert!(store.check_blocking(|_| {}).unwrap().is_good());
    store.close_blocking();

    let process = HubProcess::start(Path::new(KEEPSIGHT), &left.home).await;
    left.assert_played(&hub::owner(&left.home).await).await;
    process.stop().await;
}
