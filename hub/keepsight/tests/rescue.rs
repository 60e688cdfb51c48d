//! The store destroyed in more than ten ways. Each ends in a running hub, with everything recoverable recovered and the
//! rest named. No cameras run here: footage is a file in the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::state::{GapReason, Health, Reason};
use base::{CameraId, Clock, GapId, HubId, ProblemKind, SegmentId, Shutdown, SystemClock, Timestamp};
use keepsight::config::Config;
use keepsight::hub::Hub;
use store::{Actor, Gap, Store};
use testkit::client::Client;
use testkit::hub::{Home, TestHub, owner};

/// What a hub had before its store was destroyed.
struct Before {
    home: Home,
    camera: CameraId,
    gap: Gap,
    id: HubId,
    segment: PathBuf,
}

impl Before {
    /// A claimed hub with a paused camera, a segment in the tree, a gap, an audit entry; stopped.
    async fn new() -> Before {
        let test = TestHub::claimed().await;
        let camera = test.owner.add_camera("Porch", "rtsp://127.0.0.1:9/none").await;
        let paused = serde_json::json!({ "paused": true });
        test.owner.request(http::Method::PATCH, &format!("/api/v1/cameras/{camera}"), Some(paused)).await.expect(200);
        let camera: CameraId = camera.parse().unwrap();
        let segment = lay_segment(&test.home, camera);
        let start: Timestamp = "2026-01-01T10:00:00Z".parse().unwrap();
        let gap = Gap {
            id: GapId::new(&SystemClock),
            camera,
            stream: base::footage::StreamName::Main,
            start,
            end: Some(start + Duration::from_secs(60)),
            reason: GapReason::HubDown,
            start_stamp: None,
            end_stamp: None,
        };
        let row = gap.clone();
        let put = test.hub.store().urgent(move |db| {
            db.put_gap(&row)?;
            db.append_audit(Actor::Hub, "test", "before").map(drop)
        });
        put.await.unwrap();
        let id = test.hub.id();
        test.hub.stop().await;
        Before { home: test.home, camera, gap, id, segment }
    }
    fn store(&self) -> PathBuf {
        self.home.data().join("store")
    }
    fn engine_log(&self) -> PathBuf {
        self.store().join("sled/db")
    }
    fn export(&self) -> PathBuf {
        self.home.data().join("export/settings.export")
    }
    /// Damaged stores that lie beside the store.
    fn aside(&self) -> Vec<PathBuf> {
        let mut found: Vec<_> = fs::read_dir(self.home.data()).unwrap().map(|e| e.unwrap().path()).collect();
        found.retain(|p| p.file_name().unwrap().to_string_lossy().starts_with("store.damaged-"));
        found
    }
    async fn start(&self) -> Hub {
        start(&self.home).await.unwrap()
    }
    /// The hub runs, the owner signs in, the camera is there; the segment is found in the tree.
    async fn assert_recovered(&self, hub: &Hub) {
        assert_eq!(hub.id(), self.id);
        let owner = owner(&self.home).await;
        assert_eq!(owner.camera(&self.camera.to_string()).await["name"], "Porch");
        self.assert_footage_found(hub, &owner).await;
    }
    async fn assert_footage_found(&self, hub: &Hub, _owner: &Client) {
        assert!(self.segment.exists(), "footage is never touched");
        let camera = self.camera;
        testkit::wait_for("the segment is in the index", Duration::from_secs(10), async || {
            let last = hub.store().read(move |db| db.last_segment(camera, base::footage::StreamName::Main)).await;
            last.unwrap().is_some()
        })
        .await;
    }
    /// What the footage disk had of the time before is back, with the audit log's chain.
    async fn assert_history(&self, hub: &Hub) {
        let rescue = hub.rescue().expect("the store was made again");
        let history = rescue.history.expect("the footage disk is there");
        assert!(
            history.until.is_some() && history.audit.entries == 4,
            "the claim, the camera's and the test's own: {history:?}"
        );
        assert!(rescue.lost().contains("entries after 3 are missing, if there were any"), "{}", rescue.lost());
        self.assert_gap(hub, Duration::from_secs(10)).await;
        let log = hub.store().read(|db| db.audit(0, 10)).await.unwrap();
        assert_eq!(
            (&log[0].action[..], &log[1].action[..], &log[2].action[..]),
            ("hub.claim", "camera.add", "camera.pause")
        );
        assert_eq!((&log[3].subject[..], &log[4].action[..]), ("before", "store.rebuilt"));
        assert!(log[4].subject.ends_with(": entries after 3 are missing, if there were any"), "{}", log[2].subject);
        let store = hub.store().clone();
        let checked = tokio::task::spawn_blocking(move || store.check_blocking(|_| {})).await.unwrap().unwrap();
        assert!(checked.is_good() && checked.audit.entries >= 5, "{:?}", checked.audit);
    }
    async fn assert_gap(&self, hub: &Hub, within: Duration) {
        testkit::wait_for("the gap is back", within, async || {
            let gap = self.gap.clone();
            let gaps =
                hub.store().read(move |db| db.gaps(gap.camera, gap.stream, Timestamp::MIN, Timestamp::MAX)).await;
            gaps.unwrap().contains(&self.gap)
        })
        .await;
    }
    /// As [`Before::assert_recovered`]; what was set aside lies there, and the state and the audit log say it.
    async fn assert_rebuilt(&self, hub: &Hub) {
        let rescue = hub.rescue().expect("the store was made again");
        assert!(rescue.export.is_some(), "{rescue:?}");
        assert!(rescue.lost().contains("events") && rescue.lost().contains("audit log"), "{}", rescue.lost());
        assert!(matches!(hub.store_health(), Health::Degraded { reason: Reason::StoreRebuilt, .. }));
        assert_eq!(self.aside(), rescue.aside.clone().into_iter().collect::<Vec<_>>());
        let audit = hub.store().read(|db| db.audit_page(None, 1)).await.unwrap();
        assert_eq!(audit[0].action, "store.rebuilt");
        self.assert_recovered(hub).await;
    }
}

async fn start(home: &Home) -> Result<Hub, base::Problem> {
    Hub::start(Config::load(&home.config()).unwrap(), Arc::new(SystemClock), Shutdown::new()).await
}

/// A file with a segment's name at its place. Nothing needs to open it.
fn lay_segment(home: &Home, camera: CameraId) -> PathBuf {
    let day = home.footage().join(camera.to_string()).join("2026-01-01");
    fs::create_dir_all(&day).unwrap();
    let path = day.join(format!("20260101T120000.000Z-{}.main.mp4.age", SegmentId::new(&SystemClock)));
    fs::write(&path, vec![7; 5_000]).unwrap();
    path
}

/// Destroys a store, starts the hub, and looks at what came back.
async fn destroyed_by(destroy: impl FnOnce(&Before)) {
    let before = Before::new().await;
    destroy(&before);
    let hub = before.start().await;
    before.assert_rebuilt(&hub).await;
    before.assert_history(&hub).await;
    hub.stop().await;
    let again = before.start().await;
    assert!(again.rescue().is_none(), "it is made again once: {:?}", again.rescue());
    again.stop().await;
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

#[tokio::test]
async fn truncated() {
    destroyed_by(|before| {
        let log = fs::OpenOptions::new().write(true).open(before.engine_log()).unwrap();
        log.set_len(1_000).unwrap();
    })
    .await;
}

#[tokio::test]
async fn overwritten_with_zeroes_after_its_head() {
    destroyed_by(|before| {
        let len = before.engine_log().metadata().unwrap().len() as usize;
        let head = fs::read(before.engine_log()).unwrap()[..512].to_vec();
        fs::write(before.engine_log(), [head, vec![0; len - 512]].concat()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn with_its_engines_files_missing() {
    destroyed_by(|before| fs::remove_dir_all(before.store().join("sled")).unwrap()).await;
}

#[tokio::test]
async fn with_its_record_of_commits_missing() {
    destroyed_by(|before| fs::remove_file(before.store().join("commits")).unwrap()).await;
}

#[tokio::test]
async fn with_garbage_for_a_mark() {
    destroyed_by(|before| fs::write(before.store().join("store.json"), b"\xff\0garbage").unwrap()).await;
}

#[tokio::test]
async fn deleted_altogether() {
    destroyed_by(|before| fs::remove_dir_all(before.store()).unwrap()).await;
}

#[tokio::test]
async fn emptied() {
    destroyed_by(|before| {
        fs::remove_dir_all(before.store()).unwrap();
        let store = Store::open(&before.store(), before.id, Arc::new(SystemClock)).unwrap();
        store.close_blocking();
    })
    .await;
}

#[tokio::test]
async fn with_a_file_in_its_place() {
    destroyed_by(|before| {
        fs::remove_dir_all(before.store()).unwrap();
        fs::write(before.store(), "no folder").unwrap();
    })
    .await;
}

#[tokio::test]
async fn exchanged_for_another_hubs() {
    destroyed_by(|before| {
        fs::remove_dir_all(before.store()).unwrap();
        let other = HubId::new(&SystemClock);
        Store::open(&before.store(), other, Arc::new(SystemClock)).unwrap().close_blocking();
    })
    .await;
}

#[tokio::test]
async fn exchanged_for_an_older_copy_of_its_engines_files() {
    let test = TestHub::claimed().await;
    test.hub.stop().await;
    let home = test.home;
    let old = home.scratch("old");
    copy(&home.data().join("store/sled"), &old);

    let hub = start(&home).await.unwrap();
    let owner = owner(&home).await;
    let camera = owner.add_camera("Porch", "rtsp://127.0.0.1:9/none").await;
    let (id, segment) = (hub.id(), lay_segment(&home, camera.parse().unwrap()));
    hub.stop().await;
    fs::remove_dir_all(home.data().join("store/sled")).unwrap();
    copy(&old, &home.data().join("store/sled"));

    let gap = Gap {
        id: GapId::new(&SystemClock),
        camera: camera.parse().unwrap(),
        stream: base::footage::StreamName::Main,
        start: SystemClock.wall(),
        end: None,
        reason: GapReason::HubDown,
        start_stamp: None,
        end_stamp: None,
    };
    let before = Before { home, camera: camera.parse().unwrap(), gap, id, segment };
    let hub = before.start().await;
    before.assert_rebuilt(&hub).await;
    hub.stop().await;
}

#[tokio::test]
async fn with_bits_flipped_anywhere() {
    let before = Before::new().await;
    let whole = before.home.scratch("whole");
    copy(&before.store(), &whole);
    let mut rebuilt = 0;
    for round in 0..12u64 {
        fs::remove_dir_all(before.store()).unwrap();
        copy(&whole, &before.store());
        let mut log = fs::read(before.engine_log()).unwrap();
        let used = log.iter().rposition(|byte| *byte != 0).unwrap() as u64;
        for flip in 0..4 {
            let at = (round * 4 + flip) * used / 48 + (round * 7919 + flip * 104_729) % (used / 48).max(1);
            log[at as usize] ^= 1 << (round % 8);
        }
        fs::write(before.engine_log(), log).unwrap();
        let hub = before.start().await;
        before.assert_recovered(&hub).await;
        rebuilt += usize::from(hub.rescue().is_some());
        hub.stop().await;
    }
    assert!(rebuilt > 0, "not one of the flips was noticed");
    assert!(before.aside().len() <= 3, "damaged stores do not fill the card: {:?}", before.aside());
}

#[tokio::test]
async fn a_store_that_lost_only_its_mark_keeps_everything() {
    let before = Before::new().await;
    fs::remove_file(before.store().join("store.json")).unwrap();
    let hub = before.start().await;
    assert!(hub.rescue().is_none());
    before.assert_recovered(&hub).await;
    let gap = before.gap.clone();
    let gaps = hub.store().read(move |db| db.gaps(gap.camera, gap.stream, Timestamp::MIN, Timestamp::MAX)).await;
    assert!(gaps.unwrap().contains(&before.gap));
    hub.stop().await;
}

#[tokio::test]
async fn without_an_export_the_hub_starts_unclaimed_and_keeps_the_footage() {
    for garbage in [false, true] {
        let before = Before::new().await;
        fs::write(before.engine_log(), "").unwrap();
        match garbage {
            true => fs::write(before.export(), "no export").unwrap(),
            false => fs::remove_file(before.export()).unwrap(),
        }
        let hub = before.start().await;
        let rescue = hub.rescue().expect("it was made again").clone();
        assert!(rescue.export.is_none());
        assert!(rescue.lost().contains("recovery kit") && rescue.lost().contains("Claim"), "{}", rescue.lost());
        let token = hub.claim_token().await.unwrap().expect("nobody owns it");
        let mut client = before.home.client();
        before.assert_footage_found(&hub, &client).await;
        client.claim(&token).await;
        hub.stop().await;
        let aside = fs::read_dir(before.home.data().join("export")).unwrap().map(|e| e.unwrap().file_name());
        let aside = aside.filter(|name| name.to_string_lossy().starts_with("settings.export.damaged-")).count();
        assert_eq!(aside, usize::from(garbage), "an export that could not be read is kept");
    }
}

#[tokio::test]
async fn while_its_disk_is_away_the_history_waits_and_nothing_is_written_over_it() {
    let before = Before::new().await;
    let away = before.home.scratch("away");
    fs::rename(before.home.footage(), &away).unwrap();
    fs::remove_dir_all(before.store()).unwrap();
    let hub = before.start().await;
    let rescue = hub.rescue().expect("it was made again").clone();
    assert!(rescue.history.is_none() && rescue.lost().contains("The footage disk is not there"), "{}", rescue.lost());
    fs::rename(&away, before.home.footage()).unwrap();
    before.assert_gap(&hub, Duration::from_secs(20)).await;
    hub.stop().await;
    // The log that begins anew does not go on where the other one ended: that one lies beside it.
    let names = fs::read_dir(before.home.footage().join(format!(".keepsight-export/{}", before.id))).unwrap();
    let names: Vec<_> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("audit.before-")), "{names:?}");
}

#[tokio::test]
async fn an_audit_log_that_was_changed_is_kept_beside_and_not_taken_in() {
    let before = Before::new().await;
    let path = before.home.footage().join(format!(".keepsight-export/{}/audit", before.id));
    let mut content = fs::read(&path).unwrap();
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&path, content).unwrap();
    fs::remove_dir_all(before.store()).unwrap();
    let hub = before.start().await;
    let rescue = hub.rescue().expect("it was made again");
    assert_eq!(rescue.history.unwrap().audit.entries, 0);
    assert!(rescue.lost().contains("entries 0 to 2 are missing, and what came after them"), "{}", rescue.lost());
    before.assert_gap(&hub, Duration::from_secs(10)).await;
    hub.stop().await;
    let names = fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with("audit.damaged-")).count(), 1);
}

/// The epochs of a camera, newest first.
async fn epochs(hub: &Hub, camera: CameraId) -> Vec<store::Epoch> {
    hub.store().read(move |db| db.epochs_of(camera)).await.unwrap()
}

#[tokio::test]
async fn a_key_on_the_disk_that_the_store_does_not_know_begins_a_new_epoch_once() {
    let before = Before::new().await;
    let unknown = vault::EpochSecrets::generate(base::EpochId::new(&SystemClock), before.camera);
    let disk = footage::Disk::open(&before.home.footage(), None).unwrap();
    let sealed = unknown.kit_file(&vault::RecoveryKit::generate().recipient());
    disk.write_epoch_key(before.camera, unknown.epoch(), &sealed).unwrap();

    let hub = before.start().await;
    let two = epochs(&hub, before.camera).await;
    assert_eq!(two.len(), 2);
    assert!(two.iter().all(|epoch| epoch.public.epoch != unknown.epoch()), "the hub cannot open it");
    let log = hub.store().read(|db| db.audit_page(None, 1)).await.unwrap();
    assert_eq!((&log[0].action[..], log[0].subject.clone()), ("epoch.unknown", unknown.epoch().to_string()));
    hub.stop().await;
    let hub = before.start().await;
    assert_eq!(epochs(&hub, before.camera).await, two, "it was told of");
    hub.stop().await;

    // Nothing is sealed to an epoch whose key the kit would not find.
    fs::remove_file(disk.key_path(before.camera, two[0].public.epoch)).unwrap();
    let hub = before.start().await;
    let three = epochs(&hub, before.camera).await;
    assert_eq!(three.len(), 3);
    assert!(disk.key_path(before.camera, three[0].public.epoch).exists());
    hub.stop().await;
}

#[tokio::test]
async fn a_lost_export_is_written_again() {
    let before = Before::new().await;
    fs::remove_file(before.export()).unwrap();
    before.start().await.stop().await;
    assert!(before.export().exists());
    fs::remove_dir_all(before.store()).unwrap();
    let hub = before.start().await;
    before.assert_rebuilt(&hub).await;
    hub.stop().await;
}

#[tokio::test]
async fn a_lost_or_damaged_hub_file_is_written_again_from_what_the_store_says() {
    let before = Before::new().await;
    let file = before.home.data().join("hub.json");
    for damage in [None, Some("{")] {
        match damage {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let hub = before.start().await;
        before.assert_recovered(&hub).await;
        hub.stop().await;
    }
}

#[tokio::test]
async fn a_hub_whose_id_nobody_knows_any_more_is_not_given_another() {
    let before = Before::new().await;
    fs::remove_file(before.home.data().join("hub.json")).unwrap();
    fs::remove_dir_all(before.store()).unwrap();
    fs::remove_file(before.export()).unwrap();
    let problem = start(&before.home).await.err().unwrap();
    assert_eq!(problem.kind, ProblemKind::BadFile);
    assert!(problem.to_string().contains("recovery kit"), "{problem}");
}

#[tokio::test]
async fn another_hubs_store_without_an_export_is_refused_and_left_as_it_is() {
    let home = Home::new();
    let hub = start(&home).await.unwrap();
    hub.stop().await;
    fs::remove_dir_all(home.data().join("store")).unwrap();
    Store::open(&home.data().join("store"), HubId::new(&SystemClock), Arc::new(SystemClock)).unwrap().close_blocking();
    let problem = start(&home).await.err().unwrap();
    assert_eq!(problem.kind, ProblemKind::BadFile);
    assert!(problem.to_string().contains("another hub's"), "{problem}");
    assert!(home.data().join("store/store.json").exists());
}

/// A file system in memory, unmounted in the end.
struct Small(PathBuf);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn on_a_full_disk_the_ballast_makes_room_and_nothing_is_lost() {
    let home = Home::new();
    fs::create_dir(home.data()).unwrap();
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=160m", "tmpfs"]).arg(home.data()).status();
    assert!(mount.unwrap().success(), "mounting a file system in memory needs root");
    let _small = Small(home.data());
    let hub = start(&home).await.unwrap();
    let token = hub.claim_token().await.unwrap().unwrap();
    home.client().claim(&token).await;
    hub.stop().await;

    let mut fill = fs::File::create(home.data().join("fill")).unwrap();
    while std::io::Write::write_all(&mut fill, &[7; 4096]).is_ok() {}
    let hub = start(&home).await.unwrap();
    assert!(hub.rescue().is_none(), "a full disk is no damage");
    owner(&home).await;
    hub.stop().await;
}
